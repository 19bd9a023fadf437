/* Non-local means with weights from a table, in sums of 32 bits: what 16 bits are too few for (see nlm_narrow.h). A
   stronger h, several channels, small search windows with their large weights, distances by L1.

   Differences and their squares are words; the even and the odd columns of a row then become dwords, in a vector each,
   by a mask and a shift. The two stay apart up to the end, which helps the sums over the columns of the patch too:
   with e(i), o(i) the sums over its rows at columns 2 i and 2 i + 1, p(i) = o(i) + e(i + 1) and m(i) = p(i) + p(i + 1)
   + p(i + 2), the sum of seven columns is e(i) + m(i) at 2 i, m(i) + o(i + 3) at 2 i + 1: 2.5 additions for each where
   six are needed one by one. A weight, a dword whose high word is zero, times a donor is one pmaddwd with a load of
   words: what the high word meets does not count. The weights are gathered: a fifth of the time at v4, where an
   exponential that is right for every entry of a table of thousands would take as long.

   Measured on 512 x 512, patch 7, search 21, one thread, times OpenCV 4.14 (v4, v3, v2; the loops of nlm_rows.pxd are
   at 1.1 or below): h = 30: 3.9, 3.2, 1.9; two channels: 4.4, 3.7, 2.7; 16 bits by L1 (nlm_wide64.h): 3.1, 2.5, 1.7. */
#ifndef MEDFAST_NLM_WIDE_H
#define MEDFAST_NLM_WIDE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nlm_tile.h"
#include "nlm_wide_vectors.h"

enum {
    NLM_WIDE_SHIFTS = 8,   /* of a group, at most */
    NLM_WIDE_COLS = 512,   /* of a tile */
    NLM_WIDE_CHUNK = 64,   /* pairs of columns whose weights are held at a time, so that they stay in the L1 cache, */
    NLM_WIDE_KEPT = 16,    /* and of those before */
    NLM_WIDE_ROW = NLM_WIDE_CHUNK + NLM_WIDE_KEPT + 16,
    NLM_WIDE_TERMS = 64
};

typedef struct {
    int norm, shift;
    const int32_t *table; /* weight of a distance >> shift */
    int32_t n_used;       /* from this entry on it is zero; or the last one */
} nlm_wide;

typedef struct {
    const nlm_tile *t;
    const nlm_wide *w;
    const uint16_t *padded;
    nlm_range cols;                     /* of the tile */
    ptrdiff_t origin;                   /* first column that a weight can stand at */
    ptrdiff_t group, row, line, plane;  /* shifts; dwords of a half row, a line, all lines of column sums of a shift */
    ptrdiff_t total_row, n_totals;      /* dwords of a half row of totals, of all of a channel */
    ptrdiff_t n_terms, is_large;
    ptrdiff_t terms[NLM_WIDE_TERMS];
    int32_t *columns, *pairs, *weights, *gains, *totals;
    nlm_wvec *lines;
} nlm_wide_engine;

/* Whether there are vectors, and not too many planes and channels. */
static int nlm_wide_takes(const nlm_tile *t)
{
    return NLM_WIDE_LANES > 0 && (2 * t->patch[0] + 1) * t->n_channels <= NLM_WIDE_TERMS;
}

static ptrdiff_t nlm_floor_half(ptrdiff_t n) { return (n - (n < 0)) / 2; }

#if NLM_WIDE_LANES > 0

#include "nlm_wide_columns.h"

/* Sums p(i) = o(i) + e(i + 1) of the group's column sums. */
NLM_INLINE void nlm_wide_pairs(const int32_t *columns, ptrdiff_t plane, ptrdiff_t half, ptrdiff_t n, ptrdiff_t n_shifts,
                               int32_t *pairs, ptrdiff_t pair_row)
{
    ptrdiff_t x, g;
    for (g = 0; g < n_shifts; g++)
        for (x = 0; x < n; x += NLM_WIDE_LANES)
            nlm_w_store(pairs + g * pair_row + x, nlm_w_add(nlm_w_load(columns + g * plane + half + x),
                                                            nlm_w_load(columns + g * plane + x + 1)));
}

