"""What non-local means needs around its kernels: borders, boxes and tiles. Arguments were checked by the caller; the
weights are those of nlm_weights.py, or of a plan that the caller has.

Images are (planes, channels, rows, columns) here, whatever the caller's axes; an image has one plane. They are cut into
*boxes*, of which one at a time is copied with what surrounds it, so that memory stays flat, and boxes into *tiles*,
which threads share. Neither changes a bit of the result.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._drivers import nlm_scale
from medfast._drivers.nlm_border import Range, mark_inside, pad
from medfast._drivers.nlm_weights import Box, Plan, Task, plan_of, size_of
from medfast._parallel import for_rows, resolve

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


def denoise(task: Task, progress: Callable[[int, int], Any] | None = None, plan: Plan | None = None) -> None:
    """Do the task, by the plan where one is given."""
    if not task.out.size:
        return
    call = _Call(task, plan)
    boxes = call.boxes()
    tiles = [call.tiles(box) for box in boxes]
    n_tiles, n_before = sum(map(len, tiles)) * len(call.plan.passes), 0
    for box, box_tiles in zip(boxes, tiles, strict=True):
        count = None if progress is None else _shifted(progress, n_before, n_tiles)
        call.run(box, box_tiles, count)
        n_before += len(box_tiles) * len(call.plan.passes)


def _shifted(progress: Callable[[int, int], Any], before: int, total: int) -> Callable[[int, int], Any]:
    return lambda done, _: progress(before + done, total)


class _Call:
    """What the boxes of a task share: weights, the kernel's arguments, buffers."""

    def __init__(self, task: Task, plan: Plan | None = None) -> None:
        self.planes, self.out, self.mask, self.num_threads = task.planes, task.out, task.mask, task.num_threads
        self.region = task.region
        self.plan = plan_of(task) if plan is None else plan
        self.is_film = len(task.planes) > len(task.out)
        self.border = tuple([p + s for p, s in zip(task.patch, task.search, strict=True)])
        self.n_shifts, self.pixel_work = size_of(task.search), self.plan.pixel_work
        self.tile_rows = TILE_ROWS_8_BITS if self.plan.is_8_bits else TILE_ROWS
        self.volume_rows = TILE_ROWS if self.plan.is_formula else max(TILE_ROWS // 2, 1)
        self.free: list[NDArray[np.uint8]] = []  # scratch of the tiles that are done: as many pieces as threads
        self.buffer: NDArray[Any] | None = None
        self.mask_buffer = np.empty(0, np.uint8)
        if self.mask is not None:
            first = len(self.planes) // 2 if self.is_film else 0
            for target, plane in zip(task.out, self.planes[first:], strict=False):
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
        if self.plan.is_formula:
            within = int(2 * WORK_OF_TILE / (self.pixel_work * self.extra_rows(2) * 2)) - 2 * border_cols
            most_cols = min(most_cols, max(within, 2 * border_cols, 64))
        cols = math.ceil(lengths[2] / math.ceil(lengths[2] / most_cols))  # alike: none narrower than a search window
        cols += cols % 2
        line_bytes = (cols + 2 * border_cols + SLACK) * n_channels * self.plan.dtype.itemsize
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
        if self.plan.is_formula and n_planes > 1:
            rows = min(rows, max(TILE_PIXELS // (planes * (col_stop - col_start)) // 2 * 2, LEAST_ROWS))
        if self.plan.is_formula:  # which takes surroundings as well, of few lines or columns more than of themselves
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
        return 1.0 + min(planes, int(self.plan.radii[3])) / planes

    def extra_rows(self, rows: int) -> float:
        """How many times as long it takes for the rows around those of a tile."""
        return 1.0 + (min(rows, int(self.plan.radii[4])) + 2 * int(self.plan.radii[1]) + 2) / rows

    def run(self, box: Box, tiles: list[tuple[int, int, int, int]], progress: Callable[[int, int], Any] | None) -> None:
        """Denoise a box, which its tiles make up."""
        places = [(start - border, stop + border) for (start, stop), border in zip(box, self.border, strict=True)]
        if self.is_film:
            places[0] = (0, len(self.planes))
        lengths = [stop - start for start, stop in places]
        shape = (lengths[0], self.out.shape[1], lengths[1], lengths[2] + SLACK)
        if self.buffer is None:  # of the first box, and none is larger
            self.buffer = np.zeros(SLACK + math.prod(shape), self.plan.dtype)
            has_mask = self.mask is not None or self.plan.is_bounded
            self.mask_buffer = np.empty(math.prod(shape) // shape[1] if has_mask else 0, np.uint8)
        padded = self.buffer[SLACK : SLACK + math.prod(shape)].reshape(shape)
        pad(self.planes, places, padded)
        if self.plan.target is not self.out:
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
        elif self.plan.is_bounded:
            padded_mask = self.mask_buffer[: math.prod(shape) // shape[1]].reshape(shape[0], *shape[2:])
            mark_inside(self.out.shape, places, padded_mask)
        target = self.plan.target[planes, :, rows, cols]
        result = target if len(self.plan.passes) == 1 else np.empty_like(target)
        exponent = 0
        for number, each in enumerate(self.plan.passes):
            count = None if progress is None else _shifted(progress, number * len(tiles), 0)  # the total stands outside
            nlm_scale.multiply(padded, exponent - each.exponent)
            exponent = each.exponent
            self.run_tiles(tiles, inside, (padded, padded_mask, self.plan.radii, *each.arguments), result, count)
            if exponent:  # a mean may be rounded to beyond its largest donor
                bound = math.ldexp(self.plan.largest, -exponent)
                np.clip(result, -bound, bound, out=result, where=where)
                nlm_scale.multiply(result, exponent, where)
            if result is not target:
                np.copyto(target[:, each.channel], result[:, each.channel], where=True if inside is None else inside)
        if self.plan.target is not self.out:
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
        n_bytes = self.plan.workspace(n_planes, n_rows, result.shape[3])

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
                self.plan.kernel(*arguments, scratch, *tile, result)
                self.free.append(scratch)

        for_rows(
            len(tiles),
            body,
            work_per_row=result.size / len(tiles) * self.n_shifts / 8,
            num_threads=self.num_threads,
            tile_rows=1,
            progress=progress,
        )


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
