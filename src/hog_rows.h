/* Included by hog.h, once for each REAL. All pointers of a function point to different memory. */

/* A row of the image in order of phase; `gamma`: its square roots. */
static void NAME(reorder)(REAL *MEDFAST_RESTRICT line, ptrdiff_t n, int gamma,
                          const int32_t *MEDFAST_RESTRICT column_of, ptrdiff_t n_ordered,
                          REAL *MEDFAST_RESTRICT ordered)
{
    ptrdiff_t i;

    if (gamma)
        for (i = 0; i < n; i++)
            line[i] = SQRT(line[i]);
    for (i = 0; i < n_ordered; i++)
        ordered[i] = line[column_of[i]];
}

/* Centred differences, of the strongest channel. `above`, `here` and `below` are rows of (stride + 2, n_groups), phase
   -1 first; the padding of the slots holds whatever comes of reading on. */
static void NAME(gradient)(const medfast_hog_row *p, const REAL *above, const REAL *here, const REAL *below,
                           REAL *MEDFAST_RESTRICT dx, REAL *MEDFAST_RESTRICT dy)
{
    const ptrdiff_t n_groups = p->n_groups;
    ptrdiff_t channel, i, phase, group;

    above += n_groups;
    below += n_groups;
    for (i = 0; i < p->n_slots; i++) {
        dx[i] = here[i + 2 * n_groups] - here[i];
        dy[i] = below[i] - above[i];
    }
    for (channel = 1; channel < p->n_channels; channel++) {
        above += p->channel_size;
        here += p->channel_size;
        below += p->channel_size;
        for (phase = 0; phase < p->stride; phase++)
            for (group = 0; group < n_groups; group++) {
                const ptrdiff_t j = phase * n_groups + group;
                const REAL new_dx = here[j + 2 * n_groups] - here[j], new_dy = below[j] - above[j];
                const REAL strength = new_dx * new_dx + new_dy * new_dy, best = dx[j] * dx[j] + dy[j] * dy[j];
                const int wins =
                    strength > best || (strength == best && group * p->stride + phase >= p->ties_high_from);
                dx[j] = wins ? new_dx : dx[j];
                dy[j] = wins ? new_dy : dy[j];
            }
    }
}

/* Magnitude, shared between the two nearest bins; bin k is centred at k + 1/2 widths. The angle is OpenCV's: a
   polynomial for the arctangent on [0, 1] in degrees, off by up to 0.01, its coefficients rounded to float, its sums
   rounded once for a product and a sum; then radians, then bins, each rounded. In shares of a bin these roundings are
   as large as 1e-5. */
static void NAME(vote_soft)(const medfast_hog_row *p, const REAL *MEDFAST_RESTRICT x, const REAL *MEDFAST_RESTRICT y,
                            REAL *MEDFAST_RESTRICT low_share, REAL *MEDFAST_RESTRICT high_share,
                            REAL *MEDFAST_RESTRICT low_bin)
{
    const double pi = 3.141592653589793;
    const REAL p1 = (REAL)57.283626556396484, p3 = (REAL)-18.66744613647461, p5 = (REAL)8.914000511169434,
               p7 = (REAL)-2.539724588394165, tiny = (REAL)2.220446049250313e-16;
    const REAL to_radians = (REAL)(pi / 180), to_bins = (REAL)((double)p->n_bins / (p->is_signed ? 2 * pi : pi));
    const REAL bins = (REAL)p->n_bins;
    ptrdiff_t i;

    for (i = 0; i < p->n_slots; i++) {
        const REAL dx = x[i], dy = y[i], ax = ABS(dx), ay = ABS(dy), magnitude = SQRT(dx * dx + dy * dy);
        const REAL smaller = ax < ay ? ax : ay, larger = ax < ay ? ay : ax;
        const REAL ratio = smaller / (larger + tiny), square = ratio * ratio;
        const REAL inner = FUSED(square, p7, p5), outer = FUSED(inner, square, p3);
        REAL angle = FUSED(outer, square, p1) * ratio, low, share;

        angle = ax < ay ? 90 - angle : angle;
        angle = dx < 0 ? 180 - angle : angle;
        angle = dy < 0 ? 360 - angle : angle;
        angle = angle * to_radians * to_bins - (REAL)0.5;
        low = (REAL)(int)angle;
        low = angle < 0 ? low - 1 : low;
        share = angle - low;
        low_share[i] = magnitude * (1 - share);
        high_share[i] = magnitude * share;
        low = low >= bins ? low - bins : low; /* unsigned: the angle modulo half a circle */
        low_bin[i] = low < 0 ? bins - 1 : low;
    }
}

