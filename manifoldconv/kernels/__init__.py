"""Kernels on the tangent space: a library of them, and which of them a structure group admits."""

from manifoldconv.kernels.average import project
from manifoldconv.kernels.constraint import distance, invariance_defect, require_admissible
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.kernels.library import (
    derivative_of_gaussian,
    difference_of_gaussians,
    gabor,
    gaussian,
    laplacian_of_gaussian,
    mexican_hat,
    mexican_hats,
    ring,
    second_derivative_of_gaussian,
)
from manifoldconv.kernels.radial import RadialBasis
from manifoldconv.kernels.space import KernelSpace
from manifoldconv.kernels.table import OffTableError, table

__all__ = [
    "Kernel",
    "KernelSpace",
    "OffTableError",
    "RadialBasis",
    "derivative_of_gaussian",
    "difference_of_gaussians",
    "distance",
    "gabor",
    "gaussian",
    "invariance_defect",
    "laplacian_of_gaussian",
    "mexican_hat",
    "mexican_hats",
    "project",
    "require_admissible",
    "ring",
    "second_derivative_of_gaussian",
    "table",
]
