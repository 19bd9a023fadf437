"""Labelled images listed in a CSV file: path, label, and if it likes group and split.

Messages name lines, never groups: a group is mostly a patient.
"""

import csv
import io
import os
from pathlib import Path
from typing import NamedTuple

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""What a split may be called, and what it is."""

_COLUMNS = ("path", "label", "group", "split")


class Manifest(NamedTuple):
    """Labelled images of a CSV file, in its order.

    Parameters
    ----------
    paths : list of Path
        The images.
    labels : list of str
        The class of each.
    groups : list of str or None
        What each belongs to, such as a patient; None without such a column.
    splits : list of str or None
        "train", "validation" or "test" for each; None without such a column.

    Examples
    --------
    >>> from pathlib import Path
    >>> from medfast.pipeline import Manifest
    >>> manifest = Manifest([Path("1.png"), Path("2.png")], ["ill", "well"], None, ["train", "test"])
    >>> manifest.part("test").labels
    ['well']
    """

    paths: list[Path]
    labels: list[str]
    groups: list[str] | None
    splits: list[str] | None

    def part(self, split: str) -> "Manifest":
        """Return the images of one split.

        Parameters
        ----------
        split : {"train", "validation", "test"}
            Which.

        Returns
        -------
        Manifest
            Those alone; all of them where there is no such column.
        """
        if self.splits is None:
            return self
        chosen = [i for i, name in enumerate(self.splits) if name == split]
        return Manifest(
            [self.paths[i] for i in chosen],
            [self.labels[i] for i in chosen] if self.labels else [],
            None if self.groups is None else [self.groups[i] for i in chosen],
            [split] * len(chosen),
        )


def load_manifest(path: str | os.PathLike[str], *, labelled: bool = True) -> Manifest:
    """Read a CSV file that lists images with their labels.

    Parameters
    ----------
    path : path
        A CSV file in UTF-8 with a line of column names: ``path`` and ``label``, and optionally ``group`` (the patient)
        and ``split`` (train, validation or test). Other columns are left alone. Commas, semicolons or tabs part them.
        Relative paths start at the folder of the file.
    labelled : bool, default=True
        Whether there must be labels.

    Returns
    -------
    Manifest
        Paths, labels, groups and splits.

    Raises
    ------
    FileNotFoundError
        If the file, or an image that it names, does not exist.
    ValueError
        If a column is missing or named twice, a line lacks a path, a label or a group, a split is unknown, an image is
        listed twice, or a group has images in more than one split. The message names the line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from medfast.pipeline import load_manifest
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     folder = pathlib.Path(directory)
    ...     for name in ("a.png", "b.png"):
    ...         (folder / name).touch()
    ...     _ = (folder / "list.csv").write_text("path,label,group\\na.png,ill,P1\\nb.png,well,P2\\n")
    ...     manifest = load_manifest(folder / "list.csv")
    >>> [path.name for path in manifest.paths], manifest.labels, manifest.groups
    (['a.png', 'b.png'], ['ill', 'well'], ['P1', 'P2'])
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8, got a byte that is none at {error.start}") from None
    header, rows = _rows(path, text)
    place = _columns(path, header, ("path", "label") if labelled else ("path",))
    table = {name: [cells[i] for _, cells in rows] for name, i in place.items()}
    lines = [line for line, _ in rows]
    for name, column in table.items():
        for line, cell in zip(lines, column, strict=True):
            if not cell:
                raise ValueError(f"{path}, line {line}: {name} is empty")
    if not rows:
        raise ValueError(f"{path} must list at least one image, got none")
    paths = [path.parent / name for name in table["path"]]
    _check_files(path, paths, lines)
    groups = table.get("group")
    splits = None if "split" not in table else _splits(path, table["split"], lines)
    if groups is not None and splits is not None:
        _check_groups(path, groups, splits, lines)
    return Manifest(paths, table.get("label", []), groups, splits)


def _rows(path: Path, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The column names, and the cells of each line that is not blank, with its number."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None
    for line, cells in rows:
        if len(cells) != len(header):
            raise ValueError(f"{path}, line {line}: must have {len(header)} columns, got {len(cells)}")
    return header, rows


def _columns(path: Path, header: list[str], needed: tuple[str, ...]) -> dict[str, int]:
    for name in _COLUMNS:
        if header.count(name) > 1:
            raise ValueError(f"{path} must have one column {name}, got {header.count(name)}")
    missing = [name for name in needed if name not in header]
    if missing:
        # the first line may be no header but data, which is nobody's business
        found = [name for name in header if name in _COLUMNS]
        got = f"{len(header)} columns, of them known {', '.join(found) or 'none'}"
        raise ValueError(f"{path} must have the columns {' and '.join(needed)} in its first line, got {got}")
    return {name: header.index(name) for name in _COLUMNS if name in header}


def _check_files(path: Path, paths: list[Path], lines: list[int]) -> None:
    missing = [(line, image) for line, image in zip(lines, paths, strict=True) if not image.is_file()]
    if missing:
        line, image = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise FileNotFoundError(f"{path}, line {line}: no such file: {image}{more}")
    seen: dict[str, int] = {}
    for line, image in zip(lines, paths, strict=True):
        before = seen.setdefault(os.path.normcase(os.path.abspath(image)), line)
        if before != line:
            raise ValueError(f"{path}, line {line}: lists the file of line {before} again")


def _splits(path: Path, names: list[str], lines: list[int]) -> list[str]:
    for line, name in zip(lines, names, strict=True):
        if name.lower() not in SPLITS:
            raise ValueError(f"{path}, line {line}: split must be train, validation or test, got {name!r}")
    return [SPLITS[name.lower()] for name in names]


def _check_groups(path: Path, groups: list[str], splits: list[str], lines: list[int]) -> None:
    first: dict[str, tuple[str, int]] = {}
    for line, group, split in zip(lines, groups, splits, strict=True):
        before, other = first.setdefault(group, (split, line))
        if before != split:
            raise ValueError(
                f"{path}, line {line}: its group must be in one split, but it is in {split} here and in {before} on "
                f"line {other}; what is learnt from a patient cannot be judged on the same one"
            )
