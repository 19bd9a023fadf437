"""NIfTI, PNG, JPEG and TIFF: values and geometry, there and back."""

import dataclasses
import zlib
from fractions import Fraction

import numpy as np
import pytest

from medfast.io import Image, ImageReadError, read_image, write_image

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")
tifffile = pytest.importorskip("tifffile")
PIL_Image = pytest.importorskip("PIL.Image")

# Some carried files break rules of the standard on purpose, and pydicom says so.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore:Invalid value for VR:UserWarning")


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


def test_nifti_without_a_step_of_time_has_no_spacing(tmp_path):
    volume = nibabel.Nifti1Image(np.zeros((3, 4, 5, 2), np.int16), np.diag([0.5, 0.5, 2, 1]))
    volume.header["pixdim"][4] = 0
    nibabel.save(volume, tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    assert image.spacing is None
    write_image(tmp_path / "b.nii", image)
    np.testing.assert_array_equal(read_image(tmp_path / "b.nii").affine, volume.affine)


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
