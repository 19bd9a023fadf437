/* The steps of nlm_real.h in one floating-point type: included with NLM_REAL(x) = x_f32 or x_f64, the type T of the
   sums and V of their vectors. No guard. */

/* A tile, or the part of it that is worked on at a time. Rows are in *bands*: cut into LANES runs of `size` rows, of
   which vector t holds row t of each, one lane a band. Row t + size is row t, one lane on. Strides count elements. */
typedef struct {
    const nlm_tile *t;
    const nlm_formula *f;
    nlm_range planes, rows, cols;
    ptrdiff_t patch[3], search[3];
    ptrdiff_t n_planes, n, n_sums;                 /* planes and columns; channels, and their weights */
    ptrdiff_t size, margin;                        /* rows of a band; columns before those of the tile */
    ptrdiff_t comb_row, comb_channel, comb_plane;  /* pixels */
    ptrdiff_t line, plane;                         /* sums */
    ptrdiff_t column_row, local_row;               /* sums over the rows of a patch; sums of a row of shifts */
    ptrdiff_t *terms;                              /* of the channels, from the first */
    ptrdiff_t ring_shift;                          /* sums over the rows of patches, of two shifts */
    NLM_T *combs;                                  /* (planes, channels (+ mask), size, columns) */
    NLM_T *ring;                                   /* (pairs of shifts, planes of the patch - 1) of those */
    NLM_T *columns, *weights;                      /* (2, NLM_REAL_LINES, columns); (2, columns) */
    NLM_T *gained, *given;                         /* (NLM_REAL_LINES, columns, sums) of a row of shifts */
    NLM_T *moved;                                  /* a line of those, with as many zeros around each vector */
    NLM_T *forward, *reverse;                      /* (planes, size, columns, sums) */
    const NLM_T **rows_of;                         /* of patches of lines of p, then of q */
    NLM_T **slots;                                 /* of a ring, the oldest first */
    NLM_V *lines;
    double *totals;                                /* the same: of all shifts so far */
} NLM_REAL(nlm_engine);

#define engine_t NLM_REAL(nlm_engine)
#define LANES NLM_REAL(NLM_LANES)
#define load NLM_REAL(nlm_load)
#define store NLM_REAL(nlm_store)
#define add NLM_REAL(nlm_add)
#define sub NLM_REAL(nlm_sub)
#define mul NLM_REAL(nlm_mul)
#define set NLM_REAL(nlm_set)
#define keep NLM_REAL(nlm_keep)

/* Bands that a row is beyond those of the first. */
static ptrdiff_t NLM_REAL(nlm_band)(const engine_t *e, ptrdiff_t row)
{
    return row >= 0 ? row / e->size : -((e->size - 1 - row) / e->size);
}

/* The first column of a row of pixels, counted from the first that any patch has. */
static const NLM_T *NLM_REAL(nlm_comb)(const engine_t *e, ptrdiff_t plane, ptrdiff_t row)
{
    const ptrdiff_t band = NLM_REAL(nlm_band)(e, row);
    return e->combs + plane * e->comb_plane + (row - band * e->size) * e->comb_row + band;
}

/* Differences of a vector of pixels and the one (of two shifts: and the next) that the shift leads to, of all terms. */
NLM_INLINE void NLM_REAL(nlm_differ)(const NLM_T *a, const NLM_T *b, const ptrdiff_t *terms, ptrdiff_t n_terms,
                                     int n_shifts, int norm, NLM_V *sums)
{
    ptrdiff_t k;
    int s;
    for (k = 0; k < n_terms; k++) {
        const NLM_T *other = b + (k ? terms[k] : 0);
        const NLM_V own = load(a + (k ? terms[k] : 0));
        for (s = 0; s < n_shifts; s++) {
            NLM_V d = sub(load(other + s * LANES), own);
            d = norm == 1 ? NLM_REAL(nlm_abs)(d) : mul(d, d);
            sums[s] = k ? add(sums[s], d) : d;
        }
    }
}

/* Sums over the rows of the patch for n lines and columns from ... to - 1, of one or two shifts at a time, as those
   share the loads of p. The lines 2 j and 2 j + 1 have all but one row in common, and that is paired: seven rows take
   2.5 additions in place of six. Which lines share depends on the image alone; of three rows none do, so that bands
   may be of any size. */
