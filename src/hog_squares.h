/* Included by hog.h, once for each REAL: from votes to histograms of blocks by way of those of squares, one stride wide
   and high. All pointers of a function point to different memory.

   All pixels of a square lie in the same blocks. Where these have no more than sixteen cells together, each of its bins
   has as many lanes,

       lane of (block row modulo the number of open ones, block column from the last one on, cell column, cell row)

   and a pixel adds its two shares, times a weight of its row and a weight of its column in each lane, to two
   neighbouring bins. A block is the sum of its lanes in the squares that it consists of. Against histograms of columns,
   which take a pixel's weights of rows, and then are added up by the weights of columns, 512 x 512 with 9 bins take
   0.83 of the time at x86_64_v4 but 0.97 at x86_64_v3 (0.9 with the table of hog_look_up.h); 4000 images of 28 x 28
   take 0.65 at x86_64_v4.

   A pixel takes 3.2 cycles at x86_64_v4: two loads and two stores of a vector, and three loads of a number; without
   the two of these that are spread over a vector it is 2.3. Tried: lines split by the place of a pixel in its
   square, votes of sixteen pixels found in turns with sixteen pixels taken, 1.3 times as long (the splitting, and
   constants that are loaded again); 8, 16 or 32 squares at a time, the same. */

enum { NAME(PIECES) = MEDFAST_HOG_LANES * sizeof(REAL) / sizeof(VECTOR) };

/* `n_rows` rows of pixels, `pitch` apart, into the histograms of their squares. All pixels of a place in their
   square, then those of the next: neighbours would wait for each other, and the weights stay where they are. With
   `is_look_up`, `places` are those of gradients in hog_look_up.h's table, and the shares in it. */
static inline void NAME(take_squares_as)(const NAME(state) * s, ptrdiff_t i, ptrdiff_t n_rows, ptrdiff_t pitch,
                                         ptrdiff_t n_squares, const REAL *row_weights, REAL *squares, const int soft,
                                         const int is_look_up)
{
    enum { N = NAME(PIECES) };
    const REAL *const lower = is_look_up ? s->shares : s->lower, *const higher = is_look_up ? s->shares + 1 : s->higher;
    const ptrdiff_t stride = s->p->stride, size = s->p->size, step = soft && is_look_up ? 2 : 1;
    const int32_t *const places = s->places;
    const uint16_t *const bins = s->bins;
    ptrdiff_t col, row, square;
    int k;

    for (col = 0; col < stride; col++)
        for (row = 0; row < n_rows; row++) {
            const VECTOR *const of_row = (const VECTOR *)(row_weights + row * MEDFAST_HOG_LANES);
            const VECTOR *const of_column = (const VECTOR *)(s->column_weights + col * MEDFAST_HOG_LANES);
            ptrdiff_t at = i + row * pitch + col;
            REAL *first = squares;
            VECTOR weights[N];
            for (k = 0; k < N; k++)
                weights[k] = of_row[k] * of_column[k];
            for (square = 0; square < n_squares; square++, at += stride, first += size) {
                const ptrdiff_t j = is_look_up ? places[at] : at;
                VECTOR *const bin = (VECTOR *)(first + (is_look_up ? bins[j] : places[at]));
                const VECTOR a = lower[j * step] - (VECTOR){0};
                for (k = 0; k < N; k++)
                    bin[k] += a * weights[k];
                if (soft) {
                    const VECTOR b = higher[j * step] - (VECTOR){0};
                    for (k = 0; k < N; k++)
                        bin[N + k] += b * weights[k];
                }
            }
        }
}

#define MEDFAST_TAKE_SQUARES(name, soft, is_look_up)                                                                 \
    MEDFAST_ALONE static void NAME(name)(const NAME(state) * s, ptrdiff_t i, ptrdiff_t n_rows, ptrdiff_t pitch,      \
                                         ptrdiff_t n_squares, const REAL *row_weights, REAL *squares)                \
    {                                                                                                                \
        NAME(take_squares_as)(s, i, n_rows, pitch, n_squares, row_weights, squares, soft, is_look_up);               \
    }
MEDFAST_TAKE_SQUARES(take_squares_soft, 1, 0)
MEDFAST_TAKE_SQUARES(take_squares_hard, 0, 0)
MEDFAST_TAKE_SQUARES(take_squares_soft_by_table, 1, 1)
MEDFAST_TAKE_SQUARES(take_squares_hard_by_table, 0, 1)
#undef MEDFAST_TAKE_SQUARES

/* Gradients of `n` columns of some rows, close together: what a row has too much is overwritten by the next. Places of
   lines by counting, for of a short line divisions take as long as the rest. */
static void NAME(gradient_of_rows)(const medfast_hog_plan *p, const REAL *lines, ptrdiff_t row, ptrdiff_t n_rows,
                                   ptrdiff_t column, ptrdiff_t n, REAL *dx, REAL *dy)
{
    const ptrdiff_t distance = p->n_channels * p->line_size;
    const REAL *const end = lines + p->n_lines * distance, *above = lines + row % p->n_lines * distance;
    const REAL *here = above + distance < end ? above + distance : lines;
    ptrdiff_t r;

    for (r = 0; r < n_rows; r++) {
        const REAL *const below = here + distance < end ? here + distance : lines;
        NAME(gradient)(p, above, here, below, column, MEDFAST_UP(n), dx + r * n, dy + r * n);
        above = here;
        here = below;
    }
}

