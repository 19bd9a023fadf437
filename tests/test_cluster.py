"""k-means and segmentation of one channel, thresholds, and errors; at every level, against oracles, OpenCV and
scikit-image.
"""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra import numpy as hnp

import medfast
import oracles
from images import layouts, random_image, smooth_image
from medfast import _kernels

# The costs of intervals are right to about an ulp, and a few of them are added up.
ULPS = 8 * np.finfo(np.float64).eps


def labels_from_bounds(data, bounds):
    """Labels that cut the sorted distinct values of `data` at `bounds`."""
    rank = np.searchsorted(np.unique(data), data)
    return np.searchsorted(bounds[1:-1], rank, side="right").astype(np.int32)


def inertia_of(data, labels):
    """Inertia of labelled numbers about their means, in float64."""
    data = data.astype(np.float64)
    return sum(((data[labels == c] - data[labels == c].mean()) ** 2).sum() for c in np.unique(labels) if c >= 0)


# --- one channel: the optimum ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_optimum_equals_enumeration(level, rng, dtype, n_clusters):
    for _ in range(5):
        data = rng.choice(random_image(rng, 9, dtype), 40)
        values, counts = np.unique(data, return_counts=True)
        bounds, inertia = oracles.partition_by_enumeration(values.tolist(), counts.tolist(), n_clusters)
        result = medfast.kmeans(data, n_clusters)
        np.testing.assert_array_equal(result.labels, labels_from_bounds(data, bounds))
        assert result.inertia == pytest.approx(float(inertia), rel=ULPS)
        means = [data[result.labels == c].astype(np.float64).mean() for c in range(n_clusters)]
        np.testing.assert_allclose(result.centers, means, rtol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("n_values", [15, 64, 129, 300])
def test_optimum_equals_full_recurrence(level, rng, n_values):
    values = np.sort(rng.choice(65536, n_values, replace=False)).astype(np.uint16)
    counts = rng.integers(1, 50, n_values)
    data = rng.permutation(np.repeat(values, counts))
    for n_clusters in (2, 4, 7):
        result = medfast.kmeans(data, n_clusters)
        expected = oracles.partition_by_recurrence(values.tolist(), counts.tolist(), n_clusters)
        assert result.inertia == pytest.approx(expected, rel=ULPS)
        assert inertia_of(data, result.labels) == pytest.approx(expected, rel=1e-12)


@hypothesis.given(
    data=st.lists(st.integers(-20, 20), min_size=1, max_size=12).map(lambda values: np.array(values, np.int16)),
    n_clusters=st.integers(1, 6),
)
def test_optimum_breaks_ties_by_its_rule(data, n_clusters):
    values, counts = np.unique(data, return_counts=True)
    bounds, inertia = oracles.partition_by_enumeration(values.tolist(), counts.tolist(), n_clusters)
    result = medfast.kmeans(data, n_clusters)
    np.testing.assert_array_equal(result.labels, labels_from_bounds(data, bounds))
    assert result.inertia == pytest.approx(float(inertia), rel=ULPS, abs=0)


@hypothesis.given(
    data=hnp.arrays(np.float64, st.integers(1, 10), elements=st.floats(-1e100, 1e100)), n_clusters=st.integers(1, 4)
)
def test_optimum_of_any_floats(data, n_clusters):
    values, counts = np.unique(data, return_counts=True)
    _, inertia = oracles.partition_by_enumeration(values.tolist(), counts.tolist(), n_clusters)
    result = medfast.kmeans(data, n_clusters)
    # Values far below the largest one are lost where two parts of 53 bits end.
    floor = 1e-30 * np.abs(data).max() ** 2 * len(data)
    assert result.inertia == pytest.approx(float(inertia), rel=1e-13, abs=floor)


def test_optimum_of_tight_clusters_far_from_the_origin(level, rng):
    data = np.concatenate([1e6 + rng.normal(0, 1e-4, 6), 2e6 + rng.normal(0, 1e-4, 6)])
    values = np.unique(data)
    bounds, inertia = oracles.partition_by_enumeration(values.tolist(), [1] * len(values), 4)
    result = medfast.kmeans(data, 4)
    np.testing.assert_array_equal(result.labels, labels_from_bounds(data, bounds))
    assert result.inertia == pytest.approx(float(inertia), rel=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (33, 31), (129, 65), (3, 9, 17), (257,), (2, 3, 4, 5)], ids=str)
