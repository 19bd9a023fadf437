"""Slow, obvious definitions, written from the papers and the references' documents: what every kernel is held to.

Nothing here imports medfast, and nothing here is fast. One section per kernel.
"""

import itertools
import math
from fractions import Fraction

import numpy as np

# --- hog -------------------------------------------------------------------------------------------------------------


def hog(
    image,
    orientations=9,
    cell=(8, 8),
    block=(2, 2),
    stride=None,
    norm="l2-hys",
    clip=0.2,
    signed=False,
    gamma=False,
    spatial_votes=True,
    orientation_votes=True,
    block_sigma=None,
):
    """Histograms of oriented gradients after Dalal and Triggs with OpenCV's choices, pixel by pixel in float64.

    `image` is (rows, cols) or (rows, cols, channels), the result (block cols, block rows, cell cols, cell rows, bins).
    """
    values = image.reshape(*image.shape[:2], -1).astype(np.float64)
    if gamma:
        values = np.sqrt(values)
    magnitude, degrees = _hog_gradients(values, exact=not orientation_votes)
    height, width = block[0] * cell[0], block[1] * cell[1]
    stride = stride or cell
    n_rows = (values.shape[0] - height) // stride[0] + 1
    n_cols = (values.shape[1] - width) // stride[1] + 1
    sigma = (height + width) / 8 if block_sigma is None else block_sigma
    out = np.zeros((n_cols, n_rows, block[1], block[0], orientations))
    for block_col, block_row in np.ndindex(n_cols, n_rows):
        histograms = out[block_col, block_row]
        for i, j in np.ndindex(height, width):
            row, col = block_row * stride[0] + i, block_col * stride[1] + j
            gauss = np.exp(-((i - height / 2) ** 2 + (j - width / 2) ** 2) / (2 * sigma**2))
            for bin_, bin_share in _hog_bins(degrees[row, col], orientations, signed, orientation_votes):
                for cell_row, row_share in _hog_cells(i, cell[0], block[0], spatial_votes):
                    for cell_col, col_share in _hog_cells(j, cell[1], block[1], spatial_votes):
                        vote = magnitude[row, col] * gauss * bin_share * row_share * col_share
                        histograms[cell_col, cell_row, bin_] += vote
        out[block_col, block_row] = _hog_normalize(histograms, norm, clip)
    return out


def _hog_gradients(values, exact):
    """Magnitude and direction, in degrees, of the strongest of the channels (of equals the first)."""
    padded = values
    for axis in range(2):  # reflected at the border, which is not repeated; a single row has nothing to reflect
        width = [(1, 1) if i == axis else (0, 0) for i in range(3)]
        padded = np.pad(padded, width, mode="reflect" if values.shape[axis] > 1 else "edge")
    dx = padded[1:-1, 2:] - padded[1:-1, :-2]
    dy = padded[2:, 1:-1] - padded[:-2, 1:-1]
    strongest = np.argmax(dx**2 + dy**2, axis=-1)[..., np.newaxis]
    dx, dy = (np.take_along_axis(d, strongest, axis=-1)[..., 0] for d in (dx, dy))
    if exact:
        return np.hypot(dx, dy), np.rad2deg(np.arctan2(dy, dx)) % 360
    return np.hypot(dx, dy), _hog_opencv_angle(dx, dy)


def _hog_opencv_angle(dx, dy):
    """OpenCV's arctangent: a polynomial for the first octant, unfolded to the circle."""
    ax, ay = np.abs(dx), np.abs(dy)
    c = np.minimum(ax, ay) / (np.maximum(ax, ay) + 2.220446049250313e-16)
    coefficients = [0.9997878412794807, -0.3258083974640975, 0.1555786518463281, -0.04432655554792128]
    degrees = np.float32(coefficients) * np.float32(180 / np.pi)  # OpenCV's constants are float32
    angle = sum(float(p) * c ** (2 * i + 1) for i, p in enumerate(degrees))
    angle = np.where(ax >= ay, angle, 90 - angle)
    angle = np.where(dx < 0, 180 - angle, angle)
    return np.where(dy < 0, 360 - angle, angle)


def _hog_bins(degrees, orientations, signed, orientation_votes):
    """The bins that a direction votes for, each with its share."""
    width = (360 if signed else 180) / orientations
    if not orientation_votes:
        period = 360 if signed else 180
        edges = [period * k / orientations for k in range(orientations + 1)]
        return [(k, 1.0) for k in range(orientations) if edges[k] <= degrees % period < edges[k + 1]]
    position = degrees / width - 0.5
    low = int(np.floor(position))
    return [(low % orientations, 1 - (position - low)), ((low + 1) % orientations, position - low)]


