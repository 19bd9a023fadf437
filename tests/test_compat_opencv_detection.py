"""Detection and files of HOGDescriptor, against OpenCV 4.14's own."""

import gzip

import numpy as np
import pytest

from images import smooth_image
from medfast import _parallel
from medfast.compat.opencv import grouping
from medfast.compat.opencv.feature import HOGDescriptor

SIZES = ((24, 32), (16, 16), (8, 8), (8, 8), 9)
SETTINGS = ("winSize", "blockSize", "blockStride", "cellSize", "nbins", "derivAperture", "winSigma")
SETTINGS += ("histogramNormType", "L2HysThreshold", "gammaCorrection", "nlevels", "signedGradient")


@pytest.fixture
def cv2():
    """OpenCV with HOGDescriptor, on one thread: with more, the order of what it finds changes from run to run."""
    found = pytest.importorskip("cv2")
    if not hasattr(found, "HOGDescriptor"):
        pytest.skip("OpenCV 5's main wheel has no HOGDescriptor")
    threads = found.getNumThreads()
    found.setNumThreads(1)
    yield found
    found.setNumThreads(threads)


def disc(shape, center, radii, rng):
    rows, cols = np.indices(shape)
    inside = ((rows - center[0]) / radii[0]) ** 2 + ((cols - center[1]) / radii[1]) ** 2 < 1
    return np.where(inside, 200, 100) + rng.normal(0, 8, shape)


@pytest.fixture(scope="module")
def detector():
    """A linear classifier of upright ellipses, from least squares: coefficients and what is added."""
    rng = np.random.default_rng(1)
    hog, shape = HOGDescriptor(*SIZES), (32, 24)
    images = [disc(shape, (16, 12), (12, 8) if i % 2 else (0.1, 0.1), rng) for i in range(120)]
    features = np.stack([hog.compute(np.clip(image, 0, 255).astype(np.uint8)) for image in images])
    design = np.column_stack([features, np.ones(len(features))])
    wanted = np.where(np.arange(len(images)) % 2, 1.0, -1.0)
    return np.linalg.solve(design.T @ design + 0.1 * np.eye(design.shape[1]), design.T @ wanted).astype(np.float32)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(2)
    image = np.full((150, 200), 100.0)
    for row, col, size in ((40, 40, 1.0), (60, 130, 1.6), (110, 60, 2.2), (112, 150, 1.2)):
        image = np.maximum(image, disc(image.shape, (row, col), (12 * size, 8 * size), rng))
    return np.clip(image, 0, 255).astype(np.uint8)


def pair(cv2, detector, *arguments):
    ours, theirs = HOGDescriptor(*arguments), cv2.HOGDescriptor(*arguments)
    ours.setSVMDetector(detector)
    theirs.setSVMDetector(detector)
    return ours, theirs


def check_found(ours, theirs):
    """The same places, scores within 1e-4; where there are none, empty tuples."""
    assert [type(each) for each in ours] == [type(each) for each in theirs]
    assert len(ours[0]) == len(theirs[0])
    if len(ours[0]):
        assert [each.dtype for each in ours] == [each.dtype for each in theirs]
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=1e-4)
    return len(ours[0])


@pytest.mark.opencv
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"hitThreshold": -0.3},
        {"winStride": (4, 12), "padding": (4, 8)},
        {"winStride": (16, 16), "padding": (32, 32)},
        {"searchLocations": [(28, 24), (-9, 0), (100, 50), (190, 0), (128, 96)], "hitThreshold": -9.0},
        {"hitThreshold": 99.0},
    ],
    ids=str,
)
def test_detect_equals_opencv(level, n_threads, cv2, detector, scene, arguments):
    for coefficients in (detector, detector[:-1]):
        ours, theirs = pair(cv2, coefficients, *SIZES)
        check_found(ours.detect(scene, **arguments), theirs.detect(scene, **arguments))
    colours = np.stack([scene, scene[::-1], scene.T.repeat(2, axis=1)[:150, :200].repeat(2, axis=0)[:150]], axis=-1)
    check_found(ours.detect(colours, **arguments), theirs.detect(np.ascontiguousarray(colours), **arguments))


@pytest.mark.opencv
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"groupThreshold": 0},
        {"scale": 1.2, "winStride": (4, 4), "groupThreshold": 3},
        {"scale": 1.0, "groupThreshold": 1},
        {"padding": (16, 8), "hitThreshold": -0.2},
        {"hitThreshold": 99.0},
        {"useMeanshiftGrouping": True},
        {"useMeanshiftGrouping": True, "groupThreshold": 0.3, "hitThreshold": -0.2, "scale": 1.15},
    ],
    ids=str,
)
def test_detect_multi_scale_equals_opencv(level, cv2, detector, scene, arguments):
    if level == "jit":
        arguments = {"scale": 1.3} | arguments
    ours, theirs = pair(cv2, detector, *SIZES)
    check_found(ours.detectMultiScale(scene, **arguments), theirs.detectMultiScale(scene, **arguments))


