"""A sparse operator on fields: compressed rows, applied with its transpose as the backward pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from manifoldconv.ops.backends.plain import sum_compressed
from manifoldconv.ops.backends.rows import sum_rows
from manifoldconv.ops.custom import custom_operator


@dataclass(frozen=True, eq=False)
class SparseOperator:
    """out[p] = Σ_j values[j] f[column[j]], j from row_start[p] to row_start[p + 1].

    Columns are sorted and distinct within a row, so sums have a fixed order, on the processor for any number of
    threads.

    Attributes:
        row_start: `(P + 1,)` int64.
        column: `(nnz,)` int64.
        values: `(nnz,)`, floating.
        n_columns: N, the number of source sites.
    """

    row_start: Tensor
    column: Tensor
    values: Tensor
    n_columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """(P, N)."""
        return len(self.row_start) - 1, self.n_columns

    def __call__(self, field: Tensor) -> Tensor:
        """Apply to a field `(..., N, C)`: `(..., P, C)`, in its dtype and on its device.

        Differentiable in the field, to any order.
        """
        if field.ndim < 2 or field.shape[-2] != self.n_columns:
            raise ValueError(
                f"the field must have shape (..., {self.n_columns}, channels), one row a site; got {tuple(field.shape)}"
            )
        if field.dtype in (torch.float16, torch.bfloat16):
            # torch has no sparse products in half precision on the CPU; sums in it would lose most digits anyway.
            return self(field.to(torch.float32)).to(field.dtype)
        batch, channels = field.shape[:-2], field.shape[-1]
        columns = field.movedim(-2, 0).flatten(1)
        differentiated = torch.is_grad_enabled() and field.requires_grad
        adjoint = self.transposed._arrays(field.device, field.dtype) if differentiated else []
        out = sparse(columns, self._arrays(field.device, field.dtype), adjoint)
        return out.reshape(self.shape[0], *batch, channels).movedim(0, -2)

    @property
    def transposed(self) -> SparseOperator:
        """The transposed operator; built once. `torch.compile` cannot build it: ask for it before."""
        known: SparseOperator | None = self.__dict__.get("_transposed")
        if known is None:
            if torch.compiler.is_compiling():
                raise RuntimeError(
                    "the transposed operator, which gradients need, is not built yet; read `operator.transposed` once "
                    "before compiling"
                )
            known = self.__dict__["_transposed"] = self._transpose()
        return known

    def _transpose(self) -> SparseOperator:
        matrix = self.to_scipy().T.tocsr()
        matrix.sort_indices()
        return SparseOperator(
            torch.from_numpy(matrix.indptr.astype(np.int64)).to(self.values.device),
            torch.from_numpy(matrix.indices.astype(np.int64)).to(self.values.device),
            torch.from_numpy(matrix.data).to(self.values.device),
            self.shape[0],
        )

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> SparseOperator:
        """The same in another place or precision; itself where nothing changes."""
        device = self.values.device if device is None else torch.device(device)
        dtype = self.values.dtype if dtype is None else dtype
        if device == self.values.device and dtype == self.values.dtype:
            return self
        known: dict[tuple[Any, ...], SparseOperator] = self.__dict__.setdefault("_converted", {})
        if (device, dtype) not in known:
            known[device, dtype] = replace(
                self,
                row_start=self.row_start.to(device),
                column=self.column.to(device),
                values=self.values.to(device, dtype),
            )
        return known[device, dtype]

    def to_scipy(self) -> scipy.sparse.csr_array:
        """The operator as a SciPy matrix, to look at."""
        arrays = (self.values.detach().cpu().numpy(), self.column.cpu().numpy(), self.row_start.cpu().numpy())
        return scipy.sparse.csr_array(arrays, shape=self.shape)

    def _arrays(self, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
        """row_start, column and values as a field wants them; columns of half the bytes where they suffice."""
        known: dict[Any, list[Tensor]] = self.__dict__.setdefault("_ready", {})
        if (device, dtype) in known:
            return known[device, dtype]
        narrow = device.type == "cpu" and self.n_columns < 2**31  # torch's own products want 64 bits
        column = self.column.to(device, torch.int32 if narrow else torch.int64)
        found = [self.row_start.to(device), column, self.values.to(device, dtype)]
        if not torch.compiler.is_compiling():
            known[device, dtype] = found
        return found


def _fake(field: Tensor, arrays: list[Tensor], adjoint: list[Tensor]) -> Tensor:
    return field.new_empty(arrays[0].shape[0] - 1, field.shape[1])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    _, arrays, adjoint = inputs
    ctx.save_for_backward(*arrays, *adjoint)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor, list[None], list[None]]:
    arrays, adjoint = list(ctx.saved_tensors[:3]), list(ctx.saved_tensors[3:])
    if not adjoint:
        raise RuntimeError("the transposed rows are missing, which the gradient of a sparse operator needs")
    return sparse(grad, adjoint, arrays), [None] * len(arrays), [None] * len(adjoint)


@custom_operator(
    "manifoldconv::sparse(Tensor field, Tensor[] arrays, Tensor[] adjoint) -> Tensor",
    _fake,
    _keep,
    _differentiate,
)
def sparse(field: Tensor, arrays: list[Tensor], adjoint: list[Tensor]) -> Tensor:
    """Compressed rows times a field `(N, C)`: `(P, C)`.

    `arrays` are row_start, column and values; `adjoint` the same of the transposed rows, for the gradient, or nothing.
    """
    row_start, column, values = arrays
    if field.device.type == "cpu":
        return sum_rows(field, row_start, column, values)
    return sum_compressed(row_start, column, values, field)
