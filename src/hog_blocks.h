/* Included by hog.h, once for each REAL: from histograms of a row of blocks to descriptors. A block's values stand
   together, padded to a multiple of 16 with zeros. */

/* What is at hand while a range of block rows is described. */
typedef struct {
    const medfast_hog_plan *p;
    const medfast_hog_image *image;
    const medfast_hog_out *out;
    const int64_t *row_of, *column_of, *taps, *base;
    const REAL *row_weights, *column_weights, *edges, *norm; /* norm: clip, epsilon (4) */
    const REAL *shares;   /* by gradient (hog_look_up.h), or null */
    const uint16_t *bins; /* the same */
    REAL *lines, *values, *scales, *dx, *dy, *room, *lower, *higher, *sums, *totals;
    int32_t *places;
    ptrdiff_t out_strides[5]; /* bytes */
    ptrdiff_t item, first, end; /* image, its first block row of ours, and the row of the region after our last */
} NAME(state);

static void NAME(finish)(const NAME(state) * s, ptrdiff_t stride_row);

/* Take the histograms of the block row in the lanes from `lane` on, which become zero: `values` is (blocks, cell cols,
   cell rows, bins), padded. The bin beyond the last is the first. */
static void NAME(take_blocks)(const medfast_hog_plan *p, REAL *totals, ptrdiff_t lane, REAL *MEDFAST_RESTRICT values)
{
    const ptrdiff_t n_bins = p->n_bins, n_lanes = p->n_lanes;
    ptrdiff_t block, cell, row, k;

    for (block = 0; block < p->n_blocks; block++, values += p->n_padded) {
        REAL *target = values;
        for (cell = 0; cell < p->n_cells; cell++, totals += p->size) {
            REAL *const source = totals + lane;
            /* the bin beyond the last is added to what was taken: as a part of a vector still to be read, it would be
               waited for */
#ifdef QUARTET
            if (p->n_cell_rows == 2) {
                for (k = 0; k + 4 <= n_bins; k += 4) {
                    const REAL *const from = source + k * n_lanes;
                    const QUARTET a = *(const QUARTET *)from, b = *(const QUARTET *)(from + n_lanes),
                                  c = *(const QUARTET *)(from + 2 * n_lanes),
                                  d = *(const QUARTET *)(from + 3 * n_lanes);
                    const QUARTET ab = __builtin_shuffle(a, b, (QUARTET_INDEX){0, 4, 1, 5}),
                                  cd = __builtin_shuffle(c, d, (QUARTET_INDEX){0, 4, 1, 5});
                    *(QUARTET *)(target + k) = __builtin_shuffle(ab, cd, (QUARTET_INDEX){0, 1, 4, 5});
                    *(QUARTET *)(target + n_bins + k) = __builtin_shuffle(ab, cd, (QUARTET_INDEX){2, 3, 6, 7});
                }
                for (; k < n_bins; k++) {
                    target[k] = source[k * n_lanes];
                    target[n_bins + k] = source[k * n_lanes + 1];
                }
                target[0] += source[k * n_lanes];
                target[n_bins] += source[k * n_lanes + 1];
                for (k = 0; k <= n_bins; k++)
                    memset(source + k * n_lanes, 0, 2 * sizeof(REAL));
                target += 2 * n_bins;
                continue;
            }
#endif
            for (row = 0; row < p->n_cell_rows; row++, target += n_bins) {
                for (k = 0; k < n_bins; k++) {
                    target[k] = source[k * n_lanes + row];
                    source[k * n_lanes + row] = 0;
                }
                target[0] += source[n_bins * n_lanes + row];
                source[n_bins * n_lanes + row] = 0;
            }
        }
    }
}

/* Sixteen sums into one, in halves. */
static inline REAL NAME(sum_of_parts)(const REAL *part)
{
#ifdef QUARTET
    const QUARTET *const quarters = (const QUARTET *)part;
    const QUARTET sums = (quarters[0] + quarters[2]) + (quarters[1] + quarters[3]);
#else
    REAL sums[4];
    int i;
    for (i = 0; i < 4; i++)
        sums[i] = (part[i] + part[i + 8]) + (part[i + 4] + part[i + 12]);
#endif
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/* Find what to multiply the values of each block by, which for L2-Hys are clipped. A block has `n` values and `size`
   with its padding; `constants` are clip and epsilon (4). Tried: roots of few blocks one by one, the same time. */
static void NAME(find_scales)(REAL *MEDFAST_RESTRICT values, ptrdiff_t n, ptrdiff_t size, ptrdiff_t n_blocks, int norm,
                            const REAL *MEDFAST_RESTRICT constants, REAL *MEDFAST_RESTRICT scales)
{
    const REAL clip = constants[0], e0 = constants[1], e1 = constants[2], e2 = constants[3], e3 = constants[4];
    const int is_l1 = norm == MEDFAST_HOG_L1 || norm == MEDFAST_HOG_L1_SQRT;
    ptrdiff_t block, i, lane;

    for (block = 0; block < n_blocks; block++) {
        const REAL *MEDFAST_RESTRICT first = values + block * size;
        REAL part[MEDFAST_HOG_LANES] = {0};
        if (is_l1)
            for (i = 0; i < n; i += MEDFAST_HOG_LANES)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                    part[lane] += first[i + lane];
        else
            for (i = 0; i < n; i += MEDFAST_HOG_LANES)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                    part[lane] += first[i + lane] * first[i + lane];
        scales[block] = NAME(sum_of_parts)(part);
    }
    if (is_l1)
        for (block = 0; block < n_blocks; block++)
            scales[block] = 1 / (scales[block] + e0 + e1);
    else
        for (block = 0; block < n_blocks; block++)
            scales[block] = 1 / (SQRT(scales[block] + e0) + e1);
    if (norm == MEDFAST_HOG_L2_HYS) {
        for (block = 0; block < n_blocks; block++) {
            REAL *MEDFAST_RESTRICT first = values + block * size;
            const REAL scale = scales[block];
            REAL part[MEDFAST_HOG_LANES] = {0};
            for (i = 0; i < n; i += MEDFAST_HOG_LANES)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++) {
                    const REAL scaled = first[i + lane] * scale, value = scaled < clip ? scaled : clip;
                    first[i + lane] = value;
                    part[lane] += value * value;
                }
            scales[block] = NAME(sum_of_parts)(part);
        }
        for (block = 0; block < n_blocks; block++)
            scales[block] = 1 / (SQRT(scales[block] + e2) + e3);
    }
}

