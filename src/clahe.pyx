"""Contrast-limited adaptive histogram equalisation.

Three steps: a table for each tile of the grid, from the histogram of its pixels; the weights of the columns; and the
bilinear mean of four tables for each pixel of a range of rows. A *cell* is a rectangle between four tile centres:
inside it the four tables are the same. Along an axis of G tiles there are G + 1 cells, of which the outer two lie
beyond a last centre and use its tile twice. In a volume tiles are boxes, and each plane lies between two planes of
tiles: two sets of four tables.

Entry `value + offset` of a table is for gray level `value`. Tables hold the bins in use alone, of which the lowest is
bin `first` of `n_bins`; those of uint8 begin at level 0.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from clahe_blend cimport blend_rows, first_row, share_columns, weigh_columns
from clahe_ranks cimport are_bits, blend_ranked, medfast_ranks, plan, rank_tiles
from clahe_tiles cimport fill_tables, integer, make_table

cdef extern from "look_up.h" nogil:
    bint medfast_has_vbmi()

cdef bint has_vbmi = medfast_has_vbmi()  # asked once


def _set_vbmi(bint is_wanted):
    """Use the permutations of bytes that a CPU may have beyond its level, or not; whether they are used. For tests."""
    global has_vbmi
    has_vbmi = is_wanted and medfast_has_vbmi()
    return has_vbmi


def tile_tables(const integer[:, :, :] image,    # IN     gray levels
                const uint8_t[:, :, :] mask,     # IN     pixels that count, or None for all
                int64_t offset,                  # IN     table entry of gray level 0
                Py_ssize_t first,                # IN     bin of table entry 0
                int64_t n_bins,
                double clip_limit,               # IN     in multiples of total / n_bins; 0 for none
                Py_ssize_t tile_planes,
                Py_ssize_t tile_rows,
                Py_ssize_t tile_cols,
                Py_ssize_t grid_rows,
                Py_ssize_t grid_cols,
                Py_ssize_t tile_start,           # IN     tiles are numbered along columns, rows, planes
                Py_ssize_t tile_stop,
                const uint16_t[::1] fallback,    # IN     table of a tile of which the mask holds nothing
                uint32_t[::1] counts,            # OUT    scratch, one per table entry
                uint16_t[:, ::1] tables):        # OUT    (tiles, entries) new level; tile t modulo their number
    """Table of each tile of the range; a tile may reach beyond the image, which is continued by its mirror image."""
    with nogil:
        fill_tables[integer](image, mask, offset, first, n_bins, clip_limit, tile_planes, tile_rows, tile_cols,
                             grid_rows, grid_cols, tile_start, tile_stop,
                             &fallback[0] if fallback.shape[0] else NULL, counts.shape[0], &counts[0], &tables[0, 0],
                             tables.shape[0])


def limited_tables(uint32_t[:, ::1] counts,     # INOUT  (tiles, bins) pixels, of which limited ones are left
                   double clip_limit,           # IN     in multiples of a tile's pixels / bins; 0 for none
                   uint16_t[:, ::1] tables):    # OUT    (tiles, bins) new level
    """Table of each tile from a histogram of at least one pixel."""
    cdef:
        Py_ssize_t n_bins = counts.shape[1], tile, i
        int64_t total
    with nogil:
        for tile in range(counts.shape[0]):
            total = 0
            for i in range(n_bins):
                total += counts[tile, i]
            make_table(&counts[tile, 0], n_bins, False, total, 0, n_bins, clip_limit, &tables[tile, 0])


def column_weights(Py_ssize_t tile_cols,
                   float[:, ::1] weights,     # OUT  (2, cols) of the tile on the left, of the one on the right
                   int64_t[::1] bounds):      # OUT  (grid_cols + 2) first column of each cell, and their number
    """Position of each column between the tile centres to its left and right."""
    with nogil:
        weigh_columns(tile_cols, weights.shape[1], bounds.shape[0] - 1, &weights[0, 0], &bounds[0])


def interpolate(const integer[:, :] image,        # IN     gray levels
                const uint8_t[:, :] mask,         # IN     pixels that change, or None for all
                int64_t offset,                   # IN     table entry of gray level 0
                int64_t lowest,                   # IN     gray level of bin 0
                const uint16_t[:, ::1] tables,    # IN     (tiles, entries) new level; of some rows of tiles, row r
                                                  #        modulo their number
                const uint16_t[:, ::1] beyond,    # IN     the same of the next plane of tiles
                float share,                      # IN     weight of that plane, 0 for an image
                Py_ssize_t grid_rows,
                Py_ssize_t tile_rows,
                Py_ssize_t tile_cols,
                const float[:, ::1] weights,      # IN     from `column_weights`
                const int64_t[::1] bounds,        # IN     from `column_weights`
                Py_ssize_t row_start,
                Py_ssize_t row_stop,
                uint32_t[:, :, ::1] cells,        # OUT    scratch: per cell a word an entry, two for 16 bits; or none
                uint32_t[:, ::1] shares,          # OUT    scratch: (3, cols + 64 * cells), for 8 bits
                integer[:, :] out):               # OUT    must not overlap `image`
    """Bilinear mean of the tables of the four nearest tiles, for each pixel of the rows; trilinear over two planes of
    tiles.
    """
    cdef:
        Py_ssize_t grid_cols = bounds.shape[0] - 2
        double error = 2.0
    with nogil:
        if integer is uint8_t:
            error = share_columns(tile_cols, &bounds[0], grid_cols + 1, &weights[1, 0], &shares[0, 0], shares.shape[1],
                                  has_vbmi)
        blend_rows[integer](image, mask, offset, lowest, &tables[0, 0], &beyond[0, 0], tables.shape[1],
                            tables.shape[0] // grid_cols, share, grid_rows, grid_cols, tile_rows, tile_cols,
                            &weights[0, 0], &weights[1, 0], &bounds[0], row_start, row_stop,
                            &cells[0, 0, 0] if cells.shape[2] else NULL, cells.shape[2], &shares[0, 0],
                            shares.shape[1], error, has_vbmi, out)


def equalize(const integer[:, :, :] image,    # IN     gray levels
             int64_t offset,                  # IN     table entry of gray level 0
             int64_t lowest,                  # IN     gray level of bin 0
             Py_ssize_t first,                # IN     bin of table entry 0
             Py_ssize_t n_used,               # IN     table entries
             int64_t n_bins,
             double clip_limit,               # IN     in multiples of total / n_bins; 0 for none
             Py_ssize_t tile_rows,
             Py_ssize_t tile_cols,
             Py_ssize_t grid_rows,
             Py_ssize_t grid_cols,
             Py_ssize_t band_start,           # IN     bands are numbered through all planes, grid_rows + 1 in each
             Py_ssize_t band_stop,
             uint32_t[::1] scratch,           # OUT    scratch: see `scratch_words` of the driver
             integer[:, :, :] out):           # OUT    must not overlap `image`
    """Some bands of planes, each plane by itself, from histograms to pixels. Band b lies between the centres of the
    rows b - 1 and b of tiles, and follows as soon as these have tables, from pixels that caches still hold.
    """
    cdef:
        plan p = plan(offset, lowest, first, n_used, n_bins, clip_limit, tile_rows, tile_cols, grid_rows, grid_cols)
        Py_ssize_t n_rows = image.shape[1], n_cols = image.shape[2], index, plane, band, tile_row, row_start, row_stop
        Py_ssize_t n_held = min(grid_rows, 2), n_cells = grid_cols + 1, share_words = n_cols + 64 * n_cells
        Py_ssize_t cell_words = n_used * sizeof(integer) if tile_rows * tile_cols >= n_used else 0
        Py_ssize_t stride = image.strides[1] // <Py_ssize_t> sizeof(integer)
        Py_ssize_t out_stride = out.strides[1] // <Py_ssize_t> sizeof(integer)
        uint32_t *cells = <uint32_t *> ((<size_t> &scratch[0] + 63) & ~<size_t> 63)  # whole lines of the cache
        uint32_t *shares = cells + (n_cells * cell_words + 15) // 16 * 16
        int64_t *bounds = <int64_t *> (shares + (3 * share_words if integer is uint8_t else 0) // 2 * 2 + 2)
        float *weights = <float *> (bounds + n_cells + 1)
        uint32_t *counts = <uint32_t *> ((<size_t> (weights + 2 * n_cols) + 63) & ~<size_t> 63)
        uint16_t *tables = <uint16_t *> (counts + n_used)
        medfast_ranks *ranks = <medfast_ranks *> counts
        double error = 2.0
        bint ranked = False
    with nogil:
        weigh_columns(tile_cols, n_cols, n_cells, weights, bounds)
        if integer is uint8_t:
            error = share_columns(tile_cols, bounds, n_cells, weights + n_cols, shares, share_words, has_vbmi)
        elif image.strides[2] == sizeof(integer) and out.strides[2] == sizeof(integer):
            ranked = are_bits(&p)
        for index in range(band_start, band_stop):
            plane = index // (grid_rows + 1)
            band = index % (grid_rows + 1)
            for tile_row in range(max(band - 1, 0) if index == band_start else band, min(band + 1, grid_rows)):
                if ranked:
                    rank_tiles(<const uint16_t *> &image[plane, 0, 0], stride, n_rows, n_cols, &p, tile_row,
                               ranks + tile_row % n_held * grid_cols)
                else:
                    fill_tables[integer](image[plane:plane + 1], None, offset, first, n_bins, clip_limit, 1, tile_rows,
                                         tile_cols, grid_rows, grid_cols, tile_row * grid_cols,
                                         (tile_row + 1) * grid_cols, NULL, n_used, counts, tables, n_held * grid_cols)
            row_start = first_row(tile_rows, band, n_rows)
            row_stop = n_rows if band == grid_rows else first_row(tile_rows, band + 1, n_rows)
            if ranked:
                blend_ranked(<const uint16_t *> &image[plane, 0, 0], stride, &p, band, ranks, n_held, weights,
                             weights + n_cols, bounds, row_start, row_stop, <uint16_t *> &out[plane, 0, 0], out_stride)
            else:
                blend_rows[integer](image[plane], None, offset, lowest, tables, tables, n_used, n_held, 0, grid_rows,
                                    grid_cols, tile_rows, tile_cols, weights, weights + n_cols, bounds, row_start,
                                    row_stop, cells, cell_words, shares, share_words, error, has_vbmi, out[plane])
