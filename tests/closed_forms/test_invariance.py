"""What must not matter on a mesh: numbering, position, unit of length, the orientation of single faces.

Also, where the holonomy is smaller than SO(2): the base site and the paths along which frames were carried.
"""

import itertools
import math
import warnings

import pytest
import torch

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.orthogonal import rotation_matrix

TOLERANCE = 1e-10  # relative; rounding grows over the triangles that a ray crosses


def generator(seed):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def bumpy_sphere():
    vertices, faces = icosphere(2)
    return vertices * (1 + 0.15 * random(len(vertices), 1)), faces


def bumpy_cap():
    vertices, faces = bumpy_sphere()
    upper = vertices[faces][..., 2].min(dim=1).values > -0.4
    used, renumbered = faces[upper].unique(return_inverse=True)
    return vertices[used], renumbered


def bumpy_moebius(turns=24, across=5):
    """A band with a half twist, its vertices shaken; the last ring is glued to the first one upside down."""
    column, row = torch.meshgrid(torch.arange(turns), torch.arange(across), indexing="ij")
    angle = 2 * math.pi * column / turns
    offset = 0.4 * (row - (across - 1) / 2)
    reach = 2 + offset * (angle / 2).cos()
    vertices = torch.stack([reach * angle.cos(), reach * angle.sin(), offset * (angle / 2).sin()], dim=-1)
    vertices = vertices.reshape(-1, 3).double()
    vertices = vertices + 0.04 * random(len(vertices), 3)

    def number(i, j):
        return (i % turns) * across + (j if i < turns else across - 1 - j)

    faces = []
    for i, j in itertools.product(range(turns), range(across - 1)):
        a, b, c, d = number(i, j), number(i + 1, j), number(i + 1, j + 1), number(i, j + 1)
        faces += [(a, b, c), (a, c, d)]
    return vertices, torch.tensor(faces)


MESHES = {"closed": bumpy_sphere(), "with boundary": bumpy_cap(), "Möbius": bumpy_moebius()}
KERNEL = mc.kernels.gaussian(0.2)
RULE = mc.TangentRule.polar(0.5, 3, 12)


def correlate(vertices, faces, field, *, kernel=KERNEL, rule=RULE, boundary="zero", sites="vertices"):
    surface = mc.MeshSurface(vertices, faces)
    with warnings.catch_warnings():
        # The bumps are steep: some discs overlap themselves. Accuracy is not what is compared here.
        warnings.simplefilter("ignore", mc.AccuracyWarning)
        pull = mc.Pullback.build(surface, surface.sites(sites), rule, boundary=boundary)
    return mc.correlate(field, kernel, pull)


def same(found, expected):
    return float((found - expected).abs().max()) <= TOLERANCE * float(expected.abs().max())


@pytest.fixture(params=MESHES)
def mesh(request):
    return MESHES[request.param]


@pytest.fixture(params=["zero", "renormalise", "reflect"])
def boundary(request):
    return request.param


def test_the_meshes_are_what_they_are_called():
    surfaces = {name: mc.MeshSurface(*mesh) for name, mesh in MESHES.items()}
    assert [s.has_boundary for s in surfaces.values()] == [False, True, True]
    assert [s.connectivity.orientable for s in surfaces.values()] == [True, True, False]
    for surface in surfaces.values():  # no ties: all edges differ by more than rounding
        corners = surface.vertices[surface.faces]
        lengths = (corners.roll(-1, dims=1) - corners).norm(dim=-1).reshape(-1).sort().values
        apart = lengths.diff()
        assert float(apart[apart > 1e-13].min()) > 1e-9


def test_numbering_of_vertices(mesh, boundary):
    vertices, faces = mesh
    field = random(len(vertices), 1)
    new_number = torch.randperm(len(vertices), generator=generator(1))
    moved_vertices, moved_field = torch.empty_like(vertices), torch.empty_like(field)
    moved_vertices[new_number], moved_field[new_number] = vertices, field
    out = correlate(vertices, faces, field, boundary=boundary)
    renumbered = correlate(moved_vertices, new_number[faces], moved_field, boundary=boundary)
    assert same(renumbered[new_number], out)


