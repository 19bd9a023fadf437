"""Where Lloyd's algorithm starts from."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._drivers.samples import Samples


def plus_plus_centers(
    samples: Samples, n_clusters: int, generator: "np.random.Generator | np.random.RandomState"
) -> NDArray[Any]:
    """Greedy k-means++: of a few samples drawn by squared distance, the one that lowers the inertia most."""
    n_samples = len(samples.data)
    n_trials = 2 + int(math.log(n_clusters))
    if len(samples.weights):
        chosen = [int(_draw(samples.weights, 1, generator)[0])]
    elif isinstance(generator, np.random.Generator):
        chosen = [int(generator.integers(n_samples))]
    else:  # as if drawn by weights of 1, for then scikit-learn's numbers have its meaning
        chosen = [int(generator.random(1)[0] * n_samples)]
    closest, best_closest, trial = np.full((3, n_samples), np.inf, samples.dtype)
    samples.lower(samples.take(chosen[0]), closest, closest)
    while len(chosen) < n_clusters:
        potential = closest * samples.weights if len(samples.weights) else closest
        best, least = -1, math.inf
        for candidate in _draw(potential, n_trials, generator):
            inertia = samples.lower(samples.take(candidate), closest, trial)
            if best < 0 or inertia < least:
                best, least = int(candidate), inertia
                best_closest, trial = trial, best_closest
        chosen.append(best)
        closest, best_closest = best_closest, closest
    return samples.take(chosen)


def random_centers(
    samples: Samples, n_clusters: int, generator: "np.random.Generator | np.random.RandomState"
) -> NDArray[Any]:
    """Different samples, drawn by weight."""
    chances = samples.weights / samples.weights.sum() if len(samples.weights) else None
    return samples.take(generator.choice(len(samples.data), n_clusters, replace=False, p=chances))


def _draw(weights: NDArray[Any], n: int, generator: "np.random.Generator | np.random.RandomState") -> NDArray[np.intp]:
    """`n` indices, drawn by weight, with replacement."""
    cumulated = np.cumsum(weights, dtype=np.float64)
    # Up to the last rounding; "right" never draws an index of weight 0.
    drawn = np.searchsorted(cumulated, generator.random(n) * cumulated[-1], side="right")
    return np.minimum(drawn, len(weights) - 1)
