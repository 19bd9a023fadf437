"""Resampling of any dtype: nearest, and weighted sums in float32 (16-bit integers) or float64 (floats).

Images are (rows, columns, channels). A table is (taps, outputs): along the columns, an output is one value of one
channel and an input pixel its offset in an interleaved row.
"""
from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uintptr_t
from libc.string cimport memcpy

cdef extern from "resample.h" nogil:
    ctypedef struct medfast_strip:
        const int32_t *columns
        const void *weights
        Py_ssize_t n_taps, width, n_channels, start, n, base, n_values
        int32_t *first
        void *picks
        void *packed
        void *in_place
    ctypedef struct medfast_steps:
        int pixel_size
        int sum_size
        void (*prepare)(medfast_strip *strip) noexcept nogil
        void (*read)(const void *source, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t n_channels,
                     Py_ssize_t channel_stride, void *values) noexcept nogil
        void (*line)(const medfast_strip *strip, const void *values, void *line) noexcept nogil
        void (*add)(void **lines, const void *weights, Py_ssize_t stride, Py_ssize_t n_lines, bint is_first,
                    Py_ssize_t n, void *totals) noexcept nogil
        void (*blend)(void **lines, const void *weights, Py_ssize_t stride, Py_ssize_t n_lines, Py_ssize_t n,
                      void *out) noexcept nogil
        void (*store)(const void *totals, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t n_channels,
                      Py_ssize_t channel_stride, void *out) noexcept nogil
        void (*halve)(const void *top, const void *bottom, Py_ssize_t n, void *out) noexcept nogil
    const medfast_steps *MEDFAST_STEPS
    Py_ssize_t medfast_strip_size(Py_ssize_t width, Py_ssize_t n_channels, Py_ssize_t n_column_taps,
                                  Py_ssize_t n_row_taps, Py_ssize_t sum_size)

cdef extern from "prefetch.h" nogil:
    void medfast_prefetch(const void *line, Py_ssize_t n_bytes)

cdef enum:
    MAX_HELD = 8  # lines, and planes, that are kept for the outputs to come
    PADDING = 32  # values beyond a row that a window may reach
    LANES = 16    # most outputs of a block

ctypedef fused pixel:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused real:
    float
    double

cdef struct Grid:  # planes, rows, columns, channels
    char *data
    Py_ssize_t shape[4]
    Py_ssize_t strides[4]


cdef struct Table:  # taps of outputs
    const int32_t *inputs
    const char *weights
    Py_ssize_t n_taps
    Py_ssize_t size


cdef struct Strips:
    medfast_strip *strips
    Py_ssize_t n
    char *scratch  # for lines and an input row


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


cdef inline const medfast_steps *steps_of(const pixel *kind) noexcept nogil:
    if pixel is uint8_t:
        return &MEDFAST_STEPS[0]
    elif pixel is uint16_t:
        return &MEDFAST_STEPS[1]
    elif pixel is int16_t:
        return &MEDFAST_STEPS[2]
    elif pixel is float:
        return &MEDFAST_STEPS[3]
    else:
        return &MEDFAST_STEPS[4]


def halve(const pixel[:, :, ::1] image,  # IN   (planes, 2 · rows, 2 · columns)
          Py_ssize_t row_start,
          Py_ssize_t row_stop,
          pixel[:, :, ::1] out):         # OUT
    """Means of two by two pixels: in this special case of `weighted`, all weights are one half."""
    cdef Py_ssize_t plane, row
    cdef const medfast_steps *steps = steps_of(&out[0, 0, 0])
    with nogil:
        for plane in range(out.shape[0]):
            for row in range(row_start, row_stop):
                steps.halve(&image[plane, 2 * row, 0], &image[plane, 2 * row + 1, 0], out.shape[2],
                            &out[plane, row, 0])


cdef inline char *aligned(char *place) noexcept nogil:
    """The next place where a cache line begins."""
    return place + (-<uintptr_t> place & 63)


