"""Kernels on the tangent disc: numbers as colours, vectors as arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from manifoldconv.plot.color import INK, ColorScale
from manifoldconv.plot.figure import Page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

PIXELS = 220  # of the coloured disc, along each side
ARROWS = 9  # along a diameter


def disc_nodes(radius: float) -> Array:
    """`(PIXELS, PIXELS, 2)`: a grid over the square round the disc."""
    steps = radius * ((np.arange(PIXELS) + 0.5) * 2 / PIXELS - 1)
    return np.stack(np.meshgrid(steps, steps), axis=-1)


def arrow_nodes(radius: float) -> Array:
    """`(P, 2)`: places for arrows, a grid over the disc."""
    steps = np.linspace(-0.85, 0.85, ARROWS) * radius
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    return places[np.hypot(*places.T) <= 0.92 * radius]


def draw_disc(page: Page, place: tuple[float, float], side: float, values: Array, scale: ColorScale) -> Axes:
    """A disc with values `(PIXELS, PIXELS)`, its centre at `place` and as wide as `side`, in pixels; its axes."""
    from matplotlib.patches import Circle

    axes = page.panel(place[0] - side / 2, place[1] - side / 2, side, side)
    axes.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.03))
    axes.set_axis_off()
    rim = Circle((0, 0), 1, facecolor="none", edgecolor=page.line, linewidth=0.7)
    axes.add_patch(rim)
    colors = scale.colors(values)
    image = axes.imshow(colors, extent=(-1, 1, -1, 1), origin="lower", interpolation="bilinear")
    image.set_clip_path(rim)
    axes.plot([0], [0], "o", markersize=1.6, color=INK, markeredgewidth=0)
    return axes


def draw_arrows(
    axes: Axes, places: Array, vectors: Array, longest: float, color: tuple[float, float, float]
) -> None:
    """Arrows `(P, 2)` at places `(P, 2)` of the unit disc; one of length `longest` reaches to the next place."""
    size = vectors * (0.24 / max(longest, 1e-300))
    kept = np.hypot(*size.T) > 0.015
    start = places[kept] - size[kept] / 2
    axes.quiver(
        *start.T,
        *size[kept].T,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.011,
        headwidth=3.6,
        headlength=4,
        headaxislength=3.6,
        color=color,
    )
