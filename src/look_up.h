/* Looking up the pixels of one line. */
#ifndef MEDFAST_LOOK_UP_H
#define MEDFAST_LOOK_UP_H

#include "histogram.h"

enum { MEDFAST_AHEAD = 2048 };

/* out[i] = table[line[i]] for a table of 256 bytes; `out` may be `line`. The vector forms stop at a whole vector, and
   ask for what stands ahead: 4096 x 4096 1.4 ms, and 1.8 without (VBMI). */
#if defined(__AVX512BW__)

/* The table is 128 pairs of bytes in four registers; a pixel's upper seven bits choose the pair, bit 0 the byte.
   0.08 ns a pixel against 0.24 for the loop, 4096 x 4096 0.09 against 0.3. */
static inline ptrdiff_t medfast_look_up_vectors(const uint8_t *line, ptrdiff_t n, const uint8_t *table, uint8_t *out)
{
    const __m512i pairs0 = _mm512_loadu_si512(table), pairs1 = _mm512_loadu_si512(table + 64);
    const __m512i pairs2 = _mm512_loadu_si512(table + 128), pairs3 = _mm512_loadu_si512(table + 192);
    const __mmask64 odd_columns = 0xAAAAAAAAAAAAAAAAull;
    ptrdiff_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i pixels = _mm512_loadu_si512(line + i);
        /* of the seven bits vpermi2w reads six; the seventh, bit 7 of the pixel, chooses between two results */
        const __m512i index_even = _mm512_srli_epi16(_mm512_slli_epi16(pixels, 8), 9);
        const __m512i index_odd = _mm512_srli_epi16(pixels, 9);
        const __mmask32 high_even = _mm512_movepi16_mask(_mm512_slli_epi16(pixels, 8));
        const __mmask32 high_odd = _mm512_movepi16_mask(pixels);
        const __m512i even =
            _mm512_mask_blend_epi16(high_even, _mm512_permutex2var_epi16(pairs0, index_even, pairs1),
                                    _mm512_permutex2var_epi16(pairs2, index_even, pairs3));
        const __m512i odd =
            _mm512_mask_blend_epi16(high_odd, _mm512_permutex2var_epi16(pairs0, index_odd, pairs1),
                                    _mm512_permutex2var_epi16(pairs2, index_odd, pairs3));
        const __m512i first = _mm512_mask_blend_epi8(odd_columns, even, _mm512_slli_epi16(odd, 8));
        const __m512i second = _mm512_mask_blend_epi8(odd_columns, _mm512_srli_epi16(even, 8), odd);
        const __mmask64 bit0 = _mm512_test_epi8_mask(pixels, _mm512_set1_epi8(1));
        MEDFAST_PREFETCH(line + i + MEDFAST_AHEAD);
        _mm512_storeu_si512(out + i, _mm512_mask_blend_epi8(bit0, first, second));
    }
    return i;
}

#elif defined(__AVX2__)

/* Sixteen shuffles, each of 16 entries. A shuffle gives 0 where an index is negative, and saturating subtraction keeps
   it so; step k holds entries 16k to 16k + 15, combined by exclusive or with the step before, which such a pixel also
   passed. The lower seven bits go through both halves of the table, of which bit 7 chooses: 0.12 ns a pixel, and 0.135
   with a chain of subtractions for each half. Tried: every fourth pixel by loads, beside the shuffles (0.145). */
