"""Build the kernels: each src/*.pyx is cythonized once, and that one C file compiled for every CPU level.

Everything else about the package stands in pyproject.toml.
"""

import os
import platform
import re
import runpy
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

LEVELS = runpy.run_path("medfast/_levels.py")["of_machine"](platform.machine())
BASELINE = {"_cpu"}  # asked before a level is known, so built for any CPU
# Cython's memory views, once for all kernels: in each of 36 modules they were 80 kB of the wheel and 9 s of compiling.
SHARED = "medfast._kernels._memoryview"
# An "unreachable" branch on a fused type is dead in one specialisation and alive in the next: no warning.
OFF = ("boundscheck", "wraparound", "initializedcheck", "warn.unreachable")
DIRECTIVES = {"language_level": 3, "cdivision": True, "freethreading_compatible": True, **dict.fromkeys(OFF, False)}
# abi3 and free threading exclude each other.
ABI3 = not sysconfig.get_config_var("Py_GIL_DISABLED")
# No -ffast-math: it would change results, and flip denormals for the whole process. No contraction: all levels agree
# bit for bit. Neither errno nor floating-point traps are ever looked at, which lets branches and sqrt become vectors.
GCC_FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
MSVC_FLAGS = ["/O2", "/fp:precise"]


@cache
def headers(path: Path) -> frozenset[str]:
    """The C headers of ours that a source file includes, by way of whatever it includes or cimports."""
    text = path.read_text(encoding="utf-8")
    names = re.findall(r'^\s*(?:#\s*include|cdef extern from) "(\w+\.h)"', text, re.MULTILINE)
    names += [f"{name}.pxd" for name in re.findall(r"^from (\w+) cimport", text, re.MULTILINE)]
    files = [path.parent / name for name in names if (path.parent / name).exists()]
    return frozenset(str(file) for file in files if file.suffix == ".h").union(*(headers(file) for file in files))


def extension(
    name: str, c_file: str, source: Path | None, gcc_flags: tuple[str, ...] = (), msvc_flags: tuple[str, ...] = ()
) -> Extension:
    """An extension module, with the flags of both compiler families kept until the compiler is known."""
    depends = sorted(headers(source)) if source else []
    module = Extension(name, [c_file], include_dirs=["src"], depends=depends)
    module.flags_of = {"unix": [*GCC_FLAGS, *gcc_flags], "msvc": [*MSVC_FLAGS, *msvc_flags]}
    if ABI3:
        module.define_macros = [("Py_LIMITED_API", "0x030B0000")]
        module.py_limited_api = True
    return module


def extensions() -> list[Extension]:
    """Cythonize once; then a one-line stub per level, because an object file is named after its source."""
    shared = Path("build/cython", SHARED.rpartition(".")[2] + ".c")
    if not shared.exists() or shared.stat().st_mtime < Path(__file__).stat().st_mtime:
        shared.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "cython", f"--generate-shared={shared}", "--module-name", SHARED], check=True
        )
    modules = [extension(SHARED, str(shared), None)]
    sources = [Extension(f"medfast._kernels.{path.stem}", [str(path)]) for path in sorted(Path("src").glob("*.pyx"))]
    generated = cythonize(
        sources,
        build_dir="build/cython",
        include_path=["src"],
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
    )
    for module in generated:
        kernel, c_file = module.name.rpartition(".")[2], module.sources[0]
        source = Path("src", f"{kernel}.pyx")
        if kernel in BASELINE:
            modules.append(extension(module.name, c_file, source))
            continue
        for level in LEVELS:
            stub = Path("build/levels", level.name, f"{kernel}.c")
            stub.parent.mkdir(parents=True, exist_ok=True)
            text = f'#include "{os.path.relpath(c_file, stub.parent).replace(os.sep, "/")}"\n'
            if not stub.exists() or stub.stat().st_mtime < Path(c_file).stat().st_mtime:
                stub.write_text(text)  # newer than the C file, so that a changed kernel is compiled again
            name = f"medfast._kernels.{level.name}.{kernel}"
            modules.append(extension(name, str(stub), source, level.gcc_flags, level.msvc_flags))
    return modules


class build_levels(build_ext):
    """build_ext that adds the flags of the compiler at hand, and compiles on all cores."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        if self.inplace:  # the folders of the levels hold compiled modules alone, so a checkout has none
            for level in LEVELS:
                self.mkpath(f"medfast/_kernels/{level.name}")
        super().run()

    def build_extension(self, ext: Extension) -> None:
        ext.extra_compile_args = ext.flags_of["msvc" if self.compiler.compiler_type == "msvc" else "unix"]
        super().build_extension(ext)


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": build_levels},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
