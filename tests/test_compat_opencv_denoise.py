"""OpenCV's forms of non-local means, bit for bit."""

import tracemalloc

import numpy as np
import pytest

from images import smooth_image
from medfast._drivers import lab as lab_driver
from medfast.compat.opencv import denoise as cvlike


def color_image(rng, shape, n_channels=3):
    return np.stack([smooth_image(rng, shape) for _ in range(n_channels)], axis=-1)


@pytest.mark.opencv
@pytest.mark.parametrize("h", [0, 0.5, 3, 3.3, -10, 13.9, 14, 30, 255])
def test_gray(level, n_threads, rng, h):
    import cv2

    image = smooth_image(rng, (45, 99))
    np.testing.assert_array_equal(cvlike.fastNlMeansDenoising(image, None, h), cv2.fastNlMeansDenoising(image, None, h))


@pytest.mark.opencv
@pytest.mark.parametrize("windows", [(7, 21), (3, 21), (5, 35), (4, 10), (0, 0), (1, 3), (9, 17), (11, 101)], ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 1), (33, 70)], ids=str)
def test_windows_and_shapes(level, rng, windows, shape):
    import cv2

    image = smooth_image(rng, shape)
    np.testing.assert_array_equal(
        cvlike.fastNlMeansDenoising(image, None, 10, *windows), cv2.fastNlMeansDenoising(image, None, 10, *windows)
    )


@pytest.mark.opencv
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", ["NORM_L1", "NORM_L2"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_channels_and_norms(level, rng, n_channels, norm, dtype):
    import cv2

    if (norm, dtype) == ("NORM_L2", "uint16"):
        pytest.skip("OpenCV has no uint16 with L2")
    assert getattr(cvlike, norm) == getattr(cv2, norm)
    image = color_image(rng, (24, 50), n_channels)
    scale = 1
    if dtype == "uint16":
        scale = 200
        image = image.astype(np.uint16) * 200 + rng.integers(0, 200, image.shape, np.uint16)
    for h in ([5.0 * scale], [scale * (6.0 + 4.0 * channel) for channel in range(n_channels)]):
        ours = cvlike.fastNlMeansDenoising(image, h, None, 5, 13, getattr(cv2, norm))
        np.testing.assert_array_equal(ours, cv2.fastNlMeansDenoising(image, h, None, 5, 13, getattr(cv2, norm)))
        ours = cvlike.fastNlMeansDenoising(image, h=h, normType=getattr(cv2, norm))
        np.testing.assert_array_equal(ours, cv2.fastNlMeansDenoising(image, h=h, normType=getattr(cv2, norm)))


@pytest.mark.opencv
def test_full_range_uint16(level, rng):
    import cv2

    image = rng.integers(0, 65536, (20, 40)).astype(np.uint16)
    for h in (100.0, 20000.0):
        ours = cvlike.fastNlMeansDenoising(image, [h], normType=cv2.NORM_L1)
        np.testing.assert_array_equal(ours, cv2.fastNlMeansDenoising(image, [h], normType=cv2.NORM_L1))


@pytest.mark.opencv
@pytest.mark.parametrize("bits", [8, 12, 13, 14, 16])
@pytest.mark.parametrize("h", [0, 12, 160, 508, 509, 1500])
def test_depths_and_strengths_of_uint16(level, n_threads, rng, bits, h):
    """Up to h = 508 distances fit 16 bits, of 12 bits even the sums of columns; doubles are exact for 1000 donors of 12
    bits, 64 of 16 bits."""
    import cv2

    image = smooth_image(rng, (37, 71)).astype(np.uint16) << 8
    image += rng.integers(0, 256, image.shape, np.uint16)
    image >>= 16 - bits
    for windows in ((7, 21), (3, 5), (1, 35)):
        ours = cvlike.fastNlMeansDenoising(image, [h], None, *windows, cv2.NORM_L1)
        np.testing.assert_array_equal(ours, cv2.fastNlMeansDenoising(image, [h], None, *windows, cv2.NORM_L1))


@pytest.mark.opencv
@pytest.mark.parametrize("n_channels", [3, 4])
@pytest.mark.parametrize("h", [(3, 3), (10, 10), (5, 20), (0, 15)], ids=str)
def test_colored(level, rng, n_channels, h):
    import cv2

    image = color_image(rng, (40, 61), n_channels)
    np.testing.assert_array_equal(
        cvlike.fastNlMeansDenoisingColored(image, None, *h), cv2.fastNlMeansDenoisingColored(image, None, *h)
    )


