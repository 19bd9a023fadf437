"""Products of samples and the Gaussian kernel, with the same bits on every CPU and under every linear algebra.

Features are multiples of 2⁻¹⁵ in 0…1, so their products, sums of products and squared distances are exact in float64
whatever the order of summation. The exponential is rounded to multiples of KERNEL_STEP, so that its weighted sums can
be exact as well; NumPy's own differs in the last bit between CPUs, so the few values that this could round otherwise
are made of additions and multiplications alone, about which IEEE 754 leaves no choice. All made so would take 8.7 ns.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _parallel

BLOCK_FEATURES = 4096
"""Features that are widened to float64 at a time."""
KERNEL_STEP = 2.0**-26
"""Values of the Gaussian kernel are multiples of this; with weights of 26 bits their sums fit 53 bits."""

_LARGEST = 20.0  # exp(-20) is less than KERNEL_STEP / 7
_DOUBT = 2.0**-18
"""Values nearer than this to half a step, in steps, are not left to the exponential of NumPy: it is off by 2⁻²⁴ steps
at most (four units in the last place), so that all others are rounded alike whatever it is made of."""
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10  # the first has 32 bits: k times it is exact
_TAYLOR = [1.0 / math.factorial(n) for n in range(14, -1, -1)]  # |r| ≤ ln2/2: off by less than 2⁻⁵⁰


def products(
    left: NDArray[Any], right: NDArray[Any] | None = None, out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Products of samples, (n, m), a block of features at a time to spare float64 copies of all; `right` is `left` when
    omitted."""
    total = np.empty((len(left), len(left if right is None else right))) if out is None else out
    if not left.shape[1]:
        total[...] = 0.0
    for start in range(0, left.shape[1], BLOCK_FEATURES):
        part = slice(start, start + BLOCK_FEATURES)
        block = np.ascontiguousarray(left[:, part], np.float64)
        other = block if right is None else np.ascontiguousarray(right[:, part], np.float64)
        if start == 0:
            np.matmul(block, other.T, out=total)  # of one array with itself BLAS computes half
        else:
            total += block @ other.T
    return total


def squares(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Squared length of each sample."""
    total = np.zeros(len(samples))
    for start in range(0, samples.shape[1], BLOCK_FEATURES):
        block = samples[:, start : start + BLOCK_FEATURES].astype(np.float64)
        total += np.einsum("ij,ij->i", block, block)
    return total


def gaussian(
    dot: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    gamma: float,
    num_threads: int | None = None,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """``exp(-gamma · d²)`` in multiples of KERNEL_STEP, where d² is ``left + right - 2 · dot``; `out` may be `dot`."""
    out = np.empty_like(dot) if out is None else out

    def rows(start: int, stop: int) -> None:
        for first in range(start, stop, 8):  # so that the temporaries stay in the cache
            some = slice(first, min(first + 8, stop))
            exponent = np.minimum(gamma * (left[some, None] + right - 2.0 * dot[some]), _LARGEST)
            steps = np.exp(-exponent)
            steps *= 1.0 / KERNEL_STEP
            whole = np.rint(steps)
            steps -= whole
            unsure = np.abs(steps, out=steps) > 0.5 - _DOUBT
            if unsure.any():
                whole[unsure] = np.rint(_exponential(exponent[unsure]) / KERNEL_STEP)
            out[some] = whole * KERNEL_STEP

    _parallel.for_rows(len(dot), rows, work_per_row=20.0 * dot.shape[1], num_threads=num_threads)
    return out


def gaps(dot: NDArray[np.float64], lengths: NDArray[np.float64], num_threads: int | None = None) -> NDArray[np.float64]:
    """Distance of each sample from the nearest other one, from the products and the squared lengths of all."""
    nearest = np.zeros(len(dot))

    def rows(start: int, stop: int) -> None:
        for first in range(start, stop, 8):
            some = np.arange(first, min(first + 8, stop))
            square = lengths[some, None] + lengths - 2.0 * dot[some[0] : some[-1] + 1]
            square[some - first, some] = np.inf
            nearest[some] = np.sqrt(square.min(axis=1))

    if len(dot) > 1:
        _parallel.for_rows(len(dot), rows, work_per_row=2.0 * len(dot), num_threads=num_threads)
    return nearest


def gaussian_of(
    left: NDArray[Any],
    right: NDArray[Any],
    gamma: float,
    right_squares: NDArray[np.float64] | None = None,
    num_threads: int | None = None,
) -> NDArray[np.float64]:
    """The Gaussian kernel of two sets of samples."""
    right_squares = squares(right) if right_squares is None else right_squares
    return gaussian(products(left, right), squares(left), right_squares, gamma, num_threads)


def default_gamma(features: NDArray[Any]) -> float:
    """1 / (features · their variance), as scikit-learn's "scale"; to three digits, so that no last bit decides."""
    n = features.size
    total = float(features.sum(dtype=np.float64))
    square = float(squares(features).sum())
    variance = square / n - (total / n) ** 2
    return float(f"{1.0 / (features.shape[1] * variance):.3g}") if variance > 1e-12 * max(square / n, 1e-300) else 1.0


def _exponential(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-value): -value = r - k·ln2, so 2^-k · exp(r)."""
    power = np.rint(value * (1.0 / math.log(2.0)))
    rest = (power * _LN2_HIGH - value) + power * _LN2_LOW
    total = np.full_like(rest, _TAYLOR[0])
    for coefficient in _TAYLOR[1:]:
        total = total * rest + coefficient
    return np.ldexp(total, -power.astype(np.int32))
