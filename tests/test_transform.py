"""Resizing, at every level, against its oracle, OpenCV and SciPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import medfast
import oracles_resample as oracles
from images import DTYPES, layouts, random_image, smooth_image
from medfast import _kernels
from medfast._drivers import sampling

INTERPOLATIONS = ("nearest", "linear", "linear-exact", "area", "cubic", "lanczos4")

# Input and output (rows, columns): around the vector widths, up, down, by whole factors, and the degenerate ones.
SIZES = (
    ((1, 1), (3, 5)),
    ((1, 7), (1, 1)),
    ((5, 1), (2, 3)),
    ((16, 15), (31, 33)),
    ((34, 64), (17, 32)),
    ((33, 65), (32, 16)),
    ((48, 96), (16, 32)),
    ((47, 131), (21, 40)),
    ((20, 40), (33, 17)),
    ((9, 200), (11, 31)),
)
VOLUME_SIZES = (((4, 9, 11), (7, 5, 13)), ((21, 6, 8), (2, 12, 4)), ((3, 8, 10), (3, 4, 5)), ((1, 3, 3), (2, 3, 3)))


def assert_resized(result, image, shape, interpolation, steps=None):
    """`result` is what the oracle makes of `image`."""
    expected = oracles.resize(image, shape, interpolation, steps)
    assert result.dtype == expected.dtype
    fixed_point = image.dtype == np.uint8 and image.shape[: len(shape) - 2] == tuple(shape)[:-2]
    if interpolation == "nearest" or fixed_point:
        np.testing.assert_array_equal(result, expected)
    elif image.dtype.kind == "f":
        # Lanczos' sines differ between the oracle and the tables in the last bit, which taps that cancel magnify.
        atol = 1e-14 * np.abs(expected).max(initial=0) if interpolation == "lanczos4" else 0
        np.testing.assert_allclose(result, expected, rtol=np.finfo(result.dtype).eps, atol=atol)
    else:  # within one level, which is within a half of the exact sum but for float32's error: 2^-24 of the terms, each
        limits = np.iinfo(image.dtype)
        exact = np.clip(oracles.resize(image.astype(np.float64), shape, interpolation, steps), limits.min, limits.max)
        assert np.abs(result.astype(np.int64) - expected).max(initial=0) <= 1
        assert np.abs(result - exact).max(initial=0) <= 0.5 + limits.max * 2.0**-20


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_resize_uint8_equals_oracle(level, n_threads, rng, sizes, interpolation):
    image = random_image(rng, sizes[0], "uint8")
    result = medfast.resize(image, sizes[1], interpolation=interpolation)
    assert_resized(result, image, sizes[1], interpolation)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_resize_equals_oracle(level, n_threads, rng, dtype, interpolation):
    for shape, new_shape in SIZES[:: 3 if level == "jit" else 1]:
        image = random_image(rng, shape, dtype)
        result = medfast.resize(image, new_shape, interpolation=interpolation)
        assert_resized(result, image, new_shape, interpolation)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_resize_of_volumes_equals_oracle(level, n_threads, rng, dtype, interpolation):
    for shape, new_shape in VOLUME_SIZES:
        image = random_image(rng, shape, dtype)
        result = medfast.resize(image, new_shape, interpolation=interpolation)
        assert_resized(result, image, new_shape, interpolation)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", ["linear", "area", "cubic", "lanczos4"])
def test_rows_of_several_strips(level, rng, dtype, interpolation):
    """Wide rows go in strips; up to steps of about 2 by shuffles, whose windows lie in several ways, then otherwise."""
    for shape, new_shape in (
        ((3, 1100), (4, 1400)),  # a step of 0.79
        ((2, 1300), (3, 1250)),  # 1.04
        ((3, 1500), (2, 900)),  # 1.67
        ((2, 6000), (3, 1500)),  # 4
        ((3, 500, 3), (2, 610, 3)),
        ((3, 300, 17), (2, 140, 17)),
        ((2, 2, 900), (3, 3, 1000)),
    ):
        has_channels = shape[2:] in ((3,), (17,))
        size = new_shape[:2] if has_channels else new_shape
        image = random_image(rng, shape, dtype)
        axis = -1 if has_channels else None
        result = medfast.resize(image, size, interpolation=interpolation, channel_axis=axis)
        assert_resized(result, image, size, interpolation)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_resize_of_channels_equals_oracle(level, rng, n_channels, axis, interpolation):
    for shape, new_shape in (((20, 37), (33, 50)), ((18, 26), (9, 13)), ((27, 40), (10, 9)), ((12, 18), (4, 3))):
        image = random_image(rng, (*shape, n_channels), "uint8")
        result = medfast.resize(np.moveaxis(image, -1, axis), new_shape, interpolation=interpolation, channel_axis=axis)
        expected = oracles.resize(image, new_shape, interpolation)
        np.testing.assert_array_equal(np.moveaxis(result, axis, -1), expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_resize_by_scale_equals_oracle(level, rng, interpolation):
    """A scale sets the step as well as the size, so that the last pixels may lie partly or wholly beyond the image."""
    for shape, scale in (
        ((7, 9), (0.5, 0.5)),
        ((10, 11), (0.25, 1 / 3)),
        ((9, 30), (1.3, 0.7)),
        ((31, 40), (0.41, 0.23)),
    ):
        size = tuple(round(n * factor) for n, factor in zip(shape, scale, strict=True))
        for dtype in ("uint8", "int16", "float64"):
            image = random_image(rng, shape, dtype)
            result = medfast.resize(image, scale=scale, interpolation=interpolation)
            assert result.shape == size
            assert_resized(result, image, size, interpolation, [1 / factor for factor in scale])


@pytest.mark.parametrize("interpolation", ["linear", "linear-exact", "area"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_exact_halves(level, n_threads, rng, dtype, interpolation):
    """Whole pixels of one channel have a function of their own, which gives what the sums give for other layouts."""
    for shape in ((2, 2), (6, 34), (62, 130), (3, 4, 66)):
        image = random_image(rng, shape, dtype)
        new_shape = (*shape[:-2], shape[-2] // 2, shape[-1] // 2)
        result = medfast.resize(image, new_shape, interpolation=interpolation)
        assert_resized(result, image, new_shape, interpolation)
        spread = np.repeat(image, 2, axis=-1)[..., ::2]
        np.testing.assert_array_equal(medfast.resize(spread, new_shape, interpolation=interpolation), result)
    if np.dtype(dtype).kind == "i" or np.dtype(dtype) == np.uint16:
        ties = np.add.outer(np.arange(40), np.zeros(2)).repeat(2, 0)[:, [0, 1]].astype(dtype)
        ties[::2, 0] += 2  # sums of 4·n + 2: half to even
        np.testing.assert_array_equal(medfast.resize(ties, (40, 1))[:, 0], np.rint(np.arange(40) + 0.5).astype(dtype))


def test_resize_to_a_spacing(level, rng):
    volume = random_image(rng, (6, 20, 24), "int16")
    result = medfast.resize(volume, spacing=(2.5, 0.7, 0.7), new_spacing=1)
    assert result.shape == (15, 14, 17)
    np.testing.assert_array_equal(result, medfast.resize(volume, scale=(2.5, 0.7, 0.7)))
    # output pixel i lies at (i + 1/2)·1 mm: a ramp in millimetres stays that ramp
    ramp = np.broadcast_to((np.arange(100) + 0.5) * 0.7, (3, 100)).copy()
    resized = medfast.resize(ramp, spacing=(1, 0.7), new_spacing=(1, 1.0))
    np.testing.assert_allclose(resized[0, 1:-1], (np.arange(70) + 0.5)[1:-1], rtol=1e-14)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_resize_takes_any_layout(level, rng, dtype, interpolation):
    for new_shape in ((12, 40), (30, 30)):
        image = random_image(rng, (24, 80), dtype)
        expected = medfast.resize(image, new_shape, interpolation=interpolation)
        for name, view in layouts(image).items():
            result = medfast.resize(view, new_shape, interpolation=interpolation)
            np.testing.assert_array_equal(result, expected, err_msg=name)
        wide = np.zeros((new_shape[0], 2 * new_shape[1]), dtype)
        out = wide[::-1, ::2]
        assert medfast.resize(image, new_shape, interpolation=interpolation, out=out) is out
        np.testing.assert_array_equal(out, expected)
        assert not wide[:, 1::2].any()


@pytest.mark.parametrize("level_name", _kernels.supported_levels())
def test_levels_give_the_same_bits(rng, level_name):
    try:
        for dtype in DTYPES:
            image = random_image(rng, (61, 83), dtype)
            for interpolation in INTERPOLATIONS:
                results = []
                for name in (_kernels.LEVEL, level_name):
                    _kernels._activate(name)
                    results.append(medfast.resize(image, (40, 101), interpolation=interpolation).tobytes())
                assert results[0] == results[1], (dtype, interpolation)
    finally:
        _kernels._activate(_kernels.LEVEL)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_images_and_extremes(level, dtype, interpolation):
    values = [-3.7e30, 0.1] if np.dtype(dtype).kind == "f" else [np.iinfo(dtype).min, 77, np.iinfo(dtype).max]
    for value in values:
        image = np.full((23, 30), value, dtype)
        for new_shape in ((11, 50), (3, 4)):
            result = medfast.resize(image, new_shape, interpolation=interpolation)
            if dtype == "uint8":  # OpenCV's weights need not add up to one
                np.testing.assert_array_equal(result, oracles.resize(image, new_shape, interpolation))
            elif np.dtype(dtype).kind == "f":
                np.testing.assert_allclose(result, np.full(new_shape, value, dtype), rtol=4 * np.finfo(dtype).eps)
            else:
                np.testing.assert_array_equal(result, np.full(new_shape, value, dtype))


def test_lanczos_on_a_pixel_that_rounding_places_below_zero(level, rng):
    """Enlarged by 49, output 24 lies on pixel 0, but 24.5·(1/49) is below one half: OpenCV divides by zero."""
    for dtype in DTYPES:
        image = random_image(rng, (2, 3), dtype)
        result = medfast.resize(image, (98, 147), interpolation="lanczos4")
        assert_resized(result, image, (98, 147), "lanczos4")
        np.testing.assert_allclose(result[24, 24].astype(np.float64), image[0, 0], rtol=1e-12)


@pytest.mark.parametrize("n_channels", [1, 2, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nearest_at_half_the_size_is_every_second_pixel(level, n_threads, rng, dtype, n_channels):
    for n_cols in (2, 3, 15, 16, 33, 64, 65, 130, 131):
        image = random_image(rng, (7, n_cols, n_channels), dtype)
        result = medfast.resize(image, scale=0.5, interpolation="nearest", channel_axis=-1)
        np.testing.assert_array_equal(result, image[::2, ::2][: result.shape[0], : result.shape[1]])


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_nearest_of_any_pixel_size(level, rng, dtype, n_channels):
    """Pixels of 2, 4 and 8 bytes are moved as bytes, up to a step; the others, and rows with gaps, one by one."""
    for width, new_width in ((90, 200), (90, 45), (160, 20), (161, 20), (300, 7), (3, 2)):
        image = random_image(rng, (2, 6, width, n_channels), dtype)
        for view in (image, np.repeat(image, 2, axis=2)[:, :, ::2]):
            for shape, expected in (((6, 9), image[0]), ((2, 5, 0), image)):
                size = (*shape[:-1], new_width)
                source = view[0] if len(size) == 2 else view
                found = medfast.resize(source, size, interpolation="nearest", channel_axis=-1)
                np.testing.assert_array_equal(found, oracles.resize(expected, size, "nearest"))


def test_resize_keeps_labels(level, rng):
    labels = rng.choice(np.array([0, 3, 700, 65535], np.uint16), (7, 30, 31))
    assert set(np.unique(medfast.resize(labels, scale=1.7, interpolation="nearest"))) <= {0, 3, 700, 65535}


def test_resize_never_changes_its_input(level, rng):
    for dtype in DTYPES:
        image = random_image(rng, (20, 31), dtype)
        before = image.copy()
        for interpolation in INTERPOLATIONS:
            result = medfast.resize(image, (20, 31), interpolation=interpolation)
            assert result is not image
            np.testing.assert_array_equal(result, before)
            medfast.resize(image, (9, 40), interpolation=interpolation)
        np.testing.assert_array_equal(image, before)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 70)),
    new_shape=st.tuples(st.integers(1, 50), st.integers(1, 90)),
    interpolation=st.sampled_from(INTERPOLATIONS),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1000),
)
def test_resize_of_any_size(shape, new_shape, interpolation, dtype, seed):
    image = random_image(np.random.default_rng(seed), shape, dtype)
    result = medfast.resize(image, new_shape, interpolation=interpolation)
    assert_resized(result, image, new_shape, interpolation)


@given(n=st.integers(1, 300), size=st.integers(1, 300), n_channels=st.integers(1, 4))
def test_tables_stay_inside_the_image(n, size, n_channels):
    step = 1 / (size / n)
    kinds = ("linear", "cubic", "area", "lanczos4")
    tables = [make(kind, n, size, step, *rest) for kind in kinds for make, rest in TABLE_MAKERS]
    if step >= 1:
        tables += [
            sampling.area(n, size, step, n_channels),
            sampling.real("mean", n, size, step, np.float64, n_channels),
        ]
    for offsets, weights in tables:
        assert offsets.min() >= 0
        assert offsets.max() < n * n_channels
        one = 1 << sampling.FIXED_BITS if weights.dtype == np.int16 else 1
        assert np.abs(weights.sum(0, dtype=np.float64) / one - 1).max() < 4e-3


TABLE_MAKERS = ((sampling.fixed, ()), (sampling.real, (np.float32,)), (sampling.real, (np.float64,)))


def test_linear_agrees_with_scipy(rng):
    """Half-pixel centers and repeated edges are SciPy's grid mode."""
    ndimage = pytest.importorskip("scipy.ndimage")
    image = smooth_image(rng, (12, 33, 40), "float64")
    zoomed = ndimage.zoom(image, (2, 1 / 3, 2.5), order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(medfast.resize(image, zoomed.shape), zoomed, rtol=1e-12)


def test_empty_images():
    empty = np.zeros((0, 5), np.uint8)
    assert medfast.resize(empty, (0, 3)).shape == (0, 3)
    assert medfast.resize(empty, scale=2).shape == (0, 10)
    assert medfast.resize(np.zeros((4, 5), np.uint8), (0, 3)).shape == (0, 3)
    with pytest.raises(ValueError, match=r"image must have pixels to be resized to \(2, 3\), got shape \(0, 5\)"):
        medfast.resize(empty, (2, 3))
    assert medfast.resize(np.ones((1, 9), np.uint8), scale=0.1).shape == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "exactly one of shape, scale and new_spacing"),
        ({"shape": (2, 2), "scale": 2}, ValueError, "exactly one of shape, scale and new_spacing"),
        ({"scale": 2, "spacing": 1}, ValueError, "spacing and new_spacing must be given together"),
        ({"new_spacing": 2}, ValueError, "spacing and new_spacing must be given together"),
        ({"shape": (2,)}, ValueError, "shape must have 2 entries"),
        ({"shape": 2}, TypeError, "shape must be a sequence of integers, got 2"),
        ({"shape": (2, -1)}, ValueError, r"shape\[1\] must be >= 0, got -1"),
        ({"shape": (2, 2.5)}, TypeError, r"shape\[1\] must be an integer, got 2.5"),
        ({"scale": 0}, ValueError, "scale must be > 0, got 0"),
        ({"scale": (1, 2, 3)}, ValueError, "scale must be a number or have 2 entries"),
        ({"scale": math.nan}, ValueError, "scale must be finite"),
        ({"scale": "2"}, TypeError, "scale must be a number"),
        ({"spacing": 1, "new_spacing": (1, -1)}, ValueError, r"new_spacing\[1\] must be > 0, got -1"),
        ({"scale": 2, "interpolation": "cubical"}, ValueError, "interpolation must be one of 'nearest', 'linear'"),
        ({"scale": 2, "interpolation": 1}, TypeError, "interpolation must be a string, got 1"),
        ({"scale": 2, "num_threads": 0}, ValueError, "num_threads must be >= 1"),
        ({"scale": 2, "channel_axis": 0}, ValueError, "image must be 3-D or 4-D"),
        ({"scale": 2, "out": np.zeros((3, 4), np.uint8)}, ValueError, r"out must have shape \(6, 8\), got \(3, 4\)"),
    ],
)
def test_resize_names_the_bad_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        medfast.resize(np.zeros((3, 4), np.uint8), **arguments)


