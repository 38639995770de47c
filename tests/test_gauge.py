"""Gauge equivariance: other frames at the sites change the coordinates of a correlation, not what it is."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import manifoldconv as mc
from manifoldconv.kernels import KernelSpace, RadialBasis
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.representations import Representation

MESHES = Path(__file__).parent.parent / "meshes"
TYPES = ("0", "sign", "1", "2", "3", "2x0 + 1x1")
PAIRS = [(a, b) for a in TYPES for b in TYPES]
O2, SO2 = mc.StructureGroup.orthogonal(2), mc.StructureGroup.special_orthogonal(2)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_orthogonal(count, seed=0, mirrors=True):
    """Independent elements of O(2) (half of them reflections) or SO(2)."""
    generator = torch.Generator().manual_seed(seed)
    turns = rotation_matrix(2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64))
    signs = torch.randint(2, (count,), generator=generator) * 2.0 - 1.0 if mirrors else torch.ones(count)
    return turns @ torch.diag_embed(torch.stack([torch.ones(count), signs], dim=-1).double())


def bumpy(subdivisions, cut=None):
    """A sphere with bumps, so that no two places are alike; above the height `cut` where one is given."""
    vertices, faces = icosphere(subdivisions)
    vertices = vertices * (1 + 0.15 * torch.sin(vertices @ random(3, 1, seed=9)))
    if cut is not None:
        upper = vertices[faces][..., 2].min(dim=1).values > cut
        used, faces = faces[upper].unique(return_inverse=True)
        vertices = vertices[used]
    return vertices, faces


def surfaces():
    yield "closed", mc.MeshSurface(*bumpy(2)), 0.5
    yield "with boundary", mc.MeshSurface(*bumpy(2, cut=-0.2)), 0.5
    yield "Möbius band", mc.load_mesh(MESHES / "moebius.ply"), 0.15
    yield "Klein bottle", mc.load_mesh(MESHES / "klein.ply"), 0.4


@pytest.fixture(scope="module")
def pulls():
    """A pullback for each surface, in the vertices' own frames."""
    return {
        name: mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(radius, 2, 12), frames="local")
        for name, surface, radius in surfaces()
    }


NAMES = ["closed", "with boundary", "Möbius band", "Klein bottle"]


def part(pull, count):
    """The same for some of the sites, spread over all."""
    rows = torch.arange(count) * len(pull) // count
    gauge = None if pull.gauge is None else pull.gauge[rows]
    blocks = {name: getattr(pull, name)[rows] for name in ("index", "weight", "transport")}
    return rows, replace(pull, **blocks, gauge=gauge)


def some_kernel(rep_in, rep_out, group, radius, seed=5):
    space = KernelSpace(rep_in, rep_out, group, RadialBasis.gaussian_rings(radius, 2))
    return space.kernel(random(space.dimension, seed=seed))


def act(rep, g, field):
    """ρ(g_p) f(p)."""
    return (rep.matrix(g).to(field.dtype) @ field[..., None])[..., 0]


