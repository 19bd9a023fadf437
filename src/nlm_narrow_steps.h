/* What nlm_narrow.h does with the rows of a tile, vector by vector: sums over the columns of patches, and what pixels
   gain from weights. */
#ifndef MEDFAST_NLM_NARROW_STEPS_H
#define MEDFAST_NLM_NARROW_STEPS_H

#include <stddef.h>
#include <stdint.h>

#include "nlm_vectors.h"

enum {
    NLM_LINES = 8,                       /* of distances, held at a time, a multiple of 4; 4 and 16 take 5 % longer */
    NLM_COUNT = NLM_LANES == 32 ? 4 : 2, /* vectors of sums in registers; one takes 2 % longer */
    NLM_KEEPS = NLM_LANES == 32          /* whether registers are enough for the pixels of a block of lines */
};

#if NLM_LANES > 0

/* --- distances ------------------------------------------------------------------------------------------------- */

/* What a patch's distance is a sum of, before the sums over its rows and columns: channels and planes. In vectors. */
typedef struct {
    ptrdiff_t n_planes, plane_stride, n_channels, channel_stride;
    int norm, fold, is_near; /* whether by L1 no sum of a column can saturate */
} nlm_terms;

/* What a sum is of: differences; differences by L1 that are so small that no column's sum saturates; squares over
   2^fold; what those leave, of two shifts in the bytes of a word. */
typedef enum { NLM_WHOLE, NLM_NEAR, NLM_FOLD2, NLM_FOLD3, NLM_RESTS } nlm_parts;

NLM_INLINE nlm_vec nlm_sum(nlm_vec a, nlm_vec b, nlm_parts parts)
{
    if (parts == NLM_NEAR)
        return nlm_add16(a, b);
    return parts == NLM_RESTS ? nlm_add8(a, b) : nlm_add_sat16(a, b);
}

NLM_INLINE nlm_vec nlm_difference(nlm_vec p, nlm_vec q, int norm, nlm_parts parts, nlm_vec rests)
{
    nlm_vec d;
    if (parts == NLM_RESTS)
        return nlm_look_up8(rests, nlm_xor(p, q));
    d = nlm_sub16(p, q);
    if (parts == NLM_NEAR)
        return nlm_abs16(d);
    if (parts == NLM_FOLD2)
        return nlm_mul16_high(d, d);
    if (parts == NLM_FOLD3)
        return nlm_mul16_high(d, nlm_add16(d, d));
    return norm == 2 ? nlm_mul16(d, d) : nlm_or(nlm_sub_sat16(p, q), nlm_sub_sat16(q, p));
}

/* `n_known`: the number of channels of one plane, as a constant, or 0. */
NLM_INLINE nlm_vec nlm_summand(const nlm_terms *t, const nlm_vec *a, const nlm_vec *b, int n_known, nlm_parts parts,
                               nlm_vec rests)
{
    const int norm = n_known ? 2 : t->norm;
    const ptrdiff_t n_planes = n_known ? 1 : t->n_planes, n_channels = n_known ? n_known : t->n_channels;
    nlm_vec sum = nlm_difference(*a, *b, norm, parts, rests);
    ptrdiff_t plane, channel;
    for (plane = 0; plane < n_planes; plane++)
        for (channel = plane == 0; channel < n_channels; channel++) {
            const ptrdiff_t at = plane * t->plane_stride + channel * t->channel_stride;
            sum = nlm_sum(sum, nlm_difference(a[at], b[at], norm, parts, rests), parts);
        }
    return sum;
}

/* Sums over the rows of the patches of n lines (rounded up to 4), one vector each. Lines share pair sums P(k) =
   s(k) + s(k + 1), of every other k. */