/* Magnitude, for the bin [k, k + 1) widths: as many edges as the direction lies on or beyond. Sides of a line instead
   of an angle, so that the directions of integers on an edge (multiples of 45 degrees) are exact. Turns the lower half
   plane up. */
static void NAME(vote_hard)(const medfast_hog_row *p, const REAL *MEDFAST_RESTRICT edges, REAL *MEDFAST_RESTRICT dx,
                            REAL *MEDFAST_RESTRICT dy, REAL *MEDFAST_RESTRICT is_lower, REAL *MEDFAST_RESTRICT share,
                            REAL *MEDFAST_RESTRICT bin)
{
    ptrdiff_t i, k;

    for (i = 0; i < p->n_slots; i++) {
        const REAL x = dx[i], y = dy[i];
        const int lower = (y < 0) | ((y == 0) & (x < 0));
        share[i] = SQRT(x * x + y * y);
        dx[i] = lower ? -x : x;
        dy[i] = lower ? -y : y;
        is_lower[i] = lower && p->is_signed ? (REAL)1 : (REAL)0;
        bin[i] = 0;
    }
    for (k = 1; k < p->n_bins; k++) {
        const REAL cosine = edges[2 * (k - 1)], sine = edges[2 * (k - 1) + 1];
        const int in_lower = p->is_signed && 2 * k >= p->n_bins;
        for (i = 0; i < p->n_slots; i++) {
            const REAL beyond = cosine * dy[i] - sine * dx[i] >= 0 ? (REAL)1 : (REAL)0;
            const REAL lower = is_lower[i];
            bin[i] += in_lower ? beyond * lower : (lower > beyond ? lower : beyond);
        }
    }
    for (i = 0; i < p->n_slots; i++) {
        is_lower[i] = 0; /* the place of the lower share; all goes to the higher bin */
        bin[i] = bin[i] == 0 ? (REAL)(p->n_bins - 1) : bin[i] - 1;
    }
}

/* One bin's share of every slot: most of them zero, which vectors do not mind. The higher bin is the one after the
   lower, which is `before` for `bin`. With one bin the lower share is lost, as in OpenCV. */
static void NAME(spread)(REAL before, REAL bin, ptrdiff_t n, const REAL *MEDFAST_RESTRICT low_share,
                         const REAL *MEDFAST_RESTRICT high_share, const REAL *MEDFAST_RESTRICT low_bin,
                         REAL *MEDFAST_RESTRICT plane)
{
    ptrdiff_t i;

    for (i = 0; i < n; i++) {
        const REAL low = low_share[i], high = high_share[i], share = low_bin[i] == bin ? low : 0;
        plane[i] = low_bin[i] == before ? high : share;
    }
}

/* Weighted sums of `n` vectors at once, in registers: they stand `distance` apart in `plane`, `sums_distance` in `sums`. */
static inline void NAME(sum_taps)(const REAL *plane, ptrdiff_t distance, const int64_t *slot_of_tap, const REAL *weights,
                                  ptrdiff_t begin, ptrdiff_t end, REAL *sums, ptrdiff_t sums_distance, const int n)
{
    VECTOR total[4];
    ptrdiff_t tap;
    int i;

    for (i = 0; i < n; i++)
        total[i] = (VECTOR){0};
    for (tap = begin; tap < end; tap++) {
        const REAL *source = plane + slot_of_tap[tap];
        const REAL weight = weights[tap];
        for (i = 0; i < n; i++)
            total[i] += weight * *(const VECTOR *)(source + i * distance);
    }
    for (i = 0; i < n; i++)
        *(VECTOR *)(sums + i * sums_distance) = total[i];
}

/* The row's part in the next `n_bins` bins of each cell column of each block column: sums over the columns of a block,
   `weights` (n_cells, width) each. Four vectors share a weight: of neighbouring blocks, or in short rows of neighbouring
   bins. */
static void NAME(sum_columns)(const medfast_hog_row *p, const REAL *planes, ptrdiff_t n_bins, const REAL *weights,
                              REAL *row_sums)
{
    const ptrdiff_t n_lanes = sizeof(VECTOR) / sizeof(REAL);
    ptrdiff_t cell, k, block;

    for (cell = 0; cell < p->n_cells; cell++, weights += p->width, row_sums += p->n_bins * p->n_blocks) {
        const ptrdiff_t begin = p->taps[2 * cell], end = p->taps[2 * cell + 1];
        for (block = 0; block + 4 * n_lanes <= p->n_blocks; block += 4 * n_lanes)
            for (k = 0; k < n_bins; k++)
                NAME(sum_taps)(planes + k * p->n_slots + block, n_lanes, p->slot_of_tap, weights, begin, end,
                               row_sums + k * p->n_blocks + block, n_lanes, 4);
        for (; block < p->n_blocks; block += n_lanes) {
            for (k = 0; k + 4 <= n_bins; k += 4)
                NAME(sum_taps)(planes + k * p->n_slots + block, p->n_slots, p->slot_of_tap, weights, begin, end,
                               row_sums + k * p->n_blocks + block, p->n_blocks, 4);
            for (; k < n_bins; k++)
                NAME(sum_taps)(planes + k * p->n_slots + block, 0, p->slot_of_tap, weights, begin, end,
                               row_sums + k * p->n_blocks + block, 0, 1);
        }
    }
}

