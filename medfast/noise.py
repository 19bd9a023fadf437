"""The noise level of images, which non-local means needs to know."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import noise_level

__all__ = ["estimate_sigma"]

NOISES = ("gaussian", "rician")


def estimate_sigma(
    image: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    noise: str = "gaussian",
    channel_axis: int | None = None,
) -> float | NDArray[np.float64]:
    """Estimate the standard deviation of the noise in an image or a volume.

    What is left of the finest details is taken as noise, by a median that the image's own edges hardly move.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), with one more axis for `channel_axis`
        Noisy image or volume, dtype {uint8, uint16, int16, float32, float64}; any strides.
    mask : array_like of bool, same shape as `image` without `channel_axis`, optional
        Where to look; wavelet coefficients that reach beyond it do not count.
    noise : {"gaussian", "rician"}, default="gaussian"
        With "rician", for magnitude images as MR gives them, the background, where the noise is smaller than elsewhere,
        is found and left out, unless there is a `mask`; and what the magnitude hides of the noise at low signal is made
        up for.
    channel_axis : int, optional
        Axis of the channels, each with a noise level of its own.

    Returns
    -------
    float, or ndarray of shape (channels,) with `channel_axis`
        Noise level in gray levels. 0 where nothing is to be seen: an empty or constant image, an empty mask.

    Raises
    ------
    TypeError
        If an argument has a wrong type or `image` an unsupported dtype.
    ValueError
        If `image` is not finite, or a shape or choice does not fit.

    See Also
    --------
    denoise_nl_means : Uses it where neither `h` nor `sigma` is given.

    Notes
    -----
    The median of the absolute values of the finest diagonal band of a Daubechies wavelet of two vanishing moments,
    divided by 0.6745 [1]_; coefficients that are exactly zero do not count. Gaussian without a mask is
    ``skimage.restoration.estimate_sigma`` within 1e-6.

    "rician" leaves out the background, which has a local mean under three times the noise level, and of the rest the
    half where the local mean changes most, for edges look like noise [2]_; and it divides by the standard deviation of
    the magnitude at unit noise and the signal found [3]_; in turns, until nothing changes. Where the image is a head,
    volumes were within 5 % at 1 to 9 % of noise, single slices within 5 % at 3 to 9 %, mostly.

    Complexity O(pixels); extra memory is the band, a float for every four pixels or eight voxels, and under 64 MiB.
    "rician" looks at a million coefficients, from all over the image, and takes under 64 MiB.

    References
    ----------
    .. [1] D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994.
       :doi:`10.1093/biomet/81.3.425`
    .. [2] P. Coupé, J. V. Manjón, E. Gedamu, D. Arnold, M. Robles, D. L. Collins, "Robust Rician noise estimation for
       MR images", Medical Image Analysis 14, 2010. :doi:`10.1016/j.media.2010.03.001`
    .. [3] C. G. Koay, P. J. Basser, "Analytically exact correction scheme for signal extraction from noisy magnitude MR
       signals", Journal of Magnetic Resonance 179, 2006. :doi:`10.1016/j.jmr.2006.01.016`

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> image = np.random.default_rng(0).normal(100.0, 5.0, (256, 256))
    >>> round(medfast.estimate_sigma(image))
    5
    """
    source = _validate.as_image(image, ndim=(2, 3) if channel_axis is None else (3, 4))
    axis = _validate.as_axis(channel_axis, source.ndim)
    rician = _validate.as_choice(noise, "noise", NOISES) == "rician"
    inside = _validate.as_mask(mask, without(axis, source.shape))
    if axis is None:
        return noise_level.estimate(source, inside, rician=rician)
    return np.array([noise_level.estimate(channel, inside, rician=rician) for channel in np.moveaxis(source, axis, 0)])


def without(axis: int | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without this axis, if there is one."""
    return shape if axis is None else (*shape[:axis], *shape[axis + 1 :])
