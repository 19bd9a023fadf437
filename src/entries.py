"""C entry points of the kernels' functions, for code that Numba compiles: text that setup.py puts around a kernel's C.

Cython makes two C functions of each `def`: one that reads Python's arguments, and one that does the work, which takes
memory views as plain structs. The second one is called here, from a function that takes nothing but numbers,

    int64_t entry(const int64_t *words)      per array its address, shape and strides in bytes; per number itself

and a table of these, with a name each that tells all types, is the one symbol that the module exports. So no kernel is
compiled twice and none has to be written for it. Tried: capsules of `cdef api` functions, for each pair of a function and
its types one more, by hand, of which there are 130; and the `def` through Python, which would need the GIL, and a thread
of `prange` that waits for the GIL waits for ever, for its caller holds it.

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

_FUNCTION = re.compile(r"^(def|cpdef Py_ssize_t) ([a-z]\w*)\((.*?)\)(?: noexcept nogil)?: *\n", re.MULTILINE | re.DOTALL)
_FUSED = re.compile(r"^ctypedef fused (\w+):\n((?:    \w+\n)+)", re.MULTILINE)
_ARGUMENT = re.compile(r"(?:const )?(\w+)(\[[:\w, ]+\])? (\w+)")

BEFORE = '#include "entry_gil.h"\n'


def around(source: Path, c_file: Path) -> tuple[str, str]:
    """What to put before and after the C file that Cython made of a kernel."""
    kernel, text, generated = source.stem, source.read_text(encoding="utf-8"), c_file.read_text(encoding="utf-8")
    fused = _fused_types(source)
    lines, rows = ['\n#include "entry_views.h"\n'], []
    for kind, function, inner in _FUNCTION.findall(re.sub(r"#.*", "", text)):
        arguments = [_ARGUMENT.fullmatch(each).groups() for each in _split(inner)]
        types = list(dict.fromkeys(name for name, _, _ in arguments if name in fused))
        c_names = _c_names(kernel, function, kind, generated)
        choices = list(itertools.product(*(fused[name] for name in types)))
        if len(c_names) != len(choices):
            raise RuntimeError(f"{c_file} has {len(c_names)} functions for {kernel}.{function}, expected {len(choices)}")
        for c_name, choice in zip(c_names, choices, strict=True):
            known = dict(zip(types, choice, strict=True))
            number = len(rows)
            values, codes = [], []
            for ctype, axes, name in arguments:
                if axes:
                    n_axes = axes.count(",") + 1
                    lines_of = f"__Pyx_memviewslice {name} = medfast_view(&words, {n_axes});"
                    codes.append(f"{CODES[known.get(ctype, ctype)]}x{n_axes}")
                elif ctype in INTEGERS:
                    lines_of = f"int64_t {name} = *words++;"
                    codes.append("i")
                else:
                    lines_of = f"double {name} = medfast_real(&words);"
                    codes.append("f")
                values.append((name, lines_of))
            lines.append(f"static int64_t medfast_entry_{number}(const int64_t *words) {{\n")
            lines += [f"    {each}\n" for _, each in values]
            names = ", ".join(name for name, _ in values)
            if kind == "def":
                lines.append(f"    medfast_without_gil = 1;\n    {c_name}(NULL, {names});\n    medfast_without_gil = 0;\n")
                lines.append("    return 0;\n}\n")
            else:
                lines.append(f"    return {c_name}({names}, 0);\n}}\n")
            rows.append(f'    {{"{kernel}.{function}({",".join(codes)})", medfast_entry_{number}}},\n')
    table = "MEDFAST_EXPORT const medfast_entry medfast_entry_points[] = {\n" + "".join(rows) + "    {NULL, NULL}\n};\n"
    return BEFORE, "".join(lines) + table


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
