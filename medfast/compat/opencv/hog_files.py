"""Files of `HOGDescriptor`, as OpenCV's FileStorage writes them: YAML, XML or JSON, plain or compressed by gzip.

What is read is text: numbers by name. Nothing in a file is executed, and a compressed one is inflated up to a bound.
"""

import gzip
import json
import math
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medfast._files import whole_file

__all__: list[str] = []

TYPE = "opencv-object-detector-hog"
SIZES = ("winSize", "blockSize", "blockStride", "cellSize")
INTEGERS = ("nbins", "derivAperture", "histogramNormType", "gammaCorrection", "nlevels", "signedGradient")
REALS = ("winSigma", "L2HysThreshold")
DETECTOR = "SVMDetector"
ORDER = (
    *SIZES, "nbins", "derivAperture", "winSigma", "histogramNormType", "L2HysThreshold", "gammaCorrection", "nlevels",
    "signedGradient",
)  # fmt: skip
"""Of the settings in a file."""

_OPTIONAL = ("signedGradient", DETECTOR)
_MOST_BYTES = 2**28  # of text: a detector of twenty million coefficients
_LINE = 72


def save(path: str | os.PathLike[str], name: str, values: Mapping[str, Any]) -> None:
    """Write the settings, and the detector if there is one, under `name`, or under one from the file's where empty."""
    target = Path(path)
    suffixes = [suffix.lower() for suffix in target.suffixes]
    is_compressed = suffixes[-1:] == [".gz"]
    kind = "".join(suffixes[-2:-1] if is_compressed else suffixes[-1:])
    write = {".xml": _xml, ".yml": _yaml, ".yaml": _yaml, ".json": _json}.get(kind)
    if write is None:
        raise ValueError(f"filename must end in .yml, .yaml, .xml or .json (and .gz), got {target.name!r}")
    text = write(name or _default_name(target.name), values).encode()
    with whole_file(target) as file:
        file.write(gzip.compress(text, mtime=0) if is_compressed else text)


def load(path: str | os.PathLike[str], name: str) -> dict[str, Any]:
    """The values under `name`, or under the first name of the file where that is empty; see `checked`."""
    with open(path, "rb") as raw:
        is_compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            content = gzip.GzipFile(fileobj=raw).read(_MOST_BYTES + 1) if is_compressed else raw.read(_MOST_BYTES + 1)
        except (EOFError, OSError) as error:
            raise ValueError(f"{_shown(path)} is no whole gzip file: {error}") from None
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{_shown(path)} must have at most {_MOST_BYTES} bytes of text")
    try:
        text = content.decode()
        start = text.lstrip()[:1]
        nodes = _read_xml(text) if start == "<" else _read_json(text) if start == "{" else _read_yaml(text)
    except (ValueError, ElementTree.ParseError, RecursionError) as error:
        raise ValueError(f"{_shown(path)} is no YAML, XML or JSON file as OpenCV writes it: {error}") from None
    if not nodes or (name and name not in nodes):
        raise ValueError(f"{_shown(path)} must have a node {name!r}" if name else f"{_shown(path)} has no node")
    return checked(nodes[name] if name else next(iter(nodes.values())), _shown(path))


def checked(node: Any, place: str) -> dict[str, Any]:
    """The numbers of a descriptor's node: sizes in pairs, the rest alone, the detector as float32 or None."""
    if not isinstance(node, Mapping):
        raise ValueError(f"{place} must hold the settings of a HOGDescriptor by name")
    values: dict[str, Any] = {}
    for key in (*ORDER, DETECTOR):
        if key not in node and key in _OPTIONAL:
            continue
        found = node.get(key)
        numbers = found if isinstance(found, list) else [found]
        if not all(isinstance(number, int | float) for number in numbers):
            raise ValueError(f"{place}: {key} must be given in numbers, got {str(found)[:40]!r}")
        if key == DETECTOR:
            values[key] = np.array(numbers, np.float32)
        elif key in REALS:
            values[key] = float(_only(numbers, key, place, 1)[0])
        else:
            entries = _only(numbers, key, place, 2 if key in SIZES else 1)
            if not all(float(entry).is_integer() for entry in entries):
                raise ValueError(f"{place}: {key} must be whole, got {entries}")
            values[key] = tuple(map(int, entries)) if key in SIZES else int(entries[0])
    return values


def read_node(node: Any) -> dict[str, Any] | None:
    """The values of a `cv2.FileNode`, or None where that holds nothing by name."""
    if not node.isMap():
        return None
    found: dict[str, Any] = {}
    for key in (*ORDER, DETECTOR):
        entry = node.getNode(key)
        if entry.isSeq():
            found[key] = [entry.at(i).real() for i in range(entry.size())]
        elif entry.isInt() or entry.isReal():
            found[key] = entry.real()
    return checked(found, "fn")


def write_node(storage: Any, name: str, values: Mapping[str, Any]) -> None:
    """Write into a `cv2.FileStorage`."""
    sequence, mapping, flow = 4, 5, 8  # FileNode's SEQ, MAP and FLOW
    storage.startWriteStruct(name, mapping, TYPE)
    for key, value in values.items():
        if isinstance(value, np.ndarray | tuple):
            storage.startWriteStruct(key, sequence | flow)
            for entry in value:
                storage.write("", int(entry) if key in SIZES else float(entry))
            storage.endWriteStruct()
        else:
            storage.write(key, float(value) if key in REALS else int(value))
    storage.endWriteStruct()


