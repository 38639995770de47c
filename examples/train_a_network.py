"""A network learns on one mesh what the gradient of a signal is, and is asked on another.

Input: a scalar field. Answer: a vector field, the gradient times the disc's radius, in the frames of the vertices.
No coordinates are shown to it, and its answer turns with whatever frames are chosen.
"""

from pathlib import Path

import torch

import manifoldconv as mc
from manifoldconv import nn
from manifoldconv.testing import random_gauge

MESHES = Path(__file__).parent.parent / "meshes"
generator = torch.Generator().manual_seed(0)
torch.manual_seed(0)


def prepared(name):
    """A mesh, its pullback, and what projects vectors in space to the frames at the vertices."""
    surface = mc.load_mesh(MESHES / name)
    pull = nn.mesh_pullback(surface)
    return surface, pull, surface.frame(surface.vertex_points()).mT


def sample(surface, pull, tangent, count):
    """Waves sin(k·x) in space, restricted to the surface, and the gradients that they have on it, times the radius."""
    radius = pull.rule.radius
    k = torch.randn(count, 3, generator=generator, dtype=torch.float64) / (2 * radius)
    phase = 6.3 * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    angle = surface.vertices @ k.mT + phase.T  # (vertices, count)
    gradient = radius * angle.cos().mT[..., None] * (tangent @ k.mT).permute(2, 0, 1)
    return angle.sin().mT[..., None].float(), gradient.float()


net = nn.Sequential(
    nn.TangentConv("1x0", "4x0 + 4x1"),
    nn.ResidualBlock("4x0 + 4x1", "4x0 + 4x1"),
    nn.TangentConv("4x0 + 4x1", "1x1"),
)
print(net)
training, other = prepared("torus.ply"), prepared("genus2.ply")
optimiser = torch.optim.Adam(net.parameters(), lr=2e-2)
for step in range(30):
    field, target = sample(*training, count=2)
    loss = (net(field, training[1]) - target).square().sum() / target.square().sum()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 10 == 0 or step == 29:
        print(f"step {step:3d}: relative squared error {loss.item():.4f}")

with torch.no_grad():
    surface, pull, tangent = other
    field, target = sample(*other, count=4)
    answer = net(field, pull)
    error = float((answer - target).square().sum() / target.square().sum())
    frames = random_gauge(surface.n_vertices, mirrors=True)(generator).matrices
    turned = net(field, pull.change_gauge(frames))
    gauge = float((turned - (frames.float() @ answer[..., None])[..., 0]).abs().max())
print(f"on a mesh that it has not seen: {error:.4f}; in other frames the same to {gauge:.1e}")
if error > 0.1 or gauge > 1e-4:
    raise SystemExit("the network has not learned the gradient, or depends on the frames")
