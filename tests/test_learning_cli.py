"""The commands that learn: folders and CSV files, what they choose, reports, similar cases, and what goes wrong."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from command_line import invoke, one_line
from images import stripes

pytest.importorskip("typer")
pytest.importorskip("sklearn")
PIL_Image = pytest.importorskip("PIL.Image")

from medfast import pipeline  # noqa: E402
from medfast._learning import recipes  # noqa: E402
from medfast.io import Image, write_image  # noqa: E402

QUICK = ("--no-denoise", "--equalize", "none", "--C", "1")


def write_list(root, n=24, *, groups=True, splits=True, suffix=".png", seed=0):
    """Striped images of two or so patients each, listed in a CSV file with a name as people give them."""
    folder = root / "Köpfe und Füße"
    folder.mkdir(parents=True)
    images, labels = stripes(np.random.default_rng(seed), n, (24, 24))
    rows = []
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = f"Bild {i:02}{suffix}"
        if suffix in (".nii", ".nii.gz"):
            write_image(folder / name, Image(image.astype(np.int16)[None] * 10, spacing=(1.0, 0.5, 0.5)))
        elif suffix == ".dcm":
            write_image(folder / name, Image(image.astype(np.uint16) * 16, spacing=(0.5, 0.5)))
        else:
            write_image(folder / name, image)
        row = {"path": f"Köpfe und Füße/{name}", "label": label}
        row |= {"group": f"Patient-{i // 4}-Doe"} if groups else {}
        row |= {"split": ("train", "train", "train", "val", "train", "test")[i // 4 % 6]} if splits else {}
        rows.append(row)
    path = root / "alle Bilder.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A CSV file with splits, and a model that was trained on it, with a report."""
    root = tmp_path_factory.mktemp("learnt")
    data, model = write_list(root, 48), root / "mein Modell"
    from medfast import cli

    assert cli.main(["train", str(data), str(model), *QUICK, "--report", str(root / "report.html")]) == 0
    return data, model


def test_a_csv_file_is_learnt_from(capsys, tmp_path):
    data, model = write_list(tmp_path, 48), tmp_path / "model"
    out = invoke(capsys, "train", data, model, *QUICK)[0]
    assert "32 images of 24x24, classes lying, standing" in out
    assert "chosen by validation images (AUC 1.0000): size 24x24, levels 1, kernel linear" in out
    assert "accuracy" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Köpfe und Füße", "alle Bilder.csv", "model"]
    found = json.loads(invoke(capsys, "evaluate", model, data, "--json")[0])
    assert np.sum(found["confusion_matrix"]) == 8
    assert "duplicates" not in found
    assert pipeline.Model.load(model).validation["accuracy"] == 1.0


def test_the_same_seed_gives_the_same_file_whatever_was_kept(capsys, learnt, tmp_path):
    data, model = learnt
    for _ in range(2):
        invoke(capsys, "train", data, tmp_path / "model", *QUICK, "--cache", tmp_path / "cache")
        assert (tmp_path / "model").read_bytes() == model.read_bytes()
    assert (tmp_path / "cache").exists()


def test_groups_are_kept_together_in_cross_validation(capsys, tmp_path):
    data = write_list(tmp_path, 48, splits=False)
    out = invoke(capsys, "train", data, tmp_path / "model", *QUICK)[0]
    assert "chosen by 5 folds by group (AUC" in out
    assert "validation on" not in out


def test_splits_and_sources_that_do_not_go_together(capsys, learnt, tmp_path):
    data, model = learnt
    other = write_list(tmp_path / "other", 8, splits=False)
    one_line(
        invoke(capsys, "train", data, tmp_path / "m", "--validation", other, fails=1)[1], "validation must be left out"
    )
    err = invoke(capsys, "train", other, tmp_path / "m", "--validation", other, fails=1)[1]
    one_line(err, "no group may be in both", "2 are")
    assert "Doe" not in err
    one_line(
        invoke(capsys, "evaluate", model, write_list(tmp_path / "x", 8), "--split", "test", fails=1)[1], "split test"
    )
    assert "--split" in invoke(capsys, "evaluate", model, data, "--split", "some", fails=2)[1]
    assert json.loads(invoke(capsys, "evaluate", model, other, "--json")[0])["accuracy"] == 1.0
    nothing = tmp_path / "x" / "test.csv"
    nothing.write_text("path,label,split\nKöpfe und Füße/Bild 00.png,lying,test\n", encoding="utf-8")
    one_line(invoke(capsys, "train", nothing, tmp_path / "m", fails=1)[1], "split train")


