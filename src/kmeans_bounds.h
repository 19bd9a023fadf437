/* k-means on vectors: the nearest center of each sample, in doubt by its definition, and sums of what changed.

   The label of a sample x is the first center c of least |x - c|^2 = sum_j (x_j - c_j)^2, summed as it stands, in
   rising j, in the samples' own precision. That takes three operations a coordinate. With y = x - s and d = c - s, s
   any shift,

       |x - c|^2 = |y|^2 + 2 a(c),        a(c) = |d|^2 / 2 - y.d,

   takes one fused multiply-add, but is rounded otherwise. So a(c) only serves to find the two nearest centers; where
   the two are so close to each other that rounding might decide, which is rare, the distances themselves are computed.
   Labels are thus those of the definition, to the last bit, whatever instructions found them.

   How close is that? Let u be half a unit in the last place of 1, R and C upper bounds of |y| and |d|, D the true
   squared distances and n the number of features. Each a(c) is the sum of n products and |d|^2 / 2, whose partial sums
   stay below C^2 / 2 + R C; with what rounding takes from y, d, the products and |d|^2 it is off by at most (n + 5) u
   (C^2 / 2 + R C). Each distance by the definition is off by (n + 2) u D at most. The order of the latter is certain if
   D(second) - D(first) > 2.1 (n + 2) u D(first), where D(first) <= (R + C)^2. Both together hold if a(second) -
   a(first) > 2.5 (n + 5) u (R + C)^2, with a tenth to spare for rounding in this very test. Products that vanish below
   the smallest number add (n + 5) times that number.

   In later passes most samples need not be looked at. The gap between the distances to the second and to the nearest
   center shrinks by no more than the two centers move (Hamerly, "Making k-means even faster", 2010), so a lower bound
   of it is kept for each sample, in single precision, and taken down pass by pass; rounding takes 4 units in the last
   place of R + C each time at most. While it is above 2 (n + 5) u (R + C), the label is certain: with d the nearest
   distance and g the gap, the two squares differ by g (2 d + g) > 2.1 (n + 2) u d^2. From a(c) the gap is

       (D(second) - D(first)) / (d(second) + d(first)) >= (a(second) - a(first)) / sqrt(|y|^2 + a(second) + a(first)).

   Sums of samples by label are kept from pass to pass, and only samples whose label changed are moved from one cluster
   to another. They are kept as unevaluated sums of two doubles (106 bits): what is added and taken away again leaves
   2^-100 of itself behind at most. */
#ifndef MEDFAST_KMEANS_BOUNDS_H
#define MEDFAST_KMEANS_BOUNDS_H

#include <float.h>

#include "kmeans_vectors.h"

enum {
    KM_BLOCK = 64, /* samples worked on at once, a bit each in a word; any vector width divides it */
    KM_GROUP = 4,  /* centers worked on at once */
    KM_CHUNK = 2048, /* samples whose gaps are looked at before any label is: 64 KB of 8 features */
    KM_LISTED = KM_CHUNK + 16, /* room for a list of them, which is written in vectors */
    KM_WHOLE = 4,  /* eighths of a chunk to be labelled, above which it is labelled as a whole: single samples take 4 to
                      6 ns each, those in turn 2 ns */
    KM_PARTS = 8,  /* sums worked on at once */
    KM_RUNS = 16,  /* clusters up to which a block is added up cluster by cluster */
    KM_FETCHED = 4, /* lines asked for at a time; divides BLOCK */
    KM_FEW = 4,    /* labels in doubt that are settled one by one; more, with all of their block */
    KM_TABLE = 16, /* centers up to which their coordinates are looked up in registers */
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
#define km_count(bits) ((int)__popcnt64(bits))
#else
#define km_lowest(bits) __builtin_ctzll(bits)
#define km_count(bits) __builtin_popcountll(bits)
#endif

/* Add a term to a sum of two parts (Knuth): no rounding is lost but that of the low part. */
KM_INLINE void km_add_parts(double *high, double *low, double term)
{
    double total = *high + term, part = total - *high;
    *low += (*high - (total - part)) + (term - part);
    *high = total;
}

/* The sums of a cluster: high parts of the features, low parts, each filled up to a multiple of PARTS; then both parts
   of the weight, how many samples have any, and nothing up to the next multiple. */
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
        real *packed, *columns, *zeros; /* scratch */ \
        double *sums; /* (n_clusters, km_sums_size), or NULL */ \
        double reach, largest; /* largest squares of samples and of centers, less the shift */ \
        real slack; \
        float *moves;        /* scratch: by label, what a gap loses */ \
        float rounding, least_gap; \
        int knows_reach, pause; \
        ptrdiff_t n_changed; \
        int n_ahead; /* what is fetched meanwhile */ \
        const real *here[KM_BLOCK], *ahead[KM_BLOCK]; /* where samples of this block stand, and of the next */ \
        const int32_t *ahead_list; /* the list that these are of */ \
    } name;
KM_PASS(km_pass_f32, float)
KM_PASS(km_pass_f64, double)
#undef KM_PASS

