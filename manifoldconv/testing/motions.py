"""Elements to check equivariance with: motions of the plane, rotations of the sphere, changes of gauge.

A name without "random" returns an element, or a list of all of them. A name with it returns a sampler, a function of a
`torch.Generator`, which `check_equivariance` asks for elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.homogeneous.icosahedral import icosahedral_rotations as rotations_of_the_icosahedron
from manifoldconv.homogeneous.so3 import SO3
from manifoldconv.manifolds.sphere import Sphere
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.testing.discretisation import GaugeChange
from manifoldconv.testing.manifolds import Isometry, ambient_isometry


def planar_motion(
    angle: float = 0.0,
    translation: Sequence[float] | Tensor = (0.0, 0.0),
    centre: Sequence[float] | Tensor = (0.0, 0.0),
    mirrored: bool = False,
) -> Isometry:
    """The motion x ↦ centre + R(angle) diag(1, ±1) (x - centre) + translation of the plane or of a flat torus.

    Args:
        angle: in radians, counterclockwise.
        translation, centre: `(2,)`, in units of length.
        mirrored: the second coordinate changes its sign first.

    >>> planar_motion(math.pi / 2, centre=(1.0, 1.0)).apply(torch.tensor([2.0, 1.0], dtype=torch.float64)).tolist()
    [1.0, 2.0]
    """
    centre, shift = float64("centre", centre, (2,)), float64("translation", translation, (2,))
    matrix = _exact_turn(angle)
    if mirrored:
        matrix = matrix @ torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    name = f"a turn by {math.degrees(angle):.4g}°{' of the mirror image' if mirrored else ''} about "
    name += f"({_numbers(centre)}), then a shift by ({_numbers(shift)})"
    return Isometry(
        name,
        lambda x: (x - centre) @ matrix.mT + centre + shift,
        lambda x: matrix.expand(*x.shape[:-1], 2, 2),
    )


def random_planar_motions(
    centre: Sequence[float] | Tensor, distance: float, mirrors: bool = False
) -> Callable[[torch.Generator], Isometry]:
    """A sampler of motions: any angle about `centre`, then a shift by less than `distance` in both coordinates."""

    def sample(generator: torch.Generator) -> Isometry:
        angle, x, y, side = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        shift = (distance * (2 * x - 1), distance * (2 * y - 1))
        return planar_motion(2 * math.pi * angle, shift, centre, mirrored=mirrors and side < 0.5)

    return sample


def random_rotations(sphere: Sphere) -> Callable[[torch.Generator], Isometry]:
    """A sampler of rotations of a two-dimensional sphere, uniform in SO(3)."""

    def sample(generator: torch.Generator) -> Isometry:
        matrix = SO3().random(1, generator)[0]
        return ambient_isometry(sphere, matrix, _rotation_name(matrix))

    return sample


def icosahedral_rotations(sphere: Sphere) -> list[Isometry]:
    """The 60 rotations of the icosahedron, which permute the sites of every icosphere. The first is the identity.

    >>> len(icosahedral_rotations(Sphere()))
    60
    """
    return [
        ambient_isometry(sphere, matrix, _rotation_name(matrix)) for matrix in rotations_of_the_icosahedron()
    ]


def random_gauge(
    count: int, dimension: int = 2, mirrors: bool = False
) -> Callable[[torch.Generator], GaugeChange]:
    """A sampler of changes of gauge: at each of `count` sites an element of SO(d), or of O(d) with `mirrors`."""

    def sample(generator: torch.Generator) -> GaugeChange:
        matrices, triangles = torch.linalg.qr(
            torch.randn(count, dimension, dimension, generator=generator, dtype=torch.float64)
        )
        # Only with a positive diagonal of the triangles is the orthogonal factor uniform (Mezzadri 2007).
        matrices = matrices * triangles.diagonal(dim1=-2, dim2=-1).sign()[:, None, :]
        if not mirrors:
            matrices[..., 0] = matrices[..., 0] * torch.linalg.det(matrices).sign()[:, None]
        return GaugeChange(matrices, f"a random change of gauge in {'O' if mirrors else 'SO'}({dimension})")

    return sample


def _exact_turn(angle: float) -> Tensor:
    """The rotation by an angle; quarter turns without rounding, so that grids are mapped to grids."""
    quarters = angle / (math.pi / 2)
    if abs(quarters - round(quarters)) > 1e-12:
        return rotation_matrix(angle)
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[round(quarters) % 4]
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)


def _rotation_name(matrix: Tensor) -> str:
    angle = math.acos(min(1.0, max(-1.0, (float(matrix.trace()) - 1) / 2)))
    values, vectors = torch.linalg.eig(matrix)
    axis = vectors[:, int((values - 1).abs().argmin())].real
    skew = torch.stack(
        [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]
    )
    axis = -axis if float(axis @ skew) < 0 else axis
    return f"a rotation by {math.degrees(angle):.4g}° about ({_numbers(axis)})"


def _numbers(vector: Tensor) -> str:
    return ", ".join(f"{number:.3g}" for number in vector.tolist())
