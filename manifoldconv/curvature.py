"""Curvatures of a mesh as signals: the mean curvature by the cotangent Laplacian, the Gaussian one by angle
defects."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.surface.surface import MeshSurface


def mean_curvature(surface: MeshSurface) -> Tensor:
    """H = (κ_1 + κ_2) / 2 at the vertices, `(V,)`, in 1 / length; 0 on the boundary and at vertices of no
    face.

        2 H n = -Δx,   (Δx)_i = 1 / (2 A_i) Σ_j (cot α_ij + cot β_ij) (x_j - x_i)

    with the angles α, β opposite the edge ij and the mixed area A_i. n are the surface's own normals, on the
    side from which its frames are counterclockwise (that of the first face of each component), so H is 1 / R
    on a sphere of radius R with outward normals. On the boundary the formula measures the boundary curve's
    bending as well: there the value is 0.

    Raises:
        GeometryError: on a component that is not orientable, where H has no sign; without an embedding.

    Source: Meyer, Desbrun, Schröder and Barr, "Discrete differential-geometry operators for triangulated
    2-manifolds", 2003, equation 8.

    >>> octahedron = MeshSurface(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]],
    ...     [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
    >>> [round(float(h), 9) for h in mean_curvature(octahedron)]
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    embedding = surface.embedding
    if not surface.connectivity.orientable:
        raise GeometryError(
            "the mean curvature has no sign on a surface that is not orientable; choose another signal"
        )
    edge, cotangent = _edges_and_cotangents(surface)
    tables = surface.tables
    pull = 0.5 * cotangent[:, None] * edge
    head = np.roll(surface.connectivity.faces, -1, axis=1).reshape(-1)
    count = surface.n_vertices
    total = np.stack(
        [
            np.bincount(tables.tail, pull[:, i], minlength=count)
            - np.bincount(head, pull[:, i], minlength=count)
            for i in range(3)
        ],
        axis=1,
    )
    along_normal = -0.5 * (total * embedding.vertex_normals.numpy()).sum(axis=1)
    return torch.from_numpy(_inside(surface, along_normal, mixed_areas(surface).numpy()))


def gaussian_curvature(surface: MeshSurface) -> Tensor:
    """K = (2π - Θ_i) / A_i at the vertices, `(V,)`, in 1 / length²; 0 on the boundary and at vertices of no
    face.

    Θ_i is the sum of the angles round the vertex and A_i its mixed area. Intrinsic: no embedding is needed.

    Source: as `mean_curvature`, equation 9.
    """
    return torch.from_numpy(_inside(surface, surface.vertex_curvature.numpy(), mixed_areas(surface).numpy()))


def mixed_areas(surface: MeshSurface) -> Tensor:
    """`(V,)` each vertex's part of the faces round it; their sum is the total area.

    In a triangle without an obtuse angle, the part that is nearest to the vertex (its Voronoi region). An
    obtuse one gives half of its area to the obtuse corner and a quarter to each of the others. Source: Meyer
    et al., figure 4.
    """
    chart, angle = surface.tables.chart, surface.tables.angle
    length = chart[:, 0].reshape(-1, 3)
    cotangent = (chart[:, 1] / chart[:, 2]).reshape(-1, 3)
    area = surface.face_areas.numpy()[:, None]
    # Corner i lies between edge i, opposite corner i + 2, and edge i + 2, opposite corner i + 1.
    voronoi = (
        length**2 * np.roll(cotangent, -2, axis=1)
        + np.roll(length, -2, axis=1) ** 2 * np.roll(cotangent, -1, axis=1)
    ) / 8
    wide = angle.reshape(-1, 3) > math.pi / 2
    obtuse = wide.any(axis=1, keepdims=True)
    share = np.where(obtuse, np.where(wide, area / 2, area / 4), voronoi)
    return torch.from_numpy(np.bincount(surface.tables.tail, share.reshape(-1), minlength=surface.n_vertices))


def _edges_and_cotangents(surface: MeshSurface) -> tuple[np.ndarray, np.ndarray]:
    """For each half-edge the vector along it `(3F, 3)` and the cotangent of the angle opposite `(3F,)`."""
    corners = surface.embedding.corners
    edge = np.roll(corners, -1, axis=1) - corners
    # The angle at corner i + 2 is opposite edge i; in the chart of the half-edge that leaves it, it is at the
    # origin.
    cotangent = (surface.tables.chart[:, 1] / surface.tables.chart[:, 2]).reshape(-1, 3)
    return edge.reshape(-1, 3), np.roll(cotangent, -2, axis=1).reshape(-1)


def _inside(surface: MeshSurface, integral: np.ndarray, area: np.ndarray) -> np.ndarray:
    """integral / area at the inner vertices, 0 at the others."""
    inner = surface.connectivity.referenced & ~surface.tables.open_fan
    return np.where(inner, integral / np.where(inner, area, 1.0), 0.0)
