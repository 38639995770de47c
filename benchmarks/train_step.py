"""A step of training: forward, backward and optimiser of a network of vector fields on a mesh."""

from __future__ import annotations

import torch

from benchmarks import meshes
from benchmarks.measure import Row, in_turns, row
from manifoldconv import nn

NAME = "train_step"
BLOCKS = 4


def run(quick: bool) -> list[Row]:
    """4 residual blocks (8 convolutions) of 16 vector fields, 32 channels, float32; and 16 scalars with 8 vectors."""
    surface = meshes.sphere(3 if quick else 5)
    pull = nn.mesh_pullback(surface)
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(len(pull), 3, generator=generator)
    label = torch.randint(8, (len(pull),), generator=generator)
    ways = {}
    for fields in ("16x1", "16x0 + 8x1"):
        torch.manual_seed(0)
        net = nn.TangentResNet("1x0 + 1x1", "8x0" if "x0" in fields else "4x1", fields, blocks=BLOCKS)
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)

        def step(net: torch.nn.Module = net, optimiser: torch.optim.Optimizer = optimiser) -> None:
            optimiser.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(net(field, pull), label)
            loss.backward()
            optimiser.step()

        ways[fields] = step
    seconds = in_turns(ways)
    work = f"{len(pull)} vertices, {BLOCKS} residual blocks, discs of 3 mean edges"
    return [
        row(NAME, f"forward, backward, Adam: {fields}, {work}", seconds[fields], "s", "to reach: under 1 s")
        for fields in ways
    ]
