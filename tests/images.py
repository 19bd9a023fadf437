"""Images that the tests draw: every dtype over its whole range, and the memory layouts that callers hand over."""

import numpy as np

DTYPES = ("uint8", "uint16", "int16", "float32", "float64")

# Around the vector widths, and the degenerate ones.
SHAPES = ((1, 1), (1, 7), (5, 1), (15, 16), (17, 31), (33, 32), (64, 65), (47, 130))


def random_image(rng, shape, dtype):
    """Values over the whole range of an integer dtype; normally distributed around 0 for floats."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(0.0, 100.0, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def smooth_image(rng, shape, dtype="uint8", noise=10.0):
    """Slow waves with noise on them: neighbours resemble each other, as in a picture of something."""
    grids = np.meshgrid(*(np.arange(n) / 9.0 for n in shape), indexing="ij")
    values = 110.0 + 60.0 * np.sin(grids[-1]) + 40.0 * np.cos(1.3 * grids[0]) + rng.normal(0.0, noise, shape)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    scale = 1 if dtype == np.uint8 else 16
    return np.clip(np.rint(values * scale), limits.min, limits.max).astype(dtype)


def layouts(image):
    """The same values in other memory layouts, by name: slices, flips, transposes, read-only, foreign byte order."""
    wide = np.zeros((*image.shape[:-1], image.shape[-1] * 2), image.dtype)
    wide[..., ::2] = image
    read_only = image.copy()
    read_only.flags.writeable = False
    return {
        "every second column": wide[..., ::2],
        "reversed rows": image[::-1].copy()[::-1],
        "reversed columns": image[..., ::-1].copy()[..., ::-1],
        "column-major": np.asfortranarray(image),
        "read-only": read_only,
        "big-endian": image.astype(image.dtype.newbyteorder(">")),
    }


def stripes(rng, n, shape=(32, 32), dtype=np.uint8):
    """Images of stripes with noise on them: half of them lie, half stand."""
    images, labels = [], []
    for i in range(n):
        side = shape[i % 2]
        wave = 100 + 60 * np.sin(np.arange(side) / rng.uniform(1.2, 2.5) + rng.uniform(0, 6))
        image = np.broadcast_to(wave[:, None] if i % 2 == 0 else wave, shape) + rng.normal(0, 12, shape)
        images.append(np.clip(np.rint(image), 0, 255).astype(dtype))
        labels.append("lying" if i % 2 == 0 else "standing")
    return np.stack(images), labels
