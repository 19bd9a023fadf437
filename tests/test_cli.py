"""The command line: what each command writes, says and returns."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import medfast
from medfast import cli
from medfast.bench import images

pytest.importorskip("typer")
pytest.importorskip("rich")
PIL_Image = pytest.importorskip("PIL.Image")

from medfast.io import Image, read_image, write_image  # noqa: E402


def call(*arguments, fails=0, **environment):
    """Run `medfast` in a process of its own, and return its standard output and standard error."""
    command = [sys.executable, "-m", "medfast", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env=os.environ | {"COLUMNS": "160"} | environment
    )
    assert done.returncode == fails, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def invoke(capsys, *arguments, fails=0):
    """Run `medfast` in this process; much the same, much faster."""
    code = cli.main([str(argument) for argument in arguments])
    found = capsys.readouterr()
    assert code == fails, found.err
    return found.out, found.err


@pytest.fixture
def slice_file(tmp_path):
    """A noisy slice as a PNG file."""
    path = tmp_path / "slice.png"
    write_image(path, images.head(64, 48)[0])
    return path


@pytest.fixture
def volume_file(tmp_path):
    """A small volume with a spacing and an affine, as a NIfTI file."""
    path = tmp_path / "volume.nii.gz"
    planes = np.stack([images.head(24, 32, "int16", seed)[0] for seed in range(3)])
    affine = np.array([[-0.5, 0, 0, 10], [0, 0.75, 0, 20], [0, 0, 2, 30], [0, 0, 0, 1.0]])
    write_image(path, Image(planes, spacing=(2.0, 0.75, 0.5), affine=affine))
    return path


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


def test_denoise(capsys, slice_file, tmp_path):
    out = tmp_path / "clean.png"
    invoke(capsys, "denoise", slice_file, out, "--h", "12", "--patch", "5", "--search", "11")
    expected = medfast.denoise_nl_means(read_image(slice_file).array, 12, patch_size=5, search_size=11)
    np.testing.assert_array_equal(read_image(out).array, expected)


def test_denoise_a_volume_keeps_where_it_lies(capsys, volume_file, tmp_path):
    out = tmp_path / "clean.nii.gz"
    invoke(capsys, "denoise", volume_file, out, "--h", "150", "--search", "9", "--threads", "1")
    before, after = read_image(volume_file), read_image(out)
    expected = medfast.denoise_nl_means(before.array, 150, search_size=9, spacing=before.spacing)
    np.testing.assert_array_equal(after.array, expected)
    assert after.array.dtype == before.array.dtype
    assert after.spacing == before.spacing
    np.testing.assert_array_equal(after.affine, before.affine)


def test_denoise_planes_inside_a_mask(capsys, volume_file, tmp_path):
    out, drawn = tmp_path / "clean.nii.gz", tmp_path / "mask.nii.gz"
    before = read_image(volume_file)
    mask = before.array > 300
    write_image(drawn, mask.astype(np.uint8))
    invoke(capsys, "denoise", volume_file, out, "--search", "9", "--noise", "rician", "--planes", "--mask", drawn)
    options = {"search_size": 9, "noise": "rician", "spacing": before.spacing[1:]}
    for plane, inside, denoised in zip(before.array, mask, read_image(out).array, strict=True):
        np.testing.assert_array_equal(denoised, medfast.denoise_nl_means(plane, mask=inside, **options))
    write_image(drawn, np.ones((3, 24, 31), np.uint8))
    err = invoke(capsys, "denoise", volume_file, out, "--mask", drawn, fails=1)[1]
    assert "mask must have shape" in err


def test_denoise_in_colour(capsys, tmp_path):
    source, out = tmp_path / "stain.png", tmp_path / "clean.png"
    PIL_Image.fromarray(images.coloured_tissue(40, 32)).save(source)
    invoke(capsys, "denoise", source, out, "--h", "10", "--search", "7")
    expected = medfast.denoise_nl_means(read_image(source).array, 10, search_size=7, channel_axis=-1)
    np.testing.assert_array_equal(read_image(out).array, expected)


def test_equalize(capsys, slice_file, tmp_path):
    out, adaptive = tmp_path / "equal.png", tmp_path / "adaptive.tif"
    invoke(capsys, "equalize", slice_file, out)
    invoke(capsys, "equalize", slice_file, adaptive, "--clahe", "--clip-limit", "3", "--tiles", "4x2")
    image = read_image(slice_file).array
    np.testing.assert_array_equal(read_image(out).array, medfast.equalize_hist(image))
    np.testing.assert_array_equal(read_image(adaptive).array, medfast.clahe(image, 3.0, (4, 2)))


def test_window(capsys, volume_file, tmp_path):
    volume = read_image(volume_file).array
    for options, expected in (
        (("--window", "800,1500"), medfast.window(volume, 800, 1500)),
        (
            ("--window", "40,0.5", "--function", "linear-exact"),
            medfast.window(volume, 40, 0.5, function="linear_exact"),
        ),
    ):
        invoke(capsys, "window", volume_file, tmp_path / "out.nii.gz", *options)
        shown = read_image(tmp_path / "out.nii.gz")
        assert shown.array.dtype == np.uint8
        np.testing.assert_array_equal(shown.array, expected)
    _, err = invoke(capsys, "window", volume_file, tmp_path / "out.nii.gz", "--window", "40,0.5", fails=1)
    one_line(err, "volume.nii.gz", "width must be >= 1")


def test_window_of_the_file(capsys, tmp_path):
    pytest.importorskip("pydicom")
    from dicom_files import dicom_file

    source = dicom_file(tmp_path / "x.dcm", np.array([[0, 50], [60, 100]], np.uint16), WindowCenter=50, WindowWidth=21)
    invoke(capsys, "window", source, tmp_path / "out.png")
    np.testing.assert_array_equal(read_image(tmp_path / "out.png").array, read_image(source, window="voi").array)


def test_a_file_may_be_its_own_result(capsys, slice_file):
    expected = medfast.equalize_hist(read_image(slice_file).array)
    invoke(capsys, "equalize", slice_file, slice_file)
    np.testing.assert_array_equal(read_image(slice_file).array, expected)


@pytest.mark.parametrize("interpolation", medfast.transform.INTERPOLATIONS)
def test_resize_to_a_size(capsys, slice_file, tmp_path, interpolation):
    out = tmp_path / "small.png"
    invoke(capsys, "resize", slice_file, out, "--size", "32x20", "--interpolation", interpolation)
    expected = medfast.resize(read_image(slice_file).array, (32, 20), interpolation=interpolation)
    np.testing.assert_array_equal(read_image(out).array, expected)


def test_resize_to_a_spacing_moves_nothing_in_the_patient(capsys, volume_file, tmp_path):
    out = tmp_path / "coarse.nii.gz"
    invoke(capsys, "resize", volume_file, out, "--spacing", "2,1.5,1")
    before, after = read_image(volume_file), read_image(out)
    assert after.array.shape == (3, 12, 16)
    np.testing.assert_allclose(after.spacing, (2, 1.5, 1))
    # the outer corners of the first and the last voxel
    for index_before, index_after in [((-0.5, -0.5, -0.5), (-0.5,) * 3), ((31.5, 23.5, 2.5), (15.5, 11.5, 2.5))]:
        np.testing.assert_allclose(after.affine @ [*index_after, 1], before.affine @ [*index_before, 1], atol=1e-5)


def test_resize_by_a_factor(capsys, volume_file, tmp_path):
    out = tmp_path / "half.nii"
    invoke(capsys, "resize", volume_file, out, "--scale", "1,0.5,0.5", "--interpolation", "area")
    assert read_image(out).array.shape == (3, 12, 16)


def test_resize_needs_a_spacing_to_keep(capsys, slice_file, tmp_path):
    err = invoke(capsys, "resize", slice_file, tmp_path / "out.png", "--spacing", "1", fails=1)[1]
    assert err.strip() == f"medfast: {slice_file}: the file gives no voxel spacing; use --size or --scale"


def test_segment(capsys, volume_file, tmp_path):
    out, inside = tmp_path / "labels.nii", tmp_path / "mask.nii"
    image = read_image(volume_file)
    mask = np.zeros(image.array.shape, np.uint8)
    mask[:, 4:20] = 1
    write_image(inside, mask)
    invoke(capsys, "segment", volume_file, out, "--classes", "2", "--above", "300", "--mask", inside)
    labels = read_image(out)
    expected = medfast.segment(image.array, 2, mask=(mask == 1) & (image.array > 300))
    np.testing.assert_array_equal(labels.array, expected)
    assert set(np.unique(labels.array)) == {0, 1, 2}
    np.testing.assert_array_equal(labels.affine, image.affine)


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_features(capsys, slice_file, tmp_path, suffix):
    out = tmp_path / f"features{suffix}"
    invoke(capsys, "features", slice_file, out, "--size", "48x48", "--levels", "2", "--orientations", "6")
    resized = medfast.resize(read_image(slice_file).array, (48, 48), interpolation="area")
    expected = medfast.hog(resized, orientations=6, levels=2)
    if suffix == ".npy":
        found = np.load(out)
        assert found.dtype == np.float32
    else:
        with out.open(newline="") as file:
            (row,) = csv.reader(file)
        found = np.array(row, np.float32)
    np.testing.assert_array_equal(found.ravel(), expected)


# --- errors ----------------------------------------------------------------------------------------------------------


def one_line(err, *parts):
    """Exactly one line, from medfast, that names all of `parts`."""
    assert err.count("\n") == 1, err
    assert err.startswith("medfast: ")
    for part in parts:
        assert str(part) in err


def test_a_file_that_is_not_there(tmp_path):
    err = call("equalize", tmp_path / "none.png", tmp_path / "out.png", fails=1)[1]
    one_line(err, tmp_path / "none.png", "no such file")


def test_a_damaged_file(capsys, slice_file, tmp_path):
    slice_file.write_bytes(slice_file.read_bytes()[:100])
    out = tmp_path / "out.png"
    err = invoke(capsys, "denoise", slice_file, out, fails=1)[1]
    one_line(err, slice_file)
    assert not out.exists()


def test_a_folder_that_is_not_there(capsys, slice_file, tmp_path):
    err = invoke(capsys, "equalize", slice_file, tmp_path / "none" / "out.png", fails=1)[1]
    one_line(err, tmp_path / "none", "no such folder")


def test_a_format_that_is_unknown(capsys, slice_file, tmp_path, monkeypatch):
    from medfast import io

    monkeypatch.setattr(io, "read_image", lambda path: pytest.fail("work was begun"))
    for command in ("denoise", "equalize", "resize --size 8x8", "segment"):
        name, *options = command.split()
        err = invoke(capsys, name, slice_file, tmp_path / "out.gif", *options, fails=2)[1]
        for part in ("OUT", "out.gif", ".png"):
            assert part in err


def test_a_format_that_cannot_hold_the_result(capsys, volume_file, tmp_path):
    out = tmp_path / "out.png"
    out.write_bytes(b"what was there before")
    err = invoke(capsys, "equalize", volume_file, out, fails=1)[1]
    one_line(err, out, "PNG cannot hold")
    assert out.read_bytes() == b"what was there before"
    assert {path.name for path in tmp_path.iterdir()} == {"out.png", volume_file.name}


def test_a_value_that_medfast_refuses(capsys, slice_file, tmp_path):
    write_image(slice_file, np.zeros((4, 4), np.uint8))
    err = invoke(capsys, "features", slice_file, tmp_path / "out.npy", fails=1)[1]
    one_line(err, slice_file, "16 x 16 pixels, got 4 x 4")


def test_colours_where_gray_is_needed(capsys, tmp_path):
    source = tmp_path / "stain.png"
    PIL_Image.fromarray(images.coloured_tissue(20, 20)).save(source)
    for command in ("equalize", "segment"):
        one_line(invoke(capsys, command, source, tmp_path / "out.png", fails=1)[1], source, "gray image is needed")


def test_nothing_is_left_half_written(capsys, slice_file, tmp_path, monkeypatch):
    def full_disk(file, *_, **__):
        file.write(b"half of it")
        raise OSError(28, "No space left on device", file.name)

    monkeypatch.setattr(np, "save", full_disk)
    err = invoke(capsys, "features", slice_file, tmp_path / "out.npy", fails=1)[1]
    one_line(err, tmp_path / "out.npy", "No space left on device")
    assert ".part" not in err
    assert [path.name for path in tmp_path.iterdir()] == [slice_file.name]


# --- learning --------------------------------------------------------------------------------------------------------


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
