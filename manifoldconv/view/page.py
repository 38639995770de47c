"""The page: viser's controls and scene for one browser, and nothing that is not handed on to the model."""

from __future__ import annotations

import html
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from manifoldconv.errors import GeometryError
from manifoldconv.plot.color import INK, ColorScale
from manifoldconv.view import model, shown
from manifoldconv.view.catalogue import names
from manifoldconv.view.display import SIZE, Display, glb, png
from manifoldconv.view.model import RADII, State, Workbench
from manifoldconv.view.picking import line_of_sight

LOOK, CARRY, LOOP = "turn the view", "carry the kernel", "draw a loop"
TURN = 15.0  # degrees a key
LIFT = 0.005  # of the scene: how far what is drawn floats over the surface
THICK = 0.012
TITLE = "manifoldconv"
PATIENCE = 0.3  # seconds between two words on how far a response is
TOWARDS = (0.6, -1.0, 0.5)  # from the middle of the scene to the camera; z upward
DISTANCE, FIELD_OF_VIEW = 1.7, 0.8  # of the camera: in sizes of the scene, in radians

# Rows of buttons: the row's name, and for each button its words, its key, and what it does.
ROWS = (
    ("Walk", (("Forward", "N", "step"), ("Left", "J", "left"), ("Right", "L", "right"))),
    ("Loop", (("Close", "C", "close"), ("Round disc", "O", "circle"), ("Topology", "G", "topological"))),
    ("Also", (("Restart", "R", "restart"), ("Next kernel", "K", "kernel"), ("Picture", "P", "screenshot"))),
)


