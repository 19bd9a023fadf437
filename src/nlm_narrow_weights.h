/* Weights of distances of 16 bits, for nlm_narrow.h: looked up, or multiplied. */
#ifndef MEDFAST_NLM_NARROW_WEIGHTS_H
#define MEDFAST_NLM_NARROW_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nlm_narrow_steps.h"
#include "nlm_narrow_table.h"
#include "nlm_vectors.h"

#if NLM_LANES == 32
typedef struct {
    __m512 high[2], low[2], least, magic;
    __m512i shifts[6], move;
} nlm_factors;

NLM_INLINE nlm_factors nlm_load_factors(const nlm_narrow *n)
{
    const int top = n->fold ? 3 : 6, bits = (n->shift < top ? n->shift : top) + (n->fold ? 3 : 0);
    nlm_factors f;
    f.high[0] = _mm512_loadu_ps(n->high), f.high[1] = _mm512_loadu_ps(n->high + 16);
    f.low[0] = _mm512_loadu_ps(n->low), f.low[1] = _mm512_loadu_ps(n->low + 16);
    f.magic = _mm512_set1_ps(12582912.0f); /* 3 * 2^22: what is added to it is rounded, and ends its mantissa */
    f.shifts[0] = _mm512_set1_epi32(bits), f.shifts[1] = _mm512_set1_epi32(bits + 5);
    f.shifts[2] = _mm512_set1_epi32(bits + 16), f.shifts[3] = _mm512_set1_epi32(bits + 21);
    f.shifts[4] = _mm512_set1_epi32(bits - 3), f.shifts[5] = _mm512_set1_epi32(bits + 13);
    f.least = _mm512_loadu_ps(n->least);
    f.move = _mm512_set1_epi32(0x01000100); /* the low word of each dword twice, within 128 bits */
    f.move = _mm512_add_epi32(f.move, _mm512_maskz_set1_epi32(0x2222, 0x04040404));
    f.move = _mm512_add_epi32(f.move, _mm512_maskz_set1_epi32(0x4444, 0x08080808));
    f.move = _mm512_add_epi32(f.move, _mm512_maskz_set1_epi32(0x8888, 0x0c0c0c0c));
    return f;
}

/* The weight of the low (k = 0) or high (k = 2) word of each dword of d, in the low words. Two permutations of
   registers, which look at the low five bits of an index alone, and a product; with a fold three, and two. */
NLM_INLINE __m512i nlm_product(const nlm_factors *f, __m512i d, int k, int is_folded)
{
    __m512 low = _mm512_permutex2var_ps(f->low[0], _mm512_srlv_epi32(d, f->shifts[k]), f->low[1]);
    __m512 high = _mm512_permutex2var_ps(f->high[0], _mm512_srlv_epi32(d, f->shifts[k + 1]), f->high[1]);
    if (is_folded) {
        high = _mm512_mul_ps(high, low);
        low = _mm512_permutexvar_ps(_mm512_srlv_epi32(d, f->shifts[4 + k / 2]), f->least);
    }
    return _mm512_castps_si512(_mm512_fmadd_ps(high, low, f->magic));
}

/* Pairs of weights, of the even and of the odd lanes, from the distances of two shifts: 22 instructions for 64 weights,
   0.2 cycles each, where a gather takes 0.6 and a look-up 0.7. */
NLM_INLINE void nlm_pairs_split(const nlm_factors *f, nlm_vec first, nlm_vec second, nlm_vec *even, nlm_vec *odd,
                                int is_folded)
{
    const __mmask64 high = 0xCCCCCCCCCCCCCCCC;
    *even = _mm512_mask_shuffle_epi8(nlm_product(f, first, 0, is_folded), high,
                                     nlm_product(f, second, 0, is_folded), f->move);
    *odd = _mm512_mask_shuffle_epi8(nlm_product(f, first, 2, is_folded), high,
                                    nlm_product(f, second, 2, is_folded), f->move);
}

NLM_INLINE void nlm_single_split(const nlm_factors *f, nlm_vec first, nlm_vec *even, nlm_vec *odd,
                                int is_folded)
{
    *even = _mm512_maskz_mov_epi16(0x55555555, nlm_product(f, first, 0, is_folded));
    *odd = _mm512_maskz_mov_epi16(0x55555555, nlm_product(f, first, 2, is_folded));
}
#elif NLM_LANES == 16
typedef struct {
    __m256 high[2], middle, low, magic;
    __m128i up;
    int is_up;
} nlm_factors;

