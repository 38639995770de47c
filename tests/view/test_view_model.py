"""The viewer's model: states, responses and sentences, without a page."""

from __future__ import annotations

import math
import re
import threading
from typing import Any

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.correlate import correlate
from manifoldconv.presets import KERNELS, PRESETS, Settings, find
from manifoldconv.pullback import Pullback
from manifoldconv.respond import respond
from manifoldconv.view import model, responses, shown
from manifoldconv.view.catalogue import GRADIENT_LIKE, SCALARS, SIGNED, VECTORS, names
from manifoldconv.view.model import IMPULSE, Interrupted, State, Workbench

EXACT = 1e-12  # the same sums in another order; a kernel is put together from an orthonormal basis


def admitted(bench: Workbench) -> set[tuple[str, str]]:
    """All pairs of field types and kernel that the surface admits."""
    state, found = model.start(bench), set()
    for fields in bench.field_types:
        for kernel in names(fields):
            state = model.choose(bench, state, fields=fields, kernel=kernel)
            if shown.verdict(bench, state).admitted:
                found.add((fields, kernel))
    return found


@pytest.mark.parametrize(
    "name", [*PRESETS, *(k for k in KERNELS if k not in ("ring", "derivative", "gabor"))]
)
def test_responses_are_those_of_the_library(on_sphere: Workbench, name: str) -> None:
    state = model.choose(on_sphere, model.start(on_sphere), kernel=name, signal="noise:1")
    rule = on_sphere.rule(state.choices)
    expected = respond(
        on_sphere.surface,
        on_sphere.signal(state),
        find(name),
        Settings(on_sphere.radius(4.0)),
        boundary="zero",
        n_radial=rule.shape[0],
        n_angular=rule.shape[1],
    ).values
    got = on_sphere.response(state)
    assert float((got - expected).abs().max()) < EXACT * float(expected.abs().max())


@pytest.mark.parametrize(
    ("fields", "kernel"),
    [(SIGNED, "derivative-across"), (GRADIENT_LIKE, "gradient"), (VECTORS, "gaussian"), (VECTORS, "stretch")],
)
def test_typed_responses_are_those_of_correlate(on_band: Workbench, fields: str, kernel: str) -> None:
    state = model.choose(on_band, model.start(on_band), fields=fields, kernel=kernel)
    pull = Pullback.build(on_band.surface, on_band.sites, on_band.rule(state.choices))
    signal = on_band.signal(state)
    field = on_band.vectors(signal) if fields == VECTORS else signal.values
    expected = correlate(field, on_band.entry(state.choices).drawn, pull)
    got = on_band.response(state)
    assert float((got - expected).abs().max()) < EXACT * float(expected.abs().max())


def test_what_is_admitted_follows_from_the_group(on_sphere: Workbench, on_band: Workbench) -> None:
    isotropic = {
        (SCALARS, k) for k in ("gaussian", "laplacian-of-gaussian", "difference-of-gaussians", *PRESETS)
    }
    turning = {(GRADIENT_LIKE, "gradient"), (VECTORS, "gaussian")}
    assert on_sphere.group.name == "SO(2)"
    assert admitted(on_sphere) == isotropic | turning | {
        (GRADIENT_LIKE, "turned-gradient"),
        (VECTORS, "quarter-turn"),
    }
    # One reflection: kernels even across the band, odd ones for values that it negates, vectors along the band.
    assert on_band.group.name == "reflection"
    even = {
        (SCALARS, "derivative"),
        (SCALARS, "gabor"),
        (GRADIENT_LIKE, "one-direction"),
        (VECTORS, "stretch"),
    }
    assert admitted(on_band) == isotropic | turning | even | {(SIGNED, "derivative-across")}


def test_a_refusal_shows_an_element_and_a_way_out(on_band: Workbench) -> None:
    state = model.choose(on_band, model.start(on_band), kernel="derivative-across")
    verdict = shown.verdict(on_band, state)
    assert not verdict.admitted
    assert re.search(r"under the reflection .* changes by 2 times", verdict.text)
    assert "scalars → signed scalars" in verdict.text
    painting = shown.painting(on_band, state, verdict)
    assert painting.title == "Signal z (there is no response)"
    assert torch.equal(painting.values, on_band.signal(state).values[:, 0])


