/* What nlm_narrow.h does with the rows of a tile, vector by vector: sums over the columns of patches, and what pixels
   gain from weights. */
#ifndef MEDFAST_NLM_NARROW_STEPS_H
#define MEDFAST_NLM_NARROW_STEPS_H

#include <stddef.h>
#include <stdint.h>

#include "nlm_vectors.h"

#if NLM_LANES > 0

/* --- distances ------------------------------------------------------------------------------------------------- */

/* What a patch's distance is a sum of, before the sums over its rows and columns: channels and planes. In vectors. */
typedef struct {
    ptrdiff_t n_planes, plane_stride, n_channels, channel_stride;
    int norm;
} nlm_terms;

NLM_INLINE nlm_vec nlm_difference(nlm_vec p, nlm_vec q, int norm)
{
    nlm_vec d = nlm_sub16(p, q);
    return norm == 2 ? nlm_mul16(d, d) : nlm_or(nlm_sub_sat16(p, q), nlm_sub_sat16(q, p));
}

NLM_INLINE nlm_vec nlm_summand(const nlm_terms *t, const nlm_vec *a, const nlm_vec *b, int is_one)
{
    nlm_vec sum;
    ptrdiff_t plane, channel;
    if (is_one)
        return nlm_difference(*a, *b, 2);
    sum = nlm_zero();
    for (plane = 0; plane < t->n_planes; plane++)
        for (channel = 0; channel < t->n_channels; channel++) {
            const ptrdiff_t at = plane * t->plane_stride + channel * t->channel_stride;
            sum = nlm_add_sat16(sum, nlm_difference(a[at], b[at], t->norm));
        }
    return sum;
}

/* Sums over the rows of the patches of n lines (rounded up to 4), one vector each. Lines share pair sums P(k) =
   s(k) + s(k + 1), of every other k. Two shifts at once, which have a in common, took as long: registers run out. */
NLM_INLINE void nlm_column(const nlm_terms *t, int is_one, const nlm_vec *a, const nlm_vec *b, ptrdiff_t stride,
                           ptrdiff_t n, ptrdiff_t radius, nlm_vec offset, nlm_vec *out, ptrdiff_t out_stride)
{
#define S(k) nlm_summand(t, a + (k) * stride, b + (k) * stride, is_one)
    nlm_vec s0, s2, s4, p1, p3, last, x, y, z, pair, next, shared, upper, lower; /* last: s(2 radius - 1) */
    ptrdiff_t k, j;
    if (radius < 1 || radius > 3) {
        for (k = 0; k < n; k++) {
            shared = nlm_add_sat16(offset, S(k));
            for (j = 1; j <= 2 * radius; j++)
                shared = nlm_add_sat16(shared, S(k + j));
            out[k * out_stride] = shared;
        }
        return;
    }
    s0 = S(0), s2 = s4 = p1 = p3 = nlm_zero();
    last = S(2 * radius - 1);
    if (radius >= 2)
        s2 = S(2), p1 = nlm_add_sat16(S(1), s2);
    if (radius >= 3)
        s4 = S(4), p3 = nlm_add_sat16(S(3), s4);
    for (k = 0; k < n; k += radius == 3 ? 4 : 2) {
        x = S(2 * radius), y = S(2 * radius + 1), pair = nlm_add_sat16(last, x);
        if (radius == 3) {
            z = S(8), last = S(9), next = nlm_add_sat16(y, z);
            shared = nlm_add_sat16(nlm_add_sat16(p3, pair), offset);
            upper = nlm_add_sat16(shared, p1), lower = nlm_add_sat16(shared, next);
            out[0] = nlm_add_sat16(upper, s0);
            out[out_stride] = nlm_add_sat16(upper, y);
            out[2 * out_stride] = nlm_add_sat16(lower, s2);
            out[3 * out_stride] = nlm_add_sat16(lower, last);
            s0 = s4, s2 = x, s4 = z, p1 = pair, p3 = next;
        } else {
            shared = nlm_add_sat16(pair, offset);
            if (radius == 2)
                shared = nlm_add_sat16(shared, p1), p1 = pair;
            out[0] = nlm_add_sat16(shared, s0);
            out[out_stride] = nlm_add_sat16(shared, y);
            s0 = radius == 2 ? s2 : x, s2 = x, last = y;
        }
        j = radius == 3 ? 4 : 2;
        a += j * stride, b += j * stride, out += j * out_stride;
    }
#undef S
}

/* The same of `size` vectors and n_shifts shifts. All shifts of one vector come one after another: they have most of
   their pixels in common, which stay in the first-level cache. */
static void nlm_columns(const nlm_terms *t, const nlm_vec *a, const nlm_vec *b, ptrdiff_t stride, ptrdiff_t n,
                        ptrdiff_t size, ptrdiff_t n_shifts, ptrdiff_t radius, nlm_vec offset,
                        nlm_vec *out, ptrdiff_t out_stride, ptrdiff_t out_shift)
{
    const int is_one = t->n_planes * t->n_channels == 1 && t->norm == 2;
    ptrdiff_t v, i;
#define COLUMNS(r, one) \
    for (v = 0; v < size; v++) \
        for (i = 0; i < n_shifts; i++) \
            nlm_column(t, one, a + v, b + v + i, stride, n, r, offset, out + v + i * out_shift, out_stride); \
    break
    switch (radius > 3 ? 0 : is_one ? radius : radius + 4) { /* a constant in each, which unrolls the loops over it */
    case 3: COLUMNS(3, 1);
    case 2: COLUMNS(2, 1);
    case 1: COLUMNS(1, 1);
    case 7: COLUMNS(3, 0);
    case 6: COLUMNS(2, 0);
    case 5: COLUMNS(1, 0);
    default: COLUMNS(radius, 0);
    }
#undef COLUMNS
}

