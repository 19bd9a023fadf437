/* The step of nlm_wide.h that sums differences over the rows of the patch; included there, where there are vectors. */
#ifndef MEDFAST_NLM_WIDE_COLUMNS_H
#define MEDFAST_NLM_WIDE_COLUMNS_H

/* Even and odd columns of the differences of a row, summed over the terms. */
NLM_INLINE void nlm_wide_difference(const uint16_t *a, const uint16_t *b, const ptrdiff_t *terms, ptrdiff_t n_terms,
                                    int norm, nlm_wvec *even, nlm_wvec *odd)
{
    ptrdiff_t k;
    nlm_wvec d = norm == 1 ? nlm_w_absolute(nlm_w_load(a), nlm_w_load(b)) : nlm_w_square(nlm_w_load(a), nlm_w_load(b));
    *even = nlm_w_even(d), *odd = nlm_w_odd(d);
    for (k = 1; k < n_terms; k++) {
        nlm_wvec u = nlm_w_load(a + terms[k]), v = nlm_w_load(b + terms[k]);
        d = norm == 1 ? nlm_w_absolute(u, v) : nlm_w_square(u, v);
        *even = nlm_w_add(*even, nlm_w_even(d)), *odd = nlm_w_add(*odd, nlm_w_odd(d));
    }
}

/* Sums over the rows of the patch. Two lines have all rows but one each in common, and those come in pairs. */
NLM_INLINE void nlm_wide_columns(const nlm_wide_engine *e, const uint16_t *a, const uint16_t *b, ptrdiff_t n_lines,
                                 int32_t *columns, ptrdiff_t radius, ptrdiff_t n_terms, int norm)
{
#define difference(y, even, odd) \
    nlm_wide_difference(a + (y) * stride, b + (y) * stride, e->terms, n_terms, norm, &even, &odd)
    const ptrdiff_t stride = e->t->row_stride, line = e->line, half = e->row;
    nlm_wvec single[2][4], pair[2][4], low[2], high[2], sum[2];
    ptrdiff_t y, j, k;
    difference(0, single[0][0], single[1][0]);
    for (j = 0; j < radius; j++) {
        difference(2 * j + 1, low[0], low[1]);
        difference(2 * j + 2, single[0][j + 1], single[1][j + 1]);
        for (k = 0; k < 2; k++)
            pair[k][j] = nlm_w_add(low[k], single[k][j + 1]);
    }
    for (y = 0;; y += 2, columns += 2 * line) {
        for (k = 0; k < 2; k++) {
            sum[k] = pair[k][0];
            for (j = 1; j < radius; j++)
                sum[k] = nlm_w_add(sum[k], pair[k][j]);
            nlm_w_store(columns + k * half, nlm_w_add(sum[k], single[k][0]));
        }
        if (y + 1 >= n_lines)
            break;
        difference(y + 2 * radius + 1, low[0], low[1]);
        for (k = 0; k < 2; k++)
            nlm_w_store(columns + line + k * half, nlm_w_add(sum[k], low[k]));
        if (y + 2 >= n_lines)
            break;
        difference(y + 2 * radius + 2, high[0], high[1]);
        for (k = 0; k < 2; k++) {
            for (j = 0; j < radius; j++)
                single[k][j] = single[k][j + 1];
            single[k][radius] = high[k];
            for (j = 0; j + 1 < radius; j++)
                pair[k][j] = pair[k][j + 1];
            pair[k][radius - 1] = nlm_w_add(low[k], high[k]);
        }
    }
}

/* The same for any radius: a running sum, of integers and so exact, with the differences in memory. */
NLM_INLINE void nlm_wide_columns_any(const nlm_wide_engine *e, const uint16_t *a, const uint16_t *b, ptrdiff_t n_lines,
                                     int32_t *columns, int norm)
{
    const ptrdiff_t stride = e->t->row_stride, size = 2 * e->t->patch[1] + 1, n_terms = e->n_terms;
    nlm_wvec *lines = e->lines, even = nlm_w_zero(), odd = even;
    ptrdiff_t y;
    for (y = 0; y < n_lines + size - 1; y++) {
        difference(y, lines[2 * y], lines[2 * y + 1]);
        even = nlm_w_add(even, lines[2 * y]), odd = nlm_w_add(odd, lines[2 * y + 1]);
        if (y + 1 < size)
            continue;
        nlm_w_store(columns, even), nlm_w_store(columns + e->row, odd);
        even = nlm_w_sub(even, lines[2 * (y + 1 - size)]), odd = nlm_w_sub(odd, lines[2 * (y + 1 - size) + 1]);
        columns += e->line;
    }
}
#undef difference

/* Where a run begins: at one of the columns that are called even, which `origin`, `origin` + 2 ... are; at one of every
   fourth, for nlm_wide64.h. */
static ptrdiff_t nlm_wide_base(const nlm_wide_engine *e, nlm_range cols)
{
    return e->origin + (cols.start - e->origin) / 4 * 4;
}

static void nlm_wide_columns_step(void *self, const nlm_shifts *s, ptrdiff_t plane, ptrdiff_t row_start,
                                  ptrdiff_t row_stop, nlm_range cols)
{
    const nlm_wide_engine *e = (const nlm_wide_engine *)self;
    const nlm_tile *t = e->t;
    const ptrdiff_t shift = s->dz * t->plane_stride + s->dy * t->row_stride + s->dx;
    const ptrdiff_t base = nlm_wide_base(e, cols), radius = t->patch[1], n_terms = e->n_terms;
    const uint16_t *first = e->padded + (plane + t->search[0]) * t->plane_stride +
                            (row_start + t->search[1]) * t->row_stride + t->search[2] + base;
    const ptrdiff_t n = cols.stop - base + 2 * t->patch[2] + 2, n_lines = row_stop - row_start;
    ptrdiff_t x, g;
    for (x = 0; x < n; x += 2 * NLM_WIDE_LANES)
        for (g = 0; g < s->n; g++) { /* innermost: their pixels are mostly the same */
            const uint16_t *a = first + x, *b = a + shift + g;
            int32_t *columns = e->columns + g * e->plane + x / 2;
            if (e->w->norm == 1 && radius == 3 && n_terms == 1)
                nlm_wide_columns(e, a, b, n_lines, columns, 3, 1, 1);
            else if (e->w->norm == 1)
                nlm_wide_columns_any(e, a, b, n_lines, columns, 1);
            else if (radius == 3 && n_terms == 1)
                nlm_wide_columns(e, a, b, n_lines, columns, 3, 1, 2);
            else if (radius == 3 && n_terms == 2)
                nlm_wide_columns(e, a, b, n_lines, columns, 3, 2, 2);
            else if (radius == 1 && n_terms == 1)
                nlm_wide_columns(e, a, b, n_lines, columns, 1, 1, 2);
            else if (radius == 1 && n_terms == 3)
                nlm_wide_columns(e, a, b, n_lines, columns, 1, 3, 2);
            else
                nlm_wide_columns_any(e, a, b, n_lines, columns, 2);
        }
}

#endif
