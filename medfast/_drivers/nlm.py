"""What non-local means needs around its kernels: borders, tables of weights, boxes and tiles. Arguments were checked by
the caller.

Images are (planes, channels, rows, columns) here, whatever the caller's axes; an image has one plane. They are cut into
*boxes*, of which one at a time is copied with what surrounds it, so that memory stays flat, and boxes into *tiles*,
which threads share. Neither changes a bit of the result.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import nlm_scale
from medfast._drivers.nlm_border import Radii, Range, pad
from medfast._parallel import for_rows, resolve

INT_MAX = 2**31 - 1
SLACK = 64
"""Columns after those of the border, and pixels before the first of all, which kernels may read for whole vectors; what
is there does not count."""

TILE_PLANES = 32
TILE_ROWS = 64
"""Planes and rows of a tile, half as many rows in a volume with tables. Fewer would let the lines that it begins with
weigh more, and of more the sums would leave the second-level cache."""

TILE_ROWS_8_BITS = 256
"""Rows of a tile of 8 bits in the plane, whose sums are done a few lines at a time: 128 take 4 % longer than 512, but
with these an image of 512 rows would be one tile, without an answer in between."""

TILE_PIXELS = 2**18
"""About the most pixels of a tile of a volume with weights from the formula, whose scratch takes 16 MB then."""

LEAST_PLANES, LEAST_ROWS = 8, 16
"""What tiles may shrink to where there are many threads to share them."""

BOX_BYTES = 16 * 2**20
"""About what a box may take with its surroundings per thread, of which three are reckoned with at least; fewer bytes
would be copied too often as surroundings of others. A box is at least a tile."""
BOX_COLS = 4096
"""Most columns of a box, which bound a thread's scratch."""

WORK_OF_TILE = 2**30
"""Most that a tile may take, so that Ctrl-C and progress are answered soon (measured: 0.7 s at the most at the lowest
level, 0.3 s at the highest; twice that with search windows of 301 by 301 in float64): bytes of the padded pixel for
each donor, at patches of 7 by 7. Of usual windows tiles take less."""

_WORK_OF_THREADS = 2**22  # pairs of pixels below which one thread does everything
_NO_MASK = np.zeros((0, 0, 0), np.uint8)
_NO_SCRATCH = np.zeros(0, np.uint8)

Box = tuple[Range, Range, Range]


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


class Task(NamedTuple):
    """What is asked for."""

    planes: Sequence[NDArray[Any]] | NDArray[Any]
    """Each (channels, rows, columns)."""
    out: NDArray[Any]
    """As many planes, or only the one in the middle."""
    h: Sequence[float]
    """One strength, or one per channel; floats: within `nlm_scale.least_strength`."""
    patch: Radii
    search: Radii
    norm: int
    rician_sigma: float | None = None
    """The level of the noise whose bias is removed."""
    mask: NDArray[np.bool_] | None = None
    """(planes of `out`, rows, columns); what is outside is copied."""
    num_threads: int | None = None
    region: Box | None = None
    """The planes, rows and columns of `out` that are asked for; all when omitted."""
    largest: float | None = None
    """The largest magnitude of an image of floats of which this is a part."""


def denoise(task: Task, progress: Callable[[int, int], Any] | None = None) -> None:
    """Do the task."""
    if not task.out.size:
        return
    call = _Call(task)
    boxes = call.boxes()
    tiles = [call.tiles(box) for box in boxes]
    n_tiles, n_before = sum(map(len, tiles)) * len(call.passes), 0
    for box, box_tiles in zip(boxes, tiles, strict=True):
        count = None if progress is None else _shifted(progress, n_before, n_tiles)
        call.run(box, box_tiles, count)
        n_before += len(box_tiles) * len(call.passes)


def _shifted(progress: Callable[[int, int], Any], before: int, total: int) -> Callable[[int, int], Any]:
    return lambda done, _: progress(before + done, total)


class _Pass(NamedTuple):
    """A run of the kernel over the image; there are several where it does a channel at a time."""

    channel: int
    exponent: int
    """Of the power of two by which floats are divided."""
    arguments: tuple[Any, ...]
    """The kernel's: norm and weights."""


