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

/* Counting 16 bits, unrolled by hand, 0.3 ns a pixel; a run of one level is added at once, for counts would wait for
   each other. */
#define MEDFAST_COUNT_TILE(name, type)                                                                                 \
    static inline void name(const uint16_t *line, ptrdiff_t n, uint16_t origin, type *MEDFAST_RESTRICT counts)         \
    {                                                                                                                  \
        ptrdiff_t i = 0;                                                                                               \
        for (; i + 8 <= n; i += 8) {                                                                                   \
            uint64_t fours[2];                                                                                         \
            memcpy(fours, line + i, sizeof(fours));                                                                    \
            if (fours[0] == line[i] * (uint64_t)0x0001000100010001u && fours[1] == fours[0]) {                         \
                counts[(uint16_t)(line[i] - origin)] += 8;                                                             \
                continue;                                                                                              \
            }                                                                                                          \
            counts[(uint16_t)(line[i] - origin)]++;                                                                    \
            counts[(uint16_t)(line[i + 1] - origin)]++;                                                                \
            counts[(uint16_t)(line[i + 2] - origin)]++;                                                                \
            counts[(uint16_t)(line[i + 3] - origin)]++;                                                                \
            counts[(uint16_t)(line[i + 4] - origin)]++;                                                                \
            counts[(uint16_t)(line[i + 5] - origin)]++;                                                                \
            counts[(uint16_t)(line[i + 6] - origin)]++;                                                                \
            counts[(uint16_t)(line[i + 7] - origin)]++;                                                                \
        }                                                                                                              \
        for (; i < n; i++)                                                                                             \
            counts[(uint16_t)(line[i] - origin)]++;                                                                    \
    }

MEDFAST_COUNT_TILE(medfast_count_tile_u16, uint32_t)
MEDFAST_COUNT_TILE(medfast_count_tile_narrow, uint16_t)

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

/* The same from counts of 16 bits, which tiles of fewer than 65 536 pixels fit: half the memory, and twice the lanes.
   65 536 bins take 12 microseconds, and 25 with 32 bits. */
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

static inline void medfast_scale_narrow(const uint16_t *counts, ptrdiff_t n, uint16_t running, uint16_t batch,
                                        float scale, uint16_t *table)
{
    (void)counts, (void)n, (void)running, (void)batch, (void)scale, (void)table;
}

