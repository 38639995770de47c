"""Frame fields from the geometry of a mesh: directions, singular places and their indices."""

import math
from pathlib import Path

import pytest
import torch

import manifoldconv as mc
from manifoldconv import frame_fields
from manifoldconv.manifolds.sphere_sites import icosphere

MESHES = Path(__file__).parent.parent / "meshes"
WINDING = {"vertices": frame_fields.singular_faces, "faces": frame_fields.singular_vertices}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def load(name):
    return mc.load_mesh(MESHES / f"{name}.ply")


@pytest.mark.parametrize("sites", ["vertices", "faces"])
@pytest.mark.parametrize(("name", "chi"), [("icosphere", 2), ("torus", 0), ("genus2", -2), ("klein", 0)])
def test_the_indices_sum_to_the_euler_characteristic(name, chi, sites):
    """Exactly, for smooth fields and for noise (Poincaré-Hopf), on one-sided surfaces too."""
    surface = load(name)
    height = surface.vertices @ torch.tensor([0.3, 0.5, 0.8], dtype=torch.float64)
    count = len(surface.sites(sites))
    noise = mc.FrameField.from_vectors(random(count, 2))
    upward = frame_fields.gradient(surface, height, sites=sites, at_singular="nearest")
    eastward = frame_fields.ambient(surface, (1.0, 0.0, 0.0), sites=sites, at_singular="nearest")
    for field in (noise, upward, eastward):
        found = WINDING[sites](surface, field)
        assert sum(index for _, index in found) == chi
    assert len(WINDING[sites](surface, noise)) > 100


def test_height_on_a_sphere_has_its_two_poles_and_on_a_torus_four():
    """Extrema of index 1 and saddles of index -1, where the height has them (Morse)."""
    up = torch.tensor([0.3, 0.5, 0.8], dtype=torch.float64)
    for name, indices in [("icosphere", [1, 1]), ("torus", [-1, -1, 1, 1])]:
        surface = load(name)
        height = surface.vertices @ up
        field = frame_fields.gradient(surface, height, at_singular="nearest")
        found = frame_fields.singular_faces(surface, field)
        assert sorted(index for _, index in found) == indices
        levels = height[surface.faces[[face for face, _ in found]]].mean(dim=1)
        ones = [float(level) for level, (_, index) in zip(levels, found, strict=True) if index > 0]
        assert min(ones) < 0.98 * float(height.min())
        assert max(ones) > 0.98 * float(height.max())


def test_turning_faces_over_keeps_the_indices():
    vertices, faces = icosphere(2)
    over = faces.clone()
    over[5:40] = over[5:40, [0, 2, 1]]
    found = []
    for listing in (faces, over, faces[:, [0, 2, 1]]):
        surface = mc.MeshSurface(vertices, listing)
        field = frame_fields.gradient(surface, vertices @ random(3, seed=1), at_singular="nearest")
        found.append(frame_fields.singular_faces(surface, field))
    assert found[0] == found[1] == found[2]


def test_the_gradient_of_a_function_on_a_flat_patch_and_on_a_sphere():
    x, y = torch.meshgrid(torch.arange(5.0), torch.arange(4.0), indexing="ij")
    vertices = torch.stack([x, y, 0 * x], -1).reshape(-1, 3).double()
    cells = [(4 * i + j, 4 * i + 4 + j, 4 * i + 5 + j, 4 * i + 1 + j) for i in range(4) for j in range(3)]
    plate = mc.MeshSurface(vertices, [t for a, b, c, d in cells for t in ((a, b, c), (a, c, d))])
    linear = vertices @ torch.tensor([3.0, -4.0, 0.0], dtype=torch.float64)
    for sites in ("vertices", "faces"):
        field = frame_fields.gradient(plate, linear, sites=sites)
        points = plate.sites(sites).points
        ahead = plate.to_ambient(points, field.matrices[:, :, 0])
        expected = torch.tensor([0.6, -0.8, 0.0], dtype=torch.float64).expand_as(ahead)
        assert torch.allclose(ahead, expected, rtol=0, atol=1e-12)
        assert len(field.singular) == 0
    sphere = mc.MeshSurface(*icosphere(4))
    field = frame_fields.gradient(sphere, sphere.vertices[:, 2], at_singular="nearest")
    ahead = sphere.to_ambient(sphere.vertex_points(), field.matrices[:, :, 0])
    p = sphere.vertices
    north = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64) - p[:, 2:] * p
    away = p[:, 2].abs() < 0.9
    cosine = (ahead * north).sum(-1) / north.norm(dim=-1)
    # Edges of 0.07 over a length of √(1 - 0.9²) = 0.44 from the pole: angles to (0.07 / 0.44)² / 2.
    assert float((1 - cosine[away]).max()) < 0.01


