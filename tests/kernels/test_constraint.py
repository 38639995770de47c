"""Which kernels a group admits: defects in closed form, refusals with their reasons, averages."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.special import j0

from manifoldconv.errors import HolonomyError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import (
    Kernel,
    derivative_of_gaussian,
    difference_of_gaussians,
    gabor,
    gaussian,
    invariance_defect,
    laplacian_of_gaussian,
    project,
    require_admissible,
    ring,
    second_derivative_of_gaussian,
    table,
)
from manifoldconv.orthogonal import reflection_matrix, rotation_matrix
from manifoldconv.quadrature import TangentRule

RULE = TangentRule.polar(1.0, 6, 16)
GROUPS = [
    StructureGroup.trivial(2),
    StructureGroup.reflection(),
    StructureGroup.reflection(reflection_matrix(0.3)),
    StructureGroup.cyclic(3),
    StructureGroup.dihedral(4, 0.1),
    StructureGroup.special_orthogonal(2),
    StructureGroup.orthogonal(2),
]
ANISOTROPIC = [
    derivative_of_gaussian(0.4, (1, 2)),
    second_derivative_of_gaussian(0.4, (1, 0), (1, 3)),
    gabor(0.4, 0.5, (2, 1), 0.4),
]


def harmonic(order: int, phase: float = 0.0) -> Kernel:
    """r^order cos(order θ + phase) times a Gaussian."""

    def function(nodes: torch.Tensor) -> torch.Tensor:
        z = torch.complex(nodes[..., 0], nodes[..., 1]) ** order
        wave = z.real * math.cos(phase) - z.imag * math.sin(phase)
        return wave * torch.exp(-nodes.square().sum(-1))

    return Kernel.from_function(function, f"harmonic {order}", band_limit=order, dimension=2)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@pytest.mark.parametrize(
    "kernel",
    [gaussian(0.3), laplacian_of_gaussian(0.3), difference_of_gaussians(0.2, 0.4), ring(0.5, 0.1)],
    ids=repr,
)
def test_isotropic_kernels_are_admissible_everywhere(kernel: Kernel, group: StructureGroup) -> None:
    assert invariance_defect(kernel, group, RULE)[1] < 1e-13
    require_admissible(kernel, group, RULE)


def test_isotropic_kernels_are_admissible_in_three_dimensions() -> None:
    rule = TangentRule.grid((4, 4, 4), 0.3)
    require_admissible(gaussian(0.5), StructureGroup.orthogonal(3), rule)
    with pytest.raises(HolonomyError):
        require_admissible(derivative_of_gaussian(0.5, (0, 0, 1)), StructureGroup.special_orthogonal(3), rule)


@pytest.mark.parametrize("kernel", ANISOTROPIC, ids=repr)
def test_the_trivial_group_admits_everything(kernel: Kernel) -> None:
    element, amount = invariance_defect(kernel, StructureGroup.trivial(2), RULE)
    assert torch.equal(element, torch.eye(2, dtype=torch.float64))
    assert amount == 0.0


@pytest.mark.parametrize("n", [2, 3, 4, 6])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 6, 12])
def test_cyclic_groups_admit_the_multiples_of_their_order(n: int, order: int) -> None:
    """The rotation by 2π/n takes cos(mθ) to cos(mθ + 2πm/n): they differ by at most 2 |sin(πm/n)|."""
    fine = TangentRule.polar(1.0, 2, 720)
    _, amount = invariance_defect(harmonic(order), StructureGroup.cyclic(n), fine)
    exact = 2 * abs(math.sin(math.pi * order / n))
    # 720 angles miss the peak of cos(mθ + c) by at most 1 - cos(mπ/720) = 1.4e-3 of it for m = 12.
    assert amount == pytest.approx(exact, rel=3e-3, abs=1e-12)
    if order % n == 0:
        require_admissible(harmonic(order), StructureGroup.cyclic(n), fine)


@pytest.mark.parametrize("order", range(1, 13))
def test_continuous_groups_find_every_low_harmonic(order: int) -> None:
    element, amount = invariance_defect(harmonic(order, 0.3), StructureGroup.special_orthogonal(2), RULE)
    # 2 between crests and troughs; 16 nodes on a circle may miss both (for order 8 all are at sin 0.3).
    assert amount > 1.2
    assert StructureGroup.special_orthogonal(2).contains(element)


def test_reflections_tell_odd_from_even() -> None:
    across = StructureGroup.reflection()
    require_admissible(derivative_of_gaussian(0.4, (1, 0)), across, RULE)
    require_admissible(second_derivative_of_gaussian(0.4, (0, 1), (0, 1)), across, RULE)
    require_admissible(gabor(0.4, 0.5, (0, 1), 0.0), across, RULE)
    for odd in (
        derivative_of_gaussian(0.4, (0, 1)),
        second_derivative_of_gaussian(0.4, (1, 0), (0, 1)),
        gabor(0.4, 0.5, (0, 1), math.pi / 2),
    ):
        _, amount = invariance_defect(odd, across, RULE)
        assert amount == pytest.approx(2.0, rel=1e-12)
        with pytest.raises(HolonomyError, match=r"reflection diag\(1, -1\) it changes by 2 times"):
            require_admissible(odd, across, RULE)


def test_the_axis_of_the_mirror_matters() -> None:
    along = derivative_of_gaussian(0.4, rotation_matrix(0.7)[:, 0])
    require_admissible(along, StructureGroup.reflection(reflection_matrix(0.7)), RULE)
    with pytest.raises(HolonomyError, match=r"reflection across the line at 0\.8 rad"):
        require_admissible(along, StructureGroup.reflection(reflection_matrix(0.8)), RULE)


def test_special_orthogonal_refuses_with_the_ways_out() -> None:
    with pytest.raises(HolonomyError) as caught:
        require_admissible(gabor(0.4, 0.5), StructureGroup.special_orthogonal(2), RULE)
    message = str(caught.value)
    for part in ("gabor(sigma=0.4", "SO(2)", "rotation by", " rad", "project(kernel, group)", "isotropic"):
        assert part in message
    assert "gauge_dependent=True" in message


def test_the_tolerance_decides() -> None:
    almost = gaussian(0.4) + 1e-6 * derivative_of_gaussian(0.4, (0, 1))
    _, amount = invariance_defect(almost, StructureGroup.reflection(), RULE)
    assert 1e-7 < amount < 1e-5
    require_admissible(almost, StructureGroup.reflection(), RULE, tolerance=1e-5)
    with pytest.raises(HolonomyError):
        require_admissible(almost, StructureGroup.reflection(), RULE)


def test_defects_do_not_depend_on_units() -> None:
    kernel = derivative_of_gaussian(0.4, (1, 2))
    group = StructureGroup.cyclic(3)
    _, amount = invariance_defect(kernel, group, RULE)
    assert invariance_defect(1e-30 * kernel, group, RULE)[1] == pytest.approx(amount, rel=1e-12)
    assert invariance_defect(0.0 * kernel, group, RULE)[1] == 0.0


def test_tables_under_the_groups_of_their_grid() -> None:
    grid = TangentRule.grid((3, 3), 0.5)
    cross = torch.tensor([[0.0, 1.0, 0.0], [1.0, 5.0, 1.0], [0.0, 1.0, 0.0]])
    require_admissible(table(cross, grid), StructureGroup.dihedral(4), grid)
    require_admissible(table(cross, grid), StructureGroup.dihedral(2), grid)
    sobel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    require_admissible(table(sobel, grid), StructureGroup.reflection(), grid)
    with pytest.raises(HolonomyError, match=r"reflection diag\(1, -1\) it changes by 2 times"):
        require_admissible(table(sobel.T, grid), StructureGroup.reflection(), grid)
    with pytest.raises(HolonomyError, match=r"rotation by 1\.571 rad"):
        require_admissible(table(sobel, grid), StructureGroup.cyclic(4), grid)


@pytest.mark.parametrize("group", [StructureGroup.special_orthogonal(2), StructureGroup.cyclic(3)], ids=repr)
def test_tables_that_the_group_moves_off_their_nodes_are_refused(group: StructureGroup) -> None:
    grid = TangentRule.grid((3, 3), 0.5)
    with pytest.raises(
        HolonomyError, match=r"moves nodes of its table .* has no value at \(.*gauge_dependent"
    ):
        require_admissible(table(torch.ones(3, 3), grid), group, grid)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@pytest.mark.parametrize("kernel", ANISOTROPIC, ids=repr)
def test_projection_is_admissible_and_idempotent(kernel: Kernel, group: StructureGroup) -> None:
    once = project(kernel, group)
    before = float(kernel(RULE.nodes).abs().max())
    for element in [*group.test_elements(), *group.sample(5, torch.Generator().manual_seed(3))]:
        change = (once(RULE.nodes @ element.mT) - once(RULE.nodes)).abs().max()
        assert float(change) < 1e-14 * before
    twice = project(once, group)
    assert float((twice(RULE.nodes) - once(RULE.nodes)).abs().max()) < 1e-14 * before


def test_projection_keeps_what_is_admissible_and_the_integral() -> None:
    even = derivative_of_gaussian(0.4, (1, 0))
    kept = project(even, StructureGroup.reflection())
    assert torch.allclose(kept(RULE.nodes), even(RULE.nodes), rtol=0, atol=1e-15)
    for kernel in ANISOTROPIC:
        averaged = project(kernel, StructureGroup.special_orthogonal(2))
        # Exact for harmonics below 64; the Gabor's, J_m(4π r) for r < 1, are under 1e-16 from m = 40 on.
        rule = TangentRule.polar(1.0, 6, 64)
        same = float(rule.integrate(averaged(rule.nodes)) - rule.integrate(kernel(rule.nodes)))
        assert abs(same) < 1e-13


def test_projection_in_closed_form() -> None:
    """The mean of cos(2πx/λ) over a circle is the Bessel function J_0(2πr/λ); of ∂_x² g it is Δg / 2."""
    group = StructureGroup.orthogonal(2)
    radii = torch.linalg.vector_norm(RULE.nodes, dim=-1)
    wave = project(gabor(0.4, 0.5), group)(RULE.nodes)
    exact = torch.from_numpy(j0(4 * math.pi * radii.numpy())) * gaussian(0.4)(RULE.nodes)
    assert torch.allclose(wave, exact, rtol=0, atol=1e-14)
    half = project(second_derivative_of_gaussian(0.4), group)(RULE.nodes)
    assert torch.allclose(half, laplacian_of_gaussian(0.4)(RULE.nodes) / 2, rtol=0, atol=1e-14)
    assert float(project(derivative_of_gaussian(0.4), group)(RULE.nodes).abs().max()) < 1e-15


def test_projection_of_tables() -> None:
    grid = TangentRule.grid((3, 3), 0.5)
    sobel = table(torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]), grid)
    assert float(project(sobel, StructureGroup.cyclic(4))(grid.nodes).abs().max()) == 0.0
    require_admissible(project(sobel, StructureGroup.reflection()), StructureGroup.reflection(), grid)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        invariance_defect(gaussian(0.3), StructureGroup.trivial(3), RULE)
    blown = Kernel.from_function(lambda v: 1 / (v[..., 0] - RULE.nodes[5, 0]), name="pole")
    with pytest.raises(ValueError, match=r"pole is inf at .* node 5"):
        invariance_defect(blown, StructureGroup.reflection(), RULE)
    with pytest.raises(ValueError, match="does not act there"):
        project(derivative_of_gaussian(0.3), StructureGroup.trivial(3))
    with pytest.raises(ValueError, match=r"average over SO\(4\) is not available"):
        project(derivative_of_gaussian(0.3, (1, 0, 0, 0)), StructureGroup.special_orthogonal(4))
    with pytest.raises(ValueError, match="n_angles"):
        project(gabor(0.3, 0.2), StructureGroup.special_orthogonal(2), n_angles=0)
