"""What src/hog.pyx has from its C headers, and the ways from rows of an image and to rows of blocks."""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcpy

ctypedef fused pixel:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused real:
    float
    double

ctypedef fused result:
    float
    double

cdef extern from "hog.h" nogil:
    ctypedef struct plan_of_rows "medfast_hog_plan":
        Py_ssize_t n_channels, line_size, n_lines, ties_high_from, n_bins, is_signed, soft, narrow, n_lanes, size
        Py_ssize_t stride, n_groups, part_groups, tile_groups, tile_size, n_at_once, n_open_cols, n_cells, n_cell_rows
        Py_ssize_t n_blocks, n_padded
        const int64_t *taps
        const int32_t *base

    ctypedef struct doubts_of_bins "medfast_hog_doubts":
        Py_ssize_t n, most
        double *asked
        const int64_t *answers

    void load_uint8_t_float "medfast_hog_load_uint8_t_float"(
        const uint8_t *source, Py_ssize_t n, float *line) noexcept
    void load_uint16_t_float "medfast_hog_load_uint16_t_float"(
        const uint16_t *source, Py_ssize_t n, float *line) noexcept
    void load_int16_t_float "medfast_hog_load_int16_t_float"(
        const int16_t *source, Py_ssize_t n, float *line) noexcept
    void load_float_float "medfast_hog_load_float_float"(
        const float *source, Py_ssize_t n, float *line) noexcept
    void load_double_float "medfast_hog_load_double_float"(
        const double *source, Py_ssize_t n, float *line) noexcept
    void load_uint8_t_double "medfast_hog_load_uint8_t_double"(
        const uint8_t *source, Py_ssize_t n, double *line) noexcept
    void load_uint16_t_double "medfast_hog_load_uint16_t_double"(
        const uint16_t *source, Py_ssize_t n, double *line) noexcept
    void load_int16_t_double "medfast_hog_load_int16_t_double"(
        const int16_t *source, Py_ssize_t n, double *line) noexcept
    void load_float_double "medfast_hog_load_float_double"(
        const float *source, Py_ssize_t n, double *line) noexcept
    void load_double_double "medfast_hog_load_double_double"(
        const double *source, Py_ssize_t n, double *line) noexcept
    void root_float "medfast_hog_root_float"(float *line, Py_ssize_t n) noexcept
    void root_double "medfast_hog_root_double"(double *line, Py_ssize_t n) noexcept
    void add_rows_float "medfast_hog_add_rows_float"(
        const plan_of_rows *p, const float *lines, Py_ssize_t row, Py_ssize_t stop, const float *weights,
        const float *column_weights, const float *edges, float *work, int32_t *places, float *columns, float *totals,
    ) noexcept
    void add_rows_double "medfast_hog_add_rows_double"(
        const plan_of_rows *p, const double *lines, Py_ssize_t row, Py_ssize_t stop, const double *weights,
        const double *column_weights, const double *edges, double *work, int32_t *places, double *columns,
        double *totals,
    ) noexcept
    void take_blocks_float "medfast_hog_take_blocks_float"(const plan_of_rows *p, float *totals, Py_ssize_t lane,
                                                           float *values) noexcept
    void take_blocks_double "medfast_hog_take_blocks_double"(const plan_of_rows *p, double *totals, Py_ssize_t lane,
                                                             double *values) noexcept
    void normalize_float "medfast_hog_normalize_float"(
        float *values, Py_ssize_t n, Py_ssize_t size, Py_ssize_t n_blocks, int norm, float clip, const double *epsilon,
        float *scales) noexcept
    void normalize_double "medfast_hog_normalize_double"(
        double *values, Py_ssize_t n, Py_ssize_t size, Py_ssize_t n_blocks, int norm, double clip,
        const double *epsilon, double *scales) noexcept
    void gradient_float "medfast_hog_gradient_of_row_float"(const plan_of_rows *p, const float *lines, Py_ssize_t row,
                                                            Py_ssize_t column, Py_ssize_t n, float *dx,
                                                            float *dy) noexcept
    void vote_float "medfast_hog_vote_float"(const plan_of_rows *p, Py_ssize_t n, const float *edges, float *work,
                                             float *shares, int32_t *places) noexcept
    void add_cells_float "medfast_hog_add_cells_float"(
        const plan_of_rows *p, const float *lines, Py_ssize_t row, const float *edges, const int64_t *special,
        bint single, bint is_float, doubts_of_bins *doubts, float *work, int32_t *places, float *histograms) noexcept
    void add_cells_double "medfast_hog_add_cells_double"(
        const plan_of_rows *p, const double *lines, Py_ssize_t row, const double *edges, const int64_t *special,
        bint single, bint is_float, doubts_of_bins *doubts, double *work, int32_t *places,
        double *histograms) noexcept
    void score_row "medfast_hog_score"(const float *blocks, Py_ssize_t step, Py_ssize_t row_size, const float *detector,
                                       Py_ssize_t n_rows, Py_ssize_t n, double rho, Py_ssize_t n_windows,
                                       double *out) noexcept


