/* Row steps of src/resample.pyx.
 *
 * A weighted sum along a row takes its values from anywhere in it. Where the vectors of resample_lines.h do not reach,
 * they are brought into place tap by tap, so that the sums are plain loops over neighbours: where all values of 8
 * neighbouring outputs (AVX2) or 16 (AVX-512) lie within two vectors, by shuffles, otherwise one by one.
 */
#ifndef MEDFAST_RESAMPLE_H
#define MEDFAST_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(_MSC_VER)
#define MEDFAST_RESTRICT __restrict
#else
#define MEDFAST_RESTRICT restrict
#endif

/* Floats in a vector, and outputs that share a window; 0 where there are no shuffles. */
#if defined(__AVX512F__)
enum { MEDFAST_LANES = 16 };
#elif defined(__AVX2__)
enum { MEDFAST_LANES = 8 };
#else
enum { MEDFAST_LANES = 0 };
#endif

/* The least offset of each `lanes` outputs of a tap, less `base`; the vectors, 1 or 2, that hold all of theirs, or 0
 * if two do not. A row must be readable for two vectors beyond its end. */
static int medfast_spread_windows(const int32_t *MEDFAST_RESTRICT columns, ptrdiff_t n_taps, ptrdiff_t width,
                                  ptrdiff_t n, ptrdiff_t base, int lanes, int32_t *MEDFAST_RESTRICT first)
{
    ptrdiff_t tap, i, j;
    int32_t widest = 0;
    if (!lanes)
        return 0;
    for (tap = 0; tap < n_taps; tap++, columns += width)
        for (i = 0; i + lanes <= n; i += lanes) {
            int32_t low = columns[i], high = columns[i];
            for (j = i + 1; j < i + lanes; j++) {
                low = columns[j] < low ? columns[j] : low;
                high = columns[j] > high ? columns[j] : high;
            }
            widest = high - low > widest ? high - low : widest;
            first[tap * (n / lanes) + i / lanes] = (int32_t)(low - base);
        }
    return widest < lanes ? 1 : widest < 2 * lanes ? 2 : 0;
}

/* out[i] = row[columns[i] - base]. */
static void medfast_spread_float(const float *MEDFAST_RESTRICT row, ptrdiff_t base,
                                 const int32_t *MEDFAST_RESTRICT columns, ptrdiff_t n,
                                 const int32_t *MEDFAST_RESTRICT first, int n_vectors,
                                 float *MEDFAST_RESTRICT out)
{
    ptrdiff_t i = 0;
#if defined(__AVX512F__)
#define PICK(j) _mm512_sub_epi32(_mm512_loadu_si512(columns + (j)), _mm512_set1_epi32((int32_t)base + first[(j) / 16]))
    if (n_vectors == 1)
        for (; i + 16 <= n; i += 16)
            _mm512_storeu_ps(out + i, _mm512_permutexvar_ps(PICK(i), _mm512_loadu_ps(row + first[i / 16])));
    else if (n_vectors == 2)
        for (; i + 16 <= n; i += 16) {
            const float *from = row + first[i / 16];
            const __m512 low = _mm512_loadu_ps(from), high = _mm512_loadu_ps(from + 16);
            _mm512_storeu_ps(out + i, _mm512_permutex2var_ps(low, PICK(i), high));
        }
#undef PICK
#elif defined(__AVX2__)
#define PICK(j) \
    _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(columns + (j))), \
                     _mm256_set1_epi32((int32_t)base + first[(j) / 8]))
    if (n_vectors == 1)
        for (; i + 8 <= n; i += 8)
            _mm256_storeu_ps(out + i, _mm256_permutevar8x32_ps(_mm256_loadu_ps(row + first[i / 8]), PICK(i)));
    else if (n_vectors == 2)
        for (; i + 8 <= n; i += 8) {
            const float *from = row + first[i / 8];
            const __m256i pick = PICK(i);
            const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(from), pick);
            const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(from + 8), pick);
            _mm256_storeu_ps(out + i, _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(pick, 28))));
        }
#undef PICK
#else
    (void)first, (void)n_vectors;
#endif
    for (; i < n; i++)
        out[i] = row[columns[i] - base];
}

static void medfast_spread_double(const double *MEDFAST_RESTRICT row, ptrdiff_t base,
                                  const int32_t *MEDFAST_RESTRICT columns, ptrdiff_t n, const int32_t *first,
                                  int n_vectors, double *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    (void)first, (void)n_vectors;
    for (i = 0; i < n; i++)
        out[i] = row[columns[i] - base];
}

