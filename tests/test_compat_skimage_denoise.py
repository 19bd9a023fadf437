"""scikit-image's non-local means: the definition, scikit-image itself, and the same bits wherever they are computed."""

import functools
import logging

import hypothesis
import hypothesis.strategies as st
import numpy as np
import oracles_nlm_skimage as oracles
import pytest

from images import smooth_image
from medfast import _kernels
from medfast._drivers import nlm, nlm_skimage
from medfast.compat import skimage as ours
from medfast.compat._calls import FallBack
from medfast.compat.skimage.restoration import denoise_nl_means

SHAPES = {"image": (13, 35), "line": (2, 33), "volume": (4, 7, 18)}
CALLS = {
    "fast": {"patch_size": 7, "h": 0.08},
    "fast, noise": {"patch_size": 5, "h": 0.05, "sigma": 0.05},
    "fast, even": {"patch_size": 2, "h": 0.1},
    "fast, wide": {"patch_size": 9, "h": 0.06},
    "slow": {"patch_size": 5, "h": 0.08, "fast_mode": False},
    "slow, noise": {"patch_size": 3, "h": 0.05, "sigma": 0.05, "fast_mode": False},
    "slow, even": {"patch_size": 6, "h": 0.06, "fast_mode": False},
}


def picture(rng, shape, dtype=np.float64):
    """Stripes with noise, from 0 to 1."""
    place = np.indices(shape).sum(axis=0)
    return np.clip(0.5 + 0.3 * np.sin(place / 3) + rng.normal(0, 0.07, shape), 0, 1).astype(dtype)


def by_oracle(image, patch_size, patch_distance, h, sigma=0.0, fast_mode=True):
    return oracles.skimage_nl_means(image[np.newaxis], patch_size, patch_distance, h, sigma, fast_mode)[0]


@functools.cache
def case(call, kind, dtype="float64"):
    """An image, the arguments of a call, and the result by definition."""
    keywords = {**CALLS[call], "patch_distance": 2 if kind == "volume" else 4}
    image = picture(np.random.default_rng(7), SHAPES[kind], dtype)
    return image, keywords, by_oracle(image, **keywords)


