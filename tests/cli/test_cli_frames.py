"""`manifoldconv convolve --frames`: kernels with respect to declared frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

MESHES = Path(__file__).parents[2] / "meshes"


@pytest.mark.parametrize(
    ("mesh", "spec", "singular"),
    [
        ("icosphere", "gradient:z", True),
        ("torus", "principal", False),
        ("cone", "principal", True),
        ("cone", "x", False),
    ],
)
def test_declared_frames_let_a_derivative_through(run, tmp_path, mesh, spec, singular):
    arguments = ("convolve", MESHES / f"{mesh}.ply", "--signal", "z", "--kernel", "derivative", "--json")
    out = tmp_path / "out.npy"
    done = run(*arguments, "--frames", spec, "--radius", "2e", "--out", out)
    assert done.status == 0, done.err
    figures = json.loads(done.out)
    assert figures["frames"] == spec
    values = np.load(out)
    assert np.isfinite(values).all()
    assert np.abs(values).max() > 0
    assert any("have no direction" in note for note in figures["notes"]) == singular
    # Without them the same kernel is refused.
    assert "not invariant" in run(*arguments, "--out", out).complaint or mesh == "cone"


def test_other_frames_are_refused_with_what_there_is(run, tmp_path):
    done = run(
        "convolve", MESHES / "cone.ply", "--signal", "z", "--frames", "north", "--out", tmp_path / "out.npy"
    )
    assert "frames are gradient:SIGNAL, principal, x, y or z; got 'north'" in done.complaint
