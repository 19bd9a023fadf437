"""HOGDescriptor with OpenCV's signature, against OpenCV 4.14's own over random legal parameters."""

import subprocess
import sys

import numpy as np
import pytest

import medfast
from images import smooth_image
from medfast.compat.opencv.feature import HOGDescriptor

SIZES = ((64, 64), (16, 16), (8, 8), (8, 8), 9)


@pytest.fixture
def rival():
    """OpenCV's class. Its first call fixes the L2-Hys threshold for the whole process, so tests in it use 0.2."""
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "HOGDescriptor"):
        pytest.skip("OpenCV 5's main wheel has no HOGDescriptor")
    return cv2.HOGDescriptor


def random_case(rng):
    """Random legal arguments of the constructor, an image, and arguments of compute; blocks of 4 values or more."""
    while True:
        cell, cells, stride = rng.integers(1, 11, 2), rng.integers(1, 4, 2), rng.integers(1, 12, 2)
        nbins = int(rng.integers(1, 19))
        if nbins * cells.prod() >= 4:  # OpenCV crashes on fewer
            break
    block = cell * cells
    window = block + stride * rng.integers(0, 6, 2)
    sigma = float(rng.choice([-1.0, 0.0, rng.uniform(0.5, 20)]))
    sizes = [tuple(map(int, size)) for size in (window, block, stride, cell)]
    arguments = (*sizes, nbins, 1, sigma, 0, 0.2, bool(rng.integers(2)), 64, bool(rng.integers(2)))
    width, height = map(int, window + rng.integers(0, 30, 2))
    # few gray levels make many channels equally strong
    image = rng.integers(0, rng.choice([8, 256]), (height, width, 3) if rng.integers(2) else (height, width), np.uint8)
    locations = [(int(rng.integers(-5, width)), int(rng.integers(-5, height))) for _ in range(5)]
    compute = {"locations": locations} if rng.random() < 0.3 else {}
    if rng.integers(2):
        # a padding that is no multiple of the greatest common divisor fails an assertion of OpenCV
        compute["winStride"] = tuple(int(n * k) for n, k in zip(stride, rng.integers(1, 3, 2), strict=True))
    if rng.integers(2):
        compute["padding"] = tuple(map(int, rng.integers(0, 20, 2)))
    return arguments, image, compute


@pytest.mark.opencv
@pytest.mark.parametrize("seed", range(20))
def test_compute_equals_opencv_for_any_parameters(level, rival, seed):
    rng = np.random.default_rng(seed)
    for _ in range(20 if level != "jit" else 2):
        arguments, image, compute = random_case(rng)
        theirs, ours = rival(*arguments), HOGDescriptor(*arguments)
        assert ours.getDescriptorSize() == theirs.getDescriptorSize()
        assert ours.getWinSigma() == theirs.getWinSigma()
        features, expected = ours.compute(image, **compute), theirs.compute(image, **compute)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5, err_msg=f"{arguments}, {compute}")


@pytest.mark.opencv
def test_compute_equals_opencv_in_lines_of_less_than_16_pixels(level, rival):
    """OpenCV takes these another way: the last bit of an angle, which one bin in thousands shows."""
    rng = np.random.default_rng(0)
    for width in range(4, 19):
        sizes = (width, 12), (4, 4), (1, 2), (2, 2), 18
        ours, theirs = HOGDescriptor(*sizes), rival(*sizes)
        for image in rng.integers(0, 256, (20 if level != "jit" else 2, 12, width), np.uint8):
            np.testing.assert_allclose(ours.compute(image), theirs.compute(image), rtol=0, atol=1e-6)


@pytest.mark.opencv
@pytest.mark.parametrize("seed", range(4))
def test_gradients_equal_those_of_opencv(level, rival, seed):
    rng = np.random.default_rng(seed)
    for _ in range(20 if level != "jit" else 4):
        arguments, image, _ = random_case(rng)
        paddings = [tuple(map(int, rng.integers(0, 9, 2))) for _ in range(2)]
        votes, bins = HOGDescriptor(*arguments).computeGradient(image, None, None, *paddings)
        expected_votes, expected_bins = rival(*arguments).computeGradient(image, None, None, *paddings)
        assert (votes.dtype, bins.dtype) == (np.float32, np.uint8)
        np.testing.assert_array_equal(bins, expected_bins)
        np.testing.assert_allclose(votes, expected_votes, rtol=1e-5, atol=1e-5)


def test_gradients_go_where_they_are_told(rng):
    image, hog = smooth_image(rng, (20, 30)), HOGDescriptor(*SIZES)
    votes, bins = np.empty((22, 31, 2), np.float32), np.empty((22, 31, 2), np.uint8)
    found = hog.computeGradient(image, votes, bins, (1, 2))
    assert found[0] is votes
    assert found[1] is bins
    np.testing.assert_array_equal(hog.computeGradient(image, bins, votes, (1, 2))[0], votes)
    with pytest.raises(ValueError, match=r"paddingTL\[0\] must be >= 0, got -1"):
        hog.computeGradient(image, paddingTL=(-1, 0))
    with pytest.raises(ValueError, match="nbins must be <= 256"):
        HOGDescriptor(*SIZES[:4], 257).computeGradient(image)


def test_settings_cannot_be_set():
    with pytest.raises(AttributeError, match="winSize"):
        HOGDescriptor().winSize = (8, 8)


