/* Vectors of float and of double for kmeans.h, by level: least and second least, and which one it was.

   km_less_dot(a, b, c) is c - a * b, rounded once where the level has fused multiply-adds and twice where not: what is
   computed with it serves to tell which labels are certain, never as a result. Labels travel as bits in lanes of the
   width of the numbers they belong to. */
#ifndef MEDFAST_KMEANS_VECTORS_H
#define MEDFAST_KMEANS_VECTORS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#define KM_INLINE static __forceinline
#define KM_UNROLL
#define KM_RARELY(condition) (condition)
#define KM_APART static __declspec(noinline)
#define KM_AGAIN(pointer) (void)(pointer)
#define KM_PREFETCH(address) (void)(address)
#else
#define KM_INLINE static inline __attribute__((always_inline))
#define KM_UNROLL _Pragma("GCC unroll 8") /* where the number of rounds is a constant */
#define KM_RARELY(condition) __builtin_expect(condition, 0)
#define KM_APART static __attribute__((noinline))
#define KM_PREFETCH(address) __builtin_prefetch(address)
#define KM_AGAIN(pointer) __asm__("" : "+r"(pointer)) /* what it points to is loaded where it is used, not kept */
#endif

#define KM_CAUTION 0.999f /* approximate roots are off by less */
#define KM_ALL(lanes) ((1u << (lanes)) - 1u)

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>

#define KM_LANES_f32 16
#define KM_VECTORS_f32 4 /* vectors of samples in hand beside groups of centers: 16 sums, 4 samples, 1 center */
typedef __m512 km_f32;
typedef __mmask16 km_mask_f32;
#define km_load_f32(p) _mm512_loadu_ps(p)
#define km_store_f32(p, v) _mm512_storeu_ps(p, v)
#define km_set_f32(x) _mm512_set1_ps(x)
#define km_bits_f32(i) _mm512_castsi512_ps(_mm512_set1_epi32((int32_t)(i)))
#define km_sub_f32(a, b) _mm512_sub_ps(a, b)
#define km_add_f32(a, b) _mm512_add_ps(a, b)
#define km_mul_f32(a, b) _mm512_mul_ps(a, b)
#define km_min_f32(a, b) _mm512_min_ps(a, b)
#define km_max_f32(a, b) _mm512_max_ps(a, b)
#define km_less_dot_f32(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define km_below_f32(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define km_pick_f32(mask, a, b) _mm512_mask_mov_ps(b, mask, a)
#define km_bits_of_f32(mask) ((uint32_t)(mask))
#define km_store_gaps_f32(p, top, bottom) \
    _mm512_storeu_ps(p, _mm512_mul_ps(_mm512_mul_ps(top, _mm512_rsqrt14_ps(bottom)), _mm512_set1_ps(KM_CAUTION)))
#define km_store_labels_f32(p, v) _mm512_storeu_si512((void *)(p), _mm512_castps_si512(v))
#define km_interleave_low_f32(a, b) _mm512_unpacklo_ps(a, b)
#define km_interleave_high_f32(a, b) _mm512_unpackhi_ps(a, b)
#define km_low_pairs_f32(a, b) \
    _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)))
#define km_high_pairs_f32(a, b) \
    _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)))
KM_INLINE __m512 km_quads_f32(const float *a, const float *b, const float *c, const float *d)
{
    __m512 quads = _mm512_castps128_ps512(_mm_loadu_ps(a));
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(b), 1);
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(c), 2);
    return _mm512_insertf32x4(quads, _mm_loadu_ps(d), 3);
}
#define km_changed_f32(p, v) \
    ((uint32_t)_mm512_cmpneq_epi32_mask(_mm512_loadu_si512((const void *)(p)), _mm512_castps_si512(v)))

/* centers by label, out of 16 */
#define km_look_up_f32(table, labels) \
    _mm512_permutexvar_ps(_mm512_loadu_si512((const void *)(labels)), _mm512_loadu_ps(table))

