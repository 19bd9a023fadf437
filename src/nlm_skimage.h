/* scikit-image's non-local means, in floating point: the sums of nlm_real.h with other weights of other distances.

   With d the squares of differences of the patches of side s = 2 r + 1 around p and q, over all channels,

       fast: t = max(sum of (d - 2 sigma^2), 0) / (channels s^axes h^2), without the patch's first row, column, plane;
       slow: t = max(sum of g (d - 2 sigma^2), 0), g a Gaussian of sigma (s - 1) / 4 whose sum is 1 / (channels h^2),

   the weight is exp(-t) as a broken line (nlm_skimage_vectors.h), and none where t > 5. Slow, what is compared with 5
   is not t but the largest part of it that the rows of the patch (in a volume: its planes) add up to from the first on
   before the last is added; and only donors inside the image count, which are those in the mask.

   scikit-image computes fast weights in float64, from integral images of all of the image. Sums as short as these are
   as near to it in float32, as means go: within 1e-7 of the image's range, usually. But at t = 5 a weight goes from
   0.007 to 0, and of a hundred million distances in float32 some are on the wrong side: of 512 x 512 pixels of noise
   alone, of sigma 0.05, with h about half of it, a dozen pixels were off by more than 1e-6, up to 7e-4. So distances
   within their error of 5 are *in doubt*, and are computed again in float64 from the pixels as they came, one by one
   (nlm_settle): the weight then is that of a distance on the right side, and no pixel is off by more than 3e-8.

   Not even rounding depends on the level, the tile or the box, as in nlm_real.h; fast distances are summed in pairs of
   rows and columns that begin at odd ones.

   Measured against scikit-image on one thread: fast, 512 x 512, patch 7, distance 10, 17 times at v4, 13 to 15 at v3,
   float64 by sums of floats, too; by sums of doubles, which have half the lanes and nothing to settle, 8.8 and 6.4.
   64^3, patch 3, distance 5: 19 and 17. Slow, 256 x 256: 68 and 36, for scikit-image compares patches pixel by pixel.
   The weight is less work than nlm_real.h's exponential, but the time is about the same: sums over rows wait for the
   second-level cache. Doubt by comparisons of floats, in place of least bits, is within 2 % at v4, 4 to 10 % slower at
   v3. */
#ifndef MEDFAST_NLM_SKIMAGE_H
#define MEDFAST_NLM_SKIMAGE_H

#include "nlm_bands.h"
#include "nlm_skimage_vectors.h"

#define NLM_LIMIT 5.0

#if defined(_MSC_VER)
#define NLM_COLD __declspec(noinline)
#else
#define NLM_COLD __attribute__((noinline, cold))
#endif

typedef struct {
    int is_rician;          /* 0 */
    double self;            /* the weight of a pixel for itself */
    double center;          /* taken away from pixels of float64 before they become floats */
    double factor;          /* places of a summed distance of 1; slow: summed with `gaussian` as it is */
    double excess;          /* places that noise adds to a distance */
    double share;           /* slow: those of them that go with a weight of 1 in `gaussian` */
    double doubt;           /* how far t may be off, of float sums; 0: nothing is computed again */
    const double *gaussian; /* (2 r + 1,) along each axis; or NULL: fast */
} nlm_skimage;

