"""What non-local means needs around its kernels: borders, tables of weights, tiles. Arguments were checked by the
caller.

Arrays are (channels, rows, columns) here, whatever the caller's axes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._parallel import for_rows

INT_MAX = 2**31 - 1
SLACK = 64
"""Columns after those of the border, which kernels may read for whole vectors; what is there does not count."""

TILE_ROWS = 32
"""Rows of a tile: a block of the fastest kernel. Fewer would let the rows that a block starts with weigh more."""

_STEPS = 32
_LIMIT = 64
# exp(-j / 32): the kernel multiplies by exp of the rest. Weights below exp(-64) count as none.
_EXPONENTIALS = np.append(np.exp(-np.arange(_LIMIT * _STEPS) / _STEPS), 0.0)


def has_table(dtype: np.dtype, norm: int, *, rician: bool) -> bool:
    """Whether the weights come from a table of integers, as in OpenCV, rather than from the formula."""
    return not rician and (dtype == np.uint8 or (norm == 1 and dtype.kind in "iu"))


def largest_patch(n_channels: int, norm: int) -> int:
    """Largest odd patch whose summed distance fits int32, where there is a table."""
    largest = 65535 if norm == 1 else 255 * 255  # uint16 has a table for L1 alone
    side = math.isqrt(INT_MAX // (largest * n_channels))
    return side - 1 + side % 2


def largest_search(n_frames: int) -> int:
    """Largest odd search window that leaves the sum of all weights a scale of at least 1 in int32."""
    side = math.isqrt(INT_MAX // (255 * n_frames))
    return side - 1 + side % 2


def denoise(
    frames: Sequence[NDArray[Any]],
    out: NDArray[Any],
    h: Sequence[float],
    *,
    patch_size: int,
    search_size: int,
    norm: int,
    bias: float = -1.0,
    progress: Callable[[int, int], Any] | None = None,
    num_threads: int | None = None,
) -> None:
    """Denoise the frame in the middle into `out`; a `bias` >= 0 is taken from the mean square (Rician noise)."""
    n_channels, n_rows, n_cols = out.shape
    if not out.size:
        return
    patch_radius, search_radius = patch_size // 2, search_size // 2
    border = patch_radius + search_radius
    kernel = _kernels.nlm
    exponent = 0
    target = out
    by_table = has_table(out.dtype, norm, rician=bias >= 0)
    if by_table:
        padded = pad(frames, border, np.uint16)
        if out.dtype == np.int16:
            padded ^= 0x8000  # the same order, from 0 on
            target = out.view(np.uint16)
        shift, tables, rate = weight_tables(
            h, 1 if out.dtype == np.uint8 else 2, n_channels, len(frames), patch_size, search_size, norm
        )
    else:
        padded = pad(frames, border, out.dtype)
        if out.dtype == np.float64:  # so that no square of any finite image overflows
            exponent = max(math.frexp(max(h))[1], math.frexp(float(np.abs(padded).max()))[1] - 400)
            padded = np.ldexp(padded, -exponent, out=padded)
            bias = math.ldexp(math.sqrt(max(bias, 0.0)), -exponent) ** 2 if bias >= 0 else bias
        factors = np.array([_factor(math.ldexp(value, -exponent), patch_size, n_channels, norm) for value in h])
    n_bytes = kernel.workspace(n_channels, len(h), n_cols, patch_radius, search_radius)

    free: list[NDArray[np.uint8]] = []  # scratch of the tiles that are done: as many pieces as threads

    def body(start: int, stop: int) -> None:
        try:
            scratch = free.pop()
        except IndexError:
            scratch = np.empty(n_bytes, np.uint8)
        if by_table:
            kernel.denoise_integer(
                padded, patch_radius, search_radius, norm, shift, tables, rate, scratch, start, stop, target
            )
        else:
            kernel.denoise_formula(
                padded, patch_radius, search_radius, norm, factors, _EXPONENTIALS, bias, scratch, start, stop, target
            )
        free.append(scratch)

    for_rows(
        n_rows,
        body,
        work_per_row=len(frames) * n_channels * n_cols * search_size**2 / 2,
        num_threads=num_threads,
        tile_rows=TILE_ROWS,
        progress=progress,
    )
    if target is not out:
        np.bitwise_xor(target, 0x8000, out=target)
    if exponent:
        np.ldexp(out, exponent, out=out)


def pad(frames: Sequence[NDArray[Any]], border: int, dtype: Any) -> NDArray[Any]:
    """(frames, channels, rows + 2 border, columns + 2 border + SLACK), mirrored about the outermost pixels."""
    n_channels, n_rows, n_cols = frames[0].shape
    padded = np.zeros((len(frames), n_channels, n_rows + 2 * border, n_cols + 2 * border + SLACK), dtype)
    rows, cols = mirrored(n_rows, border), mirrored(n_cols, border)
    for frame, target in zip(frames, padded, strict=True):
        inside = target[:, border : border + n_rows]
        np.copyto(inside[..., border : border + n_cols], frame, casting="unsafe")  # int16 wraps into uint16
        # First the columns of the inner rows, then whole rows: nothing is read before it is there.
        inside[..., :border] = inside[..., border + cols[:border]]
        inside[..., border + n_cols : -SLACK] = inside[..., border + cols[border + n_cols :]]
        target[:, :border] = target[:, border + rows[:border]]
        target[:, border + n_rows :] = target[:, border + rows[border + n_rows :]]
    return padded


def mirrored(n: int, border: int) -> NDArray[np.intp]:
    """Index of the pixel that stands at each place -border ... n + border - 1: 2 1 | 0 1 2 | 1 0, again and again."""
    if n == 1:
        return np.zeros(1 + 2 * border, np.intp)
    places = np.arange(-border, n + border) % (2 * n - 2)
    return np.minimum(places, 2 * n - 2 - places)


def weight_tables(
    h: Sequence[float], n_bytes: int, n_channels: int, n_frames: int, patch_size: int, search_size: int, norm: int
) -> tuple[int, NDArray[Any], float]:
    """OpenCV's weights: a summed distance D over the patch has the integer weight ``table[D >> shift]``.

    The division by the patch's pixels becomes a shift by the next power of two; what is too much or too little goes
    into the table. The largest weight is such that the largest sum of weighted pixels fits int32 (int64 for 16 bits).
    """
    n_pixels = patch_size**2
    shift = (n_pixels - 1).bit_length()
    step = 2.0**shift / n_pixels  # mean distance per entry
    largest_value = 255 if n_bytes == 1 else 65535
    largest_distance = largest_value**norm * n_channels
    largest_sum = n_frames * search_size**2 * largest_value
    top = min((INT_MAX if n_bytes == 1 else 2**63 - 1) // largest_sum, INT_MAX)
    n_entries = int(largest_distance / step + 1)
    tables = np.zeros((len(h), n_entries), np.int32 if n_bytes == 1 else np.int64)
    rate = math.inf
    for table, value in zip(tables, h, strict=True):
        with np.errstate(over="ignore", under="ignore"):
            h2 = float(np.float32(value) * np.float32(value) * np.float32(n_channels))  # as OpenCV: in float32
        # Weights that round to under a thousandth of the top are none. Rounding lifts no weight under 1/2000 so far,
        # whatever the top, so beyond an exponent of ln(2000) < 8 none need computing.
        reach = math.sqrt(8.0 * h2) if norm == 1 else 8.0 * h2
        n_used = int(min(reach / step + 2, n_entries))
        distances = np.arange(n_used) * step
        if h2:
            rate = min(rate, step / h2)
            weights = np.exp(-(distances * distances if norm == 1 else distances) / h2)
        else:  # h = 0: only patches that are the same count
            weights = (distances == 0).astype(np.float64)
        scaled = np.rint(top * weights)
        scaled[scaled < 0.001 * top] = 0
        table[:n_used] = scaled
    return shift, tables, rate


def _factor(h: float, patch_size: int, n_channels: int, norm: int) -> float:
    """What turns a summed distance (L1: its square) into the exponent."""
    h2 = h * h
    inverse = 1.0 / h2 if h2 > 0 else math.inf
    return min(inverse / (patch_size ** (2 if norm == 2 else 4) * n_channels), np.finfo(np.float64).max)
