/* CLAHE of bytes in vectors of 64 pixels, on CPUs with AVX-512 VBMI, which level v4 does not ask for: the same bits.

   The four tables of a cell are 256 bytes each. One `vpermb` looks 64 pixels up in 64 entries; a table takes four, each
   but the first under a mask of those pixels whose upper bits choose it. The mean of whole numbers is that of clahe.h.
   What bounds it is one permutation a cycle: 0.16 ns a pixel against 0.45 for look-ups one by one and their mean, with
   wide weights 0.26. Tried: pairs of tiles side by side by shifts and blends (0.20); the counting of the next row of
   tiles between the vectors, which waits for stores while these wait for permutations (a tenth of the whole). */
#ifndef MEDFAST_CLAHE_BYTES_H
#define MEDFAST_CLAHE_BYTES_H

#include "clahe.h"

enum { MEDFAST_BLEND_LANES = 64, MEDFAST_BLEND_WORDS = 64 }; /* pixels, and 32-bit words of weights, in a vector */

#if defined(__AVX512BW__) && (defined(__GNUC__) || defined(_MSC_VER))
#include <immintrin.h>

/* The tables of a cell one after the other, as bytes. */
static inline void medfast_pack_bytes(const uint16_t *const tables[4], uint8_t *cell)
{
    int which, i;
    for (which = 0; which < 4; which++)
        for (i = 0; i < 256; i += 32)
            _mm256_storeu_si256((__m256i *)(cell + 256 * which + i),
                                _mm512_cvtepi16_epi8(_mm512_loadu_si512(tables[which] + i)));
}

/* Weights of columns as vectors take them. Of 64 pixels those of `unpacklo`, which are the first eight of each sixteen,
   stand before those of `unpackhi`; two bytes a pixel, 128 for the fine weights, then 128 for the coarse ones. */
static inline void medfast_blend_weights(const int64_t *bounds, ptrdiff_t n_cells, const uint32_t *coarse,
                                         const uint32_t *fine, uint32_t *weights)
{
    uint16_t *slot = (uint16_t *)weights;
    ptrdiff_t cell;
    int64_t first, i;
    for (cell = 0; cell < n_cells; cell++)
        for (first = bounds[cell]; first < bounds[cell + 1]; first += MEDFAST_BLEND_LANES) {
            memset(slot, 0, MEDFAST_BLEND_WORDS * sizeof(uint32_t));
            for (i = 0; i < MEDFAST_BLEND_LANES && first + i < bounds[cell + 1]; i++) {
                const int64_t place = (i >> 4) * 8 + (i & 7) + (i & 8) * 4;
                slot[place] = (uint16_t)fine[first + i];
                slot[64 + place] = (uint16_t)coarse[first + i];
            }
            slot += 2 * MEDFAST_BLEND_WORDS;
        }
}

/* What float32 makes of the pixels of a vector. */
static void medfast_blend_in_doubt(const uint8_t looked_up[4][64], ptrdiff_t n, const float *left, const float *right,
                                   float up, float down, uint8_t *out)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        out[i] = (uint8_t)medfast_round(medfast_mean(looked_up[0][i], looked_up[1][i], looked_up[2][i],
                                                     looked_up[3][i], left[i], right[i], up, down));
}

#define MEDFAST_SUMS(upper, lower)                                                                                     \
    sums[0] = _mm512_madd_epi16(_mm512_unpacklo_epi16(upper[0], lower[0]), rows);                                      \
    sums[1] = _mm512_madd_epi16(_mm512_unpackhi_epi16(upper[0], lower[0]), rows);                                      \
    sums[2] = _mm512_madd_epi16(_mm512_unpacklo_epi16(upper[1], lower[1]), rows);                                      \
    sums[3] = _mm512_madd_epi16(_mm512_unpackhi_epi16(upper[1], lower[1]), rows)

/* The sums of 64 pixels over four tables, four vectors of 32 bits in the order that packing twice undoes. */
MEDFAST_VBMI static inline void medfast_blend_sums(__m512i pixels_ul, __m512i pixels_ur, __m512i pixels_ll,
                                                   __m512i pixels_lr, const uint8_t *weights, __m512i rows,
                                                   int is_split, __m512i sums[4])
{
    const __m512i up[2] = {_mm512_unpacklo_epi8(pixels_ul, pixels_ur), _mm512_unpackhi_epi8(pixels_ul, pixels_ur)};
    const __m512i low[2] = {_mm512_unpacklo_epi8(pixels_ll, pixels_lr), _mm512_unpackhi_epi8(pixels_ll, pixels_lr)};
    __m512i upper[2], lower[2];
    int i;
    for (i = 0; i < 2; i++) {
        const __m512i fine = _mm512_loadu_si512(weights + 64 * i);
        upper[i] = _mm512_maddubs_epi16(up[i], fine);
        lower[i] = _mm512_maddubs_epi16(low[i], fine);
    }
    MEDFAST_SUMS(upper, lower);
    if (is_split) {
        const __m512i fine[4] = {sums[0], sums[1], sums[2], sums[3]};
        for (i = 0; i < 2; i++) {
            const __m512i coarse = _mm512_loadu_si512(weights + 128 + 64 * i);
            upper[i] = _mm512_maddubs_epi16(up[i], coarse);
            lower[i] = _mm512_maddubs_epi16(low[i], coarse);
        }
        MEDFAST_SUMS(upper, lower);
        for (i = 0; i < 4; i++)
            sums[i] = _mm512_add_epi32(fine[i], _mm512_slli_epi32(sums[i], MEDFAST_SHARE_BITS));
    }
}

