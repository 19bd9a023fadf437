"""`skimage.filters.threshold_multiotsu`, without trying all combinations of thresholds.

scikit-image adds up squares of sums over sums of the classes, in float32, and keeps the first of the largest totals.
Rounding makes some totals too large, and its sum over the first class counts the first bin once too often, so the
optimum is not always what it finds. Here the best totals for the classes from any bin on are found in float64, one
class after another; with these as bounds few combinations can be the largest, and their totals are compared in
scikit-image's way. A threshold on an empty bin never is the first.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._drivers import gray_levels
from medfast.compat._calls import FallBack
from medfast.compat.skimage.exposure import as_volume, histogram

__all__ = ["threshold_multiotsu"]

MOST_BINS = 2048
"""In use, for the square of which there must be memory."""

_DTYPES = tuple(np.dtype(name) for name in ("uint8", "uint16", "int16", "float32", "float64"))


def threshold_multiotsu(
    image: NDArray[Any] | None = None, classes: int = 3, nbins: int = 256, *, hist: Any = None
) -> NDArray[Any]:
    """Find the thresholds between gray levels, as ``skimage.filters.threshold_multiotsu`` does.

    Parameters
    ----------
    image : ndarray of any shape, dtype {uint8, uint16, int16, float32, float64}
        Image or volume.
    classes : int, default=3
        Number of classes, >= 2.
    nbins : int, default=256
        Bins that floats are counted in; of integers each level is a bin.
    hist : ndarray or pair of ndarray, optional
        A histogram in place of an image: what each bin weighs, and the bins' centers, which are their numbers if not
        given.

    Returns
    -------
    ndarray of shape (classes - 1,)
        The thresholds, centers of bins: int64 for integers, the dtype of `image` for floats.

    Raises
    ------
    ValueError
        As scikit-image has it, where that is installed.
    NotImplementedError
        If only scikit-image could do it, and it is not installed.

    See Also
    --------
    medfast.threshold_multiotsu : Without bins; takes a mask.

    Notes
    -----
    Equal to scikit-image 0.26, in O(classes * bins**2) where that tries all combinations. Left to it: other dtypes, NaN
    and infinity, what looks like colours, images of fewer values than classes or more than 2048.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.filters import threshold_multiotsu
    >>> threshold_multiotsu(np.array([[10, 12, 200], [11, 90, 202]], np.uint8))
    array([12, 90])
    """
    if isinstance(classes, bool) or not isinstance(classes, int | np.integer) or classes < 2:
        raise FallBack(f"classes is {classes!r}")
    centers: NDArray[Any]
    if hist is not None:
        prob, centers = _given(image, hist)
    else:
        counts, centers = _counted(image, nbins)
        prob = (counts / counts.sum()).astype(np.float32)
    places = np.flatnonzero(prob)
    used = prob[places]
    if not classes <= len(places) <= MOST_BINS:
        raise FallBack(f"image has {len(places)} values for {classes} classes")
    if len(places) == classes:
        return centers[places[:-1]]
    return centers[places[_largest(used, places - places[0], int(classes))]]


def _counted(image: Any, nbins: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Pixels in each bin, from the lowest level in use to the highest, and the bins' centers."""
    if type(image) is not np.ndarray or image.dtype not in _DTYPES or not image.size:
        raise FallBack(f"image is a {type(image).__name__} of dtype {getattr(image, 'dtype', None)}")
    if image.ndim > 2 and image.shape[-1] in (3, 4):
        raise FallBack(f"image has shape {image.shape}, which looks like a colour image")
    if image.dtype.kind == "f":
        counts, edges = histogram(image, nbins)
        return counts, (edges[:-1] + edges[1:]) / 2.0
    lowest, n_levels = gray_levels.span(image.dtype)
    counts = gray_levels.count(as_volume(image), None, -lowest, n_levels, None)
    used = np.flatnonzero(counts)
    return counts[used[0] : used[-1] + 1], np.arange(used[0], used[-1] + 1) + lowest


def _given(image: Any, hist: Any) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """A histogram that the caller has: weights of any sum, and centers, if there are any."""
    counts, centers = hist if isinstance(hist, tuple | list) and len(hist) == 2 else (hist, None)
    if type(counts) is not np.ndarray or counts.ndim != 1 or counts.dtype.kind not in "iuf" or not (counts >= 0).all():
        raise FallBack(f"hist is a {type(hist).__name__} that is no plain histogram")
    if image is not None and np.ndim(image) > 2:
        raise FallBack("hist is given, and an image that may be of colours")
    centers = np.arange(counts.size) if centers is None else np.asarray(centers)
    if centers.shape != counts.shape:
        raise FallBack("hist has centers for another number of bins")
    return counts.astype(np.float32), centers


def _largest(prob: NDArray[np.float32], places: NDArray[np.int64], classes: int) -> list[int]:
    """Last bin of each class but the last; `places` of the bins in use among all."""
    n = len(prob)
    first = places.astype(np.float32) * prob
    first[0] = prob[0]
    zeroth, first = np.cumsum(prob, dtype=np.float32), np.cumsum(first, dtype=np.float32)
    before = np.zeros((2, n), np.float32)
    before[:, 1:] = zeroth[:-1], first[:-1]
    sums, firsts = zeroth - before[0][:, None], first - before[1][:, None]
    # terms[i, j] is that of the class of bins i to j
    terms = np.divide(firsts * firsts, sums, out=np.zeros((n, n), np.float32), where=sums > 0)
    terms[np.tril_indices(n, -1)] = 0
    terms[0, 0] = 0
    exact = terms.astype(np.float64)
    exact[np.tril_indices(n, -1)] = -np.inf
    bounds = [exact[:, -1]]  # bounds[k][i]: the best total of k + 1 classes from bin i on
    for _ in range(classes - 1):
        following = np.append(bounds[-1][1:], -np.inf)
        bounds.append((exact + following).max(axis=1))
    least = bounds[-1][0] * (1.0 - 4e-7 * classes)
    best, best_total = [0] * (classes - 1), np.float32(0)

    def search(start: int, chosen: list[int], total: float) -> None:
        nonlocal best, best_total
        n_left = classes - len(chosen) - 1
        if n_left == 0:
            found = terms[0, chosen[0]] + terms[chosen[-1] + 1, n - 1]
            for left, right in itertools.pairwise(chosen):
                found += terms[left + 1, right]
            if found > best_total:
                best, best_total = chosen, found
            return
        totals = total + exact[start, : n - 1] + bounds[n_left - 1][1:]
        for stop in np.flatnonzero(totals >= least):
            search(int(stop) + 1, [*chosen, int(stop)], total + exact[start, stop])

    search(0, [], 0.0)
    return best
