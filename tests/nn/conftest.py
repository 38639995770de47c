"""The meshes of `nn_cases` with their pullbacks, made once."""

import pytest
from nn_cases import SURFACES

import manifoldconv as mc


@pytest.fixture(scope="session")
def surfaces():
    return {name: make() for name, make in SURFACES.items()}


@pytest.fixture(scope="session")
def pulls(surfaces):
    return {name: mc.nn.mesh_pullback(surface, nodes=(2, 12)) for name, surface in surfaces.items()}


@pytest.fixture(scope="session")
def sphere_pull(pulls):
    return pulls["closed"]
