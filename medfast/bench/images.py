"""Images that look like medical ones, drawn from a seed: no file is needed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Ellipses: row, column, half height, half width (fractions of half the side), gray level. The later cover the earlier.
_HEAD = (
    (0.00, 0.00, 0.92, 0.74, 170.0),  # scalp
    (0.00, 0.00, 0.86, 0.68, 35.0),  # skull
    (0.00, 0.00, 0.80, 0.62, 105.0),  # cortex
    (-0.02, 0.00, 0.66, 0.48, 150.0),  # white matter
    (-0.06, -0.13, 0.26, 0.09, 45.0),  # ventricles
    (-0.06, 0.13, 0.26, 0.09, 45.0),
    (0.22, -0.20, 0.13, 0.11, 115.0),  # deep gray matter
    (0.22, 0.20, 0.13, 0.11, 115.0),
    (-0.38, 0.24, 0.09, 0.08, 205.0),  # a lesion
)
NOISE = 10.0
"""Standard deviation of the noise, in the gray levels of an 8-bit image."""


def clean_head(rows: int, columns: int, height: float = 0.0) -> NDArray[np.float64]:
    """A slice through a head in gray levels 0 to 255: tissues with folds between them, under a slow shading.

    At a `height` between -1 and 1 the ellipses are smaller, and beyond their own height, that of a ball, not there.
    """
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    folds = 0.05 * np.sin(19 * np.arctan2(y, x)) + 0.03 * np.sin(31 * x + 5 * y)
    image = np.zeros((rows, columns))
    for row, column, half_height, half_width, gray in _HEAD:
        radius = np.hypot((y - row) / half_height, (x - column) / half_width)
        radius = np.hypot(radius, height / max(half_height, half_width))
        image[radius + (folds if gray == 150.0 else 0.0) < 1] = gray
    return image * (1 + 0.08 * np.cos(2 * y + x))


def head(
    rows: int, columns: int, dtype: str = "uint8", seed: int = 1, bits: int = 12
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The slice with the Rician noise of a magnitude image, and without: ``(noisy, clean)``.

    Integers of 16 bits are spread over `bits` bits, 12 as a scanner stores them; floats keep the levels of the 8-bit
    image.
    """
    return _magnitude(clean_head(rows, columns), dtype, seed, bits)


def head_volume(
    planes: int, rows: int, columns: int, dtype: str = "float32", seed: int = 1
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The head in three dimensions, as `head` gives one slice of it."""
    heights = np.linspace(-1, 1, planes)
    noisy = np.empty((planes, rows, columns), dtype)
    clean = np.empty((planes, rows, columns))
    for number, height in enumerate(heights):
        noisy[number], clean[number] = _magnitude(clean_head(rows, columns, height), dtype, seed + number)
    return noisy, clean


def _magnitude(
    clean: NDArray[np.float64], dtype: str, seed: int, bits: int = 12
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    scale = 2.0 ** (bits - 8) if dtype in ("uint16", "int16") else 1.0
    rng = np.random.default_rng(seed)
    real, imaginary = rng.normal(0.0, NOISE, (2, *clean.shape))
    noisy = np.hypot(clean + real, imaginary) * scale
    top = 255 if dtype == "uint8" else 2**bits - 1
    noisy = np.clip(noisy, 0, top)
    return (noisy if np.dtype(dtype).kind == "f" else np.rint(noisy)).astype(dtype), clean * scale


def coloured_tissue(rows: int, columns: int, seed: int = 1) -> NDArray[np.uint8]:
    """A stained section: the tissues in three colours, with noise on each channel; BGR, as OpenCV reads images."""
    gray = clean_head(rows, columns) / 255
    stain = np.stack([0.9 - 0.3 * gray, 0.8 - 0.7 * gray, 0.95 - 0.35 * gray], axis=-1) * 255
    noise = np.random.default_rng(seed).normal(0.0, NOISE, stain.shape)
    return np.clip(np.rint(stain + noise), 0, 255).astype(np.uint8)


def frames(count: int, rows: int, columns: int, seed: int = 1) -> list[NDArray[np.uint8]]:
    """The same slice several times over, each with noise of its own and moved by a pixel, as in fluoroscopy."""
    clean = clean_head(rows, columns)
    rng = np.random.default_rng(seed)
    moved = (np.roll(clean, step, axis=1) + rng.normal(0.0, NOISE, clean.shape) for step in range(count))
    return [np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in moved]


def voxel_features(samples: int, features: int, groups: int, seed: int = 1) -> NDArray[np.float32]:
    """Vectors around overlapping centers, such as the filter responses at each voxel."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(0.0, 2.0, (groups, features))
    return (centers[rng.integers(0, groups, samples)] + rng.normal(0.0, 1.0, (samples, features))).astype(np.float32)


def cuts(n: int, rows: int, cols: int) -> NDArray[np.uint8]:
    """`n` small images, from random places of a head."""
    image = head(512, 512)[0]
    places = np.random.default_rng(1).integers(0, (512 - rows, 512 - cols), (n, 2))
    return np.stack([image[row : row + rows, col : col + cols] for row, col in places])
