"""Three manifolds, three holonomy groups, one kernel each: admitted or refused, and why."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from manifoldconv.cli.report import show_table

if TYPE_CHECKING:
    from manifoldconv.kernels import Kernel
    from manifoldconv.manifolds.base import Manifold

SIGMA = 0.06  # of the kernels, on manifolds of size 1


@dataclass(frozen=True)
class Case:
    """A manifold, its holonomy group, a kernel, and the judgement on it.

    Attributes:
        manifold, kernel: in words.
        group: the name of the holonomy group.
        admitted: whether it admits the kernel.
        reason: why, in a sentence.
        response: where it is admitted: the largest value of its correlation with a wave, or with a height.
        closed_form: what that is by formula.
    """

    manifold: str
    group: str
    kernel: str
    admitted: bool
    reason: str
    response: float | None = None
    closed_form: float | None = None

    def figures(self) -> dict[str, Any]:
        """For a file of figures."""
        return asdict(self)


def three_manifolds() -> tuple[Case, Case, Case]:
    """A flat torus, a Möbius strip and a sphere: from all kernels to only those without a direction."""
    return _torus(), _strip(), _sphere()


def show(cases: tuple[Case, ...]) -> None:
    """One table: a row for each manifold."""
    rows = {}
    for case in cases:
        word = "admitted" if case.admitted else "refused"
        text = f"holonomy group {case.group}; {case.kernel}: {word}. {case.reason}"
        if case.response is not None:
            text += f" Its largest response is {case.response:.4f}; by formula {case.closed_form:.4f}"
        rows[case.manifold] = text
    show_table("Three manifolds, three holonomy groups, one kernel each", rows)


def _torus() -> Case:
    """The derivative of a Gaussian against a wave: 2πσ² w exp(-σ²w²/2)."""
    import torch

    import manifoldconv as mc
    from manifoldconv.kernels import derivative_of_gaussian

    torus = mc.FlatTorus(1.0, 1.0)
    sites = torus.sites(shape=(48, 48))
    kernel = derivative_of_gaussian(SIGMA, (0.0, 1.0))
    refusal = _refusal(torus, kernel)
    pull = mc.Pullback.build(torus, sites, mc.TangentRule.polar(5 * SIGMA, 12, 64))
    number = 2 * math.pi
    wave = torch.sin(number * sites.points[:, 1:2])
    response = float(mc.correlate(wave, kernel, pull).abs().max())
    formula = 2 * math.pi * SIGMA**2 * number * math.exp(-((SIGMA * number) ** 2) / 2)
    return Case(
        "flat torus",
        torus.holonomy_group().name,
        "a derivative of a Gaussian",
        refusal is None,
        refusal or "Every loop brings every vector back as it was, so a direction means the same everywhere.",
        response,
        formula,
    )


def _strip() -> Case:
    import manifoldconv as mc
    from manifoldconv.kernels import derivative_of_gaussian

    strip = mc.MoebiusStrip(1.0, 0.4)
    refusal = _refusal(strip, derivative_of_gaussian(SIGMA, (0.0, 1.0)))
    return Case(
        "Möbius strip",
        strip.holonomy_group().name,
        "the same kernel, across the strip",
        refusal is None,
        f"{refusal} Carried once round it comes back flipped; values that a reflection negates would admit it."
        if refusal
        else "No loop changes it.",
    )


def _sphere() -> Case:
    """A Gaussian against the height z, a spherical harmonic of degree 1: Funk and Hecke."""
    import torch

    import manifoldconv as mc
    from manifoldconv.kernels import gaussian

    sphere = mc.Sphere()
    sites = sphere.sites(icosphere=4)
    radius = 5 * SIGMA
    kernel = gaussian(SIGMA)
    refusal = _refusal(sphere, kernel)
    rule = mc.TangentRule.polar(radius, 12, 16)
    response = float(
        mc.correlate(sites.points[:, 2:], kernel, mc.Pullback.build(sphere, sites, rule)).abs().max()
    )
    # The eigenvalue 2π ∫ k(r) cos(r) r dr, by Gauss's rule along one ray.
    r = rule.nodes.norm(dim=1)
    formula = float((rule.weights * torch.exp(-((r / SIGMA) ** 2) / 2) * torch.cos(r)).sum())
    return Case(
        "sphere",
        sphere.holonomy_group().name,
        "a Gaussian",
        refusal is None,
        refusal or "Loops turn by every angle, and it looks the same in all directions.",
        response,
        formula,
    )


def _refusal(manifold: Manifold, kernel: Kernel) -> str | None:
    """What the holonomy group says against a kernel, in a sentence; None where it admits it."""
    import manifoldconv as mc
    from manifoldconv.kernels import require_admissible

    try:
        require_admissible(kernel, manifold.holonomy_group(), mc.TangentRule.polar(5 * SIGMA, 8, 32))
    except mc.HolonomyError as error:
        change = str(error).partition(": ")[2].partition(" (tolerance")[0]
        return f"{change[:1].upper()}{change[1:]}."
    return None