class Page:
    """One browser's page: what its person has chosen, and what it shows.

    Args:
        client: viser's handle of the browser.
        workbench, display: shared by all browsers.
        state: what is shown first.
        dark: the colours of the page.
    """

    def __init__(self, client: Any, workbench: Workbench, display: Display, state: State, dark: bool) -> None:
        self.client, self.workbench, self.display = client, workbench, display
        self.state = state
        self.tool = LOOK
        self._acting = threading.Lock()  # one action at a time; drags drop what comes meanwhile
        self._painting = threading.Lock()
        self._dragging = False
        self._painted: Any = None
        self._loop_number = -1
        self._surface: Any = None
        self._gone = False
        self._actions: dict[str, Callable[[], State]] = {
            "step": lambda: model.step(workbench, self.state),
            "left": lambda: model.turn(workbench, self.state, TURN),
            "right": lambda: model.turn(workbench, self.state, -TURN),
            "close": lambda: model.close(workbench, self.state),
            "circle": lambda: model.circle(workbench, self.state),
            "restart": lambda: model.restart(workbench, self.state),
            "topological": self._next_loop,
            "kernel": self._next_kernel,
        }
        client.gui.configure_theme(dark_mode=dark, show_logo=False, show_share_button=False)
        self._aim()
        self._controls(dark)
        client.scene.on_click()(self._clicked)
        self._words()
        self._marks()
        self._paint()

    def leave(self) -> None:
        """The browser has gone: nothing more is sent to it."""
        self._gone = True

    def _aim(self) -> None:
        """The camera where `framing` has it."""
        camera = self.client.camera
        place, middle = framing(camera.aspect)
        camera.fov = FIELD_OF_VIEW
        # In this order: a camera that is moved takes the place that it looks at along.
        camera.position = tuple(place)
        camera.look_at = tuple(middle)

    # -- controls ----------------------------------------------------------------------------------------------------

    def _controls(self, dark: bool) -> None:
        gui, choices = self.client.gui, self.state.choices
        gui.set_panel_label(TITLE)
        self.about = gui.add_markdown(shown.surface_text(self.workbench) + self._note())
        with gui.add_folder("Signal and kernel"):
            signals = self.workbench.signals
            self.signal = gui.add_dropdown("Signal", signals, initial_value=choices.signal)
            self.fields = gui.add_dropdown(
                "Field types", self.workbench.field_types, initial_value=choices.fields
            )
            self.kernel = gui.add_dropdown("Kernel", names(choices.fields), initial_value=choices.kernel)
            self.radius = gui.add_dropdown(
                "Radius", [_edges(e) for e in RADII], initial_value=_edges(choices.edges)
            )
            self.show = gui.add_dropdown("Colours", ("response", "signal"), initial_value=choices.show)
            self.verdict = gui.add_markdown("")
            self.painting = gui.add_markdown("")
            self.bar = gui.add_html("")
        with gui.add_folder("Point, path, loop"):
            self.drag = gui.add_dropdown("A drag on it", (LOOK, CARRY, LOOP), initial_value=self.tool)
            self.point = gui.add_markdown("")
            self.trail = gui.add_markdown("")
            self.complaint = gui.add_markdown("")
            for label, buttons in ROWS:
                self._row(label, buttons)
            keys = ", ".join(f"**{key}** {words.lower()}" for _, row in ROWS for words, key, _ in row)
            gui.add_markdown(
                f"Click to pick a point; drag beside the surface to turn the view. "
                f"Keys, while no list has the focus: {keys}."
            )
            self.dark = gui.add_checkbox("Dark", dark)
        self._listen()

    def _note(self) -> str:
        return f"\n\n{self.display.note}" if self.display.note else ""

    def _row(self, label: str, buttons: Sequence[tuple[str, str, str]]) -> None:
        """Buttons side by side, and a key for each."""
        gui = self.client.gui
        row = gui.add_button_group(label, [words for words, _, _ in buttons])
        by_words = {words: action for words, _, action in buttons}
        row.on_click(lambda _: self._run(by_words[row.value]))
        for words, key, action in buttons:
            command = gui.add_command(f"{label}: {words.lower()}", hotkey=key)
            command.on_trigger(lambda _, action=action: self._run(action))

    def _run(self, action: str) -> None:
        if action == "screenshot":
            self._screenshot()
        else:
            self._act(self._actions[action])

    def _listen(self) -> None:
        """What the dropdowns change; viser also tells of changes that the program makes, which are no news."""

        def choice(handle: Any, name: str, read: Callable[[str], Any] = str) -> None:
            def changed(_: Any) -> None:
                value = read(handle.value)
                if getattr(self.state.choices, name) != value:
                    self._act(lambda: model.choose(self.workbench, self.state, **{name: value}))

            handle.on_update(changed)

        choice(self.signal, "signal")
        choice(self.fields, "fields")
        choice(self.kernel, "kernel")
        choice(self.show, "show")
        choice(self.radius, "edges", lambda text: float(text.split()[0]))

        @self.drag.on_update
        def _(_: Any) -> None:
            self.tool = self.drag.value
            self._bind()

        @self.dark.on_update
        def _(_: Any) -> None:
            self.client.gui.configure_theme(
                dark_mode=self.dark.value, show_logo=False, show_share_button=False
            )

    # -- actions -----------------------------------------------------------------------------------------------------

    def _act(self, action: Callable[[], State]) -> None:
        """One action, and what it changes on the page."""
        with self._acting:
            before = self.state
            with self.workbench.urgent():
                try:
                    self.state = action()
                except GeometryError as error:
                    self.state = model.complaining(before, str(error))
            if self.state.choices.fields != before.choices.fields:
                self.kernel.options = names(self.state.choices.fields)
            if self.kernel.value != self.state.choices.kernel:
                self.kernel.value = self.state.choices.kernel
            self._words()
            self._marks()
        self._paint()

    def _next_loop(self) -> State:
        count = len(self.workbench.loops)
        self._loop_number = (self._loop_number + 1) % max(1, count)
        return model.topological_loop(self.workbench, self.state, self._loop_number)

    def _next_kernel(self) -> State:
        offered = names(self.state.choices.fields)
        after = offered[(offered.index(self.state.choices.kernel) + 1) % len(offered)]
        return model.choose(self.workbench, self.state, kernel=after)

    def _bind(self) -> None:
        """Drags on the surface, where they do not turn the view."""
        if self._surface is None:
            return
        self._surface.remove_drag_callback("all")
        if self.tool != LOOK:
            self._surface.on_drag("left")(self._dragged)

    def _clicked(self, event: Any) -> None:
        display = self.display
        origin = display.to_file(event.ray_origin)
        point = model.sight(self.workbench, origin, display.direction_to_file(event.ray_direction))
        if point is not None:
            self._act(lambda: model.pick(self.workbench, self.state, point))

    def _dragged(self, event: Any) -> None:
        if event.phase == "update":
            if self._dragging and self._acting.acquire(blocking=False):
                try:
                    self._go_to(event.end_screen_pos)
                finally:
                    self._acting.release()
            return
        with self._acting:
            if event.phase == "start":
                point = self._seen(event.start_screen_pos)
                if point is not None:
                    with self.workbench.urgent():
                        self.state = model.pick(self.workbench, self.state, point)
                    self._dragging = True
                self._go_to(event.end_screen_pos)
            elif self._dragging:
                self._go_to(event.end_screen_pos)
                self._dragging = False
                if self.tool == LOOP:
                    with self.workbench.urgent():
                        self.state = model.close(self.workbench, self.state)
                    self._words()
                    self._marks()
        if event.phase == "end":
            self._paint()

    def _seen(self, screen: tuple[float, float]) -> Any:
        camera = self.client.camera
        direction = line_of_sight(screen, _rotation(camera.wxyz), camera.fov, camera.aspect)
        origin = self.display.to_file(camera.position)
        return model.sight(self.workbench, origin, self.display.direction_to_file(direction))

    def _go_to(self, screen: tuple[float, float]) -> None:
        point = self._seen(screen)
        if point is None or not self._dragging:
            return
        with self.workbench.urgent():
            self.state = model.drag_to(self.workbench, self.state, point)
        self._words()
        self._marks()

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _words(self) -> None:
        with self.workbench.urgent():
            point, trail = (
                shown.point_text(self.workbench, self.state),
                shown.trail_text(self.workbench, self.state),
            )
        self.point.content, self.trail.content = point, trail
        complaint = self.state.complaint
        self.complaint.content = f"**Not done**: {complaint}." if complaint else ""

    def _marks(self) -> None:
        """Disc, trail and arrows, over both sides of the surface."""
        with self.workbench.urgent():
            marks = shown.marks(self.workbench, self.state)
        scene, display = self.client.scene, self.display
        vertices, faces = display.to_scene(marks.disc.vertices), marks.disc.faces
        normals = display.direction_to_scene(marks.disc.normals())
        colours = marks.disc_scale.colors(marks.disc.values)
        with self.client.atomic():
            for side, name in ((1.0, "/disc/front"), (-1.0, "/disc/back")):
                if len(faces):
                    patch = glb(vertices + side * LIFT * normals, faces, side * normals, colours)
                    scene.add_glb(name, patch, cast_shadow=False, receive_shadow=False)
                else:
                    scene.remove_by_name(name)
            self._segments("/disc/rim", display.to_scene(marks.disc.rim), INK, THICK / 2)
            curve = display.to_scene(marks.curve)
            self._segments("/trail", np.stack([curve[:-1], curve[1:]], axis=1), INK, THICK)
            arrows = [(np.stack([tail, head]), colour) for tail, head, colour in marks.arrows]
            arrows += [(pair, INK) for pair in marks.disc.arrows]
            points = display.to_scene(np.stack([pair for pair, _ in arrows]))
            scene.add_arrows(
                "/arrows",
                points,
                np.array([np.round(255 * np.array(colour)) for _, colour in arrows], dtype=np.uint8),
                shaft_radius=THICK,
                head_radius=2.4 * THICK,
                head_length=5 * THICK,
            )
            scene.add_icosphere(
                "/base", radius=2.2 * THICK, color=_bytes(INK), position=display.to_scene(marks.base)
            )

    def _segments(self, name: str, points: np.ndarray, colour: Any, thickness: float) -> None:
        if len(points):
            self.client.scene.add_line_segments(name, points, _bytes(colour), thickness=thickness)
        else:
            self.client.scene.remove_by_name(name)

    def _paint(self) -> None:
        """Colour the surface; while a response is computed, say how far that is. Only the last choice counts."""
        with self._painting:
            state = self.state
            wanted = self._wanted(state)
            if self._gone or wanted == self._painted:
                return
            begun = time.perf_counter()
            verdict = shown.verdict(self.workbench, state)
            self.verdict.content = verdict.text
            computes = verdict.admitted and state.choices.show == "response"
            if computes and self.workbench.slow(state):
                if not self._prepared(state, draft=True):
                    return
                self._show(shown.painting(self.workbench, state, verdict, begun, draft=True))
            if computes and not self._prepared(state):
                return
            self._show(shown.painting(self.workbench, state, verdict, begun))
            self._painted = wanted

    def _show(self, painting: shown.Painting) -> None:
        """New colours, and what they mean."""
        with self.workbench.urgent():
            coloured = self.display.glb(painting.values, painting.scale)
        self.painting.content = painting.text
        self.bar.content = colour_bar(painting.scale)
        self._surface = self.client.scene.add_glb("/surface", coloured)
        self._bind()

    def _wanted(self, state: State) -> Any:
        """What decides the colours: the choices, and where one picked if an impulse sits there."""
        at = model.nearest_corner(self.workbench.surface, state.trail.base)
        return state.choices, at if state.choices.signal == model.IMPULSE else None

    def _prepared(self, state: State, draft: bool = False) -> bool:
        """Compute what the response needs; False where that failed, which is then said, or is no longer wanted."""
        before = "" if draft or not self.workbench.ready(state, draft=True) else self.painting.content
        told = time.perf_counter()

        def watch(done: float) -> None:
            nonlocal told
            if self._gone or self._wanted(self.state) != self._wanted(state):
                raise model.Interrupted  # whoever chose anew is waiting to paint
            if time.perf_counter() - told > PATIENCE:
                told = time.perf_counter()
                self.painting.content = (
                    f"{before}: {done:.0%} done."
                    if before
                    else f"Computing, {done:.0%} done; the colours are still those of before."
                )

        try:
            self.workbench.prepare(state, watch, draft)
        except model.Interrupted:
            return False
        except (GeometryError, MemoryError) as error:
            self.painting.content = f"**Not done**: {error or 'not enough memory'}."
            return False
        return True

    def _screenshot(self) -> None:
        """The scene as the browser shows it, as a file that the browser saves."""
        camera = self.client.camera
        try:
            picture = self.client.get_render(
                camera.image_height, camera.image_width, transport_format="png", timeout=20.0
            )
        except (RuntimeError, TimeoutError) as error:
            self.complaint.content = f"**Not done**: the browser gave no picture ({error})."
            return
        self.client.send_file_download("manifoldconv.png", png(picture), save_immediately=True)
        self.complaint.content = "Saved as manifoldconv.png where your browser keeps downloads."


