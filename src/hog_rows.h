/* Included by hog.h, once for each REAL: from votes to histograms of blocks. All pointers of a function point to
   different memory. */

/* The columns' histograms take the votes of a row, times the row's weight in each lane: two neighbouring bins at once.
   Neighbouring columns write to different memory, so no sum waits for the one before. */
MEDFAST_ALONE static void NAME(take_row)(const REAL *MEDFAST_RESTRICT shares, const int32_t *MEDFAST_RESTRICT places,
                                         const REAL *MEDFAST_RESTRICT weights, ptrdiff_t n, ptrdiff_t n_lanes,
                                         REAL *MEDFAST_RESTRICT histograms)
{
    ptrdiff_t i, lane;

#ifndef OCTET
    for (i = 0; i < n; i++)
        for (lane = 0; lane < n_lanes; lane++) {
            histograms[places[i] + lane] += shares[2 * i] * weights[lane];
            histograms[places[i] + n_lanes + lane] += shares[2 * i + 1] * weights[lane];
        }
#else
    if (n_lanes == 4) {
        const OCTET w = {weights[0], weights[1], weights[2], weights[3], weights[0], weights[1], weights[2], weights[3]};
        MEDFAST_BY_FOURS
        for (i = 0; i < n; i++) {
            const REAL a = shares[2 * i], b = shares[2 * i + 1];
            OCTET *const sums = (OCTET *)(histograms + places[i]);
            *sums += (OCTET){a, a, a, a, b, b, b, b} * w;
        }
    } else
        for (i = 0; i < n; i++) {
            const REAL a = shares[2 * i], b = shares[2 * i + 1];
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
                             const REAL *weights, REAL *totals)
{
    const ptrdiff_t size = p->size, n_lanes = sizeof(VECTOR) / sizeof(REAL), step = p->stride * size;
    ptrdiff_t open, cell, block, i;

    for (open = 0; open < p->n_open_cols; open++) {
        const ptrdiff_t first = group > open ? group - open : 0;
        const ptrdiff_t last = MEDFAST_LEAST(group + n_groups - open, p->n_blocks);
        for (cell = 0; cell < p->n_cells; cell++) {
            const int64_t *taps = p->taps + 2 * (open * p->n_cells + cell);
            const ptrdiff_t n = taps[1] - taps[0];
            const REAL *const w = weights + (cell * p->n_open_cols + open) * p->stride + taps[0];
            const REAL *source = columns + (first + open - group) * step + taps[0] * size;
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

/* The rows `row` to `stop` of the region, which have the same open blocks; `weights` are (rows of a stride, n_lanes),
   from that of `row` on. Votes are found for some hundred columns at once, taken and added up for some dozen, so that
   both stay in the nearest cache. */
static void NAME(add_rows)(const medfast_hog_plan *p, const REAL *lines, ptrdiff_t row, ptrdiff_t stop,
                           const REAL *weights, const REAL *column_weights, const REAL *edges, REAL *work,
                           int32_t *places, REAL *columns, REAL *totals)
{
    const ptrdiff_t n_rows = stop - row;
    REAL *const shares = work + 4 * p->n_at_once * p->tile_size;
    ptrdiff_t part, tile, i, r;

    for (part = 0; part < p->n_groups; part += p->part_groups) {
        const ptrdiff_t part_end = MEDFAST_LEAST(part + p->part_groups, p->n_groups);
        const ptrdiff_t n = MEDFAST_UP((part_end - part) * p->stride);
        for (r = 0; r < n_rows; r++)
            NAME(gradient_of_row)(p, lines, row + r, part * p->stride, n, work + r * n, work + (n_rows + r) * n);
        NAME(vote)(p, n_rows * n, edges, work, shares, places);
        for (r = 0; r < n_rows; r++)
            for (i = 0; i < n; i++)
                places[r * n + i] += p->base[i];
        if (p->soft && p->n_bins == 1) /* the lower share is lost, as in OpenCV */
            for (i = 0; i < n_rows * n; i++)
                shares[2 * i] = 0;
        for (tile = part; tile < part_end; tile += p->tile_groups) {
            const ptrdiff_t tile_end = MEDFAST_LEAST(tile + p->tile_groups, part_end);
            const ptrdiff_t first = (tile - part) * p->stride, n_columns = (tile_end - tile) * p->stride;
            memset(columns, 0, (size_t)(n_columns * p->size) * sizeof(REAL));
            for (r = 0; r < n_rows; r++)
                NAME(take_row)(shares + 2 * (r * n + first), places + r * n + first, weights + r * p->n_lanes,
                               n_columns, p->n_lanes, columns);
            NAME(add_groups)(p, columns, tile, tile_end - tile, column_weights, totals);
        }
    }
}
