"""Non-local means.

Each pixel p becomes the mean of the pixels q of a search window around it, weighted by how well the patches around p
and q agree. With D the sum of squared (L2) or absolute (L1) differences over the patch and the channels,

    out(p) = sum_q w(D(p, q)) image(q) / sum_q w(D(p, q)).

Work goes shift by shift, q = p + (dy, dx), over a block of rows at a time: D is then a box sum of the differences of
the image with itself shifted, whatever the size of the patch. A block's sums stay in the cache, and no block depends
on another one.

Two families: `denoise_integer` reads w from a table and sums in integers, as OpenCV does, bit for bit;
`denoise_formula` computes w in float64. Images come padded by `patch_radius + search_radius` on each side: (frames,
channels, rows, cols). The frame in the middle is the one that is denoised.
"""
from libc.math cimport fabs, rint, sqrt
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint64_t, uintptr_t
from libc.string cimport memset

cdef extern from "nlm_narrow.h":
    enum:
        NLM_BLOCK_ROWS
    ctypedef struct nlm_narrow:
        const uint16_t* padded
        Py_ssize_t frame_stride, channel_stride, row_stride
        Py_ssize_t n_frames, n_channels, n_cols, patch_radius, search_radius
        const int32_t* table
        int shift
    bint nlm_is_narrow(const int32_t* table, Py_ssize_t n_entries, int shift) noexcept nogil
    void nlm_split_table(nlm_narrow* narrow, double rate) noexcept nogil
    Py_ssize_t nlm_narrow_scratch(Py_ssize_t n_cols, Py_ssize_t patch_radius, Py_ssize_t search_radius) noexcept nogil
    void nlm_narrow_block(const nlm_narrow* narrow, Py_ssize_t row_start, Py_ssize_t row_stop, int32_t* sums,
                          Py_ssize_t row_size, uint8_t* scratch) noexcept nogil

cdef extern from "nlm_exponential.h":
    void nlm_exponential(const double* distances, double factor, bint is_squared, const double* exponentials,
                         double limit, double steps, Py_ssize_t n, double* weights) noexcept nogil

ctypedef fused unsigned_gray:
    uint8_t
    uint16_t

ctypedef fused gray:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused sum_t:
    int32_t
    int64_t

# Rows of a block. The column sums of its first row cost as much as those of patch_size others, so not too few; its sums
# should stay in the first-level cache, so not too many.
cdef enum:
    BLOCK_ROWS = 16
    STEPS = 32          # entries of `exponentials` per unit of the exponent
    ALIGNMENT = 64      # bytes


