/* Non-local means of uint8 by L2, in 16-bit sums: the whole inner loop, for one block of rows.

   A patch's summed squared distance D fits 16 bits only if it is small, but D matters only while its weight is not
   zero. Where every D >= 65535 has weight zero, *saturating* sums of uint16 are exact: what saturates has weight
   zero either way. That doubles the lanes of an int32 sum. Nothing can be taken away from a saturated sum again, so
   a box sum is no running sum but a sum of pair sums: with t(k) = s(k) + s(k + 1), s(0) + ... + s(6) = t(0) + t(2) +
   t(4) + s(6), and t serves all positions.

   The weights of two shifts dx and dx + 1 are put into one register of dwords, one for the even and one for the odd
   pixels: dword (w(dx), w(dx + 1)) times (p(x + dx), p(x + dx + 1)) is one pmaddwd, and the second factor just a
   load.

   Measured on 512 x 512, patch 7, search 21, h = 10, one thread, times OpenCV 4.14: v4 5.6, v3 3.5, v2 2.1, where
   the int32 loops of nlm.pyx reach 1.0, 0.9 and 0.7. */
#ifndef MEDFAST_NLM_NARROW_H
#define MEDFAST_NLM_NARROW_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nlm_vectors.h"

enum {
    NLM_BLOCK_ROWS = 32, /* few: the rows above a block weigh more; 16, 32 and 64 took 21.9, 19.7 and 19.4 ms */
    NLM_GROUP = 6,       /* shifts, even, whose column sums are held at a time; 4 and 8 are within 5 % */
    NLM_SPLIT = 32       /* entries of each factor of the split table */
};

typedef struct {
    const uint16_t *padded;                             /* (frames, channels, rows, cols) */
    ptrdiff_t frame_stride, channel_stride, row_stride; /* in pixels */
    ptrdiff_t n_frames, n_channels, n_cols, patch_radius, search_radius;
    const int32_t *table; /* weight of a distance >> shift */
    int shift;
    int is_split;                         /* whether `high` and `low` hold */
    int offset;                           /* added to distances before they index `high` and `low` */
    float high[NLM_SPLIT], low[NLM_SPLIT]; /* table[i] = round(high[j >> 5] low[j & 31]), j = i + (offset >> shift) */
} nlm_narrow;

static ptrdiff_t nlm_round_up(ptrdiff_t n, ptrdiff_t unit) { return (n + unit - 1) / unit * unit; }

/* Whether 16-bit sums are exact: weight zero from 65535 on, and weights that fit a signed word. */
static int nlm_is_narrow(const int32_t *table, ptrdiff_t n_entries, int shift)
{
    ptrdiff_t last = 65535 >> shift;
    return NLM_LANES > 0 && n_entries > last && table[last] == 0 && table[0] <= 32767;
}

#if NLM_LANES > 0

/* The table as a product: exp(-(32 a + b) r) = exp(-32 a r) exp(-b r), rounded, is right for every entry or not used
   at all. The zeros at its end are made to begin at a whole 32, so that they are zeros of the first factor. About
   one strength in twenty needs its factor nudged by an ulp or two. */
static void nlm_split_table(nlm_narrow *n, double rate)
{
    int n_used = 0, limit = 65536 >> n->shift, start, nudge, a, i;
    n->is_split = 0;
    if (limit > NLM_SPLIT * NLM_SPLIT)
        return;
    while (n_used < limit && n->table[n_used] > 0)
        n_used++;
    start = (NLM_SPLIT - n_used % NLM_SPLIT) % NLM_SPLIT;
    if (start + n_used > limit - NLM_SPLIT) /* what saturates has the index limit - 1, and must meet a zero there */
        return;
    n->offset = start << n->shift;
    for (nudge = 0; nudge < 16 && !n->is_split; nudge++) {
        for (a = 0; a < NLM_SPLIT; a++) {
            double scale = 1.0 + (nudge % 2 ? -1.0 : 1.0) * ((nudge + 1) / 2) * 2e-8;
            n->high[a] = NLM_SPLIT * a >= start + n_used
                             ? 0.0f
                             : (float)(scale * n->table[0] * exp(-(double)(NLM_SPLIT * a - start) * rate));
            n->low[a] = (float)exp(-(double)a * rate);
        }
        n->is_split = 1;
        for (i = 0; i < n_used; i++) {
            int j = i + start;
            float product = n->high[j / NLM_SPLIT] * n->low[j % NLM_SPLIT];
            if ((int32_t)rintf(product) != n->table[i])
                n->is_split = 0;
        }
    }
}

