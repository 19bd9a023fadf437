"""Weights of non-local means: which kernel does a task, with which numbers. Arguments were checked by the caller."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import nlm_scale
from medfast._drivers.nlm_border import Radii, Range

INT_MAX = 2**31 - 1

Box = tuple[Range, Range, Range]


class Task(NamedTuple):
    """What is asked for."""

    planes: Sequence[NDArray[Any]] | NDArray[Any]
    """Each (channels, rows, columns)."""
    out: NDArray[Any]
    """As many planes, or only the one in the middle."""
    h: Sequence[float]
    """One strength, or one per channel; floats: within `nlm_scale.least_strength`."""
    patch: Radii
    search: Radii
    norm: int
    rician_sigma: float | None = None
    """The level of the noise whose bias is removed."""
    mask: NDArray[np.bool_] | None = None
    """(planes of `out`, rows, columns); what is outside is copied."""
    num_threads: int | None = None
    region: Box | None = None
    """The planes, rows and columns of `out` that are asked for; all when omitted."""
    largest: float | None = None
    """The largest magnitude of an image of floats of which this is a part."""


class Pass(NamedTuple):
    """A run of the kernel over the image; there are several where it does a channel at a time."""

    channel: int
    exponent: int
    """Of the power of two by which floats are divided."""
    arguments: tuple[Any, ...]
    """The kernel's: norm and weights."""


class Plan(NamedTuple):
    """How a task is done."""

    kernel: Callable[..., None]
    """Denoises a tile, given the padded image, its mask, `radii`, the arguments of a pass, scratch, tile and result."""
    workspace: Callable[[int, int, int], int]
    """Bytes of scratch for a tile of so many planes, rows and columns."""
    radii: NDArray[np.intp]
    """Of the patch, then of the search window."""
    dtype: np.dtype[Any]
    """Of the padded image."""
    passes: list[Pass]
    pixel_work: float
    """Of a pixel: bytes of it, for each donor, at patches of 7 by 7."""
    target: NDArray[Any]
    """The result as the kernel sees it."""
    largest: float = 65536.0
    """The largest magnitude of an image."""
    is_8_bits: bool = False
    """Whether a tile of a plane does its sums a few lines at a time."""
    is_formula: bool = True
    """Whether tiles take surroundings as well, of few lines or columns more than of themselves."""
    is_bounded: bool = False
    """Whether only donors inside the image count."""


def plan_of(task: Task) -> Plan:
    """The plan of what is asked for."""
    out, norm = task.out, task.norm
    n_channels, n_pixels, n_shifts = out.shape[1], size_of(task.patch), size_of(task.search)
    radii = np.array([*task.patch, *task.search], np.intp)
    n_weights, target, largest = 1, out, 65536.0
    is_rician = task.rician_sigma is not None
    kernel: Callable[..., None]
    dtype: np.dtype[Any]
    is_formula = not has_table(out.dtype, norm, n_channels, task.patch, task.search, rician=is_rician)
    if not is_formula:
        kernel, dtype = _kernels.nlm.denoise_integer, np.dtype(np.uint16)
        n_bytes = 1 if out.dtype == np.uint8 else 2
        weights = weight_tables(tuple(task.h), n_bytes, n_channels, n_pixels, n_shifts, norm)
        passes = [Pass(0, 0, (norm, *weights))]
        n_weights = len(task.h)
        if out.dtype == np.int16:
            target = out.view(np.uint16)
    else:
        kernel, dtype = _kernels.nlm.denoise_formula, np.dtype(np.float32)
        h = list(task.h)
        if out.dtype.kind == "f":
            largest = nlm_scale.largest_value(task.planes) if task.largest is None else task.largest
            h = [min(value, 2.0**60 * largest) if largest else 1.0 for value in h]  # weights are 1 there
            dtype = out.dtype
        if out.dtype == np.float32:
            h = [max(value, 2.0**-200) for value in h]  # no two values are so close
            dtype = nlm_scale.working_dtype(min(h), largest)
        passes = []
        for channel, value in enumerate(h):
            exponent = nlm_scale.exponent_of(value, largest, dtype, out.dtype, is_rician=is_rician)
            factor = nlm_scale.factor_of(math.ldexp(value, -exponent), n_pixels, n_channels, norm, dtype)
            bias = -1.0
            if task.rician_sigma is not None:  # from twice the largest value on everything becomes 0
                sigma = math.ldexp(min(task.rician_sigma, 2.0 * largest), -exponent)
                bias = 2.0 * sigma * sigma
            passes.append(Pass(channel, exponent, (norm, factor, bias)))
        passes.sort(key=lambda each: each.exponent)  # scaled down step by step, nothing of use is lost
    workspace = _kernels.nlm.workspace

    def scratch(n_planes: int, n_rows: int, n_cols: int) -> int:
        return workspace(n_channels, n_weights, n_planes, n_rows, n_cols, radii)

    work = pixel_work(dtype.itemsize, n_channels, task.patch, n_shifts)
    is_8_bits = out.dtype == np.uint8 and not is_formula
    return Plan(kernel, scratch, radii, dtype, passes, work, target, largest, is_8_bits, is_formula)


