"""A bar chart of the ratios, from the results that `runner.run` gives."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfast._files import whole_file
from medfast.bench import table
from medfast.bench.runner import NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "OpenCV": "#3465a4",
    "scikit-image": "#c4681c",
    "scikit-learn": "#4e9a06",
    "dipy": "#75507b",
    "pydicom": "#cc0000",
    "SciPy": "#a40000",
    "SimpleITK": "#06989a",
}


def figure(results: Mapping[str, Any]) -> "Figure":
    """Ratios on a logarithmic axis, one bar for each case and rival, at the highest level and each thread count."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    level = table.levels_of(results)[0]
    threads = sorted({record["threads"] for record in results["results"]})
    measured = [
        (title, rival, {n: entry["ratio"] for n, entry in by_threads.items() if "ratio" in entry})
        for title, rival, by_threads in table.rows(results, level)
        if any("ratio" in entry for entry in by_threads.values())
    ]
    # Without pyplot: no window, and no state that a second figure would share.
    drawing = Figure(figsize=(9, 1.5 + 0.32 * len(measured)), layout="constrained")
    axes = drawing.add_subplot()
    height = 0.8 / len(threads)
    for place, (_, rival, ratios) in enumerate(measured):
        for slot, n in enumerate(threads):
            if n not in ratios:
                continue
            y, ratio = place + (slot - (len(threads) - 1) / 2) * height, ratios[n]
            axes.barh(y, ratio - 1, height, left=1, color=COLOURS.get(rival), alpha=1 - 0.45 * slot / len(threads))
            label = f" {table.ratio_text(ratio)} "
            axes.text(ratio, y, label, va="center", ha="left" if ratio >= 1 else "right", fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.01)
    axes.set_yticks(range(len(measured)), [f"{title}  ({rival})" for title, rival, _ in measured], fontsize=8)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    shades = ", below it ".join(table.count(n) for n in threads)
    axes.set_xlabel(f"times as fast as the other library ({shades}); left of 1 is a loss", fontsize=8)
    axes.set_title(f"medfast {results['versions']['medfast']}, {level}, {results['machine']['cpu']}", fontsize=10)
    present = [name for name in NAMES.values() if name in {rival for _, rival, _ in measured}]
    axes.legend(
        handles=[axes.barh(0, 0, color=COLOURS.get(name), label=f"against {name}") for name in present],
        fontsize=8,
        loc="lower right",
    )
    return drawing


def check(path: Path | str) -> None:
    """Refuse a file that matplotlib cannot write, before anything is measured.

    Raises
    ------
    ValueError
        If the suffix is that of no picture.
    """
    from matplotlib.figure import Figure

    suffixes = sorted(Figure().canvas.get_supported_filetypes())
    if Path(path).suffix[1:].lower() not in suffixes:
        raise ValueError(f"{path}: no format of pictures; choose from {', '.join(suffixes)}")


def write(results: Mapping[str, Any], path: Path | str) -> None:
    """Draw the ratios into a file; its suffix decides the format."""
    drawn = figure(results)
    with whole_file(path) as file:
        drawn.savefig(file, format=Path(path).suffix[1:].lower(), dpi=150)
