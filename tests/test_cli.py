"""The command line as a whole, and the commands that learn: what each writes, says and returns."""

import json
import subprocess
import sys

import numpy as np
import pytest

import medfast
from command_line import call, invoke, one_line
from medfast import cli

pytest.importorskip("typer")
pytest.importorskip("rich")
PIL_Image = pytest.importorskip("PIL.Image")

from medfast.io import write_image  # noqa: E402


def striped_folder(root, seed=0, per_class=10):
    """Images of rows and of columns, a folder for each class."""
    rng = np.random.default_rng(seed)
    for name in ("columns", "rows"):
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(per_class):
            lines = np.broadcast_to(rng.integers(0, 255, (1, 40), np.uint8), (40, 40))
            write_image(folder / f"{number:02}.png", lines if name == "columns" else lines.T)
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model, and the folder of images that it has not seen."""
    root = tmp_path_factory.mktemp("trained")
    train, test = striped_folder(root / "train", 1), striped_folder(root / "test", 2)
    model = root / "stripes.model"
    assert cli.main(["train", str(train), str(model), "--no-denoise", "--validation", str(test)]) == 0
    return model, test


# --- the program -----------------------------------------------------------------------------------------------------


def test_bare_module_shows_what_runs_with_numpy_alone():
    code = (
        "import sys, runpy; sys.argv = ['medfast']\n"
        "for name in ('typer', 'rich', 'numba', 'cv2', 'sklearn', 'PIL', 'pydicom'): sys.modules[name] = None\n"
        "runpy.run_module('medfast', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"medfast {medfast.__version__}")
    assert "threads" in done.stdout


def test_a_missing_extra_is_named():
    code = "import sys; sys.modules['typer'] = None\nfrom medfast import cli; sys.exit(cli.main(['info']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == 'medfast: the command line needs typer: pip install "medfast[cli]"'


def test_version():
    assert call("--version")[0].strip() == f"medfast {medfast.__version__}"


@pytest.mark.parametrize("level", medfast.runtime.info()["supported_levels"])
def test_info_tells_the_level(level):
    assert f"level           {level} (from MEDFAST_LEVEL" in call("info", MEDFAST_LEVEL=level)[0]


def test_info_as_json(capsys):
    found = json.loads(invoke(capsys, "info", "--json")[0])
    assert found["kernels"] == medfast.runtime.info()["kernels"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["denoise"],
        ["denoise", "in.png", "out.png", "--patch", "4"],
        ["denoise", "in.png", "out.png", "--norm", "l3"],
        ["denoise", "in.png", "out.png", "--threads", "0"],
        ["denoise", "in.png", "out.xyz"],
        ["equalize", "in.png", "out.png", "--clahe", "--tiles", "8xeight"],
        ["resize", "in.png", "out.png"],
        ["resize", "in.png", "out.png", "--size", "8", "--interpolation", "sharp"],
        ["resize", "in.png", "out.png", "--size", "8x8", "--scale", "2"],
        ["features", "in.png", "out.txt"],
        ["train", "folder", "model", "--size", "1x2x3"],
        ["train", "folder", "model", "--equalize", "both"],
        ["bench", "--cases", "median"],
        ["bench", "--levels", "mmx"],
        ["bench", "--threads", "many"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(capsys, arguments):
    out, err = invoke(capsys, *arguments, fails=2)
    assert not out
    assert "Error" in err


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        *(("resize", "--size", f"{value}x3") for value in ("0", "-2", "inf", "-inf", "nan", "1e999", "1.5")),
        *(("features", "--size", f"3x{value}") for value in ("0", "inf", "nan")),
        *(("train", "--size", f"{value}") for value in ("0", "infx3", "nan")),
        ("train", "--window", "40,nan"),
        *(("resize", option, value) for option in ("--scale", "--spacing") for value in ("0", "-1", "inf", "1,nan")),
        *(("denoise", "--h", value) for value in ("-3", "0", "nan", "inf")),
        ("equalize", "--tiles", "0x0"),
        ("equalize --clahe", "--tiles", "0x3"),
        ("equalize --clahe", "--tiles", "3xinf"),
        ("equalize --clahe", "--tiles", "3"),
        ("equalize --clahe", "--clip-limit", "nan"),
        ("equalize --clahe", "--clip-limit", "-1"),
        ("segment", "--above", "nan"),
    ],
)
def test_a_value_out_of_range_is_wrong_usage_of_its_option(capsys, command, option, value):
    target = "out.npy" if command == "features" else "out.png"
    out, err = invoke(capsys, *command.split(), "in.png", target, option, value, fails=2)
    assert not out
    assert f"Invalid value for {option}" in err.replace("'", "")
    assert "warning" not in err


# --- images ----------------------------------------------------------------------------------------------------------


def test_train_reports_the_validation(capsys, tmp_path):
    folder = striped_folder(tmp_path / "data")
    model = tmp_path / "stripes.model"
    options = ["--seed", "3", "--size", "32x24", "--no-denoise", "--levels", "2", "--C", "0.5", "--equalize", "clahe"]
    out, err = invoke(capsys, "train", folder, model, "--validation", folder, *options)
    assert f"{model}: 20 images of 32x24, classes columns, rows" in out
    assert "accuracy" in out
    assert not err
    loaded = medfast.pipeline.Model.load(model)
    assert (loaded.options.levels, loaded.options.C, loaded.options.equalize) == (2, 0.5, "clahe")
    assert not loaded.options.denoise


def test_the_same_seed_gives_the_same_file(capsys, tmp_path):
    folder = striped_folder(tmp_path / "data")
    for name in ("a", "b"):
        invoke(capsys, "train", folder, tmp_path / name, "--no-denoise", "--seed", "5")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_train_names_what_is_wrong(capsys, tmp_path):
    one_line(invoke(capsys, "train", tmp_path / "none", tmp_path / "model", fails=1)[1], tmp_path / "none")
    folder = striped_folder(tmp_path / "data")
    bad = folder / "rows" / "03.png"
    bad.write_bytes(b"no image")
    one_line(invoke(capsys, "train", folder, tmp_path / "model", "--no-denoise", fails=1)[1], bad)
    assert not (tmp_path / "model").exists()


def test_evaluate_as_json_is_nothing_but_json(trained):
    model, test = trained
    out, err = call("evaluate", model, test, "--json")
    report = json.loads(out)
    assert set(report) == {"accuracy", "balanced_accuracy", "auc", "confusion_matrix", "classes"}
    assert report["classes"] == ["columns", "rows"]
    assert np.sum(report["confusion_matrix"]) == 20
    assert report["accuracy"] == np.trace(report["confusion_matrix"]) / 20 > 0.9
    assert not err


def test_evaluate_as_tables(capsys, trained):
    out = invoke(capsys, "evaluate", *trained)[0]
    for expected in ("balanced accuracy", "auc", "confusion matrix", "columns", "rows"):
        assert expected in out


def test_predict(capsys, trained):
    model, test = trained
    files = sorted(test.rglob("*.png"))
    answers = json.loads(invoke(capsys, "predict", model, *files, "--json")[0])
    loaded = medfast.pipeline.Model.load(model)
    assert [answer["file"] for answer in answers] == [str(file) for file in files]
    assert [answer["class"] for answer in answers] == loaded.predict(files).tolist()
    shares = [[answer["probabilities"][name] for name in loaded.classes] for answer in answers]
    np.testing.assert_array_equal(shares, loaded.predict_proba(files))
    table = call("predict", model, files[0])[0]
    assert "p(columns)" in table
    assert files[0].name in table


def test_predict_reports_a_bad_file_and_does_the_rest(capsys, trained, tmp_path):
    model, test = trained
    good, bad = next(test.rglob("*.png")), tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    out, err = invoke(capsys, "predict", model, bad, good, "--json", fails=1)
    one_line(err, bad)
    first, second = json.loads(out)
    assert set(first) == {"file", "error"}
    assert second["class"] in ("columns", "rows")


def test_predict_reports_an_unsuitable_file_and_does_the_rest(capsys, trained, volume_file, tmp_path):
    model, test = trained
    good, spoilt = sorted(test.rglob("*.png")), tmp_path / "nan.tiff"
    write_image(spoilt, np.full((40, 40), np.nan, np.float32))
    files = [good[0], volume_file, good[-1], spoilt]
    out, err = invoke(capsys, "predict", model, *files, "--json", fails=1)
    answers = json.loads(out)
    assert [answer["file"] for answer in answers] == list(map(str, files))
    assert [set(answer) - {"file"} for answer in answers] == [{"class", "probabilities"}, {"error"}] * 2
    shares = [list(answer["probabilities"].values()) for answer in answers[::2]]
    np.testing.assert_array_equal(shares, medfast.pipeline.Model.load(model).predict_proba(files[::2]))
    of_volume, of_spoilt = err.splitlines()
    one_line(f"{of_volume}\n", volume_file, "shape")
    one_line(f"{of_spoilt}\n", spoilt, "NaN")
    table = invoke(capsys, "predict", model, *files, fails=1)[0]
    assert good[0].name in table
    assert good[-1].name in table
    assert spoilt.name not in table


def test_a_file_that_is_no_model(capsys, slice_file, trained):
    for command in ("predict", "evaluate"):
        one_line(invoke(capsys, command, slice_file, trained[1], fails=1)[1], slice_file)


# --- benchmarks and the demonstration --------------------------------------------------------------------------------


@pytest.mark.opencv
def test_bench_writes_results_and_plot(capsys, tmp_path):
    pytest.importorskip("cv2")
    pytest.importorskip("matplotlib")
    stored, plot = tmp_path / "results.json", tmp_path / "ratios.png"
    arguments = ["--cases", "equalize-uint8-512", "--threads", "1", "--quick", "--json", stored, "--plot", plot]
    out = invoke(capsys, "bench", *arguments)[0]
    assert "equalise uint8 512²" in out
    results = json.loads(stored.read_text(encoding="utf-8"))
    assert [record["case"] for record in results["results"]] == ["equalize-uint8-512"]
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.opencv
def test_bench_fails_on_a_wrong_result(capsys, monkeypatch):
    pytest.importorskip("cv2")
    from medfast.bench import library, ours

    monkeypatch.setattr(ours, "equalize", lambda image: library.Prepared(lambda: image))
    out, err = invoke(capsys, "bench", "--cases", "equalize-uint8-512", "--threads", "1", "--quick", fails=1)
    assert "refused" in out
    one_line(err, "wrong results, not timed: equalise uint8 512²")


def test_demo_passes_its_folder_on(capsys, tmp_path, monkeypatch):
    from medfast import demo

    seen = []
    monkeypatch.setattr(demo, "run", lambda folder, *, progress, num_threads: seen.append((folder, num_threads)))
    invoke(capsys, "demo", "--output", tmp_path, "--threads", "2")
    assert seen == [(tmp_path, 2)]
