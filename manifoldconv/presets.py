"""What people reach for: smooth, sharpen, edges, ridges, and the kernels of the library by name.

A `Preset` says which kernels are correlated with a signal and what is made of their responses; `respond` does
it on a mesh, in blocks of sites, so that the memory does not grow with sites times nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from manifoldconv import kernels
from manifoldconv.carried import BoundaryPolicy
from manifoldconv.errors import GeometryError
from manifoldconv.kernels import Kernel
from manifoldconv.quadrature import TangentRule

Kernels = tuple[Kernel, ...]


@dataclass(frozen=True)
class Settings:
    """The numbers that shape a preset's kernels; lengths in units of the mesh.

    Attributes:
        radius: of the tangent disc.
        sigma: the width of the Gaussian that each kernel is built from; None: `Preset.share` of the radius.
        wavelength: of a Gabor kernel; None: 2 sigma.
        amount: of sharpening.
        normalise: divide a kernel by its own integral; None: as the preset has it.
    """

    radius: float
    sigma: float | None = None
    wavelength: float | None = None
    amount: float = 1.0
    normalise: bool | None = None

    def __post_init__(self) -> None:
        for name in ("radius", "sigma", "wavelength"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"the {name} must be a positive length; got {value:g}")
        if not math.isfinite(self.amount):
            raise ValueError(f"the amount must be a finite number; got {self.amount}")


@dataclass(frozen=True, eq=False)
class Preset:
    """Kernels, and what becomes of their responses.

    Attributes:
        name, summary: for people.
        kind: "preset": made of a Gaussian or its derivatives and normalised. "kernel": one function of
            `manifoldconv.kernels`, as it is.
        share: sigma as a share of the radius, where none is given.
        band_limit: the largest angular order of the kernels; None for Gabor, whose order depends on its
            wavelength.
        make: (sigma, settings, rule) to kernels.
        combine: (field `(N, C)`, responses `(N, C)` each, settings) to the result `(N, C)`.
        boundary: the policy where none is given: "reflect" for presets, which keeps constants constant up to
            the rim.
        frame_blind: the result does not depend on the choice of frames, although the kernels may.
        linear: it commutes with transport, so it can be applied to tangent vectors as well.
    """

    name: str
    summary: str
    kind: Literal["preset", "kernel"]
    share: float
    band_limit: int | None
    make: Callable[[float, Settings, TangentRule], Kernels]
    combine: Callable[[Tensor, tuple[Tensor, ...], Settings], Tensor]
    boundary: BoundaryPolicy
    frame_blind: bool = True
    linear: bool = True

    def sigma(self, settings: Settings) -> float:
        """The width in use."""
        return self.share * settings.radius if settings.sigma is None else settings.sigma

    def angular_order(self, settings: Settings) -> int:
        """The largest angular harmonic that the rule must tell apart."""
        if self.band_limit is not None:
            return self.band_limit
        # J_m(z) is small for m above z; the Gaussian leaves little beyond two of its widths.
        reach = min(settings.radius, 2 * self.sigma(settings))
        return math.ceil(2 * math.pi * reach / _wavelength(self.sigma(settings), settings)) + 2

    def detail(self, settings: Settings) -> float:
        """The length over which its kernels change, which the rule must resolve in the radius."""
        sigma = self.sigma(settings)
        return sigma if self.band_limit is not None else min(sigma, _wavelength(sigma, settings) / 4)

    def kernels(self, settings: Settings, rule: TangentRule) -> Kernels:
        """The kernels for a rule.

        Raises `ValueError` where the rule has too few angles to tell the kernels' harmonics apart, or
        `normalise` is asked of a preset, or of a kernel whose integral is 0.
        """
        fewest = 2 * (self.band_limit or 0) + 1
        if rule.n_angular is not None and rule.n_angular < fewest:
            raise ValueError(f"{self.name} needs at least {fewest} angles; the rule has {rule.n_angular}")
        if settings.normalise is not None and self.kind == "preset":
            raise ValueError(
                f"the preset {self.name} has its own normalisation; normalise is a choice for kernels by "
                f"name ({', '.join(KERNELS)})"
            )
        made = self.make(self.sigma(settings), settings, rule)
        if settings.normalise:
            made = tuple(kernel.normalised() for kernel in made)
            for kernel in made:
                kernel.weights(rule)  # raises where the integral vanishes, before anything is traced
        return made

    def check_boundary(self, boundary: BoundaryPolicy) -> None:
        """Raise `ValueError` for "renormalise" where kernels of integral 0 would lose that property by it."""
        if boundary == "renormalise" and self.kind == "preset" and self.band_limit:
            raise ValueError(
                f"the kernels of {self.name} have integral 0, which the boundary policy renormalise would "
                "spoil (a constant would get a response at the rim); choose reflect or zero"
            )


def choose_rule(
    mean_edge: float,
    preset: Preset,
    settings: Settings,
    n_radial: int | None = None,
    n_angular: int | None = None,
) -> TangentRule:
    """The nodes of the disc: close enough to see every edge of the mesh and every change of the kernels.

        n_radial  = max(6, ⌈π R / 2s⌉),  s the smaller of the mean edge and the kernel's own detail,
        n_angular = max(16, 2 L + 2, ⌈2π R / mean edge⌉), rounded up to a multiple of 4, L the kernel's
        angular order

    Gauss nodes are widest apart in the middle of the radius, by π R / 2 n_radial; the arcs are longest at the
    rim. So both are at most one mean edge. Counts that are given are taken as they are.

    Raises `ValueError` where that would be more than 100 000 nodes and the counts were not given.

    >>> choose_rule(0.1, PRESETS["smooth"], Settings(radius=0.4)).shape
    (7, 28)
    """
    chosen = n_radial is None or n_angular is None
    radial, angular = default_counts(mean_edge, preset, settings)
    radial = radial if n_radial is None else n_radial
    angular = angular if n_angular is None else n_angular
    if chosen and radial * angular > MOST_NODES:
        raise ValueError(
            f"the radius {settings.radius:.4g} is {settings.radius / mean_edge:.3g} mean edges: a rule that "
            f"sees every edge would have {radial} x {angular} nodes at every site; take a smaller radius, or "
            "give both counts (radial and angular) and accept a coarser one"
        )
    return TangentRule.polar(settings.radius, radial, angular)


MOST_NODES = 100_000


def default_counts(mean_edge: float, preset: Preset, settings: Settings) -> tuple[int, int]:
    """(n_radial, n_angular) by the rule of `choose_rule`."""
    fine = min(mean_edge, preset.detail(settings))
    # Down by a little before rounding up, so that four edges are not five by rounding errors.
    radial = max(6, math.ceil(math.pi * settings.radius / (2 * fine) - 1e-9))
    around = math.ceil(2 * math.pi * settings.radius / mean_edge - 1e-9)
    angular = max(16, 2 * preset.angular_order(settings) + 2, around)
    return radial, 4 * math.ceil(angular / 4)


# -- derivatives
# ------------------------------------------------------------------------------------------------


def gradient_kernels(sigma: float, rule: TangentRule) -> Kernels:
    """The two derivatives at the origin of the linear function that fits best under a Gaussian of width
    sigma.

        k_i(v) = g(v) v_i / ∫ g v_i²

    Each is a derivative of a Gaussian, turned to its sign as a derivative and normalised on the disc:
    correlation with a + b·v gives b_i, exactly. They belong to the frame; the length of the pair does not.
    """
    _, second, _, _ = _moments(sigma, rule)

    def along(i: int) -> Kernel:
        name = f"derivative {'xy'[i]} (sigma={sigma:.4g})"
        return _weighted(sigma, name, 1, lambda v: v[..., i] / second)

    return along(0), along(1)


def hessian_kernels(sigma: float, rule: TangentRule) -> Kernels:
    """The second derivatives xx, xy, yy of the quadratic function that fits best under a Gaussian of width
    sigma.

        k_xx = g (α x² + β y² + γ),   k_xy = g x y / ∫ g x² y²

    with α, β, γ from ∫ k_xx (1, x², y²) = (0, 2, 0): on the whole plane these are the second derivatives of a
    Gaussian, and on the disc, where a plain Gaussian is cut off, constants and linear functions still give 0
    and x²/2 gives 1 (weighted least squares; the facet model of Haralick, "Ridges and valleys on digital
    images", 1983, with Gaussian weights).
    """
    zeroth, second, fourth, mixed = _moments(sigma, rule)
    system = torch.tensor(
        [[fourth, mixed, second], [mixed, fourth, second], [second, second, zeroth]], dtype=torch.float64
    )
    alpha, beta, gamma = torch.linalg.solve(
        system, torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)
    ).tolist()

    def along(i: int) -> Callable[[Tensor], Tensor]:
        return lambda v: alpha * v[..., i].square() + beta * v[..., 1 - i].square() + gamma

    return (
        _weighted(sigma, f"second derivative xx (sigma={sigma:.4g})", 2, along(0)),
        _weighted(
            sigma, f"second derivative xy (sigma={sigma:.4g})", 2, lambda v: v[..., 0] * v[..., 1] / mixed
        ),
        _weighted(sigma, f"second derivative yy (sigma={sigma:.4g})", 2, along(1)),
    )


def _weighted(sigma: float, name: str, band_limit: int, factor: Callable[[Tensor], Tensor]) -> Kernel:
    g = kernels.gaussian(sigma)
    return Kernel.from_function(
        lambda v: g(v) * factor(v), name, band_limit=band_limit, dimension=2, extent=g.extent
    )


def _moments(sigma: float, rule: TangentRule) -> tuple[float, float, float, float]:
    """∫ g, ∫ g x², ∫ g x⁴ and ∫ g x² y² over the rule, with x and y exchanged at will."""
    weight = kernels.gaussian(sigma).weights(rule)
    square = rule.nodes.square()
    even = (weight[:, None] * square).sum(0).mean(), (weight[:, None] * square.square()).sum(0).mean()
    values = weight.sum(), *even, (weight * square.prod(dim=-1)).sum()
    zeroth, second, fourth, mixed = (float(value) for value in values)
    if not second > 1e-12 * rule.radius**2 * zeroth:
        raise ValueError(
            f"a Gaussian of width {sigma:.4g} vanishes on all nodes of {rule!r} but the innermost; take a "
            "larger sigma or more radial nodes"
        )
    return zeroth, second, fourth, mixed


def _length(field: Tensor, responses: tuple[Tensor, ...], settings: Settings) -> Tensor:
    """√(f_x² + f_y²)."""
    return torch.hypot(*responses)


def _largest_eigenvalue(field: Tensor, responses: tuple[Tensor, ...], settings: Settings) -> Tensor:
    """The eigenvalue of [[xx, xy], [xy, yy]] of the largest magnitude, with its sign; of ±λ, +λ."""
    xx, xy, yy = responses
    middle, spread = (xx + yy) / 2, torch.hypot((xx - yy) / 2, xy)
    return torch.where(middle >= 0, middle + spread, middle - spread)


# -- the table
# --------------------------------------------------------------------------------------------------


def _only(field: Tensor, responses: tuple[Tensor, ...], settings: Settings) -> Tensor:
    return responses[0]


def _sharpened(field: Tensor, responses: tuple[Tensor, ...], settings: Settings) -> Tensor:
    return field + settings.amount * (field - responses[0])


def _smoothing(sigma: float, settings: Settings, rule: TangentRule) -> Kernels:
    return (kernels.gaussian(sigma, normalise=True),)


def _wavelength(sigma: float, settings: Settings) -> float:
    return 2 * sigma if settings.wavelength is None else settings.wavelength


def _preset(
    name: str, summary: str, band_limit: int, make: Callable, combine: Callable, linear: bool
) -> Preset:
    return Preset(name, summary, "preset", 1 / 3, band_limit, make, combine, "reflect", linear=linear)


def _kernel(
    name: str,
    summary: str,
    share: float,
    make: Callable[[float, Settings], Kernel],
    band_limit: int | None = 0,
) -> Preset:
    isotropic = band_limit == 0
    return Preset(
        *(name, summary, "kernel", share, band_limit),
        lambda sigma, settings, rule: (make(sigma, settings),),
        *(_only, "zero"),
        frame_blind=isotropic,
        linear=isotropic,
    )


PRESETS = {
    preset.name: preset
    for preset in (
        _preset("smooth", "the mean under a Gaussian, so constants are kept", 0, _smoothing, _only, True),
        _preset("sharpen", "f + amount (f - smooth f)", 0, _smoothing, _sharpened, True),
        _preset(
            "edges",
            "the length of the gradient of the smoothed signal",
            *(1, lambda sigma, settings, rule: gradient_kernels(sigma, rule), _length, False),
        ),
        _preset(
            "ridges",
            "the strongest second derivative of the smoothed signal: negative on ridges, positive in valleys",
            *(2, lambda sigma, settings, rule: hessian_kernels(sigma, rule), _largest_eigenvalue, False),
        ),
    )
}
"""Normalised filters whose result does not depend on frames.

`edges` correlates with the two derivatives of a Gaussian. Each of these belongs to a frame, and on a curved
surface
no frame can be carried everywhere: neither response means anything by itself. Turning the frame at a point
turns the pair of them as a vector, so the length of that vector, the magnitude of the gradient, is the same
in all frames and is well-defined. `ridges` does the same with the three second derivatives: they turn as a
symmetric matrix, whose eigenvalues are the same in all frames.
"""

KERNELS = {
    preset.name: preset
    for preset in (
        _kernel("gaussian", "exp(-r²/2σ²)", 1 / 3, lambda sigma, _: kernels.gaussian(sigma)),
        _kernel(
            "laplacian-of-gaussian",
            "(r²/σ⁴ - 2/σ²) exp(-r²/2σ²)",
            *(1 / 4, lambda sigma, _: kernels.laplacian_of_gaussian(sigma)),
        ),
        _kernel(
            "difference-of-gaussians",
            "a Gaussian of integral 1 and width σ minus one of width 1.6 σ",
            *(0.25 / 1.6, lambda sigma, _: kernels.difference_of_gaussians(sigma, 1.6 * sigma)),
        ),
        _kernel(
            "ring",
            "exp(-(r - R/2)²/2σ²): a ring of half the radius of the disc",
            *(1 / 8, lambda sigma, settings: kernels.ring(settings.radius / 2, sigma)),
        ),
        _kernel(
            "derivative",
            "∂_x exp(-r²/2σ²): refused where the holonomy turns it",
            *(1 / 3, lambda sigma, _: kernels.derivative_of_gaussian(sigma), 1),
        ),
        _kernel(
            "gabor",
            "exp(-r²/2σ²) cos(2π x/wavelength): refused where the holonomy turns it",
            *(1 / 3, lambda sigma, settings: kernels.gabor(sigma, _wavelength(sigma, settings)), None),
        ),
    )
}
"""The functions of `manifoldconv.kernels`, not normalised."""


def find(name: str) -> Preset:
    """The preset or kernel of a name; `GeometryError` that lists them otherwise."""
    found = PRESETS.get(name) or KERNELS.get(name)
    if found is None:
        raise GeometryError(
            f"there is no kernel {name!r}; presets are {', '.join(PRESETS)}, kernels are {', '.join(KERNELS)}"
        )
    return found
