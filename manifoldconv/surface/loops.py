"""The curvature that a closed path on a mesh encloses, from winding numbers.

A closed path gives every point off it a winding number w, larger by one on the left of the path than on its right.
Where such a w exists, the path bounds, and it encloses the curvature

    Σ_v w_v K_v + Σ_{v on the path} (2π / Θ_v - 1) (w_left α_left + w_right α_right),

α the true angles on either side of the path at a vertex that it runs through (a boundary vertex whose frame is not
scaled adds nothing). For a simple loop this is the curvature of the region on its left, up to the sign where only
the region on its right is bounded by it alone; modulo 2π it is the angle of the parallel transport round the loop.

On a surface that is not orientable the winding numbers live on the orientation cover: two nodes for each vertex v, one
for either orientation (v for that of its frame, V + v for the other).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from manifoldconv.surface.intrinsic import Tables

# A path that leaves a vertex within this angle of an edge runs along the edge.
ALONG_EDGE = 1e-9


@dataclass(frozen=True)
class Crossing:
    """The path leaves a face through a half-edge; `orientation` ±1 is the path's against the winding of that face."""

    half_edge: int
    orientation: float


@dataclass(frozen=True)
class Visit:
    """The path runs through a vertex.

    `arriving` and `leaving` are the true fan angles of the way back and of the way on; `orientation` ±1 is the
    path's against that of the vertex's frame.
    """

    vertex: int
    arriving: float
    leaving: float
    orientation: float

    def sides(self, tables: Tables) -> tuple[float, float]:
        """The true angles on the left and on the right of the path; they add up to Θ."""
        total = float(tables.total_angle[self.vertex])
        turn = self.orientation * (self.arriving - self.leaving)
        left = turn if turn >= 0 else turn + total
        return left, total - left

    def gap_on_right(self) -> bool:
        """On the boundary: whether the outside is on the right of the path."""
        return self.orientation * (self.arriving - self.leaving) >= 0


Event = Crossing | Visit


def enclosed_curvature(tables: Tables, events: Sequence[Event]) -> float | None:
    """The curvature enclosed by a closed path that keeps orientation, in radians; None where it does not bound.

    None as well for a path that runs through one vertex more than once.
    """
    visits = [event for event in events if isinstance(event, Visit)]
    if len({visit.vertex for visit in visits}) < len(visits):
        return None
    jumps = _jumps(tables, events)
    beside_path = [list(_neighbours(tables, visit, jumps)) for visit in visits]
    on_path = {_node(tables, visit.vertex, visit.orientation) for visit in visits}
    graph = _cover(tables, jumps, beside_path, on_path)
    near = [node for pair in jumps for node in pair] + [
        place.node for places in beside_path for place in places
    ]
    winding = _solve(graph, next((node for node in near if node not in on_path), None))
    if winding is None:
        return None
    beside = [_beside(places, winding) for places in beside_path]
    outside = _outside(tables, visits, winding, beside)
    if outside is None:
        return None
    curvature = np.tile(np.where(tables.open_fan, 0.0, 2 * np.pi - tables.total_angle), 2)
    known = np.isfinite(winding)
    total = float(((winding[known] - outside) * curvature[known]).sum())
    for visit, (left, right) in zip(visits, beside, strict=True):
        stretch = float(tables.scale[visit.vertex]) - 1.0
        alpha_left, alpha_right = visit.sides(tables)
        total += stretch * ((left - outside) * alpha_left + (right - outside) * alpha_right)
    return total


@dataclass(frozen=True)
class _Graph:
    """Constraints w[end] - w[start] = jump between the nodes of the cover."""

    n_nodes: int
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    jump: NDArray[np.float64]


@dataclass(frozen=True)
class _Neighbour:
    """A node next to a visited vertex: the side of the path on which the edge to it starts, and the jump along it."""

    node: int
    on_left: bool
    jump: float


Jumps = dict[tuple[int, int], float]


def _jumps(tables: Tables, events: Sequence[Event]) -> Jumps:
    """By how much w grows along the edges that the path crosses, for both directions of each."""
    jumps: Jumps = {}
    for event in events:
        if isinstance(event, Crossing):
            # Seen with the winding of the face that it leaves, the path has the head on its left.
            tail, head = event.half_edge, event.half_edge - event.half_edge % 3 + (event.half_edge + 1) % 3
            a, b = (_node_at(tables, corner, event.orientation) for corner in (tail, head))
            jumps[a, b] = jumps.get((a, b), 0.0) + event.orientation
            jumps[b, a] = -jumps[a, b]
    return jumps


