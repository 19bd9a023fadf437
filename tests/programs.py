"""Programs as people write them after the peers' own tutorials; each gives what it would show, by name.

They know nothing of medfast: `test_programs.py` runs them as they are and under `medfast.patched`.
"""

import numpy as np

from images import smooth_image


def picture(seed=1, shape=(96, 128)):
    """A gray image with noise."""
    return smooth_image(np.random.default_rng(seed), shape)


def colour(seed=2, shape=(96, 128)):
    """The same in colour."""
    return np.dstack([picture(seed + channel, shape) for channel in range(3)])


def denoise_photographs():
    """OpenCV: a gray and a coloured photograph."""
    import cv2 as cv

    return {
        "gray": cv.fastNlMeansDenoising(picture(), None, 10, 7, 21),
        "coloured": cv.fastNlMeansDenoisingColored(colour(), None, 10, 10, 7, 21),
    }


def denoise_video():
    """OpenCV: the middle one of five frames."""
    import cv2 as cv

    frames = [np.uint8(np.clip(np.float64(picture(3)) + 25 * np.sin(i), 0, 255)) for i in range(5)]
    return {"frame": cv.fastNlMeansDenoisingMulti(frames, 2, 5, None, 4, 7, 35)}


def equalize_histograms():
    """OpenCV: global, then adaptive, side by side."""
    import cv2 as cv

    image = picture(4)
    equal = cv.equalizeHist(image)
    clahe = cv.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8))
    return {"beside": np.hstack((image, equal)), "adaptive": clahe.apply(image)}


def cluster_heights():
    """OpenCV: one feature, two heaps."""
    import cv2 as cv

    rng = np.random.default_rng(5)
    z = np.hstack((rng.integers(25, 100, 25), rng.integers(175, 255, 25))).reshape((50, 1))
    criteria = (cv.TERM_CRITERIA_EPS + cv.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    compactness, labels, centers = cv.kmeans(np.float32(z), 2, None, criteria, 10, cv.KMEANS_RANDOM_CENTERS)
    heaps = sorted(tuple(z[labels == i].tolist()) for i in range(2))
    return {"compactness": np.array([compactness]), "centers": np.sort(centers, axis=0), "heaps": np.hstack(heaps)}


def cluster_points():
    """OpenCV: two features, two heaps."""
    import cv2 as cv

    rng = np.random.default_rng(6)
    z = np.float32(np.vstack((rng.integers(25, 50, (25, 2)), rng.integers(60, 85, (25, 2)))))
    criteria = (cv.TERM_CRITERIA_EPS + cv.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    _, label, center = cv.kmeans(z, 2, None, criteria, 10, cv.KMEANS_RANDOM_CENTERS)
    first, second = sorted((z[label.ravel() == 0], z[label.ravel() == 1]), key=lambda heap: heap[0, 0])
    return {"first": first, "second": second, "centers": center[center[:, 0].argsort()]}


def reduce_colours():
    """OpenCV: a picture in four clear colours."""
    import cv2 as cv

    rng = np.random.default_rng(7)
    palette = np.array([[20, 30, 200], [220, 30, 40], [30, 210, 60], [240, 240, 235]])
    image = np.uint8(palette[rng.integers(0, 4, (30, 40))] + rng.integers(-8, 9, (30, 40, 3)))
    criteria = (cv.TERM_CRITERIA_EPS + cv.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    _, label, center = cv.kmeans(np.float32(image.reshape((-1, 3))), 4, None, criteria, 10, cv.KMEANS_PP_CENTERS)
    return {"reduced": np.uint8(np.rint(center))[label.flatten()].reshape(image.shape)}


def describe_windows():
    """OpenCV: histograms of oriented gradients of a window and of all windows."""
    import cv2 as cv

    image = picture(8, (160, 96))
    hog = cv.HOGDescriptor()
    digits = cv.HOGDescriptor((20, 20), (10, 10), (5, 5), (10, 10), 9)
    return {"all": hog.compute(image, (16, 16)), "digit": digits.compute(cv.resize(image, (20, 20)))}


def scale_picture():
    """OpenCV: by a factor, and to a size."""
    import cv2 as cv

    image = picture(9)
    height, width = image.shape[:2]
    return {
        "factor": cv.resize(image, None, fx=2, fy=2, interpolation=cv.INTER_LINEAR),
        "size": cv.resize(image, (width // 3, height // 3), interpolation=cv.INTER_AREA),
    }


def estimate_and_denoise():
    """scikit-image: noise level, then non-local means, slow and fast."""
    from skimage.restoration import denoise_nl_means, estimate_sigma

    noisy = picture(10, (40, 48)) / 255.0
    sigma = np.mean(estimate_sigma(noisy))
    patch = {"patch_size": 5, "patch_distance": 6}
    return {
        "sigma": sigma[None],
        "slow": denoise_nl_means(noisy, h=1.15 * sigma, fast_mode=False, **patch),
        "fast": denoise_nl_means(noisy, h=0.8 * sigma, sigma=sigma, fast_mode=True, **patch),
    }


def stretch_and_equalize():
    """scikit-image: global and adaptive equalisation of a picture of low contrast."""
    from skimage import exposure

    image = picture(11) // 3 + 60
    low, high = np.percentile(image, (2, 98))
    stretched = exposure.rescale_intensity(image, in_range=(low, high))
    adapted = exposure.equalize_adapthist(stretched, clip_limit=0.03)
    return {"equal": exposure.equalize_hist(image), "adapted": adapted, "again": exposure.equalize_hist(adapted)}


def match_colours():
    """scikit-image: the histograms of another picture, channel by channel."""
    from skimage.exposure import match_histograms

    return {"matched": match_histograms(colour(12), colour(13) // 2, channel_axis=-1)}


def find_regions():
    """scikit-image: three classes of gray levels."""
    from skimage.filters import threshold_multiotsu

    image = picture(14)
    thresholds = threshold_multiotsu(image)
    return {"thresholds": thresholds, "regions": np.digitize(image, bins=thresholds)}


def shrink_and_enlarge():
    """scikit-image: to other sizes, with and without smoothing; by a factor, which resizes inside."""
    from skimage.transform import rescale, resize

    image = picture(15)
    rows, cols = image.shape
    return {
        "factor": rescale(image, 0.25, anti_aliasing=False),
        "small": resize(image, (rows // 4, cols // 4), anti_aliasing=True),
        "large": resize(colour(15), (rows * 2, cols + 7)),
    }


OPENCV = {
    denoise_photographs: 0,
    denoise_video: 0,
    equalize_histograms: 0,
    cluster_heights: 1e-3,
    cluster_points: 1e-4,
    reduce_colours: 1,
    describe_windows: 1e-5,
    scale_picture: 0,
}
"""Programs that use OpenCV, and by how much what they show may differ."""

SKIMAGE = {
    estimate_and_denoise: 1e-6,
    stretch_and_equalize: 1e-6,
    match_colours: 0,
    find_regions: 0,
    shrink_and_enlarge: 1e-6,
}
"""Programs that use scikit-image."""
