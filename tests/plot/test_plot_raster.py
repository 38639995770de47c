from __future__ import annotations

import numpy as np

from manifoldconv.manifolds import icosphere
from manifoldconv.plot.camera import Camera, View
from manifoldconv.plot.normals import smooth_normals
from manifoldconv.plot.raster import interpolate, open_sky, visible_faces
from manifoldconv.plot.solids import ball


def reference(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """The nearest face of each pixel, by solving for the weights of all faces at all pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    best, seen = np.zeros((height, width)), np.full((height, width), -1)
    for face, corner in enumerate(corners):
        matrix = np.stack([corner[:, 0], corner[:, 1], np.ones(3)])
        if np.linalg.det(matrix) == 0:
            continue
        weights = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), np.stack([x, y, np.ones_like(x)]))
        nearness = np.einsum("i,ihw->hw", corner[:, 2], weights)
        front = (weights >= 0).all(axis=0) & (nearness > best)
        best, seen = np.where(front, nearness, best), np.where(front, face, seen)
    return seen


def test_visible_faces_agrees_with_solving_every_pixel_for_every_face() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform([-10, -10, 0.5], [50, 40, 1.5], size=(60, 3, 3))
    corners[7] = corners[7, :1]  # a face without area shows nothing
    seen, nearness = visible_faces(corners, 30, 40)
    np.testing.assert_array_equal(seen, reference(corners, 30, 40))
    assert ((nearness > 0) == (seen >= 0)).all()


def test_two_triangles_that_cross_share_the_picture_along_their_line() -> None:
    square = np.array([[[0, 0], [200, 0], [0, 200]]], dtype=float)
    left_near = np.concatenate([square, [[[2.0], [1.0], [2.0]]]], axis=2)
    flat = np.concatenate([square, [[[1.5], [1.5], [1.5]]]], axis=2)
    seen, _ = visible_faces(np.concatenate([left_near, flat]), 100, 200)
    columns = np.arange(200) + 0.5
    inside = seen[0] >= 0
    np.testing.assert_array_equal(
        seen[0][inside] == 0, (columns < 100)[inside]
    )  # equal nearness at column 100


def test_a_closed_surface_has_no_holes() -> None:
    vertices, faces = ball(40)
    view = View.fit(Camera(33, 21), vertices, 301, 301)
    seen, _ = visible_faces(view.project(vertices)[faces], 301, 301)
    for row in seen:  # its picture is convex
        covered = np.flatnonzero(row >= 0)
        assert len(covered) == 0 or covered[-1] - covered[0] == len(covered) - 1


def test_interpolated_weights_give_the_point_that_projects_to_the_pixel() -> None:
    rng = np.random.default_rng(2)
    triangle = rng.normal(size=(1, 3, 3))
    view = View.fit(Camera(field_of_view=70), triangle[0], 100, 100)  # a strong perspective
    projected = view.project(triangle)
    place = rng.dirichlet([1, 1, 1], size=20) @ projected[0, :, :2]
    weights, _, to_edge = interpolate(np.zeros(20, dtype=np.int64), place, projected, triangle)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(view.project(weights @ triangle[0])[:, :2], place, atol=1e-9)  # pixels
    corners = projected[0, :, :2]
    for point, distance in zip(place, to_edge, strict=True):
        edges = np.roll(corners, -1, axis=0) - corners
        away = edges[:, 0] * (point - corners)[:, 1] - edges[:, 1] * (point - corners)[:, 0]
        assert np.isclose(distance, np.min(np.abs(away) / np.linalg.norm(edges, axis=1)))


def test_normals_of_a_sphere_are_radial_whichever_way_its_faces_are_wound() -> None:
    rng = np.random.default_rng(3)
    vertices, faces = (array.numpy() for array in icosphere(3))
    flipped = np.where(rng.random(len(faces))[:, None] < 0.5, faces[:, ::-1], faces)
    normals = smooth_normals(vertices, flipped, 40)
    a, b, c = (vertices[flipped[:, i]] for i in range(3))
    own = np.cross(b - a, c - a)
    radial = np.einsum("fic,fic->fi", normals, vertices[flipped])
    assert np.abs(radial).min() > 0.999  # faces span 8 degrees; their mean leans by far less than one
    agrees = np.einsum("fc,fic->fi", own, normals)
    assert (agrees > 0).all()


def test_a_crease_stays_sharp_and_a_soft_edge_does_not() -> None:
    vertices = np.array([[0, 0, 0], [0, 1, 0], [1, 0.5, 0], [-1, 0.5, 0]], dtype=float)
    faces = np.array([[0, 2, 1], [0, 1, 3]])
    for fold, smooth in ((20.0, True), (60.0, False)):
        vertices[3] = [-np.cos(np.radians(fold)), 0.5, -np.sin(np.radians(fold))]
        normals = smooth_normals(vertices, faces, 40)
        turn = np.degrees(np.arccos(np.clip(normals[0, 0] @ normals[1, 0], -1, 1)))
        assert np.isclose(turn, 0 if smooth else fold, atol=1e-5)


def test_a_plane_sees_all_the_sky_and_the_floor_of_a_slot_does_not() -> None:
    directions = np.random.default_rng(4).normal(size=(64, 3))
    directions *= np.random.default_rng(5).random((64, 1)) / np.linalg.norm(directions, axis=1, keepdims=True)
    depth = np.zeros((60, 60))
    points, normals = np.array([[0.0, 0, 0]]), np.array([[0.0, 0, 1]])
    pixel = np.array([[30, 30]])
    optics = np.array([1e6, 30.0, 30.0, 30.0])  # far away: one unit is 30 pixels, the origin in the middle
    assert open_sky(points, normals, depth, pixel, directions, 0.5, optics)[0] == 1
    depth[:, :28] = depth[:, 33:] = 0.4
    assert open_sky(points, normals, depth, pixel, directions, 0.5, optics)[0] < 0.8
    assert (
        open_sky(points, normals, depth + np.where(depth > 0, 5, 0), pixel, directions, 0.5, optics)[0] == 1
    ), "what is far in front does not touch"