@pytest.mark.parametrize("sizes", [((1, 1), (1, 1), (1, 1), (1, 1), 1), ((8, 4), (2, 1), (1, 1), (1, 1), 1)])
def test_fewer_than_four_values_in_a_block_are_described(level, rng, sizes):
    """OpenCV reads beyond them, and crashes."""
    hog = HOGDescriptor(*sizes)
    features = hog.compute(smooth_image(rng, (9, 9)))
    assert np.isfinite(features).all()
    assert len(features) % hog.getDescriptorSize() == 0


@pytest.mark.opencv
def test_defaults_are_those_of_opencv(rival, rng):
    names = (
        "winSize",
        "blockSize",
        "blockStride",
        "cellSize",
        "nbins",
        "derivAperture",
        "winSigma",
        "histogramNormType",
    )
    names += ("L2HysThreshold", "gammaCorrection", "nlevels", "signedGradient")
    for arguments in ((), SIZES):
        ours, theirs = HOGDescriptor(*arguments), rival(*arguments)
        assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]
    image = smooth_image(rng, (128, 64))
    np.testing.assert_allclose(HOGDescriptor().compute(image), rival().compute(image), rtol=0, atol=1e-5)


@pytest.mark.opencv
def test_another_threshold_equals_opencv_in_a_fresh_process(rival):
    code = """
import cv2, numpy as np
from medfast.compat.opencv.feature import HOGDescriptor
image = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
arguments = ((64, 64), (16, 16), (8, 8), (8, 8), 9, 1, -1.0, 0, 0.07)
ours, theirs = HOGDescriptor(*arguments), cv2.HOGDescriptor(*arguments)
np.testing.assert_allclose(ours.compute(image), theirs.compute(image), rtol=0, atol=1e-5)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_compute_of_the_whole_image_is_hog(level, rng):
    image = smooth_image(rng, (64, 64))
    np.testing.assert_array_equal(HOGDescriptor(*SIZES).compute(image), medfast.hog(image))


def test_windows_are_what_they_are_alone(level, n_threads, rng):
    """A window computed with its neighbours equals the same window computed by its location."""
    image = smooth_image(rng, (80, 91))
    hog = HOGDescriptor((32, 24), (16, 8), (8, 4), (8, 8), 9)
    features = hog.compute(image, winStride=(12, 7), padding=(4, 0)).reshape(-1, hog.getDescriptorSize())
    places = [(x - 4, y) for y in range(0, 80 - 24 + 1, 7) for x in range(0, 99 - 32 + 1, 12)]
    at = hog.compute(image, winStride=(12, 7), padding=(4, 0), locations=places)
    np.testing.assert_array_equal(features, at.reshape(features.shape))


def test_locations_outside_give_zeros(rng):
    image = smooth_image(rng, (64, 70))
    features = HOGDescriptor(*SIZES).compute(image, locations=[(0, 0), (7, 0), (-1, 0), (6, 0)]).reshape(4, -1)
    assert [row.any() for row in features] == [True, False, False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((64, 64), (16, 16), (8, 8), (7, 8), 9), "blockSize must be a multiple of cellSize, got width 16 and 7"),
        (
            ((64, 60), (16, 16), (8, 8), (8, 8), 9),
            "winSize - blockSize must be a multiple of blockStride, got height 60",
        ),
        (((8, 64), (16, 16), (8, 8), (8, 8), 9), "winSize must be >= blockSize, got width 8 and 16"),
        (((64, 64), (16, 16), (0, 8), (8, 8), 9), r"blockStride\[0\] must be >= 1, got 0"),
        (((64, 64), (16, 16), (8, 8), (8, 8), 0), "nbins must be >= 1, got 0"),
        (((64, 64), (16, 16), (8, 8), (8, 8, 8), 9), "cellSize must be two integers"),
    ],
)
def test_constructor_names_the_bad_size(arguments, message):
    with pytest.raises(ValueError, match=message):
        HOGDescriptor(*arguments)


def test_constructor_wants_all_sizes_or_none():
    with pytest.raises(TypeError, match=r"HOGDescriptor needs _winSize, .* or nothing"):
        HOGDescriptor((64, 64))


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((63, 64), {}, r"img with its padding must hold winSize 64 x 64 \(width x height\), got 64 x 63"),
        ((0, 0), {"padding": (32, 32)}, "img with its padding must hold winSize 64 x 64 .*, got an empty one"),
        ((64, 64, 4), {}, "img must have 1 or 3 channels"),
        ((64, 64), {"winStride": (8, 0)}, r"winStride\[1\] must be >= 1, got 0"),
        ((64, 64), {"locations": [(1, 2, 3)]}, "locations must be points of two integers"),
    ],
)
def test_compute_names_the_bad_value(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        HOGDescriptor(*SIZES).compute(np.zeros(shape, np.uint8), **arguments)


def test_compute_takes_uint8_alone():
    with pytest.raises(TypeError, match="img must have dtype uint8, got float32"):
        HOGDescriptor(*SIZES).compute(np.zeros((64, 64), np.float32))
    with pytest.raises(TypeError, match="locations must be points of two integers"):
        HOGDescriptor(*SIZES).compute(np.zeros((64, 64), np.uint8), locations=[(0.5, 0.5)])
