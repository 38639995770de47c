"""Spaces of geomstats: agreement with the package's own, laws, what they do to the process, holonomy, sites."""

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import HyperbolicPlane, NeighbourSites, OdeSolver, ParametrisedSurface, Sphere
from manifoldconv.testing import ManifoldCase, check_laws, require

pytest.importorskip("geomstats")
import itertools

from manifoldconv.manifolds import GeomstatsManifold, import_geomstats

import_geomstats()

SPACES = {
    "hypersphere": ("geomstats.geometry.hypersphere", "Hypersphere(2)", 3.0),
    "hyperboloid": ("geomstats.geometry.hyperboloid", "Hyperboloid(2)", 2.0),
    "rotations": ("geomstats.geometry.special_orthogonal", "SpecialOrthogonal(3)", 2.0),
    "positive matrices": ("geomstats.geometry.spd_matrices", "SPDMatrices(2)", 1.0),
    "planes in four dimensions": ("geomstats.geometry.grassmannian", "Grassmannian(4, 2)", 1.0),
}


def space(name: str) -> object:
    module, call, _ = SPACES[name]
    scope: dict = {}
    exec(f"from {module} import {call.partition('(')[0]} as found", scope)
    return eval(f"found({call.partition('(')[2]}", scope)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def near_base(manifold: GeomstatsManifold, count: int, generator: torch.Generator) -> Tensor:
    v = torch.randn(count, manifold.dim, generator=generator, dtype=torch.float64)
    return manifold.exp(manifold.base, torch.nn.functional.normalize(v, dim=-1))


def inner(manifold: GeomstatsManifold):
    """The metric in ambient coordinates, from its values on the standard basis made tangent."""
    name = type(manifold.space).__name__
    if name == "Hyperboloid":
        return lambda x: torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
    if name == "SPDMatrices":
        return lambda x: torch.stack([torch.kron(p.inverse(), p.inverse()) for p in x])
    if "SpecialOrthogonal" in name:  # geomstats takes half the trace
        return lambda x: torch.eye(9, dtype=torch.float64) / 2
    return None


@pytest.mark.parametrize("name", SPACES)
def test_spaces_obey_the_laws(name: str) -> None:
    manifold, axes = GeomstatsManifold(space(name)), len(space(name).shape)
    case = ManifoldCase(
        manifold,
        lambda generator, count: near_base(manifold, count, generator),
        radius=SPACES[name][2],
        tolerance=1e-9,  # geomstats moves hyperbolic points back onto the sheet at each step
        membership=lambda x: 1 - torch.as_tensor(manifold.space.belongs(x.numpy(), atol=1e-9)).double(),
        embed=lambda x: x.flatten(-axes),
        inner=inner(manifold),
    )
    require(check_laws(case, torch.Generator().manual_seed(0), count=4))


@pytest.mark.parametrize(("name", "own"), [("hypersphere", Sphere()), ("hyperboloid", HyperbolicPlane())])
def test_own_spheres_and_hyperbolic_planes_agree(name: str, own: Sphere | HyperbolicPlane) -> None:
    theirs = GeomstatsManifold(space(name))
    metric = torch.diag(torch.tensor([-1.0 if name == "hyperboloid" else 1.0, 1, 1], dtype=torch.float64))
    x, v = near_base(theirs, 50, torch.Generator().manual_seed(0)), normal(50, 2, seed=1)

    def turn(x: Tensor) -> Tensor:
        """From their frame to ours."""
        return own.frame(x).mT @ metric @ theirs.frame(x)

    geodesic = theirs.geodesic(x, v)
    expected = own.geodesic(x, (turn(x) @ v[..., None])[..., 0])
    assert torch.allclose(geodesic.end, expected.end, rtol=0, atol=1e-10)
    ours = turn(geodesic.end).mT @ expected.transport @ turn(x)
    assert torch.allclose(geodesic.transport, ours, rtol=0, atol=1e-10)
    y = x.roll(1, dims=0)
    logarithm = (turn(x).mT @ own.log(x, y)[..., None])[..., 0]
    assert torch.allclose(theirs.log(x, y), logarithm, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["hypersphere", "hyperboloid"])
