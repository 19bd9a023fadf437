"""The scikit-learn estimators: scikit-learn's own checks, and the three forms that a batch of images comes in."""

import numpy as np
import pytest

import medfast
from images import random_image, smooth_image, stripes

sklearn_base = pytest.importorskip("sklearn.base")

from sklearn.datasets import load_digits  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.svm import SVC  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from medfast._learning import kernel, svm  # noqa: E402
from medfast.pipeline import Model  # noqa: E402
from medfast.sklearn import (  # noqa: E402
    HOG,
    SVM,
    Denoiser,
    Equalizer,
    LinearSVM,
    Resizer,
    Segmenter,
    make_classifier,
)

# Parameters that suit the checks' data, which are of any length and often a handful of pixels.
CHECKED = {
    "Denoiser": Denoiser(),
    "Denoiser-h": Denoiser(h=0.5, patch_size=3, search_size=5),
    "Equalizer": Equalizer(),
    "Equalizer-clahe": Equalizer("clahe", tile_grid=(1, 2)),
    "Equalizer-grid": Equalizer("clahe", tile_grid=None),
    "Resizer": Resizer((4, 3)),
    "Resizer-auto": Resizer(None, interpolation="auto"),
    "Segmenter": Segmenter(2),
    "HOG": HOG(cell=(1, 1), block=(1, 1)),
    "HOG-auto": HOG(cell=None, block=(1, 1), levels=None, feature_step=2.0**-15),
    "LinearSVM": LinearSVM(),
    "SVM-rbf": SVM(kernel="rbf"),
}

# Each with the function of one image that it stands for.
TRANSFORMERS = {
    "Denoiser": (
        Denoiser(h=12, patch_size=3, search_size=7),
        lambda image: medfast.denoise_nl_means(image, 12, patch_size=3, search_size=7),
    ),
    "Denoiser-auto": (
        Denoiser(patch_size=3, search_size=7),
        lambda image: medfast.denoise_nl_means(image, patch_size=3, search_size=7),
    ),
    "Equalizer": (Equalizer(), medfast.equalize_hist),
    "Equalizer-clahe": (
        Equalizer("clahe", clip_limit=3.0, tile_grid=(2, 3)),
        lambda image: medfast.clahe(image, 3.0, (2, 3)),
    ),
    "Resizer": (Resizer((9, 14)), lambda image: medfast.resize(image, (9, 14), interpolation="area")),
    "Segmenter": (Segmenter(3), lambda image: medfast.segment(image, 3).astype(image.dtype)),
    "HOG": (
        HOG(8, cell=(4, 4), block=(1, 2), norm="l2", signed=True, levels=2),
        lambda image: medfast.hog(image, orientations=8, cell=(4, 4), block=(1, 2), norm="l2", signed=True, levels=2),
    ),
}


@pytest.fixture(params=TRANSFORMERS)
def transformer(request):
    """A transformer, and the function of one image that it applies."""
    estimator, function = TRANSFORMERS[request.param]
    return sklearn_base.clone(estimator), function


@pytest.mark.parametrize("name", CHECKED)
def test_scikit_learns_own_checks(name):
    results = check_estimator(CHECKED[name], on_fail=None, on_skip=None)
    failures = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert not failures
    # with inputs of the wrong kind declared, scikit-learn would run none and call it a success
    assert sum(result["status"] == "passed" for result in results) > 40


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_a_stack_is_its_images_one_by_one(rng, transformer, dtype):
    estimator, function = transformer
    images = np.stack([smooth_image(rng, (16, 20), dtype) for _ in range(3)])
    before = images.copy()
    result = estimator.fit_transform(images)
    expected = np.stack([function(image) for image in images])
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(images, before)


def test_flattened_images(rng, transformer):
    estimator, function = transformer
    images = np.stack([smooth_image(rng, (16, 20)) for _ in range(3)])
    flat = images.reshape(3, -1)
    result = estimator.set_params(image_shape=(16, 20)).fit(flat).transform(flat)
    np.testing.assert_array_equal(result, np.stack([function(image) for image in images]).reshape(3, -1))
    assert len(estimator.get_feature_names_out()) == result.shape[1]


def test_flattened_squares_need_no_shape(rng, transformer):
    estimator, function = transformer
    image = smooth_image(rng, (16, 16))
    result = estimator.fit_transform(image.reshape(1, -1))
    np.testing.assert_array_equal(result, function(image).reshape(1, -1))


def test_lists_of_images(rng, transformer):
    estimator, function = transformer
    same_size = isinstance(estimator, HOG)
    images = [smooth_image(rng, shape) for shape in ((16, 20), (16, 20) if same_size else (24, 17))]
    result = estimator.fit_transform(images)
    for image, one in zip(images, result, strict=True):
        np.testing.assert_array_equal(one, function(image))


