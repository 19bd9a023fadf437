"""The classifier at the end of the pipeline: scikit-learn's, the same object for every library."""

import functools
from typing import Any

import numpy as np

from medfast.bench.library import Unavailable


@functools.cache
def linear_svm(n_features: int) -> Any:
    """A linear SVM, C = 1, fitted to a few random vectors: what is timed is its answer, not its training."""
    try:
        from sklearn.svm import LinearSVC
    except ImportError:
        raise Unavailable("scikit-learn is not installed") from None
    rng = np.random.default_rng(1)
    return LinearSVC(C=1.0, random_state=0).fit(rng.random((16, n_features), np.float32), np.arange(16) % 2)