/* --- sums of pixels and of weights -------------------------------------------------------------------------------- */

/* Pairs of weights, of donors and of masks, of the even and the odd lanes, in vectors by a step from pair to pair. */
typedef struct {
    const nlm_vec *weights[2], *donors[2], *mask[2];
    ptrdiff_t weight_step, donor_step;
} nlm_sources;

/* n pairs of shifts into `count` vectors. Weights are added up as unsigned words as long as they fit, less 32768 each,
   so that the pair of them is a signed one. In reverse the second weight of a pair is that of the pixel before. */
NLM_INLINE void nlm_add_pairs(const nlm_sources *s, ptrdiff_t v, ptrdiff_t first, ptrdiff_t n, int count,
                              int is_reverse, int has_mask, int has_weights, nlm_vec *values, nlm_vec *weights)
{
    nlm_vec words[4];
    ptrdiff_t k;
    int i, odd;
    for (i = 0; i < 4; i++)
        words[i] = nlm_zero();
    for (k = first; k < first + n; k++)
        for (odd = 0; odd < 2; odd++) {
            const nlm_vec *w = s->weights[odd] + v + k * s->weight_step;
            const nlm_vec *p = s->donors[odd] + v + k * s->donor_step;
            nlm_vec before = is_reverse ? w[-1] : *w;
            for (i = 0; i < count; i++) {
                nlm_vec own = w[i], pair = own, *sum = words + 2 * i + odd, *value = values + 2 * i + odd;
                NLM_KEEP(own);
                if (is_reverse)
                    pair = nlm_blend_pairs(own, before);
                before = own;
                if (has_mask)
                    pair = nlm_and(pair, s->mask[odd][v + i + k * s->donor_step]);
                if (has_weights)
                    *sum = k == first ? pair : nlm_add16(*sum, pair);
                *value = nlm_add32(*value, nlm_multiply_pairs(pair, p[i]));
            }
        }
    for (i = 0; i < 2 * count && has_weights; i++)
        weights[i] = nlm_add32(weights[i], nlm_multiply_pairs(nlm_xor(words[i], nlm_set16(-32768)), nlm_set16(1)));
}

NLM_INLINE void nlm_add_vectors(const nlm_sources *s, ptrdiff_t v, ptrdiff_t n, ptrdiff_t n_flush, int count,
                                int is_reverse, int has_mask, int has_weights, nlm_vec *values, nlm_vec *weights)
{
    const nlm_vec centre = nlm_set32((int)(65536 * ((n + n_flush - 1) / n_flush)));
    nlm_vec value[4], weight[4];
    ptrdiff_t k;
    int i;
    for (i = 0; i < 2 * count; i++) {
        value[i] = values[2 * v + i];
        if (has_weights)
            weight[i] = nlm_add32(centre, weights[2 * v + i]);
    }
    for (k = 0; k + n_flush <= n; k += n_flush)
        nlm_add_pairs(s, v, k, n_flush, count, is_reverse, has_mask, has_weights, value, weight);
    if (k < n)
        nlm_add_pairs(s, v, k, n - k, count, is_reverse, has_mask, has_weights, value, weight);
    for (i = 0; i < 2 * count; i++) {
        values[2 * v + i] = value[i];
        if (has_weights)
            weights[2 * v + i] = weight[i];
    }
}

NLM_INLINE void nlm_add_line(const nlm_sources *s, ptrdiff_t n, ptrdiff_t size, ptrdiff_t n_flush, int is_reverse,
                             int has_mask, int has_weights, nlm_vec *values, nlm_vec *weights)
{
    ptrdiff_t v = 0;
    if (NLM_LANES == 32 && !has_mask) /* two at a time, where registers are enough for it */
        for (; v + 2 <= size; v += 2)
            nlm_add_vectors(s, v, n, n_flush, 2, is_reverse, has_mask, has_weights, values, weights);
    for (; v < size; v++)
        nlm_add_vectors(s, v, n, n_flush, 1, is_reverse, has_mask, has_weights, values, weights);
}

/* The first channel, with the weights, or one more channel. */
static void nlm_add(const nlm_sources *s, ptrdiff_t n, ptrdiff_t size, ptrdiff_t n_flush, int is_reverse,
                    int has_weights, nlm_vec *values, nlm_vec *weights)
{
#define ADD(flush, mask, sum) \
    if (is_reverse) \
        nlm_add_line(s, n, size, flush, 1, mask, sum, values, weights); \
    else \
        nlm_add_line(s, n, size, flush, 0, mask, sum, values, weights);
    if (s->mask[0]) {
        if (has_weights) {
            ADD(n_flush, 1, 1)
        } else {
            ADD(n_flush, 1, 0)
        }
    } else if (!has_weights) {
        ADD(n_flush, 0, 0)
    } else if (n_flush == 3) {
        ADD(3, 0, 1)
    } else {
        ADD(n_flush, 0, 1)
    }
#undef ADD
}

#endif

#endif
