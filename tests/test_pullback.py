"""Pullback: what it holds, how it is built, joined and re-expressed, and what it warns of."""

import math
import warnings

import pytest
import torch

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.orthogonal import rotation_matrix

RULE = mc.TangentRule.polar(0.4, 2, 10)
EYE = torch.eye(2, dtype=torch.float64)
MIRROR = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def mesh():
    return mc.MeshSurface(*icosphere(2))


def cases():
    """Manifold and sites: with and without holonomy, with and without boundary."""
    surface = mesh()
    strip, torus, sphere = mc.MoebiusStrip(2.0, 1.0), mc.FlatTorus(2.0, 1.2), mc.Sphere()
    plane = mc.Euclidean(2)
    return {
        "mesh": (surface, surface.sites()),
        "faces of a mesh": (surface, surface.sites("faces")),
        "Möbius strip": (strip, strip.sites(shape=(5, 10))),
        "torus": (torus, torus.sites(shape=(6, 10))),
        "sphere": (sphere, sphere.sites(icosphere=2)),
        "plane": (plane, plane.sites(shape=(6, 7), spacing=0.2)),
    }


@pytest.mark.parametrize("name", cases())
def test_shapes_and_ranges(name):
    manifold, sites = cases()[name]
    pull = mc.Pullback.build(manifold, sites, RULE)
    count, width = len(sites), pull.index.shape[-1]
    assert pull.index.shape == pull.weight.shape == (count, len(RULE), width)
    assert pull.transport.shape == (count, len(RULE), width, 2, 2)
    assert pull.index.dtype == torch.int64
    assert pull.weight.dtype == pull.transport.dtype == torch.float64
    assert len(pull) == pull.n_sources == count
    assert 0 <= int(pull.index.min()) <= int(pull.index.max()) < count
    assert float(pull.weight.min()) >= -1e-12
    assert float(pull.coverage.max()) <= 1 + 1e-12
    gap = pull.transport.mT @ pull.transport - EYE
    assert float(gap.abs().max()) < 1e-12


@pytest.mark.parametrize("name", ["mesh", "sphere", "torus"])
def test_nothing_is_outside_a_closed_manifold(name):
    manifold, sites = cases()[name]
    pull = mc.Pullback.build(manifold, sites, RULE)
    assert float((pull.coverage - 1).abs().max()) < 1e-12


def test_it_reads_the_field_where_the_geodesics_end():
    """On the round sphere: the interpolated coordinates are those of exp, to second order in the spacing."""
    sphere, rule, errors = mc.Sphere(), mc.TangentRule.polar(0.3, 2, 12), []
    for level in (2, 3):
        sites = sphere.sites(icosphere=level)
        pull = mc.Pullback.build(sphere, sites, rule)
        read = (pull.weight[..., None] * sites.points[pull.index]).sum(dim=2)
        errors.append(float((read - sphere.exp(sites.points[:, None], rule.nodes)).norm(dim=-1).max()))
    assert errors[0] < 0.05
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


def test_transport_is_that_of_the_geodesic_back_to_the_site():
    """On the sphere: a stencil's vector, taken to the site through the node, against transport in space."""
    sphere = mc.Sphere()
    sites = sphere.sites(icosphere=2)
    pull = mc.Pullback.build(sphere, sites, RULE)
    ends = sphere.geodesic(sites.points[:, None], RULE.nodes)
    there = sphere.transport_between(sites.points[pull.index], ends.end[:, :, None])
    expected = ends.transport.mT[:, :, None] @ there
    assert float((pull.transport - expected).abs().max()) < 1e-9


@pytest.mark.parametrize("name", cases())
def test_blocks_joined_are_the_whole(name):
    manifold, sites = cases()[name]
    whole = mc.Pullback.build(manifold, sites, RULE)
    blocks = list(mc.Pullback.blocks(manifold, sites, RULE, rows=17))
    assert [len(block) for block in blocks[:-1]] == [17] * (len(blocks) - 1)
    for part in ("index", "weight", "transport"):
        assert torch.equal(torch.cat([getattr(block, part) for block in blocks]), getattr(whole, part))
    assert all(block.n_sources == len(sites) and block.group == whole.group for block in blocks)


# -- frames and groups --


def test_groups():
    for name, expected in {
        "mesh": "SO(2)",
        "Möbius strip": "reflection",
        "torus": "trivial",
        "sphere": "SO(2)",
        "plane": "trivial",
    }.items():
        manifold, sites = cases()[name]
        assert mc.Pullback.build(manifold, sites, RULE).group.name == expected, name
    cylinder = mc.Cylinder(2.0, 1.0)
    sites = cylinder.sites(shape=(5, 10))
    for boundary, expected in {"zero": "trivial", "renormalise": "trivial", "reflect": "reflection"}.items():
        assert mc.Pullback.build(cylinder, sites, RULE, boundary=boundary).group.name == expected


