"""`MeshSurface`: a triangle mesh as a Riemannian manifold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Boundary, Geodesic, LoopHolonomy, Manifold, check_boundary
from manifoldconv.manifolds.checks import common_batch
from manifoldconv.surface import intrinsic
from manifoldconv.surface.carry import carry_over_faces, tree_of_faces
from manifoldconv.surface.checks import check_points
from manifoldconv.surface.embedding import Embedding
from manifoldconv.surface.fans import build_fans
from manifoldconv.surface.heat import vector_heat_log
from manifoldconv.surface.inputs import checked_faces, checked_vertices, face_number, whole_numbers
from manifoldconv.surface.io import MeshFile
from manifoldconv.surface.loops import Event, enclosed_curvature
from manifoldconv.surface.mesh import Connectivity, Describe, build_connectivity
from manifoldconv.surface.paths import edge_velocities, events_of_faces, events_of_polyline, off_the_edges
from manifoldconv.surface.points import SurfacePoint, whole_indices
from manifoldconv.surface.segments import reframe_points
from manifoldconv.surface.sites import FaceSites, VertexSites
from manifoldconv.surface.spread import count_seen, seen_from
from manifoldconv.surface.trace import NOT_FINITE, TOO_LONG, Rays, trace_rays
from manifoldconv.surface.unfold import log_pairs
from manifoldconv.surface.walk import COMPLETE
from manifoldconv.threads import threads_for

# Radians of curvature below which a vertex counts as flat.
FLAT = 1e-9

SiteKind = Literal["vertices", "faces"]
LoopKind = Literal["points", "faces", "edges"]
LogMethod = Literal["straight", "vector-heat"]


class MeshSurface(Manifold):
    """A triangle mesh: flat triangles glued along their edges, with its curvature at the vertices.

    It may have a boundary, several components and no orientation (a Möbius band), and may be given intrinsically, by
    edge lengths (`from_edge_lengths`). Geodesics are the straightest ones of Polthier and Schmies ("Straightest
    geodesics on polyhedral surfaces", 1998); parallel transport along them keeps the angle to the direction of travel,
    which is exact.

    Args:
        vertices: `(V, 3)`, array or tensor; kept as float64, in their order, those of no face included.
        faces: `(F, 3)` vertex indices.
        describe: says where in the source a face stands; used in messages only.

    Attributes:
        vertices, faces: as given, float64 `(V, 3)` and int64 `(F, 3)`; `vertices` is None without an embedding.
        file: what the file held besides, where the mesh was loaded from one (`load_mesh`); else None.

    Raises:
        GeometryError: for indices out of range, coordinates that are not finite, edges of more than two faces, pinched
            vertices and degenerate faces; the message names the first of them.

    >>> tetrahedron = MeshSurface(
    ...     [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    >>> tetrahedron
    MeshSurface(4 vertices, 4 faces, Euler characteristic 2, orientable, no boundary)
    >>> [round(float(k) / math.pi, 6) for k in tetrahedron.vertex_curvature]
    [1.0, 1.0, 1.0, 1.0]
    """

    dim = 2

    def __init__(self, vertices: Any, faces: Any, *, describe: Describe | None = None) -> None:
        place = describe or face_number
        positions = checked_vertices(vertices)
        triangles = checked_faces(faces)
        connectivity = build_connectivity(triangles.numpy(), len(positions), place)
        chart = intrinsic.charts_from_vertices(positions.numpy(), connectivity.faces, place)
        self._set(positions, triangles, connectivity, chart, place)

    @classmethod
    def from_edge_lengths(cls, faces: Any, lengths: Any, n_vertices: int | None = None) -> MeshSurface:
        """A mesh from its faces `(F, 3)` and edge lengths `(F, 3)`, edge i from corner i to corner i + 1.

        `n_vertices` counts vertices of no face, too; by default it is 1 + the largest index.

        It has no embedding: `vertices` is None, and what needs one raises `GeometryError`.

        Raises:
            GeometryError: also where lengths break the triangle inequality, or the two faces of an edge disagree.

        >>> MeshSurface.from_edge_lengths([[0, 1, 2]], [[3.0, 4.0, 5.0]]).area
        6.0
        """
        triangles = checked_faces(faces)
        edge_length = float64("lengths", lengths, (len(triangles), 3)).detach().cpu().contiguous().numpy()
        if edge_length.ndim != 2:
            raise GeometryError(f"lengths must have shape ({len(triangles)}, 3); got {edge_length.shape}")
        count = int(triangles.max()) + 1 if len(triangles) else 0
        connectivity = build_connectivity(triangles.numpy(), count if n_vertices is None else int(n_vertices))
        chart = intrinsic.charts_from_lengths(edge_length, face_number)
        intrinsic.check_edge_lengths(edge_length, connectivity, face_number)
        self = cls.__new__(cls)
        self._set(None, triangles, connectivity, chart, face_number)
        return self

    def _set(
        self, vertices: Tensor | None, faces: Tensor, connectivity: Connectivity, chart: Any, place: Describe
    ) -> None:
        self.vertices = vertices
        self.faces = faces
        self.file: MeshFile | None = None
        self.connectivity = connectivity
        self.tables = intrinsic.build_tables(connectivity, build_fans(connectivity, place), chart)

    def __repr__(self) -> str:
        mesh = self.connectivity
        loops = mesh.n_boundary_loops
        return (
            f"MeshSurface({mesh.n_vertices} vertices, {len(mesh.faces)} faces, "
            f"Euler characteristic {mesh.euler_characteristic}, {'' if mesh.orientable else 'not '}orientable, "
            f"{'no boundary' if loops == 0 else f'{loops} boundary loop' + 's' * (loops > 1)})"
        )

    # -- figures ------------------------------------------------------------------------------------------------

    @property
    def n_vertices(self) -> int:
        """V, the vertices of no face included."""
        return self.connectivity.n_vertices

    @property
    def has_boundary(self) -> bool:  # type: ignore[override]
        """True where some edge has one face only."""
        return bool((self.connectivity.twin < 0).any())

    @cached_property
    def face_areas(self) -> Tensor:
        """`(F,)` the area of each face."""
        chart = self.tables.chart[::3]
        return torch.from_numpy(0.5 * chart[:, 0] * chart[:, 2])

    @property
    def area(self) -> float:
        """The total area."""
        return float(self.face_areas.sum())

    @cached_property
    def mean_edge_length(self) -> float:
        """The mean over the undirected edges."""
        once = (self.tables.twin < 0) | (np.arange(len(self.tables.twin)) < self.tables.twin)
        return float(self.tables.chart[once, 0].mean())

    @cached_property
    def vertex_curvature(self) -> Tensor:
        """`(V,)` the curvature held by each vertex, in radians: 2π - Θ inside, π - Θ on the boundary, 0 if unused."""
        whole = np.where(self.tables.open_fan, math.pi, 2 * math.pi)
        return torch.from_numpy(np.where(self.connectivity.referenced, whole - self.tables.total_angle, 0.0))

    @property
    def gauss_bonnet_residual(self) -> float:
        """Σ curvature - 2π χ, in radians: 0 up to rounding."""
        return float(self.vertex_curvature.sum()) - 2 * math.pi * self.connectivity.euler_characteristic

    # -- points and frames --------------------------------------------------------------------------------------

    def vertex_points(self, index: Any = None) -> SurfacePoint:
        """The vertices with the given indices `(...,)` (all of them by default) as points."""
        chosen = torch.arange(self.n_vertices) if index is None else whole_indices("index", index)
        out = (chosen < 0) | (chosen >= self.n_vertices)
        if bool(out.any()):
            raise GeometryError(
                f"vertex {int(chosen[out][0])} does not exist; the mesh has {self.n_vertices} vertices"
            )
        start, end = self.tables.fan_start[:-1], self.tables.fan_start[1:]
        first = self.tables.fan_corner[np.minimum(start, len(self.tables.fan_corner) - 1)]
        corner = torch.from_numpy(np.where(start < end, first, -1))[chosen]
        barycentric = torch.nn.functional.one_hot(corner.clamp(min=0) % 3, 3).to(torch.float64)
        return SurfacePoint(torch.div(corner, 3, rounding_mode="floor"), barycentric, chosen)

    @cached_property
    def embedding(self) -> Embedding:
        """Normals and frames in space; raises `GeometryError` on a mesh given by edge lengths."""
        if self.vertices is None:
            raise GeometryError(
                "this mesh is given by edge lengths and has no embedding; give vertices to use it in space"
            )
        return Embedding(self.vertices.numpy(), self.tables)

    def embed(self, x: SurfacePoint) -> Tensor:
        """The points in space, `(..., 3)`."""
        self.check_points(x)
        return self.embedding.positions(x)

    def frame(self, x: SurfacePoint) -> Tensor:
        """`(..., 3, 2)`: two orthonormal vectors of the face's plane, or at a vertex of the plane orthogonal to its
        angle-weighted normal, the first one above the longest outgoing edge (the boundary edge on the boundary)."""
        self.check_points(x)
        return self.embedding.frame(x)

    def to_tangent(self, x: SurfacePoint, ambient: Tensor) -> Tensor:
        """Frame coordinates `(..., 2)` of the tangential part of vectors in space `(..., 3)`."""
        return (self.frame(x).mT @ float64("ambient", ambient, (3,), finite=False)[..., None])[..., 0]

    def to_ambient(self, x: SurfacePoint, u: Tensor) -> Tensor:
        """Vectors in space `(..., 3)` from frame coordinates `(..., 2)`."""
        return (self.frame(x) @ float64("u", u, (2,), finite=False)[..., None])[..., 0]

    def as_path(self, path: Any) -> SurfacePoint:
        """A path as a `SurfacePoint` with one batch axis; a sequence of points is stacked.

        Raises `GeometryError` for what is none, and for a path without points.
        """
        if (
            isinstance(path, Sequence)
            and len(path)
            and all(isinstance(point, SurfacePoint) for point in path)
        ):
            path = SurfacePoint.stack(list(path))
        if not isinstance(path, SurfacePoint) or len(path.shape) != 1 or not len(path):
            came = f"points of shape {tuple(path.shape)}" if isinstance(path, SurfacePoint) else repr(path)
            raise GeometryError(
                f"a path on a mesh is a SurfacePoint with one batch axis, or a sequence of single ones; got {came}"
            )
        return path

    # -- geodesics ----------------------------------------------------------------------------------------------

    def geodesic(self, x: SurfacePoint, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """Straightest geodesics from x with velocity v `(..., 2)` in the frame at x; batch axes broadcast.

        From a vertex, the angle of v is read in the vertex's scaled frame. Directions that point off the surface
        (at the boundary) have length 0 and are not complete. A ray through a vertex goes on with equal angles on both
        sides. The trace is not differentiable: no gradient runs back to x or v.
        """
        check_boundary(boundary)
        self.check_points(x)
        velocity = float64("v", v, (2,), finite=False)  # whether it is finite the trace finds out itself
        shape = common_batch(x=x.shape, v=velocity.shape[:-1])
        start = x.expand(*shape).reshape(-1)
        velocity = velocity.expand(*shape, 2).reshape(-1, 2)
        speed = velocity.detach().contiguous().numpy()
        with threads_for(len(start)):
            ends = trace_rays(self.tables, Rays(*start.arrays(), speed), boundary == "reflect")
        worst = ends.status.max(initial=COMPLETE)
        if worst == NOT_FINITE:
            float64("v", v, (2,))
        if worst == TOO_LONG:
            ray = int(np.flatnonzero(ends.status == TOO_LONG)[0])
            raise GeometryError(
                f"ray {ray} of length {float(velocity[ray].norm()):.3g} crosses too many edges to trace"
            )
        point = (torch.from_numpy(part) for part in (ends.face, ends.barycentric, ends.vertex))
        return Geodesic(
            SurfacePoint(*point).reshape(*shape),
            torch.from_numpy(ends.transport).reshape(*shape, 2, 2),
            torch.from_numpy(ends.length).reshape(shape),
            torch.from_numpy(ends.status == COMPLETE).reshape(shape),
        )

    def log(self, x: SurfacePoint, y: SurfacePoint, *, method: LogMethod = "straight") -> Tensor:
        """The v `(..., 2)`, in the frame at x, with exp(x, v) = y; batch axes broadcast.

        `method="straight"`: the shortest straight geodesic, exact. NaN where there is none that is no longer
        than the shortest path along edges: in the shadow behind a vertex of angle sum > 2π, or on another
        component. `method="vector-heat"`: the smooth logarithm of Sharp, Soliman and Crane ("The vector heat
        method", 2019) through potpourri3d, defined everywhere on an orientable, consistently wound mesh;
        approximate; x must be vertices.
        """
        self.check_points(x)
        self.check_points(y)
        shape = common_batch(x=x.shape, y=y.shape)
        source, target = x.expand(*shape).reshape(-1), y.expand(*shape).reshape(-1)
        if method == "vector-heat":
            return vector_heat_log(self, source, target).reshape(*shape, 2)
        if method != "straight":
            raise ValueError(f'method must be "straight" or "vector-heat"; got {method!r}')
        return self.log_with_bound(source, target)[0].reshape(*shape, 2)

    def log_with_bound(self, x: SurfacePoint, y: SurfacePoint) -> tuple[Tensor, Tensor]:
        """For N pairs: the straight logarithm `(N, 2)`, and the length `(N,)` of a path along edges."""
        with threads_for(len(x), few=20) as threads:
            vectors, bound = log_pairs(self.tables, *x.arrays(), *y.arrays(), threads)
        return torch.from_numpy(vectors), torch.from_numpy(bound)

    def log_to_vertices(self, sources: Tensor, radius: float) -> tuple[Tensor, Tensor, Tensor]:
        """The straight logarithms from vertices `(N,)` to all vertices within a radius, by one unfolding each.

        Returns:
            row starts `(N + 1,)`, vertices `(nnz,)` sorted in each row (the source among them), and vectors
            `(nnz, 2)` in the frames at the sources. Vertices in shadows (see `log`) are missing.
        """
        start = sources.numpy()
        with threads_for(len(start), few=20) as threads:
            rows = np.concatenate([[0], np.cumsum(count_seen(self.tables, start, float(radius), threads))])
            vertices, vectors = seen_from(self.tables, start, float(radius), rows, threads)
        return torch.from_numpy(rows), torch.from_numpy(vertices), torch.from_numpy(vectors)

    def transport_between(self, x: SurfacePoint, y: SurfacePoint) -> Tensor:
        """`(N, 2, 2)`: transport from x to y along the shortest straight geodesic; NaN where there is none."""
        vectors = self.log(x, y)
        missing = torch.isnan(vectors).any(dim=-1)
        geodesic = self.geodesic(x, vectors.masked_fill(missing[..., None], 0.0))
        closing = self.reframe(geodesic.end, y.expand(*vectors.shape[:-1]))
        return (closing @ geodesic.transport).masked_fill(missing[..., None, None], math.nan)

    def reframe(self, x: SurfacePoint, y: SurfacePoint) -> Tensor:
        """`(N, 2, 2)` from the frame at x to that at y, two writings of one point; NaN where they are not.

        Across an edge: by unfolding it. Between a corner of a face and the vertex there: along the corner's bisector.
        """
        flat = reframe_points(
            self.tables,
            *x.reshape(-1).arrays(),
            *y.reshape(-1).arrays(),
        )
        return torch.from_numpy(flat).reshape(*x.shape, 2, 2)

    def holonomy(self, loop: Any, *, kind: LoopKind = "points") -> LoopHolonomy:
        """The transport once round a closed path, in the frame of its first point, and the curvature it encloses.

        Args:
            loop: first = last. `kind="points"`: a polyline of shortest straight geodesics, as `SurfacePoint`.
                `kind="faces"`: face numbers, each next to the one before; the strip of faces is unfolded.
                `kind="edges"`: vertex numbers joined by edges; a vertex's frame has scaled angles, so that this
                loop turns by Σ_inside K + Σ_on the loop K_v α_v / Θ_v (α_v the angle inside), and need not lie in
                the holonomy group.

        `enclosed_curvature` (radians) is that of the region on the left where it bounds one; on a surface with a
        boundary minus that of the region on the right where only that one is bounded by the loop alone. It agrees
        with `angle` modulo 2π. None where the loop bounds nothing orientable, or runs through one vertex twice.

        Raises:
            GeometryError: where the loop is not closed, or leaves the mesh.

        >>> tetrahedron = MeshSurface(
        ...     [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
        >>> round_a_vertex = tetrahedron.holonomy([0, 2, 1, 0], kind="faces")
        >>> round(abs(round_a_vertex.angle) / math.pi, 9)
        1.0
        """
        if kind == "faces":
            events, matrix = events_of_faces(self.tables, whole_numbers("faces", loop))
        elif kind == "edges":
            vertices = whole_numbers("edges", loop)
            path = self.vertex_points(vertices)
            velocity = edge_velocities(self.tables, vertices)
            events, matrix = self._walk_round(path, velocity, (path, velocity))
        elif kind == "points":
            if isinstance(loop, Sequence) and not all(isinstance(point, SurfacePoint) for point in loop):
                raise GeometryError(
                    "a loop is a polyline of SurfacePoint; for numbers of faces or vertices say "
                    'kind="faces" or kind="edges"'
                )
            path = self.as_path(loop)
            self.check_points(path)
            if len(path) < 2:
                raise GeometryError(f"a loop of points ends where it starts; got {len(path)} point(s)")
            gap = float(self.distance_between_points(path[:1], path[-1:])[0])
            if not gap <= 1e-9 * self.mean_edge_length:
                raise GeometryError(f"the loop is not closed: its last point lies {gap:.3g} from its first")
            closed = SurfacePoint.stack([*(path[i] for i in range(len(path) - 1)), path[0]])
            self.transport(closed)  # names the segment that has no straight geodesic
            beside = off_the_edges(closed)
            crossing = beside, self.log(beside[:-1], beside[1:])
            events, matrix = self._walk_round(closed, self.log(closed[:-1], closed[1:]), crossing)
        else:
            raise ValueError(f'kind must be "points", "faces" or "edges"; got {kind!r}')
        keeps = bool(torch.linalg.det(matrix) > 0)
        return LoopHolonomy(matrix, enclosed_curvature(self.tables, events) if keeps else None)

    def _walk_round(
        self, path: SurfacePoint, velocity: Tensor, crossing: tuple[SurfacePoint, Tensor]
    ) -> tuple[list[Event], Tensor]:
        """What a polyline with velocities `(P, 2)` crosses (see `events_of_polyline`), and the transport along it."""
        geodesic = self.geodesic(path[:-1], velocity)
        steps = self.reframe(geodesic.end, path[1:]) @ geodesic.transport
        matrix = torch.eye(2, dtype=torch.float64)
        for step in steps:
            matrix = step @ matrix
        return events_of_polyline(self.tables, path, velocity, steps, crossing), matrix

    def distance_between_points(self, x: SurfacePoint, y: SurfacePoint) -> Tensor:
        """The length of the straight logarithm; inf where there is none."""
        return torch.nan_to_num(self.log(x, y).norm(dim=-1), nan=math.inf)

    def distance(self, x: SurfacePoint, y: SurfacePoint) -> Tensor:
        """`(...,)`: the shorter of the straight line and a path along edges; inf on another component."""
        shape = common_batch(x=x.shape, y=y.shape)
        vectors, bound = self.log_with_bound(x.expand(*shape).reshape(-1), y.expand(*shape).reshape(-1))
        return torch.fmin(vectors.norm(dim=-1), bound).reshape(shape)

    def holonomy_group(self, tolerance: float = 1e-9, *, doubled: bool = False) -> StructureGroup:
        """The closure of the group that the transports round all loops generate, in the frame of face 0.

        The loops: one for each edge outside a spanning tree of faces (`surface.carry`); together they go round every
        vertex and every handle. Angles within `tolerance` (radians) of a common fraction of 2π count as equal to
        it; `.residual` is the largest distance. With generic angles the group is dense in SO(2), or in O(2) where the
        surface is not orientable, and that closure is the answer. With several components: of all their loops, each
        in the frame of its component's first face.

        `doubled`: of the surface glued to its mirror image along the boundary: with the mirror of every boundary edge.
        """
        carried, loops = carry_over_faces(self.tables, self._first_faces)
        generators = [np.eye(2)[None], loops]
        if doubled:
            edge = np.flatnonzero(self.tables.twin < 0)
            along = np.einsum("nji,nj->ni", carried[edge // 3], self.tables.direction[edge])
            generators.append(2 * along[:, :, None] * along[:, None, :] - np.eye(2))
        return StructureGroup.generated(torch.from_numpy(np.concatenate(generators)), tolerance)

    def carry_frame(
        self, points: SurfacePoint, base: int | None = None, *, weights: Tensor | None = None
    ) -> Tensor:
        """One frame carried to all points `(N, 2, 2)`, in the local frames there, over a spanning tree of faces.

        It is the frame of the first face of each component, the one in which `holonomy_group` is written. `base`
        (a point, default 0) is where the tree starts, and `weights` `(3F,)`, positive, choose another tree (the
        lightest): these change the result by elements of the holonomy group only.

        Raises:
            GeometryError: for vertices with curvature of their own, on which the frames round them do not agree.
        """
        curved = (points.vertex >= 0) & (self._cone_angle_defect[points.vertex.clamp(min=0)] > FLAT)
        if bool(curved.any()):
            vertex = int(points.vertex[curved][0])
            raise GeometryError(
                f"vertex {vertex} has curvature {float(self.vertex_curvature[vertex]):.6g} of its own, so no frame "
                f'can be carried to it; use sites("faces"), or frames="local" for kernels that no rotation changes'
            )
        component = self.connectivity.face_component
        roots = self._first_faces.copy()
        start = int(points.face[0 if base is None else base])
        if start >= 0:
            roots[component[start]] = start
        allowed = tree_of_faces(self.tables, None if weights is None else weights.numpy())
        carried, _ = carry_over_faces(self.tables, roots, allowed)
        over_faces = torch.from_numpy(carried @ carried[self._first_faces[component]].swapaxes(1, 2))
        used = points.face >= 0
        result = torch.eye(2, dtype=torch.float64).repeat(len(points), 1, 1)
        in_face = SurfacePoint(points.face[used], points.barycentric[used])
        result[used] = self.reframe(in_face, points[used]) @ over_faces[points.face[used]]
        return result

    @cached_property
    def _first_faces(self) -> NDArray[np.int64]:
        """The first face of each component."""
        return np.unique(self.connectivity.face_component, return_index=True)[1]

    @cached_property
    def _cone_angle_defect(self) -> Tensor:
        """`(V,)`: |2π - Θ| inside, and on the boundary what Θ exceeds 2π by."""
        defect = 2 * math.pi - self.tables.total_angle
        bent = np.where(self.tables.open_fan, np.maximum(-defect, 0.0), np.abs(defect))
        return torch.from_numpy(np.where(self.connectivity.referenced, bent, 0.0))

    def sites(self, kind: SiteKind = "vertices") -> VertexSites | FaceSites:
        """The vertices, with values linear on each face in between, or the faces, with values constant on each."""
        if kind == "vertices":
            return VertexSites(self)
        if kind == "faces":
            return FaceSites(self)
        raise ValueError(f'sites of a mesh are "vertices" or "faces"; got {kind!r}')

    def check_points(self, x: SurfacePoint) -> None:
        """Raise `GeometryError` for the first point that is not on this mesh."""
        check_points(x, self.connectivity.faces, self.n_vertices)
