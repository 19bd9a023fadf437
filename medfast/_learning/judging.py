"""What a model decides about images, and what that says of the model where their classes are known."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast._learning import kernel, probability
from medfast._learning.cache import FeatureCache
from medfast._learning.source import Images, Progress, for_all_features, for_features

LOT = 512
"""Images that are compared with all support vectors at once."""


class Judged(NamedTuple):
    """What came of images whose classes are known."""

    codes: NDArray[np.intp]
    decision: NDArray[np.float64]
    known: NDArray[np.bool_]
    """Whether the image is one that the model learnt from, byte for byte."""
    hashes: NDArray[np.uint8]


def judge(
    model: Any,
    source: Images,
    codes: NDArray[np.intp],
    progress: Progress | None,
    num_threads: int | None,
    cache: FeatureCache | None = None,
) -> Judged:
    """What comes of images of known classes: `report` puts it in figures."""
    source.note_hashes()
    decision = decide(model, source, progress, num_threads, cache)
    assert source.hashes is not None
    learnt = {row.tobytes() for row in model.hashes}
    known = np.array([row.tobytes() in learnt for row in source.hashes], bool)
    return Judged(codes, decision, known, source.hashes)


def report(model: Any, judged: Judged) -> dict[str, Any]:
    """The figures of `Model.evaluate`."""
    found = probability.report(judged.codes, judged.decision, model.classes, model.threshold)
    if judged.known.any():
        new = ~judged.known
        without = probability.report(judged.codes[new], judged.decision[new], model.classes, model.threshold)
        found["duplicates"] = {"count": int(judged.known.sum()), "without": without}
    return found


def decide(
    model: Any, source: Images, progress: Progress | None, num_threads: int | None, cache: FeatureCache | None = None
) -> NDArray[np.float64]:
    """Logits of shape (n, 1 or n_classes); features are let go as soon as they are used."""
    model._check_is_fitted()
    weights = np.ascontiguousarray(model.coef.T)
    decision = np.empty((len(source), len(model.intercept)))

    def use(start: int, features: NDArray[np.float32]) -> None:
        decision[start : start + len(features)] = features.astype(np.float64) @ weights + model.intercept

    if model.support is None:
        for_features(source, model.recipe, use, num_threads, progress, cache)
    else:
        _compare(model, source, weights, decision, progress, num_threads, cache)
    return decision


def _compare(
    model: Any,
    source: Images,
    weights: NDArray[np.float64],
    decision: NDArray[np.float64],
    progress: Progress | None,
    num_threads: int | None,
    cache: FeatureCache | None,
) -> None:
    """The decision of the Gaussian kernel, for many images at once: all support vectors are read for each lot."""
    squares, n = kernel.squares(model.support), len(source)
    for first in range(0, n, LOT):
        indices = np.arange(first, min(first + LOT, n))
        features = np.empty((len(indices), model.recipe.n_features), np.float32)

        def use(start: int, some: list[NDArray[np.float32]], features: NDArray[np.float32] = features) -> None:
            features[start : start + len(some[0])] = some[0]

        def report_all(done: int, _: int, first: int = first) -> None:
            if progress is not None:
                progress(first + done, n)

        for_all_features(source, indices, [model.recipe], use, num_threads, report_all, cache)
        values = kernel.gaussian_of(features, model.support, model.gamma, squares, num_threads)
        decision[indices] = values @ weights + model.intercept
