/* CLAHE, from tables to pixels: look up the tables around each pixel, and take their mean.

   The four tables of a cell (the rectangle between four tile centres) are brought together as one: entry v holds level
   v of all four, so that one load fetches what the mean needs: for 8 bits a byte each in one word, for 16 bits two
   words, the upper two tiles in the first. Looked-up words go through a buffer, after which plain arithmetic becomes
   vectors. */
#ifndef MEDFAST_CLAHE_H
#define MEDFAST_CLAHE_H

#include "clahe_tables.h"
#include "look_up.h"

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

/* Entries `first` to `last` of them; a cell looks up few of the entries that its image has. */
static inline void medfast_pack_u16(const uint16_t *const tables[4], ptrdiff_t first, ptrdiff_t last,
                                    uint32_t *MEDFAST_RESTRICT cell)
{
    const uint16_t *MEDFAST_RESTRICT const upper_left = tables[0], *MEDFAST_RESTRICT const upper_right = tables[1];
    const uint16_t *MEDFAST_RESTRICT const lower_left = tables[2], *MEDFAST_RESTRICT const lower_right = tables[3];
    ptrdiff_t i;
    for (i = first; i <= last; i++) {
        cell[2 * i] = upper_left[i] | (uint32_t)upper_right[i] << 16;
        cell[2 * i + 1] = lower_left[i] | (uint32_t)lower_right[i] << 16;
    }
}

/* Lowest and highest entry that the pixels of a cell have. Tried: lanes kept through all rows (no difference). */
static inline void medfast_range_u16(const uint16_t *image, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n,
                                     uint16_t origin, ptrdiff_t *first, ptrdiff_t *last)
{
    uint16_t low = 65535, high = 0;
    ptrdiff_t row, i;
    for (row = 0; row < n_rows; row++)
        for (i = 0; i < n; i++) {
            const uint16_t entry = (uint16_t)(image[row * stride + i] - origin);
            low = entry < low ? entry : low;
            high = entry > high ? entry : high;
        }
    *first = low;
    *last = high;
}

/* The words of some pixels of a cell, from `cell`, or where that is NULL, from the four tables.
   Tried with AVX-512, look-up and mean together: gathers of 16 (0.62 ns a pixel), the table in 16 registers (0.44), and
   the mean of one block between the look-ups of the next (0.46), against 0.45 for the two loops. */
MEDFAST_LOOK_UP static void medfast_fetch_u8(const uint8_t *line, ptrdiff_t n, const uint32_t *cell,
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

/* The same for 16 bits, two words a pixel, moved at once (0.3 ns a pixel; 0.55 apart). The entry of a pixel is its
   value minus `origin`, modulo 65 536. */
#define MEDFAST_FETCH(i) memcpy(words + 2 * (i), cell + 2 * (size_t)(uint16_t)(line[i] - origin), 2 * sizeof(*words))

MEDFAST_LOOK_UP static void medfast_fetch_u16(const uint16_t *line, ptrdiff_t n, uint16_t origin,
                                              const uint32_t *cell, const uint16_t *const tables[4],
                                              uint32_t *MEDFAST_RESTRICT words)
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

enum { MEDFAST_PIECE = 512 }; /* pixels that are looked up before their means are taken */

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

/* The pixels of a cell; strides are in pixels, `down` are the weights of its rows. A row is looked up before the means
   of the one above it are taken: vectors would have to wait for words that have only just been stored. */
static inline void medfast_blend_cell_u16(const uint16_t *image, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n,
                                          uint16_t origin, const uint32_t *cell, const uint16_t *const tables[4],
                                          const float *left, const float *right, const float *down, uint16_t lowest,
                                          uint16_t *out, ptrdiff_t out_stride)
{
    uint32_t words[2][2 * MEDFAST_PIECE];
    ptrdiff_t row, first;
    for (first = 0; first < n; first += MEDFAST_PIECE) {
        const ptrdiff_t size = n - first < MEDFAST_PIECE ? n - first : MEDFAST_PIECE;
        for (row = 0; row <= n_rows; row++) {
            if (row < n_rows) {
                medfast_prefetch(image + (row + 1) * stride + first, size * (ptrdiff_t)sizeof(*image));
                medfast_fetch_u16(image + row * stride + first, size, origin, cell, tables, words[row & 1]);
            }
            if (row > 0)
                medfast_mean_u16(words[(row - 1) & 1], size, left + first, right + first, 1.0f - down[row - 1],
                                 down[row - 1], lowest, out + (row - 1) * out_stride + first);
        }
    }
}

/* The mean of bytes in whole numbers. With tiles of T pixels a weight is a multiple of 1 / 2T, or of 1 / T for even T;
   so the exact mean is a sum of integers over a common unit. It decides the result unless it lies so close to a half
   that OpenCV's float32 could round the other way; then float32 has the word. With look-ups 0.47 ns a pixel against
   0.57. */
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
#include <immintrin.h>

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
