"""`manifoldconv exp`: geodesics from a vertex, and the circles of the exponential disc."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import PICTURE_ENDINGS, Writer, check_outputs, write_together
from manifoldconv.cli.report import collected_notes, load, show_json, show_notes, show_table

if TYPE_CHECKING:
    from manifoldconv.plot import Camera
    from manifoldconv.surface.surface import MeshSurface

CURVE_ENDINGS = (".obj", ".csv")

Azimuth = Annotated[
    float | None,
    typer.Option(help="Of the camera, in degrees round the upward axis. Default: facing the vertex."),
]
Elevation = Annotated[
    float | None,
    typer.Option(help="Of the camera, in degrees above the horizon. Default: facing the vertex."),
]


def exponential(
    mesh: options.Mesh,
    vertex: Annotated[int, typer.Option(help="The vertex that the geodesics start from, counted from 0.")],
    radius: options.Radius = "8e",
    rays: Annotated[int, typer.Option(min=1, max=10_000, help="How many geodesics, at equal angles.")] = 16,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The curves: .obj (polylines) or .csv (one row a point)."),
    ] = None,
    picture: options.Picture = None,
    json: options.Json = False,
    azimuth: Azimuth = None,
    elevation: Elevation = None,
    up: options.Upward = options.UpwardAxis.y,
) -> None:
    """Trace geodesics from a vertex and draw the exponential disc round it.

    Angle 0 is the first axis of the vertex's frame. A geodesic that meets the boundary stops there.
    """
    from manifoldconv.cli.disc import ExponentialDisc

    check_outputs([("--out", out, CURVE_ENDINGS), ("--picture", picture, PICTURE_ENDINGS)], [mesh])
    with collected_notes() as notes:
        surface = load(mesh, notes)
        length = options.read_length("radius", radius, surface)
        disc = ExponentialDisc.trace(surface, vertex, length, rays)
    figures = {"mesh": str(mesh), **disc.figures()}
    outputs: list[tuple[Path, Writer]] = []
    if out is not None:
        outputs.append((out, disc.write))
    if picture is not None:
        view = facing(surface, vertex, azimuth, elevation, up)
        outputs.append((picture, lambda path: disc.draw(path, surface, view)))
    write_together(outputs)
    figures["outputs"] = [str(path) for path, _ in outputs]
    figures["notes"] = list(dict.fromkeys(notes))
    if json:
        show_json(figures)
        return
    show_table(f"exponential map at vertex {vertex} of {mesh}", _rows(figures))
    show_notes(notes)


def facing(
    surface: MeshSurface, vertex: int, azimuth: float | None, elevation: float | None, up: options.UpwardAxis
) -> Camera:
    """A camera that looks at a vertex along its normal, where the angles are not given."""
    x, y, z = surface.embedding.vertex_normals[vertex].tolist()
    across, upward, towards = (x, y, z) if up == options.UpwardAxis.y else (x, z, -y)
    # Not from straight above or below, where the upward axis would point at the viewer.
    height = max(-60.0, min(60.0, math.degrees(math.asin(max(-1.0, min(1.0, upward))))))
    return options.camera(
        math.degrees(math.atan2(across, towards)) if azimuth is None else azimuth,
        height if elevation is None else elevation,
        up,
    )


def _rows(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures for people."""
    lengths = [ray["length"] for ray in figures["rays"]]
    stopped = len(lengths) - figures["complete"]
    return {
        "radius": figures["radius"],
        "geodesics": f"{len(lengths)}, {stopped} of them stopped at the boundary"
        if stopped
        else len(lengths),
        "lengths": f"{min(lengths):.6g} to {max(lengths):.6g}",
        "end points": "; ".join(
            f"({', '.join(f'{x:.4g}' for x in ray['end'])})" for ray in figures["rays"][:4]
        )
        + (f"; and {len(lengths) - 4} more (--json shows all)" if len(lengths) > 4 else ""),
        "written": ", ".join(figures["outputs"]) or "nothing; --picture FILE draws it",
    }
