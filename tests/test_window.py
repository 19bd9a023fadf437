"""Windows of gray levels: the standard's definition, pydicom, and what an argument may be."""

import tracemalloc

import numpy as np
import oracles_window as oracles
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import medfast
from images import DTYPES, SHAPES, layouts, random_image
from medfast import _kernels

FUNCTIONS = ("linear", "linear_exact", "sigmoid")
pytestmark = pytest.mark.usefixtures("level")


def is_close(found, expected, function):
    """Integers are equal; floats too, but for the sigmoid, whose exponential is nobody else's."""
    assert found.dtype == expected.dtype
    if function != "sigmoid" or found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(found.dtype).eps, atol=0)


def ct(rng, shape, dtype="int16"):
    """Hounsfield units around those of soft tissue, or what is left of them in a dtype without negatives."""
    lowest = 0 if np.dtype(dtype).kind == "u" else -1024
    return np.clip(rng.normal(40.0, 400.0, shape), lowest, 255 if dtype == "uint8" else 3071).astype(dtype)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("image_dtype", DTYPES)
def test_is_the_oracle(rng, image_dtype, dtype, function):
    for shape in ((1, 1), (5, 1), (17, 31), (2, 5, 135)):
        image = ct(rng, shape, image_dtype)
        for center, width in ((40, 400), (40.5, 511), (100, 1), (-600.25, 1500.5)):
            found = medfast.window(image, center, width, function=function, dtype=dtype)
            is_close(found, oracles.window(image, center, width, function, 1, 0, dtype), function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_level_of_16_bits_is_rounded_as_defined(function):
    """Also where float32 is in doubt: each of these windows puts many levels on halves, or next to them."""
    image = np.arange(-32768, 32768, dtype=np.int16).reshape(256, 256)
    for center, width in ((0, 511), (40, 400), (0, 65535), (-20000.5, 1021), (0.25, 2), (3e6, 6e6), (30000, 3e-3)):
        if function == "linear" and width < 1:
            continue
        found = medfast.window(image, center, width, function=function)
        np.testing.assert_array_equal(found, oracles.window(image, center, width, function))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rescale_comes_before_the_window(rng, dtype):
    image = ct(rng, (9, 150), dtype)
    for function in FUNCTIONS:
        found = medfast.window(image, 40, 400, function=function, slope=-0.3, intercept=77.5)
        np.testing.assert_array_equal(found, oracles.window(image, 40, 400, function, -0.3, 77.5))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    center=st.floats(-1e5, 1e5),
    width=st.floats(1, 1e5),
    slope=st.floats(-100, 100),
    intercept=st.floats(-1e4, 1e4),
    function=st.sampled_from(FUNCTIONS),
    dtype=st.sampled_from(DTYPES),
)
def test_any_window_is_the_oracle(center, width, slope, intercept, function, dtype):
    image = ct(np.random.default_rng(1), (3, 201))
    found = medfast.window(image, center, width, function=function, slope=slope, intercept=intercept, dtype=dtype)
    expected = oracles.window(image, center, width, function, slope, intercept, dtype)
    if np.dtype(dtype).kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-14)
    else:
        np.testing.assert_array_equal(found, expected)


def test_extreme_floats_are_black_or_white():
    image = np.array([[-1.7e308, -1e30, 0.0, 1e30, 1.7e308]])
    for function in FUNCTIONS:
        found = medfast.window(image, 0.0, 1e-3 if function != "linear" else 1.5, function=function, slope=10.0)
        np.testing.assert_array_equal(found[0, [0, 1, 3, 4]], [0, 0, 255, 255])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("unit", [1e-300, 1e-40, 1e-20, 1e20, 1e40, 1e300])
def test_units_far_from_those_of_float32(rng, unit, function):
    """By the rescale, for the standard's widths are not to be under 1; and by the values themselves."""
    image = rng.normal(40.0, 300.0, (4, 140))
    expected = oracles.window(image, 40.5, 401, function)
    found = medfast.window(image * unit, 40.5, 401, function=function, slope=1 / unit)
    np.testing.assert_allclose(found.astype(int), expected, atol=1)  # the product with 1/unit is rounded
    if unit > 1:
        found = medfast.window(image * unit, 40.5 * unit, 401 * unit, function=function)
        expected = oracles.window(image * unit, 40.5 * unit, 401 * unit, function)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        medfast.window(image, 0, 400, slope=0, function="linear_exact"), np.full((4, 140), 128)
    )


