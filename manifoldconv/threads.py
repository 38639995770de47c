"""How many threads a compiled routine gets: waiting for one another costs more than a small batch is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba


@contextmanager
def threads_for(count: int, *, few: int = 2000) -> Iterator[int]:
    """One thread for fewer than `few` items, else as many as numba has; of the calling thread only."""
    threads = numba.get_num_threads()
    chosen = 1 if count < few else threads
    numba.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        numba.set_num_threads(threads)
