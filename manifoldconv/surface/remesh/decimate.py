"""Fewer triangles for nearly the same surface, of the same topology."""

from __future__ import annotations

import numpy as np
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.remesh.closest import closest_points
from manifoldconv.surface.remesh.collapse import collapse_edges
from manifoldconv.surface.remesh.quadrics import vertex_quadrics
from manifoldconv.surface.remesh.result import RemeshResult, shares_of_faces
from manifoldconv.surface.surface import MeshSurface

Array = np.ndarray


def decimate(surface: MeshSurface, target_faces: int) -> RemeshResult:
    """Contract edges until at most `target_faces` faces are left, cheapest first by the quadric error metric.

    The cost of a contraction is the sum of the squared distances of the new vertex from the planes of the faces it
    stands for (Garland and Heckbert, "Surface simplification using quadric error metrics", 1997). Contractions that
    would change the topology, turn a face over or make it degenerate are left out: the result is a surface again, with
    the same components, boundary loops and orientability. It is another surface, though: `deviation` is the largest
    distance of an old vertex from it. Vertices of no face are dropped.

    Signals are carried by closest points: each new vertex has the value of the old signal (linear on each face)
    at the closest old point, and the other way round.

    Args:
        surface: an embedded mesh, also with a boundary or without orientation; it is not changed.
        target_faces: how many faces are wanted; there may be one fewer, as most contractions take two. A mesh that
            has no more of them stays as it is, and the report says so.

    Raises:
        ValueError: where `target_faces` is not a positive whole number.
        GeometryError: for a mesh given by edge lengths, and where so few faces can't be reached; the message
            names the fewest that were.

    >>> from manifoldconv.surface.load import load_mesh
    >>> coarse = decimate(load_mesh("meshes/icosphere.ply"), 500)
    >>> coarse.surface
    MeshSurface(252 vertices, 500 faces, Euler characteristic 2, orientable, no boundary)
    >>> coarse.deviation < 0.02
    True
    """
    if isinstance(target_faces, bool) or not isinstance(target_faces, int) or target_faces < 1:
        raise ValueError(f"target_faces must be a whole number, 1 or more; got {target_faces!r}")
    coarse = _collapsed(surface, target_faces)
    used = np.flatnonzero(surface.connectivity.referenced)
    on_old, _ = closest_points(surface, coarse.embedding.vertices)
    near, distance = closest_points(coarse, surface.embedding.vertices[used])
    middle_old, middle_new = _centroids(surface), _centroids(coarse)
    deviation = float(distance.max())
    result = RemeshResult(
        surface=coarse,
        old=surface,
        on_old=on_old,
        on_new=_spread(near, used, surface.n_vertices),
        face_push=shares_of_faces(
            closest_points(surface, middle_new)[0].face.numpy()[:, None], len(surface.faces)
        ),
        face_pull=shares_of_faces(
            closest_points(coarse, middle_old)[0].face.numpy()[:, None], len(coarse.faces)
        ),
        report=_report(len(surface.faces), len(coarse.faces), target_faces, deviation),
        deviation=deviation,
    )
    coarse.file = result.file()
    return result


def _report(before: int, after: int, target: int, deviation: float) -> str:
    if before <= target:
        return f"nothing was decimated: the mesh has {before} faces, no more than the {target} that were asked for"
    return f"decimated from {before} to {after} faces; the old vertices lie within {deviation:.3g} of the new surface"


def _collapsed(surface: MeshSurface, target: int) -> MeshSurface:
    """The decimated surface; costs are computed in a box of unit size, where rounding can't depend on the unit."""
    vertices, faces = surface.embedding.vertices, surface.faces.numpy()
    used = surface.connectivity.referenced
    low, high = vertices[used].min(axis=0), vertices[used].max(axis=0)
    centre, size = (low + high) / 2, float((high - low).max())
    scaled = np.where(used[:, None], (vertices - centre) / size, 0.0)
    quadrics = vertex_quadrics(scaled, faces, surface.connectivity.twin)
    moved, remaining, alive = collapse_edges(scaled, faces, quadrics, surface.tables.open_fan, target)
    if alive.sum() > target:
        raise GeometryError(
            f"the mesh of {len(faces)} faces can't be decimated to {target}: with {int(alive.sum())} left, each "
            "further contraction would change the topology, turn a face over or make it degenerate; ask for more"
        )
    chosen, renamed = np.unique(remaining[alive], return_inverse=True)
    # Vertices that never moved keep their coordinates to the last digit.
    still = (moved[chosen] == scaled[chosen]).all(axis=1)
    positions = np.where(still[:, None], vertices[chosen], moved[chosen] * size + centre)
    return MeshSurface(positions, renamed.reshape(-1, 3))


def _centroids(surface: MeshSurface) -> Array:
    return surface.embedding.vertices[surface.faces.numpy()].mean(axis=1)


def _spread(points: SurfacePoint, used: Array, count: int) -> SurfacePoint:
    """The points of the used vertices among those of all; the others are nowhere."""
    where = torch.from_numpy(used)
    face = torch.full((count,), -1).index_copy(0, where, points.face)
    barycentric = torch.zeros((count, 3), dtype=torch.float64).index_copy(0, where, points.barycentric)
    return SurfacePoint(face, barycentric)
