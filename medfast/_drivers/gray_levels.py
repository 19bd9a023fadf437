"""What histograms need around their kernel: images as volumes, the levels of a dtype, counts by several threads, and
floats as levels and back. Arguments were checked by the caller.
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels, _parallel
from medfast._parallel import for_rows


def span(dtype: np.dtype, bit_depth: int | None = None) -> tuple[int, int]:
    """Lowest level and number of levels: of `bit_depth`, else of an integer dtype; floats have those of 16 bits."""
    if bit_depth is not None or dtype.kind == "f":
        return 0, 1 << (bit_depth or 16)
    n_levels = 1 << (8 * dtype.itemsize)
    return (-(n_levels // 2) if dtype.kind == "i" else 0), n_levels


def extremes(volume: NDArray[Any], inside: NDArray[np.uint8] | None) -> tuple[Any, Any]:
    """Lowest and highest value inside the mask, which holds a pixel and is broadcast."""
    if inside is None:
        return volume.min().item(), volume.max().item()
    some = volume[np.unravel_index(np.argmax(inside), inside.shape)].flat[0]
    where = inside.view(np.bool_)
    return volume.min(where=where, initial=some).item(), volume.max(where=where, initial=some).item()


def as_volume(array: NDArray[Any]) -> NDArray[Any]:
    """`array` as (planes, rows, columns)."""
    return array if array.ndim == 3 else array[None]


def as_bytes(mask: NDArray[np.bool_] | None) -> NDArray[np.uint8] | None:
    """`mask` as (planes, rows, columns) of bytes, which is how kernels read booleans."""
    return None if mask is None else as_volume(mask.view(np.uint8))


def n_rows(volume: NDArray[Any]) -> int:
    """Rows of all planes."""
    return volume.shape[0] * volume.shape[1]


def add_counts(
    volume: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    offset: int,
    start: int,
    stop: int,
    total: NDArray[np.int64],
    lock: threading.Lock,
) -> None:
    """Count some rows beside other threads that count theirs."""
    if stop - start == n_rows(volume):  # nobody else does
        _kernels.histogram.count(volume, inside, offset, start, stop, total)
        return
    counts = np.zeros_like(total)
    _kernels.histogram.count(volume, inside, offset, start, stop, counts)
    with lock:  # whole numbers: any order gives the same sum
        np.add(total, counts, out=total)


def count(
    volume: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    offset: int,
    n_levels: int,
    num_threads: int | None,
) -> NDArray[np.int64]:
    """Pixels inside the mask per gray level; that of 0 is `offset`."""
    counts = np.zeros(n_levels, np.int64)
    if volume.size < 2 * _parallel.WORK_PER_THREAD:  # too little for a second thread
        _kernels.histogram.count(volume, inside, offset, 0, n_rows(volume), counts)
        return counts
    lock = threading.Lock()

    def body(start: int, stop: int) -> None:
        add_counts(volume, inside, offset, start, stop, counts, lock)

    for_rows(n_rows(volume), body, work_per_row=volume.shape[2] / 2, num_threads=num_threads)
    return counts


def quantize(
    volume: NDArray[Any], inside: NDArray[np.uint8] | None, n_levels: int, num_threads: int | None
) -> tuple[NDArray[np.uint16] | None, NDArray[np.float64]]:
    """Level of each pixel, None where all pixels of the mask are equal, and the lowest and highest value as float64."""
    values = volume if inside is None else volume[inside.view(np.bool_)]
    ends = np.array([values.min(), values.max()], np.float64)
    if ends[0] == ends[1]:
        return None, ends
    return levels_between(volume, ends, n_levels, num_threads), ends


def levels_between(
    volume: NDArray[Any], ends: NDArray[np.float64], n_levels: int, num_threads: int | None
) -> NDArray[np.uint16]:
    """Level of each pixel between two ends."""
    unit = _unit(ends)
    low, high = (ends * unit).tolist()
    levels = np.empty(volume.shape, np.uint16)
    kernel = _kernels.histogram

    def body(start: int, stop: int) -> None:
        kernel.quantize(volume, unit, low, high - low, n_levels - 1.0, start, stop, levels)

    for_rows(n_rows(volume), body, work_per_row=volume.shape[2], num_threads=num_threads)
    return levels


def restore(
    levels: NDArray[np.uint16],
    shares: NDArray[np.float64],
    ends: NDArray[np.float64],
    volume: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    out_volume: NDArray[Any],
    num_threads: int | None,
) -> None:
    """Give each pixel the value that lies at the share of its level on the way from the lowest value to the highest."""
    unit = _unit(ends)
    low, high = ends * unit
    values = np.clip((low + shares * (high - low)) / unit, *ends)
    values[shares == 1.0] = ends[1]
    table = values.astype(volume.dtype)
    kernel = _kernels.histogram

    def body(start: int, stop: int) -> None:
        kernel.restore(levels, inside, volume, table, start, stop, out_volume)

    for_rows(n_rows(volume), body, work_per_row=volume.shape[2], num_threads=num_threads)


def _unit(ends: NDArray[np.float64]) -> float:
    """What floats are multiplied by so that the difference of the two ends does not overflow."""
    with np.errstate(over="ignore"):
        return 1.0 if np.isfinite(ends[1] - ends[0]) else 0.5
