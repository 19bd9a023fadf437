"""Images, masks, destinations, axes: arrays come back as views wherever that is possible."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast._validate.numbers import as_int, as_odd

_CPU_DEVICES = (1, 3)
"""Of DLPack: plain memory, and memory pinned for a GPU."""

DTYPES = tuple(np.dtype(name) for name in ("uint8", "uint16", "int16", "float32", "float64"))


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
    array = to_numpy(values, name)
    if array.dtype in dtypes:
        return array
    native = array.dtype.newbyteorder("=")
    if native not in dtypes:
        expected = ", ".join(dtype.name for dtype in dtypes)
        raise TypeError(f"{name} must have dtype {expected}, got {array.dtype}")
    return array.astype(native)


def to_numpy(values: Any, name: str) -> NDArray[Any]:
    """`values` as an array of NumPy: of what has ``__array__``, or ``__dlpack__`` in the memory of the CPU, a view."""
    check_plain(values, name)
    if type(values) is np.ndarray or hasattr(values, "__array__") or not hasattr(values, "__dlpack__"):
        return np.asarray(values)
    device = values.__dlpack_device__()[0]
    if device not in _CPU_DEVICES:
        raise TypeError(f"{name} must lie in the memory of the CPU, got an array on the DLPack device {int(device)}")
    return np.from_dlpack(values)


def as_real(values: ArrayLike, name: str) -> NDArray[Any]:
    """`values` of any real dtype as an array of a supported one: float16 as float32, any other as float64."""
    check_plain(values, name)
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must have a real dtype, got {array.dtype}")
    if array.dtype.newbyteorder("=") in DTYPES:
        return array
    return array.astype(np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 2 else np.float64)


def as_dtype(dtype: Any, name: str = "dtype") -> np.dtype:
    """`dtype` as one of the supported dtypes, in native byte order."""
    try:
        if dtype is not None and (found := np.dtype(dtype)) in DTYPES:  # NumPy reads None as float64
            return found
    except TypeError:
        pass
    raise TypeError(f"{name} must be {', '.join(each.name for each in DTYPES)}, got {dtype!r}")


def as_reference(reference: ArrayLike, name: str = "reference") -> NDArray[Any]:
    """`reference` as a finite array of any shape that has an element."""
    return check_finite(check_not_empty(as_array(reference, name), name), name)


def check_alike(reference: NDArray[Any], image: NDArray[Any], axis: int, name: str = "reference") -> None:
    """Refuse a reference without the channels of an image, along the same axis of as many."""
    if reference.ndim != image.ndim or reference.shape[axis] != image.shape[axis]:
        expected = f"{image.ndim} axes and {image.shape[axis]} channels along axis {axis}"
        raise ValueError(f"{name} must have {expected}, as image, got shape {reference.shape}")


def check_plain(values: Any, name: str) -> None:
    """Refuse a masked array, alone or among others, for its mask would be dropped; and a lazy one, which would be
    computed unasked.
    """
    if type(values) is np.ndarray:
        return
    graph = getattr(values, "__dask_graph__", None)  # also of xarray's, which is None for what is in memory
    if graph is not None and graph() is not None:
        got = f"a lazy {type(values).__name__} (use medfast.dask, or .compute() first)"
        raise TypeError(f"{name} must be in memory, got {got}")
    if any(isinstance(each, np.ma.MaskedArray) for each in (values if isinstance(values, list | tuple) else [values])):
        hint = "pass .data, and where there is an argument mask, what to use: ~.mask"
        raise TypeError(f"{name} must be a plain array, got a masked one ({hint})")


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


def as_frames(frames: Any, index: Any, temporal_size: Any, ndim: int) -> list[NDArray[Any]]:
    """The `temporal_size` frames around `index`, alike in shape and dtype."""
    if isinstance(frames, str | bytes) or not isinstance(frames, Sequence | np.ndarray):
        raise TypeError(f"frames must be a sequence of images, got {type(frames).__name__}")
    middle = as_int(index, "index")
    radius = as_odd(temporal_size, "temporal_size") // 2
    if not 0 <= middle - radius <= middle + radius < len(frames):
        got = f"index {middle} of {len(frames)} frames"
        raise ValueError(f"index must have {radius} frames before and after it, got {got}")
    numbers = range(middle - radius, middle + radius + 1)
    found = [as_image(frames[number], f"frames[{number}]", ndim=(ndim,)) for number in numbers]
    shape, dtype = found[radius].shape, found[radius].dtype
    for number, frame in zip(numbers, found, strict=True):
        if frame.shape != shape or frame.dtype != dtype:
            got = f"{frame.shape} {frame.dtype}"
            raise ValueError(f"frames[{number}] must be as frames[{middle}], {shape} {dtype}, got {got}")
    return found


def check_ndim(array: NDArray[Any], name: str, ndim: tuple[int, ...]) -> None:
    """Refuse any other number of dimensions."""
    if array.ndim not in ndim:
        raise ValueError(f"{name} must be {' or '.join(f'{n}-D' for n in ndim)}, got shape {array.shape}")


def check_not_empty(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Refuse an array without elements."""
    if not array.size:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def check_finite(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Refuse NaN and infinity, without a temporary the size of the array: both survive a sum, which takes half the time
    of the extremes; where finite values overflow it, NaN survives these."""
    if array.dtype.kind == "f" and array.size:
        with np.errstate(over="ignore", invalid="ignore"):
            is_finite = np.isfinite(array.sum())
        if not is_finite and not (np.isfinite(array.min()) and np.isfinite(array.max())):
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def check_integers(array: NDArray[Any], name: str, when: str) -> None:
    """Refuse floats, where `when` asks for integers."""
    if array.dtype.kind == "f":
        raise TypeError(f"{name} must hold integers {when}, got dtype {array.dtype}")


def check_levels(least: float, most: float, lowest: int, highest: int, name: str, reason: str) -> None:
    """Refuse an image with values from `least` to `most` where only those from `lowest` to `highest` are levels."""
    if least < lowest or most > highest:
        raise ValueError(f"{name} must lie in {lowest} … {highest} for {reason}, got values from {least} to {most}")


def check_minimum(array: NDArray[Any], name: str, minimum: float, when: str) -> None:
    """Refuse values below `minimum`, which `when` asks for."""
    if array.size and array.dtype.kind != "u" and (lowest := array.min()) < minimum:
        raise ValueError(f"{name} must be >= {minimum:g} {when}, got {lowest}")


def check_tile(shape: tuple[int, ...]) -> None:
    """Refuse tiles whose pixels do not fit a count of 31 bits."""
    if math.prod(shape) >= 2**31:
        raise ValueError(f"tile_grid must give tiles of fewer than 2**31 pixels, got {' x '.join(map(str, shape))}")


def check_scales(scales: Sequence[float]) -> None:
    """Refuse scales beyond what any two sides of fewer than 2**31 pixels can ask for."""
    if scales and not 2.0**-31 < min(scales) <= max(scales) < 2.0**31:
        raise ValueError(f"scale must lie between 2**-31 and 2**31 on every axis, got {tuple(scales)}")


def check_sides(sides: Sequence[float], n_channels: int, name: str) -> None:
    """Refuse sides whose values, channels included, 31 bits do not count: kernels index along an axis with those."""
    if sides and not max(sides) * max(1, n_channels) < 2**31:
        raise ValueError(f"{name} must have fewer than 2**31 values along an axis, got {max(sides):g} x {n_channels}")


def check_channels(shape: tuple[int, ...], axis: int | None, name: str, numbers: tuple[int, ...] = ()) -> None:
    """Refuse an image without channels along `axis`, or whose number of channels is none of `numbers`."""
    n_channels = 1 if axis is None else shape[axis]
    if n_channels not in numbers if numbers else n_channels == 0:
        expected = " or ".join(map(str, numbers)) or "at least 1"
        raise ValueError(f"{name} must have {expected} channels, got shape {shape}")


def as_out(
    out: NDArray[Any] | None,
    shape: tuple[int, ...],
    dtype: np.dtype,
    *inputs: NDArray[Any],
    in_place: bool = False,
    apart: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """`out` if it can take a result of `shape` and `dtype`, or a new array where it is None.

    `in_place` allows `out` to be exactly one of `inputs`, for kernels whose pixels depend on themselves alone; any
    other overlap is refused, and so is any with `apart`, a mask, which has to outlive the first pixel written.
    """
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy.ndarray, got {type(out).__name__}")
    check_plain(out, "out")
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"out must have dtype {dtype.name} in native byte order, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    extent = sum((n - 1) * abs(stride) for n, stride in zip(out.shape, out.strides, strict=True)) + out.itemsize
    if out.size and extent < out.nbytes:
        raise ValueError(f"out must have a place of its own for each pixel, got strides {out.strides}")
    if apart is not None and _share_memory(out, apart):
        raise ValueError("out must not overlap mask, got an array that shares memory with it")
    for array in inputs:
        if in_place and _is_same_view(out, array):
            continue
        if _share_memory(out, array):
            raise ValueError("out must not overlap the input, got an array that shares memory with it")
    return out


def as_mask(mask: ArrayLike | None, shape: tuple[int, ...], name: str = "mask") -> NDArray[np.bool_] | None:
    """`mask` as a boolean array of `shape`; integers of 0 and 1 are read as booleans."""
    if mask is None:
        return None
    array = to_numpy(mask, name)
    if array.dtype != np.bool_:
        if array.dtype.kind not in "iu" or (array.size and (array.min() < 0 or array.max() > 1)):
            raise TypeError(f"{name} must be boolean, got dtype {array.dtype}")
        array = array.astype(np.bool_)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return array


def as_histogram(histogram: ArrayLike, n_bins: int, grid: tuple[int, ...]) -> NDArray[np.uint32]:
    """`histogram` as counts (1, bins) for all tiles of `grid`, or (tiles, bins); a tile of none has those of all."""
    counts = to_numpy(histogram, "histogram")
    if counts.dtype.kind not in "iu":
        raise TypeError(f"histogram must hold integers, got dtype {counts.dtype}")
    if counts.shape not in ((n_bins,), (*grid, n_bins)):
        raise ValueError(f"histogram must have shape {(n_bins,)} or {(*grid, n_bins)}, got {counts.shape}")
    if counts.min() < 0:
        raise ValueError(f"histogram must be >= 0, got {counts.min()}")
    counts = counts.reshape(-1, n_bins)
    totals = counts.sum(axis=1, dtype=np.float64)
    if not 1 <= (total := totals.sum()) < 2**31:
        raise ValueError(f"histogram must count at least 1 pixel and fewer than 2**31, got {total:.0f}")
    if len(empty := np.flatnonzero(totals == 0)):
        counts = counts.astype(np.int64)
        counts[empty] = counts.sum(axis=0)
    return counts.astype(np.uint32)


def as_axis(axis: Any, ndim: int, name: str = "channel_axis") -> int | None:
    """`axis` as a non-negative axis of an array with `ndim` dimensions, or None."""
    if axis is None:
        return None
    number = as_int(axis, name)
    if not -ndim <= number < ndim:
        raise ValueError(f"{name} must be an axis of the {ndim}-D image, got {number}")
    return number % ndim


def as_colour(image: NDArray[Any], name: str = "image") -> NDArray[Any]:
    """`image`, which must have one, three or four channels along its last axis."""
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise ValueError(f"{name} must be 2-D, or (rows, columns, 3 or 4) in colour, got shape {image.shape}")
    return image


def _is_same_view(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.__array_interface__["data"][0] == b.__array_interface__["data"][0] and (
        (a.shape, a.strides, a.dtype) == (b.shape, b.strides, b.dtype)
    )


def _share_memory(a: NDArray[Any], b: NDArray[Any]) -> bool:
    try:
        return np.shares_memory(a, b, max_work=1000)  # type: ignore[arg-type]  # NumPy's stub knows only 0 and -1
    except np.exceptions.TooHardError:  # not decided within bounds: the caller is better off with a plain answer
        return True


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


def check_cells(shape: tuple[int, int], cell: tuple[int, int], block: tuple[int, int]) -> None:
    """Refuse an image that does not hold one block of cells, by scikit-image's names."""
    rows, cols = cell[0] * block[0], cell[1] * block[1]
    if shape[0] < rows or shape[1] < cols:
        raise ValueError(
            f"image is too small given pixels_per_cell and cells_per_block: it must have {rows} rows and {cols} columns"
            f" or more, got {shape[0]} x {shape[1]}"
        )
