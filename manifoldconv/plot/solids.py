"""Tubes, balls and arrows as triangles, so that curves, points and vectors hide each other like surfaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Solid = tuple[Array, NDArray[np.int64]]  # vertices (V, 3), faces (F, 3)


def join(solids: list[Solid]) -> Solid:
    """Several solids as one."""
    if not solids:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    offsets = np.cumsum([0] + [len(vertices) for vertices, _ in solids[:-1]])
    faces = [faces + offset for (_, faces), offset in zip(solids, offsets, strict=True)]
    return np.concatenate([vertices for vertices, _ in solids]), np.concatenate(faces)


def ball(n_around: int = 24) -> Solid:
    """The unit sphere, in rings of latitude."""
    n_rings = n_around // 2
    polar = np.pi * np.arange(n_rings + 1) / n_rings
    profile = np.stack([np.sin(polar), np.cos(polar)], axis=1)
    return revolve(profile, n_around)


def revolve(profile: Array, n_around: int) -> Solid:
    """The surface of revolution about z of a profile `(P, 2)` of (radius, height)."""
    turn = 2 * np.pi * np.arange(n_around) / n_around
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    flat = profile[:, None, :1] * circle
    height = np.broadcast_to(profile[:, None, 1:], (len(profile), n_around, 1))
    return np.concatenate([flat, height], axis=2).reshape(-1, 3), ring_faces(len(profile), n_around)


def ring_faces(n_rings: int, n_around: int) -> NDArray[np.int64]:
    """The triangles between consecutive closed rings of `n_around` vertices each."""
    here = np.arange(n_around)
    following = (here + 1) % n_around
    start = n_around * np.arange(n_rings - 1)[:, None]
    a, b = start + here, start + following
    c, d = a + n_around, b + n_around
    return np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=1).reshape(-1, 3)


def balls(centres: Array, radius: float) -> Solid:
    """A sphere of the given radius round each of `centres` `(P, 3)`."""
    vertices, faces = ball()
    placed = centres[:, None, :] + radius * vertices
    stacked = faces + len(vertices) * np.arange(len(centres))[:, None, None]
    return placed.reshape(-1, 3), stacked.reshape(-1, 3)


def tube(path: Array, radius: float, n_around: int = 10) -> Solid:
    """A round tube along a polyline `(P, 3)`, with round ends; repeated points are passed over."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    path = path[np.concatenate([[True], steps > 0])]
    if len(path) < 2:
        return balls(path[:1], radius)
    closed = bool(np.allclose(path[0], path[-1], rtol=0, atol=1e-9 * float(steps.max())))
    edges = np.diff(path, axis=0)
    edges /= np.linalg.norm(edges, axis=1, keepdims=True)
    before = np.concatenate([edges[-1:] if closed else edges[:1], edges])
    after = np.concatenate([edges, edges[:1] if closed else edges[-1:]])
    tangents = before + after
    size = np.linalg.norm(tangents, axis=1, keepdims=True)
    tangents = np.where(size > 1e-9, tangents / np.maximum(size, 1e-9), after)
    normals = _carried_normals(tangents)
    binormals = np.cross(tangents, normals)
    turn = 2 * np.pi * np.arange(n_around) / n_around
    rings = np.cos(turn)[:, None] * normals[:, None] + np.sin(turn)[:, None] * binormals[:, None]
    body = (path[:, None] + radius * rings).reshape(-1, 3), ring_faces(len(path), n_around)
    return body if closed else join([body, balls(path[[0, -1]], radius)])


def _carried_normals(tangents: Array) -> Array:
    """A unit normal to each tangent, each the projection of the one before: the tube does not twist."""
    normals = np.empty_like(tangents)
    normal = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    for i, tangent in enumerate(tangents):
        projected = normal - tangent * (normal @ tangent)
        size = np.linalg.norm(projected)
        if size < 1e-6:  # the curve turned straight into the old normal
            projected = np.cross(tangent, np.eye(3)[np.argmin(np.abs(tangent))])
            size = np.linalg.norm(projected)
        normal = projected / size
        normals[i] = normal
    return normals


def arrows(starts: Array, vectors: Array, radius: float) -> Solid:
    """An arrow from each of `starts` `(P, 3)` along each of `vectors` `(P, 3)`; null vectors give none.

    The head is 6 radii long, or half the arrow where that is shorter.
    """
    length = np.linalg.norm(vectors, axis=1)
    kept = length > 0
    starts, vectors, length = starts[kept], vectors[kept], length[kept]
    direction = vectors / length[:, None]
    helper = np.eye(3)[np.argmin(np.abs(direction), axis=1)]
    across = np.cross(direction, helper)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    third = np.cross(direction, across)
    head = np.minimum(6 * radius, 0.5 * length)
    thickness = np.minimum(1.0, head / (6 * radius))  # short arrows are slimmer, not stubbier
    profile = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [2.6, 1.0], [0.0, 2.0]])
    turn = 2 * np.pi * np.arange(16) / 16
    outward = np.cos(turn)[:, None] * across[:, None] + np.sin(turn)[:, None] * third[:, None]  # (P, 16, 3)
    along = (
        np.minimum(profile[:, 1], 1) * (length - head)[:, None]
        + np.maximum(profile[:, 1] - 1, 0) * head[:, None]
    )
    around = profile[:, 0] * (radius * thickness)[:, None]  # (P, 5)
    rings = (
        starts[:, None, None]
        + along[:, :, None, None] * direction[:, None, None]
        + around[:, :, None, None] * outward[:, None]
    )
    faces = (
        ring_faces(len(profile), len(turn)) + len(profile) * len(turn) * np.arange(len(starts))[:, None, None]
    )
    return rings.reshape(-1, 3), faces.reshape(-1, 3)
