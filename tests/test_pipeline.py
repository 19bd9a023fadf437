"""The whole pipeline: what a model sees, learns, predicts and reports."""

import fractions
import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import medfast
from images import smooth_image, stripes
from medfast import _kernels
from medfast._learning import joint, probability, recipes
from medfast.pipeline import Model, Options

pytest.importorskip("sklearn")


def test_two_classes(trained):
    model, images, labels = trained
    assert model.classes == ("lying", "standing")
    assert model.size == (32, 32)
    assert model.n_train == 40
    report = model.evaluate(images, labels)
    assert report == {
        "accuracy": 1.0,
        "balanced_accuracy": 1.0,
        "auc": 1.0,
        "confusion_matrix": [[10, 0], [0, 10]],
        "classes": ["lying", "standing"],
    }
    assert list(model.predict(images)) == labels


def test_ten_classes(digits):
    model, images, truth = digits
    report = model.evaluate(images, truth)
    assert report["accuracy"] > 0.93
    assert report["auc"] > 0.99
    assert report["classes"] == list(range(10))
    json.dumps(report)


def test_report_is_that_of_scikit_learn(digits):
    from sklearn import metrics

    model, images, truth = digits
    probability, predicted = model.predict_proba(images), model.predict(images)
    report = model.evaluate(images, truth)
    assert report["accuracy"] == metrics.accuracy_score(truth, predicted)
    assert report["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, predicted), rel=1e-14)
    assert report["auc"] == pytest.approx(metrics.roc_auc_score(truth, probability, multi_class="ovr"), rel=1e-14)
    assert report["confusion_matrix"] == metrics.confusion_matrix(truth, predicted).tolist()


@hypothesis.given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), max_size=30))
def test_report_of_two_classes(cases):
    truth = np.array([case[0] for case in cases], np.intp)
    decision = np.array([[float(case[1])] for case in cases]).reshape(-1, 1)
    report = probability.report(truth, decision, ["no", "yes"])
    pairs = [(a, b) for t, a in cases if t for u, b in cases if not u]
    expected = sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs) if pairs else None
    assert report["auc"] == (None if expected is None else pytest.approx(expected, rel=1e-12))
    right = [(value > 0) == is_yes for is_yes, value in cases]
    assert report["accuracy"] == (sum(right) / len(right) if cases else None)
    recalls = [
        np.mean([ok for ok, (t, _) in zip(right, cases, strict=True) if t is which])
        for which in (False, True)
        if any(t is which for t, _ in cases)
    ]
    assert report["balanced_accuracy"] == (pytest.approx(np.mean(recalls), rel=1e-12) if recalls else None)


def test_probabilities(trained, digits):
    for model, images, _ in (trained, digits):
        probability = model.predict_proba(images)
        assert probability.shape == (len(images), len(model.classes))
        assert probability.min() >= 0
        np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-15)
        np.testing.assert_array_equal(np.array(model.classes)[probability.argmax(axis=1)], model.predict(images))


def test_probabilities_at_the_extremes():
    two = probability.to_probabilities(np.array([[-1e4], [0.0], [1e4]]))
    np.testing.assert_array_equal(two, [[1, 0], [0.5, 0.5], [0, 1]])
    three = probability.to_probabilities(np.array([[-1e4, -1e4, -1e4], [1e4, -1e4, 0.0]]))
    np.testing.assert_allclose(three, [[1 / 3, 1 / 3, 1 / 3], [2 / 3, 0, 1 / 3]], rtol=1e-15)


def test_bits_depend_neither_on_the_batch_nor_on_threads(trained, digits, n_threads):
    for model, images, _ in (trained, digits):
        images = images[:20]
        together = model.predict_proba(images)
        for i, image in enumerate(images):
            np.testing.assert_array_equal(model.predict_proba([image])[0], together[i])
        np.testing.assert_array_equal(model.predict_proba(images, num_threads=1), together)


def test_bits_do_not_depend_on_the_level(trained, level):
    model, images, _ = trained
    found = model.predict_proba(images[:2])
    _kernels._activate(_kernels.LEVEL)
    np.testing.assert_array_equal(found, model.predict_proba(images[:2]))


def test_sums_are_exact(digits):
    model, images, _ = digits
    features = model.features(images[:3])
    assert features.min() >= 0
    assert features.max() <= 1
    np.testing.assert_array_equal(features * 2**15, np.rint(features * 2**15))
    sums = features.astype(np.float64) @ model.coef.T
    for row, found in zip(features, sums, strict=True):
        for weights, total in zip(model.coef, found, strict=True):
            pairs = zip(row.tolist(), weights.tolist(), strict=True)
            assert fractions.Fraction(total) == sum(fractions.Fraction(x) * fractions.Fraction(w) for x, w in pairs)


