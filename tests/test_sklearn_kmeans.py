"""KMeans as an estimator: against scikit-learn's, its own checks and its own test file."""

import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn import cluster
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import medfast
from medfast.sklearn import KMeans

WEIGHTS_ARE_NOT_REPETITIONS = "random starts draw other samples: scikit-learn's own KMeans fails here, too"


def test_scikit_learns_own_checks():
    expected = {
        f"check_sample_weight_equivalence_on_{kind}_data": WEIGHTS_ARE_NOT_REPETITIONS for kind in ("dense", "sparse")
    }
    results = check_estimator(KMeans(3), expected_failed_checks=expected, on_fail=None, on_skip=None)
    failures = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert not failures
    assert sum(result["status"] == "passed" for result in results) > 50


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("init", ["k-means++", "random", "given", "callable"])
@pytest.mark.parametrize("weighted", [False, True])
def test_same_random_state_same_clusters(level, rng, dtype, init, weighted):
    centers = rng.uniform(-50, 50, (6, 5))
    X = (centers[np.arange(900) % 6] + rng.normal(0, 1, (900, 5))).astype(dtype)
    weights = rng.uniform(0.5, 2, 900) if weighted else None
    if init == "given":
        init = X[:6].copy()
    elif init == "callable":
        init = lambda X, n_clusters, random_state: X[random_state.permutation(len(X))[:n_clusters]]  # noqa: E731
    arguments = {"init": init, "random_state": 5, "n_init": 1 if isinstance(init, np.ndarray) else 3}
    ours = KMeans(6, **arguments).fit(X, sample_weight=weights)
    theirs = cluster.KMeans(6, **arguments).fit(X, sample_weight=weights)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    rel = 1e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=rel, atol=rel)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=rel)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.cluster_centers_.dtype == theirs.cluster_centers_.dtype
    assert ours.labels_.dtype == theirs.labels_.dtype
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-4 if dtype == "float32" else 1e-10)
    assert ours.score(X, sample_weight=weights) == pytest.approx(theirs.score(X, sample_weight=weights), rel=rel)
    np.testing.assert_array_equal(ours.get_feature_names_out(), [f"kmeans{i}" for i in range(6)])


def test_parameters_are_those_of_scikit_learn():
    ours, theirs = KMeans().get_params(), cluster.KMeans().get_params()
    assert ours.pop("num_threads") is None
    assert ours == theirs


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_one_feature_is_the_optimum_batch_by_batch(level, rng, dtype):
    values = rng.integers(0, 200, 3000).astype(dtype)
    expected = medfast.kmeans(values, 5)
    whole = KMeans(5).fit(values[:, None])
    np.testing.assert_array_equal(whole.labels_, expected.labels)
    np.testing.assert_array_equal(whole.cluster_centers_[:, 0], expected.centers)
    assert whole.inertia_ == expected.inertia
    np.testing.assert_array_equal(whole.predict(values[:, None]), expected.labels)
    parts = KMeans(5)
    for batch in np.array_split(values, 7):
        parts.partial_fit(batch[:, None])
    np.testing.assert_array_equal(parts.cluster_centers_, whole.cluster_centers_)
    assert parts.inertia_ == whole.inertia_
    assert parts.n_iter_ == 7
    refitted = parts.fit(values[:100, None])
    np.testing.assert_array_equal(refitted.labels_, medfast.kmeans(values[:100], 5).labels)


def test_batches_of_vectors_are_means_as_they_come(level, rng):
    X = rng.normal(0, 3, (1000, 4))
    start = X[:5].copy()
    ours = KMeans(5, init=start)
    theirs = cluster.MiniBatchKMeans(5, init=start, n_init=1, reassignment_ratio=0.0)
    for batch in np.array_split(X, 10):
        ours.partial_fit(batch)
        theirs.partial_fit(batch)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-10)


def test_sparse_data_are_dense_data(rng):
    sparse = pytest.importorskip("scipy.sparse")
    X = rng.normal(0, 1, (200, 6))
    X[X < 0.5] = 0
    dense, found = KMeans(4, random_state=0).fit(X), KMeans(4, random_state=0).fit(sparse.csr_matrix(X))
    np.testing.assert_array_equal(found.labels_, dense.labels_)
    np.testing.assert_array_equal(found.predict(sparse.csr_array(X)), dense.labels_)


