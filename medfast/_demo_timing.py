"""The demonstration's clock: each step of medfast beside the same step of OpenCV, after their results were compared."""

import contextlib
import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import medfast

HOG_CELL, HOG_BLOCK = 8, 16
ATTEMPTS = 10
"""Random starts of OpenCV's k-means, of which it keeps the best."""


def time_steps(
    images: list[NDArray[np.uint8]],
    *,
    h: float,
    size: int,
    levels: int,
    repeats: int,
    progress: Callable[[int, int], Any],
    num_threads: int | None,
) -> dict[str, dict[str, Any]]:
    """Milliseconds per slice of every step, in medfast and, where it is installed, in OpenCV.

    Both work on the same input, one after the other in turns, so that a busy machine slows both; medians are given.
    """
    cv2: Any = None
    with contextlib.suppress(ImportError):
        cv2 = importlib.import_module("cv2")
    threads: dict[str, Any] = {"num_threads": num_threads}
    denoised = [medfast.denoise_nl_means(image, h, **threads) for image in images]
    equalized = [medfast.equalize_hist(image, **threads) for image in denoised]
    resized = [medfast.resize(image, (size, size), **threads) for image in equalized]
    steps: list[tuple[str, Any, Any, Any, Any]] = [
        (
            "denoise",
            images,
            lambda image: medfast.denoise_nl_means(image, h, **threads),
            cv2 and (lambda image: cv2.fastNlMeansDenoising(image, None, h, 7, 21)),
            _difference,
        ),
        (
            "equalise",
            denoised,
            lambda image: medfast.equalize_hist(image, **threads),
            cv2 and cv2.equalizeHist,
            _difference,
        ),
        (
            "resize",
            equalized,
            lambda image: medfast.resize(image, (size, size), **threads),
            cv2 and (lambda image: cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)),
            _difference,
        ),
        (
            "segment",
            resized,
            lambda image: medfast.segment(image, 3, **threads),
            cv2 and (lambda image: _cv2_kmeans(cv2, image)),
            _inertia_ratio,
        ),
        (
            "describe",
            resized,
            lambda image: medfast.hog(image, levels=levels, **threads),
            _cv2_hog(cv2, size, levels) if hasattr(cv2, "HOGDescriptor") else None,
            _largest_difference,
        ),
    ]
    if cv2 is not None:
        cv2.setNumThreads(num_threads if num_threads is not None else medfast.runtime.info()["threads"])
    figures: dict[str, dict[str, Any]] = {}
    for done, (name, inputs, ours, theirs, compare) in enumerate(steps):
        progress(done, len(steps))
        agreement = compare([(image, ours(image), theirs(image)) for image in inputs]) if theirs else None
        own, other = _in_turns(inputs, ours, theirs, repeats)
        figures[name] = {"medfast_ms": own, "opencv_ms": other, "agreement": agreement}
    both = [step for step in figures.values() if step["opencv_ms"] is not None]
    if len(both) == len(steps):
        # k-means makes most of the difference and depends on the attempts, so the sum without it stands beside.
        rest = [step for name, step in figures.items() if name != "segment"]
        for name, some in (("all but segment", rest), ("all steps", both)):
            figures[name] = {"agreement": None}
            for key in ("medfast_ms", "opencv_ms"):
                figures[name][key] = sum(float(step[key]) for step in some)
    return figures


def _in_turns(inputs: Any, ours: Any, theirs: Any, repeats: int) -> tuple[float, float | None]:
    """Median milliseconds per image of both functions, called in turns."""
    own: list[float] = []
    other: list[float] = []
    for _ in range(repeats):
        for function, times in ((ours, own), (theirs, other)):
            if function is not None:
                start = time.perf_counter()
                for image in inputs:
                    function(image)
                times.append((time.perf_counter() - start) * 1e3 / len(inputs))
    return statistics.median(own), statistics.median(other) if other else None


def _cv2_kmeans(cv2: Any, image: NDArray[np.uint8]) -> Any:
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
    samples = image.reshape(-1, 1).astype(np.float32)
    return cv2.kmeans(samples, 3, None, criteria, ATTEMPTS, cv2.KMEANS_PP_CENTERS)[1].reshape(image.shape)


def _cv2_hog(cv2: Any, size: int, levels: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    sides = [size >> level for level in range(levels)]
    block, cell = (HOG_BLOCK, HOG_BLOCK), (HOG_CELL, HOG_CELL)
    descriptors = [cv2.HOGDescriptor((side, side), block, cell, cell, 9) for side in sides]

    def describe(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = []
        for side, descriptor in zip(sides, descriptors, strict=True):
            if image.shape != (side, side):
                image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
            parts.append(descriptor.compute(image).ravel())
        return np.concatenate(parts)

    return describe


def _difference(results: Any) -> str:
    n = sum(int(np.count_nonzero(own != other)) for _, own, other in results)
    return "equal, bit for bit" if n == 0 else f"{n} pixels differ"


def _largest_difference(results: Any) -> str:
    return f"within {max(np.abs(own - other).max() for _, own, other in results):.0e}"


def _inertia_ratio(results: Any) -> str:
    ratio = max(inertia(image, own) / max(inertia(image, other), 1e-12) for image, own, other in results)
    return f"inertia {ratio:.6f} of OpenCV's"


def inertia(image: NDArray[Any], labels: NDArray[Any]) -> float:
    """Sum of squared distances of the pixels from their class's mean."""
    total = 0.0
    for label in np.unique(labels):
        values = image[labels == label].astype(np.float64)
        total += float(((values - values.mean()) ** 2).sum())
    return total
