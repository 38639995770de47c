"""Which kernels a structure group admits: k(h v) = k(v) for every h in the group (scalar to scalar).

Where the holonomy group of a manifold holds an element that changes the kernel, the kernel carried along two
paths to one point is two kernels, and the correlation is not defined.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from manifoldconv.errors import HolonomyError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.kernels.table import OffTableError
from manifoldconv.orthogonal import describe_element, rotation_matrix
from manifoldconv.quadrature import TangentRule

WAYS_OUT = (
    "Average it over the group (manifoldconv.kernels.project(kernel, group)), take an isotropic kernel such "
    "as a Gaussian, or pass gauge_dependent=True to go on with an answer that depends on the frames chosen."
)


def invariance_defect(kernel: Kernel, group: StructureGroup, rule: TangentRule) -> tuple[Tensor, float]:
    """How far a kernel is from invariance, and the element of the group that shows it.

        max over h, q of |k(h v_q) - k(v_q)|, divided by max over h, q of |k(v_q)| and |k(h v_q)|

    h runs over `group.test_elements()`: the generators of a finite group, which is enough for invariance, and
    a dense set of rotations for a continuous one.

    Args:
        kernel: the kernel.
        group: of the dimension of the rule.
        rule: its nodes v_q are where the kernel is compared.

    Returns:
        The element `(d, d)` with the largest change (the identity for the trivial group), and that change:
        between 0 and 2, relative to the largest |k|.

    Raises `HolonomyError` where the kernel is a table and an element moves its nodes off its nodes, so that
    the kernel cannot be carried at all; `ValueError` where dimensions differ or a value is not finite.
    """
    if group.dimension != rule.dimension:
        raise ValueError(f"{group!r} and the rule's nodes, of dimension {rule.dimension}, do not fit")
    identity = torch.eye(rule.dimension, dtype=torch.float64)
    worst, change, scale = identity, 0.0, 0.0
    with torch.no_grad():
        here = _finite_values(kernel, rule.nodes)
        for element in group.test_elements():
            there = _values_after(kernel, element, rule.nodes, group)
            scale = max(scale, float(here.abs().max()), float(there.abs().max()))
            difference = float((there - here).abs().max())
            if difference > change:
                worst, change = element, difference
    return worst, change / scale if scale else 0.0


def require_admissible(
    kernel: Kernel, group: StructureGroup, rule: TangentRule, tolerance: float = 1e-9
) -> None:
    """Raise `HolonomyError` unless the kernel is invariant under the group, up to `tolerance`.

    The message shows an element of the group under which the kernel changes, by how much, and the ways out.

    Args:
        kernel, group, rule: as in `invariance_defect`.
        tolerance: the largest change that is let through, relative to the largest |k|.

    >>> from manifoldconv.kernels.library import derivative_of_gaussian, gaussian
    >>> rule = TangentRule.polar(1.0, 4, 8)
    >>> require_admissible(gaussian(0.3), StructureGroup.orthogonal(2), rule)
    >>> odd = derivative_of_gaussian(0.3, (0, 1))
    >>> require_admissible(odd, StructureGroup.reflection(), rule)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    manifoldconv.errors.HolonomyError: ... under the reflection diag(1, -1) it changes by 2 times ...
    """
    element, amount = invariance_defect(kernel, group, rule)
    if amount > tolerance:
        raise HolonomyError(
            f"{kernel.name} is not invariant under the holonomy group ({group.name}): under the "
            f"{describe_element(element)} it changes by {amount:.3g} times its largest value (tolerance "
            f"{tolerance:.3g}), so what it is at a point depends on the path that carried it. {WAYS_OUT}"
        )


def project(kernel: Kernel, group: StructureGroup, n_angles: int = 64) -> Kernel:
    """The average of a kernel over a group: the nearest kernel that the group admits.

        (P k)(v) = ∫_G k(h v) dh,   dh the Haar measure with ∫_G dh = 1

    A finite group is summed over. For SO(2) and O(2) it is the mean of k over `n_angles` equal angles on the
    circle of radius |v|, which is isotropic by construction, whatever their number, and equals the integral
    for kernels of band limit below `n_angles`. An odd kernel averages to zero.

    Raises `ValueError` for SO(d) and O(d) with d > 2, where only kernels of band limit 0 are returned, as
    they are; `OffTableError` when the average of a table is sampled and an element moves nodes off the
    nodes.
    """
    if kernel.dimension not in (None, group.dimension):
        raise ValueError(f"{kernel.name} has dimension {kernel.dimension}; {group!r} does not act there")
    if kernel.band_limit == 0 or group.order == 1:
        return kernel
    if group.order is not None:
        function, band_limit = _mean_over(kernel, group.elements()), kernel.band_limit
    elif group.dimension == 2:
        function, band_limit = _mean_over_circle(kernel, n_angles), 0
    else:
        raise ValueError(f"the average over {group.name} is not available; give an isotropic kernel instead")
    return Kernel(
        function,
        f"average of {kernel.name} over {group.name}",
        band_limit,
        group.dimension,
        kernel.normalise,
        kernel.extent,
    )


def _finite_values(kernel: Kernel, nodes: Tensor) -> Tensor:
    values = kernel(nodes)
    if not bool(torch.isfinite(values).all()):
        place = int(torch.nonzero(~torch.isfinite(values))[0, 0])
        raise ValueError(f"{kernel.name} is {float(values[place])} at {nodes[place].tolist()}, node {place}")
    return values


def _values_after(kernel: Kernel, element: Tensor, nodes: Tensor, group: StructureGroup) -> Tensor:
    """k(h v_q) `(Q,)` for one element h of the group."""
    try:
        return _finite_values(kernel, nodes @ element.mT)
    except OffTableError as error:
        raise HolonomyError(
            f"{kernel.name} cannot be carried under the holonomy group ({group.name}): the "
            f"{describe_element(element)} moves nodes of its table to places where it has no value. {error}. "
            "Give the kernel as a function, or choose a rule that the group maps to itself, or pass "
            "gauge_dependent=True to go on with an answer that depends on the choice of frames."
        ) from error


def _mean_over(kernel: Kernel, elements: Tensor) -> Callable[[Tensor], Tensor]:
    """v ↦ the mean of k(h v) over elements `(n, d, d)`."""

    def function(nodes: Tensor) -> Tensor:
        return torch.stack([kernel(nodes @ element.mT) for element in elements]).mean(0)

    return function


def _mean_over_circle(kernel: Kernel, n_angles: int) -> Callable[[Tensor], Tensor]:
    """v ↦ the mean of k over n equal angles on the circle of radius |v|."""
    if n_angles < 1:
        raise ValueError(f"n_angles must be ≥ 1; got {n_angles}")
    step = 2 * math.pi / n_angles
    directions = rotation_matrix(step * torch.arange(n_angles, dtype=torch.float64))[..., 0]

    def function(nodes: Tensor) -> Tensor:
        radii = torch.linalg.vector_norm(nodes, dim=-1)
        return torch.stack([kernel(radii[..., None] * direction) for direction in directions]).mean(0)

    return function
