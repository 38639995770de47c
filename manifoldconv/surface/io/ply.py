"""Stanford PLY, text and binary of both byte orders: from a file to vertices, polygons and signals.

Source: G. Turk, The PLY Polygon File Format (1994); triangle strips as the Stanford and Cyberware scans have
them: one long list, -1 starts a new strip, and every second triangle of a strip turns the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io.mesh_file import PolygonSoup
from manifoldconv.surface.io.ply_binary import read_binary
from manifoldconv.surface.io.ply_header import parse_header
from manifoldconv.surface.io.ply_table import Lists, Table
from manifoldconv.surface.io.ply_text import read_text
from manifoldconv.surface.io.properties import with_groups

Array = np.ndarray

_CORNERS = ("vertex_indices", "vertex_index")


def read_ply(path: Path) -> PolygonSoup:
    """The vertices, polygons or triangle strips, and all scalar properties of a PLY file.

    Raises `GeometryError` where the file is not what its header announces.
    """
    tables, after = read_tables(path)
    if "vertex" not in tables:
        found = ", ".join(tables) or "no element at all"
        raise GeometryError(
            f"{path}: expected a PLY element 'vertex', got {found}; check that the file is a mesh"
        )
    vertex = tables["vertex"]
    vertices = _positions(path, vertex)
    corners, sizes, polygon_data, polygon_line = np.empty(0, np.int64), np.empty(0, np.int64), {}, None
    candidates = [tables[name] for name in ("face", "tristrips") if name in tables]
    faces = next((table for table in candidates if _count(table)), None)
    if faces is not None:
        corners, sizes = _corners(path, faces)
        if faces.element.name == "face":
            polygon_data, polygon_line = with_groups(_signals(faces, _CORNERS)), faces.lines
        else:
            corners, sizes = _strip_triangles(corners, sizes)
    rest = [
        f"{_count(table)} {name!r} elements"
        for name, table in tables.items()
        if table is not vertex and table is not faces and _count(table)
    ]
    unread = [*_list_names(vertex), *(_list_names(faces) if faces is not None else []), *rest, *after]
    return PolygonSoup(
        vertices=vertices,
        corners=corners,
        sizes=sizes,
        vertex_data=with_groups(_signals(vertex, ("x", "y", "z"))),
        polygon_data=polygon_data,
        notices=tuple(f"{what} were not read" for what in unread),
        vertex_line=vertex.lines,
        polygon_line=polygon_line,
        also_found=f" (there are {', '.join(rest)})" if rest else "",
    )


def read_tables(path: Path) -> tuple[dict[str, Table], Sequence[str]]:
    """All elements of a PLY file by name, and a name for what follows the last of them, if anything does.

    Raises `GeometryError` where the file is not what its header announces.
    """
    content = path.read_bytes()
    header = parse_header(path, content)
    if header.byte_order:
        tables, after, unit = *read_binary(path, content, header), "bytes"
        if not content[len(content) - after :].strip():
            after = 0
    else:
        tables, after, unit = *read_text(path, content, header), "lines"
    rest = [f"data after the last element ({unit}: {after})"] if after else []
    return {table.element.name: table for table in tables}, rest


def _count(table: Table) -> int:
    return table.element.count


def _positions(path: Path, vertex: Table) -> Array:
    missing = [axis for axis in "xyz" if axis not in vertex.numbers]
    if missing:
        raise GeometryError(
            f"{path}: the PLY vertices have no property {missing[0]!r}; expected the numbers x, y and z"
        )
    return np.stack([vertex.numbers[axis].astype(np.float64) for axis in "xyz"], axis=1)


def _signals(table: Table, leave: tuple[str, ...]) -> dict[str, Array]:
    """The single numbers of each item, but for those that make up the mesh."""
    return {name: values for name, values in table.numbers.items() if name not in leave}


def _list_names(table: Table) -> list[str]:
    """Lists that are not corners: they are no signals."""
    noun = table.element.name
    return [f"lists {name!r} of the {noun} elements" for name in table.lists if name not in _CORNERS]


def _corners(path: Path, table: Table) -> Lists:
    """The vertex indices of all faces or strips."""
    element = table.element.name
    name = next((name for name in _CORNERS if name in table.lists or name in table.numbers), None)
    if name is None:
        raise GeometryError(
            f"{path}: the PLY element {element!r} has no list {_CORNERS[0]!r} or {_CORNERS[1]!r}; "
            "it does not say which vertices the faces join"
        )
    if name in table.numbers:
        raise GeometryError(
            f"{path}: the PLY property {name!r} must be a list of vertices; it is a single number"
        )
    items, sizes = table.lists[name]
    if items.dtype.kind not in "iu":
        raise GeometryError(f"{path}: the PLY list {name!r} must hold integers; it holds {items.dtype}")
    return Lists(items.astype(np.int64), sizes)


def _strip_triangles(items: Array, sizes: Array) -> Lists:
    """The triangles of strips that -1 separates; every second one is turned round.

    A triangle that names a vertex twice is how strips turn corners; it is no face of the surface.
    """
    strip = np.insert(items, np.cumsum(sizes)[:-1], -1)  # each item of the element starts anew as well
    place = np.arange(len(strip))
    start = np.maximum.accumulate(np.where(strip == -1, place + 1, 0))
    a, b, c = strip[:-2], strip[1:-1], strip[2:]
    inside = (a != -1) & (b != -1) & (c != -1) & (a != b) & (b != c) & (c != a)
    odd = (place - start)[: len(a)] % 2 == 1
    triangles = np.stack([np.where(odd, b, a), np.where(odd, a, b), c], axis=1)[inside]
    return Lists(triangles.reshape(-1), np.full(len(triangles), 3, dtype=np.int64))
