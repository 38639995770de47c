"""The average of a kernel over a group: the nearest kernel that the group admits.

    (P k)(v) = ∫_G ρ_out(h)⁻¹ k(h v) ρ_in(h) dh,    dh the Haar measure with ∫_G dh = 1

A group is a finite set of components times a connected part. The components are summed over. For the
connected part the average is taken at a reference point of the orbit of v, and carried to v by an element
that takes it there: what comes out is admissible whatever the number of quadrature nodes, and is the
integral where those suffice.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.groups.closure import basis_about
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.orthogonal import rotation_matrix

Function = Callable[[Tensor], Tensor]

RADII_APART = 2.0**44
"""Radii that agree to this part of the largest are one: the kernel changes by 1e-13 of its slope."""


def project(kernel: Kernel, group: StructureGroup, n_angles: int = 64) -> Kernel:
    """The average of a kernel over a group: the nearest kernel that the group admits.

        (P k)(v) = ∫_G ρ_out(h)⁻¹ k(h v) ρ_in(h) dh,    scalar kernels: ∫_G k(h v) dh

    Finite groups are summed over. For SO(2) and O(2), also about an axis, the integral is a mean over
    `n_angles` equal angles, exact where band limit and frequencies of the field types sum to less; for
    SO(3) and O(3) over `n_angles` meridians times half as many circles of latitude (Gauss nodes). The
    answer is admissible to rounding in any case: it is the average at one point of each orbit, carried
    along the orbit. An odd scalar kernel averages to zero.

    Raises `ValueError` for infinite groups beyond dimension 3, where only scalar kernels of band limit 0
    are returned, as they are; `OffTableError` when the average of a table is sampled and an element moves
    nodes off the nodes.
    """
    if kernel.dimension not in (None, group.dimension):
        raise ValueError(f"{kernel.name} has dimension {kernel.dimension}; {group!r} does not act there")
    scalar = kernel.rep_in is None
    if (scalar and kernel.band_limit == 0) or group.order == 1:
        return kernel
    if not isinstance(n_angles, int) or n_angles < 1:
        raise ValueError(f"n_angles must be ≥ 1; got {n_angles}")
    function, band_limit = _mean_over_components(kernel, group.structure.components), kernel.band_limit
    if group.holds_rotations and group.dimension in (2, 3):
        mean = _mean_over_circle if group.dimension == 2 else _mean_over_sphere
        function = mean(kernel, function, n_angles)
        band_limit = _isotropic_band_limit(kernel)
    elif not group.is_finite:
        if group.dimension != 3 or group.axis_direction is None:
            raise ValueError(
                f"the average over {group.name} is not available; give an isotropic kernel instead"
            )
        function = _mean_about_axis(kernel, function, n_angles, group.axis_direction)
    return Kernel(
        function,
        f"average of {kernel.name} over {group.name}",
        band_limit,
        group.dimension,
        kernel.normalise,
        kernel.extent,
        kernel.rep_in,
        kernel.rep_out,
    )


def pulled_back(kernel: Kernel, function: Function, nodes: Tensor, element: Tensor) -> Tensor:
    """ρ_out(h)⁻¹ k(h v) ρ_in(h) at nodes v `(..., d)`, for h `(d, d)` or `(..., d, d)`, one a node."""
    values = function((element @ nodes[..., None])[..., 0])
    if kernel.rep_in is None or kernel.rep_out is None:
        return values
    return kernel.rep_out.matrix(element).mT @ values @ kernel.rep_in.matrix(element)


def _isotropic_band_limit(kernel: Kernel) -> int:
    """The kernels that SO(d) admits have no harmonics above the sum of the two types' frequencies."""
    if kernel.rep_in is None or kernel.rep_out is None:
        return 0
    return kernel.rep_in.frequency + kernel.rep_out.frequency


def _mean_over_components(kernel: Kernel, components: Tensor) -> Function:
    """v ↦ the mean of h⁻¹·k over elements `(n, d, d)`."""

    def function(nodes: Tensor) -> Tensor:
        return torch.stack([pulled_back(kernel, kernel, nodes, element) for element in components]).mean(0)

    return function


def _mean_over_circle(kernel: Kernel, inner: Function, n_angles: int) -> Function:
    """The mean over SO(2): taken at (|v|, 0), carried to v by the rotation that takes it there."""
    turns = rotation_matrix(2 * math.pi / n_angles * torch.arange(n_angles, dtype=torch.float64))

    def function(nodes: Tensor) -> Tensor:
        reference = torch.stack(
            [torch.linalg.vector_norm(nodes, dim=-1), torch.zeros_like(nodes[..., 0])], -1
        )
        mean = torch.stack([pulled_back(kernel, inner, reference, turn) for turn in turns]).mean(0)
        to_node = rotation_matrix(torch.atan2(nodes[..., 1], nodes[..., 0]))
        return _carried(kernel, mean, to_node)

    return function


