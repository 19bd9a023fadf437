/* Non-local means of a tile of the image: which weights each line of it needs, in which order.

   w(p, q) = w(q, p), so half of the shifts q = p + (dz, dy, dx) give the weights of all, those that come after
   (0, 0, 0) in order. A line of such weights is what the line of p gains from that of q (forward) and what q's gains
   from p's (reverse). A tile needs the first for the lines inside it and the second for the lines whose q is inside
   it; what neighbouring tiles would need as well is computed twice, and shared with none. */
#ifndef MEDFAST_NLM_TILE_H
#define MEDFAST_NLM_TILE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const void *padded;                                 /* (planes, channels, rows, cols) */
    ptrdiff_t plane_stride, channel_stride, row_stride; /* in pixels */
    ptrdiff_t n_channels, n_cols;                       /* output columns */
    ptrdiff_t patch[3], search[3];                      /* radii: planes, rows, columns */
    ptrdiff_t planes[2], rows[2];                       /* the tile: start and stop of output planes and rows */
    const uint8_t *mask;                                /* or NULL; geometry of padded without channels */
} nlm_tile;

typedef struct {
    ptrdiff_t start, stop;
} nlm_range;

/* A group of shifts (dz, dy, dx) ... (dz, dy, dx + n - 1). */
typedef struct {
    ptrdiff_t dz, dy, dx, n;
} nlm_shifts;

/* Weights of one line for a group of shifts. */
typedef struct {
    ptrdiff_t plane, row;        /* of p; outside the image too */
    nlm_range cols;              /* of p: all that follows needs */
    ptrdiff_t forward, reverse;  /* line of the tile that gains, planes first; or -1 */
} nlm_line;

/* What a formulation does: sums over the rows of the patches of lines row_start ... row_stop - 1; then one of them. */
typedef struct {
    void (*columns)(void *self, const nlm_shifts *shifts, ptrdiff_t plane, ptrdiff_t row_start, ptrdiff_t row_stop,
                    nlm_range cols);
    void (*line)(void *self, const nlm_shifts *shifts, const nlm_line *line, ptrdiff_t row_start, nlm_range cols);
} nlm_steps;

