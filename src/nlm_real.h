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
    NLM_REAL_LINES = 12, /* whose columns are summed in one go, at most: about 8 */
    NLM_REAL_ROWS = 12,  /* rows of shifts, whose sums are of floats, before they go into doubles */
#ifndef COLS
#define COLS 512
#endif
    NLM_REAL_COLS = COLS  /* of a tile that are worked on at a time */
};

typedef struct {
    int norm, is_rician;
    double rate;       /* of the exponent per summed distance (L1: per its square) */
    double factor;     /* the same as a power of 2^(1/8): -8 / ln 2 of it */
    double bias;       /* taken from the mean square */
    ptrdiff_t n_terms; /* planes of the patch times channels */
} nlm_formula;

/* What of a tile's columns and of its planes and rows has a pixel inside the mask; rows and columns begin at even
   ones, for neighbours share sums in pairs. */
static void nlm_real_extent(const nlm_tile *t, ptrdiff_t col_start, ptrdiff_t col_stop, nlm_range *planes,
                            nlm_range *rows, nlm_range *cols)
{
    ptrdiff_t z, y, x;
    if (!t->mask) {
        planes->start = t->planes[0], planes->stop = t->planes[1];
        rows->start = t->rows[0] & ~(ptrdiff_t)1, rows->stop = t->rows[1];
        cols->start = col_start, cols->stop = col_stop;
        return;
    }
    planes->start = t->planes[1], planes->stop = t->planes[0];
    rows->start = t->rows[1], rows->stop = t->rows[0];
    cols->start = col_stop, cols->stop = col_start;
    for (z = t->planes[0]; z < t->planes[1]; z++)
        for (y = t->rows[0]; y < t->rows[1]; y++) {
            const uint8_t *inside = nlm_tile_mask(t, z, y);
            for (x = col_start; x < col_stop; x++)
                if (inside[x]) {
                    planes->start = nlm_least(planes->start, z), planes->stop = z + 1;
                    rows->start = nlm_least(rows->start, y), rows->stop = nlm_most(rows->stop, y + 1);
                    cols->start = nlm_least(cols->start, x), cols->stop = nlm_most(cols->stop, x + 1);
                }
        }
    rows->start &= ~(ptrdiff_t)1, cols->start &= ~(ptrdiff_t)1;
}

#define NLM_REAL(name) name##_f32
#define NLM_T float
#define NLM_V nlm_f32
#include "nlm_real_body.h"
#undef NLM_REAL
#undef NLM_T
#undef NLM_V
#define NLM_REAL(name) name##_f64
#define NLM_T double
#define NLM_V nlm_f64
#include "nlm_real_body.h"
#undef NLM_REAL
#undef NLM_T
#undef NLM_V

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

/* Of those bounds and one from the donors themselves, the smaller. As weights are 1 at most, sum w |v| <= T sum w +
   sum max(|v| - T, 0) for any T; and t exp(-t) <= 1 / e. */
static nlm_spread nlm_real_spread_here(const nlm_tile *t, const nlm_formula *f, ptrdiff_t plane, ptrdiff_t row,
                                       ptrdiff_t col, ptrdiff_t channel, double n_donors, double weight)
{
    enum { LANES = NLM_LANES_f32 };
    const ptrdiff_t at = (plane + t->patch[0] + t->search[0]) * t->plane_stride + channel * t->channel_stride +
                         (row + t->patch[1] + t->search[1]) * t->row_stride + col + t->patch[2] + t->search[2];
    const float *p = (const float *)t->padded + at;
    const nlm_f32 own = nlm_set_f32(p[0]);
    nlm_spread s = nlm_real_spread(f, n_donors, weight, p[0]);
    double level = 0.0, beyond = 0.0;
    int pass;
    for (pass = 0; pass < 2; pass++) {
        const nlm_f32 least = nlm_set_f32((float)level);
        nlm_f32 sum = nlm_set_f32(0.0f);
        float lanes[LANES];
        ptrdiff_t dz, dy, dx, k;
        for (dz = -t->search[0]; dz <= t->search[0]; dz++)
            for (dy = -t->search[1]; dy <= t->search[1]; dy++)
                for (dx = -t->search[2]; dx <= t->search[2]; dx += LANES) { /* and some more, which do no harm */
                    const nlm_f32 q = nlm_load_f32(p + dz * t->plane_stride + dy * t->row_stride + dx);
                    nlm_f32 value = nlm_sub_f32(q, own);
                    if (f->is_rician)
                        value = nlm_mul_f32(value, nlm_add_f32(q, own));
                    value = nlm_abs_f32(value);
                    sum = nlm_add_f32(sum, pass ? nlm_sub_f32(nlm_max_f32(value, least), least) : value);
                }
        nlm_store_f32(lanes, sum);
        for (k = 0, beyond = 0.0; k < LANES; k++)
            beyond += lanes[k];
        if (pass == 0) /* about what as many as weigh 1 exceed, were they normal ones */
            level = 1.4 * beyond / n_donors * sqrt(weight < n_donors ? -log(weight / n_donors) : 0.0);
    }
    if (level + beyond / weight < s.first)
        s.first = level + beyond / weight;
    if (level * s.one + 0.3679 * beyond / weight < s.second)
        s.second = level * s.one + 0.3679 * beyond / weight;
    return s;
}

