"""Named properties of vertices and faces: columns of a file put together to colours, normals and vectors."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

Array = np.ndarray


def unit_colors(values: Array) -> Array:
    """Colours `(..., k)` as float64 in 0 .. 1, whether they came as 0 .. 255 or as 0 .. 1.

    Integer types are divided by the largest value of their type; of numbers whose type says nothing (text),
    those above 1 show that the range is 0 .. 255.
    """
    if np.issubdtype(values.dtype, np.unsignedinteger):
        return values / float(np.iinfo(values.dtype).max)
    values = values.astype(np.float64)
    return values / 255.0 if values.size and np.nanmax(values) > 1.0 else values


def with_groups(columns: Mapping[str, Array]) -> dict[str, Array]:
    """The columns, and beside them what they make together.

    red, green, blue (or diffuse_red, ...) → "color" in 0 .. 1; nx, ny, nz → "normal";
    u_x, u_y, u_z → "u"; u_0, u_1, ..., u_k → "u". A name that the file itself uses is left alone.

    Example:
        >>> two = np.array([1.0, 2.0])
        >>> sorted(with_groups({"u_x": two, "u_y": two, "u_z": two}))
        ['u', 'u_x', 'u_y', 'u_z']
    """
    result = dict(columns)
    for prefix in ("", "diffuse_"):
        names = [prefix + channel for channel in ("red", "green", "blue")]
        if all(name in columns for name in names) and "color" not in result:
            result["color"] = unit_colors(np.stack([columns[name] for name in names], axis=1))
    groups = {"normal": ["nx", "ny", "nz"]}
    for name in columns:
        stem, _, tail = name.rpartition("_")
        if stem and tail == "x":
            groups[stem] = [f"{stem}_{axis}" for axis in "xyz"]
        elif stem and tail == "0":
            size = sum(re.fullmatch(re.escape(stem) + r"_\d+", other) is not None for other in columns)
            groups[stem] = [f"{stem}_{index}" for index in range(size)]
    for group, names in groups.items():
        if group not in result and all(name in columns for name in names):
            result[group] = np.stack([columns[name] for name in names], axis=1)
    return result


def as_columns(noun: str, data: Mapping[str, Array], count: int) -> dict[str, Array]:
    """The inverse of `with_groups`: scalar columns `(count,)` for a table, colours in 8 bits.

    Raises `ValueError` for arrays of another length or shape, names that a table cannot hold, colours
    outside 0 .. 1, and one name given twice with different values.
    """
    columns: dict[str, Array] = {}
    for name, values in data.items():
        values = np.asarray(values)
        if values.ndim not in (1, 2) or len(values) != count or values.size != count * values[:1].size:
            raise ValueError(
                f"{noun} data {name!r} must have shape ({count},) or ({count}, k); got {values.shape}"
            )
        if values.dtype.kind not in "biuf":
            raise ValueError(f"{noun} data {name!r} must be real numbers; got dtype {values.dtype}")
        for column, part in zip(
            _column_names(name, values), np.atleast_2d(_stored(name, values).T), strict=True
        ):
            if not re.fullmatch(r"[!-~]+", column):
                raise ValueError(f"{noun} data {name!r}: a name must be ASCII without spaces")
            if column in columns and not np.array_equal(columns[column], part, equal_nan=True):
                raise ValueError(
                    f"{noun} data holds {column!r} twice, with different values; rename one of them"
                )
            columns.setdefault(column, part)
    return columns


def _column_names(name: str, values: Array) -> list[str]:
    if values.ndim == 1:
        return [name]
    size = values.shape[1]
    if size == 3 and name in ("color", "normal"):
        return {"color": ["red", "green", "blue"], "normal": ["nx", "ny", "nz"]}[name]
    return [f"{name}_{axis}" for axis in "xyz"] if size == 3 else [f"{name}_{index}" for index in range(size)]


def _stored(name: str, values: Array) -> Array:
    if name != "color" or values.ndim != 2 or values.shape[1] != 3:
        return values
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f'"color" must lie in 0 .. 1; got {np.nanmin(values):g} to {np.nanmax(values):g}')
    return np.rint(values * 255.0).astype(np.uint8)
