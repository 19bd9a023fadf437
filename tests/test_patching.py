"""Swapping functions in a running program, and giving them back."""

import importlib
import logging
import pickle
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

import medfast
from medfast import patching

ROOT = Path(__file__).parent.parent
IMAGE = np.random.default_rng(3).integers(0, 256, (24, 30)).astype(np.uint8)


@pytest.fixture(autouse=True)
def unpatched():
    yield
    medfast.unpatch()


@pytest.fixture
def cv2():
    return pytest.importorskip("cv2")


@pytest.fixture
def user(monkeypatch):
    """An empty module, as one of the program's."""
    module = types.ModuleType("some_program")
    monkeypatch.setitem(sys.modules, "some_program", module)
    return module


def run(code, *arguments, check=True):
    return subprocess.run(
        [sys.executable, *(["-c", code] if code else []), *arguments],
        capture_output=True,
        text=True,
        check=check,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )


@pytest.mark.opencv
def test_names_are_swapped_wherever_they_were_imported_and_given_back(cv2, user):
    exec("import cv2\nfrom cv2 import resize, createCLAHE as make", vars(user))
    own = types.SimpleNamespace(resize=cv2.resize, createCLAHE=cv2.createCLAHE)
    medfast.patch("cv2")
    assert user.resize is cv2.resize is not own.resize
    assert user.make is cv2.createCLAHE is not own.createCLAHE
    assert isinstance(user.make(2.0, (4, 4)), cv2.CLAHE)
    exec("from cv2 import resize as later\nfrom medfast.compat.opencv import resize as ours", vars(user))
    assert user.later is cv2.resize
    medfast.unpatch()
    assert user.resize is user.later is cv2.resize is own.resize
    assert user.make is cv2.createCLAHE is own.createCLAHE
    assert user.ours is medfast.compat.opencv.resize
    assert patching._finder not in sys.meta_path
    assert not patching._swapped


@pytest.mark.opencv
def test_every_name_comes_back(cv2):
    before = dict(vars(cv2))
    with medfast.patched("cv2"):
        changed = {name for name, value in vars(cv2).items() if value is not before.get(name)}
    assert changed == set(patching._SWAPS["cv2"][0][1])
    assert vars(cv2) == before


def test_every_name_of_skimage_is_swapped_and_comes_back():
    pytest.importorskip("skimage")
    names = [(module, name) for module, names, _ in patching._SWAPS["skimage"] for name in names]
    before = {(module, name): getattr(importlib.import_module(module), name) for module, name in names}
    medfast.patch("skimage")
    for module, name in names:
        if hasattr(medfast.compat.skimage, name):
            public = importlib.import_module(module.rpartition(".")[0])
            assert getattr(public, name) is getattr(sys.modules[module], name) is not before[module, name]
    medfast.unpatch("skimage")
    for module, name in names:
        assert getattr(sys.modules[module], name) is before[module, name]


def test_estimators_of_sklearn_are_swapped():
    cluster = pytest.importorskip("sklearn.cluster")
    if not hasattr(importlib.import_module("medfast.sklearn"), "KMeans"):
        pytest.skip("medfast.sklearn has no KMeans")
    own = cluster.KMeans
    data = np.random.default_rng(1).normal(size=(60, 3)) + np.repeat([[0], [9], [20]], 20, axis=0)
    expected = own(3, n_init=5, random_state=0).fit(data)
    with medfast.patched("sklearn"):
        assert cluster.KMeans is not own
        found = cluster.KMeans(3, n_init=5, random_state=0).fit(data)
        assert isinstance(found, medfast.sklearn.KMeans)
    assert cluster.KMeans is own
    np.testing.assert_allclose(found.inertia_, expected.inertia_, rtol=1e-6)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.labels_, found.labels_)


