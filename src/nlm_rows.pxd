"""The plain steps of non-local means, row by row, and sums of a tile by them: what nlm.pyx falls back on where no
header has a faster form.
"""
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uintptr_t
from libc.string cimport memset

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


cdef inline void set_tile(nlm_tile* tile,
                          const Py_ssize_t* shape,         # IN   (4,) of the padded image
                          const uint8_t[:, :, ::1] mask,
                          const Py_ssize_t[::1] radii,
                          Py_ssize_t plane_start, Py_ssize_t plane_stop,
                          Py_ssize_t row_start, Py_ssize_t row_stop,
                          Py_ssize_t n_cols) noexcept nogil:
    """Describe a tile, all but its pixels."""
    cdef Py_ssize_t axis
    tile.row_stride = shape[3]
    tile.channel_stride = shape[2] * shape[3]
    tile.plane_stride = shape[1] * tile.channel_stride
    tile.n_channels, tile.n_cols = shape[1], n_cols
    for axis in range(3):
        tile.patch[axis], tile.search[axis] = radii[axis], radii[3 + axis]
    tile.planes[0], tile.planes[1] = plane_start, plane_stop
    tile.rows[0], tile.rows[1] = row_start, row_stop
    tile.mask = &mask[0, 0, 0] if mask.shape[0] else NULL


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


cdef inline void integer_sums(const nlm_tile* tile,
                              int norm,
                              int shift,
                              const sum_t[:, ::1] tables,
                              uint8_t* scratch,
                              Py_ssize_t row_size,
                              sum_t* sums) noexcept nogil:
    """Sums of weighted pixels per channel, then of weights per table: (channels + tables, planes * rows, row_size)."""
    cdef:
        Py_ssize_t n_channels = tile.n_channels, n_cols = tile.n_cols, n_tables = tables.shape[0]
        Py_ssize_t n_lines = (tile.planes[1] - tile.planes[0]) * (tile.rows[1] - tile.rows[0])
        Py_ssize_t size = 2 * tile.patch[1] + 1, stride = tile.row_stride, work = work_row(tile)
        Py_ssize_t z, y, dz, dy, dx, dp, k, n, left, line, move, here, there
        bint follows                # whether `columns` are those of the line before
        const uint16_t* first       # pixel of the patch of the first p
        const uint16_t* at
        int32_t* columns = <int32_t*> scratch
        int32_t* distances = columns + work
        sum_t* weights = <sum_t*> (distances + work)        # (tables, work)
        sum_t* chosen = weights + n_tables * work
    memset(sums, 0, (n_channels + n_tables) * n_lines * row_size * sizeof(sum_t))
    for k in range(n_tables):
        for left in range(work):
            weights[k * work + left] = tables[k, 0]
    for z in range(tile.planes[0], tile.planes[1]):
        for y in range(tile.rows[0], tile.rows[1]):
            gain(tile, weights, work, n_tables, NULL, pixel(tile, <const uint16_t*> tile.padded, z, y, 0), chosen,
                 line_of(tile, z, y), n_lines, row_size, sums)
    for dz in range(tile.search[0] + 1):
        for dy in range(-tile.search[1] if dz > 0 else 0, tile.search[1] + 1):
            for dx in range(-tile.search[2] if dz > 0 or dy > 0 else 1, tile.search[2] + 1):
                move = dz * tile.plane_stride + dy * stride + dx
                left, n = max(dx, 0), n_cols + max(dx, -dx)      # of p, so that p or q is in columns 0 ... n_cols - 1
                for z in range(tile.planes[0] - dz, tile.planes[1]):
                    follows = False
                    for y in range(tile.rows[0] - max(dy, 0), tile.rows[1] - min(dy, 0)):
                        here, there = line_of(tile, z, y), line_of(tile, z + dz, y + dy)
                        if here < 0 and there < 0:
                            follows = False
                            continue
                        first = corner(tile, <const uint16_t*> tile.padded, z, y, -left)
                        # Exact integers: of the line before, the row that the patch leaves goes, a new one comes.
                        if not follows:
                            memset(columns, 0, (n + 2 * tile.patch[2]) * sizeof(int32_t))
                        for dp in range(2 * tile.patch[0] + 1):
                            for k in range(n_channels):
                                at = first + dp * tile.plane_stride + k * tile.channel_stride
                                for line in range(size - 1 if follows else 0, size):
                                    add_differences(at + line * stride, at + line * stride + move,
                                                    n + 2 * tile.patch[2], norm, 1, columns)
                                if follows:
                                    add_differences(at - stride, at - stride + move,
                                                    n + 2 * tile.patch[2], norm, -1, columns)
                        follows = True
                        box_sum(columns, n, 2 * tile.patch[2] + 1, distances)
                        for k in range(n_tables):
                            look_up(distances, shift, &tables[k, 0], n, weights + k * work)
                        at = pixel(tile, <const uint16_t*> tile.padded, z, y, 0)
                        if here >= 0:
                            gain(tile, weights + left, work, n_tables, mask_row(tile, z + dz, y + dy, dx), at + move,
                                 chosen, here, n_lines, row_size, sums)
                        if there >= 0:
                            gain(tile, weights + left - dx, work, n_tables, mask_row(tile, z, y, -dx), at - dx,
                                 chosen, there, n_lines, row_size, sums)
