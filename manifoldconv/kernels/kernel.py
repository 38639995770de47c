"""Kernel: a function on the tangent space, numbers or matrices as values, that a manifold carries along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.orthogonal import describe_element
from manifoldconv.quadrature import TangentRule

if TYPE_CHECKING:
    from manifoldconv.representations import Representation

VANISHING_INTEGRAL = 1e-6
"""|∫k| over ∫|k| below which a kernel is not divided by its integral: that would only magnify rounding."""


@dataclass(frozen=True, eq=False, repr=False)
class Kernel:
    """A function k on the tangent space R^d, in coordinates of an orthonormal frame.

    Calling it samples it: `kernel(nodes)` takes nodes `(..., d)` to values `(...,)` in float64,
    differentiable in the nodes and in whatever parameters the function holds. Values are densities: the
    integral over the tangent space weights them by dμ, as `weights` does.

    Attributes:
        function: maps a float64 tensor `(..., d)` to `(...,)`.
        name: for messages, such as "gaussian(sigma=0.1)".
        band_limit: the largest order of an angular harmonic in k: 0 for isotropic kernels, 1 for first
            derivatives of them, ...; None where unknown or infinite.
        dimension: d, or None where the function takes any.
        normalise: whether `weights` divides k by its own integral over the rule.
        extent: a radius beyond which |k| stays under 1e-6 of its largest value; None where unknown.
        rep_in, rep_out: the field types between which the kernel maps, with values `(..., C_out, C_in)`; None
            for a scalar kernel, with values `(...,)`.

    >>> square = Kernel.from_function(lambda v: v[..., 0] ** 2, name="x²", band_limit=2)
    >>> square(torch.tensor([[3.0, 1.0]]))
    tensor([9.], dtype=torch.float64)
    """

    function: Callable[[Tensor], Tensor]
    name: str
    band_limit: int | None = None
    dimension: int | None = None
    normalise: bool = False
    extent: float | None = None
    rep_in: Representation | None = None
    rep_out: Representation | None = None

    @classmethod
    def from_function(
        cls,
        function: Callable[[Tensor], Tensor],
        name: str | None = None,
        *,
        band_limit: int | None = None,
        dimension: int | None = None,
        normalise: bool = False,
        extent: float | None = None,
        rep_in: Representation | None = None,
        rep_out: Representation | None = None,
    ) -> Kernel:
        """The kernel of any function of tangent vectors; arguments as the attributes of `Kernel`.

        The name is the function's own where none is given.
        """
        if not callable(function):
            raise ValueError(
                f"a kernel is made from a function of tangent vectors; got {type(function).__name__}"
            )
        name = getattr(function, "__name__", "kernel") if name is None else name
        return cls(function, name, band_limit, dimension, normalise, extent, rep_in, rep_out)

    def __post_init__(self) -> None:
        if (self.rep_in is None) != (self.rep_out is None):
            raise ValueError(f"kernel {self.name} needs both rep_in and rep_out, or neither")
        if self.rep_in is not None and self.normalise:
            raise ValueError(
                f"kernel {self.name} maps {self.rep_in} to {self.rep_out} and has no one integral to be "
                "divided by; use normalise=False"
            )

    @property
    def value_shape(self) -> tuple[int, ...]:
        """The shape of the value at one node: () for a scalar kernel, (C_out, C_in) between field types."""
        if self.rep_in is None or self.rep_out is None:
            return ()
        return (self.rep_out.size, self.rep_in.size)

    def __call__(self, nodes: Tensor) -> Tensor:
        """The values `(...,)`, or `(..., C_out, C_in)`, float64, at nodes `(..., d)`; never normalised.

        Raises `ValueError` where the nodes have another dimension than the kernel, or the function does not
        return one number, or one matrix, for each node.
        """
        nodes = float64("nodes", nodes, (self.dimension,))
        values = self.function(nodes)
        expected = (*nodes.shape[:-1], *self.value_shape)
        if not isinstance(values, Tensor) or tuple(values.shape) != expected:
            came = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(
                f"kernel {self.name}: for nodes of shape {tuple(nodes.shape)} the function must return a "
                f"tensor of shape {expected}; it returned {came}"
            )
        return values.to(torch.float64)

    def sample(self, nodes: Tensor) -> Tensor:
        """The same as calling the kernel."""
        return self(nodes)

    def weights(
        self, rule: TangentRule, nodes: Tensor | None = None, node_weights: Tensor | None = None
    ) -> Tensor:
        """k(v_q) w_q `(..., Q)`, float64: what a field's values at the nodes are multiplied by and summed.

        `(..., Q, C_out, C_in)` between field types.

        With `normalise`, divided by their sum over Q, so that a constant field is kept.

        Args:
            rule: the nodes v_q and weights w_q.
            nodes: `(..., Q, d)`, other coordinates of the nodes, as where frames were turned.
            node_weights: `(..., Q)`, other weights, as of another measure.

        Raises `ValueError` where that sum vanishes (below 1e-6 of the sum of absolute values).
        """
        if self.dimension not in (None, rule.dimension):
            raise ValueError(f"kernel {self.name} has dimension {self.dimension}, the rule {rule.dimension}")
        weights = rule.weights if node_weights is None else node_weights
        weights = weights.reshape(*weights.shape, *([1] * len(self.value_shape)))
        products = self(rule.nodes if nodes is None else nodes) * weights
        if not self.normalise:
            return products
        total = products.sum(-1, keepdim=True)
        smallest = VANISHING_INTEGRAL * products.detach().abs().sum(-1, keepdim=True)
        vanishes = ~(total.detach().abs() > smallest)
        if bool(vanishes.any()):
            raise ValueError(
                f"kernel {self.name} cannot be normalised: its integral over {rule!r} is "
                f"{float(total[vanishes][0]):.3g}, which is zero beside ∫|k|; use normalise=False"
            )
        return products / total

    def normalised(self) -> Kernel:
        """The same kernel with `normalise=True`."""
        return replace(self, normalise=True)

    def flipped(self) -> Kernel:
        """v ↦ k(-v): convolution with k is correlation with this."""
        return replace(self, function=lambda nodes: self(-nodes), name=f"flipped({self.name})")

    def acting_on(self, representation: Representation, rule: TangentRule | None = None) -> Kernel:
        """k(v) · 1 between fields of one type: the same scalar kernel on all channels of what was carried to the site.

        Admissible where the scalar kernel is: with a Gaussian it smooths vectors and tensors as Gaussians smooth
        scalars. (Correlating a vector field with the scalar kernel itself would take its coordinates for scalars.)

        Args:
            representation: the type of the fields, before and after.
            rule: where the kernel has `normalise`, the rule over which its integral is taken.

        Raises `ValueError` for a kernel between field types, one of another dimension, and where `rule` is missing.

        >>> import manifoldconv as mc
        >>> vectors = mc.Representation("1", mc.StructureGroup.orthogonal(2))
        >>> smoothing = mc.kernels.gaussian(0.5).acting_on(vectors)
        >>> smoothing(torch.zeros(2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        if self.rep_in is not None:
            raise ValueError(
                f"kernel {self.name} maps {_types(self)} already; only a scalar kernel acts on others"
            )
        if self.dimension not in (None, representation.group.dimension):
            raise ValueError(
                f"kernel {self.name} has dimension {self.dimension}; {representation!r} is a type of dimension "
                f"{representation.group.dimension}"
            )
        plain = replace(self, normalise=False)
        if self.normalise:
            if rule is None:
                raise ValueError(
                    f"kernel {self.name} has normalise=True, and between field types no rule is asked: give the rule "
                    "over which its integral is taken, acting_on(representation, rule)"
                )
            self.weights(rule)  # refuses where the integral vanishes
        identity = torch.eye(representation.size, dtype=torch.float64)

        def function(nodes: Tensor) -> Tensor:
            values = plain(nodes)
            if self.normalise and rule is not None:
                values = values / plain.weights(rule).sum()
            return values[..., None, None] * identity.to(nodes.device)

        return replace(
            plain,
            function=function,
            name=f"{self.name} on {representation}",
            dimension=representation.group.dimension,
            rep_in=representation,
            rep_out=representation,
        )

    def transformed(self, matrix: Tensor) -> Kernel:
        """h·k: v ↦ k(h⁻¹ v) for an orthogonal h `(d, d)`; so (g h)·k = g·(h·k).

        Between field types v ↦ ρ_out(h) k(h⁻¹ v) ρ_in(h)⁻¹; a kernel is admissible for a group if h·k = k
        there.

        >>> east = Kernel.from_function(lambda v: v[..., 0], name="x")
        >>> quarter_turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> east.transformed(quarter_turn)(torch.tensor([0.0, 2.0]))
        tensor(2., dtype=torch.float64)
        """
        matrix = float64("matrix", matrix, (self.dimension, self.dimension))
        d = matrix.shape[-1]
        if matrix.ndim != 2 or matrix.shape[0] != d:
            raise ValueError(f"matrix must have shape (d, d); got {tuple(matrix.shape)}")
        plain = matrix.detach()
        defect = float((plain.mT @ plain - torch.eye(d, dtype=torch.float64)).abs().max())
        if defect > 1e-6:
            raise ValueError(f"a kernel is transformed by orthogonal matrices; MᵀM misses 1 by {defect:.3g}")

        def function(nodes: Tensor) -> Tensor:
            values = self(nodes @ matrix)  # for row vectors, h⁻¹ v = hᵀ v is v @ h
            if self.rep_in is None or self.rep_out is None:
                return values
            return self.rep_out.matrix(matrix) @ values @ self.rep_in.matrix(matrix).mT

        return replace(
            self,
            function=function,
            name=f"{self.name} moved by {describe_element(plain)}",
            dimension=d,
        )

    def carried(self, manifold: Any, path: Any) -> Kernel:
        """Γ_γ k: the kernel carried along a path γ by parallel transport.

            (Γ_γ k)(v) = k(Γ_γ⁻¹ v),   v in the tangent space at the end of γ

        Args:
            manifold: anything whose `transport(path)` is the `(d, d)` matrix from the first to the last
            point,
                in the frames there.
            path: what that manifold takes for a path.
        """
        return replace(self.transformed(manifold.transport(path)), name=f"carried({self.name})")

    def __add__(self, other: Kernel) -> Kernel:
        return _combined(self, other, 1.0, "+") if isinstance(other, Kernel) else NotImplemented

    def __sub__(self, other: Kernel) -> Kernel:
        return _combined(self, other, -1.0, "-") if isinstance(other, Kernel) else NotImplemented

    def __mul__(self, factor: float | Tensor) -> Kernel:
        if not isinstance(factor, int | float | Tensor) or (isinstance(factor, Tensor) and factor.ndim):
            return NotImplemented
        _require_plain(self)
        shown = float(factor.detach()) if isinstance(factor, Tensor) else factor
        name = f"{shown:.4g} * {_in_parentheses(self.name)}"
        return replace(self, function=lambda nodes: factor * self(nodes), name=name)

    __rmul__ = __mul__

    def __neg__(self) -> Kernel:
        return self * -1.0

    def __repr__(self) -> str:
        return f"Kernel({self.name}{', normalised' if self.normalise else ''})"


def _combined(first: Kernel, second: Kernel, sign: float, symbol: str) -> Kernel:
    """first ± second, with the larger of the band limits and extents, unknown where one is."""
    _require_plain(first)
    _require_plain(second)
    dimensions = {kernel.dimension for kernel in (first, second)} - {None}
    if len(dimensions) > 1:
        raise ValueError(
            f"no sum: {first.name} has dimension {first.dimension}, {second.name} {second.dimension}"
        )
    if (first.rep_in, first.rep_out) != (second.rep_in, second.rep_out):
        raise ValueError(f"no sum: {first.name} maps {_types(first)}, {second.name} maps {_types(second)}")
    limits = [kernel.band_limit for kernel in (first, second) if kernel.band_limit is not None]
    extents = [kernel.extent for kernel in (first, second) if kernel.extent is not None]
    return Kernel(
        function=lambda nodes: first(nodes) + sign * second(nodes),
        name=f"{first.name} {symbol} {_in_parentheses(second.name) if sign < 0 else second.name}",
        band_limit=max(limits) if len(limits) == 2 else None,
        dimension=dimensions.pop() if dimensions else None,
        extent=max(extents) if len(extents) == 2 else None,
        rep_in=first.rep_in,
        rep_out=first.rep_out,
    )


def _types(kernel: Kernel) -> str:
    return "scalars to scalars" if kernel.rep_in is None else f"{kernel.rep_in} to {kernel.rep_out}"


def _require_plain(kernel: Kernel) -> None:
    """A kernel still to be divided by its integral is no fixed function: it has no sums, no multiples."""
    if kernel.normalise:
        raise ValueError(
            f"kernel {kernel.name} has normalise=True, which depends on the rule: combine kernels with "
            "normalise=False, then take .normalised() of the result"
        )


def _in_parentheses(name: str) -> str:
    return f"({name})" if " + " in name or " - " in name else name
