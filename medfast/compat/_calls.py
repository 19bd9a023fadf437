"""What stands around every drop-in function: the peer's errors, falling back on the peer, and a log of both.

A drop-in raises `TypeError` for what it does not take and `FallBack` for what it leaves to the peer; both go to the
peer where it is installed. Its `ValueError` goes to scikit-image, which has an answer or an error of its own; of OpenCV
it becomes a ``cv2.error``, for some of what medfast refuses ends OpenCV's process (a grid of 0, a negative window).
"""

import functools
import importlib
import logging
import types
from collections.abc import Callable
from typing import Any

import numpy as np

logger = logging.getLogger("medfast.patching")
"""At level DEBUG a line for each call that medfast answered, at INFO one for each that fell back, with the reason."""

PEERS = {"cv2": "OpenCV", "skimage": "scikit-image", "sklearn": "scikit-learn"}
"""What to call the packages."""

originals: dict[str, Any] = {}
"""The peer's objects that are swapped now, by the path that they have there."""


class FallBack(Exception):
    """What is asked for only the peer can do; the message says what."""


def drop_in(path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate medfast's form of a peer's function, which has this `path` there: ``"cv2.resize"``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            try:
                result = function(*arguments, **keywords)
            except (FallBack, TypeError, ValueError) as error:
                return _otherwise(path, error, arguments, keywords)
            if logger.isEnabledFor(logging.DEBUG):
                answered(path)
            return result

        call.path = path  # type: ignore[attr-defined]
        return call

    return decorate


class _StandIn(type):
    """Of classes that stand for a peer's: what medfast makes itself counts as theirs."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or type(instance) in cls.__mro__[1:-1]


def replacement(ours: Any, module: str, name: str) -> Any:
    """A copy of a drop-in that stands for the peer's `name`: an object of its own, so that whoever uses the drop-in by
    its own name keeps it when the peer's name is given back. It is pickled by the peer's name.
    """
    if isinstance(ours, type):
        kind = _StandIn if type(ours) is type else type(ours)
        return kind(name, (ours,), {"__module__": module, "__qualname__": name, "__doc__": ours.__doc__})
    if not hasattr(ours, "path"):
        ours = drop_in(f"{module}.{name}")(ours)
    copy: Any = types.FunctionType(ours.__code__, ours.__globals__, name, ours.__defaults__, ours.__closure__)
    copy = functools.update_wrapper(copy, ours)
    copy.__module__, copy.__name__, copy.__qualname__ = module, name, name
    return copy


def original(path: str) -> Any:
    """The peer's own object, also while it is swapped; None where the peer is not installed or lacks it."""
    if path in originals:
        return originals[path]
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def answered(path: str) -> None:
    """Tell that medfast answered a call."""
    logger.debug("%s: medfast", path)


def fell_back(path: str, reason: object) -> None:
    """Tell that the peer answers a call, and why."""
    logger.info("%s: fell back to %s: %s", path, PEERS[path.partition(".")[0]], reason)


def _otherwise(path: str, error: Exception, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The peer's answer to what medfast has none for, or an error."""
    package = path.partition(".")[0]
    if package == "cv2" and not may_ask_opencv(path, error, arguments, keywords):
        raise opencv_error(error, path) from None
    peer = original(path)
    if peer is None:
        if package == "cv2":
            raise opencv_error(_without_peer(error, package), path) from None
        raise _without_peer(error, package) from None
    fell_back(path, error)
    return peer(*arguments, **keywords)


def may_ask_opencv(path: str, error: Exception, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Not for masked arrays, whose mask it drops, but where a program is patched that does so anyway; nor after a
    `ValueError`, but for flat arrays, which 4.14 takes for a column and 5.0 for a row, and for floats to resize that
    are not finite.
    """
    if not isinstance(error, ValueError):
        return path in originals or not any(_is_masked(each) for each in (*arguments, *keywords.values()))
    source = arguments[0] if arguments else keywords.get("src")
    if not isinstance(source, np.ndarray) or not source.size or path in ("cv2.kmeans", "cv2.createCLAHE"):
        return False
    is_float = path == "cv2.resize" and source.dtype.kind == "f" and source.ndim < 4
    return source.ndim == 1 or (is_float and not np.isfinite(source).all())


def _is_masked(value: Any) -> bool:
    values = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(each, np.ma.MaskedArray) for each in values)


def _without_peer(error: Exception, package: str) -> Exception:
    if not isinstance(error, FallBack):
        return error
    return NotImplementedError(f"{error}; {PEERS[package]} would do it, but has no such function here")


def opencv_error(error: Exception, path: str) -> Exception:
    """`error` as one that is a ``cv2.error`` too, with what OpenCV's errors tell."""
    kind: Any = _opencv_kind(type(error))  # type: ignore[arg-type]
    found = kind(str(error))
    found.msg = found.err = str(error)
    found.func, found.file, found.line = path.rpartition(".")[2], "", 0
    found.code = -5  # StsBadArg
    return found


class _Error(Exception):
    """Stands for ``cv2.error`` where OpenCV is not installed."""


def opencv_error_class() -> type[Exception]:
    """``cv2.error``, or what stands for it where OpenCV is not installed."""
    try:
        import cv2
    except ImportError:
        return _Error
    return cv2.error


@functools.cache
def _opencv_kind(kind: type[Exception]) -> type[Exception]:
    """A class of errors that is one of OpenCV's and one of this `kind`."""
    if issubclass(kind, opencv_error_class()):
        return kind
    return type("error", (opencv_error_class(), kind), {"__module__": "cv2", "__doc__": kind.__doc__})
