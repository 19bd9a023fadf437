"""scikit-image's denoising: the noise level by medfast; non-local means by scikit-image itself."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import denoise
from medfast.compat._calls import FallBack
from medfast.compat.skimage import _convert

__all__ = ["denoise_nl_means", "estimate_sigma"]


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
    """Denoise by non-local means, as ``skimage.restoration.denoise_nl_means`` does: it is called.

    Parameters
    ----------
    image : ndarray of shape (M, N) or (P, M, N), with one more axis for `channel_axis`
        Noisy image or volume.
    patch_size : int, default=7
        Side of the patches, in pixels.
    patch_distance : int, default=11
        How far away patches are looked for, in pixels.
    h : float, default=0.1
        Filtering strength, in gray levels.
    fast_mode : bool, default=True
        Whether all pixels of a patch count the same.
    sigma : float, default=0.0
        Noise level, whose part in the distance of patches is taken away.
    preserve_range : bool, default=False
        Whether integers keep their values.
    channel_axis : int, optional
        Axis of the channels.

    Returns
    -------
    ndarray, same shape as `image`
        The denoised image, in floats.

    Raises
    ------
    NotImplementedError
        If scikit-image is not installed, or does not do it either.

    See Also
    --------
    medfast.denoise_nl_means : The formula itself, 13 to 50 times as fast.

    Notes
    -----
    scikit-image's weights are no exponentials: they are a broken line beside one, up to 4 % off, and zero from
    ``exp(-5)`` on; and its fast mode leaves out of each patch the first row and column. Kernels of medfast compute
    none of that, and what they compute differs by more than 1e-6: so scikit-image answers, and the log says so.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat import skimage
    >>> skimage.denoise_nl_means(np.ones((8, 8)), patch_distance=2).shape
    (8, 8)
    """
    raise FallBack("its weights are no exponentials, and no kernel of medfast has them")


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
