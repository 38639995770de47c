"""The repairs that were asked for, one after the other, with one map from the old mesh to the new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from manifoldconv.surface.io import MeshFile
from manifoldconv.surface.io.mesh_file import others
from manifoldconv.surface.repair.degenerate import flip_degenerate_faces, remove_degenerate_faces
from manifoldconv.surface.repair.diagnose import KINDS, counted
from manifoldconv.surface.repair.edit import Edit, composed, unchanged
from manifoldconv.surface.repair.merge import merge_duplicate_vertices
from manifoldconv.surface.repair.options import Repairs
from manifoldconv.surface.repair.remove import (
    drop_unreferenced_vertices,
    remove_duplicate_faces,
    remove_repeated_indices,
)
from manifoldconv.surface.repair.result import RepairResult, RepairStep, first_partner
from manifoldconv.surface.repair.sheets import split_nonmanifold_edges, split_pinched_vertices
from manifoldconv.surface.repair.winding import turn_badly_wound_faces

Array = np.ndarray

# Places that a sentence of the report names.
SHOWN = 3

# What was done about each fault, after "2 vertices at the place of another" or the like; and what its places
# are.
_DONE = {
    "duplicate_vertices": "merged with the first there",
    "repeated_indices": "removed",
    "duplicate_faces": "removed",
    "degenerate_faces": "taken away",
    "nonmanifold_edges": "split into copies at one place, so that no edge has more than two",
    "pinched_vertices": "split, a copy at its place for each fan of faces",
    "winding": "turned",
    "unreferenced_vertices": "dropped",
}


def repair_mesh(mesh: MeshFile, repairs: Any = "all") -> RepairResult:
    """Repair a mesh as its file has it; the mesh itself is not changed.

    Args:
        mesh: from `read_mesh`.
        repairs: "all", names of repairs, or a `Repairs`; they are made in the order of its attributes.

    Returns:
        The new vertices and faces, the maps between old and new ones, and the report.

    Raises:
        ValueError: for names that are no repairs.

    Example:
        >>> import pathlib, tempfile
        >>> from manifoldconv.surface.io import read_mesh
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "seam.off"
        >>> points = "0 0 0\\n1 0 0\\n1 1 0\\n0 0 0\\n1 1 0\\n0 1 0\\n"
        >>> _ = path.write_text(f"OFF 6 2 0\\n{points}3 0 1 2\\n3 3 4 5\\n")
        >>> result = repair_mesh(read_mesh(path), "duplicate_vertices")
        >>> result.faces.tolist(), result.vertex_map.tolist()
        ([[0, 1, 2], [0, 2, 3]], [0, 1, 2, 0, 2, 3])
        >>> result.report[0].text.partition(": ")[0]
        '2 vertices at the place of another were merged with the first there'
        >>> result.push(np.array([0.0, 1, 2, 4, 4, 5]))
        array([2., 1., 3., 5.])
    """
    wanted = Repairs.of(repairs)
    state = unchanged(mesh.vertices, mesh.faces)
    report = []
    for name in wanted.asked():
        if name == "polygons":
            report.append(_polygons(mesh))
            continue
        step = _STEPS[name](state.vertices, state.faces, wanted)
        report.append(_sentence(mesh, name, step, state))
        state = Edit(
            step.vertices,
            step.faces,
            composed(state.vertex_pairs, step.vertex_pairs, len(state.vertices)),
            composed(state.face_pairs, step.face_pairs, len(state.faces)),
            step.touched,
        )
    return RepairResult(
        vertices=state.vertices,
        faces=state.faces,
        vertex_map=first_partner(state.vertex_pairs, len(mesh.vertices)),
        face_map=first_partner(state.face_pairs, len(mesh.faces)),
        vertex_pairs=state.vertex_pairs,
        face_pairs=state.face_pairs,
        report=tuple(report),
    )


def repaired_file(mesh: MeshFile, result: RepairResult) -> MeshFile:
    """The repaired mesh with the signals of the file carried over; its messages keep the places in the file.

    What was done is in `notices`, and the result itself in `repair`.
    """
    face = first_partner(result.face_pairs[:, ::-1], len(result.faces))
    vertex = first_partner(result.vertex_pairs[:, ::-1], len(result.vertices))
    done = tuple(step.text for step in result.report if step.count)
    asked = {step.name for step in result.report}
    kept = () if "polygons" not in asked else polygon_notices(mesh)
    return replace(
        mesh,
        vertices=result.vertices,
        faces=result.faces,
        vertex_data={name: result.push(values) for name, values in mesh.vertex_data.items()},
        face_data={name: result.push(values, "faces") for name, values in mesh.face_data.items()},
        face_polygon=mesh.face_polygon[face],
        notices=tuple(notice for notice in mesh.notices if notice not in kept) + done,
        vertex_line=None if mesh.vertex_line is None else mesh.vertex_line[vertex],
        face_line=None if mesh.face_line is None else mesh.face_line[face],
        repair=result,
    )


_STEPS: dict[str, Callable[[Array, Array, Repairs], Edit]] = {
    "duplicate_vertices": lambda v, f, wanted: merge_duplicate_vertices(v, f, wanted.tolerance),
    "repeated_indices": lambda v, f, wanted: remove_repeated_indices(v, f),
    "duplicate_faces": lambda v, f, wanted: remove_duplicate_faces(v, f),
    "degenerate_faces": lambda v, f, wanted: (
        remove_degenerate_faces(v, f) if wanted.degenerate_faces == "remove" else flip_degenerate_faces(v, f)
    ),
    "nonmanifold_edges": lambda v, f, wanted: split_nonmanifold_edges(v, f),
    "pinched_vertices": lambda v, f, wanted: split_pinched_vertices(v, f),
    "winding": lambda v, f, wanted: turn_badly_wound_faces(v, f),
    "unreferenced_vertices": lambda v, f, wanted: drop_unreferenced_vertices(v, f),
}


def polygon_notices(mesh: MeshFile) -> tuple[str, ...]:
    """The notices of a file that say that its polygons were split."""
    return tuple(
        notice for notice in mesh.notices if notice.endswith("triangles") and " split into " in notice
    )


def _polygons(mesh: MeshFile) -> RepairStep:
    """Reading has split the polygons; the report says so."""
    count = int((np.bincount(mesh.face_polygon) > 1).sum())
    text = "; ".join(polygon_notices(mesh)) or "0 polygons were split into triangles"
    return RepairStep("polygons", count, text)


def _sentence(mesh: MeshFile, name: str, step: Edit, before: Edit) -> RepairStep:
    """What a step did, with its first places in the numbers of the file."""
    noun, rest = KINDS[name].noun, KINDS[name].rest
    if name == "nonmanifold_edges":
        noun, rest = "vertex", "on edges with more than two faces"
    on_vertices = noun.endswith("vertex")
    pairs = before.vertex_pairs if on_vertices else before.face_pairs
    count = len(before.vertices) if on_vertices else len(before.faces)
    origin = first_partner(pairs[:, ::-1], count)[step.touched]
    where = mesh.where_vertex if on_vertices else mesh.where
    places = ", ".join(where(int(item)) for item in origin[:SHOWN])
    number = len(step.touched)
    end = f": {places}{others(number - SHOWN)}" if number else ""
    done = f"{'was' if number == 1 else 'were'} {_DONE[name]}"
    return RepairStep(name, number, f"{counted(number, noun, rest)} {done}{end}")
