"""Histograms of oriented gradients.

A block is a rectangle of cells; its descriptor is one histogram of gradient directions per cell. The weight of a pixel
in a cell of a block is a Gaussian over the block times two triangles that fall off towards the neighbouring cells: a
product of a weight of its row and a weight of its column. So the rows of a stride go through

    gradient  →  its two votes  →  times the weights of row and column in all open blocks, added to the histogram of
    its square (hog_squares.h); or times the row's weight in each open block row and cell row (the lanes), added to the
    histogram of its column  →  these, times the column's weight, added to each block column and cell column
    (hog_rows.h)

and the last row of a block finishes it: the histograms are normalised and written. A pixel touches two neighbouring
bins of one histogram, with all lanes at once.

A block row keeps its lanes, those of (block row modulo the number of open ones), until it is finished; the next one
begins with zeros there. One more bin than there are takes the higher share of the last bin, and is added to the first
at the end. Sums run in a fixed order, whatever the vectors and threads: all levels agree bit for bit. The loop over
rows stands in hog_describe.h.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t

from hog_rows cimport (
    BLOCKS_LOOK_UP as blocks_look_up, add_cells, code_of, describe_rows, doubts_of_bins, gradient_of_row, image_of,
    load_row, normalize_row, out_of, pixel, plan_of_rows, real, result, score_row, tabulate_gradients, vote,
)

BLOCKS_LOOK_UP = bool(blocks_look_up)  # whether `describe` is faster with a table of `tabulate`


def describe(const pixel[:, :, :, :] image,          # IN     (images, rows, cols, channels) gray levels
             const int64_t[::1] plan,                # IN     what is fixed for an image: medfast/_drivers/hog_plan.py
             const real[::1] tables,                 # IN     constants of the norm, weights, edges of bins: there too
             const real[::1] shares,                 # IN     what `tabulate` made, or None
             Py_ssize_t start,  # block rows, counted through all images
             Py_ssize_t stop,
             real[::1] work,                         # INOUT  as large as the plan says
             real[:, :] out):                        # OUT    (images, values), in an order that the plan says
    """Describe the block rows `start` to `stop` of a batch of images."""
    cdef:
        image_of source
        out_of target
        const void *table = NULL
    if shares is not None:
        table = &shares[0]
    source.data, source.strides = <const char *> &image[0, 0, 0, 0], image.strides
    source.type = code_of(&image[0, 0, 0, 0])
    target.data, target.strides = <char *> &out[0, 0], out.strides
    with nogil:
        describe_rows(real is double, &plan[0], &tables[0], &source, table, start, stop, &work[0], &target)


def count(const pixel[:, :, :, :] image,            # IN     (images, rows, cols, channels) gray levels
          const int64_t[::1] row_of,                # IN     (rows of all cells + 2) row of the image, from row -1
          const int64_t[::1] column_of,             # IN     (cols of all cells + 2) column of the image, from column -1
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
          const real[::1] shares,                   # IN     what `tabulate` made with one lane, or None
          double[:, ::1] asked,                     # OUT    (directions, 2) dy, dx where `single` needs its caller
          int64_t[::1] n_asked,                     # OUT    (1) how many there are, also beyond the room for them
          real[:, :, ::1] lines,                    # INOUT  (3, channels, cols padded)
          real[::1] work,                           # INOUT  (6 * cols padded to 16)
          int32_t[::1] places,                      # INOUT  (cols padded to 16)
          real[:, :, :, ::1] out):                  # OUT    (images, cell rows, cells, bins + 1)
    """Histograms of cells, pixels voting in their own: sums, or with `single` means. `lines` come filled with zeros."""
    cdef:
        Py_ssize_t item, row, i, k, cell, n_bins = out.shape[3] - 1
        real *totals
        image_of source
        plan_of_rows plan
        doubts_of_bins doubts
        const void *table = NULL
    if shares is not None:
        table = &shares[0]
    source.data, source.strides = <const char *> &image[0, 0, 0, 0], image.strides
    source.type = code_of(&image[0, 0, 0, 0])
    doubts.n, doubts.most, doubts.asked, doubts.answers = 0, asked.shape[0], &asked[0, 0], NULL
    if is_answered:
        doubts.answers = &answers[0]
    plan.n_channels, plan.line_size, plan.n_lines = lines.shape[1], lines.shape[2], lines.shape[0]
    plan.run_start, plan.run_stop, plan.n_columns = run_start, run_stop, column_of.shape[0]
    plan.gamma = 2 if gamma and single and pixel is float else gamma
    plan.ties_high_from, plan.narrow, plan.is_signed, plan.soft = <Py_ssize_t> 1 << 62, False, is_signed, soft
    plan.n_bins, plan.n_lanes, plan.stride, plan.tile_size = n_bins, 1, cell_width, places.shape[0]
    plan.n_groups, plan.base = out.shape[2], &base[0]
    with nogil:
        while start < stop:
            item = start // out.shape[1]
            row = start - item * out.shape[1]
            out[item, row] = 0
            for i in range(row * cell_height - 1, (row + 1) * cell_height + 1):
                load_row(real is double, &plan, &source, item, row_of[i + 1], &column_of[0], i + 1, &lines[0, 0, 0])
                if i > row * cell_height:
                    add_cells(real is double, &plan, &lines[0, 0, 0], i - 1, &edges[0, 0], &special[0],
                              single and real is double, pixel is float, &doubts, table, &work[0], &places[0],
                              &out[item, row, 0, 0])
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
              const real[::1] constants,            # IN     (5) clip of l2-hys; epsilon (4)
              Py_ssize_t start,  # block rows, counted through all images
              Py_ssize_t stop,
              real[:, ::1] values,                  # INOUT  (blocks, values padded to 16)
              real[::1] scales,                     # INOUT  (blocks)
              result[:, :, :, :, :, :] out):        # OUT    (images, block rows, cols, cell rows, cols, bins)
    """Normalised blocks of cells. `values` come filled with zeros."""
    cdef:
        Py_ssize_t item, row, i, j, k, block, n_bins = out.shape[5], n_rows = out.shape[3], n_cols = out.shape[4]
        const real *source
        real *target
        Py_ssize_t[4] sizes = [out.shape[2], n_rows, n_cols, n_bins]
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
            normalize_row(real is double, &values[0, 0], sizes, values.shape[1], rows_first, norm, &constants[0],
                          &scales[0], <char *> &out[item, row, 0, 0, 0, 0], out.strides + 2, result is double)
            start += 1


def tabulate(Py_ssize_t n_bins,
             bint is_signed,
             bint soft,
             bint narrow,  # as for `describe`
             bint single,  # bins as scikit-image's
             Py_ssize_t n_lanes,  # from bin to bin, where they are counted
             const real[:, ::1] edges,               # IN     (bins, 2) cosine and sine of each upper edge
             const int64_t[::1] special,             # IN     (3) scikit-image's bins of 45, 90 and 135 degrees
             real[::1] work,                         # INOUT  (8 * 512)
             int32_t[::1] places,                    # INOUT  (512)
             real[::1] shares,                       # OUT    (512 * 512 * 2, or 1 if not `soft`), then as many uint16
             int64_t[::1] n_doubts):                 # OUT    (1) gradients whose bins the caller would have to decide
    """Votes of gradients (dx, dy) of uint8 images, at (dy + 256) * 512 + dx + 256: shares, then the lower one's bin."""
    cdef:
        plan_of_rows plan
        doubts_of_bins doubts
    doubts.n, doubts.most, doubts.asked, doubts.answers = 0, 0, NULL, NULL
    plan.n_bins, plan.is_signed, plan.soft, plan.narrow, plan.n_lanes = n_bins, is_signed, soft, narrow, n_lanes
    with nogil:
        tabulate_gradients(real is double, &plan, &edges[0, 0], &special[0], single, &doubts, &work[0], &places[0],
                           &shares[0])
        n_doubts[0] = doubts.n