/* The nearest integer, half to even, of a value below 2^22, saturated: adding 1.5 · 2^23 leaves it in the low bits of
 * the sum, which every compiler makes vectors of. */
static inline int32_t medfast_level(float value, int32_t lowest, int32_t highest)
{
    const float shifted = value + 12582912.0f;
    int32_t level;
    memcpy(&level, &shifted, sizeof level);
    level -= 0x4B400000;
    return level < lowest ? lowest : level > highest ? highest : level;
}

#include "resample_lines.h"

#define PIXEL uint8_t
#define ELEMENT float
#define REAL float
#define STEP(name) medfast_##name##_uint8
#define STORE(value) (uint8_t)medfast_level(value, 0, 255)
#define SPREAD medfast_spread_float
#define LANES MEDFAST_LANES
#define BLOCK MEDFAST_BLOCK_FLOAT
#define PACK medfast_pack_float
#define SUMS medfast_sums_float
#include "resample_steps.h"

#define PIXEL uint16_t
#define ELEMENT float
#define REAL float
#define PAIR uint32_t
#define FIRST(pair) (int32_t)((pair) & 0xFFFF)
#define SECOND(pair) (int32_t)((pair) >> 16)
#define STEP(name) medfast_##name##_uint16
#define STORE(value) (uint16_t)medfast_level(value, 0, 65535)
#define SPREAD medfast_spread_float
#define LANES MEDFAST_LANES
#define BLOCK MEDFAST_BLOCK_FLOAT
#define PACK medfast_pack_float
#define SUMS medfast_sums_float
#include "resample_steps.h"

#define PIXEL int16_t
#define ELEMENT float
#define REAL float
#define PAIR int32_t
#define FIRST(pair) (int16_t)((pair) & 0xFFFF)
#define SECOND(pair) ((pair) >> 16)
#define STEP(name) medfast_##name##_int16
#define STORE(value) (int16_t)medfast_level(value, -32768, 32767)
#define SPREAD medfast_spread_float
#define LANES MEDFAST_LANES
#define BLOCK MEDFAST_BLOCK_FLOAT
#define PACK medfast_pack_float
#define SUMS medfast_sums_float
#include "resample_steps.h"

/* Float32 summed in float64: with AVX-512, rows are held in float64 too, for that is converted once. */
#define PIXEL float
#if defined(__AVX512F__)
#define ELEMENT double
#define SPREAD medfast_spread_double
#define LANES 0
#else
#define ELEMENT float
#define SPREAD medfast_spread_float
#define LANES MEDFAST_LANES
#endif
#define REAL double
#define STEP(name) medfast_##name##_float
#define STORE(value) (float)(value)
#define BLOCK MEDFAST_BLOCK_MIXED
#define PACK medfast_pack_mixed
#define SUMS medfast_sums_mixed
#include "resample_steps.h"

#define PIXEL double
#define ELEMENT double
#define REAL double
#define STEP(name) medfast_##name##_double
#define STORE(value) (value)
#define SPREAD medfast_spread_double
#define LANES 0
#define BLOCK MEDFAST_BLOCK_DOUBLE
#define PACK medfast_pack_double
#define SUMS medfast_sums_double
#include "resample_steps.h"

typedef struct {
    int pixel_size, sum_size; /* bytes */
    void (*prepare)(medfast_strip *);
    void (*read)(const void *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, void *);
    void (*line)(const medfast_strip *, const void *, void *);
    void (*add)(void *const *, const void *, ptrdiff_t, ptrdiff_t, int, ptrdiff_t, void *);
    void (*blend)(void *const *, const void *, ptrdiff_t, ptrdiff_t, ptrdiff_t, void *);
    void (*store)(const void *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, void *);
    void (*halve)(const void *, const void *, ptrdiff_t, void *);
} medfast_steps;

#define STEPS(kind) \
    medfast_prepare_##kind, medfast_read_##kind, medfast_line_##kind, medfast_add_##kind, medfast_blend_##kind, \
        medfast_store_##kind, medfast_halve_##kind
static const medfast_steps MEDFAST_STEPS[5] = {
    {1, 4, STEPS(uint8)}, {2, 4, STEPS(uint16)}, {2, 4, STEPS(int16)}, {4, 8, STEPS(float)}, {8, 8, STEPS(double)},
};
#undef STEPS

#endif
