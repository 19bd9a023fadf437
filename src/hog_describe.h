/* Included by hog.h, once for each REAL: the rows of an image through all of it. All pointers of a function point to
   different memory. */

/* The stride `stride_row` has all its pixels: of the open block rows, one is complete. If it is none of ours, it makes
   room. */
static void NAME(finish)(const NAME(state) * s, ptrdiff_t stride_row)
{
    const medfast_hog_plan *p = s->p;
    const ptrdiff_t block_row = stride_row - p->n_open_rows + 1, now = (stride_row + 1) % p->n_open_rows;

    if (p->by_squares)
        NAME(take_from_squares)(p, s->sums, now, s->values);
    else
        NAME(take_blocks)(p, s->totals, now * p->n_cell_rows, s->values);
    if (block_row >= s->first) {
        const ptrdiff_t n[4] = {p->n_blocks, p->n_cell_rows, p->n_cells, p->n_bins};
        char *const to = s->out->data + s->item * s->out->strides[0] + block_row * s->out_strides[0];
        NAME(normalize)(s->values, n, p->n_padded, 0, (int)p->norm, s->norm, s->scales, to, s->out_strides + 1,
                        sizeof(REAL) == sizeof(double));
    }
}

/* The block rows `start` to `stop`, counted through all images. What stands where in plan, tables and work is what
   medfast/_drivers/hog_plan.py says. */
static void NAME(describe)(const int64_t *plan, const REAL *tables, const medfast_hog_image *image, const REAL *shares,
                           ptrdiff_t start, ptrdiff_t stop, REAL *work, const medfast_hog_out *out)
{
    const medfast_hog_plan *const p = (const medfast_hog_plan *)plan;
    NAME(state) s;
    ptrdiff_t last, stride_row, row, band_end, loaded;

    s.p = p;
    s.image = image;
    s.out = out;
    s.row_of = plan + MEDFAST_HOG_PLAN_SIZE;
    s.column_of = s.row_of + p->n_rows;
    s.taps = s.column_of + p->n_columns;
    s.base = s.taps + 2 * p->n_open_cols * p->n_cells;
    s.norm = tables;
    s.row_weights = tables + MEDFAST_HOG_LANES;
    s.column_weights = s.row_weights + p->n_open_rows * p->row_stride * p->n_lanes;
    s.edges = s.column_weights
              + p->stride * (p->by_squares ? MEDFAST_HOG_LANES : (ptrdiff_t)(p->n_open_cols * p->n_cells));
    for (row = 0; row < 5; row++)
        s.out_strides[row] = p->out_strides[row] * out->strides[1];
    s.shares = shares;
    s.bins = shares ? (const uint16_t *)(shares + MEDFAST_HOG_TABLE_SIZE * (p->soft ? 2 : 1)) : NULL;
    s.lines = work;
    s.values = work + p->at_values;
    s.scales = work + p->at_scales;
    s.sums = work + p->at_sums;
    s.totals = work + p->at_totals;
    s.dx = work + p->at_votes;
    s.dy = s.dx + p->vote_room;
    s.lower = s.dy + p->vote_room;
    s.higher = s.lower + p->vote_room;
    s.places = (int32_t *)(s.higher + p->vote_room);
    s.room = s.higher + 2 * p->vote_room;
    memset(s.lines, 0, (size_t)p->at_scales * sizeof(REAL)); /* where lines and values are padded, nobody writes */
    for (; start < stop; start += last - s.first) {
        s.item = start / p->n_block_rows;
        s.first = start - s.item * p->n_block_rows;
        last = MEDFAST_LEAST(stop - s.item * p->n_block_rows, p->n_block_rows);
        s.end = (last - 1) * p->row_stride + p->block_height;
        memset(p->by_squares ? s.sums : s.totals, 0, (size_t)p->sums_to_clear * sizeof(REAL));
        loaded = s.first * p->row_stride - 1; /* rows of the region from which on none is in `lines` */
        for (stride_row = s.first; stride_row < last - 1 + p->n_open_rows; stride_row += p->strides_at_once) {
            row = stride_row * p->row_stride;
            band_end = p->strides_at_once > 1 ? row + p->n_at_once
                                              : row + MEDFAST_LEAST(p->row_stride, p->block_height);
            band_end = MEDFAST_LEAST(band_end, s.end);
            loaded = loaded > row - 1 ? loaded : row - 1;
            while (row < band_end) {
                const ptrdiff_t rows_end = MEDFAST_LEAST(row + p->n_at_once, band_end);
                for (; loaded <= rows_end; loaded++)
                    NAME(load_row)(p, image, s.item, s.row_of[loaded + 1], s.column_of, loaded + 1, s.lines);
                if (p->by_squares)
                    NAME(add_square_rows)(&s, row, rows_end);
                else
                    NAME(add_rows)(&s, row, rows_end, stride_row);
                row = rows_end;
            }
            if (!p->by_squares || p->part_groups < p->n_groups)
                NAME(finish)(&s, stride_row);
        }
    }
}
