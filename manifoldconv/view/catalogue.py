"""What the viewer offers: field types, and for each the kernels between them, by name.

Every entry says which kernels are collapsed, what is made of their responses, and which one is drawn on the disc and
asked whether the holonomy group admits it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import Kernel, derivative_of_gaussian, gaussian
from manifoldconv.presets import KERNELS, PRESETS, Preset, Settings, default_counts
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation

SCALARS = "scalars → scalars"
SIGNED = "scalars → signed scalars"
GRADIENT_LIKE = "scalars → vectors"
VECTORS = "vectors → vectors"

# Of the named kernels all but the ring, which is so thin that it would need twice the nodes of the others.
SCALAR_PRESETS = tuple(preset for name, preset in (PRESETS | KERNELS).items() if name != "ring")
SHARE = 1 / 3  # sigma of the viewer's own kernels as a share of the radius

ACROSS = "derivative-across"
"""The kernel that is odd across the first axis: across the band, on a Möbius band."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A kernel of the catalogue at one radius.

    Attributes:
        name, summary: for people.
        kernels: those that are collapsed; of one kernel between field types just that.
        combine: (field `(N, C)`, responses) to the result `(N, C')`.
        blind: the result does not depend on frames, although single kernels may (`edges`): never refused.
    """

    name: str
    summary: str
    kernels: tuple[Kernel, ...]
    combine: Callable[[Tensor, tuple[Tensor, ...]], Tensor]
    blind: bool = False

    @property
    def drawn(self) -> Kernel:
        """The kernel that the disc shows and that the holonomy group is asked about."""
        return self.kernels[0]


def field_types(group: StructureGroup) -> tuple[str, ...]:
    """Those that a surface tells apart: without reflections a signed scalar is a scalar."""
    return (
        (SCALARS, SIGNED, GRADIENT_LIKE, VECTORS)
        if group.reverses_orientation
        else (
            SCALARS,
            GRADIENT_LIKE,
            VECTORS,
        )
    )


def names(fields: str) -> tuple[str, ...]:
    """The kernels on offer between field types; `GeometryError` that lists the types otherwise."""
    if fields == SCALARS:
        return (*(preset.name for preset in SCALAR_PRESETS), ACROSS)
    if fields == SIGNED:
        return ("gaussian", "derivative", ACROSS)
    if fields == GRADIENT_LIKE:
        return ("gradient", "turned-gradient", "one-direction")
    if fields == VECTORS:
        return ("gaussian", "quarter-turn", "stretch")
    known = ", ".join((SCALARS, SIGNED, GRADIENT_LIKE, VECTORS))
    raise GeometryError(f"there are no field types {fields!r}; there are {known}")


def rule_for(radius: float, mean_edge: float, fields: str = SCALARS) -> TangentRule:
    """One rule for all kernels that read scalars: the finest that any of them asks for.

    Kernels between vectors are all made of one Gaussian, which asks for less.
    """
    settings = Settings(radius)
    asking = (PRESETS["smooth"],) if fields == VECTORS else SCALAR_PRESETS
    counts = [default_counts(mean_edge, preset, settings) for preset in asking]
    return TangentRule.polar(radius, max(c[0] for c in counts), max(c[1] for c in counts))


def entries(fields: str, radius: float, rule: TangentRule) -> dict[str, Entry]:
    """The kernels between field types at a radius, by name."""
    return {name: _entry(fields, name, radius, rule) for name in names(fields)}


def _entry(fields: str, name: str, radius: float, rule: TangentRule) -> Entry:
    sigma = SHARE * radius
    if fields == SCALARS and name != ACROSS:
        return _of_preset((PRESETS | KERNELS)[name], Settings(radius), rule)
    if fields == SCALARS:
        across = replace(derivative_of_gaussian(sigma, (0.0, 1.0)), name=ACROSS)
        return Entry(name, "∂_y exp(-r²/2σ²): odd across the first axis", (across,), _first)
    if fields == SIGNED:
        plain = {
            "gaussian": gaussian(sigma),
            "derivative": derivative_of_gaussian(sigma, (1.0, 0.0)),
            ACROSS: derivative_of_gaussian(sigma, (0.0, 1.0)),
        }[name]
        summary = "the same kernel, with values that a reflection negates"
        return Entry(name, summary, (_typed(plain, name),), _first)
    made = _gradient_like(name, sigma) if fields == GRADIENT_LIKE else _between_vectors(name, sigma)
    return Entry(name, *made, _first)


def _of_preset(preset: Preset, settings: Settings, rule: TangentRule) -> Entry:
    def combine(field: Tensor, responses: tuple[Tensor, ...]) -> Tensor:
        return preset.combine(field, responses, settings)

    blind = preset.kind == "preset"
    kernels = preset.kernels(settings, rule)
    return Entry(preset.name, preset.summary, kernels, combine, blind)


def _typed(plain: Kernel, name: str) -> Kernel:
    """A scalar kernel as one from scalars to scalars that reflections negate."""
    flip = StructureGroup.orthogonal(2)
    return Kernel(
        lambda v: plain(v)[..., None, None],
        *(name, plain.band_limit, 2),
        extent=plain.extent,
        rep_in=Representation("0", flip),
        rep_out=Representation("sign", flip),
    )


def _gradient_like(name: str, sigma: float) -> tuple[str, tuple[Kernel, ...]]:
    """Kernels from scalars to vectors: each node holds a vector, added up with the signal there as its weight."""
    blob = gaussian(sigma)
    summary, direction = {
        "gradient": ("g(v) v: every node pulls towards itself", lambda v: v / sigma),
        "turned-gradient": ("g(v) v, turned by 90°: as a curl", lambda v: _quarter_turned(v) / sigma),
        "one-direction": ("g(v) e: the same vector everywhere", _first_axis),
    }[name]

    def function(v: Tensor) -> Tensor:
        return blob(v)[..., None, None] * direction(v)[..., None]

    return summary, (_between(function, name, "0", "1", sigma),)


def _between_vectors(name: str, sigma: float) -> tuple[str, tuple[Kernel, ...]]:
    blob = gaussian(sigma)
    summary, rows = {
        "gaussian": ("g(v) times the identity: the mean of carried vectors", ((1.0, 0.0), (0.0, 1.0))),
        "quarter-turn": ("g(v) times a turn by 90°", ((0.0, -1.0), (1.0, 0.0))),
        "stretch": ("g(v) times diag(1, 0): keeps one axis", ((1.0, 0.0), (0.0, 0.0))),
    }[name]
    matrix = torch.tensor(rows, dtype=torch.float64)
    return summary, (_between(lambda v: blob(v)[..., None, None] * matrix, name, "1", "1", sigma),)


def _between(
    function: Callable[[Tensor], Tensor], name: str, type_in: str, type_out: str, sigma: float
) -> Kernel:
    group = StructureGroup.orthogonal(2)
    return Kernel.from_function(
        function,
        name,
        band_limit=1,
        dimension=2,
        extent=gaussian(sigma).extent,
        rep_in=Representation(type_in, group),
        rep_out=Representation(type_out, group),
    )


def _quarter_turned(v: Tensor) -> Tensor:
    return torch.stack([-v[..., 1], v[..., 0]], dim=-1)


def _first_axis(v: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(v[..., 0]), torch.zeros_like(v[..., 0])], dim=-1)


def _first(field: Tensor, responses: tuple[Tensor, ...]) -> Tensor:
    return responses[0]
