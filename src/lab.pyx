"""Lightness of colours: CIE L* out of sRGB, and colours of another lightness with a* and b* as they were.

With the linear red, green and blue of a pixel, X, Y and Z over those of the white point are a matrix times them, and
``f(t) = cbrt(t)``, or ``841/108 t + 4/29`` up to t = 216/24389; then L* = 116 f(Y) - 16, a* = 500 (f(X) - f(Y)),
b* = 200 (f(Y) - f(Z)).

uint8 has OpenCV's fixed point: L* is 0 ... 255, a* and b* are rounded to 8 bits, and all that is no sum of products
comes from tables. All else is float64, with roots by iteration, so that no mathematical library decides a bit.

Images are (planes, rows, columns, 3); a range of rows counts through all planes.
"""
from libc.math cimport floor, rint, sqrt
from libc.stdint cimport int32_t, uint8_t, uint16_t

ctypedef fused sample:
    uint8_t
    uint16_t
    float
    double

cdef enum:
    LEVEL_BITS = 3    # linear levels are 0 ... 255 * 8
    MATRIX_BITS = 12
    ROOT_BITS = 15    # LEVEL_BITS + MATRIX_BITS
    CHUNK = 256       # pixels that go from step to step together: sums become vectors, look-ups stand by themselves
    BASE = 16384      # 1.0 of what comes back from L*, a*, b*
    LOWEST = -8145    # smallest f(X) or f(Z) that any L*, a*, b* gives, in units of 1 / BASE


cdef inline int32_t descale(int32_t value, int32_t bits) noexcept nogil:
    """value / 2^bits, rounded half up."""
    return (value + (1 << (bits - 1))) >> bits


cdef inline int32_t clipped(int32_t value, int32_t highest) noexcept nogil:
    return min(max(value, 0), highest)


cdef inline int32_t root_of(const int32_t* row, int32_t red, int32_t green, int32_t blue,
                            const int32_t* root) noexcept nogil:
    """f of X, Y or Z, from its row of the matrix and the linear levels."""
    return root[descale(row[0] * red + row[1] * green + row[2] * blue, MATRIX_BITS)]


