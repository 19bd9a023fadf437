"""From the pixels of a row to its votes, for the twin of src/hog.pyx."""

import math

import numpy as np

from medfast._kernels.jit import kernel

# OpenCV's polynomial for the arctangent on [0, 1], in degrees, off by up to 0.01; as rounded to float32 there
P1, P3, P5, P7 = 57.283626556396484, -18.66744613647461, 8.914000511169434, -2.539724588394165


@kernel
def load_row(image_row, column_of, gamma, line):
    """One row of the image, continued at its sides."""
    for channel in range(line.shape[0]):
        for i, col in enumerate(column_of):
            value = line.dtype.type(image_row[col, channel])
            line[channel, i] = math.sqrt(value) if gamma else value


@kernel
def vote(lines, ties_high_from, narrow, is_signed, soft, edges, n_bins, votes):
    """Centred differences of the strongest channel; two shares of the magnitude, and the bin of the first."""
    above, here, below = lines
    for i in range(votes.shape[1]):
        dx, dy = here[0, i + 2] - here[0, i], below[0, i + 1] - above[0, i + 1]
        for channel in range(1, len(here)):
            new_dx = here[channel, i + 2] - here[channel, i]
            new_dy = below[channel, i + 1] - above[channel, i + 1]
            new, old = new_dx * new_dx + new_dy * new_dy, dx * dx + dy * dy
            if new > old or (new == old and i >= ties_high_from):
                dx, dy = new_dx, new_dy
        if soft:
            votes[0, i], votes[1, i], votes[2, i] = _vote_soft(dx, dy, n_bins, is_signed, narrow)
        else:
            votes[0, i], votes[1, i], votes[2, i] = _vote_hard(dx, dy, n_bins, is_signed, edges)


@kernel
def _vote_soft(dx, dy, n_bins, is_signed, narrow):
    """Magnitude, shared between the two nearest bins; bin k is centred at k + 1/2 widths."""
    real = type(dx)
    to_radians, to_bins = real(np.pi / 180), real(n_bins / (2 * np.pi if is_signed else np.pi))
    ax, ay = abs(dx), abs(dy)
    ratio = min(ax, ay) / (max(ax, ay) + real(2.220446049250313e-16))
    square = ratio * ratio
    inner = real(np.float64(square) * P7 + P5)  # OpenCV rounds once for a product and a sum
    outer = real(np.float64(inner) * square + P3)
    slope = real(np.float64(outer) * square + P1)
    angle = slope * ratio
    if ax < ay:
        angle = real(90.0 - np.float64(slope) * ratio) if narrow else real(90) - angle
    if dx < 0:
        angle = real(180) - angle
    if dy < 0:
        angle = real(360) - angle
    angle = angle * to_radians * to_bins - real(0.5)
    low = math.floor(angle)
    share = angle - real(low)
    magnitude = real(math.sqrt(dx * dx + dy * dy))
    return magnitude * (real(1) - share), magnitude * share, low % n_bins  # unsigned: the angle modulo half a circle


@kernel
def _vote_hard(dx, dy, n_bins, is_signed, edges):
    """Magnitude, for the bin [k, k + 1) widths: as many edges as the direction lies on or beyond."""
    real = type(dx)
    is_lower = dy < 0 or (dy == 0 and dx < 0)
    magnitude = real(math.sqrt(dx * dx + dy * dy))
    if is_lower:
        dx, dy = -dx, -dy
    in_bin = 0
    for k in range(n_bins - 1):
        beyond = edges[k, 0] * dy - edges[k, 1] * dx >= 0
        if is_signed and 2 * (k + 1) >= n_bins:  # an edge of the lower half plane
            in_bin += is_lower and beyond
        else:
            in_bin += beyond or (is_signed and is_lower)
    return magnitude, real(0), in_bin


@kernel
def vote_single(lines, is_float, edges, special, n_bins, votes):
    """The magnitude of the strongest channel, and the bin of its direction in float64, as scikit-image has it."""
    above, here, below = lines
    for i in range(votes.shape[1]):
        dx = dy = best = 0.0
        for channel in range(len(here)):
            new_dx = np.float64(here[channel, i + 2] - here[channel, i])
            new_dy = np.float64(below[channel, i + 1] - above[channel, i + 1])
            if is_float:
                new_dx, new_dy = np.float64(np.float32(new_dx)), np.float64(np.float32(new_dy))
            magnitude = math.hypot(new_dx, new_dy)
            if is_float:
                magnitude = np.float64(np.float32(math.sqrt(new_dx * new_dx + new_dy * new_dy)))
            if channel == 0 or magnitude > best:
                dx, dy, best = new_dx, new_dy, magnitude
        votes[0, i], votes[2, i] = math.sqrt(dx * dx + dy * dy), _bin_of_degrees(dx, dy, edges, special, n_bins)
        votes[1, i], votes[3, i] = dy, dx


@kernel
def _bin_of_degrees(dx, dy, edges, special, n_bins):
    """By sides of lines; -1 where one is too near."""
    x, y = -dx if dy < 0 else dx, abs(dy)
    if y == 0:
        return 0
    if x == 0:
        return special[1]
    if abs(x) == y:
        return special[0] if x > 0 else special[2]
    found, doubt = 0, y <= 1e-12 * abs(x)
    for k in range(n_bins - 1):
        side = edges[k, 0] * y - edges[k, 1] * x
        found += side >= 0
        doubt |= abs(side) <= 1e-12 * (abs(x) + y)
    return -1 if doubt else found
