"""Histograms of oriented gradients.

A block is a rectangle of cells; its descriptor is one histogram of gradient directions per cell. The weight of a pixel in a
cell of a block is a Gaussian over the block times two triangles that fall off towards the neighbouring cells: a product of a
weight of its row and a weight of its column. So each row of the image goes through

    gradient  →  its two votes  →  one plane per bin  →  sums over columns, for each block column and cell column
              →  added, times the row's weight, to every block row and cell row that it lies in

and the last row of a block finishes it: the histograms are normalised and written.

Columns are kept by phase: with a block stride of s, column g·s + r is slot (r, g), so that a tap of a column sum, taken for
all blocks of a row, reads neighbours in memory. Work arrays whose last axis is `groups`, `slots` or `blocks` are in this order.
Sums run in a fixed order, columns and rows rising, whatever the vectors and threads: all levels agree bit for bit.
"""
from libc.math cimport fabs, fabsf, sqrt, sqrtf
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t

ctypedef fused pixel:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused real:
    float
    double

cdef enum:
    LANES = 16  # blocks summed side by side: one register of 512 bits, several of the narrower ones
    L1 = 0
    L1_SQRT = 1
    L2 = 2
    L2_HYS = 3

cdef extern from *:
    """
    #define MEDFAST_PI 3.141592653589793
    /* OpenCV's polynomial for the arctangent on [0, 1], in degrees, off by up to 0.01; as rounded to float32 there */
    #define MEDFAST_P1 57.283626556396484
    #define MEDFAST_P3 -18.66744613647461
    #define MEDFAST_P5 8.914000511169434
    #define MEDFAST_P7 -2.539724588394165
    """
    const double PI "MEDFAST_PI"
    const double P1 "MEDFAST_P1"
    const double P3 "MEDFAST_P3"
    const double P5 "MEDFAST_P5"
    const double P7 "MEDFAST_P7"


