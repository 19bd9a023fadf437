"""The machine with the Gaussian kernel, its calibration by group, the threshold, and searches of scikit-learn."""

import math
import pickle

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from images import stripes

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.svm import SVC

from medfast._learning import kernel, machines, probability, recipes, svm
from medfast.sklearn import SVM, Equalizer, make_classifier, search_classifier


@pytest.fixture
def rings(rng):
    """Points around a centre and points on a ring about them, which no line parts; features as HOG's, in 0…1."""
    angle, radius = rng.uniform(0, 2 * np.pi, 160), np.repeat([0.1, 0.35], [120, 40]) + rng.normal(0, 0.02, 160)
    points = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (np.rint(points * 2**15) / 2**15).astype(np.float32), np.repeat(["inside", "outside"], [120, 40])


@hypothesis.given(st.floats(0, 30))
def test_the_exponential(value):
    found = kernel.gaussian(np.zeros((1, 1)), np.array([value]), np.zeros(1), 1.0)[0, 0]
    assert found == pytest.approx(math.exp(-value), abs=0.51 * kernel.KERNEL_STEP)
    assert (found / kernel.KERNEL_STEP).is_integer()


def test_doubtful_values_are_made_without_the_exponential_of_numpy(monkeypatch, rng):
    values = rng.uniform(0, 19, (1, 200_000))
    plain = kernel._exponential(values[0])
    np.testing.assert_allclose(plain, np.exp(-values[0]), rtol=2**-49)
    found = kernel.gaussian(-values / 2, np.zeros(1), np.zeros(200_000), 1.0)
    np.testing.assert_array_equal(found[0], np.rint(plain * 2**26) / 2**26)
    exact = np.exp
    monkeypatch.setattr(kernel.np, "exp", lambda x: exact(x) * (1 + rng.uniform(-4, 4, x.shape) * 2**-52))
    np.testing.assert_array_equal(kernel.gaussian(-values / 2, np.zeros(1), np.zeros(200_000), 1.0), found)


def test_a_machine_of_some_samples_is_that_of_a_machine_without_the_others(rng):
    X = rng.normal(0, 1, (80, 5))
    positive, weights, gram = X[:, 0] + rng.normal(0, 1, 80) > 0.5, rng.uniform(0.5, 2, 80), X @ X.T
    train = np.sort(rng.permutation(80)[:50])
    found = machines.fit(gram, train, positive, weights, 1.0)
    svc = SVC(kernel="linear").fit(X[train], positive[train], sample_weight=weights[train])
    np.testing.assert_allclose(found.values(gram, np.arange(80)), svc.decision_function(X), atol=2e-3)
    assert set(found.support) <= set(train)


def test_the_kernel_of_a_sample_with_itself_is_one(rings):
    X = rings[0]
    lengths = kernel.squares(X)
    found = kernel.gaussian(kernel.products(X), lengths, lengths, 3.0)
    np.testing.assert_array_equal(np.diag(found), 1.0)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(found[:5], kernel.gaussian_of(X[:5], X, 3.0))


def test_the_width_of_the_kernel_is_that_of_scikit_learn(rng):
    X = rng.random((30, 40)).astype(np.float32)
    assert kernel.default_gamma(X) == pytest.approx(1 / (40 * X.var()), rel=5e-3)
    assert kernel.default_gamma(np.full((3, 4), 0.25, np.float32)) == 1.0


@pytest.mark.parametrize("few", [False, True], ids=["gram", "no gram"])
def test_rbf_is_the_machine_of_scikit_learn(rings, monkeypatch, few):
    X, y = rings
    if few:
        monkeypatch.setattr(svm, "MOST_GRAM", 10)
    ours = SVM(3.0, kernel="rbf", gamma=8.0).fit(X, y)
    theirs = SVC(kernel="rbf", C=3.0, gamma=8.0, class_weight="balanced").fit(X, y)
    values, expected = ours.decision_function(X), theirs.decision_function(X)
    slope = np.polyfit(expected, values, 1)  # the calibration is a line
    np.testing.assert_allclose(values, np.polyval(slope, expected), atol=2e-3 * abs(values).max())
    assert ours.score(X, y) == 1.0
    assert SVM().fit(X, y).score(X, y) < 0.9


