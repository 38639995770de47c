"""SHREC 2011, non-rigid shapes: 600 watertight meshes in 30 classes of 20 (Lian et al. 2011)."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from manifoldconv.datasets.examples import MeshExamples, Source
from manifoldconv.datasets.folders import meshes_in, must_be_file, numbered, root_folder
from manifoldconv.errors import GeometryError
from manifoldconv.surface.surface import MeshSurface

SIMPLIFIED = """  ROOT/CLASS/train/*.obj and ROOT/CLASS/test/*.obj, for each of 30 classes
(ROOT is the folder shrec_16 of the simplified version, or the one that holds it)"""
ORIGINAL = """  ROOT/T0.off ... T599.off and ROOT/test.cla
(the classification in the format of the Princeton Shape Benchmark)"""


def shrec11(
    root: str | Path, split: Literal["train", "test"], *, train_per_class: int = 10, seed: int = 0
) -> MeshExamples:
    """Class of each mesh, in either layout in which the set is passed on.

    The simplified version (Hanocka et al. 2019; 500 faces) is found by its class folders, the original one by its
    `test.cla`. Published results choose the training meshes of each class by chance, 10 or 16 of 20; the folders
    "train" and "test" of the simplified version are pooled for that, as its users do.

    Args:
        root: the folder of the data set as it comes.
        split: "train" or "test"; with the same seed the two have no mesh in common and all of them together.
        train_per_class: 1 to 19.
        seed: of the choice.

    Raises:
        GeometryError: for a folder of neither layout, or a class with too few meshes.
    """
    if split not in ("train", "test"):
        raise ValueError(f'split must be "train" or "test"; got {split!r}')
    by_class = _original(Path(root)) if (Path(root) / "test.cla").is_file() else _simplified(root)
    generator = torch.Generator().manual_seed(seed)
    sources = []
    for number, (name, files) in enumerate(by_class.items()):
        if not 0 < train_per_class < len(files):
            raise GeometryError(
                f"class {name!r} has {len(files)} meshes; train_per_class={train_per_class} must leave some to test"
            )
        order = torch.randperm(len(files), generator=generator).tolist()
        kept = order[:train_per_class] if split == "train" else order[train_per_class:]
        sources += [Source(files[k], partial(_class, number)) for k in sorted(kept)]
    return MeshExamples(sources, "mesh", list(by_class))


def _simplified(root: str | Path) -> dict[str, list[Path]]:
    layout = f"{SIMPLIFIED}\nor\n{ORIGINAL}"
    top = Path(root)
    if not _class_folders(top):
        top = root_folder(root, ["shrec_16", "raw/shrec_16"], layout)
    names = _class_folders(top)
    if not names:
        raise GeometryError(f"{top} holds no class folder; expected\n{layout}")
    return {
        name: [path for part in ("test", "train") for path in meshes_in(top / name / part, layout)]
        for name in names
    }


def _class_folders(top: Path) -> list[str]:
    if not top.is_dir():
        return []
    return sorted(path.name for path in top.iterdir() if (path / "train").is_dir())


def _original(root: Path) -> dict[str, list[Path]]:
    files = numbered(root, r"T(\d+)\.off", ORIGINAL)
    members = read_classification(root / "test.cla")
    return {
        name: [must_be_file(files.get(n, root / f"T{n}.off"), ORIGINAL) for n in numbers]
        for name, numbers in members.items()
    }


def read_classification(path: Path) -> dict[str, list[int]]:
    """A classification in the format of the Princeton Shape Benchmark: the numbers of the models of each class.

    "PSB 1", then "CLASSES MODELS", then for each class "NAME PARENT COUNT" and so many numbers.
    """
    words = path.read_text(encoding="utf-8", errors="replace").split()
    if len(words) < 4 or words[0] != "PSB" or not (words[2].isdigit() and words[3].isdigit()):
        raise GeometryError(
            f'{path} must begin with "PSB 1" and the numbers of classes and models; got {words[:4]}'
        )
    found: dict[str, list[int]] = {}
    at = 4
    while at < len(words):
        header = words[at : at + 3]
        if len(header) < 3 or not header[2].isdigit():
            raise GeometryError(
                f'{path}: expected "NAME PARENT COUNT" after {len(found)} classes; got {header}'
            )
        count = int(header[2])
        members = [re.sub(r"^[A-Za-z]+", "", word) for word in words[at + 3 : at + 3 + count]]
        if len(members) < count or not all(member.isdigit() for member in members):
            raise GeometryError(
                f"{path}: class {header[0]!r} must list {count} models by number; got {members[:5]} ..."
            )
        if count:  # parents of other classes have no models of their own
            found[header[0]] = [int(member) for member in members]
        at += 3 + count
    classes, models = int(words[2]), int(words[3])
    listed = sum(map(len, found.values()))
    twice = [number for number, count in Counter(chain(*found.values())).items() if count > 1]
    if twice:
        raise GeometryError(f"{path} lists model {twice[0]} more than once")
    if listed != models:
        raise GeometryError(f"{path} announces {classes} classes and {models} models; it lists {listed}")
    return found


def _class(number: int, surface: MeshSurface) -> Tensor:
    return torch.tensor(number)
