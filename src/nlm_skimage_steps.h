/* The steps of scikit-image's non-local means in one floating-point type: distances, which of them count, weights. Rows
   are columns of the image here, as nlm_bands.h tells. Distances are in places (nlm_skimage_vectors.h). */

#define max_of NLM_REAL(nlm_max)
#define bits_t NLM_REAL(nlm_bits)
#define beyond NLM_REAL(nlm_beyond)
#define least NLM_REAL(nlm_least)
#define any_within NLM_REAL(nlm_any_within)

/* What all weights of a tile are made from. */
typedef struct {
    NLM_V factor, excess, limit, high, most, zero; /* limit ... high are in doubt */
    bits_t from, width;                            /* the bits of those, from the first on */
    int is_noisy;
} NLM_REAL(nlm_bounds);

static NLM_REAL(nlm_bounds) NLM_REAL(nlm_bounds_of)(const NLM_RULE *f)
{
    NLM_REAL(nlm_bounds) b;
    const double limit = NLM_LIMIT * NLM_PLACES, doubt = f->doubt > 0.0 ? f->doubt * NLM_PLACES : 0.0;
    b.factor = set((NLM_T)(f->factor * NLM_REAL(NLM_SCALE)));
    b.excess = set((NLM_T)(f->excess * NLM_REAL(NLM_SCALE)));
    b.limit = set((NLM_T)((limit - doubt) * NLM_REAL(NLM_SCALE)));
    b.high = set((NLM_T)((limit + doubt) * NLM_REAL(NLM_SCALE)));
    b.most = set((NLM_T)(NLM_REAL(NLM_MOST) * NLM_PLACES * NLM_REAL(NLM_SCALE)));
    b.zero = set(0);
    b.is_noisy = f->excess > 0.0;
    b.from = NLM_REAL(nlm_set_bits)(nlm_bits_of((float)((limit - doubt) * NLM_SCALE_f32)) + 1);
    b.width = NLM_REAL(nlm_set_bits)(nlm_bits_of((float)((limit + doubt) * NLM_SCALE_f32)) -
                                     nlm_bits_of((float)((limit - doubt) * NLM_SCALE_f32)));
    return b;
}

/* Sums of squares over the rows y + 1 ... y + 2 radius of lines y. The lines 2 j and 2 j + 1 have all but one row in
   common, and that is paired, as in nlm_real_steps.h: six rows take 2.5 additions in place of five. */
NLM_INLINE void NLM_REAL(nlm_columns)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q,
                                      ptrdiff_t plane, NLM_T *sums, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                      ptrdiff_t radius, int n_shifts)
{
#define differ(y, d) \
    NLM_REAL(nlm_differ)(p[y] + plane + x * LANES, q[y] + plane + x * LANES, e->terms, 1, n_shifts, 2, d)
    const ptrdiff_t row = e->column_row, shift = NLM_REAL_LINES * row;
    ptrdiff_t x, y, j, at;
    int s;
    for (x = from; x < to; x++) {
        NLM_V single[4][2], pair[4][2], low[2], high[2];
        at = (e->margin + x) * LANES;
        differ(1, low);
        if (radius == 1) {
            for (y = 0; y < n; y++, at += row) {
                differ(y + 2, high);
                for (s = 0; s < n_shifts; s++) {
                    store(sums + at + s * shift, add(low[s], high[s]));
                    low[s] = high[s];
                }
            }
            continue;
        }
        for (j = 0; j < radius; j++) {
            if (j)
                differ(2 * j + 1, low);
            differ(2 * j + 2, single[j]);
            for (s = 0; s < n_shifts; s++)
                pair[j][s] = add(low[s], single[j][s]);
        }
        for (y = 0;; y += 2, at += 2 * row) {
            differ(y + 2 * radius + 1, low);
            for (s = 0; s < n_shifts; s++) {
                NLM_V middle = pair[1][s];
                for (j = 2; j < radius; j++)
                    middle = add(middle, pair[j][s]);
                store(sums + at + s * shift, add(pair[0][s], middle));
                store(sums + at + s * shift + row, add(add(single[0][s], middle), low[s]));
            }
            if (y + 2 >= n)
                break;
            differ(y + 2 * radius + 2, high);
            for (s = 0; s < n_shifts; s++) {
                for (j = 0; j + 1 < radius; j++)
                    single[j][s] = single[j + 1][s], pair[j][s] = pair[j + 1][s];
                single[radius - 1][s] = high[s];
                pair[radius - 1][s] = add(low[s], high[s]);
            }
        }
    }
#undef differ
}

