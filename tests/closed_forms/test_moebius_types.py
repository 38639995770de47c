"""Odd kernels on the Möbius band: from scalars to scalars there are none, from scalars to a sign field there are."""

import math

import pytest
import torch

import manifoldconv as mc
from manifoldconv.kernels import Kernel, KernelSpace, RadialBasis
from manifoldconv.representations import Representation

LENGTH, WIDTH = 3.0, 1.2
MIRROR = mc.StructureGroup.reflection()
RULE = mc.TangentRule.polar(0.4, 7, 64)
ODD = mc.kernels.derivative_of_gaussian(0.12, (0.0, 1.0))


def smooth(x, y):
    """f(x + L, y) = f(x, -y): a function on the band."""
    turn = math.pi * x / LENGTH
    return torch.sin(2 * turn) + torch.cos(turn) * torch.sin(2.2 * y) + 0.5 * torch.cos(3.0 * y)


def typed(kernel, rep_in, rep_out, group=MIRROR):
    """A scalar kernel as one between one-channel field types of the group of the band."""
    return Kernel.from_function(
        lambda v: kernel(v)[..., None, None],
        kernel.name,
        rep_in=Representation(rep_in, group),
        rep_out=Representation(rep_out, group),
    )


def flat_mesh(n_x, n_y):
    """The band by edge lengths: cells n_x by n_y, glued upside down; vertex (i, j) at (i dx, j dy - width/2)."""
    dx, dy = LENGTH / n_x, WIDTH / n_y
    diagonal = math.hypot(dx, dy)
    faces, lengths = [], []

    def vertex(i, j):
        return (i if i < n_x else 0) * (n_y + 1) + (j if i < n_x else n_y - j)

    for i in range(n_x):
        for j in range(n_y):
            a, b, c, d = vertex(i, j), vertex(i + 1, j), vertex(i + 1, j + 1), vertex(i, j + 1)
            faces += [(a, b, c), (a, c, d)]
            lengths += [(dx, dy, diagonal), (diagonal, dx, dy)]
    surface = mc.MeshSurface.from_edge_lengths(faces, lengths)
    x = torch.arange(n_x, dtype=torch.float64).repeat_interleave(n_y + 1) * dx
    y = torch.arange(n_y + 1, dtype=torch.float64).repeat(n_x) * dy - WIDTH / 2
    return surface, x, y


def mesh_result(n_x, n_y):
    """The sign field on the mesh, and the exact one, at inner vertices, where the disc meets no boundary."""
    surface, x, y = flat_mesh(n_x, n_y)
    pull = mc.Pullback.build(surface, surface.sites(), RULE)
    assert pull.group.name == "reflection"
    out = mc.correlate(smooth(x, y)[:, None], typed(as_carried(pull, ODD), "0", "sign", pull.group), pull)[
        :, 0
    ]
    inner = y.abs() < WIDTH / 2 - 0.41
    return out[inner], x[inner], y[inner]


def as_carried(pull, kernel):
    """The kernel turned so that its odd direction is the one that the pullback's group reverses."""
    angle = pull.group.axis
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64
    )
    return kernel.transformed(turn)


def bands():
    strip = mc.MoebiusStrip(LENGTH, WIDTH)
    yield mc.Pullback.build(strip, strip.sites(shape=(12, 30)), RULE)
    surface, _, _ = flat_mesh(24, 8)
    yield mc.Pullback.build(surface, surface.sites(), RULE)


def test_odd_kernels_are_refused_from_scalars_to_scalars_and_admitted_to_signs():
    for pull in bands():
        odd, even = as_carried(pull, ODD), as_carried(pull, mc.kernels.derivative_of_gaussian(0.12))
        group, field = pull.group, torch.ones(pull.n_sources, 1, dtype=torch.float64)
        for a, b, admitted in [
            ("0", "0", even),
            ("0", "sign", odd),
            ("sign", "0", odd),
            ("sign", "sign", even),
        ]:
            refused = even if admitted is odd else odd
            mc.correlate(field, typed(admitted, a, b, group), pull)
            with pytest.raises(mc.HolonomyError, match=r"under the reflection.*changes by 2 times"):
                mc.correlate(field, typed(refused, a, b, group), pull)
        with pytest.raises(mc.HolonomyError, match=r'output type "regular" or sign in place of scalars'):
            mc.correlate(field, odd, pull)


def test_the_kernel_space_of_the_band_holds_them():
    """Among orders up to 1: 1 and cos θ for scalars, sin θ from scalars to signs."""
    radial = RadialBasis.gaussian_rings(0.4, 1)
    assert KernelSpace("0", "0", MIRROR, radial, 1).dimension == 2
    space = KernelSpace("0", "sign", MIRROR, radial, 1)
    assert space.dimension == 1
    values = space.sample(RULE.nodes)[:, 0, 0, 0]
    sine = RULE.nodes[:, 1] / RULE.nodes.norm(dim=-1)
    assert float((values.abs() - (values * sine.sign())).abs().max()) < 1e-12


def strip_result(rows, columns):
    strip = mc.MoebiusStrip(LENGTH, WIDTH)
    sites = strip.sites(shape=(rows, columns))
    x, y = sites.points.unbind(-1)
    pull = mc.Pullback.build(strip, sites, RULE)
    out = mc.correlate(smooth(x, y)[:, None], typed(ODD, "0", "sign"), pull)[:, 0]
    frame = strip.carry_frame(sites.points)[:, 1, 1]
    inner = y.abs() < WIDTH / 2 - 0.41
    return (out * frame)[inner], x[inner], y[inner]


def exact_at(x, y):
    fine = mc.TangentRule.polar(0.4, 16, 48)
    values = ODD.weights(fine)
    return torch.stack(
        [
            (values * smooth(a + fine.nodes[:, 0], b + fine.nodes[:, 1])).sum()
            for a, b in zip(x, y, strict=True)
        ]
    )


def slope(sizes, errors):
    return math.log(errors[-1] / errors[0]) / math.log(sizes[-1] / sizes[0])


def test_strip_and_mesh_tend_to_the_same_sign_field_with_order_two():
    """To the integral itself, written in the frame of the cut-open band; on the mesh up to the sign of each frame.

    The sign of the mesh's field is that of a frame carried over its faces, so its product with the exact field has one
    sign on each side of some cut; squares and absolute values have none.
    """
    steps, errors = (8, 16, 32), {"strip": [], "mesh": []}
    for n in steps:
        out, x, y = strip_result(n, 5 * n // 2)
        expected = exact_at(x, y)
        errors["strip"].append(float((out - expected).abs().max() / expected.abs().max()))
        out, x, y = mesh_result(5 * n // 2, n)
        expected = exact_at(x, y)
        errors["mesh"].append(float((out.abs() - expected.abs()).abs().max() / expected.abs().max()))
    for name, found in errors.items():
        # Interpolation linear between sites errs by h² |f''| / 8.
        assert slope([1 / n for n in steps], found) > 1.7, (name, found)
        assert found[-1] < 0.02, (name, found)
