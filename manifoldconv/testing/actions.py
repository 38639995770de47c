"""The laws of a group, of its action on a homogeneous space, and of an invariant measure.

A kernel that a group carries is well defined only if these hold. Each broken law is reported with the element of the
group, or the point, that shows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.lie_group import LieGroup
from manifoldconv.homogeneous.space import HomogeneousSpace, differential_of_map
from manifoldconv.homogeneous.spaces import group_on_itself
from manifoldconv.manifolds.base import Manifold
from manifoldconv.manifolds.checks import whole
from manifoldconv.testing.laws import LawResult, apply, identity_gap
from manifoldconv.testing.manifolds import Isometry

Sampler = Callable[[torch.Generator, int], Tensor]
Named = Sequence[tuple[str, Tensor]]

# Nodes of Gauss-Hermite for each dimension: spectral accuracy as far as memory allows.
_NODES = {1: 24, 2: 16, 3: 12}
_NODES_BEYOND = 4
# Random elements by which the measure is tested: each takes two quadratures of a whole function.
FEW = 4
# A direction in which the group moves a point less than this, against the fastest, counts as one in which it cannot.
_STILL = 1e-6


def check_action(
    space: HomogeneousSpace,
    generator: torch.Generator,
    count: int = 32,
    sample_points: Sampler | None = None,
    tolerance: float = 1e-8,
    width: float = 0.1,
) -> list[LawResult]:
    """Whether a space is homogeneous as it says: action, section, stabiliser, metric and measure.

    Args:
        space: the space, one of your own perhaps.
        generator: of random elements and points.
        count: how many elements and points; the measure is tested by the first four.
        sample_points: (generator, count) to points anywhere on the manifold; by default exp_{p0} of normal vectors.
            They must not be made by the action, or a part of the manifold that it doesn't reach goes unseen.
        tolerance: the largest deviation that passes.
        width: of the Gaussian test functions by which the measure is tested, small against the injectivity radius.

    Returns:
        One `LawResult` a law, whose `error` names the element or point that shows a broken law, or says what the
        functions of the space raised. `require` raises for broken ones.

    Raises:
        GeometryError: where there is no space, or nothing to draw.

    The measure is tested as  ∫ f(g⁻¹ q) dμ(q) = ∫ f(q) dμ(q)  for Gaussians times polynomials round random points x,
    each integral by Gauss-Hermite quadrature where its integrand lives: on the tangent space at g x, and at x.

    >>> from manifoldconv.homogeneous import sphere_under_so3
    >>> from manifoldconv.testing import require
    >>> results = check_action(sphere_under_so3(), torch.Generator().manual_seed(0))
    >>> require(results)
    >>> print(results[2].law)
    the section carries the base to every point
    """
    if not isinstance(space, HomogeneousSpace):
        raise GeometryError(f"the space must be a HomogeneousSpace; got {type(space).__name__}")
    count = whole("count", count, 1)
    group, manifold = space.group, space.manifold
    first, second = group.random(count, generator), group.random(count, generator)
    points = (_anywhere(space) if sample_points is None else sample_points)(generator, count)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    fixing = space.stabiliser.sample(count, torch.Generator().manual_seed(seed))
    laws: dict[str, Callable[[], tuple[Tensor, Named]]] = {
        "the identity moves no point": lambda: _identity(space, points),
        "acting with a product is acting twice": lambda: _acts(space, first, second, points),
        "the section carries the base to every point": lambda: _section(space, points),
        "the group moves every point in every direction (transitive)": lambda: _transitive(space, points),
        "the group keeps the metric": lambda: _isometric(space, first, points),
        "the differential is that of the action": lambda: _differential(space, first, points),
        "the stabiliser fixes the base": lambda: _fixes(space, fixing),
        "the stabiliser acts on the tangent space as it says": lambda: _isotropy(space, fixing),
        "elements that fix the base lie in the stabiliser": lambda: _all_fixing(space, first),
        "the measure is invariant": lambda: _invariant(
            manifold, space.measure, space.act, group.inverse, first[:FEW], points[:FEW], width, seed
        ),
    }
    return [_evaluate(law, figures, tolerance) for law, figures in laws.items()]


def check_group(
    group: LieGroup,
    generator: torch.Generator,
    count: int = 32,
    tolerance: float = 1e-8,
    width: float = 0.1,
) -> list[LawResult]:
    """The laws of a Lie group, of its exponential map and of its Haar measure; then those of its action on itself.

    Arguments and result are those of `check_action`.

    >>> import manifoldconv as mc
    >>> mc.testing.require(check_group(mc.SE2(), torch.Generator().manual_seed(0)))
    """
    if not isinstance(group, LieGroup):
        raise GeometryError(f"the group must be a LieGroup; got {type(group).__name__}")
    count = whole("count", count, 1)
    a, b, c = (group.random(count, generator) for _ in range(3))
    v = torch.nn.functional.normalize(
        torch.randn(count, group.dim, generator=generator, dtype=torch.float64), dim=-1
    )
    v = 3 * v * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    gap, product, inverse = group.distance_between_points, group.product, group.inverse
    conjugate = lambda: product(product(a, group.group_exp(v)), inverse(a))  # noqa: E731
    halves = lambda: product(group.group_exp(0.3 * v), group.group_exp(0.7 * v))  # noqa: E731
    laws: dict[str, Callable[[], tuple[Tensor, Named]]] = {
        "the product is associative": lambda: (
            gap(product(product(a, b), c), product(a, product(b, c))),
            [("a", a), ("b", b), ("c", c)],
        ),
        "the identity is neutral": lambda: (
            gap(product(a, group.identity), a) + gap(product(group.identity, a), a),
            [("a", a)],
        ),
        "the inverse is one from both sides": lambda: (
            gap(product(a, inverse(a)), group.identity) + gap(product(inverse(a), a), group.identity),
            [("a", a)],
        ),
        "group_exp(t v) is a subgroup": lambda: (gap(halves(), group.group_exp(v)), [("v", v)]),
        "group_log inverts group_exp": lambda: (
            (group.group_log(group.group_exp(v)) - v).abs().amax(-1),
            [("v", v)],
        ),
        "group_exp inverts group_log": lambda: (gap(group.group_exp(group.group_log(a)), a), [("a", a)]),
        "the adjoint is conjugation": lambda: (
            gap(conjugate(), group.group_exp(apply(group.adjoint(a), v))),
            [("a", a), ("v", v)],
        ),
        "the bracket is the derivative of the adjoint": lambda: _bracket(group, v),
        "the group is unimodular": lambda: ((group.modular(a) - 1).abs(), [("a", a)]),
        "the Haar measure is invariant from the right": lambda: _invariant(
            group,
            lambda x: torch.ones_like(gap(x, x)),
            lambda g, x: product(x, inverse(g)),
            inverse,
            group.random(FEW, torch.Generator().manual_seed(seed), spread=0.3),
            b[:FEW],
            width / 2,
            seed,
        ),
    }
    results = [_evaluate(law, figures, tolerance) for law, figures in laws.items()]
    space = replace(group_on_itself(group), differential_of=group.left_differential)
    return results + check_action(space, generator, count, tolerance=tolerance, width=width)


def action_isometry(space: HomogeneousSpace, g: Tensor) -> Isometry:
    """An element of the group as an `Isometry` of its space, for `check_laws` and `check_equivariance`."""
    return Isometry(
        f"{space.name}: {_rounded(g)}", lambda x: space.act(g, x), lambda x: space.differential(g, x)
    )


def _evaluate(law: str, figures: Callable[[], tuple[Tensor, Named]], tolerance: float) -> LawResult:
    """The largest figure, and who shows it where that is too large."""
    try:
        values, witnesses = figures()
    except Exception as refusal:  # of whatever kind: the parts of a space are functions of the user's own
        kind = "" if isinstance(refusal, ValueError) else f"{type(refusal).__name__}: "
        return LawResult(law, math.nan, tolerance, f"{kind}{refusal}")
    values = values.detach().to(torch.float64)
    worst = int(torch.nan_to_num(values, nan=torch.inf).argmax())
    figure = float(values[worst])
    if figure <= tolerance:
        return LawResult(law, figure, tolerance)
    shown = ", ".join(f"{name} = {_rounded(value[worst])}" for name, value in witnesses)
    return LawResult(law, figure, tolerance, f"at {shown}")


def _rounded(value: Tensor) -> list[float]:
    return (value.detach().round(decimals=6) + 0.0).tolist()  # no -0.0


def _anywhere(space: HomogeneousSpace) -> Sampler:
    def sample(generator: torch.Generator, count: int) -> Tensor:
        v = 2 * torch.randn(count, space.manifold.dim, generator=generator, dtype=torch.float64)
        return space.manifold.exp(space.base, v)

    return sample


# --- the laws of an action: figures `(count,)` and what stands beside each ---


def _identity(space: HomogeneousSpace, points: Tensor) -> tuple[Tensor, Named]:
    moved = space.act(space.group.identity, points)
    return space.manifold.distance_between_points(moved, points), [("x", points)]


def _acts(space: HomogeneousSpace, a: Tensor, b: Tensor, points: Tensor) -> tuple[Tensor, Named]:
    together, twice = space.act(space.group.product(a, b), points), space.act(a, space.act(b, points))
    gap = space.manifold.distance_between_points(together, twice)
    return gap, [("a", a), ("b", b), ("x", points)]


def _section(space: HomogeneousSpace, points: Tensor) -> tuple[Tensor, Named]:
    elements = space.section(points)
    gap = space.manifold.distance_between_points(space.act(elements, space.base), points)
    return gap, [("p", points), ("the section's element", elements)]


def _transitive(space: HomogeneousSpace, points: Tensor) -> tuple[Tensor, Named]:
    """The number of directions at each point in which no one-parameter subgroup moves it.

    Where it is 0 everywhere, all orbits are open; on a connected manifold there is then only one.
    """
    group, manifold = space.group, space.manifold
    columns = []
    for direction in torch.eye(group.dim, dtype=torch.float64):
        step = group.group_exp(1e-4 * direction)
        ahead, behind = space.act(step, points), space.act(group.inverse(step), points)
        columns.append((manifold.log(points, ahead) - manifold.log(points, behind)) / 2e-4)
    values = torch.linalg.svdvals(torch.stack(columns, dim=-1))
    if values.shape[-1] < manifold.dim:
        values = torch.nn.functional.pad(values, (0, manifold.dim - values.shape[-1]))
    still = values <= _STILL * values.amax(-1, keepdim=True)
    return still.sum(-1).to(torch.float64), [("x", points)]


def _isometric(space: HomogeneousSpace, g: Tensor, points: Tensor) -> tuple[Tensor, Named]:
    matrix = space.automatic_differential(g, points)
    return identity_gap(matrix.mT @ matrix).abs().amax((-2, -1)), [("g", g), ("x", points)]


def _differential(space: HomogeneousSpace, g: Tensor, points: Tensor) -> tuple[Tensor, Named]:
    gap = space.automatic_differential(g, points) - space.differential(g, points)
    return gap.abs().amax((-2, -1)), [("g", g), ("x", points)]


def _fixes(space: HomogeneousSpace, fixing: Tensor) -> tuple[Tensor, Named]:
    elements = space.lift(fixing)
    gap = space.manifold.distance_between_points(space.act(elements, space.base), space.base)
    return gap, [("h", fixing), ("its element", elements)]


def _isotropy(space: HomogeneousSpace, fixing: Tensor) -> tuple[Tensor, Named]:
    elements = space.lift(fixing)
    gap = space.automatic_differential(elements, space.base) - fixing
    return gap.abs().amax((-2, -1)), [("h", fixing), ("its element", elements)]


def _all_fixing(space: HomogeneousSpace, g: Tensor) -> tuple[Tensor, Named]:
    """g_{p0→g p0}⁻¹ g fixes p0, for any g: how far its action on the tangent space lies from the stabiliser."""
    back = space.group.inverse(space.section(space.act(g, space.base)))
    elements = space.group.product(back, g)
    matrices = space.automatic_differential(elements, space.base)
    gaps = torch.tensor([_distance(space.stabiliser, matrix) for matrix in matrices], dtype=torch.float64)
    return gaps, [("g", elements), ("which acts by", matrices)]


def _distance(group: StructureGroup, matrix: Tensor) -> float:
    """The largest entry by which a matrix misses the nearest component of a group; 0 for its elements."""
    identity = torch.eye(group.dimension, dtype=torch.float64)
    rest = group.structure.components.mT @ matrix
    nearest = identity.expand_as(rest)
    for block in group.structure.blocks:
        inner = block.mT @ rest @ block
        u, _, v = torch.linalg.svd(inner)
        flip = torch.ones(len(rest), block.shape[1], dtype=torch.float64)
        flip[:, -1] = torch.linalg.det(u @ v)
        rotation = (u * flip[:, None, :]) @ v
        nearest = nearest + block @ (rotation - torch.eye(block.shape[1], dtype=torch.float64)) @ block.mT
    return float((rest - nearest).abs().amax((-2, -1)).min())


def _bracket(group: LieGroup, v: Tensor) -> tuple[Tensor, Named]:
    """d/dt Ad(group_exp(t v)) w at t = 0, by central differences."""
    w, step = v.roll(1, dims=0), 1e-4
    ahead, behind = group.adjoint(group.group_exp(step * v)), group.adjoint(group.group_exp(-step * v))
    derivative = apply((ahead - behind) / (2 * step), w)
    # Differences of steps of 1e-4 err by some 1e-8 |v|³ |w|.
    return (derivative - group.bracket(v, w)).abs().amax(-1) / 30, [("v", v), ("w", w)]


def _invariant(
    manifold: Manifold,
    density: Callable[[Tensor], Tensor],
    act: Callable[[Tensor, Tensor], Tensor],
    inverse: Callable[[Tensor], Tensor],
    g: Tensor,
    points: Tensor,
    width: float,
    seed: int,
) -> tuple[Tensor, Named]:
    """|∫ f(g⁻¹ q) dμ(q) / ∫ f dμ - 1| for one random f round each point, and one random g."""
    generator = torch.Generator().manual_seed(seed)
    nodes, weights = _hermite(manifold.dim, width)
    figures = []
    for element, x in zip(g, points, strict=True):
        slopes = 0.3 * torch.randn(2, manifold.dim, generator=generator, dtype=torch.float64) / width

        def test_function(v: Tensor, slopes: Tensor = slopes) -> Tensor:
            return 1 + v @ slopes[0] + (v @ slopes[1]).square()

        here = weights * manifold.exp_jacobian(x, nodes) * density(manifold.exp(x, nodes))
        # At g x the nodes are those of x, moved by the differential: the function is as wide as it became there.
        centre, differential = act(element, x), differential_of_map(manifold, partial(act, element), x)
        moved = nodes @ differential.mT
        q = manifold.exp(centre, moved)
        there = (
            weights * torch.linalg.det(differential).abs() * manifold.exp_jacobian(centre, moved) * density(q)
        )
        read = manifold.log(x, act(inverse(element), q))
        # The weights hold the Gaussian of the node; the function has that of the place at which it is read.
        gaussian = ((nodes.square().sum(-1) - read.square().sum(-1)) / (2 * width**2)).exp()
        values = (here * test_function(nodes)).sum(), (there * gaussian * test_function(read)).sum()
        figures.append(float((values[1] / values[0] - 1).abs()))
    return torch.tensor(figures, dtype=torch.float64), [("g", g), ("x", points)]


def _hermite(dimension: int, width: float) -> tuple[Tensor, Tensor]:
    """Nodes `(Q, d)` and weights `(Q,)` with Σ w g = ∫ g(v) exp(-|v|² / (2 width²)) dv for polynomials g."""
    count = _NODES.get(dimension, _NODES_BEYOND)
    line, line_weights = np.polynomial.hermite.hermgauss(count)
    x, w = (
        torch.from_numpy(line) * math.sqrt(2) * width,
        torch.from_numpy(line_weights) * math.sqrt(2) * width,
    )
    grids = torch.meshgrid(*[x] * dimension, indexing="ij")
    products = torch.meshgrid(*[w] * dimension, indexing="ij")
    nodes = torch.stack([part.flatten() for part in grids], dim=-1)
    return nodes, torch.stack([part.flatten() for part in products]).prod(dim=0)
