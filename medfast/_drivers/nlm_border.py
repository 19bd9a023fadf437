"""Radii of windows, images as planes, and boxes of them with what surrounds them, for non-local means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Range = tuple[int, int]
Radii = tuple[int, int, int]


def radii(sizes: Sequence[int], steps: Sequence[float]) -> Radii:
    """Of a window along planes, rows and columns, as far along each as along the axis of the smallest steps."""
    found = [round(size // 2 * (min(steps) / step)) for size, step in zip(sizes, steps, strict=True)]
    return (found[0] if len(found) == 3 else 0), found[-2], found[-1]


def to_planes(array: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """A view of (planes, channels, rows, columns)."""
    array = array[..., np.newaxis, :, :] if channel_axis is None else np.moveaxis(array, channel_axis, -3)
    return array if array.ndim == 4 else array[np.newaxis]


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


def mark_inside(shape: Sequence[int], places: Sequence[Range], marks: NDArray[np.uint8]) -> None:
    """Mark what is inside of an image of this shape among `places` of it: 1 there, 0 beyond its outermost pixels."""
    marks[...] = 0
    sizes = (shape[0], *shape[2:])
    inner = [slice(max(-start, 0), min(stop, n) - start) for (start, stop), n in zip(places, sizes, strict=True)]
    marks[tuple(inner)] = 1


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
