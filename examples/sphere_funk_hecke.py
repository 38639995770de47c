"""On the sphere, spherical harmonics are eigenfunctions of every kernel that holonomy admits.

The holonomy group of the sphere is SO(2): admissible kernels are radial. For these Funk and Hecke give the eigenvalue
of degree l in closed form, here with the measure of the tangent plane: 2π ∫ k(r) P_l(cos r) r dr. Icospheres as meshes
come near it with the square of their edge length.
"""

import math

import numpy as np
import torch
from scipy.integrate import quad
from scipy.special import eval_legendre

import manifoldconv as mc
from manifoldconv.manifolds import icosphere

DEGREE, RADIUS = 4, 0.6
SIGMA = 0.25 / math.sqrt(2)  # the kernel is exp(-(r / 0.25)²)

exact = (
    2
    * math.pi
    * quad(lambda r: math.exp(-((r / 0.25) ** 2)) * eval_legendre(DEGREE, math.cos(r)) * r, 0, RADIUS)[0]
)

edges, errors = [], []
print(f"degree {DEGREE}, eigenvalue {exact:.8f}")
print("vertices   measured     relative error")
for level in (2, 3, 4):
    vertices, faces = icosphere(level)
    surface = mc.MeshSurface(vertices, faces)
    pull = mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(RADIUS, 10, 56))
    harmonic = torch.from_numpy(eval_legendre(DEGREE, surface.vertices[:, 2:].numpy()))
    response = mc.correlate(harmonic, mc.kernels.gaussian(SIGMA), pull)
    measured = float((response * harmonic).sum() / harmonic.square().sum())
    edges.append(surface.mean_edge_length)
    errors.append(abs(measured / exact - 1))
    print(f"{len(vertices):8d}   {measured:.8f}   {errors[-1]:.1e}")

order = np.polyfit(np.log(edges), np.log(errors), 1)[0]
print(f"order of convergence: {order:.2f}")
if abs(order - 2) > 0.2 or errors[-1] > 0.01:
    raise SystemExit("the responses do not converge to those of Funk and Hecke with order 2")