#define KM_LANES_f64 8
#define km_widen_f32(p) _mm512_cvtps_pd(_mm256_loadu_ps(p))
/* vector q of the first n numbers, and of zeros */
#define km_widen_some_f32(p, n, q) _mm512_cvtps_pd(_mm256_maskz_loadu_ps((__mmask8)KM_ALL(n), p))
#define km_widen_some_f64(p, n, q) _mm512_maskz_loadu_pd((__mmask8)KM_ALL(n), p)
#define KM_VECTORS_f64 4
typedef __m512d km_f64;
typedef __mmask8 km_mask_f64;
#define km_load_f64(p) _mm512_loadu_pd(p)
#define km_store_f64(p, v) _mm512_storeu_pd(p, v)
#define km_set_f64(x) _mm512_set1_pd(x)
#define km_bits_f64(i) _mm512_castsi512_pd(_mm512_set1_epi64((int64_t)(i)))
#define km_sub_f64(a, b) _mm512_sub_pd(a, b)
#define km_add_f64(a, b) _mm512_add_pd(a, b)
#define km_mul_f64(a, b) _mm512_mul_pd(a, b)
#define km_min_f64(a, b) _mm512_min_pd(a, b)
#define km_max_f64(a, b) _mm512_max_pd(a, b)
#define km_less_dot_f64(a, b, c) _mm512_fnmadd_pd(a, b, c)
#define km_below_f64(a, b) _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ)
#define km_pick_f64(mask, a, b) _mm512_mask_mov_pd(b, mask, a)
#define km_bits_of_f64(mask) ((uint32_t)(mask))
#define km_store_gaps_f64(p, top, bottom) \
    _mm256_storeu_ps(p, _mm256_mul_ps(_mm256_mul_ps(_mm512_cvtpd_ps(top), _mm256_rsqrt_ps(_mm512_cvtpd_ps(bottom))), \
                                      _mm256_set1_ps(KM_CAUTION)))
#define km_labels_f64(v) _mm512_cvtepi64_epi32(_mm512_castpd_si512(v))
#define km_store_labels_f64(p, v) _mm256_storeu_si256((__m256i *)(p), km_labels_f64(v))
#define km_changed_f64(p, v) \
    ((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32( \
         _mm256_loadu_si256((const __m256i *)(p)), km_labels_f64(v)))) ^ 0xFFu)

#elif defined(__AVX2__)
#include <immintrin.h>

#define KM_LANES_f32 8
#define KM_VECTORS_f32 2 /* 8 sums, 2 samples, 1 center, of 16 registers */
typedef __m256 km_f32;
typedef __m256 km_mask_f32;
#define km_load_f32(p) _mm256_loadu_ps(p)
#define km_store_f32(p, v) _mm256_storeu_ps(p, v)
#define km_set_f32(x) _mm256_set1_ps(x)
#define km_bits_f32(i) _mm256_castsi256_ps(_mm256_set1_epi32((int32_t)(i)))
#define km_sub_f32(a, b) _mm256_sub_ps(a, b)
#define km_add_f32(a, b) _mm256_add_ps(a, b)
#define km_mul_f32(a, b) _mm256_mul_ps(a, b)
#define km_min_f32(a, b) _mm256_min_ps(a, b)
#define km_max_f32(a, b) _mm256_max_ps(a, b)
#if defined(__FMA__)
#define km_less_dot_f32(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define km_less_dot_f64(a, b, c) _mm256_fnmadd_pd(a, b, c)
#else
#define km_less_dot_f32(a, b, c) _mm256_sub_ps(c, _mm256_mul_ps(a, b))
#define km_less_dot_f64(a, b, c) _mm256_sub_pd(c, _mm256_mul_pd(a, b))
#endif
#define km_below_f32(a, b) _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define km_pick_f32(mask, a, b) _mm256_blendv_ps(b, a, mask)
#define km_bits_of_f32(mask) ((uint32_t)_mm256_movemask_ps(mask))
#define km_store_gaps_f32(p, top, bottom) \
    _mm256_storeu_ps(p, _mm256_mul_ps(_mm256_mul_ps(top, _mm256_rsqrt_ps(bottom)), _mm256_set1_ps(KM_CAUTION)))
