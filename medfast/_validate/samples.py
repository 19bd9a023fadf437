"""What is clustered and learned from: samples, weights, starts, batches of images, labels."""

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast._validate.arrays import as_array, as_axis, check_finite, check_plain, to_numpy
from medfast._validate.numbers import as_int


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
    array = to_numpy(weights, name)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be numbers, got dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    array = check_finite(array.astype(np.float64, copy=False), name)
    if array.size and array.min() < 0:
        raise ValueError(f"{name} must be >= 0, got {array.min():g}")
    return array


def check_weighted(weights: NDArray[np.float64], samples: NDArray[Any], name: str = "sample_weight") -> None:
    """Refuse weights whose sum, or whose sum of squared distances between samples, is beyond float64.

    Samples so far apart that their squared distances alone are beyond it are not the weights' fault.
    """
    if not samples.size:
        return
    with np.errstate(over="ignore"):
        total = float(weights.sum())
        n_features = samples.size // weights.size
        square = n_features * np.square(np.float64(samples.max()) - np.float64(samples.min()))
        largest = total * max(1.0, square) if np.isfinite(square) else total
    if not np.isfinite(largest):
        got = f"a sum of {total:g}" + (f" with squared distances up to {square:g}" if np.isfinite(total) else "")
        raise ValueError(f"{name} must be so small that its weighted sums are finite, got {got}")


def as_centers(init: ArrayLike, shape: tuple[int, ...], dtype: np.dtype, name: str = "init") -> NDArray[Any]:
    """Initial centers of `shape`, as a new array of `dtype`."""
    array = to_numpy(init, name)
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


def as_images(images: Any, name: str = "images") -> Any:
    """`images` as something to index: a stack (n, rows, columns[, channels]), or a list of arrays and paths."""
    if isinstance(images, str | os.PathLike):
        return [images]
    check_plain(images, name)
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


def as_label_image(labels: ArrayLike, name: str) -> NDArray[Any]:
    """`labels` as an image or a volume of integers >= 0."""
    check_plain(labels, name)
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got dtype {array.dtype}")
    if array.ndim not in (2, 3):
        raise ValueError(f"{name} must be 2-D or 3-D, got shape {array.shape}")
    if array.size and array.dtype.kind == "i" and array.min() < 0:
        raise ValueError(f"{name} must be >= 0, got {array.min()}")
    return array


def check_shape(array: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    """Refuse an array of another shape."""
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")


def as_bins(bins: Any, array: NDArray[Any], one_channel: bool = True) -> int | None:
    """`bins` as a number of levels for floats of one channel, or None."""
    if bins is None:
        return None
    if not one_channel or array.dtype.kind != "f":
        what = "integers, whose levels are all told apart" if one_channel else "vectors"
        raise ValueError(f"bins must be None for {what}, got {bins!r}")
    return as_int(bins, "bins", minimum=2, maximum=65536)


def as_labels(labels: Any, n_images: int, name: str = "labels") -> NDArray[Any]:
    """`labels` as strings or integers, one per image."""
    if hasattr(labels, "__iter__") and not hasattr(labels, "__array__") and not isinstance(labels, str):
        labels = list(labels)
        kinds = sorted({_kind(label) for label in labels})
        if len(kinds) > 1:  # NumPy would make strings of them
            raise TypeError(f"{name} must be all strings or all integers, got {' and '.join(kinds)}")
    check_plain(labels, name)
    array = np.asarray(labels)
    if not array.size:  # of no dtype to speak of
        array = array.astype(np.intp)
    if array.dtype.kind == "O" and all(isinstance(label, str) for label in array.ravel()):
        array = array.astype(str)
    if array.dtype.kind not in "iuU":
        raise TypeError(f"{name} must be strings or integers, got dtype {array.dtype}")
    if array.shape != (n_images,):
        raise ValueError(f"{name} must have shape ({n_images},), one per image, got {array.shape}")
    return array


def as_labelled(value: Any, name: str) -> tuple[Any, Any]:
    """`value` as a tuple of images and labels; anything else that holds two things may be two images."""
    if not isinstance(value, tuple):
        raise TypeError(f"{name} must be a tuple of images and labels, got {type(value).__name__}")
    if len(value) != 2:
        raise ValueError(f"{name} must be a tuple of images and labels, got {len(value)} entries")
    return value


def check_some(n: int, name: str) -> None:
    """Refuse nothing at all."""
    if n == 0:
        raise ValueError(f"{name} must hold at least 1 image, got none")


def _kind(label: Any) -> str:
    if isinstance(label, str):
        return "strings"
    is_integer = isinstance(label, int | np.integer) and not isinstance(label, bool)
    return "integers" if is_integer else type(label).__name__
