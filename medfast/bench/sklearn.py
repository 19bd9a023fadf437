"""The cases done by scikit-learn."""

from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from medfast.bench.library import Prepared

VERSION = sklearn.__version__


def kmeans(image: NDArray[Any], *, n_clusters: int) -> Prepared:
    def call() -> NDArray[np.int32]:
        column = image.reshape(-1, 1).astype(np.float32)
        return KMeans(n_clusters, n_init=10, random_state=0).fit(column).labels_

    return Prepared(call, lambda labels: labels.reshape(image.shape))


def kmeans_vectors(samples: NDArray[Any], labels: NDArray[Any], centers: NDArray[Any], *, iterations: int) -> Prepared:
    return Prepared(
        lambda: KMeans(len(centers), init=centers, n_init=1, max_iter=iterations, tol=0.0).fit(samples).labels_
    )