/* The values of a row of blocks times their scales into `out`. Those of a block are (cell cols, cell rows, bins), or
   (cell rows, cell cols, bins) with `rows_first`. */
#define MEDFAST_WRITE(type)                                                                                            \
    static void NAME(write_##type)(const REAL *MEDFAST_RESTRICT values, const REAL *MEDFAST_RESTRICT scales,           \
                                   const ptrdiff_t *n, ptrdiff_t n_padded, int rows_first, char *MEDFAST_RESTRICT to,  \
                                   const ptrdiff_t *strides)                                                           \
    {                                                                                                                  \
        const ptrdiff_t n_rows = n[1], n_cols = n[2], n_bins = n[3], together = n_bins * (ptrdiff_t)sizeof(type);      \
        const ptrdiff_t outer = rows_first ? strides[1] : strides[2], inner = rows_first ? strides[2] : strides[1];    \
        const ptrdiff_t n_outer = rows_first ? n_rows : n_cols, n_inner = rows_first ? n_cols : n_rows;                \
        const int is_run = strides[3] == sizeof(type) && (n_inner == 1 || inner == together)                           \
                           && (n_outer == 1 || outer == n_inner * together);                                           \
        ptrdiff_t block, i, j, k;                                                                                      \
        int lane;                                                                                                      \
                                                                                                                       \
        for (block = 0; block < n[0]; block++, values += n_padded, to += strides[0]) {                                 \
            const REAL scale = scales[block];                                                                          \
            if (is_run) {                                                                                     \
                type *MEDFAST_RESTRICT target = (type *)to;                                                            \
                for (k = 0; k + MEDFAST_HOG_LANES <= n_rows * n_cols * n_bins; k += MEDFAST_HOG_LANES)                 \
                    MEDFAST_ACROSS                                                                                     \
                    for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)                                                   \
                        target[k + lane] = (type)(values[k + lane] * scale);                                           \
                for (; k + 4 <= n_rows * n_cols * n_bins; k += 4)                                                      \
                    MEDFAST_ACROSS                                                                                     \
                    for (lane = 0; lane < 4; lane++)                                                                   \
                        target[k + lane] = (type)(values[k + lane] * scale);                                           \
                for (; k < n_rows * n_cols * n_bins; k++)                                                              \
                    target[k] = (type)(values[k] * scale);                                                             \
                continue;                                                                                              \
            }                                                                                                          \
            for (i = 0; i < n_outer; i++)                                                                              \
                for (j = 0; j < n_inner; j++)                                                                          \
                    for (k = 0; k < n_bins; k++) {                                                                     \
                        const REAL value = values[(i * n_inner + j) * n_bins + k] * scale;                             \
                        *(type *)(to + i * outer + j * inner + k * strides[3]) = (type)value;                          \
                    }                                                                                                  \
        }                                                                                                              \
    }
MEDFAST_WRITE(float)
MEDFAST_WRITE(double)
#undef MEDFAST_WRITE

/* Normalise a row of blocks and write them. `n` and `strides` are those of (blocks, cell rows, cell cols, bins) of
   `out`, whose type may be another one. */
static void NAME(normalize)(REAL *values, const ptrdiff_t *n, ptrdiff_t n_padded, int rows_first, int norm,
                            const REAL *constants, REAL *scales, char *to, const ptrdiff_t *strides, int is_double)
{
    ptrdiff_t block, i;

    NAME(find_scales)(values, n[1] * n[2] * n[3], n_padded, n[0], norm, constants, scales);
    for (block = 0; norm == MEDFAST_HOG_L1_SQRT && block < n[0]; block++) {
        for (i = 0; i < n_padded; i++)
            values[block * n_padded + i] = SQRT(values[block * n_padded + i] * scales[block]);
        scales[block] = 1;
    }
    if (is_double)
        NAME(write_double)(values, scales, n, n_padded, rows_first, to, strides);
    else
        NAME(write_float)(values, scales, n, n_padded, rows_first, to, strides);
}
