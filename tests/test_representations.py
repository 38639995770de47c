"""Field types: strings, homomorphism, layout, restriction, tensor products, conversions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import KernelSpace
from manifoldconv.orthogonal import reflection_matrix, rotation_matrix
from manifoldconv.representations import (
    Representation,
    from_e3nn_order,
    from_escnn_order,
    to_e3nn_order,
    to_escnn_order,
)
from manifoldconv.representations.harmonics import circular_harmonics, spherical_harmonics, wigner_matrix

SO2, O2 = StructureGroup.special_orthogonal(2), StructureGroup.orthogonal(2)
SO3, O3 = StructureGroup.special_orthogonal(3), StructureGroup.orthogonal(3)
TYPES = [
    ("2x0 + 1x1", StructureGroup.trivial(2)),
    ("1x0 + 1xsign + 2x1 + 1x2 + 1xregular", StructureGroup.reflection(reflection_matrix(0.3))),
    ("1xhalf + 1x1 + 1x3 + 2xregular", StructureGroup.cyclic(2)),
    ("1x0 + 2x1 + 1x2 + 1x5 + 1xregular", StructureGroup.cyclic(4)),
    ("1x1 + 1x2 + 1xregular", StructureGroup.cyclic(5)),
    ("1x1+ + 2x1- + 1x1", StructureGroup.dihedral(2, 0.4)),
    ("1xsign + 1x1 + 1x3+ + 1x3- + 1x3 + 1xregular", StructureGroup.dihedral(6, 0.2)),
    ("3x0 + 1x1 + 1x4", SO2),
    ("1x0 + 1xsign + 2x1 + 1x3", O2),
    ("1x0 + 2x1 + 1x2 + 1x4", SO3),
    ("1x0e + 1x0o + 1x1o + 2x1e + 1x2e + 1x3e", O3),
    ("1x1 + 1x2 + 1xregular", StructureGroup.axial(StructureGroup.cyclic(3), (1.0, 1.0, 0.2))),
    ("1x1o + 1x2o", StructureGroup.axial(O2)),
    ("1x0 + 1xsign + 2x1", StructureGroup.product(SO2, O3)),
]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


@pytest.mark.parametrize(("text", "group"), TYPES, ids=str)
def test_field_types_are_orthogonal_homomorphisms_and_their_strings_round_trip(
    text: str, group: StructureGroup
) -> None:
    rep = Representation(text, group)
    assert str(rep) == text
    assert Representation(str(rep), group) == rep
    assert hash(Representation(str(rep), group)) == hash(rep)
    g, h = group.sample(12, generator()), group.sample(12, generator()).flip(0)
    one = rep.matrix(g)
    assert one.shape == (12, rep.size, rep.size)
    assert one.dtype == torch.float64
    identity = torch.eye(rep.size, dtype=torch.float64)
    # Degrees up to 4 come from a least-squares fit over 36 points, exact to some 1e-14.
    assert float((one @ rep.matrix(h) - rep.matrix(g @ h)).abs().max()) < 1e-12
    assert float((one.mT @ one - identity).abs().max()) < 1e-12
    assert float((rep.matrix(torch.eye(group.dimension)) - identity).abs().max()) < 1e-13
    assert rep.dual == rep


@pytest.mark.parametrize("group", [g for _, g in TYPES if g.dimension in (2, 3)], ids=repr)
def test_type_one_is_the_vector_field(group: StructureGroup) -> None:
    g = group.sample(9, generator())
    assert torch.equal(Representation("1", group).matrix(g), g)
    sign = Representation("sign", group).matrix(g)[:, 0, 0]
    assert torch.allclose(sign, torch.linalg.det(g), rtol=0, atol=1e-12)


def test_frequencies_of_the_plane() -> None:
    rep = Representation("3", O2)
    assert torch.allclose(rep.matrix(rotation_matrix(0.4)), rotation_matrix(1.2), rtol=0, atol=1e-14)
    assert torch.allclose(rep.matrix(reflection_matrix(0.4)), reflection_matrix(1.2), rtol=0, atol=1e-14)
    d4 = StructureGroup.dihedral(4, 0.3)
    quarter, mirror = rotation_matrix(math.pi / 2), reflection_matrix(0.3)
    for name, sign in (("2+", 1.0), ("2-", -1.0)):
        assert float(Representation(name, d4).matrix(quarter)) == -1.0
        assert float(Representation(name, d4).matrix(mirror)) == sign
    assert Representation("2", StructureGroup.cyclic(4)).size == 1
    assert Representation("half", StructureGroup.cyclic(2)).size == 1
    assert Representation("1", StructureGroup.cyclic(2)).size == 2


def test_the_regular_type_permutes_the_elements() -> None:
    for group in (StructureGroup.cyclic(5), StructureGroup.dihedral(3, 0.2)):
        elements = group.elements()
        matrix = Representation("regular", group).matrix(elements)
        for i, g in enumerate(elements):
            for j, h in enumerate(elements):
                k = int(matrix[i, :, j].argmax())
                assert float(matrix[i, :, j].sum()) == 1.0
                assert torch.allclose(elements[k], g @ h, rtol=0, atol=1e-12)
    off = rotation_matrix(0.3)
    with pytest.raises(ValueError, match=r"C\(5\)"):
        Representation("regular", StructureGroup.cyclic(5)).matrix(off)
    with pytest.raises(ValueError, match=r"C\(4\)"):
        Representation("2", StructureGroup.cyclic(4)).matrix(off)


def test_blocks_tell_the_layout() -> None:
    rep = Representation("2x0 + 2x1 + 1x0", SO2)
    assert [(b.irrep.name, b.multiplicity, b.slice) for b in rep.blocks] == [
        ("0", 2, slice(0, 2)),
        ("1", 2, slice(2, 6)),
        ("0", 1, slice(6, 7)),
    ]
    turn = rotation_matrix(0.7)
    expected = torch.block_diag(torch.eye(2), turn, turn, torch.eye(1))
    assert torch.allclose(rep.matrix(turn), expected.double(), rtol=0, atol=1e-15)
    assert Representation("0 + 0 + 1", SO2) == Representation("2x0+1x1", SO2)
    assert Representation("1x2++1x2-", StructureGroup.dihedral(4)).size == 2
    total = Representation("2x0", SO2) + Representation("0 + 1", SO2)
    assert str(total) == "3x0 + 1x1"
    assert Representation("3x0", SO2).is_scalar
    assert not rep.is_scalar
    assert Representation("sign", SO2).is_scalar


def test_fields_of_the_wrong_size_are_refused() -> None:
    rep = Representation("2x0 + 1x1", SO2)
    rep.check_field(torch.zeros(7, 4))
    with pytest.raises(ValueError, match=r"^a field of type 2x0 \+ 1x1 has 4 channels; got 5$"):
        rep.check_field(torch.zeros(7, 5))


@pytest.mark.parametrize(("text", "group"), TYPES, ids=str)
def test_the_derivative_is_that_of_the_matrices(text: str, group: StructureGroup) -> None:
    rep = Representation(text, group)
    for x in group.infinitesimal_generators:
        # Central differences: an error of step² times the third derivative, which is at most 4³.
        step = 1e-4
        ends = [rep.matrix(torch.linalg.matrix_exp(sign * step * x)) for sign in (1, -1)]
        assert float((rep.derivative(x) - (ends[0] - ends[1]) / (2 * step)).abs().max()) < 1e-6
        assert float((rep.derivative(x) + rep.derivative(x).mT).abs().max()) < 1e-12


@pytest.mark.parametrize(
    ("text", "group", "subgroup", "expected"),
    [
        ("1x0 + 1xsign + 1x1", O2, SO2, "2x0 + 1x1"),
        ("1x0 + 1xsign + 1x2", O2, StructureGroup.cyclic(4), "2x0 + 2x2"),
        ("1x1", SO2, StructureGroup.cyclic(2), "1x1"),
        ("1x3+ + 1x3-", StructureGroup.dihedral(6), StructureGroup.cyclic(6), "2x3"),
        ("1x3+ + 1x3-", StructureGroup.dihedral(6), StructureGroup.dihedral(3), "1x0 + 1xsign"),
        ("1x3+ + 1x3-", StructureGroup.dihedral(6), StructureGroup.dihedral(2), "1x1+ + 1x1-"),
        ("1x4", StructureGroup.cyclic(8), StructureGroup.cyclic(2), "1x0"),
        ("1x1o + 1x1e + 1x0o", O3, SO3, "2x1 + 1x0"),
        ("1x0o + 1x2e", O3, StructureGroup.inversion(3), "1x0o + 1x2e"),
        ("1xregular", StructureGroup.dihedral(4), StructureGroup.cyclic(4), "1xregular of D(4)"),
    ],
)
def test_restriction_keeps_the_matrices(
    text: str, group: StructureGroup, subgroup: StructureGroup, expected: str
) -> None:
    rep = Representation(text, group)
    smaller = rep.restrict(subgroup)
    assert str(smaller) == expected
    assert smaller.group == subgroup
    g = subgroup.sample(20, generator())
    assert float((rep.matrix(g) - smaller.matrix(g)).abs().max()) < 1e-12
    with pytest.raises(ValueError, match="not a subgroup"):
        Representation("0", subgroup).restrict(StructureGroup.orthogonal(group.dimension))


def test_tensor_products() -> None:
    def product(group: StructureGroup, one: str, two: str) -> str:
        return str(Representation(one, group).tensor_product(Representation(two, group)))

    assert product(SO2, "1", "1") == "2x0 + 1x2"
    assert product(O2, "2", "3") == "1x1 + 1x5"
    assert product(O2, "sign", "sign + 3") == "1x0 + 1x3"
    assert product(StructureGroup.cyclic(4), "1", "1") == "2x0 + 2x2"
    assert product(StructureGroup.dihedral(4), "1", "1") == "1x0 + 1xsign + 1x2+ + 1x2-"
    assert product(SO3, "1", "2") == "1x1 + 1x2 + 1x3"
    assert product(O3, "1o", "1o") == "1x0e + 1x1e + 1x2e"


@pytest.mark.parametrize(
    "group",
    [StructureGroup.trivial(2), StructureGroup.reflection(), *(StructureGroup.cyclic(n) for n in (2, 5, 6))]
    + [StructureGroup.dihedral(n, 0.1) for n in (2, 3, 8)],
    ids=repr,
)
def test_irreducible_types_are_complete(group: StructureGroup) -> None:
    """Burnside: the regular type holds each, and the dimensions squared sum to the order (÷ 2 if complex)."""
    elements = group.elements()
    irreps = Representation.irreps(group)
    characters = [irrep.matrix(elements).diagonal(dim1=-2, dim2=-1).sum(-1) for irrep in irreps]
    norms = [float((c * c).mean()) for c in characters]
    assert all(round(norm) in (1, 2) and abs(norm - round(norm)) < 1e-12 for norm in norms)
    for i, one in enumerate(characters):
        for other in characters[:i]:
            assert abs(float((one * other).mean())) < 1e-12
    assert sum(round(irrep.size**2 / norm) for irrep, norm in zip(irreps, norms, strict=True)) == group.order


def fibonacci(count: int) -> Tensor:
    index = torch.arange(count, dtype=torch.float64) + 0.5
    z, angle = 1 - 2 * index / count, math.pi * (1 + math.sqrt(5)) * index
    flat = torch.sqrt(1 - z**2)
    return torch.stack([flat * torch.cos(angle), flat * torch.sin(angle), z], -1)


@pytest.mark.parametrize("degree", range(7))
def test_harmonics_are_orthonormal_and_turn_by_wigner_matrices(degree: int) -> None:
    rotations = O3.sample(5, generator())
    points = fibonacci(50)
    values = spherical_harmonics(points, degree)
    turned = spherical_harmonics(points @ rotations.mT, degree)
    expected = torch.einsum("gab,nb->gna", wigner_matrix(rotations, degree), values)
    assert float((turned - expected).abs().max()) < 1e-12
    # Σ_m Y_m² = 2l + 1 (Unsöld); and an exact quadrature, Gauss in y times equal angles.
    assert torch.allclose(values.square().sum(-1), torch.tensor(2 * degree + 1.0).double(), rtol=1e-13)
    nodes = torch.linspace(-1, 1, 5, dtype=torch.float64)
    x, y = nodes * math.sqrt(0.3), torch.sqrt(1 - 0.3 * nodes**2)
    legendre = spherical_harmonics(torch.stack([x, y, 0 * x], -1), degree)[:, degree]
    assert torch.allclose(
        legendre,
        math.sqrt(2 * degree + 1) * torch.special.legendre_polynomial_p(y, degree),
        rtol=0,
        atol=1e-12,
    )
    if degree:
        angle = torch.linspace(0, 6, 9, dtype=torch.float64)
        circle = circular_harmonics(torch.stack([torch.cos(angle), torch.sin(angle)], -1), degree)
        assert torch.allclose(circle[:, 0], math.sqrt(2) * torch.cos(degree * angle), rtol=0, atol=1e-13)


def test_degree_one_is_the_vector_and_degree_two_the_literature() -> None:
    p = fibonacci(20)
    x, y, z = p.unbind(-1)
    assert torch.allclose(spherical_harmonics(p, 1), math.sqrt(3) * p, rtol=0, atol=1e-14)
    third = math.sqrt(3)
    table = [third * x * z, third * x * y, y**2 - (x**2 + z**2) / 2, third * y * z, third / 2 * (z**2 - x**2)]
    expected = math.sqrt(5) * torch.stack(table, -1)
    assert torch.allclose(spherical_harmonics(p, 2), expected, rtol=0, atol=1e-13)


def test_agreement_with_e3nn() -> None:
    o3 = pytest.importorskip("e3nn.o3")
    g = SO3.sample(4, generator()).to(torch.float32)
    irreps = o3.Irreps("2x0e + 1x1o + 1x2e + 1x3o")
    ours = Representation("2x0e + 1x1o + 1x2e + 1x3o", O3).matrix(g)
    assert float((irreps.D_from_matrix(g) - ours).abs().max()) < 1e-4  # e3nn goes through float32 angles
    p = fibonacci(30)
    for degree in range(5):
        theirs = o3.spherical_harmonics(degree, p, normalize=True, normalization="component")
        assert float((theirs - spherical_harmonics(p, degree)).abs().max()) < 1e-10


def test_conversions_between_orders() -> None:
    rep = Representation("2x0 + 2x1 + 1x2", SO3)
    field = torch.randn(6, rep.size, generator=generator(), dtype=torch.float64)
    assert torch.equal(to_e3nn_order(field, rep), field)
    assert torch.equal(from_e3nn_order(field, rep), field)
    with pytest.raises(ValueError, match="in the plane"):
        to_escnn_order(field, rep)
    planar = Representation("1x0 + 1x1", SO2)
    assert torch.equal(to_escnn_order(field[:, :3], planar), field[:, :3])
    assert torch.equal(from_escnn_order(field[:, :3], planar), field[:, :3])
    with pytest.raises(ValueError, match="mirrors"):
        to_escnn_order(field[:, :2], Representation("1", StructureGroup.dihedral(3, 0.1)))
    with pytest.raises(ValueError, match="e3nn"):
        to_e3nn_order(field[:, :3], planar)


@pytest.mark.parametrize(
    ("text", "group", "message"),
    [
        ("", SO2, "written as"),
        ("2y0", SO2, "no field type '2y0'"),
        ("1x-1", SO2, "no term"),
        ("0x1", SO2, "at least one channel"),
        ("regular", SO2, "finite groups only"),
        ("half", SO2, "no field type 'half'"),
        ("2+", StructureGroup.dihedral(6), '"3\\+", "3-"'),
        ("1e", SO2, "no field type '1e'"),
        ("sing", SO3, "no field type 'sing'"),
        ("2", StructureGroup.trivial(5), '"1" \\(vectors\\)'),
    ],
)
def test_bad_types_are_refused(text: str, group: StructureGroup, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Representation(text, group)


def test_types_of_different_groups_do_not_mix() -> None:
    with pytest.raises(ValueError, match="different groups"):
        Representation("0", SO2) + Representation("0", O2)
    with pytest.raises(ValueError, match="are listed for the plane"):
        Representation.irreps(StructureGroup.axial(SO2))


def test_equal_groups_that_list_their_elements_in_another_order_keep_their_own_regular_kernels():
    """D(4) with its first mirror at 0 and at 45 degrees is one set, in two orders of the channels of "regular"."""
    nodes = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for axis in (0.0, math.pi / 4):
        group = StructureGroup.dihedral(4, axis)
        regular, vector = Representation("regular", group), Representation("1", group)
        for rep_in, rep_out in ((regular, vector), (vector, regular), (regular, regular)):
            space = KernelSpace(rep_in, rep_out, group, band_limit=2)
            values = space.sample(nodes)
            for element in group.elements():
                moved = space.sample(nodes @ element.mT)
                expected = rep_out.matrix(element) @ values @ rep_in.matrix(element).mT
                assert torch.allclose(moved, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("axis", [0.0, 0.3])
def test_restricted_regular_types_are_read_back(axis: float) -> None:
    whole = StructureGroup.dihedral(4, axis)
    for subgroup in (StructureGroup.cyclic(4), StructureGroup.cyclic(2), StructureGroup.trivial(2)):
        rep = Representation("2x0 + regular", whole).restrict(subgroup)
        again = Representation(str(rep), subgroup)
        assert again == rep
        assert torch.equal(again.matrix(subgroup.elements()), rep.matrix(subgroup.elements()))
        assert again.restrict(StructureGroup.trivial(2)) == rep.restrict(StructureGroup.trivial(2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("regular of D(3)", "is not a subgroup of"),
        ("regular of SO(2)", "for finite groups only"),
        ("regular of everything", "no group of the plane has the name 'everything'"),
        ("regular of C(4) at 0.3", "no mirror line"),
        ("regular of D(4) at home", "is read as"),
    ],
)
def test_restricted_regular_types_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Representation(text, StructureGroup.cyclic(4))


@pytest.mark.parametrize(
    ("one", "two", "group"),
    [
        ("1 + 2x0", "2", StructureGroup.axial(StructureGroup.cyclic(3))),
        ("1o + 0o", "1e", StructureGroup.axial(StructureGroup.dihedral(2))),
        ("regular + 1", "regular + 2", StructureGroup.axial(StructureGroup.cyclic(3))),
        ("1", "1", StructureGroup.axial(StructureGroup.special_orthogonal(2))),
        ("2x0 + sign", "0 + 2xsign", StructureGroup.orthogonal(4)),
        ("3x0", "1 + sign", StructureGroup.orthogonal(5)),
    ],
)
def test_tensor_products_elsewhere_have_the_product_of_the_characters(
    one: str, two: str, group: StructureGroup
) -> None:
    first, second = Representation(one, group), Representation(two, group)
    product = first.tensor_product(second)
    assert product.size == first.size * second.size
    elements = group.sample(20, torch.Generator().manual_seed(0))

    def character(rep: Representation) -> Tensor:
        return rep.matrix(elements).diagonal(dim1=-2, dim2=-1).sum(-1)

    assert torch.allclose(character(product), character(first) * character(second), atol=1e-10)


def test_products_without_a_name_are_refused() -> None:
    four = StructureGroup.orthogonal(4)
    with pytest.raises(ValueError, match="1 times 1 has no name"):
        Representation("1", four).tensor_product(Representation("1", four))
