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
            /* the bin beyond the last is added to what was taken: as a part of a vector still to be read, it would be
               waited for */
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

/* Sixteen sums for each block into the sum of each, in halves: a step for all of them at a time, for what was only just
   written as a vector is not read in parts yet. `sums` has room for the blocks, then for sixteen of each. */
static void NAME(add_parts)(REAL *MEDFAST_RESTRICT sums, ptrdiff_t n_blocks)
{
    REAL *MEDFAST_RESTRICT parts = sums + n_blocks;
    ptrdiff_t block, lane;

    for (block = 0; block < n_blocks; block++)
        MEDFAST_ACROSS
        for (lane = 0; lane < 8; lane++)
            parts[16 * block + lane] += parts[16 * block + lane + 8];
    for (block = 0; block < n_blocks; block++)
        MEDFAST_ACROSS
        for (lane = 0; lane < 4; lane++)
            parts[16 * block + lane] += parts[16 * block + lane + 4];
    for (block = 0; block < n_blocks; block++)
        sums[block] = (parts[16 * block] + parts[16 * block + 2]) + (parts[16 * block + 1] + parts[16 * block + 3]);
}

/* Normalise blocks of `n` values, `size` apart; `sums` has room for 17 values of each block. */
static void NAME(normalize)(REAL *MEDFAST_RESTRICT values, ptrdiff_t n, ptrdiff_t size, ptrdiff_t n_blocks, int norm,
                            REAL clip, const double *MEDFAST_RESTRICT epsilon, REAL *MEDFAST_RESTRICT sums)
{
    const REAL e0 = (REAL)epsilon[0], e1 = (REAL)epsilon[1], e2 = (REAL)epsilon[2], e3 = (REAL)epsilon[3];
    const int is_l1 = norm == MEDFAST_HOG_L1 || norm == MEDFAST_HOG_L1_SQRT;
    REAL *MEDFAST_RESTRICT parts = sums + n_blocks;
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
        MEDFAST_ACROSS
        for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
            parts[block * MEDFAST_HOG_LANES + lane] = part[lane];
    }
    NAME(add_parts)(sums, n_blocks);
    if (is_l1)
        for (block = 0; block < n_blocks; block++)
            sums[block] = 1 / (sums[block] + e0 + e1);
    else
        for (block = 0; block < n_blocks; block++)
            sums[block] = 1 / (SQRT(sums[block] + e0) + e1);
    if (norm == MEDFAST_HOG_L2_HYS) {
        for (block = 0; block < n_blocks; block++) {
            REAL *MEDFAST_RESTRICT first = values + block * size;
            const REAL scale = sums[block];
            REAL part[MEDFAST_HOG_LANES] = {0};
            for (i = 0; i < n; i += MEDFAST_HOG_LANES)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++) {
                    const REAL scaled = first[i + lane] * scale, value = scaled < clip ? scaled : clip;
                    first[i + lane] = value;
                    part[lane] += value * value;
                }
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                parts[block * MEDFAST_HOG_LANES + lane] = part[lane];
        }
        NAME(add_parts)(sums, n_blocks);
        for (block = 0; block < n_blocks; block++)
            sums[block] = 1 / (SQRT(sums[block] + e2) + e3);
    }
    for (block = 0; block < n_blocks; block++) {
        REAL *MEDFAST_RESTRICT first = values + block * size;
        const REAL scale = sums[block];
        for (i = 0; i < n; i += MEDFAST_HOG_LANES)
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                first[i + lane] *= scale;
    }
    if (norm == MEDFAST_HOG_L1_SQRT)
        for (i = 0; i < n_blocks * size; i++)
            values[i] = SQRT(values[i]);
}
