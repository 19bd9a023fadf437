/* The steps of nlm_real.h in one floating-point type: included with NLM_REAL(x) = x_f32 and x_f64, the type of
   the sums, and NLM_NAME(x), that and the type of the pixels. No guard. */

typedef struct {
    const nlm_tile *t;
    const nlm_formula *f;
    const NLM_P *padded;
    nlm_range cols;             /* of the tile */
    ptrdiff_t group, plane;     /* shifts; elements of the column sums of one shift */
    ptrdiff_t row, total_row;   /* elements of a row of weights, of totals */
    ptrdiff_t margin;           /* columns on either side of totals, which vectors may spoil */
    ptrdiff_t n_totals;
    ptrdiff_t *terms;           /* offsets of the pixels that make one distance: planes of the patch, channels */
    NLM_T *columns, *pairs, *weights, *values, *totals;
    NLM_V *lines;
    double *sums;               /* (channels + 1, lines, sums_row) */
    ptrdiff_t sums_plane, sums_row;
} NLM_NAME(nlm_engine);

#define engine_t NLM_NAME(nlm_engine)
#define LANES NLM_REAL(NLM_LANES)
#define load NLM_REAL(nlm_load)
#define store NLM_REAL(nlm_store)
#define pixel NLM_NAME(nlm_pixel)
#define add NLM_REAL(nlm_add)
#define sub NLM_REAL(nlm_sub)
#define mul NLM_REAL(nlm_mul)
#define set NLM_REAL(nlm_set)
#define keep NLM_REAL(nlm_keep)

/* Squared (absolute) difference of one row and LANES columns, summed over the terms. */
NLM_INLINE NLM_V NLM_NAME(nlm_difference)(const NLM_P *a, const NLM_P *b, const ptrdiff_t *terms, ptrdiff_t n_terms,
                                          int norm)
{
    NLM_V d = sub(pixel(a), pixel(b)), sum = norm == 1 ? NLM_REAL(nlm_abs)(d) : mul(d, d);
    ptrdiff_t k;
    for (k = 1; k < n_terms; k++) {
        d = sub(pixel(a + terms[k]), pixel(b + terms[k]));
        sum = add(sum, norm == 1 ? NLM_REAL(nlm_abs)(d) : mul(d, d));
    }
    return sum;
}

/* Sums over the rows of the patch, of lines first ... last - 1 (rows of the padded image, where the patches begin). The
   lines 2 j and 2 j + 1 have all but one row in common, and that is paired: seven rows take 2.5 additions in place of
   six. Which lines share depends on the image alone. */
NLM_INLINE void NLM_NAME(nlm_columns)(const engine_t *e, const NLM_P *a, /* IN   row 0, first column */
                                      const NLM_P *b,                    /* IN   the same, shifted */
                                      ptrdiff_t first, ptrdiff_t last, NLM_T *columns, ptrdiff_t radius,
                                      ptrdiff_t n_terms, int norm)
{
#define difference(y) NLM_NAME(nlm_difference)(a + (y) * stride, b + (y) * stride, terms, n_terms, norm)
    const ptrdiff_t stride = e->t->row_stride, row = e->row, *terms = e->terms;
    NLM_V single[4], pair[4], sum, low, high;
    ptrdiff_t y = first & ~(ptrdiff_t)1, j;
    columns -= (first - y) * row;
    single[0] = difference(y);
    for (j = 0; j < radius; j++) {
        low = difference(y + 2 * j + 1);
        single[j + 1] = difference(y + 2 * j + 2);
        pair[j] = add(low, single[j + 1]);
    }
    for (;; y += 2, columns += 2 * row) {
        sum = pair[0];
        for (j = 1; j < radius; j++)
            sum = add(sum, pair[j]);
        if (y >= first)
            store(columns, add(sum, single[0]));
        if (y + 1 >= last)
            break;
        low = difference(y + 2 * radius + 1);
        store(columns + row, add(sum, low));
        if (y + 2 >= last)
            break;
        high = difference(y + 2 * radius + 2);
        for (j = 0; j < radius; j++)
            single[j] = single[j + 1];
        single[radius] = high;
        for (j = 0; j + 1 < radius; j++)
            pair[j] = pair[j + 1];
        pair[radius - 1] = add(low, high);
    }
}

