/* Included by hog.h, once for each REAL: the votes of all gradients of bytes, which are whole numbers from -255 to 255.
   All pointers of a function point to different memory.

   A table has the shares of each (one, or with soft votes two), then its bin; most gradients of an image are small,
   so that what is read of it stays near. Finding votes takes 1.8 cycles a pixel at x86_64_v4, 2.5 at x86_64_v3, of
   which the look-up takes the place. The bits are the same, for the table is made by the same functions. */

/* Where the gradients stand in a table. */
static void NAME(places_of)(const REAL *MEDFAST_RESTRICT dx, const REAL *MEDFAST_RESTRICT dy, ptrdiff_t n,
                            int32_t *MEDFAST_RESTRICT places)
{
    ptrdiff_t i;

    for (i = 0; i < n; i++)
        places[i] = (int32_t)(dy[i] * MEDFAST_HOG_TABLE_WIDTH + dx[i]) + MEDFAST_HOG_TABLE_MIDDLE;
}

/* Fill a table: `shares` (places, one or two), `bins` (places). Bins are counted in steps of `n_lanes`; scikit-
   image's with `single`. `work` has room for 8 rows of it. */
static void NAME(tabulate)(const medfast_hog_plan *plan, const REAL *edges, const int64_t *special, int single,
                           medfast_hog_doubts *doubts, REAL *work, int32_t *places, REAL *shares, uint16_t *bins)
{
    enum { N = MEDFAST_HOG_TABLE_WIDTH };
    medfast_hog_plan p = *plan;
    ptrdiff_t row, i;
    const int32_t *const none = (const int32_t *)(work + 6 * N);

    memset(work + 6 * N, 0, 2 * N * sizeof(REAL));
    p.base = none;
    for (row = 0; row < N; row++, bins += N, shares += p.soft ? 2 * N : N) {
        REAL *const dx = work, *const dy = work + N, *const lower = work + 4 * N, *const higher = work + 5 * N;
        for (i = 0; i < N; i++) {
            dx[i] = (REAL)(i - N / 2);
            dy[i] = (REAL)(row - N / 2);
        }
        if (single)
            NAME(vote_degrees)(&p, edges, special, dx, dy, N, work + 2 * N, N, doubts, lower, places);
        else
            NAME(vote_to_count)(&p, N, edges, dx, dy, work + 2 * N, lower, higher, places);
        for (i = 0; i < N; i++) {
            bins[i] = (uint16_t)places[i];
            if (p.soft) {
                shares[2 * i] = lower[i];
                shares[2 * i + 1] = higher[i];
            } else
                shares[i] = lower[i];
        }
    }
}