def test_training_is_deterministic(trained, n_threads):
    rng = np.random.default_rng(5)
    again = Model(patch_size=3, search_size=7).fit(*stripes(rng, 40))
    np.testing.assert_array_equal(again.coef, trained[0].coef)
    np.testing.assert_array_equal(again.intercept, trained[0].intercept)


def test_features_are_the_steps_in_order(trained):
    model, images, _ = trained
    image = medfast.denoise_nl_means(images[0], None, patch_size=3, search_size=7)
    image = medfast.equalize_hist(image)
    expected = medfast.hog(image, cell=(8, 8), levels=2)
    np.testing.assert_allclose(model.features(images[:1])[0], expected, rtol=0, atol=2.0**-16)


@pytest.mark.parametrize(("patch", "search"), [(7, 21), (3, 5), (5, 1)])
def test_images_denoised_together_are_those_denoised_alone(rng, level, patch, search):
    shapes = [(12, 16)] * 3 + [(16, 20)] * 2 + [(5, 130), (9, 14), (1, 20), (1, 20), (6, 13), (6, 13), (3, 14), (3, 14)]
    images = {i: smooth_image(rng, shape) for i, shape in enumerate(shapes)}
    options = Options(h=9.0, patch_size=patch, search_size=search)
    done = {i: {} for i in images}
    joint.denoise(images, done, options, 1)
    joined = [i for i in images if done[i]]
    assert set(joined) == {
        i for i, shape in enumerate(shapes) if shapes.count(shape) > 1 and shape[1] > (patch + search) // 2 - 1
    }
    for i in joined:
        expected = medfast.denoise_nl_means(images[i], 9.0, patch_size=patch, search_size=search)
        np.testing.assert_array_equal(done[i][recipes.denoising(options)], expected)
    model = Model(h=9.0, patch_size=patch, search_size=search).fit(*stripes(rng, 20, (24, 24)))
    new = stripes(rng, 6, (24, 24))[0]
    np.testing.assert_array_equal(model.features(new), np.vstack([model.features(image[None]) for image in new]))


def test_every_step_is_optional(rng):
    images, labels = stripes(rng, 16)
    seen = set()
    for options in (
        {"denoise": False},
        {"equalize": "none", "denoise": False},
        {"equalize": "clahe", "denoise": False},
        {"segment": 3, "denoise": False},
        {"size": 24, "denoise": False},
        {"size": (40, 48), "denoise": False},
        {"levels": 1, "cell": 4, "orientations": 5, "denoise": False},
        {"h": 20, "search_size": 5},
    ):
        model = Model(**options).fit(images, labels)
        assert model.evaluate(images, labels)["accuracy"] == 1.0
        seen.add(model.features(images[:1]).tobytes())
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("shapes", "size"),
    [([(28, 28)], (28, 28)), ([(30, 300), (40, 280)], (30, 256)), ([(300, 300), (256, 400)], (256, 256))],
)
def test_size_is_the_target_or_the_smallest_image(rng, shapes, size):
    images = [stripes(rng, 2, shapes[i % len(shapes)])[0][i % 2] for i in range(8)]
    model = Model(denoise=False).fit(images, [0, 1] * 4)
    assert model.size == size
    assert model.predict([rng.integers(0, 255, (50, 60), np.uint8)]).shape == (1,)  # blown up or shrunk to that size


@pytest.mark.parametrize("wide", [False, True])
def test_one_small_image_is_told(rng, wide):
    images = [rng.integers(0, 255, (64, 300) if wide else (300, 64), np.uint8) for _ in range(6)]
    images[4] = images[4][:20, :20]
    size = "64x256" if wide else "256x64"
    message = rf"resized to 20x20 for the sake of the smallest, images\[4\] of 20x20 pixels; the median .* {size}\."
    with pytest.warns(UserWarning, match=message) as told:
        model = Model(denoise=False).fit(images, [0, 1] * 3)
    assert model.size == (20, 20)
    assert told[0].filename == __file__
    assert Model(denoise=False, size=20).fit(images, [0, 1] * 3).size == (20, 20)  # asked for, so nothing to tell
    images[4] = rng.integers(0, 255, (128, 32), np.uint8).reshape((32, 128) if wide else (128, 32))
    assert Model(denoise=False).fit(images, [0, 1] * 3).size == ((32, 128) if wide else (128, 32))  # just half


