"""A trail: a path drawn on a surface, what parallel transport along it does, and what it does when it closes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds.base import LoopHolonomy
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.surface.homology import homotopy_basis, shortest_paths
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]

CIRCLE = 24  # corners of the polygon that goes round a disc
MOST_PIECES = 64  # of a drawn segment, for the eye
TIGHTENINGS, REFINEMENTS = 20, 1  # how often loops of the topology are pulled straight, and halved in between


@dataclass(frozen=True, eq=False)
class Trail:
    """A polyline of geodesics that starts at a base point.

    Attributes:
        points: those that it runs through; the first is the base.
        frame: `(2, 2)` at the base, its columns the axes that the kernel refers to.
        transport: `(2, 2)` from the frame at the first point to that at the last.
        heading: `(2,)` unit vector in the frame at the last point: which way a step goes.
        length: in units of the mesh.
        curve: `(P, 3)` the same in space, fine enough to lie on the surface.
        loop: what a closed trail does to what is carried round it, in the frame of the base; None while open.
        corridor: the faces of a loop of the topology, where it was made from one.
    """

    points: tuple[SurfacePoint, ...]
    frame: Tensor
    transport: Tensor
    heading: Tensor
    length: float
    curve: Array = field(repr=False)
    loop: LoopHolonomy | None = None
    corridor: tuple[int, ...] = ()

    @property
    def base(self) -> SurfacePoint:
        """Where it starts."""
        return self.points[0]

    @property
    def end(self) -> SurfacePoint:
        """Where it is now; of a loop the base again."""
        return self.points[0] if self.loop is not None else self.points[-1]


def begin(surface: MeshSurface, point: SurfacePoint, frame: Tensor) -> Trail:
    """A trail of one point, heading along the first axis of a frame `(2, 2)` there."""
    eye = torch.eye(2, dtype=torch.float64)
    place = surface.embed(point).numpy()[None]
    return Trail((point,), frame, eye, frame[:, 0], 0.0, place)


def extended(surface: MeshSurface, trail: Trail, point: SurfacePoint) -> Trail:
    """On to a point by the shortest straight geodesic; the heading is then that of the last piece.

    Where none leads there (behind a vertex of negative curvature), by several, through centroids of faces on the way.

    Raises:
        GeometryError: for a closed trail, and where no path leads to the point: it is on another component.
    """
    _require_open(trail)
    for stop in _stops(surface, trail.end, point):
        v = surface.log(trail.end, stop)
        if float(v.norm()) > 0.0:
            trail = _along(surface, trail, v, stop)
    return trail


def stepped(surface: MeshSurface, trail: Trail, distance: float) -> Trail:
    """Straight on by a distance along the heading; `GeometryError` at the boundary of the surface."""
    _require_open(trail)
    return _along(surface, trail, distance * trail.heading, None)


def turned(trail: Trail, angle: float) -> Trail:
    """The heading turned by an angle in radians, counterclockwise; what is carried stays as it is."""
    return replace(trail, heading=rotation_matrix(angle) @ trail.heading)


def turned_with_frame(trail: Trail, angle: float) -> Trail:
    """Heading and kernel turned together, before anything is drawn."""
    return replace(turned(trail, angle), frame=rotation_matrix(angle) @ trail.frame)


def closed(surface: MeshSurface, trail: Trail) -> Trail:
    """Back to the base by the shortest straight geodesic, with the holonomy of the loop.

    Raises:
        GeometryError: where no straight line leads back, or the trail has fewer than three points.
    """
    _require_open(trail)
    if len(trail.points) < 3:
        raise GeometryError("a loop needs three points at least; go on before closing it")
    whole = extended(surface, trail, trail.base)
    loop = surface.holonomy([*whole.points[:-1], trail.base])
    return replace(whole, points=whole.points[:-1], transport=loop.matrix, loop=loop)


def round_the_disc(surface: MeshSurface, trail: Trail, radius: float) -> Trail:
    """The loop round the disc of a radius at the end of a trail: a polygon through its rim, from its first corner.

    Raises:
        GeometryError: where the rim leaves the surface.
    """
    angle = torch.arange(CIRCLE, dtype=torch.float64) * (2 * math.pi / CIRCLE)
    rim = surface.geodesic(trail.end, radius * torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1))
    if not bool(rim.complete.all()):
        raise GeometryError("the disc leaves the surface, so no loop goes round it; take a smaller radius")
    carried = rim.transport[0] @ trail.transport @ trail.frame
    around = begin(surface, rim.end[0], carried)
    for i in range(1, CIRCLE):
        around = extended(surface, around, rim.end[i])
    return closed(surface, around)


def loops_of_the_topology(surface: MeshSurface, most: int = 8) -> list[Trail]:
    """The loops that no disc fills: round handles, along boundaries, and along strips where left becomes right.

    The shortest of the tree-cotree basis, those that reflect first.
    """
    roots = np.unique(surface.connectivity.face_component, return_index=True)[1]
    found = homotopy_basis(surface.tables, shortest_paths(surface.tables, roots))
    trails = [_from_faces(surface, list(loop.faces)) for loop in found[: 4 * most]]
    return sorted(trails, key=lambda t: (not (t.loop and t.loop.reflects), t.length))[:most]


def _from_faces(surface: MeshSurface, faces: list[int]) -> Trail:
    """The loop of faces as straight lines between some of its centroids, where these turn a vector as it does."""
    exact = surface.holonomy(faces, kind="faces")
    third = torch.full((3,), 1 / 3, dtype=torch.float64)
    centroids = [SurfacePoint(torch.tensor(face), third) for face in faces[:-1]]
    eye = torch.eye(2, dtype=torch.float64)
    for count in (12, 24, 48):
        stride = max(1, len(centroids) // count)
        try:
            trail = begin(surface, centroids[0], eye)
            for point in centroids[stride::stride]:
                trail = extended(surface, trail, point)
            trail = closed(surface, trail)
        except GeometryError:
            continue
        if trail.loop is not None and trail.loop.reflects == exact.reflects:
            return replace(trail, frame=_loop_frame(surface, trail), corridor=tuple(faces))
    places = np.stack([surface.embed(point).numpy() for point in [*centroids, centroids[0]]])
    length = float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())
    bare = Trail(
        (centroids[0], centroids[1]), eye, exact.matrix, eye[:, 0], length, places, exact, tuple(faces)
    )
    return replace(bare, points=(centroids[0],), frame=_loop_frame(surface, bare))


def tightened(surface: MeshSurface, loop: Trail) -> Trail:
    """A loop pulled towards a straight one: again and again every second point goes half-way between its neighbours.

    Points stay where no straight line joins their neighbours. First with the points that it has, then with more. As it
    was where that would turn it into another kind of loop.
    """
    if loop.loop is None or len(loop.points) < 3:
        return loop
    points = SurfacePoint.stack([_in_its_face(point) for point in loop.points])
    for _ in range(REFINEMENTS):
        points = _halved(surface, _relaxed(surface, points))
    points = _relaxed(surface, points)
    first = _farthest_inside(surface, points)
    points = points[(torch.arange(len(points)) + first) % len(points)]
    try:
        trail = begin(surface, points[0], torch.eye(2, dtype=torch.float64))
        for i in range(1, len(points)):
            trail = extended(surface, trail, points[i])
        trail = closed(surface, trail)
    except GeometryError:
        return loop
    if (
        trail.loop is None
        or trail.loop.reflects != loop.loop.reflects
        or trail.length > (1 + 1e-9) * loop.length
    ):
        return loop
    return replace(trail, frame=_loop_frame(surface, trail), corridor=loop.corridor)


def _farthest_inside(surface: MeshSurface, points: SurfacePoint) -> int:
    """The point farthest from the boundary, in space; the first where there is none."""
    rim = surface.embedding.vertices[surface.tables.open_fan]
    if not len(rim):
        return 0
    gaps = np.linalg.norm(surface.embed(points).numpy()[:, None] - rim[None], axis=2)
    return int(gaps.min(axis=1).argmax())


def _relaxed(surface: MeshSurface, points: SurfacePoint) -> SurfacePoint:
    """The points of a closed polyline, moved towards a shorter one."""
    count = len(points)
    for number in range(TIGHTENINGS):
        moved = torch.arange(number % 2, count - count % 2, 2)
        points = _with_middles(
            surface, points, moved, points[(moved - 1) % count], points[(moved + 1) % count]
        )
    return points


def _halved(surface: MeshSurface, points: SurfacePoint) -> SurfacePoint:
    """With a point more in the middle of each piece, where that is a straight line."""
    count = len(points)
    doubled = points[torch.arange(2 * count) // 2]
    after = points[(torch.arange(count) + 1) % count]
    return _with_middles(surface, doubled, 2 * torch.arange(count) + 1, points, after)


def _with_middles(
    surface: MeshSurface, points: SurfacePoint, which: Tensor, before: SurfacePoint, after: SurfacePoint
) -> SurfacePoint:
    """The points, those of some numbers put half-way between two others; they stay where there is no such place."""
    across = surface.log(before, after)
    known = torch.isfinite(across).all(dim=-1)
    middle = surface.geodesic(before, across.masked_fill(~known[:, None], 0.0) / 2)
    known &= middle.complete & (middle.end.vertex < 0)
    face, barycentric = points.face.clone(), points.barycentric.clone()
    face[which[known]], barycentric[which[known]] = middle.end.face[known], middle.end.barycentric[known]
    return SurfacePoint(face, barycentric)


def _in_its_face(point: SurfacePoint) -> SurfacePoint:
    """The same place, written without a vertex."""
    return SurfacePoint(point.face, point.barycentric)


def _loop_frame(surface: MeshSurface, trail: Trail) -> Tensor:
    """`(2, 2)` at the base: the line that a reflecting loop leaves in place, else its direction; and what is across."""
    if trail.loop is not None and trail.loop.reflects:
        return rotation_matrix(trail.loop.angle / 2)
    v = surface.log(trail.points[0], trail.points[1])
    return rotation_matrix(math.atan2(float(v[1]), float(v[0])))


def _stops(surface: MeshSurface, start: SurfacePoint, target: SurfacePoint) -> list[SurfacePoint]:
    """The target, after centroids of faces such that a straight line leads from each stop to the next."""
    if bool(torch.isfinite(surface.log(start, target)).all()):
        return [target]
    tree = shortest_paths(surface.tables, np.array([int(start.face)]))
    component = surface.connectivity.face_component
    if component[int(start.face)] != component[int(target.face)]:
        raise GeometryError(
            "no path leads from the last point to this one: they are on different pieces of the mesh"
        )
    faces = torch.tensor(tree.path_to(int(target.face)))
    third = torch.full((len(faces), 3), 1 / 3, dtype=torch.float64)
    centroids = SurfacePoint(faces, third)
    rest = SurfacePoint.stack([*(centroids[i] for i in range(len(faces))), target])
    stops: list[SurfacePoint] = []
    here = start
    while True:
        seen = torch.isfinite(surface.log(here, rest)).all(dim=-1)
        if not bool(seen.any()):
            raise GeometryError(
                "no straight lines lead from the last point to this one; go there in smaller steps"
            )
        farthest = int(torch.nonzero(seen)[-1])
        here = rest[farthest]
        stops.append(here)
        if farthest == len(rest) - 1:
            return stops
        rest = rest[farthest + 1 :]


def _along(surface: MeshSurface, trail: Trail, v: Tensor, target: SurfacePoint | None) -> Trail:
    """One geodesic more, to where it ends, or to `target`, which is that point in another writing."""
    start = trail.end
    pieces = min(MOST_PIECES, max(2, math.ceil(3 * float(v.norm()) / surface.mean_edge_length)))
    share = torch.linspace(1 / pieces, 1, pieces, dtype=torch.float64)
    way = surface.geodesic(start, share[:, None] * v)
    if target is None and not bool(way.complete[-1]):
        raise GeometryError("the surface ends here; turn before going on")
    end, step = way.end[-1], way.transport[-1]
    heading = step @ v / v.norm()
    if target is not None:
        closing = surface.reframe(end.reshape(1), target.reshape(1))[0]
        if bool(torch.isfinite(closing).all()):
            end, step, heading = target, closing @ step, closing @ heading
    return Trail(
        (*trail.points, end),
        trail.frame,
        step @ trail.transport,
        heading,
        trail.length + float(v.norm()),
        np.concatenate([trail.curve, surface.embed(way.end).numpy()]),
    )


def _require_open(trail: Trail) -> None:
    if trail.loop is not None:
        raise GeometryError("this loop is closed; pick a point to begin another trail")
