"""Swapping the functions of OpenCV, scikit-image and scikit-learn for medfast's, in a program that runs.

The names are given in the modules that define them and wherever else they were imported to; all of it is undone. What
the swapped functions do not take they hand on to the original. The logger ``medfast.patching`` tells of each call: at
level DEBUG that medfast answered it, at level INFO that it fell back on the original, and why.
"""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["TARGETS", "patch", "patched", "unpatch"]

TARGETS = ("cv2", "skimage", "sklearn")
"""What can be patched."""

# Which module defines a name, and where medfast's own stands.
_SWAPS: Mapping[str, tuple[tuple[str, tuple[str, ...], str], ...]] = {
    "cv2": (
        (
            "cv2",
            (
                "CLAHE",
                "HOGDescriptor",
                "createCLAHE",
                "equalizeHist",
                "fastNlMeansDenoising",
                "fastNlMeansDenoisingColored",
                "fastNlMeansDenoisingColoredMulti",
                "fastNlMeansDenoisingMulti",
                "kmeans",
                "resize",
            ),
            "medfast.compat.opencv",
        ),
    ),
    "skimage": (
        ("skimage.exposure._adapthist", ("equalize_adapthist",), "medfast.compat.skimage"),
        ("skimage.exposure.exposure", ("equalize_hist",), "medfast.compat.skimage"),
        ("skimage.exposure.histogram_matching", ("match_histograms",), "medfast.compat.skimage"),
        ("skimage.feature._hog", ("hog",), "medfast.compat.skimage"),
        ("skimage.filters.thresholding", ("threshold_multiotsu",), "medfast.compat.skimage"),
        ("skimage.restoration._denoise", ("estimate_sigma",), "medfast.compat.skimage"),
        ("skimage.restoration.non_local_means", ("denoise_nl_means",), "medfast.compat.skimage"),
        ("skimage.transform._warps", ("resize",), "medfast.compat.skimage"),
    ),
    "sklearn": (("sklearn.cluster", ("KMeans",), "medfast.compat._sklearn"),),
}

_OWN = (__name__, "medfast.compat._calls")
"""Modules whose names stand for the originals."""
_MISSING = object()
_lock = threading.RLock()
_asked: set[str] = set()  # by patch()
_blocks = dict.fromkeys(TARGETS, 0)  # by patched(): how many
_swapped: dict[str, tuple[ModuleType, Any]] = {}  # path: the module and what stands in it now


def patch(*targets: str) -> None:
    """Let medfast answer for functions of other packages, in the whole process.

    Parameters
    ----------
    *targets : {"cv2", "skimage", "sklearn"}
        Packages. They may be imported already, or later.

    Raises
    ------
    ValueError
        If a target is none of these, or if there is none.
    ImportError
        If a package is not installed.

    See Also
    --------
    unpatch : The way back.
    patched : For a block of code.

    Notes
    -----
    Swapped are, of OpenCV, what `medfast.compat.opencv` has; of scikit-image, what `medfast.compat.skimage` has; of
    scikit-learn, ``sklearn.cluster.KMeans``. Names that any module has imported (``from cv2 import resize``) are
    swapped too, but not what else holds a function: attributes of objects, default values, `functools.partial`.

    All threads see the swap. A second call for the same package changes nothing.

    Examples
    --------
    >>> import medfast
    >>> medfast.patch("cv2")
    >>> import cv2
    >>> cv2.equalizeHist.__wrapped__.__module__
    'medfast.compat.opencv.exposure'
    >>> medfast.unpatch()
    """
    _load(_checked(targets))
    with _lock:
        _asked.update(targets)
        _settle()


def unpatch(*targets: str) -> None:
    """Give other packages their functions back.

    Parameters
    ----------
    *targets : {"cv2", "skimage", "sklearn"}
        Packages; all when omitted. One that is not patched is left alone.

    Raises
    ------
    ValueError
        If a target is none of these.

    See Also
    --------
    patch : What is undone.

    Notes
    -----
    Names that were imported meanwhile get the original as well. What `patched` has swapped stays until its block ends.

    Examples
    --------
    >>> import medfast
    >>> medfast.unpatch()
    """
    names = _checked(targets) if targets else TARGETS
    with _lock:
        _asked.difference_update(names)
        _settle()


