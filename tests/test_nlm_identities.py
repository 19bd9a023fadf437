"""The identities that the kernels of non-local means rest on, each shown apart from the kernels."""

import itertools

import numpy as np
import pytest

import oracles
from images import smooth_image
from medfast._drivers import nlm_weights


@pytest.mark.parametrize("patch_size", [3, 5, 7, 9])
@pytest.mark.parametrize("h", [0.5, 3.0, 10.0, 13.9])
def test_saturated_sums(patch_size, h):
    """Where distances from 65535 on have weight zero, sums that stay at 65535 give every weight all the same."""
    shift, tables, _ = nlm_weights.weight_tables((h,), 1, 1, patch_size**2, 21**2, 2)
    distances = np.arange(patch_size**2 * 255**2 + 1)
    if patch_size == 9 and h == 13.9:
        assert tables[0, 65535 >> shift] > 0  # the kernel takes wider sums there
    else:
        assert tables[0, 65535 >> shift] == 0
        np.testing.assert_array_equal(tables[0, np.minimum(distances, 65535) >> shift], tables[0, distances >> shift])


def test_saturated_sums_in_any_order(rng):
    """A sum that saturates on the way ends at 65535, whichever terms come first, and one that does not is exact."""
    terms = rng.integers(0, 4000, (2000, 49)) * rng.integers(0, 2, (2000, 1))
    terms[rng.random(terms.shape) < 0.02] = 65025
    for order in (np.arange(49), rng.permutation(49)):
        total = np.zeros(2000, np.int64)
        for k in order:
            total = np.minimum(total + terms[:, k], 65535)
        np.testing.assert_array_equal(total, np.minimum(terms.sum(axis=1), 65535))


@pytest.mark.parametrize("fold", [2, 3])
@pytest.mark.parametrize("shift", [3, 4, 6, 9])
def test_folded_sums(rng, fold, shift):
    """Squares over 2^fold, rounded down, and what that leaves: D >> shift from sums of 16 bits and of one byte each."""
    for scale in (6, 20, 60, 255):
        differences = np.clip(np.rint(rng.normal(0, scale, (20_000, 49))), -255, 255).astype(np.int64)
        squares = differences**2
        rests = (squares % 2**fold).sum(axis=1)
        sums = np.minimum((squares >> fold).sum(axis=1), 65535)
        assert rests.max() <= 255
        assert np.abs(differences << 7).max() <= 32767
        assert (((differences << 6) * (differences << 7) >> 16) == squares >> 3).all()  # upper halves of products
        assert (((differences << 7) ** 2 >> 16) == squares >> 2).all()
        folded = np.minimum(sums + (rests >> fold), 65535)
        index, exact = folded >> (shift - fold), squares.sum(axis=1) >> shift
        np.testing.assert_array_equal(index[folded < 65535], exact[folded < 65535])
        assert (exact[folded == 65535] >= 65535 << fold >> shift).all()  # where the table is zero


@pytest.mark.parametrize(("fold", "n_channels"), [(2, 4), (3, 2)])
def test_rests_by_exclusive_or(fold, n_channels):
    """What squares leave follows from the lowest bits of p xor q: from one for squares mod 4, from two for mod 8."""
    p, q = np.mgrid[:256, :256]
    rests = (p - q) ** 2 % 2**fold
    bits = (p ^ q) % 2 ** (fold - 1)
    by_bits = [np.unique(rests[bits == each]) for each in range(2 ** (fold - 1))]
    assert all(len(each) == 1 for each in by_bits)
    assert n_channels * (fold - 1) == 4  # which one look-up of 16 entries takes


