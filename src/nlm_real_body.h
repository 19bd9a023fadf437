/* Sums of a tile in one floating-point type, with the steps and the names of nlm_bands.h. No guard. */

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
static void NLM_REAL(nlm_row_of_shifts)(engine_t *e, ptrdiff_t dz, ptrdiff_t dy)
{
    const ptrdiff_t search = e->search[2], rows = 2 * e->patch[1], local = e->local_row;
    const ptrdiff_t first_dx = dz > 0 || dy != 0 ? -search : 1;
    const NLM_T **p = e->rows_of, **q = p + NLM_REAL_LINES + rows;
    ptrdiff_t start, n, z, y, dx, before;
    e->dz = dz, e->dy = dy;
    for (start = 0; start < e->size; start += n) {
        const ptrdiff_t left = e->size - start, n_blocks = nlm_most((left + NLM_REAL_LINES / 3) / 8, 1);
        n = (left + n_blocks - 1) / n_blocks;
        n += n & 1 & (e->patch[1] > 1);
        e->start = start;
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
                const ptrdiff_t sides = 2 * e->patch[2] + 2; /* the columns of one are not to be those of the other */
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
                NLM_T *here = e->forward + z * e->plane + (start + y) * e->line;
                NLM_T *there = e->reverse + (z + dz) * e->plane + (to - bands * e->size) * e->line;
                NLM_REAL(nlm_gather)(e, e->gained + y * local, is_forward ? here : NULL, 0, 1);
                NLM_REAL(nlm_gather)(e, e->given + y * local, is_reverse ? there : NULL, bands, -1);
            }
        }
    }
}

/* Short sums of floats go into long ones of doubles. */
static void NLM_REAL(nlm_flush)(const engine_t *e, int is_flushed)
{
    const ptrdiff_t n = e->n_planes * e->plane, step = e->n_sums * LANES;
    ptrdiff_t v, k;
    for (v = 0; v < n && !is_flushed; v += step)
        for (k = 0; k < step; k++)
            e->totals[v + k] = k < LANES ? e->f->self : 0.0;
    for (v = 0; v < n; v++)
        e->totals[v] = e->totals[v] + e->forward[v] + e->reverse[v];
    memset(e->forward, 0, n * sizeof(NLM_T));
    memset(e->reverse, 0, n * sizeof(NLM_T));
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
    e->comb_plane = (n_channels + e->has_mask) * e->comb_channel;
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
                            *to = is_float ? (NLM_T)floats[row] : (NLM_T)(doubles[row] - e->f->center);
                }
            }
}

/* The sums of a plane go to its lines of the tile, with those of the last columns of shifts. */
static void NLM_REAL(nlm_uncomb)(const engine_t *e, ptrdiff_t plane, int is_flushed, double *sums, ptrdiff_t sums_row)
{
    const nlm_tile *t = e->t;
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0], n_lines = (t->planes[1] - t->planes[0]) * n_rows;
    const ptrdiff_t n = e->rows.stop - e->rows.start;
    ptrdiff_t x, k, v, band;
    for (x = t->rows[0] > e->cols.start ? t->rows[0] - e->cols.start : 0; x < e->n; x++)
        for (k = 0; k < e->n_sums; k++) {
            const ptrdiff_t line = (plane - t->planes[0]) * n_rows + e->cols.start + x - t->rows[0];
            double *to = sums + ((k ? k - 1 : t->n_channels) * n_lines + line) * sums_row + e->rows.start;
            const double own = k == 0 ? e->f->self : 0.0;
            ptrdiff_t at = (plane - e->planes.start) * e->plane + (x * e->n_sums + k) * LANES;
            for (v = 0; v < e->size; v++, at += e->line) {
                double values[LANES];
                for (band = 0; band < LANES; band++)
                    values[band] = (is_flushed ? e->totals[at + band] : own) + e->forward[at + band];
                for (band = 0; band < LANES; band++)
                    values[band] += e->reverse[at + band];
                for (band = 0; band < LANES; band++) {
                    const ptrdiff_t row = band * e->size + v - e->search[1];
                    if (row >= 0 && row < n)
                        to[row] = values[band];
                }
            }
        }
}

/* Sums of the tile: (channels + 1, lines, sums_row), of weighted differences to the own pixel, then of weights. */
static void NLM_REAL(nlm_real_sums)(const nlm_tile *t, const NLM_RULE *f, int is_float, double *sums,
                                    ptrdiff_t sums_row, uint8_t *scratch)
{
    const ptrdiff_t n_lines = (t->planes[1] - t->planes[0]) * (t->rows[1] - t->rows[0]);
    const ptrdiff_t n_chunks = (t->n_cols + NLM_REAL_COLS - 1) / NLM_REAL_COLS;
    const ptrdiff_t chunk = ((t->n_cols + n_chunks - 1) / n_chunks + 1) & ~(ptrdiff_t)1;
    ptrdiff_t k, x, z, dz, dy, n_done, col;
    engine_t e;
    e.t = t, e.f = f, e.has_mask = t->mask != NULL, e.is_float = is_float;
    for (k = 0; k < n_lines * (t->n_channels + 1) && t->mask; k++) /* where the mask has nothing to do */
        for (x = 0; x < t->n_cols; x++)
            sums[k * sums_row + x] = 1.0;
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
        for (dz = 0, n_done = 0; dz <= t->search[0]; dz++)
            for (dy = dz > 0 ? -e.search[1] : 0; dy <= e.search[1]; dy++) {
                if (n_done > 0 && n_done % NLM_REAL_ROWS == 0)
                    NLM_REAL(nlm_flush)(&e, n_done > NLM_REAL_ROWS);
                NLM_REAL(nlm_row_of_shifts)(&e, dz, dy);
                n_done++;
            }
        for (z = e.planes.start; z < e.planes.stop; z++)
            NLM_REAL(nlm_uncomb)(&e, z, n_done > NLM_REAL_ROWS, sums, sums_row);
    }
}

/* Bytes of scratch for that. */
static ptrdiff_t NLM_REAL(nlm_real_scratch)(const nlm_tile *t)
{
    engine_t e;
    e.t = t, e.has_mask = 1, e.planes.start = t->planes[0], e.planes.stop = t->planes[1];
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
