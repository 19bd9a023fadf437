"""Contrast-limited adaptive histogram equalisation.

Three steps: a table for each tile of the grid, from the histogram of its pixels; the weights of the columns; and the
bilinear mean of four tables for each pixel of a range of rows. A *cell* is a rectangle between four tile centres:
inside it the four tables are the same. Along an axis of G tiles there are G + 1 cells, of which the outer two lie
beyond a last centre and use its tile twice. In a volume tiles are boxes, and each plane lies between two planes of
tiles: two sets of four tables.

Entry `value + offset` of a table is for gray level `value`. Tables hold the bins in use alone, of which the lowest is
bin `first` of `n_bins`; those of uint8 begin at level 0.
"""
from libc.math cimport floorf
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

ctypedef fused integer:
    uint8_t
    uint16_t
    int16_t

cdef extern from "histogram.h" nogil:
    enum: MEDFAST_SUBTABLES
    enum: MEDFAST_PAIRS
    enum: MEDFAST_LEAST_FOR_PAIRS
    void medfast_count_u8(const uint8_t *line, Py_ssize_t n, uint32_t *subtables)
    void medfast_count_line_u8(const uint8_t *line, Py_ssize_t n, uint8_t *pairs, uint32_t *subtables)
    void medfast_gather_pairs(const uint8_t *pairs, uint32_t *counts)
    void medfast_prefetch(const void *line, Py_ssize_t n_bytes)

cdef extern from "clahe_tables.h" nogil:
    void medfast_count_tile_u16(const uint16_t *line, Py_ssize_t n, uint16_t origin, uint32_t *counts)
    enum: MEDFAST_NARROW_TILE
    void medfast_add_subtables(const uint32_t *subtables, Py_ssize_t n, uint32_t *counts)
    void medfast_add_subtables_narrow(const uint32_t *subtables, Py_ssize_t n, uint16_t *counts)
    void medfast_count_tile_narrow(const uint16_t *line, Py_ssize_t n, uint16_t origin, uint16_t *counts)
    int64_t medfast_clip_narrow(uint16_t *counts, Py_ssize_t n, uint16_t limit)
    void medfast_scale_narrow(const uint16_t *counts, Py_ssize_t n, uint16_t running, uint16_t batch, float scale,
                              uint16_t *table)
    int64_t medfast_clip(uint32_t *counts, Py_ssize_t n, uint32_t limit)
    void medfast_scale(const uint32_t *counts, Py_ssize_t n, uint32_t running, uint32_t batch, float scale,
                       uint16_t *table)

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

cdef extern from "clahe_bytes.h" nogil:
    enum: MEDFAST_BLEND_WORDS
    bint medfast_has_vbmi()
    void medfast_pack_bytes(const uint16_t **tables, uint8_t *cell)
    void medfast_blend_weights(const int64_t *bounds, Py_ssize_t n_cells, const uint32_t *coarse,
                               const uint32_t *fine, uint32_t *weights)
    void medfast_blend_row(const uint8_t *line, const int64_t *bounds, Py_ssize_t n_cells, const uint32_t *cells,
                           const uint32_t *weights, const medfast_shares *shares, const float *left,
                           const float *right, float up, float down, uint8_t *out)

