/* Row steps of src/resample_area.pyx. */
#ifndef MEDFAST_RESAMPLE_AREA_H
#define MEDFAST_RESAMPLE_AREA_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSSE3__) || defined(__AVX2__) || defined(__AVX512BW__)
#include <immintrin.h>
#endif

#if defined(_MSC_VER)
#define MEDFAST_RESTRICT __restrict
#else
#define MEDFAST_RESTRICT restrict
#endif

/* Mean of two by two pixels of one channel, rounded half up. Multiply-adds by one add neighbours: from 512² to 256²
 * in 3.3 µs, where the compiler's own vectors take 12 (AVX2). 512-bit vectors gained nothing over 256-bit ones. */
static void medfast_halve(const uint8_t *MEDFAST_RESTRICT top, const uint8_t *MEDFAST_RESTRICT bottom, ptrdiff_t n,
                          uint8_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i = 0;
#if defined(__AVX2__)
    const __m256i ones = _mm256_set1_epi8(1), two = _mm256_set1_epi16(2);
#define PAIRS(row, at) _mm256_maddubs_epi16(_mm256_loadu_si256((const __m256i *)((row) + (at))), ones)
    for (; i <= n - 32; i += 32) {
        __m256i a = _mm256_add_epi16(PAIRS(top, 2 * i), PAIRS(bottom, 2 * i));
        __m256i b = _mm256_add_epi16(PAIRS(top, 2 * i + 32), PAIRS(bottom, 2 * i + 32));
        a = _mm256_srli_epi16(_mm256_add_epi16(a, two), 2);
        b = _mm256_srli_epi16(_mm256_add_epi16(b, two), 2);
        _mm256_storeu_si256((__m256i *)(out + i), _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xD8));
    }
#undef PAIRS
#elif defined(__SSSE3__)
    const __m128i ones = _mm_set1_epi8(1), two = _mm_set1_epi16(2);
#define PAIRS(row, at) _mm_maddubs_epi16(_mm_loadu_si128((const __m128i *)((row) + (at))), ones)
    for (; i <= n - 16; i += 16) {
        __m128i a = _mm_add_epi16(PAIRS(top, 2 * i), PAIRS(bottom, 2 * i));
        __m128i b = _mm_add_epi16(PAIRS(top, 2 * i + 16), PAIRS(bottom, 2 * i + 16));
        a = _mm_srli_epi16(_mm_add_epi16(a, two), 2);
        b = _mm_srli_epi16(_mm_add_epi16(b, two), 2);
        _mm_storeu_si128((__m128i *)(out + i), _mm_packus_epi16(a, b));
    }
#undef PAIRS
#endif
    for (; i < n; i++)
        out[i] = (uint8_t)((top[2 * i] + top[2 * i + 1] + bottom[2 * i] + bottom[2 * i + 1] + 2) >> 2);
}

/* totals[i] = sum of `n_rows` rows, `stride` bytes apart: no more than 256 of them, so that 16 bits hold it. */
static void medfast_add_rows(const uint8_t *MEDFAST_RESTRICT rows, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n,
                             uint16_t *MEDFAST_RESTRICT totals)
{
    ptrdiff_t i, k;
    for (i = 0; i < n; i++)
        totals[i] = rows[i];
    for (k = 1; k + 1 < n_rows; k += 2) {
        const uint8_t *MEDFAST_RESTRICT a = rows + k * stride, *MEDFAST_RESTRICT b = a + stride;
        for (i = 0; i < n; i++)
            totals[i] = (uint16_t)(totals[i] + a[i] + b[i]);
    }
    if (k < n_rows)
        for (i = 0; i < n; i++)
            totals[i] = (uint16_t)(totals[i] + rows[k * stride + i]);
}

/* sums[i] += sum of `wide` neighbouring totals of one channel; the last sum may have fewer. */
static void medfast_add_neighbours(const uint16_t *MEDFAST_RESTRICT totals, ptrdiff_t n_totals, ptrdiff_t wide,
                                   ptrdiff_t n_channels, int32_t *MEDFAST_RESTRICT sums)
{
    const ptrdiff_t n_cols = n_totals / (wide * n_channels);
    ptrdiff_t col, channel, k;
#define CASE(constant)                                        \
    if (wide == constant && n_channels == 1) {                \
        for (col = 0; col < n_cols; col++) {                  \
            int32_t sum = 0;                                  \
            for (k = 0; k < constant; k++)                    \
                sum += totals[col * constant + k];            \
            sums[col] += sum;                                 \
        }                                                     \
    } else
    CASE(2)
    CASE(3)
    CASE(4)
#undef CASE
    for (col = 0; col < n_cols; col++)
        for (k = 0; k < wide; k++)
            for (channel = 0; channel < n_channels; channel++)
                sums[col * n_channels + channel] += totals[(col * wide + k) * n_channels + channel];
    for (k = n_cols * wide * n_channels; k < n_totals; k++)
        sums[n_cols * n_channels + k % n_channels] += totals[k];
}

