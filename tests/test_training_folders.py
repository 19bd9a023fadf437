"""Folders and lists of images that a model learns from, and the real ones."""

import os
from pathlib import Path

import numpy as np
import pytest

from images import stripes
from medfast.pipeline import FeatureCache, Model, load_folder, search, train_folder

pytest.importorskip("sklearn")

PNEUMONIA = Path(os.environ.get("MEDFAST_DATA", Path(__file__).parents[2] / "shared" / "data"), "pneumonia_28.npz")


def write_folder(directory, images, labels):
    from PIL import Image

    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (directory / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(directory / label / f"{i:03}.png")
    return directory


@pytest.fixture
def folders(rng, tmp_path):
    """A folder to train on, one to validate on, and the arrays that are in them."""
    pytest.importorskip("PIL")
    train, held_out = stripes(rng, 24), stripes(rng, 8)
    return (write_folder(tmp_path / "train", *train), write_folder(tmp_path / "val", *held_out), train, held_out)


def test_a_folder_is_its_images(folders):
    directory, validation, (images, labels), (other, truth) = folders
    calls = []
    model = train_folder(
        directory, validation=validation, denoise=False, progress=lambda done, total: calls.append((done, total))
    )
    order = np.argsort(labels, kind="stable")  # class by class, as folders are
    expected = Model(denoise=False).fit(images[order], np.array(labels)[order], validation=(other, truth))
    np.testing.assert_array_equal(model.coef, expected.coef)
    assert model.validation == expected.validation
    assert model.n_train == 24
    assert calls == sorted(calls)
    assert calls[-1] == (24 + 24 + 1 + 8,) * 2  # sizes, features, the fit, validation
    paths = load_folder(validation).paths
    np.testing.assert_array_equal(
        model.predict_proba(paths), model.predict_proba(other[np.argsort(truth, kind="stable")])
    )
    np.testing.assert_array_equal(model.predict(str(paths[0])), model.predict(paths[:1]))


def test_other_files_are_counted(folders):
    directory = folders[0]
    (directory / "README.txt").touch()
    (directory / ".hidden").mkdir()
    (directory / "lying" / "notes.txt").touch()
    (directory / "lying" / ".thumbs.png").touch()
    (directory / "lying" / "more").mkdir()
    (directory / "lying" / "000.png").rename(directory / "lying" / "more" / "000.PNG")
    folder = load_folder(directory)
    assert len(folder.paths) == len(folder.labels) == 24
    assert folder.labels == ["lying"] * 12 + ["standing"] * 12
    assert folder.paths[11].name == "000.PNG"
    assert folder.n_ignored == 1


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_folder(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file"):
        load_folder(tmp_path / "file")
    with pytest.raises(ValueError, match="must hold a folder per class, got none"):
        load_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty holds no image \(a name that ends in \.bmp"):
        load_folder(tmp_path)


def test_a_file_that_cannot_be_read_is_named(folders):
    broken = folders[0] / "standing" / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises((OSError, ValueError), match=r"broken\.png"):
        train_folder(folders[0], denoise=False)


def test_a_small_file_is_named(folders):
    small = write_folder(folders[0], np.zeros((1, 12, 12), np.uint8), ["tiny"]) / "tiny" / "000.png"
    with pytest.warns(UserWarning, match="resized to 12x12 .* of 12x12 pixels; the median would give 32x32") as told:
        train_folder(folders[0], denoise=False)
    assert str(small) in str(told[0].message)


@pytest.mark.filterwarnings("default")
def test_the_command_line_tells_of_a_small_file(folders, tmp_path, capsys):
    cli = pytest.importorskip("medfast.cli")
    pytest.importorskip("typer")
    write_folder(folders[0], np.zeros((1, 12, 12), np.uint8), ["tiny"])
    assert cli.main(["train", str(folders[0]), str(tmp_path / "model"), "--no-denoise"]) == 0
    error = capsys.readouterr().err
    assert error.startswith("medfast: warning: all images are resized to 12x12")
    assert "000.png" in error
    assert error.count("\n") == 1


def test_a_volume_is_no_image(folders, tmp_path):
    np_volume = np.zeros((5, 16, 16), np.uint8)
    tifffile = pytest.importorskip("tifffile")
    path = folders[0] / "standing" / "volume.tif"
    tifffile.imwrite(path, np_volume)
    with pytest.raises(ValueError, match=r"volume\.tif must be 2-D, or .* got shape \(5, 16, 16\)"):
        train_folder(folders[0], denoise=False)


@pytest.mark.skipif(not PNEUMONIA.exists(), reason=f"no {PNEUMONIA}; MEDFAST_DATA names its folder")
def test_pneumonia():
    with np.load(PNEUMONIA) as data:
        images, labels = data["train_images"], data["train_labels"].ravel()
        held_out = data["val_images"], data["val_labels"].ravel()
    model = Model().fit(images, labels, validation=held_out)
    assert model.size == (28, 28)
    assert model.validation["balanced_accuracy"] > 0.92
    assert model.validation["accuracy"] > 0.92
    assert model.validation["auc"] > 0.98


def test_a_folder_may_choose(folders):
    directory, validation, (images, labels), held_out = folders
    calls = []
    model = train_folder(
        directory, validation=validation, choose=True, denoise=False, progress=lambda *call: calls.append(call)
    )
    order = np.argsort(labels, kind="stable")
    found = search(images[order], np.array(labels)[order], validation=held_out, denoise=False)
    assert model.options == found.options
    assert model.options.size == (32, 32)
    finished = [call for call in calls if call[0] == call[1]]
    assert {total for _, total in finished} == {24 + 8, 24 + 8 + 1 + 24 + 8 + 1, 24 + 1 + 8}  # read, search, train
    with pytest.raises(TypeError, match="choose must be True or False, got 1"):
        train_folder(directory, choose=1)


def test_a_list_is_its_folder(folders, tmp_path):
    directory = folders[0]
    lines = [f"train/{path.parent.name}/{path.name},{path.parent.name}" for path in sorted(directory.rglob("*.png"))]
    (tmp_path / "list.csv").write_text("path,label\n" + "\n".join(lines), encoding="utf-8")
    listed = train_folder(tmp_path / "list.csv", denoise=False)
    np.testing.assert_array_equal(listed.coef, train_folder(directory, denoise=False).coef)


@pytest.mark.skipif(not PNEUMONIA.exists(), reason=f"no {PNEUMONIA}; MEDFAST_DATA names its folder")
def test_pneumonia_as_it_is_chosen():
    with np.load(PNEUMONIA) as data:
        images, labels = data["train_images"], data["train_labels"].ravel()
        held_out = data["val_images"], data["val_labels"].ravel()
    with FeatureCache() as cache:
        found = search(images, labels, validation=held_out, cache=cache)
        model = Model(**vars(found.options)).fit(images, labels, validation=held_out, cache=cache)
    assert found.options.kernel == "rbf"
    assert found.options.size == (28, 28)
    new = model.validation["duplicates"]["without"]
    assert model.validation["duplicates"]["count"] == 8
    assert new["auc"] > 0.99
    assert new["balanced_accuracy"] > 0.94
    assert new["accuracy"] > 0.94
