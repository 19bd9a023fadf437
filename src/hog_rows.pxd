"""What src/hog.pyx has from its C headers."""
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

ctypedef fused result:
    float
    double

cdef extern from "hog.h" nogil:
    const int BLOCKS_LOOK_UP "MEDFAST_HOG_BLOCKS_LOOK_UP"

    ctypedef struct plan_of_rows "medfast_hog_plan":
        int64_t n_channels, line_size, n_lines, run_start, run_stop, n_rows, n_columns, gamma, ties_high_from, narrow
        int64_t n_bins, is_signed, soft, n_lanes, stride, n_groups, tile_size
        const int32_t *base

    ctypedef struct image_of "medfast_hog_image":
        const char *data
        const Py_ssize_t *strides
        int type

    ctypedef struct out_of "medfast_hog_out":
        char *data
        const Py_ssize_t *strides

    ctypedef struct doubts_of_bins "medfast_hog_doubts":
        Py_ssize_t n, most
        double *asked
        const int64_t *answers

    void describe_rows "medfast_hog_describe"(
        bint is_double, const int64_t *plan, const void *tables, const image_of *image, const void *shares,
        Py_ssize_t start, Py_ssize_t stop, void *work, const out_of *out) noexcept
    void tabulate_gradients "medfast_hog_tabulate"(
        bint is_double, const plan_of_rows *p, const void *edges, const int64_t *special, bint single,
        doubts_of_bins *doubts, void *work, int32_t *places, void *shares) noexcept
    void load_row "medfast_hog_load_row"(
        bint is_double, const plan_of_rows *p, const image_of *image, Py_ssize_t item, Py_ssize_t image_row,
        const int64_t *column_of, Py_ssize_t row, void *lines) noexcept
    void add_cells "medfast_hog_add_cells"(
        bint is_double, const plan_of_rows *p, const void *lines, Py_ssize_t row, const void *edges,
        const int64_t *special, bint single, bint is_float, doubts_of_bins *doubts, const void *shares, void *work,
        int32_t *places, void *histograms) noexcept
    void normalize_row "medfast_hog_normalize"(
        bint is_double, void *values, const Py_ssize_t *n, Py_ssize_t n_padded, bint rows_first, int norm,
        const void *constants, void *scales, char *to, const Py_ssize_t *strides, bint to_double) noexcept
    void gradient_of_row "medfast_hog_gradient_of_row_float"(
        const plan_of_rows *p, const float *lines, Py_ssize_t row, Py_ssize_t column, Py_ssize_t n, float *dx,
        float *dy) noexcept
    void vote "medfast_hog_vote_float"(
        const plan_of_rows *p, Py_ssize_t n, const float *edges, float *dx, float *dy, float *room, float *lower,
        float *higher, int32_t *places) noexcept
    void score_row "medfast_hog_score"(
        const float *blocks, Py_ssize_t step, Py_ssize_t row_size, const float *detector, Py_ssize_t n_rows,
        Py_ssize_t n, double rho, Py_ssize_t n_windows, double *out) noexcept


cdef inline int code_of(const pixel *_) noexcept nogil:
    """The type of pixels, as the headers number them."""
    if pixel is uint8_t:
        return 0
    elif pixel is uint16_t:
        return 1
    elif pixel is int16_t:
        return 2
    elif pixel is float:
        return 3
    else:
        return 4
