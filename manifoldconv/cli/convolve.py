"""`manifoldconv convolve`: a signal on a mesh, correlated with a kernel on the tangent spaces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import PICTURE_ENDINGS, Writer, check_outputs, write_together
from manifoldconv.cli.report import (
    collected_notes,
    load,
    progress_bar,
    show_json,
    show_notes,
    show_table,
    stopwatch,
)

if TYPE_CHECKING:
    from manifoldconv.frames import FrameField
    from manifoldconv.presets import Preset, Settings
    from manifoldconv.respond import Response
    from manifoldconv.signals import Signal
    from manifoldconv.surface.surface import MeshSurface

RESULT_ENDINGS = (".ply", ".npy", ".csv")

SignalName = Annotated[
    str,
    typer.Option(
        help="x, y, z; noise:SEED; mean-curvature; gaussian-curvature; delta:SITE; a property of the mesh's "
        "file by its name (colours: color); FILE.npy:COLUMN; FILE.csv:COLUMN."
    ),
]
KernelName = Annotated[
    str,
    typer.Option(
        help="A preset (smooth, sharpen, edges, ridges) or a kernel (gaussian, laplacian-of-gaussian, "
        "difference-of-gaussians, ring, derivative, gabor)."
    ),
]
Sigma = Annotated[
    str | None,
    typer.Option(metavar="LENGTH", help="Width of the kernel's Gaussian. Default: a share of the radius."),
]
Wavelength = Annotated[str | None, typer.Option(metavar="LENGTH", help="Of gabor. Default: 2 sigma.")]
Amount = Annotated[float, typer.Option(help="Of sharpening: f + amount (f - smooth f).")]
Boundary = Annotated[
    options.BoundaryPolicy | None,
    typer.Option(
        help="Where geodesics leave the surface: the signal is zero, or the kernel is renormalised to the "
        "part inside, or geodesics are reflected. Default: reflect for presets, zero for kernels."
    ),
]
Sites = Annotated[
    options.SiteChoice | None, typer.Option(help="Where the signal lives. Default: where it fits.")
]
AsVector = Annotated[
    bool,
    typer.Option(
        "--vector",
        help="The three channels are a vector field: carry its tangential part by parallel transport.",
    ),
]
Normalise = Annotated[
    bool | None,
    typer.Option("--normalise/--no-normalise", help="Divide a kernel by its own integral. Default: no."),
]
GaugeDependent = Annotated[
    bool,
    typer.Option(
        "--gauge-dependent",
        help="Go on with a kernel that holonomy forbids; the result depends on the frames.",
    ),
]
Frames = Annotated[
    str | None,
    typer.Option(
        help="The frames that the kernel refers to, which lets any kernel through: gradient:SIGNAL, principal "
        "(curvature directions), or x, y, z (that axis of space). Default: the surface's own, by parallel "
        "transport."
    ),
]
Radial = Annotated[int | None, typer.Option(min=1, help="Nodes along the radius. Default: by the mesh.")]
Angular = Annotated[int | None, typer.Option(min=1, help="Nodes round the circle. Default: by the mesh.")]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The result: .ply (the mesh with the property `response`), .npy or .csv. Where neither this, "
        "nor --picture, nor --json is given: MESH-KERNEL.ply in the current folder.",
    ),
]


def convolve(
    mesh: options.Mesh,
    signal: SignalName,
    kernel: KernelName = "smooth",
    radius: options.Radius = "4e",
    sigma: Sigma = None,
    wavelength: Wavelength = None,
    amount: Amount = 1.0,
    boundary: Boundary = None,
    sites: Sites = None,
    vector: AsVector = False,
    normalise: Normalise = None,
    gauge_dependent: GaugeDependent = False,
    frames: Frames = None,
    radial: Radial = None,
    angular: Angular = None,
    out: Out = None,
    picture: options.Picture = None,
    json: options.Json = False,
    azimuth: options.Azimuth = 30.0,
    elevation: options.Elevation = 20.0,
    up: options.Upward = options.UpwardAxis.y,
) -> None:
    """Correlate a signal on a mesh with a kernel on its tangent spaces."""
    from manifoldconv.frame_fields import read_frames
    from manifoldconv.presets import Settings, find
    from manifoldconv.signals import read_signal

    preset = find(kernel)
    if out is None and picture is None and not json:
        out = Path(f"{mesh.stem}-{preset.name}.ply")
    check_outputs([("--out", out, RESULT_ENDINGS), ("--picture", picture, PICTURE_ENDINGS)], [mesh])
    view = options.camera(azimuth, elevation, up)
    with collected_notes() as notes, stopwatch() as seconds:
        surface = load(mesh, notes)
        lengths = options.read_lengths(surface, radius=radius, sigma=sigma, wavelength=wavelength)
        settings = Settings(**lengths, amount=amount, normalise=normalise)  # type: ignore[arg-type]
        field = read_signal(surface, signal, sites.value if sites else None, vector=vector)
        notes += signal_notes(field)
        declared = None if frames is None else read_frames(surface, frames, field.sites)
        notes += frame_notes(frames, declared)
        response = run(
            surface,
            *(field, preset, settings),
            boundary=boundary.value if boundary else None,
            n_radial=radial,
            n_angular=angular,
            gauge_dependent=gauge_dependent,
            frames=declared,
        )
    figures = {
        "mesh": str(mesh),
        "frames": frames,
        **response_figures(surface, field, preset, settings, response),
    }
    figures["seconds"] = round(seconds(), 3)
    outputs: list[tuple[Path, Writer]] = []
    if out is not None:
        title = f"{preset.name} of {field.label}"
        outputs.append((out, result_writer(surface, field, response, notes, title)))
    if picture is not None:
        outputs.append((picture, picture_writer(surface, field, preset, settings, response, camera=view)))
    write_together(outputs)
    figures["outputs"] = [str(path) for path, _ in outputs]
    figures["notes"] = list(dict.fromkeys(notes))
    if json:
        show_json(figures)
    else:
        show_table(
            f"{preset.name} of {field.label} on {mesh}",
            response_rows(figures, surface.connectivity.n_boundary_loops == 0),
        )
        show_notes(notes)


def run(surface: MeshSurface, field: Signal, preset: Preset, settings: Settings, **choices: Any) -> Response:
    """`respond` with a progress bar; a refusal by holonomy names the option that goes round it."""
    from manifoldconv.errors import GeometryError, HolonomyError
    from manifoldconv.respond import respond

    try:
        with progress_bar("tracing geodesics") as progress:
            return respond(surface, field, preset, settings, progress=progress, **choices)
    except (GeometryError, HolonomyError) as error:
        raise type(error)(shell_words(str(error))) from None


def shell_words(refusal: str) -> str:
    """The message of a refusal with the ways out that the command line has."""
    reason, found, _ = refusal.partition("no frame can be carried to it;")
    if found:
        return f"{reason}{found} take --sites faces, or a kernel without a direction such as gaussian"
    reason, found, _ = refusal.partition("the path that carried it.")
    if not found:
        return refusal.replace("gauge_dependent=True", "--gauge-dependent")
    return (
        f"{reason}{found} Take an isotropic kernel such as gaussian, or a preset such as edges, which no "
        "choice of frames changes, or --frames to declare those it refers to, or --gauge-dependent to go on "
        "with an answer that depends on the frames."
    )


def signal_notes(field: Signal) -> list[str]:
    """What a user should know about how the signal is taken."""
    colours = field.property_of_file == "color"
    if field.kind == "scalar" and field.channels == 3 and not colours:
        return [
            f"the three channels of {field.label} are correlated one by one, as scalars: for a vector field "
            "that is an operation of the space around the surface, not of the surface; --vector carries "
            "tangent vectors by parallel transport"
        ]
    return []


def frame_notes(spec: str | None, frames: FrameField | None) -> list[str]:
    """Where declared frames have no direction of their own."""
    if frames is None or not len(frames.singular):
        return []
    count = len(frames.singular)
    return [
        f"the frames {spec} have no direction at {count} site{'s' * (count > 1)} (the first is "
        f"{int(frames.singular[0])}); there it is that of the nearest site which has one"
    ]


def response_figures(
    surface: MeshSurface, field: Signal, preset: Preset, settings: Settings, response: Response
) -> dict[str, Any]:
    """What `convolve --json` says of a computation."""
    values = response.values
    return {
        "signal": field.label,
        "signal_kind": field.kind,
        "channels": field.channels,
        "sites": field.sites,
        "site_count": len(values),
        "kernel": preset.name,
        "kernels": [kernel.name for kernel in response.kernels],
        "holonomy_group": response.group.name,
        "boundary": response.boundary,
        "radius": settings.radius,
        "radius_in_mean_edges": settings.radius / surface.mean_edge_length,
        "sigma": response.sigma,
        "nodes": len(response.rule),
        "n_radial": response.rule.shape[0],
        "n_angular": response.rule.shape[1],
        "nonzeros": response.nonzeros,
        "signal_min": float(field.values.min()),
        "signal_max": float(field.values.max()),
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean()),
    }


def response_rows(figures: dict[str, Any], closed: bool) -> dict[str, Any]:
    """The same for people; a closed surface has no boundary to speak of."""
    rows = {
        "signal": f"{figures['signal']}, {figures['signal_min']:.4g} to {figures['signal_max']:.4g}"
        + (f", {figures['channels']} channels" if figures["channels"] > 1 else ""),
        "sites": f"{figures['site_count']} {figures['sites']}",
        "kernel": "; ".join(figures["kernels"]),
        "radius": f"{figures['radius']:.4g} ({figures['radius_in_mean_edges']:.3g} mean edges)",
        "holonomy group": figures["holonomy_group"],
        "nodes": f"{figures['n_radial']} radial x {figures['n_angular']} angular at every site",
        "boundary": figures["boundary"],
        "response": f"{figures['min']:.6g} to {figures['max']:.6g}, mean {figures['mean']:.6g}",
    }
    if closed:
        del rows["boundary"]
    if figures["nonzeros"] is not None:
        rows["operator"] = f"{figures['nonzeros']} (site, neighbour) pairs"
    rows["seconds"] = f"{figures['seconds']:.2f}"
    rows["written"] = ", ".join(figures["outputs"]) or "nothing"
    return rows


def result_writer(
    surface: MeshSurface, field: Signal, response: Response, notes: list[str], title: str
) -> Writer:
    """Writes the result in the format that the path's ending names."""
    from manifoldconv.cli import results

    values = response.values.numpy()
    column = values[:, 0] if values.shape[1] == 1 else values

    def write(path: Path) -> None:
        if path.suffix.lower() == ".npy":
            results.write_npy(path, column)
        elif path.suffix.lower() == ".csv":
            results.write_csv(path, field, values)
        else:
            results.write_ply(path, surface, field, column, notes, title)

    return write


def picture_writer(
    surface: MeshSurface,
    field: Signal,
    preset: Preset,
    settings: Settings,
    response: Response,
    camera: Any,
) -> Writer:
    """Draws the signal, the kernel and the response."""
    from manifoldconv.cli import results

    def write(path: Path) -> None:
        results.draw(path, surface, field, preset, settings, response, camera)

    return write
