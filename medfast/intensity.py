"""Gray levels brought to other levels: windows, and the histogram of another image."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from medfast import _validate
from medfast._drivers import gray_levels, matching
from medfast._drivers import window as window_driver

__all__ = ["match_histograms", "window"]


def window(
    image: ArrayLike,
    center: float,
    width: float,
    *,
    function: str = "linear",
    slope: float = 1,
    intercept: float = 0,
    dtype: DTypeLike = np.uint8,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Spread a window of gray levels over the whole range of a dtype, as displays do (DICOM's VOI transform).

    What lies below the window becomes black, what lies above it white.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image of rows and columns, or volume of planes; any strides.
    center : float
        Middle of the window, in gray levels after the rescale: Hounsfield units for a CT.
    width : float
        Width of the window: >= 1 for ``"linear"``, > 0 for the others.
    function : {"linear", "linear_exact", "sigmoid"}, default="linear"
        Shape of the transform, as in the formulas below.
    slope : float, default=1
        Factor of the modality rescale, for values as they are stored.
    intercept : float, default=0
        Summand of the modality rescale.
    dtype : {uint8, uint16, int16, float32, float64}, default=uint8
        Dtype of the result, from the lowest value of an integer dtype to the highest; 0 to 1 for floats.
    out : ndarray, optional
        Where the result goes; of the shape of `image` and of `dtype`. May be `image` itself.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray of `dtype`, same shape as `image`
        The result, integers rounded half to even; `out`, if it was given.

    Raises
    ------
    TypeError
        If a dtype or the type of a parameter is not supported.
    ValueError
        If a parameter lies outside the ranges above, if a shape does not fit, if a float is NaN or infinite, or if
        `out` overlaps `image` without being it.

    See Also
    --------
    match_histograms : The gray levels of another image.

    Notes
    -----
    With ``x = slope * value + intercept``, the result is the share `y`, times the range of `dtype`::

        linear        y = (x - (center - 0.5)) / (width - 1) + 0.5    from 0 to 1; with a width of 1, 1 where
                                                                      x > center - 0.5, else 0
        linear_exact  y = (x - center) / width + 0.5                  from 0 to 1
        sigmoid       y = 1 / (1 + exp(-4 * (x - center) / width))

    in float64 and in this order, which is that of pydicom: integers are those of ``pydicom.pixels.apply_windowing``,
    rounded, where a data set's range is that of `dtype`; the sigmoid is within two units in the last place of its
    float64. pydicom spreads the window over the range that the data set could store, rescaled, and gives float64.

    For MONOCHROME1, where white is low, take 255 less the result. Complexity O(pixels), in one pass; no extra memory.

    References
    ----------
    .. [1] DICOM PS3.3, "Information Object Definitions", C.11.2.1.2 and C.11.2.1.3.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> ct = np.array([[-1000, -160], [40, 3000]], np.int16)
    >>> medfast.window(ct, 40, 400)
    array([[  0,   0],
           [128, 255]], dtype=uint8)
    >>> medfast.window(ct, 40, 400, function="linear_exact", dtype=np.float32)
    array([[0. , 0. ],
           [0.5, 1. ]], dtype=float32)
    """
    image = _validate.as_image(image)
    function = _validate.as_choice(function, "function", window_driver.FUNCTIONS)
    center = _validate.as_float(center, "center")
    if function == "linear":
        width = _validate.as_float(width, "width", minimum=1)
    else:
        width = _validate.as_float(width, "width", above=0)
    slope, intercept = _validate.as_float(slope, "slope"), _validate.as_float(intercept, "intercept")
    out = _validate.as_out(out, image.shape, _validate.as_dtype(dtype), image, in_place=True)
    num_threads = _validate.as_threads(num_threads)
    if image.size:
        window_driver.apply(image, center, width, function, slope, intercept, out, num_threads)
    return out


def match_histograms(
    image: ArrayLike,
    reference: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    channel_axis: int | None = None,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Give an image the histogram of another.

    Each gray level becomes the one below which the same share of the reference lies.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), with one more axis for `channel_axis`
        Image or volume, dtype {uint8, uint16, int16, float32, float64}; any strides.
    reference : array_like of the same dtypes
        Where the histogram comes from: of any shape, such as ``other[other_mask]``; with `channel_axis` of as many axes
        as `image`. Not empty.
    mask : array_like of bool, same shape as `image` without `channel_axis`, optional
        Pixels that are counted and changed; those outside stay as they are. All pixels when omitted.
    channel_axis : int, optional
        Axis of the channels of `image` and `reference`, which are matched one by one.
    out : ndarray, optional
        Where the result goes; same shape and dtype as `image`, and may be `image` itself.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same shape and dtype as `image`
        The result, integers rounded half to even and saturated; `out`, if it was given. An empty image comes back
        empty, and an image under a mask that is False everywhere unchanged.

    Raises
    ------
    TypeError
        If `image`, `reference`, `mask` or `out` has an unsupported dtype.
    ValueError
        If `reference` is empty, if a shape does not fit, if a float is NaN or infinite, or if `out` overlaps an input
        without being it.

    See Also
    --------
    equalize_hist : Matching with a histogram in which all levels are alike.

    Notes
    -----
    With the share ``q(v)`` of the pixels that are at most `v`, level `v` becomes the value of the line through the
    points ``(q_reference(r), r)`` of all levels `r` in use, at ``q(v)``, and the lowest level where that lies before
    the first point. The values are those of ``skimage.exposure.match_histograms``, which are float64, or float32 for
    such images; of channels it gives the image's dtype, integers cut off towards zero, where here all are rounded.

    Integers take O(pixels + levels) time and no memory that grows with the image. Where either is of floats, both are
    sorted, in O(n log n), with some 30 bytes a pixel.

    References
    ----------
    .. [1] R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th ed., section 3.3, Pearson, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> image, reference = np.array([[0, 1], [2, 3]], np.uint8), np.array([[10, 10], [90, 200]], np.uint8)
    >>> medfast.match_histograms(image, reference)
    array([[ 10,  10],
           [ 90, 200]], dtype=uint8)
    """
    image = _validate.as_image(image, ndim=(2, 3) if channel_axis is None else (3, 4))
    reference = _validate.as_reference(reference)
    axis = _validate.as_axis(channel_axis, image.ndim)
    where = _validate.as_mask(mask, image.shape if axis is None else image.shape[:axis] + image.shape[axis + 1 :])
    if axis is not None:
        _validate.check_alike(reference, image, axis)
    out = _validate.as_out(out, image.shape, image.dtype, image, reference, in_place=True, apart=where)
    num_threads = _validate.as_threads(num_threads)
    inside = gray_levels.as_bytes(where)
    if not image.size:
        return out
    if inside is not None and not inside.any():
        out[...] = image
        return out
    parts = [(image, reference, out)]
    if axis is not None:
        parts = list(zip(*(np.moveaxis(array, axis, 0) for array in (image, reference, out)), strict=True))
    for part, reference_part, out_part in parts:
        volume, out_volume = gray_levels.as_volume(part), gray_levels.as_volume(out_part)
        flat = reference_part if reference_part.ndim in (2, 3) else reference_part.reshape(1, -1)
        matching.match(volume, gray_levels.as_volume(flat), inside, out_volume, num_threads)
    return out