def test_pydicom_gives_the_same(rng):
    pydicom = pytest.importorskip("pydicom")
    image = ct(rng, (65, 260))
    dataset = pydicom.Dataset()
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    for bits, dtype in ((8, "uint8"), (16, "uint16")):
        dataset.BitsStored = bits
        for function in FUNCTIONS:
            dataset.VOILUTFunction = function.upper()
            for center, width in ((40, 400), (40.5, 80), (300, 1), (-600, 1500)):
                dataset.WindowCenter, dataset.WindowWidth = center, width
                with np.errstate(over="ignore"):  # its exponential of the darkest
                    expected = pydicom.pixels.apply_windowing(image, dataset)
                found = medfast.window(image, center, width, function=function, dtype=dtype)
                np.testing.assert_array_equal(found, np.rint(expected))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_layouts_planes_and_threads_change_nothing(rng, n_threads, function):
    for dtype in DTYPES:
        image = random_image(rng, (3, 33, 147), dtype)
        expected = medfast.window(image.copy(), 3.0, 150.0, function=function)
        for name, view in layouts(image).items():
            np.testing.assert_array_equal(medfast.window(view, 3.0, 150.0, function=function), expected, err_msg=name)
        out = np.zeros((3, 33, 294), np.uint8)[..., ::2]
        assert medfast.window(image, 3.0, 150.0, function=function, out=out) is out
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_agree_to_the_last_bit(rng, level, shape):
    """The sigmoid's floats too, which no library gives twice."""
    image = rng.normal(40.0, 300.0, shape)
    for dtype in DTYPES:
        found = medfast.window(image, 40.0, 350.0, function="sigmoid", dtype=dtype)
        _kernels._activate(_kernels.LEVEL)
        expected = medfast.window(image, 40.0, 350.0, function="sigmoid", dtype=dtype)
        _kernels._activate(level)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_may_be_the_image(rng, dtype):
    image = random_image(rng, (21, 177), dtype)
    expected = medfast.window(image, 5.0, 300.0, dtype=dtype)
    assert medfast.window(image, 5.0, 300.0, dtype=dtype, out=image) is image
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_takes_no_memory_that_grows_with_the_image(rng, dtype):
    image = ct(rng, (300, 400), dtype)
    out = np.empty(image.shape, np.uint8)
    for function in FUNCTIONS:
        medfast.window(image, 40, 400, function=function, out=out)  # a twin is compiled
        tracemalloc.start()
        medfast.window(image, 40, 400, function=function, out=out)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16_000


def test_an_empty_image_stays_empty():
    assert medfast.window(np.empty((0, 5), np.int16), 40, 400).shape == (0, 5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"width": 0.99}, ValueError, "width must be >= 1, got 0.99"),
        ({"width": 0, "function": "linear_exact"}, ValueError, "width must be > 0, got 0"),
        ({"width": -4, "function": "sigmoid"}, ValueError, "width must be > 0, got -4"),
        ({"width": np.inf}, ValueError, "width must be finite"),
        ({"center": np.nan}, ValueError, "center must be finite"),
        ({"center": "40"}, TypeError, "center must be a number"),
        ({"slope": np.inf}, ValueError, "slope must be finite"),
        ({"intercept": True}, TypeError, "intercept must be a number"),
        ({"function": "LINEAR"}, ValueError, "function must be one of 'linear'"),
        ({"dtype": np.int32}, TypeError, "dtype must be uint8, .* got <class 'numpy.int32'>"),
        ({"dtype": None}, TypeError, "dtype must be"),
        ({"dtype": "nonsense"}, TypeError, "dtype must be"),
        ({"out": np.empty((4, 5), np.uint16)}, TypeError, "out must have dtype uint8"),
        ({"out": np.empty((5, 4), np.uint8)}, ValueError, "out must have shape"),
        ({"image": np.full((4, 5), np.nan)}, ValueError, "image must be finite"),
        ({"image": np.zeros((4, 5), np.int32)}, TypeError, "image must have dtype"),
        ({"num_threads": 0}, ValueError, "num_threads must be >= 1"),
    ],
)
def test_refuses(changes, error, message):
    arguments = {"image": np.zeros((4, 5), np.int16), "center": 40, "width": 400, **changes}
    with pytest.raises(error, match=message):
        medfast.window(**arguments)


def test_refuses_an_overlap():
    data = np.zeros((5, 5), np.uint8)
    with pytest.raises(ValueError, match="out must not overlap"):
        medfast.window(data[:4], 40, 400, out=data[1:])