cdef inline void load_row(const pixel[:, :, :, :] image, Py_ssize_t item, Py_ssize_t image_row,
                          const int32_t[::1] column_of, Py_ssize_t run_start, Py_ssize_t run_stop, int gamma,
                          real[:, :, ::1] lines, Py_ssize_t row) noexcept nogil:
    """One row of the image, continued at its sides, into its place among the lines that are kept.

    `gamma`: 1 takes square roots, 2 rounds them to float.
    """
    cdef:
        Py_ssize_t channel, col, n = run_stop - run_start
        const pixel *source
        real *line
    for channel in range(lines.shape[1]):
        line = &lines[row % lines.shape[0], channel, 0]
        source = &image[item, image_row, column_of[run_start], channel]
        if image.strides[2] == sizeof(pixel):
            if pixel is uint8_t and real is float:
                load_uint8_t_float(source, n, line + run_start)
            elif pixel is uint16_t and real is float:
                load_uint16_t_float(source, n, line + run_start)
            elif pixel is int16_t and real is float:
                load_int16_t_float(source, n, line + run_start)
            elif pixel is float and real is float:
                load_float_float(source, n, line + run_start)
            elif pixel is double and real is float:
                load_double_float(source, n, line + run_start)
            elif pixel is uint8_t and real is double:
                load_uint8_t_double(source, n, line + run_start)
            elif pixel is uint16_t and real is double:
                load_uint16_t_double(source, n, line + run_start)
            elif pixel is int16_t and real is double:
                load_int16_t_double(source, n, line + run_start)
            elif pixel is float and real is double:
                load_float_double(source, n, line + run_start)
            elif pixel is double and real is double:
                load_double_double(source, n, line + run_start)
        else:
            for col in range(n):
                line[run_start + col] = <real> image[item, image_row, column_of[run_start] + col, channel]
        for col in range(run_start):
            line[col] = <real> image[item, image_row, column_of[col], channel]
        for col in range(run_stop, column_of.shape[0]):
            line[col] = <real> image[item, image_row, column_of[col], channel]
        if gamma:
            if real is float:
                root_float(line, column_of.shape[0])
            else:
                root_double(line, column_of.shape[0])
                if gamma == 2:
                    for col in range(column_of.shape[0]):
                        line[col] = <float> line[col]


cdef inline void write(const real[:, ::1] values, bint rows_first, result[:, :, :, :] out) noexcept nogil:
    """A row of finished blocks; the values of one are (cell cols, cell rows, bins), or (cell rows, cell cols, bins)."""
    cdef:
        Py_ssize_t block, i, j, k, n_rows = out.shape[1], n_cols = out.shape[2], n = n_rows * n_cols * out.shape[3]
        Py_ssize_t bins = out.shape[3] * <Py_ssize_t> sizeof(result)
        Py_ssize_t row_stride = n_cols * bins if rows_first else bins
        Py_ssize_t col_stride = bins if rows_first else n_rows * bins
        const real *value
        result *target
    if (out.strides[1] == row_stride or n_rows == 1) and (out.strides[2] == col_stride or n_cols == 1) \
            and out.strides[3] == sizeof(result):
        for block in range(out.shape[0]):
            value = &values[block, 0]
            target = &out[block, 0, 0, 0]
            if real is result:
                memcpy(target, value, n * sizeof(real))
            else:
                for k in range(n):
                    target[k] = <result> value[k]
        return
    for block in range(out.shape[0]):
        value = &values[block, 0]
        for i in range(n_rows if rows_first else n_cols):
            for j in range(n_cols if rows_first else n_rows):
                for k in range(out.shape[3]):
                    if rows_first:
                        out[block, i, j, k] = <result> value[k]
                    else:
                        out[block, j, i, k] = <result> value[k]
                value += out.shape[3]
