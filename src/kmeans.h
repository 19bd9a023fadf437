/* k-means on vectors: the nearest center of each sample, in doubt by its definition, and sums of what changed.

   The label of a sample x is the first center c of least |x - c|^2 = sum_j (x_j - c_j)^2, summed as it stands, in rising
   j, in the samples' own precision. That takes three operations a coordinate. With y = x - s and d = c - s, s any shift,

       |x - c|^2 = |y|^2 + 2 a(c),        a(c) = |d|^2 / 2 - y.d,

   takes one fused multiply-add, but is rounded otherwise. So a(c) only serves to find the two nearest centers; where the
   two are so close to each other that rounding might decide, which is rare, the distances themselves are computed.
   Labels are thus those of the definition, to the last bit, whatever instructions found them.

   How close is that? Let u be half a unit in the last place of 1, R and C upper bounds of |y| and |d|, D the true squared
   distances and n the number of features. Each a(c) is the sum of n products and |d|^2 / 2, whose partial sums stay
   below C^2 / 2 + R C; with what rounding takes from y, d, the products and |d|^2 it is off by at most
   (n + 5) u (C^2 / 2 + R C). Each distance by the definition is off by (n + 2) u D at most. The order of the latter is
   certain if D(second) - D(first) > 2.1 (n + 2) u D(first), where D(first) <= (R + C)^2. Both together hold if
   a(second) - a(first) > 2.5 (n + 5) u (R + C)^2, with a tenth to spare for rounding in this very test. Products that
   vanish below the smallest number add (n + 5) times that number.

   Sums of samples by label are kept from pass to pass, and only samples whose label changed are moved from one cluster
   to another. They are kept as unevaluated sums of two doubles (106 bits): what is added and taken away again leaves
   nothing behind, however large it was. */
#ifndef MEDFAST_KMEANS_H
#define MEDFAST_KMEANS_H

#include <float.h>

#include "kmeans_vectors.h"

enum {
    KM_BLOCK = 64, /* samples worked on at once, a bit each in a word; any vector width divides it */
    KM_GROUP = 4,  /* centers worked on at once */
    KM_PARTS = 8,  /* sums worked on at once */
    KM_FEW = 4,    /* labels in doubt that are settled one by one; more, with all of their block */
    KM_PAUSE = 16  /* blocks labelled by the definition alone once a block was in doubt as a whole */
};

#define KM_ROUNDING_f32 (0.5 * (double)FLT_EPSILON)
#define KM_LARGEST_f32 ((double)FLT_MAX)
#define KM_VANISHING_f32 (4.0 * (double)FLT_MIN * (double)FLT_EPSILON)
#define KM_ROUNDING_f64 (0.5 * DBL_EPSILON)
#define KM_LARGEST_f64 DBL_MAX
#define KM_VANISHING_f64 (4.0 * DBL_MIN * DBL_EPSILON)

#if defined(_MSC_VER)
#include <intrin.h>
KM_INLINE int km_lowest(uint64_t bits)
{
    unsigned long at;
    _BitScanForward64(&at, bits);
    return (int)at;
}
#else
#define km_lowest(bits) __builtin_ctzll(bits)
#endif

/* Add a term to a sum of two parts (Knuth): no rounding is lost but that of the low part. */
KM_INLINE void km_add_parts(double *high, double *low, double term)
{
    double total = *high + term, part = total - *high;
    *low += (*high - (total - part)) + (term - part);
    *high = total;
}

/* The sums of a cluster: high parts of the features, low parts, each filled up to a multiple of PARTS; then both parts of
   the weight, how many samples have any, and nothing up to the next multiple. */
KM_INLINE ptrdiff_t km_padded(ptrdiff_t n_features)
{
    return (n_features + KM_PARTS - 1) / KM_PARTS * KM_PARTS;
}
KM_INLINE ptrdiff_t km_sums_size(ptrdiff_t n_features)
{
    return 2 * km_padded(n_features) + KM_PARTS;
}

/* What a pass over a tile works with. */
#define KM_PASS(name, real) \
    typedef struct { \
        ptrdiff_t n_features, n_clusters; \
        const real *centers; /* (n_clusters, n_features) */ \
        const real *shift;   /* (n_features,) */ \
        const real *next;    /* rows of the next block, fetched meanwhile (8 features: 0.3 of 2.3 ns a sample); or NULL */ \
        real *packed, *columns, *zeros; /* scratch */ \
        double *sums; /* (n_clusters, km_sums_size) */ \
        double reach, largest; /* largest squares of samples and of centers, less the shift */ \
        real slack; \
        int knows_reach, pause; \
        ptrdiff_t n_changed; \
    } name;
KM_PASS(km_pass_f32, float)
KM_PASS(km_pass_f64, double)
#undef KM_PASS

#define KM_REAL float
#define KM(name) name##_f32
#if KM_LANES_f32 > 1
#define KM_BY_QUADS
/* Four features of four times as many samples as vectors have quarters at a time; 2 times as fast as the compiler's. */
KM_INLINE void turn_quads_f32(const float *rows, ptrdiff_t n_features, const float *shift, float *columns)
{
    for (ptrdiff_t next = 0; next < n_features; next += 4) {
        ptrdiff_t j = next + 4 <= n_features ? next : n_features - 4; /* the last ones may overlap */
        km_f32 shifts[4];
        for (int f = 0; f < 4; f++)
            shifts[f] = km_set_f32(shift[j + f]);
        for (int i = 0; i < KM_BLOCK; i += KM_LANES_f32) {
            const float *p = rows + i * n_features + j;
            float *to = columns + j * KM_BLOCK + i;
            km_f32 r0 = km_quads_f32(p, 4 * n_features), r1 = km_quads_f32(p + n_features, 4 * n_features);
            km_f32 r2 = km_quads_f32(p + 2 * n_features, 4 * n_features);
            km_f32 r3 = km_quads_f32(p + 3 * n_features, 4 * n_features);
            km_f32 a = km_interleave_low_f32(r0, r1), b = km_interleave_low_f32(r2, r3);
            km_f32 c = km_interleave_high_f32(r0, r1), d = km_interleave_high_f32(r2, r3);
            km_store_f32(to, km_sub_f32(km_low_pairs_f32(a, b), shifts[0]));
            km_store_f32(to + KM_BLOCK, km_sub_f32(km_high_pairs_f32(a, b), shifts[1]));
            km_store_f32(to + 2 * KM_BLOCK, km_sub_f32(km_low_pairs_f32(c, d), shifts[2]));
            km_store_f32(to + 3 * KM_BLOCK, km_sub_f32(km_high_pairs_f32(c, d), shifts[3]));
        }
    }
}
#endif
#include "kmeans_body.h"
#undef KM_BY_QUADS
#undef KM
#undef KM_REAL

#define KM_REAL double
#define KM(name) name##_f64
#include "kmeans_body.h"
#undef KM
#undef KM_REAL

#endif
