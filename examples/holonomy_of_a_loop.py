"""A vector carried round a loop comes back turned by the curvature inside.

First round single vertices of a bumpy mesh, where that curvature is the angle defect 2π - Σ angles, then round a large
circle: the transport knows nothing of what is inside, the sum of the defects nothing of the transport.
"""

import math
from pathlib import Path

import torch

import manifoldconv as mc

MESHES = Path(__file__).parent.parent / "meshes"

surface = mc.load_mesh(MESHES / "octopus.ply")


def distance(angle: float, other: float) -> float:
    """Between two angles, modulo 2π."""
    return abs((angle - other + math.pi) % (2 * math.pi) - math.pi)


def circle(vertex: int, radius: float, corners: int = 24) -> list[mc.SurfacePoint]:
    """A polygon of points at one distance from a vertex, first = last."""
    angle = torch.arange(corners, dtype=torch.float64) * (2 * math.pi / corners)
    spokes = radius * torch.stack([angle.cos(), angle.sin()], dim=-1)
    centre = surface.vertex_points(torch.full((corners,), vertex))
    points = surface.exp(centre, spokes)
    return [*(points[i] for i in range(corners)), points[0]]


worst = 0.0
print("vertex   turned by   angle defect")
for vertex in range(0, surface.n_vertices, 1500):
    loop = surface.holonomy(circle(vertex, 0.2 * surface.mean_edge_length))
    defect = float(surface.vertex_curvature[vertex])
    worst = max(worst, distance(loop.angle, defect))
    print(f"{vertex:6d}   {math.degrees(loop.angle):8.3f}°   {math.degrees(defect):8.3f}°")

head = int(surface.vertices[:, 2].argmax())
loop = surface.holonomy(circle(head, 8 * surface.mean_edge_length))
if loop.enclosed_curvature is None:
    raise SystemExit("a circle on the head bounds a disc")
worst = max(worst, distance(loop.angle, loop.enclosed_curvature))
print(
    f"round the top of the head: turned by {math.degrees(loop.angle):.3f}°, curvature inside "
    f"{math.degrees(loop.enclosed_curvature):.3f}°"
)
print(f"largest difference modulo 360°: {math.degrees(worst):.1e}°")
if worst > 1e-9:
    raise SystemExit("the transport round a loop is not the curvature inside")
