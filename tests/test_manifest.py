"""Labelled images in a CSV file: what is read, and what is refused, in words that name no patient."""

import pytest

from medfast.pipeline import load_manifest


@pytest.fixture
def listed(tmp_path):
    """Writes a CSV file beside four images, and returns its path."""
    for name in ("a.png", "b.png", "c d.png", "é.png"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.png").touch()

    def write(text, encoding="utf-8"):
        path = tmp_path / "list.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_columns(listed, tmp_path):
    manifest = load_manifest(listed("path,label\na.png,ill\nmore/a.png,well\n"))
    assert manifest.paths == [tmp_path / "a.png", tmp_path / "more" / "a.png"]
    assert manifest.labels == ["ill", "well"]
    assert manifest.groups is manifest.splits is None
    assert manifest.part("test") is manifest


@pytest.mark.parametrize(
    "text",
    [
        "path,label,group,split\na.png,ill,P1,train\nc d.png,well,P2,val\né.png,ill,P3,TEST\n",
        "\ufeffSplit;Group; Label;PATH;\r\ntraining;P1;ill;a.png;7\r\n\r\nvalid;P2;well;c d.png;\r\ntest;P3;ill;é.png;",
        'path\tlabel\tgroup\tsplit\n"a.png"\till\tP1\ttrain\n"c d.png"\twell\tP2\tval\né.png\till\tP3\ttesting\n\n',
    ],
    ids=["commas", "semicolons", "tabs"],
)
def test_dialects(listed, text):
    manifest = load_manifest(listed(text))
    assert [path.name for path in manifest.paths] == ["a.png", "c d.png", "é.png"]
    assert manifest.labels == ["ill", "well", "ill"]
    assert manifest.groups == ["P1", "P2", "P3"]
    assert manifest.splits == ["train", "validation", "test"]
    part = manifest.part("validation")
    assert (part.paths, part.labels, part.groups) == ([manifest.paths[1]], ["well"], ["P2"])
    assert load_manifest(listed("path\na.png\n"), labelled=False).labels == []


def test_absolute_paths(listed, tmp_path):
    assert load_manifest(listed(f"path,label\n{tmp_path / 'b.png'},x\n")).paths == [tmp_path / "b.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have the columns path and label in its first line, got 0 columns, of them known none"),
        ("file,label\na.png,x\n", "must have the columns path and label .* got 2 columns, of them known label"),
        ("a.png,Doe\nb.png,Roe\n", "of them known none"),
        ("path,label,label\na.png,x,y\n", "must have one column label, got 2"),
        ("path,label\n", "must list at least one image, got none"),
        ("path,label\na.png\n", "line 2: must have 2 columns, got 1"),
        ("path,label\na.png,x\n\nb.png,\n", "line 4: label is empty"),
        ("path,label,group\na.png,x,P1\nb.png,x, \n", "line 3: group is empty"),
        ("path,label\n,x\n", "line 2: path is empty"),
        ('path,label\n"a.png,x\n', "line 2: unexpected end of data"),
        ("path,label\na.png,x\nmore/../a.png,x\n", "line 3: lists the file of line 2 again"),
        ("path,label,split\na.png,x,train\nb.png,x,held out\n", "line 3: split must be train, .* got 'held out'"),
        (
            "path,label,group,split\na.png,x,Doe,train\nb.png,x,Roe,test\nc d.png,x,Doe,test\n",
            "line 4: its group must be in one split, but it is in test here and in train on line 2",
        ),
    ],
)
def test_what_is_refused(listed, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_manifest(listed(text))
    assert "list.csv" in str(caught.value)
    assert "Doe" not in str(caught.value).rpartition("list.csv")[2]  # pytest names folders after parameters


def test_files_that_are_not_there(listed, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"line 3: no such file: .*none\.png \(and 1 more\)"):
        load_manifest(listed("path,label\na.png,x\nnone.png,x\nmore,x\n"))
    with pytest.raises(FileNotFoundError):
        load_manifest(tmp_path / "none.csv")


def test_other_encodings(listed):
    with pytest.raises(ValueError, match=r"list\.csv must be text in UTF-8, got a byte that is none at 12"):
        load_manifest(listed("path,label\na\xe9.png,x\n", "latin-1"))
