/* The vector instructions of nlm_wide.h, by level: NLM_WIDE_LANES dwords, or 0 where there are none. */
#ifndef MEDFAST_NLM_WIDE_VECTORS_H
#define MEDFAST_NLM_WIDE_VECTORS_H

#include <stdint.h>

#include "nlm_vectors.h"

#if NLM_LANES == 32
#define NLM_WIDE_LANES 16
typedef __m512i nlm_wvec;
#define nlm_w_load(p) _mm512_loadu_si512((const void *)(p))
#define nlm_w_store(p, v) _mm512_storeu_si512((void *)(p), v)
#define nlm_w_zero() _mm512_setzero_si512()
#define nlm_w_set(x) _mm512_set1_epi32(x)
#define nlm_w_add(a, b) _mm512_add_epi32(a, b)
#define nlm_w_sub(a, b) _mm512_sub_epi32(a, b)
#define nlm_w_even(v) _mm512_and_si512(v, _mm512_set1_epi32(0xffff))
#define nlm_w_odd(v) _mm512_srli_epi32(v, 16)
#define nlm_w_right(v, shift) _mm512_srl_epi32(v, _mm_cvtsi32_si128(shift))
#define nlm_w_least(a, b) _mm512_min_epu32(a, b)
#define nlm_w_pairs(a, b) _mm512_madd_epi16(a, b)
#define nlm_w_add64(a, b) _mm512_add_epi64(a, b)
#define nlm_w_multiply64(a, b) _mm512_mul_epu32(a, b)
#define nlm_w_low64(v) _mm512_and_si512(v, _mm512_set1_epi64(0xffffffff))
#define nlm_w_high64(v) _mm512_srli_epi64(v, 32)
#define nlm_w_multiply(a, b) _mm512_mullo_epi32(a, b)
#define nlm_w_look_up(table, i) _mm512_i32gather_epi32(i, table, 4)
#define nlm_w_look_up64(table, i) _mm512_i32gather_epi32(i, table, 8) /* the low half of each entry */
NLM_INLINE __m512i nlm_w_square(__m512i a, __m512i b)
{
    __m512i d = _mm512_sub_epi16(a, b);
    return _mm512_mullo_epi16(d, d);
}
NLM_INLINE __m512i nlm_w_absolute(__m512i a, __m512i b)
{
    return _mm512_or_si512(_mm512_subs_epu16(a, b), _mm512_subs_epu16(b, a));
}
/* w where every second byte from p on is not zero. */
NLM_INLINE __m512i nlm_w_keep(__m512i w, const uint8_t *p)
{
    __m512i inside = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_maskz_mov_epi32(_mm512_test_epi32_mask(inside, _mm512_set1_epi32(0xff)), w);
}

#elif NLM_LANES == 16
#define NLM_WIDE_LANES 8
typedef __m256i nlm_wvec;
#define nlm_w_load(p) _mm256_loadu_si256((const __m256i *)(p))
#define nlm_w_store(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define nlm_w_zero() _mm256_setzero_si256()
#define nlm_w_set(x) _mm256_set1_epi32(x)
#define nlm_w_add(a, b) _mm256_add_epi32(a, b)
#define nlm_w_sub(a, b) _mm256_sub_epi32(a, b)
#define nlm_w_even(v) _mm256_and_si256(v, _mm256_set1_epi32(0xffff))
#define nlm_w_odd(v) _mm256_srli_epi32(v, 16)
#define nlm_w_right(v, shift) _mm256_srl_epi32(v, _mm_cvtsi32_si128(shift))
#define nlm_w_least(a, b) _mm256_min_epu32(a, b)
#define nlm_w_pairs(a, b) _mm256_madd_epi16(a, b)
#define nlm_w_add64(a, b) _mm256_add_epi64(a, b)
#define nlm_w_multiply64(a, b) _mm256_mul_epu32(a, b)
#define nlm_w_low64(v) _mm256_and_si256(v, _mm256_set1_epi64x(0xffffffff))
#define nlm_w_high64(v) _mm256_srli_epi64(v, 32)
#define nlm_w_multiply(a, b) _mm256_mullo_epi32(a, b)
#define nlm_w_look_up(table, i) _mm256_i32gather_epi32((const int *)(table), i, 4)
#define nlm_w_look_up64(table, i) _mm256_i32gather_epi32((const int *)(table), i, 8)
NLM_INLINE __m256i nlm_w_square(__m256i a, __m256i b)
{
    __m256i d = _mm256_sub_epi16(a, b);
    return _mm256_mullo_epi16(d, d);
}
NLM_INLINE __m256i nlm_w_absolute(__m256i a, __m256i b)
{
    return _mm256_or_si256(_mm256_subs_epu16(a, b), _mm256_subs_epu16(b, a));
}
NLM_INLINE __m256i nlm_w_keep(__m256i w, const uint8_t *p)
{
    __m256i inside = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    inside = _mm256_and_si256(inside, _mm256_set1_epi32(0xff));
    return _mm256_andnot_si256(_mm256_cmpeq_epi32(inside, _mm256_setzero_si256()), w);
}

