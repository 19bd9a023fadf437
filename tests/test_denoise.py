"""Non-local means of images at every level, against the oracles."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from conftest import LEVELS

import medfast
import oracles
from denoising import INTEGERS, assert_same, expected, strength
from images import DTYPES, layouts, random_image, smooth_image
from medfast import _kernels
from medfast._drivers import nlm


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (33, 32), (17, 131)], ids=str)
@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_oracle(level, rng, shape, norm, dtype):
    image = smooth_image(rng, shape, dtype)
    h = strength(dtype)
    result = medfast.denoise_nl_means(image, h, patch_size=5, search_size=7, norm=norm)
    assert result.dtype == image.dtype
    assert_same(result, expected(image, h, 5, 7, norm))


@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (3, 1), (3, 21), (7, 21), (9, 3), (11, 35)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_window_sizes(level, rng, sizes, dtype):
    image = smooth_image(rng, (13, 70), dtype)
    h = strength(dtype)
    result = medfast.denoise_nl_means(image, h, patch_size=sizes[0], search_size=sizes[1])
    assert_same(result, expected(image, h, *sizes))


# 13.9 is the last h whose 7 x 7 distances fit saturating 16-bit sums; with 35 x 35 and more weights are small integers.
@pytest.mark.parametrize("h", [0.01, 1.0, 3.3, 9.8, 10.0, 13.8, 13.9, 14.0, 14.1, 30.0, 200.0, 1e18])
def test_uint8_at_any_strength(level, n_threads, rng, h):
    image = smooth_image(rng, (34, 75), "uint8", noise=15.0)
    np.testing.assert_array_equal(medfast.denoise_nl_means(image, h), expected(image, h))


def test_uint8_extremes(level):
    """Distances of all sizes, black against white: sums that saturate or overflow would show."""
    image = np.zeros((40, 67), np.uint8)
    image[10:30, 20:44] = 255
    image[5:7] = 128
    image[:, 60:] = np.arange(7) * 36
    for h in (5.0, 13.0, 100.0, 2000.0):
        np.testing.assert_array_equal(medfast.denoise_nl_means(image, h), expected(image, h))


@pytest.mark.parametrize("sizes", [(7, 17), (3, 25), (5, 51), (9, 17), (1, 19), (33, 17)], ids=str)
def test_uint8_in_sixteen_bits(level, rng, sizes):
    """Odd and even search radii, groups of shifts, patches with and without loops of their own; two ranges of columns.

    Search windows of 17 and more: weights of smaller ones take more than 15 bits, and sums 32.
    """
    image = smooth_image(rng, (7, 530), "uint8", noise=5.0)
    for h in (1.5, 6.0):
        result = medfast.denoise_nl_means(image, h, patch_size=sizes[0], search_size=sizes[1])
        assert_same(result, expected(image, h, *sizes))


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_uint8_channels_in_sixteen_bits(level, rng, n_channels, norm):
    image = smooth_image(rng, (9, 40, n_channels), "uint8", noise=5.0)
    result = medfast.denoise_nl_means(image, 5.0, patch_size=5, search_size=17, norm=norm, channel_axis=-1)
    assert_same(result, expected(image, 5.0, 5, 17, norm, channel_axis=-1))


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_full_range(level, rng, dtype):
    image = random_image(rng, (12, 30), dtype)
    for h in (3.0, 20000.0, 1e9):
        result = medfast.denoise_nl_means(image, h, patch_size=3, search_size=5)
        assert_same(result, expected(image, h, 3, 5), image)


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e40, 1e300])
def test_float64_of_any_scale(level, rng, scale):
    image = smooth_image(rng, (12, 30), "float64")
    result = medfast.denoise_nl_means(image * scale, 10.0 * scale, patch_size=3, search_size=5)
    np.testing.assert_allclose(result / scale, expected(image, 10.0, 3, 5), rtol=1e-12)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_channels(level, rng, n_channels, dtype, norm):
    planes = np.stack([smooth_image(rng, (11, 36), dtype) for _ in range(n_channels)])
    for h in ([strength(dtype)], [strength(dtype) * (1 + 0.3 * channel) for channel in range(n_channels)]):
        exact = expected(planes, h, 3, 7, norm, channel_axis=0)
        for axis in (0, 1, -1):
            image = np.moveaxis(planes, 0, axis)
            result = medfast.denoise_nl_means(image, h, patch_size=3, search_size=7, norm=norm, channel_axis=axis)
            assert result.shape == image.shape
            assert_same(np.moveaxis(result, axis, 0), exact)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
def test_multi(level, n_threads, rng, dtype):
    frames = [smooth_image(rng, (19, 33), dtype) for _ in range(6)]
    for index, temporal_size in ((0, 1), (1, 3), (3, 5)):
        radius = temporal_size // 2
        used = np.stack(frames[index - radius : index + radius + 1])[:, None]
        oracle = oracles.nl_means_integer if dtype == "uint8" else oracles.nl_means
        for mask in (np.ones((19, 33), bool), rng.random((19, 33)) < 0.4):
            exact = oracle(used, strength(dtype), (1, 3, 5), (temporal_size, 9, 7), mask=mask[None])[0, 0]
            result = medfast.denoise_nl_means_multi(
                frames, index, temporal_size, strength(dtype), patch_size=(3, 5), search_size=(9, 7), mask=mask
            )
            assert_same(result, np.rint(exact) if dtype == "int16" else exact)
    np.testing.assert_array_equal(
        medfast.denoise_nl_means_multi(np.stack(frames), 2, 1, strength(dtype)),
        medfast.denoise_nl_means(frames[2], strength(dtype)),
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_rician(level, rng, dtype):
    image = smooth_image(rng, (18, 33), dtype, noise=4.0)
    h, sigma = strength(dtype), strength(dtype) * 11
    exact = oracles.nl_means(image[None, None], h, 3, 7, rician_sigma=sigma)[0, 0]
    assert 0 < (exact == 0).sum() < exact.size  # both sides of the clip
    result = medfast.denoise_nl_means(image, h, sigma=sigma, patch_size=3, search_size=7, noise="rician")
    # the root near zero magnifies the error of the mean square
    inside = exact > 1.0
    assert_same(result[inside], np.rint(exact[inside]) if dtype in INTEGERS else exact[inside])
    np.testing.assert_allclose(result[~inside].astype(float), exact[~inside], atol=0.5 if dtype in INTEGERS else 1e-4)


def test_rician_removes_the_bias(rng):
    image = np.hypot(20.0 + rng.normal(0, 10, (64, 64)), rng.normal(0, 10, (64, 64)))
    assert image.mean() > 22
    result = medfast.denoise_nl_means(image, 20.0, sigma=10.0, noise="rician")
    assert abs(result.mean() - 20) < 0.5


def test_h_defaults_to_the_noise_level(rng):
    image = smooth_image(rng, (48, 64), "float64")
    sigma = medfast.estimate_sigma(image)
    np.testing.assert_array_equal(medfast.denoise_nl_means(image), medfast.denoise_nl_means(image, sigma))
    np.testing.assert_array_equal(medfast.denoise_nl_means(image, sigma=7.0), medfast.denoise_nl_means(image, 7.0))
    constant = np.full((9, 9), 7, np.uint8)
    np.testing.assert_array_equal(medfast.denoise_nl_means(constant), constant)
    np.testing.assert_array_equal(medfast.denoise_nl_means(image, sigma=0.0), image)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_any_layout(level, rng, dtype):
    image = smooth_image(rng, (19, 33), dtype)
    h = strength(dtype)
    reference = medfast.denoise_nl_means(image, h, patch_size=3, search_size=5)
    untouched = image.copy()
    for name, view in layouts(image).items():
        result = medfast.denoise_nl_means(view, h, patch_size=3, search_size=5)
        np.testing.assert_array_equal(result, reference, err_msg=name)
        assert result.dtype.isnative
    out = np.zeros((38, 66), dtype)[::2, ::-2]
    assert medfast.denoise_nl_means(image, h, patch_size=3, search_size=5, out=out) is out
    np.testing.assert_array_equal(out, reference)
    np.testing.assert_array_equal(image, untouched)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_thread_count_and_level(n_threads, rng, dtype, monkeypatch):
    image = smooth_image(rng, (75, 40), dtype)
    h = strength(dtype)
    result = medfast.denoise_nl_means(image, h, search_size=5)
    for tile_rows in (1, 7, 64):
        monkeypatch.setattr(nlm, "TILE_ROWS", tile_rows)
        np.testing.assert_array_equal(medfast.denoise_nl_means(image, h, search_size=5), result)


def test_levels_agree_bit_for_bit(rng):
    for dtype in ("float32", "float64"):
        image = smooth_image(rng, (20, 37), dtype)
        results = []
        for name in LEVELS:
            _kernels._activate(name)
            results.append(medfast.denoise_nl_means(image, 9.3, patch_size=5, search_size=9))
        _kernels._activate(_kernels.LEVEL)
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=25)
def test_any_image(data):
    shape = (data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40)))
    dtype = data.draw(st.sampled_from(DTYPES))
    image = random_image(np.random.default_rng(data.draw(st.integers(0, 99))), shape, dtype)
    if data.draw(st.booleans()):
        image = (image // 8) if dtype in INTEGERS else image
    h = data.draw(st.floats(0.5, 300.0))
    patch_size, search_size = data.draw(st.sampled_from([(3, 5), (7, 17), (5, 19), (1, 3)]))
    norm = data.draw(st.sampled_from(["l1", "l2"]))
    result = medfast.denoise_nl_means(image, h, patch_size=patch_size, search_size=search_size, norm=norm)
    assert_same(result, expected(image, h, patch_size, search_size, norm), image)
    slack = 0 if dtype in INTEGERS else 1e-6 * np.abs(image).max()
    assert result.min() >= image.min() - slack
    assert result.max() <= image.max() + slack


@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_stays_constant(level, dtype):
    image = np.full((7, 35), 117.3, dtype)
    for norm in ("l1", "l2"):
        np.testing.assert_array_equal(medfast.denoise_nl_means(image, 3.0, norm=norm), image)
