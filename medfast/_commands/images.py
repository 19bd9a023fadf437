"""Commands that take an image file and write another, or its features."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

import medfast
from medfast import _validate
from medfast._commands import terminal
from medfast._commands.app import app
from medfast._files import whole_file

Source = Annotated[
    Path, typer.Argument(metavar="IN", help="DICOM, NIfTI, PNG, JPEG or TIFF; a folder of DICOM slices.")
]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="File to write; its suffix names the format.")]
Interpolation = Literal["nearest", "linear", "linear-exact", "area", "cubic", "lanczos4"]


def _odd(value: int | None) -> int | None:
    if value is not None and value % 2 == 0:
        raise typer.BadParameter(f"must be odd, got {value}")
    return value


@app.command()
def denoise(
    source: Source,
    target: Target,
    h: Annotated[
        float | None,
        typer.Option("--h", callback=terminal.positive, help="Strength, in gray levels; from the noise where omitted."),
    ] = None,
    patch: Annotated[
        int | None, typer.Option(min=1, callback=_odd, help="Side of the patches, in pixels: 7; in a volume 3.")
    ] = None,
    search: Annotated[
        int | None, typer.Option(min=1, callback=_odd, help="Side of the search window: 21; in a volume 11.")
    ] = None,
    norm: Annotated[Literal["l2", "l1"], typer.Option(help="Distance of patches.")] = "l2",
    noise: Annotated[Literal["gaussian", "rician"], typer.Option(help="Kind of noise; Rician is that of MR.")] = (
        "gaussian"
    ),
    planes: Annotated[bool, typer.Option("--planes", help="Each plane of a volume by itself.")] = False,
    mask: Annotated[Path | None, typer.Option(help="Only pixels that are not 0 in this image.")] = None,
    threads: terminal.Threads = None,
) -> None:
    """Denoise by non-local means; a volume in three dimensions, with the spacing of its voxels."""
    image = _read(source, target)
    result = np.empty(image.array.shape, image.array.dtype)
    n_axes = min(2 if planes else 3, image.array.ndim - (image.channel_axis is not None))
    parts, denoised = _as_stack(image.array, image, n_axes), _as_stack(result, image, n_axes)
    inside = None
    if mask is not None:
        with terminal.about(mask):
            shape = image.array.shape[: image.array.ndim - (image.channel_axis is not None)]
            drawn = _read(mask, target).array != 0
            _validate.as_mask(drawn, shape)
            inside = drawn.reshape(-1, *shape[len(shape) - n_axes :])
    with terminal.progress_bar("denoising") as progress, terminal.about(source):
        for index, (part, out) in enumerate(zip(parts, denoised, strict=True)):
            medfast.denoise_nl_means(
                part,
                h,
                patch_size=patch,
                search_size=search,
                norm=norm,
                noise=noise,
                mask=None if inside is None else inside[index],
                spacing=None if image.spacing is None else image.spacing[-n_axes:],
                channel_axis=image.channel_axis,
                progress=_of_part(progress, index, len(parts)),
                out=out,
                num_threads=threads,
            )
    _write(target, image, result)


@app.command()
def equalize(
    source: Source,
    target: Target,
    clahe: Annotated[bool, typer.Option("--clahe", help="Contrast-limited and adaptive, tile by tile.")] = False,
    clip_limit: Annotated[
        float, typer.Option(min=0, callback=terminal.finite, help="Contrast limit of --clahe.")
    ] = 2.0,
    tiles: Annotated[str, typer.Option(help="ROWSxCOLUMNS of tiles of --clahe.")] = "8x8",
    threads: terminal.Threads = None,
) -> None:
    """Equalise the histogram, of the whole image or tile by tile."""
    rows, columns = terminal.integers(tiles, "--tiles", 2)
    image = _read(source, target)
    _need_gray(image, source)
    with terminal.about(source):
        if clahe:
            result = medfast.clahe(image.array, clip_limit, (rows, columns), num_threads=threads)
        else:
            result = medfast.equalize_hist(image.array, num_threads=threads)
    _write(target, image, result)


@app.command()
def window(
    source: Source,
    target: Target,
    window: Annotated[
        str | None, typer.Option(help="CENTER,WIDTH in gray levels, for CT in Hounsfield units; the file's own.")
    ] = None,
    function: Annotated[
        Literal["linear", "linear-exact", "sigmoid"], typer.Option(help="Shape of the window given.")
    ] = "linear",
    threads: terminal.Threads = None,
) -> None:
    """Show a window of gray levels in 8 bits, as a display does: from DICOM to PNG, say."""
    if window is None:
        image = _read(source, target, window="voi")
        result = image.array
    else:
        center, width = terminal.numbers(window, "--window", 2, ",")
        image = _read(source, target)
        _need_gray(image, source)
        parts = image.array.reshape(-1, *image.array.shape[-2:])
        with terminal.about(source):
            kind = function.replace("-", "_")
            result = medfast.window(parts, center, width, function=kind, num_threads=threads)
        result = result.reshape(image.array.shape)
    _write(target, dataclasses.replace(image, slope=1.0, intercept=0.0, unit=None), result)


@app.command()
def resize(
    source: Source,
    target: Target,
    size: Annotated[str | None, typer.Option(help="ROWSxCOLUMNS, or PLANESxROWSxCOLUMNS.")] = None,
    scale: Annotated[str | None, typer.Option(help="Factor, or one per axis: 0.5 or 1,0.5,0.5.")] = None,
    spacing: Annotated[str | None, typer.Option(help="Voxel spacing wanted, in millimetres: 1 or 2.5,1,1.")] = None,
    interpolation: Annotated[Interpolation, typer.Option(help="How values between pixels are found.")] = "linear",
    threads: terminal.Threads = None,
) -> None:
    """Resize to a size, by a factor, or to a voxel spacing."""
    if sum(option is not None for option in (size, scale, spacing)) != 1:
        raise typer.BadParameter("give one of --size, --scale and --spacing")
    shape = None if size is None else terminal.integers(size, "--size")
    factors = None if scale is None else terminal.positives(scale, "--scale")
    wanted = None if spacing is None else terminal.positives(spacing, "--spacing")
    image = _read(source, target)
    axes = image.array.ndim - (image.channel_axis is not None)
    how: dict[str, Any] = {}
    if shape is not None:
        if len(shape) != axes:
            raise typer.BadParameter(f"expected {axes} numbers, got {len(shape)}", param_hint="--size")
        how["shape"] = shape
    elif factors is not None:
        how["scale"] = _per_axis(factors, "--scale", axes)
    elif wanted is not None:
        if image.spacing is None:
            raise ValueError(f"{source}: the file gives no voxel spacing; use --size or --scale")
        how["spacing"], how["new_spacing"] = image.spacing, _per_axis(wanted, "--spacing", axes)
    with terminal.about(source):
        result = medfast.resize(
            image.array, **how, interpolation=interpolation, channel_axis=image.channel_axis, num_threads=threads
        )
    _write(target, _on_new_grid(image, result), result)


@app.command()
def segment(
    source: Source,
    target: Target,
    classes: Annotated[int, typer.Option(min=1, max=255, help="Number of classes.")] = 3,
    above: Annotated[
        float | None,
        typer.Option(callback=terminal.finite, help="Only pixels above this value; the others become 0."),
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="Only pixels that are not 0 in this image.")] = None,
    threads: terminal.Threads = None,
) -> None:
    """Segment by intensity: 1 is the darkest class, 0 is outside the mask."""
    image = _read(source, target)
    _need_gray(image, source)
    inside = None if above is None else image.array > above
    if mask is not None:
        drawn = _read(mask, target).array != 0
        inside = drawn if inside is None else inside & drawn
    with terminal.about(source):
        result = medfast.segment(image.array, classes, mask=inside, num_threads=threads)
    plain = dataclasses.replace(image, slope=1.0, intercept=0.0, unit=None)
    _write(target, plain, result)


@app.command()
def features(
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .npy or .csv.")],
    size: Annotated[str | None, typer.Option(help="ROWSxCOLUMNS to resize to first.")] = None,
    orientations: Annotated[int, typer.Option(min=1, help="Bins of orientation.")] = 9,
    cell: Annotated[int, typer.Option(min=1, help="Side of a cell, in pixels.")] = 8,
    block: Annotated[int, typer.Option(min=1, help="Side of a block, in cells.")] = 2,
    levels: Annotated[int, typer.Option(min=1, help="Levels of the pyramid, each of half the size.")] = 1,
    threads: terminal.Threads = None,
) -> None:
    """Describe an image, or each plane of a volume, by histograms of oriented gradients; one row per plane."""
    from medfast import io

    suffix = target.suffix.lower()
    if suffix not in (".npy", ".csv"):
        raise typer.BadParameter(f"must end in .npy or .csv, got {target.name!r}", param_hint="OUT")
    shape = None if size is None else terminal.integers(size, "--size", 2)
    terminal.check_writable(target)
    image = io.read_image(source)
    array = image.array
    with terminal.about(source):
        if shape is not None:
            planes = array.shape[: array.ndim - 2 - (image.channel_axis is not None)]
            array = medfast.resize(
                array, (*planes, *shape), interpolation="area", channel_axis=image.channel_axis, num_threads=threads
            )
        found = medfast.hog(
            array,
            orientations=orientations,
            cell=(cell, cell),
            block=(block, block),
            levels=levels,
            channel_axis=image.channel_axis,
            num_threads=threads,
        )
    with whole_file(target) as file:
        if suffix == ".npy":
            np.save(file, found)
        else:
            np.savetxt(file, np.atleast_2d(found), delimiter=",", fmt="%.9g")


def _read(source: Path, target: Path, *, window: str | None = None) -> Any:
    """The image, after a look at whether the result can be written at all."""
    from medfast import io

    try:
        io.suffix_of(target)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="OUT") from None
    terminal.check_writable(target)
    return io.read_image(source, window=window)


def _write(target: Path, image: Any, array: NDArray[Any]) -> None:
    from medfast import io

    with terminal.about(target):
        io.write_image(target, dataclasses.replace(image, array=array))


def _as_stack(array: NDArray[Any], image: Any, n_axes: int) -> NDArray[Any]:
    """`array` as a stack of images of `n_axes`, colours last."""
    return array.reshape(-1, *array.shape[array.ndim - n_axes - (image.channel_axis is not None) :])


def _of_part(progress: Callable[..., None], index: int, count: int) -> Callable[[int, int], None]:
    """Progress within one part as progress of the whole."""
    return lambda done, total: progress(index * total + done, count * total)


def _need_gray(image: Any, path: Path) -> None:
    if image.channel_axis is not None:
        raise ValueError(f"{path}: a gray image is needed, and this one has colours")


def _per_axis(values: tuple[float, ...], option: str, axes: int) -> tuple[float, ...]:
    if len(values) not in (1, axes):
        raise typer.BadParameter(f"expected 1 or {axes} numbers, got {len(values)}", param_hint=option)
    return values * axes if len(values) == 1 else values


def _on_new_grid(image: Any, array: NDArray[Any]) -> Any:
    """`image` with the spacing and the affine of a grid that covers the same ground with the size of `array`."""
    axes = image.array.ndim - (image.channel_axis is not None)
    steps = np.array(image.array.shape[:axes]) / np.array(array.shape[:axes])
    spacing = None if image.spacing is None else tuple(float(s) for s in np.asarray(image.spacing) * steps)
    affine = image.affine
    if affine is not None:
        per_index = np.ones(3)
        per_index[: min(axes, 3)] = steps[::-1][:3]  # (column, row, plane)
        # The corner of the first voxel stays where it is, so its centre moves.
        affine = affine @ np.block(
            [[np.diag(per_index), (per_index[:, None] - 1) / 2], [np.zeros((1, 3)), np.ones((1, 1))]]
        )
    return dataclasses.replace(image, spacing=spacing, affine=affine, array=array)
