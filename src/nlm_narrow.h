/* Non-local means of gray levels of 8 bits in 16-bit sums: the whole inner loop, for one tile.

   A patch's summed distance D fits 16 bits only if it is small, but D matters only while its weight is not zero. Where
   every D >= 65535 has weight zero, *saturating* sums of uint16 are exact: what saturates has weight zero either way.
   That doubles the lanes of an int32 sum. Nothing can be taken away from a saturated sum again, so a box sum is no
   running sum but a sum of pair sums, of which neighbours share most.

   Up to four or eight times as far they go by a fold: a square over 2^fold, rounded down, is summed like that, and what
   it leaves, at most 1 mod 4 and 4 mod 8, in bytes, for two shifts in one word. D >> shift, all that is asked for, is
   then exactly (sum + (rests >> fold)) >> (shift - fold).

   Rows are combed: cut into as many pieces as a vector has lanes, so that vector v holds the v-th column of every
   piece, and the next column is the next vector. All loads are aligned then, whatever the shift, and sums over columns
   share pair sums as those over rows do. Rows as they are (loads at any address, four additions for a sum of seven
   where this takes two and a half) took 1.2 times as long. Past its end a comb goes on with its own first vectors, one
   lane on.

   The weights of two shifts dx and dx + 1 are made as one register of dwords for the even and one for the odd lanes:
   dword (w(dx), w(dx + 1)) times (p(x + dx), p(x + dx + 1)) is one multiplication of pairs. In reverse, for what q
   gains from p, the pair is w(dx) at x - dx and w(dx + 1) at the pixel before: one blend of neighbouring vectors.

   For a block of lines come the sums over the patches' rows, of all shifts of a row of the search window; then, line by
   line, distances, weights and what two lines gain from them, in the first-level cache.

   Measured on 512 x 512, patch 7, search 21, h = 10, one thread, times OpenCV 4.14: v4 9.7, v3 5.0, v2 3.4; the int32
   loops of nlm.pyx reach 1.0, 0.9 and 0.7. With a fold, h = 30: 5.9, 3.6, 2.7, two channels 5.9, 3.9, 2.9, where
   nlm_wide.h reaches 3.8, 3.0, 1.9 and 4.0, 3.7, 2.4. At v4 and h = 10 that is 25 cycles for 32 distances, where the
   arithmetic takes 14 (two vector instructions a cycle, of which saturating additions and shifts fill one port) and
   loads 2: what the stages hand on does not fit the first-level cache. Within 1 %, so left out: weights of half a row
   of shifts at a time, which do fit; all rows of the search window for a block of lines; huge pages; other addresses
   modulo 4096. Slower: sums fetched ahead by 4 %, what follows a comb's end copied behind it by 7 %. */
#ifndef MEDFAST_NLM_NARROW_H
#define MEDFAST_NLM_NARROW_H

#include <stddef.h>
#include <stdint.h>

#include "nlm_narrow_steps.h"
#include "nlm_narrow_weights.h"
#include "nlm_tile.h"

enum {
    NLM_PAIRS = 12, /* of shifts, held at a time: 6 are within 2 %, 4 took 5 % longer */
    NLM_COLS = 1024 /* of pixels, worked on at a time; 512 took 3 % longer, 256 and 128 more */
};

#if NLM_LANES > 0

static ptrdiff_t nlm_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* --- a tile ---------------------------------------------------------------------------------------------------- */

/* A range of columns of a tile and its scratch. Sizes and strides count vectors. A comb is a row of pixels cut into
   NLM_LANES pieces of `size` columns, of which vector v holds all v-th columns, and so on before and after. */
