"""Small meshes of every kind, and random fields and frames, for the tests of layers."""

import math

import torch

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.orthogonal import rotation_matrix


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def random_orthogonal(count, seed=0, mirrors=True):
    """Independent elements of O(2), half of them reflections, or of SO(2)."""
    generator = torch.Generator().manual_seed(seed)
    turns = rotation_matrix(2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64))
    if mirrors:
        turns[::2, :, 1] *= -1
    return turns


def bumpy(subdivisions, cut=None, seed=9):
    """A sphere with bumps, so that no two places are alike; above the height `cut` where one is given."""
    vertices, faces = icosphere(subdivisions)
    vertices = vertices * (1 + 0.15 * torch.sin(vertices @ random(3, 1, seed=seed)))
    vertices = vertices * (1 + 0.02 * random(len(vertices), 1, seed=seed))
    if cut is not None:
        upper = vertices[faces][..., 2].min(dim=1).values > cut
        used, faces = faces[upper].unique(return_inverse=True)
        vertices = vertices[used]
    return mc.MeshSurface(vertices, faces)


def moebius(n=24, width=4):
    """A Möbius band in space of n by `width` quads, each split in two; uneven, so that no two places are alike."""
    t = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    s = torch.linspace(-0.4, 0.4, width + 1, dtype=torch.float64)
    r = 1 + s * torch.cos(t[:, None] / 2)
    points = torch.stack([r * t[:, None].cos(), r * t[:, None].sin(), s * torch.sin(t[:, None] / 2)], dim=-1)
    points = points.reshape(-1, 3) + 0.004 * random(n * (width + 1), 3, seed=4)
    faces = []
    for i in range(n):
        for j in range(width):
            a, b = i * (width + 1) + j, i * (width + 1) + j + 1
            if i + 1 < n:
                c, d = a + width + 1, b + width + 1
            else:
                c, d = width - j, width - j - 1
            faces += [[a, c, b], [b, c, d]]
    return mc.MeshSurface(points, torch.tensor(faces))


SURFACES = {
    "closed": lambda: bumpy(2),
    "with boundary": lambda: bumpy(2, cut=-0.2),
    "Möbius band": moebius,
}
