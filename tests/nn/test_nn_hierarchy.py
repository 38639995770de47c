"""Levels of sites on one manifold, and the maps between them."""

import math

import pytest
import torch
from nn_cases import SURFACES, bumpy, random

import manifoldconv as mc
from manifoldconv import nn
from manifoldconv.nn.transfer import averaging, interpolating

O2 = mc.StructureGroup.orthogonal(2)
SCALAR, VECTOR = mc.Representation("1x0", O2), mc.Representation("1x1", O2)


@pytest.mark.parametrize("name", SURFACES)
def test_constants_go_down_and_up_unchanged(surfaces, name):
    hierarchy = nn.Hierarchy.of_mesh(surfaces[name], 3, nodes=(2, 12))
    field = torch.ones(hierarchy.n_sources, 1, dtype=torch.float64)
    for down in hierarchy.down:
        field = down(field, SCALAR)
        assert torch.allclose(field, torch.ones_like(field), atol=1e-12)
    for up in reversed(hierarchy.up):
        field = up(field, SCALAR)
        assert torch.allclose(field, torch.ones_like(field), atol=1e-12)


def test_parallel_vector_fields_of_a_flat_sheet_go_down_and_up_unchanged():
    """On a flat mesh transport is that of the plane: a constant vector is the same at all levels, in any frames."""
    x, y = torch.meshgrid(*[torch.arange(8, dtype=torch.float64)] * 2, indexing="ij")
    points = torch.stack([x, y, torch.zeros_like(x)], -1).reshape(-1, 3)
    points[:, :2] += 0.1 * random(64, 2)
    quads = [(8 * i + j, 8 * i + j + 1, 8 * i + j + 8, 8 * i + j + 9) for i in range(7) for j in range(7)]
    faces = [f for a, b, c, d in quads for f in ((a, c, b), (b, c, d))]
    sheet = mc.MeshSurface(points, torch.tensor(faces))
    hierarchy = nn.Hierarchy.of_mesh(sheet, 2, nodes=(2, 12))
    vector = torch.tensor([[0.6, -0.8, 0.0]], dtype=torch.float64)
    fields = [sheet.to_tangent(sheet.vertex_points(index), vector) for index in hierarchy.chosen]
    assert torch.allclose(hierarchy.down[0](fields[0], VECTOR), fields[1], atol=1e-9)
    assert torch.allclose(hierarchy.up[0](fields[1], VECTOR), fields[0], atol=1e-9)


def test_the_chosen_vertices_are_far_from_one_another_and_nested():
    surface = bumpy(3)
    chosen = nn.farthest_vertices(surface, 40)
    assert len(set(chosen.tolist())) == 40
    assert torch.equal(nn.farthest_vertices(surface, 12), chosen[:12])
    between = torch.cdist(surface.vertices[chosen], surface.vertices[chosen]) + 9 * torch.eye(40)
    reach = torch.cdist(surface.vertices, surface.vertices[chosen]).min(1).values.max()
    # Farthest points are a 2-approximation; paths along edges and chords differ by less than a third here.
    assert between.min() > 0.6 * reach
    assert between.min() > 0.6 * math.sqrt(surface.area / 40)


