"""The checks of sizes and counts."""

import numpy as np
import pytest
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds.checks import positive, whole, whole_numbers


def test_numbers_of_any_library_are_taken() -> None:
    assert positive("radius", torch.tensor(2.0)) == 2.0
    assert whole("n", np.int64(3), 1) == 3
    assert whole_numbers("shape", torch.Size([2, 3]), 2, 1) == (2, 3)
    assert whole_numbers("shape", [np.int32(2), 3], 2, 1) == (2, 3)


@pytest.mark.parametrize("value", [0, -2.0, float("nan"), float("inf"), "wide", None])
def test_what_is_not_positive_is_refused(value: object) -> None:
    with pytest.raises(GeometryError, match="radius must be a positive number; got"):
        positive("radius", value)


@pytest.mark.parametrize("value", [0, 6, 2.0, True, None, "3"])
def test_what_is_not_a_count_is_refused(value: object) -> None:
    with pytest.raises(GeometryError, match="n must be a whole number from 1 to 5; got"):
        whole("n", value, 1, 5)


@pytest.mark.parametrize("value", [(1,), (1, 2, 3), (1, 0), (1, 2.0), (True, 2), 4, "12", None])
def test_what_is_not_a_shape_is_refused(value: object) -> None:
    with pytest.raises(GeometryError, match="shape must be 2 whole numbers of at least 1; got"):
        whole_numbers("shape", value, 2, 1)
