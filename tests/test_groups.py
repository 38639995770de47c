"""Structure groups: names, closure of generators, membership, Haar samples, equality."""

from __future__ import annotations

import math

import pytest
import torch

from manifoldconv.groups import StructureGroup
from manifoldconv.groups.named import named_group
from manifoldconv.orthogonal import describe_element, reflection_matrix, rotation_matrix

PLANE_GROUPS = [
    StructureGroup.trivial(2),
    StructureGroup.reflection(),
    StructureGroup.reflection(reflection_matrix(0.3)),
    StructureGroup.cyclic(2),
    StructureGroup.cyclic(4),
    StructureGroup.cyclic(7),
    StructureGroup.dihedral(3, axis=0.2),
    StructureGroup.dihedral(4),
    StructureGroup.special_orthogonal(2),
    StructureGroup.orthogonal(2),
]
GROUPS = [
    *PLANE_GROUPS,
    StructureGroup.trivial(3),
    StructureGroup.reflection(-torch.eye(3)),
    StructureGroup.special_orthogonal(3),
    StructureGroup.orthogonal(3),
    StructureGroup.orthogonal(1),
]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize(
    ("group", "name", "order"),
    [
        (StructureGroup.trivial(5), "trivial", 1),
        (StructureGroup.reflection(), "reflection", 2),
        (StructureGroup.cyclic(1), "trivial", 1),
        (StructureGroup.cyclic(12), "C(12)", 12),
        (StructureGroup.dihedral(1), "reflection", 2),
        (StructureGroup.dihedral(6), "D(6)", 12),
        (StructureGroup.special_orthogonal(1), "trivial", 1),
        (StructureGroup.special_orthogonal(2), "SO(2)", None),
        (StructureGroup.special_orthogonal(4), "SO(4)", None),
        (StructureGroup.orthogonal(1), "reflection", 2),
        (StructureGroup.orthogonal(2), "O(2)", None),
        (StructureGroup.orthogonal(3), "O(3)", None),
    ],
)
def test_names_and_orders(group: StructureGroup, name: str, order: int | None) -> None:
    assert group.name == name
    assert group.order == order
    assert group.is_finite == (order is not None)
    assert name in repr(group)


@pytest.mark.parametrize("group", [group for group in GROUPS if group.is_finite], ids=repr)
def test_finite_groups_are_closed_and_complete(group: StructureGroup) -> None:
    elements = group.elements()
    products = torch.einsum("aij,bjk->abik", elements, elements)
    distance = (products[:, :, None] - elements).abs().amax((-2, -1))
    assert float(distance.min(-1).values.max()) < 1e-14, "a product left the group"
    apart = (elements[:, None] - elements).abs().amax((-2, -1)) + 9 * torch.eye(len(elements))
    assert float(apart.min()) > 0.1, "an element is listed twice"
    assert all(group.contains(element) for element in elements)


@pytest.mark.parametrize("group", PLANE_GROUPS, ids=repr)
def test_own_generators_generate_the_group(group: StructureGroup) -> None:
    generators = group.generators or [torch.eye(2)]
    assert StructureGroup.generated(generators) == group


@pytest.mark.parametrize("n", [1, 2, 3, 5, 24, 359, 360])
def test_generated_recognises_rational_rotations(n: int) -> None:
    group = StructureGroup.generated([rotation_matrix(2 * math.pi * 7 * k / n) for k in range(1, 6)])
    expected = n // math.gcd(n, 7)
    assert group == StructureGroup.cyclic(expected)
    assert group.residual < 1e-13  # angles up to 220 rad are rounded to 3e-14


def test_two_orders_join_to_their_least_common_multiple() -> None:
    group = StructureGroup.generated([rotation_matrix(2 * math.pi / 6), rotation_matrix(-2 * math.pi / 4)])
    assert group.name == "C(12)"
    beyond = StructureGroup.generated([rotation_matrix(2 * math.pi / 20), rotation_matrix(2 * math.pi / 19)])
    assert beyond.name == "SO(2)", "380 rotations are more than max_order"
    more = StructureGroup.generated([*beyond.generators, reflection_matrix(0.0)])
    assert more.name == "O(2)"


