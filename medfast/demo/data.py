"""The demonstration's material: a head with its tissue maps, noise on it, slices and their slabs, and the measures."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from medfast.io import Image, read_image

SIDE = 192
"""Side of the cube that holds the brain, in voxels of a millimetre: slices along each axis have the same shape."""

HEAD = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
GRAY = "mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz"
WHITE = "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz"
PLANES = ("axial", "coronal", "sagittal")
N_SLABS = 5
GUARD = 4
"""Slices left out on each side of a border between training and test: 8 mm apart is no longer the same anatomy."""


@dataclasses.dataclass(frozen=True)
class Head:
    """The MNI152 head, uint8, and where its gray and white matter are."""

    clean: NDArray[np.uint8]
    gray: NDArray[np.bool_]
    white: NDArray[np.bool_]

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Where the skull-stripped template is above 0."""
        return self.clean > 0


def load_head() -> Head:
    """The head that nilearn carries, in the middle of a cube."""
    folder = package_folder("nilearn") / "datasets" / "data"
    clean, gray, white = (read_image(folder / name).array for name in (HEAD, GRAY, WHITE))
    box = [np.flatnonzero((clean > 0).any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    place = tuple(slice(found[0], found[-1] + 1) for found in box)
    cube = [(SIDE - len(range(*part.indices(SIDE * 2)))) // 2 for part in place]

    def centred(volume: NDArray[Any]) -> NDArray[Any]:
        out = np.zeros((SIDE,) * 3, volume.dtype)
        part = volume[place]
        out[tuple(slice(start, start + n) for start, n in zip(cube, part.shape, strict=True))] = part
        return out

    return Head(centred(clean), centred(gray) >= 127.5, centred(white) >= 127.5)


def load_dicom(name: str) -> Image:
    """One of the DICOM files that pydicom carries."""
    return read_image(package_folder("pydicom") / "data" / "test_files" / name)


def package_folder(package: str) -> Path:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f'the demonstration needs {package}: pip install "medfast[demo]"')
    return Path(spec.submodule_search_locations[0])


def add_rician_noise(clean: NDArray[np.uint8], sigma: float, seed: int, dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """``sqrt((I + n1)² + n2²)`` with Gaussian n1 and n2: what the magnitude of an MR signal looks like.

    In uint8, values are rounded and cut at 255; as floats, they are what they are.
    """
    rng = np.random.default_rng(seed)
    noisy = np.empty(clean.shape, dtype)
    for plane, out in zip(clean, noisy, strict=True):
        real = plane + rng.normal(0.0, sigma, plane.shape)
        imaginary = rng.normal(0.0, sigma, plane.shape)
        magnitude = np.hypot(real, imaginary)
        out[...] = np.rint(np.minimum(magnitude, 255.0)) if noisy.dtype == np.uint8 else magnitude
    return noisy


def psnr(image: NDArray[Any], clean: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB over voxels above 10."""
    part = clean > 10
    error = image[part].astype(np.float64) - clean[part]
    return float(10.0 * np.log10(255.0**2 / np.mean(error**2)))


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Overlap of two regions: twice what they share, over the sum of both."""
    return float(2.0 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth)))


def upright(volume: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """A slice as one looks at it: the front, or the top of the head, is up."""
    return np.take(volume, index, axis)[::-1]


@dataclasses.dataclass(frozen=True)
class Slices:
    """Slices of all three planes, with the part that each has in the classification."""

    images: list[NDArray[np.uint8]]
    labels: list[str]
    positions: list[int]
    parts: list[str]

    def of(self, part: str) -> tuple[list[NDArray[np.uint8]], list[str]]:
        """Images and labels of "train" or "test"."""
        chosen = [i for i, name in enumerate(self.parts) if name == part]
        return [self.images[i] for i in chosen], [self.labels[i] for i in chosen]


def cut_slices(noisy: NDArray[np.uint8], brain: NDArray[np.bool_], step: int) -> Slices:
    """Every `step`-th slice that shows enough brain; along each axis five slabs, the second and fourth for the test."""
    images, labels, positions, parts = [], [], [], []
    for axis, label in enumerate(PLANES):
        area = brain.sum(axis=tuple({0, 1, 2} - {axis}))
        shown = np.flatnonzero(area >= 0.1 * area.max())
        borders = np.linspace(shown[0], shown[-1] + 1, N_SLABS + 1)
        for index in range(int(shown[0]), int(shown[-1]) + 1, step):
            slab = int(np.searchsorted(borders, index, side="right")) - 1
            near = min(abs(index + 0.5 - border) for border in borders[1:-1]) < GUARD
            images.append(upright(noisy, axis, index))
            labels.append(label)
            positions.append(index)
            parts.append("left out" if near else ("test" if slab % 2 else "train"))
    return Slices(images, labels, positions, parts)
