"""Work on rows, shared out over threads. Which thread takes a share changes no bits: each row is made by one call.

The threads are those of torch where its OpenMP can be called. They go on running for some milliseconds after their last
work, waiting for more, and threads of one's own would have to share the processors with them. Elsewhere, and in a
forked process, which lacks the threads of its parent, they are Python's. Threads take share after share, so that one
which has to wait for a processor keeps no other waiting.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

# Numbers to read that are worth a thread: about 50 µs.
WORK_FOR_A_THREAD = 100_000
# Shares for each thread: the last one to finish keeps the others waiting, and each call costs some microseconds.
SHARES = 8

# Makes the rows from start to stop.
Rows = Callable[[int, int], object]


def in_shares(prepare: Callable[[], Rows], count: int, work: int) -> None:
    """Rows 0 to `count`, by one function for each thread, which `prepare` makes with the thread's own memory.

    As many threads as torch has, fewer where there is little work, counted in numbers that are read.
    """
    threads = max(1, min(torch.get_num_threads(), count, work // WORK_FOR_A_THREAD))
    if threads == 1:
        prepare()(0, count)
        return
    shares = min(count, threads * SHARES)
    turns = iter([*pairwise(count * share // shares for share in range(shares + 1))])
    if threads == torch.get_num_threads() and os.getpid() == _PROCESS and _openmp() is not None:
        _in_team(lambda: _take(prepare, turns), threads)
    else:  # a smaller team would end the threads that torch needs next
        _in_pool(lambda: _take(prepare, turns), threads)


def _take(prepare: Callable[[], Rows], turns: Iterator[tuple[int, int]]) -> None:
    rows = prepare()
    for start, stop in turns:
        rows(start, stop)


# ---------------------------------------------------------------- threads of torch

_PROCESS = os.getpid()
_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@lru_cache(maxsize=1)
def _openmp() -> Any:
    """`GOMP_parallel(function, data, threads, flags)` of the OpenMP that torch uses; None where there is none."""
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        found = ctypes.CDLL(
            str(library)
        ).GOMP_parallel  # looked up in the libraries that this one is linked to, too
    except (OSError, AttributeError):
        return None
    found.argtypes, found.restype = [_BODY, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return found


def _in_team(task: Callable[[], None], threads: int) -> None:
    raised: list[BaseException] = []

    def body(_: Any) -> None:
        try:
            task()
        except BaseException as error:  # nothing can be raised through the library: it is raised again below
            raised.append(error)

    _openmp()(_BODY(body), None, threads, 0)
    if raised:
        raise raised[0]


# ---------------------------------------------------------------- threads of Python


def _in_pool(task: Callable[[], None], threads: int) -> None:
    futures = [_pool(os.getpid(), threads - 1).submit(task) for _ in range(threads - 1)]
    task()
    for future in futures:
        if not future.cancel():  # one that has not begun by now has nothing left to do
            future.result()


@lru_cache(maxsize=8)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads that wait for work; those of a parent process do not live on in a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix="manifoldconv")
