"""All that a layer needs of a mesh, beside the operators of DiffusionNet (Sharp, Attaiki, Crane and Ovsjanikov 2022).

Those are the cotangent Laplacian with lumped masses, its first 128 eigenpairs by shift-invert Lanczos as in the
authors' code, and a least-squares gradient at every vertex, which is vectorised here and a loop in theirs.
"""

from __future__ import annotations

import numpy as np
import potpourri3d
import scipy.sparse
import scipy.sparse.linalg
import torch

import manifoldconv as mc
from benchmarks import meshes
from benchmarks.measure import Row, in_turns, ratio, row

NAME = "build"
EIGENPAIRS = 128
# Sources for which the log map of the vector heat method is measured; the time for all vertices is extrapolated.
SAMPLED = 10


def run(quick: bool) -> list[Row]:
    """A sphere of 10242 vertices, scaled unevenly so that no eigenvalue is repeated by symmetry."""
    vertices, faces = meshes.for_potpourri3d(meshes.sphere(3 if quick else 5))
    vertices = vertices * [1.0, 0.8, 0.6]
    group = mc.StructureGroup.special_orthogonal(2)

    def layer() -> mc.MeshSurface:
        surface = mc.MeshSurface(vertices, faces)
        radius = 2.5 * surface.mean_edge_length
        rule = mc.TangentRule.polar(radius, 3, 16)
        space = mc.KernelSpace("16x0 + 16x1", "16x0 + 16x1", group, mc.RadialBasis.gaussian_rings(radius, 2))
        mc.Pullback.build(surface, surface.sites(), rule).collapse(space)
        return surface

    def diffusion_net() -> None:
        laplacian, masses = laplacian_of(vertices, faces)
        eigenpairs(laplacian, masses, min(EIGENPAIRS, len(vertices) // 8))
        gradients(vertices, faces)

    def log_maps() -> None:
        solver = potpourri3d.MeshVectorHeatSolver(vertices, faces)
        for source in range(SAMPLED):
            solver.compute_log_map(source)

    # Each twice in turn: SciPy's threads go on running for a while after the last eigenpair.
    seconds = in_turns({"layer": layer, "DiffusionNet": diffusion_net}, 1 if quick else 7, warm=True)
    maps = in_turns({"maps": log_maps}, 1 if quick else 3)["maps"]
    every = [one * len(vertices) / SAMPLED for one in maps]
    mesh = f"{len(vertices)} vertices"
    return [
        row(NAME, f"mesh, pullback (48 nodes) and operator of orders 0 and 1, {mesh}", seconds["layer"], "s"),
        row(NAME, f"Laplacian, {EIGENPAIRS} eigenpairs, gradients, {mesh}", seconds["DiffusionNet"], "s"),
        ratio(
            NAME, "faster than DiffusionNet's by", seconds["DiffusionNet"], seconds["layer"], "to reach: 5"
        ),
        row(
            NAME,
            f"potpourri3d vector heat log map for every vertex, {mesh}",
            every,
            "s",
            f"for context; extrapolated from {SAMPLED} vertices",
        ),
    ]


def laplacian_of(vertices: np.ndarray, faces: np.ndarray) -> tuple[scipy.sparse.csc_matrix, np.ndarray]:
    """The cotangent Laplacian, positive semidefinite, and the lumped masses `(V,)`."""
    laplacian = scipy.sparse.csc_matrix(potpourri3d.cotan_laplacian(vertices, faces, denom_eps=1e-10))
    return laplacian, potpourri3d.vertex_areas(vertices, faces)


def eigenpairs(laplacian: scipy.sparse.csc_matrix, masses: np.ndarray, count: int) -> np.ndarray:
    """The smallest eigenvalues of L φ = λ M φ, with the shift of the authors' code."""
    shifted = laplacian + 1e-8 * scipy.sparse.identity(laplacian.shape[0], format="csc")
    values, _ = scipy.sparse.linalg.eigsh(shifted, k=count, M=scipy.sparse.diags(masses).tocsc(), sigma=1e-8)
    return values


def gradients(vertices: np.ndarray, faces: np.ndarray) -> scipy.sparse.csr_matrix:
    """The complex `(V, V)` gradient: least squares over the edges of each vertex in its tangent plane."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    tail, head = edges.T
    corners = vertices[faces]
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(
            normals, faces[:, corner], np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        )
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    first = np.cross(normals, np.eye(3)[np.abs(normals).argmin(axis=1)])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    frame = np.stack([first, np.cross(normals, first)], axis=1)
    flat = np.einsum("eij,ej->ei", frame[tail], vertices[head] - vertices[tail])
    gram = np.zeros((len(vertices), 2, 2))
    np.add.at(gram, tail, flat[:, :, None] * flat[:, None, :])
    solved = np.linalg.solve(gram[tail] + 1e-5 * np.eye(2) * np.trace(gram[tail], axis1=1, axis2=2)[:, None, None],
                             flat[:, :, None])[..., 0]  # fmt: skip
    values = solved[:, 0] + 1j * solved[:, 1]
    off = scipy.sparse.csr_matrix((values, (tail, head)), shape=(len(vertices),) * 2)
    return off - scipy.sparse.diags(np.asarray(off.sum(axis=1)).ravel())


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    from benchmarks.runner import main

    raise SystemExit(main(["--only", NAME]))
