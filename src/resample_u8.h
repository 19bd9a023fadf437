/* Row steps of src/resample_u8.pyx.
 *
 * The horizontal step is a sum of weighted pixels that lie anywhere in a row. Where the taps of four neighbouring
 * outputs, or of two, lie within 16 bytes (steps of up to about four pixels, or twelve), a 16-byte load and one byte
 * shuffle per two taps bring them into place for a 16-bit multiply-add: cubic from 4096² to 1000² took 7.8 ms so, 35 ms
 * without (AVX2). Anything else, and every CPU without such a shuffle, takes the plain loop. Sums are of integers, so
 * all give the same bits.
 */
#ifndef MEDFAST_RESAMPLE_U8_H
#define MEDFAST_RESAMPLE_U8_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSSE3__) || defined(__AVX2__) || defined(__AVX512BW__)
#include <immintrin.h>
#define MEDFAST_SHUFFLES 1
#endif

#if defined(_MSC_VER)
#define MEDFAST_RESTRICT __restrict
#else
#define MEDFAST_RESTRICT restrict
#endif

#include "resample_picks.h"

enum { MEDFAST_LINEAR, MEDFAST_LINEAR_EXACT, MEDFAST_CUBIC, MEDFAST_LANCZOS4 };

/* Outputs are worked on in blocks of 16 at most: tables and lines are padded to this. */
#define MEDFAST_BLOCK 16

/* For each `n_sharing` outputs the first of 16 bytes that hold all their taps; for each output and pair of taps which
 * of these bytes to pick (as two 16-bit numbers) and the two weights. Returns 0 where the taps do not fit. */
static int medfast_windows(const int32_t *MEDFAST_RESTRICT columns, const int16_t *MEDFAST_RESTRICT weights,
                           ptrdiff_t n_taps, ptrdiff_t n, ptrdiff_t n_padded, ptrdiff_t row_bytes, int n_sharing,
                           int32_t *MEDFAST_RESTRICT first, int32_t *MEDFAST_RESTRICT picks,
                           int32_t *MEDFAST_RESTRICT packed)
{
#ifdef MEDFAST_SHUFFLES
    ptrdiff_t i, k;
    if (row_bytes < 16)
        return 0;
    for (i = 0; i < n; i += n_sharing) {
        const ptrdiff_t stop = i + n_sharing < n ? i + n_sharing : n;
        ptrdiff_t j;
        int32_t low = columns[i], high = columns[(n_taps - 1) * n + i];
        for (j = i + 1; j < stop; j++) { /* offsets rise with the tap */
            if (columns[j] < low)
                low = columns[j];
            if (columns[(n_taps - 1) * n + j] > high)
                high = columns[(n_taps - 1) * n + j];
        }
        if (low > row_bytes - 16)
            low = (int32_t)(row_bytes - 16);
        if (high - low > 15)
            return 0;
        first[i / n_sharing] = low;
    }
    for (i = (n + n_sharing - 1) / n_sharing; i < n_padded / n_sharing; i++)
        first[i] = 0;
    for (k = 0; k < n_taps / 2; k++) {
        const int32_t *even = columns + 2 * k * n, *odd = even + n;
        const int16_t *even_weights = weights + 2 * k * n, *odd_weights = even_weights + n;
        for (i = 0; i < n; i++) {
            const int32_t low = first[n_sharing == 4 ? i / 4 : i / 2];
            const uint32_t both = (uint32_t)(even[i] - low) | (uint32_t)(odd[i] - low) << 16;
            picks[k * n_padded + i] = (int32_t)(0x80008000u | both); /* 0x80 picks a zero */
            packed[k * n_padded + i] = (int32_t)((uint16_t)even_weights[i] | (uint32_t)(uint16_t)odd_weights[i] << 16);
        }
        for (; i < n_padded; i++)
            picks[k * n_padded + i] = packed[k * n_padded + i] = 0;
    }
    return 1;
#else
    (void)columns, (void)weights, (void)n_taps, (void)n, (void)n_padded, (void)row_bytes, (void)n_sharing;
    (void)first, (void)picks, (void)packed;
    return 0;
#endif
}

