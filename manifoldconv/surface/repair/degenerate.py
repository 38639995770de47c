"""Faces without area: flipped away, contracted, or removed.

A face without area has its apex on its longest edge. If the apex lies between the ends (a cap), the face is
taken
away by flipping that edge: the neighbour across it is cut in two at the apex, which changes no point of the
    surface. If the apex is at one end (a needle), its shortest edge is contracted. Where neither is possible
    (no neighbour, or the result would not be a surface) the face is removed, and its other edges become a
    boundary.
"""

from __future__ import annotations

import numpy as np

from manifoldconv.surface.intrinsic import DEGENERATE
from manifoldconv.surface.repair.edit import Edit, unchanged, with_faces
from manifoldconv.surface.repair.remove import repeated_indices

Array = np.ndarray

# A needle's shortest edge, as a fraction of the longest: contracting it moves the surface by no more than
# this.
NEEDLE = 1e-8


def degenerate_faces(vertices: Array, faces: Array) -> Array:
    """The faces whose doubled area is at most 1e-10 of their longest edge squared, ascending.

    Faces that name a vertex twice are left to `repeated_indices`.
    """
    if len(faces) == 0:
        return np.empty(0, dtype=np.int64)
    return np.setdiff1d(np.flatnonzero(_flat(vertices, faces)), repeated_indices(faces))


def _flat(vertices: Array, faces: Array) -> Array:
    corner = vertices[faces]
    along = np.roll(corner, -1, axis=1) - corner
    # The largest of the three cross products that are equal but for rounding, as the surface itself takes it.
    double_area = np.linalg.norm(np.cross(along, np.roll(corner, -2, axis=1) - corner), axis=2).max(axis=1)
    return ~(double_area > DEGENERATE * (along**2).sum(axis=2).max(axis=1))


def remove_degenerate_faces(vertices: Array, faces: Array) -> Edit:
    """Remove the faces without area; what was across them becomes a boundary."""
    keep = np.ones(len(faces), dtype=bool)
    keep[degenerate_faces(vertices, faces)] = False
    return with_faces(vertices, faces, keep)


def flip_degenerate_faces(vertices: Array, faces: Array) -> Edit:
    """Flip or contract the faces without area away; remove those where neither is possible."""
    touched = degenerate_faces(vertices, faces)
    if len(touched) == 0:
        return unchanged(vertices, faces)
    work = _Work(vertices, faces)
    # One flip can make room for another, so go round until nothing changes; each change removes a flat face.
    while sum(work.mend(int(face)) for face in degenerate_faces(vertices, work.faces)):
        pass
    work.alive[degenerate_faces(vertices, work.faces)] = False
    kept = np.flatnonzero(work.alive)
    stays = work.stands_for == np.arange(len(vertices))
    number = (np.cumsum(stays) - 1)[work.stands_for]
    face_pairs = np.stack([work.origin[kept], np.arange(len(kept))], axis=1)
    return Edit(
        vertices[stays],
        number[work.faces[kept]],
        np.stack([np.arange(len(vertices)), number], axis=1),
        face_pairs[np.argsort(face_pairs[:, 0], kind="stable")],
        touched,
    )


class _Work:
    """The mesh while it is mended, one face after the other.

    Attributes:
        faces: `(F, 3)`; those not `alive` are gone, and name one vertex three times.
        origin: `(F,)` the old face that each face is part of.
        stands_for: `(V,)` the vertex that each vertex was contracted to; itself where it was not.
        around: the faces of each vertex.
    """

    def __init__(self, vertices: Array, faces: Array) -> None:
        self.vertices, self.faces = vertices, faces.copy()
        self.alive = np.ones(len(faces), dtype=bool)
        self.origin = np.arange(len(faces))
        self.stands_for = np.arange(len(vertices))
        self.around: list[set[int]] = [set() for _ in range(len(vertices))]
        for face, corners in enumerate(faces.tolist()):
            for vertex in corners:
                self.around[vertex].add(face)

    def mend(self, face: int) -> bool:
        """Flip or contract one flat face away; whether that was possible."""
        if not self.alive[face]:  # a neighbour's contraction has taken it along
            return False
        corners = self.faces[face]
        positions = self.vertices[corners]
        length = np.linalg.norm(np.roll(positions, -1, axis=0) - positions, axis=1)
        if length.min() <= NEEDLE * length.max():
            a, b, _ = np.roll(corners, -int(length.argmin())).tolist()
            return self._contract(min(a, b), max(a, b))
        p, q, apex = np.roll(corners, -int(length.argmax())).tolist()
        return self._flip(face, p, q, apex)

    def _flip(self, face: int, p: int, q: int, apex: int) -> bool:
        """Join the apex of `face` (p, q, apex) with that of the one other face on the edge p q."""
        others = (self.around[p] & self.around[q]) - {face}
        if len(others) != 1:
            return False
        other = others.pop()
        corners = self.faces[other].tolist()
        if len(set(corners)) < 3:
            return False
        (far,) = set(corners) - {p, q}
        if far == apex or self.around[apex] & self.around[far]:
            return False
        new = np.array([[p, far, apex], [far, q, apex]])
        if corners[corners.index(p) - 2] == q:  # it runs from p to q, as `face` does: keep its own winding
            new = new[:, [1, 0, 2]]
        if _flat(self.vertices, new).any():
            return False
        self._replace([face, other], new)
        self.origin[face] = self.origin[other]
        return True

    def _contract(self, keep: int, gone: int) -> bool:
        """Contract the edge between two vertices to the first of them."""
        shared = self.around[keep] & self.around[gone]
        third = self._neighbours(keep) & self._neighbours(gone)
        # The link condition (Dey, Edelsbrunner, Guha and Nekhayev 1999): otherwise the result is no surface.
        if len(shared) > 2 or len(third) != len(shared):
            return False
        if len(shared) == 2 and self._on_boundary(keep) and self._on_boundary(gone):
            return False
        moved = sorted(self.around[gone] - shared)
        taken = sorted(shared)
        self._replace(taken, np.full((len(taken), 3), keep))
        self.alive[taken] = False
        self.around[keep] -= shared
        self._replace(moved, np.where(self.faces[moved] == gone, keep, self.faces[moved]))
        self.stands_for[self.stands_for == gone] = keep
        return True

    def _neighbours(self, vertex: int) -> set[int]:
        return {v for face in self.around[vertex] for v in self.faces[face].tolist()} - {vertex}

    def _on_boundary(self, vertex: int) -> bool:
        return any(len(self.around[vertex] & self.around[other]) == 1 for other in self._neighbours(vertex))

    def _replace(self, which: list[int], corners: Array) -> None:
        for face, new in zip(which, corners.tolist(), strict=True):
            for vertex in self.faces[face].tolist():
                self.around[vertex].discard(face)
            for vertex in new:
                self.around[vertex].add(face)
            self.faces[face] = new
