"""Laws that every manifold and every set of sites must obey, as checkers to run on one's own.

A checker draws random points and tangent vectors, evaluates each law of its registry and returns one
`LawResult` a law, with the largest deviation found. It raises nothing for a broken law; `require` does.
`check_group` and `check_action` test a Lie group, and the action of one on a homogeneous space.
`check_equivariance` measures how far an operator, a layer or a network is from commuting with a symmetry.

>>> import torch
>>> from manifoldconv.manifolds import Euclidean
>>> def sample(generator, count):
...     return torch.rand(count, 2, generator=generator, dtype=torch.float64)
>>> case = ManifoldCase(Euclidean(2), sample, radius=1.0)
>>> results = check_laws(case, torch.Generator().manual_seed(0))
>>> all(result.passed for result in results)
True
"""

from manifoldconv.testing.actions import action_isometry, check_action, check_group
from manifoldconv.testing.discretisation import Discretisation, GaugeChange
from manifoldconv.testing.equivariance import check_equivariance
from manifoldconv.testing.figures import Equivariance
from manifoldconv.testing.laws import LawResult, LawViolation, require
from manifoldconv.testing.manifolds import LAWS, Isometry, ManifoldCase, ambient_isometry, check_laws
from manifoldconv.testing.motions import (
    icosahedral_rotations,
    planar_motion,
    random_gauge,
    random_planar_motions,
    random_rotations,
)
from manifoldconv.testing.sites import SitesCase, check_sites

__all__ = [
    "LAWS",
    "Discretisation",
    "Equivariance",
    "GaugeChange",
    "Isometry",
    "LawResult",
    "LawViolation",
    "ManifoldCase",
    "SitesCase",
    "action_isometry",
    "ambient_isometry",
    "check_action",
    "check_equivariance",
    "check_group",
    "check_laws",
    "check_sites",
    "icosahedral_rotations",
    "planar_motion",
    "random_gauge",
    "random_planar_motions",
    "random_rotations",
    "require",
]