def votes(const pixel[:, :, :, :] image,            # IN     (1, rows, cols, channels) gray levels
          const int64_t[::1] row_of,                # IN     (rows of `shares` + 2) row of the image, from row -1
          const int64_t[::1] column_of,             # IN     (cols of `shares` + 2) column of the image, from column -1
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
          float[::1] work,                          # INOUT  (6 * cols padded to 16)
          int32_t[::1] places,                      # INOUT  (cols padded to 16)
          float[:, :, :] shares,                    # OUT    (rows, cols, 2) of the magnitude
          uint8_t[:, :, :] bins):                   # OUT    (rows, cols, 2)
    """The two bins that each pixel votes for, and its votes. `lines` come filled with zeros."""
    cdef:
        Py_ssize_t row, col, n = places.shape[0]
        image_of source
        plan_of_rows plan
    source.data, source.strides = <const char *> &image[0, 0, 0, 0], image.strides
    source.type = code_of(&image[0, 0, 0, 0])
    plan.n_channels, plan.line_size, plan.n_lines = lines.shape[1], lines.shape[2], lines.shape[0]
    plan.ties_high_from, plan.narrow, plan.is_signed, plan.soft = ties_high_from, narrow, is_signed, True
    plan.run_start, plan.run_stop, plan.n_columns, plan.gamma = run_start, run_stop, column_of.shape[0], gamma
    plan.n_bins, plan.n_lanes = n_bins, 1
    with nogil:
        for row in range(start - 1, start + 1):
            load_row(False, &plan, &source, 0, row_of[row + 1], &column_of[0], row + 1, &lines[0, 0, 0])
        for row in range(start, stop):
            load_row(False, &plan, &source, 0, row_of[row + 2], &column_of[0], row + 2, &lines[0, 0, 0])
            gradient_of_row(&plan, &lines[0, 0, 0], row, 0, n, &work[0], &work[n])
            vote(&plan, n, NULL, &work[0], &work[n], &work[2 * n], &work[4 * n], &work[5 * n], &places[0])
            for col in range(shares.shape[1]):
                shares[row, col, 0], shares[row, col, 1] = work[4 * n + col], work[5 * n + col]
                bins[row, col, 0], bins[row, col, 1] = <uint8_t> places[col], <uint8_t> ((places[col] + 1) % n_bins)


def score(const float[:, ::1] blocks,      # IN   (block rows, values of the blocks in a row and 16 zeros)
          const float[:, ::1] detector,    # IN   (block rows of a window, values of its blocks in a row padded to 16)
          Py_ssize_t row_step,  # block rows from a window to the one below
          Py_ssize_t step,  # values from a window to the next
          double rho,  # added to every score
          Py_ssize_t start,  # rows of `out`
          Py_ssize_t stop,
          double[:, ::1] out):             # OUT  (rows, cols) of windows
    """The product of each window's blocks with a detector: in sixteen sums, these in double."""
    cdef Py_ssize_t row
    with nogil:
        for row in range(start, stop):
            score_row(&blocks[row * row_step, 0], step, blocks.shape[1], &detector[0, 0], detector.shape[0],
                      detector.shape[1], rho, out.shape[1], &out[row, 0])


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
