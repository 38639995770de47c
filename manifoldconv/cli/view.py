"""`manifoldconv view`: the interactive viewer in the browser, or what it would show as a picture."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import PICTURE_ENDINGS, check_outputs, require_plot, write_together
from manifoldconv.cli.report import collected_notes, load, show_notes

if TYPE_CHECKING:
    from manifoldconv.plot.figure import Background
    from manifoldconv.view.model import State, Workbench

Signal = Annotated[
    str | None,
    typer.Option(
        help="The signal shown first, as in `convolve`. Default: z. Others can be chosen on the page."
    ),
]
Kernel = Annotated[str, typer.Option(help="The kernel shown first.")]
Radius = Annotated[float, typer.Option(help="Of the disc, in mean edges: 2, 3, 4, 6 or 8.")]
Host = Annotated[
    str,
    typer.Option(
        help="The address to listen at. 127.0.0.1 is reached from this machine only, 0.0.0.0 from all others."
    ),
]
Port = Annotated[int | None, typer.Option(help="Default: the first free one from 8080.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in your browser.")]
Dark = Annotated[bool, typer.Option("--dark", help="Begin with dark colours.")]
Screenshot = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write what the page shows as a picture (PNG, PDF, SVG or JPEG) and end; needs no browser.",
    ),
]
Loop = Annotated[
    int | None,
    typer.Option(
        min=1, help="Begin with the loop of the topology of this number, as round a Möbius band: 1."
    ),
]
Faces = Annotated[
    int, typer.Option("--display-faces", min=100, help="Meshes with more faces are decimated for display.")
]


def view(
    mesh: options.Mesh,
    signal: Signal = None,
    kernel: Kernel = "smooth",
    radius: Radius = 4.0,
    port: Port = None,
    host: Host = "127.0.0.1",
    browser: Browser = True,
    dark: Dark = False,
    screenshot: Screenshot = None,
    loop: Loop = None,
    display_faces: Faces = 150_000,
    azimuth: options.Azimuth = 30.0,
    elevation: options.Elevation = 20.0,
    up: options.Upward = options.UpwardAxis.y,
) -> None:
    """Explore a mesh in the browser: pick points, carry a kernel, draw loops, see what holonomy does and forbids."""
    from manifoldconv.view import model

    require_plot("the viewer")
    if screenshot is not None:
        check_outputs([("--screenshot", screenshot, PICTURE_ENDINGS)], [mesh])
    else:
        from manifoldconv.view.server import free_port

        free_port(host, port)  # before the mesh is read, which may take a while
    with collected_notes() as notes:
        surface = load(mesh, notes)
        workbench = model.Workbench(surface, mesh.name, () if signal is None else (signal,))
        state = _first_state(workbench, kernel, radius, loop, signal)
        if screenshot is not None:
            from manifoldconv.view.snapshot import snapshot

            camera = options.camera(azimuth, elevation, up)
            background: Background = "dark" if dark else "white"
            said: list[str] = []

            def write(place: Path) -> None:
                said.append(snapshot(workbench, state, place, camera=camera, background=background))

            write_together([(screenshot, write)])
            print("\n".join(said))
    show_notes(notes)
    if screenshot is None:
        _serve(workbench, state, host, port, browser, dark, up.value, display_faces)


def _first_state(
    workbench: Workbench, kernel: str, radius: float, loop: int | None, signal: str | None
) -> State:
    """Every choice is checked before anything is opened."""
    from manifoldconv.errors import GeometryError
    from manifoldconv.view import model

    if not len(workbench.surface.faces):
        raise GeometryError("the mesh has no faces: there is no surface to look at")
    state = model.start(workbench)
    state = model.choose(workbench, state, kernel=kernel, edges=radius)
    if signal is not None:
        workbench.signal(state)
    if loop is not None:
        state = model.topological_loop(workbench, state, loop - 1)
        if state.complaint:
            raise GeometryError(f"--loop {loop}: {state.complaint}")
    return state


def _serve(
    workbench: Workbench,
    state: State,
    host: str,
    port: int | None,
    browser: bool,
    dark: bool,
    up: str,
    display_faces: int,
) -> None:
    """Until Ctrl-C."""
    from manifoldconv.view.display import Display
    from manifoldconv.view.server import Server, open_in_browser, reaches_others

    display = Display.of(workbench.surface, up, display_faces)
    if display.note:
        print(display.note)
    server = Server(workbench, display, state, host=host, port=port, dark=dark, say=_say)
    try:
        _say(f"The viewer is at {server.url} (Ctrl-C ends it)")
        if reaches_others(host):
            _say("Other machines can reach it, too: whoever can, may look and choose; there is no password.")
        if browser and not open_in_browser(server.url):
            _say("No browser could be opened here: open that address in one.")
        threading.Event().wait()
    except KeyboardInterrupt:
        _say("The viewer has ended.")
    finally:
        server.stop()


def _say(text: str) -> None:
    print(text, flush=True)
