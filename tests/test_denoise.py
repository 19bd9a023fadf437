"""Non-local means and the noise level, at every level, against the oracles, OpenCV and scikit-image."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from conftest import LEVELS

import medfast
import oracles
from images import DTYPES, layouts, random_image, smooth_image
from medfast import _kernels
from medfast._drivers import nlm, noise_level

INTEGERS = ("uint8", "uint16", "int16")


def strength(dtype):
    """An `h` at which the weights of `smooth_image` are spread: it is 16 times as strong in 16 bits."""
    return 160.0 if dtype in ("uint16", "int16") else 10.0


def expected(image, h, patch_size=7, search_size=21, norm="l2"):
    """What the oracle says for one gray image, rounded as its dtype asks for."""
    order = 1 if norm == "l1" else 2
    frames = image[None, None]
    if image.dtype == np.uint8 or (order == 1 and image.dtype.kind in "iu"):
        return oracles.nl_means_integer(frames, h, patch_size, search_size, order)[0]
    exact = oracles.nl_means(frames, h, patch_size, search_size, order)[0]
    return np.rint(exact).astype(image.dtype) if image.dtype.kind in "iu" else exact


def assert_same(result, exact):
    """Integers equal. Floats within the error of some 450 weights and sums in float64; float32 is rounded once more."""
    if result.dtype.kind in "iu":
        np.testing.assert_array_equal(result, exact)
    else:
        rtol = 1e-12 if result.dtype == np.float64 else 2**-23
        np.testing.assert_allclose(result, exact, rtol=rtol, atol=1e-12 * np.abs(exact).max())


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


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_full_range(level, rng, dtype):
    image = random_image(rng, (12, 30), dtype)
    for h in (3.0, 20000.0, 1e9):
        result = medfast.denoise_nl_means(image, h, patch_size=3, search_size=5)
        assert_same(result, expected(image, h, 3, 5))


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
    order = 1 if norm == "l1" else 2
    for h in ([strength(dtype)], [strength(dtype) * (1 + 0.3 * channel) for channel in range(n_channels)]):
        if dtype == "uint8" or (norm == "l1" and dtype != "float32"):
            exact = oracles.nl_means_integer(planes[None], h, 3, 7, order)
        else:
            exact = oracles.nl_means(planes[None], h, 3, 7, order)
            exact = np.rint(exact) if dtype == "uint16" else exact
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
        exact = oracle(used, strength(dtype), 3, 9)[0]
        result = medfast.denoise_nl_means_multi(
            frames, index, temporal_size, strength(dtype), patch_size=3, search_size=9
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
    exact = oracles.nl_means(image[None, None], h, 3, 7, rician_sigma=sigma)[0]
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


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)], ids=str)
def test_empty(shape):
    assert medfast.denoise_nl_means(np.zeros(shape, np.uint8)).shape == shape
    assert medfast.estimate_sigma(np.zeros(shape, np.uint8)) == 0.0


def test_progress(rng):
    calls = []
    image = smooth_image(rng, (100, 20))
    medfast.denoise_nl_means(image, 5.0, progress=lambda *counts: calls.append(counts), num_threads=1)
    assert calls[-1] == (100, 100)
    assert calls == sorted(calls)
    assert len(calls) > 1


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
    assert_same(result, expected(image, h, patch_size, search_size, norm))
    slack = 0 if dtype in INTEGERS else 1e-6 * np.abs(image).max()
    assert result.min() >= image.min() - slack
    assert result.max() <= image.max() + slack


@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_stays_constant(level, dtype):
    image = np.full((7, 35), 117.3, dtype)
    for norm in ("l1", "l2"):
        np.testing.assert_array_equal(medfast.denoise_nl_means(image, 3.0, norm=norm), image)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "image must have dtype", {"image": np.zeros((3, 3), np.int64)}),
        (ValueError, "image must be 2-D, or 3-D with channel_axis", {"image": np.zeros((3, 3, 3), np.uint8)}),
        (ValueError, "image must be finite", {"image": np.array([[1.0, np.nan]])}),
        (ValueError, "image must be finite", {"image": np.array([[1.0, -np.inf]], np.float32)}),
        (ValueError, "h must be > 0", {"h": 0}),
        (ValueError, "h must be > 0", {"h": -3.0}),
        (ValueError, "h must be finite", {"h": np.nan}),
        (TypeError, "h must be a number", {"h": "10"}),
        (ValueError, "h must have one entry or one per channel", {"h": [1.0, 2.0]}),
        (ValueError, "patch_size must be odd", {"patch_size": 4}),
        (ValueError, "patch_size must be <= 181", {"patch_size": 183}),
        (ValueError, "search_size must be >= 1", {"search_size": -3}),
        (ValueError, "search_size must be <= 2901", {"search_size": 3001}),
        (TypeError, "search_size must be an integer", {"search_size": 21.0}),
        (ValueError, "sigma must be >= 0", {"sigma": -1.0}),
        (ValueError, "norm must be one of", {"norm": "l3"}),
        (ValueError, "noise must be one of", {"noise": "poisson"}),
        (ValueError, "channel_axis must be an axis", {"channel_axis": 2}),
        (ValueError, "image must be 3-D with channel_axis", {"channel_axis": 0}),
        (TypeError, "progress must be a callable", {"progress": 3}),
        (ValueError, "num_threads must be >= 1", {"num_threads": 0}),
        (TypeError, "out must have dtype uint8", {"out": np.zeros((8, 9))}),
    ],
)
def test_bad_arguments(error, message, arguments):
    arguments = {"image": np.zeros((8, 9), np.uint8), "h": 3.0, **arguments}
    with pytest.raises(error, match=message):
        medfast.denoise_nl_means(**arguments)


def test_out_must_not_overlap(rng):
    image = smooth_image(rng, (9, 9))
    with pytest.raises(ValueError, match="out must not overlap"):
        medfast.denoise_nl_means(image, 3.0, out=image)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "frames must be a sequence", {"frames": 3}),
        (ValueError, "index must have 1 frames before and after", {"index": 0}),
        (ValueError, "index must have 2 frames before and after", {"temporal_size": 5}),
        (ValueError, "temporal_size must be odd", {"temporal_size": 2}),
        (ValueError, "frames must agree", {"frames": [np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 5))]}),
        (ValueError, "frames must agree", {"frames": [np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 4), np.uint8)]}),
    ],
)
def test_multi_bad_arguments(error, message, arguments):
    arguments = {"frames": np.zeros((3, 8, 9), np.uint8), "index": 1, "h": 3.0, **arguments}
    with pytest.raises(error, match=message):
        medfast.denoise_nl_means_multi(**arguments)


def test_border_is_mirrored():
    for n in (1, 2, 3, 7):
        for border in (0, 1, 5, 20):
            expected_index = np.pad(np.arange(n), border, mode="reflect")
            np.testing.assert_array_equal(nlm.mirrored(n, border), expected_index)


# --- the noise level ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(64, 64), (31, 50), (7, 9), (12, 13, 14)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sigma_equals_skimage(rng, shape, dtype):
    pytest.importorskip("pywt")
    from skimage.restoration import estimate_sigma

    for image in (random_image(rng, shape, dtype), smooth_image(rng, shape, dtype)):
        np.testing.assert_allclose(medfast.estimate_sigma(image), estimate_sigma(image), rtol=1e-6)


def test_sigma_with_flat_regions_equals_skimage(rng):
    pytest.importorskip("pywt")
    from skimage.restoration import estimate_sigma

    for value in (0, 7, 255):
        image = smooth_image(rng, (64, 66), "uint8")
        image[:50] = value
        np.testing.assert_allclose(medfast.estimate_sigma(image), estimate_sigma(image), rtol=1e-6)


def test_sigma_of_known_noise(rng):
    image = rng.normal(100.0, 5.0, (256, 256))
    assert abs(medfast.estimate_sigma(image) - 5.0) < 0.1
    mask = np.zeros(image.shape, bool)
    mask[100:] = True
    image[:100] += rng.normal(0.0, 50.0, (100, 256))
    assert abs(medfast.estimate_sigma(image, mask=mask) - 5.0) < 0.15
    assert medfast.estimate_sigma(image, mask=np.zeros(image.shape, bool)) == 0.0


def test_sigma_per_channel(rng):
    image = np.stack([rng.normal(0.0, sigma, (64, 64)) for sigma in (1.0, 4.0)], axis=-1)
    result = medfast.estimate_sigma(image, channel_axis=-1)
    assert result.shape == (2,)
    assert result[0] == medfast.estimate_sigma(image[..., 0])


@pytest.mark.parametrize("sigma", [3.0, 10.0, 20.0])
def test_rician_sigma_leaves_the_background_out(rng, sigma):
    signal = np.zeros((256, 256))
    signal[60:200, 50:210] = 160.0
    signal[90:150, 90:150] = 110.0
    image = np.hypot(signal + rng.normal(0, sigma, signal.shape), rng.normal(0, sigma, signal.shape))
    assert medfast.estimate_sigma(image) < 0.85 * sigma
    assert abs(medfast.estimate_sigma(image, noise="rician") - sigma) < 0.03 * sigma
    assert abs(medfast.estimate_sigma(image, noise="rician", mask=signal > 0) - sigma) < 0.03 * sigma


def test_rician_sigma_of_background_alone(rng):
    image = np.hypot(rng.normal(0, 5.0, (128, 128)), rng.normal(0, 5.0, (128, 128)))
    assert abs(medfast.estimate_sigma(image, noise="rician") - 5.0) < 0.5


def test_magnitude_deviation():
    """Against samples: the deviation of a Rician variable, found from the ratio of its mean to its deviation."""
    rng = np.random.default_rng(3)
    for theta in (0.0, 1.0, 2.0, 3.0, 8.0, 40.0):
        samples = np.hypot(theta + rng.normal(size=400_000), rng.normal(size=400_000))
        found = noise_level._magnitude_deviation(samples.mean() / samples.std())
        assert abs(found - samples.std()) < 0.02


def test_sigma_bad_arguments():
    with pytest.raises(ValueError, match="mask must have shape"):
        medfast.estimate_sigma(np.zeros((4, 4)), mask=np.ones((4, 5), bool))
    with pytest.raises(ValueError, match="noise must be one of"):
        medfast.estimate_sigma(np.zeros((4, 4)), noise="salt")
    with pytest.raises(ValueError, match="image must be finite"):
        medfast.estimate_sigma(np.full((4, 4), np.inf))
