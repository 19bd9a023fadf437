"""The kernels as modules of functions that code in Numba calls: those of the level of this process.

Every compiled kernel exports a table of C functions (src/entries.py). They take numbers alone,

    int64_t entry(const int64_t *words)      per array its address, shape and strides; per number itself

and have a name that tells the types, such as ``histogram.look_up(u1x3,u1x3,u1x1,i,i,i,u1x3)``. LLVM is told their
addresses under these names, here and now; code that is compiled holds the name. So it can be kept on disk and loaded by
another process, which has the kernels at other addresses, maybe of another level: the name does not say which. (An
address in the code would forbid to keep it; names of symbols in the extension, with its path given to LLVM, would bind
the first of three levels that has them, or the level that a cached function was compiled at.)

Without a compiled level (MEDFAST_LEVEL=jit too) the twins take their place, which code in Numba calls as they are.
"""

import ctypes
import importlib
import types as python_types
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic, register_jitable

from medfast import _kernels, _levels

_WORD = ir.IntType(64)
_BOUND: dict[str, list[tuple[str, ...]]] = {}
"""Of each function, what its entries take."""


class _Entry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("call", ctypes.c_void_p)]


def _bind(level: str) -> None:
    """Tell LLVM where the functions of all kernels are."""
    for kernel in _kernels.KERNELS:
        path = importlib.import_module(f"medfast._kernels.{level}.{kernel}").__file__
        entry = ctypes.addressof(_Entry.in_dll(ctypes.CDLL(path), "medfast_entry_points"))
        while (found := _Entry.from_address(entry)).name is not None:
            name, _, codes = found.name.decode().rstrip(")").partition("(")
            binding.add_symbol(_symbol(name, codes), found.call)
            _BOUND.setdefault(name, []).append(tuple(codes.split(",")))
            entry += ctypes.sizeof(_Entry)


def _symbol(name: str, codes: str) -> str:
    return f"medfast.{name}({codes})"


def _code(given: types.Type) -> str:
    """How a type stands in the names."""
    if isinstance(given, types.NoneType):
        return ""
    if isinstance(given, types.Array):
        if given.dtype == types.boolean:
            return f"u1x{given.ndim}"
        return f"{given.dtype.name[0]}{given.dtype.bitwidth // 8}x{given.ndim}"
    return "f" if isinstance(given, types.Float) else "i"


def _entry_for(name: str, given: tuple[types.Type, ...]) -> tuple[str, ...]:
    """The codes of the entry that takes these types; None stands for any array."""
    codes = [_code(each) for each in given]
    for known in _BOUND[name]:
        if len(known) == len(codes) and all(a == b or (not a and "x" in b) for a, b in zip(codes, known, strict=True)):
            return known
    raise TypingError(f"medfast has no {name}({','.join(codes)})")


def _function(name: str) -> Any:
    """A function of a kernel, to be called as its twin."""

    @intrinsic
    def call(typing_context, *given):
        codes = _entry_for(name, given)

        def generate(context, builder, signature, values):
            words = []
            for kind, code, value in zip(given, codes, cgutils.unpack_tuple(builder, values[0]), strict=True):
                words += _words(context, builder, kind, code, value)
            room = cgutils.alloca_once(builder, _WORD, size=len(words))
            for place, word in enumerate(words):
                builder.store(word, builder.gep(room, [_WORD(place)]))
            kind = ir.FunctionType(_WORD, [_WORD.as_pointer()])
            symbol = _symbol(name, ",".join(codes))
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), [room])

        return types.int64(types.StarArgTuple(given)), generate

    return call


def _words(context: Any, builder: Any, kind: types.Type, code: str, value: Any) -> list[Any]:
    """An argument as a C function takes it."""
    if isinstance(kind, types.NoneType):
        return [_WORD(0)] * (1 + 2 * int(code.partition("x")[2]))
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        address = builder.ptrtoint(array.data, _WORD)
        shape, strides = (cgutils.unpack_tuple(builder, each, kind.ndim) for each in (array.shape, array.strides))
        return [address, *shape, *strides]
    if code == "i":
        return [context.cast(builder, value, kind, types.int64)]
    return [builder.bitcast(context.cast(builder, value, kind, types.float64), _WORD)]