NLM_INLINE void NLM_REAL(nlm_columns)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q,
                                      ptrdiff_t plane, NLM_T *sums, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                      ptrdiff_t radius, ptrdiff_t n_terms, int n_shifts)
{
#define differ(y, d) \
    NLM_REAL(nlm_differ)(p[y] + plane + x * LANES, q[y] + plane + x * LANES, terms, n_terms, n_shifts, 2, d)
    const ptrdiff_t row = e->column_row, shift = NLM_REAL_LINES * row, *terms = e->terms;
    ptrdiff_t x, y, j;
    int s;
    for (x = from; x < to; x++) {
        NLM_T *columns = sums + (e->margin + x) * LANES;
        NLM_V single[4][2], pair[4][2], sum[2], low[2], high[2];
        if (radius == 1) {
            differ(0, low);
            differ(1, high);
            for (y = 0; y < n; y++, columns += row) {
                for (s = 0; s < n_shifts; s++)
                    sum[s] = add(low[s], high[s]), low[s] = high[s];
                differ(y + 2, high);
                for (s = 0; s < n_shifts; s++)
                    store(columns + s * shift, add(sum[s], high[s]));
            }
            continue;
        }
        differ(0, single[0]);
        for (j = 0; j < radius; j++) {
            differ(2 * j + 1, low);
            differ(2 * j + 2, single[j + 1]);
            for (s = 0; s < n_shifts; s++)
                pair[j][s] = add(low[s], single[j + 1][s]);
        }
        for (y = 0;; y += 2, columns += 2 * row) {
            for (s = 0; s < n_shifts; s++) {
                sum[s] = pair[0][s];
                for (j = 1; j < radius; j++)
                    sum[s] = add(sum[s], pair[j][s]);
                store(columns + s * shift, add(sum[s], single[0][s]));
            }
            differ(y + 2 * radius + 1, low);
            for (s = 0; s < n_shifts; s++)
                store(columns + s * shift + row, add(sum[s], low[s]));
            if (y + 2 >= n)
                break;
            differ(y + 2 * radius + 2, high);
            for (s = 0; s < n_shifts; s++) {
                for (j = 0; j < radius; j++)
                    single[j][s] = single[j + 1][s];
                single[radius][s] = high[s];
                for (j = 0; j + 1 < radius; j++)
                    pair[j][s] = pair[j + 1][s];
                pair[radius - 1][s] = add(low[s], high[s]);
            }
        }
    }
}

/* The same for any radius and norm, with the differences in memory. */
NLM_INLINE void NLM_REAL(nlm_columns_any)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q,
                                          ptrdiff_t plane, NLM_T *sums, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                          int n_shifts, int norm)
{
    const ptrdiff_t row = e->column_row, radius = e->patch[1];
    NLM_V *lines = e->lines, sum;
    ptrdiff_t x, y, j;
    int s;
    for (x = from; x < to; x++)
        for (s = 0; s < n_shifts; s++) {
            NLM_T *columns = sums + s * NLM_REAL_LINES * row + (e->margin + x) * LANES;
            for (y = 0; y < n + 2 * radius; y++)
                NLM_REAL(nlm_differ)(p[y] + plane + x * LANES, q[y] + plane + (x + s) * LANES, e->terms, e->t->n_channels, 1,
                                     norm, lines + y);
            for (y = 0; y < n; y++, columns += row) {
                const int is_odd = radius == 1 || (y & 1);
                const NLM_V *paired = lines + y + !is_odd;
                if (radius == 0) {
                    store(columns, lines[y]);
                    continue;
                }
                sum = add(paired[0], paired[1]);
                for (j = 1; j < radius; j++)
                    sum = add(sum, add(paired[2 * j], paired[2 * j + 1]));
                store(columns, add(sum, is_odd ? lines[y + 2 * radius] : lines[y]));
            }
        }
#undef differ
}

/* Of one plane. */
NLM_INLINE void NLM_REAL(nlm_columns_of)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q,
                                         ptrdiff_t plane, NLM_T *sums, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                         int n_shifts)
{
    const ptrdiff_t radius = e->patch[1], n_terms = e->t->n_channels;
    plane *= e->comb_plane;
    if (e->f->norm == 1)
        NLM_REAL(nlm_columns_any)(e, p, q, plane, sums, n, from, to, n_shifts, 1);
    else if (radius == 3 && n_terms == 1)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 3, 1, n_shifts);
    else if (radius == 2 && n_terms == 1)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 2, 1, n_shifts);
    else if (radius == 1 && n_terms == 1)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 1, 1, n_shifts);
    else
        NLM_REAL(nlm_columns_any)(e, p, q, plane, sums, n, from, to, n_shifts, 2);
}

/* Of all planes of the patch, of which line z shares all but one with line z - 1: what is left of that, if `follows`,
   stands in `ring`, where the last plane takes the place of the first. */
