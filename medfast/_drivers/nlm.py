"""What non-local means needs around its kernels: borders, tables of weights, boxes and tiles. Arguments were checked by
the caller.

Images are (planes, channels, rows, columns) here, whatever the caller's axes; an image has one plane. They are cut into
*boxes*, of which one at a time is copied with what surrounds it, so that memory stays flat, and boxes into *tiles*,
which threads share. Neither changes a bit of the result.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._parallel import for_rows, resolve

INT_MAX = 2**31 - 1
SLACK = 64
"""Columns after those of the border, and pixels before the first of all, which kernels may read for whole vectors; what
is there does not count."""

TILE_PLANES = 16
TILE_ROWS = 64
"""Planes and rows of a tile, half as many rows in a volume. Fewer would let the lines that it begins with weigh more,
and of more the sums would leave the second-level cache."""

LEAST_PLANES, LEAST_ROWS = 8, 16
"""What tiles may shrink to where there are many threads to share them."""

BOX_BYTES = 16 * 2**20
"""About what a box may take with its surroundings per thread, of which three are reckoned with at least; fewer bytes
would be copied too often as surroundings of others. A box is at least a tile."""
BOX_COLS = 4096
"""Most columns of a box, which bound a thread's scratch."""

_WORK_OF_THREADS = 2**22  # pairs of pixels below which one thread does everything
_NO_MASK = np.zeros((0, 0, 0), np.uint8)
_NO_SCRATCH = np.zeros(0, np.uint8)

Range = tuple[int, int]
Box = tuple[Range, Range, Range]
Radii = tuple[int, int, int]


def has_table(
    dtype: np.dtype, norm: int, n_channels: int, patch: Radii, search: Radii, *, rician: bool = False
) -> bool:
    """Whether the weights come from a table of integers, as in OpenCV, rather than from the formula.

    Not where a sum of distances would not fit int32, or a sum of weights leaves none of them a scale of at least 1.
    """
    if rician or not (dtype == np.uint8 or (norm == 1 and dtype.kind in "iu")):
        return False
    largest = 65535 if norm == 1 else 255 * 255  # uint16 has a table for L1 alone
    return _size(patch) * n_channels * largest <= INT_MAX and _size(search) * 255 <= INT_MAX


