"""Histograms of oriented gradients.

A block is a rectangle of cells; its descriptor is one histogram of gradient directions per cell. The weight of a pixel
in a cell of a block is a Gaussian over the block times two triangles that fall off towards the neighbouring cells: a
product of a weight of its row and a weight of its column. So the rows of a stride go through

    gradient  →  its two votes  →  times the row's weight in each open block row and cell row (the lanes), added to the
    histogram of its column  →  these, times the column's weight, added to each block column and cell column

and the last row of a block finishes it: the histograms are normalised and written. A pixel touches two neighbouring
bins of one histogram; a histogram of lanes is touched once per column, not once per pixel.

A block row keeps its lanes, those of (block row modulo the number of open ones), until it is finished; the next one
begins with zeros there. One more bin than there are takes the higher share of the last bin, and is added to the first
at the end. Sums run in a fixed order, whatever the vectors and threads: all levels agree bit for bit. What is done with
rows stands in hog_rows.h.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t

from hog_rows cimport (
    add_cells_double, add_cells_float, add_rows_double, add_rows_float, doubts_of_bins, gradient_float, load_row,
    normalize_double, normalize_float, pixel, plan_of_rows, real, result, score_row, take_blocks_double,
    take_blocks_float, vote_float, write,
)


def describe(const pixel[:, :, :, :] image,          # IN     (images, rows, cols, channels) gray levels
             const int64_t[::1] row_of,              # IN     (region rows + 2) row of the image, from row -1
             const int32_t[::1] column_of,           # IN     (region cols + 2) column of the image, from column -1
             Py_ssize_t run_start,  # positions of `column_of` from where on, and up to where, columns follow each other
             Py_ssize_t run_stop,
             Py_ssize_t row_stride,  # rows from block to block
             Py_ssize_t stride,  # columns from block to block
             Py_ssize_t ties_high_from,  # column from which the last of equally strong channels wins
             bint narrow,  # as OpenCV does with lines of less than 16 pixels
             const real[:, :, ::1] row_weights,      # IN     (open rows, rows of a stride, lanes), by block row modulo
             const real[:, :, ::1] column_weights,   # IN     (cell cols, open cols, columns of a stride)
             const int64_t[:, :, ::1] taps,          # IN     (open cols, cell cols, 2) where these begin and end
             bint gamma,  # take the square root of the gray levels
             bint is_signed,  # bins over the whole circle, not over half of it
             bint soft,  # share a vote between the two nearest bins
             const real[:, ::1] edges,               # IN     (bins, 2) cosine and sine of each upper edge
             int norm,  # 0 l1, 1 l1-sqrt, 2 l2, 3 l2-hys
             double clip,  # l2-hys: largest value after the first normalisation
             const double[::1] epsilon,              # IN     (4) added under the root and after it, twice
             Py_ssize_t start,  # block rows, counted through all images
             Py_ssize_t stop,
             Py_ssize_t n_groups,  # strides that the columns of all blocks take
             Py_ssize_t part_groups,  # how many of them have their votes found at once,
             Py_ssize_t tile_groups,  # and how many have them added up at once
             const int32_t[::1] base,                # IN     (columns of a part) where each has its bin 0 in `columns`
             real[:, :, ::1] lines,                  # INOUT  (rows done at once + 2, channels, region cols padded)
             real[::1] work,                         # INOUT  (6, rows done at once, columns of a part padded to 16)
             int32_t[:, ::1] places,                 # INOUT  (rows done at once, columns of a part padded to 16)
             real[:, ::1] columns,                   # INOUT  (columns of a tile, bins + 1, lanes; padded)
             real[:, :, ::1] totals,                 # INOUT  (blocks, cell cols, bins + 1, lanes; padded)
             real[:, ::1] values,                    # INOUT  (blocks, values padded to 16)
             real[::1] scales,                       # INOUT  (17 * blocks)
             real[:, :, :, :, :, :] out):            # OUT    (images, block rows, cols, cell rows, cols, bins)
    """Describe the block rows `start` to `stop` of a batch of images. `lines` and `values` come filled with zeros."""
    cdef:
        Py_ssize_t n_block_rows = out.shape[1], n_open = row_weights.shape[0], n_cell_rows = out.shape[3]
        Py_ssize_t block_height = row_of.shape[0] - 2 - (n_block_rows - 1) * row_stride
        Py_ssize_t n_at_once = lines.shape[0] - 2, item, first, last, row, end, loaded, block, stride_row, i, lane
        plan_of_rows plan
    plan.n_channels, plan.line_size, plan.n_lines = lines.shape[1], lines.shape[2], lines.shape[0]
    plan.ties_high_from, plan.narrow, plan.is_signed, plan.soft = ties_high_from, narrow, is_signed, soft
    plan.n_bins, plan.n_lanes, plan.size = out.shape[5], row_weights.shape[2], columns.shape[1]
    plan.stride, plan.n_groups, plan.part_groups, plan.tile_groups = stride, n_groups, part_groups, tile_groups
    plan.tile_size, plan.n_at_once, plan.base = places.shape[1], places.shape[0], &base[0]
    plan.n_open_cols, plan.n_cells, plan.taps = taps.shape[0], taps.shape[1], &taps[0, 0, 0]
    plan.n_cell_rows, plan.n_blocks, plan.n_padded = n_cell_rows, out.shape[2], values.shape[1]
    with nogil:
        while start < stop:
            item = start // n_block_rows
            first = start - item * n_block_rows
            last = min(stop - item * n_block_rows, n_block_rows)
            start = item * n_block_rows + last
            totals[:] = 0
            loaded = first * row_stride - 1  # rows of the region from which on none is in `lines`
            for stride_row in range(first, last - 1 + n_open):
                row = stride_row * row_stride
                end = row + min(row_stride, block_height)
                end = min(end, (last - 1) * row_stride + block_height)
                loaded = max(loaded, row - 1)
                while row < end:
                    i = min(row + n_at_once, end)
                    while loaded <= i:
                        load_row(image, item, row_of[loaded + 1], column_of, run_start, run_stop, gamma, lines,
                                 loaded + 1)
                        loaded += 1
                    if real is float:
                        add_rows_float(&plan, &lines[0, 0, 0], row, i,
                                       &row_weights[stride_row % n_open, row - stride_row * row_stride, 0],
                                       &column_weights[0, 0, 0], &edges[0, 0], &work[0], &places[0, 0], &columns[0, 0],
                                       &totals[0, 0, 0])
                    else:
                        add_rows_double(&plan, &lines[0, 0, 0], row, i,
                                        &row_weights[stride_row % n_open, row - stride_row * row_stride, 0],
                                        &column_weights[0, 0, 0], &edges[0, 0], &work[0], &places[0, 0], &columns[0, 0],
                                        &totals[0, 0, 0])
                    row = i
                block = stride_row - n_open + 1  # this stride held its last row; if it is none of ours, it makes room
                lane = (stride_row + 1) % n_open * n_cell_rows
                if real is float:
                    take_blocks_float(&plan, &totals[0, 0, 0], lane, &values[0, 0])
                    if block >= first:
                        normalize_float(&values[0, 0], plan.n_cells * n_cell_rows * plan.n_bins, plan.n_padded,
                                        plan.n_blocks, norm, clip, &epsilon[0], &scales[0])
                        write(values, False, out[item, block])
                else:
                    take_blocks_double(&plan, &totals[0, 0, 0], lane, &values[0, 0])
                    if block >= first:
                        normalize_double(&values[0, 0], plan.n_cells * n_cell_rows * plan.n_bins, plan.n_padded,
                                         plan.n_blocks, norm, clip, &epsilon[0], &scales[0])
                        write(values, False, out[item, block])


def count(const pixel[:, :, :, :] image,            # IN     (images, rows, cols, channels) gray levels
          const int64_t[::1] row_of,                # IN     (rows of all cells + 2) row of the image, from row -1
          const int32_t[::1] column_of,             # IN     (cols of all cells + 2) column of the image, from column -1
          Py_ssize_t run_start,  # positions of `column_of` from where on, and up to where, columns follow each other
          Py_ssize_t run_stop,
          Py_ssize_t cell_height,
          Py_ssize_t cell_width,
          bint gamma,  # take the square root of the gray levels
          bint is_signed,  # bins over the whole circle, not over half of it
          bint soft,  # share a vote between the two nearest bins
          bint single,  # bins, sums and means as scikit-image's
          const real[:, ::1] edges,                 # IN     (bins, 2) cosine and sine of each upper edge
          const int64_t[::1] special,               # IN     (3) scikit-image's bins of 45, 90 and 135 degrees
          bint is_answered,
          const int64_t[::1] answers,               # IN     the bins of `asked`, if `is_answered`
          Py_ssize_t start,  # rows of cells, counted through all images
          Py_ssize_t stop,
          const int32_t[::1] base,                  # IN     (cols) bins + 1 times the cell of each
          double[:, ::1] asked,                     # OUT    (directions, 2) dy, dx where `single` needs its caller
          int64_t[::1] n_asked,                     # OUT    (1) how many there are, also beyond the room for them
          real[:, :, ::1] lines,                    # INOUT  (3, channels, cols padded)
          real[::1] work,                           # INOUT  (6 * cols padded to 16)
          int32_t[::1] places,                      # INOUT  (cols padded to 16)
          real[:, :, :, ::1] out):                  # OUT    (images, cell rows, cells, bins + 1)
    """Histograms of cells, pixels voting in their own: sums, or with `single` means. `lines` come filled with zeros."""
    cdef:
        Py_ssize_t item, row, i, k, cell, n_bins = out.shape[3] - 1
        int roots = 2 if gamma and single and pixel is float else gamma
        real *totals
        plan_of_rows plan
        doubts_of_bins doubts
    doubts.n, doubts.most, doubts.asked, doubts.answers = 0, asked.shape[0], &asked[0, 0], NULL
    if is_answered:
        doubts.answers = &answers[0]
    plan.n_channels, plan.line_size, plan.n_lines = lines.shape[1], lines.shape[2], lines.shape[0]
    plan.ties_high_from, plan.narrow, plan.is_signed, plan.soft = <Py_ssize_t> 1 << 62, False, is_signed, soft
    plan.n_bins, plan.n_lanes, plan.stride, plan.tile_size = n_bins, 1, cell_width, places.shape[0]
    plan.n_groups, plan.base = out.shape[2], &base[0]
    with nogil:
        while start < stop:
            item = start // out.shape[1]
            row = start - item * out.shape[1]
            out[item, row] = 0
            for i in range(row * cell_height - 1, (row + 1) * cell_height + 1):
                load_row(image, item, row_of[i + 1], column_of, run_start, run_stop, roots, lines, i + 1)
                if i <= row * cell_height:
                    continue
                if real is float:
                    add_cells_float(&plan, &lines[0, 0, 0], i - 1, &edges[0, 0], &special[0], False, False, &doubts,
                                    &work[0], &places[0], &out[item, row, 0, 0])
                else:
                    add_cells_double(&plan, &lines[0, 0, 0], i - 1, &edges[0, 0], &special[0], single, pixel is float,
                                     &doubts, &work[0], &places[0], &out[item, row, 0, 0])
            for cell in range(out.shape[2]):
                totals = &out[item, row, cell, 0]
                if single:
                    for k in range(n_bins):
                        totals[k] = <float> (totals[k] / (cell_height * cell_width))
                else:
                    totals[0] += totals[n_bins]
            start += 1
        n_asked[0] = doubts.n


def normalize(const real[:, :, :, ::1] histograms,  # IN     (images, cell rows, cell cols, bins + 1)
              Py_ssize_t row_step,  # cells from block to block
              Py_ssize_t step,
              bint rows_first,  # of the cells of a block
              int norm,  # 0 l1, 1 l1-sqrt, 2 l2, 3 l2-hys
              double clip,  # l2-hys: largest value after the first normalisation
              const double[::1] epsilon,            # IN     (4) added under the root and after it, twice
              Py_ssize_t start,  # block rows, counted through all images
              Py_ssize_t stop,
              real[:, ::1] values,                  # INOUT  (blocks, values padded to 16)
              real[::1] scales,                     # INOUT  (17 * blocks)
              result[:, :, :, :, :, :] out):        # OUT    (images, block rows, cols, cell rows, cols, bins)
    """Normalised blocks of cells. `values` come filled with zeros."""
    cdef:
        Py_ssize_t item, row, i, j, k, block, n_bins = out.shape[5], n_rows = out.shape[3], n_cols = out.shape[4]
        const real *source
        real *target
    with nogil:
        while start < stop:
            item = start // out.shape[1]
            row = start - item * out.shape[1]
            for block in range(out.shape[2]):
                target = &values[block, 0]
                for i in range(n_rows if rows_first else n_cols):
                    for j in range(n_cols if rows_first else n_rows):
                        if rows_first:
                            source = &histograms[item, row * row_step + i, block * step + j, 0]
                        else:
                            source = &histograms[item, row * row_step + j, block * step + i, 0]
                        for k in range(n_bins):
                            target[k] = source[k]
                        target += n_bins
            if real is float:
                normalize_float(&values[0, 0], n_rows * n_cols * n_bins, values.shape[1], out.shape[2], norm, clip,
                                &epsilon[0], &scales[0])
            else:
                normalize_double(&values[0, 0], n_rows * n_cols * n_bins, values.shape[1], out.shape[2], norm, clip,
                                 &epsilon[0], &scales[0])
            write(values, rows_first, out[item, row])
            start += 1


def votes(const pixel[:, :, :, :] image,            # IN     (1, rows, cols, channels) gray levels
          const int64_t[::1] row_of,                # IN     (rows of `shares` + 2) row of the image, from row -1
          const int32_t[::1] column_of,             # IN     (cols of `shares` + 2) column of the image, from column -1
          Py_ssize_t run_start,  # positions of `column_of` from where on, and up to where, columns follow each other
          Py_ssize_t run_stop,
          Py_ssize_t ties_high_from,  # as for `describe`, up to `is_signed`
          bint narrow,
          bint gamma,
          bint is_signed,
          Py_ssize_t n_bins,
          Py_ssize_t start,  # rows of `shares`
          Py_ssize_t stop,
          float[:, :, ::1] lines,                   # INOUT  (3, channels, cols + 2 padded by 32)
          float[::1] work,                          # INOUT  (5 * cols padded to 16)
          int32_t[::1] places,                      # INOUT  (cols padded to 16)
          float[:, :, :] shares,                    # OUT    (rows, cols, 2) of the magnitude
          uint8_t[:, :, :] bins):                   # OUT    (rows, cols, 2)
    """The two bins that each pixel votes for, and its votes. `lines` come filled with zeros."""
    cdef:
        Py_ssize_t row, col, n = places.shape[0]
        plan_of_rows plan
    plan.n_channels, plan.line_size, plan.n_lines = lines.shape[1], lines.shape[2], lines.shape[0]
    plan.ties_high_from, plan.narrow, plan.is_signed, plan.soft = ties_high_from, narrow, is_signed, True
    plan.n_bins, plan.n_lanes = n_bins, 1
    with nogil:
        for row in range(start - 1, start + 1):
            load_row(image, 0, row_of[row + 1], column_of, run_start, run_stop, gamma, lines, row + 1)
        for row in range(start, stop):
            load_row(image, 0, row_of[row + 2], column_of, run_start, run_stop, gamma, lines, row + 2)
            gradient_float(&plan, &lines[0, 0, 0], row, 0, n, &work[0], &work[n])
            vote_float(&plan, n, NULL, &work[0], &work[3 * n], &places[0])
            for col in range(shares.shape[1]):
                shares[row, col, 0], shares[row, col, 1] = work[3 * n + 2 * col], work[3 * n + 2 * col + 1]
                bins[row, col, 0], bins[row, col, 1] = <uint8_t> places[col], <uint8_t> ((places[col] + 1) % n_bins)


def score(const float[:, :, ::1] blocks,   # IN   (block rows, block cols, values of a block padded to 16)
          const float[:, ::1] detector,    # IN   (block rows of a window, values of them in a row, padded alike)
          Py_ssize_t row_step,  # block rows from a window to the one below
          Py_ssize_t step,  # blocks from a window to the next
          double rho,  # added to every score
          Py_ssize_t start,  # rows of `out`
          Py_ssize_t stop,
          double[:, ::1] out):             # OUT  (rows, cols) of windows
    """The product of each window's blocks with a detector: in sixteen sums, these in double."""
    cdef Py_ssize_t row, size = blocks.shape[2]
    with nogil:
        for row in range(start, stop):
            score_row(&blocks[row * row_step, 0, 0], step * size, blocks.shape[1] * size, &detector[0, 0],
                      detector.shape[0], detector.shape[1], rho, out.shape[1], &out[row, 0])


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
