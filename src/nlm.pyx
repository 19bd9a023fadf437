"""Non-local means.

Each pixel p becomes the mean of the pixels q of a search window around it, weighted by how well the patches around p
and q agree. With D the sum of squared (L2) or absolute (L1) differences over the patch and the channels,

    out(p) = sum_q w(D(p, q)) image(q) / sum_q w(D(p, q)).

Work goes shift by shift, q = p + (dz, dy, dx), over a tile of planes and rows at a time: D is then a box sum of the
differences of the image with itself shifted, whatever the size of the patch. As w(p, q) = w(q, p), half of the shifts
do, those that come after (0, 0, 0) in order: a line of such weights is what the line of p gains from that of q, and
what q's gains from p's. A tile needs the first for each line in it, and the second for each line whose q is in it; no
tile depends on another one. Each line gets its sums in one order, wherever the tile begins, so not even the rounding of
floating-point sums depends on the tiles.

Two families: `denoise_integer` reads w from a table and sums in integers, as OpenCV does, bit for bit;
`denoise_formula` computes w, in float32 or float64. Images come padded by `patch + search` (radii) on each side of each
axis. An image is a volume of one plane; frames of a film are planes, too, of which only the one in the middle is
denoised. With a mask only what is inside is written and averaged with; patches are compared over everything.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint64_t

from nlm_rows cimport ALIGNMENT, aligned, integer_sums, mask_row, nlm_tile, padded_row, set_tile, sum_t

cdef extern from "nlm_narrow.h":
    ctypedef struct nlm_narrow:
        pass
    ctypedef struct nlm_bytes:
        uint8_t* data
        Py_ssize_t strides[4]
    bint nlm_has_dot() noexcept nogil
    int nlm_narrow_fold(const nlm_tile* tile, const int32_t* table, Py_ssize_t n_entries, int shift, int norm,
                        bint is_image) noexcept nogil
    void nlm_narrow_weights(nlm_narrow* narrow, const nlm_tile* tile, const int32_t* table, Py_ssize_t n_entries,
                            int shift, int norm, double rate, int fold, bint is_image, bint has_dot) noexcept nogil
    Py_ssize_t nlm_narrow_scratch(Py_ssize_t n_channels, bint is_folded, Py_ssize_t n_planes, Py_ssize_t n_rows,
                                  Py_ssize_t n_cols, const Py_ssize_t* patch, const Py_ssize_t* search) noexcept nogil
    void nlm_narrow_tile(const nlm_tile* tile, const nlm_narrow* narrow, const nlm_bytes* out,
                         uint8_t* scratch) noexcept nogil

cdef extern from "nlm_deep.h":
    bint nlm_deep_takes(const int64_t* table, Py_ssize_t n_entries, int shift, int norm) noexcept nogil
    Py_ssize_t nlm_deep_scratch(Py_ssize_t n_channels, Py_ssize_t n_planes, Py_ssize_t n_rows, Py_ssize_t n_cols,
                                const Py_ssize_t* patch, const Py_ssize_t* search) noexcept nogil
    void nlm_deep_tile(const nlm_tile* tile, const int64_t* table, Py_ssize_t n_entries, int shift, int64_t* sums,
                       Py_ssize_t row_size, uint8_t* scratch) noexcept nogil

cdef extern from "nlm_wide.h":
    ctypedef struct nlm_wide:
        int norm, shift
        const int32_t* table
        int32_t n_used
    bint nlm_wide_takes(const nlm_tile* tile) noexcept nogil
    Py_ssize_t nlm_wide_scratch(const nlm_tile* tile) noexcept nogil
    void nlm_wide_tile(const nlm_tile* tile, const nlm_wide* wide, int32_t* sums, Py_ssize_t row_size,
                       uint8_t* scratch) noexcept nogil

cdef extern from "nlm_wide64.h":
    bint nlm_wide64_takes(const nlm_tile* tile) noexcept nogil
    Py_ssize_t nlm_wide64_scratch(const nlm_tile* tile) noexcept nogil
    void nlm_wide64_tile(const nlm_tile* tile, const nlm_wide* wide, const int64_t* table, int64_t* sums,
                         Py_ssize_t row_size, uint8_t* scratch) noexcept nogil

cdef extern from "nlm_real.h":
    ctypedef enum nlm_pixels:
        NLM_FLOATS, NLM_DOUBLES, NLM_INTEGERS
    ctypedef struct nlm_formula:
        int norm, is_rician
        double self, center, rate, factor, bias
        Py_ssize_t n_terms
    double NLM_RATE
    Py_ssize_t nlm_real_scratch(const nlm_tile* tile) noexcept nogil
    void nlm_real_tile(const nlm_tile* tile, const nlm_formula* formula, nlm_pixels pixels, double* values,
                       Py_ssize_t row_size, uint8_t* scratch) noexcept nogil

ctypedef fused real:
    float
    double

ctypedef fused unsigned_gray:
    uint8_t
    uint16_t

ctypedef fused gray:
    uint8_t
    uint16_t
    int16_t
    float
    double


cdef enum:
    ROWS = 64  # of a tile whose sums would leave the second-level cache otherwise: of all but nlm_narrow.h's


cdef bint HAS_DOT = nlm_has_dot()  # asked once


def _set_dot(bint is_wanted):
    """Use the dot products that a CPU may have beyond its level, or not; whether they are used now. For tests."""
    global HAS_DOT
    HAS_DOT = is_wanted and nlm_has_dot()
    return HAS_DOT


cpdef Py_ssize_t workspace(Py_ssize_t n_channels,
                           Py_ssize_t n_weights,
                           Py_ssize_t n_planes,
                           Py_ssize_t n_rows,
                           Py_ssize_t n_cols,
                           const Py_ssize_t[::1] radii) noexcept nogil:
    """Bytes of scratch that a call needs for a tile of `n_planes` by `n_rows`: by nlm_narrow.h alone more than ROWS."""
    cdef Py_ssize_t most_rows = min(n_rows, ROWS)
    cdef Py_ssize_t row = 8 * padded_row(n_cols), n_sums = n_channels + n_weights, sums, plain, narrow, deep, axis
    cdef nlm_tile tile
    tile.n_channels, tile.n_cols = n_channels, n_cols
    for axis in range(3):
        tile.patch[axis], tile.search[axis] = radii[axis], radii[3 + axis]
    tile.planes[0] = tile.rows[0] = 0
    tile.planes[1], tile.rows[1] = n_planes, most_rows
    sums = row * n_sums * n_planes * most_rows
    plain = 8 * padded_row(n_cols + radii[5] + 2 * radii[2]) * (n_weights + 3 + 2 * radii[1] + 1)
    deep = 0
    if n_planes == 1:  # a volume may end with a tile of one plane, but that is done like the others
        deep = nlm_deep_scratch(n_channels, 1, most_rows, n_cols, &radii[0], &radii[3])
    narrow = nlm_narrow_scratch(n_channels, n_planes == 1 and radii[0] + radii[3] == 0, n_planes, n_rows, n_cols,
                                &radii[0], &radii[3])
    return sums + max(plain, narrow, deep, nlm_wide_scratch(&tile), nlm_wide64_scratch(&tile),
                      nlm_real_scratch(&tile)) + 2 * ALIGNMENT


# --- weights from a table --------------------------------------------------------------------------------------------


cdef void write_integers(const nlm_tile* tile,
                         Py_ssize_t n_tables,
                         Py_ssize_t row_size,
                         sum_t* sums,                       # INOUT  as integer_sums gives them; quotients afterwards
                         Py_ssize_t plane,                  # of the sums
                         unsigned_gray[:, :, :, :] out) noexcept nogil:
    """The means, rounded half up, where the mask is."""
    cdef:
        Py_ssize_t z, y, x, channel, k = 0
        sum_t* values
        const sum_t* weights
        const uint8_t* inside
    for z in range(tile.planes[0], tile.planes[1]):
        for y in range(tile.rows[0], tile.rows[1]):
            inside = mask_row(tile, z, y, 0)
            for channel in range(tile.n_channels):
                values = sums + channel * plane + k
                weights = sums + (tile.n_channels + (channel if n_tables > 1 else 0)) * plane + k
                if inside is NULL:
                    for x in range(tile.n_cols):
                        if sum_t is int32_t:
                            # Exact: a quotient below 256 is at least 1 / weight off the next integer, or equal to it.
                            values[x] = <int32_t> ((<double> values[x] + <double> (weights[x] // 2))
                                                   / <double> weights[x])
                        else:
                            values[x] = <int64_t> ((<uint64_t> values[x] + <uint64_t> weights[x] // 2)
                                                   // <uint64_t> weights[x])
                    for x in range(tile.n_cols):
                        out[z, channel, y, x] = <unsigned_gray> values[x]
                else:
                    for x in range(tile.n_cols):
                        if inside[x]:
                            out[z, channel, y, x] = <unsigned_gray> (
                                (<uint64_t> values[x] + <uint64_t> weights[x] // 2) // <uint64_t> weights[x])
            k += row_size


cdef int narrow_fold(const nlm_tile* tile,
                     bint is_image,
                     bint is_plane,
                     int norm,
                     int shift,
                     const sum_t[:, ::1] tables) noexcept nogil:
    """How far nlm_narrow.h has to fold the squares to be exact, or -1 where it cannot or is not the best; for weights
    of 31 bits 0 where nlm_deep.h is exact. Folds are for images, padded ones of one plane, nlm_deep.h for results of
    one plane: `workspace` reckons with that.

    Its lines are longer than the tile's by the search window on each side, and it takes those between the tile and
    where the shift leads as well: of a window that is large beside the tile, nlm_wide.h makes less work (on 8 by 8
    pixels with a window of 301 by 301, 30 times; from three radii of columns on it takes longer).
    """
    if tables.shape[0] > 1:
        return -1
    if ((3 * tile.search[2] > tile.n_cols or tile.search[1] > 2 * (tile.rows[1] - tile.rows[0]))
            and (nlm_wide_takes(tile) if sum_t is int32_t else nlm_wide64_takes(tile))):
        return -1
    if sum_t is int64_t:
        # Of one plane, as its sums are five times as large as others'.
        return 0 if is_plane and nlm_deep_takes(&tables[0, 0], tables.shape[1], shift, norm) else -1
    else:
        return nlm_narrow_fold(tile, &tables[0, 0], tables.shape[1], shift, norm, is_image)


cdef void denoise_narrow(const nlm_tile* tile,
                         int norm,
                         int shift,
                         const int32_t[:, ::1] tables,
                         double rate,
                         int fold,
                         bint is_image,
                         uint8_t* scratch,
                         unsigned_gray[:, :, :, :] out) noexcept nogil:
    """Denoise a tile by nlm_narrow.h."""
    cdef:
        nlm_narrow narrow
        nlm_bytes target
        Py_ssize_t axis
    target.data = <uint8_t*> &out[0, 0, 0, 0]
    for axis in range(4):
        target.strides[axis] = out.strides[axis]
    nlm_narrow_weights(&narrow, tile, &tables[0, 0], tables.shape[1], shift, norm, rate, fold, is_image, HAS_DOT)
    nlm_narrow_tile(tile, &narrow, &target, scratch)


cdef bint wide_sums(const nlm_tile* tile,
                    int norm,
                    int shift,
                    const sum_t[:, ::1] tables,
                    Py_ssize_t row_size,
                    sum_t* sums) noexcept nogil:            # the scratch
    """The same as integer_sums by nlm_wide.h, if it is a tile that it can do."""
    cdef:
        Py_ssize_t plane = (tile.planes[1] - tile.planes[0]) * (tile.rows[1] - tile.rows[0]) * row_size
        nlm_wide wide
        uint8_t* scratch
    if tables.shape[0] > 1 or not (nlm_wide_takes(tile) if sum_t is int32_t else nlm_wide64_takes(tile)):
        return False
    wide.norm, wide.shift, wide.n_used = norm, shift, 0
    while wide.n_used < tables.shape[1] - 1 and tables[0, wide.n_used] > 0:
        wide.n_used += 1
    scratch = aligned(<uint8_t*> (sums + (tile.n_channels + 1) * plane))
    if sum_t is int32_t:
        wide.table = &tables[0, 0]
        nlm_wide_tile(tile, &wide, sums, row_size, scratch)
    else:
        nlm_wide64_tile(tile, &wide, &tables[0, 0], sums, row_size, scratch)
    return True


def denoise_integer(const uint16_t[:, :, :, ::1] padded,   # IN     (planes, channels, rows, cols) gray levels
                    const uint8_t[:, :, ::1] mask,         # IN     (planes, rows, cols) 1 inside; none: (0, 0, 0)
                    const Py_ssize_t[::1] radii,           # IN     (6,) of the patch, then of the search, pixels
                    int norm,                              # 1 or 2
                    int shift,                             # a distance D has weight table[D >> shift]
                    const sum_t[:, ::1] tables,            # IN     (1 or channels, entries); sums are of its type
                    double rate,                           # the first table is about exp(-rate D >> shift), scaled
                    uint8_t[::1] scratch,                  # INOUT  (workspace(...),)
                    Py_ssize_t plane_start, Py_ssize_t plane_stop,
                    Py_ssize_t row_start, Py_ssize_t row_stop,
                    unsigned_gray[:, :, :, :] out):        # OUT    (planes, channels, rows, cols)
    """Denoise a tile with weights from tables; the mean is rounded half up."""
    cdef:
        nlm_tile tile
        Py_ssize_t row_size = padded_row(out.shape[3]), plane
        sum_t* sums = <sum_t*> aligned(&scratch[0])
        uint8_t* rest
        bint is_image = padded.shape[0] == 1
        int fold
    tile.padded = &padded[0, 0, 0, 0]
    set_tile(&tile, padded.shape, mask, radii, plane_start, plane_stop, row_start, row_stop, out.shape[3])
    fold = narrow_fold(&tile, is_image, out.shape[0] == 1, norm, shift, tables)
    with nogil:
        if sum_t is int32_t and unsigned_gray is uint8_t:
            if fold >= 0:
                denoise_narrow(&tile, norm, shift, tables, rate, fold, is_image, <uint8_t*> sums, out)
                tile.rows[0] = row_stop
        # Others take so few rows that their sums stay in the second-level cache: with twice as many, 1.2 times as long.
        while tile.rows[0] < row_stop:
            tile.rows[1] = min(tile.rows[0] + ROWS, row_stop)
            plane = (plane_stop - plane_start) * (tile.rows[1] - tile.rows[0]) * row_size
            rest = aligned(<uint8_t*> (sums + (tile.n_channels + tables.shape[0]) * plane))
            if sum_t is int64_t and fold >= 0:
                nlm_deep_tile(&tile, &tables[0, 0], tables.shape[1], shift, sums, row_size, rest)
            elif not wide_sums(&tile, norm, shift, tables, row_size, sums):
                integer_sums(&tile, norm, shift, tables, rest, row_size, sums)
            write_integers(&tile, tables.shape[0], row_size, sums, plane, out)
            tile.rows[0] = tile.rows[1]


# --- weights from the formula ----------------------------------------------------------------------------------------


def denoise_formula(const real[:, :, :, ::1] padded,       # IN     (planes, channels, rows, cols) gray levels
                    const uint8_t[:, :, ::1] mask,         # IN     (planes, rows, cols) 1 inside; none: (0, 0, 0)
                    const Py_ssize_t[::1] radii,           # IN     (6,) of the patch, then of the search, pixels
                    int norm,                              # 1 or 2
                    double factor,                         # exponent per distance (L1: squared)
                    double bias,                           # taken from the mean square where >= 0; < 0: plain means
                    uint8_t[::1] scratch,                  # INOUT  (workspace(...),)
                    Py_ssize_t plane_start, Py_ssize_t plane_stop,
                    Py_ssize_t row_start, Py_ssize_t row_stop,
                    gray[:, :, :, :] out):                 # OUT    (planes, channels, rows, cols)
    """Denoise a tile with weights from the formula; integers are rounded half to even and saturated."""
    cdef:
        nlm_tile tile
        Py_ssize_t row_size = padded_row(out.shape[3])
        Py_ssize_t plane = (plane_stop - plane_start) * (row_stop - row_start) * row_size, k = 0, z, y, x, channel
        double* sums = <double*> aligned(&scratch[0])
        const uint8_t* inside
        nlm_formula formula
        nlm_pixels pixels = NLM_FLOATS
    tile.padded = &padded[0, 0, 0, 0]
    set_tile(&tile, padded.shape, mask, radii, plane_start, plane_stop, row_start, row_stop, out.shape[3])
    if real is double:
        pixels = NLM_DOUBLES
    elif gray is not float and gray is not double:
        pixels = NLM_INTEGERS
    formula.norm, formula.is_rician, formula.bias = norm, bias >= 0, bias
    formula.self, formula.center = 1.0, 0.0
    formula.n_terms = (2 * radii[0] + 1) * padded.shape[1]
    formula.rate, formula.factor = factor, -NLM_RATE * factor
    with nogil:
        nlm_real_tile(&tile, &formula, pixels, sums, row_size,
                      aligned(<uint8_t*> (sums + (tile.n_channels + 1) * plane)))
        for z in range(plane_start, plane_stop):
            for y in range(row_start, row_stop):
                inside = mask_row(&tile, z, y, 0)
                for channel in range(tile.n_channels):
                    for x in range(tile.n_cols):
                        if inside is NULL or inside[x]:
                            out[z, channel, y, x] = <gray> sums[channel * plane + k + x]
                k += row_size