cdef inline Py_ssize_t row_scratch(Py_ssize_t row_size, Py_ssize_t width, Py_ssize_t n_channels,
                                   Py_ssize_t n_column_taps, Py_ssize_t n_row_taps) noexcept nogil:
    """Sums' worth of scratch for `prepare` and `in_plane`, of either kind of sum: strips, of float32 the longer ones,
    of float64 more, with their picks, weights and windows; lines; an input row."""
    cdef:
        Py_ssize_t longest = medfast_strip_size(width, n_channels, n_column_taps, n_row_taps, sizeof(float))
        Py_ssize_t shortest = medfast_strip_size(width, n_channels, n_column_taps, n_row_taps, sizeof(double))
        Py_ssize_t n_strips = (width + shortest - 1) // shortest
    return (n_strips * (<Py_ssize_t> sizeof(medfast_strip) + 4 * 64) // <Py_ssize_t> sizeof(float) + 3 * 64
            + n_column_taps * (2 * (width + n_strips * LANES) + width // 8 + n_strips)
            + longest * min(MAX_HELD, n_row_taps) + row_size + PADDING)


cdef inline bint is_interleaved(Grid *grid, Py_ssize_t size) noexcept nogil:
    """Whether each row is one run of values of `size` bytes."""
    cdef Py_ssize_t n_channels = grid.shape[3]
    return grid.strides[2] == n_channels * size and (n_channels == 1 or grid.strides[3] == size)


cdef void prepare(const medfast_steps *steps, Table *columns, Py_ssize_t n_row_taps, Py_ssize_t n_channels,
                  char *scratch, Strips *strips) noexcept nogil:
    """The columns in strips, and what is left of `scratch`."""
    cdef:
        Py_ssize_t size = medfast_strip_size(columns.size, n_channels, columns.n_taps, n_row_taps, steps.sum_size)
        Py_ssize_t n_packed, i
        medfast_strip *strip
    strips.n = (columns.size + size - 1) // size
    strips.strips = <medfast_strip *> aligned(scratch)
    scratch = <char *> (strips.strips + strips.n)
    for i in range(strips.n):
        strip = &strips.strips[i]
        strip.columns, strip.weights = columns.inputs, columns.weights
        strip.n_taps, strip.width, strip.n_channels = columns.n_taps, columns.size, n_channels
        strip.start, strip.n = i * size, min(size, columns.size - i * size)
        n_packed = columns.n_taps * (strip.n + LANES) * steps.sum_size
        strip.picks = strip.in_place = aligned(scratch)
        strip.packed = aligned(<char *> strip.picks + n_packed)
        strip.first = <int32_t *> (<char *> strip.packed + n_packed)
        scratch = <char *> strip.first + columns.n_taps * (strip.n // 8 + 1) * sizeof(int32_t)
        steps.prepare(strip)
    strips.scratch = aligned(scratch)


cdef void in_plane(const medfast_steps *steps, Grid *image, Py_ssize_t plane, Strips *strips, Table *rows,
                   Py_ssize_t row_start, Py_ssize_t row_stop, char *totals, Grid *out,
                   Py_ssize_t out_plane) noexcept nogil:
    """Output rows of one input plane: to a plane of `out`, or, where that is -1, to `totals` one after another."""
    cdef:
        Py_ssize_t i
        char *lines = strips.scratch
        char *values = aligned(lines + strips.strips[0].n * min(MAX_HELD, rows.n_taps) * steps.sum_size)
    for i in range(strips.n):
        strip_in_plane(steps, &strips.strips[i], image, plane, rows, row_start, row_stop, values, lines, totals, out,
                       out_plane)


cdef void strip_in_plane(const medfast_steps *steps, medfast_strip *strip, Grid *image, Py_ssize_t plane, Table *rows,
                         Py_ssize_t row_start, Py_ssize_t row_stop, char *values, char *lines, char *totals, Grid *out,
                         Py_ssize_t out_plane) noexcept nogil:
    """The same of a strip: each input row once along the columns, kept while output rows need it; then their sums."""
    cdef:
        Py_ssize_t n_taps = rows.n_taps, n_held = min(MAX_HELD, rows.n_taps), n_channels = strip.n_channels
        Py_ssize_t row, start, tap, source, slot
        char *pixels = image.data + plane * image.strides[0] + strip.base // n_channels * image.strides[2]
        const char *weights
        char *target
        Py_ssize_t held[MAX_HELD]
        void *taps[MAX_HELD]
        Py_ssize_t n_bytes = strip.n_values * steps.pixel_size if is_interleaved(image, steps.pixel_size) else 0
        bint in_turn = n_held & (n_held - 1) == 0  # a division costs as much as the sums of 20 values
        bint in_one_pass = (out_plane >= 0 and (n_taps == 2 or n_taps == 4) and is_interleaved(out, steps.pixel_size))
    if out_plane < 0:
        totals += strip.start * steps.sum_size
    for slot in range(MAX_HELD):
        held[slot] = -1
    for row in range(row_start, row_stop):
        target = (out.data + out_plane * out.strides[0] + row * out.strides[1]
                  + strip.start // n_channels * out.strides[2])
        start = 0
        while start < n_taps:
            for tap in range(min(MAX_HELD, n_taps - start)):
                source = rows.inputs[(start + tap) * rows.size + row]
                slot = source & (n_held - 1) if in_turn else source % n_held  # neighbours, so no two share a slot
                taps[tap] = lines + slot * strip.n * steps.sum_size
                if held[slot] != source:  # (asking for the next row of the result takes 10 % longer)
                    medfast_prefetch(pixels + (source + 1) * image.strides[1], n_bytes)
                    steps.read(pixels + source * image.strides[1], strip.n_values // n_channels, image.strides[2],
                               n_channels, image.strides[3], values)
                    steps.line(strip, values, taps[tap])
                    held[slot] = source
            weights = rows.weights + (start * rows.size + row) * steps.sum_size
            if in_one_pass:
                steps.blend(taps, weights, rows.size, n_taps, strip.n, target)
            else:
                steps.add(taps, weights, rows.size, min(MAX_HELD, n_taps - start), start == 0, strip.n, totals)
            start += MAX_HELD
        if out_plane < 0:
            totals += strip.width * steps.sum_size
        elif not in_one_pass:
            steps.store(totals, strip.n // n_channels, out.strides[2], n_channels, out.strides[3], target)


cdef void through_planes(const medfast_steps *steps, Grid *image, Strips *strips, Table *rows, Table *planes,
                         Py_ssize_t row_start, Py_ssize_t row_stop, char *totals, char *resampled,
                         Py_ssize_t plane_bytes, Grid *out) noexcept nogil:
    """Output rows in all planes; `resampled` holds these rows of the input planes."""
    cdef:
        Py_ssize_t plane, row, start, tap, source, slot, n_held = min(MAX_HELD, planes.n_taps)
        Py_ssize_t width = strips.strips[0].width, line_bytes = width * steps.sum_size
        Py_ssize_t held[MAX_HELD]
        void *taps[MAX_HELD]
        char *target
    for slot in range(MAX_HELD):
        held[slot] = -1
    for plane in range(planes.size):
        start = 0
        while start < planes.n_taps:
            for tap in range(min(MAX_HELD, planes.n_taps - start)):
                source = planes.inputs[(start + tap) * planes.size + plane]
                slot = source % n_held
                taps[tap] = resampled + slot * plane_bytes
                if held[slot] != source:
                    in_plane(steps, image, source, strips, rows, row_start, row_stop, <char *> taps[tap], out, -1)
                    held[slot] = source
            steps.add(taps, planes.weights + (start * planes.size + plane) * steps.sum_size, planes.size,
                      min(MAX_HELD, planes.n_taps - start), start == 0, width * (row_stop - row_start), totals)
            start += MAX_HELD
        for row in range(row_start, row_stop):
            target = out.data + plane * out.strides[0] + row * out.strides[1]
            steps.store(totals + (row - row_start) * line_bytes, out.shape[2], out.strides[2], out.shape[3],
                        out.strides[3], target)


cpdef Py_ssize_t scratch_size(Py_ssize_t row_size, Py_ssize_t width, Py_ssize_t n_channels,
                              Py_ssize_t n_column_taps, Py_ssize_t n_row_taps, Py_ssize_t n_plane_taps,
                              Py_ssize_t n_rows_held) noexcept nogil:
    """Values that `weighted` needs: those of `row_scratch`, and rows of totals and of planes."""
    return (row_scratch(row_size, width, n_channels, n_column_taps, n_row_taps)
            + width * n_rows_held * (1 + min(MAX_HELD, n_plane_taps)))


def weighted(const pixel[:, :, :, :] image,        # IN     (planes, rows, columns, channels)
             const int32_t[:, ::1] columns,        # IN     (taps, outputs) offsets in a row
             const real[:, ::1] column_weights,    # IN     (taps, outputs)
             const int32_t[:, ::1] rows,           # IN     (taps, rows)
             const real[:, ::1] row_weights,       # IN     (taps, rows)
             const int32_t[:, ::1] planes,         # IN     (taps, planes)
             const real[:, ::1] plane_weights,     # IN     (taps, planes); of a lone tap, 1
             Py_ssize_t row_start,
             Py_ssize_t row_stop,
             Py_ssize_t n_rows_held,               # rows that are done together through all planes
             real[::1] scratch,
             pixel[:, :, :, :] out):               # OUT
    """Weighted sums along columns, rows and planes, tap after tap; each input plane is resampled once."""
    cdef:
        Grid source, target
        Strips strips
        Table column_table = Table(&columns[0, 0], <char *> &column_weights[0, 0], columns.shape[0], columns.shape[1])
        Table row_table = Table(&rows[0, 0], <char *> &row_weights[0, 0], rows.shape[0], rows.shape[1])
        Table plane_table = Table(&planes[0, 0], <char *> &plane_weights[0, 0], planes.shape[0], planes.shape[1])
        Py_ssize_t width = columns.shape[1], plane, axis, stop
        Py_ssize_t n_channels = image.shape[3]
        real *totals = &scratch[0] + row_scratch(image.shape[2] * n_channels, width, n_channels, columns.shape[0],
                                                 rows.shape[0])
        real *resampled = totals + n_rows_held * width
        const medfast_steps *steps = steps_of(&out[0, 0, 0, 0])
    # Each compiled function serves one pair of types: integers go with float32, floats with float64.
    if (pixel is float or pixel is double) and real is float:
        return
    if pixel is not float and pixel is not double and real is double:
        return
    source.data, target.data = <char *> &image[0, 0, 0, 0], <char *> &out[0, 0, 0, 0]
    for axis in range(4):
        source.shape[axis], source.strides[axis] = image.shape[axis], image.strides[axis]
        target.shape[axis], target.strides[axis] = out.shape[axis], out.strides[axis]
    with nogil:
        prepare(steps, &column_table, row_table.n_taps, n_channels, <char *> &scratch[0], &strips)
        if plane_table.n_taps == 1:
            for plane in range(plane_table.size):
                in_plane(steps, &source, plane_table.inputs[plane], &strips, &row_table, row_start, row_stop,
                         <char *> totals, &target, plane)
            row_start = row_stop
        while row_start < row_stop:
            stop = min(row_start + n_rows_held, row_stop)
            through_planes(steps, &source, &strips, &row_table, &plane_table, row_start, stop, <char *> totals,
                           <char *> resampled, n_rows_held * width * sizeof(real), &target)
            row_start = stop
