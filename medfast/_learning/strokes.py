"""What HOG saw of an image, as a picture: in each cell a stroke along each edge, as bright as its share."""

import numpy as np
from numpy.typing import NDArray

import medfast
from medfast._learning.recipes import BLOCK, Recipe
from medfast.report import to_gray8

SIDE = 15
"""Pixels of a cell in the picture."""


def hog_picture(image: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """The first level of the features of a prepared image: of each cell the mean over the blocks that it is in."""
    n_bins, cell = recipe.options.orientations, recipe.cell
    features = medfast.hog(image, orientations=n_bins, cell=(cell, cell), block=(BLOCK, BLOCK))
    rows, cols = image.shape[0] // cell, image.shape[1] // cell
    # block columns, block rows, columns of cells, rows of cells, bins
    blocks = features.reshape(cols - BLOCK + 1, rows - BLOCK + 1, BLOCK, BLOCK, n_bins)
    total, count = np.zeros((rows, cols, n_bins)), np.zeros((rows, cols, 1))
    for col in range(BLOCK):
        for row in range(BLOCK):
            place = slice(row, row + rows - BLOCK + 1), slice(col, col + cols - BLOCK + 1)
            total[place] += blocks[:, :, col, row].transpose(1, 0, 2)
            count[place] += 1
    picture = np.sqrt(np.einsum("rcb,bij->ricj", total / count, _strokes(n_bins)))  # or faint ones would be black
    return to_gray8(picture.reshape(rows * SIDE, cols * SIDE), low=0.0)


def _strokes(n_bins: int) -> NDArray[np.float64]:
    """A stroke for each bin, (n_bins, SIDE, SIDE): across the direction of the gradient, which rises downwards."""
    angle = (np.arange(n_bins)[:, None, None] + 0.5) * np.pi / n_bins
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    away = np.abs(x * np.cos(angle) + y * np.sin(angle))
    return np.clip(1.25 - away, 0.0, 1.0) * (np.hypot(x, y) <= SIDE / 2)
