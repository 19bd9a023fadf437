/* Included by hog.h, once for each REAL: from histograms of a row of blocks to descriptors. A block's values stand
   together, padded to a multiple of 16 with zeros. */

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
            for (row = 0; row < p->n_cell_rows; row++) {
                source[row] += source[n_bins * n_lanes + row];
                source[n_bins * n_lanes + row] = 0;
            }
#ifdef QUARTET
            if (p->n_cell_rows == 2) {
                for (k = 0; k + 4 <= n_bins; k += 4) {
                    const REAL *const from = source + k * n_lanes;
                    const QUARTET a = *(const QUARTET *)from, b = *(const QUARTET *)(from + n_lanes),
                                  c = *(const QUARTET *)(from + 2 * n_lanes), d = *(const QUARTET *)(from + 3 * n_lanes);
                    const QUARTET ab = __builtin_shuffle(a, b, (QUARTET_INDEX){0, 4, 1, 5}),
                                  cd = __builtin_shuffle(c, d, (QUARTET_INDEX){0, 4, 1, 5});
                    *(QUARTET *)(target + k) = __builtin_shuffle(ab, cd, (QUARTET_INDEX){0, 1, 4, 5});
                    *(QUARTET *)(target + n_bins + k) = __builtin_shuffle(ab, cd, (QUARTET_INDEX){2, 3, 6, 7});
                }
                for (; k < n_bins; k++) {
                    target[k] = source[k * n_lanes];
                    target[n_bins + k] = source[k * n_lanes + 1];
                }
                for (k = 0; k < n_bins; k++)
                    source[k * n_lanes] = source[k * n_lanes + 1] = 0;
                target += 2 * n_bins;
                continue;
            }
#endif
            for (row = 0; row < p->n_cell_rows; row++, target += n_bins)
                for (k = 0; k < n_bins; k++) {
                    target[k] = source[k * n_lanes + row];
                    source[k * n_lanes + row] = 0;
                }
        }
    }
}

/* The sum of sixteen, in halves. */
static inline REAL NAME(sum)(const REAL *parts)
{
    REAL sums[MEDFAST_HOG_LANES / 2];
    ptrdiff_t lane, half = MEDFAST_HOG_LANES / 2;

    for (lane = 0; lane < MEDFAST_HOG_LANES / 2; lane++)
        sums[lane] = parts[lane] + parts[lane + MEDFAST_HOG_LANES / 2];
    for (half /= 2; half > 0; half /= 2)
        for (lane = 0; lane < half; lane++)
            sums[lane] += sums[lane + half];
    return sums[0];
}

/* Normalise blocks of `n` values, `size` apart; `scales` has room for as many as there are blocks. */
static void NAME(normalize)(REAL *MEDFAST_RESTRICT values, ptrdiff_t n, ptrdiff_t size, ptrdiff_t n_blocks, int norm,
                            REAL clip, const double *MEDFAST_RESTRICT epsilon, REAL *MEDFAST_RESTRICT scales)
{
    const REAL e0 = (REAL)epsilon[0], e1 = (REAL)epsilon[1], e2 = (REAL)epsilon[2], e3 = (REAL)epsilon[3];
    const int is_l1 = norm == MEDFAST_HOG_L1 || norm == MEDFAST_HOG_L1_SQRT;
    ptrdiff_t block, i, lane;

    for (block = 0; block < n_blocks; block++) {
        const REAL *MEDFAST_RESTRICT first = values + block * size;
        REAL parts[MEDFAST_HOG_LANES] = {0};
        for (i = 0; i < n; i += MEDFAST_HOG_LANES)
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++) {
                const REAL value = first[i + lane];
                parts[lane] += is_l1 ? value : value * value;
            }
        scales[block] = NAME(sum)(parts);
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
            REAL parts[MEDFAST_HOG_LANES] = {0};
            for (i = 0; i < n; i += MEDFAST_HOG_LANES)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++) {
                    const REAL scaled = first[i + lane] * scale, value = scaled < clip ? scaled : clip;
                    first[i + lane] = value;
                    parts[lane] += value * value;
                }
            scales[block] = NAME(sum)(parts);
        }
        for (block = 0; block < n_blocks; block++)
            scales[block] = 1 / (SQRT(scales[block] + e2) + e3);
    }
    for (block = 0; block < n_blocks; block++) {
        REAL *MEDFAST_RESTRICT first = values + block * size;
        const REAL scale = scales[block];
        for (i = 0; i < n; i += MEDFAST_HOG_LANES)
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                first[i + lane] *= scale;
        if (norm == MEDFAST_HOG_L1_SQRT)
            for (i = 0; i < n; i++)
                first[i] = SQRT(first[i]);
    }
}