def test_rbf_of_several_classes(rng):
    y = rng.integers(0, 3, 150)
    X = (rng.normal(0, 1, (150, 4)) + 2.5 * np.eye(3, 4)[y]).astype(np.float32)
    found = SVM(kernel="rbf").fit(X, y)
    assert found.score(X, y) > 0.8
    assert found.dual_coef_.shape == (3, len(found.support_vectors_))
    np.testing.assert_array_equal(found.predict(X), found.predict_proba(X).argmax(axis=1))


def test_sums_of_the_gaussian_kernel_are_exact(rings, rng):
    X, y = rings
    found = SVM(kernel="rbf", feature_step=recipes.FEATURE_STEP).fit(X, y)
    expected = found.decision_function(X)
    order = rng.permutation(len(found.support_vectors_))  # another order of summation
    found.support_vectors_, found.dual_coef_ = found.support_vectors_[order], found.dual_coef_[:, order]
    np.testing.assert_array_equal(found.decision_function(X), expected)


def test_class_weights(rings):
    X, y = rings
    plain = SVM(class_weight=None).fit(X, y).predict_proba(X)[:, 1].mean()
    heavy = SVM(class_weight={"inside": 1.0, "outside": 3.0}).fit(X, y).predict_proba(X)[:, 1].mean()
    assert heavy > plain + 0.1
    np.testing.assert_allclose(
        heavy, SVM().fit(X, y).predict_proba(X)[:, 1].mean(), atol=0.02
    )  # 3 is what balanced gives


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kernel": "poly"}, "kernel must be one of 'linear', 'rbf', got 'poly'"),
        ({"C": 0}, "C must be > 0, got 0"),
        ({"kernel": "rbf", "gamma": -1}, "gamma must be > 0, got -1"),
        ({"n_folds": 1}, "n_folds must be >= 2, got 1"),
    ],
)
def test_parameters_are_checked(rings, parameters, message):
    with pytest.raises(ValueError, match=message):
        SVM(**parameters).fit(*rings)


def test_no_group_is_on_both_sides_of_a_fold(rng):
    codes, groups = np.repeat([0, 1], 30), np.arange(60) // 3
    parts = machines.folds(codes, 5, 0, groups)
    assert len(parts) == 5
    assert np.array_equal(np.sort(np.concatenate([test for _, test in parts])), np.arange(60))
    for train, test in parts:
        assert not set(groups[train]) & set(groups[test])
    assert machines.folds(codes, 5, 0, codes) == []  # a group per class leaves none to learn from
    assert len(machines.folds(codes, 5, 0, np.repeat(np.arange(4), 15))) == 2


def test_calibration_by_group_sees_through_twins(rng):
    """Two copies of each sample make a machine look sure of what it has only seen before."""
    X = rng.normal(0, 1, (60, 40))
    labels = (X[:, :3].sum(axis=1) + rng.normal(0, 1, 60) > 0).astype(int)
    twins, y, groups = np.vstack([X, X]), np.concatenate([labels, labels]), np.tile(np.arange(60), 2)
    fooled, careful = SVM().fit(twins, y), SVM().fit(twins, y, groups=groups)
    sure = [np.abs(one.predict_proba(X) - 0.5).mean() for one in (fooled, careful)]
    assert sure[0] > 1.2 * sure[1]
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SVM().fit(twins, y, groups=groups[:5])


def test_threshold_is_the_best_balanced_accuracy_where_that_is_sure(rng):
    truth = np.repeat([0, 1], [300, 100])
    decision = rng.normal(0, 1, 400) + np.where(truth == 1, 5.0, 1.0)  # badly calibrated: the best cut is 3
    threshold = probability.best_threshold(truth, decision[:, None])
    assert threshold == pytest.approx(3.0, abs=0.5)
    best = max(balanced_accuracy_score(truth, decision > cut) for cut in decision)
    assert balanced_accuracy_score(truth, decision > threshold) > best - 0.01
    assert threshold not in decision


def test_threshold_stays_where_nothing_speaks_against_it(rng):
    truth = np.repeat([0, 1], [300, 100])
    decision = rng.normal(0, 1, 400) + np.where(truth == 1, 1.5, -1.5)
    assert abs(probability.best_threshold(truth, decision[:, None])) < 0.2
    assert probability.best_threshold(truth, np.sign(decision)[:, None]) == 0.0
    assert probability.best_threshold(truth[:300], decision[:300, None]) == 0.0
    assert probability.best_threshold(np.empty(0, int), np.empty((0, 1))) == 0.0
    assert probability.best_threshold(np.array([0, 1]), np.array([[2.0], [2.0]])) == 0.0