@pytest.mark.parametrize("precision", ["floats", "doubles"])
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("call", CALLS)
def test_definition(level, monkeypatch, call, kind, precision):
    image, keywords, expected = case(call, kind)
    if precision == "doubles":
        monkeypatch.setattr(nlm_skimage, "MOST_DOUBT", 0.0)
    found = denoise_nl_means(image, **keywords)
    # In doubles, places may be cut off on either side of a whole one: a millionth of a weight.
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-7 if precision == "floats" else 2e-8)
    if precision == "floats":
        image, keywords, expected = case(call, kind, "float32")
        np.testing.assert_allclose(denoise_nl_means(image, **keywords), expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_channels(level, rng, fast):
    for n_channels in (2, 3, 5):
        image = np.stack([picture(rng, (14, 23)) * (1 - 0.1 * k) for k in range(n_channels)])
        for patch_size in (3, 5):
            expected = oracles.skimage_nl_means(image, patch_size, 3, 0.07, 0.03, fast)
            for axis in (0, 1, -1):
                moved = np.moveaxis(image, 0, axis)
                found = denoise_nl_means(moved, patch_size, 3, 0.07, fast, 0.03, channel_axis=axis)
                np.testing.assert_allclose(np.moveaxis(found, axis, 0), expected, rtol=0, atol=2e-7)
    if fast:
        volume = np.stack([picture(rng, (4, 7, 12)), picture(rng, (4, 7, 12))])
        found = denoise_nl_means(volume, 3, 2, 0.07, channel_axis=0)
        np.testing.assert_allclose(found, oracles.skimage_nl_means(volume, 3, 2, 0.07), rtol=0, atol=2e-7)


@pytest.mark.parametrize("above", [False, True], ids=["within", "beyond"])
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
@pytest.mark.parametrize("kind", ["image", "channels", "volume"])
def test_distances_at_the_limit(level, rng, kind, fast, above):
    """Pixels are 0 or 1, so that many distances are the same; `h` is such that some are at 5 but for a billionth, of
    which floats know nothing.
    """
    if kind == "channels" and not fast:
        kind = "image"
    shape = {"image": (1, 12, 25), "channels": (3, 12, 20), "volume": (1, 4, 6, 20)}[kind]
    image = rng.integers(0, 2, shape).astype(np.float64)
    n_axes = len(shape) - 1
    if fast:
        full = shape[0] * 3**n_axes  # of squares that differ, `n` are at the limit
        n = 3 if kind == "image" else shape[0] * 2**n_axes // 2
        h = np.sqrt(n / (5 * full))
    else:  # both rows (planes) before the last, if all of their pixels differ
        g = np.exp(-np.array([4, 0, 4]) / 2)
        h = np.sqrt((g[0] + g[1]) / g.sum() / 5)
        image[:] = image[:, :, :1] if kind == "image" else image[:, :, :1, :1]
    h *= 1 - 1e-10 if above else 1 + 1e-10
    expected = oracles.skimage_nl_means(image, 3, 2, h, 0.0, fast)
    for dtype in (np.float64, np.float32, np.uint8):
        array = image.astype(dtype)
        found = denoise_nl_means(
            array if kind == "channels" else array[0], 3, 2, h, fast, preserve_range=True,
            channel_axis=0 if kind == "channels" else None,
        )  # fmt: skip
        np.testing.assert_allclose(found.reshape(shape), expected, rtol=0, atol=2e-7)
    other = oracles.skimage_nl_means(image, 3, 2, h * (1 + 4e-10 if above else 1 - 4e-10), 0.0, fast)
    assert abs(other - expected).max() > 1e-6  # so the limit is met


def test_no_weight_is_on_the_wrong_side_of_the_limit(rng, monkeypatch):
    """Noise of which many distances are about 5: without a doubt, some pixels are off by up to 1e-3."""
    theirs = pytest.importorskip("skimage.restoration").denoise_nl_means
    image = rng.normal(0.5, 0.05, (384, 512))
    expected = theirs(image, 7, 10, 0.027)
    np.testing.assert_allclose(denoise_nl_means(image, 7, 10, 0.027), expected, rtol=0, atol=1e-7)
    monkeypatch.setattr(nlm_skimage, "doubt_of", lambda *_: 1e-12)
    assert abs(denoise_nl_means(image, 7, 10, 0.027) - expected).max() > 1e-5


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("call", CALLS)
def test_levels_give_the_same_bits(monkeypatch, call, kind):
    """With as many distances in doubt as there are near 5, too."""
    image, keywords, expected = case(call, kind)
    for doubt in (None, 0.5, 0.0):
        if doubt is not None:
            monkeypatch.setattr(nlm_skimage, "doubt_of", lambda *_, doubt=doubt: doubt)
            monkeypatch.setattr(nlm_skimage, "MOST_DOUBT", 1.0)
        for array in (image, (250 * image).astype(np.uint8)):
            found = []
            for name in _kernels.supported_levels():
                try:
                    _kernels._activate(name)
                    found.append(denoise_nl_means(array, **keywords))
                finally:
                    _kernels._activate(_kernels.LEVEL)
            assert all((each == found[0]).all() for each in found)
            if array is image:
                np.testing.assert_allclose(found[0], expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize("call", ["fast, noise", "fast, wide", "slow, noise"])
def test_neither_threads_nor_tiles_change_a_bit(n_threads, rng, monkeypatch, call):
    image, volume = picture(rng, (75, 141)), picture(rng, (9, 21, 40))
    keywords = {**CALLS[call], "patch_distance": 3}
    expected = [denoise_nl_means(each, **keywords) for each in (image, volume)]
    monkeypatch.setattr(nlm_skimage, "doubt_of", lambda *_: 0.1)
    monkeypatch.setattr(nlm_skimage, "MOST_DOUBT", 1.0)
    for planes, rows, box_bytes, cols in ((1, 16, 2**15, 32), (2, 8, 2**14, 48), (32, 64, 2**24, 38)):
        monkeypatch.setattr(nlm, "TILE_PLANES", planes)
        monkeypatch.setattr(nlm, "TILE_ROWS", rows)
        monkeypatch.setattr(nlm, "BOX_BYTES", box_bytes)
        monkeypatch.setattr(nlm, "BOX_COLS", cols)
        for array, before in zip((image, volume), expected, strict=True):
            found = denoise_nl_means(array, **keywords)
            if planes == 1:  # what is computed twice is a bit better; and the same in all tiles
                np.testing.assert_allclose(found, before, rtol=0, atol=1e-7)
                expected = [denoise_nl_means(each, **keywords) for each in (image, volume)]
            else:
                np.testing.assert_array_equal(found, expected[0 if array is image else 1])


DTYPES = ("bool", "uint8", "uint16", "int8", "int16", "int32", "uint64", "float16", "float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_scikit_image_of_every_dtype(level, rng, dtype):
    theirs = pytest.importorskip("skimage.restoration").denoise_nl_means
    image = picture(rng, (21, 34))
    if dtype == "bool":
        image = image > 0.5
    elif np.dtype(dtype).kind == "f":
        image = image.astype(dtype)
    else:
        limits = np.iinfo(dtype)
        image = (limits.min + image * 0.99 * (float(limits.max) - limits.min)).astype(dtype)
    for preserve_range in (False, True):
        spread = 1.0 if not preserve_range or np.dtype(dtype).kind not in "ui" else float(np.iinfo(dtype).max)
        for fast in (True, False):
            h, sigma = 0.08 * spread, 0.02 * spread
            found = denoise_nl_means(image, 5, 4, h, fast, sigma, preserve_range=preserve_range)
            expected = theirs(image, 5, 4, h, fast, sigma, preserve_range=preserve_range)
            assert found.dtype == expected.dtype
            # Of float32 its own slow sums are of float32: it is compared with what it gives for float64.
            exact = theirs(image.astype(np.float64), 5, 4, h, fast, sigma) if image.dtype.kind == "f" else expected
            np.testing.assert_allclose(found, exact, rtol=0, atol=4e-7 * spread)
            np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-6 if fast else 1e-4) * spread)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3), (3, 40), (1, 5, 6), (4, 1, 6), (4, 3, 5)], ids=str)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_small_images(rng, shape, fast):
    """Smaller than the windows, so that the border mirrors itself again and again; and axes of length 1 go."""
    theirs = pytest.importorskip("skimage.restoration").denoise_nl_means
    image = rng.random(shape)
    for patch_size, distance in ((3, 1), (5, 4), (7, 0), (0, 2), (1, 3)):
        if not fast and patch_size < 2:
            continue
        found = denoise_nl_means(image, patch_size, distance, 0.4, fast)
        expected = theirs(image, patch_size, distance, 0.4, fast)
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=0, atol=4e-7)