@pytest.mark.parametrize("alpha", [0.0, math.pi / 2, math.pi / 3, 2 * math.pi / 5])
def test_two_mirrors_generate_the_rotation_by_twice_their_angle(alpha: float) -> None:
    mirrors = [reflection_matrix(0.4), reflection_matrix(0.4 + alpha)]
    group = StructureGroup.generated(mirrors)
    assert group.contains(rotation_matrix(2 * alpha))
    assert all(group.contains(mirror) for mirror in mirrors)
    n = {0.0: 1, math.pi / 2: 2, math.pi / 3: 3, 2 * math.pi / 5: 5}[alpha]
    assert group == StructureGroup.dihedral(n, axis=0.4)


def test_mirrors_at_an_irrational_angle_are_dense() -> None:
    group = StructureGroup.generated([reflection_matrix(0.0), reflection_matrix(0.5)])
    assert group == StructureGroup.orthogonal(2)


def test_random_angles_are_dense() -> None:
    angles = 2 * math.pi * torch.rand(300, generator=generator(), dtype=torch.float64)
    for angle in angles:
        assert StructureGroup.generated([rotation_matrix(angle)]).name == "SO(2)"


def test_tolerance_is_the_border_between_finite_and_dense() -> None:
    off = rotation_matrix(2 * math.pi / 5 + 1e-7)
    assert StructureGroup.generated([off]).name == "SO(2)"
    loose = StructureGroup.generated([off], tolerance=1e-6)
    assert loose.name == "C(5)"
    assert loose.residual == pytest.approx(1e-7, rel=1e-6)
    assert loose == StructureGroup.cyclic(5)
    assert StructureGroup.generated([rotation_matrix(2 * math.pi / 50)], max_order=49).name == "SO(2)"


def test_the_mirror_axis_is_recorded() -> None:
    group = StructureGroup.generated([reflection_matrix(2.0), rotation_matrix(math.pi / 2)])
    assert group.name == "D(4)"
    assert group.axis == pytest.approx(2.0 % (math.pi / 4), abs=1e-12)
    assert StructureGroup.reflection(torch.diag(torch.tensor([-1.0, 1.0]))).axis == pytest.approx(math.pi / 2)
    assert StructureGroup.cyclic(4).axis is None


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_samples_and_test_elements_lie_in_the_group(group: StructureGroup) -> None:
    d = group.dimension
    samples = group.sample(50, generator())
    assert samples.shape == (50, d, d)
    assert samples.dtype == torch.float64
    assert all(group.contains(element) for element in samples)
    assert group.test_elements().shape[1:] == (d, d)
    assert all(group.contains(element) for element in group.test_elements())
    assert torch.equal(group.test_elements(), group.test_elements())


@pytest.mark.parametrize(
    "group", [StructureGroup.special_orthogonal(3), StructureGroup.orthogonal(2)], ids=repr
)
def test_samples_follow_the_haar_measure(group: StructureGroup) -> None:
    count = 4000
    samples = group.sample(count, generator())
    # Under Haar E[g] = 0 and E[g_ij²] = 1/d; the means of 4000 samples err by at most 1/√4000 ≈ 0.016 each.
    assert float(samples.mean(0).abs().max()) < 0.08
    assert float((samples.square().mean(0) - 1 / group.dimension).abs().max()) < 0.08
    reversing = float((torch.linalg.det(samples) < 0).double().mean())
    assert reversing == pytest.approx(0.0 if group.mirror is None else 0.5, abs=0.05)


def test_membership() -> None:
    c4, d4 = StructureGroup.cyclic(4), StructureGroup.dihedral(4)
    assert c4.contains(rotation_matrix(math.pi / 2))
    assert not c4.contains(rotation_matrix(math.pi / 4))
    assert not c4.contains(reflection_matrix(0.0))
    assert d4.contains(reflection_matrix(math.pi / 4))
    assert not d4.contains(reflection_matrix(math.pi / 8))
    assert not d4.contains(2 * torch.eye(2))
    assert not StructureGroup.special_orthogonal(3).contains(-torch.eye(3))
    assert StructureGroup.orthogonal(3).contains(-torch.eye(3))
    with pytest.raises(ValueError, match=r"last axes \(2, 2\)"):
        c4.contains(torch.eye(3))