@hypothesis.given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_areas_of_weighted_images_are_those_of_repeated_ones(cases):
    positive = np.array([case[0] for case in cases])
    score, weights = np.array([float(case[1]) for case in cases]), np.array([case[2] for case in cases])
    found = probability.areas(positive, score, weights[None].astype(float))[0]
    repeated = np.repeat(np.arange(len(cases)), weights)
    pairs = [(a, b) for a in score[repeated][positive[repeated]] for b in score[repeated][~positive[repeated]]]
    if pairs:
        assert found == pytest.approx(sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs), rel=1e-12)
    else:
        assert np.isnan(found)


def test_groups_are_drawn_whole(rng):
    groups = np.array([7, 7, 3, 3, 3, 9])
    weights = probability.resamplings(6, 50, 0, groups)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 2], weights[:, 4])
    assert (weights[:, [0, 2, 5]].sum(axis=1) == 3).all()
    assert (probability.resamplings(6, 50, 0).sum(axis=1) == 6).all()


# Pipelines of scikit-learn


@pytest.fixture
def striped(rng):
    images, labels = stripes(rng, 36, (24, 24))
    return images, np.array(labels), np.arange(36) // 2 % 9


def test_search_by_group_with_progress(striped):
    images, labels, patients = striped
    calls = []
    classifier = make_classifier(denoise=False, kernel="rbf")
    grid = {"svm__C": [0.5, 2.0], "equalize": [Equalizer(), "passthrough"]}
    found = search_classifier(
        classifier, grid, images, labels, groups=patients, cv=3, progress=lambda *call: calls.append(call)
    )
    assert calls == [(i + 1, 12) for i in range(12)]
    assert found.best_score_ > 0.95
    assert found.best_estimator_.score(images, labels) > 0.95
    assert found.best_estimator_.memory is None
    assert classifier.named_steps["svm"].C == 1.0
    for train, test in found.cv.split(images, labels, patients):
        assert not set(patients[train]) & set(patients[test])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).predict(images), found.predict(images))


def test_search_computes_features_once(striped, monkeypatch):
    images, labels, _ = striped
    counted = []
    from medfast import sklearn as public

    describe = public.HOG._describe
    monkeypatch.setattr(public.HOG, "_describe", lambda self, X: counted.append(len(X)) or describe(self, X))
    search_classifier(
        make_classifier(denoise=False, equalize="none"), {"svm__C": [0.1, 1.0, 10.0]}, images, labels, cv=2
    )
    # of each fold and of the whole once to fit, its first image to know the length, and the tests of each penalty
    assert sorted(count for count in counted if count > 1) == [18] * (2 + 2 * 3) + [36]


def test_threshold_of_a_pipeline(striped):
    images, labels, patients = striped
    classifier = make_classifier(denoise=False, threshold="balanced_accuracy")
    machine = classifier.fit(images, labels).named_steps["svm"]
    assert isinstance(machine, TunedThresholdClassifierCV)
    assert machine.best_score_ > 0.9
    assert classifier.score(images, labels) > 0.9
    with pytest.raises(ValueError, match="must end in a machine that takes groups in fit, such as SVM, got Tuned"):
        search_classifier(classifier, {"svm__estimator__C": [1.0]}, images, labels, groups=patients)


def test_groups_and_isotonic_calibration_of_a_pipeline(striped):
    images, labels, patients = striped
    classifier = make_classifier(denoise=False).fit(images, labels, svm__groups=patients)
    assert classifier.score(images, labels) > 0.95
    isotonic = CalibratedClassifierCV(clone(classifier), method="isotonic", cv=3).fit(images, labels)
    assert isotonic.score(images, labels) > 0.9


def test_memory_of_a_pipeline(striped, tmp_path):
    images, labels, _ = striped
    first = make_classifier(denoise=False, memory=str(tmp_path)).fit(images, labels)
    assert any(tmp_path.rglob("*.pkl"))
    again = make_classifier(denoise=False, memory=str(tmp_path), C=5.0).fit(images, labels)
    assert first.named_steps["svm"].C == 1.0
    assert again.score(images, labels) > 0.95
