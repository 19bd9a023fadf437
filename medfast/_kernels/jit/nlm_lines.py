"""Lines of an image and of a tile, for the twin of non-local means."""

from medfast._kernels.jit import inlined, kernel


@kernel
def line_of(sums, z, y):
    """The line (z, y) of the tile; outside there is none, which is an empty one."""
    if 0 <= z < sums.shape[0] and 0 <= y < sums.shape[1]:
        return sums[z, y]
    return sums[0, 0, :0]


@kernel
def mask_of(mask, radii, z, y, n_cols):
    """The mask on the line (z, y) of the output; an empty one where there is no mask."""
    if not mask.size:
        return mask.reshape(0)
    col = radii[2] + radii[5]
    return mask[z + radii[0] + radii[3], y + radii[1] + radii[4], col : col + n_cols]


@inlined
def add(values, sums):
    """Add the values."""
    for x in range(len(sums)):
        sums[x] += values[x]


@inlined
def add_two(one, two, sums):
    """Add two lines."""
    for x in range(len(sums)):
        sums[x] += one[x] + two[x]


@inlined
def leave_out(mask, weights, chosen):
    """The weights, none for donors outside the mask."""
    for x in range(len(chosen)):
        chosen[x] = weights[x] if mask[x] else 0