NLM_INLINE void nlm_column(const nlm_terms *t, int n_known, const nlm_vec *a, ptrdiff_t a_stride, const nlm_vec *b,
                           ptrdiff_t b_stride, ptrdiff_t n, ptrdiff_t radius, nlm_parts parts, nlm_vec rests,
                           nlm_vec offset, nlm_vec *out, ptrdiff_t out_stride)
{
#define S(k) nlm_summand(t, a + (k) * a_stride, b + (k) * b_stride, n_known, parts, rests)
    nlm_vec s0, s2, s4, p1, p3, last, x, y, z, pair, next, shared, upper, lower; /* last: s(2 radius - 1) */
    ptrdiff_t k, j;
    if (radius < 1 || radius > 3) {
        for (k = 0; k < n; k++) {
            shared = nlm_sum(offset, S(k), parts);
            for (j = 1; j <= 2 * radius; j++)
                shared = nlm_sum(shared, S(k + j), parts);
            out[k * out_stride] = shared;
        }
        return;
    }
    s0 = S(0), s2 = s4 = p1 = p3 = nlm_zero();
    last = S(2 * radius - 1);
    if (radius >= 2)
        s2 = S(2), p1 = nlm_sum(S(1), s2, parts);
    if (radius >= 3)
        s4 = S(4), p3 = nlm_sum(S(3), s4, parts);
    for (k = 0; k < n; k += radius == 3 ? 4 : 2) {
        x = S(2 * radius), y = S(2 * radius + 1), pair = nlm_sum(last, x, parts);
        if (radius == 3) {
            z = S(8), last = S(9), next = nlm_sum(y, z, parts);
            shared = nlm_sum(nlm_sum(p3, pair, parts), offset, parts);
            upper = nlm_sum(shared, p1, parts), lower = nlm_sum(shared, next, parts);
            out[0] = nlm_sum(upper, s0, parts);
            out[out_stride] = nlm_sum(upper, y, parts);
            out[2 * out_stride] = nlm_sum(lower, s2, parts);
            out[3 * out_stride] = nlm_sum(lower, last, parts);
            s0 = s4, s2 = x, s4 = z, p1 = pair, p3 = next;
        } else {
            shared = nlm_sum(pair, offset, parts);
            if (radius == 2)
                shared = nlm_sum(shared, p1, parts), p1 = pair;
            out[0] = nlm_sum(shared, s0, parts);
            out[out_stride] = nlm_sum(shared, y, parts);
            s0 = radius == 2 ? s2 : x, s2 = x, last = y;
        }
        j = radius == 3 ? 4 : 2;
        a += j * a_stride, b += j * b_stride, out += j * out_stride;
    }
#undef S
}

/* The same of `size` vectors and n_shifts shifts. All shifts of one vector come one after another: they have most of
   their pixels in common, those of p all, which is_kept loads once. What is written goes to the second-level cache, and
   is fetched a shift ahead: that saves 3 % of the whole call. */
NLM_INLINE void nlm_columns_by(const nlm_terms *t, int n_known, const nlm_vec *a, const nlm_vec *b, ptrdiff_t stride,
                               ptrdiff_t n, ptrdiff_t size, ptrdiff_t n_shifts, ptrdiff_t step,
                               ptrdiff_t radius, int is_kept, nlm_parts parts, nlm_vec rests,
                               nlm_vec offset, nlm_vec *out, ptrdiff_t out_stride, ptrdiff_t out_shift)
{
    nlm_vec kept[NLM_LINES + 6];
    ptrdiff_t v, i, k;
    for (v = 0; v < size; v++, a++, b++, out++) {
        for (k = 0; is_kept && k < n + 2 * radius; k++)
            kept[k] = a[k * stride];
        for (i = 0; i < n_shifts; i++) {
            for (k = 0; k < n; k++)
                nlm_prefetch(out + (i + 1) * out_shift + k * out_stride);
            nlm_column(t, n_known, is_kept ? kept : a, is_kept ? 1 : stride, b + i * step, stride, n, radius, parts,
                       rests, offset, out + i * out_shift, out_stride);
        }
    }
}

NLM_INLINE void nlm_columns_of(const nlm_terms *t, const nlm_vec *a, const nlm_vec *b, ptrdiff_t stride, ptrdiff_t n,
                               ptrdiff_t size, ptrdiff_t n_shifts, ptrdiff_t step, ptrdiff_t radius, nlm_parts parts,
                               nlm_vec offset, nlm_vec *out, ptrdiff_t out_stride, ptrdiff_t out_shift)
{
    static const uint8_t squares[2][16] = {/* mod 4, by p xor q mod 2 of four channels; mod 8, mod 4 of two */
                                           {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4},
                                           {0, 1, 4, 1, 1, 2, 5, 2, 4, 5, 8, 5, 1, 2, 5, 2}};
    const nlm_vec rests = nlm_load_table8(squares[t->fold == 3]);
    const int is_usual = t->n_planes == 1 && t->n_channels <= 2 && (t->norm == 2 || parts == NLM_NEAR);
    const ptrdiff_t n_known = is_usual ? t->n_channels : 0;
#define COLUMNS(r, known) \
    if (n == NLM_LINES) \
        nlm_columns_by(t, known, a, b, stride, NLM_LINES, size, n_shifts, step, r, NLM_KEEPS && known == 1 && r <= 3, \
                       parts, rests, offset, out, out_stride, out_shift); \
    else \
        nlm_columns_by(t, known, a, b, stride, n, size, n_shifts, step, r, 0, parts, rests, offset, out, out_stride, \
                       out_shift); \
    break
    switch (radius > 3 ? 0 : radius + 4 * n_known) { /* a constant in each, which unrolls the loops over it */
    case 3: COLUMNS(3, 0);
    case 2: COLUMNS(2, 0);
    case 1: COLUMNS(1, 0);
    case 7: COLUMNS(3, 1);
    case 6: COLUMNS(2, 1);
    case 5: COLUMNS(1, 1);
    case 11: COLUMNS(3, 2);
    default: COLUMNS(radius, 0);
    }
#undef COLUMNS
}