/* Weights of the even and of the odd pixels, as dwords, from distances as words. */
#if NLM_LANES == 32
typedef struct { __m512 high[2], low[2]; } nlm_factors;

NLM_INLINE nlm_factors nlm_load_factors(const nlm_narrow *n)
{
    nlm_factors f;
    f.high[0] = _mm512_loadu_ps(n->high), f.high[1] = _mm512_loadu_ps(n->high + 16);
    f.low[0] = _mm512_loadu_ps(n->low), f.low[1] = _mm512_loadu_ps(n->low + 16);
    return f;
}

/* Two permutations of registers, which look at the low five bits of an index alone, and a product. A gather of table[i]
   in its place takes 20 cycles for 32 pixels where this takes 7. */
NLM_INLINE void nlm_weights_split(const nlm_factors *f, __m512i offset, __m128i shift, __m512i d, __m512i *even,
                                  __m512i *odd)
{
    __m512i j = _mm512_srl_epi16(_mm512_adds_epu16(d, offset), shift);
    __m512 even_low = _mm512_permutex2var_ps(f->low[0], j, f->low[1]);
    __m512 even_high = _mm512_permutex2var_ps(f->high[0], _mm512_srli_epi32(j, 5), f->high[1]);
    __m512 odd_low = _mm512_permutex2var_ps(f->low[0], _mm512_srli_epi32(j, 16), f->low[1]);
    __m512 odd_high = _mm512_permutex2var_ps(f->high[0], _mm512_srli_epi32(j, 21), f->high[1]);
    *even = _mm512_cvtps_epi32(_mm512_mul_ps(even_high, even_low));
    *odd = _mm512_cvtps_epi32(_mm512_mul_ps(odd_high, odd_low));
}

NLM_INLINE void nlm_weights_table(const int32_t *table, __m128i shift, __m512i d, __m512i *even, __m512i *odd)
{
    __m512i i = _mm512_srl_epi16(d, shift);
    *even = _mm512_i32gather_epi32(_mm512_and_si512(i, _mm512_set1_epi32(0xffff)), table, 4);
    *odd = _mm512_i32gather_epi32(_mm512_srli_epi32(i, 16), table, 4);
}
#elif NLM_LANES == 16
NLM_INLINE void nlm_weights_table(const int32_t *table, __m128i shift, __m256i d, __m256i *even, __m256i *odd)
{
    __m256i i = _mm256_srl_epi16(d, shift);
    *even = _mm256_i32gather_epi32((const int *)table, _mm256_and_si256(i, _mm256_set1_epi32(0xffff)), 4);
    *odd = _mm256_i32gather_epi32((const int *)table, _mm256_srli_epi32(i, 16), 4);
}
#else
NLM_INLINE void nlm_weights_table(const int32_t *table, __m128i shift, __m128i d, __m128i *even, __m128i *odd)
{
    __m128i i = _mm_srl_epi16(d, shift);
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(i), high = (uint64_t)_mm_extract_epi64(i, 1);
    *even = _mm_insert_epi32(_mm_cvtsi32_si128(table[low & 0xffff]), table[(low >> 32) & 0xffff], 1);
    *odd = _mm_insert_epi32(_mm_cvtsi32_si128(table[(low >> 16) & 0xffff]), table[low >> 48], 1);
    *even = _mm_insert_epi32(_mm_insert_epi32(*even, table[high & 0xffff], 2), table[(high >> 32) & 0xffff], 3);
    *odd = _mm_insert_epi32(_mm_insert_epi32(*odd, table[(high >> 16) & 0xffff], 2), table[high >> 48], 3);
}
#endif