/* out[i] = mean of `count` pixels: half up (of four), or half to even after a float32 product or quotient, as OpenCV.
 * */
static void medfast_mean(const int32_t *MEDFAST_RESTRICT sums, ptrdiff_t n, int32_t count, int is_whole, int half_up,
                         uint8_t *MEDFAST_RESTRICT out)
{
    const float scale = 1.0f / (float)count, divisor = (float)count;
    ptrdiff_t i;
    if (is_whole && half_up)
        for (i = 0; i < n; i++)
            out[i] = (uint8_t)((sums[i] + 2) >> 2);
    else if (is_whole)
        for (i = 0; i < n; i++)
            out[i] = (uint8_t)(int32_t)rintf((float)sums[i] * scale);
    else
        for (i = 0; i < n; i++)
            out[i] = (uint8_t)(int32_t)rintf((float)sums[i] / divisor);
}

/* line[i] = sum over taps of weight times pixel, in float32, tap after tap. The first `n_safe` outputs may read four
 * bytes at each tap. Of one channel the taps of an output are neighbours (unused ones weigh nothing): four come with
 * one read. */
static void medfast_area_line(const uint8_t *MEDFAST_RESTRICT row, const int32_t *MEDFAST_RESTRICT columns,
                              const float *MEDFAST_RESTRICT weights, ptrdiff_t n_taps, ptrdiff_t n, ptrdiff_t n_safe,
                              int one_channel, float *MEDFAST_RESTRICT line)
{
    ptrdiff_t i = 0, k;
#if defined(__AVX512BW__)
    const __m512i low = _mm512_set1_epi32(255);
    for (; i <= n_safe - 16; i += 16) {
        __m512 sum = _mm512_setzero_ps();
        __m512i bytes = _mm512_setzero_si512();
        for (k = 0; k < n_taps; k++) {
            if (one_channel && k % 4)
                bytes = _mm512_srli_epi32(bytes, 8);
            else if (one_channel)
                bytes = _mm512_i32gather_epi32(_mm512_loadu_si512(columns + i), row + k, 1);
            else
                bytes = _mm512_i32gather_epi32(_mm512_loadu_si512(columns + k * n + i), row, 1);
            sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_and_si512(bytes, low)),
                                                   _mm512_loadu_ps(weights + k * n + i)));
        }
        _mm512_storeu_ps(line + i, sum);
    }
#elif defined(__AVX2__)
    const __m256i low = _mm256_set1_epi32(255);
#define GATHER(from, at) _mm256_i32gather_epi32((const int *)(from), _mm256_loadu_si256((const __m256i *)(at)), 1)
    for (; i <= n_safe - 8; i += 8) {
        __m256 sum = _mm256_setzero_ps();
        __m256i bytes = _mm256_setzero_si256();
        for (k = 0; k < n_taps; k++) {
            if (one_channel && k % 4)
                bytes = _mm256_srli_epi32(bytes, 8);
            else if (one_channel)
                bytes = GATHER(row + k, columns + i);
            else
                bytes = GATHER(row, columns + k * n + i);
            sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_and_si256(bytes, low)),
                                                   _mm256_loadu_ps(weights + k * n + i)));
        }
        _mm256_storeu_ps(line + i, sum);
    }
#undef GATHER
#else
    (void)n_safe, (void)one_channel;
#endif
    for (; i < n; i++) {
        float sum = 0;
        for (k = 0; k < n_taps; k++)
            sum += (float)row[columns[k * n + i]] * weights[k * n + i];
        line[i] = sum;
    }
}

/* totals[i] += weight · line[i], in float32; `first` begins anew. */
static void medfast_add_line(const float *MEDFAST_RESTRICT line, float weight, int first, ptrdiff_t n,
                             float *MEDFAST_RESTRICT totals)
{
    ptrdiff_t i;
    if (first)
        for (i = 0; i < n; i++)
            totals[i] = weight * line[i];
    else
        for (i = 0; i < n; i++)
            totals[i] += weight * line[i];
}

static void medfast_round_line(const float *MEDFAST_RESTRICT totals, ptrdiff_t n, uint8_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        int32_t value = (int32_t)rintf(totals[i]);
        out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

#endif
