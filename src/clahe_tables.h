/* CLAHE, from the pixels of a tile to its table: count, clip, sum up. */
#ifndef MEDFAST_CLAHE_TABLES_H
#define MEDFAST_CLAHE_TABLES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "histogram.h"

#define MEDFAST_RESTRICT __restrict

/* Nearest integer, halves to even, of 0 <= value < 2^22: adding 1.5 * 2^23 leaves no room for a fraction. */
static inline uint32_t medfast_round(float value)
{
    const float shifted = value + 12582912.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof(bits));
    return bits;
}

/* Counting 16 bits, unrolled by hand, 0.27 ns a pixel; what is all alike is added at once. */
#define MEDFAST_COUNT_TILE(name, type)                                                                                 \
    static inline void name(const uint16_t *line, ptrdiff_t n, uint16_t origin, type *MEDFAST_RESTRICT counts)         \
    {                                                                                                                  \
        ptrdiff_t i = 0, stop;                                                                                         \
        while (i + MEDFAST_ALIKE <= n) {                                                                               \
            if (medfast_are_alike(line + i)) {                                                                         \
                counts[(uint16_t)(line[i] - origin)] += MEDFAST_ALIKE;                                                 \
                i += MEDFAST_ALIKE;                                                                                    \
                continue;                                                                                              \
            }                                                                                                          \
            for (stop = i + MEDFAST_ALIKE; i < stop; i += 8) {                                                         \
                counts[(uint16_t)(line[i] - origin)]++;                                                                \
                counts[(uint16_t)(line[i + 1] - origin)]++;                                                            \
                counts[(uint16_t)(line[i + 2] - origin)]++;                                                            \
                counts[(uint16_t)(line[i + 3] - origin)]++;                                                            \
                counts[(uint16_t)(line[i + 4] - origin)]++;                                                            \
                counts[(uint16_t)(line[i + 5] - origin)]++;                                                            \
                counts[(uint16_t)(line[i + 6] - origin)]++;                                                            \
                counts[(uint16_t)(line[i + 7] - origin)]++;                                                            \
            }                                                                                                          \
        }                                                                                                              \
        for (; i < n; i++)                                                                                             \
            counts[(uint16_t)(line[i] - origin)]++;                                                                    \
    }

MEDFAST_COUNT_TILE(medfast_count_tile_u16, uint32_t)
MEDFAST_COUNT_TILE(medfast_count_tile_narrow, uint16_t)

/* Counts of bytes from eight tables of 256. */
#define MEDFAST_SUM(name, type)                                                                                        \
    static inline void name(const uint32_t *MEDFAST_RESTRICT subtables, ptrdiff_t n, type *MEDFAST_RESTRICT counts)    \
    {                                                                                                                  \
        ptrdiff_t i;                                                                                                   \
        for (i = 0; i < n; i++)                                                                                        \
            counts[i] = (type)(subtables[i] + subtables[i + 256] + subtables[i + 512] + subtables[i + 768] +           \
                               subtables[i + 1024] + subtables[i + 1280] + subtables[i + 1536] + subtables[i + 1792]); \
    }

MEDFAST_SUM(medfast_add_subtables, uint32_t)
MEDFAST_SUM(medfast_add_subtables_narrow, uint16_t)

/* Cut every count down to `limit`; returns how much was cut off in all. */
static inline int64_t medfast_clip(uint32_t *counts, ptrdiff_t n, uint32_t limit)
{
    int64_t excess = 0;
    ptrdiff_t start, i;
    for (start = 0; start < n; start += 65536) { /* 32 bits hold the sum: a tile has fewer than 2^31 pixels */
        const ptrdiff_t stop = n - start < 65536 ? n : start + 65536;
        uint32_t partial = 0;
        for (i = start; i < stop; i++) {
            const uint32_t kept = counts[i] < limit ? counts[i] : limit;
            partial += counts[i] - kept;
            counts[i] = kept;
        }
        excess += partial;
    }
    return excess;
}

