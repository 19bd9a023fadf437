"""Reading and writing: values, geometry, budgets, errors, privacy."""

import contextlib
import dataclasses
import gzip
import io
import pickle
import warnings
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from medfast.io import Image, ImageReadError, _image, read_image, write_image
from medfast.io.dicom import codestream_size

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")
tifffile = pytest.importorskip("tifffile")
PIL_Image = pytest.importorskip("PIL.Image")

# Some carried files break rules of the standard on purpose, and pydicom says so.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore:Invalid value for VR:UserWarning")

CARRIED = Path(pydicom.__file__).parent / "data" / "test_files"
CT_FOLDER = CARRIED / "dicomdirtests" / "98892001" / "CT5N"
CR_FILE = CARRIED / "dicomdirtests" / "77654033" / "CR1" / "6154"


def dicom_file(path, array, **elements):
    """A small DICOM file with the pixels and elements that a test needs."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = elements.pop("syntax", pydicom.uid.ExplicitVRLittleEndian)
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", pydicom.uid.generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "ID-4711"
    dataset.Modality = "OT"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = array.shape[-2:]
    if array.ndim == 3:
        dataset.NumberOfFrames = array.shape[0]
    dataset.BitsAllocated = dataset.BitsStored = 8 * array.dtype.itemsize
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    data = array.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if array.dtype.itemsize > 1 else "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path


# --- DICOM in ---------------------------------------------------------------------------------------------------------


def test_ct_is_int16_in_hounsfield_units():
    dataset = pydicom.dcmread(CARRIED / "CT_small.dcm")
    image = read_image(CARRIED / "CT_small.dcm")
    assert (image.array.dtype, image.unit, image.slope, image.intercept) == (np.int16, "HU", 1.0, -1024.0)
    np.testing.assert_array_equal(image.array, dataset.pixel_array.astype(int) - 1024)
    assert image.spacing == (0.661468, 0.661468)


@pytest.mark.parametrize("name", ["bigendian", "expb", "implicit", "padded", "RLE", "jp2klossless"])
def test_transfer_syntaxes_give_the_same_values(name):
    expected = read_image(CARRIED / "MR_small.dcm")
    image = read_image(CARRIED / f"MR_small_{name}.dcm")
    assert image.array.dtype == np.int16
    assert image.array.dtype.isnative
    np.testing.assert_array_equal(image.array, expected.array)
    np.testing.assert_array_equal(image.affine, expected.affine)


def test_monochrome1_is_inverted_after_the_rescale():
    dataset = pydicom.dcmread(CR_FILE)
    image = read_image(CR_FILE)
    stored = dataset.pixel_array.astype(np.float64)
    expected = (0.684 * 0 + 200) + (0.684 * 4095 + 200) - (0.684 * stored + 200)
    np.testing.assert_allclose(image.array, expected, rtol=1e-6)
    np.testing.assert_allclose(image.slope * stored + image.intercept, expected, rtol=1e-12)
    assert image.array.dtype == np.float32
    assert image.meta["inverted"] is True
    assert image.meta["PhotometricInterpretation"] == "MONOCHROME1"
    assert image.spacing == (0.1, 0.1)  # from ImagerPixelSpacing


def test_monochrome1_window_is_inverted_last(tmp_path):
    stored = np.arange(64, dtype=np.uint16).reshape(8, 8)
    path = dicom_file(tmp_path / "x.dcm", stored, PhotometricInterpretation="MONOCHROME1", BitsStored=12)
    plain = dicom_file(tmp_path / "y.dcm", stored, BitsStored=12)
    np.testing.assert_array_equal(read_image(path).array, 4095 - stored)
    window = (20, 30)
    np.testing.assert_array_equal(read_image(path, window=window).array, 255 - read_image(plain, window=window).array)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_unused_bits_are_cut_and_the_sign_is_kept(tmp_path, rng, bits):
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (9, 7)).astype(np.int16)
    garbage = (values.view(np.uint16) & np.uint16(2**bits - 1)) | np.uint16((0xA5A5 << bits) & 0xFFFF)
    signed = dicom_file(tmp_path / "s.dcm", garbage, BitsStored=bits, PixelRepresentation=1)
    np.testing.assert_array_equal(read_image(signed).array, values)
    unsigned = read_image(dicom_file(tmp_path / "u.dcm", garbage, BitsStored=bits))
    assert unsigned.array.dtype == np.uint16
    np.testing.assert_array_equal(unsigned.array, values.view(np.uint16) & np.uint16(2**bits - 1))


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_big_endian(tmp_path, rng, byte_order):
    values = rng.integers(0, 65536, (2, 5, 7)).astype(np.uint16)
    syntax = pydicom.uid.ExplicitVRBigEndian if byte_order == ">" else pydicom.uid.ExplicitVRLittleEndian
    path = dicom_file(tmp_path / "x.dcm", values.astype(f"{byte_order}u2"), syntax=syntax)
    np.testing.assert_array_equal(read_image(path).array, values)


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [
        (1, 0, "uint16"),
        (1, -1024, "int16"),
        (2, -1024, "int16"),
        (8, 0, "uint16"),
        (100, 0, "float32"),
        (0.5, 0, "float32"),
    ],
)
def test_rescale_is_applied_once_and_stays_integer(tmp_path, slope, intercept, dtype):
    stored = np.arange(8192, step=33, dtype=np.uint16)[None]
    path = dicom_file(tmp_path / "x.dcm", stored, RescaleSlope=slope, RescaleIntercept=intercept, BitsStored=13)
    image = read_image(path)
    assert image.array.dtype == dtype
    np.testing.assert_array_equal(image.array, stored.astype(float) * slope + intercept)


def test_modality_look_up_table(tmp_path):
    item = pydicom.Dataset()
    item.LUTDescriptor, item.LUTData, item.ModalityLUTType = [4, 0, 16], [5, 500, 50, 60000], "US"
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "US"
    stored = np.array([[0, 1], [2, 3]], np.uint8)
    image = read_image(dicom_file(tmp_path / "x.dcm", stored, ModalityLUTSequence=[item]))
    np.testing.assert_array_equal(image.array, [[5, 500], [50, 60000]])


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_of_the_file_equals_pydicom(tmp_path, rng, function):
    stored = rng.integers(0, 4096, (20, 30)).astype(np.uint16)
    elements = {"WindowCenter": [900, 5], "WindowWidth": [700, 5], "VOILUTFunction": function, "BitsStored": 12}
    path = dicom_file(tmp_path / "x.dcm", stored, **elements)
    expected = pydicom.pixels.apply_windowing(stored, pydicom.dcmread(path)) * 255 / 4095
    image = read_image(path, window="voi")
    assert image.array.dtype == np.uint8
    assert (image.slope, image.intercept, image.meta["window"]) == (1.0, 0.0, (900.0, 700.0))
    assert np.abs(image.array - expected).max() <= 0.5 + 1e-9
    if function == "LINEAR":
        np.testing.assert_array_equal(read_image(path, window=(900, 700)).array, image.array)


def test_voi_look_up_table(tmp_path):
    item = pydicom.Dataset()
    item.LUTDescriptor, item.LUTData = [4, 0, 12], [0, 4095, 1024, 2048]
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "US"
    path = dicom_file(tmp_path / "x.dcm", np.array([[0, 1], [2, 3]], np.uint8), VOILUTSequence=[item])
    np.testing.assert_array_equal(read_image(path, window="voi").array, [[0, 255], [64, 128]])


def test_window_of_width_one_is_a_step():
    np.testing.assert_array_equal(_image.windowed(np.array([[8, 9, 10, 11]]), 10.0, 1.0), [[0, 0, 255, 255]])


def test_colours_become_rgb():
    for name, shape in {
        "SC_ybr_full_422_uncompressed.dcm": (100, 100, 3),
        "examples_rgb_color.dcm": (240, 320, 3),
        "examples_palette.dcm": (350, 800, 3),
        "SC_rgb_rle_2frame.dcm": (2, 100, 100, 3),
    }.items():
        image = read_image(CARRIED / name)
        assert (image.array.shape, image.channel_axis) == (shape, -1)
    # Red, top left, in both encodings of the same picture.
    ybr, rgb = (read_image(CARRIED / name).array for name in ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb_rle.dcm"))
    assert np.abs(ybr[5, 50].astype(int) - rgb[5, 50]).max() <= 2


def test_frames_of_a_dose():
    dose = read_image(CARRIED / "rtdose.dcm")
    assert dose.array.shape == (15, 10, 10)
    assert dose.spacing == (5.0, 10.0, 10.0)
    np.testing.assert_array_equal(read_image(CARRIED / "rtdose.dcm", frame=3).array, dose.array[3])
    with pytest.raises(ImageReadError, match=r"has 15 frame\(s\)"):
        read_image(CARRIED / "rtdose.dcm", frame=15)


def test_enhanced_object(tmp_path, rng):
    stored = rng.integers(0, 1000, (3, 4, 5)).astype(np.uint16)
    shared = pydicom.Dataset()
    measures, orientation = pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.25], 9
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    frames = []
    for index in range(3):
        position, values, frame = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        position.ImagePositionPatient = [10, 20, 30 + 4 * index]
        values.RescaleSlope, values.RescaleIntercept = 1 + index, -10
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [values]
        frames.append(frame)
    path = dicom_file(
        tmp_path / "x.dcm", stored, SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=frames
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.array, stored * np.array([1.0, 2.0, 3.0])[:, None, None] - 10)
    assert image.spacing == (4.0, 0.5, 0.25)
    np.testing.assert_array_equal(image.affine @ [4, 3, 2, 1], [-11, -21.5, 38, 1])
    np.testing.assert_array_equal(read_image(path, frame=2).array, stored[2] * 3.0 - 10)


def test_folder_of_slices_is_a_volume():
    image = read_image(CT_FOLDER)
    heights = {}
    for file in CT_FOLDER.iterdir():
        dataset = pydicom.dcmread(file)
        heights[float(dataset.ImagePositionPatient[2])] = dataset.pixel_array.astype(int) - 1024
    np.testing.assert_array_equal(image.array, [heights[z] for z in sorted(heights)])
    assert (image.spacing, image.unit, image.array.dtype) == ((2.5, 0.488281, 0.488281), "HU", np.int16)
    corner = image.affine @ [0, 0, 4, 1]
    np.testing.assert_allclose(corner[:3], [72.199997, 143.0, max(heights)], atol=1e-9)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("77654033/CT2", "1.25 to 202.5 mm apart"),
        ("98892001/CT2N", "do not lie parallel"),
        ("98892001", "without DICOM images"),
    ],
)
def test_folder_that_is_no_volume(folder, reason):
    with pytest.raises(ImageReadError, match=reason):
        read_image(CARRIED / "dicomdirtests" / folder)


def test_metadata_tell_nothing_of_the_patient(tmp_path):
    path = dicom_file(
        tmp_path / "x.dcm", np.zeros((4, 4), np.uint8), StudyDescription="Doe", InstitutionName="Doe clinic"
    )
    image = read_image(path)
    assert "Doe" not in repr(image) + repr(image.meta)
    assert "4711" not in repr(image.meta)
    write_image(tmp_path / "y.dcm", image)
    text = str(pydicom.dcmread(tmp_path / "y.dcm"))
    assert "Doe" not in text
    assert "4711" not in text


# --- NIfTI ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_nifti_keeps_values_and_affine_bit_for_bit(tmp_path, rng, suffix, dtype):
    values = (rng.normal(100, 30, (6, 5, 4))).astype(dtype)
    affine = rng.normal(size=(4, 4)).astype(np.float32).astype(np.float64)
    affine[3] = 0, 0, 0, 1
    source, copy = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    nibabel.save(nibabel.Nifti1Image(values, affine), source)
    image = read_image(source)
    assert image.array.dtype == dtype
    np.testing.assert_array_equal(image.array, values.T)  # array[plane, row, column] is voxel [column, row, plane]
    np.testing.assert_array_equal(image.affine, affine)
    write_image(copy, image)
    again, loaded = read_image(copy), nibabel.load(copy)
    np.testing.assert_array_equal(again.array, image.array)
    np.testing.assert_array_equal(again.affine, affine)
    np.testing.assert_array_equal(loaded.affine, affine)
    np.testing.assert_array_equal(np.asarray(loaded.dataobj), values)
    assert loaded.get_data_dtype() == dtype
    assert again.spacing == image.spacing


def test_nifti_affine_of_a_qform_alone_goes_round(tmp_path):
    volume = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
    angle = np.deg2rad(17)
    affine = np.array([[3 * np.cos(angle), -2 * np.sin(angle), 0, 5], [3 * np.sin(angle), 2 * np.cos(angle), 0, 6]])
    volume.set_qform(np.vstack((affine, [[0, 0, 0.7, 7], [0, 0, 0, 1]])), code=1)
    nibabel.save(volume, tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    np.testing.assert_array_equal(image.affine, nibabel.load(tmp_path / "a.nii").affine)
    write_image(tmp_path / "b.nii", image)
    np.testing.assert_array_equal(read_image(tmp_path / "b.nii").affine, image.affine)
    assert read_image(tmp_path / "b.nii").spacing == image.spacing == (float(np.float32(0.7)), 2.0, 3.0)
    moved = dataclasses.replace(image, affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    write_image(tmp_path / "c.nii", moved)
    np.testing.assert_array_equal(read_image(tmp_path / "c.nii").affine, moved.affine)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_nifti_rescale_and_byte_order(tmp_path, byte_order):
    volume = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    header = volume.header.as_byteswapped(byte_order)
    header.set_slope_inter(0.25, -3)
    data = np.arange(24, dtype=f"{byte_order}i2").tobytes("C")
    (tmp_path / "a.nii").write_bytes(header.binaryblock + b"\0" * 4 + data)
    image = read_image(tmp_path / "a.nii")
    assert (image.array.dtype, image.slope, image.intercept) == (np.float32, 0.25, -3.0)
    np.testing.assert_array_equal(image.array.reshape(-1), np.arange(24) * 0.25 - 3)


@pytest.mark.parametrize(
    ("stored", "largest", "dtype"),
    [("int8", 100, "int16"), ("int32", 30000, "int16"), ("int32", 60000, "uint16"), ("int64", 2**40, "float64")],
)
def test_nifti_integers_without_a_dtype_of_ours(tmp_path, stored, largest, dtype):
    values = np.array([[[0, 7, largest]]], stored)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4), dtype=stored), tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    assert image.array.dtype == dtype
    assert image.array.reshape(-1).tolist() == [0, 7, largest]


def test_nifti_4d_and_frame(tmp_path, rng):
    values = rng.integers(-9, 9, (4, 5, 6, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii.gz")
    assert read_image(tmp_path / "a.nii.gz").array.shape == (3, 6, 5, 4)
    np.testing.assert_array_equal(read_image(tmp_path / "a.nii.gz", frame=1).array, values[..., 1].T)


def test_nifti_of_an_array_gets_its_spacing(tmp_path):
    write_image(tmp_path / "a.nii", Image(np.zeros((2, 3, 4), np.float32), spacing=(2.5, 0.5, 0.25)))
    loaded = nibabel.load(tmp_path / "a.nii")
    assert loaded.shape == (4, 3, 2)
    assert loaded.header.get_zooms() == (0.25, 0.5, 2.5)


def test_nifti_bytes_depend_on_nothing_but_the_image(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_image(tmp_path / name, np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


# --- PNG, JPEG, TIFF --------------------------------------------------------------------------------------------------


def colour(array, **fields):
    """The array as an Image whose last axis is colour."""
    return Image(array, meta={"channels": array.shape[-1]}, **fields)


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [
        ("a.png", "uint8", (5, 7)),
        ("a.png", "uint16", (5, 7)),
        ("a.tif", "uint8", (5, 7)),
        ("a.tif", "uint16", (3, 5, 7)),
        ("a.tif", "int16", (2, 3, 5, 7)),
        ("a.tiff", "float32", (5, 7)),
        ("a.tif", "float64", (1, 5, 7)),
        ("a.tif", "uint16", (4, 4, 4)),
        ("a.dcm", "int16", (5, 7)),
        ("a.dcm", "uint8", (3, 5, 7)),
        ("a.dcm", "uint16", (3, 5, 7)),
    ],
)
def test_gray_round_trip(tmp_path, rng, name, dtype, shape):
    values = rng.normal(120, 40, shape).clip(0, 255).astype(dtype)
    spacing = (2.0, 3.0, 0.7, 0.3)[-len(shape) :]
    write_image(tmp_path / name, Image(values, spacing))
    image = read_image(tmp_path / name)
    assert image.array.dtype == dtype
    np.testing.assert_array_equal(image.array, values)
    assert image.spacing == (None if name.endswith("png") else spacing)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("a.png", (5, 7, 3)),
        ("a.png", (5, 7, 4)),
        ("a.tif", (5, 7, 3)),
        ("a.tif", (2, 5, 7, 3)),
        ("a.dcm", (5, 7, 3)),
        ("a.dcm", (2, 5, 7, 3)),
        ("a.nii", (2, 5, 7, 3)),
    ],
)
def test_colour_round_trip(tmp_path, rng, name, shape):
    values = rng.integers(0, 256, shape, np.uint8)
    write_image(tmp_path / name, colour(values))
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.array, values)
    assert image.channel_axis == -1


def test_jpeg(tmp_path):
    values = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))
    write_image(tmp_path / "a.jpg", values, quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg").array.astype(int) - values).max() <= 4
    with pytest.raises(ValueError, match="quality must be <= 100"):
        write_image(tmp_path / "a.jpg", values, quality=101)


def test_png_kinds(tmp_path):
    bits = np.array([[0, 1], [1, 0]], bool)
    PIL_Image.fromarray(bits).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_image(tmp_path / "1.png").array, bits * np.uint8(255))
    palette = PIL_Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    palette.putpalette([1, 2, 3, 40, 50, 60])
    palette.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_image(tmp_path / "p.png").array, [[[1, 2, 3], [40, 50, 60]]])
    gray_alpha = np.array([[[9, 255], [8, 255]]], np.uint8)
    PIL_Image.fromarray(gray_alpha, "LA").save(tmp_path / "la.png")
    np.testing.assert_array_equal(read_image(tmp_path / "la.png").array, [[9, 8]])


def test_png_colour_with_16_bits_is_refused(tmp_path):
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = chunk(b"IHDR", (1).to_bytes(4, "big") * 2 + bytes([16, 2, 0, 0, 0]))
    data = chunk(b"IDAT", zlib.compress(bytes(7)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""))
    with pytest.raises(ImageReadError, match="colour PNG with 16 bits"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_compressions(tmp_path, rng, compression, dtype):
    pages = rng.normal(100, 20, (3, 40, 50)).astype(dtype)
    pictures = [PIL_Image.fromarray(page) for page in pages]
    pictures[0].save(
        tmp_path / "a.tif", save_all=True, append_images=pictures[1:], compression=compression, dpi=(254, 127)
    )
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, pages)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", frame=2).array, pages[2])
    assert read_image(tmp_path / "a.tif", frame=2).spacing == pytest.approx((0.2, 0.1))


@pytest.mark.parametrize(("unit", "size"), [("INCH", 25.4), ("CENTIMETER", 10.0), ("NONE", None)])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_tiff_resolution_is_spacing(tmp_path, unit, size, byte_order):
    values = np.arange(35, dtype=np.uint16).reshape(5, 7)
    tifffile.imwrite(tmp_path / "a.tif", values, resolution=(20, 40), resolutionunit=unit, byteorder=byte_order)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, values)
    assert image.spacing == (None if size is None else (size / 40, size / 20))


def test_tiff_spacing_in_tags_for_other_readers(tmp_path):
    write_image(tmp_path / "a.tif", Image(np.zeros((5, 7), np.uint8), spacing=(0.7, 0.35)))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        tags = tiff.pages[0].tags
        assert Fraction(*tags["YResolution"].value) == Fraction(100, 7)
        assert tags["ResolutionUnit"].value == 3


def test_tiff_imagej_stack(tmp_path):
    values = np.arange(2 * 5 * 7, dtype=np.uint16).reshape(2, 5, 7)
    metadata = {"spacing": 3.0, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, resolution=(2, 4), metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, values)
    assert image.spacing == pytest.approx((3e-3, 0.25e-3, 0.5e-3))


def test_tiff_palette_and_white_is_zero(tmp_path):
    table = np.zeros((3, 256), np.uint16)
    table[:, 1] = (257 * 10, 257 * 20, 257 * 30)
    tifffile.imwrite(tmp_path / "p.tif", np.array([[0, 1]], np.uint8), photometric="palette", colormap=table)
    np.testing.assert_array_equal(read_image(tmp_path / "p.tif").array, [[[0, 0, 0], [10, 20, 30]]])
    tifffile.imwrite(tmp_path / "w.tif", np.array([[0, 1]], np.uint8), photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "w.tif").array, [[255, 254]])


# --- budgets and bombs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.nii", "a.nii.gz", "a.dcm"])
def test_budget_is_exact(tmp_path, name):
    write_image(tmp_path / name, np.zeros((30, 40), np.uint8))
    assert read_image(tmp_path / name, max_bytes=1200).array.nbytes == 1200
    with pytest.raises(ImageReadError, match="max_bytes allows 1,199"):
        read_image(tmp_path / name, max_bytes=1199)


def test_budget_of_a_folder():
    with pytest.raises(ImageReadError, match="max_bytes allows"):
        read_image(CT_FOLDER, max_bytes=5 * 16 * 16)


def test_budget_of_one_frame():
    assert read_image(CARRIED / "rtdose.dcm", frame=0, max_bytes=400).array.shape == (10, 10)


def peak_of(function):
    """Most memory that Python's allocators held while `function` ran, in bytes."""
    import tracemalloc

    tracemalloc.start()
    try:
        function()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def refuse(path, match, **options):
    """Reading fails for that reason, with little memory."""

    def attempt():
        with pytest.raises(ImageReadError, match=match):
            read_image(path, **options)

    assert peak_of(attempt) < 20e6


