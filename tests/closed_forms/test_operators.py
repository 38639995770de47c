"""Gradient, divergence, curl and Laplacian against closed forms: the plane, the sphere, a torus of revolution."""

import math

import pytest
import torch

import manifoldconv as mc
from manifoldconv import differential
from manifoldconv.manifolds.sphere_sites import icosphere

O2, SO2 = mc.StructureGroup.orthogonal(2), mc.StructureGroup.special_orthogonal(2)
OPERATORS = (differential.gradient, differential.divergence, differential.curl, differential.laplacian)


def slope(sizes, errors):
    return math.log(errors[-1] / errors[0]) / math.log(sizes[-1] / sizes[0])


# -- the plane: exact on polynomials --


def at_the_origin(operator, rule, field, group=O2):
    """∫ k(v) f(v) dv over the rule, for a field on the plane `(Q, C)`."""
    return torch.einsum("qab,qb->a", operator.kernel(group, rule).weights(rule), field)


def test_on_the_plane_they_are_exact_on_polynomials():
    rule = mc.TangentRule.polar(0.6, 6, 16)
    x, y = rule.nodes.unbind(-1)
    one = torch.ones_like(x)
    linear = 3 + 2 * x - 5 * y
    quadratic = linear + 1.5 * x**2 - 0.5 * y**2 + 4 * x * y
    vector = torch.stack([1 + 2 * x - 3 * y, -2 + 7 * x + 4 * y], -1)
    close = {"rtol": 0, "atol": 1e-10}
    scale = 0.2
    found = at_the_origin(differential.gradient(scale), rule, quadratic[:, None])
    assert torch.allclose(found, torch.tensor([2.0, -5.0]).double(), **close)
    assert float(at_the_origin(differential.divergence(scale), rule, vector)) == pytest.approx(6.0, abs=1e-10)
    assert float(at_the_origin(differential.curl(scale), rule, vector)) == pytest.approx(10.0, abs=1e-10)
    found = at_the_origin(differential.laplacian(scale), rule, quadratic[:, None])
    assert float(found) == pytest.approx(2.0, abs=1e-9)
    assert float(at_the_origin(differential.laplacian(scale), rule, one[:, None]).abs()) < 1e-9


def test_without_a_rule_they_are_derivatives_of_a_gaussian_of_integral_one():
    """And differ on a disc by what it cuts off: (1 + s) e^-s and (1 + s + s²) e^-s, s = R² / 2σ²."""
    for reach in (3.0, 5.0):
        rule, s = mc.TangentRule.polar(reach, 24, 16), reach**2 / 2
        x, y = rule.nodes.unbind(-1)
        lost = (1 + s) * math.exp(-s), (1 + s + s**2) * math.exp(-s)
        for operator, field, part in [
            (differential.gradient(1.0), x[:, None], lost[0]),
            (differential.divergence(1.0), 0.5 * rule.nodes, lost[0]),
            (differential.curl(1.0), 0.5 * torch.stack([-y, x], -1), lost[0]),
            (differential.laplacian(1.0), 0.25 * (x**2 + y**2)[:, None], lost[1]),
        ]:
            out = torch.einsum("qab,qb->a", operator.kernel(O2).weights(rule), field)
            assert float(out[0]) == pytest.approx(1 - part, abs=1e-10), operator.name


def test_their_kernels_are_admitted_by_every_group_of_the_plane():
    rule = mc.TangentRule.polar(0.6, 4, 10)
    for make in OPERATORS:
        operator = make(0.2)
        for group in (O2, SO2, mc.StructureGroup.dihedral(4), mc.StructureGroup.trivial(2)):
            mc.kernels.require_admissible(operator.kernel(group, rule), group, rule)
            mc.kernels.require_admissible(operator.kernel(group), group, rule)
    assert str(differential.curl(0.2).kernel(O2).rep_out) == "1xsign"
    assert str(differential.curl(0.2).kernel(SO2).rep_out) == "1x0"


# -- the sphere: spherical harmonics are eigenfunctions --


def harmonic(points, degree):
    """A solid harmonic polynomial of the degree, and its gradient in space, on the unit sphere."""
    p = points.clone().requires_grad_()
    x, y, z = p.unbind(-1)
    values = {
        1: 0.6 * x - 0.8 * z,
        2: x * y + 0.5 * (3 * z**2 - (x**2 + y**2 + z**2)),
        3: x * (x**2 - 3 * y**2) + x * y * z,
    }[degree]
    (space,) = torch.autograd.grad(values.sum(), p)
    return values.detach(), space


def legendre(r, degree):
    """P_l(cos r) and its derivative in r."""
    c, s = torch.cos(r), torch.sin(r)
    return {
        1: (c, -s),
        2: ((3 * c**2 - 1) / 2, -3 * c * s),
        3: ((5 * c**3 - 3 * c) / 2, -(15 * c**2 - 3) / 2 * s),
    }[degree]


def factors(scale, degree):
    """By what the operators on the unit sphere multiply ∇Y, Y (of ∇Y) and Y: Funk-Hecke in the tangent plane.

    At distance r in direction θ from a point, the part of Y that turns once round is ∇Y·e(θ) h(r) with h =
    -2 P_l(cos r)' / (l (l + 1)), and the mean of ∂_r Y round the circle is Y P_l(cos r)'.
    """
    rule = mc.TangentRule.polar(3 * scale, 40, 16)
    r = rule.nodes.norm(dim=-1)
    value, slope_of = legendre(r, degree)
    turning = -2 * slope_of / (degree * (degree + 1))
    e = rule.nodes / r[:, None]
    first = at_the_origin(differential.gradient(scale), rule, (e[:, 0] * turning)[:, None])[0]
    second = at_the_origin(differential.divergence(scale), rule, e * slope_of[:, None])[0]
    third = at_the_origin(differential.laplacian(scale), rule, value[:, None])[0]
    return float(first), float(second), float(third)


def test_the_factors_tend_to_those_of_the_derivatives_with_order_two_in_the_scale():
    scales = (0.2, 0.1, 0.05)
    for degree in (1, 2, 3):
        exact = (1.0, -degree * (degree + 1), -degree * (degree + 1))
        found = [factors(scale, degree) for scale in scales]
        for i in range(3):
            errors = [abs(f[i] / exact[i] - 1) for f in found]
            assert 1.9 < slope(scales, errors) < 2.1, (degree, errors)
            # The error itself: l (l + 1) σ² to within its factor.
            assert errors[-1] < degree * (degree + 1) * scales[-1] ** 2
        # ∇·∇ = Δ: to the same order.
        errors = [abs(f[0] * f[1] / f[2] - 1) for f in found]
        assert 1.9 < slope(scales, errors) < 2.1
        assert errors[-1] < degree * (degree + 1) * scales[-1] ** 2


SCALE, DEGREE = 0.2, 2


def sphere_errors(level):
    """Root mean square errors on an icosphere against the closed form, relative to its own, by operator."""
    surface = mc.MeshSurface(*icosphere(level))
    y, space = harmonic(surface.vertices, DEGREE)
    u = surface.to_tangent(surface.vertex_points(), space)  # the normals are radial up to the edge length
    turned = torch.stack([-u[:, 1], u[:, 0]], -1)
    first, second, third = factors(SCALE, DEGREE)
    gradient, divergence, curl, laplacian = (make(SCALE) for make in OPERATORS)
    found = gradient.apply(surface, y)
    area = surface.sites().area

    def size(field):
        return float((area * field.reshape(len(area), -1).square().sum(-1)).sum().sqrt())

    return {
        "gradient": size(found - first * u) / size(first * u),
        "divergence": size(divergence.apply(surface, u) - second * y) / size(second * y),
        "laplacian": size(laplacian.apply(surface, y) - third * y) / size(third * y),
        "curl of a gradient": size(curl.apply(surface, u)) / size(second * y),
        "curl of its quarter turn": size(curl.apply(surface, turned) - second * y) / size(second * y),
        "div grad": size(divergence.apply(surface, found) - first * second * y) / size(first * second * y),
    }


