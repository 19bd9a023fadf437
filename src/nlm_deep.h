/* Non-local means of gray levels of 16 bits by L1, whose weights have 31 bits: distances as in nlm_narrow.h, in
   saturating sums of 16 bits wherever what saturates has weight zero (7 x 7: h up to 508); weights, sums as doubles.

   Doubles sum in one instruction what two 32-bit halves need four for, and are exact up to 2^53: sums of a thousand
   donors of 12 bits, of 64 of 16 bits, which then are added to integers.

   Of a vector of words come four of doubles. A weight is looked up, adds to p at once, and to its q in one of the sums
   that stay in registers while p moves on: those of shift g are those of shift g - 1 for the next p. So weights need no
   place in memory; where they had one, the first-level cache was too small for it: 45 ms where this takes 27.

   Measured on 512 x 512, patch 7, search 21, h = 160, one thread, times OpenCV 4.14 (v4, v3, v2): 5.4, 4.1, 3.0, where
   nlm_wide64.h reaches 3.4, 2.6, 1.8. At v4 three fifths of the time go into the look-ups and what their weights add:
   0.9 cycles a weight, of which the gather alone takes 0.5. Gathers of 8 doubles and 7 shifts in registers take 5 %
   longer there. */
#ifndef MEDFAST_NLM_DEEP_H
#define MEDFAST_NLM_DEEP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nlm_combs.h"
#include "nlm_deep_vectors.h"
#include "nlm_narrow_weights.h"
#include "nlm_tile.h"

enum { NLM_DEEP_COLS = 512 }; /* of pixels, worked on at a time */

/* Whether the weight is zero wherever a 16-bit sum saturates. */
static int nlm_deep_takes(const int64_t *table, ptrdiff_t n_entries, int shift, int norm)
{
    return NLM_LANES > 0 && norm == 1 && (n_entries <= 65535 >> shift || table[65535 >> shift] == 0);
}

#if NLM_LANES > 0

/* Of every vector of words come four of doubles, one of each word of four. Sums of a line have room before the first
   vector and after the last one, for what is another one's, a lane earlier or later. */
typedef struct {
    nlm_job job; /* first */
    int shift;
    nlm_vec last;                       /* the first entry that is zero, or the last one */
    ptrdiff_t sum_left, sum_row;        /* vectors of words of a row of sums, before its first and in all */
    const nlm_entry *table;
    nlm_vec *indices;                   /* (shifts, size + 1) */
    nlm_dvec *given, *own;              /* (channels + 1 if there is a mask, donor_stride or size, 4) */
    nlm_dvec *sums;                     /* (planes, rows, channels + 1, sum_row, 4) */
    nlm_dvec *unused;                   /* (2, sum_row, 4): of lines of other tiles */
} nlm_deep_job;

/* Entries of the table that the column sums of a line and of one shift lead to. */
NLM_INLINE void nlm_deep_index(const nlm_deep_job *e, const nlm_vec *columns, ptrdiff_t wrap, ptrdiff_t radius,
                               nlm_vec *indices)
{
    const ptrdiff_t size = e->job.size;
    const __m128i count = _mm_cvtsi32_si128(e->shift);
    nlm_window w;
    nlm_vec d[2];
    ptrdiff_t v, i;
    nlm_start(&w, columns, wrap, radius, NLM_WHOLE);
    for (v = 0; v + 2 * radius + 1 < size; v += 2) {
        nlm_next(&w, columns, v, PTRDIFF_MAX, radius, NLM_WHOLE, d);
        for (i = 0; i < 2; i++)
            indices[v + i] = nlm_least16(nlm_shift16(d[i], count), e->last);
    }
    for (; v < size; v += 2) {
        nlm_next(&w, columns, v, wrap, radius, NLM_WHOLE, d);
        for (i = 0; i < 2; i++)
            indices[v + i] = nlm_least16(nlm_shift16(d[i], count), e->last);
    }
}

/* Donors of p (the first shift's) and of q, which are p themselves, with their masks; sums of p, and of the first q. */
typedef struct {
    const nlm_dvec *given, *own, *given_mask, *own_mask;
    nlm_dvec *values, *weights, *reverse_values, *reverse_weights;
} nlm_deep_line_sums;

/* What n shifts add to p, and to the pixels q = p + dx, whose sums stay in registers until the last shift has met them.
 */