/* Whether the pixel that `shift` leads to counts for the one whose patch begins at `first`, in float64. */
#define NLM_COUNTS(name, pixel)                                                                                       \
    static NLM_COLD int name(const nlm_tile *t, const nlm_skimage *f, const pixel *first, ptrdiff_t shift)            \
    {                                                                                                                 \
        const double *g = f->gaussian;                                                                                \
        const ptrdiff_t skipped = g ? 0 : 1, is_volume = t->patch[0] > 0;                                             \
        double sum = 0.0, most = 0.0;                                                                                 \
        ptrdiff_t z, y, x, c;                                                                                         \
        for (z = is_volume ? skipped : 0; z <= 2 * t->patch[0]; z++) {                                                \
            double plane = 0.0;                                                                                       \
            for (y = skipped; y <= 2 * t->patch[1]; y++) {                                                            \
                double row = 0.0;                                                                                     \
                for (x = skipped; x <= 2 * t->patch[2]; x++)                                                          \
                    for (c = 0; c < t->n_channels; c++) {                                                             \
                        const pixel *a = first + z * t->plane_stride + c * t->channel_stride + y * t->row_stride + x; \
                        const double d = (double)a[shift] - (double)a[0];                                             \
                        row += g ? g[x] * (d * d) : d * d;                                                            \
                    }                                                                                                 \
                if (g && !is_volume) {                                                                                \
                    most = y > 0 && sum > most ? sum : most;                                                          \
                    sum += g[y] * f->factor * row - g[y] * f->share;                                                  \
                } else                                                                                                \
                    plane += g ? g[y] * row : row;                                                                    \
            }                                                                                                         \
            if (g && is_volume) {                                                                                     \
                most = z > 0 && sum > most ? sum : most;                                                              \
                sum += g[z] * f->factor * plane - g[z] * f->share;                                                    \
            } else if (!g)                                                                                            \
                sum += plane;                                                                                         \
        }                                                                                                             \
        return (g ? most : sum * f->factor - f->excess) <= NLM_LIMIT * NLM_PLACES;                                    \
    }
NLM_COUNTS(nlm_counts_f32, float)
NLM_COUNTS(nlm_counts_f64, double)
#undef NLM_COUNTS

#define NLM_RULE nlm_skimage
#define NLM_REAL(name) name##_f32
#define NLM_T float
#define NLM_V nlm_f32
#include "nlm_bands.h"
#include "nlm_skimage_steps.h"
#include "nlm_real_body.h"
#undef NLM_REAL
#undef NLM_T
#undef NLM_V
#define NLM_REAL(name) name##_f64
#define NLM_T double
#define NLM_V nlm_f64
#include "nlm_bands.h"
#include "nlm_skimage_steps.h"
#include "nlm_real_body.h"
#undef NLM_REAL
#undef NLM_T
#undef NLM_V
#undef NLM_RULE

/* Bytes of scratch for a tile, from an address that is a multiple of 64. */
static ptrdiff_t nlm_skimage_scratch(const nlm_tile *t)
{
    return nlm_most(nlm_real_scratch_f32(t), nlm_real_scratch_f64(t));
}

/* The tile's values, (channels, lines, row_size). `sums` has room for (channels + 1, ...). */
static void nlm_skimage_tile(const nlm_tile *t, nlm_skimage *f, int is_float, double *sums, ptrdiff_t row_size,
                             uint8_t *scratch)
{
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n_lines = (t->planes[1] - t->planes[0]) * n_rows;
    ptrdiff_t k, x, channel;
    f->is_rician = 0, f->self = nlm_one_power_f64(0.0);
    if (f->doubt > 0.0)
        nlm_real_sums_f32(t, f, is_float, sums, row_size, scratch);
    else
        nlm_real_sums_f64(t, f, is_float, sums, row_size, scratch);
    for (k = 0; k < n_lines; k++)
        for (channel = 0; channel < t->n_channels; channel++) {
            const ptrdiff_t plane = t->planes[0] + k / n_rows, row = t->rows[0] + k % n_rows;
            const ptrdiff_t at = (plane + t->patch[0] + t->search[0]) * t->plane_stride + channel * t->channel_stride +
                                 (row + t->patch[1] + t->search[1]) * t->row_stride + t->patch[2] + t->search[2];
            const double *weights = sums + (t->n_channels * n_lines + k) * row_size;
            double *values = sums + (channel * n_lines + k) * row_size;
            if (is_float)
                for (x = 0; x < t->n_cols; x++)
                    values[x] = values[x] / weights[x] + ((const float *)t->padded + at)[x];
            else
                for (x = 0; x < t->n_cols; x++)
                    values[x] = values[x] / weights[x] + ((const double *)t->padded + at)[x];
        }
}

#endif