def test_numbering_of_faces_and_of_corners_in_them(mesh, boundary):
    vertices, faces = mesh
    field = random(len(vertices), 1)
    shuffled = faces[torch.randperm(len(faces), generator=generator(1))]
    turn = torch.randint(3, (len(faces), 1), generator=generator(2))
    turned = torch.take_along_dim(shuffled, (torch.arange(3) + turn) % 3, dim=1)
    out = correlate(vertices, faces, field, boundary=boundary)
    assert same(correlate(vertices, turned, field, boundary=boundary), out)


def test_rigid_motions(mesh, boundary):
    """Of either orientation: an isotropic kernel is blind to a mirror."""
    vertices, faces = mesh
    field = random(len(vertices), 1)
    out = correlate(vertices, faces, field, boundary=boundary)
    for seed in (1, 2):
        matrix = torch.linalg.qr(random(3, 3, seed=seed)).Q
        moved = vertices @ matrix.T + torch.tensor([3.0, -2.0, 1.0], dtype=torch.float64)
        assert same(correlate(moved, faces, field, boundary=boundary), out), torch.linalg.det(matrix)


@pytest.mark.parametrize("factor", [1e-3, 7.3])
def test_units_of_length(mesh, boundary, factor):
    """An integral over the tangent plane scales as an area; a kernel of integral 1 knows no unit."""
    vertices, faces = mesh
    field = random(len(vertices), 1)
    for normalise, scale in ((False, factor**2), (True, 1.0)):
        out = correlate(
            vertices, faces, field, kernel=mc.kernels.gaussian(0.2, normalise=normalise), boundary=boundary
        )
        scaled = correlate(
            vertices * factor,
            faces,
            field,
            kernel=mc.kernels.gaussian(0.2 * factor, normalise=normalise),
            rule=mc.TangentRule.polar(0.5 * factor, 3, 12),
            boundary=boundary,
        )
        assert same(scaled, scale * out)


def test_orientation_of_single_faces(mesh, boundary):
    """Each face keeps its own; the frames of a component follow that of its first face."""
    vertices, faces = mesh
    field = random(len(vertices), 1)
    over = torch.rand(len(faces), generator=generator(3)) < 0.3
    over[0] = False
    turned = torch.where(over[:, None], faces[:, [0, 2, 1]], faces)
    out = correlate(vertices, faces, field, boundary=boundary)
    assert same(correlate(vertices, turned, field, boundary=boundary), out)


def test_orientation_of_the_whole(mesh, boundary):
    """The rule is mapped to itself by v_2 → -v_2, so turning all faces over changes nothing.

    Vertices on the boundary of an orientable mesh count their angles from the boundary edge on the clockwise
    side, which is then the other one: they get other nodes, and agree up to the error of the quadrature only.
    """
    vertices, faces = mesh
    field = random(len(vertices), 1)
    out = correlate(vertices, faces, field, boundary=boundary)
    turned = correlate(vertices, faces[:, [0, 2, 1]], field, boundary=boundary)
    surface = mc.MeshSurface(vertices, faces)
    inner = ~torch.from_numpy(surface.tables.open_fan)
    compared = inner if surface.connectivity.orientable else torch.ones_like(inner)
    assert same(turned[compared], out[compared])


def test_fields_on_faces_follow_rigid_motions_and_units():
    """The frame of a face starts at its first corner, so renumbering turns the nodes; these do not."""
    vertices, faces = bumpy_sphere()
    field = random(len(faces), 1)
    out = correlate(vertices, faces, field, sites="faces")
    matrix = torch.linalg.qr(random(3, 3, seed=1)).Q
    assert same(correlate(vertices @ matrix.T, faces, field, sites="faces"), out)


# -- surfaces whose holonomy group holds no rotations --

FLAT = {
    "cylinder": (mc.Cylinder(3.0, 1.2), ("zero", "renormalise", "reflect")),
    "torus": (mc.FlatTorus(3.0, 1.2), ("zero",)),
    "Möbius strip": (mc.MoebiusStrip(3.0, 1.2), ("zero", "renormalise", "reflect")),
    "Klein bottle": (mc.KleinBottle(3.0, 1.2), ("zero",)),
}
SHAPE = (6, 15)
CASES = [(name, boundary) for name, (_, policies) in FLAT.items() for boundary in policies]


