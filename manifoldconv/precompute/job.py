"""One file of a corpus: what is to be built of it, and the work on it, which may be begun any number of times."""

from __future__ import annotations

import hashlib
import threading
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from manifoldconv.carried import BoundaryPolicy, Frames
from manifoldconv.errors import AccuracyWarning, StorageError
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.storage.files import ENDING, VERSION, read_file
from manifoldconv.storage.keys import digest
from manifoldconv.storage.pullbacks import KIND, save_pullback
from manifoldconv.surface.load import load_mesh

State = Literal["built", "kept", "failed"]

# Compiled parallel code must not be entered by two threads at once, as those of a Dask worker would.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Recipe:
    """What is built of each mesh: the arguments of `Pullback.build`.

    Attributes:
        radius: of the polar rule; in units of the mesh, or in mean edge lengths of each mesh where `in_edges`.
            Batches need one rule for all meshes, hence a radius in units of the mesh.
        n_radial, n_angular: its nodes.
        sites: "vertices" or "faces".
        boundary, frames: as of `Pullback.build`.
    """

    radius: float = 4.0
    in_edges: bool = True
    n_radial: int = 4
    n_angular: int = 24
    sites: Literal["vertices", "faces"] = "vertices"
    boundary: BoundaryPolicy = "zero"
    frames: Frames = "parallel"

    def build(self, path: Path) -> tuple[Any, Pullback]:
        """The mesh of a file, and its pullback."""
        surface = load_mesh(path)
        radius = self.radius * (surface.mean_edge_length if self.in_edges else 1.0)
        rule = TangentRule.polar(radius, self.n_radial, self.n_angular)
        sites = surface.sites(self.sites)
        return surface, Pullback.build(surface, sites, rule, self.boundary, frames=self.frames)

    def key(self, file_digest: str) -> str:
        """What the result is known by: the file's bytes, the recipe, and the versions of package and format."""
        from manifoldconv import __version__

        own = [f"{name}={value!r}" for name, value in sorted(asdict(self).items())]
        return digest("corpus", file_digest, *own, __version__, VERSION)


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        file: the mesh.
        state: "built"; "kept", where its result was there already; or "failed".
        output: the file of the pullback (`Pullback.load`), None where it failed.
        reason: why it failed, in one line.
        notes: warnings.
        seconds: of work.
    """

    file: str
    state: State
    output: str | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def work_on(file: str, recipe: Recipe, folder: str, token: str) -> Outcome:
    """Make sure that the pullback of a file is there: look for a sound one, else build it and put it there.

    It may be repeated, or done twice at the same time: a result that is there is never written again, and a name in
    the folder always stands for a whole file.
    """
    start = time.perf_counter()
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", AccuracyWarning)
        try:
            state, target = _build_unless_there(Path(file), recipe, Path(folder), token)
            outcome = Outcome(file, state, str(target))
        except MemoryError as error:
            found = f" ({error})" if str(error) else ""
            reason = f"{file}: not enough memory{found}; take fewer workers or nodes"
            outcome = Outcome(file, "failed", reason=reason)
        except OSError as error:
            known = error.strerror and error.filename
            reason = f"{error.filename}: {error.strerror}" if known else f"{file}: {error}"
            outcome = Outcome(file, "failed", reason=reason)
        except Exception as error:  # whatever is wrong with one file must not stop the others
            text = " ".join(str(error).split()) or type(error).__name__
            outcome = Outcome(file, "failed", reason=text if text.startswith(file) else f"{file}: {text}")
    notes = tuple(
        dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, AccuracyWarning))
    )
    return Outcome(
        outcome.file, outcome.state, outcome.output, outcome.reason, notes, time.perf_counter() - start
    )


def target_of(path: Path, recipe: Recipe, folder: Path) -> Path:
    """Where the pullback of a file goes: its own name, and what tells it from others of that name."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return folder / f"{path.stem}-{recipe.key(found)[:16]}{ENDING}"


def _build_unless_there(path: Path, recipe: Recipe, folder: Path, token: str) -> tuple[State, Path]:
    target = target_of(path, recipe, folder)
    broken = False
    if target.exists():
        try:
            read_file(target, KIND)
            return "kept", target
        except StorageError:
            broken = True
    surface, pull = recipe.build(path)
    notes = {"about": f"{path.name}: {surface!r}, {pull.rule!r}, {pull!r}", "recipe": asdict(recipe)}
    mine = save_pullback(pull, target, manifold=surface, notes=notes, replace=broken, token=token)
    return ("built" if mine else "kept"), target
