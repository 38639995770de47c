"""The hot sparse operators: collapsing a pullback for kernels, and applying the result to fields."""

from manifoldconv.ops.assemble import kernel_factors, operators, operators_from_factors, typed_operator
from manifoldconv.ops.collapsed import CollapsedOperator
from manifoldconv.ops.sparse import SparseOperator
from manifoldconv.ops.typed import TypedOperator

__all__ = [
    "CollapsedOperator",
    "SparseOperator",
    "TypedOperator",
    "kernel_factors",
    "operators",
    "operators_from_factors",
    "typed_operator",
]
