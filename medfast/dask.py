"""The same functions for Dask arrays: lazy, chunk by chunk, bit for bit what they give for the array in memory.

A chunk is denoised with as much around it as `medfast.denoise.halo` says; what depends on all gray levels
(equalisation, thresholds) adds up a histogram per chunk. Nothing is computed before the result is asked for. A task
runs on one thread: the scheduler has the others.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

import medfast
from medfast import _kernels, _validate
from medfast import cluster as _cluster
from medfast import denoise as _denoise
from medfast._drivers import equalization, gray_levels, nlm, nlm_border, nlm_scale, noise_level, partition

try:
    import dask.array as da
    from dask import delayed
except ImportError as error:
    raise ImportError('medfast.dask needs Dask: pip install "medfast[dask]"') from error

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
    _check(image, (2, 3))
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
    return _around(
        _denoise_part, image, mask, reach, reach, strength=strength, sigma=level if rician else None,
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
    _check(image, (2, 3))
    if not image.size:
        return delayed(0.0)
    scale: Any = 1.0
    if image.dtype.kind == "f":
        scale = delayed(_scale_of)(image.max(), image.min(), image.dtype)
    before, after = (3,) * image.ndim, (1,) * image.ndim
    parts = _blocks(_details_of, image, mask, before, after, scale=scale)
    return delayed(_level_of)(parts, scale)


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
    _check(image, (2, 3))
    if not image.size:
        return image
    if image.dtype.kind == "f":
        ends = delayed(_joined_ends)(_blocks(_ends_of, image, mask))
        counts = delayed(_summed)(_blocks(_float_counts_of, image, mask, ends=ends))
        return _mapped(_equalize_floats, image, mask, image.dtype, ends=ends, counts=counts)
    counts = delayed(_summed)(_blocks(_counts_of, image, mask))
    table = delayed(_equalization_table)(counts, image.dtype)
    return _mapped(_look_up, image, mask, image.dtype, table=table)


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
    _check(image, (2, 3))
    lazy = reference if isinstance(reference, da.Array) else da.from_array(_validate.as_reference(reference))
    for array, name in ((image, "image"), (lazy, "reference")):
        _validate.check_integers(array, name, "as a Dask array")
    _validate.check_not_empty(lazy, "reference")
    if not image.size:
        return image
    counts, others = delayed(_summed)(_blocks(_counts_of, image, mask)), delayed(_summed)(_blocks(_counts_of, lazy, None))
    table = delayed(_matching_table)(counts, others, image.dtype, lazy.dtype)
    return _mapped(_look_up, image, mask, image.dtype, table=table)


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
    _check(image, (2, 3))
    options = {"function": function, "slope": slope, "intercept": intercept, "dtype": dtype}
    medfast.window(np.zeros((1, 1), image.dtype), center, width, **options)  # wrong arguments are told now
    dtype = _validate.as_dtype(dtype)
    return image.map_blocks(medfast.window, center, width, num_threads=1, meta=_meta(image, dtype), **options)


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
    _check(image, (2, 3))
    _validate.check_integers(image, "image", "as a Dask array")
    grid = _validate.as_grid(tile_grid, "tile_grid", (2,))
    medfast.clahe(np.zeros((1, 1), image.dtype), clip_limit, grid, bit_depth=bit_depth)
    planes = image.rechunk({image.ndim - 2: -1, image.ndim - 1: -1})
    return _mapped(_clahe_of, planes, mask, image.dtype, clip_limit=clip_limit, grid=grid, bit_depth=bit_depth)


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
    _check(image, tuple(range(1, 33)))
    _validate.check_integers(image, "image", "as a Dask array")
    n_clusters = _validate.as_int(n_clusters, "n_clusters", minimum=1, maximum=2**31 - 1)
    found = delayed(_clusters_of)(delayed(_summed)(_blocks(_counts_of, image, mask)), n_clusters, image.dtype)
    labels = _mapped(
        _label, image, mask, np.dtype(np.int32), thresholds=found[0], first_label=0, outside=-1
    )
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
    _check(image, (2, 3))
    _validate.check_integers(image, "image", "as a Dask array")
    n_classes = _validate.as_int(n_classes, "n_classes", minimum=1, maximum=_cluster.MOST_CLASSES)
    return_thresholds = _validate.as_flag(return_thresholds, "return_thresholds")
    found = delayed(_classes_of)(delayed(_summed)(_blocks(_counts_of, image, mask)), n_classes, image.dtype)
    labels = _mapped(_label, image, mask, np.dtype(np.uint8), thresholds=found[0], first_label=1, outside=0)
    return (labels, found[1]) if return_thresholds else labels


# --- chunks ----------------------------------------------------------------------------------------------------------


def _check(image: Any, ndim: tuple[int, ...]) -> None:
    if not isinstance(image, da.Array):
        raise TypeError(f"image must be a Dask array, got {type(image).__name__} (for others there is medfast itself)")
    if image.dtype not in _validate.DTYPES:
        expected = ", ".join(dtype.name for dtype in _validate.DTYPES)
        raise TypeError(f"image must have dtype {expected}, got {image.dtype}")
    _validate.check_ndim(image, "image", ndim)


def _meta(image: "da.Array", dtype: Any) -> NDArray[Any]:
    return np.empty((0,) * image.ndim, dtype)


def _as_lazy_mask(mask: Any, image: "da.Array") -> "da.Array | None":
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


def _mapped(function: Callable[..., Any], image: "da.Array", mask: Any, dtype: Any, **options: Any) -> "da.Array":
    """`function(chunk, chunk of the mask or None, **options)` of every chunk."""
    inside = _as_lazy_mask(mask, image)
    if inside is None:
        return image.map_blocks(function, None, dtype=dtype, meta=_meta(image, dtype), **options)
    return da.map_blocks(function, image, inside, dtype=dtype, meta=_meta(image, dtype), **options)


def _blocks(
    function: Callable[..., Any],
    image: "da.Array",
    mask: Any,
    before: tuple[int, ...] | None = None,
    after: tuple[int, ...] | None = None,
    **options: Any,
) -> list[Any]:
    """`function(chunk, chunk of the mask or None, **options)` of every chunk, with its place if it has surroundings."""
    inside = _as_lazy_mask(mask, image)
    task, found = delayed(function, pure=True), []
    for place in _places(image):
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


def _places(image: "da.Array") -> list[tuple[tuple[int, int], ...]]:
    """Where each chunk starts and stops, along each axis, in order."""
    axes = []
    for sizes in image.chunks:
        stops = np.cumsum(sizes).tolist()
        axes.append(list(zip([0, *stops[:-1]], stops, strict=True)))
    return list(product(*axes))


def _around(
    function: Callable[..., Any],
    image: "da.Array",
    mask: Any,
    before: tuple[int, ...],
    after: tuple[int, ...],
    **options: Any,
) -> "da.Array":
    """`function` of every chunk with what surrounds it, which begins at even places; it gives the chunk."""
    if not image.size:
        return image
    reach = [max(pair) + 1 for pair in zip(before, after, strict=True)]
    image = image.rechunk(tuple([_wide(sizes, least) for sizes, least in zip(image.chunks, reach, strict=True)]))
    before = tuple([n + 1 for n in before])
    parts = iter(_blocks(function, image, mask, before, after, **options))
    meta = _meta(image, image.dtype)

    def nested(axis: int, shape: tuple[int, ...]) -> Any:
        if axis == image.ndim:
            return da.from_delayed(next(parts), shape, meta=meta)
        return [nested(axis + 1, (*shape, size)) for size in image.chunks[axis]]

    return da.block(nested(0, ()))


def _wide(sizes: tuple[int, ...], least: int) -> tuple[int, ...]:
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


# --- what runs for a chunk -------------------------------------------------------------------------------------------


def _denoise_part(
    part: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    place: tuple[Any, Any, Any],
    strength: float,
    sigma: float | None,
    windows: Any,
    norm: int,
    largest: float | None,
) -> NDArray[Any]:
    """A chunk, from itself and what surrounds it."""
    part = _validate.as_image(part)
    region, starts, _ = place
    odd = [slice(start % 2, None) for start in starts]  # begins at even rows and columns of the whole: see `halo`
    part, mask = part[tuple(odd)], None if mask is None else mask[tuple(odd)]
    own = [(a - start - start % 2, b - start - start % 2) for (a, b), start in zip(region, starts, strict=True)]
    inner = tuple([slice(*each) for each in own])
    if strength == 0:  # nothing to remove
        return np.ascontiguousarray(part[inner])
    if part.dtype == np.float64:
        assert largest is not None
        _validate.check_strengths(
            [strength], float(largest), nlm_scale.least_strength(float(largest), is_rician=sigma is not None)
        )
    out = np.empty_like(part)
    task = nlm.Task(
        nlm_border.to_planes(part, None),
        nlm_border.to_planes(out, None),
        [strength],
        *windows,
        norm,
        sigma,
        mask=mask if mask is None or mask.ndim == 3 else mask[np.newaxis],
        num_threads=1,
        region=tuple([(0, 1)] * (3 - part.ndim) + own),
        largest=None if largest is None else float(largest),
    )
    nlm.denoise(task)
    return np.ascontiguousarray(out[inner])


def _scale_of(most: Any, least: Any, dtype: np.dtype) -> float:
    ends = np.array([[most, least]], dtype)
    return noise_level._scale(_validate.check_finite(ends, "image"))


def _details_of(
    part: NDArray[Any], mask: NDArray[np.bool_] | None, *, place: tuple[Any, Any, Any], scale: float
) -> NDArray[Any]:
    """Sizes of the wavelet coefficients of a chunk, those of 0 left out."""
    region, starts, shape = place
    odd = tuple([slice(start % 2, None) for start in starts])
    part = _validate.as_image(part)[odd]
    band = noise_level.diagonal_band(part, scale)
    own = []
    for (start, stop), first, n in zip(region, starts, shape, strict=True):
        last = (n + 3) // 2 if stop == n else (stop + 1) // 2
        own.append(slice((start + 1) // 2 - (first + 1) // 2, last - (first + 1) // 2))
    if mask is not None:
        mask = mask[odd]
        for block in noise_level._blocks(band.shape):
            band[block] *= noise_level._over_support(noise_level._samples(mask, block), np.logical_and)
    sizes = np.abs(band[tuple(own)]).ravel()
    return sizes[sizes != 0]


def _level_of(parts: list[NDArray[Any]], scale: float) -> float:
    level = noise_level._robust_deviation(np.concatenate(parts))
    return min(level / scale, float(np.finfo(np.float64).max))


def _volume(chunk: NDArray[Any]) -> NDArray[Any]:
    """A chunk of any number of axes as (planes, rows, columns)."""
    return chunk if chunk.ndim == 3 else chunk.reshape(1, -1, chunk.shape[-1])


def _bytes(mask: NDArray[np.bool_] | None) -> NDArray[np.uint8] | None:
    return None if mask is None else _volume(mask.view(np.uint8))


def _counts_of(chunk: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    lowest, n_levels = gray_levels.span(chunk.dtype)
    return gray_levels.count(_volume(chunk), _bytes(mask), -lowest, n_levels, 1)


def _summed(counts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.sum(counts, axis=0)


def _equalization_table(counts: NDArray[np.int64], dtype: np.dtype) -> NDArray[Any]:
    table = np.empty(len(counts), dtype)
    _kernels.histogram.equalization_table(counts, table, -gray_levels.span(dtype)[0])
    return table


def _matching_table(
    counts: NDArray[np.int64], others: NDArray[np.int64], dtype: np.dtype, other_dtype: np.dtype
) -> NDArray[Any]:
    lowest, n_levels = gray_levels.span(dtype)
    table = np.arange(lowest, lowest + n_levels).astype(dtype)
    if counts.any():
        least, most = lowest, lowest + n_levels - 1
        _kernels.matching.table(counts, others, gray_levels.span(other_dtype)[0], least, most, table)
    return table


def _look_up(chunk: NDArray[Any], mask: NDArray[np.bool_] | None, *, table: NDArray[Any]) -> NDArray[Any]:
    volume = _volume(chunk)
    out = np.empty(volume.shape, volume.dtype)
    offset = -gray_levels.span(volume.dtype)[0]
    _kernels.histogram.look_up(volume, _bytes(mask), table, offset, 0, gray_levels.n_rows(volume), out)
    return out.reshape(chunk.shape)


def _ends_of(chunk: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    chunk = _validate.as_image(chunk)
    values = chunk if mask is None else chunk[mask]
    return np.array([values.min(), values.max()] if values.size else [np.inf, -np.inf], np.float64)


def _joined_ends(ends: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array([min(low for low, _ in ends), max(high for _, high in ends)])


def _float_counts_of(
    chunk: NDArray[Any], mask: NDArray[np.bool_] | None, *, ends: NDArray[np.float64]
) -> NDArray[np.int64]:
    if ends[0] >= ends[1]:
        return np.zeros(equalization._FLOAT_LEVELS, np.int64)
    levels = gray_levels.levels_between(_volume(chunk), ends, equalization._FLOAT_LEVELS, 1)
    return gray_levels.count(levels, _bytes(mask), 0, equalization._FLOAT_LEVELS, 1)


def _equalize_floats(
    chunk: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    ends: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> NDArray[Any]:
    if ends[0] >= ends[1]:  # all alike, or nothing in the mask
        return chunk
    volume = _volume(chunk)
    levels = gray_levels.levels_between(volume, ends, equalization._FLOAT_LEVELS, 1)
    counts = counts.copy()
    counts[0] = 0
    running = np.cumsum(counts)
    out = np.empty(volume.shape, volume.dtype)
    gray_levels.restore(levels, running / running[-1], ends, volume, _bytes(mask), out, 1)
    return out.reshape(chunk.shape)


def _clahe_of(
    chunk: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    clip_limit: float,
    grid: tuple[int, ...],
    bit_depth: int | None,
) -> NDArray[Any]:
    return medfast.clahe(chunk, clip_limit, grid, bit_depth=bit_depth, mask=mask, num_threads=1)


def _partition(counts: NDArray[np.int64], n: int, dtype: np.dtype) -> tuple[NDArray[Any], ...]:
    """Values in use, thresholds between the optimal classes, centers, inertia."""
    used = counts.nonzero()[0]
    if not len(used):
        return np.zeros(0), np.zeros(0, dtype), np.zeros(0), 0.0
    values = (used + gray_levels.span(dtype)[0]).astype(np.float64)
    bounds, centers, inertia = partition.optimum(values, counts[used].astype(np.float64), n)
    return values, values[bounds[1:-1] - 1].astype(dtype), centers, inertia


def _clusters_of(
    counts: NDArray[np.int64], n_clusters: int, dtype: np.dtype
) -> tuple[NDArray[Any], NDArray[np.float64], float]:
    _, thresholds, found, inertia = _partition(counts, n_clusters, dtype)
    centers = np.full(n_clusters, np.nan)
    if len(found):
        centers[: len(found)], centers[len(found) :] = found, found[-1]
    return thresholds, centers, inertia


def _classes_of(counts: NDArray[np.int64], n_classes: int, dtype: np.dtype) -> tuple[NDArray[Any], NDArray[Any]]:
    values, thresholds, _, _ = _partition(counts, n_classes, dtype)
    highest = values[-1:] if len(values) else np.zeros(1)
    missing = np.repeat(highest, n_classes - 1 - len(thresholds)).astype(dtype)
    return thresholds, np.concatenate([thresholds, missing])


def _label(
    chunk: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    thresholds: NDArray[Any],
    first_label: int,
    outside: int,
) -> NDArray[Any]:
    labels = np.empty(chunk.shape, np.int32 if outside < 0 else np.uint8)
    partition.label(chunk, thresholds, first_label, labels, 1)
    if mask is not None:
        labels[~mask] = outside
    return labels
