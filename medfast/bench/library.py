"""What a function of a library's file gives back."""

from collections.abc import Callable
from typing import Any, NamedTuple


def _unchanged(result: Any) -> Any:
    return result


class Prepared(NamedTuple):
    """Work that is ready to be timed: objects are built and arguments converted, as a program does once."""

    call: Callable[[], Any]
    """What is timed."""
    finish: Callable[[Any], Any] = _unchanged
    """Brings the result into the form that is compared: gray levels, the order of the features, labels."""

    def result(self) -> Any:
        """The result, in the form that is compared."""
        return self.finish(self.call())


class Unavailable(Exception):
    """The library cannot do this here; the message is the reason."""