/* Sums over the columns of the patch: distances at even and odd columns. */
NLM_INLINE void nlm_wide_box(const int32_t *c, ptrdiff_t half, const int32_t *pairs, ptrdiff_t radius, nlm_wvec d[2])
{
    nlm_wvec middle;
    ptrdiff_t j;
    if (radius == 0) {
        d[0] = nlm_w_load(c), d[1] = nlm_w_load(c + half);
        return;
    }
    if (radius == 1)
        middle = nlm_w_add(nlm_w_load(c + half), nlm_w_load(c + 1));
    else {
        middle = nlm_w_load(pairs);
        for (j = 1; j < radius; j++)
            middle = nlm_w_add(middle, nlm_w_load(pairs + j));
    }
    d[0] = nlm_w_add(nlm_w_load(c), middle);
    d[1] = nlm_w_add(middle, nlm_w_load(c + half + radius));
}

/* Weights of pairs of columns from ... stop - 1 of one line, counted from the run's base, and what they add to the
   line itself; they are left in `weights`, for the other line. */
NLM_INLINE void nlm_wide_weigh(const nlm_wide_engine *e, const nlm_shifts *s, const nlm_line *line, ptrdiff_t base,
                               const int32_t *columns, ptrdiff_t from, ptrdiff_t stop, ptrdiff_t radius,
                               ptrdiff_t n_channels, int is_large, int is_masked)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t n = stop - from, row = NLM_WIDE_ROW, half = e->row, plane = e->plane, n_shifts = s->n;
    const ptrdiff_t pair_row = row + (radius + 15) / 16 * 16, channel_stride = t->channel_stride;
    const ptrdiff_t n_totals = e->n_totals, total_row = e->total_row;
    const ptrdiff_t own = (line->plane + t->patch[0] + t->search[0]) * t->plane_stride +
                          (line->row + t->patch[1] + t->search[1]) * t->row_stride + t->patch[2] + t->search[2] + base +
                          2 * from;
    const ptrdiff_t shift = s->dz * t->plane_stride + s->dy * t->row_stride + s->dx;
    const ptrdiff_t mask_plane = t->plane_stride / t->n_channels; /* has one channel */
    const int forward = line->forward >= 0;
    const uint16_t *q = e->padded + own + shift;
    const uint8_t *given = NULL, *gained = NULL;
    const nlm_wvec last = nlm_w_set(e->w->n_used);
    const int32_t *table = e->w->table;
    const int table_shift = e->w->shift;
    int32_t *total = e->totals + 2 * (forward ? line->forward : 0) * total_row +
                     NLM_WIDE_SHIFTS + (base - e->origin) / 2 + from;
    int32_t *pairs = e->pairs, *weights = e->weights + NLM_WIDE_KEPT, *gains = e->gains;
    ptrdiff_t x, g, k, channel;
    if (is_masked) {
        given = t->mask + own - (line->plane + t->patch[0] + t->search[0]) * (t->plane_stride - mask_plane);
        gained = given + s->dz * (mask_plane - t->plane_stride) + shift;
    }
    if (radius > 1)
        nlm_wide_pairs(columns, plane, half, n + radius, n_shifts, pairs, pair_row);
    for (x = 0; x < n; x += NLM_WIDE_LANES) {
        nlm_wvec weight_sum[2], value_sum[2][2];
        for (k = 0; k < 2; k++)
            weight_sum[k] = value_sum[k][0] = value_sum[k][1] = nlm_w_zero();
        for (g = 0; g < n_shifts; g++) {
            const int32_t *c = columns + g * plane + x, *pair = pairs + g * pair_row + x;
            const uint16_t *donor = q + 2 * x + g;
            nlm_wvec d[2];
            nlm_wide_box(c, half, pair, radius, d);
            for (k = 0; k < 2; k++) {
                nlm_wvec w = nlm_w_look_up(table, nlm_w_least(nlm_w_right(d[k], table_shift), last));
                nlm_w_store(weights + (2 * g + k) * row + x, is_masked ? nlm_w_keep(w, given + 2 * x + k) : w);
                if (is_masked)
                    w = nlm_w_keep(w, gained + 2 * x + g + k);
                weight_sum[k] = nlm_w_add(weight_sum[k], w);
                for (channel = 0; channel < n_channels; channel++) {
                    nlm_wvec p = nlm_w_load(donor + channel * channel_stride + k);
                    nlm_wvec value = is_large ? nlm_w_multiply(w, nlm_w_even(p)) : nlm_w_pairs(w, p);
                    if (n_channels <= 2)
                        value_sum[k][channel & 1] = nlm_w_add(value_sum[k][channel & 1], value);
                    else {
                        int32_t *gain = gains + (2 * channel + k) * row + x;
                        nlm_w_store(gain, g ? nlm_w_add(nlm_w_load(gain), value) : value);
                    }
                }
            }
        }
        if (!forward)
            continue;
        for (k = 0; k < 2; k++) {
            int32_t *at = total + k * total_row + x;
            for (channel = 0; channel < n_channels; channel++, at += n_totals)
                nlm_w_store(at, nlm_w_add(nlm_w_load(at), n_channels <= 2
                                                              ? value_sum[k][channel & 1]
                                                              : nlm_w_load(gains + (2 * channel + k) * row + x)));
            nlm_w_store(at, nlm_w_add(nlm_w_load(at), weight_sum[k]));
        }
    }
}

