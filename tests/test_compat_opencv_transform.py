"""The resize of `medfast.compat.opencv` against OpenCV itself, 4.14 and 5.0."""

import numpy as np
import pytest

from medfast.compat.opencv import transform

INTERPOLATIONS = ("NEAREST", "LINEAR", "CUBIC", "AREA", "LANCZOS4", "LINEAR_EXACT", "NEAREST_EXACT")
"""All of OpenCV's; the last one differs between OpenCV 4 and 5."""


@pytest.fixture
def cv2():
    """OpenCV without IPP, whose cubic differs by one level and from CPU to CPU; nothing else of uint8 depends on it."""
    cv2 = pytest.importorskip("cv2")
    cv2.ipp.setUseIPP(False)
    yield cv2
    cv2.ipp.setUseIPP(True)


def assert_equals_opencv(cv2, image, dsize, **arguments):
    for name in INTERPOLATIONS if cv2.__version__.startswith("4.") else INTERPOLATIONS[:-1]:
        flag = getattr(cv2, f"INTER_{name}")
        assert getattr(transform, f"INTER_{name}") == flag
        expected = cv2.resize(image, dsize, interpolation=flag, **arguments)
        result = transform.resize(image, dsize, interpolation=flag, **arguments)
        note = f"INTER_{name}, {image.shape} to {dsize}, {arguments}"
        np.testing.assert_array_equal(result, expected, err_msg=note)


@pytest.mark.opencv
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
def test_uint8_equals_opencv(cv2, level, rng, n_channels):
    for _ in range(8 if level == "jit" else 150):
        height, width, new_height, new_width = rng.integers(1, 90, 4).tolist()
        if rng.random() < 0.3:  # whole factors
            height, width = new_height * int(rng.integers(1, 5)), new_width * int(rng.integers(1, 5))
        image = rng.integers(0, 256, (height, width, n_channels), np.uint8)
        assert_equals_opencv(cv2, image, (new_width, new_height))


@pytest.mark.opencv
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
def test_uint8_by_factors_equals_opencv(cv2, level, rng, n_channels):
    for _ in range(8 if level == "jit" else 100):
        height, width = rng.integers(5, 60, 2).tolist()
        fx, fy = rng.uniform(0.2, 3.0, 2).tolist()
        if rng.random() < 0.5:
            fx, fy = rng.choice([0.5, 0.25, 1 / 3, 0.2, 1.0, 2.0, 1.5], 2).tolist()
        image = rng.integers(0, 256, (height, width, n_channels), np.uint8)
        assert_equals_opencv(cv2, image, None, fx=fx, fy=fy)


@pytest.mark.opencv
@pytest.mark.parametrize("shape", [(512, 512), (700, 401)], ids=str)
@pytest.mark.parametrize("dsize", [(256, 256), (800, 800), (300, 213), (64, 1000), (100, 100)], ids=str)
def test_large_uint8_equals_opencv(cv2, n_threads, rng, shape, dsize):
    assert_equals_opencv(cv2, rng.integers(0, 256, shape, np.uint8), dsize)
    assert_equals_opencv(cv2, np.where(rng.random(shape) < 0.5, 0, 255).astype(np.uint8), dsize)


@pytest.mark.opencv
@pytest.mark.parametrize("name", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_other_dtypes_are_near_opencv(cv2, rng, dtype, name):
    """OpenCV's weights are float32, and those of linear's positions too: the two agree to about that precision."""
    flag = getattr(cv2, f"INTER_{name}")
    for shape, dsize in (((61, 83), (40, 100)), ((64, 96), (48, 32)), ((50, 70), (20, 30))):
        image = rng.integers(0, 4096, shape).astype(dtype)
        difference = transform.resize(image, dsize, interpolation=flag) - cv2.resize(
            image, dsize, interpolation=flag
        ).astype(np.float64)
        assert np.abs(difference).max() <= (1.0 if image.dtype.kind in "iu" else 0.1)


@pytest.mark.opencv
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_nearest_equals_opencv_whatever_the_dtype(cv2, level, rng, dtype):
    for shape, dsize in (((20, 31), (57, 9)), ((13, 1, 3), (4, 30)), ((5, 6000), (4321, 5))):
        image = rng.integers(0, 4096, shape).astype(dtype)
        for name in ("NEAREST", "NEAREST_EXACT") if cv2.__version__.startswith("4.") else ("NEAREST",):
            flag = getattr(cv2, f"INTER_{name}")
            np.testing.assert_array_equal(
                transform.resize(image, dsize, interpolation=flag), cv2.resize(image, dsize, interpolation=flag)
            )


def test_nearest_exact_takes_the_pixel_under_the_center_or_on_its_left():
    image = np.arange(10, dtype=np.uint16)[None]
    found = [transform.resize(image, (n, 1), interpolation=transform.INTER_NEAREST_EXACT)[0].tolist() for n in (1, 3)]
    assert found == [[5], [1, 4, 8]]
    # where OpenCV would read outside of the image
    assert (transform.resize(image[:, :1], (200_000, 1), interpolation=6) == 0).all()
    wide = np.arange(40_000, dtype=np.uint16)[None]
    assert transform.resize(wide, (4, 1), interpolation=6).tolist() == [[5000, 15000, 25000, 35000]]


@pytest.mark.opencv
def test_dst_is_filled_where_it_fits(cv2, rng):
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    dst = np.empty((7, 9, 3), np.uint8)
    assert transform.resize(image, (9, 7), dst) is dst
    np.testing.assert_array_equal(dst, cv2.resize(image, (9, 7)))
    assert transform.resize(image, (9, 8), dst).shape == (8, 9, 3)
    # a result over its own source is of the source as it was
    expected = transform.resize(image[:10, :15].copy(), (15, 20))
    transform.resize(image[:10, :15], (15, 20), image[:, :15])
    np.testing.assert_array_equal(image[:, :15], expected)


@pytest.mark.opencv
def test_a_single_channel_loses_its_axis(cv2, rng):
    image = rng.integers(0, 256, (20, 30, 1), np.uint8)
    assert transform.resize(image, (9, 7)).shape == cv2.resize(image, (9, 7)).shape == (7, 9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dsize": None}, ValueError, "fx must be > 0, got 0"),
        ({"dsize": (0, 0), "fx": 2}, ValueError, "fy must be > 0, got 0"),
        ({"dsize": (2, -2)}, ValueError, r"dsize\[1\] must be >= 0"),
        ({"dsize": (2, 2, 2)}, ValueError, r"dsize must be two integers \(width, height\)"),
        ({"dsize": None, "fx": 0.01, "fy": 1}, ValueError, "fx and fy must leave at least one pixel"),
        ({"dsize": (2, 2), "interpolation": 7}, ValueError, "interpolation must be <= 6, got 7"),
        ({"dsize": (2, 2), "interpolation": "linear"}, TypeError, "interpolation must be an integer"),
    ],
)
def test_names_the_bad_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        transform.resize(np.zeros((3, 4), np.uint8), **arguments)


def test_refuses_an_empty_image():
    with pytest.raises(ValueError, match="src must have pixels"):
        transform.resize(np.zeros((0, 4), np.uint8), (2, 2))
    with pytest.raises(TypeError, match="src must have dtype"):
        transform.resize(np.zeros((3, 4), np.int32), (2, 2))
