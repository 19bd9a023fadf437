"""What OpenCV's signatures take: sizes and points as (width, height), criteria, windows of HOG."""

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._validate.arrays import check_plain
from medfast._validate.numbers import as_float, as_int


def as_size(value: Any, name: str, *, minimum: int | None = 1) -> tuple[int, int]:
    """`value` as two integers in OpenCV's order (width, height)."""
    least = -(2**63) if minimum is None else minimum
    if type(value) is tuple and len(value) == 2 and all(type(n) is int and least <= n < 2**63 for n in value):
        return value  # what nearly every call gives
    try:
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be two integers (width, height), got {value!r}") from None
    if len(entries) != 2:
        raise ValueError(f"{name} must be two integers (width, height), got {value!r}")
    return as_int(entries[0], f"{name}[0]", minimum=minimum), as_int(entries[1], f"{name}[1]", minimum=minimum)


def as_dst(dst: Any, shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "dst") -> NDArray[Any] | None:
    """`dst` as an array of this shape where OpenCV would fill it, maybe with an axis of one channel; else None."""
    if dst is None:
        return None
    if not isinstance(dst, np.ndarray):
        raise TypeError(f"{name} must be a numpy.ndarray or None, got {dst!r}")
    check_plain(dst, name)
    if dst.dtype != dtype or not dst.flags.writeable:
        return None
    if len(shape) == 2 and dst.shape == (*shape, 1):
        return dst[:, :, 0]
    return dst if dst.shape == shape else None


def as_file_name(value: Any, name: str) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a str or a path, got {type(value).__name__}")
    return os.fspath(value)


def check_has(value: Any, name: str, method: str, kind: str) -> None:
    """Refuse what is neither None nor, by a method that tells it, of a class of OpenCV's."""
    if value is not None and not hasattr(value, method):
        raise TypeError(f"{name} must be a {kind}, got {type(value).__name__}")


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


def as_detector(value: Any, name: str, size: int) -> NDArray[np.float32]:
    """`value` as float32 coefficients: none, as many as a descriptor of `size` has values, or one more."""
    try:
        coefficients = np.array(value)
    except ValueError:  # rows of several lengths
        coefficients = np.array(None)
    if coefficients.dtype.kind not in "iufb":
        raise TypeError(f"{name} must be numbers, got {type(value).__name__} of dtype {coefficients.dtype}")
    if coefficients.size not in (0, size, size + 1):
        raise ValueError(f"{name} must have {size} coefficients or one more, or none, got {coefficients.size}")
    with np.errstate(over="ignore"):
        coefficients = coefficients.astype(np.float32).ravel()
    if not np.isfinite(coefficients).all():
        raise ValueError(f"{name} must be finite in float32")
    return coefficients


def as_threshold(value: Any, name: str) -> float:
    """`value` as a float; infinity is one, for whoever wants all or nothing."""
    return value if isinstance(value, float) and math.isinf(value) else as_float(value, name)


def check_bins(n_bins: int) -> None:
    """Refuse more bins than have a number in 8 bits."""
    if n_bins > 256:
        raise ValueError(f"nbins must be <= 256, for their numbers are given as uint8, got {n_bins}")


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
    if type(kind) is int and 0 <= kind <= 3 and type(max_count) is int and abs(max_count) < 2**63:
        return kind, max_count, as_float(epsilon, name + "[2]")  # what nearly every call gives
    kind = as_int(kind, f"{name}[0]", minimum=0, maximum=3)
    return kind, as_int(max_count, f"{name}[1]"), as_float(epsilon, f"{name}[2]")