def _mean_about_axis(kernel: Kernel, inner: Function, n_angles: int, axis: Tensor) -> Function:
    """The mean over the rotations about an axis of R³, as over SO(2) in the plane across it."""
    basis = basis_about(axis)
    turns = rotation_matrix(2 * math.pi / n_angles * torch.arange(n_angles, dtype=torch.float64))

    def lifted(turn: Tensor) -> Tensor:
        matrix = torch.eye(3, dtype=torch.float64).expand(*turn.shape[:-2], 3, 3).clone()
        matrix[..., :2, :2] = turn
        return basis @ matrix @ basis.mT

    def function(nodes: Tensor) -> Tensor:
        local = nodes @ basis
        across = torch.linalg.vector_norm(local[..., :2], dim=-1)
        reference = torch.stack([across, torch.zeros_like(across), local[..., 2]], -1) @ basis.mT
        mean = torch.stack([pulled_back(kernel, inner, reference, lifted(turn)) for turn in turns]).mean(0)
        to_node = lifted(rotation_matrix(torch.atan2(local[..., 1], local[..., 0])))
        return _carried(kernel, mean, to_node)

    return function


def _mean_over_sphere(kernel: Kernel, inner: Function, n_angles: int) -> Function:
    """The mean over SO(3): taken at (0, 0, |v|), then over the turns about that axis, and carried to v."""
    turns = torch.eye(3, dtype=torch.float64).repeat(n_angles, 1, 1)
    turns[:, :2, :2] = rotation_matrix(2 * math.pi / n_angles * torch.arange(n_angles, dtype=torch.float64))
    heights, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(max(1, n_angles // 2)))
    tilts = torch.stack([_tilt(height) for height in heights])

    def function(nodes: Tensor) -> Tensor:
        radii = torch.linalg.vector_norm(nodes, dim=-1)
        # Rules have few radii, up to rounding: the integral is taken once for each.
        scale = RADII_APART / float(radii.max().clamp(min=1e-300))
        some, which = torch.unique(torch.round(radii.detach() * scale) / scale, return_inverse=True)
        some = radii if nodes.requires_grad else some
        reference = torch.stack([torch.zeros_like(some), torch.zeros_like(some), some], -1)
        mean: Tensor | float = 0.0
        for tilt, weight in zip(tilts, weights / 2 / n_angles, strict=True):
            lifted = (turns @ tilt).reshape(n_angles, *([1] * (reference.ndim - 1)), 3, 3)
            mean = mean + weight * pulled_back(kernel, inner, reference, lifted).sum(0)
        mean = torch.as_tensor(mean)
        if kernel.rep_in is not None and kernel.rep_out is not None:
            out, into = kernel.rep_out.matrix(turns), kernel.rep_in.matrix(turns)
            mean = torch.einsum("tji,...jk,tkl->...il", out, mean, into) / n_angles
        safe = torch.where(radii > 0, radii, 1.0)
        direction = torch.where(
            radii[..., None] > 0, nodes / safe[..., None], nodes.new_tensor([0.0, 0.0, 1.0])
        )
        values = mean if nodes.requires_grad else mean[which]
        return _carried(kernel, values, _taking_z_to(direction))

    return function


def _carried(kernel: Kernel, values: Tensor, element: Tensor) -> Tensor:
    """ρ_out(g) k ρ_in(g)⁻¹, the values at g v of an admissible kernel with values k at v."""
    if kernel.rep_in is None or kernel.rep_out is None:
        return values
    return kernel.rep_out.matrix(element) @ values @ kernel.rep_in.matrix(element).mT


def _tilt(height: Tensor) -> Tensor:
    """The rotation about the second axis that takes (0, 0, 1) to the given height."""
    flat = torch.sqrt(1 - height**2)
    zero, one = torch.zeros_like(height), torch.ones_like(height)
    rows = [[height, zero, flat], [zero, one, zero], [-flat, zero, height]]
    return torch.stack([torch.stack(row) for row in rows])


def _taking_z_to(direction: Tensor) -> Tensor:
    """Rotations `(..., 3, 3)` that take (0, 0, 1) to unit vectors `(..., 3)`."""
    x, y, z = direction.unbind(-1)
    flat = torch.sqrt(x**2 + y**2)
    azimuth = torch.atan2(y, x)
    c, s, zero = torch.cos(azimuth), torch.sin(azimuth), torch.zeros_like(z)
    rows = [[c * z, -s, c * flat], [s * z, c, s * flat], [-flat, zero, z]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
