"""Quadrature on the tangent space: where a kernel is sampled, and with which weights of dμ."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from scipy.special import roots_jacobi
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.orthogonal import rotation_matrix


@dataclass(frozen=True, eq=False, repr=False)
class TangentRule:
    """Q nodes of a tangent space R^d and their weights: ∫ g dμ ≈ Σ_q weights[q] g(nodes[q]).

    Coordinates are those of an orthonormal frame, so μ is the Lebesgue measure of R^d, and lengths are in
    the units of the manifold. Make one by `polar`, `grid` or `points`.

    Attributes:
        nodes: `(Q, d)` float64.
        weights: `(Q,)` float64, in units of length^d.
        radius: the radius of the ball that the rule covers: of the disc for `polar`, the distance of the
            farthest node for the others.
        kind: "polar", "grid" or "points".
        shape: how the Q nodes are ordered: `(n_radial, n_angular)` for "polar", the grid's shape in C order
            for "grid", `(Q,)` for "points". `values.reshape(..., *rule.shape)` undoes the flattening.

    >>> rule = TangentRule.polar(0.5, 4, 8)
    >>> len(rule), rule.shape
    (32, (4, 8))
    >>> bool(torch.isclose(rule.weights.sum(), torch.tensor(torch.pi * 0.25, dtype=torch.float64)))
    True
    """

    nodes: Tensor
    weights: Tensor
    radius: float
    kind: Literal["polar", "grid", "points"]
    shape: tuple[int, ...]

    @classmethod
    def polar(cls, radius: float, n_radial: int, n_angular: int) -> TangentRule:
        """Gauss nodes in the radius, equal angles: the rule of the disc |v| ≤ radius in R^2.

            ∫ g dμ ≈ Σ_i Σ_j u_i (2π / n_angular) g(r_i cos θ_j, r_i sin θ_j),
            θ_j = (j + 1/2) 2π / n_angular

        r_i and u_i are Gauss-Jacobi for the weight r dr on [0, radius], exact for polynomials in r of degree
        2 n_radial - 1. The angles are exact for harmonics of order below n_angular; so polynomials in the
        coordinates of degree ≤ min(2 n_radial, n_angular) - 1 are integrated exactly. The half step keeps the
        nodes off the first axis (and, where 4 divides n_angular, off the second), along which edges lie on
        meshes, so that rays do not run through vertices; the nodes are symmetric under v_2 → -v_2 all the
        same. Node i * n_angular + j is (r_i, θ_j), radii ascending.

        Raises `ValueError` unless 0 < radius < ∞ and both counts are whole numbers ≥ 1.

        Source: Gauss-Jacobi quadrature with (1 + x) as weight, NIST DLMF section 3.5(v).
        """
        radius = _positive("radius", radius)
        n_radial, n_angular = _count("n_radial", n_radial), _count("n_angular", n_angular)
        # ∫_0^R g(r) r dr with r = R (1 + x) / 2 is (R / 2)² ∫ g (1 + x) dx over [-1, 1].
        x, u = (torch.from_numpy(np.asarray(a, dtype=np.float64)) for a in roots_jacobi(n_radial, 0.0, 1.0))
        radii, radial_weights = radius * (1 + x) / 2, (radius / 2) ** 2 * u
        step = 2 * math.pi / n_angular
        angles = (torch.arange(n_angular, dtype=torch.float64) + 0.5) * step
        directions = rotation_matrix(angles)[..., 0]
        nodes = (radii[:, None, None] * directions).reshape(-1, 2)
        weights = (radial_weights[:, None] * torch.full_like(angles, step)).reshape(-1)
        return cls(nodes, weights, radius, "polar", (n_radial, n_angular))

    @classmethod
    def grid(cls, shape: Sequence[int], spacing: float) -> TangentRule:
        """A centred grid of midpoints in R^d, d = len(shape), each with the weight spacing^d.

        `shape` is in C order, as of an image: in the plane `(k_y, k_x)`; node row * k_x + column is

            (x, y) = ((column - (k_x - 1) / 2) · spacing, (row - (k_y - 1) / 2) · spacing),

        so the last axis of the array is the first coordinate, and the rows run towards positive y.

        Raises `ValueError` unless the spacing is positive and all sizes are whole numbers ≥ 1.

        >>> TangentRule.grid((1, 3), 0.5).nodes[:, 0].tolist()
        [-0.5, 0.0, 0.5]
        """
        spacing = _positive("spacing", spacing)
        if not isinstance(shape, Sequence) or isinstance(shape, str):
            raise ValueError(f"shape must be a sequence of sizes, such as (3, 3); got {shape!r}")
        shape = tuple(_count(f"shape[{axis}]", size) for axis, size in enumerate(shape))
        if not shape:
            raise ValueError("shape must have at least one axis; got ()")
        axes = [(torch.arange(size, dtype=torch.float64) - (size - 1) / 2) * spacing for size in shape]
        coordinates = torch.meshgrid(*axes, indexing="ij")
        nodes = torch.stack([c.reshape(-1) for c in reversed(coordinates)], -1)
        weights = torch.full((len(nodes),), spacing ** len(shape), dtype=torch.float64)
        return cls(nodes, weights, _farthest(nodes), "grid", shape)

    @classmethod
    def points(cls, nodes: Tensor, weights: Tensor) -> TangentRule:
        """The user's own nodes `(Q, d)` and weights `(Q,)`; weights may have any sign."""
        nodes = float64("nodes", nodes, (None, None)).detach().clone()
        if nodes.ndim != 2 or 0 in nodes.shape:
            raise ValueError(f"nodes must have shape (Q, d) with Q, d ≥ 1; got {tuple(nodes.shape)}")
        weights = float64("weights", weights, (len(nodes),)).detach().clone()
        if weights.ndim != 1:
            raise ValueError(f"weights must have shape ({len(nodes)},); got {tuple(weights.shape)}")
        return cls(nodes, weights, _farthest(nodes), "points", (len(nodes),))

    @property
    def dimension(self) -> int:
        """d, the dimension of the tangent space."""
        return self.nodes.shape[-1]

    @property
    def n_angular(self) -> int | None:
        """The number of equal angles of a polar rule; None for the others."""
        return self.shape[1] if self.kind == "polar" else None

    @property
    def angular_limit(self) -> int | None:
        """The largest L for which the product of two functions of angular band limit L is integrated exactly.

        (n_angular - 1) // 2 for a polar rule, as the angles are exact below order n_angular; None for the
        others, which have no such limit.
        """
        return None if self.n_angular is None else (self.n_angular - 1) // 2

    def integrate(self, values: Tensor) -> Tensor:
        """∫ g dμ `(...,)` from the values `(..., Q)` of g on the nodes; differentiable.

        In the dtype of the values (at least float32).
        """
        if values.ndim < 1 or values.shape[-1] != len(self):
            raise ValueError(
                f"values must have last axis {len(self)}, the nodes; got shape {tuple(values.shape)}"
            )
        dtype = torch.promote_types(values.dtype, torch.float32)
        return (values.to(dtype) * self.weights.to(values.device, dtype)).sum(-1)

    def scaled(self, factor: float) -> TangentRule:
        """The rule with all lengths multiplied by `factor` > 0: weights by factor^d."""
        factor = _positive("factor", factor)
        return replace(
            self,
            nodes=self.nodes * factor,
            weights=self.weights * factor**self.dimension,
            radius=self.radius * factor,
        )

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"TangentRule.{self.kind}(radius={self.radius:.6g}, shape={self.shape})"


def _positive(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite; got {value!r}")
    return number


def _count(name: str, value: int) -> int:
    count = operator.index(value) if hasattr(value, "__index__") else 0
    if count < 1:
        raise ValueError(f"{name} must be a whole number ≥ 1; got {value!r}")
    return count


def _farthest(nodes: Tensor) -> float:
    return float(torch.linalg.vector_norm(nodes, dim=-1).max())
