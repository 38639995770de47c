"""The laws, over every manifold and its sites."""

from collections.abc import Iterator

import pytest
import torch
from cases import CASES, SITES
from torch import Tensor

from manifoldconv.testing import check_laws, check_sites, require


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", CASES)
def test_manifold_obeys_the_laws(name: str, seed: int) -> None:
    require(check_laws(CASES[name], torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", SITES)
def test_sites_obey_the_laws(name: str, seed: int) -> None:
    case, sample = SITES[name]
    require(check_sites(case, sample(torch.Generator().manual_seed(seed), 2000)))


@pytest.fixture
def default_dtypes() -> Iterator[tuple[torch.dtype, ...]]:
    """The dtypes that torch may have as its default, which is put back afterwards."""
    before = torch.get_default_dtype()
    yield (torch.float32, torch.float64)
    torch.set_default_dtype(before)


def geodesics(name: str) -> list[Tensor]:
    case, generator = CASES[name], torch.Generator().manual_seed(0)
    x = case.sample_points(generator, 6)
    v = case.radius * torch.randn(6, case.manifold.dim, generator=generator, dtype=torch.float64)
    y = case.manifold.exp(x, 0.5 * case.radius * v / v.norm(dim=-1, keepdim=True))
    stopped, reflected = case.manifold.geodesic(x, v), case.manifold.geodesic(x, v, boundary="reflect")
    values = [stopped.end, stopped.transport, stopped.length, reflected.end, reflected.transport]
    return [*values, case.manifold.log(x, y), case.manifold.transport_between(x, y), case.manifold.frame(x)]


def stencils(name: str) -> list[Tensor]:
    case, sample = SITES[name]
    stencil = case.coarse.stencil(sample(torch.Generator().manual_seed(0), 20))
    return [stencil.weight, stencil.transport, case.coarse.area]


@pytest.mark.parametrize(("make", "name"), [(geodesics, n) for n in CASES] + [(stencils, n) for n in SITES])
def test_nothing_depends_on_the_default_dtype(make, name, default_dtypes) -> None:
    answers = []
    for dtype in default_dtypes:
        torch.set_default_dtype(dtype)
        answers.append(make(name))
    for first, second in zip(*answers, strict=True):
        assert first.dtype == torch.float64
        assert torch.equal(first.isnan(), second.isnan())
        assert torch.equal(first.nan_to_num(), second.nan_to_num())
