"""Rows of uint8 images (rows, columns, channels) as runs of bytes, and back."""
from libc.stdint cimport uint8_t


cdef inline bint is_interleaved(const uint8_t[:, :, :] image) noexcept nogil:
    """Whether each row is one run of bytes."""
    cdef Py_ssize_t n_channels = image.shape[2]
    return (n_channels == 1 or image.strides[2] == 1) and (image.shape[1] == 1 or image.strides[1] == n_channels)


cdef inline const uint8_t *interleaved(const uint8_t[:, :, :] image, Py_ssize_t row, uint8_t *copy) noexcept nogil:
    """The row as one run of bytes: in place where it is one, else copied."""
    cdef Py_ssize_t col, channel, n_channels = image.shape[2]
    if is_interleaved(image):
        return &image[row, 0, 0]
    for col in range(image.shape[1]):
        for channel in range(n_channels):
            copy[col * n_channels + channel] = image[row, col, channel]
    return copy


cdef inline void spread(const uint8_t *values, uint8_t[:, :, :] out, Py_ssize_t row) noexcept nogil:
    """Put an output row where it belongs."""
    cdef Py_ssize_t col, channel, n_channels = out.shape[2]
    for col in range(out.shape[1]):
        for channel in range(n_channels):
            out[row, col, channel] = values[col * n_channels + channel]
