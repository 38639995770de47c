"""`manifoldconv cache`: what is kept from earlier runs, and away with it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.report import show_json, show_table

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def cache(
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Default: the environment variable MANIFOLDCONV_CACHE, or the system's place."
        ),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Remove the files that were not used for the longest time, until the rest has at most this size: "
            "5GB, 500MB, 0.",
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all that the cache has kept.")] = False,
    json: options.Json = False,
) -> None:
    """Show what the cache of pullbacks and operators holds, or remove it. No other file is touched."""
    from manifoldconv.storage import Cache, default_folder

    allowed = None if limit is None else read_size(limit)
    place = default_folder() if folder is None else folder
    if place.exists() and not place.is_dir():
        raise NotADirectoryError(f"--folder {place}: is no folder")
    kept = Cache(place)
    removed: list[Path] = []
    if clear:
        removed = kept.clear()
    elif allowed is not None:
        removed = kept.trim(allowed)
    entries = kept.entries()
    total = sum(entry.size for entry in entries)
    if json:
        files = [
            {"name": e.path.name, "kind": e.kind, "about": e.about, "bytes": e.size, "used": e.used}
            for e in entries
        ]
        names = [path.name for path in removed]
        show_json({"folder": str(place), "bytes": total, "files": files, "removed": names})
        return
    rows: dict[str, Any] = {}
    for number, entry in enumerate(entries, start=1):
        age = age_in_words(time.time() - entry.used)
        rows[f"{number}"] = f"{size_in_words(entry.size)}, used {age} ago, {entry.kind}: {entry.about}"
    if removed:
        rows["removed"] = f"{len(removed)} file{'s' * (len(removed) > 1)}"
    rows["together"] = f"{len(entries)} file{'s' * (len(entries) != 1)}, {size_in_words(total)}"
    show_table(f"cache in {place}", rows)


def read_size(text: str) -> int:
    """Bytes from "5GB", "500 MB" or "0"; `ValueError` for anything else."""
    plain = text.strip().upper()
    number = plain.rstrip("KMGTB ")
    factor = UNITS.get(plain[len(number) :].strip())
    try:
        size = float(number) * factor if factor is not None else math.nan
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise ValueError(f"--limit must be a size such as 5GB, 500MB or 0; got {text!r}")
    return int(size)


def size_in_words(size: int) -> str:
    """Three digits with a unit.

    >>> size_in_words(141_589_312)
    '142 MB'
    """
    for unit in ("B", "KB", "MB"):
        if size < 999.5 * UNITS[unit]:
            return f"{size / UNITS[unit]:.3g} {unit}"
    return f"{size / UNITS['GB']:.4g} GB"


def age_in_words(seconds: float) -> str:
    """The largest unit that fits.

    >>> age_in_words(7300)
    '2 h'
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
