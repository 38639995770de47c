"""The geodesics of a surface in coordinates, with their transport, as one differential equation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds.checks import positive, whole
from manifoldconv.manifolds.parametrised_metric import LocalGeometry
from manifoldconv.orthogonal import rotation_matrix

_ADAPTIVE = {"dopri8": 8, "dopri5": 5, "bosh3": 3}
_FIXED = {"rk4": 4, "midpoint": 2, "euler": 1}


@dataclass(frozen=True)
class OdeSolver:
    """How differential equations are solved: a method of torchdiffeq, and how finely.

    The adaptive methods choose a step for the whole batch, so that the largest error estimate of any ray in
    it meets the tolerance; another batch moves the answer within that. The others take equal steps.

    Args:
        method: adaptive "dopri8", "dopri5" or "bosh3", or of equal steps "rk4", "midpoint" or "euler".
        rtol, atol: the error allowed in a step, relative and absolute (in coordinates and radians).
        steps: the number of equal steps; only for the methods that take such.

    Raises:
        GeometryError: where it is not as said.

    >>> OdeSolver("rk4", steps=50).order
    4
    """

    method: str = "dopri8"
    rtol: float = 1e-11
    atol: float = 1e-12
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.method not in _ADAPTIVE and self.method not in _FIXED:
            raise GeometryError(f"method must be one of {[*_ADAPTIVE, *_FIXED]}; got {self.method!r}")
        positive("rtol", self.rtol)
        positive("atol", self.atol)
        if self.method in _FIXED:
            whole("steps", self.steps, 1)
        elif self.steps is not None:
            raise GeometryError(f"{self.method} chooses its steps by rtol and atol; got steps={self.steps!r}")

    @property
    def order(self) -> int:
        """The order of convergence in the step."""
        return {**_ADAPTIVE, **_FIXED}[self.method]

    def solve(self, rate: Callable[[Tensor, Tensor], Tensor], start: Tensor, times: Tensor) -> Tensor:
        """The states `(len(times), ...)`; exact to the tolerance at the last time, interpolated before it."""
        if not start.numel():
            return start.expand(len(times), *start.shape)
        options: dict[str, Any] = {"norm": lambda error: error.abs().amax(), "step_t": times[-1:]}
        if self.steps is not None:
            options = {"step_size": float(times[-1] - times[0]) / self.steps}
        try:
            solution: Tensor = _torchdiffeq().odeint(
                rate, start, times, rtol=self.rtol, atol=self.atol, method=self.method, options=options
            )
        except AssertionError as reason:  # how torchdiffeq says that it must not halve a step once more
            raise GeometryError(
                f"the geodesics could not be followed to the tolerance {self.rtol:g}: {reason}; does the metric "
                "degenerate in the domain?"
            ) from reason
        return solution


def _torchdiffeq() -> ModuleType:
    try:
        import torchdiffeq
    except ImportError as reason:
        raise ImportError(
            'geodesics of parametrised surfaces need torchdiffeq: pip install "manifoldconv[ode]"'
        ) from reason
    return torchdiffeq


@dataclass(frozen=True)
class Flow:
    """Geodesics in coordinates.

    A velocity is carried along its own geodesic, so in the frame of `LocalGeometry` it stays v up to the
    rotation by the angle φ of the transport; three unknowns are enough, and speed and orthogonality hold
    exactly:

        u̇ = E(u) R(φ) v,    φ̇ = -ω(u̇)

    With the Jacobian of exp, j'' = -|v|² K(u) j, j(0) = 0, j'(0) = 1, of which j(1) is the stretch across.

    Attributes:
        low, high: `(2,)`; outside of them, infinite for periodic coordinates, the metric is not evaluated but
            taken as on the boundary.
    """

    geometry: LocalGeometry
    solver: OdeSolver
    low: Tensor
    high: Tensor

    def rate(self, u: Tensor, phase: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """u̇ and φ̇."""
        frame, connection = self.geometry.frame_and_connection(self.clamp(u))
        velocity = (frame @ (rotation_matrix(phase) @ v[..., None]))[..., 0]
        return velocity, -(connection * velocity).sum(-1)

    def clamp(self, u: Tensor) -> Tensor:
        """u moved into the domain."""
        return torch.minimum(torch.maximum(u, self.low), self.high)

    def advance(
        self, u: Tensor, v: Tensor, duration: Tensor | float = 1.0, samples: int = 1
    ) -> tuple[Tensor, Tensor]:
        """u `(samples + 1, ..., 2)` and φ `(samples + 1, ...)` at equal times up to `duration` `(...,)`."""
        v = v * torch.as_tensor(duration, dtype=torch.float64)[..., None]

        def rate(_: Tensor, state: Tensor) -> Tensor:
            velocity, turning = self.rate(state[..., :2], state[..., 2], v)
            return torch.cat([velocity, turning[..., None]], dim=-1)

        start = torch.cat([u, torch.zeros_like(u[..., :1])], dim=-1)
        states = self.solver.solve(rate, start, torch.linspace(0, 1, samples + 1, dtype=torch.float64))
        return states[..., :2], states[..., 2]

    def advance_with_stretch(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """u, φ and j at the end of unit time."""
        square = v.square().sum(-1)

        def rate(_: Tensor, state: Tensor) -> Tensor:
            velocity, turning = self.rate(state[..., :2], state[..., 2], v)
            bend = -square * self.geometry.curvature(self.clamp(state[..., :2])) * state[..., 3]
            return torch.cat([velocity, torch.stack([turning, state[..., 4], bend], dim=-1)], dim=-1)

        rest = torch.zeros_like(u[..., :1]).expand(*u.shape[:-1], 3) + torch.tensor(
            [0.0, 0.0, 1.0], dtype=torch.float64
        )
        end = self.solver.solve(
            rate, torch.cat([u, rest], dim=-1), torch.tensor([0.0, 1.0], dtype=torch.float64)
        )[-1]
        return end[..., :2], end[..., 2], end[..., 3]
