"""The cases done by scikit-image."""

import importlib.metadata
from typing import Any

import numpy as np
import skimage.exposure
import skimage.feature
import skimage.filters
import skimage.restoration
import skimage.transform
from numpy.typing import NDArray

from medfast.bench.library import Prepared

VERSION = importlib.metadata.version("scikit-image")


def denoise(image: NDArray[Any], *, h: float, patch_size: int, search_size: int) -> Prepared:
    return Prepared(
        lambda: skimage.restoration.denoise_nl_means(
            image, patch_size, search_size // 2, h, fast_mode=True, preserve_range=True
        )
    )


def denoise_skimage(image: NDArray[Any], *, h: float, patch_size: int, search_size: int, fast: bool) -> Prepared:
    distance = search_size // 2
    return Prepared(
        lambda: skimage.restoration.denoise_nl_means(image, patch_size, distance, h, fast, preserve_range=True)
    )


def denoise_volume(volume: NDArray[Any], *, sigma: float, patch_size: int, search_size: int) -> Prepared:
    """With the strength of its own example; it knows no Rician noise, so the bias of the background stays."""
    return Prepared(
        lambda: skimage.restoration.denoise_nl_means(
            volume, patch_size, search_size // 2, 0.8 * sigma, fast_mode=True, preserve_range=True
        )
    )


def equalize(image: NDArray[Any]) -> Prepared:
    return Prepared(lambda: skimage.exposure.equalize_hist(image))


def clahe(image: NDArray[Any], *, clip_limit: float, tile_grid: tuple[int, int]) -> Prepared:
    tile = (image.shape[0] // tile_grid[0], image.shape[1] // tile_grid[1])
    return Prepared(lambda: skimage.exposure.equalize_adapthist(image, tile, clip_limit / 256))


def match(image: NDArray[Any], reference: NDArray[Any]) -> Prepared:
    return Prepared(lambda: skimage.exposure.match_histograms(image, reference))


def resize(image: NDArray[Any], *, shape: tuple[int, int], interpolation: str) -> Prepared:
    if interpolation == "area":
        factors = (image.shape[0] // shape[0], image.shape[1] // shape[1])
        return Prepared(lambda: skimage.transform.downscale_local_mean(image, factors))
    order = {"nearest": 0, "linear": 1, "cubic": 3}[interpolation]
    return Prepared(
        lambda: skimage.transform.resize(image, shape, order=order, anti_aliasing=False, preserve_range=True)
    )


def multiotsu(image: NDArray[Any], *, classes: int) -> Prepared:
    return Prepared(lambda: skimage.filters.threshold_multiotsu(image, classes))


def hog_plain(image: NDArray[Any]) -> Prepared:
    return Prepared(
        lambda: skimage.feature.hog(image, 9, (8, 8), (2, 2), "L2-Hys", feature_vector=True),
        lambda values: np.asarray(values),
    )


def hog_skimage(image: NDArray[Any]) -> Prepared:
    return Prepared(lambda: skimage.feature.hog(image), lambda values: np.asarray(values))
