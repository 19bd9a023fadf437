"""A kernel is whole or it is not there: stub, source, twin, oracle, benchmark case, the same functions everywhere."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import medfast
from medfast import _kernels, _levels
from medfast.bench.cases import CASES

TESTS = Path(__file__).parent
SOURCES = TESTS.parent / "src"
PACKAGE = Path(medfast.__file__).parent


def stub_functions(kernel):
    """Function names and argument names that the stub states, in order."""
    tree = ast.parse((PACKAGE / "_kernels" / f"{kernel}.pyi").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {function.name: [argument.arg for argument in function.args.args] for function in functions}


def oracle_text():
    """All oracles, one file after the other."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted(TESTS.glob("oracles*.py")))


def module_functions(module):
    """The same of a module: everything callable that it defines, but for what a leading underscore hides."""
    kernel = module.__name__.rpartition(".")[2]
    found = {}
    for name, value in vars(module).items():
        function = getattr(value, "py_func", value)  # what Numba wraps
        # A compiled function names the module that it was cythonized as, not the level that it stands in.
        homes = (module.__name__, f"medfast._kernels.{kernel}")
        if name.startswith("_") or not callable(function) or getattr(function, "__module__", None) not in homes:
            continue
        found[name] = list(inspect.signature(function).parameters)
    return found


def test_every_source_is_a_kernel():
    if not SOURCES.is_dir():
        pytest.skip("an installed wheel has no src/")
    assert {path.stem for path in SOURCES.glob("*.pyx")} - {"_cpu"} == set(_kernels.KERNELS)


@pytest.mark.parametrize("level", _kernels.supported_levels())
@pytest.mark.parametrize("kernel", _kernels.KERNELS)
def test_functions_are_those_of_the_stub(kernel, level):
    module = importlib.import_module(f"medfast._kernels.{level}.{kernel}")
    expected = stub_functions(kernel)
    found = module_functions(module)
    if level == _levels.JIT:  # helpers that only other twins call may stand beside them
        found = {name: arguments for name, arguments in found.items() if name in expected}
    assert found == expected


@pytest.mark.parametrize("kernel", _kernels.KERNELS)
def test_kernel_has_an_oracle(kernel):
    sections = re.split(r"^# --- (\w+) -+$", oracle_text(), flags=re.MULTILINE)
    oracles = dict(zip(sections[1::2], sections[2::2], strict=True))
    family = kernel.partition("_")[0]  # resample_u8 is a part of resample: one definition, one oracle
    names = re.findall(r"^def (\w+)\(", oracles.get(kernel, oracles.get(family, "")), flags=re.MULTILINE)
    assert names, f"tests/oracles*.py have no definition under '# --- {kernel} ---'"
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS.glob("test_*.py"))
    assert any(f"oracles.{name}(" in tests for name in names), f"no test calls an oracle of {kernel}"


@pytest.mark.parametrize("kernel", _kernels.KERNELS)
def test_kernel_has_a_benchmark_case(kernel):
    assert any(kernel in case.kernels for case in CASES)


def test_oracles_know_nothing_of_the_package():
    assert not re.search(r"^\s*(import|from) medfast", oracle_text(), flags=re.MULTILINE)
