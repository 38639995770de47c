"""From a pullback and a basis of kernels to the arrays of a collapsed operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from manifoldconv.ops.classes import Classes, transport_classes
from manifoldconv.ops.collapse import Pattern, pattern, row_lengths
from manifoldconv.ops.fill import (
    complex_table,
    fill_complex,
    fill_matrix,
    fill_scalar,
    matrix_table,
    scalar_table,
)
from manifoldconv.ops.memory import require_memory
from manifoldconv.ops.plan import Form, Plan, multiplications, space_plan
from manifoldconv.representations.harmonics import harmonics

if TYPE_CHECKING:
    from manifoldconv.pullback import Pullback

# Entries of stencils (sites × nodes × stencil) that are filled at a time; beside them some numbers for each.
ENTRIES_AT_A_TIME = 250_000


@dataclass(frozen=True, eq=False)
class Sparse:
    """Compressed rows with V values a pair, and their transpose. Columns are those of the extended field.

    Attributes:
        row_start: `(P + 1,)` int64. column: `(nnz,)` int32, sorted in each row. values: `(nnz, V)`.
        transposed: for the columns as rows, row_start, column, and which row of `values` each pair has.
    """

    row_start: Tensor
    column: Tensor
    values: Tensor
    transposed: tuple[Tensor, Tensor, Tensor]


def choose_form(pull: Pullback, space: Any) -> tuple[Form, Classes]:
    """The cheapest form that is exact for the transports of a pullback, and the classes of its columns."""
    rep = space.rep_in
    if rep.is_scalar:
        return "scalar", Classes.none()
    planar = space.group.dimension == 2 and all(_turns(block) for block in rep.blocks)
    planar = planar and all(block.irrep.size <= 2 for block in space.rep_out.blocks)
    classes = transport_classes(pull, rep)
    if planar:
        mirrored = Classes.mirrored(pull)
        if classes is None or len(classes.matrices) > len(mirrored.matrices):
            return "complex", mirrored
        pairs = pull.index.numel()
        counts = [
            multiplications(space_plan(space, form), pairs, pull.n_sources, len(pull), 1)[0]
            for form in ("scalar", "complex")
        ]
        return ("scalar", classes) if counts[0] <= counts[1] else ("complex", mirrored)
    return ("matrix", Classes.none()) if classes is None else ("scalar", classes)


def _turns(block: Any) -> bool:
    """Whether rotations turn this block of a planar field type by a multiple of their angle."""
    name, size = block.irrep.name, block.irrep.size
    return (size == 1 and name in ("0", "sign")) or (size == 2 and name.isdigit())


def fill(
    pull: Pullback, basis: Any, plan: Plan, classes: Classes, dtype: torch.dtype
) -> tuple[Sparse, Tensor]:
    """The values for all rows, in chunks, and which of the sites × classes are columns, `(E,)`."""
    weight = pull.weight.detach().cpu().numpy().reshape(len(pull), -1)
    columns = pull.n_sources * classes.count
    same_nodes = pull.nodes.ndim == 2 and pull.node_weights.ndim == 1 and pull.boundary != "renormalise"
    numbers = 0 if same_nodes else 2 * plan.width * pull.index.shape[1]  # tables of each row's own
    step = max(1, ENTRIES_AT_A_TIME // max(1, weight.shape[1] + numbers))
    chunks = [(start, min(start + step, len(pull))) for start in range(0, len(pull), step)]
    lengths = [
        row_lengths(_sites(pull, classes, a, b).reshape(b - a, -1).numpy(), weight[a:b], columns)
        for a, b in chunks
    ]
    row_start = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    item = torch.empty(0, dtype=dtype).element_size()
    total = int(row_start[-1])
    require_memory(
        total * (plan.width * item + 32), torch.device("cpu"), len(pull),
        f"an operator of {total} pairs with {plan.width} values each",
    )  # fmt: skip
    column = torch.empty(total, dtype=torch.int64)
    values = torch.empty(total, plan.width, dtype=dtype)
    for (a, b), block in zip(chunks, _blocks(pull, chunks), strict=True):
        shared = pattern(_sites(pull, classes, a, b), block.weight.detach().cpu(), columns)
        found = np.zeros((len(shared.columns), plan.width))
        _fill_chunk(block, basis, plan, shared, found)
        rows = slice(int(row_start[a]), int(row_start[b]))
        column[rows], values[rows] = shared.columns, torch.from_numpy(found)
    used = torch.arange(columns)
    if classes.count > 1:
        used, column = torch.unique(column, return_inverse=True)
    starts = torch.from_numpy(row_start)
    return Sparse(starts, column.to(torch.int32), values, transpose(starts, column, len(used))), used


def transpose(row_start: Tensor, column: Tensor, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """The transposed compressed rows, columns ascending, and the place of each pair in these rows."""
    rows = len(row_start) - 1
    row = torch.repeat_interleave(torch.arange(rows, dtype=torch.int32), row_start.diff())
    order = torch.argsort(column, stable=True)
    start = torch.zeros(columns + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(column, minlength=columns), 0, out=start[1:])
    return start, row[order], order.to(torch.int32) if len(order) < 2**31 else order


def _blocks(pull: Pullback, chunks: list[tuple[int, int]]) -> Iterator[Pullback]:
    return pull.split(max(1, chunks[0][1] - chunks[0][0])) if chunks else iter(())


def _sites(pull: Pullback, classes: Classes, a: int, b: int) -> Tensor:
    """Site · classes + class of each entry of some rows: which column of the extended field it reads."""
    index = pull.index[a:b].cpu()
    return index if classes.count == 1 else index * classes.count + classes.of(pull.transport[a:b].cpu())


def _fill_chunk(block: Pullback, basis: Any, plan: Plan, shared: Pattern, values: np.ndarray) -> None:
    nodes, coverage = block.nodes.detach().cpu(), block.coverage.detach().cpu()
    weights = block.node_weights.detach().cpu()
    place, weight = shared.place.numpy(), np.ascontiguousarray(block.weight.detach().cpu().numpy())

    def measure(functions: Tensor) -> Tensor:
        """w_q, broadcast over functions `(R, Q, n)`, scaled where the boundary policy asks for it."""
        w = weights[..., None]
        if block.boundary != "renormalise":
            return w
        size = functions.abs() * w.abs()
        inside = (size * coverage[..., None]).sum(-2, keepdim=True)
        whole = size.sum(-2, keepdim=True)
        return w * torch.where(inside > 0, whole / torch.where(inside > 0, inside, 1.0), 0.0)

    if isinstance(basis, Tensor):
        table = basis.detach().cpu().to(torch.float64)
        table = table * measure(table)
        fill_scalar(place, weight, _three(table), values)
        return
    nodes = nodes if nodes.ndim == 3 else nodes[None]
    if plan.form == "scalar":
        fill_scalar(place, weight, scalar_table(plan, basis, nodes, measure), values)
        return
    transport = np.ascontiguousarray(block.transport.detach().cpu().numpy())
    if plan.form == "complex":
        fill_complex(
            place, weight, transport, complex_table(plan, basis, nodes, measure), plan.values, values
        )
        return
    blocks = {found.slice.start: found.irrep for found in basis.rep_in.blocks}
    for value in plan.values:
        carried = blocks[value.part.into.start].function(block.transport.detach().cpu()).contiguous().numpy()
        table_of_part = matrix_table(value, basis, nodes, measure)
        fill_matrix(place, weight, carried, table_of_part, value.start, values)


def _three(table: Tensor) -> np.ndarray:
    return np.ascontiguousarray((table if table.ndim == 3 else table[None]).numpy())


def require_isotropic_sizes(space: Any) -> None:
    """Renormalising multiplies each basis kernel by one number; refuse those whose size depends on the direction.

    There the number would depend on the frame, and on which solutions are the basis.
    """
    d = space.group.dimension
    directions = torch.randn(64, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    directions = directions / torch.linalg.vector_norm(directions, dim=-1, keepdim=True)
    for part in space.parts:
        kernels = torch.einsum("qa,nija->qnij", harmonics(directions, part.order), part.solutions)
        size = torch.linalg.matrix_norm(kernels)
        if float((size - size.mean(0)).abs().max()) > 1e-9:
            raise ValueError(
                f"boundary 'renormalise' divides each kernel of a basis by the part of ∫|k| that is inside, but the "
                f"kernels of order {part.order} of this space, invariant under {space.group.name}, have a size that "
                'depends on the direction; use boundary "zero" or "reflect", or a group that holds all rotations'
            )
