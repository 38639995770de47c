"""Structure groups of R³ and of products: names by the classification, closures, containment, certainty."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.orthogonal import rotation_matrix

Z = (0.0, 0.0, 1.0)
TILTED = (1.0, -2.0, 0.5)


def diagonal(*entries: float) -> Tensor:
    return torch.diag(torch.tensor(entries, dtype=torch.float64))


def turn_about(axis: tuple[float, ...] | Tensor, angle: float) -> Tensor:
    """Rodrigues' formula."""
    u = torch.as_tensor(axis, dtype=torch.float64)
    x, y, z = (u / u.norm()).tolist()
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(angle * cross)


def mirror_across(normal: tuple[float, ...]) -> Tensor:
    n = torch.as_tensor(normal, dtype=torch.float64)
    n = n / n.norm()
    return torch.eye(3, dtype=torch.float64) - 2 * n[:, None] * n


C, D, SO, OO = (
    StructureGroup.cyclic,
    StructureGroup.dihedral,
    StructureGroup.special_orthogonal,
    StructureGroup.orthogonal,
)
CYCLE = torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=torch.float64)
GOLDEN = (1 + math.sqrt(5)) / 2
CASES = {
    "trivial": ([diagonal(1, 1, 1)], 1),
    "inversion": ([diagonal(-1, -1, -1)], 2),
    "reflection": ([mirror_across(TILTED)], 2),
    "C(5) x trivial": ([turn_about(TILTED, 2 * math.pi * 2 / 5)], 5),
    "C(2) x trivial": ([diagonal(-1, -1, 1)], 2),
    "C(2) x reflection": ([diagonal(-1, -1, 1), diagonal(-1, -1, -1)], 4),
    "C(3) x reflection": ([turn_about(Z, 2 * math.pi / 3), diagonal(1, 1, -1)], 6),
    "D(2) x trivial": ([diagonal(-1, 1, 1), diagonal(1, -1, 1)], 4),
    "D(4) x trivial": ([turn_about(Z, math.pi / 2), diagonal(1, -1, 1)], 8),
    "D(4) x reflection": ([turn_about(Z, math.pi / 2), diagonal(1, -1, 1), diagonal(1, 1, -1)], 16),
    "D(2) x reflection": ([diagonal(-1, 1, 1), diagonal(1, -1, 1), diagonal(1, 1, -1)], 8),
    "Schoenflies S(4)": ([turn_about(Z, math.pi / 2) @ diagonal(1, 1, -1)], 4),
    "Schoenflies S(6)": ([-turn_about(TILTED, 2 * math.pi / 3)], 6),
    "Schoenflies D(2)": ([diagonal(-1, -1, 1), diagonal(1, -1, -1)], 4),
    "Schoenflies D(3)": ([turn_about(Z, 2 * math.pi / 3), diagonal(1, -1, -1)], 6),
    "Schoenflies D(2)d": ([turn_about(Z, math.pi / 2) @ diagonal(1, 1, -1), diagonal(1, -1, -1)], 8),
    "Schoenflies T": ([CYCLE, diagonal(-1, -1, 1)], 12),
    "Schoenflies Th": ([CYCLE, diagonal(1, 1, -1)], 24),
    "Schoenflies Td": ([CYCLE, mirror_across((1, -1, 0)), diagonal(-1, -1, 1)], 24),
    "Schoenflies O": ([CYCLE, turn_about(Z, math.pi / 2)], 24),
    "Schoenflies Oh": ([CYCLE, turn_about(Z, math.pi / 2), diagonal(-1, -1, -1)], 48),
    "Schoenflies I": ([CYCLE, turn_about((0, 1, GOLDEN), 2 * math.pi / 5)], 60),
    "Schoenflies Ih": ([CYCLE, turn_about((0, 1, GOLDEN), 2 * math.pi / 5), diagonal(-1, 1, 1)], 120),
    "SO(2) x trivial": ([turn_about(TILTED, 1.0)], None),
    "SO(2) x reflection": ([turn_about(TILTED, 1.0), -torch.eye(3, dtype=torch.float64)], None),
    "O(2) x trivial": ([turn_about(Z, 1.0), diagonal(1, -1, 1)], None),
    "O(2) x reflection": ([turn_about(Z, 1.0), diagonal(1, -1, 1), diagonal(1, 1, -1)], None),
    "Schoenflies D∞": ([turn_about(Z, 1.0), diagonal(1, -1, -1)], None),
    "SO(3)": ([turn_about(Z, 1.0), turn_about(TILTED, 2.0)], None),
    "O(3)": ([turn_about(Z, 1.0), turn_about(TILTED, 2.0), diagonal(1, -1, 1)], None),
}