@pytest.mark.parametrize("search_size", [17, 21, 35])
def test_split_table(search_size):
    """exp(-(32 a + b) r) is exp(-32 a r) exp(-b r): rounded, a product of two entries is the table's or one beside."""
    for h in np.linspace(0.5, 13.9, 60):
        _, tables, rate = nlm_weights.weight_tables((float(h),), 1, 1, 49, search_size**2, 2)
        used = tables[0, : np.count_nonzero(tables)][:1024]  # as far as two factors of 32 reach
        entry = np.arange(len(used))
        high = (used[0] * np.exp(-32 * rate * np.arange(32))).astype(np.float32)
        low = np.exp(-rate * np.arange(32)).astype(np.float32)
        product = np.rint(high[entry // 32] * low[entry % 32]).astype(np.int64)
        assert abs(product - used).max() <= 1
        assert (product != used).mean() < 0.02


@pytest.mark.parametrize("shape", [(1, 9, 11), (5, 6, 8)], ids=str)
@pytest.mark.parametrize("norm", [1, 2])
def test_symmetric_weights(rng, shape, norm):
    """The distance of p and p + shift is that of p + shift and its shift back: half of the shifts are enough."""
    planes = smooth_image(rng, shape, "int16")[:, None].astype(np.int64)
    search = (3 if shape[0] > 1 else 1, 5, 5)
    shifts = list(itertools.product(*(range(-(size // 2), size // 2 + 1) for size in search)))
    found = oracles._nlm_shifts(planes, (1 if shape[0] == 1 else 3, 3, 3), search, norm, np.ones(shape, bool))
    distances = dict(zip(shifts, (distance for distance, _, _ in found), strict=True))
    for shift in shifts[: len(shifts) // 2]:
        here = tuple(slice(max(0, -step), n - max(0, step)) for step, n in zip(shift, shape, strict=True))
        there = tuple(slice(max(0, step), n - max(0, -step)) for step, n in zip(shift, shape, strict=True))
        back = distances[tuple(-step for step in shift)]
        np.testing.assert_array_equal(distances[shift][here], back[there])
    assert shifts[len(shifts) // 2] == (0, 0, 0)
    assert not distances[0, 0, 0].any()


@pytest.mark.parametrize("n_bytes", [1, 2])
@pytest.mark.parametrize("n_shifts", [1, 3, 21**2, 11**3, 2901**2])
def test_sums_of_weighted_pixels_fit(n_bytes, n_shifts):
    """The largest weight times the largest value, over all shifts, fits the type that sums are kept in."""
    for h in (1.0, 1e6):
        _, tables, _ = nlm_weights.weight_tables((h,), n_bytes, 1, 49, n_shifts, 1)
        largest, limit = (255, 2**31) if n_bytes == 1 else (65535, 2**63)
        assert 1 <= int(tables.max()) < 2**31
        assert int(tables.max()) * largest * n_shifts < limit
        assert tables[0, 0] == tables.max()


def test_rounded_quotients():
    """(v + w // 2) / w in float64, cut off, is the integer quotient: it is 1 / w off the next integer, or equal."""
    rng = np.random.default_rng(0)
    for bits in (8, 16, 31):
        weights = rng.integers(1, 2**bits, 100_000)
        values = weights * rng.integers(0, 256, 100_000) // np.maximum(1, rng.integers(0, 5, 100_000))
        values = np.minimum(values, 2**31 - 1 - weights)
        values = np.maximum(values, 0)
        exact = (values + weights // 2) // weights
        quotient = (values.astype(np.float64) + (weights // 2).astype(np.float64)) / weights.astype(np.float64)
        np.testing.assert_array_equal(quotient.astype(np.int64), exact)


def test_weights_in_float32():
    """2^(n / 8) from eight roots and a cubic of r + 12, in float32: 1 at 0, within 6 units of 2^-24 everywhere."""
    n = np.linspace(-879.9, 0.0, 1_000_001).astype(np.float32)
    one, apart = np.float32(1.5 * 2.0**23), np.float32(12.0)
    rounded = n + one
    s = n - (rounded - (one + apart))
    cubic = (s * s + np.float32(398.84787)) * s + np.float32(3075.0208)
    k = (rounded - one).astype(np.int64)
    roots = (2.0 ** (np.arange(8) / 8) * 1.0428403527491581e-04).astype(np.float32)
    weights = np.ldexp(roots[k & 7], k >> 3) * cubic
    assert weights.dtype == np.float32
    assert weights[-1] == 1.0
    assert np.abs(weights / np.exp2(n.astype(np.float64) / 8) - 1.0).max() < 6 * 2.0**-24
