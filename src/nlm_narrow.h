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
   gains from p, the pair is w(dx) at x - dx and w(dx + 1) at the pixel before: one blend of neighbouring vectors. Past
   its ends a row of weights goes on with its own vectors, a lane on, and those of even lanes with those of odd ones: a
   table of places tells where, and nothing is copied.

   For a block of lines come the sums over the patches' rows, of all shifts of a row of the search window; then, line by
   line, distances, weights and what two lines gain from them. When a block has met all rows of the search window its
   lines are done and written. So of combs and sums only those near the block are held.

   Measured on 512 x 512, patch 7, search 21, h = 10, one thread, times OpenCV 4.14: v4 10.3, v3 5.2, v2 3.6; the
   int32 loops of nlm.pyx reach 1.0, 0.9 and 0.7. With a fold, h = 30: 6.7, 3.6, 3.0, two channels (before lines were
   streamed) 5.9, 3.9, 2.9, where nlm_wide.h reaches 3.8, 3.0, 1.9 and 4.0, 3.7, 2.4. At v4 and h = 10 that is 24
   cycles for 32 distances: the weights 9, where their look-ups and shifts fill two ports for 7; sums over rows 6;
   what lines gain 8; the rest 1. The arithmetic alone would take 13, but registers of 512 bits are loaded, stored and
   computed with at 2.3 instructions a cycle, all together, and that makes 18. It is not the caches: weights take as
   long from the first level as from the second. Within 1 %, so left out: weights of half a row of shifts at a time;
   one pair of shifts from differences to weights before the next; huge pages; other addresses modulo 4096; 2, 3 or 6
   vectors of sums, or both parities, in registers. Slower: blocks of 16 lines by 4 %; sums fetched ahead by 4 %; what
   follows a comb's end copied behind it by 4 %; tiles of 64 rows, whose lines before the first are computed again, by
   4 %, of 32 by 10 % (two threads). */
#ifndef MEDFAST_NLM_NARROW_H
#define MEDFAST_NLM_NARROW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nlm_combs.h"
#include "nlm_narrow_steps.h"
#include "nlm_narrow_weights.h"
#include "nlm_tile.h"

enum {
    NLM_COLS = 1024, /* of pixels, worked on at a time; 512 took 3 % longer, 256 and 128 more */
    NLM_ROWS_HELD = 64 /* lines of p whose combs and sums are held at a time, a multiple of NLM_LINES */
};

/* Where results go: bytes from plane to plane, channel to channel, row to row and column to column. */
typedef struct {
    uint8_t *data;
    ptrdiff_t strides[4];
} nlm_bytes;

#if NLM_LANES > 0

/* Where vector v of a row of weights stands, in bytes from vector 0 of the even lanes: before the first and after the
   last vector come other ones, lanes on. The table begins with v = -(search + 3). */
static void nlm_fill_places(const nlm_job *job)
{
    const ptrdiff_t size = job->size, n_before = job->tile->search[2] + 3;
    ptrdiff_t v, odd;
    for (v = 0; v < job->n_places; v++)
        for (odd = 0; odd < 2; odd++) {
            ptrdiff_t at = v - n_before, lane = odd;
            for (; at < 0; at += size)
                lane--;
            for (; at >= size; at -= size)
                lane++;
            at += lane & 1 ? job->weight_stride : 0;
            job->places[odd][v] = (int32_t)(at * (ptrdiff_t)sizeof(nlm_vec) + 4 * (lane >> 1));
        }
}

/* Weights of line y of a block and a group of shifts. */
static void nlm_weigh(const nlm_job *job, const nlm_group *g, ptrdiff_t y)
{
    const ptrdiff_t radius = job->tile->patch[2], size = job->size, stride = job->distance_stride;
    const int is_easy = nlm_is_easy(radius, size);
    ptrdiff_t shift;
    nlm_vec *columns = job->distances + y * job->line_stride, *rests = columns + 2 * job->n_pairs * stride;
    for (shift = 0; shift < g->n && !is_easy; shift++)
        nlm_close(job, columns + shift * stride, NLM_WHOLE);
    for (shift = 0; job->folded && shift < g->n_pairs && !is_easy; shift++)
        nlm_close(job, rests + shift * stride, NLM_RESTS);
    nlm_line_weights(job->narrow, job->table, columns, rests, stride, g->n, size, is_easy ? size : PTRDIFF_MAX, radius,
                     job->indices, job->weights, job->weight_stride);
}

