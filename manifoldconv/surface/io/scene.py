"""STL, glTF and whatever else the library trimesh reads (imported only here, and only when it is needed)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io.mesh_file import PolygonSoup, one_line, quiet
from manifoldconv.surface.io.properties import unit_colors

Array = np.ndarray


def scene_formats() -> list[str]:
    """The endings of the mesh formats that trimesh reads in this installation."""
    from trimesh.exchange.load import mesh_formats

    return sorted(mesh_formats() - {"xyz", "stl_ascii"})


def read_scene(path: Path) -> PolygonSoup:
    """All meshes of a file, one after the other, each moved to its place in the scene.

    STL repeats the corners of each triangle, so exactly equal positions are made one vertex there; every
    other format keeps its vertices. Raises `GeometryError` where trimesh cannot read the file.
    """
    import trimesh

    try:
        with quiet("trimesh"):
            scene = trimesh.load_scene(str(path), process=False)
        read = [_part(scene, node) for node in sorted(scene.graph.nodes_geometry, key=_order_of(scene))]
    except Exception as error:  # whatever a library says about a damaged file is the file's fault
        raise GeometryError(
            f"{path}: expected a {path.suffix} mesh, but it cannot be read ({one_line(error)}); "
            "the file is damaged, or not of this format"
        ) from error
    parts = [part for part in read if part is not None]
    vertices = np.concatenate([part[0] for part in parts] or [np.empty((0, 3))])
    offsets = np.cumsum(np.array([0, *(len(part[0]) for part in parts)]))
    faces = np.concatenate(
        [part[1] + offset for part, offset in zip(parts, offsets, strict=False)]
        or [np.empty((0, 3), np.int64)]
    )
    names = set.intersection(*(set(part[2]) for part in parts)) if parts else set()
    data = {name: np.concatenate([part[2][name] for part in parts]) for name in sorted(names)}
    notices: tuple[str, ...] = ()
    if len(parts) > 1:
        notices += (f"the {len(parts)} meshes of the scene were put together as one",)
    left = sorted(set().union(*(part[2] for part in parts)) - names)
    if left:
        notices += (f"not every mesh of the scene has {', '.join(left)}: not read",)
    if path.suffix.lower() == ".stl":
        _check_text_stl(path, len(faces))
        vertices, faces, notice = _merge_equal(vertices, faces)
        notices, data = notices + notice, {}
    return PolygonSoup(vertices, faces.reshape(-1), np.full(len(faces), 3, np.int64), data, notices=notices)


def _check_text_stl(path: Path, face_count: int) -> None:
    """Refuse a text STL that ends early or has facets that are no triangles: trimesh reads what it can."""
    data = path.read_bytes()
    if len(data) >= 84 and len(data) == 84 + 50 * struct.unpack("<I", data[80:84])[0]:
        return  # binary, of the size that it announces
    data = data.lower()
    facets, loops, corners = data.count(b"facet normal"), data.count(b"endloop"), data.count(b"vertex")
    if b"endsolid" not in data or not facets == loops == face_count or corners != 3 * facets:
        raise GeometryError(
            f"{path}: the text STL has {facets} facets with {corners} corners, {loops} of them closed, and "
            f"{'an' if b'endsolid' in data else 'no'} end; it is truncated or damaged, get another copy"
        )


def _order_of(scene: Any) -> Any:
    """Sorts nodes by the order in which the file defines their meshes, then by name: the same every time."""
    place = {name: index for index, name in enumerate(scene.geometry)}
    return lambda node: (place[scene.graph[node][1]], node)


def _part(scene: Any, node: str) -> tuple[Array, Array, dict[str, Array]] | None:
    """Vertices, faces and vertex data of one mesh in scene coordinates; None for points and lines."""
    transform, name = scene.graph[node]
    mesh = scene.geometry[name]
    faces = np.asarray(getattr(mesh, "faces", np.empty((0, 3))), dtype=np.int64)
    if len(faces) == 0:
        return None
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    if not np.array_equal(transform, np.eye(4)):
        vertices = vertices @ transform[:3, :3].T + transform[:3, 3]
    if np.linalg.det(transform[:3, :3]) < 0:  # a mirror turns the surface inside out
        faces = faces[:, ::-1]
    data = {
        key.lstrip("_"): np.asarray(values)
        for key, values in mesh.vertex_attributes.items()
        if len(values) == len(vertices)
        and np.asarray(values).dtype.kind in "biuf"
        and np.asarray(values).ndim <= 2
    }
    if mesh.visual.kind == "vertex":
        data["color"] = unit_colors(np.asarray(mesh.visual.vertex_colors)[:, :3])
    return vertices, faces, data


def _merge_equal(vertices: Array, faces: Array) -> tuple[Array, Array, tuple[str, ...]]:
    """One vertex for each position, in the order of their first appearance."""
    # Adding 0 makes the two zeros of floating point one.
    _, first, inverse = np.unique(vertices + 0.0, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    notice = (
        f"STL has no shared vertices: {len(vertices)} corners were merged to {len(first)} vertices "
        "by exactly equal positions"
    )
    return vertices[first[order]], rank[inverse.reshape(-1)][faces], (notice,)