def _hog_cells(i, size, n_cells, spatial_votes):
    """The cells of a block that its pixel i votes for along one axis, each with its share."""
    if not spatial_votes:
        return [(i // size, 1.0)]
    position = (i + 0.5) / size - 0.5
    low = int(np.floor(position))
    return [(k, w) for k, w in ((low, 1 - (position - low)), (low + 1, position - low)) if 0 <= k < n_cells]


def _hog_normalize(histograms, norm, clip):
    """Normalise the histograms of a block; the constants are in gray levels."""
    epsilon = 0.1 * histograms.size
    if norm == "l1":
        return histograms / (histograms.sum() + epsilon)
    if norm == "l1-sqrt":
        return np.sqrt(histograms / (histograms.sum() + epsilon))
    scaled = histograms / (np.sqrt((histograms**2).sum()) + epsilon)
    if norm == "l2":
        return scaled
    clipped = np.minimum(scaled, clip)
    return clipped / (np.sqrt((clipped**2).sum()) + 1e-3)


def hog_halved(image):
    """Mean of 2 x 2 pixels, integers rounded half up; an odd last row or column is left out."""
    rows, cols = image.shape[0] // 2, image.shape[1] // 2
    out = np.empty((rows, cols, *image.shape[2:]), image.dtype)
    for row, col in np.ndindex(rows, cols):
        window = image[2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
        if image.dtype.kind == "f":  # rows first, in the dtype of the image
            out[row, col] = ((window[0, 0] + window[0, 1]) + (window[1, 0] + window[1, 1])) / 4
        else:
            out[row, col] = np.floor(window.mean(axis=(0, 1), dtype=np.float64) + 0.5)
    return out


# --- kmeans ----------------------------------------------------------------------------------------------------------


def lloyd(data, centers, weights=None, max_iter=300, tolerance=0.0):
    """Lloyd's algorithm in float64, with scikit-learn's rules for stopping and for clusters without a sample."""
    data = np.asarray(data, np.float64)
    centers = np.array(centers, np.float64)
    weights = np.ones(len(data)) if weights is None else np.asarray(weights, np.float64)
    labels = np.full(len(data), -1)

    def squared_distances():
        return ((data[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2)

    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        distances = squared_distances()
        previous, labels = labels, distances.argmin(axis=1)
        sums = np.stack([(weights[:, None] * data)[labels == c].sum(axis=0) for c in range(len(centers))])
        totals = np.array([weights[labels == c].sum() for c in range(len(centers))])
        nearest = distances.min(axis=1)
        empty = np.flatnonzero(totals == 0)
        if len(empty) and nearest.max() > 0:
            for cluster, far in zip(empty, np.argsort(-nearest, kind="stable"), strict=False):
                sums[labels[far]] -= weights[far] * data[far]
                totals[labels[far]] -= weights[far]
                sums[cluster], totals[cluster] = weights[far] * data[far], weights[far]
        heaviest = totals.argmax()
        new = np.stack(
            [sums[c] / totals[c] if totals[c] > 0 else sums[heaviest] / totals[heaviest] for c in range(len(sums))]
        )
        shift, centers = ((new - centers) ** 2).sum(), new
        if np.array_equal(labels, previous) or shift <= tolerance:
            break
    if not np.array_equal(labels, previous):
        labels = squared_distances().argmin(axis=1)
    inertia = (weights * ((data - centers[labels]) ** 2).sum(axis=1)).sum()
    return labels, centers, inertia, n_iter


# --- nlm -------------------------------------------------------------------------------------------------------------


def _nlm_shifts(planes, patch, search, norm, mask):
    """For each shift in the search window: the patch distance of every pixel, what it is averaged with, and whether
    that is inside the mask.

    `planes` is (planes, channels, rows, cols), the windows are (planes, rows, cols); the distance is summed over the
    patch and the channels. Of a film, whose frames `search` spans, only the one in the middle has distances.
    """
    patch, search = [size // 2 for size in patch], [size // 2 for size in search]
    border = [p + s for p, s in zip(patch, search, strict=True)]
    is_film = mask.shape[0] < planes.shape[0]
    if is_film:
        mask = np.repeat(mask, len(planes), axis=0)
    around = [(0, 0) if is_film else (border[0],) * 2, (border[1],) * 2, (border[2],) * 2]
    padded = np.pad(planes, [around[0], (0, 0), *around[1:]], mode="reflect")
    padded_mask = np.pad(mask, around, mode="reflect")
    shape = [padded_mask.shape[axis] - 2 * border[axis] for axis in range(3)]

    def at(array, z, y, x):
        return array[z : z + shape[0], ..., y : y + shape[1], x : x + shape[2]]

    for shift in itertools.product(*(range(-s, s + 1) for s in search)):
        distance = 0
        for place in itertools.product(*(range(s, s + 2 * p + 1) for p, s in zip(patch, search, strict=True))):
            other = [i + step for i, step in zip(place, shift, strict=True)]
            distance = distance + (abs(at(padded, *place) - at(padded, *other)) ** norm).sum(axis=1)
        donor = [b + step for b, step in zip(border, shift, strict=True)]
        yield distance, at(padded, *donor), at(padded_mask, *donor)


def _nlm_arguments(planes, patch, search, mask):
    """Windows of three sides, and a mask: of one plane where `search` spans all planes, which then are a film."""
    patch, search = ((1, size, size) if np.ndim(size) == 0 else tuple(size) for size in (patch, search))
    if mask is None:
        mask = np.ones((len(planes), *planes.shape[2:]), bool)
    return patch, search, mask


def nl_means(planes, h, patch, search, norm=2, rician_sigma=None, mask=None):
    """Non-local means by the formula, in float64 and not rounded; `h` is one number or one per channel.

    `planes` is (planes, channels, rows, cols); a window is a side or three. A mask of one plane makes a film of
    several planes, of which the one in the middle is denoised.
    """
    patch, search, mask = _nlm_arguments(planes, patch, search, mask)
    values = planes.astype(np.float64)
    n_channels = planes.shape[1]
    h = np.broadcast_to(np.asarray(h, np.float64), n_channels)[:, None, None]
    top, bottom = 0.0, 0.0
    for distance, donors, inside in _nlm_shifts(values, patch, search, norm, mask):
        mean = (distance / math.prod(patch))[:, None]
        weights = np.exp(-(mean if norm == 2 else mean**2) / (h**2 * n_channels)) * inside[:, None]
        top = top + weights * (donors if rician_sigma is None else donors**2)
        bottom = bottom + weights
    with np.errstate(invalid="ignore"):  # nothing inside
        result = top / bottom
    if rician_sigma is not None:
        result = np.sqrt(np.maximum(result - 2 * rician_sigma**2, 0))
    return np.where(mask[:, None], result, values if len(mask) == len(values) else values[[len(values) // 2]])


def nl_means_integer(planes, h, patch, search, norm=2, mask=None):
    """Non-local means in OpenCV's integers: uint8, or 16 bits with L1 (int16 counted from its lowest value)."""
    patch, search, mask = _nlm_arguments(planes, patch, search, mask)
    dtype = planes.dtype
    lowest = int(np.iinfo(dtype).min)
    largest = 255 if dtype == np.uint8 else 65535
    values = planes.astype(np.int64) - lowest
    n_channels = planes.shape[1]
    h = np.broadcast_to(np.asarray(h, np.float32), n_channels)
    scale = (2**31 - 1 if largest == 255 else 2**63 - 1) // (math.prod(search) * largest)
    scale = min(scale, 2**31 - 1)
    shift = 0
    while 2**shift < math.prod(patch):
        shift += 1
    top, bottom = 0, 0
    for distance, donors, inside in _nlm_shifts(values, patch, search, norm, mask):
        mean = (distance >> shift) * (2**shift / math.prod(patch))
        weights = []
        for channel in range(n_channels):
            h2 = float(h[channel] * h[channel] * np.float32(n_channels))
            weight = np.rint(scale * np.exp(-(mean if norm == 2 else mean * mean) / h2)).astype(np.int64)
            weights.append(np.where((weight < 0.001 * scale) | ~inside, 0, weight))
        top = top + np.stack(weights, axis=1) * donors
        bottom = bottom + np.stack(weights, axis=1)
    result = (top + bottom // 2) // np.maximum(bottom, 1) + lowest
    middle = planes if len(mask) == len(planes) else planes[[len(planes) // 2]]
    return np.where(mask[:, None], result, middle).astype(dtype)


# --- partition -------------------------------------------------------------------------------------------------------


def interval_inertia(values, weights):
    """Weighted sum of squared distances to the weighted mean, exactly, as a fraction."""
    values, weights = [Fraction(v) for v in values], [Fraction(w) for w in weights]
    mean = sum(w * v for v, w in zip(values, weights, strict=True)) / sum(weights)
    return sum(w * (v - mean) ** 2 for v, w in zip(values, weights, strict=True))


def partition_by_enumeration(values, weights, n_clusters):
    """Bounds and inertia of the best cut of sorted distinct values into intervals: all are tried, in fractions.

    Of equally good cuts the one whose last interval begins lowest is taken, then the last but one, and so on.
    """
    n = len(values)
    best = None
    for inner in itertools.combinations(range(1, n), min(n_clusters, n) - 1):
        bounds = (0, *inner, n)
        inertia = sum(interval_inertia(values[i:j], weights[i:j]) for i, j in itertools.pairwise(bounds))
        if best is None or (inertia, bounds[::-1]) < best[:2]:
            best = inertia, bounds[::-1], bounds
    return list(best[2]), best[0]


def partition_by_recurrence(values, weights, n_clusters):
    """Inertia of the best cut into intervals: D[t, j] = min over i of D[t-1, i] + cost(i, j), all i tried.

    For values and weights that are integers, each cost is exact up to one rounding.
    """
    values, weights = [int(v) for v in values], [int(w) for w in weights]
    n = len(values)

    def running(terms):
        return [0, *itertools.accumulate(terms)]

    w = running(weights)
    s1 = running(a * b for a, b in zip(weights, values, strict=True))
    s2 = running(a * b * b for a, b in zip(weights, values, strict=True))

    def cost(i, j):
        weight, total = w[j] - w[i], s1[j] - s1[i]
        return ((s2[j] - s2[i]) * weight - total * total) / weight

    layer = [0.0] + [cost(0, j) for j in range(1, n + 1)]
    for t in range(2, n_clusters + 1):
        layer = [min((layer[i] + cost(i, j) for i in range(t - 1, j)), default=np.inf) for j in range(n + 1)]
    return layer[n]
