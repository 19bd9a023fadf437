"""A folder of labelled images: a folder per class."""

import os
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".bmp", ".dcm", ".dicom", ".jpeg", ".jpg", ".nii", ".nii.gz", ".png", ".tif", ".tiff")
"""How the names of image files end, in any case."""


class Folder(NamedTuple):
    """Labelled images in a folder per class.

    Parameters
    ----------
    paths : list of Path
        The images, sorted by class and by name.
    labels : list of str
        The class of each: the name of its folder.
    n_ignored : int
        Files that are no images by their names.

    Examples
    --------
    >>> from pathlib import Path
    >>> from medfast.pipeline import Folder
    >>> Folder([Path("ill/1.png")], ["ill"], 0).labels
    ['ill']
    """

    paths: list[Path]
    labels: list[str]
    n_ignored: int


def load_folder(directory: str | os.PathLike[str]) -> Folder:
    """List the images of a folder that holds a folder per class.

    Parameters
    ----------
    directory : path
        Its folders are the classes; the images are anywhere below them. Names that begin with a dot are skipped.

    Returns
    -------
    Folder
        Paths, labels, and how many files were ignored because their names are not those of images.

    Raises
    ------
    FileNotFoundError
        If `directory` does not exist.
    NotADirectoryError
        If it is no directory.
    ValueError
        If it holds no folder, or a folder without images.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from medfast.pipeline import load_folder
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     for name in ("normal/1.png", "ill/1.png", "ill/2.png", "ill/notes.txt"):
    ...         path = pathlib.Path(directory, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     folder = load_folder(directory)
    >>> folder.labels, folder.n_ignored
    (['ill', 'ill', 'normal'], 1)
    """
    directory = Path(directory)
    if not directory.exists():
        raise FileNotFoundError(f"no such directory: {directory}")
    if not directory.is_dir():
        raise NotADirectoryError(f"not a directory: {directory}")
    classes = sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise ValueError(f"{directory} must hold a folder per class, got none")
    paths: list[Path] = []
    labels: list[str] = []
    n_ignored = 0
    for folder in classes:
        images, n_others = images_in(folder)
        if not images:
            raise ValueError(f"{folder} holds no image (a name that ends in {', '.join(SUFFIXES)})")
        n_ignored += n_others
        paths += images
        labels += [folder.name] * len(images)
    return Folder(paths, labels, n_ignored)


def images_in(folder: Path) -> tuple[list[Path], int]:
    """Images anywhere below a folder, sorted, and how many other files there are."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    images = [path for path in files if path.name.lower().endswith(SUFFIXES)]
    return images, len(files) - len(images)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
