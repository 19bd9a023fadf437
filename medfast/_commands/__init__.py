"""The commands of `medfast.cli`, which need typer and rich."""

from medfast._commands import images, learning, reading, system
from medfast._commands.app import app, run

__all__ = ["app", "images", "learning", "names", "reading", "run", "system"]


def names() -> set[str]:
    """What the commands are called."""
    return {each.name or getattr(each.callback, "__name__", "").rstrip("_") for each in app.registered_commands}