#define km_store_labels_f32(p, v) _mm256_storeu_si256((__m256i *)(p), _mm256_castps_si256(v))
#define km_interleave_low_f32(a, b) _mm256_unpacklo_ps(a, b)
#define km_interleave_high_f32(a, b) _mm256_unpackhi_ps(a, b)
#define km_low_pairs_f32(a, b) \
    _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)))
#define km_high_pairs_f32(a, b) \
    _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)))
#define km_quads_f32(a, b, c, d) _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a)), _mm_loadu_ps(b), 1)
#define km_changed_f32(p, v) \
    ((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32( \
         _mm256_loadu_si256((const __m256i *)(p)), _mm256_castps_si256(v)))) ^ 0xFFu)

KM_INLINE __m256 km_look_up_f32(const float *table, const int32_t *labels)
{
    __m256i label = _mm256_loadu_si256((const __m256i *)labels);
    __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), label);
    __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), label);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(label, 28)));
}
#define km_look_up_f32 km_look_up_f32

#define KM_LANES_f64 4
#define km_widen_f32(p) _mm256_cvtps_pd(_mm_loadu_ps(p))
/* lanes of vector q that belong to the first n numbers */
KM_INLINE __m128i km_some(int n, int q)
{
    return _mm_cmpgt_epi32(_mm_set1_epi32(n - 4 * q), _mm_setr_epi32(0, 1, 2, 3));
}
#define km_widen_some_f32(p, n, q) _mm256_cvtps_pd(_mm_maskload_ps((p) + 4 * (q), km_some(n, q)))
#define km_widen_some_f64(p, n, q) _mm256_maskload_pd((p) + 4 * (q), _mm256_cvtepi32_epi64(km_some(n, q)))
#define KM_VECTORS_f64 2
typedef __m256d km_f64;
typedef __m256d km_mask_f64;
#define km_load_f64(p) _mm256_loadu_pd(p)
#define km_store_f64(p, v) _mm256_storeu_pd(p, v)
#define km_set_f64(x) _mm256_set1_pd(x)
#define km_bits_f64(i) _mm256_castsi256_pd(_mm256_set1_epi64x((int64_t)(i)))
#define km_sub_f64(a, b) _mm256_sub_pd(a, b)
#define km_add_f64(a, b) _mm256_add_pd(a, b)
#define km_mul_f64(a, b) _mm256_mul_pd(a, b)
#define km_min_f64(a, b) _mm256_min_pd(a, b)
#define km_max_f64(a, b) _mm256_max_pd(a, b)
#define km_below_f64(a, b) _mm256_cmp_pd(a, b, _CMP_LT_OQ)
#define km_pick_f64(mask, a, b) _mm256_blendv_pd(b, a, mask)
#define km_bits_of_f64(mask) ((uint32_t)_mm256_movemask_pd(mask))
#define km_store_gaps_f64(p, top, bottom) \
    _mm_storeu_ps(p, _mm_mul_ps(_mm_mul_ps(_mm256_cvtpd_ps(top), _mm_rsqrt_ps(_mm256_cvtpd_ps(bottom))), \
                                _mm_set1_ps(KM_CAUTION)))
/* the low half of each lane */
#define km_labels_f64(v) \
    _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(_mm256_castpd256_pd128(v)), \
                                    _mm_castpd_ps(_mm256_extractf128_pd(v, 1)), _MM_SHUFFLE(2, 0, 2, 0)))
#define km_store_labels_f64(p, v) _mm_storeu_si128((__m128i *)(p), km_labels_f64(v))
#define km_changed_f64(p, v) \
    ((uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32( \
         _mm_loadu_si128((const __m128i *)(p)), km_labels_f64(v)))) ^ 0xFu)

