"""Each triangle into four by the midpoints of its edges: the same surface, with more room for signals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.remesh.result import RemeshResult, shares_of_faces
from manifoldconv.surface.surface import MeshSurface

Array = np.ndarray

# A face of corners a, b, c and midpoints p of ab, q of bc, r of ca, as columns of (a, b, c, p, q, r).
CHILDREN = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]])


class _Level(NamedTuple):
    """A mesh of F faces and what it knows of the first one.

    `faces` (F, 3), `length` (F, 3), `positions` (V, 3) or None, `n_vertices` V, `root` (F,) the first mesh's face
    that each face is part of, `corners` (F, 3, 3) the barycentric coordinates of each corner there.
    """

    faces: Array
    length: Array
    positions: Array | None
    n_vertices: int
    root: Array
    corners: Array


# Beyond this a mesh of the project takes some 100 GB.
MOST_FACES = 100_000_000


def subdivide(surface: MeshSurface, times: int = 1) -> RemeshResult:
    """Split every triangle into four equal ones by the midpoints of its edges, `times` times.

    The triangles stay in the planes of the old ones, so that this is the same surface: geodesics, transport, curvature
    and areas are unchanged, and only the space of piecewise linear signals grows. Vertices keep their numbers and new
    ones follow; the parts of face f are the faces 4^times f, ..., 4^times (f + 1) - 1, wound like it. Works for meshes
    given by edge lengths, with a boundary, and without orientation.

    Args:
        surface: the mesh; it is not changed.
        times: how often, 1 or more; each time there are four times as many faces.

    Raises:
        ValueError: where `times` is not a positive whole number, or the result would have over 10^8 faces.

    >>> tetrahedron = MeshSurface(
    ...     [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    >>> finer = subdivide(tetrahedron)
    >>> finer.surface
    MeshSurface(10 vertices, 16 faces, Euler characteristic 2, orientable, no boundary)
    >>> finer.push(torch.tensor([0.0, 1.0, 2.0, 3.0]))[4:]
    tensor([0.5000, 1.5000, 1.0000, 1.5000, 2.0000, 2.5000])
    """
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise ValueError(f"times must be a whole number, 1 or more; got {times!r}")
    if len(surface.faces) * 4**times > MOST_FACES:
        raise ValueError(
            f"{len(surface.faces)} faces split {times} times would be {len(surface.faces) * 4.0**times:.3g}; "
            f"up to {MOST_FACES:.3g} are made"
        )
    faces = surface.faces.numpy()
    length = surface.tables.chart[:, 0].reshape(-1, 3)
    positions = None if surface.vertices is None else surface.vertices.numpy()
    corners = np.broadcast_to(np.eye(3), (len(faces), 3, 3))
    level = _Level(faces, length, positions, surface.n_vertices, np.arange(len(faces)), corners)
    for _ in range(times):
        level = _split(level)
    if level.positions is not None:
        finer = MeshSurface(level.positions, level.faces)
    else:
        finer = MeshSurface.from_edge_lengths(level.faces, level.length, level.n_vertices)
    on_old = _places(surface, level)
    parts = np.arange(len(level.faces)).reshape(len(faces), -1)
    result = RemeshResult(
        surface=finer,
        old=surface,
        on_old=on_old,
        on_new=finer.vertex_points(torch.arange(surface.n_vertices)),
        face_push=shares_of_faces(level.root[:, None], len(faces)),
        face_pull=shares_of_faces(parts, len(level.faces)),
        report=f"subdivided {times} time{'s' * (times > 1)}: {len(level.faces)} faces in place of {len(faces)}",
    )
    finer.file = result.file()
    return result


def _split(level: _Level) -> _Level:
    """Four triangles for each; midpoints are numbered in the order of the faces that have them first."""
    start, end = level.faces, np.roll(level.faces, -1, axis=1)
    key = np.minimum(start, end) * np.int64(level.n_vertices) + np.maximum(start, end)
    _, first, edge = np.unique(key.reshape(-1), return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    middle = level.n_vertices + rank[edge].reshape(-1, 3)
    six = np.concatenate([level.faces, middle], axis=1)
    places = np.concatenate([level.corners, (level.corners + np.roll(level.corners, -1, axis=1)) / 2], axis=1)
    positions = level.positions
    if positions is not None:
        made = np.sort(first)
        ends = positions[start.reshape(-1)[made]], positions[end.reshape(-1)[made]]
        positions = np.concatenate([positions, (ends[0] + ends[1]) / 2])
    return _Level(
        six[:, CHILDREN].reshape(-1, 3),
        _halves(level.length),
        positions,
        level.n_vertices + len(first),
        np.repeat(level.root, 4),
        places[:, CHILDREN].reshape(-1, 3, 3),
    )


def _halves(length: Array) -> Array:
    """The edge lengths of the four parts: each is half as large as the whole; the inner one is turned round."""
    ab, bc, ca = (length / 2).T
    inner = np.stack([ca, ab, bc], axis=1)
    outer = np.stack([ab, bc, ca], axis=1)
    return np.stack([outer, outer, outer, inner], axis=1).reshape(-1, 3)


def _places(surface: MeshSurface, level: _Level) -> SurfacePoint:
    """Where the vertices of the last level lie on the first mesh."""
    face = np.full(level.n_vertices, -1, dtype=np.int64)
    barycentric = np.zeros((level.n_vertices, 3))
    face[level.faces.reshape(-1)] = np.repeat(level.root, 3)
    barycentric[level.faces.reshape(-1)] = level.corners.reshape(-1, 3)
    known = surface.vertex_points()
    count = surface.n_vertices
    vertex = torch.cat([known.vertex, torch.full((level.n_vertices - count,), -1)])
    return SurfacePoint(
        torch.cat([known.face, torch.from_numpy(face[count:])]),
        torch.cat([known.barycentric, torch.from_numpy(barycentric[count:])]),
        vertex,
    )