@pytest.mark.parametrize("name", CASES)
def test_every_closed_subgroup_of_the_orthogonal_group_is_recognised(name: str) -> None:
    matrices, order = CASES[name]
    frame = turn_about((0.3, 1.0, -0.4), 0.7)
    for turned in (list(matrices), [frame @ m @ frame.mT for m in matrices]):
        group = StructureGroup.generated(turned)
        assert group.name == name
        assert group.order == order
        assert group.residual < 1e-14
        assert all(group.contains(matrix) for matrix in turned)
        assert StructureGroup.generated(group.generators or [torch.eye(3)]) == group
    # A turn by noise far below the tolerance changes nothing but the residual, one far above it the group.
    generator = torch.Generator().manual_seed(1)
    noise = torch.linalg.matrix_exp(
        1e-11
        * (lambda a: a - a.mT)(torch.randn(len(matrices), 3, 3, generator=generator, dtype=torch.float64))
    )
    noisy = StructureGroup.generated(noise @ torch.stack(matrices))
    assert noisy.name == name
    if order is not None and name not in ("SO(3)", "O(3)"):
        assert 1e-13 < noisy.residual < 1e-9


@pytest.mark.parametrize("name", [name for name, (_, order) in CASES.items() if order is not None])
def test_finite_groups_are_closed_and_exact(name: str) -> None:
    elements = StructureGroup.generated(CASES[name][0]).elements()
    assert torch.equal(elements[0], torch.eye(3, dtype=torch.float64))
    products = torch.einsum("aij,bjk->abik", elements, elements)
    distance = (products[:, :, None] - elements).abs().amax((-2, -1))
    assert float(distance.min(-1).values.max()) < 1e-14, "a product left the group"
    apart = (elements[:, None] - elements).abs().amax((-2, -1)) + 9 * torch.eye(len(elements))
    assert float(apart.min()) > 0.1, "an element is listed twice"


@pytest.mark.parametrize("first", CASES)
def test_containment_agrees_with_samples(first: str) -> None:
    big = StructureGroup.generated(CASES[first][0])
    generator = torch.Generator().manual_seed(3)
    for matrices, _ in CASES.values():
        small = StructureGroup.generated(matrices)
        tried = [*small.generators, *small.sample(3, generator)]
        inside = all(big.contains(element) for element in tried)
        assert big.contains_group(small) == inside
        assert (big.contains_group(small) and small.contains_group(big)) == (big == small)
        if (big.order or 1) * (small.order or 1) > 16:
            continue
        joined = big.with_generators(small.generators or [torch.eye(3)])
        assert joined.contains_group(big)
        assert joined.contains_group(small)
        assert (joined == big) == inside


def test_axial_groups_about_an_axis() -> None:
    for planar in (C(1), C(6), D(1), D(5), SO(2), OO(2)):
        upright = StructureGroup.axial(planar, TILTED)
        u = torch.tensor(TILTED, dtype=torch.float64) / torch.tensor(TILTED, dtype=torch.float64).norm()
        for g in upright.sample(10, torch.Generator().manual_seed(0)):
            assert float((g @ u - u).abs().max()) < 1e-14
        if planar.order not in (1, 2):
            assert upright.name == f"{planar.name} x trivial"
            assert float((upright.axis_direction.abs() - u.abs()).abs().max()) < 1e-12
        half_turns = StructureGroup.axial(planar, TILTED, mirrors="half-turns")
        assert not half_turns.reverses_orientation
        assert half_turns.order == planar.order
    assert StructureGroup.axial(D(3), mirrors="half-turns").name == "Schoenflies D(3)"
    assert StructureGroup.axial(SO(2), Z).contains_group(StructureGroup.axial(C(7), Z))
    assert not StructureGroup.axial(SO(2), Z).contains_group(StructureGroup.axial(C(7), TILTED))
    assert StructureGroup.axial(SO(2), Z) != StructureGroup.axial(SO(2), TILTED)
    assert StructureGroup.axial(SO(2), (0, 0, 2)) == StructureGroup.axial(SO(2), (0, 0, -1))
    with pytest.raises(ValueError, match="planar group"):
        StructureGroup.axial(SO(3))
    with pytest.raises(ValueError, match="direction"):
        StructureGroup.axial(SO(2), (0, 0, 0))
    with pytest.raises(ValueError, match="upright"):
        StructureGroup.axial(SO(2), mirrors="none")