def relative(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def equivariance_error(pull, turned, g, kernel, count, dtype=torch.float64):
    """How far out' is from ρ_out(g) out, where the input is ρ_in(g) f, relative to the output."""
    field = random(pull.n_sources, kernel.rep_in.size, seed=2)
    rows, before = part(pull, count)
    _, after = part(turned, count)
    # That the kernel is admissible is checked once, below; here it would take most of the time.
    out = mc.correlate(field.to(dtype), kernel, before, gauge_dependent=True)
    moved = mc.correlate(act(kernel.rep_in, g, field).to(dtype), kernel, after, gauge_dependent=True)
    assert float(out.abs().max()) > 1e-3
    return relative(moved, act(kernel.rep_out, g[rows], out))


@pytest.mark.parametrize("name", NAMES)
def test_every_pair_of_field_types_changes_by_the_representation(pulls, name):
    """Exactly, by rotations and reflections: sums of at most 24 x 3 products, so rounding is all that is left."""
    pull = pulls[name]
    g = random_orthogonal(len(pull), seed=1)
    turned = pull.change_gauge(g)
    assert turned.group.name == "O(2)"
    for rep_in, rep_out in PAIRS:
        if {rep_in, rep_out} == {"0", "sign"}:
            assert KernelSpace(rep_in, rep_out, O2).dimension == 0  # O(2) admits none
            continue
        kernel = some_kernel(rep_in, rep_out, O2, pull.rule.radius)
        assert equivariance_error(pull, turned, g, kernel, 16) < 1e-11, (rep_in, rep_out)
        if name == "closed" or rep_in == rep_out:
            single = equivariance_error(pull, turned, g, kernel, 16, torch.float32)
            assert single < 1e-5, (rep_in, rep_out)


def test_these_kernels_are_admitted_before_and_after():
    rule = mc.TangentRule.polar(0.5, 2, 7)
    for rep_in, rep_out in PAIRS:
        if {rep_in, rep_out} != {"0", "sign"}:
            mc.kernels.require_admissible(some_kernel(rep_in, rep_out, O2, 0.5), O2, rule)


@pytest.mark.parametrize("name", NAMES)
def test_all_sites_and_all_types_at_once(pulls, name):
    pull = pulls[name]
    g = random_orthogonal(len(pull), seed=3)
    kernel = some_kernel("0 + sign + 1", "0 + sign + 2", O2, pull.rule.radius)
    turned = pull.change_gauge(g)
    assert equivariance_error(pull, turned, g, kernel, len(pull)) < 1e-11


@pytest.mark.parametrize("name", ["closed", "with boundary"])
def test_kernels_of_rotations_alone(pulls, name):
    """Curl-like kernels exist for SO(2) only: rotations change them by the representation, reflections do not."""
    pull = pulls[name]
    rotations = random_orthogonal(len(pull), seed=1, mirrors=False)
    turned, mirrored = pull.change_gauge(rotations), pull.change_gauge(random_orthogonal(len(pull), seed=1))
    assert turned.group.name == "SO(2)"
    for rep_in, rep_out in [("0", "1"), ("1", "0"), ("1", "1"), ("1", "2"), ("2", "3"), ("2x0 + 1x1",) * 2]:
        kernel = some_kernel(rep_in, rep_out, SO2, pull.rule.radius)
        assert equivariance_error(pull, turned, rotations, kernel, 16) < 1e-11, (rep_in, rep_out)
        with pytest.raises(mc.HolonomyError, match=r"holonomy group \(O\(2\)\)"):
            mc.correlate(random(len(pull), kernel.rep_in.size), kernel, mirrored)


def test_the_check_can_fail(pulls):
    """A kernel that is not admissible, let through, does change: by about its own size."""
    pull = pulls["closed"]
    g = random_orthogonal(len(pull), seed=1)
    rep = Representation("1", O2)
    kernel = mc.kernels.Kernel.from_function(
        lambda v: (
            torch.exp(-(v**2).sum(-1))[..., None, None] * torch.tensor([[1.0, 0.0], [0.0, 0.0]]).double()
        ),
        "the first component",
        rep_in=rep,
        rep_out=rep,
    )
    field = random(len(pull), 2)
    with pytest.raises(mc.HolonomyError, match="the first component, from 1x1 to 1x1, is not invariant"):
        mc.correlate(field, kernel, pull)
    out = mc.correlate(field, kernel, pull, gauge_dependent=True)
    moved = mc.correlate(act(rep, g, field), kernel, pull.change_gauge(g), gauge_dependent=True)
    assert relative(moved, act(rep, g, out)) > 0.3


def test_changes_of_gauge_compose(pulls):
    pull = pulls["with boundary"]
    g, h = (random_orthogonal(len(pull), seed=seed) for seed in (1, 2))
    twice, once = pull.change_gauge(g).change_gauge(h), pull.change_gauge(h @ g)
    assert torch.allclose(twice.transport, once.transport, rtol=0, atol=1e-14)
    assert torch.allclose(twice.gauge, once.gauge, rtol=0, atol=1e-14)
    assert torch.allclose(twice.nodes, once.nodes, rtol=0, atol=1e-14)
    back = pull.change_gauge(g).change_gauge(g.mT)
    assert torch.allclose(back.transport, pull.transport, rtol=0, atol=1e-14)
    kernel = some_kernel("1", "2", O2, pull.rule.radius)
    field = random(len(pull), 2)
    assert relative(mc.correlate(field, kernel, back), mc.correlate(field, kernel, pull)) < 1e-13


@pytest.mark.parametrize("boundary", ["renormalise", "reflect"])
def test_the_boundary_policies_keep_it(boundary):
    surface = mc.MeshSurface(*bumpy(1, cut=-0.2))
    pull = mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(0.5, 2, 12), boundary=boundary)
    g = random_orthogonal(len(pull), seed=4)
    turned = pull.change_gauge(g)
    for pair in [("0", "1"), ("1", "0"), ("2x0 + 1x1", "2x0 + 1x1"), ("sign", "2")]:
        kernel = some_kernel(*pair, O2, pull.rule.radius)
        assert equivariance_error(pull, turned, g, kernel, len(pull)) < 1e-11, pair