/* What those weights add to the other line: the weight of q = x and shift dx stands at p = x - dx, among the even or
   the odd ones. Of the columns before, the last ones are needed again, and kept for the next call. */
NLM_INLINE void nlm_wide_give(const nlm_wide_engine *e, const nlm_shifts *s, const nlm_line *line, ptrdiff_t base,
                              ptrdiff_t from, ptrdiff_t stop, ptrdiff_t n_channels, int is_large)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t row = NLM_WIDE_ROW, n = stop - from, n_shifts = s->n, n_totals = e->n_totals;
    const ptrdiff_t channel_stride = t->channel_stride, total_row = e->total_row, ahead = nlm_floor_half(s->dx);
    const uint16_t *own = e->padded + (line->plane + t->patch[0] + t->search[0]) * t->plane_stride +
                          (line->row + t->patch[1] + t->search[1]) * t->row_stride + t->patch[2] + t->search[2] + base +
                          2 * (from + ahead);
    int32_t *total = e->totals + 2 * line->reverse * total_row + NLM_WIDE_SHIFTS + (base - e->origin) / 2 + from +
                     ahead;
    ptrdiff_t x, g, k, channel;
    for (k = 0; k < 2; k++) {
        const int32_t *weights[NLM_WIDE_SHIFTS];
        for (g = 0; g < n_shifts; g++) {
            const ptrdiff_t col = k - s->dx - g;
            weights[g] = e->weights + (2 * g + (col & 1)) * row + NLM_WIDE_KEPT + ahead + nlm_floor_half(col);
        }
        for (x = 0; x < n; x += NLM_WIDE_LANES) {
            int32_t *at = total + k * total_row + x;
            nlm_wvec weight_sum = nlm_w_zero();
            for (channel = 0; channel < n_channels; channel++, at += n_totals) {
                const uint16_t *donor = own + 2 * x + channel * channel_stride + k - s->dx;
                nlm_wvec sum = nlm_w_load(at);
                for (g = 0; g < n_shifts; g++) {
                    nlm_wvec p = nlm_w_load(donor - g), w = nlm_w_load(weights[g] + x);
                    sum = nlm_w_add(sum, is_large ? nlm_w_multiply(w, nlm_w_even(p)) : nlm_w_pairs(w, p));
                    if (channel == 0)
                        weight_sum = nlm_w_add(weight_sum, w);
                }
                nlm_w_store(at, sum);
            }
            nlm_w_store(at, nlm_w_add(nlm_w_load(at), weight_sum));
        }
    }
    for (g = 0; g < 2 * n_shifts; g++)
        for (x = 0; x < NLM_WIDE_KEPT; x += NLM_WIDE_LANES)
            nlm_w_store(e->weights + g * row + x, nlm_w_load(e->weights + g * row + n + x));
}

