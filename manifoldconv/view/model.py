"""What a viewer knows and does, without a page: picks, paths, loops and choices in, what is to be shown out.

`Workbench` holds one surface and everything that is computed for it once. `State` is what one person has chosen and
drawn; the functions here take a state to the next one. `manifoldconv.view.shown` says what a state looks like.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from manifoldconv.carried import carried_frames
from manifoldconv.errors import GeometryError
from manifoldconv.groups import StructureGroup
from manifoldconv.quadrature import TangentRule
from manifoldconv.signals import Signal, properties, read_signal
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.steps import face_gradient, to_vertices
from manifoldconv.surface.surface import MeshSurface
from manifoldconv.view import trail as trails
from manifoldconv.view.catalogue import SCALARS, VECTORS, Entry, entries, field_types, names, rule_for
from manifoldconv.view.picking import first_hit
from manifoldconv.view.responses import Basis, Frames, respond_with_vectors, sweep, vector_factors
from manifoldconv.view.trail import Trail

RADII = (2.0, 3.0, 4.0, 6.0, 8.0)  # in mean edges
IMPULSE = "impulse where you picked"
NAMED = ("z", "y", "x", "noise:1", "mean-curvature", "gaussian-curvature")
SLOW = 6e7  # readings of scalars that take more than a second or so on two cores
VECTOR = 4  # readings of scalars that take as long as one of a vector
DRAFT = 2.0  # how much farther apart its nodes are
KEPT_BYTES = 3e8  # of responses that are kept for when they are asked for again

Watch = Callable[[float], None]
# Of what is swept: radius, whether it reads vectors, signal, whether a draft.
Key = tuple[float, bool, str, bool]

LABELS = {
    "signal": "signal",
    "fields": "field types",
    "edges": "radius in mean edges",
    "show": "colouring by",
}


class Interrupted(Exception):
    """The computation of a response was called off."""


@dataclass(frozen=True)
class Choices:
    """What is to be computed; every value is one of those that the workbench offers."""

    signal: str = "z"
    fields: str = SCALARS
    kernel: str = "smooth"
    edges: float = 4.0
    show: str = "response"


@dataclass(frozen=True, eq=False)
class State:
    """What one person has chosen and drawn.

    Attributes:
        choices: of signal, field types, kernel, radius, and whether the signal or the response is shown.
        trail: the path from the picked point; one point at first.
        complaint: why the last action was not carried out; empty if it was.
    """

    choices: Choices
    trail: Trail
    complaint: str = ""


@dataclass(eq=False)
class Workbench:
    """One surface with what is computed for it once: frames, loops, the last responses.

    Everything that computes holds `lock`: the compiled routines use all cores, and so one call at a time is fastest.
    What takes long (`prepare`) lets what is quick pass (`urgent`).

    Attributes:
        surface, name: the mesh, and what to call it.
        extra_signals: specifications of signals (`read_signal`) besides the named ones, offered first.
    """

    surface: MeshSurface
    name: str = "the mesh"
    extra_signals: tuple[str, ...] = ()
    lock: Any = field(default_factory=threading.RLock, repr=False)
    _swept: OrderedDict[Key, Tensor] = field(default_factory=OrderedDict, repr=False)
    _tight: dict[int, Trail] = field(default_factory=dict, repr=False)
    _flights: dict[Any, Any] = field(default_factory=dict, repr=False)
    _waiting: list[object] = field(default_factory=list, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)

    @cached_property
    def group(self) -> StructureGroup:
        """The holonomy group of the surface."""
        return self.surface.holonomy_group()

    @cached_property
    def sites(self) -> Any:
        """Signals live at the vertices."""
        return self.surface.sites("vertices")

    @cached_property
    def frames(self) -> Frames:
        """In which kernels are written at the vertices."""
        return Frames.of(self.surface, self.sites)

    @cached_property
    def face_frames(self) -> tuple[StructureGroup, Tensor | None]:
        """The holonomy group as kernels meet it, and the frames `(F, 2, 2)` carried to the faces; None for their own.

        With carried frames the group is written in these, the first axis along the line of a mirror where there is one.
        """
        group, frames = carried_frames(self.surface, self.surface.sites("faces"), "zero", None, "parallel")
        return (self.group if group is None else group), frames

    @cached_property
    def loops(self) -> list[Trail]:
        """The loops of the topology, as they come."""
        return trails.loops_of_the_topology(self.surface)

    def loop(self, number: int) -> Trail:
        """One of them, pulled tight when it is first asked for."""
        if number not in self._tight:
            self._tight[number] = trails.tightened(self.surface, self.loops[number])
        return self._tight[number]

    @cached_property
    def signals(self) -> tuple[str, ...]:
        """What can be correlated, by name; properties of the file with one channel among them."""
        held = [name for name, channels in properties(self.surface)["vertices"].items() if channels == 1]
        return tuple(
            dict.fromkeys((*self.extra_signals, *NAMED, *(f"property:{name}" for name in held), IMPULSE))
        )

    @property
    def field_types(self) -> tuple[str, ...]:
        """Those that this surface tells apart."""
        return field_types(self.group)

    def radius(self, edges: float) -> float:
        """In units of the mesh."""
        return edges * self.surface.mean_edge_length

    def frame(self, point: SurfacePoint) -> Tensor:
        """`(2, 2)`: the frame that kernels refer to at a point inside a face, in the face's coordinates."""
        frames = self.face_frames[1]
        return torch.eye(2, dtype=torch.float64) if frames is None else frames[int(point.face)]

    # -- signals and responses --------------------------------------------------------------------------------------

    def ready(self, state: State, draft: bool = False) -> bool:
        """Whether the response can be given at once."""
        return self._key(state, draft) in self._swept

    def slow(self, state: State) -> bool:
        """Whether a person would wait for the response, so that a draft should come first."""
        readings = len(self.rule(state.choices)) * len(self.sites)
        return not self.ready(state) and readings * (VECTOR if state.choices.fields == VECTORS else 1) > SLOW

    def prepare(self, state: State, watch: Watch = lambda done: None, draft: bool = False) -> Tensor:
        """Read the signal along all rays, as far as the response asks for; at once where that is done.

        Not to be called by who holds the lock: others have it in between.

        Args:
            watch: called with the share that is done, while others have the lock; may raise `Interrupted`.
            draft: with nodes half as dense.

        Returns:
            `(N, B)`, or for kernels between vectors `(N, 2)`.

        Raises:
            Interrupted: after `stop`.
        """
        key = self._key(state, draft)
        # Whoever else wants the same waits for it; the lock for everything is given away in between.
        with self._flights.setdefault(key, threading.Lock()), self.lock:
            if key not in self._swept:
                self._swept[key] = self._sweep(state, self._taking_turns(watch), draft)
            swept = self._swept[key]
            self._swept.move_to_end(key)
            while len(self._swept) > 1 and self._bytes() > KEPT_BYTES:
                self._swept.popitem(last=False)
            return swept

    def _sweep(self, state: State, watch: Watch, draft: bool) -> Tensor:
        choices, signal = state.choices, self.signal(state)
        if choices.fields == VECTORS:
            rule = self.rule(choices, draft)
            factors, values = vector_factors(rule), self.vectors(signal)
        else:
            basis = self._basis(choices, draft)
            rule, factors, values = basis.rule, basis.factors(), signal.values
        return sweep(self.surface, self.frames, rule, factors, values, watch)

    @contextlib.contextmanager
    def urgent(self) -> Iterator[None]:
        """Hold the lock before anything that takes long gets it again."""
        ticket = object()
        self._waiting.append(ticket)
        try:
            with self.lock:
                yield
        finally:
            self._waiting.remove(ticket)

    def stop(self) -> None:
        """Call off what is being computed."""
        self._stopping.set()

    def _taking_turns(self, watch: Watch) -> Watch:
        def between(done: float) -> None:
            if self._stopping.is_set():
                raise Interrupted
            self.lock.release()
            try:
                watch(done)
                while self._waiting and not self._stopping.is_set():
                    self._stopping.wait(0.002)  # long enough for whoever waits for the lock to get it
            finally:
                self.lock.acquire()

        return between

    def _bytes(self) -> int:
        return sum(kept.numel() * kept.element_size() for kept in self._swept.values())

    def _spec(self, state: State) -> str:
        """The chosen signal as `read_signal` takes it."""
        spec = state.choices.signal
        return f"delta:{nearest_corner(self.surface, state.trail.base)}" if spec == IMPULSE else spec

    def _key(self, state: State, draft: bool) -> Key:
        """All kernels that read scalars share what is swept."""
        choices = state.choices
        return choices.edges, choices.fields == VECTORS, self._spec(state), draft

    def rule(self, choices: Choices, draft: bool = False) -> TangentRule:
        """The nodes of the chosen kernel."""
        return rule_for(self.radius(choices.edges), self._spacing(draft), choices.fields)

    def _basis(self, choices: Choices, draft: bool) -> Basis:
        return Basis.of(self.radius(choices.edges), self._spacing(draft))

    def _spacing(self, draft: bool) -> float:
        """How far apart nodes may be."""
        return (DRAFT if draft else 1.0) * self.surface.mean_edge_length

    def entry(self, choices: Choices, draft: bool = False) -> Entry:
        """The chosen kernel."""
        radius, rule = self.radius(choices.edges), self.rule(choices, draft)
        return entries(choices.fields, radius, rule)[choices.kernel]

    def signal(self, state: State) -> Signal:
        """The chosen signal: one channel at the vertices."""
        with self.lock:
            return self._read(self._spec(state))

    def response(self, state: State, draft: bool = False) -> Tensor:
        """`(N, C)`: the signal correlated with the kernel, in the frames of `frames`; prepared where needed.

        Nothing is asked about admissibility here. Not to be called by who holds the lock, as `prepare`.
        """
        choices = state.choices
        swept = self.prepare(state, draft=draft)
        with self.urgent():
            signal, entry = self.signal(state), self.entry(choices, draft)
            if choices.fields == VECTORS:
                values = respond_with_vectors(entry, swept)
            else:
                values = self._basis(choices, draft).respond(entry, signal.values, swept)
            return torch.where((self.sites.area > 0)[:, None], values, 0.0)

    def vectors(self, signal: Signal) -> Tensor:
        """The gradient of a signal at the vertices `(N, 2)`, in the frames that kernels are written in."""
        tables = self.surface.tables
        local = torch.from_numpy(to_vertices(tables, face_gradient(tables, signal.values[:, 0].numpy())))
        return self.frames.from_local(local)

    def _read(self, spec: str) -> Signal:
        known: dict[str, Signal] = self.__dict__.setdefault("_signals", {})
        if spec not in known:
            if spec.startswith("delta:"):  # one for every pick: only the last is worth keeping
                for old in [key for key in known if key.startswith("delta:")]:
                    del known[old]
            signal = read_signal(self.surface, spec, None)
            if signal.sites != "vertices" or signal.channels != 1:
                raise GeometryError(
                    f"the viewer shows signals of one channel at the vertices; {spec} has {signal.channels} on the "
                    f"{signal.sites}; name one column, as in FILE.csv:COLUMN"
                )
            known[spec] = signal
        return known[spec]


