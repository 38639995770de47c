"""Which kernels a structure group admits: k(h v) = ρ_out(h) k(v) ρ_in(h)⁻¹ for every h in the group.

For scalar kernels that is k(h v) = k(v). Where the holonomy group of a manifold holds an element that
changes the kernel, the kernel carried along two paths to one point is two kernels, and the correlation is
not defined.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from manifoldconv.errors import HolonomyError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels.average import project, pulled_back
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.kernels.table import OffTableError
from manifoldconv.orthogonal import describe_element
from manifoldconv.quadrature import TangentRule

WAYS_OUT = (
    "Ways out: average it over the group (manifoldconv.kernels.project(kernel, group)), or take an isotropic "
    "kernel such as a Gaussian; let the fields carry more, so that more kernels are admissible (KernelSpace "
    "with {lift}); {declare}; or "
    "pass gauge_dependent=True to go on with an answer that depends on the {chosen} chosen."
)
# What the group is, to: by what the kernel was carried, the way out that is left to the user, what else was chosen.
ROLES = {
    "holonomy group": (
        "path",
        "declare the frames that the kernel refers to (a FrameField given to Pullback.build)",
        "frames",
    ),
    "stabiliser": (
        "element of the group",
        "lift the field to the group (Pullback.by_action with elements), where no constraint is left",
        "section",
    ),
}


def invariance_defect(
    kernel: Kernel, group: StructureGroup, rule: TangentRule, role: str = "holonomy group"
) -> tuple[Tensor, float]:
    """How far a kernel is from invariance, and the element of the group that shows it.

        max over h, q of |ρ_out(h)⁻¹ k(h v_q) ρ_in(h) - k(v_q)|,
        divided by max over h, q of |k(v_q)| and |k(h v_q)|

    h runs over `group.test_elements()`: the generators of a finite group, which is enough for invariance, and
    a dense set of rotations for a continuous one.

    Args:
        kernel: the kernel.
        group: of the dimension of the rule.
        rule: its nodes v_q are where the kernel is compared.
        role: what the group is, for messages.

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
            there = _values_after(kernel, element, rule.nodes, group, role)
            scale = max(scale, float(here.abs().max()), float(there.abs().max()))
            difference = float((there - here).abs().max())
            if difference > change:
                worst, change = element, difference
    return worst, change / scale if scale else 0.0


def require_admissible(
    kernel: Kernel,
    group: StructureGroup,
    rule: TangentRule,
    tolerance: float = 1e-9,
    role: str = "holonomy group",
) -> None:
    """Raise `HolonomyError` unless the kernel is invariant under the group, up to `tolerance`.

    The message shows an element of the group under which the kernel changes, by how much, and the ways out.

    Args:
        kernel, group, rule: as in `invariance_defect`.
        tolerance: the largest change that is let through, relative to the largest |k|.
        role: what the group is, for the message: "holonomy group" or "stabiliser".

    >>> from manifoldconv.kernels.library import derivative_of_gaussian, gaussian
    >>> rule = TangentRule.polar(1.0, 4, 8)
    >>> require_admissible(gaussian(0.3), StructureGroup.orthogonal(2), rule)
    >>> odd = derivative_of_gaussian(0.3, (0, 1))
    >>> require_admissible(odd, StructureGroup.reflection(), rule)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    manifoldconv.errors.HolonomyError: ... under the reflection diag(1, -1) it changes by 2 times ...
    """
    carrier, declare, chosen = ROLES[role]
    element, amount = invariance_defect(kernel, group, rule, role)
    if amount > tolerance:
        typed = "" if kernel.rep_in is None else f", from {kernel.rep_in} to {kernel.rep_out},"
        raise HolonomyError(
            f"{kernel.name}{typed} is not invariant under the {role} ({group.name}): under the "
            f"{describe_element(element)} it changes by {amount:.3g} times its largest value (tolerance "
            f"{tolerance:.3g}), so what it is at a point depends on the {carrier} that carried it. "
            f"{_nearest(kernel, group, rule)}"
            f"{WAYS_OUT.format(lift=_lift(kernel, group), declare=declare, chosen=chosen)}"
        )


def distance(kernel: Kernel, group: StructureGroup, rule: TangentRule) -> float:
    """How far a kernel is from the nearest admissible one, relative to its own size, in L² over the rule.

        ‖k - P k‖ / ‖k‖,    ‖k‖² = Σ_q |w_q| |k(v_q)|²,    P the average over the group (`project`)

    Between 0 (admissible) and 1 (orthogonal to all admissible kernels) where the rule is as symmetric as
    the group. Raises as `project` does, and `ValueError` where dimensions differ.
    """
    if group.dimension != rule.dimension:
        raise ValueError(f"{group!r} and the rule's nodes, of dimension {rule.dimension}, do not fit")
    with torch.no_grad():
        plain = replace(kernel, normalise=False)
        values = _finite_values(plain, rule.nodes).reshape(len(rule), -1)
        nearest = project(plain, group)(rule.nodes).reshape(len(rule), -1)
        weights = rule.weights.abs()[:, None]
        size = float((weights * values**2).sum())
        return math.sqrt(float((weights * (values - nearest) ** 2).sum()) / size) if size else 0.0


def _finite_values(kernel: Kernel, nodes: Tensor) -> Tensor:
    values = kernel(nodes)
    if not bool(torch.isfinite(values).all()):
        place = int(torch.nonzero(~torch.isfinite(values))[0, 0])
        bad = values[place][~torch.isfinite(values[place])][0]
        raise ValueError(f"{kernel.name} is {float(bad)} at {nodes[place].tolist()}, node {place}")
    return values


def _values_after(kernel: Kernel, element: Tensor, nodes: Tensor, group: StructureGroup, role: str) -> Tensor:
    """ρ_out(h)⁻¹ k(h v_q) ρ_in(h) `(Q, ...)` for one element h of the group."""
    try:
        return pulled_back(kernel, lambda moved: _finite_values(kernel, moved), nodes, element)
    except OffTableError as error:
        raise HolonomyError(
            f"{kernel.name} cannot be carried under the {role} ({group.name}): the "
            f"{describe_element(element)} moves nodes of its table to places where it has no value. {error}. "
            "Give the kernel as a function, or choose a rule that the group maps to itself, or pass "
            "gauge_dependent=True to go on with an answer that depends on the choice of frames."
        ) from error


def _nearest(kernel: Kernel, group: StructureGroup, rule: TangentRule) -> str:
    """A sentence on the distance to the nearest admissible kernel, where the average can be taken."""
    if not group.is_finite and group.dimension > 3:
        return ""
    try:
        return f"The nearest admissible kernel lies {distance(kernel, group, rule):.3g} of its L² size away. "
    except OffTableError:
        return ""  # a table that the group moves off its nodes has no average


def _lift(kernel: Kernel, group: StructureGroup) -> str:
    """Field types to go over to, for the message."""
    richer = "regular" if group.is_finite else "1x1"
    if kernel.rep_in is None:
        extra = " or sign" if group.reverses_orientation else ""
        return f'output type "{richer}"{extra} in place of scalars'
    return f'output type "{richer}" added to "{kernel.rep_out}"'