def test_on_icospheres_the_error_falls_with_order_two():
    errors = [sphere_errors(level) for level in (2, 3, 4)]
    for name in errors[0]:
        found = [error[name] for error in errors]
        assert slope((1.0, 0.5, 0.25), found) > 1.7, (name, found)
        assert found[-1] < 0.01, (name, found)


# -- a torus of revolution: functions of both angles --


def torus(n, radius=1.0, tube=0.4):
    """Vertices at equal angles (φ round the axis, θ round the tube), every second row half a step on."""
    rows, columns = n, 2 * n
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    theta = 2 * math.pi * i.double() / rows
    phi = 2 * math.pi * (j.double() + 0.5 * (i % 2)) / columns
    theta, phi = theta.reshape(-1), phi.reshape(-1)
    distance = radius + tube * theta.cos()
    vertices = torch.stack([distance * phi.cos(), distance * phi.sin(), tube * theta.sin()], -1)
    faces = []
    for a in range(rows):
        for b in range(columns):
            right = (b + 1) % columns
            here, beside = a * columns + b, a * columns + right
            left_above, right_above = ((a + 1) % rows * columns + column for column in (b, right))
            if a % 2:
                faces += [(here, right_above, left_above), (here, beside, right_above)]
            else:
                faces += [(here, beside, left_above), (beside, right_above, left_above)]
    return mc.MeshSurface(vertices, torch.tensor(faces)), theta, phi, distance


def on_the_torus(n, scale, tube=0.4):
    """Largest relative errors of Δ, ∇ and ∇·∇ of f = cos φ + sin θ against the derivatives themselves.

    ∇f = -sin φ / w e_φ + cos θ / r e_θ,   Δf = -cos φ / w² - sin θ / r² - sin θ cos θ / (r w),  w = R + r cos θ
    """
    surface, theta, phi, w = torus(n)
    f = phi.cos() + theta.sin()
    exact = -phi.cos() / w**2 - theta.sin() / tube**2 - theta.sin() * theta.cos() / (tube * w)
    east = torch.stack([-phi.sin(), phi.cos(), torch.zeros_like(phi)], -1)
    north = torch.stack([-theta.sin() * phi.cos(), -theta.sin() * phi.sin(), theta.cos()], -1)
    gradient = (-phi.sin() / w)[:, None] * east + (theta.cos() / tube)[:, None] * north
    points = surface.vertex_points()
    tangent = differential.gradient(scale).apply(surface, f)
    laplacian = differential.laplacian(scale).apply(surface, f)
    of_exact = surface.to_tangent(points, gradient)
    return {
        "gradient": float(
            (surface.to_ambient(points, tangent) - gradient).norm(dim=-1).max() / gradient.norm(dim=-1).max()
        ),
        "laplacian": float((laplacian - exact).abs().max() / exact.abs().max()),
        "divergence": float(
            (differential.divergence(scale).apply(surface, of_exact) - exact).abs().max() / exact.abs().max()
        ),
        "curl of a gradient": float(
            differential.curl(scale).apply(surface, of_exact).abs().max() / exact.abs().max()
        ),
    }


def test_on_a_torus_of_revolution_they_tend_to_the_derivatives():
    """The scale and the square root of the edge length fall together: order two in the scale."""
    scales = (0.14, 0.07)
    first, second = (on_the_torus(n, scale) for n, scale in zip((24, 64), scales, strict=True))
    for name in first:
        assert slope(scales, [first[name], second[name]]) > 1.5, (name, first, second)
        assert second[name] < 0.05, (name, second)