def test_carried_frames_are_parallel_along_short_paths():
    """On the strip: between neighbours transport is the identity, except over the one seam of frames."""
    strip = mc.MoebiusStrip(2.0, 1.0)
    sites = strip.sites(shape=(5, 10))
    pull = mc.Pullback.build(strip, sites, mc.TangentRule.grid((1, 3), 0.2), base=23)
    flips = pull.transport[..., 1, 1] < 0
    read = pull.weight > 1e-9
    columns = torch.arange(50) % 10
    seam = (flips & read).any(dim=(1, 2))
    # Base in column 3: the frames carried to the left and to the right meet half way round, by column 8.
    assert set(columns[seam].tolist()) in ({8, 9}, {7, 8})
    assert float((pull.transport[read].abs() - EYE).abs().max()) < 1e-15


def test_impossible_arguments_are_refused():
    torus = mc.FlatTorus(2.0, 1.2)
    sites = torus.sites(shape=(6, 10))
    for wrong in ("clamp", None):
        with pytest.raises(ValueError, match="boundary must be"):
            mc.Pullback.build(torus, sites, RULE, boundary=wrong)
    with pytest.raises(ValueError, match="frames must be"):
        mc.Pullback.build(torus, sites, RULE, frames="global")
    for base in (-1, 60):
        with pytest.raises(mc.GeometryError, match=f"60 sites; got {base}"):
            mc.Pullback.build(torus, sites, RULE, base=base)
    with pytest.raises(mc.GeometryError, match=r"dimension 3.*dimension 2"):
        mc.Pullback.build(torus, sites, mc.TangentRule.grid((3, 3, 3), 0.1))
    with pytest.raises(mc.GeometryError, match=r"59 frames.*60 sites"):
        mc.Pullback.build(torus, sites, RULE, frames=mc.FrameField(EYE.repeat(59, 1, 1)))


# -- a change of gauge --


def random_rotations(count, seed=0):
    return rotation_matrix(2 * math.pi * torch.rand(count, generator=generator(seed), dtype=torch.float64))


@pytest.mark.parametrize("name", ["mesh", "sphere"])
def test_scalar_results_of_admissible_kernels_know_no_gauge(name):
    manifold, sites = cases()[name]
    pull, field = mc.Pullback.build(manifold, sites, RULE), random(len(sites), 2)
    turned = pull.change_gauge(random_rotations(len(sites)))
    for kernel in (mc.kernels.gaussian(0.2), mc.kernels.ring(0.2, 0.1, normalise=True)):
        for method in ("sparse", "reference"):
            difference = mc.correlate(field, kernel, turned, method=method) - mc.correlate(
                field, kernel, pull
            )
            assert float(difference.abs().max()) < 1e-12


def test_on_a_strip_frames_may_be_mirrored_but_not_turned():
    strip, sites = cases()["Möbius strip"]
    pull, field = mc.Pullback.build(strip, sites, RULE), random(50, 2)
    kernel = mc.kernels.gabor(0.2, 0.5, (1.0, 0.0), 0.3)
    signs = torch.where(torch.rand(50, generator=generator()) < 0.5, -1.0, 1.0).double()
    mirrored = pull.change_gauge(torch.diag_embed(torch.stack([torch.ones(50).double(), signs], dim=-1)))
    assert mirrored.group.name == "reflection"
    difference = mc.correlate(field, kernel, mirrored) - mc.correlate(field, kernel, pull)
    assert float(difference.abs().max()) < 1e-12
    turned = pull.change_gauge(random_rotations(50))
    assert turned.group.name == "O(2)"
    with pytest.raises(mc.HolonomyError):
        mc.correlate(field, kernel, turned)
    mc.correlate(field, mc.kernels.gaussian(0.2), turned)


def test_a_torus_loses_its_anisotropic_kernels_with_its_parallel_frames():
    torus, sites = cases()["torus"]
    pull, field = mc.Pullback.build(torus, sites, RULE), random(60, 1)
    kernel = mc.kernels.derivative_of_gaussian(0.2, (1.0, 2.0))
    mc.correlate(field, kernel, pull)
    quarters = rotation_matrix(torch.randint(4, (60,), generator=generator()).double() * math.pi / 2)
    turned = pull.change_gauge(quarters)
    assert turned.group.name == "C(4)"
    with pytest.raises(mc.HolonomyError, match=r"C\(4\)"):
        mc.correlate(field, kernel, turned)