def test_five_levels_at_256():
    recipe = recipes.recipe_for(Options(), (256, 256))
    assert (recipe.levels, recipe.cell) == (5, 8)
    images = np.zeros((1, 256, 256), np.uint8)
    assert recipes.describe(images, recipe).shape == (1, recipe.n_features)
    with pytest.raises(ValueError, match="levels of images of 256x256 pixels in cells of 8 must be <= 5, got 6"):
        recipes.recipe_for(Options(levels=6), (256, 256))
    with pytest.raises(
        ValueError, match="levels of images of 1x9 pixels in cells of 1 that hold a block must be >= 1, got 0"
    ):
        recipes.recipe_for(Options(), (1, 9))


@pytest.mark.parametrize("size", [(2, 2), (7, 9), (12, 12), (28, 28), (33, 47), (64, 200), (255, 256)])
def test_number_of_features(size):
    recipe = recipes.recipe_for(Options(), size)
    assert recipes.describe(np.zeros((2, *size), np.uint8), recipe).shape == (2, recipe.n_features)


def test_colour_is_weighted(rng):
    colour = rng.integers(0, 256, (9, 7, 4), np.uint8)
    exact = colour[:, :, :3] @ np.array([0.299, 0.587, 0.114])
    gray = recipes.gray8(colour, None, "image")
    assert np.abs(gray - exact).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(recipes.gray8(colour[:, :, :3], None, "image"), gray)
    np.testing.assert_array_equal(recipes.gray8(colour[:, :, :1], None, "image"), colour[:, :, 0])


@pytest.mark.opencv
def test_colour_is_that_of_opencv(rng):
    cv2 = pytest.importorskip("cv2")
    colour = rng.integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(recipes.gray8(colour, None, "image"), cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY))


def test_eight_bits():
    levels = np.array([[-1000, -160, 40, 140, 240, 2000]], np.int16)
    np.testing.assert_array_equal(recipes.gray8(levels, (40, 400), "image"), [[0, 0, 128, 191, 255, 255]])
    ramp = np.arange(1001, dtype=np.uint16).reshape(1, -1) * 10
    stretched = recipes.gray8(ramp, None, "image")[0]
    assert stretched[5] == 0
    assert stretched[995] == 255
    assert stretched[500] == 128
    np.testing.assert_array_equal(recipes.gray8(ramp / 2.0**20, None, "image")[0], stretched)
    assert not recipes.gray8(np.full((2, 2), 7.5), None, "image").any()
    kept = np.array([[3, 200]], np.uint8)
    assert recipes.gray8(kept, None, "image") is kept


def test_deeper_images_give_the_same_model(rng):
    images, labels = stripes(rng, 20)
    images[:, 0, :] = 0
    images[:, -1, :] = 255  # more than half a percent: the stretch is from 0 to 255
    expected = Model(denoise=False).fit(images, labels).coef
    found = Model(denoise=False).fit(images.astype(np.uint16) * 257, labels).coef
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((4, 4)), ValueError, r"images must be a stack \(n, rows, columns\) or a list of images, got shape"),
        (7, TypeError, "images must be arrays or paths, got int"),
        ([np.zeros((16, 16), np.uint8)] * 3 + [np.full((16, 16), np.nan)], ValueError, r"images\[3\] must be finite"),
        (
            [np.zeros((16, 16), np.uint8)] * 3 + [np.zeros((16, 16), np.int64)],
            TypeError,
            r"images\[3\] must have dtype",
        ),
        ([np.zeros((16, 16, 5), np.uint8)] * 4, ValueError, r"images\[0\] must be 2-D, or \(rows, columns, 3 or 4\)"),
        ([np.zeros((16, 16), np.uint8)] * 3, ValueError, r"labels must have shape \(3,\), one per image, got \(4,\)"),
        (
            [np.zeros((1, 16), np.uint8)] * 4,
            ValueError,
            "levels of images of 1x16 pixels in cells of 1 that hold a block must be >= 1, got 0",
        ),
    ],
)
def test_images_that_no_model_learns_from(images, error, message):
    with pytest.raises(error, match=message):
        Model(denoise=False).fit(images, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([1, 1], ValueError, r"labels must hold at least 2 classes, got \[1\]"),
        ([0.5, 1.5], TypeError, "labels must be strings or integers, got dtype float64"),
        ([[0], [1]], ValueError, r"labels must have shape \(2,\), one per image, got \(2, 1\)"),
        ([], ValueError, r"labels must have shape \(2,\), one per image, got \(0,\)"),
        ("ab", ValueError, r"labels must have shape \(2,\), one per image, got \(\)"),
        (5, ValueError, r"labels must have shape \(2,\), one per image, got \(\)"),
        (None, TypeError, "labels must be strings or integers, got dtype object"),
        (["a", 1], TypeError, "labels must be all strings or all integers, got integers and strings"),
        ([0, True], TypeError, "labels must be all strings or all integers, got bool and integers"),
        (["a", b"b"], TypeError, "labels must be all strings or all integers, got bytes and strings"),
        (np.array(["a", 1], object), TypeError, "labels must be strings or integers, got dtype object"),
    ],
)
def test_labels_that_no_model_learns(labels, error, message):
    with pytest.raises(error, match=message):
        Model(denoise=False).fit(np.zeros((2, 16, 16), np.uint8), labels)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"denoise": "no"}, TypeError, "denoise must be True or False, got 'no'"),
        ({"h": 0}, ValueError, "h must be > 0, got 0"),
        ({"patch_size": 4}, ValueError, "patch_size must be odd, got 4"),
        ({"equalize": "more"}, ValueError, "equalize must be one of 'none', 'hist', 'clahe', got 'more'"),
        ({"size": 0}, ValueError, r"size\[0\] must be >= 1, got 0"),
        ({"size": (1, 2, 3)}, ValueError, "size must be two integers"),
        ({"segment": 256}, ValueError, "segment must be <= 255, got 256"),
        ({"window": 40}, ValueError, r"window must be two numbers \(center, width\), got 40"),
        ({"window": (40, 0)}, ValueError, r"window\[1\] must be > 0, got 0"),
        ({"C": -1.0}, ValueError, "C must be > 0, got -1"),
        ({"class_weight": None}, TypeError, "class_weight must be a string, got None"),
        ({"unknown": 1}, TypeError, "unknown"),
        ({"seed": -1}, ValueError, "seed must be >= 0, got -1"),
    ],
)
def test_options_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        Model(**options)