static void nlm_columns(const nlm_terms *t, const nlm_vec *a, const nlm_vec *b, ptrdiff_t stride, ptrdiff_t n,
                        ptrdiff_t size, ptrdiff_t n_shifts, ptrdiff_t radius, nlm_vec offset,
                        nlm_vec *out, ptrdiff_t out_stride, ptrdiff_t out_shift)
{
    if (t->is_near)
        nlm_columns_of(t, a, b, stride, n, size, n_shifts, 1, radius, NLM_NEAR, offset, out, out_stride, out_shift);
    else if (t->fold == 0)
        nlm_columns_of(t, a, b, stride, n, size, n_shifts, 1, radius, NLM_WHOLE, offset, out, out_stride, out_shift);
    else if (t->fold == 2)
        nlm_columns_of(t, a, b, stride, n, size, n_shifts, 1, radius, NLM_FOLD2, offset, out, out_stride, out_shift);
    else
        nlm_columns_of(t, a, b, stride, n, size, n_shifts, 1, radius, NLM_FOLD3, offset, out, out_stride, out_shift);
}

static void nlm_columns_rests(const nlm_terms *t, const nlm_vec *a, const nlm_vec *b, ptrdiff_t stride, ptrdiff_t n,
                              ptrdiff_t size, ptrdiff_t n_pairs, ptrdiff_t radius, nlm_vec *out,
                              ptrdiff_t out_stride, ptrdiff_t out_shift)
{
    nlm_columns_of(t, a, b, stride, n, size, n_pairs, 2, radius, NLM_RESTS, nlm_zero(), out, out_stride, out_shift);
}

/* --- sums of pixels and of weights -------------------------------------------------------------------------------- */

/* Pairs of weights, of donors and of masks, of the even and the odd lanes, for the sums of one line. From pair to pair
   the weights are a row away, the donors two vectors further on, or back in reverse. There the weights of a sum are
   those of the pixels dx before it, which a comb may hold in other vectors, a lane on: `places` tells where, for the
   weights of the first pair from one vector before those of the first sum on, in bytes. */
typedef struct {
    const nlm_vec *weights[2], *donors[2], *mask[2];
    ptrdiff_t weight_row;
    const int32_t *places[2];
} nlm_sources;

/* Where a row of pairs of weights, donors and masks stands, and sums of the lanes of one parity so far. */
typedef struct {
    const nlm_vec *weights, *donors, *mask;
    const int32_t *places;
    nlm_vec given[NLM_COUNT]; /* donors of the pair of shifts before, two vectors away from those to come */
    nlm_vec value[NLM_COUNT], weight[NLM_COUNT];
} nlm_gains;

NLM_INLINE nlm_vec nlm_place(const nlm_vec *row, ptrdiff_t offset)
{
    return nlm_load((const uint16_t *)((const uint8_t *)row + offset));
}

/* n pairs of shifts into `count` vectors. By has_dot, weights are added up like products; otherwise as unsigned words as
   long as they fit, less 32768 each, so that the pair of them is a signed one. In reverse the second weight of a pair is
   that of the pixel before. */
NLM_INLINE void nlm_add_pairs(const nlm_sources *s, nlm_gains *g, ptrdiff_t n, int count, int has_dot, int is_reverse,
                              int has_mask, int has_weights)
{
    const ptrdiff_t donor_step = is_reverse ? -2 : 2;
    nlm_vec words[NLM_COUNT], own, before, pair;
    ptrdiff_t k;
    int i, at;
    for (i = 0; i < count; i++)
        words[i] = nlm_zero();
    NLM_UNROLL
    for (k = 0; k < n; k++) {
        for (i = 0; i < count; i++) { /* in such an order that none is lost */
            at = is_reverse ? count - 1 - i : i;
            g->given[at] = i < count - 2 ? g->given[at + donor_step] : g->donors[at];
            NLM_KEEP(g->given[at]);
        }
        before = is_reverse ? nlm_place(g->weights, g->places[0]) : nlm_zero();
        for (i = 0; i < count; i++) {
            own = is_reverse ? nlm_place(g->weights, g->places[i + 1]) : g->weights[i];
            NLM_KEEP(own);
            pair = is_reverse ? nlm_blend_pairs(own, before) : own;
            before = own;
            if (has_mask)
                pair = nlm_and(pair, g->mask[i]);
            if (has_weights && has_dot)
                g->weight[i] = nlm_add_products(g->weight[i], pair, nlm_set16(1), has_dot);
            else if (has_weights)
                words[i] = k == 0 ? pair : nlm_add16(words[i], pair);
            g->value[i] = nlm_add_products(g->value[i], pair, g->given[i], has_dot);
        }
        g->weights += s->weight_row, g->donors += donor_step;
        if (is_reverse)
            g->places -= 2;
        if (has_mask)
            g->mask += donor_step;
    }
    for (i = 0; i < count && has_weights && !has_dot; i++)
        g->weight[i] = nlm_add_products(g->weight[i], nlm_xor(words[i], nlm_set16(-32768)), nlm_set16(1), has_dot);
}

