"""`manifoldconv demo`: one correlation on a curved surface, from the mesh to a table, a picture and a
file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.convolve import picture_writer, response_figures, result_writer, run, shell_words
from manifoldconv.cli.info import mesh_figures
from manifoldconv.cli.outputs import Writer, check_folder, require_plot, write_together
from manifoldconv.cli.report import collected_notes, load, show_notes, show_table, stopwatch

if TYPE_CHECKING:
    from manifoldconv.surface.surface import MeshSurface

DEMO_MESH = "fox.ply"
SIGNAL = "noise:1"
KERNEL = "difference-of-gaussians"
RADIUS = "8e"


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path("demo-output"),
) -> None:
    """Correlate noise with a spot-shaped kernel on a curved surface, and show what holonomy forbids."""
    from manifoldconv.presets import Settings, find
    from manifoldconv.signals import read_signal

    require_plot("the demo's picture")
    path = find_mesh(DEMO_MESH)
    names = {name: out / name for name in ("response.ply", "picture.png", "figures.json")}
    _check_destination(out)
    with collected_notes() as notes:
        with stopwatch() as loading:
            surface = load(path, notes)
            facts = mesh_figures(surface)
        field, preset = read_signal(surface, SIGNAL), find(KERNEL)
        settings = Settings(options.read_length("radius", RADIUS, surface))
        with stopwatch() as correlating:
            response = run(surface, field, preset, settings)
        refusal = refused(surface, settings)
    figures = {"mesh": path.name, **facts, **response_figures(surface, field, preset, settings, response)}
    figures |= {"holonomy_witness": holonomy_witness(surface), "odd_kernel": refusal}
    figures |= {"seconds_loading": loading(), "seconds_correlating": correlating(), "notes": notes}
    with stopwatch() as writing:
        out.mkdir(parents=True, exist_ok=True)
        camera = options.camera(40.0, 15.0, options.UpwardAxis.z)
        outputs: list[tuple[Path, Writer]] = [
            (names["response.ply"], result_writer(surface, field, response, notes, "demo")),
            (names["picture.png"], picture_writer(surface, field, preset, settings, response, camera)),
            (names["figures.json"], lambda place: _write_json(place, figures)),
        ]
        write_together(outputs)
    _show(figures, writing(), names)
    show_notes(notes)


def find_mesh(name: str) -> Path:
    """A mesh of the project's folder `meshes`, beside the package or in the current folder."""
    import manifoldconv

    beside = Path(manifoldconv.__file__).resolve().parent.parent / "meshes" / name
    here = Path("meshes") / name
    for path in (here, beside):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"the demo needs meshes/{name} of the project's repository; neither {here} nor {beside} is "
        "there; run it from a clone, or try your own: manifoldconv convolve MESH --signal noise"
    )


def refused(surface: MeshSurface, settings: Any) -> str:
    """What an odd kernel is told on this surface: the message of its `HolonomyError`."""
    from manifoldconv.errors import HolonomyError
    from manifoldconv.kernels.constraint import require_admissible
    from manifoldconv.presets import choose_rule, find

    preset = find("derivative")
    rule = choose_rule(surface.mean_edge_length, preset, settings)
    try:
        require_admissible(preset.kernels(settings, rule)[0], surface.holonomy_group(), rule)
    except HolonomyError as error:
        return shell_words(str(error))
    return "admitted"


def holonomy_witness(surface: MeshSurface) -> dict[str, Any]:
    """The vertex of the largest curvature: a loop round it turns what is carried along it by that angle."""
    curvature = surface.vertex_curvature
    vertex = int(curvature.abs().argmax())
    return {"vertex": vertex, "angle_in_degrees": math.degrees(float(curvature[vertex]))}


def _check_destination(folder: Path) -> None:
    """Refuse a folder that cannot be made or written in, before the work."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--out {folder}: is a file; name a folder")
    check_folder("--out", folder / "figures.json" if folder.is_dir() else folder)


def _write_json(path: Path, figures: dict[str, Any]) -> None:
    path.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _show(figures: dict[str, Any], seconds_writing: float, names: dict[str, Path]) -> None:
    """The tables: the surface, the correlation, what is refused, what was written."""
    f = figures
    witness = f["holonomy_witness"]
    surface = {
        "vertices, faces": f"{f['vertices']}, {f['faces']}",
        "topology": f"Euler characteristic {f['euler_characteristic']}, genus {f['genus']}, "
        f"boundary loops {f['boundary_loops']}",
        "Gauss-Bonnet": f"the curvature adds up to 2 pi {f['euler_characteristic']} but for "
        f"{abs(f['gauss_bonnet_residual']):.0e}",
        "holonomy group": f"{f['holonomy_group']}: a loop round vertex {witness['vertex']} turns what "
        f"is carried along it by {witness['angle_in_degrees']:.1f} degrees, all such loops by any angle",
    }
    correlation = {
        "signal f": f"{f['signal']}: independent random numbers at the vertices, "
        f"{f['signal_min']:.3f} to {f['signal_max']:.3f}",
        "kernel k": f"{f['kernels'][0]}: isotropic, hence admissible",
        "radius": f"{f['radius']:.4g} ({f['radius_in_mean_edges']:.3g} mean edges)",
        "sites, nodes": f"{f['site_count']} {f['sites']}, {f['nodes']} geodesics from each: "
        f"{f['site_count'] * f['nodes']} in all",
        "response k * f": f"{f['min']:.4g} to {f['max']:.4g}",
        "seconds": f"{f['seconds_loading']:.1f} loading, {f['seconds_correlating']:.1f} correlating, "
        f"{seconds_writing:.1f} drawing and writing (the first run compiles, later ones need not)",
    }
    show_table(f"The surface: {f['mesh']}", surface)
    print()
    show_table("The correlation", correlation)
    print()
    show_table("What holonomy forbids here", {"odd kernel": f["odd_kernel"]})
    print()
    show_table("Written", {name: str(path) for name, path in names.items()})
