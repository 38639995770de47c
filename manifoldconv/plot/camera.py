"""The camera: from points of space to points of the picture plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A perspective camera with a long lens, aimed at the middle of what it is shown.

    Attributes:
        azimuth: degrees round the upward axis; 0 looks along the axis that faces the viewer (-z for up = "y",
            +y for up = "z"), and positive values walk to the right.
        elevation: degrees above the horizon.
        up: the axis of the file that points upward.
        field_of_view: degrees that the bounding sphere fills; small values are nearly orthographic.
        margin: share of the picture left free on each side.
    """

    azimuth: float = 30.0
    elevation: float = 20.0
    up: Literal["y", "z"] = "y"
    field_of_view: float = 14.0
    margin: float = 0.02

    def axes(self) -> Array:
        """`(3, 3)`, rows: the directions right, upward, towards the viewer, in the file's coordinates."""
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        towards = np.array(
            [
                math.sin(azimuth) * math.cos(elevation),
                math.sin(elevation),
                math.cos(azimuth) * math.cos(elevation),
            ]
        )
        right = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
        axes = np.stack([right, np.cross(towards, right), towards])
        if self.up == "z":  # (x, y, z) of the file is (x, z, -y) of a file whose upward axis is y
            axes = np.stack([axes[:, 0], -axes[:, 2], axes[:, 1]], axis=1)
        return axes


@dataclass(frozen=True)
class View:
    """A camera set up for one picture: fitted to the points and to the size in pixels.

        (x, y) / w · scale + offset,  w = 1 - z / distance

    Attributes:
        axes, centre, distance: the camera's frame, the point it looks at and how far away it stands.
        radius: of the ball round `centre` that holds all points.
        scale, offset: pixels for each unit of the picture plane, and where its origin lies.
    """

    axes: Array
    centre: Array
    distance: float
    radius: float
    scale: float
    offset: tuple[float, float]

    @classmethod
    def fit(cls, camera: Camera, points: Array, width: int, height: int) -> View:
        """The view in which all `points` `(P, 3)` just fill a picture of `width` by `height` pixels."""
        axes = camera.axes()
        centre = (points.min(axis=0) + points.max(axis=0)) / 2
        radius = float(np.linalg.norm(points - centre, axis=1).max()) or 1.0
        distance = radius / math.sin(math.radians(camera.field_of_view) / 2)
        bare = cls(axes, centre, distance, radius, 1.0, (0.0, 0.0))
        plane = bare.project(points)[:, :2]
        low, high = plane.min(axis=0), plane.max(axis=0)
        span = np.maximum(high - low, 1e-12 * radius)
        free = 1 - 2 * camera.margin
        scale = float(min(free * width / span[0], free * height / span[1]))
        middle = (low + high) / 2
        return cls(
            axes,
            centre,
            distance,
            radius,
            scale,
            (width / 2 - scale * float(middle[0]), height / 2 - scale * float(middle[1])),
        )

    def aspect(self, points: Array) -> float:
        """Height by width of the box round the picture of some points."""
        plane = self.project(points)[:, :2]
        width, height = np.ptp(plane, axis=0)
        return float(height / max(width, 1e-12))

    def to_camera(self, points: Array) -> Array:
        """Points `(..., 3)` in the camera's frame: right, down (as rows run), towards the viewer."""
        return self.to_camera_direction(points - self.centre)

    def to_camera_direction(self, vectors: Array) -> Array:
        """Vectors `(..., 3)` in the camera's frame."""
        return (vectors @ self.axes.T) * np.array([1.0, -1.0, 1.0])

    def project(self, points: Array) -> Array:
        """`(..., 3)`: column and row in pixels, and the nearness 1 / w, linear over a drawn triangle."""
        local = self.to_camera(points)
        nearness = 1 / (1 - local[..., 2] / self.distance)
        pixels = local[..., :2] * nearness[..., None] * self.scale + np.array(self.offset)
        return np.concatenate([pixels, nearness[..., None]], axis=-1)