def admissible_kernels(group):
    """Anisotropic ones; where the group reflects across the band, even across it."""
    yield mc.kernels.gabor(0.15, 0.4, (1.0, 0.0), 0.7)
    yield mc.kernels.derivative_of_gaussian(0.15, (1.0, 0.0))
    yield mc.kernels.second_derivative_of_gaussian(0.15, (0.0, 1.0), (0.0, 1.0))
    if group.name == "trivial":
        yield mc.kernels.derivative_of_gaussian(0.15, (1.0, 2.0))


@pytest.mark.parametrize(("name", "boundary"), CASES)
def test_the_base_site_does_not_matter(name, boundary):
    surface, _ = FLAT[name]
    sites, rule, field = surface.sites(shape=SHAPE), mc.TangentRule.polar(0.4, 3, 16), random(90, 2)
    first = mc.Pullback.build(surface, sites, rule, boundary=boundary)
    for base in (0, 7, 14, 44, 45, 75, 89):
        pull = mc.Pullback.build(surface, sites, rule, boundary=boundary, base=base)
        for kernel in admissible_kernels(pull.group):
            expected = mc.correlate(field, kernel, first)
            assert float(expected.abs().max()) > 1e-3
            assert float((mc.correlate(field, kernel, pull) - expected).abs().max()) < 1e-12, (base, kernel)


@pytest.mark.parametrize(("name", "boundary"), CASES)
def test_the_paths_of_the_frames_do_not_matter(name, boundary):
    """Frames carried from site 0 the long way: up to two turns round and a detour over random sites."""
    surface, _ = FLAT[name]
    sites, rule, field = surface.sites(shape=SHAPE), mc.TangentRule.polar(0.4, 3, 16), random(90, 2)
    direct = mc.Pullback.build(surface, sites, rule, boundary=boundary)
    third = [sites.points[i] for i in (5, 10)]
    for seed in range(3):
        turns = torch.randint(3, (90,), generator=generator(seed)).tolist()
        detour = torch.randint(90, (90, 2), generator=generator(seed + 10)).tolist()
        frames = []
        for site in range(90):
            path = [sites.points[0]]
            for _ in range(turns[site]):
                path += [*third, sites.points[0]]
            for i in [*detour[site], site]:
                # By way of the middle: some pairs of points are joined by two shortest lines, which is refused.
                path += [(path[-1] + sites.points[i]) / 2, sites.points[i]]
            frames.append(surface.transport(path))
        carried = mc.FrameField(torch.stack(frames))
        if direct.group.name != "trivial" and boundary != "reflect":
            signs = carried.matrices[:, 1, 1] * surface.carry_frame(sites.points)[:, 1, 1]
            assert 10 < int((signs < 0).sum()) < 80, "the paths must differ in what they do to the frame"
        pull = mc.Pullback.build(surface, sites, rule, boundary=boundary, frames=carried)
        for kernel in admissible_kernels(direct.group):
            difference = mc.correlate(field, kernel, pull) - mc.correlate(field, kernel, direct)
            assert float(difference.abs().max()) < 1e-12, (seed, kernel)


def flat_moebius_mesh(turns=10, across=4, length=5.0, height=2.0):
    """A flat band given by edge lengths, its inner vertices shaken, so that no face lies along the band."""
    grid = torch.stack(
        torch.meshgrid(
            length / turns * torch.arange(turns + 1).double(),
            height * (torch.arange(across + 1).double() / across - 0.5),
            indexing="ij",
        ),
        dim=-1,
    )
    grid[:turns, 1:-1] += 0.1 * random(turns, across - 1, 2)
    grid[turns] = grid[0].flip(0) * torch.tensor([1.0, -1.0]) + torch.tensor([length, 0.0])

    def number(i, j):
        return i * (across + 1) + j if i < turns else across - j

    faces, lengths = [], []
    for i, j in itertools.product(range(turns), range(across)):
        a, b, c, d = (i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)
        for face in ((a, b, c), (a, c, d)):
            corners = torch.stack([grid[corner] for corner in face])
            faces.append([number(*corner) for corner in face])
            lengths.append((corners.roll(-1, 0) - corners).norm(dim=1))
    return mc.MeshSurface.from_edge_lengths(torch.tensor(faces), torch.stack(lengths))


