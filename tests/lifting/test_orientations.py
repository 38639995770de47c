"""Orientations as samples and as frequencies: conversions, and the same correlations in both."""

import math

import pytest
import torch

import manifoldconv as mc
from manifoldconv.errors import GeometryError
from manifoldconv.homogeneous import SE2, SO3, plane_sites, plane_under_se2
from manifoldconv.lifting import (
    fourier_type,
    from_fourier,
    group_pullback,
    group_rule,
    lift_pullback,
    orientation_angles,
    project,
    regular_to_irreps,
    to_fourier,
)
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.representations import Representation
from manifoldconv.representations.harmonics import circular_harmonics

SO2 = mc.StructureGroup.special_orthogonal(2)
SPACE = plane_under_se2()
ROUNDING = 1e-12


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def largest(difference):
    return float(difference.abs().max())


ELEMENTS = {
    "SE(2), 7 angles": SE2().sites((3, 4, 7)),
    "SE(2), 8 angles": SE2().sites((3, 4, 8)),
    "SO(3), icosphere": SO3().sites(icosphere=1, angles=9),
    "SO(3), equal angles": SO3().sites(equiangular=(4, 6), angles=10),
}


@pytest.fixture(params=ELEMENTS)
def elements(request):
    return ELEMENTS[request.param]


# -- samples and frequencies --


def test_the_angles_are_those_of_the_elements(elements):
    """The first axis of each element's frame, seen in the frame of the plane or the sphere."""
    angles = orientation_angles(elements)
    directions = torch.stack([angles.cos(), angles.sin()], -1).flatten(0, 1)
    if elements.points.shape[-1] == 3 and elements.points.ndim == 2:
        expected = rotation_matrix(elements.points[:, 2])[..., 0]
    else:
        frames = mc.Sphere().frame(elements.points[..., 2])
        expected = (frames.mT @ elements.points[..., :1])[..., 0]
    assert largest(directions - expected) < ROUNDING


def test_a_series_survives_sampling_up_to_half_the_number_of_angles(elements):
    positions, count = orientation_angles(elements).shape
    limit = (count - 1) // 2
    series = random(2, positions, 3 * (2 * limit + 1))
    assert largest(to_fourier(from_fourier(series, elements, limit), elements) - series) < ROUNDING
    samples = random(positions * count, 3)
    back = from_fourier(to_fourier(samples, elements), elements, limit)
    if count % 2:
        assert largest(back - samples) < ROUNDING
    else:  # the frequency n/2, alternating signs, is the one thing lost
        lost = (samples - back).unflatten(0, (positions, count))
        assert largest(lost + lost.roll(1, dims=1)) < ROUNDING
        assert largest(lost) > 0.1


def test_parseval(elements):
    """The coefficients are orthonormal in the mean over the circle."""
    positions, count = orientation_angles(elements).shape
    limit = (count - 1) // 2
    series = random(positions, 2 * limit + 1)
    samples = from_fourier(series, elements, limit).unflatten(0, (positions, count))
    assert largest(samples.square().mean(1)[..., 0] - series.square().sum(-1)) < ROUNDING


def test_the_mean_over_orientations_is_frequency_zero(elements):
    field = random(len(elements), 2)
    assert largest(project(field, elements, "mean") - to_fourier(field, elements, 0)) < ROUNDING
    positions, count = orientation_angles(elements).shape
    expected = field.reshape(positions, count, 2).max(dim=1).values
    assert torch.equal(project(field, elements, "max"), expected)


def test_turning_all_orientations_is_the_representation_of_the_fourier_type(elements):
    """F(p, φ - α) has the coefficients ρ(α) a: frequency m turns by m α, in the basis of the field types."""
    positions, count = orientation_angles(elements).shape
    limit, copies = (count - 1) // 2, 2
    rep = fourier_type(limit, copies)
    assert rep.size == copies * (2 * limit + 1)
    series, steps = random(positions, rep.size), 2
    samples = from_fourier(series, elements, limit).unflatten(0, (positions, count))
    turned = to_fourier(samples.roll(steps, dims=1).flatten(0, 1), elements)
    matrix = rep.matrix(rotation_matrix(2 * math.pi * steps / count))
    assert largest(turned - series @ matrix.mT) < ROUNDING


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 12])
def test_the_regular_representation_splits_into_the_irreducible_ones(n):
    matrix, rep = regular_to_irreps(n)
    assert largest(matrix @ matrix.mT - torch.eye(n, dtype=torch.float64)) < ROUNDING
    group = mc.StructureGroup.cyclic(n) if n > 1 else mc.StructureGroup.trivial(2)
    regular = Representation("regular", group)
    for g in group.elements():
        assert largest(matrix @ regular.matrix(g) @ matrix.mT - rep.matrix(g)) < ROUNDING
    names = {(part.irrep.name, part.multiplicity) for part in rep.blocks}
    assert names == {(str(irrep).removeprefix("1x"), 1) for irrep in Representation.irreps(group)}


def test_samples_of_a_regular_field_and_its_irreps_agree_with_the_fourier_series():
    """The rows of the matrix are the series, times √n."""
    elements = ELEMENTS["SE(2), 7 angles"]
    matrix, _ = regular_to_irreps(7)
    field = random(len(elements), 1)
    samples = field.reshape(12, 7)
    assert largest(samples @ matrix.mT / math.sqrt(7) - to_fourier(field, elements)) < ROUNDING


# -- the same correlation in both forms --

SHAPE, COUNT = (6, 7), 8


