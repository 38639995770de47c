"""Icosphere and equiangular sites."""

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import Sphere, icosphere


def points(count: int, seed: int = 0) -> Tensor:
    normal = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(normal, dim=-1)


@pytest.mark.parametrize("k", range(5))
def test_icosphere_is_a_closed_oriented_sphere(k: int) -> None:
    vertices, faces = icosphere(k)
    assert vertices.dtype == torch.float64
    assert faces.dtype == torch.int64
    assert (len(vertices), len(faces)) == (10 * 4**k + 2, 20 * 4**k)
    assert torch.allclose(
        vertices.norm(dim=-1), torch.ones(len(vertices), dtype=torch.float64), rtol=0, atol=1e-15
    )
    half_edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    unique = set(map(tuple, half_edges.tolist()))
    assert len(unique) == len(half_edges)  # each directed edge once,
    assert all((b, a) in unique for a, b in unique)  # and its reverse: closed and consistently oriented
    a, b, c = vertices[faces].unbind(1)
    assert bool(((a * torch.linalg.cross(b, c)).sum(-1) > 0).all())  # counterclockwise from outside
    assert len(vertices) - len(unique) // 2 + len(faces) == 2


def test_subdivision_keeps_the_vertices_before_it() -> None:
    assert torch.equal(icosphere(3)[0][:162], icosphere(2)[0])


@pytest.mark.parametrize("k", [0, 1, 3, 5])
def test_location_agrees_with_a_search_through_all_triangles(k: int) -> None:
    sites, p = Sphere().sites(icosphere=k), points(400)
    corners = sites.points[sites.faces]
    heights = torch.stack(
        [torch.linalg.cross(corners[:, i], corners[:, (i + 1) % 3]) @ p.T for i in range(3)], dim=-1
    )
    assert torch.equal(sites.locate(p), heights.amin(-1).argmax(0))


@pytest.mark.parametrize("k", [0, 1, 4])
def test_vertices_and_edges_are_located_robustly(k: int) -> None:
    sites = Sphere().sites(icosphere=k)
    at_sites = sites.stencil(sites.points)
    own = torch.where(at_sites.index == torch.arange(len(sites))[:, None], at_sites.weight, 0.0).sum(-1)
    assert torch.allclose(own, torch.ones(len(sites), dtype=torch.float64), rtol=0, atol=1e-14)
    edges = sites.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    middle = torch.nn.functional.normalize(sites.points[edges].sum(1), dim=-1)
    stencil = sites.stencil(middle)
    for end in (0, 1):
        share = torch.where(stencil.index == edges[:, end, None], stencil.weight, 0.0).sum(-1)
        assert torch.allclose(share, torch.full_like(share, 0.5), rtol=0, atol=1e-12)


def test_the_weights_are_those_of_the_plane_triangle() -> None:
    """Σ w x_site is the point where the ray meets the triangle: a multiple of the point."""
    sites, p = Sphere(2, 3.0).sites(icosphere=2), 3 * points(300)
    stencil = sites.stencil(p)
    hit = (stencil.weight[..., None] * sites.points[stencil.index]).sum(-2)
    assert float(torch.linalg.cross(hit, p).norm(dim=-1).max()) < 1e-13
    assert bool(((hit * p).sum(-1) > 0).all())


@pytest.mark.parametrize("options", [{"icosphere": 3}, {"equiangular": (12, 25)}])
def test_areas_and_second_moments(options: dict) -> None:
    """∫ 1 = 4πR², ∫ x = 0, and ∫ x_i x_j = (4πR⁴/3) δ_ij up to the error of the midpoint rule."""
    radius = 2.5
    sites = Sphere(2, radius).sites(**options)
    assert float(sites.area.sum()) == pytest.approx(4 * math.pi * radius**2, rel=1e-14)
    assert torch.allclose(sites.area @ sites.points, torch.zeros(3, dtype=torch.float64), atol=1e-11)
    second = torch.einsum("n,ni,nj->ij", sites.area, sites.points, sites.points)
    expected = 4 * math.pi * radius**4 / 3 * torch.eye(3, dtype=torch.float64)
    assert torch.allclose(second, expected, rtol=0, atol=0.02 * float(expected[0, 0]))


