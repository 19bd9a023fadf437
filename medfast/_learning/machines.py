"""Support vector machines on kernels of all samples that are computed once, which classifier and search share."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.svm import SVC

from medfast import _parallel

Parts = list[tuple[NDArray[np.intp], NDArray[np.intp]]]
"""What is fitted to, and what is judged: indices of samples."""


class Machine(NamedTuple):
    """A fitted machine: values are ``dual @ kernel(support, x) + intercept``."""

    support: NDArray[np.intp]
    dual: NDArray[np.float64]
    intercept: float

    def values(self, kernel: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Decision values of samples, from the kernel of all."""
        return kernel[np.ix_(rows, self.support)] @ self.dual + self.intercept


def fit(
    kernel: NDArray[np.float64],
    train: NDArray[np.intp],
    positive: NDArray[np.bool_],
    weights: NDArray[np.float64],
    C: float,
) -> Machine:
    """Fit a machine to the samples `train` of all; `positive` and `weights` are those of all samples."""
    # Samples of weight 0 are left out by libsvm itself, which counts the others alone: no part of the kernel is copied,
    # which takes longer than the fit. The kernel was computed here, so nobody need look for NaN in it.
    mine = np.zeros(len(weights))
    mine[train] = weights[train]
    svc = SVC(kernel="precomputed", C=C)
    with config_context(assume_finite=True):
        svc.fit(kernel, positive, sample_weight=mine)
    return Machine(train[svc.support_], svc.dual_coef_[0], float(svc.intercept_[0]))


def targets(codes: NDArray[np.intp], n_classes: int) -> list[NDArray[np.bool_]]:
    """What each machine tells from the rest: the second of two classes, else each class."""
    return [codes == 1] if n_classes == 2 else [codes == code for code in range(n_classes)]


def folds(codes: NDArray[np.intp], n_folds: int, random_state: Any, groups: Any = None) -> Parts:
    """Folds with all classes in each training part, no group in both parts; none where there are too few members or
    groups of a class."""
    if groups is None:
        n_folds = min(n_folds, int(np.bincount(codes).min()))
        if n_folds < 2:
            return []
        return list(StratifiedKFold(n_folds, shuffle=True, random_state=random_state).split(codes, codes))
    classes = np.unique(codes)
    n_folds = min(n_folds, *(len(np.unique(groups[codes == code])) for code in classes))
    if n_folds < 2:
        return []
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random_state)
    parts = [(train, test) for train, test in splitter.split(codes, codes, groups) if len(test)]
    # groups of several classes can leave a fold whose training part lacks one
    whole = all(len(np.unique(codes[train])) == len(classes) for train, _ in parts)
    return parts if whole and len(parts) >= 2 else []


def for_jobs(n_jobs: int, body: Any, num_threads: int | None, progress: Any = None) -> None:
    """Call ``body(job)`` for each of `n_jobs` fits, on several threads."""

    def some(start: int, stop: int) -> None:
        for job in range(start, stop):
            body(job)

    _parallel.for_rows(n_jobs, some, work_per_row=1e6, tile_rows=1, num_threads=num_threads, progress=progress)
