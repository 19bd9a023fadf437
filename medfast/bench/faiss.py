"""The cases done by faiss, where it is installed."""

from typing import Any

from numpy.typing import NDArray

from medfast.bench.library import Prepared, Unavailable


def kmeans_vectors(samples: NDArray[Any], labels: NDArray[Any], centers: NDArray[Any], *, iterations: int) -> Prepared:
    try:
        import faiss
    except ImportError:
        raise Unavailable("faiss is not installed") from None
    bounds = {"max_points_per_centroid": 2**31 - 1, "min_points_per_centroid": 1}

    def call() -> NDArray[Any]:
        found = faiss.Kmeans(samples.shape[1], len(centers), niter=iterations, **bounds)
        found.train(samples, init_centroids=centers.copy())
        return found.index.search(samples, 1)[1].ravel()

    return Prepared(call)
