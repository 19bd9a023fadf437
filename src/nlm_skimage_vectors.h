/* scikit-image's weights in vectors of float and of double, for nlm_skimage.h: by level, the same bits at every one.

   Its exponential of -t is a double whose upper half is the whole number 1023 * 2^20 - 60801 - trunc(t 2^20 / ln 2) and
   whose lower half is 0: a broken line, right at no more than two places in each factor of two. With *places* n, t in
   units of the last bit of a type's weights, that is a conversion, a subtraction, and no look-up: a float has the same
   upper bits but for the exponent's, and 8 times as many places. */
#ifndef MEDFAST_NLM_SKIMAGE_VECTORS_H
#define MEDFAST_NLM_SKIMAGE_VECTORS_H

#include "nlm_real_vectors.h"

#define NLM_PLACES 1512775.3951951857 /* 2^20 / ln 2: those of a double's upper half for t = 1 */
#define NLM_SCALE_f32 8.0
#define NLM_SCALE_f64 1.0
#define NLM_ONE_f32 1064866808 /* the bits of the weight of t = 0, 0.97 */
#define NLM_ONE_f64 1072632447 /* the upper half of those */
#define NLM_MOST_f32 80.0      /* of t: under exp(-80) weights are 0, for there floats end; */
#define NLM_MOST_f64 700.0     /* in scikit-image they become negative, or NaN, from 709 on */

/* nlm_power_up_to: weights of places, 0 <= n < 2^30, where n <= bound; else 0. nlm_up_to: v where n <= bound, else 0.
   Floats have *bits* too, which are in their order where none is negative: of how far those are beyond a bound the
   least is kept for some vectors, until nlm_any_within says whether one is less than `width`: two operations a vector,
   in place of two comparisons and what joins masks. Sums of doubles are in no doubt. */
typedef int nlm_bits_f64;
#define nlm_set_bits_f64(x) 0
#define nlm_beyond_f64(n, from) 0
#define nlm_least_f64(a, b) 0
#define nlm_any_within_f64(bits, width) ((void)(bits), 0)

#if NLM_LANES == 32

#define nlm_max_f64(a, b) _mm512_max_pd(a, b)
#define nlm_power_up_to_f32(n, bound) _mm512_castsi512_ps(_mm512_maskz_sub_epi32( \
    _mm512_cmp_ps_mask(n, bound, _CMP_LE_OQ), _mm512_set1_epi32(NLM_ONE_f32), _mm512_cvttps_epi32(n)))
#define nlm_power_up_to_f64(n, bound) nlm_up_to_f64(n, bound, _mm512_castsi512_pd(_mm512_slli_epi64( \
    _mm512_cvtepi32_epi64(_mm256_sub_epi32(_mm256_set1_epi32(NLM_ONE_f64), _mm512_cvttpd_epi32(n))), 32)))
#define nlm_up_to_f32(n, bound, v) _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(n, bound, _CMP_LE_OQ), v)
#define nlm_up_to_f64(n, bound, v) _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(n, bound, _CMP_LE_OQ), v)
typedef __m512i nlm_bits_f32;
#define nlm_set_bits_f32(x) _mm512_set1_epi32((int)(x))
#define nlm_beyond_f32(n, from) _mm512_sub_epi32(_mm512_castps_si512(n), from)
#define nlm_least_f32(a, b) _mm512_min_epu32(a, b)
#define nlm_any_within_f32(bits, width) (_mm512_cmplt_epu32_mask(bits, width) != 0)

#elif NLM_LANES == 16

#define nlm_max_f64(a, b) _mm256_max_pd(a, b)
#define nlm_power_up_to_f32(n, bound) nlm_up_to_f32(n, bound, \
    _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_set1_epi32(NLM_ONE_f32), _mm256_cvttps_epi32(n))))
#define nlm_power_up_to_f64(n, bound) nlm_up_to_f64(n, bound, _mm256_castsi256_pd(_mm256_slli_epi64( \
    _mm256_cvtepi32_epi64(_mm_sub_epi32(_mm_set1_epi32(NLM_ONE_f64), _mm256_cvttpd_epi32(n))), 32)))
