"""Make the meshes of this folder and their table: `python meshes/make.py [--check]`.

Every shape is made by arithmetic alone (no random numbers), so a second run gives the same files; `--check`
makes them again in memory and compares, to 1e-9 because the last digits of sine and cosine differ between
machines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

from implicit import fox, mesh_of, octopus, tori  # noqa: E402

from manifoldconv.surface.io import read_mesh, write_mesh  # noqa: E402

Array = np.ndarray
Mesh = tuple[Array, Array]


# building blocks


def grid_faces(rows: int, columns: int, mirror_seam: bool = False, open_columns: bool = False) -> Array:
    """Two triangles for each cell of a grid of vertices (row, column) → row * columns + column.

    The rows close up. The columns close up unless `open_columns`. With `mirror_seam` the last row is followed
    by the first one read backwards (Möbius band, Klein bottle).
    """
    row, column = np.indices((rows, columns - 1 if open_columns else columns)).reshape(2, -1)

    def vertex(r: Array, c: Array) -> Array:
        c = c % columns
        flipped = np.where((r == rows) & mirror_seam, columns - 1 - c, c)
        return (r % rows) * columns + flipped

    a, b = vertex(row, column), vertex(row + 1, column)
    c, d = vertex(row + 1, column + 1), vertex(row, column + 1)
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


def with_shorter_diagonals(points: Array, faces: Array) -> Array:
    """The faces of `grid_faces`, each cell split along the shorter of its diagonals."""
    (a, b, c), d = faces[: len(faces) // 2].T, faces[len(faces) // 2 :, 2]
    first, second = (
        np.linalg.norm(points[a] - points[c], axis=1),
        np.linalg.norm(points[b] - points[d], axis=1),
    )
    other = (second < first)[:, None]
    upper = np.where(other, np.stack([a, b, d], axis=1), np.stack([a, b, c], axis=1))
    lower = np.where(other, np.stack([b, c, d], axis=1), np.stack([a, c, d], axis=1))
    return np.concatenate([upper, lower])


def weld(triangles: Array) -> Mesh:
    """Vertices and faces of `(F, 3, 3)` corners; positions equal to 1e-9 are one vertex."""
    corners = triangles.reshape(-1, 3)
    _, first, inverse = np.unique(np.round(corners, 9) + 0.0, axis=0, return_index=True, return_inverse=True)
    return corners[first], inverse.reshape(-1, 3)


def subdivided(corners: Array, parts: int) -> Array:
    """Each of the triangles `(F, 3, 3)` cut into parts² congruent ones."""
    a, b, c = (corners[:, index] for index in range(3))
    pieces = []
    for i in range(parts):
        for j in range(parts - i):
            here, right, up = (
                a + (b - a) * (p / parts) + (c - a) * (q / parts) for p, q in ((i, j), (i + 1, j), (i, j + 1))
            )
            pieces.append(np.stack([here, right, up], axis=1))
            if i + j < parts - 1:
                across = a + (b - a) * ((i + 1) / parts) + (c - a) * ((j + 1) / parts)
                pieces.append(np.stack([right, across, up], axis=1))
    return np.concatenate(pieces)


def fan(rim: Array, parts: int) -> Mesh:
    """Flat sectors from a tip at the origin to consecutive points of a closed rim, each cut into parts²."""
    return weld(subdivided(np.stack([np.zeros_like(rim), rim, np.roll(rim, -1, axis=0)], axis=1), parts))


# shapes


def icosphere(levels: int = 4) -> Mesh:
    """Icosahedron, each edge halved `levels` times, every new vertex moved to the unit sphere."""
    golden = (1 + 5**0.5) / 2
    vertices = [np.roll((0.0, s, t * golden), shift) for shift in range(3) for s in (-1, 1) for t in (-1, 1)]
    points = np.array(vertices) / np.hypot(1.0, golden)
    near = np.abs(points @ points.T - 1 / 5**0.5) < 1e-9
    faces = np.array(
        [
            (a, b, c)
            for a in range(12)
            for b in range(a)
            for c in range(b)
            if near[a, b] and near[b, c] and near[a, c]
        ]
    )
    inward = np.linalg.det(points[faces]) < 0
    faces[inward] = faces[inward][:, ::-1]
    for _ in range(levels):
        halves = np.sort(faces[:, [[1, 2], [2, 0], [0, 1]]], axis=2).reshape(-1, 2)
        ends, index = np.unique(halves, axis=0, return_inverse=True)
        middle = points[ends].sum(axis=1)
        m = len(points) + index.reshape(-1, 3)
        points = np.concatenate([points, middle / np.linalg.norm(middle, axis=1, keepdims=True)])
        a, b, c = faces.T
        parts = [
            (a, m[:, 2], m[:, 1]),
            (m[:, 2], b, m[:, 0]),
            (m[:, 1], m[:, 0], c),
            (m[:, 0], m[:, 1], m[:, 2]),
        ]
        faces = np.concatenate([np.stack(part, axis=1) for part in parts])
    return points, faces


def torus(rows: int = 80, columns: int = 32, large: float = 1.0, small: float = 0.4) -> Mesh:
    """Torus of revolution about z: radius `large` of the core circle, `small` of the tube."""
    u, v = np.meshgrid(
        2 * np.pi * np.arange(rows) / rows, 2 * np.pi * np.arange(columns) / columns, indexing="ij"
    )
    ring = large + small * np.cos(v)
    points = np.stack([ring * np.cos(u), ring * np.sin(u), small * np.sin(v)], axis=-1)
    return points.reshape(-1, 3), grid_faces(rows, columns)


def moebius(rows: int = 120, columns: int = 13, width: float = 0.8) -> Mesh:
    """Ruled band round the unit circle whose ruling turns by half a turn."""
    u, s = np.meshgrid(
        2 * np.pi * np.arange(rows) / rows, np.linspace(-width / 2, width / 2, columns), indexing="ij"
    )
    ring = 1 + s * np.cos(u / 2)
    points = np.stack([ring * np.cos(u), ring * np.sin(u), s * np.sin(u / 2)], axis=-1)
    return points.reshape(-1, 3), grid_faces(rows, columns, mirror_seam=True, open_columns=True)


def klein(rows: int = 96, columns: int = 48) -> Mesh:
    """A figure eight carried round a circle with half a turn; it passes through itself along the circle.

    No vertex lies on that circle (v is half a step off), so no two vertices coincide.
    """
    v = 2 * np.pi * (np.arange(columns) + 0.5) / columns
    u, v = np.meshgrid(2 * np.pi * np.arange(rows) / rows, v, indexing="ij")
    across, up = 0.8 * np.sin(v), 0.8 * np.sin(2 * v)
    ring = 1.7 + np.cos(u / 2) * across - np.sin(u / 2) * up
    height = np.sin(u / 2) * across + np.cos(u / 2) * up
    points = np.stack([ring * np.cos(u), ring * np.sin(u), height], axis=-1).reshape(-1, 3)
    return points, with_shorter_diagonals(points, grid_faces(rows, columns, mirror_seam=True))


def cone(sides: int = 12, parts: int = 12) -> Mesh:
    """Pyramid of slant edges 1 with the angle 3π/2 round its tip, and no curvature elsewhere inside."""
    radius = np.sin(1.5 * np.pi / sides / 2) / np.sin(np.pi / sides)
    angle = 2 * np.pi * np.arange(sides) / sides
    height = np.full(sides, -np.sqrt(1 - radius**2))
    return fan(np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1), parts)


def saddle(sides: int = 16, parts: int = 10) -> Mesh:
    """Sectors between unit vectors that rise and fall twice, with the angle 5π/2 round the middle."""
    angle = 2 * np.pi * np.arange(sides) / sides

    def rim(steepness: float) -> Array:
        rays = np.stack([np.cos(angle), np.sin(angle), steepness * np.cos(2 * angle)], axis=1)
        return rays / np.linalg.norm(rays, axis=1, keepdims=True)

    def angle_sum(rays: Array) -> float:
        return float(2 * np.arcsin(np.linalg.norm(rays - np.roll(rays, -1, axis=0), axis=1) / 2).sum())

    low, high = 0.0, 3.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if angle_sum(rim(middle)) < 2.5 * np.pi else (low, middle)
    return fan(rim(low), parts)


def cube(parts: int = 1) -> Mesh:
    """The cube [-1/2, 1/2]³, each square cut into parts² squares and each of those into two triangles."""
    squares = []
    for axis in range(3):
        for side in (-1, 1):
            normal = side * np.eye(3)[axis]
            first = np.eye(3)[(axis + 1) % 3]
            squares.append((0.5 * normal, first, np.cross(normal, first)))
    triangles = []
    for center, first, second in squares:
        for i in range(parts):
            for j in range(parts):
                a, b, c, d = (
                    center + first * ((i + p) / parts - 0.5) + second * ((j + q) / parts - 0.5)
                    for p, q in ((0, 0), (1, 0), (1, 1), (0, 1))
                )
                triangles += [(a, b, c), (a, c, d)]
    return weld(np.array(triangles))


def trefoil(rows: int = 200, columns: int = 20, small: float = 0.35) -> Mesh:
    """A tube of radius `small` round the trefoil knot (sin t + 2 sin 2t, cos t - 2 cos 2t, -sin 3t)."""
    fine = np.linspace(0.0, 2 * np.pi, 20001)
    lengths = np.linalg.norm(_trefoil_derivative(fine, 1), axis=1)
    walked = np.concatenate([[0.0], np.cumsum((lengths[1:] + lengths[:-1]) / 2)])
    t = np.interp(walked[-1] * np.arange(rows) / rows, walked, fine)  # equal steps of length
    velocity, acceleration = _trefoil_derivative(t, 1), _trefoil_derivative(t, 2)
    binormal = np.cross(velocity, acceleration)
    binormal /= np.linalg.norm(binormal, axis=1, keepdims=True)
    tangent = velocity / np.linalg.norm(velocity, axis=1, keepdims=True)
    normal = np.cross(binormal, tangent)
    angle = 2 * np.pi * np.arange(columns)[:, None] / columns
    points = _trefoil_derivative(t, 0)[:, None] + small * (
        np.cos(angle) * normal[:, None] + np.sin(angle) * binormal[:, None]
    )
    # Round the normal towards the binormal is the other way than on the torus: the faces turn over.
    return points.reshape(-1, 3), grid_faces(rows, columns)[:, ::-1]


def _trefoil_derivative(t: Array, order: int) -> Array:
    """The curve (order 0) or its derivative: differentiating shifts the phase by a quarter turn."""
    shift = order * np.pi / 2
    x = np.sin(t + shift) + 2 * 2**order * np.sin(2 * t + shift)
    y = np.cos(t + shift) - 2 * 2**order * np.cos(2 * t + shift)
    return np.stack([x, y, -(3**order) * np.sin(3 * t + shift)], axis=1)


SHAPES: dict[str, tuple[Callable[[], Mesh], str]] = {
    "icosphere": (icosphere, "unit sphere: every vertex at distance 1 from the origin; total curvature 4π"),
    "torus": (torus, "torus of revolution about z, R = 1, r = 0.4 (smooth area 4π²Rr = 15.791)"),
    "genus2": (
        lambda: mesh_of(
            tori([(-0.9, 0), (0.9, 0)], 0.7, 0.27, 0.25), ([-2.1, -1.21, -0.433], [2.1, 1.2, 0.43]), 0.0753
        ),
        "two tori joined smoothly; total curvature -4π",
    ),
    "genus3": (
        lambda: mesh_of(
            tori([(0.0, 0.96), (-0.8314, -0.48), (0.8314, -0.48)], 0.68, 0.27, 0.25),
            ([-2.1, -1.71, -0.433], [2.1, 2.2, 0.43]),
            0.0803,
        ),
        "three tori in a triangle joined smoothly, and no hole between them but theirs; total curvature -8π",
    ),
    "moebius": (moebius, "ruled Möbius band round the unit circle, width 0.8: one side, one boundary loop"),
    "klein": (klein, "Klein bottle, immersed as a figure eight carried round; total curvature 0"),
    "cone": (
        cone,
        "pyramid of 12 flat sides: curvature π/2 at the tip (angle 3π/2), 0 at all other inner vertices",
    ),
    "saddle": (
        saddle,
        "16 flat sectors: curvature -π/2 in the middle (angle 5π/2), 0 at all other inner vertices",
    ),
    "cube": (cube, "unit cube: curvature π/2 at each of the 8 vertices"),
    "cube_fine": (
        lambda: cube(10),
        "unit cube, 10 × 10 squares a side: curvature π/2 at the 8 corners, 0 elsewhere",
    ),
    "trefoil": (trefoil, "tube of radius 0.35 round the trefoil knot; total curvature 0"),
    "octopus": (
        lambda: mesh_of(octopus, ([-2.1123, -2.1217, -0.1331], [2.2, 2.2, 1.7]), 0.0363),
        "an octopus with eight curled arms: organic shape with limbs; total curvature 4π",
    ),
    "fox": (
        lambda: mesh_of(fox, ([-1.83, -0.4623, -0.1021], [1.5, 0.5, 1.85]), 0.0267),
        "a fox at a walk: organic shape with head, ears, legs and tail; total curvature 4π",
    ),
}


# the table


def corner_angles(vertices: Array, faces: Array) -> Array:
    """`(F, 3)`, in radians."""
    points = vertices[faces]
    p, q = np.roll(points, -1, axis=1) - points, np.roll(points, -2, axis=1) - points
    return np.arctan2(np.linalg.norm(np.cross(p, q), axis=2), (p * q).sum(axis=2))


def figures(vertices: Array, faces: Array) -> dict[str, object]:
    """The geometry of one connected manifold mesh without unreferenced vertices."""
    directed = np.roll(faces, 0, axis=1)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    rim = edges[uses == 1]
    loops = _components(rim)
    oriented = len(np.unique(directed, axis=0)) == len(directed)
    euler = len(vertices) - len(edges) + len(faces)
    angles = corner_angles(vertices, faces)
    defect = 2 * np.pi - np.bincount(faces.reshape(-1), weights=angles.reshape(-1))
    inner = np.ones(len(vertices), dtype=bool)
    inner[rim] = False
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    return {
        "vertices": len(vertices),
        "faces": len(faces),
        "edges": len(edges),
        "euler_characteristic": euler,
        "genus": (2 - euler - loops) // 2 if oriented else None,
        "boundary_loops": loops,
        "orientable": oriented,
        "area": float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2),
        "volume": float((a * np.cross(b, c)).sum() / 6) if oriented and loops == 0 else None,
        "mean_edge": float(lengths.mean()),
        "min_angle_degrees": float(np.degrees(angles.min())),
        "inner_curvature": float(defect[inner].sum()),
        "largest_curvature": float(defect[inner].max()),
        "smallest_curvature": float(defect[inner].min()),
    }


def _components(edges: Array) -> int:
    """The number of connected groups of edges."""
    root = {int(vertex): int(vertex) for vertex in edges.reshape(-1)}

    def find(vertex: int) -> int:
        while root[vertex] != vertex:
            root[vertex] = root[root[vertex]]
            vertex = root[vertex]
        return vertex

    for a, b in edges.tolist():
        root[find(a)] = find(b)
    return len({find(vertex) for vertex in root})


def readme_table(table: dict[str, dict[str, object]]) -> str:
    """The table of README.md."""
    keys = ["vertices", "faces", "edges", "euler_characteristic", "genus", "boundary_loops", "orientable"]
    heads = ["file", "vertices", "faces", "edges", "Euler char.", "genus", "boundary loops", "orientable"]
    heads += ["area", "mean edge", "min angle (deg)", "∑ curvature inside", "what it is"]
    rows = [heads, ["---"] * len(heads)]
    for name, row in table.items():
        cells = [f"{name}.ply"] + [
            {True: "yes", False: "no", None: "-"}.get(row[key], str(row[key])) for key in keys[6:]
        ]
        counts = ["-" if row[key] is None else str(row[key]) for key in keys[:6]]
        cells = [cells[0], *counts, cells[1]]
        cells += [f"{row['area']:.6f}", f"{row['mean_edge']:.5f}", f"{row['min_angle_degrees']:.1f}"]
        cells += [
            f"{row['inner_curvature'] / np.pi + 0.0:.4f} π".replace("-0.0000", "0.0000"),
            str(row["what"]),
        ]
        rows.append(cells)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


BEGIN, END = "<!-- table: made by make.py -->\n", "\n<!-- end of table -->"


def write_all() -> None:
    """Every PLY file, table.json, and the table in README.md."""
    table = {}
    for name, (shape, what) in SHAPES.items():
        vertices, faces = shape()
        path = FOLDER / f"{name}.ply"
        write_mesh(path, vertices, faces, comments=(f"{name}: {what.encode('ascii', 'replace').decode()}",))
        table[name] = {"what": what} | figures(vertices, faces)
        print(f"{path.name}: {len(vertices)} vertices, {path.stat().st_size / 1e3:.0f} kB")
    (FOLDER / "table.json").write_text(
        json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    readme = FOLDER / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    readme.write_text(head + BEGIN + readme_table(table) + END + tail, encoding="utf-8")


def differences() -> list[str]:
    """What would change if the files were made again."""
    found = []
    for name, (shape, _) in SHAPES.items():
        vertices, faces = shape()
        stored = read_mesh(FOLDER / f"{name}.ply")
        if stored.faces.shape != faces.shape or not (stored.faces == faces).all():
            found.append(f"{name}.ply: other faces")
        elif not np.allclose(stored.vertices, vertices, rtol=0, atol=1e-9):
            found.append(
                f"{name}.ply: vertices differ by up to {np.abs(stored.vertices - vertices).max():.1e}"
            )
    return found


def main() -> int:
    """0 when done or equal, 1 where `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    if parser.parse_args().check:
        found = differences()
        print("\n".join(found) or f"all {len(SHAPES)} meshes are as make.py makes them")
        return 1 if found else 0
    write_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
