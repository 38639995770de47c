"""`manifoldconv demo`: three manifolds and what they admit; then one correlation, from the mesh to a picture."""

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
from manifoldconv.cli.three_manifolds import show as show_cases
from manifoldconv.cli.three_manifolds import three_manifolds

if TYPE_CHECKING:
    from manifoldconv.presets import Settings
    from manifoldconv.surface.surface import MeshSurface

DEMO_MESH = "fox.ply"
SIGNAL = "noise:1"
KERNEL = "difference-of-gaussians"
RADIUS, SIGMA = "6e", "1.2e"  # mean edges: noise has no detail below them, spots of 2 of them are seen well


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path("demo-output"),
) -> None:
    """Three manifolds with a kernel each, admitted or refused; then one correlation on a curved surface, drawn."""
    from manifoldconv.presets import Settings, find
    from manifoldconv.signals import read_signal

    require_plot("the demo's picture")
    path = find_mesh(DEMO_MESH)
    names = {name: out / name for name in ("response.ply", "picture.png", "figures.json")}
    _check_destination(out)
    with collected_notes() as notes:
        with stopwatch() as judging:
            cases = three_manifolds()
        with stopwatch() as loading:
            surface = load(path, notes)
            facts = mesh_figures(surface)
        field, preset = read_signal(surface, SIGNAL), find(KERNEL)
        lengths = options.read_lengths(surface, radius=RADIUS, sigma=SIGMA)
        settings = Settings(**lengths)  # type: ignore[arg-type]
        with stopwatch() as correlating:
            response = run(surface, field, preset, settings)
        loop = holonomy_witness(surface)
        odd = odd_kernel(surface, settings, math.radians(loop["angle_in_degrees"]))
    figures = {"mesh": path.name, **facts, **response_figures(surface, field, preset, settings, response)}
    figures |= {"holonomy_witness": loop, "odd_kernel": odd}
    figures |= {
        "three_manifolds": [case.figures() for case in cases],
        "seconds_on_three_manifolds": judging(),
    }
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
    show_cases(cases)
    print()
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


def odd_kernel(surface: MeshSurface, settings: Settings, angle: float) -> dict[str, Any]:
    """What a kernel with a direction is told here: the refusal, and how much a turn by `angle` changes it."""
    import torch

    from manifoldconv.errors import HolonomyError
    from manifoldconv.kernels import require_admissible
    from manifoldconv.presets import choose_rule, find

    preset = find("derivative")
    rule = choose_rule(surface.mean_edge_length, preset, settings)
    kernel = preset.kernels(settings, rule)[0]
    c, s = math.cos(angle), math.sin(angle)
    turned = rule.nodes @ torch.tensor([[c, s], [-s, c]], dtype=rule.nodes.dtype)
    there, here = kernel(turned), kernel(rule.nodes)
    try:
        require_admissible(kernel, surface.holonomy_group(), rule)
        refusal = None
    except HolonomyError as error:
        refusal = shell_words(str(error))
    change = float((there - here).abs().max() / here.abs().max())
    return {"name": kernel.name, "refusal": refusal, "change_round_the_loop": change}


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
    """One table: the surface, its holonomy, the correlation, what is refused and why, what was written."""
    f = figures
    loop, odd = f["holonomy_witness"], f["odd_kernel"]
    change = f"{odd['change_round_the_loop']:.0%}"
    rows = {
        "surface": f"{f['mesh']}: {f['vertices']} vertices, {f['faces']} faces, genus {f['genus']}",
        "curvature": f"the angle defects add up to {2 * f['euler_characteristic']}π (Gauss and Bonnet), to within "
        f"{abs(f['gauss_bonnet_residual']):.0e}",
        "holonomy": f"{f['holonomy_group']}: a tangent vector carried round vertex {loop['vertex']} comes back "
        f"turned by {loop['angle_in_degrees']:.1f}°; all loops together turn by any angle",
        "signal f": f"{f['signal']}: a random number at each vertex, {f['signal_min']:.2f} to {f['signal_max']:.2f}",
        "kernel k": f"difference of Gaussians on the disc of radius {f['radius']:.3g} = "
        f"{f['radius_in_mean_edges']:.3g} mean edges",
        "admitted": "it looks the same in every direction, so no loop can change it",
        "k ⋆ f": f"{f['min']:.3f} to {f['max']:.3f}; {f['nodes']} geodesics from each vertex, "
        f"{f['site_count'] * f['nodes'] / 1e6:.1f} million in all",
        "refused": f"a derivative of a Gaussian: it has a direction. Carried round vertex {loop['vertex']} it "
        f"comes back changed by {change} of its largest value, so what it is at a point would depend on the path "
        "that carried it there",
        "time": f"{f['seconds_loading']:.1f} s loading, {f['seconds_correlating']:.1f} s correlating, "
        f"{seconds_writing:.1f} s drawing; a first run also compiles",
        "written": ", ".join(map(str, names.values())),
    }
    show_table("A signal, a kernel and holonomy on the surface of a fox", rows)
    print("\nOn a mesh of yours: manifoldconv convolve MESH --signal noise --picture picture.png")
    print("In the browser, with your own hands: manifoldconv view MESH")
