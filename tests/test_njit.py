"""Inside functions that Numba compiles: the bits of the Python calls, their errors, and code that is kept on disk.

Compiling takes seconds a signature, so the usual suite compiles one of each function, and the slow one all.
"""

import importlib.metadata
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import medfast
from medfast import _kernels

numba = pytest.importorskip("numba")
from medfast import _njit  # noqa: E402

_njit.init()  # what the entry point names: an installation has it, a path to a checkout has not

DTYPES = [np.uint8, np.uint16, np.int16, np.float32, np.float64]


@numba.njit
def equalize(image):
    return medfast.equalize_hist(image)


@numba.njit
def equalize_inside(image, mask):
    return medfast.equalize_hist(image, mask=mask)


@numba.njit
def equalize_into(image, out):
    return medfast.equalize_hist(image, out=out)


@numba.njit
def clahe(image, clip_limit):
    return medfast.clahe(image, clip_limit, (3, 4))


@numba.njit
def clahe_of_bits(image):
    return medfast.clahe(image, bit_depth=9)


@numba.njit
def clahe_inside(image, grid, mask):
    return medfast.clahe(image, 3.0, grid, mask=mask)


@numba.njit
def resize(image, shape):
    return medfast.resize(image, shape)


@numba.njit
def resize_by_spacing(image, spacing, new_spacing):
    return medfast.resize(image, spacing=spacing, new_spacing=new_spacing, interpolation="cubic")


@numba.njit
def resize_channels(image, scale):
    return medfast.resize(image, scale=scale, channel_axis=-1, interpolation="area")


@numba.njit
def kmeans(data, n_clusters):
    return medfast.kmeans(data, n_clusters)


@numba.njit
def kmeans_inside(data, n_clusters, mask):
    return medfast.kmeans(data, n_clusters, mask=mask)


@numba.njit
def kmeans_from(data, n_clusters, init):
    return medfast.kmeans(data, n_clusters, init=init)


@numba.njit
def kmeans_random(data, n_clusters, generator):
    return medfast.kmeans(data, n_clusters, random_state=generator, n_init=3)


@numba.njit
def kmeans_of_channels(data, n_clusters, generator, mask):
    return medfast.kmeans(data, n_clusters, random_state=generator, channel_axis=-1, mask=mask)


@numba.njit
def denoise(image, h):
    return medfast.denoise_nl_means(image, h, search_size=9)


@numba.njit
def denoise_by_itself(image):
    return medfast.denoise_nl_means(image, search_size=9)


@numba.njit
def denoise_l1(image, h, mask):
    return medfast.denoise_nl_means(image, h, patch_size=5, search_size=7, norm="l1", mask=mask)


@numba.njit
def denoise_rician(image, h):
    return medfast.denoise_nl_means(image, h, sigma=5.0, noise="rician", spacing=(2.0, 1.0, 1.0))


@numba.njit
def hog(image):
    return medfast.hog(image)


@numba.njit
def hog_of_channels(image):
    return medfast.hog(image, gamma=True, channel_axis=-1, block_sigma=2.5, levels=2)


HARD = {"orientation_votes": False, "spatial_votes": False, "levels": 2, "signed": True, "norm": "l1-sqrt"}


@numba.njit
def hog_hard(image):
    return medfast.hog(
        image,
        orientations=7,
        cell=(6, 5),
        block=(3, 2),
        stride=(4, 7),
        orientation_votes=False,
        spatial_votes=False,
        levels=2,
        signed=True,
        norm="l1-sqrt",
    )


@numba.njit
def hog_of_cells(image, stride, gamma):
    return medfast.hog(
        image, cell=(6, 5), stride=stride, gamma=gamma, clip=0.3, spatial_votes=False, block_sigma=math.inf
    )


def an_image(rng, dtype, *shape):
    return rng.normal(100, 30, shape).clip(0, 255).astype(dtype)


