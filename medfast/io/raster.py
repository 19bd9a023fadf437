"""PNG and JPEG through Pillow, TIFF through tifffile."""

import warnings
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast.io._image import Image, as_spacing, check_budget, choose_frame, need, rescaled, windowed

PILLOW_BYTES = {"1": 1, "L": 1, "P": 3, "LA": 2, "PA": 4, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3}
MILLIMETRES = {
    "inch": 25.4,
    "cm": 10.0,
    "mm": 1.0,
    "micron": 1e-3,
    "um": 1e-3,
    "µm": 1e-3,
    "\\u00B5m": 1e-3,
    "nm": 1e-6,
}
UNCOMPRESSED, LZW, JPEG, DEFLATE, PACKBITS = {1}, {5}, {7}, {8, 32946}, {32773}


def read_png_or_jpeg(path: Path, *, window: Any, frame: int | None, max_bytes: int) -> Image:
    """Read a PNG or JPEG file."""
    choose_frame(frame, 1)
    with open(path, "rb") as file:
        head = file.read(26)
    png = head.startswith(b"\x89PNG")
    if png and len(head) == 26 and head[24] == 16 and head[25] != 0:
        raise ValueError("it is a colour PNG with 16 bits, which Pillow would cut to 8; TIFF keeps them")
    with _open(path, ("PNG",) if png else ("JPEG",), max_bytes) as picture:
        array = _pixels(picture)
    return _image(array, array.ndim == 3, window, {"format": "PNG" if png else "JPEG"})


def read_tiff(path: Path, *, window: Any, frame: int | None, max_bytes: int) -> Image:
    """Read the first series of pages of a TIFF file."""
    tifffile = need("tifffile")
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        page = series.keyframe
        choose_frame(frame, len(series.pages) if len(series.pages) > 1 else series.shape[0] if _stacked(series) else 1)
        compression = int(page.compression)
        if any(p is None for p in series.pages):
            raise ValueError("pages of it are missing")
        n_values = int(np.prod(series.shape, dtype=object))
        axes = series.axes
        if frame is not None and (len(series.pages) > 1 or _stacked(series)):
            n_values, axes = n_values // series.shape[0], axes[1:]
        check_budget(n_values, max(series.dtype.itemsize, 1), max_bytes)
        if compression in UNCOMPRESSED | DEFLATE:
            array = _tiff_pixels(tiff, series, frame, compression)
        elif compression in LZW | JPEG | PACKBITS:
            array = _pillow_pages(path, max_bytes, len(series.pages), frame)
            axes = "".join(axis for axis in axes if axis != "S") + ("S" if "S" in axes else "")
        else:
            raise ValueError(f"its compression {page.compression.name} is not supported")
        colour = "S" in axes
        if colour:
            array = np.moveaxis(array, axes.index("S"), -1)
        elif int(page.photometric) == 3:
            array, colour = _palette(page, array), True
        elif int(page.photometric) == 0 and array.dtype.kind == "u":  # white is zero
            array = (2**page.bitspersample - 1 - array.astype(np.int64)).astype(array.dtype)
        spacing = _tiff_spacing(tiff, page, array.ndim - colour)
    return _image(array, colour, window, {"format": "TIFF"}, spacing)


def _stacked(series: Any) -> bool:
    """Whether a single page stands for a stack of planes, as tifffile and ImageJ write it."""
    return len(series.axes.replace("S", "")) > 2


def _tiff_pixels(tiff: Any, series: Any, frame: int | None, compression: int) -> NDArray[Any]:
    pages = list(series.pages)
    if compression in DEFLATE:
        for page in pages if frame is None or len(pages) == 1 else pages[frame : frame + 1]:
            _check_segments(tiff, series.keyframe, page)
    if frame is not None and len(pages) > 1:
        array = pages[frame].asarray()
    else:
        array = series.asarray()
        if frame is not None and _stacked(series):
            array = array[frame]
    if not array.size:
        raise ValueError("it holds no pixels")
    return array


