"""Whether points lie on a mesh: one compiled pass, since every public call asks it first."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from manifoldconv.errors import GeometryError
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.threads import threads_for

FACE, VERTEX, WEIGHTS, CORNER = 0, 1, 2, 3


def check_points(points: SurfacePoint, faces: NDArray[np.int64], n_vertices: int) -> None:
    """Raise `GeometryError` for the first point that is not on a mesh with these faces and so many vertices."""
    if not isinstance(points, SurfacePoint):
        raise GeometryError(
            f"points of a mesh are SurfacePoint objects (see vertex_points); got {type(points).__name__}"
        )
    face, weights, vertex = points.reshape(-1).arrays()
    with threads_for(len(face)) as threads:
        where, what = _first_bad(face, weights, vertex, faces, n_vertices, threads)
    if where < 0:
        return
    if what == FACE:
        raise GeometryError(f"face {int(face[where])} does not exist; the mesh has {len(faces)} faces")
    if what == VERTEX:
        raise GeometryError(f"vertex {int(vertex[where])} does not exist; the mesh has {n_vertices} vertices")
    if what == CORNER:
        raise GeometryError(
            f"vertex {int(vertex[where])} is not where its face {int(face[where])} and barycentric coordinates "
            f"{weights[where].tolist()} say; use vertex_points"
        )
    raise GeometryError(
        f"barycentric coordinates must be non-negative with sum 1; got {weights[where].tolist()}"
    )


@numba.njit(cache=True, parallel=True)
def _first_bad(face, weights, vertex, faces, n_vertices, parts):  # type: ignore[no-untyped-def]
    count = len(face)
    bad = np.full(parts, -1, dtype=np.int64)
    what = np.zeros(parts, dtype=np.int64)
    for part in numba.prange(parts):
        for point in range(part * count // parts, (part + 1) * count // parts):
            if face[point] >= len(faces) or (face[point] < 0 and vertex[point] < 0):
                bad[part], what[part] = point, FACE
                break
            if vertex[point] >= n_vertices or vertex[point] < -1:
                bad[part], what[part] = point, VERTEX
                break
            least = min(weights[point, 0], weights[point, 1], weights[point, 2])
            total = weights[point, 0] + weights[point, 1] + weights[point, 2]
            if face[point] >= 0 and not (least >= -1e-9 and abs(total - 1.0) <= 1e-9):
                bad[part], what[part] = point, WEIGHTS
                break
            if face[point] >= 0 and vertex[point] >= 0:
                there = 0.0
                for i in range(3):
                    if faces[face[point], i] == vertex[point]:
                        there = weights[point, i]
                if there < 1 - 1e-9:
                    bad[part], what[part] = point, CORNER
                    break
    for part in range(parts):
        if bad[part] >= 0:
            return bad[part], what[part]
    return -1, 0
