"""The classifier: a linear support vector machine whose decision values are calibrated."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from medfast import _parallel, _validate
from medfast._learning import recipes
from medfast._learning.probability import to_probabilities

MOST_GRAM = 10_000
"""Samples up to which all their products are kept (800 MB): each fold and class is then fitted without touching a
feature."""
BLOCK_FEATURES = 4096
"""Features that are widened to float64 at a time."""


class LinearSVM(ClassifierMixin, BaseEstimator):
    """Linear support vector machine with calibrated probabilities.

    One machine per class against the rest (one in all for two classes), each calibrated by a sigmoid that is fitted to
    cross-validated decision values.

    Parameters
    ----------
    C : float, default=1.0
        Penalty of the hinge loss, > 0.
    class_weight : {"balanced"}, dict or None, default="balanced"
        Weight of each class, in the loss and in the calibration. "balanced" is inverse to its frequency: probabilities
        are then those for classes equally frequent.
    n_folds : int, default=5
        Folds of the calibration, >= 2; as many as the rarest class has members where that is less. A class of one
        member leaves no fold: the sigmoid is then fitted to the training data themselves.
    random_state : int, RandomState instance or None, default=0
        How the folds are shuffled.
    feature_step : float, optional
        Say that all features are multiples of this in 0…1, a power of two: weights are then rounded so that every sum
        is exact, and decisions have the same bits whatever the linear algebra underneath.
    num_threads : int, optional
        Most threads to use, >= 1.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (1 or n_classes, n_features)
        Weights of the decision function, calibration included.
    intercept_ : ndarray of shape (1 or n_classes,)
        Its constants.
    n_features_in_ : int
        Features seen in `fit`.

    Notes
    -----
    With Platt's sigmoid ``1 / (1 + exp(-(a·f + b)))`` of the machine's value `f`, the decision function is ``a·f + b``,
    so that its sign and the probability always agree on the prediction. The products of all samples are computed once
    and serve every fold and class: O(n² · n_features) in all for n samples, and O(n²) memory.

    References
    ----------
    .. [1] J. Platt, "Probabilistic Outputs for Support Vector Machines", Advances in Large Margin Classifiers, 1999.
    .. [2] H.-T. Lin, C.-J. Lin, R. C. Weng, "A note on Platt's probabilistic outputs for support vector machines",
       Machine Learning 68, 2007. :doi:`10.1007/s10994-007-5018-6`

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.sklearn import LinearSVM
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    >>> svm = LinearSVM().fit(X, ["low"] * 3 + ["high"] * 3)
    >>> svm.predict([[1.5], [11.5]])
    array(['low', 'high'], dtype='<U4')
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        class_weight: Any = "balanced",
        n_folds: int = 5,
        random_state: Any = 0,
        feature_step: float | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.C = C
        self.class_weight = class_weight
        self.n_folds = n_folds
        self.random_state = random_state
        self.feature_step = feature_step
        self.num_threads = num_threads

    def fit(self, X: ArrayLike, y: ArrayLike) -> "LinearSVM":
        """Fit the machines and their calibration.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.
        y : array_like of shape (n_samples,)
            Labels; at least two different ones.

        Returns
        -------
        LinearSVM
            The estimator itself.
        """
        samples: NDArray[Any]
        samples, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must hold at least 2 classes, got 1 class: {self.classes_[0]!r}")
        by_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        weights = by_class[codes]
        positives = [codes == 1] if len(self.classes_) == 2 else [codes == code for code in range(len(self.classes_))]
        n_folds = min(self.n_folds, np.bincount(codes).min())
        everything = np.arange(len(codes))
        parts = [(everything, everything)]
        if n_folds >= 2:
            folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.random_state)
            parts += list(folds.split(codes, codes))
        gram = _gram(samples) if len(codes) <= MOST_GRAM else None
        self.coef_ = np.empty((len(positives), samples.shape[1]))
        self.intercept_ = np.empty(len(positives))
        held_out = np.empty((len(positives), len(codes)))

        def fit_one(job: int) -> None:
            machine, part = divmod(job, len(parts))
            train, test = parts[part]
            targets = positives[machine][train]
            svc = SVC(kernel="linear" if gram is None else "precomputed", C=self.C)
            svc.fit(
                samples[train] if gram is None else gram[np.ix_(train, train)], targets, sample_weight=weights[train]
            )
            if part == 0:
                support = train[svc.support_]
                self.coef_[machine] = svc.dual_coef_[0] @ samples[support].astype(np.float64)
                self.intercept_[machine] = svc.intercept_[0]
            if part > 0 or len(parts) == 1:
                known = samples[test] if gram is None else gram[np.ix_(test, train)]
                held_out[machine, test] = svc.decision_function(known)

        def fit_some(start: int, stop: int) -> None:
            for job in range(start, stop):
                fit_one(job)

        _parallel.for_rows(
            len(positives) * len(parts), fit_some, work_per_row=1e6, tile_rows=1, num_threads=self.num_threads
        )
        for machine, positive in enumerate(positives):
            slope, offset = fit_sigmoid(held_out[machine], positive, weights)
            self.coef_[machine] *= slope
            self.intercept_[machine] = slope * self.intercept_[machine] + offset
        if self.feature_step is not None:
            step = _validate.as_float(self.feature_step, "feature_step", above=0)
            self.coef_ = recipes.exact_weights(self.coef_, step)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the calibrated distance to the decision boundary: the logit of each class against the rest.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes one value, above 0 for the second.
        """
        check_is_fitted(self)
        samples: NDArray[Any] = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        decision = samples @ self.coef_.T + self.intercept_
        return decision[:, 0] if len(self.classes_) == 2 else decision

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; each row sums to 1.
        """
        decision = self.decision_function(X)
        return to_probabilities(decision.reshape(len(decision), -1))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        decision = self.decision_function(X)
        codes = (decision > 0).astype(np.intp) if decision.ndim == 1 else decision.argmax(axis=1)
        return self.classes_[codes]