/* The same for any radius and channels, with the squares in memory; or, slowly, weighted by their distance from the row
   in the middle, of all rows y ... y + 2 radius. */
NLM_INLINE void NLM_REAL(nlm_columns_any)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q,
                                          ptrdiff_t plane, NLM_T *sums, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                          int n_shifts, int is_slow)
{
    const ptrdiff_t row = e->column_row, radius = e->patch[1];
    const double *g = e->f->gaussian;
    NLM_V *lines = e->lines;
    ptrdiff_t x, y, j;
    int s;
    for (x = from; x < to; x++)
        for (s = 0; s < n_shifts; s++) {
            NLM_T *columns = sums + s * NLM_REAL_LINES * row + (e->margin + x) * LANES;
            for (y = 0; y < n + 2 * radius; y++)
                NLM_REAL(nlm_differ)(p[y] + plane + x * LANES, q[y] + plane + (x + s) * LANES, e->terms,
                                     e->t->n_channels, 1, 2, lines + y);
            for (y = 0; y < n; y++, columns += row) {
                const NLM_V *line = lines + y + 1 + (y & 1); /* of the pairs but for the first, if y is even */
                NLM_V sum;
                if (is_slow) {
                    sum = mul(lines[y + radius], set((NLM_T)g[radius]));
                    for (j = radius - 1; j >= 0; j--)
                        sum = add(sum, mul(add(lines[y + j], lines[y + 2 * radius - j]), set((NLM_T)g[j])));
                } else if (radius == 1) {
                    sum = add(lines[y + 1], lines[y + 2]);
                } else {
                    line += y & 1 ? 0 : 2;
                    sum = add(line[0], line[1]);
                    for (j = 1; j + 1 < radius; j++)
                        sum = add(sum, add(line[2 * j], line[2 * j + 1]));
                    sum = y & 1 ? add(add(lines[y + 1], sum), lines[y + 2 * radius])
                                : add(add(lines[y + 1], lines[y + 2]), sum);
                }
                store(columns, sum);
            }
        }
}

/* Of one plane of the patch. */
NLM_INLINE void NLM_REAL(nlm_columns_of)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q,
                                         ptrdiff_t plane, NLM_T *sums, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                         int n_shifts)
{
    const ptrdiff_t radius = e->t->n_channels == 1 ? e->patch[1] : 0;
    plane *= e->comb_plane;
    if (e->f->gaussian)
        NLM_REAL(nlm_columns_any)(e, p, q, plane, sums, n, from, to, n_shifts, 1);
    else if (radius == 3)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 3, n_shifts);
    else if (radius == 2)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 2, n_shifts);
    else if (radius == 1)
        NLM_REAL(nlm_columns)(e, p, q, plane, sums, n, from, to, 1, n_shifts);
    else
        NLM_REAL(nlm_columns_any)(e, p, q, plane, sums, n, from, to, n_shifts, 0);
}

/* Of the planes of the patch; fast: all but the first, summed. Those that the next line of planes has, too, stay in
   `ring`. Returns how many there are, of which the last is in `columns`; those before it are in `slots`, the oldest
   first. */
NLM_INLINE ptrdiff_t NLM_REAL(nlm_planes)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q, ptrdiff_t z,
                                          int follows, NLM_T *ring, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to,
                                          int n_shifts)
{
    const ptrdiff_t size = 2 * NLM_REAL_LINES * e->column_row, is_fast = !e->f->gaussian;
    const ptrdiff_t skipped = e->patch[0] ? is_fast : 0, kept = 2 * e->patch[0] - skipped;
    ptrdiff_t k, y, x;
    int s;
    z += e->search[0]; /* from 0 on */
    for (k = 0; k < kept; k++) {
        e->slots[k] = ring + (z + k) % kept * size;
        if (!follows)
            NLM_REAL(nlm_columns_of)(e, p, q, k + skipped, e->slots[k], n, from, to, n_shifts);
    }
    NLM_REAL(nlm_columns_of)(e, p, q, kept + skipped, e->columns, n, from, to, n_shifts);
    for (s = 0; s < n_shifts && is_fast && kept; s++)
        for (y = 0; y < n; y++) {
            const ptrdiff_t at = (s * NLM_REAL_LINES + y) * e->column_row + e->margin * LANES;
            NLM_T *columns = e->columns + at, *oldest = e->slots[0] + at;
            for (x = from * LANES; x < to * LANES; x += LANES) {
                const NLM_V last = load(columns + x);
                NLM_V sum = load(oldest + x);
                for (k = 1; k < kept; k++)
                    sum = add(sum, load(e->slots[k] + at + x));
                store(oldest + x, last);
                store(columns + x, add(sum, last));
            }
        }
    return is_fast ? 1 : kept + 1;
}