# -- from state to state ---------------------------------------------------------------------------------------


def start(
    workbench: Workbench, choices: Choices | None = None, towards: ArrayLike = (0.6, -1.0, 0.5)
) -> State:
    """The first state: a point on the side of the surface that faces `towards` is picked."""
    surface = workbench.surface
    corners = surface.embedding.vertices[surface.faces.numpy()]
    centroid = corners.mean(axis=1)
    view = np.asarray(towards, dtype=np.float64) / np.linalg.norm(towards)
    # In front first, but near the middle of the picture.
    relative = centroid - centroid.mean(axis=0)
    aside = np.linalg.norm(relative - (relative @ view)[:, None] * view, axis=1)
    face = int(np.argmax(relative @ view - 0.8 * aside))
    point = SurfacePoint(torch.tensor(face), torch.full((3,), 1 / 3, dtype=torch.float64))
    chosen = choices or Choices(signal=workbench.signals[0])
    return State(chosen, trails.begin(surface, point, workbench.frame(point)))


def choose(workbench: Workbench, state: State, **changes: Any) -> State:
    """With other choices; a kernel that does not exist between the field types gives way to their first.

    Raises:
        GeometryError: for a value that is not on offer.
    """
    choices = replace(state.choices, **changes)
    offered = {
        "signal": workbench.signals,
        "fields": workbench.field_types,
        "edges": RADII,
        "show": ("response", "signal"),
    }
    for name, values in offered.items():
        if getattr(choices, name) not in values:
            raise GeometryError(
                f"there is no {LABELS[name]} {getattr(choices, name)!r}; there are {', '.join(map(str, values))}"
            )
    on_offer = names(choices.fields)
    if choices.kernel not in on_offer:
        if "kernel" in changes:
            raise GeometryError(
                f"there is no kernel {choices.kernel!r} between {choices.fields}; there are {', '.join(on_offer)}"
            )
        choices = replace(choices, kernel=on_offer[0])
    return replace(state, choices=choices, complaint="")


