/* The few vector instructions of nlm_narrow.h, by the level that is compiled for: NLM_LANES words of 16 bits, or 0
   where there are none. */
#ifndef MEDFAST_NLM_VECTORS_H
#define MEDFAST_NLM_VECTORS_H

#if defined(_MSC_VER)
#define NLM_INLINE static __forceinline
#define NLM_KEEP(v) (void)(v)
#define NLM_UNROLL
#else
#define NLM_INLINE static inline __attribute__((always_inline))
#define NLM_KEEP(v) __asm__("" : "+v"(v)) /* loaded once, into a register, not again wherever it is used */
#define NLM_UNROLL _Pragma("GCC unroll 12") /* where the number of rounds is a constant */
#endif

#if defined(__AVX512BW__)
#include <immintrin.h>
#define NLM_LANES 32
typedef __m512i nlm_vec;
#define nlm_load(p) _mm512_loadu_si512((const void *)(p))
#define nlm_store(p, v) _mm512_storeu_si512((void *)(p), v)
#define nlm_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define nlm_zero() _mm512_setzero_si512()
#define nlm_load_table8(p) _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(p)))
#define nlm_add_sat16(a, b) _mm512_adds_epu16(a, b)
#define nlm_sub_sat16(a, b) _mm512_subs_epu16(a, b)
#define nlm_add16(a, b) _mm512_add_epi16(a, b)
#define nlm_sub16(a, b) _mm512_sub_epi16(a, b)
#define nlm_abs16(v) _mm512_abs_epi16(v)
#define nlm_mul16(a, b) _mm512_mullo_epi16(a, b)
#define nlm_mul16_high(a, b) _mm512_mulhi_epi16(a, b)
#define nlm_mul16_high_unsigned(a, b) _mm512_mulhi_epu16(a, b)
#define nlm_add8(a, b) _mm512_add_epi8(a, b)
#define nlm_look_up8(table, i) _mm512_shuffle_epi8(table, i)
#define nlm_shift16(v, count) _mm512_srl_epi16(v, count)
#define nlm_add32(a, b) _mm512_add_epi32(a, b)
#define nlm_or(a, b) _mm512_or_si512(a, b)
#define nlm_and(a, b) _mm512_and_si512(a, b)
#define nlm_xor(a, b) _mm512_xor_si512(a, b)
#define nlm_set16(x) _mm512_set1_epi16(x)
#define nlm_set32(x) _mm512_set1_epi32(x)
#define nlm_blend_pairs(low, high) _mm512_mask_blend_epi16(0xAAAAAAAA, low, high)
#define nlm_multiply_pairs(a, b) _mm512_madd_epi16(a, b)
#define nlm_low_to_high(v) _mm512_slli_epi32(v, 16)
#define nlm_high_to_low(v) _mm512_srli_epi32(v, 16)
#define nlm_next_pairs(v) _mm512_alignr_epi32(v, v, 1)
#define nlm_previous_pairs(v) _mm512_alignr_epi32(v, v, 15)
#elif defined(__AVX2__)
#include <immintrin.h>
#define NLM_LANES 16
typedef __m256i nlm_vec;
#define nlm_load(p) _mm256_loadu_si256((const __m256i *)(p))
#define nlm_store(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define nlm_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define nlm_zero() _mm256_setzero_si256()
#define nlm_load_table8(p) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(p)))
#define nlm_add_sat16(a, b) _mm256_adds_epu16(a, b)
#define nlm_sub_sat16(a, b) _mm256_subs_epu16(a, b)
#define nlm_add16(a, b) _mm256_add_epi16(a, b)
#define nlm_sub16(a, b) _mm256_sub_epi16(a, b)
#define nlm_abs16(v) _mm256_abs_epi16(v)
#define nlm_mul16(a, b) _mm256_mullo_epi16(a, b)
#define nlm_mul16_high(a, b) _mm256_mulhi_epi16(a, b)
#define nlm_mul16_high_unsigned(a, b) _mm256_mulhi_epu16(a, b)
#define nlm_add8(a, b) _mm256_add_epi8(a, b)
#define nlm_look_up8(table, i) _mm256_shuffle_epi8(table, i)
#define nlm_shift16(v, count) _mm256_srl_epi16(v, count)
#define nlm_add32(a, b) _mm256_add_epi32(a, b)
#define nlm_or(a, b) _mm256_or_si256(a, b)
#define nlm_and(a, b) _mm256_and_si256(a, b)
#define nlm_xor(a, b) _mm256_xor_si256(a, b)
#define nlm_set16(x) _mm256_set1_epi16(x)
#define nlm_set32(x) _mm256_set1_epi32(x)
#define nlm_blend_pairs(low, high) _mm256_blend_epi16(low, high, 0xAA)
#define nlm_multiply_pairs(a, b) _mm256_madd_epi16(a, b)
#define nlm_low_to_high(v) _mm256_slli_epi32(v, 16)
#define nlm_high_to_low(v) _mm256_srli_epi32(v, 16)
#define nlm_next_pairs(v) _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0))
#define nlm_previous_pairs(v) _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6))
#elif defined(__SSE4_1__) || (defined(_MSC_VER) && defined(_M_X64))
#include <smmintrin.h>
#define NLM_LANES 8
typedef __m128i nlm_vec;
#define nlm_load(p) _mm_loadu_si128((const __m128i *)(p))
#define nlm_store(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define nlm_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define nlm_zero() _mm_setzero_si128()
#define nlm_load_table8(p) _mm_loadu_si128((const __m128i *)(p))
#define nlm_add_sat16(a, b) _mm_adds_epu16(a, b)
#define nlm_sub_sat16(a, b) _mm_subs_epu16(a, b)
#define nlm_add16(a, b) _mm_add_epi16(a, b)
#define nlm_sub16(a, b) _mm_sub_epi16(a, b)
#define nlm_abs16(v) _mm_abs_epi16(v)
#define nlm_mul16(a, b) _mm_mullo_epi16(a, b)
#define nlm_mul16_high(a, b) _mm_mulhi_epi16(a, b)
#define nlm_mul16_high_unsigned(a, b) _mm_mulhi_epu16(a, b)
#define nlm_add8(a, b) _mm_add_epi8(a, b)
#define nlm_look_up8(table, i) _mm_shuffle_epi8(table, i)
#define nlm_shift16(v, count) _mm_srl_epi16(v, count)
#define nlm_add32(a, b) _mm_add_epi32(a, b)
#define nlm_or(a, b) _mm_or_si128(a, b)
#define nlm_and(a, b) _mm_and_si128(a, b)
#define nlm_xor(a, b) _mm_xor_si128(a, b)
#define nlm_set16(x) _mm_set1_epi16(x)
#define nlm_set32(x) _mm_set1_epi32(x)
#define nlm_blend_pairs(low, high) _mm_blend_epi16(low, high, 0xAA)
#define nlm_multiply_pairs(a, b) _mm_madd_epi16(a, b)
#define nlm_low_to_high(v) _mm_slli_epi32(v, 16)
#define nlm_high_to_low(v) _mm_srli_epi32(v, 16)
#define nlm_next_pairs(v) _mm_shuffle_epi32(v, 0x39)
#define nlm_previous_pairs(v) _mm_shuffle_epi32(v, 0x93)
#else
#define NLM_LANES 0
#endif

/* The low words of each dword of two vectors, or the high ones. */
#define nlm_pair_low(a, b) nlm_blend_pairs(a, nlm_low_to_high(b))
#define nlm_pair_high(a, b) nlm_blend_pairs(nlm_high_to_low(a), b)

/* Sums of pairs of products added to others in one instruction: AVX-512 VNNI, which level v4 does not ask for, but most
   of its CPUs have. The same bits in 7 % less time. As a line of assembly it needs no level of its own. */
#if defined(__AVX512BW__) && defined(__GNUC__)
#include <cpuid.h>
#define NLM_DOTS 1
static inline int nlm_has_dot(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx & (1u << 11)) != 0;
}
NLM_INLINE __m512i nlm_dot(__m512i sum, __m512i a, __m512i b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
#else
#define NLM_DOTS 0
static inline int nlm_has_dot(void) { return 0; }
#define nlm_dot(sum, a, b) nlm_add32(sum, nlm_multiply_pairs(a, b))
#endif
#define nlm_add_products(sum, a, b, has_dot) \
    ((has_dot) ? nlm_dot(sum, a, b) : nlm_add32(sum, nlm_multiply_pairs(a, b)))

#endif
