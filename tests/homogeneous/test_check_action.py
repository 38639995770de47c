"""The checks of actions: silent on good ones, and on broken ones they name the law and who shows it."""

import ast
import math
import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import manifoldconv as mc
from manifoldconv.homogeneous import (
    HomogeneousSpace,
    MatrixGroup,
    euclidean_under_translations,
    hyperbolic_plane_under_so21,
    plane_under_se2,
    space_under_se3,
    sphere_under_so3,
)
from manifoldconv.testing import LawResult, LawViolation, action_isometry, check_action, require

SPACES = [
    euclidean_under_translations(1),
    euclidean_under_translations(3),
    plane_under_se2(),
    sphere_under_so3(),
    sphere_under_so3(radius=2.5),
    space_under_se3(),
    hyperbolic_plane_under_so21(),
]
SECTION = "the section carries the base to every point"
TRANSITIVE = "the group moves every point in every direction (transitive)"
ACTS = "acting with a product is acting twice"
METRIC = "the group keeps the metric"
DIFFERENTIAL = "the differential is that of the action"
FIXES = "the stabiliser fixes the base"
ISOTROPY = "the stabiliser acts on the tangent space as it says"
ALL = "elements that fix the base lie in the stabiliser"
MEASURE = "the measure is invariant"


def broken(space: HomogeneousSpace, seed: int = 0) -> dict[str, LawResult]:
    results = check_action(space, torch.Generator().manual_seed(seed))
    found = {result.law: result for result in results if not result.passed}
    if found:
        with pytest.raises(LawViolation, match="BROKEN"):
            require(results)
    return found


def numbers(text: str, name: str) -> list:
    """What a message says after "name = ", up to the end of the list."""
    start = text.index(f"{name} = ") + len(name) + 3
    depth, end = 0, start
    while not end > start or depth:
        depth += (text[end] == "[") - (text[end] == "]")
        end += 1
    return ast.literal_eval(text[start:end])


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_ready_made_spaces_are_homogeneous(space: HomogeneousSpace, seed: int) -> None:
    results = check_action(space, torch.Generator().manual_seed(seed))
    assert len(results) == 10
    require(results)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_the_group_acts_by_isometries(space: HomogeneousSpace) -> None:
    generator = torch.Generator().manual_seed(4)
    elements = space.group.random(2, generator)
    case = mc.testing.ManifoldCase(
        space.manifold,
        lambda g, n: space.act(space.group.random(n, g), space.base),
        radius=1.0,
        tolerance=1e-7,  # boosts of the hyperbolic plane move points far out, where digits are lost
        isometries=tuple(action_isometry(space, g) for g in elements),
    )
    law = "isometries commute with exp, log and transport"
    require([result for result in mc.testing.check_laws(case, generator, count=16) if result.law == law])