def _only(numbers: list[Any], key: str, place: str, n: int) -> list[Any]:
    if len(numbers) != n:
        raise ValueError(f"{place}: {key} must have {n} numbers, got {len(numbers)}")
    return numbers


def _shown(path: str | os.PathLike[str]) -> str:
    return repr(os.path.basename(os.fspath(path)))


def _default_name(file: str) -> str:
    """The file's name without what follows its first dot; a letter or _ first, then letters, digits, - and _."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", file.partition(".")[0])
    return stem if re.match(r"[A-Za-z_]", stem) else f"_{stem}"


# --- writing ---------------------------------------------------------------------------------------------------------


def _number(key: str, value: Any, empty: str = ".") -> str:
    """A whole real number ends in a dot, or in what stands there for `empty`."""
    if key not in REALS and key != DETECTOR:
        return str(int(value))
    value = float(value)
    if not math.isfinite(value):
        return ".Nan" if math.isnan(value) else ".Inf" if value > 0 else "-.Inf"
    if value.is_integer() and abs(value) < 1e9:
        return f"{value:.0f}{empty}"
    return f"{value:.9g}" if key == DETECTOR else f"{value:.17g}"


def _wrapped(words: Iterable[str], indent: str) -> str:
    lines, line = [], indent
    for word in words:
        if len(line) + len(word) > _LINE and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += f"{word} "
    return "\n".join([*lines, line.rstrip()])


def _sequence(key: str, value: Any, indent: str, dot: str = ".") -> str:
    words = [_number(key, entry, dot) for entry in value]
    return f"[ {_wrapped([f'{word},' for word in words[:-1]] + words[-1:], indent).lstrip()} ]"


def _yaml(name: str, values: Mapping[str, Any]) -> str:
    lines = ["%YAML:1.0", "---", f"{name}: !!{TYPE}"]
    for key, value in values.items():
        is_one = not isinstance(value, np.ndarray | tuple)
        lines.append(f"   {key}: {_number(key, value) if is_one else _sequence(key, value, ' ' * 7)}")
    return "\n".join([*lines, ""])


def _json(name: str, values: Mapping[str, Any]) -> str:
    lines = [f'        "type_id": "{TYPE}"']
    for key, value in values.items():
        is_one = not isinstance(value, np.ndarray | tuple)
        text = _number(key, value, ".0") if is_one else _sequence(key, value, " " * 12, ".0")
        lines.append(f'        "{key}": {text}')
    return "{\n" + f'    "{name}": {{\n' + ",\n".join(lines) + "\n    }\n}\n"


def _xml(name: str, values: Mapping[str, Any]) -> str:
    lines = ['<?xml version="1.0"?>', "<opencv_storage>", f'<{name} type_id="{TYPE}">']
    for key, value in values.items():
        if isinstance(value, np.ndarray | tuple):
            text = "\n" + _wrapped([_number(key, entry) for entry in value], "    ")
        else:
            text = _number(key, value)
        lines.append(f"  <{key}>{text}</{key}>")
    return "\n".join([*lines, f"</{name}>", "</opencv_storage>", ""])


# --- reading ---------------------------------------------------------------------------------------------------------


def _parsed(word: str) -> float | int | str:
    for convert in (int, float):
        try:
            return convert(word)
        except ValueError:
            pass
    special = {".inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}
    return special.get(word.lower(), word)


def _read_json(text: str) -> dict[str, Any]:
    return json.loads(text)


def _read_xml(text: str) -> dict[str, Any]:
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):
        raise ValueError("it has a declaration")  # of entities, which may stand for any amount of text
    root = ElementTree.fromstring(text)
    return {node.tag: {entry.tag: _words(entry.text) for entry in node} for node in root}


def _words(text: str | None) -> Any:
    words = [_parsed(word) for word in (text or "").split()]
    return words[0] if len(words) == 1 else words


def _read_yaml(text: str) -> dict[str, Any]:
    """Names at the margin, indented entries under each, sequences in brackets over any number of lines or by dashes."""
    nodes: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    for match in re.finditer(
        r"^(?P<indent>[ ]*)(?P<key>[A-Za-z_][\w-]*|\"[^\"\n]*\") *:(?P<value>[^\n\[]*(?:\[[^\]]*(?:\]|\Z))?)"
        r"(?P<items>(?:\n[ ]*-[ ][^\n]*)*)",
        text,
        flags=re.MULTILINE,
    ):
        key, value = match["key"].strip('"'), re.sub(r"!![\w.-]+", "", match["value"]).strip()
        if not match["indent"]:
            entries = nodes[key] = {}
        elif value.startswith("["):
            if not value.endswith("]"):
                raise ValueError(f"the sequence {key} does not end")
            entries[key] = [_parsed(word) for word in value[1:-1].replace(",", " ").split()]
        elif match["items"]:
            entries[key] = [_parsed(line.strip()[1:].strip()) for line in match["items"].split("\n") if line.strip()]
        else:
            entries[key] = _parsed(value)
    return nodes
