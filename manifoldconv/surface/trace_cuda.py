"""Geodesics on an NVIDIA GPU: the walk of `trace`, compiled for CUDA from the same functions, one ray a thread.

There is no second implementation to keep in step: the scalar functions of `walk` run on either machine. On the GPU
a product and a sum may be fused to one rounding, so the last digits can differ from those of the CPU.

Needs NVIDIA's `numba-cuda` (`pip install 'manifoldconv[cuda]'`): the CUDA target that numba itself still carries does
not compile `min` and `max`. In numba's simulator (NUMBA_ENABLE_CUDASIM=1 and NUMBA_DISABLE_JIT=1 in the environment)
the kernel runs without a GPU, slowly: so the tests compare it with the CPU, ray by ray.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import cuda

from manifoldconv.errors import GeometryError, float64
from manifoldconv.manifolds.base import Boundary, Geodesic, check_boundary
from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface
from manifoldconv.surface.trace import NOT_FINITE, TOO_LONG, Ends, Rays, trace_ray
from manifoldconv.surface.walk import COMPLETE

# Rays next to one another differ in length, and a warp waits for its longest: small blocks free their place early.
THREADS = 128


@cuda.jit
def trace_kernel(tables, rays, reflect, ends):  # type: ignore[no-untyped-def]
    """Trace the ray of this thread; arguments as of `trace.trace_rays`, and the `Ends` that it returns."""
    ray = cuda.grid(1)
    if ray < len(rays.face):
        trace_ray(tables, rays, reflect, ends, ray)


@dataclass(frozen=True, eq=False)
class GpuTracer:
    """A mesh whose tables lie in the memory of a GPU.

    Attributes:
        surface: the mesh.
        tables: the arrays of `surface.tables` on the current device of numba.

    Make one by `GpuTracer.of(surface)`; it holds about 0.3 kB for each face.
    """

    surface: MeshSurface
    tables: Tables

    @classmethod
    def of(cls, surface: MeshSurface) -> GpuTracer:
        """Send the tables of a mesh to the GPU; `GeometryError` where there is none."""
        if cuda.implementation != "NVIDIA":
            raise GeometryError("tracing on the GPU needs numba-cuda: pip install 'manifoldconv[cuda]'")
        if not cuda.is_available():
            raise GeometryError(
                "tracing on the GPU needs an NVIDIA GPU and its driver; numba finds none here"
            )
        return cls(
            surface, Tables(*(cuda.to_device(np.ascontiguousarray(table)) for table in surface.tables))
        )

    def geodesic(self, x: SurfacePoint, v: Any, *, boundary: Boundary = "stop") -> Geodesic:
        """`MeshSurface.geodesic` with the same arguments and errors, computed on the GPU.

        Tensors that lie on the GPU are read where they lie, and then the answer is there, too; else it is on the CPU.
        """
        check_boundary(boundary)
        velocity = float64("v", v, (2,), finite=False)
        shape = torch.broadcast_shapes(x.shape, velocity.shape[:-1])
        start = x.expand(*shape).reshape(-1)
        rays = velocity.detach().expand(*shape, 2).reshape(-1, 2)
        device = rays.device
        at = [part.to(device).contiguous() for part in (start.face, start.barycentric.detach(), start.vertex)]
        if device.type == "cpu":
            self.surface.check_points(start)
        ends = self.trace(at[0], at[1], at[2], rays.contiguous(), boundary == "reflect")
        face, barycentric, vertex, transport, length, status = ends
        worst = int(status.max()) if len(status) else COMPLETE
        if worst == NOT_FINITE:
            float64("v", v, (2,))
        if worst == TOO_LONG:
            ray = int((status == TOO_LONG).nonzero()[0, 0])
            raise GeometryError(
                f"ray {ray} of length {float(rays[ray].norm()):.3g} crosses too many edges to trace"
            )
        return Geodesic(
            SurfacePoint(face, barycentric, vertex).reshape(*shape),
            transport.reshape(*shape, 2, 2),
            length.reshape(shape),
            (status == COMPLETE).reshape(shape),
        )

    def trace(
        self,
        face: torch.Tensor,
        barycentric: torch.Tensor,
        vertex: torch.Tensor,
        velocity: torch.Tensor,
        reflect: bool,
    ) -> tuple[torch.Tensor, ...]:
        """`trace.trace_rays` for N rays as tensors, all on the CPU or all on the GPU, where the answer is then, too."""
        count, device = len(face), face.device
        ends = (
            torch.empty(count, dtype=torch.int64, device=device),
            torch.empty(count, 3, dtype=torch.float64, device=device),
            torch.empty(count, dtype=torch.int64, device=device),
            torch.empty(count, 2, 2, dtype=torch.float64, device=device),
            torch.empty(count, dtype=torch.float64, device=device),
            torch.empty(count, dtype=torch.uint8, device=device),
        )
        if count == 0:
            return ends
        rays = Rays(*(_on_gpu(part) for part in (face, barycentric, vertex, velocity)))
        results = [_on_gpu(part) for part in ends]
        blocks = (count + THREADS - 1) // THREADS
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()  # numba works in a stream of its own
        trace_kernel[blocks, THREADS](self.tables, rays, reflect, Ends(*results))
        cuda.synchronize()
        if device.type == "cpu":
            return tuple(torch.from_numpy(result.copy_to_host()) for result in results)
        return ends


def _on_gpu(tensor: torch.Tensor) -> Any:
    """An array of numba: the tensor's own memory on the GPU, else a copy there."""
    return cuda.as_cuda_array(tensor) if tensor.is_cuda else cuda.to_device(tensor.numpy())
