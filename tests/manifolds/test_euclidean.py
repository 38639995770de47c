"""Euclidean space, and the pixel grid on it."""

import pytest
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import Euclidean
from manifoldconv.sampling import Stencil


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values_at(stencil: Stencil, field: Tensor) -> Tensor:
    return (stencil.weight * field[stencil.index]).sum(-1)


def test_geodesics_broadcast_and_are_straight() -> None:
    x, v = random(5, 1, 3), random(4, 3, seed=1)
    geodesic = Euclidean(3).geodesic(x, v)
    assert torch.equal(geodesic.end, x + v)
    assert geodesic.transport.shape == (5, 4, 3, 3)
    assert torch.equal(geodesic.length, v.norm(dim=-1).expand(5, 4))
    assert geodesic.complete.shape == (5, 4)
    assert bool(geodesic.complete.all())


def test_float32_points_are_taken_to_float64() -> None:
    assert Euclidean(2).exp(torch.zeros(2), torch.ones(2)).dtype == torch.float64


def test_loops_of_the_plane() -> None:
    loop = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    holonomy = Euclidean(2).holonomy(loop)
    assert torch.equal(holonomy.matrix, torch.eye(2, dtype=torch.float64))
    assert holonomy.enclosed_curvature == 0.0
    assert Euclidean(3).holonomy(torch.zeros(2, 3)).enclosed_curvature is None
    assert Euclidean(3).holonomy_group().name == "trivial"


def test_an_open_loop_is_refused() -> None:
    with pytest.raises(GeometryError, match="not closed"):
        Euclidean(2).holonomy(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))


def test_sites_are_numbered_row_by_row() -> None:
    sites = Euclidean(2).sites(shape=(4, 6), spacing=0.5)
    assert len(sites) == 24
    assert sites.shape == (4, 6)
    assert sites.points[2 * 6 + 3].tolist() == [1.5, 1.0]
    assert torch.equal(sites.area, torch.full((24,), 0.25, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(7,), (4, 6), (3, 4, 5)])
def test_interpolation_is_exact_at_sites_and_for_multilinear_functions(shape: tuple[int, ...]) -> None:
    n = len(shape)
    sites = Euclidean(n).sites(shape=shape, spacing=0.3)

    def function(points: Tensor) -> Tensor:
        return points.sum(-1) + 2 * points.prod(-1) - 1

    own = values_at(sites.stencil(sites.points), function(sites.points))
    assert torch.allclose(own, function(sites.points), rtol=0, atol=1e-14)
    inside = sites.points[-1] * torch.rand(
        100, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    between = values_at(sites.stencil(inside), function(sites.points))
    assert torch.allclose(between, function(inside), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_grid_correlation_is_torch_convolution_with_zero_padding(n: int) -> None:
    shape, size = (6, 7, 5)[:n], (3, 5, 3)[:n]
    field, kernel = random(*shape), random(*size, seed=1)
    sites = Euclidean(n).sites(shape=shape)
    steps = [torch.arange(count, dtype=torch.float64) - count // 2 for count in size]
    offsets = torch.stack(torch.meshgrid(*steps, indexing="ij"), dim=-1).flip(-1).reshape(-1, n)
    stencil = sites.stencil(Euclidean(n).exp(sites.points[:, None], offsets))
    ours = (values_at(stencil, field.flatten()) * kernel.flatten()).sum(-1)
    convolve = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[n - 1]
    theirs = convolve(field[None, None], kernel[None, None], padding=tuple(count // 2 for count in size))
    assert torch.allclose(ours, theirs.flatten(), rtol=0, atol=1e-13)


def test_outside_the_window_there_is_nothing() -> None:
    stencil = Euclidean(2).sites(shape=(3, 3)).stencil(torch.tensor([[-0.25, 1.0], [5.0, 1.0], [1.0, -7.0]]))
    assert stencil.weight.sum(-1).tolist() == [0.75, 0.0, 0.0]
    assert bool((stencil.index[stencil.weight == 0] >= 0).all())
    assert bool((stencil.index < 9).all())


def test_stencil_weights_are_differentiable() -> None:
    sites = Euclidean(2).sites(shape=(4, 4))
    points = torch.rand(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    assert torch.autograd.gradcheck(lambda p: sites.stencil(p).weight, points.requires_grad_())


def test_a_grid_of_one_pixel() -> None:
    stencil = Euclidean(2).sites(shape=(1, 1)).stencil(torch.zeros(2))
    assert stencil.weight.sum() == 1
    assert not bool(stencil.index.any())


@pytest.mark.parametrize("n", [0, -1, 2.0, True, "2"])
def test_bad_dimensions_are_refused(n: object) -> None:
    with pytest.raises(GeometryError, match="whole number"):
        Euclidean(n)


@pytest.mark.parametrize("shape", [(3,), (3, 0), (3, 2.5), 9, (1, 2, 3), (3, float("nan")), ("a", "b")])
def test_bad_shapes_are_refused(shape: object) -> None:
    with pytest.raises(GeometryError, match="shape must be 2 whole numbers"):
        Euclidean(2).sites(shape=shape)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_spacings_are_refused(spacing: float) -> None:
    with pytest.raises(GeometryError, match="spacing must be a positive number"):
        Euclidean(2).sites(shape=(2, 2), spacing=spacing)


def test_bad_points_are_refused() -> None:
    with pytest.raises(ValueError, match=r"x must have last axes \(2\); got shape \(3,\)"):
        Euclidean(2).exp(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match=r"v must be finite; got nan at index \[1\]"):
        Euclidean(2).exp(torch.zeros(2), torch.tensor([0.0, float("nan")]))
