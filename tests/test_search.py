"""What a search chooses, and who judges; features that are kept, and a run that goes on after it was killed."""

import os
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest

from images import stripes
from medfast import _parallel
from medfast._learning import cache as caches
from medfast._learning import recipes
from medfast._learning.cache import FeatureCache, hash_of
from medfast.pipeline import Model, Options, search

pytest.importorskip("sklearn")

from medfast._learning import search as searching

FAST = {"patch_size": 3, "search_size": 5}


@pytest.fixture
def faint(rng):
    """Stripes that noise hides from who does not denoise, in images of 24 by 24."""

    def draw(n):
        images, labels = stripes(rng, n, (24, 24))
        noisy = 128 + (images.astype(float) - 110) / 2.5 + rng.normal(0, 45, images.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8), np.array(labels)

    return draw


def chosen_of(found):
    return [one for one in found.tried if one.chosen]


def test_everything_is_chosen(faint):
    images, labels = faint(60)
    found = search(images, labels, validation=faint(60), **FAST)
    assert found.judge == "validation images"
    assert {name for one in found.tried for name in one.options} == {
        *("denoise", "h", "equalize", "size", "levels", "kernel", "C")
    }
    # three of denoising by three of equalisation, with each kernel; then two levels by two kernels by three penalties
    assert len(found.tried) == 18 + 12
    assert len(chosen_of(found)) == 2
    assert found.options.size == (24, 24)
    assert found.options.levels in (1, 2)
    for step in (found.tried[:18], found.tried[18:]):
        (winner,) = chosen_of(type(found)(found.options, step, ""))
        best = max(one.score for one in step)
        assert winner.score >= best - winner.error
        assert step[: step.index(winner)] == [one for one in step[: step.index(winner)] if one.score < best - one.error]


def test_the_order_of_the_lists_decides_where_nothing_else_does(rng):
    images, labels = stripes(rng, 40)
    found = search(images, labels, validation=stripes(rng, 20), **FAST)
    assert {one.score for one in found.tried} == {1.0}
    options = found.options
    assert (options.denoise, options.equalize, options.levels, options.kernel, options.C) == (
        *(False, "none", 1, "linear", 1.0),
    )
    other = search(
        images, labels, validation=stripes(rng, 20), candidates={"C": [7.0, 1.0], "kernel": ["rbf"]}, denoise=False
    ).options
    assert (other.kernel, other.C) == ("rbf", 7.0)


def test_what_is_given_stays(rng):
    images, labels = stripes(rng, 30)
    given = {
        "denoise": False,
        "equalize": "clahe",
        "size": (20, 28),
        "levels": 1,
        "kernel": "rbf",
        "C": 3.0,
        "gamma": 0.5,
    }
    found = search(images, labels, n_folds=2, orientations=6, **given)
    assert found.options == Options(orientations=6, **given)
    assert len(found.tried) == 1


def test_images_are_never_blown_up(rng):
    images = [rng.integers(0, 255, (70 + i % 3, 90 - i % 4), np.uint8) for i in range(20)]
    found = search(images, [0, 1] * 10, n_folds=2, denoise=False, equalize="none", C=1.0)
    assert {one.options["size"] for one in found.tried} == {(70, 87), (35, 43)}
    assert searching.sizes_for((62, 200)) == ((62, 200),)
    larger = search(images, [0, 1] * 10, n_folds=2, denoise=False, equalize="none", C=1.0, size=128)
    assert larger.options.size == (128, 128)


def test_the_score_is_that_of_a_model(faint):
    images, labels = faint(60)
    held_out = faint(40)
    found = search(images, labels, validation=held_out, denoise=False, equalize="hist")
    for one in found.tried[::3]:
        model = Model(**{**vars(found.options), **one.options}).fit(images, labels, validation=held_out)
        assert model.validation["auc"] == pytest.approx(one.score, abs=1e-12)  # calibration is monotonic


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_judge_without_validation_images(faint, grouped):
    images, labels = faint(48)
    groups = np.arange(48) // 2 % 8 if grouped else None
    found = search(images, labels, groups=groups, n_folds=4, denoise=False, equalize="none")
    assert found.judge == ("4 folds by group" if grouped else "4 folds")
    assert search(images, labels, groups=groups, n_folds=4, denoise=False, equalize="none") == found


def test_twins_flatter_folds_that_do_not_know_them(rng):
    images, labels = rng.integers(0, 255, (40, 24, 24), np.uint8), [0, 1] * 20
    twins, patients = np.concatenate([images, images]), np.tile(np.arange(40), 2)
    options = {"denoise": False, "equalize": "none", "kernel": "rbf", "C": 10.0, "levels": 1}
    blind = search(twins, labels * 2, **options).tried[0].score
    seeing = search(twins, labels * 2, groups=patients, **options).tried[0].score
    assert blind > 0.95
    assert seeing < 0.75


