/* Counting the pixels of one line. The bytes of 16-bit pairs are in either order: a pair is two pixels. */
#ifndef MEDFAST_HISTOGRAM_H
#define MEDFAST_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "prefetch.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Equal neighbours would each wait for the count that the one before has just stored; with a table of its own for each
   of eight columns none does. Where 32 pixels are all alike, as in a background, they are counted at once (0.06 against
   0.39 ns a pixel; the question costs 0.01 on noise).
   Tried and no faster on noise: eight bytes per load (0.27, but 0.50 on constant images, against 0.28 and 0.39; with
   counts of 16 bits for tiles 0.27 against 0.31 in a loop of its own, and nothing off CLAHE); addresses made by AVX-512
   (0.31); pairs of pixels in 65 536 bins (0.36 to 0.7). One store a pixel is the limit. */
enum { MEDFAST_SUBTABLES = 8 };

static inline void medfast_count_u8(const uint8_t *line, ptrdiff_t n, uint32_t counts[MEDFAST_SUBTABLES * 256])
{
    const uint64_t ones = 0x0101010101010101u;
    ptrdiff_t i = 0, stop;
    while (i + 32 <= n) {
        uint64_t eights[4];
        memcpy(eights, line + i, sizeof(eights));
        if (eights[0] == line[i] * ones && eights[1] == eights[0] && eights[2] == eights[0] && eights[3] == eights[0]) {
            counts[line[i]] += 32;
            i += 32;
            continue;
        }
        for (stop = i + 32; i < stop; i += 8) {
            counts[line[i]]++;
            counts[256 + line[i + 1]]++;
            counts[512 + line[i + 2]]++;
            counts[768 + line[i + 3]]++;
            counts[1024 + line[i + 4]]++;
            counts[1280 + line[i + 5]]++;
            counts[1536 + line[i + 6]]++;
            counts[1792 + line[i + 7]]++;
        }
    }
    for (; i < n; i++)
        counts[line[i]]++;
}

/* Counting pairs: a byte for each of 65 536 pairs of neighbours halves the stores, and 64 KB are nearly a first-level
   cache. 0.16 to 0.2 ns a pixel against 0.29 (noise, smooth and random alike; 4096 x 4096: 0.19 against 0.33). A byte
   that is full moves its 256 pairs on. Slower where a pair often follows itself (0.8 ns for 90 % zeros): what counts
   lines asks `medfast_repeats` first, block by block (a disk of noise before black: 0.14 ns, and 0.19 by blocks of
   2048, of which the first bytes are looked at). Tried: 16-bit counts of pairs in a window around the diagonal
   (0.4 ns), tables in turn for odd and even pairs (0.36 on random pixels), no test for full bytes (0.13, which is one
   store a cycle); for tiles, AVX-512 gathers and scatters of a table a lane (0.33, against 0.30 by subtables). */
enum { MEDFAST_PAIRS = 65536, MEDFAST_LEAST_FOR_PAIRS = 32768, MEDFAST_BLOCK = 128 };

#if defined(__GNUC__)
#define MEDFAST_RARE(condition) __builtin_expect(condition, 0)
#define MEDFAST_ONE_MORE(count) __builtin_add_overflow(count, 1, &(count)) /* test the carry */
#else
#define MEDFAST_RARE(condition) (condition)
#define MEDFAST_ONE_MORE(count) (++(count) == 0)
#endif

/* Number of pairs of a block that are like the next one; with vectors one of them is counted twice. */
static inline int medfast_repeats(const uint8_t *line)
{
    int i;
#if defined(__AVX2__)
    __m256i sums = _mm256_setzero_si256();
    __m128i halves;
    for (i = 0; i < MEDFAST_BLOCK; i += 32) {
        const uint8_t *const pairs = i + 32 < MEDFAST_BLOCK ? line + i : line + i - 2;
        const __m256i here = _mm256_loadu_si256((const __m256i *)pairs);
        const __m256i next = _mm256_loadu_si256((const __m256i *)(pairs + 2));
        sums = _mm256_sub_epi16(sums, _mm256_cmpeq_epi16(here, next));
    }
    sums = _mm256_sad_epu8(sums, _mm256_setzero_si256());
    halves = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return _mm_cvtsi128_si32(halves) + _mm_extract_epi16(halves, 4);
#else
    uint16_t repeats = 0;
    for (i = 0; i + 2 < MEDFAST_BLOCK; i += 2) {
        uint16_t here, next;
        memcpy(&here, line + i, sizeof(here));
        memcpy(&next, line + i + 2, sizeof(next));
        repeats += here == next;
    }
    return repeats;
#endif
}

