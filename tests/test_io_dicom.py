"""DICOM in: values, geometry, privacy."""

import numpy as np
import pytest
from dicom_files import CARRIED, dicom_file

from medfast.io import ImageReadError, _image, read_image, write_image

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("nibabel")
pytest.importorskip("tifffile")
pytest.importorskip("PIL.Image")

# Some carried files break rules of the standard on purpose, and pydicom says so.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore:Invalid value for VR:UserWarning")

CT_FOLDER = CARRIED / "dicomdirtests" / "98892001" / "CT5N"
CR_FILE = CARRIED / "dicomdirtests" / "77654033" / "CR1" / "6154"


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
    np.testing.assert_array_equal(_image.windowed(np.array([[8, 9, 10, 11]], np.int16), 10.0, 1.0), [[0, 0, 255, 255]])


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