/* Squared differences of one row and NLM_LANES columns, summed over the channels. */
NLM_INLINE nlm_vec nlm_squares(const uint16_t *a, const uint16_t *b, ptrdiff_t n_channels, ptrdiff_t channel_stride)
{
    ptrdiff_t channel;
    nlm_vec d = nlm_sub16(nlm_load(a), nlm_load(b)), sum = nlm_mul16(d, d);
    for (channel = 1; channel < n_channels; channel++) {
        d = nlm_sub16(nlm_load(a + channel * channel_stride), nlm_load(b + channel * channel_stride));
        sum = nlm_add_sat16(sum, nlm_mul16(d, d));
    }
    return sum;
}

/* Sums over the rows of the patch, for n_rows rows of one shift and NLM_LANES columns: radius 0 to 3, the pair sums
   of the last rows in registers. The whole is 1.2 times as fast as with nlm_columns_any. */
NLM_INLINE void nlm_columns(const nlm_narrow *n,
                            const uint16_t *a, /* IN   first row and column of the first patch */
                            const uint16_t *b, /* IN   the same, shifted */
                            ptrdiff_t n_rows, ptrdiff_t row_size,
                            uint16_t *columns) /* OUT  (n_rows, row_size) */
{
    const ptrdiff_t radius = n->patch_radius;
    nlm_vec t0 = nlm_zero(), t1 = t0, t2 = t0, t3 = t0, t4 = t0, last = t0; /* t(k - 6) ... t(k - 2), s(k - 1) */
    ptrdiff_t k;
    for (k = 0; k < n_rows + 2 * radius; k++) {
        nlm_vec s = nlm_squares(a, b, n->n_channels, n->channel_stride);
        if (k >= 2 * radius) {
            nlm_vec sum = s;
            if (radius >= 3)
                sum = nlm_add_sat16(sum, t0);
            if (radius >= 2)
                sum = nlm_add_sat16(sum, t2);
            if (radius >= 1)
                sum = nlm_add_sat16(sum, t4);
            nlm_store(columns, sum);
            columns += row_size;
        }
        t0 = t1, t1 = t2, t2 = t3, t3 = t4;
        t4 = nlm_add_sat16(last, s);
        last = s;
        a += n->row_stride, b += n->row_stride;
    }
}

/* The same for any radius, with the squares and the pair sums of the columns in memory. */
static void nlm_columns_any(const nlm_narrow *n, const uint16_t *a, const uint16_t *b, ptrdiff_t n_rows,
                            ptrdiff_t row_size, nlm_vec *squares, nlm_vec *pairs, uint16_t *columns)
{
    const ptrdiff_t radius = n->patch_radius;
    ptrdiff_t k, j;
    for (k = 0; k < n_rows + 2 * radius; k++) {
        nlm_vec sum = nlm_squares(a + k * n->row_stride, b + k * n->row_stride, n->n_channels, n->channel_stride);
        squares[k] = sum;
        if (k > 0)
            pairs[k - 1] = nlm_add_sat16(squares[k - 1], sum);
        if (k >= 2 * radius) {
            ptrdiff_t row = k - 2 * radius;
            for (j = 0; j < radius; j++)
                sum = nlm_add_sat16(sum, pairs[row + 2 * j]);
            nlm_store(columns + row * row_size, sum);
        }
    }
}

