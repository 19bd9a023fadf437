"""What cannot be read or written, how that is said, and the image itself."""

import contextlib
import dataclasses
import pickle
import warnings

import numpy as np
import pytest
from dicom_files import CARRIED

from medfast.io import Image, ImageReadError, read_image, write_image

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("nibabel")
tifffile = pytest.importorskip("tifffile")
pytest.importorskip("PIL.Image")

# Some carried files break rules of the standard on purpose, and pydicom says so.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore:Invalid value for VR:UserWarning")


def colour(array, **fields):
    """The array as an Image whose last axis is colour."""
    return Image(array, meta={"channels": array.shape[-1]}, **fields)


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


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"array": [[1, 2], [3, 4]]}, TypeError, "array must be an ndarray, got list"),
        ({"array": None}, TypeError, "array must be an ndarray, got NoneType"),
        ({"meta": None}, TypeError, "meta must be a dict, got NoneType"),
        ({"spacing": 1.0}, TypeError, "spacing must be numbers, one per axis, got 1.0"),
        ({"spacing": ("wide", 1)}, TypeError, "spacing must be numbers"),
        ({"spacing": (1.0,)}, ValueError, "spacing must have 2 entries"),
        ({"spacing": (1.0, 1.0, 1.0)}, ValueError, "spacing must have 2 entries"),
        ({"spacing": (1.0, 0.0)}, ValueError, "spacing must hold finite numbers > 0"),
        ({"spacing": (1.0, -1.0)}, ValueError, "spacing must hold finite numbers > 0"),
        ({"spacing": (np.nan, 1.0)}, ValueError, "spacing must hold finite numbers > 0"),
        ({"spacing": (np.inf, 1.0)}, ValueError, "spacing must hold finite numbers > 0"),
        ({"affine": np.eye(3)}, ValueError, r"affine must be a 4x4 matrix, got shape \(3, 3\)"),
        ({"affine": "RAS"}, TypeError, "affine must be a 4x4 matrix of numbers"),
        ({"affine": np.full((4, 4), np.nan)}, ValueError, "affine must be finite"),
    ],
)
def test_image_checks_its_fields(fields, kind, words):
    with pytest.raises(kind, match=words):
        Image(**{"array": np.zeros((3, 4), np.uint8), **fields})


def test_image_takes_spacing_and_affine_as_any_sequence():
    image = Image(np.zeros((3, 4), np.uint8), spacing=[np.float32(0.5), 1], affine=np.eye(4).tolist())
    assert image.spacing == (0.5, 1.0)
    assert {type(entry) for entry in image.spacing} == {float}
    np.testing.assert_array_equal(image.affine, np.eye(4))
    assert colour(np.zeros((3, 4, 3), np.uint8), spacing=(1, 2)).spacing == (1.0, 2.0)
    with pytest.raises(ValueError, match="spacing must have 1 entries"):
        dataclasses.replace(image, array=image.array[0])


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
