"""Human body segmentation: 8 parts, one label a face (Maron et al. 2017, the "sig17" benchmark).

Training meshes come from Adobe, FAUST, MIT and SCAPE; test meshes from SHREC.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from manifoldconv.datasets.examples import MeshExamples, Source, whole_numbers
from manifoldconv.datasets.folders import meshes_in, must_be_file, root_folder
from manifoldconv.surface.surface import MeshSurface

POSES = ("bouncing", "crane", "handstand", "jumping", "march1", "march2", "squat1", "squat2")
# The benchmark has no meshes 16 and 18, and its mesh 12 with a mended orientation beside the first one.
TEST_NUMBERS = tuple(number for number in range(1, 21) if number not in (16, 18))
TEST_NAMES = {12: "12_fix_orientation"}
PARTS = 8

LAYOUT = """  ROOT/meshes/train/{adobe,faust,scape}/*.{off,ply,obj}
  ROOT/meshes/train/MIT_animation/meshes_POSE/meshes/*.obj   (8 poses)
  ROOT/meshes/test/shrec/1.off ... 20.off
  ROOT/segs/train/adobe/NAME.txt, faust/faust_corrected.txt, mit/mit_POSE_corrected.txt, scape/scape_corrected.txt
  ROOT/segs/test/shrec/shrec_1_full.txt ...
(ROOT is the folder sig17_seg_benchmark, or the one that holds it; a label file has one line a face, from 1)"""


def human_segmentation(root: str | Path, split: Literal["train", "test"]) -> MeshExamples:
    """The benchmark in its original resolution: 381 training meshes and 18 test meshes, a part 0 to 7 for each face.

    Args:
        root: the folder `sig17_seg_benchmark` of the archive as it comes, or the one that holds it.
        split: "train" or "test".

    Raises:
        GeometryError: for a folder of another layout, or a file that is missing.
    """
    if split not in ("train", "test"):
        raise ValueError(f'split must be "train" or "test"; got {split!r}')
    meshes = root_folder(root, ["meshes", "sig17_seg_benchmark/meshes"], LAYOUT)
    labels = meshes.parent / "segs"
    pairs = _train(meshes / "train", labels / "train") if split == "train" else _test(meshes, labels)
    sources = [Source(mesh, partial(_parts, must_be_file(file, LAYOUT)), file) for mesh, file in pairs]
    return MeshExamples(sources, "faces", PARTS)


def _train(meshes: Path, labels: Path) -> list[tuple[Path, Path]]:
    pairs = [(mesh, labels / "adobe" / f"{mesh.stem}.txt") for mesh in meshes_in(meshes / "adobe", LAYOUT)]
    pairs += [(mesh, labels / "faust/faust_corrected.txt") for mesh in meshes_in(meshes / "faust", LAYOUT)]
    for pose in POSES:
        folder = meshes / "MIT_animation" / f"meshes_{pose}" / "meshes"
        pairs += [(mesh, labels / "mit" / f"mit_{pose}_corrected.txt") for mesh in meshes_in(folder, LAYOUT)]
    pairs += [(mesh, labels / "scape/scape_corrected.txt") for mesh in meshes_in(meshes / "scape", LAYOUT)]
    return pairs


def _test(meshes: Path, labels: Path) -> list[tuple[Path, Path]]:
    pairs = []
    for number in TEST_NUMBERS:
        mesh = meshes / "test/shrec" / f"{TEST_NAMES.get(number, number)}.off"
        pairs.append((must_be_file(mesh, LAYOUT), labels / "test/shrec" / f"shrec_{number}_full.txt"))
    return pairs


def _parts(path: Path, surface: MeshSurface) -> Tensor:
    return whole_numbers(path) - 1
