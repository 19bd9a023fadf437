/* The inner loops of CLAHE: from a tile's histogram to its table; look up four tables per pixel; take their mean.

   The four tables of a cell (the rectangle between four tile centres) are brought together as one: entry v holds level
   v of all four, so that one load fetches what the mean needs: for 8 bits a byte each in one word, for 16 bits two
   words, the upper two tiles in the first. Looked-up words go through a buffer, after which plain arithmetic becomes
   vectors. */
#ifndef MEDFAST_CLAHE_H
#define MEDFAST_CLAHE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MEDFAST_RESTRICT __restrict

/* For loops that only look up: GCC would gather, which takes twice as long (0.40 against 0.20 ns a pixel, AVX-512). */
#if defined(__GNUC__) && !defined(__clang__)
#define MEDFAST_SCALAR __attribute__((noinline, optimize("no-tree-vectorize", "no-tree-slp-vectorize")))
#else
#define MEDFAST_SCALAR
#endif

/* Unrolled by hand, 0.3 ns a pixel; a run of one level is added at once, for counts would wait for each other. */
static inline void medfast_count_tile_u16(const uint16_t *line, ptrdiff_t n, uint16_t origin,
                                          uint32_t *MEDFAST_RESTRICT counts)
{
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t fours[2];
        memcpy(fours, line + i, sizeof(fours));
        if (fours[0] == line[i] * (uint64_t)0x0001000100010001u && fours[1] == fours[0]) {
            counts[(uint16_t)(line[i] - origin)] += 8;
            continue;
        }
        counts[(uint16_t)(line[i] - origin)]++;
        counts[(uint16_t)(line[i + 1] - origin)]++;
        counts[(uint16_t)(line[i + 2] - origin)]++;
        counts[(uint16_t)(line[i + 3] - origin)]++;
        counts[(uint16_t)(line[i + 4] - origin)]++;
        counts[(uint16_t)(line[i + 5] - origin)]++;
        counts[(uint16_t)(line[i + 6] - origin)]++;
        counts[(uint16_t)(line[i + 7] - origin)]++;
    }
    for (; i < n; i++)
        counts[(uint16_t)(line[i] - origin)]++;
}

/* Nearest integer, halves to even, of 0 <= value < 2^22: adding 1.5 * 2^23 leaves no room for a fraction. */
static inline uint32_t medfast_round(float value)
{
    const float shifted = value + 12582912.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof(bits));
    return bits;
}

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

/* Bring the tables of a cell together: upper left, upper right, lower left, lower right. */
static inline void medfast_pack_u8(const uint16_t *const tables[4], ptrdiff_t n, uint32_t *MEDFAST_RESTRICT cell)
{
    const uint16_t *MEDFAST_RESTRICT const upper_left = tables[0], *MEDFAST_RESTRICT const upper_right = tables[1];
    const uint16_t *MEDFAST_RESTRICT const lower_left = tables[2], *MEDFAST_RESTRICT const lower_right = tables[3];
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        cell[i] = upper_left[i] | (uint32_t)upper_right[i] << 8 | (uint32_t)lower_left[i] << 16 |
                  (uint32_t)lower_right[i] << 24;
}

static inline void medfast_pack_u16(const uint16_t *const tables[4], ptrdiff_t n, uint32_t *MEDFAST_RESTRICT cell)
{
    const uint16_t *MEDFAST_RESTRICT const upper_left = tables[0], *MEDFAST_RESTRICT const upper_right = tables[1];
    const uint16_t *MEDFAST_RESTRICT const lower_left = tables[2], *MEDFAST_RESTRICT const lower_right = tables[3];
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        cell[2 * i] = upper_left[i] | (uint32_t)upper_right[i] << 16;
        cell[2 * i + 1] = lower_left[i] | (uint32_t)lower_right[i] << 16;
    }
}

/* The words of some pixels of a cell, from `cell`, or where that is NULL, from the four tables.
   Tried with AVX-512, look-up and mean together: gathers of 16 (0.62 ns a pixel), the table in 16 registers (0.44), and
   the mean of one block between the look-ups of the next (0.46), against 0.45 for the two loops. */
MEDFAST_SCALAR static void medfast_fetch_u8(const uint8_t *line, ptrdiff_t n, const uint32_t *cell,
                                            const uint16_t *const tables[4], uint32_t *MEDFAST_RESTRICT words)
{
    const uint16_t *const upper_left = tables[0], *const upper_right = tables[1];
    const uint16_t *const lower_left = tables[2], *const lower_right = tables[3];
    ptrdiff_t i = 0;
    if (cell) {
        for (; i + 4 <= n; i += 4) {
            words[i] = cell[line[i]];
            words[i + 1] = cell[line[i + 1]];
            words[i + 2] = cell[line[i + 2]];
            words[i + 3] = cell[line[i + 3]];
        }
        for (; i < n; i++)
            words[i] = cell[line[i]];
        return;
    }
    for (; i < n; i++) {
        const size_t level = line[i];
        words[i] = upper_left[level] | (uint32_t)upper_right[level] << 8 | (uint32_t)lower_left[level] << 16 |
                   (uint32_t)lower_right[level] << 24;
    }
}

