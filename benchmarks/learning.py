"""Features, training and validation of a labelled set: medfast next to the same built from OpenCV and scikit-learn.

    python benchmarks/learning.py pneumonia_28.npz

The file holds `train_images`, `train_labels`, `val_images` and `val_labels`, the images uint8 and of one size. Both
sides do the same work: denoise and equalise where asked, HOG, a support vector machine with balanced classes, its
sigmoid calibration in five folds, probabilities of the validation images and their figures. Results are compared before
times are printed; all threads; each time is the median of interleaved rounds.
"""

import argparse
import statistics
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from medfast.pipeline import FeatureCache, Model, search

CASES: dict[str, dict[str, Any]] = {
    "HOG, linear": {"denoise": False, "equalize": "none", "levels": 1},
    "HOG, rbf": {"denoise": False, "equalize": "none", "levels": 1, "kernel": "rbf"},
    "NLM, HOG, rbf": {"h": 8.0, "equalize": "none", "levels": 1, "kernel": "rbf"},
    "NLM, equalise, HOG on two levels, linear": {"h": 8.0, "levels": 2},
}
"""Options of `medfast.pipeline.Model`."""


def ours(data: Any, options: dict[str, Any]) -> tuple[float, float]:
    """Area under the ROC curve and balanced accuracy on the validation images."""
    model = Model(**options).fit(
        data["train_images"], data["train_labels"].ravel(), validation=(data["val_images"], data["val_labels"].ravel())
    )
    assert model.validation is not None
    return model.validation["auc"], model.validation["balanced_accuracy"]


def theirs(data: Any, options: dict[str, Any]) -> tuple[float, float]:
    """The same, by OpenCV and scikit-learn."""
    train, test = (_features(data[f"{part}_images"], options) for part in ("train", "val"))
    labels, truth = data["train_labels"].ravel(), data["val_labels"].ravel()
    machine = SVC(kernel=options.get("kernel", "linear"), class_weight="balanced", cache_size=1000)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    weights = np.where(labels == 1, 1 / (labels == 1).mean(), 1 / (labels == 0).mean()) / 2
    calibrated = CalibratedClassifierCV(machine, cv=folds, ensemble=False, n_jobs=-1)
    machine.class_weight = None
    calibrated.fit(train, labels, sample_weight=weights)
    share = calibrated.predict_proba(test)[:, 1]
    return roc_auc_score(truth, share), balanced_accuracy_score(truth, share > 0.5)


def _features(images: NDArray[np.uint8], options: dict[str, Any]) -> NDArray[np.float32]:
    parts = []
    for image in images:
        if options.get("denoise", True):
            image = cv2.fastNlMeansDenoising(image, None, options["h"], 7, 21)
        if options.get("equalize", "hist") == "hist":
            image = cv2.equalizeHist(image)
        part = []
        for level in range(options["levels"]):
            if level:
                image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
            whole = tuple(8 + 4 * ((side - 8) // 4) for side in image.shape[::-1])  # OpenCV takes no other windows
            part.append(_descriptor(whole).compute(np.ascontiguousarray(image[: whole[1], : whole[0]])).ravel())
        parts.append(np.concatenate(part))
    return np.stack(parts)


def _descriptor(size: tuple[int, int], _known: dict[Any, Any] = {}) -> Any:  # noqa: B006
    if size not in _known:
        _known[size] = cv2.HOGDescriptor(size, (8, 8), (4, 4), (4, 4), 9)
    return _known[size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="an .npz file")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with np.load(arguments.file) as archive:
        data = dict(archive)
    print("| work | medfast | OpenCV and scikit-learn | times as fast | AUC, balanced accuracy | theirs |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for name, options in CASES.items():
        results: list[Any] = [None, None]
        seconds: list[list[float]] = [[], []]
        for _ in range(arguments.rounds):
            for side, run in enumerate((ours, theirs)):
                start = time.perf_counter()
                results[side] = run(data, options)
                seconds[side].append(time.perf_counter() - start)
        assert abs(results[0][0] - results[1][0]) < 0.003, results
        mine, other = map(statistics.median, seconds)
        figures = (f"{auc:.4f}, {balanced:.4f}" for auc, balanced in results)
        print(f"| {name} | {mine:.2f} s | {other:.2f} s | {other / mine:.2f}× | {' | '.join(figures)} |", flush=True)
    start = time.perf_counter()
    held_out = data["val_images"], data["val_labels"].ravel()
    with FeatureCache() as cache:
        found = search(data["train_images"], data["train_labels"].ravel(), validation=held_out, cache=cache)
        model = Model(**vars(found.options))
        model.fit(data["train_images"], data["train_labels"].ravel(), validation=held_out, cache=cache)
    assert model.validation is not None
    print(
        f"\nWith the search over {len(found.tried)} candidates: {time.perf_counter() - start:.2f} s, AUC "
        f"{model.validation['auc']:.4f}, accuracy {model.validation['accuracy']:.4f}: {found.options}"
    )


if __name__ == "__main__":
    main()
