"""Platt's sigmoid, fitted to decision values that are already there.

scikit-learn's `CalibratedClassifierCV` would fit its machines to the features of each fold anew; here all folds and
classes share one kernel matrix.
"""

import numpy as np
from numpy.typing import NDArray


def fit_sigmoid(
    decision: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Slope `a` and offset `b` of the sigmoid of ``a·decision + b`` that fits `positive` best.

    Newton's method on the weighted log loss of Platt's smoothed targets, which keep the slope finite where the classes
    are apart. Values that say nothing of the class, or the opposite, are left as they are: slope 1, offset 0.
    """
    n_positive = weights[positive].sum()
    n_negative = weights[~positive].sum()
    targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    scale = float(np.abs(decision).max()) or 1.0  # so that the step does not depend on the unit
    values = decision / scale

    def loss(slope: float, offset: float) -> float:
        logit = slope * values + offset
        return float(weights @ (np.logaddexp(0.0, logit) - targets * logit))

    slope, offset = 0.0, float(np.log((n_positive + 1) / (n_negative + 1)))
    current = loss(slope, offset)
    for _ in range(100):
        probability = 0.5 + 0.5 * np.tanh(0.5 * (slope * values + offset))
        residual = weights * (probability - targets)
        gradient = np.array([residual @ values, residual.sum()])
        if np.abs(gradient).max() < 1e-9 * weights.sum():
            break
        curvature = weights * probability * (1 - probability)
        cross = curvature @ values
        hessian = np.array([[curvature @ values**2, cross], [cross, curvature.sum()]]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-10:
            better = loss(slope - size * step[0], offset - size * step[1])
            if better < current - 1e-4 * size * float(gradient @ step):
                break
            size /= 2
        else:
            break
        slope, offset, current = slope - size * step[0], offset - size * step[1], better
    return (slope / scale, offset) if slope > 0 else (1.0, 0.0)
