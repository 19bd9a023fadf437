/* Vectors of float and of double for nlm_real.h, and exp(-t) in them: by level, the same bits at every one.

   With t = -n ln(2) / 8 the weight exp(-t) is 2^(n / 8). n is rounded to a whole number k by adding and taking away 1.5
   times a power of two, at which the sum's last bit is one: the sum's lowest bits are then those of k. The last three
   choose one of eight roots of two, the others are added to its exponent, and a polynomial, 1 at 0, does the rest
   r = n - k: of degree 7 in double (off by 6.4e-18 of the weight, rounding apart). In float it is a cubic of
   s = r + 12, for where s ln(2) / 8 is about 1, exp has no term of the second degree, e^y being about
   (y + 1)^3 / 6 + (y + 1) / 2 + 1 / 3: two operations less, as k - 12 is as near as k. It is off by 1.3e-7; with all
   rounding by 6 units of 2^-24 at most, tried for every n. The roots are stored with k & 7 taken from their exponent's
   place, so that all of k can be added there. 16 roots and the square of r + 23 would take 8 % off the whole at v4, but
   are off by 12 units, and v3 has no look-up of 16. */
#ifndef MEDFAST_NLM_REAL_VECTORS_H
#define MEDFAST_NLM_REAL_VECTORS_H

#include <stdint.h>
#include <string.h>

#include "nlm_vectors.h"

/* Bits of 2^(j / 8), less j << 20 (float, over 9589.196) or j << 49 (double). */
static const int32_t nlm_roots_f32[16] = {
#define NLM_ROOTS 0x38dab311, 0x38ee7e54 - (1 << 20), 0x39020a1c - (2 << 20), 0x390dcf1f - (3 << 20), \
    0x391aa4d5 - (4 << 20), 0x3928a3ee - (5 << 20), 0x3937e753 - (6 << 20), 0x39488c5d - (7 << 20)
    NLM_ROOTS, NLM_ROOTS};
#undef NLM_ROOTS
static const int64_t nlm_roots_f64[8] = {
    0x3ff0000000000000,
    0x3ff172b83c7d517b - (1ll << 49),
    0x3ff306fe0a31b715 - (2ll << 49),
    0x3ff4bfdad5362a27 - (3ll << 49),
    0x3ff6a09e667f3bcd - (4ll << 49),
    0x3ff8ace5422aa0db - (5ll << 49),
    0x3ffae89f995ad3ad - (6ll << 49),
    0x3ffd5818dcfba487 - (7ll << 49)};

#define NLM_RATE 11.541560327111707  /* 8 / ln 2 */
#define NLM_LEAST_F32 -880.0f        /* weights under exp(-76), */
#define NLM_LEAST_F64 -6900.0        /* exp(-598) are 0, and none is subnormal: infinite distances weigh nothing */
#define NLM_ROUND_F32 12582912.0f    /* 1.5 * 2^23 */
#define NLM_ROUND_F64 6755399441055744.0

#if NLM_LANES == 32

#define NLM_LANES_f32 16
typedef __m512 nlm_f32;
#define nlm_load_f32(p) _mm512_loadu_ps(p)
#define nlm_store_f32(p, v) _mm512_storeu_ps(p, v)
#define nlm_add_f32(a, b) _mm512_add_ps(a, b)
#define nlm_sub_f32(a, b) _mm512_sub_ps(a, b)
#define nlm_mul_f32(a, b) _mm512_mul_ps(a, b)
#define nlm_above_f32(n, least, v) _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(n, least, _CMP_GT_OQ), v)
#define nlm_set_f32(x) _mm512_set1_ps(x)
#define nlm_abs_f32(v) _mm512_abs_ps(v)
#define nlm_keep_f32(v, mask) _mm512_and_ps(v, mask)
NLM_INLINE __m512 nlm_root_f32(__m512 sum)
{
    __m512i k = _mm512_castps_si512(sum);
    return _mm512_castsi512_ps(_mm512_add_epi32(
        _mm512_permutexvar_epi32(k, _mm512_loadu_si512((const void *)nlm_roots_f32)), _mm512_slli_epi32(k, 20)));
}