/* sums = (0 or sums) + weight * row_sums */
static void NAME(add_row)(const REAL *MEDFAST_RESTRICT row_sums, REAL weight, ptrdiff_t n, int is_first,
                          REAL *MEDFAST_RESTRICT sums)
{
    ptrdiff_t i;

    if (is_first)
        for (i = 0; i < n; i++)
            sums[i] = weight * row_sums[i];
    else if (weight != 0)
        for (i = 0; i < n; i++)
            sums[i] += weight * row_sums[i];
}

/* Normalise the blocks of a row side by side: `values` is (n, n_blocks), a block's n values over each other. */
static void NAME(normalize)(REAL *MEDFAST_RESTRICT values, ptrdiff_t n, ptrdiff_t n_blocks, int norm, REAL clip,
                            const double *MEDFAST_RESTRICT epsilon)
{
    const REAL e0 = (REAL)epsilon[0], e1 = (REAL)epsilon[1], e2 = (REAL)epsilon[2], e3 = (REAL)epsilon[3];
    const int is_l1 = norm == MEDFAST_HOG_L1 || norm == MEDFAST_HOG_L1_SQRT;
    ptrdiff_t block, i, lane;

    for (block = 0; block < n_blocks; block += MEDFAST_HOG_LANES) {
        REAL *MEDFAST_RESTRICT first = values + block;
        REAL total[MEDFAST_HOG_LANES], scale[MEDFAST_HOG_LANES];
        MEDFAST_ACROSS
        for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
            total[lane] = 0;
        if (is_l1) {
            for (i = 0; i < n; i++)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                    total[lane] += first[i * n_blocks + lane];
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                scale[lane] = 1 / (total[lane] + e0 + e1);
        } else {
            for (i = 0; i < n; i++)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                    total[lane] += first[i * n_blocks + lane] * first[i * n_blocks + lane];
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                scale[lane] = 1 / (SQRT(total[lane] + e0) + e1);
        }
        if (norm == MEDFAST_HOG_L2_HYS) {
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                total[lane] = 0;
            for (i = 0; i < n; i++)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++) {
                    const REAL scaled = first[i * n_blocks + lane] * scale[lane], value = scaled < clip ? scaled : clip;
                    first[i * n_blocks + lane] = value;
                    total[lane] += value * value;
                }
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                scale[lane] = 1 / (SQRT(total[lane] + e2) + e3);
        }
        for (i = 0; i < n; i++)
            MEDFAST_ACROSS
            for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                first[i * n_blocks + lane] *= scale[lane];
        if (norm == MEDFAST_HOG_L1_SQRT)
            for (i = 0; i < n; i++)
                MEDFAST_ACROSS
                for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
                    first[i * n_blocks + lane] = SQRT(first[i * n_blocks + lane]);
    }
}

/* One row of pixels into `row_sums` (n_cells, n_bins, n_blocks). `votes` is (5, n_slots), `planes` (n_planes, n_slots)
   and LANES more: a few bins at a time, for reading what was only just written stalls. */
static void NAME(row)(const medfast_hog_row *p, const REAL *above, const REAL *here, const REAL *below,
                      const REAL *weights, const REAL *edges, REAL *votes, REAL *planes, REAL *row_sums)
{
    const ptrdiff_t n = p->n_slots;
    ptrdiff_t k, end, i;

    NAME(gradient)(p, above, here, below, votes + 3 * n, votes + 4 * n);
    if (p->soft)
        NAME(vote_soft)(p, votes + 3 * n, votes + 4 * n, votes, votes + n, votes + 2 * n);
    else
        NAME(vote_hard)(p, edges, votes + 3 * n, votes + 4 * n, votes, votes + n, votes + 2 * n);
    for (k = 0; k < p->n_bins; k = end) {
        end = k + p->n_planes < p->n_bins ? k + p->n_planes : p->n_bins;
        for (i = k; i < end; i++)
            NAME(spread)((REAL)(i > 0 ? i - 1 : p->n_bins - 1), (REAL)i, n, votes, votes + n, votes + 2 * n,
                         planes + (i - k) * n);
        NAME(sum_columns)(p, planes, end - k, weights, row_sums + k * p->n_blocks);
    }
}