/* The rows `row` to `stop` of the region. These may be those of several strides, where a part has all columns. Votes
   are found for some hundred pixels at once, so that they stay in the nearest cache. */
static void NAME(add_square_rows)(const NAME(state) * s, ptrdiff_t row, ptrdiff_t stop)
{
    const medfast_hog_plan *p = s->p;
    const ptrdiff_t height = MEDFAST_LEAST(p->row_stride, p->block_height);
    void (*const take)(const NAME(state) *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, const REAL *, REAL *) =
        s->shares ? (p->soft ? NAME(take_squares_soft_by_table) : NAME(take_squares_hard_by_table))
                  : (p->soft ? NAME(take_squares_soft) : NAME(take_squares_hard));
    ptrdiff_t part, r, r_end;

    for (part = 0; part < p->n_groups; part += p->part_groups) {
        const ptrdiff_t n_squares = MEDFAST_LEAST(p->part_groups, p->n_groups - part), n = n_squares * p->stride;
        NAME(gradient_of_rows)(p, s->lines, row, stop - row, part * p->stride, n, s->dx, s->dy);
        if (s->shares)
            NAME(places_of)(s->dx, s->dy, MEDFAST_UP((stop - row) * n), s->places);
        else
            NAME(vote_to_count)(p, MEDFAST_UP((stop - row) * n), s->edges, s->dx, s->dy, s->room, s->lower, s->higher,
                                s->places);
        for (r = row; r < stop; r = r_end) {
            const ptrdiff_t stride_row = r / p->row_stride, first = stride_row * p->row_stride;
            r_end = MEDFAST_LEAST(stop, first + height);
            take(s, (r - row) * n, r_end - r, n, n_squares,
                 s->row_weights + (stride_row % p->n_open_rows * p->row_stride + r - first) * MEDFAST_HOG_LANES,
                 s->sums + part * p->size);
            if (p->part_groups >= p->n_groups && (r_end == first + height || r_end == s->end))
                NAME(finish)(s, stride_row);
        }
    }
}

/* Take the histograms of the block row `now` (modulo the open ones) out of the squares, where they become zero:
   `values` is (blocks, cell cols, cell rows, bins), padded. The bin beyond the last is the first. */
static void NAME(take_from_squares)(const medfast_hog_plan *p, REAL *squares, ptrdiff_t now,
                                    REAL *MEDFAST_RESTRICT values)
{
    const ptrdiff_t n_bins = p->n_bins, n_lanes = p->n_cell_rows * p->n_cells, size = p->size;
    const ptrdiff_t n_open_lanes = p->n_open_cols * n_lanes;
    ptrdiff_t block, open, lane, k;

    squares += now * n_open_lanes;
    for (block = 0; block < p->n_groups; block++, squares += size, values += p->n_padded) {
#ifdef QUARTET
        if (n_lanes == 4 && p->n_open_cols == 2 && n_bins >= 4) {
            for (k = 0; block < p->n_blocks; k = MEDFAST_LEAST(k + 4, n_bins - 4)) {
                const REAL *const from = squares + k * MEDFAST_HOG_LANES, *const next = from + size + 4;
#define SUM(i) (*(const QUARTET *)(from + 16 * (i)) + *(const QUARTET *)(next + 16 * (i)))
                QUARTET a = SUM(0);
                const QUARTET b = SUM(1), c = SUM(2), d = SUM(3);
                if (k == 0)
                    a += SUM(n_bins);
#undef SUM
                {
                    const QUARTET ac_low = __builtin_shuffle(a, c, (QUARTET_INDEX){0, 4, 1, 5}),
                                  ac_high = __builtin_shuffle(a, c, (QUARTET_INDEX){2, 6, 3, 7}),
                                  bd_low = __builtin_shuffle(b, d, (QUARTET_INDEX){0, 4, 1, 5}),
                                  bd_high = __builtin_shuffle(b, d, (QUARTET_INDEX){2, 6, 3, 7});
                    *(QUARTET *)(values + k) = __builtin_shuffle(ac_low, bd_low, (QUARTET_INDEX){0, 4, 1, 5});
                    *(QUARTET *)(values + n_bins + k) = __builtin_shuffle(ac_low, bd_low, (QUARTET_INDEX){2, 6, 3, 7});
                    *(QUARTET *)(values + 2 * n_bins + k) =
                        __builtin_shuffle(ac_high, bd_high, (QUARTET_INDEX){0, 4, 1, 5});
                    *(QUARTET *)(values + 3 * n_bins + k) =
                        __builtin_shuffle(ac_high, bd_high, (QUARTET_INDEX){2, 6, 3, 7});
                }
                if (k == n_bins - 4)
                    break;
            }
            for (k = 0; k <= n_bins; k++)
                *(OCTET *)(squares + k * MEDFAST_HOG_LANES) = (OCTET){0};
            continue;
        }
#endif
        for (lane = 0; block < p->n_blocks && lane < n_lanes; lane++)
            for (k = 0; k <= n_bins; k++) {
                const REAL *from = squares + k * MEDFAST_HOG_LANES + lane;
                REAL total = *from;
                for (open = 1; open < p->n_open_cols; open++)
                    total += from[open * (size + n_lanes)];
                if (k < n_bins)
                    values[lane * n_bins + k] = total;
                else
                    values[lane * n_bins] += total;
            }
        for (k = 0; k <= n_bins; k++)
            for (lane = 0; lane < n_open_lanes; lane++)
                squares[k * MEDFAST_HOG_LANES + lane] = 0;
    }
}
