/* CLAHE of 16 bits where a bin holds one pixel at most, as it does by default in tiles of fewer than 2^17 pixels: what
   is left of a histogram is one bit a bin, and its running sum a count of bits.

   The level of bin b of a tile is round(scale * (C + R)), of which C counts the bins in use up to b, and R those of
   0, step, 2 step, ... that take one pixel of the excess each: min(b / step + 1, excess). With C up to each word of 64
   bins, a look-up counts the bits of one word. So a tile of 65 536 bins takes 10 KB in place of 128 KB, which need not
   be cleared, clipped, summed up and read at random: 512 x 512 in 64 tiles take 0.8 ms, and 1.6 by tables. */
#ifndef MEDFAST_CLAHE_RANKS_H
#define MEDFAST_CLAHE_RANKS_H

#include "clahe.h"

#if defined(_MSC_VER)
#include <intrin.h>
#if defined(_M_X64)
#define MEDFAST_BITS(word) ((uint32_t)__popcnt64(word))
#else
#define MEDFAST_BITS(word) ((uint32_t)_CountOneBits64(word))
#endif
#else
#define MEDFAST_BITS(word) ((uint32_t)__builtin_popcountll(word))
#endif

/* Bins from which on ranks are faster than tables: 16 384 of 4096 pixels each. */
enum { MEDFAST_LEAST_FOR_RANKS = 16384 };

enum { MEDFAST_RANK_WORDS = 1024 };

typedef struct {
    float per_step;                      /* 1 / step */
    float last;                          /* excess - 1 */
    uint64_t used[MEDFAST_RANK_WORDS];   /* a bit a bin */
    uint16_t before[MEDFAST_RANK_WORDS]; /* bins in use before each word, plus one */
} medfast_ranks;

/* Note the pixels of a line: 0.4 ns a pixel by fours, 0.58 one by one. */
#define MEDFAST_NOTE(pixel)                                                                                            \
    do {                                                                                                               \
        const size_t bin = (uint16_t)((pixel)-origin);                                                                 \
        ranks->used[bin >> 6] |= (uint64_t)1 << (bin & 63);                                                            \
    } while (0)

MEDFAST_LOOK_UP static void medfast_note(const uint16_t *line, ptrdiff_t n, uint16_t origin, medfast_ranks *ranks)
{
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4) {
        MEDFAST_NOTE(line[i]);
        MEDFAST_NOTE(line[i + 1]);
        MEDFAST_NOTE(line[i + 2]);
        MEDFAST_NOTE(line[i + 3]);
    }
    for (; i < n; i++)
        MEDFAST_NOTE(line[i]);
}

/* Sum up what was noted of a tile of `total` pixels; the pixels beyond the first of each bin are the excess. */
static inline void medfast_rank(int64_t total, int64_t n_bins, ptrdiff_t n_words, medfast_ranks *ranks)
{
    uint32_t running = 0;
    int64_t excess;
    ptrdiff_t i;
    for (i = 0; i < n_words; i++) {
        ranks->before[i] = (uint16_t)(running + 1);
        running += MEDFAST_BITS(ranks->used[i]);
    }
    excess = total - (int64_t)running;
    ranks->per_step = 1.0f / (float)(excess ? n_bins / excess : 1);
    ranks->last = (float)(excess - 1);
}

/* C + 1 in four tiles, 16 bits each. */
MEDFAST_LOOK_UP static void medfast_fetch_ranks(const uint16_t *line, ptrdiff_t n, uint16_t origin,
                                                const medfast_ranks *const tiles[4],
                                                uint16_t *MEDFAST_RESTRICT ranks)
{
    const medfast_ranks *const tile0 = tiles[0], *const tile1 = tiles[1];
    const medfast_ranks *const tile2 = tiles[2], *const tile3 = tiles[3];
    ptrdiff_t i;
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC unroll 2 /* 5 % */
#endif
    for (i = 0; i < n; i++) {
        const size_t bin = (uint16_t)(line[i] - origin), word = bin >> 6;
        const uint64_t up_to = ((uint64_t)2 << (bin & 63)) - 1;
        ranks[4 * i] = (uint16_t)(tile0->before[word] + MEDFAST_BITS(tile0->used[word] & up_to));
        ranks[4 * i + 1] = (uint16_t)(tile1->before[word] + MEDFAST_BITS(tile1->used[word] & up_to));
        ranks[4 * i + 2] = (uint16_t)(tile2->before[word] + MEDFAST_BITS(tile2->used[word] & up_to));
        ranks[4 * i + 3] = (uint16_t)(tile3->before[word] + MEDFAST_BITS(tile3->used[word] & up_to));
    }
}

/* Level of a bin in float32: adding 1.5 * 2^23 rounds as `medfast_round` does. (bin + 1/2) / step lies at least
   1 / 2 step from a whole number, and float32 is off by 1 / 128 step at most. */
static inline float medfast_level(uint32_t rank, float middle, float per_step, float last, float scale)
{
    const float steps = (float)(int32_t)(middle * per_step);
    const float level = ((float)(int32_t)rank + (steps < last ? steps : last)) * scale;
    return (level + 12582912.0f) - 12582912.0f;
}

/* The pixels of a cell; strides are in pixels, `down` are the weights of its rows. Tried: a row looked up before the
   means of the one above are taken, as in clahe.h (no difference). */
static inline void medfast_blend_ranks(const uint16_t *image, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n,
                                       uint16_t origin, int32_t first, const medfast_ranks *const tiles[4], float scale,
                                       const float *MEDFAST_RESTRICT left, const float *MEDFAST_RESTRICT right,
                                       const float *down, uint16_t lowest, uint16_t *out, ptrdiff_t out_stride)
{
    const float step0 = tiles[0]->per_step, step1 = tiles[1]->per_step;
    const float step2 = tiles[2]->per_step, step3 = tiles[3]->per_step;
    const float last0 = tiles[0]->last, last1 = tiles[1]->last, last2 = tiles[2]->last, last3 = tiles[3]->last;
    uint16_t ranks[4 * MEDFAST_PIECE];
    ptrdiff_t row, start, i;
    for (row = 0; row < n_rows; row++)
        for (start = 0; start < n; start += MEDFAST_PIECE) {
            const ptrdiff_t size = n - start < MEDFAST_PIECE ? n - start : MEDFAST_PIECE;
            const uint16_t *MEDFAST_RESTRICT const line = image + row * stride + start;
            uint16_t *MEDFAST_RESTRICT const target = out + row * out_stride + start;
            const float lower = down[row], upper = 1.0f - lower;
            medfast_prefetch(line + stride, size * (ptrdiff_t)sizeof(*line));
            medfast_fetch_ranks(line, size, origin, tiles, ranks);
            for (i = 0; i < size; i++) {
                const float middle = (float)((int32_t)(uint16_t)(line[i] - origin) + first) + 0.5f;
                const float level0 = medfast_level(ranks[4 * i], middle, step0, last0, scale);
                const float level1 = medfast_level(ranks[4 * i + 1], middle, step1, last1, scale);
                const float level2 = medfast_level(ranks[4 * i + 2], middle, step2, last2, scale);
                const float level3 = medfast_level(ranks[4 * i + 3], middle, step3, last3, scale);
                const float mean = (level0 * left[start + i] + level1 * right[start + i]) * upper +
                                   (level2 * left[start + i] + level3 * right[start + i]) * lower;
                target[i] = (uint16_t)(medfast_round(mean) + lowest);
            }
        }
}

#endif
