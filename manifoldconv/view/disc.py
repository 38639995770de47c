"""The exponential disc at a point, with a kernel on it: a patch of triangles over the surface."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.kernels import Kernel
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]

RINGS, SPOKES = 14, 72
ARROW_RINGS, ARROW_SPOKES = (0.35, 0.7), 8
TEAR = 6.0  # an edge this many times longer than the median one lies across a tear


@dataclass(frozen=True, eq=False)
class Disc:
    """exp_p of a polar grid on the tangent disc.

    Attributes:
        vertices: `(V, 3)` in space. faces: `(F, 3)`; none across tears or where geodesics left the surface.
        values: `(V,)` the kernel there; of one between field types the length of what it makes of one unit.
        rim: `(P, 3)` the largest circle, as segments `(S, 2, 3)`.
        arrows: `(A, 2, 3)` the vectors that a kernel with vectors as values gives, from tail to head; else none.
        torn: whether there are tears, or parts outside.
    """

    vertices: Array
    faces: NDArray[np.int64]
    values: Array
    rim: Array
    arrows: Array
    torn: bool

    def normals(self) -> Array:
        """`(V, 3)`, of unit length: means over the faces, which are all wound one way."""
        corner = self.vertices[self.faces]
        products = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        total = np.zeros_like(self.vertices)
        for i in range(3):
            np.add.at(total, self.faces[:, i], products)
        total[:SPOKES] = total[:SPOKES].sum(axis=0)  # the centre is there once for each spoke
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300)


def exponential_disc(
    surface: MeshSurface, point: SurfacePoint, radius: float, kernel: Kernel, unit: Tensor
) -> Disc:
    """The disc at a point.

    Args:
        kernel: in the frame at the point.
        unit: `(2,)`, the vector that a kernel on vectors is applied to.
    """
    share = torch.cat([torch.zeros(1), (torch.arange(RINGS) + 1) / RINGS]).to(torch.float64)
    angle = torch.arange(SPOKES, dtype=torch.float64) * (2 * math.pi / SPOKES)
    around = torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
    nodes = radius * (share[:, None, None] * around).reshape(-1, 2)
    geodesic = surface.geodesic(point, nodes)
    places = surface.embed(geodesic.end).numpy()
    faces = _grid_faces()
    kept = _untorn(places, faces) & geodesic.complete.numpy()[faces].all(axis=1)
    return Disc(
        places,
        faces[kept],
        _values(kernel, nodes, unit),
        _rim(places, geodesic.complete.numpy()),
        _arrows(surface, point, radius, kernel, unit),
        bool((~kept).any()),
    )


def _values(kernel: Kernel, nodes: Tensor, unit: Tensor) -> Array:
    values = kernel(nodes)
    if kernel.rep_in is None or kernel.rep_out is None:
        return values.numpy()
    made = _applied(kernel, values, unit)
    return (made[..., 0] if kernel.rep_out.size == 1 else made.norm(dim=-1)).numpy()


def _applied(kernel: Kernel, values: Tensor, unit: Tensor) -> Tensor:
    """k(v) times the number 1, or the unit vector."""
    one = (
        unit if kernel.rep_in is not None and kernel.rep_in.size == 2 else torch.ones(1, dtype=torch.float64)
    )
    return values @ one


def _arrows(surface: MeshSurface, point: SurfacePoint, radius: float, kernel: Kernel, unit: Tensor) -> Array:
    """What the kernel gives at a few nodes: vectors of the tangent plane at the point, drawn from where these land."""
    if kernel.rep_out is None or kernel.rep_out.size != 2:
        return np.empty((0, 2, 3))
    angle = torch.arange(ARROW_SPOKES, dtype=torch.float64) * (2 * math.pi / ARROW_SPOKES)
    around = torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
    nodes = radius * torch.cat([share * around for share in ARROW_RINGS])
    geodesic = surface.geodesic(point, nodes)
    made = _applied(kernel, kernel(nodes), unit)
    size = 0.3 * radius / float(made.norm(dim=-1).max().clamp(min=1e-300))
    # Drawn at the node, as vectors carried there along the geodesic.
    there = surface.to_ambient(geodesic.end, (geodesic.transport @ (size * made)[..., None])[..., 0])
    tail = surface.embed(geodesic.end)
    return torch.stack([tail - there / 2, tail + there / 2], dim=1)[geodesic.complete].numpy()


def _grid_faces() -> NDArray[np.int64]:
    ring, spoke = np.meshgrid(np.arange(RINGS), np.arange(SPOKES), indexing="ij")
    after = (spoke + 1) % SPOKES
    a, b = ring * SPOKES + spoke, ring * SPOKES + after
    c, d = (ring + 1) * SPOKES + spoke, (ring + 1) * SPOKES + after
    outer = np.stack([a, c, d], axis=-1).reshape(-1, 3)
    inner = np.stack([a, d, b], axis=-1)[1:].reshape(-1, 3)  # of the innermost ring these are one point
    return np.concatenate([outer, inner])


def _untorn(places: Array, faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    corner = places[faces]
    longest = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2).max(axis=1)
    typical = float(np.median(longest))
    return longest <= TEAR * max(typical, 1e-300)


def _rim(places: Array, complete: NDArray[np.bool_]) -> Array:
    last = places[-SPOKES:]
    there = complete[-SPOKES:]
    segments = np.stack([last, np.roll(last, -1, axis=0)], axis=1)
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    kept = there & np.roll(there, -1) & (length <= TEAR * max(float(np.median(length)), 1e-300))
    return segments[kept]
