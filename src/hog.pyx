"""Histograms of oriented gradients.

A block is a rectangle of cells; its descriptor is one histogram of gradient directions per cell. The weight of a pixel
in a cell of a block is a Gaussian over the block times two triangles that fall off towards the neighbouring cells: a
product of a weight of its row and a weight of its column. So each row of the image goes through

    gradient  →  its two votes  →  for each bin, sums over columns, for each block column and cell column
              →  added, times the row's weight, to every block row and cell row that it lies in

and the last row of a block finishes it: the histograms are normalised and written.

Columns are kept by phase: with a block stride of s, column g·s + r is slot (r, g), so that a tap of a column sum, taken
for all blocks of a row, reads neighbours in memory. Work arrays whose last axis is `groups`, `slots` or `blocks` are in
this order. Sums run in a fixed order, columns and rows rising, whatever the vectors and threads: all levels agree bit
for bit. What is done with rows stands in hog_rows.h.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t

ctypedef fused pixel:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused real:
    float
    double

cdef extern from "hog.h" nogil:
    ctypedef struct row_plan "medfast_hog_row":
        Py_ssize_t n_channels, channel_size, stride, n_groups, n_slots, ties_high_from, n_bins, n_planes
        Py_ssize_t is_signed, soft, n_cells, width, n_blocks
        const int64_t *slot_of_tap
        const int64_t *taps

    void reorder_float "medfast_hog_reorder_float"(float *line, Py_ssize_t n, bint gamma, const int32_t *column_of,
                                                   Py_ssize_t n_ordered, float *ordered) noexcept
    void reorder_double "medfast_hog_reorder_double"(double *line, Py_ssize_t n, bint gamma, const int32_t *column_of,
                                                     Py_ssize_t n_ordered, double *ordered) noexcept
    void row_float "medfast_hog_row_float"(const row_plan *plan, const float *above, const float *here,
                                           const float *below, const float *weights, const float *edges,
                                           float *votes, float *planes, float *row_sums) noexcept
    void row_double "medfast_hog_row_double"(const row_plan *plan, const double *above, const double *here,
                                             const double *below, const double *weights, const double *edges,
                                             double *votes, double *planes, double *row_sums) noexcept
    void add_row_float "medfast_hog_add_row_float"(const float *row_sums, float weight, Py_ssize_t n, bint is_first,
                                                   float *sums) noexcept
    void add_row_double "medfast_hog_add_row_double"(const double *row_sums, double weight, Py_ssize_t n, bint is_first,
                                                     double *sums) noexcept
    void normalize_float "medfast_hog_normalize_float"(float *values, Py_ssize_t n, Py_ssize_t n_blocks, int norm,
                                                       float clip, const double *epsilon) noexcept
    void normalize_double "medfast_hog_normalize_double"(double *values, Py_ssize_t n, Py_ssize_t n_blocks, int norm,
                                                         double clip, const double *epsilon) noexcept


def describe(const pixel[:, :, :, :] image,          # IN     (images, rows, cols, channels) gray levels
             const int64_t[::1] row_of,              # IN     (region rows + 2) row of the image, from row -1
             const int32_t[:, ::1] column_of,        # IN     (stride + 2, groups) column of the image, from phase -1
             const int64_t[::1] slot_of_tap,         # IN     (columns of a block) slot of each, in the first block
             Py_ssize_t row_stride,  # rows from block to block
             Py_ssize_t ties_high_from,  # column from which the last of equally strong channels wins
             const real[:, ::1] row_weights,         # IN     (cell rows, rows of a block)
             const real[:, ::1] column_weights,      # IN     (cell cols, columns of a block)
             const int64_t[:, ::1] taps,             # IN     (cell cols, 2) where the column weights begin and end
             bint gamma,  # take the square root of the gray levels
             bint is_signed,  # bins over the whole circle, not over half of it
             bint soft,  # share a vote between the two nearest bins
             const real[:, ::1] edges,               # IN     (bins, 2) cosine and sine of each upper edge
             int norm,  # 0 l1, 1 l1-sqrt, 2 l2, 3 l2-hys
             double clip,  # l2-hys: largest value after the first normalisation
             const double[::1] epsilon,              # IN     (4) added under the root and after it, twice
             Py_ssize_t start,  # block rows, counted through all images
             Py_ssize_t stop,
             real[::1] line,                         # INOUT  (cols) a row of the image
             real[:, :, ::1] levels,                 # INOUT  (3, channels, (stride + 2) * groups + 16) its last rows
             real[:, ::1] votes,                     # INOUT  (5, slots padded to 16) shares, lower bin, gradient
             real[::1] planes,                       # INOUT  (n * slots + 16) what each slot gives to n bins, n >= 1
             real[:, :, ::1] row_sums,               # INOUT  (cell cols, bins, blocks padded to 16)
             real[:, :, :, :, ::1] sums,             # INOUT  (open block rows, cell rows, cell cols, bins, blocks)
             real[:, :, :, :, :, :] out):            # OUT    (images, block rows, cols, cell rows, cols, bins)
    """Describe the block rows `start` to `stop` of a batch of images. `levels` and `planes` come filled with zeros."""
    cdef:
        Py_ssize_t n_block_rows = out.shape[1], block_height = row_weights.shape[1], n_open = sums.shape[0]
        Py_ssize_t n_cell_rows = sums.shape[1], n_values = sums.shape[2] * sums.shape[3]
        Py_ssize_t n_sums = n_values * sums.shape[4], row, item, block, cell, first, last, i
        row_plan plan
    plan.n_channels, plan.channel_size = levels.shape[1], levels.shape[2]
    plan.stride, plan.n_groups, plan.n_slots = column_of.shape[0] - 2, column_of.shape[1], votes.shape[1]
    plan.ties_high_from, plan.n_bins, plan.is_signed, plan.soft = ties_high_from, sums.shape[3], is_signed, soft
    plan.n_cells, plan.width, plan.n_blocks = column_weights.shape[0], column_weights.shape[1], sums.shape[4]
    plan.n_planes = (planes.shape[0] - 16) // plan.n_slots
    plan.slot_of_tap, plan.taps = &slot_of_tap[0], &taps[0, 0]
    with nogil:
        while start < stop:
            item = start // n_block_rows
            first = start - item * n_block_rows
            last = min(stop - item * n_block_rows, n_block_rows)
            start = item * n_block_rows + last
            load_row(image, item, row_of[first * row_stride], column_of, gamma, line, levels, first * row_stride + 2)
            load_row(image, item, row_of[first * row_stride + 1], column_of, gamma, line, levels, first * row_stride)
            for row in range(first * row_stride, (last - 1) * row_stride + block_height):
                load_row(image, item, row_of[row + 2], column_of, gamma, line, levels, row + 1)
                block = first if row < block_height else max(first, (row - block_height) // row_stride + 1)
                if block > min(last - 1, row // row_stride):  # a stride beyond the block: a row in none
                    continue
                if real is float:
                    row_float(&plan, &levels[(row + 2) % 3, 0, 0], &levels[row % 3, 0, 0],
                              &levels[(row + 1) % 3, 0, 0], &column_weights[0, 0], &edges[0, 0], &votes[0, 0],
                              &planes[0], &row_sums[0, 0, 0])
                else:
                    row_double(&plan, &levels[(row + 2) % 3, 0, 0], &levels[row % 3, 0, 0],
                               &levels[(row + 1) % 3, 0, 0], &column_weights[0, 0], &edges[0, 0], &votes[0, 0],
                               &planes[0], &row_sums[0, 0, 0])
                for block in range(block, min(last - 1, row // row_stride) + 1):
                    i = row - block * row_stride
                    for cell in range(n_cell_rows):
                        if real is float:
                            add_row_float(&row_sums[0, 0, 0], row_weights[cell, i], n_sums, i == 0,
                                          &sums[block % n_open, cell, 0, 0, 0])
                        else:
                            add_row_double(&row_sums[0, 0, 0], row_weights[cell, i], n_sums, i == 0,
                                           &sums[block % n_open, cell, 0, 0, 0])
                    if i == block_height - 1:
                        if real is float:
                            normalize_float(&sums[block % n_open, 0, 0, 0, 0], n_cell_rows * n_values, sums.shape[4],
                                            norm, clip, &epsilon[0])
                        else:
                            normalize_double(&sums[block % n_open, 0, 0, 0, 0], n_cell_rows * n_values, sums.shape[4],
                                             norm, clip, &epsilon[0])
                        write(sums[block % n_open], out[item, block])


cdef void load_row(const pixel[:, :, :, :] image, Py_ssize_t item, Py_ssize_t image_row,
                   const int32_t[:, ::1] column_of, bint gamma, real[::1] line, real[:, :, ::1] levels,
                   Py_ssize_t row) noexcept nogil:
    """One row of the image in order of phase, into its place among the last three."""
    cdef:
        Py_ssize_t channel, col, n = column_of.shape[0] * column_of.shape[1]
        const pixel *source
    for channel in range(levels.shape[1]):
        if image.strides[2] == sizeof(pixel):
            source = &image[item, image_row, 0, channel]
            for col in range(line.shape[0]):
                line[col] = <real> source[col]
        else:
            for col in range(line.shape[0]):
                line[col] = <real> image[item, image_row, col, channel]
        if real is float:
            reorder_float(&line[0], line.shape[0], gamma, &column_of[0, 0], n, &levels[row % 3, channel, 0])
        else:
            reorder_double(&line[0], line.shape[0], gamma, &column_of[0, 0], n, &levels[row % 3, channel, 0])


cdef void write(const real[:, :, :, ::1] values, real[:, :, :, :] out) noexcept nogil:
    """A row of finished blocks, from side by side to block by block."""
    cdef:
        Py_ssize_t block, cell_row, cell_col, k
        const real *value
    for block in range(out.shape[0]):
        for cell_row in range(out.shape[1]):
            for cell_col in range(out.shape[2]):
                value = &values[cell_row, cell_col, 0, block]
                for k in range(out.shape[3]):
                    out[block, cell_row, cell_col, k] = value[k * values.shape[3]]


def halve(const pixel[:, :, :, :] image,    # IN   (images, rows, cols, channels) gray levels
          Py_ssize_t start,  # rows of `out`, counted through all images
          Py_ssize_t stop,
          pixel[:, :, :, ::1] out):         # OUT  (images, rows // 2, cols // 2, channels)
    """Mean of 2 x 2 pixels, integers rounded half up; an odd last row or column is left out."""
    cdef:
        Py_ssize_t i, item, row, channel, n_channels = out.shape[3]
        Py_ssize_t step = image.strides[2] // <Py_ssize_t> sizeof(pixel)
    with nogil:
        for i in range(start, stop):
            item = i // out.shape[1]
            row = i - item * out.shape[1]
            for channel in range(n_channels):
                if image.strides[2] == sizeof(pixel) and n_channels == 1:  # constants, so that it becomes vectors
                    halve_row(&image[item, 2 * row, 0, 0], &image[item, 2 * row + 1, 0, 0], 1, out.shape[2], 1,
                              &out[item, row, 0, 0])
                else:
                    halve_row(&image[item, 2 * row, 0, channel], &image[item, 2 * row + 1, 0, channel], step,
                              out.shape[2], n_channels, &out[item, row, 0, channel])


cdef inline void halve_row(const pixel *above, const pixel *below, Py_ssize_t step, Py_ssize_t n, Py_ssize_t out_step,
                           pixel *out) noexcept nogil:
    """`step` and `out_step`: pixels from column to column."""
    cdef Py_ssize_t col
    for col in range(n):
        if pixel is float or pixel is double:
            out[col * out_step] = <pixel> 0.25 * ((above[2 * col * step] + above[(2 * col + 1) * step])
                                                  + (below[2 * col * step] + below[(2 * col + 1) * step]))
        else:
            out[col * out_step] = <pixel> ((<int> above[2 * col * step] + above[(2 * col + 1) * step]
                                            + below[2 * col * step] + below[(2 * col + 1) * step] + 2) >> 2)