/* What the vertical step reads: int16 sums without their 4 low bits (linear), uint16 (linear-exact), float32 (cubic) or
 * int32 (Lanczos). */
static inline void medfast_store_sum(int mode, int32_t sum, void *line, ptrdiff_t i)
{
    if (mode == MEDFAST_LINEAR)
        ((int16_t *)line)[i] = (int16_t)(sum >> 4);
    else if (mode == MEDFAST_LINEAR_EXACT)
        ((uint16_t *)line)[i] = (uint16_t)sum;
    else if (mode == MEDFAST_CUBIC)
        ((float *)line)[i] = (float)sum;
    else
        ((int32_t *)line)[i] = sum;
}

static inline void medfast_line_plain(int mode, ptrdiff_t n_taps, const uint8_t *MEDFAST_RESTRICT row,
                                      const int32_t *MEDFAST_RESTRICT columns, const int16_t *MEDFAST_RESTRICT weights,
                                      ptrdiff_t n, void *MEDFAST_RESTRICT line)
{
    ptrdiff_t i, k;
    for (i = 0; i < n; i++) {
        int32_t sum = 0;
        for (k = 0; k < n_taps; k++)
            sum += (int32_t)row[columns[k * n + i]] * weights[k * n + i];
        medfast_store_sum(mode, sum, line, i);
    }
}

#ifdef MEDFAST_SHUFFLES
static inline void medfast_line_shuffled(int mode, ptrdiff_t n_taps, int n_sharing, const uint8_t *MEDFAST_RESTRICT row,
                                         const int32_t *MEDFAST_RESTRICT first, const int32_t *MEDFAST_RESTRICT picks,
                                         const int32_t *MEDFAST_RESTRICT packed, ptrdiff_t n_padded,
                                         void *MEDFAST_RESTRICT line)
{
    ptrdiff_t i, k;
    /* Where two outputs share a window, the first two of four numbers come from one and the others from the next. */
    const ptrdiff_t step = 4 / n_sharing, next = step - 1;
#define LOAD(j) _mm_loadu_si128((const __m128i *)(row + first[j]))
#if defined(__AVX512BW__)
#define LOAD4(at)                                                                                           \
    _mm512_inserti32x4(                                                                                     \
        _mm512_inserti32x4(_mm512_inserti32x4(_mm512_castsi128_si512(LOAD(at)), LOAD((at) + step), 1),      \
                           LOAD((at) + 2 * step), 2),                                                       \
        LOAD((at) + 3 * step), 3)
    for (i = 0; i < n_padded; i += 16) {
        const __m512i pixels = LOAD4(i / n_sharing), more = n_sharing == 4 ? pixels : LOAD4(i / n_sharing + next);
        __m512i sum = _mm512_setzero_si512();
        for (k = 0; k < n_taps / 2; k++) {
            const __m512i pick = _mm512_loadu_si512(picks + k * n_padded + i);
            __m512i pair = _mm512_shuffle_epi8(pixels, pick);
            if (n_sharing == 2)
                pair = _mm512_mask_shuffle_epi8(pair, 0xFF00FF00FF00FF00ull, more, pick);
            sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pair, _mm512_loadu_si512(packed + k * n_padded + i)));
        }
        if (mode == MEDFAST_LINEAR)
            _mm256_storeu_si256((__m256i *)((int16_t *)line + i), _mm512_cvtepi32_epi16(_mm512_srai_epi32(sum, 4)));
        else if (mode == MEDFAST_LINEAR_EXACT)
            _mm256_storeu_si256((__m256i *)((int16_t *)line + i), _mm512_cvtepi32_epi16(sum));
        else if (mode == MEDFAST_CUBIC)
            _mm512_storeu_ps((float *)line + i, _mm512_cvtepi32_ps(sum));
        else
            _mm512_storeu_si512((int32_t *)line + i, sum);
    }