/* The same for any radius, with the differences in memory. */
NLM_INLINE void NLM_NAME(nlm_columns_any)(const engine_t *e, const NLM_P *a, const NLM_P *b, ptrdiff_t first,
                                          ptrdiff_t last, NLM_T *columns, int norm)
{
    const ptrdiff_t stride = e->t->row_stride, radius = e->t->patch[1];
    const ptrdiff_t start = first & ~(ptrdiff_t)1;
    NLM_V *lines = e->lines, sum;
    ptrdiff_t y, j;
    for (y = start; y < last + 2 * radius; y++)
        lines[y - start] = NLM_NAME(nlm_difference)(a + y * stride, b + y * stride, e->terms, e->f->n_terms, norm);
    for (y = first; y < last; y++, columns += e->row) {
        const NLM_V *line = lines + (y - start), *paired = line + !(y & 1);
        const NLM_V single = y & 1 ? line[2 * radius] : line[0];
        if (radius == 0) {
            store(columns, single);
            continue;
        }
        sum = add(paired[0], paired[1]);
        for (j = 1; j < radius; j++)
            sum = add(sum, add(paired[2 * j], paired[2 * j + 1]));
        store(columns, add(sum, single));
    }
}
#undef difference

static void NLM_NAME(nlm_columns_step)(void *self, const nlm_shifts *s, ptrdiff_t plane, ptrdiff_t row_start,
                                       ptrdiff_t row_stop, nlm_range cols)
{
    const engine_t *e = (const engine_t *)self;
    const nlm_tile *t = e->t;
    const ptrdiff_t shift = s->dz * t->plane_stride + s->dy * t->row_stride + s->dx;
    const NLM_P *first = e->padded + (plane + t->search[0]) * t->plane_stride + t->search[2] + cols.start;
    const ptrdiff_t y0 = row_start + t->search[1], y1 = row_stop + t->search[1], radius = t->patch[1];
    const ptrdiff_t n = cols.stop - cols.start + 2 * t->patch[2], n_terms = e->f->n_terms;
    ptrdiff_t x, g;
    for (x = 0; x < n; x += LANES)
        for (g = 0; g < s->n; g++) { /* innermost: their pixels are mostly the same */
            const NLM_P *a = first + x, *b = a + shift + g;
            NLM_T *columns = e->columns + g * e->plane + x;
            if (e->f->norm == 1)
                NLM_NAME(nlm_columns_any)(e, a, b, y0, y1, columns, 1);
            else if (radius == 3 && n_terms == 1)
                NLM_NAME(nlm_columns)(e, a, b, y0, y1, columns, 3, 1, 2);
            else if (radius == 2 && n_terms == 1)
                NLM_NAME(nlm_columns)(e, a, b, y0, y1, columns, 2, 1, 2);
            else if (radius == 1 && n_terms == 1)
                NLM_NAME(nlm_columns)(e, a, b, y0, y1, columns, 1, 1, 2);
            else if (radius == 1 && n_terms == 3)
                NLM_NAME(nlm_columns)(e, a, b, y0, y1, columns, 1, 3, 2);
            else
                NLM_NAME(nlm_columns_any)(e, a, b, y0, y1, columns, 2);
        }
}

/* Weights of columns `from` ... `stop` - 1 of one line from its column sums, and what they add to the line itself; what
   they add to the other line is left in `weights` and `values`. `plain` is one channel, no mask, L2. */