def test_labels_are_the_nearest_center_at_any_shape(level, n_threads, rng, dtype, shape):
    image = random_image(rng, shape, dtype)
    if image.dtype.kind == "f" and image.ndim > 1:
        image = image.ravel()
    result = medfast.kmeans(image, 5)
    n_used = min(5, len(np.unique(image)))
    distance = np.abs(image.astype(np.float64)[..., None] - result.centers[:n_used])
    np.testing.assert_array_equal(result.labels, distance.argmin(axis=-1))
    assert result.labels.dtype == np.int32
    assert result.labels.shape == image.shape
    assert result.n_iter == 0


def test_all_levels_and_threads_give_the_same_bits(level, n_threads):
    data = np.random.default_rng(5).normal(50.0, 20.0, 3000).astype(np.float32)
    result = medfast.kmeans(data, 6)
    pytest.importorskip("numba")
    _kernels._activate("jit")
    expected = medfast.kmeans(data, 6)
    np.testing.assert_array_equal(result.labels, expected.labels)
    np.testing.assert_array_equal(result.centers, expected.centers)
    assert result.inertia == expected.inertia


def test_one_channel_takes_any_layout(level, rng):
    image = smooth_image(rng, (19, 33), "uint16")
    expected = medfast.kmeans(image, 4)
    for name, view in layouts(image).items():
        result = medfast.kmeans(view, 4)
        np.testing.assert_array_equal(result.labels, expected.labels, err_msg=name)
        assert result.inertia == expected.inertia
    volume = rng.integers(0, 99, (4, 6, 5, 3), np.uint8)
    np.testing.assert_array_equal(
        medfast.kmeans(volume[:, ::-1, ::2], 3).labels, medfast.kmeans(volume[:, ::-1, ::2].copy(), 3).labels
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_weights_are_repetitions(level, rng, dtype):
    data = rng.integers(0, 200, 60).astype(dtype)
    weights = rng.integers(0, 4, 60)
    result = medfast.kmeans(data, 4, sample_weight=weights)
    expected = medfast.kmeans(np.repeat(data, weights), 4)
    np.testing.assert_array_equal(result.centers, expected.centers)
    assert result.inertia == pytest.approx(expected.inertia, rel=ULPS)


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_mask_leaves_pixels_out(level, rng, dtype):
    image = random_image(rng, (21, 18), dtype)
    mask = rng.random(image.shape) < 0.4
    result = medfast.kmeans(image, 3, mask=mask)
    expected = medfast.kmeans(image[mask], 3)
    assert (result.labels[~mask] == -1).all()
    np.testing.assert_array_equal(result.labels[mask], expected.labels)
    np.testing.assert_array_equal(result.centers, expected.centers)
    assert result.inertia == expected.inertia


def test_degenerate_channels(level):
    constant = medfast.kmeans(np.full((4, 5), 7, np.uint8), 3)
    assert (constant.labels == 0).all()
    np.testing.assert_array_equal(constant.centers, [7.0, 7.0, 7.0])
    assert constant.inertia == 0.0
    empty = medfast.kmeans(np.empty((0, 5), np.int16), 2)
    assert empty.labels.shape == (0, 5)
    assert np.isnan(empty.centers).all()
    pixel = medfast.kmeans(np.array([[-3]], np.int16), 1)
    assert (pixel.labels.item(), pixel.centers.item(), pixel.inertia) == (0, -3.0, 0.0)
    outside = medfast.kmeans(np.ones((2, 2), np.uint8), 2, mask=np.zeros((2, 2), bool))
    assert (outside.labels == -1).all()
    weightless = medfast.kmeans(np.arange(3.0), 2, sample_weight=np.zeros(3))
    assert np.isnan(weightless.centers).all()
    extremes = medfast.kmeans(np.array([-1.7e308, 1.7e308, 1e-308]), 2)
    np.testing.assert_array_equal(extremes.labels, [0, 1, 1])  # a tie in float64: the last cluster begins lowest


@pytest.mark.parametrize("exponent", [-600, 900])
def test_weights_of_any_size(level, rng, exponent):
    data, weights = rng.integers(0, 200, 60).astype(np.uint8), rng.integers(1, 5, 60)
    expected = medfast.kmeans(data, 4, sample_weight=weights)
    found = medfast.kmeans(data, 4, sample_weight=np.ldexp(weights.astype(float), exponent))
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.centers, expected.centers)
    assert found.inertia == np.ldexp(expected.inertia, exponent)