NLM_INLINE void nlm_deep_add(const nlm_deep_job *e, const nlm_deep_line_sums *l, ptrdiff_t n, int has_mask)
{
    const ptrdiff_t size = e->job.size;
    const nlm_vec *indices = e->indices;
    const nlm_entry *table = e->table;
    ptrdiff_t v, g, k, i;
    for (k = 0; k < 4; k += NLM_STREAMS) {
        const nlm_d_count count = nlm_d_count_of(k);
        nlm_dvec value[NLM_STREAMS][NLM_DEEP_SHIFTS + 1], sum[NLM_STREAMS][NLM_DEEP_SHIFTS + 1];
        for (g = 0; g <= n; g++)
            for (i = 0; i < NLM_STREAMS; i++)
                value[i][g] = sum[i][g] = nlm_d_zero();
        for (v = 0; v < size + n - 1; v++) {
            const ptrdiff_t at = 4 * v + k;
            if (v < size) {
                nlm_dvec p[NLM_STREAMS], own_value[NLM_STREAMS], own_sum[NLM_STREAMS], w[NLM_STREAMS];
                for (i = 0; i < NLM_STREAMS; i++)
                    p[i] = l->own[at + i], own_value[i] = l->values[at + i], own_sum[i] = l->weights[at + i];
                for (g = 0; g < n; g++) {
                    nlm_d_look_up(table, indices + g * (size + 1) + v, count, w);
                    for (i = 0; i < NLM_STREAMS; i++) {
                        own_value[i] = nlm_d_multiply_add(w[i], l->given[at + 4 * g + i], own_value[i]);
                        value[i][g] = nlm_d_multiply_add(w[i], p[i], value[i][g]);
                        if (has_mask) {
                            own_sum[i] = nlm_d_multiply_add(w[i], l->given_mask[at + 4 * g + i], own_sum[i]);
                            sum[i][g] = nlm_d_multiply_add(w[i], l->own_mask[at + i], sum[i][g]);
                        } else
                            own_sum[i] = nlm_d_add(own_sum[i], w[i]), sum[i][g] = nlm_d_add(sum[i][g], w[i]);
                    }
                }
                for (i = 0; i < NLM_STREAMS; i++)
                    l->values[at + i] = own_value[i], l->weights[at + i] = own_sum[i];
            }
            for (i = 0; i < NLM_STREAMS; i++) {
                l->reverse_values[at + i] = nlm_d_add(l->reverse_values[at + i], value[i][0]);
                l->reverse_weights[at + i] = nlm_d_add(l->reverse_weights[at + i], sum[i][0]);
                for (g = 0; g < n; g++)
                    value[i][g] = value[i][g + 1], sum[i][g] = sum[i][g + 1];
            }
        }
    }
}

static void nlm_deep_convert(const nlm_vec *from, const nlm_vec *mask, ptrdiff_t n, nlm_dvec *to)
{
    ptrdiff_t v;
    for (v = 0; v < n; v++)
        nlm_d_words(mask ? nlm_and(from[v], mask[v]) : from[v], to + 4 * v);
}

/* n vectors of pixels, each channel, and the mask after them, which is returned. */
static const nlm_dvec *nlm_deep_donors(const nlm_deep_job *e, const nlm_vec *pixels, ptrdiff_t n, nlm_dvec *to)
{
    const nlm_job *job = &e->job;
    const ptrdiff_t n_channels = job->tile->n_channels;
    const nlm_vec *mask = job->tile->mask ? pixels + n_channels * job->comb : NULL, one = nlm_set16(1);
    ptrdiff_t channel, v;
    for (channel = 0; channel < n_channels; channel++)
        nlm_deep_convert(pixels + channel * job->comb, mask, n, to + 4 * channel * job->donor_stride);
    if (!mask)
        return to;
    to += 4 * n_channels * job->donor_stride;
    for (v = 0; v < n; v++)
        nlm_d_words(nlm_and(mask[v], one), to + 4 * v);
    return to;
}

/* Vector 0 of the sums of a line. */
static nlm_dvec *nlm_deep_sums(const nlm_deep_job *e, ptrdiff_t plane, ptrdiff_t row)
{
    const nlm_tile *t = e->job.tile;
    const ptrdiff_t line = (plane - t->planes[0]) * (t->rows[1] - t->rows[0]) + row - t->rows[0];
    return e->sums + 4 * (line * (t->n_channels + 1) * e->sum_row + e->sum_left);
}

