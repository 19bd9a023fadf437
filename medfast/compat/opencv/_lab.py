"""OpenCV's 8-bit conversion between linear BGR and CIE L*a*b*: fixed point with 12 to 15 fractional bits, bit for bit.

L* is scaled to 0 ... 255, a* and b* are shifted by 128. "Linear" means that no gamma is taken off the BGR values.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHITE = (0.950456, 1.0, 1.088754)  # D65
RGB_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
XYZ_TO_RGB = ((3.240479, -1.53715, -0.498535), (-0.969256, 1.875991, 0.041556), (0.055648, -0.204043, 1.057311))

LEVEL_BITS = 3  # BGR levels are 0 ... 255 * 8
MATRIX_BITS = 12
ROOT_BITS = MATRIX_BITS + LEVEL_BITS
BASE = 1 << 14  # 1.0 of what comes back from Lab
LOWEST = -8145  # smallest f(X) or f(Z) that any L, a, b gives, in units of 1 / BASE


PIECE = 2**15
"""Pixels that are converted at a time, so that memory stays flat: the 32-bit temporaries fit the second-level cache."""


def lab_from_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(rows, columns, 3 or 4) blue, green, red, to (3, rows, columns) L, a, b."""
    lab = np.empty((3, *image.shape[:2]), np.uint8)
    for rows, cols in _pieces(image.shape[:2]):
        _lab_piece(image[rows, cols], lab[:, rows, cols])
    return lab


def bgr_from_lab(lab: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """(3, rows, columns) L, a, b to (rows, columns, 3 or 4) blue, green, red; a fourth channel is filled with 255."""
    for rows, cols in _pieces(out.shape[:2]):
        _bgr_piece(lab[:, rows, cols], out[rows, cols])
    if out.shape[-1] == 4:
        out[..., 3] = 255


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of an image of this shape, PIECE pixels or fewer at a time."""
    n_cols = min(shape[1], PIECE)
    n_rows = PIECE // n_cols
    for row in range(0, shape[0], n_rows):
        for col in range(0, shape[1], n_cols):
            yield slice(row, row + n_rows), slice(col, col + n_cols)


def _lab_piece(image: NDArray[np.uint8], lab: NDArray[np.uint8]) -> None:
    matrix, root = _forward_tables()
    levels = [image[..., channel].astype(np.int32) << LEVEL_BITS for channel in (2, 1, 0)]
    x, y, z = (root[_descale(sum(c * v for c, v in zip(row, levels, strict=True)), MATRIX_BITS)] for row in matrix)
    lightness = (116 * 255 + 50) // 100 * y - (16 * 255 * (1 << ROOT_BITS) + 50) // 100
    center = 128 << ROOT_BITS
    for target, value in zip(lab, (lightness, 500 * (x - y) + center, 200 * (y - z) + center), strict=True):
        target[...] = np.clip(_descale(value, ROOT_BITS), 0, 255)


def _bgr_piece(lab: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    matrix, lightness, inverse = _backward_tables()
    y, f_y = lightness[0][lab[0]], lightness[1][lab[0]]
    a, b = lab[1].astype(np.int32), lab[2].astype(np.int32)
    f_x = f_y + ((5 * a * 53687 + (1 << 7)) >> 13) - 128 * BASE // 500  # a / 500
    f_z = f_y - (((b * 41943 + (1 << 4)) >> 9) - 128 * BASE // 200 + 1)  # b / 200
    xyz = inverse[f_x - LOWEST], y, inverse[f_z - LOWEST]
    for channel, row in zip((2, 1, 0), matrix, strict=True):
        # the descaled value is kept to 12 bits, of which 8 come out
        value = _descale(sum(c * v for c, v in zip(row, xyz, strict=True)), MATRIX_BITS + 2)
        out[..., channel] = (np.clip(value, 0, 4095) * 255) >> 12


def _descale(values: Any, bits: int) -> Any:
    return (values + (1 << (bits - 1))) >> bits


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
