/* nlm_wide.h with sums of 64 bits: 16-bit pixels by L1, whose weights have 31 bits. One channel.

   A vector of dwords becomes two of qwords, the even and the odd dwords, since that is what pmuludq multiplies; they
   stay apart in the totals. So every vector begins at an even place of a half row. */
#ifndef MEDFAST_NLM_WIDE64_H
#define MEDFAST_NLM_WIDE64_H

#include "nlm_wide.h"

typedef struct {
    nlm_wide_engine wide; /* first: its step for the columns is used as it is */
    const int64_t *table;
    ptrdiff_t total_row;  /* qwords of a quarter of a row */
    int64_t *totals;      /* (values, weights), lines, (even, odd column), (even, odd place), total_row */
} nlm_wide64_engine;

static int nlm_wide64_takes(const nlm_tile *t) { return t->n_channels == 1 && nlm_wide_takes(t); }

#if NLM_WIDE_LANES > 0

static int64_t *nlm_wide64_total(const nlm_wide64_engine *e, ptrdiff_t line, ptrdiff_t place)
{
    return e->totals + 4 * line * e->total_row + (NLM_WIDE_SHIFTS + place) / 2;
}

NLM_INLINE void nlm_wide64_add(int64_t *at, nlm_wvec sum) { nlm_w_store(at, nlm_w_add64(nlm_w_load(at), sum)); }

/* As nlm_wide_weigh. */
NLM_INLINE void nlm_wide64_weigh(const nlm_wide64_engine *e64, const nlm_shifts *s, const nlm_line *line,
                                 ptrdiff_t base, const int32_t *columns, ptrdiff_t from, ptrdiff_t stop, ptrdiff_t
radius) {
    const nlm_wide_engine *e = &e64->wide;
    const nlm_tile *t = e->t;
    const ptrdiff_t n = stop - from, row = NLM_WIDE_ROW, half = e->row, plane = e->plane, n_shifts = s->n;
    const ptrdiff_t pair_row = row + (radius + 15) / 16 * 16, total_row = e64->total_row;
    const ptrdiff_t own = (line->plane + t->patch[0] + t->search[0]) * t->plane_stride +
                          (line->row + t->patch[1] + t->search[1]) * t->row_stride + t->patch[2] + t->search[2] + base +
                          2 * from;
    const ptrdiff_t shift = s->dz * t->plane_stride + s->dy * t->row_stride + s->dx;
    const uint16_t *q = e->padded + own + shift;
    const uint8_t *mask = t->mask ? t->mask + own : NULL; /* one channel: the same geometry */
    const nlm_wvec last = nlm_w_set(e->w->n_used);
    const int64_t *table = e64->table;
    const int table_shift = e->w->shift;
    int64_t *total = nlm_wide64_total(e64, line->forward < 0 ? 0 : line->forward, (base - e->origin) / 2 + from);
    int64_t *weight_total = total + 4 * (e->n_totals / (2 * e->total_row)) * total_row;
    int32_t *pairs = e->pairs, *weights = e->weights + NLM_WIDE_KEPT;
    ptrdiff_t x, g, k, j;
    if (radius > 1)
        nlm_wide_pairs(columns, plane, half, n + radius, n_shifts, pairs, pair_row);
    for (x = 0; x < n; x += NLM_WIDE_LANES) {
        nlm_wvec weight_sum[2][2], value_sum[2][2];
        for (k = 0; k < 2; k++)
            weight_sum[k][0] = weight_sum[k][1] = value_sum[k][0] = value_sum[k][1] = nlm_w_zero();
        for (g = 0; g < n_shifts; g++) {
            nlm_wvec d[2];
            nlm_wide_box(columns + g * plane + x, half, pairs + g * pair_row + x, radius, d);
            for (k = 0; k < 2; k++) {
                nlm_wvec w = nlm_w_look_up64(table, nlm_w_least(nlm_w_right(d[k], table_shift), last));
                nlm_wvec p = nlm_w_even(nlm_w_load(q + 2 * x + g + k)), high;
                nlm_w_store(weights + (2 * g + k) * row + x, mask ? nlm_w_keep(w, mask + 2 * x + k) : w);
                if (mask)
                    w = nlm_w_keep(w, mask + shift + 2 * x + g + k);
                high = nlm_w_high64(w);
                weight_sum[k][0] = nlm_w_add64(weight_sum[k][0], nlm_w_low64(w));
                weight_sum[k][1] = nlm_w_add64(weight_sum[k][1], high);
                value_sum[k][0] = nlm_w_add64(value_sum[k][0], nlm_w_multiply64(w, p));
                value_sum[k][1] = nlm_w_add64(value_sum[k][1], nlm_w_multiply64(high, nlm_w_high64(p)));
            }
        }
        for (k = 0; k < 2 && line->forward >= 0; k++)
            for (j = 0; j < 2; j++) {
                nlm_wide64_add(total + (2 * k + j) * total_row + x / 2, value_sum[k][j]);
                nlm_wide64_add(weight_total + (2 * k + j) * total_row + x / 2, weight_sum[k][j]);
            }
    }
}

