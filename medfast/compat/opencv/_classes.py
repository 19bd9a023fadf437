"""OpenCV's classes with OpenCV's errors, and with OpenCV itself for what medfast does not take."""

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from medfast.compat import _calls
from medfast.compat.opencv import exposure

logger = _calls.logger

Peer = Callable[[Any], Any]


WORK = ("apply", "compute", "detect", "detectMultiScale")
"""Methods of which the log tells."""


def with_opencv_errors(ours: type, peers: dict[str, Peer] | None = None) -> type:
    """A subclass whose constructor and methods raise errors that are ``cv2.error`` too.

    `peers` holds, by the name of a method, what makes of an object one of OpenCV's, or None, which takes over where the
    method raises `TypeError`.
    """
    name = ours.__name__
    members: dict[str, Any] = {"__doc__": ours.__doc__, "__module__": "medfast.compat.opencv", "__qualname__": name}
    for method, function in inspect.getmembers(ours, inspect.isfunction):
        if method.startswith("_") and method != "__init__":
            continue
        if isinstance(inspect.getattr_static(ours, method), staticmethod):
            members[method] = staticmethod(_of_peer(f"cv2.{name}", function))
        else:
            members[method] = _converting(f"cv2.{name}.{method}", function, (peers or {}).get(method))
    return type(name, (ours,), members)


def _of_peer(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A static method that looks into `cv2`: while that is patched, OpenCV's own, or it would find itself there."""

    @functools.wraps(function)
    def method(*arguments: Any, **keywords: Any) -> Any:
        if path not in _calls.originals:
            return function(*arguments, **keywords)
        theirs = getattr(_calls.originals[path], function.__name__, None)
        if theirs is None:
            raise ImportError(f"{function.__name__} asks OpenCV, which has no {path.rpartition('.')[2]} here")
        return theirs(*arguments, **keywords)

    return method


def _converting(path: str, function: Callable[..., Any], peer: Peer | None) -> Callable[..., Any]:
    is_work = function.__name__ in WORK

    @functools.wraps(function)
    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        try:
            result = function(self, *arguments, **keywords)
        except (TypeError, ValueError) as error:
            theirs = None
            if peer is not None and _calls.may_ask_opencv(path, error, arguments, keywords):
                theirs = peer(self)
            if theirs is None:
                raise _calls.opencv_error(error, path) from None
            _calls.fell_back(path, error)
            return getattr(theirs, function.__name__)(*arguments, **keywords)
        if is_work and logger.isEnabledFor(logging.DEBUG):
            _calls.answered(path)
        return result

    return method


def clahe_of_opencv(ours: exposure.CLAHE) -> Any:
    """OpenCV's CLAHE with the same settings."""
    create = _calls.original("cv2.createCLAHE")
    if create is None:
        return None
    theirs = create(ours.getClipLimit(), ours.getTilesGridSize())
    if ours.getBitShift():
        theirs.setBitShift(ours.getBitShift())
    return theirs