def _check_segments(tiff: Any, keyframe: Any, page: Any) -> None:
    """Inflate each strip or tile with a bound, because a small one can stand for gigabytes."""
    tile = keyframe.tilelength * keyframe.tilewidth * max(keyframe.tiledepth, 1) if keyframe.is_tiled else 0
    strip = min(keyframe.rowsperstrip or keyframe.imagelength, keyframe.imagelength) * keyframe.imagewidth
    limit = (tile or strip * max(keyframe.imagedepth, 1)) * keyframe.samplesperpixel * max(
        keyframe.dtype.itemsize, 1
    ) + 64
    for offset, n_bytes in zip(page.dataoffsets, page.databytecounts, strict=True):
        tiff.filehandle.seek(offset)
        inflate, left = zlib.decompressobj(), limit
        data = tiff.filehandle.read(n_bytes)
        while data and not inflate.eof and left >= 0:
            left -= len(inflate.decompress(data, min(left + 1, 2**20)))
            data = inflate.unconsumed_tail
        if left < 0:
            raise ValueError("a strip of it inflates to more than the header announces")


def _pillow_pages(path: Path, max_bytes: int, n_pages: int, frame: int | None) -> NDArray[Any]:
    """LZW, JPEG and PackBits through Pillow, whose decoder writes into a buffer of the announced size."""
    pages = []
    for index in range(n_pages) if frame is None else (frame,):
        with _open(path, ("TIFF",), max_bytes) as picture:
            picture.seek(index)
            if picture.mode in ("RGB", "RGBA") and max(picture.tag_v2.get(258, (8,))) > 8:
                raise ValueError("it is a compressed colour TIFF with 16 bits, which Pillow would cut to 8")
            pages.append(_pixels(picture))
    return np.stack(pages) if frame is None and n_pages > 1 else pages[0]


