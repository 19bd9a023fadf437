"""Known cases: the nearest ones, what a model keeps of them, and what it does not."""

import numpy as np
import pytest
from test_model_file import forge, npy

from images import smooth_image, stripes
from medfast import _kernels
from medfast._learning import cases, model_file
from medfast._learning.cache import hash_of
from medfast.pipeline import Model, ModelFileError

pytest.importorskip("sklearn")

from medfast._learning.page import usual


@pytest.fixture(scope="module")
def known():
    """A model of two classes, and its images."""
    images, labels = stripes(np.random.default_rng(8), 30)
    return Model(denoise=False, kernel="rbf").fit(images, labels), images, labels


def test_the_nearest_are_those_of_brute_force(known, rng):
    model, images, labels = known
    new = stripes(rng, 4)[0]
    features, others = model.features(images).astype(float), model.features(new).astype(float)
    for one, found in zip(others, model.similar(new, 7), strict=True):
        distances = np.sqrt(((features - one) ** 2).sum(axis=1))
        order = np.argsort(distances, kind="stable")[:7]
        assert [case.label for case in found] == [labels[i] for i in order]
        np.testing.assert_allclose([case.distance for case in found], distances[order], rtol=1e-12)
        for case, i in zip(found, order, strict=True):
            np.testing.assert_array_equal(case.picture, images[i])
            assert case.sha256 == hash_of(images[i]).hex()


def test_how_unusual_a_distance_is(known, rng):
    model, images, _ = known
    features = model.features(images).astype(float)
    distances = np.sqrt(((features[:, None] - features) ** 2).sum(axis=2)) + np.diag(np.full(30, np.inf))
    np.testing.assert_allclose(model.cases.gaps, np.sort(distances.min(axis=1)), rtol=1e-12)
    np.testing.assert_array_equal(np.sort(cases._gaps(model.cases.features)), model.cases.gaps)
    for case in model.similar(stripes(rng, 1)[0], 30)[0]:
        assert case.rarity == np.mean(distances.min(axis=1) < case.distance)
    checks = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((4, 4))) * 200  # neither lying nor standing
    (odd,) = model.similar([checks.astype(np.uint8)], 1)[0]
    assert odd.rarity == 1.0
    assert usual([odd]).endswith("Nothing known is much like this image.")
    assert not usual(model.similar(images[:1], 1)[0]).endswith("Nothing known is much like this image.")


def test_an_image_is_nearest_to_itself(known):
    model, images, labels = known
    for image, label, found in zip(images, labels, model.similar(images, 1), strict=True):
        (case,) = found
        assert (case.label, case.distance) == (label, 0.0)
        np.testing.assert_array_equal(case.picture, image)
    assert len(model.similar(images[:1], 100)[0]) == 30
    assert model.similar([]) == []


def test_equally_near_cases_come_in_their_order(rng):
    image = smooth_image(rng, (24, 24))
    images = np.stack([image, image.T, image, image])
    model = Model(denoise=False).fit(images, ["a", "b", "a", "b"])
    assert [case.label for case in model.similar([image], 3)[0]] == ["a", "a", "b"]


def test_pictures_are_small(rng):
    images = [smooth_image(rng, shape) for shape in ((300, 100), (40, 90), (64, 64), (200, 3000))]
    model = Model(denoise=False, size=32).fit(images, [0, 1, 0, 1])
    shapes = [case.picture.shape for image in images for case in model.similar([image], 1)[0]]
    assert shapes == [(64, 21), (28, 64), (64, 64), (4, 64)]


def test_what_is_kept_can_be_bounded(known, monkeypatch):
    _, images, labels = known
    some = Model(denoise=False).fit(images, labels, keep_cases=8)
    hashes = {row.tobytes() for row in some.cases.hashes}
    assert len(hashes) == 8 < len(some.hashes) == 30
    assert Model(denoise=False).fit(images, labels, keep_cases=8).cases.hashes.tobytes() == some.cases.hashes.tobytes()
    monkeypatch.setattr(cases, "MOST_BYTES", 2 * some.recipe.n_features * 5)
    assert len(Model(denoise=False).fit(images, labels).cases.codes) == 5
    none = Model(denoise=False).fit(images, labels, keep_cases=0)
    assert none.cases is None
    with pytest.raises(ValueError, match="the model keeps no known cases"):
        none.similar(images)
    with pytest.raises(ValueError, match="keep_cases must be >= 0, got -1"):
        Model().fit(images, labels, keep_cases=-1)
    with pytest.raises(ValueError, match="count must be >= 1, got 0"):
        some.similar(images, 0)