def test_data_are_not_changed(rng):
    X = rng.normal(0, 1, (50, 2))
    kept = X.copy()
    KMeans(3, copy_x=False, random_state=0).fit(X)
    np.testing.assert_array_equal(X, kept)
    assert np.shares_memory(KMeans(3)._read(X, reset=True), X)


def test_what_is_printed(rng, capsys):
    X = rng.normal(0, 1, (500, 2))
    KMeans(3, random_state=0, verbose=1, tol=0).fit(X)
    printed = capsys.readouterr().out
    assert re.search(r"Initialization complete\nIteration 0, inertia \d", printed)
    assert "strict convergence" in printed
    KMeans(3, random_state=0, verbose=1, tol=1e-2).fit(X)
    assert re.search(r"center shift .* within tolerance", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("error", "message", "parameters", "X"),
    [
        (ValueError, "n_clusters must be >= 1, got 0", {"n_clusters": 0}, np.eye(4)),
        (ValueError, "n_samples=4 should be >= n_clusters=8", {}, np.eye(4)),
        (ValueError, "init must be one of", {"init": "pca"}, np.eye(9)),
        (ValueError, "does not match the number of features", {"init": np.ones((8, 2))}, np.eye(9)),
        (ValueError, "does not match the number of clusters", {"init": np.ones((7, 9))}, np.eye(9)),
        (ValueError, "n_init must be one of", {"n_init": "warn"}, np.eye(9)),
        (ValueError, "n_init must be >= 1", {"n_init": 0}, np.eye(9)),
        (ValueError, "max_iter must be >= 1", {"max_iter": 0}, np.eye(9)),
        (ValueError, "tol must be >= 0", {"tol": -1.0}, np.eye(9)),
        (ValueError, "algorithm must be one of", {"algorithm": "full"}, np.eye(9)),
        (ValueError, "num_threads must be >= 1", {"num_threads": 0}, np.eye(9)),
        (ValueError, "Input X contains NaN", {}, np.full((9, 2), np.nan)),
    ],
)  # fmt: skip
def test_errors_name_the_bad_argument(error, message, parameters, X):
    with pytest.raises(error, match=message):
        KMeans(**parameters).fit(X)
    with pytest.raises(error, match=message):
        KMeans(**parameters).partial_fit(X)


def test_what_else_is_refused(rng):
    X = rng.normal(0, 1, (20, 2))
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        KMeans(2).fit(X, sample_weight=-np.ones(20))
    with pytest.raises(ValueError, match="sample_weight must have a weight above zero"):
        KMeans(2).fit(X, sample_weight=np.zeros(20))
    with pytest.raises(NotFittedError):
        KMeans(2).predict(X)
    with pytest.warns(ConvergenceWarning, match="Number of distinct clusters"):
        KMeans(3, random_state=0).fit(np.ones((5, 2)))
    with pytest.warns(RuntimeWarning, match="performing only one init"):
        KMeans(2, init=X[:2], n_init=5).fit(X)
    with pytest.warns(RuntimeWarning, match="doesn't make sense for a single"):
        KMeans(1, algorithm="elkan").fit(X)
    assert clone(KMeans(2, num_threads=1)).num_threads == 1


PLUGIN = """
import sklearn.cluster, sklearn.cluster._kmeans
from medfast.sklearn import KMeans
sklearn.cluster.KMeans = sklearn.cluster._kmeans.KMeans = KMeans
"""
# They call a method of scikit-learn's own class that is not part of its interface: `_init_centroids`.
PRIVATE = {"test_sample_weight_init", "test_sample_weight_zero"}


@pytest.mark.slow
def test_scikit_learns_own_tests(tmp_path):
    (tmp_path / "kmeans_plugin.py").write_text(PLUGIN)
    command = [sys.executable, "-m", "pytest", "-q", "--pyargs", "sklearn.cluster.tests.test_k_means"]
    command += ["-p", "kmeans_plugin", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    code = f"import sys, pytest; sys.path[:0] = {[str(tmp_path), *sys.path]!r}; sys.exit(pytest.main({command[3:]!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    failed = set(re.findall(r"^FAILED .*?::(\w+)", done.stdout, re.MULTILINE))
    assert failed <= PRIVATE, done.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 250, done.stdout[-3000:]
