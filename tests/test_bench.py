"""The benchmarks: every kernel has a case, a wrong result is never timed, tables say what was measured."""

import dataclasses
import io
import json
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest

import medfast
from medfast import _kernels, _levels
from medfast.bench import images, memory, ours, runner, table
from medfast.bench.agreement import (
    CleansAsWell,
    Correlated,
    Disagreement,
    Each,
    Exact,
    Inputs,
    NoMoreInertia,
    Within,
    inertia,
)
from medfast.bench.cases import CASES, Case, select
from medfast.bench.library import Prepared, Unavailable

IMAGE = images.head(40, 48)[0]
ALL_BUT_BY_NAME = [pytest.param(c, marks=() if c.quick else pytest.mark.slow, id=c.name) for c in select()]


def tiny(name="tiny", function="equalize", **changes):
    """A case that takes microseconds."""
    case = Case(name, "a tiny case", ("histogram",), function, lambda: Inputs((IMAGE,)), {"opencv": Exact()}, "a test")
    return dataclasses.replace(case, **changes)


def entry(ratio, ms=1.0):
    return {"ms": ms, "ratio": ratio, "quartiles": [ratio, ratio], "agreement": "equal"}


@pytest.fixture
def results():
    """A results file with a gain, a loss, a rival that was skipped and a result that was refused."""
    best = {"level": "x86_64_v4", "threads": 1}
    return {
        "format": runner.FORMAT,
        "date": "2026-01-31",
        "machine": {"cpu": "A processor", "threads": 2, "system": "Linux", "architecture": "x86_64"},
        "versions": {"medfast": "0.1.0", "OpenCV": "4.14.0"},
        "protocol": "How it was done.",
        "results": [
            best
            | {"case": "a", "title": "work A", "ms": 1.0, "rivals": {"opencv": entry(8.126), "skimage": entry(130.4)}},
            best | {"case": "a", "title": "work A", "ms": 0.6, "threads": 2, "rivals": {"opencv": entry(0.83)}},
            best | {"case": "b", "title": "work B", "ms": 1.0, "rivals": {"opencv": {"skipped": "it has none"}}},
            best | {"case": "c", "title": "work C", "refused": "not the result of OpenCV: 3 of 9 values differ"},
            {"case": "a", "title": "work A", "level": "jit", "threads": 1, "ms": 2.0, "rivals": {"opencv": entry(4.0)}},
        ],
    }


# --- cases -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", _kernels.KERNELS)
def test_every_kernel_has_a_case(kernel):
    assert any(kernel in case.kernels for case in CASES)


@pytest.mark.parametrize("kernel", _kernels.KERNELS)
def test_every_kernel_is_in_the_short_run(kernel):
    assert any(kernel in case.kernels for case in select(quick=True))


class _Watched:
    """A kernel module that notes when one of its functions is asked for."""

    def __init__(self, kernel, seen):
        self.module, self.kernel, self.seen = getattr(_kernels, kernel), kernel, seen

    def __getattr__(self, name):
        self.seen.add(self.kernel)
        return getattr(self.module, name)


@pytest.mark.parametrize("case", ALL_BUT_BY_NAME)
def test_a_case_names_the_kernels_that_it_runs(case, monkeypatch):
    seen = set()
    prepared = runner.prepare(case, "medfast", case.inputs().arguments)
    for kernel in _kernels.KERNELS:
        monkeypatch.setattr(_kernels, kernel, _Watched(kernel, seen))
    prepared.call()
    assert seen == set(case.kernels)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_complete(case):
    assert set(case.kernels) <= set(_kernels.KERNELS)
    assert case.why
    assert case.rivals
    for library in (runner.OURS, *case.rivals):
        with suppress(Unavailable):
            assert callable(getattr(runner.load_library(library), case.function))


def test_names_of_cases_are_unique():
    assert len({case.name for case in CASES}) == len({case.title for case in CASES}) == len(CASES)


