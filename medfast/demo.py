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
from medfast import _demo_data, _demo_plots, _validate
from medfast._demo_data import Head, Slices, add_rician_noise, cut_slices, dice, load_dicom, load_head, psnr, upright
from medfast._demo_timing import time_steps
from medfast.io import whole_file
from medfast.report import Report, to_gray8

__all__ = ["run"]

PATCH = 5
"""Side of the patches for the Rician volume; 28.4 dB where 7 gives 27.7 and 3 gives 28.2 (9 % noise, h = sigma)."""
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
    _demo_plots.need_matplotlib()
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
        "rician_ms_per_plane": 1e3 * seconds / (where.stop - where.start),
        "level": medfast.runtime.info()["level"],
    }
    tell(95, 100, "writing the report")
    labels = {name: found for name, (found, _) in tissues.items()}
    report = _report(figures, head, noisy, denoised, labels, where, slices, size, num_threads)
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


def _report(
    figures: dict[str, Any],
    head: Head,
    noisy: NDArray[np.uint8],
    denoised: NDArray[np.uint8],
    labels: dict[str, NDArray[Any]],
    where: slice,
    slices: Slices,
    size: int,
    num_threads: int | None,
) -> Report:
    """The page: what was done, in the order in which it was done."""
    noise, psnrs, dices, result = (figures[name] for name in ("noise", "psnr", "dice", "classification"))
    middle = where.start + (where.stop - where.start) // 2
    report = Report(
        "medfast: a head with noise, from file to class",
        f"The MNI152 head with {noise['share']:.0%} of Rician noise, denoised, equalised, resized, segmented, described and "
        "classified. Every picture and figure on this page was computed in one run.",
    )
    summary = {
        "PSNR, noisy → denoised": f"{psnrs['noisy']:.2f} → {psnrs['denoised']:.2f} dB",
        "Dice gray, noisy → denoised": f"{dices['noisy']['gray']:.3f} → {dices['denoised']['gray']:.3f}",
        "Dice white, noisy → denoised": f"{dices['noisy']['white']:.3f} → {dices['denoised']['white']:.3f}",
        "accuracy of the plane": f"{result['accuracy']:.1%}",
    }
    if (total := figures["steps"].get("all steps")) is not None:
        summary["OpenCV's time / medfast's"] = f"{total['opencv_ms'] / total['medfast_ms']:.1f}×"
    report.section("At a glance").figures(summary)

    views = [(0, middle), (1, _demo_data.SIDE // 2), (2, _demo_data.SIDE // 2)]
    section = report.section("Denoise: non-local means for Rician noise")
    section.text(
        f"The magnitude of an MR signal has Rician noise, sqrt((I + n1)² + n2²); here sigma is {noise['sigma']:.1f} gray "
        f"levels (estimated from one noisy plane: {noise['estimated']:.1f}). {figures['planes']} axial planes were denoised, "
        f"{figures['rician_ms_per_plane']:.0f} ms each, with patches of {PATCH}×{PATCH} in windows of 21×21 and h = sigma; "
        "the bias that this noise adds, 2·sigma² to each square, was taken away."
    )
    for name, volume in (("clean", head.clean), ("noisy", noisy), ("denoised", denoised)):
        value = f", {psnrs[name]:.2f} dB" if name in psnrs else ""
        row = views if figures["planes"] > _demo_data.SIDE // 2 or name != "denoised" else views[:1]
        titles = [f"{name}, {_demo_data.PLANES[axis]}{value if axis == 0 else ''}" for axis, _ in row]
        section.pictures(
            {title: upright(volume, axis, at) for title, (axis, at) in zip(titles, row, strict=True)}, width=250
        )

    section = report.section("Segment: tissue by k-means")
    section.text(
        "Three classes by gray level over the voxels of the brain, at the global optimum: fluid in blue, gray matter in "
        "orange, white matter in white. The truth is the template's maps of gray and white matter, cut at one half."
    )
    truth = np.where(head.white[middle], 3, np.where(head.gray[middle], 2, np.where(head.brain[middle], 1, 0)))
    pictures = {"the template's maps": _demo_plots.tissue_map(truth[::-1])}
    for name, found in labels.items():
        title = f"{name}: Dice gray {dices[name]['gray']:.3f}, white {dices[name]['white']:.3f}"
        pictures[title] = _demo_plots.tissue_map(found[middle - where.start][::-1])
    section.pictures(pictures)
    section.plot(_demo_plots.bars_of_dice(dices), "Overlap with the maps.", width=520)

    section = report.section("Equalise, resize, describe")
    section.text(
        f"What the classifier sees of a slice: denoised, its histogram equalised, resized to {size}×{size}, and described by "
        "histograms of oriented gradients on several levels. Strokes show the edges' directions cell by cell."
    )
    sample = upright(noisy, 0, middle)
    smooth = medfast.denoise_nl_means(sample, noise["sigma"], num_threads=num_threads)
    equalized = medfast.equalize_hist(smooth, num_threads=num_threads)
    resized = medfast.resize(equalized, (size, size), num_threads=num_threads)
    section.pictures(
        {
            "read": sample,
            "denoised": smooth,
            "equalised": equalized,
            f"resized, {size}×{size}": resized,
        }
    )
    section.plot(_demo_plots.hog_picture(resized), "Histograms of oriented gradients, finest level.", width=460)

    section = report.section("Classify: which plane does a slice show?")
    section.text(
        f"A linear support vector machine learnt from {result['n_train']} noisy slices and was asked about {result['n_test']} "
        f"others. Each axis is cut into {_demo_data.N_SLABS} slabs, alternately for training and test, and "
        f"{2 * _demo_data.GUARD} mm between them are left out: neighbours, which look alike, never stand on both sides."
    )
    section.figures(
        {
            "accuracy": f"{result['accuracy']:.1%}",
            "balanced accuracy": f"{result['balanced_accuracy']:.1%}",
            "AUC": "–" if result["auc"] is None else f"{result['auc']:.3f}",
        }
    )
    section.plot(_demo_plots.slabs(slices), "Slices of the three planes.", width=760)
    section.plot(
        _demo_plots.confusion(result["confusion_matrix"], list(result["classes"])), "Confusion matrix.", width=340
    )

    section = report.section("Time")
    section.text(
        "Both libraries did each step on the same noisy slices, in turns, on the same threads, after their results were "
        "compared; medians. Denoising here is the Gaussian form, which is the one that OpenCV has."
    )
    header, rows = _time_table(figures["steps"])
    section.table(header, rows, "Milliseconds per slice.")
    section.plot(_demo_plots.bars_of_time(figures["steps"]), "Shorter is faster; the scale is logarithmic.")

    _dicom_section(report, size, num_threads)
    section = report.section("How to read this")
    section.text(
        "The head is the MNI152 template (© McConnell Brain Imaging Centre, McGill University), carried by nilearn; CT and MR "
        "slices are test files of pydicom. Nothing was downloaded. The template is a mean of 152 heads and smoother than "
        f"any one of them. Level of the kernels: {figures['level']}."
    )
    return report


def _dicom_section(report: Report, size: int, num_threads: int | None) -> None:
    section = report.section("The same steps on DICOM files")
    section.text("CT stays int16 in Hounsfield units all the way, MR int16 as stored. The noise level is estimated.")
    for name in ("CT_small.dcm", "MR_small.dcm"):
        image = load_dicom(name)
        values = image.array
        h = max(float(medfast.estimate_sigma(values)), 1.0)
        smooth = medfast.denoise_nl_means(values, h, num_threads=num_threads)
        equalized = medfast.equalize_hist(smooth, num_threads=num_threads)
        resized = medfast.resize(smooth, (size, size), interpolation="cubic", num_threads=num_threads)
        classes = medfast.segment(resized, 4, num_threads=num_threads)
        low, high = np.percentile(values, (1, 99))
        unit = f" {image.unit}" if image.unit else ""
        section.pictures(
            {
                f"{image.meta['Modality']}, {values.min()} to {values.max()}{unit}": to_gray8(values, low, high),
                f"denoised, h = {h:.0f}": to_gray8(smooth, low, high),
                "equalised": to_gray8(equalized),
                f"resized, {size}×{size}": to_gray8(resized, low, high),
                "four classes": _demo_plots.class_map(classes, 4),
            },
            width=190,
        )


def _time_table(steps: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for name, step in steps.items():
        other = step["opencv_ms"]
        rows.append(
            [
                name,
                f"{step['medfast_ms']:.3g}",
                "–" if other is None else f"{other:.3g}",
                "–" if other is None else f"{other / step['medfast_ms']:.2f}×",
                step["agreement"] or "",
            ]
        )
    return ["step", "medfast", "OpenCV", "ratio", "results"], rows


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
    header, rows = _time_table(figures["steps"])
    times = Table(title="Milliseconds per slice", title_justify="left")
    for column in header:
        times.add_column(column, justify="left" if column in ("step", "results") else "right")
    for cells in rows:
        times.add_row(*cells)
    console.print(times)
    console.print(f"{figures['report']} written after {figures['seconds']:.0f} s")
