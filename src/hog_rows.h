/* Included by hog.h, once for each REAL. All pointers of a function point to different memory. */

static void NAME(root)(REAL *line, ptrdiff_t n)
{
    ptrdiff_t i;

    for (i = 0; i < n; i++)
        line[i] = SQRT(line[i]);
}

/* Votes of `n` neighbouring columns from `column` on: gradients (centred differences, of the strongest channel), then
   the two shares of each, side by side, and where in a column's histogram the lower one's bin stands. `above`, `here`
   and `below` are lines of the image from column -1 on; `n` is a multiple of LANES, and lines reach so far. */
static void NAME(gradient)(const medfast_hog_plan *p, const REAL *above, const REAL *here, const REAL *below,
                           ptrdiff_t column, ptrdiff_t n, REAL *MEDFAST_RESTRICT dx, REAL *MEDFAST_RESTRICT dy)
{
    ptrdiff_t channel, i;

    above += column + 1;
    here += column;
    below += column + 1;
    for (i = 0; i < n; i++) {
        dx[i] = here[i + 2] - here[i];
        dy[i] = below[i] - above[i];
    }
    for (channel = 1; channel < p->n_channels; channel++) {
        const ptrdiff_t ties_high_from = p->ties_high_from - column;
        above += p->line_size;
        here += p->line_size;
        below += p->line_size;
        for (i = 0; i < n; i++) {
            const REAL new_dx = here[i + 2] - here[i], new_dy = below[i] - above[i];
            const REAL strength = new_dx * new_dx + new_dy * new_dy, best = dx[i] * dx[i] + dy[i] * dy[i];
            const int wins = (strength > best) | ((strength == best) & (i >= ties_high_from));
            dx[i] = wins ? new_dx : dx[i];
            dy[i] = wins ? new_dy : dy[i];
        }
    }
}

/* Magnitude, shared between the two nearest bins; bin k is centred at k + 1/2 widths. The angle is OpenCV's: a
   polynomial for the arctangent on [0, 1] in degrees, off by up to 0.01, its coefficients rounded to float, its sums
   rounded once for a product and a sum; then radians, then bins, each rounded. In shares of a bin these roundings are
   as large as 1e-5. `narrow`: OpenCV takes lines of less than 16 pixels another way, where the polynomial times the
   ratio is subtracted from 90 with one rounding (in double, which differs from that for one of all ratios). */
static inline void NAME(vote_soft_as)(const medfast_hog_plan *p, const REAL *MEDFAST_RESTRICT x,
                                      const REAL *MEDFAST_RESTRICT y, ptrdiff_t n, const int narrow,
                                      REAL *MEDFAST_RESTRICT shares, int32_t *MEDFAST_RESTRICT places)
{
    const double pi = 3.141592653589793;
    const REAL p1 = (REAL)57.283626556396484, p3 = (REAL)-18.66744613647461, p5 = (REAL)8.914000511169434,
               p7 = (REAL)-2.539724588394165, tiny = (REAL)2.220446049250313e-16;
    const REAL to_radians = (REAL)(pi / 180), to_bins = (REAL)((double)p->n_bins / (p->is_signed ? 2 * pi : pi));
    const int32_t bins = (int32_t)p->n_bins, n_lanes = (int32_t)p->n_lanes;
    ptrdiff_t i;

    for (i = 0; i < n; i++) {
        const REAL dx = x[i], dy = y[i], ax = ABS(dx), ay = ABS(dy), magnitude = SQRT(dx * dx + dy * dy);
        const REAL smaller = ax < ay ? ax : ay, larger = ax < ay ? ay : ax;
        const REAL ratio = smaller / (larger + tiny), square = ratio * ratio;
        const REAL inner = FUSED(square, p7, p5), outer = FUSED(inner, square, p3), slope = FUSED(outer, square, p1);
        REAL angle = slope * ratio, share;
        int32_t low;

        angle = ax < ay ? (narrow ? (REAL)(90 - (double)slope * ratio) : 90 - angle) : angle;
        angle = dx < 0 ? 180 - angle : angle;
        angle = dy < 0 ? 360 - angle : angle;
        angle = angle * to_radians * to_bins - (REAL)0.5;
        low = (int32_t)angle - (angle < 0); /* down: an angle is -1/2 or more */
        share = angle - (REAL)low;
        shares[2 * i] = magnitude * (1 - share);
        shares[2 * i + 1] = magnitude * share;
        low = low >= bins ? low - bins : low; /* unsigned: the angle modulo half a circle */
        places[i] = (low < 0 ? bins - 1 : low) * n_lanes;
    }
}

