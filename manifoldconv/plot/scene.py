"""A scene: surfaces, curves, points and arrows that hide each other, drawn without a graphics card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from manifoldconv.plot.camera import Camera
from manifoldconv.plot.color import ACCENT, INK, PLASTER, ColorScale
from manifoldconv.plot.light import Light
from manifoldconv.plot.normals import smooth_normals
from manifoldconv.plot.picture import Item, picture
from manifoldconv.plot.solids import Solid, arrows, balls, join, tube

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """What is to be seen. Each method gives a new scene with one thing more.

    Hidden parts are found by a depth buffer, so curves vanish behind the surface that they lie on and
    surfaces may pass through themselves. Works where there is no display, no OpenGL and no graphics card.

    Example:
        >>> import numpy as np
        >>> corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)
        >>> faces = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
        >>> scene = Scene().surface(corners, faces, values=corners[:, 2]).points(corners[:1])
        >>> scene.image(60, 40).shape
        (40, 60, 4)
    """

    items: tuple[Item, ...] = ()

    def surface(
        self,
        vertices: ArrayLike,
        faces: ArrayLike,
        *,
        values: ArrayLike | None = None,
        face_values: ArrayLike | None = None,
        colors: ArrayLike | None = None,
        face_colors: ArrayLike | None = None,
        color: tuple[float, float, float] = PLASTER,
        scale: ColorScale | None = None,
        crease: float = 40.0,
        edge_width: float = 0.0,
    ) -> Scene:
        """With a triangle mesh.

        Args:
            vertices, faces: `(V, 3)` and `(F, 3)`.
            values: `(V,)`, coloured by `scale` (default: `ColorScale.of(values)`), interpolated in faces.
            face_values: `(F,)` instead, constant in faces.
            colors: `(V, 3)` sRGB in [0, 1] instead.
            face_colors: `(F, 3)` sRGB in [0, 1] instead.
            color: one sRGB colour, where none of these is given.
            crease: angle in degrees; edges sharper than that are shown as edges, others as smooth. 0: facets.
            edge_width: in pixels, to show the triangles; 0 hides them.

        Raises:
            ValueError: where an array's shape does not fit, or a face names a vertex that does not exist.
        """
        vertices = np.asarray(vertices, dtype=np.float64)
        faces = np.asarray(faces, dtype=np.int64)
        _check_mesh(vertices, faces)
        given = [
            name
            for name, v in (
                ("values", values),
                ("face_values", face_values),
                ("colors", colors),
                ("face_colors", face_colors),
            )
            if v is not None
        ]
        if len(given) > 1:
            raise ValueError(
                f"give one of values, face_values, colors and face_colors; got {' and '.join(given)}"
            )
        if values is not None:
            paint = _sized("values", values, (len(vertices),))[faces]
        elif face_values is not None:
            paint = np.repeat(_sized("face_values", face_values, (len(faces),))[:, None], 3, axis=1)
        elif colors is not None:
            paint = _sized("colors", colors, (len(vertices), 3))[faces]
        elif face_colors is not None:
            paint = np.repeat(_sized("face_colors", face_colors, (len(faces), 3))[:, None], 3, axis=1)
        else:
            paint = np.broadcast_to(np.asarray(color, dtype=np.float64), (len(faces), 3, 3))
        if paint.ndim == 2 and scale is None:
            scale = ColorScale.of(paint)
        normals = smooth_normals(vertices, faces, crease)
        item = Item(vertices[faces], normals, paint, scale if paint.ndim == 2 else None, edge_width)
        return self._with(item)

    def curves(
        self,
        polylines: Sequence[ArrayLike],
        *,
        color: tuple[float, float, float] = INK,
        radius: float | None = None,
    ) -> Scene:
        """With curves `(P_i, 3)`, drawn as round tubes. `radius`: default 0.4 % of the scene's size."""
        paths = [np.asarray(path, dtype=np.float64) for path in polylines]
        for i, path in enumerate(paths):
            if path.ndim != 2 or path.shape[1] != 3 or len(path) == 0:
                raise ValueError(f"polyline {i} must have shape (points, 3); got {path.shape}")
        size = radius or 0.004 * self._size(paths)
        return self._with_solid(join([tube(path, size) for path in paths]), color)

    def points(
        self, positions: ArrayLike, *, color: tuple[float, float, float] = ACCENT, radius: float | None = None
    ) -> Scene:
        """With balls at `(P, 3)`. `radius`: in space; default 1 % of the scene's size."""
        centres = _sized("positions", positions, (None, 3))
        return self._with_solid(balls(centres, radius or 0.01 * self._size([centres])), color)

    def arrows(
        self,
        starts: ArrayLike,
        vectors: ArrayLike,
        *,
        color: tuple[float, float, float] = INK,
        radius: float | None = None,
    ) -> Scene:
        """With arrows from `starts` `(P, 3)` along `vectors` `(P, 3)`; null vectors show nothing."""
        origins = _sized("starts", starts, (None, 3))
        directions = _sized("vectors", vectors, (len(origins), 3))
        size = radius or 0.003 * self._size([origins])
        return self._with_solid(arrows(origins, directions, size), color)

    def image(
        self, width: int, height: int, *, camera: Camera | None = None, light: Light | None = None
    ) -> NDArray[np.uint8]:
        """The picture as `(height, width, 4)` RGBA, transparent where there is nothing.

        Raises:
            ValueError: where the scene is empty or the size is not positive.
        """
        return picture(self.items, width, height, camera or Camera(), light or Light())

    def draw(self, axes: Any, *, camera: Camera | None = None, light: Light | None = None) -> None:
        """Fill matplotlib `axes` with the picture, one pixel of the figure for one of the picture."""
        box = axes.get_window_extent()
        width, height = round(box.width), round(box.height)
        axes.imshow(
            self.image(width, height, camera=camera, light=light),
            extent=(0, width, height, 0),
            aspect="auto",
            interpolation="nearest",
        )
        axes.set_axis_off()

    def _size(self, more: list[Array]) -> float:
        """The diagonal of the bounding box of what is here already, or of `more` in an empty scene."""
        clouds = [item.corners.reshape(-1, 3) for item in self.items] or more
        points = np.concatenate([cloud for cloud in clouds if len(cloud)] or [np.zeros((1, 3))])
        return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0))) or 1.0

    def _with_solid(self, solid: Solid, color: tuple[float, float, float]) -> Scene:
        vertices, faces = solid
        if not len(faces):
            return self
        return self.surface(vertices, faces, color=color)

    def _with(self, item: Item) -> Scene:
        return replace(self, items=(*self.items, item))


def _check_mesh(vertices: Array, faces: NDArray[np.int64]) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError(f"vertices must have shape (V, 3); got {vertices.shape}")
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"faces must have shape (F, 3); got {faces.shape}")
    bad = np.flatnonzero(((faces < 0) | (faces >= len(vertices))).any(axis=1))
    if len(bad):
        raise ValueError(
            f"face {bad[0]} refers to vertices {faces[bad[0]].tolist()}; the mesh has {len(vertices)}"
        )
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    bad = np.flatnonzero(used & ~np.isfinite(vertices).all(axis=1))
    if len(bad):
        raise ValueError(f"vertex {bad[0]} is not finite: {vertices[bad[0]].tolist()}")


def _sized(name: str, value: Any, shape: tuple[int | None, ...]) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != len(shape) or any(
        want not in (None, have) for want, have in zip(shape, array.shape, strict=True)
    ):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have shape ({wanted}); got {array.shape}")
    return array
