"""FAUST: 10 people in 10 poses, 100 registered meshes of one template (Bogo, Romero, Loper and Black 2014).

The task is correspondence: for every vertex, which vertex of the template it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from manifoldconv.datasets.examples import MeshExamples, Source, whole_numbers
from manifoldconv.datasets.folders import must_be_file, numbered, root_folder
from manifoldconv.surface.surface import MeshSurface

Split = Literal["train", "test"]

# The split that is used in the literature: the first 8 people, and the last 2.
TRAIN = range(80)
TEST = range(80, 100)
TEMPLATE_VERTICES = 6890

ORIGINAL = """  ROOT/training/registrations/tr_reg_000.ply ... tr_reg_099.ply
(ROOT is the folder MPI-FAUST of the archive, or the folder that holds it)"""
REMESHED = """  ROOT/shapes/tr_reg_000.off ... tr_reg_099.off            (or ROOT/off/)
  ROOT/correspondences/tr_reg_000.vts ... tr_reg_099.vts   (or ROOT/vts/, ROOT/corres/)
(the .vts file has one line for each point of the template: the number of its vertex, from 1)"""


def faust(root: str | Path, split: Split) -> MeshExamples:
    """The original registrations, 6890 vertices each in one order: the label of a vertex is its number.

    Args:
        root: the folder `MPI-FAUST` of the archive as it comes, or the one that holds it.
        split: "train": meshes 0 to 79. "test": 80 to 99 (the split of the literature; the archive's own test
            folder has scans without labels).

    Raises:
        GeometryError: for a folder of another layout, or a mesh that is missing.
    """
    top = root_folder(root, ["training/registrations", "MPI-FAUST/training/registrations"], ORIGINAL)
    files = numbered(top, r"tr_reg_(\d{3})\.ply", ORIGINAL)
    sources = []
    for number in chosen(split):
        path = must_be_file(files.get(number, top / f"tr_reg_{number:03d}.ply"), ORIGINAL)
        sources.append(Source(path, _own_numbers))
    return MeshExamples(sources, "vertices", TEMPLATE_VERTICES)


def faust_remeshed(root: str | Path, split: Split) -> MeshExamples:
    """The remeshed version, whose meshes have about 5000 vertices and no order in common (Ren et al. 2018).

    Labels are landmarks: for each point of the template, the vertex of this mesh that corresponds to it.

    Args:
        root: the folder with the meshes and the correspondences, as it comes.
        split: "train": the meshes 0 to 79. "test": 80 to 99.

    Raises:
        GeometryError: for a folder of another layout, or a file that is missing.
    """
    shapes = root_folder(root, ["shapes", "off"], REMESHED)
    lists = root_folder(root, ["correspondences", "vts", "corres"], REMESHED)
    files = numbered(shapes, r"tr_reg_(\d{3})\.(?:off|ply|obj)", REMESHED)
    sources = []
    for number in chosen(split):
        mesh = must_be_file(files.get(number, shapes / f"tr_reg_{number:03d}.off"), REMESHED)
        points = must_be_file(lists / f"tr_reg_{number:03d}.vts", REMESHED)
        sources.append(Source(mesh, partial(_from_one, points), points))
    return MeshExamples(sources, "landmarks", TEMPLATE_VERTICES)


def chosen(split: str) -> range:
    """The numbers of the meshes of a split."""
    if split not in ("train", "test"):
        raise ValueError(f'split must be "train" or "test"; got {split!r}')
    return TRAIN if split == "train" else TEST


def _own_numbers(surface: MeshSurface) -> Tensor:
    return torch.arange(surface.n_vertices)


def _from_one(path: Path, surface: MeshSurface) -> Tensor:
    return whole_numbers(path) - 1
