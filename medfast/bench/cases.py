"""Every benchmark case, defined once: what is measured, on what, and when two results count as the same."""

from collections.abc import Callable

import numpy as np

from medfast.bench import images
from medfast.bench.agreement import CleansAsWell, Correlated, Each, Exact, Inputs, NoMoreInertia, Within
from medfast.bench.case import Case as Case
from medfast.bench.case import head
from medfast.bench.cases_clustering import CLUSTERING


def _head_volume(planes: int, side: int, dtype: str) -> Callable[[], Inputs]:
    def build() -> Inputs:
        noisy, clean = images.head_volume(planes, side, side, dtype)
        return Inputs((noisy,), clean)

    return build


EXACT = Exact()
NLM = {"patch_size": 7, "search_size": 21}
VOLUME = {"sigma": images.NOISE, "patch_size": 3, "search_size": 11}

CASES = (
    Case(
        "nlm-uint8-512", "NLM uint8 512²", ("nlm",), "denoise", head(512),
        {"opencv": EXACT, "skimage": CleansAsWell(0.2)},
        "Where a pipeline spends nearly all of its time: patch 7, search 21, h = 10.",
        NLM | {"h": 10.0}, quick=True,
    ),
    Case(
        "nlm-uint8-512-h30", "NLM uint8 512², h = 30", ("nlm",), "denoise", head(512),
        {"opencv": EXACT},
        "Stronger filtering: from h = 14 on, distances no longer fit 16 bits.",
        NLM | {"h": 30.0},
    ),
    Case(
        "nlm-uint8-512-3-21", "NLM uint8 512², 3/21", ("nlm",), "denoise", head(512),
        {"opencv": EXACT},
        "Small patches: the sums cost less, the weights as much as ever.",
        {"h": 10.0, "patch_size": 3, "search_size": 21},
    ),
    Case(
        "nlm-uint8-512-5-35", "NLM uint8 512², 5/35", ("nlm",), "denoise", head(512),
        {"opencv": EXACT},
        "A large search window.",
        {"h": 10.0, "patch_size": 5, "search_size": 35}, most_rounds=5,
    ),
    Case(
        "nlm-uint8-4096", "NLM uint8 4096²", ("nlm",), "denoise", head(4096),
        {"opencv": EXACT},
        "Larger than any cache: a mammogram or a radiograph.",
        NLM | {"h": 10.0}, most_rounds=3,
    ),
    Case(
        "nlm-coloured-512", "NLM coloured 512²", ("nlm", "lab"), "denoise_coloured",
        lambda: Inputs((images.coloured_tissue(512, 512),)),
        {"opencv": EXACT},
        "Through Lab and back, with two channels denoised jointly.",
        NLM | {"h": 10.0, "h_colour": 10.0},
    ),
    Case(
        "nlm-frames-512", "NLM 5 frames of 512²", ("nlm",), "denoise_frames",
        lambda: Inputs((images.frames(5, 512, 512),)),
        {"opencv": EXACT},
        "Fluoroscopy and cine: the neighbours in time take part.",
        NLM | {"h": 10.0},
    ),
    Case(
        "nlm-uint16-l1-512", "NLM uint16 L1 512²", ("nlm",), "denoise", head(512, "uint16"),
        {"opencv": EXACT},
        "16-bit data as OpenCV takes it, with the L1 norm only.",
        NLM | {"h": 160.0, "norm": "l1"},
    ),
    Case(
        "nlm-uint16-512", "NLM uint16 L2 512²", ("nlm",), "denoise", head(512, "uint16"),
        {"skimage": CleansAsWell(0.2)},
        "12 bits as a scanner stores them, which OpenCV does not take with the L2 norm.",
        NLM | {"h": 160.0},
    ),
    Case(
        "nlm-int16-512", "NLM int16 L2 512²", ("nlm",), "denoise", head(512, "int16"),
        {"skimage": CleansAsWell(0.2)},
        "Hounsfield units.",
        NLM | {"h": 160.0},
    ),
    Case(
        "nlm-float32-512", "NLM float32 L2 512²", ("nlm",), "denoise", head(512, "float32"),
        {"skimage": CleansAsWell(0.2)},
        "Rescaled data.",
        NLM | {"h": 10.0},
    ),
    Case(
        "nlm-skimage-512", "scikit-image's NLM 512²", ("nlm_skimage",), "denoise_skimage", head(512, "float32"),
        {"skimage": Within(255e-6)},
        "scikit-image's own formula, in fast mode.",
        NLM | {"h": 10.0, "fast": True}, quick=True,
    ),
    Case(
        "nlm-skimage-float64-512", "scikit-image's NLM float64 512²", ("nlm_skimage",), "denoise_skimage",
        head(512, "float64"),
        {"skimage": Within(255e-6)},
        "Sums of floats all the same; what floats cannot decide is computed again.",
        NLM | {"h": 10.0, "fast": True},
    ),
    Case(
        "nlm-skimage-slow-256", "scikit-image's NLM 256², slow mode", ("nlm_skimage",), "denoise_skimage",
        head(256, "float64"),
        {"skimage": Within(255e-6)},
        "Patches weighted by a Gaussian, which scikit-image compares one by one.",
        NLM | {"h": 10.0, "fast": False}, most_rounds=3,
    ),
    Case(
        "nlm-skimage-volume", "scikit-image's NLM 64³, 3/11", ("nlm_skimage",), "denoise_skimage",
        _head_volume(64, 64, "float32"),
        {"skimage": Within(255e-6)},
        "The same in three dimensions.",
        {"patch_size": 3, "search_size": 11, "h": 10.0, "fast": True}, most_rounds=3,
    ),
    Case(
        "nlm-float32-volume", "NLM float32 64³, 3/11, Rician", ("nlm",), "denoise_volume",
        _head_volume(64, 64, "float32"),
        {"dipy": Within(0.05), "skimage": CleansAsWell(0.2)},
        "MR in three dimensions: dipy's classic method is the same formula; scikit-image's leaves the bias.",
        VOLUME, most_rounds=3,
    ),
    Case(
        "nlm-float32-volume-blocks", "NLM float32 64³, 3/11, Rician, blockwise", ("nlm",), "denoise_blocks",
        _head_volume(64, 64, "float32"),
        {"dipy": CleansAsWell(0.2)},
        "dipy's blockwise method leaves out voxels whose local means differ, and averages whole blocks.",
        VOLUME, most_rounds=3,
    ),
    Case(
        "nlm-int16-volume", "NLM int16 200 × 512², 3/3, Rician", ("nlm",), "denoise_volume",
        _head_volume(200, 512, "int16"),
        {"dipy": Within(1)},
        "A volume of 105 MB, for the memory that it takes. dipy rounds towards zero.",
        {"sigma": 160.0, "patch_size": 3, "search_size": 3}, most_rounds=1, by_name=True,
    ),
    Case(
        "equalize-uint8-512", "equalise uint8 512²", ("histogram",), "equalize", head(512),
        {"opencv": EXACT, "skimage": Correlated(0.99)},
        "A call of a fraction of a millisecond: the overhead counts.",
        quick=True,
    ),
    Case(
        "equalize-uint8-4096", "equalise uint8 4096²", ("histogram",), "equalize", head(4096),
        {"opencv": EXACT},
        "Larger than any cache: a mammogram or a radiograph.",
    ),
    Case(
        "equalize-uint16-4096", "equalise uint16 4096²", ("histogram",), "equalize", head(4096, "uint16"),
        {"skimage": Correlated(0.99)},
        "At full depth, which OpenCV does not take.",
        most_rounds=3,
    ),
    Case(
        "clahe-uint8-512", "CLAHE uint8 512²", ("clahe",), "clahe", head(512),
        {"opencv": EXACT, "skimage": Correlated(0.9)},
        "The usual 8×8 tiles, clip limit 2.",
        {"clip_limit": 2.0, "tile_grid": (8, 8)}, quick=True,
    ),
    Case(
        "clahe-uint8-4096", "CLAHE uint8 4096²", ("clahe",), "clahe", head(4096),
        {"opencv": EXACT},
        "Larger than any cache.",
        {"clip_limit": 2.0, "tile_grid": (8, 8)},
    ),
    Case(
        "clahe-uint16-512", "CLAHE uint16 512²", ("clahe",), "clahe", head(512, "uint16", 16),
        {"opencv": EXACT},
        "The full range: 65536 bins per tile, and 4096 pixels.",
        {"clip_limit": 2.0, "tile_grid": (8, 8)},
    ),
    Case(
        "clahe-uint16-512-12bit", "CLAHE uint16 512², 12-bit data", ("clahe",), "clahe", head(512, "uint16"),
        {"opencv": EXACT},
        "65536 bins per tile, of which few are in use.",
        {"clip_limit": 2.0, "tile_grid": (8, 8)},
    ),
    Case(
        "clahe-uint16-512-depth12", "CLAHE uint16 512², bit_depth = 12", ("clahe",), "clahe_12bit",
        head(512, "uint16"),
        {"opencv": Correlated(0.9)},
        "The same data by 4096 bins; OpenCV has no way but 65536.",
        {"clip_limit": 2.0, "tile_grid": (8, 8)},
    ),
    Case(
        "clahe-coloured-512", "CLAHE coloured 512²", ("clahe", "lab"), "clahe_coloured",
        lambda: Inputs((images.coloured_tissue(512, 512),)),
        {"opencv": EXACT},
        "The lightness of CIE Lab, there and back.",
        {"clip_limit": 2.0, "tile_grid": (8, 8)}, quick=True,
    ),
    Case(
        "window-int16-512", "window int16 → uint8 512²", ("window",), "window", head(512, "int16"),
        {"pydicom": EXACT},
        "From Hounsfield units to the screen, by the standard's linear function.",
        {"center": 1000.0, "width": 1600.0, "function": "linear"}, quick=True,
    ),
    Case(
        "window-sigmoid-int16-512", "window int16 → uint8 512², sigmoid", ("window",), "window", head(512, "int16"),
        {"pydicom": EXACT},
        "An exponential per pixel.",
        {"center": 1000.0, "width": 1600.0, "function": "sigmoid"},
    ),
    Case(
        "match-uint8-512", "match histograms uint8 512²", ("matching", "histogram"), "match",
        lambda: Inputs((images.head(512, 512)[0], images.head(512, 512, seed=2)[1].astype(np.uint8))),
        {"skimage": Within(0.5)},
        "To the histogram of another image; scikit-image does not round.",
        quick=True,
    ),
    Case(
        "match-int16-512", "match histograms int16 512²", ("matching", "histogram"), "match",
        lambda: Inputs((images.head(512, 512, "int16")[0], images.head(512, 512, "int16", seed=2)[0])),
        {"skimage": Within(0.5)},
        "By counting, where scikit-image sorts.",
    ),
    Case(
        "resize-linear-512", "resize linear 512²→256²", ("resample_area",), "resize", head(512),
        {"opencv": EXACT, "skimage": Within(1)},
        "Thirteen microseconds in OpenCV: the overhead of the call is most of it.",
        {"shape": (256, 256), "interpolation": "linear"}, quick=True,
    ),
    Case(
        "resize-linear-4096", "resize linear 4096²→1000²", ("resample_u8",), "resize", head(4096),
        {"opencv": EXACT},
        "A ratio that is no whole number.",
        {"shape": (1000, 1000), "interpolation": "linear"},
    ),
    Case(
        "resize-area-512", "resize area 512²→256²", ("resample_area",), "resize", head(512),
        {"opencv": EXACT, "skimage": Within(1)},
        "Means of 2×2: one step of a pyramid.",
        {"shape": (256, 256), "interpolation": "area"}, quick=True,
    ),
    Case(
        "resize-area-4096", "resize area 4096²→1000²", ("resample_area",), "resize", head(4096),
        {"opencv": EXACT},
        "Weighted means of whole and partial pixels.",
        {"shape": (1000, 1000), "interpolation": "area"},
    ),
    Case(
        "resize-cubic-512", "resize cubic 512²→800²", ("resample_u8",), "resize", head(512),
        {"opencv": Within(1)},
        "Enlarging. OpenCV is timed as it comes, with IPP, which is off by one level from OpenCV's own cubic.",
        {"shape": (800, 800), "interpolation": "cubic"},
    ),
    Case(
        "resize-nearest-512", "resize nearest 512²→256²", ("resample_u8",), "resize", head(512),
        {"opencv": EXACT},
        "Masks and labels.",
        {"shape": (256, 256), "interpolation": "nearest"}, quick=True,
    ),
    Case(
        "resize-linear-uint16-512", "resize linear uint16 512²→256²", ("resample",), "resize", head(512, "uint16"),
        {"opencv": Within(1)},
        "16 bits, within one gray level of OpenCV, which rounds another way.",
        {"shape": (256, 256), "interpolation": "linear"}, quick=True,
    ),
    Case(
        "resize-cubic-float32-512", "resize cubic float32 512²→800²", ("resample",), "resize", head(512, "float32"),
        {"opencv": Within(1e-3)},
        "Floats: medfast sums in float64.",
        {"shape": (800, 800), "interpolation": "cubic"},
    ),
    Case(
        "resize-cubic-uint16-512", "resize cubic uint16 512²→800²", ("resample",), "resize", head(512, "uint16"),
        {"opencv": Within(1)},
        "16 bits, enlarged.",
        {"shape": (800, 800), "interpolation": "cubic"},
    ),
    Case(
        "resize-nearest-int16-512", "resize nearest int16 512²→256²", ("resample_u8",), "resize",
        head(512, "int16"),
        {"opencv": EXACT},
        "Labels of 16 bits.",
        {"shape": (256, 256), "interpolation": "nearest"},
    ),
    Case(
        "resize-volume-int16", "resize int16 100 × 512² to 1 mm", ("resample",), "resize_volume",
        _head_volume(100, 512, "int16"),
        {"scipy": Within(1), "simpleitk": Within(1)},
        "A scan of thick slices made isotropic, which OpenCV cannot do.",
        {"spacing": (2.5, 360 / 512, 360 / 512), "new_spacing": 1.0}, most_rounds=3,
    ),
    *CLUSTERING,
    Case(
        "hog-512", "HOG 512²", ("hog",), "hog", head(512),
        {"opencv": Within(1e-5)},
        "Blocks of 16, stride and cells of 8, 9 bins, votes shared between cells and bins.",
        quick=True,
    ),
    Case(
        "hog-window", "HOG of a window of 64×128", ("hog",), "hog_window",
        lambda: Inputs((images.cuts(1, 128, 64)[0],)),
        {"opencv": Within(1e-5)},
        "The default descriptor, one call: the overhead is part of it.",
        quick=True,
    ),
    Case(
        "hog-sliding-512", "HOG of sliding windows, 512²", ("hog",), "hog_sliding", head(512),
        {"opencv": Within(1e-5)},
        "Windows of 64×128, 8 pixels apart: 42 MB of descriptors, which memory bounds.",
    ),
    Case(
        "hog-batch-28", "HOG of 4000 images of 28²", ("hog",), "hog_batch",
        lambda: Inputs((images.cuts(4000, 28, 28),)),
        {"opencv": Within(1e-5)},
        "Blocks of 8, stride and cells of 4; one call here, one an image there.",
        most_rounds=5,
    ),
    Case(
        "hog-detect-512", "HOG detection in 512², scale 1.05", ("hog", "resample_u8"), "hog_detect", head(512),
        {"opencv": Within(1e-4)},
        "The default detector of people at 28 sizes, grouped.",
        {"scale": 1.05}, most_rounds=5,
    ),
    Case(
        "hog-skimage-512", "scikit-image's HOG 512²", ("hog",), "hog_skimage", head(512),
        {"skimage": Within(1.5e-7)},
        "scikit-image's own descriptor, in float64.",
    ),
    Case(
        "hog-plain-512", "HOG 512², plain votes", ("hog",), "hog_plain", head(512),
        {"skimage": Correlated(0.98)},
        "As scikit-image does it: each pixel votes for one bin of one cell. Borders and the tiny constants differ.",
    ),
    Case(
        "pipeline-256", "whole pipeline, a slice of 256²", ("nlm", "histogram", "partition", "hog"),
        "pipeline", head(256),
        {"opencv": Each({"image": EXACT, "labels": NoMoreInertia(1e-6), "features": Within(1e-5), "decision": EXACT})},
        "Denoise, equalise, resize, k-means, HOG on five levels, linear SVM: the main job.",
        {"h": 10.0, "n_clusters": 4, "levels": 5}, quick=True,
    ),
)  # fmt: skip
"""What is measured, in the order of the table."""


def select(names: tuple[str, ...] = (), *, quick: bool = False) -> tuple[Case, ...]:
    """The cases whose name starts with one of `names`; where there is none all of them but those that take minutes, or
    with `quick` the short run.

    Raises
    ------
    ValueError
        If no case begins with one of the names.
    """
    for name in names:
        if not any(case.name.startswith(name) for case in CASES):
            raise ValueError(f"there is no case {name!r}; choose from {', '.join(case.name for case in CASES)}")
    if names:
        return tuple(case for case in CASES if case.name.startswith(names) and (not case.by_name or case.name in names))
    return tuple(case for case in CASES if case.quick or not (quick or case.by_name))