/* Gaps of 64 samples, less what the centers have moved; returns those that are no longer sure to be above `least`. */
KM_INLINE uint64_t km_open(const float *moves, ptrdiff_t n_clusters, float rounding, float least, const int32_t *labels,
                           float *gaps)
{
    uint64_t open = 0;
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    __m512 table = _mm512_maskz_loadu_ps((__mmask16)(n_clusters >= 16 ? 0xFFFF : (1 << n_clusters) - 1), moves);
    for (int i = 0; i < KM_BLOCK; i += 16) {
        __m512i label = _mm512_loadu_si512((const void *)(labels + i));
        __m512 lost = n_clusters <= 16 ? _mm512_permutexvar_ps(label, table) : _mm512_i32gather_ps(label, moves, 4);
        __m512 gap = _mm512_sub_ps(_mm512_loadu_ps(gaps + i), _mm512_add_ps(lost, _mm512_set1_ps(rounding)));
        _mm512_storeu_ps(gaps + i, gap);
        open |= (uint64_t)_mm512_cmp_ps_mask(gap, _mm512_set1_ps(least), _CMP_NGT_UQ) << i;
    }
#elif defined(__AVX2__)
    for (int i = 0; i < KM_BLOCK; i += 8) {
        __m256 lost = _mm256_i32gather_ps(moves, _mm256_loadu_si256((const __m256i *)(labels + i)), 4);
        __m256 gap = _mm256_sub_ps(_mm256_loadu_ps(gaps + i), _mm256_add_ps(lost, _mm256_set1_ps(rounding)));
        _mm256_storeu_ps(gaps + i, gap);
        open |= (uint64_t)_mm256_movemask_ps(_mm256_cmp_ps(gap, _mm256_set1_ps(least), _CMP_NGT_UQ)) << i;
    }
#else
    (void)n_clusters;
    for (int i = 0; i < KM_BLOCK; i++) {
        gaps[i] -= moves[labels[i]] + rounding;
        open |= (uint64_t)!(gaps[i] > least) << i;
    }
#endif
    return open;
}

/* Which samples of a block belong to each cluster, a bit each. */
KM_INLINE void km_runs(const int32_t *labels, int n, ptrdiff_t n_clusters, uint64_t *runs)
{
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    if (n == KM_BLOCK) {
        for (ptrdiff_t c = 0; c < n_clusters; c++)
            for (int i = 0; i < KM_BLOCK; i += 16)
                runs[c] |= (uint64_t)_mm512_cmpeq_epi32_mask(_mm512_loadu_si512((const void *)(labels + i)),
                                                             _mm512_set1_epi32((int32_t)c)) << i;
        return;
    }
#endif
    (void)n_clusters;
    for (int i = 0; i < n; i++)
        runs[labels[i]] |= (uint64_t)1 << i;
}

/* Append the samples with a bit to a list, counted from `first` on; returns how many it has then. */
KM_INLINE int km_list(uint64_t bits, int first, int32_t *list, int n)
{
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    __m512i numbers = _mm512_add_epi32(_mm512_set1_epi32(first), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                                                                  12, 13, 14, 15));
    for (int i = 0; i < KM_BLOCK; i += 16, bits >>= 16) {
        _mm512_storeu_si512((void *)(list + n), _mm512_maskz_compress_epi32((__mmask16)bits, numbers));
        numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(16));
        n += km_count(bits & 0xFFFF);
    }
#else
    for (; bits; bits &= bits - 1)
        list[n++] = first + km_lowest(bits);
#endif
    return n;
}

#define KM_REAL float
#define KM(name) name##_f32
#if KM_LANES_f32 > 1
#define KM_BY_QUADS
/* Four features of four times as many samples as vectors have quarters at a time; twice as fast as the compiler's. The
   samples stand in rows one after another, or where `at` tells: no need to copy them first. */
#define KM_ROW(i) ((at ? at[i] : rows + (i) * n_features) + j)
#define KM_QUADS(i) \
    km_quads_f32(KM_ROW(i), KM_ROW((i) + 4), KM_ROW((i) + 8), KM_ROW((i) + 12)) /* as many as vectors have quarters */
KM_INLINE void turn_quads_f32(const float *rows, const float *const *at, ptrdiff_t n_features, const float *shift,
                              float *columns)
{
    for (ptrdiff_t next = 0; next < n_features; next += 4) {
        ptrdiff_t j = next + 4 <= n_features ? next : n_features - 4; /* the last ones may overlap */
        km_f32 shifts[4];
        for (int f = 0; f < 4; f++)
            shifts[f] = km_set_f32(shift[j + f]);
        for (int i = 0; i < KM_BLOCK; i += KM_LANES_f32) {
            float *to = columns + j * KM_BLOCK + i;
            km_f32 r0 = KM_QUADS(i), r1 = KM_QUADS(i + 1);
            km_f32 r2 = KM_QUADS(i + 2), r3 = KM_QUADS(i + 3);
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
#define KM_LOOKED_UP KM_TABLE
#if !defined(km_look_up_f32)
#undef KM_LOOKED_UP
#endif
#include "kmeans_body.h"
#include "kmeans_sums.h"
#include "kmeans_pass.h"
#include "kmeans_distances.h"
#undef KM_LOOKED_UP
#undef KM_BY_QUADS
#undef KM
#undef KM_REAL

#define KM_REAL double
#define KM(name) name##_f64
#include "kmeans_body.h"
#include "kmeans_sums.h"
#include "kmeans_pass.h"
#include "kmeans_distances.h"
#undef KM
#undef KM_REAL

#endif