static void NAME(vote_soft)(const medfast_hog_plan *p, const REAL *MEDFAST_RESTRICT dx,
                            const REAL *MEDFAST_RESTRICT dy, ptrdiff_t n, REAL *MEDFAST_RESTRICT shares,
                            int32_t *MEDFAST_RESTRICT places)
{
    if (p->narrow)
        NAME(vote_soft_as)(p, dx, dy, n, 1, shares, places);
    else
        NAME(vote_soft_as)(p, dx, dy, n, 0, shares, places);
}

/* Magnitude, for the bin [k, k + 1) widths: as many edges as the direction lies on or beyond. Sides of a line instead
   of an angle, so that the directions of integers on an edge (multiples of 45 degrees) are exact. Turns the lower half
   plane up; all goes to the lower bin of two. */
static void NAME(vote_hard)(const medfast_hog_plan *p, const REAL *MEDFAST_RESTRICT edges, REAL *MEDFAST_RESTRICT dx,
                            REAL *MEDFAST_RESTRICT dy, ptrdiff_t n, REAL *MEDFAST_RESTRICT bin,
                            REAL *MEDFAST_RESTRICT shares, int32_t *MEDFAST_RESTRICT places)
{
    REAL *MEDFAST_RESTRICT is_lower = bin + n;
    ptrdiff_t i, k;

    for (i = 0; i < n; i++) {
        const REAL x = dx[i], y = dy[i];
        const int lower = (y < 0) | ((y == 0) & (x < 0));
        shares[2 * i] = SQRT(x * x + y * y);
        shares[2 * i + 1] = 0;
        dx[i] = lower ? -x : x;
        dy[i] = lower ? -y : y;
        is_lower[i] = lower && p->is_signed ? (REAL)1 : (REAL)0;
        bin[i] = 0;
    }
    for (k = 1; k < p->n_bins; k++) {
        const REAL cosine = edges[2 * (k - 1)], sine = edges[2 * (k - 1) + 1];
        const int in_lower = p->is_signed && 2 * k >= p->n_bins;
        for (i = 0; i < n; i++) {
            const REAL beyond = cosine * dy[i] - sine * dx[i] >= 0 ? (REAL)1 : (REAL)0;
            const REAL lower = is_lower[i];
            bin[i] += in_lower ? beyond * lower : (lower > beyond ? lower : beyond);
        }
    }
    for (i = 0; i < n; i++)
        places[i] = (int32_t)bin[i] * (int32_t)p->n_lanes;
}

static void NAME(vote)(const medfast_hog_plan *p, const REAL *lines, ptrdiff_t row, ptrdiff_t column, ptrdiff_t n,
                       const REAL *edges, REAL *work, REAL *shares, int32_t *places)
{
    const ptrdiff_t distance = p->n_channels * p->line_size;
    const REAL *above = lines + row % p->n_lines * distance, *here = lines + (row + 1) % p->n_lines * distance;

    NAME(gradient)(p, above, here, lines + (row + 2) % p->n_lines * distance, column, n, work, work + n);
    if (p->soft)
        NAME(vote_soft)(p, work, work + n, n, shares, places);
    else
        NAME(vote_hard)(p, edges, work, work + n, n, work + 2 * n, shares, places);
}

/* The columns' histograms take the votes of a row, times the row's weight in each lane: two neighbouring bins at once.
   Neighbouring columns write to different memory, so no sum waits for the one before. */
