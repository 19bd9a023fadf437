"""k-means of vectors, at every level, against the oracle and scikit-learn."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra import numpy as hnp

import medfast
import oracles
from images import layouts, random_image
from medfast import _kernels
from medfast._drivers import lloyd
from medfast._drivers.samples import Samples


def blobs(rng, n, n_features, n_clusters, dtype="float64"):
    """Samples around well parted centers, as (samples, start): the start is one sample of each."""
    centers = rng.uniform(-60, 60, (n_clusters, n_features)) + 100
    owner = np.arange(n) % n_clusters
    data = centers[owner] + rng.normal(0, 9, (n, n_features))
    return data.astype(dtype), data[:n_clusters].astype(dtype)


def assert_same_clusters(result, expected, rel):
    labels, centers, inertia, n_iter = expected
    np.testing.assert_array_equal(result.labels.ravel(), labels)
    np.testing.assert_allclose(result.centers, centers, rtol=rel)
    assert result.inertia == pytest.approx(inertia, rel=rel)
    assert result.n_iter == n_iter


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 8, 16, 19])
@pytest.mark.parametrize(("dtype", "rel"), [("float32", 1e-5), ("float64", 1e-11)])
def test_lloyd_equals_oracle(level, rng, n_features, dtype, rel):
    for n in (4, 65, 700):
        data, start = blobs(rng, n, n_features, 4, dtype)
        result = medfast.kmeans(data, 4, init=start, tol=0)
        assert_same_clusters(result, oracles.lloyd(data, start), rel)
        assert result.centers.dtype == data.dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("max_iter", [1, 3, 300])
@pytest.mark.parametrize("tol", [0.0, 1e-3])
def test_lloyd_equals_scikit_learn(level, n_threads, rng, dtype, max_iter, tol):
    cluster = pytest.importorskip("sklearn.cluster")
    data = rng.normal(0, 1, (3000, 6)).astype(dtype)
    start = data[:7].copy()
    weights = rng.uniform(0.1, 2.0, len(data))
    result = medfast.kmeans(data, 7, init=start, max_iter=max_iter, tol=tol, sample_weight=weights)
    peer = cluster.KMeans(7, init=start, n_init=1, max_iter=max_iter, tol=tol).fit(data, sample_weight=weights)
    if dtype == "float64":
        assert_same_clusters(result, (peer.labels_, peer.cluster_centers_, peer.inertia_, peer.n_iter_), 1e-9)
    else:  # in float32 scikit-learn sums in another order: near ties fall to either side
        assert (result.labels != peer.labels_).mean() < 2e-3
        assert result.inertia == pytest.approx(peer.inertia_, rel=1e-5)


def test_lloyd_with_weights_equals_oracle(level, rng):
    data, start = blobs(rng, 500, 3, 4)
    weights = rng.uniform(0, 2, 500)
    weights[rng.random(500) < 0.2] = 0
    result = medfast.kmeans(data, 4, init=start, tol=0, sample_weight=weights)
    assert_same_clusters(result, oracles.lloyd(data, start, weights), 1e-11)


def test_lloyd_moves_empty_clusters(level, rng):
    data, start = blobs(rng, 300, 2, 3)
    start = np.concatenate([start, [[1e4, 1e4], [2e4, 1e4]]])
    result = medfast.kmeans(data, 5, init=start, tol=0)
    assert_same_clusters(result, oracles.lloyd(data, start), 1e-11)
    assert len(np.unique(result.labels)) == 5


def test_lloyd_with_fewer_distinct_samples_than_clusters(level):
    data = np.repeat([[1.0, 2.0], [5.0, 6.0]], 4, axis=0)
    for init in ("k-means++", "random"):
        result = medfast.kmeans(data, 4, init=init, random_state=0)
        assert result.inertia == 0.0
        assert {tuple(center) for center in result.centers} == {(1.0, 2.0), (5.0, 6.0)}


def test_vectors_do_not_depend_on_level_or_threads(level, n_threads):
    data = np.random.default_rng(1).normal(0, 1, (20_000, 5)).astype(np.float32)
    weights = np.random.default_rng(2).uniform(0, 1, 20_000)
    arguments = {"n_init": 2, "max_iter": 5, "random_state": 3}
    result = medfast.kmeans(data, 40, sample_weight=weights, **arguments)
    pytest.importorskip("numba")
    _kernels._activate("jit")
    expected = medfast.kmeans(data, 40, sample_weight=weights, num_threads=1, **arguments)
    np.testing.assert_array_equal(result.labels, expected.labels)
    np.testing.assert_array_equal(result.centers, expected.centers)
    assert (result.inertia, result.n_iter) == (expected.inertia, expected.n_iter)


@pytest.mark.parametrize("layout", ["rows", "columns", "uint8", "gaps"])
@pytest.mark.parametrize("n_features", [3, 8, 9])
def test_chunks_and_tiles_change_no_bit(level, n_threads, layout, n_features):
    """Samples as they stand and gathered, whole blocks and single ones, tiles that any thread takes."""
    if level == "jit":
        pytest.skip("the others are held against it")
    data = np.random.default_rng(n_features).normal(100, 30, (9_001, n_features)).clip(0, 255)
    if layout == "uint8":
        data = data.astype(np.uint8)
    else:
        data = data.astype(np.float32)
        data = {"rows": data, "columns": np.asfortranarray(data), "gaps": np.repeat(data, 2, axis=0)[::2]}[layout]
    arguments = {"init": data[:31].astype(np.float64), "max_iter": 30, "tol": 0, "channel_axis": 1}
    found = medfast.kmeans(data, 31, **arguments)
    _kernels._activate("jit")
    expected = medfast.kmeans(data, 31, **arguments)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.centers, expected.centers)
    assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)


def run_in_parts(samples, start, tiles_at_once, n_threads):
    """Lloyd's algorithm by a leader that comes back after so many tiles."""
    labelling = lloyd.Labelling(samples, start)
    labelling._tiles_at_once = tiles_at_once
    labelling._board = np.zeros((lloyd.TAKEN + n_threads, lloyd.LINE), np.int64)
    labelling._board[lloyd.TAKEN :, 0] = 2**31
    labelling._state = labelling._board[1]
    return lloyd.lloyd(samples, start, max_iter=9, tolerance=0.0, labelling=labelling)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("tiles_at_once", [1, 3, 10**6])
