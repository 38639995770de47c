"""Every manifold of the package, with what the laws have to know about it. A new manifold is added here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manifoldconv.homogeneous import SE2, SE3, SO3, LieGroup, group_on_itself
from manifoldconv.manifolds import (
    Cylinder,
    Euclidean,
    FlatQuotient,
    FlatTorus,
    HyperbolicPlane,
    KleinBottle,
    MoebiusStrip,
    OdeSolver,
    ParametrisedSurface,
    ProductManifold,
    Sphere,
    SurfaceOfRevolution,
)
from manifoldconv.testing import Isometry, ManifoldCase, SitesCase, action_isometry, ambient_isometry

Sampler = Callable[[torch.Generator, int], Any]
LENGTH, WIDTH = 5.3, 3.1  # not floats of fewer digits, which would hide a loss of precision


def box(low: tuple[float, ...], high: tuple[float, ...]) -> Sampler:
    """Points uniform in a box."""

    def sample(generator: torch.Generator, count: int) -> Tensor:
        start, end = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
        return start + (end - start) * torch.rand(count, len(low), generator=generator, dtype=torch.float64)

    return sample


def round_points(n: int, radius: float) -> Sampler:
    """Points uniform on a sphere."""

    def sample(generator: torch.Generator, count: int) -> Tensor:
        normal = torch.randn(count, n + 1, generator=generator, dtype=torch.float64)
        return radius * torch.nn.functional.normalize(normal, dim=-1)

    return sample


def orthogonal(n: int, seed: int) -> Tensor:
    """A random orthogonal matrix, of either determinant."""
    normal = torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(normal).Q


def affine(linear: tuple[tuple[float, float], tuple[float, float]], shift: tuple[float, float]) -> Isometry:
    """x ↦ linear x + shift in the plane; the images need not lie in the fundamental domain."""
    matrix, offset = (torch.tensor(part, dtype=torch.float64) for part in (linear, shift))
    return Isometry(
        f"{linear} x + {shift}",
        lambda x: x @ matrix.mT + offset,
        lambda x: matrix.expand(*x.shape[:-1], 2, 2),
    )


class TurnedSphere(Sphere):
    """The sphere with frames turned by an angle that varies from point to point."""

    def frame(self, x: Tensor) -> Tensor:
        angle = 3 * x[..., 0] / self.radius + 1
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1)
        return super().frame(x) @ turn.unflatten(-1, (2, 2))


def euclidean(n: int) -> ManifoldCase:
    """Euclidean space with a rigid motion."""
    matrix = orthogonal(n, n)
    motion = Isometry("motion", lambda x: x @ matrix.mT + 2.0, lambda x: matrix.expand(*x.shape, n))
    return ManifoldCase(
        Euclidean(n), box((-1.0,) * n, (1.0,) * n), radius=3.0, isometries=(motion,), embed=lambda x: x
    )


def sphere(n: int, radius: float) -> ManifoldCase:
    """A sphere, with vectors almost up to the cut locus."""
    manifold = Sphere(n, radius)
    return ManifoldCase(
        manifold,
        round_points(n, radius),
        radius=3.1 * radius,
        isometries=tuple(
            ambient_isometry(manifold, orthogonal(n + 1, seed), f"O({n + 1})") for seed in range(3)
        ),
        membership=lambda x: torch.linalg.vector_norm(x, dim=-1) / radius - 1,
        embed=lambda x: x,
        reframed=TurnedSphere(2, radius) if n == 2 else None,
    )


def flat(manifold: FlatQuotient, *further: Isometry) -> ManifoldCase:
    """A flat quotient with the mirrors and half turn that all of them have, and a shift along x."""
    common = (
        affine(((1, 0), (0, -1)), (0, 0)),
        affine(((-1, 0), (0, 1)), (0, 0)),
        affine(((1, 0), (0, 1)), (1.7, 0)),
    )
    high = (manifold.length, manifold.low + manifold.height)
    return ManifoldCase(
        manifold,
        box((0.0, manifold.low), high),
        radius=0.49 * min(manifold.length, manifold.height),
        isometries=common + further,
        membership=lambda x: (
            (x - torch.tensor(high, dtype=torch.float64)).clamp(min=0) + (-x[..., :1]).clamp(min=0)
        ),
    )


def hyperbolic() -> ManifoldCase:
    """The hyperbolic plane with boosts and a mirror; points up to 2.5 from the origin."""
    plane, minkowski = HyperbolicPlane(), torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))

    def sample(generator: torch.Generator, count: int) -> Tensor:
        direction = torch.nn.functional.normalize(
            torch.randn(count, 2, generator=generator, dtype=torch.float64)
        )
        length = 2.5 * torch.rand(count, 1, generator=generator, dtype=torch.float64)
        return plane.exp(torch.tensor([1.0, 0.0, 0.0]), length * direction)

    def moved(matrix: Tensor, name: str) -> Isometry:
        def image(x: Tensor) -> Tensor:
            return x @ matrix.mT

        return Isometry(
            name,
            image,
            lambda x: plane.frame(image(x)).mT @ minkowski @ matrix @ plane.frame(x),
        )

    cosh, sinh = math.cosh(0.8), math.sinh(0.8)
    boost = torch.tensor([[cosh, sinh, 0], [sinh, cosh, 0], [0, 0, 1]], dtype=torch.float64)
    turn = torch.block_diag(torch.eye(1, dtype=torch.float64), orthogonal(2, 1))
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    return ManifoldCase(
        plane,
        sample,
        radius=3.0,
        isometries=(moved(boost, "boost"), moved(turn @ boost, "O(2, 1)"), moved(mirror, "mirror")),
        membership=lambda x: ((x @ minkowski) * x).sum(-1) + 1,
        embed=lambda x: x,
        inner=lambda x: minkowski,
    )


def product(first: str, second: str, embedded: bool = False) -> ManifoldCase:
    """The product of two cases, with the first isometry of each."""
    one, other = BASIC[first], BASIC[second]
    manifold = ProductManifold(one.manifold, other.manifold)

    def sample(generator: torch.Generator, count: int) -> Tensor:
        return torch.cat([one.sample_points(generator, count), other.sample_points(generator, count)], dim=-1)

    def image(x: Tensor) -> Tensor:
        parts = zip((one, other), manifold.split(x), strict=True)
        return torch.cat([case.isometries[0].apply(part) for case, part in parts], dim=-1)

    def differential(x: Tensor) -> Tensor:
        a, b = manifold.split(x)
        upper, lower = one.isometries[0].differential(a), other.isometries[0].differential(b)
        return torch.stack([torch.block_diag(p, q) for p, q in zip(upper, lower, strict=True)])

    return ManifoldCase(
        manifold,
        sample,
        radius=min(one.radius, other.radius),
        isometries=(Isometry("both", image, differential),),
        embed=(lambda x: x) if embedded else None,
    )


def doughnut(s: Tensor) -> Tensor:
    """The profile of a torus: tube radius 1 round a circle of radius 2."""
    return torch.stack([2 + s.cos(), s.sin()], dim=-1)


# Loose enough to be quick; each figure is then wrong by some hundred times the error of a step.
QUICK = OdeSolver(rtol=1e-9, atol=1e-10)
DOUGHNUT = SurfaceOfRevolution(doughnut, (0.0, 2 * math.pi), closed=True, solver=QUICK)


def belt_embedding(u: Tensor) -> Tensor:
    """The unit sphere in colatitude and longitude."""
    colatitude, longitude = u.unbind(-1)
    sine = colatitude.sin()
    return torch.stack([sine * longitude.cos(), sine * longitude.sin(), colatitude.cos()], dim=-1)


def belt_metric(u: Tensor) -> Tensor:
    sine = u[..., 0].sin()
    return torch.diag_embed(torch.stack([torch.ones_like(sine), sine.square()], dim=-1))


def belt_christoffel(u: Tensor) -> Tensor:
    sine, cosine = u[..., 0].sin(), u[..., 0].cos()
    symbol = torch.zeros(*u.shape[:-1], 2, 2, 2, dtype=torch.float64)
    symbol[..., 0, 1, 1] = -sine * cosine
    symbol[..., 1, 0, 1] = symbol[..., 1, 1, 0] = cosine / sine
    return symbol


BELT = ParametrisedSurface(
    ((0.4, 2.7), (0.0, 2 * math.pi)),
    metric=belt_metric,
    embedding=belt_embedding,
    periodic=(False, True),
    christoffel=belt_christoffel,
    solver=QUICK,
)


def parametrised(manifold: ParametrisedSurface, radius: float) -> ManifoldCase:
    """A surface of revolution with rotations and the mirror in the second coordinate."""
    (low, high), (start, end) = manifold.domain
    identity = torch.eye(2, dtype=torch.float64)
    mirror = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    shift, flip = (
        torch.tensor([0.0, 1.3], dtype=torch.float64),
        torch.tensor([1.0, -1.0], dtype=torch.float64),
    )
    return ManifoldCase(
        manifold,
        box((low, start), (high, end)),
        radius=radius,
        tolerance=1e-7,
        isometries=(
            Isometry("rotation", lambda x: x + shift, lambda x: identity.expand(*x.shape, 2)),
            Isometry("mirror", lambda x: x * flip, lambda x: mirror.expand(*x.shape, 2)),
        ),
        embed=manifold.embed,
    )


def lie_group(group: LieGroup, radius: float, **ambient: Callable[[Tensor], Tensor]) -> ManifoldCase:
    """A Lie group with a left-invariant metric, and translations from the left as its isometries."""
    space, generator = group_on_itself(group), torch.Generator().manual_seed(0)
    isometries = tuple(action_isometry(space, g) for g in group.random(3, generator))
    return ManifoldCase(
        group, lambda g, n: group.random(n, g), radius=radius, isometries=isometries, **ambient
    )


def rotation_defect(x: Tensor) -> Tensor:
    """How far matrices are from rotations."""
    return (x.mT @ x - torch.eye(3, dtype=torch.float64)).abs().amax((-2, -1)) + torch.linalg.det(x) - 1


def entries(x: Tensor) -> Tensor:
    """A rigid motion as its translation and the nine entries of its rotation."""
    return torch.cat([x[..., :3, 3], x[..., :3, :3].flatten(-2)], dim=-1)


def half_trace(first: int) -> Callable[[Tensor], Tensor]:
    """The inner product tr(AᵀB) / 2 of matrices, behind so many coordinates of the usual one."""
    weights = torch.tensor([1.0] * first + [0.5] * 9, dtype=torch.float64)
    return lambda x: torch.diag(weights)


BASIC: dict[str, ManifoldCase] = {
    "line": euclidean(1),
    "plane": euclidean(2),
    "space": euclidean(3),
    "circle": sphere(1, 1.0),
    "sphere": sphere(2, 1.0),
    "large sphere": sphere(2, 7.0),
    "three-sphere": sphere(3, 0.5),
    "cylinder": flat(Cylinder(LENGTH, WIDTH)),
    "torus": flat(FlatTorus(LENGTH, WIDTH), affine(((1, 0), (0, 1)), (0.4, 0.7))),
    "square torus": flat(FlatTorus(2.0, 2.0), affine(((0, -1), (1, 0)), (0, 0.3))),
    "Möbius strip": flat(MoebiusStrip(LENGTH, WIDTH)),
    "Klein bottle": flat(KleinBottle(LENGTH, WIDTH), affine(((1, 0), (0, 1)), (0, WIDTH / 2))),
}

CASES: dict[str, ManifoldCase] = {
    **BASIC,
    "hyperbolic plane": hyperbolic(),
    "sphere × line": product("sphere", "line", embedded=True),
    "cylinder × circle": product("cylinder", "circle"),
    "SE(2)": lie_group(
        SE2(),
        3.1,
        membership=lambda x: (x[..., 2] - 2 * math.pi).clamp(min=0) + (-x[..., 2]).clamp(min=0),
        embed=lambda x: x,
    ),
    "SO(3)": lie_group(
        SO3(), 3.1, membership=rotation_defect, embed=lambda x: x.flatten(-2), inner=half_trace(0)
    ),
    "SE(3)": lie_group(
        SE3(),
        3.1,
        membership=lambda x: rotation_defect(x[..., :3, :3]),
        embed=entries,
        inner=half_trace(3),
    ),
    "torus of revolution": parametrised(DOUGHNUT, 0.9),
    "belt of a sphere": parametrised(BELT, 0.9),
}


def wave(points: Tensor, along: float, across: float) -> tuple[Tensor, Tensor]:
    """The phases 2π along x / LENGTH and 2π across y / WIDTH."""
    return 2 * math.pi * along * points[..., 0] / LENGTH, 2 * math.pi * across * points[..., 1] / WIDTH


# The scalar fields are invariant under the gluing, and on strips even across the boundary, where sites go on
# as a constant. The second component of a vector field changes its sign over a glide.
def untwisted(points: Tensor) -> Tensor:
    x, y = wave(points, 1, 1)
    return x.sin() + y.cos() * x.cos()


def on_strip(points: Tensor) -> Tensor:
    x, y = wave(points, 1, 0.5)
    return x.sin() + y.sin()


def twisted(points: Tensor) -> Tensor:
    x, y = wave(points, 0.5, 0.5)
    return (2 * x).sin() + x.cos() * y.sin()


def twisted_twice(points: Tensor) -> Tensor:
    x, y = wave(points, 0.5, 1)
    return (2 * x).sin() + x.cos() * y.sin()


def untwisted_vector(points: Tensor) -> Tensor:
    x, _ = wave(points, 1, 1)
    return torch.stack([x.sin(), x.cos()], dim=-1)


def twisted_vector(points: Tensor) -> Tensor:
    x, _ = wave(points, 0.5, 1)
    return torch.stack([(2 * x).sin(), x.cos()], dim=-1)


def round_scalar(points: Tensor) -> Tensor:
    x, y, z = points.unbind(-1)
    return x * y + z**3 + (x - z).sin()


def round_vector(points: Tensor) -> Tensor:
    """The tangential part of a linear field of space."""
    return (Sphere(2).frame(points).mT @ (points @ orthogonal(3, 5))[..., None])[..., 0]


def motion_scalar(points: Tensor) -> Tensor:
    """On SE(2), of period 2π in the angle."""
    x, y, angle = points.unbind(-1)
    return (2 * x).sin() * angle.cos() + y.cos() * (2 * angle).sin()


def motion_vector(points: Tensor) -> Tensor:
    x, y, angle = points.unbind(-1)
    return torch.stack([(x + y).sin() * angle.cos(), x.cos() + angle.sin(), (2 * y).sin()], dim=-1)


def turning_scalar(points: Tensor) -> Tensor:
    """On SO(3), of the entries."""
    return points[..., 0, 1] * points[..., 2, 2] + (points[..., 1, 0] - points[..., 0, 2]).sin()


def turning_vector(points: Tensor) -> Tensor:
    """A field of smooth coordinates in the left-invariant frame."""
    return torch.stack([points[..., 0, 0], points[..., 1, 2].sin(), points[..., 2, 1]], dim=-1)


def doughnut_scalar(points: Tensor) -> Tensor:
    s, angle = points.unbind(-1)
    return s.sin() * angle.cos() + (2 * angle).sin()


def doughnut_vector(points: Tensor) -> Tensor:
    s, angle = points.unbind(-1)
    return torch.stack([(s + angle).sin(), s.cos()], dim=-1)


def flat_sites(
    manifold: FlatQuotient, scalar: Callable[[Tensor], Tensor], vector: Callable[[Tensor], Tensor]
) -> SitesCase:
    """Grids of 20 × 33 and 40 × 66 cells."""
    coarse, fine = manifold.sites(shape=(20, 33)), manifold.sites(shape=(40, 66))
    return SitesCase(coarse, fine, LENGTH * WIDTH, scalar, vector)


SITES: dict[str, tuple[SitesCase, Sampler]] = {
    # A window of the plane: n pixels stand for n × spacing, and interpolation reaches the outermost ones.
    "plane": (
        SitesCase(
            Euclidean(2).sites(shape=(21, 31), spacing=0.1),
            Euclidean(2).sites(shape=(42, 62), spacing=0.05),
            2.1 * 3.1,
            untwisted,
            untwisted_vector,
        ),
        box((0.0, 0.0), (3.0, 2.0)),
    ),
    "cylinder": (
        flat_sites(Cylinder(LENGTH, WIDTH), on_strip, untwisted_vector),
        CASES["cylinder"].sample_points,
    ),
    "torus": (
        flat_sites(FlatTorus(LENGTH, WIDTH), untwisted, untwisted_vector),
        CASES["torus"].sample_points,
    ),
    "Möbius strip": (
        flat_sites(MoebiusStrip(LENGTH, WIDTH), twisted, twisted_vector),
        CASES["Möbius strip"].sample_points,
    ),
    "Klein bottle": (
        flat_sites(KleinBottle(LENGTH, WIDTH), twisted_twice, twisted_vector),
        CASES["Klein bottle"].sample_points,
    ),
    "torus of revolution": (
        SitesCase(
            DOUGHNUT.sites(shape=(40, 20)),
            DOUGHNUT.sites(shape=(80, 40)),
            8 * math.pi**2,
            doughnut_scalar,
            doughnut_vector,
        ),
        box((0.0, 0.0), (2 * math.pi, 2 * math.pi)),
    ),
    "icosphere": (
        SitesCase(
            Sphere().sites(icosphere=3), Sphere().sites(icosphere=4), 4 * math.pi, round_scalar, round_vector
        ),
        round_points(2, 1.0),
    ),
    "SE(2)": (
        SitesCase(
            SE2().sites(shape=(21, 31, 24), spacing=0.1),
            SE2().sites(shape=(42, 62, 48), spacing=0.05),
            2.1 * 3.1 * 2 * math.pi,
            motion_scalar,
            motion_vector,
        ),
        box((0.0, 0.0, 0.0), (3.0, 2.0, 2 * math.pi)),
    ),
    "SO(3)": (
        SitesCase(
            SO3().sites(icosphere=2, angles=20),
            SO3().sites(icosphere=3, angles=40),
            8 * math.pi**2,
            turning_scalar,
            turning_vector,
        ),
        lambda generator, count: SO3().random(count, generator),
    ),
    "SO(3), equiangular": (
        SitesCase(
            SO3().sites(equiangular=(12, 25), angles=24),
            SO3().sites(equiangular=(24, 50), angles=48),
            8 * math.pi**2,
            turning_scalar,
            turning_vector,
        ),
        lambda generator, count: SO3().random(count, generator),
    ),
    "equiangular": (
        SitesCase(
            Sphere().sites(equiangular=(20, 41)),
            Sphere().sites(equiangular=(40, 82)),
            4 * math.pi,
            round_scalar,
            round_vector,
        ),
        round_points(2, 1.0),
    ),
}
