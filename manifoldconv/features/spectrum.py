"""The spectrum of the Laplacian of a mesh, and the heat kernel signature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.surface.surface import MeshSurface

# Eigenvalues below this fraction of the largest one found count as 0: constants on a component.
ZERO = 1e-8


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The smallest eigenvalues of the Laplacian, with eigenfunctions: S φ_k = λ_k M φ_k.

    Attributes:
        values: `(K,)` λ_k ≥ 0, ascending, in 1 / length².
        functions: `(V, K)` φ_k at the vertices, orthonormal in Σ_i area_i φ_k φ_l; 0 at vertices of no face. Their
            signs, and the choice among equal eigenvalues, are arbitrary.
        area: `(V,)` a third of the faces round each vertex.
    """

    values: Tensor
    functions: Tensor
    area: Tensor


def spectrum(surface: MeshSurface, count: int = 128) -> Spectrum:
    """The `count` smallest eigenvalues of the cotangent Laplacian with lumped masses.

    Intrinsic: needs no embedding and no orientation. At the boundary the normal derivative is 0. Fewer are returned
    where the mesh has fewer vertices. Source: Pinkall and Polthier, "Computing discrete minimal surfaces and
    their conjugates", 1993; eigenvalues by SciPy's Lanczos solver, shifted just below 0.

    >>> import manifoldconv as mc
    >>> sphere = mc.load_mesh("meshes/icosphere.ply")
    >>> [round(float(value), 2) for value in spectrum(sphere, 4).values]  # l (l + 1) on the unit sphere: 0, 2, 2, 2
    [0.0, 2.0, 2.0, 2.0]
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a whole number ≥ 1; got {count!r}")
    used = np.flatnonzero(surface.connectivity.referenced)
    stiffness, area = laplacian(surface)
    stiffness, mass = stiffness[used][:, used], area[used]
    count = min(count, len(used))
    # In units of the mean mass, so that the solver's tolerances mean the same at any scale.
    unit = mass.mean()
    if count >= len(used) - 1:
        root = 1 / np.sqrt(mass / unit)
        values, vectors = np.linalg.eigh(stiffness.toarray() * root[:, None] * root)
        values, vectors = values[:count], vectors[:, :count] * root[:, None]
    else:
        matrix = scipy.sparse.diags_array(mass / unit).tocsc()
        # A start of its own: ARPACK's would be random, and the answer another one each time.
        start = np.ones(len(used)) + 1e-3 * np.cos(np.arange(len(used)))
        values, vectors = scipy.sparse.linalg.eigsh(
            stiffness.tocsc(), k=count, M=matrix, sigma=-1e-6, v0=start
        )
    functions = np.zeros((surface.n_vertices, count))
    functions[used] = vectors / math.sqrt(unit)
    return Spectrum(
        torch.from_numpy(np.maximum(values, 0.0) / unit),
        torch.from_numpy(functions),
        torch.from_numpy(area),
    )


def laplacian(surface: MeshSurface) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """The stiffness matrix `(V, V)`, f ↦ ½ Σ_j (cot α_ij + cot β_ij) (f_i - f_j), and the lumped masses `(V,)`."""
    tables = surface.tables
    tail = tables.tail
    head = np.roll(surface.connectivity.faces, -1, axis=1).reshape(-1)
    cotangent = (tables.chart[:, 1] / tables.chart[:, 2]).reshape(-1, 3)
    weight = 0.5 * np.roll(cotangent, -2, axis=1).reshape(-1)  # of the corner opposite the half-edge
    rows = np.concatenate([tail, head, tail, head])
    columns = np.concatenate([head, tail, tail, head])
    values = np.concatenate([-weight, -weight, weight, weight])
    shape = (surface.n_vertices, surface.n_vertices)
    stiffness = scipy.sparse.coo_array((values, (rows, columns)), shape=shape).tocsr()
    thirds = np.repeat(surface.face_areas.numpy() / 3, 3)
    return stiffness, np.bincount(tail, thirds, minlength=surface.n_vertices)


def heat_kernel_signature(surface: MeshSurface, count: int = 16, eigenvalues: int = 128) -> Tensor:
    """How much of a unit of heat is still at a vertex after a time, at `count` times, against the mean over the mesh:

        h(x, t) = A Σ_k exp(-λ_k t) φ_k(x)² / Σ_k exp(-λ_k t),    `(V, count)`

    with the total area A; the area-weighted mean of h(·, t) is 1. The times run evenly on a logarithmic scale from
    4 ln 10 / λ_max to 4 ln 10 / λ_1, with the largest and the smallest positive eigenvalue taken.

    Intrinsic: the same for isometric surfaces, whatever their place, bending, orientation or size. Source: Sun,
    Ovsjanikov and Guibas, "A concise and provably informative multi-scale signature based on heat diffusion", 2009.

    Args:
        count: number of times.
        eigenvalues: how many to take; fewer smooth the signature at short times.

    Raises:
        GeometryError: on a mesh with fewer than three vertices of faces, or only constants below the cut.
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a whole number ≥ 1; got {count!r}")
    found = spectrum(surface, eigenvalues)
    positive = found.values[found.values > ZERO * found.values[-1]]
    if len(positive) == 0:
        raise GeometryError(
            f"the first {len(found.values)} eigenfunctions are constant on components; take more eigenvalues"
        )
    low, high = 4 * math.log(10) / float(positive[-1]), 4 * math.log(10) / float(positive[0])
    times = torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64)
    decay = torch.exp(-found.values[:, None] * times)  # (K, count)
    return found.area.sum() * (found.functions.square() @ decay) / decay.sum(dim=0)