NLM_INLINE void NLM_REAL(nlm_planes)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q, ptrdiff_t z,
                                     int follows, NLM_T *ring, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to, int n_shifts)
{
    const ptrdiff_t size = 2 * NLM_REAL_LINES * e->column_row, kept = 2 * e->patch[0];
    ptrdiff_t k, y, x;
    int s;
    if (kept == 0) {
        NLM_REAL(nlm_columns_of)(e, p, q, 0, e->columns, n, from, to, n_shifts);
        return;
    }
    z += e->search[0]; /* from 0 on */
    for (k = 0; k < kept; k++) {
        e->slots[k] = ring + (z + k) % kept * size;
        if (!follows)
            NLM_REAL(nlm_columns_of)(e, p, q, k, e->slots[k], n, from, to, n_shifts);
    }
    NLM_REAL(nlm_columns_of)(e, p, q, kept, e->columns, n, from, to, n_shifts);
    for (s = 0; s < n_shifts; s++)
        for (y = 0; y < n; y++) {
            const ptrdiff_t at = (s * NLM_REAL_LINES + y) * e->column_row + e->margin * LANES;
            NLM_T *columns = e->columns + at, *oldest = e->slots[0] + at, *older = e->slots[1] + at;
            for (x = from * LANES; x < to * LANES; x += LANES) {
                const NLM_V last = load(columns + x);
                NLM_V sum = add(load(oldest + x), load(older + x));
                for (k = 2; k < kept; k++)
                    sum = add(sum, load(e->slots[k] + at + x));
                store(oldest + x, last);
                store(columns + x, add(sum, last));
            }
        }
}

/* Of one shift, what is left of the columns before: sums over the columns x ... x + 2 radius of the patch for two
   neighbours at a time, x even; sum = (x + 1, x + 2) + ... + (x + 2 radius - 1, x + 2 radius) is in both. */
typedef struct {
    NLM_V pair[4], last;
} NLM_REAL(nlm_window);

NLM_INLINE void NLM_REAL(nlm_open)(NLM_REAL(nlm_window) *w, const NLM_T *c, ptrdiff_t radius)
{
    ptrdiff_t j;
    for (j = 0; j + 1 < radius; j++)
        w->pair[j] = add(load(c + (2 * j + 1) * LANES), load(c + (2 * j + 2) * LANES));
    w->last = radius > 0 ? load(c + (2 * radius - 1) * LANES) : set(0);
}

NLM_INLINE void NLM_REAL(nlm_distances)(NLM_REAL(nlm_window) *w, const NLM_T *c, ptrdiff_t radius, ptrdiff_t any,
                                        NLM_V *even, NLM_V *odd)
{
    const NLM_V first = load(c);
    NLM_V sum, next;
    ptrdiff_t j;
    if (radius < 0) { /* any */
        if (any == 0) {
            *even = first, *odd = load(c + LANES);
            return;
        }
        sum = add(load(c + LANES), load(c + 2 * LANES));
        for (j = 1; j < any; j++)
            sum = add(sum, add(load(c + (2 * j + 1) * LANES), load(c + (2 * j + 2) * LANES)));
        *even = add(sum, first), *odd = add(sum, load(c + (2 * any + 1) * LANES));
        return;
    }
    w->pair[radius - 1] = add(w->last, load(c + 2 * radius * LANES));
    next = load(c + (2 * radius + 1) * LANES);
    sum = w->pair[0];
    for (j = 1; j < radius; j++)
        sum = add(sum, w->pair[j]);
    for (j = 0; j + 1 < radius; j++)
        w->pair[j] = w->pair[j + 1];
    w->last = next;
    *even = add(sum, first), *odd = add(sum, next);
}

/* What of a donor is averaged: differences to the own pixel, so that what is constant stays so to the last bit. */
NLM_INLINE NLM_V NLM_REAL(nlm_donor)(NLM_V other, NLM_V own, int is_rician)
{
    const NLM_V value = sub(other, own);
    return is_rician ? mul(value, add(other, own)) : value;
}

NLM_INLINE NLM_V NLM_REAL(nlm_weight)(NLM_V d, NLM_V factor, int norm)
{
    return NLM_REAL(nlm_power)(mul(norm == 1 ? mul(d, d) : d, factor));
}

/* One line and one or two neighbouring shifts, columns from ... to - 1 (both even): weights, and what they add to p's
   line (x) and to q's (x + dx), where the first shift meets the second of the column before. `plain` is one channel, no
   mask, L2; else weights are left in memory. */