#define NLM_LANES_f64 8
#define nlm_pixel_f64_of_f32(p) _mm512_cvtps_pd(_mm256_loadu_ps(p))
typedef __m512d nlm_f64;
#define nlm_load_f64(p) _mm512_loadu_pd(p)
#define nlm_store_f64(p, v) _mm512_storeu_pd(p, v)
#define nlm_max_f32(a, b) _mm512_max_ps(a, b)
#define nlm_add_f64(a, b) _mm512_add_pd(a, b)
#define nlm_sub_f64(a, b) _mm512_sub_pd(a, b)
#define nlm_mul_f64(a, b) _mm512_mul_pd(a, b)
#define nlm_above_f64(n, least, v) _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(n, least, _CMP_GT_OQ), v)
#define nlm_set_f64(x) _mm512_set1_pd(x)
#define nlm_abs_f64(v) _mm512_abs_pd(v)
#define nlm_keep_f64(v, mask) _mm512_and_pd(v, mask)
NLM_INLINE __m512d nlm_root_f64(__m512d sum)
{
    __m512i k = _mm512_castpd_si512(sum);
    return _mm512_castsi512_pd(_mm512_add_epi64(
        _mm512_permutexvar_epi64(k, _mm512_loadu_si512((const void *)nlm_roots_f64)), _mm512_slli_epi64(k, 49)));
}

#elif NLM_LANES == 16

#define NLM_LANES_f32 8
typedef __m256 nlm_f32;
#define nlm_load_f32(p) _mm256_loadu_ps(p)
#define nlm_store_f32(p, v) _mm256_storeu_ps(p, v)
#define nlm_add_f32(a, b) _mm256_add_ps(a, b)
#define nlm_sub_f32(a, b) _mm256_sub_ps(a, b)
#define nlm_mul_f32(a, b) _mm256_mul_ps(a, b)
#define nlm_above_f32(n, least, v) _mm256_and_ps(_mm256_cmp_ps(n, least, _CMP_GT_OQ), v)
#define nlm_set_f32(x) _mm256_set1_ps(x)
#define nlm_abs_f32(v) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v)
#define nlm_keep_f32(v, mask) _mm256_and_ps(v, mask)
NLM_INLINE __m256 nlm_root_f32(__m256 sum)
{
    __m256i k = _mm256_castps_si256(sum);
    return _mm256_castsi256_ps(_mm256_add_epi32(
        _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)nlm_roots_f32), k),
        _mm256_slli_epi32(k, 20)));
}

#define NLM_LANES_f64 4
#define nlm_pixel_f64_of_f32(p) _mm256_cvtps_pd(_mm_loadu_ps(p))
typedef __m256d nlm_f64;
#define nlm_load_f64(p) _mm256_loadu_pd(p)
#define nlm_store_f64(p, v) _mm256_storeu_pd(p, v)
#define nlm_max_f32(a, b) _mm256_max_ps(a, b)
#define nlm_add_f64(a, b) _mm256_add_pd(a, b)
#define nlm_sub_f64(a, b) _mm256_sub_pd(a, b)
#define nlm_mul_f64(a, b) _mm256_mul_pd(a, b)
#define nlm_above_f64(n, least, v) _mm256_and_pd(_mm256_cmp_pd(n, least, _CMP_GT_OQ), v)
#define nlm_set_f64(x) _mm256_set1_pd(x)
#define nlm_abs_f64(v) _mm256_andnot_pd(_mm256_set1_pd(-0.0), v)
#define nlm_keep_f64(v, mask) _mm256_and_pd(v, mask)
NLM_INLINE __m256d nlm_root_f64(__m256d sum)
{
    __m256i k = _mm256_castpd_si256(sum);
    return _mm256_castsi256_pd(_mm256_add_epi64(
        _mm256_i64gather_epi64((const long long *)nlm_roots_f64, _mm256_and_si256(k, _mm256_set1_epi64x(7)), 8),
        _mm256_slli_epi64(k, 49)));
}