class _Call:
    """What the boxes of a task share: weights, the kernel's arguments, buffers."""

    def __init__(self, task: Task) -> None:
        self.planes, self.out, self.mask, self.num_threads = task.planes, task.out, task.mask, task.num_threads
        self.region = task.region
        out, norm = task.out, task.norm
        self.is_film = len(task.planes) > len(out)
        self.border = tuple([p + s for p, s in zip(task.patch, task.search, strict=True)])
        self.radii = np.array([*task.patch, *task.search], np.intp)
        self.n_weights, self.n_shifts = 1, _size(task.search)
        self.target = out  # as the kernel sees it
        self.tile_rows, self.volume_rows = TILE_ROWS, max(TILE_ROWS // 2, 1)
        self.is_formula = False
        self.largest = 65536.0
        self.free: list[NDArray[np.uint8]] = []  # scratch of the tiles that are done: as many pieces as threads
        self.buffer: NDArray[Any] | None = None
        self.mask_buffer = np.empty(0, np.uint8)
        kernel, n_channels, n_pixels = _kernels.nlm, out.shape[1], _size(task.patch)
        self.workspace = kernel.workspace
        self.kernel: Callable[..., None]
        self.dtype: np.dtype[Any]  # of the padded image
        is_rician = task.rician_sigma is not None
        if has_table(out.dtype, norm, n_channels, task.patch, task.search, rician=is_rician):
            self.kernel, self.dtype = kernel.denoise_integer, np.dtype(np.uint16)
            n_bytes = 1 if out.dtype == np.uint8 else 2
            weights = weight_tables(tuple(task.h), n_bytes, n_channels, n_pixels, self.n_shifts, norm)
            self.passes = [_Pass(0, 0, (norm, *weights))]
            self.n_weights = len(task.h)
            if n_bytes == 1:
                self.tile_rows = TILE_ROWS_8_BITS
            if out.dtype == np.int16:
                self.target = out.view(np.uint16)
        else:
            self.kernel, self.dtype = kernel.denoise_formula, np.dtype(np.float32)
            self.volume_rows, self.is_formula = TILE_ROWS, True
            h = list(task.h)
            if out.dtype.kind == "f":
                self.largest = nlm_scale.largest_value(task.planes) if task.largest is None else task.largest
                h = [min(value, 2.0**60 * self.largest) if self.largest else 1.0 for value in h]  # weights are 1 there
                self.dtype = out.dtype
            if out.dtype == np.float32:
                h = [max(value, 2.0**-200) for value in h]  # no two values are so close
                self.dtype = nlm_scale.working_dtype(min(h), self.largest)
            self.passes = []
            for channel, value in enumerate(h):
                exponent = nlm_scale.exponent_of(value, self.largest, self.dtype, out.dtype, is_rician=is_rician)
                factor = nlm_scale.factor_of(math.ldexp(value, -exponent), n_pixels, n_channels, norm, self.dtype)
                bias = -1.0
                if task.rician_sigma is not None:  # from twice the largest value on everything becomes 0
                    sigma = math.ldexp(min(task.rician_sigma, 2.0 * self.largest), -exponent)
                    bias = 2.0 * sigma * sigma
                self.passes.append(_Pass(channel, exponent, (norm, factor, bias)))
            self.passes.sort(key=lambda each: each.exponent)  # scaled down step by step, nothing of use is lost
        sides = 2 * (task.patch[1] + task.patch[2]) + 2
        terms = n_channels * (2 * task.patch[0] + 1)
        self.pixel_work = self.n_shifts * self.dtype.itemsize * (12 + sides + 2 * terms) / 28
        if self.mask is not None:
            first = len(self.planes) // 2 if self.is_film else 0
            for target, plane in zip(out, self.planes[first:], strict=False):
                target[...] = plane

    def boxes(self) -> list[Box]:
        """What there is to denoise, cut so that a box with its surroundings takes about BOX_BYTES. All begin at even
        rows and columns: kernels may share sums among pairs of them, and the rounding of floats is not to depend on the
        box.
        """
        n_planes, n_channels, n_rows, n_cols = self.out.shape
        extent: Box = ((0, n_planes), (0, n_rows), (0, n_cols)) if self.region is None else self.region
        if self.mask is not None:
            bounds = _bounds(self.mask[tuple([slice(*each) for each in extent])])
            shifted = [(a + start, b + start) for (a, b), (start, _) in zip(bounds, extent, strict=True)]
            extent = shifted[0], shifted[1], shifted[2]
        if self.mask is not None or self.region is not None:
            (row_start, row_stop), (col_start, col_stop) = extent[1:]
            extent = (extent[0], (row_start // 2 * 2, row_stop), (col_start // 2 * 2, col_stop))
        lengths = [stop - start for start, stop in extent]
        if min(lengths) == 0:
            return []
        border_planes, border_rows, border_cols = self.border
        most_cols = max(min(int(WORK_OF_TILE / (2 * self.pixel_work)), BOX_COLS), 64)
        if self.is_formula:
            within = int(2 * WORK_OF_TILE / (self.pixel_work * self.extra_rows(2) * 2)) - 2 * border_cols
            most_cols = min(most_cols, max(within, 2 * border_cols, 64))
        cols = math.ceil(lengths[2] / math.ceil(lengths[2] / most_cols))  # alike: none narrower than a search window
        cols += cols % 2
        line_bytes = (cols + 2 * border_cols + SLACK) * n_channels * self.dtype.itemsize
        planes, rows = lengths[:2]
        if line_bytes * (planes + 2 * border_planes) * (rows + 2 * border_rows) > BOX_BYTES:
            most = BOX_BYTES * max(3, resolve(self.num_threads))
            planes = most // (line_bytes * (rows + 2 * border_rows)) - 2 * border_planes
            planes = max(planes // TILE_PLANES * TILE_PLANES, min(TILE_PLANES, lengths[0]))
            rows = most // (line_bytes * (planes + 2 * border_planes)) - 2 * border_rows
            rows = max(rows // self.tile_rows, 1) * self.tile_rows
            rows += rows % 2
        cuts = [_cut(*each, size) for each, size in zip(extent, (planes, rows, cols), strict=True)]
        return [(first, second, third) for first in cuts[0] for second in cuts[1] for third in cuts[2]]

    def tiles(self, box: Box) -> list[tuple[int, int, int, int]]:
        """Planes and rows of the tiles of a box, from its own first plane and row on: two or more for each thread, if
        that leaves them large enough.
        """
        (plane_start, plane_stop), (row_start, row_stop), (col_start, col_stop) = box
        n_planes, n_rows = plane_stop - plane_start, row_stop - row_start
        planes, rows = min(TILE_PLANES, n_planes), self.volume_rows if n_planes > 1 else self.tile_rows
        most_lines = int(WORK_OF_TILE / (self.pixel_work * (col_stop - col_start)))
        for least_planes, least_rows in ((LEAST_PLANES, LEAST_ROWS), (1, LEAST_ROWS), (1, 2)):
            rows = min(rows, max(most_lines // planes // 2 * 2, least_rows))
            planes = min(planes, max(most_lines // rows, least_planes))
        if self.is_formula and n_planes > 1:
            rows = min(rows, max(TILE_PIXELS // (planes * (col_stop - col_start)) // 2 * 2, LEAST_ROWS))
        if self.is_formula:  # which takes surroundings as well, of few lines or columns more than of themselves
            most = 2.0 * most_lines / (1.0 + 2.0 * self.border[2] / (col_stop - col_start))
            while rows > 2 and self.extra_planes(planes) * planes * self.extra_rows(rows) * rows > most:
                if planes > LEAST_PLANES:
                    planes //= 2
                else:
                    rows = max(rows // 4 * 2, 2)
        if n_planes * n_rows * (col_stop - col_start) * self.n_shifts > _WORK_OF_THREADS:
            most = 2 * resolve(self.num_threads)
            while math.ceil(n_planes / planes) * math.ceil(n_rows / rows) < most > 2:
                if rows > LEAST_ROWS:
                    rows = max(rows // 4 * 2, LEAST_ROWS)
                elif planes > LEAST_PLANES:
                    planes //= 2
                else:
                    break
        all_rows = _cut(0, n_rows, rows)
        return [(*each, *row) for each in _cut(0, n_planes, planes) for row in all_rows]

    def extra_planes(self, planes: int) -> float:
        """How many times as long it takes for the planes around those of a tile."""
        return 1.0 + min(planes, int(self.radii[3])) / planes

    def extra_rows(self, rows: int) -> float:
        """How many times as long it takes for the rows around those of a tile."""
        return 1.0 + (min(rows, int(self.radii[4])) + 2 * int(self.radii[1]) + 2) / rows

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
        exponent = 0
        for number, each in enumerate(self.passes):
            count = None if progress is None else _shifted(progress, number * len(tiles), 0)  # the total stands outside
            nlm_scale.multiply(padded, exponent - each.exponent)
            exponent = each.exponent
            self.run_tiles(tiles, inside, (padded, padded_mask, self.radii, *each.arguments), result, count)
            if exponent:  # a mean may be rounded to beyond its largest donor
                bound = math.ldexp(self.largest, -exponent)
                np.clip(result, -bound, bound, out=result, where=where)
                nlm_scale.multiply(result, exponent, where)
            if result is not target:
                np.copyto(target[:, each.channel], result[:, each.channel], where=True if inside is None else inside)
        if self.target is not self.out:
            np.bitwise_xor(target, 0x8000, out=target, where=where)

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