NLM_INLINE void NLM_REAL(nlm_weigh)(const engine_t *e, const NLM_T *columns, const NLM_T *p, const NLM_T *q,
                                    NLM_T *gained, NLM_T *given, ptrdiff_t from, ptrdiff_t to, ptrdiff_t radius,
                                    int n_shifts, int plain, int is_rician)
{
    const NLM_V factor = set((NLM_T)e->f->factor);
    const NLM_T *a = columns + from * LANES, *b = a + NLM_REAL_LINES * e->column_row;
    const ptrdiff_t any = e->patch[2];
    const int norm = plain ? 2 : e->f->norm;
    NLM_REAL(nlm_window) window_a, window_b;
    NLM_V before = set(0), value_before = set(0);
    ptrdiff_t x;
    if (radius > 0) {
        NLM_REAL(nlm_open)(&window_a, a, radius);
        if (n_shifts == 2)
            NLM_REAL(nlm_open)(&window_b, b, radius);
    }
    for (x = from; x < to; x += 2, a += 2 * LANES, b += 2 * LANES) {
        NLM_V a0, a1, b0, b1, va0, va1, vb0, vb1, p0, p1, q1;
        NLM_T *weights = e->weights + x * LANES, *gain = gained + 2 * x * LANES, *give = given + 2 * x * LANES;
        NLM_REAL(nlm_distances)(&window_a, a, radius, any, &a0, &a1);
        a0 = NLM_REAL(nlm_weight)(a0, factor, norm), a1 = NLM_REAL(nlm_weight)(a1, factor, norm);
        if (n_shifts == 2) {
            NLM_REAL(nlm_distances)(&window_b, b, radius, any, &b0, &b1);
            b0 = NLM_REAL(nlm_weight)(b0, factor, norm), b1 = NLM_REAL(nlm_weight)(b1, factor, norm);
        }
        if (!plain) {
            store(weights, a0), store(weights + LANES, a1);
            if (n_shifts == 2)
                store(weights + e->column_row, b0), store(weights + e->column_row + LANES, b1);
            continue;
        }
        p0 = load(p + x * LANES), p1 = load(p + (x + 1) * LANES), q1 = load(q + (x + 1) * LANES);
        va0 = mul(a0, NLM_REAL(nlm_donor)(load(q + x * LANES), p0, is_rician));
        va1 = mul(a1, NLM_REAL(nlm_donor)(q1, p1, is_rician));
        if (n_shifts == 2) {
            vb0 = mul(b0, NLM_REAL(nlm_donor)(q1, p0, is_rician));
            vb1 = mul(b1, NLM_REAL(nlm_donor)(load(q + (x + 2) * LANES), p1, is_rician));
            store(gain, add(load(gain), add(a0, b0)));
            store(gain + LANES, add(load(gain + LANES), add(va0, vb0)));
            store(gain + 2 * LANES, add(load(gain + 2 * LANES), add(a1, b1)));
            store(gain + 3 * LANES, add(load(gain + 3 * LANES), add(va1, vb1)));
            store(give, add(load(give), add(a0, before)));
            store(give + LANES, add(load(give + LANES), add(va0, value_before)));
            store(give + 2 * LANES, add(load(give + 2 * LANES), add(a1, b0)));
            store(give + 3 * LANES, add(load(give + 3 * LANES), add(va1, vb0)));
            before = b1, value_before = vb1;
        } else {
            store(gain, add(load(gain), a0));
            store(gain + LANES, add(load(gain + LANES), va0));
            store(gain + 2 * LANES, add(load(gain + 2 * LANES), a1));
            store(gain + 3 * LANES, add(load(gain + 3 * LANES), va1));
            store(give, add(load(give), a0));
            store(give + LANES, add(load(give + LANES), va0));
            store(give + 2 * LANES, add(load(give + 2 * LANES), a1));
            store(give + 3 * LANES, add(load(give + 3 * LANES), va1));
        }
    }
}

