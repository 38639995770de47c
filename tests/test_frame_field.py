"""Frame fields: orthonormal frames declared by the user."""

import math

import pytest
import torch

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.orthogonal import rotation_matrix


def test_from_vectors_turns_the_first_axis_along_them():
    angles = torch.linspace(-3, 3, 9, dtype=torch.float64)
    lengths = torch.linspace(0.1, 5, 9, dtype=torch.float64)
    vectors = lengths[:, None] * torch.stack([angles.cos(), angles.sin()], dim=-1)
    matrices = mc.FrameField.from_vectors(vectors).matrices
    assert torch.allclose(matrices, rotation_matrix(angles), rtol=0, atol=1e-15)
    assert torch.allclose(torch.linalg.det(matrices), torch.ones(9, dtype=torch.float64))


def test_vectors_of_length_zero_are_refused_by_site():
    with pytest.raises(mc.GeometryError, match="site 2"):
        mc.FrameField.from_vectors(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))


def test_frames_that_are_not_orthonormal_are_refused_by_site():
    matrices = torch.eye(2, dtype=torch.float64).repeat(4, 1, 1)
    matrices[3, 0, 1] = 1e-6
    with pytest.raises(mc.GeometryError, match="site 3"):
        mc.FrameField(matrices)


@pytest.mark.parametrize("shape", [(2, 2), (4, 2, 3), (1, 4, 2, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        mc.FrameField(torch.zeros(shape))


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        mc.FrameField.from_vectors(torch.tensor([[1.0, math.nan]]))


def test_mirrored_frames_are_frames():
    assert len(mc.FrameField(torch.diag(torch.tensor([1.0, -1.0]).double())[None]).matrices) == 1


def test_kernels_are_read_in_the_declared_frames():
    """On the torus, frames turned by θ(p): the kernel turned by θ(p) at each site, read in the plain ones."""
    torus = mc.FlatTorus(2.0, 2.0)
    sites = torus.sites(shape=(8, 8))
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(64, 1, generator=generator, dtype=torch.float64)
    quarter = torch.randint(4, (64,), generator=generator)  # so that the nodes are mapped to nodes
    turns = rotation_matrix(quarter.double() * math.pi / 2)
    rule, kernel = mc.TangentRule.polar(0.6, 3, 16), mc.kernels.derivative_of_gaussian(0.25, (1.0, 0.0))
    out = mc.correlate(field, kernel, mc.Pullback.build(torus, sites, rule, frames=mc.FrameField(turns)))
    plain = mc.Pullback.build(torus, sites, rule)
    for number in range(4):
        turned = kernel.transformed(rotation_matrix(number * math.pi / 2))
        here = quarter == number
        expected = mc.correlate(field, turned, plain)
        assert torch.allclose(out[here], expected[here], rtol=0, atol=1e-12)


def test_a_declared_field_of_directions_on_a_mesh_gives_the_derivative_along_it():
    """On a sphere with frames along the parallels of latitude, ∂_east sees no zonal function."""
    vertices, faces = icosphere(3)
    surface = mc.MeshSurface(vertices, faces)
    sites = surface.sites()
    x, y, z = vertices.T
    east = torch.stack([-y, x, torch.zeros_like(x)], dim=-1)
    pole = east.norm(dim=-1) < 1e-9
    east = torch.where(pole[:, None], torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), east)
    frames = mc.FrameField.from_vectors(surface.to_tangent(sites.points, east))
    rule, kernel = mc.TangentRule.polar(0.4, 4, 24), -1.0 * mc.kernels.derivative_of_gaussian(0.15)
    pull = mc.Pullback.build(surface, sites, rule, frames=frames)
    # Along a great circle from p with unit velocity u a linear function is cos(r) f(p) + sin(r) ∂_u f, so the
    # answer is ∂_east f times the integral of the kernel with sin(r) u_1.
    radius = rule.nodes.norm(dim=-1)
    factor = rule.integrate(kernel(rule.nodes) * radius.sin() * rule.nodes[:, 0] / radius)
    zonal, eastward = (mc.correlate(f[:, None], kernel, pull)[:, 0] / factor for f in (z, x))
    away = z.abs() < 0.8
    expected = -y / (1 - z.square()).sqrt()
    # Edges are 0.15 long: interpolation errs by about 0.15² / 8 = 0.003 of a function of size 1.
    assert float(zonal[away].abs().max()) < 0.01
    assert float((eastward - expected)[away].abs().max()) < 0.02


def test_one_vector_is_no_frame_field():
    with pytest.raises(ValueError, match=r"vectors must have shape \(N, 2\), one for each site; got \(2,\)"):
        mc.FrameField.from_vectors([0.0, 1.0])
