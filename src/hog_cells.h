/* Included by hog.h, once for each REAL: histograms of single cells, each pixel voting in its own, without weights. */

/* The votes of a row, added to the histograms of its cells, (cells, bins + 1). Column by column of all cells, for
   neighbours in one cell would wait for each other. */
static inline void NAME(count_row_as)(const medfast_hog_plan *p, const REAL *MEDFAST_RESTRICT lower,
                                      const REAL *MEDFAST_RESTRICT higher, const int32_t *MEDFAST_RESTRICT places,
                                      const uint16_t *MEDFAST_RESTRICT bins, REAL *MEDFAST_RESTRICT histograms,
                                      const int single, const int soft, const int is_look_up)
{
    const ptrdiff_t step = soft && is_look_up ? 2 : 1;
    ptrdiff_t col, cell;

    for (col = 0; col < p->stride; col++) {
        REAL *first = histograms;
        for (cell = 0; cell < p->n_groups; cell++, first += p->n_bins + 1) {
            const ptrdiff_t i = cell * p->stride + col, j = is_look_up ? places[i] : i;
            REAL *const total = is_look_up ? first + bins[j] : histograms + places[i];
            if (single) {
                *total = (REAL)(float)(*total + lower[j]);
                continue;
            }
            *total += lower[j * step];
            if (soft)
                total[1] += higher[j * step];
        }
    }
}

static void NAME(count_row)(const medfast_hog_plan *p, const REAL *lower, const REAL *higher, const int32_t *places,
                            const uint16_t *bins, int single, REAL *histograms)
{
    if (bins && single)
        NAME(count_row_as)(p, lower, higher, places, bins, histograms, 1, 0, 1);
    else if (bins && p->soft)
        NAME(count_row_as)(p, lower, higher, places, bins, histograms, 0, 1, 1);
    else if (bins)
        NAME(count_row_as)(p, lower, higher, places, bins, histograms, 0, 0, 1);
    else if (single)
        NAME(count_row_as)(p, lower, higher, places, bins, histograms, 1, 0, 0);
    else
        NAME(count_row_as)(p, lower, higher, places, bins, histograms, 0, (int)p->soft, 0);
}

/* One row of pixels. `single`: as scikit-image does, gradients rounded to float for floats, sums always. With `shares`,
   votes are looked up. */
static void NAME(add_cells)(const medfast_hog_plan *p, const REAL *lines, ptrdiff_t row, const REAL *edges,
                            const int64_t *special, int single, int is_float, medfast_hog_doubts *doubts,
                            const REAL *shares, REAL *work, int32_t *places, REAL *histograms)
{
    const ptrdiff_t n = p->tile_size, distance = p->n_channels * p->line_size;
    REAL *const dx = work, *const dy = work + n, *const room = work + 2 * n, *const lower = work + 4 * n;
    ptrdiff_t i;

    if (single)
        NAME(gradient_single)(p, lines + row % p->n_lines * distance, lines + (row + 1) % p->n_lines * distance,
                              lines + (row + 2) % p->n_lines * distance, n, is_float, dx, dy, room);
    else
        NAME(gradient_of_row)(p, lines, row, 0, n, dx, dy);
    if (shares) {
        const uint16_t *bins = (const uint16_t *)(shares + MEDFAST_HOG_TABLE_SIZE * (p->soft ? 2 : 1));
        NAME(places_of)(dx, dy, n, places);
        NAME(count_row)(p, shares, shares + 1, places, bins, single, histograms);
        return;
    }
    if (single)
        NAME(vote_degrees)(p, edges, special, dx, dy, n, room, p->n_groups * p->stride, doubts, lower, places);
    else {
        NAME(vote_to_count)(p, n, edges, dx, dy, room, lower, lower + n, places);
        for (i = 0; i < n; i++)
            places[i] += p->base[i];
    }
    NAME(count_row)(p, lower, lower + n, places, NULL, single, histograms);
}