def test_leader_may_come_back_at_any_time(level, workers, tiles_at_once):
    data = np.random.default_rng(4).normal(0, 1, (30_000, 3)).astype(np.float32)
    samples = Samples(data, None, None)
    assert samples.tiles(16)[0] >= 5
    expected = medfast.kmeans(data, 16, init=data[:16], max_iter=9, tol=0, num_threads=1)
    for _ in range(3):
        found = run_in_parts(samples, data[:16], tiles_at_once, workers)
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_array_equal(found.centers, expected.centers)
        assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)


def test_error_in_a_run_sends_the_helpers_back(monkeypatch):
    data = np.random.default_rng(4).normal(0, 1, (30_000, 3)).astype(np.float32)
    samples = Samples(data, None, None)
    labelling = lloyd.Labelling(samples, data[:16])

    def interrupted(task):
        raise KeyboardInterrupt

    monkeypatch.setattr(labelling, "_do", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lloyd.lloyd(samples, data[:16], max_iter=9, tolerance=0.0, labelling=labelling)
    assert labelling._state[lloyd.TASK] == lloyd.LEAVE
    expected = medfast.kmeans(data, 16, init=data[:16], max_iter=9, tol=0, num_threads=1)
    found = medfast.kmeans(data, 16, init=data[:16], max_iter=9, tol=0)
    np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize("n_features", [1, 3, 8, 11])
@pytest.mark.parametrize("kind", ["ties", "far", "tiny", "mixed", "float64"])
def test_bounds_and_doubts_change_no_bit(level, n_features, kind):
    if level == "jit":
        pytest.skip("the others are held against it")
    pytest.importorskip("numba")
    rng = np.random.default_rng(n_features)
    for n, n_clusters in ((64, 1), (130, 3), (1001, 8), (1500, 17)):
        data = rng.normal(0, 1, (n, n_features))
        if kind == "ties":  # many samples as near to one center as to another
            data = np.rint(2 * data)
        elif kind == "far":  # the digits that tell centers apart are the last ones
            data = 1e4 + 1e-2 * data
        elif kind == "tiny":  # squares vanish
            data *= 1e-22
        elif kind == "mixed":
            data[::7] *= 1e6
        data = data.astype(np.float64 if kind == "float64" else np.float32)
        arguments = {"init": data[:n_clusters].copy(), "max_iter": 8, "tol": 0, "channel_axis": 1}
        found = medfast.kmeans(data, n_clusters, **arguments)
        _kernels._activate("jit")
        expected = medfast.kmeans(data, n_clusters, **arguments)
        _kernels._activate(level)
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_array_equal(found.centers, expected.centers)
        assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channel_axis(level, rng, dtype, axis):
    image = random_image(rng, (13, 17, 3), dtype)
    start = image.reshape(-1, 3)[:4].astype(np.float64)
    expected = oracles.lloyd(image.reshape(-1, 3), start)
    result = medfast.kmeans(np.moveaxis(image, -1, axis), 4, channel_axis=axis, init=start, tol=0)
    assert result.labels.shape == (13, 17)
    assert_same_clusters(result, expected, 1e-11 if dtype == "float64" else 1e-5)
    assert result.centers.dtype == (np.float64 if dtype == "float64" else np.float32)
    for name, view in layouts(image).items():
        other = medfast.kmeans(view, 4, channel_axis=-1, init=start, tol=0)
        np.testing.assert_array_equal(other.labels, result.labels, err_msg=name)


def test_mask_leaves_vectors_out(level, rng):
    image = random_image(rng, (13, 17, 3), "uint8")
    mask = rng.random((13, 17)) < 0.5
    weights = rng.uniform(0, 1, (13, 17))
    result = medfast.kmeans(image, 3, channel_axis=2, mask=mask, sample_weight=weights, random_state=1)
    expected = medfast.kmeans(image[mask], 3, channel_axis=1, sample_weight=weights[mask], random_state=1)
    np.testing.assert_array_equal(result.labels[mask], expected.labels)
    assert (result.labels[~mask] == -1).all()
    assert result.inertia == expected.inertia


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_starts(rng, init):
    data = rng.normal(0, 1, (2000, 4))
    one = medfast.kmeans(data, 9, init=init, random_state=7)
    again = medfast.kmeans(data, 9, init=init, random_state=7)
    np.testing.assert_array_equal(one.labels, again.labels)
    other = medfast.kmeans(data, 9, init=init, random_state=8)
    assert not np.array_equal(one.centers, other.centers)
    generator = np.random.default_rng(7)
    np.testing.assert_array_equal(medfast.kmeans(data, 9, init=init, random_state=generator).labels, one.labels)
    assert medfast.kmeans(data, 9, init=init, random_state=7, n_init=8).inertia <= one.inertia
    assert medfast.kmeans(data, 9, init=init, random_state=np.random.RandomState(1)).inertia > 0


def test_plus_plus_finds_parted_blobs(rng):
    data, _ = blobs(rng, 600, 4, 6)
    data[:, 0] += 1000 * (np.arange(600) % 6)
    for seed in range(10):
        result = medfast.kmeans(data, 6, random_state=seed, max_iter=1)
        assert len(np.unique(result.labels[:6])) == 6


@hypothesis.given(
    data=hnp.arrays(
        np.float32, st.tuples(st.integers(3, 9), st.integers(1, 3)), elements=st.floats(-1e6, 1e6, width=32)
    ),
    seed=st.integers(0, 99),
)
def test_any_vectors_are_labelled_by_their_nearest_center(data, seed):
    result = medfast.kmeans(data, 3, random_state=seed)
    exact = data.astype(np.float64)
    distance = ((exact[:, None] - result.centers.astype(np.float64)) ** 2).sum(axis=2)
    own = np.take_along_axis(distance, result.labels[:, None].astype(np.intp), axis=1)[:, 0]
    scale = (exact**2).sum(axis=1) + (result.centers.astype(np.float64) ** 2).sum(axis=1).max()
    slack = 1e-6 * scale + 9 * np.finfo(np.float32).tiny  # squares of values under 1e-19 vanish in float32
    assert (own <= distance.min(axis=1) + slack).all()
    assert result.inertia == pytest.approx(own.sum(), rel=1e-4, abs=slack.sum())


def test_the_input_is_not_changed(level, rng):
    data, start = blobs(rng, 100, 3, 4)
    kept, kept_start = data.copy(), start.copy()
    medfast.kmeans(data, 4, init=start)
    np.testing.assert_array_equal(data, kept)
    np.testing.assert_array_equal(start, kept_start)


def test_overflow_is_no_crash(level):
    data = np.array([[3e38, -3e38], [-3e38, 3e38], [1.0, 1.0]], np.float32)
    assert medfast.kmeans(data, 2, random_state=0).labels.shape == (3,)
