"""What `medfast.hog` and the peers' forms of it share: tables and index maps per geometry, work arrays, tiles."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._parallel import for_rows

NORMS = ("l1", "l1-sqrt", "l2", "l2-hys")
"""In the order of the kernel's codes."""

_PADDING = 16  # the kernel's LANES
_PLANES_SIZE = 4096  # values that leave room for the rest in 32 KB of cache

_NEVER = 2**62  # a column that no image has
_LARGEST_EXPONENT = 40  # sums of the squares of a block of 2^40 · 2^16 pixels are still within float32


class Parameters(NamedTuple):
    """How an image is described; pairs are (rows, columns). Hashable, for tables are kept per value."""

    orientations: int
    cell: tuple[int, int]
    """Pixels."""
    block: tuple[int, int]
    """Cells."""
    stride: tuple[int, int]
    """Pixels from block to block."""
    norm: str
    clip: float
    signed: bool
    gamma: bool
    spatial_votes: bool
    orientation_votes: bool
    sigma: float
    """Of the Gaussian over a block, in pixels; infinite for none."""
    epsilon: tuple[float, float, float, float]
    """Added under the root and after it, in the first normalisation and in the second."""

    @property
    def block_pixels(self) -> tuple[int, int]:
        """Rows and columns of a block."""
        return self.block[0] * self.cell[0], self.block[1] * self.cell[1]

    @property
    def block_length(self) -> int:
        """Values of a block."""
        return self.block[0] * self.block[1] * self.orientations

    def blocks_in(self, rows: int, cols: int) -> tuple[int, int]:
        """Block rows and block columns that fit."""
        height, width = self.block_pixels
        return (rows - height) // self.stride[0] + 1, (cols - width) // self.stride[1] + 1


@functools.lru_cache(maxsize=64)
def layout(parameters: Parameters, rows: int, cols: int, levels: int) -> list[tuple[tuple[int, int], int, int]]:
    """Of each level of a pyramid: block rows and columns, and where its values begin and end among those of all."""
    parts, begin = [], 0
    for level in range(levels):
        n_rows, n_cols = parameters.blocks_in(rows >> level, cols >> level)
        end = begin + n_rows * n_cols * parameters.block_length
        parts.append(((n_rows, n_cols), begin, end))
        begin = end
    return parts


def opencv_epsilon(block_length: int) -> tuple[float, float, float, float]:
    """OpenCV's constants: a tenth of a gray level per value of a block, then a thousandth."""
    return 0.0, 0.1 * block_length, 0.0, 1e-3


