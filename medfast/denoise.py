"""Denoising by non-local means, and the noise level that it needs to know."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import nlm, noise_level

__all__ = ["denoise_nl_means", "denoise_nl_means_multi", "estimate_sigma"]

NORMS = ("l2", "l1")
NOISES = ("gaussian", "rician")


def denoise_nl_means(
    image: ArrayLike,
    h: float | Sequence[float] | None = None,
    *,
    patch_size: int = 7,
    search_size: int = 21,
    sigma: float | None = None,
    norm: str = "l2",
    noise: str = "gaussian",
    channel_axis: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Denoise an image by non-local means.

    Each pixel becomes the mean of its neighbours, weighted by how closely the patches around them agree.

    Parameters
    ----------
    image : array_like of shape (M, N), or 3-D with `channel_axis`, dtype {uint8, uint16, int16, float32, float64}
        Noisy image of rows and columns; any strides.
    h : float or sequence of float, optional
        Filtering strength, in gray levels of `image`; larger is smoother. Must be > 0. One for all channels, or one per
        channel. When omitted, the noise level `sigma`.
    patch_size : int, default=7
        Side of the square patches that are compared, in pixels. Odd, >= 1. May be larger than the image.
    search_size : int, default=21
        Side of the square window in which similar patches are looked for, in pixels. Odd, >= 1. May be larger than the
        image.
    sigma : float, optional
        Noise level, in gray levels, >= 0. It sets `h` where that is omitted, and the bias that ``noise="rician"``
        removes; it does not enter the distance. When omitted and needed, `estimate_sigma` of the image (the mean over
        the channels).
    norm : {"l2", "l1"}, default="l2"
        Whether the patches' distance `d` is the root of the mean squared difference, or the mean absolute difference.
    noise : {"gaussian", "rician"}, default="gaussian"
        With "rician", for magnitude images as MR gives them, squares are averaged and ``2 sigma**2`` is taken away.
    channel_axis : int, optional
        Axis of the channels, 1 or more, which are denoised jointly: one set of weights from all of them. When omitted,
        the image has one channel.
    progress : callable, optional
        Called as ``progress(rows_done, rows)``.
    out : ndarray, optional
        Where the result goes; same shape and dtype as `image`, without overlap.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same shape and dtype as `image`
        The denoised image; `out`, if it was given. An empty image comes back empty, one pixel or a constant image as it
        is.

    Raises
    ------
    TypeError
        If an argument has a wrong type or `image` an unsupported dtype.
    ValueError
        If a parameter lies outside the ranges above, `image` is not finite, `out` overlaps `image`, or, where weights
        come from a table, a window is so large that sums would not fit (a patch over 181 pixels in one channel, a
        search window over 2901).

    See Also
    --------
    denoise_nl_means_multi : The same over several frames.
    estimate_sigma : The noise level.

    Notes
    -----
    With the patches `P` around pixels `p` and `q`, averaged over their pixels and channels,
    ``d2(p, q) = mean((P(p) - P(q))**2)`` and ``out(p) = sum(w * image(q)) / sum(w)`` over the search window around `p`,
    where ``w = exp(-d2 / h**2)``. With L1, ``w = exp(-d**2 * channels / h**2)`` of the mean absolute difference `d`, as
    in OpenCV. The image goes on beyond its border as its mirror image about the outermost pixels (again and again where
    the window is larger than the image).

    uint8 is bit for bit ``cv2.fastNlMeansDenoising``, L2 and L1, and uint16 with L1 likewise (int16 with L1 is the same
    from its lowest value on): integer weights, zero where they are under a thousandth, from a table over the distance
    divided by the next power of two; the mean is rounded half up. All else is computed in float64, with weights under
    exp(-64) taken as none, and integers are rounded half to even. Results do not depend on the CPU or the number of
    threads.

    Complexity O(pixels * search_size**2 * patch_size); extra memory is one padded copy of the image, two bytes a pixel
    for uint8, and some rows per thread.

    References
    ----------
    .. [1] A. Buades, B. Coll, J.-M. Morel, "Non-Local Means Denoising", Image Processing On Line 1, 2011.
       :doi:`10.5201/ipol.2011.bcm_nlm`
    .. [2] N. Wiest-Daesslé, S. Prima, P. Coupé, S. P. Morrissey, C. Barillot, "Rician noise removal by non-local means
       filtering for low signal-to-noise ratio MRI", MICCAI 2008. :doi:`10.1007/978-3-540-85990-1_21`

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> image = np.full((6, 6), 100, np.uint8)
    >>> image[:, 3:] = 200
    >>> image[2, 1] = 104
    >>> medfast.denoise_nl_means(image, 10, patch_size=3, search_size=5)[2]
    array([101, 101, 100, 200, 200, 200], dtype=uint8)
    """
    source = _validate.as_image(image)
    channel_axis = _channel_axis(channel_axis, source)
    out = _validate.as_out(out, source.shape, source.dtype, source)
    _denoise([source], out, h, patch_size, search_size, sigma, norm, noise, channel_axis, progress, num_threads)
    return out