cdef inline Py_ssize_t padded_row(Py_ssize_t n_cols) noexcept nogil:
    """Elements of a scratch row: `n_cols`, rounded up so that rows of any type start aligned, and a vector more.

    An odd number of units, or planes of BLOCK_ROWS rows would lie a multiple of 4096 bytes apart and evict one another.
    """
    return ((n_cols + ALIGNMENT - 1) // ALIGNMENT + 1 | 1) * ALIGNMENT


def workspace(Py_ssize_t n_channels,
              Py_ssize_t n_weights,
              Py_ssize_t n_cols,
              Py_ssize_t patch_radius,
              Py_ssize_t search_radius):
    """Bytes of scratch that a call needs for `n_cols` columns."""
    cdef Py_ssize_t row = 8 * padded_row(n_cols + 2 * patch_radius), n_sums = n_channels + n_weights, wide, narrow
    wide = row * (n_sums * BLOCK_ROWS + n_weights + 2 + BLOCK_ROWS + 2 * patch_radius)
    narrow = row // 2 * n_sums * NLM_BLOCK_ROWS + nlm_narrow_scratch(n_cols, patch_radius, search_radius)
    return max(wide, narrow) + ALIGNMENT


cdef inline uint8_t* aligned(uint8_t* address) noexcept nogil:
    return <uint8_t*> ((<uintptr_t> address + ALIGNMENT - 1) & ~<uintptr_t> (ALIGNMENT - 1))


# --- weights from a table --------------------------------------------------------------------------------------------


cdef void add_differences(const uint16_t* a,    # IN     (n,) one row
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
    elif sign > 0:
        for x in range(n):
            difference = <int32_t> a[x] - <int32_t> b[x]
            sums[x] += difference * difference
    else:
        for x in range(n):
            difference = <int32_t> a[x] - <int32_t> b[x]
            sums[x] -= difference * difference


cdef void box_sum(const int32_t* columns,       # IN   (n + size - 1,) sums over the rows of the patch
                  Py_ssize_t n,
                  Py_ssize_t size,              # of the patch, odd
                  int32_t* sums) noexcept nogil:  # OUT  (n,) sums over the patch
    cdef Py_ssize_t x, k
    for x in range(n):
        sums[x] = columns[x]
    for k in range(1, size - 2, 4):
        for x in range(n):
            sums[x] += (columns[x + k] + columns[x + k + 1]) + (columns[x + k + 2] + columns[x + k + 3])
    if size % 4 == 3:
        for x in range(n):
            sums[x] += columns[x + size - 2] + columns[x + size - 1]


cdef void add_weighted(const sum_t* weights,    # IN     (n,)
                       const uint16_t* pixels,  # IN     (n,)
                       Py_ssize_t n,
                       sum_t* sums) noexcept nogil:  # INOUT  (n,)
    cdef Py_ssize_t x
    for x in range(n):
        sums[x] += weights[x] * <sum_t> pixels[x]


cdef void add_weights(const sum_t* weights, Py_ssize_t n, sum_t* sums) noexcept nogil:
    cdef Py_ssize_t x
    for x in range(n):
        sums[x] += weights[x]


cdef void look_up(const int32_t* distances, int shift, const sum_t* table, Py_ssize_t n, sum_t* weights) noexcept nogil:
    # No gathers, which the compiler would make if it knew that `weights` is not `table`: 1.2 times slower at v4.
    cdef Py_ssize_t x
    for x in range(n):
        weights[x] = table[distances[x] >> shift]


cdef void integer_block(const uint16_t[:, :, :, ::1] padded,
                        Py_ssize_t patch_radius,
                        Py_ssize_t search_radius,
                        int norm,
                        int shift,
                        const sum_t[:, ::1] tables,
                        uint8_t* scratch,
                        Py_ssize_t row_start,
                        Py_ssize_t row_stop,
                        Py_ssize_t n_cols,
                        sum_t* sums) noexcept nogil:
    """Sums of weighted pixels per channel, then of weights per table: (channels + tables, BLOCK_ROWS, row)."""
    cdef:
        Py_ssize_t n_frames = padded.shape[0], n_channels = padded.shape[1], n_tables = tables.shape[0]
        Py_ssize_t size = 2 * patch_radius + 1, border = patch_radius + search_radius, main = n_frames // 2
        Py_ssize_t width = n_cols + 2 * patch_radius, row_size = padded_row(width), plane = BLOCK_ROWS * row_size
        Py_ssize_t frame, channel, dy, dx, row, line, first, k
        int32_t* columns = <int32_t*> scratch
        int32_t* distances = columns + row_size
        sum_t* weights = <sum_t*> (distances + row_size)  # (tables, row)
    memset(sums, 0, (n_channels + n_tables) * plane * sizeof(sum_t))
    for frame in range(n_frames):
        for dy in range(-search_radius, search_radius + 1):
            for dx in range(-search_radius, search_radius + 1):
                for row in range(row_start, row_stop):
                    # lines of the patch's rows in the padded image: search_radius + row ... + size - 1
                    first = search_radius + row
                    if row == row_start:
                        memset(columns, 0, width * sizeof(int32_t))
                    for channel in range(n_channels):
                        for line in range(first if row == row_start else first + size - 1, first + size):
                            add_differences(&padded[main, channel, line, search_radius],
                                            &padded[frame, channel, line + dy, search_radius + dx],
                                            width, norm, 1, columns)
                        if row > row_start:
                            add_differences(&padded[main, channel, first - 1, search_radius],
                                            &padded[frame, channel, first - 1 + dy, search_radius + dx],
                                            width, norm, -1, columns)
                    box_sum(columns, n_cols, size, distances)
                    k = (row - row_start) * row_size
                    for channel in range(n_tables):
                        look_up(distances, shift, &tables[channel, 0], n_cols, weights + channel * row_size)
                        add_weights(weights + channel * row_size, n_cols, sums + (n_channels + channel) * plane + k)
                    for channel in range(n_channels):
                        add_weighted(weights + (channel if n_tables > 1 else 0) * row_size,
                                     &padded[frame, channel, border + row + dy, border + dx],
                                     n_cols, sums + channel * plane + k)


cdef void integer_rows(const uint16_t[:, :, :, ::1] padded,
                       Py_ssize_t patch_radius,
                       Py_ssize_t search_radius,
                       int norm,
                       int shift,
                       const sum_t[:, ::1] tables,
                       double rate,
                       sum_t* sums,                         # the scratch
                       Py_ssize_t row_start,
                       Py_ssize_t row_stop,
                       unsigned_gray[:, :, :] out) noexcept nogil:
    cdef:
        Py_ssize_t n_channels = out.shape[0], n_cols = out.shape[2], n_tables = tables.shape[0]
        Py_ssize_t row_size = padded_row(n_cols + 2 * patch_radius), block_rows = BLOCK_ROWS
        Py_ssize_t block = row_start, stop, col, channel, k, plane
        sum_t* values
        sum_t* weights
        uint8_t* scratch
        nlm_narrow narrow
        bint is_narrow = False
    if sum_t is int32_t:
        if norm == 2 and n_tables == 1 and nlm_is_narrow(&tables[0, 0], tables.shape[1], shift):
            is_narrow = True
            block_rows = NLM_BLOCK_ROWS
            narrow.padded = &padded[0, 0, 0, 0]
            narrow.row_stride = padded.shape[3]
            narrow.channel_stride = padded.shape[2] * narrow.row_stride
            narrow.frame_stride = n_channels * narrow.channel_stride
            narrow.n_frames, narrow.n_channels, narrow.n_cols = padded.shape[0], n_channels, n_cols
            narrow.patch_radius, narrow.search_radius = patch_radius, search_radius
            narrow.table = &tables[0, 0]
            narrow.shift = shift
            nlm_split_table(&narrow, rate)
    plane = block_rows * row_size
    scratch = <uint8_t*> (sums + (n_channels + n_tables) * plane)
    while block < row_stop:
        stop = min(block + block_rows, row_stop)
        if sum_t is int32_t and is_narrow:
            nlm_narrow_block(&narrow, block, stop, <int32_t*> sums, row_size, scratch)
        else:
            integer_block(padded, patch_radius, search_radius, norm, shift, tables, scratch, block, stop, n_cols, sums)
        for channel in range(n_channels):
            for k in range(stop - block):
                values = sums + channel * plane + k * row_size
                weights = sums + (n_channels + (channel if n_tables > 1 else 0)) * plane + k * row_size
                for col in range(n_cols):
                    if sum_t is int32_t:
                        # Exact: a quotient below 256 is at least 1 / weight off the next integer, or equal to it.
                        out[channel, block + k, col] = <unsigned_gray> <int32_t> (
                            (<double> values[col] + <double> (weights[col] // 2)) / <double> weights[col])
                    else:
                        out[channel, block + k, col] = <unsigned_gray> (
                            (<uint64_t> values[col] + <uint64_t> weights[col] // 2) // <uint64_t> weights[col])
        block = stop


def denoise_integer(const uint16_t[:, :, :, ::1] padded,   # IN     (frames, channels, rows, cols) gray levels
                    Py_ssize_t patch_radius,               # pixels
                    Py_ssize_t search_radius,              # pixels
                    int norm,                              # 1 or 2
                    int shift,                             # a distance D has weight table[D >> shift]
                    const sum_t[:, ::1] tables,          # IN     (1 or channels, entries); sums are of its type
                    double rate,                           # the first table is about exp(-rate D >> shift), scaled
                    uint8_t[::1] scratch,                  # INOUT  (workspace(...),)
                    Py_ssize_t row_start,
                    Py_ssize_t row_stop,
                    unsigned_gray[:, :, :] out):           # OUT    (channels, rows, cols)
    """Denoise the rows with weights from tables; the mean is rounded half up."""
    with nogil:
        integer_rows(padded, patch_radius, search_radius, norm, shift, tables, rate, <sum_t*> aligned(&scratch[0]),
                     row_start, row_stop, out)


# --- weights from the formula ----------------------------------------------------------------------------------------


cdef void differences(const gray* a,            # IN   (n,)
                      const gray* b,            # IN   (n,)
                      Py_ssize_t n,
                      int norm,
                      bint first,               # whether `values` has nothing in it yet
                      double* values) noexcept nogil:  # INOUT  (n,)
    cdef Py_ssize_t x
    cdef double d
    if norm == 1:
        for x in range(n):
            d = fabs(<double> a[x] - <double> b[x])
            values[x] = d if first else values[x] + d
    else:
        for x in range(n):
            d = <double> a[x] - <double> b[x]
            values[x] = d * d if first else values[x] + d * d


cdef void add_rows(const double* row, Py_ssize_t n, bint first, double* sums) noexcept nogil:
    cdef Py_ssize_t x
    if first:
        for x in range(n):
            sums[x] = row[x]
    else:
        for x in range(n):
            sums[x] += row[x]


cdef void add_products(const double* weights,   # IN     (n,)
                       const gray* pixels,      # IN     (n,) of the shifted row
                       const gray* own,         # IN     (n,) of the row itself
                       bint squares,            # of the pixels, in place of their differences
                       Py_ssize_t n,
                       double* sums) noexcept nogil:  # INOUT  (n,)
    cdef Py_ssize_t x
    if squares:
        for x in range(n):
            sums[x] += weights[x] * (<double> pixels[x] * <double> pixels[x])
    else:
        for x in range(n):
            sums[x] += weights[x] * (<double> pixels[x] - <double> own[x])


def denoise_formula(const gray[:, :, :, ::1] padded,       # IN     (frames, channels, rows, cols) gray levels
                    Py_ssize_t patch_radius,               # pixels
                    Py_ssize_t search_radius,              # pixels
                    int norm,                              # 1 or 2
                    const double[::1] factors,             # IN     (1 or channels,) exponent per distance (L1: squared)
                    const double[::1] exponentials,        # IN     exp(-j / 32); the last entry is 0
                    double bias,                           # taken from the mean square where >= 0; < 0: plain means
                    uint8_t[::1] scratch,                  # INOUT  (workspace(...),)
                    Py_ssize_t row_start,
                    Py_ssize_t row_stop,
                    gray[:, :, :] out):                    # OUT    (channels, rows, cols)
    """Denoise the rows with weights from the formula, in float64; integers are rounded half to even and saturated."""
    cdef:
        Py_ssize_t n_frames = padded.shape[0], n_channels = padded.shape[1], n_weights = factors.shape[0]
        Py_ssize_t n_cols = out.shape[2], size = 2 * patch_radius + 1, border = patch_radius + search_radius
        Py_ssize_t width = n_cols + 2 * patch_radius, row_size = padded_row(width), plane = BLOCK_ROWS * row_size
        Py_ssize_t main = n_frames // 2, frame, channel, dy, dx, row, block, stop, line, k, col
        double* sums = <double*> aligned(&scratch[0])                   # (channels + weights, BLOCK_ROWS, row)
        double* lines = sums + (n_channels + n_weights) * plane         # (BLOCK_ROWS + size - 1, row)
        double* columns = lines + (BLOCK_ROWS + size - 1) * row_size
        double* distances = columns + row_size
        double* weights = distances + row_size                          # (weights, row)
        double limit = <double> (exponentials.shape[0] - 1) / STEPS
        double value
    with nogil:
        block = row_start
        while block < row_stop:
            stop = min(block + BLOCK_ROWS, row_stop)
            memset(sums, 0, (n_channels + n_weights) * plane * sizeof(double))
            for frame in range(n_frames):
                for dy in range(-search_radius, search_radius + 1):
                    for dx in range(-search_radius, search_radius + 1):
                        for k in range(stop - block + size - 1):
                            line = search_radius + block + k
                            for channel in range(n_channels):
                                differences(&padded[main, channel, line, search_radius],
                                            &padded[frame, channel, line + dy, search_radius + dx],
                                            width, norm, channel == 0, lines + k * row_size)
                        for row in range(block, stop):
                            # Every sum anew and in one order: a running sum would depend on where the block starts.
                            for k in range(size):
                                add_rows(lines + (row - block + k) * row_size, width, k == 0, columns)
                            for k in range(size):
                                add_rows(columns + k, n_cols, k == 0, distances)
                            for channel in range(n_weights):
                                nlm_exponential(distances, factors[channel], norm == 1, &exponentials[0], limit, STEPS,
                                                n_cols, weights + channel * row_size)
                                add_rows(weights + channel * row_size, n_cols, False,
                                         sums + (n_channels + channel) * plane + (row - block) * row_size)
                            for channel in range(n_channels):
                                add_products(weights + (channel if n_weights > 1 else 0) * row_size,
                                             &padded[frame, channel, border + row + dy, border + dx],
                                             &padded[main, channel, border + row, border],
                                             bias >= 0, n_cols, sums + channel * plane + (row - block) * row_size)
            for channel in range(n_channels):
                for k in range(stop - block):
                    for col in range(n_cols):
                        value = (sums[channel * plane + k * row_size + col]
                                 / sums[(n_channels + (channel if n_weights > 1 else 0)) * plane + k * row_size + col])
                        if bias >= 0:
                            value = sqrt(max(value - bias, 0.0))
                        else:  # differences were averaged, so that what is constant stays so to the last bit
                            value += <double> padded[main, channel, border + block + k, border + col]
                        if gray is float or gray is double:
                            out[channel, block + k, col] = <gray> value
                        else:
                            out[channel, block + k, col] = <gray> rint(value)
            block = stop
