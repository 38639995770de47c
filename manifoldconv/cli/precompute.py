"""`manifoldconv precompute`: the pullbacks of many meshes, in parallel and resumable."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import write_together
from manifoldconv.cli.report import progress_bar, show_json, show_notes, show_table, stopwatch

if TYPE_CHECKING:
    from manifoldconv.precompute import Outcome, Recipe

REPORT = "report.json"


def precompute(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Meshes, or folders: all meshes in them.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results; made when needed.")],
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Of a Dask scheduler (tcp://host:8786) whose workers do the work."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine. Default: one for each core.")
    ] = None,
    radius: options.Radius = "4e",
    radial: Annotated[int, typer.Option(min=1, help="Nodes along the radius.")] = 4,
    angular: Annotated[int, typer.Option(min=1, help="Nodes round the circle.")] = 24,
    sites: Annotated[
        options.SiteChoice, typer.Option(help="Where the field lives.")
    ] = options.SiteChoice.vertices,
    boundary: Annotated[
        options.BoundaryPolicy, typer.Option(help="What the field is outside the surface.")
    ] = options.BoundaryPolicy.zero,
    local: Annotated[
        bool,
        typer.Option(
            "--local-frames",
            help="Each site's own frame, for kernels that no rotation changes: cube corners, too.",
        ),
    ] = False,
    json: options.Json = False,
) -> int:
    """Build and save the pullbacks of many meshes; what is there already is kept, so that a run can be resumed.

    Exit status 2 where a file failed; the others are done all the same. DIR/report.json says what became of each.
    """
    from manifoldconv.precompute import Recipe
    from manifoldconv.precompute import precompute as run

    length, in_edges = read_radius(radius)
    recipe = Recipe(
        length, in_edges, radial, angular, sites.value, boundary.value, "local" if local else "parallel"
    )
    meshes = [mesh for path in files for mesh in meshes_of(path)]
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out {out}: is no folder")
    with stopwatch() as seconds, progress_bar("building pullbacks") as progress:
        try:
            outcomes = run(meshes, out, recipe, workers=workers, scheduler=scheduler, progress=progress)
        except KeyboardInterrupt:
            print(
                f"manifoldconv: interrupted; what is finished is in {out}, the same command goes on from there",
                file=sys.stderr,
            )
            return 130
    figures = report_of(outcomes, recipe, seconds())
    write_together([(out / REPORT, lambda path: write_report(path, figures))])
    if json:
        show_json(figures)
    else:
        counts = {name: figures[name] for name in ("built", "kept", "failed")}
        show_table(f"pullbacks in {out}", {**counts, "seconds": figures["seconds"]})
    show_notes([f"{one.file}: {note}" for one in outcomes for note in one.notes])
    for outcome in outcomes:
        if outcome.state == "failed":
            print(f"manifoldconv: error: {shell_words(outcome.reason or '')}", file=sys.stderr)
    return 2 if figures["failed"] else 0


def read_radius(text: str) -> tuple[float, bool]:
    """A length, and whether it is in mean edge lengths of each mesh ("4e") or in units of the meshes ("0.1")."""
    in_edges = text[-1:] in ("e", "E")
    try:
        length = float(text[:-1] if in_edges else text)
    except ValueError:
        length = math.nan
    if not 0 < length < math.inf:
        raise ValueError(
            "--radius must be a positive length, such as 0.1 (units of the mesh) or 4e (mean edge lengths); "
            f"got {text!r}"
        )
    return length, in_edges


def meshes_of(path: Path) -> list[Path]:
    """A file itself, or the meshes in a folder by name; `ValueError` for a folder that holds none."""
    if not path.is_dir():
        return [path]
    from manifoldconv.surface.io.read import mesh_endings

    found = sorted(one for one in path.iterdir() if one.suffix.lower() in mesh_endings() and one.is_file())
    if not found:
        raise ValueError(f"{path}: there is no mesh in this folder")
    return found


def shell_words(reason: str) -> str:
    """A reason with the ways out that this command has."""
    ways = {'sites("faces")': "--sites faces", 'frames="local"': "--local-frames"}
    for name, option in ways.items():
        reason = reason.replace(name, option)
    return reason


def write_report(path: Path, figures: dict[str, Any]) -> None:
    """The figures as JSON."""
    path.write_text(dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def report_of(outcomes: list[Outcome], recipe: Recipe, seconds: float) -> dict[str, Any]:
    """What `--json` prints: counts, and what became of each file."""
    states = [outcome.state for outcome in outcomes]
    return {
        "recipe": asdict(recipe),
        "built": states.count("built"),
        "kept": states.count("kept"),
        "failed": states.count("failed"),
        "seconds": round(seconds, 3),
        "files": [asdict(outcome) for outcome in outcomes],
    }