def framing(aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera is and looks: the surface beside the controls, on a screen narrower than high above them.

    Args:
        aspect: width of the screen divided by its height.
    """
    towards = np.array(TOWARDS) / np.linalg.norm(TOWARDS)
    if aspect < 0.8:  # from so far off that the width is enough
        distance = DISTANCE * SIZE * 0.95 / aspect
        half_height = distance * math.tan(FIELD_OF_VIEW / 2)
        middle = np.array([0.0, 0.0, -min(0.5 * half_height, 0.95 * half_height - 0.6 * SIZE)])
    else:
        right = np.array([-towards[1], towards[0], 0.0]) / np.hypot(towards[0], towards[1])
        middle, distance = 0.35 * right, DISTANCE * SIZE
    return middle + distance * towards, middle


def colour_bar(scale: ColorScale) -> str:
    """The colours with the values at their ends, as HTML that reads in light and dark."""
    stops = scale.colors(np.linspace(scale.low, scale.high, 12))
    colours = ", ".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in 255 * stops)
    low, high = (html.escape(f"{value:.3g}") for value in (scale.low, scale.high))
    ends = ("≤ " if scale.clipped else "", "≥ " if scale.clipped else "")
    return (
        f'<div role="img" aria-label="colours from {low} to {high}" style="padding:0 0.6em 0.6em">'
        f'<div style="height:0.7em;border-radius:2px;background:linear-gradient(to right, {colours})"></div>'
        f'<div style="display:flex;justify-content:space-between;font-size:0.8em">'
        f"<span>{ends[0]}{low}</span><span>{ends[1]}{high}</span></div></div>"
    )


def _edges(edges: float) -> str:
    return f"{edges:g} mean edges"


def _bytes(colour: Any) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue


def _rotation(wxyz: Any) -> np.ndarray:
    """The matrix of a unit quaternion."""
    w, x, y, z = (float(part) for part in wxyz)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