#undef LOAD4
#elif defined(__AVX2__)
#define LOAD2(at) _mm256_inserti128_si256(_mm256_castsi128_si256(LOAD(at)), LOAD((at) + step), 1)
    for (i = 0; i < n_padded; i += 8) {
        const __m256i pixels = LOAD2(i / n_sharing), more = n_sharing == 4 ? pixels : LOAD2(i / n_sharing + next);
        __m256i sum = _mm256_setzero_si256();
        for (k = 0; k < n_taps / 2; k++) {
            const ptrdiff_t at = k * n_padded + i;
            const __m256i pick = _mm256_loadu_si256((const __m256i *)(picks + at));
            __m256i pair = _mm256_shuffle_epi8(pixels, pick);
            if (n_sharing == 2)
                pair = _mm256_blend_epi32(pair, _mm256_shuffle_epi8(more, pick), 0xCC);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pair, _mm256_loadu_si256((const __m256i *)(packed + at))));
        }
        if (mode == MEDFAST_LINEAR || mode == MEDFAST_LINEAR_EXACT) {
            __m256i low = mode == MEDFAST_LINEAR ? _mm256_srai_epi32(sum, 4) : sum;
            low = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x88);
            _mm_storeu_si128((__m128i *)((int16_t *)line + i), _mm256_castsi256_si128(low));
        } else if (mode == MEDFAST_CUBIC)
            _mm256_storeu_ps((float *)line + i, _mm256_cvtepi32_ps(sum));
        else
            _mm256_storeu_si256((__m256i *)((int32_t *)line + i), sum);
    }
#undef LOAD2
#else
    for (i = 0; i < n_padded; i += 4) {
        const __m128i pixels = LOAD(i / n_sharing), more = n_sharing == 4 ? pixels : LOAD(i / n_sharing + next);
        __m128i sum = _mm_setzero_si128();
        for (k = 0; k < n_taps / 2; k++) {
            const ptrdiff_t at = k * n_padded + i;
            const __m128i pick = _mm_loadu_si128((const __m128i *)(picks + at));
            __m128i pair = _mm_shuffle_epi8(pixels, pick);
            if (n_sharing == 2)
                pair = _mm_unpacklo_epi64(pair, _mm_srli_si128(_mm_shuffle_epi8(more, pick), 8));
            sum = _mm_add_epi32(sum, _mm_madd_epi16(pair, _mm_loadu_si128((const __m128i *)(packed + at))));
        }
        if (mode == MEDFAST_LINEAR || mode == MEDFAST_LINEAR_EXACT) {
            __m128i low = mode == MEDFAST_LINEAR ? _mm_srai_epi32(sum, 4) : sum;
            low = _mm_shuffle_epi8(low, _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1));
            _mm_storel_epi64((__m128i *)((int16_t *)line + i), low);
        } else if (mode == MEDFAST_CUBIC)
            _mm_storeu_ps((float *)line + i, _mm_cvtepi32_ps(sum));
        else
            _mm_storeu_si128((__m128i *)((int32_t *)line + i), sum);
    }
#endif
#undef LOAD
}
#endif