#endif

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
        for (; i + 8 <= n; i += 8) {
            words[i] = cell[line[i]];
            words[i + 1] = cell[line[i + 1]];
            words[i + 2] = cell[line[i + 2]];
            words[i + 3] = cell[line[i + 3]];
            words[i + 4] = cell[line[i + 4]];
            words[i + 5] = cell[line[i + 5]];
            words[i + 6] = cell[line[i + 6]];
            words[i + 7] = cell[line[i + 7]];
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

/* The same for 16 bits, two words a pixel, moved at once (0.3 ns a pixel; 0.55 apart). The entry of a pixel is its value
   minus `origin`, modulo 65 536. */
#define MEDFAST_FETCH(i) memcpy(words + 2 * (i), cell + 2 * (size_t)(uint16_t)(line[i] - origin), 2 * sizeof(*words))

MEDFAST_SCALAR static void medfast_fetch_u16(const uint16_t *line, ptrdiff_t n, uint16_t origin, const uint32_t *cell,
                                             const uint16_t *const tables[4], uint32_t *MEDFAST_RESTRICT words)
{
    const uint16_t *const upper_left = tables[0], *const upper_right = tables[1];
    const uint16_t *const lower_left = tables[2], *const lower_right = tables[3];
    ptrdiff_t i = 0;
    if (cell) {
        for (; i + 4 <= n; i += 4) {
            MEDFAST_FETCH(i);
            MEDFAST_FETCH(i + 1);
            MEDFAST_FETCH(i + 2);
            MEDFAST_FETCH(i + 3);
        }
        for (; i < n; i++)
            MEDFAST_FETCH(i);
        return;
    }
    for (; i < n; i++) {
        const size_t level = (uint16_t)(line[i] - origin);
        words[2 * i] = upper_left[level] | (uint32_t)upper_right[level] << 16;
        words[2 * i + 1] = lower_left[level] | (uint32_t)lower_right[level] << 16;
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

static inline void medfast_mean_u16(const uint32_t *MEDFAST_RESTRICT words, ptrdiff_t n,
                                    const float *MEDFAST_RESTRICT left, const float *MEDFAST_RESTRICT right, float up,
                                    float down, uint16_t lowest, uint16_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        out[i] = (uint16_t)(medfast_round(medfast_mean_of_words(words[2 * i], words[2 * i + 1], left[i], right[i], up,
                                                                down)) +
                            lowest);
}

/* The mean of bytes in whole numbers. With tiles of T pixels a weight is a multiple of 1 / 2T, or of 1 / T for even T;
   so the exact mean is a sum of integers over a common unit. It decides the result unless it lies so close to a half
   that OpenCV's float32 could round the other way; then float32 has the word. */
enum { MEDFAST_SHARE_BITS = 6, MEDFAST_LARGEST_SHARE = 126 }; /* 255 * 126 fits 16 bits with a sign */

typedef struct {
    const uint32_t *coarse, *fine; /* per column: weights left, right, left, right, a byte each; coarse counts for 64 */
    int32_t rows;                  /* weights of the upper and the lower tiles, 16 bits each */
    float unit;
    float tie; /* how far from a whole number the float32 mean may be of another opinion */
    int is_split;
} medfast_shares;

/* Units that the weights along an axis are multiples of. */
static inline int64_t medfast_units(int64_t tile)
{
    return tile % 2 ? 2 * tile : tile;
}

/* Weights of the columns; returns the largest error of those in float32, or 2 where they do not fit bytes. */
static inline double medfast_column_shares(int64_t tile, const int64_t *bounds, ptrdiff_t n_cells, const float *right,
                                           uint32_t *coarse, uint32_t *fine)
{
    const int64_t units = medfast_units(tile);
    double largest = 0.0;
    ptrdiff_t cell;
    int64_t col;
    if (units > MEDFAST_LARGEST_SHARE << MEDFAST_SHARE_BITS)
        return 2.0;
    for (cell = 0; cell < n_cells; cell++)
        for (col = bounds[cell]; col < bounds[cell + 1]; col++) {
            const int64_t twice = 2 * col + tile - 2 * tile * cell, share = tile % 2 ? twice : twice / 2;
            const int64_t other = units - share;
            const double error = (double)share / (double)units - (double)right[col];
            largest = error > largest ? error : -error > largest ? -error : largest;
            coarse[col] = (uint32_t)((other >> MEDFAST_SHARE_BITS) | (share >> MEDFAST_SHARE_BITS) << 8) * 0x10001u;
            fine[col] = (uint32_t)((other & 63) | (share & 63) << 8) * 0x10001u;
            if (units <= MEDFAST_LARGEST_SHARE)
                fine[col] = (uint32_t)(other | share << 8) * 0x10001u;
        }
    return largest;
}

/* Weights of a row, given the error of the columns'; whether there are any that can be relied on. */
static inline int medfast_row_shares(int64_t row, int64_t above, int64_t tile_rows, int64_t tile_cols, double error,
                                     float down, medfast_shares *shares)
{
    const int64_t units = medfast_units(tile_rows), columns = medfast_units(tile_cols);
    const int64_t twice = 2 * row - tile_rows - 2 * tile_rows * above, share = tile_rows % 2 ? twice : twice / 2;
    const double off = (double)share / (double)units - (double)down;
    const double doubt = 255 * (error + (off < 0 ? -off : off)) + 2e-4; /* float32 adds up to 1.2e-4 of its own */
    if (units > 32767 || units * columns > 2147483647 / 255 || doubt > 0.05)
        return 0;
    shares->rows = (int32_t)((uint32_t)(units - share) | (uint32_t)share << 16);
    shares->unit = 1.0f / (float)(units * columns);
    shares->tie = (float)(0.5 - doubt);
    if (doubt == 2e-4 && !(units & (units - 1)) && !(columns & (columns - 1)) && units * columns <= 65536)
        shares->tie = 1.0f; /* float32 has room for every bit of it */
    shares->is_split = columns > MEDFAST_LARGEST_SHARE;
    return 1;
}

#if defined(__AVX2__)

#if defined(__AVX512BW__)
enum { MEDFAST_MEAN_LANES = 16 };
typedef __m512i medfast_lanes;
#define MEDFAST_LANES(name) _mm512_##name
#define MEDFAST_LOAD(p) _mm512_loadu_si512(p)
#else
enum { MEDFAST_MEAN_LANES = 8 };
typedef __m256i medfast_lanes;
#define MEDFAST_LANES(name) _mm256_##name
#define MEDFAST_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#endif

static inline medfast_lanes medfast_sum(medfast_lanes words, medfast_lanes columns, medfast_lanes rows)
{
    return MEDFAST_LANES(madd_epi16)(MEDFAST_LANES(maddubs_epi16)(words, columns), rows);
}

static inline void medfast_mean_by_shares(const uint32_t *MEDFAST_RESTRICT words, ptrdiff_t n,
                                          const medfast_shares *shares, int is_split, ptrdiff_t first,
                                          const float *MEDFAST_RESTRICT left, const float *MEDFAST_RESTRICT right,
                                          float up, float down, uint8_t *MEDFAST_RESTRICT out)
{
    const medfast_lanes rows = MEDFAST_LANES(set1_epi32)(shares->rows);
    ptrdiff_t i;
    for (i = 0; i + MEDFAST_MEAN_LANES <= n; i += MEDFAST_MEAN_LANES) {
        const medfast_lanes four = MEDFAST_LOAD(words + i);
        medfast_lanes sums = medfast_sum(four, MEDFAST_LOAD(shares->fine + first + i), rows);
        int in_doubt;
        if (is_split) {
            const medfast_lanes coarse = medfast_sum(four, MEDFAST_LOAD(shares->coarse + first + i), rows);
            sums = MEDFAST_LANES(add_epi32)(sums, MEDFAST_LANES(slli_epi32)(coarse, MEDFAST_SHARE_BITS));
        }
#if defined(__AVX512BW__)
        {
            const __m512 mean = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(shares->unit));
            const __m512i level = _mm512_cvtps_epi32(mean);
            const __m512 off = _mm512_abs_ps(_mm512_sub_ps(mean, _mm512_cvtepi32_ps(level)));
            in_doubt = _mm512_cmp_ps_mask(off, _mm512_set1_ps(shares->tie), _CMP_GT_OQ) != 0;
            _mm_storeu_si128((__m128i *)(out + i), _mm512_cvtepi32_epi8(level));
        }
#else
        {
            const __m256 mean = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(shares->unit));
            const __m256i level = _mm256_cvtps_epi32(mean);
            const __m256 signless = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
            const __m256 off = _mm256_and_ps(_mm256_sub_ps(mean, _mm256_cvtepi32_ps(level)), signless);
            const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(level), _mm256_extracti128_si256(level, 1));
            in_doubt = _mm256_movemask_ps(_mm256_cmp_ps(off, _mm256_set1_ps(shares->tie), _CMP_GT_OQ)) != 0;
            _mm_storel_epi64((__m128i *)(out + i), _mm_packus_epi16(half, half));
        }
#endif
        if (in_doubt)
            medfast_mean_u8(words + i, MEDFAST_MEAN_LANES, left + i, right + i, up, down, out + i);
    }
    medfast_mean_u8(words + i, n - i, left + i, right + i, up, down, out + i);
}

