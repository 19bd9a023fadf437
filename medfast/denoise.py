"""Denoising by non-local means."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import nlm, nlm_border, nlm_scale, nlm_weights, noise_level
from medfast.noise import NOISES, estimate_sigma, without

__all__ = ["denoise_nl_means", "denoise_nl_means_multi", "estimate_sigma", "halo"]

NORMS = ("l2", "l1")

_DEFAULTS = {2: (7, 21), 3: (3, 11)}
"""Patch and search size by the number of axes."""


def denoise_nl_means(
    image: ArrayLike,
    h: float | Sequence[float] | None = None,
    *,
    patch_size: int | Sequence[int] | None = None,
    search_size: int | Sequence[int] | None = None,
    sigma: float | None = None,
    norm: str = "l2",
    noise: str = "gaussian",
    mask: ArrayLike | None = None,
    spacing: float | Sequence[float] | None = None,
    channel_axis: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Denoise an image or a volume by non-local means.

    Each pixel becomes the mean of its neighbours, weighted by how closely the patches around them agree.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), with one more axis for `channel_axis`
        Noisy image or volume of planes, rows and columns, dtype {uint8, uint16, int16, float32, float64}; any strides.
    h : float or sequence of float, optional
        Filtering strength, in gray levels of `image`; larger is smoother. Must be > 0. One for all channels, or one per
        channel. When omitted, the noise level `sigma`.
    patch_size : int or sequence of int, optional
        Side of the patches that are compared, in pixels, or one side per axis. Odd, >= 1. May be larger than the image.
        7 in an image and 3 in a volume when omitted.
    search_size : int or sequence of int, optional
        Side of the window in which similar patches are looked for, in pixels, or one side per axis. Odd, >= 1. May be
        larger than the image. 21 in an image and 11 in a volume when omitted.
    sigma : float, optional
        Noise level, in gray levels, >= 0. It sets `h` where that is omitted, and the bias that ``noise="rician"``
        removes; it does not enter the distance. When omitted and needed, `estimate_sigma` of the image inside `mask`
        (the mean over the channels).
    norm : {"l2", "l1"}, default="l2"
        Whether the patches' distance `d` is the root of the mean squared difference, or the mean absolute difference.
    noise : {"gaussian", "rician"}, default="gaussian"
        With "rician", for magnitude images as MR gives them, squares are averaged and ``2 sigma**2`` is taken away.
    mask : array_like of bool, same shape as `image` without `channel_axis`, optional
        What to denoise. Pixels outside are returned as they are and do not enter any mean; patches are compared over
        all pixels.
    spacing : float or sequence of float, optional
        Distance of neighbouring pixels along each axis, > 0, in any unit. Both windows then keep their extent in it:
        their radius r along an axis becomes ``round(r * min(spacing) / spacing[axis])``.
    channel_axis : int, optional
        Axis of the channels, 1 or more, which are denoised jointly: one set of weights from all of them. When omitted,
        the image has one channel.
    progress : callable, optional
        Called as ``progress(done, total)``, from the calling thread, in parts of the work.
    out : ndarray, optional
        Where the result goes; same shape and dtype as `image`, without overlap.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same shape and dtype as `image`
        The denoised image; `out`, if it was given. An empty image comes back empty; one pixel, a constant image and
        what an empty mask leaves out as it is.

    Raises
    ------
    TypeError
        If an argument has a wrong type or `image` an unsupported dtype.
    ValueError
        If a parameter lies outside the ranges above, `image` is not finite, or `out` overlaps `image` or `mask`; if
        a window as long as both together has more than 2**27 pixels; if `h` is under 2**-1500 (Rician: 2**-980) of the
        largest value of a float64 image.

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
    the window is larger than the image), and so does the mask.

    uint8 images are bit for bit ``cv2.fastNlMeansDenoising``, L2 and L1, and uint16 with L1 likewise (int16 with L1 is
    the same from its lowest value on): integer weights, zero where they are under a thousandth, from a table over the
    distance divided by the power of two next to the number of the patch's pixels; the mean is rounded half up. Volumes
    and windows that are not square are computed in the same way. Where OpenCV's integers overflow (uint8: patches of
    more than 33025 pixels and channels, search windows of more than 8421504 pixels), and for all else, the formula
    holds. Integers are then the exact mean, rounded half to even. float32 images have an error of at most four units in
    the last place of their largest value, float64 images of some 1e-14 of it (of Rician noise the mean square has it,
    before the root); values may be of any size, as where they stand for "no data". Weights under exp(-80) (float64:
    exp(-598)) are 0. Results do not depend on the CPU or the number of threads.

    Complexity O(pixels * pixels of the search window * patch_size). Extra memory is one padded copy of the image, two
    bytes a pixel for uint8 and four for 16 bits, of larger ones some 50 MiB at a time; and some rows per thread. An
    interrupt (Ctrl-C) or an error in `progress` ends the call between two parts of the work.

    References
    ----------
    .. [1] A. Buades, B. Coll, J.-M. Morel, "Non-Local Means Denoising", Image Processing On Line 1, 2011.
       :doi:`10.5201/ipol.2011.bcm_nlm`
    .. [2] P. Coupé, P. Yger, S. Prima, P. Hellier, C. Kervrann, C. Barillot, "An optimized blockwise nonlocal means
       denoising filter for 3-D magnetic resonance images", IEEE Transactions on Medical Imaging 27(4), 2008.
       :doi:`10.1109/TMI.2007.906087`
    .. [3] N. Wiest-Daesslé, S. Prima, P. Coupé, S. P. Morrissey, C. Barillot, "Rician noise removal by non-local means
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

    A volume whose planes are twice as far apart as its pixels, and only its middle:

    >>> volume = np.random.default_rng(0).normal(100, 5, (8, 16, 16)).astype(np.float32)
    >>> inside = np.zeros(volume.shape, bool)
    >>> inside[2:6] = True
    >>> result = medfast.denoise_nl_means(volume, mask=inside, spacing=(2, 1, 1))
    >>> bool(result[2:6].std() < 2), bool((result[:2] == volume[:2]).all())
    (True, True)
    """
    channel_axis = None if channel_axis is None else _validate.as_int(channel_axis, "channel_axis")
    source = _validate.as_image(image, ndim=(2, 3) if channel_axis is None else (3, 4))
    axis = _validate.as_axis(channel_axis, source.ndim)
    inside = _validate.as_mask(mask, without(axis, source.shape))
    out = _validate.as_out(out, source.shape, source.dtype, source, apart=inside)
    windows = _windows(patch_size, search_size, spacing, source.ndim - (axis is not None))
    _denoise([source], out, h, windows, sigma, norm, noise, inside, axis, progress, num_threads)
    return out


