"""Sums as Python and NumPy make them: exactly rounded, and in pairs."""

import numpy as np
from numba.extending import register_jitable


@register_jitable
def exact_sum(values):
    """`math.fsum`, by Shewchuk's partial sums that do not overlap; of finite values."""
    parts, n = np.empty(len(values) + 1), 0
    for value in values:
        x, kept = value, 0
        for i in range(n):
            y = parts[i]
            if abs(x) < abs(y):
                x, y = y, x
            high = x + y
            low = y - (high - x)
            if low != 0.0:
                parts[kept] = low
                kept += 1
            x = high
        parts[kept] = x
        n = kept + 1
    high, low = 0.0, 0.0
    while n > 0:
        n -= 1
        x, y = high, parts[n]
        high = x + y
        low = y - (high - x)
        if low != 0.0:
            break
    # half of a last place: what is left below it decides
    if n > 0 and ((low < 0.0 and parts[n - 1] < 0.0) or (low > 0.0 and parts[n - 1] > 0.0)):
        y = low * 2.0
        x = high + y
        if y == x - high:
            high = x
    return high


@register_jitable
def pairwise_sum(values):
    """`np.sum` of a run of float64: eight sums side by side, in halves beyond 128 values."""
    if len(values) <= 128:
        return run_sum(values, 0, len(values))
    starts, stops, done, results, n = [0], [len(values)], [False], [0.0], 0
    results.pop()
    while len(starts) > 0:  # a stack in place of recursion, which Numba types poorly
        start, stop, ready = starts.pop(), stops.pop(), done.pop()
        if ready:
            second, first = results.pop(), results.pop()
            results.append(first + second)
        elif stop - start <= 128:
            results.append(run_sum(values, start, stop))
        else:
            half = (stop - start) // 2
            half -= half % 8
            starts += [start, start + half, start]
            stops += [stop, stop, start + half]
            done += [True, False, False]
    return results[n]


@register_jitable
def run_sum(values, start, stop):
    """Up to 128 of them."""
    n = stop - start
    if n < 8:
        total = -0.0
        for i in range(start, stop):
            total += values[i]
        return total
    r = np.empty(8)
    for k in range(8):
        r[k] = values[start + k]
    whole = n - n % 8
    for i in range(8, whole, 8):
        for k in range(8):
            r[k] += values[start + i + k]
    total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    for i in range(start + whole, stop):
        total += values[i]
    return total
