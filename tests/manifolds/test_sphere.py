"""The sphere: holonomy against area, the cut locus, gradients."""

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import Sphere

NORTH = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def points(count: int, n: int = 2, radius: float = 1.0, seed: int = 0) -> Tensor:
    normal = torch.randn(count, n + 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return radius * torch.nn.functional.normalize(normal, dim=-1)


def closed(*corners: tuple[float, float, float]) -> Tensor:
    return torch.tensor([*corners, corners[0]], dtype=torch.float64)


def circle(colatitude: float, count: int) -> Tensor:
    """A counterclockwise polygon round the north pole."""
    angle = torch.arange(count + 1, dtype=torch.float64) % count * 2 * math.pi / count
    height = torch.full_like(angle, math.cos(colatitude))
    return torch.stack(
        [math.sin(colatitude) * angle.cos(), math.sin(colatitude) * angle.sin(), height], dim=-1
    )


def wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


@pytest.mark.parametrize("radius", [1.0, 7.0])
@pytest.mark.parametrize("corners", [3, 4, 9])
def test_holonomy_is_the_enclosed_area(corners: int, radius: float) -> None:
    sphere = Sphere(2, radius)
    for seed in range(20):
        loop = points(corners, radius=radius, seed=seed)
        holonomy = sphere.holonomy(torch.cat([loop, loop[:1]]))
        assert holonomy.enclosed_curvature is not None
        assert 0 <= holonomy.enclosed_curvature < 4 * math.pi
        # Random triangles may come near a great circle, where both formulas lose a few digits.
        assert abs(wrapped(holonomy.angle - holonomy.enclosed_curvature)) < 1e-10
        assert not holonomy.reflects


@pytest.mark.parametrize(
    ("loop", "area"),
    [
        (closed((1, 0, 0), (0, 1, 0), (0, 0, 1)), math.pi / 2),
        (closed((1, 0, 0), (0, 0, 1), (0, 1, 0)), 4 * math.pi - math.pi / 2),
        (closed((1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0)), 2 * math.pi),
        (closed((1, 0, 0), (0, 1, 0)), 0.0),
        (closed((1, 0, 0), (0.6, 0.48, 0.64), (0.6, -0.48, 0.64), (0.6, 0.48, 0.64)), 0.0),
    ],
)
def test_enclosed_area_of_known_loops(loop: Tensor, area: float) -> None:
    """An octant, the octant from the other side, a hemisphere, and paths there and back."""
    holonomy = Sphere().holonomy(loop)
    assert holonomy.enclosed_curvature == pytest.approx(area, abs=1e-12)
    assert wrapped(holonomy.angle - area) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("colatitude", [0.01, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("count", [3, 12])
def test_polygons_round_the_pole_have_girards_area(colatitude: float, count: int) -> None:
    """n triangles of apex angle 2π/n and legs θ; tan(α) tan(π/n) cos(θ) = 1 for the base angle α."""
    base = math.atan2(1 / math.tan(math.pi / count), math.cos(colatitude))
    area = count * (2 * math.pi / count + 2 * base - math.pi)
    holonomy = Sphere().holonomy(circle(colatitude, count))
    assert holonomy.enclosed_curvature == pytest.approx(area, abs=1e-12)
    assert wrapped(holonomy.angle - area) == pytest.approx(0, abs=1e-12)


def test_paths_through_antipodes_name_no_half_circle() -> None:
    x, y = points(2)
    for path, place in (([x, -x, x], 0), ([x, y, -y, x], 1), ([x, y, y, -y], 2)):
        with pytest.raises(GeometryError, match=f"points {place} and {place + 1} of the path are antipodal"):
            Sphere().transport(path)
    with pytest.raises(GeometryError, match="antipodal"):
        Sphere().holonomy([x, -x, x])
    with pytest.raises(GeometryError, match="antipodal"):
        Sphere(3).transport(torch.stack([torch.eye(4)[0], -torch.eye(4)[0]]))
    assert torch.equal(Sphere(1).transport([torch.eye(2)[0], -torch.eye(2)[0]]), torch.ones(1, 1))


def test_loops_past_the_antipode_enclose_their_half_circles() -> None:
    """Next to antipodal points name their great circle; two of those, an angle apart, bound a lune of twice it."""
    for angle in (0.3, 2.0):
        turn = torch.tensor([-1e-3, math.pi / 2, math.pi - 1e-3], dtype=torch.float64)
        first = torch.stack([turn.sin(), torch.zeros(3), turn.cos()], dim=-1)
        second = torch.stack([turn.sin() * math.cos(angle), turn.sin() * math.sin(angle), turn.cos()], dim=-1)
        holonomy = Sphere().holonomy(torch.cat([first, second.flip(0), first[:1]]))
        assert abs(wrapped(holonomy.angle - holonomy.enclosed_curvature)) < 1e-10
        assert wrapped(holonomy.enclosed_curvature - 2 * angle) == pytest.approx(0, abs=3e-3)


def test_a_loop_of_one_point_encloses_nothing() -> None:
    for loop in (NORTH[None], torch.stack([NORTH, NORTH])):
        holonomy = Sphere().holonomy(loop)
        assert torch.equal(holonomy.matrix, torch.eye(2, dtype=torch.float64))
        assert holonomy.enclosed_curvature == 0.0


def test_only_the_two_sphere_has_areas() -> None:
    loop = points(4, n=3)
    assert Sphere(3).holonomy(torch.cat([loop, loop[:1]])).enclosed_curvature is None


def test_holonomy_groups() -> None:
    assert [Sphere(n).holonomy_group().name for n in (1, 2, 3, 4)] == ["trivial", "SO(2)", "SO(3)", "SO(4)"]
    assert Sphere(2).holonomy_group(doubled=True).name == "SO(2)"


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_frames_are_orthonormal_tangent_and_of_one_orientation(n: int) -> None:
    special = torch.cat([torch.eye(n + 1, dtype=torch.float64), -torch.eye(n + 1, dtype=torch.float64)])
    near_south = -special[n] + 1e-9 * special[0]
    x = torch.cat([points(500, n=n), special, torch.nn.functional.normalize(near_south, dim=0)[None]])
    square = torch.cat([Sphere(n).frame(x), x[..., None]], dim=-1)
    # A single sign of the determinant, 1: for n = 2 the frame is counterclockwise seen from outside.
    assert torch.allclose(
        torch.linalg.det(square), torch.ones(len(x), dtype=torch.float64), rtol=0, atol=1e-13
    )
    assert torch.allclose(square.mT @ square, torch.eye(n + 1, dtype=torch.float64), rtol=0, atol=1e-13)


def test_geodesics_longer_than_the_circle_wind_round() -> None:
    sphere = Sphere(2, 2.0)
    x, v = points(5, radius=2.0), torch.tensor([3.0, -1.0], dtype=torch.float64)
    unit = v / v.norm()
    far, near = sphere.geodesic(x, unit * (4 * math.pi * 3 + 1)), sphere.geodesic(x, unit)
    assert torch.allclose(far.end, near.end, rtol=0, atol=1e-12)
    assert torch.allclose(far.transport, near.transport, rtol=0, atol=1e-12)
    assert torch.allclose(far.length, torch.full((5,), 12 * math.pi + 1, dtype=torch.float64))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_antipode_is_reached_in_a_known_direction(n: int) -> None:
    sphere = Sphere(n, 3.0)
    x = points(20, n=n, radius=3.0)
    log = sphere.log(x, -x)
    expected = torch.zeros(n, dtype=torch.float64)
    expected[0] = 3 * math.pi
    assert torch.equal(log, expected.expand(20, n))
    assert torch.allclose(sphere.exp(x, log), -x, rtol=0, atol=1e-14)
    along = sphere.geodesic(x, log)
    between = sphere.transport_between(x, -x)
    assert torch.allclose(sphere.reframe(along.end, -x) @ along.transport, between, rtol=0, atol=1e-13)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12, 1e-13])
def test_log_near_the_antipode_and_near_zero(gap: float) -> None:
    sphere, x = Sphere(), points(50)
    v = torch.nn.functional.normalize(points(50, seed=1)[:, :2], dim=-1)
    for length in (math.pi - gap, gap):
        y = sphere.exp(x, length * v)
        log = sphere.log(x, y)
        assert torch.allclose(sphere.exp(x, log), y, rtol=0, atol=1e-14)
        # y is rounded to 1e-16, which moves log by that, times π / gap near the antipode.
        assert torch.allclose(
            log, length * v, rtol=0, atol=2e-15 * (1 if length == gap else 1 + math.pi / gap)
        )


def test_the_series_meets_the_closed_form() -> None:
    """exp and log pass from series to closed form near |v| = 0.0316 without a step."""
    sphere, lengths = Sphere(), torch.linspace(0.02, 0.05, 200, dtype=torch.float64)
    v = lengths[:, None] * torch.tensor([0.6, 0.8], dtype=torch.float64)
    end = sphere.exp(NORTH, v)
    exact = torch.cat([v / lengths[:, None] * lengths.sin()[:, None], lengths.cos()[:, None]], dim=-1)
    assert torch.allclose(end, exact, rtol=0, atol=1e-15)
    assert torch.allclose(sphere.log(NORTH, end), v, rtol=0, atol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("length", [0.0, 1e-3, 1.0])
def test_gradients(n: int, length: float) -> None:
    sphere = Sphere(n, 1.5)
    x, y = points(4, n=n, radius=1.5).requires_grad_(), points(4, n=n, radius=1.5, seed=1).requires_grad_()
    v = (length * points(4, n=n, seed=2)[:, :n]).requires_grad_()
    assert torch.autograd.gradcheck(sphere.exp, (x, v))
    assert torch.autograd.gradcheck(lambda x, v: sphere.geodesic(x, v).transport, (x, v))
    near = sphere.exp(x, v).detach().requires_grad_() if length < 1 else y
    assert torch.autograd.gradcheck(sphere.log, (x, near))
    assert torch.autograd.gradcheck(sphere.transport_between, (x, near))


@pytest.mark.parametrize("make", [lambda x: x.clone(), lambda x: -x])
def test_gradients_are_finite_at_the_point_and_its_antipode(make: object) -> None:
    sphere = Sphere()
    x = torch.cat([points(20), torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)])
    y = make(x).requires_grad_()
    x = x.requires_grad_()
    v = torch.zeros(26, 2, dtype=torch.float64, requires_grad=True)
    geodesic = sphere.geodesic(x, v)
    values = [
        geodesic.end,
        geodesic.transport,
        geodesic.length,
        sphere.log(x, y),
        sphere.transport_between(x, y),
    ]
    gradients = torch.autograd.grad(sum(value.sum() for value in values), (x, y, v))
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_batches_broadcast() -> None:
    x, v = points(5)[:, None], torch.ones(1, 4, 2, dtype=torch.float64)
    geodesic = Sphere().geodesic(x, v)
    assert geodesic.end.shape == (5, 4, 3)
    assert geodesic.transport.shape == (5, 4, 2, 2)
    assert geodesic.length.shape == geodesic.complete.shape == (5, 4)
    assert Sphere().log(x, points(4)).shape == (5, 4, 2)
    assert Sphere().transport_between(x, points(4)).shape == (5, 4, 2, 2)


def test_bad_input_is_refused() -> None:
    with pytest.raises(GeometryError, match="n must be a whole number"):
        Sphere(0)
    with pytest.raises(GeometryError, match="radius must be a positive number"):
        Sphere(2, -1.0)
    with pytest.raises(
        GeometryError, match=r"x must lie on the sphere of radius 2; .* distance 1 .* index \[0\]"
    ):
        Sphere(2, 2.0).exp(NORTH[None], torch.zeros(2))
    with pytest.raises(ValueError, match="x must have last axes"):
        Sphere().exp(torch.zeros(2), torch.zeros(2))


def test_points_within_rounding_of_float32_are_taken() -> None:
    x = points(20, radius=2.0).to(torch.float32)
    end = Sphere(2, 2.0).exp(x, torch.ones(2))
    assert torch.allclose(end.norm(dim=-1), torch.full((20,), 2.0, dtype=torch.float64), rtol=0, atol=1e-14)