def test_validation_images_that_were_learnt_from_do_not_judge(faint):
    images, labels = faint(40)
    other, truth = faint(20)
    mixed = np.concatenate([other, images]), np.concatenate([truth, labels])
    options = {"denoise": False, "equalize": "none"}
    expected = search(images, labels, validation=(other, truth), **options)
    assert search(images, labels, validation=mixed, **options) == expected
    alone = search(images, labels, validation=(images[:10], labels[:10]), **options)
    assert alone.judge == "5 folds"  # nobody is left to judge
    one_class = other[truth == "lying"]
    assert search(images, labels, validation=(one_class, ["lying"] * len(one_class)), **options).judge == "5 folds"


def test_large_sets_are_sampled(faint, monkeypatch):
    monkeypatch.setattr(searching, "SAMPLE", 20)
    monkeypatch.setattr(searching, "MOST_IMAGES", 30)
    images, labels = faint(60)
    calls = []
    search(images, labels, validation=faint(60), progress=lambda *call: calls.append(call), **FAST)
    assert calls == sorted(calls)
    assert calls[-1] == (40 + 1 + 60 + 1,) * 2
    assert {total for _, total in calls} == {102}


def test_threads_do_not_matter_to_a_search(faint, monkeypatch):
    images, labels = faint(40)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(_parallel, "WORK_PER_THREAD", 1)
        monkeypatch.setattr(_parallel, "resolve", lambda num_threads=None, threads=threads: threads)
        found.append(search(images, labels, n_folds=3, denoise=False))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"candidates": {"sharpness": [1]}}, ValueError, "candidates must be options other than window and gamma, got"),
        ({"candidates": {"C": [1.0]}, "C": 2.0}, ValueError, "C must be either an option or a candidate, got both"),
        ({"candidates": {"C": []}}, ValueError, "candidates of C must be a sequence of at least one value"),
        ({"candidates": {"kernel": "rbf"}}, ValueError, "candidates of kernel must be a sequence"),
        ({"candidates": {"C": [1.0, -1.0]}}, ValueError, "C must be > 0, got -1"),
        ({"sharpness": 3}, TypeError, "sharpness"),
        ({"n_folds": 1}, ValueError, "n_folds must be >= 2"),
        ({"seed": -1}, ValueError, "seed must be >= 0"),
        ({"groups": [0] * 5}, ValueError, r"groups must have shape \(12,\)"),
        ({"groups": [0, 1] * 6}, ValueError, "at least 2 groups of each class to choose options by cross-validation"),
        ({"validation": ([], [])}, ValueError, "validation images must hold at least 1 image"),
        ({"progress": 3}, TypeError, "progress must be a callable"),
    ],
)
def test_searches_that_cannot_be(rng, arguments, error, message):
    images, labels = stripes(rng, 12, (16, 16))
    with pytest.raises(error, match=message):
        search(images, labels, **{"denoise": False, **arguments})


def test_one_class_cannot_be_searched():
    with pytest.raises(ValueError, match=r"labels must hold at least 2 classes, got \['a'\]"):
        search(np.zeros((4, 16, 16), np.uint8), ["a"] * 4)
    with pytest.raises(ValueError, match="at least 2 members of each class"):
        search(np.zeros((4, 16, 16), np.uint8), ["a", "a", "a", "b"], denoise=False)


# Features that are kept


@pytest.fixture
def counted(monkeypatch):
    """How many images were described."""
    described = []
    describe = recipes.describe
    monkeypatch.setattr(
        recipes, "describe", lambda images, *rest: described.append(len(images)) or describe(images, *rest)
    )
    return described


def test_what_is_kept_is_not_computed_again(rng, tmp_path, counted):
    images, labels = stripes(rng, 40)
    expected = Model(denoise=False).fit(images, labels)
    path = tmp_path / "features é.cache"
    for share, calls in ((30, 30), (40, 10), (40, 0)):
        counted.clear()
        with FeatureCache(path) as cache:
            model = Model(denoise=False).fit(images[:share], labels[:share], cache=cache)
        assert sum(counted) == calls
    np.testing.assert_array_equal(model.coef, expected.coef)
    np.testing.assert_array_equal(model.cases.features, expected.cases.features)
    np.testing.assert_array_equal(model.cases.pictures, expected.cases.pictures)
    np.testing.assert_array_equal(model.hashes, expected.hashes)
    counted.clear()
    with FeatureCache(path) as cache:
        Model(denoise=False, levels=1, C=3.0, kernel="rbf").fit(images, labels, cache=cache)  # the first of its levels
        assert sum(counted) == 0
        Model(denoise=False, equalize="none").fit(images, labels, cache=cache)
        assert sum(counted) == 40
        Model(denoise=False).fit(images + np.uint8(1), labels, cache=cache)
        assert sum(counted) == 80


def test_a_search_and_the_model_share_their_features(rng, counted):
    images, labels = stripes(rng, 40)
    with FeatureCache() as cache:
        found = search(images, labels, n_folds=2, denoise=False, equalize="hist", cache=cache)
        before = sum(counted)
        Model(**vars(found.options)).fit(images, labels, cache=cache)
        assert sum(counted) == before == 40


