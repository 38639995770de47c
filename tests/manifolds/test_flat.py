"""The flat quotients: gluing, boundaries, holonomy, and grids across the seam."""

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import Cylinder, FlatQuotient, FlatTorus, KleinBottle, MoebiusStrip

A, B = 5.3, 3.1
ALL = [Cylinder(A, B), FlatTorus(A, B), MoebiusStrip(A, B), KleinBottle(A, B)]
STRIPS = [Cylinder(A, B), MoebiusStrip(A, B)]
MIRROR = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
IDENTITY = torch.eye(2, dtype=torch.float64)


def points(manifold: FlatQuotient, count: int, seed: int = 0) -> Tensor:
    unit = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.stack([unit[:, 0] * manifold.length, manifold.low + unit[:, 1] * manifold.height], dim=-1)


def along_x(y: float) -> Tensor:
    """A loop once round in x; where there is a glide it closes at y = 0 and y = ±B/2 only."""
    return torch.tensor([[0.0, y], [A / 3, y], [2 * A / 3, y], [0.0, y]], dtype=torch.float64)


def along_y(low: float) -> Tensor:
    return torch.tensor(
        [[1.0, low], [1.0, low + B / 3], [1.0, low + 2 * B / 3], [1.0, low]], dtype=torch.float64
    )


@pytest.mark.parametrize(
    ("manifold", "loop", "matrix"),
    [
        (Cylinder(A, B), along_x(0.3), IDENTITY),
        (FlatTorus(A, B), along_x(0.3), IDENTITY),
        (FlatTorus(A, B), along_y(0.0), IDENTITY),
        (MoebiusStrip(A, B), along_x(0.0), MIRROR),
        (KleinBottle(A, B), along_x(0.0), MIRROR),
        (KleinBottle(A, B), along_y(-B / 2), IDENTITY),
    ],
)
def test_holonomy_of_the_generating_loops(manifold: FlatQuotient, loop: Tensor, matrix: Tensor) -> None:
    holonomy = manifold.holonomy(loop)
    assert torch.equal(holonomy.matrix, matrix)
    assert holonomy.reflects == (matrix is MIRROR)
    assert holonomy.enclosed_curvature is None
    assert manifold.holonomy_group().contains(holonomy.matrix)


@pytest.mark.parametrize("manifold", [MoebiusStrip(A, B), KleinBottle(A, B)])
def test_twice_round_the_core_is_the_identity_but_bounds_nothing(manifold: FlatQuotient) -> None:
    holonomy = manifold.holonomy(torch.cat([along_x(0.0), along_x(0.0)[1:]]))
    assert torch.equal(holonomy.matrix, IDENTITY)
    assert holonomy.enclosed_curvature is None


@pytest.mark.parametrize("manifold", ALL)
def test_half_a_period_apart_it_is_open_which_way_round_is_meant(manifold: FlatQuotient) -> None:
    """The transport is refused where the two ways differ, that is over a glide; the enclosed curvature always."""
    halves = torch.tensor([[0.0, 0.0], [A / 2, 0.0], [A, 0.0]], dtype=torch.float64)
    if manifold.glide:
        with pytest.raises(
            GeometryError, match="points 0 and 1 of the path are joined by two shortest lines"
        ):
            manifold.holonomy(halves)
    else:
        assert torch.equal(manifold.holonomy(halves).matrix, IDENTITY)
        assert manifold.holonomy(halves).enclosed_curvature is None


@pytest.mark.parametrize("manifold", ALL)
def test_a_contractible_loop_over_the_seam_is_flat(manifold: FlatQuotient) -> None:
    corner = torch.tensor([A - 0.2, 0.9], dtype=torch.float64)
    steps = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.5, 0.4], [0.0, 0.4], [0.0, 0.0]], dtype=torch.float64)
    loop = manifold.exp(corner, steps)
    assert loop[1, 0] < 0.5  # it does cross the seam
    holonomy = manifold.holonomy(loop)
    assert torch.equal(holonomy.matrix, IDENTITY)
    assert holonomy.enclosed_curvature == 0.0


def test_holonomy_groups() -> None:
    names = {type(m).__name__: (m.holonomy_group().name, m.holonomy_group(doubled=True).name) for m in ALL}
    assert names == {
        "Cylinder": ("trivial", "reflection"),
        "FlatTorus": ("trivial", "trivial"),
        "MoebiusStrip": ("reflection", "reflection"),
        "KleinBottle": ("reflection", "reflection"),
    }
    assert MoebiusStrip(A, B).holonomy_group().contains(MIRROR)
    assert not MoebiusStrip(A, B).holonomy_group().contains(-MIRROR)