/* The same sums from those weights, for any channels and masks. */
static void NLM_REAL(nlm_share)(const engine_t *e, const NLM_T *p, const NLM_T *q, NLM_T *gained, NLM_T *given,
                                ptrdiff_t from, ptrdiff_t to, int n_shifts)
{
    const ptrdiff_t n_sums = e->n_sums, channel = e->comb_channel, mask = e->t->mask ? (n_sums - 1) * channel : 0;
    const int is_rician = e->f->is_rician;
    ptrdiff_t x, k;
    for (x = from; x < to; x++) {
        const NLM_T *own = p + x * LANES, *other = q + x * LANES;
        NLM_T *gain = gained + n_sums * x * LANES, *give = given + n_sums * x * LANES;
        const NLM_V a = load(e->weights + x * LANES);
        NLM_V to_p = a, to_q = a, next_to_p = set(0), before_to_q = set(0);
        if (mask)
            to_p = keep(a, load(other + mask)), to_q = keep(a, load(own + mask));
        if (n_shifts == 2) {
            next_to_p = load(e->weights + e->column_row + x * LANES);
            if (mask)
                next_to_p = keep(next_to_p, load(other + LANES + mask));
            if (x > from) {
                before_to_q = load(e->weights + e->column_row + (x - 1) * LANES);
                if (mask)
                    before_to_q = keep(before_to_q, load(own - LANES + mask));
            }
        }
        store(gain, add(load(gain), n_shifts == 2 ? add(to_p, next_to_p) : to_p));
        store(give, add(load(give), n_shifts == 2 ? add(to_q, before_to_q) : to_q));
        for (k = 1; k < n_sums; k++, own += channel, other += channel) {
            const NLM_V here = load(own), there = load(other);
            const NLM_V value = NLM_REAL(nlm_donor)(there, here, is_rician);
            NLM_V gains = mul(to_p, value), gives = mul(to_q, value);
            if (n_shifts == 2) {
                gains = add(gains, mul(next_to_p, NLM_REAL(nlm_donor)(load(other + LANES), here, is_rician)));
                gives = add(gives, mul(before_to_q, NLM_REAL(nlm_donor)(there, load(own - LANES), is_rician)));
            }
            store(gain + k * LANES, add(load(gain + k * LANES), gains));
            store(give + k * LANES, add(load(give + k * LANES), gives));
        }
    }
}

/* What a line of weights adds, of all shifts of a row, goes to the sums of p's line and, so many bands on, of q's; or
   nowhere. What is given was weighted as q less p, not p less q. */
static void NLM_REAL(nlm_gather)(const engine_t *e, NLM_T *local, NLM_T *sums, ptrdiff_t bands, int sign)
{
    NLM_T *from = local + (e->search[2] + e->margin) * e->n_sums * LANES, *moved = e->moved + LANES;
    const ptrdiff_t n = e->n * e->n_sums;
    ptrdiff_t v, k;
    if (sums && bands) {
        for (v = 0; v < n; v++) /* zeros come in from the bands before the first, after the last */
            store(moved + 2 * v * LANES, load(from + v * LANES));
        if (bands < LANES && bands > -LANES)
            for (v = 0; v < n; v++)
                store(from + v * LANES, load(moved + 2 * v * LANES - bands));
        else
            sums = NULL;
    }
    for (v = 0; v < n && sums; v += e->n_sums) {
        store(sums + v * LANES, add(load(sums + v * LANES), load(from + v * LANES)));
        for (k = v + 1; k < v + e->n_sums; k++) {
            const NLM_V sum = load(from + k * LANES);
            store(sums + k * LANES, sign > 0 ? add(load(sums + k * LANES), sum) : sub(load(sums + k * LANES), sum));
        }
    }
    memset(from, 0, n * LANES * sizeof(NLM_T));
}

/* One or two shifts (dz, dy, dx) and (dz, dy, dx + 1), columns from ... to - 1, of n lines; q is after the first. */
NLM_INLINE void NLM_REAL(nlm_lines_of)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q, ptrdiff_t z,
                                       int follows, NLM_T *ring, ptrdiff_t dx, int n_shifts, ptrdiff_t n,
                                       ptrdiff_t from, ptrdiff_t to)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t radius = e->patch[2], start = e->margin * LANES;
    const ptrdiff_t middle = e->patch[0] * e->comb_plane + radius * LANES;
    const int is_plain = e->n_sums == 2 && !t->mask && e->f->norm == 2, is_rician = e->f->is_rician;
    ptrdiff_t y;
    from &= ~(ptrdiff_t)1, to += to & 1;
    NLM_REAL(nlm_planes)(e, p, q, z, follows, ring, n, from, to + 2 * radius, n_shifts);
    for (y = 0; y < n; y++) {
        const NLM_T *c = e->columns + start + y * e->column_row, *own = p[y + e->patch[1]] + middle;
        const NLM_T *other = q[y + e->patch[1]] + middle;
        NLM_T *gained = e->gained + y * e->local_row + e->margin * e->n_sums * LANES;
        NLM_T *given = e->given + y * e->local_row + (e->margin + dx) * e->n_sums * LANES;
#define weigh(radius, plain, rician) \
    NLM_REAL(nlm_weigh)(e, c, own, other, gained, given, from, to, radius, n_shifts, plain, rician)
        if (is_plain && radius == 3 && !is_rician)
            weigh(3, 1, 0);
        else if (is_plain && radius == 2 && !is_rician)
            weigh(2, 1, 0);
        else if (is_plain && radius == 1 && !is_rician)
            weigh(1, 1, 0);
        else if (is_plain && radius == 1)
            weigh(1, 1, 1);
        else {
            weigh(-1, 0, 0);
            NLM_REAL(nlm_share)(e, own, other, gained, given, from, to, n_shifts);
        }
#undef weigh
    }
}