def test_the_transport_law_and_the_nodes():
    """u' = g u: vectors carried in new coordinates are the old ones in new coordinates."""
    surface, sites = cases()["mesh"]
    pull, g = mc.Pullback.build(surface, sites, RULE), random_rotations(162)
    turned = pull.change_gauge(g)
    vectors = random(162, 2)
    old = (pull.transport @ vectors[pull.index][..., None])[..., 0]
    new_vectors = (g @ vectors[..., None])[..., 0]
    new = (turned.transport @ new_vectors[turned.index][..., None])[..., 0]
    expected = torch.einsum("pij,pqsj->pqsi", g, old)
    assert float((new - expected).abs().max()) < 1e-13
    assert torch.equal(turned.index, pull.index)
    assert torch.equal(turned.weight, pull.weight)
    assert torch.allclose(turned.nodes, torch.einsum("pij,qj->pqi", g, RULE.nodes), rtol=0, atol=0)


def test_changes_of_gauge_compose():
    surface, sites = cases()["mesh"]
    pull, g, h = mc.Pullback.build(surface, sites, RULE), random_rotations(162), random_rotations(162, 1)
    twice, once = pull.change_gauge(g).change_gauge(h), pull.change_gauge(h @ g)
    assert float((twice.transport - once.transport).abs().max()) < 1e-14
    assert float((twice.nodes - once.nodes).abs().max()) < 1e-15
    back = pull.change_gauge(g).change_gauge(g.mT)
    assert float((back.transport - pull.transport).abs().max()) < 1e-14


def test_an_inadmissible_kernel_does_depend_on_the_gauge():
    """Else the tests above could not fail."""
    surface, sites = cases()["mesh"]
    pull, field = mc.Pullback.build(surface, sites, RULE), random(162, 1)
    odd = mc.kernels.derivative_of_gaussian(0.2)
    outs = [
        mc.correlate(field, odd, p, gauge_dependent=True)
        for p in (pull, pull.change_gauge(random_rotations(162)))
    ]
    assert float((outs[0] - outs[1]).abs().max()) > 0.1 * float(outs[0].abs().max())


def test_matrices_that_are_no_gauge_are_refused():
    torus, sites = cases()["torus"]
    pull = mc.Pullback.build(torus, sites, RULE)
    g = EYE.repeat(60, 1, 1)
    g[4, 0, 1] = 0.1
    with pytest.raises(ValueError, match=r"g\[4\]"):
        pull.change_gauge(g)
    for wrong in (EYE, EYE.repeat(59, 1, 1), torch.eye(3).repeat(60, 1, 1)):
        with pytest.raises(ValueError, match="g must have"):
            pull.change_gauge(wrong)
    (block,) = mc.Pullback.blocks(torus, sites, RULE, rows=60)
    assert len(block.change_gauge(EYE.repeat(60, 1, 1))) == 60
    part = next(iter(mc.Pullback.blocks(torus, sites, RULE, rows=17)))
    with pytest.raises(ValueError, match="17 sites"):
        part.change_gauge(EYE.repeat(60, 1, 1))