def test_an_estimator_that_falls_back(caplog):
    cluster = pytest.importorskip("sklearn.cluster")
    from medfast.compat import _sklearn

    class Picky(cluster.KMeans):
        """Takes no float32, and has a parameter more."""

        def __init__(self, n_clusters=8, *, n_init=1, random_state=None, num_threads=None):
            super().__init__(n_clusters, n_init=n_init, random_state=random_state)
            self.num_threads = num_threads

        def fit(self, X, y=None, sample_weight=None):
            if X.dtype == np.float32:
                raise TypeError("X must have dtype float64")
            return super().fit(X, y, sample_weight)

        def predict(self, X):
            raise AssertionError("what was fitted by another is used by another")

    data = np.random.default_rng(4).normal(size=(40, 2))
    drop_in = _sklearn.drop_in(Picky)
    with caplog.at_level(logging.DEBUG, "medfast.patching"):
        model = drop_in(2, random_state=0, num_threads=1).fit(data)
        model.fit(data.astype(np.float32))
    expected = cluster.KMeans(2, n_init=1, random_state=0).fit(data.astype(np.float32))
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    np.testing.assert_array_equal(model.predict(data.astype(np.float32)), expected.labels_)
    assert [record.getMessage() for record in caplog.records] == [
        "sklearn.cluster.KMeans: medfast",
        "sklearn.cluster.KMeans: fell back to scikit-learn: X must have dtype float64",
    ]
    with pytest.raises(ValueError, match="n_samples=40 should be >= n_clusters=50"):
        drop_in(50).fit(data.astype(np.float32))


@pytest.mark.opencv
def test_blocks_nest_and_leave_what_was_patched(cv2):
    own = cv2.equalizeHist
    with medfast.patched("cv2"):
        inside = cv2.equalizeHist
        with medfast.patched("cv2"):
            assert cv2.equalizeHist is inside
        assert cv2.equalizeHist is inside
        medfast.unpatch()
        assert cv2.equalizeHist is inside
    assert cv2.equalizeHist is own
    medfast.patch("cv2")
    medfast.patch("cv2")
    with pytest.raises(KeyError), medfast.patched("cv2"):
        raise KeyError
    assert cv2.equalizeHist is not own
    medfast.unpatch("cv2")
    assert cv2.equalizeHist is own
    medfast.unpatch("cv2")


@pytest.mark.opencv
def test_blocks_overlap_in_several_threads(cv2):
    own, errors, start = cv2.resize, [], threading.Barrier(6)

    def work():
        try:
            start.wait()
            for _ in range(8):
                with medfast.patched("cv2"):
                    assert cv2.resize is not own
                    cv2.resize(IMAGE, (9, 8))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert cv2.resize is own


@pytest.mark.opencv
def test_calls_and_reasons_are_logged(cv2, caplog):
    with caplog.at_level(logging.DEBUG, "medfast.patching"), medfast.patched("cv2"):
        cv2.resize(IMAGE, (5, 5))
        deep = cv2.resize(IMAGE.astype(np.int32), (5, 5), interpolation=cv2.INTER_NEAREST)
        clahe = cv2.createCLAHE()
        clahe.apply(IMAGE)
    assert deep.dtype == np.int32
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "cv2.resize: medfast"),
        (
            "INFO",
            "cv2.resize: fell back to OpenCV: src must have dtype uint8, uint16, int16, float32, float64, got int32",
        ),
        ("DEBUG", "cv2.createCLAHE: medfast"),
        ("DEBUG", "cv2.CLAHE.apply: medfast"),
    ]


@pytest.mark.opencv
def test_errors_are_the_peers(cv2):
    with medfast.patched("cv2"):
        with pytest.raises(cv2.error, match="resize"):
            cv2.resize("picture", (3, 3))
        with pytest.raises(cv2.error, match="tileGridSize"):  # OpenCV's process would die
            cv2.createCLAHE(2.0, (0, 8))
    skimage = pytest.importorskip("skimage.transform")
    with medfast.patched("skimage"), pytest.raises(ValueError, match="Spline interpolation order"):
        skimage.resize(IMAGE, (5, 5), order=9)