/* Pairs of words: from[v] and from[v + step], of the even lanes and of the odd ones. */
static void nlm_pair_up(const nlm_vec *from, ptrdiff_t n, ptrdiff_t step, nlm_vec *even, nlm_vec *odd)
{
    nlm_vec first = from[0], second;
    ptrdiff_t v;
    if (step > 0)
        for (v = 0; v < n; v++) {
            second = from[v + 1];
            even[v] = nlm_pair_low(first, second), odd[v] = nlm_pair_high(first, second);
            first = second;
        }
    else
        for (second = from[-1], v = 0; v < n; v++) {
            first = from[v];
            even[v] = nlm_pair_low(first, second), odd[v] = nlm_pair_high(first, second);
            second = first;
        }
}

/* The sums of a line: (channels + 1, size, 2), those of weights last. */
static nlm_vec *nlm_sums(const nlm_job *job, ptrdiff_t plane, ptrdiff_t row)
{
    return job->sums + ((plane - job->tile->planes[0]) * job->sums_rows + row - job->sums_start) *
                           (job->tile->n_channels + 1) * 2 * job->size;
}

/* What a line gains from one line of weights: the line of p from that of q, or in reverse. */
static void nlm_gain(const nlm_job *job, const nlm_group *g, ptrdiff_t plane, ptrdiff_t row, int is_reverse)
{
    const nlm_tile *t = job->tile;
    const ptrdiff_t last = g->dx + 2 * (g->n_pairs - 1), n_donors = job->size + 2 * (g->n_pairs - 1);
    const ptrdiff_t to_plane = plane + (is_reverse ? g->dz : 0), to_row = row + (is_reverse ? g->dy : 0);
    const ptrdiff_t plane_size = 2 * job->size, at = is_reverse ? 2 * (g->n_pairs - 1) : 0;
    const nlm_vec *pixels = nlm_comb(job, plane + t->patch[0], row + t->patch[1]) + t->patch[2];
    nlm_vec *sums = nlm_sums(job, to_plane, to_row);
    nlm_vec *donors = job->donors, *mask = donors + 2 * job->donor_stride;
    ptrdiff_t channel, odd;
    nlm_sources s;
    pixels += is_reverse ? -last : (g->dz * job->comb_rows + g->dy) * job->row_stride + g->dx;
    s.weight_row = 2 * job->weight_stride;
    for (odd = 0; odd < 2; odd++) {
        s.weights[odd] = job->weights + (is_reverse ? 0 : odd * job->weight_stride);
        s.donors[odd] = donors + odd * job->donor_stride + at, s.mask[odd] = NULL;
        s.places[odd] = job->places[odd] + t->search[2] + 2 - g->dx;
    }
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

static void nlm_narrow_line(const nlm_job *job, const nlm_group *g, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t y,
                            int is_forward, int is_reverse)
{
    nlm_weigh(job, g, y);
    if (is_reverse)
        nlm_gain(job, g, plane, row, 1);
    if (is_forward)
        nlm_gain(job, g, plane, row, 0);
}

/* Lines of p before the tile's first, in whole blocks; and after its last, of planes before, with q above. */
static ptrdiff_t nlm_lines_before(const ptrdiff_t *search)
{
    return (search[1] + NLM_LINES - 1) / NLM_LINES * NLM_LINES;
}
static ptrdiff_t nlm_lines_after(const ptrdiff_t *search) { return search[0] > 0 ? search[1] : 0; }

/* Sizes of a job of at most NLM_COLS columns, and its scratch; the bytes of that. */
static ptrdiff_t nlm_layout(nlm_job *job, ptrdiff_t n_channels, int has_mask, int is_folded, ptrdiff_t n_planes,
                            ptrdiff_t n_rows, ptrdiff_t n_cols, const ptrdiff_t *patch, const ptrdiff_t *search,
                            nlm_vec *scratch)
{
    const ptrdiff_t after = nlm_lines_after(search);
    ptrdiff_t n_pixels = (2 * patch[0] + 1) * (2 * patch[1] + 1) * (2 * patch[2] + 1), n_table;
    nlm_vec *at;
    n_cols = nlm_least(n_cols, NLM_COLS), n_rows = nlm_least(nlm_lines_before(search) + n_rows + after, NLM_ROWS_HELD);
    at = nlm_lay_out_combs(job, n_channels, has_mask, is_folded, n_planes, n_rows, n_cols, patch, search, scratch);
    job->weight_stride = job->size | 1;
    job->n_places = job->size + 2 * (search[2] + 3);
    job->donor_stride = (job->size + 2 * job->n_pairs) | 1;
    job->indices = at, at += 2 * (job->size + 1);
    job->weights = at + 1, at += 2 * job->n_pairs * job->weight_stride + 2; /* places are off by lanes */
    job->donors = at, at += 4 * job->donor_stride;
    job->sums_rows = n_rows + search[1] + after;
    job->sums = at, at += n_planes * job->sums_rows * (n_channels + 1) * 2 * job->size;
    job->places[0] = (int32_t *)at, job->places[1] = job->places[0] + job->n_places;
    at += (2 * job->n_places * sizeof(int32_t) + sizeof(nlm_vec) - 1) / sizeof(nlm_vec);
    job->table = (uint32_t *)at;
    for (n_table = 65536; n_pixels > 1; n_pixels = (n_pixels + 1) / 2) /* as the shift of the weights */
        n_table /= 2;
    n_table = is_folded ? nlm_least(65536, 8 * n_table) : n_table;
    return (at - scratch) * sizeof(nlm_vec) + 2 * n_table * sizeof(uint32_t);
}

/* Bytes of scratch of a tile. */
static ptrdiff_t nlm_narrow_scratch(ptrdiff_t n_channels, int is_folded, ptrdiff_t n_planes, ptrdiff_t n_rows,
                                    ptrdiff_t n_cols, const ptrdiff_t *patch, const ptrdiff_t *search)
{
    nlm_job job;
    return nlm_layout(&job, n_channels, 1, is_folded, n_planes, n_rows, n_cols, patch, search, NULL);
}

/* Moves what lines `row` and after have in the first rows of a plane's, `n` lines of `line` vectors. */
static void nlm_move_up(nlm_vec *to, ptrdiff_t n_planes, ptrdiff_t plane, ptrdiff_t line, ptrdiff_t row, ptrdiff_t n)
{
    for (; n_planes > 0 && row > 0; n_planes--, to += plane * line)
        memmove(to, to + row * line, n * line * sizeof(nlm_vec));
}

/* Sums of lines start ... stop - 1: each pixel with itself. */
static void nlm_begin_sums(const nlm_job *job, ptrdiff_t start, ptrdiff_t stop)
{
    const nlm_tile *t = job->tile;
    const nlm_vec low = nlm_set32(job->narrow->table[0]), high = nlm_low_to_high(low);
    ptrdiff_t plane, row, channel, v;
    for (plane = t->planes[0]; plane < t->planes[1]; plane++)
        for (row = start; row < stop; row++) {
            const nlm_vec *comb = nlm_comb(job, plane + t->patch[0], row + t->patch[1]) + t->patch[2];
            nlm_vec *to = nlm_sums(job, plane, row);
            for (channel = 0; channel <= t->n_channels; channel++, comb += job->comb)
                for (v = 0; v < job->size; v++, to += 2) {
                    const nlm_vec words = channel < t->n_channels ? comb[v] : nlm_set16(1);
                    to[0] = nlm_multiply_pairs(words, low), to[1] = nlm_multiply_pairs(words, high);
                }
        }
}

/* The means of one channel of a line, as sums are laid out, in place of its sums. Quotients are exact: below 256, one
   is at least 1 / weight off the next integer, or equal to it. */
static void nlm_divide(const nlm_job *job, int32_t *values, const int32_t *weights)
{
    ptrdiff_t k;
    for (k = 0; k < job->size * NLM_LANES; k++)
        values[k] = (int32_t)(((double)values[k] + (double)(weights[k] / 2)) / (double)weights[k]);
}

/* The means of lines start ... stop - 1, rounded half up, where the mask is. */
static void nlm_write(const nlm_job *job, const nlm_bytes *out, ptrdiff_t start, ptrdiff_t stop)
{
    const nlm_tile *t = job->tile;
    const ptrdiff_t plane_size = 2 * job->size, step = out->strides[3];
    ptrdiff_t plane, row, channel, x, k;
    for (plane = t->planes[0]; plane < t->planes[1]; plane++)
        for (row = start; row < stop; row++) {
            const uint8_t *inside = nlm_tile_mask(t, plane, row);
            nlm_vec *sums = nlm_sums(job, plane, row);
            for (channel = 0; channel < t->n_channels; channel++, sums += plane_size) {
                uint8_t *to = out->data + plane * out->strides[0] + channel * out->strides[1] + row * out->strides[2];
                ptrdiff_t lane = t->search[2] / job->size, v = t->search[2] % job->size, n;
                nlm_divide(job, (int32_t *)sums, (const int32_t *)(sums + (t->n_channels - channel) * plane_size));
                for (x = job->start; x < job->start + job->n_cols; x += n, lane++, v = 0) {
                    const int32_t *from = (const int32_t *)(sums + 2 * v) + lane % 2 * (NLM_LANES / 2) + lane / 2;
                    n = nlm_least(job->size - v, job->start + job->n_cols - x);
                    for (k = 0; k < n; k++)
                        if (!inside || inside[x + k])
                            to[(x + k) * step] = (uint8_t)from[k * NLM_LANES];
                }
            }
        }
}

/* The tile's lines, from the first to the last: combs and sums go with them, so that both stay in the cache, and a line
   is written as soon as nothing more is added to it. */
static void nlm_narrow_rows(nlm_job *job, const nlm_bytes *out)
{
    const nlm_tile *t = job->tile;
    const ptrdiff_t n_planes = t->planes[1] - t->planes[0], after = nlm_lines_after(t->search);
    const ptrdiff_t first = t->rows[0] - nlm_lines_before(t->search), stop = t->rows[1] + after;
    const ptrdiff_t reach = t->search[1] + 2 * t->patch[1], last_comb = t->rows[1] + reach;
    ptrdiff_t combs = t->rows[0] - t->search[1], sums = t->rows[0], row, next; /* rows that are there so far */
    for (row = first; row < stop; row = next) {
        next = nlm_least(row + NLM_ROWS_HELD, stop);
        if (row > first) {
            const ptrdiff_t gone = row - after - job->comb_start;
            nlm_move_up(job->combs, n_planes + 2 * (t->search[0] + t->patch[0]), job->comb_rows, job->row_stride, gone,
                        combs - (row - after));
            nlm_move_up(job->sums, n_planes, job->sums_rows, (t->n_channels + 1) * 2 * job->size, gone,
                        nlm_most(sums - (row - after), 0));
        }
        job->comb_start = job->sums_start = row - after;
        nlm_fill_combs(job, combs, nlm_least(next + reach, last_comb));
        combs = nlm_most(combs, nlm_least(next + reach, last_comb));
        nlm_begin_sums(job, sums, nlm_least(next + t->search[1], t->rows[1]));
        sums = nlm_most(sums, nlm_least(next + t->search[1], t->rows[1]));
        nlm_all_lines(job, row, next, NLM_PAIRS);
        nlm_write(job, out, nlm_most(row - after, t->rows[0]), next < stop ? next - after : t->rows[1]);
    }
}

/* Denoises the tile. */
static void nlm_narrow_tile(const nlm_tile *t, const nlm_narrow *narrow, const nlm_bytes *out, uint8_t *scratch)
{
    const ptrdiff_t n_chunks = (t->n_cols + NLM_COLS - 1) / NLM_COLS, chunk = (t->n_cols + n_chunks - 1) / n_chunks;
    nlm_job job;
    nlm_layout(&job, t->n_channels, t->mask != NULL, narrow->fold > 0, t->planes[1] - t->planes[0],
               t->rows[1] - t->rows[0], chunk, t->patch, t->search, (nlm_vec *)scratch);
    job.narrow = narrow, job.line = nlm_narrow_line, job.offset = narrow->is_split ? narrow->offset : 0;
    nlm_set_terms(&job, t, narrow->norm, narrow->fold);
    nlm_fill_places(&job);
    job.terms.is_near =
        narrow->norm == 1 && 255 * (2 * t->patch[1] + 1) * job.terms.n_planes * t->n_channels <= 65535;
    if (!narrow->is_split)
        nlm_fill_table(narrow, job.table);
    for (job.start = 0; job.start < t->n_cols; job.start += chunk) {
        job.n_cols = nlm_least(chunk, t->n_cols - job.start);
        nlm_narrow_rows(&job, out);
    }
}

#else /* no vectors known: nlm_is_narrow says no, and these are never called */
static ptrdiff_t nlm_narrow_scratch(ptrdiff_t n_channels, int is_folded, ptrdiff_t n_planes, ptrdiff_t n_rows,
                                    ptrdiff_t n_cols, const ptrdiff_t *patch, const ptrdiff_t *search)
{
    (void)is_folded, (void)n_channels, (void)n_planes, (void)n_rows, (void)n_cols, (void)patch, (void)search;
    return 0;
}
static void nlm_narrow_tile(const nlm_tile *t, const nlm_narrow *narrow, const nlm_bytes *out, uint8_t *scratch)
{
    (void)t, (void)narrow, (void)out, (void)scratch;
}
#endif

#endif