def test_an_action_that_is_not_transitive() -> None:
    """The line of translations along x: the section can carry the base along x only."""
    line = MatrixGroup(
        "translations along x", torch.tensor([[[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    )

    def act(g: Tensor, x: Tensor) -> Tensor:
        return line.act(g, torch.nn.functional.pad(x, (0, 1), value=1.0))[..., :2]

    plane = euclidean_under_translations(2)
    space = replace(
        plane,
        group=line,
        act=act,
        section=lambda p: line.group_exp(p[..., :1]),
        lift=lambda h: line.identity.expand(*h.shape[:-2], 3, 3),
        differential_of=None,
    )
    found = broken(space)
    assert set(found) == {SECTION, TRANSITIVE}
    assert found[TRANSITIVE].figure == 1  # one direction in which nothing moves
    point = numbers(found[SECTION].error, "p")
    assert abs(point[1]) == pytest.approx(found[SECTION].figure, abs=1e-6)  # as far off as its y says
    sites = mc.Euclidean(2).sites(shape=(3, 3))
    with pytest.raises(
        mc.GeometryError, match=r"the section does not carry the base to site 6, \[0.0, 2.0\]"
    ):
        mc.Pullback.by_action(space, sites, mc.TangentRule.grid((3, 3), 1.0))


def test_a_section_that_misses_some_points() -> None:
    sphere = sphere_under_so3()

    def section(p: Tensor) -> Tensor:
        south = (p[..., 2] < 0)[..., None, None]
        return torch.where(south, sphere.section(p.flip(-1)), sphere.section(p))

    space = replace(sphere, section=section)
    found = broken(space)
    assert SECTION in found
    assert numbers(found[SECTION].error, "p")[2] < 0
    with pytest.raises(mc.GeometryError, match="the section does not carry the base to site"):
        mc.Pullback.by_action(space, sphere.manifold.sites(icosphere=1), mc.TangentRule.polar(0.3, 2, 8))


@pytest.mark.parametrize(
    ("space", "density"),
    [
        (plane_under_se2(), lambda x: 1 + x[..., 0] ** 2),
        (sphere_under_so3(), lambda x: 1 + 0.2 * x[..., 2]),
        (
            hyperbolic_plane_under_so21(),
            lambda x: 1 / x[..., 0],
        ),  # the Lebesgue measure of the projected plane
        (euclidean_under_translations(1), lambda x: x[..., 0].exp()),
    ],
    ids=["plane", "sphere", "hyperbolic", "line"],
)
def test_a_measure_that_is_not_invariant(space: HomogeneousSpace, density) -> None:
    found = broken(replace(space, density=density))
    assert set(found) == {MEASURE}
    assert found[MEASURE].figure > 1e-3
    g = torch.tensor(numbers(found[MEASURE].error, "g"), dtype=torch.float64)
    x = torch.tensor(numbers(found[MEASURE].error, "x"), dtype=torch.float64)
    moved = space.act(g, x)
    # The element named does change the density, and by about as much as the integral.
    assert float(density(moved) / density(x)) - 1 != pytest.approx(0, abs=1e-3)


def wavy(x: Tensor) -> Tensor:
    return x + 0.3 * x.sin()


def unwavy(y: Tensor) -> Tensor:
    x = y.clone()
    for _ in range(40):
        x = x - (wavy(x) - y) / (1 + 0.3 * x.cos())
    return x


def stretched(density) -> HomogeneousSpace:
    """The line under translations of another coordinate, x = wavy(t): a transitive action, by no isometries."""
    line = euclidean_under_translations(1)
    return replace(
        line,
        act=lambda a, x: wavy(unwavy(x) + a),
        section=unwavy,
        differential_of=None,
        density=density,
    )


def test_an_action_that_does_not_keep_the_metric() -> None:
    """Its invariant measure is dt = dx / wavy'(t), and only the metric's law is broken then."""
    right = stretched(lambda x: 1 / (1 + 0.3 * unwavy(x)[..., 0].cos()))
    results = {r.law: r for r in check_action(right, torch.Generator().manual_seed(0), tolerance=1e-6)}
    assert [law for law, result in results.items() if not result.passed] == [METRIC]
    assert MEASURE in broken(stretched(None))
    with pytest.raises(mc.GeometryError, match="does not carry the frame at the base to an orthonormal one"):
        mc.Pullback.by_action(right, mc.Euclidean(1).sites(shape=(5,)), mc.TangentRule.grid((3,), 1.0))


def test_a_stabiliser_that_is_too_small() -> None:
    found = broken(replace(plane_under_se2(), stabiliser=mc.StructureGroup.cyclic(4)))
    assert set(found) == {ALL}
    turn = numbers(found[ALL].error, "g")  # the element: it fixes the base, and is no quarter turn
    assert turn[:2] == [0.0, 0.0]
    assert abs(math.remainder(turn[2], math.pi / 2)) > 1e-3
    matrix = torch.tensor(numbers(found[ALL].error, "which acts by"), dtype=torch.float64)
    assert not mc.StructureGroup.cyclic(4).contains(matrix, 1e-3)


def test_a_stabiliser_that_is_too_large() -> None:
    plane = euclidean_under_translations(2)
    found = broken(replace(plane, stabiliser=mc.StructureGroup.special_orthogonal(2)))
    assert set(found) == {ISOTROPY}
    found = broken(replace(sphere_under_so3(), stabiliser=mc.StructureGroup.orthogonal(2)))
    assert ISOTROPY in found  # there is no mirror in SO(3) that fixes the pole
    with pytest.raises(
        mc.GeometryError, match="the stabiliser acts on the tangent space at the base, of dimension 2"
    ):
        replace(plane, stabiliser=mc.StructureGroup.trivial(3))


def test_elements_of_the_stabiliser_that_move_the_base() -> None:
    plane = plane_under_se2()
    found = broken(
        replace(plane, lift=lambda h: plane.lift(h) + torch.tensor([0.1, 0.0, 0.0], dtype=torch.float64))
    )
    assert set(found) == {FIXES}
    assert found[FIXES].figure == pytest.approx(0.1)


def test_an_action_from_the_wrong_side() -> None:
    sphere = sphere_under_so3()
    found = broken(
        replace(
            sphere,
            act=lambda g, x: sphere.act(g.mT, x),
            section=lambda p: sphere.section(p).mT,
            lift=lambda h: sphere.lift(h).mT,
            differential_of=None,
        )
    )
    # Products act in the wrong order; so elements that seem to fix the base do not.
    assert ACTS in found
    assert {"a = ", "b = ", "x = "} <= {
        part for part in ("a = ", "b = ", "x = ") if part in found[ACTS].error
    }


def test_a_differential_that_is_wrong() -> None:
    plane = plane_under_se2()
    found = broken(replace(plane, differential_of=lambda g, x: plane.differential(g, x).mT))
    assert set(found) == {DIFFERENTIAL}


def test_a_refusal_by_the_action_is_reported() -> None:
    sphere = sphere_under_so3()
    found = broken(replace(sphere, section=lambda p: 2 * sphere.section(p)))
    assert "misses RᵀR = 1" in found[SECTION].error
    assert math.isnan(found[SECTION].figure)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"act": lambda g, x: x @ torch.zeros(5, 5, dtype=torch.float64)}, "RuntimeError: mat1 and mat2"),
        ({"act": lambda g, x: x[..., 7]}, "IndexError: index 7 is out of bounds"),
        ({"act": lambda g, x: x * math.nan}, "must be finite; got nan"),
        ({"section": lambda p: p}, r"must have last axes \(3\)"),
        ({"density": lambda x: x}, "the density must have one number a point"),
        ({"density": lambda x: -torch.ones_like(x[..., 0])}, "must be positive and finite; it is -1 at "),
        ({"density": lambda x: x[..., 0] * math.nan}, "must be positive and finite; it is nan at "),
    ],
)
def test_parts_that_raise_or_give_no_answer_are_reported_and_not_raised(part, message) -> None:
    """The parts are functions of a user's own, who wants to know which law was tried."""
    found = broken(replace(plane_under_se2(), **part))
    assert found
    assert all(math.isnan(result.figure) for result in found.values() if "at g" not in result.error)
    assert any(re.search(message, result.error) for result in found.values()), found


