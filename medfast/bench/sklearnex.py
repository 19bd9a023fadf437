"""The cases done by the Extension for Scikit-learn, where it is installed."""

from typing import Any

from numpy.typing import NDArray

from medfast.bench.library import Prepared, Unavailable


def kmeans_vectors(samples: NDArray[Any], labels: NDArray[Any], centers: NDArray[Any], *, iterations: int) -> Prepared:
    try:
        from sklearnex.cluster import KMeans
    except ImportError:
        raise Unavailable("scikit-learn-intelex is not installed") from None
    return Prepared(
        lambda: KMeans(len(centers), init=centers, n_init=1, max_iter=iterations, tol=0.0).fit(samples).labels_
    )
