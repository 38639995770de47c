"""What all manifolds share: loops, paths and the words of the boundary."""

import math

import pytest
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import Cylinder, Euclidean, FlatTorus, LoopHolonomy, Sphere
from manifoldconv.surface.surface import MeshSurface


@pytest.mark.parametrize("manifold", [Euclidean(2), Sphere(2), Cylinder(3.0, 1.0)], ids=repr)
def test_unknown_boundary_policies_are_refused(manifold):
    point = torch.zeros(manifold.point_size, dtype=torch.float64)
    point[-1] = 1.0 if isinstance(manifold, Sphere) else 0.0
    with pytest.raises(ValueError, match='boundary must be "stop" or "reflect"; got \'wrap\''):
        manifold.geodesic(point, torch.tensor([0.1, 0.2]), boundary="wrap")


def triangle_on_sphere(radius):
    """The octant: three right angles, so it turns by π/2."""
    corners = radius * torch.eye(3, dtype=torch.float64)
    return torch.stack([corners[0], corners[1], corners[2], corners[0]])


@pytest.mark.parametrize("radius", [1e-9, 1.0, 1e9])
def test_whether_a_loop_is_closed_does_not_depend_on_the_unit_of_length(radius):
    sphere, loop = Sphere(2, radius), triangle_on_sphere(radius)
    loop[-1, 1] += 1e-12 * radius  # rounding
    assert abs(sphere.holonomy(loop).angle) == pytest.approx(math.pi / 2, abs=1e-9)
    loop[-1, 1] += 1e-4 * radius
    with pytest.raises(GeometryError, match="the loop is not closed"):
        sphere.holonomy(loop)


def test_a_loop_of_one_point_is_the_identity_and_one_of_none_is_refused():
    torus = FlatTorus(1.0, 1.0)
    assert torus.holonomy(torch.zeros(1, 2)).matrix.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(GeometryError, match="a path needs at least one point; got none"):
        torus.holonomy(torch.zeros(0, 2))


def test_paths_may_be_lists_of_lists():
    loop = [[0.0, 0.0], [0.4, 0.0], [0.8, 0.0], [0.0, 0.0]]
    assert FlatTorus(1.0, 1.0).holonomy(loop).matrix.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("sine", [0.0, -0.0, -1e-17])
def test_half_a_turn_is_plus_pi(sine):
    half_turn = torch.tensor([[-1.0, -sine], [sine, -1.0]], dtype=torch.float64)
    assert LoopHolonomy(half_turn).angle == math.pi


@pytest.mark.parametrize(
    "path", [None, "abc", [], 3, [0, 1], torch.zeros(3, 2), torch.zeros(0, 3), torch.ones(3)]
)
def test_what_is_no_path_is_refused(path: object) -> None:
    for manifold in (Sphere(), MeshSurface(torch.eye(3), [[0, 1, 2]])):
        with pytest.raises(GeometryError, match="path"):
            manifold.transport(path)
        with pytest.raises(GeometryError, match=r"path|a loop is a polyline"):
            manifold.holonomy(path)