static void nlm_deep_line(const nlm_job *job, const nlm_group *group, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t y,
                          int is_forward, int is_reverse)
{
    const nlm_deep_job *e = (const nlm_deep_job *)job;
    const nlm_tile *t = job->tile;
    const ptrdiff_t size = job->size, n_channels = t->n_channels, radius = t->patch[2];
    const ptrdiff_t n_parts = (group->n + NLM_DEEP_SHIFTS - 1) / NLM_DEEP_SHIFTS;
    const ptrdiff_t sum_row = 4 * e->sum_row, donor_row = 4 * job->donor_stride;
    const ptrdiff_t wrap = nlm_is_easy(radius, size) ? size : PTRDIFF_MAX;
    const nlm_vec *pixels = nlm_comb(job, plane + t->patch[0], row + t->patch[1]) + t->patch[2];
    nlm_vec *columns = job->distances + y * job->line_stride;
    nlm_dvec *unused = e->unused + 4 * e->sum_left;
    nlm_dvec *sums = is_forward ? nlm_deep_sums(e, plane, row) : NULL;
    nlm_dvec *reverse = is_reverse ? nlm_deep_sums(e, plane + group->dz, row + group->dy) : NULL;
    const nlm_dvec *own_mask = nlm_deep_donors(e, pixels, size, e->own);
    const nlm_dvec *given_mask =
        nlm_deep_donors(e, pixels + (group->dz * job->comb_rows + group->dy) * job->row_stride + group->dx,
                        size + group->n - 1, e->given);
    ptrdiff_t first = 0, part, g, n, channel;
    for (g = 0; g < group->n && wrap != size; g++)
        nlm_close(job, columns + g * job->distance_stride, NLM_WHOLE);
    for (part = 0; part < n_parts; part++, first += n) {
        n = (group->n - first + n_parts - part - 1) / (n_parts - part);
        for (g = 0; g < n; g++) {
            const nlm_vec *from = columns + (first + g) * job->distance_stride;
            nlm_vec *to = e->indices + g * (size + 1);
            switch (radius) {
            case 3: nlm_deep_index(e, from, wrap, 3, to); break;
            case 2: nlm_deep_index(e, from, wrap, 2, to); break;
            case 1: nlm_deep_index(e, from, wrap, 1, to); break;
            default: nlm_deep_index(e, from, wrap, 0, to);
            }
        }
        for (channel = 0; channel < n_channels; channel++) { /* the weights are summed with the first one */
            nlm_deep_line_sums l;
            l.given = e->given + channel * donor_row + 4 * first, l.given_mask = given_mask + 4 * first;
            l.own = e->own + channel * donor_row, l.own_mask = own_mask;
            l.values = is_forward ? sums + channel * sum_row : unused;
            l.weights = is_forward && channel == 0 ? sums + n_channels * sum_row : unused + sum_row;
            l.reverse_values = (is_reverse ? reverse + channel * sum_row : unused) + 4 * (group->dx + first);
            l.reverse_weights = (is_reverse && channel == 0 ? reverse + n_channels * sum_row : unused + sum_row) +
                                4 * (group->dx + first);
#define ADD(n_known) \
    case n_known: \
        if (t->mask) \
            nlm_deep_add(e, &l, n_known, 1); \
        else \
            nlm_deep_add(e, &l, n_known, 0); \
        break
            switch (n) { /* a constant in each, for the sums to be registers */
                ADD(1);
                ADD(2);
                ADD(3);
                ADD(4);
#if NLM_LANES == 32
                ADD(5);
#endif
            }
#undef ADD
        }
    }
}

