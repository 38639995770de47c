"""Correlation of a field with a kernel on the tangent spaces: the readable reference, and the collapsed form.

(k ⋆ f)(p) = ∫_{T_pM} k(v) f(exp_p v) dμ(v)
          ≈ Σ_q w_q k(v_q) Σ_s weight[p, q, s] ρ_in(transport[p, q, s]) f[index[p, q, s]]
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.kernel_gradient import correlate_with_kernel_gradient
from manifoldconv.kernels.constraint import require_admissible
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.ops import kernel_factors
from manifoldconv.pullback import Pullback

Method = Literal["sparse", "reference"]


def correlate(
    field: Tensor, kernel: Kernel, pull: Pullback, *, gauge_dependent: bool = False, method: Method = "sparse"
) -> Tensor:
    """The cross-correlation k ⋆ f, as in every CNN library: the kernel is not flipped (see `convolve`).

    Args:
        field: floating; the answer has its dtype and device. `(..., N, C)`: C scalar fields, or for a kernel between
            field types one field of type `kernel.rep_in` with C channels, in the frames of the pullback.
        kernel: a function on the tangent space, k(v) per unit of its measure; scalar, or with values
            `(C_out, C_in)` that map `kernel.rep_in` to `kernel.rep_out`.
        pull: built for the sites that carry the field.
        gauge_dependent: go on with a kernel that the holonomy group does not admit; the answer then depends on frames
            and paths that nobody chose.
        method: "sparse": one sparse product (`Pullback.operator`). "reference": the formula, loop by loop.

    Returns:
        `(..., P, C)`, or `(..., P, C_out)`; 0 at sites without any node on the manifold. Differentiable in the field
        and in the parameters of the kernel.

    Raises:
        HolonomyError: for a kernel that is not invariant under `pull.group`: k(h v) = k(v), or between field types
            k(h v) = ρ_out(h) k(v) ρ_in(h)⁻¹, for every h in it.
        ValueError: for a field that does not fit the sites.

    >>> import manifoldconv as mc
    >>> sphere = mc.Sphere()
    >>> sites = sphere.sites(icosphere=3)
    >>> pull = mc.Pullback.build(sphere, sites, mc.TangentRule.polar(0.5, 4, 16))
    >>> z = sites.points[:, 2:]  # a spherical harmonic of degree 1: an eigenfunction
    >>> out = mc.correlate(z, mc.kernels.gaussian(0.2, normalise=True), pull)
    >>> eigenvalue = (out * z).sum() / (z * z).sum()
    >>> bool((out - eigenvalue * z).abs().max() < 5e-3)
    True
    """
    if not isinstance(kernel, Kernel):
        raise ValueError(
            f"the kernel must be a Kernel (see Kernel.from_function); got {type(kernel).__name__}"
        )
    if not gauge_dependent:
        check_admissible(kernel, pull)
    _check_field(field, kernel, pull)
    if method == "reference":
        return correlate_reference(field, kernel, pull)
    if method != "sparse":
        raise ValueError(f'method must be "sparse" or "reference"; got {method!r}')
    factors = kernel_factors(kernel, pull)
    if not factors.requires_grad:
        return pull.operator(kernel)(field)
    return correlate_with_kernel_gradient(field, factors, kernel, pull)


def convolve(
    field: Tensor, kernel: Kernel, pull: Pullback, *, gauge_dependent: bool = False, method: Method = "sparse"
) -> Tensor:
    """The convolution ∫ k(-v) f(exp_p v) dμ(v): correlation with the kernel flipped, v ↦ k(-v).

    Arguments and errors as in `correlate`. The two agree for kernels with k(-v) = k(v).
    """
    return correlate(field, kernel.flipped(), pull, gauge_dependent=gauge_dependent, method=method)


def correlate_reference(field: Tensor, kernel: Kernel, pull: Pullback) -> Tensor:
    """The formula, loop by loop: slow, and what every other form is compared with."""
    nodes, weights = pull.nodes, pull.node_weights
    typed = kernel.rep_in is not None
    out = []
    for p in range(len(pull)):
        here = nodes if nodes.ndim == 2 else nodes[p]
        wk = kernel.weights(pull.rule, here, weights if weights.ndim == 1 else weights[p])
        if pull.boundary == "renormalise":
            size = torch.linalg.matrix_norm(wk) if typed else wk.abs()
            inside = (size * pull.coverage[p]).sum()
            wk = wk * (size.sum() / inside if inside > 0 else 0.0)
        channels = kernel.rep_out.size if kernel.rep_out is not None else field.shape[-1]
        total = torch.zeros(*field.shape[:-2], channels, dtype=field.dtype, device=field.device)
        for q in range(len(wk)):
            value = torch.zeros(*field.shape[:-2], field.shape[-1], dtype=field.dtype, device=field.device)
            for s in range(pull.index.shape[-1]):
                read = field[..., pull.index[p, q, s], :]
                if kernel.rep_in is not None:
                    read = read @ kernel.rep_in.matrix(pull.transport[p, q, s]).to(field.dtype).mT
                value = value + pull.weight[p, q, s].to(field.dtype) * read
            factor = wk[q].to(field.dtype)
            total = total + (value @ factor.mT if typed else factor * value)
        out.append(total)
    return torch.stack(out, dim=-2)


def check_admissible(kernel: Kernel, pull: Pullback) -> None:
    """Raise `HolonomyError` unless the kernel is invariant under the group of the pullback's frames."""
    if pull.group is not None:
        require_admissible(kernel, pull.group, pull.rule, role=pull.group_role)


def _check_field(field: Any, kernel: Kernel, pull: Pullback) -> None:
    if not isinstance(field, Tensor) or not field.is_floating_point():
        raise ValueError(
            f"the field must be a floating-point tensor; got {getattr(field, 'dtype', type(field).__name__)}"
        )
    channels = "channels" if kernel.rep_in is None else str(kernel.rep_in.size)
    fits = field.ndim >= 2 and field.shape[-2] == pull.n_sources
    if not fits or (kernel.rep_in is not None and field.shape[-1] != kernel.rep_in.size):
        kind = "" if kernel.rep_in is None else f" of a field of type {kernel.rep_in}"
        raise ValueError(
            f"the field must have shape (..., {pull.n_sources}, {channels}) for the {pull.n_sources} sites of the "
            f"pullback and the channels{kind}; got {tuple(field.shape)}"
        )
