"""One field on a surface: a signal as colours, frames as pairs of arrows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from manifoldconv.plot.camera import Camera
from manifoldconv.plot.color import ColorScale
from manifoldconv.plot.figure import Background, save_scene
from manifoldconv.plot.scene import Scene

if TYPE_CHECKING:
    from manifoldconv.frames import FrameField
    from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]

FIRST, SECOND = (0.80, 0.33, 0.05), (0.12, 0.35, 0.65)
SINGULAR = (0.13, 0.14, 0.17)


def figure_signal(
    path: str | os.PathLike[str],
    surface: MeshSurface,
    values: ArrayLike,
    *,
    label: str = "",
    title: str = "",
    edge_width: float = 0.0,
    camera: Camera | None = None,
    size: tuple[int, int] = (1200, 1000),
    background: Background = "white",
) -> None:
    """Write the picture of a mesh with a signal: one number at each vertex, or at each face.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        surface: with an embedding.
        values: `(V,)` or `(F,)`; the colours diverge about 0 where both signs occur, and NaN is grey.
        label: of the colour bar.
        edge_width: in pixels, to show the triangles.
        size: in pixels.

    Raises:
        ValueError: for another number of values.
    """
    numbers = np.asarray(values, dtype=np.float64).squeeze()
    counts = surface.n_vertices, len(surface.faces)
    if numbers.ndim != 1 or len(numbers) not in counts:
        raise ValueError(
            f"values must be ({counts[0]},) for the vertices or ({counts[1]},) for the faces; "
            f"got shape {np.asarray(values).shape}"
        )
    scale = ColorScale.of(numbers, label=label, clip=0.005)
    on_vertices = len(numbers) == counts[0]
    scene = Scene().surface(
        surface.embedding.vertices,
        surface.faces,
        values=numbers if on_vertices else None,
        face_values=None if on_vertices else numbers,
        scale=scale,
        edge_width=edge_width,
    )
    save_scene(scene, path, title=title, camera=camera, size=size, background=background)


def figure_frame_field(
    path: str | os.PathLike[str],
    surface: MeshSurface,
    frames: FrameField,
    *,
    arrows: int = 350,
    first_only: bool = False,
    title: str = "first vector orange, second blue; dots where there is no direction",
    camera: Camera | None = None,
    size: tuple[int, int] = (1200, 1050),
    background: Background = "white",
) -> None:
    """Write the picture of a frame field on the vertices of a mesh: both vectors of the frame, and singular vertices.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        surface: with an embedding.
        frames: one for each vertex, in the vertex's own frame (`manifoldconv.frame_fields`).
        arrows: about how many frames are shown, spread over the surface.
        first_only: show a field of directions, the first vector of each frame.
        size: in pixels.

    Raises:
        ValueError: for frames that are not one for each vertex.
    """
    if len(frames.matrices) != surface.n_vertices:
        raise ValueError(
            f"a frame for each of the {surface.n_vertices} vertices is drawn; got {len(frames.matrices)}"
        )
    chosen, apart = spread_vertices(surface.embedding.vertices, surface.connectivity.referenced, arrows)
    points = surface.vertex_points(torch.from_numpy(chosen))
    vectors = (surface.frame(points) @ frames.matrices[chosen]).numpy()  # (k, 3, 2)
    normals = surface.embedding.vertex_normals.numpy()[chosen]
    vertices = surface.embedding.vertices
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    starts = vertices[chosen] + 0.006 * diagonal * normals
    length, thickness = 0.62 * apart, max(0.0018 * diagonal, 0.035 * apart)
    scene = Scene().surface(vertices, surface.faces)
    for color, column in ((FIRST, 0),) if first_only else ((FIRST, 0), (SECOND, 1)):
        scene = scene.arrows(starts, length * vectors[:, :, column], color=color, radius=thickness)
    if len(frames.singular):
        scene = scene.points(vertices[frames.singular.numpy()], color=SINGULAR, radius=0.013 * diagonal)
    save_scene(scene, path, title=title, camera=camera, size=size, background=background, colorbar=False)


def spread_vertices(vertices: Array, used: NDArray[np.bool_], count: int) -> tuple[NDArray[np.int64], float]:
    """About `count` vertices spread evenly in space, and how far apart they are: the farthest first, one by one."""
    candidates = np.flatnonzero(used)
    chosen = [int(candidates[0])]
    gap = np.linalg.norm(vertices[candidates] - vertices[chosen[0]], axis=1)
    while len(chosen) < min(count, len(candidates)):
        chosen.append(int(candidates[int(gap.argmax())]))
        gap = np.minimum(gap, np.linalg.norm(vertices[candidates] - vertices[chosen[-1]], axis=1))
    others = vertices[chosen][:, None] - vertices[chosen][None]
    distance = np.linalg.norm(others, axis=-1) + np.where(np.eye(len(chosen)) > 0, np.inf, 0.0)
    apart = float(np.median(distance.min(axis=1))) if len(chosen) > 1 else 1.0
    return np.array(chosen, dtype=np.int64), apart
