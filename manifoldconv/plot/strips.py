"""Loops of faces as curves in space, and the place on each where a picture shows best what it does to a vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifoldconv.plot.camera import Camera, View
from manifoldconv.plot.raster import visible_faces
from manifoldconv.surface.face_loops import FaceLoop, loop_round
from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]

RASTER = 700  # pixels along each side, to find which faces are seen
CLEAR_OF_CORNERS = 0.08  # share of an edge that a curve keeps from its ends
SWEEPS = 400


@dataclass(frozen=True, eq=False)
class Strip:
    """A loop of faces with a curve in it.

    Attributes:
        loop: the faces.
        crossing: `(k, 3)` where the curve crosses the edges of `loop.half_edges`.
    """

    loop: FaceLoop
    crossing: Array

    @property
    def curve(self) -> Array:
        """`(k + 1, 3)`, closed."""
        return np.concatenate([self.crossing, self.crossing[:1]])

    @property
    def middles(self) -> Array:
        """`(k + 1, 3)`: a point of the curve in each face that it runs through, from `loop.start` and back to it."""
        before = np.concatenate([self.crossing[-1:], self.crossing])
        return (before + np.concatenate([self.crossing, self.crossing[:1]])) / 2

    def started_at(self, place: int) -> Strip:
        """The same, started at the face before crossing number `place`."""
        return Strip(self.loop.started_at(place), np.roll(self.crossing, -place, axis=0))


def tightened(
    surface: MeshSurface, loop: FaceLoop, share: Array | None = None, sweeps: int = SWEEPS
) -> Strip:
    """A curve through a strip of faces: pulled tight inside it, as a rubber band.

    Each crossing in turn is put where the way from the crossing before to the next one is shortest, that is
    straight when the two faces are unfolded.

    Args:
        share: `(k,)` where on its half-edge each crossing starts, 0 to 1; the middle by default.
    """
    vertices, h = surface.embedding.vertices, loop.half_edges
    tail = vertices[surface.tables.tail[h]]
    edge = vertices[surface.tables.tail[h - h % 3 + (h + 1) % 3]] - tail
    length = np.linalg.norm(edge, axis=1)
    along = edge / length[:, None]
    t = np.full(len(h), 0.5) if share is None else share
    # Every second one at a time (two neighbours moving at once would overshoot); an odd last one by itself.
    order = np.arange(len(h))
    turns = [order[0 : len(h) - len(h) % 2 : 2], order[1::2], order[len(h) - len(h) % 2 :]]
    for _ in range(sweeps):
        for chosen in turns:
            point = tail + t[:, None] * edge
            feet, away = [], []
            for neighbour in (point[chosen - 1], point[(chosen + 1) % len(h)]):
                relative = neighbour - tail[chosen]
                foot = np.einsum("kc,kc->k", relative, along[chosen])
                feet.append(foot)
                away.append(np.linalg.norm(relative - foot[:, None] * along[chosen], axis=1))
            total = np.maximum(away[0] + away[1], 1e-300)
            best = (feet[0] * away[1] + feet[1] * away[0]) / total / length[chosen]
            t[chosen] = np.clip(best, CLEAR_OF_CORNERS, 1 - CLEAR_OF_CORNERS)
    return Strip(loop, tail + t[:, None] * edge)


def disc_round(surface: MeshSurface, vertex: int, radius: float) -> tuple[Strip, NDArray[np.int64]] | None:
    """A loop about as far as `radius` round a vertex, and the vertices inside; nearer where that is no disc.

    None where even the nearest vertices round it are not all inside the surface.
    """
    vertices, tables = surface.embedding.vertices, surface.tables
    distance = np.linalg.norm(vertices - vertices[vertex], axis=1)
    head = tables.tail.reshape(-1, 3)[:, [1, 2, 0]].reshape(-1)
    for size in (radius, 0.7 * radius, 0.4 * radius, 0.0):
        inside = _reached(tables.tail, head, distance <= size, vertex)
        mixed = inside[tables.tail] != inside[head]
        loop = (
            loop_round(tables, inside, int(np.flatnonzero(mixed & (tables.tail == vertex))[0]))
            if size == 0
            else None
        )
        if size > 0 and mixed.any() and not (inside & tables.open_fan).any():
            loop = loop_round(tables, inside, int(np.flatnonzero(mixed)[0]))
        # One strip of all faces between inside and outside: the inside is then a disc, or the whole of a handle.
        if loop is None or 2 * len(loop) != int(mixed.sum()):
            continue
        if _euler_characteristic(surface, inside) != 1:
            continue
        h = loop.half_edges
        first, last = distance[tables.tail[h]], distance[head[h]]
        share = np.clip(((size or radius) - first) / np.where(first == last, 1.0, last - first), 0.1, 0.9)
        return tightened(surface, loop, share, sweeps=0), np.flatnonzero(inside)
    return None


def _reached(
    tail: NDArray[np.int64], head: NDArray[np.int64], allowed: NDArray[np.bool_], start: int
) -> NDArray[np.bool_]:
    """The allowed vertices that edges between allowed vertices join to `start`."""
    edges = allowed[tail] & allowed[head]
    tail, head = tail[edges], head[edges]
    reached = np.zeros(len(allowed), dtype=bool)
    reached[start] = True
    count = 0
    while count != int(reached.sum()):
        count = int(reached.sum())
        reached[head[reached[tail]]] = True
        reached[tail[reached[head]]] = True
    return reached


def _euler_characteristic(surface: MeshSurface, inside: NDArray[np.bool_]) -> int:
    """Of the vertices, edges and faces that lie wholly inside."""
    mesh = surface.connectivity
    once = (mesh.twin < 0) | (np.arange(len(mesh.twin)) < mesh.twin)
    edges = int((inside[mesh.tail] & inside[mesh.head])[once].sum())
    return int(inside.sum()) - edges + int(inside[mesh.faces].all(axis=1).sum())


@dataclass(frozen=True, eq=False)
class Sight:
    """What the camera sees of a surface.

    Attributes:
        view: for a square picture of 1 by 1.
        towards: `(3,)` unit vector to the camera.
        clear: `(F,)` from 0 (hidden) to 1 (seen, and facing the camera).
        normals: `(F, 3)` towards the side that is seen.
    """

    view: View
    towards: Array
    clear: Array
    normals: Array

    @classmethod
    def of(cls, surface: MeshSurface, camera: Camera) -> Sight:
        """By a small depth buffer."""
        corners = surface.embedding.corners
        view = View.fit(camera, corners.reshape(-1, 3), RASTER, RASTER)
        seen, _ = visible_faces(view.project(corners), RASTER, RASTER)
        towards = camera.axes()[2]
        normals = surface.embedding.winding_normals
        facing = normals @ towards
        pixels = np.bincount(seen[seen >= 0], minlength=len(corners)) > 0
        small = View.fit(camera, corners.reshape(-1, 3), 1, 1)
        return cls(small, towards, pixels * np.abs(facing), np.where(facing[:, None] < 0, -normals, normals))

    def best_start(self, strip: Strip, reach: float, taken: list[Array]) -> Strip:
        """The strip started where it is seen best, over a length of `reach`, and away from places `(3,)` taken."""
        middles = strip.middles[:-1]
        step = max(float(np.linalg.norm(np.diff(strip.curve, axis=0), axis=1).mean()), 1e-300)
        width = min(max(1, round(reach / step)), len(middles))
        clear = self.clear[strip.loop.half_edges // 3]
        window = np.arange(len(middles))[:, None] + np.arange(-width, width + 1)
        score = clear[window % len(middles)].mean(axis=1) + clear
        place = self.view.project(middles)[:, :2]
        for other in taken:
            gap = np.linalg.norm(place - self.view.project(other)[:2], axis=1)
            score = score - 2.0 * np.exp(-((gap / 0.16) ** 2))
        return strip.started_at(int(score.argmax()))
