"""Resampling of any dtype: nearest, and weighted sums in float32 (16-bit integers) or float64 (floats).

Images are (rows, columns, channels). A table is (taps, outputs): along the columns, an output is one value of one
channel and an input pixel its offset in an interleaved row.
"""
from libc.math cimport rintf
from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t
from libc.string cimport memcpy

cdef enum:
    MAX_HELD = 8  # lines, and planes, that are kept for the outputs to come

ctypedef fused pixel:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused real:
    float
    double


def nearest(const pixel[:, :, :] image,       # IN
            const int32_t[::1] columns,       # IN   input column per output column
            const int32_t[::1] rows,          # IN   input row per output row
            Py_ssize_t row_start,
            Py_ssize_t row_stop,
            pixel[:, :, :] out):              # OUT
    """Copy the nearest pixel."""
    cdef:
        Py_ssize_t row, col, channel, n_channels = image.shape[2], width = out.shape[1]
        Py_ssize_t size = sizeof(pixel), pixel_size = n_channels * size
        bint in_runs = out.strides[1] == pixel_size and (n_channels == 1 or out.strides[2] == size)
        const pixel *source
        pixel *target
    with nogil:
        for row in range(row_start, row_stop):
            if in_runs and row > row_start and rows[row] == rows[row - 1]:  # enlarged: the row above again
                memcpy(&out[row, 0, 0], &out[row - 1, 0, 0], width * pixel_size)
            elif in_runs and n_channels == 1 and image.strides[1] == size:
                source, target = &image[rows[row], 0, 0], &out[row, 0, 0]
                for col in range(width):
                    target[col] = source[columns[col]]
            elif in_runs and n_channels == 3 and image.strides[1] == pixel_size and image.strides[2] == size:
                source, target = &image[rows[row], 0, 0], &out[row, 0, 0]
                for col in range(width):
                    target[3 * col] = source[3 * columns[col]]
                    target[3 * col + 1] = source[3 * columns[col] + 1]
                    target[3 * col + 2] = source[3 * columns[col] + 2]
            else:
                for col in range(width):
                    for channel in range(n_channels):
                        out[row, col, channel] = image[rows[row], columns[col], channel]


cdef inline void read_row(const pixel[:, :, :, :] image, Py_ssize_t plane, Py_ssize_t row, real *values) noexcept nogil:
    """The row as one run of values, in the precision of the sums."""
    cdef Py_ssize_t col, channel, n_channels = image.shape[3], width = image.shape[2]
    cdef Py_ssize_t size = sizeof(pixel)
    cdef const pixel *source = &image[plane, row, 0, 0]
    if image.strides[2] == n_channels * size and (n_channels == 1 or image.strides[3] == size):
        for col in range(width * n_channels):
            values[col] = source[col]
        return
    for col in range(width):
        for channel in range(n_channels):
            values[col * n_channels + channel] = image[plane, row, col, channel]


cdef inline void gather(const real *values, const int32_t *columns, const real *weights, Py_ssize_t n_taps,
                        Py_ssize_t width, real *line) noexcept nogil:
    """line = weighted sum of `values` at each output's columns."""
    cdef Py_ssize_t i, tap
    cdef const int32_t *second = columns + width
    cdef const real *second_weights = weights + width
    if n_taps == 2:
        for i in range(width):
            line[i] = values[columns[i]] * weights[i] + values[second[i]] * second_weights[i]
        return
    for i in range(width):
        line[i] = values[columns[i]] * weights[i]
    for tap in range(1, n_taps):
        for i in range(width):
            line[i] += values[columns[tap * width + i]] * weights[tap * width + i]


cdef inline void add_up(real **lines, const real *weights, Py_ssize_t n_lines, bint first, Py_ssize_t width,
                        real *totals) noexcept nogil:
    """totals = weighted sum of the lines, in their order; added to `totals` unless these are the first."""
    cdef Py_ssize_t i, tap = 0
    cdef const real *a
    cdef const real *b
    cdef real wa, wb
    if first:
        a, wa = lines[0], weights[0]
        if n_lines == 1:
            for i in range(width):
                totals[i] = a[i] * wa
            return
        b, wb = lines[1], weights[1]
        for i in range(width):
            totals[i] = a[i] * wa + b[i] * wb
        tap = 2
    for tap in range(tap, n_lines):
        a, wa = lines[tap], weights[tap]
        for i in range(width):
            totals[i] += a[i] * wa