static void NLM_REAL(nlm_lines)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q, ptrdiff_t z,
                                int follows, NLM_T *ring, ptrdiff_t dx, int n_shifts, ptrdiff_t n, ptrdiff_t from,
                                ptrdiff_t to)
{
    if (n_shifts == 2)
        NLM_REAL(nlm_lines_of)(e, p, q, z, follows, ring, dx, 2, n, from, to);
    else
        NLM_REAL(nlm_lines_of)(e, p, q, z, follows, ring, dx, 1, n, from, to);
}

/* All shifts of one row of the search window, (dz, dy, ...). */
static void NLM_REAL(nlm_row_of_shifts)(const engine_t *e, ptrdiff_t dz, ptrdiff_t dy)
{
    const ptrdiff_t search = e->search[2], rows = 2 * e->patch[1], local = e->local_row;
    const ptrdiff_t first_dx = dz > 0 || dy != 0 ? -search : 1;
    const NLM_T **p = e->rows_of, **q = p + NLM_REAL_LINES + rows;
    ptrdiff_t start, n, z, y, dx, before;
    for (start = 0; start < e->size; start += n) {
        const ptrdiff_t left = e->size - start, n_blocks = nlm_most((left + NLM_REAL_LINES / 3) / 8, 1);
        n = (left + n_blocks - 1) / n_blocks;
        n += n & 1 & (e->patch[1] > 1);
        for (z = -dz, before = -dz - 2; z < e->n_planes; z++) {
            const int is_forward = z >= 0, is_reverse = z + dz < e->n_planes, follows = before == z - 1;
            NLM_T *ring = e->ring;
            if (!is_forward && !is_reverse)
                continue;
            before = z;
            for (y = 0; y < n + rows; y++) {
                p[y] = NLM_REAL(nlm_comb)(e, z + e->search[0], start + y);
                q[y] = NLM_REAL(nlm_comb)(e, z + dz + e->search[0], start + y + dy) + first_dx * LANES;
            }
            for (dx = first_dx; dx <= search; dx += 2) {
                const int n_shifts = dx < search ? 2 : 1;
                const ptrdiff_t here = search, there = search - (dx + n_shifts - 1), reach = e->n + n_shifts - 1;
                const ptrdiff_t sides = 2 * e->patch[2] + 2; /* columns of the one that are not to be those of the other */
                /* Of p, what gains begins at `here`, what gives at `there`; between the two may be nothing of use. */
                if (here <= there + reach + sides && there <= here + e->n + sides)
                    NLM_REAL(nlm_lines)(e, p, q, z, follows, ring, dx, n_shifts, n, nlm_least(here, there),
                                        nlm_most(here + e->n, there + reach));
                else {
                    NLM_REAL(nlm_lines)(e, p, q, z, follows, ring, dx, n_shifts, n, here, here + e->n);
                    NLM_REAL(nlm_lines)(e, p, q, z, follows, ring, dx, n_shifts, n, there, there + reach);
                }
                ring += e->ring_shift;
                for (y = 0; y < n + rows; y++)
                    q[y] += 2 * LANES;
            }
            for (y = 0; y < n; y++) {
                const ptrdiff_t to = start + y + dy, bands = NLM_REAL(nlm_band)(e, to);
                NLM_REAL(nlm_gather)(e, e->gained + y * local, is_forward ? e->forward + z * e->plane + (start + y) * e->line : NULL, 0, 1);
                NLM_REAL(nlm_gather)(e, e->given + y * local,
                                     is_reverse ? e->reverse + (z + dz) * e->plane + (to - bands * e->size) * e->line : NULL,
                                     bands, -1);
            }
        }
    }
}

/* Short sums of floats go into long ones of doubles. */
static void NLM_REAL(nlm_flush)(const engine_t *e, NLM_T *sums)
{
    const ptrdiff_t n = e->n_planes * e->plane;
    ptrdiff_t v;
    for (v = 0; v < n; v++)
        e->totals[v] += sums[v];
    memset(sums, 0, n * sizeof(NLM_T));
}

/* Lays out the scratch; returns its size in bytes. `e` has its tile and ranges. */
static ptrdiff_t NLM_REAL(nlm_lay_out)(engine_t *e, uint8_t *scratch)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t n_channels = t->n_channels;
    ptrdiff_t n_planes;
    uint8_t *at = scratch;