#elif NLM_LANES == 8

#define NLM_LANES_f32 4
typedef __m128 nlm_f32;
#define nlm_load_f32(p) _mm_loadu_ps(p)
#define nlm_store_f32(p, v) _mm_storeu_ps(p, v)
#define nlm_add_f32(a, b) _mm_add_ps(a, b)
#define nlm_sub_f32(a, b) _mm_sub_ps(a, b)
#define nlm_mul_f32(a, b) _mm_mul_ps(a, b)
#define nlm_above_f32(n, least, v) _mm_and_ps(_mm_cmpgt_ps(n, least), v)
#define nlm_set_f32(x) _mm_set1_ps(x)
#define nlm_abs_f32(v) _mm_andnot_ps(_mm_set1_ps(-0.0f), v)
#define nlm_keep_f32(v, mask) _mm_and_ps(v, mask)
NLM_INLINE __m128 nlm_root_f32(__m128 sum)
{
    __m128i k = _mm_castps_si128(sum), roots;
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(k), high = (uint64_t)_mm_extract_epi64(k, 1);
    roots = _mm_insert_epi32(_mm_cvtsi32_si128(nlm_roots_f32[low & 7]), nlm_roots_f32[(low >> 32) & 7], 1);
    roots = _mm_insert_epi32(_mm_insert_epi32(roots, nlm_roots_f32[high & 7], 2), nlm_roots_f32[(high >> 32) & 7], 3);
    return _mm_castsi128_ps(_mm_add_epi32(roots, _mm_slli_epi32(k, 20)));
}

#define NLM_LANES_f64 2
#define nlm_pixel_f64_of_f32(p) _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(p))))
typedef __m128d nlm_f64;
#define nlm_load_f64(p) _mm_loadu_pd(p)
#define nlm_store_f64(p, v) _mm_storeu_pd(p, v)
#define nlm_max_f32(a, b) _mm_max_ps(a, b)
#define nlm_add_f64(a, b) _mm_add_pd(a, b)
#define nlm_sub_f64(a, b) _mm_sub_pd(a, b)
#define nlm_mul_f64(a, b) _mm_mul_pd(a, b)
#define nlm_above_f64(n, least, v) _mm_and_pd(_mm_cmpgt_pd(n, least), v)
#define nlm_set_f64(x) _mm_set1_pd(x)
#define nlm_abs_f64(v) _mm_andnot_pd(_mm_set1_pd(-0.0), v)
#define nlm_keep_f64(v, mask) _mm_and_pd(v, mask)
NLM_INLINE __m128d nlm_root_f64(__m128d sum)
{
    __m128i k = _mm_castpd_si128(sum);
    __m128i roots = _mm_set_epi64x(nlm_roots_f64[_mm_extract_epi64(k, 1) & 7], nlm_roots_f64[_mm_cvtsi128_si64(k) & 7]);
    return _mm_castsi128_pd(_mm_add_epi64(roots, _mm_slli_epi64(k, 49)));
}

#else /* no vectors known: one lane, the same arithmetic */

