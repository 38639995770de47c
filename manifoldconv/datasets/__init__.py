"""Readers for data sets of labelled meshes that people have on their disks, in the layout in which these come."""

from manifoldconv.datasets.examples import Labelled, MeshExamples
from manifoldconv.datasets.faust import faust, faust_remeshed
from manifoldconv.datasets.segmentation import human_segmentation
from manifoldconv.datasets.shrec import shrec11

__all__ = ["Labelled", "MeshExamples", "faust", "faust_remeshed", "human_segmentation", "shrec11"]
