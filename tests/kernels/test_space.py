"""Kernel spaces: dimensions in the literature, the constraint by brute force, completeness otherwise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import Kernel, KernelSpace, RadialBasis, project, require_admissible
from manifoldconv.orthogonal import reflection_matrix
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation
from manifoldconv.representations.harmonics import wigner_matrix

C, D = StructureGroup.cyclic, StructureGroup.dihedral
SO2, O2 = StructureGroup.special_orthogonal(2), StructureGroup.orthogonal(2)
SO3, O3 = StructureGroup.special_orthogonal(3), StructureGroup.orthogonal(3)
ONE = RadialBasis.gaussian_rings(1.0, 1)
TWO = RadialBasis.gaussian_rings(1.0, 2)


def angular(rep_in: str, rep_out: str, group: StructureGroup, band_limit: int) -> int:
    return KernelSpace(rep_in, rep_out, group, ONE, band_limit).angular_dimension


@pytest.mark.parametrize("limit", [0, 1, 2, 5, 8])
def test_between_scalars(limit: int) -> None:
    assert angular("0", "0", StructureGroup.trivial(2), limit) == 2 * limit + 1
    assert angular("0", "0", StructureGroup.reflection(reflection_matrix(0.4)), limit) == limit + 1
    assert angular("0", "sign", StructureGroup.reflection(), limit) == limit
    for n in (2, 3, 4):
        assert angular("0", "0", C(n), limit) == 1 + 2 * (limit // n)
        assert angular("0", "0", D(n, 0.2), limit) == 1 + limit // n
        assert angular("0", "sign", D(n, 0.2), limit) == limit // n
    assert angular("0", "0", SO2, limit) == angular("0", "0", O2, limit) == 1
    assert angular("0", "sign", O2, limit) == 0
    assert angular("0", "0", SO3, limit) == angular("0e", "0e", O3, limit) == 1
    assert angular("0e", "0o", O3, limit) == 0


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_between_irreducible_types_of_the_continuous_groups(m: int, n: int) -> None:
    """Weiler and Cesa 2019, tables of the appendix for SO(2) and O(2)."""
    limit = m + n
    assert angular("0", str(m), SO2, limit) == angular(str(m), "0", SO2, limit) == 2
    assert angular(str(m), str(n), SO2, limit) == 4
    assert angular("0", str(m), O2, limit) == angular("sign", str(m), O2, limit) == 1
    assert angular(str(m), str(n), O2, limit) == 2


def test_between_regular_types_of_cyclic_groups() -> None:
    """Regular to regular under C(n): n free functions of the whole circle, so n (2L + 1)."""
    for n in (2, 3, 4):
        assert angular("regular", "regular", C(n), 4) == n * 9
        assert angular("0", "regular", C(n), 4) == 9
        assert angular("regular", "regular", D(n), 4) == 2 * n * 9


@pytest.mark.parametrize(("j", "k"), [(0, 0), (0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1), (2, 2)])
def test_between_degrees_in_space(j: int, k: int) -> None:
    """Weiler et al. 2018: orders |j - k| to j + k, one each; O(3) keeps those of one parity."""
    space = KernelSpace(str(j), str(k), SO3, ONE)
    assert KernelSpace(str(j), str(k), SO3, ONE, j + k).angular_dimension == 2 * min(j, k) + 1
    assert [part.order for part in space.parts if part.order <= j + k] == list(range(abs(j - k), j + k + 1))
    natural = [order for order in range(abs(j - k), j + k + 1) if (order - j - k) % 2 == 0]
    assert angular(f"{j}{'eo'[j % 2]}", f"{k}{'eo'[k % 2]}", O3, j + k) == len(natural)
    others = 2 * min(j, k) + 1 - len(natural)
    assert angular(f"{j}{'oe'[j % 2]}", f"{k}{'eo'[k % 2]}", O3, j + k) == others


CASES = [
    ("2x0 + 1x1", "1xsign + 2x1 + 1x2", O2),
    ("1x0 + 1x1 + 1x3", "1x0 + 2x2", SO2),
    ("1x0 + 1x2", "1x1 + 1xregular", C(4)),
    ("1x1 + 1x3-", "1xsign + 1x3+ + 1x1", D(6, 0.3)),
    ("1x1", "1xhalf + 1x2", C(2)),
    ("1x1", "1x0 + 1xsign + 1x2", StructureGroup.reflection(reflection_matrix(0.5))),
    ("1x0 + 1x1", "1x1 + 1x2", SO3),
    ("1x0e + 1x1o", "1x1e + 1x2e + 1x0o", O3),
    ("1x1", "1x0 + 1x1", StructureGroup.axial(SO2, (1.0, 2.0, -0.5))),
    ("1x1", "1x0 + 1x1", StructureGroup.axial(D(3), (1.0, 0.0, 1.0))),
    ("1x1", "1xregular", StructureGroup.axial(D(2), mirrors="half-turns")),
    ("1x1o", "1x1o", StructureGroup.axial(O2)),
    ("1x1o", "1x0o", StructureGroup.inversion(3)),
]


@pytest.mark.parametrize(("rep_in", "rep_out", "group"), CASES, ids=str)
def test_every_basis_kernel_meets_the_constraint(rep_in: str, rep_out: str, group: StructureGroup) -> None:
    generator = torch.Generator().manual_seed(2)
    space = KernelSpace(rep_in, rep_out, group, TWO)
    nodes = torch.randn(7, group.dimension, generator=generator, dtype=torch.float64)
    nodes[0] = 0.0
    h = group.sample(6, generator)
    there = space.sample(torch.einsum("hij,qj->hqi", h, nodes))
    assert there.shape == (6, 7, space.dimension, space.rep_out.size, space.rep_in.size)
    out, into = (rep.matrix(h)[:, None, None] for rep in (space.rep_out, space.rep_in))
    assert float((there - out @ space.sample(nodes) @ into.mT).abs().max()) < 1e-12
    assert space.dimension > 0


def count_by_characters(space: KernelSpace) -> float:
    """Σ over orders of the mean over the group of χ_out χ_in χ_order: the dimension of the invariants."""
    group = space.group
    if group.is_finite:
        elements = group.elements()
    elif group.dimension == 2:
        # Characters of frequency below n are averaged exactly by D(n), C(n).
        elements = (D if group.reverses_orientation else C)(40).elements()
    else:
        elements = group.sample(30000, torch.Generator().manual_seed(0))

    def character(matrices: Tensor) -> Tensor:
        return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)

    total = torch.zeros(len(elements), dtype=torch.float64)
    for order in range(space.band_limit + 1):
        if group.dimension == 3:
            total += character(wigner_matrix(elements, order))
        else:
            total += character(Representation(str(order), O2).matrix(elements))
    return float(
        (total * character(space.rep_out.matrix(elements)) * character(space.rep_in.matrix(elements))).mean()
    )


@pytest.mark.parametrize(("rep_in", "rep_out", "group"), CASES, ids=str)
def test_the_basis_is_complete_by_characters(rep_in: str, rep_out: str, group: StructureGroup) -> None:
    space = KernelSpace(rep_in, rep_out, group, TWO)
    exact = group.is_finite or group.dimension == 2
    # Monte Carlo over 30000 elements elsewhere: it tells whole numbers apart.
    assert space.angular_dimension == pytest.approx(count_by_characters(space), abs=1e-9 if exact else 0.45)
    assert space.dimension == 2 * space.angular_dimension


@pytest.mark.parametrize(
    ("rep_in", "rep_out", "group"),
    [
        ("1", "sign + 2", O2),
        ("0 + 1", "1", SO2),
        ("1", "regular", D(3, 0.3)),
        ("1", "half", C(2)),
        ("0", "1", SO3),
        ("1", "0", StructureGroup.axial(SO2, (1.0, 2.0, -0.5))),
    ],
    ids=str,
)
def test_projected_random_kernels_span_the_space(rep_in: str, rep_out: str, group: StructureGroup) -> None:
    """An independent path to the same space: average random kernels and measure the rank."""
    everything = StructureGroup.trivial(group.dimension)
    space = KernelSpace(rep_in, rep_out, group, ONE)
    into, out = space.rep_in, space.rep_out
    free = KernelSpace(f"{into.size}x0", f"{out.size}x0", everything, ONE, band_limit=space.band_limit)
    generator = torch.Generator().manual_seed(4)
    nodes = torch.randn(20, group.dimension, generator=generator, dtype=torch.float64)
    nodes = nodes / nodes.norm(dim=-1, keepdim=True)
    basis = space.sample(nodes).movedim(1, 0).flatten(1)
    images = []
    for _ in range(space.angular_dimension + 2):
        plain = free.kernel(torch.randn(free.dimension, generator=generator, dtype=torch.float64))
        typed = Kernel(plain.function, "random", space.band_limit, group.dimension, rep_in=into, rep_out=out)
        images.append(project(typed, group, n_angles=10)(nodes).flatten())
    stack = torch.stack(images)
    values = torch.linalg.svdvals(stack)
    assert int((values > 1e-8 * values[0]).sum()) == space.angular_dimension
    rest = stack - stack @ torch.linalg.pinv(basis) @ basis
    assert float(rest.abs().max()) < 1e-10 * float(stack.abs().max())


@pytest.mark.parametrize(("rep_in", "rep_out", "group"), CASES[:6], ids=str)
def test_the_angular_parts_are_orthonormal_and_always_the_same(
    rep_in: str, rep_out: str, group: StructureGroup
) -> None:
    """Equal angles integrate trigonometric polynomials exactly; the radial factor is divided out."""
    space = KernelSpace(rep_in, rep_out, group, ONE)
    angles = 2 * torch.pi * torch.arange(40, dtype=torch.float64) / 40
    nodes = torch.stack([torch.cos(angles), torch.sin(angles)], -1)
    values = space.sample(nodes)
    for part in space.parts:
        values[:, part.start : part.start + part.angular_count] /= ONE(torch.ones(1).double(), part.order)
    gram = torch.einsum("qaij,qbij->ab", values, values) / 40
    assert float((gram - torch.eye(space.dimension)).abs().max()) < 1e-12
    again = KernelSpace(rep_in, rep_out, group, ONE)
    assert torch.equal(again.sample(nodes), space.sample(nodes))


def test_textbook_kernels_from_scalars_to_vectors() -> None:
    """O(2): only the radial field v / |v| (gradient); SO(2): that and its quarter turn (curl)."""
    nodes = torch.tensor([[0.3, 0.4], [-1.0, 0.2]], dtype=torch.float64)
    unit = nodes / nodes.norm(dim=-1, keepdim=True)
    gradient = KernelSpace("0", "1", O2, ONE, 1)
    values = gradient.sample(nodes)[:, 0, :, 0] / ONE(nodes.norm(dim=-1), 1)
    assert torch.allclose(values * values[0, 0].sign(), unit, rtol=0, atol=1e-14)
    both = KernelSpace("0", "1", SO2, ONE, 1).sample(nodes)[..., 0] / ONE(nodes.norm(dim=-1), 1)[..., None]
    quarter = torch.stack([-unit[:, 1], unit[:, 0]], -1)
    span = torch.stack([unit.flatten(), quarter.flatten()])
    rest = both.movedim(1, 0).flatten(1)
    rest = rest - rest @ torch.linalg.pinv(span) @ span
    assert float(rest.abs().max()) < 1e-14


@pytest.mark.parametrize(("rep_in", "rep_out", "group"), CASES, ids=str)
def test_kernels_made_from_coefficients(rep_in: str, rep_out: str, group: StructureGroup) -> None:
    generator = torch.Generator().manual_seed(6)
    space = KernelSpace(rep_in, rep_out, group, TWO)
    coefficients = torch.randn(space.dimension, generator=generator, dtype=torch.float64).requires_grad_()
    kernel = space.kernel(coefficients)
    nodes = torch.randn(30, group.dimension, generator=generator, dtype=torch.float64)
    rule = TangentRule.points(nodes, torch.ones(30))
    require_admissible(kernel, group, rule)
    assert kernel.weights(rule).shape == (30, space.rep_out.size, space.rep_in.size)
    (gradient,) = torch.autograd.grad(kernel(nodes).square().sum() / 2, coefficients)
    flat = space.sample(nodes).movedim(1, 0).flatten(1)
    assert torch.allclose(gradient, flat @ flat.mT @ coefficients.detach(), rtol=1e-10, atol=1e-10)


def test_values_are_continuous_and_differentiable_at_the_origin() -> None:
    for space in (KernelSpace("0 + 1", "0 + 1 + 2", SO2, TWO), KernelSpace("0 + 1", "1 + 2", SO3, TWO)):
        nodes = torch.zeros(1, space.group.dimension, dtype=torch.float64, requires_grad=True)
        values = space.sample(nodes)
        (gradient,) = torch.autograd.grad(values.sum(), nodes)
        assert bool(torch.isfinite(gradient).all())
        near = space.sample(torch.full_like(nodes, 1e-9))
        assert float((near - values).detach().abs().max()) < 1e-6


def test_types_of_larger_groups_are_restricted() -> None:
    space = KernelSpace(
        Representation("1", O2), Representation("0 + sign", O2), StructureGroup.cyclic(3), ONE
    )
    assert str(space.rep_out) == "2x0"
    assert space.angular_dimension == angular("1", "2x0", C(3), 2)
    assert KernelSpace(Representation("1", O2), "0", O2, ONE).group == O2


def test_on_a_line_there_are_even_and_odd_functions() -> None:
    line, mirror = StructureGroup.trivial(1), StructureGroup.orthogonal(1)
    assert [angular("0", "0", line, limit) for limit in range(4)] == [1, 2, 2, 2]
    assert [angular("0", "0", mirror, limit) for limit in range(4)] == [1, 1, 1, 1]
    assert [angular("0", "sign", mirror, limit) for limit in range(4)] == [0, 1, 1, 1]
    odd = KernelSpace("0", "sign", mirror, ONE).kernel(torch.ones(1))
    nodes = torch.tensor([[0.3], [-0.3], [0.0]])
    assert float(odd(nodes)[0] + odd(nodes)[1]) == float(odd(nodes)[2]) == 0.0 != float(odd(nodes)[0])


@pytest.mark.parametrize("d", [4, 5])
def test_beyond_space(d: int) -> None:
    """All harmonics without a condition, Σ_m; vectors to vectors under SO(d): φ(r) and the traceless part of v vᵀ."""
    trivial, rotations = StructureGroup.trivial(d), StructureGroup.special_orthogonal(d)
    polynomials = [1, d, d * (d + 1) // 2 - 1]
    assert [angular("0", "0", trivial, limit) for limit in range(3)] == [
        sum(polynomials[: n + 1]) for n in range(3)
    ]
    assert [angular(a, b, rotations, 3) for a, b in ("00", "01", "10", "11")] == [1, 1, 1, 2]


def test_under_the_holonomy_of_a_product_of_spheres() -> None:
    """Functions of |z|² and |w|²: one harmonic in every even degree. And the constraint, by brute force."""
    group = StructureGroup.product(SO2, SO2)
    assert [angular("0", "0", group, limit) for limit in range(7)] == [1, 1, 2, 2, 3, 3, 4]
    space = KernelSpace("0 + 1", "1", group, ONE, 2)
    assert space.dimension > 0
    nodes = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for h in group.sample(5, torch.Generator().manual_seed(1)):
        turned = space.rep_out.matrix(h) @ space.sample(nodes) @ space.rep_in.matrix(h).mT
        assert torch.allclose(space.sample(nodes @ h.mT), turned, rtol=0, atol=1e-12)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="need a group"):
        KernelSpace("0", "0")
    with pytest.raises(ValueError, match="band_limit"):
        KernelSpace("0", "0", SO2, ONE, -1)
    with pytest.raises(ValueError, match="not a subgroup"):
        KernelSpace(Representation("0", C(3)), "0", SO2)
    with pytest.raises(ValueError, match=r"last axes \(1\)"):
        KernelSpace("0", "0", SO2, ONE).kernel(torch.zeros(2))
    with pytest.raises(ValueError, match=r"last axes \(2\)"):
        KernelSpace("0", "0", SO2, ONE).sample(torch.zeros(2, 3))