NLM_INLINE void NLM_NAME(nlm_weigh)(const engine_t *e, const nlm_shifts *s, const nlm_line *line,
                                    const NLM_T *columns, ptrdiff_t from, ptrdiff_t stop, ptrdiff_t radius, int plain,
                                    int is_rician)
{
    const nlm_tile *t = e->t;
    const nlm_formula *f = e->f;
    const ptrdiff_t n = stop - from, n_channels = plain ? 1 : t->n_channels, n_shifts = s->n;
    const ptrdiff_t row = NLM_REAL_ROW, plane = e->plane, n_totals = e->n_totals, channel_stride = t->channel_stride;
    const ptrdiff_t pair_row = row + (2 * radius + 15) / 16 * 16;
    const ptrdiff_t values_plane = e->group * row, norm = plain ? 2 : f->norm;
    const ptrdiff_t own = (line->plane + t->patch[0] + t->search[0]) * t->plane_stride +
                          (line->row + t->patch[1] + t->search[1]) * t->row_stride + t->patch[2] + t->search[2] + from;
    const ptrdiff_t shift = s->dz * t->plane_stride + s->dy * t->row_stride + s->dx;
    const ptrdiff_t mask_plane = t->plane_stride / t->n_channels; /* has one channel */
    const int forward = line->forward >= 0;
    const NLM_P *p = e->padded + own;
    const NLM_V factor = set((NLM_T)f->factor);
    const uint8_t *mask = NULL;
    NLM_T *total = e->totals + (forward ? line->forward : 0) * e->total_row + e->margin + from - e->cols.start;
    NLM_T *pairs = e->pairs, *weights = e->weights + NLM_REAL_KEPT, *values = e->values + NLM_REAL_KEPT;
    NLM_T *gains = e->values + n_channels * values_plane;
    ptrdiff_t x, g, j, channel;
    if (!plain && t->mask)
        mask = t->mask + own - (line->plane + t->patch[0] + t->search[0]) * (t->plane_stride - mask_plane);
    if (radius > 1)
        for (g = 0; g < n_shifts; g++)
            for (x = 0; x < n + 2 * radius; x += LANES)
                store(pairs + g * pair_row + x, add(load(columns + g * plane + x), load(columns + g * plane + x + 1)));
    for (x = 0; x < n; x += LANES) {
        NLM_V weight_sum = set(0), value_sum = set(0), centre = pixel(p + x);
        for (g = 0; g < n_shifts; g++) {
            const NLM_T *c = columns + g * plane + x, *pair = pairs + g * pair_row + x;
            const NLM_P *q = p + x + shift + g;
            NLM_V d, w, gained, given, value;
            if (radius > 1) {
                d = load(pair);
                for (j = 1; j < radius; j++)
                    d = add(d, load(pair + 2 * j));
                d = add(d, load(c + 2 * radius));
            } else if (radius == 1)
                d = add(add(load(c), load(c + 1)), load(c + 2));
            else
                d = load(c);
            if (norm == 1)
                d = mul(d, d);
            w = NLM_REAL(nlm_power)(mul(d, factor));
            if (plain) {
                value = sub(pixel(q), centre);
                if (is_rician)
                    value = mul(value, add(pixel(q), centre));
                value = mul(w, value);
                weight_sum = add(weight_sum, w);
                value_sum = add(value_sum, value);
                store(weights + g * row + x, w);
                store(values + g * row + x, value);
                continue;
            }
            gained = given = w;
            if (mask) {
                gained = keep(w, mask + s->dz * (mask_plane - t->plane_stride) + shift + g + x);
                given = keep(w, mask + x);
            }
            weight_sum = add(weight_sum, gained);
            store(weights + g * row + x, given);
            for (channel = 0; channel < n_channels; channel++) {
                const NLM_V other = pixel(q + channel * channel_stride), own = pixel(p + x + channel * channel_stride);
                NLM_T *gain = gains + channel * row + x;
                value = sub(other, own);
                if (is_rician)
                    value = mul(value, add(other, own));
                store(gain, g ? add(load(gain), mul(gained, value)) : mul(gained, value));
                store(values + channel * values_plane + g * row + x, mul(given, value));
            }
        }
        if (!forward)
            continue;
        for (channel = 0; channel < n_channels; channel++) {
            NLM_T *at = total + channel * n_totals + x;
            store(at, add(load(at), plain ? value_sum : load(gains + channel * row + x)));
        }
        store(total + n_channels * n_totals + x, add(load(total + n_channels * n_totals + x), weight_sum));
    }
}

/* What those weights add to the other line, columns from + dx ... stop + dx - 1: the weight of q = x and shift dx
   stands at p = x - dx. Of the columns before, the last ones are needed again, and kept for the next call. */