#elif defined(__SSE4_1__)
#include <smmintrin.h>

#define KM_LANES_f32 4
#define KM_VECTORS_f32 2
typedef __m128 km_f32;
typedef __m128 km_mask_f32;
#define km_load_f32(p) _mm_loadu_ps(p)
#define km_store_f32(p, v) _mm_storeu_ps(p, v)
#define km_set_f32(x) _mm_set1_ps(x)
#define km_bits_f32(i) _mm_castsi128_ps(_mm_set1_epi32((int32_t)(i)))
#define km_sub_f32(a, b) _mm_sub_ps(a, b)
#define km_add_f32(a, b) _mm_add_ps(a, b)
#define km_mul_f32(a, b) _mm_mul_ps(a, b)
#define km_min_f32(a, b) _mm_min_ps(a, b)
#define km_max_f32(a, b) _mm_max_ps(a, b)
#define km_less_dot_f32(a, b, c) _mm_sub_ps(c, _mm_mul_ps(a, b))
#define km_below_f32(a, b) _mm_cmplt_ps(a, b)
#define km_pick_f32(mask, a, b) _mm_blendv_ps(b, a, mask)
#define km_bits_of_f32(mask) ((uint32_t)_mm_movemask_ps(mask))
#define km_store_gaps_f32(p, top, bottom) \
    _mm_storeu_ps(p, _mm_mul_ps(_mm_mul_ps(top, _mm_rsqrt_ps(bottom)), _mm_set1_ps(KM_CAUTION)))
#define km_store_labels_f32(p, v) _mm_storeu_si128((__m128i *)(p), _mm_castps_si128(v))
#define km_interleave_low_f32(a, b) _mm_unpacklo_ps(a, b)
#define km_interleave_high_f32(a, b) _mm_unpackhi_ps(a, b)
#define km_low_pairs_f32(a, b) _mm_movelh_ps(a, b)
#define km_high_pairs_f32(a, b) _mm_movehl_ps(b, a)
#define km_quads_f32(a, b, c, d) _mm_loadu_ps(a)
#define km_changed_f32(p, v) \
    ((uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32( \
         _mm_loadu_si128((const __m128i *)(p)), _mm_castps_si128(v)))) ^ 0xFu)

#define KM_LANES_f64 2
#define km_widen_f32(p) _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(p))))
#define km_widen_some_f32(p, n, q) \
    _mm_setr_pd((n) > 2 * (q) ? (double)(p)[2 * (q)] : 0.0, (n) > 2 * (q) + 1 ? (double)(p)[2 * (q) + 1] : 0.0)
#define km_widen_some_f64 km_widen_some_f32
#define KM_VECTORS_f64 2
typedef __m128d km_f64;
typedef __m128d km_mask_f64;
#define km_load_f64(p) _mm_loadu_pd(p)
#define km_store_f64(p, v) _mm_storeu_pd(p, v)
#define km_set_f64(x) _mm_set1_pd(x)
#define km_bits_f64(i) _mm_castsi128_pd(_mm_set1_epi64x((int64_t)(i)))
#define km_sub_f64(a, b) _mm_sub_pd(a, b)
#define km_add_f64(a, b) _mm_add_pd(a, b)
#define km_mul_f64(a, b) _mm_mul_pd(a, b)
#define km_min_f64(a, b) _mm_min_pd(a, b)
#define km_max_f64(a, b) _mm_max_pd(a, b)
#define km_less_dot_f64(a, b, c) _mm_sub_pd(c, _mm_mul_pd(a, b))
#define km_below_f64(a, b) _mm_cmplt_pd(a, b)
#define km_pick_f64(mask, a, b) _mm_blendv_pd(b, a, mask)
#define km_bits_of_f64(mask) ((uint32_t)_mm_movemask_pd(mask))
#define km_store_gaps_f64(p, top, bottom) \
    _mm_storel_epi64((__m128i *)(p), _mm_castps_si128(_mm_mul_ps( \
        _mm_mul_ps(_mm_cvtpd_ps(top), _mm_rsqrt_ps(_mm_cvtpd_ps(bottom))), _mm_set1_ps(KM_CAUTION))))