@pytest.mark.opencv
def test_multi(level, rng):
    import cv2

    gray = [smooth_image(rng, (26, 40)) for _ in range(5)]
    color = [color_image(rng, (26, 40)) for _ in range(5)]
    for arguments in ((2, 3, None, 8, 5, 11), (2, 5, None, 8, 5, 11), (1, 1, None, 8, 7, 21)):
        np.testing.assert_array_equal(
            cvlike.fastNlMeansDenoisingMulti(gray, *arguments), cv2.fastNlMeansDenoisingMulti(gray, *arguments)
        )
        np.testing.assert_array_equal(
            cvlike.fastNlMeansDenoisingMulti(color, *arguments), cv2.fastNlMeansDenoisingMulti(color, *arguments)
        )
        arguments = (*arguments[:4], 12, *arguments[4:])
        np.testing.assert_array_equal(
            cvlike.fastNlMeansDenoisingColoredMulti(color, *arguments),
            cv2.fastNlMeansDenoisingColoredMulti(color, *arguments),
        )
    deep = [frame.astype(np.uint16) * 256 for frame in gray]
    np.testing.assert_array_equal(
        cvlike.fastNlMeansDenoisingMulti(deep, 2, 3, [2500.0], None, 5, 11, cv2.NORM_L1),
        cv2.fastNlMeansDenoisingMulti(deep, 2, 3, [2500.0], None, 5, 11, cv2.NORM_L1),
    )


@pytest.mark.opencv
def test_lab_equals_opencv(level, n_threads):
    """Every fifth value of each channel, and all of their neighbours' grays."""
    import cv2

    steps = np.arange(0, 256, 5, dtype=np.uint8)
    image = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(52, -1, 3)
    grays = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    for values in (image, grays):
        lab = cv2.cvtColor(values, cv2.COLOR_LBGR2Lab)
        np.testing.assert_array_equal(lab_driver.lab_from_bgr(values), np.moveaxis(lab, -1, 0))
        result = np.empty_like(values)
        lab_driver.bgr_from_lab(np.moveaxis(values, -1, 0), result)
        np.testing.assert_array_equal(result, cv2.cvtColor(values, cv2.COLOR_Lab2LBGR))


def test_memory_of_colour(rng):
    """Lab before and after, the result, and what the two calls take that denoise: the more for more rows."""
    peaks = []
    for n_rows in (1000, 2000):
        image = rng.integers(0, 256, (n_rows, 1000, 3)).astype(np.uint8)
        tracemalloc.start()
        cvlike.fastNlMeansDenoisingColored(image, None, 3, 3, 1, 3)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 7 * image.nbytes // 2


def test_destination(rng):
    image = smooth_image(rng, (20, 30))
    expected = cvlike.fastNlMeansDenoising(image, None, 10)
    dst = np.zeros_like(image)
    assert cvlike.fastNlMeansDenoising(image, dst, 10) is dst
    np.testing.assert_array_equal(dst, expected)
    np.testing.assert_array_equal(cvlike.fastNlMeansDenoising(image, [10.0], dst), expected)
    other = np.zeros((3, 3), np.uint8)
    assert cvlike.fastNlMeansDenoising(image, other, 10) is not other
    assert not other.any()
    in_place = image.copy()
    assert cvlike.fastNlMeansDenoising(in_place, in_place, 10) is in_place
    np.testing.assert_array_equal(in_place, expected)


@pytest.mark.opencv
def test_two_forms_of_the_call(rng):
    """An array in second place is `dst`, or `h` where only the form that begins with `h` takes what follows."""
    import cv2

    image, h = smooth_image(rng, (20, 30)), np.array([20.0])
    for arguments in (
        (h,),
        (h, None),
        (h.astype(np.float32), None, 5),
        (h, np.zeros_like(image)),
        (h, None, 7, 21, cv2.NORM_L2),
        ([20.0], None),
        (None, 20.0),
        (None, None, 5, 9),
    ):
        expected = cv2.fastNlMeansDenoising(image, *arguments)
        np.testing.assert_array_equal(cvlike.fastNlMeansDenoising(image, *arguments), expected)
        expected = cv2.fastNlMeansDenoisingMulti([image], 0, 1, *arguments)
        np.testing.assert_array_equal(cvlike.fastNlMeansDenoisingMulti([image], 0, 1, *arguments), expected)
    np.testing.assert_array_equal(
        cvlike.fastNlMeansDenoising(image, h=h, normType=cv2.NORM_L1),
        cv2.fastNlMeansDenoising(image, h=h, normType=cv2.NORM_L1),
    )


