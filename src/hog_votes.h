/* Included by hog.h, once for each REAL: from pixels to votes. All pointers of a function point to different memory. */

/* `n` pixels, `step` bytes apart, as REAL. Where they stand together, the last sixteen may overlap those before, for a
   rest one by one takes as long as a short line. */
#define MEDFAST_LOAD(type)                                                                                           \
    static void NAME(load_##type)(const char *MEDFAST_RESTRICT from, ptrdiff_t step, ptrdiff_t n,                    \
                                  REAL *MEDFAST_RESTRICT line)                                                       \
    {                                                                                                                \
        const type *MEDFAST_RESTRICT source = (const type *)from;                                                    \
        ptrdiff_t start, i;                                                                                          \
        if (step != sizeof(type) || n < MEDFAST_HOG_LANES)                                                           \
            MEDFAST_ACROSS                                                                                           \
            for (i = 0; i < n; i++)                                                                                  \
                line[i] = (REAL) * (const type *)(from + i * step);                                                  \
        else                                                                                                         \
            for (start = 0; start < n; start += MEDFAST_HOG_LANES) {                                                 \
                const ptrdiff_t first = MEDFAST_LEAST(start, n - MEDFAST_HOG_LANES);                                 \
                MEDFAST_ACROSS                                                                                       \
                for (i = 0; i < MEDFAST_HOG_LANES; i++)                                                              \
                    line[first + i] = (REAL)source[first + i];                                                       \
            }                                                                                                        \
    }
MEDFAST_LOAD(uint8_t)
MEDFAST_LOAD(uint16_t)
MEDFAST_LOAD(int16_t)
MEDFAST_LOAD(float)
MEDFAST_LOAD(double)
#undef MEDFAST_LOAD

static void NAME(load)(int type, const char *from, ptrdiff_t step, ptrdiff_t n, REAL *line)
{
    switch (type) {
    case MEDFAST_HOG_UINT8:
        NAME(load_uint8_t)(from, step, n, line);
        return;
    case MEDFAST_HOG_UINT16:
        NAME(load_uint16_t)(from, step, n, line);
        return;
    case MEDFAST_HOG_INT16:
        NAME(load_int16_t)(from, step, n, line);
        return;
    case MEDFAST_HOG_FLOAT:
        NAME(load_float)(from, step, n, line);
        return;
    default:
        NAME(load_double)(from, step, n, line);
    }
}

static void NAME(root)(REAL *line, ptrdiff_t n)
{
    ptrdiff_t i;

    for (i = 0; i < n; i++)
        line[i] = SQRT(line[i]);
}

/* One row of the image, continued at its sides, into its place among the lines that are kept. `gamma`: 1 takes square
   roots, 2 rounds them to float. */
static void NAME(load_row)(const medfast_hog_plan *p, const medfast_hog_image *image, ptrdiff_t item,
                           ptrdiff_t image_row, const int64_t *column_of, ptrdiff_t row, REAL *lines)
{
    const ptrdiff_t step = image->strides[2], n = p->run_stop - p->run_start;
    const char *source = image->data + item * image->strides[0] + image_row * image->strides[1];
    REAL *line = lines + row % p->n_lines * p->n_channels * p->line_size;
    ptrdiff_t channel, col;

    for (channel = 0; channel < p->n_channels; channel++, source += image->strides[3], line += p->line_size) {
        NAME(load)(image->type, source + column_of[p->run_start] * step, step, n, line + p->run_start);
        for (col = p->run_start > 0 ? 0 : p->run_stop; col < p->n_columns;
             col = col + 1 == p->run_start ? p->run_stop : col + 1) {
            const ptrdiff_t in_run = column_of[col] - column_of[p->run_start];
            if (in_run >= 0 && in_run < n) /* nearly always, and at hand */
                line[col] = line[p->run_start + in_run];
            else
                NAME(load)(image->type, source + column_of[col] * step, step, 1, line + col);
        }
        if (p->gamma)
            NAME(root)(line, p->n_columns);
        if (p->gamma == 2)
            for (col = 0; col < p->n_columns; col++)
                line[col] = (REAL)(float)line[col];
    }
}