def pixel_work(itemsize: int, n_channels: int, patch: Radii, n_shifts: int) -> float:
    """What a pixel takes, in bytes of it for each donor."""
    sides = 2 * (patch[1] + patch[2]) + 2
    terms = n_channels * (2 * patch[0] + 1)
    return n_shifts * itemsize * (12 + sides + 2 * terms) / 28


def size_of(radii: Radii) -> int:
    """Pixels in a window."""
    return math.prod([2 * radius + 1 for radius in radii])


def has_table(
    dtype: np.dtype, norm: int, n_channels: int, patch: Radii, search: Radii, *, rician: bool = False
) -> bool:
    """Whether the weights come from a table of integers, as in OpenCV, rather than from the formula.

    Not where a sum of distances would not fit int32, or a sum of weights leaves none of them a scale of at least 1.
    """
    if rician or not (dtype == np.uint8 or (norm == 1 and dtype.kind in "iu")):
        return False
    largest = 65535 if norm == 1 else 255 * 255  # uint16 has a table for L1 alone
    return size_of(patch) * n_channels * largest <= INT_MAX and size_of(search) * 255 <= INT_MAX


def largest_patch(n_channels: int, norm: int) -> int:
    """Largest odd side of a square patch that has a table."""
    side = math.isqrt(INT_MAX // ((65535 if norm == 1 else 255 * 255) * n_channels))
    return side - 1 + side % 2


def largest_search(n_frames: int) -> int:
    """Largest odd side of a square search window that has a table."""
    side = math.isqrt(INT_MAX // (255 * n_frames))
    return side - 1 + side % 2


@functools.lru_cache(maxsize=2)
def weight_tables(
    h: tuple[float, ...], n_bytes: int, n_channels: int, n_pixels: int, n_shifts: int, norm: int
) -> tuple[int, NDArray[Any], float]:
    """OpenCV's weights: a distance D, summed over the `n_pixels` of a patch, has the weight ``table[D >> shift]``.

    The division by the patch's pixels becomes a shift by the next power of two; what is too much or too little goes
    into the table. The largest weight is such that the largest sum over `n_shifts` weighted pixels fits int32 (int64
    for 16 bits).
    """
    shift = (n_pixels - 1).bit_length()
    step = 2.0**shift / n_pixels  # mean distance per entry
    largest_value = 255 if n_bytes == 1 else 65535
    largest_distance = largest_value**norm * n_channels
    top = min((INT_MAX if n_bytes == 1 else 2**63 - 1) // (n_shifts * largest_value), INT_MAX)
    n_entries = int(largest_distance / step + 1)
    tables = np.zeros((len(h), n_entries), np.int32 if n_bytes == 1 else np.int64)
    rate = math.inf
    for table, value in zip(tables, h, strict=True):
        with np.errstate(over="ignore", under="ignore"):
            h2 = float(np.float32(value) * np.float32(value) * np.float32(n_channels))  # as OpenCV: in float32
        # Weights that round to under a thousandth of the top are none. Rounding lifts no weight under 1/2000 so far,
        # whatever the top, so beyond an exponent of ln(2000) < 8 none need computing.
        reach = math.sqrt(8.0 * h2) if norm == 1 else 8.0 * h2
        n_used = int(min(reach / step + 2, n_entries))
        distances = np.arange(n_used) * step
        if h2:
            rate = min(rate, step / h2)
            weights = np.exp(-(distances * distances if norm == 1 else distances) / h2)
        else:  # h = 0: only patches that are the same count
            weights = (distances == 0).astype(np.float64)
        scaled = np.rint(top * weights)
        scaled[scaled < 0.001 * top] = 0
        table[:n_used] = scaled
    return shift, tables, rate
