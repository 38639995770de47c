"""The kernels that people reach for, with their formulas.

Throughout r = |v|, g(v) = exp(-r² / (2σ²)), and d is the dimension of the tangent space. Widths are in
units of length of the manifold. They may be tensors that require a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.kernels.kernel import Kernel

Number = float | Tensor
Direction = Sequence[float] | Tensor

WIDTHS = 6.0
"""exp(-6² / 2) = 1.5e-8: at 6 widths Gaussians and two derivatives of them are under 1e-6 of their peak."""

HIGHEST_ORDER = 8
"""Of the derivatives of a Gaussian: the extents below are checked up to here."""


def gaussian(sigma: Number, *, normalise: bool = False) -> Kernel:
    """g(v) = exp(-r² / (2σ²)), isotropic, in any dimension; 1 at the origin.

    With `normalise=True` it is divided by its own integral over the rule, so that constants are kept; else by
    nothing: its integral over R^d is (2πσ²)^(d/2).

    >>> gaussian(0.5)(torch.tensor([0.0, 0.0]))
    tensor(1., dtype=torch.float64)
    """
    sigma = _positive("sigma", sigma)

    def function(nodes: Tensor) -> Tensor:
        return _gauss(nodes, sigma)

    return Kernel(function, f"gaussian(sigma={_show(sigma)})", 0, None, normalise, _extent(sigma))


def laplacian_of_gaussian(sigma: Number) -> Kernel:
    """Δg = (r² / σ⁴ - d / σ²) g, isotropic: negative at the centre, integral 0 over R^d.

    Correlation gives the Laplacian of the smoothed field, ∫ Δg(v) f(p + v) dv = Δ(g * f)(p), in flat space.
    """
    sigma = _positive("sigma", sigma)

    def function(nodes: Tensor) -> Tensor:
        squared = nodes.square().sum(-1)
        return (squared / sigma**4 - nodes.shape[-1] / sigma**2) * _gauss(nodes, sigma)

    return Kernel(function, f"laplacian_of_gaussian(sigma={_show(sigma)})", 0, extent=_extent(sigma))


def mexican_hat(sigma: Number) -> Kernel:
    """(1 - r² / (dσ²)) g / (2πσ²)^(d/2), isotropic: the Ricker or Marr wavelet, minus the Laplacian of a Gaussian.

    Positive at the centre, 0 at r = σ √d, negative beyond; its integral over R^d is 0. It is -(σ² / d) ΔG with G the
    Gaussian of integral 1, so that correlation gives -(σ² / d) Δ(G * f) in flat space. With this factor the
    sizes of responses at different scales can be compared: the wave cos(ω·v) gets the response
    (σ²|ω|² / d) exp(-σ²|ω|² / 2), largest (2 / (d e)) for σ = √2 / |ω|, whatever the wave (Lindeberg 1998).

    >>> mexican_hat(1.0)(torch.tensor([[0.0, 0.0], [1.0, 1.0]])) * 2 * math.pi
    tensor([1., 0.], dtype=torch.float64)
    """
    sigma = _positive("sigma", sigma)

    def function(nodes: Tensor) -> Tensor:
        squared, dimension = nodes.square().sum(-1), nodes.shape[-1]
        height = (2 * math.pi * sigma**2) ** (-dimension / 2)
        return height * (1 - squared / (dimension * sigma**2)) * _gauss(nodes, sigma)

    return Kernel(function, f"mexican_hat(sigma={_show(sigma)})", 0, extent=_extent(sigma))


def mexican_hats(scales: Sequence[Number] | Tensor) -> tuple[Kernel, ...]:
    """One `mexican_hat` for each width in `scales`, in their order: a bank of wavelets of one shape.

    Widths in powers of two, such as `[s, 2 * s, 4 * s]`, take the signal apart into octaves.

    Raises:
        ValueError: where there is no width, or one is not positive.

    >>> [kernel.name for kernel in mexican_hats([0.1, 0.2])]
    ['mexican_hat(sigma=0.1)', 'mexican_hat(sigma=0.2)']
    """
    if isinstance(scales, Tensor) and scales.ndim != 1:
        raise ValueError(f"scales must have shape (count,); got {tuple(scales.shape)}")
    bank = tuple(mexican_hat(scale) for scale in scales)
    if not bank:
        raise ValueError("scales must hold one width at least; got none")
    return bank


def difference_of_gaussians(sigma_inner: Number, sigma_outer: Number) -> Kernel:
    """G_inner - G_outer with G_σ = (2πσ²)^(-d/2) exp(-r² / (2σ²)), isotropic.

    Both have integral 1 over R^d, so the difference has integral 0. It is positive at the centre where
    σ_inner < σ_outer; then it is about (σ_inner² - σ_outer²) / 2 times the Laplacian of a Gaussian of
    integral 1 (Marr and Hildreth 1980, appendix B).
    """
    inner, outer = _positive("sigma_inner", sigma_inner), _positive("sigma_outer", sigma_outer)

    def function(nodes: Tensor) -> Tensor:
        power = -nodes.shape[-1] / 2
        inside = (2 * math.pi * inner**2) ** power * _gauss(nodes, inner)
        return inside - (2 * math.pi * outer**2) ** power * _gauss(nodes, outer)

    name = f"difference_of_gaussians(sigma_inner={_show(inner)}, sigma_outer={_show(outer)})"
    return Kernel(function, name, 0, extent=max(_extent(inner), _extent(outer)))


def ring(radius: Number, width: Number, *, normalise: bool = False) -> Kernel:
    """exp(-(r - radius)² / (2 width²)), isotropic: 1 on the sphere of the given radius."""
    radius, width = _positive("radius", radius), _positive("width", width)

    def function(nodes: Tensor) -> Tensor:
        offset = torch.linalg.vector_norm(nodes, dim=-1) - radius
        return torch.exp(-offset.square() / (2 * width**2))

    name = f"ring(radius={_show(radius)}, width={_show(width)})"
    return Kernel(function, name, 0, None, normalise, float(radius.detach()) + _extent(width))


def derivative_of_gaussian(sigma: Number, direction: Direction = (1.0, 0.0), order: int = 1) -> Kernel:
    """∂_u^n g = (-1/σ)^n He_n(u·v / σ) g along the unit vector u of `direction` `(d,)`, n = `order`.

    He_n are Hermite's polynomials, He_0 = 1, He_1 = x, He_(n+1) = x He_n - n He_(n-1): for n = 1 the kernel is
    -(u·v / σ²) g. It is odd or even as n is, and of band limit n.

    Correlation gives (-1)^n times the derivative of the smoothed field, ∫ ∂_u^n g(v) f(p + v) dv =
    (-1)^n ∂_u^n (g * f)(p) in flat space; convolution gives it with a plus.

    Raises:
        ValueError: where `order` is not one of 0, 1, ..., 8; the highest whose extent is known to hold.
    """
    sigma, unit = _positive("sigma", sigma), _unit("direction", direction)
    if isinstance(order, bool) or not isinstance(order, int) or not 0 <= order <= HIGHEST_ORDER:
        raise ValueError(f"order must be a whole number from 0 to {HIGHEST_ORDER}; got {order!r}")

    def function(nodes: Tensor) -> Tensor:
        along = (nodes @ unit) / sigma
        return (-1 / sigma) ** order * _hermite(along, order) * _gauss(nodes, sigma)

    which = "" if order == 1 else f", order={order}"
    name = f"derivative_of_gaussian(sigma={_show(sigma)}, direction={_show(unit)}{which})"
    # The n-th derivative of a Gaussian reaches about as many widths farther as its last extremum, √n.
    reach = _extent(sigma) * (1.0 if order < 3 else 1 + math.sqrt(order) / WIDTHS)
    return Kernel(function, name, order, len(unit), extent=reach)


def second_derivative_of_gaussian(
    sigma: Number, first: Direction = (1.0, 0.0), second: Direction = (1.0, 0.0)
) -> Kernel:
    """∂_a ∂_b g = ((a·v)(b·v) / σ⁴ - a·b / σ²) g along the unit vectors of `first`, `second`; band limit 2.

    Correlation gives ∂_a ∂_b (g * f) in flat space. The sum over an orthonormal basis of a = b is Δg.
    """
    sigma = _positive("sigma", sigma)
    a, b = _unit("first", first), _unit("second", second)
    if len(a) != len(b):
        raise ValueError(f"first and second must have one dimension; got {len(a)} and {len(b)}")

    def function(nodes: Tensor) -> Tensor:
        return ((nodes @ a) * (nodes @ b) / sigma**4 - (a @ b) / sigma**2) * _gauss(nodes, sigma)

    name = f"second_derivative_of_gaussian(sigma={_show(sigma)}, first={_show(a)}, second={_show(b)})"
    return Kernel(function, name, 2, len(a), extent=_extent(sigma))


def gabor(
    sigma: Number, wavelength: Number, direction: Direction = (1.0, 0.0), phase: Number = 0.0
) -> Kernel:
    """g(v) cos(2π u·v / wavelength + phase), a wave along the unit vector u of `direction` `(d,)`.

    Even for phase 0, odd for phase -π/2 or π/2 (radians). Its band limit is infinite: the angular harmonics
    are Bessel functions J_m(2πr / wavelength), small for m well above 2π · 2σ / wavelength.
    """
    sigma, wavelength = _positive("sigma", sigma), _positive("wavelength", wavelength)
    unit, shift = _unit("direction", direction), _scalar("phase", phase)

    def function(nodes: Tensor) -> Tensor:
        return _gauss(nodes, sigma) * torch.cos(2 * math.pi / wavelength * (nodes @ unit) + shift)

    name = (
        f"gabor(sigma={_show(sigma)}, wavelength={_show(wavelength)}, direction={_show(unit)}, "
        f"phase={_show(shift)})"
    )
    return Kernel(function, name, None, len(unit), extent=_extent(sigma))


def _hermite(x: Tensor, order: int) -> Tensor:
    """He_n(x), by the recurrence."""
    before, value = torch.zeros_like(x), torch.ones_like(x)
    for n in range(order):
        before, value = value, x * value - n * before
    return value


def _gauss(nodes: Tensor, sigma: Tensor) -> Tensor:
    return torch.exp(-nodes.square().sum(-1) / (2 * sigma**2))


def _extent(width: Tensor) -> float:
    return WIDTHS * float(width.detach())


def _scalar(name: str, value: Number) -> Tensor:
    number = float64(name, value, ())
    if number.ndim:
        raise ValueError(f"{name} must be one number; got shape {tuple(number.shape)}")
    return number


def _positive(name: str, value: Number) -> Tensor:
    number = _scalar(name, value)
    if not float(number.detach()) > 0:
        raise ValueError(f"{name} must be positive; got {float(number.detach())}")
    return number


def _unit(name: str, direction: Direction) -> Tensor:
    vector = float64(name, direction, (None,))
    if vector.ndim != 1:
        raise ValueError(f"{name} must have shape (d,); got {tuple(vector.shape)}")
    length = torch.linalg.vector_norm(vector)
    if not float(length.detach()) > 0:
        raise ValueError(f"{name} must not be zero; got {vector.tolist()}")
    return vector / length


def _show(value: Tensor) -> str:
    plain = value.detach()
    if plain.ndim == 0:
        return f"{float(plain):.4g}"
    return "(" + ", ".join(f"{float(part):.4g}" for part in plain) + ")"
