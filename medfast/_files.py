"""Files that are written whole, or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when everything is in it; an error leaves no file, or the old one."""
    path = Path(path)
    # beside the target: a rename is only atomic within one file system
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.filename != os.fspath(temporary):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error  # the name that the caller knows
