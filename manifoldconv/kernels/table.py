"""Kernels given by their values on the nodes of one rule, as the weights of a CNN are."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.quadrature import TangentRule

NODE_TOLERANCE = 1e-9
"""How far, in units of the rule's radius, a vector may lie from a node and still be taken for it."""


class OffTableError(ValueError):
    """A kernel given by a table was asked for a value between the nodes of its rule."""


def table(values: Tensor, rule: TangentRule, *, name: str = "table", normalise: bool = False) -> Kernel:
    """The kernel with given values on the nodes of a rule, and none elsewhere.

        k(nodes[q]) = values.reshape(-1)[q]

    It can be flipped and transformed where that maps nodes to nodes: grids by -1, by reflections in the axes
    and (where square) by quarter turns; polar rules by turns of 2π / n_angular and by v_2 → -v_2. The
    integral weights the values by the rule's own weights; divide by `rule.weights` for the plain sum of a
    CNN: `table(w / rule.weights.reshape(rule.shape), rule)` on a grid correlates as
    `torch.nn.functional.conv2d(f, w)` does.

    Args:
        values: `(Q,)` or `rule.shape`, so `(k_y, k_x)` on a plane grid; may require a gradient.
        rule: the rule whose nodes the values belong to.
        name: for messages.
        normalise: as in `Kernel`.

    Raises `ValueError` where the number of values is not that of the nodes, and `OffTableError` (a
    ValueError) when the kernel is sampled anywhere else than on the nodes.

    >>> rule = TangentRule.grid((1, 3), 1.0)
    >>> kernel = table(torch.tensor([1.0, 2.0, 5.0]), rule)
    >>> kernel.flipped()(rule.nodes).tolist()
    [5.0, 2.0, 1.0]
    """
    values = float64("values", values, ())
    if tuple(values.shape) not in ((len(rule),), tuple(rule.shape)):
        raise ValueError(
            f"values must have shape ({len(rule)},) or {tuple(rule.shape)}, one for each node of {rule!r}; "
            f"got {tuple(values.shape)}"
        )
    flat = values.reshape(-1)
    tree = cKDTree(np.ascontiguousarray(rule.nodes.numpy()))
    # A rule of the single node 0 has radius 0; then any tiny distance is as good a scale.
    reach = NODE_TOLERANCE * (rule.radius or 1.0)

    def look_up(nodes: Tensor) -> Tensor:
        distance, index = tree.query(np.ascontiguousarray(nodes.detach().numpy()))
        if np.max(distance, initial=0.0) > reach:
            where = np.unravel_index(int(np.argmax(distance)), np.shape(distance))
            point = ", ".join(f"{coordinate:.4g}" for coordinate in nodes.detach()[where].tolist())
            raise OffTableError(
                f"kernel {name} is known on the nodes of {rule!r} alone and has no value at ({point}), which "
                f"lies {np.max(distance):.3g} from the nearest node"
            )
        return flat[torch.as_tensor(index)]

    return Kernel(look_up, name, dimension=rule.dimension, normalise=normalise, extent=rule.radius)
