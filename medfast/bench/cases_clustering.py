"""The cases of k-means and of thresholds."""

from collections.abc import Callable

import numpy as np

from medfast.bench import images
from medfast.bench.agreement import Exact, Inputs, NoMoreInertia
from medfast.bench.case import Case, head


def _vectors(n_samples: int, n_features: int, n_clusters: int) -> Callable[[], Inputs]:
    """Samples, labels to start from, and the centers that those labels give: the same start for every library."""

    def build() -> Inputs:
        samples = images.voxel_features(n_samples, n_features, n_clusters)
        first = samples[:n_clusters].astype(np.float64)
        squares = (first**2).sum(axis=1) / 2
        blocks = (samples[i : i + 10_000] for i in range(0, n_samples, 10_000))
        labels = np.concatenate([np.argmin(squares - block @ first.T, axis=1) for block in blocks]).astype(np.int32)
        centers = [samples[labels == label].mean(axis=0, dtype=np.float64) for label in range(n_clusters)]
        return Inputs((samples, labels, np.array(centers, np.float32)))

    return build


def _few_levels() -> Inputs:
    """A head of 16 bits with as many levels as scikit-image can search."""
    return Inputs((images.head(512, 512, "uint16")[0] >> 4,))


SAME_OPTIMUM = NoMoreInertia(1e-6)
SAME_START = NoMoreInertia(1e-5)

CLUSTERING = (
    Case(
        "kmeans-uint8-256-k2", "k-means uint8 256², k = 2", ("histogram", "partition"), "kmeans", head(256),
        {"opencv": SAME_OPTIMUM, "sklearn": SAME_OPTIMUM},
        "Object from background; the others from ten starts.",
        {"n_clusters": 2}, quick=True,
    ),
    Case(
        "kmeans-uint8-512-k4", "k-means uint8 512², k = 4", ("histogram", "partition"), "kmeans", head(512),
        {"opencv": SAME_OPTIMUM},
        "Tissue classes.",
        {"n_clusters": 4},
    ),
    Case(
        "kmeans-uint8-512-k8", "k-means uint8 512², k = 8", ("histogram", "partition"), "kmeans", head(512),
        {"opencv": SAME_OPTIMUM},
        "More classes: the starts matter more, the optimum costs little more.",
        {"n_clusters": 8}, most_rounds=5,
    ),
    Case(
        "kmeans-uint16-512-k4", "k-means uint16 512², k = 4", ("histogram", "partition"), "kmeans",
        head(512, "uint16"),
        {"opencv": SAME_OPTIMUM},
        "4096 gray levels in use.",
        {"n_clusters": 4},
    ),
    Case(
        "kmeans-vectors", "k-means 100 000 × 8, k = 8, 20 iterations", ("kmeans",), "kmeans_vectors",
        _vectors(100_000, 8, 8),
        {"opencv": SAME_START, "sklearn": SAME_START, "sklearnex": SAME_START},
        "Vectors from the same start: Lloyd's iterations and nothing else.",
        {"iterations": 20}, quick=True,
    ),
    Case(
        "kmeans-colours", "k-means 1 000 000 × 3, k = 16, 20 iterations", ("kmeans",), "kmeans_vectors",
        _vectors(1_000_000, 3, 16),
        {"opencv": SAME_START, "sklearn": SAME_START, "sklearnex": SAME_START, "faiss": NoMoreInertia(1e-2)},
        "As many as the pixels of a colour image. faiss never stops early, but splits clusters as it likes.",
        {"iterations": 20}, most_rounds=3,
    ),
    Case(
        "kmeans-wide", "k-means 100 000 × 128, k = 256, 20 iterations", ("kmeans",), "kmeans_vectors",
        _vectors(100_000, 128, 256),
        {"sklearn": NoMoreInertia(1e-4), "faiss": NoMoreInertia(1e-2)},
        "Where the others multiply matrices.",
        {"iterations": 20}, most_rounds=1, by_name=True,
    ),
    Case(
        "multiotsu-uint16-512", "Otsu thresholds uint16 512², 4 classes", ("histogram", "partition"), "multiotsu",
        _few_levels,
        {"skimage": Exact()},
        "256 levels of 16 bits: scikit-image tries all combinations, and does not finish on 4096.",
        {"classes": 4}, most_rounds=1,
    ),
)  # fmt: skip
"""In the order of the table."""