enum {
    NLM_EXACT = 32 /* donors at a time */
};

/* Distances of one pixel to n <= NLM_EXACT ones, the first of which `shift` leads to. Sums of rows of the patch are
   exact in float32 as integers below 2^24; where one is not and the weight matters, all is done again in float64. */
static void nlm_real_distances(const nlm_tile *t, const nlm_formula *f, const float *first, ptrdiff_t shift,
                               ptrdiff_t n, double *distances)
{
    enum { LANES = NLM_LANES_f32 };
    const ptrdiff_t n_terms = (2 * t->patch[0] + 1) * t->n_channels * (2 * t->patch[1] + 1);
    float sums[NLM_EXACT], largest[NLM_EXACT];
    ptrdiff_t term, x, k;
    memset(distances, 0, NLM_EXACT * sizeof(double));
    memset(largest, 0, sizeof(largest));
#define row_of(term) \
    (first + (term) / (2 * t->patch[1] + 1) / t->n_channels * t->plane_stride + \
     (term) / (2 * t->patch[1] + 1) % t->n_channels * t->channel_stride + (term) % (2 * t->patch[1] + 1) * t->row_stride)
    for (term = 0; term < n_terms; term++) {
        const float *a = row_of(term), *b = a + shift;
        for (k = 0; k < n; k += LANES) {
            nlm_f32 sum = nlm_set_f32(0.0f);
            for (x = 0; x <= 2 * t->patch[2]; x++) {
                const nlm_f32 d = nlm_sub_f32(nlm_load_f32(b + k + x), nlm_set_f32(a[x]));
                sum = nlm_add_f32(sum, f->norm == 1 ? nlm_abs_f32(d) : nlm_mul_f32(d, d));
            }
            nlm_store_f32(sums + k, sum);
            nlm_store_f32(largest + k, nlm_max_f32(nlm_load_f32(largest + k), sum));
        }
        for (k = 0; k < n; k += NLM_LANES_f64)
            nlm_store_f64(distances + k, nlm_add_f64(nlm_load_f64(distances + k), nlm_pixel_f64_of_f32(sums + k)));
    }
    for (k = 0; k < n; k++)
        if (largest[k] >= 16777216.0f && (f->norm == 1 ? distances[k] * distances[k] : distances[k]) * f->rate < 60.0)
            for (term = 0, distances[k] = 0.0; term < n_terms; term++) {
                const float *a = row_of(term);
                for (x = 0; x <= 2 * t->patch[2]; x++) {
                    const double d = (double)a[shift + k + x] - (double)a[x];
                    distances[k] += f->norm == 1 ? fabs(d) : d * d;
                }
            }
#undef row_of
}

/* The mean of differences of one pixel in float64. */
static double nlm_real_exact(const nlm_tile *t, const nlm_formula *f, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t col,
                             ptrdiff_t channel)
{
    enum { N = NLM_EXACT };
    const ptrdiff_t first = (plane + t->search[0]) * t->plane_stride + (row + t->search[1]) * t->row_stride + col +
                            t->search[2];
    const ptrdiff_t middle = t->patch[0] * t->plane_stride + t->patch[1] * t->row_stride + t->patch[2];
    const float *padded = (const float *)t->padded, *p = padded + first + middle + channel * t->channel_stride;
    const double own = p[0];
    double distances[N], weights[N], sums[N] = {0.0}, totals[N] = {0.0}, sum = 0.0, total = 0.0;
    ptrdiff_t dz, dy, dx, k;
    for (dz = -t->search[0]; dz <= t->search[0]; dz++)
        for (dy = -t->search[1]; dy <= t->search[1]; dy++)
            for (dx = -t->search[2]; dx <= t->search[2]; dx += N) {
                const ptrdiff_t shift = dz * t->plane_stride + dy * t->row_stride + dx;
                const ptrdiff_t n = nlm_least(N, t->search[2] + 1 - dx);
                const uint8_t *inside = nlm_tile_mask(t, plane + dz, row + dy);
                nlm_real_distances(t, f, padded + first, shift, n, distances);
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
    return sum / total;
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
    ptrdiff_t k, x, channel, k_pass;
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
                nlm_spread spread = nlm_real_spread(f, n_donors, weights[x], own[x]);
                for (k_pass = 0; k_pass < 2; k_pass++) {
                    double error = nlm_real_bound(t, f, spread, n_donors, weights[x], mean);
                    if (rint(nlm_real_value(f, mean - error, own[x])) == rint(nlm_real_value(f, mean + error, own[x])))
                        break;
                    if (k_pass == 0)
                        spread = nlm_real_spread_here(t, f, plane, row, x, channel, n_donors, weights[x]);
                    else
                        values[x] = rint(nlm_real_value(f, nlm_real_exact(t, f, plane, row, x, channel), own[x]));
                }
            }
        }
}

#endif
