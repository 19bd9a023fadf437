"""The cases done by medfast."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import medfast
from medfast.bench.classifier import linear_svm
from medfast.bench.library import Prepared
from medfast.compat import opencv as drop_in

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


def equalize(image: NDArray[Any]) -> Prepared:
    return Prepared(lambda: medfast.equalize_hist(image))


def clahe(image: NDArray[Any], *, clip_limit: float, tile_grid: tuple[int, int]) -> Prepared:
    return Prepared(lambda: medfast.clahe(image, clip_limit, tile_grid))


def resize(image: NDArray[Any], *, shape: tuple[int, int], interpolation: str) -> Prepared:
    return Prepared(lambda: medfast.resize(image, shape, interpolation=interpolation))


def kmeans(image: NDArray[Any], *, n_clusters: int) -> Prepared:
    return Prepared(lambda: medfast.kmeans(image, n_clusters), lambda found: found.labels)


def kmeans_vectors(samples: NDArray[Any], labels: NDArray[Any], centers: NDArray[Any], *, iterations: int) -> Prepared:
    return Prepared(
        lambda: medfast.kmeans(samples, len(centers), init=centers, max_iter=iterations, tol=0.0),
        lambda found: found.labels,
    )


def hog(image: NDArray[Any]) -> Prepared:
    descriptor = drop_in.HOGDescriptor(image.shape[::-1], (16, 16), (8, 8), (8, 8), 9)
    return Prepared(lambda: descriptor.compute(image), np.ravel)


def hog_plain(image: NDArray[Any]) -> Prepared:
    return Prepared(lambda: medfast.hog(image, spatial_votes=False, orientation_votes=False), np.ravel)


def pipeline(image: NDArray[Any], *, h: float, n_clusters: int, levels: int) -> Prepared:
    shapes = [(image.shape[0] >> level, image.shape[1] >> level) for level in range(levels)]
    descriptors = [drop_in.HOGDescriptor(shape[::-1], (16, 16), (8, 8), (8, 8), 9) for shape in shapes]
    svm = linear_svm(sum(descriptor.getDescriptorSize() for descriptor in descriptors))

    def call() -> dict[str, Any]:
        clean = medfast.equalize_hist(medfast.denoise_nl_means(image, h))
        clean = medfast.resize(clean, image.shape, interpolation="area")
        labels = medfast.kmeans(clean, n_clusters).labels
        level, features = clean, []
        for shape, descriptor in zip(shapes, descriptors, strict=True):
            if features:
                level = medfast.resize(level, shape, interpolation="area")
            features.append(descriptor.compute(level))
        vector = np.concatenate(features)
        return {"image": clean, "labels": labels, "features": vector, "decision": svm.predict(vector[None])}

    return Prepared(call)