def test_a_file_keeps_them_and_the_machine(known, rng, tmp_path):
    model, images, labels = known
    model.save(tmp_path / "a.model")
    loaded = Model.load(tmp_path / "a.model")
    new = stripes(rng, 5)[0]
    np.testing.assert_array_equal(loaded.predict_proba(new), model.predict_proba(new))
    for ours, theirs in zip(loaded.similar(new), model.similar(new), strict=True):
        assert [case._replace(picture=0) for case in ours] == [case._replace(picture=0) for case in theirs]
        np.testing.assert_array_equal(ours[0].picture, theirs[0].picture)
    assert (loaded.gamma, loaded.threshold, loaded.versions) == (model.gamma, model.threshold, model.versions)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "a.model").read_bytes()
    assert loaded.evaluate(images, labels)["duplicates"]["count"] == 30


def test_the_gaussian_kernel_has_the_same_bits_for_any_batch(known, rng, n_threads):
    model = known[0]
    new = stripes(rng, 20)[0]
    together = model.predict_proba(new)
    np.testing.assert_array_equal(np.vstack([model.predict_proba(image[None]) for image in new]), together)


def test_the_gaussian_kernel_has_the_same_bits_at_every_level(known, rng, level):
    model, new = known[0], stripes(rng, 2)[0]
    found, near = model.predict_proba(new), [case.distance for case in model.similar(new[:1], 3)[0]]
    _kernels._activate(_kernels.LEVEL)
    np.testing.assert_array_equal(found, model.predict_proba(new))
    assert near == [case.distance for case in model.similar(new[:1], 3)[0]]


def test_no_name_is_in_a_model(rng, tmp_path):
    from PIL import Image

    images, labels = stripes(rng, 6)
    paths = [tmp_path / f"Doe_Jane_{i}.png" for i in range(6)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    Model(denoise=False).fit(paths, labels, groups=[f"P{i}-Doe" for i in range(6)]).save(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    assert b"Doe" not in content
    assert str(tmp_path).encode() not in content


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("case_codes", lambda a: a[:-1], "must have shape"),
        ("case_codes", lambda a: a + 2, "beyond its classes or pictures"),
        ("case_codes", lambda a: a - 1, "beyond its classes or pictures"),
        ("case_features", lambda a: a[:, 1:], "case_features must have shape"),
        ("case_features", lambda a: a.astype(np.float64), "case_features must have shape"),
        ("case_shapes", lambda a: a * 0, "beyond its classes or pictures"),
        ("case_shapes", lambda a: a + 1, "beyond its classes or pictures"),
        ("case_pictures", lambda a: a[:, 1:], "case_pictures must have shape"),
        ("case_hashes", lambda a: a[:, :8], "case_hashes must have shape"),
        ("case_gaps", lambda a: a[:-1], "case_gaps must have shape"),
        ("hashes", lambda a: a[:, :8], "hashes must have shape"),
        ("support", lambda a: a[1:], "coef must have shape"),
        ("support", lambda a: a[:, 1:], "support must have shape"),
        ("case_codes", lambda a: a.astype(">i4"), "has dtype '>i4', none of"),
    ],
)
def test_forged_cases(known, tmp_path, name, change, message):
    path = tmp_path / "model"
    known[0].save(path)
    with np.load(path) as arrays:
        changed = change(arrays[name])
    manifest = model_file.read(path)[0]
    manifest["arrays"][name] |= {"shape": list(changed.shape), "dtype": changed.dtype.str}
    forge(path, manifest=None, files={f"{name}.npy": npy(changed)}, described=manifest["arrays"])
    with pytest.raises(ModelFileError, match=message):
        Model.load(path)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"gamma": None}, "gamma must be a number"),
        ({"gamma": 0}, "gamma must be > 0"),
        ({"threshold": "high"}, "threshold must be a number"),
        ({"threshold": 1e400}, "threshold must be finite"),
        ({"options": {"kernel": "poly"}}, "kernel must be one of"),
    ],
)
def test_forged_machines(known, tmp_path, manifest, message):
    known[0].save(tmp_path / "model")
    forge(tmp_path / "model", manifest=manifest)
    with pytest.raises(ModelFileError, match=message):
        Model.load(tmp_path / "model")


def test_a_file_without_them_is_read(known, tmp_path):
    """What the first development versions wrote has neither hashes nor cases nor a threshold."""
    _, images, labels = known
    model = Model(denoise=False).fit(images, labels, keep_cases=0)
    manifest = {"options": {"denoise": False}, "size": model.size, "classes": list(model.classes), "n_train": 30}
    model_file.write(
        tmp_path / "old",
        {**manifest, "seed": 0, "validation": None},
        {"coef": model.coef, "intercept": model.intercept},
    )
    old = Model.load(tmp_path / "old")
    np.testing.assert_array_equal(old.predict_proba(images), model.predict_proba(images))
    assert "duplicates" not in old.evaluate(images, labels)
    with pytest.raises(ValueError, match="keeps no known cases"):
        old.similar(images)


def test_too_large_a_model_is_not_written(known, tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "MOST_BYTES", (1 << 20) + 1000)
    with pytest.raises(
        ValueError, match=r"a model file must have at most .* most of them in .*: choose a smaller size"
    ):
        known[0].save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
