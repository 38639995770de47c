"""Fewer sites on the same mesh: a well-spread choice of vertices, and fields that live on these."""

from __future__ import annotations

from heapq import heappop, heappush

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.sampling import Sites, Stencil
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.sites import VertexSites
from manifoldconv.surface.steps import Steps, edge_steps
from manifoldconv.surface.surface import MeshSurface

NEARLY = 1e-4
"""The part of a line that is left out before it arrives at a vertex: its direction there is exact to 1e-12."""

NEIGHBOURS = 4
"""Chosen vertices that a vertex between them is interpolated from."""


def farthest_vertices(surface: MeshSurface, count: int) -> Tensor:
    """`(count,)` vertices, each as far as can be from those before it, by the lengths of paths along edges.

    Intrinsic: it starts, in every component, at the vertex with the largest area round it, and so the choice does not
    depend on numbering or position, as long as no two distances are equal. A prefix of the result is what a smaller
    count would have given, so that coarser levels are subsets of finer ones.

    Raises `GeometryError` where the mesh has fewer vertices with faces, or more components, than `count`.

    Source: Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985; Eldar, Lindenbaum, Porat and
    Zeevi, "The farthest point strategy for progressive image sampling", 1997.
    """
    used = surface.connectivity.referenced
    if not 1 <= count <= int(used.sum()):
        raise GeometryError(
            f"{count} vertices can't be chosen from a mesh with {int(used.sum())} that have a face"
        )
    start, head, length, _ = _adjacency(surface)
    area = VertexSites(surface).area.numpy()
    chosen = _farthest(start, head, length, used, area, count)
    if not np.isfinite(_spread_from(start, head, length, chosen)[0][used]).all():
        raise GeometryError(f"the mesh has more components than the {count} vertices that are to be chosen")
    return torch.from_numpy(chosen)


class VertexSubset(Sites):
    """Sites at some vertices of a mesh; in between, a field is interpolated over its vertices, and then on each face.

    A vertex reads the chosen vertices nearest to it, k = 1, ..., 4, each carried along the straight line between them:

        f(x) = Σ_k w_k ρ(Γ_{k→x}) f_k,    w_k ∝ (1 - d_k / d_5)²

    d_k are the distances, d_5 that of the first one not used. A vertex that no chosen one sees in a straight line
    (in the shadow behind a saddle vertex) reads the nearest by a path along edges, carried along it.

    Args:
        surface: the mesh.
        chosen: `(M,)` vertices, distinct.

    Attributes:
        chosen: as given. points, area: as of all sites; the area is that of the vertices which read it.
    """

    def __init__(self, surface: MeshSurface, chosen: Tensor) -> None:
        self.manifold = surface
        self.chosen = chosen
        self.points = surface.vertex_points(chosen)
        self.index, self.weight, self.transport = _prolongation(surface, chosen.numpy())
        share = (self.weight * VertexSites(surface).area.numpy()[:, None]).reshape(-1)
        self.area = torch.from_numpy(np.bincount(self.index.reshape(-1), share, minlength=len(chosen)))

    def stencil(self, points: SurfacePoint) -> Stencil:
        """The corners of each point's face, and for each of these the chosen vertices that it reads."""
        inner = VertexSites(self.manifold).stencil(points)
        corner = inner.index.numpy()
        index = torch.from_numpy(self.index[corner]).flatten(-2)
        weight = (inner.weight[..., None] * torch.from_numpy(self.weight[corner])).flatten(-2)
        transport = inner.transport[..., None, :, :] @ torch.from_numpy(self.transport[corner])
        return Stencil(index, weight, transport.flatten(-4, -3))


