"""Non-local means of values and strengths that overflow or vanish when squared."""

import numpy as np
import pytest

import medfast
from denoising import expected
from images import smooth_image

GIANTS = {
    "float32": (1e6, 1e19, 1e34, 3e38, np.finfo(np.float32).max),
    "float64": (1e6, 1e152, 1e200, 1e304, np.finfo(np.float64).max),
}


@pytest.mark.parametrize(("dtype", "fill"), [(dtype, fill) for dtype in GIANTS for fill in GIANTS[dtype]])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_fill_values_among_others(level, rng, dtype, fill, norm):
    """What stands for "no data" has no weight where patches do not hold it, and all where they are the same."""
    image = smooth_image(rng, (24, 40), dtype)
    image[:3] = -fill
    image[10:12, 20:30] = fill
    image[18, 5], image[18, 9] = fill, fill * (1 - 2**-20)
    with np.errstate(over="ignore"):
        exact = expected(image.astype(np.float64), 10.0, 3, 7, norm)
    filled = np.abs(image) > 1e5
    result = medfast.denoise_nl_means(image, 10.0, patch_size=3, search_size=7, norm=norm)
    error = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(result[~filled], exact[~filled], rtol=error)
    np.testing.assert_allclose(result[filled], image[filled], rtol=2e-6 if fill == 1e6 else 0)


@pytest.mark.parametrize("fill", [1e6, 1e34, float(np.finfo(np.float32).max), 1e140])
def test_fill_values_among_rician_noise(level, rng, fill):
    dtype = np.float32 if fill < 1e39 else np.float64
    image = smooth_image(rng, (20, 33), dtype)
    image[:3] = fill
    image[11, 20], image[12, 25] = fill, -fill
    exact = expected(image.astype(np.float64), 10.0, 3, 7, rician_sigma=8.0)
    result = medfast.denoise_nl_means(image, 10.0, patch_size=3, search_size=7, noise="rician", sigma=8.0)
    np.testing.assert_allclose(result, exact, rtol=4e-6 if dtype == np.float32 else 1e-11)


def test_weights_beyond_the_bound_are_none(level):
    """Next to a value that nothing resembles, a float32 of 1e36 would still count for 16 at a weight of exp(-80)."""
    for dtype, giant in (("float32", 1e36), ("float64", 1e300)):
        image = np.full((9, 40), 5.0, dtype)
        image[4, 20] = giant
        result = medfast.denoise_nl_means(image, 1.0, patch_size=1, search_size=9)
        np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("h", [1e-320, 1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_any_strength(level, rng, h, dtype):
    """Nothing but equal patches, or everything alike."""
    image = smooth_image(rng, (9, 17), dtype)
    result = medfast.denoise_nl_means(image, h, patch_size=1, search_size=3)
    if h < 1:
        np.testing.assert_array_equal(result, image)
    else:
        around = np.pad(image.astype(np.float64), 1, mode="reflect")
        mean = np.mean([around[y : y + 9, x : x + 17] for y in range(3) for x in range(3)], axis=0)
        np.testing.assert_allclose(result, mean, rtol=1e-6, atol=0.51 if result.dtype.kind in "iu" else 0)


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-15, 1e15, 1e30, 1e36])
def test_float32_of_any_scale(level, rng, scale):
    image = smooth_image(rng, (12, 30), "float64")
    scaled = (image * scale).astype(np.float32)
    for noise, sigma in (("gaussian", None), ("rician", 20.0)):
        exact = expected(scaled.astype(np.float64) / scale, 10.0, 3, 5, rician_sigma=sigma)
        level_of_noise = None if sigma is None else sigma * scale
        result = medfast.denoise_nl_means(
            scaled, 10.0 * scale, patch_size=3, search_size=5, noise=noise, sigma=level_of_noise
        )
        np.testing.assert_allclose(result.astype(np.float64) / scale, exact, rtol=1e-6 if scale > 1e-37 else 1e-4)


