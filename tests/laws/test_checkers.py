"""The checkers must fail: each deliberately broken manifold or set of sites breaks the law that it should."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from cases import CASES, LENGTH, SITES, WIDTH
from torch import Tensor

from manifoldconv.manifolds import Cylinder, Geodesic, Manifold, MoebiusStrip, Sphere
from manifoldconv.sampling import Sites, Stencil
from manifoldconv.testing import LAWS, LawViolation, check_laws, check_sites, require
from manifoldconv.testing.laws import LawResult


def broken_laws(case: str, manifold: Manifold) -> set[str]:
    """The laws that a changed manifold breaks in the case of the sound one."""
    changed = dataclasses.replace(CASES[case], manifold=manifold)
    return {
        result.law for result in check_laws(changed, torch.Generator().manual_seed(0)) if not result.passed
    }


def changed_geodesic(
    base: type[Manifold], change: Callable[[Geodesic, Tensor, Tensor], Geodesic]
) -> type[Manifold]:
    """A subclass whose geodesics are changed: change(geodesic, x, v)."""

    class Broken(base):
        def geodesic(self, x: Tensor, v: Tensor, *, boundary: str = "stop") -> Geodesic:
            return change(super().geodesic(x, v, boundary=boundary), x, v)

    return Broken


def scaled(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    return dataclasses.replace(geodesic, transport=geodesic.transport * (1 + 1e-6))


def turned_back(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    return dataclasses.replace(geodesic, transport=geodesic.transport.mT)


def untransported(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    return dataclasses.replace(
        geodesic, transport=torch.eye(2, dtype=torch.float64).expand_as(geodesic.transport)
    )


def mirrored(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    """A transport that leaves the velocity parallel but mirrors what is normal to it."""
    velocity = torch.nn.functional.normalize(v, dim=-1)
    mirror = 2 * velocity[..., :, None] * velocity[..., None, :] - torch.eye(2, dtype=torch.float64)
    return dataclasses.replace(geodesic, transport=geodesic.transport @ mirror)


def too_short(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    return dataclasses.replace(geodesic, length=geodesic.length * 0.999)


def off(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    return dataclasses.replace(geodesic, end=geodesic.end * (1 + 1e-7))


def undefined(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    return dataclasses.replace(geodesic, transport=geodesic.transport * float("nan"))


def never_stopped(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    return dataclasses.replace(geodesic, complete=torch.ones_like(geodesic.complete))


def always_stopped(geodesic: Geodesic, x: Tensor, v: Tensor) -> Geodesic:
    return dataclasses.replace(geodesic, complete=geodesic.length < 1.0)


BROKEN_GEODESICS = [
    ("sphere", Sphere, scaled, "transport is orthogonal"),
    ("sphere", Sphere, turned_back, "parts of a geodesic compose"),
    ("sphere", Sphere, turned_back, "isometries commute with exp, log and transport"),
    ("sphere", Sphere, untransported, "isometries commute with exp, log and transport"),
    ("sphere", Sphere, untransported, "a geodesic run back returns"),
    ("sphere", Sphere, mirrored, "parts of a geodesic compose"),
    ("sphere", Sphere, mirrored, "transport between points is that along the geodesic"),
    ("sphere", Sphere, too_short, "a geodesic is as long as its velocity, or stops before"),
    ("sphere", Sphere, off, "exp lands on the manifold"),
    ("sphere", Sphere, undefined, "transport is orthogonal"),
    ("sphere", Sphere, undefined, "a geodesic run back returns"),
    ("sphere", Sphere, always_stopped, "geodesics stop at the boundary and nowhere else"),
    ("Möbius strip", MoebiusStrip, untransported, "a geodesic run back returns"),
    ("Möbius strip", MoebiusStrip, untransported, "a reflected geodesic run back returns"),
    ("cylinder", Cylinder, never_stopped, "log inverts exp"),
]


@pytest.mark.parametrize(("case", "base", "change", "law"), BROKEN_GEODESICS)
def test_a_broken_geodesic_is_found(case: str, base: type[Manifold], change: Callable, law: str) -> None:
    sizes = (LENGTH, WIDTH) if base is not Sphere else (2, 1.0)
    assert law in broken_laws(case, changed_geodesic(base, change)(*sizes))


class LongLog(Sphere):
    def log(self, x: Tensor, y: Tensor) -> Tensor:
        return super().log(x, y) * 1.0001


class BackwardLog(Sphere):
    def log(self, x: Tensor, y: Tensor) -> Tensor:
        return super().log(y, x)


class SkewFrame(Sphere):
    """A frame that isn't orthonormal."""

    def frame(self, x: Tensor) -> Tensor:
        return super().frame(x) @ torch.tensor([[1.0, 0.1], [0.0, 1.0]], dtype=torch.float64)


