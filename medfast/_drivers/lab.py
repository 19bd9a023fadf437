"""sRGB and CIE L*a*b*: the tables and matrices around the kernel, and tiles. Arguments were checked by the caller.

OpenCV's 8-bit conversion is fixed point with 12 to 15 fractional bits: L* is scaled to 0 ... 255, a* and b* are shifted
by 128.
"""

import functools
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import gray_levels
from medfast._parallel import for_rows

WHITE = (0.950456, 1.0, 1.088754)  # D65
RGB_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
XYZ_TO_RGB = ((3.240479, -1.53715, -0.498535), (-0.969256, 1.875991, 0.041556), (0.055648, -0.204043, 1.057311))

LEVEL_BITS = 3  # levels are 0 ... 255 * 8
MATRIX_BITS = 12
ROOT_BITS = MATRIX_BITS + LEVEL_BITS
BASE = 1 << 14  # 1.0 of what comes back from Lab
LOWEST = -8145  # smallest f(X) or f(Z) that any L, a, b gives, in units of 1 / BASE


def as_volume(image: NDArray[Any], axis: int) -> NDArray[Any]:
    """`image`, whose channels are along `axis`, as (planes, rows, columns, channels)."""
    view = np.moveaxis(image, axis, -1)
    return view if view.ndim == 4 else view[np.newaxis]


def lightness(
    volume: NDArray[Any], inside: NDArray[np.uint8] | None, n_levels: int, white: int, num_threads: int | None
) -> NDArray[Any]:
    """L* of a volume (planes, rows, columns, 3) whose channels are 0 ... `white`, on levels 0 ... `n_levels` - 1."""
    kernel = _kernels.lab
    if _is_fixed(volume, n_levels):
        fixed = np.empty(volume.shape[:3], np.uint8)
        to_xyz, root = _forward_tables()
        _rows(volume, 5.0, num_threads, kernel.lightness_fixed, volume, _gamma_tables()[0], to_xyz, root, target=fixed)
        return fixed
    levels = np.empty(volume.shape[:3], np.uint16)
    arguments = volume, inside, _linear(volume.dtype, white), _matrices()[0], n_levels
    _rows(volume, 40.0, num_threads, kernel.lightness, *arguments, target=levels)
    return levels


