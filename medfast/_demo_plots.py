"""The demonstration's pictures and plots."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import medfast
from medfast._demo_data import PLANES, Slices
from medfast.report import to_gray8

TISSUES = np.array([[0, 0, 0], [64, 120, 200], [230, 159, 40], [240, 240, 235]], np.uint8)
"""Colours of background, fluid, gray and white matter; told apart with any colour vision."""
OURS, THEIRS = "#0b6bcb", "#b9c2cc"


def need_matplotlib() -> Any:
    """`matplotlib.figure`; its figures draw without a window system."""
    try:
        from matplotlib import figure
    except ImportError as error:
        raise ImportError('the demonstration needs matplotlib: pip install "medfast[demo]"') from error
    return figure


def tissue_map(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Labels 0 to 3 in colours."""
    return TISSUES[np.asarray(labels, np.intp)]


def class_map(labels: NDArray[Any], n_classes: int) -> NDArray[np.uint8]:
    """Labels from 0 to `n_classes` as shades of gray."""
    return to_gray8(labels, 0, n_classes)


def hog_picture(image: NDArray[np.uint8]) -> Any:
    """The image, dimmed, and over each cell a stroke per direction, as long as its share is large."""
    cell = 8
    n_rows, n_columns = image.shape[0] // cell, image.shape[1] // cell
    shares = medfast.hog(image, cell=(cell, cell), block=(1, 1), norm="l2", levels=1).reshape(n_columns, n_rows, 9)
    figure = need_matplotlib().Figure(figsize=(5, 5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image // 3, cmap="gray", vmin=0, vmax=255)
    # A bin holds directions of gradients; an edge runs across it.
    angles = (np.arange(9) + 0.5) * np.pi / 9 + np.pi / 2
    step = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * shares[..., None] * cell * 0.55
    columns, rows = np.meshgrid(np.arange(n_columns), np.arange(n_rows), indexing="ij")
    centers = (np.stack([columns, rows], axis=-1) + 0.5)[:, :, None] * cell - 0.5
    strokes = np.stack([centers - step, centers + step], axis=-2).reshape(-1, 2, 2)
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(list(strokes), colors="#ffd34d", linewidths=0.6))
    axes.set_axis_off()
    return figure


def bars_of_dice(dice: dict[str, dict[str, float]]) -> Any:
    """Dice of gray and white matter: clean, noisy, denoised."""
    figure = need_matplotlib().Figure(figsize=(6.2, 3))
    axes = figure.subplots()
    colours = {"clean": "#8fbf9f", "noisy": THEIRS, "denoised": OURS}
    for i, (name, values) in enumerate(dice.items()):
        bars = axes.bar(np.arange(2) + (i - 1) * 0.27, list(values.values()), 0.25, label=name, color=colours[name])
        axes.bar_label(bars, fmt="%.3f", fontsize=8, padding=1)
    axes.set_xticks(range(2), ["gray matter", "white matter"])
    axes.set_ylim(0, 1.12)
    axes.set_ylabel("Dice")
    axes.legend(ncols=3, loc="upper center", frameon=False, fontsize=8)
    return _plain(figure)


def slabs(slices: Slices) -> Any:
    """Which slices the classifier learns from, which it is asked about, which are left out between them."""
    figure = need_matplotlib().Figure(figsize=(7, 1.9))
    axes = figure.subplots()
    for part, colour in {"train": THEIRS, "test": OURS, "left out": "none"}.items():
        for row, label in enumerate(PLANES):
            found = zip(slices.positions, slices.labels, slices.parts, strict=True)
            at = [position for position, name, kind in found if name == label and kind == part]
            edge = "#888888" if part == "left out" else colour
            axes.scatter(at, [row] * len(at), marker="s", s=16, color=colour, edgecolor=edge, linewidth=0.5,
                         label=part if row == 0 else None)  # fmt: skip
    axes.set_yticks(range(3), PLANES)
    axes.set_ylim(2.6, -1.1)
    axes.set_xlabel("slice, in millimetres along its axis")
    axes.legend(ncols=3, loc="upper center", frameon=False, fontsize=8)
    return _plain(figure)


def confusion(matrix: list[list[int]], classes: list[str]) -> Any:
    """The confusion matrix."""
    figure = need_matplotlib().Figure(figsize=(3.6, 3.2))
    axes = figure.subplots()
    counts = np.asarray(matrix)
    axes.imshow(counts, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        dark = count > 0.6 * counts.max()
        axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def bars_of_time(steps: dict[str, dict[str, Any]]) -> Any:
    """Milliseconds per slice, on a logarithmic scale."""
    figure = need_matplotlib().Figure(figsize=(6.6, 0.55 * len(steps) + 1.1))
    axes = figure.subplots()
    for offset, key, label, colour in ((-0.19, "medfast_ms", "medfast", OURS), (0.19, "opencv_ms", "OpenCV", THEIRS)):
        rows = [row for row, step in enumerate(steps.values()) if step[key] is not None]
        values = [step[key] for step in steps.values() if step[key] is not None]
        if not rows:
            continue
        bars = axes.barh(np.array(rows) + offset, values, 0.36, label=label, color=colour)
        axes.bar_label(bars, [f"{value:.3g}" for value in values], fontsize=8, padding=2)
    axes.set_yticks(range(len(steps)), list(steps))
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds per slice")
    axes.legend(frameon=False, fontsize=8)
    return _plain(figure)


def _plain(figure: Any) -> Any:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure
