"""The pullback: where the nodes of a tangent rule land on a manifold, and how a field is read there.

    (f ∘ exp_p)(v_q) = Σ_s weight[p, q, s] · ρ(transport[p, q, s]) f[index[p, q, s]]

It holds all that correlation needs of the geometry, for every site p and node v_q, and knows nothing of kernels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from manifoldconv.accuracy import warn_where_coarse, warn_where_lopsided
from manifoldconv.batches import join
from manifoldconv.carried import BoundaryPolicy, Frames, carried_frames, check_request
from manifoldconv.errors import GeometryError, float64
from manifoldconv.frames import FrameField
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Manifold
from manifoldconv.ops import SparseOperator, TypedOperator, operators, typed_operator
from manifoldconv.ops.collapsed import CollapsedOperator, collapse
from manifoldconv.ops.memory import require_memory
from manifoldconv.ops.small import back_and_forth
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites

if TYPE_CHECKING:
    from manifoldconv.homogeneous.carry import ActionMeasure
    from manifoldconv.homogeneous.space import HomogeneousSpace
    from manifoldconv.kernels.kernel import Kernel
    from manifoldconv.kernels.space import KernelSpace

Measure = Literal["tangent", "manifold"]

# Rays traced at a time: the memory that building needs besides its result is about 0.5 kB for each.
RAYS_AT_A_TIME = 500_000
IN_BLOCKS = "collapse it in blocks, ops.operators(kernels, Pullback.blocks(..., rows={}))"


@dataclass(frozen=True, eq=False, repr=False)
class Pullback:
    """For P sites and Q nodes, the stencil (of S source sites), its weights and its transport.

    Attributes:
        rule: the nodes v_q and their weights in the measure of the tangent space.
        index: `(P, Q, S)` int64, source sites.
        weight: `(P, Q, S)` float64; the sum over S is 1 where the node lies on the manifold and 0 where it is outside.
        transport: `(P, Q, S, d, d)` float64, from the frame at the source site to the frame at site p.
        n_sources: N, the number of source sites.
        group: what a kernel must be invariant under to be independent of the frames, as matrices in the carried frame;
            None where the frames are the user's declared choice.
        boundary: what nodes outside mean: "zero" (the field is 0 there), "renormalise" (the integral is scaled by
            ∫|k| over the disc ÷ ∫|k| over the part inside) or "reflect" (there are none: geodesics were reflected).
        gauge: None, or `(P, d, d)`: the frame at site p was changed by it, so that node q has the coordinates
            gauge[p] @ v_q there.
        density: None, or `(P, Q)`: what the weight of a node is multiplied by at site p. With the manifold's own
            measure the Jacobian of exp; without a rule of nodes (`over_sites`) the weight itself.
        places: None, or `(P, Q, d)`: each site has nodes of its own, in the frame before `gauge`; the rule then only
            says where kernels are tested for invariance.
        group_role: what `group` is, for messages: "holonomy group", or "stabiliser" where a group's action carries
            the kernels (`by_action`).
    """

    rule: TangentRule
    index: Tensor
    weight: Tensor
    transport: Tensor
    n_sources: int
    group: StructureGroup | None
    boundary: BoundaryPolicy = "zero"
    gauge: Tensor | None = None
    density: Tensor | None = None
    places: Tensor | None = None
    group_role: str = "holonomy group"

    @classmethod
    def build(
        cls,
        manifold: Manifold,
        sites: Sites,
        rule: TangentRule,
        boundary: BoundaryPolicy = "zero",
        base: int | None = None,
        frames: Frames | FrameField = "parallel",
        measure: Measure = "tangent",
    ) -> Pullback:
        """Trace every node from every site.

        Args:
            manifold: where the sites lie.
            sites: carry the field, and are where the correlation is evaluated.
            rule: of the manifold's dimension.
            boundary: see the attributes. "reflect" follows billiard paths, whose transport holds a mirror a bounce,
                so kernels must be invariant under the reflections that this adds to the holonomy group.
            base: the site from which a frame is carried to the others (`frames="parallel"`); default 0. For kernels
                that the holonomy group admits the result does not depend on it.
            frames: "parallel": the frame at `base`, carried by parallel transport. On a surface whose group holds
                mirrors it is turned first, so that its first axis is the line of one; where the group holds all
                rotations every frame is as good, and the local ones are taken. "local": each site's own frame,
                whatever the group; kernels must then be invariant under all rotations (and reflections, where the
                group holds one). A `FrameField`: the user's own choice of frames (a G-structure), which lifts all
                restrictions on kernels.
            measure: "tangent": dμ of the tangent space. "manifold": the manifold's own, det d(exp_p) dμ, where that is
                known in closed form; on meshes see `over_sites`.

        Raises:
            GeometryError: sites with curvature of their own where the holonomy group lacks rotations (the corner of a
                cube), to which `frames="parallel"` can carry no frame; `measure="manifold"` without a formula.
            MemoryError: where the result does not fit the memory; says how many sites at a time would.

        Warns:
            AccuracyWarning: where more than 1 % of the nodes have a path to their site that is shorter by more than
                5 % (the disc overlaps itself), where the nodes at the rim are much farther apart than the sites, or
                where an element of a group without all rotations moves nodes off the nodes (on polar rules: where
                n_angular is no multiple of its order).

        >>> import manifoldconv as mc
        >>> torus = mc.FlatTorus(1.0, 1.0)
        >>> pull = mc.Pullback.build(torus, torus.sites(shape=(8, 8)), mc.TangentRule.polar(0.2, 3, 8))
        >>> tuple(pull.index.shape)
        (64, 24, 4)
        """
        count, width = len(sites), None
        index = weight = transport = None
        first = None
        start = 0
        densities = []
        for block in cls.blocks(manifold, sites, rule, boundary, base, frames, measure=measure):
            if len(block) == count:  # small: nothing to put together
                return block
            if block.density is not None:
                densities.append(block.density)
            if index is None or weight is None or transport is None:
                width, d = block.index.shape[-1], manifold.dim
                needed = count * len(rule) * width * (16 + 8 * d * d)
                require_memory(needed, block.index.device, count, "a pullback", IN_BLOCKS)
                index = torch.empty(count, len(rule), width, dtype=torch.int64)
                weight = torch.empty(count, len(rule), width, dtype=torch.float64)
                transport = torch.empty(count, len(rule), width, d, d, dtype=torch.float64)
                first = block
            rows = slice(start, start + len(block))
            index[rows], weight[rows], transport[rows] = block.index, block.weight, block.transport
            start += len(block)
        if first is None or index is None or weight is None or transport is None:
            raise GeometryError("there are no sites to build a pullback for")
        density = torch.cat(densities) if densities else None
        return replace(first, index=index, weight=weight, transport=transport, density=density)

    @classmethod
    def blocks(
        cls,
        manifold: Manifold,
        sites: Sites,
        rule: TangentRule,
        boundary: BoundaryPolicy = "zero",
        base: int | None = None,
        frames: Frames | FrameField = "parallel",
        rows: int | None = None,
        measure: Measure = "tangent",
    ) -> Iterator[Pullback]:
        """The same in blocks of successive sites, so that no more than `rows` of them need be held at a time."""
        check_request(manifold, sites, rule, boundary)
        if measure not in get_args(Measure):
            raise ValueError(f'measure must be "tangent" or "manifold"; got {measure!r}')
        group, carried = carried_frames(manifold, sites, boundary, base, frames)
        warn_where_coarse(manifold, sites, rule)
        if carried is not None and group is not None:
            warn_where_lopsided(group, rule)
        if rows is not None and rows < 1:
            raise ValueError(f"rows must be at least 1; got {rows}")
        step = rows if rows is not None else max(1, RAYS_AT_A_TIME // len(rule))
        for start in range(0, len(sites), step):
            chosen = slice(start, min(start + step, len(sites)))
            local = carried[chosen] if carried is not None else None
            nodes = rule.nodes if local is None else torch.einsum("pij,qj->pqi", local, rule.nodes)
            points = sites.points[chosen][:, None]
            geodesic = manifold.geodesic(
                points, nodes, boundary="reflect" if boundary == "reflect" else "stop"
            )
            stencil = sites.stencil(geodesic.end)
            transport = back_and_forth(geodesic.transport, stencil.transport)
            if local is not None and carried is not None:
                transport = local.mT[:, None, None] @ transport @ carried[stencil.index]
            weight = stencil.weight * geodesic.complete[..., None]
            density = manifold.exp_jacobian(points, nodes) if measure == "manifold" else None
            yield cls(rule, stencil.index, weight, transport, len(sites), group, boundary, density=density)

    @classmethod
    def by_action(
        cls,
        space: HomogeneousSpace,
        sites: Sites,
        rule: TangentRule,
        boundary: Literal["zero", "renormalise"] = "zero",
        measure: ActionMeasure = "invariant",
        elements: Tensor | None = None,
    ) -> Pullback:
        """Kernels carried by a group's action instead of by geodesics.

            (k ⋆ f)(p) = ∫_M (g_{p0→p} k)(q) f(q) dμ(q),    nodes q = g_{p0→p} exp_{p0}(v)

        Well defined where k is invariant under the stabiliser of p0, then independent of the section, and equivariant
        under the whole group because the measure μ is invariant.

        Args:
            space: the group, its action, the section g_{p0→p}, the stabiliser and the measure.
            sites: of `space.manifold`.
            rule: nodes v in T_{p0}M, of the manifold's dimension. Points round p0, or elements of the group, become
                one by `space.rule_of_points` and `space.rule_of_elements`.
            boundary: what nodes outside of a window of sites mean, as in the attributes; nothing is reflected.
            measure: "invariant": μ, as the formula has it. "tangent": the Lebesgue measure of T_{p0}M.
            elements: group elements `(P, ...)` at which the correlation is evaluated in place of the sections of the
                sites: (k ⋆ f)(g) = ∫ k(v) f(g exp_{p0} v) J dv, a function on the group (a lifting), for which there is
                no constraint on k.

        Fields are written in the frames that the section carries from p0, `space.carried_frames(sites.points)` in those
        of the manifold. On the ready-made spaces the two are the same, but for SE(2) and SE(3) acting on themselves,
        where they are the left-invariant frames. With `elements` the answer at g is in the frame that g carries.

        Raises:
            GeometryError: for sites or a rule that do not fit, a section that does not carry p0 to a site (named), an
                action that does not keep the manifold's metric.

        Warns:
            AccuracyWarning: as `build` does.

        >>> import manifoldconv as mc
        >>> sphere = mc.homogeneous.sphere_under_so3()
        >>> sites = sphere.manifold.sites(icosphere=2)
        >>> Pullback.by_action(sphere, sites, mc.TangentRule.polar(0.5, 3, 12))
        Pullback(162 sites, 36 nodes, stencils of 3, stabiliser SO(2), boundary 'zero')
        """
        from manifoldconv.homogeneous.carry import carried_blocks, density_of, group_of, joined

        if boundary not in ("zero", "renormalise"):
            raise ValueError(f'boundary must be "zero" or "renormalise"; got {boundary!r}')
        count = len(sites) if elements is None else len(elements)
        parts = joined(carried_blocks(space, sites, rule, elements), count)
        group = group_of(space, elements)
        warn_where_coarse(space.manifold, sites, rule)
        warn_where_lopsided(group, rule, "stabiliser", "section")
        density = density_of(space, rule, measure)
        return cls(
            rule,
            parts.index,
            parts.weight,
            parts.transport,
            len(sites),
            group,
            boundary,
            density=None if density is None else density.expand(len(parts.index), -1),
            group_role="stabiliser",
        )

    def __repr__(self) -> str:
        group = "declared frames" if self.group is None else f"{self._role} {self.group.name}"
        nodes, width = self.index.shape[1:]
        return f"Pullback({len(self)} sites, {nodes} nodes, stencils of {width}, {group}, boundary {self.boundary!r})"

    @property
    def _role(self) -> str:
        return "group" if self.group_role == "holonomy group" else self.group_role

    def __len__(self) -> int:
        """P, the number of sites at which the correlation is evaluated."""
        return len(self.index)

    @property
    def nodes(self) -> Tensor:
        """Coordinates of the nodes in the frames at the sites: `(Q, d)`, or `(P, Q, d)` after a change of gauge."""
        if self.gauge is None:
            return self.rule.nodes if self.places is None else self.places
        if self.places is None:
            return torch.einsum("pij,qj->pqi", self.gauge, self.rule.nodes)
        return torch.einsum("pij,pqj->pqi", self.gauge, self.places)

    @property
    def node_weights(self) -> Tensor:
        """What each node counts in the integral: `(Q,)`, or `(P, Q)` where that depends on the site."""
        if self.places is not None and self.density is not None:
            return self.density
        return self.rule.weights if self.density is None else self.rule.weights * self.density

    @property
    def coverage(self) -> Tensor:
        """`(P, Q)` how much of each node lies on the manifold: 1 inside, 0 outside."""
        return self.weight.sum(dim=-1)

    def operator(self, kernel: Kernel) -> SparseOperator | TypedOperator:
        """The correlation with a kernel, collapsed to one value (or block) for each (site, neighbour) pair.

        Nothing is checked: the kernel may be one that `correlate` would refuse.
        """
        if kernel.rep_in is not None:
            return typed_operator(kernel, [self])
        return operators([kernel], [self])[0]

    def collapse(
        self, basis: KernelSpace | Tensor, *, dtype: torch.dtype | None = None, backend: str | None = None
    ) -> CollapsedOperator:
        """The correlations with all kernels of a basis, as one sparse operator; weights come when it is applied.

            op(field, weight)[p] = Σ_b weight[b] ∫ k_b(v) f(exp_p v) dμ(v)

        Args:
            basis: a `KernelSpace`; or `(Q, B)`, the values of B scalar kernels at the nodes of the rule (the identity
                has a free value for each node).
            dtype: float32 (default) or float64: of the operator, its fields and weights.
            backend: "compiled" (the default on the processor), "torch", "scatter" (torch-scatter) or "triton" (the
                default on graphics cards, where it is installed).

        Returns:
            An operator that takes fields `(..., N, C_in)` and weights `(B,)`, in the order of the space's basis, to
            `(..., P, C_out)`; for a table of values, weights `(C_out, C_in, B)`. Built once for each basis, dtype
            and backend, and kept with the pullback. It is linear in the weights: with `boundary="renormalise"` each
            basis kernel is scaled by itself, as `correlate` scales it alone, not their sum.

        Raises:
            HolonomyError: where the space's group does not hold `self.group`. Nothing is checked for a table.
            ValueError: for an unknown or unavailable backend, a basis of another dimension or rule, and with
                "renormalise" for basis kernels whose size depends on the direction.
            MemoryError: says how many sites would have fitted; see `split`.

        >>> import manifoldconv as mc
        >>> sphere = mc.Sphere()
        >>> pull = mc.Pullback.build(sphere, sphere.sites(icosphere=2), mc.TangentRule.polar(0.5, 3, 12))
        >>> space = mc.KernelSpace("2x0", "1x0 + 1x1", mc.StructureGroup.special_orthogonal(2))
        >>> operator = pull.collapse(space)
        >>> operator(torch.ones(len(pull), 2), torch.ones(space.dimension)).shape
        torch.Size([162, 3])
        """
        return collapse(self, basis, dtype, backend)

    def split(self, rows: int) -> Iterator[Pullback]:
        """Blocks of at most so many successive sites."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            gauge = None if self.gauge is None else self.gauge[part]
            yield replace(
                self,
                index=self.index[part],
                weight=self.weight[part],
                transport=self.transport[part],
                gauge=gauge,
                density=None if self.density is None else self.density[part],
                places=None if self.places is None else self.places[part],
            )

    def change_gauge(self, g: Tensor) -> Pullback:
        """The same physical nodes and values, written in other frames: u' = g[p] u at each site.

            transport' [p, q, s] = g[p] transport[p, q, s] g[index[p, q, s]]ᵀ,    v'_q = g[p] v_q

        Args:
            g: `(N, d, d)` orthogonal; the sites must be their own sources (P = N).

        An exact operation: nothing is traced again, no node moves. The new frames are no longer carried from one
        another, so kernels must be invariant under the elements g as well.
        """
        d = self.rule.nodes.shape[-1]
        g = float64("g", g, (d, d))
        if len(self) != self.n_sources or g.shape[0] != len(self) or g.ndim != 3:
            raise ValueError(
                f"g must have shape ({self.n_sources}, {d}, {d}), one matrix for each of the {self.n_sources} sites; "
                f"got {tuple(g.shape)} for a pullback of {len(self)} sites"
            )
        error = (g.mT @ g - torch.eye(d, dtype=torch.float64)).abs().amax(dim=(1, 2))
        if float(error.max()) > 1e-9:
            site = int(error.argmax())
            raise ValueError(f"g must be orthogonal; g[{site}] is not: {g[site].tolist()}")
        transport = g[:, None, None] @ self.transport @ g[self.index].mT
        group = None if self.group is None else self.group.with_generators(g)
        return replace(
            self, transport=transport, gauge=g if self.gauge is None else g @ self.gauge, group=group
        )

    def to(self, device: torch.device | str) -> Pullback:
        """The same on another device; rule and geometry stay in float64."""
        return replace(
            self,
            rule=replace(self.rule, nodes=self.rule.nodes.to(device), weights=self.rule.weights.to(device)),
            index=self.index.to(device),
            weight=self.weight.to(device),
            transport=self.transport.to(device),
            gauge=None if self.gauge is None else self.gauge.to(device),
            density=None if self.density is None else self.density.to(device),
            places=None if self.places is None else self.places.to(device),
        )

    def save(self, path: str | os.PathLike[str], *, manifold: Manifold | None = None) -> None:
        """Write it to a file, whole or not at all: tensors and plain values in the layout of safetensors, no code.

        Args:
            path: the file; one that is there is replaced.
            manifold: the mesh that it was built for, so that `load` can tell it from others.

        >>> import tempfile, manifoldconv as mc
        >>> torus = mc.FlatTorus(1.0, 1.0)
        >>> pull = mc.Pullback.build(torus, torus.sites(shape=(8, 8)), mc.TangentRule.polar(0.2, 3, 8))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pull.save(folder + "/torus.safetensors")
        ...     mc.Pullback.load(folder + "/torus.safetensors")
        Pullback(64 sites, 24 nodes, stencils of 4, group trivial, boundary 'zero')
        """
        from manifoldconv.storage.pullbacks import save_pullback

        save_pullback(self, path, manifold=manifold)

    @staticmethod
    def load(
        path: str | os.PathLike[str], *, manifold: Manifold | None = None, verify: bool = True
    ) -> Pullback:
        """Read what `save` wrote, bit by bit the same; the tensors lie in the file until they are written to.

        Args:
            path: the file.
            manifold: the mesh for which the pullback is wanted.
            verify: compare checksums, which reads the whole file once.

        Raises:
            StorageError: for a file that is damaged, cut short, or of another kind.
            GeometryError: for one that was built for another mesh than `manifold`, or does not say for which.
        """
        from manifoldconv.storage.pullbacks import load_pullback

        return load_pullback(path, manifold=manifold, verify=verify)

    @staticmethod
    def batch(pullbacks: Sequence[Pullback]) -> Pullback:
        """Several manifolds as one: their sites one after the other, in a block-diagonal pullback without padding.

        They must have the same rule and boundary policy; kernels must suit all their groups. Where stencils differ in
        width (vertices beside faces), the narrower ones get entries of weight 0, of which no operator keeps a trace.
        For fields and labels along with them, and the way back, see `manifoldconv.batches`.

        Raises `ValueError`, naming both sides, for pullbacks that do not fit each other.
        """
        return join(pullbacks)