#if defined(__AVX2__)
#include <immintrin.h>

/* Running sums of eight at a time: 2.5 times as fast as one by one over 65 536 bins. */
static inline ptrdiff_t medfast_scale_vectors(const uint32_t *counts, ptrdiff_t n, uint32_t *running, uint32_t batch,
                                              float scale, uint16_t *table)
{
    const __m256i batches = _mm256_set1_epi32((int)batch), last = _mm256_set1_epi32(7), zero = _mm256_setzero_si256();
    const __m256 scales = _mm256_set1_ps(scale);
    __m256i carry = _mm256_set1_epi32((int)*running);
    ptrdiff_t i;
    for (i = 0; i + 8 <= n; i += 8) {
        __m256i sums = _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)(counts + i)), batches);
        __m256i lower, levels;
        sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 4)); /* within each half of four */
        sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 8));
        lower = _mm256_permute2x128_si256(sums, sums, 0x08); /* nothing, and the first half, */
        lower = _mm256_shuffle_epi32(lower, 0xFF);           /* of which its total */
        sums = _mm256_add_epi32(_mm256_add_epi32(sums, lower), carry);
        carry = _mm256_permutevar8x32_epi32(sums, last);
        levels = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), scales));
        levels = _mm256_permute4x64_epi64(_mm256_packus_epi32(levels, zero), 0x08);
        _mm_storeu_si128((__m128i *)(table + i), _mm256_castsi256_si128(levels));
    }
    *running = (uint32_t)_mm256_extract_epi32(carry, 0);
    return i;
}

#else

static inline ptrdiff_t medfast_scale_vectors(const uint32_t *counts, ptrdiff_t n, uint32_t *running, uint32_t batch,
                                              float scale, uint16_t *table)
{
    (void)counts, (void)n, (void)running, (void)batch, (void)scale, (void)table;
    return 0;
}

#endif

/* Add one to counts[0], counts[step], ..., `number` of them; steps of 1 and 2 as loops that compilers make vectors of:
   every second of 4096 bins takes 0.2 microseconds (AVX-512), 0.43 (AVX2), and 0.7 one by one. */
#define MEDFAST_SPREAD(name, type)                                                                                     \
    static inline void name(type *counts, ptrdiff_t number, ptrdiff_t step)                                            \
    {                                                                                                                  \
        ptrdiff_t i;                                                                                                   \
        if (step == 1)                                                                                                 \
            for (i = 0; i < number; i++)                                                                               \
                counts[i]++;                                                                                           \
        else if (step == 2)                                                                                            \
            for (i = 0; i < 2 * number - 1; i++)                                                                       \
                counts[i] = (type)(counts[i] + ((i & 1) ^ 1));                                                         \
        else                                                                                                           \
            for (i = 0; i < number; i++)                                                                               \
                counts[i * step]++;                                                                                    \
    }

MEDFAST_SPREAD(medfast_spread, uint32_t)

/* table[i] = round(scale * (running + (counts[0] + batch) + ... + (counts[i] + batch))) */
static inline void medfast_scale(const uint32_t *counts, ptrdiff_t n, uint32_t running, uint32_t batch, float scale,
                                 uint16_t *table)
{
    ptrdiff_t i = medfast_scale_vectors(counts, n, &running, batch, scale, table);
    for (; i < n; i++) {
        running += counts[i] + batch;
        table[i] = (uint16_t)medfast_round((float)(int32_t)running * scale);
    }
}

/* The same from counts of 16 bits, which tiles of fewer than 65 536 pixels fit: half the memory, and twice the lanes.
   65 536 bins take 15 microseconds, and 25 with 32 bits. */
#if defined(__AVX512BW__)
enum { MEDFAST_NARROW_TILE = 65536 }; /* pixels that are too many */

