"""What `medfast.hog` and the peers' forms of it share: blocks, votes, smaller images."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import hog_look_up, hog_tables
from medfast._drivers.hog_parameters import NORMS, Parameters, as_blocks, layout, opencv_epsilon, work_dtype
from medfast._drivers.hog_plan import LANES, OPENCV_SHORT, Plan, padded, plan, work_array
from medfast._parallel import for_rows

__all__ = [
    "NORMS",
    "Parameters",
    "as_blocks",
    "describe",
    "halve",
    "layout",
    "opencv_epsilon",
    "plan",
    "votes",
    "within_range",
    "work_dtype",
]

_LARGEST_EXPONENT = 40  # sums of the squares of a block of 2^40 · 2^16 pixels are still within float32


def describe(images: NDArray[Any], plan: Plan, out: NDArray[Any], num_threads: int | None = None) -> None:
    """Fill `out` (images, values) from `images` (images, rows, cols, channels), for which there is a plan.

    Pixels outside are reflected, without repeating the border. Of equally strong channels the first one counts.
    """
    run, dtype, n_rows = _kernels.hog.describe, out.dtype, len(out) * plan.n_block_rows
    shares = None
    if _kernels.hog.BLOCKS_LOOK_UP and plan.table is not None and images.dtype == np.uint8:
        shares = hog_look_up.shares_of(plan.table, len(images) * plan.n_pixels)

    def work(start: int, stop: int) -> None:
        run(images, plan.words, plan.tables, shares, start, stop, work_array(plan.n_work, dtype), out)

    for_rows(n_rows, work, work_per_row=plan.work_per_row, num_threads=num_threads)


def votes(
    image: NDArray[Any],
    parameters: Parameters,
    pad: tuple[int, int],
    shares: NDArray[np.float32],
    bins: NDArray[np.uint8],
) -> None:
    """Fill `shares` and `bins` (rows, cols, 2) from `image` (1, rows, cols, channels), with `pad` above and left."""
    rows, cols = shares.shape[:2]
    row_of, column_of, run = hog_tables.maps(image.shape[1:3], (rows, cols), (-pad[0], -pad[1]))
    n, run_votes = padded(cols), _call(_kernels.hog.votes)
    switches = cols - cols % 4, cols < OPENCV_SHORT, parameters.gamma, parameters.signed, parameters.orientations

    def work(start: int, stop: int) -> None:
        lines = np.zeros((3, image.shape[3], n + 2 * LANES), np.float32)
        places = np.empty(n, np.int32)
        run_votes(
            image, row_of, column_of, *run, *switches, start, stop, lines, np.empty(6 * n, np.float32), places,
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


def _call(function: Callable[..., None]) -> Callable[..., None]:
    """The function, whose arguments come from tuples."""
    return function
