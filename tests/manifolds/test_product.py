"""Products: blocks, boundaries, groups, sites."""

import math

import pytest
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import Cylinder, Euclidean, HyperbolicPlane, MoebiusStrip, ProductManifold, Sphere
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.testing import SitesCase, check_sites, require

COLUMN = ProductManifold(Sphere(), Euclidean(1))


def column_points(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    round_part = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    line = 2 * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    return torch.cat([torch.nn.functional.normalize(round_part, dim=-1), line], dim=-1)


def test_everything_comes_in_blocks() -> None:
    x, v = column_points(5), torch.randn(5, 3, dtype=torch.float64)
    geodesic = COLUMN.geodesic(x, v)
    on_sphere = Sphere().geodesic(x[:, :3], v[:, :2])
    assert torch.equal(geodesic.end, torch.cat([on_sphere.end, x[:, 3:] + v[:, 2:]], dim=-1))
    assert torch.equal(geodesic.transport[:, :2, :2], on_sphere.transport)
    assert torch.equal(geodesic.transport[:, 2, 2], torch.ones(5, dtype=torch.float64))
    assert not geodesic.transport[:, :2, 2].any()
    assert not geodesic.transport[:, 2, :2].any()
    assert torch.allclose(COLUMN.exp_jacobian(x, v), Sphere().exp_jacobian(x[:, :3], v[:, :2]))


def test_both_parts_stop_together() -> None:
    solid = ProductManifold(Cylinder(6.0, 2.0), Euclidean(1))
    v = torch.tensor([[1.0, 4.0, 2.0], [1.0, 0.5, 2.0]], dtype=torch.float64)
    geodesic = solid.geodesic(torch.zeros(3), v)
    assert geodesic.complete.tolist() == [False, True]
    # The strip ends at height 1, a quarter of the way.
    assert torch.allclose(geodesic.end[0], torch.tensor([0.25, 1.0, 0.5], dtype=torch.float64))
    assert torch.allclose(geodesic.length, torch.tensor([0.25, 1.0]) * v.norm(dim=-1))


def test_holonomy_groups_multiply() -> None:
    assert COLUMN.holonomy_group().name == "SO(2) x trivial"
    assert ProductManifold(Sphere(), HyperbolicPlane()).holonomy_group().name == "SO(2) x SO(2)"
    assert ProductManifold(Euclidean(1), Euclidean(2)).holonomy_group().order == 1
    band = ProductManifold(MoebiusStrip(6.0, 2.0), Euclidean(1)).holonomy_group()
    assert band.order == 2
    assert band.contains(torch.diag(torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)))


def test_a_loop_lies_in_the_group() -> None:
    loop = column_points(5)
    holonomy = COLUMN.holonomy(torch.cat([loop, loop[:1]]))
    assert COLUMN.holonomy_group().contains(holonomy.matrix, 1e-12)
    flat = Sphere().holonomy(torch.cat([loop, loop[:1]])[:, :3])
    assert torch.allclose(holonomy.matrix[:2, :2], flat.matrix, rtol=0, atol=1e-14)


def test_sites_obey_the_laws() -> None:
    def scalar(points: torch.Tensor) -> torch.Tensor:
        return points[..., 0] * points[..., 1] + points[..., 3].sin()

    def vector(points: torch.Tensor) -> torch.Tensor:
        return (COLUMN.frame(points).mT @ points.sin()[..., None])[..., 0]

    coarse = COLUMN.sites(Sphere().sites(icosphere=2), Euclidean(1).sites(shape=(21,), spacing=0.1))
    fine = COLUMN.sites(Sphere().sites(icosphere=3), Euclidean(1).sites(shape=(42,), spacing=0.05))
    # 20 and 41 steps: the refinement of the number of sites is not exactly 8, which moves the order a little.
    case = SitesCase(coarse, fine, 4 * math.pi * 2.1, scalar, vector, shortfall=0.3)
    require(check_sites(case, column_points(500)))


def test_a_pullback_runs() -> None:
    sites = COLUMN.sites(Sphere().sites(icosphere=1), Euclidean(1).sites(shape=(5,), spacing=0.5))
    nodes = 0.3 * torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rule = TangentRule.points(nodes, torch.ones(8, dtype=torch.float64))
    pullback = Pullback.build(COLUMN, sites, rule)
    assert pullback.transport.shape == (210, 8, 6, 3, 3)
    assert pullback.group is not None
    assert pullback.group.name == "SO(2) x trivial"


def test_factors_need_tensors_as_points() -> None:
    class Odd(Euclidean):
        def __post_init__(self) -> None:
            super().__post_init__()
            object.__setattr__(self, "point_size", None)

    with pytest.raises(GeometryError, match="a factor of a product"):
        ProductManifold(Odd(2), Euclidean(1))
    with pytest.raises(GeometryError, match="have 5 coordinates together"):
        COLUMN.sites(Sphere().sites(icosphere=1), Euclidean(2).sites(shape=(2, 2)))
