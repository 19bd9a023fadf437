"""The level is chosen once, at import, and MEDFAST_LEVEL is strict: seen from fresh processes, as a user would."""

import json
import os
import subprocess
import sys

import pytest

from medfast import _kernels, _levels, runtime


def run_python(code, **environ):
    """Run `code` in a new interpreter whose environment lacks the variables that medfast reads, but for `environ`."""
    ours = ("MEDFAST_LEVEL", "MEDFAST_NUM_THREADS", "OMP_NUM_THREADS")
    clean = {key: value for key, value in os.environ.items() if key not in ours}
    return subprocess.run(
        [sys.executable, "-c", code], env={**clean, **environ}, capture_output=True, text=True, timeout=300, check=False
    )


INFO = "import json, medfast; print(json.dumps(medfast.runtime.info()))"


@pytest.mark.parametrize("name", _kernels.supported_levels())
def test_level_can_be_forced(name):
    found = json.loads(run_python(INFO, MEDFAST_LEVEL=name).stdout)
    assert found["level"] == name
    assert found["level_source"] == "MEDFAST_LEVEL"
    assert found["kernels"] == dict.fromkeys(_kernels.KERNELS, name)


def test_highest_level_is_chosen():
    found = json.loads(run_python(INFO).stdout)
    assert found["level"] == _kernels.supported_levels()[-1] != _levels.JIT
    assert found["level_source"] == "CPU"


def test_unknown_level_is_an_error_that_lists_the_choices():
    message = run_python("import medfast", MEDFAST_LEVEL="avx9000").stderr
    assert "MEDFAST_LEVEL='avx9000' is no level" in message
    for name in _kernels.supported_levels():
        assert name in message


def test_level_of_another_machine_is_an_error():
    foreign = next(level.name for level in _levels.LEVELS if level.name not in _kernels.supported_levels())
    message = run_python("import medfast", MEDFAST_LEVEL=foreign).stderr
    assert f"MEDFAST_LEVEL={foreign!r} cannot run here" in message


def test_level_above_the_cpu_is_neither_chosen_nor_forced():
    """A CPU of level 2 is feigned before the package looks."""
    code = (
        "import importlib.machinery, importlib.util, sys, types;"
        "cpu = types.ModuleType('medfast._kernels._cpu'); cpu.level = lambda: 2;"
        "sys.modules['medfast._kernels._cpu'] = cpu;"
        "import medfast; print(medfast.runtime.info()['level'])"
    )
    assert run_python(code).stdout.strip() == "x86_64_v2"
    assert "cannot run here" in run_python(code, MEDFAST_LEVEL="x86_64_v3").stderr


def test_broken_module_fails_loudly():
    code = f"import sys; sys.modules['medfast._kernels.{_kernels.LEVEL}.histogram'] = None; import medfast"
    result = run_python(code)
    assert result.returncode != 0
    assert f"medfast._kernels.{_kernels.LEVEL}.histogram" in result.stderr


def test_import_needs_numpy_alone():
    code = (
        "import sys, medfast; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    modules = [name for name in run_python(code).stdout.split() if not name.startswith("_")]
    assert set(modules) <= {"medfast", "numpy", "sitecustomize", "usercustomize", "pyximport", "cython_runtime"}


def test_import_is_quick(tmp_path):
    """Under 50 ms over NumPy, of this thread: the wall counts other programs, the process the threads of BLAS. With
    compiled bytecode, as an installation has it, also where the environment lets Python write none.
    """
    code = "import time, numpy; start = time.thread_time(); import medfast; print((time.thread_time() - start) * 1e3)"
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    run_python(code, **kept)
    assert min(float(run_python(code, **kept).stdout) for _ in range(5)) < 50.0


def test_denormals_survive_the_import():
    code = "import medfast, numpy as np; print(np.finfo(np.float32).smallest_subnormal / np.float32(1) != 0)"
    assert run_python(code).stdout.strip() == "True"


def test_bare_module_shows_what_runs():
    result = subprocess.run([sys.executable, "-m", "medfast"], capture_output=True, text=True, timeout=120, check=True)
    assert runtime.info()["level"] in result.stdout
    for kernel in _kernels.KERNELS:
        assert kernel in result.stdout