NLM_INLINE void nlm_wide_line_of(const nlm_wide_engine *e, const nlm_shifts *s, const nlm_line *line,
                                 ptrdiff_t row_start, nlm_range cols, ptrdiff_t radius, ptrdiff_t n_channels,
                                 int is_large, int is_masked)
{
    const ptrdiff_t base = nlm_wide_base(e, cols), n = (line->cols.stop - base) / 2 + 1;
    const int32_t *columns = e->columns + (line->row - row_start) * e->line;
    ptrdiff_t x, stop;
    for (x = (line->cols.start - base) / 2; x < n; x = stop) {
        stop = nlm_least(x + NLM_WIDE_CHUNK, n);
        nlm_wide_weigh(e, s, line, base, columns + x, x, stop, radius, n_channels, is_large, is_masked);
        if (line->reverse >= 0)
            nlm_wide_give(e, s, line, base, x, stop, n_channels, is_large);
    }
}

static void nlm_wide_line_step(void *self, const nlm_shifts *s, const nlm_line *line, ptrdiff_t row_start,
                               nlm_range cols)
{
    const nlm_wide_engine *e = (const nlm_wide_engine *)self;
    const ptrdiff_t radius = e->t->patch[2], n_channels = e->t->n_channels;
    if (e->t->mask || e->is_large || n_channels > 2)
        nlm_wide_line_of(e, s, line, row_start, cols, radius, n_channels, e->is_large != 0, e->t->mask != NULL);
    else if (radius == 3 && n_channels == 1)
        nlm_wide_line_of(e, s, line, row_start, cols, 3, 1, 0, 0);
    else if (radius == 3 && n_channels == 2)
        nlm_wide_line_of(e, s, line, row_start, cols, 3, 2, 0, 0);
    else if (n_channels == 1)
        nlm_wide_line_of(e, s, line, row_start, cols, radius, 1, 0, 0);
    else
        nlm_wide_line_of(e, s, line, row_start, cols, radius, 2, 0, 0);
}

/* Lays out the scratch, from an address that is a multiple of 64; returns its size in bytes. */
static ptrdiff_t nlm_wide_lay_out(nlm_wide_engine *e, uint8_t *scratch)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n = e->cols.stop - e->cols.start;
    const ptrdiff_t n_lines = nlm_tile_lines(n_rows, t->search[1]);
    ptrdiff_t size = 0;
#define place(pointer, type, count) \
    pointer = (type *)(scratch + size), size += ((count) * (ptrdiff_t)sizeof(type) + 127) / 64 * 64
    e->group = nlm_tile_group(t->search[2], NLM_WIDE_SHIFTS);
    e->origin = e->cols.start - t->search[2];
    e->row = ((n + nlm_tile_reach(t, e->cols, e->group) + 2 * t->patch[2]) / 2 + 3 * NLM_WIDE_LANES + 4 + 15) / 16 * 16;
    e->line = 2 * e->row + 16; /* an odd number of 64 bytes, so that lines do not evict one another */
    e->total_row = n / 2 + t->search[2] + NLM_WIDE_SHIFTS + 2 * NLM_WIDE_LANES;
    e->plane = n_lines * e->line;
    e->n_totals = (t->planes[1] - t->planes[0]) * n_rows * 2 * e->total_row;
    place(e->lines, nlm_wvec, 2 * (n_lines + 2 * t->patch[1] + 1));
    place(e->pairs, int32_t, e->group * (NLM_WIDE_ROW + t->patch[2] + 16));
    place(e->weights, int32_t, 2 * e->group * NLM_WIDE_ROW);
    place(e->gains, int32_t, 2 * t->n_channels * NLM_WIDE_ROW);
    place(e->columns, int32_t, e->group * e->plane + e->line);
    place(e->totals, int32_t, (t->n_channels + 1) * e->n_totals);
