"""The laws, over every manifold and its sites."""

import pytest
import torch
from cases import CASES, SITES

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
