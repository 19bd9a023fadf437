"""C entry points of the kernels' functions, for code that Numba compiles: text that setup.py puts around a kernel's C.

Cython makes two C functions of each `def`: one that reads Python's arguments, and one that does the work, which takes
memory views as plain structs. The second one is called here, from a function that takes nothing but numbers,

    int64_t entry(const int64_t *words)      per array its address, shape and strides in bytes; per number itself

and a table of these, with a name each that tells all types, is the one symbol that the module exports. So no
kernel is compiled twice, and none has to be written for it. Rejected: `cdef api` functions with their capsules, of
which there would be 158 by hand, one for each function and its types; and the `def` through Python, which needs the
GIL: a thread of `prange` that waits for it waits for ever, for its caller holds it.

The names are Cython's inner ones: where another version of it has others, the build stops.
"""

import itertools
import re
from pathlib import Path

CODES = {
    "uint8_t": "u1",
    "uint16_t": "u2",
    "uint32_t": "u4",
    "int16_t": "i2",
    "int32_t": "i4",
    "int64_t": "i8",
    "Py_ssize_t": "i8",
    "float": "f4",
    "double": "f8",
}
INTEGERS = {"Py_ssize_t", "int64_t", "int", "bint"}

_FUNCTION = re.compile(
    r"^(def|cpdef Py_ssize_t) ([a-z]\w*)\((.*?)\)(?: noexcept nogil)?: *\n", re.MULTILINE | re.DOTALL
)
_FUSED = re.compile(r"^ctypedef fused (\w+):\n((?:    \w+\n)+)", re.MULTILINE)
_ARGUMENT = re.compile(r"(?:const )?(\w+)(\[[:\w, ]+\])? (\w+)")

BEFORE = '#include "entry_gil.h"\n'


def around(source: Path, c_file: Path) -> tuple[str, str]:
    """What to put before and after the C file that Cython made of a kernel."""
    kernel, text, generated = source.stem, source.read_text(encoding="utf-8"), c_file.read_text(encoding="utf-8")
    fused = _fused_types(source)
    functions, rows = [], []
    for kind, function, inner in _FUNCTION.findall(re.sub(r"#.*", "", text)):
        arguments = [_ARGUMENT.fullmatch(each).groups() for each in _split(inner)]
        types = list(dict.fromkeys(name for name, _, _ in arguments if name in fused))
        choices = list(itertools.product(*(fused[name] for name in types)))
        c_names = _c_names(kernel, function, kind, generated)
        if len(c_names) != len(choices):
            raise RuntimeError(f"{c_file}: {len(c_names)} functions for {kernel}.{function}, not {len(choices)}")
        for c_name, choice in zip(c_names, choices, strict=True):
            known = dict(zip(types, choice, strict=True))
            entry = f"medfast_entry_{len(rows)}"
            functions.append(_entry(entry, kind, c_name, arguments))
            codes = ",".join(_code(known.get(ctype, ctype), axes) for ctype, axes, _ in arguments)
            rows.append(f'    {{"{kernel}.{function}({codes})", {entry}}},\n')
    table = f"MEDFAST_EXPORT const medfast_entry medfast_entry_points[] = {{\n{''.join(rows)}    {{NULL, NULL}}\n}};\n"
    return BEFORE, '\n#include "entry_views.h"\n' + "".join(functions) + table


def _entry(entry: str, kind: str, c_name: str, arguments: list[tuple[str, str | None, str]]) -> str:
    """A C function that takes words."""
    lines = [f"static int64_t {entry}(const int64_t *words) {{"]
    for ctype, axes, name in arguments:
        if axes:
            lines.append(f"    __Pyx_memviewslice {name} = medfast_view(&words, {axes.count(',') + 1});")
        elif ctype in INTEGERS:
            lines.append(f"    int64_t {name} = *words++;")
        else:
            lines.append(f"    double {name} = medfast_real(&words);")
    names = ", ".join(name for _, _, name in arguments)
    if kind == "def":
        lines += ["    medfast_without_gil = 1;", f"    {c_name}(NULL, {names});", "    medfast_without_gil = 0;"]
        lines.append("    return 0;")
    else:
        lines.append(f"    return {c_name}({names}, 0);")
    return "\n".join([*lines, "}"]) + "\n"


def _code(ctype: str, axes: str | None) -> str:
    """How an argument stands in the name of an entry."""
    if axes:
        return f"{CODES[ctype]}x{axes.count(',') + 1}"
    return "i" if ctype in INTEGERS else "f"


def _fused_types(source: Path) -> dict[str, list[str]]:
    """Fused types of a source file and of what it cimports."""
    text = source.read_text(encoding="utf-8")
    found = {}
    for name in re.findall(r"^from (\w+) cimport", text, re.MULTILINE):
        if (path := source.with_name(f"{name}.pxd")).exists():
            found |= _fused_types(path)
    return found | {name: members.split() for name, members in _FUSED.findall(text)}


def _split(inner: str) -> list[str]:
    """Arguments of a signature."""
    return [each.strip() for each in re.split(r",(?![^\[]*\])", " ".join(inner.split()))]


def _c_names(kernel: str, function: str, kind: str, generated: str) -> list[str]:
    """Cython's names of the function that does the work, in the order of the types that it is for."""
    home = f"7medfast_8_kernels_{len(kernel)}{kernel}_"
    if kind == "def":
        pattern = rf"^static PyObject \*(__pyx_pf_{home}\d*{function})\((?!.*__pyx_v_signatures).*\) \{{"
    else:
        pattern = rf"^static Py_ssize_t (__pyx_f_{home}{function})\(.*\) \{{"
    return re.findall(pattern, generated, re.MULTILINE)