/* As nlm_wide_give; from an even place on. */
NLM_INLINE void nlm_wide64_give(const nlm_wide64_engine *e64, const nlm_shifts *s, const nlm_line *line, ptrdiff_t base,
                                ptrdiff_t from, ptrdiff_t stop)
{
    const nlm_wide_engine *e = &e64->wide;
    const nlm_tile *t = e->t;
    const ptrdiff_t row = NLM_WIDE_ROW, n = stop - from, n_shifts = s->n, total_row = e64->total_row;
    const ptrdiff_t ahead = 2 * nlm_floor_half(nlm_floor_half(s->dx));
    const uint16_t *own = e->padded + (line->plane + t->patch[0] + t->search[0]) * t->plane_stride +
                          (line->row + t->patch[1] + t->search[1]) * t->row_stride + t->patch[2] + t->search[2] + base +
                          2 * (from + ahead) - s->dx;
    int64_t *total = nlm_wide64_total(e64, line->reverse, (base - e->origin) / 2 + from + ahead);
    int64_t *weight_total = total + 4 * (e->n_totals / (2 * e->total_row)) * total_row;
    ptrdiff_t x, g, k, j;
    for (k = 0; k < 2; k++)
        for (x = 0; x < n; x += NLM_WIDE_LANES) {
            nlm_wvec weight_sum[2], value_sum[2];
            weight_sum[0] = weight_sum[1] = value_sum[0] = value_sum[1] = nlm_w_zero();
            for (g = 0; g < n_shifts; g++) {
                const ptrdiff_t col = k - s->dx - g;
                nlm_wvec w = nlm_w_load(e->weights + (2 * g + (col & 1)) * row + NLM_WIDE_KEPT + ahead +
                                        nlm_floor_half(col) + x);
                nlm_wvec p = nlm_w_even(nlm_w_load(own + 2 * x + k - g)), high = nlm_w_high64(w);
                weight_sum[0] = nlm_w_add64(weight_sum[0], nlm_w_low64(w));
                weight_sum[1] = nlm_w_add64(weight_sum[1], high);
                value_sum[0] = nlm_w_add64(value_sum[0], nlm_w_multiply64(w, p));
                value_sum[1] = nlm_w_add64(value_sum[1], nlm_w_multiply64(high, nlm_w_high64(p)));
            }
            for (j = 0; j < 2; j++) {
                nlm_wide64_add(total + (2 * k + j) * total_row + x / 2, value_sum[j]);
                nlm_wide64_add(weight_total + (2 * k + j) * total_row + x / 2, weight_sum[j]);
            }
        }
    for (g = 0; g < 2 * n_shifts; g++)
        for (x = 0; x < NLM_WIDE_KEPT; x += NLM_WIDE_LANES)
            nlm_w_store(e->weights + g * row + x, nlm_w_load(e->weights + g * row + n + x));
}

static void nlm_wide64_line_step(void *self, const nlm_shifts *s, const nlm_line *line, ptrdiff_t row_start,
                                 nlm_range cols)
{
    const nlm_wide64_engine *e64 = (const nlm_wide64_engine *)self;
    const nlm_wide_engine *e = &e64->wide;
    const ptrdiff_t base = nlm_wide_base(e, cols), n = (line->cols.stop - base) / 2 + 2, radius = e->t->patch[2];
    const int32_t *columns = e->columns + (line->row - row_start) * e->line;
    ptrdiff_t x, stop;
    for (x = (line->cols.start - base) / 4 * 2; x < n; x = stop) {
        stop = nlm_least(x + NLM_WIDE_CHUNK, n);
        if (radius == 3)
            nlm_wide64_weigh(e64, s, line, base, columns + x, x, stop, 3);
        else
            nlm_wide64_weigh(e64, s, line, base, columns + x, x, stop, radius);
        if (line->reverse >= 0)
            nlm_wide64_give(e64, s, line, base, x, stop);
    }
}