static inline void NAME(take_row)(const REAL *MEDFAST_RESTRICT shares, const int32_t *MEDFAST_RESTRICT places,
                                  const REAL *MEDFAST_RESTRICT weights, ptrdiff_t n, ptrdiff_t n_lanes,
                                  ptrdiff_t size, REAL *histograms)
{
    ptrdiff_t i, lane;

#ifndef OCTET
    for (i = 0; i < n; i++, histograms += size)
        for (lane = 0; lane < n_lanes; lane++) {
            histograms[places[i] + lane] += shares[2 * i] * weights[lane];
            histograms[places[i] + n_lanes + lane] += shares[2 * i + 1] * weights[lane];
        }
#else
    if (n_lanes == 4) {
        const OCTET w = {weights[0], weights[1], weights[2], weights[3], weights[0], weights[1], weights[2], weights[3]};
        for (i = 0; i < n; i++, histograms += size) {
            const REAL a = shares[2 * i], b = shares[2 * i + 1];
            OCTET *const sums = (OCTET *)(histograms + places[i]);
            *sums += (OCTET){a, a, a, a, b, b, b, b} * w;
        }
    } else
        for (i = 0; i < n; i++, histograms += size) {
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
    VECTOR total[4];
    ptrdiff_t column;
    int i;

    for (i = 0; i < n; i++)
        total[i] = ((VECTOR *)totals)[i];
    for (column = 0; column < n_columns; column++, columns += size)
        for (i = 0; i < n; i++)
            total[i] += weights[column] * ((const VECTOR *)columns)[i];
    for (i = 0; i < n; i++)
        ((VECTOR *)totals)[i] = total[i];
}

/* The histograms of a group of columns (one stride wide) into those of the blocks and cells that it lies in. */
static void NAME(add_group)(const medfast_hog_plan *p, const REAL *columns, ptrdiff_t group, const REAL *weights,
                            REAL *totals)
{
    const ptrdiff_t size = p->size, n_lanes = sizeof(VECTOR) / sizeof(REAL);
    ptrdiff_t open, cell, i;

    for (open = 0; open < p->n_open_cols && open <= group; open++) {
        const ptrdiff_t block = group - open;
        if (block >= p->n_blocks)
            continue;
        for (cell = 0; cell < p->n_cells; cell++) {
            const int64_t *taps = p->taps + 2 * (open * p->n_cells + cell);
            const ptrdiff_t n = taps[1] - taps[0];
            const REAL *w = weights + (cell * p->n_open_cols + open) * p->stride + taps[0];
            const REAL *source = columns + taps[0] * size;
            REAL *target = totals + (block * p->n_cells + cell) * size;
            if (n <= 0)
                continue;
            for (i = 0; i + 4 * n_lanes <= size; i += 4 * n_lanes)
                NAME(add_columns)(source + i, size, w, n, target + i, 4);
            for (; i + 2 * n_lanes <= size; i += 2 * n_lanes)
                NAME(add_columns)(source + i, size, w, n, target + i, 2);
            for (; i < size; i += n_lanes)
                NAME(add_columns)(source + i, size, w, n, target + i, 1);
        }
    }
}

/* The rows `row` to `stop` of the region, in as many tiles of columns as it takes. They have the same open blocks;
   `weights` are (rows of a stride, n_lanes), from that of `row` on. */
static void NAME(add_rows)(const medfast_hog_plan *p, const REAL *lines, ptrdiff_t row, ptrdiff_t stop,
                           const REAL *weights, const REAL *column_weights, const REAL *edges, REAL *work,
                           int32_t *places, REAL *columns, REAL *totals)
{
    ptrdiff_t group, last, i, r, n;
    REAL *shares = work + 4 * p->tile_size;

    for (group = 0; group < p->n_groups; group = last) {
        last = group + p->tile_groups < p->n_groups ? group + p->tile_groups : p->n_groups;
        n = (last - group) * p->stride;
        memset(columns, 0, (size_t)(n * p->size) * sizeof(REAL));
        for (r = row; r < stop; r++) {
            NAME(vote)(p, lines, r, group * p->stride, (n + MEDFAST_HOG_LANES - 1) & -MEDFAST_HOG_LANES, edges, work,
                       shares, places);
            if (p->soft && p->n_bins == 1) /* the lower share is lost, as in OpenCV */
                for (i = 0; i < n; i++)
                    shares[2 * i] = 0;
            NAME(take_row)(shares, places, weights + (r - row) * p->n_lanes, n, p->n_lanes, p->size, columns);
        }
        for (i = group; i < last; i++)
            NAME(add_group)(p, columns + (i - group) * p->stride * p->size, i, column_weights, totals);
    }
}

/* Take the histograms of the block row in the lanes from `lane` on, which become zero: side by side, `values` is
   (cell cols, cell rows, bins, blocks padded). The bin beyond the last is the first. */
static void NAME(take_blocks)(const medfast_hog_plan *p, REAL *totals, ptrdiff_t lane, REAL *MEDFAST_RESTRICT values)
{
    ptrdiff_t block, cell, row, k;

    for (block = 0; block < p->n_blocks; block++)
        for (cell = 0; cell < p->n_cells; cell++, totals += p->size) {
            REAL *target = values + block + cell * p->n_cell_rows * p->n_bins * p->n_padded;
            for (row = 0; row < p->n_cell_rows; row++, target += p->n_bins * p->n_padded) {
                REAL *source = totals + lane + row;
                source[0] += source[p->n_bins * p->n_lanes];
                source[p->n_bins * p->n_lanes] = 0;
                for (k = 0; k < p->n_bins; k++) {
                    target[k * p->n_padded] = source[k * p->n_lanes];
                    source[k * p->n_lanes] = 0;
                }
            }
        }
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
