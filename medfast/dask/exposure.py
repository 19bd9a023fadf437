"""Gray levels of Dask arrays: equalisation, windows, matching of histograms, contrast by neighbourhood."""

from typing import Any

import dask.array as da
import numpy as np
from dask import delayed
from numpy.typing import ArrayLike, DTypeLike

import medfast
from medfast import _validate
from medfast._drivers import chunks, lazy

__all__ = ["clahe", "equalize_hist", "match_histograms", "window"]


def equalize_hist(image: da.Array, *, mask: ArrayLike | None = None) -> da.Array:
    """Equalise the histogram of a lazy image or volume: `medfast.equalize_hist`.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image of rows and columns, or volume of planes, with one histogram.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that are counted and changed.

    Returns
    -------
    dask.array.Array, same shape and dtype as `image`
        The equalised image.

    Raises
    ------
    TypeError
        If `image` is no Dask array or has an unsupported dtype.
    ValueError
        If the shape of `mask` does not fit.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> medfast.dask.equalize_hist(da.from_array(np.array([[10, 10], [20, 30]], np.uint8), chunks=1)).compute()
    array([[  0,   0],
           [128, 255]], dtype=uint8)
    """
    lazy.check(image, (2, 3))
    if not image.size:
        return image
    if image.dtype.kind == "f":
        ends = delayed(chunks.joined_ends)(lazy.blocks(chunks.ends_of, image, mask))
        counts = delayed(chunks.summed)(lazy.blocks(chunks.float_counts_of, image, mask, ends=ends))
        return lazy.mapped(chunks.equalize_floats, image, mask, image.dtype, ends=ends, counts=counts)
    counts = delayed(chunks.summed)(lazy.blocks(chunks.counts_of, image, mask))
    table = delayed(chunks.equalization_table)(counts, image.dtype)
    return lazy.mapped(chunks.look_up, image, mask, image.dtype, table=table)


def match_histograms(image: da.Array, reference: ArrayLike, *, mask: ArrayLike | None = None) -> da.Array:
    """Give a lazy image of integers the histogram of another: `medfast.match_histograms`.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16}
        Image or volume.
    reference : array_like or dask.array.Array of integers
        Whose histogram is taken over.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that are counted and changed.

    Returns
    -------
    dask.array.Array, same shape and dtype as `image`
        The image with the other's histogram.

    Raises
    ------
    TypeError
        If `image` is no Dask array, or one of both does not hold integers.
    ValueError
        If the shape of `mask` does not fit, or `reference` is empty.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> image = da.from_array(np.array([[1, 2], [3, 3]], np.uint8), chunks=1)
    >>> medfast.dask.match_histograms(image, np.array([[10, 20], [30, 30]], np.uint8)).compute()
    array([[10, 20],
           [30, 30]], dtype=uint8)
    """
    lazy.check(image, (2, 3))
    other = reference if isinstance(reference, da.Array) else da.from_array(_validate.as_reference(reference))
    for array, name in ((image, "image"), (other, "reference")):
        _validate.check_integers(array, name, "as a Dask array")
    _validate.check_not_empty(other, "reference")
    if not image.size:
        return image
    counts, others = (
        delayed(chunks.summed)(lazy.blocks(chunks.counts_of, image, mask)),
        delayed(chunks.summed)(lazy.blocks(chunks.counts_of, other, None)),
    )
    table = delayed(chunks.matching_table)(counts, others, image.dtype, other.dtype)
    return lazy.mapped(chunks.look_up, image, mask, image.dtype, table=table)


def window(
    image: da.Array,
    center: float,
    width: float,
    *,
    function: str = "linear",
    slope: float = 1,
    intercept: float = 0,
    dtype: DTypeLike = np.uint8,
) -> da.Array:
    """Spread a window of gray levels over the range of a dtype: `medfast.window` of each chunk.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image or volume.
    center : float
        As in `medfast.window`.
    width : float
        As in `medfast.window`.
    function : {"linear", "linear_exact", "sigmoid"}, default="linear"
        As in `medfast.window`.
    slope : float, default=1
        As in `medfast.window`.
    intercept : float, default=0
        As in `medfast.window`.
    dtype : {uint8, uint16, int16, float32, float64}, default=uint8
        Dtype of the result.

    Returns
    -------
    dask.array.Array of `dtype`, same shape as `image`
        The result.

    Raises
    ------
    TypeError
        If `image` is no Dask array, or a dtype or the type of a parameter is not supported.
    ValueError
        If a parameter lies outside its range.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> ct = da.from_array(np.array([[-1000, -160], [40, 3000]], np.int16), chunks=1)
    >>> medfast.dask.window(ct, 40, 400).compute()
    array([[  0,   0],
           [128, 255]], dtype=uint8)
    """
    lazy.check(image, (2, 3))
    options: dict[str, Any] = {"function": function, "slope": slope, "intercept": intercept, "dtype": dtype}
    medfast.window(np.zeros((1, 1), image.dtype), center, width, **options)  # wrong arguments are told now
    dtype = _validate.as_dtype(dtype)
    return image.map_blocks(medfast.window, center, width, num_threads=1, meta=lazy.meta(image, dtype), **options)


def clahe(
    image: da.Array,
    clip_limit: float = 2.0,
    tile_grid: tuple[int, int] = (8, 8),
    *,
    bit_depth: int | None = None,
    mask: ArrayLike | None = None,
) -> da.Array:
    """Equalise the contrast of the planes of a lazy volume by neighbourhood: `medfast.clahe`, plane by plane.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16}
        Image or volume. Tiles span planes, so chunks are merged to whole planes; more of them go side by side.
    clip_limit : float, default=2.0
        As in `medfast.clahe`.
    tile_grid : tuple of two ints, default=(8, 8)
        Tiles along rows and columns of each plane.
    bit_depth : int, optional
        As in `medfast.clahe`.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that are counted and changed.

    Returns
    -------
    dask.array.Array, same shape and dtype as `image`
        The result.

    Raises
    ------
    TypeError
        If `image` is no Dask array or does not hold integers: levels of floats depend on the whole volume.
    ValueError
        If a parameter lies outside its range.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> volume = np.random.default_rng(0).integers(0, 255, (4, 32, 32)).astype(np.uint8)
    >>> lazy = medfast.dask.clahe(da.from_array(volume, chunks=(2, 16, 16)))
    >>> bool((lazy.compute() == medfast.clahe(volume)).all())
    True
    """
    lazy.check(image, (2, 3))
    _validate.check_integers(image, "image", "as a Dask array")
    grid = _validate.as_grid(tile_grid, "tile_grid", (2,))
    medfast.clahe(np.zeros((1, 1), image.dtype), clip_limit, grid, bit_depth=bit_depth)
    planes = image.rechunk({image.ndim - 2: -1, image.ndim - 1: -1})
    return lazy.mapped(
        chunks.clahe_of, planes, mask, image.dtype, clip_limit=clip_limit, grid=grid, bit_depth=bit_depth
    )
