"""Features that are kept, so that work that was interrupted goes on where it stopped.

One SQLite file: a killed process leaves what it committed, whole. A row is known by the SHA-256 of the pixels, the
options that matter to the features, and the version of medfast. Neither names nor paths are in it.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._learning import recipes
from medfast._learning.recipes import Recipe
from medfast._version import __version__

APPLICATION = 0x6D666331
"""What SQLite's header says of whose file it is."""
COMMIT_SECONDS = 1.0
"""At most so much work is lost to a power cut."""

_NOT_OF_FEATURES = ("kernel", "gamma", "C", "class_weight", "size", "levels", "cell", "tile_grid")


class FeatureCache:
    """Features of images by their pixels and options, in a file or in memory; may be used by several threads.

    Parameters
    ----------
    path : path, optional
        The file, made where it is missing. In memory when omitted.

    Raises
    ------
    OSError
        If the file cannot be opened or written.
    ValueError
        If it is no feature cache, or a damaged one.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.pipeline import FeatureCache, Model
    >>> images = np.random.default_rng(0).integers(0, 255, (6, 16, 16), np.uint8)
    >>> with FeatureCache() as cache:
    ...     for penalty in (1.0, 10.0):
    ...         model = Model(denoise=False, C=penalty).fit(images, [0, 1] * 3, cache=cache)
    ...     cache.hits  # the second time
    6
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.hits = 0
        self._lock = threading.Lock()
        self._committed = time.monotonic()
        with _errors(self.path):
            if self.path is not None and self.path.is_dir():
                raise IsADirectoryError(21, "is a folder", str(self.path))
            self._database = sqlite3.connect(
                ":memory:" if self.path is None else self.path, check_same_thread=False, timeout=30.0
            )
        try:
            with _errors(self.path):
                self._open()
        except BaseException:
            self._database.close()
            raise

    def _open(self) -> None:
        execute = self._database.execute
        execute("PRAGMA synchronous = NORMAL")
        owner = execute("PRAGMA application_id").fetchone()[0]
        if owner != APPLICATION:
            if owner or execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise ValueError(f"{self.path} is no feature cache: name another file")
            execute(f"PRAGMA application_id = {APPLICATION}")
        execute("CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, sum INTEGER, data BLOB) WITHOUT ROWID")
        self._database.commit()

    def get(self, hashes: Sequence[bytes], recipe: Recipe) -> list[NDArray[np.uint16] | None]:
        """Look up packed features.

        Parameters
        ----------
        hashes : sequence of bytes
            Of the images.
        recipe : Recipe
            How they are described.

        Returns
        -------
        list of ndarray or None
            Features as whole numbers, of a longer pyramid its first levels; None where they are not known.
        """
        prefix = _prefix(recipe)
        found: list[NDArray[np.uint16] | None] = []
        with self._lock, _errors(self.path):
            for image in hashes:
                row = self._database.execute(
                    "SELECT sum, data FROM features WHERE key = ?", (_key(prefix, image),)
                ).fetchone()
                features = None
                if row is not None and len(row[1]) >= 2 * recipe.n_features and zlib.crc32(row[1]) == row[0]:
                    features = np.frombuffer(row[1], "<u2", recipe.n_features)  # levels follow each other
                    self.hits += 1
                found.append(features)
        return found

    def put(self, hashes: Sequence[bytes], recipe: Recipe, features: Sequence[NDArray[np.uint16]]) -> None:
        """Keep packed features; what is older than a second survives whatever happens next.

        Parameters
        ----------
        hashes : sequence of bytes
            Of the images.
        recipe : Recipe
            How they are described.
        features : sequence of ndarray
            Features of each as whole numbers.
        """
        prefix = _prefix(recipe)
        rows = [
            (_key(prefix, image), zlib.crc32(data := values.astype("<u2").tobytes()), data)
            for image, values in zip(hashes, features, strict=True)
        ]
        with self._lock, _errors(self.path):
            self._database.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", rows)
            if time.monotonic() - self._committed > COMMIT_SECONDS:
                self._commit()

    def _commit(self) -> None:
        self._database.commit()
        self._committed = time.monotonic()

    def close(self) -> None:
        """Keep everything, and let the file go."""
        with self._lock, _errors(self.path):
            try:
                self._commit()
            finally:
                self._database.close()

    def delete(self) -> None:
        """Let the file go, and remove it."""
        self._database.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> "FeatureCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        with contextlib.suppress(OSError):  # a full disk, most likely what went wrong in the first place
            self.close()


def hash_of(array: NDArray[Any]) -> bytes:
    """SHA-256 of an image's dtype, shape and values."""
    digest = hashlib.sha256(f"{array.dtype.str[1:]} {array.shape}".encode())
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    digest.update(plain.view(np.uint8).reshape(-1).data if plain.size else b"")
    return digest.digest()


def _prefix(recipe: Recipe) -> bytes:
    options = {name: value for name, value in vars(recipe.options).items() if name not in _NOT_OF_FEATURES}
    whole = [__version__, recipe.size, recipe.cell, recipe.tile_grid, options, recipes.FEATURE_STEP]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).digest()


def _key(prefix: bytes, image: bytes) -> bytes:
    return hashlib.sha256(prefix + image).digest()[:16]


class _errors:
    """SQLite's errors as those that the rest of medfast raises, with the file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, sqlite3.OperationalError):  # no such folder, no permission, disk full, locked
            raise OSError(None, str(error), str(self.path)) from error
        if isinstance(error, sqlite3.DatabaseError):
            raise ValueError(f"{self.path} is no feature cache, or a damaged one ({error}): delete it") from error