def relight(
    volume: NDArray[Any],
    levels: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    n_levels: int,
    white: int,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """Give each pixel the L* of its level, and keep its a* and b*."""
    kernel = _kernels.lab
    if _is_fixed(volume, n_levels):
        (linear, encoded), (to_xyz, root), (to_rgb, of_level, inverse) = (
            _gamma_tables(), _forward_tables(), _backward_tables(),
        )  # fmt: skip
        tables = linear, to_xyz, root, of_level, inverse, to_rgb, encoded
        _rows(volume, 15.0, num_threads, kernel.relight_fixed, volume, levels, inside, *tables, target=out)
        return
    arguments = volume, levels, inside, _linear(volume.dtype, white), *_matrices(), n_levels, float(white)
    _rows(volume, 200.0, num_threads, kernel.relight, *arguments, target=out)


def lab_from_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(rows, columns, 3 or 4) linear blue, green, red, to (3, rows, columns) L*, a*, b*."""
    lab = np.empty((3, *image.shape[:2]), np.uint8)
    to_xyz, root = _forward_tables()
    arguments = image[np.newaxis, ..., 2::-1], _linear_tables()[0], to_xyz, root
    _rows(arguments[0], 5.0, None, _kernels.lab.to_lab_fixed, *arguments, target=np.moveaxis(lab, 0, 2)[np.newaxis])
    return lab


def bgr_from_lab(lab: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """(3, rows, columns) L*, a*, b* to (rows, columns, 3 or 4) blue, green, red, linear; a fourth channel is 255."""
    image = np.moveaxis(lab, 0, 2)[np.newaxis]
    to_rgb, of_level, inverse = _backward_tables()
    arguments = image, of_level, inverse, to_rgb, _linear_tables()[1]
    _rows(image, 8.0, None, _kernels.lab.from_lab_fixed, *arguments, target=out[np.newaxis, ..., 2::-1])
    if out.shape[-1] == 4:
        out[..., 3] = 255


def _is_fixed(volume: NDArray[Any], n_levels: int) -> bool:
    return volume.dtype == np.uint8 and n_levels == 256


def _rows(
    volume: NDArray[Any], work: float, num_threads: int | None, function: Any, *arguments: Any, target: NDArray[Any]
) -> None:
    for_rows(
        gray_levels.n_rows(volume),
        lambda start, stop: function(*arguments, start, stop, target),
        work_per_row=work * volume.shape[2],
        num_threads=num_threads,
    )


def _linear(dtype: np.dtype, white: int) -> NDArray[np.float64]:
    """Linear value of each level of an integer dtype; those above white are never looked at."""
    if dtype.kind == "f":
        return np.empty(0)
    values = np.arange(white + 1) / white
    _kernels.lab.decode(values)
    return values


@functools.cache
def _matrices() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From RGB to X, Y, Z over the white point, and its inverse, by Cramer's rule in fractions: no rounding but one."""
    m = [[Fraction(str(c)) / Fraction(str(w)) for c in row] for row, w in zip(RGB_TO_XYZ, WHITE, strict=True)]
    others = ((1, 2), (2, 0), (0, 1))  # the cyclic order takes care of the signs
    adjugate = [[m[r][p] * m[s][q] - m[r][q] * m[s][p] for r, s in others] for p, q in others]
    determinant = sum(m[0][i] * adjugate[i][0] for i in range(3))
    inverse = [[float(value / determinant) for value in row] for row in adjugate]
    return np.array([[float(value) for value in row] for row in m]), np.array(inverse)


@functools.cache
def _gamma_tables() -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Linear level of each 8-bit value of sRGB, and the 8-bit value of each of 4096 linear levels."""
    value = [i / 255 for i in range(256)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in value]
    light = [i / 4096 for i in range(4096)]
    encoded = [v * 12.92 if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in light]
    return (
        np.rint((255 << LEVEL_BITS) * np.array(linear)).astype(np.int32),
        np.rint(255 * np.array(encoded)).astype(np.uint8),
    )


@functools.cache
def _linear_tables() -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """The same where the values are linear themselves."""
    return np.arange(256, dtype=np.int32) << LEVEL_BITS, (np.arange(4096) * 255 >> 12).astype(np.uint8)


@functools.cache
def _forward_tables() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The matrix from RGB to X, Y, Z over the white point, and f(t) of CIE Lab for every descaled level."""
    matrix = np.rint((1 << MATRIX_BITS) * np.array(RGB_TO_XYZ) / np.array(WHITE)[:, None]).astype(np.int32)
    one = np.float32(1)
    # in float32, as the reference makes its table
    t = one / np.float32(255 << LEVEL_BITS) * np.arange(256 * 3 // 2 << LEVEL_BITS, dtype=np.float32)
    line = (t.astype(np.float64) * np.float32(841 / 108) + np.float32(16) / np.float32(116)).astype(np.float32)
    root = np.where(t < np.float32(216) / np.float32(24389), line, _cube_root(t))
    return matrix, np.rint(np.float32(1 << ROOT_BITS) * root).astype(np.int32)


def _cube_root(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cube root in float32, rounded down: the reference drops the bits that are too many."""
    exact = np.cbrt(values.astype(np.float64))
    root = exact.astype(np.float32)
    return np.where(root > exact, np.nextafter(root, np.float32(0)), root)


@functools.cache
def _backward_tables() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """The matrix from X, Y, Z to RGB; Y and f(Y) for each L; and the inverse of f."""
    matrix = np.rint((1 << MATRIX_BITS) * np.array(XYZ_TO_RGB) * np.array(WHITE)).astype(np.int32)
    level = np.arange(256)
    f32 = np.float32
    dark_y = (level * (BASE * 20 * 9)).astype(f32) / f32(17 * 29**3)
    dark_f = f32(BASE) * (f32(16) / f32(116) + (level * 5).astype(f32) / f32(3 * 17 * 29))
    f = (level * 100 * BASE).astype(f32) / f32(255 * 116) + f32(16 * BASE) / f32(116)
    y = f * f * f / f32(BASE * BASE)
    lightness = np.rint(np.where(level <= 20, (dark_y, dark_f), (y, f))).astype(np.int32)
    # integer divisions that drop the fraction, towards zero
    i = np.arange(LOWEST, BASE * 9 // 4 + LOWEST)
    line = np.trunc(i * 108 / 841).astype(np.int64) - BASE * 16 // 116 * 108 // 841
    cube = i * i // BASE * i // BASE
    return matrix, lightness, np.where(i <= 3390, line, cube).astype(np.int32)