def largest_patch(n_channels: int, norm: int) -> int:
    """Largest odd side of a square patch that has a table."""
    side = math.isqrt(INT_MAX // ((65535 if norm == 1 else 255 * 255) * n_channels))
    return side - 1 + side % 2


def largest_search(n_frames: int) -> int:
    """Largest odd side of a square search window that has a table."""
    side = math.isqrt(INT_MAX // (255 * n_frames))
    return side - 1 + side % 2


def denoise(
    planes: Sequence[NDArray[Any]] | NDArray[Any],
    out: NDArray[Any],
    h: Sequence[float],
    *,
    patch: Radii,
    search: Radii,
    norm: int,
    rician_sigma: float | None = None,
    mask: NDArray[np.bool_] | None = None,
    progress: Callable[[int, int], Any] | None = None,
    num_threads: int | None = None,
) -> None:
    """Denoise `planes`, each (channels, rows, columns), into `out`, which has as many, or only the one in the middle.

    `patch` and `search` are radii. With `rician_sigma` the bias of that noise is removed. With a `mask` (planes of
    `out`, rows, columns), what is outside is copied.
    """
    if not out.size:
        return
    call = _Call(planes, out, h, patch, search, norm, rician_sigma, mask, num_threads)
    boxes = call.boxes()
    tiles = [call.tiles(box) for box in boxes]
    n_tiles, n_before = sum(map(len, tiles)) * len(call.passes), 0
    for box, box_tiles in zip(boxes, tiles, strict=True):
        count = None if progress is None else _shifted(progress, n_before, n_tiles)
        call.run(box, box_tiles, count)
        n_before += len(box_tiles) * len(call.passes)


def _shifted(progress: Callable[[int, int], Any], before: int, total: int) -> Callable[[int, int], Any]:
    return lambda done, _: progress(before + done, total)


class _Call:
    """What the boxes of one call share: weights, the kernel's arguments, buffers."""

    def __init__(
        self,
        planes: Sequence[NDArray[Any]] | NDArray[Any],
        out: NDArray[Any],
        h: Sequence[float],
        patch: Radii,
        search: Radii,
        norm: int,
        rician_sigma: float | None,
        mask: NDArray[np.bool_] | None,
        num_threads: int | None,
    ) -> None:
        self.planes, self.out, self.mask, self.num_threads = planes, out, mask, num_threads
        self.is_film = len(planes) > len(out)
        self.border = tuple([p + s for p, s in zip(patch, search, strict=True)])
        self.radii = np.array([*patch, *search], np.intp)
        self.n_weights, self.n_shifts = 1, _size(search)
        self.target = out  # as the kernel sees it
        self.exponent = 0  # of the power of two that floats are divided by
        self.free: list[NDArray[np.uint8]] = []  # scratch of the tiles that are done: as many pieces as threads
        self.buffer: NDArray[Any] | None = None
        self.mask_buffer = np.empty(0, np.uint8)
        self.passes: list[tuple[Any, ...]]  # the kernel's arguments; several where it does a channel at a time
        kernel, n_channels, n_pixels = _kernels.nlm, out.shape[1], _size(patch)
        self.workspace = kernel.workspace
        self.kernel: Callable[..., None]
        self.dtype: np.dtype[Any]  # of the padded image
        if has_table(out.dtype, norm, n_channels, patch, search, rician=rician_sigma is not None):
            self.kernel, self.dtype = kernel.denoise_integer, np.dtype(np.uint16)
            n_bytes = 1 if out.dtype == np.uint8 else 2
            self.passes = [(norm, *weight_tables(tuple(h), n_bytes, n_channels, n_pixels, self.n_shifts, norm))]
            self.n_weights = len(h)
            if out.dtype == np.int16:
                self.target = out.view(np.uint16)
        else:
            self.kernel = kernel.denoise_formula
            self.dtype = np.dtype(np.float64 if out.dtype == np.float64 else np.float32)
            largest = 65536.0
            if out.dtype.kind == "f":
                largest = max(max(float(plane.max()), -float(plane.min())) for plane in planes)
                h = [min(value, 2.0**60 * largest) if largest else 1.0 for value in h]  # all weights are 1 there
                self.exponent = _exponent(max(h), largest, self.dtype)
            strengths = [math.ldexp(value, -self.exponent) for value in h]
            factors = [_factor(each, n_pixels, n_channels, norm, self.dtype) for each in strengths]
            bias = -1.0
            if rician_sigma is not None:  # from twice the largest value on everything becomes 0
                bias = 2.0 * math.ldexp(min(rician_sigma, 2.0 * largest), -self.exponent) ** 2
            self.passes = [(norm, factor, bias) for factor in factors]
        if mask is not None:
            for target, plane in zip(out, planes[len(planes) // 2 :] if self.is_film else planes, strict=False):
                target[...] = plane

    def boxes(self) -> list[Box]:
        """What there is to denoise, cut so that a box with its surroundings takes about BOX_BYTES. All begin at even
        rows: kernels may share sums among pairs of rows, and the rounding of floats is not to depend on the box.
        """
        n_planes, n_channels, n_rows, n_cols = self.out.shape
        extent: Box = ((0, n_planes), (0, n_rows), (0, n_cols))
        if self.mask is not None:
            extent = _bounds(self.mask)
            extent = (extent[0], (extent[1][0] // 2 * 2, extent[1][1]), extent[2])
        lengths = [stop - start for start, stop in extent]
        if min(lengths) == 0:
            return []
        border_planes, border_rows, border_cols = self.border
        cols = math.ceil(lengths[2] / math.ceil(lengths[2] / BOX_COLS))  # alike: none narrower than a search window
        line_bytes = (cols + 2 * border_cols + SLACK) * n_channels * self.dtype.itemsize
        planes, rows = lengths[:2]
        if line_bytes * (planes + 2 * border_planes) * (rows + 2 * border_rows) > BOX_BYTES:
            most = BOX_BYTES * max(3, resolve(self.num_threads))
            planes = most // (line_bytes * (rows + 2 * border_rows)) - 2 * border_planes
            planes = max(planes // TILE_PLANES * TILE_PLANES, min(TILE_PLANES, lengths[0]))
            rows = most // (line_bytes * (planes + 2 * border_planes)) - 2 * border_rows
            rows = max(rows // TILE_ROWS, 1) * TILE_ROWS
            rows += rows % 2
        cuts = [_cut(*each, size) for each, size in zip(extent, (planes, rows, cols), strict=True)]
        return [(first, second, third) for first in cuts[0] for second in cuts[1] for third in cuts[2]]

    def tiles(self, box: Box) -> list[tuple[int, int, int, int]]:
        """Planes and rows of the tiles of a box, from its own first plane and row on: four or more for each thread, if
        that leaves them large enough.
        """
        (plane_start, plane_stop), (row_start, row_stop), (col_start, col_stop) = box
        n_planes, n_rows = plane_stop - plane_start, row_stop - row_start
        planes, rows = min(TILE_PLANES, n_planes), TILE_ROWS if n_planes == 1 else max(TILE_ROWS // 2, 1)
        if n_planes * n_rows * (col_stop - col_start) * self.n_shifts > _WORK_OF_THREADS:
            most = 4 * resolve(self.num_threads)
            while math.ceil(n_planes / planes) * math.ceil(n_rows / rows) < most > 4:
                if rows > LEAST_ROWS:
                    rows //= 2
                elif planes > LEAST_PLANES:
                    planes //= 2
                else:
                    break
        all_rows = _cut(0, n_rows, rows)
        return [(*each, *row) for each in _cut(0, n_planes, planes) for row in all_rows]

    def run(self, box: Box, tiles: list[tuple[int, int, int, int]], progress: Callable[[int, int], Any] | None) -> None:
        """Denoise a box, which its tiles make up."""
        places = [(start - border, stop + border) for (start, stop), border in zip(box, self.border, strict=True)]
        if self.is_film:
            places[0] = (0, len(self.planes))
        lengths = [stop - start for start, stop in places]
        shape = (lengths[0], self.out.shape[1], lengths[1], lengths[2] + SLACK)
        if self.buffer is None:  # of the first box, and none is larger
            self.buffer = np.zeros(SLACK + math.prod(shape), self.dtype)
            self.mask_buffer = np.empty(0 if self.mask is None else math.prod(shape) // shape[1], np.uint8)
        padded = self.buffer[SLACK : SLACK + math.prod(shape)].reshape(shape)
        pad(self.planes, places, padded)
        if self.target is not self.out:
            padded ^= 0x8000  # int16 in the same order, from 0 on
        if self.exponent:
            np.multiply(padded, self.dtype.type(2.0**-self.exponent), out=padded)
        planes, rows, cols = (slice(*each) for each in box)
        inside, padded_mask = None, _NO_MASK
        where: Any = True
        if self.mask is not None:
            masks = self.mask[:, np.newaxis]
            inside = self.mask[planes, rows, cols]
            where = inside[:, np.newaxis]
            if self.is_film:
                masks = np.broadcast_to(masks, (len(self.planes), *masks.shape[1:]))
            padded_mask = self.mask_buffer[: math.prod(shape) // shape[1]].reshape(shape[0], *shape[2:])
            pad(masks, places, padded_mask[:, np.newaxis])
        target = self.target[planes, :, rows, cols]
        result = target if len(self.passes) == 1 else np.empty_like(target)
        for number, arguments in enumerate(self.passes):
            count = None if progress is None else _shifted(progress, number * len(tiles), 0)  # the total stands outside
            self.run_tiles(tiles, inside, (padded, padded_mask, self.radii, *arguments), result, count)
            if result is not target:
                np.copyto(target[:, number], result[:, number], where=True if inside is None else inside)
        if self.target is not self.out:
            np.bitwise_xor(target, 0x8000, out=target, where=where)
        if self.exponent:
            np.multiply(target, self.dtype.type(2.0**self.exponent), out=target, where=where)

    def run_tiles(
        self,
        tiles: list[tuple[int, int, int, int]],
        inside: NDArray[np.bool_] | None,
        arguments: tuple[Any, ...],
        result: NDArray[Any],
        progress: Callable[[int, int], Any] | None,
    ) -> None:
        """Let the kernel denoise the tiles of a box, those without a pixel inside excepted."""
        n_planes = max(stop - start for start, stop, _, _ in tiles)
        n_rows = max(stop - start for _, _, start, stop in tiles)
        n_channels, n_cols = result.shape[1], result.shape[3]
        n_bytes = self.workspace(n_channels, self.n_weights, n_planes, n_rows, n_cols, self.radii)

        def body(first: int, last: int) -> None:
            for tile in tiles[first:last]:
                if inside is not None and not inside[tile[0] : tile[1], tile[2] : tile[3]].any():
                    continue
                try:
                    scratch = self.free.pop()
                except IndexError:
                    scratch = _NO_SCRATCH
                if len(scratch) < n_bytes:  # of a box before, with other tiles
                    scratch = np.empty(n_bytes, np.uint8)
                self.kernel(*arguments, scratch, *tile, result)
                self.free.append(scratch)

        for_rows(
            len(tiles),
            body,
            work_per_row=result.size / len(tiles) * self.n_shifts / 8,
            num_threads=self.num_threads,
            tile_rows=1,
            progress=progress,
        )


def _size(radii: Radii) -> int:
    """Pixels in a window."""
    return math.prod([2 * radius + 1 for radius in radii])


def _cut(start: int, stop: int, size: int) -> list[Range]:
    """The range in pieces of `size`, the last one maybe shorter."""
    return [(first, min(first + size, stop)) for first in range(start, stop, size)]


def _bounds(mask: NDArray[np.bool_]) -> Box:
    """The smallest box around what is inside."""
    bounds = []
    for axis in range(3):
        (found,) = np.nonzero(mask.any(axis=tuple([other for other in range(3) if other != axis])))
        bounds.append((int(found[0]), int(found[-1]) + 1) if found.size else (0, 0))
    return bounds[0], bounds[1], bounds[2]


def pad(planes: Sequence[NDArray[Any]] | NDArray[Any], places: Sequence[Range], padded: NDArray[Any]) -> None:
    """Fill `padded` (planes, channels, rows, columns + SLACK) with the image at `places`, ranges of its planes, rows
    and columns. Beyond its outermost pixels it goes on as its mirror image.
    """
    shape = (len(planes), *planes[0].shape[1:])
    cols = places[2][1] - places[2][0]
    padded[..., cols:] = 0
    # What is inside of the image, by axis: where it stands in the image, and where in `padded`.
    inner = [slice(max(start, 0), min(stop, n)) for (start, stop), n in zip(places, shape, strict=True)]
    own = [slice(part.start - start, part.stop - start) for part, (start, _) in zip(inner, places, strict=True)]
    inside = padded[own[0], :, own[1], own[2]]
    if isinstance(planes, np.ndarray):
        np.copyto(inside, planes[inner[0], :, inner[1], inner[2]], casting="unsafe")  # int16 wraps into uint16
    else:
        for target, plane in zip(inside, planes[inner[0]], strict=True):
            np.copyto(target, plane[:, inner[1], inner[2]], casting="unsafe")
    # First the columns of the inner rows, then whole rows, then whole planes: nothing is read before it is there.
    _mirror(padded[own[0], :, own[1], :cols].swapaxes(0, 3), shape[2], *places[2])
    _mirror(padded[own[0]].swapaxes(0, 2), shape[1], *places[1])
    _mirror(padded, shape[0], *places[0])


def _mirror(array: NDArray[Any], n: int, start: int, stop: int) -> None:
    """Fill the places `start` to `stop` along the first axis that lie outside 0 … n - 1, from those inside."""
    if start < 0:
        far = -2 * start  # where the farthest place is, if one reflection is enough
        array[:-start] = array[far:-start:-1] if -start < n else array[mirrored(n, start, 0) - start]
    if stop > n:
        far = 2 * n - 1 - stop - start
        reflected = slice(n - 2 - start, far - 1 if far else None, -1)
        array[n - start :] = array[reflected if stop < 2 * n else mirrored(n, n, stop) - start]


def mirrored(n: int, start: int, stop: int) -> NDArray[np.intp]:
    """Index of the pixel at each place from `start` to `stop`: 2 1 | 0 1 2 | 1 0, again and again."""
    period = max(2 * n - 2, 1)
    places = np.arange(start, stop) % period
    return np.minimum(places, period - places)


@functools.lru_cache(maxsize=2)
def weight_tables(
    h: tuple[float, ...], n_bytes: int, n_channels: int, n_pixels: int, n_shifts: int, norm: int
) -> tuple[int, NDArray[Any], float]:
    """OpenCV's weights: a distance D, summed over the `n_pixels` of a patch, has the weight ``table[D >> shift]``.

    The division by the patch's pixels becomes a shift by the next power of two; what is too much or too little goes
    into the table. The largest weight is such that the largest sum over `n_shifts` weighted pixels fits int32 (int64
    for 16 bits).
    """
    shift = (n_pixels - 1).bit_length()
    step = 2.0**shift / n_pixels  # mean distance per entry
    largest_value = 255 if n_bytes == 1 else 65535
    largest_distance = largest_value**norm * n_channels
    top = min((INT_MAX if n_bytes == 1 else 2**63 - 1) // (n_shifts * largest_value), INT_MAX)
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


def _exponent(h: float, largest: float, dtype: np.dtype) -> int:
    """Of the power of two by which floats up to `largest` are divided, so that squares of what counts beside `h`
    neither overflow nor vanish in `dtype`. 0 for most images.
    """
    room = 126 if dtype == np.float32 else 500
    here, top = math.frexp(h)[1], math.frexp(largest)[1]
    exponent = max(min(here, top), top - room)
    return 0 if abs(exponent) < room // 4 and top < room // 2 else max(-room, min(room, exponent))


def _factor(h: float, n_pixels: int, n_channels: int, norm: int, dtype: np.dtype) -> float:
    """What turns a summed distance (L1: its square) into the exponent."""
    h2 = h * h
    inverse = 1.0 / h2 if h2 > 0 else math.inf
    # At the bound, with which 0 times is still 0, nothing but 0 has a weight.
    return min(inverse / (n_pixels ** (2 if norm == 1 else 1) * n_channels), 1e30 if dtype == np.float32 else 1e300)
