"""Which triangle each pixel sees, and how much of the sky: the compiled part of the renderer."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@njit(cache=True)
def visible_faces(corners: Array, height: int, width: int) -> tuple[NDArray[np.int32], Array]:
    """The nearest triangle at the centre of each pixel, by a depth buffer.

    A buffer instead of the painter's order, because surfaces that pass through themselves (an immersed
    Klein bottle, tubes half sunk in a surface) have no such order.

    Args:
        corners: `(F, 3, 3)`, column, row and nearness of each corner (`View.project`).

    Returns:
        `(height, width)` face index, -1 where there is none; `(height, width)` nearness, 0 where none.
    """
    faces = np.full((height, width), -1, dtype=np.int32)
    nearest = np.zeros((height, width))
    for face in range(len(corners)):
        ax, ay, an = corners[face, 0]
        bx, by, bn = corners[face, 1]
        cx, cy, cn = corners[face, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        first_row = max(0, math.ceil(min(ay, by, cy) - 0.5))
        last_row = min(height - 1, math.floor(max(ay, by, cy) - 0.5))
        first_column = max(0, math.ceil(min(ax, bx, cx) - 0.5))
        last_column = min(width - 1, math.floor(max(ax, bx, cx) - 0.5))
        for row in range(first_row, last_row + 1):
            y = row + 0.5
            for column in range(first_column, last_column + 1):
                x = column + 0.5
                a = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                b = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                c = 1.0 - a - b
                # Rounding must not leave a hole on a shared edge.
                if a < -1e-9 or b < -1e-9 or c < -1e-9:
                    continue
                nearness = a * an + b * bn + c * cn
                if nearness > nearest[row, column]:
                    nearest[row, column] = nearness
                    faces[row, column] = face
    return faces, nearest


@njit(cache=True)
def interpolate(
    face: NDArray[np.int64],
    place: Array,
    corners: Array,
    normals: Array,
) -> tuple[Array, Array, Array]:
    """What lies under points of the picture: where in its face, which normal, how far from an edge.

    Args:
        face: `(P,)`, the face under each point.
        place: `(P, 2)`, column and row.
        corners: `(F, 3, 3)` projected corners; `normals`: `(F, 3, 3)` the normals there.

    Returns:
        `(P, 3)` weights of the corners in space (perspective taken out), `(P, 3)` unit normals, and
        `(P,)` distances to the nearest edge of the face in the picture, in pixels.
    """
    weights, normal, to_edge = np.empty((len(face), 3)), np.empty((len(face), 3)), np.empty(len(face))
    for p in range(len(face)):
        corner = corners[face[p]]
        nearest, total = np.inf, 0.0
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            jx, jy = corner[j, 0] - place[p, 0], corner[j, 1] - place[p, 1]
            kx, ky = corner[k, 0] - place[p, 0], corner[k, 1] - place[p, 1]
            twice_area = jx * ky - jy * kx
            length = math.hypot(jx - kx, jy - ky)
            nearest = min(nearest, abs(twice_area) / max(length, 1e-12))
            weights[p, i] = twice_area * corner[i, 2]
            total += weights[p, i]
        size = 0.0
        for i in range(3):
            weights[p, i] /= total
        for axis in range(3):
            normal[p, axis] = 0.0
            for i in range(3):
                normal[p, axis] += weights[p, i] * normals[face[p], i, axis]
            size += normal[p, axis] ** 2
        normal[p] /= max(math.sqrt(size), 1e-12)
        to_edge[p] = nearest
    return weights, normal, to_edge


@njit(cache=True)
def open_sky(
    points: Array,
    normals: Array,
    depth: Array,
    pixel: NDArray[np.int64],
    directions: Array,
    radius: float,
    projection: Array,
) -> Array:
    """The share of short rays from each visible point that meet nothing the camera sees: ambient occlusion.

    Args:
        points, normals: `(P, 3)` in the camera's frame.
        depth: `(height, width)`, the camera-frame z of what each pixel sees, -inf where nothing.
        pixel: `(P, 2)`, row and column of each point.
        directions: `(K, 3)` points of the unit ball.
        radius: reach of the rays.
        projection: `[distance, scale, offset_x, offset_y]` of the view.
    """
    distance, scale, offset_x, offset_y = projection
    height, width = depth.shape
    sky = np.ones(len(points))
    for p in range(len(points)):
        # Turning the rays by an amount that differs from pixel to pixel changes bands into grain, which the
        # averaging over sub-pixels removes.
        turn = (
            2 * math.pi * ((52.9829189 * ((0.06711056 * pixel[p, 1] + 0.00583715 * pixel[p, 0]) % 1.0)) % 1.0)
        )
        cosine, sine = math.cos(turn), math.sin(turn)
        hidden = 0
        for k in range(len(directions)):
            x = cosine * directions[k, 0] - sine * directions[k, 1]
            y = sine * directions[k, 0] + cosine * directions[k, 1]
            z = directions[k, 2]
            if x * normals[p, 0] + y * normals[p, 1] + z * normals[p, 2] < 0.0:
                x, y, z = -x, -y, -z
            x = points[p, 0] + radius * (x + 0.12 * normals[p, 0])
            y = points[p, 1] + radius * (y + 0.12 * normals[p, 1])
            z = points[p, 2] + radius * (z + 0.12 * normals[p, 2])
            factor = scale / (1 - z / distance)
            column, row = math.floor(x * factor + offset_x), math.floor(y * factor + offset_y)
            if 0 <= row < height and 0 <= column < width and z < depth[row, column] < z + 2 * radius:
                hidden += 1
        sky[p] = 1.0 - hidden / len(directions)
    return sky
