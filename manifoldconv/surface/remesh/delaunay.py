"""The intrinsic Delaunay triangulation: the same surface cut into better triangles."""

from __future__ import annotations

from manifoldconv.errors import GeometryError
from manifoldconv.surface.remesh.flips import flip_to_delaunay
from manifoldconv.surface.remesh.result import RemeshResult
from manifoldconv.surface.surface import MeshSurface

# Flips for each edge after which the loop is taken to be caught in rounding; a few hundredths are usual.
FLIPS_FOR_EACH_EDGE = 1000


def intrinsic_delaunay(surface: MeshSurface) -> RemeshResult:
    """Flip edges inside the surface until the two angles opposite every edge sum to at most π.

    An intrinsic flip replaces an edge by the straight line between the other two corners of its two faces, across the
    unfolded quadrilateral. Surface and vertices are the same: so are geodesics, transport, the angles round the
    vertices and the area; but cotangent weights are then non-negative and small angles rarer (Bobenko and Springborn,
    "A discrete Laplace-Beltrami operator for simplicial surfaces", 2007).

    The result has the same vertices, by number, and no embedding (`surface.vertices` is None): its triangles lie bent
    over the old ones, not flat between their corners. Signals at vertices are unchanged; piecewise linear ones differ
    in between. Signals on faces can't be carried. Where the two faces of a flipped edge were wound against each other,
    one of them is turned.

    Vertices may be joined by one edge only (a limit of the data structure): an edge whose flip would make a second one
    is left, and counted in `blocked`. Those may remain that are not Delaunay; all others are.

    Args:
        surface: any mesh, also with a boundary (its edges stay), without orientation, or given by edge lengths.

    Raises:
        GeometryError: where the loop does not end, or ends in a degenerate face: both only by rounding on faces that
            are almost degenerate themselves.

    >>> kite = MeshSurface([[0, 0, 0], [4, 0, 0], [2, 1, 0], [2, -1, 0]], [[0, 1, 2], [1, 0, 3]])
    >>> result = intrinsic_delaunay(kite)
    >>> result.flips, result.surface.faces.tolist(), round(result.surface.area, 12)
    (1, [[0, 3, 2], [1, 2, 3]], 4.0)
    """
    mesh = surface.connectivity
    length = surface.tables.chart[:, 0].reshape(-1, 3)
    limit = FLIPS_FOR_EACH_EDGE * mesh.n_edges
    faces, lengths, flips, blocked = flip_to_delaunay(
        mesh.faces, length, mesh.twin, mesh.flip, surface.n_vertices, limit
    )
    if flips < 0:
        raise GeometryError(
            f"edges were flipped {limit} times without end: some faces are too close to degenerate; "
            "remove those first (repair degenerate_faces)"
        )
    better = MeshSurface.from_edge_lengths(faces, lengths, surface.n_vertices)
    left = f"; {blocked} edge{'s were' if blocked > 1 else ' was'} left, as the flip would double an edge"
    return RemeshResult(
        surface=better,
        old=surface,
        on_old=surface.vertex_points(),
        on_new=better.vertex_points(),
        face_push=None,
        face_pull=None,
        report=f"{flips} edge{'' if flips == 1 else 's'} flipped inside the surface{left if blocked else ''}",
        flips=flips,
        blocked=blocked,
    )