/* The same for 16 bits, the words of the upper and of the lower tiles. The entry of a pixel is its value minus
   `origin`, modulo 65 536. */
MEDFAST_SCALAR static void medfast_fetch_u16(const uint16_t *line, ptrdiff_t n, uint16_t origin, const uint32_t *cell,
                                     const uint16_t *const tables[4], uint32_t *MEDFAST_RESTRICT upper,
                                     uint32_t *MEDFAST_RESTRICT lower)
{
    const uint16_t *const upper_left = tables[0], *const upper_right = tables[1];
    const uint16_t *const lower_left = tables[2], *const lower_right = tables[3];
    ptrdiff_t i;
    if (cell) {
        for (i = 0; i < n; i++) {
            const size_t level = (uint16_t)(line[i] - origin);
            upper[i] = cell[2 * level];
            lower[i] = cell[2 * level + 1];
        }
        return;
    }
    for (i = 0; i < n; i++) {
        const size_t level = (uint16_t)(line[i] - origin);
        upper[i] = upper_left[level] | (uint32_t)upper_right[level] << 16;
        lower[i] = lower_left[level] | (uint32_t)lower_right[level] << 16;
    }
}

/* Bilinear mean in OpenCV's order of operations: along the row first, then across. */
static inline float medfast_mean(uint32_t upper_left, uint32_t upper_right, uint32_t lower_left, uint32_t lower_right,
                                 float left, float right, float up, float down)
{
    const float upper = (float)(int32_t)upper_left * left + (float)(int32_t)upper_right * right;
    const float lower = (float)(int32_t)lower_left * left + (float)(int32_t)lower_right * right;
    return upper * up + lower * down;
}

static inline float medfast_mean_of_word(uint32_t word, float left, float right, float up, float down)
{
    return medfast_mean(word & 255, word >> 8 & 255, word >> 16 & 255, word >> 24, left, right, up, down);
}

static inline float medfast_mean_of_words(uint32_t upper, uint32_t lower, float left, float right, float up, float down)
{
    return medfast_mean(upper & 65535, upper >> 16, lower & 65535, lower >> 16, left, right, up, down);
}

/* `left` and `right` are the weights per column, `up` and `down` those of the row. */
static inline void medfast_mean_u8(const uint32_t *MEDFAST_RESTRICT words, ptrdiff_t n,
                                   const float *MEDFAST_RESTRICT left,
                                   const float *MEDFAST_RESTRICT right, float up, float down,
                                   uint8_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        out[i] = (uint8_t)medfast_round(medfast_mean_of_word(words[i], left[i], right[i], up, down));
}

static inline void medfast_mean_u16(const uint32_t *MEDFAST_RESTRICT upper, const uint32_t *MEDFAST_RESTRICT lower,
                                    ptrdiff_t n, const float *MEDFAST_RESTRICT left,
                                    const float *MEDFAST_RESTRICT right, float up, float down, uint16_t lowest,
                                    uint16_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        out[i] = (uint16_t)(medfast_round(medfast_mean_of_words(upper[i], lower[i], left[i], right[i], up, down)) +
                            lowest);
}

/* The mean over two sets of four tables, of weights `front` and `back`. */
static inline void medfast_mean_of_sets_u8(const uint32_t *MEDFAST_RESTRICT words,
                                           const uint32_t *MEDFAST_RESTRICT beyond, ptrdiff_t n,
                                           const float *MEDFAST_RESTRICT left, const float *MEDFAST_RESTRICT right,
                                           float up, float down, float front, float back,
                                           uint8_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        out[i] = (uint8_t)medfast_round(medfast_mean_of_word(words[i], left[i], right[i], up, down) * front +
                                        medfast_mean_of_word(beyond[i], left[i], right[i], up, down) * back);
}

/* The words of the lower tiles stand `lower` words after those of the upper ones. */
static inline void medfast_mean_of_sets_u16(const uint32_t *MEDFAST_RESTRICT words,
                                            const uint32_t *MEDFAST_RESTRICT beyond, ptrdiff_t lower, ptrdiff_t n,
                                            const float *MEDFAST_RESTRICT left, const float *MEDFAST_RESTRICT right,
                                            float up, float down, float front, float back, uint16_t lowest,
                                            uint16_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        const float near = medfast_mean_of_words(words[i], words[lower + i], left[i], right[i], up, down);
        const float far = medfast_mean_of_words(beyond[i], beyond[lower + i], left[i], right[i], up, down);
        out[i] = (uint16_t)(medfast_round(near * front + far * back) + lowest);
    }
}

#endif
