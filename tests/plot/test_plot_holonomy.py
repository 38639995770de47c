"""Pictures of holonomy: their curves lie in their strips, their discs enclose, and a kernel is turned by the area."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

import manifoldconv as mc
from manifoldconv.plot import Camera
from manifoldconv.plot.carried import figure_carried
from manifoldconv.plot.holonomy import curvature_density, figure_holonomy
from manifoldconv.plot.kernels import figure_kernels
from manifoldconv.plot.strips import Sight, disc_round, tightened
from manifoldconv.surface.holonomy_report import holonomy_report

MESHES = Path(__file__).resolve().parents[2] / "meshes"


@pytest.fixture(scope="module")
def torus() -> mc.MeshSurface:
    return mc.load_mesh(MESHES / "torus.ply")


@pytest.fixture(scope="module")
def sphere() -> mc.MeshSurface:
    return mc.load_mesh(MESHES / "icosphere.ply")


def test_a_tight_curve_is_shorter_and_crosses_the_same_edges(torus: mc.MeshSurface) -> None:
    loop = holonomy_report(torus).of_kind("handle")[0].loop
    assert loop is not None
    slack, tight = tightened(torus, loop, sweeps=0), tightened(torus, loop)
    lengths = [np.linalg.norm(np.diff(strip.curve, axis=0), axis=1).sum() for strip in (slack, tight)]
    assert lengths[1] < lengths[0]
    tail, head = torus.connectivity.tail[loop.half_edges], torus.connectivity.head[loop.half_edges]
    vertices = torus.vertices.numpy()
    first, second = (np.linalg.norm(tight.crossing - vertices[end], axis=1) for end in (tail, head))
    assert np.allclose(first + second, np.linalg.norm(vertices[tail] - vertices[head], axis=1), atol=1e-12)


def test_a_disc_turns_by_the_curvature_inside_it(sphere: mc.MeshSurface) -> None:
    found = disc_round(sphere, 100, 0.4)
    assert found is not None
    strip, inside = found
    total = float(sphere.vertex_curvature[inside].sum())
    # The area of a cap of chord radius r on the unit sphere is π r²; a ring of vertices is 0.075 wide.
    assert total == pytest.approx(math.pi * 0.4**2, rel=0.2)
    turn = strip.loop.transports(sphere.tables)[-1]
    angle = math.atan2(turn[1, 0], turn[0, 0])
    assert abs(angle) == pytest.approx(total, abs=1e-10)
    distance = (torch.from_numpy(strip.crossing) - sphere.vertices[100]).norm(dim=1)
    assert float((distance - 0.4).abs().max()) < 0.02


def test_the_density_of_curvature_on_the_unit_sphere_is_one(sphere: mc.MeshSurface) -> None:
    assert (
        np.abs(curvature_density(sphere) - 1).max() < 0.05
    )  # a third of the faces' area is only nearly the dual area


def test_a_loop_starts_where_it_is_seen(sphere: mc.MeshSurface) -> None:
    camera = Camera(azimuth=0, elevation=0, up="z")
    sight = Sight.of(sphere, camera)
    equator = (sphere.vertices[:, 2].abs() < 0.2).numpy()
    assert equator.any()
    found = disc_round(sphere, int((sphere.vertices @ torch.from_numpy(sight.towards.copy())).argmin()), 1.5)
    assert found is not None
    strip = sight.best_start(found[0], 0.1, [])
    depth = strip.middles @ sight.towards
    assert depth[0] > 0.8 * depth.max() - 0.2


@pytest.mark.parametrize("name", ["torus", "moebius", "cone"])
def test_pictures_of_a_surface_have_their_size(name: str, tmp_path: Path) -> None:
    surface = mc.load_mesh(MESHES / f"{name}.ply")
    figure_holonomy(tmp_path / "a.png", surface, holonomy_report(surface), size=(360, 300), title="t")
    assert imread(tmp_path / "a.png").shape[:2] == (300, 360)


def test_a_mesh_without_embedding_has_no_picture(tmp_path: Path) -> None:
    surface = mc.MeshSurface.from_edge_lengths([[0, 1, 2]], [[3.0, 4.0, 5.0]])
    with pytest.raises(mc.GeometryError, match="no embedding"):
        figure_holonomy(tmp_path / "a.png", surface, holonomy_report(surface))


def triangle(sphere: mc.MeshSurface) -> tuple[list[int], list[int]]:
    """From near the pole to the equator by two ways."""

    def nearest(*place: float) -> int:
        return int((sphere.vertices - torch.tensor(place, dtype=torch.float64)).norm(dim=1).argmin())

    def way(azimuth: float) -> list[int]:
        c, s = math.cos(azimuth), math.sin(azimuth)
        return [nearest(math.sin(t) * c, math.sin(t) * s, math.cos(t)) for t in (0.0, 0.8, math.pi / 2)]

    return way(0.0), [*way(1.2), nearest(math.cos(0.6), math.sin(0.6), 0.0), way(0.0)[-1]]


def test_a_kernel_carried_along_two_paths(sphere: mc.MeshSurface, tmp_path: Path) -> None:
    one, other = (sphere.vertex_points(path) for path in triangle(sphere))
    kernel = mc.kernels.derivative_of_gaussian(0.1)
    figure_carried(tmp_path / "a.png", sphere, kernel, one, other, width=400)
    assert imread(tmp_path / "a.png").shape[:2] == (200, 400)
    with pytest.raises(ValueError, match="must end at one point"):
        figure_carried(tmp_path / "b.png", sphere, kernel, one, other[:-1])
    assert not (tmp_path / "b.png").exists()


def test_no_picture_of_an_empty_kernel_space(tmp_path: Path) -> None:
    space = mc.kernels.KernelSpace("0", "sign", mc.StructureGroup.orthogonal(2))
    with pytest.raises(ValueError, match="no kernel to draw"):
        figure_kernels(tmp_path / "a.png", space)
