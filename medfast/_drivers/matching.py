"""Matching of histograms over its kernel, or by sorting. Arguments were checked by the caller."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import gray_levels, partition
from medfast._parallel import for_rows

_FEW = 4096
"""Pixels that are sorted in less time than 65 536 levels are walked through."""


def match(
    image: NDArray[Any],
    reference: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """Give a volume the histogram of a reference (planes, rows, columns); neither is empty, nor is the mask."""
    if _is_counted(image) and _is_counted(reference):
        _match_counts(image, reference, inside, out, num_threads)
    else:
        _match_values(image, reference, inside, out, num_threads)


def _is_counted(volume: NDArray[Any]) -> bool:
    return volume.dtype == np.uint8 or (volume.dtype.kind != "f" and volume.size > _FEW)


def _match_counts(
    image: NDArray[Any],
    reference: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    kernel = _kernels.histogram
    lowest, n_levels = gray_levels.span(image.dtype)
    reference_lowest, n_reference = gray_levels.span(reference.dtype)
    counts = gray_levels.count(image, inside, -lowest, n_levels, num_threads)
    reference_counts = gray_levels.count(reference, None, -reference_lowest, n_reference, num_threads)
    levels = np.empty(n_levels, image.dtype)
    _kernels.matching.table(counts, reference_counts, reference_lowest, lowest, lowest + n_levels - 1, levels)

    def body(start: int, stop: int) -> None:
        kernel.look_up(image, inside, levels, -lowest, start, stop, out)

    for_rows(gray_levels.n_rows(image), body, work_per_row=image.shape[2] / 4, num_threads=num_threads)


def _match_values(
    image: NDArray[Any],
    reference: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """The same by sorting, for floats, which have no levels to be counted."""
    values, counts = partition.distinct(reference, None, None, num_threads)
    quantiles = np.cumsum(counts) / reference.size
    where = None if inside is None else inside.view(np.bool_)
    pixels = image.ravel() if where is None else image[where]
    order = np.argsort(pixels)
    ranked = pixels[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)  # of the pixels of each value
    found = np.interp((last + 1) / len(ranked), quantiles, values)
    matched = np.empty(len(pixels), out.dtype)
    matched[order] = np.repeat(_as_dtype(found, out.dtype), np.diff(last, prepend=-1))
    if where is None:
        out[...] = matched.reshape(out.shape)
    else:
        out[...] = image
        out[where] = matched


def _as_dtype(values: NDArray[np.float64], dtype: np.dtype) -> NDArray[Any]:
    """`values` in `dtype`: integers rounded half to even and saturated, float32 saturated at its largest."""
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    values = np.clip(values, limits.min, limits.max)
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)
