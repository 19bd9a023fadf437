"""Non-local means as a call: arguments, limits, memory, progress, interrupts."""

import _thread
import threading
import time
import tracemalloc

import numpy as np
import pytest

import medfast
from denoising import expected
from images import smooth_image
from medfast import _parallel
from medfast._drivers import nlm, nlm_border, nlm_weights


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (0, 3, 3), (3, 3, 0)], ids=str)
def test_empty(shape):
    image = np.zeros(shape, np.uint8)
    assert medfast.denoise_nl_means(image).shape == shape
    assert medfast.denoise_nl_means(image, 3.0, mask=np.zeros(shape, bool)).shape == shape
    assert medfast.estimate_sigma(image) == 0.0


def test_no_channels():
    for shape in ((4, 5, 0), (3, 4, 5, 0)):
        assert medfast.denoise_nl_means(np.zeros(shape), 3.0, channel_axis=-1).shape == shape


def test_patch_beyond_the_integers(level, rng):
    """More than 33025 pixels: black against white would overflow int32."""
    image = (rng.random((3, 9)) < 0.5).astype(np.uint8) * 255
    largest, next_one = nlm_weights.largest_patch(1, 2), nlm_weights.largest_patch(1, 2) + 2
    assert largest == 181
    assert nlm_weights.has_table(image.dtype, 2, 1, (0, largest // 2, largest // 2), (0, 1, 1))
    assert not nlm_weights.has_table(image.dtype, 2, 1, (0, next_one // 2, next_one // 2), (0, 1, 1))
    result = medfast.denoise_nl_means(image, 120.0, patch_size=(1, 33027), search_size=(1, 3))
    exact = expected(image.astype(np.float64), 120.0, (1, 1, 33027), (1, 1, 3))
    np.testing.assert_array_equal(result, np.rint(exact))


def test_search_beyond_the_integers(level, rng, monkeypatch):
    """More than 2**31 / 255 shifts: no weight of at least 1 would keep their sum within int32."""
    assert nlm_weights.largest_search(1) == 2901
    assert nlm_weights.has_table(np.dtype(np.uint8), 2, 1, (0, 3, 3), (0, 1450, 1450))
    assert not nlm_weights.has_table(np.dtype(np.uint8), 2, 1, (0, 3, 3), (0, 1451, 1451))
    monkeypatch.setattr(nlm_weights, "INT_MAX", 70_000)  # the same at a size that ends before tomorrow
    image = smooth_image(rng, (9, 17))
    exact = expected(image.astype(np.float64), 10.0, 1, 17)
    np.testing.assert_array_equal(medfast.denoise_nl_means(image, 10.0, patch_size=1, search_size=17), np.rint(exact))


@pytest.mark.parametrize("shape", [(300, 20), (9, 50, 60)], ids=str)
@pytest.mark.parametrize("box_bytes", [2**25, 2**16], ids=["one box", "boxes"])
def test_progress(rng, n_threads, shape, box_bytes, monkeypatch):
    monkeypatch.setattr(nlm, "BOX_BYTES", box_bytes)
    calls, threads = [], set()

    def progress(done, total):
        calls.append((done, total))
        threads.add(threading.get_ident())

    medfast.denoise_nl_means(smooth_image(rng, shape), 5.0, search_size=5, progress=progress)
    assert threads == {threading.get_ident()}
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1]
    assert len({total for _, total in calls}) == 1
    assert n_threads > 1 or len(calls) > 1  # helpers may have done it all


def test_progress_of_several_strengths(rng, monkeypatch):
    monkeypatch.setattr(nlm, "BOX_BYTES", 2**16)
    calls = []
    image = smooth_image(rng, (100, 40), "float32").reshape(2, 50, 40)
    medfast.denoise_nl_means(
        image, [5.0, 9.0], channel_axis=0, progress=lambda *counts: calls.append(counts), num_threads=1
    )
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]


def test_an_error_in_progress_ends_the_call(rng, n_threads, monkeypatch):
    monkeypatch.setattr(nlm, "BOX_BYTES", 2**16)
    image, done = smooth_image(rng, (300, 60)), []

    def progress(*counts):
        done.append(counts)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        medfast.denoise_nl_means(image, 5.0, progress=progress)
    assert len(done) == 1
    before = threading.active_count()
    medfast.denoise_nl_means(image, 5.0)  # nothing is left running or locked
    assert threading.active_count() <= max(before, n_threads)


@pytest.mark.parametrize("shape", [(30, 150), (5, 20, 70)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_results_do_not_depend_on_tiles(level, rng, monkeypatch, shape, dtype):
    image = smooth_image(rng, shape, dtype)
    whole = medfast.denoise_nl_means(image, 10.0, patch_size=5, search_size=7)
    for work in (1, 2**19):
        monkeypatch.setattr(nlm, "WORK_OF_TILE", work)
        np.testing.assert_array_equal(medfast.denoise_nl_means(image, 10.0, patch_size=5, search_size=7), whole)


@pytest.mark.parametrize(
    ("shape", "patch", "search"),
    [((600, 3000), 7, 301), ((600, 600), 7, 21), ((64, 300, 300), 3, 31), ((64, 512, 512), 3, 11)],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_tiles_are_short(shape, patch, search, dtype, monkeypatch):
    """Between two answers to Ctrl-C some 10**8 pairs of pixels, or those of two rows; each pixel is in one tile."""
    monkeypatch.setattr(nlm, "resolve", lambda _=None: 1)
    image = np.zeros(shape, dtype)
    planes = image.reshape(-1, 1, *shape[-2:])
    radii = [(side // 2 if image.ndim == 3 else 0, side // 2, side // 2) for side in (patch, search)]
    call = nlm._Call(nlm_weights.Task(planes, planes, [10.0], *radii, norm=2))
    seen = np.zeros(planes.shape, np.uint8)
    for box in call.boxes():
        for plane_start, plane_stop, row_start, row_stop in call.tiles(box):
            part = seen[tuple(slice(*each) for each in box[:1])][:, :, slice(*box[1])][..., slice(*box[2])]
            tile = part[plane_start:plane_stop, :, row_start:row_stop]
            tile += 1
            assert (box[1][0] + row_start) % 2 == 0
            assert tile.size * call.pixel_work <= nlm.WORK_OF_TILE
            assert tile.size * search**image.ndim < 10**9
    assert (seen == 1).all()


@pytest.mark.parametrize("num_threads", [1, 2])
def test_interrupt(rng, num_threads, monkeypatch):
    """What would take many seconds ends with the tiles that are under way."""
    monkeypatch.setattr(_parallel, "resolve", lambda _=None: num_threads)
    volume = smooth_image(rng, (64, 256, 256), "float64")
    timer = threading.Timer(0.2, _thread.interrupt_main)
    start = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        medfast.denoise_nl_means(volume, 5.0, patch_size=5, search_size=7)
    assert time.perf_counter() - start < 8.0
    timer.join()


def peak(call):
    """Bytes allocated at most during a call, beyond those before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(60, 300, 320), (2500, 2000)], ids=str)
def test_memory_is_flat(rng, dtype, shape, monkeypatch):
    """A box at a time, and scratch: neither a copy of the image nor its padded copy."""
    monkeypatch.setattr(nlm, "BOX_BYTES", 2**18)
    monkeypatch.setattr(nlm, "BOX_COLS", 256)
    monkeypatch.setattr(nlm, "TILE_PLANES", 2)
    monkeypatch.setattr(nlm, "TILE_ROWS", 32)
    monkeypatch.setattr(nlm, "TILE_ROWS_8_BITS", 32)
    image = np.zeros(shape, dtype)
    image[::7] = 9
    out, mask = np.empty_like(image), np.ones(shape, bool)
    options = {"patch_size": 3, "search_size": (3,) * image.ndim, "out": out, "num_threads": 2}
    assert image.nbytes > 2**22
    assert peak(lambda: medfast.denoise_nl_means(image, 5.0, **options)) < 2**22
    assert peak(lambda: medfast.denoise_nl_means(image, 5.0, mask=mask, **options)) < 2**22


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "image must have dtype", {"image": np.zeros((3, 3), np.int64)}),
        (ValueError, "image must be 2-D or 3-D, got shape", {"image": np.zeros((3, 3, 3, 3), np.uint8)}),
        (ValueError, "image must be 2-D or 3-D, got shape", {"image": np.zeros(3, np.uint8)}),
        (ValueError, "image must be finite", {"image": np.array([[1.0, np.nan]])}),
        (ValueError, "image must be finite", {"image": np.array([[1.0, -np.inf]], np.float32)}),
        (ValueError, "h must be finite", {"h": 10**400}),
        (ValueError, "patch_size must be <= 2147483647", {"patch_size": 10**20 + 1}),
        (ValueError, "num_threads must be <= 9223372036854775807", {"num_threads": 2**63}),
        (ValueError, "h must be > 0", {"h": 0}),
        (ValueError, "h must be > 0", {"h": -3.0}),
        (ValueError, "h must be finite", {"h": np.nan}),
        (TypeError, "h must be a number", {"h": "10"}),
        (ValueError, "h must have one entry or one per channel", {"h": [1.0, 2.0]}),
        (ValueError, "patch_size must be odd", {"patch_size": 4}),
        (ValueError, r"patch_size must be .* 2\*\*27 pixels; got 1000001 x 1000001", {"patch_size": 1000001}),
        (ValueError, "search_size must be smaller: a window as long", {"search_size": 20001}),
        (ValueError, "patch_size must be an integer or have 2 entries", {"patch_size": (3, 3, 3)}),
        (ValueError, r"patch_size\[1\] must be odd", {"patch_size": (3, 4)}),
        (TypeError, "patch_size must be an integer", {"patch_size": "7"}),
        (ValueError, "search_size must be >= 1", {"search_size": -3}),
        (TypeError, "search_size must be an integer", {"search_size": 21.0}),
        (TypeError, r"search_size\[0\] must be an integer", {"search_size": [2.0, 3]}),
        (ValueError, "spacing must be > 0", {"spacing": 0}),
        (ValueError, "spacing must be a number or have 2 entries", {"spacing": (1, 1, 1)}),
        (ValueError, r"spacing\[1\] must be > 0", {"spacing": (1, -1)}),
        (ValueError, "spacing must be finite", {"spacing": np.inf}),
        (ValueError, r"mask must have shape \(8, 9\)", {"mask": np.ones((8, 8), bool)}),
        (TypeError, "mask must be boolean", {"mask": np.full((8, 9), 0.5)}),
        (ValueError, "sigma must be >= 0", {"sigma": -1.0}),
        (ValueError, "norm must be one of", {"norm": "l3"}),
        (ValueError, "noise must be one of", {"noise": "poisson"}),
        (ValueError, "image must be 3-D or 4-D, got shape", {"channel_axis": 0}),
        (ValueError, "channel_axis must be an axis", {"image": np.zeros((3, 4, 5)), "channel_axis": 3}),
        (TypeError, "channel_axis must be an integer", {"channel_axis": "last"}),
        (TypeError, "progress must be a callable", {"progress": 3}),
        (ValueError, "num_threads must be >= 1", {"num_threads": 0}),
        (TypeError, "out must have dtype uint8", {"out": np.zeros((8, 9))}),
    ],
)
def test_bad_arguments(error, message, arguments):
    arguments = {"image": np.zeros((8, 9), np.uint8), "h": 3.0, **arguments}
    with pytest.raises(error, match=message):
        medfast.denoise_nl_means(**arguments)


def test_out_must_not_overlap(rng):
    image = smooth_image(rng, (9, 9))
    with pytest.raises(ValueError, match="out must not overlap the input"):
        medfast.denoise_nl_means(image, 3.0, out=image)
    mask = np.ones((9, 9), np.bool_)
    with pytest.raises(ValueError, match="out must not overlap mask"):
        medfast.denoise_nl_means(image, 3.0, mask=mask, out=mask.view(np.uint8))


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "frames must be a sequence", {"frames": 3}),
        (ValueError, "index must have 1 frames before and after", {"index": 0}),
        (ValueError, "index must have 2 frames before and after", {"temporal_size": 5}),
        (ValueError, "temporal_size must be odd", {"temporal_size": 2}),
        (ValueError, r"frames\[2\] must be as frames\[1\]", {"frames": [*np.zeros((2, 4, 4)), np.zeros((4, 5))]}),
        (ValueError, r"frames\[0\] must be as", {"frames": [np.zeros((4, 4), np.uint8), *np.zeros((2, 4, 4))]}),
        (ValueError, r"frames\[0\] must be 2-D", {"frames": np.zeros((3, 4, 4, 4))}),
        (ValueError, r"frames\[0\] must be 3-D", {"channel_axis": 0}),
        (ValueError, r"frames\[1\] must be finite", {"frames": [np.zeros((4, 4)), *np.full((2, 4, 4), np.nan)]}),
        (ValueError, "patch_size must be an integer or have 2 entries", {"patch_size": (1, 3, 3)}),
        (ValueError, r"mask must have shape \(8, 9\)", {"mask": np.ones((3, 8, 9), bool)}),
    ],
)
def test_multi_bad_arguments(error, message, arguments):
    arguments = {"frames": np.zeros((3, 8, 9), np.uint8), "index": 1, "h": 3.0, **arguments}
    with pytest.raises(error, match=message):
        medfast.denoise_nl_means_multi(**arguments)


def test_border_is_mirrored():
    for n in (1, 2, 3, 7):
        for border in (0, 1, 5, 20):
            expected_index = np.pad(np.arange(n), border, mode="reflect")
            np.testing.assert_array_equal(nlm_border.mirrored(n, -border, n + border), expected_index)


def test_padding_of_boxes(rng):
    """Any part of an image with any border around it, from volumes and from frames."""
    volume = rng.integers(0, 1000, (4, 2, 5, 7)).astype(np.uint16)
    for border in (0, 1, 3, 4, 9):
        whole = np.pad(volume, [(border, border), (0, 0), (border, border), (border, border)], mode="reflect")
        for first, last in (
            ((0, 0, 0), (4, 5, 7)),
            ((1, 2, 3), (2, 4, 6)),
            ((0, 4, 6), (1, 5, 7)),
            ((3, 0, 1), (4, 1, 7)),
        ):
            places = [(start - border, stop + border) for start, stop in zip(first, last, strict=True)]
            part = whole[:, :, first[1] : last[1] + 2 * border, first[2] : last[2] + 2 * border]
            exact = part[first[0] : last[0] + 2 * border]
            padded = np.full((*exact.shape[:3], exact.shape[3] + nlm.SLACK), 7, np.float32)
            nlm_border.pad(volume, places, padded)
            np.testing.assert_array_equal(padded[..., : -nlm.SLACK], exact)
            assert not padded[..., -nlm.SLACK :].any()
            frames = np.full((4, *padded.shape[1:]), 7, np.float32)
            nlm_border.pad(list(volume), [(0, 4), *places[1:]], frames)
            np.testing.assert_array_equal(frames[..., : -nlm.SLACK], part[border : border + 4])
