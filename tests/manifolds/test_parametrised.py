"""Surfaces in coordinates: orders of convergence, known surfaces, Clairaut, boundaries, gradients, groups."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import (
    HyperbolicPlane,
    OdeSolver,
    ParametrisedSurface,
    Sphere,
    SurfaceOfRevolution,
)

TURN = 2 * math.pi


def diagonal(first: Tensor, second: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack(torch.broadcast_tensors(first, second), dim=-1))


def round_metric(u: Tensor) -> Tensor:
    return diagonal(torch.ones_like(u[..., 0]), u[..., 0].sin() ** 2)


def round_embedding(u: Tensor) -> Tensor:
    colatitude, longitude = u.unbind(-1)
    sine = colatitude.sin()
    return torch.stack([sine * longitude.cos(), sine * longitude.sin(), colatitude.cos()], dim=-1)


def half_plane(u: Tensor) -> Tensor:
    """Poincaré's half plane in skew coordinates (x + y / 2, y): a metric that is not diagonal."""
    x_x, x_y = torch.ones_like(u[..., 0]), torch.full_like(u[..., 0], -0.5)
    rows = [torch.stack([x_x, x_y], dim=-1), torch.stack([x_y, torch.full_like(x_x, 1.25)], dim=-1)]
    return torch.stack(rows, dim=-2) / u[..., 1, None, None] ** 2


def doughnut(s: Tensor) -> Tensor:
    return torch.stack([2 + s.cos(), s.sin()], dim=-1)


def belt(solver: OdeSolver | None = None) -> ParametrisedSurface:
    return ParametrisedSurface(
        ((0.3, 2.8), (0.0, TURN)), metric=round_metric, periodic=(False, True), solver=solver or OdeSolver()
    )


def uniform(count: int, low: tuple[float, float], high: tuple[float, float], seed: int = 0) -> Tensor:
    start, end = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    return start + (end - start) * torch.rand(count, 2, generator=generator, dtype=torch.float64)


X = uniform(12, (1.2, 0.0), (1.8, TURN))
V = uniform(12, (-0.6, -0.6), (0.6, 0.6), seed=1)


def sphere_frame_turn(u: Tensor) -> Tensor:
    """From (∂θ, ∂φ / sin θ), which is counterclockwise seen from outside, to the frame of `Sphere`."""
    theta, phi = u.unbind(-1)
    south = torch.stack([theta.cos() * phi.cos(), theta.cos() * phi.sin(), -theta.sin()], dim=-1)
    east = torch.stack([-phi.sin(), phi.cos(), torch.zeros_like(phi)], dim=-1)
    return Sphere().frame(round_embedding(u)).mT @ torch.stack([south, east], dim=-1)


