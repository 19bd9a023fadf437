"""Numbers, pairs of numbers, choices, switches and callbacks."""

import math
import operator
from typing import Any

import numpy as np

_PLAIN = (float, int)
"""What numbers nearly always are: asked first, for the other questions take five times as long."""


def as_int(value: Any, name: str, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """`value` as an integer; booleans and floats are refused, NumPy's integers welcome."""
    if type(value) is not int:  # it nearly always is, and the questions cost five times as much
        if isinstance(value, bool | np.bool_):
            raise TypeError(f"{name} must be an integer, got {value!r}")
        try:
            value = operator.index(value)
        except TypeError:
            raise TypeError(f"{name} must be an integer, got {value!r}") from None
    _check_range(value, name, minimum, 2**63 - 1 if maximum is None else maximum)
    return value


def as_float(
    value: Any, name: str, *, minimum: float | None = None, maximum: float | None = None, above: float | None = None
) -> float:
    """`value` as a finite float, at least `minimum`, at most `maximum`, and greater than `above`."""
    if type(value) not in _PLAIN and isinstance(value, bool | np.bool_ | str | bytes):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    except OverflowError:  # an integer of some hundred digits
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    if above is not None and not number > above:
        raise _beyond(name, ">", above, number)
    if minimum is not None or maximum is not None:
        _check_range(number, name, minimum, maximum)
    return number


def as_odd(value: Any, name: str) -> int:
    """`value` as an odd integer of at least 1, and no larger than an image can be."""
    number = as_int(value, name, minimum=1, maximum=2**31 - 1)
    if number % 2 == 0:
        raise ValueError(f"{name} must be odd, got {number}")
    return number


def as_odds(value: Any, name: str, n: int) -> tuple[int, ...]:
    """`value` as `n` odd integers of at least 1, one per axis; a single integer stands for all axes."""
    if type(value) is int or isinstance(value, str | bytes) or not hasattr(value, "__len__") or np.ndim(value) == 0:
        return (as_odd(value, name),) * n
    if len(value) != n:
        raise ValueError(f"{name} must be an integer or have {n} entries, one per axis, got {value!r}")
    return tuple([as_odd(entry, f"{name}[{i}]") for i, entry in enumerate(value)])


def as_flag(value: Any, name: str) -> bool:
    """`value` as a boolean; anything else is refused, for "no" is true."""
    if type(value) is not bool and not isinstance(value, np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def as_choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """`value`, which must be one of `choices`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def as_pair(value: Any, name: str, *, minimum: int = 1) -> tuple[int, int]:
    """`value` as two integers in array order (rows, columns)."""
    if type(value) is tuple and len(value) == 2 and all(type(entry) is int and entry >= minimum for entry in value):
        return value  # what nearly every call gives, in a fifth of the time
    try:
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be two integers (rows, columns), got {value!r}") from None
    if len(entries) != 2:
        raise ValueError(f"{name} must be two integers (rows, columns), got {value!r}")
    return as_int(entries[0], f"{name}[0]", minimum=minimum), as_int(entries[1], f"{name}[1]", minimum=minimum)


def as_grid(value: Any, name: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """`value` as as many integers of at least 1, in array order, as one of `numbers` says."""
    if type(value) is tuple and len(value) == 2 and 2 in numbers:
        rows, columns = value
        if type(rows) is int and type(columns) is int and 0 < rows < 2**31 and 0 < columns < 2**31:
            return value  # what nearly every call gives
    expected = f"{' or '.join(map(str, numbers))} integers, {'planes, ' if 3 in numbers else ''}rows and columns"
    try:
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be {expected}, got {value!r}") from None
    if len(entries) not in numbers:
        raise ValueError(f"{name} must be {expected}, got {value!r}")
    return tuple([as_int(entry, f"{name}[{i}]", minimum=1, maximum=2**31 - 1) for i, entry in enumerate(entries)])


def as_sizes(value: Any, name: str, n: int) -> tuple[int, ...]:
    """`value` as `n` integers of at least 0, one per axis."""
    if type(value) is tuple and len(value) == n and all(type(entry) is int and entry >= 0 for entry in value):
        return value  # what nearly every call gives, in a fifth of the time
    try:
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of integers, got {value!r}") from None
    if len(entries) != n:
        raise ValueError(f"{name} must have {n} entries, one per axis, got {value!r}")
    return tuple([as_int(entry, f"{name}[{i}]", minimum=0) for i, entry in enumerate(entries)])


def as_positives(value: Any, name: str, n: int) -> tuple[float, ...]:
    """`value` as `n` floats above 0, one per axis; a single number stands for all axes."""
    if isinstance(value, str | bytes) or not hasattr(value, "__len__") or getattr(value, "ndim", 1) == 0:
        return (as_float(value, name, above=0.0),) * n
    if len(value) != n:
        raise ValueError(f"{name} must be a number or have {n} entries, one per axis, got {value!r}")
    return tuple([as_float(entry, f"{name}[{i}]", above=0.0) for i, entry in enumerate(value)])


def as_strengths(h: Any, n_channels: int) -> list[float]:
    """`h` as floats above 0: one, or one per channel."""
    if np.ndim(h) == 0:
        return [as_float(h, "h", above=0.0)]
    values = [as_float(value, f"h[{channel}]", above=0.0) for channel, value in enumerate(h)]
    if len(values) not in (1, n_channels):
        raise ValueError(f"h must have one entry or one per channel ({n_channels}), got {len(values)}")
    return values


def check_windows(patch: tuple[int, ...], search: tuple[int, ...]) -> None:
    """Refuse windows with which the surroundings of a single pixel would not fit the memory of most machines."""
    if math.prod([p + s for p, s in zip(patch, search, strict=True)]) > 2**27:
        name, sides = ("patch_size", patch) if max(patch) >= max(search) else ("search_size", search)
        got = " x ".join(map(str, sides))
        raise ValueError(
            f"{name} must be smaller: a window as long as both together has at most 2**27 pixels; got {got}"
        )


def check_strengths(strengths: list[float], largest: float, least: float) -> None:
    """Refuse strengths so far under the image's values that their squares do not go together."""
    if min(strengths) < least:
        raise ValueError(f"h must be >= {least:g} for an image with values up to {largest:g}, got {min(strengths):g}")


def as_window(value: Any, name: str) -> tuple[float, float]:
    """`value` as the center and the width of a window of gray levels."""
    try:
        center, width = value
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be two numbers (center, width), got {value!r}") from None
    return as_float(center, f"{name}[0]"), as_float(width, f"{name}[1]", above=0)


def as_threads(num_threads: Any) -> int | None:
    """`num_threads` as a positive integer, or None."""
    return None if num_threads is None else as_int(num_threads, "num_threads", minimum=1)


def as_callback(progress: Any) -> Any:
    """`progress` as a callable, or None."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a callable of (done, total), got {progress!r}")
    return progress


def _check_range(number: float, name: str, minimum: float | None, maximum: float | None) -> None:
    if minimum is not None and number < minimum:
        raise _beyond(name, ">=", minimum, number)
    if maximum is not None and number > maximum:
        raise _beyond(name, "<=", maximum, number)


def _beyond(name: str, relation: str, bound: float, number: float) -> ValueError:
    expected, got = (str(value) if isinstance(value, int) else f"{value:g}" for value in (bound, number))
    return ValueError(f"{name} must be {relation} {expected}, got {got}")