def denoise_nl_means_multi(
    frames: Sequence[ArrayLike],
    index: int,
    temporal_size: int = 3,
    h: float | Sequence[float] | None = None,
    *,
    patch_size: int = 7,
    search_size: int = 21,
    sigma: float | None = None,
    norm: str = "l2",
    noise: str = "gaussian",
    channel_axis: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Denoise one of several frames by non-local means over all of them.

    As `denoise_nl_means`, but similar patches are also looked for in the frames before and after.

    Parameters
    ----------
    frames : sequence of array_like, each of shape (M, N), or 3-D with `channel_axis`
        Images of one shape and dtype, in order of time; an array's first axis is that of the frames.
    index : int
        Which of the frames to denoise; `temporal_size` must fit around it.
    temporal_size : int, default=3
        How many frames to use, the denoised one in their middle. Odd, >= 1.
    h : float or sequence of float, optional
        Filtering strength, in gray levels; larger is smoother. Must be > 0. One for all channels, or one per channel.
        When omitted, the noise level `sigma`.
    patch_size : int, default=7
        Side of the square patches that are compared, in pixels. Odd, >= 1.
    search_size : int, default=21
        Side of the square window in which similar patches are looked for, in pixels. Odd, >= 1.
    sigma : float, optional
        Noise level, in gray levels, >= 0. When omitted and needed, `estimate_sigma` of the denoised frame.
    norm : {"l2", "l1"}, default="l2"
        How patches are compared.
    noise : {"gaussian", "rician"}, default="gaussian"
        With "rician", squares are averaged and ``2 sigma**2`` is taken away.
    channel_axis : int, optional
        Axis of the channels within a frame, which are denoised jointly.
    progress : callable, optional
        Called as ``progress(rows_done, rows)``.
    out : ndarray, optional
        Where the result goes; same shape and dtype as a frame, without overlap.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same shape and dtype as a frame
        The denoised frame; `out`, if it was given.

    Raises
    ------
    TypeError
        If an argument has a wrong type or a frame an unsupported dtype.
    ValueError
        If a parameter lies outside its range, the frames differ in shape or dtype, or too few of them surround `index`.

    See Also
    --------
    denoise_nl_means : The same for one image.

    Notes
    -----
    The mean of `denoise_nl_means` runs over the search windows of all `temporal_size` frames. uint8 is bit for bit
    ``cv2.fastNlMeansDenoisingMulti``, L2 and L1, and uint16 with L1 likewise. Complexity O(temporal_size * pixels *
    search_size**2 * patch_size); extra memory is one padded copy of the frames in use and some rows per thread.

    References
    ----------
    .. [1] A. Buades, B. Coll, J.-M. Morel, "Denoising image sequences does not require motion estimation", AVSS 2005.
       :doi:`10.1109/AVSS.2005.1577245`

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> frames = np.full((3, 5, 5), 100, np.uint8)
    >>> frames[1, 2, 2] = 109
    >>> medfast.denoise_nl_means_multi(frames, 1, h=10, patch_size=1, search_size=3)[2]
    array([100, 100, 101, 100, 100], dtype=uint8)
    """
    if isinstance(frames, str | bytes) or not isinstance(frames, Sequence | np.ndarray):
        raise TypeError(f"frames must be a sequence of images, got {type(frames).__name__}")
    index = _validate.as_int(index, "index")
    temporal_size = _validate.as_odd(temporal_size, "temporal_size")
    radius = temporal_size // 2
    if not 0 <= index - radius <= index + radius < len(frames):
        raise ValueError(
            f"index must have {radius} frames before and after it, got index {index} of {len(frames)} frames"
        )
    sources = [
        _validate.as_image(frames[number], f"frames[{number}]") for number in range(index - radius, index + radius + 1)
    ]
    source = sources[radius]
    for number, other in enumerate(sources, index - radius):
        if other.shape != source.shape or other.dtype != source.dtype:
            raise ValueError(
                f"frames must agree in shape and dtype, got {other.shape} {other.dtype} at {number} and "
                f"{source.shape} {source.dtype} at {index}"
            )
    channel_axis = _channel_axis(channel_axis, source)
    out = _validate.as_out(out, source.shape, source.dtype, *sources)
    _denoise(sources, out, h, patch_size, search_size, sigma, norm, noise, channel_axis, progress, num_threads)
    return out


def _channel_axis(channel_axis: Any, image: NDArray[Any]) -> int | None:
    axis = _validate.as_axis(channel_axis, image.ndim)
    if axis is None and image.ndim != 2:
        raise ValueError(f"image must be 2-D, or 3-D with channel_axis, got shape {image.shape} without channel_axis")
    if axis is not None and image.ndim != 3:
        raise ValueError(f"image must be 3-D with channel_axis, got shape {image.shape}")
    return axis


def _denoise(
    frames: list[NDArray[Any]],
    out: NDArray[Any],
    h: Any,
    patch_size: Any,
    search_size: Any,
    sigma: Any,
    norm: Any,
    noise: Any,
    channel_axis: int | None,
    progress: Any,
    num_threads: Any,
) -> None:
    """Check what both forms have in common, find `h`, and run."""
    patch_size = _validate.as_odd(patch_size, "patch_size")
    search_size = _validate.as_odd(search_size, "search_size")
    order = 1 if _validate.as_choice(norm, "norm", NORMS) == "l1" else 2
    rician = _validate.as_choice(noise, "noise", NOISES) == "rician"
    progress = _validate.as_callback(progress)
    num_threads = _validate.as_threads(num_threads)
    image = frames[len(frames) // 2]
    n_channels = 1 if channel_axis is None else image.shape[channel_axis]
    strengths = None if h is None else _strengths(h, n_channels)
    if sigma is not None:
        sigma = _validate.as_float(sigma, "sigma", minimum=0.0)
    if nlm.has_table(image.dtype, order, rician=rician) and image.size:
        _check_table_limits(patch_size, search_size, n_channels, len(frames), order)
    if not image.size:
        return
    if sigma is None and (rician or strengths is None):
        sigma = float(np.mean(estimate_sigma(image, noise=noise, channel_axis=channel_axis)))
    if strengths is None:
        if sigma == 0:  # nothing to remove
            out[...] = image
            return
        strengths = [sigma]
    to_planes = (lambda array: array[np.newaxis]) if channel_axis is None else _channels_first(channel_axis)
    nlm.denoise(
        [to_planes(frame) for frame in frames],
        to_planes(out),
        strengths,
        patch_size=patch_size,
        search_size=search_size,
        norm=order,
        bias=2.0 * sigma**2 if rician else -1.0,
        progress=progress,
        num_threads=num_threads,
    )


def _channels_first(channel_axis: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda array: np.moveaxis(array, channel_axis, 0)


def _strengths(h: Any, n_channels: int) -> list[float]:
    if np.ndim(h) == 0:
        return [_validate.as_float(h, "h", above=0.0)]
    values = [_validate.as_float(value, f"h[{channel}]", above=0.0) for channel, value in enumerate(h)]
    if len(values) not in (1, n_channels):
        raise ValueError(f"h must have one entry or one per channel ({n_channels}), got {len(values)}")
    return values


def _check_table_limits(patch_size: int, search_size: int, n_channels: int, n_frames: int, norm: int) -> None:
    largest = nlm.largest_patch(n_channels, norm)
    _validate.as_int(patch_size, "patch_size", maximum=largest)
    largest = nlm.largest_search(n_frames)
    _validate.as_int(search_size, "search_size", maximum=largest)


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
    ``skimage.restoration.estimate_sigma`` within 1e-6. "rician" takes as background what has a local mean under three
    times the noise level, in turns with the level itself, and divides by the standard deviation of the magnitude at
    unit noise and the signal found, after [2]_. Complexity O(pixels); extra memory is a few float64 copies of the
    image.

    References
    ----------
    .. [1] D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994.
       :doi:`10.1093/biomet/81.3.425`
    .. [2] C. G. Koay, P. J. Basser, "Analytically exact correction scheme for signal extraction from noisy magnitude MR
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
    shape = source.shape if axis is None else (*source.shape[:axis], *source.shape[axis + 1 :])
    inside = _validate.as_mask(mask, shape)
    if axis is None:
        return noise_level.estimate(source, inside, rician=rician)
    return np.array([noise_level.estimate(channel, inside, rician=rician) for channel in np.moveaxis(source, axis, 0)])
