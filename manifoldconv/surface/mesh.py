"""The connectivity of a triangle mesh: half-edges with twins, components, orientation and boundary, validated.

Half-edge `h = 3 f + i` runs along face f from its corner i to corner i + 1 (mod 3), with the face on its
left. Faces keep the orientation that they came with: where two faces run along their common edge in the same
direction they disagree, and crossing that edge flips the local orientation (`flip`). So a Möbius band is an
ordinary mesh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from manifoldconv.errors import GeometryError

Describe = Callable[[int], str]


@dataclass(frozen=True)
class Connectivity:
    """Which triangles meet along which edges. Arrays over half-edges have length 3 F.

    Attributes:
        faces: `(F, 3)` int64.
        n_vertices: V, the vertices of no face included.
        twin: `(3F,)` the half-edge on the other side of the edge, -1 on the boundary.
        flip: `(3F,)` bool, True where the two faces of the edge run along it in the same direction.
        face_component: `(F,)` the connected component (through edges) of each face.
        component_orientable: `(components,)` bool.
        face_sign: `(F,)` ±1. In an orientable component, +1 where the face has the orientation of the
            component's first face; all +1 in a component that is not orientable.
    """

    faces: NDArray[np.int64]
    n_vertices: int
    twin: NDArray[np.int64]
    flip: NDArray[np.bool_]
    face_component: NDArray[np.int64]
    component_orientable: NDArray[np.bool_]
    face_sign: NDArray[np.int64]

    @property
    def tail(self) -> NDArray[np.int64]:
        """`(3F,)` the vertex that each half-edge starts from."""
        return self.faces.reshape(-1)

    @property
    def head(self) -> NDArray[np.int64]:
        """`(3F,)` the vertex that each half-edge runs to."""
        return np.roll(self.faces, -1, axis=1).reshape(-1)

    @property
    def referenced(self) -> NDArray[np.bool_]:
        """`(V,)` True for the vertices of some face."""
        used = np.zeros(self.n_vertices, dtype=bool)
        used[self.tail] = True
        return used

    @property
    def n_edges(self) -> int:
        """Undirected edges: a boundary edge has one half-edge, an inner edge two."""
        return int((self.twin < 0).sum() + (self.twin >= 0).sum() // 2)

    @property
    def n_components(self) -> int:
        """Connected components of the faces (through edges)."""
        return len(self.component_orientable)

    @property
    def orientable(self) -> bool:
        """True where every component is orientable."""
        return bool(self.component_orientable.all())

    @property
    def euler_characteristic(self) -> int:
        """χ = V - E + F, over the referenced vertices."""
        return int(self.referenced.sum()) - self.n_edges + len(self.faces)

    @property
    def n_boundary_loops(self) -> int:
        """Closed curves that the boundary edges form."""
        boundary = self.twin < 0
        if not boundary.any():
            return 0
        tail, head = self.tail[boundary], self.head[boundary]
        vertices, local = np.unique(np.concatenate([tail, head]), return_inverse=True)
        graph = coo_array(
            (np.ones(len(tail)), (local[: len(tail)], local[len(tail) :])), shape=(len(vertices),) * 2
        )
        return int(connected_components(graph, directed=False)[0])

    @property
    def genus(self) -> int | None:
        """(2 components - χ - boundary loops) / 2, summed over components; None where one is not orientable."""
        if not self.orientable:
            return None
        return (2 * self.n_components - self.euler_characteristic - self.n_boundary_loops) // 2


def build_connectivity(
    faces: NDArray[np.int64], n_vertices: int, describe: Describe | None = None
) -> Connectivity:
    """Validate faces `(F, 3)` and find the twin of every half-edge.

    Raises `GeometryError` for indices out of range, a face that names a vertex twice, an edge of more than two
    faces, and a mesh without faces; `describe(face)` says where in the source a face stands.
    """
    place = describe or (lambda face: f"face {face}")
    if len(faces) == 0:
        raise GeometryError("the mesh has no faces; a surface needs at least one triangle")
    bad = np.nonzero((faces < 0) | (faces >= n_vertices))
    if len(bad[0]):
        face, corner = int(bad[0][0]), int(bad[1][0])
        raise GeometryError(
            f"{place(face)} refers to vertex {faces[face, corner]}; the mesh has {n_vertices} vertices "
            f"(0 to {n_vertices - 1})"
        )
    repeated = np.nonzero((faces == np.roll(faces, -1, axis=1)).any(axis=1))[0]
    if len(repeated):
        face = int(repeated[0])
        raise GeometryError(
            f"{place(face)} names a vertex twice: {faces[face].tolist()}{_and_more(len(repeated), 'faces')}; remove it"
        )
    twin, flip = _match_half_edges(faces, n_vertices, place)
    component, sign, orientable = _orient(twin, flip, len(faces))
    return Connectivity(faces, n_vertices, twin, flip, component, orientable, sign)


def _and_more(count: int, noun: str) -> str:
    return "" if count == 1 else f" (and {count - 1} more {noun} like it)"


def _match_half_edges(
    faces: NDArray[np.int64], n_vertices: int, place: Describe
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Pair the half-edges that lie on the same two vertices."""
    tail, head = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    key = np.minimum(tail, head) * np.int64(n_vertices) + np.maximum(tail, head)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(key[order]) != 0]))
    counts = np.diff(np.concatenate([starts, [len(key)]]))
    crowded = np.flatnonzero(counts > 2)
    if len(crowded):
        first = crowded[np.argmin(order[starts[crowded]])]
        around = order[starts[first] : starts[first] + counts[first]]
        names = ", ".join(place(int(h) // 3) for h in around[:4]) + (", ..." if len(around) > 4 else "")
        a, b = sorted((int(tail[around[0]]), int(head[around[0]])))
        raise GeometryError(
            f"the edge between vertices {a} and {b} has {counts[first]} faces ({names}); a surface has at most 2"
            f"{_and_more(len(crowded), 'edges')}; split or remove the extra faces"
        )
    twin = np.full(len(key), -1, dtype=np.int64)
    pair = starts[counts == 2]
    left, right = order[pair], order[pair + 1]
    twin[left], twin[right] = right, left
    flip = np.zeros(len(key), dtype=bool)
    inner = twin >= 0
    flip[inner] = tail[inner] == tail[twin[inner]]
    return twin, flip


@numba.njit(cache=True)
def _orient(twin, flip, n_faces):  # type: ignore[no-untyped-def]
    """Breadth-first over the faces: components, a sign for each face, and which components are orientable."""
    component = np.full(n_faces, -1, dtype=np.int64)
    sign = np.ones(n_faces, dtype=np.int64)
    queue = np.empty(n_faces, dtype=np.int64)
    orientable = []
    for seed in range(n_faces):
        if component[seed] >= 0:
            continue
        label = len(orientable)
        agrees = True
        component[seed] = label
        queue[0] = seed
        first, last = 0, 1
        while first < last:
            face = queue[first]
            first += 1
            for h in range(3 * face, 3 * face + 3):
                if twin[h] < 0:
                    continue
                other = twin[h] // 3
                wanted = -sign[face] if flip[h] else sign[face]
                if component[other] < 0:
                    component[other] = label
                    sign[other] = wanted
                    queue[last] = other
                    last += 1
                elif sign[other] != wanted:
                    agrees = False
        if not agrees:
            sign[queue[:last]] = 1
        orientable.append(agrees)
    return component, sign, np.array(orientable)