@pytest.mark.parametrize("group", [mc.StructureGroup.dihedral(4), mc.StructureGroup.cyclic(4)])
def test_regular_fields_on_flat_surfaces(group):
    """A frame that is carried, then turned by elements of a finite group; fields on the group's elements."""
    torus = mc.FlatTorus(1.0, 1.3)
    pull = mc.Pullback.build(torus, torus.sites(shape=(6, 7)), mc.TangentRule.polar(0.3, 2, 8))
    assert pull.group.name == "trivial"
    elements = group.elements()
    g = elements[torch.randint(len(elements), (len(pull),), generator=torch.Generator().manual_seed(0))]
    turned = pull.change_gauge(g)
    assert turned.group == group
    for rep_in, rep_out in [("0", "regular"), ("regular", "1")]:
        kernel = some_kernel(rep_in, rep_out, group, pull.rule.radius)
        assert equivariance_error(pull, turned, g, kernel, len(pull)) < 1e-11, (rep_in, rep_out)


def test_building_again_with_turned_frames_differs_by_the_angular_quadrature():
    """Then the nodes turn too: what is left falls with the number of angles.

    The integrand is continuous but for jumps behind vertices of a size that their curvature gives, and has kinks at
    edges: equal angles are of order 1 at least. Measured at 16, 48, 144
    angles: 0 → 0 3.6e-4, 1.3e-4, 2.4e-5; 0 → 1 3.3e-3, 7.3e-4, 2.4e-4; 1 → 1 6.2e-3, 1.8e-3, 6.1e-4; 1 → 2 5.2e-2,
    1.4e-2, 5.2e-3: slopes of -1.05 to -1.23.
    """
    surface = mc.MeshSurface(*bumpy(2))
    sites = surface.sites()
    turns = random_orthogonal(len(sites), seed=7, mirrors=False)
    counts, errors = (16, 48, 144), {pair: [] for pair in [("0", "0"), ("0", "1"), ("1", "1"), ("1", "2")]}
    for n_angular in counts:
        rule = mc.TangentRule.polar(0.5, 3, n_angular)
        plain = mc.Pullback.build(surface, sites, rule)
        again = mc.Pullback.build(surface, sites, rule, frames=mc.FrameField(turns))
        assert again.group is None
        for pair, found in errors.items():
            kernel = some_kernel(*pair, O2, rule.radius)
            field = surface_field(surface, kernel.rep_in)
            out = mc.correlate(field, kernel, plain, gauge_dependent=True)  # admitted, as checked above
            expected = act(kernel.rep_out, turns.mT, out)
            came = mc.correlate(act(kernel.rep_in, turns.mT, field), kernel, again)
            found.append(relative(came, expected))
    for pair, found in errors.items():
        slope = math.log(found[-1] / found[0]) / math.log(counts[-1] / counts[0])
        assert slope < -0.8, (pair, found)
        assert found[0] > 1e-7, "the turned nodes are other nodes"