def test_the_sphere_by_its_metric_is_the_sphere() -> None:
    surface, sphere = belt(), Sphere()
    geodesic = surface.geodesic(X, V)
    turn, turn_end = sphere_frame_turn(X), sphere_frame_turn(geodesic.end)
    expected = sphere.geodesic(round_embedding(X), (turn @ V[..., None])[..., 0])
    assert bool(geodesic.complete.all())
    # The tolerance of a step, 1e-11, times the number of steps and their growth.
    assert torch.allclose(round_embedding(geodesic.end), expected.end, rtol=0, atol=1e-9)
    assert torch.allclose(turn_end @ geodesic.transport @ turn.mT, expected.transport, rtol=0, atol=1e-9)
    assert torch.allclose(surface.log(X, geodesic.end), V, rtol=0, atol=1e-8)
    assert torch.allclose(surface.curvature(X), torch.ones(12, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_half_plane_in_skew_coordinates_is_the_hyperbolic_plane() -> None:
    plane = HyperbolicPlane()

    def place(u: Tensor) -> Tensor:
        w = torch.complex(u[..., 0] - u[..., 1] / 2, u[..., 1])
        p = (w - 1j) / (w + 1j)
        return plane.from_disc(torch.view_as_real(p))

    surface = ParametrisedSurface(((-9.0, 9.0), (0.05, 20.0)), metric=half_plane)
    x, v = uniform(12, (-1.0, 0.8), (1.0, 1.2)), 1.5 * V
    geodesic = surface.geodesic(x, v)
    assert torch.allclose(plane.distance(place(x), place(geodesic.end)), v.norm(dim=-1), rtol=0, atol=1e-9)
    assert torch.allclose(surface.log(x, geodesic.end), v, rtol=0, atol=1e-8)
    assert torch.allclose(surface.curvature(x), -torch.ones(12, dtype=torch.float64), rtol=0, atol=1e-11)
    loop = torch.cat([x[:4], x[:1]])
    total = surface.enclosed_curvature(loop)
    assert total == pytest.approx(plane.enclosed_curvature(place(loop)), abs=1e-8)


@pytest.mark.parametrize(("method", "steps"), [("rk4", (8, 16, 32)), ("midpoint", (32, 64, 128))])
def test_equal_steps_converge_at_the_order_of_the_method(method: str, steps: tuple[int, ...]) -> None:
    exact = belt(OdeSolver(rtol=1e-13, atol=1e-13)).geodesic(X, V)
    errors = []
    for count in steps:
        geodesic = belt(OdeSolver(method, steps=count)).geodesic(X, V)
        ends = (geodesic.end - exact.end).abs().max()
        errors.append(float(torch.maximum(ends, (geodesic.transport - exact.transport).abs().max())))
    order = OdeSolver(method, steps=1).order
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("method", ["dopri5", "dopri8"])
def test_adaptive_steps_meet_their_tolerance(method: str) -> None:
    exact = belt(OdeSolver(rtol=1e-13, atol=1e-13)).geodesic(X, V)
    for tolerance in (1e-5, 1e-8):
        geodesic = belt(OdeSolver(method, rtol=tolerance, atol=tolerance)).geodesic(X, V)
        # Errors of a few steps add up; coordinates are of size 10.
        assert float((geodesic.end - exact.end).abs().max()) < 30 * tolerance


def test_metric_embedding_and_given_symbols_agree() -> None:
    def christoffel(u: Tensor) -> Tensor:
        symbol = torch.zeros(*u.shape[:-1], 2, 2, 2, dtype=torch.float64)
        symbol[..., 0, 1, 1] = -u[..., 0].sin() * u[..., 0].cos()
        symbol[..., 1, 0, 1] = symbol[..., 1, 1, 0] = 1 / u[..., 0].tan()
        return symbol

    domain, periodic = ((0.3, 2.8), (0.0, TURN)), (False, True)
    expected = belt().geodesic(X, V)
    for surface in (
        ParametrisedSurface(domain, embedding=round_embedding, periodic=periodic),
        ParametrisedSurface(domain, metric=round_metric, periodic=periodic, christoffel=christoffel),
    ):
        geodesic = surface.geodesic(X, V)
        assert torch.allclose(geodesic.end, expected.end, rtol=0, atol=1e-9)
        assert torch.allclose(geodesic.transport, expected.transport, rtol=0, atol=1e-9)
    embedded = ParametrisedSurface(domain, embedding=round_embedding, periodic=periodic)
    assert embedded.frame(X).shape == (12, 3, 2)
    assert belt().frame(X).shape == (12, 2, 2)


def test_clairaut() -> None:
    """On a surface of revolution ρ times the velocity along the circles of latitude is constant."""
    torus = SurfaceOfRevolution(doughnut, (0.0, TURN), closed=True)
    x, v = uniform(20, (0.0, 0.0), (TURN, TURN)), 5 * uniform(20, (-0.5, -0.5), (0.5, 0.5), seed=1)
    geodesic = torus.geodesic(x, v)
    before = doughnut(x[:, 0])[:, 0] * v[:, 1]
    after = doughnut(geodesic.end[:, 0])[:, 0] * (geodesic.transport @ v[..., None])[:, 1, 0]
    assert torch.allclose(before, after, rtol=0, atol=1e-8)
    assert bool(((geodesic.end >= 0) & (geodesic.end <= TURN)).all())


def test_logarithms_go_the_shorter_way_round() -> None:
    torus = SurfaceOfRevolution(doughnut, (0.0, TURN), closed=True)
    x, y = torch.tensor([0.1, 6.2], dtype=torch.float64), torch.tensor([6.2, 0.1], dtype=torch.float64)
    v = torus.log(x, y)
    assert torus.distance_between_points(torus.exp(x, v), y) < 1e-9
    assert float(v.norm()) < 1.0


def test_a_cone_has_the_holonomy_of_its_angle() -> None:
    """A cone of slope 60° unrolls to a half disc: C(2). One of a generic slope has a dense group."""

    def cone(sine: float) -> SurfaceOfRevolution:
        cosine = math.sqrt(1 - sine**2)
        return SurfaceOfRevolution(lambda s: torch.stack([sine * s, cosine * s], dim=-1), (1.0, 2.0))

    assert cone(0.5).holonomy_group().name == "C(2)"
    assert cone(0.3).holonomy_group().name == "SO(2)" or cone(0.3).holonomy_group().order == 10
    tube = SurfaceOfRevolution(lambda s: torch.stack([torch.ones_like(s), s], dim=-1), (-1.0, 1.0))
    assert tube.holonomy_group().name == "trivial"
    doubled = tube.holonomy_group(doubled=True)
    assert doubled.name == "reflection"
    assert doubled.contains(torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64)))
    assert belt().holonomy_group().name == "SO(2)"
    assert belt().holonomy_group(doubled=True).name == "O(2)"
    points = cone(0.5).sites(shape=(6, 3)).points
    carried = cone(0.5).carry_frame(points)
    # Carried along a circle by the angle φ, a frame turns by -φ sin(slope angle) against the coordinates.
    turn = torch.atan2(carried[:, 1, 0], carried[:, 0, 0])
    assert torch.allclose(turn, -0.5 * (points[:, 1] - math.pi), rtol=0, atol=1e-12)


