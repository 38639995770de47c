"""On a flat grid the correlation on tangent planes is the convolution layer that everyone knows.

The plane has trivial holonomy: every kernel is admissible, odd ones and all. With one node of the tangent rule a pixel,
`correlate` must equal torch's `conv2d` (which, like every CNN library, computes a cross-correlation).
"""

import torch
from torch.nn.functional import conv2d

import manifoldconv as mc

generator = torch.Generator().manual_seed(0)
image = torch.randn(48, 64, dtype=torch.float64, generator=generator)
weights = torch.randn(5, 5, dtype=torch.float64, generator=generator)

plane = mc.Euclidean(2)
rule = mc.TangentRule.grid(weights.shape, spacing=1.0)
kernel = mc.kernels.table(weights / rule.weights.reshape(rule.shape), rule)
pull = mc.Pullback.build(plane, plane.sites(shape=image.shape), rule)

ours = mc.correlate(image.reshape(-1, 1), kernel, pull).reshape(image.shape)
theirs = conv2d(image[None, None], weights[None, None], padding=2)[0, 0]
difference = float((ours - theirs).abs().max())

print(f"holonomy group of the plane: {plane.holonomy_group().name}")
print(f"largest difference from torch.nn.functional.conv2d: {difference:.1e}")
if difference > 1e-12:
    raise SystemExit("the correlation on the plane is not conv2d")
