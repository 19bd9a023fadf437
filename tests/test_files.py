"""Files appear whole under their names, or not at all."""

import ast
import os
from pathlib import Path

import pytest

import medfast
from medfast._files import whole_file


def test_a_file_gets_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), OSError("disk full")], ids=repr)
def test_an_error_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write():
        with whole_file(str(path)) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_name_the_file_that_the_caller_knows(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "none" / "a.bin", tmp_path / "folder"):
        with pytest.raises(OSError, match=path.name) as caught, whole_file(path) as file:
            file.write(b"x")
        assert caught.value.filename == str(path)
        assert ".part" not in str(caught.value)
    other = OSError(5, "broken", "another file")
    with pytest.raises(OSError, match="broken") as caught, whole_file(tmp_path / "a.bin"):
        raise other
    assert caught.value is other


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a.bin"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o640


def test_no_other_module_replaces_files():
    for path in Path(medfast.__file__).parent.rglob("*.py"):
        called = {node.attr for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Attribute)}
        assert path.name == "_files.py" or not called & {"mkstemp", "fsync"}, path