cdef inline int32_t level_of(int32_t f_y) noexcept nogil:
    """L*, 0 ... 255."""
    return clipped(descale(296 * f_y - ((16 * 255 * (1 << ROOT_BITS) + 50) // 100), ROOT_BITS), 255)


cdef inline void lab_of(const uint8_t* pixel, Py_ssize_t stride, const int32_t* linear, const int32_t* to_xyz,
                        const int32_t* root, int32_t* level, int32_t* a, int32_t* b) noexcept nogil:
    """L*, a*, b* of red, green, blue, `stride` bytes apart."""
    cdef:
        int32_t red = linear[pixel[0]], green = linear[pixel[stride]], blue = linear[pixel[2 * stride]]
        int32_t f_x = root_of(to_xyz, red, green, blue, root)
        int32_t f_y = root_of(to_xyz + 3, red, green, blue, root)
        int32_t f_z = root_of(to_xyz + 6, red, green, blue, root)
    level[0] = level_of(f_y)
    a[0] = clipped(descale(500 * (f_x - f_y) + (128 << ROOT_BITS), ROOT_BITS), 255)
    b[0] = clipped(descale(200 * (f_y - f_z) + (128 << ROOT_BITS), ROOT_BITS), 255)


cdef inline void colour_of(int32_t level, int32_t a, int32_t b, const int32_t* lightness, const int32_t* inverse,
                           const int32_t* to_rgb, const uint8_t* encoded,
                           uint8_t* out, Py_ssize_t stride) noexcept nogil:
    """Red, green, blue, `stride` bytes apart, of L*, a*, b*."""
    cdef:
        int32_t y = lightness[level], f_y = lightness[256 + level]
        int32_t x = inverse[f_y + ((5 * a * 53687 + (1 << 7)) >> 13) - 128 * BASE // 500 - LOWEST]  # + a* / 500
        int32_t z = inverse[f_y - (((b * 41943 + (1 << 4)) >> 9) - 128 * BASE // 200 + 1) - LOWEST]  # - b* / 200
        uint8_t[3] colour
        Py_ssize_t i
    for i in range(3):
        colour[i] = encoded[clipped(descale(to_rgb[3 * i] * x + to_rgb[3 * i + 1] * y + to_rgb[3 * i + 2] * z,
                                            MATRIX_BITS + 2), 4095)]
    out[0], out[stride], out[2 * stride] = colour[0], colour[1], colour[2]


cdef void relight_colours(int32_t* colour, Py_ssize_t n, const uint8_t* levels, Py_ssize_t stride,
                          const int32_t* to_xyz, const int32_t* root, const int32_t* lightness, const int32_t* inverse,
                          const int32_t* to_rgb) noexcept nogil:
    """Linear red, green, blue of n <= CHUNK pixels, CHUNK apart, with L* from `levels`; 0 ... 4095 in the end."""
    cdef:
        int32_t[9] m
        int32_t[3][CHUNK] f
        int32_t[CHUNK] y, f_y
        int32_t a, b
        Py_ssize_t i, k
    for k in range(9):
        m[k] = to_xyz[k]
    for k in range(3):
        for i in range(n):
            f[k][i] = descale(m[3 * k] * colour[i] + m[3 * k + 1] * colour[CHUNK + i]
                              + m[3 * k + 2] * colour[2 * CHUNK + i], MATRIX_BITS)
    for i in range(n):
        f[0][i], f[1][i], f[2][i] = root[f[0][i]], root[f[1][i]], root[f[2][i]]
        y[i], f_y[i] = lightness[levels[i * stride]], lightness[256 + levels[i * stride]]
    for i in range(n):
        a = clipped(descale(500 * (f[0][i] - f[1][i]) + (128 << ROOT_BITS), ROOT_BITS), 255)
        b = clipped(descale(200 * (f[1][i] - f[2][i]) + (128 << ROOT_BITS), ROOT_BITS), 255)
        f[0][i] = f_y[i] + ((5 * a * 53687 + (1 << 7)) >> 13) - 128 * BASE // 500 - LOWEST  # + a* / 500
        f[2][i] = f_y[i] - (((b * 41943 + (1 << 4)) >> 9) - 128 * BASE // 200 + 1) - LOWEST  # - b* / 200
    for i in range(n):
        f[0][i], f[2][i] = inverse[f[0][i]], inverse[f[2][i]]
    for k in range(9):
        m[k] = to_rgb[k]
    for k in range(3):
        for i in range(n):
            colour[k * CHUNK + i] = clipped(descale(m[3 * k] * f[0][i] + m[3 * k + 1] * y[i]
                                                    + m[3 * k + 2] * f[2][i], MATRIX_BITS + 2), 4095)


def lightness_fixed(const uint8_t[:, :, :, :] image,    # IN   red, green, blue
                    const int32_t[::1] linear,          # IN   (256) linear level of each value
                    const int32_t[:, ::1] to_xyz,       # IN   (3, 3)
                    const int32_t[::1] root,            # IN   f of each level
                    Py_ssize_t row_start,
                    Py_ssize_t row_stop,
                    uint8_t[:, :, :] out):              # OUT  L*, 0 ... 255
    """L* of each pixel of the rows, as OpenCV has it."""
    cdef:
        Py_ssize_t n_rows = image.shape[1], row, col, plane, line, stride = image.strides[3]
        const uint8_t* pixel
    with nogil:
        for row in range(row_start, row_stop):
            plane, line = row // n_rows, row % n_rows
            for col in range(image.shape[2]):
                pixel = &image[plane, line, col, 0]
                out[plane, line, col] = <uint8_t> level_of(root_of(
                    &to_xyz[1, 0], linear[pixel[0]], linear[pixel[stride]], linear[pixel[2 * stride]], &root[0]))


def relight_fixed(const uint8_t[:, :, :, :] image,    # IN   red, green, blue
                  const uint8_t[:, :, :] levels,      # IN   new L*
                  const uint8_t[:, :, :] mask,        # IN   pixels that change, or None for all
                  const int32_t[::1] linear,          # IN   as for `lightness_fixed`
                  const int32_t[:, ::1] to_xyz,       # IN
                  const int32_t[::1] root,            # IN
                  const int32_t[:, ::1] lightness,    # IN   (2, 256) Y and f(Y) of each L*
                  const int32_t[::1] inverse,         # IN   t of each f(t), from LOWEST up
                  const int32_t[:, ::1] to_rgb,       # IN   (3, 3)
                  const uint8_t[::1] encoded,         # IN   (4096) value of each linear level
                  Py_ssize_t row_start,
                  Py_ssize_t row_stop,
                  uint8_t[:, :, :, :] out):           # OUT
    """The pixels of the rows with another L*, as OpenCV converts L*, a*, b* back."""
    cdef:
        Py_ssize_t n_rows = image.shape[1], n_cols = image.shape[2], row, chunk, start, n, plane, line, i, channel
        Py_ssize_t step = image.strides[2], stride = image.strides[3]
        const uint8_t *pixels
        int32_t[3][CHUNK] colour
    with nogil:
        for row in range(row_start, row_stop):
            plane, line = row // n_rows, row % n_rows
            for chunk in range((n_cols + CHUNK - 1) // CHUNK):
                start = chunk * CHUNK
                n = min(n_cols - start, CHUNK)
                pixels = &image[plane, line, start, 0]
                for i in range(n):
                    colour[0][i] = linear[pixels[i * step]]
                    colour[1][i] = linear[pixels[i * step + stride]]
                    colour[2][i] = linear[pixels[i * step + 2 * stride]]
                relight_colours(&colour[0][0], n, &levels[plane, line, start], levels.strides[2], &to_xyz[0, 0],
                                &root[0], &lightness[0, 0], &inverse[0], &to_rgb[0, 0])
                for i in range(n):
                    for channel in range(3):
                        if mask is None or mask[plane, line, start + i]:
                            out[plane, line, start + i, channel] = encoded[colour[channel][i]]
                        else:
                            out[plane, line, start + i, channel] = pixels[i * step + channel * stride]


def to_lab_fixed(const uint8_t[:, :, :, :] image,    # IN   red, green, blue
                 const int32_t[::1] linear,          # IN   (256) linear level of each value
                 const int32_t[:, ::1] to_xyz,       # IN   (3, 3)
                 const int32_t[::1] root,            # IN   f of each level
                 Py_ssize_t row_start,
                 Py_ssize_t row_stop,
                 uint8_t[:, :, :, :] out):           # OUT  (planes, rows, columns, 3) L*, a*, b*
    """L*, a*, b* of each pixel of the rows, as OpenCV has them."""
    cdef:
        Py_ssize_t n_rows = image.shape[1], row, col, plane, line
        int32_t level, a, b
    with nogil:
        for row in range(row_start, row_stop):
            plane, line = row // n_rows, row % n_rows
            for col in range(image.shape[2]):
                lab_of(&image[plane, line, col, 0], image.strides[3], &linear[0], &to_xyz[0, 0], &root[0],
                       &level, &a, &b)
                out[plane, line, col, 0] = <uint8_t> level
                out[plane, line, col, 1] = <uint8_t> a
                out[plane, line, col, 2] = <uint8_t> b


def from_lab_fixed(const uint8_t[:, :, :, :] image,    # IN   L*, a*, b*
                   const int32_t[:, ::1] lightness,    # IN   (2, 256) Y and f(Y) of each L*
                   const int32_t[::1] inverse,         # IN   t of each f(t), from LOWEST up
                   const int32_t[:, ::1] to_rgb,       # IN   (3, 3)
                   const uint8_t[::1] encoded,         # IN   (4096) value of each linear level
                   Py_ssize_t row_start,
                   Py_ssize_t row_stop,
                   uint8_t[:, :, :, :] out):           # OUT  red, green, blue
    """The way back."""
    cdef Py_ssize_t n_rows = image.shape[1], row, col, plane, line
    with nogil:
        for row in range(row_start, row_stop):
            plane, line = row // n_rows, row % n_rows
            for col in range(image.shape[2]):
                colour_of(image[plane, line, col, 0], image[plane, line, col, 1], image[plane, line, col, 2],
                          &lightness[0, 0], &inverse[0], &to_rgb[0, 0], &encoded[0], &out[plane, line, col, 0],
                          out.strides[3])


cdef inline double cube_root(double t) noexcept nogil:
    """For 0.003 < t < 1.2: four steps of Halley's iteration from a line within 75 % of it, to the last bits."""
    cdef:
        double y = 0.25 + 0.8 * t, cube
        int _step
    for _step in range(4):
        cube = y * y * y
        y = y * (cube + 2.0 * t) / (2.0 * cube + t)
    return y


cdef inline double linear_of(double value) noexcept nogil:
    """sRGB's value 0 ... 1 without its gamma."""
    cdef:
        double t, y, power
        int _step
    if value <= 0.04045:
        return value / 12.92
    t = (value + 0.055) / 1.055
    y = 0.6 + 0.4 * t  # the fifth root is within 4 % of this
    for _step in range(3):
        power = y * y * y * y * y
        y = y * (4.0 * power + 6.0 * t) / (6.0 * power + 4.0 * t)
    y = y * y
    return t * t * (y * y / y)


cdef inline double encoded_of(double value) noexcept nogil:
    """sRGB's value of a linear one, which is cut off to 0 ... 1."""
    cdef double root
    value = min(max(value, 0.0), 1.0)
    if value <= 0.0031308:
        return value * 12.92
    root = sqrt(sqrt(cube_root(value)))  # the twelfth
    return 1.055 * (root * root * root * root * root) - 0.055


cdef inline double f(double t) noexcept nogil:
    return cube_root(t) if t > 216.0 / 24389.0 else 841.0 / 108.0 * t + 4.0 / 29.0


cdef inline double inverse_of(double value) noexcept nogil:
    return value * value * value if value > 6.0 / 29.0 else (value - 4.0 / 29.0) * (108.0 / 841.0)


cdef inline double linear_sample(sample value, const double[::1] linear) noexcept nogil:
    if sample is uint8_t or sample is uint16_t:
        return linear[value]
    else:
        return linear_of(value)


def decode(double[::1] values):    # INOUT  0 ... 1
    """Take sRGB's gamma off."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(values.shape[0]):
            values[i] = linear_of(values[i])


def lightness(const sample[:, :, :, :] image,     # IN   red, green, blue
              const uint8_t[:, :, :] mask,        # IN   pixels that are needed, or None for all
              const double[::1] linear,           # IN   linear value of each level, for integers
              const double[:, ::1] to_xyz,        # IN   (3, 3)
              Py_ssize_t n_levels,
              Py_ssize_t row_start,
              Py_ssize_t row_stop,
              uint16_t[:, :, :] out):             # OUT  L*, 0 ... n_levels - 1; 0 outside the mask
    """Nearest of `n_levels` levels of L* for each pixel of the rows."""
    cdef:
        Py_ssize_t n_rows = image.shape[1], row, col, plane, line
        double y
    with nogil:
        for row in range(row_start, row_stop):
            plane, line = row // n_rows, row % n_rows
            for col in range(image.shape[2]):
                if mask is not None and not mask[plane, line, col]:
                    out[plane, line, col] = 0
                    continue
                y = (to_xyz[1, 0] * linear_sample(image[plane, line, col, 0], linear)
                     + to_xyz[1, 1] * linear_sample(image[plane, line, col, 1], linear)
                     + to_xyz[1, 2] * linear_sample(image[plane, line, col, 2], linear))
                y = floor((116.0 * f(y) - 16.0) / 100.0 * (n_levels - 1) + 0.5)
                out[plane, line, col] = <uint16_t> <int32_t> min(max(y, 0.0), <double> (n_levels - 1))


def relight(const sample[:, :, :, :] image,     # IN   red, green, blue
            const uint16_t[:, :, :] levels,     # IN   new L*
            const uint8_t[:, :, :] mask,        # IN   pixels that change, or None for all
            const double[::1] linear,           # IN   as for `lightness`
            const double[:, ::1] to_xyz,        # IN
            const double[:, ::1] to_rgb,        # IN   (3, 3), its inverse
            Py_ssize_t n_levels,
            double white,                       # IN   highest value of a channel
            Py_ssize_t row_start,
            Py_ssize_t row_stop,
            sample[:, :, :, :] out):            # OUT  integers rounded half to even
    """The pixels of the rows with another L*; colours beyond the range are cut off channel by channel."""
    cdef:
        Py_ssize_t n_rows = image.shape[1], row, col, plane, line, i
        double red, green, blue, f_x, f_y, f_z, shift, x, y, z, value
    with nogil:
        for row in range(row_start, row_stop):
            plane, line = row // n_rows, row % n_rows
            for col in range(image.shape[2]):
                if mask is not None and not mask[plane, line, col]:
                    for i in range(3):
                        out[plane, line, col, i] = image[plane, line, col, i]
                    continue
                red = linear_sample(image[plane, line, col, 0], linear)
                green = linear_sample(image[plane, line, col, 1], linear)
                blue = linear_sample(image[plane, line, col, 2], linear)
                f_x = f(to_xyz[0, 0] * red + to_xyz[0, 1] * green + to_xyz[0, 2] * blue)
                f_y = f(to_xyz[1, 0] * red + to_xyz[1, 1] * green + to_xyz[1, 2] * blue)
                f_z = f(to_xyz[2, 0] * red + to_xyz[2, 1] * green + to_xyz[2, 2] * blue)
                y = 100.0 * levels[plane, line, col] / (n_levels - 1)
                shift = (y + 16.0) / 116.0 - f_y  # of f(X) and f(Z) too, for a* and b* stay
                x = inverse_of(f_x + shift)
                y = inverse_of(f_y + shift)
                z = inverse_of(f_z + shift)
                for i in range(3):
                    value = white * encoded_of(to_rgb[i, 0] * x + to_rgb[i, 1] * y + to_rgb[i, 2] * z)
                    if sample is uint8_t or sample is uint16_t:
                        out[plane, line, col, i] = <sample> <int32_t> rint(value)
                    else:
                        out[plane, line, col, i] = <sample> value