/* Sums over the columns x + 1 ... x + 2 radius for two neighbours at a time, x even: of the pairs that begin at odd
   columns all but the first are in both. */
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
    const NLM_V second = load(c + 2 * LANES);
    NLM_V middle, next;
    ptrdiff_t j;
    if (radius == 1 || (radius < 0 && any == 1)) {
        *even = add(load(c + LANES), second), *odd = add(second, load(c + 3 * LANES));
        return;
    }
    if (radius < 0) { /* any */
        middle = add(load(c + 3 * LANES), load(c + 4 * LANES));
        for (j = 2; j < any; j++)
            middle = add(middle, add(load(c + (2 * j + 1) * LANES), load(c + (2 * j + 2) * LANES)));
        *even = add(add(load(c + LANES), second), middle);
        *odd = add(add(second, middle), load(c + (2 * any + 1) * LANES));
        return;
    }
    w->pair[radius - 1] = add(w->last, load(c + 2 * radius * LANES));
    next = load(c + (2 * radius + 1) * LANES);
    middle = w->pair[1];
    for (j = 2; j < radius; j++)
        middle = add(middle, w->pair[j]);
    *even = add(w->pair[0], middle), *odd = add(add(second, middle), next);
    for (j = 0; j + 1 < radius; j++)
        w->pair[j] = w->pair[j + 1];
    w->last = next;
}

/* Places of a distance: less what noise adds to it, never under 0. */
NLM_INLINE NLM_V NLM_REAL(nlm_places)(const NLM_REAL(nlm_bounds) *b, NLM_V d, int is_noisy)
{
    d = mul(d, b->factor);
    return is_noisy ? max_of(sub(d, b->excess), b->zero) : d;
}

/* Weights with those that are in doubt from exact distances: of places n of which `decisive` decide. */
static NLM_COLD NLM_V NLM_REAL(nlm_settle)(const engine_t *e, const NLM_REAL(nlm_bounds) *b, ptrdiff_t z, ptrdiff_t y,
                                           ptrdiff_t x, ptrdiff_t dx, NLM_V n, NLM_V decisive, NLM_V weights)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t n_rows = e->rows.stop - e->rows.start + 2 * e->search[1], n_cols = e->n + 2 * e->search[2];
    NLM_T places[LANES], decide[LANES], found[LANES], low[LANES], high[LANES];
    ptrdiff_t lane;
    store(places, n), store(decide, decisive), store(found, weights), store(low, b->limit), store(high, b->high);
    for (lane = 0; lane < LANES; lane++) {
        const ptrdiff_t row = e->start + y + lane * e->size;
        const ptrdiff_t first = (e->planes.start + z + e->search[0]) * t->plane_stride +
                                (e->cols.start + x) * t->row_stride + e->rows.start + row;
        const ptrdiff_t shift = e->dz * t->plane_stride + dx * t->row_stride + e->dy;
        if (!(decide[lane] > low[lane] && decide[lane] <= high[lane]))
            continue;
        /* What is beyond the image belongs to none of its pixels. */
        if (row < 0 || row >= n_rows || row + e->dy < 0 || row + e->dy >= n_rows || x < 0 || x >= n_cols ||
            x + dx < 0 || x + dx >= n_cols)
            continue;
        if (e->is_float ? nlm_counts_f32(t, e->f, (const float *)t->padded + first, shift)
                        : nlm_counts_f64(t, e->f, (const double *)t->padded + first, shift))
            found[lane] = NLM_REAL(nlm_one_power)(places[lane]);
    }
    return load(found);
}