/* One input row at the output's columns; `n_sharing` outputs have a window of 16 bytes in common, or 0 if none fits. */
static void medfast_line(int mode, const uint8_t *row, const int32_t *columns, const int16_t *weights, ptrdiff_t n,
                         int n_sharing, const int32_t *first, const int32_t *picks, const int32_t *packed,
                         ptrdiff_t n_padded, void *line)
{
    /* constant mode, number of taps and sharing: the compiler unrolls each case */
#ifdef MEDFAST_SHUFFLES
#define LINE(mode, n_taps)                                                                    \
    do {                                                                                      \
        if (n_sharing == 4)                                                                   \
            medfast_line_shuffled(mode, n_taps, 4, row, first, picks, packed, n_padded, line); \
        else if (n_sharing == 2)                                                              \
            medfast_line_shuffled(mode, n_taps, 2, row, first, picks, packed, n_padded, line); \
        else                                                                                  \
            medfast_line_plain(mode, n_taps, row, columns, weights, n, line);                 \
    } while (0)
#else
#define LINE(mode, n_taps) medfast_line_plain(mode, n_taps, row, columns, weights, n, line)
    (void)n_sharing, (void)first, (void)picks, (void)packed, (void)n_padded;
#endif
    if (mode == MEDFAST_LINEAR)
        LINE(MEDFAST_LINEAR, 2);
    else if (mode == MEDFAST_LINEAR_EXACT)
        LINE(MEDFAST_LINEAR_EXACT, 2);
    else if (mode == MEDFAST_CUBIC)
        LINE(MEDFAST_CUBIC, 4);
    else
        LINE(MEDFAST_LANCZOS4, 8);
#undef LINE
}

static inline uint8_t medfast_saturate(int32_t value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One output row from the lines of its taps and their weights. */
static void medfast_column_step(int mode, void *const *lines, const int16_t *w, ptrdiff_t n,
                                uint8_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i = 0, k;
    if (mode == MEDFAST_LINEAR) {
        const int16_t *MEDFAST_RESTRICT s0 = (const int16_t *)lines[0];
        const int16_t *MEDFAST_RESTRICT s1 = (const int16_t *)lines[1];
        const int16_t w0 = w[0], w1 = w[1];
#if defined(__AVX2__)
        const __m256i v0 = _mm256_set1_epi16(w0), v1 = _mm256_set1_epi16(w1), two = _mm256_set1_epi16(2);
        for (; i <= n - 32; i += 32) {
            __m256i a = _mm256_add_epi16(_mm256_mulhi_epi16(_mm256_loadu_si256((const __m256i *)(s0 + i)), v0),
                                         _mm256_mulhi_epi16(_mm256_loadu_si256((const __m256i *)(s1 + i)), v1));
            __m256i b = _mm256_add_epi16(_mm256_mulhi_epi16(_mm256_loadu_si256((const __m256i *)(s0 + i + 16)), v0),
                                         _mm256_mulhi_epi16(_mm256_loadu_si256((const __m256i *)(s1 + i + 16)), v1));
            a = _mm256_srai_epi16(_mm256_add_epi16(a, two), 2);
            b = _mm256_srai_epi16(_mm256_add_epi16(b, two), 2);
            _mm256_storeu_si256((__m256i *)(out + i), _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xD8));
        }
#endif
        for (; i < n; i++)
            out[i] = (uint8_t)(((((int32_t)w0 * s0[i]) >> 16) + (((int32_t)w1 * s1[i]) >> 16) + 2) >> 2);
    } else if (mode == MEDFAST_LINEAR_EXACT) {
        const uint16_t *MEDFAST_RESTRICT s0 = (const uint16_t *)lines[0];
        const uint16_t *MEDFAST_RESTRICT s1 = (const uint16_t *)lines[1];
        const uint32_t w0 = (uint32_t)w[0], w1 = (uint32_t)w[1];
        for (; i < n; i++)
            out[i] = (uint8_t)((s0[i] * w0 + s1[i] * w1 + (1u << 15)) >> 16);
    } else if (mode == MEDFAST_CUBIC) {
        const float *MEDFAST_RESTRICT s0 = (const float *)lines[0], *MEDFAST_RESTRICT s1 = (const float *)lines[1];
        const float *MEDFAST_RESTRICT s2 = (const float *)lines[2], *MEDFAST_RESTRICT s3 = (const float *)lines[3];
        const float scale = 1.0f / (1 << 22);
        const float w0 = w[0] * scale, w1 = w[1] * scale, w2 = w[2] * scale, w3 = w[3] * scale;
        /* by hand: 512² to 800² took 217 µs so, 361 µs with the compiler's own vectors (AVX2) */
#if defined(__AVX512BW__)
        const __m512 v0 = _mm512_set1_ps(w0), v1 = _mm512_set1_ps(w1), v2 = _mm512_set1_ps(w2), v3 = _mm512_set1_ps(w3);
        for (; i <= n - 16; i += 16) {
            __m512 sum = _mm512_mul_ps(_mm512_loadu_ps(s3 + i), v3);
            sum = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(s2 + i), v2), sum);
            sum = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(s1 + i), v1), sum);
            sum = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(s0 + i), v0), sum);
            _mm_storeu_si128((__m128i *)(out + i), _mm512_cvtusepi32_epi8(_mm512_max_epi32(_mm512_cvtps_epi32(sum),
                                                                                           _mm512_setzero_si512())));
        }