def test_deflated_dicom_bomb(tmp_path):
    path = dicom_file(tmp_path / "x.dcm", np.zeros((4, 4), np.uint8), syntax=pydicom.uid.DeflatedExplicitVRLittleEndian)
    dataset = pydicom.dcmread(path)
    # An element of 100 MB of zeros inflates from 100 kB; the pixels are as announced.
    dataset.add_new(0x00091010, "OB", bytes(100_000_000))
    dataset.save_as(path)
    del dataset
    assert path.stat().st_size < 200_000
    refuse(path, "inflates to more than", max_bytes=10_000_000)
    (tmp_path / "cut.dcm").write_bytes((CARRIED / "image_dfl.dcm").read_bytes()[:-500])
    refuse(tmp_path / "cut.dcm", "cut off")


def test_dicom_that_announces_too_much(tmp_path):
    path = dicom_file(tmp_path / "x.dcm", np.zeros((4, 4), np.uint16), NumberOfFrames=2_000_000_000)
    refuse(path, "max_bytes allows")
    refuse(dicom_file(tmp_path / "y.dcm", np.zeros((4, 4), np.uint16), NumberOfFrames=1000), "less than expected")
    refuse(dicom_file(tmp_path / "z.dcm", np.zeros((4, 4), np.uint16), Rows=0), "no pixels")


