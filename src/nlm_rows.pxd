"""The plain steps of non-local means, row by row: what nlm.pyx falls back on where no header has a faster form."""
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uintptr_t

cdef extern from "nlm_tile.h":
    ctypedef struct nlm_tile:
        const void* padded
        Py_ssize_t plane_stride, channel_stride, row_stride
        Py_ssize_t n_channels, n_cols
        Py_ssize_t patch[3]
        Py_ssize_t search[3]
        Py_ssize_t planes[2]
        Py_ssize_t rows[2]
        const uint8_t* mask

ctypedef fused sum_t:
    int32_t
    int64_t

cdef enum:
    ALIGNMENT = 64      # bytes


cdef inline Py_ssize_t padded_row(Py_ssize_t n_cols) noexcept nogil:
    """Elements of a scratch row: `n_cols`, rounded up so that rows of any type start aligned, and a vector more.

    An odd number of units, or rows would lie a multiple of 4096 bytes apart and evict one another.
    """
    return ((n_cols + ALIGNMENT - 1) // ALIGNMENT + 1 | 1) * ALIGNMENT


cdef inline uint8_t* aligned(uint8_t* address) noexcept nogil:
    return <uint8_t*> ((<uintptr_t> address + ALIGNMENT - 1) & ~<uintptr_t> (ALIGNMENT - 1))


cdef inline Py_ssize_t work_row(const nlm_tile* tile) noexcept nogil:
    """Elements of a row of column sums, for all p such that p or q is in the tile."""
    return padded_row(tile.n_cols + tile.search[2] + 2 * tile.patch[2])


cdef inline Py_ssize_t line_of(const nlm_tile* tile, Py_ssize_t z, Py_ssize_t y) noexcept nogil:
    """Which line of the tile (z, y) is; -1 for none."""
    if tile.planes[0] <= z < tile.planes[1] and tile.rows[0] <= y < tile.rows[1]:
        return (z - tile.planes[0]) * (tile.rows[1] - tile.rows[0]) + y - tile.rows[0]
    return -1


cdef inline const uint16_t* corner(const nlm_tile* tile,
                                   const uint16_t* padded,
                                   Py_ssize_t z, Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    """First pixel of the patch of output pixel (z, y, x)."""
    return (padded + (z + tile.search[0]) * tile.plane_stride + (y + tile.search[1]) * tile.row_stride
            + x + tile.search[2])


cdef inline const uint16_t* pixel(const nlm_tile* tile,
                                  const uint16_t* padded,
                                  Py_ssize_t z, Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    """Where output pixel (z, y, x) stands in the padded image."""
    return corner(tile, padded, z + tile.patch[0], y + tile.patch[1], x + tile.patch[2])


cdef inline const uint8_t* mask_row(const nlm_tile* tile, Py_ssize_t z, Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    """Where it stands in the mask; NULL without one."""
    if tile.mask is NULL:
        return NULL
    return (tile.mask + (z + tile.patch[0] + tile.search[0]) * (tile.plane_stride // tile.n_channels)
            + (y + tile.patch[1] + tile.search[1]) * tile.row_stride + x + tile.patch[2] + tile.search[2])


cdef inline const sum_t* inside(const uint8_t* mask,     # IN     (n,) or NULL
                                const sum_t* weights,   # IN     (n,)
                                Py_ssize_t n,
                                sum_t* chosen) noexcept nogil:  # OUT    (n,)
    """The weights, none of donors outside the mask."""
    cdef Py_ssize_t x
    if mask is NULL:
        return weights
    for x in range(n):
        chosen[x] = weights[x] if mask[x] else <sum_t> 0
    return chosen


cdef inline void add(const sum_t* row, Py_ssize_t n, sum_t* sums) noexcept nogil:
    cdef Py_ssize_t x
    for x in range(n):
        sums[x] += row[x]


# --- weights from a table --------------------------------------------------------------------------------------------


cdef inline void add_differences(const uint16_t* a,    # IN     (n,) one row
                                 const uint16_t* b,    # IN     (n,) the shifted row
                                 Py_ssize_t n,
                                 int norm,
                                 int sign,             # 1 to add the differences, -1 to take them away
                                 int32_t* sums) noexcept nogil:  # INOUT  (n,)
    cdef Py_ssize_t x
    cdef int32_t difference
    if norm == 1:
        for x in range(n):
            difference = <int32_t> a[x] - <int32_t> b[x]
            difference = difference if difference >= 0 else -difference
            sums[x] += sign * difference
    else:
        for x in range(n):
            difference = <int32_t> a[x] - <int32_t> b[x]
            sums[x] += sign * (difference * difference)


cdef inline void box_sum(const int32_t* columns,       # IN   (n + size - 1,) sums over the rows of the patch
                         Py_ssize_t n,
                         Py_ssize_t size,              # of the patch, odd
                         int32_t* sums) noexcept nogil:  # OUT  (n,) sums over the patch
    cdef Py_ssize_t x, k
    for x in range(n):
        sums[x] = columns[x]
    for k in range(1, size, 2):
        for x in range(n):
            sums[x] += columns[x + k] + columns[x + k + 1]


cdef inline void add_weighted(const sum_t* weights,    # IN     (n,)
                              const uint16_t* pixels,  # IN     (n,)
                              Py_ssize_t n,
                              sum_t* sums) noexcept nogil:  # INOUT  (n,)
    cdef Py_ssize_t x
    for x in range(n):
        sums[x] += weights[x] * <sum_t> pixels[x]


cdef inline void look_up(const int32_t* distances,  # IN   (n,)
                         int shift,
                         const sum_t* table,        # IN   weights of distances >> shift
                         Py_ssize_t n,
                         sum_t* weights) noexcept nogil:  # OUT  (n,)
    # No gathers, which the compiler would make if it knew that `weights` is not `table`: 1.2 times slower at v4.
    cdef Py_ssize_t x
    for x in range(n):
        weights[x] = table[distances[x] >> shift]


cdef inline void gain(const nlm_tile* tile,
                      const sum_t* weights,     # IN     (tables, work)
                      Py_ssize_t work,
                      Py_ssize_t n_tables,
                      const uint8_t* mask,      # IN     (n_cols,) of the donors, or NULL
                      const uint16_t* donors,   # IN     (n_cols,) of the first channel
                      sum_t* chosen,            # -      (n_cols,)
                      Py_ssize_t line,          # of the tile that gains
                      Py_ssize_t n_lines,
                      Py_ssize_t row_size,
                      sum_t* sums) noexcept nogil:  # INOUT  (channels + tables, n_lines, row_size)
    """Add the weights, and the donors times them, to a line of the tile."""
    cdef Py_ssize_t k, channel
    cdef const sum_t* used
    for k in range(n_tables):
        used = inside(mask, weights + k * work, tile.n_cols, chosen)
        add(used, tile.n_cols, sums + ((tile.n_channels + k) * n_lines + line) * row_size)
        for channel in range(tile.n_channels):
            if n_tables == 1 or channel == k:
                add_weighted(used, donors + channel * tile.channel_stride, tile.n_cols,
                             sums + (channel * n_lines + line) * row_size)
