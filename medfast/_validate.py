"""What a public function accepts: the only place that raises for its arguments.

Arrays come back as views wherever that is possible; a copy is made only of what no kernel can read (a foreign byte order, a
sequence that is no array). Every message names the argument, what was expected and what came.
"""

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DTYPES = tuple(np.dtype(name) for name in ("uint8", "uint16", "int16", "float32", "float64"))
INTEGER_DTYPES = DTYPES[:3]


def as_image(
    image: ArrayLike, name: str = "image", *, ndim: tuple[int, ...] = (2, 3), dtypes: tuple[np.dtype, ...] = DTYPES
) -> NDArray[Any]:
    """`image` as an array that a kernel can read: a supported dtype in native byte order, finite, any strides."""
    array = as_array(image, name, dtypes=dtypes)
    if array.ndim not in ndim:
        expected = " or ".join(f"{n}-D" for n in ndim)
        raise ValueError(f"{name} must be {expected}, got shape {array.shape}")
    return check_finite(array, name)


def as_array(values: ArrayLike, name: str, *, dtypes: tuple[np.dtype, ...] = DTYPES) -> NDArray[Any]:
    """`values` as an array of one of `dtypes` in native byte order, without looking at its shape or values."""
    array = np.asarray(values)
    if array.dtype.newbyteorder("=") not in dtypes:
        expected = ", ".join(dtype.name for dtype in dtypes)
        raise TypeError(f"{name} must have dtype {expected}, got {array.dtype}")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def check_finite(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Refuse NaN and infinity, without a temporary the size of the array: NaN survives both extremes."""
    if array.dtype.kind == "f" and array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def check_minimum(array: NDArray[Any], name: str, minimum: float, when: str) -> None:
    """Refuse values below `minimum`, which `when` asks for."""
    if array.size and array.dtype.kind != "u" and (lowest := array.min()) < minimum:
        raise ValueError(f"{name} must be >= {minimum:g} {when}, got {lowest}")


def as_out(
    out: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype, *inputs: NDArray[Any], in_place: bool = False
) -> NDArray[Any]:
    """`out` if it can take a result of `shape` and `dtype`, or a new array where it is None.

    `in_place` allows `out` to be exactly one of `inputs`, for kernels whose pixels depend on themselves alone; any other
    overlap is refused.
    """
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy.ndarray, got {type(out).__name__}")
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"out must have dtype {dtype.name} in native byte order, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    for array in inputs:
        if in_place and _is_same_view(out, array):
            continue
        if _share_memory(out, array):
            raise ValueError("out must not overlap the input, got an array that shares memory with it")
    return out


def as_odd(value: Any, name: str) -> int:
    """`value` as an odd integer of at least 1."""
    number = as_int(value, name, minimum=1)
    if number % 2 == 0:
        raise ValueError(f"{name} must be odd, got {number}")
    return number


def as_int(value: Any, name: str, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """`value` as an integer; booleans and floats are refused, NumPy's integers welcome."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    _check_range(number, name, minimum, maximum)
    return number


def as_float(
    value: Any, name: str, *, minimum: float | None = None, maximum: float | None = None, above: float | None = None
) -> float:
    """`value` as a finite float, at least `minimum`, at most `maximum`, and greater than `above`."""
    if isinstance(value, bool | np.bool_ | str | bytes):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not np.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    if above is not None and not number > above:
        raise ValueError(f"{name} must be > {above:g}, got {number:g}")
    _check_range(number, name, minimum, maximum)
    return number


def as_choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """`value`, which must be one of `choices`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def as_pair(value: Any, name: str, *, minimum: int = 1) -> tuple[int, int]:
    """`value` as two integers in array order (rows, columns)."""
    try:
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be two integers (rows, columns), got {value!r}") from None
    if len(entries) != 2:
        raise ValueError(f"{name} must be two integers (rows, columns), got {value!r}")
    return as_int(entries[0], f"{name}[0]", minimum=minimum), as_int(entries[1], f"{name}[1]", minimum=minimum)


def as_size(value: Any, name: str, *, minimum: int | None = 1) -> tuple[int, int]:
    """`value` as two integers in OpenCV's order (width, height)."""
    try:
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be two integers (width, height), got {value!r}") from None
    if len(entries) != 2:
        raise ValueError(f"{name} must be two integers (width, height), got {value!r}")
    return as_int(entries[0], f"{name}[0]", minimum=minimum), as_int(entries[1], f"{name}[1]", minimum=minimum)


def as_points(value: Any, name: str) -> NDArray[np.int64]:
    """`value` as an array of integer points (x, y), one per row."""
    points = np.asarray(value)
    if points.dtype.kind not in "iu":
        raise TypeError(f"{name} must be points of two integers (x, y), got dtype {points.dtype}")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{name} must be points of two integers (x, y), got shape {points.shape}")
    return points.astype(np.int64)


def check_window(
    window: tuple[int, int], block: tuple[int, int], stride: tuple[int, int], cell: tuple[int, int]
) -> None:
    """Refuse sizes (width, height) of a HOG window that do not divide."""
    for i, side in enumerate(("width", "height")):
        if block[i] % cell[i]:
            raise ValueError(f"blockSize must be a multiple of cellSize, got {side} {block[i]} and {cell[i]}")
        if window[i] < block[i]:
            raise ValueError(f"winSize must be >= blockSize, got {side} {window[i]} and {block[i]}")
        if (window[i] - block[i]) % stride[i]:
            got = f"{side} {window[i]} - {block[i]} and {stride[i]}"
            raise ValueError(f"winSize - blockSize must be a multiple of blockStride, got {got}")


def check_room(image: NDArray[Any], room: tuple[int, int], window: tuple[int, int]) -> None:
    """Refuse an empty image, and one with less than no room (width, height) left by a window."""
    if not image.size or min(room) < 0:
        expected = f"{window[0]} x {window[1]} (width x height)"
        got = f"{window[0] + room[0]} x {window[1] + room[1]}" if image.size else "an empty one"
        raise ValueError(f"img with its padding must hold winSize {expected}, got {got}")


def check_channels(shape: tuple[int, ...], axis: int | None, name: str, numbers: tuple[int, ...] = ()) -> None:
    """Refuse an image without channels along `axis`, or whose number of channels is none of `numbers`."""
    n_channels = 1 if axis is None else shape[axis]
    if n_channels not in numbers if numbers else n_channels == 0:
        expected = " or ".join(map(str, numbers)) or "at least 1"
        raise ValueError(f"{name} must have {expected} channels, got shape {shape}")


def as_mask(mask: ArrayLike | None, shape: tuple[int, ...], name: str = "mask") -> NDArray[np.bool_] | None:
    """`mask` as a boolean array of `shape`; integers of 0 and 1 are read as booleans."""
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        if array.dtype.kind not in "iu" or (array.size and (array.min() < 0 or array.max() > 1)):
            raise TypeError(f"{name} must be boolean, got dtype {array.dtype}")
        array = array.astype(np.bool_)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return array


def as_axis(axis: Any, ndim: int, name: str = "channel_axis") -> int | None:
    """`axis` as a non-negative axis of an array with `ndim` dimensions, or None."""
    if axis is None:
        return None
    number = as_int(axis, name)
    if not -ndim <= number < ndim:
        raise ValueError(f"{name} must be an axis of the {ndim}-D image, got {number}")
    return number % ndim


def as_flag(value: Any, name: str) -> bool:
    """`value` as a boolean; anything else is refused, for "no" is true."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def as_levels(value: Any, shape: tuple[int, int], block: tuple[int, int]) -> int:
    """`value` as a number of levels, each of half the height and width, the last of which still holds a block."""
    number = as_int(value, "levels", minimum=1)
    (rows, cols), most = shape, 0
    while rows >= block[0] and cols >= block[1]:
        rows, cols, most = rows // 2, cols // 2, most + 1
    if most == 0:
        raise ValueError(
            f"image must hold one block of {block[0]} x {block[1]} pixels, got {shape[0]} x {shape[1]}"
            " (channels, if there are any, are named by channel_axis)"
        )
    if number > most:
        raise ValueError(
            f"levels must be <= {most}, the last one to hold a block of {block[0]} x {block[1]} pixels, got {number}"
        )
    return number


def as_threads(num_threads: Any) -> int | None:
    """`num_threads` as a positive integer, or None."""
    return None if num_threads is None else as_int(num_threads, "num_threads", minimum=1)


def as_callback(progress: Any) -> Any:
    """`progress` as a callable, or None."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a callable of (done, total), got {progress!r}")
    return progress


def _check_range(number: float, name: str, minimum: float | None, maximum: float | None) -> None:
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be >= {minimum:g}, got {number:g}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be <= {maximum:g}, got {number:g}")


def _is_same_view(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.__array_interface__["data"][0] == b.__array_interface__["data"][0] and (
        (a.shape, a.strides, a.dtype) == (b.shape, b.strides, b.dtype)
    )


def _share_memory(a: NDArray[Any], b: NDArray[Any]) -> bool:
    try:
        return np.shares_memory(a, b, max_work=1000)
    except np.exceptions.TooHardError:  # not decided within bounds: the caller is better off with a plain answer
        return True
