"""From painted triangles to pixels: what is seen, how it is lit, and the mean over sub-pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifoldconv.plot.camera import Camera, View
from manifoldconv.plot.color import INK, ColorScale
from manifoldconv.plot.light import Light
from manifoldconv.plot.raster import interpolate, open_sky, visible_faces

Array = NDArray[np.float64]

SUBPIXELS = 3  # samples along each side of a pixel; their mean is the pixel
CHUNK = 1 << 19  # sub-pixels shaded at a time, which bounds the memory
SKY_RAYS = 10  # for each sub-pixel, hence 90 for a pixel
SKY_REACH = 0.06  # of the radius of the scene's bounding sphere


@dataclass(frozen=True)
class Item:
    """Triangles with one paint.

    Attributes:
        corners: `(F, 3, 3)` positions of the corners.
        normals: `(F, 3, 3)` unit normals there.
        paint: `(F, 3)` values that `scale` turns into colours, or `(F, 3, 3)` colours.
        scale: for values.
        edge_width: of the drawn edges, in pixels; 0 for none.
    """

    corners: Array
    normals: Array
    paint: Array
    scale: ColorScale | None = None
    edge_width: float = 0.0

    def colors(self, face: NDArray[np.int64], weights: Array, to_edge: Array) -> Array:
        """Unlit sRGB `(P, 3)` at points given by face, weights of its corners and sub-pixels to its edge."""
        # The value is interpolated and then coloured: a mean of two colours need not lie on the map.
        mean = np.einsum("pi,pi...->p...", weights, self.paint[face])
        colors = mean if self.scale is None else self.scale.colors(mean)
        if self.edge_width > 0:
            line = 0.75 * np.clip(SUBPIXELS * self.edge_width / 2 + 0.5 - to_edge, 0, 1)[:, None]
            colors = (1 - line) * colors + line * np.array(INK)
        return colors


def picture(
    items: tuple[Item, ...], width: int, height: int, camera: Camera, light: Light
) -> NDArray[np.uint8]:
    """The items as `(height, width, 4)` RGBA, transparent where there is nothing.

    Raises:
        ValueError: where there are no triangles or the size is not positive.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture needs at least one pixel; got {width} x {height}")
    if not sum(len(item.corners) for item in items):
        raise ValueError("there is nothing in the scene")
    corners = np.concatenate([item.corners for item in items])
    view = View.fit(camera, corners.reshape(-1, 3), SUBPIXELS * width, SUBPIXELS * height)
    projected = view.project(corners)
    normals = _seen_normals(items, view, corners)
    faces, nearness = visible_faces(projected, SUBPIXELS * height, SUBPIXELS * width)
    depth = np.where(faces >= 0, view.distance * (1 - 1 / np.maximum(nearness, 1e-300)), -np.inf)
    covered = np.flatnonzero(faces.ravel() >= 0)
    rgba = np.zeros((faces.size, 4), dtype=np.float32)
    for start in range(0, len(covered), CHUNK):
        pixel = covered[start : start + CHUNK]
        face = faces.ravel()[pixel].astype(np.int64)
        place = np.stack(np.divmod(pixel, faces.shape[1]), axis=1)
        weights, normal, to_edge = interpolate(face, place[:, ::-1] + 0.5, projected, normals)
        color = _colors(items, face, weights, to_edge)
        rgba[pixel, :3] = _lit(color, normal, place, depth, view, light)
        rgba[pixel, 3] = 1
    return _average(rgba.reshape(height, SUBPIXELS, width, SUBPIXELS, 4))


def _seen_normals(items: tuple[Item, ...], view: View, corners: Array) -> Array:
    """Corner normals `(F, 3, 3)` in the camera's frame, turned to the side that is seen."""
    local = view.to_camera(corners)
    face_normal = np.cross(local[:, 1] - local[:, 0], local[:, 2] - local[:, 0])
    towards = np.array([0.0, 0.0, view.distance]) - local[:, 0]
    normals = view.to_camera_direction(np.concatenate([item.normals for item in items]))
    agrees = np.einsum("fc,fic->fi", face_normal, normals) >= 0
    facing = np.einsum("fc,fc->f", face_normal, towards) >= 0
    return np.where((agrees == facing[:, None])[..., None], normals, -normals)


def _colors(items: tuple[Item, ...], face: NDArray[np.int64], weights: Array, to_edge: Array) -> Array:
    """Unlit sRGB `(P, 3)`: the paint of the item that each face belongs to."""
    colors = np.empty((len(face), 3))
    first = 0
    for item in items:
        mine = (face >= first) & (face < first + len(item.corners))
        colors[mine] = item.colors(face[mine] - first, weights[mine], to_edge[mine])
        first += len(item.corners)
    return colors


def _lit(
    color: Array, normal: Array, place: NDArray[np.int64], depth: Array, view: View, light: Light
) -> Array:
    """sRGB `(P, 3)` of sub-pixels `(P, 2)` (row, column) with a given paint and normal."""
    z = depth[place[:, 0], place[:, 1]]
    plane = (place[:, ::-1] + 0.5 - np.array(view.offset)) / view.scale
    position = np.concatenate([plane * (1 - z / view.distance)[:, None], z[:, None]], axis=1)
    towards = np.array([0.0, 0.0, view.distance]) - position
    towards /= np.sqrt(np.einsum("pc,pc->p", towards, towards))[:, None]
    sky = np.ones(len(place))
    if light.occlusion > 0:
        optics = np.array([view.distance, view.scale, *view.offset])
        sky = open_sky(position, normal, depth, place, _RAYS, SKY_REACH * view.radius, optics)
    return light.shade(color, normal, towards, sky)


def _average(parts: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Means over sub-pixels `(H, s, W, s, 4)`, coloured by their covered part only: no dark rim."""
    total = parts.sum(axis=(1, 3))
    alpha = total[..., 3:]
    rgb = total[..., :3] / np.maximum(alpha, 1)
    share = alpha / (parts.shape[1] * parts.shape[3])
    return np.asarray(np.rint(255 * np.concatenate([rgb, share], axis=2)), dtype=np.uint8)


def _spread_over_ball(count: int) -> Array:
    """Points of the unit ball `(count, 3)`, denser towards its centre: a golden-angle spiral."""
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    turn = np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z**2)
    shell = ((i * 0.618034) % 1.0) ** 0.75
    return shell[:, None] * np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


_RAYS = _spread_over_ball(SKY_RAYS)
