"""Non-local means with OpenCV's signatures: `cv2.fastNlMeansDenoising` and its three relatives, bit for bit.

As in OpenCV, an even window goes up to the next odd size (in the multi-frame forms it is an error), the sign of `h`
does not matter, and with ``h=0`` only patches as good as equal count.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import lab as lab_driver
from medfast._drivers import nlm, nlm_weights

__all__ = [
    "NORM_L1",
    "NORM_L2",
    "fastNlMeansDenoising",
    "fastNlMeansDenoisingColored",
    "fastNlMeansDenoisingColoredMulti",
    "fastNlMeansDenoisingMulti",
]

NORM_L1 = 2
NORM_L2 = 4

_UINT8 = (np.dtype(np.uint8),)
_UINT8_UINT16 = (np.dtype(np.uint8), np.dtype(np.uint16))


def fastNlMeansDenoising(
    src: ArrayLike,
    dst: Any = None,
    h: Any = 3.0,
    templateWindowSize: int = 7,
    searchWindowSize: int = 21,
    normType: int | None = None,
) -> NDArray[Any]:
    """Denoise an image of 1 to 4 channels, as ``cv2.fastNlMeansDenoising``.

    The form ``fastNlMeansDenoising(src, h[, dst[, templateWindowSize[, searchWindowSize[, normType]]]])``, in which `h`
    is a list, a tuple or an array of floats, is understood too.

    Parameters
    ----------
    src : array_like of shape (M, N) or (M, N, channels), dtype uint8, or uint16 with ``NORM_L1``
        Noisy image.
    dst : ndarray, optional
        Where the result goes if it fits; may be `src`.
    h : float or sequence of float, default=3
        Filtering strength; one, or one per channel.
    templateWindowSize : int, default=7
        Side of the patches, in pixels.
    searchWindowSize : int, default=21
        Side of the search window, in pixels.
    normType : {NORM_L2, NORM_L1}, default=NORM_L2
        How patches are compared.

    Returns
    -------
    ndarray, same shape and dtype as `src`
        The denoised image; `dst`, if it fits.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value.

    See Also
    --------
    medfast.denoise_nl_means : The same for all dtypes.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv.denoise import fastNlMeansDenoising
    >>> fastNlMeansDenoising(np.array([[9, 9, 12]], np.uint8), None, 3, 1, 3)
    array([[ 9,  9, 11]], dtype=uint8)
    """
    dst, h, normType = _overload(dst, h, normType)
    image = _image(src, "src", normType)
    out, returned = _destination(dst, image)
    _denoise([image], out, h, templateWindowSize, searchWindowSize, normType)
    return returned


def fastNlMeansDenoisingMulti(
    srcImgs: Sequence[ArrayLike],
    imgToDenoiseIndex: int,
    temporalWindowSize: int,
    dst: Any = None,
    h: Any = 3.0,
    templateWindowSize: int = 7,
    searchWindowSize: int = 21,
    normType: int | None = None,
) -> NDArray[Any]:
    """Denoise one of several frames, as ``cv2.fastNlMeansDenoisingMulti``.

    The form with a list, a tuple or an array of floats `h` before `dst` is understood too.

    Parameters
    ----------
    srcImgs : sequence of array_like
        Frames of one shape and dtype, in order of time.
    imgToDenoiseIndex : int
        Which to denoise.
    temporalWindowSize : int
        How many frames to use around it. Odd.
    dst : ndarray, optional
        Where the result goes if it fits.
    h : float or sequence of float, default=3
        Filtering strength; one, or one per channel.
    templateWindowSize : int, default=7
        Side of the patches, in pixels. Odd.
    searchWindowSize : int, default=21
        Side of the search window, in pixels. Odd.
    normType : {NORM_L2, NORM_L1}, default=NORM_L2
        How patches are compared.

    Returns
    -------
    ndarray, same shape and dtype as a frame
        The denoised frame; `dst`, if it fits.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value.

    See Also
    --------
    medfast.denoise_nl_means_multi : The same for all dtypes.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv.denoise import fastNlMeansDenoisingMulti
    >>> fastNlMeansDenoisingMulti(np.array([[[9]], [[12]], [[9]]], np.uint8), 1, 3, None, 3, 1, 1)
    array([[11]], dtype=uint8)
    """
    dst, h, normType = _overload(dst, h, normType)
    frames = _frames(srcImgs, imgToDenoiseIndex, temporalWindowSize, templateWindowSize, searchWindowSize, normType)
    out, returned = _destination(dst, frames[0])
    _denoise(frames, out, h, templateWindowSize, searchWindowSize, normType)
    return returned


def fastNlMeansDenoisingColored(
    src: ArrayLike,
    dst: Any = None,
    h: float = 3.0,
    hColor: float = 3.0,
    templateWindowSize: int = 7,
    searchWindowSize: int = 21,
) -> NDArray[np.uint8]:
    """Denoise a colour image through L*a*b*, as ``cv2.fastNlMeansDenoisingColored``.

    The lightness is denoised by itself, the two colour channels jointly.

    Parameters
    ----------
    src : array_like of shape (M, N, 3) or (M, N, 4), dtype uint8
        Noisy image: blue, green, red; a fourth channel comes back as 255.
    dst : ndarray, optional
        Where the result goes if it fits; may be `src`.
    h : float, default=3
        Filtering strength for the lightness.
    hColor : float, default=3
        Filtering strength for the two colour channels.
    templateWindowSize : int, default=7
        Side of the patches, in pixels.
    searchWindowSize : int, default=21
        Side of the search window, in pixels.

    Returns
    -------
    ndarray, same shape as `src`
        The denoised image; `dst`, if it fits.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value.

    See Also
    --------
    fastNlMeansDenoising : For one channel, or several of one kind.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv.denoise import fastNlMeansDenoisingColored
    >>> fastNlMeansDenoisingColored(np.full((1, 1, 3), 128, np.uint8))
    array([[[127, 127, 127]]], dtype=uint8)
    """
    image = _color_image(src, "src")
    out, returned = _destination(dst, image)
    _denoise_colored([image], out, h, hColor, templateWindowSize, searchWindowSize)
    return returned


def fastNlMeansDenoisingColoredMulti(
    srcImgs: Sequence[ArrayLike],
    imgToDenoiseIndex: int,
    temporalWindowSize: int,
    dst: Any = None,
    h: float = 3.0,
    hColor: float = 3.0,
    templateWindowSize: int = 7,
    searchWindowSize: int = 21,
) -> NDArray[np.uint8]:
    """Denoise one of several colour frames, as ``cv2.fastNlMeansDenoisingColoredMulti``.

    The lightness is denoised by itself, the two colour channels jointly.

    Parameters
    ----------
    srcImgs : sequence of array_like of shape (M, N, 3) or (M, N, 4), dtype uint8
        Frames of one shape: blue, green, red; a fourth channel comes back as 255.
    imgToDenoiseIndex : int
        Which to denoise.
    temporalWindowSize : int
        How many frames to use around it. Odd.
    dst : ndarray, optional
        Where the result goes if it fits.
    h : float, default=3
        Filtering strength for the lightness.
    hColor : float, default=3
        Filtering strength for the two colour channels.
    templateWindowSize : int, default=7
        Side of the patches, in pixels. Odd.
    searchWindowSize : int, default=21
        Side of the search window, in pixels. Odd.

    Returns
    -------
    ndarray, same shape as a frame
        The denoised frame; `dst`, if it fits.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value.

    See Also
    --------
    fastNlMeansDenoisingColored : For one image.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv.denoise import fastNlMeansDenoisingColoredMulti
    >>> fastNlMeansDenoisingColoredMulti(np.full((3, 1, 1, 3), 128, np.uint8), 1, 3)
    array([[[127, 127, 127]]], dtype=uint8)
    """
    frames = _frames(srcImgs, imgToDenoiseIndex, temporalWindowSize, templateWindowSize, searchWindowSize, NORM_L2)
    frames = [_color_image(frame, "srcImgs") for frame in frames]
    out, returned = _destination(dst, frames[0])
    _denoise_colored(frames, out, h, hColor, templateWindowSize, searchWindowSize)
    return returned


def _overload(dst: Any, h: Any, norm_type: Any) -> tuple[Any, Any, Any]:
    """The arguments in the order of the first of OpenCV's forms. An array that could be either is `dst`, as in OpenCV,
    unless another one follows or a norm is given, which that form lacks.
    """
    is_vector = isinstance(dst, np.ndarray) and dst.ndim == 1 and dst.dtype.kind == "f"
    if isinstance(dst, list | tuple) or (is_vector and (isinstance(h, np.ndarray) or norm_type is not None)):
        dst, h = (None if isinstance(h, int | float) else h), dst
    return dst, 3.0 if h is None else h, NORM_L2 if norm_type is None else norm_type


def _image(src: ArrayLike, name: str, norm_type: Any) -> NDArray[Any]:
    """`src` as (rows, columns) or (rows, columns, 2 to 4 channels)."""
    if _validate.as_int(norm_type, "normType") not in (NORM_L1, NORM_L2):
        raise ValueError(f"normType must be NORM_L1 or NORM_L2, got {norm_type!r}")
    image = _validate.as_image(src, name, dtypes=_UINT8_UINT16 if norm_type == NORM_L1 else _UINT8)
    if not image.size:
        raise ValueError(f"{name} must not be empty, got shape {image.shape}")
    if image.ndim == 3 and image.shape[2] > 4:
        raise ValueError(f"{name} must have 1 to 4 channels, got shape {image.shape}")
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _color_image(src: ArrayLike, name: str) -> NDArray[np.uint8]:
    image = _image(src, name, NORM_L2)
    if image.ndim != 3 or image.shape[2] < 3:
        raise ValueError(f"{name} must have 3 or 4 channels, got shape {image.shape}")
    return image


def _frames(images: Any, index: Any, temporal: Any, template: Any, search: Any, norm_type: Any) -> list[NDArray[Any]]:
    """The frames of the temporal window."""
    if isinstance(images, str | bytes) or not isinstance(images, Sequence | np.ndarray):
        raise TypeError(f"srcImgs must be a sequence of images, got {type(images).__name__}")
    index = _validate.as_int(index, "imgToDenoiseIndex")
    _validate.as_odd(template, "templateWindowSize")
    _validate.as_odd(search, "searchWindowSize")
    radius = _validate.as_odd(temporal, "temporalWindowSize") // 2
    if not 0 <= index - radius <= index + radius < len(images):
        raise ValueError(
            f"imgToDenoiseIndex must have {radius} frames before and after it, "
            f"got index {index} of {len(images)} frames"
        )
    frames = [_image(image, "srcImgs", norm_type) for image in images[index - radius : index + radius + 1]]
    for frame in frames:
        if frame.shape != frames[0].shape or frame.dtype != frames[0].dtype:
            raise ValueError("srcImgs must agree in shape and dtype")
    return frames


def _destination(dst: Any, image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where the result goes, and what is returned: `dst` if the result fits, else a new array, as OpenCV does."""
    target = _validate.as_dst(dst, image.shape, image.dtype)
    if target is None:
        target = dst = np.empty(image.shape, image.dtype)
    return target, dst


