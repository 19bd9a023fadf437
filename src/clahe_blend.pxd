"""From the tables of tiles to the pixels between their centres."""
from libc.math cimport floorf
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from clahe_tiles cimport integer

cdef extern from "clahe_bytes.h" nogil:
    enum: MEDFAST_BLEND_WORDS
    void medfast_pack_bytes(const uint16_t **tables, uint8_t *cell)
    void medfast_blend_weights(const int64_t *bounds, Py_ssize_t n_cells, const uint32_t *coarse,
                               const uint32_t *fine, uint32_t *weights)
    void medfast_blend_row(const uint8_t *line, const int64_t *bounds, Py_ssize_t n_cells, const uint32_t *cells,
                           const uint32_t *weights, const medfast_shares *shares, const float *left,
                           const float *right, float up, float down, uint8_t *out)

cdef extern from "clahe.h" nogil:
    void medfast_pack_u8(const uint16_t **tables, Py_ssize_t n, uint32_t *cell)
    void medfast_pack_u16(const uint16_t **tables, Py_ssize_t first, Py_ssize_t last, uint32_t *cell)
    void medfast_range_u16(const uint16_t *image, Py_ssize_t stride, Py_ssize_t n_rows, Py_ssize_t n, uint16_t origin,
                           Py_ssize_t *first, Py_ssize_t *last)
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


cdef inline void weigh_columns(Py_ssize_t tile_cols, Py_ssize_t n_cols, Py_ssize_t n_cells, float *weights,
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


cdef inline double share_columns(Py_ssize_t tile_cols, const int64_t *bounds, Py_ssize_t n_cells, const float *right,
                                 uint32_t *shares, Py_ssize_t share_words, bint has_vbmi) noexcept nogil:
    """Weights of the columns in whole numbers; returns the largest error of those in float32."""
    cdef double error = medfast_column_shares(tile_cols, bounds, n_cells, right, shares, shares + share_words)
    if has_vbmi and error < 2.0 and tile_cols >= NARROWEST:
        medfast_blend_weights(bounds, n_cells, shares, shares + share_words, shares + 2 * share_words)
    return error


cdef inline void blend_cells(const uint16_t *image, Py_ssize_t stride, Py_ssize_t n_cols, int64_t offset,
                             int64_t lowest, const uint16_t *tables, Py_ssize_t n_used, Py_ssize_t n_held,
                             Py_ssize_t grid_rows, Py_ssize_t grid_cols, Py_ssize_t tile_rows, const float *left,
                             const float *right, const int64_t *bounds, Py_ssize_t row_start, Py_ssize_t row_stop,
                             uint32_t *cells, Py_ssize_t cell_words, uint16_t *out,
                             Py_ssize_t out_stride) noexcept nogil:
    """Rows of an image of 16 bits, cell by cell: four tables, brought together in the first of `cells`, stay in a cache
    for all rows of the cell. Strides are in pixels.
    """
    cdef:
        Py_ssize_t row = row_start, above, upper, lower, cell, n_lines, start, first, last
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
                medfast_range_u16(image + row * stride + start, stride, n_lines, bounds[cell + 1] - start,
                                  <uint16_t> -offset, &first, &last)
                medfast_pack_u16(corners, first, last, cells)
            medfast_blend_cell_u16(image + row * stride + start, stride, n_lines, bounds[cell + 1] - start,
                                   <uint16_t> -offset, cells if cell_words else NULL, corners, left + start,
                                   right + start, down, <uint16_t> lowest, out + row * out_stride + start, out_stride)
        row += n_lines


cdef inline void blend_rows(const integer[:, :] image, const uint8_t[:, :] mask, int64_t offset, int64_t lowest,
                            const uint16_t *tables, const uint16_t *beyond, Py_ssize_t n_used, Py_ssize_t n_held,
                            float share, Py_ssize_t grid_rows, Py_ssize_t grid_cols, Py_ssize_t tile_rows,
                            Py_ssize_t tile_cols, const float *left, const float *right, const int64_t *bounds,
                            Py_ssize_t row_start, Py_ssize_t row_stop, uint32_t *cells, Py_ssize_t cell_words,
                            const uint32_t *shares, Py_ssize_t share_words, double error, bint has_vbmi,
                            integer[:, :] out) noexcept nogil:
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
                        medfast_pack_u16(corners, 0, n_used - 1, cells + (which * n_cells + cell) * cell_words)
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