#elif defined(__AVX2__)
        const __m256 v0 = _mm256_set1_ps(w0), v1 = _mm256_set1_ps(w1), v2 = _mm256_set1_ps(w2), v3 = _mm256_set1_ps(w3);
#define SUM(at)                                                                                                 \
    _mm256_cvtps_epi32(_mm256_add_ps(                                                                           \
        _mm256_mul_ps(_mm256_loadu_ps(s0 + (at)), v0),                                                          \
        _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(s1 + (at)), v1),                                            \
                      _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(s2 + (at)), v2),                              \
                                    _mm256_mul_ps(_mm256_loadu_ps(s3 + (at)), v3)))))
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        for (; i <= n - 32; i += 32) {
            const __m256i low = _mm256_packs_epi32(SUM(i), SUM(i + 8));
            const __m256i high = _mm256_packs_epi32(SUM(i + 16), SUM(i + 24));
            const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
            _mm256_storeu_si256((__m256i *)(out + i), bytes);
        }
#undef SUM
#elif defined(MEDFAST_SHUFFLES)
        const __m128 v0 = _mm_set1_ps(w0), v1 = _mm_set1_ps(w1), v2 = _mm_set1_ps(w2), v3 = _mm_set1_ps(w3);
#define SUM(at)                                                                                                 \
    _mm_cvtps_epi32(_mm_add_ps(_mm_mul_ps(_mm_loadu_ps(s0 + (at)), v0),                                         \
                               _mm_add_ps(_mm_mul_ps(_mm_loadu_ps(s1 + (at)), v1),                              \
                                          _mm_add_ps(_mm_mul_ps(_mm_loadu_ps(s2 + (at)), v2),                   \
                                                     _mm_mul_ps(_mm_loadu_ps(s3 + (at)), v3)))))
        for (; i <= n - 8; i += 8) {
            const __m128i words = _mm_packs_epi32(SUM(i), SUM(i + 4));
            _mm_storel_epi64((__m128i *)(out + i), _mm_packus_epi16(words, words));
        }
#undef SUM
#endif
        for (; i < n / 8 * 8; i++)
            out[i] = medfast_saturate((int32_t)rintf(s0[i] * w0 + (s1[i] * w1 + (s2[i] * w2 + s3[i] * w3))));
        for (; i < n; i++) { /* what OpenCV's vectors of eight leave over, it does in integers */
            int32_t sum = 1 << 21;
            for (k = 0; k < 4; k++)
                sum += (int32_t)((const float *)lines[k])[i] * w[k];
            out[i] = medfast_saturate(sum >> 22);
        }
    } else {
        for (; i < n; i++) {
            int32_t sum = 1 << 21;
            for (k = 0; k < 8; k++)
                sum += ((const int32_t *)lines[k])[i] * w[k];
            out[i] = medfast_saturate(sum >> 22);
        }
    }
}

#endif
