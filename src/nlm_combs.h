/* Combed rows of a tile, and the loops over its lines and groups of shifts, for nlm_narrow.h and nlm_deep.h. */
#ifndef MEDFAST_NLM_COMBS_H
#define MEDFAST_NLM_COMBS_H

#include <stddef.h>
#include <stdint.h>

#include "nlm_narrow_steps.h"
#include "nlm_tile.h"

enum {
    NLM_PAIRS = 12 /* of shifts, held at a time: 6 are within 2 %, 4 took 5 % longer */
};

#if NLM_LANES > 0

/* Shifts (dz, dy, dx) to (dz, dy, dx + n - 1). */
typedef struct {
    ptrdiff_t dz, dy, dx, n, n_pairs;
} nlm_group;

/* A range of columns of a tile and its scratch. Sizes and strides count vectors. A comb is a row of pixels cut into
   NLM_LANES pieces of `size` columns, of which vector v holds all v-th columns, and so on before and after. */
typedef struct nlm_job {
    const nlm_tile *tile;
    const struct nlm_narrow *narrow;
    nlm_terms terms, rests;                                 /* of the sums of squares, and of what those leave */
    int offset;                                             /* added to the sums of columns */
    /* Line (plane, row) of p, at y of its block: weights, and what they add to it and to the line of q. */
    void (*line)(const struct nlm_job *, const nlm_group *, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t y, int is_forward,
                 int is_reverse);
    ptrdiff_t start, n_cols, size;                          /* columns, and vectors of them */
    ptrdiff_t comb, comb_left;                              /* vectors of a comb, and those before the first */
    ptrdiff_t comb_start, comb_rows, row_stride;            /* first row, and rows of a plane; from row to row */
    ptrdiff_t sums_start, sums_rows;                        /* the same of sums */
    ptrdiff_t n_pairs, distance_stride, line_stride;                 /* a row of distances; those of a line */
    ptrdiff_t weight_stride, donor_stride, n_places;
    ptrdiff_t folded;                                       /* from pixels to those that distances are taken of */
    nlm_vec *combs;     /* (planes, rows, channels (+ 1 if there is a mask; + 3 channels if folded), comb) */
    nlm_vec *distances; /* (lines, shifts (+ pairs of rests if folded), distance_stride) */
    nlm_vec *indices;   /* (2, size + 1) */
    nlm_vec *weights;   /* (pairs, 2, weight_stride), with a vector before and after */
    int32_t *places[2]; /* (n_places,), see nlm_fill_places */
    nlm_vec *donors;    /* (2, 2, donor_stride): pixels, mask; even, odd */
    nlm_vec *sums;      /* (planes, sums_rows, channels + 1, size, 2) */
    uint32_t *table;    /* (2, 65536 >> shift + fold) */
} nlm_job;

/* Of the patch of the pixel (plane, row) before the first column, which is vector 0. */
static nlm_vec *nlm_comb(const nlm_job *job, ptrdiff_t plane, ptrdiff_t row)
{
    const nlm_tile *t = job->tile;
    plane += t->search[0] - t->planes[0], row -= job->comb_start;
    return job->combs + (plane * job->comb_rows + row) * job->row_stride + job->comb_left;
}

/* Neighbouring lanes are neighbouring pieces: a vector before the first is another one, a lane later. */
static void nlm_extend(const nlm_job *job, nlm_vec *comb)
{
    ptrdiff_t v;
    for (v = -1; v >= -job->comb_left; v--)
        comb[v] = nlm_load((const uint16_t *)(comb + v + job->size) - 1);
    for (v = job->size; v < job->comb - job->comb_left; v++)
        comb[v] = nlm_load((const uint16_t *)(comb + v - job->size) + 1);
}

/* Channels whose bits for the rests stand in four bits: p mod 2 for squares mod 4, p mod 4 for squares mod 8. */
static ptrdiff_t nlm_rest_channels(int fold) { return fold == 3 ? 2 : 4; }

/* Of a comb of pixels p, those of p << k, whose differences' upper products are squares over 2^fold; and the bits of p
   that tell the rests, twice, and of p and the pixel after it. p xor q has those of p - q or of q - p. */