/* As an entry of an array, not by a pointer: GCC 12 then adds to it by its index, and needs no instruction for its
   address, without which loops that count take up to 20 % less time. */
#define MEDFAST_COUNT_PAIR(i)                                                                                          \
    do {                                                                                                               \
        uint16_t pair;                                                                                                 \
        memcpy(&pair, line + (i), sizeof(pair));                                                                       \
        if (MEDFAST_RARE(MEDFAST_ONE_MORE((*table)[pair]))) {                                                          \
            counts[line[i]] += 256;                                                                                    \
            counts[line[(i) + 1]] += 256;                                                                              \
        }                                                                                                              \
    } while (0)
#define MEDFAST_COUNT_4_PAIRS(i)                                                                                       \
    do {                                                                                                               \
        MEDFAST_COUNT_PAIR(i);                                                                                         \
        MEDFAST_COUNT_PAIR((i) + 2);                                                                                   \
        MEDFAST_COUNT_PAIR((i) + 4);                                                                                   \
        MEDFAST_COUNT_PAIR((i) + 6);                                                                                   \
    } while (0)

static inline void medfast_count_pairs_u8(const uint8_t *line, ptrdiff_t n, uint8_t pairs[MEDFAST_PAIRS],
                                          uint32_t counts[MEDFAST_SUBTABLES * 256])
{
    uint8_t(*const table)[MEDFAST_PAIRS] = (uint8_t(*)[MEDFAST_PAIRS])pairs;
    ptrdiff_t i;
    for (i = 0; i < n; i += 32) { /* n is a multiple of 32 */
        MEDFAST_COUNT_4_PAIRS(i);
        MEDFAST_COUNT_4_PAIRS(i + 8);
        MEDFAST_COUNT_4_PAIRS(i + 16);
        MEDFAST_COUNT_4_PAIRS(i + 24);
    }
}

/* A line by whichever way is faster for each block of it: that of pairs where few of them repeat. What stands `ahead`
   is asked for: 4096 x 4096 by 2048 pixels ahead 2.7 ms, and 2.9 without (AVX2: 3.0 and 3.6). */
static inline void medfast_count_line_u8(const uint8_t *line, ptrdiff_t n, ptrdiff_t ahead,
                                         uint8_t pairs[MEDFAST_PAIRS], uint32_t counts[MEDFAST_SUBTABLES * 256])
{
    ptrdiff_t i = 0;
    for (; i + MEDFAST_BLOCK <= n; i += MEDFAST_BLOCK) {
        MEDFAST_PREFETCH(line + i + ahead);
        MEDFAST_PREFETCH(line + i + ahead + 64);
        if (medfast_repeats(line + i) <= MEDFAST_BLOCK / 32)
            medfast_count_pairs_u8(line + i, MEDFAST_BLOCK, pairs, counts);
        else
            medfast_count_u8(line + i, MEDFAST_BLOCK, counts);
    }
    medfast_count_u8(line + i, n - i, counts);
}

/* Move the counts of all pairs to `counts`: the sums of the rows and of the columns of the table. 1.6 microseconds;
   4.6 without intrinsics (AVX2). */
#if defined(__AVX2__)

