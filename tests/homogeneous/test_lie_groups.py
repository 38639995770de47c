"""Lie groups: their laws, closed forms, and what they refuse."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch import Tensor

import manifoldconv as mc
from manifoldconv.homogeneous import LieGroup, icosahedral_rotations, permutations
from manifoldconv.homogeneous.quaternions import quaternion_of_matrix, rotation_of_quaternion
from manifoldconv.homogeneous.so3 import hat
from manifoldconv.testing import check_group, require

GROUPS: list[LieGroup] = [mc.Translations(1), mc.Translations(3), mc.SE2(), mc.SO3(), mc.SE3()]


def vectors(group: LieGroup, count: int, size: float = 3.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    v = torch.nn.functional.normalize(torch.randn(count, group.dim, generator=generator, dtype=torch.float64))
    return size * v * torch.rand(count, 1, generator=generator, dtype=torch.float64)


def as_matrix(group: LieGroup, v: Tensor) -> Tensor:
    """The Lie algebra as matrices, for scipy's exponential."""
    if isinstance(group, mc.SO3):
        return hat(v)
    if isinstance(group, mc.SE3):
        matrix = torch.zeros(4, 4, dtype=torch.float64)
        matrix[:3, :3], matrix[:3, 3] = hat(v[3:]), v[:3]
        return matrix
    matrix = torch.zeros(3, 3, dtype=torch.float64)
    matrix[0, 1], matrix[1, 0], matrix[:2, 2] = -v[2], v[2], v[:2]
    return matrix


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_a_group_obeys_the_laws(group: LieGroup) -> None:
    results = check_group(group, torch.Generator().manual_seed(1), count=16)
    assert len(results) == 20
    require(results)


@pytest.mark.parametrize("group", [mc.SE2(), mc.SO3(), mc.SE3()], ids=repr)
def test_group_exp_is_the_exponential_of_matrices(group: LieGroup) -> None:
    for v in vectors(group, 20):
        expected = torch.from_numpy(expm(as_matrix(group, v).numpy()))
        found = group.group_exp(v)
        if isinstance(group, mc.SE2):
            assert torch.allclose(found[:2], expected[:2, 2], rtol=0, atol=1e-13)
            assert torch.allclose(found[2].cos(), expected[0, 0], rtol=0, atol=1e-13)
            assert torch.allclose(found[2].sin(), expected[1, 0], rtol=0, atol=1e-13)
        else:
            assert torch.allclose(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("group", "density"),
    [
        (mc.Translations(2), lambda v: torch.ones_like(v[:, 0])),
        # |det V(ω)| for SE(2); its square root squared for the two rotational parts of SE(3)
        (mc.SE2(), lambda v: (2 - 2 * v[:, 2].cos()) / v[:, 2] ** 2),
        (mc.SO3(), lambda v: (2 - 2 * v.norm(dim=1).cos()) / v.norm(dim=1) ** 2),
        (mc.SE3(), lambda v: ((2 - 2 * v[:, 3:].norm(dim=1).cos()) / v[:, 3:].norm(dim=1) ** 2) ** 2),
    ],
    ids=["Translations(2)", "SE2", "SO3", "SE3"],
)
def test_the_haar_measure_in_exponential_coordinates(group: LieGroup, density) -> None:
    v = vectors(group, 50)
    assert torch.allclose(group.haar_jacobian(v), density(v), rtol=1e-11, atol=0)
    assert torch.equal(group.haar_jacobian(0 * v), torch.ones(50, dtype=torch.float64))


def test_the_haar_measure_of_all_rotations() -> None:
    """∫ over the ball |v| < π, on which group_exp is one to one."""
    r, w = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(40))
    r, w = math.pi / 2 * (r + 1), math.pi / 2 * w
    v = torch.nn.functional.pad(r[:, None], (0, 2))
    assert float((4 * math.pi * r**2 * w * mc.SO3().haar_jacobian(v)).sum()) == pytest.approx(
        mc.SO3().volume, rel=1e-12
    )
    assert mc.SO3().volume == 8 * math.pi**2
    assert mc.SE2().volume == mc.SE3().volume == mc.Translations(2).volume == math.inf


