/* Non-local means with weights from the formula, in floating point.

   float32 has twice the lanes of float64, and three things keep its error small. Donors are added as differences to the
   own pixel, which are exact for integers, so the error goes with the spread of the donors that count, not with the
   gray level; a constant stays a constant. Sums are short: of the shifts of a group, then of NLM_REAL_GROUPS groups,
   then in float64. And what is rounded to an integer is checked: where the error, of which `nlm_real_bound` has a
   bound, could decide, the pixel is computed again in float64. At all levels the order of all additions is that of the
   shifts and of the places within the patch, so all of it, tiles or not, is the same bit for bit; and there are no
   fused multiply-adds, which v2 has not. */
#ifndef MEDFAST_NLM_REAL_H
#define MEDFAST_NLM_REAL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nlm_real_vectors.h"
#include "nlm_tile.h"

enum {
    NLM_REAL_SHIFTS = 8,  /* of a group, at most */
    NLM_REAL_GROUPS = 4,  /* of which the sums are of floats, before they go into doubles */
    NLM_REAL_COLS = 512,  /* of a tile */
    NLM_REAL_CHUNK = 128, /* columns whose weights are held at a time, so that they stay in the L1 cache, */
    NLM_REAL_KEPT = 16,   /* and of those before */
    NLM_REAL_ROW = NLM_REAL_CHUNK + NLM_REAL_KEPT + 16
};

typedef struct {
    int norm, is_rician;
    double rate;       /* of the exponent per summed distance (L1: per its square) */
    double factor;     /* the same as a power of 2^(1/8): -8 / ln 2 of it */
    double bias;       /* taken from the mean square */
    ptrdiff_t n_terms; /* planes of the patch times channels */
} nlm_formula;

#define NLM_REAL(name) name##_f32
#define NLM_NAME(name) name##_f32
#define NLM_P float
#define NLM_T float
#define NLM_V nlm_f32
#include "nlm_real_body.h"
#undef NLM_REAL
#undef NLM_NAME
#undef NLM_P
#undef NLM_T
#undef NLM_V
#define NLM_REAL(name) name##_f64
#define NLM_NAME(name) name##_f64
#define NLM_P double
#define NLM_T double
#define NLM_V nlm_f64
#include "nlm_real_body.h"
#undef NLM_NAME
#undef NLM_P
#define NLM_NAME(name) name##_f64_of_f32
#define NLM_P float
#include "nlm_real_body.h"
#undef NLM_REAL
#undef NLM_NAME
#undef NLM_P
#undef NLM_T
#undef NLM_V

/* Largest mean of t^k over weights exp(-t) whose mean is w: exp(-t) t^k as a function of the weight is concave up to
   its largest value, at t = k. */
static double nlm_moment(double k, double t, double w) { return t >= k ? pow(t, k) : exp(-k) * pow(k, k) / w; }

/* Bound of the error of a float32 mean of integers' differences (Rician: of their squares' differences) over n_donors
   weights of this sum. In units of u = 2^-24: a weight is off by 4 for the polynomial, the root and their product, and
   by t times 2 for the exponent (L1: 3); where a distance is beyond 2^24, and so t beyond `far`, by t times the number
   of roundings more. A product is off by 1 (2), a sum by its length. A donor's difference d is at most sqrt(t / rate),
   for it is part of its own distance. Errors of weights change the mean by their mean with d - mean, where the mean is
   at most that of |d|. */
static double nlm_real_bound(const nlm_tile *t, const nlm_formula *f, double n_donors, double weight, double own)
{
    const double u = 1.0 / (1 << 24), w = weight / n_donors, t_mean = w < 1.0 ? -log(w) : 0.0;
    const double far = f->norm == 1 ? 65536.0 * 65536.0 * 65536.0 * f->rate : 16777216.0 * f->rate;
    const double roundings = (double)(f->n_terms + t->patch[1] + t->patch[2] + 2), exponent = f->norm == 1 ? 3.0 : 2.0;
    const double length = (double)(nlm_tile_group(t->search[2], NLM_REAL_SHIFTS) + 2 * NLM_REAL_GROUPS);
    const double spread = 1.0 / sqrt(f->rate), weights = nlm_moment(1.0, t_mean, w);
    double first = spread * nlm_moment(0.5, t_mean, w), second = spread * nlm_moment(1.5, t_mean, w);
    double depth = exponent, rest = 0.0;
    if (f->is_rician) { /* |q q - p p| <= 2 p |d| + d d */
        first = 2.0 * own * first + spread * spread * weights;
        second = 2.0 * own * second + spread * spread * nlm_moment(2.0, t_mean, w);
    }
    if (far < 10.0 || f->is_rician)
        depth += roundings;
    else /* what weighs exp(-far) or less: t exp(-t) (sqrt(t) + first's) falls from there on */
        rest = roundings * far * exp(-far) * (sqrt(far) * spread + first) / w;
    return 1.01 * u * (first * (2.0 * 4.0 + 2.0 + 2.0 * length) + depth * (second + weights * first) + rest);
}

