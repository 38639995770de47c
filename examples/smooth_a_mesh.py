"""A noisy signal on a mesh is smoothed, and a picture drawn: the job that most people come with.

Writes smooth.png to the current folder.
"""

from pathlib import Path

import torch

import manifoldconv as mc
from manifoldconv.plot import Camera, figure_convolution

MESHES = Path(__file__).parent.parent / "meshes"

surface = mc.load_mesh(MESHES / "genus2.ply")
radius = 5 * surface.mean_edge_length
kernel = mc.kernels.gaussian(radius / 3, normalise=True)  # its integral is 1: a weighted mean

clean = torch.sin(3 * surface.vertices[:, :1])  # (vertices, channels)
noise = torch.randn(clean.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
pull = mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(radius, n_radial=8, n_angular=32))
smooth = mc.correlate(clean + noise, kernel, pull)

before = float(noise.square().mean().sqrt())
after = float((smooth - clean).square().mean().sqrt())
print(f"{surface.n_vertices} vertices, holonomy group {surface.holonomy_group().name}")
print(f"error of the noisy signal {before:.3f}, of the smoothed one {after:.3f}")

figure_convolution(
    "smooth.png",
    surface.vertices,
    surface.faces,
    (clean + noise)[:, 0],
    smooth[:, 0],
    lambda v: kernel(torch.as_tensor(v)),
    radius,
    camera=Camera(azimuth=20, elevation=35, up="z"),
)
print("wrote smooth.png")
if after > before / 4:
    raise SystemExit("smoothing did not take three quarters of the noise away")
