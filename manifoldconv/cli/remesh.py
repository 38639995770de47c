"""`manifoldconv remesh`: more, fewer or better triangles, with the properties of the file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import check_outputs
from manifoldconv.cli.report import collected_notes, load, show_json, show_notes, show_table

if TYPE_CHECKING:
    from manifoldconv.surface.remesh import RemeshResult
    from manifoldconv.surface.surface import MeshSurface


def remesh(
    mesh: options.Mesh,
    subdivide: Annotated[
        int | None,
        typer.Option(metavar="N", help="Split each triangle into four, N times: the same surface."),
    ] = None,
    target_faces: Annotated[
        int | None, typer.Option(metavar="F", help="Contract edges until F faces are left: nearly the same.")
    ] = None,
    delaunay: Annotated[
        bool, typer.Option("--delaunay", help="Flip edges inside the surface: the same, better triangles.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The new mesh: .ply (with signals), .obj, .off; .npz for --delaunay."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Give a surface other triangles before convolving on it; its signals are carried over.

    The triangles of --delaunay lie bent over the old ones, and no mesh file holds such: .npz has their corners and
    their edge lengths, for MeshSurface.from_edge_lengths. Vertices and signals at them are those of MESH.
    """
    chosen = [subdivide is not None, target_faces is not None, delaunay]
    if sum(chosen) != 1:
        raise ValueError("choose one of --subdivide N, --target-faces F and --delaunay")
    if out is None and not delaunay:
        raise ValueError("the new mesh needs a place: give --out FILE")
    if delaunay and out is not None and out.suffix.lower() != ".npz":
        raise ValueError(
            f"--out {out}: the triangles of --delaunay are bent over the surface, and flat ones between the same "
            "corners would be another surface; name a file that ends in .npz, which holds faces and edge lengths"
        )
    check_outputs([("--out", out, [".npz"] if delaunay else [".ply", ".obj", ".off"])], [mesh])
    with collected_notes() as notes:
        result = _remeshed(load(mesh, notes), subdivide, target_faces)
        if out is not None:
            _write(out, result, notes)
    figures = _figures(result)
    if json:
        shown = {"file": str(mesh), "out": None if out is None else str(out)}
        show_json({**shown, "done": result.report, **figures, "notes": notes})
        return
    rows: dict[str, Any] = {"done": result.report}
    for name in figures["before"]:
        before, after = figures["before"][name], figures["after"][name]
        rows[name.replace("_", " ")] = f"{before:.6g} before, {after:.6g} after"
    if out is not None:
        rows["wrote"] = str(out)
    show_table(str(mesh), rows)
    show_notes(notes)


def _remeshed(surface: MeshSurface, times: int | None, target: int | None) -> RemeshResult:
    from manifoldconv.surface import remesh as way

    if times is not None:
        if times < 1:
            raise ValueError(f"--subdivide must be 1 or more; got {times}")
        return way.subdivide(surface, times)
    if target is not None:
        if target < 1:
            raise ValueError(f"--target-faces must be 1 or more; got {target}")
        return way.decimate(surface, target)
    return way.intrinsic_delaunay(surface)


def _write(path: Path, result: RemeshResult, notes: list[str]) -> None:
    """The new mesh; PLY with all properties, other formats without (and a note), .npz by faces and lengths."""
    import numpy as np

    from manifoldconv.surface.io import write_atomically, write_mesh

    surface = result.surface
    if surface.vertices is None:
        faces, lengths = surface.faces.numpy(), surface.tables.chart[:, 0].reshape(-1, 3)
        count = np.int64(surface.n_vertices)
        write_atomically(
            path, lambda stream: np.savez(stream, faces=faces, lengths=lengths, n_vertices=count)
        )
        return
    file = result.file()
    on_vertices = {} if file is None else file.vertex_data
    on_faces = {} if file is None else file.face_data
    if path.suffix.lower() != ".ply":
        left = sorted({*on_vertices, *on_faces})
        if left:
            notes.append(
                f"{path.suffix} has no room for the properties {', '.join(left)}; write .ply to keep them"
            )
        on_vertices, on_faces = {}, {}
    write_mesh(path, surface.vertices.numpy(), surface.faces.numpy(), on_vertices, on_faces, [result.report])


def _figures(result: RemeshResult) -> dict[str, Any]:
    return {
        "flips": result.flips,
        "blocked": result.blocked,
        "deviation": result.deviation,
        "before": _triangles(result.old),
        "after": _triangles(result.surface),
    }


def _triangles(surface: MeshSurface) -> dict[str, float]:
    """What a mesh's triangles are like: how many, how long, how thin (smallest angle, in degrees)."""
    return {
        "vertices": surface.n_vertices,
        "faces": len(surface.faces),
        "area": surface.area,
        "mean_edge": surface.mean_edge_length,
        "smallest_angle": math.degrees(float(surface.tables.angle.min())),
    }
