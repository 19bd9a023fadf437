/* Included by hog.h, once for each REAL: from votes to histograms of blocks by way of those of columns. All pointers
   of a function point to different memory. */

/* The columns' histograms take the votes of a row, times the row's weight in each lane: two neighbouring bins at once.
   Neighbouring columns write to different memory, so no sum waits for the one before. */
MEDFAST_ALONE static void NAME(take_row)(const REAL *MEDFAST_RESTRICT shares_low,
                                         const REAL *MEDFAST_RESTRICT shares_high,
                                         const int32_t *MEDFAST_RESTRICT places, const REAL *MEDFAST_RESTRICT weights,
                                         ptrdiff_t n, ptrdiff_t n_lanes, REAL *MEDFAST_RESTRICT histograms)
{
    ptrdiff_t i, lane;

#ifndef OCTET
    for (i = 0; i < n; i++)
        for (lane = 0; lane < n_lanes; lane++) {
            histograms[places[i] + lane] += shares_low[i] * weights[lane];
            histograms[places[i] + n_lanes + lane] += shares_high[i] * weights[lane];
        }
#else
    if (n_lanes == 4) {
        const OCTET w = {weights[0], weights[1], weights[2], weights[3],
                         weights[0], weights[1], weights[2], weights[3]};
        MEDFAST_BY_FOURS
        for (i = 0; i < n; i++) {
            const REAL a = shares_low[i], b = shares_high[i];
            OCTET *const sums = (OCTET *)(histograms + places[i]);
            *sums += (OCTET){a, a, a, a, b, b, b, b} * w;
        }
    } else
        for (i = 0; i < n; i++) {
            const REAL a = shares_low[i], b = shares_high[i];
            REAL *const lower = histograms + places[i], *const higher = lower + n_lanes;
            for (lane = 0; lane < n_lanes; lane += 8) {
                const OCTET w = *(const OCTET *)(weights + lane);
                *(OCTET *)(lower + lane) += a * w;
                *(OCTET *)(higher + lane) += b * w;
            }
        }
#endif
}

/* totals += weights[0] * columns[0] + weights[1] * columns[1] + ..., each an array of `size`; n vectors at once. */
static inline void NAME(add_columns)(const REAL *columns, ptrdiff_t size, const REAL *weights, ptrdiff_t n_columns,
                                     REAL *totals, const int n)
{
    VECTOR total[6];
    ptrdiff_t column;
    int i;

    for (i = 0; i < n; i++)
        total[i] = ((VECTOR *)totals)[i];
    MEDFAST_BY_FOURS
    for (column = 0; column < n_columns; column++, columns += size)
        for (i = 0; i < n; i++)
            total[i] += weights[column] * ((const VECTOR *)columns)[i];
    for (i = 0; i < n; i++)
        ((VECTOR *)totals)[i] = total[i];
}

/* The histograms of `n_groups` groups of columns (each one stride wide) from `group` on into those of the blocks and
   cells that they lie in. */
static void NAME(add_groups)(const medfast_hog_plan *p, const REAL *columns, ptrdiff_t group, ptrdiff_t n_groups,
                             const int64_t *taps, const REAL *weights, REAL *totals)
{
    const ptrdiff_t size = p->size, n_lanes = sizeof(VECTOR) / sizeof(REAL), step = p->stride * size;
    ptrdiff_t open, cell, block, i;

    for (open = 0; open < p->n_open_cols; open++) {
        const ptrdiff_t first = group > open ? group - open : 0;
        const ptrdiff_t last = MEDFAST_LEAST(group + n_groups - open, p->n_blocks);
        for (cell = 0; cell < p->n_cells; cell++) {
            const int64_t *range = taps + 2 * (open * p->n_cells + cell);
            const ptrdiff_t n = range[1] - range[0];
            const REAL *const w = weights + (cell * p->n_open_cols + open) * p->stride + range[0];
            const REAL *source = columns + (first + open - group) * step + range[0] * size;
            REAL *target = totals + (first * p->n_cells + cell) * size;
            if (n <= 0)
                continue;
            for (block = first; block < last; block++, source += step, target += p->n_cells * size) {
                for (i = 0; i + 6 * n_lanes <= size; i += 6 * n_lanes)
                    NAME(add_columns)(source + i, size, w, n, target + i, 6);
                for (; i + 3 * n_lanes <= size; i += 3 * n_lanes)
                    NAME(add_columns)(source + i, size, w, n, target + i, 3);
                for (; i < size; i += n_lanes)
                    NAME(add_columns)(source + i, size, w, n, target + i, 1);
            }
        }
    }
}

/* The rows `row` to `stop` of the region, which have the same open blocks. Votes are found for some hundred columns at
   once, taken and added up for some dozen, so that both stay in the nearest cache. */
static void NAME(add_rows)(const NAME(state) * s, ptrdiff_t row, ptrdiff_t stop, ptrdiff_t stride_row)
{
    const medfast_hog_plan *p = s->p;
    const ptrdiff_t n_rows = stop - row, n = p->tile_size;
    const ptrdiff_t in_stride = row - stride_row * p->row_stride;
    const REAL *weights = s->row_weights + (stride_row % p->n_open_rows * p->row_stride + in_stride) * p->n_lanes;
    ptrdiff_t part, tile, i, r;

    for (part = 0; part < p->n_groups; part += p->part_groups) {
        const ptrdiff_t part_end = MEDFAST_LEAST(part + p->part_groups, p->n_groups);
        for (r = 0; r < n_rows; r++)
            NAME(gradient_of_row)(p, s->lines, row + r, part * p->stride, n, s->dx + r * n, s->dy + r * n);
        if (!p->soft)
            memset(s->higher, 0, (size_t)(n_rows * n) * sizeof(REAL));
        NAME(vote_to_count)(p, n_rows * n, s->edges, s->dx, s->dy, s->room, s->lower, s->higher, s->places);
        for (r = 0; r < n_rows; r++)
            for (i = 0; i < n; i++)
                s->places[r * n + i] += (int32_t)s->base[i];
        for (tile = part; tile < part_end; tile += p->tile_groups) {
            const ptrdiff_t tile_end = MEDFAST_LEAST(tile + p->tile_groups, part_end);
            const ptrdiff_t first = (tile - part) * p->stride, n_columns = (tile_end - tile) * p->stride;
            memset(s->sums, 0, (size_t)(n_columns * p->size) * sizeof(REAL));
            for (r = 0; r < n_rows; r++)
                NAME(take_row)(s->lower + r * n + first, s->higher + r * n + first, s->places + r * n + first,
                               weights + r * p->n_lanes, n_columns, p->n_lanes, s->sums);
            NAME(add_groups)(p, s->sums, tile, tile_end - tile, s->taps, s->column_weights, s->totals);
        }
    }
}
