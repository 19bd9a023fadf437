"""Numba twin of src/nlm.pyx.

With D(p, q) the sum of the squared (L2) or absolute (L1) differences of the patches around p and q, each pixel becomes

    out(p) = sum_q w(D(p, q)) image(q) / sum_q w(D(p, q)),    q in the search window around p.

D is symmetric, so half the shifts q - p do. Each D serves two pixels: *forward* is what p gains from q = p + shift,
*reverse* what q gains from p, and a tile adds both where they fall inside. D is a box sum of the differences of the
image with itself shifted: over the channels and the planes of the patch, then down its rows, then along the line.

The image comes padded by the radii of patch and search window; voxel (z, y, x) of the output stands at
padded[z + pz + sz, :, y + py + sy, x + px + sx]. Sums are kept line by line: (planes, rows, channels + weights, cols).
"""

import numpy as np

from medfast._kernels.jit import kernel, uncounted
from medfast._kernels.jit.nlm_formula import sum_formula, working
from medfast._kernels.jit.nlm_lines import mask_of
from medfast._kernels.jit.nlm_table import sum_integer


@kernel
def workspace(n_channels, n_weights, n_planes, n_rows, n_cols, radii):
    """Bytes of scratch that a call needs for a tile of `n_planes` x `n_rows` lines."""
    py, px, sx = radii[1], radii[2], radii[5]
    n_sums = n_channels + n_weights
    n_lines = max((2 * sx + 1) * (n_weights + 1) + 2, 4 * n_sums + 2 * (2 * py + 1) + 4)
    return 8 * (5 * n_sums * n_planes * n_rows * n_cols + n_lines * (n_cols + 2 * px + 2 * sx))


@kernel
def denoise_integer(
    padded,
    mask,
    radii,
    norm,
    shift,
    tables,
    rate,
    scratch,
    plane_start,
    plane_stop,
    row_start,
    row_stop,
    out,
):
    """Denoise the tile with weights from tables; the mean is rounded half up."""
    n_channels, n_cols, n_weights = out.shape[1], out.shape[3], len(tables)
    shape = plane_stop - plane_start, row_stop - row_start, n_channels + n_weights, n_cols
    n_sums = shape[0] * shape[1] * shape[2] * shape[3]
    sums = scratch.view(tables.dtype)[:n_sums].reshape(shape)
    sum_integer(
        uncounted(padded),
        uncounted(mask),
        radii,
        norm,
        shift,
        uncounted(tables),
        plane_start,
        row_start,
        uncounted(scratch[sums.nbytes :]),
        uncounted(sums),
    )
    for z in range(plane_start, plane_stop):
        for y in range(row_start, row_stop):
            inside = mask_of(mask, radii, z, y, n_cols)
            for channel in range(n_channels):
                values = sums[z - plane_start, y - row_start, channel]
                weights = sums[z - plane_start, y - row_start, n_channels + min(channel, n_weights - 1)]
                for x in range(n_cols):
                    if not mask.size or inside[x]:
                        weight = np.uint64(weights[x])
                        out[z, channel, y, x] = (np.uint64(values[x]) + weight // np.uint64(2)) // weight


@kernel
def denoise_formula(
    padded,
    mask,
    radii,
    norm,
    factor,
    bias,
    scratch,
    plane_start,
    plane_stop,
    row_start,
    row_stop,
    out,
):
    """Denoise the tile with weights from the formula; integers are rounded half to even and saturated."""
    n_channels, n_cols = out.shape[1], out.shape[3]
    shape = plane_stop - plane_start, row_stop - row_start, n_channels + 1, n_cols
    n_sums = shape[0] * shape[1] * shape[2] * shape[3]
    sums = scratch[: 8 * n_sums].view(np.float64).reshape(shape)
    space = working(scratch[8 * n_sums :], padded, out)
    sum_formula(
        uncounted(padded),
        uncounted(mask),
        radii,
        norm,
        factor,
        bias >= 0,
        plane_start,
        row_start,
        uncounted(space),
        uncounted(sums),
    )
    rounds = out.dtype.type(0.5) == 0  # an integer dtype
    for z in range(plane_start, plane_stop):
        for y in range(row_start, row_stop):
            inside = mask_of(mask, radii, z, y, n_cols)
            for channel in range(n_channels):
                own_line = padded[z + radii[0] + radii[3], channel, y + radii[1] + radii[4], radii[2] + radii[5] :]
                values = sums[z - plane_start, y - row_start, channel]
                weights = sums[z - plane_start, y - row_start, n_channels]
                for x in range(n_cols):
                    if mask.size and not inside[x]:
                        continue
                    mean, own = values[x] / weights[x], np.float64(own_line[x])
                    value = np.sqrt(max(mean + (own * own - bias), 0.0)) if bias >= 0 else mean + own
                    out[z, channel, y, x] = np.rint(value) if rounds else value
