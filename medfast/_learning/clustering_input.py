"""What k-means as an estimator is given: parameters, samples, weights, starts; checked as scikit-learn does."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from medfast import _validate
from medfast._drivers import seeding
from medfast._drivers.samples import Samples

STARTS = 10
"""Of "random" or a callable, with ``n_init="auto"``."""


class Input(BaseEstimator):
    """The part of `KMeans` that reads what it is given."""

    n_clusters: int
    init: Any
    n_init: Any
    max_iter: int
    tol: float
    verbose: int
    algorithm: str
    num_threads: int | None
    cluster_centers_: NDArray[Any]

    def _checked(self) -> tuple[int, float, Callable[[str], None] | None]:
        """Most iterations, tolerance and where reports go; every parameter but `init` is looked at."""
        _validate.as_int(self.n_clusters, "n_clusters", minimum=1, maximum=2**31 - 1)
        _validate.as_choice(self.algorithm, "algorithm", ("lloyd", "elkan"))
        if self.algorithm == "elkan" and self.n_clusters == 1:
            warnings.warn(
                "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.",
                RuntimeWarning,
                stacklevel=3,
            )
        if isinstance(self.n_init, str):
            _validate.as_choice(self.n_init, "n_init", ("auto",))
        else:
            _validate.as_int(self.n_init, "n_init", minimum=1)
        if isinstance(self.init, str):
            _validate.as_choice(self.init, "init", ("k-means++", "random"))
        _validate.as_threads(self.num_threads)
        max_iter = _validate.as_int(self.max_iter, "max_iter", minimum=1)
        return max_iter, _validate.as_float(self.tol, "tol", minimum=0.0), print if self.verbose else None

    def _read(self, X: Any, *, reset: bool) -> NDArray[Any]:
        """Samples as a dense array of a dtype that the kernels take; one feature keeps the integers that they count."""
        _validate.check_plain(X, "X")
        dtypes: Any = [np.float64, np.float32]
        if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1 and X.dtype in _validate.DTYPES:
            dtypes = [X.dtype]
        data = validate_data(self, X, accept_sparse="csr", accept_large_sparse=False, dtype=dtypes, reset=reset)
        if not isinstance(data, np.ndarray):
            data = data.toarray()
        return data if data.flags.c_contiguous else np.ascontiguousarray(data)

    def _weights(self, sample_weight: Any, n_samples: int) -> NDArray[np.float64] | None:
        if sample_weight is None:
            return None
        weights = _validate.as_weights(np.asarray(sample_weight), (n_samples,))
        if weights is not None and not weights.any():
            raise ValueError("sample_weight must have a weight above zero, got zeros alone")
        return weights

    def _fitted(self, X: Any, sample_weight: Any = None) -> tuple[Samples, NDArray[Any]]:
        """Samples, and the centers in the precision of the work on them."""
        check_is_fitted(self)
        data = self._read(X, reset=False)
        samples = Samples(data, self._weights(sample_weight, len(data)), self.num_threads)
        return samples, np.ascontiguousarray(self.cluster_centers_, samples.dtype)

    def _forget(self) -> None:
        """What earlier batches have left."""
        for name in ("_n_batches", "_histogram", "_counts"):
            if hasattr(self, name):
                delattr(self, name)

    def _start(self, data: NDArray[Any]) -> NDArray[Any] | None:
        """Given centers, as an array of their own, or None."""
        if isinstance(self.init, str) or callable(self.init):
            return None
        return self._as_centers(check_array(self.init, dtype=_work_dtype(data), copy=True, order="C"), data)

    def _as_centers(self, centers: NDArray[Any], data: NDArray[Any]) -> NDArray[Any]:
        for have, need, of in (
            (centers.shape[0], self.n_clusters, "clusters"),
            (centers.shape[1], data.shape[1], "features of the data"),
        ):
            if have != need:
                raise ValueError(
                    f"The shape of the initial centers {centers.shape} does not match the number of {of} {need}."
                )
        return centers

    def _starts(self, is_given: bool) -> int:
        n_init = self.n_init
        if n_init == "auto":
            n_init = 1 if is_given or (isinstance(self.init, str) and self.init == "k-means++") else STARTS
        if is_given and n_init != 1:
            warnings.warn(
                "Explicit initial center position passed: performing only one init in "
                f"{type(self).__name__} instead of n_init={n_init}.",
                RuntimeWarning,
                stacklevel=3,
            )
            n_init = 1
        return n_init

    def _pick(self, samples: Samples, random_state: "np.random.RandomState") -> NDArray[Any]:
        """Centers to start from."""
        if callable(self.init):
            centers = self.init(samples.data, self.n_clusters, random_state=random_state)
            return self._as_centers(check_array(centers, dtype=samples.dtype, copy=True, order="C"), samples.data)
        if self.init == "random":
            if not len(samples.weights):  # drawn by weight, for then scikit-learn's numbers have its meaning
                samples = Samples(samples.data, np.ones(len(samples.data)), self.num_threads)
            return seeding.random_centers(samples, self.n_clusters, random_state)
        return seeding.plus_plus_centers(samples, self.n_clusters, random_state)


def _work_dtype(data: NDArray[Any]) -> np.dtype:
    """In which the kernels work on it."""
    return np.dtype(np.float64 if data.dtype == np.float64 else np.float32)


def n_distinct(labels: NDArray[np.int32], n_clusters: int) -> int:
    """How many clusters have samples. Mostly the first samples tell that all have: no need to count 0.5 ns a sample."""
    for some in (labels[:4096], labels):
        n_found = np.count_nonzero(np.bincount(some, minlength=n_clusters))
        if n_found == n_clusters:
            break
    return int(n_found)


def center_dtype(data: NDArray[Any]) -> np.dtype:
    return np.dtype(np.float32 if data.dtype == np.float32 else np.float64)
