"""Model files: the same bits again, and nothing else is let in."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import medfast
from medfast._learning import model_file
from medfast.pipeline import Model, ModelFileError, ModelVersionError

pytest.importorskip("sklearn")


@pytest.fixture
def saved(trained, tmp_path):
    path = tmp_path / "a.model"
    trained[0].save(path)
    return path


def test_a_saved_model_predicts_the_same_bits(trained, digits, tmp_path):
    for model, images, truth in (trained, digits):
        model.save(tmp_path / "model")
        loaded = Model.load(str(tmp_path / "model"))
        np.testing.assert_array_equal(loaded.predict_proba(images), model.predict_proba(images))
        np.testing.assert_array_equal(loaded.predict(images), model.predict(images))
        assert loaded.evaluate(images, truth) == model.evaluate(images, truth)
        for name in ("options", "recipe", "classes", "n_train", "validation", "seed"):
            assert getattr(loaded, name) == getattr(model, name)
        assert repr(loaded) == repr(model)


def test_predicting_needs_no_scikit_learn(saved, trained, tmp_path):
    model, images, _ = trained
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import numpy as np; from medfast.pipeline import Model\n"
        f"print(Model.load({str(saved)!r}).predict_proba(np.load({str(tmp_path / 'images.npy')!r})).tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert bytes.fromhex(done.stdout.strip()) == model.predict_proba(images).tobytes()


def test_training_without_scikit_learn_names_the_extra():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import numpy as np; from medfast.pipeline import Model\n"
        "Model().fit(np.zeros((4, 16, 16), np.uint8), [0, 1, 0, 1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr
    assert "medfast[learn]" in done.stderr


def test_the_same_model_gives_the_same_file(saved, trained, tmp_path):
    trained[0].save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()
    Model.load(saved).save(tmp_path / "loaded")
    assert (tmp_path / "loaded").read_bytes() == saved.read_bytes()


def test_other_tools_open_it(saved, trained):
    with np.load(saved, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["coef"], trained[0].coef)
    manifest = json.loads(zipfile.ZipFile(saved).read("manifest.json"))
    assert manifest["format"] == "medfast-model"
    assert manifest["medfast"] == medfast.__version__
    assert manifest["arrays"]["coef"]["shape"] == list(trained[0].coef.shape)


def test_every_byte_counts(saved):
    content = saved.read_bytes()
    for position in sorted({0, 1, 2, len(content) - 1, *range(3, len(content), 97)}):
        changed = bytearray(content)
        changed[position] ^= 0x10
        saved.write_bytes(changed)
        with pytest.raises(ModelFileError, match=r"a\.model"):
            Model.load(saved)


def test_truncated_or_longer(saved):
    content = saved.read_bytes()
    for other in (b"", content[:1], content[:100], content[: len(content) // 2], content[:-1], content + b"\0"):
        saved.write_bytes(other)
        with pytest.raises(ModelFileError, match=r"a\.model: (not a model file|truncated or changed)"):
            Model.load(saved)


def forge(path, *, manifest=None, files=None, described=None, compression=zipfile.ZIP_STORED):
    """Rewrite a model file as someone would who knows the format, digests and all."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    found = json.loads(content["manifest.json"])
    content.update(files or {})
    found["arrays"] = described or found["arrays"]
    for name in found["arrays"]:
        data = content[f"{name}.npy"]
        found["arrays"][name]["sha256"] = model_file.hashlib.sha256(data).hexdigest()
    found.update(manifest or {})
    content["manifest.json"] = json.dumps(found).encode()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.comment = b"0" * 64
    body = whole.getvalue()[:-64]
    path.write_bytes(body + model_file.hashlib.sha256(body).hexdigest().encode())


def npy(array, **kwargs):
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


def test_forging_nothing_is_accepted(saved, trained):
    forge(saved)
    np.testing.assert_array_equal(Model.load(saved).coef, trained[0].coef)


def test_a_newer_format(saved):
    forge(saved, manifest={"format_version": 2, "medfast": "9.0"})
    with pytest.raises(ModelVersionError, match=r"format 2 is newer than format 1.*written by medfast 9\.0"):
        Model.load(saved)


class Bomb:
    """Goes off when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"manifest": {"format": "other"}}, "does not describe a medfast model"),
        ({"manifest": {"format_version": "1"}}, "format_version is '1'"),
        ({"manifest": {"options": {"search_size": 4}}}, "search_size must be odd"),
        ({"manifest": {"options": {"made_up": 4}}}, "made_up"),
        ({"manifest": {"size": None}}, "size must be two integers"),
        ({"manifest": {"size": [24, 24]}}, "coef must have shape"),
        ({"manifest": {"size": [10**9, 10**9]}}, "coef must have shape"),
        ({"manifest": {"classes": ["a", "b", "c"]}}, "coef must have shape"),
        ({"manifest": {"classes": ["b", "a"]}}, "classes are"),
        ({"manifest": {"classes": [["a"], {}]}}, "does not describe a model"),
        ({"manifest": {"classes": None}}, "does not describe a model"),
        ({"manifest": {"seed": []}}, "does not describe a model"),
        ({"manifest": {"arrays": {}}}, "should be"),
        ({"manifest": {"arrays": []}}, "should be"),
        ({"files": {"more.npy": npy(np.zeros(3))}}, "should be"),
        ({"files": {"coef.npy": b"\x93NUMPY nonsense"}}, "array coef is shorter"),
        ({"files": {"coef.npy": npy(np.zeros((1, 3)))}}, "array coef is"),
        ({"files": {"coef.npy": npy(np.array([Bomb()]), allow_pickle=True)}}, "array coef|Object arrays"),
        ({"files": {"coef.npy": pickle.dumps(Bomb())}}, "a.model"),
        ({"compression": zipfile.ZIP_DEFLATED}, "is compressed"),
    ],
)
def test_forged_files(saved, tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    forge(saved, **change)
    with pytest.raises(ModelFileError, match=message):
        Model.load(saved)
    assert not Path("exploded").exists()


def test_forged_numbers(saved, trained):
    coef = trained[0].coef.copy()
    coef[0, 0] = np.nan
    forge(saved, files={"coef.npy": npy(coef)})
    with pytest.raises(ModelFileError, match="array coef holds NaN or infinity"):
        Model.load(saved)


def test_too_large_a_file_is_not_read(saved, monkeypatch):
    monkeypatch.setattr(model_file, "MOST_BYTES", 1000)
    with pytest.raises(ModelFileError, match="more than 1000 bytes"):
        Model.load(saved)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        Model.load(tmp_path / "nothing")


def test_a_failed_save_leaves_the_old_file(saved, trained, monkeypatch):
    before = saved.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        trained[0].save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_follow_the_umask(saved):
    mask = os.umask(0)
    os.umask(mask)
    assert saved.stat().st_mode & 0o777 == 0o666 & ~mask
