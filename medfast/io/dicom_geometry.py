"""Where the pixels of a DICOM image lie: spacing, affine, and the distance of the slices."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast.io._image import as_spacing

EVENNESS = 0.01
"""Share of the mean distance by which the slices of a volume may lie apart from even."""


def geometry(dataset: Any, n_frames: int, frame: int | None) -> tuple[tuple[float, ...] | None, NDArray[Any] | None]:
    """Spacing in array order, and the affine from (column, row, plane, 1) to RAS+ millimetres."""
    first, last = (0, n_frames - 1) if frame is None else (frame, frame)
    measures = functional_group(dataset, "PixelMeasuresSequence", first) or dataset
    in_plane = None
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        in_plane = in_plane or as_spacing(measures.get(name) or ())
    between = as_spacing([measures.get("SpacingBetweenSlices")]) or as_spacing([measures.get("SliceThickness")])
    orientation = _placed(dataset, "PlaneOrientationSequence", "ImageOrientationPatient", first, 6)
    start = _placed(dataset, "PlanePositionSequence", "ImagePositionPatient", first, 3)
    step = None
    if orientation is not None and start is not None:
        normal = np.cross(orientation[:3], orientation[3:])
        offsets = dataset.get("GridFrameOffsetVector")
        if last > first and offsets is not None and len(offsets) == n_frames:
            positions = start + (np.asarray(offsets, np.float64) - float(offsets[0]))[:, None] * normal
        else:
            own = [
                _placed(dataset, "PlanePositionSequence", "ImagePositionPatient", i, 3) for i in range(first, last + 1)
            ]
            positions = np.array([start if position is None else position for position in own])
        if last > first and np.ptp(positions, axis=0).max() > 0:
            between = as_spacing([even_distance(positions, normal)])
            step = (positions[-1] - positions[0]) / (last - first)
        else:
            step = normal * (between[0] if between else 1.0)
    spacing = in_plane
    if last > first:
        spacing = (*between, *in_plane) if between and in_plane else None
    if step is None or not in_plane or orientation is None or start is None:
        return spacing, None
    affine = np.eye(4)
    affine[:3, :] = np.column_stack((orientation[:3] * in_plane[1], orientation[3:] * in_plane[0], step, start))
    affine[:2] *= -1.0  # LPS+ to RAS+
    return spacing, affine + 0.0  # no negative zeros


def _placed(dataset: Any, sequence: str, name: str, frame: int, n: int) -> NDArray[np.float64] | None:
    source = functional_group(dataset, sequence, frame) or dataset
    return None if source.get(name) is None else finite_numbers(source.get(name), n)


def finite_numbers(values: Any, n: int) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (n,) or not np.isfinite(numbers).all():
        raise ValueError("its position or orientation is not made of numbers")
    return numbers


def even_distance(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """Distance from slice to slice; 0 for a single one."""
    along = positions @ normal
    if len(along) < 2:
        return 0.0
    gaps = np.diff(along)
    mean = float(along[-1] - along[0]) / (len(along) - 1)
    if abs(mean) < 1e-6 or np.abs(gaps - mean).max() > EVENNESS * abs(mean):
        raise ValueError(
            f"its slices lie {np.abs(gaps).min():g} to {np.abs(gaps).max():g} mm apart; a volume needs equal distances"
        )
    return abs(mean)


def functional_group(dataset: Any, name: str, frame: int) -> Any:
    """The item of an enhanced object that describes `frame`, from its own group or the shared one."""
    own, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    for group in (own[frame] if own and frame < len(own) else None, shared[0] if shared else None):
        if group is not None and group.get(name):
            return group[name][0]
    return None
