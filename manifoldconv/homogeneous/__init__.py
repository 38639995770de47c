"""Lie groups, and the homogeneous spaces on which they act: kernels carried by a group instead of by geodesics."""

from manifoldconv.homogeneous.icosahedral import icosahedral_rotations, permutations
from manifoldconv.homogeneous.lie_group import ActingGroup, LieGroup
from manifoldconv.homogeneous.matrix_group import MatrixGroup
from manifoldconv.homogeneous.se2 import SE2
from manifoldconv.homogeneous.se2_sites import SE2Sites, plane_sites
from manifoldconv.homogeneous.se3 import SE3
from manifoldconv.homogeneous.so3 import SO3
from manifoldconv.homogeneous.so3_sites import SO3Sites
from manifoldconv.homogeneous.space import HomogeneousSpace
from manifoldconv.homogeneous.spaces import (
    euclidean_under_translations,
    group_on_itself,
    hyperbolic_plane_under_so21,
    plane_under_se2,
    space_under_se3,
    sphere_under_so3,
)
from manifoldconv.homogeneous.translations import Translations

__all__ = [
    "SE2",
    "SE3",
    "SO3",
    "ActingGroup",
    "HomogeneousSpace",
    "LieGroup",
    "MatrixGroup",
    "SE2Sites",
    "SO3Sites",
    "Translations",
    "euclidean_under_translations",
    "group_on_itself",
    "hyperbolic_plane_under_so21",
    "icosahedral_rotations",
    "permutations",
    "plane_sites",
    "plane_under_se2",
    "space_under_se3",
    "sphere_under_so3",
]
