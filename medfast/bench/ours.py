"""The cases done by medfast."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import medfast
from medfast.bench.classifier import linear_svm
from medfast.bench.library import Prepared
from medfast.compat import opencv as drop_in
from medfast.compat.skimage import feature as drop_in_skimage
from medfast.compat.skimage import restoration as drop_in_restoration

VERSION = medfast.__version__


def denoise(image: NDArray[Any], *, h: float, patch_size: int, search_size: int, norm: str = "l2") -> Prepared:
    return Prepared(
        lambda: medfast.denoise_nl_means(image, h, patch_size=patch_size, search_size=search_size, norm=norm)
    )


def denoise_coloured(image: NDArray[Any], *, h: float, h_colour: float, patch_size: int, search_size: int) -> Prepared:
    return Prepared(lambda: drop_in.fastNlMeansDenoisingColored(image, None, h, h_colour, patch_size, search_size))


def denoise_frames(frames: Sequence[NDArray[Any]], *, h: float, patch_size: int, search_size: int) -> Prepared:
    middle, count = len(frames) // 2, len(frames)
    return Prepared(
        lambda: medfast.denoise_nl_means_multi(
            frames, middle, count, h=h, patch_size=patch_size, search_size=search_size
        )
    )


def denoise_skimage(image: NDArray[Any], *, h: float, patch_size: int, search_size: int, fast: bool) -> Prepared:
    distance = search_size // 2
    return Prepared(
        lambda: drop_in_restoration.denoise_nl_means(image, patch_size, distance, h, fast, preserve_range=True)
    )


def denoise_volume(volume: NDArray[Any], *, sigma: float, patch_size: int, search_size: int) -> Prepared:
    h = 2**0.25 * sigma  # dipy's: it divides the mean squared distance by the root of two times the variance
    return Prepared(
        lambda: medfast.denoise_nl_means(
            volume, h, sigma=sigma, noise="rician", patch_size=patch_size, search_size=search_size
        )
    )


denoise_blocks = denoise_volume


def equalize(image: NDArray[Any]) -> Prepared:
    return Prepared(lambda: medfast.equalize_hist(image))


def clahe(image: NDArray[Any], *, clip_limit: float, tile_grid: tuple[int, int]) -> Prepared:
    return Prepared(lambda: medfast.clahe(image, clip_limit, tile_grid))


def clahe_12bit(image: NDArray[Any], *, clip_limit: float, tile_grid: tuple[int, int]) -> Prepared:
    return Prepared(lambda: medfast.clahe(image, clip_limit, tile_grid, bit_depth=12))


def clahe_coloured(image: NDArray[Any], *, clip_limit: float, tile_grid: tuple[int, int]) -> Prepared:
    return Prepared(lambda: medfast.clahe(image, clip_limit, tile_grid, channel_axis=-1))


def window(image: NDArray[Any], *, center: float, width: float, function: str) -> Prepared:
    return Prepared(lambda: medfast.window(image, center, width, function=function))


def match(image: NDArray[Any], reference: NDArray[Any]) -> Prepared:
    return Prepared(lambda: medfast.match_histograms(image, reference))


def resize(image: NDArray[Any], *, shape: tuple[int, int], interpolation: Any) -> Prepared:
    return Prepared(lambda: medfast.resize(image, shape, interpolation=interpolation))


def resize_volume(volume: NDArray[Any], *, spacing: tuple[float, ...], new_spacing: float) -> Prepared:
    return Prepared(lambda: medfast.resize(volume, spacing=spacing, new_spacing=new_spacing))


def kmeans(image: NDArray[Any], *, n_clusters: int) -> Prepared:
    return Prepared(lambda: medfast.kmeans(image, n_clusters), lambda found: found.labels)


def kmeans_vectors(samples: NDArray[Any], labels: NDArray[Any], centers: NDArray[Any], *, iterations: int) -> Prepared:
    return Prepared(
        lambda: medfast.kmeans(samples, len(centers), init=centers, max_iter=iterations, tol=0.0),
        lambda found: found.labels,
    )


def multiotsu(image: NDArray[Any], *, classes: int) -> Prepared:
    return Prepared(lambda: medfast.threshold_multiotsu(image, classes))


def hog(image: NDArray[Any]) -> Prepared:
    return Prepared(lambda: medfast.hog(image))


def hog_window(image: NDArray[Any]) -> Prepared:
    descriptor = drop_in.HOGDescriptor()
    return Prepared(lambda: descriptor.compute(image))


def hog_sliding(image: NDArray[Any]) -> Prepared:
    descriptor = drop_in.HOGDescriptor((64, 128), (16, 16), (8, 8), (8, 8), 9)
    return Prepared(lambda: descriptor.compute(image, (8, 8)))


def hog_batch(images: NDArray[Any]) -> Prepared:
    return Prepared(lambda: medfast.hog(images, cell=(4, 4)))


def hog_detect(image: NDArray[Any], *, scale: float) -> Prepared:
    descriptor = drop_in.HOGDescriptor()
    descriptor.setSVMDetector(drop_in.HOGDescriptor_getDefaultPeopleDetector())
    return Prepared(lambda: descriptor.detectMultiScale(image, -1.5, scale=scale), lambda found: np.sort(found[1]))


def hog_skimage(image: NDArray[Any]) -> Prepared:
    return Prepared(lambda: drop_in_skimage.hog(image))


def hog_plain(image: NDArray[Any]) -> Prepared:
    blocks = (image.shape[1] // 8 - 1, image.shape[0] // 8 - 1)

    def finish(values: NDArray[Any]) -> NDArray[Any]:
        # scikit-image counts rows first, medfast columns first, as OpenCV does
        return values.reshape(*blocks, 2, 2, 9).transpose(1, 0, 3, 2, 4).ravel()

    return Prepared(
        lambda: medfast.hog(image, spatial_votes=False, orientation_votes=False, block_sigma=math.inf), finish
    )


def pipeline(image: NDArray[Any], *, h: float, n_clusters: int, levels: int) -> Prepared:
    svm = linear_svm(len(medfast.hog(image, levels=levels)))

    def call() -> dict[str, Any]:
        clean = medfast.equalize_hist(medfast.denoise_nl_means(image, h))
        clean = medfast.resize(clean, image.shape, interpolation="area")
        labels = medfast.kmeans(clean, n_clusters).labels
        features = medfast.hog(clean, levels=levels)
        return {"image": clean, "labels": labels, "features": features, "decision": svm.predict(features[None])}

    return Prepared(call)
