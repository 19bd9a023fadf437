/* Non-local means with weights from the formula, in floating point.

   float32 has twice the lanes of float64, and three things keep its error small. Donors are added as differences to
   the own pixel, which are exact for integers, so the error goes with the spread of the donors that count, not with
   the gray level; a constant stays a constant. Sums are short: of a column of the search window, then of NLM_REAL_ROWS
   such columns, then in float64. And what is rounded to an integer is checked: where the error, of which
   `nlm_real_bound` has a bound, could decide, the pixel is computed again in float64.

   Not even rounding depends on the level, the tile or the box. Distances are sums over the columns of the patch, its
   planes, its rows, in pairs that begin at even columns and rows of the image. For each (dz, dx), donors are added
   from the first dy on, in pairs of neighbours. What a pixel gains as p and what as q are sums apart until they are
   float64, for bands (nlm_bands.h) meet in an order that depends on the lanes. There are no fused multiply-adds,
   which v2 has not: they would take 2 to 5 % off, at v4 in images nothing.

   Measured on 512 x 512, patch 7, search 21, one thread, against scikit-image's fast mode: float32 v4 16, v3 11 times,
   uint16 13 and 10; 64^3, patch 3, search 11, Rician, at v4 82 times dipy's classic method. Images of fewer columns
   than the search window has waste most of their lanes: 512 x 16 takes as long as 512 x 38. What bands waste apart, v4
   takes about 38 slots of vector instructions (two a cycle) for 16 distances: 24 for weights and what they add, of
   which 22 are arithmetic; 12 for sums over rows, of which 6 are and the rest waits for the second-level cache. Rows
   as they are, not in bands, with groups of shifts handed on in memory, took 1.4 times as long. Slower, too: weights
   written and added in a second pass (1.3 times at v4); sums over planes as differences of all planes (volumes 10 %);
   sums over rows of neighbouring lines side by side (volumes 5 %). Within 2 %: pieces of a line that fit the
   first-level cache, with what is left of the piece before; four shifts at a time; sums fetched ahead. */
#ifndef MEDFAST_NLM_REAL_H
#define MEDFAST_NLM_REAL_H

#include "nlm_bands.h"

typedef struct {
    int norm, is_rician;
    double self;       /* the weight of a pixel for itself: 1 */
    double center;     /* what is taken away from all pixels before: 0 */
    double rate;       /* of the exponent per summed distance (L1: per its square) */
    double factor;     /* the same as a power of 2^(1/8): -8 / ln 2 of it */
    double bias;       /* taken from the mean square */
    ptrdiff_t n_terms; /* planes of the patch times channels */
} nlm_formula;

#define NLM_RULE nlm_formula
#define NLM_REAL(name) name##_f32
#define NLM_T float
#define NLM_V nlm_f32
#include "nlm_bands.h"
#include "nlm_real_steps.h"
#include "nlm_real_body.h"
#undef NLM_REAL
#undef NLM_T
#undef NLM_V
#define NLM_REAL(name) name##_f64
#define NLM_T double
#define NLM_V nlm_f64
#include "nlm_bands.h"
#include "nlm_real_steps.h"
#include "nlm_real_body.h"
#undef NLM_REAL
#undef NLM_T
#undef NLM_V
#undef NLM_RULE

/* Largest means of sqrt(t), t, t sqrt(t) and t t over weights exp(-t) whose mean is w: exp(-t) t^k as a function of the
   weight is concave up to its largest value, at t = k. */
typedef struct {
    double half, one, one_half, two;
} nlm_moments;

static nlm_moments nlm_moments_of(double w)
{
    const double t = w < 1.0 ? -log(w) : 0.0, root = sqrt(t);
    nlm_moments m = {root, t, t * root, t * t};
    if (t < 0.5)
        m.half = 0.42888194248035344 / w;
    if (t < 1.0)
        m.one = 0.36787944117144233 / w;
    if (t < 1.5)
        m.one_half = 0.40991627894186006 / w;
    if (t < 2.0)
        m.two = 0.5413411329464508 / w;
    return m;
}

/* Bound of the error of a float32 mean of integers' differences (Rician: of their squares' differences) over n_donors
   weights of this sum. In units of u = 2^-24: a weight is off by 6 for the polynomial, the root and their product, and
   by t times 2 for the exponent (L1: 3); where a distance is beyond 2^24, and so t beyond `far`, by t times the number
   of roundings more. A product is off by 1 (2), a sum by its length: of a column of the search window in pairs, and of
   columns. A donor's difference d is at most sqrt(t / rate), for it is part of its own distance. Errors of weights
   change the mean by their mean with d - mean. */