def test_resizer_makes_a_stack_of_a_list(rng):
    result = Resizer((8, 8)).fit_transform([smooth_image(rng, (10, 30)), smooth_image(rng, (5, 5))])
    assert isinstance(result, np.ndarray)
    assert result.shape == (2, 8, 8)


def test_lists_that_no_stack_can_hold(rng):
    with pytest.raises(ValueError, match=r"one shape here, got \(16, 16\), \(16, 24\)"):
        HOG().fit([np.zeros((16, 16), np.uint8), np.zeros((16, 24), np.uint8)])
    with pytest.raises(ValueError, match="one dtype here, got uint16, uint8"):
        Resizer((8, 8)).fit_transform([np.zeros((16, 16), np.uint8), np.zeros((16, 24), np.uint16)])


def test_threads_do_not_matter(rng, transformer, n_threads):
    estimator, function = transformer
    images = np.stack([smooth_image(rng, (16, 20)) for _ in range(7)])
    np.testing.assert_array_equal(estimator.transform(images), np.stack([function(image) for image in images]))


def test_read_only_memmaps(rng, transformer, tmp_path):
    estimator, function = transformer
    images = np.stack([smooth_image(rng, (16, 16)) for _ in range(3)])
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(estimator.fit_transform(mapped), np.stack([function(image) for image in images]))
    flat = mapped.reshape(3, -1)
    assert not flat.flags.writeable
    np.testing.assert_array_equal(
        estimator.fit_transform(flat), np.stack([function(image) for image in images]).reshape(3, -1)
    )


def test_read_only_memmaps_of_joblib(rng):
    joblib = pytest.importorskip("joblib")
    images = np.stack([smooth_image(rng, (16, 16)) for _ in range(3)])
    chosen = [sklearn_base.clone(estimator) for estimator, _ in TRANSFORMERS.values()]
    workers = joblib.Parallel(n_jobs=2, max_nbytes=1)  # every array goes as a memmap
    found = workers(joblib.delayed(_fit_transform)(estimator, images) for estimator in chosen)
    for (result, was_mapped), (_, function) in zip(found, TRANSFORMERS.values(), strict=True):
        assert was_mapped
        np.testing.assert_array_equal(result, np.stack([function(image) for image in images]))


def _fit_transform(estimator, images):
    return estimator.fit_transform(images), isinstance(images, np.memmap) and not images.flags.writeable


def test_big_endian_keeps_its_depth(rng, transformer):
    estimator, function = transformer
    images = np.stack([smooth_image(rng, (16, 16), "uint16") for _ in range(2)])
    result = estimator.fit_transform(images.astype(">u2"))
    np.testing.assert_array_equal(result, np.stack([function(image) for image in images]))


def test_other_dtypes_become_float64(rng):
    images = random_image(rng, (2, 9, 9), "uint8")
    result = Resizer((3, 3)).fit_transform(images.astype(np.int64))
    np.testing.assert_array_equal(result, Resizer((3, 3)).fit_transform(images.astype(np.float64)))


def test_set_output(rng, transformer):
    pd = pytest.importorskip("pandas")
    estimator, _ = transformer
    flat = smooth_image(rng, (3, 256)).astype(np.float32)
    plain = estimator.fit_transform(flat)
    frame = estimator.set_output(transform="pandas").fit_transform(flat)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(estimator.get_feature_names_out())
    np.testing.assert_array_equal(frame.to_numpy(), plain)