@pytest.mark.parametrize("exponent", [-1060, -1030, -1011, -700, 700, 1014])
def test_float64_of_any_scale(level, rng, exponent):
    image = np.rint(smooth_image(rng, (12, 30), "float64"))  # below 2**10
    for noise, sigma in (("gaussian", 0.0), ("rician", 20.0)):
        exact = expected(image, 10.0, 3, 5, rician_sigma=sigma or None)
        scaled, h, scaled_sigma = (np.ldexp(values, exponent) for values in (image, 10.0, sigma))
        result = medfast.denoise_nl_means(scaled, h, patch_size=3, search_size=5, noise=noise, sigma=scaled_sigma)
        error = max(1e-12, 2.0 ** (-1074 - exponent))  # the smallest number in units of the image
        np.testing.assert_allclose(np.ldexp(result, -exponent), exact, rtol=error, atol=error)


def test_the_largest_float64(level, rng):
    """Means that are rounded do not leave the range."""
    largest = np.finfo(np.float64).max
    image = largest * (1 - 0.1 * (rng.random((9, 33)) < 0.1))
    result = medfast.denoise_nl_means(image, largest, patch_size=3, search_size=5)
    np.testing.assert_allclose(result / 2.0**600, expected(image / 2.0**600, largest / 2.0**600, 3, 5), rtol=1e-14)


def test_strengths_far_apart(level, rng):
    """One per channel, each with a scale of its own."""
    image = np.stack([1e300 * smooth_image(rng, (9, 20), "float64"), smooth_image(rng, (9, 20), "float64")])
    for order in (1, -1):
        result = medfast.denoise_nl_means(
            image[::order], [1e301, 1e-10][::order], patch_size=1, search_size=5, channel_axis=0
        )[::order]
        exact = expected(image / 2.0**997, 1e301 / 2.0**997, 1, 5, channel_axis=0)
        np.testing.assert_allclose(result[0] / 2.0**997, exact[0], rtol=1e-12)
        np.testing.assert_array_equal(result[1], image[1])


@pytest.mark.parametrize(("noise", "h", "largest"), [("gaussian", 1e-150, 1e308), ("rician", 1.0, 1e300)])
def test_strengths_that_float64_cannot_hold_beside_the_image(noise, h, largest):
    image = np.array([[1.0, largest]])
    with pytest.raises(ValueError, match=r"h must be >= .* for an image with values up to 1e\+30"):
        medfast.denoise_nl_means(image, h, noise=noise, sigma=1.0)


def test_rician_noise_of_any_level(rng):
    for dtype in ("uint8", "float32", "float64"):
        image = smooth_image(rng, (9, 17), dtype)
        for sigma in (1e20, 1e200):
            assert not medfast.denoise_nl_means(image, 5.0, sigma=sigma, noise="rician").any()


@pytest.mark.parametrize("exponent", [100, -100])
@pytest.mark.parametrize("options", [{}, {"norm": "l1"}, {"noise": "rician", "sigma": 5.0}], ids=str)
def test_powers_of_two_are_exact(level, rng, exponent, options):
    """Of channels, frames and strengths per channel, inside a mask: scaled or not, the same bits."""
    image = np.stack([smooth_image(rng, (20, 40), "float32") for _ in range(3)])
    mask = rng.random((20, 40)) < 0.7
    scaled, scaled_options = np.ldexp(image, exponent), dict(options)
    if "sigma" in options:
        scaled_options["sigma"] = np.ldexp(options["sigma"], exponent)
    for h in ([8.0], [8.0, 12.0, 3.0]):
        plain = medfast.denoise_nl_means(image, h, search_size=7, mask=mask, channel_axis=0, **options)
        result = medfast.denoise_nl_means(
            scaled, np.ldexp(h, exponent), search_size=7, mask=mask, channel_axis=0, **scaled_options
        )
        np.testing.assert_array_equal(result, np.ldexp(plain, exponent))
    plain = medfast.denoise_nl_means_multi(image, 1, 3, 8.0, search_size=7, mask=mask, **options)
    h = np.ldexp(8.0, exponent)
    result = medfast.denoise_nl_means_multi(scaled, 1, 3, h, search_size=7, mask=mask, **scaled_options)
    np.testing.assert_array_equal(result, np.ldexp(plain, exponent))
