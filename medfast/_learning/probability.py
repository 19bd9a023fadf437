"""From decision values to probabilities, and how good they are: NumPy alone."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_probabilities(decision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of shape (n, n_classes) from logits of shape (n, 1) for two classes, (n, n_classes) for more.

    One against the rest: each class's sigmoid, divided by their sum.
    """
    # the exponential of the C library: NumPy's own differs in the last bit between CPUs and versions
    sigmoid = np.array([_sigmoid(value) for value in decision.ravel()]).reshape(decision.shape)
    if decision.shape[1] == 1:
        return np.hstack([1.0 - sigmoid, sigmoid])
    total = sigmoid[:, 0].copy()
    for column in sigmoid.T[1:]:  # in a fixed order
        total += column
    uniform = 1.0 / decision.shape[1]
    return np.divide(sigmoid, total[:, None], out=np.full_like(sigmoid, uniform), where=total[:, None] > 0)


def _sigmoid(value: float) -> float:
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    power = math.exp(value)
    return power / (1.0 + power)


def report(truth: NDArray[np.intp], decision: NDArray[np.float64], classes: Sequence[Any]) -> dict[str, Any]:
    """Accuracy, balanced accuracy, AUC and confusion matrix, in plain Python types.

    Parameters
    ----------
    truth : ndarray of shape (n,)
        Index of each true class.
    decision : ndarray of shape (n, 1 or n_classes)
        Logits, as for `to_probabilities`.
    classes : sequence
        Labels, sorted.
    """
    n_classes = len(classes)
    predicted = to_codes(decision)
    confusion = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    members = confusion.sum(axis=1)
    present = members > 0
    recall = np.diagonal(confusion)[present] / members[present]
    if n_classes == 2:
        areas = [_area(truth == 1, decision[:, 0])]
    else:
        probabilities = to_probabilities(decision)
        areas = [_area(truth == code, probabilities[:, code]) for code in range(n_classes)]
    defined = [area for area in areas if area is not None]
    return {
        "accuracy": int(np.trace(confusion)) / len(truth) if len(truth) else None,
        "balanced_accuracy": float(recall.mean()) if recall.size else None,
        "auc": float(np.mean(defined)) if defined else None,
        "confusion_matrix": confusion.tolist(),
        "classes": list(classes),
    }


def to_codes(decision: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the predicted class."""
    if decision.shape[1] == 1:
        return (decision[:, 0] > 0).astype(np.intp)
    return decision.argmax(axis=1)


def _area(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """Area under the ROC curve: how often a member scores above a non-member, ties counted half."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return None
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = last - (counts - 1) / 2  # the mean of the ranks that equal scores share
    return float((rank[inverse][positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
