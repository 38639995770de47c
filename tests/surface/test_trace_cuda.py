"""Tracing on the GPU, ray by ray against the CPU: in numba's simulator, as PTX, and on a GPU where there is one."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from numba import cuda

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.surface.trace import Rays, trace_rays
from manifoldconv.surface.trace_cuda import GpuTracer

SIMULATED = """
import sys
import numpy as np
from numba import cuda
from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.trace import Ends, Rays
from manifoldconv.surface.trace_cuda import trace_kernel
for name in sys.argv[1:]:
    held = np.load(name)
    tables = Tables(*(cuda.to_device(held[field]) for field in Tables._fields))
    rays = Rays(*(cuda.to_device(held[field]) for field in Rays._fields))
    count = len(held["face"])
    ends = Ends(*(cuda.to_device(end) for end in Ends.empty(count)))
    for reflect in (False, True):
        trace_kernel[(count + 31) // 32, 32](tables, rays, reflect, ends)
        np.savez(f"{name}.{reflect}", *(end.copy_to_host() for end in ends))
"""


def surfaces():
    """Closed, with cone points and corners, with a boundary, and without an orientation."""
    angle = torch.linspace(0, 2 * np.pi, 13, dtype=torch.float64)[:-1]
    around = torch.stack([angle.cos(), angle.sin(), 0 * angle], dim=-1)
    across = torch.stack(
        [(angle / 2).cos() * angle.cos(), (angle / 2).cos() * angle.sin(), (angle / 2).sin()], -1
    )
    band = torch.cat([around - 0.3 * across, around + 0.3 * across])
    faces = []
    for i in range(12):
        a, b = i, i + 12
        c, d = (i + 1, i + 13) if i < 11 else (12, 0)
        faces += [[a, c, b], [b, c, d]]
    cube = torch.tensor(
        [[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)], dtype=torch.float64
    )
    sides = [
        [0, 1, 3],
        [0, 3, 2],
        [4, 6, 7],
        [4, 7, 5],
        [0, 4, 5],
        [0, 5, 1],
        [2, 3, 7],
        [2, 7, 6],
        [0, 2, 6],
        [0, 6, 4],
    ]
    return {
        "sphere": mc.MeshSurface(*icosphere(1)),
        "open cube": mc.MeshSurface(cube, sides),
        "Möbius band": mc.MeshSurface(band, faces),
    }


def some_rays(surface, count):
    """From vertices, edges, corners and inner points; along edges, through vertices, over the boundary; and none."""
    generator = np.random.default_rng(0)
    third = count // 3
    points = surface.vertex_points(torch.from_numpy(generator.integers(surface.n_vertices, size=third)))
    face = np.concatenate([points.face.numpy(), generator.integers(len(surface.faces), size=count - third)])
    inner = generator.dirichlet((1, 1, 1), size=count - third)
    inner[::5] = [0.5, 0.5, 0.0]
    inner[1::5] = [0.0, 1.0, 0.0]
    barycentric = np.concatenate([points.barycentric.numpy(), inner])
    vertex = np.concatenate([points.vertex.numpy(), np.full(count - third, -1)])
    angle = generator.uniform(0, 2 * np.pi, count)
    angle[::7] = 0.0
    velocity = 3 * surface.mean_edge_length * generator.random(count)[:, None]
    velocity = velocity * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    velocity[3], velocity[4] = 0.0, np.nan
    return Rays(face, barycentric, vertex, velocity)


def assert_same_ends(ends, wanted):
    """To 1e-13: pure Python, the CPU and the GPU round the same arithmetic, but for functions of the library."""
    finite = wanted[5] != 3
    for name, one, other in zip(
        ("face", "at", "vertex", "transport", "length", "status"), ends, wanted, strict=True
    ):
        one, other = one[finite], other[finite]
        if one.dtype.kind == "f":
            assert np.abs(one - other).max() <= 1e-13, name
        else:
            assert np.array_equal(one, other), name
    assert np.array_equal(ends[5], wanted[5])


def test_the_simulator_gives_the_rays_of_the_cpu(tmp_path):
    cases = {str(tmp_path / f"{number}.npz"): surface for number, surface in enumerate(surfaces().values())}
    for file, surface in cases.items():
        np.savez(file, **surface.tables._asdict(), **some_rays(surface, 60)._asdict())
    simulator = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SIMULATED, *cases], env=simulator, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for file, surface in cases.items():
        for reflect in (False, True):
            wanted = trace_rays(surface.tables, some_rays(surface, 60), reflect)
            with np.load(f"{file}.{reflect}.npz") as found:
                assert_same_ends([found[key] for key in found], wanted)
            assert {0, 3} <= set(wanted[5].tolist())  # rays that end, and the one that is not finite
            if surface.has_boundary and not reflect:
                assert 1 in wanted[5]


AS_PTX = """
from numba import cuda, types
from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.trace import Ends, Rays
from manifoldconv.surface.trace_cuda import trace_kernel
from types import SimpleNamespace
import numba.cuda.dispatcher
shape = {"chart": 2, "direction": 2}
integers = {"twin", "tail", "fan_start", "fan_corner", "fan_slot"}
flags = {"flip", "open_fan"}
kind = lambda name: types.int64 if name in integers else types.boolean if name in flags else types.float64
tables = types.NamedTuple([types.Array(kind(n), shape.get(n, 1), "C") for n in Tables._fields], Tables)
f = lambda dims: types.Array(types.float64, dims, "C")
i = types.Array(types.int64, 1, "C")
rays = types.NamedTuple([i, f(2), i, f(2)], Rays)
ends = types.NamedTuple([i, f(2), i, f(3), f(1), types.Array(types.uint8, 1, "C")], Ends)
signature = (tables, rays, types.boolean, ends)
# Device functions ask the GPU what it is; there is none.
numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=(8, 0))
text, _ = cuda.compile_ptx(trace_kernel.py_func, signature, cc=(8, 0))
print(text.count(".visible .entry"), "div.rn.f64" in text or "rcp.rn.f64" in text)
"""


def test_the_kernel_compiles_to_ptx():
    """Needs NVIDIA's compilers, but no GPU."""
    if cuda.implementation != "NVIDIA":
        pytest.skip("numba-cuda is not installed (the extra cuda)")
    done = subprocess.run([sys.executable, "-c", AS_PTX], capture_output=True, text=True, check=False)
    if "Failure finding" in done.stderr or "NvvmSupportError" in done.stderr:
        pytest.skip("NVVM or NVRTC of the CUDA toolkit is not installed")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "True"]


