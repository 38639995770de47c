"""Correlation of a field with a kernel on the tangent spaces: the readable reference, and the collapsed form.

(k ⋆ f)(p) = ∫_{T_pM} k(v) f(exp_p v) dμ(v) ≈ Σ_q w_q k(v_q) Σ_s weight[p, q, s] f[index[p, q, s]]
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.kernels.constraint import require_admissible
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.ops import SparseOperator, kernel_factors, operators_from_factors
from manifoldconv.pullback import Pullback

Method = Literal["sparse", "reference"]

# Samples f(exp_p v_q) held at a time where the gradient of a kernel asks for them.
SAMPLES_AT_A_TIME = 4_000_000


def correlate(
    field: Tensor, kernel: Kernel, pull: Pullback, *, gauge_dependent: bool = False, method: Method = "sparse"
) -> Tensor:
    """The cross-correlation k ⋆ f, as in every CNN library: the kernel is not flipped (see `convolve`).

    Args:
        field: `(..., N, C)` scalar fields, floating; the answer has its dtype and device.
        kernel: a function on the tangent space, k(v) per unit of its measure.
        pull: built for the sites that carry the field.
        gauge_dependent: go on with a kernel that the holonomy group does not admit; the answer then depends on frames
            and paths that nobody chose.
        method: "sparse": one sparse product (`Pullback.operator`). "reference": the formula, loop by loop.

    Returns:
        `(..., P, C)`; 0 at sites without any node on the manifold. Differentiable in the field and in the
        parameters of the kernel.

    Raises:
        HolonomyError: for a kernel that is not invariant under `pull.group`.
        ValueError: for a field that does not fit the sites.

    >>> import manifoldconv as mc
    >>> sphere = mc.Sphere()
    >>> sites = sphere.sites(icosphere=3)
    >>> pull = mc.Pullback.build(sphere, sites, mc.TangentRule.polar(0.5, 4, 16))
    >>> z = sites.points[:, 2:]  # a spherical harmonic of degree 1: an eigenfunction
    >>> out = mc.correlate(z, mc.kernels.gaussian(0.2, normalise=True), pull)
    >>> bool(((out - float(out[0] / z[0]) * z).abs() < 2e-3).all())
    True
    """
    if not gauge_dependent:
        check_admissible(kernel, pull)
    _check_field(field, pull)
    if method == "reference":
        return correlate_reference(field, kernel, pull)
    if method != "sparse":
        raise ValueError(f'method must be "sparse" or "reference"; got {method!r}')
    factors = kernel_factors(kernel, pull)
    if not factors.requires_grad:
        return pull.operator(kernel)(field)
    columns = field.movedim(-2, 0).flatten(1)
    (plain,) = operators_from_factors([(pull, factors[None])])
    out = _CorrelateWithKernelGradient.apply(
        columns, factors, pull, plain.to(device=field.device, dtype=field.dtype)
    )
    return out.reshape(len(pull), *field.shape[:-2], field.shape[-1]).movedim(0, -2)


def convolve(
    field: Tensor, kernel: Kernel, pull: Pullback, *, gauge_dependent: bool = False, method: Method = "sparse"
) -> Tensor:
    """The convolution ∫ k(-v) f(exp_p v) dμ(v): correlation with the kernel flipped, v ↦ k(-v).

    Arguments and errors as in `correlate`. The two agree for kernels with k(-v) = k(v).
    """
    return correlate(field, kernel.flipped(), pull, gauge_dependent=gauge_dependent, method=method)


def correlate_reference(field: Tensor, kernel: Kernel, pull: Pullback) -> Tensor:
    """The formula, loop by loop: slow, and what every other form is compared with."""
    nodes = pull.nodes
    out = []
    for p in range(len(pull)):
        wk = kernel.weights(pull.rule, nodes if nodes.ndim == 2 else nodes[p])
        if pull.boundary == "renormalise":
            inside = (wk.abs() * pull.coverage[p]).sum()
            wk = wk * (wk.abs().sum() / inside if inside > 0 else 0.0)
        total = torch.zeros(*field.shape[:-2], field.shape[-1], dtype=field.dtype)
        for q in range(len(wk)):
            value = torch.zeros_like(total)
            for s in range(pull.index.shape[-1]):
                value = value + pull.weight[p, q, s].to(field.dtype) * field[..., pull.index[p, q, s], :]
            total = total + wk[q].to(field.dtype) * value
        out.append(total)
    return torch.stack(out, dim=-2)


def check_admissible(kernel: Kernel, pull: Pullback) -> None:
    """Raise `HolonomyError` unless the kernel is invariant under the group of the pullback's frames."""
    if pull.group is not None:
        require_admissible(kernel, pull.group, pull.rule)


def _check_field(field: Any, pull: Pullback) -> None:
    if not isinstance(field, Tensor) or not field.is_floating_point():
        raise ValueError(
            f"the field must be a floating-point tensor; got {getattr(field, 'dtype', type(field).__name__)}"
        )
    if field.ndim < 2 or field.shape[-2] != pull.n_sources:
        raise ValueError(
            f"the field must have shape (..., {pull.n_sources}, channels) for the {pull.n_sources} sites of the pullback; "
            f"got {tuple(field.shape)}"
        )


class _CorrelateWithKernelGradient(torch.autograd.Function):
    """The sparse product, with the gradient of the kernel's factors as well; nothing of size P x Q x C is kept."""

    @staticmethod
    def forward(
        ctx: Any, field: Tensor, factors: Tensor, pull: Pullback, collapsed: SparseOperator
    ) -> Tensor:
        ctx.save_for_backward(field, factors)
        ctx.pull, ctx.collapsed = pull, collapsed
        return collapsed(field)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        field, factors = ctx.saved_tensors
        pull = ctx.pull
        rows = max(1, SAMPLES_AT_A_TIME // (pull.index[0].numel() * field.shape[1]))
        per_site = []
        for start in range(0, len(pull), rows):
            chosen = slice(start, start + rows)
            weight = pull.weight[chosen].to(field.dtype)
            samples = (weight[..., None] * field[pull.index[chosen]]).sum(dim=2)
            per_site.append(torch.einsum("pc,pqc->pq", grad[chosen], samples))
        grad_factors = torch.cat(per_site).to(factors.dtype)
        if len(factors) == 1:
            grad_factors = grad_factors.sum(dim=0, keepdim=True)
        return ctx.collapsed.transposed(grad), grad_factors, None, None