def denoise_nl_means_multi(
    frames: Sequence[ArrayLike],
    index: int,
    temporal_size: int = 3,
    h: float | Sequence[float] | None = None,
    *,
    patch_size: int | Sequence[int] = 7,
    search_size: int | Sequence[int] = 21,
    sigma: float | None = None,
    norm: str = "l2",
    noise: str = "gaussian",
    mask: ArrayLike | None = None,
    spacing: float | Sequence[float] | None = None,
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
    patch_size : int or sequence of int, default=7
        Side of the patches that are compared, in pixels, or rows and columns. Odd, >= 1.
    search_size : int or sequence of int, default=21
        Side of the window in which similar patches are looked for, in each frame, in pixels, or rows and columns. Odd,
        >= 1.
    sigma : float, optional
        Noise level, in gray levels, >= 0. When omitted and needed, `estimate_sigma` of the frame inside `mask`.
    norm : {"l2", "l1"}, default="l2"
        Whether patches differ by their mean squared, or by their mean absolute difference.
    noise : {"gaussian", "rician"}, default="gaussian"
        With "rician", squares are averaged and ``2 sigma**2`` is taken away.
    mask : array_like of bool, same shape as a frame without `channel_axis`, optional
        What to denoise, and in every frame what to average.
    spacing : float or sequence of float, optional
        Distance of neighbouring rows and columns, > 0, as in `denoise_nl_means`.
    channel_axis : int, optional
        Axis of a frame's channels, which are denoised jointly.
    progress : callable, optional
        Called as ``progress(done, total)``, from the calling thread, in parts of the work.
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
    search_size**2 * patch_size); extra memory is one padded copy of the frames in use, of larger ones some 50 MiB at a
    time, and some rows per thread.

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
    ndim = 2 if channel_axis is None else 3
    sources = _validate.as_frames(frames, index, temporal_size, ndim)
    source = sources[len(sources) // 2]
    axis = _validate.as_axis(channel_axis, ndim)
    inside = _validate.as_mask(mask, without(axis, source.shape))
    out = _validate.as_out(out, source.shape, source.dtype, *sources, apart=inside)
    patch, search = _windows(patch_size, search_size, spacing, 2)
    windows = patch, (len(sources) // 2, search[1], search[2])
    _denoise(sources, out, h, windows, sigma, norm, noise, inside, axis, progress, num_threads)
    return out


def halo(
    ndim: int,
    *,
    patch_size: int | Sequence[int] | None = None,
    search_size: int | Sequence[int] | None = None,
    spacing: float | Sequence[float] | None = None,
) -> tuple[int, ...]:
    """How far around a pixel `denoise_nl_means` looks, along each axis.

    What is denoised piece by piece needs so much of its surroundings.

    Parameters
    ----------
    ndim : int
        Axes of the image without its channels: 2 or 3.
    patch_size : int or sequence of int, optional
        As in `denoise_nl_means`.
    search_size : int or sequence of int, optional
        As in `denoise_nl_means`.
    spacing : float or sequence of float, optional
        As in `denoise_nl_means`.

    Returns
    -------
    tuple of int
        Pixels before and after, one entry per axis: the sum of both windows' radii.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument lies outside its range.

    Notes
    -----
    A piece whose surroundings begin at an even row and column of the whole is denoised bit for bit as the whole is:
    sums of floats are shared by pairs of rows and columns.

    Examples
    --------
    >>> from medfast.denoise import halo
    >>> halo(2)
    (13, 13)
    >>> halo(3, spacing=(2, 1, 1))
    (2, 6, 6)
    """
    ndim = _validate.as_int(ndim, "ndim", minimum=2, maximum=3)
    patch, search = _windows(patch_size, search_size, spacing, ndim)
    return tuple([p + s for p, s in zip(patch, search, strict=True)][-ndim:])


def _windows(patch_size: Any, search_size: Any, spacing: Any, n_axes: int) -> tuple[nlm_border.Radii, nlm_border.Radii]:
    """Radii of both windows along planes, rows and columns."""
    patch = _validate.as_odds(_DEFAULTS[n_axes][0] if patch_size is None else patch_size, "patch_size", n_axes)
    search = _validate.as_odds(_DEFAULTS[n_axes][1] if search_size is None else search_size, "search_size", n_axes)
    _validate.check_windows(patch, search)
    steps = (1.0,) * n_axes if spacing is None else _validate.as_positives(spacing, "spacing", n_axes)
    return nlm_border.radii(patch, steps), nlm_border.radii(search, steps)


def _denoise(
    frames: list[NDArray[Any]],
    out: NDArray[Any],
    h: Any,
    windows: tuple[nlm_border.Radii, nlm_border.Radii],
    sigma: Any,
    norm: Any,
    noise: Any,
    mask: NDArray[np.bool_] | None,
    channel_axis: int | None,
    progress: Any,
    num_threads: Any,
) -> None:
    """Check what both forms have in common, find `h`, and run."""
    order = 1 if _validate.as_choice(norm, "norm", NORMS) == "l1" else 2
    rician = _validate.as_choice(noise, "noise", NOISES) == "rician"
    progress = _validate.as_callback(progress)
    num_threads = _validate.as_threads(num_threads)
    image = frames[len(frames) // 2]
    n_channels = 1 if channel_axis is None else image.shape[channel_axis]
    strengths = None if h is None else _validate.as_strengths(h, n_channels)
    sigma = None if sigma is None else _validate.as_float(sigma, "sigma", minimum=0.0)
    if not image.size:
        return
    if sigma is None and (rician or strengths is None):
        sigma = noise_level.mean(estimate_sigma(image, mask=mask, noise=noise, channel_axis=channel_axis))
    if strengths is None:
        if sigma == 0:  # nothing to remove
            out[...] = image
            return
        strengths = [sigma]
    if image.dtype == np.float64:
        largest = nlm_scale.largest_value(frames)
        _validate.check_strengths(strengths, largest, nlm_scale.least_strength(largest, is_rician=rician))

    planes = [nlm_border.to_planes(frame, channel_axis) for frame in frames]
    task = nlm_weights.Task(
        planes[0] if len(planes) == 1 else [plane[0] for plane in planes],
        nlm_border.to_planes(out, channel_axis),
        strengths,
        *windows,
        order,
        sigma if rician else None,
        mask=mask if mask is None or mask.ndim == 3 else mask[np.newaxis],
        num_threads=num_threads,
    )
    nlm.denoise(task, progress)
