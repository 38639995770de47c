"""What a mesh file holds: its own vertices in its own order, its faces as triangles, its signals."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from manifoldconv.errors import GeometryError

if TYPE_CHECKING:
    from manifoldconv.surface.repair import RepairResult

Array = np.ndarray


@dataclass(frozen=True)
class PolygonSoup:
    """What a reader of one format found, before anything is checked; P polygons over V vertices.

    Attributes:
        vertices: `(V, 3)` float64.
        corners: the vertex indices of all polygons, one after the other, counted from 0.
        sizes: `(P,)`, the number of corners of each polygon.
        vertex_data: arrays `(V,)` or `(V, k)` by name.
        polygon_data: arrays `(P,)` or `(P, k)` by name.
        notices: what a reader of the file should know about how it was taken.
        vertex_line, polygon_line: line numbers in a text file, from 1; None for binary ones.
        first_index: the number that the format gives to the first vertex (OBJ: 1).
        also_found: what the file holds besides, for the message when it has no faces.
    """

    vertices: Array
    corners: Array
    sizes: Array
    vertex_data: Mapping[str, Array] = field(default_factory=dict)
    polygon_data: Mapping[str, Array] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    vertex_line: Array | None = None
    polygon_line: Array | None = None
    first_index: int = 0
    also_found: str = ""


@dataclass(frozen=True)
class MeshFile:
    """A mesh as its file has it: nothing merged, dropped or reordered; polygons split into triangles.

    Vertices and faces are counted from 0 here and in all messages.

    Attributes:
        path: the file.
        vertices: `(V, 3)` float64, finite, in the units of the file, unreferenced ones included.
        faces: `(F, 3)` int64, every index in 0 .. V - 1. Repeated indices, zero areas and non-manifold
            edges are passed on as they are.
        vertex_data: every property of the vertices, `(V,)` or `(V, k)`, by name, in the file's own number
            type. Colours are "color", `(V, 3)` in 0 .. 1, and normals "normal", beside their components;
            components such as u_x, u_y, u_z or u_0, u_1 are also there together, as "u".
        face_data: the same for the faces; a triangle has the values of the polygon that it is part of.
        face_polygon: `(F,)` int64, the polygon of the file that each triangle is part of.
        notices: sentences for the user on how the file was taken ("... split into triangles").
        vertex_line, face_line: line numbers in a text file, from 1; None for binary ones.
        repair: what `load_mesh(path, repair=...)` changed, with the maps between the vertices of the file and
            these; None where no repair was asked for.
    """

    path: Path
    vertices: Array
    faces: Array
    vertex_data: dict[str, Array]
    face_data: dict[str, Array]
    face_polygon: Array
    notices: tuple[str, ...] = ()
    vertex_line: Array | None = None
    face_line: Array | None = None
    repair: RepairResult | None = None

    def where(self, face: int) -> str:
        """The place of a face in the file, for messages: "face 12 (line 45)"."""
        place = place_of("face", face, self.face_line)
        polygon = int(self.face_polygon[face])
        if polygon == face:
            return place
        return (
            place.replace(" (", f" (of polygon {polygon}, ")
            if "(" in place
            else f"{place} (of polygon {polygon})"
        )

    def where_vertex(self, vertex: int) -> str:
        """The place of a vertex in the file, for messages: "vertex 100 (line 105)"."""
        return place_of("vertex", vertex, self.vertex_line)


def place_of(noun: str, index: int, lines: Array | None) -> str:
    """ "vertex 100", with " (line 105)" where the file has lines."""
    return f"{noun} {index}" + ("" if lines is None else f" (line {int(lines[index])})")


def others(number: int) -> str:
    """ " and 2 more": what follows the first of several places in a message."""
    return f" and {number} more" if number > 0 else ""


def one_line(error: BaseException | str) -> str:
    """A library's message on one line."""
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def quiet(library: str) -> Iterator[None]:
    """Keeps what a library logs or warns about a damaged file off the screen: we raise one line instead."""
    logger, handler = logging.getLogger(library), logging.NullHandler()
    propagates = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def assemble(path: Path, soup: PolygonSoup) -> MeshFile:
    """Check what a reader found and split its polygons into triangles.

    Raises `GeometryError` for no vertices, no faces, coordinates that are not finite, faces with fewer than
    three corners, and indices of vertices that there are not.
    """
    vertex_count, polygon_count = len(soup.vertices), len(soup.sizes)
    if vertex_count == 0:
        raise GeometryError(
            f"{path}: expected a triangle mesh, but the file has no vertices{soup.also_found}; "
            "check that it is the right file"
        )
    _check_finite(path, soup)
    if polygon_count == 0:
        raise GeometryError(
            f"{path}: expected a triangle mesh, but the file has {vertex_count} vertices and no faces"
            f"{soup.also_found}; export it with faces"
        )
    _check_sizes(path, soup)
    _check_range(path, soup)
    faces, face_polygon, notice = _triangles(soup.vertices, soup.corners, soup.sizes)
    return MeshFile(
        path=path,
        vertices=soup.vertices,
        faces=faces,
        vertex_data=dict(soup.vertex_data),
        face_data={name: values[face_polygon] for name, values in soup.polygon_data.items()},
        face_polygon=face_polygon,
        notices=soup.notices + notice,
        vertex_line=soup.vertex_line,
        face_line=None if soup.polygon_line is None else soup.polygon_line[face_polygon],
    )


