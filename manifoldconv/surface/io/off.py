"""Object File Format (OFF): vertices, with normals and colours where the header says so, and polygons.

Source: Geomview 1.9 manual, section 4.2.5 (OFF files); one vertex or face a line, as everybody writes it.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io.mesh_file import PolygonSoup
from manifoldconv.surface.io.properties import unit_colors
from manifoldconv.surface.io.text import convert, numbered_lines, shown

Array = np.ndarray
Rows = list[list[bytes]]


def read_off(path: Path) -> PolygonSoup:
    """The vertices and polygons of an OFF, COFF, NOFF or STOFF file, in its own order.

    Raises `GeometryError` where the lines are not those that the header announces.
    """
    numbered = [(n, line.partition(b"#")[0].split()) for n, line in enumerate(numbered_lines(path), start=1)]
    numbered = [(n, words) for n, words in numbered if words]
    prefix, vertex_count, face_count, used = _header(path, numbered)
    body = numbered[used:]
    if len(body) != vertex_count + face_count:
        fewer = len(body) < vertex_count + face_count
        raise GeometryError(
            f"{path}: the header announces {vertex_count} vertices and {face_count} faces, one a line, but "
            f"{len(body)} lines follow it; the file is {'truncated' if fewer else 'damaged'}, copy it again"
        )
    vertex_line, vertex_rows = _columns(body[:vertex_count])
    face_line, face_rows = _columns(body[vertex_count:])
    vertices, vertex_data = _vertices(path, prefix, vertex_rows, vertex_line)
    sizes = convert(path, int, [row[:1] for row in face_rows], face_line, "as number of corners")
    short = np.flatnonzero([len(row) <= size or size < 0 for row, size in zip(face_rows, sizes, strict=True)])
    if len(short):
        at = short[0]
        raise GeometryError(
            f"{path}, line {face_line[at]}: the face announces {sizes[at]} corners, but "
            f"{len(face_rows[at]) - 1} numbers follow; correct that line"
        )
    corner_rows = [row[1 : 1 + size] for row, size in zip(face_rows, sizes, strict=True)]
    color_rows = [row[1 + size :] for row, size in zip(face_rows, sizes, strict=True)]
    polygon_data, notices = _face_colors(path, color_rows, face_line)
    return PolygonSoup(
        vertices=vertices,
        corners=convert(path, int, corner_rows, face_line, "as a vertex of a face"),
        sizes=sizes,
        vertex_data=vertex_data,
        polygon_data=polygon_data,
        notices=notices,
        vertex_line=np.array(vertex_line),
        polygon_line=np.array(face_line),
    )


def _columns(body: list[tuple[int, list[bytes]]]) -> tuple[list[int], Rows]:
    return [number for number, _ in body], [words for _, words in body]


def _header(path: Path, numbered: list[tuple[int, list[bytes]]]) -> tuple[str, int, int, int]:
    """The letters before OFF, the counts of vertices and faces, and the number of lines that this took."""
    if not numbered:
        raise GeometryError(
            f"{path}: expected an OFF mesh, but the file has no content; check that it is the right file"
        )
    line, words = numbered[0]
    keyword = re.fullmatch(rb"(ST|C|N|4|n)*OFF", words[0])
    prefix = words[0][:-3].decode() if keyword else ""
    if keyword and b"BINARY" in words[1:]:
        raise GeometryError(f"{path}: binary OFF is not read; save it as text OFF or as PLY")
    if "4" in prefix or "n" in prefix:
        raise GeometryError(
            f"{path}: {words[0].decode()} has vertices outside 3-D space; expected OFF, COFF, NOFF or STOFF"
        )
    counts, used = (words[1:], 1) if keyword else (words, 1)
    if keyword and not counts and len(numbered) > 1:
        line, counts, used = *numbered[1], 2
    if not keyword and not words[0].isdigit():
        raise GeometryError(
            f"{path}, line {line}: expected the word OFF, got {shown(words[0])}; check that "
            "the file is an OFF mesh"
        )
    if len(counts) not in (2, 3) or not all(word.isdigit() for word in counts):
        raise GeometryError(
            f"{path}, line {line}: expected the numbers of vertices, faces and edges, got "
            f"{shown(b' '.join(counts))}; correct that line"
        )
    return prefix, int(counts[0]), int(counts[1]), used


def _vertices(path: Path, prefix: str, rows: Rows, lines: list[int]) -> tuple[Array, dict[str, Array]]:
    """Positions `(V, 3)`; normals, colours and texture coordinates in the order that Geomview gives them."""
    fixed = 3 + 3 * ("N" in prefix)
    texture = 2 * ("ST" in prefix)
    allowed = (fixed + texture + 3, fixed + texture + 4) if "C" in prefix else (fixed + texture,)
    width = len(rows[0]) if rows else allowed[0]
    bad = [index for index, row in enumerate(rows) if len(row) != width or width not in allowed]
    if bad:
        hint = "; if the others are colours, write COFF in the first line" if prefix == "" else ""
        raise GeometryError(
            f"{path}, line {lines[bad[0]]}: expected {' or '.join(map(str, allowed))} numbers for a vertex "
            f"of {prefix}OFF, the same for all, got {len(rows[bad[0]])}{hint or '; correct that line'}"
        )
    table = convert(path, float, rows, lines, "in a vertex").reshape(len(rows), width)
    data: dict[str, Array] = {}
    if "N" in prefix:
        data["normal"] = table[:, 3:6]
    if "C" in prefix:
        data |= _colors(table[:, fixed : width - texture])
    if texture:
        data["texture"] = table[:, width - texture :]
    return np.ascontiguousarray(table[:, :3]), data


def _colors(values: Array) -> dict[str, Array]:
    """ "color" `(n, 3)`, and "alpha" `(n,)` unless everything is opaque."""
    values = unit_colors(values)
    data = {"color": values[:, :3]}
    if values.shape[1] == 4 and not (values[:, 3] == 1.0).all():
        data["alpha"] = values[:, 3]
    return data


def _face_colors(path: Path, rows: Rows, lines: list[int]) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Colours of the faces where every face has one; otherwise a notice that they were not read."""
    sizes = {len(row) for row in rows}
    if sizes <= {0}:
        return {}, ()
    if sizes in ({3}, {4}):
        return _colors(convert(path, float, rows, lines, "in a colour").reshape(len(rows), -1)), ()
    return {}, ("colours of the faces were not read: not every face has 3 or 4 numbers for one",)