/* Add the sums so far to those of the tile, and begin anew. */
static void nlm_deep_flush(const nlm_deep_job *e, int64_t *sums, ptrdiff_t row_size)
{
    const nlm_job *job = &e->job;
    const nlm_tile *t = job->tile;
    const ptrdiff_t n_lines = (t->planes[1] - t->planes[0]) * (t->rows[1] - t->rows[0]), n_sums = t->n_channels + 1;
    const ptrdiff_t reach = (e->sum_left + job->size - 1) / job->size; /* of a lane's sums, to others */
    ptrdiff_t line, channel, x, i, n;
    for (line = 0; line < n_lines; line++)
        for (channel = 0; channel < n_sums; channel++) {
            const double *from = (const double *)(e->sums + 4 * ((line * n_sums + channel) * e->sum_row + e->sum_left));
            int64_t *to = sums + (channel * n_lines + line) * row_size + job->start;
            for (x = 0; x < job->n_cols; x += n) {
                const ptrdiff_t lane = (t->search[2] + x) / job->size, first = (t->search[2] + x) % job->size;
                ptrdiff_t other;
                n = nlm_least(job->size - first, job->n_cols - x);
                for (other = nlm_most(0, lane - reach); other <= nlm_least(NLM_LANES - 1, lane + reach); other++) {
                    const ptrdiff_t v = first + (lane - other) * job->size;
                    const ptrdiff_t start = nlm_most(0, -e->sum_left - v);
                    const ptrdiff_t stop = nlm_least(n, job->size + e->sum_left - v);
                    const double *at = from + v * NLM_LANES + nlm_d_place(other);
                    for (i = start; i < stop; i++)
                        to[x + i] += (int64_t)at[i * NLM_LANES];
                }
            }
        }
    memset(e->sums, 0, n_lines * n_sums * 4 * e->sum_row * sizeof(nlm_dvec));
}

/* Sizes of a job of at most NLM_DEEP_COLS columns, and its scratch; the bytes of that. */
static ptrdiff_t nlm_deep_layout(nlm_deep_job *e, ptrdiff_t n_channels, int has_mask, ptrdiff_t n_planes,
                                 ptrdiff_t n_rows, ptrdiff_t n_cols, const ptrdiff_t *patch, const ptrdiff_t *search,
                                 nlm_vec *scratch)
{
    nlm_job *job = &e->job;
    nlm_vec *at = nlm_lay_out_combs(job, n_channels, has_mask, 0, n_planes, n_rows, nlm_least(n_cols, NLM_DEEP_COLS),
                                    patch, search, scratch);
    ptrdiff_t n_pixels = (2 * patch[0] + 1) * (2 * patch[1] + 1) * (2 * patch[2] + 1), n_table = 65536;
    e->sum_left = search[2], e->sum_row = (job->size + 2 * search[2]) | 1;
    job->donor_stride = (job->size + 2 * job->n_pairs) | 1;
    e->indices = at, at += NLM_DEEP_SHIFTS * (job->size + 1);
    e->given = (nlm_dvec *)at, at += (n_channels + has_mask) * 4 * job->donor_stride;
    e->own = (nlm_dvec *)at, at += (n_channels + has_mask) * 4 * job->donor_stride;
    e->unused = (nlm_dvec *)at, at += 2 * 4 * e->sum_row;
    e->sums = (nlm_dvec *)at, at += n_planes * n_rows * (n_channels + 1) * 4 * e->sum_row;
    e->table = (nlm_entry *)at;
    for (; n_pixels > 1; n_pixels = (n_pixels + 1) / 2) /* as the shift of the weights */
        n_table /= 2;
    return (at - scratch) * sizeof(nlm_vec) + (n_table + 1) * sizeof(double);
}

/* Bytes of scratch of a tile. */
static ptrdiff_t nlm_deep_scratch(ptrdiff_t n_channels, ptrdiff_t n_planes, ptrdiff_t n_rows, ptrdiff_t n_cols,
                                  const ptrdiff_t *patch, const ptrdiff_t *search)
{
    nlm_deep_job e;
    return nlm_deep_layout(&e, n_channels, 1, n_planes, n_rows, n_cols, patch, search, NULL);
}

/* No pixel in the combs is larger than this. */
static int64_t nlm_deep_largest(const nlm_job *job)
{
    const nlm_tile *t = job->tile;
    const ptrdiff_t n_rows = job->comb_rows - 3; /* the last three are not filled */
    const ptrdiff_t n_planes = t->planes[1] - t->planes[0] + 2 * (t->search[0] + t->patch[0]);
    ptrdiff_t plane, row, v;
    nlm_vec all = nlm_zero();
    uint16_t words[NLM_LANES], largest = 0;
    for (plane = 0; plane < n_planes; plane++)
        for (row = 0; row < n_rows; row++) {
            const nlm_vec *comb = job->combs + (plane * job->comb_rows + row) * job->row_stride + job->comb_left;
            for (v = -job->comb_left; v < t->n_channels * job->comb - job->comb_left; v++)
                all = nlm_or(all, comb[v]);
        }
    nlm_store(words, all);
    for (v = 0; v < NLM_LANES; v++)
        largest |= words[v];
    return largest;
}