NLM_INLINE void NLM_NAME(nlm_give)(const engine_t *e, const nlm_shifts *s, const nlm_line *line, ptrdiff_t from,
                                   ptrdiff_t stop, int plain)
{
    const ptrdiff_t row = NLM_REAL_ROW, n = stop - from, n_shifts = s->n, n_totals = e->n_totals;
    const ptrdiff_t n_channels = plain ? 1 : e->t->n_channels, values_plane = e->group * row;
    NLM_T *total = e->totals + line->reverse * e->total_row + e->margin + from + s->dx - e->cols.start;
    NLM_T *rows = e->weights;
    ptrdiff_t x, g, k;
    for (k = 0; k <= n_channels; k++) {
        NLM_T *at = total + (k ? k - 1 : n_channels) * n_totals;
        for (x = 0; x < n; x += LANES) {
            NLM_V sum = load(rows + NLM_REAL_KEPT + x);
            for (g = 1; g < n_shifts; g++)
                sum = add(sum, load(rows + NLM_REAL_KEPT + x + g * (row - 1)));
            store(at + x, k ? sub(load(at + x), sum) : add(load(at + x), sum));
        }
        for (g = 0; g < n_shifts; g++)
            for (x = 0; x < NLM_REAL_KEPT; x += LANES)
                store(rows + g * row + x, load(rows + g * row + n + x));
        rows = e->values + k * values_plane;
    }
}

NLM_INLINE void NLM_NAME(nlm_line_of)(const engine_t *e, const nlm_shifts *s, const nlm_line *line, ptrdiff_t row_start,
                                      nlm_range cols, ptrdiff_t radius, int plain, int is_rician)
{
    const NLM_T *columns = e->columns + (line->row - row_start) * e->row - cols.start;
    ptrdiff_t x, stop;
    for (x = line->cols.start; x < line->cols.stop; x = stop) {
        stop = nlm_least(x + NLM_REAL_CHUNK, line->cols.stop);
        NLM_NAME(nlm_weigh)(e, s, line, columns + x, x, stop, radius, plain, is_rician);
        if (line->reverse >= 0)
            NLM_NAME(nlm_give)(e, s, line, x, stop, plain);
    }
}

static void NLM_NAME(nlm_line_step)(void *self, const nlm_shifts *s, const nlm_line *line, ptrdiff_t row_start,
                                    nlm_range cols)
{
    const engine_t *e = (const engine_t *)self;
    const ptrdiff_t radius = e->t->patch[2];
    const int plain = e->t->n_channels == 1 && !e->t->mask && e->f->norm == 2, is_rician = e->f->is_rician;
    if (plain && radius == 3 && !is_rician)
        NLM_NAME(nlm_line_of)(e, s, line, row_start, cols, 3, 1, 0);
    else if (plain && radius == 2 && !is_rician)
        NLM_NAME(nlm_line_of)(e, s, line, row_start, cols, 2, 1, 0);
    else if (plain && radius == 1 && !is_rician)
        NLM_NAME(nlm_line_of)(e, s, line, row_start, cols, 1, 1, 0);
    else if (plain && radius == 1)
        NLM_NAME(nlm_line_of)(e, s, line, row_start, cols, 1, 1, 1);
    else if (plain)
        NLM_NAME(nlm_line_of)(e, s, line, row_start, cols, radius, 1, is_rician);
    else
        NLM_NAME(nlm_line_of)(e, s, line, row_start, cols, radius, 0, is_rician);
}

/* Short sums of floats go into long ones of doubles. */
static void NLM_NAME(nlm_done_step)(void *self, ptrdiff_t n_groups)
{
    const engine_t *e = (const engine_t *)self;
    const ptrdiff_t n_lines = (e->t->planes[1] - e->t->planes[0]) * (e->t->rows[1] - e->t->rows[0]);
    const ptrdiff_t n = e->cols.stop - e->cols.start;
    ptrdiff_t channel, k, x;
    if (n_groups % NLM_REAL_GROUPS)
        return;
    for (channel = 0; channel <= e->t->n_channels; channel++)
        for (k = 0; k < n_lines; k++) {
            NLM_T *total = e->totals + channel * e->n_totals + k * e->total_row + e->margin;
            double *sum = e->sums + channel * e->sums_plane + k * e->sums_row;
            for (x = 0; x < n; x++)
                sum[x] += total[x];
            memset(total, 0, n * sizeof(NLM_T));
        }
}

/* Lays out the scratch; returns its size in bytes. `e` has its tile, formula and cols. */
static ptrdiff_t NLM_NAME(nlm_lay_out)(engine_t *e, uint8_t *scratch)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n = e->cols.stop - e->cols.start;
    const ptrdiff_t n_lines = nlm_tile_lines(n_rows, t->search[1]);
    const ptrdiff_t unit = 64 / sizeof(NLM_T);
    uint8_t *at = scratch;