@pytest.mark.opencv
def test_masked_arrays_are_opencvs_affair_in_a_patched_program(cv2):
    image = np.ma.array(IMAGE, mask=IMAGE > 99)
    expected = cv2.resize(image, (9, 8))
    with medfast.patched("cv2"):
        np.testing.assert_array_equal(cv2.resize(image, (9, 8)), expected)


@pytest.mark.opencv
def test_swapped_functions_are_pickled_by_the_peers_name(cv2):
    with medfast.patched("cv2"):
        text = pickle.dumps(cv2.equalizeHist)
        assert pickle.loads(text) is cv2.equalizeHist
    assert pickle.loads(text) is cv2.equalizeHist


def test_unknown_targets():
    for wrong in ("cv", "opencv", None):
        with pytest.raises(ValueError, match="targets must be of 'cv2', 'skimage', 'sklearn', got"):
            medfast.patch(wrong)
    with pytest.raises(ValueError, match="must name at least one"):
        medfast.patch()
    with pytest.raises(ValueError, match="must be of"), medfast.patched("numpy"):
        pass
    with pytest.raises(ValueError, match="must be of"):
        medfast.unpatch("numpy")
    medfast.unpatch()


def test_packages_that_are_not_installed(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "skimage" else find(name))
    monkeypatch.delitem(sys.modules, "skimage", raising=False)
    with pytest.raises(ImportError, match="cannot patch skimage: scikit-image is not installed"):
        medfast.patch("skimage")


def test_packages_imported_later():
    pytest.importorskip("skimage")
    pytest.importorskip("cv2")
    code = """if True:
        import sys
        import medfast
        medfast.patch("cv2", "skimage")
        print("cv2" in sys.modules, "skimage" in sys.modules, "sklearn" in sys.modules)
        import cv2
        from skimage.exposure import equalize_hist
        from skimage import transform
        print(cv2.resize.path, equalize_hist.path, transform.resize.path, type(cv2.__spec__.loader).__module__)
        medfast.unpatch()
        from skimage.exposure import equalize_hist
        print(hasattr(cv2.resize, "path"), hasattr(equalize_hist, "path"), hasattr(transform.resize, "path"))
    """
    assert run(code).stdout.splitlines() == [
        "False False False",
        "cv2.resize skimage.exposure.equalize_hist skimage.transform.resize _frozen_importlib_external",
        "False False False",
    ]


def test_programs_that_may_not_be_edited(tmp_path):
    pytest.importorskip("cv2")
    (tmp_path / "helper.py").write_text("from cv2 import equalizeHist\n")
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\n"
        "import numpy as np\n"
        "from helper import equalizeHist\n"
        "equalizeHist(np.zeros((4, 4), np.uint8))\n"
        "if __name__ == '__main__':\n"
        "    print(sys.argv[1:], hasattr(equalizeHist, 'path'))\n"
        "    sys.exit(7)\n"
    )
    done = run(None, "-m", "medfast", "--log", str(script), "--size", "3", check=False)
    assert (done.returncode, done.stdout) == (7, "['--size', '3'] True\n")
    assert done.stderr == "medfast: cv2.equalizeHist: medfast\n"
    done = subprocess.run(
        [sys.executable, "-m", "medfast", "-m", "program", "x"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": ""},
    )
    assert (done.returncode, done.stdout) == (7, "['x'] True\n")


def test_what_is_no_program(tmp_path, monkeypatch, capsys):
    pytest.importorskip("typer")  # without it, there are no commands
    from medfast import _run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "info").write_text("")
    (tmp_path / "tool").write_text("")
    assert not _run.is_program(["info"])  # a command's name counts for more than a file's
    assert not _run.is_program(["--version"])
    assert not _run.is_program(["tools"])
    assert _run.is_program(["tool"])
    assert _run.is_program(["-m", "tool"])
    for arguments in (["-m"], ["--log"], ["missing.py"]):
        with pytest.raises(SystemExit) as end:
            _run.run(arguments)
        assert end.value.code == 2
    assert "there is no such file" in capsys.readouterr().err
    logging.getLogger("medfast.patching").handlers.clear()
    logging.getLogger("medfast.patching").setLevel(logging.NOTSET)