def test_the_odd_kernel_comes_back_flipped_round_the_band_and_the_even_one_as_it_was(
    on_band: Workbench,
) -> None:
    state = model.topological_loop(on_band, model.start(on_band), 0)
    assert "reflected" in shown.trail_text(on_band, state)
    for kernel, said in (("derivative-across", "flipped**, by 200%"), ("derivative", "comes back as it was")):
        assert said in shown.trail_text(on_band, model.choose(on_band, state, kernel=kernel))


def test_a_loop_on_the_sphere_turns_by_the_curvature_that_it_encloses(on_sphere: Workbench) -> None:
    state = model.circle(on_sphere, model.start(on_sphere))
    loop = state.trail.loop
    assert loop is not None
    assert loop.enclosed_curvature == pytest.approx(loop.angle, abs=1e-9)
    # Nearly the area of the polygon with 24 corners on the unit sphere.
    radius = on_sphere.radius(4.0)
    area = 24 / 2 * math.sin(2 * math.pi / 24) * radius**2
    assert loop.angle == pytest.approx(area, rel=0.05)
    text = shown.trail_text(on_sphere, state)
    assert re.search(r"turned by [\d.]+°\*\*.*on its left: the same\.", text)


def test_walking_round_a_square_is_a_loop(on_sphere: Workbench) -> None:
    state = model.start(on_sphere)
    for _ in range(3):
        state = model.turn(on_sphere, model.step(on_sphere, state), 90)
    before = state.trail.length
    state = model.close(on_sphere, state)
    assert state.complaint == ""
    assert state.trail.loop is not None
    side = on_sphere.radius(4.0) / 2
    assert before == pytest.approx(3 * side)
    assert state.trail.loop.angle == pytest.approx(side**2, rel=0.15)  # the area, on a mesh of few triangles


def test_turning_before_the_first_step_turns_the_kernel_only_where_any_frame_will_do(
    on_sphere: Workbench, on_band: Workbench
) -> None:
    for bench, moves in ((on_sphere, True), (on_band, False)):
        state = model.start(bench)
        after = model.turn(bench, state, 90)
        assert float(after.trail.heading @ state.trail.heading) == pytest.approx(0, abs=1e-12)
        assert torch.allclose(after.trail.frame, state.trail.frame) is not moves


def test_the_carried_vector_keeps_its_length_and_its_angle_to_a_straight_path(on_sphere: Workbench) -> None:
    state = model.start(on_sphere)
    for _ in range(5):
        state = model.step(on_sphere, state)
    trail = state.trail
    carried = trail.transport @ trail.frame[:, 0]
    assert torch.allclose(carried, trail.heading, atol=1e-9)  # it left along the first axis, straight on


def test_an_impulse_sits_where_one_picked(on_sphere: Workbench) -> None:
    state = model.choose(on_sphere, model.start(on_sphere), signal=IMPULSE, kernel="gaussian")
    response = on_sphere.response(state)[:, 0]
    near = model.nearest_corner(on_sphere.surface, state.trail.base)
    assert int(response.argmax()) == near


def test_a_refused_action_leaves_the_state_and_says_why(on_sphere: Workbench, on_band: Workbench) -> None:
    state = model.start(on_sphere)
    for refused, why in (
        (model.close(on_sphere, state), "three points"),
        (model.topological_loop(on_sphere, state, 0), "every loop bounds a region"),
        (model.step(on_sphere, model.circle(on_sphere, state)), "closed"),
        (model.circle(on_band, model.choose(on_band, model.start(on_band), edges=8.0)), "leaves the surface"),
    ):
        assert why in refused.complaint
    assert model.close(on_sphere, state).trail is state.trail


@pytest.mark.parametrize(
    "wrong", [{"kernel": "nonsense"}, {"edges": 5.0}, {"fields": SIGNED}, {"signal": "w"}, {"show": "all"}]
)
def test_what_is_not_on_offer_is_refused_by_name(on_sphere: Workbench, wrong: dict[str, object]) -> None:
    with pytest.raises(mc.GeometryError, match=f"there is no .*{next(iter(wrong.values()))}"):
        model.choose(on_sphere, model.start(on_sphere), **wrong)


def test_other_field_types_bring_their_own_kernels(on_sphere: Workbench) -> None:
    state = model.choose(on_sphere, model.start(on_sphere), kernel="edges")
    assert model.choose(on_sphere, state, fields=GRADIENT_LIKE).choices.kernel == "gradient"