def test_products_act_in_blocks() -> None:
    generator = torch.Generator().manual_seed(5)
    group = StructureGroup.product(SO(2), SO(3), D(3))
    assert group.name == "SO(2) x SO(3) x D(3)"
    assert group.dimension == 7
    g = group.sample(20, generator)
    assert float(g[:, :2, 2:].abs().max()) == 0 == float(g[:, 2:5, 5:].abs().max())
    assert all(group.contains(element) for element in g)
    assert all(D(3).contains(element[5:, 5:]) for element in g)
    assert not group.contains(torch.eye(7, dtype=torch.float64).roll(1, 0))
    assert StructureGroup.product(SO(2), StructureGroup.trivial(1)) == StructureGroup.axial(SO(2))
    assert StructureGroup.product(OO(2), StructureGroup.trivial(1)).name == "O(2) x trivial"
    assert StructureGroup.product(StructureGroup.trivial(2), StructureGroup.trivial(3)).name == "trivial"
    wide = StructureGroup.product(SO(2), SO(2))
    assert OO(4).contains_group(wide)
    assert not wide.contains_group(SO(4))
    assert not wide.contains_group(OO(4))
    assert StructureGroup.product(C(4), C(6)).order == 24
    assert StructureGroup.product(C(4), C(6)) == StructureGroup.generated(
        [torch.block_diag(rotation_matrix(math.pi / 2), rotation_matrix(math.pi / 3)),
         torch.block_diag(rotation_matrix(math.pi / 2), torch.eye(2))]
    )  # fmt: skip
    with pytest.raises(ValueError, match="beyond dimension 3"):
        wide.with_generators([torch.eye(4)[[1, 2, 3, 0]]])


def test_the_report_says_how_certain_the_group_is() -> None:
    exact = StructureGroup.generated_report([rotation_matrix(math.pi / 2)])
    assert (exact.group.name, exact.certainty, exact.alternatives) == ("C(4)", "exact", ())
    plate = [rotation_matrix(angle) for angle in (2e-7, -5e-7, 3e-7)]
    report = StructureGroup.generated_report(plate)
    assert report.group.name == "SO(2)"
    assert report.certainty == "dense"
    assert {tolerance: group.name for tolerance, group in report.alternatives} == {
        1e-6: "trivial",
        1e-3: "trivial",
    }
    assert report.groups[1].residual == pytest.approx(5e-7, rel=1e-6)
    assert "trivial within 1e-06 and 0.001" in str(report)
    near = StructureGroup.generated_report([turn_about(Z, 1e-4 + math.pi), turn_about(TILTED, 1e-5)])
    assert near.group.name == "SO(3)"
    assert near.groups[2].name == "C(2) x trivial"
    within = StructureGroup.generated_report([rotation_matrix(math.pi / 2 + 1e-10)])
    assert within.certainty == "within tolerance"
    assert within.residual == pytest.approx(1e-10, rel=1e-4)


def test_infinitesimal_generators_are_tangent_to_the_group() -> None:
    for group in (SO(2), OO(3), StructureGroup.axial(SO(2), TILTED), StructureGroup.product(SO(2), SO(3))):
        found = group.infinitesimal_generators
        assert found
        for x in found:
            assert torch.equal(x, -x.mT)
            assert group.contains(torch.linalg.matrix_exp(0.3 * x))
    assert C(5).infinitesimal_generators == []


def test_a_group_in_another_frame() -> None:
    q = turn_about(TILTED, 0.4)
    group = StructureGroup.axial(D(3)).conjugated(q)
    assert group.name == "D(3) x trivial"
    assert all(group.contains(q @ g @ q.mT) for g in StructureGroup.axial(D(3)).elements())
    assert float((group.axis_direction - q[:, 2]).abs().max()) < 1e-14
