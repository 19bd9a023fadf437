"""How `HOGDescriptor.detectMultiScale` of OpenCV chooses its sizes, and groups what it found at them.

Rectangles are rows of x, y, width, height. Numbers round as OpenCV rounds them, half to even.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []

_EPSILON = 0.2  # how far apart, in parts of their sides, rectangles may be that belong together
_KERNEL = (8.0, 16.0, math.log(1.3))  # of mean shift: pixels, pixels, logarithm of a scale
_MOST_SHIFTS = 100
_RESTING = 1e-5  # a shift so small, squared and in widths of the kernel, is the last


def pyramid(size: tuple[int, int], window: tuple[int, int], scale: float, n_levels: int) -> list[float]:
    """By what an image of `size` is divided, level by level, while it holds a window; all pairs are (width, height)."""
    scales: list[float] = []
    divisor = 1.0
    for _ in range(max(1, n_levels)):
        if scales and (round(size[0] / divisor) < window[0] or round(size[1] / divisor) < window[1]):
            break
        scales.append(divisor)
        if scale <= 1:
            break
        divisor *= scale
    return scales


def group(rectangles: NDArray[np.int32], weights: NDArray[np.float64], threshold: int) -> tuple[Any, Any]:
    """Mean rectangles of all groups with more than `threshold` members, and the highest weight of each.

    A group goes where one of more members, and of more than 3, surrounds it.
    """
    if threshold <= 0 or not len(rectangles):
        return rectangles, weights
    labels = _similar(rectangles.astype(np.int64))
    counts = np.bincount(labels)
    sums = np.stack([np.bincount(labels, rectangles[:, i]) for i in range(4)], axis=1)
    means = np.rint(sums * (1.0 / counts)[:, np.newaxis]).astype(np.int64)
    highest = np.full(len(counts), -np.inf)
    np.maximum.at(highest, labels, weights)
    large = np.flatnonzero(counts > threshold)
    kept = [i for i in large if not any(_surrounds(means[j], counts[j], means[i], counts[i]) for j in large if j != i)]
    return means[kept].astype(np.int32), highest[kept]


def _surrounds(outer: NDArray[np.int64], n_outer: int, inner: NDArray[np.int64], n_inner: int) -> bool:
    dx, dy = round(outer[2] * _EPSILON), round(outer[3] * _EPSILON)
    return bool(
        inner[0] >= outer[0] - dx
        and inner[1] >= outer[1] - dy
        and inner[0] + inner[2] <= outer[0] + outer[2] + dx
        and inner[1] + inner[3] <= outer[1] + outer[3] + dy
        and (n_outer > max(3, n_inner) or n_inner < 3)
    )


def _similar(rectangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number each rectangle's group, in order of the first member: whatever chains of similar ones connect."""
    corners = np.concatenate([rectangles[:, :2], rectangles[:, :2] + rectangles[:, 2:]], axis=1)
    sides = rectangles[:, 2:]
    labels = np.full(len(rectangles), -1)
    n_labels = 0
    for first in range(len(rectangles)):
        if labels[first] >= 0:
            continue
        labels[first], waiting = n_labels, [first]
        while waiting:
            i = waiting.pop()
            others = np.flatnonzero(labels < 0)
            delta = _EPSILON * np.minimum(sides[others], sides[i]).sum(axis=1) * 0.5
            near = (np.abs(corners[others] - corners[i]) <= delta[:, np.newaxis]).all(axis=1)
            labels[others[near]] = n_labels
            waiting.extend(others[near].tolist())
        n_labels += 1
    return labels


def group_by_mean_shift(
    rectangles: NDArray[np.int32],
    weights: NDArray[np.float64],
    scales: Sequence[float],
    threshold: float,
    window: tuple[int, int],
) -> tuple[Any, Any]:
    """Windows at the modes of the density of (x, y, logarithm of the scale), with their density above `threshold`.

    The same operations in the same order as OpenCV's: corners are cut to integers, so the last bit can count.
    """
    if not len(rectangles):
        return rectangles, weights
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # of weights below 0, the mean can be anywhere
        return _modes(rectangles, weights, scales, threshold, window)


def _modes(
    rectangles: NDArray[np.int32],
    weights: NDArray[np.float64],
    scales: Sequence[float],
    threshold: float,
    window: tuple[int, int],
) -> tuple[Any, Any]:
    twice = 2 * rectangles[:, :2].astype(np.int64) + rectangles[:, 2:]
    logarithms = [math.log(scale) for scale in scales]
    density = _Density(np.column_stack([np.rint(twice * 0.5), logarithms]), weights)
    modes: list[NDArray[np.float64]] = []
    for point in density.points:
        rest = density.climb(density.shifted(point))
        if not any(_Density.distance(rest, mode) < 1 for mode in modes):
            modes.append(rest)
    found, strengths = [], []
    for mode in modes:
        strength = density.at(mode)
        if not (strength > threshold and np.isfinite(mode).all()):
            continue
        scale = math.exp(mode[2])
        width, height = int(window[0] * scale), int(window[1] * scale)
        found.append((int(mode[0] - width // 2), int(mode[1] - height // 2), width, height))
        strengths.append(strength)
    return np.array(found, np.int32).reshape(-1, 4), np.array(strengths)


class _Density:
    """Weighted Gaussians at points (x, y, z), as wide in x and y as exp(z) says."""

    def __init__(self, points: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        self.points, self.weights = points, weights
        growth = np.array([math.exp(z) for z in points[:, 2]])
        self.widths = np.column_stack([_KERNEL[0] * growth, _KERNEL[1] * growth, np.full(len(points), _KERNEL[2])])
        self.scaled = points / self.widths
        self.roots = np.sqrt(self.widths[:, 0] + self.widths[:, 1] + self.widths[:, 2])

    def shifted(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of the points around `point`, weighted by their Gaussians."""
        parts = self._gaussians(self.scaled - point / self.widths)[:, np.newaxis]
        return _sum(parts * self.scaled) / _sum(parts / self.widths)

    def climb(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where shift after shift of `point` comes to rest."""
        for _ in range(_MOST_SHIFTS):
            before, point = point, self.shifted(point)
            if not self.distance(point, before) > _RESTING:
                break
        return point

    def at(self, point: NDArray[np.float64]) -> float:
        """The density at `point`."""
        return float(_sum(self._gaussians((self.points - point) / self.widths)))

    @staticmethod
    def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Squared, in widths of the kernel at `b`."""
        growth = math.exp(b[2]) if b[2] < 700 else math.inf
        apart = (b - a) / (_KERNEL[0] * growth, _KERNEL[1] * growth, _KERNEL[2])
        return float(apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2])

    def _gaussians(self, apart: NDArray[np.float64]) -> NDArray[np.float64]:
        squares = apart[:, 0] * apart[:, 0] + apart[:, 1] * apart[:, 1] + apart[:, 2] * apart[:, 2]
        return self.weights * [math.exp(-square / 2) for square in squares.tolist()] / self.roots


def _sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """One after the other, where NumPy adds up in pairs."""
    return np.add.accumulate(values, axis=0)[-1]


def clip(rectangles: NDArray[np.int32], weights: NDArray[np.float64], size: tuple[int, int]) -> tuple[Any, Any]:
    """What of each rectangle lies in an image of `size` (width, height), without those of which nothing does."""
    corners = np.clip(rectangles[:, :2], 0, size)
    ends = np.clip(rectangles[:, :2] + rectangles[:, 2:], 0, size)
    some = (ends > corners).all(axis=1)
    return np.hstack([corners, ends - corners])[some].astype(np.int32), weights[some]
