"""What `medfast.hog` and the peers' forms of it share: tables and index maps per geometry, work arrays, tiles."""

import functools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._parallel import for_rows

NORMS = ("l1", "l1-sqrt", "l2", "l2-hys")
"""In the order of the kernel's codes."""

_PADDING = 16  # the kernel's LANES
_TILE_SIZE = 3072  # values of the histograms of columns that leave room for the rest in 32 KB of cache
_PART_SIZE = 1024  # pixels whose votes are found at once
_ROWS_AT_ONCE = 16  # rows whose votes go into the histograms of columns before these are added up
_KEPT_BYTES = 2**19  # of work arrays, per thread
_OPENCV_SHORT = 16  # pixels of a line from where on OpenCV has vectors for it
_NEVER = 2**62  # a column that no image has
_LARGEST_EXPONENT = 40  # sums of the squares of a block of 2^40 · 2^16 pixels are still within float32


@dataclass(frozen=True, eq=True)
class Parameters:
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
    block_length: int = field(init=False, compare=False)
    """Values of a block."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        values = tuple(getattr(self, each.name) for each in fields(self) if each.init)
        object.__setattr__(self, "_hash", hash(values))  # once: it is asked for at every call
        object.__setattr__(self, "block_length", self.block[0] * self.block[1] * self.orientations)

    def __hash__(self) -> int:
        return self._hash

    @property
    def block_pixels(self) -> tuple[int, int]:
        """Rows and columns of a block."""
        return self.block[0] * self.cell[0], self.block[1] * self.cell[1]

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
    opencv: tuple[int, int] | None = None,
    num_threads: int | None = None,
) -> None:
    """Fill `out` from `images`, which is (images, rows, cols, channels).

    `out` is (images, block rows, block columns, cell rows, cell columns, bins). The first block has its upper left
    corner at `origin`; pixels outside are reflected, without repeating the border. Of equally strong channels the first
    one counts. `opencv` gives the width of OpenCV's continued image, and the column of `origin` in it: OpenCV treats
    the last columns of lines, and short lines, another way.
    """
    if not out.size:
        return
    run: Callable[..., None] = _kernels.hog.describe
    dtype = out.dtype
    plan = _plan(images.shape[1:], out.shape[1:3], origin, opencv, parameters, dtype)

    def work(start: int, stop: int) -> None:
        run(images, *plan.maps, *plan.tables, start, stop, *plan.groups, *_work_arrays(plan), out)

    for_rows(len(out) * out.shape[1], work, work_per_row=plan.work_per_row, num_threads=num_threads)


def _call(function: Callable[..., None]) -> Callable[..., None]:
    """The function, whose arguments come from tuples."""
    return function


_last = threading.local()


def _work_arrays(plan: "_Plan") -> tuple[NDArray[Any], ...]:
    """For the thread's next call with the same plan they are kept, if they are small: short calls come in rows.

    The kernel leaves in them what it wants to find: zeros where lines and values are padded.
    """
    if getattr(_last, "plan", None) is plan:
        return _last.arrays
    dtype = plan.tables[0].dtype
    lines, n_work, places, columns, totals, values = plan.sizes
    arrays = (
        np.zeros(lines, dtype),
        np.empty(n_work, dtype),
        np.empty(places, np.int32),
        np.empty(columns, dtype),
        np.empty(totals, dtype),
        np.zeros(values, dtype),
        np.empty(17 * values[0], dtype),
    )
    if sum(array.nbytes for array in arrays) <= _KEPT_BYTES:
        _last.plan, _last.arrays = plan, arrays
    return arrays


def votes(
    image: NDArray[Any],
    parameters: Parameters,
    pad: tuple[int, int],
    shares: NDArray[np.float32],
    bins: NDArray[np.uint8],
) -> None:
    """Fill `shares` and `bins` (rows, cols, 2) from `image` (1, rows, cols, channels), with `pad` above and left."""
    rows, cols = shares.shape[:2]
    row_of, column_of, run = maps(image.shape[1:3], (rows, cols), (-pad[0], -pad[1]))
    n, run_votes = _padded(cols), _call(_kernels.hog.votes)
    switches = cols - cols % 4, cols < _OPENCV_SHORT, parameters.gamma, parameters.signed, parameters.orientations

    def work(start: int, stop: int) -> None:
        lines = np.zeros((3, image.shape[3], n + 2 * _PADDING), np.float32)
        places = np.empty(n, np.int32)
        run_votes(
            image, row_of, column_of, *run, *switches, start, stop, lines, np.empty(5 * n, np.float32), places,
            shares, bins,
        )  # fmt: skip

    for_rows(rows, work, work_per_row=4 * cols)


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

    maps: tuple[Any, ...]
    """Where it finds what, up to `narrow`."""
    tables: tuple[Any, ...]
    """Weights, switches, norm."""
    groups: tuple[Any, ...]
    """How many strides the columns take, how many of them are done at once, and where their columns begin."""
    sizes: tuple[Any, ...]
    """Of the work arrays."""
    work_per_row: float


@functools.lru_cache(maxsize=64)
def _plan(
    shape: tuple[int, int, int],
    blocks: tuple[int, int],
    origin: tuple[int, int],
    opencv: tuple[int, int] | None,
    parameters: Parameters,
    dtype: np.dtype,
) -> _Plan:
    """Made once per geometry: for a small image, the arithmetic of sizes takes as long as the kernel."""
    (row_stride, stride), (height, width) = parameters.stride, parameters.block_pixels
    region = (blocks[0] - 1) * row_stride + height, (blocks[1] - 1) * stride + width
    row_of, column_of, run = maps(shape[:2], region, origin)
    row_weights, column_weights, taps, bounds, epsilon = _tables(parameters, dtype)
    n_bins, n_lanes, n_open_cols = parameters.orientations, row_weights.shape[2], column_weights.shape[1]
    n_groups = blocks[1] - 1 + n_open_cols
    size = _padded((n_bins + 1) * n_lanes)
    tile_groups = max(1, min(n_groups, _TILE_SIZE // (size * stride)))
    n_at_once = min(row_stride, height, _ROWS_AT_ONCE)
    part_groups = tile_groups * max(
        1, min(-(-n_groups // tile_groups), _PART_SIZE // (n_at_once * tile_groups * stride))
    )
    part = _padded(part_groups * stride)
    base = np.arange(part, dtype=np.int32) % (tile_groups * stride) * size
    switches = parameters.gamma, parameters.signed, parameters.orientation_votes
    ties = (_NEVER, False) if opencv is None else (opencv[0] - opencv[0] % 4 - opencv[1], opencv[0] < _OPENCV_SHORT)
    norm = NORMS.index(parameters.norm)
    return _Plan(
        maps=(row_of, column_of, *run, row_stride, stride, *ties),
        tables=(row_weights, column_weights, taps, *switches, bounds, norm, parameters.clip, epsilon),
        groups=(n_groups, part_groups, tile_groups, _read_only(base)[0]),
        sizes=(
            (n_at_once + 2, shape[2], _padded(n_groups * stride) + 2 * _PADDING),
            6 * n_at_once * part,
            (n_at_once, part),
            (tile_groups * stride, size),
            (blocks[1], parameters.block[1], size),
            (blocks[1], _padded(parameters.block_length)),
        ),
        work_per_row=row_stride * n_groups * stride * (1 + n_lanes / 4) + blocks[1] * parameters.block_length / 2,
    )


def maps(
    shape: tuple[int, int], region: tuple[int, int], origin: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int32], tuple[int, int]]:
    """The row of the image of each row of a region, from -1 on, and the column of each column; and from where on and up
    to where the latter follow each other.
    """
    rows, cols = (np.arange(-1, n + 1) + first for n, first in zip(region, origin, strict=True))
    columns = _reflect(cols, shape[1]).astype(np.int32)
    inside = np.flatnonzero((cols >= 0) & (cols < shape[1]))
    run = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 1)
    return _reflect(rows, shape[0]), columns, run


@functools.lru_cache(maxsize=64)
def _tables(parameters: Parameters, dtype: np.dtype) -> tuple[NDArray[Any], ...]:
    """Weights of rows and columns as the kernel takes them, edges of the bins, and what keeps a division from 0."""
    row_stride, n_cell_rows = parameters.stride[0], parameters.block[0]
    row_weights, column_weights = (
        _by_stride(_weights(cell, n, parameters), step)
        for cell, n, step in zip(parameters.cell, parameters.block, parameters.stride, strict=True)
    )
    n_open = row_weights.shape[1]
    n_lanes = n_open * n_cell_rows
    lanes = np.zeros((n_open, row_stride, 4 if n_lanes <= 4 else -(-n_lanes // 8) * 8))
    for now in range(n_open):
        for block in range(n_open):  # the open one that has its number modulo n_open
            of_block = lanes[now, :, block * n_cell_rows : (block + 1) * n_cell_rows]
            of_block[:] = row_weights[:, (now - block) % n_open].T
    taps = np.zeros((column_weights.shape[1], parameters.block[1], 2), np.int64)
    for cell, group in np.ndindex(column_weights.shape[:2]):
        if len(found := np.flatnonzero(column_weights[cell, group].astype(dtype))):
            taps[group, cell] = found[0], found[-1] + 1
    arrays = [np.ascontiguousarray(array, dtype) for array in (lanes, column_weights)]
    return _read_only(*arrays, taps, edges(parameters, dtype), np.array(parameters.epsilon))


@functools.lru_cache(maxsize=64)
def edges(parameters: Parameters, dtype: np.dtype) -> NDArray[Any]:
    """(bins, 2): cosine and sine of the upper edge of each bin."""
    n_bins, circle = parameters.orientations, 2 if parameters.signed else 1
    return _read_only(np.array([_direction(circle * k, n_bins) for k in range(1, n_bins + 1)], dtype))[0]


def _by_stride(weights: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """(cells, strides, pixels of a stride) from (cells, pixels), the last stride filled up with zeros."""
    n_open = -(-weights.shape[1] // stride)
    out = np.zeros((len(weights), n_open * stride))
    out[:, : weights.shape[1]] = weights
    return out.reshape(len(weights), n_open, stride)


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