typedef struct {
    double first, second; /* means of |value|, of t |value| */
    double one;           /* and of t */
} nlm_spread;

static nlm_spread nlm_real_spread(const nlm_formula *f, double n_donors, double weight, double own)
{
    const double spread = 1.0 / sqrt(f->rate);
    const nlm_moments m = nlm_moments_of(weight / n_donors);
    nlm_spread s = {spread * m.half, spread * m.one_half, m.one};
    if (f->is_rician) { /* |q q - p p| <= 2 p |d| + d d */
        s.first = 2.0 * own * s.first + spread * spread * m.one;
        s.second = 2.0 * own * s.second + spread * spread * m.two;
    }
    return s;
}

static double nlm_real_bound(const nlm_tile *t, const nlm_formula *f, nlm_spread s, double n_donors, double weight,
                             double mean)
{
    const double u = 1.0 / (1 << 24);
    const double far = f->norm == 1 ? 65536.0 * 65536.0 * 65536.0 * f->rate : 16777216.0 * f->rate;
    const double roundings = (double)(f->n_terms + t->patch[1] + t->patch[2] + 2);
    const double length = (double)(t->search[1] + nlm_least(NLM_REAL_ROWS, 2 * t->search[2] + 1));
    double depth = f->norm == 1 ? 3.0 : 2.0, rest = 0.0;
    mean = fabs(mean) < s.first ? fabs(mean) : s.first;
    if (far < 10.0 || f->is_rician)
        depth += roundings;
    else /* what weighs exp(-far) or less: t exp(-t) (sqrt(t) + mean's) falls from there on */
        rest = roundings * far * exp(-far) * (sqrt(far / f->rate) + mean) * n_donors / weight;
    return 1.01 * u * ((s.first + mean) * (6.0 + 1.0 + length) + s.first + depth * (s.second + s.one * mean) + rest);
}

enum {
    NLM_EXACT = 32 /* donors at a time */
};

/* Distances of one pixel to n <= NLM_EXACT ones, the first of which `shift` leads to. Sums of rows of the patch are
   exact in float32 as integers below 2^24; where one is not and the weight matters, all is done again in float64, if
   `is_full`. Returns whether all are exact that matter. */
NLM_INLINE int nlm_real_distances_of(const nlm_tile *t, const nlm_formula *f, const float *first, ptrdiff_t shift,
                                     ptrdiff_t n, ptrdiff_t radius, int norm, int is_full, double *distances)
{
    float sums[NLM_EXACT], largest[NLM_EXACT];
    ptrdiff_t z, c, y, x, k;
    int is_exact = 1;
    memset(distances, 0, NLM_EXACT * sizeof(double));
    memset(largest, 0, sizeof(largest));
    for (z = 0; z <= 2 * t->patch[0]; z++)
        for (c = 0; c < t->n_channels; c++)
            for (y = 0; y <= 2 * t->patch[1]; y++) {
                const float *a = first + z * t->plane_stride + c * t->channel_stride + y * t->row_stride;
                const float *b = a + shift;
                for (k = 0; k < n; k += NLM_LANES_f32) {
                    nlm_f32 sum = nlm_set_f32(0.0f);
                    for (x = 0; x <= 2 * radius; x++) {
                        const nlm_f32 d = nlm_sub_f32(nlm_load_f32(b + k + x), nlm_set_f32(a[x]));
                        sum = nlm_add_f32(sum, norm == 1 ? nlm_abs_f32(d) : nlm_mul_f32(d, d));
                    }
                    nlm_store_f32(sums + k, sum);
                    nlm_store_f32(largest + k, nlm_max_f32(nlm_load_f32(largest + k), sum));
                }
                for (k = 0; k < n; k += NLM_LANES_f64)
                    nlm_store_f64(distances + k,
                                  nlm_add_f64(nlm_load_f64(distances + k), nlm_pixel_f64_of_f32(sums + k)));
            }
    for (k = 0; k < n; k++)
        is_exact &= largest[k] < 16777216.0f ||
                    (norm == 1 ? distances[k] * distances[k] : distances[k]) * f->rate > 60.0;
    if (is_exact || !is_full)
        return is_exact;
    for (k = 0; k < n; k += NLM_LANES_f64) {
        nlm_f64 sum = nlm_set_f64(0.0);
        for (z = 0; z <= 2 * t->patch[0]; z++)
            for (c = 0; c < t->n_channels; c++)
                for (y = 0; y <= 2 * t->patch[1]; y++) {
                    const float *a = first + z * t->plane_stride + c * t->channel_stride + y * t->row_stride;
                    for (x = 0; x <= 2 * radius; x++) {
                        const nlm_f64 d = nlm_sub_f64(nlm_pixel_f64_of_f32(a + shift + k + x),
                                                      nlm_set_f64((double)a[x]));
                        sum = nlm_add_f64(sum, norm == 1 ? nlm_abs_f64(d) : nlm_mul_f64(d, d));
                    }
                }
        nlm_store_f64(distances + k, sum);
    }
    return 1;
}

