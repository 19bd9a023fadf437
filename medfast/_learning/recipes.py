"""From an image to the features that the classifier sees: which steps, with which parameters, in which order."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

import medfast
from medfast import _validate

TARGET_SIZE = 256
MOST_LEVELS = 5
BLOCK = 2
"""Side of a HOG block, in cells."""
FEATURE_STEP = 2.0**-15
"""Features are rounded to multiples of this. HOG values lie in 0…1, so a product of two takes 30 bits, and sums of
millions of products are exact in float64 whatever the order: kernels and predictions have the same bits with any
BLAS."""

EQUALIZE = ("none", "hist", "clahe")
KERNELS = ("linear", "rbf")
CLASS_WEIGHTS = ("balanced", "none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What is done to each image before it is classified, and how the classifier is trained.

    The order is fixed: 8 bits, denoise, equalise, resize, segment, describe.

    Parameters
    ----------
    window : tuple of two floats, optional
        Center and width of the gray levels that become 0 to 255; for CT, in Hounsfield units. When omitted, uint8
        images are kept as they are, and others are stretched between their own 0.5 and 99.5 percentiles.
    denoise : bool, default=True
        Whether to denoise by non-local means.
    h : float, optional
        Strength of the denoising, in gray levels of 8 bits, > 0. Taken from the noise level of each image when omitted.
    patch_size : int, default=7
        Side of the patches, in pixels. Odd, >= 1.
    search_size : int, default=21
        Side of the search window, in pixels. Odd, >= 1.
    equalize : {"hist", "clahe", "none"}, default="hist"
        Global equalisation, contrast-limited adaptive equalisation, or neither.
    clip_limit : float, default=2.0
        Clip limit of CLAHE.
    tile_grid : tuple of two ints, optional
        Tiles of CLAHE along rows and columns. When omitted, 8 by 8, fewer where a tile would have less than 12 pixels.
    size : int or tuple of two ints, optional
        Rows and columns that each image is resized to. When omitted, 256, or the side of the smallest training image
        where that is less: images are not blown up unless asked. A warning tells if that is less than half of what it
        would be without the smallest images, by the median.
    segment : int, default=0
        Classes of a k-means segmentation that the features are then taken of; 0 leaves it out.
    levels : int, optional
        Levels of the HOG pyramid, the image halved each time. When omitted, 5, or as many as hold a block.
    cell : int, optional
        Side of a HOG cell, in pixels. When omitted, the largest of 8, 4, 2 and 1 of which four fit each side.
    orientations : int, default=9
        Bins of the HOG histograms.
    kernel : {"linear", "rbf"}, default="linear"
        Kernel of the support vector machine: the dot product, or the Gaussian ``exp(-gamma · d²)``.
    gamma : float, optional
        Of the Gaussian kernel, > 0. When omitted, 1 over the number of features times their variance.
    C : float, default=1.0
        Penalty of the support vector machine, > 0.
    class_weight : {"balanced", "none"}, default="balanced"
        Whether errors on rare classes weigh more, and probabilities are those for classes equally frequent.

    Examples
    --------
    >>> from medfast.pipeline import Options
    >>> Options(denoise=False, size=64).size
    (64, 64)
    """

    window: tuple[float, float] | None = None
    denoise: bool = True
    h: float | None = None
    patch_size: int = 7
    search_size: int = 21
    equalize: str = "hist"
    clip_limit: float = 2.0
    tile_grid: tuple[int, int] | None = None
    size: tuple[int, int] | int | None = None
    segment: int = 0
    levels: int | None = None
    cell: int | None = None
    orientations: int = 9
    kernel: str = "linear"
    gamma: float | None = None
    C: float = 1.0
    class_weight: str = "balanced"

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "denoise": _validate.as_flag(self.denoise, "denoise"),
            "patch_size": _validate.as_odd(self.patch_size, "patch_size"),
            "search_size": _validate.as_odd(self.search_size, "search_size"),
            "equalize": _validate.as_choice(self.equalize, "equalize", EQUALIZE),
            "clip_limit": _validate.as_float(self.clip_limit, "clip_limit", minimum=0),
            "segment": _validate.as_int(self.segment, "segment", minimum=0, maximum=255),
            "orientations": _validate.as_int(self.orientations, "orientations", minimum=1),
            "kernel": _validate.as_choice(self.kernel, "kernel", KERNELS),
            "C": _validate.as_float(self.C, "C", above=0),
            "class_weight": _validate.as_choice(self.class_weight, "class_weight", CLASS_WEIGHTS),
        }
        if self.window is not None:
            checked["window"] = _validate.as_window(self.window, "window")
        if self.gamma is not None:
            checked["gamma"] = _validate.as_float(self.gamma, "gamma", above=0)
        if self.h is not None:
            checked["h"] = _validate.as_float(self.h, "h", above=0)
        if self.tile_grid is not None:
            checked["tile_grid"] = _validate.as_pair(self.tile_grid, "tile_grid")
        if self.size is not None:
            size = (self.size, self.size) if np.ndim(self.size) == 0 else self.size
            checked["size"] = _validate.as_pair(size, "size")
        if self.levels is not None:
            checked["levels"] = _validate.as_int(self.levels, "levels", minimum=1)
        if self.cell is not None:
            checked["cell"] = _validate.as_int(self.cell, "cell", minimum=1)
        for name, value in checked.items():
            object.__setattr__(self, name, value)