def test_in_place_frames(rng):
    frames = [smooth_image(rng, (300, 20)) for _ in range(3)]
    expected = cvlike.fastNlMeansDenoisingMulti(frames, 1, 3, None, 10)
    assert cvlike.fastNlMeansDenoisingMulti(frames, 1, 3, frames[1], 10) is frames[1]
    np.testing.assert_array_equal(frames[1], expected)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "src must have dtype uint8", {"src": np.zeros((4, 4), np.uint16)}),
        (TypeError, "src must have dtype uint8, uint16", {"src": np.zeros((4, 4)), "normType": cvlike.NORM_L1}),
        (ValueError, "src must not be empty", {"src": np.zeros((0, 4), np.uint8)}),
        (ValueError, "src must have 1 to 4 channels", {"src": np.zeros((4, 4, 5), np.uint8)}),
        (ValueError, "normType must be", {"normType": 7}),
        (TypeError, "normType must be an integer", {"normType": np.array([2, 4])}),
        (TypeError, "normType must be an integer", {"normType": "NORM_L1"}),
        (TypeError, "dst must be a numpy.ndarray or None, got 'dst'", {"dst": "dst"}),
        (TypeError, "dst must be a numpy.ndarray or None, got 'dst'", {"dst": [10.0], "h": "dst"}),
        (ValueError, "h must be finite", {"h": np.nan}),
        (ValueError, "h must have one entry", {"h": [1.0, 2.0]}),
        (ValueError, "searchWindowSize must be >= 0", {"searchWindowSize": -3}),
        (ValueError, "searchWindowSize must be <= 2901", {"searchWindowSize": 3001}),
    ],
)
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match=message):
        cvlike.fastNlMeansDenoising(**{"src": np.zeros((4, 4), np.uint8), **arguments})


def test_multi_bad_arguments():
    frames = [np.zeros((4, 4), np.uint8)] * 3
    with pytest.raises(ValueError, match="imgToDenoiseIndex must have 1 frames"):
        cvlike.fastNlMeansDenoisingMulti(frames, 2, 3)
    with pytest.raises(ValueError, match="searchWindowSize must be odd"):
        cvlike.fastNlMeansDenoisingMulti(frames, 1, 3, searchWindowSize=20)
    with pytest.raises(ValueError, match="srcImgs must agree"):
        cvlike.fastNlMeansDenoisingMulti([*frames[:2], np.zeros((4, 5), np.uint8)], 1, 3)
    with pytest.raises(ValueError, match="srcImgs must have 3 or 4 channels"):
        cvlike.fastNlMeansDenoisingColoredMulti(frames, 1, 3)


@pytest.mark.opencv
@pytest.mark.parametrize("size", [3, 5, 7, 9, 11, 13, 15, 17, 21])
def test_strengths_up_to_the_16_bit_bound(level, rng, size):
    """Each patch has a strength from which sums no longer fit 16 bits: on both sides of it, with sums that saturate."""
    import cv2

    image = np.where(rng.random((26, 45)) < 0.5, 20, 220)
    image[:, :20] = np.where(np.arange(20) < 9, 30, 200)
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    bound = np.sqrt(65535 / (size * size * np.log(1000.0)))
    strengths = bound * (np.linspace(0.5, 1.4, 6) if level == "jit" else np.linspace(0.5, 1.4, 46))
    for h in strengths:
        expected = cv2.fastNlMeansDenoising(image, None, float(h), size, 21)
        np.testing.assert_array_equal(
            cvlike.fastNlMeansDenoising(image, None, float(h), size, 21), expected, err_msg=f"h={h}"
        )


@pytest.mark.opencv
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [3, 5, 7])
def test_channels_beyond_the_16_bit_bound(level, rng, size, n_channels):
    """From one to seven times as far, where sums of 16 bits need what they leave out in bytes, or are given up."""
    import cv2

    image = np.clip(color_image(rng, (22, 60), n_channels) + rng.normal(0, 20, (22, 60, n_channels)), 0, 255)
    image = np.ascontiguousarray(image.astype(np.uint8)[..., 0] if n_channels == 1 else image.astype(np.uint8))
    bound = np.sqrt(65535 / (size * size * n_channels * np.log(1000.0)))
    for factor in (1.05, 2.6) if level == "jit" else (0.96, 0.99, 1.05, 1.4, 1.9, 1.99, 2.05, 2.6, 2.8, 3.0):
        expected = cv2.fastNlMeansDenoising(image, None, float(bound * factor), size, 21)
        ours = cvlike.fastNlMeansDenoising(image, None, float(bound * factor), size, 21)
        np.testing.assert_array_equal(ours, expected, err_msg=f"{factor} times the bound")
