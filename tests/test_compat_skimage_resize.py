"""`skimage.transform.resize` in one pass of weighted sums, against scikit-image."""

import numpy as np
import pytest

from medfast.compat._calls import FallBack
from medfast.compat.skimage.transform import resize

theirs = pytest.importorskip("skimage.transform")

SIZES = [
    ((37, 51), (20, 23)),
    ((37, 51), (60, 80)),
    ((37, 51), (20, 80)),
    ((5, 7), (1, 1)),
    ((1, 9), (3, 4)),
    ((40, 41, 3), (21, 17)),
    ((40, 41, 3), (21, 17, 3)),
    ((12, 20, 22), (5, 10, 30)),
    ((12, 20, 22, 2), (7, 10, 30, 2)),
    ((200, 180), (7, 9)),
    ((24, 24), (24, 24)),
    ((2, 2), (1, 2)),
]
MODES = ("reflect", "edge", "symmetric", "wrap", "constant")
DTYPES = ("bool", "uint8", "uint16", "int16", "float16", "float32", "float64")


def picture(rng, shape, dtype):
    values = rng.random(shape)
    if dtype == "bool":
        return values > 0.5
    if dtype.startswith("float"):
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return (limits.min + values * (float(limits.max) - limits.min)).astype(dtype)


def assert_same(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    scale = max(1.0, np.abs(expected.astype(float)).max())
    np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize(
    ("shape", "size", "dtype"),
    [
        *((*sizes, dtype) for sizes in SIZES for dtype in ("uint8", "float32")),
        *((*sizes, dtype) for sizes in SIZES[2:8:5] for dtype in DTYPES),
    ],
    ids=str,
)
def test_orders_and_modes(rng, shape, size, dtype):
    image = picture(rng, shape, dtype)
    for mode in MODES:
        for keywords in (
            {},
            {"anti_aliasing": False},
            {"order": 0},
            {"preserve_range": True, "clip": False},
            {"cval": 2.5, "anti_aliasing": False},
            {"cval": -1.5, "clip": False},
        ):
            assert_same(resize(image, size, mode=mode, **keywords), theirs.resize(image, size, mode=mode, **keywords))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(("shape", "size"), [((65, 49), (31, 20)), ((9, 30, 31), (4, 31, 40))], ids=str)
def test_levels_and_threads(level, n_threads, rng, shape, size, dtype):
    image = picture(rng, shape, dtype)
    assert_same(resize(image, size), theirs.resize(image, size))
    assert_same(resize(image[:, ::-1], size), theirs.resize(image[:, ::-1], size))


def test_strengths_of_the_gaussian(rng):
    image = picture(rng, (40, 50), "float64")
    for sigma in (0.0, 1.3, (0.5, 3.0), 20.0):
        found = resize(image, (20, 20), anti_aliasing_sigma=sigma)
        assert_same(found, theirs.resize(image, (20, 20), anti_aliasing_sigma=sigma))
    read_only = image.copy()
    read_only.flags.writeable = False
    assert_same(resize(read_only, [20.0, 25]), theirs.resize(image, (20, 25)))


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({"order": 3}, "order is 3"),
        ({"mode": "mirror"}, "mode 'mirror'"),
        ({"output_shape": ()}, "output_shape"),
        ({"output_shape": (3, 4, 5)}, "output_shape"),
        ({"output_shape": (3.5, 4)}, "output_shape"),
        ({"output_shape": (0, 4)}, "output_shape"),
        ({"image": np.ones((9, 9), np.int64)}, "dtype int64"),
        ({"image": np.ones((2, 3, 4, 5, 6)), "output_shape": (2, 2, 2, 2, 2)}, "shape"),
        ({"image": np.full((9, 9), np.nan)}, "not finite"),
        ({"anti_aliasing_sigma": -1.0}, "anti_aliasing_sigma"),
        ({"output_shape": (20, 20), "anti_aliasing": True, "anti_aliasing_sigma": 1.0}, "anti_aliasing_sigma"),
        ({"image": np.ones((9000, 2)), "output_shape": (1, 2)}, "shrinks"),
        ({"image": np.ones((9, 9), np.uint8), "order": 0, "anti_aliasing": True}, "order is 0"),
    ],
)
def test_what_is_left_to_scikit_image(keywords, reason):
    with pytest.raises(FallBack, match=reason):
        resize(**{"image": np.ones((9, 9)), "output_shape": (4, 5), **keywords})
