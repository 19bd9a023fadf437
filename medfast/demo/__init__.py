"""The demonstration: the whole job on real images that installed packages carry, with nothing downloaded.

A head with added noise is denoised, equalised, resized, segmented, described and classified; the report shows every
step, what it did to the figures, and what it cost.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import medfast
from medfast import _validate
from medfast._files import whole_file
from medfast.demo import plots
from medfast.demo.data import Head, Slices, add_rician_noise, cut_slices, dice, load_head, psnr
from medfast.demo.page import build_report, time_table
from medfast.demo.timing import time_steps

__all__ = ["run"]

PATCH = 5
"""Side of the patches for the Rician volume. With 9 % noise and h = sigma, on seven planes of this very head: 28.4 dB,
where 7 gives 27.7 and 3 gives 28.2."""
Progress = Callable[[int, int, str], Any]


def run(
    output_dir: str | os.PathLike[str] = "demo",
    *,
    noise: float = 0.09,
    seed: int = 0,
    planes: int | None = None,
    slice_step: int = 2,
    size: int = 256,
    levels: int = 5,
    repeats: int = 5,
    progress: Progress | None = None,
    num_threads: int | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run the demonstration and write its report.

    It needs the extra ``medfast[demo]``, and OpenCV only for the comparison of times.

    Parameters
    ----------
    output_dir : str or path, default="demo"
        Folder for ``report.html`` and ``figures.json``; made if it is not there.
    noise : float, default=0.09
        Standard deviation of the Rician noise, as a share of the largest gray level; above 0, at most 0.5.
    seed : int, default=0
        Seed of the noise.
    planes : int, optional
        Axial planes, in the middle of the brain, that are denoised and segmented; all when omitted.
    slice_step : int, default=2
        The classification takes every such slice of each axis.
    size : int, default=256
        Rows and columns that slices are resized to.
    levels : int, default=5
        Levels of the HOG pyramid.
    repeats : int, default=5
        How often each step is timed.
    progress : callable, optional
        Called as ``progress(done, total, what)``.
    num_threads : int, optional
        Most threads to use, >= 1.
    quiet : bool, default=False
        Whether to leave out the table on the standard output.

    Returns
    -------
    dict
        The figures: ``noise``, ``psnr``, ``dice``, ``classification``, ``steps``, ``seconds`` and ``report``, the path
        of the report.

    Raises
    ------
    ImportError
        If a package is missing; the message names the extra.
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter lies outside its range.

    Notes
    -----
    The head is the MNI152 template (T1, skull-stripped, 1 mm, uint8) with its maps of gray and white matter, from
    nilearn; CT and MR slices come from pydicom. The noise is ``sqrt((I + n1)² + n2²)``, rounded to uint8. PSNR is over
    voxels above 10. Tissue is k-means with three classes over the voxels where the template is above 0; Dice compares
    the second class with the gray and the third with the white map at one half. The classifier tells axial, coronal
    and sagittal slices apart; slices of training and test lie in different slabs, at least 8 mm apart.

    References
    ----------
    .. [1] V. Fonov et al., "Unbiased average age-appropriate atlases for pediatric studies", NeuroImage 54(1), 2011.
       :doi:`10.1016/j.neuroimage.2010.07.033`
    .. [2] P. Coupé et al., "An optimized blockwise nonlocal means denoising filter for 3-D magnetic resonance images",
       IEEE TMI 27(4), 2008. :doi:`10.1109/TMI.2007.906087`

    Examples
    --------
    >>> from medfast import demo
    >>> figures = demo.run("demo")  # doctest: +SKIP
    >>> figures["psnr"]["denoised"] > figures["psnr"]["noisy"]  # doctest: +SKIP
    True
    """
    noise = _validate.as_float(noise, "noise", above=0, maximum=0.5)
    seed = _validate.as_int(seed, "seed", minimum=0)
    planes = None if planes is None else _validate.as_int(planes, "planes", minimum=1)
    slice_step = _validate.as_int(slice_step, "slice_step", minimum=1, maximum=24)
    size = _validate.as_int(size, "size", minimum=16)
    levels = _validate.as_int(levels, "levels", minimum=1)
    repeats = _validate.as_int(repeats, "repeats", minimum=1)
    num_threads = _validate.as_threads(num_threads)
    tell = _validate.as_callback(progress) or (lambda done, total, what: None)
    output = Path(output_dir)
    plots.need_matplotlib()
    start = time.perf_counter()

    tell(0, 100, "reading the head")
    head = load_head()
    sigma = noise * float(head.clean.max())
    noisy = add_rician_noise(head.clean, sigma, seed)
    shown = np.flatnonzero(head.brain.any(axis=(1, 2)))
    if planes is not None:
        middle = (int(shown[0]) + int(shown[-1])) // 2
        shown = shown[np.abs(shown - middle) <= planes / 2][:planes]
    where = slice(int(shown[0]), int(shown[-1]) + 1)
    denoised, seconds = _denoise(noisy, where, sigma, num_threads, _stage(tell, 5, 45, "denoising"))
    tissues = {
        name: _tissue(volume[where], head, where, num_threads)
        for name, volume in (("clean", head.clean), ("noisy", noisy), ("denoised", denoised))
    }
    slices = cut_slices(noisy, head.brain, slice_step)
    classification = _classify(slices, sigma, size, levels, num_threads, _stage(tell, 50, 80, "classifying"))
    samples = [slices.images[i] for i in np.linspace(0, len(slices.images) - 1, 8).astype(int)]
    steps = time_steps(
        samples,
        h=sigma,
        size=size,
        levels=levels,
        repeats=repeats,
        progress=_stage(tell, 80, 95, "timing"),
        num_threads=num_threads,
    )
    middle = where.start + (where.stop - where.start) // 2
    figures: dict[str, Any] = {
        "noise": {
            "share": noise,
            "sigma": sigma,
            "estimated": float(medfast.estimate_sigma(noisy[middle], noise="rician")),
        },
        "psnr": {
            name: psnr(volume[where], head.clean[where]) for name, volume in (("noisy", noisy), ("denoised", denoised))
        },
        "dice": {name: values for name, (_, values) in tissues.items()},
        "classification": classification,
        "steps": steps,
        "planes": where.stop - where.start,
        "patch": PATCH,
        "rician_ms_per_plane": 1e3 * seconds / (where.stop - where.start),
        "level": medfast.runtime.info()["level"],
        "threads": medfast.runtime.info()["threads"] if num_threads is None else num_threads,
    }
    tell(95, 100, "writing the report")
    labels = {name: found for name, (found, _) in tissues.items()}
    report = build_report(figures, head, noisy, denoised, labels, where, slices, size, num_threads)
    output.mkdir(parents=True, exist_ok=True)
    figures["report"] = str(report.write(output / "report.html"))
    figures["seconds"] = time.perf_counter() - start
    with whole_file(output / "figures.json") as file:
        file.write(json.dumps(figures, indent=2).encode())
    tell(100, 100, "done")
    if not quiet:
        _print(figures)
    return figures