def test_weights_outside_the_mask_do_not_count():
    mask = np.array([True, True, True, False])
    result = medfast.kmeans(np.array([1, 2, 9, 9], np.uint8), 2, mask=mask, sample_weight=[1, 1, 1, 1.7e308])
    np.testing.assert_array_equal(result.centers, [1.5, 9.0])


def test_centers_keep_single_precision(level):
    assert medfast.kmeans(np.arange(9, dtype=np.float32), 2).centers.dtype == np.float32
    assert medfast.kmeans(np.arange(9, dtype=np.uint8), 2).centers.dtype == np.float64


@pytest.mark.opencv
@pytest.mark.parametrize("n_clusters", [2, 4, 8])
def test_optimum_is_never_above_opencv(level, rng, n_clusters):
    import cv2

    image = smooth_image(rng, (96, 80))
    result = medfast.kmeans(image, n_clusters)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
    for seed in range(5):
        cv2.setRNGSeed(seed)
        pixels = image.reshape(-1, 1).astype(np.float32)
        _, labels, _ = cv2.kmeans(pixels, n_clusters, None, criteria, 3, cv2.KMEANS_PP_CENTERS)
        assert result.inertia <= inertia_of(image.ravel(), labels.ravel()) * (1 + 1e-9)


# --- segment and thresholds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(40, 31), (3, 12, 17)], ids=str)
def test_segment_is_kmeans_on_intensity(level, n_threads, rng, dtype, shape):
    image = random_image(rng, shape, dtype)
    mask = rng.random(shape) < 0.7
    labels, thresholds = medfast.segment(image, 4, mask=mask, return_thresholds=True)
    expected = medfast.kmeans(image[mask], 4).labels
    np.testing.assert_array_equal(labels[mask], expected + 1)
    assert (labels[~mask] == 0).all()
    assert labels.dtype == np.uint8
    assert thresholds.dtype == image.dtype
    np.testing.assert_array_equal(thresholds, [image[mask][expected == c].max() for c in range(3)])
    np.testing.assert_array_equal(labels[mask], 1 + (image[mask][:, None] > thresholds).sum(axis=1))


def test_segment_fills_out(level, rng):
    image = random_image(rng, (9, 33), "int16")
    expected = medfast.segment(image, 3)
    out = np.zeros((18, 66), np.uint8)[::2, ::-2]
    assert medfast.segment(image, 3, out=out) is out
    np.testing.assert_array_equal(out, expected)
    for name, view in layouts(image).items():
        np.testing.assert_array_equal(medfast.segment(view, 3), expected, err_msg=name)


def test_segment_of_little():
    image = np.array([[5, 5, 9]], np.uint8)
    labels, thresholds = medfast.segment(image, 4, return_thresholds=True)
    np.testing.assert_array_equal(labels, [[1, 1, 2]])
    np.testing.assert_array_equal(thresholds, [5, 9, 9])
    labels, thresholds = medfast.segment(image, 2, mask=np.zeros((1, 3), bool), return_thresholds=True)
    np.testing.assert_array_equal(labels, [[0, 0, 0]])
    np.testing.assert_array_equal(thresholds, [0])
    assert medfast.segment(np.empty((0, 3), np.float32), 2).shape == (0, 3)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_multiotsu_equals_scikit_image(level, rng, classes):
    filters = pytest.importorskip("skimage.filters")
    image = smooth_image(rng, (120, 90))
    np.testing.assert_array_equal(
        medfast.threshold_multiotsu(image, classes), filters.threshold_multiotsu(image, classes)
    )


