"""Pullbacks for many mesh files: in processes of this machine, or on a Dask cluster."""

from manifoldconv.precompute.corpus import precompute
from manifoldconv.precompute.job import Outcome, Recipe

__all__ = ["Outcome", "Recipe", "precompute"]