@hypothesis.settings(max_examples=25)
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.lists(st.integers(2, 12), min_size=2, max_size=3).map(tuple),
    step=st.sampled_from([1, 2, -1]),
    patch_size=st.integers(2, 6),
    distance=st.integers(0, 3),
    h=st.floats(0.02, 3.0),
    sigma=st.sampled_from([0.0, 0.01, 0.1]),
    fast=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_any_call(seed, shape, step, patch_size, distance, h, sigma, fast, dtype):
    whole = np.random.default_rng(seed).random([n * 2 for n in shape]).astype(dtype)
    image = whole[tuple(slice(None, None, step) for _ in shape)]
    image.flags.writeable = False
    before = image.copy()
    found = denoise_nl_means(image, patch_size, distance, h, fast, sigma)
    np.testing.assert_array_equal(image, before)
    expected = by_oracle(image, patch_size, distance, h, sigma, fast)
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-7)


def test_values_far_from_zero_and_far_apart(level, rng):
    """An offset costs nothing, of float64; a range of a million `h` is done in doubles."""
    image = picture(rng, (20, 33))
    expected = by_oracle(image, 5, 3, 0.08)
    np.testing.assert_allclose(denoise_nl_means(image + 1e6, 5, 3, 0.08) - 1e6, expected, rtol=0, atol=4e-7)
    far = image.copy()
    far[4, 5], far[11, 20] = 1e7, -3e9
    expected = by_oracle(far, 5, 3, 0.08)
    np.testing.assert_allclose(denoise_nl_means(far, 5, 3, 0.08), expected, rtol=0, atol=1e-3)
    inner = np.s_[14:, :14]
    np.testing.assert_allclose(denoise_nl_means(far, 5, 3, 0.08)[inner], expected[inner], rtol=0, atol=1e-6)
    for scale in (1e-30, 1e30, 1e140):
        found = denoise_nl_means(image * scale, 5, 3, 0.08 * scale) / scale
        np.testing.assert_allclose(found, by_oracle(image, 5, 3, 0.08), rtol=0, atol=4e-7)