/* As in nlm_real_steps.h: one line and one or two neighbouring shifts, fast; z and y are the line's. */
NLM_INLINE void NLM_REAL(nlm_weigh)(const engine_t *e, const NLM_REAL(nlm_bounds) *b, const NLM_T *columns,
                                    const NLM_T *p, const NLM_T *q, NLM_T *gained, NLM_T *given, ptrdiff_t from,
                                    ptrdiff_t to, ptrdiff_t z, ptrdiff_t y, ptrdiff_t dx, ptrdiff_t radius,
                                    int n_shifts, int plain, int is_noisy)
{
    const NLM_T *first = columns + from * LANES, *second = first + NLM_REAL_LINES * e->column_row;
    const ptrdiff_t any = e->patch[2];
    NLM_REAL(nlm_window) window_a, window_b;
    NLM_V before = set(0), value_before = set(0);
    ptrdiff_t x;
    if (radius > 0) {
        NLM_REAL(nlm_open)(&window_a, first, radius);
        if (n_shifts == 2)
            NLM_REAL(nlm_open)(&window_b, second, radius);
    }
    for (x = from; x < to; x += 2, first += 2 * LANES, second += 2 * LANES) {
        NLM_V a0, a1, b0 = set(0), b1 = b0, n0, n1, m0, m1;
        NLM_T *weights = e->weights + x * LANES, *gain = gained + 2 * x * LANES, *give = given + 2 * x * LANES;
        bits_t bits;
        NLM_REAL(nlm_distances)(&window_a, first, radius, any, &n0, &n1);
        n0 = NLM_REAL(nlm_places)(b, n0, is_noisy), n1 = NLM_REAL(nlm_places)(b, n1, is_noisy);
        a0 = NLM_REAL(nlm_power_up_to)(n0, b->limit), a1 = NLM_REAL(nlm_power_up_to)(n1, b->limit);
        bits = least(beyond(n0, b->from), beyond(n1, b->from));
        if (n_shifts == 2) {
            NLM_REAL(nlm_distances)(&window_b, second, radius, any, &m0, &m1);
            m0 = NLM_REAL(nlm_places)(b, m0, is_noisy), m1 = NLM_REAL(nlm_places)(b, m1, is_noisy);
            b0 = NLM_REAL(nlm_power_up_to)(m0, b->limit), b1 = NLM_REAL(nlm_power_up_to)(m1, b->limit);
            bits = least(bits, least(beyond(m0, b->from), beyond(m1, b->from)));
        }
        if (any_within(bits, b->width)) {
            a0 = NLM_REAL(nlm_settle)(e, b, z, y, x, dx, n0, n0, a0);
            a1 = NLM_REAL(nlm_settle)(e, b, z, y, x + 1, dx, n1, n1, a1);
            if (n_shifts == 2) {
                b0 = NLM_REAL(nlm_settle)(e, b, z, y, x, dx + 1, m0, m0, b0);
                b1 = NLM_REAL(nlm_settle)(e, b, z, y, x + 1, dx + 1, m1, m1, b1);
            }
        }
        if (!plain) {
            store(weights, a0), store(weights + LANES, a1);
            if (n_shifts == 2)
                store(weights + e->column_row, b0), store(weights + e->column_row + LANES, b1);
            continue;
        }
        NLM_REAL(nlm_average)(p + x * LANES, q + x * LANES, gain, give, a0, a1, b0, b1, &before, &value_before,
                              n_shifts, 0);
    }
}

/* Slow: weights of one line and shift. The distance grows by what each row of the image in the patch adds (in a
   volume: each plane), in order; where it passes the limit before the last has been added, the weight is 0. */