static ptrdiff_t nlm_least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t nlm_most(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

/* Lines of p that one call of `columns` is about, at most. */
static inline ptrdiff_t nlm_tile_lines(ptrdiff_t n_rows, ptrdiff_t row_radius)
{
    return n_rows + nlm_least(n_rows, row_radius);
}

/* Shifts of a group, at most `most`, such that a row of the search window falls into equal groups. */
static inline ptrdiff_t nlm_tile_group(ptrdiff_t col_radius, ptrdiff_t most)
{
    ptrdiff_t n = 2 * col_radius + 1, n_groups = (n + most - 1) / most;
    return (n + n_groups - 1) / n_groups;
}

/* The mask of the output pixels of a line; NULL without one. */
static inline const uint8_t *nlm_tile_mask(const nlm_tile *t, ptrdiff_t plane, ptrdiff_t row)
{
    if (!t->mask)
        return NULL;
    return t->mask + (plane + t->patch[0] + t->search[0]) * (t->plane_stride / t->n_channels) +
           (row + t->patch[1] + t->search[1]) * t->row_stride + t->patch[2] + t->search[2];
}

/* Of each line of the tile, the columns that hold a pixel inside the mask, among cols. */
static inline void nlm_tile_extents(const nlm_tile *t, nlm_range cols, nlm_range *extents)
{
    ptrdiff_t z, y, rows = t->rows[1] - t->rows[0];
    for (z = t->planes[0]; z < t->planes[1]; z++)
        for (y = t->rows[0]; y < t->rows[1]; y++) {
            nlm_range *extent = extents + (z - t->planes[0]) * rows + y - t->rows[0];
            *extent = cols;
            if (t->mask) {
                const uint8_t *inside = nlm_tile_mask(t, z, y);
                while (extent->start < extent->stop && !inside[extent->start])
                    extent->start++;
                while (extent->start < extent->stop && !inside[extent->stop - 1])
                    extent->stop--;
            }
        }
}

enum {
    NLM_FORWARD = 1,
    NLM_REVERSE = 2,
    NLM_RUN = 32 /* lines whose columns are summed in one go: 16 are within 1 %, 8 and all of 64 take 6 % longer */
};

/* The line (plane, row) of p: what it gives in these directions, and the columns of p that are needed for it; whether
   there is any. */
static inline int nlm_tile_line(const nlm_tile *t, const nlm_range *extents, const nlm_shifts *s, int directions,
                         ptrdiff_t plane, ptrdiff_t row, nlm_line *line)
{
    const ptrdiff_t rows = t->rows[1] - t->rows[0], other = row + s->dy;
    nlm_range cols = {PTRDIFF_MAX, PTRDIFF_MIN};
    line->plane = plane, line->row = row, line->forward = line->reverse = -1;
    if ((directions & NLM_FORWARD) && plane >= t->planes[0] && row >= t->rows[0] && row < t->rows[1]) {
        ptrdiff_t at = (plane - t->planes[0]) * rows + row - t->rows[0];
        if (extents[at].start < extents[at].stop)
            line->forward = at, cols = extents[at];
    }
    if ((directions & NLM_REVERSE) && plane + s->dz < t->planes[1] && other >= t->rows[0] && other < t->rows[1]) {
        ptrdiff_t at = (plane + s->dz - t->planes[0]) * rows + other - t->rows[0];
        if (extents[at].start < extents[at].stop) {
            line->reverse = at;
            cols.start = nlm_least(cols.start, extents[at].start - (s->dx + s->n - 1));
            cols.stop = nlm_most(cols.stop, extents[at].stop - s->dx);
        }
    }
    line->cols = cols;
    return cols.start < cols.stop;
}

/* All weights of a range of columns of the tile but those of the pixels with themselves. */
static inline void nlm_tile_run(const nlm_tile *t, nlm_range tile_cols, ptrdiff_t group, const nlm_range *extents,
                         const nlm_steps *steps, void *self)
{
    const ptrdiff_t width = tile_cols.stop - tile_cols.start;
    nlm_shifts s;
    for (s.dz = 0; s.dz <= t->search[0]; s.dz++)
        for (s.dy = s.dz > 0 ? -t->search[1] : 0; s.dy <= t->search[1]; s.dy++)
            for (s.dx = s.dz > 0 || s.dy != 0 ? -t->search[2] : 1; s.dx <= t->search[2]; s.dx += group) {
                const ptrdiff_t top = nlm_least(t->rows[0], t->rows[0] - s.dy);
                const ptrdiff_t bottom = nlm_most(t->rows[1], t->rows[1] - s.dy);
                int directions = NLM_FORWARD | NLM_REVERSE, left = 0;
                s.n = nlm_least(group, t->search[2] + 1 - s.dx);
                if (s.dx + s.n - 1 >= width || -s.dx >= width) /* what is between the two is not needed */
                    directions = NLM_REVERSE, left = NLM_FORWARD;
                for (; directions; directions = left, left = 0) {
                    ptrdiff_t z;
                    for (z = t->planes[0] - s.dz; z < t->planes[1]; z++) {
                        ptrdiff_t y = top;
                        while (y < bottom) {
                            nlm_range cols;
                            nlm_line line;
                            ptrdiff_t first = y, row;
                            if (!nlm_tile_line(t, extents, &s, directions, z, y++, &line))
                                continue;
                            cols = line.cols;
                            while (y < bottom && y - first < NLM_RUN &&
                                   nlm_tile_line(t, extents, &s, directions, z, y, &line)) {
                                cols.start = nlm_least(cols.start, line.cols.start);
                                cols.stop = nlm_most(cols.stop, line.cols.stop);
                                y++;
                            }
                            steps->columns(self, &s, z, first, y, cols);
                            for (row = first; row < y; row++)
                                if (nlm_tile_line(t, extents, &s, directions, z, row, &line))
                                    steps->line(self, &s, &line, first, cols);
                        }
                    }
                }
            }
}

/* Columns that a run of lines takes beyond those of the tile, at most. */
static inline ptrdiff_t nlm_tile_reach(const nlm_tile *t, nlm_range cols, ptrdiff_t group)
{
    return nlm_least(t->search[2], cols.stop - cols.start) + group;
}

#endif
