"""Wavefront OBJ: positions, colours and polygons, with the file's own vertices.

Libraries that read OBJ for drawing split a vertex for each texture coordinate and normal that it is used
with; that tears the surface, so this reader takes the positions alone. Source: Wavefront, Advanced Visualizer
manual, appendix B1 (object files); colours after the position as MeshLab and Blender write them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io.mesh_file import PolygonSoup
from manifoldconv.surface.io.properties import unit_colors
from manifoldconv.surface.io.text import convert, numbered_lines, shown

Array = np.ndarray
Rows = list[list[bytes]]

# Records that say nothing about the surface itself: textures, normals, groups, materials.
_IGNORED = {b"vt", b"vn", b"g", b"o", b"s", b"usemtl", b"mtllib", b"mg", b"usemap", b"maplib", b"lod"}


def read_obj(path: Path) -> PolygonSoup:
    """The vertices and polygons of an OBJ file, in its own order.

    Raises `GeometryError` for records that cannot be read, with their line.
    """
    records: dict[bytes, tuple[list[int], Rows]] = {b"v": ([], []), b"f": ([], [])}
    unread: Counter[bytes] = Counter()
    for number, line in enumerate(_logical_lines(path), start=1):
        words = line.split()
        if not words:
            continue
        keyword = words[0]
        if keyword in records:
            records[keyword][0].append(number)
            records[keyword][1].append(words[1:])
        elif keyword not in _IGNORED:
            unread[keyword] += 1
    vertex_lines, vertex_rows = records[b"v"]
    face_lines, face_rows = records[b"f"]
    vertices, vertex_data, notices = _vertices(path, vertex_rows, vertex_lines)
    also = ", ".join(f"{count} {shown(keyword)} records" for keyword, count in unread.most_common(4))
    if also:
        notices = (*notices, f"{also} were not read: not vertices or faces")
    return PolygonSoup(
        vertices=vertices,
        corners=_corners(path, face_rows, face_lines, np.array(vertex_lines)),
        sizes=np.array([len(row) for row in face_rows], dtype=np.int64),
        vertex_data=vertex_data,
        notices=notices,
        vertex_line=np.array(vertex_lines),
        polygon_line=np.array(face_lines),
        first_index=1,
        also_found=f" (there are {also})" if also else "",
    )


def _logical_lines(path: Path) -> list[bytes]:
    """Lines without comments; a line that goes on after a backslash is put together at its first number."""
    lines = numbered_lines(path)
    if any(b"#" in line for line in lines):
        lines = [line.partition(b"#")[0] for line in lines]
    for number in range(len(lines) - 2, -1, -1):
        if lines[number].endswith(b"\\"):
            lines[number] = lines[number][:-1] + b" " + lines[number + 1]
            lines[number + 1] = b""
    return lines


def _vertices(path: Path, rows: Rows, lines: list[int]) -> tuple[Array, dict[str, Array], tuple[str, ...]]:
    """Positions `(V, 3)`, colours where there are any, notices."""
    sizes = np.array([len(row) for row in rows], dtype=np.int64)
    bad = np.flatnonzero(~np.isin(sizes, (3, 4, 6, 7)))
    if len(bad):
        raise GeometryError(
            f"{path}, line {lines[bad[0]]}: expected 'v x y z' or 'v x y z red green blue', got "
            f"{sizes[bad[0]]} numbers; correct that line"
        )
    numbers = convert(path, float, rows, lines, "in a vertex")
    start = np.cumsum(sizes) - sizes
    vertices = numbers[start[:, None] + np.arange(3)]
    colored = sizes >= 6
    data: dict[str, Array] = {}
    notices: tuple[str, ...] = ()
    if colored.any():
        colors = np.full((len(rows), 3), np.nan)
        colors[colored] = unit_colors(numbers[start[colored, None] + np.arange(3, 6)])
        data["color"] = colors
    if colored.any() and not colored.all():
        notices += (f"{int((~colored).sum())} of {len(rows)} vertices have no colour; it is NaN there",)
    if (numbers[start[sizes == 4] + 3] != 1.0).any():
        notices += ("the fourth number (weight) of vertices was not read; it is for curved patches",)
    return vertices, data, notices


def _corners(path: Path, rows: Rows, lines: list[int], vertex_lines: Array) -> Array:
    """The vertex indices of all faces, from 0; negative ones count back from the vertices defined so far."""
    if any(b"/" in word for row in rows for word in row):
        rows = [[word.partition(b"/")[0] for word in row] for row in rows]
    corners = convert(path, int, rows, lines, "as a vertex of a face")
    line = np.repeat(np.array(lines, dtype=np.int64), [len(row) for row in rows])
    if (corners == 0).any():
        at = int(line[np.argmax(corners == 0)])
        raise GeometryError(
            f"{path}, line {at}: OBJ counts vertices from 1, but the face names vertex 0; correct that line"
        )
    relative = corners < 0
    if not relative.any():
        return corners - 1
    defined = np.searchsorted(vertex_lines, line)
    beyond = relative & (corners < -defined)
    if beyond.any():
        at = int(np.argmax(beyond))
        raise GeometryError(
            f"{path}, line {line[at]}: the face names vertex {corners[at]}, counted back from its line, but "
            f"only {defined[at]} vertices come before it; correct that line"
        )
    return np.where(relative, defined + corners, corners - 1)