class ForeignFrame(Sphere):
    """A frame that the geodesics do not use."""

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: str = "stop") -> Geodesic:
        return Sphere().geodesic(x, v)

    def frame(self, x: Tensor) -> Tensor:
        return super().frame(x) @ torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("manifold", "law"),
    [
        (LongLog(), "log inverts exp"),
        (BackwardLog(), "log inverts exp"),
        (SkewFrame(), "the frame is orthonormal"),
        (ForeignFrame(), "a geodesic starts with its velocity"),
        (ForeignFrame(), "the frame changes the coordinates, not the answer"),
    ],
)
def test_a_broken_log_or_frame_is_found(manifold: Manifold, law: str) -> None:
    assert law in broken_laws("sphere", manifold)


def test_every_law_is_applied_somewhere() -> None:
    applied = {
        result.law for case in CASES.values() for result in check_laws(case, torch.Generator().manual_seed(0))
    }
    assert applied == set(LAWS)


class ChangedSites(Sites):
    """Sites whose stencil is changed."""

    def __init__(self, sites: Sites, change: Callable[[Stencil], Stencil]) -> None:
        self.points, self.area, self.inner, self.change = sites.points, sites.area, sites, change

    def stencil(self, points: Tensor) -> Stencil:
        return self.change(self.inner.stencil(points))


def nearest(stencil: Stencil) -> Stencil:
    best = torch.nn.functional.one_hot(stencil.weight.argmax(-1), stencil.weight.shape[-1])
    return dataclasses.replace(stencil, weight=best.to(torch.float64))


def heavy(stencil: Stencil) -> Stencil:
    return dataclasses.replace(stencil, weight=stencil.weight * 1.001)


def swapped(stencil: Stencil) -> Stencil:
    return dataclasses.replace(stencil, weight=stencil.weight.flip(-1))


def unglued(stencil: Stencil) -> Stencil:
    identity = torch.eye(2, dtype=torch.float64)
    return dataclasses.replace(stencil, transport=identity.expand_as(stencil.transport))


def stretched(stencil: Stencil) -> Stencil:
    return dataclasses.replace(stencil, transport=stencil.transport * 1.01)


def nowhere(stencil: Stencil) -> Stencil:
    return dataclasses.replace(stencil, index=torch.where(stencil.weight > 0.9, -1, stencil.index))


@pytest.mark.parametrize(
    ("name", "change", "law"),
    [
        ("icosphere", nearest, "scalars are interpolated to second order"),
        ("icosphere", heavy, "stencil weights sum to 1"),
        ("icosphere", swapped, "scalars are interpolated to second order"),
        ("icosphere", swapped, "a site interpolates to itself"),
        ("icosphere", unglued, "vectors are interpolated to second order"),
        ("icosphere", stretched, "stencil transport is orthogonal"),
        ("torus", nowhere, "stencil indices are sites"),
        ("Möbius strip", unglued, "vectors are interpolated to second order"),
    ],
)
def test_broken_sites_are_found(name: str, change: Callable[[Stencil], Stencil], law: str) -> None:
    case, sample = SITES[name]
    changed = dataclasses.replace(
        case, coarse=ChangedSites(case.coarse, change), fine=ChangedSites(case.fine, change)
    )
    results = check_sites(changed, sample(torch.Generator().manual_seed(0), 2000))
    assert law in {result.law for result in results if not result.passed}


def test_wrong_areas_are_found() -> None:
    case, sample = SITES["torus"]
    wrong = dataclasses.replace(case, volume=case.volume * 1.01)
    results = check_sites(wrong, sample(torch.Generator().manual_seed(0), 100))
    assert {result.law for result in results if not result.passed} == {"areas sum to the volume"}


def test_require_lists_what_is_broken() -> None:
    sound, broken = LawResult("sound", 0.0, 1e-10), LawResult("undefined", float("nan"), 1e-10)
    require([sound])
    with pytest.raises(LawViolation, match="BROKEN undefined"):
        require([sound, broken])


def test_nothing_to_check_is_an_error() -> None:
    case = dataclasses.replace(
        CASES["cylinder"], sample_points=lambda generator, count: torch.tensor([[0.0, 1.5]]).expand(count, 2)
    )
    never = changed_geodesic(
        Cylinder,
        lambda geodesic, x, v: dataclasses.replace(geodesic, complete=torch.zeros_like(geodesic.complete)),
    )
    with pytest.raises(ValueError, match="no geodesic of length up to"):
        check_laws(dataclasses.replace(case, manifold=never(LENGTH, WIDTH)), torch.Generator().manual_seed(0))