static inline ptrdiff_t medfast_look_up_vectors(const uint8_t *line, ptrdiff_t n, const uint8_t *table, uint8_t *out)
{
    const __m256i sixteen = _mm256_set1_epi8(16), seven_bits = _mm256_set1_epi8(127);
    __m256i steps[16];
    ptrdiff_t i = 0;
    int k;
    if (n < 32)
        return 0;
    for (k = 0; k < 16; k++) {
        const __m128i here = _mm_loadu_si128((const __m128i *)(table + 16 * k));
        const __m128i before = k % 8 ? _mm_loadu_si128((const __m128i *)(table + 16 * (k - 1))) : _mm_setzero_si128();
        steps[k] = _mm256_broadcastsi128_si256(_mm_xor_si128(here, before));
    }
    for (; i + 32 <= n; i += 32) {
        const __m256i pixels = _mm256_loadu_si256((const __m256i *)(line + i));
        __m256i index = _mm256_and_si256(pixels, seven_bits);
        __m256i lower = _mm256_shuffle_epi8(steps[0], index), upper = _mm256_shuffle_epi8(steps[8], index);
        MEDFAST_PREFETCH(line + i + MEDFAST_AHEAD);
        for (k = 1; k < 8; k++) {
            index = _mm256_subs_epi8(index, sixteen);
            lower = _mm256_xor_si256(lower, _mm256_shuffle_epi8(steps[k], index));
            upper = _mm256_xor_si256(upper, _mm256_shuffle_epi8(steps[k + 8], index));
        }
        _mm256_storeu_si256((__m256i *)(out + i), _mm256_blendv_epi8(lower, upper, pixels));
    }
    return i;
}

#else

static inline ptrdiff_t medfast_look_up_vectors(const uint8_t *line, ptrdiff_t n, const uint8_t *table, uint8_t *out)
{
    (void)line, (void)n, (void)table, (void)out;
    return 0;
}

#endif

/* For loops that only look up: GCC would gather, which takes twice as long (0.40 against 0.20 ns a pixel, AVX-512). */
#if defined(__GNUC__) && !defined(__clang__)
#define MEDFAST_LOOK_UP __attribute__((noinline, optimize("no-tree-vectorize", "no-tree-slp-vectorize")))
#else
#define MEDFAST_LOOK_UP
#endif

/* AVX-512 VBMI, which level v4 does not ask for, but most of its CPUs have: bytes are chosen out of 64 by one
   instruction. The CPU is asked once, by whoever has it at hand. */
#if defined(__AVX512BW__) && (defined(__GNUC__) || defined(_MSC_VER))
#if defined(_MSC_VER)
#include <intrin.h>
#define MEDFAST_VBMI
static int medfast_has_vbmi(void)
{
    int regs[4];
    __cpuidex(regs, 7, 0);
    return regs[2] >> 1 & 1;
}
#else
#include <cpuid.h>
#define MEDFAST_VBMI __attribute__((target("avx512vbmi")))
static int medfast_has_vbmi(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx & (1u << 1)) != 0;
}
#endif

/* Each permutation but the first under a mask of the pixels whose bits 6 and 7 choose its entries. */
MEDFAST_VBMI static inline __m512i medfast_entries(const uint8_t *table, __m512i pixels, __mmask64 bit6, __mmask64 bit7)
{
    __m512i found = _mm512_permutexvar_epi8(pixels, _mm512_loadu_si512(table));
    found = _mm512_mask_permutexvar_epi8(found, bit6, pixels, _mm512_loadu_si512(table + 64));
    found = _mm512_mask_permutexvar_epi8(found, bit7, pixels, _mm512_loadu_si512(table + 128));
    return _mm512_mask_permutexvar_epi8(found, bit6 & bit7, pixels, _mm512_loadu_si512(table + 192));
}

/* 0.023 ns a pixel against 0.06 without VBMI. */
MEDFAST_VBMI static ptrdiff_t medfast_look_up_permuting(const uint8_t *line, ptrdiff_t n, const uint8_t *table,
                                                        uint8_t *out)
{
    ptrdiff_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i pixels = _mm512_loadu_si512(line + i);
        const __mmask64 bit7 = _mm512_movepi8_mask(pixels);
        const __mmask64 bit6 = _mm512_movepi8_mask(_mm512_add_epi8(pixels, pixels));
        MEDFAST_PREFETCH(line + i + MEDFAST_AHEAD);
        _mm512_storeu_si512(out + i, medfast_entries(table, pixels, bit6, bit7));
    }
    return i;
}