def test_random_rotations_are_haar() -> None:
    """The mean of the character of degree 1, tr R, is 0 and of its square 1 (orthogonality of characters)."""
    trace = mc.SO3().random(200_000, torch.Generator().manual_seed(0)).diagonal(dim1=1, dim2=2).sum(1)
    # Standard deviations of the means: 1 / √200000 = 0.0022, and twice that or so.
    assert abs(float(trace.mean())) < 0.01
    assert abs(float(trace.square().mean()) - 1) < 0.02


def test_holonomy_groups() -> None:
    assert mc.SE2().holonomy_group().name == "trivial"
    assert mc.SO3().holonomy_group().name == "SO(3)"
    assert mc.SE3().holonomy_group().name == "trivial x SO(3)"
    assert mc.Translations(2).holonomy_group().name == "trivial"


@pytest.mark.parametrize("group", [mc.SE2(), mc.SO3(), mc.SE3()], ids=repr)
def test_transport_round_a_loop_lies_in_the_holonomy_group(group: LieGroup) -> None:
    corners = group.random(4, torch.Generator().manual_seed(3))
    loop = group.holonomy(torch.cat([corners, corners[:1]]))
    assert group.holonomy_group().contains(loop.matrix, 1e-10)
    if isinstance(group, mc.SE2):
        once_round = torch.zeros(4, 3, dtype=torch.float64)
        once_round[:, 2] = 2 * math.pi / 3 * torch.arange(4, dtype=torch.float64)
        assert torch.equal(group.holonomy(once_round).matrix, torch.eye(3, dtype=torch.float64))