NLM_INLINE void nlm_add_vectors(const nlm_sources *s, ptrdiff_t v, ptrdiff_t n, ptrdiff_t n_flush, int odd, int count,
                                int has_dot, int is_reverse, int has_mask, int has_weights, nlm_vec *values,
                                nlm_vec *weights)
{
    const nlm_vec centre = nlm_set32((int)(65536 * ((n + n_flush - 1) / n_flush)));
    nlm_gains g;
    ptrdiff_t k;
    int i;
    g.weights = s->weights[odd] + (is_reverse ? 0 : v), g.places = s->places[odd] + v;
    g.donors = s->donors[odd] + v, g.mask = has_mask ? s->mask[odd] + v : NULL;
    for (i = 0; i < count; i++) {
        if (is_reverse ? i < count - 2 : i >= 2)
            g.given[i] = g.donors[i + (is_reverse ? 2 : -2)];
        g.value[i] = values[2 * (v + i) + odd];
        if (has_weights)
            g.weight[i] = weights[2 * (v + i) + odd];
        if (has_weights && !has_dot)
            g.weight[i] = nlm_add32(centre, g.weight[i]);
    }
    for (k = 0; !has_dot && k + n_flush <= n; k += n_flush)
        nlm_add_pairs(s, &g, n_flush, count, has_dot, is_reverse, has_mask, has_weights);
    if (has_dot || k < n)
        nlm_add_pairs(s, &g, n - k, count, has_dot, is_reverse, has_mask, has_weights);
    for (i = 0; i < count; i++) {
        values[2 * (v + i) + odd] = g.value[i];
        if (has_weights)
            weights[2 * (v + i) + odd] = g.weight[i];
    }
}

NLM_INLINE void nlm_add_line(const nlm_sources *s, ptrdiff_t n, ptrdiff_t size, ptrdiff_t n_flush, int has_dot,
                             int is_reverse, int has_mask, int has_weights, nlm_vec *values, nlm_vec *weights)
{
    ptrdiff_t v;
    int odd;
    for (odd = 0; odd < 2; odd++) {
        for (v = 0; v + NLM_COUNT <= size; v += NLM_COUNT)
            nlm_add_vectors(s, v, n, n_flush, odd, NLM_COUNT, has_dot, is_reverse, has_mask, has_weights, values,
                            weights);
        for (; v < size; v++)
            nlm_add_vectors(s, v, n, n_flush, odd, 1, has_dot, is_reverse, has_mask, has_weights, values, weights);
    }
}

/* The first channel, with the weights, or one more channel; with a mask, or (`has_dot`) dot products. Of these the usual
   numbers of pairs are constants: without the ends of loops, which are hard to predict, the whole call takes 4 % less. */
static void nlm_add(const nlm_sources *s, ptrdiff_t n, ptrdiff_t size, ptrdiff_t n_flush, int has_dot, int is_reverse,
                    int has_weights, nlm_vec *values, nlm_vec *weights)
{
#define ADD(pairs, flush, dot, mask, sum) \
    if (is_reverse) \
        nlm_add_line(s, pairs, size, flush, dot, 1, mask, sum, values, weights); \
    else \
        nlm_add_line(s, pairs, size, flush, dot, 0, mask, sum, values, weights);
    if (s->mask[0]) {
        if (has_weights) {
            ADD(n, n_flush, 0, 1, 1)
        } else {
            ADD(n, n_flush, 0, 1, 0)
        }
    } else if (NLM_DOTS && has_dot) {
        if (has_weights && n == 11) {
            ADD(11, 1, 1, 0, 1)
        } else if (has_weights && n == 9) {
            ADD(9, 1, 1, 0, 1)
        } else if (has_weights) {
            ADD(n, 1, 1, 0, 1)
        } else if (n == 11) {
            ADD(11, 1, 1, 0, 0)
        } else {
            ADD(n, 1, 1, 0, 0)
        }
    } else if (!has_weights) {
        ADD(n, n_flush, 0, 0, 0)
    } else if (n_flush == 3) {
        ADD(n, 3, 0, 0, 1)
    } else {
        ADD(n, n_flush, 0, 0, 1)
    }
#undef ADD
}

#endif

#endif