#else
#define medfast_look_up_permuting medfast_look_up_vectors
static int medfast_has_vbmi(void)
{
    return 0;
}
#endif

/* Entries of 16 bits by gathers of 32, from even addresses, so that none reaches beyond the table: 0.16 ns a pixel
   against 0.21 one by one, 4096 x 4096 2.8 against 5.2 ms. (Tried: stores past the caches, 2.4 ms, but 9 against 5.5
   into memory that the system has yet to give; the copy alone takes 2.3.) Only where the CPU has AVX-512 FP16: on those
   before it, and on others, gathers are slow or were made so. */
#if defined(__AVX512BW__) && defined(__GNUC__)
static int medfast_can_gather(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & (1u << 23)) != 0;
}

static ptrdiff_t medfast_look_up_gathering(const uint16_t *line, ptrdiff_t n, uint16_t offset, const uint16_t *table,
                                           uint16_t *out)
{
    const __m512i offsets = _mm512_set1_epi32(offset), ones = _mm512_set1_epi32(1), low = _mm512_set1_epi32(65535);
    ptrdiff_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512i values = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(line + i)));
        const __m512i index = _mm512_and_si512(_mm512_add_epi32(values, offsets), low);
        const __m512i pairs = _mm512_i32gather_epi32(_mm512_srli_epi32(index, 1), table, 4);
        const __m512i shifts = _mm512_slli_epi32(_mm512_and_si512(index, ones), 4);
        MEDFAST_PREFETCH(line + i + 1024);
        _mm256_storeu_si256((__m256i *)(out + i), _mm512_cvtepi32_epi16(_mm512_srlv_epi32(pairs, shifts)));
    }
    return i;
}
#else
static int medfast_can_gather(void)
{
    return 0;
}
static ptrdiff_t medfast_look_up_gathering(const uint16_t *line, ptrdiff_t n, uint16_t offset, const uint16_t *table,
                                           uint16_t *out)
{
    (void)line, (void)n, (void)offset, (void)table, (void)out;
    return 0;
}
#endif

/* out[i] = table[line[i] + offset], modulo 65 536, of which offset 0 or 32 768 is part of the address; `out` may be
   `line`. Asking ahead for the line takes a third off images beyond the caches, here and in counting. */
#define MEDFAST_LOOK_UP_16(type, origin)                                                                               \
    do {                                                                                                               \
        const type *const values = (const type *)line;                                                                 \
        const uint16_t *const entries = table + (origin);                                                              \
        for (; i + 4 <= n; i += 4) {                                                                                   \
            const uint16_t first = entries[values[i]], second = entries[values[i + 1]];                                \
            const uint16_t third = entries[values[i + 2]], fourth = entries[values[i + 3]];                            \
            MEDFAST_PREFETCH(line + i + 1024);                                                                         \
            out[i] = first;                                                                                            \
            out[i + 1] = second;                                                                                       \
            out[i + 2] = third;                                                                                        \
            out[i + 3] = fourth;                                                                                       \
        }                                                                                                              \
    } while (0)

MEDFAST_LOOK_UP static void medfast_look_up_u16(const uint16_t *line, ptrdiff_t n, uint16_t offset,
                                                const uint16_t *table, int can_gather, uint16_t *out)
{
    ptrdiff_t i = can_gather ? medfast_look_up_gathering(line, n, offset, table, out) : 0;
    if (offset == 0)
        MEDFAST_LOOK_UP_16(uint16_t, 0);
    else if (offset == 32768)
        MEDFAST_LOOK_UP_16(int16_t, 32768);
    for (; i < n; i++)
        out[i] = table[(uint16_t)(line[i] + offset)];
}

static inline void medfast_look_up_u8(const uint8_t *line, ptrdiff_t n, const uint8_t *table, int has_vbmi,
                                      uint8_t *out)
{
    ptrdiff_t i = has_vbmi ? medfast_look_up_permuting(line, n, table, out)
                           : medfast_look_up_vectors(line, n, table, out);
    for (; i < n; i++)
        out[i] = table[line[i]];
}

#endif
