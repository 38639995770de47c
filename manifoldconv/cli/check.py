"""`manifoldconv check`: what is wrong with a mesh, what that would do, and the mesh repaired."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import check_outputs
from manifoldconv.cli.report import show_json, show_notes

if TYPE_CHECKING:
    from manifoldconv.surface.io import MeshFile
    from manifoldconv.surface.repair import Fault, RepairResult


def check(
    mesh: options.Mesh,
    repair: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write the repaired mesh: .ply (with signals), .obj or .off."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="With --repair: these repairs alone, separated by commas."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="LENGTH", help="How far apart duplicate vertices may be; 0: nowhere.")
    ] = 0.0,
    json: options.Json = False,
) -> None:
    """Show what is wrong with a mesh, where, and what that would do to exp, transport and holonomy."""
    from dataclasses import replace

    from manifoldconv.surface.io import read_mesh
    from manifoldconv.surface.repair import Repairs, diagnose, repair_mesh

    if only is not None and repair is None:
        raise ValueError("--only says which repairs --repair makes; give --repair OUT too")
    names = "all" if only is None else [name.strip() for name in only.split(",")]
    wanted = replace(Repairs.of(names), tolerance=tolerance)
    check_outputs([("--repair", repair, [".ply", ".obj", ".off"])], [mesh])
    file = read_mesh(mesh)
    faults = diagnose(file, tolerance)
    result = None
    if repair is not None:
        result = repair_mesh(file, wanted)
        _write(repair, file, result)
    if json:
        show_json(_as_json(mesh, file, faults, result, repair))
        return
    for line in _lines(mesh, file, faults):
        print(line)
    if result is not None:
        for step in result.report:
            if step.count:
                print(f"repaired: {step.text}")
        print(f"wrote {repair}: {len(result.vertices)} vertices, {len(result.faces)} faces")
    show_notes([f"{mesh}: {notice}" for notice in file.notices])


def _lines(path: Path, file: MeshFile, faults: list[Fault]) -> list[str]:
    """The faults as a person reads them."""
    size = f"{path}: {len(file.vertices)} vertices, {len(file.faces)} faces"
    damaged = any(fault.repairable for fault in faults)
    lines = [size if damaged else f"{size}; nothing is wrong"]
    for fault in faults:
        lines += [f"- {fault}", f"  {fault.consequence}"]
    refused = [fault.name for fault in faults if fault.refused]
    if refused:
        lines += [f"It can't be used as it is ({', '.join(refused)}); --repair OUT writes a mesh that can."]
    return lines


def _write(path: Path, file: MeshFile, result: RepairResult) -> None:
    """The repaired mesh, with the signals where the format has room for them."""
    from manifoldconv.surface.io import write_mesh
    from manifoldconv.surface.repair import repaired_file

    mended = repaired_file(file, result)
    comments = [step.text for step in result.report if step.count]
    whole = path.suffix.lower() == ".ply"
    write_mesh(
        path,
        mended.vertices,
        mended.faces,
        mended.vertex_data if whole else None,
        mended.face_data if whole else None,
        comments,
    )


def _as_json(
    path: Path, file: MeshFile, faults: list[Fault], result: RepairResult | None, out: Path | None
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "file": str(path),
        "vertices": len(file.vertices),
        "faces": len(file.faces),
        "usable": not any(fault.refused for fault in faults),
        "faults": [
            {
                "name": fault.name,
                "count": fault.count,
                "what": fault.what,
                "places": list(fault.places),
                "consequence": fault.consequence,
                "refused": fault.refused,
                "repairable": fault.repairable,
            }
            for fault in faults
        ],
        "notes": list(file.notices),
    }
    if result is not None:
        content["repair"] = {
            "file": str(out),
            "vertices": len(result.vertices),
            "faces": len(result.faces),
            "steps": [{"name": step.name, "count": step.count, "text": step.text} for step in result.report],
            "vertex_map": result.vertex_map.tolist(),
            "face_map": result.face_map.tolist(),
        }
    return content