cdef extern from "clahe.h" nogil:
    void medfast_pack_u8(const uint16_t **tables, Py_ssize_t n, uint32_t *cell)
    void medfast_pack_u16(const uint16_t **tables, Py_ssize_t n, uint32_t *cell)
    void medfast_fetch_u8(const uint8_t *line, Py_ssize_t n, const uint32_t *cell, const uint16_t **tables,
                          uint32_t *words)
    void medfast_fetch_u16(const uint16_t *line, Py_ssize_t n, uint16_t origin, const uint32_t *cell,
                           const uint16_t **tables, uint32_t *words)
    void medfast_mean_u8(const uint32_t *words, Py_ssize_t n, const float *left, const float *right, float up,
                         float down, uint8_t *out)
    void medfast_blend_cell_u16(const uint16_t *image, Py_ssize_t stride, Py_ssize_t n_rows, Py_ssize_t n,
                                uint16_t origin, const uint32_t *cell, const uint16_t **tables, const float *left,
                                const float *right, const float *down, uint16_t lowest, uint16_t *out,
                                Py_ssize_t out_stride)
    void medfast_mean_u16(const uint32_t *words, Py_ssize_t n, const float *left, const float *right, float up,
                          float down, uint16_t lowest, uint16_t *out)
    ctypedef struct medfast_shares:
        const uint32_t *coarse
        const uint32_t *fine
    double medfast_column_shares(int64_t tile, const int64_t *bounds, Py_ssize_t n_cells, const float *right,
                                 uint32_t *coarse, uint32_t *fine)
    bint medfast_row_shares(int64_t row, int64_t above, int64_t tile_rows, int64_t tile_cols, double error, float down,
                            medfast_shares *shares)
    void medfast_mean_u8_shared(const uint32_t *words, Py_ssize_t n, const medfast_shares *shares, Py_ssize_t first,
                                const float *left, const float *right, float up, float down, uint8_t *out)
    void medfast_mean_of_sets_u8(const uint32_t *words, const uint32_t *beyond, Py_ssize_t n, const float *left,
                                 const float *right, float up, float down, float front, float back, uint8_t *out)
    void medfast_mean_of_sets_u16(const uint32_t *words, const uint32_t *beyond, Py_ssize_t n, const float *left,
                                  const float *right, float up, float down, float front, float back, uint16_t lowest,
                                  uint16_t *out)

cdef enum:
    CHUNK = 512  # pixels of a row that go through the buffers at a time
    NARROWEST = 24  # columns of a cell from which on vectors of 64 pixels pay

cdef bint has_vbmi = medfast_has_vbmi()