def planar():
    sites, elements = plane_sites(SHAPE, 0.2), SE2().sites((*SHAPE, COUNT), 0.2)
    return sites, elements, mc.TangentRule.polar(0.5, 3, COUNT)


def test_lifting_is_a_correlation_from_scalars_to_a_regular_field():
    """On the plane, in its own frames: k_j(v) = k(R_j⁻¹ v) are the channels of a C(n) field."""
    sites, elements, rule = planar()
    kernel = mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.3))
    image = random(len(sites), 1)
    lifted = mc.correlate(image, kernel, lift_pullback(SPACE, sites, elements, rule))

    group = mc.StructureGroup.cyclic(COUNT)
    turns = group.elements()
    typed = mc.kernels.Kernel.from_function(
        lambda v: kernel((v[..., None, None, :] @ turns)[..., 0, :])[..., None],
        "the turned kernels",
        rep_in=Representation("0", group),
        rep_out=Representation("regular", group),
    )
    mc.kernels.require_admissible(typed, group, rule)  # so the lifting is one of C(n)'s own kernels
    pull = mc.Pullback.build(mc.Euclidean(2), sites, rule)
    regular = mc.correlate(image, typed, pull)
    assert largest(lifted.reshape(len(sites), COUNT) - regular) < ROUNDING


def test_lifting_in_frequencies_is_a_correlation_from_scalars_to_the_fourier_type():
    """The coefficients of the lifted field are those of a kernel that SO(2) admits: steerable CNNs."""
    sites, elements, rule = planar()
    kernel = mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.3))  # of frequency 1
    image, limit = random(len(sites), 1), 2
    lifted = to_fourier(
        mc.correlate(image, kernel, lift_pullback(SPACE, sites, elements, rule)), elements, limit
    )
    angles = 2 * math.pi * torch.arange(COUNT, dtype=torch.float64) / COUNT
    turns = rotation_matrix(angles)
    basis = torch.cat([circular_harmonics(turns[..., 0], m) for m in range(limit + 1)], -1)

    def coefficients(v):
        samples = kernel((v[..., None, None, :] @ turns)[..., 0, :])
        return (samples @ basis / COUNT)[..., None]

    typed = mc.kernels.Kernel.from_function(
        coefficients, "the series", rep_in=Representation("0", SO2), rep_out=fourier_type(limit)
    )
    mc.kernels.require_admissible(typed, SO2, rule)
    pull = mc.Pullback.build(mc.Euclidean(2), sites, rule)
    assert largest(lifted - mc.correlate(image, typed, pull)) < ROUNDING


def test_correlation_on_se2_is_one_between_regular_fields():
    """k_ij(v) = k(R_i⁻¹ v, j - i) over 2π / n: every group kernel is a kernel that C(n) admits, and the other way."""
    sites, elements, rule = planar()
    nodes = group_rule(SPACE, rule, COUNT)

    def function(u):
        place = torch.exp(-((u[..., 0] - 0.2) ** 2 + u[..., 1] ** 2) / 0.1)
        return place * (1 + torch.cos(u[..., 2] - 0.5) + 0.3 * torch.sin(3 * u[..., 2]))

    kernel = mc.kernels.Kernel.from_function(function, "ahead", dimension=3)
    field = random(len(elements), 1)
    found = mc.correlate(field, kernel, group_pullback(SE2(), elements, nodes))

    group = mc.StructureGroup.cyclic(COUNT)
    turns, step = group.elements(), 2 * math.pi / COUNT
    ahead = (torch.arange(COUNT)[None, :] - torch.arange(COUNT)[:, None]).double() * step

    def matrices(v):
        there = (v[..., None, None, :] @ turns)[..., 0, :][..., None, :].expand(
            *v.shape[:-1], COUNT, COUNT, 2
        )
        angle = ahead.expand(*v.shape[:-1], COUNT, COUNT)[..., None]
        return function(torch.cat([there, angle], -1)) * step

    regular = Representation("regular", group)
    typed = mc.kernels.Kernel.from_function(matrices, "regular", rep_in=regular, rep_out=regular)
    mc.kernels.require_admissible(typed, group, rule)
    pull = mc.Pullback.build(mc.Euclidean(2), sites, rule)
    expected = mc.correlate(field.reshape(len(sites), COUNT), typed, pull)
    assert largest(found.reshape(len(sites), COUNT) - expected) < ROUNDING * largest(expected)


# -- bad input --


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e: project(random(5, 1), e), ValueError, r"12 positions times 7 orientations; got \(5, 1\)"),
        (lambda e: project(random(84, 1), e, "median"), ValueError, '"max" or "mean"'),
        (lambda e: to_fourier(random(84, 1), e, 4), ValueError, "frequencies up to 3"),
        (lambda e: from_fourier(random(12, 4), e, 1), ValueError, r"\(..., 12, 3 C\); got \(12, 4\)"),
        (lambda e: to_fourier(torch.ones(84, 1, dtype=torch.int64), e), ValueError, "got torch.int64"),
        (lambda e: from_fourier(torch.ones(12, 3, dtype=torch.int64), e, 1), ValueError, "got torch.int64"),
        (lambda e: fourier_type(-1), GeometryError, "limit"),
        (lambda e: regular_to_irreps(0), GeometryError, "order"),
        (lambda e: orientation_angles(mc.Sphere().sites(icosphere=1)), GeometryError, "IcosphereSites"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(ELEMENTS["SE(2), 7 angles"])
