"""The checks of sizes and counts."""

import numpy as np
import pytest
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import (
    Euclidean,
    HyperbolicPlane,
    KleinBottle,
    Manifold,
    ParametrisedSurface,
    ProductManifold,
    Sphere,
)
from manifoldconv.manifolds.checks import positive, whole, whole_numbers
from manifoldconv.surface.surface import MeshSurface

TRIANGLE = MeshSurface([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
PATCH = ParametrisedSurface(((0.0, 1.0), (0.0, 1.0)), metric=lambda u: torch.eye(2).expand(*u.shape, 2))
POINTS = [
    (Euclidean(2), torch.zeros(2, 2)),
    (Sphere(), torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])),
    (HyperbolicPlane(), torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])),
    (KleinBottle(2.0, 2.0), torch.zeros(2, 2)),
    (ProductManifold(Euclidean(1), Euclidean(1)), torch.zeros(2, 2)),
    (PATCH, torch.full((2, 2), 0.5)),
    (TRIANGLE, TRIANGLE.vertex_points([0, 1])),
]


@pytest.mark.parametrize(("manifold", "x"), POINTS, ids=lambda value: type(value).__name__)
def test_batch_axes_that_do_not_broadcast_are_named(manifold: Manifold, x: object) -> None:
    three = x[[0, 1, 1]]  # type: ignore[index]
    with pytest.raises(
        ValueError, match=r"x and v must have batch axes that broadcast; got x \(2,\) and v \(3,\)"
    ):
        manifold.exp(x, torch.zeros(3, 2))
    with pytest.raises(
        ValueError, match=r"x and y must have batch axes that broadcast; got x \(2,\) and y \(3,\)"
    ):
        manifold.log(x, three)


@pytest.mark.parametrize(("manifold", "x"), POINTS, ids=lambda value: type(value).__name__)
def test_a_boundary_policy_that_does_not_exist_is_refused(manifold: Manifold, x: object) -> None:
    with pytest.raises(ValueError, match='boundary must be "stop" or "reflect"; got \'bounce\''):
        manifold.geodesic(x, torch.zeros(2), boundary="bounce")  # type: ignore[arg-type]


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
