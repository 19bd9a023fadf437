"""DICOM through pydicom: values as the standard orders them, geometry, and no patient data."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast.io._image import Image, as_spacing, check_budget, choose_frame, need, rescaled, windowed
from medfast.io.dicom_geometry import even_distance, finite_numbers, functional_group, geometry
from medfast.io.dicom_sizes import check_codestreams, check_header, check_inflated_size

TECHNICAL_TAGS = (
    "Modality",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "NumberOfFrames",
    "SliceThickness",
    "SpacingBetweenSlices",
    "WindowCenter",
    "WindowWidth",
    "KVP",
    "ExposureTime",
    "XRayTubeCurrent",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "FlipAngle",
    "MagneticFieldStrength",
)
"""What `Image.meta` may hold of a file: numbers and code strings of the acquisition, nothing that tells who or when."""

UNITS = {
    "HU", "OD", "US", "MGML", "PCT", "Z_EFF", "ED", "EDW", "HU_MOD", "BQML", "CNTS", "GML", "CPS", "GY", "RELATIVE",
}  # fmt: skip


def read(path: Path, *, window: Any, frame: int | None, max_bytes: int) -> Image:
    """Read one file."""
    pydicom = need("pydicom")
    with open(path, "rb") as file:
        check_inflated_size(pydicom, file, max_bytes)
        header = _read_dataset(pydicom, file, stop_before_pixels=True)
        n_frames = check_header(header, frame, max_bytes)
        dataset = _read_dataset(pydicom, file)
    check_codestreams(pydicom, dataset, n_frames, max_bytes)
    stored = pydicom.pixels.pixel_array(dataset, index=choose_frame(frame, n_frames))
    if n_frames > 1 and frame is None and stored.shape[0] != n_frames:
        raise ValueError(f"it announces {n_frames} frames and holds {stored.shape[0]}")
    colour = dataset.SamplesPerPixel > 1
    photometric = str(dataset.PhotometricInterpretation).strip()
    if photometric == "PALETTE COLOR":
        stored, colour = pydicom.pixels.apply_color_lut(stored, dataset), True
    meta = _technical_facts(dataset)
    slope, intercept, unit = 1.0, 0.0, None
    if colour:
        if window is not None:
            raise ValueError("a window applies to gray images, and this one has colours")
        array = rescaled(stored)
        meta["channels"] = array.shape[-1]
    else:
        chosen = range(n_frames) if frame is None else (frame,)
        array, limits, slope, intercept = _modality(pydicom, dataset, stored, chosen)
        unit = _unit(dataset)
        if window is not None:
            array, meta["window"] = _voi(pydicom, dataset, array, window, chosen[0])
            limits, slope, intercept, unit = (0, 255), 1.0, 0.0, None
        if photometric == "MONOCHROME1":
            array, meta["inverted"] = _inverted(array, limits), True
            if window is None:
                slope, intercept = -slope, limits[0] + limits[1] - intercept
    spacing, affine = geometry(dataset, n_frames, frame)
    return Image(array, spacing, affine, slope, intercept, unit, meta)


def read_folder(path: Path, *, window: Any, frame: int | None, max_bytes: int) -> Image:
    """Read the slices in a folder as one volume."""
    if frame is not None:
        raise ValueError("frame does not apply to a folder of slices")
    pydicom = need("pydicom")
    slices = []
    series, shapes, orientations = set(), set(), []
    for file in sorted(path.iterdir()):
        if not file.is_file() or file.name.startswith(".") or file.name.upper().startswith("DICOMDIR"):
            continue
        with open(file, "rb") as handle:
            if handle.read(132)[128:] != b"DICM":
                continue
            check_inflated_size(pydicom, handle, max_bytes)
            header = _read_dataset(pydicom, handle, stop_before_pixels=True)
        if "Rows" not in header:
            continue
        if "ImagePositionPatient" not in header or "ImageOrientationPatient" not in header:
            raise ValueError(f"{file.name} does not say where its slice lies")
        if int(header.get("NumberOfFrames") or 1) != 1 or header.SamplesPerPixel != 1:
            raise ValueError(f"{file.name} is not a single gray slice")
        series.add(str(header.get("SeriesInstanceUID")))
        shapes.add((int(header.Rows), int(header.Columns)))
        orientations.append(finite_numbers(header.ImageOrientationPatient, 6))
        slices.append((finite_numbers(header.ImagePositionPatient, 3), file))
    if not slices:
        raise ValueError("it is a folder without DICOM images")
    if len(series) > 1 or len(shapes) > 1:
        raise ValueError(
            f"its slices come from {len(series)} series in {len(shapes)} sizes; put each series in a folder"
        )
    if np.abs(np.array(orientations) - orientations[0]).max() > 1e-4:
        raise ValueError("its slices do not lie parallel")
    check_budget(len(slices) * shapes.copy().pop()[0] * shapes.pop()[1], 4, max_bytes)
    normal = np.cross(orientations[0][:3], orientations[0][3:])
    slices.sort(key=lambda entry: float(entry[0] @ normal))
    positions = np.array([position for position, _ in slices])
    distance = even_distance(positions, normal)
    planes = [read(file, window=window, frame=None, max_bytes=max_bytes) for _, file in slices]
    first = planes[0]
    dtype = np.result_type(
        *{plane.array.dtype for plane in planes}
    )  # int16 and uint16 would be int32, which rescaled maps
    array = np.stack([plane.array.astype(dtype, copy=False) for plane in planes])
    same_rescale = {(plane.slope, plane.intercept) for plane in planes} == {(first.slope, first.intercept)}
    slope, intercept = (first.slope, first.intercept) if same_rescale else (float("nan"), float("nan"))
    affine = first.affine
    if affine is not None and len(slices) > 1:
        affine[:3, 2] = (positions[-1] - positions[0]) / (len(slices) - 1) * (-1, -1, 1)
    between = distance if distance else first.meta.get("SpacingBetweenSlices") or first.meta.get("SliceThickness")
    spacing = as_spacing((between, *first.spacing)) if first.spacing else None
    meta = {**first.meta, "slices": len(slices)}
    return Image(rescaled(array), spacing, affine, slope, intercept, first.unit, meta)


def _read_dataset(pydicom: Any, file: Any, *, stop_before_pixels: bool = False) -> Any:
    file.seek(0)
    dataset = pydicom.dcmread(file, force=True, stop_before_pixels=stop_before_pixels)
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little_endian = dataset.original_encoding
        explicit = pydicom.uid.ExplicitVRLittleEndian if little_endian else pydicom.uid.ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian if implicit else explicit
    return dataset


def _modality(pydicom: Any, dataset: Any, stored: NDArray[Any], frames: Any) -> tuple[NDArray[Any], Any, float, float]:
    """Values after the modality transform; the least and the greatest that can occur; slope and intercept."""
    bits, signed = int(dataset.get("BitsStored") or dataset.BitsAllocated), bool(dataset.get("PixelRepresentation"))
    ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if "ModalityLUTSequence" in dataset:
        table = dataset.ModalityLUTSequence[0].LUTDescriptor
        return rescaled(pydicom.pixels.apply_modality_lut(stored, dataset)), (0, 2 ** int(table[2]) - 1), 1.0, 0.0
    rescales = [_rescale(dataset, frame) for frame in frames]
    if len(set(rescales)) == 1:
        slope, intercept = rescales[0]
        limits = sorted(slope * end + intercept for end in ends)
        return rescaled(stored, slope, intercept), limits, slope, intercept
    # An enhanced object may rescale each frame in its own way: no single slope tells the stored values then.
    array = np.stack([rescaled(plane, *pair).astype(np.float32) for plane, pair in zip(stored, rescales, strict=True)])
    limits = [f(slope * end + intercept for slope, intercept in rescales for end in ends) for f in (min, max)]
    return array, limits, float("nan"), float("nan")


def _rescale(dataset: Any, frame: int) -> tuple[float, float]:
    if (dose := dataset.get("DoseGridScaling")) is not None:
        return float(dose), 0.0
    group = functional_group(dataset, "PixelValueTransformationSequence", frame) or dataset
    slope, intercept = group.get("RescaleSlope"), group.get("RescaleIntercept")
    return 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)


def _voi(pydicom: Any, dataset: Any, array: NDArray[Any], window: Any, frame: int) -> tuple[NDArray[np.uint8], Any]:
    """The window that was asked for, over 0 … 255, and what it was."""
    if window != "voi":
        return windowed(array, *window), window
    source = functional_group(dataset, "FrameVOILUTSequence", frame) or dataset
    if source.get("VOILUTSequence"):
        top = 2 ** int(source.VOILUTSequence[0].LUTDescriptor[2]) - 1
        values = pydicom.pixels.apply_voi(array, source, 0)
        return np.rint(np.clip(values * (255.0 / top), 0, 255)).astype(np.uint8), "look-up table"
    center, width = (_first(source.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None:
        raise ValueError('it carries no window; give window=(center, width) instead of "voi"')
    function = str(source.get("VOILUTFunction") or "LINEAR")
    return windowed(array, center, width, function), (center, width)


def _inverted(array: NDArray[Any], limits: Any) -> NDArray[Any]:
    """``least + greatest − value``, so that white and black change places."""
    total = limits[0] + limits[1]
    if array.dtype.kind == "f":
        return (np.float64(total) - array).astype(array.dtype)
    inverted = np.int64(total) - array
    return inverted.astype(np.uint8) if array.dtype == np.uint8 else rescaled(inverted)


def _unit(dataset: Any) -> str | None:
    modality = dataset.get("Modality")
    for text in (dataset.get("RescaleType"), dataset.get("Units"), dataset.get("DoseUnits")):
        if text in UNITS and text != "US":  # US: unspecified
            return str(text)
    return "HU" if modality == "CT" and "RescaleIntercept" in dataset else None


def _technical_facts(dataset: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"format": "DICOM"}
    for name in TECHNICAL_TAGS:
        value = dataset.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, str):
            facts[name] = str(value)
        elif isinstance(value, int):
            facts[name] = int(value)
        else:
            numbers = np.atleast_1d(np.asarray(value, np.float64))
            facts[name] = float(numbers[0]) if numbers.size == 1 else tuple(map(float, numbers))
    return facts


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(np.atleast_1d(np.asarray(value, np.float64))[0])
