/* The steps of non-local means with weights from the formula, in one floating-point type: distances and weights. Rows
   are columns of the image here, as nlm_bands.h tells. */

/* A sum over rows is kept; as the last of three planes of the patch with the others, and in place of the oldest. */
NLM_INLINE void NLM_REAL(nlm_put)(const engine_t *e, NLM_T *sums, ptrdiff_t at, NLM_V sum, int is_last)
{
    if (is_last) {
        NLM_T *oldest = e->slots[0] + at;
        const NLM_V others = add(load(oldest), load(e->slots[1] + at));
        store(oldest, sum);
        sum = add(others, sum);
    }
    store(sums + at, sum);
}

/* Sums over the rows of the patch for n lines and columns from ... to - 1, of one or two shifts at a time, as those
   share the loads of p. The lines 2 j and 2 j + 1 have all but one row in common, and that is paired: seven rows take
   2.5 additions in place of six. Which lines share depends on the image alone; of three rows none do, so that bands
   may be of any size. */
NLM_INLINE void NLM_REAL(nlm_columns)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q,
                                      ptrdiff_t plane, NLM_T *sums, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                      ptrdiff_t radius, ptrdiff_t n_terms, int n_shifts, int is_last)
{
#define differ(y, d) \
    NLM_REAL(nlm_differ)(p[y] + plane + x * LANES, q[y] + plane + x * LANES, terms, n_terms, n_shifts, 2, d)
    const ptrdiff_t row = e->column_row, shift = NLM_REAL_LINES * row, *terms = e->terms;
    ptrdiff_t x, y, j, at;
    int s;
    for (x = from; x < to; x++) {
        NLM_V single[4][2], pair[4][2], sum[2], low[2], high[2];
        at = (e->margin + x) * LANES;
        if (radius == 1) {
            differ(0, low);
            differ(1, high);
            for (y = 0; y < n; y++, at += row) {
                for (s = 0; s < n_shifts; s++)
                    sum[s] = add(low[s], high[s]), low[s] = high[s];
                differ(y + 2, high);
                for (s = 0; s < n_shifts; s++)
                    NLM_REAL(nlm_put)(e, sums, at + s * shift, add(sum[s], high[s]), is_last);
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
        for (y = 0;; y += 2, at += 2 * row) {
            for (s = 0; s < n_shifts; s++) {
                sum[s] = pair[0][s];
                for (j = 1; j < radius; j++)
                    sum[s] = add(sum[s], pair[j][s]);
                NLM_REAL(nlm_put)(e, sums, at + s * shift, add(sum[s], single[0][s]), is_last);
            }
            differ(y + 2 * radius + 1, low);
            for (s = 0; s < n_shifts; s++)
                NLM_REAL(nlm_put)(e, sums, at + s * shift + row, add(sum[s], low[s]), is_last);
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
                NLM_REAL(nlm_differ)(p[y] + plane + x * LANES, q[y] + plane + (x + s) * LANES, e->terms,
                                     e->t->n_channels, 1, norm, lines + y);
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

/* Of one plane of the patch. Returns whether `is_last` was heeded. */
NLM_INLINE int NLM_REAL(nlm_columns_of)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q,
                                        ptrdiff_t plane, NLM_T *sums, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                        int n_shifts, int is_last)
{
    const ptrdiff_t radius = e->patch[1], n_terms = e->t->n_channels;
    plane *= e->comb_plane;
    if (e->f->norm == 1)
        NLM_REAL(nlm_columns_any)(e, p, q, plane, sums, n, from, to, n_shifts, 1);
    else if (radius == 3 && n_terms == 1)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 3, 1, n_shifts, 0);
    else if (radius == 2 && n_terms == 1)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 2, 1, n_shifts, 0);
    else if (radius == 1 && n_terms == 1 && is_last) {
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 1, 1, n_shifts, 1);
        return 1;
    } else if (radius == 1 && n_terms == 1)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 1, 1, n_shifts, 0);
    else
        NLM_REAL(nlm_columns_any)(e, p, q, plane, sums, n, from, to, n_shifts, 2);
    return 0;
}

/* Of all planes of the patch, of which line z shares all but one with line z - 1: what is left of that, if `follows`,
   stands in `ring`, where the last plane takes the place of the first. */
NLM_INLINE void NLM_REAL(nlm_planes)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q, ptrdiff_t z,
                                     int follows, NLM_T *ring, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to, int n_shifts)
{
    const ptrdiff_t size = 2 * NLM_REAL_LINES * e->column_row, kept = 2 * e->patch[0];
    ptrdiff_t k, y, x;
    int s;
    z += e->search[0]; /* from 0 on */
    for (k = 0; k < kept; k++) {
        e->slots[k] = ring + (z + k) % kept * size;
        if (!follows)
            NLM_REAL(nlm_columns_of)(e, p, q, k, e->slots[k], n, from, to, n_shifts, 0);
    }
    if (NLM_REAL(nlm_columns_of)(e, p, q, kept, e->columns, n, from, to, n_shifts, kept == 2) || kept == 0)
        return;
    for (s = 0; s < n_shifts; s++)
        for (y = 0; y < n; y++) {
            const ptrdiff_t at = (s * NLM_REAL_LINES + y) * e->column_row + e->margin * LANES;
            NLM_T *columns = e->columns + at, *oldest = e->slots[0] + at;
            for (x = from * LANES; x < to * LANES; x += LANES) {
                const NLM_V last = load(columns + x);
                NLM_V sum = add(load(oldest + x), load(e->slots[1] + at + x));
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
        NLM_V a0, a1, b0 = set(0), b1 = b0;
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
        NLM_REAL(nlm_average)(p + x * LANES, q + x * LANES, gain, give, a0, a1, b0, b1, &before, &value_before,
                              n_shifts, is_rician);
    }
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
        else if (is_plain && !is_rician)
            weigh(-1, 1, 0);
        else {
            weigh(-1, 0, 0);
            NLM_REAL(nlm_share)(e, own, other, gained, given, from, to, n_shifts);
        }
#undef weigh
    }
}
