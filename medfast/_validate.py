"""What a public function accepts: the only place that raises for its arguments.

Arrays come back as views wherever that is possible; a copy is made only of what no kernel can read (a foreign byte
order, a sequence that is no array). Every message names the argument, what was expected and what came.
"""

import operator
import os
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


def as_channel(image: Any, name: str, dtypes: tuple[np.dtype, ...]) -> NDArray[Any]:
    """`image` as rows and columns of one channel, as OpenCV takes it: an array, maybe with a last axis of length 1."""
    if not isinstance(image, np.ndarray):
        raise TypeError(f"{name} must be a numpy.ndarray, got {type(image).__name__}")
    array = as_array(image, name, dtypes=dtypes)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2:
        raise ValueError(f"{name} must be 2-D, of one channel, got shape {array.shape}")
    return array


def check_not_empty(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Refuse an array without elements."""
    if not array.size:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def check_finite(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Refuse NaN and infinity, without a temporary the size of the array: NaN survives both extremes."""
    if array.dtype.kind == "f" and array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def check_levels(least: int, most: int, lowest: int, highest: int, name: str, reason: str) -> None:
    """Refuse an image with values from `least` to `most` where only those from `lowest` to `highest` are levels."""
    if least < lowest or most > highest:
        raise ValueError(f"{name} must lie in {lowest} … {highest} for {reason}, got values from {least} to {most}")


def check_minimum(array: NDArray[Any], name: str, minimum: float, when: str) -> None:
    """Refuse values below `minimum`, which `when` asks for."""
    if array.size and array.dtype.kind != "u" and (lowest := array.min()) < minimum:
        raise ValueError(f"{name} must be >= {minimum:g} {when}, got {lowest}")


def check_tile(rows: int, cols: int) -> None:
    """Refuse tiles whose pixels do not fit a count of 31 bits."""
    if rows * cols >= 2**31:
        raise ValueError(f"tile_grid must give tiles of fewer than 2**31 pixels, got {rows} x {cols}")


def as_out(
    out: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype, *inputs: NDArray[Any], in_place: bool = False
) -> NDArray[Any]:
    """`out` if it can take a result of `shape` and `dtype`, or a new array where it is None.

    `in_place` allows `out` to be exactly one of `inputs`, for kernels whose pixels depend on themselves alone; any
    other overlap is refused.
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


def as_window(value: Any, name: str) -> tuple[float, float]:
    """`value` as the center and the width of a window of gray levels."""
    try:
        center, width = value
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be two numbers (center, width), got {value!r}") from None
    return as_float(center, f"{name}[0]"), as_float(width, f"{name}[1]", above=0)


def as_pair(value: Any, name: str, *, minimum: int = 1) -> tuple[int, int]:
    """`value` as two integers in array order (rows, columns)."""
    try:
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be two integers (rows, columns), got {value!r}") from None
    if len(entries) != 2:
        raise ValueError(f"{name} must be two integers (rows, columns), got {value!r}")
    return as_int(entries[0], f"{name}[0]", minimum=minimum), as_int(entries[1], f"{name}[1]", minimum=minimum)


def as_sizes(value: Any, name: str, n: int) -> tuple[int, ...]:
    """`value` as `n` integers of at least 0, one per axis."""
    if type(value) is tuple and len(value) == n and all(type(entry) is int and entry >= 0 for entry in value):
        return value  # what nearly every call gives, in a fifth of the time
    try:
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of integers, got {value!r}") from None
    if len(entries) != n:
        raise ValueError(f"{name} must have {n} entries, one per axis, got {value!r}")
    return tuple([as_int(entry, f"{name}[{i}]", minimum=0) for i, entry in enumerate(entries)])


def as_positives(value: Any, name: str, n: int) -> tuple[float, ...]:
    """`value` as `n` floats above 0, one per axis; a single number stands for all axes."""
    if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        return (as_float(value, name, above=0.0),) * n
    if len(value) != n:
        raise ValueError(f"{name} must be a number or have {n} entries, one per axis, got {value!r}")
    return tuple([as_float(entry, f"{name}[{i}]", above=0.0) for i, entry in enumerate(value)])


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


def as_colour(image: NDArray[Any], name: str = "image") -> NDArray[Any]:
    """`image`, which must have one, three or four channels along its last axis."""
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise ValueError(f"{name} must be 2-D, or (rows, columns, 3 or 4) in colour, got shape {image.shape}")
    return image


def as_images(images: Any, name: str = "images") -> Any:
    """`images` as something to index: a stack (n, rows, columns[, channels]), or a list of arrays and paths."""
    if isinstance(images, str | os.PathLike):
        return [images]
    if hasattr(images, "__array__"):
        array = np.asarray(images)
        if array.dtype.kind in "OU" and array.ndim == 1:  # of paths, or of arrays that differ in size
            return as_images(array.tolist(), name)
        if array.ndim not in (3, 4):
            raise ValueError(f"{name} must be a stack (n, rows, columns) or a list of images, got shape {array.shape}")
        return array
    try:
        items = list(images)
    except TypeError:
        raise TypeError(f"{name} must be arrays or paths, got {type(images).__name__}") from None
    return [item if isinstance(item, str | os.PathLike) else np.asarray(item) for item in items]


def as_labels(labels: Any, n_images: int) -> NDArray[Any]:
    """`labels` as strings or integers, one per image."""
    array = np.asarray(labels)
    if array.dtype.kind == "O" and all(isinstance(label, str) for label in array.ravel()):
        array = array.astype(str)
    if array.dtype.kind not in "iuU":
        raise TypeError(f"labels must be strings or integers, got dtype {array.dtype}")
    if array.shape != (n_images,):
        raise ValueError(f"labels must have shape ({n_images},), one per image, got {array.shape}")
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
        return np.shares_memory(a, b, max_work=1000)  # type: ignore[arg-type]  # NumPy's stub knows only 0 and -1
    except np.exceptions.TooHardError:  # not decided within bounds: the caller is better off with a plain answer
        return True


def as_samples(data: ArrayLike, channel_axis: Any, name: str = "data") -> tuple[NDArray[Any], bool]:
    """`data` for clustering, and whether it is one channel; if it is not, its features are moved to the last axis."""
    array = check_finite(as_array(data, name), name)
    if channel_axis is not None:
        if array.ndim < 2:
            raise ValueError(f"{name} must be at least 2-D with a channel_axis, got shape {array.shape}")
        array, one_channel = np.moveaxis(array, as_axis(channel_axis, array.ndim) or 0, -1), False
    else:
        one_channel = array.ndim == 1 or array.dtype.kind in "iu"
        if array.ndim == 0 or not (one_channel or array.ndim == 2):
            expected = "1-D or 2-D" if array.dtype.kind == "f" else "at least 1-D"
            raise ValueError(f"{name} must be {expected} without a channel_axis, got shape {array.shape}")
    if not one_channel and array.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one feature, got shape {array.shape}")
    return array, one_channel


def as_weights(
    weights: ArrayLike | None, shape: tuple[int, ...], name: str = "sample_weight"
) -> NDArray[np.float64] | None:
    """`weights` as finite float64 >= 0 of `shape`, or None."""
    if weights is None:
        return None
    array = np.asarray(weights)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be numbers, got dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    array = check_finite(array.astype(np.float64, copy=False), name)
    if array.size and array.min() < 0:
        raise ValueError(f"{name} must be >= 0, got {array.min():g}")
    return array


def as_centers(init: ArrayLike, shape: tuple[int, ...], dtype: np.dtype, name: str = "init") -> NDArray[Any]:
    """Initial centers of `shape`, as a new array of `dtype`."""
    array = np.asarray(init)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be 'k-means++', 'random' or an array of centers, got {init!r}")
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return check_finite(np.array(array, dtype, order="C"), name)


def as_generator(random_state: Any, name: str = "random_state") -> "np.random.Generator":
    """A generator from None, a seed, a Generator, or the older RandomState."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31 - 1)
    elif random_state is not None and not isinstance(random_state, np.random.Generator):
        random_state = as_int(random_state, name, minimum=0)
    return np.random.default_rng(random_state)


def check_enough(n_samples: int, n_clusters: int, name: str = "n_clusters") -> None:
    """Refuse more clusters of vectors than there are samples to start them from."""
    if n_samples < n_clusters:
        raise ValueError(f"{name} must be at most the number of samples with a weight, {n_samples}, got {n_clusters}")


def check_distinct(n_values: int, classes: int, name: str = "classes") -> None:
    """Refuse more classes than there are levels to part."""
    if n_values < classes:
        raise ValueError(f"{name} must be at most the number of distinct levels, {n_values}, got {classes}")


def as_initial_labels(labels: Any, n_samples: int, n_clusters: int, name: str) -> NDArray[np.int32]:
    """`labels` of `n_samples` samples as a flat int32 array of values below `n_clusters`."""
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int32:
        raise TypeError(f"{name} must be an int32 array, got {getattr(labels, 'dtype', type(labels).__name__)}")
    if labels.size != n_samples or n_samples not in labels.shape:
        raise ValueError(f"{name} must have shape ({n_samples}, 1), got {labels.shape}")
    if labels.size and not 0 <= labels.min() <= labels.max() < n_clusters:
        raise ValueError(f"{name} must lie in 0 ... {n_clusters - 1}, got {labels.min()} ... {labels.max()}")
    return labels.ravel()


def as_criteria(criteria: Any, name: str = "criteria") -> tuple[int, int, float]:
    """OpenCV's `criteria`: type, most iterations, epsilon."""
    try:
        kind, max_count, epsilon = criteria
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be (type, maxCount, epsilon), got {criteria!r}") from None
    kind = as_int(kind, f"{name}[0]", minimum=0, maximum=3)
    return kind, as_int(max_count, f"{name}[1]"), as_float(epsilon, f"{name}[2]")


def check_ndim(array: NDArray[Any], name: str, ndim: tuple[int, ...]) -> None:
    """Refuse any other number of dimensions."""
    if array.ndim not in ndim:
        raise ValueError(f"{name} must be {' or '.join(f'{n}-D' for n in ndim)}, got shape {array.shape}")