def test_select():
    assert [case.name for case in select(("clahe-uint8",))] == ["clahe-uint8-512", "clahe-uint8-4096"]
    assert {case.name for case in select(quick=True)} < {case.name for case in CASES}
    assert select() == tuple(case for case in CASES if not case.by_name)
    assert [case.name for case in select(("nlm-int16-volume",))] == ["nlm-int16-volume"]
    assert "nlm-int16-volume" not in {case.name for case in select(("nlm-int16",))}
    with pytest.raises(ValueError, match="there is no case 'median'; choose from nlm-uint8-512"):
        select(("median",))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_images_come_from_a_seed(dtype):
    first, clean = images.head(33, 31, dtype, seed=5)
    second, _ = images.head(33, 31, dtype, seed=5)
    assert first.dtype == dtype
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, images.head(33, 31, dtype, seed=6)[0])
    noise = np.std(first - clean) / (16 if dtype.endswith("int16") else 1)
    assert images.NOISE / 2 < noise < 1.5 * images.NOISE


# --- rules -----------------------------------------------------------------------------------------------------------

A = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_exact():
    assert Exact().check(A, A.copy(), Inputs((A,))) == "equal"
    wrong = A.copy()
    wrong[1, 1] += 1
    with pytest.raises(Disagreement, match="1 of 12 values differ"):
        Exact().check(A, wrong, Inputs((A,)))
    with pytest.raises(Disagreement, match="shape"):
        Exact().check(A, A.ravel(), Inputs((A,)))


def test_within():
    close = A.astype(np.float64) + 0.25
    assert Within(0.25).check(A, close, Inputs((A,))) == "largest difference 0.25"
    with pytest.raises(Disagreement, match=r"largest difference 0\.25, allowed 0\.1"):
        Within(0.1).check(A, close, Inputs((A,)))
    with pytest.raises(Disagreement):
        Within(0.1).check(A, np.full(A.shape, np.nan), Inputs((A,)))


def test_correlated():
    assert Correlated(0.99).check(A, 2.0 * A + 1, Inputs((A,))).startswith("another formula")
    with pytest.raises(Disagreement):
        Correlated(0.99).check(A, A[::-1], Inputs((A,)))


def test_cleans_as_well():
    noisy, clean = images.head(40, 48)
    inputs = Inputs((noisy,), clean)
    half = (noisy + clean) / 2
    assert "PSNR" in CleansAsWell(0.0).check(half, noisy, inputs)
    with pytest.raises(Disagreement, match="PSNR"):
        CleansAsWell(0.0).check(noisy, half, inputs)


def test_no_more_inertia():
    data = np.array([[0, 1, 9, 10]], np.uint8)
    good, poor = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]])
    assert inertia(data.astype(float), good) == 1.0
    assert "inertia" in NoMoreInertia(0.0).check(good, poor, Inputs((data,)))
    assert NoMoreInertia(0.0).check(1 - good, good, Inputs((data,))) == "inertia 1.000000 of theirs"
    with pytest.raises(Disagreement, match="inertia"):
        NoMoreInertia(0.01).check(poor, good, Inputs((data,)))


def test_each_names_what_differs():
    rule = Each({"image": Exact(), "features": Within(0.1)})
    found = {"image": A, "features": A / 2}
    assert rule.check(found, found, Inputs((A,))) == "image equal; features largest difference 0"
    with pytest.raises(Disagreement, match="features: largest difference 1"):
        rule.check(found, found | {"features": A / 2 + 1}, Inputs((A,)))


# --- runner ----------------------------------------------------------------------------------------------------------


@pytest.mark.opencv
def test_measure_times_what_agrees():
    record = runner.measure(tiny(), 1, rounds=2)
    rival = record["rivals"]["opencv"]
    assert rival["agreement"] == "equal"
    assert record["ms"] > 0
    assert rival["ms"] > 0
    low, high = rival["quartiles"]
    assert 0 < low <= rival["ratio"] <= high


@pytest.mark.opencv
@pytest.mark.parametrize("case", ALL_BUT_BY_NAME)
def test_all_libraries_agree(case):
    _, agreement, skipped = runner.compare(case, 1)
    assert set(agreement) | set(skipped) == set(case.rivals)


@pytest.mark.opencv
def test_a_wrong_result_is_refused_before_it_is_timed(monkeypatch):
    def slightly_wrong(image):
        result = medfast.equalize_hist(image)
        result[0, 0] ^= 1
        return result

    monkeypatch.setattr(ours, "equalize", lambda image: Prepared(lambda: slightly_wrong(image)))
    monkeypatch.setattr(runner, "time_in_turn", lambda *_: pytest.fail("a wrong result was timed"))
    with pytest.raises(Disagreement, match="not the result of OpenCV: 1 of 1920 values differ"):
        runner.measure(tiny(), 1)
    (record,) = runner.records([tiny()], [1])
    assert record["refused"].startswith("not the result of OpenCV")
    assert "ms" not in record


