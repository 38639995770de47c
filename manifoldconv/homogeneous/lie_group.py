"""Groups that act, and the abstract Lie group: a manifold whose points can be multiplied."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.manifolds.base import Manifold


class ActingGroup(ABC):
    """What a group must give in order to act on a space: products, inverses, one-parameter subgroups.

    Elements are float64 tensors `(..., *element_shape)`, vectors of the Lie algebra coordinates `(..., dim)`. All batch
    axes broadcast. `LieGroup` is one that is a manifold, too; `MatrixGroup` makes one of matrices.

    Attributes:
        dim: the dimension.
        element_shape: the shape of a single element.
    """

    dim: int
    element_shape: tuple[int, ...]

    @property
    @abstractmethod
    def identity(self) -> Tensor:
        """The neutral element, float64 of shape `element_shape`."""

    @abstractmethod
    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """a b: acting with it is acting with b first, then with a."""

    @abstractmethod
    def inverse(self, a: Tensor) -> Tensor:
        """a⁻¹."""

    @abstractmethod
    def group_exp(self, v: Tensor) -> Tensor:
        """The element at t = 1 of the subgroup t ↦ group_exp(t v) with velocity v `(..., dim)` at the identity."""

    @abstractmethod
    def random(self, count: int, generator: torch.Generator, spread: float = 1.0) -> Tensor:
        """Independent elements `(count, ...)`: rotations by the Haar measure, translations normal.

        Args:
            count: how many.
            generator: of random numbers.
            spread: the standard deviation of each coordinate of a translation.
        """


class LieGroup(ActingGroup, Manifold):
    """A Lie group of dimension d with a metric that is invariant under translations from the left.

    It is a `Manifold`: `exp`, `log` and transport are those of the metric. `group_exp` and `group_log` belong to the
    product alone: t ↦ group_exp(t v) is a subgroup. On SO(3), whose metric is invariant from both sides, the two
    agree at the identity; on SE(2) they don't: `exp` draws straight lines, `group_exp` arcs of circles.

    Vectors `(..., d)` of the Lie algebra, the tangent space at the identity, are coordinates in `frame(identity)`.
    All batch axes broadcast.

    **Haar measure.** The volume of a left-invariant metric is invariant from the left. All groups here are
    unimodular (`modular` is 1), so that it is invariant from the right and under inversion, too:

        ∫ f(a g) dg = ∫ f(g a) dg = ∫ f(g⁻¹) dg = ∫ f(g) dg

    It is not scaled to total mass 1: `volume` says what it is.

    Attributes:
        volume: the measure of the whole group; infinite where it is not compact.
    """

    volume: float

    @abstractmethod
    def group_log(self, a: Tensor) -> Tensor:
        """`(..., d)`: the v of least rotation with group_exp(v) = a."""

    @abstractmethod
    def adjoint(self, a: Tensor) -> Tensor:
        """`(..., d, d)`: Ad(a), with a group_exp(v) a⁻¹ = group_exp(Ad(a) v)."""

    @abstractmethod
    def bracket(self, v: Tensor, w: Tensor) -> Tensor:
        """`(..., d)`: the Lie bracket [v, w]."""

    @abstractmethod
    def left_differential(self, a: Tensor, x: Tensor) -> Tensor:
        """`(..., d, d)`: the differential of x ↦ a x, in the frames at x and a x; orthogonal."""

    def modular(self, a: Tensor) -> Tensor:
        """`(...,)`: |det Ad(a)|⁻¹, by which a translation by a from the right changes the left Haar measure.

        It is 1 for every element of a unimodular group.
        """
        return 1 / torch.linalg.det(self.adjoint(a)).abs()

    def haar_jacobian(self, v: Tensor) -> Tensor:
        """`(...,)`: the Haar measure in the coordinates of `group_exp`, against dv, as

            ∫ f(g) dg = ∫ f(group_exp(v)) J(v) dv,    J(v) = |det ∫_0^1 exp(-s ad v) ds|

        over a part of the Lie algebra on which `group_exp` is injective (Helgason 1978, chapter II, theorem 1.7).
        """
        v = float64("v", v, (self.dim,))
        eye = torch.eye(self.dim, dtype=torch.float64)
        ad = self.bracket(v[..., None, :], eye).mT
        # exp of [[-ad, 1], [0, 0]] holds the integral in its upper right block.
        top = torch.cat([-ad, eye.expand_as(ad)], dim=-1)
        blocks = torch.linalg.matrix_exp(torch.cat([top, torch.zeros_like(top)], dim=-2))
        return torch.linalg.det(blocks[..., : self.dim, self.dim :]).abs()