#elif NLM_LANES == 8
#define NLM_WIDE_LANES 4
typedef __m128i nlm_wvec;
#define nlm_w_load(p) _mm_loadu_si128((const __m128i *)(p))
#define nlm_w_store(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define nlm_w_zero() _mm_setzero_si128()
#define nlm_w_set(x) _mm_set1_epi32(x)
#define nlm_w_add(a, b) _mm_add_epi32(a, b)
#define nlm_w_sub(a, b) _mm_sub_epi32(a, b)
#define nlm_w_even(v) _mm_and_si128(v, _mm_set1_epi32(0xffff))
#define nlm_w_odd(v) _mm_srli_epi32(v, 16)
#define nlm_w_right(v, shift) _mm_srl_epi32(v, _mm_cvtsi32_si128(shift))
#define nlm_w_least(a, b) _mm_min_epu32(a, b)
#define nlm_w_pairs(a, b) _mm_madd_epi16(a, b)
#define nlm_w_add64(a, b) _mm_add_epi64(a, b)
#define nlm_w_multiply64(a, b) _mm_mul_epu32(a, b)
#define nlm_w_low64(v) _mm_and_si128(v, _mm_set1_epi64x(0xffffffff))
#define nlm_w_high64(v) _mm_srli_epi64(v, 32)
#define nlm_w_multiply(a, b) _mm_mullo_epi32(a, b)
NLM_INLINE __m128i nlm_w_look_up(const int32_t *table, __m128i i)
{
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(i), high = (uint64_t)_mm_extract_epi64(i, 1);
    __m128i w = _mm_insert_epi32(_mm_cvtsi32_si128(table[(uint32_t)low]), table[low >> 32], 1);
    return _mm_insert_epi32(_mm_insert_epi32(w, table[(uint32_t)high], 2), table[high >> 32], 3);
}
NLM_INLINE __m128i nlm_w_look_up64(const int64_t *table, __m128i i)
{
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(i), high = (uint64_t)_mm_extract_epi64(i, 1);
    __m128i w = _mm_insert_epi32(_mm_cvtsi32_si128((int)table[(uint32_t)low]), (int)table[low >> 32], 1);
    return _mm_insert_epi32(_mm_insert_epi32(w, (int)table[(uint32_t)high], 2), (int)table[high >> 32], 3);
}
NLM_INLINE __m128i nlm_w_square(__m128i a, __m128i b)
{
    __m128i d = _mm_sub_epi16(a, b);
    return _mm_mullo_epi16(d, d);
}
NLM_INLINE __m128i nlm_w_absolute(__m128i a, __m128i b)
{
    return _mm_or_si128(_mm_subs_epu16(a, b), _mm_subs_epu16(b, a));
}
NLM_INLINE __m128i nlm_w_keep(__m128i w, const uint8_t *p)
{
    __m128i inside = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)p));
    inside = _mm_and_si128(inside, _mm_set1_epi32(0xff));
    return _mm_andnot_si128(_mm_cmpeq_epi32(inside, _mm_setzero_si128()), w);
}

#else
#define NLM_WIDE_LANES 0
typedef int32_t nlm_wvec;
#endif

#endif