@pytest.mark.parametrize("cls", [Denoiser, Equalizer, Resizer, Segmenter, HOG, LinearSVM, SVM])
def test_nothing_happens_before_fit(cls):
    nonsense = dict.fromkeys(cls().get_params(), object())
    estimator = cls(**nonsense)
    assert all(estimator.get_params()[name] is value for name, value in nonsense.items())
    with pytest.raises((TypeError, ValueError)):
        estimator.fit(np.zeros((4, 16)), [0, 0, 1, 1]).transform(np.zeros((4, 16)))


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Resizer((4, 4), image_shape=(3, 5)), r"X must have 15 columns for image_shape \(3, 5\), got 16"),
        (Equalizer("both"), "method must be one of 'hist', 'clahe', got 'both'"),
        (Segmenter(0), "n_classes must be >= 1, got 0"),
        (Resizer((4, 0)), r"shape\[1\] must be >= 1, got 0"),
        (HOG(cell=(8, 8)), "block"),
    ],
)
def test_errors(estimator, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit_transform(np.zeros((2, 16), np.uint8))


def test_fit_then_other_size():
    resizer = Resizer((4, 4)).fit(np.zeros((2, 16)))
    with pytest.raises(ValueError, match="X has 25 features, but Resizer is expecting 16 features"):
        resizer.transform(np.zeros((2, 25)))


def test_fit_then_a_stack_of_other_size(rng):
    large, small = smooth_image(rng, (3, 30, 30)), smooth_image(rng, (3, 20, 20))
    hog = HOG(cell=(4, 4)).fit(large)
    for images in (small, small.reshape(3, -1)):
        with pytest.raises(ValueError, match="X has 400 features, but HOG is expecting 900 features as input"):
            hog.transform(images)
    for images in (large.reshape(3, 20, 45), list(small)):  # as many pixels, and a list, whose sizes nothing tells
        with pytest.raises(ValueError, match="images of X must give 1296 features as in fit, got"):
            hog.transform(images)
    assert hog.fit(small).transform(small).shape == (3, len(hog.get_feature_names_out()))
    with pytest.raises(ValueError, match="X has 900 features, but Denoiser is expecting 400 features as input"):
        Denoiser().fit(small).transform(large)


def test_what_follows_from_the_images(rng):
    images = [smooth_image(rng, shape) for shape in ((40, 30), (28, 45))]
    resizer = Resizer(None, interpolation="auto")
    with pytest.raises(NotFittedError):
        resizer.transform(images)
    assert resizer.fit_transform(images).shape == (2, 28, 30)
    assert len(resizer.get_feature_names_out()) == 28 * 30
    equalizer = Equalizer("clahe", tile_grid=None)
    with pytest.raises(NotFittedError):
        equalizer.transform(images)
    np.testing.assert_array_equal(equalizer.fit_transform(images)[0], medfast.clahe(images[0], 2.0, (2, 2)))
    stack = smooth_image(rng, (2, 24, 24))
    np.testing.assert_array_equal(
        HOG(cell=None, levels=None).fit_transform(stack), medfast.hog(stack, cell=(4, 4), levels=2)
    )
    with pytest.raises(ValueError, match="image must hold one block of 16 x 16 pixels"):
        HOG(levels=None).fit(stack[:, :10])


def test_resizer_auto_is_area_only_where_nothing_grows(rng):
    images = smooth_image(rng, (1, 30, 20))
    for shape, interpolation in (((15, 20), "area"), ((48, 48), "linear"), ((15, 21), "linear"), ((31, 20), "linear")):
        found = Resizer(shape, interpolation="auto").fit_transform(images)
        np.testing.assert_array_equal(found[0], medfast.resize(images[0], shape, interpolation=interpolation))


def test_segmenter_spread():
    image = np.array([[[10, 100, 200]]], np.uint8)
    np.testing.assert_array_equal(Segmenter(3, spread=True).fit_transform(image), [[[0, 128, 255]]])


def test_make_classifier_on_digits():
    digits = load_digits()
    flat, labels = digits.data[:600], digits.target[:600]
    classifier = make_classifier(denoise=False, equalize="none", size=16)
    assert cross_val_score(classifier, flat * 16, labels, cv=3).mean() > 0.92


def test_make_classifier_takes_images_of_different_sizes(rng):
    shapes = [(24 + i % 5, 30 - i % 7) for i in range(24)]
    images = [smooth_image(rng, shape, noise=2) for shape in shapes]
    images[12:] = [np.ascontiguousarray(image[:, ::-1].T) for image in images[12:]]
    labels = ["upright"] * 12 + ["lying"] * 12
    classifier = make_classifier(size=16, segment=4).fit(images[::2], labels[::2])
    assert classifier.score(images[1::2], labels[1::2]) == 1.0
    assert classifier.named_steps["hog"].levels == 2


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((24, 24), {}),
        ((24, 24), {"equalize": "clahe", "segment": 3}),
        ((30, 30), {"size": 48}),
        ((30, 30), {"size": (20, 40), "equalize": "clahe"}),
        ((40, 16), {}),
        ((40, 16), {"equalize": "clahe", "cell": 2, "class_weight": "none", "C": 0.1}),
        ((270, 300), {"denoise": False, "levels": 1}),
    ],
)
def test_make_classifier_has_the_steps_of_the_model(rng, shape, options):
    images, labels = stripes(rng, 12, shape)
    options = {"search_size": 5, "patch_size": 3, **options}
    model = Model(seed=3, **options).fit(images, labels)
    classifier = make_classifier(seed=3, **options).fit(images, labels)
    np.testing.assert_array_equal(classifier[:-1].transform(images), model.features(images))
    np.testing.assert_array_equal(classifier.predict_proba(images), model.predict_proba(images))


