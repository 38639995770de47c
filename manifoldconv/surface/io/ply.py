"""Stanford PLY, text and binary of both byte orders, through the library plyfile.

Source: G. Turk, The PLY Polygon File Format (1994); triangle strips as the Stanford and Cyberware scans have
them: one long list, -1 starts a new strip, and every second triangle of a strip turns the other way round.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import plyfile

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io.mesh_file import PolygonSoup, one_line, quiet
from manifoldconv.surface.io.properties import with_groups

Array = np.ndarray

_CORNERS = ("vertex_indices", "vertex_index")
# plyfile maps lists of known length in one go, fifty times faster than row by row.
_TRIANGLES = {"face": dict.fromkeys(_CORNERS, 3) | {"texcoord": 6}}


def read_ply(path: Path) -> PolygonSoup:
    """The vertices, polygons or triangle strips, and all scalar properties of a PLY file.

    Raises `GeometryError` where the file is not what its header announces.
    """
    content = _parse(path)
    elements = {element.name: element for element in content.elements}
    if "vertex" not in elements:
        found = ", ".join(elements) or "no element at all"
        raise GeometryError(
            f"{path}: expected a PLY element 'vertex', got {found}; check that the file is a mesh"
        )
    vertex = elements["vertex"]
    missing = [axis for axis in "xyz" if axis not in vertex]
    if missing:
        raise GeometryError(f"{path}: the PLY vertices have no property {missing[0]!r}; expected x, y and z")
    vertex_columns, skipped = _columns(vertex, leave=("x", "y", "z"))
    vertices = np.stack([np.asarray(vertex[axis], dtype=np.float64) for axis in "xyz"], axis=1)
    corners, sizes, polygon_data, polygon_line = np.empty(0, np.int64), np.empty(0, np.int64), {}, None
    if "face" in elements and len(elements["face"]):
        face = elements["face"]
        corners, sizes = _lists(path, face)
        face_columns, more = _columns(face, leave=_CORNERS)
        polygon_data, skipped = with_groups(face_columns), skipped + more
        polygon_line = _lines(path, content, "face")
    elif "tristrips" in elements:
        corners, sizes = _strip_triangles(_lists(path, elements["tristrips"])[0])
    known = ("vertex", "face", "tristrips")
    rest = [f"{len(element)} {name!r} elements" for name, element in elements.items() if name not in known]
    notices = tuple(f"{what} were not read" for what in (skipped + rest))
    return PolygonSoup(
        vertices=vertices,
        corners=corners,
        sizes=sizes,
        vertex_data=with_groups(vertex_columns),
        polygon_data=polygon_data,
        notices=notices,
        vertex_line=_lines(path, content, "vertex"),
        polygon_line=polygon_line,
        also_found=f" (there are {', '.join(rest)})" if rest else "",
    )


def _parse(path: Path) -> Any:
    """The file as plyfile reads it: first as if all lists had three items, then row by row."""
    try:
        with quiet("plyfile"):
            try:
                return plyfile.PlyData.read(_source(path), known_list_len=_TRIANGLES)
            except (plyfile.PlyParseError, ValueError, OSError):
                return plyfile.PlyData.read(_source(path), mmap=False)
    except plyfile.PlyElementParseError as error:
        raise GeometryError(_element_message(path, error)) from error
    except Exception as error:  # whatever a library says about a damaged file is the file's fault
        raise GeometryError(
            f"{path}: the PLY header or data cannot be read ({one_line(error)}); "
            "the file is damaged, or not a PLY file"
        ) from error


def _element_message(path: Path, error: Any) -> str:
    name, row, count = error.element.name, error.row, error.element.count
    if "end-of-file" in error.message:
        return (
            f"{path} is truncated: its header announces {count} {name!r} elements, but the data ends at "
            f"number {row}; get a complete copy of the file"
        )
    place = "" if error.prop is None else f", property {error.prop.name!r}"
    return f"{path}: {name} {row}{place} cannot be read ({error.message}); the file is damaged there"


def _source(path: Path) -> Any:
    """The path, or its content with a plain ASCII header where a comment holds other letters."""
    header = _header(path)
    if header.isascii():
        return str(path)
    plain = bytes(byte if byte < 128 else ord("?") for byte in header)
    return io.BytesIO(plain + path.read_bytes()[len(header) :])


def _header(path: Path) -> bytes:
    """The bytes up to the end of the line end_header (all bytes, at most 1 MB, where there is none)."""
    with path.open("rb") as stream:
        start = stream.read(1 << 20)
    end = re.search(rb"(^|[\r\n])end_header(\r\n|\r|\n|$)", start)
    return start[: end.end()] if end else start


def _lines(path: Path, content: Any, name: str) -> Array | None:
    """The line of each item of an element in a text file: items stand one a line, element after element."""
    if not content.text:
        return None
    line = len(_header(path).splitlines()) + 1
    for element in content.elements:
        if element.name == name:
            return np.arange(line, line + len(element))
        line += len(element)
    return None


def _columns(element: Any, leave: tuple[str, ...]) -> tuple[dict[str, Array], list[str]]:
    """The scalar properties in the native byte order; the names of list properties, which are not signals."""
    columns: dict[str, Array] = {}
    lists: list[str] = []
    for item in element.properties:
        if item.name in leave:
            continue
        if isinstance(item, plyfile.PlyListProperty):
            lists.append(f"lists {item.name!r} of the {element.name} elements")
        else:
            values = np.array(element[item.name])
            columns[item.name] = values.astype(values.dtype.newbyteorder("="))
    return columns, lists


def _lists(path: Path, element: Any) -> tuple[Array, Array]:
    """All items of an element's vertex lists, one after the other, and the length of each list."""
    name = next((name for name in _CORNERS if name in element), None)
    if name is None:
        raise GeometryError(
            f"{path}: the PLY element {element.name!r} has no list {_CORNERS[0]!r} or {_CORNERS[1]!r}; "
            "it does not say which vertices the faces join"
        )
    values = element[name]
    if not isinstance(element.ply_property(name), plyfile.PlyListProperty):
        raise GeometryError(
            f"{path}: the PLY property {name!r} must be a list of vertices; it is a single number"
        )
    if values.dtype != object:
        flat, sizes = values.reshape(-1), np.full(len(values), values.shape[1], dtype=np.int64)
    else:
        sizes = np.array([len(row) for row in values], dtype=np.int64)
        flat = np.concatenate(list(values)) if len(values) else np.empty(0, np.int64)
    if flat.dtype.kind not in "iu":
        raise GeometryError(f"{path}: the PLY list {name!r} must hold integers; it holds {flat.dtype}")
    return flat.astype(np.int64), sizes


def _strip_triangles(strip: Array) -> tuple[Array, Array]:
    """Corners and sizes of the triangles of strips that -1 separates; every second one is turned round.

    A triangle that names a vertex twice is how strips turn corners; it is no face of the surface.
    """
    place = np.arange(len(strip))
    start = np.maximum.accumulate(np.where(strip == -1, place + 1, 0))
    a, b, c = strip[:-2], strip[1:-1], strip[2:]
    inside = (a != -1) & (b != -1) & (c != -1) & (a != b) & (b != c) & (c != a)
    odd = (place - start)[: len(a)] % 2 == 1
    triangles = np.stack([np.where(odd, b, a), np.where(odd, a, b), c], axis=1)[inside]
    return triangles.reshape(-1), np.full(len(triangles), 3, dtype=np.int64)
