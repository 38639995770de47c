"""Binary little-endian PLY, put together in memory: a header and one array of records for each element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from manifoldconv.surface.io.properties import as_columns

Array = np.ndarray

_TYPE_NAMES = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}


def ply_content(
    vertices: Array,
    faces: Array,
    vertex_data: Mapping[str, Array],
    face_data: Mapping[str, Array],
    comments: Sequence[str],
) -> bytes:
    """The bytes of a PLY file: positions in double precision, corners in 32 bits, data in their own types.

    Args:
        vertices: `(V, 3)` float64.
        faces: `(F, 3)` int64, every index in 0 .. V - 1.
        vertex_data, face_data: arrays by name, as `as_columns` takes them.
        comments: lines of ASCII.

    Raises `ValueError` for names and numbers that PLY cannot hold.
    """
    columns = as_columns("vertex", vertex_data, len(vertices))
    clash = [name for name in ("x", "y", "z") if name in columns]
    if clash:
        raise ValueError(f"vertex data may not be named {clash[0]!r}: that is the position; rename it")
    face_columns = as_columns("face", face_data, len(faces))
    if "vertex_indices" in face_columns:
        raise ValueError("face data may not be named 'vertex_indices': that is the corners; rename it")
    if len(vertices) > np.iinfo(np.int32).max:
        raise ValueError(f"PLY counts vertices in 32 bits; got {len(vertices)} of them")
    positions: dict[str, Array] = dict(zip("xyz", vertices.T, strict=True))
    vertex_table = _records(positions | columns, len(vertices))
    # The name "list size" never reaches the file, and cannot be that of data: it has a space.
    size = np.full(len(faces), 3, dtype=np.uint8)
    corners: dict[str, Array] = {"list size": size, "vertex_indices": faces.astype(np.int32)}
    face_table = _records(corners | face_columns, len(faces))
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {text}" for text in comments)]
    lines += [f"element vertex {len(vertices)}", *_property_lines(vertex_table, skip=0)]
    lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    lines += [*_property_lines(face_table, skip=2), "end_header", ""]
    return "\n".join(lines).encode("ascii") + vertex_table.tobytes() + face_table.tobytes()


def _property_lines(table: Array, skip: int) -> list[str]:
    """The header's lines for all but the first columns of a table."""
    names = (table.dtype.names or ())[skip:]
    return [f"property {_TYPE_NAMES[table.dtype[name].str[1:]]} {name}" for name in names]


def _records(columns: Mapping[str, Array], count: int) -> Array:
    """A packed structured array of the columns, little-endian, in types that PLY has."""
    stored = {name: _ply_type(name, values) for name, values in columns.items()}
    fields = [(name, values.dtype.newbyteorder("<"), values.shape[1:]) for name, values in stored.items()]
    table = np.empty(count, dtype=np.dtype(fields))
    for name, values in stored.items():
        table[name] = values
    return table


def _ply_type(name: str, values: Array) -> Array:
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        raise ValueError(f"data {name!r}: PLY has no numbers longer than 64 bits; convert it to float64")
    if values.dtype.itemsize == 8 and values.dtype.kind in "iu":
        limits = np.iinfo(np.int32)
        if values.size and (values.min() < limits.min or values.max() > limits.max):
            raise ValueError(f"data {name!r}: PLY integers have 32 bits; convert it to float64")
        return values.astype(np.int32)
    return values
