"""Finite groups of orthogonal matrices from approximate generators: counted out, made exact by averaging."""

from __future__ import annotations

import torch
from torch import Tensor

from manifoldconv.groups.structure import Structure, by_orientation

SEPARATION = 0.05
"""Products nearer than this (largest entry) count as one element while a group is counted out."""


def finite_group(stack: Tensor, limit: int, tolerance: float) -> Structure | None:
    """The finite group of at most `limit` elements that `(k, d, d)` matrices generate; None if none.

    Products are counted out, elements nearer than 0.05 taken for one. The multiplication table of those is
    that of a group; its elements are then made an exact representation of it by averaging,

        g ← the orthogonal matrix nearest to  mean over h of (g h) h⁻¹,

    which converges quadratically (Grove, Karcher and Ruh 1974). The residual is how far the given matrices
    lie from their elements; above the tolerance the answer is None.
    """
    d = stack.shape[-1]
    identity = torch.eye(d, dtype=torch.float64)
    elements, generators = identity[None], torch.empty(0, d, d, dtype=torch.float64)
    for matrix in stack:
        if float((elements - matrix).abs().amax((-2, -1)).min()) > SEPARATION:
            generators = torch.cat([generators, matrix[None]])
            grown = _products(elements, generators, limit)
            if grown is None:
                return None
            elements = grown
    exact = _averaged(elements)
    if exact is None:
        return None
    nearest = (elements[:, None] - stack).abs().amax((-2, -1)).argmin(0) if len(stack) else None
    residual = 0.0 if nearest is None else float((exact[nearest] - stack).abs().max())
    if residual > tolerance:
        return None
    places = [int((elements - g).abs().amax((-2, -1)).argmin()) for g in generators]
    return Structure(by_orientation(exact), tuple(exact[i] for i in places), (), residual)


def _products(elements: Tensor, generators: Tensor, limit: int) -> Tensor | None:
    """All products of the generators; None where there are more than `limit`."""
    frontier = elements
    while len(frontier):
        candidates = (generators[:, None] @ frontier[None]).flatten(0, 1)
        new: list[Tensor] = []
        for candidate in candidates:
            known = elements if not new else torch.cat([elements, torch.stack(new)])
            if float((known - candidate).abs().amax((-2, -1)).min()) > SEPARATION:
                new.append(candidate)
                if len(elements) + len(new) > limit:
                    return None
        frontier = torch.stack(new) if new else elements[:0]
        elements = torch.cat([elements, frontier])
    return elements


def _averaged(elements: Tensor) -> Tensor | None:
    """An exact group near `(n, d, d)` matrices that nearly are one; None if their table is no group's."""
    n = len(elements)
    table = torch.empty(n, n, dtype=torch.int64)
    for i, element in enumerate(elements):
        distance = (elements[None] - (element @ elements)[:, None]).abs().amax((-2, -1))
        table[i] = distance.argmin(-1)
        if len(torch.unique(table[i])) < n or float(distance.amin(-1).max()) > 2 * SEPARATION:
            return None
    for _ in range(8):
        mean = torch.einsum("abij,bkj->aik", elements[table], elements) / n
        left, _, right = torch.linalg.svd(mean)
        elements = left @ right
    rounded = elements.round()
    return torch.where((elements - rounded).abs() < 1e-15, rounded, elements)
