"""Tables of ratios, from the results that `runner.run` gives: for the terminal, and as Markdown for a document.

``python -m medfast.bench.table RESULTS.json`` prints the Markdown; ``--update DOCUMENT`` puts it between the markers
of the document; ``--short`` leaves the cases of the short run, and all losses. Of several files, say of other levels,
the results are put together. A ratio is the other library's
time divided by medfast's: above 1 medfast is faster; losses are shown.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfast import _levels
from medfast.bench import cases
from medfast.bench.runner import FORMAT, NAMES

if TYPE_CHECKING:
    import rich.table

BEGIN, END = "<!-- benchmark table -->", "<!-- end -->"


def load(path: Path | str) -> dict[str, Any]:
    """Results from a JSON file.

    Raises
    ------
    ValueError
        If the file holds no results of this format.
    """
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no benchmark result: {error}") from None
    if not isinstance(results, dict) or results.get("format") != FORMAT or "results" not in results:
        raise ValueError(f"{path} is no benchmark result of format {FORMAT}")
    return results


def together(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Results of several runs on one machine; what was measured twice counts as it was the last time.

    Raises
    ------
    ValueError
        If they come from machines that differ, or from other versions.
    """
    for name in ("machine", "versions"):
        if any(results[name] != files[0][name] for results in files):
            raise ValueError(f"the results differ in {name}")
    records: dict[tuple[str, str, int], dict[str, Any]] = {}
    for results in files:
        for record in results["results"]:
            records[record["case"], record["level"], record["threads"]] = record
    return {**files[-1], "results": list(records.values())}


def levels_of(results: Mapping[str, Any]) -> list[str]:
    """Levels in the results, highest first; the Numba twins come last."""
    order = [_levels.JIT, *(level.name for level in _levels.LEVELS)]
    return sorted({record["level"] for record in results["results"]}, key=order.index, reverse=True)


def is_loss(ratio: float) -> bool:
    """Whether medfast is slower, to two decimals."""
    return round(ratio, 2) < 1


def ratio_text(ratio: float) -> str:
    """The ratio with as many digits as it deserves."""
    digits = 0 if ratio >= 100 else 1 if ratio >= 10 else 2
    return f"{ratio:.{digits}f}×"


def rows(results: Mapping[str, Any], level: str) -> Iterable[tuple[str, str, dict[int, dict[str, Any]]]]:
    """What was measured at a level: title of the case, rival, and the rival's entry by thread count."""
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for record in results["results"]:
        if record["level"] != level:
            continue
        entries = record.get("rivals") or {"": {"refused": record["refused"]}}
        for rival, entry in entries.items():
            found.setdefault((record["title"], rival), {})[record["threads"]] = entry | {"our_ms": record.get("ms")}
    return ((title, NAMES.get(rival, "–"), by_threads) for (title, rival), by_threads in found.items())


def losses(results: Mapping[str, Any], level: str) -> list[str]:
    """Every place where medfast is slower at a level, with its ratios."""
    found = []
    for title, rival, by_threads in rows(results, level):
        lost = [
            f"{ratio_text(entry['ratio'])} on {count(n)}"
            for n, entry in sorted(by_threads.items())
            if "ratio" in entry and is_loss(entry["ratio"])
        ]
        if lost:
            found.append(f"{title} against {rival} ({', '.join(lost)})")
    return found


def terminal_table(results: Mapping[str, Any]) -> "rich.table.Table":
    """The results as a table of rich, losses in red."""
    from rich.table import Table
    from rich.text import Text

    levels, threads = levels_of(results), _threads(results)
    table = Table(title="medfast beside the others", caption="times as fast as the other library; below 1 is a loss")
    for column in ("work", "level", "against"):
        table.add_column(column)
    for n in threads:
        table.add_column(count(n), justify="right")
    for n in threads:
        table.add_column(f"ms, {count(n)}", justify="right", style="dim")
    table.add_column("result")
    for level in levels:
        for title, rival, by_threads in rows(results, level):
            cells: list[str | Text] = []
            for n in threads:
                ratio = by_threads.get(n, {}).get("ratio")
                cells.append(
                    "" if ratio is None else Text(ratio_text(ratio), "bold red" if is_loss(ratio) else "green")
                )
            times = [f"{ms:.3g}" if (ms := by_threads.get(n, {}).get("our_ms")) else "" for n in threads]
            outcome = _outcome(by_threads)
            style = "bold red" if any("refused" in entry for entry in by_threads.values()) else ""
            table.add_row(title, level, rival, *cells, *times, Text(outcome, style))
    return table


