"""The collapsed operator of a matrix-valued kernel, on fields that carry a representation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from manifoldconv.ops.sparse import SparseOperator


@dataclass(frozen=True, eq=False)
class TypedOperator:
    """out[p, a] = Σ_j Σ_b blocks[j, a, b] f[column[j], b]: one small matrix for each (site, neighbour) pair.

    Attributes:
        sparse: the same as a plain sparse operator, row p C_out + a, column i C_in + b.
        size_in, size_out: channels of one field before and after.
    """

    sparse: SparseOperator
    size_in: int
    size_out: int

    @classmethod
    def from_blocks(cls, row_start: Tensor, column: Tensor, blocks: Tensor, n_columns: int) -> TypedOperator:
        """From compressed rows of blocks `(nnz, C_out, C_in)`."""
        _, size_out, size_in = blocks.shape
        shape = ((len(row_start) - 1) * size_out, n_columns * size_in)
        rows = scipy.sparse.bsr_array(
            (blocks.numpy(), column.numpy(), row_start.numpy()), shape=shape
        ).tocsr()
        rows.sort_indices()
        sparse = SparseOperator(
            torch.from_numpy(rows.indptr.astype(np.int64)),
            torch.from_numpy(rows.indices.astype(np.int64)),
            torch.from_numpy(rows.data),
            shape[1],
        )
        return cls(sparse, size_in, size_out)

    def __call__(self, field: Tensor) -> Tensor:
        """Apply to a field `(..., N, C_in)`, in its dtype and on its device: `(..., P, C_out)`."""
        if (
            field.ndim < 2
            or field.shape[-1] != self.size_in
            or field.shape[-2] * self.size_in != self.sparse.n_columns
        ):
            sites = self.sparse.n_columns // self.size_in
            raise ValueError(
                f"the field must have shape (..., {sites}, {self.size_in}); got {tuple(field.shape)}"
            )
        batch = field.shape[:-2]  # sizes are spelled out: they may be 0
        out = self.sparse(field.reshape(*batch, self.sparse.n_columns, 1))
        return out.reshape(*batch, self.sparse.shape[0] // self.size_out, self.size_out)

    def to_scipy(self) -> scipy.sparse.csr_array:
        """The operator as a SciPy matrix, row p C_out + a, column i C_in + b."""
        return self.sparse.to_scipy()