@pytest.mark.parametrize("manifold", ALL)
def test_log_is_the_shortest_over_many_images(manifold: FlatQuotient) -> None:
    x, y = points(manifold, 300), points(manifold, 300, seed=1)
    best = torch.full((300,), math.inf, dtype=torch.float64)
    for turns in range(-4, 5):
        sign = (-1) ** turns if manifold.glide else 1
        for lift in range(-3, 4) if manifold.glued else (0,):
            image = torch.stack([y[:, 0] + turns * A, sign * y[:, 1] + lift * B], dim=-1)
            best = torch.minimum(best, (image - x).norm(dim=-1))
    assert torch.allclose(manifold.log(x, y).norm(dim=-1), best, rtol=0, atol=1e-14)
    assert float(manifold.distance_between_points(manifold.exp(x, manifold.log(x, y)), y).max()) < 1e-14


@pytest.mark.parametrize("manifold", ALL)
def test_any_writing_of_a_point_is_understood(manifold: FlatQuotient) -> None:
    x = points(manifold, 50)
    moved = x + torch.tensor([A, 0.0], dtype=torch.float64)
    turn = MIRROR if manifold.glide else IDENTITY
    writing = moved @ turn
    assert float(manifold.distance_between_points(x, writing).max()) < 1e-14
    assert torch.equal(manifold.reframe(x, writing), turn.expand(50, 2, 2))
    v = points(manifold, 50, seed=2)
    here, there = manifold.geodesic(x, v), manifold.geodesic(writing, v @ turn)
    assert torch.allclose(here.end, there.end, rtol=0, atol=1e-14)
    assert torch.equal(here.transport, there.transport @ turn)


def test_rounding_at_the_seam_does_not_mirror_a_frame() -> None:
    """The end of a path may lie an ulp on the other side of the seam than the point that it should meet."""
    strip = MoebiusStrip(A, B)
    start, over = torch.tensor([A - 1.0, 0.5]), torch.tensor([0.0, -0.5])
    for step in (1.0, 1.0 - 1e-15, 1.0 + 1e-15):
        velocity = torch.tensor([step, 0.0], dtype=torch.float64)
        geodesic = strip.geodesic(start, velocity)
        assert torch.equal(strip.reframe(geodesic.end, over) @ geodesic.transport, MIRROR)
    assert torch.equal(strip.transport_between(start, over), MIRROR)


@pytest.mark.parametrize("manifold", STRIPS)
def test_geodesics_stop_at_the_boundary(manifold: FlatQuotient) -> None:
    x = torch.tensor([1.0, 0.5], dtype=torch.float64)
    v = torch.tensor([[0.0, 2.0], [3.0, 2.0], [0.0, -2.0], [2.0, -8.0], [1.0, 0.0]], dtype=torch.float64)
    geodesic = manifold.geodesic(x, v)
    assert geodesic.complete.tolist() == [False, False, True, False, True]
    up, down = B / 2 - 0.5, B / 2 + 0.5
    expected = [up, math.hypot(1.5 * up, up), 2.0, math.hypot(down / 4, down), 1.0]
    assert torch.allclose(geodesic.length, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-14)
    assert torch.allclose(
        geodesic.end[1], torch.tensor([1 + 1.5 * up, B / 2], dtype=torch.float64), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("manifold", STRIPS)
def test_the_boundary_itself_is_part_of_the_strip(manifold: FlatQuotient) -> None:
    edge = torch.tensor([1.0, B / 2], dtype=torch.float64)
    v = torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.0, 0.1], [0.0, 0.0]], dtype=torch.float64)
    geodesic = manifold.geodesic(edge, v)
    assert geodesic.complete.tolist() == [True, True, False, True]
    assert geodesic.length.tolist() == [1.0, 1.0, 0.0, 0.0]
    onto = manifold.geodesic(torch.tensor([1.0, 0.0]), torch.tensor([0.3, B / 2]))
    assert bool(onto.complete)
    assert torch.equal(
        manifold.geodesic(edge - 1, v + 1, boundary="reflect").complete, torch.ones(4, dtype=torch.bool)
    )


@pytest.mark.parametrize("manifold", STRIPS)
def test_reflected_geodesics_are_billiard_paths(manifold: FlatQuotient) -> None:
    """Each bounce alone by hand: stop at the edge, mirror the velocity, go on."""
    x = points(manifold, 100)
    v = 8 * (points(manifold, 100, seed=3) - torch.tensor([A / 2, manifold.low + B / 2], dtype=torch.float64))
    whole = manifold.geodesic(x, v, boundary="reflect")
    for i in range(100):
        at, left, carried = x[i], v[i], IDENTITY
        while True:
            part = manifold.geodesic(at, left)
            carried = part.transport @ carried
            at, rest = part.end, 1 - part.length / left.norm()
            left = rest * (part.transport @ left)
            if bool(part.complete):
                break
            carried, left = MIRROR @ carried, MIRROR @ left
        assert float(manifold.distance_between_points(at, whole.end[i])) < 1e-12
        assert torch.equal(manifold.reframe(at, whole.end[i]) @ carried, whole.transport[i])
    assert bool(whole.complete.all())
    assert torch.allclose(whole.length, v.norm(dim=-1))
    assert {-1.0, 1.0} == set(torch.linalg.det(whole.transport).tolist())


