"""The meshes that are measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere

IGEA = Path(__file__).resolve().parents[2] / "shared" / "meshes" / "igea.ply"


def for_potpourri3d(surface: mc.MeshSurface) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces as arrays."""
    return surface.embed(surface.vertex_points()).numpy(), surface.faces.numpy()


def sphere(level: int) -> mc.MeshSurface:
    """An icosphere of 10 · 4^level + 2 vertices."""
    vertices, faces = icosphere(level)
    return mc.MeshSurface(vertices, faces)


def large(quick: bool) -> tuple[str, mc.MeshSurface]:
    """A scan of 134345 vertices where it is at hand (`../shared/meshes/igea.ply`), else a large sphere."""
    if quick:
        return "icosphere, 2562 vertices", sphere(4)
    if IGEA.exists():
        surface = mc.load_mesh(IGEA)
        return f"igea, {surface.n_vertices} vertices", surface
    return "icosphere, 163842 vertices", sphere(7)
