"""Frame fields of a mesh from its geometry, and where they are singular.

A unit vector at every site, and the quarter turn of it, is a frame (a G-structure); kernels then live with
respect to it and need no symmetry. On a closed surface no such field is continuous unless the Euler
characteristic is 0: its singular points, with their indices, sum to it (Poincaré-Hopf), and near them every
correlation with an anisotropic kernel jumps. They are found and reported here (`singular_faces`,
`FrameField.singular`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, dijkstra, minimum_spanning_tree
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.frames import FrameField
from manifoldconv.signals import read_signal
from manifoldconv.surface.principal import principal_curvatures
from manifoldconv.surface.steps import Steps, edge_steps, face_gradient, face_steps, to_vertices
from manifoldconv.surface.surface import MeshSurface, SiteKind

AtSingular = Literal["error", "nearest"]

SINGULAR_BELOW = 1e-6
"""Vectors shorter than this part of the longest one have no direction to speak of."""


def from_vectors(
    surface: MeshSurface,
    vectors: Tensor,
    *,
    sites: SiteKind = "vertices",
    at_singular: AtSingular = "error",
    singular_below: float = SINGULAR_BELOW,
) -> FrameField:
    """The frames whose first vector points along a tangent vector field, the second a quarter turn further.

    Args:
        surface: the mesh.
        vectors: `(N, 2)` in the frames of its vertices (or faces).
        sites: what the rows belong to.
        at_singular: where the field has no direction. "error": refuse. "nearest": take the direction of the
            nearest site that has one, carried along the edges (from face to face); the sites are listed in
            `.singular`.
        singular_below: vectors of less than this part of the longest have no direction; vertices of no face
            are left out of account.

    Raises `GeometryError` for a vector that is too short, naming the site, and where no site of a component
    has a direction.

    >>> import manifoldconv as mc
    >>> surface = mc.load_mesh("meshes/icosphere.ply")
    >>> field = gradient(surface, surface.vertices[:, 2], at_singular="nearest")
    >>> len(field.singular), sum(index for _, index in singular_faces(surface, field))
    (2, 2)
    """
    count = len(surface.sites(sites))
    vectors = float64("vectors", vectors, (2,))
    if vectors.shape != (count, 2):
        raise GeometryError(
            f"the vectors must have shape ({count}, 2), one for each of the {count} {sites}; got {tuple(vectors.shape)}"
        )
    if at_singular not in ("error", "nearest"):
        raise ValueError(f'at_singular must be "error" or "nearest"; got {at_singular!r}')
    length = vectors.norm(dim=-1).numpy()
    used = surface.connectivity.referenced if sites == "vertices" else np.ones(count, dtype=bool)
    longest = length[used].max(initial=0.0)
    singular = used & ~((length > singular_below * longest) & (length > 0))
    if singular.any() and at_singular == "error":
        raise _no_direction(sites, singular, length, longest)
    directions = vectors.clone().numpy()
    directions[~used] = [1.0, 0.0]
    if singular.any():
        _fill(directions, singular, surface, sites)
    matrices = FrameField.from_vectors(torch.from_numpy(directions)).matrices
    return FrameField(matrices, torch.from_numpy(np.flatnonzero(singular)))


def gradient(
    surface: MeshSurface,
    values: Tensor,
    *,
    sites: SiteKind = "vertices",
    at_singular: AtSingular = "error",
    singular_below: float = SINGULAR_BELOW,
) -> FrameField:
    """The frames whose first vector points where a function on the vertices, `values` `(V,)`, grows fastest.

    The gradient of the piecewise linear function on each face; at a vertex the mean over its faces, weighted by
    their areas, each carried from the face's centroid to the vertex. It vanishes at extrema and saddles;
    further arguments and errors as `from_vectors`.
    """
    values = float64("values", values, ())
    if values.shape != (surface.n_vertices,):
        raise GeometryError(
            f"the function must have one value for each of the {surface.n_vertices} vertices, shape "
            f"({surface.n_vertices},); got {tuple(values.shape)}"
        )
    on_faces = face_gradient(surface.tables, values.numpy())
    vectors = on_faces if sites == "faces" else to_vertices(surface.tables, on_faces)
    # A gradient that is only rounding has no direction: the scale is that of the values over an edge.
    steepest = float(values.abs().max()) / surface.mean_edge_length if len(values) else 0.0
    vectors = np.where(np.linalg.norm(vectors, axis=1, keepdims=True) < 1e-12 * steepest, 0.0, vectors)
    return from_vectors(
        surface,
        torch.from_numpy(vectors),
        sites=sites,
        at_singular=at_singular,
        singular_below=singular_below,
    )


def ambient(
    surface: MeshSurface,
    direction: Tensor | tuple[float, float, float],
    *,
    sites: SiteKind = "vertices",
    at_singular: AtSingular = "error",
    singular_below: float = SINGULAR_BELOW,
) -> FrameField:
    """The frames whose first vector is one direction of space `(3,)`, projected on each tangent plane.

    What CNNs on meshes do in silence when they align kernels with world axes: here it is declared. It belongs
    to the position in space, so it does not follow when the mesh turns or bends, and is singular where the
    normal is along the direction. Further arguments and errors as `from_vectors`; raises `GeometryError` also
    without an embedding.
    """
    axis = float64("direction", direction, (3,))
    if axis.ndim != 1 or not float(axis.norm()) > 0:
        raise GeometryError(f"direction must be one vector of space other than 0; got {axis.tolist()}")
    points = surface.sites(sites).points
    vectors = torch.zeros(len(points), 2, dtype=torch.float64)
    used = points.face >= 0
    vectors[used] = surface.to_tangent(points[used], (axis / axis.norm()).expand(int(used.sum()), 3))
    return from_vectors(surface, vectors, sites=sites, at_singular=at_singular, singular_below=singular_below)


@dataclass(frozen=True, eq=False)
class PrincipalFrames:
    """The frames of principal curvature, whose axes are lines: the sign of each vector is a choice.

    Attributes:
        frames: the first vectors lie along the larger (signed) principal curvature, or the smaller one. `.singular`
            are umbilics, where the two are equal and every direction is principal.
        curvatures: `(V, 2)` κ_1 ≥ κ_2 in 1 / length, positive on a sphere with outward normals.
        flips: `(k, 2)` int64, pairs of neighbouring vertices between which the chosen vector turns over (by more
            than a right angle); they form cuts, which no choice of signs avoids where a singularity has half an
            index, and across which only kernels with k(-v) = k(v) are continuous.
    """

    frames: FrameField
    curvatures: Tensor
    flips: Tensor


def principal(
    surface: MeshSurface,
    *,
    along: Literal["larger", "smaller"] = "larger",
    at_singular: AtSingular = "error",
    singular_below: float = SINGULAR_BELOW,
) -> PrincipalFrames:
    """The frames of the principal curvature directions at the vertices (see `surface.principal`).

    The signs are carried from vertex to vertex over a spanning tree of edges along which the lines turn least,
    so that the cuts run where directions are least certain.

    Args:
        surface: embedded and orientable: without an orientation larger and smaller change places.
        along: which of the two lines the first vector takes.
        at_singular, singular_below: as in `from_vectors`; the length compared is κ_1 - κ_2, in parts of the
            largest |κ|.

    Raises `GeometryError` as `from_vectors`, and for surfaces that are not orientable or not embedded.
    """
    curvatures, directions = principal_curvatures(surface)
    if along not in ("larger", "smaller"):
        raise ValueError(f'along must be "larger" or "smaller"; got {along!r}')
    used = surface.connectivity.referenced
    column = directions[:, :, 0 if along == "larger" else 1]
    spread = curvatures[:, 0] - curvatures[:, 1]
    largest = np.abs(curvatures).max(initial=0.0)
    spread = np.where(spread > singular_below * largest, spread, 0.0)
    steps = edge_steps(surface.tables)
    signed = _agreeing_signs(column, spread, steps, used)
    frames = from_vectors(
        surface,
        torch.from_numpy(signed * spread[:, None]),
        at_singular=at_singular,
        singular_below=0.0,
    )
    first = frames.matrices[:, :, 0].numpy()
    cosine = _cosines(first, steps)
    certain = spread > 0
    turned = (cosine < 0) & certain[steps.tail] & certain[steps.head] & (steps.tail < steps.head)
    pairs = np.unique(np.stack([steps.tail[turned], steps.head[turned]], axis=1), axis=0)
    return PrincipalFrames(frames, torch.from_numpy(curvatures), torch.from_numpy(pairs))


def singular_faces(surface: MeshSurface, field: FrameField) -> list[tuple[int, int]]:
    """The faces round which the first vectors of a frame field on the vertices wind, with their index.

        2π index = Σ_edges ω + Ω,    Ω = Σ_corners α Θ'/Θ - π

    ω in [-π, π) is the turn of the vector along an edge of the face, taken counterclockwise, beyond parallel
    transport along it; Ω is the face's share of the curvature of its vertices (angle α, angle sum Θ, and Θ' = 2π
    inside). Over a closed surface the ω cancel and the Ω sum to 2π χ, so the indices sum to χ exactly,
    whatever the field (the discrete theorem of Poincaré and Hopf; Crane, Desbrun and Schröder, "Trivial
    connections on discrete surfaces", 2010). Extrema have index +1, simple saddles -1. Turning a face over
    does not change it.

    >>> import manifoldconv as mc
    >>> torus = mc.load_mesh("meshes/torus.ply")
    >>> sum(index for _, index in singular_faces(torus, ambient(torus, (1.0, 0.0, 0.0), at_singular="nearest")))
    0
    """
    _check_length(field, surface.n_vertices, "vertices")
    turn = _turns(field.matrices[:, :, 0].numpy(), edge_steps(surface.tables))
    # Seen from its other face an edge turns by minus as much: written, not computed, so that a turn by π cancels too.
    twin = surface.tables.twin
    turn = np.where((twin >= 0) & (twin < np.arange(len(twin))), -turn[twin], turn).reshape(-1, 3).sum(axis=1)
    scaled = surface.tables.angle * surface.tables.scale[surface.tables.tail]
    total = turn + scaled.reshape(-1, 3).sum(axis=1) - math.pi
    return _listed(total)


def singular_vertices(surface: MeshSurface, field: FrameField) -> list[tuple[int, int]]:
    """The same for a frame field on the faces: the inner vertices round which it winds, with their index.

        2π index = Σ ω + K

    with the turns ω from face to face round the vertex, and K its curvature. Over a closed surface they sum to
    χ exactly.
    """
    _check_length(field, len(surface.faces), "faces")
    tables = surface.tables
    steps = face_steps(tables)
    turn = _turns(field.matrices[:, :, 0].numpy(), steps)
    # Across a half-edge, left to right, the walk is counterclockwise round its head and clockwise round its tail; each
    # edge is read from one side.
    once = steps.half_edge < tables.twin[steps.half_edge]
    h, turn = steps.half_edge[once], turn[once]
    total = np.zeros(surface.n_vertices)
    np.add.at(total, tables.tail[h - h % 3 + (h + 1) % 3], turn)
    np.add.at(total, tables.tail[h], -turn)
    inner = surface.connectivity.referenced & ~tables.open_fan
    return _listed(np.where(inner, total + surface.vertex_curvature.numpy(), 0.0))


def read_frames(surface: MeshSurface, spec: str, sites: SiteKind = "vertices") -> FrameField:
    """The frame field that a specification names, as `--frames` in the shell takes it.

    "gradient:SIGNAL" (a scalar signal on the vertices, see `read_signal`), "principal" (the direction of the
    larger principal curvature; on vertices), or "x", "y", "z" (that axis of space, projected). Singular sites take
    the direction of the nearest one that has one and are listed in `.singular`.

    Raises `GeometryError` for any other specification, and as the parts say.
    """
    kind, found, signal = spec.partition(":")
    if kind == "gradient" and found:
        values = read_signal(surface, signal, "vertices").values
        if values.shape[1] != 1:
            raise GeometryError(
                f"frames follow the gradient of one function; the signal {signal} has {values.shape[1]} channels"
            )
        return gradient(surface, values[:, 0], sites=sites, at_singular="nearest")
    if spec == "principal":
        if sites == "faces":
            raise GeometryError("principal curvature directions live on the vertices; use the sites vertices")
        return principal(surface, at_singular="nearest").frames
    if spec in ("x", "y", "z"):
        axis = torch.eye(3, dtype=torch.float64)["xyz".index(spec)]
        return ambient(surface, axis, sites=sites, at_singular="nearest")
    raise GeometryError(f"frames are gradient:SIGNAL, principal, x, y or z; got {spec!r}")


# -- directions at neighbouring sites
# ------------------------------------------------------------------------------------------------


def _fill(
    directions: NDArray[np.float64], singular: NDArray[np.bool_], surface: MeshSurface, sites: str
) -> None:
    """Give singular sites the direction of the nearest other one, carried along the way there."""
    steps = edge_steps(surface.tables) if sites == "vertices" else face_steps(surface.tables)
    count = len(directions)
    graph = coo_array((steps.length, (steps.tail, steps.head)), shape=(count, count)).tocsr()
    graph = graph.maximum(graph.T)
    sources = np.flatnonzero(~singular)
    if sites == "vertices":
        sources = sources[surface.connectivity.referenced[sources]]
    if not len(sources):
        raise GeometryError("the vector field has length 0 everywhere: it gives no frames")
    away, before, _ = dijkstra(
        graph, directed=False, indices=sources, min_only=True, return_predecessors=True
    )
    lost = singular & ~np.isfinite(away)
    if lost.any():
        raise GeometryError(
            f"no {_one(sites)} of the component of {_one(sites)} {int(np.flatnonzero(lost)[0])} has a direction: it "
            "gives no frames there"
        )
    by_pair = {
        (int(a), int(b)): (matrix, forth)
        for a, b, matrix, forth in _both_ways(steps, np.flatnonzero(singular))
    }
    for site in np.flatnonzero(singular)[np.argsort(away[singular], kind="stable")]:
        matrix, forth = by_pair[(int(before[site]), int(site))]
        direction = directions[before[site]]
        directions[site] = matrix @ direction if forth else matrix.T @ direction


def _both_ways(steps: Steps, sites: NDArray[np.int64]):  # type: ignore[no-untyped-def]
    """The steps that reach some sites, as (from, to, matrix, whether the matrix goes that way)."""
    wanted = np.zeros(max(int(steps.tail.max()), int(steps.head.max())) + 1, dtype=bool)
    wanted[sites] = True
    for k in np.flatnonzero(wanted[steps.head]):
        yield steps.tail[k], steps.head[k], steps.matrix[k], True
    for k in np.flatnonzero(wanted[steps.tail]):
        yield steps.head[k], steps.tail[k], steps.matrix[k], False


def _cosines(vectors: NDArray[np.float64], steps: Steps) -> NDArray[np.float64]:
    carried = np.einsum("kij,kj->ki", steps.matrix, vectors[steps.tail])
    return (carried * vectors[steps.head]).sum(axis=1)


def _turns(vectors: NDArray[np.float64], steps: Steps) -> NDArray[np.float64]:
    """ω of each step: the angle from the carried vector to the one there, counterclockwise for `steps.side`."""
    carried = np.einsum("kij,kj->ki", steps.matrix, vectors[steps.tail])
    there = vectors[steps.head]
    cross = carried[:, 0] * there[:, 1] - carried[:, 1] * there[:, 0]
    return steps.side * np.arctan2(cross, (carried * there).sum(axis=1))


def _agreeing_signs(
    vectors: NDArray[np.float64], spread: NDArray[np.float64], steps: Steps, used: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Turn over vectors so that they agree along a spanning tree of the steps on which they differ least."""
    count = len(vectors)
    cosine = _cosines(vectors, steps)
    certain = np.minimum(spread[steps.tail], spread[steps.head]) > 0
    weight = np.where(certain, 1.0 - np.abs(cosine) + 1e-9, 3.0)
    low, high = np.minimum(steps.tail, steps.head), np.maximum(steps.tail, steps.head)
    _, first = np.unique(low * np.int64(count) + high, return_index=True)
    graph = coo_array((weight[first], (low[first], high[first])), shape=(count, count))
    tree = minimum_spanning_tree(graph.tocsr())
    sign = coo_array(
        (np.where(cosine[first] < 0, -1.0, 1.0), (low[first], high[first])), shape=(count, count)
    ).tocsr()
    sign = sign + sign.T
    result = np.ones(count)
    reached = ~used
    while not reached.all():
        order, before = breadth_first_order(tree, int(np.flatnonzero(~reached)[0]), directed=False)
        for site in order[1:]:
            result[site] = result[before[site]] * sign[before[site], site]
        reached[order] = True
    return vectors * result[:, None]


def _listed(total: NDArray[np.float64]) -> list[tuple[int, int]]:
    index = np.rint(total / (2 * math.pi)).astype(np.int64)
    return [(int(place), int(index[place])) for place in np.flatnonzero(index)]


def _check_length(field: FrameField, count: int, sites: str) -> None:
    if len(field.matrices) != count:
        raise GeometryError(f"the frame field has {len(field.matrices)} frames; there are {count} {sites}")


def _one(sites: str) -> str:
    return "vertex" if sites == "vertices" else "face"


def _no_direction(
    sites: str, singular: NDArray[np.bool_], length: NDArray[np.float64], longest: float
) -> GeometryError:
    first = int(np.flatnonzero(singular)[0])
    more = "" if singular.sum() == 1 else f" (and {int(singular.sum()) - 1} more like it)"
    return GeometryError(
        f"the vector at {_one(sites)} {first} has length {length[first]:.3g}, the longest {longest:.3g}{more}: no "
        'frame there; at_singular="nearest" takes the direction of the nearest site that has one'
    )