@pytest.mark.parametrize("manifold", [FlatTorus(A, B), KleinBottle(A, B)])
def test_reflection_does_nothing_without_a_boundary(manifold: FlatQuotient) -> None:
    x, v = points(manifold, 20), 5 * points(manifold, 20, seed=1)
    assert torch.equal(manifold.geodesic(x, v).end, manifold.geodesic(x, v, boundary="reflect").end)
    assert not manifold.has_boundary


@pytest.mark.parametrize("manifold", ALL)
def test_gradients(manifold: FlatQuotient) -> None:
    x, y = (points(manifold, 6, seed=seed).requires_grad_() for seed in (4, 5))
    v = (0.4 * points(manifold, 6, seed=6)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, v: manifold.exp(x, v), (x, v))
    assert torch.autograd.gradcheck(lambda x, v: manifold.geodesic(x, v).length, (x, v))
    assert torch.autograd.gradcheck(lambda x, v: manifold.geodesic(x, 3 * v, boundary="reflect").end, (x, v))
    assert torch.autograd.gradcheck(manifold.log, (x, y))
    zero = torch.zeros(6, 2, dtype=torch.float64, requires_grad=True)
    geodesic = manifold.geodesic(x, zero)
    (geodesic.end.sum() + geodesic.length.sum() + manifold.log(x, x).sum()).backward()
    assert bool(torch.isfinite(zero.grad).all())


@pytest.mark.parametrize("manifold", ALL)
def test_sites_lie_in_the_middle_of_their_rows(manifold: FlatQuotient) -> None:
    sites = manifold.sites(shape=(6, 10))
    assert sites.points[2 * 10 + 3].tolist() == pytest.approx(
        [3 * A / 10, manifold.low + 2.5 * B / 6], abs=1e-14
    )
    assert float(sites.area.sum()) == pytest.approx(A * B, abs=1e-12)


@pytest.mark.parametrize(
    ("manifold", "cover"),
    [(MoebiusStrip(A, B), Cylinder(2 * A, B)), (KleinBottle(A, B), FlatTorus(2 * A, B))],
)
def test_interpolation_over_the_glide_is_that_on_the_double_cover(
    manifold: FlatQuotient, cover: FlatQuotient
) -> None:
    """A vector field, carried to the cover of twice the length, where nothing is mirrored."""
    rows, columns = 6, 10
    field = torch.randn(rows, columns, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lifted = torch.cat([field, field.flip(0) @ MIRROR], dim=1).reshape(-1, 2)
    x = points(manifold, 500)
    x[:100, 0] = A - 0.3 * x[:100, 0] / A  # in the last column, beside the seam
    here = manifold.sites(shape=(rows, columns)).stencil(x)
    # The torus's fundamental domain begins at y = 0, the Klein bottle's at -B/2.
    shift = torch.tensor([0.0, cover.low - manifold.low], dtype=torch.float64)
    there = cover.sites(shape=(rows, 2 * columns)).stencil(x + shift)
    ours = (
        here.weight[..., None] * (here.transport @ field.reshape(-1, 2)[here.index][..., None])[..., 0]
    ).sum(-2)
    theirs = (there.weight[..., None] * lifted[there.index]).sum(-2)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-13)
    assert bool((torch.linalg.det(here.transport[:100]) < 0).any())


def test_strips_go_on_as_a_constant_in_the_outermost_half_cell() -> None:
    sites = Cylinder(A, B).sites(shape=(4, 5))
    stencil = sites.stencil(torch.tensor([2 * A / 5, B / 2], dtype=torch.float64))
    assert float(stencil.weight.sum()) == pytest.approx(1, abs=1e-14)
    assert set(stencil.index[stencil.weight > 1e-14].tolist()) == {3 * 5 + 2}


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_sizes_are_refused(size: float) -> None:
    with pytest.raises(GeometryError, match="the length in x must be a positive number"):
        FlatTorus(size, 1.0)
    with pytest.raises(GeometryError, match="the length in y must be a positive number"):
        MoebiusStrip(1.0, size)


def test_points_beside_the_strip_are_refused() -> None:
    with pytest.raises(GeometryError, match=r"\|y\| <= 1.55.*got y = 1.6 at index \[1\]"):
        MoebiusStrip(A, B).exp(torch.tensor([[0.0, 0.0], [0.0, 1.6]]), torch.zeros(2))


def test_equality_and_names() -> None:
    assert FlatTorus(A, B) == FlatTorus(A, B) != FlatTorus(B, A)
    assert Cylinder(A, B) != MoebiusStrip(A, B)
    assert repr(KleinBottle(A, B)) == "KleinBottle(5.3, 3.1)"
