"""Presets on meshes: exact on a flat one, eigenfunctions on a sphere, no frame and no boundary in the way."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.presets import KERNELS, PRESETS, Settings, find
from manifoldconv.respond import respond
from manifoldconv.signals import Signal, read_signal

MESHES = Path(__file__).parent.parent / "meshes"


def flat(n: int = 25) -> mc.MeshSurface:
    """The unit square, triangulated with vertices pushed about."""
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n))
    shift = 0.25 / n * np.random.default_rng(1).uniform(-1, 1, (2, n, n))
    shift[:, [0, -1]] = shift[:, :, [0, -1]] = 0
    vertices = np.stack([x + shift[0], y + shift[1], np.zeros_like(x)], axis=-1).reshape(-1, 3)
    i = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).reshape(-1)
    faces = np.concatenate([np.stack([i, i + 1, i + n + 1], 1), np.stack([i, i + n + 1, i + n], 1)])
    return mc.MeshSurface(vertices, faces)


def field(surface: mc.MeshSurface, values: torch.Tensor, kind: str = "scalar") -> Signal:
    return Signal(values.reshape(surface.n_vertices, -1), "vertices", kind, "test")  # type: ignore[arg-type]


FLAT = flat()
INSIDE = ((FLAT.vertices[:, :2] - 0.5).abs() < 0.5 - 0.21).all(dim=1)
SETTINGS = Settings(radius=0.2)
SPHERE = mc.load_mesh(MESHES / "icosphere.ply")


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_a_linear_function_of_slope_one_has_edges_one(angle: float) -> None:
    x, y, _ = FLAT.vertices.T
    slope = math.cos(angle) * x + math.sin(angle) * y + 5
    edges = respond(FLAT, field(FLAT, slope), PRESETS["edges"], SETTINGS, boundary="zero").values[INSIDE]
    # Interpolation is exact on linear functions; what remains is rounding.
    assert torch.allclose(edges, torch.ones_like(edges), rtol=0, atol=1e-10)
    ridges = respond(FLAT, field(FLAT, slope), PRESETS["ridges"], SETTINGS, boundary="zero").values[INSIDE]
    assert float(ridges.abs().max()) < 1e-8


@pytest.mark.parametrize(("angle", "sign"), [(0.0, 1.0), (0.6, -1.0)])
def test_a_parabola_has_ridges_one(angle: float, sign: float) -> None:
    x, y, _ = FLAT.vertices.T
    across = math.cos(angle) * x + math.sin(angle) * y
    parabola = field(FLAT, sign * across.square() / 2)
    ridges = respond(FLAT, parabola, PRESETS["ridges"], SETTINGS, boundary="zero").values[INSIDE]
    # Piecewise linear interpolation errs by edge² / 8 = 3e-4, times 1 / σ² = 225 of the kernel.
    assert torch.allclose(ridges, torch.full_like(ridges, sign), rtol=0, atol=0.05)


def test_ridges_take_the_strongest_direction_with_its_sign() -> None:
    x, y, _ = FLAT.vertices.T
    ridges = respond(
        FLAT, field(FLAT, x.square() / 2 - y.square()), PRESETS["ridges"], SETTINGS, boundary="zero"
    )
    assert torch.allclose(ridges.values[INSIDE], torch.full_like(ridges.values[INSIDE], -2.0), atol=0.1)


@pytest.mark.parametrize("name", ["smooth", "sharpen", "edges", "ridges"])
def test_constants_stay_constant_up_to_the_boundary(name: str) -> None:
    out = respond(FLAT, field(FLAT, torch.full((625,), 3.0, dtype=torch.float64)), PRESETS[name], SETTINGS)
    assert out.boundary == "reflect"
    expected = 3.0 if name in ("smooth", "sharpen") else 0.0
    assert torch.allclose(out.values, torch.full_like(out.values, expected), rtol=0, atol=1e-9)


def test_sharpen_undoes_what_smooth_takes() -> None:
    noise = read_signal(SPHERE, "noise")
    smooth = respond(SPHERE, noise, PRESETS["smooth"], Settings(0.3)).values
    sharp = respond(SPHERE, noise, PRESETS["sharpen"], Settings(0.3, amount=0.5)).values
    assert torch.allclose(sharp, 1.5 * noise.values - 0.5 * smooth, atol=1e-12)


def test_edges_of_a_height_on_the_sphere_are_its_gradient() -> None:
    z = read_signal(SPHERE, "z")
    edges = respond(SPHERE, z, PRESETS["edges"], Settings(0.2)).values[:, 0]
    gradient = (1 - z.values[:, 0].square()).sqrt()
    # The mean of cos r over the disc costs a share of about radius² / 9 ≤ 0.5 %, the mesh another edge² / 8.
    assert torch.allclose(edges, gradient, rtol=0, atol=0.01)


def test_no_frame_matters() -> None:
    """Turning the faces over mirrors all frames, and with them the nodes."""
    torus = mc.load_mesh(MESHES / "torus.ply")
    turned = mc.MeshSurface(torus.vertices, torus.faces[:, [0, 2, 1]])
    signal = field(torus, torch.sin(3 * torus.vertices[:, 0]) + torus.vertices[:, 2])

    def change(name: str, **choices: bool) -> float:
        here, there = (
            respond(s, signal, find(name), Settings(0.25), **choices).values for s in (torus, turned)
        )
        return float((here - there).abs().max() / here.abs().max())

    # Where the nodes are others, the quadrature of a piecewise linear field is, too.
    assert change("edges") < 0.01
    assert change("ridges") < 0.01
    assert change("derivative", gauge_dependent=True) > 0.1


def test_kernels_by_name_agree_with_correlate() -> None:
    settings = Settings(0.2, sigma=0.06)
    noise = read_signal(SPHERE, "noise")
    for name in ("gaussian", "ring"):
        out = respond(SPHERE, noise, KERNELS[name], settings)
        pull = mc.Pullback.build(SPHERE, SPHERE.sites(), out.rule)
        assert torch.allclose(out.values, mc.correlate(noise.values, out.kernels[0], pull), atol=1e-12)
        assert out.nonzeros is not None
        assert out.nonzeros > len(noise.values)


def test_what_holonomy_forbids_is_refused_and_can_be_forced() -> None:
    z = read_signal(SPHERE, "z")
    for name in ("derivative", "gabor"):
        with pytest.raises(mc.HolonomyError, match=r"SO\(2\)"):
            respond(SPHERE, z, KERNELS[name], Settings(0.3))
        assert respond(SPHERE, z, KERNELS[name], Settings(0.3), gauge_dependent=True).values.shape == (
            2562,
            1,
        )


def test_vectors_are_carried_not_averaged_in_space() -> None:
    """On a sphere the field ∂/∂φ sin θ is an eigenfield of smoothing, by symmetry, and stays tangent."""
    x, y, _ = SPHERE.vertices.T
    turning = field(SPHERE, torch.stack([-y, x, torch.zeros_like(x)], dim=1), "vector")
    out = respond(SPHERE, turning, PRESETS["smooth"], Settings(0.5)).values
    ratio = (out * turning.values).sum() / turning.values.square().sum()
    # Each vertex holds its curvature, up to 0.008 rad, in one point: paths beside it turn differently.
    assert torch.allclose(out, ratio * turning.values, rtol=0, atol=4e-3)
    assert 0.9 < float(ratio) < 1.0
    with pytest.raises(mc.HolonomyError, match="does not act on tangent vectors"):
        respond(SPHERE, turning, PRESETS["edges"], Settings(0.5))


def test_a_parallel_vector_field_of_the_plane_is_kept() -> None:
    constant = field(FLAT, torch.tensor([[0.6, -0.8, 0.0]], dtype=torch.float64).repeat(625, 1), "vector")
    out = respond(FLAT, constant, PRESETS["smooth"], SETTINGS, boundary="renormalise").values
    assert torch.allclose(out, constant.values, rtol=0, atol=1e-12)


def test_the_normal_part_of_a_vector_field_is_left_out_with_a_warning() -> None:
    upward = field(FLAT, torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64).repeat(625, 1), "vector")
    with pytest.warns(mc.AccuracyWarning, match="50.0% of the squared length"):
        out = respond(FLAT, upward, PRESETS["smooth"], SETTINGS, boundary="renormalise").values
    assert torch.allclose(out, torch.tensor([1.0, 0, 0], dtype=torch.float64).expand(625, 3), atol=1e-12)


def test_vertices_of_no_face_get_zero() -> None:
    lonely = mc.MeshSurface(torch.cat([SPHERE.vertices, torch.ones(1, 3)]), SPHERE.faces)
    out = respond(
        lonely, field(lonely, torch.ones(2563, dtype=torch.float64)), PRESETS["sharpen"], Settings(0.3)
    )
    assert out.values[-1].tolist() == [0]
    assert torch.allclose(out.values[:-1], torch.ones(2562, 1, dtype=torch.float64), atol=1e-12)


def test_few_nodes_and_small_discs_are_told() -> None:
    z = read_signal(SPHERE, "z")
    with pytest.warns(mc.AccuracyWarning, match="4 x 28 nodes .* fewer than the 7 x 28"):
        respond(SPHERE, z, PRESETS["smooth"], Settings(4 * SPHERE.mean_edge_length), n_radial=4)
    with pytest.warns(mc.AccuracyWarning, match="is 1 mean edges"):
        respond(SPHERE, z, PRESETS["smooth"], Settings(SPHERE.mean_edge_length))


def test_progress_reaches_the_end() -> None:
    seen: list[tuple[int, int]] = []
    respond(
        SPHERE, read_signal(SPHERE, "z"), PRESETS["smooth"], Settings(0.3), progress=lambda *a: seen.append(a)
    )
    assert seen[-1] == (2562, 2562)


CUBE = mc.load_mesh(MESHES / "cube_fine.ply")


@pytest.mark.parametrize("name", ["smooth", "edges", "ring"])
def test_what_no_rotation_changes_needs_no_carried_frame(name: str) -> None:
    """The corners of a cube have curvature of their own: no frame can be carried to them."""
    ones = field(CUBE, torch.ones(602, dtype=torch.float64))
    out = respond(CUBE, ones, find(name), Settings(0.3))
    assert out.group.name == "C(4)"
    assert torch.allclose(out.values, out.values[:1].expand_as(out.values), rtol=0, atol=1e-12)


def test_an_odd_kernel_on_a_cube_is_refused_for_its_group_and_can_be_forced_even_at_corners() -> None:
    height = field(CUBE, CUBE.vertices[:, 2])
    with pytest.raises(mc.HolonomyError, match=r"C\(4\)"):
        respond(CUBE, height, find("derivative"), Settings(0.3))
    forced = respond(CUBE, height, find("derivative"), Settings(0.3), gauge_dependent=True)
    assert bool(forced.values.isfinite().all())


def test_on_a_flat_mesh_a_derivative_is_admitted_and_means_the_same_everywhere() -> None:
    slope = field(FLAT, FLAT.vertices[:, 0] + 2 * FLAT.vertices[:, 1])
    out = respond(FLAT, slope, find("derivative"), SETTINGS)
    assert out.group.name == "trivial"
    inside = out.values[INSIDE]
    assert float(inside.abs().min()) > 0
    assert torch.allclose(inside, inside[:1].expand_as(inside), rtol=1e-10, atol=0)