static void nlm_fold(const nlm_job *job, ptrdiff_t channel, nlm_vec *comb)
{
    const ptrdiff_t in_row = nlm_rest_channels(job->terms.fold), step = job->tile->n_channels * job->comb;
    const nlm_vec factor = nlm_set16(job->terms.fold == 3 ? 64 : 128), bits = nlm_set16(job->terms.fold == 3 ? 3 : 1);
    const short place = (short)(1 << (channel % in_row * (4 / in_row)));
    const nlm_vec twice = nlm_set16((short)(257 * place)), first = nlm_set16(place);
    const nlm_vec second = nlm_set16((short)(256 * place));
    nlm_vec *to = comb + job->folded, *own = to + step - channel * job->comb + channel / in_row * job->comb;
    nlm_vec *other = own + step;
    ptrdiff_t v;
    for (v = -job->comb_left; v < job->comb - job->comb_left; v++) {
        const nlm_vec low = nlm_and(comb[v], bits);
        const nlm_vec next = v + 1 < job->comb - job->comb_left ? nlm_and(comb[v + 1], bits) : low;
        const nlm_vec pair = nlm_or(nlm_mul16(low, first), nlm_mul16(next, second));
        to[v] = nlm_mul16(comb[v], factor);
        own[v] = channel % in_row ? nlm_or(own[v], nlm_mul16(low, twice)) : nlm_mul16(low, twice);
        other[v] = channel % in_row ? nlm_or(other[v], pair) : pair;
    }
}

/* The combs of rows start ... stop - 1, counted as in nlm_comb. */
static void nlm_fill_combs(const nlm_job *job, ptrdiff_t start, ptrdiff_t stop)
{
    const nlm_tile *t = job->tile;
    ptrdiff_t plane, row, channel, lane, v;
    for (plane = t->planes[0] - t->search[0]; plane < t->planes[1] + t->search[0] + 2 * t->patch[0]; plane++)
        for (row = start; row < stop; row++)
            for (channel = 0; channel < t->n_channels + (t->mask ? 1 : 0); channel++) {
                const ptrdiff_t at = (row + t->search[1]) * t->row_stride + job->start;
                nlm_vec *comb = nlm_comb(job, plane, row) + channel * job->comb;
                uint16_t *words = (uint16_t *)comb;
                for (lane = 0; lane < NLM_LANES; lane++) {
                    const ptrdiff_t from = lane * job->size, n = nlm_least(job->size, t->row_stride - job->start - from);
                    if (channel < t->n_channels) {
                        const uint16_t *pixels = (const uint16_t *)t->padded + at + from + channel * t->channel_stride +
                                                 (plane + t->search[0]) * t->plane_stride;
                        for (v = 0; v < n; v++)
                            words[v * NLM_LANES + lane] = pixels[v];
                    } else {
                        const uint8_t *mask = t->mask + at + from + (plane + t->search[0]) * t->channel_stride;
                        for (v = 0; v < n; v++)
                            words[v * NLM_LANES + lane] = mask[v] ? 0xffff : 0;
                    }
                }
                nlm_extend(job, comb);
                if (job->folded && channel < t->n_channels)
                    nlm_fold(job, channel, comb);
            }
}

static void nlm_set_terms(nlm_job *job, const nlm_tile *t, int norm, int fold)
{
    job->tile = t;
    job->terms.n_planes = 2 * t->patch[0] + 1, job->terms.plane_stride = job->comb_rows * job->row_stride;
    job->terms.n_channels = t->n_channels, job->terms.channel_stride = job->comb;
    job->terms.norm = norm, job->terms.fold = fold, job->terms.is_near = 0;
    job->rests = job->terms;
    job->rests.n_channels = (t->n_channels + nlm_rest_channels(fold) - 1) / nlm_rest_channels(fold);
}

/* Whether what follows the last vector of a row of column sums needs no place of its own. */
static int nlm_is_easy(ptrdiff_t radius, ptrdiff_t size) { return radius <= 3 && 2 * radius <= size; }

/* What follows it, where it does; and the sums over the columns of the patch, where it is a large one. */
static void nlm_close(const nlm_job *job, nlm_vec *row, nlm_parts parts)
{
    const ptrdiff_t radius = job->tile->patch[2], size = job->size;
    ptrdiff_t v, j;
    for (v = 0; v < 2 * radius; v++)
        row[size + v] = nlm_load((const uint16_t *)(row + v) + 1);
    for (v = 0; v < size && radius > 3; v++)
        for (j = 1; j <= 2 * radius; j++)
            row[v] = nlm_sum(row[v], row[v + j], parts);
}

/* The sizes of a job of at most `n_cols` columns, and its combs and distances, from `at` on; where they end. */
static nlm_vec *nlm_lay_out_combs(nlm_job *job, ptrdiff_t n_channels, int has_mask, int is_folded, ptrdiff_t n_planes,
                                  ptrdiff_t n_rows, ptrdiff_t n_cols, const ptrdiff_t *patch, const ptrdiff_t *search,
                                  nlm_vec *at)
{
    job->size = (n_cols + 2 * (search[2] + patch[2]) + NLM_LANES) / NLM_LANES;
    job->comb_left = search[2] + 1;
    job->comb = (job->comb_left + job->size + search[2] + patch[2] + 2) | 1;
    job->row_stride = job->comb * (n_channels * (is_folded ? 4 : 1) + has_mask);
    job->folded = is_folded ? job->comb * (n_channels + has_mask) : 0;
    job->n_pairs = nlm_least(search[2] + 1, NLM_PAIRS);
    job->comb_rows = n_rows + 2 * (search[1] + patch[1]) + 3;
    job->distance_stride = job->size + (nlm_is_easy(patch[2], job->size) ? 0 : 2 * patch[2]);
    job->line_stride = (is_folded ? 3 : 2) * job->n_pairs * job->distance_stride;
    job->combs = at, at += (n_planes + 2 * (search[0] + patch[0])) * job->comb_rows * job->row_stride;
    job->distances = at, at += NLM_LINES * job->line_stride;
    return at;
}

