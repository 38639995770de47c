"""From a mesh file to a `MeshSurface`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io import read_mesh
from manifoldconv.surface.repair import Repairs, repair_mesh, repaired_file
from manifoldconv.surface.surface import MeshSurface


def load_mesh(
    path: str | os.PathLike[str], *, repair: str | Iterable[str] | Repairs | None = None
) -> MeshSurface:
    """Read a triangle mesh (OBJ, PLY, OFF, STL, glTF and what else trimesh reads) as a manifold.

    The file's own vertices, in its own order, those of no face included; its properties are in
    `surface.file.vertex_data` and `.face_data`. Polygons are split into triangles, with a warning that says
    so.

    Args:
        path: the file; its ending names the format.
        repair: what to mend, if it is there: "all", or names such as "winding" and "duplicate_vertices", or a
            `Repairs`. What was done, and the maps between the vertices of the file and those of the surface,
            is then in `surface.file.repair`; the signals of the file are carried over. By default nothing is
            changed.

    Raises:
        GeometryError: one line that names the file, the place in it and what is wrong.
        ValueError: for a name in `repair` that is no repair.

    >>> surface = load_mesh("meshes/icosphere.ply")
    >>> surface.n_vertices, surface.connectivity.euler_characteristic
    (2562, 2)
    """
    wanted = Repairs.of(repair)
    file = read_mesh(path)
    if wanted.asked():
        file = repaired_file(file, repair_mesh(file, wanted))
    mended = () if file.repair is None else tuple(step.text for step in file.repair.report)
    for notice in file.notices:
        if notice not in mended:
            warnings.warn(f"{file.path}: {notice}", UserWarning, stacklevel=2)
    try:
        surface = MeshSurface(file.vertices, file.faces, describe=file.where)
    except GeometryError as error:
        hint = "" if wanted.asked() else ' (or load it with repair="all")'
        raise GeometryError(f"{file.path}: {error}{hint}") from None
    surface.file = file
    return surface
