"""The exponential disc round a vertex: geodesics, circles, and both as curves in space."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io import write_atomically

if TYPE_CHECKING:
    from manifoldconv.plot import Camera
    from manifoldconv.surface.surface import MeshSurface

Array = np.ndarray

CIRCLES = 4
STEPS_AN_EDGE = 6  # points of a curve for each mean edge length, so that its chords stay on the surface
MOST_STEPS = 2000


@dataclass(frozen=True, eq=False)
class ExponentialDisc:
    """exp_p of the rays and circles of the disc of a radius in the tangent plane at a vertex p.

    Attributes:
        vertex, radius: p, and the radius in units of the mesh.
        angles: `(rays,)` the directions in the vertex's frame, in radians.
        end: `(rays, 3)` where the geodesics end, in space.
        length: `(rays,)` how long they became; less than the radius where they met the boundary.
        complete: `(rays,)` whether they did not.
        rays: polylines `(P, 3)`, one a direction.
        circles: polylines of radius 1/4, 2/4, 3/4 and 4/4 of the disc's, broken where the surface ends or
            they tear.
    """

    vertex: int
    radius: float
    angles: Array
    end: Array
    length: Array
    complete: Array
    rays: list[Array]
    circles: list[Array]

    @classmethod
    def trace(cls, surface: MeshSurface, vertex: int, radius: float, rays: int) -> ExponentialDisc:
        """Trace them; `GeometryError` for a vertex that does not exist or belongs to no face."""
        start = surface.vertex_points(torch.tensor(vertex))
        if int(start.face) < 0:
            raise GeometryError(f"vertex {vertex} belongs to no face: there is no surface round it")
        angle = torch.arange(rays, dtype=torch.float64) * (2 * math.pi / rays)
        direction = torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
        whole = surface.geodesic(start, radius * direction)
        steps = min(MOST_STEPS, max(8, math.ceil(STEPS_AN_EDGE * radius / surface.mean_edge_length)))
        # Each curve up to where its geodesic stopped: a tiny bit short, so that it does not stop there again.
        share = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        reach = torch.where(whole.complete, whole.length, whole.length * (1 - 1e-9))
        points = surface.embed(
            surface.geodesic(start, (reach[:, None] * share)[..., None] * direction[:, None]).end
        ).numpy()
        end = surface.embed(whole.end).numpy()
        points[:, -1] = end
        circles = [
            piece
            for i in range(1, CIRCLES + 1)
            for piece in exponential_circle(surface, vertex, radius * i / CIRCLES)
        ]
        return cls(
            *(vertex, radius, angle.numpy(), end, whole.length.numpy(), whole.complete.numpy()),
            [path for path, length in zip(points, whole.length.tolist(), strict=True) if length > 0],
            circles,
        )

    def figures(self) -> dict[str, Any]:
        """What `exp --json` says."""
        return {
            "vertex": self.vertex,
            "radius": self.radius,
            "rays": [
                {"angle": angle, "end": end, "length": length, "complete": complete}
                for angle, end, length, complete in zip(
                    *(self.angles.tolist(), self.end.tolist(), self.length.tolist(), self.complete.tolist()),
                    strict=True,
                )
            ],
            "complete": int(self.complete.sum()),
        }

    def curves(self) -> list[tuple[str, int, Array]]:
        """All curves: what it is ("ray" or "circle"), its number, its points."""
        return [("ray", i, path) for i, path in enumerate(self.rays)] + [
            ("circle", i, path) for i, path in enumerate(self.circles)
        ]

    def write(self, path: Path) -> None:
        """The curves, as OBJ polylines or as a CSV table with one row a point."""
        text = io.StringIO()
        if path.suffix.lower() == ".obj":
            self._write_obj(text)
        else:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(["curve", "number", "step", "x", "y", "z"])
            for kind, number, points in self.curves():
                writer.writerows([kind, number, i, *map(repr, p)] for i, p in enumerate(points.tolist()))
        write_atomically(path, lambda stream: stream.write(text.getvalue().encode()))

    def _write_obj(self, text: io.StringIO) -> None:
        first = 1
        for kind, number, points in self.curves():
            text.write(f"o {kind}_{number}\n")
            text.writelines(f"v {x!r} {y!r} {z!r}\n" for x, y, z in points.tolist())
            text.write("l " + " ".join(str(first + i) for i in range(len(points))) + "\n")
            first += len(points)

    def draw(self, path: Path, surface: MeshSurface, camera: Camera) -> None:
        """The surface with rays, circles and the vertex."""
        from manifoldconv.plot import Scene, save_scene

        vertices = surface.embedding.vertices
        scene = Scene().surface(vertices, surface.faces)
        thick = min(0.05 * self.radius, 0.0025 * float(np.linalg.norm(np.ptp(vertices, axis=0))))
        scene = scene.curves(self.circles, color=BLUE, radius=0.8 * thick).curves(self.rays, radius=thick)
        centre = surface.embed(surface.vertex_points(torch.tensor([self.vertex]))).numpy()
        scene = scene.points(centre, radius=4 * thick)
        save_scene(scene, path, title=f"exp at vertex {self.vertex}, radius {self.radius:.4g}", camera=camera)


BLUE = (0.12, 0.35, 0.65)


def exponential_circle(surface: MeshSurface, vertex: int, radius: float, steps: int = 240) -> list[Array]:
    """The curve exp(radius (cos θ, sin θ)) round a vertex, in pieces where it leaves the surface or tears."""
    angle = torch.arange(steps + 1, dtype=torch.float64) * (2 * torch.pi / steps)
    directions = torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
    start = surface.vertex_points(torch.tensor(vertex))
    geodesic = surface.geodesic(start, radius * directions)
    return unbroken(surface.embed(geodesic.end).numpy(), geodesic.complete.numpy())


def unbroken(points: Array, there: Array) -> list[Array]:
    """A polyline `(P, 3)` as the pieces that are there and do not jump.

    Behind a vertex that carries curvature neighbouring geodesics come apart by their distance times the
    curvature: a step of more than 4 median steps is such a tear.
    """
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    known = step[there[:-1] & there[1:]]
    if not len(known):
        return []
    joined = there[:-1] & there[1:] & (step <= 4 * np.median(known))
    pieces: list[list[int]] = []
    for i in np.flatnonzero(joined):
        if pieces and pieces[-1][-1] == i:
            pieces[-1].append(int(i) + 1)
        else:
            pieces.append([int(i), int(i) + 1])
    return [points[piece] for piece in pieces]