static int nlm_real_distances(const nlm_tile *t, const nlm_formula *f, const float *first, ptrdiff_t shift, ptrdiff_t n,
                              int is_full, double *distances)
{
    if (f->norm == 2 && t->patch[2] == 3)
        return nlm_real_distances_of(t, f, first, shift, n, 3, 2, is_full, distances);
    if (f->norm == 2)
        return nlm_real_distances_of(t, f, first, shift, n, t->patch[2], 2, is_full, distances);
    return nlm_real_distances_of(t, f, first, shift, n, t->patch[2], 1, is_full, distances);
}

/* The mean of differences of one pixel in float64; `error` is a bound of what distances beyond 2^24 leave, 0 if
   `is_full`. */
static double nlm_real_exact(const nlm_tile *t, const nlm_formula *f, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t col,
                             ptrdiff_t channel, int is_full, double *error)
{
    enum { N = NLM_EXACT };
    const ptrdiff_t first = (plane + t->search[0]) * t->plane_stride + (row + t->search[1]) * t->row_stride + col +
                            t->search[2];
    const ptrdiff_t middle = t->patch[0] * t->plane_stride + t->patch[1] * t->row_stride + t->patch[2];
    const float *padded = (const float *)t->padded, *p = padded + first + middle + channel * t->channel_stride;
    const double own = p[0];
    const double far = 16777216.0 * f->rate;
    double distances[N], weights[N], sums[N] = {0.0}, totals[N] = {0.0}, sum = 0.0, total = 0.0;
    ptrdiff_t dz, dy, dx, k, n_inexact = 0;
    is_full |= far < 10.0 || f->norm == 1 || f->is_rician;
    for (dz = -t->search[0]; dz <= t->search[0]; dz++)
        for (dy = -t->search[1]; dy <= t->search[1]; dy++)
            for (dx = -t->search[2]; dx <= t->search[2]; dx += N) {
                const ptrdiff_t shift = dz * t->plane_stride + dy * t->row_stride + dx;
                const ptrdiff_t n = nlm_least(N, t->search[2] + 1 - dx);
                const uint8_t *inside = nlm_tile_mask(t, plane + dz, row + dy);
                n_inexact += nlm_real_distances(t, f, padded + first, shift, n, is_full, distances) ? 0 : n;
                for (k = 0; k < n; k += NLM_LANES_f64) {
                    nlm_f64 d = nlm_load_f64(distances + k);
                    d = f->norm == 1 ? nlm_mul_f64(d, d) : d;
                    nlm_store_f64(weights + k, nlm_power_f64(nlm_mul_f64(d, nlm_set_f64(f->factor))));
                }
                for (k = 0; k < n && inside; k++)
                    weights[k] = inside[col + dx + k] ? weights[k] : 0.0;
                for (k = 0; k < n; k++) {
                    const double q = p[shift + k];
                    totals[k] += weights[k];
                    sums[k] += weights[k] * (f->is_rician ? q * q - own * own : q - own);
                }
            }
    for (k = 0; k < N; k++)
        sum += sums[k], total += totals[k];
    sum /= total;
    /* As in nlm_real_bound: t exp(-t) (sqrt(t / rate) + mean), of a relative error of u per rounding in a row. */
    *error = (double)(n_inexact * (2 * t->patch[2] + 3)) / (1 << 24) * far * exp(-far) * (sqrt(far / f->rate) +
             fabs(sum)) / total;
    return sum;
}