/* Gradients of `n` neighbouring columns from `column` on: centred differences, of the strongest channel. `above`,
   `here` and `below` are lines of the image from column -1 on; `n` is a multiple of LANES, and lines reach so far. */
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
        const ptrdiff_t ties = p->ties_high_from - column, ties_high_from = ties < 0 ? 0 : MEDFAST_LEAST(ties, n);
        above += p->line_size;
        here += p->line_size;
        below += p->line_size;
        for (i = 0; i < ties_high_from; i++) {
            const REAL new_dx = here[i + 2] - here[i], new_dy = below[i] - above[i];
            const int wins = new_dx * new_dx + new_dy * new_dy > dx[i] * dx[i] + dy[i] * dy[i];
            dx[i] = wins ? new_dx : dx[i];
            dy[i] = wins ? new_dy : dy[i];
        }
        for (; i < n; i++) {
            const REAL new_dx = here[i + 2] - here[i], new_dy = below[i] - above[i];
            const int wins = new_dx * new_dx + new_dy * new_dy >= dx[i] * dx[i] + dy[i] * dy[i];
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
                                      REAL *MEDFAST_RESTRICT ratios, REAL *MEDFAST_RESTRICT lower,
                                      REAL *MEDFAST_RESTRICT higher, int32_t *MEDFAST_RESTRICT places)
{
    const double pi = 3.141592653589793;
    const REAL p1 = (REAL)57.283626556396484, p3 = (REAL)-18.66744613647461, p5 = (REAL)8.914000511169434,
               p7 = (REAL)-2.539724588394165, tiny = (REAL)2.220446049250313e-16;
    const REAL to_radians = (REAL)(pi / 180), to_bins = (REAL)((double)p->n_bins / (p->is_signed ? 2 * pi : pi));
    const int32_t bins = (int32_t)p->n_bins, n_lanes = (int32_t)p->n_lanes;
    ptrdiff_t i;

    for (i = 0; i < n; i++) { /* by itself: with what follows, gcc would divide both ways and choose */
        const REAL ax = ABS(x[i]), ay = ABS(y[i]);
        ratios[i] = (ax < ay ? ax : ay) / ((ax > ay ? ax : ay) + tiny);
    }
    for (i = 0; i < n; i++) {
        const REAL dx = x[i], dy = y[i], ax = ABS(dx), ay = ABS(dy), magnitude = SQRT(dx * dx + dy * dy);
        const REAL ratio = ratios[i], square = ratio * ratio;
        const REAL inner = FUSED(square, p7, p5), outer = FUSED(inner, square, p3), slope = FUSED(outer, square, p1);
        REAL angle = slope * ratio, share;
        int32_t low;

        angle = ax < ay ? (narrow ? (REAL)(90 - (double)slope * ratio) : 90 - angle) : angle;
        angle = dx < 0 ? 180 - angle : angle;
        angle = dy < 0 ? 360 - angle : angle;
        angle = angle * to_radians * to_bins - (REAL)0.5;
        low = (int32_t)angle - (angle < 0); /* down: an angle is -1/2 or more */
        share = angle - (REAL)low;
        lower[i] = magnitude * (1 - share);
        higher[i] = magnitude * share;
        low = low >= bins ? low - bins : low; /* unsigned: the angle modulo half a circle */
        places[i] = (low < 0 ? bins - 1 : low) * n_lanes;
    }
}