@pytest.mark.parametrize("first", PLANE_GROUPS, ids=repr)
@pytest.mark.parametrize("second", PLANE_GROUPS, ids=repr)
def test_containment_is_a_partial_order(first: StructureGroup, second: StructureGroup) -> None:
    if first.contains_group(second):
        assert all(first.contains(element) for element in second.sample(20, generator()))
        assert first.with_generators(second.generators or [torch.eye(2)]) == first
    assert (first.contains_group(second) and second.contains_group(first)) == (first == second)
    assert StructureGroup.orthogonal(2).contains_group(first)
    assert first.contains_group(StructureGroup.trivial(2))
    joined = first.with_generators(second.generators or [torch.eye(2)])
    assert joined.contains_group(first)
    assert joined.contains_group(second)


def test_equality_is_equality_of_elements() -> None:
    assert StructureGroup.dihedral(3, 0.1) == StructureGroup.dihedral(3, 0.1 + math.pi / 3)
    assert StructureGroup.dihedral(3, 0.1) != StructureGroup.dihedral(3, 0.2)
    assert StructureGroup.reflection() != StructureGroup.reflection(reflection_matrix(math.pi / 2))
    assert StructureGroup.trivial(2) != StructureGroup.trivial(3)
    assert StructureGroup.cyclic(3) != "C(3)"
    assert len({StructureGroup.dihedral(3, 0.1), StructureGroup.dihedral(3, 0.1 - math.pi / 3)}) == 1


def test_with_generators_keeps_the_residual_and_large_orders() -> None:
    loose = StructureGroup.generated([rotation_matrix(math.pi / 2 + 1e-7)], tolerance=1e-6)
    assert loose.with_generators([rotation_matrix(math.pi)]).residual == pytest.approx(1e-7, rel=1e-6)
    assert StructureGroup.cyclic(1000).with_generators([rotation_matrix(math.pi)]).name == "C(1000)"
    assert StructureGroup.special_orthogonal(3).with_generators([-torch.eye(3)]).name == "O(3)"


def test_reflections_in_other_dimensions_and_what_is_not_recognised() -> None:
    assert StructureGroup.generated([torch.eye(3)] * 2).name == "trivial"
    across = torch.eye(3) - 2 * torch.ones(3, 3) / 3
    group = StructureGroup.generated([across.double(), torch.eye(3).double()], tolerance=1e-6)
    assert group.name == "reflection"
    assert float((group.mirror - across).abs().max()) < 1e-6
    assert StructureGroup.generated([-torch.eye(1)]).name == "reflection"
    with pytest.raises(ValueError, match=r"StructureGroup.special_orthogonal\(4\)"):
        StructureGroup.generated([torch.block_diag(rotation_matrix(1.0), torch.eye(2))])


def test_bad_input_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match="matrix 1 is not orthogonal"):
        StructureGroup.generated([torch.eye(2), torch.eye(2) * 1.01])
    with pytest.raises(ValueError, match="no dimension"):
        StructureGroup.generated([])
    with pytest.raises(ValueError, match="nan"):
        StructureGroup.generated([torch.full((2, 2), math.nan)])
    with pytest.raises(ValueError, match=r"\(k, d, d\)"):
        StructureGroup.generated(torch.eye(2)[None, None])
    with pytest.raises(ValueError, match="determinant -1"):
        StructureGroup.reflection(-torch.eye(2))
    turned = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    turned[:2, :2] = rotation_matrix(1.0)
    with pytest.raises(ValueError, match="its own inverse"):
        StructureGroup.reflection(turned)
    with pytest.raises(ValueError, match="whole number"):
        StructureGroup.cyclic(0)
    with pytest.raises(ValueError, match="whole number"):
        StructureGroup.orthogonal(2.5)
    with pytest.raises(ValueError, match="infinitely many"):
        StructureGroup.special_orthogonal(2).elements()
    with pytest.raises(ValueError, match=r"acts in dimension 2"):
        StructureGroup.cyclic(3).contains_group(StructureGroup.trivial(3))


def test_quarter_turns_are_exact() -> None:
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    assert torch.equal(StructureGroup.cyclic(4).elements()[1], quarter)
    assert torch.equal(StructureGroup.cyclic(8).elements()[2], quarter)