@pytest.mark.opencv
def test_people_are_found_where_opencv_finds_them(cv2):
    image = np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())
    ours, theirs = pair(cv2, HOGDescriptor.getDefaultPeopleDetector())
    for arguments in ({}, {"hitThreshold": -0.8, "groupThreshold": 1, "padding": (8, 8)}):
        assert check_found(ours.detectMultiScale(image, **arguments), theirs.detectMultiScale(image, **arguments))
    ours, theirs = pair(cv2, HOGDescriptor.getDaimlerPeopleDetector(), (48, 96), (16, 16), (8, 8), (8, 8), 9)
    check_found(ours.detect(image), theirs.detect(image))


def test_no_people_without_opencv(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(ImportError, match="a cv2 with HOGDescriptor must be installed"):
        HOGDescriptor.getDefaultPeopleDetector()


def test_detection_without_a_detector_finds_nothing(scene):
    assert HOGDescriptor(*SIZES).detect(scene) == ((), ())
    assert HOGDescriptor(*SIZES).detectMultiScale(scene) == ((), ())


def test_detector_must_fit(detector):
    hog = HOGDescriptor(*SIZES)
    assert hog.checkDetectorSize()
    assert hog.svmDetector == ()
    hog.setSVMDetector(detector[np.newaxis].astype(np.float64))
    np.testing.assert_array_equal(hog.svmDetector, detector)
    with pytest.raises(ValueError, match="svmdetector must have 216 coefficients or one more, or none, got 5"):
        hog.setSVMDetector(np.zeros(5))
    with pytest.raises(ValueError, match="svmdetector must be finite"):
        hog.setSVMDetector(np.full(216, np.inf))
    with pytest.raises(TypeError, match="svmdetector must be numbers"):
        hog.setSVMDetector(["a"])
    hog.setSVMDetector([])
    assert hog.svmDetector == ()


def test_detection_names_the_bad_value(scene, detector):
    hog = HOGDescriptor(*SIZES)
    hog.setSVMDetector(detector)
    with pytest.raises(ValueError, match="img with its padding must hold winSize 24 x 32"):
        hog.detectMultiScale(scene[:31])
    with pytest.raises(ValueError, match="scale must be finite"):
        hog.detectMultiScale(scene, scale=np.nan)
    with pytest.raises(TypeError, match="img must have dtype uint8"):
        hog.detect(scene.astype(np.float32))


def test_groups_without_an_overlap_are_kept_apart():
    rectangles = np.array([[0, 0, 10, 10], [1, 1, 10, 10], [100, 0, 10, 10], [2, 2, 11, 11]], np.int32)
    found, weights = grouping.group(rectangles, np.array([1.0, 3.0, 2.0, -1.0]), 1)
    np.testing.assert_array_equal(found, [[1, 1, 10, 10]])
    np.testing.assert_array_equal(weights, [3.0])


def random_descriptor(rng, make):
    arguments = ((48, 40), (16, 8), (8, 8), (8, 4), 7, 1, 2.5, 0, 0.3, True, 33, True)
    coefficients = rng.normal(size=7 * 4 * 5 * 5).astype(np.float32)
    coefficients[:4] = 2, -1e-30, 1e30, 0
    hog = make(*arguments)
    hog.setSVMDetector(coefficients)
    return hog, coefficients


@pytest.mark.opencv
@pytest.mark.parametrize("name", ["hog.yml", "1 hog-x.yaml", "hog.xml", "hog.json", "hog.yml.gz", "hog.xml.gz"])
@pytest.mark.parametrize("node", ["", "found_here"])
def test_files_go_both_ways(cv2, rng, tmp_path, name, node):
    file = str(tmp_path / name)
    for write, read in ((HOGDescriptor, cv2.HOGDescriptor), (cv2.HOGDescriptor, HOGDescriptor)):
        hog, coefficients = random_descriptor(rng, write)
        hog.save(file, node)
        found = read(file)
        assert [getattr(found, setting) for setting in SETTINGS] == [getattr(hog, setting) for setting in SETTINGS]
        np.testing.assert_array_equal(found.svmDetector, coefficients)
        other = read()
        assert other.load(file, node)
        assert other.winSize == (48, 40)
        write(*SIZES).save(file)
        bare = read(file)
        assert (bare.svmDetector, bare.winSigma) == ((), 4.0)


@pytest.mark.opencv
def test_storages_of_opencv_are_read_and_written(cv2, rng, tmp_path):
    file = str(tmp_path / "all.yml")
    hog, coefficients = random_descriptor(rng, HOGDescriptor)
    storage = cv2.FileStorage(file, cv2.FILE_STORAGE_WRITE)
    storage.write("before", 3)
    hog.write(storage, "hog")
    storage.release()
    theirs = cv2.HOGDescriptor()
    theirs.load(file, "hog")
    np.testing.assert_array_equal(theirs.svmDetector, coefficients)
    storage, ours = cv2.FileStorage(file, cv2.FILE_STORAGE_READ), HOGDescriptor()
    assert not ours.read(storage.getNode("nothing"))
    assert ours.read(storage.getNode("hog"))
    storage.release()
    np.testing.assert_array_equal(ours.svmDetector, coefficients)
    assert [getattr(ours, setting) for setting in SETTINGS] == [getattr(theirs, setting) for setting in SETTINGS]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "'hog.yml' has no node"),
        (lambda text: text[:200], "must be given in numbers"),
        (lambda text: text.replace("nbins: 7", "nbins: many"), "nbins must be given in numbers, got 'many'"),
        (lambda text: text.replace("nbins: 7", "nbins: 7.5"), "nbins must be whole"),
        (lambda text: text.replace("[ 48, 40 ]", "[ 48 ]"), "winSize must have 2 numbers, got 1"),
        (
            lambda text: text.replace("[ 48, 40 ]", "[ 49, 40 ]"),
            "winSize - blockSize must be a multiple of blockStride",
        ),
        (lambda text: text[: text.rindex("]")], "the sequence SVMDetector does not end"),
        (lambda text: "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "it has a declaration"),
        (lambda text: "<a><b></a>", "no YAML, XML or JSON file"),
        (lambda text: "{ [", "no YAML, XML or JSON file"),
    ],
)
def test_bad_files_are_errors_and_change_nothing(rng, tmp_path, change, message):
    hog, _ = random_descriptor(rng, HOGDescriptor)
    file = tmp_path / "hog.yml"
    hog.save(file)
    file.write_text(change(file.read_text()))
    other = HOGDescriptor()
    with pytest.raises(ValueError, match=message):
        other.load(file)
    assert other.winSize == (64, 128)


