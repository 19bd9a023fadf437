"""What `medfast._validate` is for Python: types when a call is compiled, values when it runs, with the same errors."""

from typing import Any

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from medfast._validate import DTYPES

NUMBERS = (types.Integer, types.Float, types.Boolean)


def is_none(given: Any) -> bool:
    """Whether an argument is None or was left out, where None is its default."""
    return given is None or isinstance(given, types.NoneType) or getattr(given, "value", given) is None


def constant(given: Any) -> Any:
    """The value of an argument that is a constant, or was left out; else its type."""
    if isinstance(given, types.Type):
        return getattr(given, "literal_value", getattr(given, "value", given))
    return given


def check_image(image: Any, ndim: tuple[int, ...], name: str = "image") -> None:
    """Refuse, as a call is compiled, what is no array of a supported dtype and dimension."""
    if not isinstance(image, types.Array):
        raise TypingError(f"{name} must be an array inside njit, got {image}")
    if image.dtype.name not in [dtype.name for dtype in DTYPES]:
        expected = ", ".join(dtype.name for dtype in DTYPES)
        raise TypingError(f"{name} must have dtype {expected}, got {image.dtype}")
    if image.ndim not in ndim:
        raise TypingError(f"{name} must be {' or '.join(f'{n}-D' for n in ndim)}, got {image.ndim} dimensions")


def check_mask(mask: Any, ndim: int) -> None:
    """The same for masks."""
    if not is_none(mask) and not (isinstance(mask, types.Array) and mask.dtype == types.boolean and mask.ndim == ndim):
        raise TypingError(f"mask must be a boolean array of {ndim} dimensions inside njit, got {mask}")


def check_out(out: Any, dtype: types.Type, ndim: int) -> None:
    """The same for results."""
    if is_none(out):
        return
    if not (isinstance(out, types.Array) and out.dtype == dtype and out.ndim == ndim and out.mutable):
        raise TypingError(f"out must be a writeable {dtype} array of {ndim} dimensions inside njit, got {out}")


def check_choice(given: Any, name: str, choices: tuple[str, ...]) -> str:
    """A string that has to be known as a call is compiled."""
    value = constant(given)
    if not isinstance(value, str):
        raise TypingError(f"{name} must be a constant string inside njit, got {given}")
    if value not in choices:
        raise TypingError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def check_axis(given: Any, ndim: int, name: str = "channel_axis") -> int | None:
    """An axis that has to be known as a call is compiled."""
    value = constant(given)
    if value is None or is_none(given):
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypingError(f"{name} must be a constant integer inside njit, got {given}")
    if not -ndim <= value < ndim:
        raise TypingError(f"{name} must be an axis of the {ndim}-D image, got {value}")
    return value % ndim


def check_number(given: Any, name: str, *, integer: bool = False) -> None:
    """Refuse what is no number."""
    value = constant(given)
    wanted = (types.Integer,) if integer else (types.Integer, types.Float)
    if isinstance(value, bool) or (
        not isinstance(value, (int,) if integer else (int, float)) and not isinstance(value, wanted)
    ):
        raise TypingError(f"{name} must be {'an integer' if integer else 'a number'}, got {given}")


def unsupported(**given: Any) -> None:
    """Refuse by name what there is in Python alone."""
    for name, value in given.items():
        if not is_none(value):
            raise TypingError(f"{name} is not supported inside njit")


@register_jitable
def check_threads(num_threads):
    """Refuse a bound below 1; one thread it is in any case."""
    if num_threads is not None and num_threads < 1:
        raise ValueError("num_threads must be >= 1")


@register_jitable
def check_finite(image):
    """Refuse NaN and infinity."""
    if not is_finite(image):
        raise ValueError("image must be finite, got NaN or infinity")


@register_jitable
def check_data(data):
    """The same of samples."""
    if not is_finite(data):
        raise ValueError("data must be finite, got NaN or infinity")


def is_finite(array):
    """Whether all values of floats are finite; integers always are."""
    raise NotImplementedError


@overload(is_finite)
def _is_finite(array):
    if not isinstance(array.dtype, types.Float):
        return lambda array: True
    largest = array.dtype(np.finfo(array.dtype.name).max)
    if array.layout == "C":

        def of_run(array):
            run, n_bad = array.ravel(), 0
            for i in range(run.size):
                n_bad += not abs(run[i]) <= largest
            return n_bad == 0

        return of_run

    def of_lines(array):
        n_bad = 0
        for value in array.flat:
            n_bad += not abs(value) <= largest
        return n_bad == 0

    return of_lines


@register_jitable
def check_mask_shape(mask, shape):
    """Refuse a mask of another shape."""
    if mask is not None and mask.shape != shape:
        raise ValueError("mask must have the shape of the image")


def result(out, shape, dtype):
    """`out`, or a new array where it is None."""
    raise NotImplementedError


@overload(result)
def _result(out, shape, dtype):
    if is_none(out):
        return lambda out, shape, dtype: np.empty(shape, dtype)

    def given(out, shape, dtype):
        if out.shape != shape:
            raise ValueError("out must have the shape of the result")
        return out

    return given


@register_jitable
def extent(array):
    """First address of an array's pixels, and the one after the last."""
    start = stop = array.ctypes.data
    stop += array.itemsize
    for axis in range(array.ndim):
        reach = (array.shape[axis] - 1) * array.strides[axis]
        if reach < 0:
            start += reach
        else:
            stop += reach
    return start, stop


@register_jitable
def overlap(a, b):
    """Whether the memory of one array reaches into that of another."""
    if a.size == 0 or b.size == 0:
        return False
    first, second = extent(a), extent(b)
    return first[0] < second[1] and second[0] < first[1]


@register_jitable
def same_view(a, b):
    """Whether two arrays are the same pixels in the same places."""
    return a.ctypes.data == b.ctypes.data and a.shape == b.shape and a.strides == b.strides


def check_apart(out, image, in_place):
    """Refuse an `out` that reaches into an input, unless `in_place` allows it to be one."""
    raise NotImplementedError


@overload(check_apart)
def _check_apart(out, image, in_place):
    if is_none(out) or is_none(image):
        return lambda out, image, in_place: None

    def given(out, image, in_place):
        if not (in_place and same_view(out, image)) and overlap(out, image):
            raise ValueError("out must not overlap the input, got an array that shares memory with it")

    return given


def as_volume(array):
    """`array` as (planes, rows, columns)."""
    raise NotImplementedError


@overload(as_volume)
def _as_volume(array):
    if is_none(array):
        return lambda array: None
    if array.ndim == 3:
        return lambda array: array
    return lambda array: np.expand_dims(array, 0)
