"""Every public docstring is complete, and every example in it and in the documents runs."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from numpydoc.validate import validate

import medfast

ROOT = Path(__file__).parent.parent

# What numpydoc asks and we do not: GL01 the summary on a line of its own below the quotes, SA01 "See Also", ES01 an
# extended summary where the first line says it all.
NOT_ASKED = {"GL01", "SA01", "ES01"}


def modules():
    """Names of all modules of the package, but for kernels and the twins, which are private."""
    found = [name for _, name, _ in pkgutil.walk_packages(medfast.__path__, "medfast.")]
    return ["medfast", *(name for name in found if "._" not in name)]


def public_objects():
    """Import path of every public function and class, and of the public methods of the classes."""
    found = {}
    for name in modules():
        module = importlib.import_module(name)
        for member in getattr(module, "__all__", ()):
            value = getattr(module, member)
            home = getattr(value, "__module__", None)
            # what a public module hands on from a private one is public too
            if (home != name and not str(home).startswith("medfast._")) or not (
                inspect.isfunction(value) or inspect.isclass(value)
            ):
                continue
            found[f"{name}.{member}"] = value
            if inspect.isclass(value):
                for method, function in vars(value).items():
                    if not method.startswith("_") and inspect.isfunction(function):
                        found[f"{name}.{member}.{method}"] = function
    return found


@pytest.mark.parametrize("path", public_objects())
def test_docstring_is_complete(path):
    is_method = path.rpartition(".")[0] in public_objects()
    not_asked = NOT_ASKED | ({"EX01"} if is_method else set())
    errors = [f"{code}: {text}" for code, text in validate(path)["errors"] if code not in not_asked]
    assert errors == []


def private_homes():
    """Names of the private modules whose functions are public: their examples are found there alone."""
    homes = {value.__module__ for value in public_objects().values() if inspect.isfunction(value)}
    return sorted(home for home in homes if home.startswith("medfast._"))


@pytest.mark.parametrize("name", [*modules(), *private_homes()])
def test_examples_of_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0


def python_blocks():
    """The Python examples of README.md and docs/, by file and line."""
    blocks = {}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]:
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            blocks[f"{path.relative_to(ROOT)}:{line}"] = match[1]
    return blocks


@pytest.mark.parametrize("place", python_blocks())
def test_examples_of_documents_run(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(python_blocks()[place], place, "exec"), {"__name__": "__main__"})


def test_documents_have_examples():
    assert any(place.startswith("README.md") for place in python_blocks())
