"""The hot sparse operators: collapsing a pullback for kernels, and applying the result to fields."""

from manifoldconv.ops.assemble import kernel_factors, operators, operators_from_factors
from manifoldconv.ops.sparse import SparseOperator

__all__ = ["SparseOperator", "kernel_factors", "operators", "operators_from_factors"]
