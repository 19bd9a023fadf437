"""What OpenCV's classes of algorithms have in common: ``cv2.Algorithm``."""

import gzip
import os
from pathlib import Path
from typing import Any

from medfast import _validate
from medfast._files import whole_file

__all__: list[str] = []

_FILES = {
    ".xml": '<?xml version="1.0"?>\n<opencv_storage>\n<{name}>\n  </{name}>\n</opencv_storage>\n',
    ".json": '{{\n    "{name}": {{\n    }}\n}}\n',
}
_YAML = "%YAML:1.0\n---\n{name}:\n   {{}}\n"  # by any other name, as OpenCV
_MAP = 5  # FileNode's


class Algorithm:
    """The methods of ``cv2.Algorithm`` for a class that, as CLAHE in OpenCV, stores none of its settings.

    Examples
    --------
    >>> from medfast.compat.opencv.exposure import createCLAHE
    >>> createCLAHE().getDefaultName()
    'my_object'
    """

    def clear(self) -> None:
        """Do nothing, as in OpenCV."""

    def empty(self) -> bool:
        """Tell whether there is nothing in it.

        Returns
        -------
        bool
            False, as in OpenCV.
        """
        return False

    def getDefaultName(self) -> str:
        """Tell the name that OpenCV has for it.

        Returns
        -------
        str
            "my_object".
        """
        return "my_object"

    def save(self, filename: str | os.PathLike[str]) -> None:
        """Write a file with an empty node, which is what OpenCV 4.14 writes: settings are not stored.

        Parameters
        ----------
        filename : str
            XML where it ends in .xml, JSON in .json, else YAML; compressed where .gz follows.

        Raises
        ------
        OSError
            If the file cannot be written; OpenCV says nothing then.
        """
        target = Path(_validate.as_file_name(filename, "filename"))
        suffixes = [suffix.lower() for suffix in target.suffixes]
        is_compressed = suffixes[-1:] == [".gz"]
        kind = "".join(suffixes[-2:-1] if is_compressed else suffixes[-1:])
        text = _FILES.get(kind, _YAML).format(name=self.getDefaultName()).encode()
        with whole_file(target) as file:
            file.write(gzip.compress(text, mtime=0) if is_compressed else text)

    def read(self, fn: Any) -> None:
        """Change nothing, as in OpenCV: there are no settings in a file.

        Parameters
        ----------
        fn : cv2.FileNode
            Is not looked at.
        """
        _validate.check_has(fn, "fn", "isMap", "cv2.FileNode")

    def write(self, fs: Any, name: str | None = None) -> None:
        """Write an empty node into an open file of OpenCV's.

        Parameters
        ----------
        fs : cv2.FileStorage
            Open for writing.
        name : str, optional
            Name of the node; without one, nothing is written, as in OpenCV.
        """
        _validate.check_has(fs, "fs", "startWriteStruct", "cv2.FileStorage")
        if fs is not None and name is not None:
            fs.startWriteStruct(name, _MAP)
            fs.endWriteStruct()
