"""A kernel carried along a path, or along two between the same two points: what holonomy does to it."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from manifoldconv.plot.camera import Camera
from manifoldconv.plot.color import ColorScale
from manifoldconv.plot.discs import disc_nodes, draw_disc
from manifoldconv.plot.figure import Background, Page
from manifoldconv.plot.scene import Scene

if TYPE_CHECKING:
    from manifoldconv.kernels import Kernel
    from manifoldconv.surface.points import SurfacePoint
    from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]
Color = tuple[float, float, float]

PATHS = ((0.12, 0.35, 0.65), (0.80, 0.33, 0.05))
STEPS = 24  # points of a curve for each segment of a path


def figure_carried(
    path: str | os.PathLike[str],
    surface: MeshSurface,
    kernel: Kernel,
    path_a: Any,
    path_b: Any = None,
    *,
    radius: float | None = None,
    camera: Camera | None = None,
    width: int = 1900,
    background: Background = "white",
) -> None:
    """Write the picture of k and Γ_a k, and with a second path of Γ_b k and the difference, beside the paths.

    Along either path an arrow is carried: the first axis of the kernel's frame. At the end the two arrows, and the two
    kernels, differ by the holonomy of the loop that the paths make: the curvature between them.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        surface: with an embedding.
        kernel: scalar, in the frame at the common start.
        path_a: a polyline of shortest geodesics, `SurfacePoint`.
        path_b: another with the same first and last points; None for one path alone.
        radius: of the discs that show the kernels; default the kernel's extent cut at half.
        width: in pixels.

    Raises:
        ValueError: where the paths do not start and end together, or the kernel is not scalar, or of no known extent.
    """
    ways = [surface.as_path(way) for way in (path_a, path_b) if way is not None]
    _check_ends(surface, ways)
    if kernel.value_shape:
        raise ValueError(
            f"a scalar kernel is drawn as a disc; {kernel.name} maps {kernel.rep_in} to {kernel.rep_out}"
        )
    if radius is None and kernel.extent is None:
        raise ValueError(f"{kernel.name} has no known extent; give radius, that of the discs")
    shown = radius or 0.5 * float(kernel.extent or 0)
    transports = [_in_one_frame(surface, way, ways[0]) for way in ways]
    nodes = torch.from_numpy(disc_nodes(shown))
    discs = [kernel(nodes).numpy(), *(kernel.transformed(t)(nodes).numpy() for t in transports)]
    titles = ["kernel at the start", "carried along path a"]
    colors: list[Color | None] = [None, PATHS[0]]
    if len(ways) == 1:
        titles[1] = "carried along the path"
    else:
        loop = transports[1].mT @ transports[0]
        angle = math.degrees(math.atan2(float(loop[1, 0]), float(loop[0, 0])))
        change = "reflected" if float(torch.linalg.det(loop)) < 0 else f"turned by {abs(angle):.1f}°"
        titles += ["carried along path b", f"difference: {change}"]
        colors += [PATHS[1], None]
        discs.append(discs[1] - discs[2])
    size = float(np.abs(np.stack(discs[:3])).max())
    scale = ColorScale.of(discs[0], limits=(-size, size), label="value of the kernel")

    height, dpi = round(0.5 * width), max(1, round(width / 10))
    page = Page.blank(width, height, background, dpi)
    _scene(surface, ways, shown).draw(page.panel(0, 0, 0.46 * width, height), camera=camera or Camera())
    rows = len(ways)
    for k, (title, value, color) in enumerate(zip(titles, discs, colors, strict=True)):
        x = (0.47 + 0.265 * (k % 2 + 0.5)) * width
        y = height - (k // 2 + 0.5) * 0.91 / rows * height - 0.01 * height
        draw_disc(page, (x, y - 0.012 * height), min(0.225 * width, 0.385 * height), value, scale)
        page.write(
            x, y + 0.208 * height, title, 10, color=path_color(color, background) if color else page.text
        )
    page.colorbar(scale, 0.735 * width, 0.065 * height, 0.3 * width)
    page.save(path)


def path_color(color: Color, background: Background) -> Color:
    """A path's colour for text: lighter on a dark page."""
    return (
        (color[0] * 0.5 + 0.5, color[1] * 0.5 + 0.5, color[2] * 0.5 + 0.5) if background == "dark" else color
    )


def _check_ends(surface: MeshSurface, ways: list[SurfacePoint]) -> None:
    if len(ways) == 1:
        return
    for name, end in (("start", 0), ("end", -1)):
        first, second = (p[end % len(p) : end % len(p) + 1] for p in ways)
        gap = float(surface.distance_between_points(first, second)[0])
        if not gap <= 1e-6 * surface.mean_edge_length:
            raise ValueError(f"the two paths must {name} at one point; theirs lie {gap:.3g} apart")


def _in_one_frame(surface: MeshSurface, way: SurfacePoint, first: SurfacePoint) -> torch.Tensor:
    """The transport along a way, written in the frame in which the first way writes their common end."""
    closing = surface.reframe(way[len(way) - 1 :], first[len(first) - 1 :])[0]
    return closing @ surface.transport(way)


def _scene(surface: MeshSurface, paths: list[SurfacePoint], length: float) -> Scene:
    """The surface with the paths and an arrow carried along each."""
    vertices = surface.embedding.vertices
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    length = min(length, 0.09 * diagonal)
    scene = Scene().surface(vertices, surface.faces)
    for way, color in zip(paths, PATHS, strict=False):
        points, vectors, normals = carried_along(surface, way)
        scene = scene.curves([points + 0.003 * diagonal * normals], color=color, radius=0.004 * diagonal)
        at = spread_out(points, 1.1 * length)
        lifted = points[at] + 0.008 * diagonal * normals[at]
        scene = scene.arrows(lifted, length * vectors[at], color=color, radius=0.004 * diagonal)
    ends = surface.embed(paths[0][[0, len(paths[0]) - 1]]).numpy()
    return scene.points(ends, color=(0.13, 0.14, 0.17), radius=0.011 * diagonal)


def spread_out(points: Array, distance: float) -> NDArray[np.int64]:
    """Indices of points along a polyline `(P, 3)`, about `distance` apart, from the first to nearly the last."""
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    wanted = np.linspace(0, run[-1] * (1 - 1e-9), max(2, round(run[-1] / distance)))
    return np.asarray(np.searchsorted(run, wanted), dtype=np.int64)


def carried_along(
    surface: MeshSurface, way: SurfacePoint, vector: torch.Tensor | None = None
) -> tuple[Array, Array, Array]:
    """Points `(P, 3)` of a polyline of geodesics, a vector carried to each `(P, 3)`, and normals `(P, 3)`.

    `vector` `(2,)` in the frame at the first point; by default its first axis.
    """
    velocity = surface.log(way[:-1], way[1:])
    share = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    points, vectors, normals = [], [], []
    if vector is None:
        vector = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for k in range(len(velocity)):
        geodesic = surface.geodesic(way[k], share[:, None] * velocity[k])
        frame = surface.frame(geodesic.end)
        points.append(surface.embed(geodesic.end))
        vectors.append((frame @ (geodesic.transport @ vector)[..., None])[..., 0])
        normals.append(torch.linalg.cross(frame[..., 0], frame[..., 1]))
        vector = surface.transport(way[k : k + 2]) @ vector
    return tuple(torch.cat(parts).numpy() for parts in (points, vectors, normals))  # type: ignore[return-value]
