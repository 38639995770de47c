"""Orthogonal matrices: made from angles, checked at the border, and described in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from manifoldconv.errors import float64

Matrices = Tensor | Sequence[Tensor]

ORTHOGONAL_TOLERANCE = 1e-9
"""How far apart (entrywise) two orthogonal matrices may lie and still count as the same one."""


def rotation_matrix(angle: Tensor | float) -> Tensor:
    """Rotations of the plane, counterclockwise: angles `(...,)` in radians to `(..., 2, 2)`.

    >>> rotation_matrix(0.0)
    tensor([[1., -0.],
            [0., 1.]], dtype=torch.float64)
    """
    angle = torch.as_tensor(angle, dtype=torch.float64)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)


def reflection_matrix(axis: Tensor | float) -> Tensor:
    """Reflections of the plane that fix the line at angle `axis` `(...,)` in radians: `(..., 2, 2)`."""
    doubled = 2 * torch.as_tensor(axis, dtype=torch.float64)
    cosine, sine = torch.cos(doubled), torch.sin(doubled)
    return torch.stack([torch.stack([cosine, sine], -1), torch.stack([sine, -cosine], -1)], -2)


def describe_element(matrix: Tensor) -> str:
    """An orthogonal matrix in words, for messages.

    >>> describe_element(rotation_matrix(0.5))
    'rotation by 0.5 rad (28.65°)'
    >>> describe_element(torch.diag(torch.tensor([1.0, -1.0])))
    'reflection diag(1, -1)'
    """
    matrix = float64("matrix", matrix, (None, None))
    rounded = matrix.round()
    diagonal = torch.diag(torch.diagonal(rounded))
    signs = "diag(" + ", ".join(str(int(sign)) for sign in torch.diagonal(rounded)) + ")"
    is_diagonal = bool((matrix - diagonal).abs().max() <= ORTHOGONAL_TOLERANCE)
    if is_diagonal and bool((torch.diagonal(rounded) == 1).all()):
        return "identity"
    if bool(torch.linalg.det(matrix) < 0):
        if is_diagonal:
            return f"reflection {signs}"
        if matrix.shape[-1] == 2:
            axis = 0.5 * math.atan2(float(matrix[1, 0]), float(matrix[0, 0])) % math.pi
            return f"reflection across the line at {axis:.4g} rad ({math.degrees(axis):.4g}°)"
        return f"orientation-reversing element {matrix.tolist()}"
    if matrix.shape[-1] == 2:
        angle = math.atan2(float(matrix[1, 0]), float(matrix[0, 0]))
        return f"rotation by {angle:.4g} rad ({math.degrees(angle):.4g}°)"
    return f"rotation {signs}" if is_diagonal else f"rotation {matrix.tolist()}"


def whole_turns(n: int) -> Tensor:
    """The rotations by 2πk/n, k = 0, ..., n-1, `(n, 2, 2)`; quarter turns exact (pixels to pixels)."""
    turns = rotation_matrix(2 * math.pi / n * torch.arange(n, dtype=torch.float64))
    quarters = (4 * torch.arange(n)) % n == 0
    turns[quarters] = turns[quarters].round()
    return turns


def plane_rotation(turn: Tensor, dimension: int, i: int, j: int) -> Tensor:
    """The rotation of R^d that acts as the `(2, 2)` matrix `turn` on the axes i and j."""
    matrix = torch.eye(dimension, dtype=torch.float64)
    axes = torch.tensor([i, j])
    matrix[axes[:, None], axes[None, :]] = turn
    return matrix


def nearest_reflection(mirror: Tensor) -> Tensor:
    """The reflection of the plane nearest to an almost orthogonal matrix of determinant -1."""
    cosine = (mirror[0, 0] - mirror[1, 1]) / 2
    sine = (mirror[0, 1] + mirror[1, 0]) / 2
    length = torch.hypot(cosine, sine)
    row = torch.stack([cosine, sine]) / length
    return torch.stack([row, torch.stack([row[1], -row[0]])])


def orthogonal_stack(matrices: Matrices, tolerance: float) -> Tensor:
    """Matrices as one float64 stack `(k, d, d)`; `ValueError` with the index of the worst if not orthogonal.

    |MᵀM - 1| may be up to 2 tolerance in its entries, as for a matrix wrong by `tolerance`, but a tolerance
    under 1e-9 counts as 1e-9: long products of exact rotations err by 1e-13 and more.
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be ≥ 0; got {tolerance!r}")
    if not isinstance(matrices, Tensor):
        if not len(matrices):
            raise ValueError("no matrices, so no dimension; use StructureGroup.trivial(d)")
        single = [torch.as_tensor(matrix, dtype=torch.float64) for matrix in matrices]
        shapes = sorted({tuple(matrix.shape) for matrix in single})
        if len(shapes) > 1:
            raise ValueError(f"matrices must have one shape (d, d); got {' and '.join(map(str, shapes))}")
        matrices = torch.stack(single)
    stack = float64("matrices", matrices, (None, None, None)).detach()
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2]:
        raise ValueError(f"matrices must have shape (k, d, d); got {tuple(stack.shape)}")
    if len(stack):
        identity = torch.eye(stack.shape[-1], dtype=torch.float64)
        defects = (stack.mT @ stack - identity).abs().amax((-2, -1))
        worst = int(defects.argmax())
        if float(defects[worst]) > 2 * max(tolerance, 1e-9):
            raise ValueError(f"matrix {worst} is not orthogonal: MᵀM misses 1 by {float(defects[worst]):.3g}")
    return stack
