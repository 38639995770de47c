"""Closed paths on a mesh as lists of events: polylines of points, loops of faces and loops of edges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.loops import Crossing, Event, Visit
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.segments import across
from manifoldconv.surface.trace import crossings_of

# Points on edges are moved by this fraction towards the centroid of the face that they name, so that a path crosses
# edges and does not touch them; winding numbers do not change.
NUDGE = 1e-6


def off_the_edges(path: SurfacePoint) -> SurfacePoint:
    """The same path with its points on edges moved a little into their faces; vertices stay."""
    on_edge = (path.vertex < 0) & (path.barycentric.min(dim=-1).values < NUDGE)
    inside = (1 - 3 * NUDGE) * path.barycentric + NUDGE
    return SurfacePoint(path.face, torch.where(on_edge[:, None], inside, path.barycentric), path.vertex)


def events_of_polyline(
    tables: Tables,
    path: SurfacePoint,
    velocity: Tensor,
    transport: Tensor,
    crossing: tuple[SurfacePoint, Tensor],
) -> list[Event]:
    """What a closed polyline crosses, from the velocity `(P, 2)` and transport `(P, 2, 2)` of its P segments.

    `crossing`: the path whose crossings are taken, as `off_the_edges` gives it, and its velocities.
    """
    events: list[Event] = []
    orientation = 1.0
    arriving = _way_back(tables, path[len(path) - 1], velocity[-1], transport[-1])
    for segment in range(len(velocity)):
        point, v = path[segment], velocity[segment]
        vertex = int(point.vertex)
        if vertex >= 0:
            leaving = (math.atan2(float(v[1]), float(v[0])) % (2 * math.pi)) / float(tables.scale[vertex])
            events.append(Visit(vertex, arriving, leaving, orientation))
        for row in _recorded(tables, crossing[0][segment], crossing[1][segment]):
            side = orientation * row[4]
            events.append(
                Crossing(int(row[1]), side) if row[0] == 0 else Visit(int(row[1]), row[2], row[3], side)
            )
        orientation *= float(torch.sign(torch.linalg.det(transport[segment])))
        arriving = _way_back(tables, path[segment + 1], v, transport[segment])
    return events


def _way_back(tables: Tables, end: SurfacePoint, v: Tensor, transport: Tensor) -> float:
    """The true fan angle, at the vertex where a segment ends, of the direction from which it came."""
    if int(end.vertex) < 0:
        return math.nan
    came = -(transport @ v)
    return (math.atan2(float(came[1]), float(came[0])) % (2 * math.pi)) / float(tables.scale[int(end.vertex)])


def _recorded(tables: Tables, point: SurfacePoint, v: Tensor) -> list[list[float]]:
    """The rows that tracing one segment writes; the record grows until it holds them all."""
    rows = 64
    while True:
        record = np.empty((rows, 5))
        weights = point.barycentric.contiguous().numpy()
        crossings_of(tables, int(point.face), weights, int(point.vertex), float(v[0]), float(v[1]), record)
        if np.isnan(record[-1, 0]):
            return record[~np.isnan(record[:, 0])].tolist()
        rows *= 4


def events_of_faces(tables: Tables, faces: Sequence[int]) -> tuple[list[Event], Tensor]:
    """A closed loop of faces, each next to the one before (first = last): its events and its transport `(2, 2)`.

    The transport unfolds the strip of faces: exact, in the frame of the first face. Raises `GeometryError` where two
    successive faces share no edge, or the loop is not closed.
    """
    count = len(tables.face_sign)
    for face in faces:
        if not 0 <= face < count:
            raise GeometryError(f"face {face} does not exist; the mesh has {count} faces")
    if len(faces) < 2 or faces[0] != faces[-1]:
        raise GeometryError(
            f"a loop of faces ends where it starts; got {list(faces)[:1]} ... {list(faces)[-1:]}"
        )
    events: list[Event] = []
    total, step = np.eye(2), np.empty((2, 2))
    orientation = float(tables.face_sign[faces[0]])
    for here, there in itertools.pairwise(faces):
        shared = [
            h for h in range(3 * here, 3 * here + 3) if tables.twin[h] >= 0 and tables.twin[h] // 3 == there
        ]
        if not shared:
            raise GeometryError(f"faces {here} and {there} follow one another in the loop but share no edge")
        h = shared[0]
        events.append(Crossing(h, orientation))
        across(tables, h, step)
        total = step @ total
        orientation *= -1.0 if tables.flip[h] else 1.0
    return events, torch.from_numpy(total)


def edge_velocities(tables: Tables, vertices: Sequence[int]) -> Tensor:
    """Velocities `(P, 2)` along the edges of a closed loop of vertices, in the vertices' frames (first = last).

    Raises `GeometryError` where two successive vertices share no edge, or the loop is not closed.
    """
    count = len(tables.total_angle)
    for vertex in vertices:
        if not 0 <= vertex < count:
            raise GeometryError(f"vertex {vertex} does not exist; the mesh has {count} vertices")
    if len(vertices) < 2 or vertices[0] != vertices[-1]:
        raise GeometryError(
            f"a loop of edges ends where it starts; got {list(vertices)[:1]} ... {list(vertices)[-1:]}"
        )
    return torch.stack([_edge_velocity(tables, a, b) for a, b in itertools.pairwise(vertices)])


def _edge_velocity(tables: Tables, vertex: int, neighbour: int) -> Tensor:
    for slot in range(int(tables.fan_start[vertex]), int(tables.fan_start[vertex + 1])):
        corner = int(tables.fan_corner[slot])
        before = corner - corner % 3 + (corner + 2) % 3
        after = corner - corner % 3 + (corner + 1) % 3
        counterclockwise = tables.fan_sense[slot] > 0
        for end, half_edge, inside in ((after, corner, 0.0), (before, before, float(tables.angle[corner]))):
            if tables.tail[end] == neighbour:
                within = inside if counterclockwise else float(tables.angle[corner]) - inside
                heading = (float(tables.fan_angle[slot]) + within) * float(tables.scale[vertex])
                length = float(tables.chart[half_edge, 0])
                return torch.tensor(
                    [length * math.cos(heading), length * math.sin(heading)], dtype=torch.float64
                )
    raise GeometryError(f"vertices {vertex} and {neighbour} follow one another in the loop but share no edge")
