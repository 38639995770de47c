"""A sparse operator on fields: compressed rows, applied with its transpose as the backward pass."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from manifoldconv.ops.backends.rows import sum_rows


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
        out = _Apply.apply(columns, self.to(field.device, field.dtype))
        return out.reshape(self.shape[0], *batch, channels).movedim(0, -2)

    @cached_property
    def transposed(self) -> SparseOperator:
        """The transposed operator; built once."""
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

    @cached_property
    def _short_column(self) -> Tensor:
        """Half the bytes to read wherever they suffice."""
        return self.column.to(torch.int32) if self.n_columns < 2**31 else self.column

    @cached_property
    def _torch(self) -> Tensor:
        with warnings.catch_warnings():
            # torch says once a process that such tensors are "in beta state".
            warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
            return torch.sparse_csr_tensor(
                self.row_start, self.column, self.values, self.shape, check_invariants=False
            )


class _Apply(torch.autograd.Function):
    """A @ f, whose backward pass is Aᵀ @ g."""

    @staticmethod
    def forward(ctx: Any, field: Tensor, operator: SparseOperator) -> Tensor:
        ctx.operator = operator
        if field.device.type == "cpu":
            return sum_rows(field, operator.row_start, operator._short_column, operator.values)
        return operator._torch @ field

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Apply.apply(grad, ctx.operator.transposed), None
