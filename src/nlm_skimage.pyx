"""scikit-image's non-local means, fast and slow: another distance and other weights than those of nlm.pyx, in the same
sums. The formula stands in nlm_skimage.h, and what a tile and a padded image are in nlm.pyx.
"""
from libc.stdint cimport uint8_t

from nlm_rows cimport ALIGNMENT, aligned, nlm_tile, padded_row, set_tile

cdef extern from "nlm_skimage.h":
    ctypedef struct nlm_skimage:
        double center, factor, excess, share, doubt
        const double* gaussian
    double NLM_PLACES
    Py_ssize_t nlm_skimage_scratch(const nlm_tile* tile) noexcept nogil
    void nlm_skimage_tile(const nlm_tile* tile, nlm_skimage* rule, bint is_float, double* values, Py_ssize_t row_size,
                          uint8_t* scratch) noexcept nogil

ctypedef fused real:
    float
    double

ctypedef fused real_out:
    float
    double


cpdef Py_ssize_t workspace(Py_ssize_t n_channels,
                           Py_ssize_t n_planes,
                           Py_ssize_t n_rows,
                           Py_ssize_t n_cols,
                           const Py_ssize_t[::1] radii) noexcept nogil:
    """Bytes of scratch that a call needs for a tile of `n_planes` by `n_rows`."""
    cdef nlm_tile tile
    cdef Py_ssize_t axis
    tile.n_channels, tile.n_cols = n_channels, n_cols
    for axis in range(3):
        tile.patch[axis], tile.search[axis] = radii[axis], radii[3 + axis]
    tile.planes[0] = tile.rows[0] = 0
    tile.planes[1], tile.rows[1] = n_planes, n_rows
    return (8 * padded_row(n_cols) * (n_channels + 1) * n_planes * n_rows + nlm_skimage_scratch(&tile) + 2 * ALIGNMENT)


def denoise(const real[:, :, :, ::1] padded,       # IN     (planes, channels, rows, cols)
            const uint8_t[:, :, ::1] mask,         # IN     (planes, rows, cols) 1 for donors; none: (0, 0, 0)
            const Py_ssize_t[::1] radii,           # IN     (6,) of the patch, then of the search, pixels
            const double[::1] gaussian,            # IN     (2 r + 1,) weights along each axis; fast: (0,)
            double center,                         # about the middle of the values: of float64, sums of floats
            double factor,                         # t of a summed distance of 1
            double excess,                         # of t, what noise adds
            double share,                          # slow: what it adds with a weight of 1 of `gaussian`
            double doubt,                          # how far t may be off in float sums; 0: sums of doubles
            double scale,                          # of the result
            uint8_t[::1] scratch,                  # INOUT  (workspace(...),)
            Py_ssize_t plane_start, Py_ssize_t plane_stop,
            Py_ssize_t row_start, Py_ssize_t row_stop,
            real_out[:, :, :, :] out):             # OUT    (planes, channels, rows, cols)
    """Denoise a tile."""
    cdef:
        nlm_tile tile
        nlm_skimage rule
        Py_ssize_t row_size = padded_row(out.shape[3]), k = 0, z, y, x, channel
        Py_ssize_t plane = (plane_stop - plane_start) * (row_stop - row_start) * row_size
        double* sums = <double*> aligned(&scratch[0])
        const double* values
    tile.padded = &padded[0, 0, 0, 0]
    set_tile(&tile, padded.shape, mask, radii, plane_start, plane_stop, row_start, row_stop, out.shape[3])
    rule.factor, rule.excess, rule.share = factor * NLM_PLACES, excess * NLM_PLACES, share * NLM_PLACES
    rule.center, rule.doubt = center, doubt
    rule.gaussian = &gaussian[0] if gaussian.shape[0] else NULL
    with nogil:
        nlm_skimage_tile(&tile, &rule, real is float, sums, row_size,
                         aligned(<uint8_t*> (sums + (tile.n_channels + 1) * plane)))
        for z in range(plane_start, plane_stop):
            for y in range(row_start, row_stop):
                for channel in range(tile.n_channels):
                    values = sums + channel * plane + k
                    for x in range(tile.n_cols):
                        out[z, channel, y, x] = <real_out> (values[x] * scale)
                k += row_size
