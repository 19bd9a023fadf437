"""The report on a model: intervals, curves, what HOG saw, and pages of images that leave figures undefined."""

import re

import numpy as np
import pytest

from images import smooth_image, stripes
from medfast._learning import judging, probability, recipes
from medfast.pipeline import Model, Options

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
pytest.importorskip("PIL")

from medfast._learning.page import Intervals, model_report, similar_report
from medfast._learning.source import Images
from medfast._learning.strokes import SIDE, hog_picture
from medfast._learning.training import codes_of


def page_of(model, images, labels, **options):
    source = Images(images)
    judged = judging.judge(model, source, codes_of(labels, len(images), model.classes), None, None)
    page = model_report(model, judged, source, title="A page", lead="A lead.", **options).to_html()
    return re.sub(r"data:image/png;base64,[^\"]*", "picture", page)


def test_intervals_hold_the_truth_as_often_as_they_say(rng):
    held = {"accuracy": 0, "auc": 0}
    for _ in range(40):
        codes = rng.integers(0, 2, 150)
        decision = (rng.normal(0, 1, 150) + 2.0 * codes - 1.0)[:, None]
        intervals = Intervals(codes, decision, 0.0, 2, None)
        for name, truth in (("accuracy", 0.8413), ("auc", 0.9214)):  # Φ(1) and Φ(√2) of two unit normals 2 apart
            low, high = map(float, re.findall(r"\d\.\d+", intervals.of(name, 0.5))[1:])
            held[name] += low <= truth <= high
    assert min(held.values()) >= 34


def test_intervals_of_groups_are_wider(rng):
    codes = rng.integers(0, 2, 40)
    decision = rng.normal(0, 1, 40) + codes
    alone = Intervals(codes, decision[:, None], 0.0, 2, None).samples["accuracy"].std()
    many = np.repeat(codes, 9), np.repeat(decision, 9)[:, None]
    grouped = Intervals(*many, 0.0, 2, np.repeat(np.arange(40), 9)).samples["accuracy"].std()
    blind = Intervals(*many, 0.0, 2, None).samples["accuracy"].std()
    assert grouped == pytest.approx(alone, rel=0.15)
    assert grouped > 2 * blind


def test_intervals_are_those_of_scipy(rng):
    from scipy.stats import bootstrap

    codes = rng.integers(0, 2, 120)
    decision = rng.normal(0, 1, 120) + codes
    right = (decision > 0) == (codes == 1)
    theirs = bootstrap((right.astype(float),), np.mean, method="percentile", n_resamples=4000, random_state=rng)
    found = np.percentile(Intervals(codes, decision[:, None], 0.0, 2, None).samples["accuracy"], (2.5, 97.5))
    np.testing.assert_allclose(found, theirs.confidence_interval, atol=0.015)


def test_a_page_of_ten_classes(digits):
    model, images, truth = digits
    page = page_of(model, list(images[:200]), truth[:200])
    assert "For each class against the rest." in page
    wrong = int((model.predict(images[:200]) != truth[:200]).sum())
    assert f"{min(wrong, 12)} of {wrong} mistakes" in page
    report = model.evaluate(images[:200], truth[:200])
    assert f"{report['auc']:.3f} [" in page
    assert "is said from a probability" not in page


def test_a_page_without_mistakes_and_one_of_a_single_class(trained):
    model, images, labels = trained
    page = page_of(model, images, labels)
    assert "There are none." in page
    assert "standing is said from a probability of 0.500 on." in page
    lying = [image for image, label in zip(images, labels, strict=True) if label == "lying"]
    page = page_of(model, lying, ["lying"] * len(lying))
    assert "There are no curves of images of a single class." in page
    assert "undefined" in page
    assert "nan" not in page


def test_a_page_of_images_that_are_known(rng):
    images, labels = stripes(rng, 24)
    model = Model(denoise=False).fit(images, labels)
    other, truth = stripes(rng, 8)
    page = page_of(model, np.concatenate([images[:3], other]), labels[:3] + truth)
    assert "3 of 11 images are, byte for byte, among those that the model learnt from. They are left out" in page
    assert "<b>8</b>" in page
    assert "There are no others: these figures say nothing of new images." in page_of(model, images, labels)


def test_labels_are_escaped(rng):
    images, labels = stripes(rng, 12)
    labels = ["<b>lying</b>" if label == "lying" else label for label in labels]
    model = Model(denoise=False).fit(images, labels)
    page = page_of(model, images, labels)
    assert "<b>lying" not in page
    assert "&lt;b&gt;lying" in page
    similar = similar_report(model, Images(images[:1]), model.similar(images[:1], 2), title="Similar").to_html()
    assert "<b>lying" not in similar


@pytest.mark.parametrize("angle", [10, 50, 90, 130, 170])
def test_strokes_lie_along_edges(angle):
    """Waves whose crests run at an angle, from the columns downwards."""
    y, x = np.mgrid[:32, :32]
    direction = np.deg2rad(angle)
    waves = 128 + 100 * np.sin((x * -np.sin(direction) + y * np.cos(direction)) * 0.7)
    picture = hog_picture(waves.astype(np.uint8), recipes.recipe_for(Options(), (32, 32)))
    assert picture.shape == (4 * SIDE, 4 * SIDE)
    cell = picture[SIDE : 2 * SIDE, SIDE : 2 * SIDE].astype(float)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    moments = np.array([[(cell**4 * a * b).sum() for a in (x, y)] for b in (x, y)])
    found = np.linalg.eigh(moments)[1][:, 1]  # the axis along which it is bright
    assert abs(found @ [np.cos(direction), np.sin(direction)]) > np.cos(np.deg2rad(16))


def test_strokes_of_any_size(rng):
    for shape in ((12, 12), (9, 23), (40, 17)):
        recipe = recipes.recipe_for(Options(orientations=5), shape)
        picture = hog_picture(smooth_image(rng, shape), recipe)
        assert picture.shape == (shape[0] // recipe.cell * SIDE, shape[1] // recipe.cell * SIDE)
        assert picture.max() == 255
    assert not hog_picture(np.zeros((16, 16), np.uint8), recipes.recipe_for(Options(), (16, 16))).any()


def test_figures_of_a_report_are_those_of_the_samples(rng):
    codes = rng.integers(0, 3, 60)
    decision = rng.normal(0, 1, (60, 3)) + 2 * np.eye(3)[codes]
    once = np.ones((1, 60))
    confusion = probability.confusions(codes, decision.argmax(axis=1), 3, once)
    found = [value[0] for value in probability.figures(codes, decision, confusion, once)]
    report = probability.report(codes, decision, [0, 1, 2])
    assert found == [report["accuracy"], report["balanced_accuracy"], report["auc"]]