/* Weights of one row and a group of shifts: box sums of the column sums, and their weights. */
NLM_INLINE void nlm_weight_rows(const nlm_narrow *n,
                                const uint16_t *columns, /* IN     (group, plane) from the row on */
                                ptrdiff_t plane, ptrdiff_t row_size, ptrdiff_t n_group, ptrdiff_t n_cols,
                                ptrdiff_t radius,
                                uint16_t *pairs,   /* INOUT  (row_size,) */
                                uint16_t *weights, /* OUT    (group, row_size) */
                                int is_split)
{
    ptrdiff_t x, g, j;
    const __m128i shift = _mm_cvtsi32_si128(n->shift);
#if NLM_LANES == 32
    const nlm_factors factors = nlm_load_factors(n);
    const nlm_vec offset = _mm512_set1_epi16((short)n->offset);
#endif
    for (g = 0; g < n_group; g++) {
        const uint16_t *c = columns + g * plane;
        for (x = 0; x < n_cols + 2 * radius && radius > 0; x += NLM_LANES)
            nlm_store(pairs + x, nlm_add_sat16(nlm_load(c + x), nlm_load(c + x + 1)));
        for (x = 0; x < n_cols; x += NLM_LANES) {
            nlm_vec d = nlm_load(c + x + 2 * radius), even, odd;
            for (j = 0; j < radius; j++)
                d = nlm_add_sat16(d, nlm_load(pairs + x + 2 * j));
#if NLM_LANES == 32
            if (is_split)
                nlm_weights_split(&factors, offset, shift, d, &even, &odd);
            else
#endif
                nlm_weights_table(n->table, shift, d, &even, &odd);
            nlm_store(weights + g * row_size + x, nlm_or(even, nlm_high_half(odd)));
        }
    }
}

/* Pairs of shifts whose donors lie side by side: dword (low[x], high[x]) weighs dword (donors[x], donors[x + 1]). */
typedef struct {
    ptrdiff_t n;
    const uint16_t *low[NLM_GROUP / 2], *high[NLM_GROUP / 2], *donors[NLM_GROUP / 2];
} nlm_terms;

NLM_INLINE void nlm_add_terms(const nlm_terms *terms, ptrdiff_t n_cols, ptrdiff_t n_channels, ptrdiff_t channel_stride,
                              int32_t *sums, /* INOUT  (channels + 1, plane): even, odd pixels of the row */
                              ptrdiff_t plane)
{
    ptrdiff_t x, k, channel;
    const nlm_vec ones = nlm_set16(1), low_half = nlm_set32(0xffff);
    for (x = 0; x < n_cols; x += NLM_LANES) {
        int32_t *at = sums + x;
        nlm_vec value_even = nlm_load(at), value_odd = nlm_load(at + NLM_LANES / 2);
        nlm_vec weight_even = nlm_load(at + n_channels * plane);
        nlm_vec weight_odd = nlm_load(at + n_channels * plane + NLM_LANES / 2);
        for (k = 0; k < terms->n; k++) {
            const uint16_t *p = terms->donors[k] + x;
            nlm_vec low = nlm_load(terms->low[k] + x), high = nlm_load(terms->high[k] + x);
            nlm_vec even = nlm_or(nlm_and(low, low_half), nlm_high_half(high));
            nlm_vec odd = nlm_or(nlm_low_half(low), nlm_and_not(low_half, high));
            weight_even = nlm_add32(weight_even, nlm_multiply_pairs(even, ones));
            weight_odd = nlm_add32(weight_odd, nlm_multiply_pairs(odd, ones));
            value_even = nlm_add32(value_even, nlm_multiply_pairs(even, nlm_load(p)));
            value_odd = nlm_add32(value_odd, nlm_multiply_pairs(odd, nlm_load(p + 1)));
            for (channel = 1; channel < n_channels; channel++) {
                int32_t *v = at + channel * plane;
                p += channel_stride;
                nlm_store(v, nlm_add32(nlm_load(v), nlm_multiply_pairs(even, nlm_load(p))));
                v += NLM_LANES / 2;
                nlm_store(v, nlm_add32(nlm_load(v), nlm_multiply_pairs(odd, nlm_load(p + 1))));
            }
        }
        nlm_store(at, value_even);
        nlm_store(at + NLM_LANES / 2, value_odd);
        nlm_store(at + n_channels * plane, weight_even);
        nlm_store(at + n_channels * plane + NLM_LANES / 2, weight_odd);
    }
}

