"""What commands show: notes, tables, JSON, a progress bar."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from manifoldconv.surface.surface import MeshSurface

# Of a table that is written to a file or a pipe, where there is no window to fit.
WIDTH_WITHOUT_TERMINAL = 110


@contextlib.contextmanager
def collected_notes() -> Iterator[list[str]]:
    """The package's warnings as sentences: they are shown when the work is done, not when it fails."""
    from manifoldconv.errors import AccuracyWarning

    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", AccuracyWarning)
        try:
            yield notes
        finally:
            notes += [str(warning.message) for warning in caught]


def show_notes(notes: list[str]) -> None:
    """One line each on standard error; each sentence once."""
    for note in dict.fromkeys(notes):
        print(f"note: {' '.join(note.split())}", file=sys.stderr)


def show_table(title: str, rows: Mapping[str, Any]) -> None:
    """Names and values in two columns on standard output."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, plain(value))
    # Printed by us: a reader that has gone (`| head`) is then ours to deal with, too.
    with console.capture() as text:
        console.print(f"[bold]{_escaped(title)}[/bold]")
        console.print(table)
    print("\n".join(line.rstrip() for line in text.get().splitlines()))


def plain(value: Any) -> str:
    """A value as a person reads it, safe for rich."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return _escaped(str(value))


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def show_json(content: Mapping[str, Any]) -> None:
    """The content on standard output, and nothing else."""
    print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


@contextlib.contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A function (done, total) that moves a bar on standard error; silent where that is no terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    silent = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """A function that gives the seconds since the block was entered, up to its end."""
    start, end = time.perf_counter(), 0.0
    try:
        yield lambda: (end or time.perf_counter()) - start
    finally:
        end = time.perf_counter()


def load(path: Path, notes: list[str]) -> MeshSurface:
    """The mesh of a file; what a user should know about how it was taken goes to the notes."""
    from manifoldconv.surface.load import load_mesh

    surface = load_mesh(path)
    notes += [] if surface.file is None else [f"{path}: {notice}" for notice in surface.file.notices]
    mesh = surface.connectivity
    lonely = int((~mesh.referenced).sum())
    if lonely:
        are = "vertex belongs" if lonely == 1 else "vertices belong"
        notes.append(f"{path}: {lonely} {are} to no face; kept, with a response of 0")
    return surface
