"""The cases done by the Extension for Scikit-learn."""

import importlib.metadata
from typing import Any

from numpy.typing import NDArray
from sklearnex.cluster import KMeans

from medfast.bench.library import Prepared

VERSION = importlib.metadata.version("scikit-learn-intelex")


def kmeans_vectors(samples: NDArray[Any], labels: NDArray[Any], centers: NDArray[Any], *, iterations: int) -> Prepared:
    return Prepared(
        lambda: KMeans(len(centers), init=centers, n_init=1, max_iter=iterations, tol=0.0).fit(samples).labels_
    )