#define place(pointer, type, count) \
    pointer = (type *)at, at += ((count) * (ptrdiff_t)sizeof(type) + 127) / 64 * 64 /* and a line between */
    e->patch[0] = t->patch[0], e->patch[1] = t->patch[2], e->patch[2] = t->patch[1];
    e->search[0] = t->search[0], e->search[1] = t->search[2], e->search[2] = t->search[1];
    e->n_planes = e->planes.stop - e->planes.start, n_planes = e->n_planes + 2 * (e->search[0] + e->patch[0]);
    e->n = e->cols.stop - e->cols.start, e->n_sums = n_channels + 1, e->margin = 4;
    e->size = (e->rows.stop - e->rows.start + 2 * (e->search[1] + e->patch[1]) + LANES - 1) / LANES;
    e->size += e->size & 1 & (e->patch[1] > 1);
    e->column_row = ((e->n + 2 * (e->search[2] + e->patch[2] + e->margin)) | 1) * LANES;
    e->local_row = ((e->n + 2 * (e->search[2] + e->margin)) * e->n_sums | 1) * LANES;
    e->comb_row = e->column_row, e->comb_channel = e->size * e->comb_row;
    e->comb_plane = (n_channels + 1) * e->comb_channel;
    e->line = e->n * e->n_sums * LANES, e->plane = e->size * e->line;
    place(e->terms, ptrdiff_t, n_channels);
    place(e->rows_of, const NLM_T *, 2 * (NLM_REAL_LINES + 2 * e->patch[1]));
    place(e->slots, NLM_T *, 2 * e->patch[0]);
    place(e->lines, NLM_V, NLM_REAL_LINES + 2 * e->patch[1]);
    place(e->weights, NLM_T, 2 * e->column_row);
    place(e->columns, NLM_T, 2 * NLM_REAL_LINES * e->column_row);
    e->ring_shift = 4 * e->patch[0] * NLM_REAL_LINES * e->column_row;
    place(e->ring, NLM_T, (e->search[2] + 1) * e->ring_shift);
    place(e->gained, NLM_T, NLM_REAL_LINES * e->local_row);
    place(e->given, NLM_T, NLM_REAL_LINES * e->local_row);
    place(e->moved, NLM_T, 2 * e->line + LANES);
    place(e->forward, NLM_T, e->n_planes * e->plane);
    place(e->reverse, NLM_T, e->n_planes * e->plane);
    place(e->totals, double, e->n_planes * e->plane);
    place(e->combs, NLM_T, n_planes * e->comb_plane + 4 * (LANES + 1) * LANES);
#undef place
    return at - scratch;
}

/* Combs what the tile needs of the image, and of the mask. */
static void NLM_REAL(nlm_fill)(engine_t *e, int is_float)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t n_rows = e->rows.stop - e->rows.start + 2 * (e->search[1] + e->patch[1]);
    const ptrdiff_t n_planes = e->n_planes + 2 * (e->search[0] + e->patch[0]);
    const ptrdiff_t n_cols = e->n + 2 * (e->search[2] + e->patch[2]), n_channels = t->n_channels;
    ptrdiff_t plane, channel, row, x, band, v;
    memset(e->combs, 0, (n_planes * e->comb_plane + 4 * (LANES + 1) * LANES) * sizeof(NLM_T));
    e->combs += (2 * (LANES + 1) + e->margin) * LANES;
    for (plane = 0; plane < n_planes; plane++)
        for (channel = 0; channel < n_channels + (t->mask != NULL); channel++)
            for (x = 0; x < n_cols; x++) {
                const ptrdiff_t at = (e->cols.start + x) * t->row_stride + e->rows.start;
                const ptrdiff_t pixel = (e->planes.start + plane) * t->plane_stride + channel * t->channel_stride + at;
                const float *floats = (const float *)t->padded + pixel;
                const double *doubles = (const double *)t->padded + pixel;
                const uint8_t *inside = t->mask;
                if (channel == n_channels)
                    inside += (e->planes.start + plane) * (t->plane_stride / n_channels) + at;
                for (band = 0, row = 0; row < n_rows; band++) {
                    NLM_T *to = e->combs + plane * e->comb_plane + channel * e->comb_channel + x * LANES + band;
                    for (v = 0; v < e->size && row < n_rows; v++, row++, to += e->comb_row)
                        if (channel == n_channels)
                            memset(to, inside[row] ? 0xff : 0, sizeof(NLM_T));
                        else
                            *to = is_float ? (NLM_T)floats[row] : (NLM_T)doubles[row];
                }
            }
}