class Recipe(NamedTuple):
    """Options with everything filled in that depends on the size of the images."""

    options: Options
    size: tuple[int, int]
    """Rows and columns that each image is resized to."""
    cell: int
    levels: int
    tile_grid: tuple[int, int]

    @property
    def n_features(self) -> int:
        """Features of an image."""
        (rows, cols), n_blocks = self.size, 0
        for _ in range(self.levels):
            n_blocks += (rows // self.cell - BLOCK + 1) * (cols // self.cell - BLOCK + 1)
            rows, cols = rows // 2, cols // 2
        return n_blocks * BLOCK * BLOCK * self.options.orientations


def fixed_size(options: Options) -> tuple[int, int] | None:
    """Rows and columns that the options ask for, if they do."""
    return cast("tuple[int, int] | None", options.size)  # made a pair when it was checked


def size_for(shapes: NDArray[np.intp], name_of: Callable[[int], str], stacklevel: int = 2) -> tuple[int, int]:
    """Rows and columns for images of `shapes`: the target, or the smallest image's side where that is less.

    Warns where one small image shrinks all others; `name_of` tells what to call it.
    """
    sides = np.minimum(shapes, TARGET_SIZE)
    size, usual = sides.min(axis=0), np.median(sides, axis=0)
    if (2 * size < usual).any():
        smallest = int(shapes[:, (size / np.maximum(usual, 1)).argmin()].argmin())
        warnings.warn(
            f"all images are resized to {size[0]}x{size[1]} for the sake of the smallest, {name_of(smallest)} of "
            f"{shapes[smallest][0]}x{shapes[smallest][1]} pixels; the median would give {usual[0]:g}x{usual[1]:g}. "
            "Leave it out, or choose the size",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    rows, cols = size.tolist()
    return rows, cols


def recipe_for(options: Options, size: tuple[int, int]) -> Recipe:
    """The recipe for images that are resized to `size`."""
    cell = options.cell or cell_for(size)
    most = most_levels(size, (BLOCK * cell, BLOCK * cell))
    of_images = f"of images of {size[0]}x{size[1]} pixels in cells of {cell}"
    _validate.as_int(most, f"levels {of_images} that hold a block", minimum=1)
    levels = min(MOST_LEVELS, most)
    if options.levels is not None:
        levels = _validate.as_int(options.levels, f"levels {of_images}", maximum=most)
    return Recipe(options, size, cell, levels, options.tile_grid or tile_grid_for(size))


def cell_for(size: tuple[int, int]) -> int:
    """Side of the largest cell of which four fit each side of an image of `size`."""
    return next(cell for cell in (8, 4, 2, 1) if min(size) >= 4 * cell or cell == 1)


def most_levels(size: tuple[int, int], block: tuple[int, int]) -> int:
    """Levels of the pyramid that hold a block; both are rows and columns of pixels."""
    (rows, cols), levels = size, 0
    while rows >= block[0] and cols >= block[1]:
        rows, cols, levels = rows // 2, cols // 2, levels + 1
    return levels


def tile_grid_for(size: tuple[int, int]) -> tuple[int, int]:
    """Tiles of CLAHE for images of `size`: 8 by 8, fewer where a tile would have less than 12 pixels."""
    return max(1, min(8, size[0] // 12)), max(1, min(8, size[1] // 12))


def gray8(image: ArrayLike, window: tuple[float, float] | None, name: str) -> NDArray[np.uint8]:
    """`image` in 8 bits of gray: colour weighted 0.299, 0.587, 0.114 (alpha left out), then windowed or stretched."""
    array = _validate.as_image(image, name)
    if array.ndim == 3:
        array = _gray(_validate.as_colour(array, name))
    if window is not None:
        return medfast.window(array, *window, function="linear_exact")
    if array.dtype == np.uint8 or not array.size:
        return array.astype(np.uint8, copy=False)
    low, high = np.percentile(array, (0.5, 99.5))
    if not high > low:
        return np.zeros(array.shape, np.uint8)
    scaled = (array - np.float64(low)) * 255.0 / (high - low)
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)


def _gray(array: NDArray[Any]) -> NDArray[Any]:
    if array.shape[2] == 1:
        return array[:, :, 0]
    if array.dtype == np.uint8:  # OpenCV's integers
        red, green, blue = (array[:, :, channel].astype(np.uint32) for channel in range(3))
        return ((9798 * red + 19235 * green + 3735 * blue + 16384) >> 15).astype(np.uint8)
    return array[:, :, 0] * 0.299 + array[:, :, 1] * 0.587 + array[:, :, 2] * 0.114


def prepare(
    image: NDArray[np.uint8], recipe: Recipe, num_threads: int | None = None, done: dict[Any, Any] | None = None
) -> NDArray[np.uint8]:
    """What HOG sees of an 8-bit gray image; `done` keeps the steps that several recipes of one image share."""
    options, done = recipe.options, {} if done is None else done
    key: tuple[Any, ...] = ()
    if options.denoise:
        key = denoising(options)
        if key not in done:
            done[key] = medfast.denoise_nl_means(
                image,
                options.h,
                patch_size=options.patch_size,
                search_size=options.search_size,
                num_threads=num_threads,
            )
        image = done[key]
    if options.equalize != "none":
        key += (options.equalize, options.clip_limit, recipe.tile_grid)
        if key not in done and options.equalize == "hist":
            done[key] = medfast.equalize_hist(image, num_threads=num_threads)
        elif key not in done:
            done[key] = medfast.clahe(image, options.clip_limit, recipe.tile_grid, num_threads=num_threads)
        image = done[key]
    image = shrink_or_grow(image, recipe.size, num_threads)
    if options.segment:
        image = spread(medfast.segment(image, options.segment), options.segment)
    return image


def denoising(options: Options) -> tuple[Any, ...]:
    """What `prepare` keeps a denoised image under."""
    return options.h, options.patch_size, options.search_size


def shrink_or_grow(image: NDArray[Any], size: tuple[int, int], num_threads: int | None = None) -> NDArray[Any]:
    """`image` at `size`: by area where both sides shrink, so that nothing is aliased, else linearly."""
    if image.shape == size:
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    return medfast.resize(image, size, interpolation="area" if shrinks else "linear", num_threads=num_threads)


def spread(labels: NDArray[Any], n_classes: int) -> NDArray[np.uint8]:
    """Labels 1 to `n_classes` as gray levels from 0 to 255."""
    levels = np.rint(np.linspace(0, 255, max(2, n_classes))).astype(np.uint8)
    return levels[np.maximum(labels, 1) - 1]


def describe(images: NDArray[np.uint8], recipe: Recipe, num_threads: int | None = None) -> NDArray[np.float32]:
    """Features of prepared images (n, rows, columns): multiples of FEATURE_STEP in 0…1, one row per image."""
    features = medfast.hog(
        images,
        orientations=recipe.options.orientations,
        cell=(recipe.cell, recipe.cell),
        block=(BLOCK, BLOCK),
        levels=recipe.levels,
        num_threads=num_threads,
    )
    return rounded(features, FEATURE_STEP)


def rounded(features: NDArray[Any], step: float) -> NDArray[Any]:
    """`features` themselves, rounded to multiples of `step`."""
    features *= features.dtype.type(1.0 / step)
    np.rint(features, out=features)
    features *= features.dtype.type(step)
    return features


def packed(features: NDArray[Any]) -> NDArray[np.uint16]:
    """Features as the whole numbers of FEATURE_STEP that they are: half the memory, and exact."""
    return (features * np.float32(1.0 / FEATURE_STEP)).astype("<u2")


def unpacked(features: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Features from what `packed` made of them."""
    return features.astype(np.float32) * np.float32(FEATURE_STEP)


def exact_weights(coef: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Weights rounded so that any sum of products with multiples of `step` in 0…1 is exact: 53 bits hold all of it."""
    _, exponent = np.frexp(np.abs(coef).sum(axis=1, keepdims=True))
    unit = np.ldexp(1.0 / step, exponent - 52)
    return np.rint(coef / unit) * unit


def work(shape: tuple[int, ...], options: Options) -> float:
    """Elementary steps that an image of `shape` takes, roughly: what decides on threads."""
    pixels = float(np.prod(shape[:2]))
    denoising = pixels * options.search_size**2 / 8 if options.denoise else 0.0
    return 200_000 + 20 * pixels + denoising
