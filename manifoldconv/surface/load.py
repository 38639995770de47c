"""From a mesh file to a `MeshSurface`."""

from __future__ import annotations

import os
import warnings

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io import read_mesh
from manifoldconv.surface.surface import MeshSurface


def load_mesh(path: str | os.PathLike[str]) -> MeshSurface:
    """Read a triangle mesh (OBJ, PLY, OFF, STL, glTF and what else trimesh reads) as a manifold.

    The file's own vertices, in its own order, those of no face included; its properties are in
    `surface.file.vertex_data` and `.face_data`. Polygons are split into triangles, with a warning that says so.

    Raises:
        GeometryError: one line that names the file, the place in it and what is wrong.

    >>> surface = load_mesh("meshes/icosphere.ply")
    >>> surface.n_vertices, surface.connectivity.euler_characteristic
    (2562, 2)
    """
    file = read_mesh(path)
    for notice in file.notices:
        warnings.warn(f"{file.path}: {notice}", UserWarning, stacklevel=2)
    try:
        surface = MeshSurface(file.vertices, file.faces, describe=file.where)
    except GeometryError as error:
        raise GeometryError(f"{file.path}: {error}") from None
    surface.file = file
    return surface