def test_make_classifier_has_the_steps_of_the_model_for_images_of_any_size(rng):
    images = [stripes(rng, 2, (24 + i % 5, 40 - i % 7))[0][i % 2] for i in range(12)]
    model = Model(equalize="clahe", denoise=False).fit(images, [0, 1] * 6)
    classifier = make_classifier(equalize="clahe", denoise=False).fit(images, [0, 1] * 6)
    np.testing.assert_array_equal(classifier[:-1].transform(images), model.features(images))
    np.testing.assert_array_equal(classifier.predict_proba(images), model.predict_proba(images))


def test_make_classifier_refuses_what_it_has_no_step_for():
    with pytest.raises(ValueError, match="window must be None"):
        make_classifier(window=(40, 400))


@pytest.fixture
def clouds(rng):
    """Two overlapping clouds of points, the second one rare."""
    labels = np.repeat([0, 1], [150, 50])
    return rng.normal(0, 1, (200, 5)) + 1.5 * labels[:, None], labels


def test_linear_svm_is_the_machine_of_scikit_learn(clouds):
    X, y = clouds
    ours, theirs = LinearSVM().fit(X, y), SVC(kernel="linear", C=1.0, class_weight="balanced").fit(X, y)
    scale = np.linalg.norm(ours.coef_) / np.linalg.norm(theirs.coef_)
    np.testing.assert_allclose(ours.coef_, theirs.coef_ * scale, rtol=1e-6)


def test_linear_svm_without_the_gram_matrix(clouds, monkeypatch):
    X, y = clouds
    expected = LinearSVM().fit(X, y)
    monkeypatch.setattr(svm, "MOST_GRAM", 10)
    found = LinearSVM().fit(X, y)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6)
    np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=1e-6)


def test_products_in_blocks(rng, monkeypatch):
    X = rng.integers(0, 2**15, (30, 50)).astype(np.float32) / 2**15
    expected = np.array([[sum(float(a) * float(b) for a, b in zip(x, z, strict=True)) for z in X] for x in X])
    monkeypatch.setattr(kernel, "BLOCK_FEATURES", 7)
    np.testing.assert_array_equal(kernel.products(X), expected)
    np.testing.assert_array_equal(kernel.products(X[:4], X[2:]), expected[:4, 2:])
    np.testing.assert_array_equal(kernel.squares(X), np.diag(expected))


def test_linear_svm_is_calibrated(rng):
    labels = rng.integers(0, 2, 3000)
    X = rng.normal(0, 1, (3000, 1)) + labels[:, None]
    svm = LinearSVM(class_weight=None).fit(X[:1500], labels[:1500])
    # two normal distributions of variance 1 around 0 and 1: the logit is x - 1/2
    assert svm.coef_[0, 0] == pytest.approx(1.0, abs=0.2)
    assert svm.intercept_[0] == pytest.approx(-0.5, abs=0.15)
    probability = svm.predict_proba(X[1500:])[:, 1]
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8)):
        inside = (probability > low) & (probability < high)
        assert labels[1500:][inside].mean() == pytest.approx((low + high) / 2, abs=0.1)


def test_sigmoid_is_the_optimum(rng):
    from scipy.optimize import minimize

    decision = rng.normal(0, 2, 80)
    positive = decision + rng.normal(0, 2, 80) > 0.5
    weights = rng.uniform(0.5, 2, 80)
    n_positive, n_negative = weights[positive].sum(), weights[~positive].sum()
    targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def loss(parameters):
        p = 1 / (1 + np.exp(-(parameters[0] * decision + parameters[1])))
        return -(weights * (targets * np.log(p) + (1 - targets) * np.log(1 - p))).sum()

    expected = minimize(loss, [0.5, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    np.testing.assert_allclose(svm.fit_sigmoid(decision, positive, weights), expected, rtol=1e-5)


def test_sigmoid_of_values_that_mislead(rng):
    decision = rng.normal(0, 1, 50)
    assert svm.fit_sigmoid(decision, decision < 0, np.ones(50)) == (1.0, 0.0)
    assert svm.fit_sigmoid(np.zeros(4), np.array([True, False] * 2), np.ones(4)) == (1.0, 0.0)


def test_linear_svm_with_one_member_in_a_class(rng):
    X = np.vstack([rng.normal(0, 1, (20, 3)), [[9.0, 9.0, 9.0]]])
    svm = LinearSVM().fit(X, ["many"] * 20 + ["one"])
    assert list(svm.predict([[0, 0, 0], [9, 9, 9]])) == ["many", "one"]


def test_linear_svm_decides_as_its_probabilities(rng):
    y = rng.integers(0, 4, 200)
    X = rng.normal(0, 1, (200, 6)) + np.eye(4, 6)[y] * 2
    svm = LinearSVM().fit(X, y)
    probability = svm.predict_proba(X)
    np.testing.assert_array_equal(svm.predict(X), probability.argmax(axis=1))
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, rtol=1e-15)
    assert svm.decision_function(X).shape == (200, 4)