def _prolongation(
    surface: MeshSurface, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """For every vertex: which of the chosen it reads `(V, K)`, with which weights, and the transports from these."""
    start, head, length, steps = _adjacency(surface)
    reach, before = _spread_from(start, head, length, chosen)
    finite = reach[np.isfinite(reach)]
    radius = max(2.0 * float(finite.max()), 1e-9 * surface.mean_edge_length)
    rows, seen, vectors = surface.log_to_vertices(torch.from_numpy(chosen), radius)
    source = np.repeat(np.arange(len(chosen)), np.diff(rows.numpy()))
    carried = _transports(surface, torch.from_numpy(chosen[source]), seen, vectors).numpy()
    count = surface.n_vertices
    index, weight, transport = (
        np.zeros((count, NEIGHBOURS), dtype=np.int64),
        np.zeros((count, NEIGHBOURS)),
        np.tile(np.eye(2), (count, NEIGHBOURS, 1, 1)),
    )
    vertex, distance = seen.numpy(), vectors.norm(dim=-1).numpy()
    good = np.isfinite(carried).all(axis=(1, 2))
    vertex, distance, source, carried = (a[good] for a in (vertex, distance, source, carried))
    order = np.lexsort((distance, vertex))
    vertex, distance, source, carried = (a[order] for a in (vertex, distance, source, carried))
    first = np.searchsorted(vertex, np.arange(count))
    rank = np.arange(len(vertex)) - first[vertex]
    bound = np.full(count, radius * (1 + 1e-9))
    bound[vertex[rank == NEIGHBOURS]] = distance[rank == NEIGHBOURS]
    near = rank < NEIGHBOURS
    at = vertex[near], rank[near]
    index[at], transport[at] = source[near], carried[near]
    weight[at] = (1 - distance[near] / np.maximum(bound[vertex[near]], 1e-300)).clip(0) ** 2
    total = weight.sum(axis=1)
    hidden = np.flatnonzero((total <= 0) & np.isfinite(reach))
    _by_paths(hidden, chosen, before, steps, index, weight, transport)
    total = weight.sum(axis=1, keepdims=True)
    return index, weight / np.where(total > 0, total, 1.0), transport


def _transports(surface: MeshSurface, first: Tensor, second: Tensor, vectors: Tensor) -> Tensor:
    """`(n, 2, 2)` from vertices to others along straight lines; NaN where the line misses the other.

    The line is followed to just before its end, and from there the vertex is carried to it: so a line along an edge
    arrives in the vertex's frame at the angle of that edge, whichever of the two faces it was followed in.
    """
    geodesic = surface.geodesic(surface.vertex_points(first), vectors * (1 - NEARLY))
    stencil = surface.sites("vertices").stencil(geodesic.end)
    hit = (stencil.index == second[:, None]) & (stencil.weight > 0)
    corner = hit.to(torch.int8).argmax(dim=1)
    from_vertex = stencil.transport[torch.arange(len(first)), corner]
    carried = from_vertex.mT @ geodesic.transport
    carried[~hit.any(dim=1)] = torch.nan
    carried[first == second] = torch.eye(2, dtype=torch.float64)
    return carried


def _by_paths(
    hidden: NDArray[np.int64],
    chosen: NDArray[np.int64],
    before: NDArray[np.int64],
    steps: Steps,
    index: NDArray[np.int64],
    weight: NDArray[np.float64],
    transport: NDArray[np.float64],
) -> None:
    """Vertices that no chosen one sees read the nearest along edges; `before` are the steps by which it was reached."""
    place = {int(vertex): number for number, vertex in enumerate(chosen)}
    for vertex in hidden:
        here, matrix = int(vertex), np.eye(2)
        while before[here] >= 0:
            matrix = matrix @ steps.matrix[before[here]]
            here = int(steps.tail[before[here]])
        index[vertex, 0], weight[vertex, 0], transport[vertex, 0] = place[here], 1.0, matrix


def _adjacency(
    surface: MeshSurface,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], Steps]:
    """Compressed rows: the steps along edges, in both directions, that leave each vertex, sorted by it."""
    one_way = edge_steps(surface.tables)
    back = one_way.matrix.transpose(0, 2, 1)
    tail = np.concatenate([one_way.tail, one_way.head])
    order = np.argsort(tail, kind="stable")
    steps = Steps(
        np.concatenate([one_way.half_edge, one_way.half_edge])[order],
        tail[order],
        np.concatenate([one_way.head, one_way.tail])[order],
        np.concatenate([one_way.matrix, back])[order],
        np.concatenate([one_way.side, one_way.side])[order],
        np.concatenate([one_way.length, one_way.length])[order],
    )
    start = np.searchsorted(steps.tail, np.arange(surface.n_vertices + 1))
    return start, steps.head, steps.length, steps


@numba.njit(cache=True)
def _relax(start, head, length, source, distance, before):  # type: ignore[no-untyped-def]
    """Dijkstra from one more source, only where it comes nearer than what was there."""
    distance[source], before[source] = 0.0, -1
    heap = [(0.0, source)]
    while len(heap) > 0:
        reached, vertex = heappop(heap)
        if reached > distance[vertex]:
            continue
        for step in range(start[vertex], start[vertex + 1]):
            far = reached + length[step]
            if far < distance[head[step]]:
                distance[head[step]], before[head[step]] = far, step
                heappush(heap, (far, head[step]))


@numba.njit(cache=True)
def _farthest(start, head, length, used, area, count):  # type: ignore[no-untyped-def]
    vertices = len(used)
    distance = np.full(vertices, np.inf)
    before = np.full(vertices, -1, dtype=np.int64)
    chosen = np.empty(count, dtype=np.int64)
    for number in range(count):
        best = -1
        for vertex in range(vertices):
            if not used[vertex]:
                continue
            unreached = best >= 0 and distance[best] == np.inf and distance[vertex] == np.inf
            if best < 0 or distance[vertex] > distance[best] or (unreached and area[vertex] > area[best]):
                best = vertex
        chosen[number] = best
        _relax(start, head, length, best, distance, before)
    return chosen


@numba.njit(cache=True)
def _spread_from(start, head, length, chosen):  # type: ignore[no-untyped-def]
    """The distance of every vertex to the nearest chosen one along edges, and the step by which it is reached."""
    distance = np.full(len(start) - 1, np.inf)
    before = np.full(len(start) - 1, -1, dtype=np.int64)
    for source in chosen:
        _relax(start, head, length, source, distance, before)
    return distance, before
