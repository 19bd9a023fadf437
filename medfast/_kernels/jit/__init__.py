"""The Numba twins: each kernel as the plainest loop that gives the same bits.

They are what a reader reads first, and what runs where no compiled level exists. A twin is serial: tiles are handed out
by `medfast._parallel`, as to the compiled levels.

Numba keeps what it has compiled in `__pycache__`, and looks at no other file than the twin's own: after a change in a
file that a twin imports, remove that folder, as the tests do.
"""

from typing import Any

from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic

kernel = njit(cache=True, nogil=True, error_model="numpy")
"""How every twin is compiled: cached on disk, without the GIL, dividing as C does; never with fastmath (other bits)."""

inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
"""For steps of a few hundred values: views of arrays cost as much to hand over as the step to do."""


def _uncounted(typing_context, array):
    def generate(context, builder, signature, arguments):
        view = context.make_array(array)(context, builder, arguments[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), generate


uncounted: Any = intrinsic(_uncounted)
"""An array as its callers' own: slices of it are not counted, one atomic operation each. For loops that take many
slices of a few hundred values; the array itself must outlive them."""
