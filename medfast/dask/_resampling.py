"""Resampling of a part: the tables of the whole array, cut to the pixels of one chunk of the result.

An output pixel's taps and weights depend on its place in the whole alone, and its sum on nothing else. So a chunk of
the result is what the kernels make of the tables' outputs of the chunk, moved to where the pixels that they look at
begin: the bits of the call in memory.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels, _validate
from medfast import transform as _transform
from medfast._drivers import sampling

Span = tuple[int, int]


class Resampling(NamedTuple):
    """What the tables depend on: sizes and steps are of planes (one of an image), rows and columns."""

    shape: tuple[int, ...]
    size: tuple[int, ...]
    steps: tuple[float, ...]
    interpolation: str
    dtype: str


class Axis(NamedTuple):
    """The input pixels of each output pixel of an axis, (taps, outputs), and their weights unless they are all one."""

    pixels: NDArray[np.int32]
    weights: Any


@lru_cache(16)
def axes_of(how: Resampling) -> tuple[Axis, ...]:
    """Planes, rows and columns."""
    shape, size, steps, interpolation, dtype = how
    if interpolation == "nearest":
        found = [sampling.nearest("nearest", *each) for each in zip(shape, size, steps, strict=True)]
        return tuple([Axis(pixels[np.newaxis], None) for pixels in found])
    if _is_bytes(how):
        plan = _plan(how)
        planes = Axis(np.arange(size[0], dtype=np.int32)[np.newaxis], None)
        if plan.function in ("halve", "average_blocks"):
            sides = (2, 2) if plan.function == "halve" else plan.arguments[:2]
            return (planes, *(_blocks(*each) for each in zip(shape[1:], size[1:], sides, strict=True)))
        columns, column_weights, rows, row_weights = plan.arguments
        return planes, Axis(rows, row_weights), Axis(columns, column_weights)
    precision = np.float64 if np.dtype(dtype).kind == "f" else np.float32
    tables, _, _ = _transform._weights((*shape, 1), (*size, 1), steps, interpolation, precision)
    columns, column_weights, rows, row_weights, planes_, plane_weights = tables
    return Axis(planes_, plane_weights), Axis(rows, row_weights), Axis(columns, column_weights)


def looked_at(how: Resampling, place: tuple[Span, ...]) -> tuple[slice, ...]:
    """The part of the array that the outputs of `place` along each axis look at."""
    spans = (*place[:2], _in_whole_vectors(how, place[2]))
    return tuple([slice(*_looked_at(axis, span)) for axis, span in zip(axes_of(how), spans, strict=True)])


def resample_part(part: NDArray[Any], *, how: Resampling, place: tuple[Span, ...]) -> NDArray[Any]:
    """The outputs of `place` along each axis, from the `part` of the array that they look at."""
    part = _validate.as_image(part)
    *others, wanted = place
    done = _in_whole_vectors(how, wanted)
    place = (*others, done)
    axes = [_cut(axis, span) for axis, span in zip(axes_of(how), place, strict=True)]
    out = np.empty([stop - start for start, stop in place], part.dtype)
    source = part.reshape(part.shape if part.ndim == 3 else (1, *part.shape))[..., np.newaxis]
    target = out[..., np.newaxis]
    if how.interpolation == "nearest":
        planes, rows, columns = [axis.pixels[0] for axis in axes]
        for plane, out_plane in zip(planes, target, strict=True):
            _kernels.resample.nearest(source[plane], columns, rows, 0, len(rows), out_plane)
    elif _is_bytes(how):
        _resample_bytes(source, target, how, axes)
    else:
        _resample_weighted(source, target, axes)
    if done != wanted:
        out = np.ascontiguousarray(out[:, :, wanted[0] - done[0] : wanted[1] - done[0]])
    return out[0] if part.ndim == 2 else out


def _resample_bytes(source: NDArray[np.uint8], target: NDArray[np.uint8], how: Resampling, axes: list[Axis]) -> None:
    """Plane by plane, by the function that resamples the whole."""
    plan = _plan(how)
    _, rows, columns = axes
    width, new_width = source.shape[2], target.shape[2]
    scratch = np.empty(_transform._scratch_bytes(width, new_width, 1, len(columns.pixels)), np.uint8)
    arguments = plan.arguments
    if rows.weights is not None:
        arguments = (columns.pixels, columns.weights, rows.pixels, rows.weights)
    end = (0, target.shape[1], scratch) if plan.scratch_bytes else (0, target.shape[1])
    function = getattr(getattr(_kernels, plan.kernel), plan.function)
    for plane, out_plane in zip(source, target, strict=True):
        function(plane, *arguments, *end, out_plane)


def _resample_weighted(source: NDArray[Any], target: NDArray[Any], axes: list[Axis]) -> None:
    planes, rows, columns = axes
    kernel = _kernels.resample
    precision = np.dtype(np.float64 if source.dtype.kind == "f" else np.float32)
    width = target.shape[2]
    n_rows_held = max(1, _transform._ROWS_HELD_BYTES // (width * precision.itemsize))
    n_taps = (len(columns.pixels), len(rows.pixels), len(planes.pixels))
    sizes = (source.shape[2], width, 1, *n_taps, n_rows_held)
    scratch = np.empty(kernel.scratch_size(*sizes), precision)
    kernel.weighted(
        source, columns.pixels, columns.weights, rows.pixels, rows.weights, planes.pixels, planes.weights,
        0, target.shape[1], n_rows_held, scratch, target,
    )  # fmt: skip


def _is_bytes(how: Resampling) -> bool:
    """Whether it is done as OpenCV does it, plane by plane."""
    return how.dtype == "uint8" and how.steps[0] == 1.0


def _in_whole_vectors(how: Resampling, columns: Span) -> Span:
    """Columns that are done with those asked for: cubic sums the last values of a row of bytes, which fill no vector of
    eight, in another way (as OpenCV does), so a part has to begin and end where vectors of the whole row do."""
    if how.interpolation != "cubic" or not _is_bytes(how):
        return columns
    n = how.size[2]
    start, stop = columns[0] // 8 * 8, -(-columns[1] // 8) * 8
    return start, stop if stop <= n // 8 * 8 else n


def _plan(how: Resampling) -> Any:
    return _transform._plan((*how.shape[1:], 1), (*how.size[1:], 1), how.steps[1:], how.interpolation)


def _blocks(n: int, size: int, side: int) -> Axis:
    """Blocks side by side, the last one cut short by the edge."""
    pixels = np.arange(size) * side + np.arange(side)[:, np.newaxis]
    return Axis(np.minimum(pixels, n - 1).astype(np.int32), None)


def _looked_at(axis: Axis, span: Span) -> Span:
    pixels = axis.pixels[:, slice(*span)]
    return int(pixels.min()), int(pixels.max()) + 1


def _cut(axis: Axis, span: Span) -> Axis:
    first, _ = _looked_at(axis, span)
    pixels = axis.pixels[:, slice(*span)] - np.int32(first)
    weights = axis.weights
    return Axis(pixels, None if weights is None else np.ascontiguousarray(weights[:, slice(*span)]))