static void NAME(vote_soft)(const medfast_hog_plan *p, const REAL *MEDFAST_RESTRICT dx,
                            const REAL *MEDFAST_RESTRICT dy, ptrdiff_t n, REAL *MEDFAST_RESTRICT ratios,
                            REAL *MEDFAST_RESTRICT lower, REAL *MEDFAST_RESTRICT higher,
                            int32_t *MEDFAST_RESTRICT places)
{
    if (p->narrow)
        NAME(vote_soft_as)(p, dx, dy, n, 1, ratios, lower, higher, places);
    else
        NAME(vote_soft_as)(p, dx, dy, n, 0, ratios, lower, higher, places);
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

    for (i = 0; i < n; i++)
        shares[i] = SQRT(dx[i] * dx[i] + dy[i] * dy[i]);
    for (i = 0; i < n; i++) {
        const REAL x = dx[i], y = dy[i], lower = (y < 0) | ((y == 0) & (x < 0)) ? (REAL)1 : (REAL)0;
        dx[i] = lower != 0 ? -x : x;
        dy[i] = lower != 0 ? -y : y;
        is_lower[i] = lower;
        bin[i] = 0;
    }
    for (k = 1; k < p->n_bins; k++) {
        const REAL cosine = edges[2 * (k - 1)], sine = edges[2 * (k - 1) + 1];
        if (!p->is_signed) /* two edges at once halve the passes */
            if (k + 1 < p->n_bins) {
                const REAL next_cosine = edges[2 * k], next_sine = edges[2 * k + 1];
                for (i = 0; i < n; i++)
                    bin[i] += (cosine * dy[i] - sine * dx[i] >= 0 ? (REAL)1 : (REAL)0)
                              + (next_cosine * dy[i] - next_sine * dx[i] >= 0 ? (REAL)1 : (REAL)0);
                k++;
            } else
                for (i = 0; i < n; i++)
                    bin[i] += cosine * dy[i] - sine * dx[i] >= 0 ? (REAL)1 : (REAL)0;
        else if (2 * k >= p->n_bins)
            for (i = 0; i < n; i++)
                bin[i] += cosine * dy[i] - sine * dx[i] >= 0 ? is_lower[i] : (REAL)0;
        else
            for (i = 0; i < n; i++)
                bin[i] += cosine * dy[i] - sine * dx[i] >= 0 ? (REAL)1 : is_lower[i];
    }
    for (i = 0; i < n; i++)
        places[i] = (int32_t)bin[i] * (int32_t)p->n_lanes;
}

/* Gradients of a row: `dx` and `dy` of `n` columns from `column` on. */
static void NAME(gradient_of_row)(const medfast_hog_plan *p, const REAL *lines, ptrdiff_t row, ptrdiff_t column,
                                  ptrdiff_t n, REAL *dx, REAL *dy)
{
    const ptrdiff_t distance = p->n_channels * p->line_size;

    NAME(gradient)(p, lines + row % p->n_lines * distance, lines + (row + 1) % p->n_lines * distance,
                   lines + (row + 2) % p->n_lines * distance, column, n, dx, dy);
}

/* Votes of `n` gradients (a multiple of LANES): two shares, and where the lower one's bin stands in a histogram;
   `room` is for twice as many values. Of several rows at once, for narrow ones take most of their time to begin
   with. */
static void NAME(vote)(const medfast_hog_plan *p, ptrdiff_t n, const REAL *edges, REAL *dx, REAL *dy, REAL *room,
                       REAL *lower, REAL *higher, int32_t *places)
{
    if (p->soft)
        NAME(vote_soft)(p, dx, dy, n, room, lower, higher, places);
    else
        NAME(vote_hard)(p, edges, dx, dy, n, room, lower, places);
}

/* Votes for histograms: with one bin, the lower share is lost, as in OpenCV. */
static void NAME(vote_to_count)(const medfast_hog_plan *p, ptrdiff_t n, const REAL *edges, REAL *dx, REAL *dy,
                                REAL *room, REAL *lower, REAL *higher, int32_t *places)
{
    NAME(vote)(p, n, edges, dx, dy, room, lower, higher, places);
    if (p->soft && p->n_bins == 1)
        memset(lower, 0, (size_t)n * sizeof(REAL));
}
