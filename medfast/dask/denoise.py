"""Non-local means of Dask arrays, and the noise level that they need to know."""

from collections.abc import Sequence
from typing import Any

import dask.array as da
from dask import delayed
from numpy.typing import ArrayLike

from medfast import _validate
from medfast import denoise as _denoise
from medfast._drivers import chunks, lazy

__all__ = ["denoise_nl_means", "estimate_sigma"]


def denoise_nl_means(
    image: da.Array,
    h: float | None = None,
    *,
    patch_size: int | Sequence[int] | None = None,
    search_size: int | Sequence[int] | None = None,
    sigma: float | None = None,
    norm: str = "l2",
    noise: str = "gaussian",
    mask: ArrayLike | None = None,
    spacing: float | Sequence[float] | None = None,
) -> da.Array:
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


def estimate_sigma(image: da.Array, *, mask: ArrayLike | None = None) -> Any:
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
