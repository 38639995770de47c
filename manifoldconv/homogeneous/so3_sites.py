"""Sites on SO(3): sites of the sphere times equal angles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.homogeneous.icosahedral import icosahedral_rotations, permutations
from manifoldconv.manifolds.checks import whole
from manifoldconv.manifolds.sphere import Sphere
from manifoldconv.manifolds.sphere_sites import IcosphereSites
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.sampling import Sites, Stencil

if TYPE_CHECKING:
    from manifoldconv.homogeneous.so3 import SO3


class SO3Sites(Sites):
    """Each of N sites of the sphere with n frames round it: index = site · n + j, N · n sites in all.

    The rotation at index (s, j) takes the north pole to site s and the x axis to the direction
    offset[s] + 2π j / n in the sphere's frame there. A rotation R is interpolated between the sites of the sphere
    round R e_3 (three on icospheres, four on grids of equal angles), and at each of them between the two angles
    next to the direction R e_1, carried there along the great circle: second order, with 6 or 8 sites. The area weights
    are the Haar measure, those of the sphere's sites times 2π / n: 8π² in all.

    On icospheres the offsets follow the symmetry: the 60 rotations of the icosahedron, from the left, permute the sites
    if 10 divides n; turns about e_3 by 2π / n, from the right, always do.

    Attributes:
        sphere_sites: the N sites of the sphere.
        angles: n.
        offset: `(N,)`, in radians.
    """

    def __init__(self, group: SO3, sphere_sites: Sites, angles: int) -> None:
        self.manifold, self.sphere_sites = group, sphere_sites
        self.angles = whole("angles", angles, 1)
        directions = sphere_sites.points
        self.offset = torch.zeros(len(sphere_sites), dtype=torch.float64)
        if isinstance(sphere_sites, IcosphereSites):
            self.offset = _symmetric_offsets(directions)
        turns = self.offset[:, None] + 2 * math.pi / angles * torch.arange(angles, dtype=torch.float64)
        turned = Sphere().frame(directions)[:, None] @ rotation_matrix(turns)
        third = directions[:, None, :, None].expand(-1, angles, -1, -1)
        self.points = torch.cat([turned, third], dim=-1).flatten(0, 1)
        self.area = (sphere_sites.area * 2 * math.pi / angles).repeat_interleave(angles)

    def __repr__(self) -> str:
        return f"SO3Sites({self.sphere_sites!r}, angles={self.angles})"

    def stencil(self, points: Tensor) -> Stencil:
        """The sites round each rotation `(..., 3, 3)`."""
        points = float64("points", points, (3, 3))
        pole = points[..., :, 2]
        below = self.sphere_sites.stencil(pole)
        direction = (Sphere().frame(pole).mT @ points[..., :, :1])[..., 0]
        here = torch.atan2(direction[..., 1], direction[..., 0])
        turn = torch.atan2(below.transport[..., 1, 0], below.transport[..., 0, 0])
        place = (here[..., None] - turn - self.offset[below.index]) * self.angles / (2 * math.pi)
        lower = place.detach().floor()
        fraction = place - lower
        step = torch.stack([lower, lower + 1], dim=-1).to(torch.int64) % self.angles
        index = (below.index[..., None] * self.angles + step).flatten(-2)
        weight = (below.weight[..., None] * torch.stack([1 - fraction, fraction], dim=-1)).flatten(-2)
        transport = self.manifold.transport_between(self.points[index], points[..., None, :, :])
        return Stencil(index, weight, transport)


def _symmetric_offsets(directions: Tensor) -> Tensor:
    """`(N,)`: the angles of tangent directions that the rotations of the icosahedron take to one another.

    Each site takes the direction of the first site of its orbit. The rotations that fix a site (by 72° at twelve
    of them, by 180° at the middles of edges) leave it a choice of five, or of two.
    """
    rotations = icosahedral_rotations()
    images = permutations(directions, rotations)
    first, number = images.min(dim=0)
    back = rotations[number].mT
    frame = Sphere().frame(directions)
    along = frame.mT @ back @ frame[first][..., :1]
    return torch.atan2(along[:, 1, 0], along[:, 0, 0])