typedef struct {
    const nlm_tile *tile;
    const nlm_narrow *narrow;
    nlm_terms terms;
    ptrdiff_t start, n_cols, size;                          /* columns, and vectors of them */
    ptrdiff_t comb, comb_left;                              /* vectors of a comb, and those before the first */
    ptrdiff_t comb_rows, row_stride;                        /* rows of a plane; from row to row */
    ptrdiff_t n_pairs, distance_stride, line_stride;                 /* a row of distances; those of a line */
    ptrdiff_t weight_stride, donor_stride;
    ptrdiff_t folded;                                       /* from pixels to those that distances are taken of */
    nlm_vec *combs;     /* (planes, rows, channels (+ 1 if there is a mask; + 3 channels if folded), comb) */
    nlm_vec *distances; /* (lines, shifts (+ pairs of rests if folded), distance_stride) */
    nlm_vec *indices;   /* (2, size + 1) */
    nlm_vec *weights;   /* (pairs, 2, weight_stride) */
    nlm_vec *donors;    /* (2, 2, donor_stride): pixels, mask; even, odd */
    nlm_vec *sums;      /* (planes, rows, channels + 1, size, 2) */
    uint32_t *table;    /* (2, 65536 >> shift + fold) */
} nlm_job;

/* Shifts (dz, dy, dx) to (dz, dy, dx + n - 1). */
typedef struct {
    ptrdiff_t dz, dy, dx, n, n_pairs;
} nlm_group;