def test_what_is_no_space_and_no_group() -> None:
    generator = torch.Generator()
    with pytest.raises(mc.GeometryError, match="the space must be a HomogeneousSpace; got Sphere"):
        check_action(mc.Sphere(), generator)
    with pytest.raises(mc.GeometryError, match="the group must be a LieGroup; got Sphere"):
        mc.testing.check_group(mc.Sphere(), generator)
    with pytest.raises(mc.GeometryError, match="count must be a whole number of at least 1; got 0"):
        check_action(plane_under_se2(), generator, count=0)
    for base in ([0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, math.nan]):
        with pytest.raises(
            mc.GeometryError, match=r"the sphere under SO\(3\): the base is no point of Sphere"
        ):
            replace(sphere_under_so3(), base=torch.tensor(base, dtype=torch.float64))


def test_matrices_that_are_no_lie_algebra() -> None:
    basis = torch.zeros(2, 3, 3, dtype=torch.float64)
    basis[0, 0, 1], basis[0, 1, 0], basis[1, 1, 2], basis[1, 2, 1] = -1, 1, -1, 1
    with pytest.raises(mc.GeometryError, match="the bracket of the matrices 0 and 1 leaves the span"):
        MatrixGroup("two turns", basis)
    with pytest.raises(mc.GeometryError, match="not linearly independent"):
        MatrixGroup("one turn twice", basis[:1].repeat(2, 1, 1))
    with pytest.raises(mc.GeometryError, match=r"must have shape \(dim, m, m\)"):
        MatrixGroup("no square", torch.zeros(1, 2, 3))
    with pytest.raises(mc.GeometryError, match=r"must have shape \(dim, m, m\), dim ≥ 1; got \(0, 3, 3\)"):
        MatrixGroup("nothing", basis[:0])
    with pytest.raises(mc.GeometryError, match="a group acts on itself where it is a manifold"):
        mc.homogeneous.group_on_itself(MatrixGroup("turns", basis[:1]))
