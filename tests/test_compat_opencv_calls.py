"""What all of OpenCV's drop-ins share: signatures, constants, `dst`, errors, and what goes to OpenCV itself."""

import gzip
import inspect
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medfast.compat import opencv

IMAGE = np.random.default_rng(8).integers(0, 256, (20, 30)).astype(np.uint8)
COLOUR = np.dstack([IMAGE, IMAGE[::-1], IMAGE[:, ::-1]])
CRITERIA = (3, 10, 1.0)
CALLS = {
    "fastNlMeansDenoising": lambda cv2, src, dst: cv2.fastNlMeansDenoising(src, dst, 10, 3, 5),
    "equalizeHist": lambda cv2, src, dst: cv2.equalizeHist(src, dst),
    "CLAHE.apply": lambda cv2, src, dst: cv2.createCLAHE(2.0, (2, 3)).apply(src, dst),
    "resize": lambda cv2, src, dst: cv2.resize(src, src.shape[1::-1], dst),
}
FUNCTIONS = (
    "createCLAHE",
    "equalizeHist",
    "fastNlMeansDenoising",
    "fastNlMeansDenoisingColored",
    "fastNlMeansDenoisingColoredMulti",
    "fastNlMeansDenoisingMulti",
    "kmeans",
    "resize",
)

pytestmark = pytest.mark.opencv
cv2 = pytest.importorskip("cv2")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures(name):
    """Names and order of OpenCV's arguments, and which are optional, as its own docstring has them."""
    theirs = re.match(rf"{name}\((.*?)\) ->", getattr(cv2, name).__doc__)[1]
    needed, optional = theirs.partition("[")[::2]
    parameters = inspect.signature(getattr(opencv, name)).parameters
    names = [part for part in re.split(r"[\[\], ]+", theirs) if part]
    assert list(parameters)[: len(names)] == names
    n_needed = len([part for part in needed.replace(",", " ").split() if part])
    optional_names = [name for name, each in parameters.items() if each.default is not inspect.Parameter.empty]
    assert list(parameters)[n_needed:] == optional_names
    assert bool(optional) == bool(optional_names)


def test_constants():
    own = [name for name, value in vars(opencv).items() if name[0].isupper() and isinstance(value, int)]
    assert len(own) > 16
    for name in own:
        if hasattr(cv2, name):
            assert getattr(opencv, name) == getattr(cv2, name)
        else:
            assert name.startswith("HOG")
    assert opencv.COLOR_BGR2GRAY == cv2.COLOR_BGR2GRAY
    assert opencv.error is cv2.error


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("n_axes", [2, 3])
def test_dst_and_shapes(name, n_axes):
    """With and without an axis of one channel, in the image and in `dst`: as the OpenCV that is installed has it."""
    src = IMAGE if n_axes == 2 else IMAGE[:, :, None].copy()
    expected = CALLS[name](cv2, src, None)
    found = CALLS[name](opencv, src, None)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    for shape in ((20, 30), (20, 30, 1), (3, 3), (20, 30, 3)):
        for dtype in (np.uint8, np.float32):
            dst, theirs = np.zeros(shape, dtype), np.zeros(shape, dtype)
            found, expected = CALLS[name](opencv, src, dst), CALLS[name](cv2, src, theirs)
            assert (found is dst) == (expected is theirs)
            assert found.shape == expected.shape
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(dst, theirs)


@pytest.mark.parametrize("name", CALLS)
def test_what_goes_to_opencv(name, caplog):
    caplog.set_level(logging.INFO, "medfast.patching")
    flat = IMAGE[0].copy()  # a column for OpenCV 4.14, a row for 5.0
    if name != "resize":
        np.testing.assert_array_equal(CALLS[name](opencv, flat, None), CALLS[name](cv2, flat, None))
    caplog.clear()
    found = CALLS[name](opencv, IMAGE, None)
    assert not caplog.records
    on_device = cv2.UMat(IMAGE)
    there = opencv.resize(on_device, (30, 20)) if name == "resize" else CALLS[name](opencv, on_device, None)
    assert isinstance(there, cv2.UMat)
    np.testing.assert_array_equal(there.get(), found)
    assert isinstance(CALLS[name](opencv, IMAGE, cv2.UMat(IMAGE)), cv2.UMat)
    assert len(caplog.records) == 2