#define nlm_up_to_f32(n, bound, v) _mm256_and_ps(_mm256_cmp_ps(n, bound, _CMP_LE_OQ), v)
#define nlm_up_to_f64(n, bound, v) _mm256_and_pd(_mm256_cmp_pd(n, bound, _CMP_LE_OQ), v)
typedef __m256i nlm_bits_f32;
#define nlm_set_bits_f32(x) _mm256_set1_epi32((int)(x))
#define nlm_beyond_f32(n, from) _mm256_sub_epi32(_mm256_castps_si256(n), from)
#define nlm_least_f32(a, b) _mm256_min_epu32(a, b)
#define nlm_any_within_f32(bits, width) \
    (_mm256_movemask_epi8(_mm256_cmpeq_epi32(_mm256_max_epu32(bits, width), bits)) != -1)

#elif NLM_LANES == 8

#define nlm_max_f64(a, b) _mm_max_pd(a, b)
#define nlm_power_up_to_f32(n, bound) nlm_up_to_f32(n, bound, \
    _mm_castsi128_ps(_mm_sub_epi32(_mm_set1_epi32(NLM_ONE_f32), _mm_cvttps_epi32(n))))
#define nlm_power_up_to_f64(n, bound) nlm_up_to_f64(n, bound, _mm_castsi128_pd(_mm_unpacklo_epi32( \
    _mm_setzero_si128(), _mm_sub_epi32(_mm_set1_epi32(NLM_ONE_f64), _mm_cvttpd_epi32(n)))))
#define nlm_up_to_f32(n, bound, v) _mm_and_ps(_mm_cmple_ps(n, bound), v)
#define nlm_up_to_f64(n, bound, v) _mm_and_pd(_mm_cmple_pd(n, bound), v)
typedef __m128i nlm_bits_f32;
#define nlm_set_bits_f32(x) _mm_set1_epi32((int)(x))
#define nlm_beyond_f32(n, from) _mm_sub_epi32(_mm_castps_si128(n), from)
#define nlm_least_f32(a, b) _mm_min_epu32(a, b)
#define nlm_any_within_f32(bits, width) (_mm_movemask_epi8(_mm_cmpeq_epi32(_mm_max_epu32(bits, width), bits)) != 0xffff)

#else

#define nlm_max_f64(a, b) ((a) > (b) ? (a) : (b))
#define nlm_up_to_f32(n, bound, v) ((n) <= (bound) ? (v) : 0)
#define nlm_up_to_f64 nlm_up_to_f32
#define nlm_power_up_to_f32(n, bound) ((n) <= (bound) ? nlm_one_power_f32(n) : 0.0f)
#define nlm_power_up_to_f64(n, bound) ((n) <= (bound) ? nlm_one_power_f64(n) : 0.0)
typedef uint32_t nlm_bits_f32;
#define nlm_set_bits_f32(x) (x)
#define nlm_beyond_f32(n, from) (nlm_bits_of(n) - (from))
#define nlm_least_f32(a, b) ((a) < (b) ? (a) : (b))
#define nlm_any_within_f32(bits, width) ((bits) < (width))

#endif

static uint32_t nlm_bits_of(float n)
{
    uint32_t bits;
    memcpy(&bits, &n, sizeof(bits));
    return bits;
}

/* Of one number; 0 beyond the places that it has. */
static float nlm_one_power_f32(float n)
{
    float weight = 0.0f;
    if (n < 1e9f) {
        const int32_t bits = NLM_ONE_f32 - (int32_t)n;
        memcpy(&weight, &bits, sizeof(weight));
    }
    return weight;
}

static double nlm_one_power_f64(double n)
{
    double weight = 0.0;
    if (n < 1e9 * 1.06) {
        const int64_t bits = (int64_t)(NLM_ONE_f64 - (int32_t)n) << 32;
        memcpy(&weight, &bits, sizeof(weight));
    }
    return weight;
}

#endif
