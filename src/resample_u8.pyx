"""Resampling of uint8 images in OpenCV's arithmetic: fixed point, and float32 where OpenCV has it.

Images are (rows, columns, channels). A table is (taps, outputs): along the columns, an output is one value of one
channel and an input pixel its offset in an interleaved row.
"""
from libc.stdint cimport int16_t, int32_t, uint8_t
from libc.string cimport memcpy

from u8_rows cimport interleaved, is_interleaved, spread

cdef extern from "resample_u8.h" nogil:
    enum:
        MEDFAST_LINEAR
        MEDFAST_LINEAR_EXACT
        MEDFAST_CUBIC
        MEDFAST_LANCZOS4
        MEDFAST_BLOCK
    int medfast_windows(const int32_t *, const int16_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, int,
                        int32_t *, int32_t *, int32_t *)
    void medfast_line(int, const uint8_t *, const int32_t *, const int16_t *, Py_ssize_t, int,
                      const int32_t *, const int32_t *, const int32_t *, Py_ssize_t, void *)
    int medfast_picks(const int32_t *, Py_ssize_t, Py_ssize_t, int32_t *, uint8_t *)
    void medfast_pick(const uint8_t *, const int32_t *, Py_ssize_t, int, const int32_t *, const uint8_t *, uint8_t *)
    void medfast_column_step(int, void **, const int16_t *, Py_ssize_t, uint8_t *)


cdef inline Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    return (n + MEDFAST_BLOCK - 1) // MEDFAST_BLOCK * MEDFAST_BLOCK