def test_a_label_that_the_model_does_not_know(trained):
    model, images, _ = trained
    with pytest.raises(ValueError, match=r"labels must be among \['lying', 'standing'\], got falling"):
        model.evaluate(images[:2], ["lying", "falling"])


def test_a_model_that_has_not_learnt():
    model = Model()
    for method, *arguments in ((model.predict, []), (model.evaluate, [], []), (model.save, "x"), (model.features, [])):
        with pytest.raises(ValueError, match="not trained"):
            method(*arguments)


def test_no_images(trained):
    model = trained[0]
    assert model.predict([]).shape == (0,)
    assert model.predict_proba([]).shape == (0, 2)
    with pytest.raises(ValueError, match="images must hold at least 1 image, got none"):
        model.evaluate([], np.array([], int))


def test_progress(rng, tmp_path):
    images, labels = stripes(rng, 30)
    calls = []
    model = Model(denoise=False).fit(
        images, labels, validation=(images[:6], labels[:6]), progress=lambda done, total: calls.append((done, total))
    )
    assert calls == sorted(calls)
    assert calls[-1] == (37, 37)  # each training image, the fit, each validation image
    assert {total for _, total in calls} == {37}
    calls.clear()
    model.predict(images, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (30, 30)
    with pytest.raises(TypeError, match="progress must be a callable"):
        model.predict(images, progress=1)


def test_a_model_learns_anew(rng):
    small, large = stripes(rng, 12, (24, 24)), stripes(rng, 12, (40, 40))
    model = Model(denoise=False).fit(*small).fit(*large)
    assert model.size == (40, 40)
    np.testing.assert_array_equal(model.coef, Model(denoise=False).fit(*large).coef)


def test_nothing_to_learn_from(trained):
    images = np.zeros((0, 16, 16), np.uint8)
    for nothing in ([], images):
        with pytest.raises(ValueError, match=r"labels must hold at least 2 classes, got \[\]"):
            Model().fit(nothing, [])
        with pytest.raises(ValueError, match="images must hold at least 1 image, got none"):
            trained[0].evaluate(nothing, [])
        assert trained[0].predict(nothing).shape == (0,)
    with pytest.raises(ValueError, match="validation images must hold at least 1 image, got none"):
        Model(denoise=False).fit(*trained[1:], validation=([], []))


@pytest.mark.parametrize(
    ("validation", "error", "got"),
    [
        (np.zeros((2, 16, 16), np.uint8), TypeError, "ndarray"),
        ([np.zeros((16, 16), np.uint8)] * 2, TypeError, "list"),
        (([], [], []), ValueError, "3 entries"),
    ],
)
def test_validation_is_images_and_labels(trained, validation, error, got):
    with pytest.raises(error, match=f"validation must be a tuple of images and labels, got {got}"):
        Model(denoise=False).fit(*trained[1:], validation=validation)


def test_validation_teaches_nothing(trained, rng):
    images, labels = stripes(np.random.default_rng(5), 40)
    other, truth = stripes(rng, 10)
    model = Model(patch_size=3, search_size=7).fit(images, labels, validation=(other, truth))
    np.testing.assert_array_equal(model.coef, trained[0].coef)
    assert model.validation == model.evaluate(other, truth)
    assert trained[0].validation is None


# Folders
