/* The inner loops of CLAHE: look up four tables per pixel and take their bilinear mean.

   The four tables of a cell (the rectangle between four tile centres) are stored as one: entry v holds level v of all four,
   so that one load fetches what the mean needs: for 8 bits a byte each in one word, for 16 bits two words, the upper two
   tiles in the first. The looked-up words go through a short buffer, after which plain arithmetic becomes vectors. */
#ifndef MEDFAST_CLAHE_H
#define MEDFAST_CLAHE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MEDFAST_RESTRICT __restrict

/* Pixels looked up at a time. */
enum { MEDFAST_CHUNK = 64 };

/* Nearest integer, halves to even, of 0 <= value < 2^22: adding 1.5 * 2^23 leaves no room for a fraction. */
static inline uint32_t medfast_round(float value)
{
    const float shifted = value + 12582912.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof(bits));
    return bits;
}

/* OpenCV's order of operations: along the row first, then across. */
static inline float medfast_mean(float upper_left, float upper_right, float lower_left, float lower_right, float left,
                          float right, float up, float down)
{
    return (upper_left * left + upper_right * right) * up + (lower_left * left + lower_right * right) * down;
}

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

/* One row of a cell of 8 bits; `left` and `right` are the weights per column, `up` and `down` those of the row. */
static inline void medfast_blend_u8(const uint8_t *MEDFAST_RESTRICT line, ptrdiff_t n, uint8_t origin, uint8_t lowest,
                             const uint32_t *MEDFAST_RESTRICT cell, const float *MEDFAST_RESTRICT left,
                             const float *MEDFAST_RESTRICT right, float up, float down, uint8_t *MEDFAST_RESTRICT out)
{
    uint32_t words[MEDFAST_CHUNK];
    ptrdiff_t start, i;
    for (start = 0; start < n; start += MEDFAST_CHUNK) {
        const ptrdiff_t stop = n - start < MEDFAST_CHUNK ? n - start : MEDFAST_CHUNK;
        for (i = 0; i < stop; i++)
            words[i] = cell[(uint8_t)(line[start + i] - origin)];
        for (i = 0; i < stop; i++)
            out[start + i] = (uint8_t)(medfast_round(medfast_mean(
                (float)(int32_t)(words[i] & 255), (float)(int32_t)(words[i] >> 8 & 255),
                (float)(int32_t)(words[i] >> 16 & 255), (float)(int32_t)(words[i] >> 24), left[start + i],
                right[start + i], up, down)) + lowest);
    }
}

/* The same for 16 bits, signed or not: the level of a pixel is its value minus `origin`, modulo 65 536; `lowest` is added to
   the result. The two words of a pixel come from `cell`, or where that is NULL from the four tables. */
static inline void medfast_blend_u16(const uint16_t *MEDFAST_RESTRICT line, ptrdiff_t n, uint16_t origin, uint16_t lowest,
                              const uint32_t *MEDFAST_RESTRICT cell, const uint16_t *const tables[4],
                              const float *MEDFAST_RESTRICT left, const float *MEDFAST_RESTRICT right, float up,
                              float down, uint16_t *MEDFAST_RESTRICT out)
{
    const uint16_t *const upper_left = tables[0], *const upper_right = tables[1];
    const uint16_t *const lower_left = tables[2], *const lower_right = tables[3];
    uint32_t upper[MEDFAST_CHUNK], lower[MEDFAST_CHUNK];
    ptrdiff_t start, i;
    for (start = 0; start < n; start += MEDFAST_CHUNK) {
        const ptrdiff_t stop = n - start < MEDFAST_CHUNK ? n - start : MEDFAST_CHUNK;
        for (i = 0; i < stop; i++) {
            const uint16_t level = (uint16_t)(line[start + i] - origin);
            if (cell) {
                upper[i] = cell[2 * (size_t)level];
                lower[i] = cell[2 * (size_t)level + 1];
            } else {
                upper[i] = upper_left[level] | (uint32_t)upper_right[level] << 16;
                lower[i] = lower_left[level] | (uint32_t)lower_right[level] << 16;
            }
        }
        for (i = 0; i < stop; i++)
            out[start + i] = (uint16_t)(medfast_round(medfast_mean((float)(int32_t)(upper[i] & 65535),
                                                                   (float)(int32_t)(upper[i] >> 16),
                                                                   (float)(int32_t)(lower[i] & 65535),
                                                                   (float)(int32_t)(lower[i] >> 16), left[start + i],
                                                                   right[start + i], up, down)) +
                                        lowest);
    }
}

#endif