cdef void weighted(int mode, const uint8_t[:, :, :] image, const int32_t[:, ::1] columns,
                   const int16_t[:, ::1] column_weights, const int32_t[:, ::1] rows, const int16_t[:, ::1] row_weights,
                   Py_ssize_t row_start, Py_ssize_t row_stop, uint8_t *scratch, uint8_t[:, :, :] out) noexcept nogil:
    """Each input row once along the columns, kept while output rows need it; then the weighted sum of those lines."""
    cdef:
        Py_ssize_t n_taps = columns.shape[0], width = columns.shape[1], n_padded = padded(width)
        Py_ssize_t row_bytes = image.shape[1] * image.shape[2], row, tap, source, slot
        uint8_t *copy = scratch
        uint8_t *values = copy + padded(row_bytes)
        int32_t *first = <int32_t *> (values + n_padded)
        int32_t *picks = first + n_padded
        int32_t *packed = picks + n_padded * (n_taps // 2)
        uint8_t *lines = <uint8_t *> (packed + n_padded * (n_taps // 2))
        void *taps[8]
        int16_t weights[8]
        Py_ssize_t held[8]
        bint in_place = is_interleaved(out)
        int n_sharing = 4
    while n_sharing and not medfast_windows(&columns[0, 0], &column_weights[0, 0], n_taps, width, n_padded, row_bytes,
                                            n_sharing, first, picks, packed):
        n_sharing = 2 if n_sharing == 4 else 0
    for slot in range(n_taps):
        held[slot] = -1
    for row in range(row_start, row_stop):
        for tap in range(n_taps):
            source = rows[tap, row]
            slot = source % n_taps  # neighbouring rows, so no two of one output share a slot
            taps[tap] = lines + slot * n_padded * 4
            weights[tap] = row_weights[tap, row]
            if held[slot] != source:
                medfast_line(mode, interleaved(image, source, copy), &columns[0, 0], &column_weights[0, 0], width,
                             n_sharing, first, picks, packed, n_padded, taps[tap])
                held[slot] = source
        if in_place:
            medfast_column_step(mode, taps, weights, width, &out[row, 0, 0])
        else:
            medfast_column_step(mode, taps, weights, width, values)
            spread(values, out, row)


def nearest(const uint8_t[:, :, :] image,     # IN   gray levels
            const int32_t[::1] columns,       # IN   (outputs) offsets in a row
            const int32_t[::1] rows,          # IN   (rows)
            Py_ssize_t row_start,
            Py_ssize_t row_stop,
            uint8_t[::1] scratch,
            uint8_t[:, :, :] out):            # OUT
    """Copy the nearest pixel."""
    cdef:
        Py_ssize_t width = columns.shape[0], row_bytes = image.shape[1] * image.shape[2], row
        uint8_t *copy = &scratch[0]
        uint8_t *values = copy + padded(row_bytes)
        uint8_t *picks = values + padded(width)
        int32_t *first = <int32_t *> (picks + 4 * padded(width))
        int n_sharing
        bint in_place = is_interleaved(out)
        uint8_t *target
    with nogil:
        n_sharing = medfast_picks(&columns[0], width, row_bytes, first, picks)
        for row in range(row_start, row_stop):
            target = &out[row, 0, 0] if in_place else values
            if in_place and row > row_start and rows[row] == rows[row - 1]:  # enlarged: the row above again
                memcpy(target, &out[row - 1, 0, 0], width)
            else:
                medfast_pick(interleaved(image, rows[row], copy), &columns[0], width, n_sharing, first, picks, target)
            if not in_place:
                spread(values, out, row)


def linear(const uint8_t[:, :, :] image,             # IN   gray levels
           const int32_t[:, ::1] columns,            # IN   (2, outputs) offsets in a row
           const int16_t[:, ::1] column_weights,     # IN   (2, outputs) of 11 bits
           const int32_t[:, ::1] rows,               # IN   (2, rows)
           const int16_t[:, ::1] row_weights,        # IN   (2, rows) of 11 bits
           Py_ssize_t row_start,
           Py_ssize_t row_stop,
           uint8_t[::1] scratch,
           uint8_t[:, :, :] out):                    # OUT
    """The vertical sum is made of high halves of 16-bit products, of horizontal sums without their low four bits."""
    with nogil:
        weighted(MEDFAST_LINEAR, image, columns, column_weights, rows, row_weights, row_start, row_stop,
                 &scratch[0], out)


def linear_exact(const uint8_t[:, :, :] image,             # IN   gray levels
                 const int32_t[:, ::1] columns,            # IN   (2, outputs) offsets in a row
                 const int16_t[:, ::1] column_weights,     # IN   (2, outputs) of 8 bits
                 const int32_t[:, ::1] rows,               # IN   (2, rows)
                 const int16_t[:, ::1] row_weights,        # IN   (2, rows) of 8 bits
                 Py_ssize_t row_start,
                 Py_ssize_t row_stop,
                 uint8_t[::1] scratch,
                 uint8_t[:, :, :] out):                    # OUT
    """Integer sums, rounded once, half up."""
    with nogil:
        weighted(MEDFAST_LINEAR_EXACT, image, columns, column_weights, rows, row_weights, row_start, row_stop,
                 &scratch[0], out)


def cubic(const uint8_t[:, :, :] image,             # IN   gray levels
          const int32_t[:, ::1] columns,            # IN   (4, outputs) offsets in a row
          const int16_t[:, ::1] column_weights,     # IN   (4, outputs) of 11 bits
          const int32_t[:, ::1] rows,               # IN   (4, rows)
          const int16_t[:, ::1] row_weights,        # IN   (4, rows) of 11 bits
          Py_ssize_t row_start,
          Py_ssize_t row_stop,
          uint8_t[::1] scratch,
          uint8_t[:, :, :] out):                    # OUT
    """Horizontal sums in integers; vertical ones in float32 from the last tap to the first, rounded half to even.

    The last few values of a row, which do not fill a vector of eight, are summed in integers and rounded half up.
    """
    with nogil:
        weighted(MEDFAST_CUBIC, image, columns, column_weights, rows, row_weights, row_start, row_stop,
                 &scratch[0], out)


def lanczos4(const uint8_t[:, :, :] image,             # IN   gray levels
             const int32_t[:, ::1] columns,            # IN   (8, outputs) offsets in a row
             const int16_t[:, ::1] column_weights,     # IN   (8, outputs) of 11 bits
             const int32_t[:, ::1] rows,               # IN   (8, rows)
             const int16_t[:, ::1] row_weights,        # IN   (8, rows) of 11 bits
             Py_ssize_t row_start,
             Py_ssize_t row_stop,
             uint8_t[::1] scratch,
             uint8_t[:, :, :] out):                    # OUT
    """Integer sums, rounded once, half up."""
    with nogil:
        weighted(MEDFAST_LANCZOS4, image, columns, column_weights, rows, row_weights, row_start, row_stop,
                 &scratch[0], out)