def test_singular_sites_are_refused_by_name_or_filled_from_a_neighbour():
    surface = load("icosphere")
    points = surface.vertex_points()
    vectors = surface.to_tangent(points, torch.tensor([1.0, 0.0, 0.0]).double().expand(surface.n_vertices, 3))
    neighbours = [7, *{int(v) for face in surface.faces if 7 in face for v in face} - {7}]
    vectors[neighbours] = 0.0
    with pytest.raises(mc.GeometryError, match=r"vertex \d+ has length .* more like it.*at_singular="):
        frame_fields.from_vectors(surface, vectors)
    field = frame_fields.from_vectors(surface, vectors, at_singular="nearest")
    assert set(neighbours) <= set(field.singular.tolist())
    ahead = surface.to_ambient(points, field.matrices[:, :, 0])
    x = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    x_there = x - surface.vertices[7, 0] * surface.vertices[7]
    # Carried over two edges of 0.075 at a place where the field itself turns slowly.
    if float(x_there.norm()) > 0.5:
        assert float(ahead[7] @ x_there / x_there.norm()) > 0.97


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: frame_fields.gradient(s, torch.ones(s.n_vertices)), "vertex 0 has length 0"),
        (lambda s: frame_fields.gradient(s, torch.ones(s.n_vertices), at_singular="nearest"), "0 everywhere"),
        (lambda s: frame_fields.gradient(s, torch.ones(3)), r"162 vertices, shape \(162,\); got \(3,\)"),
        (lambda s: frame_fields.ambient(s, (0.0, 0.0, 0.0)), "other than 0"),
        (lambda s: frame_fields.from_vectors(s, torch.ones(4, 2)), r"shape \(162, 2\)"),
        (lambda s: frame_fields.read_frames(s, "upwards"), "gradient:SIGNAL, principal, x, y or z"),
        (lambda s: frame_fields.read_frames(s, "gradient:heat"), "heat"),
        (lambda s: frame_fields.read_frames(s, "principal", "faces"), "live on the vertices"),
        (lambda s: frame_fields.singular_faces(s, mc.FrameField(torch.eye(2)[None])), "1 frames"),
    ],
)
def test_refusals(call, message):
    surface = mc.MeshSurface(*icosphere(2))
    with pytest.raises(mc.GeometryError, match=message):
        call(surface)


def test_principal_frames_of_a_torus_follow_its_circles():
    """κ = 1 / r along the small circles and cos θ / (R + r cos θ) round the axis; nowhere equal, so no singularity."""
    surface = load("torus")
    found = frame_fields.principal(surface)
    p = surface.vertices
    distance = p[:, :2].norm(dim=-1)
    outward = (distance - 1) / 0.4
    exact = torch.stack([torch.full_like(distance, 2.5), outward / distance], -1)
    # Relative to 1 / r, at 24 vertices round the tube: (2π / 24)² / 6.
    assert float((found.curvatures - exact).abs().max()) < 0.05 * 2.5
    ahead = surface.to_ambient(surface.vertex_points(), found.frames.matrices[:, :, 0])
    east = torch.stack([-p[:, 1], p[:, 0], 0 * distance], -1) / distance[:, None]
    assert float((ahead * east).sum(-1).abs().max()) < 0.05
    assert len(found.flips) == 0
    assert len(found.frames.singular) == 0
    assert frame_fields.singular_faces(surface, found.frames) == []
    other = frame_fields.principal(surface, along="smaller").frames
    ahead = surface.to_ambient(surface.vertex_points(), other.matrices[:, :, 0])
    assert float((1 - (ahead * east).sum(-1).abs()).max()) < 0.01


def test_principal_frames_report_umbilics_and_cuts():
    """An ellipsoid of three axes has four umbilics of index 1/2 each: there are cuts between them."""
    vertices, faces = icosphere(4)
    surface = mc.MeshSurface(vertices * torch.tensor([1.0, 0.8, 0.6], dtype=torch.float64), faces)
    found = frame_fields.principal(surface, at_singular="nearest")
    assert len(found.flips) > 0
    assert sum(index for _, index in frame_fields.singular_faces(surface, found.frames)) == 2
    # Hilbert and Cohn-Vossen: x² = a² (a² - b²) / (a² - c²), y = 0, z² = c² (b² - c²) / (a² - c²).
    umbilic = torch.tensor([math.sqrt(0.36 / 0.64), 0.0, 0.6 * math.sqrt(0.28 / 0.64)]).double()
    spread = found.curvatures[:, 0] - found.curvatures[:, 1]
    near = (surface.vertices.abs() - umbilic).norm(dim=-1) < 0.06
    assert float(spread[near].max()) < 0.3 * float(spread.median())
    with pytest.raises(mc.GeometryError, match="not orientable"):
        frame_fields.principal(load("moebius"))


def test_kernels_live_in_the_frames_without_symmetry():
    """A derivative along the gradient of a function is the length of it; across it, 0."""
    surface = mc.MeshSurface(*icosphere(3))
    z = surface.vertices[:, 2]
    frames = frame_fields.read_frames(surface, "gradient:z")
    pull = mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(0.4, 5, 24), frames=frames)
    assert pull.group is None
    along, across = (
        mc.correlate(z[:, None], -1.0 * mc.kernels.derivative_of_gaussian(0.12, d), pull)[:, 0]
        for d in ((1.0, 0.0), (0.0, 1.0))
    )
    away = z.abs() < 0.8
    ratio = along / (1 - z**2).sqrt()
    assert float((ratio / ratio[away].mean() - 1)[away].abs().max()) < 0.05
    assert float(across[away].abs().max()) < 0.05 * float(along[away].max())