static void NLM_REAL(nlm_weigh_slowly)(const engine_t *e, const NLM_REAL(nlm_bounds) *b, ptrdiff_t n_planes,
                                       ptrdiff_t at, ptrdiff_t from, ptrdiff_t to, ptrdiff_t z, ptrdiff_t y,
                                       ptrdiff_t dx, NLM_T *weights)
{
    const ptrdiff_t radius = e->patch[2], n_steps = n_planes > 1 ? n_planes : 2 * radius + 1;
    const double *g = e->f->gaussian, scale = NLM_REAL(NLM_SCALE);
    ptrdiff_t x, k, j;
    for (x = from; x < to; x++) {
        NLM_V sum = b->zero, most = b->zero, weight;
        for (k = 0; k < n_steps; k++) {
            const NLM_T *c = (k + 1 < n_planes ? e->slots[k] : e->columns) + at + x * LANES;
            NLM_V step;
            if (k)
                most = max_of(most, sum);
            if (n_planes > 1) {
                step = mul(load(c + radius * LANES), set((NLM_T)g[radius]));
                for (j = radius - 1; j >= 0; j--)
                    step = add(step, mul(add(load(c + j * LANES), load(c + (2 * radius - j) * LANES)),
                                         set((NLM_T)g[j])));
            } else
                step = load(c + k * LANES);
            step = mul(step, set((NLM_T)(g[k] * (e->f->factor * scale))));
            if (b->is_noisy)
                step = sub(step, set((NLM_T)(e->f->share * g[k] * scale)));
            sum = add(sum, step);
        }
        sum = max_of(sum, b->zero);
        weight = NLM_REAL(nlm_up_to)(most, b->limit, NLM_REAL(nlm_power_up_to)(sum, b->most));
        if (any_within(beyond(most, b->from), b->width))
            weight = NLM_REAL(nlm_settle)(e, b, z, y, x, dx, sum, most, weight);
        store(weights + x * LANES, NLM_REAL(nlm_up_to)(sum, b->most, weight));
    }
}

/* One or two shifts (dz, dy, dx) and (dz, dy, dx + 1), columns from ... to - 1, of n lines; q is after the first. */
NLM_INLINE void NLM_REAL(nlm_lines_of)(const engine_t *e, const NLM_T *const *p, const NLM_T *const *q, ptrdiff_t z,
                                       int follows, NLM_T *ring, ptrdiff_t dx, int n_shifts, ptrdiff_t n,
                                       ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t radius = e->patch[2], start = e->margin * LANES;
    const ptrdiff_t middle = e->patch[0] * e->comb_plane + radius * LANES;
    const NLM_REAL(nlm_bounds) b = NLM_REAL(nlm_bounds_of)(e->f);
    const int is_plain = e->n_sums == 2 && !e->t->mask;
    ptrdiff_t y, s, k, n_planes;
    from &= ~(ptrdiff_t)1, to += to & 1;
    n_planes = NLM_REAL(nlm_planes)(e, p, q, z, follows, ring, n, from, to + 2 * radius, n_shifts);
    for (y = 0; y < n; y++) {
        const NLM_T *c = e->columns + start + y * e->column_row, *own = p[y + e->patch[1]] + middle;
        const NLM_T *other = q[y + e->patch[1]] + middle;
        NLM_T *gained = e->gained + y * e->local_row + e->margin * e->n_sums * LANES;
        NLM_T *given = e->given + y * e->local_row + (e->margin + dx) * e->n_sums * LANES;
#define weigh_of(radius, plain, is_noisy) \
    NLM_REAL(nlm_weigh)(e, &b, c, own, other, gained, given, from, to, z, y, dx, radius, n_shifts, plain, is_noisy)
#define weigh(radius, plain) \
    do { \
        if (b.is_noisy) \
            weigh_of(radius, plain, 1); \
        else \
            weigh_of(radius, plain, 0); \
    } while (0)
        if (e->f->gaussian)
            for (s = 0; s < n_shifts; s++)
                NLM_REAL(nlm_weigh_slowly)(e, &b, n_planes, (s * NLM_REAL_LINES + y) * e->column_row + start, from, to,
                                           z, y, dx + s, e->weights + s * e->column_row);
        else if (is_plain && radius == 3)
            weigh(3, 1);
        else if (is_plain && radius == 2)
            weigh(2, 1);
        else if (is_plain && radius == 1)
            weigh(1, 1);
        else if (is_plain)
            weigh(-1, 1);
        else
            weigh(-1, 0);
        if (e->f->gaussian || !is_plain)
            NLM_REAL(nlm_share)(e, own, other, gained, given, from, to, n_shifts);
#undef weigh
#undef weigh_of
    }
    for (s = 0; s < n_shifts && n_planes > 1; s++) /* slow: the next line of planes has the last as its own */
        for (y = 0; y < n; y++) {
            const ptrdiff_t at = (s * NLM_REAL_LINES + y) * e->column_row + start;
            for (k = from * LANES; k < (to + 2 * radius) * LANES; k += LANES)
                store(e->slots[0] + at + k, load(e->columns + at + k));
        }
}

#undef max_of
#undef bits_t
#undef beyond
#undef least
#undef any_within