/* Whether float32 is enough for integers: the strength at which not many pixels have to be computed again. */
static int nlm_real_is_float(const nlm_tile *t, const nlm_formula *f)
{
    double n_donors = (double)((2 * t->search[0] + 1) * (2 * t->search[1] + 1) * (2 * t->search[2] + 1));
    nlm_formula plain = *f;
    plain.is_rician = 0;
    return nlm_real_bound(t, &plain, nlm_real_spread(&plain, n_donors, n_donors / 16.0, 0.0), n_donors, n_donors / 16.0,
                          1e9) < 0.02;
}

static double nlm_real_value(const nlm_formula *f, double mean, double own)
{
    if (!f->is_rician)
        return mean + own; /* differences were averaged, so that what is constant stays so to the last bit */
    mean += own * own - f->bias;
    return mean > 0.0 ? sqrt(mean) : 0.0;
}

static double nlm_real_rounds(const nlm_formula *f, double mean, double own)
{
    return rint(nlm_real_value(f, mean, own));
}

typedef enum { NLM_FLOATS, NLM_DOUBLES, NLM_INTEGERS } nlm_pixels; /* integers are in floats */

/* Bytes of scratch for a tile, from an address that is a multiple of 64. */
static ptrdiff_t nlm_real_scratch(const nlm_tile *t)
{
    return nlm_most(nlm_real_scratch_f32(t), nlm_real_scratch_f64(t));
}

/* The tile's values, (channels, lines, row_size); integers are rounded. `sums` has room for (channels + 1, ...). */
static void nlm_real_tile(const nlm_tile *t, const nlm_formula *f, nlm_pixels pixels, double *sums, ptrdiff_t row_size,
                          uint8_t *scratch)
{
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n_lines = (t->planes[1] - t->planes[0]) * n_rows;
    const double n_donors = (double)((2 * t->search[0] + 1) * (2 * t->search[1] + 1) * (2 * t->search[2] + 1));
    const int is_float = pixels == NLM_FLOATS || (pixels == NLM_INTEGERS && nlm_real_is_float(t, f));
    ptrdiff_t k, x, channel;
    int is_full;
    if (is_float)
        nlm_real_sums_f32(t, f, 1, sums, row_size, scratch);
    else
        nlm_real_sums_f64(t, f, pixels != NLM_DOUBLES, sums, row_size, scratch);
    for (k = 0; k < n_lines; k++)
        for (channel = 0; channel < t->n_channels; channel++) {
            const ptrdiff_t plane = t->planes[0] + k / n_rows, row = t->rows[0] + k % n_rows;
            const ptrdiff_t at = (plane + t->patch[0] + t->search[0]) * t->plane_stride + channel * t->channel_stride +
                                 (row + t->patch[1] + t->search[1]) * t->row_stride + t->patch[2] + t->search[2];
            const double *weights = sums + (t->n_channels * n_lines + k) * row_size;
            double *values = sums + (channel * n_lines + k) * row_size;
            double worst = 0.0;
            if (pixels == NLM_DOUBLES) {
                const double *own = (const double *)t->padded + at;
                for (x = 0; x < t->n_cols; x++)
                    values[x] = nlm_real_value(f, values[x] / weights[x], own[x]);
                continue;
            }
            const float *own = (const float *)t->padded + at;
            const uint8_t *inside = nlm_tile_mask(t, plane, row);
            if (pixels == NLM_INTEGERS && is_float)
                worst = nlm_real_bound(t, f, nlm_real_spread(f, n_donors, 1.0, 65536.0), n_donors, 1.0, 1e9);
            for (x = 0; x < t->n_cols; x++) {
                double mean = values[x] / weights[x], value = nlm_real_value(f, mean, own[x]);
                values[x] = value;
                if (pixels != NLM_INTEGERS)
                    continue;
                values[x] = rint(value);
                if (!is_float || mean == 0.0 || (inside && !inside[x]) ||
                    (!f->is_rician && fabs(value - values[x]) < 0.5 - worst))
                    continue;
                double error = nlm_real_bound(t, f, nlm_real_spread(f, n_donors, weights[x], own[x]), n_donors,
                                              weights[x], mean);
                for (is_full = 0; is_full < 2; is_full++) {
                    if (nlm_real_rounds(f, mean - error, own[x]) == nlm_real_rounds(f, mean + error, own[x]))
                        break;
                    mean = nlm_real_exact(t, f, plane, row, x, channel, is_full, &error);
                }
                values[x] = nlm_real_rounds(f, mean, own[x]);
            }
        }
}

#endif
