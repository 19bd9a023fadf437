"""What a task of `medfast.dask` does: with a chunk of an array, or with what was found in all chunks.

A chunk comes with its part of the mask, or None, and runs on the thread that it is on. Arguments were checked, values
are checked here, for they are not there before.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels, _validate, exposure
from medfast._drivers import equalization, gray_levels, nlm, nlm_border, nlm_scale, nlm_weights, noise_level, partition


def denoise_part(
    part: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    place: tuple[Any, Any, Any],
    strength: float,
    sigma: float | None,
    windows: Any,
    norm: int,
    largest: float | None,
) -> NDArray[Any]:
    """A chunk, from itself and what surrounds it."""
    part = _validate.as_image(part)
    region, starts, _ = place
    odd = [slice(start % 2, None) for start in starts]  # begins at even rows and columns of the whole: see `halo`
    part, mask = part[tuple(odd)], None if mask is None else mask[tuple(odd)]
    own = [(a - start - start % 2, b - start - start % 2) for (a, b), start in zip(region, starts, strict=True)]
    inner = tuple([slice(*each) for each in own])
    if strength == 0:  # nothing to remove
        return np.ascontiguousarray(part[inner])
    if part.dtype == np.float64:
        assert largest is not None
        _validate.check_strengths(
            [strength], float(largest), nlm_scale.least_strength(float(largest), is_rician=sigma is not None)
        )
    out = np.empty_like(part)
    patch, search = windows
    task = nlm_weights.Task(
        nlm_border.to_planes(part, None),
        nlm_border.to_planes(out, None),
        [strength],
        patch,
        search,
        norm,
        sigma,
        mask=mask if mask is None or mask.ndim == 3 else mask[np.newaxis],
        num_threads=1,
        region=tuple([(0, 1)] * (3 - part.ndim) + own),
        largest=None if largest is None else float(largest),
    )
    nlm.denoise(task)
    return np.ascontiguousarray(out[inner])


def scale_of(most: Any, least: Any, dtype: np.dtype) -> float:
    ends = np.array([[most, least]], dtype)
    return noise_level._scale(_validate.check_finite(ends, "image"))


def details_of(
    part: NDArray[Any], mask: NDArray[np.bool_] | None, *, place: tuple[Any, Any, Any], scale: float
) -> NDArray[Any]:
    """Sizes of the wavelet coefficients of a chunk, those of 0 left out."""
    region, starts, shape = place
    odd = tuple([slice(start % 2, None) for start in starts])
    part = _validate.as_image(part)[odd]
    band = noise_level.diagonal_band(part, scale)
    own = []
    for (start, stop), first, n in zip(region, starts, shape, strict=True):
        last = (n + 3) // 2 if stop == n else (stop + 1) // 2
        own.append(slice((start + 1) // 2 - (first + 1) // 2, last - (first + 1) // 2))
    if mask is not None:
        mask = mask[odd]
        for block in noise_level._blocks(band.shape):
            band[block] *= noise_level._over_support(noise_level._samples(mask, block), np.logical_and)
    sizes = np.abs(band[tuple(own)]).ravel()
    return sizes[sizes != 0]


def level_of(parts: list[NDArray[Any]], scale: float) -> float:
    level = noise_level._robust_deviation(np.concatenate(parts))
    return min(level / scale, float(np.finfo(np.float64).max))


def as_volume(chunk: NDArray[Any]) -> NDArray[Any]:
    """A chunk of any number of axes as (planes, rows, columns)."""
    return chunk if chunk.ndim == 3 else chunk.reshape(1, -1, chunk.shape[-1])


def bytes(mask: NDArray[np.bool_] | None) -> NDArray[np.uint8] | None:
    return None if mask is None else as_volume(mask.view(np.uint8))


def counts_of(chunk: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    lowest, n_levels = gray_levels.span(chunk.dtype)
    return gray_levels.count(as_volume(chunk), bytes(mask), -lowest, n_levels, 1)


def summed(counts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.sum(counts, axis=0)


def equalization_table(counts: NDArray[np.int64], dtype: np.dtype) -> NDArray[Any]:
    table = np.empty(len(counts), dtype)
    _kernels.histogram.equalization_table(counts, table, -gray_levels.span(dtype)[0])
    return table


def matching_table(
    counts: NDArray[np.int64], others: NDArray[np.int64], dtype: np.dtype, other_dtype: np.dtype
) -> NDArray[Any]:
    lowest, n_levels = gray_levels.span(dtype)
    table = np.arange(lowest, lowest + n_levels).astype(dtype)
    if counts.any():
        least, most = lowest, lowest + n_levels - 1
        _kernels.matching.table(counts, others, gray_levels.span(other_dtype)[0], least, most, table)
    return table


def look_up(chunk: NDArray[Any], mask: NDArray[np.bool_] | None, *, table: NDArray[Any]) -> NDArray[Any]:
    volume = as_volume(chunk)
    out = np.empty(volume.shape, volume.dtype)
    offset = -gray_levels.span(volume.dtype)[0]
    _kernels.histogram.look_up(volume, bytes(mask), table, offset, 0, gray_levels.n_rows(volume), out)
    return out.reshape(chunk.shape)


def ends_of(chunk: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    chunk = _validate.as_image(chunk)
    values = chunk if mask is None else chunk[mask]
    return np.array([values.min(), values.max()] if values.size else [np.inf, -np.inf], np.float64)


def joined_ends(ends: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array([min(low for low, _ in ends), max(high for _, high in ends)])


def float_counts_of(
    chunk: NDArray[Any], mask: NDArray[np.bool_] | None, *, ends: NDArray[np.float64]
) -> NDArray[np.int64]:
    if ends[0] >= ends[1]:
        return np.zeros(equalization._FLOAT_LEVELS, np.int64)
    levels = gray_levels.levels_between(as_volume(chunk), ends, equalization._FLOAT_LEVELS, 1)
    return gray_levels.count(levels, bytes(mask), 0, equalization._FLOAT_LEVELS, 1)


def equalize_floats(
    chunk: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    ends: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> NDArray[Any]:
    if ends[0] >= ends[1]:  # all alike, or nothing in the mask
        return chunk
    volume = as_volume(chunk)
    levels = gray_levels.levels_between(volume, ends, equalization._FLOAT_LEVELS, 1)
    counts = counts.copy()
    counts[0] = 0
    running = np.cumsum(counts)
    out = np.empty(volume.shape, volume.dtype)
    gray_levels.restore(levels, running / running[-1], ends, volume, bytes(mask), out, 1)
    return out.reshape(chunk.shape)


def clahe_of(
    chunk: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    clip_limit: float,
    grid: tuple[int, ...],
    bit_depth: int | None,
) -> NDArray[Any]:
    return exposure.clahe(chunk, clip_limit, grid, bit_depth=bit_depth, mask=mask, num_threads=1)


def parted(
    counts: NDArray[np.int64], n: int, dtype: np.dtype
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    """Values in use, thresholds between the optimal classes, centers, inertia."""
    used = counts.nonzero()[0]
    if not len(used):
        return np.zeros(0), np.zeros(0, dtype), np.zeros(0), 0.0
    values = (used + gray_levels.span(dtype)[0]).astype(np.float64)
    bounds, centers, inertia = partition.optimum(values, counts[used].astype(np.float64), n)
    return values, values[bounds[1:-1] - 1].astype(dtype), centers, inertia


def clusters_of(
    counts: NDArray[np.int64], n_clusters: int, dtype: np.dtype
) -> tuple[NDArray[Any], NDArray[np.float64], float]:
    _, thresholds, found, inertia = parted(counts, n_clusters, dtype)
    centers = np.full(n_clusters, np.nan)
    if len(found):
        centers[: len(found)], centers[len(found) :] = found, found[-1]
    return thresholds, centers, inertia


def classes_of(counts: NDArray[np.int64], n_classes: int, dtype: np.dtype) -> tuple[NDArray[Any], NDArray[Any]]:
    values, thresholds, _, _ = parted(counts, n_classes, dtype)
    highest = values[-1:] if len(values) else np.zeros(1)
    missing = np.repeat(highest, n_classes - 1 - len(thresholds)).astype(dtype)
    return thresholds, np.concatenate([thresholds, missing])


def label(
    chunk: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    thresholds: NDArray[Any],
    first_label: int,
    outside: int,
) -> NDArray[Any]:
    labels = np.empty(chunk.shape, np.int32 if outside < 0 else np.uint8)
    partition.label(chunk, thresholds, first_label, labels, 1)
    if mask is not None:
        labels[~mask] = outside
    return labels
