"""What `check_equivariance` refuses: requests without an answer, and checks that would prove nothing."""

import math
from dataclasses import replace

import pytest
import torch

import manifoldconv as mc
from manifoldconv.testing import (
    Discretisation,
    GaugeChange,
    Isometry,
    check_equivariance,
    planar_motion,
    random_planar_motions,
)

PLANE = mc.FlatTorus(1.0, 1.0)
CENTRE = (0.5, 0.5)


def torus(count):
    sites = PLANE.sites(shape=(count, count))
    return Discretisation(sites, mc.Pullback.build(PLANE, sites, mc.TangentRule.grid((3, 3), 1 / 12)))


AT, FINE = torus(12), torus(24)
SITES = AT.sites
WINDOW = Discretisation(mc.Euclidean(2).sites(shape=(3, 3)), pull=())
MOTIONS = random_planar_motions(CENTRE, 0.03)


def blobs(x):
    v = x - 0.5
    bump = torch.exp(-(v**2).sum(-1) / (2 * 0.06**2))
    return torch.stack([bump * (1 + 8 * v[..., 0]), bump * v[..., 0] * v[..., 1] * 200], -1)


def identity(name="nothing"):
    return Isometry(
        name, lambda x: x, lambda x: torch.eye(2, dtype=torch.float64).expand(*x.shape[:-1], 2, 2)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"element": identity()}, "every element is the identity on the sites, such as nothing"),
        ({"element": []}, "no elements"),
        ({"element": ["a turn"]}, "an element is an Isometry"),
        ({"element": MOTIONS, "count": 0}, "count must be at least 1"),
        ({"at": []}, "no discretisation"),
        ({"at": [FINE, AT]}, "must get finer"),
        ({"at": [AT, FINE], "field": torch.zeros(144, 1, dtype=torch.float64)}, "as a function of points"),
        ({"field": torch.zeros(143, 1, dtype=torch.float64)}, "N = 144 sites"),
        ({"field": torch.zeros(144, 1, dtype=torch.float64)}, "largest value 0"),
        ({"operator": lambda field, pull: field * math.nan}, "largest value nan"),
        ({"output": "number"}, '"field" or "invariant"'),
        ({"element": planar_motion(0.3, centre=CENTRE)}, "at least two discretisations"),
        (
            {
                "element": GaugeChange(torch.eye(2).repeat(144, 1, 1).double() * -1),
                "at": replace(AT, pull=5),
            },
            "needs a discretisation with a Pullback",
        ),
        (
            {"element": planar_motion(translation=(1.0, 0.0))},
            "the identity on the sites, such as .* shift by",
        ),
        (
            {"field": lambda x: torch.ones_like(x[..., :1])},
            "the field stays the same under every element, such as a",
        ),
        ({"field": blobs(SITES.points) * math.nan}, "the field is not finite at site 0"),
        ({"field": torch.ones(144, 1, dtype=torch.int64)}, "of a floating type; got torch.int64"),
        ({"operator": lambda field, pull: field[:5]}, r"P = 144 sites \(see sites_out\); got \(5, 2\)"),
        ({"operator": lambda field, pull: field[:, 0]}, r"P = 144 sites \(see sites_out\); got \(144,\)"),
        ({"at": SITES}, "at must be a Discretisation, or a list of them; got GridSites"),
        ({"at": [AT, SITES]}, "at must hold Discretisations; got GridSites"),
        ({"at": replace(AT, inside=lambda x: x[..., 0] > 9)}, "inside must be true at some of the 144 sites"),
        ({"at": replace(AT, inside=lambda x: x > 0.5)}, r"one value a site; got shape \(144, 2\)"),
        ({"at": [AT, replace(FINE, spacing=0.0)]}, "must get finer"),
        (
            {"at": WINDOW, "element": planar_motion(translation=(99.0, 0.0)), "field": torch.ones(9, 1)},
            "a shift by .* takes every site out of GridSites",
        ),
        ({"order": 0}, "the expected order must be positive; got 0"),
        ({"element": None}, "an element is an Isometry, .* got NoneType"),
        (
            {"element": Isometry("a broken turn", lambda x: x * math.nan, PLANE.frame)},
            r"points must be finite; got nan[\s\S]*under a broken turn",
        ),
        (
            {"element": GaugeChange(2 * torch.eye(2).double().repeat(144, 1, 1), "twice")},
            r"g must be orthogonal; g\[0\] is not[\s\S]*under twice",
        ),
    ],
)
def test_requests_without_an_answer_are_refused(arguments, message):
    plain = {
        "operator": lambda field, pull: 2 * field,
        "element": planar_motion(math.pi / 2, centre=CENTRE),
        "field": blobs,
        "at": AT,
    }
    with pytest.raises(ValueError, match=message):
        check_equivariance(**(plain | arguments))
