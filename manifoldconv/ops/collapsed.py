"""The collapsed operator of a kernel basis: one sparse operator for all the weights of a layer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from manifoldconv.errors import HolonomyError
from manifoldconv.ops import backends
from manifoldconv.ops.arrays import Arrays, Direction, Extension, Tables
from manifoldconv.ops.build import choose_form, fill, require_isotropic_sizes
from manifoldconv.ops.classes import Classes
from manifoldconv.ops.library import collapsed
from manifoldconv.ops.plan import Form, Plan, multiplications, space_plan, table_plan

if TYPE_CHECKING:
    from manifoldconv.pullback import Pullback

# A vector of the compiled backend.
LANES = 16


@dataclass(frozen=True, eq=False, repr=False)
class CollapsedOperator:
    """out[p] = Σ_b weight[b] ∫ k_b(v) f(exp_p v) dμ(v): the correlations with all kernels of a basis, one product.

    Linear in the field and in the weights, and differentiable in both, to any order. Gathers the neighbours of a site
    once for all basis kernels, then multiplies with the weights; or the other way round where that takes fewer
    multiplications. Sums have a fixed order: the same bits on every run, and for any number of threads.

    Attributes:
        arrays: the sparse values with their transpose, and the tables that lead from weights to products.
        form: how values hold the transports, see `manifoldconv.ops.plan`.
        dimension: the number of weights, or of scalar kernels for a table of values.
        size_in, size_out: channels; None for a table of values, where they are those of the weights.
        name_in, name_out: the field types, for messages.
        backend: "compiled", "torch", "scatter" or "triton".
        weights_first: whether weights are multiplied before neighbours are summed.
    """

    arrays: Arrays
    form: Form
    dimension: int
    size_in: int | None
    size_out: int | None
    name_in: str
    name_out: str
    backend: str
    weights_first: bool

    @property
    def n_sources(self) -> int:
        """N, the number of sites that carry the field."""
        return self.arrays.sources.shape[0]

    @property
    def n_sites(self) -> int:
        """P, the number of sites at which the operator is evaluated."""
        return self.arrays.forward.row_start.shape[0] - 1

    @property
    def dtype(self) -> torch.dtype:
        """Of the operator, and of the fields and weights that it takes."""
        return self.arrays.values.dtype

    @property
    def device(self) -> torch.device:
        """Where the operator is, and fields and weights must be."""
        return self.arrays.values.device

    @property
    def nnz(self) -> int:
        """The number of (site, neighbour) pairs."""
        return self.arrays.forward.column.shape[0]

    def __call__(self, field: Tensor, weight: Tensor) -> Tensor:
        """Apply to a field with weights.

        Args:
            field: `(..., N, C_in)`, of the operator's dtype and device; under `torch.autocast` of any floating dtype.
            weight: `(B,)` in the order of the kernel space's basis, or `(C_out, C_in, B)` for a table of values.

        Returns:
            `(..., P, C_out)` in the operator's dtype.

        Raises:
            ValueError: where sizes, dtypes or devices differ from the operator's.
        """
        if torch.is_autocast_enabled(self.device.type):
            field, weight = field.to(self.dtype), weight.to(self.dtype)
        self._check(field, weight)
        batch = field.shape[:-2]
        flat = field.reshape(-1, field.shape[-2], field.shape[-1])
        first = self.weights_first
        if weight.ndim == 3:
            first = self._few_channels(weight)
        out = collapsed(flat, weight, self.arrays.tensors(), self.backend, first)
        return out.reshape(*batch, out.shape[-2], out.shape[-1])

    def to(self, device: torch.device | str) -> CollapsedOperator:
        """The same on another device, with the backend that suits it."""
        device = torch.device(device)
        if device == self.device:
            return self
        return replace(self, arrays=self.arrays.to(device, self.dtype), backend=backends.choose(None, device))

    def __repr__(self) -> str:
        return (
            f"CollapsedOperator({self.n_sources} to {self.n_sites} sites, {self.name_in} to {self.name_out}, "
            f"{self.nnz} pairs with {self.arrays.values.shape[1]} values, {self.dtype}, {self.backend!r})"
        )

    def _few_channels(self, weight: Tensor) -> bool:
        return self.backend != "triton" and 2 * _vectors(weight.shape[0]) < _vectors(weight.shape[1])

    def _check(self, field: Tensor, weight: Tensor) -> None:
        sizes = (self.size_out, self.size_in, self.dimension)
        table = self.size_in is None
        fits = (
            weight.ndim == 3 and weight.shape[2] == self.dimension
            if table
            else weight.shape == (self.dimension,)
        )
        if not fits:
            wanted = f"(channels out, channels in, {self.dimension})" if table else f"({self.dimension},)"
            raise ValueError(
                f"the weights of an operator from {self.name_in} to {self.name_out} have shape {wanted}; "
                f"got {tuple(weight.shape)}"
            )
        channels = weight.shape[1] if table else sizes[1]
        if field.ndim < 2 or field.shape[-2] != self.n_sources or field.shape[-1] != channels:
            raise ValueError(
                f"the operator takes fields of shape (..., {self.n_sources}, {channels}): {self.n_sources} sites of "
                f"the mesh that its pullback was built for, {channels} channels of {self.name_in}; "
                f"got {tuple(field.shape)}"
            )
        for name, tensor in (("field", field), ("weight", weight)):
            if tensor.dtype != self.dtype:
                raise ValueError(
                    f"the operator has dtype {self.dtype}, the {name} {tensor.dtype}; give one of them the other's "
                    "(collapse(..., dtype=...))"
                )
            if tensor.device != self.device:
                raise ValueError(
                    f"the operator is on {self.device}, the {name} on {tensor.device}; move one to the other (.to)"
                )


def collapse(pull: Pullback, basis: Any, dtype: torch.dtype | None, backend: str | None) -> CollapsedOperator:
    """See `Pullback.collapse`. Built once and kept with the pullback, by object and by value."""
    dtype = torch.float32 if dtype is None else dtype
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"operators have dtype float32 or float64; got {dtype}")
    known: dict[Any, Any] = pull.__dict__.setdefault("_collapsed", {})
    at_hand = (id(basis), getattr(basis, "_version", 0), dtype, backend)
    if at_hand in known:
        return known[at_hand][1]
    name = backends.choose(backend, pull.index.device)
    key = (*_signature(pull, basis), dtype, name)
    if key not in known:
        known[key] = _build(pull, basis, dtype, name)
    known[at_hand] = (basis, known[key])  # holds the basis, so that its id stays its own
    return known[key]


def _build(pull: Pullback, basis: Any, dtype: torch.dtype, backend: str) -> CollapsedOperator:
    if isinstance(basis, Tensor):
        return _build_table(pull, basis, dtype, backend)
    if pull.group is not None and not basis.group.contains_group(pull.group):
        raise HolonomyError(
            f"the kernels of this space are invariant under {basis.group!r}, but those of the pullback must be "
            f"invariant under {pull.group!r}, which that does not hold"
        )
    if basis.group.dimension != pull.transport.shape[-1]:
        raise ValueError(
            f"the kernels of this space live in dimension {basis.group.dimension}, the pullback in "
            f"{pull.transport.shape[-1]}"
        )
    if pull.boundary == "renormalise":
        require_isotropic_sizes(basis)
    form, classes = choose_form(pull, basis)
    plan = space_plan(basis, form)
    tables = Tables.of(plan, basis.dimension, pull.index.device, dtype)
    sizes = (basis.rep_in.size, basis.rep_out.size)
    arrays = _arrays(pull, basis, plan, tables, classes, dtype, sizes)
    pairs, sources = len(arrays.forward.column), len(arrays.transposed.row_start) - 1
    counts = multiplications(plan, pairs, sources, len(pull), LANES)
    # A product with a number that is read once costs twice as much as one of many with the same.
    first = backend != "triton" and 2 * counts[1] < counts[0]
    return CollapsedOperator(
        arrays, form, basis.dimension, *sizes, str(basis.rep_in), str(basis.rep_out), backend, first
    )


def _build_table(pull: Pullback, basis: Tensor, dtype: torch.dtype, backend: str) -> CollapsedOperator:
    nodes = pull.index.shape[1]
    if basis.ndim != 2 or basis.shape[0] != nodes or not basis.is_floating_point():
        raise ValueError(
            f"a basis of scalar kernels has shape ({nodes}, B), their values at the {nodes} nodes of the rule; "
            f"got {basis.dtype} of shape {tuple(basis.shape)}"
        )
    plan = table_plan(basis.shape[1], 1, 1)
    empty = torch.empty(0, dtype=torch.int64)
    nothing = (
        empty.reshape(0, 11),
        empty.reshape(0, 5),
        empty.reshape(1, 0),
        torch.empty(1, 0, dtype=dtype),
        empty,
    )
    tables = Tables(nothing, nothing, nothing[2:4])
    arrays = _arrays(pull, basis, plan, tables, Classes.none(), dtype, (0, 0))
    scalars = "scalars"
    return CollapsedOperator(arrays, "scalar", basis.shape[1], None, None, scalars, scalars, backend, False)


def _arrays(
    pull: Pullback, basis: Any, plan: Plan, tables: Tables, classes: Classes, dtype: torch.dtype, sizes: tuple[int, int]
) -> Arrays:  # fmt: skip
    sparse, used = fill(pull, basis, plan, classes, dtype)
    arrays = Arrays(
        sparse.values,
        Direction(sparse.row_start, sparse.column, torch.empty(0, dtype=torch.int32), *tables.forward),
        Direction(*sparse.transposed, *tables.transposed),
        _extension(pull, basis, classes, used, dtype),
        *tables.adjoint,
        torch.empty(pull.n_sources, 0),
        torch.empty(*sizes, 0),
    )
    return arrays.to(pull.index.device, dtype)


def _extension(pull: Pullback, basis: Any, classes: Classes, used: Tensor, dtype: torch.dtype) -> Extension:
    if classes.trivial:
        empty = torch.empty(0, dtype=torch.int64)
        blocks = torch.empty(0, 4, dtype=torch.int64)
        return Extension(
            empty, empty, torch.empty(1, 0, dtype=torch.int64), blocks, torch.empty(0, dtype=dtype)
        )
    site, kind = used // classes.count, used % classes.count
    slot = torch.full((classes.count, pull.n_sources), len(used), dtype=torch.int64)
    slot[kind, site] = torch.arange(len(used))
    rows, matrices, place = [], [], 0
    for block in basis.rep_in.blocks:
        own = block.irrep.function(classes.matrices).reshape(-1)
        rows.append([block.slice.start, block.multiplicity, block.irrep.size, place])
        matrices.append(own)
        place += len(own)
    return Extension(site, kind, slot, torch.tensor(rows, dtype=torch.int64), torch.cat(matrices).to(dtype))


def _signature(pull: Pullback, basis: Any) -> tuple[Any, ...]:
    """What an operator depends on besides the pullback, by value: equal spaces of two layers share one."""
    if isinstance(basis, Tensor):
        return ("table", tuple(basis.shape), _digest(basis))
    if not hasattr(basis, "parts"):
        raise ValueError(
            f"a pullback is collapsed for a KernelSpace or a tensor (Q, B) of values; got {type(basis).__name__}"
        )
    radii = torch.linalg.vector_norm(
        pull.nodes.detach().cpu().reshape(-1, pull.nodes.shape[-1])[:4096], dim=-1
    )
    radial = [_digest(basis.radial(radii, order)) for order in range(basis.band_limit + 1)]
    return (basis.group, basis.rep_in.terms, basis.rep_out.terms, basis.band_limit, *radial)


def _digest(values: Tensor) -> str:
    data = values.detach().cpu().to(torch.float64).contiguous().numpy().tobytes()
    return hashlib.sha256(data).hexdigest()


def _vectors(channels: int) -> int:
    return -(-channels // LANES)