static ptrdiff_t nlm_scratch_row(ptrdiff_t n_cols, ptrdiff_t radius, ptrdiff_t search)
{
    return ((nlm_round_up(n_cols + 2 * radius + 2 * search, 64) / 64 + 2) | 1) * 64; /* odd, as padded_row in nlm.pyx */
}

/* Bytes of scratch for the block. */
static ptrdiff_t nlm_narrow_scratch(ptrdiff_t n_cols, ptrdiff_t radius, ptrdiff_t search)
{
    ptrdiff_t n_lines = NLM_BLOCK_ROWS + search;
    ptrdiff_t n_rows = NLM_GROUP * (n_lines + 1) + 3;
    return 2 * nlm_scratch_row(n_cols, radius, search) * n_rows + 2 * 64 * (n_lines + 2 * radius);
}

/* w(p, q) = w(q, p), so in the frame that is denoised half of the shifts give the weights of all: row y of such a
   shift (dy, dx) gives what y gains from y + dy, and what y + dy gains from y. A block needs the rows up to dy above
   it for that, which no other block has to share. */
NLM_INLINE void nlm_block_of(const nlm_narrow *n, ptrdiff_t row_start, ptrdiff_t row_stop, int is_split, int32_t *sums,
                             ptrdiff_t sums_row, uint8_t *scratch)
{
    const ptrdiff_t radius = n->patch_radius, search = n->search_radius, n_channels = n->n_channels;
    const ptrdiff_t stride = n->row_stride, n_cols = n->n_cols;
    const ptrdiff_t row_size = nlm_scratch_row(n_cols, radius, search), n_lines = NLM_BLOCK_ROWS + search;
    const ptrdiff_t plane = n_lines * row_size, sums_plane = NLM_BLOCK_ROWS * sums_row;
    const uint16_t *main = n->padded + n->n_frames / 2 * n->frame_stride + search * stride + search; /* first patch */
    nlm_vec *squares = (nlm_vec *)scratch, *column_pairs = squares + n_lines + 2 * radius;
    uint16_t *zeros = (uint16_t *)(column_pairs + n_lines + 2 * radius), *own = zeros + row_size;
    uint16_t *pairs = own + row_size, *weights = pairs + row_size, *columns = weights + NLM_GROUP * row_size;
    ptrdiff_t frame, dy, dx, g, x, y;
    nlm_terms terms;
    for (x = 0; x < row_size; x++)
        zeros[x] = 0, own[x] = (uint16_t)n->table[0];
    for (frame = 0; frame < n->n_frames; frame++) {
        const int is_main = frame == n->n_frames / 2;
        const uint16_t *other = n->padded + frame * n->frame_stride + search * stride + search;
        for (y = row_start; y < row_stop && is_main; y++) { /* each pixel with itself */
            terms.n = 1, terms.low[0] = own, terms.high[0] = zeros;
            terms.donors[0] = main + (radius + y) * stride + radius;
            nlm_add_terms(&terms, n_cols, n_channels, n->channel_stride, sums + (y - row_start) * sums_row,
                          sums_plane);
        }
        for (dy = is_main ? 0 : -search; dy <= search; dy++)
            for (dx = is_main && dy == 0 ? 1 : -search; dx <= search; dx += NLM_GROUP) {
                const ptrdiff_t n_group = search + 1 - dx < NLM_GROUP ? search + 1 - dx : NLM_GROUP;
                const ptrdiff_t last = dx + n_group - 1;
                /* columns and rows of the pixels p, of which the block's are p or p + (dy, dx) */
                const ptrdiff_t left = is_main && last > 0 ? -last : 0;
                const ptrdiff_t right = n_cols + (is_main && dx < 0 ? -dx : 0);
                const ptrdiff_t top = is_main ? row_start - dy : row_start, shift = dy * stride + dx;
                for (x = left; x < right + 2 * radius; x += NLM_LANES)
                    for (g = 0; g < n_group; g++) { /* innermost: their pixels are mostly the same */
                        const uint16_t *a = main + top * stride + x, *b = other + top * stride + shift + g + x;
                        uint16_t *target = columns + g * plane + x - left;
                        if (radius <= 3)
                            nlm_columns(n, a, b, row_stop - top, row_size, target);
                        else
                            nlm_columns_any(n, a, b, row_stop - top, row_size, squares, column_pairs, target);
                    }
                for (y = top; y < row_stop; y++) {
                    const ptrdiff_t middle = (radius + y) * stride + radius;
                    terms.n = (n_group + 1) / 2;
                    nlm_weight_rows(n, columns + (y - top) * row_size, plane, row_size, n_group, right - left, radius,
                                    pairs, weights, is_split);
                    if (y >= row_start) {
                        for (g = 0; g < n_group; g += 2) {
                            terms.low[g / 2] = weights + g * row_size - left;
                            terms.high[g / 2] = g + 1 < n_group ? weights + (g + 1) * row_size - left : zeros;
                            terms.donors[g / 2] = other + middle + shift + g;
                        }
                        nlm_add_terms(&terms, n_cols, n_channels, n->channel_stride,
                                      sums + (y - row_start) * sums_row, sums_plane);
                    }
                    if (is_main && y + dy < row_stop) {
                        for (g = 0; g < n_group; g += 2) { /* of dx and dx + 1, the donor of the second comes first */
                            terms.low[g / 2] =
                                g + 1 < n_group ? weights + (g + 1) * row_size - left - (dx + g + 1) : zeros;
                            terms.high[g / 2] = weights + g * row_size - left - (dx + g);
                            terms.donors[g / 2] = main + middle - (dx + g + 1);
                        }
                        nlm_add_terms(&terms, n_cols, n_channels, n->channel_stride,
                                      sums + (y + dy - row_start) * sums_row, sums_plane);
                    }
                }
            }
    }
}

