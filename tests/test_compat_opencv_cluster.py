"""OpenCV's kmeans signature, against OpenCV itself."""

import numpy as np
import pytest

import medfast
from images import smooth_image
from medfast.bench import images
from medfast.compat.opencv import cluster

CRITERIA = (cluster.TERM_CRITERIA_EPS + cluster.TERM_CRITERIA_MAX_ITER, 30, 1e-4)


def inertia_of(samples, labels):
    """Inertia of labelled vectors about their means, in float64."""
    samples, labels = samples.astype(np.float64), np.ravel(labels)
    return sum(((samples[labels == c] - samples[labels == c].mean(axis=0)) ** 2).sum() for c in np.unique(labels))


@pytest.mark.opencv
def test_constants_are_those_of_opencv():
    import cv2

    for name in cluster.__all__:
        if name.isupper():
            assert getattr(cluster, name) == getattr(cv2, name)


@pytest.mark.opencv
@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_one_channel_is_at_most_opencv(level, rng, n_clusters):
    import cv2

    pixels = smooth_image(rng, (50, 40)).reshape(-1, 1).astype(np.float32)
    compactness, labels, centers = cluster.kmeans(pixels, n_clusters, None, CRITERIA, 1, cluster.KMEANS_PP_CENTERS)
    for seed in range(5):
        cv2.setRNGSeed(seed)
        peer, peer_labels, peer_centers = cv2.kmeans(pixels, n_clusters, None, CRITERIA, 3, cv2.KMEANS_PP_CENTERS)
        assert compactness <= peer * (1 + 1e-6)
    for ours, theirs in ((labels, peer_labels), (centers, peer_centers)):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert compactness == pytest.approx(inertia_of(pixels, labels), rel=1e-12)


@pytest.mark.slow
@pytest.mark.opencv
@pytest.mark.parametrize("n_clusters", [2, 4, 8])
def test_one_channel_is_at_most_the_best_of_ten_attempts(n_clusters):
    import cv2

    image = images.head(256, 256)[0]
    pixels = image.reshape(-1, 1).astype(np.float32)
    optimum = medfast.kmeans(image, n_clusters).inertia
    assert cluster.kmeans(pixels, n_clusters, None, CRITERIA, 1, 0)[0] == optimum
    for seed in range(100):
        cv2.setRNGSeed(seed)
        peer, _, _ = cv2.kmeans(pixels, n_clusters, None, CRITERIA, 10, cv2.KMEANS_PP_CENTERS)
        assert optimum <= peer * (1 + 1e-6)


@pytest.mark.opencv
@pytest.mark.parametrize("max_count", [2, 3, 8, 100])
def test_vectors_follow_opencv_from_the_same_labels(level, rng, max_count):
    import cv2

    samples = rng.normal(0, 1, (1500, 4)).astype(np.float32)
    start = rng.integers(0, 6, (1500, 1)).astype(np.int32)
    criteria = (cluster.TERM_CRITERIA_EPS + cluster.TERM_CRITERIA_COUNT, max_count, 1e-5)
    flags = cluster.KMEANS_USE_INITIAL_LABELS
    compactness, labels, centers = cluster.kmeans(samples, 6, start.copy(), criteria, 1, flags)
    peer, peer_labels, peer_centers = cv2.kmeans(samples, 6, start.copy(), criteria, 1, flags)
    assert compactness == pytest.approx(peer, rel=1e-5)
    assert (labels != peer_labels).mean() < 2e-3  # near ties alone: OpenCV sums in float32
    np.testing.assert_allclose(centers, peer_centers, atol=2e-3)


