"""The exponential disc: a polar grid on the tangent plane, and where the exponential map lays it on the surface."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from manifoldconv.plot.camera import Camera
from manifoldconv.plot.color import INK, PLASTER, ColorScale
from manifoldconv.plot.discs import disc_nodes, draw_disc
from manifoldconv.plot.figure import Background, Page
from manifoldconv.plot.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from manifoldconv.kernels import Kernel
    from manifoldconv.surface.points import SurfacePoint
    from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]

RINGS, RAYS = 4, 16
FINE = (48, 192)  # steps in the radius and the angle of the painted disc
TEAR = 4.0  # a triangle of the painted disc longer than so many steps is left out: the geodesics parted there


def figure_exponential(
    path: str | os.PathLike[str],
    surface: MeshSurface,
    point: SurfacePoint,
    radius: float,
    *,
    kernel: Kernel | None = None,
    camera: Camera | None = None,
    width: int = 1800,
    background: Background = "white",
) -> None:
    """Write the picture of a disc of the tangent plane at a point, and beside it of its image on the surface.

    Rays of the disc become geodesics, its circles the points that are as far along them. With a kernel, both are
    painted with its values.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        surface: with an embedding.
        point: a single `SurfacePoint`.
        radius: of the disc, in units of the mesh.
        kernel: scalar; in the frame at the point.
        camera: by default one that faces the point, with the z axis upward.
        width: in pixels.

    Raises:
        ValueError: for a radius that is not positive, or a kernel between field types.
    """
    if not radius > 0:
        raise ValueError(f"the radius must be positive; got {radius}")
    if kernel is not None and kernel.value_shape:
        raise ValueError(
            f"a scalar kernel is drawn on the disc; {kernel.name} maps {kernel.rep_in} to {kernel.rep_out}"
        )
    height, dpi = round(0.5 * width), max(1, round(width / 10))
    page = Page.blank(width, height, background, dpi)
    scale = None
    values = np.zeros((2, 2))
    if kernel is not None:
        values = kernel(torch.from_numpy(disc_nodes(radius))).numpy()
        scale = ColorScale.of(values, label="value of the kernel")
    scene = _on_surface(surface, point, radius, kernel, scale)
    scene.draw(
        page.panel(0.42 * width, 0.02 * height, 0.57 * width, 0.86 * height),
        camera=camera or facing(surface, point),
    )
    side = 0.34 * width
    centre = (0.21 * width, 0.5 * height)
    plain = ColorScale.of(values, limits=(-1.0, 1.0))
    axes = draw_disc(page, centre, side, values, scale or plain)
    _polar_grid(axes, INK)
    page.write(centre[0], 0.93 * height, "disc of the tangent plane  $T_pM$", 11)
    if scale is not None:
        page.colorbar(scale, centre[0], 0.075 * height, 0.26 * width)
    page.write(0.705 * width, 0.93 * height, r"its image under  $\exp_p$", 11)
    page.save(path)


def facing(surface: MeshSurface, point: SurfacePoint) -> Camera:
    """A camera before a point, z upward, a little from the side."""
    frame = surface.frame(point)
    x, y, z = torch.linalg.cross(frame[..., 0], frame[..., 1]).tolist()
    height = max(-55.0, min(55.0, math.degrees(math.asin(max(-1.0, min(1.0, z))))))
    return Camera(azimuth=math.degrees(math.atan2(x, -y)), elevation=height, up="z")


def _polar_grid(axes: Axes, color: tuple[float, float, float]) -> None:
    from matplotlib.patches import Circle

    for ring in range(1, RINGS):
        axes.add_patch(Circle((0, 0), ring / RINGS, facecolor="none", edgecolor=color, linewidth=0.4))
    for ray in range(RAYS):
        angle = 2 * math.pi * ray / RAYS
        axes.plot([0, math.cos(angle)], [0, math.sin(angle)], color=color, linewidth=0.4)


def _traced(surface: MeshSurface, point: SurfacePoint, r: Array, angle: Array) -> tuple[Array, Array, Array]:
    """Where polar coordinates `(...)` land: positions `(..., 3)`, normals `(..., 3)`, and whether they got there."""
    v = torch.from_numpy(np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1))
    geodesic = surface.geodesic(point, v)
    frame = surface.frame(geodesic.end)
    normal = torch.linalg.cross(frame[..., 0], frame[..., 1])
    return surface.embed(geodesic.end).numpy(), normal.numpy(), geodesic.complete.numpy()


def _on_surface(
    surface: MeshSurface, point: SurfacePoint, radius: float, kernel: Kernel | None, scale: ColorScale | None
) -> Scene:
    vertices = surface.embedding.vertices
    diagonal = float(np.linalg.norm(np.ptp(vertices[surface.connectivity.referenced], axis=0)))
    scene = Scene().surface(vertices, surface.faces)
    steps_r, steps_a = FINE
    r, angle = np.meshgrid(
        radius * np.arange(steps_r + 1) / steps_r, 2 * np.pi * np.arange(steps_a + 1) / steps_a, indexing="ij"
    )
    place, normal, complete = _traced(surface, point, r, angle)
    side = np.sign(np.einsum("...c,...c->...", normal, normal[:1, :1]) + 1e-12)  # a one-sided surface
    place = place + 0.003 * diagonal * (side[..., None] * normal)
    step = radius * max(1 / steps_r, 2 * np.pi / steps_a)
    faces = _grid_faces(steps_r + 1, steps_a + 1)
    flat, there = place.reshape(-1, 3), complete.reshape(-1)
    edges = np.linalg.norm(flat[faces] - flat[np.roll(faces, 1, axis=1)], axis=-1).max(axis=1)
    faces = faces[(edges < TEAR * step) & there[faces].all(axis=1)]
    if kernel is not None:
        nodes = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1).reshape(-1, 2)
        scene = scene.surface(flat, faces, values=kernel(torch.from_numpy(nodes)).numpy(), scale=scale)
    else:
        tint = tuple(0.55 * c + 0.45 * t for c, t in zip(PLASTER, (0.35, 0.55, 0.85), strict=True))
        scene = scene.surface(flat, faces, color=tint)  # type: ignore[arg-type]
    lines = [place[:, k] for k in range(0, steps_a, steps_a // RAYS)]
    lines += [place[k] for k in range(steps_r // RINGS, steps_r + 1, steps_r // RINGS)]
    pieces = [piece for line in lines for piece in _unbroken(line, TEAR * step)]
    scene = scene.curves(pieces, radius=0.0011 * diagonal)
    return scene.points(surface.embed(point).numpy()[None], color=INK, radius=0.008 * diagonal)


def _unbroken(line: Array, most: float) -> list[Array]:
    """A polyline `(P, 3)` cut where two successive points are farther apart than `most`."""
    cuts = np.flatnonzero(np.linalg.norm(np.diff(line, axis=0), axis=1) > most) + 1
    return [piece for piece in np.split(line, cuts) if len(piece) > 1]


def _grid_faces(rows: int, columns: int) -> NDArray[np.int64]:
    """Two triangles for each cell of a grid of points."""
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    b, c, d = a + 1, a + columns, a + columns + 1
    return np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
