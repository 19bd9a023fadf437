/* Included by hog.h, once for each REAL: gradients and bins as scikit-image has them. All pointers of a function
   point to different memory. */

/* The bin [k, k + 1) widths of a direction as float64 puts it: degrees(arctan2(dy, dx)) modulo 180. By sides of lines,
   but for the special directions (`special`: the bins of 45, 90 and 135 degrees). Where a direction is too near to a
   side, the caller decides: the first time (dy, dx) are noted in `asked`, the second time `answers` has the bins. The
   bin after the last is for those that round to 180 degrees, and is read by nobody. */
static void NAME(vote_degrees)(const medfast_hog_plan *p, const REAL *MEDFAST_RESTRICT edges,
                               const int64_t *MEDFAST_RESTRICT special, const REAL *MEDFAST_RESTRICT dx,
                               const REAL *MEDFAST_RESTRICT dy, ptrdiff_t n, REAL *MEDFAST_RESTRICT bin,
                               ptrdiff_t n_used, medfast_hog_doubts *doubts, REAL *MEDFAST_RESTRICT shares,
                               int32_t *MEDFAST_RESTRICT places)
{
    const REAL near = (REAL)1e-12, at_45 = (REAL)special[0], at_90 = (REAL)special[1], at_135 = (REAL)special[2];
    const int32_t *MEDFAST_RESTRICT base = p->base;
    REAL *MEDFAST_RESTRICT least = bin + n, *const x = shares, *const y = shares + n; /* until shares are written */
    ptrdiff_t i, k;
    int32_t any = 0;

    for (i = 0; i < n; i++) {
        x[i] = dy[i] < 0 ? -dx[i] : dx[i];
        y[i] = ABS(dy[i]);
        bin[i] = 0;
        least[i] = y[i]; /* the distance from the nearest edge */
    }
    for (k = 1; k < p->n_bins; k++) {
        const REAL cosine = edges[2 * (k - 1)], sine = edges[2 * (k - 1) + 1];
        for (i = 0; i < n; i++) {
            const REAL side = cosine * y[i] - sine * x[i], distance = ABS(side);
            bin[i] += side >= 0 ? (REAL)1 : (REAL)0;
            least[i] = distance < least[i] ? distance : least[i];
        }
    }
    for (i = 0; i < n; i++) {
        const REAL ax = ABS(x[i]), ay = y[i];
        const int doubt = (least[i] <= near * (ax + ay)) & (ax != 0) & (ay != 0) & (ax != ay);
        REAL k = bin[i];
        k = ax == ay ? (x[i] > 0 ? at_45 : at_135) : k;
        k = ax == 0 ? at_90 : k;
        bin[i] = ay == 0 ? 0 : k;
        least[i] = doubt ? (REAL)1 : (REAL)0;
    }
    for (i = 0; i < n; i++)
        places[i] = (int32_t)bin[i] + base[i];
    for (i = 0; i < n; i++)
        any |= (int32_t)least[i];
    for (i = 0; i < n; i++)
        shares[i] = SQRT(dx[i] * dx[i] + dy[i] * dy[i]);
    if (any)
        for (i = 0; i < n_used; i++) {
            if (least[i] == 0)
                continue;
            if (doubts->answers)
                places[i] = (int32_t)doubts->answers[doubts->n] + p->base[i];
            else if (doubts->n < doubts->most) {
                doubts->asked[2 * doubts->n] = (double)dy[i];
                doubts->asked[2 * doubts->n + 1] = (double)dx[i];
            }
            doubts->n++;
        }
}

/* Centred differences of the channel of the largest magnitude; as float32, and its magnitude so too, if `is_float`. */
static void NAME(gradient_single)(const medfast_hog_plan *p, const REAL *above, const REAL *here, const REAL *below,
                                  ptrdiff_t n, int is_float, REAL *MEDFAST_RESTRICT dx, REAL *MEDFAST_RESTRICT dy,
                                  REAL *MEDFAST_RESTRICT best)
{
    ptrdiff_t channel, i;

    for (channel = 0; channel < p->n_channels; channel++)
        for (i = 0; i < n; i++) {
            const ptrdiff_t j = channel * p->line_size + i;
            REAL x = here[j + 2] - here[j], y = below[j + 1] - above[j + 1], magnitude;
            int wins;
            x = is_float ? (REAL)(float)x : x;
            y = is_float ? (REAL)(float)y : y;
            if (p->n_channels == 1)
                magnitude = 0;
            else /* of doubles too, many differ in the last bit alone: as the library rounds them */
                magnitude = is_float ? (REAL)(float)SQRT(x * x + y * y) : (REAL)hypot((double)x, (double)y);
            wins = channel == 0 || magnitude > best[i];
            dx[i] = wins ? x : dx[i];
            dy[i] = wins ? y : dy[i];
            best[i] = wins ? magnitude : best[i];
        }
}
