"""Runs the peers' own tests, as they are and through the patch, and makes a table of what came of it.

``python tests/upstream/run.py`` prints the table that stands in docs/upstream.md.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import sources

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

EXPLAINED = dict.fromkeys(
    ("test_sample_weight_init", "test_sample_weight_zero"),
    "calls `_init_centroids`, a private method of scikit-learn's class",
)
"""Tests that fail through the patch alone, by the end of their name, and why in one line."""

EXPECTED = {
    "image (has|is a ndarray of) dtype": "another dtype, or empty",
    r"image has \d+ values": "fewer values than classes: scikit-image's error, or more than 2048",
    "image is a ": "no array",
    "image is not finite": "NaN, infinity, or a constant image of floats",
    "image has shape": "colours, or another number of axes",
    "reference has dtype": "another dtype",
    "output_shape is": "sizes that are no whole numbers, or more axes than the image has",
    "order is": "splines of order 2 to 5, other modes, or smoothed integers",
    "anti_aliasing_sigma is": "an axis that does not shrink is smoothed: scikit-image warns",
    "channel_axis is": "channels that do not agree",
    r"image must be \d-D|image is too small|block_norm must": "HOG of what does not fit: scikit-image's error",
    r"image has \d+ axes": "numbers of axes that do not agree",
    "hist (is|has)": "a histogram that is no array, or with an image",
    "image has values outside": "floats outside of -1 to 1: scikit-image's error",
    "the noise level is 0": "no noise at all",
    "kernel_size is": "a kernel_size that does not fit: scikit-image's error",
}
"""What reasons to fall back begin with, as regular expressions, and what they are."""


def run(test_files: list[Path], target: str, folder: Path, select: str = "") -> dict[str, Any]:
    """Outcomes and calls of these tests with `target` patched, or with nothing patched where it is empty."""
    report = folder / f"report-{target or 'plain'}.json"
    paths = os.pathsep.join([str(ROOT), str(HERE), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    done = subprocess.run(
        [*command, *(["-k", select] if select else []), *map(str, test_files)],
        cwd=folder,
        env={**os.environ, "UPSTREAM_TARGET": target, "UPSTREAM_REPORT": str(report), "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if not report.is_file():
        raise RuntimeError(f"pytest ended with {done.returncode} and no report: {done.stdout[-2000:]}")
    return json.loads(report.read_text(encoding="utf-8"))


def both(package: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reports without and with the patch."""
    if package == "skimage":
        root = sources.skimage_tests(folder)
        files, select = [root / name for name in sources.SKIMAGE_FILES], sources.SKIMAGE_TESTS
    else:
        files, select = [sources.sklearn_tests()], ""
    return run(files, "", folder, select), run(files, package, folder, select)


def explanation(reason: str) -> str | None:
    """What a reason to fall back is, or None for one that nobody has thought of."""
    return next((text for start, text in EXPECTED.items() if re.match(start, reason)), None)


def broken(plain: dict[str, Any], patched: dict[str, Any]) -> list[str]:
    """Tests that fail with the patch and pass without it."""
    return [
        test
        for test, outcome in patched["outcomes"].items()
        if outcome == "failed" and plain["outcomes"].get(test) == "passed"
    ]


def table(reports: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """Markdown: a row for each function, then the reasons and the failures."""
    lines = [
        "| function | tests that call it | pass | pass without the patch | calls | answered by medfast | fell back |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
    ]
    reasons: Counter = Counter()
    failures = []
    for plain, patched in reports:
        functions = sorted({name for calls in patched["calls"].values() for name in calls if name})
        for name in functions:
            tests = [test for test, calls in patched["calls"].items() if name in calls and test in patched["outcomes"]]
            passed, before = (
                sum(report["outcomes"].get(test) == "passed" for test in tests) for report in (patched, plain)
            )
            counts: Counter = sum((Counter(calls.get(name, {})) for calls in patched["calls"].values()), Counter())
            answered = counts["medfast"]
            fell_back = counts.total() - answered
            lines.append(
                f"| `{name}` | {len(tests)} | {passed} | {before} | {counts.total()} | {answered} | {fell_back} |"
            )
            for what, count in counts.items():
                if what != "medfast":
                    reason = re.sub(r"^fell back to [^:]*: ", "", what)
                    reasons[name, explanation(reason) or reason] += count
        failures += [(test, patched["messages"].get(test, "")) for test in broken(plain, patched)]
    lines += ["", "| calls that fell back | how many | why |", "| :-- | --: | :-- |"]
    lines += [f"| `{name}` | {count} | {reason} |" for (name, reason), count in sorted(reasons.items())]
    lines += ["", "Tests that fail with the patch alone:" if failures else "No test fails with the patch alone."]
    for test, message in failures:
        short = test.rpartition("/")[2]
        why = next((text for end, text in EXPLAINED.items() if end in test), message)
        lines.append(f"- `{short}`: {why}")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    reports = []
    with tempfile.TemporaryDirectory() as name:
        for package in ("skimage", "sklearn"):
            folder = Path(name, package)
            folder.mkdir()
            try:
                reports.append(both(package, folder))
            except sources.Unavailable as error:
                print(f"{package}: {error}", file=sys.stderr)
    print(table(reports))


if __name__ == "__main__":
    main()
