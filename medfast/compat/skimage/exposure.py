"""scikit-image's histogram equalisation and matching: counts by medfast's kernel, then a table per gray level."""

import threading
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast._drivers import gray_levels, matching
from medfast._parallel import for_rows
from medfast.compat._calls import FallBack

__all__ = ["equalize_hist", "match_histograms"]

_INTEGERS = tuple(np.dtype(name) for name in ("uint8", "uint16", "int16"))
_FLOATS = tuple(np.dtype(name) for name in ("float32", "float64"))


def equalize_hist(image: NDArray[Any], nbins: int = 256, mask: ArrayLike | None = None) -> NDArray[Any]:
    """Equalise the histogram of an image, as ``skimage.exposure.equalize_hist`` does.

    Parameters
    ----------
    image : ndarray of any shape, dtype {uint8, uint16, int16, float32, float64}
        Image or volume.
    nbins : int, default=256
        Bins that floats are counted in; of integers each level is a bin.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that are counted; all are changed.

    Returns
    -------
    ndarray, same shape as `image`
        The share of pixels up to each, 0 to 1; float32 for float32, else float64.

    Raises
    ------
    ValueError
        As scikit-image has it, where that is installed.
    NotImplementedError
        If only scikit-image could do it, and it is not installed.

    See Also
    --------
    medfast.equalize_hist : OpenCV's formula, which keeps the dtype.

    Notes
    -----
    Equal to scikit-image 0.26. Left to it: other dtypes, images that look like colours, NaN and infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.exposure import equalize_hist
    >>> equalize_hist(np.array([[10, 10], [20, 30]], np.uint8))
    array([[0.5 , 0.5 ],
           [0.75, 1.  ]])
    """
    _check(image, (*_INTEGERS, *_FLOATS))
    if image.ndim == 3 and image.shape[-1] < 4:
        raise FallBack(f"image has shape {image.shape}, which looks like a colour image")
    where = None if mask is None else np.array(mask, bool)
    if where is not None and (where.shape != image.shape or not where.any()):
        raise FallBack(f"mask has shape {where.shape}, or nothing in it")
    if image.dtype.kind == "f":
        return _equalize_floats(image, nbins, where)
    volume = as_volume(image)
    inside = None if where is None else as_volume(where.view(np.uint8))
    lowest, n_levels = gray_levels.span(image.dtype)
    shares = gray_levels.count(volume, inside, -lowest, n_levels, None).cumsum().astype(np.float64)
    shares /= shares[-1]
    shares[: np.argmax(shares > 0)] = shares[np.argmax(shares > 0)]  # what lies below all that are counted
    return look_up(image, shares)


