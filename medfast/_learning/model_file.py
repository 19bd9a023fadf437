"""Model files: a JSON manifest and plain arrays in one uncompressed zip, and nothing that could run.

The file ends in the SHA-256 of everything before it (as the zip's comment, so that zip tools and `numpy.load` still
open it): no byte can change unnoticed. The manifest gives each array's shape, dtype and own SHA-256. The same model
gives the same bytes. Whoever can write the file can also renew its digests: they guard against damage, not against
forgery.
"""

import hashlib
import io
import json
import math
import os
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._files import whole_file

FORMAT = "medfast-model"
FORMAT_VERSION = 1
DTYPES = ("<f8", "<u2", "<i4", "|u1")
MOST_BYTES = 1 << 30
"""Largest file that is read."""

_DIGEST_LENGTH = hashlib.sha256().digest_size * 2
_MANIFEST = "manifest.json"
_TIME = (1980, 1, 1, 0, 0, 0)  # none, so that the same model gives the same bytes


class ModelFileError(ValueError):
    """A model file that cannot be used: truncated, changed, or no model file at all.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from medfast.pipeline import Model, ModelFileError
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model")
    ...     _ = path.write_bytes(b"no model")
    ...     try:
    ...         Model.load(path)
    ...     except ModelFileError as error:
    ...         print(str(error).removeprefix(folder)[1:])
    model: not a model file
    """


class ModelVersionError(ModelFileError):
    """A model file of a newer format than this version of medfast reads.

    Examples
    --------
    >>> from medfast.pipeline import ModelFileError, ModelVersionError
    >>> issubclass(ModelVersionError, ModelFileError)
    True
    """


def write(path: str | os.PathLike[str], manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write a model file: whole, or not at all."""
    n_bytes = sum(array.nbytes for array in arrays.values())
    if n_bytes > MOST_BYTES - (1 << 20):
        largest = max(arrays, key=lambda name: arrays[name].nbytes)
        raise ValueError(
            f"a model file must have at most {MOST_BYTES:,} bytes, got {n_bytes:,}, most of them in {largest}: "
            "choose a smaller size, fewer levels, or the linear kernel"
        )
    content = _encode(manifest, arrays)
    with whole_file(path) as file:
        file.write(content)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Manifest and arrays of a model file, after every digest, shape and dtype was checked.

    Raises
    ------
    ModelFileError
        If the file is damaged or no model file; `ModelVersionError` where a newer medfast wrote it.
    OSError
        If it cannot be read at all.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    try:
        if len(content) > MOST_BYTES:
            raise ModelFileError(f"more than {MOST_BYTES} bytes")
        return _decode(content)
    except ModelFileError as error:
        raise type(error)(f"{path}: {error}") from None
    except Exception as error:  # a forged file can trip the parsers in any way
        raise ModelFileError(f"{path}: not a model file that medfast wrote ({error})") from error


def _encode(manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    files, described = {}, {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        plain = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        np.lib.format.write_array(buffer, plain, version=(1, 0), allow_pickle=False)
        files[f"{name}.npy"] = buffer.getvalue()
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        described[name] = {"shape": list(array.shape), "dtype": plain.dtype.str, "sha256": digest}
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, **manifest, "arrays": described}
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {_MANIFEST: text.encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), data)
        archive.comment = b"0" * _DIGEST_LENGTH
    content = whole.getvalue()[:-_DIGEST_LENGTH]
    return content + hashlib.sha256(content).hexdigest().encode()


def _decode(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if not content.startswith(b"PK"):
        raise ModelFileError("not a model file")
    body, digest = content[:-_DIGEST_LENGTH], content[-_DIGEST_LENGTH:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ModelFileError("truncated or changed since it was written: its SHA-256 does not match")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(content):
                raise ModelFileError(f"{entry.filename} is compressed")
        manifest = json.loads(archive.read(_MANIFEST))
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ModelFileError(f"{_MANIFEST} does not describe a medfast model")
        version = manifest["format_version"]
        if not isinstance(version, int) or version < 1:
            raise ModelFileError(f"format_version is {version!r}")
        if version > FORMAT_VERSION:
            raise ModelVersionError(
                f"format {version} is newer than format {FORMAT_VERSION}, the newest that this version reads; "
                f"it was written by medfast {manifest.get('medfast')}"
            )
        described = manifest["arrays"]
        expected = sorted([_MANIFEST, *(f"{name}.npy" for name in described)])
        if sorted(archive.namelist()) != expected:
            raise ModelFileError(f"holds {', '.join(sorted(archive.namelist()))} where {', '.join(expected)} should be")
        return manifest, {name: _array(archive.read(f"{name}.npy"), name, described[name]) for name in described}


def _array(data: bytes, name: str, expected: dict[str, Any]) -> NDArray[Any]:
    if hashlib.sha256(data).hexdigest() != expected["sha256"]:
        raise ModelFileError(f"array {name} was changed: its SHA-256 does not match")
    if expected["dtype"] not in DTYPES:
        raise ModelFileError(f"array {name} has dtype {expected['dtype']!r}, none of {', '.join(DTYPES)}")
    dtype = np.dtype(expected["dtype"])
    if math.prod(expected["shape"]) * dtype.itemsize > len(data):  # before anything of that size is allocated
        raise ModelFileError(f"array {name} is shorter than its shape {expected['shape']}")
    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    if array.dtype != dtype or list(array.shape) != expected["shape"]:
        raise ModelFileError(
            f"array {name} is {array.dtype} {array.shape}, not {expected['dtype']} {expected['shape']}"
        )
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise ModelFileError(f"array {name} holds NaN or infinity")
    return array.astype(dtype.newbyteorder("="), copy=False)
