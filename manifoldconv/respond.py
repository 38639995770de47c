"""The response of a mesh's signal to a preset, in blocks of sites: memory does not grow with sites times
nodes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from manifoldconv.carried import BoundaryPolicy, Frames
from manifoldconv.errors import AccuracyWarning, GeometryError, HolonomyError
from manifoldconv.frames import FrameField
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import Kernel, require_admissible
from manifoldconv.ops import kernel_factors, operators
from manifoldconv.presets import Preset, Settings, choose_rule, default_counts
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites
from manifoldconv.signals import Signal
from manifoldconv.surface.surface import MeshSurface

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Response:
    """What a signal became.

    Attributes:
        values: `(N, C)` float64, on the sites of the signal; for a vector signal the three coordinates in
            space of tangent vectors. 0 at sites of no area (vertices of no face).
        rule: the nodes that were used.
        kernels: that were correlated with the signal.
        sigma: the width of their Gaussian.
        boundary: the policy in use.
        group: the holonomy group as the kernels met it (of the doubled surface with "reflect").
        nonzeros: the (site, neighbour) pairs of the collapsed operator; None for vectors, which need none.
    """

    values: Tensor
    rule: TangentRule
    kernels: tuple[Kernel, ...]
    sigma: float
    boundary: BoundaryPolicy
    group: StructureGroup
    nonzeros: int | None


def respond(
    surface: MeshSurface,
    signal: Signal,
    preset: Preset,
    settings: Settings,
    *,
    boundary: BoundaryPolicy | None = None,
    n_radial: int | None = None,
    n_angular: int | None = None,
    gauge_dependent: bool = False,
    frames: FrameField | None = None,
    progress: Progress | None = None,
) -> Response:
    """Correlate a signal with the kernels of a preset and combine their responses.

    A vector signal is read in the tangent planes (its normal part is left out), carried to each site by
    parallel
    transport along the geodesic, and summed there: an operation of the surface alone. That is defined for
    isotropic kernels, which commute with all turns of the frame.

    Args:
        surface, signal, preset, settings: what, and with what.
        boundary: None: the preset's own.
        n_radial, n_angular: None: by `choose_rule`.
        gauge_dependent: go on with kernels that the holonomy group does not admit.
        frames: those that kernels refer to, by declaration; any kernel is then admissible. What is blind to
            frames does not ask for them. None: the surface's own.
        progress: called with the number of sites done and that of all.

    Raises:
        HolonomyError: a kernel that is neither admissible nor part of a frame-blind preset; a preset that
            does not act on vectors.
        ValueError, GeometryError: as the parts say.

    Warns:
        AccuracyWarning: for fewer nodes than the rule of `choose_rule`, a radius below two mean edges, a
            vector signal with a sizeable normal part, and as `Pullback.build` does.

    >>> import manifoldconv as mc
    >>> from manifoldconv.presets import PRESETS
    >>> from manifoldconv.signals import read_signal
    >>> surface = mc.load_mesh("meshes/icosphere.ply")
    >>> z = read_signal(surface, "z")  # a spherical harmonic of degree 1: an eigenfunction of smoothing
    >>> smooth = respond(surface, z, PRESETS["smooth"], Settings(radius=0.3))
    >>> ratio = smooth.values / z.values
    >>> bool((ratio[z.values.abs() > 0.1] - ratio[0]).abs().max() < 2e-4)
    True
    """
    boundary = boundary or preset.boundary
    preset.check_boundary(boundary)
    if signal.kind == "vector" and not preset.linear:
        raise HolonomyError(
            f"{preset.name} does not act on tangent vectors: its kernels change when the frame turns; take "
            "an isotropic one (smooth, sharpen, gaussian, ring, laplacian-of-gaussian, "
            "difference-of-gaussians)"
        )
    rule = choose_rule(surface.mean_edge_length, preset, settings, n_radial, n_angular)
    made = preset.kernels(settings, rule)
    _warn_where_coarse(surface, preset, settings, rule)
    sites = surface.sites(signal.sites)
    group = surface.holonomy_group(doubled=boundary == "reflect")
    if frames is None and not (preset.frame_blind or gauge_dependent):
        for kernel in made:
            require_admissible(kernel, group, rule)
    used: Frames | FrameField = "local"
    if not preset.frame_blind:
        used = frames or _carried_or_local(surface, sites, gauge_dependent)
    blocks = Pullback.blocks(surface, sites, rule, boundary, frames=used)
    watched = _watched(blocks, len(sites), progress)
    if signal.kind == "vector":
        values, nonzeros = _respond_vectors(surface, sites, signal, preset, settings, made[0], watched), None
    else:
        collapsed = operators(made, watched)
        responses = tuple(operator(signal.values) for operator in collapsed)
        values, nonzeros = preset.combine(signal.values, responses, settings), len(collapsed[0].values)
    values = torch.where((sites.area > 0)[:, None], values, torch.zeros_like(values))
    return Response(values, rule, made, preset.sigma(settings), boundary, group, nonzeros)


def _watched(blocks: Iterable[Pullback], total: int, progress: Progress | None) -> Iterator[Pullback]:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        if progress is not None:
            progress(done, total)


def _carried_or_local(surface: MeshSurface, sites: Sites, gauge_dependent: bool) -> Frames:
    """For kernels that see the frame: carried ones. None can be carried to a cone point; then the local ones, but only
    for a caller who has accepted that the result depends on the frames."""
    if gauge_dependent:
        try:
            surface.carry_frame(sites.points[sites.area > 0])
        except GeometryError:
            return "local"
    return "parallel"


def _respond_vectors(
    surface: MeshSurface,
    sites: Sites,
    signal: Signal,
    preset: Preset,
    settings: Settings,
    kernel: Kernel,
    blocks: Iterable[Pullback],
) -> Tensor:
    """(k ⋆ u)(p) = Σ_q w_q k(v_q) Σ_s weight[p, q, s] transport[p, q, s] u[index[p, q, s]], in space."""
    connected = sites.area > 0
    tangent = torch.zeros(len(sites), 2, dtype=torch.float64)
    tangent[connected] = surface.to_tangent(sites.points[connected], signal.values[connected])
    _warn_of_normal_part(signal.values[connected], tangent[connected])
    parts = []
    for block in blocks:
        samples = torch.einsum("pqs,pqsij,pqsj->pqi", block.weight, block.transport, tangent[block.index])
        parts.append((kernel_factors(kernel, block)[..., None] * samples).sum(dim=1))
    result = preset.combine(tangent, (torch.cat(parts),), settings)
    ambient = torch.zeros(len(sites), 3, dtype=torch.float64)
    ambient[connected] = surface.to_ambient(sites.points[connected], result[connected])
    return ambient


def _warn_of_normal_part(ambient: Tensor, tangent: Tensor) -> None:
    whole = float(ambient.square().sum())
    normal = (whole - float(tangent.square().sum())) / whole if whole > 0 else 0.0
    if normal > 1e-3:
        warnings.warn(
            f"{normal:.1%} of the squared length of the vector field is normal to the surface; that part is "
            "left out",
            AccuracyWarning,
            stacklevel=4,
        )


def _warn_where_coarse(surface: MeshSurface, preset: Preset, settings: Settings, rule: TangentRule) -> None:
    edge = surface.mean_edge_length
    wanted = default_counts(edge, preset, settings)
    if any(have < want for have, want in zip(rule.shape, wanted, strict=True)):
        warnings.warn(
            f"{rule.shape[0]} x {rule.shape[1]} nodes (radial x angular) are fewer than the "
            f"{wanted[0]} x {wanted[1]} that see every edge of the mesh",
            AccuracyWarning,
            stacklevel=3,
        )
    if settings.radius < 2 * edge:
        warnings.warn(
            f"the radius {settings.radius:.3g} is {settings.radius / edge:.2g} mean edges: below about 2 the "
            "answer is one about the triangulation rather than the surface",
            AccuracyWarning,
            stacklevel=3,
        )
