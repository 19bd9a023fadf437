"""Tiles of which a bit a bin is left, from pixels to pixels."""
from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libc.string cimport memset

from clahe_blend cimport CHUNK
from clahe_tiles cimport medfast_prefetch, mirrored

cdef extern from "clahe_ranks.h" nogil:
    enum: MEDFAST_LEAST_FOR_RANKS
    ctypedef struct medfast_ranks:
        uint64_t *used
    void medfast_note(const uint16_t *line, Py_ssize_t n, uint16_t origin, medfast_ranks *ranks)
    void medfast_rank(int64_t total, int64_t n_bins, Py_ssize_t n_words, medfast_ranks *ranks)
    void medfast_blend_ranks(const uint16_t *image, Py_ssize_t stride, Py_ssize_t n_rows, Py_ssize_t n, uint16_t origin,
                             int32_t first, const medfast_ranks **tiles, float scale, const float *left,
                             const float *right, const float *down, uint16_t lowest, uint16_t *out,
                             Py_ssize_t out_stride)


cdef struct plan:
    int64_t offset       # table entry of gray level 0
    int64_t lowest       # gray level of bin 0
    Py_ssize_t first     # bin of table entry 0
    Py_ssize_t n_used    # table entries
    int64_t n_bins
    double clip_limit    # in multiples of total / n_bins; 0 for none
    Py_ssize_t tile_rows
    Py_ssize_t tile_cols
    Py_ssize_t grid_rows
    Py_ssize_t grid_cols


cdef inline bint are_bits(const plan *p) noexcept nogil:
    """Whether a limit of one pixel a bin leaves of the histogram of a tile what `clahe_ranks.h` takes."""
    cdef:
        int64_t total = p.tile_rows * p.tile_cols
        double share = p.clip_limit * <double> total / <double> p.n_bins
    return (0 < share < 2 and share < <double> total and total < min(p.n_bins, 65535)
            and p.n_used >= MEDFAST_LEAST_FOR_RANKS)


cdef inline void rank_tiles(const uint16_t *image, Py_ssize_t stride, Py_ssize_t n_rows, Py_ssize_t n_cols,
                            const plan *p, Py_ssize_t tile_row, medfast_ranks *ranks) noexcept nogil:
    """What is left of the histograms of a row of tiles."""
    cdef:
        Py_ssize_t tile, row, col, left, n_direct, n_words = (p.n_used + 63) // 64
        uint16_t origin = <uint16_t> -p.offset
        const uint16_t *line
    for tile in range(p.grid_cols):
        left = tile * p.tile_cols
        n_direct = max(min(left + p.tile_cols, n_cols) - left, 0)
        memset(ranks[tile].used, 0, n_words * sizeof(uint64_t))
        for row in range(tile_row * p.tile_rows, (tile_row + 1) * p.tile_rows):
            line = image + mirrored(row, n_rows) * stride
            medfast_prefetch(image + mirrored(row + 1, n_rows) * stride + left, n_direct * sizeof(uint16_t))
            medfast_note(line + left, n_direct, origin, &ranks[tile])
            for col in range(left + n_direct, left + p.tile_cols):
                medfast_note(line + mirrored(col, n_cols), 1, origin, &ranks[tile])
        medfast_rank(p.tile_rows * p.tile_cols, p.n_bins, n_words, &ranks[tile])


cdef inline void blend_ranked(const uint16_t *image, Py_ssize_t stride, const plan *p, Py_ssize_t band,
                              const medfast_ranks *ranks, Py_ssize_t n_held, const float *left, const float *right,
                              const int64_t *bounds, Py_ssize_t row_start, Py_ssize_t row_stop, uint16_t *out,
                              Py_ssize_t out_stride) noexcept nogil:
    """Rows of a band: those between the centres of two rows of tiles."""
    cdef:
        const medfast_ranks *upper = ranks + max(band - 1, 0) % n_held * p.grid_cols
        const medfast_ranks *lower = ranks + min(band, p.grid_rows - 1) % n_held * p.grid_cols
        const medfast_ranks* corners[4]
        float[CHUNK] down
        float inverse = <float> 1.0 / <float> p.tile_rows, half = 0.5
        float scale = <float> (p.n_bins - 1) / <float> (p.tile_rows * p.tile_cols)
        Py_ssize_t row = row_start, n_lines, i, cell, start, before, after
    while row < row_stop:
        n_lines = min(row_stop - row, CHUNK)
        for i in range(n_lines):
            down[i] = <float> (row + i) * inverse - half - <float> (band - 1)
        for cell in range(p.grid_cols + 1):
            start = bounds[cell]
            before, after = max(cell - 1, 0), min(cell, p.grid_cols - 1)
            corners[0], corners[1] = upper + before, upper + after
            corners[2], corners[3] = lower + before, lower + after
            medfast_blend_ranks(image + row * stride + start, stride, n_lines, bounds[cell + 1] - start,
                                <uint16_t> -p.offset, <int32_t> p.first, corners, scale, left + start, right + start,
                                down, <uint16_t> p.lowest, out + row * out_stride + start, out_stride)
        row += n_lines
