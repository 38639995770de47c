"""A corpus of mesh files: handed out to processes or to a cluster, collected, and cleaned up after."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from manifoldconv.precompute.job import Outcome, Recipe
from manifoldconv.storage.files import PART

Progress = Callable[[int, int], None]


def precompute(
    files: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Build and save the pullbacks of many mesh files.

    A file whose result is there already, from the same bytes and the same recipe, is not built again: what was
    interrupted is resumed by running it again. A file that fails does not stop the others. A worker process that dies
    (killed, out of memory) loses nothing that was finished; its file is tried once more, alone, and is then reported.

    Args:
        files: meshes; one that is named twice is done once.
        folder: of the results, `NAME-DIGITS.safetensors` each; made when it is needed. With a scheduler it must be one
            that all its workers see under this name, and so must the files.
        recipe: what is built; default `Recipe()`.
        workers: processes on this machine; default one for each core, but not more than files.
        scheduler: the address of a Dask scheduler ("tcp://host:8786"), whose workers are then used instead.
        progress: is called with the number of files that are done and of all.

    Returns:
        one outcome for each file, in their order.

    Raises:
        ValueError: where there are no files or no workers.
        OSError: where the folder cannot be made, or no scheduler answers.
        ImportError: for a scheduler without the package `distributed`.
    """
    names = list(dict.fromkeys(os.path.abspath(file) for file in files))
    if not names:
        raise ValueError("there are no files to work on")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1; got {workers}")
    home = Path(os.path.abspath(folder))
    home.mkdir(parents=True, exist_ok=True)
    recipe = Recipe() if recipe is None else recipe
    token = secrets.token_hex(6)
    try:
        arriving: Iterator[Outcome]
        if scheduler is not None:
            from manifoldconv.precompute.cluster import on_cluster

            arriving = on_cluster(names, recipe, str(home), token, scheduler)
        else:
            from manifoldconv.precompute.processes import in_processes

            arriving = in_processes(names, recipe, str(home), token, workers)
        found = collected(arriving, len(names), progress)
    finally:
        for left in home.glob(f".{token}*{PART}"):  # of workers that were killed while they wrote
            left.unlink(missing_ok=True)
    return [found[name] for name in names]


def collected(arriving: Iterable[Outcome], total: int, progress: Progress | None) -> dict[str, Outcome]:
    """Outcomes by file, as they come."""
    found: dict[str, Outcome] = {}
    if progress is not None:
        progress(0, total)
    for outcome in arriving:
        found[outcome.file] = outcome
        if progress is not None:
            progress(len(found), total)
    return found


def failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that failed."""
    return [outcome for outcome in outcomes if outcome.state == "failed"]
