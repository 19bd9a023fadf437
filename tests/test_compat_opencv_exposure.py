"""OpenCV's signatures of histogram equalisation, against OpenCV."""

import numpy as np
import pytest

from images import layouts, random_image
from medfast.compat.opencv.exposure import createCLAHE, equalizeHist


@pytest.mark.opencv
def test_equalize_hist_equals_opencv(rng):
    import cv2

    image = rng.integers(40, 90, (61, 47), np.uint8)
    np.testing.assert_array_equal(equalizeHist(image), cv2.equalizeHist(image))
    np.testing.assert_array_equal(equalizeHist(image[:, :, None]), cv2.equalizeHist(image[:, :, None]))
    assert equalizeHist(image[:0]) is None
    assert cv2.equalizeHist(image[:0]) is None


@pytest.mark.opencv
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("clip_limit", [-1.0, 0, 0.01, 3.0, 40])
def test_clahe_equals_opencv(rng, dtype, clip_limit):
    import cv2

    image = random_image(rng, (61, 47), dtype)
    ours, theirs = createCLAHE(clip_limit, (5, 3)), cv2.createCLAHE(clip_limit, (5, 3))
    assert ours.getClipLimit() == theirs.getClipLimit()
    assert ours.getTilesGridSize() == theirs.getTilesGridSize()
    for view in layouts(image).values():
        if view.dtype.isnative:  # OpenCV takes the others for another dtype
            np.testing.assert_array_equal(ours.apply(view), theirs.apply(view))


@pytest.mark.opencv
def test_clahe_has_opencv_defaults_and_setters(rng):
    import cv2

    image = random_image(rng, (40, 50), "uint8")
    ours, theirs = createCLAHE(), cv2.createCLAHE()
    for clahe in (ours, theirs):
        assert clahe.getClipLimit() == 40.0
        assert clahe.getTilesGridSize() == (8, 8)
    np.testing.assert_array_equal(ours.apply(image), theirs.apply(image))
    for clahe in (ours, theirs):
        clahe.setClipLimit(3)
        clahe.setTilesGridSize((2, 7))
        clahe.collectGarbage()
    np.testing.assert_array_equal(ours.apply(image), theirs.apply(image))
    np.testing.assert_array_equal(
        createCLAHE(clipLimit=1.5, tileGridSize=(4, 4)).apply(image),
        cv2.createCLAHE(clipLimit=1.5, tileGridSize=(4, 4)).apply(image),
    )


@pytest.mark.opencv
@pytest.mark.parametrize("bit_shift", [0, 1, 4, 7, 8, 15])
def test_clahe_bit_shift_equals_opencv(rng, bit_shift):
    import cv2

    ours, theirs = createCLAHE(2.0, (3, 2)), cv2.createCLAHE(2.0, (3, 2))
    if not hasattr(theirs, "setBitShift"):
        pytest.skip("this OpenCV's CLAHE has no setBitShift")
    for clahe in (ours, theirs):
        clahe.setBitShift(bit_shift)
        assert clahe.getBitShift() == bit_shift
    for dtype in ("uint8", "uint16"):
        image = random_image(rng, (37, 46), dtype)
        if bit_shift < 8 * image.itemsize:  # beyond, OpenCV divides by zero
            np.testing.assert_array_equal(ours.apply(image), theirs.apply(image))
        else:
            with pytest.raises(ValueError, match="bitShift"):
                ours.apply(image)


@pytest.mark.parametrize("function", [equalizeHist, createCLAHE(2.0, (2, 2)).apply])
def test_dst_is_filled_where_it_fits(rng, function):
    image = random_image(rng, (20, 33), "uint8")
    expected = function(image)
    dst = np.zeros_like(image)
    assert function(image, dst) is dst
    np.testing.assert_array_equal(dst, expected)
    for unfit in (np.zeros((3, 3), np.uint8), np.zeros(image.shape, np.float32)):
        result = function(image, dst=unfit)
        assert result is not unfit
        np.testing.assert_array_equal(result, expected)
        assert not unfit.any()
    assert function(image, image) is image
    np.testing.assert_array_equal(image, expected)


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="src must have dtype uint8, got uint16"):
        equalizeHist(np.zeros((3, 3), np.uint16))
    with pytest.raises(TypeError, match=r"src must be a numpy.ndarray, got list"):
        equalizeHist([[1, 2]])
    with pytest.raises(ValueError, match=r"src must be 2-D, of one channel, got shape \(3, 3, 3\)"):
        equalizeHist(np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(TypeError, match="src must have dtype uint8, uint16, got int16"):
        createCLAHE().apply(np.zeros((3, 3), np.int16))
    with pytest.raises(ValueError, match="src must not be empty"):
        createCLAHE().apply(np.zeros((0, 3), np.uint8))
    with pytest.raises(ValueError, match=r"tileGridSize\[0\] must be >= 1, got 0"):
        createCLAHE(2.0, (0, 8))
    with pytest.raises(TypeError, match="tileGridSize"):
        createCLAHE(2.0, (2.5, 8))
    with pytest.raises(ValueError, match=r"tileGridSize must be two integers \(width, height\)"):
        createCLAHE(2.0, (8, 8, 8))
    with pytest.raises(ValueError, match="clipLimit must be finite"):
        createCLAHE().setClipLimit(float("nan"))
    with pytest.raises(ValueError, match="bitShift must be <= 15"):
        createCLAHE().setBitShift(16)