@pytest.mark.opencv
@pytest.mark.parametrize("flags", [cluster.KMEANS_PP_CENTERS, cluster.KMEANS_RANDOM_CENTERS])
def test_vectors_are_no_worse_than_opencv_in_the_median(rng, flags):
    import cv2

    ours, theirs = [], []
    for seed in range(20):
        samples = np.random.default_rng(seed).normal(0, 1, (2000, 3)).astype(np.float32)
        samples += 4 * np.random.default_rng(seed + 99).integers(0, 3, (2000, 3)).astype(np.float32)
        cv2.setRNGSeed(seed)
        ours.append(cluster.kmeans(samples, 12, None, CRITERIA, 3, flags)[0])
        theirs.append(cv2.kmeans(samples, 12, None, CRITERIA, 3, flags)[0])
    assert np.median(ours) <= np.median(theirs)


@pytest.mark.opencv
@pytest.mark.parametrize("shape", [(30, 1), (1, 30), (30, 4), (30, 1, 3), (1, 30, 3), (10, 6, 2)], ids=str)
def test_shapes_are_read_as_opencv_reads_them(rng, shape):
    import cv2

    data = rng.normal(0, 1, shape).astype(np.float32)
    compactness, labels, centers = cluster.kmeans(data, 2, None, CRITERIA, 9, cluster.KMEANS_PP_CENTERS)
    peer, peer_labels, peer_centers = cv2.kmeans(data, 2, None, CRITERIA, 9, cv2.KMEANS_PP_CENTERS)
    assert (labels.shape, centers.shape) == (peer_labels.shape, peer_centers.shape)
    assert compactness <= peer * 1.05


def test_given_arrays_are_filled(rng):
    samples = rng.normal(0, 1, (40, 3)).astype(np.float32)
    labels, centers = np.zeros((40, 1), np.int32), np.zeros((4, 3), np.float32)
    result = cluster.kmeans(samples, 4, labels, CRITERIA, 2, cluster.KMEANS_PP_CENTERS, centers)
    assert result[1] is labels
    assert result[2] is centers
    expected = cluster.kmeans(samples, 4, None, CRITERIA, 2, cluster.KMEANS_PP_CENTERS)
    np.testing.assert_array_equal(labels, expected[1])
    np.testing.assert_array_equal(centers, expected[2])


def test_initial_labels_may_leave_a_cluster_empty(rng):
    samples = rng.normal(0, 1, (40, 3)).astype(np.float32)
    labels = np.zeros((40, 1), np.int32)
    _, labels, centers = cluster.kmeans(samples, 3, labels, CRITERIA, 1, cluster.KMEANS_USE_INITIAL_LABELS)
    assert len(np.unique(labels)) == 3
    assert np.isfinite(centers).all()


SAMPLES = np.arange(12, dtype=np.float32).reshape(6, 2)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "data must have dtype float32, got float64", (SAMPLES.astype(float), 2, None, CRITERIA, 1, 0)),
        (ValueError, "data must be finite", (SAMPLES * np.float32(np.nan), 2, None, CRITERIA, 1, 0)),
        (ValueError, "K must be >= 1, got 0", (SAMPLES, 0, None, CRITERIA, 1, 0)),
        (ValueError, "K must be at most the number of samples", (SAMPLES, 7, None, CRITERIA, 1, 0)),
        (ValueError, "K must be at most the number of samples", (SAMPLES[:0], 1, None, CRITERIA, 1, 0)),
        (ValueError, "flags must be <= 3, got 4", (SAMPLES, 2, None, CRITERIA, 1, 4)),
        (TypeError, "criteria must be", (SAMPLES, 2, None, 10, 1, 0)),
        (TypeError, "bestLabels must be an int32 array", (SAMPLES, 2, None, CRITERIA, 1, 1)),
        (ValueError, r"bestLabels must have shape \(6, 1\)", (SAMPLES, 2, np.zeros((5, 1), np.int32), CRITERIA, 1, 1)),
        (ValueError, r"bestLabels must lie in 0 \.\.\. 1", (SAMPLES, 2, np.full((6, 1), 2, np.int32), CRITERIA, 1, 1)),
    ],
)
def test_errors_name_the_bad_argument(error, message, arguments):
    with pytest.raises(error, match=message):
        cluster.kmeans(*arguments)