def test_what_does_not_fit_the_memory_is_refused_with_what_would(monkeypatch):
    torus, sites = cases()["torus"]
    monkeypatch.setattr(
        "manifoldconv.pullback.RAYS_AT_A_TIME", 20 * len(RULE)
    )  # what one block holds is not asked
    needed = 60 * len(RULE) * 4 * (8 + 8 + 4 * 8)  # index, weight, transport
    monkeypatch.setattr("manifoldconv.ops.memory.available_memory", lambda device: needed // 2)
    with pytest.raises(
        MemoryError, match=r"for 60 sites.* 27 sites at a time would fit: .*blocks\(\.\.\., rows=27\)"
    ):
        mc.Pullback.build(torus, sites, RULE)
    monkeypatch.setattr("manifoldconv.ops.memory.available_memory", lambda device: needed)
    assert len(mc.Pullback.build(torus, sites, RULE)) == 60


# -- batches --


def test_a_batch_is_its_members_one_after_the_other():
    strip, torus = mc.MoebiusStrip(2.0, 1.0), mc.FlatTorus(2.0, 1.2)
    pulls = [
        mc.Pullback.build(torus, torus.sites(shape=(6, 10)), RULE),
        mc.Pullback.build(strip, strip.sites(shape=(5, 10)), RULE),
        mc.Pullback.build(torus, torus.sites(shape=(4, 7)), RULE).change_gauge(MIRROR.repeat(28, 1, 1)),
    ]
    together = mc.Pullback.batch(pulls)
    assert len(together) == together.n_sources == 60 + 50 + 28
    assert together.group.name == "reflection"
    field = random(2, 138, 3)
    for kernel in (mc.kernels.gabor(0.2, 0.5, (1.0, 0.0), 0.3), mc.kernels.gaussian(0.2, normalise=True)):
        parts = [
            mc.correlate(part, kernel, pull)
            for part, pull in zip(field.split([60, 50, 28], 1), pulls, strict=True)
        ]
        assert float((mc.correlate(field, kernel, together) - torch.cat(parts, dim=1)).abs().max()) < 1e-14
    with pytest.raises(mc.HolonomyError):
        mc.correlate(field, mc.kernels.derivative_of_gaussian(0.2, (0.0, 1.0)), together)


def test_batches_that_do_not_fit_are_refused():
    torus = mc.FlatTorus(2.0, 1.2)
    sites = torus.sites(shape=(6, 10))
    first = mc.Pullback.build(torus, sites, RULE)
    others = [
        mc.Pullback.build(torus, sites, mc.TangentRule.polar(0.3, 2, 10)),
        mc.Pullback.build(torus, sites, RULE, boundary="renormalise"),
    ]
    for other in others:
        with pytest.raises(ValueError, match="pullback 1"):
            mc.Pullback.batch([first, other])
    with pytest.raises(ValueError, match="at least one"):
        mc.Pullback.batch([])


def test_to_the_same_device_changes_nothing():
    torus, sites = cases()["torus"]
    pull = mc.Pullback.build(torus, sites, RULE)
    moved, field = pull.to("cpu"), random(60, 1)
    kernel = mc.kernels.gaussian(0.2)
    assert torch.equal(mc.correlate(field, kernel, moved), mc.correlate(field, kernel, pull))


# -- warnings --


def warned(build):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build()
    return [str(w.message) for w in caught if issubclass(w.category, mc.AccuracyWarning)]


def test_discs_that_overlap_themselves_are_warned_of():
    narrow = mc.FlatTorus(2.0, 0.5)
    sites = narrow.sites(shape=(6, 24))
    messages = warned(lambda: mc.Pullback.build(narrow, sites, mc.TangentRule.polar(0.4, 2, 30)))
    assert len(messages) == 1
    assert "overlaps itself" in messages[0]
    assert warned(lambda: mc.Pullback.build(narrow, sites, mc.TangentRule.polar(0.24, 2, 30))) == []
    sphere = mc.Sphere()
    (message,) = warned(
        lambda: mc.Pullback.build(sphere, sphere.sites(icosphere=1), mc.TangentRule.polar(4.0, 3, 60))
    )
    assert "overlaps itself" in message


def test_coarse_rims_are_warned_of_with_the_number_that_would_do():
    torus = mc.FlatTorus(2.0, 2.0)
    sites = torus.sites(shape=(40, 40))
    (message,) = warned(lambda: mc.Pullback.build(torus, sites, mc.TangentRule.polar(0.5, 2, 8)))
    assert "n_angular" in message
    enough = int(message.split("n_angular = ")[1].split()[0])
    assert warned(lambda: mc.Pullback.build(torus, sites, mc.TangentRule.polar(0.5, 2, enough))) == []


@pytest.mark.parametrize("name", cases())
def test_suitable_rules_are_not_warned_of(name):
    manifold, sites = cases()[name]
    assert warned(lambda: mc.Pullback.build(manifold, sites, mc.TangentRule.polar(0.4, 2, 20))) == []


def test_warnings_point_at_the_line_that_built():
    narrow = mc.FlatTorus(2.0, 0.5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mc.Pullback.build(narrow, narrow.sites(shape=(6, 24)), mc.TangentRule.polar(0.4, 2, 30))
    assert caught[0].filename == __file__


def test_sites_of_another_manifold_are_refused():
    """They would be read with another geometry, in silence."""
    strip = mc.MoebiusStrip(3.0, 1.0)
    with pytest.raises(mc.GeometryError, match="the sites are those of MoebiusStrip"):
        mc.Pullback.build(mc.Cylinder(3.0, 1.0), strip.sites(shape=(4, 12)), RULE)
    with pytest.raises(mc.GeometryError, match=r"sites are what manifold.sites\(...\) gives; got str"):
        mc.Pullback.build(strip, "vertices", RULE)
    equal = mc.MoebiusStrip(3.0, 1.0)
    assert len(mc.Pullback.build(equal, strip.sites(shape=(4, 12)), RULE)) == 48


def test_a_pullback_is_shown_in_one_line():
    strip = mc.MoebiusStrip(3.0, 1.0)
    shown = repr(mc.Pullback.build(strip, strip.sites(shape=(4, 12)), RULE))
    assert shown.startswith("Pullback(48 sites")
    assert "group reflection" in shown
    assert "\n" not in shown


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_fields_keep_their_dtype(dtype):
    strip = mc.MoebiusStrip(3.0, 1.0)
    pull = mc.Pullback.build(strip, strip.sites(shape=(6, 18)), RULE)
    field = torch.randn(108, 2, generator=torch.Generator().manual_seed(0))
    kernel = mc.kernels.gaussian(0.2, normalise=True)
    half = mc.correlate(field.to(dtype), kernel, pull)
    assert half.dtype == dtype
    assert torch.allclose(half.float(), mc.correlate(field, kernel, pull), rtol=0, atol=0.03)