def _check_finite(path: Path, soup: PolygonSoup) -> None:
    bad = np.flatnonzero(~np.isfinite(soup.vertices).all(axis=1))
    if len(bad):
        place = place_of("vertex", int(bad[0]), soup.vertex_line)
        position = ", ".join(f"{x:g}" for x in soup.vertices[bad[0]])
        raise GeometryError(
            f"{path}: expected finite coordinates, but {place} is at ({position})"
            f"{others(len(bad) - 1)}; remove or repair such vertices"
        )


def _check_sizes(path: Path, soup: PolygonSoup) -> None:
    bad = np.flatnonzero(soup.sizes < 3)
    if len(bad):
        place = place_of("face", int(bad[0]), soup.polygon_line)
        corners = int(soup.sizes[bad[0]])
        raise GeometryError(
            f"{path}: expected at least 3 corners in each face, but {place} has {corners}"
            f"{others(len(bad) - 1)}; complete or remove such faces"
        )


def _check_range(path: Path, soup: PolygonSoup) -> None:
    bad = np.flatnonzero((soup.corners < 0) | (soup.corners >= len(soup.vertices)))
    if len(bad):
        polygons = np.searchsorted(np.cumsum(soup.sizes), bad, side="right")
        first, last = soup.first_index, len(soup.vertices) - 1 + soup.first_index
        numbering = f" (the file numbers them {first} to {last})"
        raise GeometryError(
            f"{path}: {place_of('face', int(polygons[0]), soup.polygon_line)} refers to vertex "
            f"{int(soup.corners[bad[0]]) + first}, but there are {len(soup.vertices)} vertices{numbering}; "
            f"faces affected: {len(np.unique(polygons))} of {len(soup.sizes)}; the file is damaged or "
            "incomplete, export it again"
        )


def _triangles(vertices: Array, corners: Array, sizes: Array) -> tuple[Array, Array, tuple[str, ...]]:
    """Fans of triangles `(F, 3)`, the polygon of each `(F,)`, and a notice if anything was split.

    A fan starts at the polygon's first corner. A quadrilateral whose first diagonal runs outside it (its two
    triangles would face opposite ways) is split along the other one.
    """
    if (sizes == 3).all():
        return corners.reshape(-1, 3), np.arange(len(sizes)), ()
    start = np.cumsum(sizes) - sizes
    face_polygon = np.repeat(np.arange(len(sizes)), sizes - 2)
    face_start = np.cumsum(sizes - 2) - (sizes - 2)
    step = np.arange(len(face_polygon)) - face_start[face_polygon]
    base = start[face_polygon]
    faces = np.stack([corners[base], corners[base + step + 1], corners[base + step + 2]], axis=1)

    quads = np.flatnonzero(sizes == 4)
    a, b, c, d = (vertices[corners[start[quads] + corner]] for corner in range(4))
    folded = _opposed(a, b, c, c, d, a) & ~_opposed(b, c, d, d, a, b)
    for offset, order in enumerate(([1, 2, 3], [3, 0, 1])):
        faces[face_start[quads[folded]] + offset] = corners[start[quads[folded], None] + order]

    split = sizes > 3
    what = (
        f"of {sizes[split].min()} corners"
        if len(set(sizes[split])) == 1
        else f"of 4 to {sizes.max()} corners"
    )
    if sizes[split].min() > 4 and sizes[split].min() != sizes.max():
        what = f"of {sizes[split].min()} to {sizes.max()} corners"
    number = int(split.sum())
    verb = "polygon {} was" if number == 1 else "polygons {} were"
    into = int((sizes[split] - 2).sum())
    return faces, face_polygon, (f"{number} {verb.format(what)} split into {into} triangles",)


def _opposed(a: Array, b: Array, c: Array, d: Array, e: Array, f: Array) -> Array:
    """Whether the triangles abc and def face opposite ways."""
    return (np.cross(b - a, c - a) * np.cross(e - d, f - d)).sum(axis=1) < 0
