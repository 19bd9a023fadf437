"""The commands of `medfast.cli`, which need typer and rich."""

from medfast._commands import images, learning, reading, system
from medfast._commands.app import app, run

__all__ = ["app", "images", "learning", "reading", "run", "system"]