/* The block's sums, as nlm.pyx wants them: (channels + 1, NLM_BLOCK_ROWS, row_size), the last one of weights. */
static void nlm_narrow_block(const nlm_narrow *n, ptrdiff_t row_start, ptrdiff_t row_stop, int32_t *sums,
                             ptrdiff_t row_size, uint8_t *scratch)
{
    const ptrdiff_t n_lines = (n->n_channels + 1) * NLM_BLOCK_ROWS;
    ptrdiff_t line, x, k;
    memset(sums, 0, n_lines * row_size * sizeof(int32_t));
    if (n->is_split) /* a constant in each of the two, which keeps the choice out of the inner loop */
        nlm_block_of(n, row_start, row_stop, 1, sums, row_size, scratch);
    else
        nlm_block_of(n, row_start, row_stop, 0, sums, row_size, scratch);
    /* even and odd pixels back into their places */
    for (line = 0; line < n_lines; line++)
        for (x = 0; x < n->n_cols; x += NLM_LANES) {
            int32_t apart[NLM_LANES ? NLM_LANES : 1], *at = sums + line * row_size + x;
            memcpy(apart, at, sizeof(apart));
            for (k = 0; k < NLM_LANES / 2; k++) {
                at[2 * k] = apart[k];
                at[2 * k + 1] = apart[NLM_LANES / 2 + k];
            }
        }
}

#else /* no vectors known: nlm_is_narrow says no, and these are never called */
static void nlm_split_table(nlm_narrow *n, double rate) { (void)n, (void)rate; }
static ptrdiff_t nlm_narrow_scratch(ptrdiff_t n_cols, ptrdiff_t radius, ptrdiff_t search)
{
    (void)n_cols, (void)radius, (void)search;
    return 0;
}
static void nlm_narrow_block(const nlm_narrow *n, ptrdiff_t row_start, ptrdiff_t row_stop, int32_t *sums,
                             ptrdiff_t row_size, uint8_t *scratch)
{
    (void)n, (void)row_start, (void)row_stop, (void)sums, (void)row_size, (void)scratch;
}
#endif

#endif