def test_every_component_has_its_sites_and_too_few_are_refused():
    one = bumpy(1)
    two = mc.MeshSurface(
        torch.cat([one.vertices, one.vertices + 5]), torch.cat([one.faces, one.faces + one.n_vertices])
    )
    assert {int(v) // one.n_vertices for v in nn.farthest_vertices(two, 2)} == {0, 1}
    with pytest.raises(mc.GeometryError, match="more components than the 1 vertices"):
        nn.farthest_vertices(two, 1)
    with pytest.raises(mc.GeometryError, match="not enough for 5 levels"):
        nn.Hierarchy.of_mesh(one, 5)
    with pytest.raises(mc.GeometryError, match="100 vertices can't be chosen from a mesh with 42"):
        nn.farthest_vertices(one, 100)


def test_vertices_behind_a_saddle_read_by_paths_along_edges():
    """Many faces round one vertex: angle sum 4π, so half of what lies behind it is in shadow."""
    n = 14
    angle = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    lengths = [[1.0, 2 * math.sin(4 * math.pi / n / 2), 1.0]] * n
    faces = [[0, 1 + i, 1 + (i + 1) % n] for i in range(n)]
    cone = mc.MeshSurface.from_edge_lengths(faces, lengths)
    subset = nn.VertexSubset(cone, torch.tensor([1]))
    assert len(angle) == n
    assert torch.equal(torch.from_numpy(subset.weight).sum(1), torch.ones(n + 1, dtype=torch.float64))
    gap = torch.from_numpy(subset.transport)
    assert torch.allclose(gap @ gap.mT, torch.eye(2, dtype=torch.float64).expand_as(gap), atol=1e-12)


def on_torus(shape):
    torus = mc.FlatTorus(1.0, 1.0)
    return torus, torus.sites(shape=shape)


def test_pooling_on_a_grid_commutes_with_shifts_as_far_as_it_says():
    """Down and up, for shifts by one fine pixel, half a coarse one: the error relative to the field's size.

    A plain stride is the same with the value at the coarse site alone.
    """
    torus, fine = on_torus((32, 32))
    _, coarse = on_torus((16, 16))
    smooth = averaging(torus, fine, coarse, 1 / 16, O2)
    back = interpolating(torus, coarse, fine, O2)
    stride = interpolating(torus, fine, coarse, O2)
    k = torch.fft.fftfreq(32, 1 / 32)
    generator = torch.Generator().manual_seed(0)

    def error(pool, limit):
        wave = torch.fft.fft2(torch.randn(32, 32, dtype=torch.float64, generator=generator))
        wave = wave * ((k[:, None].abs() <= limit) & (k.abs() <= limit))
        image = torch.fft.ifft2(wave).real

        def through(picture):
            return back(pool(picture.reshape(-1, 1), SCALAR), SCALAR).reshape(32, 32)

        gap = through(image.roll(1, 1)) - through(image).roll(1, 1)
        return float(gap.square().mean().sqrt() / through(image).square().mean().sqrt())

    waves, noise = error(smooth, 4), error(smooth, 16)
    plain_waves, plain_noise = error(stride, 4), error(stride, 16)
    # Measured: 0.17 both for waves of 8 fine pixels and more, which is the interpolation back; for white noise 0.31
    # against 1.58, where a plain stride folds the short waves back.
    assert waves < 0.2, waves
    assert plain_waves < 0.2, plain_waves
    assert noise < 0.35, noise
    assert plain_noise > 1.4, plain_noise


def test_vectors_on_a_moebius_grid_are_pooled_across_the_seam():
    """The field that points along the band is parallel; across the seam nothing of it changes."""
    strip = mc.MoebiusStrip(1.0, 0.5)
    fine, coarse = strip.sites(shape=(16, 32)), strip.sites(shape=(8, 16))
    rules = [mc.TangentRule.polar(0.06, 2, 12), mc.TangentRule.polar(0.12, 2, 12)]
    hierarchy = nn.Hierarchy.build(strip, [fine, coarse], rules)
    along = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    rep = mc.Representation("1x1", hierarchy.pulls[0].group)
    assert torch.allclose(hierarchy.down[0](along.expand(512, 2), rep), along.expand(128, 2), atol=1e-9)
    across = torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(512, 2)  # of two signs at the seam
    pooled = hierarchy.down[0](across, rep).reshape(8, 16, 2)[..., 1]
    away = (pooled.abs() - 1).abs() < 1e-9  # from where the carried frames change their sign
    assert (away.sum(dim=1) >= 9).all()
    assert pooled.abs().min() < 0.9


def test_global_pooling_gives_invariants_only_and_checks_its_samples():
    pool = nn.GlobalPool("2x0 + 1x1")
    field = random(10, 4)
    out = pool(field)
    assert out.shape == (3,)
    assert torch.allclose(out[:2], field[:, :2].mean(0))
    assert torch.allclose(out[2], field[:, 2:].square().mean().sqrt())
    area = torch.rand(10, dtype=torch.float64)
    assert torch.allclose(pool(field, area=area)[:2], (area[:, None] * field[:, :2]).sum(0) / area.sum())
    with pytest.raises(ValueError, match=r"sample must have shape \(10,\).*got \(3,\)"):
        pool(field, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="without gaps; 0 has no sites"):
        pool(field, torch.ones(10, dtype=torch.int64))


def test_networks_refuse_what_is_no_hierarchy_or_has_too_few_levels(surfaces, pulls):
    net = nn.TangentUNet("1x0", "1x0", ("2x0", "2x0", "2x0"), rings=2)
    field = torch.ones(162, 1)
    with pytest.raises(ValueError, match="Hierarchy of 3 or more levels is needed; got Pullback"):
        net(field, pulls["closed"])
    short = nn.Hierarchy.of_mesh(surfaces["closed"], 2, nodes=(2, 12))
    with pytest.raises(ValueError, match="3 or more levels is needed; this one has 2"):
        net(field, short)
    with pytest.raises(ValueError, match="a radius of its own"):
        nn.TangentUNet("1x0", "1x0", ("2x0",), radius=0.3)
    with pytest.raises(ValueError, match="blocks must be a whole number, 1 or more; got 0"):
        nn.TangentUNet("1x0", "1x0", ("2x0", "4x0"), blocks=0)
    with pytest.raises(ValueError, match="takes 2 gauges, one a level; got 3"):
        short.change_gauge(*[torch.eye(2).expand(162, 2, 2)] * 3)
