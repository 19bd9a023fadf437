"""DICOM through pydicom: values as the standard orders them, geometry, and no patient data."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast.io._image import Image, as_spacing, check_budget, choose_frame, need, rescaled, windowed

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
    "HU",
    "OD",
    "US",
    "MGML",
    "PCT",
    "Z_EFF",
    "ED",
    "EDW",
    "HU_MOD",
    "BQML",
    "CNTS",
    "GML",
    "CPS",
    "GY",
    "RELATIVE",
}
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JP2, SOC_SIZ = b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"
"""How a JP2 file begins, and how a JPEG 2000 codestream does."""
EVENNESS = 0.01
"""Share of the mean distance by which the slices of a volume may lie apart from even."""


def read(path: Path, *, window: Any, frame: int | None, max_bytes: int) -> Image:
    """Read one file."""
    pydicom = need("pydicom")
    with open(path, "rb") as file:
        _check_inflated_size(pydicom, file, max_bytes)
        header = _read_dataset(pydicom, file, stop_before_pixels=True)
        n_frames = _check_header(header, frame, max_bytes)
        dataset = _read_dataset(pydicom, file)
    _check_codestreams(pydicom, dataset, n_frames, max_bytes)
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
    spacing, affine = _geometry(dataset, n_frames, frame)
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
            _check_inflated_size(pydicom, handle, max_bytes)
            header = _read_dataset(pydicom, handle, stop_before_pixels=True)
        if "Rows" not in header:
            continue
        if "ImagePositionPatient" not in header or "ImageOrientationPatient" not in header:
            raise ValueError(f"{file.name} does not say where its slice lies")
        if int(header.get("NumberOfFrames") or 1) != 1 or header.SamplesPerPixel != 1:
            raise ValueError(f"{file.name} is not a single gray slice")
        series.add(str(header.get("SeriesInstanceUID")))
        shapes.add((int(header.Rows), int(header.Columns)))
        orientations.append(_numbers(header.ImageOrientationPatient, 6))
        slices.append((_numbers(header.ImagePositionPatient, 3), file))
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
    distance = _even_distance(positions, normal)
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


def _check_inflated_size(pydicom: Any, file: Any, max_bytes: int) -> None:
    """Inflate a deflated file piece by piece and count, because pydicom inflates without a bound."""
    file.seek(0)
    pydicom.filereader.read_preamble(file, True)
    meta = pydicom.filereader.read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") != DEFLATED:
        return
    start = file.read(2)
    if start == b"\0\0":  # pydicom would skip a command group that stands here, and inflate what follows
        raise ValueError("its deflated data begin with a command group")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    n_bytes, limit = 0, max_bytes + 2**24  # the header is inflated too
    while (piece := start + file.read(2**16)) and not inflate.eof:
        start = b""
        while piece:
            n_bytes += len(inflate.decompress(piece, 2**20))
            if n_bytes > limit:
                raise ValueError(f"it inflates to more than the {max_bytes:,} bytes that max_bytes allows")
            piece = inflate.unconsumed_tail
    if not inflate.eof:
        raise ValueError("its deflated data are cut off")


def _check_header(header: Any, frame: int | None, max_bytes: int) -> int:
    """The number of frames, after the size that the header announces was found within the budget."""
    missing = [name for name in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation") if name not in header]
    if missing:
        raise ValueError(f"it is no DICOM image ({', '.join(missing)} missing)")
    if "SamplesPerPixel" not in header:
        header.SamplesPerPixel = 1
    n_frames = int(header.get("NumberOfFrames") or 1)
    samples, bits = int(header.SamplesPerPixel), int(header.BitsAllocated)
    if n_frames < 1 or min(header.Rows, header.Columns, samples) < 1:
        raise ValueError("it announces no pixels")
    high_bit = header.get("HighBit")
    if high_bit is not None and "BitsStored" in header and high_bit != header.BitsStored - 1:
        raise ValueError(f"its values end at bit {high_bit}, where BitsStored {header.BitsStored} makes it one less")
    if header.PhotometricInterpretation == "PALETTE COLOR":
        samples, bits = 3, 16
    choose_frame(frame, n_frames)
    n_values = int(header.Rows) * int(header.Columns) * samples * (n_frames if frame is None else 1)
    itemsize = max(bits // 8, 1)
    if samples == 1 and "RescaleSlope" in header and float(header.RescaleSlope or 1) != 1:
        itemsize = max(itemsize, 4)
    check_budget(n_values, itemsize, max_bytes)
    return n_frames


def _check_codestreams(pydicom: Any, dataset: Any, n_frames: int, max_bytes: int) -> None:
    """Refuse compressed frames that would decode to more than the header announces."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or "PixelData" not in dataset:
        return
    size = int(dataset.Rows) * int(dataset.Columns)
    for data in pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=n_frames):
        if syntax == RLE:
            # Two bytes of a run become 128; only where that could pass the budget is it worth counting.
            if 64 * len(data) > max_bytes and _rle_size(data) > max_bytes:
                raise ValueError("its run lengths decode to more than max_bytes allows")
        elif (rows_columns := codestream_size(data)) is not None and rows_columns[0] * rows_columns[1] > size:
            raise ValueError(
                f"its header announces {dataset.Rows}x{dataset.Columns} pixels, its compressed data {rows_columns}"
            )


