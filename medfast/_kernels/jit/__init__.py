"""The Numba twins: each kernel as the plainest loop that gives the same bits.

They are what a reader reads first, and what runs where no compiled level exists. A twin is serial: tiles are handed out
by `medfast._parallel`, as to the compiled levels.
"""

from numba import njit

kernel = njit(cache=True, nogil=True, error_model="numpy")
"""How every twin is compiled: cached on disk, without the GIL, dividing as C does; never with fastmath (other bits)."""
