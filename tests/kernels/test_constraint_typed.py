"""Admissibility between field types: defects, averages, distances and what the refusal says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.errors import HolonomyError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import (
    Kernel,
    KernelSpace,
    RadialBasis,
    derivative_of_gaussian,
    distance,
    gaussian,
    invariance_defect,
    project,
    require_admissible,
)
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation

SO2, O2 = StructureGroup.special_orthogonal(2), StructureGroup.orthogonal(2)
SO3, O3 = StructureGroup.special_orthogonal(3), StructureGroup.orthogonal(3)
RULE = TangentRule.polar(1.0, 4, 16)
SPATIAL_RULE = TangentRule.points(
    torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), torch.ones(12)
)
ONE = RadialBasis.gaussian_rings(1.0, 1)
CASES = [
    ("0 + 1", "sign + 2", O2, RULE),
    ("1", "0 + 1", SO2, RULE),
    ("1", "regular", StructureGroup.dihedral(3, 0.2), RULE),
    ("0", "sign", StructureGroup.reflection(), RULE),
    ("0e", "1o + 1e", O3, SPATIAL_RULE),
    ("1", "0", StructureGroup.axial(SO2, (1.0, 0.5, 2.0)), SPATIAL_RULE),
]


def gradient_kernel(group: StructureGroup) -> Kernel:
    """v ↦ v g(v), from scalars to vectors: admissible for all of O(d)."""

    def function(nodes: Tensor) -> Tensor:
        return (nodes * torch.exp(-nodes.square().sum(-1, keepdim=True)))[..., None]

    return Kernel(
        function, "v g(v)", 1, rep_in=Representation("0", group), rep_out=Representation("1", group)
    )


def random_kernel(into: str, out: str, group: StructureGroup) -> Kernel:
    rep_in, rep_out = Representation(into, group), Representation(out, group)
    d = group.dimension
    generator = torch.Generator().manual_seed(5)
    shape = (rep_out.size, rep_in.size)
    constant = torch.randn(*shape, generator=generator, dtype=torch.float64)
    linear = torch.randn(*shape, d, generator=generator, dtype=torch.float64)
    quadratic = torch.randn(*shape, d, d, generator=generator, dtype=torch.float64)

    def function(nodes: Tensor) -> Tensor:
        first = torch.einsum("ija,...a->...ij", linear, nodes)
        second = torch.einsum("ijab,...a,...b->...ij", quadratic, nodes, nodes)
        return (constant + first + second) * torch.exp(-nodes.square().sum(-1))[..., None, None]

    return Kernel(function, "random", 2, d, rep_in=rep_in, rep_out=rep_out)


@pytest.mark.parametrize("group", [StructureGroup.cyclic(5), SO2, O2, SO3, O3], ids=repr)
def test_the_gradient_kernel_is_admissible_everywhere(group: StructureGroup) -> None:
    rule = RULE if group.dimension == 2 else SPATIAL_RULE
    kernel = gradient_kernel(group)
    assert invariance_defect(kernel, group, rule)[1] < 1e-13
    require_admissible(kernel, group, rule)
    assert distance(kernel, group, rule) < 1e-13
    as_scalars = Kernel(lambda v: kernel(v)[..., 0, 0], "first component")
    with pytest.raises(HolonomyError):
        require_admissible(as_scalars, group, rule)


@pytest.mark.parametrize(("into", "out", "group", "rule"), CASES, ids=str)
def test_the_average_is_admissible_and_the_nearest(
    into: str, out: str, group: StructureGroup, rule: TangentRule
) -> None:
    kernel = random_kernel(into, out, group)
    averaged = project(kernel, group, n_angles=8)
    assert invariance_defect(averaged, group, rule)[1] < 1e-12
    few = rule.nodes[:2]
    twice = project(averaged, group, n_angles=8)(few)
    assert float((twice - averaged(few)).abs().max()) < 1e-12
    assert averaged.rep_in == kernel.rep_in
    # Orthogonal to every admissible kernel where the rule is as symmetric as the group, so the nearest.
    if group in (O2, SO2, StructureGroup.reflection()):
        basis = KernelSpace(into, out, group, ONE).sample(rule.nodes)
        rest = kernel(rule.nodes) - averaged(rule.nodes)
        inner = torch.einsum("q,qbij,qij->b", rule.weights, basis, rest)
        assert float(inner.abs().max()) < 1e-12


def test_distance_in_closed_form() -> None:
    """An even and an odd function have L² sizes a and b: the distance from even ones is b / √(a² + b²)."""
    odd, even = derivative_of_gaussian(0.4, (0, 1)), gaussian(0.4)
    a, b = (math.sqrt(float(RULE.integrate(k(RULE.nodes) ** 2))) for k in (even, odd))
    mixed = even + 0.3 * odd
    expected = 0.3 * b / math.hypot(a, 0.3 * b)
    assert distance(mixed, StructureGroup.reflection(), RULE) == pytest.approx(expected, rel=1e-12)
    assert distance(odd, StructureGroup.reflection(), RULE) == pytest.approx(1.0, rel=1e-12)
    assert distance(even, O2, RULE) == 0.0
    assert distance(0.0 * odd, O2, RULE) == 0.0
    with pytest.raises(ValueError, match="do not fit"):
        distance(even, SO3, RULE)


def test_the_refusal_names_element_amount_distance_and_ways_out() -> None:
    odd = derivative_of_gaussian(0.4, (0, 1))
    with pytest.raises(HolonomyError) as caught:
        require_admissible(odd, StructureGroup.reflection(), RULE)
    message = str(caught.value)
    for part in (
        "reflection diag(1, -1)",
        "changes by 2 times",
        "lies 1 of its L² size away",
        "project(kernel, group)",
        '"regular" or sign',
        "FrameField",
        "gauge_dependent=True",
    ):
        assert part in message
    # Scalars to sign is the way out that the message offers.
    signed = Kernel(
        lambda v: odd(v)[..., None, None],
        "odd",
        rep_in=Representation("0", StructureGroup.reflection()),
        rep_out=Representation("sign", StructureGroup.reflection()),
    )
    require_admissible(signed, StructureGroup.reflection(), RULE)
    with pytest.raises(HolonomyError, match=r"from 1x0 \+ 1x1 to 1xsign \+ 1x2, is not invariant.*O\(2\)"):
        require_admissible(random_kernel("0 + 1", "sign + 2", O2), O2, RULE)


def test_typed_kernels_transform_with_their_values() -> None:
    group = StructureGroup.dihedral(4, 0.1)
    kernel = random_kernel("1", "0 + 1", group)
    h, g = group.elements()[1], group.elements()[6]
    nodes = RULE.nodes
    both = kernel.transformed(h).transformed(g)(nodes)
    assert float((both - kernel.transformed(g @ h)(nodes)).abs().max()) < 1e-13
    assert kernel.rep_in is not None
    assert kernel.rep_out is not None
    moved = kernel.rep_out.matrix(h) @ kernel(nodes @ h) @ kernel.rep_in.matrix(h).mT
    assert float((kernel.transformed(h)(nodes) - moved).abs().max()) < 1e-14
    flat = kernel.flipped()(nodes)
    assert torch.equal(flat, kernel(-nodes))
    total = (2.0 * kernel - kernel + kernel)(nodes)
    assert float((total - 2 * kernel(nodes)).abs().max()) < 1e-14
    weighed = kernel.weights(RULE)
    assert torch.equal(weighed, kernel(nodes) * RULE.weights[:, None, None])
    turned = kernel.weights(RULE, torch.stack([nodes, nodes @ rotation_matrix(0.3)]))
    assert turned.shape == (2, len(RULE), 3, 2)


def test_typed_kernels_refuse_what_makes_no_sense() -> None:
    kernel = gradient_kernel(SO2)
    with pytest.raises(ValueError, match="no one integral"):
        kernel.normalised()
    with pytest.raises(ValueError, match="both rep_in and rep_out"):
        Kernel(kernel.function, "half typed", rep_in=Representation("0", SO2))
    with pytest.raises(ValueError, match="1x0 to 1x1"):
        kernel + gaussian(0.3)
    wrong = Kernel(lambda v: v, "flat", rep_in=kernel.rep_in, rep_out=kernel.rep_out)
    with pytest.raises(ValueError, match=r"shape \(5, 2, 1\)"):
        wrong(torch.zeros(5, 2))