/* The sums of a plane go to its lines of the tile. */
static void NLM_REAL(nlm_uncomb)(const engine_t *e, ptrdiff_t plane, double *sums, ptrdiff_t sums_row)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n_lines = (t->planes[1] - t->planes[0]) * n_rows;
    const ptrdiff_t n = e->rows.stop - e->rows.start;
    ptrdiff_t x, k, v, band;
    for (x = t->rows[0] > e->cols.start ? t->rows[0] - e->cols.start : 0; x < e->n; x++)
        for (k = 0; k < e->n_sums; k++) {
            const ptrdiff_t line = (plane - t->planes[0]) * n_rows + e->cols.start + x - t->rows[0];
            double *to = sums + ((k ? k - 1 : t->n_channels) * n_lines + line) * sums_row + e->rows.start;
            const double *from = e->totals + (plane - e->planes.start) * e->plane + (x * e->n_sums + k) * LANES;
            for (v = 0; v < e->size; v++, from += e->line)
                for (band = 0; band < LANES; band++) {
                    const ptrdiff_t row = band * e->size + v - e->search[1];
                    if (row >= 0 && row < n)
                        to[row] = from[band];
                }
        }
}

/* Sums of the tile: (channels + 1, lines, sums_row), of weighted differences to the own pixel, then of weights. */
static void NLM_REAL(nlm_real_sums)(const nlm_tile *t, const nlm_formula *f, int is_float, double *sums,
                                    ptrdiff_t sums_row, uint8_t *scratch)
{
    const ptrdiff_t n_lines = (t->planes[1] - t->planes[0]) * (t->rows[1] - t->rows[0]);
    const ptrdiff_t n_chunks = (t->n_cols + NLM_REAL_COLS - 1) / NLM_REAL_COLS;
    const ptrdiff_t chunk = ((t->n_cols + n_chunks - 1) / n_chunks + 1) & ~(ptrdiff_t)1;
    ptrdiff_t k, x, v, z, dz, dy, n_done, col;
    engine_t e;
    e.t = t, e.f = f;
    for (k = 0; k < n_lines * (t->n_channels + 1); k++)
        for (x = 0; x < t->n_cols; x++)
            sums[k * sums_row + x] = k >= n_lines * t->n_channels;
    for (col = 0; col < t->n_cols; col += chunk) {
        nlm_real_extent(t, col, nlm_least(col + chunk, t->n_cols), &e.planes, &e.cols, &e.rows);
        if (e.rows.start >= e.rows.stop)
            continue;
        NLM_REAL(nlm_lay_out)(&e, scratch);
        NLM_REAL(nlm_fill)(&e, is_float);
        for (k = 0; k < t->n_channels; k++)
            e.terms[k] = k * e.comb_channel;
        memset(e.moved, 0, (2 * e.line + LANES) * sizeof(NLM_T));
        memset(e.forward, 0, e.n_planes * e.plane * sizeof(NLM_T));
        memset(e.reverse, 0, e.n_planes * e.plane * sizeof(NLM_T));
        memset(e.gained, 0, NLM_REAL_LINES * e.local_row * sizeof(NLM_T));
        memset(e.given, 0, NLM_REAL_LINES * e.local_row * sizeof(NLM_T));
        memset(e.totals, 0, e.n_planes * e.plane * sizeof(double));
        for (v = 0; v < e.n_planes * e.plane; v += e.n_sums * LANES) /* each pixel with itself has weight 1 */
            for (k = 0; k < LANES; k++)
                e.totals[v + k] = 1.0;
        for (dz = 0; dz <= e.search[0]; dz++)
            for (dy = dz > 0 ? -e.search[1] : 0, n_done = 1; dy <= e.search[1]; dy++, n_done++) {
                NLM_REAL(nlm_row_of_shifts)(&e, dz, dy);
                if (n_done % NLM_REAL_ROWS == 0 || dy == e.search[1]) {
                    NLM_REAL(nlm_flush)(&e, e.forward);
                    NLM_REAL(nlm_flush)(&e, e.reverse);
                }
            }
        for (z = e.planes.start; z < e.planes.stop; z++)
            NLM_REAL(nlm_uncomb)(&e, z, sums, sums_row);
    }
}

/* Bytes of scratch for that. */
static ptrdiff_t NLM_REAL(nlm_real_scratch)(const nlm_tile *t)
{
    engine_t e;
    e.t = t, e.planes.start = t->planes[0], e.planes.stop = t->planes[1];
    e.rows.start = 0, e.rows.stop = nlm_least(t->n_cols, NLM_REAL_COLS) + 1;
    e.cols.start = t->rows[0], e.cols.stop = t->rows[1] + 1;
    return NLM_REAL(nlm_lay_out)(&e, NULL);
}

#undef engine_t
#undef LANES
#undef load
#undef store
#undef add
#undef sub
#undef mul
#undef set
#undef keep
