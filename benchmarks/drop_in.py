"""What dropping medfast in gains and costs: `program.py` both ways, and what a drop-in's call takes over its own.

``python benchmarks/drop_in.py [--threads N] [--images N] [--rounds N]``
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

HERE = Path(__file__).parent


def draw(folder: Path, n_images: int, side: int) -> None:
    """Two classes of slices with noise: heads whose bands lie, and heads whose bands stand."""
    rng = np.random.default_rng(7)
    grid = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    for i in range(n_images):
        radius = np.hypot(grid[0] / rng.uniform(0.7, 0.85), grid[1] / rng.uniform(0.6, 0.75))
        bands = 110 + 45 * np.cos(grid[i % 2] * rng.uniform(18, 30) + rng.uniform(0, 6))
        image = np.where(radius < 1, bands, 12.0) + rng.normal(0, 9, radius.shape)
        kind = folder / ("standing" if i % 2 else "lying")
        kind.mkdir(exist_ok=True)
        cv2.imwrite(str(kind / f"{i:04d}.png"), np.clip(image, 0, 255).astype(np.uint8))


def run(folder: Path, patched: bool) -> dict[str, Any]:
    """The program's own report."""
    command = [sys.executable, *(["-m", "medfast"] if patched else []), str(HERE / "program.py"), str(folder)]
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    return json.loads(done.stdout)


def compare(n_images: int, side: int, rounds: int) -> None:
    """Both ways in turns: the same images and predictions, and the ratio of times, imports apart."""
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name), n_images, side)
        ratios = []
        for _ in range(rounds):
            plain, patched = run(Path(name), False), run(Path(name), True)
            if plain["images"] != patched["images"] or plain["predicted"] != patched["predicted"]:
                raise SystemExit("the results differ")
            ratios.append(plain["seconds"] / patched["seconds"])
            print(f"OpenCV {plain['seconds']:.2f} s, medfast {patched['seconds']:.2f} s", flush=True)
        print(f"{n_images} images of {side}²: same images and predictions, {median(ratios):.1f} times as fast")


def overhead(rounds: int = 4000) -> None:
    """Microseconds that a drop-in takes over the function behind it, on an image of 32²."""
    import medfast
    from medfast.compat import opencv

    image = np.clip(np.random.default_rng(5).normal(100, 40, (32, 32)), 0, 255).astype(np.uint8)
    pixels = image.reshape(-1, 1).astype(np.float32)
    clahe = opencv.createCLAHE(2.0, (8, 8))
    ways = {
        "equalizeHist": (lambda cv: cv.equalizeHist(image), lambda: medfast.equalize_hist(image)),
        "resize": (lambda cv: cv.resize(image, (16, 16)), lambda: medfast.resize(image, (16, 16))),
        "CLAHE.apply": (lambda cv: clahe.apply(image), lambda: medfast.clahe(image, 2.0, (8, 8))),
        "fastNlMeansDenoising": (
            lambda cv: cv.fastNlMeansDenoising(image, None, 10, 3, 5),
            lambda: medfast.denoise_nl_means(image, 10, patch_size=3, search_size=5),
        ),
        "kmeans": (
            lambda cv: cv.kmeans(pixels, 2, None, (3, 10, 1.0), 10, 0),
            lambda: medfast.kmeans(pixels[:, 0], 2),
        ),
    }
    for name, (drop_in, native) in ways.items():
        with medfast.patched("cv2"):
            times = least(lambda f=drop_in: f(opencv), native, lambda f=drop_in: f(cv2), rounds=rounds)
        compat, own, patched = (1e6 * each for each in times)
        print(f"{name}: {own:.2f} µs, compat {compat - own:+.2f} µs, patched {patched - own:+.2f} µs", flush=True)


def least(*functions: Any, rounds: int) -> list[float]:
    """The least seconds that each took, in turns."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.threads:  # OpenCV and medfast both keep to the CPUs of the process
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-arguments.threads :])
    overhead()
    if arguments.rounds:
        compare(arguments.images, arguments.side, arguments.rounds)


if __name__ == "__main__":
    main()