@pytest.mark.parametrize("options", [{"icosphere": 2}, {"equiangular": (9, 16)}, {"equiangular": (9, 15)}])
def test_the_transport_is_that_of_the_sphere(options: dict) -> None:
    sphere, p = Sphere(), points(50)
    sites = sphere.sites(**options)
    stencil = sites.stencil(p)
    expected = sphere.transport_between(sites.points[stencil.index], p[:, None])
    assert torch.allclose(stencil.transport, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("options", [{"icosphere": 2}, {"equiangular": (9, 16)}])
def test_the_weights_are_differentiable(options: dict) -> None:
    sites = Sphere().sites(**options)
    assert torch.autograd.gradcheck(lambda p: sites.stencil(p).weight, points(6).requires_grad_())
    poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(sites.stencil(poles).weight.square().sum(), poles)
    assert bool(torch.isfinite(gradient).all())


def test_equiangular_sites_are_numbered_from_the_north() -> None:
    sites = Sphere().sites(equiangular=(6, 8))
    row, column = 1, 3
    theta, phi = (row + 0.5) * math.pi / 6, column * 2 * math.pi / 8
    expected = [math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi), math.cos(theta)]
    assert sites.points[row * 8 + column].tolist() == pytest.approx(expected, abs=1e-15)
    cell = 2 * math.pi / 8 * (math.cos(math.pi / 6) - math.cos(math.pi / 3))
    assert float(sites.area[row * 8 + column]) == pytest.approx(cell, abs=1e-15)


@pytest.mark.parametrize("columns", [8, 9])
@pytest.mark.parametrize("pole", [1.0, -1.0])
def test_the_pole_is_the_mean_of_opposite_meridians(columns: int, pole: float) -> None:
    """Half of the value comes from each side, so a function odd under the half turn is 0 at the pole."""
    sites = Sphere().sites(equiangular=(6, columns))
    stencil = sites.stencil(torch.tensor([0.0, 0.0, pole]))
    assert float(stencil.weight.sum()) == pytest.approx(1, abs=1e-15)
    expected = 0 if pole > 0 else 5
    assert set((stencil.index // columns).tolist()) == {expected}
    # On 9 columns the opposite meridian lies between two of them, which loses the cosine of half a step.
    first = (stencil.weight * sites.points[stencil.index, 0]).sum().abs()
    assert float(first) <= (
        1e-15 if columns % 2 == 0 else 0.5 * math.sin(math.pi / 12) * (1 - math.cos(math.pi / 9)) + 1e-15
    )


def test_a_turn_by_one_column_shifts_the_stencil() -> None:
    sites, p = Sphere().sites(equiangular=(6, 8)), points(200)
    angle = torch.tensor(2 * math.pi / 8, dtype=torch.float64)
    turn = torch.tensor(
        [[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]], dtype=torch.float64
    )
    field = torch.randn(6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    here, there = sites.stencil(p), sites.stencil(p @ turn.mT)
    before = (here.weight * field.flatten()[here.index]).sum(-1)
    after = (there.weight * field.roll(1, dims=1).flatten()[there.index]).sum(-1)
    assert torch.allclose(before, after, rtol=0, atol=1e-13)


@pytest.mark.parametrize("k", [-1, 13, 1.5, True])
def test_bad_levels_are_refused(k: object) -> None:
    with pytest.raises(GeometryError, match="whole number from 0 to 12"):
        Sphere().sites(icosphere=k)


@pytest.mark.parametrize("options", [{}, {"icosphere": 2, "equiangular": (4, 8)}])
def test_exactly_one_kind_is_asked_for(options: dict) -> None:
    with pytest.raises(GeometryError, match="exactly one"):
        Sphere().sites(**options)


def test_other_bad_requests_are_refused() -> None:
    with pytest.raises(GeometryError, match="sphere of dimension 2"):
        Sphere(3).sites(icosphere=1)
    with pytest.raises(GeometryError, match="at least 2"):
        Sphere().sites(equiangular=(1, 8))