def pick(workbench: Workbench, state: State, point: SurfacePoint) -> State:
    """A new base point, and a trail that begins there."""
    return replace(state, trail=trails.begin(workbench.surface, point, workbench.frame(point)), complaint="")


def sight(workbench: Workbench, origin: ArrayLike, direction: ArrayLike) -> SurfacePoint | None:
    """The point of the surface that a line of sight meets first, in the file's space."""
    surface = workbench.surface
    return first_hit(surface.embedding.vertices, surface.faces.numpy(), origin, direction)


def drag_to(workbench: Workbench, state: State, point: SurfacePoint) -> State:
    """The trail goes on to a point; after a closed loop a new one begins there."""
    if state.trail.loop is not None:
        return pick(workbench, state, point)
    return _attempt(state, lambda: trails.extended(workbench.surface, state.trail, point))


def step(workbench: Workbench, state: State, share: float = 0.5) -> State:
    """The trail goes straight on by a share of the radius."""
    distance = share * workbench.radius(state.choices.edges)
    return _attempt(state, lambda: trails.stepped(workbench.surface, state.trail, distance))


def turn(workbench: Workbench, state: State, degrees: float) -> State:
    """The heading turns, counterclockwise; before anything is drawn the kernel turns with it.

    Where the holonomy group lacks rotations the kernel refers to the carried frame, and stays.
    """
    both = state.trail.length == 0 and workbench.group.holds_rotations
    turning = trails.turned_with_frame if both else trails.turned
    return replace(state, trail=turning(state.trail, math.radians(degrees)), complaint="")