def test_without_a_gpu_it_says_what_is_missing(monkeypatch):
    surface = surfaces()["sphere"]
    monkeypatch.setattr(cuda, "implementation", "Built-in", raising=False)
    with pytest.raises(mc.GeometryError, match=r"needs numba-cuda: pip install 'manifoldconv\[cuda\]'"):
        GpuTracer.of(surface)
    monkeypatch.setattr(cuda, "implementation", "NVIDIA", raising=False)
    monkeypatch.setattr(cuda, "is_available", lambda: False)
    with pytest.raises(mc.GeometryError, match="needs an NVIDIA GPU and its driver"):
        GpuTracer.of(surface)


@pytest.mark.parametrize("name", surfaces())
def test_a_gpu_gives_the_rays_of_the_cpu(name):
    if cuda.implementation != "NVIDIA" or not cuda.is_available():
        pytest.skip("there is no GPU, or no numba-cuda")
    surface = surfaces()[name]
    tracer = GpuTracer.of(surface)
    rays = some_rays(surface, 3000)
    for reflect in (False, True):
        wanted = trace_rays(surface.tables, rays, reflect)
        for device in ("cpu", "cuda"):
            given = [torch.from_numpy(array).to(device) for array in rays]
            ends = [end.cpu().numpy() for end in tracer.trace(*given, reflect)]
            # Where a ray grazes a corner, one rounding decides which side of it the ray takes.
            same = (ends[0] == wanted[0]) & (ends[5] == wanted[5])
            assert same.mean() > 0.995
            assert_same_ends([end[same] for end in ends], [end[same] for end in wanted])
    points, velocity = surface.vertex_points(), torch.ones(surface.n_vertices, 2, dtype=torch.float64)
    assert torch.allclose(tracer.geodesic(points, velocity).length, surface.geodesic(points, velocity).length)
