"""How the hot routines are compiled.

numba counts references to every array that a function is given or takes out of a tuple of arrays. Where a ray crosses a
triangle in 25 ns, two atomic operations for each of fifteen tables are most of the time, and threads wait for one
another's counters. Functions that neither allocate nor return arrays need no such counts: their caller holds them.
"""

from __future__ import annotations

from typing import Any

import numba

_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}

# For functions that allocate nothing and return numbers (or write to arrays that they were given).
leaf = numba.njit(**_OPTIONS)
# The same, copied into the caller: for the steps of an inner loop.
inlined_leaf = numba.njit(inline="always", **_OPTIONS)
# As `leaf`, called from Python by several threads at once: the others go on meanwhile.
threaded_leaf = numba.njit(nogil=True, **_OPTIONS)
