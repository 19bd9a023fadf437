"""Means over areas of uint8 images, in OpenCV's arithmetic.

Images are (rows, columns, channels). Where an output pixel covers a whole number of input pixels, the sum is of
integers; else weights and sums are float32, in a fixed order.
"""
from libc.stdint cimport int32_t, uint8_t, uint16_t
from libc.string cimport memset

from u8_rows cimport interleaved, is_interleaved, spread

cdef extern from "resample_area.h" nogil:
    void medfast_halve(const uint8_t *, const uint8_t *, Py_ssize_t, uint8_t *)
    void medfast_add_rows(const uint8_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, uint16_t *)
    void medfast_add_neighbours(const uint16_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, int32_t *)
    void medfast_mean(const int32_t *, Py_ssize_t, int32_t, bint, bint, uint8_t *)
    void medfast_area_line(const uint8_t *, const int32_t *, const float *, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                           bint, float *)
    void medfast_add_line(const float *, float, bint, Py_ssize_t, float *)
    void medfast_round_line(const float *, Py_ssize_t, uint8_t *)


cdef inline Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    return (n + 15) // 16 * 16


def halve(const uint8_t[:, :, :] image,     # IN   (2·rows, 2·columns, channels) gray levels
          Py_ssize_t row_start,
          Py_ssize_t row_stop,
          uint8_t[:, :, :] out):            # OUT
    """Mean of two by two pixels, rounded half up."""
    cdef:
        Py_ssize_t row, col, channel, n_channels = image.shape[2]
        int32_t total
        bint in_place = n_channels == 1 and is_interleaved(image) and is_interleaved(out)
    with nogil:
        for row in range(row_start, row_stop):
            if in_place:
                medfast_halve(&image[2 * row, 0, 0], &image[2 * row + 1, 0, 0], out.shape[1], &out[row, 0, 0])
                continue
            for col in range(out.shape[1]):
                for channel in range(n_channels):
                    total = image[2 * row, 2 * col, channel] + image[2 * row, 2 * col + 1, channel]
                    total += image[2 * row + 1, 2 * col, channel] + image[2 * row + 1, 2 * col + 1, channel]
                    out[row, col, channel] = (total + 2) >> 2


def average_blocks(const uint8_t[:, :, :] image,     # IN   gray levels
                   Py_ssize_t tall,                  # rows of a block
                   Py_ssize_t wide,                  # columns of a block
                   bint half_up,                     # whether whole blocks round so: OpenCV does for two by two
                   Py_ssize_t row_start,
                   Py_ssize_t row_stop,
                   uint8_t[::1] scratch,
                   uint8_t[:, :, :] out):            # OUT
    """Mean of each block, which the image's edge may cut short, rounded half to even in float32."""
    cdef:
        Py_ssize_t row, top, n_rows, n_at_once, n_channels = image.shape[2], row_bytes = image.shape[1] * n_channels
        Py_ssize_t width = out.shape[1] * n_channels, n_whole = min(out.shape[1], image.shape[1] // wide) * n_channels
        Py_ssize_t last = (image.shape[1] - n_whole // n_channels * wide)  # columns of a block that the edge cuts
        uint16_t *totals = <uint16_t *> &scratch[0]
        int32_t *sums = <int32_t *> (totals + padded(row_bytes))
        uint8_t *copy = <uint8_t *> (sums + padded(width))
        uint8_t *values = copy + padded(row_bytes)
        uint8_t *target
        # 16 bits hold the sum of 256 rows; where a row is no run of bytes, each is copied by itself
        Py_ssize_t most = 256 if is_interleaved(image) else 1
        bint in_place = is_interleaved(out)
    with nogil:
        for row in range(row_start, row_stop):
            top, n_rows = row * tall, min(tall, image.shape[0] - row * tall)
            memset(sums, 0, width * sizeof(int32_t))
            while top < row * tall + n_rows:
                n_at_once = min(most, row * tall + n_rows - top)
                medfast_add_rows(interleaved(image, top, copy), image.strides[0], n_at_once, row_bytes, totals)
                medfast_add_neighbours(totals, min(row_bytes, width * wide), wide, n_channels, sums)
                top += n_at_once
            target = &out[row, 0, 0] if in_place else values
            medfast_mean(sums, n_whole, n_rows * wide, n_rows == tall, half_up, target)
            if n_whole < width:
                medfast_mean(sums + n_whole, width - n_whole, n_rows * last, False, False, target + n_whole)
            if not in_place:
                spread(target, out, row)


def average(const uint8_t[:, :, :] image,         # IN   gray levels
            const int32_t[:, ::1] columns,        # IN   (taps, outputs) offsets in a row
            const float[:, ::1] column_weights,   # IN   (taps, outputs)
            const int32_t[:, ::1] rows,           # IN   (taps, rows)
            const float[:, ::1] row_weights,      # IN   (taps, rows)
            Py_ssize_t row_start,
            Py_ssize_t row_stop,
            uint8_t[::1] scratch,
            uint8_t[:, :, :] out):                # OUT
    """Weighted sums along the columns, then of rows: float32, tap after tap, rounded half to even."""
    cdef:
        Py_ssize_t n_taps = columns.shape[0], width = columns.shape[1], n_padded = padded(width)
        Py_ssize_t row_bytes = image.shape[1] * image.shape[2], row, tap, source, slot, reach, n_safe = 0
        bint one_channel = image.shape[2] == 1
        Py_ssize_t held[2]
        float *totals = <float *> &scratch[0]
        float *lines = totals + n_padded
        uint8_t *copy = <uint8_t *> (lines + 2 * n_padded)
        uint8_t *values = copy + padded(row_bytes)
        bint in_place = is_interleaved(out)
    held[0] = held[1] = -1
    with nogil:
        reach = (n_taps + 3) // 4 * 4 if one_channel else 4
        while n_safe < width and columns[0 if one_channel else n_taps - 1, n_safe] + reach <= row_bytes:
            n_safe += 1
        for row in range(row_start, row_stop):
            for tap in range(rows.shape[0]):
                if row_weights[tap, row] == 0:
                    continue
                source = rows[tap, row]
                slot = source % 2
                if held[slot] != source:
                    medfast_area_line(interleaved(image, source, copy), &columns[0, 0], &column_weights[0, 0], n_taps,
                                      width, n_safe, one_channel, lines + slot * n_padded)
                    held[slot] = source
                medfast_add_line(lines + slot * n_padded, row_weights[tap, row], tap == 0, width, totals)
            if in_place:
                medfast_round_line(totals, width, &out[row, 0, 0])
            else:
                medfast_round_line(totals, width, values)
                spread(values, out, row)
