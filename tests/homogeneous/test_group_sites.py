"""Sites on SE(2) and SO(3): numbering, areas, and the motions that permute them."""

import math

import pytest
import torch

import manifoldconv as mc
from manifoldconv.homogeneous import icosahedral_rotations, plane_sites


def test_sites_of_se2_are_positions_times_angles() -> None:
    sites = mc.SE2().sites(shape=(3, 4, 6), spacing=0.5)
    grid = sites.points.reshape(3, 4, 6, 3)
    assert torch.equal(grid[2, 1, 3, :2], torch.tensor([0.5, 1.0], dtype=torch.float64))
    assert float(grid[2, 1, 3, 2]) == pytest.approx(math.pi)
    assert torch.allclose(sites.area, torch.full((72,), 0.25 * 2 * math.pi / 6, dtype=torch.float64))
    assert torch.equal(grid[:, :, 0, :2].reshape(-1, 2), plane_sites((3, 4), 0.5).points)


@pytest.mark.parametrize("border", ["zero", "periodic"])
def test_what_lies_beyond_the_window(border) -> None:
    sites = mc.SE2().sites(shape=(4, 4, 4), border=border)
    beyond = torch.tensor([[4.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 2 * math.pi]], dtype=torch.float64)
    stencil = sites.stencil(beyond)
    total = stencil.weight.sum(-1)
    assert torch.allclose(total, torch.tensor([0.0, 0.0, 1.0] if border == "zero" else [1.0] * 3).double())
    if border == "periodic":
        largest = torch.take_along_dim(stencil.index, stencil.weight.argmax(-1, keepdim=True), -1)[:, 0]
        assert largest.tolist() == [0, (3 * 4 + 1) * 4, 0]


@pytest.mark.parametrize("angles", [4, 8])
def test_quarter_turns_and_shifts_permute_a_periodic_grid(angles: int) -> None:
    group, sites = mc.SE2(), mc.SE2().sites(shape=(6, 6, angles), spacing=0.7, border="periodic")
    g = torch.tensor([3 * 0.7, -2 * 0.7, math.pi / 2], dtype=torch.float64)
    weight = sites.stencil(group.product(g, sites.points)).weight
    assert torch.allclose(weight.amax(-1), torch.ones(len(sites), dtype=torch.float64), rtol=0, atol=1e-13)
    # and from the right, turns by one step of the angle
    turn = torch.tensor([0.0, 0.0, 2 * math.pi / angles], dtype=torch.float64)
    weight = sites.stencil(group.product(sites.points, turn)).weight
    assert torch.allclose(weight.amax(-1), torch.ones(len(sites), dtype=torch.float64), rtol=0, atol=1e-13)


def test_quarter_turns_about_its_centre_permute_a_window() -> None:
    group, sites = mc.SE2(), mc.SE2().sites(shape=(5, 5, 4))
    centre = torch.tensor([2.0, 2.0, 0.0], dtype=torch.float64)
    turn = torch.tensor([0.0, 0.0, math.pi / 2], dtype=torch.float64)
    about = group.product(centre, group.product(turn, group.inverse(centre)))
    weight = sites.stencil(group.product(about, sites.points)).weight
    assert torch.allclose(weight.amax(-1), torch.ones(len(sites), dtype=torch.float64), rtol=0, atol=1e-13)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_sixty_rotations_permute_sites_of_so3(level: int) -> None:
    group, sites = mc.SO3(), mc.SO3().sites(icosphere=level, angles=10)
    assert float(sites.area.sum()) == pytest.approx(group.volume, rel=1e-13)
    for rotation in icosahedral_rotations()[1:60:7]:
        stencil = sites.stencil(rotation @ sites.points)
        best, place = stencil.weight.max(-1)
        assert float(best.min()) > 1 - 1e-11
        images = torch.take_along_dim(stencil.index, place[:, None], -1)[:, 0]
        assert torch.equal(images.sort().values, torch.arange(len(sites)))
        assert torch.allclose(sites.area[images], sites.area, rtol=1e-12)


@pytest.mark.parametrize("where", [{"icosphere": 1}, {"equiangular": (6, 8)}])
def test_turns_from_the_right_permute_sites_of_so3(where) -> None:
    group, sites = mc.SO3(), mc.SO3().sites(**where, angles=7)
    turn = group.group_exp(torch.tensor([0.0, 0.0, 2 * math.pi / 7], dtype=torch.float64))
    stencil = sites.stencil(sites.points @ turn)
    best, place = stencil.weight.max(-1)
    assert float(best.min()) > 1 - 1e-12
    expected = torch.arange(len(sites)).reshape(-1, 7).roll(-1, dims=1).flatten()
    assert torch.equal(torch.take_along_dim(stencil.index, place[:, None], -1)[:, 0], expected)


def test_sites_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(mc.GeometryError, match="shape must be 3 whole numbers of at least 1; got "):
        mc.SE2().sites(shape=(4, 4))
    with pytest.raises(mc.GeometryError, match='border must be "zero" or "periodic"; got \'wrap\''):
        mc.SE2().sites(shape=(4, 4, 4), border="wrap")
    with pytest.raises(mc.GeometryError, match="spacing must be a positive number; got 0"):
        plane_sites((4, 4), spacing=0)
    with pytest.raises(mc.GeometryError, match="angles must be a whole number of at least 1; got 0"):
        mc.SO3().sites(icosphere=1, angles=0)
    with pytest.raises(mc.GeometryError, match="give exactly one of icosphere=k and equiangular"):
        mc.SO3().sites(angles=4)