def _stage(tell: Progress, start: int, stop: int, what: str) -> Callable[[int, int], Any]:
    """A progress callable for a part of the whole."""
    return lambda done, total: tell(start + round((stop - start) * done / max(total, 1)), 100, what)


def _denoise(
    noisy: NDArray[np.uint8], where: slice, sigma: float, num_threads: int | None, progress: Any
) -> tuple[NDArray[np.uint8], float]:
    """The volume denoised plane by plane, and the seconds that took."""
    denoised = np.zeros_like(noisy)
    start = time.perf_counter()
    for index in range(where.start, where.stop):
        progress(index - where.start, where.stop - where.start)
        medfast.denoise_nl_means(
            noisy[index],
            sigma,
            patch_size=PATCH,
            sigma=sigma,
            noise="rician",
            out=denoised[index],
            num_threads=num_threads,
        )
    return denoised, time.perf_counter() - start


def _tissue(
    volume: NDArray[np.uint8], head: Head, where: slice, num_threads: int | None
) -> tuple[NDArray[Any], dict[str, float]]:
    """Labels 1 to 3 for fluid, gray and white matter, and how well they meet the maps."""
    labels = medfast.segment(volume, 3, mask=head.brain[where], num_threads=num_threads)
    return labels, {"gray": dice(labels == 2, head.gray[where]), "white": dice(labels == 3, head.white[where])}


def _classify(
    slices: Slices, sigma: float, size: int, levels: int, num_threads: int | None, progress: Any
) -> dict[str, Any]:
    """Accuracy and the rest on the slabs that were not learnt from."""
    from medfast.pipeline import Model

    images, labels = slices.of("train")
    model = Model(h=sigma, size=size, levels=levels)
    model.fit(images, labels, progress=lambda done, total: progress(2 * done, 3 * total), num_threads=num_threads)
    images, labels = slices.of("test")
    figures = model.evaluate(
        images, labels, progress=lambda done, total: progress(2 * total + done, 3 * total), num_threads=num_threads
    )
    return {**figures, "n_train": slices.parts.count("train"), "n_test": slices.parts.count("test")}


def _print(figures: dict[str, Any]) -> None:
    """The figures as tables on the standard output."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError as error:
        raise ImportError('the demonstration\'s table needs rich: pip install "medfast[demo]"') from error
    console = Console()
    quality = Table(title="MNI152 head, Rician noise", title_justify="left")
    for column in ("figure", "clean", "noisy", "denoised"):
        quality.add_column(column, justify="left" if column == "figure" else "right")
    quality.add_row("PSNR, dB", "", *(f"{figures['psnr'][name]:.2f}" for name in ("noisy", "denoised")))
    for tissue in ("gray", "white"):
        values = (f"{figures['dice'][name][tissue]:.3f}" for name in ("clean", "noisy", "denoised"))
        quality.add_row(f"Dice, {tissue} matter", *values)
    console.print(quality)
    result = figures["classification"]
    confusion = Table(
        title=f"Plane of a slice: accuracy {result['accuracy']:.1%} on {result['n_test']} slices", title_justify="left"
    )
    confusion.add_column("true \\ predicted")
    for name in result["classes"]:
        confusion.add_column(name, justify="right")
    for name, row in zip(result["classes"], result["confusion_matrix"], strict=True):
        confusion.add_row(name, *map(str, row))
    console.print(confusion)
    header, rows = time_table(figures["steps"])
    times = Table(title="Milliseconds per slice", title_justify="left")
    for column in header:
        times.add_column(column, justify="left" if column in ("step", "results") else "right")
    for cells in rows:
        times.add_row(*cells)
    console.print(times)
    console.print(f"{figures['report']} written after {figures['seconds']:.0f} s")