#undef place
    return size;
}

static ptrdiff_t nlm_wide_extents(const nlm_tile *t)
{
    return ((t->planes[1] - t->planes[0]) * (t->rows[1] - t->rows[0]) * (ptrdiff_t)sizeof(nlm_range) + 63) / 64 * 64;
}

/* Sums of the tile: (channels + 1, lines, row_size), of weighted pixels, then of weights. */
static void nlm_wide_tile(const nlm_tile *t, const nlm_wide *w, int32_t *sums, ptrdiff_t row_size, uint8_t *scratch)
{
    static const nlm_steps steps = {nlm_wide_columns_step, nlm_wide_line_step};
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n_lines = (t->planes[1] - t->planes[0]) * n_rows;
    nlm_range *extents = (nlm_range *)scratch;
    ptrdiff_t k, x, z, channel;
    nlm_wide_engine e;
    e.t = t, e.w = w, e.padded = (const uint16_t *)t->padded;
    e.is_large = w->table[0] > 32767;
    e.n_terms = 0;
    for (k = 0; k <= 2 * t->patch[0]; k++)
        for (x = 0; x < t->n_channels; x++)
            e.terms[e.n_terms++] = k * t->plane_stride + x * t->channel_stride;
    for (e.cols.start = 0; e.cols.start < t->n_cols; e.cols.start = e.cols.stop) {
        e.cols.stop = nlm_least(t->n_cols, e.cols.start + NLM_WIDE_COLS);
        nlm_wide_lay_out(&e, scratch + nlm_wide_extents(t));
        memset(e.totals, 0, (t->n_channels + 1) * e.n_totals * sizeof(int32_t));
        nlm_tile_extents(t, e.cols, extents);
        nlm_tile_run(t, e.cols, e.group, extents, &steps, &e);
        for (channel = 0; channel <= t->n_channels; channel++)
            for (k = 0; k < n_lines; k++) {
                const int32_t *total = e.totals + channel * e.n_totals + 2 * k * e.total_row + NLM_WIDE_SHIFTS;
                int32_t *sum = sums + (channel * n_lines + k) * row_size;
                const int32_t own_weight = w->table[0]; /* each pixel with itself */
                z = t->planes[0] + k / n_rows + t->patch[0] + t->search[0];
                const uint16_t *own = e.padded + z * t->plane_stride + channel * t->channel_stride +
                                      (t->rows[0] + k % n_rows + t->patch[1] + t->search[1]) * t->row_stride +
                                      t->patch[2] + t->search[2];
                for (x = e.cols.start; x < e.cols.stop; x++) {
                    ptrdiff_t at = x - e.origin;
                    sum[x] = total[(at & 1) * e.total_row + at / 2] +
                             own_weight * (channel < t->n_channels ? own[x] : 1);
                }
            }
    }
}

/* Bytes of scratch for that, from an address that is a multiple of 64. */
static ptrdiff_t nlm_wide_scratch(const nlm_tile *t)
{
    nlm_wide_engine e;
    e.t = t, e.cols.start = 0, e.cols.stop = nlm_least(t->n_cols, NLM_WIDE_COLS);
    return nlm_wide_lay_out(&e, NULL) + nlm_wide_extents(t);
}

#else /* nlm_wide_takes says no, and these do nothing */
static ptrdiff_t nlm_wide_scratch(const nlm_tile *t) { return (void)t, 0; }
static void nlm_wide_tile(const nlm_tile *t, const nlm_wide *w, int32_t *sums, ptrdiff_t row_size, uint8_t *scratch)
{
    (void)t, (void)w, (void)sums, (void)row_size, (void)scratch;
}
#endif

#endif
