"""NIfTI through nibabel: the affine and the spacing of the file, bit for bit."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast.io._image import Image, as_spacing, check_budget, choose_frame, need, rescaled, windowed

GEOMETRY = (
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
    "pixdim",
)
"""Header fields that the affine comes from, kept so that writing can give the same bits back."""
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def read(path: Path, *, window: Any, frame: int | None, max_bytes: int) -> Image:
    """Read a .nii or .nii.gz file."""
    nibabel = need("nibabel")
    if window == "voi":
        raise ValueError('window="voi" applies to DICOM; give window=(center, width)')
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    opener: Callable[..., Any] = gzip.open if compressed else open
    with opener(path, "rb") as file:
        header, name = _read_header(nibabel, file)
        stored_dtype = header.get_data_dtype()
        shape = header.get_data_shape()
        if len(shape) < 2 or min(shape) < 1:
            raise ValueError(f"it announces the shape {shape}")
        offset = int(header["vox_offset"]) or header.single_vox_offset
        # Everything before the pixels is inflated on the way to them.
        if not header.sizeof_hdr <= offset <= max_bytes + 2**20:
            raise ValueError(f"its pixels begin at byte {offset:,}")
        frame = None if frame is None else choose_frame(frame, shape[3] if len(shape) > 3 else 1)
        one_volume = frame is not None and len(shape) > 3
        n_values = int(np.prod(shape[:3] if one_volume else shape, dtype=object))
        slope, intercept = header.get_slope_inter()
        slope, intercept = 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
        itemsize = stored_dtype.itemsize if slope == 1 else max(stored_dtype.itemsize, 4)
        check_budget(n_values, itemsize, max_bytes)
        skip = offset + (n_values * stored_dtype.itemsize * frame if one_volume and frame else 0)
        file.seek(skip)
        data = bytearray(n_values * stored_dtype.itemsize)
        n_read = _read_into(file, data)
    if n_read < len(data):
        raise ValueError(f"it is cut off: {len(data):,} bytes of pixels announced, {n_read:,} found")
    shape = shape[:3] if one_volume else shape
    # The file counts columns fastest, so its bytes are already in the order of the reversed axes.
    stored = np.frombuffer(data, stored_dtype).reshape(shape[::-1])
    spacing = as_spacing(header.get_zooms()[: len(shape)][::-1])
    meta: dict[str, Any] = {
        "format": name,
        "spatial_unit": header.get_xyzt_units()[0],
        "geometry": {field: np.array(header[field]).tolist() for field in GEOMETRY},
    }
    if stored_dtype.fields is not None:
        meta["channels"] = len(stored_dtype.fields)
        stored = stored.view(np.uint8).reshape(*stored.shape, meta["channels"])
        if window is not None:
            raise ValueError("a window applies to gray images, and this one has colours")
        return Image(stored, spacing, header.get_best_affine(), meta=meta)
    array = rescaled(stored, slope, intercept)
    if window is not None:
        array, meta["window"], slope, intercept = windowed(array, *window), window, 1.0, 0.0
    return Image(array, spacing, header.get_best_affine(), slope, intercept, None, meta)


def _read_header(nibabel: Any, file: Any) -> tuple[Any, str]:
    """The header alone: nibabel would also read its extensions, of any size and with any text in them."""
    head = file.read(540)
    for kind, magic, name in (
        (nibabel.Nifti1Header, head[344:348] == b"n+1\0", "NIfTI-1"),
        (nibabel.Nifti2Header, head[4:8] == b"n+2\0", "NIfTI-2"),
    ):
        size = kind.template_dtype.itemsize
        if magic and len(head) >= size:
            return kind(head[:size]), name
    raise ValueError("it is compressed, and no NIfTI file" if head else "it is empty")


def _read_into(file: Any, data: bytearray) -> int:
    view, n_read = memoryview(data), 0
    while n_read < len(data) and (n := file.readinto(view[n_read : n_read + 2**24])):
        n_read += n
    return n_read


def writer(image: Image, *, compress: bool) -> Callable[[Any], None]:
    """A function that writes `image` to an open file, or an error that says what NIfTI cannot hold."""
    array, colour = image.array, image.channel_axis is not None
    n_axes = array.ndim - colour
    if n_axes > 7 or (colour and (array.dtype != np.uint8 or array.shape[-1] != 3)):
        raise ValueError(
            f"NIfTI cannot hold {'colour' if colour else 'gray'} {array.dtype} of shape {array.shape}; it holds "
            "gray of all dtypes in 2 to 7 dimensions and uint8 RGB"
        )
    nibabel = need("nibabel")
    header = _header(nibabel, image, n_axes, colour)
    payload = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))

    def write(file: Any) -> None:
        # No name and no time in the compressed file: the same image gives the same bytes.
        target = gzip.GzipFile("", "wb", 6, file, mtime=0) if compress else file
        target.write(header.binaryblock)
        target.write(b"\0" * (int(header["vox_offset"]) - len(header.binaryblock)))
        target.write(payload.reshape(-1).view(np.uint8).data)
        if compress:
            target.close()

    return write


def _header(nibabel: Any, image: Image, n_axes: int, colour: bool) -> Any:
    shape = image.array.shape[:n_axes][::-1]
    large = max(shape) > np.iinfo(np.int16).max or image.meta.get("format") == "NIfTI-2"
    header = (nibabel.Nifti2Header if large else nibabel.Nifti1Header)(endianness="<")
    header.set_data_dtype(RGB if colour else image.array.dtype)
    header.set_data_shape(shape)
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    header["scl_slope"], header["scl_inter"] = 1, 0
    spacing = image.spacing
    if spacing is None and image.affine is not None:
        spacing = _column_lengths(image.affine, n_axes)
    header.set_zooms(spacing[::-1] if spacing is not None else (1.0,) * n_axes)
    unit = image.meta.get("spatial_unit", "mm")
    header.set_xyzt_units(unit if unit in ("mm", "meter", "micron") else "unknown")
    if image.affine is None:
        header["sform_code"] = header["qform_code"] = 0
        return header
    kept = image.meta.get("geometry")
    if kept is not None:
        same = header.copy()
        for field in GEOMETRY:
            if field != "pixdim":
                same[field] = kept[field]
        same["pixdim"][0] = kept["pixdim"][0]  # the handedness of the quaternion
        if np.array_equal(same.get_best_affine(), image.affine):
            return same
    header.set_sform(image.affine, code=2 if kept else 1)
    return header


def _column_lengths(affine: NDArray[np.float64], n_axes: int) -> tuple[float, ...]:
    lengths = [float(np.sqrt((affine[:3, axis] ** 2).sum())) for axis in range(3)]
    return tuple([*lengths, 1.0, 1.0, 1.0, 1.0][:n_axes][::-1])
