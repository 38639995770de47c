"""What a state looks like: colours, curves and arrows in the file's space, and sentences."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.errors import HolonomyError
from manifoldconv.kernels import Kernel, require_admissible
from manifoldconv.plot.color import ACCENT, INK, ColorScale
from manifoldconv.view.catalogue import GRADIENT_LIKE, SCALARS, SIGNED, VECTORS, Entry, rule_for
from manifoldconv.view.disc import Disc, exponential_disc
from manifoldconv.view.model import State, Workbench

Array = NDArray[np.float64]
Color = tuple[float, float, float]

CLIP = 0.005  # share of the values that may lie beyond the colour scale
SMALL = 1e-9
RAYS = 72  # by which it is told whether a disc lies on the surface
FINER = " with fewer rays; a finer answer is being computed"
FLIPPED = -0.9
"""A kernel counts as flipped where its correlation with what it was is below this (-1: minus itself)."""


@dataclass(frozen=True)
class Verdict:
    """Whether the holonomy group admits the chosen kernel, and why."""

    admitted: bool
    text: str


@dataclass(frozen=True, eq=False)
class Painting:
    """Colours of the surface.

    Attributes:
        values: `(N,)` at the vertices of the mesh.
        scale: from values to colours.
        title: what is shown.
        text: the same with its range, and how long it took.
    """

    values: Tensor
    scale: ColorScale
    title: str
    text: str


@dataclass(frozen=True, eq=False)
class Marks:
    """What lies on the surface, in the file's space.

    Attributes:
        disc: the exponential disc at the end of the trail, with the carried kernel.
        disc_scale: its colours.
        curve: `(P, 3)` the trail.
        base: `(3,)` where it began.
        arrows: tail `(3,)`, head `(3,)` and colour: the vector as it left, as it is now, and where a step would go.
    """

    disc: Disc
    disc_scale: ColorScale
    curve: Array
    base: Array
    arrows: tuple[tuple[Array, Array, Color], ...]


HEADING: Color = (0.25, 0.45, 0.75)


def judged(workbench: Workbench, entry: Entry, edges: float) -> Verdict:
    """Ask the holonomy group, then the frames in which responses are computed, about a kernel at a radius."""
    name, group = entry.name, workbench.face_frames[0]
    if entry.blind:
        return Verdict(True, f"**Admitted.** {name}: {entry.summary}; no choice of frames changes that.")
    rule = rule_for(workbench.radius(edges), workbench.surface.mean_edge_length)
    sample = replace(entry.drawn, name=name)
    for asked in (group, workbench.frames.group):
        try:
            require_admissible(sample, asked, rule)
        except HolonomyError as error:
            return Verdict(False, f"**Refused.** {_reason(str(error), name, workbench, asked is group)}")
    if group.name == "trivial":
        why = "no loop turns anything here, so any kernel may be used"
    elif entry.drawn.rep_in is None:
        why = f"no element of the holonomy group {group.name} changes it"
    else:
        why = f"its values turn with the frame exactly as the holonomy group {group.name} asks"
    return Verdict(True, f"**Admitted.** {name}: {why}.")


def _reason(message: str, name: str, workbench: Workbench, by_holonomy: bool) -> str:
    """The first sentence of a refusal, and a way out that the page has."""
    first, found, _ = message.partition("the path that carried it.")
    sentence = (first + found) if found else message
    if not by_holonomy:
        sentence = (
            f"{name} is refused: some vertices have curvature of their own, no frame can be carried to them, and with "
            "each vertex's own frame a kernel must look the same in all directions."
        )
    out = "Take an isotropic kernel such as gaussian"
    richer = [GRADIENT_LIKE]
    if SIGNED in workbench.field_types and not workbench.group.holds_rotations:
        richer.insert(0, SIGNED)
    return f"{sentence} {out}, or fields that carry more: {' or '.join(richer)}."


def verdict(workbench: Workbench, state: State) -> Verdict:
    """On the chosen kernel."""
    return judged(workbench, workbench.entry(state.choices), state.choices.edges)


def painting(
    workbench: Workbench,
    state: State,
    judgement: Verdict,
    begun: float | None = None,
    draft: bool = False,
) -> Painting:
    """The signal, or the response where the kernel is admitted.

    Args:
        begun: when it was asked for (`time.perf_counter`), for the time that it took; None: now.
        draft: with fewer nodes, which is then said.
    """
    signal = workbench.signal(state)
    if state.choices.show == "signal" or not judgement.admitted:
        values = signal.values[:, 0]
        title = f"Signal {signal.label}" + ("" if judgement.admitted else " (there is no response)")
        return _painted(values, title)
    begun = time.perf_counter() if begun is None else begun
    response = workbench.response(state, draft)
    seconds = time.perf_counter() - begun
    values, what = _one_number(response, state.choices.fields)
    return _painted(
        values, f"{what} to {signal.label}", f", computed in {_duration(seconds)}{FINER if draft else ''}"
    )


def _one_number(response: Tensor, fields: str) -> tuple[Tensor, str]:
    """What of a response can be shown as a colour, in no need of a frame."""
    if fields == SCALARS:
        return response[:, 0], "Response"
    if fields == SIGNED:
        return response[
            :, 0
        ].abs(), "Size of the response (its sign changes with the orientation of the frame)"
    if fields == VECTORS:
        return response.norm(
            dim=1
        ), "Length of the response (a vector at each point; the input is the gradient)"
    return response.norm(dim=1), "Length of the response (a vector at each point)"


def _painted(values: Tensor, title: str, time_taken: str = "") -> Painting:
    scale = ColorScale.of(values.numpy(), clip=CLIP)
    low, high = float(values.min()), float(values.max())
    return Painting(values, scale, title, f"{title}: {low:.4g} to {high:.4g}{time_taken}")


def carried_kernel(workbench: Workbench, state: State) -> tuple[Kernel, Kernel]:
    """The kernel at the base of the trail and as it arrives at its end, in the frames there."""
    kernel = workbench.entry(state.choices).drawn
    at_base = kernel.transformed(state.trail.frame)
    return at_base, at_base.transformed(state.trail.transport)


def marks(workbench: Workbench, state: State) -> Marks:
    """Disc, trail and arrows."""
    surface, trail = workbench.surface, state.trail
    radius = workbench.radius(state.choices.edges)
    _, arrived = carried_kernel(workbench, state)
    unit = trail.frame[:, 0]
    now = trail.transport @ unit
    disc = exponential_disc(surface, trail.end, radius, arrived, now)
    base = surface.embed(trail.base).numpy()
    end = surface.embed(trail.end).numpy()
    arrows = [(base, base + radius * surface.to_ambient(trail.base, unit).numpy(), INK)]
    if trail.length > 0:
        arrows.append((end, end + radius * surface.to_ambient(trail.end, now).numpy(), ACCENT))
    if trail.loop is None:
        ahead = 0.55 * radius * surface.to_ambient(trail.end, trail.heading).numpy()
        arrows.append((end, end + ahead, HEADING))
    return Marks(disc, ColorScale.of(disc.values), trail.curve, base, tuple(arrows))


# -- sentences -------------------------------------------------------------------------------------------------------


def surface_text(workbench: Workbench) -> str:
    """What the surface is."""
    mesh, group = workbench.surface.connectivity, workbench.group
    loops = mesh.n_boundary_loops
    sides = "two-sided" if mesh.orientable else "one-sided"
    rim = (
        "no boundary"
        if loops == 0
        else f"{loops} boundary curve{'s' * (loops > 1)}; outside, signals count as 0"
    )
    return (
        f"**{workbench.name}**: {mesh.n_vertices} vertices, {len(mesh.faces)} faces, {sides}, {rim}. "
        f"Holonomy group **{group.name}**."
    )


def point_text(workbench: Workbench, state: State) -> str:
    """Where the trail is, and how much of the disc there lies on the surface."""
    surface, end = workbench.surface, state.trail.end
    radius, edges = workbench.radius(state.choices.edges), state.choices.edges
    text = f"**Point** in face {int(end.face)}; disc of radius {radius:.4g} ({edges:g} mean edges)."
    angle = torch.arange(RAYS, dtype=torch.float64) * (2 * math.pi / RAYS)
    rays = radius * torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
    inside = int(surface.geodesic(end, rays).complete.sum())
    if inside == RAYS:
        return text
    return f"{text} {inside} of {RAYS} rays stay on the surface; the others meet its boundary."


def trail_text(workbench: Workbench, state: State) -> str:
    """What has been drawn and what it does."""
    trail = state.trail
    if trail.loop is not None:
        return _loop_text(workbench, state)
    if trail.length == 0:
        return (
            "**Path**: none yet. Drag on the surface, or step with the keys, and the kernel is carried along."
        )
    pieces = len(trail.points) - 1
    return (
        f"**Path** of length {trail.length:.4g} in {pieces} straight piece{'s' * (pieces > 1)}: "
        "the kernel and the orange vector were carried along it by parallel transport. Close it to compare."
    )


def _loop_text(workbench: Workbench, state: State) -> str:
    loop = state.trail.loop
    if loop is None:
        raise TypeError("the trail is not closed")
    text = f"**Loop** of length {state.trail.length:.4g}. "
    if loop.reflects:
        text += (
            "The vector comes back **reflected**: along this loop left becomes right. "
            "It bounds no region that has two sides, so it encloses no curvature. "
        )
    else:
        angle = math.degrees(loop.angle)
        text += f"The vector comes back **turned by {_degrees(angle)}**. " + _enclosed(
            workbench, loop.enclosed_curvature, angle
        )
    return text + _kernel_after(workbench, state)


def _enclosed(workbench: Workbench, curvature: float | None, angle: float) -> str:
    """The curvature of the region on the left, or of that on the right where the loop winds about a smaller one."""
    if curvature is None:
        return "It bounds no region on one side, so it encloses no curvature. "
    mesh = workbench.surface.connectivity
    left, right = math.degrees(curvature), None
    if mesh.n_boundary_loops == 0 and mesh.n_components == 1:
        right = 360 * mesh.euler_characteristic - left  # Gauss and Bonnet: both sides have all of it
    enclosed, side, sign = left, "on its left", 1
    if right is not None and abs(right) < abs(left):
        enclosed, side, sign = right, "on its right, so it turns the other way", -1
    turns = abs(round((sign * enclosed - angle) / 360))
    same = "the same" if turns == 0 else f"the same but for {turns} full turn{'s' * (turns > 1)}"
    return f"Curvature enclosed: **{_degrees(enclosed)}** {side}: {same}. "


def _kernel_after(workbench: Workbench, state: State) -> str:
    """How the kernel came back."""
    before, after = carried_kernel(workbench, state)
    name = state.choices.kernel
    nodes = workbench.rule(state.choices).nodes
    here, there = before(nodes), after(nodes)
    size = float(here.abs().max())
    change = float((there - here).abs().max()) / size if size else 0.0
    if change <= SMALL:
        return f"The kernel {name} comes back as it was."
    likeness = float((here * there).sum() / (here * here).sum()) if size else 1.0
    how = "flipped" if likeness < FLIPPED else "changed"
    text = f"The kernel {name} comes back **{how}**, by {change:.0%} of its largest value"
    if verdict(workbench, state).admitted:
        return text + "; what is made of it does not depend on that."
    return text + ": what it is here would depend on the path that carried it. **That is why it is refused.**"


def _degrees(angle: float) -> str:
    return f"{0.0 if abs(angle) < 5e-7 else angle:.4g}°"


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