def test_constants_stay(level):
    for value in (0.3, 1e6 + 0.1, 0.0):
        for dtype in (np.float32, np.float64):
            image = np.full((9, 11), value, dtype)
            for fast in (True, False):
                np.testing.assert_array_equal(denoise_nl_means(image, 3, 2, 0.1, fast), image)


def test_last_rows_of_a_patch_may_differ_by_anything(level):
    """Slow: where scikit-image's exponential leaves its numbers, weights are 0."""
    image = np.full((9, 9), 0.5)
    image[6:] = 1000.0
    found = denoise_nl_means(image, 3, 3, 0.05, fast_mode=False)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, image, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "keywords", "reason"),
    [
        ((np.ones((3, 4, 5, 6)),), {}, r"image has shape \(3, 4, 5, 6\)"),
        ((np.ones(9),), {}, r"image has shape \(9,\)"),
        ((np.ones((3, 4, 5, 2)),), {"channel_axis": -1, "fast_mode": False}, "of which fast_mode alone does channels"),
        ((np.ones((9, 1, 3)),), {"channel_axis": -1}, r"image has shape \(9, 1, 3\)"),
        ((np.ones((9, 9, 3)),), {"channel_axis": 3}, "channel_axis is 3"),
        ((np.ones((9, 9), np.complex64),), {}, "dtype complex64"),
        ((np.ones((9, 9)).tolist(),), {}, "image is a list"),
        ((np.ones((0, 9)),), {}, "image is a ndarray of dtype float64"),
        ((np.array([[1.0, np.nan]] * 3),), {}, "image is not finite"),
        ((np.array([[1.0, -np.inf]] * 3),), {}, "image is not finite"),
        ((np.ones((9, 9)), 1), {"fast_mode": False}, "patch_size is 1"),
        ((np.ones((9, 9)), -3), {}, "patch_size is -3"),
        ((np.ones((9, 9)), 3, -1), {}, "patch_distance -1"),
        ((np.ones((9, 9)), 3, 10**6), {}, "patch_distance 1000000"),
        ((np.ones((9, 9)), 3, 2, 0.0), {}, "h is 0.0"),
        ((np.ones((9, 9)), 3, 2, np.nan), {}, "h is nan"),
        ((np.ones((9, 9)), 3, 2, 0.1, True, np.inf), {}, "sigma inf"),
    ],
)
def test_what_is_left_to_scikit_image(arguments, keywords, reason):
    with pytest.raises(FallBack, match=reason):
        denoise_nl_means(*arguments, **keywords)


def test_the_log_tells_who_answered(rng, caplog):
    pytest.importorskip("skimage")
    caplog.set_level(logging.DEBUG, "medfast.patching")
    ours.denoise_nl_means(smooth_image(rng, (20, 20), "uint8"), 3, 3)
    ours.denoise_nl_means(rng.random((4, 4, 4, 4)), 3, 1)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG, logging.INFO]
    assert "fell back to scikit-image: image has shape (4, 4, 4, 4)" in caplog.text