def assert_same_clusters(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype


def test_equalize_hist(rng):
    image = an_image(rng, np.uint8, 61, 43)
    assert_array_equal(equalize(image), medfast.equalize_hist(image))


def test_clahe(rng):
    image = an_image(rng, np.uint8, 61, 43)
    assert_array_equal(clahe(image, 2.0), medfast.clahe(image, 2.0, (3, 4)))
    for bad in (-1.0, math.inf):
        with pytest.raises(ValueError, match="clip_limit must be"):
            clahe(image, bad)


@pytest.mark.slow
def test_resize(rng):
    image = an_image(rng, np.uint8, 60, 44)
    for shape in ((30, 22), (33, 100), (17, 44)):
        assert_array_equal(resize(image, shape), medfast.resize(image, shape))
    with pytest.raises(ValueError, match="shape must be >= 0"):
        resize(image, (3, -1))
    with pytest.raises(ValueError, match="image must have pixels"):
        resize(image[:0], (3, 3))


def test_kmeans_of_a_channel(rng):
    image = an_image(rng, np.uint8, 61, 43)
    for n_clusters in (1, 4, 300):
        assert_same_clusters(kmeans(image, n_clusters), medfast.kmeans(image, n_clusters))
    with pytest.raises(ValueError, match="n_clusters must be >= 1"):
        kmeans(image, 0)


@pytest.mark.slow
def test_kmeans_of_vectors(rng):
    data = rng.normal(size=(3000, 3)).astype(np.float32)
    assert_same_clusters(kmeans_from(data, 4, data[:4].copy()), medfast.kmeans(data, 4, init=data[:4]))
    few = np.repeat(rng.normal(size=(3, 9)).astype(np.float32), 50, axis=0)  # clusters that lose all samples
    start = few[[0, 0, 0, 50, 50]]
    assert_same_clusters(kmeans_from(few, 5, start), medfast.kmeans(few, 5, init=start))
    data[5, 1] = np.nan
    with pytest.raises(ValueError, match="data must be finite"):
        kmeans_from(data, 4, start)


def test_denoise_nl_means(rng):
    image = an_image(rng, np.uint8, 61, 43)
    for h in (10.0, 30.0):  # both widths of sums
        assert_array_equal(denoise(image, h), medfast.denoise_nl_means(image, h, search_size=9))
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="h must be"):
            denoise(image, bad)


@pytest.mark.slow
def test_hog(rng):
    image = an_image(rng, np.uint8, 64, 81)
    assert_array_equal(hog(image), medfast.hog(image))
    with pytest.raises(ValueError, match="must hold one block"):
        hog(image[:15])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda image: medfast.denoise_nl_means(image, progress=1), "progress is not supported inside njit"),
        (lambda image: medfast.denoise_nl_means(image, 5.0, noise="rician"), "sigma must be given"),
        (lambda image: medfast.clahe(image, channel_axis=-1), "channel_axis is not supported inside njit"),
        (lambda image: medfast.resize(image, (2, 2), interpolation="best"), "interpolation must be one of"),
        (lambda image: medfast.resize(image), "exactly one of shape, scale and new_spacing"),
        (lambda image: medfast.kmeans(image, 2, sample_weight=image), "sample_weight is not supported inside njit"),
        (lambda image: medfast.kmeans(image, 2, bins=16), "bins is not supported inside njit"),
        (lambda image: medfast.hog(image, visualize=True), "visualize is not supported inside njit"),
        (lambda image: medfast.equalize_hist(image > 1), "image must have dtype uint8"),
        (lambda image: medfast.equalize_hist(image, mask=image), "mask must be a boolean array"),
    ],
)
def test_what_cannot_be_compiled_is_named(call, message):
    with pytest.raises(numba.TypingError, match=message):
        numba.njit(call)(np.zeros((4, 4), np.uint8))


SCRIPT = """
import sys
import numba, numpy as np, medfast
from medfast import _njit
_njit.init()

@numba.njit(cache=True)
def equalize(image):
    return medfast.equalize_hist(image)

image = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
assert (equalize(image) == medfast.equalize_hist(image)).all()
print(sum(equalize.stats.cache_hits.values()), sum(equalize.stats.cache_misses.values()))
"""