/* Of the patch of the pixel (plane, row) before the first column, which is vector 0. */
static nlm_vec *nlm_comb(const nlm_job *job, ptrdiff_t plane, ptrdiff_t row)
{
    const nlm_tile *t = job->tile;
    plane += t->search[0] - t->planes[0], row += t->search[1] - t->rows[0];
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

/* Of a comb of pixels p, those of p << k, whose differences' upper products are squares over 2^fold, and of p mod 4,
   from which the rests come: twice p, plus 4; p and the pixel after it. */
static void nlm_fold(const nlm_job *job, nlm_vec *comb)
{
    const ptrdiff_t step = job->tile->n_channels * job->comb;
    const nlm_vec factor = nlm_set16(job->narrow->fold == 3 ? 64 : 128), three = nlm_set16(3);
    nlm_vec *to = comb + job->folded;
    ptrdiff_t v;
    for (v = -job->comb_left; v < job->comb - job->comb_left; v++) {
        nlm_vec low = nlm_and(comb[v], three), next = low;
        if (v + 1 < job->comb - job->comb_left)
            next = nlm_and(comb[v + 1], three);
        to[v] = nlm_mul16(comb[v], factor);
        to[v + step] = nlm_or(nlm_mul16(low, nlm_set16(257)), nlm_set16(0x0404));
        to[v + 2 * step] = nlm_or(low, nlm_mul16(next, nlm_set16(256)));
    }
}

static void nlm_fill_combs(const nlm_job *job)
{
    const nlm_tile *t = job->tile;
    const ptrdiff_t n_planes = t->planes[1] - t->planes[0] + 2 * (t->search[0] + t->patch[0]);
    const ptrdiff_t n_rows = t->rows[1] - t->rows[0] + 2 * (t->search[1] + t->patch[1]);
    ptrdiff_t plane, row, channel, lane, v;
    for (plane = 0; plane < n_planes; plane++)
        for (row = 0; row < n_rows; row++)
            for (channel = 0; channel < t->n_channels + (t->mask ? 1 : 0); channel++) {
                const ptrdiff_t at = (t->rows[0] + row) * t->row_stride + job->start;
                nlm_vec *comb = job->combs + (plane * job->comb_rows + row) * job->row_stride + channel * job->comb +
                                job->comb_left;
                uint16_t *words = (uint16_t *)comb;
                for (lane = 0; lane < NLM_LANES; lane++) {
                    const ptrdiff_t from = lane * job->size, n = nlm_min(job->size, t->row_stride - job->start - from);
                    if (channel < t->n_channels) {
                        const uint16_t *pixels = (const uint16_t *)t->padded + at + from + channel * t->channel_stride +
                                                 (t->planes[0] + plane) * t->plane_stride;
                        for (v = 0; v < n; v++)
                            words[v * NLM_LANES + lane] = pixels[v];
                    } else {
                        const uint8_t *mask = t->mask + at + from + (t->planes[0] + plane) * t->channel_stride;
                        for (v = 0; v < n; v++)
                            words[v * NLM_LANES + lane] = mask[v] ? 0xffff : 0;
                    }
                }
                nlm_extend(job, comb);
                if (job->folded && channel < t->n_channels)
                    nlm_fold(job, comb);
            }
}

/* The sums of n pixels of one lane. */
static void nlm_uncomb(const int32_t *from, ptrdiff_t n, int32_t *to)
{
    ptrdiff_t v;
    for (v = 0; v < n; v++)
        to[v] = from[v * NLM_LANES];
}

/* Weights of line y of a block and a group of shifts. */
static void nlm_weigh(const nlm_job *job, const nlm_group *g, ptrdiff_t y)
{
    const ptrdiff_t radius = job->tile->patch[2], size = job->size, stride = job->distance_stride;
    const int is_easy = radius <= 3 && 2 * radius <= size; /* what follows the last vector needs no place of its own */
    ptrdiff_t shift, v, j;
    nlm_vec *columns = job->distances + y * job->line_stride, *weights = job->weights + job->comb_left;
    nlm_vec *rests = columns + 2 * job->n_pairs * stride;
    for (shift = 0; shift < (job->folded ? 3 : 2) * job->n_pairs && !is_easy; shift++) {
        nlm_vec *row = columns + shift * stride;
        if (shift >= g->n && (shift < 2 * job->n_pairs || shift >= 2 * job->n_pairs + g->n_pairs))
            continue;
        for (v = 0; v < 2 * radius; v++)
            row[size + v] = nlm_load((const uint16_t *)(row + v) + 1);
        for (v = 0; v < size && radius > 3; v++)
            for (j = 1; j <= 2 * radius; j++)
                row[v] = nlm_sum(row[v], row[v + j], shift < 2 * job->n_pairs ? NLM_WHOLE : NLM_RESTS);
    }
    nlm_line_weights(job->narrow, job->table, columns, rests, stride, g->n, size, is_easy ? size : PTRDIFF_MAX, radius,
                     job->indices, weights, job->weight_stride);
    for (shift = 0; shift < g->n; shift += 2) {
        nlm_vec *even = weights + shift * job->weight_stride, *odd = even + job->weight_stride;
        /* vectors before the first and after the last: the even lanes are the odd ones of others, and so on */
        for (v = size; v < size - (g->dx + shift); v++) {
            even[v] = odd[v - size];
            odd[v] = nlm_next_pairs(even[v - size]);
        }
        for (v = -1; v >= -(g->dx + shift + 1); v--) {
            odd[v] = even[v + size];
            even[v] = nlm_previous_pairs(odd[v + size]);
        }
    }
}

/* Pairs of words: from[v] and from[v + step], of the even lanes and of the odd ones. */
static void nlm_pair_up(const nlm_vec *from, ptrdiff_t n, ptrdiff_t step, nlm_vec *even, nlm_vec *odd)
{
    ptrdiff_t v;
    for (v = 0; v < n; v++) {
        even[v] = nlm_blend_pairs(from[v], nlm_low_to_high(from[v + step]));
        odd[v] = nlm_blend_pairs(nlm_high_to_low(from[v]), from[v + step]);
    }
}

/* What a line gains from one line of weights: the line of p from that of q, or in reverse. */
static void nlm_gain(const nlm_job *job, const nlm_group *g, ptrdiff_t plane, ptrdiff_t row, int is_reverse)
{
    const nlm_tile *t = job->tile;
    const ptrdiff_t last = g->dx + 2 * (g->n_pairs - 1), n_donors = job->size + 2 * (g->n_pairs - 1);
    const ptrdiff_t to_plane = plane + (is_reverse ? g->dz : 0), to_row = row + (is_reverse ? g->dy : 0);
    const ptrdiff_t plane_size = 2 * job->size;
    const nlm_vec *pixels = nlm_comb(job, plane + t->patch[0], row + t->patch[1]) + t->patch[2];
    const nlm_vec *weights = job->weights + job->comb_left;
    nlm_vec *sums = job->sums + ((to_plane - t->planes[0]) * (t->rows[1] - t->rows[0]) + to_row - t->rows[0]) *
                                    (t->n_channels + 1) * plane_size;
    nlm_vec *donors = job->donors, *mask = donors + 2 * job->donor_stride;
    ptrdiff_t channel, at;
    nlm_sources s;
    if (is_reverse)
        pixels -= last, at = 2 * (g->n_pairs - 1), weights -= g->dx;
    else
        pixels += (g->dz * job->comb_rows + g->dy) * job->row_stride + g->dx, at = 0;
    s.weights[0] = weights, s.weights[1] = weights + job->weight_stride;
    s.weight_step = 2 * job->weight_stride - (is_reverse ? 2 : 0);
    s.donors[0] = donors + at, s.donors[1] = donors + job->donor_stride + at;
    s.mask[0] = s.mask[1] = NULL;
    if (t->mask) {
        nlm_pair_up(pixels + t->n_channels * job->comb, n_donors, is_reverse ? -1 : 1, mask, mask + job->donor_stride);
        s.mask[0] = mask + at, s.mask[1] = mask + job->donor_stride + at;
    }
    for (channel = 0; channel < t->n_channels; channel++) {
        nlm_pair_up(pixels + channel * job->comb, n_donors, is_reverse ? -1 : 1, donors, donors + job->donor_stride);
        nlm_add(&s, g->n_pairs, job->size, job->narrow->n_flush, job->narrow->has_dot, is_reverse, channel == 0,
                sums + channel * plane_size, sums + t->n_channels * plane_size);
    }
}

/* All lines of p of one plane, which the tile's lines need for a group of shifts. */
static void nlm_lines(const nlm_job *job, const nlm_group *g, ptrdiff_t plane)
{
    const nlm_tile *t = job->tile;
    const int is_forward = plane >= t->planes[0], is_reverse = plane + g->dz < t->planes[1];
    const ptrdiff_t top = t->rows[0] - (is_reverse && (g->dy > 0 || !is_forward) ? g->dy : 0);
    const ptrdiff_t bottom = t->rows[1] - (is_reverse && (g->dy < 0 || !is_forward) ? g->dy : 0);
    const nlm_vec offset = nlm_set16((short)(job->narrow->is_split ? job->narrow->offset : 0));
    ptrdiff_t row, y;
    for (row = top; row < bottom; row += NLM_LINES) {
        const ptrdiff_t n_lines = nlm_min(bottom - row, NLM_LINES);
        const nlm_vec *own = nlm_comb(job, plane, row) + job->folded;
        const nlm_vec *other = nlm_comb(job, plane + g->dz, row + g->dy) + g->dx + job->folded;
        nlm_columns(&job->terms, own, other, job->row_stride, n_lines, job->size, g->n, t->patch[1], offset,
                    job->distances, job->line_stride, job->distance_stride);
        if (job->folded)
            nlm_columns_rests(&job->terms, own + t->n_channels * job->comb, other + 2 * t->n_channels * job->comb,
                              job->row_stride, n_lines, job->size, g->n_pairs, t->patch[1],
                              job->distances + 2 * job->n_pairs * job->distance_stride, job->line_stride,
                              job->distance_stride);
        for (y = row; y < row + n_lines; y++) {
            nlm_weigh(job, g, y - row);
            if (is_reverse && y + g->dy >= t->rows[0] && y + g->dy < t->rows[1])
                nlm_gain(job, g, plane, y, 1);
            if (is_forward && y >= t->rows[0] && y < t->rows[1])
                nlm_gain(job, g, plane, y, 0);
        }
    }
}

/* Sizes of a job of at most NLM_COLS columns, and its scratch; the bytes of that. */
static ptrdiff_t nlm_layout(nlm_job *job, ptrdiff_t n_channels, int has_mask, int is_folded, ptrdiff_t n_planes,
                            ptrdiff_t n_rows, ptrdiff_t n_cols, const ptrdiff_t *patch, const ptrdiff_t *search,
                            nlm_vec *scratch)
{
    const ptrdiff_t n_pairs = nlm_min(search[2] + 1, NLM_PAIRS);
    ptrdiff_t n_pixels = (2 * patch[0] + 1) * (2 * patch[1] + 1) * (2 * patch[2] + 1), n_table;
    nlm_vec *at = scratch;
    job->size = (nlm_min(n_cols, NLM_COLS) + 2 * (search[2] + patch[2]) + NLM_LANES) / NLM_LANES;
    job->comb_left = search[2] + 1;
    job->comb = (job->comb_left + job->size + search[2] + patch[2] + 2) | 1;
    job->row_stride = job->comb * (n_channels * (is_folded ? 4 : 1) + has_mask);
    job->folded = is_folded ? job->comb * (n_channels + has_mask) : 0;
    job->n_pairs = n_pairs;
    job->comb_rows = n_rows + 2 * (search[1] + patch[1]) + 3;
    job->distance_stride = job->size + (patch[2] <= 3 && 2 * patch[2] <= job->size ? 0 : 2 * patch[2]);
    job->weight_stride = (job->comb_left + job->size + search[2]) | 1;
    job->line_stride = (is_folded ? 3 : 2) * n_pairs * job->distance_stride;
    job->donor_stride = (job->size + 2 * n_pairs) | 1;
    job->combs = at, at += (n_planes + 2 * (search[0] + patch[0])) * job->comb_rows * job->row_stride;
    job->distances = at, at += NLM_LINES * job->line_stride;
    job->indices = at, at += 2 * (job->size + 1);
    job->weights = at, at += 2 * n_pairs * job->weight_stride;
    job->donors = at, at += 4 * job->donor_stride;
    job->sums = at, at += n_planes * n_rows * (n_channels + 1) * 2 * job->size;
    job->table = (uint32_t *)at;
    for (n_table = 65536; n_pixels > 1; n_pixels = (n_pixels + 1) / 2) /* as the shift of the weights */
        n_table /= 2;
    n_table = is_folded ? nlm_min(65536, 8 * n_table) : n_table;
    return (at - scratch) * sizeof(nlm_vec) + 2 * n_table * sizeof(uint32_t);
}

/* Bytes of scratch of a tile. */
static ptrdiff_t nlm_narrow_scratch(ptrdiff_t n_channels, int is_folded, ptrdiff_t n_planes, ptrdiff_t n_rows,
                                    ptrdiff_t n_cols, const ptrdiff_t *patch, const ptrdiff_t *search)
{
    nlm_job job;
    return nlm_layout(&job, n_channels, 1, is_folded, n_planes, n_rows, n_cols, patch, search, NULL);
}

/* The tile's sums: (channels + 1, lines, row_size), the last one of weights. */
static void nlm_narrow_tile(const nlm_tile *t, const nlm_narrow *narrow, int32_t *sums, ptrdiff_t row_size,
                            uint8_t *scratch)
{
    const ptrdiff_t rows = t->rows[1] - t->rows[0], planes = t->planes[1] - t->planes[0], n_lines = planes * rows;
    const ptrdiff_t n_sums = t->n_channels + 1, n_chunks = (t->n_cols + NLM_COLS - 1) / NLM_COLS;
    const ptrdiff_t chunk = (t->n_cols + n_chunks - 1) / n_chunks;
    const int32_t top = narrow->table[0];
    ptrdiff_t line, channel, x, z;
    nlm_group g;
    nlm_job job;
    nlm_layout(&job, t->n_channels, t->mask != NULL, narrow->fold > 0, planes, rows, chunk, t->patch, t->search,
               (nlm_vec *)scratch);
    for (x = 0; job.weights + x < job.donors; x += job.weight_stride)
        job.weights[x] = nlm_zero();
    job.tile = t, job.narrow = narrow;
    job.terms.n_planes = 2 * t->patch[0] + 1, job.terms.plane_stride = job.comb_rows * job.row_stride;
    job.terms.n_channels = t->n_channels, job.terms.channel_stride = job.comb;
    job.terms.norm = narrow->norm, job.terms.fold = narrow->fold;
    if (!narrow->is_split)
        nlm_fill_table(narrow, job.table);
    for (job.start = 0; job.start < t->n_cols; job.start += chunk) {
        job.n_cols = nlm_min(chunk, t->n_cols - job.start);
        nlm_fill_combs(&job);
        for (line = 0; line < n_lines; line++) { /* each pixel with itself */
            int32_t *to = (int32_t *)(job.sums + line * n_sums * 2 * job.size);
            const nlm_vec *comb = nlm_comb(&job, t->planes[0] + line / rows + t->patch[0],
                                           t->rows[0] + line % rows + t->patch[1]) + t->patch[2];
            for (channel = 0; channel < n_sums; channel++, comb += job.comb)
                for (x = 0; x < job.size; x++) {
                    const uint16_t *words = (const uint16_t *)(comb + x);
                    for (z = 0; z < NLM_LANES / 2; z++, to++) {
                        to[0] = top * (channel < t->n_channels ? words[2 * z] : 1);
                        to[NLM_LANES / 2] = top * (channel < t->n_channels ? words[2 * z + 1] : 1);
                    }
                    to += NLM_LANES / 2;
                }
        }
        for (g.dz = 0; g.dz <= t->search[0]; g.dz++)
            for (g.dy = g.dz > 0 ? -t->search[1] : 0; g.dy <= t->search[1]; g.dy++)
                for (g.dx = g.dz > 0 || g.dy > 0 ? -t->search[2] : 1; g.dx <= t->search[2]; g.dx += g.n) {
                    const ptrdiff_t n_pairs = (t->search[2] + 1 - g.dx + 1) / 2; /* groups of about the same size */
                    g.n = 2 * (n_pairs / ((n_pairs + NLM_PAIRS - 1) / NLM_PAIRS));
                    g.n = nlm_min(g.n, t->search[2] + 1 - g.dx);
                    g.n_pairs = (g.n + 1) / 2;
                    for (z = t->planes[0] - g.dz; z < t->planes[1]; z++)
                        if (z >= t->planes[0] || z + g.dz < t->planes[1])
                            nlm_lines(&job, &g, z);
                }
        for (line = 0; line < n_lines; line++)
            for (channel = 0; channel < n_sums; channel++) {
                const int32_t *from = (const int32_t *)(job.sums + (line * n_sums + channel) * 2 * job.size);
                int32_t *to = sums + (channel * n_lines + line) * row_size + job.start;
                ptrdiff_t lane = t->search[2] / job.size, v = t->search[2] % job.size, n;
                for (x = 0; x < job.n_cols; x += n, lane++, v = 0) {
                    n = nlm_min(job.size - v, job.n_cols - x);
                    nlm_uncomb(from + v * NLM_LANES + lane % 2 * (NLM_LANES / 2) + lane / 2, n, to + x);
                }
            }
    }
}

#else /* no vectors known: nlm_is_narrow says no, and these are never called */
static ptrdiff_t nlm_narrow_scratch(ptrdiff_t n_channels, int is_folded, ptrdiff_t n_planes, ptrdiff_t n_rows,
                                    ptrdiff_t n_cols, const ptrdiff_t *patch, const ptrdiff_t *search)
{
    (void)is_folded, (void)n_channels, (void)n_planes, (void)n_rows, (void)n_cols, (void)patch, (void)search;
    return 0;
}
static void nlm_narrow_tile(const nlm_tile *t, const nlm_narrow *narrow, int32_t *sums, ptrdiff_t row_size,
                            uint8_t *scratch)
{
    (void)t, (void)narrow, (void)sums, (void)row_size, (void)scratch;
}
#endif

#endif
