"""Field types: representations of structure groups, written as strings such as "2x0 + 1x1"."""

from manifoldconv.representations.order import (
    from_e3nn_order,
    from_escnn_order,
    to_e3nn_order,
    to_escnn_order,
)
from manifoldconv.representations.representation import Representation

__all__ = ["Representation", "from_e3nn_order", "from_escnn_order", "to_e3nn_order", "to_escnn_order"]
