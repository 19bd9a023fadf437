"""From the pixels of a tile to its table."""
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from counting cimport (
    MEDFAST_LEAST_FOR_PAIRS, MEDFAST_PAIRS, MEDFAST_SUBTABLES, medfast_count_line_u8, medfast_count_u8,
    medfast_gather_pairs,
)

ctypedef fused integer:
    uint8_t
    uint16_t
    int16_t

cdef extern from "prefetch.h" nogil:
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
    void medfast_spread(uint32_t *counts, Py_ssize_t number, Py_ssize_t step)
    void medfast_spread_narrow(uint16_t *counts, Py_ssize_t number, Py_ssize_t step)
    void medfast_scale(const uint32_t *counts, Py_ssize_t n, uint32_t running, uint32_t batch, float scale,
                       uint16_t *table)


cdef inline Py_ssize_t mirrored(Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    """Index of what stands at `i` >= 0 when `n` values are continued by their mirror image, ends not repeated."""
    if i < n:
        return i
    if n == 1:
        return 0
    i %= 2 * (n - 1)
    return i if i < n else 2 * (n - 1) - i


cdef inline int64_t count_tile(const integer[:, :, :] image, const uint8_t[:, :, :] mask, int64_t offset,
                               Py_ssize_t front, Py_ssize_t top, Py_ssize_t left, Py_ssize_t tile_planes,
                               Py_ssize_t tile_rows, Py_ssize_t tile_cols, bint is_narrow, Py_ssize_t n_used,
                               uint32_t *counts) noexcept nogil:
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
                            medfast_count_line_u8(&image[z, y, left], n_direct, 0, pairs, subtables)
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


cdef inline void make_table(uint32_t *counts, Py_ssize_t n_used, bint is_narrow, int64_t total, Py_ssize_t first,
                            int64_t n_bins, double clip_limit, uint16_t *table) noexcept nogil:
    """Clip the histogram, spread the excess over all bins, and scale its running sum to the levels 0 ... n_bins - 1."""
    cdef:
        uint16_t *narrow = <uint16_t *> counts
        int64_t excess, batch = 0, residual, step, n_before, next_bin, running = 0
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
            if is_narrow:
                medfast_spread_narrow(narrow + (next_bin - first), residual, step)
            else:
                medfast_spread(counts + (next_bin - first), residual, step)
    if is_narrow:
        medfast_scale_narrow(narrow, n_used, <uint16_t> running, <uint16_t> batch, scale, table)
    else:
        medfast_scale(counts, n_used, <uint32_t> running, <uint32_t> batch, scale, table)


cdef inline void fill_tables(const integer[:, :, :] image, const uint8_t[:, :, :] mask, int64_t offset,
                             Py_ssize_t first, int64_t n_bins, double clip_limit, Py_ssize_t tile_planes,
                             Py_ssize_t tile_rows, Py_ssize_t tile_cols, Py_ssize_t grid_rows, Py_ssize_t grid_cols,
                             Py_ssize_t tile_start, Py_ssize_t tile_stop, const uint16_t *fallback, Py_ssize_t n_used,
                             uint32_t *counts, uint16_t *tables, Py_ssize_t n_held) noexcept nogil:
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
        elif fallback != NULL:
            memcpy(table, fallback, n_used * sizeof(uint16_t))