def codestream_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 codestream, from its header; None where there is none."""
    if data.startswith(JP2):
        start = _jp2_codestream(data)
        start = start if data.startswith(SOC_SIZ, start) else -1
    else:
        start = data.find(SOC_SIZ, 0, 4096)
    if start >= 0 and not data.startswith(b"\xff\xd8"):
        x_end, y_end, x_start, y_start = (
            int.from_bytes(data[start + i : start + i + 4], "big") for i in (8, 12, 16, 20)
        )
        return y_end - y_start, x_end - x_start
    position = 2
    while data.startswith(b"\xff\xd8") and position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return int.from_bytes(data[position + 5 : position + 7], "big"), int.from_bytes(
                data[position + 7 : position + 9], "big"
            )
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def _jp2_codestream(data: bytes) -> int:
    """Where the codestream of a JP2 file begins: in the box ``jp2c``, after boxes that each give their length.

    Stricter than the standard, because pydicom walks the boxes too: one of length 0 (to the end of the file) would
    hold it up for ever, and of one with a 64-bit length it would follow the first half.
    """
    position = 0
    while position + 8 <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if kind == b"jp2c":
            if length == 1:
                raise ValueError("its JPEG 2000 codestream has a 64-bit length, which is not supported")
            return position + 8
        if length < 8:
            raise ValueError(f"its JPEG 2000 data have a box {kind!r} of length {length} before the codestream")
        position += length
    raise ValueError("its JPEG 2000 data end before the codestream")


def _rle_size(data: bytes) -> int:
    """Bytes that PackBits data decode to; the segments of a frame lie one after another."""
    n_bytes, position = 0, 64
    while position < len(data):
        head = data[position]
        n_bytes += head + 1 if head < 128 else (257 - head if head > 128 else 0)
        position += head + 2 if head < 128 else (2 if head > 128 else 1)
    return n_bytes


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
    group = _functional_group(dataset, "PixelValueTransformationSequence", frame) or dataset
    slope, intercept = group.get("RescaleSlope"), group.get("RescaleIntercept")
    return 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)


def _functional_group(dataset: Any, name: str, frame: int) -> Any:
    """The item of an enhanced object that describes `frame`, from its own group or the shared one."""
    own, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    for group in (own[frame] if own and frame < len(own) else None, shared[0] if shared else None):
        if group is not None and group.get(name):
            return group[name][0]
    return None


def _voi(pydicom: Any, dataset: Any, array: NDArray[Any], window: Any, frame: int) -> tuple[NDArray[np.uint8], Any]:
    """The window that was asked for, over 0 … 255, and what it was."""
    if window != "voi":
        return windowed(array, *window), window
    source = _functional_group(dataset, "FrameVOILUTSequence", frame) or dataset
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


def _geometry(dataset: Any, n_frames: int, frame: int | None) -> tuple[tuple[float, ...] | None, NDArray[Any] | None]:
    """Spacing in array order, and the affine from (column, row, plane, 1) to RAS+ millimetres."""
    first, last = (0, n_frames - 1) if frame is None else (frame, frame)
    measures = _functional_group(dataset, "PixelMeasuresSequence", first) or dataset
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
            between = as_spacing([_even_distance(positions, normal)])
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
    source = _functional_group(dataset, sequence, frame) or dataset
    return None if source.get(name) is None else _numbers(source.get(name), n)


def _numbers(values: Any, n: int) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (n,) or not np.isfinite(numbers).all():
        raise ValueError("its position or orientation is not made of numbers")
    return numbers


def _even_distance(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
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


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(np.atleast_1d(np.asarray(value, np.float64))[0])