def test_a_library_that_is_missing_is_skipped_with_the_reason(monkeypatch):
    real = runner.importlib.import_module

    def without_opencv(name):
        if name == "medfast.bench.opencv":
            raise ModuleNotFoundError("No module named 'cv2'", name="cv2")
        return real(name)

    monkeypatch.setattr(runner.importlib, "import_module", without_opencv)
    record = runner.measure(tiny(), 1, rounds=2)
    assert record["rivals"] == {"opencv": {"skipped": "OpenCV is not installed"}}
    assert record["ms"] > 0


@pytest.mark.opencv
def test_opencv_without_hog_is_skipped_with_the_reason(monkeypatch):
    cv2 = pytest.importorskip("cv2")
    library = runner.load_library("opencv")
    monkeypatch.delattr(cv2, "HOGDescriptor", raising=False)
    with pytest.raises(Unavailable, match=r"OpenCV .* has no HOGDescriptor"):
        library.hog(IMAGE)


@pytest.mark.opencv
def test_libraries_run_on_the_same_threads():
    cv2 = pytest.importorskip("cv2")
    before = cv2.getNumThreads()
    with runner.pinned(1):
        assert cv2.getNumThreads() == 1
        assert medfast.runtime.info()["threads"] == 1
    assert cv2.getNumThreads() == before


def test_libraries_are_timed_in_turn():
    order = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    samples = runner.time_in_turn(calls, 3)
    assert {name: len(times) for name, times in samples.items()} == {"a": 3, "b": 3}
    # three times to see how long a call takes, then a round as they come and the next in reverse
    turns = [name for n, name in enumerate(order) if n == 0 or order[n - 1] != name]
    assert turns == ["a", "b", "a", "b", "a", "b"]


@pytest.mark.opencv
def test_run_describes_the_machine_and_survives_json():
    seen = []
    case = dataclasses.replace(select(("equalize-uint8-512",))[0], rivals={"opencv": Exact()})
    found = runner.run([case], threads=[1], rounds=2, progress=lambda *event: seen.append(event))
    assert seen == [(1, 1, case.title)]
    assert found["machine"]["cpu"]
    assert found["versions"]["medfast"] == medfast.__version__
    assert found["results"][0]["level"] == _kernels.LEVEL
    assert "2 rounds" in found["protocol"]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.opencv
def test_another_level_runs_in_a_process_of_its_own():
    level = next(name for name in _kernels.supported_levels() if name not in (_kernels.LEVEL, _levels.JIT))
    (record,) = runner.records_at(level, select(("equalize-uint8-512",)), [1], rounds=2)
    assert record["level"] == level
    assert record["rivals"]["opencv"]["ratio"] > 0


def test_a_level_that_fails_is_an_error():
    with pytest.raises(RuntimeError, match="the benchmark at level mmx ended with exit code 1"):
        list(runner.records_at("mmx", select(("equalize-uint8-512",)), [1]))


def test_peak_memory_sees_what_a_call_takes():
    found = memory.peak(lambda: np.ones(50_000_000, np.uint8).sum())
    if found is None:
        pytest.skip("the memory is not counted here")
    assert 45_000_000 < found < 80_000_000


# --- table and plot --------------------------------------------------------------------------------------------------


def test_markdown_shows_losses_and_what_was_left_out(results):
    text = table.markdown(results)
    assert "| work A | OpenCV | 8.13× | **0.83× (slower)** | equal |" in text
    assert "| work A | scikit-image | 130× | – | equal |" in text
    assert "| work C | – | wrong result | – | refused: not the result of OpenCV: 3 of 9 values differ |" in text
    assert "Slower than the other library: work A against OpenCV (0.83× on 2 threads)." in text
    assert "Not measured: work B against OpenCV (it has none)." in text
    assert "level `x86_64_v4`, A processor, 2 threads, 2026-01-31" in text
    assert "| work A | OpenCV | 8.13× | 4.00× |" in text
    assert "How it was done. Versions: medfast 0.1.0, OpenCV 4.14.0." in text