def test_files_that_are_none(rng, tmp_path):
    hog, _ = random_descriptor(rng, HOGDescriptor)
    with pytest.raises(FileNotFoundError):
        HOGDescriptor(str(tmp_path / "nothing.yml"))
    with pytest.raises(ValueError, match=r"filename must end in \.yml, \.yaml, \.xml or \.json"):
        hog.save(tmp_path / "hog.txt")
    hog.save(tmp_path / "hog.yml.gz")
    content = (tmp_path / "hog.yml.gz").read_bytes()
    (tmp_path / "hog.yml.gz").write_bytes(content[:-20])
    with pytest.raises(ValueError, match="no whole gzip file"):
        hog.load(tmp_path / "hog.yml.gz")
    assert gzip.decompress(content).startswith(b"%YAML:1.0")
    (tmp_path / "hog.yml.gz").write_bytes(content)
    with pytest.raises(ValueError, match="must have a node 'other'"):
        hog.load(tmp_path / "hog.yml.gz", "other")
    with pytest.raises(TypeError, match=r"or a filename, or nothing"):
        HOGDescriptor((8, 8), filename="x.yml")


def test_smooth_images_hold_nothing(rng, detector):
    hog = HOGDescriptor(*SIZES)
    hog.setSVMDetector(detector)
    assert hog.detectMultiScale(smooth_image(rng, (60, 60), noise=0), hitThreshold=5.0) == ((), ())


def test_several_threads_find_what_one_does(monkeypatch, rng, detector):
    ours, image = HOGDescriptor(*SIZES), smooth_image(rng, (300, 340))
    ours.setSVMDetector(detector)
    monkeypatch.setattr(_parallel, "WORK_PER_THREAD", 1)
    found = []
    for n_threads in (1, 3):
        monkeypatch.setattr(_parallel, "resolve", lambda num_threads=None, n=n_threads: num_threads or n)
        found.append(ours.detectMultiScale(image, hitThreshold=-0.5, groupThreshold=0))
    assert len(found[0][0])
    for one, several in zip(*found, strict=True):
        np.testing.assert_array_equal(one, several)
