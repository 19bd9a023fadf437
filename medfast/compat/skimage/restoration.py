"""scikit-image's denoising: non-local means by a kernel of their own, and the noise level."""

import operator
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import denoise
from medfast._drivers import nlm_border, nlm_skimage
from medfast.compat._calls import FallBack
from medfast.compat.skimage import _convert

__all__ = ["denoise_nl_means", "estimate_sigma"]

_LARGEST = 1e150  # squares of it are numbers


def denoise_nl_means(
    image: NDArray[Any],
    patch_size: int = 7,
    patch_distance: int = 11,
    h: float = 0.1,
    fast_mode: bool = True,
    sigma: float = 0.0,
    *,
    preserve_range: bool = False,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Denoise by non-local means, as ``skimage.restoration.denoise_nl_means`` does.

    Parameters
    ----------
    image : ndarray of shape (M, N) or (P, M, N), with one more axis for `channel_axis`
        Noisy image or volume, of bool, any integers, float16, float32 or float64.
    patch_size : int, default=7
        Side of the patches, in pixels; even sizes go up to the next odd one.
    patch_distance : int, default=11
        How far away patches are looked for, in pixels.
    h : float, default=0.1
        Filtering strength, in gray levels of the result.
    fast_mode : bool, default=True
        Whether all pixels of a patch count the same; without it by a Gaussian of their distance from its middle.
    sigma : float, default=0.0
        Noise level, whose part in the distance of patches is taken away.
    preserve_range : bool, default=False
        Whether integers keep their values; without it they are divided by the largest of their dtype.
    channel_axis : int, optional
        Axis of the channels, which are denoised jointly.

    Returns
    -------
    ndarray, same shape as `image`, but for axes of length 1, which go as in scikit-image
        The denoised image; float32 for float16 and float32, else float64.

    Raises
    ------
    NotImplementedError
        If scikit-image does not do it, or only scikit-image could, and it is not installed.
    TypeError
        As scikit-image has it, where that is installed.
    ValueError
        As scikit-image has it, where that is installed.

    See Also
    --------
    medfast.denoise_nl_means : The formula itself, which keeps the dtype, with a mask, spacing, and for Rician noise.

    Notes
    -----
    Within 1e-6 of the range of values of what scikit-image 0.26 gives for the image in float64, mostly 1e-7. Its own
    float32 results without `fast_mode`, where it sums in float32, are up to 1e-6 off that, and where a weight is cut
    off at its distance of 5 up to 1e-4.

    Its formula is another than it states: weights are a broken line beside the exponential, up to 4 % off, and zero
    from ``exp(-5)`` on; the fast mode leaves out of each patch the first row and column, but not of the number that it
    divides by; without it a patch counts for nothing as soon as its first rows (in a volume: planes) differ by 5, and
    donors beyond the border count for nothing. All that is the same here. Where, without `fast_mode`, the last row
    alone differs by more than 700, its weights are negative or NaN; here they are zero.

    Left to it: images of four axes, other dtypes of floats, NaN and infinity, patches of one pixel without `fast_mode`,
    channels along with axes of length 1, `h` of 0 and of beyond 1e150.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.restoration import denoise_nl_means
    >>> image = np.full((6, 6), 100, np.uint8)
    >>> image[:, 3:] = 200
    >>> image[2, 1] = 104
    >>> denoise_nl_means(image, 3, 2, h=10, preserve_range=True)[2].round(1)
    array([100.4, 100.5, 100. , 200. , 200. , 200. ])
    """
    if type(image) is not np.ndarray or not image.size:
        raise FallBack(f"image is a {type(image).__name__} of dtype {getattr(image, 'dtype', None)}")
    if image.dtype not in _convert.DTYPES and image.dtype.kind not in "iu":
        raise FallBack(f"image has dtype {image.dtype}")
    n_axes = image.ndim - (channel_axis is not None)
    if n_axes not in (2, 3) or (channel_axis is not None and 1 in image.shape):
        raise FallBack(f"image has shape {image.shape}")
    is_volume = n_axes == 3
    if is_volume and not fast_mode and channel_axis is not None:
        raise FallBack(f"image has shape {image.shape}, of which fast_mode alone does channels")
    side, distance = operator.index(patch_size), operator.index(patch_distance)
    radius, h, sigma = side // 2, abs(float(h)), abs(float(sigma))
    largest_window = (2 * (radius + distance) + 1) ** n_axes
    if side < 0 or distance < 0 or largest_window > 2**27 or not (fast_mode or radius):
        raise FallBack(f"patch_size is {side} and patch_distance {distance}")
    if channel_axis is not None:
        axis = operator.index(channel_axis)
        if not -image.ndim <= axis < image.ndim:
            raise FallBack(f"channel_axis is {axis}, and image has shape {image.shape}")
        channel_axis = axis % image.ndim
    dtype = _convert.float_type(image.dtype)
    if image.dtype not in _convert.DTYPES:  # integers whose values are no floats
        largest = 1 if preserve_range else np.iinfo(image.dtype).max
        image = image.astype(np.float64) / largest
        if not preserve_range:
            np.maximum(image, -1.0, out=image)
    values, factor, low, high = _convert.as_float(image, preserve_range)
    low, high = float(low), float(high)
    if not (low > -_LARGEST and high < _LARGEST):  # NaN, too
        raise FallBack("image is not finite, or its values are too large to be squared")
    if not (1.0 / _LARGEST < h < _LARGEST and sigma < _LARGEST):
        raise FallBack(f"h is {h} and sigma {sigma}")
    out = np.empty(image.shape, dtype)
    nlm_skimage.denoise(
        nlm_border.to_planes(values, channel_axis),
        nlm_border.to_planes(out, channel_axis),
        radius=radius,
        distance=distance,
        h=h / factor,
        sigma=sigma / factor,
        bounds=(low / factor, high / factor),
        is_volume=is_volume,
        is_fast=bool(fast_mode),
        scale=factor,
    )
    return np.squeeze(out) if 1 in out.shape and (fast_mode or not is_volume) else out


def estimate_sigma(image: NDArray[Any], average_sigmas: bool = False, *, channel_axis: int | None = None) -> Any:
    """Estimate the standard deviation of the noise, as ``skimage.restoration.estimate_sigma`` does.

    Parameters
    ----------
    image : ndarray of shape (M, N) or (P, M, N), with one more axis for `channel_axis`
        Noisy image or volume, dtype {uint8, uint16, int16, float32, float64}.
    average_sigmas : bool, default=False
        Whether to give the mean over the channels.
    channel_axis : int, optional
        Axis of the channels.

    Returns
    -------
    float or list of float
        Noise level, or one for each channel.

    Raises
    ------
    ValueError
        As scikit-image has it, where that is installed.
    NotImplementedError
        If only scikit-image could do it, and it is not installed.

    See Also
    --------
    medfast.estimate_sigma : Takes a mask; for Rician noise, too.

    Notes
    -----
    Within 1e-6 of scikit-image 0.26. Left to it: other dtypes, images of other numbers of axes, NaN and infinity,
    images whose noise level is 0, where it may give NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.restoration import estimate_sigma
    >>> round(float(estimate_sigma(np.random.default_rng(0).normal(100.0, 5.0, (256, 256)))))
    5
    """
    if type(image) is not np.ndarray or image.dtype not in _convert.DTYPES or image.dtype in (bool, np.float16):
        raise FallBack(f"image is a {type(image).__name__} of dtype {getattr(image, 'dtype', None)}")
    if channel_axis is None:
        if image.ndim in (2, 3) and image.shape[-1] <= 4:
            warnings.warn(
                f"image is size {image.shape[-1]} on the last axis, but channel_axis is None. If this is a color "
                "image, please set channel_axis=-1 for proper noise estimation.",
                stacklevel=3,
            )
        return _sigma(image)
    channels = np.moveaxis(image, channel_axis % image.ndim, 0)
    sigmas = [_sigma(channel) for channel in channels]
    return np.mean(sigmas) if average_sigmas else sigmas


def _sigma(image: NDArray[Any]) -> np.float64:
    if image.ndim not in (2, 3) or not image.size:
        raise FallBack(f"image has shape {image.shape}")
    found = denoise.estimate_sigma(image)
    if not found:
        raise FallBack("the noise level is 0")
    return np.float64(found)