def test_dicom_whose_codestream_is_larger_than_announced(tmp_path):
    stream = io.BytesIO()
    PIL_Image.new("L", (3000, 2000)).save(stream, "JPEG")
    assert codestream_size(stream.getvalue()) == (2000, 3000)
    path = dicom_file(tmp_path / "x.dcm", np.zeros((16, 16), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    dataset.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(path)
    refuse(path, r"announces 16x16 pixels, its compressed data \(2000, 3000\)")


def test_codestream_size_of_jpeg_2000():
    dataset = pydicom.dcmread(CARRIED / "JPEG2000.dcm")
    assert codestream_size(next(pydicom.encaps.generate_frames(dataset.PixelData))) == (1024, 256)
    assert codestream_size(b"") is None
    assert codestream_size(b"\xff\xd8\xff\xe0\x00") is None


def test_run_length_bomb(tmp_path):
    path = dicom_file(tmp_path / "x.dcm", np.zeros((16, 16), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    frame = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + b"\x81\0" * 100_000
    dataset.PixelData = pydicom.encaps.encapsulate([frame])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(path)
    refuse(path, "run lengths", max_bytes=5_000_000)


def test_compressed_nifti_bomb(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header["magic"], header["vox_offset"] = b"n+1", 352
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + b"\0" * 4))
    refuse(tmp_path / "a.nii.gz", "max_bytes allows")
    header.set_data_shape((3, 3, 3))
    header["vox_offset"] = 1e9  # nibabel would look for extensions in all that
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(50_000_000)))
    refuse(tmp_path / "b.nii.gz", "begin at byte", max_bytes=10_000_000)
    # What follows the announced pixels is never inflated.
    header["vox_offset"] = 352
    (tmp_path / "c.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(50_000_000)))
    assert peak_of(lambda: read_image(tmp_path / "c.nii.gz")) < 20e6


def test_png_bomb(tmp_path):
    PIL_Image.new("1", (40_000, 10_000)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 100_000
    refuse(tmp_path / "a.png", "decompression bomb")
    PIL_Image.new("1", (8_000, 8_000)).save(tmp_path / "b.png")
    refuse(tmp_path / "b.png", "max_bytes allows", max_bytes=10_000_000)


def test_tiff_strip_bomb(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((16, 16), np.uint8), compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        bomb = zlib.compress(bytes(60_000_000), 9)
        end = (tmp_path / "a.tif").stat().st_size
        tiff.pages[0].tags["StripOffsets"].overwrite(end)
        tiff.pages[0].tags["StripByteCounts"].overwrite(len(bomb))
    with open(tmp_path / "a.tif", "ab") as file:
        file.write(bomb)
    refuse(tmp_path / "a.tif", "inflates to more than")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((16, 16), np.uint8), compression="lzma")
    refuse(tmp_path / "b.tif", "compression LZMA is not supported")


# --- what cannot be read or written -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.nii", "a.nii.gz", "a.dcm", "deflated.tif"])
def test_truncated_files(tmp_path, rng, name):
    path = tmp_path / name
    values = rng.integers(0, 256, (40, 50), np.uint8)
    if name == "deflated.tif":
        tifffile.imwrite(path, values, compression="zlib")
    else:
        write_image(path, values)
    data = path.read_bytes()
    for length in [0, 1, 7, 100, 200, 351, *range(360, len(data) - 100, 131), len(data) - 60]:
        path.write_bytes(data[:length])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom and tifffile also warn
            with pytest.raises(ImageReadError) as caught:
                read_image(path)
        assert str(caught.value).startswith(f"cannot read {path}: ")
        assert len(caught.value.reason) > 3


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "badVR.dcm", "rtplan.dcm", "JPEGLSNearLossless_08.dcm"])
def test_carried_files_that_cannot_be_read(name):
    with pytest.raises(ImageReadError, match=name):
        read_image(CARRIED / name)


def test_every_carried_file_is_read_or_refused():
    n_read = 0
    for path in sorted(CARRIED.rglob("*")):
        if path.is_file():
            with warnings.catch_warnings(), contextlib.suppress(ImageReadError):
                warnings.simplefilter("ignore")
                n_read += read_image(path).array.size > 0
    assert n_read > 80


def test_damaged_bytes_never_raise_anything_else(tmp_path, rng):
    sources = [CARRIED / "MR_small.dcm", CARRIED / "MR_small_RLE.dcm", CARRIED / "image_dfl.dcm"]
    for name in ("a.png", "a.jpg", "a.tif", "a.nii", "a.nii.gz"):
        write_image(tmp_path / name, rng.integers(0, 256, (20, 30), np.uint8))
        sources.append(tmp_path / name)
    for source in sources:
        data = np.frombuffer(source.read_bytes(), np.uint8)
        for _ in range(25):
            damaged = data.copy()
            where = rng.integers(0, min(len(data), 1500), 6)
            damaged[where] = rng.integers(0, 256, 6, np.uint8)
            (tmp_path / "damaged").write_bytes(damaged.tobytes())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(ImageReadError):
                    read_image(tmp_path / "damaged", max_bytes=10**7)


def test_error_is_typed_and_travels(tmp_path):
    with pytest.raises(ImageReadError, match="no such file") as caught:
        read_image(tmp_path / "missing.png")
    error = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(error, OSError)
    assert isinstance(error, ValueError)
    assert (error.path, str(error)) == (caught.value.path, str(caught.value))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageReadError, match="none of DICOM, NIfTI, PNG, JPEG and TIFF"):
        read_image(tmp_path / "text.png")