NLM_INLINE nlm_factors nlm_load_factors(const nlm_narrow *n)
{
    nlm_factors f;
    f.high[0] = _mm256_loadu_ps(n->high), f.high[1] = _mm256_loadu_ps(n->high + 8);
    f.middle = _mm256_loadu_ps(n->middle), f.low = _mm256_loadu_ps(n->low);
    f.magic = _mm256_set1_ps(12582912.0f); /* 3 * 2^22: what is added to it is rounded, and ends its mantissa */
    f.is_up = n->shift < 6, f.up = _mm_cvtsi32_si128(6 - n->shift);
    return f;
}

/* The weight of the low or high word of each dword of d, in the low words: t is the ten upper bits of a word. Three
   permutations of registers, of which one takes two, as a blend looks at the upper bit alone. */
NLM_INLINE __m256i nlm_product(const nlm_factors *f, __m256i d, int is_odd)
{
    const __m256i row = _mm256_srli_epi32(d, is_odd ? 28 : 12);
    __m256 low = _mm256_permutevar8x32_ps(f->low, _mm256_srli_epi32(d, is_odd ? 22 : 6));
    __m256 middle = _mm256_permutevar8x32_ps(f->middle, _mm256_srli_epi32(d, is_odd ? 25 : 9));
    __m256 high = _mm256_blendv_ps(_mm256_permutevar8x32_ps(f->high[0], row),
                                   _mm256_permutevar8x32_ps(f->high[1], row),
                                   _mm256_castsi256_ps(is_odd ? d : _mm256_slli_epi32(d, 16)));
    return _mm256_castps_si256(_mm256_fmadd_ps(_mm256_mul_ps(high, middle), low, f->magic));
}

/* 0.41 cycles a weight, where a look-up takes 0.72, which made the whole call 1.2 times as fast. The upper bit as a
   factor of its own took 0.43, another bit 0.44 to 0.56, a fourth permutation 0.54; look-ups of every second weight at
   the same time 0.61 or more. Gathers took 0.53, of every second weight 0.35, but far more on CPUs that are guarded
   against data sampling. With a fold, four factors took as long as look-ups; with gathers for the odd lanes, the whole
   call a tenth less. */
NLM_INLINE void nlm_pairs_split(const nlm_factors *f, nlm_vec first, nlm_vec second, nlm_vec *even, nlm_vec *odd,
                                int is_folded)
{
    (void)is_folded; /* there are no factors then */
    if (f->is_up)
        first = _mm256_sll_epi16(first, f->up), second = _mm256_sll_epi16(second, f->up);
    *even = nlm_blend_pairs(nlm_product(f, first, 0), nlm_low_to_high(nlm_product(f, second, 0)));
    *odd = nlm_blend_pairs(nlm_product(f, first, 1), nlm_low_to_high(nlm_product(f, second, 1)));
}

NLM_INLINE void nlm_single_split(const nlm_factors *f, nlm_vec first, nlm_vec *even, nlm_vec *odd,
                                int is_folded)
{
    (void)is_folded;
    if (f->is_up)
        first = _mm256_sll_epi16(first, f->up);
    *even = nlm_blend_pairs(nlm_product(f, first, 0), nlm_zero());
    *odd = nlm_blend_pairs(nlm_product(f, first, 1), nlm_zero());
}
#endif

/* The same by look-ups, one pixel at a time, of two shifts or (`second` NULL) of one: loads and stores alone, where the
   rest is arithmetic. Four indices are loaded at a time, and a pair is stored as one: 0.72 cycles a weight, where one
   index and one word at a time took 1.15, and shifts of all 64 bits 0.76. */
NLM_INLINE void nlm_pairs_table(const uint32_t *low, const uint32_t *high, const uint16_t *first,
                                const uint16_t *second, ptrdiff_t n, uint32_t *even, uint32_t *odd)
{
    ptrdiff_t k;
    for (k = 0; k < n; k += 4) {
        uint64_t i, j;
        uint32_t i0, i1, j0, j1, e0, e1, o0, o1;
        memcpy(&i, first + k, sizeof(i));
        i0 = (uint32_t)i, i1 = (uint32_t)(i >> 32);
        e0 = low[i0 & 0xffff], o0 = low[i0 >> 16], e1 = low[i1 & 0xffff], o1 = low[i1 >> 16];
        if (second) {
            memcpy(&j, second + k, sizeof(j));
            j0 = (uint32_t)j, j1 = (uint32_t)(j >> 32);
            e0 |= high[j0 & 0xffff], o0 |= high[j0 >> 16], e1 |= high[j1 & 0xffff], o1 |= high[j1 >> 16];
        }
        even[k / 2] = e0, even[k / 2 + 1] = e1, odd[k / 2] = o0, odd[k / 2 + 1] = o1;
    }
}

