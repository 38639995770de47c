"""The readers of data sets, on tiny folders of the same layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from manifoldconv.datasets import MeshExamples, faust, faust_remeshed, human_segmentation, shrec11
from manifoldconv.datasets.segmentation import POSES, TEST_NUMBERS
from manifoldconv.errors import GeometryError

CORNERS = ["0 0 0", "1 0 0", "0 1 0", "0 0 1"]
FACES = ["0 2 1", "0 1 3", "1 2 3", "2 0 3"]


def write_off(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["OFF", "4 4 6", *CORNERS, *(f"3 {face}" for face in FACES)]) + "\n")


def write_obj(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    faces = [" ".join(str(int(corner) + 1) for corner in face.split()) for face in FACES]
    path.write_text("\n".join([f"v {corner}" for corner in CORNERS] + [f"f {face}" for face in faces]) + "\n")


def write_ply(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ["ply", "format ascii 1.0", "element vertex 4", *(f"property float {axis}" for axis in "xyz")]
    header += ["element face 4", "property list uchar int vertex_indices", "end_header"]
    path.write_text("\n".join([*header, *CORNERS, *(f"3 {face}" for face in FACES)]) + "\n")


def write_labels(path: Path, labels: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{label}\n" for label in labels))


@pytest.fixture
def original_faust(tmp_path: Path) -> Path:
    for number in range(100):
        write_ply(tmp_path / f"MPI-FAUST/training/registrations/tr_reg_{number:03d}.ply")
    return tmp_path


@pytest.fixture
def remeshed_faust(tmp_path: Path) -> Path:
    for number in range(100):
        write_off(tmp_path / f"shapes/tr_reg_{number:03d}.off")
        write_labels(tmp_path / f"correspondences/tr_reg_{number:03d}.vts", [4, 1, 2, 3, 3])
    return tmp_path


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    top = tmp_path / "sig17_seg_benchmark"
    parts = [1, 8, 2, 3]
    write_off(top / "meshes/train/adobe/a.off")
    write_labels(top / "segs/train/adobe/a.txt", parts)
    write_ply(top / "meshes/train/faust/tr_reg_000.ply")
    write_labels(top / "segs/train/faust/faust_corrected.txt", parts)
    for pose in POSES:
        write_obj(top / f"meshes/train/MIT_animation/meshes_{pose}/meshes/mesh_0000.obj")
        write_labels(top / f"segs/train/mit/mit_{pose}_corrected.txt", parts)
    write_off(top / "meshes/train/scape/mesh000.off")
    write_labels(top / "segs/train/scape/scape_corrected.txt", parts)
    for number in TEST_NUMBERS:
        name = "12_fix_orientation" if number == 12 else str(number)
        write_off(top / f"meshes/test/shrec/{name}.off")
        write_labels(top / f"segs/test/shrec/shrec_{number}_full.txt", parts)
    return tmp_path


@pytest.fixture
def simplified_shrec(tmp_path: Path) -> Path:
    for name in ("alien", "ants"):
        for number in range(4):
            write_obj(tmp_path / f"shrec_16/{name}/{'train' if number < 3 else 'test'}/T{number}.obj")
    return tmp_path


@pytest.fixture
def original_shrec(tmp_path: Path) -> Path:
    for number in range(6):
        write_off(tmp_path / f"T{number}.off")
    classes = "PSB 1\n2 6\n\nalien 0 3\n0\n2\n4\n\nants 0 3\n1\n3\n5\n"
    (tmp_path / "test.cla").write_text(classes)
    return tmp_path


def test_faust_has_the_split_of_the_literature(original_faust: Path) -> None:
    train, test = faust(original_faust, "train"), faust(original_faust / "MPI-FAUST", "test")
    assert (len(train), len(test)) == (80, 20)
    assert test[0].name == "tr_reg_080"
    assert train[3].labels.tolist() == [0, 1, 2, 3]
    assert len(train.classes) == 6890


def test_remeshed_faust_counts_vertices_from_zero(remeshed_faust: Path) -> None:
    example = faust_remeshed(remeshed_faust, "test")[1]
    assert (example.name, example.where, example.labels.tolist()) == (
        "tr_reg_081",
        "landmarks",
        [3, 0, 1, 2, 2],
    )


def test_bodies_are_found_in_all_their_folders(bodies: Path) -> None:
    train, test = human_segmentation(bodies, "train"), human_segmentation(bodies, "test")
    assert (len(train), len(test)) == (11, 18)
    assert all(example.labels.tolist() == [0, 7, 1, 2] for example in train)
    assert "12_fix_orientation" in {example.name for example in test}


@pytest.mark.parametrize("layout", ["simplified_shrec", "original_shrec"])
def test_shrec_splits_every_class_without_overlap(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    train, test = shrec11(root, "train", train_per_class=2), shrec11(root, "test", train_per_class=2)
    files = [[source.mesh for source in part.sources] for part in (train, test)]
    assert not set(files[0]) & set(files[1])
    assert len(train) == 4
    assert len(train) + len(test) == (8 if layout == "simplified_shrec" else 6)
    assert [int(example.labels) for example in train] == [0, 0, 1, 1]
    assert train.classes == ("alien", "ants")


def test_original_shrec_follows_its_classification(original_shrec: Path) -> None:
    for example in shrec11(original_shrec, "train", train_per_class=2):
        assert int(example.name[1:]) % 2 == int(example.labels)


def test_examples_go_through_a_data_loader(bodies: Path) -> None:
    loader = torch.utils.data.DataLoader(human_segmentation(bodies, "test"), batch_size=None)
    assert sum(len(example.surface.faces) for example in loader) == 18 * 4


@pytest.mark.parametrize(
    "read",
    [
        lambda root: faust(root, "train"),
        lambda root: faust_remeshed(root, "train"),
        lambda root: human_segmentation(root, "train"),
        lambda root: shrec11(root, "train"),
    ],
)
def test_another_folder_is_refused_with_the_layout(
    read: Callable[[Path], MeshExamples], tmp_path: Path
) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(GeometryError, match=r"(?s)holds no .*holiday\.jpg.*expected\n.*ROOT"):
        read(tmp_path)
    with pytest.raises(GeometryError, match=r"not a folder|holds no"):
        read(tmp_path / "missing")


def test_a_missing_mesh_is_named(original_faust: Path) -> None:
    (original_faust / "MPI-FAUST/training/registrations/tr_reg_007.ply").unlink()
    with pytest.raises(GeometryError, match=r"tr_reg_007\.ply is missing"):
        faust(original_faust, "train")


def test_a_label_for_each_face(bodies: Path) -> None:
    file = bodies / "sig17_seg_benchmark/segs/train/adobe/a.txt"
    write_labels(file, [1, 2, 3])
    with pytest.raises(GeometryError, match=r"a\.txt has 3 labels; .*a\.off has 4 faces"):
        human_segmentation(bodies, "train")[0]
    write_labels(file, [1, 2, 9, 3])
    with pytest.raises(GeometryError, match=r"a\.txt, line 3: label 9; expected 1 to 8"):
        human_segmentation(bodies, "train")[0]
    for word in ("three", "inf", "nan", "2.5"):
        file.write_text(f"1\n2\n{word}\n4\n")
        with pytest.raises(GeometryError, match=rf"a\.txt, line 3: expected a whole number; got '{word}'"):
            human_segmentation(bodies, "train")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PSB 1\n1 4\nalien 0 4\n0\n1\n2\n", "must list 4 models"),
        ("1 2 3", 'must begin with "PSB 1"'),
        ("PSB 1\nclasses models\n", 'must begin with "PSB 1" and the numbers of classes and models'),
        ("PSB 1\n2 4\nalien 0 2\n0\n1\nants 0 2\n1\n2\n", "lists model 1 more than once"),
        ("PSB 1\n1 9\nalien 0 2\n0\n1\n", "announces 1 classes and 9 models; it lists 2"),
    ],
)
def test_a_broken_classification_is_named(original_shrec: Path, text: str, message: str) -> None:
    (original_shrec / "test.cla").write_text(text)
    with pytest.raises(GeometryError, match=message):
        shrec11(original_shrec, "train", train_per_class=1)


def test_arguments_out_of_range(original_shrec: Path) -> None:
    with pytest.raises(ValueError, match='split must be "train" or "test"'):
        shrec11(original_shrec, "validation")  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="train_per_class=3 must leave some"):
        shrec11(original_shrec, "train", train_per_class=3)
