"""What the readers share: the image they give back, the one error, the size budget, rescale and window."""

import dataclasses
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast._validate import DTYPES, check_plain
from medfast.intensity import window


class ImageReadError(OSError, ValueError):
    """A file that cannot be read as an image.

    Attributes
    ----------
    path : str
        The file.
    reason : str
        Why it cannot be read.
    """

    def __init__(self, path: str | os.PathLike, reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"cannot read {self.path}: {reason}")

    def __reduce__(self):
        return type(self), (self.path, self.reason)


@dataclass(frozen=True, eq=False, repr=False)
class Image:
    """Pixels with what a file says about them.

    NumPy functions and medfast's take it as the array that it holds. ``dataclasses.replace(image, array=...)`` gives
    the same image with other pixels.

    Parameters
    ----------
    array : ndarray of shape (M, N) or (P, M, N), or more
        Pixels in the order planes, rows, columns; further axes (time) come first. Colours stand last.
    spacing : tuple of float, optional
        Distance of pixel centres in millimetres, one entry per axis of `array` in array order, colours left out. None
        where the file does not give it for every axis.
    affine : ndarray of shape (4, 4), optional
        From ``(column, row, plane, 1)`` to millimetres that rise to the right, the front and the head of the patient
        (RAS+, as in NIfTI).
    slope, intercept : float, default=1, 0
        The rescale that `array` has gone through already: value = slope · stored value + intercept.
    unit : str, optional
        Unit of the values, such as ``"HU"``.
    meta : dict, optional
        Technical facts from the file, by name. Nothing about the patient is ever in it.

    Raises
    ------
    TypeError
        If `array` is no ndarray, or another field is of the wrong type.
    ValueError
        If `spacing` has not one entry per axis, each finite and > 0, or `affine` is not a finite 4x4 matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.io import Image
    >>> image = Image(np.zeros((2, 3), np.int16), spacing=(0.7, 0.7), unit="HU")
    >>> np.asarray(image).shape
    (2, 3)
    """

    array: NDArray[Any]
    spacing: tuple[float, ...] | None = None
    affine: NDArray[np.float64] | None = None
    slope: float = 1.0
    intercept: float = 0.0
    unit: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.array, np.ndarray):
            raise TypeError(f"array must be an ndarray, got {type(self.array).__name__}")
        if not isinstance(self.meta, Mapping):
            raise TypeError(f"meta must be a dict, got {type(self.meta).__name__}")
        if self.spacing is not None:
            n_axes = self.array.ndim - (self.channel_axis is not None)
            object.__setattr__(self, "spacing", _checked_spacing(self.spacing, n_axes))
        if self.affine is not None:
            object.__setattr__(self, "affine", _checked_affine(self.affine))

    @property
    def channel_axis(self) -> int | None:
        """Axis of the colours, -1, or None for a gray image."""
        return -1 if self.meta.get("channels", 1) > 1 else None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the pixels, as NumPy asks for them."""
        if copy:
            return np.array(self.array, dtype=dtype)
        if copy is False and dtype is not None and np.dtype(dtype) != self.array.dtype:
            raise ValueError(f"a copy is needed to turn {self.array.dtype} into {np.dtype(dtype)}")
        return np.asarray(self.array, dtype=dtype)

    def __repr__(self) -> str:
        """Return shape, dtype, spacing and unit: neither pixels nor metadata."""
        return (
            f"Image(shape={self.array.shape}, dtype={self.array.dtype}, spacing={self.spacing}, "
            f"unit={self.unit!r}, format={self.meta.get('format')!r})"
        )


def need(module: str) -> Any:
    """Import a package of the extra `io`, or say how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = {"PIL": "Pillow"}.get(module.partition(".")[0], module.partition(".")[0])
        raise ImportError(f'this file format needs {package}: pip install "medfast[io]"') from error


def check_budget(n_values: int, itemsize: int, max_bytes: int) -> None:
    """Refuse pixels that would take more than `max_bytes` once decoded."""
    n_bytes = n_values * itemsize
    if n_bytes > max_bytes:
        raise ValueError(f"its pixels take {n_bytes:,} bytes once decoded, max_bytes allows {max_bytes:,}")


def choose_frame(frame: int | None, n_frames: int) -> int | None:
    """`frame`, if the file has it."""
    if frame is not None and frame >= n_frames:
        raise ValueError(f"it has {n_frames} frame(s), so frame must be below that, got {frame}")
    return frame


