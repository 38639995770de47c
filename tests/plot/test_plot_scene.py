from __future__ import annotations

import numpy as np
import pytest

from manifoldconv.plot import Camera, ColorScale, Light, Scene
from manifoldconv.plot.solids import ball

VERTICES, FACES = ball(32)
FRONT = Camera(azimuth=0, elevation=0)


def reddish(image: np.ndarray) -> int:
    """Pixels that are clearly red."""
    rgb = image[..., :3].astype(int)
    return int(
        ((rgb[..., 0] > rgb[..., 1] + 60) & (rgb[..., 0] > rgb[..., 2] + 60) & (image[..., 3] > 128)).sum()
    )


def test_a_sphere_covers_a_disc() -> None:
    image = Scene().surface(VERTICES, FACES).image(120, 120, camera=Camera(margin=0.05))
    area = image[..., 3].astype(float).sum() / 255
    assert area == pytest.approx(np.pi / 4 * (0.9 * 120) ** 2, rel=0.02)  # the 32-gon has 0.6 % less
    assert image[0, 0, 3] == 0


def test_the_rim_is_smooth() -> None:
    alpha = Scene().surface(VERTICES, FACES).image(60, 60)[..., 3]
    assert len(np.unique(alpha)) >= 5, "covered shares between none and all"


def test_curves_in_front_are_seen_and_those_behind_are_not() -> None:
    path = np.stack([np.linspace(-0.3, 0.3, 20), np.zeros(20), np.zeros(20)], axis=1)
    red = (0.9, 0.05, 0.05)
    pictures = [
        Scene()
        .surface(VERTICES, FACES)
        .curves([path + np.array([0, 0, z])], color=red, radius=0.05)
        .image(80, 80, camera=FRONT)
        for z in (-0.9, 0.0, 1.0)
    ]
    behind, inside, front = (reddish(picture) for picture in pictures)
    assert (behind, inside) == (0, 0)
    assert front > 40


def test_a_ball_half_sunk_in_a_wall_shows_its_near_half() -> None:
    wall = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=float)
    scene = (
        Scene()
        .surface(wall, [[0, 1, 2], [0, 2, 3]])
        .points([[0.0, 0, 0]], color=(0.9, 0.05, 0.05), radius=0.5)
    )
    shown = reddish(scene.image(200, 200, camera=Camera(0, 0, margin=0, field_of_view=2)))
    assert shown == pytest.approx(np.pi * 50**2, rel=0.05)  # the whole great circle lies in the wall


def test_the_picture_does_not_depend_on_orientation_or_numbering() -> None:
    rng = np.random.default_rng(0)
    values = VERTICES[:, 0] + 0.3 * VERTICES[:, 1]
    plain = Scene().surface(VERTICES, FACES, values=values).image(60, 60)
    flipped = np.where(rng.random(len(FACES))[:, None] < 0.5, FACES[:, ::-1], FACES)
    order = rng.permutation(len(VERTICES))
    renumbered = np.argsort(order)[flipped][rng.permutation(len(FACES))]
    other = Scene().surface(VERTICES[order], renumbered, values=values[order]).image(60, 60)
    # Ties on shared edges may fall to the other face, so a sub-pixel may differ by a rounding.
    assert np.abs(plain.astype(int) - other.astype(int)).max() <= 2


def test_the_same_scene_gives_the_same_bytes() -> None:
    scene = Scene().surface(VERTICES, FACES, values=VERTICES[:, 0])
    np.testing.assert_array_equal(scene.image(40, 40), scene.image(40, 40))


def test_face_values_are_constant_in_faces_and_values_are_not() -> None:
    triangle, face = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=float), [[0, 1, 2]]
    scale, plain = ColorScale("gray", 0, 1), Light(gloss=0, occlusion=0)
    options = {"camera": Camera(0, 0), "light": plain}
    flat = Scene().surface(triangle, face, face_values=[0.5], scale=scale).image(40, 40, **options)
    ramp = Scene().surface(triangle, face, values=[0, 1, 0], scale=scale).image(40, 40, **options)
    inside = flat[..., 3] == 255
    assert np.ptp(flat[inside][:, 0]) <= 1
    assert np.ptp(flat[flat[..., 3] > 0][:, 0]) <= 2, "the rim is thinner there, not darker"
    assert np.ptp(ramp[inside][:, 0]) > 150


def test_edges_are_drawn_where_asked() -> None:
    plain = Scene().surface(VERTICES, FACES, color=(1, 1, 1)).image(100, 100)[..., 0].astype(int)
    lined = (
        Scene().surface(VERTICES, FACES, color=(1, 1, 1), edge_width=1).image(100, 100)[..., 0].astype(int)
    )
    assert (lined < plain - 60).mean() > 0.1


def test_scenes_are_values() -> None:
    empty = Scene()
    empty.surface(VERTICES, FACES)
    assert empty.items == ()


def test_null_arrows_add_nothing() -> None:
    scene = Scene().surface(VERTICES, FACES)
    assert scene.arrows(VERTICES[:2], np.zeros((2, 3))).items == scene.items


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Scene().surface(VERTICES[:, :2], FACES),
            r"vertices must have shape \(V, 3\); got \(\d+, 2\)",
        ),
        (lambda: Scene().surface(VERTICES, FACES[:, :2]), r"faces must have shape \(F, 3\)"),
        (
            lambda: Scene().surface(VERTICES[:4], [[0, 1, 9]]),
            r"face 0 refers to vertices \[0, 1, 9\]; the mesh has 4",
        ),
        (
            lambda: Scene().surface([[0, 0, np.nan], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]),
            "vertex 0 is not finite",
        ),
        (
            lambda: Scene().surface(VERTICES, FACES, values=[1.0]),
            r"values must have shape \(\d+\); got \(1,\)",
        ),
        (
            lambda: Scene().surface(VERTICES, FACES, values=VERTICES[:, 0], face_values=FACES[:, 0]),
            "one of values, face_values, colors and face_colors; got values and face_values",
        ),
        (lambda: Scene().curves([np.zeros((4, 2))]), r"polyline 0 must have shape \(points, 3\)"),
        (lambda: Scene().arrows(np.zeros((2, 3)), np.ones((3, 3))), r"vectors must have shape \(2, 3\)"),
        (lambda: Scene().image(10, 10), "nothing in the scene"),
        (lambda: Scene().surface(VERTICES, FACES).image(0, 10), "at least one pixel"),
    ],
)
def test_bad_input_is_named(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


def test_unreferenced_vertices_do_not_shrink_the_picture() -> None:
    far = np.concatenate([VERTICES, [[100.0, 0, 0], [np.nan, 0, 0]]])
    np.testing.assert_array_equal(
        Scene().surface(far, FACES).image(30, 30), Scene().surface(VERTICES, FACES).image(30, 30)
    )
