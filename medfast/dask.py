"""The same functions for Dask arrays: lazy, chunk by chunk, bit for bit what they give for the array in memory.

A chunk is denoised with as much around it as `medfast.denoise.halo` says; what depends on all gray levels
(equalisation, thresholds) adds up a histogram per chunk. Nothing is computed before the result is asked for. A task
runs on one thread: the scheduler has the others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

import medfast
from medfast import _validate
from medfast import cluster as _cluster
from medfast import denoise as _denoise
from medfast import segmentation as _segmentation

try:
    import dask.array as da
    from dask import delayed
except ImportError as error:
    raise ImportError('medfast.dask needs Dask: pip install "medfast[dask]"') from error

from medfast._drivers import chunks, lazy

__all__ = [
    "clahe",
    "denoise_nl_means",
    "equalize_hist",
    "estimate_sigma",
    "kmeans",
    "match_histograms",
    "segment",
    "window",
]


def denoise_nl_means(
    image: "da.Array",
    h: float | None = None,
    *,
    patch_size: int | Sequence[int] | None = None,
    search_size: int | Sequence[int] | None = None,
    sigma: float | None = None,
    norm: str = "l2",
    noise: str = "gaussian",
    mask: ArrayLike | None = None,
    spacing: float | Sequence[float] | None = None,
) -> "da.Array":
    """Denoise a lazy image or volume by non-local means: `medfast.denoise_nl_means`, chunk by chunk.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Noisy image or volume. Chunks narrower than the surroundings that are looked at are merged.
    h : float, optional
        Filtering strength, > 0. When omitted, the noise level.
    patch_size : int or sequence of int, optional
        As in `medfast.denoise_nl_means`.
    search_size : int or sequence of int, optional
        As in `medfast.denoise_nl_means`.
    sigma : float, optional
        Noise level, >= 0. When omitted and needed, `estimate_sigma` of the whole image, once.
    norm : {"l2", "l1"}, default="l2"
        As in `medfast.denoise_nl_means`.
    noise : {"gaussian", "rician"}, default="gaussian"
        As in `medfast.denoise_nl_means`; "rician" asks for a `sigma`.
    mask : array_like of bool, same shape as `image`, optional
        What to denoise, as an array in memory or a Dask array.
    spacing : float or sequence of float, optional
        As in `medfast.denoise_nl_means`.

    Returns
    -------
    dask.array.Array, same shape and dtype as `image`
        The denoised image.

    Raises
    ------
    TypeError
        If `image` is no Dask array or has an unsupported dtype.
    ValueError
        If a parameter lies outside its range; for NaN, when it is computed.

    See Also
    --------
    medfast.denoise_nl_means : The same in memory.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> image = np.random.default_rng(0).normal(100, 9, (64, 64)).astype(np.float32)
    >>> lazy = medfast.dask.denoise_nl_means(da.from_array(image, chunks=32), search_size=9)
    >>> bool((lazy.compute() == medfast.denoise_nl_means(image, search_size=9)).all())
    True
    """
    lazy.check(image, (2, 3))
    order = 1 if _validate.as_choice(norm, "norm", _denoise.NORMS) == "l1" else 2
    rician = _validate.as_choice(noise, "noise", _denoise.NOISES) == "rician"
    windows = _denoise._windows(patch_size, search_size, spacing, image.ndim)
    strength = None if h is None else _validate.as_float(h, "h", above=0.0)
    level = None if sigma is None else _validate.as_float(sigma, "sigma", minimum=0.0)
    if rician and level is None:
        raise ValueError('sigma must be given with noise="rician" for a Dask array, got None')
    if level is None and strength is None:
        level = estimate_sigma(image, mask=mask)
    if strength is None:
        strength = level
    largest = None
    if image.dtype.kind == "f" and image.size:
        largest = delayed(max)(abs(image.max()), abs(image.min()))
    reach = _denoise.halo(image.ndim, patch_size=patch_size, search_size=search_size, spacing=spacing)
    return lazy.around(
        chunks.denoise_part, image, mask, reach, reach, strength=strength, sigma=level if rician else None,
        windows=windows, norm=order, largest=largest,
    )  # fmt: skip


def estimate_sigma(image: "da.Array", *, mask: ArrayLike | None = None) -> Any:
    """Estimate the noise level of a lazy image or volume: `medfast.estimate_sigma` of Gaussian noise.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Noisy image or volume.
    mask : array_like of bool, same shape as `image`, optional
        Where to look.

    Returns
    -------
    dask.delayed.Delayed
        The noise level, a float when it is computed.

    Raises
    ------
    TypeError
        If `image` is no Dask array or has an unsupported dtype.
    ValueError
        If the shape of `mask` does not fit.

    Notes
    -----
    The median over all chunks is taken in one task, which holds a float for every four pixels or eight voxels.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> image = np.random.default_rng(0).normal(100.0, 5.0, (256, 256))
    >>> round(medfast.dask.estimate_sigma(da.from_array(image, chunks=64)).compute())
    5
    """
    lazy.check(image, (2, 3))
    if not image.size:
        return delayed(0.0)
    scale: Any = 1.0
    if image.dtype.kind == "f":
        scale = delayed(chunks.scale_of)(image.max(), image.min(), image.dtype)
    before, after = (3,) * image.ndim, (1,) * image.ndim
    parts = lazy.blocks(chunks.details_of, image, mask, before, after, scale=scale)
    return delayed(chunks.level_of)(parts, scale)


def equalize_hist(image: "da.Array", *, mask: ArrayLike | None = None) -> "da.Array":
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


def match_histograms(image: "da.Array", reference: ArrayLike, *, mask: ArrayLike | None = None) -> "da.Array":
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
    image: "da.Array",
    center: float,
    width: float,
    *,
    function: str = "linear",
    slope: float = 1,
    intercept: float = 0,
    dtype: DTypeLike = np.uint8,
) -> "da.Array":
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
    image: "da.Array",
    clip_limit: float = 2.0,
    tile_grid: tuple[int, int] = (8, 8),
    *,
    bit_depth: int | None = None,
    mask: ArrayLike | None = None,
) -> "da.Array":
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


def kmeans(image: "da.Array", n_clusters: int, *, mask: ArrayLike | None = None) -> "_cluster.KMeansResult":
    """Cluster the gray levels of a lazy array of integers: the global optimum, as `medfast.kmeans` of one channel.

    Parameters
    ----------
    image : dask.array.Array of any shape, dtype {uint8, uint16, int16}
        What to cluster.
    n_clusters : int
        Number of clusters, >= 1.
    mask : array_like of bool, same shape as `image`, optional
        What counts.

    Returns
    -------
    KMeansResult
        Labels as a Dask array of int32; centers, inertia and the number of iterations delayed.

    Raises
    ------
    TypeError
        If `image` is no Dask array or does not hold integers.
    ValueError
        If `n_clusters` is below 1 or the shape of `mask` does not fit.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> result = medfast.dask.kmeans(da.from_array(np.array([1, 2, 9, 10], np.uint8), chunks=2), 2)
    >>> result.labels.compute()
    array([0, 0, 1, 1], dtype=int32)
    >>> result.centers.compute()
    array([1.5, 9.5])
    """
    lazy.check(image, tuple(range(1, 33)))
    _validate.check_integers(image, "image", "as a Dask array")
    n_clusters = _validate.as_int(n_clusters, "n_clusters", minimum=1, maximum=2**31 - 1)
    found = delayed(chunks.clusters_of)(
        delayed(chunks.summed)(lazy.blocks(chunks.counts_of, image, mask)), n_clusters, image.dtype
    )
    labels = lazy.mapped(chunks.label, image, mask, np.dtype(np.int32), thresholds=found[0], first_label=0, outside=-1)
    return _cluster.KMeansResult(labels, found[1], found[2], 0)


def segment(
    image: "da.Array", n_classes: int, *, mask: ArrayLike | None = None, return_thresholds: bool = False
) -> Any:
    """Label the pixels of a lazy image of integers by intensity: `medfast.segment`.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16}
        Image or volume, with one set of classes.
    n_classes : int
        Number of classes, 1 to 255.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that count and are labelled.
    return_thresholds : bool, default=False
        Also give the thresholds between the classes.

    Returns
    -------
    labels : dask.array.Array of uint8, same shape as `image`
        1 to `n_classes` in rising intensity, 0 outside the mask.
    thresholds : dask.delayed.Delayed
        As of `medfast.segment`; given with `return_thresholds`.

    Raises
    ------
    TypeError
        If `image` is no Dask array or does not hold integers.
    ValueError
        If `n_classes` lies outside its range or the shape of `mask` does not fit.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> image = da.from_array(np.array([[-1000, -990, 40], [55, 700, 41]], np.int16), chunks=2)
    >>> medfast.dask.segment(image, 3).compute()
    array([[1, 1, 2],
           [2, 3, 2]], dtype=uint8)
    """
    lazy.check(image, (2, 3))
    _validate.check_integers(image, "image", "as a Dask array")
    n_classes = _validate.as_int(n_classes, "n_classes", minimum=1, maximum=_segmentation.MOST_CLASSES)
    return_thresholds = _validate.as_flag(return_thresholds, "return_thresholds")
    found = delayed(chunks.classes_of)(
        delayed(chunks.summed)(lazy.blocks(chunks.counts_of, image, mask)), n_classes, image.dtype
    )
    labels = lazy.mapped(chunks.label, image, mask, np.dtype(np.uint8), thresholds=found[0], first_label=1, outside=0)
    return (labels, found[1]) if return_thresholds else labels