def test_resize_refuses_bad_images(rng):
    with pytest.raises(TypeError, match=r"image must have dtype .*, got int64"):
        medfast.resize(np.zeros((3, 3), np.int64), (2, 2))
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="image must be finite"):
            medfast.resize(np.array([[0.0, bad]]), (2, 2))
    image = random_image(rng, (8, 8), "uint8")
    with pytest.raises(ValueError, match="out must not overlap"):
        medfast.resize(image[:4, :4], (4, 2), out=image[2:6, 2:4])


@pytest.mark.parametrize(
    "target", [{"scale": 1e-30}, {"scale": 1e30}, {"spacing": 1e-300, "new_spacing": 1e300}], ids=str
)
def test_scales_beyond_any_size_are_refused(target):
    with pytest.raises(ValueError, match="scale must lie between"):
        medfast.resize(np.zeros((4, 5), np.uint8), **target)


def test_a_row_too_long_for_31_bits_is_refused():
    row = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (1, 2**31), (0, 0))
    with pytest.raises(ValueError, match=r"image must have fewer than 2\*\*31 values along an axis"):
        medfast.resize(row, (1, 7), interpolation="nearest")
    with pytest.raises(ValueError, match=r"shape must have fewer than 2\*\*31 values along an axis"):
        medfast.resize(np.zeros((1, 5), np.uint8), (1, 2**31))


@pytest.mark.opencv
@pytest.mark.parametrize("interpolation", ["linear", "area", "linear-exact"])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5, 7])
def test_halving_rounds_as_opencv_whatever_the_channels(level, rng, n_channels, interpolation):
    cv2 = pytest.importorskip("cv2")
    image = rng.integers(0, 256, (20, 34, n_channels), np.uint8)
    code = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "linear-exact": cv2.INTER_LINEAR_EXACT}[interpolation]
    expected = cv2.resize(image, (17, 10), interpolation=code).reshape(10, 17, n_channels)
    found = medfast.resize(image, (10, 17), interpolation=interpolation, channel_axis=-1)
    np.testing.assert_array_equal(found, expected)