static inline void medfast_gather_pairs(const uint8_t pairs[MEDFAST_PAIRS], uint32_t counts[256])
{
    const __m256i zero = _mm256_setzero_si256(), low = _mm256_set1_epi16(255);
    int first, row, col, i;
    for (row = 0; row < 256; row++) {
        __m256i sum = zero;
        uint64_t lanes[4];
        for (col = 0; col < 256; col += 32)
            sum = _mm256_add_epi64(
                sum, _mm256_sad_epu8(_mm256_loadu_si256((const __m256i *)(pairs + 256 * row + col)), zero));
        _mm256_storeu_si256((__m256i *)lanes, sum);
        counts[row] += (uint32_t)(lanes[0] + lanes[1] + lanes[2] + lanes[3]);
    }
    for (col = 0; col < 256; col += 64)
        for (first = 0; first < 256; first += 128) { /* 128 bytes still fit 16 bits */
            __m256i sums[4] = {zero, zero, zero, zero};
            uint16_t lanes[64];
            for (row = first; row < first + 128; row++) {
                const __m256i here = _mm256_loadu_si256((const __m256i *)(pairs + 256 * row + col));
                const __m256i next = _mm256_loadu_si256((const __m256i *)(pairs + 256 * row + col + 32));
                sums[0] = _mm256_add_epi16(sums[0], _mm256_and_si256(here, low));
                sums[1] = _mm256_add_epi16(sums[1], _mm256_srli_epi16(here, 8));
                sums[2] = _mm256_add_epi16(sums[2], _mm256_and_si256(next, low));
                sums[3] = _mm256_add_epi16(sums[3], _mm256_srli_epi16(next, 8));
            }
            memcpy(lanes, sums, sizeof(lanes));
            for (i = 0; i < 16; i++) {
                counts[col + 2 * i] += lanes[i];
                counts[col + 2 * i + 1] += lanes[16 + i];
                counts[col + 32 + 2 * i] += lanes[32 + i];
                counts[col + 33 + 2 * i] += lanes[48 + i];
            }
        }
}

#else

static inline void medfast_gather_pairs(const uint8_t pairs[MEDFAST_PAIRS], uint32_t counts[256])
{
    int row, col;
    for (row = 0; row < 256; row++) {
        uint32_t sum = 0;
        for (col = 0; col < 256; col++) {
            sum += pairs[256 * row + col];
            counts[col] += pairs[256 * row + col];
        }
        counts[row] += sum;
    }
}

#endif

/* 16 bits: two bytes for each value, which is 128 KB, in place of eight: 0.26 ns a pixel of 12 bits and 0.35 of 16 bits
   against 0.9. (Bytes: 0.42 and 0.30, for a load waits for a store to its neighbour. Four bytes: 0.28 and 0.55.) The
   level of a pixel is its value plus `offset`, modulo 65 536. */
enum { MEDFAST_ALIKE = 64 };

/* Whether as many values are all the same: their counts would wait for each other. In most places the first four tell:
   6 % of counting. */
static inline int medfast_are_alike(const uint16_t line[MEDFAST_ALIKE])
{
    uint64_t first, fours, differences = 0;
    int i;
    memcpy(&first, line, sizeof(first));
    if (first != line[0] * (uint64_t)0x0001000100010001u)
        return 0;
    for (i = 4; i < MEDFAST_ALIKE; i += 4) {
        memcpy(&fours, line + i, sizeof(fours));
        differences |= fours ^ first;
    }
    return !differences;
}

static inline void medfast_count_u16(const uint16_t *line, ptrdiff_t n, uint16_t offset, uint16_t few[65536],
                                     int64_t counts[65536])
{
    uint16_t(*const table)[65536] = (uint16_t(*)[65536])few;
    ptrdiff_t i, j;
    int k;
    for (i = 0; i + MEDFAST_ALIKE <= n; i += MEDFAST_ALIKE) {
        if (medfast_are_alike(line + i)) {
            counts[(uint16_t)(line[i] + offset)] += MEDFAST_ALIKE;
            continue;
        }
        for (j = i; j < i + MEDFAST_ALIKE; j += 16) {
            const uint16_t *const values = line + j;
            MEDFAST_PREFETCH(values + 1024);
            for (k = 0; k < 16; k++)
                if (MEDFAST_RARE(MEDFAST_ONE_MORE((*table)[values[k]])))
                    counts[(uint16_t)(values[k] + offset)] += 65536;
        }
    }
    for (; i < n; i++)
        counts[(uint16_t)(line[i] + offset)]++;
}

static inline void medfast_gather_few(const uint16_t few[65536], uint16_t offset, int64_t counts[65536])
{
    ptrdiff_t value;
    for (value = 0; value < 65536 - offset; value++)
        counts[value + offset] += few[value];
    for (; value < 65536; value++)
        counts[value + offset - 65536] += few[value];
}

/* Move the counts of all subtables to `counts`. */
static inline void medfast_gather_counts(uint32_t subtables[MEDFAST_SUBTABLES * 256], int64_t counts[256])
{
    int table, value;
    for (table = 0; table < MEDFAST_SUBTABLES; table++)
        for (value = 0; value < 256; value++)
            counts[value] += subtables[256 * table + value];
    memset(subtables, 0, MEDFAST_SUBTABLES * 256 * sizeof(uint32_t));
}

#endif
