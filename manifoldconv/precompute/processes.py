"""The files of a corpus in processes of this machine, of which any may die."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from manifoldconv.precompute.job import Outcome, Recipe, work_on

# How often a file may be in work when its process dies before it is given up.
TRIES = 2


def in_processes(
    files: Sequence[str], recipe: Recipe, folder: str, token: str, workers: int | None
) -> Iterator[Outcome]:
    """Outcomes as they come.

    When a process dies, its pool tells only that one did. So no more files are handed out than there are processes,
    and those that were in work are suspects: each is tried again alone, where a second death convicts it.
    """
    cores = _cores()
    count = min(len(files), cores if workers is None else workers)
    deaths: dict[str, int] = dict.fromkeys(files, 0)
    waiting, suspects = deque(files), deque[str]()
    while waiting or suspects:
        alone = not waiting
        queue, size = (suspects, 1) if alone else (waiting, count)
        threads = max(1, cores // size)
        # Not forked: compiled parallel code does not survive that.
        pool = ProcessPoolExecutor(size, get_context("spawn"), initializer=_use_threads, initargs=(threads,))
        running: dict[Future[Outcome], str] = {}
        try:
            while queue or running:
                while queue and len(running) < size:
                    running[pool.submit(work_on, queue[0], recipe, folder, token)] = queue[0]
                    queue.popleft()
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()  # before it is forgotten: raises where the process died
                    del running[future]
        except BrokenProcessPool:
            for future, file in running.items():
                if future.done() and future.exception() is None:
                    yield future.result()
                    continue
                deaths[file] += 1
                if deaths[file] < TRIES:
                    suspects.append(file)
                else:
                    yield Outcome(file, "failed", reason=f"{file}: {_DIED}")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_DIED = f"the process that worked on it died {TRIES} times (killed, or out of memory?)"


def _use_threads(count: int) -> None:
    """Each process gets its share of the cores."""
    import numba
    import torch

    numba.set_num_threads(min(count, numba.get_num_threads()))
    torch.set_num_threads(count)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
