"""The cases done by faiss."""

from typing import Any

import faiss
from numpy.typing import NDArray

from medfast.bench.library import Prepared

VERSION = faiss.__version__


def kmeans_vectors(samples: NDArray[Any], labels: NDArray[Any], centers: NDArray[Any], *, iterations: int) -> Prepared:
    def call() -> NDArray[Any]:
        found = faiss.Kmeans(
            samples.shape[1],
            len(centers),
            niter=iterations,
            max_points_per_centroid=2**31 - 1,
            min_points_per_centroid=1,
        )
        found.train(samples, init_centroids=centers.copy())
        return found.index.search(samples, 1)[1].ravel()

    return Prepared(call)
