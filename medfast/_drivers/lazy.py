"""Dask arrays, chunk by chunk: which part a task is given, and the array that the tasks make up."""

from collections.abc import Callable
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask import delayed
from numpy.typing import NDArray

from medfast import _validate


def check(image: Any, ndim: tuple[int, ...]) -> None:
    if not isinstance(image, da.Array):
        raise TypeError(f"image must be a Dask array, got {type(image).__name__} (for others there is medfast itself)")
    if image.dtype not in _validate.DTYPES:
        expected = ", ".join(dtype.name for dtype in _validate.DTYPES)
        raise TypeError(f"image must have dtype {expected}, got {image.dtype}")
    _validate.check_ndim(image, "image", ndim)


def meta(image: Any, dtype: Any) -> NDArray[Any]:
    return np.empty((0,) * image.ndim, dtype)


def as_lazy_mask(mask: Any, image: Any) -> Any:
    """A mask in the chunks of an image."""
    if mask is None:
        return None
    if isinstance(mask, da.Array):
        if mask.dtype != np.bool_:
            raise TypeError(f"mask must be boolean, got dtype {mask.dtype}")
        if mask.shape != image.shape:
            raise ValueError(f"mask must have shape {image.shape}, got {mask.shape}")
        return mask.rechunk(image.chunks)
    return da.from_array(_validate.as_mask(mask, image.shape), chunks=image.chunks)


def mapped(function: Callable[..., Any], image: Any, mask: Any, dtype: Any, **options: Any) -> Any:
    """`function(chunk, chunk of the mask or None, **options)` of every chunk."""
    inside = as_lazy_mask(mask, image)
    if inside is None:
        return image.map_blocks(function, None, dtype=dtype, meta=meta(image, dtype), **options)
    return da.map_blocks(function, image, inside, dtype=dtype, meta=meta(image, dtype), **options)


def blocks(
    function: Callable[..., Any],
    image: Any,
    mask: Any,
    before: tuple[int, ...] | None = None,
    after: tuple[int, ...] | None = None,
    **options: Any,
) -> list[Any]:
    """`function(chunk, chunk of the mask or None, **options)` of every chunk, with its place if it has surroundings."""
    inside = as_lazy_mask(mask, image)
    task, found = delayed(function, pure=True), []
    for place in places(image):
        part = [slice(start, stop) for start, stop in place]
        if before is not None and after is not None:
            cut = [
                (max(start - b, 0), min(stop + a, n))
                for (start, stop), b, a, n in zip(place, before, after, image.shape, strict=True)
            ]
            part = [slice(*each) for each in cut]
            options["place"] = place, [start for start, _ in cut], image.shape
        found.append(task(image[tuple(part)], None if inside is None else inside[tuple(part)], **options))
    return found


def places(image: Any) -> list[tuple[tuple[int, int], ...]]:
    """Where each chunk starts and stops, along each axis, in order."""
    axes = []
    for sizes in image.chunks:
        stops = np.cumsum(sizes).tolist()
        axes.append(list(zip([0, *stops[:-1]], stops, strict=True)))
    return list(product(*axes))


def around(
    function: Callable[..., Any],
    image: Any,
    mask: Any,
    before: tuple[int, ...],
    after: tuple[int, ...],
    **options: Any,
) -> Any:
    """`function` of every chunk with what surrounds it, which begins at even places; it gives the chunk."""
    if not image.size:
        return image
    reach = [max(pair) + 1 for pair in zip(before, after, strict=True)]
    image = image.rechunk(tuple([wide(sizes, least) for sizes, least in zip(image.chunks, reach, strict=True)]))
    before = tuple([n + 1 for n in before])
    parts = iter(blocks(function, image, mask, before, after, **options))
    kind = meta(image, image.dtype)

    def nested(axis: int, shape: tuple[int, ...]) -> Any:
        if axis == image.ndim:
            return da.from_delayed(next(parts), shape, meta=kind)
        return [nested(axis + 1, (*shape, size)) for size in image.chunks[axis]]

    return da.block(nested(0, ()))


def wide(sizes: tuple[int, ...], least: int) -> tuple[int, ...]:
    """The chunks of an axis, each of at least so many pixels: narrower ones join their neighbours."""
    merged: list[int] = []
    for size in sizes:
        if merged and merged[-1] < least:
            merged[-1] += size
        else:
            merged.append(size)
    if len(merged) > 1 and merged[-1] < least:
        last = merged.pop()
        merged[-1] += last
    return tuple(merged)
