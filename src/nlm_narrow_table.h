/* The table of weights of nlm_narrow.h: for which tables 16-bit sums are exact, and which tables are a product. */
#ifndef MEDFAST_NLM_NARROW_TABLE_H
#define MEDFAST_NLM_NARROW_TABLE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "nlm_tile.h"
#include "nlm_vectors.h"

enum { NLM_ATTEMPTS = 24 }; /* at factors that hold */
#if NLM_LANES == 16
enum { NLM_ROWS = 16, NLM_ROW = 64, NLM_LOW = 8, NLM_LEAST = 1 };
#else
enum { NLM_ROWS = 32, NLM_ROW = 32, NLM_LOW = 32, NLM_LEAST = 8 };
#endif

/* The split table: table[i] = round(high[t / NLM_ROW] middle[t % NLM_ROW / NLM_LOW] low[t % NLM_LOW]), see below. */
typedef struct nlm_narrow {
    const int32_t *table; /* weight of a distance >> shift */
    ptrdiff_t n_entries;
    int shift, norm;      /* the shift of a distance over 2^fold */
    int fold;             /* sums are of squares over 2^fold, and of what that leaves */
    int n_flush;          /* weights whose sum fits an unsigned word */
    int is_split;         /* whether the factors hold */
    int has_dot;          /* whether to add products by nlm_dot */
    int offset;           /* added to the sum of each column before they index the factors */
    float high[NLM_ROWS], middle[NLM_ROW / NLM_LOW], low[NLM_LOW], least[2 * NLM_LEAST]; /* twice the same */
} nlm_narrow;

/* Whether what squares leave sums to a byte. A square mod 4 is 0 or 1, mod 8 at most 4. */
static int nlm_may_fold(const nlm_tile *t, int fold, int shift, int norm, int is_image)
{
    ptrdiff_t n_terms = t->n_channels, axis;
    for (axis = 0; axis < 3; axis++)
        n_terms *= 2 * t->patch[axis] + 1;
    return is_image && fold <= shift && norm == 2 && n_terms * (fold == 3 ? 4 : 1) <= 255;
}

/* The fold with which 16-bit sums are exact: weight zero from 65535 << fold on, and weights a signed word; -1 if there
   is none. */
static int nlm_narrow_fold(const nlm_tile *t, const int32_t *table, ptrdiff_t n_entries, int shift, int norm,
                           int is_image)
{
    int fold;
    for (fold = 0; fold <= 3 && NLM_LANES > 0 && table[0] > 0 && table[0] <= 32767; fold += fold ? 1 : 2) {
        const ptrdiff_t last = ((ptrdiff_t)65535 << fold) >> shift;
        if (fold > 0 && !nlm_may_fold(t, fold, shift, norm, is_image))
            break;
        if (n_entries <= last || table[last] == 0)
            return fold;
    }
    return -1;
}

#if NLM_LANES >= 16

/* The factors of entry k of a row that are not the row's own: what that is multiplied with first (without a rounding
   of its own if that is 1), and last. */
NLM_INLINE void nlm_row_factors(const nlm_narrow *n, ptrdiff_t k, int is_folded, float *middle, float *low)
{
    *middle = is_folded ? n->low[k / NLM_LEAST] : n->middle[k / NLM_LOW];
    *low = is_folded ? n->least[k % NLM_LEAST] : n->low[k % NLM_LOW];
}

/* The factor of a row of the table that gives all its entries, rounded, or -1 where there is none. The last product is
   exact, of 24 bits times 24. */
NLM_INLINE float nlm_high_factor(const nlm_narrow *n, ptrdiff_t first, ptrdiff_t n_used, int fine, int is_folded)
{
    const ptrdiff_t row = is_folded ? NLM_ROW * NLM_LEAST : NLM_ROW, start = first < 0 ? -first : 0;
    const ptrdiff_t stop = n_used - first < row ? n_used - first : row;
    double from = 0.0, to = 1e30;
    float factor, middle, low;
    ptrdiff_t k;
    for (k = start; k < stop; k++) {
        const double entry = n->table[(first + k) >> fine];
        double rest;
        nlm_row_factors(n, k, is_folded, &middle, &low);
        rest = 1.0 / ((double)middle * (double)low);
        from = fmax(from, (entry - 0.5) * rest), to = fmin(to, (entry + 0.5) * rest);
    }
    factor = (float)(0.5 * (from + to));
    for (k = start; k < stop; k++) {
        nlm_row_factors(n, k, is_folded, &middle, &low);
        middle = (float)((double)factor * (double)middle);
        if ((int32_t)rint((double)middle * (double)low) != n->table[(first + k) >> fine])
            return -1.0f;
    }
    return factor;
}