def test_multiotsu_is_segment(level, rng):
    image = smooth_image(rng, (50, 40), "int16")
    mask = image > 500
    thresholds = medfast.threshold_multiotsu(image, 4, mask=mask)
    np.testing.assert_array_equal(thresholds, medfast.segment(image, 4, mask=mask, return_thresholds=True)[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(40, 31), (3, 12, 17)], ids=str)
def test_bins_are_levels_evenly_spaced(level, rng, dtype, shape):
    image = rng.normal(0, 30, shape).astype(dtype)
    mask = rng.random(shape) < 0.8
    low, high = image[mask].min(), image[mask].max()
    numbers = np.floor((image.astype(np.float64) - low) / (float(high) - low) * 15 + 0.5).clip(0, 15).astype(np.uint8)
    expected = medfast.kmeans(numbers, 4, mask=mask)
    labels, thresholds = medfast.segment(image, 4, mask=mask, bins=16, return_thresholds=True)
    np.testing.assert_array_equal(labels, expected.labels + 1)
    np.testing.assert_array_equal(thresholds, [image[labels == c].max() for c in (1, 2, 3)])
    np.testing.assert_array_equal(medfast.threshold_multiotsu(image, 4, mask=mask, bins=16), thresholds)
    flat = medfast.kmeans(image.ravel(), 4, mask=mask.ravel(), bins=16)
    np.testing.assert_array_equal(flat.labels, expected.labels.ravel())
    np.testing.assert_allclose(flat.centers, low + expected.centers / 15 * (float(high) - low), rtol=1e-5, atol=1e-5)
    assert flat.inertia == pytest.approx(expected.inertia * ((float(high) - low) / 15) ** 2, rel=1e-6)


def test_bins_of_little():
    assert medfast.segment(np.full((2, 3), 5.0), 3, bins=8).tolist() == [[1, 1, 1], [1, 1, 1]]
    assert medfast.segment(np.empty((0, 3)), 2, bins=8).shape == (0, 3)
    none = medfast.segment(np.ones((2, 2)), 2, bins=8, mask=np.zeros((2, 2), bool), return_thresholds=True)
    assert none[1].tolist() == [0.0]
    assert medfast.kmeans(np.array([1.0, 1.0]), 2, bins=4).centers.tolist() == [1.0, 1.0]


# --- errors ----------------------------------------------------------------------------------------------------------

IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 4)
VECTORS = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypeError, "data must have dtype uint8", lambda: medfast.kmeans(IMAGE.astype(np.int64), 2)),
        (TypeError, "n_clusters must be an integer, got 2.0", lambda: medfast.kmeans(IMAGE, 2.0)),
        (ValueError, "n_clusters must be >= 1, got 0", lambda: medfast.kmeans(IMAGE, 0)),
        (ValueError, "data must be finite", lambda: medfast.kmeans([1.0, np.nan], 1)),
        (ValueError, "data must be finite", lambda: medfast.kmeans([[1.0, np.inf]], 1)),
        (
            ValueError,
            r"data must be 1-D or 2-D .* got shape \(2, 2, 2\)",
            lambda: medfast.kmeans(np.ones((2, 2, 2)), 1),
        ),
        (ValueError, r"data must be at least 1-D .* got shape \(\)", lambda: medfast.kmeans(np.uint8(3), 1)),
        (ValueError, "at least one feature", lambda: medfast.kmeans(np.empty((3, 0)), 1)),
        (ValueError, "channel_axis must be an axis", lambda: medfast.kmeans(IMAGE, 2, channel_axis=2)),
        (ValueError, "at least 2-D with a channel_axis", lambda: medfast.kmeans([1.0, 2.0], 2, channel_axis=0)),
        (ValueError, "at most the number of samples with a weight, 6, got 7", lambda: medfast.kmeans(VECTORS, 7)),
        (ValueError, "at most .*, 0, got 1", lambda: medfast.kmeans(np.empty((0, 2)), 1)),
        (ValueError, "at most .*, 1, got 2", lambda: medfast.kmeans(VECTORS, 2, sample_weight=[1, 0, 0, 0, 0, 0])),
        (ValueError, "init must be one of", lambda: medfast.kmeans(VECTORS, 2, init="pca")),
        (ValueError, "init must be one of", lambda: medfast.kmeans(IMAGE, 2, init="pca")),
        (
            ValueError,
            r"init must have shape \(2, 2\), got \(3, 2\)",
            lambda: medfast.kmeans(VECTORS, 2, init=VECTORS[:3]),
        ),
        (TypeError, "init must be 'k-means", lambda: medfast.kmeans(VECTORS, 2, init=None)),
        (ValueError, "init must be finite", lambda: medfast.kmeans(VECTORS, 1, init=[[np.nan, 0]])),
        (ValueError, r"mask must have shape \(6,\)", lambda: medfast.kmeans(VECTORS, 2, mask=np.ones((6, 2), bool))),
        (ValueError, r"sample_weight must have shape \(6,\)", lambda: medfast.kmeans(VECTORS, 2, sample_weight=[1.0])),
        (
            ValueError,
            "sample_weight must be >= 0, got -1",
            lambda: medfast.kmeans([1.0, 2.0], 1, sample_weight=[1, -1]),
        ),
        (ValueError, "sample_weight must be finite", lambda: medfast.kmeans([1.0], 1, sample_weight=[np.nan])),
        (TypeError, "sample_weight must be numbers", lambda: medfast.kmeans([1.0], 1, sample_weight=["a"])),
        (
            ValueError,
            "sample_weight must be so small that its weighted sums are finite, got a sum of inf",
            lambda: medfast.kmeans(IMAGE, 2, sample_weight=np.full(IMAGE.shape, 1e308)),
        ),
        (
            ValueError,
            r"sample_weight .* finite, got a sum of 6e\+306 with squared distances up to",
            lambda: medfast.kmeans(100 * VECTORS, 2, sample_weight=np.full(6, 1e306)),
        ),
        (ValueError, "bins must be None for integers", lambda: medfast.segment(IMAGE, 2, bins=9)),
        (ValueError, "bins must be None for vectors", lambda: medfast.kmeans(VECTORS, 2, bins=9)),
        (ValueError, "bins must be >= 2, got 1", lambda: medfast.kmeans([1.0, 2.0], 2, bins=1)),
        (ValueError, "bins must be <= 65536", lambda: medfast.threshold_multiotsu(VECTORS, 2, bins=65537)),
        (TypeError, "return_thresholds must be True", lambda: medfast.segment(IMAGE, 2, return_thresholds="no")),
        (ValueError, "n_init must be >= 1", lambda: medfast.kmeans(VECTORS, 2, n_init=0)),
        (ValueError, "max_iter must be >= 1", lambda: medfast.kmeans(VECTORS, 2, max_iter=0)),
        (ValueError, "tol must be >= 0", lambda: medfast.kmeans(VECTORS, 2, tol=-1)),
        (TypeError, "random_state must be an integer", lambda: medfast.kmeans(VECTORS, 2, random_state="a")),
        (ValueError, "num_threads must be >= 1", lambda: medfast.kmeans(VECTORS, 2, num_threads=0)),
        (ValueError, "n_classes must be <= 255, got 256", lambda: medfast.segment(IMAGE, 256)),
        (ValueError, r"image must be 2-D or 3-D, got shape \(4,\)", lambda: medfast.segment(IMAGE[0], 2)),
        (ValueError, "out must not overlap", lambda: medfast.segment(IMAGE, 2, out=IMAGE)),
        (TypeError, "out must have dtype uint8", lambda: medfast.segment(IMAGE, 2, out=np.zeros((3, 4), np.int32))),
        (
            ValueError,
            "at most the number of distinct levels, 12, got 13",
            lambda: medfast.threshold_multiotsu(IMAGE, 13),
        ),
        (ValueError, "classes must be >= 2", lambda: medfast.threshold_multiotsu(IMAGE, 1)),
    ],
)
def test_errors_name_the_bad_argument(error, message, call):
    with pytest.raises(error, match=message):
        call()
