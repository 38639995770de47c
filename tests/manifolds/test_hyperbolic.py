"""The hyperbolic plane: holonomy against area, both models, far points, gradients, sites."""

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import HyperbolicPlane
from manifoldconv.testing import SitesCase, check_sites

PLANE = HyperbolicPlane()
ORIGIN = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def points(count: int, distance: float = 1.0, seed: int = 0) -> Tensor:
    """Points at the given distance from the origin, in random directions."""
    return PLANE.exp(ORIGIN, distance * torch.nn.functional.normalize(normal(count, 2, seed=seed), dim=-1))


def wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


@pytest.mark.parametrize("corners", [3, 4, 9])
@pytest.mark.parametrize("distance", [0.01, 1.0, 4.0])
def test_holonomy_is_minus_the_enclosed_area(corners: int, distance: float) -> None:
    for seed in range(20):
        loop = points(corners, distance, seed)
        holonomy = PLANE.holonomy(torch.cat([loop, loop[:1]]))
        assert holonomy.enclosed_curvature is not None
        assert abs(wrapped(holonomy.angle - holonomy.enclosed_curvature)) < 1e-10
        assert not holonomy.reflects


@pytest.mark.parametrize("distance", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("count", [3, 7])
def test_regular_polygons_have_their_angle_defect(distance: float, count: int) -> None:
    """n right triangles of apex angle π/n and hypotenuse ρ twice: cosh(ρ) = cot(π/n) cot(base angle)."""
    angle = torch.arange(count + 1, dtype=torch.float64) % count * 2 * math.pi / count
    loop = PLANE.exp(ORIGIN, distance * torch.stack([angle.cos(), angle.sin()], dim=-1))
    base = math.atan(1 / (math.cosh(distance) * math.tan(math.pi / count)))
    area = count * (math.pi - 2 * math.pi / count - 2 * base)
    assert PLANE.enclosed_curvature(loop) == pytest.approx(-area, abs=1e-11)
    assert PLANE.enclosed_curvature(loop.flip(0)) == pytest.approx(area, abs=1e-11)
    assert wrapped(PLANE.holonomy(loop).angle + area) == pytest.approx(0, abs=1e-11)
    twice = torch.cat([loop, loop[1:]])
    assert PLANE.enclosed_curvature(twice) == pytest.approx(-2 * area, abs=1e-11)


def test_the_disc_is_the_hyperboloid() -> None:
    p = 0.97 * torch.rand(200, 1, dtype=torch.float64) * torch.nn.functional.normalize(normal(200, 2), dim=-1)
    x = PLANE.from_disc(p)
    assert torch.allclose(PLANE.to_disc(x), p, rtol=0, atol=1e-15)
    # The metric of the disc: cosh(d) = 1 + 2 |p - q|² / ((1 - |p|²) (1 - |q|²)).
    q = p.roll(1, dims=0)
    room = (1 - p.square().sum(-1)) * (1 - q.square().sum(-1))
    distance = torch.acosh(1 + 2 * (p - q).square().sum(-1) / room)
    assert torch.allclose(PLANE.distance(x, PLANE.from_disc(q)), distance, rtol=0, atol=1e-12)


@pytest.mark.parametrize("distance", [5.0, 10.0, 16.0])
def test_far_points_lose_no_more_than_rounding_takes(distance: float) -> None:
    """Rounding moves a point at the distance ρ by 1e-16 cosh(ρ); a naive formula loses cosh(ρ)²."""
    x, v = points(200, distance), normal(200, 2, seed=1)
    geodesic = PLANE.geodesic(x, v)
    rounding = 1e-16 * math.cosh(distance + 3)
    assert float((PLANE.log(x, geodesic.end) - v).abs().max()) < 30 * rounding
    home = PLANE.exp(x, -PLANE.log(ORIGIN, x))  # inward, by frames that are radially parallel
    assert float(PLANE.distance(home, ORIGIN).max()) < 30 * rounding


@pytest.mark.parametrize("gap", [1e-3, 1e-8, 1e-13])
def test_near_points_keep_their_digits(gap: float) -> None:
    x = points(50, 0.7)
    v = gap * normal(50, 2, seed=1)
    # The point is rounded to 1e-16 of coordinates near 1.
    assert torch.allclose(PLANE.log(x, PLANE.exp(x, v)), v, rtol=1e-13, atol=2e-15)
    assert torch.equal(PLANE.log(x, x), torch.zeros(50, 2, dtype=torch.float64))


@pytest.mark.parametrize("distance", [0.0, 1e-9, 0.8, 1.0, 3.0])
def test_gradients(distance: float) -> None:
    x, y = points(4, distance).requires_grad_(), points(4, 1.5, seed=1).requires_grad_()
    v = normal(4, 2, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(PLANE.exp, (x, v))
    assert torch.autograd.gradcheck(lambda x, v: PLANE.geodesic(x, v).transport, (x, v))
    assert torch.autograd.gradcheck(PLANE.log, (x, y))
    zero = torch.zeros(4, 2, dtype=torch.float64, requires_grad=True)
    value = PLANE.geodesic(x, zero).length.sum() + PLANE.log(x, x.detach()).sum() + PLANE.exp(x, zero).sum()
    assert all(bool(torch.isfinite(part).all()) for part in torch.autograd.grad(value, (x, zero)))


def test_batches_broadcast() -> None:
    geodesic = PLANE.geodesic(points(5)[:, None], torch.ones(1, 4, 2, dtype=torch.float64))
    assert geodesic.end.shape == (5, 4, 3)
    assert geodesic.transport.shape == (5, 4, 2, 2)
    assert PLANE.exp_jacobian(points(5)[:, None], torch.ones(4, 2)).shape == (5, 4)


def scalar(x: Tensor) -> Tensor:
    p = PLANE.to_disc(x)
    return (3 * p[..., 0]).sin() * (2 * p[..., 1]).cos()


def vector(x: Tensor) -> Tensor:
    """The gradient of the distance from a point far away, up to a smooth factor."""
    return PLANE.log(x, points(1, 4.0).expand_as(x))


def test_sites_obey_the_laws() -> None:
    coarse, fine = PLANE.sites(radius=2.0, n_rings=12), PLANE.sites(radius=2.0, n_rings=24)
    inside = PLANE.exp(ORIGIN, 1.3 * torch.rand(2000, 2, dtype=torch.float64) - 0.65)
    for sites in (coarse, fine):
        ring = sites.points[sites.points[:, 0] > math.cosh(2.0) * (1 - 1e-12)]
        hull = -PLANE.enclosed_curvature(torch.cat([ring, ring[:1]]))
        assert float(sites.area.sum()) == pytest.approx(hull, rel=1e-12)
    case = SitesCase(coarse, fine, float(fine.area.sum()), scalar, vector)
    broken = [result.law for result in check_sites(case, inside) if not result.passed]
    # The hull of finitely many points is smaller than the disc, and the coarser one's is the smaller.
    assert broken == ["areas sum to the volume"]


def test_ring_sites_cover_the_disc_to_second_order() -> None:
    disc = 2 * math.pi * (math.cosh(2.0) - 1)
    missing = [disc - float(PLANE.sites(radius=2.0, n_rings=n).area.sum()) for n in (8, 16, 32)]
    assert math.log2(missing[0] / missing[1]) == pytest.approx(2, abs=0.2)
    assert math.log2(missing[1] / missing[2]) == pytest.approx(2, abs=0.2)


def test_sites_at_given_points_are_a_delaunay_triangulation() -> None:
    x = torch.cat([points(40, 1.0), points(40, 0.4, seed=1), ORIGIN[None]])
    sites = PLANE.sites(points=x)
    assert len(sites) == 81
    # Euler: a triangulated disc with h sites on its hull has 2 (N - 1) - h triangles. All 40 outer ones are.
    assert len(sites.faces) == 2 * 80 - 40
    p = PLANE.to_disc(x)
    for face in sites.faces:
        # Hyperbolic circles are circles of the disc; none of a triangle's holds another site.
        a, b, c = p[face]
        system = 2 * torch.stack([b - a, c - a])
        centre = torch.linalg.solve(system, torch.stack([b @ b - a @ a, c @ c - a @ a]))
        assert float((p - centre).norm(dim=-1).min()) > float((a - centre).norm()) - 1e-9
    outside = sites.stencil(points(10, 3.0))
    assert torch.equal(outside.weight, torch.zeros(10, 3, dtype=torch.float64))


def test_bad_input_is_refused() -> None:
    with pytest.raises(GeometryError, match=r"must lie on the hyperboloid .* index \[0\]"):
        PLANE.exp(torch.tensor([[1.0, 1.0, 0.0]]), torch.zeros(2))
    with pytest.raises(GeometryError, match=r"must have .p. < 1"):
        PLANE.from_disc(torch.tensor([1.0, 0.0]))
    with pytest.raises(GeometryError, match="would overflow"):
        PLANE.exp(points(1, 100.0), torch.tensor([200.0, 0.0]))
    with pytest.raises(GeometryError, match="either points"):
        PLANE.sites(radius=1.0)
    with pytest.raises(GeometryError, match="span no triangle"):
        PLANE.sites(points=PLANE.exp(ORIGIN, torch.tensor([[0.0, 0], [1, 0], [2, 0], [3, 0]])))
    with pytest.raises(GeometryError, match="given twice"):
        PLANE.sites(points=torch.cat([points(5), points(1)]))
