/* What sums of non-local means in floating point have in common, whatever their weights: the part of a tile that is
   worked on, its rows in bands, and what weights add.

   All of it sees the image transposed: *rows here are columns of the image*, columns its rows, for a tile has few of
   these and all of those. Rows are in *bands*: cut into LANES runs of `size` rows, of which vector t holds row t of
   each, one lane a band. Row t + size is then row t, one lane on: only there loads are not aligned, whatever the
   shift.

   Three files make the sums of one type of weights in one floating-point type, in this order: this one; the steps, with
   `nlm_lines_of`, of which the rule NLM_RULE of the weights is an argument (nlm_real_steps.h, nlm_skimage_steps.h); and
   the loops, nlm_real_body.h. NLM_REAL(x) gives their names, NLM_T is the type of the sums, NLM_V that of vectors.
   Without NLM_RULE there is only what all of them share. */
#ifndef MEDFAST_NLM_BANDS_H
#define MEDFAST_NLM_BANDS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nlm_real_vectors.h"
#include "nlm_tile.h"

enum {
    NLM_REAL_LINES = 12, /* whose columns are summed in one go, at most: about 8 */
    NLM_REAL_ROWS = 16,  /* columns of the search window, whose sums are of floats, before they go into doubles */
    NLM_REAL_COLS = 512  /* of a tile that are worked on at a time */
};

/* What of a tile's columns and of its planes and rows has a pixel inside the mask; rows and columns begin at even
   ones, for neighbours share sums in pairs. */
static void nlm_real_extent(const nlm_tile *t, ptrdiff_t col_start, ptrdiff_t col_stop, nlm_range *planes,
                            nlm_range *rows, nlm_range *cols)
{
    ptrdiff_t z, y, x;
    if (!t->mask) {
        planes->start = t->planes[0], planes->stop = t->planes[1];
        rows->start = t->rows[0] & ~(ptrdiff_t)1, rows->stop = t->rows[1];
        cols->start = col_start, cols->stop = col_stop;
        return;
    }
    planes->start = t->planes[1], planes->stop = t->planes[0];
    rows->start = t->rows[1], rows->stop = t->rows[0];
    cols->start = col_stop, cols->stop = col_start;
    for (z = t->planes[0]; z < t->planes[1]; z++)
        for (y = t->rows[0]; y < t->rows[1]; y++) {
            const uint8_t *inside = nlm_tile_mask(t, z, y);
            for (x = col_start; x < col_stop; x++)
                if (inside[x]) {
                    planes->start = nlm_least(planes->start, z), planes->stop = z + 1;
                    rows->start = nlm_least(rows->start, y), rows->stop = nlm_most(rows->stop, y + 1);
                    cols->start = nlm_least(cols->start, x), cols->stop = nlm_most(cols->stop, x + 1);
                }
        }
    rows->start &= ~(ptrdiff_t)1, cols->start &= ~(ptrdiff_t)1;
}

#endif

#ifdef NLM_RULE

/* A tile, or the part of it that is worked on at a time. Strides count elements. */
typedef struct {
    const nlm_tile *t;
    const NLM_RULE *f;
    nlm_range planes, rows, cols;
    ptrdiff_t patch[3], search[3];
    ptrdiff_t n_planes, n, n_sums;                 /* planes and columns; channels, and their weights */
    int has_mask, is_float;                        /* whether the padded image is of floats */
    ptrdiff_t dz, dy, start;                       /* of the shifts that are worked on, and the first row of a band */
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

/* Differences of a vector of pixels and the one (of two shifts: and the next) that the shift leads to, summed over the
   channels. */
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

/* What of a donor is averaged: differences to the own pixel, so that what is constant stays so to the last bit. */
NLM_INLINE NLM_V NLM_REAL(nlm_donor)(NLM_V other, NLM_V own, int is_rician)
{
    const NLM_V value = sub(other, own);
    return is_rician ? mul(value, add(other, own)) : value;
}

/* What weights a of one shift, and b of the next, of two neighbouring columns add to p's sums and to q's, where the
   first shift meets the second of the column before: of one channel, without a mask. */
NLM_INLINE void NLM_REAL(nlm_average)(const NLM_T *p, const NLM_T *q, NLM_T *gain, NLM_T *give, NLM_V a0, NLM_V a1,
                                      NLM_V b0, NLM_V b1, NLM_V *before, NLM_V *value_before, int n_shifts,
                                      int is_rician)
{
    const NLM_V p0 = load(p), p1 = load(p + LANES), q1 = load(q + LANES);
    const NLM_V va0 = mul(a0, NLM_REAL(nlm_donor)(load(q), p0, is_rician));
    const NLM_V va1 = mul(a1, NLM_REAL(nlm_donor)(q1, p1, is_rician));
    if (n_shifts == 2) {
        const NLM_V vb0 = mul(b0, NLM_REAL(nlm_donor)(q1, p0, is_rician));
        const NLM_V vb1 = mul(b1, NLM_REAL(nlm_donor)(load(q + 2 * LANES), p1, is_rician));
        store(gain, add(load(gain), add(a0, b0)));
        store(gain + LANES, add(load(gain + LANES), add(va0, vb0)));
        store(gain + 2 * LANES, add(load(gain + 2 * LANES), add(a1, b1)));
        store(gain + 3 * LANES, add(load(gain + 3 * LANES), add(va1, vb1)));
        store(give, add(load(give), add(a0, *before)));
        store(give + LANES, add(load(give + LANES), add(va0, *value_before)));
        store(give + 2 * LANES, add(load(give + 2 * LANES), add(a1, b0)));
        store(give + 3 * LANES, add(load(give + 3 * LANES), add(va1, vb0)));
        *before = b1, *value_before = vb1;
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

/* The same from weights that are in memory, for any channels and masks. */
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

#endif