#define km_labels_f64(v) _mm_shuffle_epi32(_mm_castpd_si128(v), _MM_SHUFFLE(2, 0, 2, 0))
#define km_store_labels_f64(p, v) _mm_storel_epi64((__m128i *)(p), km_labels_f64(v))
#define km_changed_f64(p, v) \
    (((uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32( \
         _mm_loadl_epi64((const __m128i *)(p)), km_labels_f64(v)))) ^ 0xFu) & 0x3u)

#else /* no vectors known: one lane, the same arithmetic */

#define KM_LANES_f32 1
#define KM_VECTORS_f32 4
typedef float km_f32;
typedef int km_mask_f32;
KM_INLINE float km_bits_f32(int32_t i)
{
    float bits;
    memcpy(&bits, &i, sizeof(bits));
    return bits;
}
KM_INLINE int32_t km_label_f32(float bits)
{
    int32_t i;
    memcpy(&i, &bits, sizeof(i));
    return i;
}
#define km_load_f32(p) (*(p))
#define km_store_f32(p, v) (*(p) = (v))
#define km_set_f32(x) (x)
#define km_sub_f32(a, b) ((a) - (b))
#define km_add_f32(a, b) ((a) + (b))
#define km_mul_f32(a, b) ((a) * (b))
#define km_min_f32(a, b) ((a) < (b) ? (a) : (b))
#define km_max_f32(a, b) ((a) > (b) ? (a) : (b))
#define km_less_dot_f32(a, b, c) ((c) - (a) * (b))
#define km_below_f32(a, b) ((a) < (b))
#define km_pick_f32(mask, a, b) ((mask) ? (a) : (b))
#define km_bits_of_f32(mask) ((uint32_t)(mask))
#define km_store_gaps_f32(p, top, bottom) (*(p) = (top) / sqrtf(bottom) * KM_CAUTION)
#define km_store_labels_f32(p, v) (*(p) = km_label_f32(v))
#define km_changed_f32(p, v) ((uint32_t)(*(p) != km_label_f32(v)))

#define KM_LANES_f64 1
#define km_widen_f32(p) ((double)*(p))
#define km_widen_some_f32(p, n, q) ((n) > (q) ? (double)(p)[q] : 0.0)
#define km_widen_some_f64 km_widen_some_f32
#define KM_VECTORS_f64 4
typedef double km_f64;
typedef int km_mask_f64;
KM_INLINE double km_bits_f64(int64_t i)
{
    double bits;
    memcpy(&bits, &i, sizeof(bits));
    return bits;
}
KM_INLINE int32_t km_label_f64(double bits)
{
    int64_t i;
    memcpy(&i, &bits, sizeof(i));
    return (int32_t)i;
}
#define km_load_f64 km_load_f32
#define km_store_f64 km_store_f32
#define km_set_f64(x) (x)
#define km_sub_f64 km_sub_f32
#define km_add_f64 km_add_f32
#define km_mul_f64 km_mul_f32
#define km_min_f64 km_min_f32
#define km_max_f64 km_max_f32
#define km_less_dot_f64 km_less_dot_f32
#define km_below_f64 km_below_f32
#define km_pick_f64(mask, a, b) ((mask) ? (a) : (b))
#define km_bits_of_f64(mask) ((uint32_t)(mask))
#define km_store_gaps_f64(p, top, bottom) (*(p) = (float)((top) / sqrt(bottom)) * KM_CAUTION)
#define km_store_labels_f64(p, v) (*(p) = km_label_f64(v))
#define km_changed_f64(p, v) ((uint32_t)(*(p) != km_label_f64(v)))

#endif

#define km_widen_f64(p) km_load_f64(p)

#endif