def test_bad_arguments(tmp_path):
    path = CARRIED / "MR_small.dcm"
    for options, kind, words in [
        ({"window": "auto"}, ValueError, "window must be one of 'voi', got 'auto'"),
        ({"window": 3}, TypeError, "window must be None"),
        ({"window": (40, 0)}, ValueError, "window width must be >= 1"),
        ({"frame": -1}, ValueError, "frame must be >= 0"),
        ({"max_bytes": 1.5}, TypeError, "max_bytes must be an integer"),
    ]:
        with pytest.raises(kind, match=words) as caught:
            read_image(path, **options)
        assert not isinstance(caught.value, ImageReadError)
    with pytest.raises(TypeError, match="path must be a string or a path"):
        read_image(3)
    with pytest.raises(ImageReadError, match="window applies to gray"):
        read_image(CARRIED / "SC_rgb_rle.dcm", window=(40, 400))
    with pytest.raises(ImageReadError, match="carries no window"):
        read_image(CARRIED / "CT_small.dcm", window="voi")


@pytest.mark.parametrize(
    ("name", "image", "words"),
    [
        ("a.png", np.zeros((3, 3), np.float32), "PNG cannot hold gray float32"),
        ("a.png", np.zeros((3, 3), np.int16), "PNG cannot hold gray int16"),
        ("a.png", np.zeros((3, 3, 3), np.uint8), "PNG cannot hold gray uint8 of shape"),
        ("a.jpg", np.zeros((3, 3), np.uint16), "JPEG cannot hold gray uint16"),
        ("a.dcm", np.zeros((3, 3), np.float32), "secondary capture cannot hold gray float32"),
        ("a.dcm", np.zeros((3, 3, 3), np.int16), "secondary capture cannot hold gray int16"),
        ("a.nii", colour(np.zeros((3, 3, 4), np.uint8)), "NIfTI cannot hold colour uint8"),
        ("a.npy", np.zeros((3, 3), np.uint8), "path must end in"),
        ("a.nii", np.zeros((0, 3), np.uint8), "at least one row"),
        ("a.nii", Image(np.zeros((3, 3), np.uint8), spacing=(1.0,)), "spacing must have 2 entries"),
        ("a.nii", Image(np.zeros((3, 3), np.uint8), spacing=(1.0, -1.0)), "spacing must hold numbers > 0"),
        ("a.nii", Image(np.zeros((3, 3), np.uint8), affine=np.eye(3)), "affine must be a finite 4x4"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, image, words):
    with pytest.raises(ValueError, match=words):
        write_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


def test_write_refuses_a_foreign_dtype(tmp_path):
    with pytest.raises(TypeError, match="image must have dtype uint8, uint16, int16, float32, float64, got int64"):
        write_image(tmp_path / "a.nii", np.zeros((3, 3), np.int64))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.nii.gz", "a.dcm"])
def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch, name):
    write_image(tmp_path / name, np.zeros((9, 9), np.uint8))
    before = (tmp_path / name).read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_image(tmp_path / name, np.ones((9, 9), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(ImportError, match=r'needs pydicom: pip install "medfast\[io\]"'):
        read_image(CARRIED / "MR_small.dcm")


# --- Image ------------------------------------------------------------------------------------------------------------


def test_image_is_an_array_to_numpy():
    image = Image(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert np.asarray(image) is image.array
    assert np.asarray(image, np.float32).dtype == np.float32
    assert np.array(image) is not image.array
    assert not np.shares_memory(np.array(image, copy=True), image.array)
    assert np.shares_memory(image.__array__(copy=False), image.array)
    with pytest.raises(ValueError, match="copy is needed"):
        image.__array__(np.float32, copy=False)
    assert np.mean(image) == 2.5


def test_image_is_frozen_and_pickles():
    image = read_image(CARRIED / "CT_small.dcm")
    with pytest.raises(dataclasses.FrozenInstanceError):
        image.array = None
    again = pickle.loads(pickle.dumps(image))
    np.testing.assert_array_equal(again.array, image.array)
    assert (again.spacing, again.meta) == (image.spacing, image.meta)


def test_medfast_takes_an_image():
    import medfast

    image = read_image(CARRIED / "CT_small.dcm")
    np.testing.assert_array_equal(medfast.equalize_hist(image), medfast.equalize_hist(image.array))
