"""Laws that every manifold and every set of sites must obey, as checkers to run on one's own.

A checker draws random points and tangent vectors, evaluates each law of its registry and returns one
`LawResult` a law, with the largest deviation found. It raises nothing for a broken law; `require` does.

>>> import torch
>>> from manifoldconv.manifolds import Euclidean
>>> def sample(generator, count):
...     return torch.rand(count, 2, generator=generator, dtype=torch.float64)
>>> case = ManifoldCase(Euclidean(2), sample, radius=1.0)
>>> results = check_laws(case, torch.Generator().manual_seed(0))
>>> all(result.passed for result in results)
True
"""

from manifoldconv.testing.laws import LawResult, LawViolation, require
from manifoldconv.testing.manifolds import LAWS, Isometry, ManifoldCase, ambient_isometry, check_laws
from manifoldconv.testing.sites import SitesCase, check_sites

__all__ = [
    "LAWS",
    "Isometry",
    "LawResult",
    "LawViolation",
    "ManifoldCase",
    "SitesCase",
    "ambient_isometry",
    "check_laws",
    "check_sites",
    "require",
]