MEDFAST_VBMI static inline __m512i medfast_blend_levels(const __m512i sums[4], __m512 unit, __m512 bias)
{
    const __m512i first = _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[0]), unit, bias));
    const __m512i second = _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[1]), unit, bias));
    const __m512i third = _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[2]), unit, bias));
    const __m512i fourth = _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[3]), unit, bias));
    return _mm512_packus_epi16(_mm512_packus_epi32(first, second), _mm512_packus_epi32(third, fourth));
}

MEDFAST_VBMI static inline void medfast_blend_line(const uint8_t *line, const int64_t *bounds, ptrdiff_t n_cells,
                                                   const uint8_t *cells, const uint8_t *weights,
                                                   const medfast_shares *shares, int is_split, int is_exact,
                                                   const float *left, const float *right, float up, float down,
                                                   uint8_t *out)
{
    const __m512i rows = _mm512_set1_epi32(shares->rows);
    const __m512 unit = _mm512_set1_ps(shares->unit), doubt = _mm512_set1_ps(0.5f - shares->tie);
    ptrdiff_t cell;
    int64_t first;
    for (cell = 0; cell < n_cells; cell++, cells += 1024)
        for (first = bounds[cell]; first < bounds[cell + 1]; first += MEDFAST_BLEND_LANES, weights += 256) {
            const int64_t n = bounds[cell + 1] - first;
            const __mmask64 present = n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0;
            const __m512i pixels = _mm512_maskz_loadu_epi8(present, line + first);
            const __mmask64 bit7 = _mm512_movepi8_mask(pixels);
            const __mmask64 bit6 = _mm512_movepi8_mask(_mm512_add_epi8(pixels, pixels));
            const __m512i upper_left = medfast_entries(cells, pixels, bit6, bit7);
            const __m512i upper_right = medfast_entries(cells + 256, pixels, bit6, bit7);
            const __m512i lower_left = medfast_entries(cells + 512, pixels, bit6, bit7);
            const __m512i lower_right = medfast_entries(cells + 768, pixels, bit6, bit7);
            __m512i sums[4], levels;
            medfast_blend_sums(upper_left, upper_right, lower_left, lower_right, weights, rows, is_split, sums);
            if (is_exact)
                levels = medfast_blend_levels(sums, unit, _mm512_setzero_ps());
            else
                levels = medfast_blend_levels(sums, unit, doubt);
            _mm512_mask_storeu_epi8(out + first, present, levels);
            if (!is_exact) {
                const __m512i others = medfast_blend_levels(sums, unit, _mm512_sub_ps(_mm512_setzero_ps(), doubt));
                if (MEDFAST_RARE(_mm512_mask_cmpneq_epi8_mask(present, levels, others))) {
                    uint8_t looked_up[4][64];
                    _mm512_storeu_si512(looked_up[0], upper_left);
                    _mm512_storeu_si512(looked_up[1], upper_right);
                    _mm512_storeu_si512(looked_up[2], lower_left);
                    _mm512_storeu_si512(looked_up[3], lower_right);
                    medfast_blend_in_doubt(looked_up, n < 64 ? n : 64, left + first, right + first, up, down,
                                           out + first);
                }
            }
        }
}

/* The pixels of a row, given its weights; `cells` are 1024 bytes each. */
MEDFAST_VBMI static void medfast_blend_row(const uint8_t *line, const int64_t *bounds, ptrdiff_t n_cells,
                                           const uint32_t *cells, const uint32_t *weights,
                                           const medfast_shares *shares, const float *left, const float *right,
                                           float up, float down, uint8_t *out)
{
    const uint8_t *const tables = (const uint8_t *)cells, *const packed = (const uint8_t *)weights;
    if (shares->tie >= 1.0f)
        medfast_blend_line(line, bounds, n_cells, tables, packed, shares, shares->is_split, 1, left, right, up, down,
                           out);
    else if (shares->is_split)
        medfast_blend_line(line, bounds, n_cells, tables, packed, shares, 1, 0, left, right, up, down, out);
    else
        medfast_blend_line(line, bounds, n_cells, tables, packed, shares, 0, 0, left, right, up, down, out);
}

#else

static inline void medfast_pack_bytes(const uint16_t *const tables[4], uint8_t *cell)
{
    (void)tables, (void)cell;
}
static inline void medfast_blend_weights(const int64_t *bounds, ptrdiff_t n_cells, const uint32_t *coarse,
                                         const uint32_t *fine, uint32_t *weights)
{
    (void)bounds, (void)n_cells, (void)coarse, (void)fine, (void)weights;
}
static void medfast_blend_row(const uint8_t *line, const int64_t *bounds, ptrdiff_t n_cells, const uint32_t *cells,
                              const uint32_t *weights, const medfast_shares *shares, const float *left,
                              const float *right, float up, float down, uint8_t *out)
{
    (void)line, (void)bounds, (void)n_cells, (void)cells, (void)weights, (void)shares, (void)left, (void)right;
    (void)up, (void)down, (void)out;
}

#endif

#endif