def surface_field(surface, rep):
    """A smooth field in the frames of the vertices: functions and constant vectors of space, projected."""
    points = surface.vertex_points()
    if rep.size == 1:
        return torch.sin(surface.vertices @ random(3, 1, seed=3))
    return surface.to_tangent(points, torch.sin(surface.vertices.roll(1, dims=1) + 0.3))


# -- orientation --


def typed_result(vertices, faces, kernel, field_type_in):
    surface = mc.MeshSurface(vertices, faces)
    pull = mc.Pullback.build(
        surface, surface.sites(), mc.TangentRule.polar(0.5, 3, 24), boundary="zero", frames="local"
    )
    return surface, mc.correlate(field_type_in(surface), kernel, pull)


@pytest.mark.parametrize("pair", [("0", "1"), ("1", "0"), ("1", "1")])
@pytest.mark.parametrize("group", [O2, SO2], ids=["O(2)", "SO(2)"])
def test_turning_single_faces_over_changes_nothing(pair, group):
    vertices, faces = bumpy(2)
    kernel = some_kernel(*pair, group, 0.5)
    over = torch.rand(len(faces), generator=torch.Generator().manual_seed(3)) < 0.3
    over[0] = False
    turned = torch.where(over[:, None], faces[:, [0, 2, 1]], faces)
    outs = [
        typed_result(vertices, listing, kernel, lambda s: surface_field(s, kernel.rep_in))[1]
        for listing in (faces, turned)
    ]
    assert relative(outs[1], outs[0]) < 1e-11


def ambient_output(surface, out):
    return surface.to_ambient(surface.vertex_points(), out) if out.shape[-1] == 2 else out


@pytest.mark.parametrize(
    ("pair", "sign"),
    [
        (("0", "0"), 1),
        (("0", "1"), 1),
        (("1", "0"), 1),
        (("1", "1"), 1),
        (("1", "sign"), -1),
        (("sign", "1"), -1),
    ],
)
def test_turning_a_component_over_gives_the_signs_of_the_field_types(pair, sign):
    """O(2) kernels: vectors of space stay, a sign field changes its sign (its reference is the orientation)."""
    vertices, faces = bumpy(2)
    kernel = some_kernel(*pair, O2, 0.5)
    outs = []
    for listing in (faces, faces[:, [0, 2, 1]]):
        surface, out = typed_result(vertices, listing, kernel, lambda s: surface_field(s, kernel.rep_in))
        outs.append(ambient_output(surface, out))
    assert float(outs[0].abs().max()) > 1e-3
    assert relative(outs[1], sign * outs[0]) < 1e-11


@pytest.mark.parametrize("pair", [("0", "1"), ("1", "0"), ("1", "1")])
def test_turning_a_component_over_mirrors_kernels_of_rotations_alone(pair):
    """SO(2) kernels become ρ_out(m) k(m v) ρ_in(m): gradients stay, their quarter turns change sign."""
    vertices, faces = bumpy(2)
    kernel = some_kernel(*pair, SO2, 0.5)
    mirror = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    rep_in, rep_out = (Representation(name, O2) for name in pair)
    mirrored = replace(
        kernel, function=lambda v: rep_out.matrix(mirror) @ kernel(v @ mirror) @ rep_in.matrix(mirror)
    )
    results = []
    for listing, k in [(faces, kernel), (faces[:, [0, 2, 1]], kernel), (faces[:, [0, 2, 1]], mirrored)]:
        surface, out = typed_result(vertices, listing, k, lambda s: surface_field(s, kernel.rep_in))
        results.append(ambient_output(surface, out))
    plain, over, with_the_mirror_image = results
    assert relative(over, plain) > 0.1
    assert relative(with_the_mirror_image, plain) < 1e-11