@contextmanager
def patched(*targets: str) -> Iterator[None]:
    """Let medfast answer for functions of other packages inside a block of code.

    Parameters
    ----------
    *targets : {"cv2", "skimage", "sklearn"}
        Packages.

    Yields
    ------
    None
        Blocks may be nested, and overlap in several threads: a package is given back when the last one ends.

    Raises
    ------
    ValueError
        If a target is none of these, or if there is none.
    ImportError
        If a package is not installed.

    See Also
    --------
    patch : Without a block.

    Examples
    --------
    >>> import cv2
    >>> import medfast
    >>> with medfast.patched("cv2"):
    ...     inside = cv2.resize
    >>> inside is cv2.resize
    False
    """
    names = set(_checked(targets))
    _load(names)
    with _lock:
        for name in names:
            _blocks[name] += 1
        _settle()
    try:
        yield
    finally:
        with _lock:
            for name in names:
                _blocks[name] -= 1
            _settle()


def _checked(targets: Any) -> tuple[str, ...]:
    for target in targets:
        if target not in TARGETS:
            raise ValueError(f"targets must be of {', '.join(map(repr, TARGETS))}, got {target!r}")
    if not targets:
        raise ValueError(f"targets must name at least one of {', '.join(map(repr, TARGETS))}")
    return targets


def _load(targets: Any) -> None:
    """See that the packages exist, and where they are imported already, import what stands in for them: outside of the
    lock, for imports have theirs.
    """
    from medfast.compat import _calls

    for target in targets:
        if target not in sys.modules and importlib.util.find_spec(target) is None:
            raise ImportError(f"cannot patch {target}: {_calls.PEERS[target]} is not installed")
    with _lock:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
    for target in targets:
        for module, _, ours in _SWAPS[target]:
            if module in sys.modules:
                importlib.import_module(module)  # waits, should another thread be importing it
                importlib.import_module(ours)


def _settle() -> None:
    """Make what is swapped what is asked for. The lock is held."""
    wanted = {target for target in TARGETS if target in _asked or _blocks[target]}
    exchanged: dict[int, tuple[Any, Any]] = {}
    for target in TARGETS:
        for module_name, names, ours in _SWAPS[target]:
            module = sys.modules.get(module_name)
            for name in names:
                path = f"{module_name}.{name}"
                if target in wanted and path not in _swapped and module is not None:
                    _swap_in(module, name, ours, exchanged)
                elif target not in wanted and path in _swapped:
                    _swap_out(path, name, exchanged)
    _rebind(exchanged)
    if not wanted and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def _swap_in(module: ModuleType, name: str, ours: str, exchanged: dict[int, tuple[Any, Any]]) -> None:
    from medfast.compat import _calls

    path, found = f"{module.__name__}.{name}", vars(module).get(name, _MISSING)
    drop_in = getattr(sys.modules.get(ours), name, None)
    if drop_in is None:
        return
    stand_in = _calls.replacement(drop_in, module.__name__, name)
    _calls.originals[getattr(stand_in, "path", path)] = None if found is _MISSING else found
    _swapped[path] = (module, stand_in)
    vars(module)[name] = stand_in
    if found is not _MISSING:
        exchanged[id(found)] = (found, stand_in)


def _swap_out(path: str, name: str, exchanged: dict[int, tuple[Any, Any]]) -> None:
    from medfast.compat import _calls

    module, stand_in = _swapped.pop(path)
    found = _calls.originals.pop(getattr(stand_in, "path", path))
    if found is None:
        if vars(module).get(name) is stand_in:
            del vars(module)[name]
        return
    if vars(module).get(name) is stand_in:
        vars(module)[name] = found
    exchanged[id(stand_in)] = (stand_in, found)


def _rebind(exchanged: dict[int, tuple[Any, Any]]) -> None:
    """Give every name of every module that stands for an old object the new one."""
    if not exchanged:
        return
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or names.get("__name__") in _OWN:
            continue
        for name, value in list(names.items()):
            if id(value) in exchanged and exchanged[id(value)][0] is value:
                names[name] = exchanged[id(value)][1]


class _Finder:
    """Lets others find the modules that define what is to be swapped, and swaps it as soon as they are executed."""

    def __init__(self) -> None:
        self.names = {module: ours for swaps in _SWAPS.values() for module, _, ours in swaps}
        self.under_way = threading.local()  # cv2 imports a second module by the name of cv2 while it is imported

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname not in self.names or fullname in self.loading():
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(fullname, path, target)) is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]
                return spec
        return None

    def loading(self) -> set[str]:
        """Names of the modules that this thread executes."""
        return vars(self.under_way).setdefault("names", set())


class _Loader:
    """Executes a module as its own loader does, which it leaves in place, and then swaps names in it."""

    def __init__(self, loader: Any, finder: _Finder) -> None:
        self.loader, self.finder = loader, finder
        self.create_module: Callable[[Any], Any] = loader.create_module

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        module.__loader__ = self.loader
        self.finder.loading().add(name)
        try:
            self.loader.exec_module(module)
        finally:
            self.finder.loading().discard(name)
        importlib.import_module(self.finder.names[name])
        with _lock:
            _settle()


_finder = _Finder()