cdef inline void in_plane(const pixel[:, :, :, :] image, Py_ssize_t plane, const int32_t[:, ::1] columns,
                          const real[:, ::1] column_weights, const int32_t[:, ::1] rows, const real[:, ::1] row_weights,
                          Py_ssize_t row_start, Py_ssize_t row_stop, real *values, real *lines,
                          real *out) noexcept nogil:
    """Output rows of one input plane."""
    cdef:
        Py_ssize_t width = columns.shape[1], n_taps = rows.shape[0], row, start, tap, source, slot
        Py_ssize_t held[MAX_HELD]
        real *taps[MAX_HELD]
        real weights[MAX_HELD]
    for slot in range(MAX_HELD):
        held[slot] = -1
    for row in range(row_start, row_stop):
        start = 0
        while start < n_taps:
            for tap in range(min(MAX_HELD, n_taps - start)):
                source = rows[start + tap, row]
                slot = source % min(MAX_HELD, n_taps)  # neighbours, so no two share a slot
                taps[tap], weights[tap] = lines + slot * width, row_weights[start + tap, row]
                if held[slot] != source:
                    read_row(image, plane, source, values)
                    gather(values, &columns[0, 0], &column_weights[0, 0], columns.shape[0], width, taps[tap])
                    held[slot] = source
            add_up(taps, weights, min(MAX_HELD, n_taps - start), start == 0, width, out + (row - row_start) * width)
            start += MAX_HELD


cdef inline void store_row(const real *totals, pixel[:, :, :, :] out, Py_ssize_t plane, Py_ssize_t row) noexcept nogil:
    """Round half to even and saturate where `out` holds integers."""
    cdef:
        Py_ssize_t col, channel, n_channels = out.shape[3], width = out.shape[2], size = sizeof(pixel)
        pixel *target = &out[plane, row, 0, 0]
    if out.strides[2] == n_channels * size and (n_channels == 1 or out.strides[3] == size):
        for col in range(width * n_channels):
            target[col] = rounded(totals[col], target)
        return
    for col in range(width):
        for channel in range(n_channels):
            out[plane, row, col, channel] = rounded(totals[col * n_channels + channel], target)


cdef inline pixel rounded(real value, const pixel *kind) noexcept nogil:
    cdef int32_t level
    if pixel is float or pixel is double:
        return <pixel> value
    level = <int32_t> rintf(<float> value)
    if pixel is uint8_t:
        return <pixel> max(0, min(level, 255))
    elif pixel is uint16_t:
        return <pixel> max(0, min(level, 65535))
    else:
        return <pixel> max(-32768, min(level, 32767))


def scratch_size(Py_ssize_t row_size, Py_ssize_t width, Py_ssize_t n_row_taps, Py_ssize_t n_plane_taps,
                 Py_ssize_t n_rows_held):
    """Values that `weighted` needs: an input row, lines, totals, and planes."""
    return row_size + width * (min(MAX_HELD, n_row_taps) + n_rows_held * (1 + min(MAX_HELD, n_plane_taps)))


def weighted(const pixel[:, :, :, :] image,        # IN     (planes, rows, columns, channels)
             const int32_t[:, ::1] columns,        # IN     (taps, outputs) offsets in a row
             const real[:, ::1] column_weights,    # IN     (taps, outputs)
             const int32_t[:, ::1] rows,           # IN     (taps, rows)
             const real[:, ::1] row_weights,       # IN     (taps, rows)
             const int32_t[:, ::1] planes,         # IN     (taps, planes)
             const real[:, ::1] plane_weights,     # IN     (taps, planes)
             Py_ssize_t row_start,
             Py_ssize_t row_stop,
             Py_ssize_t n_rows_held,               # rows that are done together through all planes
             real[::1] scratch,
             pixel[:, :, :, :] out):               # OUT
    """Weighted sums along columns, rows and planes, tap after tap; each input plane is resampled once."""
    cdef:
        Py_ssize_t width = columns.shape[1], n_taps = planes.shape[0], plane_size = n_rows_held * width
        Py_ssize_t start, stop, plane, first, tap, source, slot, row
        Py_ssize_t held[MAX_HELD]
        real *taps[MAX_HELD]
        real weights[MAX_HELD]
        real *values = &scratch[0]
        real *lines = values + image.shape[2] * image.shape[3]
        real *totals = lines + width * min(MAX_HELD, rows.shape[0])
        real *resampled = totals + plane_size
    # Each compiled function serves one pair of types: integers go with float32, floats with float64.
    if (pixel is float or pixel is double) and real is float:
        return
    if pixel is not float and pixel is not double and real is double:
        return
    with nogil:
        start = row_start
        while start < row_stop:
            stop = min(start + n_rows_held, row_stop)
            for slot in range(MAX_HELD):
                held[slot] = -1
            for plane in range(planes.shape[1]):
                first = 0
                while first < n_taps:
                    for tap in range(min(MAX_HELD, n_taps - first)):
                        source = planes[first + tap, plane]
                        slot = source % min(MAX_HELD, n_taps)
                        taps[tap], weights[tap] = resampled + slot * plane_size, plane_weights[first + tap, plane]
                        if held[slot] != source:
                            in_plane(image, source, columns, column_weights, rows, row_weights, start, stop,
                                     values, lines, taps[tap])
                            held[slot] = source
                    for row in range(stop - start):
                        add_up(taps, weights, min(MAX_HELD, n_taps - first), first == 0, width, totals + row * width)
                        for tap in range(min(MAX_HELD, n_taps - first)):
                            taps[tap] += width
                    first += MAX_HELD
                for row in range(start, stop):
                    store_row(totals + (row - start) * width, out, plane, row)
            start = stop
