"""The commands that work on an image or a volume: what they write, and what they say of a file that will not do."""

import csv

import numpy as np
import pytest

import medfast
from command_line import call, invoke, one_line
from medfast.bench import images

pytest.importorskip("typer")
pytest.importorskip("rich")
PIL_Image = pytest.importorskip("PIL.Image")

from medfast.io import read_image, write_image  # noqa: E402


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
