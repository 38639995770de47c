"""The logarithm of surfaces in coordinates: by collocation, then to the solver's end, and the shortest of several."""

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.manifolds import ParametrisedSurface, SurfaceOfRevolution
from manifoldconv.manifolds.parametrised_collocation import collocation, connect
from manifoldconv.manifolds.parametrised_flow import Flow, OdeSolver
from manifoldconv.manifolds.parametrised_metric import LocalGeometry

TURN = 2 * math.pi


def doughnut(s: Tensor) -> Tensor:
    return torch.stack([2 + s.cos(), s.sin()], dim=-1)


def polar_plane(u: Tensor) -> Tensor:
    """The plane in polar coordinates (r, φ)."""
    return torch.diag_embed(torch.stack([torch.ones_like(u[..., 0]), u[..., 0] ** 2], dim=-1))


def in_plane(u: Tensor) -> Tensor:
    return u[..., :1] * torch.stack([u[..., 1].cos(), u[..., 1].sin()], dim=-1)


def uniform(count: int, low: tuple[float, float], high: tuple[float, float], seed: int) -> Tensor:
    start, end = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    return start + (end - start) * torch.rand(count, 2, generator=generator, dtype=torch.float64)


TORUS = SurfaceOfRevolution(doughnut, (0.0, TURN), closed=True)
RING = ParametrisedSurface(((0.1, 5.0), (0.0, TURN)), metric=polar_plane)


def test_collocation_integrates_polynomials() -> None:
    nodes, weights, integral = collocation(6)
    for degree in range(6):
        power = nodes**degree
        torch.testing.assert_close(
            integral @ power, nodes ** (degree + 1) / (degree + 1), atol=1e-15, rtol=1e-14
        )
        assert float(weights @ power) == pytest.approx(1 / (degree + 1), abs=1e-15)


def test_collocation_finds_the_velocity_and_the_stretch_of_geodesics() -> None:
    x, v = uniform(40, (0.0, 0.0), (TURN, TURN), 0), uniform(40, (-0.8, -0.8), (0.8, 0.8), 1)
    ends = TORUS._flow.advance(x, v)[0][-1]
    found = connect(TORUS._flow, x, ends)
    # It stops where nothing moves by more than 1e-10, and then is off by no more than a few times that.
    torch.testing.assert_close(found.v, v, atol=1e-9, rtol=0)
    torch.testing.assert_close(found.stretch, TORUS.exp_jacobian(x, v), atol=1e-9, rtol=0)


def test_one_solution_of_the_equation_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    x, v = uniform(40, (0.0, 0.0), (TURN, TURN), 2), uniform(40, (-0.8, -0.8), (0.8, 0.8), 3)
    y = TORUS.exp(x, v)
    solved = []
    advance = Flow.advance

    def counted(flow: Flow, u: Tensor, *arguments: object) -> tuple[Tensor, Tensor]:
        solved.append(len(u))
        return advance(flow, u, *arguments)

    monkeypatch.setattr(Flow, "advance", counted)
    log = TORUS.log(x, y)
    assert [count for count in solved if count] == [40]
    # The end is that of the same solver; Newton's step leaves the rounding of 150 evaluations.
    torch.testing.assert_close(log, v, atol=1e-11, rtol=0)


def test_shooting_finds_what_collocation_does_not() -> None:
    """Polar coordinates turn as a line passes the pole: over two radians collocation does not settle."""
    x = torch.tensor([[2.0, 0.5], [2.0, 0.5], [1.5, 3.0]], dtype=torch.float64)
    y = torch.tensor([[2.0, 1.5], [2.0, 2.6], [3.0, 5.1]], dtype=torch.float64)
    settled = torch.isfinite(connect(RING._flow, x, y).v).all(-1)
    assert settled.tolist() == [True, False, False]
    straight = in_plane(y) - in_plane(x)
    radial = in_plane(torch.stack([torch.ones_like(x[:, 0]), x[:, 1]], dim=-1))
    frame = torch.stack([radial, torch.stack([-radial[:, 1], radial[:, 0]], dim=-1)], dim=-1)
    expected = (frame.mT @ straight[..., None])[..., 0]
    torch.testing.assert_close(RING.log(x, y), expected, atol=1e-9, rtol=0)


def test_the_shorter_way_round_is_taken() -> None:
    x = torch.tensor([[math.pi, 0.1]], dtype=torch.float64).repeat(2, 1)  # on the inner equator, of length 2π
    for step, sign in ((2.8, 1.0), (3.4, -1.0)):
        y = x + torch.tensor([0.0, step], dtype=torch.float64)
        length = step if step < math.pi else TURN - step
        expected = torch.tensor([[0.0, sign * length]], dtype=torch.float64).repeat(2, 1)
        torch.testing.assert_close(TORUS.log(x, y), expected, atol=1e-9, rtol=0)


def test_geodesics_that_leave_the_surface_are_none() -> None:
    """On the sphere without its caps the shortest way between two places beside a cap may lead over it."""
    belt = ParametrisedSurface(
        ((0.3, 2.8), (0.0, TURN)),
        metric=lambda u: torch.diag_embed(
            torch.stack([torch.ones_like(u[..., 0]), u[..., 0].sin() ** 2], -1)
        ),
        periodic=(False, True),
    )
    x = torch.tensor([0.35, 0.0], dtype=torch.float64)
    apart = torch.tensor([0.5, 1.0, 1.2, 2.0, math.pi - 0.01], dtype=torch.float64)
    y = torch.stack([torch.full_like(apart, 0.35), apart], dim=-1)
    # The top of the great circle lies at tan(θ) = tan(0.35) cos(apart / 2).
    stays = torch.atan(math.tan(0.35) * (apart / 2).cos()) >= 0.3
    assert stays.tolist() == [True, True, False, False, False]
    v = belt.log(x, y)
    assert torch.equal(torch.isfinite(v).all(-1), stays)
    distance = 2 * torch.asin(math.sin(0.35) * (apart / 2).sin())
    torch.testing.assert_close(v.norm(dim=-1)[stays], distance[stays], atol=1e-9, rtol=0)


def test_few_equal_steps_are_inverted_as_they_are() -> None:
    coarse = SurfaceOfRevolution(doughnut, (0.0, TURN), closed=True, solver=OdeSolver("rk4", steps=3))
    x, v = uniform(10, (0.0, 0.0), (TURN, TURN), 6), uniform(10, (-0.8, -0.8), (0.8, 0.8), 7)
    assert float((coarse.exp(x, v) - TORUS.exp(x, v)).abs().max()) > 1e-6
    torch.testing.assert_close(coarse.log(x, coarse.exp(x, v)), v, atol=1e-10, rtol=0)


def test_the_geometry_of_revolution_is_that_of_its_metric() -> None:
    u = uniform(50, (0.0, 0.0), (TURN, TURN), 8)
    closed, general = TORUS._flow.geometry, LocalGeometry(TORUS._flow.geometry.metric)
    for one, other in zip(closed.frame_and_connection(u), general.frame_and_connection(u), strict=True):
        torch.testing.assert_close(one, other, atol=1e-14, rtol=0)
    torch.testing.assert_close(closed.curvature(u), general.curvature(u), atol=1e-13, rtol=0)
