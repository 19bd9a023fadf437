"""The cases done by OpenCV."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from medfast.bench.classifier import linear_svm
from medfast.bench.library import Prepared, Unavailable

VERSION = cv2.__version__
INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
}
# As OpenCV's own introduction to k-means has it.
CRITERIA = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
ATTEMPTS = 10


def denoise(image: NDArray[Any], *, h: float, patch_size: int, search_size: int, norm: str = "l2") -> Prepared:
    if norm == "l2":
        return Prepared(lambda: cv2.fastNlMeansDenoising(image, None, h, patch_size, search_size))
    return Prepared(lambda: cv2.fastNlMeansDenoising(image, [h], None, patch_size, search_size, cv2.NORM_L1))


def denoise_coloured(image: NDArray[Any], *, h: float, h_colour: float, patch_size: int, search_size: int) -> Prepared:
    return Prepared(lambda: cv2.fastNlMeansDenoisingColored(image, None, h, h_colour, patch_size, search_size))


def denoise_frames(frames: Sequence[NDArray[Any]], *, h: float, patch_size: int, search_size: int) -> Prepared:
    middle, count = len(frames) // 2, len(frames)
    return Prepared(lambda: cv2.fastNlMeansDenoisingMulti(frames, middle, count, None, h, patch_size, search_size))


def equalize(image: NDArray[Any]) -> Prepared:
    return Prepared(lambda: cv2.equalizeHist(image))


def clahe(image: NDArray[Any], *, clip_limit: float, tile_grid: tuple[int, int]) -> Prepared:
    equalizer = cv2.createCLAHE(clip_limit, tile_grid[::-1])
    return Prepared(lambda: equalizer.apply(image))


clahe_12bit = clahe


def clahe_coloured(image: NDArray[Any], *, clip_limit: float, tile_grid: tuple[int, int]) -> Prepared:
    equalizer = cv2.createCLAHE(clip_limit, tile_grid[::-1])

    def call() -> NDArray[Any]:
        lightness, a, b = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2LAB))
        return cv2.cvtColor(cv2.merge((equalizer.apply(lightness), a, b)), cv2.COLOR_LAB2RGB)

    return Prepared(call)


def resize(image: NDArray[Any], *, shape: tuple[int, int], interpolation: str) -> Prepared:
    flag = INTERPOLATIONS[interpolation]
    return Prepared(lambda: cv2.resize(image, shape[::-1], interpolation=flag))


def kmeans(image: NDArray[Any], *, n_clusters: int) -> Prepared:
    cv2.setRNGSeed(1)
    return Prepared(lambda: _segment(image, n_clusters), lambda labels: labels.reshape(image.shape))


def kmeans_vectors(samples: NDArray[Any], labels: NDArray[Any], centers: NDArray[Any], *, iterations: int) -> Prepared:
    criteria = (cv2.TERM_CRITERIA_MAX_ITER, iterations, 0.0)

    def call() -> Any:
        # OpenCV overwrites the labels that it starts from.
        return cv2.kmeans(samples, len(centers), labels.copy(), criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS)

    return Prepared(call, lambda found: found[1].ravel())


def hog(image: NDArray[Any]) -> Prepared:
    descriptor = _descriptor(image.shape)
    return Prepared(lambda: descriptor.compute(image), lambda values: values.ravel())


def hog_window(image: NDArray[Any]) -> Prepared:
    descriptor = _default()
    return Prepared(lambda: descriptor.compute(image), lambda values: values.ravel())


def hog_sliding(image: NDArray[Any]) -> Prepared:
    descriptor = _descriptor((128, 64))
    return Prepared(lambda: descriptor.compute(image, (8, 8)), lambda values: values.ravel())


def hog_batch(images: NDArray[Any]) -> Prepared:
    if not hasattr(cv2, "HOGDescriptor"):
        raise Unavailable(f"OpenCV {cv2.__version__} has no HOGDescriptor; 4.14 has it")
    descriptor = cv2.HOGDescriptor(images.shape[:0:-1], (8, 8), (4, 4), (4, 4), 9)
    return Prepared(lambda: [descriptor.compute(image) for image in images], np.stack)


def hog_detect(image: NDArray[Any], *, scale: float) -> Prepared:
    descriptor = _default()
    descriptor.setSVMDetector(descriptor.getDefaultPeopleDetector())
    return Prepared(lambda: descriptor.detectMultiScale(image, -1.5, scale=scale), lambda found: np.sort(found[1]))


def pipeline(image: NDArray[Any], *, h: float, n_clusters: int, levels: int) -> Prepared:
    descriptors = [_descriptor((image.shape[0] >> level, image.shape[1] >> level)) for level in range(levels)]
    size = image.shape[::-1]
    svm = linear_svm(sum(descriptor.getDescriptorSize() for descriptor in descriptors))
    cv2.setRNGSeed(1)

    def call() -> dict[str, Any]:
        clean = cv2.equalizeHist(cv2.fastNlMeansDenoising(image, None, h, 7, 21))
        clean = cv2.resize(clean, size, interpolation=cv2.INTER_AREA)
        labels = _segment(clean, n_clusters)
        level: Any = clean
        features: list[Any] = []
        for descriptor in descriptors:
            if features:
                level = cv2.resize(level, descriptor.winSize, interpolation=cv2.INTER_AREA)
            features.append(descriptor.compute(level))
        vector = np.concatenate(features)
        return {"image": clean, "labels": labels, "features": vector, "decision": svm.predict(vector[None])}

    return Prepared(call, lambda found: found | {"labels": found["labels"].reshape(image.shape)})


def _segment(image: NDArray[Any], n_clusters: int) -> Any:
    """k-means on the gray levels; OpenCV takes a column of float32."""
    column = image.reshape(-1, 1).astype(np.float32)
    start: Any = None
    return cv2.kmeans(column, n_clusters, start, CRITERIA, ATTEMPTS, cv2.KMEANS_PP_CENTERS)[1]


def _default() -> Any:
    """The descriptor of windows of 64 x 128."""
    if not hasattr(cv2, "HOGDescriptor"):
        raise Unavailable(f"OpenCV {cv2.__version__} has no HOGDescriptor; 4.14 has it")
    return cv2.HOGDescriptor()


def _descriptor(shape: tuple[int, ...]) -> Any:
    """The descriptor of one window over the whole image, as much of it as the cells cover."""
    if not hasattr(cv2, "HOGDescriptor"):
        raise Unavailable(f"OpenCV {cv2.__version__} has no HOGDescriptor; 4.14 has it")
    return cv2.HOGDescriptor(shape[::-1], (16, 16), (8, 8), (8, 8), 9)
