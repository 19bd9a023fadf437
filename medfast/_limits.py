"""threadpoolctl sees this package's threads: ``threadpool_limits(1)`` holds here too.

It knows pools of libraries, by the name of a file that is loaded and a symbol in it, and what reads and sets the number
of threads there. A kernel's extension stands for the pool of medfast/_parallel.py. threadpoolctl is told as it is
imported, before or after this package; it is not imported for this, and nothing is slower where it is not there.
"""

import importlib.util
import sys
from typing import Any

from medfast import _parallel
from medfast._version import __version__

_NAME = "threadpoolctl"


def _register(threadpoolctl: Any) -> None:
    if not hasattr(threadpoolctl, "register"):  # before 3.2
        return

    class Controller(threadpoolctl.LibController):
        """What threadpoolctl asks of a pool."""

        user_api = internal_api = "medfast"
        filename_prefixes = ("histogram",)
        check_symbols = ("medfast_entry_points",)

        def get_num_threads(self) -> int:
            return _parallel.resolve()

        def set_num_threads(self, num_threads: int) -> None:
            _parallel.process_limit = None
            if num_threads < _parallel.resolve():  # else it takes a limit back, and others may change meanwhile
                _parallel.process_limit = num_threads

        def get_version(self) -> str:
            return __version__

        def set_additional_attributes(self) -> None:
            pass

    threadpoolctl.register(Controller)


class _WhenImported:
    """A finder of modules that finds none, but notices when one is looked for."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name != _NAME:
            return None
        sys.meta_path.remove(_WhenImported)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            run(module)
            _register(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def watch() -> None:
    """Register, now or when threadpoolctl is imported."""
    if _NAME in sys.modules:
        _register(sys.modules[_NAME])
    elif _WhenImported not in sys.meta_path:
        sys.meta_path.insert(0, _WhenImported)
