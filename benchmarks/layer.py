"""A whole layer on fields of order 1, against message passing that multiplies steerable weights on every edge.

The message passing is that of gauge equivariant mesh CNNs (de Haan, Weiler, Cohen and Welling 2021): carry the
neighbour's field into the frame of the edge, multiply with the weights of each ring, turn back, sum. Both compute the
same numbers, which is checked first. The floor is max(bytes that must move ÷ the run's copy rate, operations ÷ the
run's rate of a dense product).
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import manifoldconv as mc
from benchmarks import meshes
from benchmarks.measure import Row, in_turns, ratio, row, status_bytes
from manifoldconv.kernels import KernelSpace, RadialBasis
from manifoldconv.ops.arrays import gathered
from manifoldconv.ops.plan import by_place, multiplications, space_plan

NAME = "layer"
CHANNELS = 16
FIELD_TYPE = f"{CHANNELS}x0 + {CHANNELS}x1"
REACH = 3.4  # mean edges: about 37 neighbours


def run(quick: bool) -> list[Row]:
    """16 scalars and 16 vectors in and out, 2 rings and the centre, float32; forward, with backward, and memory."""
    operator, message_passing, field, weight = setting(quick)
    gap = float((operator(field, weight) - message_passing(field, weight)).detach().abs().max())
    if gap > 1e-4 * float(operator(field, weight).detach().abs().max()):
        raise ArithmeticError(f"the two ways differ by {gap}")

    def forward(way: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], Tensor]:
        return lambda: way(field.detach(), weight.detach())

    grad = torch.randn_like(field.detach())

    def both(way: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(way(field, weight), (field, weight), grad)

    side, block = torch.randn(1024, 1024), torch.randn(16_000_000)
    other = torch.empty_like(block)
    ways: dict[str, Callable[[], object]] = {
        "operator": forward(operator), "messages": forward(message_passing),
        "operator, both ways": both(operator), "messages, both ways": both(message_passing),
        "dense product": lambda: side @ side, "copy": lambda: other.copy_(block),
    }  # fmt: skip
    seconds = in_turns(ways, 3 if quick else 9)
    sites, pairs = len(field), operator.nnz
    what = f"{sites} vertices, {pairs / sites:.0f} neighbours, {FIELD_TYPE}"
    rows = [
        row(NAME, f"operator, forward, {what}", seconds["operator"], "ms", scale=1e3),
        row(NAME, "message passing, forward", seconds["messages"], "ms", scale=1e3),
        ratio(NAME, "operator faster by", seconds["messages"], seconds["operator"], "to reach: 15, aim 40"),
        row(NAME, "operator, forward and backward", seconds["operator, both ways"], "ms", scale=1e3),
        row(NAME, "message passing, forward and backward", seconds["messages, both ways"], "ms", scale=1e3),
        ratio(NAME, "operator faster by", seconds["messages, both ways"], seconds["operator, both ways"],
              "to reach: 15, aim 40"),
        floor_row(operator, seconds, 2 * side.numel() * len(side), 2 * block.numel() * 4),
    ]  # fmt: skip
    return [*rows, *memory_rows(quick)]


def floor_row(
    operator: mc.ops.CollapsedOperator, seconds: dict[str, list[float]], flops: int, moved: int
) -> Row:
    """The time of the layer over its floor, run by run."""
    plan = space_plan(space(1.0), operator.form)
    multiplied = multiplications(plan, operator.nnz, operator.n_sources, operator.n_sites, 1)[0]
    channels = 4 * CHANNELS
    must_move = sum(t.numel() * t.element_size() for t in (
        operator.arrays.values, operator.arrays.forward.column, operator.arrays.forward.row_start,
    )) + 4 * channels * (operator.n_sources + operator.n_sites)  # fmt: skip
    found = [
        layer / max(must_move * copy / moved, 2 * multiplied * dense / flops)
        for layer, copy, dense in zip(
            seconds["operator"], seconds["copy"], seconds["dense product"], strict=True
        )
    ]
    values = operator.arrays.values.shape[1]
    note = f"to reach: 3; {values} values a pair, {must_move / 1e6:.0f} MB, {2 * multiplied / 1e9:.2f} Gflop"
    return row(NAME, "operator, forward, over its floor", found, "x", note)


def space(edge: float) -> KernelSpace:
    """Two rings as tents and the centre; no factor of the radius but at the centre itself."""
    middle = REACH * edge / 2
    rings = [
        lambda r: torch.clamp(1 - (r / middle - 1).abs(), min=0.0),
        lambda r: torch.clamp(r / middle - 1, 0.0, 1.0),
        lambda r: (r < 1e-6 * edge).to(r.dtype),
    ]
    radial = RadialBasis.from_functions(rings, REACH * edge, inner_radius=1e-5 * edge)
    group = mc.StructureGroup.special_orthogonal(2)
    return KernelSpace(FIELD_TYPE, FIELD_TYPE, group, radial)


def setting(
    quick: bool,
) -> tuple[mc.ops.CollapsedOperator, Callable[[Tensor, Tensor], Tensor], Tensor, Tensor]:
    """The operator, the message passing, a field and weights."""
    surface = meshes.sphere(2 if quick else 5)
    edge = surface.mean_edge_length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pull = mc.over_sites(surface, surface.sites(), REACH * edge)
    kernels = space(edge)
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(len(pull), kernels.rep_in.size, generator=generator).requires_grad_()
    weight = torch.randn(kernels.dimension, generator=generator).requires_grad_()
    return pull.collapse(kernels), messages(pull, kernels), field, weight


def messages(pull: mc.Pullback, kernels: KernelSpace) -> Callable[[Tensor, Tensor], Tensor]:
    """One message an edge: `(site, neighbour)` pairs with their polar coordinates and transport, precomputed."""
    site, node = (pull.weight[..., 0] != 0).nonzero(as_tuple=True)
    source = pull.index[site, node, 0]
    places = pull.nodes[site, node]
    angle = torch.atan2(places[:, 1], places[:, 0])
    transport = pull.transport[site, node, 0]
    before = torch.atan2(transport[:, 1, 0], transport[:, 0, 0]) - angle
    size = pull.node_weights[site, node] * pull.weight[site, node, 0]
    radii = torch.linalg.vector_norm(places, dim=-1)
    rings = (kernels.radial(radii) * size[:, None]).float()
    # Orders above 0 have no direction at the centre: there only the part of order 0 acts.
    centre = kernels.radial.count - 1
    index, coefficient = edge_weights(kernels, centre)
    turn_in, turn_out = (torch.stack([a.cos(), a.sin()], -1).float() for a in (before, angle))
    rows = len(pull)

    def layer(field: Tensor, weight: Tensor) -> Tensor:
        matrix = gathered(weight, index, coefficient).reshape(-1, field.shape[1])
        carried = turned(field[source], turn_in)
        each = (rings[:, :, None] * carried[:, None]).flatten(1) @ matrix
        out = torch.zeros(rows, field.shape[1])
        return out.index_add(0, site, turned(each, turn_out))

    return layer


def turned(field: Tensor, by: Tensor) -> Tensor:
    """Scalars as they are, vectors turned by the angles whose cosine and sine are given."""
    scalars, vectors = field[:, :CHANNELS], field[:, CHANNELS:].unflatten(1, (CHANNELS, 2))
    x, y, c, s = vectors[..., 0], vectors[..., 1], by[:, :1], by[:, 1:]
    return torch.cat([scalars, torch.stack([c * x - s * y, s * x + c * y], -1).flatten(1)], 1)


def edge_weights(kernels: KernelSpace, centre: int) -> tuple[Tensor, Tensor]:
    """Tables of the matrix `(rings · C_in, C_out)` that messages are multiplied with, in the frame of the edge."""
    size_in, size_out, count = kernels.rep_in.size, kernels.rep_out.size, kernels.radial.count
    where, which, what = [], [], []
    for part in kernels.parts:
        solutions, rows, columns, _ = part.solutions.shape
        # At angle 0 only the cosine counts.
        at_zero = part.solutions[..., 0] * (math.sqrt(2) if part.order else 1.0)
        for n, x, y in (at_zero.abs() > 1e-12).nonzero().tolist():
            for ring in range(count if part.order == 0 else centre):
                out = part.out.start + torch.arange(part.copies[0])[:, None] * rows + x
                into = part.into.start + torch.arange(part.copies[1]) * columns + y
                copy = torch.arange(part.copies[0])[:, None] * part.copies[1] + torch.arange(part.copies[1])
                where.append(((ring * size_in + into) * size_out + out).flatten())
                which.append((part.start + (copy * solutions + n) * count + ring).flatten())
                what.append(torch.full((copy.numel(),), float(at_zero[n, x, y]), dtype=torch.float64))
    index, coefficient = by_place(
        torch.cat(where), torch.cat(which), torch.cat(what), count * size_in * size_out
    )
    return index, coefficient.float()


def memory_rows(quick: bool) -> list[Row]:
    """Peak memory of one step forward and backward above what was there before, each in a process of its own."""
    found = {}
    for way in ("operator", "messages"):
        command = [sys.executable, "-m", "benchmarks.layer", way, *(["--quick"] if quick else [])]
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=root)
        found[way] = [float(json.loads(done.stdout.splitlines()[-1]))]
    return [
        row(NAME, "operator, forward and backward, memory with its stored values", found["operator"], "MB"),
        row(NAME, "message passing, forward and backward, memory", found["messages"], "MB"),
        ratio(NAME, "operator takes less by", found["messages"], found["operator"], "to reach: 10"),
    ]


def peak(way: str, quick: bool) -> float:
    """Megabytes that one step takes at most, after a first one on a small mesh; with the operator's own arrays."""
    small_operator, small_messages, small_field, small_weight = setting(True)
    operator, message_passing, field, weight = setting(quick)
    step, warm = (operator, small_operator) if way == "operator" else (message_passing, small_messages)
    torch.autograd.grad(warm(small_field, small_weight).sum(), (small_field, small_weight))
    stored = sum(t.numel() * t.element_size() for t in operator.arrays.tensors()) if way == "operator" else 0
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before = status_bytes("VmRSS")
    torch.autograd.grad(step(field, weight).sum(), (field, weight))
    return (status_bytes("VmHWM") - before + stored) / 1e6


if __name__ == "__main__":
    print(json.dumps(peak(sys.argv[1], "--quick" in sys.argv)))