def test_the_holonomy_of_small_loops_is_the_curvature() -> None:
    """A square of side s in the plane of X and Y turns by s² |R(X, Y)| = s² / 4 in it: SO(3) has curvature 1/4."""
    group, side = mc.SO3(), 1e-2
    steps = side * torch.tensor([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
    x, carried = group.identity, torch.eye(3, dtype=torch.float64)
    for step in steps:  # the same step of the start, carried along
        geodesic = group.geodesic(x, carried @ step)
        x, carried = geodesic.end, geodesic.transport @ carried
    back = group.geodesic(x, group.log(x, group.identity))
    turn = group.group_log(back.transport @ carried)
    assert torch.allclose(
        turn.abs(), torch.tensor([0, 0, side**2 / 4], dtype=torch.float64), rtol=0, atol=1e-7
    )


def test_exp_and_group_exp_differ_where_the_metric_is_invariant_from_one_side_only() -> None:
    v = vectors(mc.SO3(), 10)
    assert torch.equal(mc.SO3().exp(mc.SO3().identity, v), mc.SO3().group_exp(v))
    half_circle = torch.tensor([math.pi, 0.0, math.pi], dtype=torch.float64)
    straight = mc.SE2().exp(mc.SE2().identity, half_circle)
    arc = mc.SE2().group_exp(half_circle)
    assert torch.allclose(straight, torch.tensor([math.pi, 0.0, math.pi], dtype=torch.float64))
    assert torch.allclose(arc, torch.tensor([0.0, 2.0, math.pi], dtype=torch.float64), atol=1e-15)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("short", [0.0, 1e-15, 1e-9, 1e-6, 1e-3])
def test_the_logarithm_near_a_turn_by_pi(axis: int, short: float) -> None:
    v = torch.zeros(3, dtype=torch.float64)
    v[axis], v[(axis + 1) % 3] = math.pi - short, 1e-8
    found = mc.SO3().group_log(mc.SO3().group_exp(v))
    assert float(found.norm()) <= math.pi + 1e-15
    assert (
        min(float((found - v).norm()), float((found + v).norm())) < 2.1e-8
        if short < 1e-8
        else torch.allclose(found, v, rtol=0, atol=1e-14)
    )


def test_the_logarithm_of_small_turns_keeps_its_digits() -> None:
    for size in (0.0, 1e-300, 1e-12, 1e-9, 1e-5):
        v = size * torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64)
        assert torch.allclose(mc.SO3().group_log(mc.SO3().group_exp(v)), v, rtol=1e-12, atol=1e-15 * size)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_the_logarithm_has_a_gradient_at_the_identity(group: LieGroup) -> None:
    v = torch.zeros(group.dim, dtype=torch.float64, requires_grad=True)
    for exp, log in (
        (group.group_exp, group.group_log),
        (lambda v: group.exp(group.identity, v), lambda g: group.log(group.identity, g)),
    ):
        jacobian = torch.autograd.functional.jacobian(lambda v, e=exp, back=log: back(e(v)), v)
        assert torch.allclose(jacobian, torch.eye(group.dim, dtype=torch.float64))


def test_every_writing_of_an_angle_is_the_same_element() -> None:
    group, turns = mc.SE2(), torch.zeros(3, 3, dtype=torch.float64)
    turns[:, 2] = 0.5 + 2 * math.pi * torch.tensor([0, 1, -2], dtype=torch.float64)
    assert float(group.distance_between_points(turns[:1], turns).max()) < 1e-14
    assert float(group.distance_between_points(group.inverse(group.inverse(turns)), turns).max()) < 1e-14
    tiny = group.product(torch.tensor([0.0, 0.0, -1e-17], dtype=torch.float64), group.identity)
    assert 0 <= float(tiny[2]) < 2 * math.pi


def test_rotations_of_float32_are_moved_onto_the_group() -> None:
    rough = mc.SO3().random(20, torch.Generator().manual_seed(0)).to(torch.float32)
    mended = mc.SO3().product(rough, mc.SO3().identity)
    assert mended.dtype == torch.float64
    assert float((mended.mT @ mended - torch.eye(3, dtype=torch.float64)).abs().max()) < 1e-14
    assert float((mended - rough).abs().max()) < 1e-6


def test_quaternions_and_matrices() -> None:
    q = torch.nn.functional.normalize(
        torch.randn(100, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=-1
    )
    found = quaternion_of_matrix(rotation_of_quaternion(q))
    assert float(torch.minimum((found - q).norm(dim=1), (found + q).norm(dim=1)).max()) < 1e-14


def test_the_rotations_of_the_icosahedron_are_a_group_of_sixty() -> None:
    rotations = icosahedral_rotations()
    assert torch.equal(rotations[0], torch.eye(3, dtype=torch.float64))
    products = (rotations[:, None] @ rotations).flatten(0, 1)
    gap = (products[:, None] - rotations).abs().amax((-2, -1))
    assert float(gap.amin(dim=1).max()) < 1e-14
    assert (gap[:60] < 1e-9).sum() == 60
    points = mc.Sphere().sites(icosphere=2).points
    with pytest.raises(mc.GeometryError, match=r"rotation 0 takes point .* beside the points"):
        permutations(points, mc.SO3().random(1, torch.Generator().manual_seed(0)))


def test_what_is_no_element_is_refused() -> None:
    with pytest.raises(
        mc.GeometryError, match=r"a must be rotations; .* at index \[1\], with determinant -1"
    ):
        mc.SO3().inverse(torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, 1.0, -1.0]))]))
    with pytest.raises(mc.GeometryError, match=r"misses RᵀR = 1 by 3"):
        mc.SO3().group_log(2 * torch.eye(3))
    with pytest.raises(mc.GeometryError, match=r"must have \(0, 0, 0, 1\) as last row"):
        mc.SE3().inverse(torch.ones(4, 4))
    with pytest.raises(ValueError, match=r"a must have last axes \(3\); got shape \(2,\)"):
        mc.SE2().inverse(torch.zeros(2))
    with pytest.raises(ValueError, match="v must be finite; got nan at index"):
        mc.SE2().group_exp(torch.tensor([0.0, math.nan, 0.0]))
    with pytest.raises(mc.GeometryError, match="n must be a whole number of at least 1; got 0"):
        mc.Translations(0)