def work_dtype(dtype: np.dtype) -> np.dtype:
    """Dtype of the arithmetic and of the result."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def as_blocks(features: NDArray[Any], blocks: tuple[int, int], parameters: Parameters) -> NDArray[Any]:
    """View of (images, values), whose values stand in OpenCV's order (columns first), in the kernel's order."""
    shape = (*blocks[::-1], *parameters.block[::-1], parameters.orientations)
    return features.reshape(len(features), *shape).transpose(0, 2, 1, 4, 3, 5)


def describe(
    images: NDArray[Any],
    parameters: Parameters,
    out: NDArray[Any],
    *,
    origin: tuple[int, int] = (0, 0),
    ties_high_from: int | None = None,
    num_threads: int | None = None,
) -> None:
    """Fill `out` from `images`, which is (images, rows, cols, channels).

    `out` is (images, block rows, block columns, cell rows, cell columns, bins). The first block has its upper left
    corner at `origin`; pixels outside are reflected, without repeating the border. Of equally strong channels the first
    one counts, from column `ties_high_from` (from `origin`) on the last one.
    """
    if not out.size:
        return
    run: Callable[..., None] = _kernels.hog.describe
    dtype = out.dtype
    plan = _plan(images.shape[1:], out.shape[1:3], origin, parameters, dtype)
    ties = _NEVER if ties_high_from is None else ties_high_from

    def work(start: int, stop: int) -> None:
        run(
            images[:, :, plan.columns],
            *plan.maps,
            ties,
            *plan.tables,
            start,
            stop,
            np.empty(plan.line, dtype),
            np.zeros(plan.levels, dtype),
            np.empty(plan.votes, dtype),
            np.zeros(plan.planes, dtype),
            np.empty(plan.row_sums, dtype),
            np.empty(plan.sums, dtype),
            out,
        )

    for_rows(len(out) * out.shape[1], work, work_per_row=plan.work_per_row, num_threads=num_threads)


def within_range(images: NDArray[Any]) -> NDArray[Any]:
    """`images`, scaled down by a power of two where squares would overflow: there the scale hardly matters."""
    if images.dtype.kind != "f" or not images.size:
        return images
    exponent = math.frexp(max(-float(images.min()), float(images.max())))[1]
    return images if exponent <= _LARGEST_EXPONENT else np.ldexp(images, _LARGEST_EXPONENT - exponent)


def halve(images: NDArray[Any], num_threads: int | None = None) -> NDArray[Any]:
    """Each of `images` (images, rows, cols, channels) at half the height and width."""
    n_images, rows, cols, n_channels = images.shape
    out = np.empty((n_images, rows // 2, cols // 2, n_channels), images.dtype)
    kernel = _kernels.hog

    def work(start: int, stop: int) -> None:
        kernel.halve(images, start, stop, out)

    for_rows(n_images * (rows // 2), work, work_per_row=cols, num_threads=num_threads)
    return out


def _padded(n: int) -> int:
    return -(-n // _PADDING) * _PADDING


class _Plan(NamedTuple):
    """What the kernel is given beside images, rows and result, as far as it depends on their geometry alone."""

    columns: slice
    """Columns of the image that are used."""
    maps: tuple[Any, ...]
    """Where it finds what, up to the stride of rows."""
    tables: tuple[Any, ...]
    """Weights, switches, norm."""
    line: int
    levels: tuple[int, int, int]
    votes: tuple[int, int]
    planes: int
    row_sums: tuple[int, int, int]
    sums: tuple[int, ...]
    work_per_row: float


@functools.lru_cache(maxsize=64)
def _plan(
    shape: tuple[int, int, int],
    blocks: tuple[int, int],
    origin: tuple[int, int],
    parameters: Parameters,
    dtype: np.dtype,
) -> _Plan:
    """Made once per geometry: for a small image, the arithmetic of sizes takes as long as the kernel."""
    row_of, columns, column_of, slot_of_tap = _maps(shape[:2], blocks, origin, parameters)
    row_weights, column_weights, taps, edges, epsilon = _tables(parameters, dtype)
    n_bins, (n_phases, n_groups) = parameters.orientations, column_of.shape
    n_slots, n_padded = _padded((n_phases - 2) * n_groups), _padded(blocks[1])
    n_planes = min(n_bins, max(1, _PLANES_SIZE // n_slots))
    n_open = math.ceil(parameters.block_pixels[0] / parameters.stride[0])
    switches = parameters.gamma, parameters.signed, parameters.orientation_votes
    norm = NORMS.index(parameters.norm)
    return _Plan(
        columns=columns,
        maps=(row_of, column_of, slot_of_tap, parameters.stride[0]),
        tables=(row_weights, column_weights, taps, *switches, edges, norm, parameters.clip, epsilon),
        line=columns.stop - columns.start,
        levels=(3, shape[2], n_phases * n_groups + _PADDING),
        votes=(5, n_slots),
        planes=n_planes * n_slots + _PADDING,
        row_sums=(parameters.block[1], n_bins, n_padded),
        sums=(n_open, *parameters.block, n_bins, n_padded),
        work_per_row=parameters.stride[0] * (n_slots * (2 + n_bins / 8) + n_padded * parameters.block_length / 8),
    )


def _maps(
    shape: tuple[int, int], blocks: tuple[int, int], origin: tuple[int, int], parameters: Parameters
) -> tuple[NDArray[np.int64], slice, NDArray[np.int32], NDArray[np.int64]]:
    """Where the kernel finds what: see `describe` in src/hog.pyx.

    The image row of each region row from -1 on; the image columns that are used; which of them each (phase, group) is,
    from phase -1 on; the slot of each column of the first block.
    """
    height, width = parameters.block_pixels
    stride = parameters.stride[1]
    rows = np.arange(-1, (blocks[0] - 1) * parameters.stride[0] + height + 1)
    phases = np.arange(-1, stride + 1)
    groups = np.arange(blocks[1] - 1 + math.ceil(width / stride))
    columns = phases[:, np.newaxis] + stride * groups
    taps = np.arange(width)
    slots = taps % stride * len(groups) + taps // stride
    row_of, column_of = _reflect(rows + origin[0], shape[0]), _reflect(columns + origin[1], shape[1])
    used = slice(int(column_of.min()), int(column_of.max()) + 1)
    return row_of, used, (column_of - used.start).astype(np.int32), slots


@functools.lru_cache(maxsize=64)
def _tables(parameters: Parameters, dtype: np.dtype) -> tuple[NDArray[Any], ...]:
    """Weights of a block's rows and columns in each cell, edges of the bins, and what keeps a division from 0."""
    weights = [_weights(cell, n, parameters) for cell, n in zip(parameters.cell, parameters.block, strict=True)]
    circle = 2 if parameters.signed else 1
    edges = [_direction(circle * k, parameters.orientations) for k in range(1, parameters.orientations + 1)]
    row_weights, column_weights, directions = (array.astype(dtype) for array in (*weights, np.array(edges)))
    taps = np.array([(np.flatnonzero(row)[[0, -1]] + (0, 1)) if row.any() else (0, 0) for row in column_weights])
    return _read_only(row_weights, column_weights, taps, directions, np.array(parameters.epsilon))