/* The table as a product: exp(-(32 a + b) r) = exp(-32 a r) exp(-b r), rounded, is right for every entry or not used at
   all; with registers of 8 floats, exp(-(64 a + 8 b + c) r). Each factor exp(-32 a r) has only 32 (64) entries to get
   right, and is taken from the middle of what does. With a fold a table may have eight times the entries: there is one
   factor more, of 8 entries, and rows have 256. How the smaller factors happen to be rounded may leave a row without a
   factor then; times a constant, they are rounded in other ways, of which one in two or three works.

   The index t of a distance, ten (13) bits of it from bit 6 (3) on or further down, is that of the table plus a start,
   such that the last weight above zero is the last of a row, that zeros follow for the distances that saturate, and
   that these bits of t tell all weights above zero apart. The start comes for nothing, as an offset to each sum of a
   column, so it is a multiple of the columns of a patch. */
static void nlm_split_table(nlm_narrow *n, ptrdiff_t n_entries, double rate, ptrdiff_t col_radius)
{
    const int top = n->fold ? 3 : 6, bits = n->shift < top ? n->shift : top;
    const int fine = n->shift - bits; /* below t; of t, below the table's index */
    const ptrdiff_t least = n->fold ? NLM_LEAST : 1, row_size = NLM_ROW * least;
    const ptrdiff_t limit = 65536 >> bits, before = limit - NLM_ROWS * row_size, width = 2 * col_radius + 1;
    const ptrdiff_t step = width << fine;
    ptrdiff_t n_used = 0, start = (before + step - 1) / step * step, row;
    int attempt;
    n->is_split = 0;
    if (n->fold && NLM_LEAST == 1)
        return;
    while (n_used < n_entries && n_used < limit >> fine && n->table[n_used] > 0)
        n_used++;
    n_used <<= fine;
    if (fine > 4)
        return;
    while ((start + n_used) % row_size)
        start += step;
    if (n->norm != 2 || start + n_used > limit - row_size || !(rate < 64.0 / row_size)) /* exp(-63) is still a float */
        return;
    n->offset = (int)((start / width) << bits);
    for (attempt = 0; attempt < (n->fold ? NLM_ATTEMPTS : 1); attempt++) {
        const double scale = 1.0 + (double)attempt / NLM_ATTEMPTS;
        for (row = 0; row < NLM_ROW / NLM_LOW; row++)
            n->middle[row] = (float)exp(-(double)(row * NLM_LOW * least >> fine) * rate);
        for (row = 0; row < NLM_LOW; row++)
            n->low[row] = (float)(scale * exp(-(double)(row * least >> fine) * rate));
        for (row = 0; row < 2 * NLM_LEAST; row++)
            n->least[row] = (float)(scale * exp(-(double)(row % NLM_LEAST >> fine) * rate));
        for (row = 0; row < NLM_ROWS; row++) {
            const ptrdiff_t first = before + row_size * row - start; /* as an index of the table */
            n->high[row] = 0.0f;
            if (first + row_size > 0 && first < n_used)
                n->high[row] = n->fold ? nlm_high_factor(n, first, n_used, fine, 1)
                                       : nlm_high_factor(n, first, n_used, fine, 0);
            if (n->high[row] < 0.0f)
                break;
        }
        if (row == NLM_ROWS) {
            n->is_split = 1;
            return;
        }
    }
}
#else
static void nlm_split_table(nlm_narrow *n, ptrdiff_t n_entries, double rate, ptrdiff_t col_radius)
{
    (void)n_entries, (void)rate, (void)col_radius;
    n->is_split = 0;
}
#endif

/* What the weights of a tile come from. Where they are no product with the least fold there is (7 x 7 at v4: h from 12.5
   to 13.9, from 26 to 27.8), but with a further one, that is taken: two thirds of the time. */
static void nlm_narrow_weights(nlm_narrow *n, const nlm_tile *t, const int32_t *table, ptrdiff_t n_entries, int shift,
                               int norm, double rate, int fold, int is_image, int has_dot)
{
    const int least = fold;
    n->table = table, n->n_entries = n_entries, n->norm = norm, n->has_dot = has_dot, n->n_flush = 65535 / table[0];
    for (; fold == least || (fold <= 3 && NLM_LEAST > 1 && nlm_may_fold(t, fold, shift, norm, is_image));
         fold += fold ? 1 : 2) {
        n->fold = fold, n->shift = shift - fold;
        nlm_split_table(n, n_entries, rate, t->patch[2]);
        if (n->is_split)
            return;
    }
    n->fold = least, n->shift = shift - least;
}

#endif
