/* The vector instructions of nlm_deep.h, by level: NLM_LANES / 4 doubles. */
#ifndef MEDFAST_NLM_DEEP_VECTORS_H
#define MEDFAST_NLM_DEEP_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#include "nlm_vectors.h"

#if NLM_LANES == 32
typedef __m512d nlm_dvec;
#define nlm_d_zero() _mm512_setzero_pd()
#define nlm_d_add(a, b) _mm512_add_pd(a, b)
#define nlm_d_multiply_add(a, b, c) _mm512_fmadd_pd(a, b, c)
#define nlm_least16(a, b) _mm512_min_epu16(a, b)

#define nlm_d_place(lane) ((lane) % 2 * 16 + (lane) / 2) /* of the double of a lane */
typedef int32_t nlm_entry;                               /* of the table */
enum {
    NLM_STREAMS = 2,    /* vectors whose entries are looked up at a time */
    NLM_DEEP_SHIFTS = 5 /* whose sums are in registers then */
};

/* Words as doubles. */
NLM_INLINE void nlm_d_words(__m512i v, __m512d to[4])
{
    const __m512i even = _mm512_and_si512(v, _mm512_set1_epi32(0xffff)), odd = _mm512_srli_epi32(v, 16);
    to[0] = _mm512_cvtepi32_pd(_mm512_castsi512_si256(even));
    to[1] = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(even, 1));
    to[2] = _mm512_cvtepi32_pd(_mm512_castsi512_si256(odd));
    to[3] = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(odd, 1));
}

/* The entries of the words that are vectors k, k + 1 ... of those, of which `count` is nlm_d_count_of(k). */
typedef __m512i nlm_d_count;
#define nlm_d_count_of(k) _mm512_set1_epi32(8 * (k))
NLM_INLINE void nlm_d_look_up(const nlm_entry *table, const __m512i *indices, nlm_d_count count, __m512d w[2])
{
    __m512i words = _mm512_and_si512(_mm512_srlv_epi32(*indices, count), _mm512_set1_epi32(0xffff));
    words = _mm512_i32gather_epi32(words, table, 4);
    w[0] = _mm512_cvtepi32_pd(_mm512_castsi512_si256(words));
    w[1] = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(words, 1));
}

#elif NLM_LANES == 16
typedef __m256d nlm_dvec;
#define nlm_d_zero() _mm256_setzero_pd()
#define nlm_d_add(a, b) _mm256_add_pd(a, b)
#define nlm_d_multiply_add(a, b, c) _mm256_fmadd_pd(a, b, c)
#define nlm_least16(a, b) _mm256_min_epu16(a, b)

#define nlm_d_place(lane) ((lane) % 4 * 4 + (lane) / 4)
typedef double nlm_entry;
enum { NLM_STREAMS = 1, NLM_DEEP_SHIFTS = 4 };

/* Integers below 2^52 are the lower bits of 2^52 and more. */
NLM_INLINE __m256d nlm_d_convert(__m256i v)
{
    const __m256d one = _mm256_set1_pd(4503599627370496.0);
    return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(v, _mm256_castpd_si256(one))), one);
}

NLM_INLINE void nlm_d_words(__m256i v, __m256d to[4])
{
    const __m256i low = _mm256_set1_epi64x(0xffff);
    to[0] = nlm_d_convert(_mm256_and_si256(v, low));
    to[1] = nlm_d_convert(_mm256_and_si256(_mm256_srli_epi64(v, 16), low));
    to[2] = nlm_d_convert(_mm256_and_si256(_mm256_srli_epi64(v, 32), low));
    to[3] = nlm_d_convert(_mm256_srli_epi64(v, 48));
}

typedef __m256i nlm_d_count;
#define nlm_d_count_of(k) _mm256_set1_epi64x(16 * (k))
NLM_INLINE void nlm_d_look_up(const nlm_entry *table, const __m256i *indices, nlm_d_count count, __m256d w[1])
{
    __m256i words = _mm256_and_si256(_mm256_srlv_epi64(*indices, count), _mm256_set1_epi64x(0xffff));
    w[0] = _mm256_i64gather_pd(table, words, 8);
}

#elif NLM_LANES == 8
typedef __m128d nlm_dvec;
#define nlm_d_zero() _mm_setzero_pd()
#define nlm_d_add(a, b) _mm_add_pd(a, b)
#define nlm_d_multiply_add(a, b, c) _mm_add_pd(_mm_mul_pd(a, b), c) /* as exact */
#define nlm_least16(a, b) _mm_min_epu16(a, b)

#define nlm_d_place(lane) ((lane) % 4 * 2 + (lane) / 4)
typedef double nlm_entry;
enum { NLM_STREAMS = 1, NLM_DEEP_SHIFTS = 4 };

NLM_INLINE __m128d nlm_d_convert(__m128i v)
{
    const __m128d one = _mm_set1_pd(4503599627370496.0);
    return _mm_sub_pd(_mm_castsi128_pd(_mm_or_si128(v, _mm_castpd_si128(one))), one);
}

NLM_INLINE void nlm_d_words(__m128i v, __m128d to[4])
{
    const __m128i low = _mm_set1_epi64x(0xffff);
    to[0] = nlm_d_convert(_mm_and_si128(v, low));
    to[1] = nlm_d_convert(_mm_and_si128(_mm_srli_epi64(v, 16), low));
    to[2] = nlm_d_convert(_mm_and_si128(_mm_srli_epi64(v, 32), low));
    to[3] = nlm_d_convert(_mm_srli_epi64(v, 48));
}

typedef ptrdiff_t nlm_d_count;
#define nlm_d_count_of(k) (k)
NLM_INLINE void nlm_d_look_up(const nlm_entry *table, const __m128i *indices, nlm_d_count count, __m128d w[1])
{
    const uint16_t *words = (const uint16_t *)indices + count;
    w[0] = _mm_loadh_pd(_mm_load_sd(table + words[0]), table + words[4]);
}
#endif

#endif