static inline int64_t medfast_clip_narrow(uint16_t *counts, ptrdiff_t n, uint16_t limit)
{
    const __m512i limits = _mm512_set1_epi16((short)limit);
    __m512i excess = _mm512_setzero_si512(); /* in all less than 65 536 */
    uint16_t lanes[32], total = 0;
    ptrdiff_t i;
    for (i = 0; i + 32 <= n; i += 32) {
        const __m512i here = _mm512_loadu_si512(counts + i);
        excess = _mm512_add_epi16(excess, _mm512_subs_epu16(here, limits));
        _mm512_storeu_si512(counts + i, _mm512_min_epu16(here, limits));
    }
    _mm512_storeu_si512(lanes, excess);
    for (; i < n; i++) {
        const uint16_t kept = counts[i] < limit ? counts[i] : limit;
        total = (uint16_t)(total + counts[i] - kept);
        counts[i] = kept;
    }
    for (i = 0; i < 32; i++)
        total = (uint16_t)(total + lanes[i]);
    return total;
}

MEDFAST_SPREAD(medfast_spread_narrow, uint16_t)

static inline void medfast_scale_narrow(const uint16_t *counts, ptrdiff_t n, uint16_t running, uint16_t batch,
                                        float scale, uint16_t *table)
{
    const __m512i batches = _mm512_set1_epi16((short)batch), zero = _mm512_setzero_si512();
    const __m512i last_of_lane = _mm512_set1_epi16(0x0f0e), last = _mm512_set1_epi16(31);
    const __m512 scales = _mm512_set1_ps(scale);
    __m512i carry = _mm512_set1_epi16((short)running);
    ptrdiff_t i;
    for (i = 0; i + 32 <= n; i += 32) {
        __m512i sums = _mm512_add_epi16(_mm512_loadu_si512(counts + i), batches), totals, low, high;
        sums = _mm512_add_epi16(sums, _mm512_bslli_epi128(sums, 2)); /* within each lane of eight */
        sums = _mm512_add_epi16(sums, _mm512_bslli_epi128(sums, 4));
        sums = _mm512_add_epi16(sums, _mm512_bslli_epi128(sums, 8));
        totals = _mm512_shuffle_epi8(sums, last_of_lane);
        sums = _mm512_add_epi16(sums, _mm512_maskz_shuffle_i64x2(0xFC, totals, totals, _MM_SHUFFLE(2, 1, 0, 0)));
        sums = _mm512_add_epi16(sums, _mm512_maskz_shuffle_i64x2(0xF0, totals, totals, _MM_SHUFFLE(1, 0, 0, 0)));
        sums = _mm512_add_epi16(sums, _mm512_maskz_shuffle_i64x2(0xC0, totals, totals, _MM_SHUFFLE(0, 0, 0, 0)));
        sums = _mm512_add_epi16(sums, carry);
        carry = _mm512_permutexvar_epi16(last, sums);
        low = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_unpacklo_epi16(sums, zero)), scales));
        high = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_unpackhi_epi16(sums, zero)), scales));
        _mm512_storeu_si512(table + i, _mm512_packus_epi32(low, high));
    }
    running = (uint16_t)_mm512_cvtsi512_si32(carry);
    for (; i < n; i++) {
        running = (uint16_t)(running + counts[i] + batch);
        table[i] = (uint16_t)medfast_round((float)running * scale);
    }
}

#else
enum { MEDFAST_NARROW_TILE = 0 };

static inline int64_t medfast_clip_narrow(uint16_t *counts, ptrdiff_t n, uint16_t limit)
{
    (void)counts, (void)n, (void)limit;
    return 0;
}

static inline void medfast_spread_narrow(uint16_t *counts, ptrdiff_t number, ptrdiff_t step)
{
    (void)counts, (void)number, (void)step;
}

static inline void medfast_scale_narrow(const uint16_t *counts, ptrdiff_t n, uint16_t running, uint16_t batch,
                                        float scale, uint16_t *table)
{
    (void)counts, (void)n, (void)running, (void)batch, (void)scale, (void)table;
}

#endif

#endif
