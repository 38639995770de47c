"""The 60 rotations of the icosahedron, under which the sites of an icosphere are permuted."""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds.sphere_sites import icosphere


def icosahedral_rotations() -> Tensor:
    """The rotations `(60, 3, 3)` that map the icospheres to themselves, the identity first.

    >>> tuple(icosahedral_rotations().shape)
    (60, 3, 3)
    """
    vertices, faces = icosphere(0)
    # A rotation is known by where it takes one corner of one face and the next: to any of 20 · 3 places.
    first = torch.cat([faces, faces.roll(-1, dims=1), faces.roll(-2, dims=1)])[:, :2]
    frames = _frames(vertices[first[:, 0]], vertices[first[:, 1]])
    rotations = frames @ frames[0].T
    rotations[0] = torch.eye(3, dtype=torch.float64)
    return rotations


def permutations(points: Tensor, rotations: Tensor) -> Tensor:
    """`(K, N)` int64: rotation k takes point n to point number permutations[k, n].

    Args:
        points: `(N, 3)`.
        rotations: `(K, 3, 3)`.

    Raises:
        GeometryError: where a rotation takes a point beside the points (by more than 1e-9 of its length).
    """
    gaps, index = cKDTree(points.numpy()).query((points @ rotations.mT).numpy())
    gap = torch.from_numpy(gaps)
    if not bool((gap <= 1e-9 * points.norm(dim=-1).amax()).all()):
        k, n = torch.nonzero(gap == gap.max())[0].tolist()
        raise GeometryError(
            f"rotation {k} takes point {n} beside the points, by {float(gap.max()):.3g}: it does not permute them"
        )
    return torch.from_numpy(index).to(torch.int64)


def _frames(first: Tensor, second: Tensor) -> Tensor:
    """`(K, 3, 3)`: orthonormal columns from two unit vectors."""
    across = torch.nn.functional.normalize(torch.linalg.cross(first, second), dim=-1)
    return torch.stack([first, torch.linalg.cross(across, first), across], dim=-1)