@pytest.mark.parametrize("suffix", [".nii.gz", ".dcm"])
def test_slices_of_scanners(capsys, tmp_path, suffix):
    pytest.importorskip("nibabel" if suffix == ".nii.gz" else "pydicom")
    data, model = write_list(tmp_path, 24, splits=False, groups=False, suffix=suffix), tmp_path / "model"
    invoke(capsys, "train", data, model, *QUICK, "--window", "1500,3000")
    assert json.loads(invoke(capsys, "evaluate", model, data, "--json")[0])["accuracy"] == 1.0


def test_colour_images_of_unequal_sizes(capsys, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(16):
        image = stripes(rng, 2, (24 + i, 30 - i % 5))[0][i % 2]
        folder = tmp_path / "data" / ("lying" if i % 2 == 0 else "standing")
        folder.mkdir(parents=True, exist_ok=True)
        PIL_Image.fromarray(np.stack([image, image // 2, image], axis=2)).save(folder / f"{i}.png")
    out = invoke(capsys, "train", tmp_path / "data", tmp_path / "model", *QUICK)[0]
    assert "16 images of 24x26" in out


@pytest.mark.filterwarnings("default")
def test_one_class_and_classes_that_are_missing(capsys, tmp_path):
    data = write_list(tmp_path, 24)
    text = data.read_text(encoding="utf-8")
    data.write_text(text.replace("lying", "standing"), encoding="utf-8")
    one_line(invoke(capsys, "train", data, tmp_path / "m", *QUICK, fails=1)[1], "at least 2 classes, got ['standing']")
    lines = text.splitlines()
    kept = [line for line in lines if not line.endswith("val") or "lying" not in line]
    data.write_text("\n".join(kept), encoding="utf-8")
    out, err = invoke(capsys, "train", data, tmp_path / "m", *QUICK)
    one_line(err, "warning: no validation image shows lying")
    assert "chosen by 4 folds by group" in out or "chosen by 5 folds by group" in out
    assert "undefined" in out
    report = json.loads(invoke(capsys, "evaluate", tmp_path / "m", data, "--split", "val", "--json")[0])
    assert report["auc"] is None
    data.write_text(text.replace("lying,Patient-3", "falling,Patient-3"), encoding="utf-8")
    one_line(invoke(capsys, "train", data, tmp_path / "n", *QUICK, fails=1)[1], "labels must be among", "got falling")
    assert not (tmp_path / "n").exists()


def test_classes_may_be_numbers(capsys, tmp_path):
    data = write_list(tmp_path, 24, splits=False)
    images, labels = stripes(np.random.default_rng(3), 24, (24, 24))
    pipeline.Model(denoise=False).fit(images, [int(label == "standing") for label in labels]).save(tmp_path / "m")
    text = data.read_text(encoding="utf-8").replace("lying", "0").replace("standing", "1")
    data.write_text(text, encoding="utf-8")
    found = json.loads(invoke(capsys, "evaluate", tmp_path / "m", data, "--json")[0])
    assert found["accuracy"] == 1.0
    assert found["classes"] == [0, 1]
    data.write_text(text.replace(",1,", ",2,"), encoding="utf-8")
    one_line(invoke(capsys, "evaluate", tmp_path / "m", data, "--json", fails=1)[1], "labels must be")


def test_duplicates_are_told(capsys, learnt):
    data, model = learnt
    out, err = invoke(capsys, "evaluate", model, data, "--split", "train", "--json")
    one_line(err, "warning: 32 of 32 images are among those that the model learnt from, byte for byte; there are no")
    assert json.loads(out)["duplicates"]["without"]["auc"] is None
    folder = data.parent / "Köpfe und Füße"
    mixed = data.parent / "mixed.csv"
    names = [(f"{folder.name}/Bild {i:02}.png", "standing" if i % 2 else "lying") for i in (0, 1, 20, 21)]
    mixed.write_text("path,label\n" + "\n".join(map(",".join, names)), encoding="utf-8")
    out, err = invoke(capsys, "evaluate", model, mixed)
    one_line(
        err, "warning: 2 of 4 images are among", "without them: accuracy 1.0000, balanced accuracy 1.0000, auc 1.0000"
    )


def test_the_report_of_a_training(learnt):
    page = re.sub(r"data:image/png;base64,[^\"]*", "", (learnt[1].parent / "report.html").read_text(encoding="utf-8"))
    for expected in ("Curves", "Confusion matrix", "Worst mistakes", "What was tried", "no medical device", "chosen"):
        assert expected in page
    for private in ("Bild 0", "Köpfe", "Doe", str(learnt[1].parent)):
        assert private not in page
    assert "http" not in page


def test_the_report_of_an_evaluation(capsys, learnt, tmp_path):
    data, model = learnt
    loaded = pipeline.Model.load(model)
    loaded.intercept = -loaded.intercept + 0.0
    loaded.coef = -loaded.coef  # wrong about everything
    loaded.save(tmp_path / "wrong")
    report = tmp_path / "report.html"
    out = invoke(capsys, "evaluate", tmp_path / "wrong", data, "--report", report)[0]
    assert f"{report}: written" in out
    page = report.read_text(encoding="utf-8")
    assert "8 of 8 mistakes" in page
    assert page.count("What HOG saw") == 16  # as a caption and for those who do not see
    assert "Bild" not in page
    assert "0.000 [0.000, 0.000]" in page
    invoke(capsys, "evaluate", tmp_path / "wrong", data, "--report", report, "--names", "--json")
    assert "Bild 20.png" in report.read_text(encoding="utf-8")


def test_similar_cases(capsys, learnt, tmp_path):
    data, model = learnt
    folder, page = data.parent / "Köpfe und Füße", tmp_path / "similar.html"
    files = [folder / "Bild 00.png", folder / "Bild 21.png"]
    answers = json.loads(invoke(capsys, "similar", model, *files, "--json", "--count", "3", "--output", page)[0])
    assert [answer["file"] for answer in answers] == list(map(str, files))
    loaded = pipeline.Model.load(model)
    for answer, found in zip(answers, loaded.similar(files, 3), strict=True):
        assert answer["cases"] == [
            {"label": case.label, "distance": case.distance, "rarity": case.rarity, "sha256": case.sha256}
            for case in found
        ]
    assert (answers[0]["cases"][0]["distance"], answers[0]["cases"][0]["rarity"]) == (0.0, 0.0)
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png") == 2 * (1 + 3)
    assert answers[1]["cases"][2]["sha256"][:12] in text
    assert "Bild" not in text
    out = invoke(capsys, "similar", model, files[0], "--output", page, "--names")[0]
    assert answers[0]["cases"][0]["sha256"][:16] in out
    assert f"{page}: written" in out
    assert "Bild 00.png" in page.read_text(encoding="utf-8")


def test_similar_reports_a_bad_file_and_does_the_rest(capsys, learnt, tmp_path):
    data, model = learnt
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    out, err = invoke(capsys, "similar", model, bad, data.parent / "Köpfe und Füße" / "Bild 00.png", "--json", fails=1)
    one_line(err, bad)
    assert [sorted(answer) for answer in json.loads(out)] == [["error", "file"], ["cases", "file"]]


def test_a_model_without_cases(capsys, learnt, tmp_path):
    data, model = learnt
    invoke(capsys, "train", data, tmp_path / "m", *QUICK, "--cases", "0", "--no-search")
    assert (tmp_path / "m").stat().st_size < model.stat().st_size / 2
    err = invoke(capsys, "similar", tmp_path / "m", data.parent / "Köpfe und Füße" / "Bild 00.png", fails=1)[1]
    one_line(err, tmp_path / "m", "keeps no known cases: it was trained with --cases 0")


def test_folders_and_lists_are_predicted(capsys, learnt, tmp_path):
    data, model = learnt
    folder = data.parent / "Köpfe und Füße"
    some = tmp_path / "some.csv"
    some.write_text(f"path\n{folder / 'Bild 03.png'}\n", encoding="utf-8")
    answers = json.loads(invoke(capsys, "predict", model, folder, some, "--json")[0])
    assert len(answers) == 49
    assert answers[-1]["class"] == "standing"
    (tmp_path / "empty").mkdir()
    one_line(invoke(capsys, "predict", model, tmp_path / "empty", fails=1)[1], "holds no image")


def test_the_kernel_is_an_option(capsys, learnt, tmp_path):
    data, _ = learnt
    invoke(capsys, "train", data, tmp_path / "m", *QUICK, "--kernel", "rbf", "--gamma", "0.01", "--no-search")
    loaded = pipeline.Model.load(tmp_path / "m")
    assert (loaded.options.kernel, loaded.gamma) == ("rbf", 0.01)
    assert "kernel must be one of" in invoke(capsys, "train", data, "m", "--kernel", "poly", fails=2)[1]


def test_what_cannot_be_written_is_known_before_the_work(capsys, learnt, tmp_path, monkeypatch):
    data, model = learnt
    monkeypatch.setattr(recipes, "describe", lambda *_: pytest.fail("work was begun"))
    for arguments in (
        ["train", data, tmp_path / "none" / "model"],
        ["train", data, tmp_path / "model", "--report", tmp_path / "none" / "report.html"],
        ["train", data, tmp_path / "model", "--cache", tmp_path / "none" / "cache"],
        ["evaluate", model, data, "--report", tmp_path / "none" / "report.html"],
        ["similar", model, data, "--output", tmp_path / "none" / "page.html"],
    ):
        one_line(invoke(capsys, *arguments, fails=1)[1], tmp_path / "none")
    (tmp_path / "model.cache").write_bytes(b"something else" * 100)
    one_line(invoke(capsys, "train", data, tmp_path / "model", fails=1)[1], "model.cache is no feature cache")
    assert (tmp_path / "model.cache").read_bytes() == b"something else" * 100
    assert not (tmp_path / "model").exists()


def test_a_full_disk_leaves_the_old_files(capsys, learnt, tmp_path, monkeypatch):
    data, _ = learnt
    before = {"model": b"old model", "report.html": b"old report"}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    arguments = ["train", data, tmp_path / "model", *QUICK, "--report", tmp_path / "report.html", "--no-search"]
    one_line(invoke(capsys, *arguments, fails=1)[1], "No space left on device")
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".cache"}
    assert found == before
    assert (tmp_path / "model.cache").exists()  # the work is not lost
    monkeypatch.undo()
    monkeypatch.setattr(recipes, "describe", lambda *_: pytest.fail("work was done again"))
    invoke(capsys, *arguments)
    assert not (tmp_path / "model.cache").exists()


def test_an_image_that_cannot_be_read_leaves_the_work_done(capsys, tmp_path):
    data = write_list(tmp_path, 48)
    bad = sorted((tmp_path / "Köpfe und Füße").iterdir())[-9]  # of the training images the last
    content = bad.read_bytes()
    bad.write_bytes(content[: len(content) // 2])
    one_line(invoke(capsys, "train", data, tmp_path / "m", *QUICK, fails=1)[1], bad)
    assert not (tmp_path / "m").exists()
    bad.write_bytes(content)
    invoke(capsys, "train", data, tmp_path / "m", *QUICK)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_ends_a_training_and_the_next_goes_on(tmp_path):
    data, model = write_list(tmp_path, 48), tmp_path / "model"
    started = tmp_path / "started"
    code = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # where the shell has it ignored
        "from medfast import cli\n"
        "from medfast._learning import cache, recipes\n"
        "cache.COMMIT_SECONDS = 0.0\n"
        "describe = recipes.describe\n"
        "def slow(*rest):\n"
        f"    pathlib.Path({str(started)!r}).touch()\n"
        "    found = describe(*rest)\n"
        "    time.sleep(0.2)\n"
        "    return found\n"
        "recipes.describe = slow\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "train", str(data), str(model), *QUICK, "--no-search", "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert "Traceback" not in err
    assert not model.exists()
    assert not list(tmp_path.glob("*.part"))
    with pipeline.FeatureCache(tmp_path / "model.cache"):
        pass


def test_help_says_what_options_do(capsys):
    for command, words in {
        "train": ("--no-search", "--report", "--cache", "--cases", "group (the patient)", "--gamma"),
        "evaluate": ("--split", "--report", "sorted order"),
        "similar": ("--count", "--output", "neither names nor"),
        "predict": ("folders of images", "CSV"),
    }.items():
        out = " ".join(re.sub(r"[│╭╰─╮╯]", " ", invoke(capsys, command, "--help")[0]).split())
        for word in words:
            assert word in out, (command, word)


def test_paths_of_the_tests_are_no_part_of_a_model(learnt):
    content = learnt[1].read_bytes()
    for private in ("Doe", "Bild", str(Path(learnt[0]).parent)):
        assert private.encode() not in content
