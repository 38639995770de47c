"""Fields on a mesh: values at its vertices (piecewise linear in between) or on its faces (constant on each)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from manifoldconv.sampling import Sites, Stencil
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.segments import centroid_transport, vertex_stencil
from manifoldconv.threads import threads_for

if TYPE_CHECKING:
    from manifoldconv.surface.surface import MeshSurface


class VertexSites(Sites):
    """One site at every vertex; in a face, f = Σ b_i f_i with the barycentric coordinates b.

    `area`: a third of the area of the faces round the vertex (0 for a vertex of no face).
    """

    kind = "vertices"

    def __init__(self, surface: MeshSurface) -> None:
        self.manifold = surface
        self.points = surface.vertex_points()
        third = np.repeat(surface.face_areas.numpy() / 3, 3)
        self.area = torch.from_numpy(np.bincount(surface.tables.tail, third, minlength=surface.n_vertices))

    def stencil(self, points: SurfacePoint) -> Stencil:
        """The three corners of each point's face, or the one vertex that it is."""
        self.manifold.check_points(points)
        flat = points.reshape(-1)
        with threads_for(len(flat)):
            index, weight, transport = vertex_stencil(self.manifold.tables, *flat.arrays())
        shape = points.shape
        return Stencil(
            torch.from_numpy(index).reshape(*shape, 3),
            torch.from_numpy(weight).reshape(*shape, 3),
            torch.from_numpy(transport).reshape(*shape, 3, 2, 2),
        )


class FaceSites(Sites):
    """One site at the centroid of every face; f is constant on each face. `area`: the area of the face."""

    kind = "faces"

    def __init__(self, surface: MeshSurface) -> None:
        self.manifold = surface
        count = len(surface.faces)
        self.points = SurfacePoint(torch.arange(count), torch.full((count, 3), 1 / 3, dtype=torch.float64))
        self.area = surface.face_areas

    def stencil(self, points: SurfacePoint) -> Stencil:
        """The face of each point."""
        self.manifold.check_points(points)
        at_vertex = points.vertex >= 0
        transport = torch.eye(2, dtype=torch.float64).repeat(*points.shape, 1, 1, 1)
        if bool(at_vertex.any()):
            chosen = points[at_vertex]
            connected = chosen.face >= 0
            carried = transport[at_vertex]
            carried[connected, 0] = torch.from_numpy(
                centroid_transport(
                    self.manifold.tables, chosen.face[connected].numpy(), chosen.vertex[connected].numpy()
                )
            )
            transport[at_vertex] = carried
        weight: Tensor = (points.face >= 0).to(torch.float64)
        return Stencil(points.face.clamp(min=0)[..., None], weight[..., None], transport)
