"""The demonstration on a few planes: what must rise, rises; the report stands on its own."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from medfast import _demo_data
from medfast.report import Report, to_gray8

pytest.importorskip("nilearn")
pytest.importorskip("pydicom")
pytest.importorskip("nibabel")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """One small run for all tests: figures, page, progress."""
    from medfast import demo

    folder = tmp_path_factory.mktemp("demo") / "new"
    told = []
    figures = demo.run(
        folder,
        planes=6,
        slice_step=6,
        size=64,
        levels=2,
        repeats=1,
        quiet=True,
        progress=lambda done, total, what: told.append((done, total, what)),
    )
    return figures, (folder / "report.html").read_text(encoding="utf-8"), told, folder


def test_denoising_raises_the_psnr(outcome):
    psnr = outcome[0]["psnr"]
    assert 20.0 < psnr["noisy"] < 22.0
    assert psnr["denoised"] > psnr["noisy"] + 5.0


def test_denoising_raises_dice(outcome):
    dice = outcome[0]["dice"]
    for tissue in ("gray", "white"):
        assert dice["noisy"][tissue] + 0.08 < dice["denoised"][tissue] < dice["clean"][tissue]


def test_planes_are_told_apart(outcome):
    result = outcome[0]["classification"]
    assert result["accuracy"] > 0.8
    assert np.sum(result["confusion_matrix"]) == result["n_test"] >= 15
    assert list(result["classes"]) == ["axial", "coronal", "sagittal"]


def test_noise_is_estimated(outcome):
    noise = outcome[0]["noise"]
    assert noise["estimated"] == pytest.approx(noise["sigma"], rel=0.25)


def test_every_step_is_timed(outcome):
    steps = outcome[0]["steps"]
    assert {"denoise", "equalise", "resize", "segment", "describe"} <= set(steps)
    assert all(step["medfast_ms"] > 0 for step in steps.values())


@pytest.mark.opencv
def test_results_equal_opencv(outcome):
    pytest.importorskip("cv2")
    steps = outcome[0]["steps"]
    for name in ("denoise", "equalise", "resize"):
        assert steps[name]["agreement"] == "equal, bit for bit"
    assert float(steps["segment"]["agreement"].split()[1]) <= 1.000001
    if steps["describe"]["opencv_ms"] is not None:  # OpenCV 5 has no HOGDescriptor
        assert float(steps["describe"]["agreement"].split()[1]) <= 1e-5


def test_report_is_one_file(outcome):
    figures, page, _, folder = outcome
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) > 20
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<script" not in page
    assert "url(" not in page
    assert sorted(path.name for path in folder.iterdir()) == ["figures.json", "report.html"]
    assert json.loads((folder / "figures.json").read_text())["psnr"] == figures["psnr"]


def test_report_is_well_formed(outcome):
    class Checker(HTMLParser):
        void = frozenset({"meta", "img", "br", "link"})

        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in self.void:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed(outcome[1])
    assert checker.open == []


def test_progress_rises_to_the_end(outcome):
    told = outcome[2]
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][:2] == (100, 100)


def test_table_is_printed(outcome, capsys):
    from medfast import demo

    demo._print(outcome[0])
    printed = capsys.readouterr().out
    assert "Dice, gray matter" in printed
    assert "sagittal" in printed


def test_head_lies_in_the_middle():
    head = _demo_data.load_head()
    assert head.clean.shape == (192, 192, 192)
    for axis in range(3):
        shown = np.flatnonzero(head.brain.any(axis=tuple({0, 1, 2} - {axis})))
        assert abs(int(shown[0]) - (191 - int(shown[-1]))) <= 1
    assert _demo_data.dice(head.gray & head.white, head.brain) < 0.05


def test_noise_is_rician():
    clean = np.zeros((4, 300, 300), np.uint8)
    clean[2:] = 120
    noisy = _demo_data.add_rician_noise(clean, 20.0, seed=3)
    # Rayleigh where there is no signal, and E[M²] = I² + 2·sigma² everywhere.
    assert noisy[:2].mean() == pytest.approx(20.0 * np.sqrt(np.pi / 2), rel=0.01)
    assert (noisy[2:].astype(float) ** 2).mean() == pytest.approx(120.0**2 + 800.0, rel=0.01)
    np.testing.assert_array_equal(noisy, _demo_data.add_rician_noise(clean, 20.0, seed=3))


@pytest.mark.parametrize("step", [1, 2, 5])
def test_neighbours_never_straddle_the_split(step):
    brain = np.ones((100, 90, 80), bool)
    slices = _demo_data.cut_slices(np.zeros(brain.shape, np.uint8), brain, step)
    for label in _demo_data.PLANES:
        at = {
            part: [
                p
                for p, n, k in zip(slices.positions, slices.labels, slices.parts, strict=True)
                if (n, k) == (label, part)
            ]
            for part in ("train", "test")
        }
        assert at["train"]
        assert at["test"]
        assert min(abs(a - b) for a in at["train"] for b in at["test"]) >= 2 * _demo_data.GUARD


def test_bad_arguments(tmp_path):
    from medfast import demo

    with pytest.raises(ValueError, match="noise must be > 0"):
        demo.run(tmp_path, noise=0.0)
    with pytest.raises(TypeError, match="planes must be an integer"):
        demo.run(tmp_path, planes=1.5)
    assert list(tmp_path.iterdir()) == []


def test_report_escapes_text(tmp_path):
    report = Report("a < b", "<script>x</script>")
    section = report.section("<b>").text("1 < 2").table(["<i>", "n"], [["<u>", 1]], "c & d").figures({"<p>": "<q>"})
    section.pictures({'"><script>': np.zeros((2, 2), np.uint8)})
    page = report.write(tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<script" not in page
    for raw in ("<b>", "<i>", "<u>", "<q>"):
        assert raw not in page.replace("<b>&lt;q&gt;</b>", "")
    with pytest.raises(ValueError, match="pictures must be uint8"):
        section.pictures({"x": np.zeros((2, 2))})


def test_to_gray8():
    np.testing.assert_array_equal(to_gray8([[-5, 0, 5]], -5, 5), [[0, 128, 255]])
    np.testing.assert_array_equal(to_gray8(np.full((2, 2), 7)), np.zeros((2, 2)))
