"""One process, or one of several that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is.

    Attributes:
        rank: 0 to count - 1; only rank 0 writes files.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes; each gets it."""
        if self.count > 1:
            torch.distributed.all_reduce(values)
        return values

    def sum_counts(self, counts: Tensor | None) -> Tensor:
        """The sum of square tables of counts, some of which may be missing (a process without a share)."""
        if self.count > 1:
            tables: list[Tensor | None] = [None] * self.count
            torch.distributed.all_gather_object(tables, counts)
            counts = sum((table for table in tables if table is not None), torch.zeros((), dtype=torch.int64))
        if counts is None:
            raise ValueError("no process has counted anything")
        return counts


@contextmanager
def processes() -> Iterator[Processes]:
    """The processes of this run: those of `torchrun` (by its environment variables), else this one alone.

    They wait for one another for MANIFOLDCONV_TIMEOUT seconds at most (1800). Uses NCCL where every process has a
    GPU of its own, else gloo. A group that exists already is used as it is.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        yield Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())
        return
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    from torch.distributed.rendezvous import rendezvous  # where torch was built with it

    on_gpus = torch.cuda.is_available() and torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    # A connection that is not made in time is an error, so that torchrun can start the processes again.
    limit = timedelta(seconds=float(os.environ.get("MANIFOLDCONV_TIMEOUT", "1800")))
    store, rank, count = next(rendezvous("env://", timeout=limit))
    # Processes that torchrun starts again get the store of those before them; read there, the address of one that is
    # dead makes two processes wait for each other to connect.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    torch.distributed.init_process_group(
        "nccl" if on_gpus else "gloo",
        store=torch.distributed.PrefixStore(f"attempt {attempt}", store),
        rank=rank,
        world_size=count,
        timeout=limit,
    )
    try:
        yield Processes(rank, count)
    finally:
        torch.distributed.destroy_process_group()
