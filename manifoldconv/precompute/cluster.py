"""The files of a corpus on a Dask cluster, whose scheduler gives the work of a dead worker to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from manifoldconv.precompute.job import Outcome, Recipe, work_on

# Seconds in which a scheduler must answer, and have a worker.
PATIENCE = 15.0


def on_cluster(
    files: Sequence[str], recipe: Recipe, folder: str, token: str, address: str, patience: float = PATIENCE
) -> Iterator[Outcome]:
    """Outcomes as they come.

    A worker that dies loses what it was told to do; the scheduler gives that to another. As `work_on` leaves a result
    that is there alone, what was finished is not written again.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise ImportError(
            "a scheduler needs the package distributed: pip install 'manifoldconv[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=patience, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise OSError(f"no scheduler answers at {address!r}: {' '.join(str(error).split())}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            raise OSError(f"the scheduler at {address!r} has no workers") from None
        # Not pure: what a task does is to write a file, so equal calls of another run must not stand for it.
        futures = client.map(
            work_on,
            files,
            recipe=recipe,
            folder=folder,
            token=token,
            pure=False,
            retries=0,
            key="manifoldconv",
        )
        names = dict(zip((future.key for future in futures), files, strict=True))
        for future in as_completed(futures, loop=client.loop):
            file = names[future.key]
            if future.status == "finished":
                yield future.result()
                continue
            if future.status == "error":
                came = future.exception()
                died = isinstance(came, KilledWorker)
                reason = (
                    "the workers that worked on it died (killed, or out of memory?)" if died else str(came)
                )
            else:
                reason = f"the scheduler at {address} gave it up ({future.status})"
            yield Outcome(file, "failed", reason=f"{file}: {' '.join(reason.split())}")