def _palette(page: Any, array: NDArray[Any]) -> NDArray[Any]:
    table = np.asarray(page.colormap)
    if array.max(initial=0) >= table.shape[1]:
        raise ValueError("it uses a colour that its palette does not have")
    if not (table % 257).any():
        table = (table // 257).astype(np.uint8)
    return table.T[array]


def _tiff_spacing(tiff: Any, page: Any, n_axes: int) -> tuple[float, ...] | None:
    """Spacing from the resolution tags where they carry a unit, and of planes from the description."""
    described: dict[str, Any] = (tiff.shaped_metadata or ({},))[0]
    exact = as_spacing(described.get("spacing") or ()) if isinstance(described.get("spacing"), list) else None
    if exact is not None and len(exact) == n_axes:
        return exact
    imagej = tiff.imagej_metadata or {}
    unit = {2: 25.4, 3: 10.0}.get(int(page.resolutionunit or 1)) or MILLIMETRES.get(str(imagej.get("unit")))
    tags = [page.tags.get(name) for name in ("YResolution", "XResolution")]
    if unit is None or any(tag is None or not all(tag.value) for tag in tags):
        return None
    in_plane = [unit * tag.value[1] / tag.value[0] for tag in tags]
    if n_axes == 2:
        return as_spacing(in_plane)
    return as_spacing((imagej["spacing"] * unit, *in_plane)) if n_axes == 3 and imagej.get("spacing") else None


def _open(path: Path, formats: tuple[str, ...], max_bytes: int) -> Any:
    """An opened picture, not decoded yet, of a size within the budget and within Pillow's own bound."""
    pillow = need("PIL.Image")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        try:
            picture = pillow.open(path, formats=formats)
        except (pillow.DecompressionBombWarning, pillow.DecompressionBombError) as error:
            raise ValueError(f"Pillow takes it for a decompression bomb: {error}") from error
        except pillow.UnidentifiedImageError as error:
            raise ValueError(f"it is a damaged {formats[0]} file") from error
    n_bytes = PILLOW_BYTES.get(picture.mode, 2 if picture.mode.startswith("I;16") else 4)
    try:
        check_budget(picture.width * picture.height, n_bytes, max_bytes)
    except ValueError:
        picture.close()
        raise
    return picture


def _pixels(picture: Any) -> NDArray[Any]:
    """Decode: gray stays gray, everything else becomes RGB; alpha is dropped where it is opaque."""
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    elif picture.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        picture = picture.convert("RGB")
    array = np.asarray(picture)
    if picture.mode == "1":
        return array.astype(np.uint8) * np.uint8(255)
    if picture.mode in ("LA", "RGBA") and (array[..., -1] == 255).all():
        array = array[..., 0] if picture.mode == "LA" else array[..., :-1]
    return np.ascontiguousarray(array)


def _image(
    array: NDArray[Any], colour: bool, window: Any, meta: dict[str, Any], spacing: tuple[float, ...] | None = None
) -> Image:
    if window == "voi":
        raise ValueError('window="voi" applies to DICOM; give window=(center, width)')
    array = rescaled(array)
    if colour:
        meta["channels"] = array.shape[-1]
        if window is not None:
            raise ValueError("a window applies to gray images, and this one has colours")
    elif window is not None:
        array, meta["window"] = windowed(array, *window), window
    return Image(array, spacing, meta=meta)


def writer(image: Image, suffix: str, quality: int) -> Callable[[Any], None]:
    """A function that writes `image` to an open file, or an error that says what the format cannot hold."""
    if suffix.startswith("tif"):
        return _tiff_writer(image)
    array = image.array
    channels = array.shape[-1] if image.channel_axis is not None else 1
    n_axes = array.ndim - (channels > 1)
    allowed, words = {
        "png": (
            {("uint8", 1), ("uint16", 1), ("uint8", 3), ("uint8", 4)},
            "uint8 and uint16 gray images, uint8 RGB and RGBA",
        ),
        "jpg": ({("uint8", 1), ("uint8", 3)}, "uint8 gray and RGB images"),
    }["png" if suffix == "png" else "jpg"]
    name = "PNG" if suffix == "png" else "JPEG"
    if n_axes != 2 or (array.dtype.name, channels) not in allowed:
        kind = "gray" if channels == 1 else "colour"
        raise ValueError(f"{name} cannot hold {kind} {array.dtype} of shape {array.shape}; it holds {words}")
    if name == "JPEG" and max(array.shape[:2]) > 65535:
        raise ValueError(f"JPEG holds up to 65535 rows and columns, got shape {array.shape}")
    picture = need("PIL.Image").fromarray(np.ascontiguousarray(array))
    options = {} if name == "PNG" else {"quality": quality, "subsampling": 0}
    return lambda file: picture.save(file, name, **options)


def _tiff_writer(image: Image) -> Callable[[Any], None]:
    tifffile = need("tifffile")
    colour = image.channel_axis is not None
    n_axes = image.array.ndim - colour
    if colour and image.array.shape[-1] not in (3, 4):
        raise ValueError(f"TIFF cannot hold {image.array.shape[-1]} colours; it holds RGB and RGBA")
    options: dict[str, Any] = {"photometric": "rgb" if colour else "minisblack"}
    if image.spacing is not None:
        options["resolution"] = (_rational(10.0 / image.spacing[-1]), _rational(10.0 / image.spacing[-2]))
        options["resolutionunit"] = "CENTIMETER"
        options["metadata"] = {"spacing": list(image.spacing)}  # exactly, and of the planes too
    if n_axes > 2:
        options["bigtiff"] = image.array.nbytes > 2**31
    array = np.ascontiguousarray(image.array)
    return lambda file: tifffile.imwrite(file, array, software="medfast", **options)


def _rational(value: float) -> tuple[int, int]:
    """The nearest fraction that a TIFF holds."""
    fraction = Fraction(value).limit_denominator(10**6)
    while fraction.numerator >= 2**32:
        fraction = Fraction(value).limit_denominator(max(1, fraction.denominator // 10))
        if fraction.denominator == 1 and fraction.numerator >= 2**32:
            return 2**32 - 1, 1
    return fraction.numerator, fraction.denominator