/* The tile's sums: (channels + 1, lines, row_size), the last one of weights. */
static void nlm_deep_tile(const nlm_tile *t, const int64_t *table, ptrdiff_t n_entries, int shift, int64_t *sums,
                          ptrdiff_t row_size, uint8_t *scratch)
{
    const ptrdiff_t rows = t->rows[1] - t->rows[0], planes = t->planes[1] - t->planes[0], n_lines = planes * rows;
    const ptrdiff_t n_sums = t->n_channels + 1, n_chunks = (t->n_cols + NLM_DEEP_COLS - 1) / NLM_DEEP_COLS;
    const ptrdiff_t chunk = (t->n_cols + n_chunks - 1) / n_chunks;
    ptrdiff_t line, channel, x, n_used = 0, n_terms, limit;
    int64_t largest;
    nlm_deep_job e;
    nlm_job *job = &e.job;
    nlm_entry *entries;
    nlm_group g;
    nlm_deep_layout(&e, t->n_channels, t->mask != NULL, planes, rows, chunk, t->patch, t->search, (nlm_vec *)scratch);
    nlm_set_terms(job, t, 1, 0);
    job->comb_start = t->rows[0] - t->search[1];
    job->narrow = NULL, job->line = nlm_deep_line, job->offset = 0;
    entries = (nlm_entry *)e.table;
    for (x = 0; x <= 65535 >> shift; x++) {
        entries[x] = x < n_entries ? (nlm_entry)table[x] : 0;
        if (entries[x] > 0)
            n_used = x + 1;
    }
    e.shift = shift, e.last = nlm_set16((short)nlm_least(n_used, 65535 >> shift));
    memset(e.unused, 0, 2 * 4 * e.sum_row * sizeof(nlm_dvec));
    for (job->start = 0; job->start < t->n_cols; job->start += chunk) {
        job->n_cols = nlm_least(chunk, t->n_cols - job->start);
        nlm_fill_combs(job, job->comb_start, job->comb_start + job->comb_rows - 3);
        largest = nlm_deep_largest(job);
        limit = (ptrdiff_t)(((int64_t)1 << 53) / (table[0] * nlm_most(largest, 1))); /* donors whose sums are exact */
        job->terms.is_near =
            largest <= 32767 && largest * (2 * t->patch[1] + 1) * job->terms.n_planes * t->n_channels <= 65535;
        memset(e.sums, 0, n_lines * n_sums * 4 * e.sum_row * sizeof(nlm_dvec));
        for (channel = 0; channel < n_sums; channel++) /* each pixel with itself */
            for (line = 0; line < n_lines; line++) {
                const uint16_t *own = (const uint16_t *)t->padded + channel * t->channel_stride +
                                      (t->planes[0] + line / rows + t->patch[0] + t->search[0]) * t->plane_stride +
                                      (t->rows[0] + line % rows + t->patch[1] + t->search[1]) * t->row_stride +
                                      t->patch[2] + t->search[2];
                int64_t *to = sums + (channel * n_lines + line) * row_size;
                for (x = job->start; x < job->start + job->n_cols; x++)
                    to[x] = table[0] * (channel < t->n_channels ? own[x] : 1);
            }
        for (g.n = 0, n_terms = 0; nlm_next_group(t, NLM_PAIRS, &g); n_terms += 2 * g.n) {
            if (n_terms + 2 * g.n > limit)
                nlm_deep_flush(&e, sums, row_size), n_terms = 0;
            nlm_planes(job, &g);
        }
        nlm_deep_flush(&e, sums, row_size);
    }
}

#else /* nlm_deep_takes says no, and these are never called */
static ptrdiff_t nlm_deep_scratch(ptrdiff_t n_channels, ptrdiff_t n_planes, ptrdiff_t n_rows, ptrdiff_t n_cols,
                                  const ptrdiff_t *patch, const ptrdiff_t *search)
{
    return (void)n_channels, (void)n_planes, (void)n_rows, (void)n_cols, (void)patch, (void)search, 0;
}
static void nlm_deep_tile(const nlm_tile *t, const int64_t *table, ptrdiff_t n_entries, int shift, int64_t *sums,
                          ptrdiff_t row_size, uint8_t *scratch)
{
    (void)t, (void)table, (void)n_entries, (void)shift, (void)sums, (void)row_size, (void)scratch;
}
#endif

#endif