def rescaled(stored: NDArray[Any], slope: float = 1.0, intercept: float = 0.0) -> NDArray[Any]:
    """``slope · stored + intercept`` in one of medfast's dtypes: integers stay integers wherever they can.

    Without a rescale a supported dtype is kept. Whole slope and intercept, and other integers, give int16 if the
    values fit, else uint16, else float32 or float64 if that holds them exactly. Anything else is float32, computed in
    float64; float64 stays float64.
    """
    stored = stored if stored.dtype.isnative else stored.astype(stored.dtype.newbyteorder("="))
    if stored.dtype.kind not in "biuf":
        raise ValueError(f"pixels of type {stored.dtype} are not supported")
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise ValueError(f"its rescale slope {slope} or intercept {intercept} is not finite")
    identity = slope == 1 and intercept == 0
    if stored.dtype == np.bool_:
        stored = stored.astype(np.uint8)
    if identity and stored.dtype in DTYPES:
        return stored
    if stored.dtype.kind == "f":
        dtype = np.dtype(np.float32 if stored.dtype.itemsize <= 4 else np.float64)
        return stored.astype(dtype) if identity else _linear(stored, slope, intercept, dtype)
    if float(slope).is_integer() and float(intercept).is_integer():
        limits = (int(stored.min()), int(stored.max())) if stored.size else (0, 0)
        ends = sorted(int(slope) * limit + int(intercept) for limit in limits)
        for dtype in (np.dtype(np.int16), np.dtype(np.uint16)):
            if np.iinfo(dtype).min <= ends[0] and ends[1] <= np.iinfo(dtype).max:
                return _linear(stored, slope, intercept, dtype)
        largest = max(abs(ends[0]), abs(ends[1]))
        if largest > 2**53:
            raise ValueError(f"its values reach {largest}, more than float64 holds exactly")
        return _linear(stored, slope, intercept, np.dtype(np.float32 if largest <= 2**24 else np.float64))
    return _linear(stored, slope, intercept, np.dtype(np.float32 if stored.dtype.itemsize <= 2 else np.float64))


def _linear(stored: NDArray[Any], slope: float, intercept: float, dtype: np.dtype) -> NDArray[Any]:
    out = np.empty(stored.shape, dtype)
    if slope == 1 and intercept == 0:
        out[...] = stored
        return out
    # In float64 a plane at a time, so that the temporary stays small.
    planes, out_planes = np.atleast_3d(stored.T).T, np.atleast_3d(out.T).T
    for plane, out_plane in zip(planes, out_planes, strict=True):
        out_plane[...] = plane * np.float64(slope) + np.float64(intercept)
    return out


def windowed(values: NDArray[Any], center: float, width: float, function: str = "LINEAR") -> NDArray[np.uint8]:
    """A window of gray levels spread over 0 … 255, by a function that goes by DICOM's name of it."""
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise ValueError(f"its window function {function!r} is unknown")
    stack = values.reshape(-1, *values.shape[-2:])  # a time series has four axes
    return window(stack, center, width, function=function.lower()).reshape(values.shape)


def as_spacing(values: Any) -> tuple[float, ...] | None:
    """`values` as a spacing, or None if one of them is missing or makes no sense."""
    try:
        spacing = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return spacing if spacing and all(np.isfinite(value) and value > 0 for value in spacing) else None


def _checked_spacing(spacing: Any, n_axes: int) -> tuple[float, ...]:
    try:
        entries = tuple(float(entry) for entry in spacing)
    except (TypeError, ValueError):
        raise TypeError(f"spacing must be numbers, one per axis, got {spacing!r}") from None
    if len(entries) != n_axes:
        raise ValueError(f"spacing must have {n_axes} entries, one per axis without colours, got {spacing!r}")
    if as_spacing(entries) is None:
        raise ValueError(f"spacing must hold finite numbers > 0, got {spacing!r}")
    return entries


def _checked_affine(affine: Any) -> NDArray[np.float64]:
    try:
        matrix = np.asarray(affine, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"affine must be a 4x4 matrix of numbers, got {affine!r}") from None
    if matrix.shape != (4, 4):
        raise ValueError(f"affine must be a 4x4 matrix, got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("affine must be finite, got NaN or infinity")
    return matrix


def as_image_to_write(image: Any) -> Image:
    """`image` as an Image that a writer can rely on; the checks that all formats share."""
    if not isinstance(image, Image):
        image = Image(_as_array(image))
    array = _as_array(image.array)
    if array.dtype not in DTYPES:
        expected = ", ".join(dtype.name for dtype in DTYPES)
        raise TypeError(f"image must have dtype {expected}, got {array.dtype}")
    n_axes = array.ndim - (1 if image.channel_axis is not None else 0)
    if n_axes < 2 or not array.size:
        raise ValueError(f"image must have at least one row and one column, got shape {array.shape}")
    if image.channel_axis is not None and array.shape[-1] != image.meta["channels"]:
        raise ValueError(f"image must have {image.meta['channels']} colours on its last axis, got shape {array.shape}")
    return dataclasses.replace(image, array=array)


def _as_array(values: ArrayLike) -> NDArray[Any]:
    check_plain(values, "image")
    array = np.asarray(values)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
