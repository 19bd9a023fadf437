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


# --- kmeans ----------------------------------------------------------------------------------------------------------


# --- nlm -------------------------------------------------------------------------------------------------------------


def _nlm_shifts(frames, patch_size, search_size, norm):
    """For each shift in the search window: the patch distance of every pixel, and what it is averaged with.

    `frames` is (frames, channels, rows, cols); the distance is summed over the patch and the channels.
    """
    patch, search = patch_size // 2, search_size // 2
    _, _, rows, cols = frames.shape
    border = patch + search
    padded = np.pad(frames, [(0, 0), (0, 0), (border, border), (border, border)], mode="reflect")
    main = padded[len(frames) // 2]
    for frame in padded:
        for dy in range(-search, search + 1):
            for dx in range(-search, search + 1):
                distance = 0
                for y in range(search, search + patch_size):
                    for x in range(search, search + patch_size):
                        here = main[:, y : y + rows, x : x + cols]
                        there = frame[:, y + dy : y + dy + rows, x + dx : x + dx + cols]
                        distance = distance + (abs(here - there) ** norm).sum(axis=0)
                yield distance, frame[:, border + dy : border + dy + rows, border + dx : border + dx + cols]


def nl_means(frames, h, patch_size, search_size, norm=2, rician_sigma=None):
    """Non-local means by the formula, in float64 and not rounded; `h` is one number or one per channel."""
    frames = frames.astype(np.float64)
    n_channels = frames.shape[1]
    h = np.broadcast_to(np.asarray(h, np.float64), n_channels)[:, None, None]
    top, bottom = 0.0, 0.0
    for distance, donors in _nlm_shifts(frames, patch_size, search_size, norm):
        mean = distance / patch_size**2
        weights = np.exp(-(mean if norm == 2 else mean**2) / (h**2 * n_channels))
        top = top + weights * (donors if rician_sigma is None else donors**2)
        bottom = bottom + weights
    if rician_sigma is None:
        return top / bottom
    return np.sqrt(np.maximum(top / bottom - 2 * rician_sigma**2, 0))


def nl_means_integer(frames, h, patch_size, search_size, norm=2):
    """Non-local means in OpenCV's integers: uint8, or 16 bits with L1 (int16 counted from its lowest value)."""
    dtype = frames.dtype
    lowest = int(np.iinfo(dtype).min)
    largest = 255 if dtype == np.uint8 else 65535
    values = frames.astype(np.int64) - lowest
    n_frames, n_channels = frames.shape[:2]
    h = np.broadcast_to(np.asarray(h, np.float32), n_channels)
    scale = (2**31 - 1 if largest == 255 else 2**63 - 1) // (n_frames * search_size**2 * largest)
    scale = min(scale, 2**31 - 1)
    shift = 0
    while 2**shift < patch_size**2:
        shift += 1
    top, bottom = 0, 0
    for distance, donors in _nlm_shifts(values, patch_size, search_size, norm):
        mean = (distance >> shift) * (2**shift / patch_size**2)
        weights = []
        for channel in range(n_channels):
            h2 = float(h[channel] * h[channel] * np.float32(n_channels))
            weight = np.rint(scale * np.exp(-(mean if norm == 2 else mean * mean) / h2)).astype(np.int64)
            weights.append(np.where(weight < 0.001 * scale, 0, weight))
        top = top + np.array(weights) * donors
        bottom = bottom + np.array(weights)
    return ((top + bottom // 2) // bottom + lowest).astype(dtype)


# --- resample --------------------------------------------------------------------------------------------------------