def test_a_killed_run_goes_on(tmp_path):
    """The process dies in the middle, without a chance to clean up; the next one computes the rest alone."""
    code = """
import os, sys
import numpy as np
from medfast._learning import cache, recipes
from medfast.pipeline import FeatureCache, Model
cache.COMMIT_SECONDS = 0.0
described, describe = [], recipes.describe
def counted(images, *rest):
    described.append(len(images))
    if sum(described) > int(sys.argv[2]):
        os._exit(9)
    return describe(images, *rest)
recipes.describe = counted
images = np.random.default_rng(1).integers(0, 255, (96, 16, 16), np.uint8)
with FeatureCache(sys.argv[1]) as cache:
    model = Model(denoise=False).fit(images, [0, 1] * 48, cache=cache, num_threads=1)
print(sum(described), model.coef.tobytes().hex()[:200])
"""

    def run(most):
        command = [sys.executable, "-c", code, str(tmp_path / "cache"), str(most)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    killed = run(50)
    assert killed.returncode == 9, killed.stderr
    after = run(1000)
    assert after.returncode == 0, after.stderr
    done, coef = after.stdout.split()
    assert 96 - 50 <= int(done) < 96 - 16  # but for the batch that was under way
    images = np.random.default_rng(1).integers(0, 255, (96, 16, 16), np.uint8)
    assert Model(denoise=False).fit(images, [0, 1] * 48).coef.tobytes().hex()[:200] == coef


def test_other_files_are_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_bytes(b"dear diary " * 200)
    with pytest.raises(ValueError, match=r"notes\.txt is no feature cache, or a damaged one .* delete it"):
        FeatureCache(text)
    assert text.read_bytes() == b"dear diary " * 200
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE bookmarks (address TEXT)")
    database.close()
    with pytest.raises(ValueError, match=r"other\.db is no feature cache: name another file"):
        FeatureCache(other)
    with pytest.raises(IsADirectoryError):
        FeatureCache(tmp_path)
    with pytest.raises(OSError, match="unable to open") as caught:
        FeatureCache(tmp_path / "none" / "cache")
    assert caught.value.filename == str(tmp_path / "none" / "cache")


def test_a_damaged_row_is_computed_again(rng, tmp_path, counted):
    images, labels = stripes(rng, 12)
    path = tmp_path / "cache"
    with FeatureCache(path) as cache:
        expected = Model(denoise=False).fit(images, labels, cache=cache)
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT key, data FROM features").fetchall()
        spoilt = [(data[:-1] + bytes([data[-1] ^ 1]), key) for key, data in rows[:3]]
        spoilt += [(data[:-2], key) for key, data in rows[3:5]]
        database.executemany("UPDATE features SET data = ? WHERE key = ?", spoilt)
    database.close()
    counted.clear()
    with FeatureCache(path) as cache:
        found = Model(denoise=False).fit(images, labels, cache=cache)
    assert sum(counted) == 5
    np.testing.assert_array_equal(found.coef, expected.coef)


def test_a_full_disk_is_an_error_with_the_file(rng, tmp_path):
    images, labels = stripes(rng, 12)
    path = tmp_path / "cache"
    cache = FeatureCache(path)
    cache._database.execute("PRAGMA max_page_count = 4")
    with pytest.raises(OSError, match="full") as caught:
        Model(denoise=False).fit(images, labels, cache=cache)
    cache._database.close()
    assert caught.value.filename == str(path)
    with FeatureCache(path) as cache:  # and the file is still one
        Model(denoise=False).fit(images, labels, cache=cache)


def test_threads_share_a_cache(rng):
    recipe = recipes.recipe_for(Options(), (16, 16))
    rows = rng.integers(0, 2**15, (64, recipe.n_features)).astype(np.uint16)
    hashes = [hash_of(row) for row in rows]
    with FeatureCache() as cache:

        def work(part):
            for i in range(part, 64, 4):
                cache.put([hashes[i]], recipe, [rows[i]])
                np.testing.assert_array_equal(cache.get([hashes[i]], recipe)[0], rows[i])

        threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert cache.hits == 64
        np.testing.assert_array_equal(cache.get(hashes, recipe), rows)


def test_hashes_are_those_of_what_is_seen(rng):
    image = rng.integers(0, 255, (6, 8), np.uint8)
    assert hash_of(image) == hash_of(np.asfortranarray(image)) == hash_of(image[::-1].copy()[::-1])
    different = [image, image.T, image.reshape(8, 6), image.astype(np.uint16), image.astype(np.int16), image[:0]]
    assert len({hash_of(one) for one in different}) == len(different)
    assert hash_of(image.astype(">u2")) == hash_of(image.astype("<u2"))


def test_no_patient_is_in_a_cache(rng, tmp_path):
    from PIL import Image

    images, labels = stripes(rng, 6)
    paths = [tmp_path / f"Doe_Jane_{i}.png" for i in range(6)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    with FeatureCache(tmp_path / "cache") as cache:
        Model(denoise=False).fit(paths, labels, cache=cache)
    assert b"Doe" not in (tmp_path / "cache").read_bytes()
    assert os.path.getsize(tmp_path / "cache") > 1000
    assert caches.APPLICATION.to_bytes(4, "big") in (tmp_path / "cache").read_bytes()[:100]