def _module(kernel: str) -> Any:
    """The functions of a kernel, which Numba finds as attributes of a module."""
    if _kernels.LEVEL == _levels.JIT:
        return importlib.import_module(f"medfast._kernels.jit.{kernel}")
    module = python_types.ModuleType(f"medfast._njit.{kernel}")
    for name in _BOUND:
        if name.partition(".")[0] == kernel:
            setattr(module, name.partition(".")[2], _function(name))
    return module


_compiled = [level for level in _kernels.supported_levels() if level != _levels.JIT]
if _compiled:  # also beside the twins: a function may come from Numba's cache that was compiled without them
    _bind(_compiled[-1] if _kernels.LEVEL == _levels.JIT else _kernels.LEVEL)

clahe, histogram, hog, kmeans, nlm = (_module(name) for name in ("clahe", "histogram", "hog", "kmeans", "nlm"))
partition, resample, resample_area, resample_u8 = (
    _module(name) for name in ("partition", "resample", "resample_area", "resample_u8")
)


@intrinsic
def bytes_at(typing_context, array, shape, strides):
    """The memory of an array, which has to outlive the call, as bytes of another shape."""
    view = types.Array(types.uint8, len(shape), "A", readonly=not array.mutable)

    def generate(context, builder, signature, values):
        source = context.make_array(array)(context, builder, values[0])
        made = context.make_array(view)(context, builder)
        data = builder.bitcast(source.data, made.data.type)
        made.data, made.shape, made.strides = data, values[1], values[2]
        made.itemsize = context.get_constant(types.intp, 1)
        made.nitems = context.get_constant(types.intp, 0)
        made.meminfo = cgutils.get_null_value(made.meminfo.type)
        made.parent = cgutils.get_null_value(made.parent.type)
        return made._getvalue()

    return view(array, shape, strides), generate


@intrinsic
def run_of(typing_context, array, size):
    """The memory of an array that lies in one piece, which has to outlive the call, as one run."""
    view = types.Array(array.dtype, 1, "C")

    def generate(context, builder, signature, values):
        source = context.make_array(array)(context, builder, values[0])
        made = context.make_array(view)(context, builder)
        size_word = context.cast(builder, values[1], signature.args[1], types.intp)
        item = context.get_constant(types.intp, array.dtype.bitwidth // 8)
        made.data, made.itemsize, made.nitems = source.data, item, size_word
        made.shape = cgutils.pack_array(builder, [size_word])
        made.strides = cgutils.pack_array(builder, [item])
        made.meminfo = cgutils.get_null_value(made.meminfo.type)
        made.parent = cgutils.get_null_value(made.parent.type)
        return made._getvalue()

    return view(array, size), generate


def _bind_exp() -> None:
    """Tell LLVM where NumPy's own loop for the exponential is, which tables are made with: that of the mathematical
    library differs from it in a last place here and there. The pointer stands in the public part of a ufunc's struct.
    """
    n_before = object.__basicsize__ + 4 * ctypes.sizeof(ctypes.c_int)
    functions = ctypes.c_void_p.from_address(id(np.exp) + n_before).value
    place = np.exp.types.index("d->d")
    address = ctypes.c_void_p.from_address(functions + place * ctypes.sizeof(ctypes.c_void_p)).value
    binding.add_symbol("medfast.exp", address)


@intrinsic
def _exp(typing_context, exponents, powers):
    def generate(context, builder, signature, values):
        views = [
            context.make_array(each)(context, builder, value)
            for each, value in zip(signature.args, values, strict=True)
        ]
        byte_pointer = ir.IntType(8).as_pointer()
        arguments = cgutils.alloca_once(builder, byte_pointer, size=2)
        sizes, steps = (cgutils.alloca_once(builder, _WORD, size=n) for n in (1, 2))
        builder.store(builder.extract_value(views[0].shape, 0), sizes)
        for place, view in enumerate(views):
            builder.store(builder.bitcast(view.data, byte_pointer), builder.gep(arguments, [_WORD(place)]))
            builder.store(_WORD(8), builder.gep(steps, [_WORD(place)]))
        kind = ir.FunctionType(ir.VoidType(), [arguments.type, sizes.type, steps.type, byte_pointer])
        function = cgutils.get_or_insert_function(builder.module, kind, "medfast.exp")
        builder.call(function, [arguments, sizes, steps, ir.Constant(byte_pointer, None)])
        return context.get_dummy_value()

    return types.void(exponents, powers), generate


@register_jitable
def numpy_exp(exponents):
    """`np.exp` of a run of float64, bit for bit."""
    powers = np.empty_like(exponents)
    _exp(exponents, powers)
    return powers


_bind_exp()
