"""A vector carried once round a loop, with the angle between its start and its return marked."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from manifoldconv.plot.camera import Camera, View
from manifoldconv.plot.carried import PATHS, carried_along, spread_out
from manifoldconv.plot.color import ACCENT, INK
from manifoldconv.plot.figure import Background, Page
from manifoldconv.plot.scene import Scene

if TYPE_CHECKING:
    from manifoldconv.manifolds import LoopHolonomy
    from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]

WAY = (0.33, 0.35, 0.40)
START_ON_DARK = (0.55, 0.30, 0.75)  # ink would not be seen where the arrow sticks out over a dark page
RISE = 0.008  # of the diagonal: how far above the surface the arrows lie


def figure_loop(
    path: str | os.PathLike[str],
    surface: MeshSurface,
    loop: Any,
    *,
    vector: torch.Tensor | None = None,
    values: Any = None,
    title: str = "",
    camera: Camera | None = None,
    size: tuple[int, int] = (1300, 1150),
    background: Background = "white",
) -> LoopHolonomy:
    """Write the picture of a vector carried once round a loop: dark (violet on dark pages) at first, orange when back.

    The caption says by what angle it is turned, and how much curvature the loop encloses (the two agree modulo 360°),
    or that the loop reflects.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        surface: with an embedding.
        loop: closed polyline of shortest geodesics, `SurfacePoint`, first = last.
        vector: `(2,)` in the frame at the start; by default the direction in which the loop leaves, or, where the
            loop reflects, one that comes back as its opposite.
        values: `(V,)` to colour the surface by; plain by default.
        size: in pixels.

    Returns:
        What `surface.holonomy(loop)` gives.

    Raises:
        GeometryError: where the loop is not closed, or a segment has no straight geodesic.
    """
    way = surface.as_path(loop)
    holonomy = surface.holonomy(way)
    camera = camera or Camera()
    first = _first_vector(surface, way, holonomy) if vector is None else vector / vector.norm()
    points, vectors, normals = carried_along(surface, way, first)
    # On the side that is seen: a one-sided surface has no other way to choose one.
    normals = normals * np.where(normals @ camera.axes()[2] < 0, -1.0, 1.0)[:, None]
    vertices = surface.embedding.vertices
    diagonal = float(np.linalg.norm(np.ptp(vertices[surface.connectivity.referenced], axis=0)))
    around = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
    length = min(0.16 * diagonal, 0.2 * around)
    scene = Scene().surface(vertices, surface.faces, values=values)
    scene = scene.curves([points + 0.003 * diagonal * normals], color=PATHS[0], radius=0.0036 * diagonal)
    lifted = points + RISE * diagonal * normals
    at = spread_out(points, 0.75 * length)[1:-1]
    scene = scene.arrows(lifted[at], 0.6 * length * vectors[at], color=WAY, radius=0.0028 * diagonal)
    leaving = START_ON_DARK if background == "dark" else INK
    scene = scene.arrows(lifted[:1], length * vectors[:1], color=leaving, radius=0.006 * diagonal)
    scene = scene.arrows(lifted[:1], length * vectors[-1:], color=ACCENT, radius=0.006 * diagonal)
    arc = _arc(vectors[0], vectors[-1], normals[0], holonomy)
    if len(arc):
        curve = lifted[0] + 0.55 * length * arc
        scene = scene.curves([curve], color=ACCENT, radius=0.003 * diagonal)
    middle = arc[len(arc) // 2] if len(arc) else np.cross(normals[0], vectors[0])
    _page(scene, lifted[0] + 0.85 * length * middle, holonomy, camera, title, size, background).save(path)
    return holonomy


def _first_vector(surface: MeshSurface, way: Any, holonomy: LoopHolonomy) -> torch.Tensor:
    """The direction in which the loop leaves; for a loop that reflects, the vector that it negates."""
    if holonomy.reflects:
        values, vectors = torch.linalg.eigh((holonomy.matrix + holonomy.matrix.mT) / 2)
        return vectors[:, int(values.argmin())]
    ahead = surface.log(way[:1], way[1:2])[0]
    return ahead / ahead.norm()


def _arc(start: Array, end: Array, normal: Array, holonomy: LoopHolonomy) -> Array:
    """Unit vectors `(40, 3)` from the start to the return by the shorter way round; empty where there is no angle."""
    if holonomy.reflects or abs(holonomy.angle) < 0.02:
        return np.empty((0, 3))
    across = np.cross(normal, start)
    turn = math.atan2(float(end @ across), float(end @ start))
    steps = np.linspace(0, turn, 40)
    return np.cos(steps)[:, None] * start + np.sin(steps)[:, None] * across


def caption(holonomy: LoopHolonomy) -> str:
    """One line: the angle and the enclosed curvature, or that the loop reflects."""
    if holonomy.reflects:
        return "The loop reverses orientation: the vector comes back reflected."
    text = f"turned by {_degrees(holonomy.angle)}"
    if holonomy.enclosed_curvature is None:
        return f"{text}; the loop encloses no region"
    return f"{text}; curvature inside the loop {_degrees(holonomy.enclosed_curvature)}"


def _degrees(angle: float) -> str:
    text = f"{math.degrees(angle):.1f}°"
    return "0°" if text in ("0.0°", "-0.0°") else text.replace("-", "\N{MINUS SIGN}")


def _page(
    scene: Scene,
    place: Array,
    holonomy: LoopHolonomy,
    camera: Camera,
    title: str,
    size: tuple[int, int],
    background: Background,
) -> Page:
    from matplotlib import patheffects

    page = Page.blank(*size, background, dpi=max(1, round(size[0] / 7)))
    line = page.figure.dpi / 5
    bottom, top = 1.8 * line, (1.7 if title else 0.3) * line
    axes = page.panel(0, bottom, page.width, page.height - bottom - top)
    scene.draw(axes, camera=camera)
    box = axes.get_window_extent()
    corners = np.concatenate([item.corners.reshape(-1, 3) for item in scene.items])
    x, y, _ = View.fit(camera, corners, round(box.width), round(box.height)).project(place)
    halo = [patheffects.withStroke(linewidth=3.0, foreground="white")]
    label = "reflected" if holonomy.reflects else _degrees(abs(holonomy.angle))
    where = float(x), page.height - top - float(y)
    page.write(*where, label, 11, path_effects=halo, weight="bold", color=INK)
    page.write(page.width / 2, 0.9 * line, caption(holonomy), 9)
    if title:
        page.write(page.width / 2, page.height - 0.9 * line, title, 11)
    return page