/* The mean of differences of one pixel in float64. */
static double nlm_real_exact(const nlm_tile *t, const nlm_formula *f, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t col,
                             ptrdiff_t channel)
{
    enum { LANES = NLM_LANES_f64, N = 4 * LANES };
    const ptrdiff_t first = (plane + t->search[0]) * t->plane_stride + (row + t->search[1]) * t->row_stride + col +
                            t->search[2];
    const ptrdiff_t middle = t->patch[0] * t->plane_stride + t->patch[1] * t->row_stride + t->patch[2];
    const float *padded = (const float *)t->padded, *p = padded + first + middle + channel * t->channel_stride;
    const double own = p[0];
    double sum = 0.0, weight = 0.0, weights[N];
    ptrdiff_t dz, dy, dx, z, y, x, c, k;
    for (dz = -t->search[0]; dz <= t->search[0]; dz++)
        for (dy = -t->search[1]; dy <= t->search[1]; dy++)
            for (dx = -t->search[2]; dx <= t->search[2]; dx += N) {
                const ptrdiff_t shift = dz * t->plane_stride + dy * t->row_stride + dx;
                const uint8_t *inside = nlm_tile_mask(t, plane + dz, row + dy);
                nlm_f64 distances[4];
                for (k = 0; k < 4; k++)
                    distances[k] = nlm_set_f64(0.0);
                for (z = 0; z <= 2 * t->patch[0]; z++)
                    for (c = 0; c < t->n_channels; c++)
                        for (y = 0; y <= 2 * t->patch[1]; y++) {
                            const float *a = padded + first + z * t->plane_stride + c * t->channel_stride +
                                             y * t->row_stride;
                            for (x = 0; x <= 2 * t->patch[2]; x++, a++)
                                for (k = 0; k < 4; k++) {
                                    nlm_f64 d = nlm_sub_f64(nlm_pixel_f64_of_f32(a + shift + k * LANES),
                                                            nlm_set_f64((double)a[0]));
                                    d = f->norm == 1 ? nlm_abs_f64(d) : nlm_mul_f64(d, d);
                                    distances[k] = nlm_add_f64(distances[k], d);
                                }
                        }
                for (k = 0; k < 4; k++) {
                    nlm_f64 d = f->norm == 1 ? nlm_mul_f64(distances[k], distances[k]) : distances[k];
                    nlm_store_f64(weights + k * LANES, nlm_power_f64(nlm_mul_f64(d, nlm_set_f64(f->factor))));
                }
                for (k = 0; k < N && dx + k <= t->search[2]; k++) {
                    const double q = p[shift + k];
                    if (inside && !inside[col + dx + k])
                        continue;
                    weight += weights[k];
                    sum += weights[k] * (f->is_rician ? q * q - own * own : q - own);
                }
            }
    return sum / weight;
}

/* Whether float32 is enough for integers: the strength at which not many pixels have to be computed again. */
static int nlm_real_is_float(const nlm_tile *t, const nlm_formula *f)
{
    double n_donors = (double)((2 * t->search[0] + 1) * (2 * t->search[1] + 1) * (2 * t->search[2] + 1));
    nlm_formula plain = *f;
    plain.is_rician = 0;
    return nlm_real_bound(t, &plain, n_donors, n_donors / 16.0, 0.0) < 0.02;
}

static double nlm_real_value(const nlm_formula *f, double mean, double own)
{
    if (!f->is_rician)
        return mean + own; /* differences were averaged, so that what is constant stays so to the last bit */
    mean += own * own - f->bias;
    return mean > 0.0 ? sqrt(mean) : 0.0;
}

typedef enum { NLM_FLOATS, NLM_DOUBLES, NLM_INTEGERS } nlm_pixels; /* integers are in floats */

/* Bytes of scratch for a tile, from an address that is a multiple of 64. */
static ptrdiff_t nlm_real_scratch(const nlm_tile *t)
{
    nlm_formula f;
    f.n_terms = (2 * t->patch[0] + 1) * t->n_channels;
    /* Of few columns the first is the largest. */
    return nlm_most(nlm_real_scratch_f32(t, &f),
                    nlm_most(nlm_real_scratch_f64(t, &f), nlm_real_scratch_f64_of_f32(t, &f)));
}

/* The tile's values, (channels, lines, row_size); integers are rounded. `sums` has room for (channels + 1, ...). */
static void nlm_real_tile(const nlm_tile *t, const nlm_formula *f, nlm_pixels pixels, double *sums, ptrdiff_t row_size,
                          uint8_t *scratch)
{
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n_lines = (t->planes[1] - t->planes[0]) * n_rows;
    const double n_donors = (double)((2 * t->search[0] + 1) * (2 * t->search[1] + 1) * (2 * t->search[2] + 1));
    const int is_float = pixels == NLM_FLOATS || (pixels == NLM_INTEGERS && nlm_real_is_float(t, f));
    ptrdiff_t k, x, channel;
    if (pixels == NLM_DOUBLES)
        nlm_real_sums_f64(t, f, sums, row_size, scratch);
    else if (is_float)
        nlm_real_sums_f32(t, f, sums, row_size, scratch);
    else
        nlm_real_sums_f64_of_f32(t, f, sums, row_size, scratch);
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
                worst = nlm_real_bound(t, f, n_donors, 1.0, 65536.0);
            for (x = 0; x < t->n_cols; x++) {
                double mean = values[x] / weights[x], value = nlm_real_value(f, mean, own[x]);
                values[x] = value;
                if (pixels != NLM_INTEGERS)
                    continue;
                values[x] = rint(value);
                if (!is_float || mean == 0.0 || (inside && !inside[x]) ||
                    (!f->is_rician && fabs(value - values[x]) < 0.5 - worst))
                    continue;
                double error = nlm_real_bound(t, f, n_donors, weights[x], own[x]);
                if (rint(nlm_real_value(f, mean - error, own[x])) != rint(nlm_real_value(f, mean + error, own[x])))
                    values[x] = rint(nlm_real_value(f, nlm_real_exact(t, f, plane, row, x, channel), own[x]));
            }
        }
}

#endif