#if NLM_LANES > 0

/* Box sums of neighbouring vectors, two at a time: what is kept of those before. */
typedef struct {
    nlm_vec last, p1, p3; /* s(2 radius - 1), P(1), P(3) of the two to come */
} nlm_window;

/* Vector v + k, of which s is v; after the last of a row come the first, a lane on. */
NLM_INLINE nlm_vec nlm_at(const nlm_vec *s, ptrdiff_t v, ptrdiff_t k, ptrdiff_t size)
{
    const uint16_t *at = (const uint16_t *)(s + k);
    return nlm_load(v + k < size ? at : at - size * NLM_LANES + 1);
}

NLM_INLINE void nlm_start(nlm_window *w, const nlm_vec *s, ptrdiff_t size, ptrdiff_t radius,
                          nlm_parts parts)
{
    w->p1 = w->p3 = w->last = nlm_zero();
    if (radius >= 1)
        w->last = nlm_at(s, 0, 2 * radius - 1, size);
    if (radius >= 2)
        w->p1 = nlm_sum(nlm_at(s, 0, 1, size), nlm_at(s, 0, 2, size), parts);
    if (radius >= 3)
        w->p3 = nlm_sum(nlm_at(s, 0, 3, size), nlm_at(s, 0, 4, size), parts);
}

NLM_INLINE void nlm_next(nlm_window *w, const nlm_vec *s, ptrdiff_t v, ptrdiff_t size, ptrdiff_t radius,
                         nlm_parts parts, nlm_vec *sums)
{
    nlm_vec pair, shared;
    s += v;
    if (radius == 0) {
        sums[0] = s[0], sums[1] = s[1];
        return;
    }
    shared = pair = nlm_sum(w->last, nlm_at(s, v, 2 * radius, size), parts);
    w->last = nlm_at(s, v, 2 * radius + 1, size);
    if (radius >= 2)
        shared = nlm_sum(shared, w->p1, parts);
    if (radius >= 3)
        shared = nlm_sum(shared, w->p3, parts);
    sums[0] = nlm_sum(shared, s[0], parts);
    sums[1] = nlm_sum(shared, w->last, parts);
    w->p1 = radius >= 3 ? w->p3 : pair;
    w->p3 = pair;
}

/* What the shifts of a line have in common. */
typedef struct {
    const nlm_narrow *narrow;
    const uint32_t *table;
    ptrdiff_t size, wrap, radius; /* vectors of a line; that after which come the first, a lane on */
    int is_split, is_folded;
#if NLM_LANES >= 16
    nlm_factors factors;
#endif
    __m128i count;
    nlm_vec fold, fold_high, low; /* factors that shift what squares leave */
    nlm_vec *indices;
} nlm_weigher;

/* Vectors v and v + 1 of it, of which only the first is there if v is the last. */
NLM_INLINE void nlm_weigh_two(const nlm_weigher *l, nlm_window *w, const nlm_vec *first, const nlm_vec *second,
                              const nlm_vec *rests, ptrdiff_t v, ptrdiff_t wrap, int is_pair, nlm_vec *even,
                              nlm_vec *odd)
{
    nlm_vec d[4], r[2];
    ptrdiff_t i;
    nlm_next(w, first, v, wrap, l->radius, NLM_WHOLE, d);
    if (l->is_folded)
        nlm_next(w + 2, rests, v, wrap, l->radius, NLM_RESTS, r);
    if (is_pair)
        nlm_next(w + 1, second, v, wrap, l->radius, NLM_WHOLE, d + 2);
    for (i = 0; i < 2; i++) {
        if (l->is_folded) {
            d[i] = nlm_add_sat16(d[i], nlm_and(nlm_mul16_high_unsigned(r[i], l->fold), l->low));
            if (is_pair)
                d[i + 2] = nlm_add_sat16(d[i + 2], nlm_mul16_high_unsigned(r[i], l->fold_high));
        }
        if (!l->is_split) { /* a vector more if their number is odd: there is room */
            l->indices[v + i] = nlm_shift16(d[i], l->count);
            if (is_pair)
                l->indices[l->size + 1 + v + i] = nlm_shift16(d[i + 2], l->count);
        }
#if NLM_LANES >= 16
        else if (v + i == l->size)
            break;
        else if (is_pair)
            nlm_pairs_split(&l->factors, d[i], d[i + 2], even + v + i, odd + v + i, l->is_folded);
        else
            nlm_single_split(&l->factors, d[i], even + v + i, odd + v + i, l->is_folded);
#endif
    }
}