def describe(const pixel[:, :, :, :] image,          # IN     (images, rows, cols, channels) gray levels
             const int64_t[::1] row_of,              # IN     (region rows + 2) row of the image, from the region's row -1
             const int64_t[:, ::1] column_of,        # IN     (stride + 2, groups) column of the image, from phase -1
             Py_ssize_t row_stride,                  #        rows from block to block
             Py_ssize_t ties_high_from,              #        column from which the last of equally strong channels wins
             const real[:, ::1] row_weights,         # IN     (cell rows, rows of a block)
             const real[:, ::1] column_weights,      # IN     (cell cols, columns of a block)
             bint gamma,                             #        take the square root of the gray levels
             bint is_signed,                         #        bins over the whole circle, not over half of it
             bint soft,                              #        share a vote between the two nearest bins
             const real[:, ::1] edges,               # IN     (bins - 1, 2) cosine and sine of each lower edge but the first
             int norm,                               #        0 l1, 1 l1-sqrt, 2 l2, 3 l2-hys
             double clip,                            #        l2-hys: largest value after the first normalisation
             const double[::1] epsilon,              # IN     (4) added under the root and after it, twice
             Py_ssize_t start,                       #        block rows, counted through all images
             Py_ssize_t stop,
             real[:, :, :, ::1] levels,              # INOUT  (3, channels, stride + 2, groups) rows of the image by phase
             real[:, ::1] votes,                     # INOUT  (6, slots) shares, bins, gradient
             real[::1] planes,                       # INOUT  (bins * slots + 16) what each pixel gives to each bin
             real[:, :, ::1] row_sums,               # INOUT  (cell cols, bins, blocks padded to 16)
             real[:, :, :, :, ::1] sums,             # INOUT  (open block rows, cell rows, cell cols, bins, blocks)
             real[:, :, :, :, :, :] out):            # OUT    (images, block rows, block cols, cell rows, cell cols, bins)
    """Describe the block rows `start` to `stop` of a batch of images."""
    cdef:
        Py_ssize_t n_block_rows = out.shape[1], block_height = row_weights.shape[1], n_open = sums.shape[0]
        Py_ssize_t n_cell_rows = sums.shape[1], n_sums = sums.shape[2] * sums.shape[3] * sums.shape[4]
        Py_ssize_t n_slots = votes.shape[1], row, item, block, cell, first, last, i
    with nogil:
        for i in range(LANES):  # read by the padding of the last block columns
            planes[planes.shape[0] - LANES + i] = 0
        while start < stop:
            item = start // n_block_rows
            first = start - item * n_block_rows
            last = min(stop - item * n_block_rows, n_block_rows)
            start = item * n_block_rows + last
            load_row(image, item, row_of[first * row_stride], column_of, gamma, levels, first * row_stride + 2)
            load_row(image, item, row_of[first * row_stride + 1], column_of, gamma, levels, first * row_stride)
            for row in range(first * row_stride, (last - 1) * row_stride + block_height):
                load_row(image, item, row_of[row + 2], column_of, gamma, levels, row + 1)
                block = first if row < block_height else max(first, (row - block_height) // row_stride + 1)
                if block > min(last - 1, row // row_stride):  # a stride beyond the block: a row in none
                    continue
                gradient(levels, row, ties_high_from, votes)
                if soft:
                    vote_soft(votes, row_sums.shape[1], is_signed)
                else:
                    vote_hard(votes, row_sums.shape[1], is_signed, edges)
                spread(votes, row_sums.shape[1], &planes[0])
                sum_columns(&planes[0], n_slots, levels.shape[3], column_weights, row_sums)
                for block in range(block, min(last - 1, row // row_stride) + 1):
                    i = row - block * row_stride
                    for cell in range(n_cell_rows):
                        add_row(&row_sums[0, 0, 0], row_weights[cell, i], n_sums, i == 0,
                                &sums[block % n_open, cell, 0, 0, 0])
                    if i == block_height - 1:
                        finish(sums, block % n_open, norm, clip, epsilon, out[item, block])


cdef void load_row(const pixel[:, :, :, :] image, Py_ssize_t item, Py_ssize_t image_row, const int64_t[:, ::1] column_of,
                   bint gamma, real[:, :, :, ::1] levels, Py_ssize_t row) noexcept nogil:
    """One row of the image in order of phase, into its place among the last three."""
    cdef:
        Py_ssize_t channel, i, n = column_of.shape[0] * column_of.shape[1]
        const int64_t *column = &column_of[0, 0]
        real *target
    for channel in range(levels.shape[1]):
        target = &levels[row % 3, channel, 0, 0]
        for i in range(n):
            target[i] = <real> image[item, image_row, column[i], channel]
        if gamma:
            for i in range(n):
                target[i] = root(target[i])


cdef void gradient(real[:, :, :, ::1] levels, Py_ssize_t row, Py_ssize_t ties_high_from, real[:, ::1] votes) noexcept nogil:
    """Centred differences of the strongest channel."""
    cdef:
        Py_ssize_t n_groups = levels.shape[3], stride = levels.shape[2] - 2, n = stride * n_groups, channel, i, phase, group
        const real *above
        const real *here
        const real *below
        real *dx = &votes[4, 0]
        real *dy = &votes[5, 0]
        real new_dx, new_dy, new, old
    for channel in range(levels.shape[1]):
        above = &levels[(row + 2) % 3, channel, 1, 0]
        here = &levels[row % 3, channel, 0, 0]
        below = &levels[(row + 1) % 3, channel, 1, 0]
        if channel == 0:
            for i in range(n):
                dx[i] = here[i + 2 * n_groups] - here[i]
                dy[i] = below[i] - above[i]
            continue
        for phase in range(stride):
            for group in range(n_groups):
                i = phase * n_groups + group
                new_dx = here[i + 2 * n_groups] - here[i]
                new_dy = below[i] - above[i]
                new = new_dx * new_dx + new_dy * new_dy
                old = dx[i] * dx[i] + dy[i] * dy[i]
                if new > old or (new == old and group * stride + phase >= ties_high_from):
                    dx[i] = new_dx
                    dy[i] = new_dy


cdef void vote_soft(real[:, ::1] votes, Py_ssize_t n_bins, bint is_signed) noexcept nogil:
    """Magnitude, shared between the two nearest bins; bin k is centred at k + 1/2 widths.

    Degrees, radians, bins, each rounded: OpenCV's way, for in shares of a bin its rounding is as large as 1e-5.
    """
    cdef:
        Py_ssize_t i
        real *low_share = &votes[0, 0]
        real *high_share = &votes[1, 0]
        real *low_bin = &votes[2, 0]
        real *high_bin = &votes[3, 0]
        const real *x = &votes[4, 0]
        const real *y = &votes[5, 0]
        real bins = <real> n_bins, to_radians = <real> (PI / 180), to_bins = <real> (n_bins / (2 * PI if is_signed else PI))
        real tiny = <real> 2.220446049250313e-16, dx, dy, ax, ay, ratio, square, angle, low, magnitude, share
    for i in range(votes.shape[1]):
        dx = x[i]
        dy = y[i]
        ax = absolute(dx)
        ay = absolute(dy)
        ratio = (ay if ax >= ay else ax) / ((ax if ax >= ay else ay) + tiny)
        square = ratio * ratio
        angle = (((<real> P7 * square + <real> P5) * square + <real> P3) * square + <real> P1) * ratio
        angle = angle if ax >= ay else 90 - angle
        angle = 180 - angle if dx < 0 else angle
        angle = 360 - angle if dy < 0 else angle
        angle = angle * to_radians * to_bins - <real> 0.5
        low = <real> <int> angle
        low = low - 1 if angle < 0 else low
        share = angle - low
        magnitude = root(dx * dx + dy * dy)
        low_share[i] = magnitude * (1 - share)
        high_share[i] = magnitude * share
        low = low - bins if low >= bins else low  # unsigned: the angle modulo half a circle
        high_bin[i] = 0 if low == bins - 1 else low + 1
        low_bin[i] = bins - 1 if low < 0 else low


cdef void vote_hard(real[:, ::1] votes, Py_ssize_t n_bins, bint is_signed, const real[:, ::1] edges) noexcept nogil:
    """Magnitude, for the bin [k, k + 1) widths: as many edges as the direction lies on or beyond.

    Sides of a line instead of an angle, so that the directions of integers on an edge (multiples of 45°) are exact.
    """
    cdef:
        Py_ssize_t i, k
        real *share = &votes[1, 0]
        real *is_lower = &votes[0, 0]
        real *in_bin = &votes[2, 0]
        real *dx = &votes[4, 0]
        real *dy = &votes[5, 0]
        real cosine, sine, side
    for i in range(votes.shape[1]):
        share[i] = root(dx[i] * dx[i] + dy[i] * dy[i])
        in_bin[i] = 0
        side = 1 if dy[i] < 0 or (dy[i] == 0 and dx[i] < 0) else 0
        dx[i] = -dx[i] if side != 0 else dx[i]
        dy[i] = -dy[i] if side != 0 else dy[i]
        is_lower[i] = side if is_signed else 0
    for k in range(n_bins - 1):
        cosine, sine = edges[k, 0], edges[k, 1]
        if is_signed and 2 * (k + 1) >= n_bins:  # an edge of the lower half plane
            for i in range(votes.shape[1]):
                side = cosine * dy[i] - sine * dx[i]
                in_bin[i] += 1 if side >= 0 and is_lower[i] != 0 else 0
        else:
            for i in range(votes.shape[1]):
                side = cosine * dy[i] - sine * dx[i]
                in_bin[i] += 1 if side >= 0 or is_lower[i] != 0 else 0
    for i in range(votes.shape[1]):
        votes[0, i] = 0
        votes[3, i] = in_bin[i]


cdef void spread(const real[:, ::1] votes, Py_ssize_t n_bins, real *planes) noexcept nogil:
    """Each bin's share of every pixel of the row: a plane per bin, most of it zero, which vectors do not mind.

    With one bin the lower share is lost, as in OpenCV.
    """
    cdef:
        Py_ssize_t i, k, n = votes.shape[1]
        const real *low_share = &votes[0, 0]
        const real *high_share = &votes[1, 0]
        const real *low_bin = &votes[2, 0]
        const real *high_bin = &votes[3, 0]
        real *plane
        real of_bin, share
    for k in range(n_bins):
        plane = planes + k * n
        of_bin = <real> k
        for i in range(n):
            share = low_share[i] if low_bin[i] == of_bin else 0
            plane[i] = high_share[i] if high_bin[i] == of_bin else share


cdef void sum_columns(const real *planes, Py_ssize_t n_slots, Py_ssize_t n_groups, const real[:, ::1] weights,
                      real[:, :, ::1] row_sums) noexcept nogil:
    """The row's part in the histogram of each cell column of each block column: a weighted sum over the block's columns."""
    cdef:
        Py_ssize_t stride = n_slots // n_groups, cell, k, chunk, block, lane, tap, group, phase
        const real *source
        real total[LANES]
        real weight
    for cell in range(row_sums.shape[0]):
        for k in range(row_sums.shape[1]):
            for chunk in range(row_sums.shape[2] // LANES):
                block = chunk * LANES
                for lane in range(LANES):
                    total[lane] = 0
                phase = group = 0
                for tap in range(weights.shape[1]):
                    weight = weights[cell, tap]
                    if weight != 0:
                        source = planes + k * n_slots + phase * n_groups + group + block
                        for lane in range(LANES):
                            total[lane] += weight * source[lane]
                    phase += 1
                    if phase == stride:
                        phase = 0
                        group += 1
                for lane in range(LANES):
                    row_sums[cell, k, block + lane] = total[lane]


cdef void add_row(const real *row_sums, real weight, Py_ssize_t n, bint is_first, real *sums) noexcept nogil:
    cdef Py_ssize_t i
    if is_first:
        for i in range(n):
            sums[i] = weight * row_sums[i]
    elif weight != 0:
        for i in range(n):
            sums[i] += weight * row_sums[i]


cdef void finish(real[:, :, :, :, ::1] sums, Py_ssize_t place, int norm, double clip, const double[::1] epsilon,
                 real[:, :, :, :] out) noexcept nogil:
    """Normalise the histograms of a row of blocks and write them."""
    cdef:
        Py_ssize_t n_blocks = sums.shape[4], n = sums.shape[1] * sums.shape[2] * sums.shape[3]
        Py_ssize_t chunk, block, lane, i, cell_row, cell_col, k
        real *values
        real total[LANES]
        real value, largest = <real> clip
        real e0 = <real> epsilon[0], e1 = <real> epsilon[1], e2 = <real> epsilon[2], e3 = <real> epsilon[3]
    for chunk in range(n_blocks // LANES):
        values = &sums[place, 0, 0, 0, chunk * LANES]
        for lane in range(LANES):
            total[lane] = 0
        for i in range(n):
            for lane in range(LANES):
                value = values[i * n_blocks + lane]
                total[lane] += value if norm == L1 or norm == L1_SQRT else value * value
        for lane in range(LANES):
            value = total[lane] + e0
            total[lane] = 1 / ((value if norm == L1 or norm == L1_SQRT else root(value)) + e1)
        if norm == L2_HYS:
            scale_and_clip(values, n_blocks, n, largest, total)
            for lane in range(LANES):
                total[lane] = 1 / (root(total[lane] + e2) + e3)
        for i in range(n):
            for lane in range(LANES):
                value = values[i * n_blocks + lane] * total[lane]
                values[i * n_blocks + lane] = root(value) if norm == L1_SQRT else value
    for block in range(out.shape[0]):
        for cell_row in range(out.shape[1]):
            for cell_col in range(out.shape[2]):
                values = &sums[place, cell_row, cell_col, 0, block]
                for k in range(out.shape[3]):
                    out[block, cell_row, cell_col, k] = values[k * n_blocks]


cdef void scale_and_clip(real *values, Py_ssize_t n_blocks, Py_ssize_t n, real largest, real *total) noexcept nogil:
    """Scale by `total` and cut at `largest`; `total` becomes the sum of squares of the result."""
    cdef:
        Py_ssize_t i, lane
        real scale[LANES]
        real value
    for lane in range(LANES):
        scale[lane] = total[lane]
        total[lane] = 0
    for i in range(n):
        for lane in range(LANES):
            value = values[i * n_blocks + lane] * scale[lane]
            value = value if value < largest else largest
            values[i * n_blocks + lane] = value
            total[lane] += value * value


cdef inline real root(real value) noexcept nogil:
    if real is float:
        return sqrtf(value)
    else:
        return sqrt(value)


cdef inline real absolute(real value) noexcept nogil:
    if real is float:
        return fabsf(value)
    else:
        return fabs(value)


def halve(const pixel[:, :, :, :] image,    # IN   (images, rows, cols, channels) gray levels
          Py_ssize_t start,                 #      rows of `out`, counted through all images
          Py_ssize_t stop,
          pixel[:, :, :, :] out):           # OUT  (images, rows // 2, cols // 2, channels)
    """Mean of 2 x 2 pixels, integers rounded half up; an odd last row or column is left out."""
    cdef Py_ssize_t i, item, row, col, channel
    with nogil:
        for i in range(start, stop):
            item = i // out.shape[1]
            row = i - item * out.shape[1]
            for col in range(out.shape[2]):
                for channel in range(out.shape[3]):
                    if pixel is float or pixel is double:
                        out[item, row, col, channel] = <pixel> 0.25 * (
                            (image[item, 2 * row, 2 * col, channel] + image[item, 2 * row, 2 * col + 1, channel])
                            + (image[item, 2 * row + 1, 2 * col, channel] + image[item, 2 * row + 1, 2 * col + 1, channel]))
                    else:
                        out[item, row, col, channel] = <pixel> ((
                            <int> image[item, 2 * row, 2 * col, channel] + image[item, 2 * row, 2 * col + 1, channel]
                            + image[item, 2 * row + 1, 2 * col, channel] + image[item, 2 * row + 1, 2 * col + 1, channel]
                            + 2) >> 2)