/* `first` is the column of the first pixel. */
static inline void medfast_mean_u8_shared(const uint32_t *words, ptrdiff_t n, const medfast_shares *shares,
                                          ptrdiff_t first, const float *left, const float *right, float up, float down,
                                          uint8_t *out)
{
    if (shares->is_split)
        medfast_mean_by_shares(words, n, shares, 1, first, left, right, up, down, out);
    else
        medfast_mean_by_shares(words, n, shares, 0, first, left, right, up, down, out);
}

#else

static inline void medfast_mean_u8_shared(const uint32_t *words, ptrdiff_t n, const medfast_shares *shares,
                                          ptrdiff_t first, const float *left, const float *right, float up, float down,
                                          uint8_t *out)
{
    (void)shares, (void)first;
    medfast_mean_u8(words, n, left, right, up, down, out);
}

#endif

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

static inline void medfast_mean_of_sets_u16(const uint32_t *MEDFAST_RESTRICT words,
                                            const uint32_t *MEDFAST_RESTRICT beyond, ptrdiff_t n,
                                            const float *MEDFAST_RESTRICT left, const float *MEDFAST_RESTRICT right,
                                            float up, float down, float front, float back, uint16_t lowest,
                                            uint16_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        const float near = medfast_mean_of_words(words[2 * i], words[2 * i + 1], left[i], right[i], up, down);
        const float far = medfast_mean_of_words(beyond[2 * i], beyond[2 * i + 1], left[i], right[i], up, down);
        out[i] = (uint16_t)(medfast_round(near * front + far * back) + lowest);
    }
}

#endif
