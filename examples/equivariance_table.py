"""For each space: which kernels its group admits, and how exactly a correlation commutes with the group, measured.

Prints the table of docs/guide-equivariance.md, and compares it with what stands there. "Exact" elements permute the
sites; all others interpolate, and their error falls with the square of the spacing.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

import manifoldconv as mc
from manifoldconv.homogeneous import (
    euclidean_under_translations,
    group_on_itself,
    icosahedral_rotations,
    plane_sites,
    plane_under_se2,
    space_under_se3,
    sphere_under_so3,
)
from manifoldconv.lifting import group_pullback, group_rule
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.testing import Discretisation, Equivariance, action_isometry, check_equivariance

ROUNDING = 1e-10


@dataclass(frozen=True)
class Row:
    """A line of the table: what is known, and the two measurements."""

    space: str
    stabiliser: str
    measure: str
    kernels: str
    symmetries: str
    exact: Equivariance
    generic: Equivariance

    def __str__(self) -> str:
        coarse, fine = self.generic.errors
        rounding = "rounding" if self.exact.constraint < ROUNDING else f"{self.exact.constraint:.1e}"
        measured = f"{coarse:.1e} → {fine:.1e}, order {self.generic.order:.1f}"
        known = (self.space, self.stabiliser, self.measure, self.kernels, self.symmetries)
        return f"| {' | '.join([*known, rounding, measured])} |"


def apply(field: torch.Tensor, operator) -> torch.Tensor:
    return operator(field)


def element(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def line_and_plane_under_translations() -> Iterator[Row]:
    """A kernel with a direction. The generic shift is by a third of the coarse spacing, two thirds of the fine one."""
    for n, name in ((1, "the line"), (2, "the plane")):
        space = euclidean_under_translations(n)
        kernel = mc.kernels.derivative_of_gaussian(0.1, (1.0, 0.5)[:n])
        stages = []
        for count in (16, 32):
            sites = space.manifold.sites((count,) * n, 1 / count, border="periodic")
            pull = mc.Pullback.by_action(space, sites, mc.TangentRule.grid((7,) * n, 1 / 16))
            stages.append(Discretisation(sites, pull.operator(kernel)))

        def waves(x: torch.Tensor) -> torch.Tensor:
            return torch.sin(2 * math.pi * x).sum(-1, keepdim=True)

        exact = check_equivariance(apply, action_isometry(space, element(*[3 / 16] * n)), waves, stages[0])
        generic = check_equivariance(apply, action_isometry(space, element(*[1 / 48] * n)), waves, stages)
        yield Row(
            f"{name} under translations",
            "trivial",
            "Lebesgue",
            "any",
            "shifts by whole steps",
            exact,
            generic,
        )


def plane_under_motions() -> Iterator[Row]:
    space, kernel = plane_under_se2(), mc.kernels.gaussian(0.1)
    stages = []
    for count in (21, 41):
        sites = plane_sites((count, count), 1.5 / (count - 1))
        pull = mc.Pullback.by_action(space, sites, mc.TangentRule.polar(0.35, 4, 16))
        stages.append(
            Discretisation(sites, pull.operator(kernel), inside=lambda x: (x - 0.75).norm(dim=-1) < 0.3)
        )

    def waves(x: torch.Tensor) -> torch.Tensor:
        return (torch.sin(4 * x[..., 0] + 1) * torch.cos(3 * x[..., 1]))[..., None]

    turns = [action_isometry(space, element(*about(k * math.pi / 2, 0.75))) for k in (1, 2, 3)]
    any_motion = [
        action_isometry(space, element(*about(2 * math.pi * t, 0.75))) for t in (0.07, 0.19, 0.41, 0.83)
    ]
    exact = check_equivariance(apply, turns, waves, stages[0])
    generic = check_equivariance(apply, any_motion, waves, stages)
    yield Row(
        "the plane under SE(2)",
        "SO(2)",
        "Lebesgue",
        "isotropic",
        "quarter turns, shifts by whole steps",
        exact,
        generic,
    )


def about(angle: float, centre: float) -> tuple[float, float, float]:
    """The element (x, y, θ) of SE(2) that turns by an angle about (centre, centre)."""
    c, s = math.cos(angle), math.sin(angle)
    return centre - c * centre + s * centre, centre - s * centre - c * centre, angle


def sphere_under_rotations() -> Iterator[Row]:
    """A zonal kernel, summed over the sites with their areas."""
    space, kernel, stages = sphere_under_so3(), mc.kernels.gaussian(0.2, normalise=True), []
    for level in (2, 3):
        sites = space.manifold.sites(icosphere=level)
        stages.append(Discretisation(sites, mc.over_sites(space.manifold, sites, 0.7).operator(kernel)))

    def harmonics(x: torch.Tensor) -> torch.Tensor:
        return (x[..., 0] * x[..., 1] + x[..., 2] ** 3)[..., None]

    rotations = [action_isometry(space, g) for g in icosahedral_rotations()]
    generic = [action_isometry(space, g) for g in space.group.random(6, generator())]
    yield Row(
        "the sphere under SO(3)",
        "SO(2)",
        "area",
        "zonal",
        "the 60 rotations of the icosphere",
        check_equivariance(apply, rotations, harmonics, stages[0]),
        check_equivariance(apply, generic, harmonics, stages),
    )


def space_under_motions() -> Iterator[Row]:
    """Nodes on the icosahedron's corners integrate polynomials up to degree 5 as all rotations do. Those of the cube
    map a grid of nodes to itself: with it they are exact."""
    space, corners = space_under_se3(), icosphere(0)[0]
    kernel = mc.kernels.gaussian(0.2, normalise=True)
    radii = (0.2, 0.4)
    nodes = torch.cat([radius * corners for radius in radii])
    rule = mc.TangentRule.points(nodes, torch.full((len(nodes),), 1 / len(nodes), dtype=torch.float64))
    stages = []
    for count in (11, 21):
        sites = space.manifold.sites((count,) * 3, 2 / (count - 1))
        operator = mc.Pullback.by_action(space, sites, rule).operator(kernel)
        stages.append(Discretisation(sites, operator, inside=lambda x: (x - 1).norm(dim=-1) < 0.5))
    cube = mc.Pullback.by_action(space, stages[0].sites, mc.TangentRule.grid((3, 3, 3), 0.2)).operator(kernel)

    def waves(x: torch.Tensor) -> torch.Tensor:
        return (torch.sin(2 * x[..., 0]) * torch.cos(x[..., 1]) + x[..., 2] ** 2)[..., None]

    centre = torch.ones(3, dtype=torch.float64)

    def turn(rotation: torch.Tensor) -> torch.Tensor:
        return space.group.join(rotation, centre - rotation @ centre)

    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    other = quarter.roll((1, 1), (0, 1))  # about the x axis; the two generate all 24
    quarters = [action_isometry(space, turn(g)) for g in (quarter, other, quarter @ other, other @ other)]
    generic = [action_isometry(space, turn(g)) for g in mc.SO3().random(3, generator())]
    yield Row(
        "R³ under SE(3)",
        "SO(3)",
        "Lebesgue",
        "isotropic",
        "the 24 rotations of the cube, shifts by whole steps",
        check_equivariance(apply, quarters, waves, Discretisation(stages[0].sites, cube)),
        check_equivariance(apply, generic, waves, stages),
    )


def ahead(u: torch.Tensor) -> torch.Tensor:
    """A kernel on the group without any symmetry."""
    place = torch.exp(-((u[..., 0] - 0.05) ** 2 + u[..., 1] ** 2) / 0.1)
    return place * (1 + torch.cos(u[..., 2]) + 0.5 * torch.sin(2 * u[..., 2]))


AHEAD = mc.kernels.Kernel.from_function(ahead, "ahead", dimension=3)


def se2_on_itself() -> Iterator[Row]:
    """Refined in position and angle alike."""
    plane, group = plane_under_se2(), mc.SE2()
    space, rule = group_on_itself(group), group_rule(plane, mc.TangentRule.polar(0.3, 1, 6), 2)
    stages = []
    for count, angles in ((15, 8), (29, 16)):
        sites = group.sites((count, count, angles), 1.5 / (count - 1))
        operator = group_pullback(group, sites, rule).operator(AHEAD)
        stages.append(
            Discretisation(sites, operator, inside=lambda g: (g[..., :2] - 0.75).norm(dim=-1) < 0.3)
        )

    def field(g: torch.Tensor) -> torch.Tensor:
        x, y, angle = g.unbind(-1)
        return (torch.sin(2 * x + 1) * torch.cos(angle) + torch.cos(3 * y) * torch.sin(angle))[..., None]

    turns = [action_isometry(space, element(*about(k * math.pi / 2, 0.75))) for k in (1, 2, 3)]
    generic = [
        action_isometry(space, element(*about(2 * math.pi * t, 0.75))) for t in (0.07, 0.19, 0.41, 0.83)
    ]
    yield Row(
        "SE(2) on itself",
        "trivial",
        "Haar, dx dy dθ",
        "any",
        "quarter turns (4 divides n), shifts by whole steps",
        check_equivariance(apply, turns, field, stages[0]),
        check_equivariance(apply, generic, field, stages),
    )


def so3_on_itself() -> Iterator[Row]:
    sphere, group = sphere_under_so3(), mc.SO3()
    space, rule = group_on_itself(group), group_rule(sphere, mc.TangentRule.polar(0.3, 1, 4), 2)
    stages = []
    for level, angles in ((1, 10), (2, 20)):
        sites = group.sites(icosphere=level, angles=angles)
        stages.append(Discretisation(sites, group_pullback(group, sites, rule).operator(AHEAD)))

    def field(g: torch.Tensor) -> torch.Tensor:
        return (g[..., 0, 0] + g[..., 1, 2] + 0.5 * g[..., 2, 1])[..., None]

    rotations = [action_isometry(space, g) for g in icosahedral_rotations()[[1, 17, 42]]]
    generic = [action_isometry(space, g) for g in group.random(4, generator())]
    yield Row(
        "SO(3) on itself",
        "trivial",
        "Haar",
        "any",
        "the 60 rotations of the icosphere (10 divides n)",
        check_equivariance(apply, rotations, field, stages[0]),
        check_equivariance(apply, generic, field, stages),
    )


def rows() -> list[Row]:
    makers = (
        line_and_plane_under_translations,
        plane_under_motions,
        space_under_motions,
        sphere_under_rotations,
        se2_on_itself,
        so3_on_itself,
    )
    return [row for maker in makers for row in maker()]


PAGE = Path(__file__).parent.parent / "docs" / "guide-equivariance.md"
HEAD = (
    "| space and group | stabiliser | measure | kernels (scalars) | exact symmetries of the sites | error there |"
    " error elsewhere, spacing halved |"
)


def agrees(row: Row, page: str) -> bool:
    """Whether the page has this line: the same words, and the same numbers to a fifth of them."""
    number = re.compile(r"\d+\.\d+(?:e-?\d+)?")
    for line in page.splitlines():
        if number.sub("", line) == number.sub("", str(row)):
            pairs = zip(number.findall(line), number.findall(str(row)), strict=True)
            return all(abs(float(shown) / float(found) - 1) < 0.2 for shown, found in pairs)
    return False


if __name__ == "__main__":
    table = rows()
    print(HEAD, "|---|---|---|---|---|---|---|", *table, sep="\n")
    for row in table:
        if not (row.exact.exact and row.exact.constraint < ROUNDING and row.generic.passed):
            raise SystemExit(f"{row.space}: a correlation does not commute with the group\n{row.generic}")
        if PAGE.exists() and not agrees(row, PAGE.read_text(encoding="utf-8")):
            raise SystemExit(f"{PAGE.name} shows another line than\n{row}")