def test_markdown_of_some_cases_at_other_levels(results):
    results["results"] = results["results"][:1] + results["results"][-1:]
    results["results"][1]["rivals"] = {"skimage": entry(2.0)}
    text = table.markdown(results)
    assert "At other levels, 1 thread:" in text
    assert "| work A | OpenCV | 8.13× | – |" not in text
    assert "| work A | scikit-image | 130× | 2.00× |" in text


def test_short_markdown_keeps_the_short_run_and_every_loss(results, monkeypatch):
    monkeypatch.setattr(table.cases, "CASES", (tiny("b", quick=True), tiny("a"), tiny("c")))
    text = table.markdown(results, short=True)
    assert "| work B | OpenCV | – | – | skipped: it has none |" in text
    assert "| work A" not in text
    assert "| work C" not in text
    assert "At other levels" not in text
    assert "Slower than the other library: work A against OpenCV (0.83× on 2 threads)." in text


def test_markdown_shows_memory(results):
    assert "Memory" not in table.markdown(results)
    results["results"][0]["peak_bytes"] = {"medfast": 3 * 2**20, "opencv": None}
    text = table.markdown(results)
    assert "| work | medfast | OpenCV |" in text
    assert "| work A | 3 MiB | – |" in text


def test_results_of_several_runs_are_put_together(results):
    again = json.loads(json.dumps(results))
    again["results"] = [again["results"][0] | {"ms": 7.0}, again["results"][0] | {"level": "x86_64_v3"}]
    found = table.together([results, again])
    assert len(found["results"]) == len(results["results"]) + 1
    assert found["results"][0]["ms"] == 7.0
    again["machine"]["cpu"] = "another"
    with pytest.raises(ValueError, match="the results differ in machine"):
        table.together([results, again])


def test_markdown_says_so_when_nothing_was_lost(results):
    results["results"] = results["results"][:1]
    assert "Slower than the other library: none." in table.markdown(results)


@pytest.mark.parametrize(("ratio", "text"), [(0.994, "0.99×"), (1.0, "1.00×"), (12.34, "12.3×"), (1234.5, "1234×")])
def test_ratio_text(ratio, text):
    assert table.ratio_text(ratio) == text
    assert table.is_loss(ratio) == (ratio < 0.995)


def test_terminal_table(results):
    file = io.StringIO()
    pytest.importorskip("rich.console").Console(width=180, file=file).print(table.terminal_table(results))
    text = file.getvalue()
    for expected in ("8.13×", "0.83×", "skipped: it has none", "refused: not the result", "scikit-image", "jit"):
        assert expected in text


def test_update_replaces_the_section_and_nothing_else(results, tmp_path):
    document, stored = tmp_path / "README.md", tmp_path / "results.json"
    document.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    stored.write_text(json.dumps(results))
    for _ in range(2):  # the second time finds what the first one wrote
        assert table.main([str(stored), "--update", str(document)]) == 0
    text = document.read_text()
    assert text == f"before\n{table.BEGIN}\n\n{table.markdown(results)}\n\n{table.END}\nafter\n"


def test_update_needs_the_markers(results, tmp_path, capsys):
    document, stored = tmp_path / "README.md", tmp_path / "results.json"
    document.write_text("no section")
    stored.write_text(json.dumps(results))
    assert table.main([str(stored), "--update", str(document)]) == 1
    assert "has no section" in capsys.readouterr().err
    assert document.read_text() == "no section"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 0, "results": []}'])
def test_a_file_without_results_is_an_error(tmp_path, capsys, content):
    stored = tmp_path / "results.json"
    stored.write_text(content)
    assert table.main([str(stored)]) == 1
    assert "results.json is no benchmark result" in capsys.readouterr().err


def test_table_runs_as_a_module(results, tmp_path):
    stored = tmp_path / "results.json"
    stored.write_text(json.dumps(results))
    command = [sys.executable, "-m", "medfast.bench.table", str(stored)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == table.markdown(results)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_plot(results, tmp_path, suffix):
    pytest.importorskip("matplotlib")
    from medfast.bench import plot

    path = tmp_path / f"ratios{suffix}"
    plot.check(path)
    plot.write(results, path)
    assert path.stat().st_size > 5000


def test_plot_refuses_an_unknown_format(tmp_path):
    pytest.importorskip("matplotlib")
    from medfast.bench import plot

    with pytest.raises(ValueError, match=r"ratios\.docx: no format of pictures; choose from .*png"):
        plot.check(tmp_path / "ratios.docx")