def test_types_that_opencv_alone_resizes():
    for dtype in (np.int32, np.float16):
        image = IMAGE.astype(dtype)
        expected = cv2.resize(image, (7, 5), interpolation=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(opencv.resize(image, (7, 5), interpolation=opencv.INTER_NEAREST), expected)
    image = IMAGE.astype(np.float32)
    image[3, 4] = np.nan
    np.testing.assert_array_equal(opencv.resize(image, (7, 5)), cv2.resize(image, (7, 5)))


@pytest.mark.parametrize(
    "call",
    [
        lambda cv: cv.resize(IMAGE),
        lambda cv: cv.resize("picture", (3, 3)),
        lambda cv: cv.resize(IMAGE, (-3, 3)),
        lambda cv: cv.resize(IMAGE, (3.0, 3)),
        lambda cv: cv.resize(IMAGE, (3, 3), interpolation=77),
        lambda cv: cv.resize(IMAGE[:0], (3, 3)),
        lambda cv: cv.resize(IMAGE.astype(np.int8), (3, 3)),
        lambda cv: cv.equalizeHist(COLOUR),
        lambda cv: cv.equalizeHist([[1, 2]]),
        lambda cv: cv.equalizeHist(IMAGE.astype(np.uint16)),
        lambda cv: cv.fastNlMeansDenoising(IMAGE.astype(np.float32)),
        lambda cv: cv.fastNlMeansDenoising(IMAGE, None, "strong"),
        lambda cv: cv.fastNlMeansDenoising(IMAGE[:0]),
        lambda cv: cv.fastNlMeansDenoisingColored(IMAGE),
        lambda cv: cv.fastNlMeansDenoisingMulti([IMAGE], 1, 3),
        lambda cv: cv.createCLAHE().apply(COLOUR),
        lambda cv: cv.createCLAHE().apply(IMAGE.astype(np.float32)),
        lambda cv: cv.kmeans(IMAGE, 2, None, CRITERIA, 1, 0),
        lambda cv: cv.kmeans(np.float32(IMAGE[:2]), 3, None, CRITERIA, 1, 0),
        lambda cv: cv.kmeans(np.float32(IMAGE), 3, np.zeros((20, 1), np.int64), CRITERIA, 1, 1),
    ],
)
def test_errors_are_opencv_errors(call):
    with pytest.raises(cv2.error):
        call(cv2)
    with pytest.raises(cv2.error) as caught:
        call(opencv)
    assert str(caught.value)


def test_what_opencv_dies_of_is_an_error():
    for call in (
        lambda: opencv.createCLAHE(2.0, (0, 8)),
        lambda: opencv.fastNlMeansDenoising(IMAGE, None, 3, 7, -3),
        lambda: opencv.kmeans(np.full((4, 2), np.nan, np.float32), 2, None, CRITERIA, 1, 0),
        lambda: opencv.HOGDescriptor().compute(IMAGE),
        lambda: opencv.createCLAHE().apply(IMAGE[:0]),
    ):
        with pytest.raises(cv2.error) as caught:
            call()
        assert isinstance(caught.value, ValueError)
        assert caught.value.err == caught.value.msg == str(caught.value)
        assert caught.value.code == -5


def test_methods_of_clahe():
    ours, theirs = opencv.createCLAHE(2.5, (3, 4)), cv2.createCLAHE(2.5, (3, 4))
    assert not {name for name in dir(theirs) if not name.startswith("_") and not hasattr(ours, name)}
    for name in ("getClipLimit", "getTilesGridSize", "getBitShift", "empty", "getDefaultName", "clear"):
        if hasattr(theirs, name):
            assert getattr(ours, name)() == getattr(theirs, name)()


@pytest.mark.parametrize("name", ["a.yml", "a.xml", "a.JSON", "a.yaml.gz", "a.xml.gz", "a.other", "a"])
def test_files_of_clahe(tmp_path, name):
    """OpenCV stores none of the settings: an empty node."""
    files = []
    for folder, clahe in (("ours", opencv.createCLAHE(2.5, (3, 4))), ("theirs", cv2.createCLAHE(2.5, (3, 4)))):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / name
        assert clahe.save(str(file)) is None
        files.append(gzip.decompress(file.read_bytes()) if name.endswith(".gz") else file.read_bytes())
    assert files[0] == files[1].replace(b"%YAML 1.2", b"%YAML:1.0")  # OpenCV 5's first line
    storage = cv2.FileStorage(str(tmp_path / "ours" / name), cv2.FILE_STORAGE_READ)
    assert storage.isOpened()
    assert list(storage.root().keys()) == ["my_object"]


def test_nodes_of_clahe(tmp_path):
    texts = []
    for make in (opencv.createCLAHE, cv2.createCLAHE):
        clahe = make(2.5, (3, 4))
        storage = cv2.FileStorage(str(tmp_path / "file.yml"), cv2.FILE_STORAGE_WRITE)
        assert clahe.write(storage) is None
        assert clahe.write(storage, "named") is None
        storage.release()
        texts.append((tmp_path / "file.yml").read_text())
        storage = cv2.FileStorage(str(tmp_path / "file.yml"), cv2.FILE_STORAGE_READ)
        for node in (storage.root(), storage.getNode("named"), storage.getNode("none")):
            assert clahe.read(node) is None
        assert (clahe.getClipLimit(), clahe.getTilesGridSize()) == (2.5, (3, 4))
        for call in (lambda c=clahe: c.read(3), lambda c=clahe: c.write(3, "x")):
            with pytest.raises((cv2.error, TypeError)):
                call()
    assert texts[0] == texts[1]
    with pytest.raises(FileNotFoundError):
        opencv.createCLAHE().save(tmp_path / "none" / "a.yml")  # OpenCV says nothing
    with pytest.raises(TypeError, match="filename must be a str or a path, got NoneType"):
        opencv.createCLAHE().save(None)


def test_static_methods_that_look_into_a_patched_opencv():
    """They would find themselves there."""
    import medfast
    from medfast.compat.opencv import _classes

    class HOGDescriptor:
        @staticmethod
        def getDefaultPeopleDetector():
            return cv2.HOGDescriptor.getDefaultPeopleDetector()

    ours = _classes.with_opencv_errors(HOGDescriptor)
    if not hasattr(cv2, "HOGDescriptor"):
        with medfast.patched("cv2"), pytest.raises(ImportError, match="has no HOGDescriptor here"):
            ours.getDefaultPeopleDetector()
        return
    expected = ours.getDefaultPeopleDetector()
    with medfast.patched("cv2"):
        np.testing.assert_array_equal(ours().getDefaultPeopleDetector(), expected)


def test_without_opencv():
    code = """if True:
        import sys
        sys.modules["cv2"] = None  # as if it were not installed
        import numpy as np
        from medfast.compat import opencv as cv2
        image = np.zeros((9, 9), np.uint8)
        print(cv2.equalizeHist(image).shape, cv2.resize(image, (3, 3)).shape)
        try:
            cv2.Canny(image, 1, 2)
        except AttributeError as error:
            print(error)
        for call in (lambda: cv2.equalizeHist(image > 0), lambda: cv2.resize(image, (0, -1))):
            try:
                call()
            except cv2.error as error:
                print(isinstance(error, (TypeError, ValueError)), error)
    """
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    lines = found.stdout.splitlines()
    assert lines[0] == "(9, 9) (3, 3)"
    assert lines[1] == (
        "medfast.compat.opencv has no 'Canny' of its own, and cv2, where it would come from, is not installed"
    )
    assert lines[2] == "True src must have dtype uint8, got bool"
    assert lines[3].startswith("True dsize")
