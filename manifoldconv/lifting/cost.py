"""What a correlation costs, counted: the price of orientations before it is paid."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from manifoldconv.manifolds.checks import whole
from manifoldconv.pullback import Pullback


@dataclass(frozen=True)
class Cost:
    """The size of one layer from C_in to C_out channels with a free kernel value at each of Q nodes.

    With n orientations over each of N positions and Q = n Q' nodes the products are n² N Q' C_in C_out: twice the
    orientations, four times the work. Lifting itself is linear in n, and so are fields.

    Attributes:
        weights: numbers to learn, Q C_in C_out.
        products: multiplications for one field: a node's value from its stencil, (entries) C_in, times the weights,
            P Q C_in C_out.
        stencil_bytes: index, weight and transport of the pullback, as they lie in memory.
        field_bytes: the field before and after, in float32.
    """

    weights: int
    products: int
    stencil_bytes: int
    field_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.weights:,} weights, {self.products / 1e6:,.1f} million products, "
            f"{self.stencil_bytes / 1e6:,.1f} MB of stencils, {self.field_bytes / 1e6:,.2f} MB of fields"
        )


def cost_of(pull: Pullback, channels_in: int = 1, channels_out: int = 1) -> Cost:
    """Count the weights, the products and the bytes of one layer on a pullback.

    >>> import manifoldconv as mc
    >>> plane = mc.Euclidean(2)
    >>> pull = mc.Pullback.build(plane, plane.sites((16, 16)), mc.TangentRule.grid((3, 3), 1.0))
    >>> cost_of(pull, 2, 4).weights
    72
    """
    into, out = whole("channels_in", channels_in, 1), whole("channels_out", channels_out, 1)
    sites, nodes, _ = pull.index.shape
    entries = int((pull.weight != 0).sum())
    return Cost(
        weights=nodes * into * out,
        products=entries * into + sites * nodes * into * out,
        stencil_bytes=sum(_held(part) for part in (pull.index, pull.weight, pull.transport)),
        field_bytes=4 * (pull.n_sources * into + sites * out),
    )


def _held(tensor: Tensor) -> int:
    """The bytes behind a tensor: of one that repeats itself, as the identity at every node does, only what is there."""
    return min(tensor.nbytes, tensor.untyped_storage().nbytes())
