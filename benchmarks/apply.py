"""The collapsed operator against gather, multiply, add over all nodes, as message passing does it."""

from __future__ import annotations

import warnings

import torch

import manifoldconv as mc
from benchmarks import meshes
from benchmarks.measure import Row, in_turns, ratio, row

NAME = "apply"
CHANNELS = 32


def run(quick: bool) -> list[Row]:
    """32 channels in float32, 96 nodes; with and without the backward pass. Both give the same numbers."""
    surface = meshes.sphere(3 if quick else 5)
    edge = surface.mean_edge_length
    rule, kernel = mc.TangentRule.polar(3 * edge, 6, 16), mc.kernels.gaussian(edge)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.AccuracyWarning)
        pull = mc.Pullback.build(surface, surface.sites(), rule)
    (exact,) = mc.ops.operators([kernel], [pull])
    operator = exact.to(dtype=torch.float32)
    count, width = len(pull), pull.index.shape[-1]
    field = torch.randn(count, CHANNELS, generator=torch.Generator().manual_seed(0))
    source = pull.index.reshape(count, -1)
    message = (mc.ops.kernel_factors(kernel, pull)[..., None] * pull.weight).reshape(count, -1).float()
    target = torch.arange(count)[:, None].expand_as(source).reshape(-1)

    def gather_multiply_add(f: torch.Tensor) -> torch.Tensor:
        messages = f[source.reshape(-1)] * message.reshape(-1, 1)
        return torch.zeros(count, CHANNELS).index_add(0, target, messages)

    gap = float((operator(field) - gather_multiply_add(field)).abs().max() / operator(field).abs().max())
    if gap > 1e-4:
        raise RuntimeError(f"the two ways disagree by {gap:.3g}: nothing to compare")
    learned = field.clone().requires_grad_()
    seconds = in_turns(
        {
            "operator": lambda: operator(field),
            "messages": lambda: gather_multiply_add(field),
            "operator, backward": lambda: torch.autograd.grad(operator(learned).sum(), learned),
            "messages, backward": lambda: torch.autograd.grad(gather_multiply_add(learned).sum(), learned),
        }
    )
    work = f"{count} vertices, {len(rule)} nodes, stencil {width}, {CHANNELS} channels"
    return [
        row(NAME, f"collapsed operator, {work}", seconds["operator"], "ms", scale=1e3),
        row(NAME, "gather, multiply, index_add", seconds["messages"], "ms", scale=1e3),
        ratio(NAME, "collapsed operator faster by", seconds["messages"], seconds["operator"]),
        row(NAME, "collapsed operator, with backward pass", seconds["operator, backward"], "ms", scale=1e3),
        row(
            NAME,
            "gather, multiply, index_add, with backward pass",
            seconds["messages, backward"],
            "ms",
            scale=1e3,
        ),
        ratio(
            NAME, "with backward pass faster by", seconds["messages, backward"], seconds["operator, backward"]
        ),
    ]
