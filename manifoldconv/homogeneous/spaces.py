"""The ready-made homogeneous spaces."""

from __future__ import annotations

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.lie_group import ActingGroup, LieGroup
from manifoldconv.homogeneous.matrix_group import MatrixGroup
from manifoldconv.homogeneous.se2 import SE2
from manifoldconv.homogeneous.se3 import SE3
from manifoldconv.homogeneous.so3 import SO3
from manifoldconv.homogeneous.space import HomogeneousSpace
from manifoldconv.homogeneous.translations import Translations
from manifoldconv.manifolds.euclidean import Euclidean
from manifoldconv.manifolds.hyperbolic import HyperbolicPlane
from manifoldconv.manifolds.sphere import Sphere
from manifoldconv.orthogonal import rotation_matrix


def euclidean_under_translations(n: int = 2) -> HomogeneousSpace:
    """R^n (by default the plane) under its translations.

    The stabiliser is trivial, so every kernel is admissible: the ordinary convolution. The measure is that of
    Lebesgue.
    """
    group, space = Translations(n), Euclidean(n)
    name = "the plane" if n == 2 else f"R^{n}"
    return HomogeneousSpace(
        f"{name} under translations",
        group,
        space,
        torch.zeros(n, dtype=torch.float64),
        group.act,
        lambda p: float64("p", p, (n,)),
        StructureGroup.trivial(n),
        lambda h: torch.zeros_like(float64("h", h, (n, n))[..., 0]),
        group.left_differential,
    )


def plane_under_se2() -> HomogeneousSpace:
    """The plane under SE(2): the section translates, the stabiliser is SO(2), the measure that of Lebesgue."""
    group = SE2()

    def differential(g: Tensor, x: Tensor) -> Tensor:
        turn = rotation_matrix(float64("g", g, (3,))[..., 2])
        batch = torch.broadcast_shapes(turn.shape[:-2], x.shape[:-1])
        return turn.expand(*batch, 2, 2)

    def lift(h: Tensor) -> Tensor:
        h = float64("h", h, (2, 2))
        return torch.nn.functional.pad(torch.atan2(h[..., 1, 0], h[..., 0, 0])[..., None], (2, 0))

    return HomogeneousSpace(
        "the plane under SE(2)",
        group,
        Euclidean(2),
        torch.zeros(2, dtype=torch.float64),
        group.act,
        lambda p: torch.nn.functional.pad(float64("p", p, (2,)), (0, 1)),
        StructureGroup.special_orthogonal(2),
        lift,
        differential,
    )


def space_under_se3() -> HomogeneousSpace:
    """R³ under SE(3): the section translates, the stabiliser is SO(3), the measure that of Lebesgue."""
    group = SE3()

    def differential(g: Tensor, x: Tensor) -> Tensor:
        rotation, _ = group.split(g)
        batch = torch.broadcast_shapes(rotation.shape[:-2], x.shape[:-1])
        return rotation.expand(*batch, 3, 3)

    return HomogeneousSpace(
        "R^3 under SE(3)",
        group,
        Euclidean(3),
        torch.zeros(3, dtype=torch.float64),
        group.act,
        lambda p: group.join(torch.eye(3, dtype=torch.float64), p),
        StructureGroup.special_orthogonal(3),
        lambda h: group.join(h, torch.zeros(3, dtype=torch.float64)),
        differential,
    )


def sphere_under_so3(radius: float = 1.0) -> HomogeneousSpace:
    """The sphere under SO(3): the stabiliser of the north pole is SO(2), the measure is the area.

    The section takes the north pole to p by the rotation with the columns (frame at p, p / radius). It jumps at the
    equator, as `Sphere.frame` does; no section of the sphere is continuous everywhere.
    """
    group, sphere = SO3(), Sphere(radius=radius)

    def section(p: Tensor) -> Tensor:
        p = float64("p", p, (3,))
        pole = torch.nn.functional.normalize(p, dim=-1)
        return torch.cat([sphere.frame(p), pole[..., None]], dim=-1)

    def differential(g: Tensor, x: Tensor) -> Tensor:
        return sphere.frame(group.act(g, x)).mT @ g @ sphere.frame(x)

    return HomogeneousSpace(
        "the sphere under SO(3)",
        group,
        sphere,
        torch.tensor([0.0, 0.0, sphere.radius], dtype=torch.float64),
        group.act,
        section,
        StructureGroup.special_orthogonal(2),
        lambda h: (
            torch.nn.functional.pad(float64("h", h, (2, 2)), (0, 1, 0, 1))
            + torch.diag(torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
        ),
        differential,
    )


def hyperbolic_plane_under_so21() -> HomogeneousSpace:
    """The hyperbolic plane under SO⁺(2, 1), the Lorentz transformations of the hyperboloid.

    The stabiliser of (1, 0, 0) is SO(2), the measure is the area. The section takes (1, 0, 0) to p by the boost with
    the columns (p, frame at p), and is continuous everywhere.
    """
    minkowski = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
    turns = torch.tensor(
        [
            [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
            [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
            [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
        ],
        dtype=torch.float64,
    )
    group, plane = MatrixGroup("SO(2, 1)", turns), HyperbolicPlane()

    def differential(g: Tensor, x: Tensor) -> Tensor:
        return plane.frame(group.act(g, x)).mT @ minkowski @ g @ plane.frame(x)

    return HomogeneousSpace(
        "the hyperbolic plane under SO(2, 1)",
        group,
        plane,
        torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64),
        group.act,
        lambda p: torch.cat([float64("p", p, (3,))[..., None], plane.frame(p)], dim=-1),
        StructureGroup.special_orthogonal(2),
        lambda h: (
            torch.nn.functional.pad(float64("h", h, (2, 2)), (1, 0, 1, 0))
            + torch.diag(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
        ),
        differential,
    )


def group_on_itself(group: ActingGroup) -> HomogeneousSpace:
    """A Lie group under its translations from the left.

    The section of g is g, the stabiliser is trivial, so that no constraint is left; the measure is that of Haar.

    Raises `GeometryError` for a group that is no `LieGroup`, a manifold with a left-invariant metric.
    """
    if not isinstance(group, LieGroup):
        raise GeometryError(f"a group acts on itself where it is a manifold, a LieGroup; got {group!r}")
    shape = group.element_shape

    def lift(h: Tensor) -> Tensor:
        return group.identity.expand(*float64("h", h, (group.dim, group.dim)).shape[:-2], *shape)

    return HomogeneousSpace(
        f"{group!r} on itself",
        group,
        group,
        group.identity,
        group.product,
        lambda p: float64("p", p, shape),
        StructureGroup.trivial(group.dim),
        lift,
        group.left_differential,
    )