def close(workbench: Workbench, state: State) -> State:
    """The trail goes straight back to its base and becomes a loop."""
    return _attempt(state, lambda: trails.closed(workbench.surface, state.trail))


def circle(workbench: Workbench, state: State) -> State:
    """The loop round the disc where the trail is."""
    radius = workbench.radius(state.choices.edges)
    return _attempt(state, lambda: trails.round_the_disc(workbench.surface, state.trail, radius))


def topological_loop(workbench: Workbench, state: State, number: int) -> State:
    """One of the loops of the topology, from its own base."""
    if not 0 <= number < len(workbench.loops):
        count = len(workbench.loops)
        return replace(
            state, complaint=f"this surface has {count or 'no'} such loops: every loop bounds a region"
        )
    loop = workbench.loop(number)
    if not workbench.group.holds_rotations:
        loop = replace(loop, frame=workbench.frame(loop.base))
    return replace(state, trail=loop, complaint="")


def restart(workbench: Workbench, state: State) -> State:
    """Back to the base, with nothing drawn."""
    return pick(workbench, state, state.trail.base)


def complaining(state: State, reason: str) -> State:
    """As it was, with the reason why an action was not carried out."""
    return replace(state, complaint=reason)


def _attempt(state: State, action: Any) -> State:
    try:
        return replace(state, trail=action(), complaint="")
    except GeometryError as error:
        return complaining(state, str(error))


def nearest_corner(surface: MeshSurface, point: SurfacePoint) -> int:
    """The vertex nearest to a point, of its face."""
    if int(point.vertex) >= 0:
        return int(point.vertex)
    return int(surface.faces[int(point.face), int(point.barycentric.argmax())])
