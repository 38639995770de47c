"""Whole figures: a scene with title and colour bar, and a convolution as signal, kernel and response."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from manifoldconv.plot.camera import Camera, View
from manifoldconv.plot.color import ColorScale
from manifoldconv.plot.light import Light
from manifoldconv.plot.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Background = Literal["white", "dark", "transparent"]

# Of a background: its colour, that of text, and that of fine lines. The text on a transparent one must be
# legible on white and on black slides.
_PALETTE = {
    "white": ("#ffffff", "#22252b", "#8a8f98"),
    "dark": ("#15171c", "#e8e6e1", "#7f858f"),
    "transparent": ("none", "#7a808a", "#7a808a"),
}


@dataclass(frozen=True)
class Page:
    """A figure of exactly `width` by `height` pixels; places are in pixels from the lower left."""

    figure: Figure
    width: int
    height: int
    text: str
    line: str

    @classmethod
    def blank(cls, width: int, height: int, background: Background, dpi: int = 200) -> Page:
        """An empty page; `dpi` sets the size of the type in relation to the picture."""
        from matplotlib.figure import Figure

        if background not in _PALETTE:
            raise ValueError(f"background must be one of {', '.join(_PALETTE)}; got {background!r}")
        paper, text, line = _PALETTE[background]
        return cls(Figure((width / dpi, height / dpi), dpi=dpi, facecolor=paper), width, height, text, line)

    def panel(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes at whole pixels, so that a picture in them is not resampled."""
        x, y = round(left) / self.width, round(bottom) / self.height
        return self.figure.add_axes((x, y, round(width) / self.width, round(height) / self.height))

    def write(self, x: float, y: float, text: str, size: float = 9, **options: Any) -> None:
        """Text centred at a place in pixels."""
        options = {"ha": "center", "va": "center", "color": self.text} | options
        self.figure.text(x / self.width, y / self.height, text, fontsize=size, **options)

    def colorbar(self, scale: ColorScale, centre: float, bottom: float, width: float) -> None:
        """A slim horizontal colour bar with few ticks, its label below."""
        axes = self.panel(centre - width / 2, bottom, width, self.figure.dpi * 0.06)
        bar = self.figure.colorbar(
            scale.mappable(),
            cax=axes,
            orientation="horizontal",
            extend="both" if scale.clipped else "neither",
        )
        bar.outline.set_visible(False)
        middle = (scale.low + scale.high) / 2
        bar.set_ticks(
            [scale.low, middle, scale.high], labels=[_number(t) for t in (scale.low, middle, scale.high)]
        )
        axes.tick_params(labelsize=7.5, length=2, width=0.5, color=self.line, labelcolor=self.text, pad=2)
        if scale.label:
            bar.set_label(scale.label, fontsize=8, color=self.text, labelpad=2)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page; the format follows the suffix, and the file appears whole or not at all."""
        from manifoldconv.surface.io import write_atomically

        kind = Path(path).suffix.lstrip(".").lower() or "png"
        known = self.figure.canvas.get_supported_filetypes()
        if kind not in known:
            raise ValueError(
                f"{path}: no picture format is called {kind!r}; known are {', '.join(sorted(known))}"
            )

        def write(stream: BinaryIO) -> None:
            self.figure.savefig(stream, format=kind, dpi=self.figure.dpi)

        write_atomically(path, write)


def save_scene(
    scene: Scene,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    colorbar: bool = True,
    size: tuple[int, int] = (1200, 1000),
    camera: Camera | None = None,
    light: Light | None = None,
    background: Background = "white",
) -> None:
    """Write a picture of a scene, with a colour bar for the first surface that shows values.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        size: in pixels.
    """
    page = Page.blank(*size, background, dpi=max(1, round(size[0] / 6)))  # type grows with the picture
    scales = [item.scale for item in scene.items if item.scale is not None] if colorbar else []
    line = page.figure.dpi / 5
    below = 2.2 * line if scales else 0.2 * line
    above = 1.6 * line if title else 0.2 * line
    scene.draw(page.panel(0, below, page.width, page.height - below - above), camera=camera, light=light)
    if scales:
        page.colorbar(scales[0], page.width / 2, 1.4 * line, 0.4 * page.width)
    if title:
        page.write(page.width / 2, page.height - 0.9 * line, title, 11)
    page.save(path)


def figure_convolution(
    path: str | os.PathLike[str],
    vertices: ArrayLike,
    faces: ArrayLike,
    signal: ArrayLike,
    result: ArrayLike,
    kernel: Callable[[Array], ArrayLike],
    radius: float,
    *,
    on: Literal["vertices", "faces"] = "vertices",
    titles: tuple[str, str, str] = ("signal  $f$", "kernel  $k$  on  $T_pM$", "response  $k \\star f$"),
    signal_scale: ColorScale | None = None,
    result_scale: ColorScale | None = None,
    support: Sequence[ArrayLike] = (),
    length_label: str = "",
    camera: Camera | None = None,
    light: Light | None = None,
    background: Background = "white",
    width: int = 2000,
) -> None:
    """Write the picture of a correlation: signal on the surface, kernel on its tangent disc, response.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        vertices, faces: `(V, 3)`, `(F, 3)`.
        signal, result: `(V,)`, or `(F,)` with `on="faces"`.
        kernel: values `(P,)` at tangent vectors `(P, 2)`.
        radius: of the tangent disc, in units of the mesh.
        titles: of the three panels.
        signal_scale, result_scale: default `ColorScale.of(values, clip=0.005)`.
        support: closed curves on the surface, such as the image of the tangent disc's rim at a vertex;
            they show on the signal how large the kernel is.
        length_label: what the scale bar under the kernel says; default the radius in units of the mesh.
        width: in pixels; the height follows the shape of the surface.
    """
    camera = camera or Camera()
    pairs = ((signal, signal_scale), (result, result_scale))
    scales = [scale or ColorScale.of(np.asarray(values), clip=0.005) for values, scale in pairs]
    scenes = [
        _painted(vertices, faces, values, scale, on) for (values, _), scale in zip(pairs, scales, strict=True)
    ]
    points = scenes[0].items[0].corners.reshape(-1, 3)
    aspect = View.fit(camera, points, width, width).aspect(points)
    if len(support):
        diagonal = float(np.linalg.norm(np.ptp(points, axis=0)))
        scenes[0] = scenes[0].curves(support, radius=0.0026 * diagonal)

    height = round(width * min(0.45, max(0.34, 0.51 * aspect)))  # 0.51: panels just as high as the surface
    page = Page.blank(width, height, background, dpi=max(1, round(width / 12)))
    side, middle = 0.385 * width, 0.23 * width
    bottom, top = 0.145 * height, 0.9 * height
    for left, scene in zip((0.0, side + middle), scenes, strict=True):
        scene.draw(page.panel(left, bottom, side, top - bottom), camera=camera, light=light)
    place, disc = (side + middle / 2, (bottom + top) / 2), 0.78 * middle
    scales.insert(1, _draw_kernel(page, kernel, radius, place, disc, length_label))
    centres, lengths = (side / 2, place[0], 1.5 * side + middle), (0.5 * side, disc, 0.5 * side)
    for centre, length, title, scale in zip(centres, lengths, titles, scales, strict=True):
        page.write(centre, 0.95 * height, title, 11)
        page.colorbar(scale, centre, 0.085 * height, length)
    page.save(path)


def _painted(
    vertices: ArrayLike,
    faces: ArrayLike,
    values: ArrayLike,
    scale: ColorScale,
    on: Literal["vertices", "faces"],
) -> Scene:
    if on == "vertices":
        return Scene().surface(vertices, faces, values=values, scale=scale)
    if on == "faces":
        return Scene().surface(vertices, faces, face_values=values, scale=scale)
    raise ValueError(f"on must be 'vertices' or 'faces'; got {on!r}")


def _draw_kernel(
    page: Page,
    kernel: Callable[[Array], ArrayLike],
    radius: float,
    centre: tuple[float, float],
    diameter: float,
    length_label: str,
) -> ColorScale:
    """The kernel as a coloured disc with its centre marked and a bar of one radius below it."""
    from matplotlib.patches import Circle

    steps = (np.arange(400) + 0.5) / 200 - 1
    x, y = np.meshgrid(steps, steps)
    inside = np.hypot(x, y) <= 1
    values = np.full(x.shape, np.nan)
    values[inside] = np.asarray(kernel(radius * np.stack([x[inside], y[inside]], axis=1)), dtype=np.float64)
    scale = ColorScale.of(values)
    # The rim is cut by the circle, not by the missing values.
    shown = np.where(inside, values, np.asarray(kernel(radius * _onto_disc(x, y))).reshape(x.shape))
    axes = page.panel(centre[0] - diameter / 2, centre[1] - diameter / 2, diameter, diameter)
    axes.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02))
    axes.set_axis_off()
    rim = Circle((0, 0), 1, facecolor="none", edgecolor=page.line, linewidth=0.8)
    axes.add_patch(rim)
    image = axes.imshow(scale.colors(shown), extent=(-1, 1, -1, 1), origin="lower", interpolation="bilinear")
    image.set_clip_path(rim)
    axes.plot([0], [0], "o", markersize=2.2, color=page.text, markeredgewidth=0)
    axes.plot([0, 1], [-1.14, -1.14], "-|", color=page.text, linewidth=0.8, markersize=4, clip_on=False)
    axes.text(
        0.5,
        -1.2,
        length_label or f"radius {_number(radius)}",
        fontsize=7,
        color=page.text,
        ha="center",
        va="top",
    )
    return scale


def _onto_disc(x: Array, y: Array) -> Array:
    size = np.maximum(np.hypot(x, y), 1)
    return np.stack([x / size, y / size], axis=-1).reshape(-1, 2)


def _number(value: float) -> str:
    """Two digits with a true minus sign, powers of ten as such; 0 for what rounding left."""
    if abs(value) < 1e-12:
        return "0"
    size = f"{abs(value):.1e}"
    digits, exponent = size.split("e")
    power = int(exponent)
    sign = "\N{MINUS SIGN}" if value < 0 else ""
    if -4 < power < 4:
        return sign + f"{float(size):.{max(0, 1 - power)}f}".removesuffix(".0")
    return rf"{sign}{digits.removesuffix('.0')}$\times$10$^{{{power}}}$"
