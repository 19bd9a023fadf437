"""Slow, obvious definitions, written from the papers and the references' documents: what every kernel is held to.

Nothing here imports medfast, and nothing here is fast. One section per kernel.
"""

import numpy as np

# --- histogram -------------------------------------------------------------------------------------------------------


def equalize_hist(image):
    """Global histogram equalisation over the full range of an integer dtype, in OpenCV's float32 arithmetic."""
    limits = np.iinfo(image.dtype)
    n_bins = int(limits.max) - int(limits.min) + 1
    values = image.astype(np.int64) - int(limits.min)
    counts = np.bincount(values.ravel(), minlength=n_bins)
    lowest = values.min()
    n_above = image.size - counts[lowest]
    if n_above == 0:
        return image.copy()
    counts[lowest] = 0
    scale = np.float32(n_bins - 1) / np.float32(n_above)
    table = np.rint(np.cumsum(counts).astype(np.float32) * scale).astype(np.int64)
    return (np.minimum(table, n_bins - 1)[values] + int(limits.min)).astype(image.dtype)


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


# --- nlm -------------------------------------------------------------------------------------------------------------


# --- resample --------------------------------------------------------------------------------------------------------