def test_elements_are_described_in_words() -> None:
    assert describe_element(torch.eye(3)) == "identity"
    assert describe_element(rotation_matrix(math.pi)) == "rotation by 3.142 rad (180°)"
    assert describe_element(reflection_matrix(math.pi / 4)).startswith("reflection across the line at 0.7854")
    assert describe_element(torch.diag(torch.tensor([1.0, 1.0, -1.0]))) == "reflection diag(1, 1, -1)"


@pytest.mark.parametrize(
    "group",
    [
        StructureGroup.trivial(3),
        StructureGroup.cyclic(12),
        StructureGroup.dihedral(5, 0.4),
        StructureGroup.axial(StructureGroup.dihedral(3), mirrors="half-turns"),
        StructureGroup.product(StructureGroup.reflection(), StructureGroup.cyclic(3)),
    ],
    ids=str,
)
def test_a_group_is_known_by_its_elements_in_any_order(group: StructureGroup) -> None:
    elements = group.elements()
    shuffled = elements[torch.randperm(len(elements), generator=torch.Generator().manual_seed(1))]
    assert StructureGroup.from_elements(shuffled) == group
    assert StructureGroup.from_elements(torch.cat([shuffled, shuffled[:1]])) == group
    assert StructureGroup.from_elements(shuffled.float(), tolerance=1e-6).order == group.order


def test_lists_that_are_not_closed_are_refused_with_the_product_that_is_missing() -> None:
    turns = StructureGroup.cyclic(4).elements()
    with pytest.raises(
        ValueError, match=r"matrix 1 times matrix 2, the rotation by -1.571 rad \(-90°\), is not among"
    ):
        StructureGroup.from_elements(turns[:3])
    with pytest.raises(
        ValueError, match="matrix 0 times matrix 0, the identity, is not among the 1 matrices"
    ):
        StructureGroup.from_elements(reflection_matrix(0.3)[None])
    with pytest.raises(ValueError, match="is not among the 2 matrices"):
        StructureGroup.from_elements([torch.eye(2), rotation_matrix(1.0)])
    with pytest.raises(ValueError, match="matrix 1 is not orthogonal"):
        StructureGroup.from_elements([torch.eye(2), torch.tensor([[1.0, 0.1], [0.0, 1.0]])])
    with pytest.raises(ValueError, match="no matrices"):
        StructureGroup.from_elements(torch.empty(0, 2, 2))


def test_groups_are_read_by_their_names() -> None:
    for group in (StructureGroup.trivial(2), StructureGroup.reflection(), StructureGroup.cyclic(7)):
        assert named_group(group.name) == group
    for group in (
        StructureGroup.dihedral(4),
        StructureGroup.special_orthogonal(2),
        StructureGroup.orthogonal(2),
    ):
        assert named_group(group.name) == group
    for name in ("C(0)", "C(1000)", "C(4", "SO(3)", ""):
        with pytest.raises(ValueError, match="no group of the plane has the name"):
            named_group(name)


def test_components_beyond_space_permute_the_invariant_subspaces() -> None:
    turns = StructureGroup.special_orthogonal(2)
    group = StructureGroup.product(turns, turns)
    mirror = reflection_matrix(0.3)
    both = torch.block_diag(mirror, mirror)
    swap = torch.eye(4, dtype=torch.float64).roll(2, dims=0)
    assert group.with_generators(group.sample(2, torch.Generator().manual_seed(0))) == group
    joined = group.with_generators(both[None])
    assert joined.name == "SO(2) x SO(2) with 2 components"
    assert joined.contains(both @ group.sample(1, torch.Generator().manual_seed(1))[0])
    assert not joined.contains(torch.block_diag(mirror, torch.eye(2, dtype=torch.float64)))
    assert not joined.contains(swap)
    # All of O(2) x O(2), and the exchange of the two.
    whole = group.with_generators(
        torch.stack([torch.block_diag(mirror, torch.eye(2, dtype=torch.float64)), swap])
    )
    assert whole.name == "SO(2) x SO(2) with 8 components"
    assert whole.contains_group(joined)
    assert joined.with_generators(swap[None]).name == "SO(2) x SO(2) with 4 components"
    mixing = torch.linalg.qr(
        torch.rand(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ).Q
    with pytest.raises(ValueError, match="is not recognised: beyond dimension 3"):
        group.with_generators(mixing[None])