def test_compiled_code_is_kept_for_other_processes_and_levels(tmp_path):
    """At other addresses, and with the kernels of another level, whose names are the same."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    highest = _kernels.supported_levels()[-1]
    for level, expected in ((highest, "0 1"), (highest, "1 0"), (_kernels.supported_levels()[1], "1 0")):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "MEDFAST_LEVEL": level}
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, timeout=300, env=environment, check=False
        )
        assert done.stdout.strip() == expected, done.stderr


@pytest.mark.slow
def test_twins_where_no_level_is_compiled():
    """With MEDFAST_LEVEL=jit the package is imported by way of Numba, which asks for its extensions meanwhile."""
    code = SCRIPT.replace("cache=True", "").rpartition("print")[0] + "print(medfast.runtime.info()['level'])"
    environment = os.environ | {"MEDFAST_LEVEL": "jit"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert done.stdout.strip() == "jit", done.stderr


def test_entry_point_is_declared():
    found = importlib.metadata.entry_points(group="numba_extensions", name="init")
    ours = [entry for entry in found if entry.value.startswith("medfast.")]
    if not ours:
        pytest.skip("the installation is older than the entry point, or a mere path")
    assert ours[0].load() is _njit.init


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
class TestEverything:
    """Every route of every function."""

    def test_equalize_hist(self, rng, dtype):
        image = an_image(rng, dtype, 51, 103)
        inside = image > 100
        assert_array_equal(equalize(image[::-1, ::2]), medfast.equalize_hist(image[::-1, ::2]))
        assert_array_equal(equalize_inside(image, inside), medfast.equalize_hist(image, mask=inside))
        none = np.zeros_like(inside)
        assert_array_equal(equalize_inside(image, none), image)
        assert_array_equal(equalize(image[None]), medfast.equalize_hist(image[None]))
        expected = medfast.equalize_hist(image)
        assert equalize_into(image, image) is not None
        assert_array_equal(image, expected)
        with pytest.raises(ValueError, match="out must not overlap"):
            equalize_into(image[1:], image[:-1])

    def test_clahe(self, rng, dtype):
        image, volume = an_image(rng, dtype, 51, 103), an_image(rng, dtype, 5, 40, 41)
        assert_array_equal(clahe(image, 0), medfast.clahe(image, 0, (3, 4)))
        assert_array_equal(clahe(volume, 2.0), medfast.clahe(volume, 2.0, (3, 4)))
        for each, grid in ((image, (3, 5)), (volume, (3, 4)), (volume, (2, 3, 4))):
            inside = each > 110
            expected = medfast.clahe(each, 3.0, grid, mask=inside)
            assert_array_equal(clahe_inside(each, grid, inside), expected)
        assert_array_equal(clahe_inside(volume, (2, 3, 4), None), medfast.clahe(volume, 3.0, (2, 3, 4)))
        if dtype != np.uint8:
            assert_array_equal(clahe_of_bits(image), medfast.clahe(image, bit_depth=9))

    @pytest.mark.parametrize("kind", ["nearest", "linear", "linear-exact", "area", "cubic", "lanczos4"])
    def test_resize(self, rng, dtype, kind):
        @numba.njit
        def by_kind(image, shape):
            return medfast.resize(image, shape, interpolation=kind)

        image, volume = an_image(rng, dtype, 50, 64), an_image(rng, dtype, 6, 20, 30)
        for each, shapes in (
            (image, ((25, 32), (30, 41), (100, 128), (77, 20), (50, 64))),
            (image[::-1, ::2], ((25, 32), (30, 16))),
            (volume, ((6, 10, 15), (3, 10, 15), (9, 33, 17))),
        ):
            for shape in shapes:
                expected = medfast.resize(each, shape, interpolation=kind)
                assert_array_equal(by_kind(each, shape), expected, err_msg=str(shape))

    def test_resize_by_spacing_and_of_channels(self, rng, dtype):
        volume, colour = an_image(rng, dtype, 6, 20, 30), an_image(rng, dtype, 26, 20, 3)
        spacing = (3.0, 0.5, 0.5)
        expected = medfast.resize(volume, spacing=spacing, new_spacing=1.0, interpolation="cubic")
        assert_array_equal(resize_by_spacing(volume, spacing, 1.0), expected)
        for scale in (0.5, (0.3, 0.7)):
            expected = medfast.resize(colour, scale=scale, channel_axis=-1, interpolation="area")
            assert_array_equal(resize_channels(colour, scale), expected)

    def test_kmeans(self, rng, dtype):
        is_float = np.dtype(dtype).kind == "f"
        for data in (an_image(rng, dtype, 5000), *([] if is_float else [an_image(rng, dtype, 4, 50, 60)])):
            assert_same_clusters(kmeans(data, 5), medfast.kmeans(data, 5))
            inside = data > 100
            assert_same_clusters(kmeans_inside(data, 3, inside), medfast.kmeans(data, 3, mask=inside))
        if is_float:
            large = an_image(rng, dtype, 300) * dtype(1e25)
            assert_same_clusters(kmeans(large, 4), medfast.kmeans(large, 4))
            vectors = rng.normal(size=(20000, 3)).astype(dtype)
            found = kmeans_random(vectors, 5, np.random.default_rng(3))
            assert_same_clusters(found, medfast.kmeans(vectors, 5, n_init=3, random_state=np.random.default_rng(3)))
        colour = an_image(rng, dtype, 50, 40, 2)
        for mask in (None, colour[..., 0] > 90):
            found = kmeans_of_channels(colour, 3, np.random.default_rng(4), mask)
            expected = medfast.kmeans(colour, 3, channel_axis=-1, mask=mask, random_state=np.random.default_rng(4))
            assert_same_clusters(found, expected)

    def test_denoise_nl_means(self, rng, dtype):
        image, volume = an_image(rng, dtype, 61, 73), an_image(rng, dtype, 9, 33, 30)
        for each in (image, image[::-1, ::2], volume):
            assert_array_equal(denoise(each, 12.0), medfast.denoise_nl_means(each, 12.0, search_size=9))
        for each in (image, volume):
            assert_array_equal(denoise_by_itself(each), medfast.denoise_nl_means(each, search_size=9))
        for mask in (None, image > 90):
            expected = medfast.denoise_nl_means(image, 60.0, patch_size=5, search_size=7, norm="l1", mask=mask)
            assert_array_equal(denoise_l1(image, 60.0, mask), expected)
        expected = medfast.denoise_nl_means(volume, 12.0, sigma=5.0, noise="rician", spacing=(2.0, 1.0, 1.0))
        assert_array_equal(denoise_rician(volume, 12.0), expected)
        if np.dtype(dtype).kind == "f":
            scales = (1e30,) if dtype == np.float32 else (1e200, 1e-200)
            for each in (an_image(rng, dtype, 40, 40) * dtype(scale) for scale in scales):
                assert_array_equal(denoise_by_itself(each), medfast.denoise_nl_means(each, search_size=9))
            image[3, 4] = 1e30
            assert_array_equal(denoise(image, 10.0), medfast.denoise_nl_means(image, 10.0, search_size=9))

    def test_hog(self, rng, dtype):
        image, batch = an_image(rng, dtype, 64, 81), an_image(rng, dtype, 3, 50, 44)
        assert_array_equal(hog(batch), medfast.hog(batch))
        for each in (image, batch):
            expected = medfast.hog(each, orientations=7, cell=(6, 5), block=(3, 2), stride=(4, 7), **HARD)
            assert_array_equal(hog_hard(each), expected)
        cells = {"cell": (6, 5), "clip": 0.3, "spatial_votes": False, "block_sigma": math.inf}
        for stride, gamma in (((6, 10), True), ((6, 7), False)):  # whole cells are enough, and are not
            expected = medfast.hog(image, stride=stride, gamma=gamma, **cells)
            assert_array_equal(hog_of_cells(image, stride, gamma), expected)
        colour = an_image(rng, dtype, 50, 44, 3)
        expected = medfast.hog(colour, gamma=True, channel_axis=-1, block_sigma=2.5, levels=2)
        assert_array_equal(hog_of_channels(colour), expected)


@pytest.mark.slow
def test_in_parallel_loops(rng):
    """The caller holds the GIL while the threads of `prange` work: none of them may wait for it."""

    @numba.njit(parallel=True)
    def all_of(images):
        out = np.empty_like(images)
        for i in numba.prange(len(images)):
            out[i] = medfast.equalize_hist(images[i])
        return out

    images = an_image(rng, np.uint8, 40, 64, 64)
    assert_array_equal(all_of(images), [medfast.equalize_hist(image) for image in images])


@pytest.mark.slow
def test_tables_are_those_of_the_driver(rng):
    from medfast._drivers import sampling
    from medfast._njit import tables

    fixed, real, area, nearest = (numba.njit(getattr(tables, name)) for name in ("fixed", "real", "area", "nearest"))
    for trial in range(1000):
        n, size, n_channels = int(rng.integers(1, 300)), int(rng.integers(1, 300)), int(rng.integers(1, 4))
        if trial % 13 == 0:
            size = n * 49  # where Lanczos' window divides by zero in OpenCV
        step = [1.0 / (size / n), float(rng.uniform(0.2, 5)), n / size][trial % 3]
        assert_array_equal(nearest(n, size, step, n_channels), sampling.nearest("nearest", n, size, step, n_channels))
        for kind in ("linear", "linear-exact", "area", "cubic", "lanczos4"):
            code = tables.KINDS.index(kind)
            pairs = [(fixed, sampling.fixed(kind, n, size, step, n_channels))]
            if kind != "linear-exact":
                pairs.append((real, sampling.real(kind, n, size, step, np.float64, n_channels)))
            for function, expected in pairs:
                for one, other in zip(function(code, n, size, step, n_channels), expected, strict=True):
                    assert_array_equal(one, other)
        if step >= 1 and n >= size * step * 0.999:
            expected = sampling.real("mean", n, size, step, np.float64, n_channels)
            for one, other in zip(real(tables.MEAN, n, size, step, n_channels), expected, strict=True):
                assert_array_equal(one, other)
            expected = sampling.area(n, size, step, n_channels)
            for one, other in zip(area(n, size, step, n_channels), expected, strict=True):
                assert_array_equal(one, other)
