"""Histogram equalisation.

A histogram of integers is a table of counts, and equalisation a look-up in a table made from it: three steps, of which the
first and the last touch pixels and work on a range of rows. Values are shifted by `offset` (32 768 for int16, else 0), so that
the lowest value of the dtype has bin 0.
"""
from libc.math cimport rintf
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t

ctypedef fused integer:
    uint8_t
    uint16_t
    int16_t


def count(const integer[:, :] image,    # IN     gray levels
          int64_t offset,               # IN     bin of level 0
          Py_ssize_t row_start,
          Py_ssize_t row_stop,
          int64_t[::1] counts):         # INOUT  pixels per bin
    """Add 1 to `counts[value + offset]` for each pixel of the rows."""
    cdef Py_ssize_t row, col
    with nogil:
        for row in range(row_start, row_stop):
            for col in range(image.shape[1]):
                counts[<int64_t> image[row, col] + offset] += 1


def equalization_table(const int64_t[::1] counts,   # IN   pixels per bin
                       integer[::1] table,          # OUT  gray level per bin
                       int64_t offset):             # IN   bin of level 0
    """Gray level for each bin: the share of pixels above the lowest level in use, scaled to the whole range."""
    cdef:
        Py_ssize_t n_bins = counts.shape[0], value, lowest = 0
        int64_t total = 0, running = 0, n_above, level
        float scale
    with nogil:
        for value in range(n_bins):
            total += counts[value]
        while lowest < n_bins - 1 and counts[lowest] == 0:
            lowest += 1
        n_above = total - counts[lowest]
        if n_above == 0:  # a constant image stays as it is
            for value in range(n_bins):
                table[value] = <integer> (value - offset)
        else:
            scale = <float> (n_bins - 1) / <float> n_above
            for value in range(n_bins):
                if value > lowest:
                    running += counts[value]
                # float32, rounded half to even: OpenCV's arithmetic
                level = <int64_t> rintf(<float> running * scale)
                table[value] = <integer> (min(level, n_bins - 1) - offset)


def look_up(const integer[:, :] image,    # IN   gray levels
            const integer[::1] table,     # IN   new gray level per bin
            int64_t offset,               # IN   bin of level 0
            Py_ssize_t row_start,
            Py_ssize_t row_stop,
            integer[:, :] out):           # OUT  may be `image`
    """Replace each pixel of the rows by its entry in `table`."""
    cdef Py_ssize_t row, col
    with nogil:
        for row in range(row_start, row_stop):
            for col in range(image.shape[1]):
                out[row, col] = table[<int64_t> image[row, col] + offset]
