"""Options that several commands share, and how they are read."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from manifoldconv.plot import Camera
    from manifoldconv.surface.surface import MeshSurface


class BoundaryPolicy(StrEnum):
    """What the field is outside the surface."""

    zero = "zero"
    renormalise = "renormalise"
    reflect = "reflect"


class SiteChoice(StrEnum):
    """Where a field lives."""

    vertices = "vertices"
    faces = "faces"


class UpwardAxis(StrEnum):
    """The axis of the file that points upward."""

    y = "y"
    z = "z"


Mesh = Annotated[Path, typer.Argument(metavar="MESH", help="A triangle mesh: OBJ, PLY, OFF, STL, glTF, ...")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Picture = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw a picture: PNG, PDF, SVG or JPEG by the ending.")
]
Radius = Annotated[
    str,
    typer.Option(metavar="LENGTH", help="In units of the mesh, or in mean edge lengths: 4e is four of them."),
]
Azimuth = Annotated[float, typer.Option(help="Of the camera, in degrees round the upward axis.")]
Elevation = Annotated[float, typer.Option(help="Of the camera, in degrees above the horizon.")]
Upward = Annotated[UpwardAxis, typer.Option(help="The axis of the file that points upward in the picture.")]


def read_length(name: str, text: str, surface: MeshSurface) -> float:
    """A length from "0.1" (units of the mesh) or "4e"; `ValueError` unless it is positive and finite."""
    in_edges = text[-1:] in ("e", "E")
    factor, unit = (text[:-1], surface.mean_edge_length) if in_edges else (text, 1.0)
    try:
        length = float(factor) * unit
    except ValueError:
        length = math.nan
    if not 0 < length < math.inf:
        raise ValueError(
            f"--{name} must be a positive length, such as 0.1 (units of the mesh) or 4e (mean edge lengths); "
            f"got {text!r}"
        )
    return length


def read_lengths(surface: MeshSurface, **texts: str | None) -> dict[str, float | None]:
    """Several of them by name, None where none is given."""
    return {name: None if text is None else read_length(name, text, surface) for name, text in texts.items()}


def camera(azimuth: float, elevation: float, up: UpwardAxis) -> Camera:
    """The camera of the options."""
    from manifoldconv.plot import Camera

    if not (math.isfinite(azimuth) and math.isfinite(elevation)):
        raise ValueError(f"--azimuth and --elevation must be degrees; got {azimuth} and {elevation}")
    return Camera(azimuth=azimuth, elevation=elevation, up=up.value)