def test_geodesics_stop_at_the_boundary_and_are_reflected_there() -> None:
    tube = SurfaceOfRevolution(lambda s: torch.stack([torch.ones_like(s), s], dim=-1), (-1.0, 1.0))
    x, v = torch.tensor([0.5, 1.0], dtype=torch.float64), torch.tensor([2.0, 1.0], dtype=torch.float64)
    stopped = tube.geodesic(x, v)
    assert not bool(stopped.complete)
    assert torch.allclose(stopped.end, torch.tensor([1.0, 1.25], dtype=torch.float64), rtol=0, atol=1e-10)
    assert float(stopped.length) == pytest.approx(0.25 * math.sqrt(5), abs=1e-10)
    bounced = tube.geodesic(x, v, boundary="reflect")
    assert torch.allclose(bounced.end, torch.tensor([-0.5, 2.0], dtype=torch.float64), rtol=0, atol=1e-9)
    mirror = torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    assert torch.allclose(bounced.transport, mirror, rtol=0, atol=1e-9)
    assert bool(bounced.complete)


@pytest.mark.parametrize("excess", [1e-2, 1e-4, 1e-6])
def test_an_excursion_over_the_boundary_between_two_samples_is_seen(excess: float) -> None:
    """In the half plane, cut off at y = 2, the half circle of radius R > 2 leaves acosh(R / 2) before its top."""

    def metric(u: Tensor) -> Tensor:
        return torch.eye(2, dtype=u.dtype).expand(*u.shape, 2) / u[..., 1:, None] ** 2

    patch = ParametrisedSurface(((-5.0, 5.0), (0.3, 2.0)), metric=metric)
    radius, angle = 2 + excess, 2.0
    x = radius * torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    v = torch.tensor([math.sin(angle), -math.cos(angle)], dtype=torch.float64)
    to_the_top = math.log(math.tan(angle / 2))
    geodesic = patch.geodesic(x, 2 * to_the_top * v)
    assert not bool(geodesic.complete)
    # Where the circle is flat the length to the line is as ill-conditioned as √(1e-11 / excess).
    exit_length = to_the_top - math.acosh(radius / 2)
    assert float(geodesic.length) == pytest.approx(exit_length, abs=1e-11 / math.sqrt(excess) + 1e-10)
    assert bool(patch.geodesic(x * (2 - 1e-4) / radius, 2 * to_the_top * v).complete)


def test_a_geodesic_along_the_boundary_does_not_leave() -> None:
    def metric(u: Tensor) -> Tensor:
        return torch.diag_embed(torch.stack([torch.ones_like(u[..., 0]), u[..., 0].sin() ** 2], dim=-1))

    hemisphere = ParametrisedSurface(
        ((0.3, math.pi / 2), (0.0, 2 * math.pi)), metric=metric, periodic=(False, True)
    )
    equator = torch.tensor([math.pi / 2, 1.0], dtype=torch.float64)
    along = hemisphere.geodesic(equator, torch.tensor([0.0, 3.0], dtype=torch.float64))
    assert bool(along.complete)
    assert torch.allclose(along.end, equator + torch.tensor([0.0, 3.0]), rtol=0, atol=1e-9)
    outward = hemisphere.geodesic(equator, torch.tensor([1.0, 1.0], dtype=torch.float64))
    assert (bool(outward.complete), float(outward.length)) == (False, 0.0)


def test_gradients() -> None:
    surface = belt(OdeSolver("rk4", steps=6))
    x, v = X[:1].clone().requires_grad_(), V[:1].clone().requires_grad_()
    zero = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, v: surface.geodesic(x, v).transport, (x, v), fast_mode=True)
    assert torch.autograd.gradcheck(surface.exp, (x, zero), fast_mode=True)
    # The gradient of log is that for exact geodesics; 16 steps of order 4 leave 1e-6.
    finer = belt(OdeSolver("rk4", steps=16))
    y = finer.exp(x, v).detach().requires_grad_()
    assert torch.autograd.gradcheck(finer.log, (x, y), atol=1e-4, fast_mode=True)


def test_bad_input_is_refused() -> None:
    with pytest.raises(GeometryError, match="give the metric or the embedding"):
        ParametrisedSurface(((0.0, 1.0), (0.0, 1.0)))
    with pytest.raises(GeometryError, match="finite and increasing"):
        ParametrisedSurface(((0.0, 0.0), (0.0, 1.0)), metric=round_metric)
    with pytest.raises(GeometryError, match="symmetric and positive"):
        ParametrisedSurface(((0.0, 1.0), (0.0, 1.0)), metric=round_metric)
    with pytest.raises(GeometryError, match="the metric must take points"):
        ParametrisedSurface(((0.0, 1.0), (0.0, 1.0)), metric=lambda u: u)
    with pytest.raises(GeometryError, match=r"x must lie in the domain .* index \[1\]"):
        belt().exp(torch.tensor([[1.0, 0.0], [0.1, 0.0]]), torch.zeros(2))
    with pytest.raises(GeometryError, match="method must be one of"):
        OdeSolver("heun")
    with pytest.raises(GeometryError, match="steps must be a whole number"):
        OdeSolver("rk4")
    with pytest.raises(GeometryError, match="chooses its steps"):
        OdeSolver("dopri5", steps=3)
    with pytest.raises(GeometryError, match="has no embedding"):
        belt().embed(X)