def _weights(cell: int, n_cells: int, parameters: Parameters) -> NDArray[np.float64]:
    """What each of the pixels along one axis of a block weighs in each of its cells."""
    pixels, cells = np.arange(cell * n_cells), np.arange(n_cells)[:, np.newaxis]
    if parameters.spatial_votes:
        shares = np.maximum(0.0, 1.0 - np.abs((pixels + 0.5) / cell - 0.5 - cells))
    else:
        shares = (pixels // cell == cells).astype(np.float64)
    # Between these bounds the square is finite, and beyond them no weight changes any more.
    sigma = min(max(parameters.sigma, 1e-3), 1e150)
    return shares * np.exp(-((pixels - len(pixels) / 2) ** 2) / (2 * sigma**2))


def _direction(numerator: int, denominator: int) -> tuple[float, float]:
    """Cosine and sine of numerator/denominator half circles, modulo one; exact on the axes, alike on the diagonals."""
    numerator %= denominator
    if 2 * numerator > denominator:
        cosine, sine = _direction(denominator - numerator, denominator)
        return -cosine, sine
    if 4 * numerator > denominator:
        sine, cosine = _direction(denominator - 2 * numerator, 2 * denominator)
        return cosine, sine
    if 4 * numerator == denominator:
        return math.sqrt(0.5), math.sqrt(0.5)
    angle = math.pi * numerator / denominator
    return math.cos(angle), math.sin(angle)


def _reflect(index: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Positions outside of `range(n)` reflected at the first and the last, which are not repeated."""
    if n == 1:
        return np.zeros_like(index)
    period = 2 * (n - 1)
    index = index % period
    return np.minimum(index, period - index)


def _read_only(*arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """`arrays`, which are kept from call to call, closed to writing."""
    for array in arrays:
        array.flags.writeable = False
    return arrays