def test_rays_to_be_traced_do_not_grow_with_kernels_signals_or_nodes(
    on_sphere: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One ray for each angle, once for each signal and radius: the law that makes a response quick."""
    traced: list[int] = []
    sweeping = responses.sweep_scalars

    def counted(tables: Any, points: Any, directions: torch.Tensor, *rest: Any) -> torch.Tensor:
        traced.append(directions[..., 0].numel())
        return sweeping(tables, points, directions, *rest)

    monkeypatch.setattr(responses, "sweep_scalars", counted)
    bench = Workbench(on_sphere.surface)
    state = model.start(bench)
    angles = bench.rule(state.choices).shape[1]
    for kernel in names(SCALARS):
        bench.response(model.choose(bench, state, kernel=kernel))
    bench.response(model.choose(bench, state, fields=GRADIENT_LIKE, kernel="gradient"))
    assert sum(traced) == bench.surface.n_vertices * angles
    bench.response(model.choose(bench, state, edges=8.0))
    wider = bench.rule(model.choose(bench, state, edges=8.0).choices).shape[1]
    assert sum(traced) == bench.surface.n_vertices * (angles + wider)


@pytest.mark.parametrize("fields", [SCALARS, VECTORS])
def test_a_draft_comes_where_one_would_wait_and_is_near_the_answer(
    on_sphere: Workbench, fields: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Workbench(on_sphere.surface)
    state = model.choose(bench, model.start(bench), fields=fields, edges=8.0)
    assert not bench.slow(state)  # a small mesh
    monkeypatch.setattr(model, "SLOW", 1e4)
    assert bench.slow(state)
    assert len(bench.rule(state.choices, draft=True)) < 0.5 * len(bench.rule(state.choices))
    draft = bench.response(state, draft=True)
    assert bench.slow(state)  # still to come
    answer = bench.response(state)
    assert not bench.slow(state)
    assert 0 < float((draft - answer).norm()) < 0.02 * float(answer.norm())  # a smooth signal
    judgement = shown.verdict(bench, state)
    assert "finer answer is being computed" in shown.painting(bench, state, judgement, draft=True).text
    assert "finer" not in shown.painting(bench, state, judgement).text


def test_what_is_kept_stays_within_bounds(on_sphere: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Workbench(on_sphere.surface)
    state = model.start(bench)
    size = bench.prepare(state).nbytes
    monkeypatch.setattr(model, "KEPT_BYTES", 2.5 * size)
    for edges in (2.0, 3.0, 6.0):
        bench.prepare(model.choose(bench, state, edges=edges))
    ready = [bench.ready(model.choose(bench, state, edges=edges)) for edges in (4.0, 2.0, 3.0, 6.0)]
    assert ready == [False, False, True, True]


def test_computing_gives_way_and_can_be_called_off(
    sphere: mc.MeshSurface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "RAYS_AT_A_TIME", 2000)
    bench = Workbench(sphere, "sphere")
    state = model.start(bench)
    seen: list[float] = []

    def watch(done: float) -> None:
        seen.append(done)
        other = threading.Thread(target=lambda: bench.lock.acquire() and bench.lock.release())
        other.start()
        other.join(10.0)
        assert not other.is_alive()  # the lock was free

    bench.prepare(state, watch)
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    bench.stop()
    with pytest.raises(Interrupted):
        bench.prepare(model.choose(bench, state, edges=2.0))
    with bench.urgent():  # the lock is free again
        assert not bench.ready(model.choose(bench, state, edges=2.0))


def test_two_threads_share_what_one_computes(sphere: mc.MeshSurface, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeping, swept = model.sweep, []
    monkeypatch.setattr(model, "sweep", lambda *given: swept.append(1) or sweeping(*given))
    bench = Workbench(sphere, "sphere")
    found: list[torch.Tensor] = []
    state = model.start(bench)
    threads = [threading.Thread(target=lambda: found.append(bench.response(state))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(*found)
    assert swept == [1]


def test_the_disc_shows_the_carried_kernel(on_band: Workbench) -> None:
    state: State = model.choose(on_band, model.start(on_band), kernel="derivative-across")
    around = model.topological_loop(on_band, state, 0)
    start = model.pick(on_band, state, around.trail.base)
    before, after = (shown.marks(on_band, s).disc for s in (start, around))
    assert np.allclose(before.values, -after.values, atol=1e-9 * np.abs(before.values).max())
