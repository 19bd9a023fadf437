"""Resampling of Dask arrays."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

import dask.array as da
import numpy as np
from dask import delayed

from medfast import _validate
from medfast import transform as _transform
from medfast._drivers import lazy
from medfast.dask._resampling import Resampling, Span, looked_at, resample_part

__all__ = ["resize"]


def resize(
    image: da.Array,
    shape: Sequence[int] | None = None,
    *,
    scale: float | Sequence[float] | None = None,
    spacing: float | Sequence[float] | None = None,
    new_spacing: float | Sequence[float] | None = None,
    interpolation: Literal["nearest", "linear", "linear-exact", "area", "cubic", "lanczos4"] = "linear",
) -> da.Array:
    """Resample a lazy image or volume to another size: `medfast.resize`.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image of rows and columns, or volume of planes.
    shape : sequence of int, optional
        Target size along each axis; >= 0.
    scale : float or sequence of float, optional
        As in `medfast.resize`.
    spacing : float or sequence of float, optional
        As in `medfast.resize`.
    new_spacing : float or sequence of float, optional
        As in `medfast.resize`.
    interpolation : {"nearest", "linear", "linear-exact", "area", "cubic", "lanczos4"}, default="linear"
        As in `medfast.resize`.

    Returns
    -------
    dask.array.Array, same dtype as `image`
        The resampled image, in chunks as large in proportion as those of `image`.

    Raises
    ------
    TypeError
        If `image` is no Dask array or has an unsupported dtype, or a parameter has the wrong type.
    ValueError
        If not exactly one of `shape`, `scale` and `new_spacing` is given, or a parameter lies outside its range; for
        NaN and infinity in what is looked at, when it is computed.

    See Also
    --------
    medfast.resize : The same in memory.

    Notes
    -----
    A chunk of the result is made from the part of the image that its pixels look at: what it covers, and up to four
    pixels around. The bits are those of the call in memory.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> image = np.random.default_rng(0).normal(0, 99, (60, 80)).astype(np.int16)
    >>> lazy = medfast.dask.resize(da.from_array(image, chunks=32), (45, 50), interpolation="cubic")
    >>> bool((lazy.compute() == medfast.resize(image, (45, 50), interpolation="cubic")).all())
    True
    """
    lazy.check(image, (2, 3))
    kind = _validate.as_choice(interpolation, "interpolation", _transform.INTERPOLATIONS)
    size, steps = _transform._target(image.shape, 1, shape, scale, spacing, new_spacing)
    if size == image.shape:
        return image
    if 0 in size:
        return da.empty(size, dtype=image.dtype)
    one = (1,) * (3 - image.ndim)  # an image is a volume of one plane
    how = Resampling((*one, *image.shape), (*one, *size), (*map(float, one), *steps), kind, image.dtype.name)
    chunks = tuple([_scaled(*each) for each in zip(image.chunks, size, strict=True)])
    task = delayed(resample_part, pure=True)

    def part(place: tuple[Span, ...]) -> Any:
        return task(image[looked_at(how, place)[len(one) :]], how=how, place=place)

    parts = iter([part(place) for place in product(*([(0, 1)] for _ in one), *map(_spans, chunks))])
    kind_of_chunk = lazy.meta(image, image.dtype)

    def nested(axis: int, shape: tuple[int, ...]) -> Any:
        if axis == image.ndim:
            return da.from_delayed(next(parts), shape, meta=kind_of_chunk)
        return [nested(axis + 1, (*shape, each)) for each in chunks[axis]]

    return da.block(nested(0, ()))


def _scaled(sizes: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Chunks of an axis in proportion to those that there were; of none, nothing is left."""
    stops = np.rint(np.cumsum(sizes) * (size / sum(sizes))).astype(int)
    return tuple([int(n) for n in np.diff(stops, prepend=0) if n])


def _spans(sizes: tuple[int, ...]) -> list[Span]:
    """Where each chunk of an axis starts and stops."""
    stops = np.cumsum(sizes).tolist()
    return list(zip([0, *stops[:-1]], stops, strict=True))
