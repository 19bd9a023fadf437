"""The noise level of an image, from its finest diagonal wavelet band. Arguments were checked by the caller."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Daubechies' wavelet of two vanishing moments: its high-pass filter, in the order in which it meets the samples.
HIGH_PASS = (-0.48296291314453416, 0.8365163037378079, -0.2241438680420134, -0.12940952255126037)

QUARTILE = 0.6744897501960817
"""Median of the absolute value of a standard normal variable."""

BACKGROUND = 3.0
"""Local means below this many noise levels are background: there the mean of pure noise is 1.25 levels, and the first
guess of the level is at worst 0.65 of the truth."""

BACKGROUND_WINDOW = 5
ROUNDS = 10


def estimate(image: NDArray[Any], mask: NDArray[np.bool_] | None, *, rician: bool) -> float:
    """Noise level of an image or volume; 0.0 where nothing is to be seen."""
    if not image.size:
        return 0.0
    band = diagonal_band(image)
    use = np.ones(band.shape, bool) if mask is None else _supported(mask)
    sigma = _robust_deviation(band[use])
    if not rician or not sigma:
        return sigma
    local_mean = _box_mean(image, BACKGROUND_WINDOW)
    signal = local_mean if mask is None else local_mean[mask]
    for _ in range(ROUNDS):
        if mask is None:
            inside = local_mean > BACKGROUND * sigma
            use = _supported(inside)
            if not use.any():  # all is background: pure noise has the deviation of a Rayleigh variable
                return sigma / np.sqrt(2.0 - np.pi / 2.0)
            signal = local_mean[inside]
        previous, sigma = sigma, _robust_deviation(band[use])
        sigma /= _magnitude_deviation(float(np.median(signal)) / sigma if sigma else 0.0)
        if abs(sigma - previous) <= 1e-6 * sigma:
            break
    return sigma


def diagonal_band(image: NDArray[Any]) -> NDArray[Any]:
    """High-pass along every axis, each second sample; the image goes on beyond its border mirrored, border included."""
    band = image if image.dtype == np.float32 else image.astype(np.float64)
    for axis in range(band.ndim):
        samples = np.moveaxis(band, axis, 0)
        n = samples.shape[0]
        samples = np.pad(samples, [(3, 3), *[(0, 0)] * (band.ndim - 1)], mode="symmetric")
        n_out = (n + 3) // 2
        # From the first to the last tap, one after another: flat regions then give exactly the zeros that do not count.
        total = np.zeros((n_out, *samples.shape[1:]), band.dtype)
        for tap, weight in enumerate(HIGH_PASS):
            start = 4 - tap  # sample 2 i + 1 - tap, after 3 padded ones
            total += band.dtype.type(weight) * samples[start : start + 2 * n_out : 2][:n_out]
        band = np.moveaxis(total, 0, axis)
    return band


def _supported(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which coefficients of the band come from pixels of the mask alone."""
    for axis in range(mask.ndim):
        samples = np.moveaxis(mask, axis, 0)
        n = samples.shape[0]
        samples = np.pad(samples, [(3, 3), *[(0, 0)] * (mask.ndim - 1)], mode="symmetric")
        n_out = (n + 3) // 2
        supported = np.ones((n_out, *samples.shape[1:]), bool)
        for tap in range(4):
            supported &= samples[4 - tap : 4 - tap + 2 * n_out : 2][:n_out]
        mask = np.moveaxis(supported, 0, axis)
    return mask


def _robust_deviation(coefficients: NDArray[Any]) -> float:
    used = np.abs(coefficients[coefficients != 0])
    return float(np.median(used)) / QUARTILE if used.size else 0.0


def _box_mean(image: NDArray[Any], size: int) -> NDArray[np.float64]:
    mean = image.astype(np.float64)
    for axis in range(mean.ndim):
        samples = np.moveaxis(mean, axis, 0)
        n = samples.shape[0]
        samples = np.pad(samples, [(size // 2, size // 2), *[(0, 0)] * (mean.ndim - 1)], mode="symmetric")
        total = np.add.reduce([samples[k : k + n] for k in range(size)])
        mean = np.moveaxis(total / size, 0, axis)
    return mean


def _magnitude_deviation(ratio: float) -> float:
    """Deviation of the magnitude at unit noise, where its mean is `ratio` times its deviation (Koay, Basser)."""
    rayleigh = np.sqrt(np.pi / (4.0 - np.pi))
    if ratio <= rayleigh:
        return float(np.sqrt(2.0 - np.pi / 2.0))
    theta = np.sqrt(ratio**2 - rayleigh**2) if ratio < 30 else ratio
    for _ in range(100):
        previous, theta = theta, np.sqrt(max(_variance(theta) * (1.0 + ratio**2) - 2.0, 0.0))
        if abs(theta - previous) < 1e-9:
            break
    return float(np.sqrt(_variance(theta)))


def _variance(theta: float) -> float:
    """Variance of a Rician variable of signal `theta` and unit noise."""
    if theta > 30:  # the series in 1 / theta
        return 1.0 - 0.5 / theta**2
    # the mean, as a sum over the points of a grid: no Bessel functions in NumPy
    x = np.linspace(max(0.0, theta - 9.0), theta + 9.0, 2001)[1:]
    density = x * np.exp(-0.5 * (x - theta) ** 2) * np.i0(x * theta) * np.exp(-x * theta)
    mean = float((x * density).sum() / density.sum())
    return theta**2 + 2.0 - mean**2
