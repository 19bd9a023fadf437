"""The classifier: a support vector machine, linear or Gaussian, whose decision values are calibrated."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC
from sklearn.utils import check_consistent_length
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from medfast import _validate
from medfast._learning import kernel as kernels
from medfast._learning import machines, recipes
from medfast._learning.calibration import fit_sigmoid
from medfast._learning.probability import to_probabilities

MOST_GRAM = 10_000
"""Samples up to which all their products are kept (800 MB): each fold and class is then fitted without touching a
feature."""


class SVM(ClassifierMixin, BaseEstimator):
    """Support vector machine, linear or Gaussian, with calibrated probabilities.

    One machine per class against the rest (one in all for two classes), each calibrated by a sigmoid that is fitted to
    cross-validated decision values.

    Parameters
    ----------
    C : float, default=1.0
        Penalty of the hinge loss, > 0.
    kernel : {"linear", "rbf"}, default="linear"
        The dot product of two samples, or ``exp(-gamma · d²)`` of their distance.
    gamma : float, optional
        Of the Gaussian kernel, > 0. When omitted, 1 over the number of features times their variance, to three digits.
    class_weight : {"balanced"}, dict or None, default="balanced"
        Weight of each class, in the loss and in the calibration. "balanced" is inverse to its frequency: probabilities
        are then those for classes equally frequent.
    n_folds : int, default=5
        Folds of the calibration, >= 2; as many as the rarest class has members (or groups) where that is less. Where
        that leaves no fold, the sigmoid is fitted to the training data themselves.
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
        Weights of the decision function, calibration included; with the linear kernel alone.
    support_vectors_ : ndarray of shape (n_support, n_features)
        Samples that the decision function looks at; with the Gaussian kernel alone.
    dual_coef_ : ndarray of shape (1 or n_classes, n_support)
        Their weights, calibration included; with the Gaussian kernel alone.
    gamma_ : float
        What `gamma` is, or what it came out as; with the Gaussian kernel alone.
    intercept_ : ndarray of shape (1 or n_classes,)
        Constants of the decision function.
    n_features_in_ : int
        Features seen in `fit`.

    See Also
    --------
    sklearn.calibration.CalibratedClassifierCV : Calibrates any classifier, also by isotonic regression.

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
    >>> from medfast.sklearn import SVM
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    >>> svm = SVM(kernel="rbf").fit(X, ["low", "low", "high", "high", "low", "low"])
    >>> svm.predict([[0.5], [6.0], [11.5]])
    array(['low', 'high', 'low'], dtype='<U4')
    """

    _wants_gaps = False  # whether `_gaps` is to hold the distance of each sample from the nearest other one
    _gaps: NDArray[np.float64] | None = None

    def __init__(
        self,
        C: float = 1.0,
        *,
        kernel: str = "linear",
        gamma: float | None = None,
        class_weight: Any = "balanced",
        n_folds: int = 5,
        random_state: Any = 0,
        feature_step: float | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.class_weight = class_weight
        self.n_folds = n_folds
        self.random_state = random_state
        self.feature_step = feature_step
        self.num_threads = num_threads

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> "SVM":
        """Fit the machines and their calibration.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.
        y : array_like of shape (n_samples,)
            Labels; at least two different ones.
        groups : array_like of shape (n_samples,), optional
            What belongs together, such as the images of a patient: no group is on both sides of a fold.

        Returns
        -------
        SVM
            The estimator itself.
        """
        samples: NDArray[Any]
        samples, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        kernel = _validate.as_choice(self._kernel(), "kernel", recipes.KERNELS)
        penalty = _validate.as_float(self.C, "C", above=0)
        n_folds = _validate.as_int(self.n_folds, "n_folds", minimum=2)
        if groups is not None:
            groups = column_or_1d(groups)
            check_consistent_length(samples, groups)
        self.classes_, codes = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"y must hold at least 2 classes, got 1 class: {self.classes_[0]!r}")
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)[codes]
        positives = machines.targets(codes, n_classes)
        everything = np.arange(len(codes))
        parts = [(everything, everything), *machines.folds(codes, n_folds, self.random_state, groups)]
        if kernel == "rbf":
            given = getattr(self, "gamma", None)
            default = given is None
            self.gamma_ = kernels.default_gamma(samples) if default else _validate.as_float(given, "gamma", above=0)
        known = self._kernel_of(samples, kernel) if len(codes) <= MOST_GRAM else None
        fitted: list[Any] = [None] * len(positives)
        held_out = np.empty((len(positives), len(codes)))

        def fit_one(job: int) -> None:
            machine, part = divmod(job, len(parts))
            train, test = parts[part]
            if known is None:
                found, values = self._fit_to_features(
                    samples, train, test, positives[machine], weights, kernel, penalty
                )
            else:
                found = machines.fit(known, train, positives[machine], weights, penalty)
                values = found.values(known, test)
            if part == 0:
                fitted[machine] = found
            if part > 0 or len(parts) == 1:
                held_out[machine, test] = values

        machines.for_jobs(len(positives) * len(parts), fit_one, self.num_threads)
        lines = [fit_sigmoid(held_out[m], positives[m], weights) for m in range(len(positives))]
        self.intercept_ = np.array(
            [slope * machine.intercept + offset for machine, (slope, offset) in zip(fitted, lines, strict=True)]
        )
        slopes = [slope for slope, _ in lines]
        step = self.feature_step
        step = None if step is None else _validate.as_float(step, "feature_step", above=0)
        if kernel == "linear":
            coef = [
                slope * (machine.dual @ samples[machine.support].astype(np.float64))
                for machine, slope in zip(fitted, slopes, strict=True)
            ]
            self.coef_ = np.array(coef) if step is None else recipes.exact_weights(np.array(coef), step)
        else:
            support = np.unique(np.concatenate([machine.support for machine in fitted]))
            self.dual_coef_ = np.zeros((len(fitted), len(support)))
            for row, machine, slope in zip(self.dual_coef_, fitted, slopes, strict=True):
                row[np.searchsorted(support, machine.support)] = slope * machine.dual
            self.support_vectors_ = samples[support]
            if step is not None:
                self.dual_coef_ = recipes.exact_weights(self.dual_coef_, kernels.KERNEL_STEP)
        return self

    def _kernel(self) -> str:
        return self.kernel

    def _kernel_of(self, samples: NDArray[Any], kernel: str) -> NDArray[np.float64]:
        known = kernels.products(samples)
        lengths = kernels.squares(samples)
        if self._wants_gaps:
            self._gaps = kernels.gaps(known, lengths, self.num_threads)
        if kernel == "rbf":
            # in the same memory: the first touch of so much takes longer than what is done there
            known = kernels.gaussian(known, lengths, lengths, self.gamma_, self.num_threads, out=known)
        return known

    def _fit_to_features(
        self,
        samples: NDArray[Any],
        train: NDArray[np.intp],
        test: NDArray[np.intp],
        positive: NDArray[np.bool_],
        weights: NDArray[np.float64],
        kernel: str,
        penalty: float,
    ) -> tuple[machines.Machine, NDArray[np.float64]]:
        """A machine, and its values of `test`, where there are too many samples to keep their products."""
        svc = SVC(kernel=kernel, C=penalty, gamma=self.gamma_ if kernel == "rbf" else "scale")
        svc.fit(samples[train], positive[train], sample_weight=weights[train])
        machine = machines.Machine(train[svc.support_], svc.dual_coef_[0], float(svc.intercept_[0]))
        return machine, svc.decision_function(samples[test])

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
        if self._kernel() == "linear":
            decision = samples @ self.coef_.T + self.intercept_
        else:
            values = kernels.gaussian_of(samples, self.support_vectors_, self.gamma_)
            decision = values @ self.dual_coef_.T + self.intercept_
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


class LinearSVM(SVM):
    """Linear support vector machine with calibrated probabilities: `SVM` with the linear kernel.

    Parameters
    ----------
    C : float, default=1.0
        Penalty of the hinge loss, > 0.
    class_weight : {"balanced"}, dict or None, default="balanced"
        As for `SVM`.
    n_folds : int, default=5
        As for `SVM`.
    random_state : int, RandomState instance or None, default=0
        As for `SVM`.
    feature_step : float, optional
        As for `SVM`.
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

    def _kernel(self) -> str:
        return "linear"
