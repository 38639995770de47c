"""On a Möbius strip a trip round the core reflects every kernel, so only half of them are allowed.

The flat strip has the holonomy group {1, reflection across the band}. A kernel that is even across the band is the same
after the trip; an odd one comes back with its sign changed and is refused, with the element that changes it. A strip of
paper is a mesh, too, and its group is found from its loops: the same on a flat one; on the twisted band in space, which
is curved a little, all of O(2).
"""

import math
from pathlib import Path

import numpy as np
import torch

import manifoldconv as mc

MESHES = Path(__file__).parent.parent / "meshes"
LENGTH, WIDTH = 12.0, 4.0

strip = mc.MoebiusStrip(LENGTH, WIDTH)
pull = mc.Pullback.build(strip, strip.sites(shape=(9, 24)), mc.TangentRule.polar(1.0, 4, 16))
field = torch.randn(9 * 24, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
along = mc.kernels.derivative_of_gaussian(0.4, (1.0, 0.0))
across = mc.kernels.derivative_of_gaussian(0.4, (0.0, 1.0))

print(f"the flat strip has the holonomy group: {strip.holonomy_group().name}")
admitted = mc.correlate(field, along, pull)
print(f"derivative along the band: admitted, responses up to {float(admitted.abs().max()):.3f}")
try:
    mc.correlate(field, across, pull)
except mc.HolonomyError as refusal:
    reason = str(refusal).partition(", so what")[0]
    print(f"derivative across the band: refused. {reason}")
else:
    raise SystemExit("a kernel that is odd across the band was let through")

# The answer is that of the double cover, a cylinder twice as long on which the field is continued by its mirror image.
image = field.reshape(9, 24)
cover = mc.Cylinder(2 * LENGTH, WIDTH)
doubled = torch.cat([image, image.flip(0)], dim=1).reshape(-1, 1)
on_cover = mc.correlate(
    doubled, along, mc.Pullback.build(cover, cover.sites(shape=(9, 48)), mc.TangentRule.polar(1.0, 4, 16))
)
difference = float((admitted.reshape(9, 24) - on_cover.reshape(9, 48)[:, :24]).abs().max())
print(f"largest difference from the double cover: {difference:.1e}")


def paper_strip(columns: int = 24, rows: int = 4) -> mc.MeshSurface:
    """Triangles of the flat strip by their edge lengths alone: no embedding is needed."""

    def vertex(i: int, j: int) -> int:
        return i * (rows + 1) + j if i < columns else rows - j  # glued upside down

    faces, lengths = [], []
    step, height = LENGTH / columns, WIDTH / rows
    for i in range(columns):
        for j in range(rows):
            a, b, c, d = vertex(i, j), vertex(i + 1, j), vertex(i + 1, j + 1), vertex(i, j + 1)
            faces += [(a, b, c), (a, c, d)]
            diagonal = math.hypot(step, height)
            lengths += [(step, height, diagonal), (diagonal, step, height)]
    return mc.MeshSurface.from_edge_lengths(np.array(faces), np.array(lengths))


paper = paper_strip().holonomy_group()
twisted = mc.load_mesh(MESHES / "moebius.ply").holonomy_group()
print(
    f"a strip of {len(paper_strip().faces)} flat triangles: {paper.name}; the band in space: {twisted.name}"
)

if difference > 1e-12 or (strip.holonomy_group().name, paper.name, twisted.name) != (
    "reflection",
    "reflection",
    "O(2)",
):
    raise SystemExit("the strip is not what it should be")