/* The lines of p of one plane from row `from` to `to` - 1 that the tile's lines need for a group of shifts. */
static void nlm_lines(const nlm_job *job, const nlm_group *g, ptrdiff_t plane, ptrdiff_t from, ptrdiff_t to)
{
    const nlm_tile *t = job->tile;
    const int is_forward = plane >= t->planes[0], is_reverse = plane + g->dz < t->planes[1];
    const ptrdiff_t top = nlm_most(from, t->rows[0] - (is_reverse && (g->dy > 0 || !is_forward) ? g->dy : 0));
    const ptrdiff_t bottom = nlm_least(to, t->rows[1] - (is_reverse && (g->dy < 0 || !is_forward) ? g->dy : 0));
    const nlm_vec offset = nlm_set16((short)job->offset);
    ptrdiff_t row, y;
    for (row = top; row < bottom; row += NLM_LINES) {
        const ptrdiff_t n_lines = nlm_least(bottom - row, NLM_LINES);
        const nlm_vec *own = nlm_comb(job, plane, row) + job->folded;
        const nlm_vec *other = nlm_comb(job, plane + g->dz, row + g->dy) + g->dx + job->folded;
        nlm_columns(&job->terms, own, other, job->row_stride, n_lines, job->size, g->n, t->patch[1], offset,
                    job->distances, job->line_stride, job->distance_stride);
        if (job->folded)
            nlm_columns_rests(&job->rests, own + t->n_channels * job->comb, other + 2 * t->n_channels * job->comb,
                              job->row_stride, n_lines, job->size, g->n_pairs, t->patch[1],
                              job->distances + 2 * job->n_pairs * job->distance_stride, job->line_stride,
                              job->distance_stride);
        for (y = row; y < row + n_lines; y++)
            job->line(job, g, plane, y, y - row, is_forward && y >= t->rows[0] && y < t->rows[1],
                      is_reverse && y + g->dy >= t->rows[0] && y + g->dy < t->rows[1]);
    }
}

/* The group of shifts after g (n = 0: the first), of at most `most` pairs; whether there is one. Groups of a row are of
   about the same size. */
static int nlm_next_group(const nlm_tile *t, ptrdiff_t most, nlm_group *g)
{
    ptrdiff_t n_pairs;
    if (g->n == 0)
        g->dz = g->dy = 0, g->dx = 1;
    g->dx += g->n;
    if (g->dx > t->search[2])
        g->dx = -t->search[2], g->dy++;
    if (g->dy > t->search[1])
        g->dy = -t->search[1], g->dz++;
    n_pairs = (t->search[2] + 1 - g->dx + 1) / 2;
    g->n = nlm_least(2 * (n_pairs / ((n_pairs + most - 1) / most)), t->search[2] + 1 - g->dx);
    g->n_pairs = (g->n + 1) / 2;
    return g->dz <= t->search[0];
}

/* All lines that the tile's lines need for a group of shifts. */
static void nlm_planes(const nlm_job *job, const nlm_group *g)
{
    const nlm_tile *t = job->tile;
    ptrdiff_t plane;
    for (plane = t->planes[0] - g->dz; plane < t->planes[1]; plane++)
        if (plane >= t->planes[0] || plane + g->dz < t->planes[1])
            nlm_lines(job, g, plane, PTRDIFF_MIN, PTRDIFF_MAX);
}

/* Lines start ... stop - 1 of p for all groups: each of a few lines, then the next lines, so that sums stay in the
   cache. */
static void nlm_all_lines(const nlm_job *job, ptrdiff_t start, ptrdiff_t stop, ptrdiff_t most_pairs)
{
    const nlm_tile *t = job->tile;
    ptrdiff_t plane, row;
    nlm_group g;
    for (row = start; row < stop; row += NLM_LINES)
        for (plane = t->planes[0] - t->search[0]; plane < t->planes[1]; plane++)
            for (g.n = 0; nlm_next_group(t, most_pairs, &g);)
                if (plane >= t->planes[0] - g.dz && (plane >= t->planes[0] || plane + g.dz < t->planes[1]))
                    nlm_lines(job, &g, plane, row, nlm_least(row + NLM_LINES, stop));
}

#endif

#endif
