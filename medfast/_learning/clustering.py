"""k-means as an estimator, with the parameters and attributes of scikit-learn's."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from medfast import _validate
from medfast._drivers import lloyd, partition

STARTS = 10
"""Of "random" or a callable, with ``n_init="auto"``."""


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Cluster samples by k-means, in place of ``sklearn.cluster.KMeans``.

    Samples of one feature, such as the pixels of a gray image, get the global optimum; vectors are clustered by Lloyd's
    algorithm.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters, >= 1.
    init : {"k-means++", "random"}, callable or array_like of shape (n_clusters, n_features), default="k-means++"
        How to start: greedy k-means++, different samples at random, a function of data, number of clusters and random
        state that gives the centers, or these centers.
    n_init : "auto" or int, default="auto"
        Starts, of which the one with the least inertia is kept. "auto": 1 for k-means++ and given centers, else 10.
    max_iter : int, default=300
        Most iterations of a start, >= 1.
    tol : float, default=1e-4
        Stop when the squared shift of all centers is at most this fraction of the mean variance of the features, >= 0.
    verbose : int, default=0
        Whether iterations are printed.
    random_state : int, RandomState instance or None, default=None
        Source of random numbers; its numbers are used as by scikit-learn.
    copy_x : bool, default=True
        Taken for compatibility; the data are never changed.
    algorithm : {"lloyd", "elkan"}, default="lloyd"
        Taken for compatibility: both give the same clusters, and distances are left out where bounds allow it anyway.
    num_threads : int, optional
        Most threads to use, >= 1. The result does not depend on it.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Mean of each cluster; float32 for float32 data, else float64.
    labels_ : ndarray of shape (n_samples,), dtype int32
        Cluster of each sample, of the last batch after `partial_fit`.
    inertia_ : float
        Sum of the squared distances of the samples to their centers, weighted by `sample_weight`; of the last batch
        after `partial_fit` of vectors.
    n_iter_ : int
        Iterations of the best run; 1 for one feature. After `partial_fit`, the batches so far.
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if they have any.

    See Also
    --------
    medfast.kmeans : The function behind it, which takes images as they are.

    Notes
    -----
    From the same centers, labels, centers, inertia and number of iterations are those of scikit-learn (ties aside), and
    mostly so from the same `random_state`. Data of one feature need no start unless centers are given: their optimum is
    found from the distinct values, rising labels are rising centers, and `partial_fit` adds counts up, so that it ends
    with the optimum of all data seen: exactly, in memory that grows with the distinct values alone. Vectors are learnt
    batch by batch as by scikit-learn's ``MiniBatchKMeans.partial_fit`` without reassignment: each center is the mean of
    all samples that were nearest to it when they came [1]_. Sparse data are made dense, which takes as much memory as
    dense ones.

    References
    ----------
    .. [1] D. Sculley, "Web-scale k-means clustering", WWW 2010. :doi:`10.1145/1772690.1772862`

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.sklearn import KMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> kmeans = KMeans(2, random_state=0).fit(X)
    >>> kmeans.labels_
    array([1, 1, 1, 0, 0, 0], dtype=int32)
    >>> kmeans.predict([[0, 0], [12, 3]])
    array([1, 0], dtype=int32)
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: Any = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
        num_threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.num_threads = num_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> "KMeans":
        """Find the clusters.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n_samples, n_features)
            Samples. Other dtypes than float32 and float64 become float64.
        y : ignored
            Not used.
        sample_weight : array_like of shape (n_samples,), optional
            Weight of each sample, >= 0. All 1 when omitted.

        Returns
        -------
        KMeans
            The estimator itself.
        """
        options = self._checked()
        data = self._read(X, reset=True)
        weights = self._weights(sample_weight, len(data))
        if len(data) < self.n_clusters:
            raise ValueError(f"n_samples={len(data)} should be >= n_clusters={self.n_clusters}.")
        self._forget()
        start = self._start(data)
        self._n_init = self._starts(start is not None)
        if data.shape[1] == 1 and isinstance(self.init, str):
            self._learn_channel(data, weights)
        else:
            self._learn_vectors(data, weights, start, *options)
        n_found = len(np.unique(self.labels_))
        if n_found < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({n_found}) found smaller than n_clusters ({self.n_clusters}). Possibly "
                "due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def partial_fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> "KMeans":
        """Learn from one more batch of samples.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n_samples, n_features)
            Samples; of vectors, at least `n_clusters` in the first batch.
        y : ignored
            Not used.
        sample_weight : array_like of shape (n_samples,), optional
            Weight of each sample, >= 0. All 1 when omitted.

        Returns
        -------
        KMeans
            The estimator itself.
        """
        self._checked()
        is_first = not hasattr(self, "_n_batches")
        data = self._read(X, reset=is_first)
        weights = self._weights(sample_weight, len(data))
        if data.shape[1] == 1 and isinstance(self.init, str):
            self._learn_channel(data, weights)
        else:
            self._learn_batch(data, weights, is_first)
        self._n_batches = self.n_iter_ = getattr(self, "_n_batches", 0) + 1
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Label samples by their nearest center.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,), dtype int32
            Their clusters; of centers equally near, the first.
        """
        samples, centers = self._fitted(X)
        return samples.nearest(centers)

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Give the distances of samples to the centers.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters)
            Distances, not squared.
        """
        samples, centers = self._fitted(X)
        squares = np.empty((len(centers), len(samples.data)), samples.dtype)
        infinite = np.full(len(samples.data), np.inf, samples.dtype)
        for center, row in zip(centers, squares, strict=True):
            samples.lower(center, infinite, row)
        return np.sqrt(squares.T, order="C")

    def fit_transform(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> NDArray[Any]:
        """Find the clusters, and give the distances of the samples to the centers.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : ignored
            Not used.
        sample_weight : array_like of shape (n_samples,), optional
            Weight of each sample, >= 0.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters)
            Distances, not squared.
        """
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def fit_predict(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> NDArray[np.int32]:
        """Find the clusters, and give the labels of the samples.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : ignored
            Not used.
        sample_weight : array_like of shape (n_samples,), optional
            Weight of each sample, >= 0.

        Returns
        -------
        ndarray of shape (n_samples,), dtype int32
            ``labels_``.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def score(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Inertia of samples about their nearest centers, negative.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : ignored
            Not used.
        sample_weight : array_like of shape (n_samples,), optional
            Weight of each sample, >= 0.

        Returns
        -------
        float
            The higher, the better.
        """
        samples, centers = self._fitted(X, sample_weight)
        return -samples.inertia(centers, samples.nearest(centers))

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

    def _fitted(self, X: Any, sample_weight: Any = None) -> tuple[lloyd.Samples, NDArray[Any]]:
        """Samples, and the centers in the precision of the work on them."""
        check_is_fitted(self)
        data = self._read(X, reset=False)
        samples = lloyd.Samples(data, self._weights(sample_weight, len(data)), self.num_threads)
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

    def _pick(self, samples: lloyd.Samples, random_state: "np.random.RandomState") -> NDArray[Any]:
        """Centers to start from."""
        if callable(self.init):
            centers = self.init(samples.data, self.n_clusters, random_state=random_state)
            return self._as_centers(check_array(centers, dtype=samples.dtype, copy=True, order="C"), samples.data)
        weighted = samples
        if not len(samples.weights):  # drawn by weight, for then scikit-learn's numbers have its meaning
            weighted = lloyd.Samples(samples.data, np.ones(len(samples.data)), self.num_threads)
        if self.init == "random":
            return lloyd.random_centers(weighted, self.n_clusters, random_state)
        return lloyd.plus_plus_centers(weighted, self.n_clusters, random_state)

    def _learn_vectors(
        self,
        data: NDArray[Any],
        weights: NDArray[np.float64] | None,
        start: NDArray[Any] | None,
        max_iter: int,
        tol: float,
        report: Callable[[str], None] | None,
    ) -> None:
        samples = lloyd.Samples(data, weights, self.num_threads)
        random_state = check_random_state(self.random_state)
        tolerance = tol * samples.mean_variance() if tol else 0.0
        best: lloyd.Clusters | None = None
        for _ in range(self._n_init):
            centers = self._pick(samples, random_state) if start is None else start
            if report:
                report("Initialization complete")
            run = lloyd.lloyd(samples, centers, max_iter=max_iter, tolerance=tolerance, report=report)
            if best is None or run.inertia < best.inertia:
                best = run
        assert best is not None
        self._keep(best.centers, best.labels, best.inertia, best.n_iter)

    def _learn_channel(self, data: NDArray[Any], weights: NDArray[np.float64] | None) -> None:
        """The optimum of the values so far."""
        values = data[:, 0]
        levels, counts = partition.distinct(values, None, weights, self.num_threads)
        earlier: tuple[NDArray[np.float64], NDArray[np.float64]] | None = getattr(self, "_histogram", None)
        if earlier is not None:
            levels, places = np.unique(np.concatenate([earlier[0], levels]), return_inverse=True)
            counts = np.bincount(places, np.concatenate([earlier[1], counts])).astype(np.float64)
        self._histogram = levels, counts
        bounds, found, inertia = partition.optimum(levels, counts, self.n_clusters, are_counts=weights is None)
        labels = np.empty(len(data), np.int32)
        partition.label(values, levels[bounds[1:-1] - 1].astype(data.dtype), 0, labels, self.num_threads)
        centers = np.repeat(found[-1:], self.n_clusters)  # centers left over repeat the highest
        centers[: len(found)] = found
        self._keep(centers[:, np.newaxis].astype(_center_dtype(data)), labels, inertia, 1)

    def _learn_batch(self, data: NDArray[Any], weights: NDArray[np.float64] | None, is_first: bool) -> None:
        """Each center becomes the mean of what was nearest to it so far."""
        if is_first:
            if len(data) < self.n_clusters:
                raise ValueError(f"n_samples={len(data)} should be >= n_clusters={self.n_clusters}.")
            start = self._start(data)
            self._random_state = check_random_state(self.random_state)
            if start is None:
                start = self._pick(lloyd.Samples(data, weights, self.num_threads), self._random_state)
            self.cluster_centers_, self._counts = start, np.zeros(self.n_clusters)
        dtype = self.cluster_centers_.dtype
        samples = lloyd.Samples(data.astype(dtype, copy=False), weights, self.num_threads)
        labelling = lloyd.Labelling(samples, self.cluster_centers_)
        sums, batch, _ = labelling.assign(self.cluster_centers_)
        counts = self._counts + batch
        is_met = batch > 0
        centers = self.cluster_centers_.astype(np.float64)
        centers[is_met] += (sums[is_met] - batch[is_met, None] * centers[is_met]) / counts[is_met, None]
        inertia = samples.inertia(self.cluster_centers_, labelling.labels)
        self._counts = counts
        self._keep(centers.astype(dtype), labelling.labels, inertia, 1)

    def _keep(self, centers: NDArray[Any], labels: NDArray[np.int32], inertia: float, n_iter: int) -> None:
        self.cluster_centers_ = centers
        self._n_features_out = len(centers)
        self.labels_, self.inertia_, self.n_iter_ = labels, inertia, n_iter


def _work_dtype(data: NDArray[Any]) -> np.dtype:
    """In which the kernels work on it."""
    return np.dtype(np.float64 if data.dtype == np.float64 else np.float32)


def _center_dtype(data: NDArray[Any]) -> np.dtype:
    return np.dtype(np.float32 if data.dtype == np.float32 else np.float64)
