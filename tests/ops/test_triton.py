"""The kernels for graphics cards, by Triton's interpreter in a process of their own."""

import importlib.util
import os
import subprocess
import sys

import pytest

PROGRAM = """
import torch, manifoldconv as mc
from dataclasses import replace
from manifoldconv.kernels import RadialBasis
from manifoldconv.manifolds.neighbour_sites import NeighbourSites

def random(*shape, seed, dtype):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)

sphere = mc.Sphere()
pull = mc.Pullback.build(sphere, sphere.sites(icosphere=0), mc.TangentRule.polar(1.2, 2, 12))
rotations, nothing = mc.StructureGroup.special_orthogonal(2), mc.StructureGroup.trivial()
rings = RadialBasis.gaussian_rings(1.0, 3)
points = torch.nn.functional.normalize(random(12, 4, seed=5, dtype=torch.float64), dim=-1)
flat = NeighbourSites(mc.Sphere(3), points, 5, torch.ones(12, dtype=torch.float64))
rule = mc.TangentRule.points(0.5 * random(4, 3, seed=6, dtype=torch.float64), torch.ones(4, dtype=torch.float64))
solid = mc.Pullback.build(mc.Sphere(3), flat, rule)
cases = [
    (pull, mc.KernelSpace("2x0 + 3x1", "1x0 + 2x1 + 1x2", rotations, rings)),
    (pull, mc.KernelSpace("33x0", "2x0 + 1x1", rotations, rings)),
    (replace(pull, group=None), mc.KernelSpace("1x0 + 1x1", "1x1", nothing, rings)),
    (solid, mc.KernelSpace("1x0 + 2x1", "1x0 + 1x1", mc.StructureGroup.special_orthogonal(3), rings)),
]
for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 5e-6)):
    for pull, space in cases:
        field = random(2, pull.n_sources, space.rep_in.size, seed=0, dtype=dtype).requires_grad_()
        weight = random(space.dimension, seed=1, dtype=dtype).requires_grad_()
        along = random(2, len(pull), space.rep_out.size, seed=2, dtype=dtype)
        found = []
        for backend in ("triton", "torch"):
            operator = pull.collapse(space, dtype=dtype, backend=backend)
            out = operator(field, weight)
            found.append((out, *torch.autograd.grad((out * along).sum(), (field, weight))))
        for a, b in zip(*found, strict=True):
            error = float((a - b).detach().abs().max() / b.detach().abs().max())
            assert error < tolerance, (space, dtype, error)
        again = pull.collapse(space, dtype=dtype, backend="triton")(field, weight)
        assert torch.equal(again, found[0][0])
print("agreed")
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_interpreted_kernels_agree_with_plain_torch():
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "agreed" in done.stdout
