"""Reading a mesh file: the format by its ending, and one clear line for whatever is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io.mesh_file import MeshFile, assemble
from manifoldconv.surface.io.obj import read_obj
from manifoldconv.surface.io.off import read_off
from manifoldconv.surface.io.ply import read_ply
from manifoldconv.surface.io.scene import read_scene, scene_formats

_READERS = {".obj": read_obj, ".off": read_off, ".ply": read_ply}


def mesh_endings() -> list[str]:
    """The endings of the files that can be read in this installation, each with its dot."""
    return sorted({*_READERS, *(f".{name}" for name in scene_formats())})


def read_mesh(path: str | os.PathLike[str]) -> MeshFile:
    """Read a mesh file, keeping its own vertices in its own order.

    OBJ, OFF and PLY are read as they stand; STL, glTF/GLB and the other formats of trimesh through it.
    Polygons are split into triangles; nothing else is changed, and what a user should know is in `notices`.

    Args:
        path: the file; its ending names the format.

    Returns:
        `MeshFile` with float64 vertices, int64 faces, and every vertex and face property of the file.

    Raises:
        GeometryError: one line that says what was expected, what came and where. No file, an unknown ending,
            empty, truncated or damaged content, no vertices or faces, coordinates that are not finite, faces
            with fewer than three corners, indices out of range. Degenerate and non-manifold faces are not
            refused here.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "square.obj"
        >>> _ = path.write_text("v 0 0 0\\nv 1 0 0\\nv 1 1 0\\nv 0 1 0\\nf 1 2 3 4\\n")
        >>> mesh = read_mesh(path)
        >>> mesh.faces.tolist()
        [[0, 1, 2], [0, 2, 3]]
        >>> mesh.notices
        ('1 polygon of 4 corners was split into 2 triangles',)
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise GeometryError(f"{path}: expected a mesh file, got a folder; name a file in it")
        if not path.exists():
            raise GeometryError(
                f"{path}: there is no such file; check the name and the folder {path.parent.resolve()}"
            )
        suffix = path.suffix.lower()
        reader = _READERS.get(suffix)
        if reader is None and suffix.removeprefix(".") not in scene_formats():
            known = " ".join(mesh_endings())
            raise GeometryError(f"{path}: expected a mesh file ({known}), got the ending {path.suffix!r}")
        if path.stat().st_size == 0:
            raise GeometryError(f"{path}: the file is empty (0 bytes); get a complete copy of it")
        return assemble(path, (reader or read_scene)(path))
    except OSError as error:
        raise GeometryError(
            f"{path}: cannot be read ({error.strerror or error}); check the file and its permissions"
        ) from error
    except MemoryError as error:
        raise GeometryError(f"{path}: too large for the memory of this machine") from error
