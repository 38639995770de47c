"""Principal curvatures and their directions at the vertices of a mesh, from the turning of its normals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manifoldconv.errors import GeometryError
from manifoldconv.surface.segments import centroid_transport
from manifoldconv.surface.steps import mean_at_vertices
from manifoldconv.surface.surface import MeshSurface

Floats = NDArray[np.float64]


def principal_curvatures(surface: MeshSurface) -> tuple[Floats, Floats]:
    """κ_1 ≥ κ_2 `(V, 2)`, and their unit directions `(V, 2, 2)` as columns in the frames of the vertices.

    On each face the symmetric matrix S with S e = Δn for its three edges e, by least squares, Δn the difference of the
    vertex normals at the ends of e; at a vertex the mean of these over its faces, carried there from the centroids,
    weighted by their areas (where the source weights by Voronoi areas). κ are the eigenvalues, in 1 / length, positive
    on a sphere with outward normals. The sign of a direction is that of the eigenvector found, so it says nothing.

    Raises `GeometryError` without an embedding, and where the surface is not orientable: there the normals, and so
    "larger" and "smaller", change places.

    Source: Rusinkiewicz, "Estimating curvatures and their derivatives on triangle meshes", 2004, sections 3 and 4.
    """
    embedding = surface.embedding
    if not surface.connectivity.orientable:
        raise GeometryError(
            "principal curvatures change their signs, and so their order, on a surface that is not orientable; "
            "choose other frames"
        )
    tables = surface.tables
    sense = tables.fan_sense[tables.fan_slot]
    normal = (embedding.vertex_normals.numpy()[tables.tail] * sense[:, None]).reshape(-1, 3, 3)
    frame = embedding.face_frames.numpy()
    edge = (np.roll(embedding.corners, -1, axis=1) - embedding.corners) @ frame
    change = (np.roll(normal, -1, axis=1) - normal) @ frame
    shape = _least_squares(edge, change)
    face = np.arange(len(tables.twin)) // 3
    carry = centroid_transport(tables, face, tables.tail)
    at_corners = sense[:, None, None] * (carry @ shape[face] @ carry.transpose(0, 2, 1))
    curvatures, directions = np.linalg.eigh(mean_at_vertices(tables, at_corners))
    return curvatures[:, ::-1].copy(), directions[:, :, ::-1].copy()


def _least_squares(edge: Floats, change: Floats) -> Floats:
    """The symmetric S `(F, 2, 2)` that minimises Σ |S e - Δn|² over three edges `(F, 3, 2)`."""
    # Unknowns (S_11, S_12, S_22); two equations an edge.
    x, y = edge[..., 0], edge[..., 1]
    zero = np.zeros_like(x)
    rows = np.concatenate([np.stack([x, y, zero], axis=-1), np.stack([zero, x, y], axis=-1)], axis=1)
    right = np.concatenate([change[..., 0], change[..., 1]], axis=1)
    normal_matrix = rows.transpose(0, 2, 1) @ rows
    a, b, c = np.linalg.solve(normal_matrix, rows.transpose(0, 2, 1) @ right[:, :, None])[:, :, 0].T
    return np.stack([np.stack([a, b], axis=-1), np.stack([b, c], axis=-1)], axis=-2)
