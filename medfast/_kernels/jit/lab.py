"""Numba twin of src/lab.pyx."""

import math

import numpy as np

from medfast._kernels.jit import inlined, kernel

ROOT_BITS = 15
MATRIX_BITS = 12
BASE = 16384
LOWEST = -8145


@inlined
def descale(value, bits):
    """value / 2^bits, rounded half up."""
    return (value + (1 << (bits - 1))) >> bits


@inlined
def clipped(value, highest):
    return min(max(value, 0), highest)


@inlined
def root_of(pixel, linear, to_xyz, root, which):
    """f of X, Y or Z."""
    total = 0
    for i in range(3):
        total += np.int64(to_xyz[which, i]) * np.int64(linear[pixel[i]])
    return np.int64(root[descale(total, MATRIX_BITS)])


@inlined
def level_of(f_y):
    """L*, 0 ... 255."""
    return clipped(descale(296 * f_y - (16 * 255 * (1 << ROOT_BITS) + 50) // 100, ROOT_BITS), 255)


@inlined
def lab_of(pixel, linear, to_xyz, root):
    """L*, a*, b*."""
    f_x = root_of(pixel, linear, to_xyz, root, 0)
    f_y = root_of(pixel, linear, to_xyz, root, 1)
    f_z = root_of(pixel, linear, to_xyz, root, 2)
    center = 128 << ROOT_BITS
    a = clipped(descale(500 * (f_x - f_y) + center, ROOT_BITS), 255)
    b = clipped(descale(200 * (f_y - f_z) + center, ROOT_BITS), 255)
    return level_of(f_y), a, b


@inlined
def write_colour(level, a, b, lightness, inverse, to_rgb, encoded, out):
    """Red, green, blue of L*, a*, b*."""
    y, f_y = np.int64(lightness[0, level]), np.int64(lightness[1, level])
    x = np.int64(inverse[f_y + ((5 * a * 53687 + (1 << 7)) >> 13) - 128 * BASE // 500 - LOWEST])
    z = np.int64(inverse[f_y - (((b * 41943 + (1 << 4)) >> 9) - 128 * BASE // 200 + 1) - LOWEST])
    for i in range(3):
        value = np.int64(to_rgb[i, 0]) * x + np.int64(to_rgb[i, 1]) * y + np.int64(to_rgb[i, 2]) * z
        out[i] = encoded[clipped(descale(value, MATRIX_BITS + 2), 4095)]


@kernel
def lightness_fixed(image, linear, to_xyz, root, row_start, row_stop, out):
    """L* of each pixel of the rows, as OpenCV has it."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            out[plane, line, col] = level_of(root_of(image[plane, line, col], linear, to_xyz, root, 1))


@kernel
def relight_fixed(
    image, levels, mask, linear, to_xyz, root, lightness, inverse, to_rgb, encoded, row_start, row_stop, out
):
    """The pixels of the rows with another L*, as OpenCV converts L*, a*, b* back."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            pixel = image[plane, line, col]
            if mask is not None and not mask[plane, line, col]:
                for i in range(3):
                    out[plane, line, col, i] = pixel[i]
                continue
            _, a, b = lab_of(pixel, linear, to_xyz, root)
            level = levels[plane, line, col]
            write_colour(level, a, b, lightness, inverse, to_rgb, encoded, out[plane, line, col])


@kernel
def to_lab_fixed(image, linear, to_xyz, root, row_start, row_stop, out):
    """L*, a*, b* of each pixel of the rows, as OpenCV has them."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            level, a, b = lab_of(image[plane, line, col], linear, to_xyz, root)
            out[plane, line, col, 0], out[plane, line, col, 1], out[plane, line, col, 2] = level, a, b


@kernel
def from_lab_fixed(image, lightness, inverse, to_rgb, encoded, row_start, row_stop, out):
    """The way back."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            pixel = image[plane, line, col]
            a, b = np.int64(pixel[1]), np.int64(pixel[2])
            write_colour(pixel[0], a, b, lightness, inverse, to_rgb, encoded, out[plane, line, col])


@inlined
def cube_root(t):
    """For 0.003 < t < 1.2: four steps of Halley's iteration from a line within 75 % of it, to the last bits."""
    y = 0.25 + 0.8 * t
    for _ in range(4):
        cube = y * y * y
        y = y * (cube + 2.0 * t) / (2.0 * cube + t)
    return y


@inlined
def linear_of(value):
    """sRGB's value 0 ... 1 without its gamma."""
    if value <= 0.04045:
        return value / 12.92
    t = (value + 0.055) / 1.055
    y = 0.6 + 0.4 * t  # the fifth root is within 4 % of this
    for _ in range(3):
        power = y * y * y * y * y
        y = y * (4.0 * power + 6.0 * t) / (6.0 * power + 4.0 * t)
    y = y * y
    return t * t * (y * y / y)


@inlined
def encoded_of(value):
    """sRGB's value of a linear one, which is cut off to 0 ... 1."""
    value = min(max(value, 0.0), 1.0)
    if value <= 0.0031308:
        return value * 12.92
    root = math.sqrt(math.sqrt(cube_root(value)))  # the twelfth
    return 1.055 * (root * root * root * root * root) - 0.055


@inlined
def f(t):
    return cube_root(t) if t > 216.0 / 24389.0 else 841.0 / 108.0 * t + 4.0 / 29.0


@inlined
def inverse_of(value):
    return value * value * value if value > 6.0 / 29.0 else (value - 4.0 / 29.0) * (108.0 / 841.0)


@inlined
def linear_sample(value, linear):
    """Integers have a table, which floats come without."""
    return linear[np.int64(value)] if len(linear) else linear_of(np.float64(value))


@kernel
def decode(values):
    """Take sRGB's gamma off."""
    for i in range(len(values)):
        values[i] = linear_of(values[i])


@kernel
def lightness(image, mask, linear, to_xyz, n_levels, row_start, row_stop, out):
    """Nearest of `n_levels` levels of L* for each pixel of the rows."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            if mask is not None and not mask[plane, line, col]:
                out[plane, line, col] = 0
                continue
            red, green, blue = image[plane, line, col]
            y = (
                to_xyz[1, 0] * linear_sample(red, linear)
                + to_xyz[1, 1] * linear_sample(green, linear)
                + to_xyz[1, 2] * linear_sample(blue, linear)
            )
            level = math.floor((116.0 * f(y) - 16.0) / 100.0 * (n_levels - 1) + 0.5)
            out[plane, line, col] = min(max(level, 0), n_levels - 1)


@kernel
def relight(image, levels, mask, linear, to_xyz, to_rgb, n_levels, white, row_start, row_stop, out):
    """The pixels of the rows with another L*; colours beyond the range are cut off channel by channel."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            pixel = image[plane, line, col]
            if mask is not None and not mask[plane, line, col]:
                for i in range(3):
                    out[plane, line, col, i] = pixel[i]
                continue
            red, green = linear_sample(pixel[0], linear), linear_sample(pixel[1], linear)
            blue = linear_sample(pixel[2], linear)
            f_x = f(to_xyz[0, 0] * red + to_xyz[0, 1] * green + to_xyz[0, 2] * blue)
            f_y = f(to_xyz[1, 0] * red + to_xyz[1, 1] * green + to_xyz[1, 2] * blue)
            f_z = f(to_xyz[2, 0] * red + to_xyz[2, 1] * green + to_xyz[2, 2] * blue)
            y = 100.0 * levels[plane, line, col] / (n_levels - 1)
            shift = (y + 16.0) / 116.0 - f_y  # of f(X) and f(Z) too, for a* and b* stay
            x, y, z = inverse_of(f_x + shift), inverse_of(f_y + shift), inverse_of(f_z + shift)
            for i in range(3):
                value = white * encoded_of(to_rgb[i, 0] * x + to_rgb[i, 1] * y + to_rgb[i, 2] * z)
                out[plane, line, col, i] = np.rint(value) if len(linear) else value