def _equalize_floats(image: NDArray[Any], nbins: int, where: NDArray[np.bool_] | None) -> NDArray[Any]:
    counts, edges = histogram(image if where is None else image[where], nbins)
    centers = ((edges[:-1] + edges[1:]) / 2.0).astype(np.float64)
    shares = counts.cumsum()
    shares = (shares / float(shares[-1])).astype(image.dtype, copy=False).astype(np.float64)
    source = np.ascontiguousarray(image).reshape(-1)
    out = np.empty(source.shape, image.dtype)
    if nbins == 1:
        out[...] = 1.0
        return out.reshape(image.shape)
    slopes = np.diff(shares) / np.diff(centers)
    per_bin = (nbins - 1) / (centers[-1] - centers[0])

    def body(start: int, stop: int) -> None:
        for first in range(start * _PIECE, min(stop * _PIECE, source.size), _PIECE):
            piece = slice(first, first + _PIECE)
            values = np.clip(source[piece], centers[0], centers[-1], dtype=np.float64)
            # Rounding may take the line beside the right one where they meet, which is as good.
            line = np.minimum(((values - centers[0]) * per_bin).astype(np.intp), nbins - 2)
            values -= centers[line]
            values *= slopes[line]
            values += shares[line]
            out[piece] = values

    for_rows(-(-source.size // _PIECE), body, work_per_row=12 * _PIECE)
    return out.reshape(image.shape)


_PIECE = 8192
"""Pixels that are looked at together, so that what is kept of them stays in the cache."""


def histogram(values: NDArray[Any], nbins: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The counts and the edges of `numpy.histogram` for floats.

    With the look-up 3.1 ms for 512 x 512 on one thread; `numpy.histogram` and `numpy.interp` on pieces of it take 13,
    and as long on two threads.
    """
    if isinstance(nbins, bool) or not isinstance(nbins, int | np.integer) or nbins < 1:
        raise FallBack(f"nbins is {nbins!r}")
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high) and np.isfinite(high - low)) or high - low < 1e-30:
        raise FallBack("image is not finite, or constant")
    edges = np.histogram_bin_edges(values.reshape(-1)[:1], nbins, (low, high))
    flat = np.ascontiguousarray(values).reshape(-1)
    n_pieces = -(-flat.size // _PIECE)
    per_bin = flat.dtype.type(nbins) / (high - low)
    # In bins, how far from an edge a value may be for rounding to put it on the other side.
    doubt = 8.0 * nbins * float(np.finfo(flat.dtype).eps) * (1.0 + float(max(abs(low), abs(high))) / float(high - low))
    if doubt > 0.01:
        return np.histogram(flat, nbins, (low, high))
    total, lock = np.zeros(nbins, np.int64), threading.Lock()

    def body(start: int, stop: int) -> None:
        counts = np.zeros(nbins, np.int64)
        for i in range(start, stop):
            piece = flat[i * _PIECE : (i + 1) * _PIECE]
            place = (piece - low) * per_bin
            bins = np.minimum(place.astype(np.int64), nbins - 1)
            place -= bins
            near = np.flatnonzero((place < doubt) | (place > 1.0 - doubt))
            if len(near):
                bins[near] = np.minimum(np.searchsorted(edges, piece[near], "right") - 1, nbins - 1)
            counts += np.bincount(bins, minlength=nbins)
        with lock:
            np.add(total, counts, out=total)

    for_rows(n_pieces, body, work_per_row=8 * _PIECE)
    return total, edges


def match_histograms(image: NDArray[Any], reference: NDArray[Any], *, channel_axis: int | None = None) -> NDArray[Any]:
    """Give an image the histogram of another, as ``skimage.exposure.match_histograms`` does.

    Parameters
    ----------
    image : ndarray, dtype {uint8, uint16, int16, float32, float64}
        Image or volume.
    reference : ndarray of as many axes, of integers where `image` is, of its dtype where that is a float
        Where the histogram comes from.
    channel_axis : int, optional
        Axis of the channels, which are matched one by one.

    Returns
    -------
    ndarray, same shape as `image`
        Of float64 for integers without `channel_axis`; otherwise of the dtype of `image`, integers cut off towards
        zero.

    Raises
    ------
    ValueError
        As scikit-image has it, where that is installed.
    NotImplementedError
        If only scikit-image could do it, and it is not installed.

    See Also
    --------
    medfast.match_histograms : Keeps the dtype and rounds; takes a mask.

    Notes
    -----
    Equal to scikit-image 0.26; floats within 1e-6. Left to it: other dtypes, one that is of integers with one that is
    not, NaN and infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.exposure import match_histograms
    >>> match_histograms(np.array([[0, 1], [2, 3]], np.uint8), np.array([[10, 10], [90, 200]], np.uint8))
    array([[ 10.,  10.],
           [ 90., 200.]])
    """
    _check(image, (*_INTEGERS, *_FLOATS))
    _check(reference, _INTEGERS if image.dtype in _INTEGERS else (image.dtype,), "reference")
    if image.ndim != reference.ndim:
        raise FallBack(f"image has {image.ndim} axes, reference {reference.ndim}")
    if channel_axis is None:
        return _match(image, reference)
    axis = channel_axis + image.ndim if channel_axis < 0 else channel_axis
    if not 0 <= axis < image.ndim or image.shape[axis] != reference.shape[axis]:
        raise FallBack(f"channel_axis is {channel_axis} for shapes {image.shape} and {reference.shape}")
    out = np.empty(image.shape, image.dtype)
    parts = [np.moveaxis(array, axis, 0) for array in (image, reference, out)]
    for part, reference_part, out_part in zip(*parts, strict=True):
        out_part[...] = _match(part, reference_part, out.dtype)
    return out


def _match(image: NDArray[Any], reference: NDArray[Any], dtype: Any = np.float64) -> NDArray[Any]:
    if image.dtype.kind == "f":
        out = np.empty(image.shape, image.dtype)
        if not (np.isfinite(image).all() and np.isfinite(reference).all()):
            raise FallBack("image or reference is not finite")
        matching.match(as_volume(image), as_volume(reference), None, as_volume(out), None)
        return out
    lowest, n_levels = gray_levels.span(image.dtype)
    counts = gray_levels.count(as_volume(image), None, -lowest, n_levels, None)
    reference_lowest, n_reference = gray_levels.span(reference.dtype)
    reference_counts = gray_levels.count(as_volume(reference), None, -reference_lowest, n_reference, None)
    used = np.flatnonzero(reference_counts)
    shares = np.cumsum(reference_counts[used]) / reference.size
    values = np.zeros(n_levels)
    levels = np.flatnonzero(counts)
    values[levels] = np.interp(np.cumsum(counts[levels]) / image.size, shares, used + reference_lowest)
    return look_up(image, values.astype(dtype))


def look_up(image: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """What `table` has for each gray level, from the lowest of the dtype up."""
    source = np.ascontiguousarray(image).reshape(-1)
    if source.dtype.kind == "i":  # in the order of the bytes: levels from 0 up, then those below
        table = np.roll(table, -len(table) // 2)
        source = source.view(np.uint16)
    out = np.empty(source.shape, table.dtype)

    def body(start: int, stop: int) -> None:
        for first in range(start * _PIECE, min(stop * _PIECE, source.size), _PIECE):
            piece = slice(first, first + _PIECE)
            np.take(table, source[piece], out=out[piece], mode="clip")

    for_rows(-(-source.size // _PIECE), body, work_per_row=2 * _PIECE)
    return out.reshape(image.shape)


def as_volume(array: NDArray[Any]) -> NDArray[Any]:
    """(planes, rows, columns) of an array of any shape, as a view where that is possible."""
    if array.ndim in (2, 3):
        return gray_levels.as_volume(array)
    return array.reshape(1, 1, -1) if array.ndim < 2 else array.reshape(1, array.shape[0], -1)


def _check(image: Any, dtypes: tuple[np.dtype[Any], ...], name: str = "image") -> None:
    if type(image) is not np.ndarray:
        raise FallBack(f"{name} is a {type(image).__name__}")
    if image.dtype not in dtypes or not image.size:
        raise FallBack(f"{name} has dtype {image.dtype} and shape {image.shape}")
