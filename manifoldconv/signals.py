"""Signals on a mesh by name: what a file holds, what the geometry gives, noise and deltas, CSV and NPY
files."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from manifoldconv.curvature import gaussian_curvature, mean_curvature
from manifoldconv.errors import GeometryError
from manifoldconv.surface.surface import MeshSurface, SiteKind

# What a signal can be called besides the properties of the file, for help texts and messages.
NAMED = {
    "x, y, z": "the coordinate of the site in space",
    "noise, noise:SEED": "standard normal numbers, independent from site to site (seed 0 by default)",
    "mean-curvature": "half the sum of the principal curvatures; positive on a sphere with outward normals",
    "gaussian-curvature": "the product of the principal curvatures: angle defect over area",
    "delta:SITE": "1 at the vertex (or face) with this number, 0 elsewhere",
    "NAME, property:NAME": "a property of the file; colours are `color`, three channels in 0 .. 1",
    "FILE.npy, FILE.npy:COLUMN": "one row a site; columns are counted from 0",
    "FILE.csv, FILE.csv:COLUMN": "one row a site; the column by its name in the first row, or counted from 0",
}


@dataclass(frozen=True, eq=False)
class Signal:
    """A field on the sites of a mesh.

    Attributes:
        values: `(N, C)` float64, finite, one row a site.
        sites: "vertices" or "faces": where the rows belong.
        kind: "scalar": each channel is a function. "vector": C = 3, the coordinates in space of one vector.
        label: what it is, for titles and tables.
        property_of_file: the name under which the mesh file itself holds it; None for all others.
    """

    values: Tensor
    sites: SiteKind
    kind: Literal["scalar", "vector"]
    label: str
    property_of_file: str | None = None

    @property
    def channels(self) -> int:
        """C."""
        return self.values.shape[1]


def read_signal(
    surface: MeshSurface, spec: str, sites: SiteKind | None = None, *, vector: bool = False
) -> Signal:
    """The signal that a specification names (see `NAMED`).

    Args:
        surface: the mesh; properties are those of `surface.file`.
        spec: a name. Those of `NAMED` come before properties of the file; `property:NAME` reaches these
            always.
        sites: where the field lives. None: where the property lives, or where the file's rows fit; else
            vertices.
        vector: the three channels are one vector in space.

    Raises:
        GeometryError: an unknown name (the message lists what there is); a field of another length than there
            are sites (it names both lengths); values that are not finite or not numbers (it names the first
            place); `vector` without three channels.

    >>> tetrahedron = MeshSurface(
    ...     [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    >>> read_signal(tetrahedron, "delta:2").values[:, 0].tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    path, column = _split_file(spec)
    label, home = spec, None
    if path is not None:
        values, label = _from_file(path, column), path.name + (f":{column}" if column is not None else "")
        where: SiteKind = sites or ("faces" if _fits_faces_only(surface, values) else "vertices")
    elif spec in ("x", "y", "z"):
        where = sites or "vertices"
        values = _positions(surface, where)[:, "xyz".index(spec)].numpy()
    elif spec == "noise" or spec.startswith("noise:"):
        where = sites or "vertices"
        values = _noise(_number_after(spec, "noise", 0, "a seed"), _count(surface, where))
    elif spec == "delta" or spec.startswith("delta:"):
        where = sites or "vertices"
        values = _delta(
            _number_after(spec, "delta", None, "the number of a site"), _count(surface, where), where
        )
    elif spec in ("mean-curvature", "gaussian-curvature"):
        where = "vertices"
        if sites == "faces":
            raise GeometryError(f"the signal {spec} lives on the vertices; use the sites vertices")
        values = (mean_curvature if spec == "mean-curvature" else gaussian_curvature)(surface).numpy()
    else:
        home = spec.removeprefix("property:")
        values, where = _property(surface, home, sites)
        label = home
    field = _checked(values, _count(surface, where), where, label, surface)
    if vector and field.shape[1] != 3:
        raise GeometryError(
            "a vector field has three components (x, y, z) at each site; "
            f"the signal {label} has {field.shape[1]}"
        )
    return Signal(field, where, "vector" if vector else "scalar", label, home)


def properties(surface: MeshSurface) -> dict[SiteKind, dict[str, int]]:
    """The numeric properties of the mesh's file with their numbers of channels: of vertices, of faces."""
    return {
        kind: {
            name: 1 if np.ndim(array) == 1 else array.shape[1] for name, array in _data(surface, kind).items()
        }
        for kind in ("vertices", "faces")
    }


def _data(surface: MeshSurface, kind: SiteKind) -> Mapping[str, np.ndarray]:
    if surface.file is None:
        return {}
    held = surface.file.vertex_data if kind == "vertices" else surface.file.face_data
    return {name: array for name, array in held.items() if array.dtype.kind in "biuf"}


def _count(surface: MeshSurface, sites: SiteKind) -> int:
    return surface.n_vertices if sites == "vertices" else len(surface.faces)


def _positions(surface: MeshSurface, sites: SiteKind) -> Tensor:
    """Where the sites are in space, `(N, 3)`."""
    vertices = surface.embedding.vertices
    corners = torch.from_numpy(vertices)
    return corners if sites == "vertices" else corners[surface.faces].mean(dim=1)


def _noise(seed: int, count: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator, dtype=torch.float64).numpy()


def _delta(site: int, count: int, sites: SiteKind) -> np.ndarray:
    if not 0 <= site < count:
        raise GeometryError(f"delta:{site} names no site; the mesh has {count} {sites} (0 to {count - 1})")
    values = np.zeros(count)
    values[site] = 1.0
    return values


def _number_after(spec: str, name: str, default: int | None, meaning: str) -> int:
    """The whole number in "name:number"."""
    given = spec.removeprefix(name).removeprefix(":")
    if not given and default is not None:
        return default
    if not given.isdecimal() or int(given) > 2**62:
        raise GeometryError(f"expected {meaning} after {name}:, a whole number from 0 up; got {given!r}")
    return int(given)


def _property(surface: MeshSurface, name: str, sites: SiteKind | None) -> tuple[np.ndarray, SiteKind]:
    """A property of the mesh's file, and the sites that it lives on."""
    kinds: tuple[SiteKind, ...] = ("vertices", "faces") if sites is None else (sites,)
    for kind in kinds:
        if name in _data(surface, kind):
            return _data(surface, kind)[name], kind
    other: SiteKind = "faces" if sites == "vertices" else "vertices"
    if sites is not None and name in _data(surface, other):
        raise GeometryError(f"the property {name} lives on the {other} of the mesh; use the sites {other}")
    held = [*_data(surface, "vertices"), *_data(surface, "faces")]
    guess = difflib.get_close_matches(
        name, [*held, "mean-curvature", "gaussian-curvature", "noise", "delta:0"], 1
    )
    file_has = "the file has no properties" if not held else f"the file has the properties {', '.join(held)}"
    raise GeometryError(
        f"there is no signal {name!r}{f' (did you mean {guess[0]}?)' if guess else ''}: {file_has}; "
        "named signals are x, y, z, noise:SEED, mean-curvature, gaussian-curvature, delta:SITE, "
        "FILE.csv:COLUMN, FILE.npy:COLUMN"
    )


# -- files of numbers -----------------------------------------------------------------------


def _split_file(spec: str) -> tuple[Path | None, str | None]:
    """A path ending in .csv or .npy and what follows the colon after it; (None, None) for others."""
    head, colon, tail = spec.rpartition(":")
    for name, column in ((spec, None), (head, tail)):
        if name.lower().endswith((".csv", ".npy")) and (column is None or colon):
            return Path(name), column
    return None, None


def _fits_faces_only(surface: MeshSurface, values: np.ndarray) -> bool:
    return len(values) == len(surface.faces) != surface.n_vertices


def _from_file(path: Path, column: str | None) -> np.ndarray:
    try:
        return _from_npy(path, column) if path.suffix.lower() == ".npy" else _from_csv(path, column)
    except FileNotFoundError:
        raise GeometryError(f"{path}: there is no such file; check the name of the signal") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise GeometryError(f"{path}: cannot be read ({reason})") from None


def _from_npy(path: Path, column: str | None) -> np.ndarray:
    with path.open("rb") as stream:
        try:
            array = np.lib.format.read_array(stream, allow_pickle=False)
        except ValueError as error:
            raise GeometryError(
                f"{path}: expected an NPY file of numbers ({' '.join(str(error).split())})"
            ) from None
    if array.ndim not in (1, 2) or array.dtype.kind not in "biuf":
        raise GeometryError(
            f"{path}: expected real numbers of shape (sites,) or (sites, channels); "
            f"got {array.dtype} {array.shape}"
        )
    if column is None:
        return array
    table = array.reshape(len(array), -1)
    if not column.isdecimal() or int(column) >= table.shape[1]:
        raise GeometryError(
            f"{path}: has the columns 0 to {table.shape[1] - 1}; there is no column {column!r}"
        )
    return table[:, int(column)]


def _from_csv(path: Path, column: str | None) -> np.ndarray:
    """One column, or all of them, from text with commas, semicolons or tabs between the cells."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        first = stream.readline()
        stream.seek(0)
        delimiter = max(",;\t", key=first.count)
        # Where each row stands: the reader counts lines, which differ from rows where cells hold line breaks.
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
        except csv.Error as error:
            raise GeometryError(f"{path} (line {reader.line_num}): not a table of cells ({error})") from None
    if not rows:
        raise GeometryError(f"{path}: the file is empty")
    names = [] if all(map(_is_number, rows[0][1])) else rows.pop(0)[1]
    width = len(names or rows[0][1])
    chosen = list(range(width)) if column is None else [_find_column(path, column, names, width)]
    values = np.empty((len(rows), len(chosen)))
    for i, (line, row) in enumerate(rows):
        for j, place in enumerate(chosen):
            cell = row[place] if place < len(row) else ""
            if not _is_number(cell):
                title = names[place] if names else place
                raise GeometryError(
                    f"{path} (line {line}): expected a number in column {title}, got {cell!r}"
                )
            values[i, j] = float(cell)
    return values


def _find_column(path: Path, column: str, names: list[str], width: int) -> int:
    if column in names:
        return names.index(column)
    if column.isdecimal() and int(column) < width:
        return int(column)
    has = (
        f"the columns {', '.join(names)}"
        if names
        else f"no names in its first row and the columns 0 to {width - 1}"
    )
    raise GeometryError(f"{path}: has {has}; there is no column {column!r}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _checked(values: Any, count: int, sites: SiteKind, label: str, surface: MeshSurface) -> Tensor:
    """`(count, C)` float64, finite."""
    array = np.asarray(values)
    if len(array) != count:
        other: SiteKind = "faces" if sites == "vertices" else "vertices"
        raise GeometryError(
            f"the signal {label} has {len(array)} rows; the mesh has {count} {sites} "
            f"(and {_count(surface, other)} {other})"
        )
    field = np.array(array, dtype=np.float64).reshape(count, -1)
    bad = np.flatnonzero(~np.isfinite(field).all(axis=1))
    if len(bad):
        value = next(v for v in field[bad[0]].tolist() if not math.isfinite(v))
        noun = "vertex" if sites == "vertices" else "face"
        more = "" if len(bad) == 1 else f" (and {len(bad) - 1} more)"
        raise GeometryError(
            f"the signal {label} is {value} at {noun} {int(bad[0])}{more}; numbers must be finite"
        )
    return torch.from_numpy(field)
