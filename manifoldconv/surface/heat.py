"""The smooth logarithm by the vector heat method, through potpourri3d."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.surface.points import SurfacePoint

if TYPE_CHECKING:
    from manifoldconv.surface.surface import MeshSurface


def vector_heat_log(surface: MeshSurface, x: SurfacePoint, y: SurfacePoint) -> Tensor:
    """The logarithm `(N, 2)` from vertices x to points y, in the frames at x; NaN on other components.

    Sharp, Soliman and Crane, "The vector heat method" (2019), section 8.2. One linear solve for each distinct x.
    """
    mesh = surface.connectivity
    if surface.vertices is None:
        raise GeometryError('method "vector-heat" needs vertex positions; this mesh is given by edge lengths')
    if not mesh.orientable or mesh.flip.any():
        raise GeometryError(
            'method "vector-heat" needs an orientable mesh whose faces are all wound the same way; '
            'use method "straight"'
        )
    if not mesh.referenced.all():
        vertex = int(np.flatnonzero(~mesh.referenced)[0])
        raise GeometryError(
            f'method "vector-heat" needs every vertex to have a face; vertex {vertex} has none'
        )
    if bool((x.vertex < 0).any()):
        raise GeometryError(
            'method "vector-heat" starts from vertices; use method "straight" from points inside faces'
        )
    import potpourri3d

    solver = potpourri3d.MeshVectorHeatSolver(surface.vertices.numpy(), mesh.faces)
    basis_x, basis_y, _ = solver.get_tangent_frames()
    component = np.zeros(surface.n_vertices, dtype=np.int64)
    component[mesh.faces] = mesh.face_component[:, None]
    corners = torch.from_numpy(mesh.faces)[y.face]
    result = torch.empty(len(x), 2, dtype=torch.float64)
    for source in torch.unique(x.vertex).tolist():
        rows = torch.nonzero(x.vertex == source)[:, 0]
        at_vertices = torch.from_numpy(np.asarray(solver.compute_log_map(source)))
        values = at_vertices[corners[rows]]
        inside = (y.barycentric[rows][..., None] * values).sum(dim=1)
        exact = at_vertices[y.vertex[rows].clamp(min=0)]
        vectors = torch.where((y.vertex[rows] >= 0)[:, None], exact, inside)
        turned = _turn_between_bases(surface, source, basis_x[source], basis_y[source])
        vectors = vectors @ turned.T
        elsewhere = torch.from_numpy(component)[corners[rows, 0]] != int(component[source])
        result[rows] = vectors.masked_fill(elsewhere[:, None], torch.nan)
    return result


def _turn_between_bases(
    surface: MeshSurface, vertex: int, basis_x: np.ndarray, basis_y: np.ndarray
) -> Tensor:
    """The rotation from the solver's basis at a vertex to ours.

    Both measure scaled angles round the vertex; the solver's angle 0 is along one of the outgoing edges, recognised
    as the one whose projection is best aligned with its first basis vector.
    """
    tables = surface.tables
    slots = range(int(tables.fan_start[vertex]), int(tables.fan_start[vertex + 1]))
    normal = np.cross(basis_x, basis_y)
    best, angle = -np.inf, 0.0
    position = surface.vertices.numpy()  # type: ignore[union-attr]
    for slot in slots:
        corner = int(tables.fan_corner[slot])
        edges = [
            (corner - corner % 3 + (corner + 1) % 3, 0.0),
            (corner - corner % 3 + (corner + 2) % 3, tables.angle[corner]),
        ]
        for end, inside in edges:
            edge = position[tables.tail[end]] - position[vertex]
            edge = edge - (edge @ normal) * normal
            aligned = float(edge @ basis_x / np.linalg.norm(edge))
            if aligned > best:
                within = inside if tables.fan_sense[slot] > 0 else tables.angle[corner] - inside
                best, angle = aligned, float(tables.fan_angle[slot] + within) * float(tables.scale[vertex])
    cosine, sine = np.cos(angle), np.sin(angle)
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
