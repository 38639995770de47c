"""`manifoldconv info`: what a mesh is, in figures."""

from __future__ import annotations

from typing import Any

from manifoldconv.cli import options
from manifoldconv.cli.report import collected_notes, load, show_json, show_notes, show_table


def info(mesh: options.Mesh, json: options.Json = False) -> None:
    """Show what a mesh is: its size, its topology, its curvature, and what its file holds."""
    with collected_notes() as notes:
        surface = load(mesh, notes)
        figures = {"file": str(mesh), **mesh_figures(surface)}
    if json:
        show_json({**figures, "notes": notes})
        return
    rows: dict[str, Any] = {name.replace("_", " "): value for name, value in figures.items()}
    rows["edge length"] = "min {:.4g}, mean {:.4g}, max {:.4g}".format(
        *(rows.pop(f"{name} edge") for name in ("min", "mean", "max"))
    )
    rows["genus"] = "- (not orientable)" if figures["genus"] is None else figures["genus"]
    for kind in ("vertex properties", "face properties"):
        held = rows.pop(kind)
        if held:
            rows[kind] = ", ".join(f"{name} ({size})" if size > 1 else name for name, size in held.items())
    show_table(rows.pop("file"), rows)
    show_notes(notes)


def mesh_figures(surface: Any) -> dict[str, Any]:
    """The figures of `info --json`: counts, topology (of the referenced vertices), lengths, properties."""
    from manifoldconv.signals import properties

    connectivity, tables = surface.connectivity, surface.tables
    held = properties(surface)
    lengths = tables.chart[:, 0]
    return {
        "vertices": surface.n_vertices,
        "faces": len(surface.faces),
        "edges": connectivity.n_edges,
        "components": connectivity.n_components,
        "boundary_loops": connectivity.n_boundary_loops,
        "euler_characteristic": connectivity.euler_characteristic,
        "genus": connectivity.genus,
        "orientable": connectivity.orientable,
        "area": surface.area,
        "gauss_bonnet_residual": surface.gauss_bonnet_residual,
        "unreferenced_vertices": int((~connectivity.referenced).sum()),
        "min_edge": float(lengths.min()),
        "mean_edge": surface.mean_edge_length,
        "max_edge": float(lengths.max()),
        "vertex_properties": held["vertices"],
        "face_properties": held["faces"],
    }
