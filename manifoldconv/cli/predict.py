"""`manifoldconv predict`: what a trained classifier says of a mesh, as labels, a labelled mesh and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import Writer, check_outputs, write_together
from manifoldconv.cli.report import collected_notes, load, show_json, show_notes, show_table

if TYPE_CHECKING:
    from manifoldconv.cli.options import UpwardAxis
    from manifoldconv.surface.surface import MeshSurface
    from manifoldconv.training import ClassifierSpec, Prediction

# Colours that stay apart for people who see fewer (Okabe and Ito 2008); then once more, paler.
COLORS = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (86, 180, 233),
    (204, 121, 167),
    (240, 228, 66),
    (110, 110, 110),
)


def predict(
    weights: Annotated[
        Path, typer.Argument(metavar="WEIGHTS", help="best.pt of a run of manifoldconv train.")
    ],
    mesh: options.Mesh,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The mesh with its labels as a property and as colours: .ply."),
    ] = None,
    picture: options.Picture = None,
    azimuth: options.Azimuth = 35,
    elevation: options.Elevation = 15,
    up: options.Upward = options.UpwardAxis.y,
    json: options.Json = False,
) -> None:
    """Say of every vertex, face, or of the whole mesh, which class it is of."""
    from manifoldconv.training import classifier_from, load_checkpoint
    from manifoldconv.training import predict as say

    check_outputs(
        [("--out", out, [".ply"]), ("--picture", picture, [".png", ".pdf", ".svg", ".jpg"])], [weights, mesh]
    )
    network = classifier_from(load_checkpoint(weights))
    spec = network.spec
    with collected_notes() as notes:
        surface = load(mesh, notes)
        found = say(network, surface)
        outputs: list[tuple[Path, Writer]] = []
        if out is not None:
            outputs.append((out, lambda path: _write(path, surface, spec, found)))
        if picture is not None:
            outputs.append(
                (picture, lambda path: _draw(path, surface, spec, found, mesh, azimuth, elevation, up))
            )
        write_together(outputs)
    figures = _figures(spec, found)
    if json:
        show_json(
            {"file": str(mesh), "weights": str(weights), "where": spec.where, **figures, "notes": notes}
        )
        return
    rows: dict[str, Any] = {
        "of": f"the {spec.where}",
        "certainty": f"{figures['mean_certainty']:.3f} in the mean",
    }
    rows |= {f"class {name}": _share(count, len(found.labels)) for name, count in figures["counts"].items()}
    for path in (out, picture):
        if path is not None:
            rows[f"wrote {path.suffix[1:]}"] = str(path)
    show_table(str(mesh), rows)
    show_notes(notes)


def _figures(spec: ClassifierSpec, found: Prediction) -> dict[str, Any]:
    counts = found.labels.bincount(minlength=len(spec.classes)).tolist()
    return {
        "counts": {name: count for name, count in zip(spec.classes, counts, strict=True) if count},
        "mean_certainty": float(found.certainty.double().mean()),
    }


def _share(count: int, total: int) -> str:
    return f"{count} of {total} ({100 * count / total:.1f} %)"


def colors(labels: Any, where: str, surface: MeshSurface) -> Any:
    """A colour `(n, 3)` for each vertex, face, or for all vertices of a mesh of one class; bytes."""
    import numpy as np

    palette = np.array(COLORS)
    numbers = labels.numpy() if where != "mesh" else np.full(surface.n_vertices, int(labels))
    paler = (numbers // len(palette) % 3)[:, None] / 3
    return np.round(palette[numbers % len(palette)] * (1 - paler) + 255 * paler).astype(np.uint8)


def _write(path: Path, surface: MeshSurface, spec: ClassifierSpec, found: Prediction) -> None:
    import numpy as np

    from manifoldconv import __version__
    from manifoldconv.surface.io import write_mesh

    place = "faces" if spec.where == "faces" else "vertices"
    count = len(surface.faces) if place == "faces" else surface.n_vertices
    paint = colors(found.labels, spec.where, surface)
    held: dict[str, dict[str, Any]] = {"vertices": {}, "faces": {}}
    held[place] = {
        "label": np.broadcast_to(found.labels.numpy().astype(np.int32), (count,)).copy(),
        "certainty": np.broadcast_to(found.certainty.double().numpy(), (count,)).copy(),
        "red": paint[:, 0],
        "green": paint[:, 1],
        "blue": paint[:, 2],
    }
    comments = [f"manifoldconv {__version__}: labels of the {spec.where}"]
    comments += [
        f"label {number}: {name}" for number, name in enumerate(spec.classes) if len(spec.classes) <= 100
    ]
    write_mesh(path, surface.embedding.vertices, surface.faces, held["vertices"], held["faces"], comments)


def _draw(
    path: Path,
    surface: MeshSurface,
    spec: ClassifierSpec,
    found: Prediction,
    mesh: Path,
    azimuth: float,
    elevation: float,
    up: UpwardAxis,
) -> None:
    from manifoldconv.plot import Scene, save_scene

    paint = colors(found.labels, spec.where, surface) / 255.0
    chosen = {"face_colors": paint} if spec.where == "faces" else {"colors": paint}
    title = f"{mesh.name}: {spec.classes[int(found.labels)]}" if spec.where == "mesh" else mesh.name
    scene = Scene().surface(surface.embedding.vertices, surface.faces, **chosen)
    save_scene(scene, path, title=title, camera=options.camera(azimuth, elevation, up))