def _denoise(frames: list[NDArray[Any]], out: NDArray[Any], h: Any, template: Any, search: Any, norm_type: Any) -> None:
    to_planes = (lambda array: array[np.newaxis]) if out.ndim == 2 else (lambda array: np.moveaxis(array, 2, 0))
    norm = 1 if norm_type == NORM_L1 else 2
    n_channels = 1 if out.ndim == 2 else out.shape[2]
    strengths = _strengths(h, n_channels)
    patch_size = _window(template, "templateWindowSize", nlm_weights.largest_patch(n_channels, norm))
    search_size = _window(search, "searchWindowSize", nlm_weights.largest_search(len(frames)))
    target = np.empty_like(out) if any(np.may_share_memory(out, frame) for frame in frames) else out
    task = nlm_weights.Task(
        [to_planes(frame) for frame in frames],
        to_planes(target)[np.newaxis],
        strengths,
        patch=(0, patch_size // 2, patch_size // 2),
        search=(len(frames) // 2, search_size // 2, search_size // 2),
        norm=norm,
    )
    nlm.denoise(task)
    if target is not out:
        out[...] = target


def _denoise_colored(
    frames: list[NDArray[np.uint8]], out: NDArray[np.uint8], h: Any, h_color: Any, template: Any, search: Any
) -> None:
    labs = [lab_driver.lab_from_bgr(frame) for frame in frames]
    lab = np.empty_like(labs[0])
    _denoise([planes[0] for planes in labs], lab[0], h, template, search, NORM_L2)
    colors = [np.moveaxis(planes[1:], 0, 2) for planes in labs]
    _denoise(colors, np.moveaxis(lab[1:], 0, 2), h_color, template, search, NORM_L2)
    lab_driver.bgr_from_lab(lab, out)


def _strengths(h: Any, n_channels: int) -> list[float]:
    if np.ndim(h) == 0:
        return [abs(_validate.as_float(h, "h"))]
    values = [abs(_validate.as_float(value, "h")) for value in h]
    if len(values) not in (1, n_channels):
        raise ValueError(f"h must have one entry or one per channel ({n_channels}), got {len(values)}")
    return values


def _window(value: Any, name: str, largest: int) -> int:
    """Even sizes go up to the next odd one."""
    return _validate.as_int(value, name, minimum=0, maximum=largest) // 2 * 2 + 1
