"""A corpus: every file done once or reported, whatever dies on the way; and resumed where it stopped."""

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import manifoldconv as mc
from manifoldconv.precompute import Outcome, Recipe, precompute
from manifoldconv.precompute.cluster import on_cluster
from manifoldconv.precompute.job import target_of, work_on
from manifoldconv.storage.files import PART
from manifoldconv.surface.io import write_mesh
from manifoldconv.surface.surface import MeshSurface

LEAN = {"radius": 0.5, "n_radial": 1, "n_angular": 8, "frames": "local"}
CORNERS = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
FACES = torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])


@pytest.fixture
def meshes(tmp_path):
    """Makes small meshes by name, each of another size."""

    def make(*names):
        paths = []
        for number, name in enumerate(names):
            path = tmp_path / f"{name}.ply"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mesh(path, ((1 + 0.1 * number) * CORNERS).numpy(), FACES.numpy())
            paths.append(path)
        return paths

    return make


def names_of(outcomes, state):
    return [Path(outcome.file).stem for outcome in outcomes if outcome.state == state]


def stamps(folder):
    """What changes when a file is written again: its place on the disk, and when."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in Path(folder).iterdir()}


@dataclass(frozen=True)
class Deadly(Recipe):
    """Kills its process over the file `killer`, while it writes; and takes its time over the others."""

    pause: float = 0.0

    def build(self, path):
        time.sleep(self.pause)
        if path.stem == "killer":
            os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
        return super().build(path)


def test_one_file(meshes, tmp_path):
    (mesh,) = meshes("a")
    recipe = Recipe(in_edges=False, **LEAN)
    first = work_on(str(mesh), recipe, str(tmp_path), "t")
    assert (first.state, first.reason, first.file) == ("built", None, str(mesh))
    surface = mc.load_mesh(mesh)
    rule = mc.TangentRule.polar(0.5, 1, 8)
    pull = mc.Pullback.build(surface, surface.sites(), rule, frames="local")
    loaded = mc.Pullback.load(first.output, manifold=surface)
    assert torch.equal(loaded.transport, pull.transport)
    assert torch.equal(loaded.rule.nodes, rule.nodes)
    before = stamps(tmp_path)
    assert work_on(str(mesh), recipe, str(tmp_path), "t").state == "kept"
    assert stamps(tmp_path) == before


def test_a_damaged_result_is_made_anew(meshes, tmp_path):
    (mesh,) = meshes("a")
    output = Path(work_on(str(mesh), Recipe(**LEAN), str(tmp_path), "t").output)
    good = output.read_bytes()
    output.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert work_on(str(mesh), Recipe(**LEAN), str(tmp_path), "t").state == "built"
    assert output.read_bytes() == good


def test_results_are_known_by_bytes_and_recipe(meshes, tmp_path):
    one, other = meshes("x/a", "y/a")
    recipes = [Recipe(), Recipe(radius=3.0), Recipe(in_edges=False), Recipe(n_radial=5), Recipe(n_angular=20)]
    recipes += [Recipe(sites="faces"), Recipe(boundary="reflect"), Recipe(frames="local")]
    targets = {target_of(one, recipe, tmp_path) for recipe in recipes}
    targets.add(target_of(other, Recipe(), tmp_path))
    assert len(targets) == len(recipes) + 1
    copy = tmp_path / "z" / "a.ply"
    copy.parent.mkdir()
    copy.write_bytes(one.read_bytes())
    assert target_of(copy, Recipe(), tmp_path) == target_of(one, Recipe(), tmp_path)


def test_warnings_are_kept_and_radii_follow_the_edges(meshes, tmp_path):
    (mesh,) = meshes("a")
    outcome = work_on(
        str(mesh), Recipe(radius=2.0, n_radial=1, n_angular=8, frames="local"), str(tmp_path), "t"
    )
    assert any("overlaps itself" in note for note in outcome.notes)
    edge = mc.load_mesh(mesh).mean_edge_length
    assert mc.Pullback.load(outcome.output).rule.radius == 2.0 * edge


def test_reasons(meshes, tmp_path):
    (mesh,) = meshes("a")
    (tmp_path / "broken.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n")
    for file, recipe, reason in [
        (tmp_path / "none.ply", Recipe(), r"none.ply: No such file"),
        (tmp_path / "broken.off", Recipe(), r"broken.off.*refers to vertex 9"),
        (mesh, Recipe(), r"a.ply: vertex 0 has curvature"),
    ]:
        outcome = work_on(str(file), recipe, str(tmp_path), "t")
        assert (outcome.state, outcome.output) == ("failed", None)
        assert outcome.reason.startswith(str(file))
        assert re.search(reason, outcome.reason), outcome.reason
        assert "\n" not in outcome.reason


def test_too_little_memory_is_a_reason(meshes, tmp_path, monkeypatch):
    (mesh,) = meshes("a")
    monkeypatch.setattr("manifoldconv.ops.memory.available_memory", lambda device: 1000)
    monkeypatch.setattr("manifoldconv.pullback.RAYS_AT_A_TIME", 1)  # what one block holds is not asked
    outcome = work_on(str(mesh), Recipe(**LEAN), str(tmp_path), "t")
    assert outcome.state == "failed"
    assert re.search(
        r"a.ply: not enough memory \(a pullback needs .* for 4 sites, .* would fit", outcome.reason
    )


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_processes_that_die(meshes, tmp_path):
    """One file kills whoever works on it; all others are done, and nothing is left over."""
    files, seen = [*meshes("a", "killer", "b", "c"), tmp_path / "missing.ply"], []
    outcomes = precompute(
        [*files, files[0]],
        tmp_path / "out",
        Deadly(**LEAN),
        workers=2,
        progress=lambda *state: seen.append(state),
    )
    assert [outcome.file for outcome in outcomes] == [str(file) for file in files]
    assert names_of(outcomes, "built") == ["a", "b", "c"]
    assert names_of(outcomes, "failed") == ["killer", "missing"]
    assert "died 2 times (killed, or out of memory?)" in outcomes[1].reason
    assert seen == [(done, 5) for done in range(6)]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        Path(outcome.output).name for outcome in outcomes if outcome.output
    }
    for outcome in outcomes:
        if outcome.output:
            assert len(mc.Pullback.load(outcome.output)) == 4


def test_a_cluster_that_loses_a_worker(meshes, tmp_path):
    distributed = pytest.importorskip(
        "distributed", reason="distributed is not installed (the extra cluster)"
    )
    files = [*meshes(*(f"mesh{i}" for i in range(10))), tmp_path / "missing.ply"]
    before = {}

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))

        def kill(done, total):
            if done == 3:
                before.update(stamps(tmp_path / "out"))
                os.kill(victim, signal.SIGKILL)

        recipe = Deadly(**LEAN, pause=0.3)
        outcomes = precompute(
            files, tmp_path / "out", recipe, scheduler=cluster.scheduler_address, progress=kill
        )
        pids = client.run(os.getpid)
        assert victim not in pids.values()
    after = stamps(tmp_path / "out")
    finished = {name: stamp for name, stamp in before.items() if not name.endswith(PART)}
    assert finished
    assert all(after[name] == stamp for name, stamp in finished.items())  # nothing is written twice
    done = {outcome.output for outcome in outcomes if outcome.state in ("built", "kept")}
    assert len(done) == 10  # nothing is lost
    assert {Path(output).name for output in done} == set(after)  # and nothing else is there
    assert [mc.Pullback.load(output).n_sources for output in done] == [4] * 10
    assert names_of(outcomes, "failed") == ["missing"]
    assert "No such file" in outcomes[-1].reason


def test_no_scheduler_and_no_files(meshes, tmp_path):
    with pytest.raises(ValueError, match="no files"):
        precompute([], tmp_path)
    with pytest.raises(ValueError, match="workers must be at least 1; got 0"):
        precompute(meshes("a"), tmp_path, workers=0)
    with pytest.raises(FileExistsError):
        precompute(meshes("a"), tmp_path / "a.ply")
    pytest.importorskip("distributed", reason="distributed is not installed (the extra cluster)")
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(OSError, match=f"no scheduler answers at '{address}'"):
            list(on_cluster(["a"], Recipe(), str(tmp_path), "t", address, patience=0.5))


def test_the_recipe_takes_the_faces(meshes, tmp_path):
    (mesh,) = meshes("a")
    outcome = work_on(str(mesh), Recipe(0.2, False, 1, 12, sites="faces"), str(tmp_path), "t")
    assert outcome == Outcome(outcome.file, "built", outcome.output, None, outcome.notes, outcome.seconds)
    assert mc.Pullback.load(outcome.output).group == MeshSurface(CORNERS, FACES).holonomy_group()
