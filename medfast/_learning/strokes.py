"""What HOG saw of an image, as a picture: in each cell a stroke along each edge, as bright as its share."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medfast._drivers import hog as driver
from medfast._drivers import hog_cells
from medfast._learning.recipes import BLOCK, Recipe
from medfast.report import to_gray8

SIDE = 15
"""Pixels of a cell in the picture."""


def hog_picture(image: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """The strokes of ``medfast.hog(..., visualize=True)``, for the first level of a prepared image, in larger cells."""
    n_bins, cell = recipe.options.orientations, (recipe.cell, recipe.cell)
    parameters = driver.Parameters(
        orientations=n_bins,
        cell=cell,
        block=(BLOCK, BLOCK),
        stride=cell,
        norm="l2-hys",
        clip=0.2,
        signed=False,
        gamma=False,
        spatial_votes=True,
        orientation_votes=n_bins > 1,
        sigma=math.inf,
        epsilon=driver.opencv_epsilon(BLOCK * BLOCK * n_bins),
    )
    cells = hog_cells.histograms(image[np.newaxis, ..., np.newaxis], parameters, np.dtype(np.float32))
    shape = cells.shape[1] * SIDE, cells.shape[2] * SIDE
    picture = hog_cells.picture(cells, replace(parameters, cell=(SIDE, SIDE)), shape, cells.dtype)[0]
    return to_gray8(np.sqrt(picture), low=0.0)  # the root, or faint ones would be black