def _gram(X: NDArray[Any]) -> NDArray[np.float64]:
    """Products of all samples with each other, a block of features at a time to spare a float64 copy of all."""
    gram = np.zeros((len(X), len(X)))
    for start in range(0, X.shape[1], BLOCK_FEATURES):
        block = np.ascontiguousarray(X[:, start : start + BLOCK_FEATURES], np.float64)
        gram += block @ block.T
    return gram


def fit_sigmoid(
    decision: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Slope `a` and offset `b` of the sigmoid of ``a·decision + b`` that fits `positive` best.

    Newton's method on the weighted log loss of Platt's smoothed targets, which keep the slope finite where the classes
    are apart. Values that say nothing of the class, or the opposite, are left as they are: slope 1, offset 0.
    """
    n_positive = weights[positive].sum()
    n_negative = weights[~positive].sum()
    targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    scale = float(np.abs(decision).max()) or 1.0  # so that the step does not depend on the unit
    values = decision / scale

    def loss(slope: float, offset: float) -> float:
        logit = slope * values + offset
        return float(weights @ (np.logaddexp(0.0, logit) - targets * logit))

    slope, offset = 0.0, float(np.log((n_positive + 1) / (n_negative + 1)))
    current = loss(slope, offset)
    for _ in range(100):
        probability = 0.5 + 0.5 * np.tanh(0.5 * (slope * values + offset))
        residual = weights * (probability - targets)
        gradient = np.array([residual @ values, residual.sum()])
        if np.abs(gradient).max() < 1e-9 * weights.sum():
            break
        curvature = weights * probability * (1 - probability)
        cross = curvature @ values
        hessian = np.array([[curvature @ values**2, cross], [cross, curvature.sum()]]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-10:
            better = loss(slope - size * step[0], offset - size * step[1])
            if better < current - 1e-4 * size * float(gradient @ step):
                break
            size /= 2
        else:
            break
        slope, offset, current = slope - size * step[0], offset - size * step[1], better
    return (slope / scale, offset) if slope > 0 else (1.0, 0.0)
