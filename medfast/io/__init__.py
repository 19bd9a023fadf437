"""Reading and writing medical images: DICOM, NIfTI, PNG, JPEG and TIFF.

`read_image` looks at what a file holds, not at its name. It checks the size against a budget before anything is
decoded, and whatever goes wrong with a file is an `ImageReadError` that names the file and the reason. `write_image`
puts a file in place when it is complete, or not at all. The packages behind the formats are the extra ``medfast[io]``;
each is imported when a file needs it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from medfast import _validate
from medfast._files import whole_file
from medfast.io._image import Image, ImageReadError, as_image_to_write

__all__ = ["Image", "ImageReadError", "read_image", "write_image"]

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
RASTER_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def read_image(
    path: str | os.PathLike[str],
    *,
    window: str | tuple[float, float] | None = None,
    frame: int | None = None,
    max_bytes: int = 2**31,
) -> Image:
    """Read an image or a volume.

    What the file holds decides how it is read, not its name; its size is checked before anything is decoded.

    Parameters
    ----------
    path : str or path
        A DICOM, NIfTI, PNG, JPEG or TIFF file, told by its content; or a folder that holds the DICOM slices of one
        volume.
    window : {None, "voi"} or (center, width), optional
        Gray levels to spread over uint8. None keeps the values; ``"voi"`` takes the first window or look-up table that
        a DICOM file carries; two numbers are a linear window after DICOM PS3.3 C.11.2.1.2, in the unit of the values.
    frame : int, optional
        Read this one only, counted from 0: a frame of a DICOM file, a page of a TIFF, a volume of a 4-D NIfTI. All of
        them when omitted.
    max_bytes : int, default=2**31
        Most bytes that the decoded pixels may take; checked before decoding.

    Returns
    -------
    Image
        Pixels of dtype uint8, uint16, int16, float32 or float64, with spacing, affine, rescale, unit and technical
        metadata.

    Raises
    ------
    ImageReadError
        If the file cannot be read; it is an `OSError` and a `ValueError`, and names the file and the reason.
    ImportError
        If the package behind the format is missing.
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter lies outside its range.

    Notes
    -----
    *Order of axes.* (rows, columns), (planes, rows, columns) or (volumes, planes, rows, columns), colours last. A
    NIfTI file counts the other way, (i, j, k, t): ``array[k, j, i]`` is its voxel ``[i, j, k]``, so planes are k, rows
    j, columns i, and nothing is flipped or resampled. `affine` is the file's own, bit for bit, and takes (i, j, k, 1)
    = (column, row, plane, 1). For DICOM it is computed from position and orientation, and turned from LPS+ to RAS+,
    the system of NIfTI.

    *Values.* The rescale of the file (DICOM modality transform, NIfTI ``scl_slope``) is applied once. A whole slope and
    intercept give integers: int16 wherever the values fit, such as CT in Hounsfield units, else uint16. A fractional
    one gives float32 (float64 from 32-bit integers and float64). Without a rescale the stored dtype is kept; integers
    that medfast has no dtype for become int16, uint16 or floats that hold them exactly.

    *DICOM.* In this order: stored values, cut to BitsStored; modality transform (rescale or look-up table); the
    window, if one is asked for; and last MONOCHROME1 is inverted, about the middle of all values that can occur at
    that place, so that large is bright and shades are kept. ``meta["inverted"]`` says so. YBR and PALETTE COLOR become
    RGB. Overlays are left out. Slices of a folder are sorted along their normal, and must belong to one series and lie
    at equal distances.

    *Others.* Palette images become RGB; an alpha channel is dropped where it is opaque. PNG and JPEG have no spacing
    that could be relied on, so it is None; TIFF has one where its resolution tags carry a unit. Colour PNG with 16
    bits is refused, because Pillow would halve its bits in silence.

    *Privacy.* `meta` holds a fixed list of technical facts; names, dates, identifiers and free text are not read into
    it.

    References
    ----------
    .. [1] DICOM PS3.3, C.7.6.2 (Image Plane), C.11.1 (Modality LUT), C.11.2 (VOI LUT),
       https://www.dicomstandard.org/current
    .. [2] R. W. Cox et al., "A (sort of) new image data format standard: NIfTI-1", 2004, https://nifti.nimh.nih.gov

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from medfast.io import Image, read_image, write_image
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "volume.nii.gz")
    ...     write_image(path, Image(np.zeros((4, 5, 6), np.int16), spacing=(2.5, 0.75, 0.75)))
    ...     read_image(path)
    Image(shape=(4, 5, 6), dtype=int16, spacing=(2.5, 0.75, 0.75), unit=None, format='NIfTI-1')
    """
    path = _as_path(path)
    window = _as_window(window)
    if frame is not None:
        frame = _validate.as_int(frame, "frame", minimum=0)
    max_bytes = _validate.as_int(max_bytes, "max_bytes", minimum=1)
    try:
        return _reader_of(path)(path, window=window, frame=frame, max_bytes=max_bytes)
    except (ImportError, ImageReadError):
        raise
    except Exception as error:
        raise ImageReadError(path, _reason(error)) from error


def write_image(path: str | os.PathLike[str], image: Image | ArrayLike, *, quality: int = 95) -> None:
    """Write an image or a volume.

    The file is there when it is complete, or not at all.

    Parameters
    ----------
    path : str or path
        Where to write. The suffix names the format: ``.dcm``, ``.nii``, ``.nii.gz``, ``.png``, ``.jpg``, ``.jpeg``,
        ``.tif`` or ``.tiff``. A file that is there is replaced.
    image : Image or array_like
        What to write, in the order of axes that `read_image` gives. An array that is no `Image` is gray, without
        spacing.
    quality : int, default=95
        Quality of a JPEG, 1 to 100.

    Raises
    ------
    ImportError
        If the package behind the format is missing.
    OSError
        If the file cannot be written.
    TypeError
        If `image` has an unsupported dtype.
    ValueError
        If the format is unknown, or cannot hold the image; the message says what it cannot hold.

    Notes
    -----
    ============  ===================================================  =============================================
    format        pixels                                               beside them
    ============  ===================================================  =============================================
    NIfTI         all five dtypes, gray to 4-D; uint8 RGB              affine, spacing
    TIFF          all five dtypes, gray to 4-D, colour                 spacing
    PNG           uint8, uint16 gray; uint8 RGB and RGBA               nothing
    JPEG          uint8 gray and RGB, with losses                      nothing
    DICOM         uint8, uint16 gray images and volumes; int16 gray    spacing, unit HU
                  images; uint8 RGB images and volumes
    ============  ===================================================  =============================================

    Nothing is converted in silence: what a format cannot hold is an error. A NIfTI affine that came from a NIfTI file
    goes back bit for bit; another is rounded to float32, which is what NIfTI-1 stores. A NIfTI file without affine
    gets the spacing on its diagonal, and a sform code of 0.

    DICOM is written as a new secondary-capture object with new identifiers and without patient data: there is nothing
    to carry over, since an `Image` holds none. It cannot stand in for the acquired object, and says so: ImageType
    DERIVED\\SECONDARY. A signed volume or a float has no place in a secondary capture and is refused.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from medfast.io import write_image
    >>> with TemporaryDirectory() as folder:
    ...     write_image(Path(folder, "image.png"), np.zeros((4, 4), np.float32))
    Traceback (most recent call last):
    ...
    ValueError: PNG cannot hold gray float32 of shape (4, 4); it holds uint8 and uint16 gray images, uint8 RGB and RGBA
    """
    path = _as_path(path)
    quality = _validate.as_int(quality, "quality", minimum=1, maximum=100)
    image = as_image_to_write(image)
    suffix = suffix_of(path)
    write: Callable[[Any], None]
    if suffix in NIFTI_SUFFIXES:
        from medfast.io import nifti

        write = nifti.writer(image, compress=suffix.endswith(".gz"))
    elif suffix in DICOM_SUFFIXES:
        from medfast.io import dicom_writer

        write = dicom_writer.writer(image)
    else:
        from medfast.io import raster

        write = raster.writer(image, suffix[1:], quality)
    with whole_file(path) as file:
        write(file)


def suffix_of(path: Path) -> str:
    """The suffix that names a format to write, in small letters."""
    for suffix in (*NIFTI_SUFFIXES, *DICOM_SUFFIXES, *RASTER_SUFFIXES):
        if path.name.lower().endswith(suffix):
            return suffix
    raise ValueError(f"path must end in .dcm, .nii, .nii.gz, .png, .jpg, .jpeg, .tif or .tiff, got {path.name!r}")


def _as_path(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a string or a path, got {type(path).__name__}")
    return Path(path)


def _as_window(window: Any) -> str | tuple[float, float] | None:
    if window is None:
        return None
    if isinstance(window, str):
        return _validate.as_choice(window, "window", ("voi",))
    try:
        center, width = window
    except (TypeError, ValueError):
        raise TypeError(f"window must be None, 'voi' or (center, width), got {window!r}") from None
    return _validate.as_float(center, "window center"), _validate.as_float(width, "window width", minimum=1)


def _reader_of(path: Path) -> Callable[..., Image]:
    """The reader for what the file holds."""
    if path.is_dir():
        from medfast.io import dicom

        return dicom.read_folder
    with open(path, "rb") as file:
        head = file.read(352)
    if head[128:132] == b"DICM":
        from medfast.io import dicom

        return dicom.read
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        from medfast.io import raster

        return raster.read_png_or_jpeg
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        from medfast.io import raster

        return raster.read_tiff
    if head.startswith(b"\x1f\x8b") or head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0":
        from medfast.io import nifti

        return nifti.read
    if path.suffix.lower() in DICOM_SUFFIXES and head:  # old files lack the mark
        from medfast.io import dicom

        return dicom.read
    raise ValueError("it is empty" if not head else "it is none of DICOM, NIfTI, PNG, JPEG and TIFF")


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())
    return text or type(error).__name__