def _cover(tables: Tables, jumps: Jumps, beside: Sequence[Sequence[_Neighbour]], on_path: set[int]) -> _Graph:
    """The edges of the mesh in the cover, without those at visited vertices, and the links across these."""
    count = len(tables.total_angle)
    half_edges = np.arange(len(tables.twin))
    once = np.flatnonzero((tables.twin < 0) | (half_edges < tables.twin))
    after = once - once % 3 + (once + 1) % 3
    tail, head = tables.tail[once], tables.tail[after]
    same = tables.fan_sense[tables.fan_slot[once]] * tables.fan_sense[tables.fan_slot[after]] > 0
    start = np.concatenate([tail, tail + count])
    end = np.concatenate([np.where(same, head, head + count), np.where(same, head + count, head)])
    free = ~np.isin(start, list(on_path)) & ~np.isin(end, list(on_path))
    start, end = start[free], end[free]
    # Every crossed edge is in the list once, in one of its two directions.
    rows = (
        {pair: row for row, pair in enumerate(zip(start.tolist(), end.tolist(), strict=True))}
        if jumps
        else {}
    )
    jump = np.zeros(len(start))
    for pair, size in jumps.items():
        if pair in rows:
            jump[rows[pair]] = size
    more = np.array(
        [link for places in beside for link in _links(places, on_path)], dtype=np.float64
    ).reshape(-1, 3)
    return _Graph(
        2 * count,
        np.concatenate([start, more[:, 0].astype(np.int64)]),
        np.concatenate([end, more[:, 1].astype(np.int64)]),
        np.concatenate([jump, more[:, 2]]),
    )


def _node(tables: Tables, vertex: int, sheet: float) -> int:
    return int(vertex) + (0 if sheet > 0 else len(tables.total_angle))


def _node_at(tables: Tables, corner: int, orientation: float) -> int:
    """The node of a corner's vertex for an orientation given against the winding of the corner's face."""
    return _node(
        tables, int(tables.tail[corner]), orientation * float(tables.fan_sense[tables.fan_slot[corner]])
    )


def _neighbours(tables: Tables, visit: Visit, jumps: Jumps) -> Iterator[_Neighbour]:
    """The nodes next to a visited vertex, without those towards which the path runs along the edge."""
    total = float(tables.total_angle[visit.vertex])
    left, _ = visit.sides(tables)
    here = _node(tables, visit.vertex, visit.orientation)
    first, last = int(tables.fan_start[visit.vertex]), int(tables.fan_start[visit.vertex + 1])
    edges = [(slot, False, float(tables.fan_angle[slot])) for slot in range(first, last)]
    if tables.open_fan[visit.vertex]:
        edges.append((last - 1, True, total))
    for slot, far, angle in edges:
        corner, sense = int(tables.fan_corner[slot]), float(tables.fan_sense[slot])
        end = corner - corner % 3 + (corner + (1 if (sense > 0) != far else 2)) % 3
        turned = visit.orientation * (angle - visit.leaving)
        turned = turned if turned >= -ALONG_EDGE else turned + total
        if min(abs(turned), abs(turned - left), abs(turned - total)) > ALONG_EDGE:
            node = _node_at(tables, end, visit.orientation * sense)
            yield _Neighbour(node, turned < left, jumps.get((here, node), 0.0))


def _links(places: Sequence[_Neighbour], on_path: set[int]) -> Iterator[tuple[int, int, float]]:
    """Beside a visited vertex w is the same all along one side of the path; across it, it differs by one."""
    free = [place for place in places if place.node not in on_path]
    for place in free[1:]:
        across = float(place.on_left) - float(free[0].on_left)
        yield free[0].node, place.node, across + place.jump - free[0].jump


def _solve(graph: _Graph, first: int | None) -> NDArray[np.float64] | None:
    """The winding numbers of the nodes that are joined to `first` (NaN elsewhere); None where there are none."""
    winding = np.full(graph.n_nodes, np.nan)
    if first is None:
        return winding
    links = coo_array(
        (np.ones(len(graph.start)), (graph.start, graph.end)), shape=(graph.n_nodes, graph.n_nodes)
    ).tocsr()
    order, before = breadth_first_order(links, first, directed=False)
    steps = _steps(graph)
    winding[first] = 0.0
    for node in order[1:].tolist():
        parent = int(before[node])
        winding[node] = winding[parent] + steps[parent, node]
    gap = winding[graph.end] - winding[graph.start] - graph.jump
    return None if (np.abs(gap[np.isfinite(gap)]) > 0.5).any() else winding


def _steps(graph: _Graph) -> dict[tuple[int, int], float]:
    steps = dict(
        zip(zip(graph.end.tolist(), graph.start.tolist(), strict=True), (-graph.jump).tolist(), strict=True)
    )
    steps.update(
        zip(zip(graph.start.tolist(), graph.end.tolist(), strict=True), graph.jump.tolist(), strict=True)
    )
    return steps


def _beside(places: Sequence[_Neighbour], winding: NDArray[np.float64]) -> tuple[float, float]:
    """The winding numbers on the left and on the right of the path at a vertex."""
    for place in places:
        w = winding[place.node] - place.jump
        if np.isfinite(w):
            return (w, w - 1) if place.on_left else (w + 1, w)
    return 1.0, 0.0  # all vertices are on the path


def _outside(
    tables: Tables,
    visits: Sequence[Visit],
    winding: NDArray[np.float64],
    beside: Sequence[tuple[float, float]],
) -> float | None:
    """The winding number that counts as 0: that of the boundary, else the least one; None where boundaries differ."""
    at_boundary = winding[np.tile(tables.open_fan, 2) & np.isfinite(winding)].tolist()
    for visit, (left, right) in zip(visits, beside, strict=True):
        if tables.open_fan[visit.vertex]:
            at_boundary.append(right if visit.gap_on_right() else left)
    if at_boundary:
        return at_boundary[0] if max(at_boundary) - min(at_boundary) < 0.5 else None
    least = [*winding[np.isfinite(winding)].tolist(), *(min(pair) for pair in beside)]
    return min(least, default=0.0)