cdef inline Py_ssize_t mirrored(Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    """Index of what stands at `i` >= 0 when `n` values are continued by their mirror image, ends not repeated."""
    if i < n:
        return i
    if n == 1:
        return 0
    i %= 2 * (n - 1)
    return i if i < n else 2 * (n - 1) - i


cdef int64_t count_tile(const integer[:, :, :] image, const uint8_t[:, :, :] mask, int64_t offset, Py_ssize_t front,
                        Py_ssize_t top, Py_ssize_t left, Py_ssize_t tile_planes, Py_ssize_t tile_rows,
                        Py_ssize_t tile_cols, bint is_narrow, Py_ssize_t n_used, uint32_t *counts) noexcept nogil:
    """Histogram of one tile, of 16-bit numbers where it is narrow; returns the number of pixels in it."""
    cdef:
        Py_ssize_t n_planes = image.shape[0], n_rows = image.shape[1], n_cols = image.shape[2]
        Py_ssize_t plane, row, col, z, y, x
        Py_ssize_t n_direct = max(min(left + tile_cols, n_cols) - left, 0)
        uint32_t[MEDFAST_SUBTABLES * 256] subtables
        uint8_t[MEDFAST_PAIRS] pairs
        uint16_t *narrow = <uint16_t *> counts
        bint in_pairs
        int64_t total = 0
    if mask is None and image.strides[2] == sizeof(integer):
        if integer is uint8_t:
            in_pairs = tile_planes * tile_rows * n_direct >= MEDFAST_LEAST_FOR_PAIRS
            memset(subtables, 0, sizeof(subtables))
            if in_pairs:
                memset(pairs, 0, sizeof(pairs))
        else:
            memset(counts, 0, n_used * (sizeof(uint16_t) if is_narrow else sizeof(uint32_t)))
        for plane in range(front, front + tile_planes):
            z = mirrored(plane, n_planes)
            for row in range(top, top + tile_rows):
                y = mirrored(row, n_rows)
                if n_direct:
                    if row + 1 < top + tile_rows:
                        medfast_prefetch(&image[z, mirrored(row + 1, n_rows), left], n_direct * sizeof(integer))
                    if integer is uint8_t:
                        if in_pairs:
                            medfast_count_line_u8(&image[z, y, left], n_direct, pairs, subtables)
                        else:
                            medfast_count_u8(&image[z, y, left], n_direct, subtables)
                    elif is_narrow:
                        medfast_count_tile_narrow(<const uint16_t *> &image[z, y, left], n_direct, <uint16_t> -offset,
                                                  narrow)
                    else:
                        medfast_count_tile_u16(<const uint16_t *> &image[z, y, left], n_direct, <uint16_t> -offset,
                                               counts)
                for col in range(left + n_direct, left + tile_cols):
                    if integer is uint8_t:
                        subtables[image[z, y, mirrored(col, n_cols)]] += 1
                    elif is_narrow:
                        narrow[<int64_t> image[z, y, mirrored(col, n_cols)] + offset] += 1
                    else:
                        counts[<int64_t> image[z, y, mirrored(col, n_cols)] + offset] += 1
        if integer is uint8_t:
            if in_pairs:
                medfast_gather_pairs(pairs, subtables)
            if is_narrow:
                medfast_add_subtables_narrow(subtables, n_used, narrow)
            else:
                medfast_add_subtables(subtables, n_used, counts)
        return tile_planes * tile_rows * tile_cols
    memset(counts, 0, n_used * sizeof(uint32_t))
    for plane in range(front, front + tile_planes):
        z = mirrored(plane, n_planes)
        for row in range(top, top + tile_rows):
            y = mirrored(row, n_rows)
            for col in range(left, left + tile_cols):
                x = mirrored(col, n_cols)
                if mask is None or mask[z, y, x]:
                    counts[<int64_t> image[z, y, x] + offset] += 1
                    total += 1
    return total


cdef void make_table(uint32_t *counts, Py_ssize_t n_used, bint is_narrow, int64_t total, Py_ssize_t first,
                     int64_t n_bins, double clip_limit, uint16_t *table) noexcept nogil:
    """Clip the histogram, spread the excess over all bins, and scale its running sum to the levels 0 ... n_bins - 1."""
    cdef:
        uint16_t *narrow = <uint16_t *> counts
        int64_t excess, batch = 0, residual, step, n_before, next_bin, running = 0, i
        double share = clip_limit * <double> total / <double> n_bins
        float scale = <float> (n_bins - 1) / <float> total
    if clip_limit > 0 and share < <double> total:
        if is_narrow:
            excess = medfast_clip_narrow(narrow, n_used, max(<uint16_t> share, 1))
        else:
            excess = medfast_clip(counts, n_used, max(<uint32_t> share, 1))
        batch = excess // n_bins
        residual = excess - batch * n_bins
        running = batch * first
        if residual > 0:  # one more for every step-th bin, from bin 0 on
            step = max(n_bins // residual, 1)
            n_before = min((first + step - 1) // step, residual)
            running += n_before
            next_bin = n_before * step
            residual = min(residual - n_before, (first + n_used - next_bin + step - 1) // step)  # of those in use
            for i in range(residual):
                if is_narrow:
                    narrow[next_bin - first + i * step] += 1
                else:
                    counts[next_bin - first + i * step] += 1
    if is_narrow:
        medfast_scale_narrow(narrow, n_used, <uint16_t> running, <uint16_t> batch, scale, table)
    else:
        medfast_scale(counts, n_used, <uint32_t> running, <uint32_t> batch, scale, table)


cdef void fill_tables(const integer[:, :, :] image, const uint8_t[:, :, :] mask, int64_t offset, Py_ssize_t first,
                      int64_t n_bins, double clip_limit, Py_ssize_t tile_planes, Py_ssize_t tile_rows,
                      Py_ssize_t tile_cols, Py_ssize_t grid_rows, Py_ssize_t grid_cols, Py_ssize_t tile_start,
                      Py_ssize_t tile_stop, const uint16_t *fallback, Py_ssize_t n_used, uint32_t *counts,
                      uint16_t *tables, Py_ssize_t n_held) noexcept nogil:
    """Table of each tile of the range, that of tile t at t modulo `n_held`."""
    cdef:
        Py_ssize_t tile, tile_row
        uint16_t *table
        int64_t total
        bint is_narrow = (mask is None and image.strides[2] == sizeof(integer)
                          and tile_planes * tile_rows * tile_cols < MEDFAST_NARROW_TILE)
    for tile in range(tile_start, tile_stop):
        tile_row = tile // grid_cols
        table = tables + tile % n_held * n_used
        total = count_tile[integer](image, mask, offset, tile_row // grid_rows * tile_planes,
                                    tile_row % grid_rows * tile_rows, tile % grid_cols * tile_cols, tile_planes,
                                    tile_rows, tile_cols, is_narrow, n_used, counts)
        if total:
            make_table(counts, n_used, is_narrow, total, first, n_bins, clip_limit, table)
        else:
            memcpy(table, fallback, n_used * sizeof(uint16_t))


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


cdef void weigh_columns(Py_ssize_t tile_cols, Py_ssize_t n_cols, Py_ssize_t n_cells, float *weights,
                        int64_t *bounds) noexcept nogil:
    cdef:
        Py_ssize_t col, cell = 0
        float inverse = <float> 1.0 / <float> tile_cols, half = 0.5, one = 1.0, position, tile
    bounds[0] = 0
    for col in range(n_cols):
        position = <float> col * inverse - half  # float32 throughout: OpenCV's arithmetic
        tile = floorf(position)
        weights[n_cols + col] = position - tile
        weights[col] = one - weights[n_cols + col]
        while cell < <Py_ssize_t> tile + 1:
            cell += 1
            bounds[cell] = col
    while cell < n_cells:
        cell += 1
        bounds[cell] = n_cols


def column_weights(Py_ssize_t tile_cols,
                   float[:, ::1] weights,     # OUT  (2, cols) of the tile on the left, of the one on the right
                   int64_t[::1] bounds):      # OUT  (grid_cols + 2) first column of each cell, and their number
    """Position of each column between the tile centres to its left and right."""
    with nogil:
        weigh_columns(tile_cols, weights.shape[1], bounds.shape[0] - 1, &weights[0, 0], &bounds[0])


cdef inline Py_ssize_t first_row(Py_ssize_t tile_rows, Py_ssize_t band, Py_ssize_t n_rows) noexcept nogil:
    """First row of a band, which begins with the centres of the tiles of row `band` - 1, as `weigh_columns` has it."""
    cdef:
        float inverse = <float> 1.0 / <float> tile_rows, half = 0.5
        Py_ssize_t row = max((2 * band - 1) * tile_rows // 2 - 2, 0) if band else 0
    while row < n_rows and <Py_ssize_t> floorf(<float> row * inverse - half) + 1 < band:
        row += 1
    return min(row, n_rows)


cdef inline void find_corners(const uint16_t *tables, Py_ssize_t n_used, Py_ssize_t upper, Py_ssize_t lower,
                              Py_ssize_t cell, Py_ssize_t grid_cols, const uint16_t **corners) noexcept nogil:
    """The tables around a cell of the tiles whose rows begin with the tiles `upper` and `lower`."""
    cdef Py_ssize_t before = max(cell - 1, 0), after = min(cell, grid_cols - 1)
    corners[0], corners[1] = tables + (upper + before) * n_used, tables + (upper + after) * n_used
    corners[2], corners[3] = tables + (lower + before) * n_used, tables + (lower + after) * n_used


cdef double share_columns(Py_ssize_t tile_cols, const int64_t *bounds, Py_ssize_t n_cells, const float *right,
                          uint32_t *shares, Py_ssize_t share_words) noexcept nogil:
    """Weights of the columns in whole numbers; returns the largest error of those in float32."""
    cdef double error = medfast_column_shares(tile_cols, bounds, n_cells, right, shares, shares + share_words)
    if has_vbmi and error < 2.0 and tile_cols >= NARROWEST:
        medfast_blend_weights(bounds, n_cells, shares, shares + share_words, shares + 2 * share_words)
    return error


cdef void blend_cells(const uint16_t *image, Py_ssize_t stride, Py_ssize_t n_cols, int64_t offset, int64_t lowest,
                      const uint16_t *tables, Py_ssize_t n_used, Py_ssize_t n_held, Py_ssize_t grid_rows,
                      Py_ssize_t grid_cols, Py_ssize_t tile_rows, const float *left, const float *right,
                      const int64_t *bounds, Py_ssize_t row_start, Py_ssize_t row_stop, uint32_t *cells,
                      Py_ssize_t cell_words, uint16_t *out, Py_ssize_t out_stride) noexcept nogil:
    """Rows of an image of 16 bits, cell by cell: four tables, brought together in the first of `cells`, stay in a cache
    for all rows of the cell. Strides are in pixels.
    """
    cdef:
        Py_ssize_t row = row_start, above, upper, lower, cell, n_lines, start
        float[CHUNK] down
        float inverse = <float> 1.0 / <float> tile_rows, half = 0.5, position
        const uint16_t* corners[4]
    while row < row_stop:
        above = <Py_ssize_t> floorf(<float> row * inverse - half)
        n_lines = 0
        while n_lines < CHUNK and row + n_lines < row_stop:
            position = <float> (row + n_lines) * inverse - half
            if <Py_ssize_t> floorf(position) != above:
                break
            down[n_lines] = position - <float> above
            n_lines += 1
        upper = max(above, 0) % n_held * grid_cols
        lower = min(above + 1, grid_rows - 1) % n_held * grid_cols
        for cell in range(grid_cols + 1):
            start = bounds[cell]
            if start == bounds[cell + 1]:
                continue
            find_corners(tables, n_used, upper, lower, cell, grid_cols, corners)
            if cell_words:
                medfast_pack_u16(corners, n_used, cells)
            medfast_blend_cell_u16(image + row * stride + start, stride, n_lines, bounds[cell + 1] - start,
                                   <uint16_t> -offset, cells if cell_words else NULL, corners, left + start,
                                   right + start, down, <uint16_t> lowest, out + row * out_stride + start, out_stride)
        row += n_lines


cdef void blend_rows(const integer[:, :] image, const uint8_t[:, :] mask, int64_t offset, int64_t lowest,
                     const uint16_t *tables, const uint16_t *beyond, Py_ssize_t n_used, Py_ssize_t n_held, float share,
                     Py_ssize_t grid_rows, Py_ssize_t grid_cols, Py_ssize_t tile_rows, Py_ssize_t tile_cols,
                     const float *left, const float *right, const int64_t *bounds, Py_ssize_t row_start,
                     Py_ssize_t row_stop, uint32_t *cells, Py_ssize_t cell_words, const uint32_t *shares,
                     Py_ssize_t share_words, double error, integer[:, :] out) noexcept nogil:
    """Rows of `interpolate`; `cells` lie `cell_words` apart, of which there are none where it is 0."""
    cdef:
        Py_ssize_t n_cols = image.shape[1], n_cells = grid_cols + 1
        Py_ssize_t row, cell, chunk, start, stop, i, first, last, above, upper, lower, packed = -2
        int n_sets = 2 if share else 1, n_words = sizeof(integer), which
        float inverse = <float> 1.0 / <float> tile_rows, half = 0.5, one = 1.0, position, up, down
        const uint16_t* corners[4]
        uint32_t *entries = NULL
        uint32_t[4 * CHUNK] words  # per set one word a pixel, or for 16 bits two
        uint32_t *set_words
        integer[CHUNK] values
        integer[CHUNK] results
        medfast_shares by_row
        bint shared
        const integer *line
        integer *target
        bint gathered = mask is not None or image.strides[1] != sizeof(integer)
        bint scattered = mask is not None or out.strides[1] != sizeof(integer)
        bint pack = cell_words > 0, in_vectors = False, pack_bytes = False
    if integer is not uint8_t:
        if n_sets == 1 and not gathered and not scattered:
            blend_cells(<const uint16_t *> &image[0, 0], image.strides[0] // 2, n_cols, offset, lowest, tables, n_used,
                        n_held, grid_rows, grid_cols, tile_rows, left, right, bounds, row_start, row_stop, cells,
                        cell_words, <uint16_t *> &out[0, 0], out.strides[0] // 2)
            return
    if integer is uint8_t:
        by_row.coarse, by_row.fine = shares, shares + share_words
        in_vectors = (has_vbmi and pack and n_sets == 1 and n_used == 256 and tile_cols >= NARROWEST and error < 2.0
                      and not gathered and not scattered)
    for row in range(row_start, row_stop):
        position = <float> row * inverse - half
        above = <Py_ssize_t> floorf(position)
        down = position - <float> above
        up = one - down
        upper = max(above, 0) % n_held * grid_cols
        lower = min(above + 1, grid_rows - 1) % n_held * grid_cols
        shared = medfast_row_shares(row, above, tile_rows, tile_cols, error, down, &by_row)
        if pack and (above != packed or pack_bytes != (in_vectors and shared)):
            pack_bytes = in_vectors and shared
            for cell in range(n_cells):
                for which in range(n_sets):
                    find_corners(beyond if which else tables, n_used, upper, lower, cell, grid_cols, corners)
                    if bounds[cell] == bounds[cell + 1]:
                        continue
                    elif pack_bytes:
                        medfast_pack_bytes(corners, <uint8_t *> (cells + (which * n_cells + cell) * cell_words))
                    elif integer is uint8_t:
                        medfast_pack_u8(corners, n_used, cells + (which * n_cells + cell) * cell_words)
                    else:
                        medfast_pack_u16(corners, n_used, cells + (which * n_cells + cell) * cell_words)
        packed = above
        if integer is uint8_t:
            if pack_bytes:
                medfast_blend_row(&image[row, 0], bounds, n_cells, cells, shares + 2 * share_words,
                                  &by_row, left, right, up, down, &out[row, 0])
                continue
        cell = 0
        for chunk in range((n_cols + CHUNK - 1) // CHUNK):
            start = chunk * CHUNK
            stop = min(start + CHUNK, n_cols)
            line = &image[row, start]
            if gathered:
                for i in range(stop - start):  # what is outside the mask may have no table entry
                    values[i] = (image[row, start + i] if mask is None or mask[row, start + i]
                                 else <integer> -offset)
                line = values
            first = start
            while first < stop:
                while bounds[cell + 1] <= first:
                    cell += 1
                last = min(bounds[cell + 1], stop)
                for which in range(n_sets):
                    set_words = words + 2 * CHUNK * which + (first - start) * n_words
                    if pack:
                        entries = cells + (which * n_cells + cell) * cell_words
                    else:
                        find_corners(beyond if which else tables, n_used, upper, lower, cell, grid_cols, corners)
                    if integer is uint8_t:
                        medfast_fetch_u8(line + (first - start), last - first, entries, corners, set_words)
                    else:
                        medfast_fetch_u16(<const uint16_t *> line + (first - start), last - first,
                                          <uint16_t> -offset, entries, corners, set_words)
                first = last
            target = &out[row, start]
            if scattered:
                target = results
            if integer is uint8_t:
                if n_sets == 1 and shared:
                    medfast_mean_u8_shared(words, stop - start, &by_row, start, left + start,
                                           right + start, up, down, target)
                elif n_sets == 1:
                    medfast_mean_u8(words, stop - start, left + start, right + start, up, down, target)
                else:
                    medfast_mean_of_sets_u8(words, words + 2 * CHUNK, stop - start, left + start,
                                            right + start, up, down, one - share, share, target)
            else:
                if n_sets == 1:
                    medfast_mean_u16(words, stop - start, left + start, right + start, up, down,
                                     <uint16_t> lowest, <uint16_t *> target)
                else:
                    medfast_mean_of_sets_u16(words, words + 2 * CHUNK, stop - start, left + start,
                                             right + start, up, down, one - share, share,
                                             <uint16_t> lowest, <uint16_t *> target)
            if scattered:
                for i in range(stop - start):
                    out[row, start + i] = (results[i] if mask is None or mask[row, start + i]
                                           else image[row, start + i])


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
            error = share_columns(tile_cols, &bounds[0], grid_cols + 1, &weights[1, 0], &shares[0, 0], shares.shape[1])
        blend_rows[integer](image, mask, offset, lowest, &tables[0, 0], &beyond[0, 0], tables.shape[1],
                            tables.shape[0] // grid_cols, share, grid_rows, grid_cols, tile_rows, tile_cols,
                            &weights[0, 0], &weights[1, 0], &bounds[0], row_start, row_stop,
                            &cells[0, 0, 0] if cells.shape[2] else NULL, cells.shape[2], &shares[0, 0],
                            shares.shape[1], error, out)


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
    return 0 < share < 2 and share < <double> total and total < min(p.n_bins, 65535) and p.n_used >= MEDFAST_LEAST_FOR_RANKS


cdef void rank_tiles(const uint16_t *image, Py_ssize_t stride, Py_ssize_t n_rows, Py_ssize_t n_cols, const plan *p,
                     Py_ssize_t tile_row, medfast_ranks *ranks) noexcept nogil:
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


cdef void blend_ranked(const uint16_t *image, Py_ssize_t stride, const plan *p, Py_ssize_t band,
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
            corners[0], corners[1], corners[2], corners[3] = upper + before, upper + after, lower + before, lower + after
            medfast_blend_ranks(image + row * stride + start, stride, n_lines, bounds[cell + 1] - start,
                                <uint16_t> -p.offset, <int32_t> p.first, corners, scale, left + start, right + start,
                                down, <uint16_t> p.lowest, out + row * out_stride + start, out_stride)
        row += n_lines


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
    """Some bands of planes, each plane by itself, from histograms to pixels. Band b lies between the centres of the rows
    b - 1 and b of tiles, and follows as soon as these have tables, from pixels that caches still hold.
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
            error = share_columns(tile_cols, bounds, n_cells, weights + n_cols, shares, share_words)
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
                                    row_stop, cells, cell_words, shares, share_words, error, out[plane])