/* Weights of a line of one shift or (is_pair) two, from the sums of its columns. */
NLM_INLINE void nlm_weigh_line(const nlm_weigher *l, const nlm_vec *first, const nlm_vec *second,
                               const nlm_vec *rests, int is_pair, nlm_vec *even, nlm_vec *odd)
{
    nlm_window w[3];
    ptrdiff_t v = 0;
    nlm_start(w, first, l->wrap, l->radius, NLM_WHOLE);
    if (l->is_folded)
        nlm_start(w + 2, rests, l->wrap, l->radius, NLM_RESTS);
    if (is_pair)
        nlm_start(w + 1, second, l->wrap, l->radius, NLM_WHOLE);
    for (; v + 2 * l->radius + 1 < l->size; v += 2) /* nothing comes after the last yet */
        nlm_weigh_two(l, w, first, second, rests, v, PTRDIFF_MAX, is_pair, even, odd);
    for (; v < l->size; v += 2)
        nlm_weigh_two(l, w, first, second, rests, v, l->wrap, is_pair, even, odd);
    if (!l->is_split)
        nlm_pairs_table(l->table, l->table + (65536 >> l->narrow->shift), (const uint16_t *)l->indices,
                        is_pair ? (const uint16_t *)(l->indices + l->size + 1) : NULL, l->size * NLM_LANES,
                        (uint32_t *)even, (uint32_t *)odd);
}

/* Weights of a line of n shifts, two by two: of the even lanes and, a stride on, of the odd ones. */
static void nlm_line_weights(const nlm_narrow *narrow, const uint32_t *table, const nlm_vec *columns,
                             const nlm_vec *rests, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t size, ptrdiff_t wrap,
                             ptrdiff_t radius, nlm_vec *indices, nlm_vec *weights, ptrdiff_t weight_stride)
{
    nlm_weigher l;
    ptrdiff_t shift;
    l.narrow = narrow, l.table = table, l.size = size, l.wrap = wrap, l.indices = indices;
    l.fold = nlm_set16((short)(65536 >> narrow->fold)), l.fold_high = nlm_set16((short)(256 >> narrow->fold));
    l.low = nlm_set16((short)(255 >> narrow->fold));
    l.count = _mm_cvtsi32_si128(narrow->shift);
#if NLM_LANES >= 16
    l.factors = nlm_load_factors(narrow);
#endif
#define WEIGH(r, split, folded) \
    l.radius = r, l.is_split = split, l.is_folded = folded; \
    for (shift = 0; shift + 1 < n; shift += 2) \
        nlm_weigh_line(&l, columns + shift * stride, columns + (shift + 1) * stride, rests + shift / 2 * stride, 1, \
                       weights + shift * weight_stride, weights + (shift + 1) * weight_stride); \
    if (shift < n) \
        nlm_weigh_line(&l, columns + shift * stride, NULL, rests + shift / 2 * stride, 0, \
                       weights + shift * weight_stride, weights + (shift + 1) * weight_stride); \
    break
    switch ((radius > 3 ? 0 : radius) + (narrow->is_split ? 4 : 0) + (narrow->fold ? 8 : 0)) { /* constants in each */
    case 15: WEIGH(3, 1, 1);
    case 14: WEIGH(2, 1, 1);
    case 13: WEIGH(1, 1, 1);
    case 12: WEIGH(0, 1, 1);
    case 11: WEIGH(3, 0, 1);
    case 10: WEIGH(2, 0, 1);
    case 9: WEIGH(1, 0, 1);
    case 8: WEIGH(0, 0, 1);
    case 7: WEIGH(3, 1, 0);
    case 6: WEIGH(2, 1, 0);
    case 5: WEIGH(1, 1, 0);
    case 4: WEIGH(0, 1, 0);
    case 3: WEIGH(3, 0, 0);
    case 2: WEIGH(2, 0, 0);
    case 1: WEIGH(1, 0, 0);
    default: WEIGH(0, 0, 0);
    }
#undef WEIGH
}

#endif

/* The table for that: each weight in the low word, then each in the high one; zeros after the last entry. */
static void nlm_fill_table(const nlm_narrow *n, uint32_t *table)
{
    const ptrdiff_t limit = 65536 >> n->shift;
    ptrdiff_t i;
    for (i = 0; i < limit; i++) {
        table[i] = i < n->n_entries ? (uint32_t)n->table[i] : 0;
        table[limit + i] = table[i] << 16;
    }
}

#endif