#define place(pointer, type, count) \
    pointer = (type *)at, at += ((count) * (ptrdiff_t)sizeof(type) + 127) / 64 * 64 /* and a line between */
    e->group = nlm_tile_group(t->search[2], NLM_REAL_SHIFTS);
    e->margin = nlm_tile_reach(t, e->cols, e->group) + LANES;
    e->row = n + nlm_tile_reach(t, e->cols, e->group) + 2 * t->patch[2] + 3 * LANES;
    e->row = ((e->row / unit + 1) | 1) * unit; /* odd, as in nlm.pyx */
    e->total_row = (((n + 2 * e->margin + LANES) / unit + 1) | 1) * unit;
    e->plane = n_lines * e->row;
    e->n_totals = (t->planes[1] - t->planes[0]) * n_rows * e->total_row;
    place(e->terms, ptrdiff_t, e->f->n_terms);
    place(e->lines, NLM_V, n_lines + 2 * t->patch[1] + 2);
    place(e->pairs, NLM_T, e->group * (NLM_REAL_ROW + 2 * t->patch[2] + 16));
    place(e->weights, NLM_T, e->group * NLM_REAL_ROW);
    place(e->values, NLM_T, t->n_channels * (e->group + 1) * NLM_REAL_ROW);
    place(e->columns, NLM_T, e->group * e->plane + e->row);
    place(e->totals, NLM_T, (t->n_channels + 1) * e->n_totals);
#undef place
    return at - scratch;
}

/* Sums of the tile: (channels + 1, lines, sums_row), of weighted differences to the own pixel, then of weights. */
static void NLM_NAME(nlm_real_sums)(const nlm_tile *t, const nlm_formula *f, double *sums, ptrdiff_t sums_row,
                                    uint8_t *scratch)
{
    static const nlm_steps steps = {NLM_NAME(nlm_columns_step), NLM_NAME(nlm_line_step), NLM_NAME(nlm_done_step), 1};
    const ptrdiff_t n_lines = (t->planes[1] - t->planes[0]) * (t->rows[1] - t->rows[0]);
    nlm_range *extents = (nlm_range *)scratch;
    ptrdiff_t k, x, channel;
    engine_t e;
    e.t = t, e.f = f, e.padded = (const NLM_P *)t->padded;
    e.sums_row = sums_row, e.sums_plane = n_lines * sums_row;
    scratch += (n_lines * sizeof(nlm_range) + 63) / 64 * 64;
    for (k = 0; k < n_lines * (t->n_channels + 1); k++)
        for (x = 0; x < t->n_cols; x++) /* each pixel with itself has weight 1 */
            sums[k * sums_row + x] = k >= n_lines * t->n_channels;
    for (e.cols.start = 0; e.cols.start < t->n_cols; e.cols.start = e.cols.stop) {
        e.cols.stop = nlm_least(t->n_cols, e.cols.start + NLM_REAL_COLS);
        e.sums = sums + e.cols.start;
        NLM_NAME(nlm_lay_out)(&e, scratch);
        for (k = 0, channel = 0; k <= 2 * t->patch[0]; k++)
            for (x = 0; x < t->n_channels; x++)
                e.terms[channel++] = k * t->plane_stride + x * t->channel_stride;
        memset(e.totals, 0, (t->n_channels + 1) * e.n_totals * sizeof(NLM_T));
        nlm_tile_extents(t, e.cols, extents);
        nlm_tile_run(t, e.cols, e.group, extents, &steps, &e);
        NLM_NAME(nlm_done_step)(&e, 0);
    }
}

/* Bytes of scratch for that. */
static ptrdiff_t NLM_NAME(nlm_real_scratch)(const nlm_tile *t, const nlm_formula *f)
{
    const ptrdiff_t n_lines = (t->planes[1] - t->planes[0]) * (t->rows[1] - t->rows[0]);
    engine_t e;
    e.t = t, e.f = f, e.cols.start = 0, e.cols.stop = nlm_least(t->n_cols, NLM_REAL_COLS);
    return NLM_NAME(nlm_lay_out)(&e, NULL) + (n_lines * sizeof(nlm_range) + 63) / 64 * 64;
}

#undef engine_t
#undef LANES
#undef load
#undef store
#undef pixel
#undef add
#undef sub
#undef mul
#undef set
#undef keep
