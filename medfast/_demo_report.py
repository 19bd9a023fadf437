"""The demonstration's page: what was done, in the order in which it was done."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import medfast
from medfast import _demo_data, _demo_plots
from medfast._demo_data import Head, Slices, load_dicom, upright
from medfast._demo_timing import ATTEMPTS
from medfast.report import Report, to_gray8


def build_report(
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
    """Everything that a run found, on one page."""
    noise, psnrs, dices, result = (figures[name] for name in ("noise", "psnr", "dice", "classification"))
    middle = where.start + (where.stop - where.start) // 2
    report = Report(
        "medfast: a head with noise, from file to class",
        f"The MNI152 head with {noise['share']:.0%} of Rician noise, denoised, equalised, resized, "
        "segmented, described and "
        "classified. Every picture and figure on this page was computed in one run.",
    )
    summary = {
        "PSNR, noisy → denoised": f"{psnrs['noisy']:.2f} → {psnrs['denoised']:.2f} dB",
        "Dice gray, noisy → denoised": f"{dices['noisy']['gray']:.3f} → {dices['denoised']['gray']:.3f}",
        "Dice white, noisy → denoised": f"{dices['noisy']['white']:.3f} → {dices['denoised']['white']:.3f}",
        "accuracy of the plane": f"{result['accuracy']:.1%}",
    }
    if (total := figures["steps"].get("all steps")) is not None:
        rest = figures["steps"]["all but segment"]
        summary["OpenCV's time / medfast's"] = f"{total['opencv_ms'] / total['medfast_ms']:.1f}×"
        summary["the same without k-means"] = f"{rest['opencv_ms'] / rest['medfast_ms']:.1f}×"
    report.section("At a glance").figures(summary)

    views = [(0, middle), (1, _demo_data.SIDE // 2), (2, _demo_data.SIDE // 2)]
    section = report.section("Denoise: non-local means for Rician noise")
    section.text(
        f"The magnitude of an MR signal has Rician noise, sqrt((I + n1)² + n2²); here sigma is "
        f"{noise['sigma']:.1f} gray "
        f"levels (estimated from one noisy plane: {noise['estimated']:.1f}). {figures['planes']} "
        "axial planes were denoised, "
        f"{figures['rician_ms_per_plane']:.0f} ms each, with patches of "
        f"{figures['patch']}×{figures['patch']} in windows of 21×21 and h = sigma; "
        "the bias that this noise adds, 2·sigma² to each square, was taken away. The patch size "
        "and h were chosen on seven "
        "planes of this head, so the gain is that of well-set parameters."
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
        "Three classes by gray level over the voxels of the brain, at the global optimum: fluid in "
        "blue, gray matter in "
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
        f"What the classifier sees of a slice: denoised, its histogram equalised, resized to "
        f"{size}×{size}, and described by "
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
        f"A linear support vector machine learnt from {result['n_train']} noisy slices and was asked "
        f"about {result['n_test']} "
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
        f"Both libraries did each step on the same noisy slices, in turns, on "
        f"{figures['threads']} thread(s) at most, after "
        "their results were compared; medians. Denoising here is the Gaussian form, which is the one that OpenCV has. "
        f"OpenCV's k-means makes {ATTEMPTS} attempts, since it may miss the optimum from a single start, and medfast "
        "finds it in one pass: that step carries most of the sum, which is therefore given with and without it."
    )
    header, rows = time_table(figures["steps"])
    section.table(header, rows, "Milliseconds per slice.")
    section.plot(_demo_plots.bars_of_time(figures["steps"]), "Shorter is faster; the scale is logarithmic.")

    _dicom_section(report, size, num_threads)
    section = report.section("How to read this")
    section.text(
        "The head is the MNI152 template (© McConnell Brain Imaging Centre, McGill University), "
        "carried by nilearn; CT and MR "
        "slices are test files of pydicom. Nothing was downloaded. The template is a mean of 152 "
        "heads and smoother than "
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


def time_table(steps: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: milliseconds of both libraries, their ratio, how their results compare."""
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