#define NLM_LANES_f32 1
typedef float nlm_f32;
#define NLM_LANES_f64 1
#define nlm_pixel_f64_of_f32(p) ((double)*(p))
typedef double nlm_f64;
#define nlm_load_f32(p) (*(p))
#define nlm_store_f32(p, v) (*(p) = (v))
#define nlm_add_f32(a, b) ((a) + (b))
#define nlm_max_f32(a, b) ((a) > (b) ? (a) : (b))
#define nlm_sub_f32(a, b) ((a) - (b))
#define nlm_mul_f32(a, b) ((a) * (b))
#define nlm_above_f32(n, least, v) ((n) > (least) ? (v) : 0)
#define nlm_set_f32(x) (x)
#define nlm_abs_f32(v) ((v) < 0 ? -(v) : (v))
#define nlm_keep_f32(v, mask) ((mask) != 0 ? (v) : 0) /* a NaN inside */
#define nlm_load_f64 nlm_load_f32
#define nlm_store_f64 nlm_store_f32
#define nlm_add_f64 nlm_add_f32
#define nlm_sub_f64 nlm_sub_f32
#define nlm_mul_f64 nlm_mul_f32
#define nlm_above_f64 nlm_above_f32
#define nlm_set_f64(x) (x)
#define nlm_abs_f64 nlm_abs_f32
#define nlm_keep_f64 nlm_keep_f32
static float nlm_root_f32(float sum)
{
    uint32_t k;
    memcpy(&k, &sum, sizeof(k));
    k = (uint32_t)nlm_roots_f32[k & 7] + (k << 20);
    memcpy(&sum, &k, sizeof(k));
    return sum;
}
static double nlm_root_f64(double sum)
{
    uint64_t k;
    memcpy(&k, &sum, sizeof(k));
    k = (uint64_t)nlm_roots_f64[k & 7] + (k << 49);
    memcpy(&sum, &k, sizeof(k));
    return sum;
}

#endif

#if NLM_LANES == 32 /* n less what it rounds to, in one instruction: 3 % of the whole */
#define nlm_rest_f32(n, k) _mm512_reduce_ps(n, 8)
#define nlm_rest_f64(n, k) _mm512_reduce_pd(n, 8)
#else
#define nlm_rest_f32(n, k) nlm_sub_f32(n, k)
#define nlm_rest_f64(n, k) nlm_sub_f64(n, k)
#endif
#define nlm_pixel_f32 nlm_load_f32
#define nlm_pixel_f64 nlm_load_f64

/* 2^(n / 8), n <= 0; 0 beyond the bound, where what is computed before means nothing. */
NLM_INLINE nlm_f32 nlm_power_f32(nlm_f32 n)
{
    const nlm_f32 sum = nlm_add_f32(n, nlm_set_f32(NLM_ROUND_F32));
    const nlm_f32 s = nlm_sub_f32(n, nlm_sub_f32(sum, nlm_set_f32(NLM_ROUND_F32 + 12.0f)));
    nlm_f32 p = nlm_add_f32(nlm_mul_f32(s, s), nlm_set_f32(398.84787f));
    p = nlm_add_f32(nlm_mul_f32(p, s), nlm_set_f32(3075.0208f));
    return nlm_above_f32(n, nlm_set_f32(NLM_LEAST_F32), nlm_mul_f32(nlm_root_f32(sum), p));
}

NLM_INLINE nlm_f64 nlm_power_f64(nlm_f64 n)
{
    nlm_f64 sum, r, p;
    const nlm_f64 round = nlm_set_f64(NLM_ROUND_F64);
    sum = nlm_add_f64(n, round);
    r = nlm_rest_f64(n, nlm_sub_f64(sum, round));
    p = nlm_add_f64(nlm_mul_f64(nlm_set_f64(7.2635441012824734e-12), r), nlm_set_f64(5.8763809990809137e-10));
    p = nlm_add_f64(nlm_mul_f64(p, r), nlm_set_f64(4.0690795203078385e-08));
    p = nlm_add_f64(nlm_mul_f64(p, r), nlm_set_f64(2.3481760454029152e-06));
    p = nlm_add_f64(nlm_mul_f64(p, r), nlm_set_f64(1.0840646223521454e-04));
    p = nlm_add_f64(nlm_mul_f64(p, r), nlm_set_f64(3.7535391712362359e-03));
    p = nlm_add_f64(nlm_mul_f64(p, r), nlm_set_f64(8.6643397569993196e-02));
    p = nlm_add_f64(nlm_mul_f64(p, r), nlm_set_f64(1.0));
    return nlm_above_f64(n, nlm_set_f64(NLM_LEAST_F64), nlm_mul_f64(nlm_root_f64(sum), p));
}

#endif