static ptrdiff_t nlm_wide64_lay_out(nlm_wide64_engine *e, uint8_t *scratch)
{
    const ptrdiff_t size = nlm_wide_lay_out(&e->wide, scratch), n_lines = e->wide.n_totals / (2 * e->wide.total_row);
    e->total_row = e->wide.total_row / 2 + 8;
    e->totals = (int64_t *)(scratch + size);
    return size + (8 * n_lines * e->total_row + 16) * (ptrdiff_t)sizeof(int64_t);
}

/* Sums of the tile: (2, lines, row_size), of weighted pixels, then of weights. `w` has no table. */
static void nlm_wide64_tile(const nlm_tile *t, const nlm_wide *w, const int64_t *table, int64_t *sums,
                            ptrdiff_t row_size, uint8_t *scratch)
{
    static const nlm_steps steps = {nlm_wide_columns_step, nlm_wide64_line_step};
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n_lines = (t->planes[1] - t->planes[0]) * n_rows;
    nlm_range *extents = (nlm_range *)scratch;
    ptrdiff_t k, x, part;
    nlm_wide64_engine e64;
    nlm_wide_engine *e = &e64.wide;
    e->t = t, e->w = w, e->padded = (const uint16_t *)t->padded, e64.table = table, e->is_large = 1;
    for (e->n_terms = 0; e->n_terms <= 2 * t->patch[0]; e->n_terms++)
        e->terms[e->n_terms] = e->n_terms * t->plane_stride;
    for (e->cols.start = 0; e->cols.start < t->n_cols; e->cols.start = e->cols.stop) {
        e->cols.stop = nlm_least(t->n_cols, e->cols.start + NLM_WIDE_COLS);
        nlm_wide64_lay_out(&e64, scratch + nlm_wide_extents(t));
        memset(e64.totals, 0, 8 * n_lines * e64.total_row * sizeof(int64_t));
        nlm_tile_extents(t, e->cols, extents);
        nlm_tile_run(t, e->cols, e->group, extents, &steps, &e64);
        for (part = 0; part < 2; part++)
            for (k = 0; k < n_lines; k++) {
                const ptrdiff_t z = t->planes[0] + k / n_rows + t->patch[0] + t->search[0];
                const uint16_t *own = e->padded + z * t->plane_stride +
                                      (t->rows[0] + k % n_rows + t->patch[1] + t->search[1]) * t->row_stride +
                                      t->patch[2] + t->search[2];
                const int64_t *total = e64.totals + 4 * (part * n_lines + k) * e64.total_row;
                for (x = e->cols.start; x < e->cols.stop; x++) {
                    const ptrdiff_t col = x - e->origin, place = NLM_WIDE_SHIFTS + col / 2;
                    sums[(part * n_lines + k) * row_size + x] =
                        total[(2 * (col & 1) + (place & 1)) * e64.total_row + place / 2] +
                        table[0] * (part ? 1 : own[x]); /* each pixel with itself */
                }
            }
    }
}

/* Bytes of scratch for that, from an address that is a multiple of 64. */
static ptrdiff_t nlm_wide64_scratch(const nlm_tile *t)
{
    nlm_wide64_engine e;
    e.wide.t = t, e.wide.cols.start = 0, e.wide.cols.stop = nlm_least(t->n_cols, NLM_WIDE_COLS);
    return nlm_wide64_lay_out(&e, NULL) + nlm_wide_extents(t);
}

#else
static ptrdiff_t nlm_wide64_scratch(const nlm_tile *t) { return (void)t, 0; }
static void nlm_wide64_tile(const nlm_tile *t, const nlm_wide *w, const int64_t *table, int64_t *sums,
                            ptrdiff_t row_size, uint8_t *scratch)
{
    (void)t, (void)w, (void)table, (void)sums, (void)row_size, (void)scratch;
}
#endif

#endif