@pytest.mark.parametrize("boundary", ["zero", "renormalise", "reflect"])
@pytest.mark.parametrize("sites", ["vertices", "faces"])
def test_on_a_moebius_band_made_of_triangles_neither_base_nor_tree_matters(boundary, sites):
    """The carried frame has its first axis along the mirror, whatever the frame of the first face."""
    surface = flat_moebius_mesh()
    places, rule = surface.sites(sites), mc.TangentRule.polar(0.6, 3, 16)
    first = mc.Pullback.build(surface, places, rule, boundary=boundary)
    assert first.group == mc.StructureGroup.reflection(torch.diag(torch.tensor([1.0, -1.0]).double()))
    field = random(len(places), 2)
    kernel = mc.kernels.gabor(0.3, 0.7, (1.0, 0.0), 0.7)
    expected = mc.correlate(field, kernel, first)
    for base in (1, len(places) // 2, len(places) - 1):
        other = mc.Pullback.build(surface, places, rule, boundary=boundary, base=base)
        assert same(mc.correlate(field, kernel, other), expected)
    turn = rotation_matrix(surface.holonomy_group().axis)
    for seed in range(2):
        weights = 0.1 + torch.rand(3 * len(surface.faces), generator=generator(seed), dtype=torch.float64)
        frames = mc.FrameField(surface.carry_frame(places.points, weights=weights) @ turn)
        other = mc.Pullback.build(surface, places, rule, boundary=boundary, frames=frames)
        assert same(mc.correlate(field, kernel, other), expected)


def test_rules_that_the_holonomy_group_does_not_map_to_themselves_are_warned_of():
    """A tetrahedron turns by half a turn round each corner: an odd number of angles is no choice for it."""
    corners = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    surface = mc.MeshSurface(corners, [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    sites = surface.sites("faces")
    with pytest.warns(
        mc.AccuracyWarning, match=r"group \(C\(2\)\) moves nodes .* take n_angular a multiple of 2"
    ):
        mc.Pullback.build(surface, sites, mc.TangentRule.polar(0.3, 2, 7))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mc.Pullback.build(surface, sites, mc.TangentRule.polar(0.3, 2, 8))


@pytest.mark.parametrize("name", ["Möbius strip", "Klein bottle"])
def test_the_base_does_matter_to_inadmissible_kernels(name):
    """Which is why they are refused: the checks above can fail."""
    surface, _ = FLAT[name]
    sites, rule, field = surface.sites(shape=SHAPE), mc.TangentRule.polar(0.4, 3, 16), random(90, 2)
    odd = mc.kernels.derivative_of_gaussian(0.15, (0.0, 1.0))
    outs = [
        mc.correlate(field, odd, mc.Pullback.build(surface, sites, rule, base=base), gauge_dependent=True)
        for base in (0, 7)
    ]
    assert float((outs[0] - outs[1]).abs().max()) > 0.1 * float(outs[0].abs().max())


@pytest.mark.parametrize("name", FLAT)
def test_local_frames_admit_only_what_is_blind_to_frames(name):
    """On a surface with parallel frames too: nobody carried the local ones from one site to the next."""
    surface, _ = FLAT[name]
    sites, rule, field = surface.sites(shape=SHAPE), mc.TangentRule.polar(0.4, 3, 16), random(90, 1)
    local = mc.Pullback.build(surface, sites, rule, frames="local")
    parallel = mc.Pullback.build(surface, sites, rule)
    isotropic = mc.kernels.gaussian(0.15)
    difference = mc.correlate(field, isotropic, local) - mc.correlate(field, isotropic, parallel)
    assert float(difference.abs().max()) < 1e-12
    for kernel in admissible_kernels(parallel.group):
        with pytest.raises(mc.HolonomyError):
            mc.correlate(field, kernel, local)