def shortened(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results of the short run's cases, at the highest level."""
    names, level = {case.name for case in cases.CASES if case.quick}, levels_of(results)[0]
    kept = [record for record in results["results"] if record["case"] in names and record["level"] == level]
    return {**results, "results": kept}


def markdown(results: Mapping[str, Any], *, short: bool = False) -> str:
    """The results as Markdown: the table, where it was measured and how, the losses, and what was left out."""
    levels, threads = levels_of(results), _threads(results)
    lost = losses(results, levels[0])
    if short:
        results, levels = shortened(results), levels[:1]
    machine, found = results["machine"], results["versions"]
    lines = [
        f"Times as fast as the other library (level `{levels[0]}`, {machine['cpu']}, {count(machine['threads'])}, "
        f"{results['date']}). Below 1 medfast is slower.",
        "",
        *_markdown_table(
            ["work", "against", *map(count, threads), "result"],
            [
                [title, rival, *(_cell(by_threads.get(n, {})) for n in threads), _outcome(by_threads)]
                for title, rival, by_threads in rows(results, levels[0])
            ],
            "ll" + "r" * len(threads) + "l",
        ),
    ]
    if len(levels) > 1:
        lines += ["", f"At other levels, {count(threads[0])}:", "", *_level_table(results, levels, threads[0])]
    if memory := _memory_table(results, levels[0]):
        lines += ["", "Memory at the peak of a call, beside what it is given:", "", *memory]
    lines += [
        "",
        f"Slower than the other library: {'; '.join(lost)}." if lost else "Slower than the other library: none.",
    ]
    if left_out := _left_out(results):
        lines += ["", f"Not measured: {'; '.join(left_out)}."]
    versions = ", ".join(f"{name} {version}" for name, version in found.items())
    lines += ["", f"{results['protocol']} Versions: {versions}."]
    return "\n".join(lines)


def update(document: Path | str, results: Mapping[str, Any], *, short: bool = False) -> None:
    """Put the Markdown of the results between the markers of a document.

    Raises
    ------
    ValueError
        If the document lacks the markers.
    """
    path = Path(document)
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no section between {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{markdown(results, short=short)}\n\n{END}{after}", encoding="utf-8")


def _level_table(results: Mapping[str, Any], levels: Sequence[str], threads: int) -> list[str]:
    by_level = {level: {row[:2]: row[2] for row in rows(results, level)} for level in levels}
    keys = [key for key in by_level[levels[0]] if any(key in by_level[level] for level in levels[1:])]
    keys += [key for key in dict.fromkeys(key for level in levels[1:] for key in by_level[level]) if key not in keys]
    body = [[*key, *(_cell(by_level[level].get(key, {}).get(threads, {})) for level in levels)] for key in keys]
    return _markdown_table(["work", "against", *(f"`{level}`" for level in levels)], body, "ll" + "r" * len(levels))


def _memory_table(results: Mapping[str, Any], level: str) -> list[str]:
    """Of each case at a level, on the fewest threads, where the memory was measured."""
    peaks: dict[str, Mapping[str, int | None]] = {}
    for record in sorted(results["results"], key=lambda record: record["threads"]):
        if record["level"] == level and any((found := record.get("peak_bytes", {})).values()):
            peaks.setdefault(record["title"], found)
    libraries = [name for name in NAMES if any(name in found for found in peaks.values())]
    body = [
        [title, *(f"{peak / 2**20:.0f} MiB" if (peak := found.get(name)) is not None else "–" for name in libraries)]
        for title, found in peaks.items()
    ]
    header = ["work", *(NAMES[name] for name in libraries)]
    return _markdown_table(header, body, "l" + "r" * len(libraries)) if body else []


def _markdown_table(header: Sequence[str], body: Iterable[Sequence[str]], alignment: str) -> list[str]:
    rule = {"l": ":--", "r": "--:"}
    return [f"| {' | '.join(row)} |" for row in (header, [rule[side] for side in alignment], *body)]


def _cell(entry: Mapping[str, Any]) -> str:
    if "refused" in entry:
        return "wrong result"
    ratio = entry.get("ratio")
    if ratio is None:
        return "–"
    return f"**{ratio_text(ratio)} (slower)**" if is_loss(ratio) else ratio_text(ratio)


def _outcome(by_threads: Mapping[int, Mapping[str, Any]]) -> str:
    entry = next((e for e in by_threads.values() if "refused" in e), by_threads[min(by_threads)])
    if "refused" in entry:
        return f"refused: {entry['refused']}"
    return entry.get("agreement") or f"skipped: {entry['skipped']}"


def _left_out(results: Mapping[str, Any]) -> list[str]:
    reasons = {
        f"{record['title']} against {NAMES[rival]} ({entry['skipped']})": None
        for record in results["results"]
        for rival, entry in record.get("rivals", {}).items()
        if "skipped" in entry
    }
    return list(reasons)


def _threads(results: Mapping[str, Any]) -> list[int]:
    return sorted({record["threads"] for record in results["results"]})


def count(threads: int) -> str:
    """A number of threads, in words."""
    return f"{threads} thread{'s' * (threads != 1)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a results file as Markdown, or put it into a document."""
    parser = argparse.ArgumentParser(prog="python -m medfast.bench.table", description=main.__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="JSON files that `medfast bench --json` wrote")
    parser.add_argument("--update", type=Path, metavar="DOCUMENT", help=f"write it between {BEGIN} and {END}")
    parser.add_argument("--short", action="store_true", help="only the cases of the short run, and all losses")
    options = parser.parse_args(arguments)
    try:
        results = together([load(path) for path in options.results])
        if options.update is None:
            print(markdown(results, short=options.short))
        else:
            update(options.update, results, short=options.short)
    except (OSError, ValueError) as error:
        print(f"table: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
