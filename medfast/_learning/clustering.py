"""k-means as an estimator, with the parameters and attributes of scikit-learn's."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from medfast._drivers import lloyd, partition
from medfast._drivers.samples import Samples
from medfast._learning.clustering_input import Input, center_dtype, n_distinct


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Input):
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
        n_found = n_distinct(self.labels_, self.n_clusters)
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
        return lloyd.nearest(samples, centers)

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
        return -samples.inertia(centers, lloyd.nearest(samples, centers))

    def _learn_vectors(
        self,
        data: NDArray[Any],
        weights: NDArray[np.float64] | None,
        start: NDArray[Any] | None,
        max_iter: int,
        tol: float,
        report: Callable[[str], None] | None,
    ) -> None:
        samples = Samples(data, weights, self.num_threads)
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
        self._keep(centers[:, np.newaxis].astype(center_dtype(data)), labels, inertia, 1)

    def _learn_batch(self, data: NDArray[Any], weights: NDArray[np.float64] | None, is_first: bool) -> None:
        """Each center becomes the mean of what was nearest to it so far."""
        if is_first:
            if len(data) < self.n_clusters:
                raise ValueError(f"n_samples={len(data)} should be >= n_clusters={self.n_clusters}.")
            start = self._start(data)
            self._random_state = check_random_state(self.random_state)
            if start is None:
                start = self._pick(Samples(data, weights, self.num_threads), self._random_state)
            self.cluster_centers_, self._counts = start, np.zeros(self.n_clusters)
        dtype = self.cluster_centers_.dtype
        samples = Samples(data.astype(dtype, copy=False), weights, self.num_threads)
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