def test_frames_have_one_orientation(name: str) -> None:
    manifold = GeomstatsManifold(space(name))
    x = manifold.exp(manifold.base, 3 * torch.nn.functional.normalize(normal(60, 2), dim=-1))
    own = Sphere() if name == "hypersphere" else HyperbolicPlane()
    metric = torch.diag(torch.tensor([-1.0 if name == "hyperboloid" else 1.0, 1, 1], dtype=torch.float64))
    signs = torch.linalg.det(own.frame(x).mT @ metric @ manifold.frame(x)).sign()
    assert len(signs.unique()) == 1


@pytest.mark.parametrize("backend", ["numpy", "pytorch"])
@pytest.mark.parametrize("first", ["float32", "float64"])
def test_the_process_keeps_its_default_dtype(backend: str, first: str) -> None:
    code = f"""
import os, torch
torch.set_default_dtype(torch.{first})
torch.manual_seed(5); before = torch.random.get_rng_state()
import manifoldconv
from manifoldconv.manifolds import GeomstatsManifold, import_geomstats
import_geomstats("{backend}")
assert torch.get_default_dtype() == torch.{first}
assert "GEOMSTATS_BACKEND" not in os.environ
from geomstats.geometry.spd_matrices import SPDMatrices
from geomstats.geometry.hypersphere import Hypersphere
for space in (Hypersphere(2), SPDMatrices(2)):
    manifold = GeomstatsManifold(space)
    x, v = manifold.base, torch.full((4, manifold.dim), 0.5, dtype=torch.float64)
    end = manifold.exp(x, v)
    manifold.log(x, end), manifold.transport_between(x, end), manifold.sites(manifold.exp(x, torch.eye(manifold.dim)))
    assert end.dtype == torch.float64 and torch.get_default_dtype() == torch.{first}
    assert torch.allclose(manifold.log(x, end), v, rtol=0, atol=1e-10)
assert torch.equal(torch.random.get_rng_state(), before)
v = v.requires_grad_()
try:
    torch.autograd.grad(manifold.exp(x, v).sum(), v)
    print("gradient")
except ValueError as refusal:
    print(refusal)
other = {{"numpy": "pytorch", "pytorch": "numpy"}}["{backend}"]
try:
    import_geomstats(other)
except ValueError as refusal:
    print(refusal)
"""
    environment = {"PATH": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    gradient, refusal = done.stdout.strip().splitlines()
    assert gradient == "gradient" if backend == "pytorch" else "gradients cannot pass" in gradient
    assert f'imported before with the backend "{backend}"' in refusal


def test_importing_the_manifolds_does_not_import_geomstats() -> None:
    code = "import sys, manifoldconv.manifolds; print('geomstats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def torus_metric(u: Tensor) -> Tensor:
    radius = 2 + u[..., 0].cos()
    return torch.diag_embed(torch.stack([torch.ones_like(radius), radius.square()], dim=-1))


def torus_christoffel(u: Tensor) -> Tensor:
    radius, slope = 2 + u[..., 0].cos(), -u[..., 0].sin()
    symbol = torch.zeros(*u.shape[:-1], 2, 2, 2, dtype=torch.float64)
    symbol[..., 0, 1, 1] = -radius * slope
    symbol[..., 1, 0, 1] = symbol[..., 1, 1, 0] = slope / radius
    return symbol


# Twelve steps leave 1e-6; the ladder errs by 1e-4 and more.
TORUS = ParametrisedSurface(
    ((0.0, 2 * math.pi), (0.0, 2 * math.pi)),
    metric=torus_metric,
    christoffel=torus_christoffel,
    periodic=(True, True),
    solver=OdeSolver("rk4", steps=12),
)


@pytest.fixture(scope="module")
def torus_space() -> object:
    """A space that is not symmetric, with exp and log but no transport, as geomstats would have it."""
    import numpy as np
    from geomstats.geometry.riemannian_metric import RiemannianMetric

    def vectors(u: Tensor, w: Tensor) -> Tensor:
        return (torch.linalg.inv(torch.linalg.cholesky(TORUS.metric_at(u)).mT) @ w[..., None])[..., 0]

    def coordinates(u: Tensor, w: Tensor) -> Tensor:
        return (torch.linalg.cholesky(TORUS.metric_at(u)).mT @ w[..., None])[..., 0]

    class TorusMetric(RiemannianMetric):
        def exp(self, tangent_vec, base_point, **_):
            u, w = torch.as_tensor(base_point), torch.as_tensor(tangent_vec)
            return TORUS.exp(u, coordinates(u, w)).numpy()

        def log(self, point, base_point, **_):
            u = torch.as_tensor(base_point)
            return vectors(u, TORUS.log(u, torch.as_tensor(point))).numpy()

        def inner_product(self, tangent_vec_a, tangent_vec_b, base_point=None):
            g = TORUS.metric_at(torch.as_tensor(base_point)).numpy()
            return np.einsum("...i,...ij,...j->...", tangent_vec_a, g, tangent_vec_b)

        def parallel_transport(self, *_, **__):
            raise NotImplementedError

    class Space:
        dim, shape, point_ndim, default_coords_type, intrinsic = 2, (2,), 1, "intrinsic", True

        def __init__(self) -> None:
            self.metric = TorusMetric(self)

        def belongs(self, point, atol=0.0):
            return np.ones(np.shape(point)[:-1], dtype=bool)

        def to_tangent(self, vector, base_point=None):
            return np.broadcast_to(vector, np.broadcast_shapes(np.shape(vector), np.shape(base_point)))

    return Space()


def test_the_ladder_is_of_second_order(torus_space: object) -> None:
    """The ladder itself; the orthogonal matrix nearest to it errs less."""
    base = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    w = torch.tensor([[0.9, 0.7]], dtype=torch.float64)
    frame = TORUS.frame(base)
    v = torch.linalg.solve(frame, w)
    expected = TORUS.geodesic(base, v)
    raw, orthogonal = [], []
    for rungs in (4, 8, 16):
        manifold = GeomstatsManifold(torus_space, base=base[0], rungs=rungs)
        assert manifold.transport_by == "ladder"
        carried = torch.linalg.solve(TORUS.frame(expected.end), manifold._carried(base, w, frame))
        left, _, right = torch.linalg.svd(carried)
        raw.append(float((carried - expected.transport).abs().max()))
        orthogonal.append(float((left @ right - expected.transport).abs().max()))
    for coarse, fine in itertools.pairwise(raw):
        assert math.log2(coarse / fine) == pytest.approx(2, abs=0.3)
    assert all(one < other for one, other in zip(orthogonal, raw, strict=True))
    found = manifold.geodesic(base, w @ torch.eye(2, dtype=torch.float64)).transport
    assert torch.allclose(found.mT @ found, torch.eye(2, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("error::RuntimeWarning")  # of roots of squares that rounding made negative
@pytest.mark.parametrize(
    ("name", "group", "rank"),
    [
        ("hypersphere", "SO(2)", 1),
        ("hyperboloid", "SO(2)", 1),
        ("rotations", "SO(3)", 3),
        ("positive matrices", "SO(2) x trivial", 1),
    ],
)
def test_holonomy_is_estimated_from_loops(name: str, group: str, rank: int) -> None:
    manifold = GeomstatsManifold(space(name))
    estimate = manifold.estimate_holonomy()
    assert estimate.group is not None
    assert (estimate.group.name, estimate.rank) == (group, rank)
    assert estimate.residual < 1e-7
    if rank == 1:  # estimated once more, which takes its time on the rotations
        assert manifold.holonomy_group() == estimate.group
    # Fresh loops lie in it, in the frame at the base.
    corners = near_base(manifold, 3, torch.Generator().manual_seed(7))
    loop = torch.cat([manifold.base[None], corners, manifold.base[None]])
    assert estimate.group.contains(manifold.holonomy(loop).matrix, 1e-8)


def test_large_loops_of_the_grassmannian_mirror_both_of_its_factors() -> None:
    """Planes in R⁴ without orientation are doubly covered by S² × S²: S(O(2) × O(2)), of two components."""
    manifold = GeomstatsManifold(space("planes in four dimensions"))
    estimate = manifold.estimate_holonomy(loops=12)
    assert (estimate.rank, estimate.blocks) == (2, (2, 2))
    assert estimate.group is not None
    assert estimate.group.name == "SO(2) x SO(2) with 2 components"
    assert not estimate.group.reverses_orientation
    assert estimate.residual < 1e-7
    assert all(estimate.group.contains(transport, 1e-7) for transport in estimate.transports)


def test_an_unrecognised_group_is_refused_with_its_evidence() -> None:
    """Planes in R⁵: SO(2) × SO(3) acts on R² ⊗ R³, without invariant subspaces, and is not SO(6)."""
    from geomstats.geometry.grassmannian import Grassmannian

    manifold = GeomstatsManifold(Grassmannian(5, 2))
    estimate = manifold.estimate_holonomy(loops=6)
    assert (estimate.group, estimate.rank, estimate.blocks) == (None, 4, (6,))
    with pytest.raises(GeometryError, match="Lie algebra of dimension 4 in so"):
        manifold.holonomy_group()


def test_neighbour_sites_have_second_order() -> None:
    manifold = GeomstatsManifold(space("hypersphere"))
    errors = []
    for level in (2, 3):
        points = Sphere().sites(icosphere=level).points
        sites = manifold.sites(points)
        assert isinstance(sites, NeighbourSites)
        assert float(sites.area.sum()) == pytest.approx(4 * math.pi, rel=0.2)
        q = near_base(manifold, 200, torch.Generator().manual_seed(0))
        stencil = sites.stencil(q)
        assert torch.allclose(stencil.weight.sum(-1), torch.ones(200, dtype=torch.float64))
        found = (stencil.weight * points[stencil.index].sin().sum(-1)).sum(-1)
        errors.append(float((found - q.sin().sum(-1)).square().mean().sqrt()))
        own = sites.stencil(points[:20])
        there = (own.weight * points[own.index].sin().sum(-1)).sum(-1)
        assert torch.allclose(there, points[:20].sin().sum(-1), rtol=0, atol=1e-10)
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.4)


def test_neighbour_weights_reproduce_linear_fields() -> None:
    manifold = GeomstatsManifold(space("positive matrices"))
    points = near_base(manifold, 80, torch.Generator().manual_seed(1))
    q = near_base(manifold, 20, torch.Generator().manual_seed(2))
    stencil = manifold.sites(points).stencil(q)
    offsets = manifold.log(q[:, None], points[stencil.index])
    centre = (stencil.weight[..., None] * offsets).sum(-2)
    assert torch.allclose(centre, torch.zeros(20, 3, dtype=torch.float64), rtol=0, atol=1e-9)


def test_bad_input_is_refused() -> None:
    sphere = GeomstatsManifold(space("hypersphere"))
    with pytest.raises(GeometryError, match="x must lie on Hypersphere; point 1 does not"):
        sphere.exp(torch.tensor([[0.0, 0, 1], [0, 0, 2]]), torch.zeros(2))
    with pytest.raises(GeometryError, match="the Jacobian of exp is not known"):
        sphere.exp_jacobian(sphere.base, torch.zeros(2))
    with pytest.raises(GeometryError, match="are the same point"):
        sphere.sites(torch.stack([sphere.base, sphere.base, -sphere.base]))
    with pytest.raises(GeometryError, match="transport_by must be"):
        GeomstatsManifold(space("hypersphere"), transport_by="schild")
    with pytest.raises(GeometryError, match="backend must be"):
        import_geomstats("jax")
