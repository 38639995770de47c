"""Writing meshes with their signals, whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from manifoldconv.surface.io.ply_write import ply_content

Array = np.ndarray


def write_atomically(path: str | os.PathLike[str], writer: Callable[[BinaryIO], object]) -> None:
    """Let `writer` fill a file that appears under its name only when it is complete.

    The bytes go to a temporary file in the same folder, which then replaces `path` in one step; when `writer`
    fails or is interrupted, an older file of that name is untouched and nothing is left behind. A symbolic
    link keeps pointing to its target; a device or pipe (/dev/stdout) is written to directly.

    Args:
        path: the file to make or replace.
        writer: called once with a binary stream.

    Raises:
        OSError: with one line, where the folder is missing or does not admit writing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "field.npy"
        >>> write_atomically(path, lambda stream: np.save(stream, np.ones(3)))
        >>> np.load(path)
        array([1., 1., 1.])
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path}: cannot be written, it is a folder; name a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"{path}: cannot be written, there is no folder {target.parent}; make it first"
        )
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            writer(stream)
        return
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as stream:
            writer(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_mesh(
    path: str | os.PathLike[str],
    vertices: Any,
    faces: Any,
    vertex_data: Mapping[str, Any] | None = None,
    face_data: Mapping[str, Any] | None = None,
    comments: Sequence[str] = (),
) -> None:
    """Write a triangle mesh as PLY (binary, little-endian), OBJ or OFF, as the ending of `path` says.

    Coordinates are written exactly (double precision, or as many digits), so `read_mesh` gives the same
    numbers. PLY takes every array; OBJ takes "color" of the vertices, OFF takes "color" of both.

    Args:
        path: the file to make or replace, ending in .ply, .obj or .off.
        vertices: `(V, 3)` real.
        faces: `(F, 3)` integers in 0 .. V - 1.
        vertex_data: arrays `(V,)` or `(V, k)` by name. In PLY, (V, 3) becomes name_x, name_y, name_z, other k
            name_0 .. name_(k - 1); "color" in 0 .. 1 becomes red, green, blue in 8 bits, "normal" nx, ny, nz.
        face_data: the same for faces.
        comments: lines for the head of the file.

    Raises:
        ValueError: for shapes, indices, names or endings that cannot be written.
        OSError: where the file cannot be made (`write_atomically`).

    Example:
        >>> import tempfile
        >>> from manifoldconv.surface.io import read_mesh
        >>> path = Path(tempfile.mkdtemp()) / "triangle.ply"
        >>> write_mesh(path, np.eye(3), [[0, 1, 2]], {"heat": np.array([0.1, 0.2, 0.3])})
        >>> read_mesh(path).vertex_data["heat"]
        array([0.1, 0.2, 0.3])
    """
    writers = {".ply": _ply, ".obj": _obj, ".off": _off}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise ValueError(f"{path}: expected the ending {', '.join(writers)}, got {Path(path).suffix!r}")
    vertices, faces = _checked(vertices, faces)
    on_vertices = {name: np.asarray(values) for name, values in (vertex_data or {}).items()}
    on_faces = {name: np.asarray(values) for name, values in (face_data or {}).items()}
    lines = [
        part.encode("ascii", "backslashreplace").decode() for text in comments for part in text.splitlines()
    ]
    writer = writers[suffix](vertices, faces, on_vertices, on_faces, lines)
    write_atomically(path, writer)


def _checked(vertices: Any, faces: Any) -> tuple[Array, Array]:
    vertices, faces = np.asarray(vertices, dtype=np.float64), np.asarray(faces)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError(f"vertices must have shape (V, 3); got {vertices.shape}")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise ValueError(f"faces must be integers of shape (F, 3); got {faces.shape} of {faces.dtype}")
    bad = np.flatnonzero(((faces < 0) | (faces >= len(vertices))).any(axis=1))
    if len(bad):
        raise ValueError(f"face {bad[0]} is {faces[bad[0]].tolist()}; the mesh has {len(vertices)} vertices")
    return vertices, faces.astype(np.int64)


def _ply(
    vertices: Array,
    faces: Array,
    on_vertices: dict[str, Array],
    on_faces: dict[str, Array],
    comments: list[str],
) -> Callable[[BinaryIO], object]:
    content = ply_content(vertices, faces, on_vertices, on_faces, comments)
    return lambda stream: stream.write(content)


def _obj(
    vertices: Array,
    faces: Array,
    on_vertices: dict[str, Array],
    on_faces: dict[str, Array],
    comments: list[str],
) -> Callable[[BinaryIO], object]:
    _only_colors("OBJ", on_vertices, len(vertices))
    if on_faces:
        raise ValueError(f"OBJ cannot hold face data {sorted(on_faces)[0]!r}; write PLY")
    table = np.concatenate([vertices, *on_vertices.values()], axis=1)
    lines = [f"# {comment}" for comment in comments]
    lines += ["v " + " ".join(map(repr, row)) for row in table.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
    return _text(lines)


def _off(
    vertices: Array,
    faces: Array,
    on_vertices: dict[str, Array],
    on_faces: dict[str, Array],
    comments: list[str],
) -> Callable[[BinaryIO], object]:
    _only_colors("OFF", on_vertices, len(vertices))
    _only_colors("OFF", on_faces, len(faces))
    opaque = [np.ones((len(vertices), 1))] if on_vertices else []
    table = np.concatenate([vertices, *on_vertices.values(), *opaque], axis=1)
    lines = ["COFF" if on_vertices else "OFF", *(f"# {comment}" for comment in comments)]
    lines += [f"{len(vertices)} {len(faces)} 0"]
    lines += [" ".join(map(repr, row)) for row in table.tolist()]
    colors = on_faces["color"].astype(np.float64).tolist() if on_faces else [[]] * len(faces)
    lines += [
        " ".join(map(repr, [3, *corners, *color]))
        for corners, color in zip(faces.tolist(), colors, strict=True)
    ]
    return _text(lines)


def _only_colors(format_name: str, data: dict[str, Array], count: int) -> None:
    for name, values in data.items():
        if name != "color":
            raise ValueError(f'{format_name} cannot hold data {name!r}, only "color"; write PLY')
        if values.shape != (count, 3) or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(
                f'"color" must have shape ({count}, 3) and lie in 0 .. 1; got shape {values.shape}'
            )


def _text(lines: list[str]) -> Callable[[BinaryIO], object]:
    content = ("\n".join(lines) + "\n").encode("ascii")
    return lambda stream: stream.write(content)
