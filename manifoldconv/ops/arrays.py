"""The arrays of a collapsed operator as one list of tensors, which is what a custom operator can take."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import torch
from torch import Tensor

from manifoldconv.ops.plan import Plan, Side, by_place, table_plan


@dataclass(frozen=True, eq=False)
class Direction:
    """Compressed rows and the tables of `manifoldconv.ops.plan.Side` for one direction.

    Attributes:
        row_start: `(rows + 1,)` int64. column: `(nnz,)` int32.
        pair: `(nnz,)`, which row of `Arrays.values` each pair has; empty where they follow each other in order.
        groups, segments, index, coefficient, order: see `Side`; empty for a table of scalar kernels, where they follow
            from the shape of the weights.
    """

    row_start: Tensor
    column: Tensor
    pair: Tensor
    groups: Tensor
    segments: Tensor
    index: Tensor
    coefficient: Tensor
    order: Tensor

    @property
    def rows(self) -> int:
        """How many rows the sparse operator has."""
        return self.row_start.shape[0] - 1

    @property
    def width(self) -> int:
        """The number of features, columns of Y."""
        return int(self.segments[:, 1].max()) if len(self.segments) else 0

    def matrix(self, weight: Tensor) -> Tensor:
        """M, flat, from the weights: a sum over terms in their order."""
        return gathered(weight.reshape(-1), self.index, self.coefficient)


def gathered(source: Tensor, index: Tensor, coefficient: Tensor) -> Tensor:
    """Σ_t coefficient[t] source[index[t]], t ascending: a sum without atomics."""
    total = coefficient[0] * source.index_select(0, index[0])
    for t in range(1, len(index)):
        total = total + coefficient[t] * source.index_select(0, index[t])
    return total


@dataclass(frozen=True, eq=False)
class Extension:
    """Fields with a column for each (site, class of transports); empty tensors where sites are columns.

    Attributes:
        site, kind: `(E,)` int64, the site and the class of each column.
        slot: `(K, N)` int64, the column of a site for each class; E where there is none.
        blocks: `(n, 4)` int64: first channel, copies, size, and where the matrices of a block begin.
        matrices: the `(K, size, size)` of all blocks, one after the other, flat.
    """

    site: Tensor
    kind: Tensor
    slot: Tensor
    blocks: Tensor
    matrices: Tensor


@dataclass(frozen=True, eq=False)
class Arrays:
    """All of it.

    Attributes:
        values: `(nnz, V)`, in the order of the forward direction, whose transpose finds them by its pairs: nearly all
            that is stored.
        forward, transposed: the two directions.
        extension: columns for classes of transports.
        adjoint_index, adjoint_coefficient: `(T, weights)`, from the gradient of the transposed direction's matrix back
            to the weights.
        sources, channels: `(N, 0)` and `(C_in, C_out, 0)`: sizes in shapes, where `torch.compile` sees that they may
            change.
    """

    values: Tensor
    forward: Direction
    transposed: Direction
    extension: Extension
    adjoint_index: Tensor
    adjoint_coefficient: Tensor
    sources: Tensor
    channels: Tensor

    def weight_gradient(self, grad_matrix: Tensor) -> Tensor:
        """From the gradient of the transposed direction's M to that of the weights, flat."""
        return gathered(grad_matrix, self.adjoint_index, self.adjoint_coefficient)

    def tensors(self) -> list[Tensor]:
        """All tensors, in a fixed order."""
        found: list[Tensor] = [self.values]
        for part in (self.forward, self.transposed, self.extension):
            found += [getattr(part, name.name) for name in fields(part)]
        return [*found, self.adjoint_index, self.adjoint_coefficient, self.sources, self.channels]

    @staticmethod
    def names() -> list[str]:
        """The names of `tensors()`, as for a file."""
        found = ["values"]
        for part, kind in (("forward", Direction), ("transposed", Direction), ("extension", Extension)):
            found += [f"{part}.{name.name}" for name in fields(kind)]
        return [*found, "adjoint_index", "adjoint_coefficient", "sources", "channels"]

    @classmethod
    def from_tensors(cls, tensors: list[Tensor]) -> Arrays:
        """The inverse of `tensors`."""
        n, m = len(fields(Direction)), len(fields(Extension))
        return cls(
            tensors[0], Direction(*tensors[1 : n + 1]), Direction(*tensors[n + 1 : 2 * n + 1]),
            Extension(*tensors[2 * n + 1 : 2 * n + m + 1]), *tensors[2 * n + m + 1 :],
        )  # fmt: skip

    def to(self, device: torch.device, dtype: torch.dtype) -> Arrays:
        """The same in another place; floating tensors in another precision."""
        moved = []
        for name, tensor in zip(self.names(), self.tensors(), strict=True):
            steers = name.endswith(("groups", "segments", "blocks"))  # loops in Python read these
            place = tensor.device if steers else device
            moved.append(tensor.to(place, dtype) if tensor.is_floating_point() else tensor.to(place))
        return Arrays.from_tensors(moved)


@dataclass(frozen=True, eq=False)
class Tables:
    """A plan as tensors: for both directions groups, segments, index, coefficient and order, and the adjoint."""

    forward: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    transposed: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    adjoint: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, plan: Plan, weights: int, device: torch.device, dtype: torch.dtype) -> Tables:
        """The tables of a plan for that many weights. Those that steer loops stay in the memory of the processor."""

        def side(found: Side) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
            coefficient = found.coefficient.to(device, dtype)
            return found.groups, found.segments, found.index.to(device), coefficient, found.order.to(device)

        index, coefficient = plan.transposed.index, plan.transposed.coefficient
        term, place = (coefficient != 0).nonzero(as_tuple=True)
        adjoint = by_place(index[term, place], place, coefficient[term, place], weights)
        return cls(
            side(plan.forward), side(plan.transposed), (adjoint[0].to(device), adjoint[1].to(device, dtype))
        )


@lru_cache(maxsize=32)
def scalar_tables(
    kernels: int, copies_in: int, copies_out: int, device: torch.device, dtype: torch.dtype
) -> Tables:
    """The tables of scalar kernels with weights `(C_out, C_in, B)`."""
    plan = table_plan(kernels, copies_in, copies_out)
    return Tables.of(plan, copies_out * copies_in * kernels, device, dtype)


def with_tables(arrays: Arrays, weight: Tensor) -> Arrays:
    """The arrays with their tables: for scalar kernels these follow from the shape of the weights."""
    if weight.ndim == 1:
        return arrays
    place = arrays.values
    tables = scalar_tables(weight.shape[2], weight.shape[1], weight.shape[0], place.device, place.dtype)
    sparse = ((d.row_start, d.column, d.pair) for d in (arrays.forward, arrays.transposed))
    forward, transposed = (
        Direction(*own, *table)
        for own, table in zip(sparse, (tables.forward, tables.transposed), strict=True)
    )
    index, coefficient = tables.adjoint
    return replace(
        arrays, forward=forward, transposed=transposed, adjoint_index=index, adjoint_coefficient=coefficient
    )
