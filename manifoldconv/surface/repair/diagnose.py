"""What is wrong with a mesh, where, and what each fault would do to exp, transport and holonomy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from manifoldconv.surface.io import MeshFile
from manifoldconv.surface.io.mesh_file import others
from manifoldconv.surface.repair.degenerate import degenerate_faces
from manifoldconv.surface.repair.merge import duplicate_vertices, touching_vertices
from manifoldconv.surface.repair.remove import duplicate_faces, repeated_indices, unreferenced_vertices
from manifoldconv.surface.repair.sheets import nonmanifold_edges, pinched_vertices
from manifoldconv.surface.repair.winding import badly_wound_faces, nonorientable_faces

Array = np.ndarray

# Places that a message names.
SHOWN = 5


@dataclass(frozen=True)
class Fault:
    """One kind of fault of a mesh.

    Attributes:
        name: of the repair that mends it (`Repairs`), or of the property.
        count: how often it occurs.
        what: what it is, in the number of `count`: "1 pinched vertex".
        places: where the first few are, in the numbers and lines of the file.
        consequence: one sentence on exp, transport and holonomy.
        refused: whether no `MeshSurface` can be made of the mesh as it is.
        repairable: False for what is a property of the surface rather than damage.
    """

    name: str
    count: int
    what: str
    places: tuple[str, ...]
    consequence: str
    refused: bool
    repairable: bool = True

    def __str__(self) -> str:
        return f"{self.what}: {', '.join(self.places)}{others(self.count - len(self.places))}"


@dataclass(frozen=True)
class _Kind:
    """A kind of fault: its noun, what follows the noun, and the other texts of `Fault`."""

    noun: str
    rest: str
    consequence: str
    refused: bool = False
    repairable: bool = True


KINDS = {
    "polygons": _Kind(
        "polygon",
        "of more than three corners",
        "A polygon that is not flat has no one shape: the triangles that it is split into decide where its "
        "curvature sits, and so exp, transport and holonomy across it.",
    ),
    "duplicate_vertices": _Kind(
        "vertex",
        "at the place of another",
        "Faces that meet there in space are not joined: exp stops at the seam as at a boundary, transport "
        "does not cross it, and loops across it are missing from the holonomy.",
    ),
    "repeated_indices": _Kind(
        "face",
        "with a vertex named twice",
        "Such a face is no triangle: exp and transport have no way through it, and holonomy is not defined.",
        refused=True,
    ),
    "duplicate_faces": _Kind(
        "face",
        "on the same vertices as another",
        "Layers on top of each other give their edges more than two faces: exp and transport can't tell in "
        "which layer to go on, and holonomy is not defined.",
        refused=True,
    ),
    "degenerate_faces": _Kind(
        "face",
        "without area",
        "A face without area has no angles: exp and transport lose their direction in it, and the angle "
        "sums that make the holonomy are not defined.",
        refused=True,
    ),
    "nonmanifold_edges": _Kind(
        "edge",
        "with more than two faces",
        "Where more than two faces meet, exp and transport have several ways to go on, and holonomy "
        "depends on which is taken.",
        refused=True,
    ),
    "pinched_vertices": _Kind(
        "pinched vertex",
        "",
        "The directions there form several fans instead of one circle: exp has no polar angle, transport "
        "can't pass, and holonomy round the vertex is not defined.",
        refused=True,
    ),
    "winding": _Kind(
        "face",
        "wound against the rest",
        "Exp, transport and holonomy are right all the same, since crossing between faces that disagree "
        "turns the frame over; but normals of single faces point both ways, and log by vector heat is "
        "refused.",
    ),
    "unreferenced_vertices": _Kind(
        "vertex",
        "of no face",
        "There is no tangent plane: exp and transport have nothing to act on there, a convolution gives 0, "
        "and holonomy is not changed.",
    ),
    "touching_vertices": _Kind(
        "vertex",
        "at the place of another that it only touches",
        "This is a property, not damage: sheets meet there without going on in each other, as after a split. Exp, "
        "transport and holonomy stay in their own sheet; one vertex for both would have to be split again.",
        repairable=False,
    ),
    "non_orientable": _Kind(
        "component",
        "that can't be oriented",
        "This is a property, not damage: exp is as ever, but transport round some loops is a mirror, so "
        "the holonomy group holds reflections and only kernels that admit them can be used.",
        repairable=False,
    ),
}


def counted(count: int, noun: str, rest: str = "") -> str:
    """ "1 vertex of no face", "2 vertices of no face"."""
    plural = noun[:-2] + "ices" if noun.endswith("vertex") else noun + "s"
    return f"{count} {noun if count == 1 else plural}{' ' if rest else ''}{rest}"


def diagnose(mesh: MeshFile, tolerance: float = 0.0) -> list[Fault]:
    """All faults of a mesh as its file has it, in the order in which repairs are made; nothing is changed.

    Each is looked for in the mesh as it is; the repair of one can uncover others (closing a seam can show
    that an edge has more than two faces).

    Args:
        mesh: from `read_mesh`, or `surface.file`.
        tolerance: how far apart duplicate vertices may be, in units of the mesh; 0: exactly equal positions.

    Example:
        >>> import pathlib, tempfile
        >>> from manifoldconv.surface.io import read_mesh
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "two.off"
        >>> _ = path.write_text("OFF 4 2 0\\n0 0 0\\n1 0 0\\n1 1 0\\n0 1 0\\n3 0 1 2\\n3 0 3 2\\n")
        >>> [fault] = diagnose(read_mesh(path))
        >>> print(fault)
        1 face wound against the rest: face 1 (line 7)
    """
    vertices, faces = mesh.vertices, mesh.faces
    edges, edge_faces = nonmanifold_edges(faces)

    def edge(index: int) -> str:
        a, b = sorted(edges[index].tolist())
        return f"between vertices {a} and {b} of {mesh.where(int(edge_faces[index]))}"

    found: list[tuple[str, Sequence[int] | Array, Callable[[int], str]]] = [
        ("polygons", _polygons(mesh), lambda face: _place_of_polygon(mesh, face)),
        ("duplicate_vertices", duplicate_vertices(vertices, faces, tolerance), mesh.where_vertex),
        ("repeated_indices", repeated_indices(faces), mesh.where),
        ("duplicate_faces", duplicate_faces(faces), mesh.where),
        ("degenerate_faces", degenerate_faces(vertices, faces), mesh.where),
        ("nonmanifold_edges", range(len(edges)), edge),
        ("pinched_vertices", pinched_vertices(faces), mesh.where_vertex),
        ("winding", badly_wound_faces(faces), mesh.where),
        ("unreferenced_vertices", unreferenced_vertices(faces, len(vertices)), mesh.where_vertex),
        ("touching_vertices", touching_vertices(vertices, faces, tolerance), mesh.where_vertex),
        ("non_orientable", nonorientable_faces(faces), mesh.where),
    ]
    return [
        Fault(
            name=name,
            count=len(items),
            what=counted(len(items), KINDS[name].noun, KINDS[name].rest),
            places=tuple(place(int(item)) for item in items[:SHOWN]),
            consequence=KINDS[name].consequence,
            refused=KINDS[name].refused,
            repairable=KINDS[name].repairable,
        )
        for name, items, place in found
        if len(items)
    ]


def _polygons(mesh: MeshFile) -> Array:
    """The first triangle of each polygon that was split; none where repairs have mixed them since."""
    if mesh.repair is not None:
        return np.empty(0, dtype=np.int64)
    _, first, pieces = np.unique(mesh.face_polygon, return_index=True, return_counts=True)
    return first[pieces > 1]


def _place_of_polygon(mesh: MeshFile, face: int) -> str:
    line = "" if mesh.face_line is None else f" (line {int(mesh.face_line[face])})"
    return f"polygon {int(mesh.face_polygon[face])}{line}"
