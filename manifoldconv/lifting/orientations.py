"""The orientations of a field on the group: projected away, or written as frequencies instead of samples.

A field on SE(2) or SO(3) has n samples over each site of the plane or sphere, one for each frame there. They can be
written as the coefficients of a Fourier series in the angle, which are fields of the types "0", "1", "2", ... on the
plane or sphere itself (Cohen and Welling 2017; Weiler and Cesa 2019, section 2.5).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.se2_sites import SE2Sites
from manifoldconv.homogeneous.so3_sites import SO3Sites
from manifoldconv.manifolds.checks import whole
from manifoldconv.representations import Representation
from manifoldconv.representations.harmonics import circular_harmonics

OrientedSites = SE2Sites | SO3Sites


def orientation_angles(elements: OrientedSites) -> Tensor:
    """`(N, n)`: the angles of the n frames over each of N positions, in the frame of the plane or sphere there.

    >>> from manifoldconv.homogeneous import SE2
    >>> orientation_angles(SE2().sites((5, 5, 4))).shape
    torch.Size([25, 4])
    """
    if isinstance(elements, SE2Sites):
        return elements.points[:, 2].reshape(-1, elements.shape[2])
    if isinstance(elements, SO3Sites):
        steps = torch.arange(elements.angles, dtype=torch.float64) * (2 * math.pi / elements.angles)
        return elements.offset[:, None] + steps
    raise GeometryError(f"orientations are those of SE2Sites or SO3Sites; got {type(elements).__name__}")


def project(field: Tensor, elements: OrientedSites, how: Literal["max", "mean"] = "max") -> Tensor:
    """Back from the group to the positions, by the maximum or the mean over the orientations.

        (P F)(p) = max_φ F(p, φ)   or   1/n Σ_φ F(p, φ)

    Both commute with the group: it permutes the orientations over a position (up to interpolation).

    Args:
        field: `(..., N n, C)` on the elements.
        elements: sites of SE(2) or SO(3).
        how: "max" or "mean".

    Returns:
        `(..., N, C)`, scalars on the positions, in their order.

    >>> from manifoldconv.homogeneous import SE2
    >>> project(torch.arange(8.0)[:, None], SE2().sites((1, 2, 4)))[:, 0].tolist()
    [3.0, 7.0]
    """
    samples = _by_orientation(field, elements)
    if how == "max":
        return samples.amax(dim=-2)
    if how == "mean":
        return samples.mean(dim=-2)
    raise ValueError(f'how must be "max" or "mean"; got {how!r}')


def fourier_type(limit: int, copies: int = 1) -> Representation:
    """The type of a Fourier series up to frequency L with C copies: "Cx0 + Cx1 + ... + CxL" of SO(2).

    >>> fourier_type(2, copies=3)
    Representation('3x0 + 3x1 + 3x2', SO(2))
    """
    names = [f"{copies}x{m}" for m in range(whole("limit", limit, 0) + 1)]
    return Representation(" + ".join(names), StructureGroup.special_orthogonal(2))


def to_fourier(field: Tensor, elements: OrientedSites, limit: int | None = None) -> Tensor:
    """From samples over the orientations to a Fourier series in the angle.

        F(p, φ) = a_0 + √2 Σ_m (a_m cos mφ + b_m sin mφ),    (a_m, b_m) = √2/n Σ_j F(p, φ_j) (cos mφ_j, sin mφ_j)

    Args:
        field: `(..., N n, C)` on the elements.
        elements: sites of SE(2) or SO(3).
        limit: L, at most (n - 1) / 2, which is also the default: for odd n nothing is lost, for even n the frequency
            n / 2.

    Returns:
        `(..., N, C (2 L + 1))`, a field of type `fourier_type(L, C)` on the positions, in the local frames there:
        channels frequency by frequency, copies contiguous, (a_m, b_m) within a copy. When all turn by α, the pair of
        frequency m turns by m α.

    >>> from manifoldconv.homogeneous import SE2
    >>> cosine = torch.tensor([1.0, 0.0, -1.0, 0.0], dtype=torch.float64)[:, None]
    >>> to_fourier(cosine, SE2().sites((1, 1, 4)))[0].abs().round(decimals=4).tolist()
    [0.0, 0.7071, 0.0]
    """
    samples = _by_orientation(field, elements)
    _check_floating(field)
    limit = _limit(limit, samples.shape[-2])
    parts = []
    for order in range(limit + 1):
        basis = _harmonics(elements, order).to(field.device, field.dtype)  # (N, n, 1 or 2)
        pairs = torch.einsum("kja,...kjc->...kca", basis, samples) / samples.shape[-2]
        parts.append(pairs.flatten(-2))
    return torch.cat(parts, dim=-1)


def from_fourier(field: Tensor, elements: OrientedSites, limit: int) -> Tensor:
    """From a Fourier series in the angle, `(..., N, C (2 L + 1))`, to samples `(..., N n, C)`: undoes `to_fourier`.

    Exactly where L ≤ (n - 1) / 2; any L can be sampled.
    """
    positions = len(orientation_angles(elements))
    size = 2 * whole("limit", limit, 0) + 1
    if field.ndim < 2 or field.shape[-2] != positions or field.shape[-1] % size:
        raise ValueError(
            f"a Fourier series up to frequency {limit} over {positions} positions has shape (..., {positions}, "
            f"{size} C); got {tuple(field.shape)}"
        )
    _check_floating(field)
    copies, start = field.shape[-1] // size, 0
    parts = []
    for order in range(limit + 1):
        basis = _harmonics(elements, order).to(field.device, field.dtype)
        stop = start + copies * basis.shape[-1]
        pairs = field[..., start:stop].unflatten(-1, (copies, -1))
        parts.append(torch.einsum("kja,...kca->...kjc", basis, pairs))
        start = stop
    return torch.stack(parts).sum(0).flatten(-3, -2)


def regular_to_irreps(order: int) -> tuple[Tensor, Representation]:
    """The orthogonal matrix `(n, n)` that splits the regular representation of C(n), and the type it splits into.

        Q ρ_regular(g) Qᵀ = ρ(g),   ρ = "0 + 1 + ... + (n-1)/2", for even n with n/2 ("half" of C(2)) at the end

    The rows are the discrete Fourier basis; with the one row of frequency n/2 nothing is lost for even n.

    >>> matrix, rep = regular_to_irreps(4)
    >>> rep
    Representation('1x0 + 1x1 + 1x2', C(4))
    """
    n = whole("order", order, 1)
    group = StructureGroup.cyclic(n) if n > 1 else StructureGroup.trivial(2)
    elements = group.elements()
    directions = elements[:, :, 0]
    rows = [circular_harmonics(directions, m).mT for m in range((n - 1) // 2 + 1)]
    names = [str(m) for m in range((n - 1) // 2 + 1)]
    if n % 2 == 0:
        rows.append(circular_harmonics(directions, n // 2)[:, :1].mT / math.sqrt(2))
        names.append("half" if n == 2 else str(n // 2))
    return torch.cat(rows) / math.sqrt(n), Representation(" + ".join(names), group)


def _by_orientation(field: Tensor, elements: OrientedSites) -> Tensor:
    """`(..., N, n, C)`: the angle runs fastest over the elements."""
    positions, count = orientation_angles(elements).shape
    if field.ndim < 2 or field.shape[-2] != positions * count:
        raise ValueError(
            f"the field must have shape (..., {positions * count}, channels), one row for each of {positions} "
            f"positions times {count} orientations; got {tuple(field.shape)}"
        )
    return field.unflatten(-2, (positions, count))


def _check_floating(field: Tensor) -> None:
    if not field.dtype.is_floating_point:
        raise ValueError(f"the field must be of a floating type; got {field.dtype}")


def _harmonics(elements: OrientedSites, order: int) -> Tensor:
    angles = orientation_angles(elements)
    return circular_harmonics(torch.stack([angles.cos(), angles.sin()], dim=-1), order)


def _limit(limit: int | None, count: int) -> int:
    largest = (count - 1) // 2
    limit = largest if limit is None else whole("limit", limit, 0)
    if limit > largest:
        raise ValueError(
            f"{count} samples tell frequencies up to {largest} apart; got the limit {limit} (see regular_to_irreps)"
        )
    return limit
