"""Several manifolds at once: one block-diagonal pullback, fields one after the other, and the way back.

No mesh is filled up to the size of another: a batch of meshes with N_1, N_2, ... sites has N_1 + N_2 + ... of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup

if TYPE_CHECKING:
    from manifoldconv.pullback import Pullback


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples on different manifolds as one: what `collate` makes of a list of them.

    Attributes:
        pull: the pullbacks of all samples as one block-diagonal pullback.
        data: everything else in the samples by name. What has a row for each site is joined along the sites.
        n_sources: N of each sample, the sites that its field lives on.
        n_sites: P of each sample, the sites at which correlations are evaluated (the same, for most pullbacks).

    >>> import manifoldconv as mc
    >>> torus, rule = mc.FlatTorus(1.0, 1.0), mc.TangentRule.polar(0.2, 2, 8)
    >>> pulls = [mc.Pullback.build(torus, torus.sites(shape=(n, n)), rule) for n in (6, 8)]
    >>> samples = [{"pull": pull, "field": torch.ones(len(pull), 1), "label": n} for n, pull in enumerate(pulls)]
    >>> batch = collate(samples)
    >>> batch["field"].shape, batch["label"]
    (torch.Size([100, 1]), tensor([0, 1]))
    >>> [len(part) for part in batch.split(mc.correlate(batch["field"], mc.kernels.gaussian(0.1), batch.pull))]
    [36, 64]
    """

    pull: Pullback
    data: dict[str, Any]
    n_sources: tuple[int, ...]
    n_sites: tuple[int, ...]

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.n_sources)

    def __getitem__(self, name: str) -> Any:
        if name not in self.data:
            raise KeyError(f"the batch has no {name!r}; it has {', '.join(self.data) or 'nothing'}")
        return self.data[name]

    @property
    def sample(self) -> Tensor:
        """`(P,)` int64: the number of the sample to which each site belongs, as pooling over samples needs it."""
        count = torch.tensor(self.n_sites)
        return torch.repeat_interleave(torch.arange(len(self)), count).to(self.pull.index.device)

    def split(self, values: Tensor, axis: int = -2) -> list[Tensor]:
        """The results of each sample: from `(..., P, C)` a list of `(..., P_i, C)`, as views.

        `axis` is that of the sites: 0 for labels `(P,)`.
        """
        count = sum(self.n_sites)
        if not -values.ndim <= axis < values.ndim or values.shape[axis] != count:
            raise ValueError(
                f"values must have {count} sites along axis {axis}, {' + '.join(map(str, self.n_sites))} of the "
                f"{len(self)} samples; got shape {tuple(values.shape)}"
            )
        return list(values.split(self.n_sites, dim=axis))

    def pullbacks(self) -> list[Pullback]:
        """The pullback of each sample again, as views: the opposite of `Pullback.batch`.

        Each keeps the group of the whole batch, the smallest that holds those of all.
        """
        rows, parts = [0, *accumulate(self.n_sites)], []
        columns = [0, *accumulate(self.n_sources)]
        for i in range(len(self)):
            parts.append(_rows(self.pull, slice(rows[i], rows[i + 1]), columns[i], self.n_sources[i]))
        return parts

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device: the pullback and every tensor."""
        moved = {
            name: value.to(device) if isinstance(value, Tensor) else value
            for name, value in self.data.items()
        }
        return replace(self, pull=self.pull.to(device), data=moved)


def collate(samples: Sequence[Mapping[str, Any]], per_site: Sequence[str] | None = None) -> Batch:
    """A list of samples as one `Batch`: the `collate_fn` of `torch.utils.data.DataLoader`.

    It only joins tensors, so it works in workers of any start method. Who traces geodesics in workers must start them
    by "spawn" or "forkserver" (`DataLoader(..., multiprocessing_context="spawn")`): compiled parallel code does not
    survive a fork.

    Args:
        samples: dictionaries with the same names. One value of each is its `Pullback`.
        per_site: names of the tensors with a row for each of the sample's N sites, as fields `(N, C)` and labels
            `(N,)`; these are joined along their first axis. All others become what torch's `default_collate` makes of
            them. Default: every tensor whose first axis has length N in all samples; give the names where a tensor may
            have that length by accident.

    Raises:
        ValueError: for samples whose names, numbers of sites, rules or boundary policies do not fit each other; the
            message names both sides.
    """
    from torch.utils.data import default_collate

    name = _name_of_pullback(samples)
    pulls = [sample[name] for sample in samples]
    counts = [pull.n_sources for pull in pulls]
    data: dict[str, Any] = {}
    for other in samples[0]:
        if other == name:
            continue
        values = [sample[other] for sample in samples]
        fits = [
            isinstance(v, Tensor) and v.ndim > 0 and len(v) == n for v, n in zip(values, counts, strict=True)
        ]
        if all(fits) if per_site is None else other in per_site:
            _check_rows(other, values, counts, fits)
            data[other] = torch.cat(values)
        else:
            data[other] = default_collate(values)
    missing = [other for other in per_site or () if other not in data]
    if missing:
        raise ValueError(
            f"per_site names {missing[0]!r}; the samples have {', '.join(map(repr, samples[0]))}"
        )
    return Batch(join(pulls), data, tuple(counts), tuple(len(pull) for pull in pulls))


def _name_of_pullback(samples: Sequence[Mapping[str, Any]]) -> str:
    from manifoldconv.pullback import Pullback

    if not samples:
        raise ValueError("a batch needs at least one sample")
    for number, sample in enumerate(samples):
        if not isinstance(sample, Mapping):
            raise ValueError(f"samples must be dictionaries; sample {number} is a {type(sample).__name__}")
        if sample.keys() != samples[0].keys():
            raise ValueError(
                f"sample {number} has {', '.join(map(repr, sample))}; sample 0 has {', '.join(map(repr, samples[0]))}"
            )
    found = [name for name, value in samples[0].items() if isinstance(value, Pullback)]
    if len(found) != 1:
        raise ValueError(f"each sample must hold one Pullback; sample 0 has {len(found)}")
    for number, sample in enumerate(samples):
        if not isinstance(sample[found[0]], Pullback):
            raise ValueError(
                f"{found[0]!r} of sample {number} is a {type(sample[found[0]]).__name__}; that of sample 0 a Pullback"
            )
    return found[0]


def _check_rows(name: str, values: Sequence[Any], counts: Sequence[int], fits: Sequence[bool]) -> None:
    for number, (value, count, good) in enumerate(zip(values, counts, fits, strict=True)):
        if not good:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"{name!r} of sample {number} must have one row for each of its {count} sites; got {shape}"
            )


def join(pullbacks: Sequence[Pullback]) -> Pullback:
    """See `Pullback.batch`."""
    if not pullbacks:
        raise ValueError("a batch needs at least one pullback")
    first = pullbacks[0]
    for number, other in enumerate(pullbacks):
        _check_fit(number, other, first)
    width = max(pull.index.shape[-1] for pull in pullbacks)
    widened = [_widened(pull, width) for pull in pullbacks]
    offsets = [0, *accumulate(pull.n_sources for pull in pullbacks)]
    roles = {pull.group_role for pull in pullbacks}
    return replace(
        first,
        index=torch.cat([pull.index + offset for pull, offset in zip(widened, offsets, strict=False)]),
        weight=torch.cat([pull.weight for pull in widened]),
        transport=torch.cat([pull.transport for pull in widened]),
        n_sources=offsets[-1],
        group=_common_group([pull.group for pull in pullbacks]),
        gauge=_joined_gauge(pullbacks),
        density=_joined_density(pullbacks),
        group_role=first.group_role if len(roles) == 1 else "group of the batch",
    )


def _check_fit(number: int, other: Pullback, first: Pullback) -> None:
    """Raise `ValueError`, with both sides, unless two pullbacks can be one."""
    sides = {
        "device": (other.index.device, first.index.device),
        "boundary policy": (repr(other.boundary), repr(first.boundary)),
        "dimension": (other.rule.dimension, first.rule.dimension),
    }
    for what, (one, two) in sides.items():
        if one != two:
            raise ValueError(
                f"pullback {number} has {what} {one}, pullback 0 has {two}; a batch needs the same"
            )
    if other.places is not None:
        raise ValueError(
            f"pullback {number}: pullbacks whose sites have nodes of their own (over_sites) cannot be batched"
        )
    rule, common = other.rule, first.rule
    if not (torch.equal(rule.nodes, common.nodes) and torch.equal(rule.weights, common.weights)):
        raise ValueError(
            f"pullback {number} has {rule!r}, pullback 0 has {common!r}, of other nodes or weights; a batch needs "
            "one rule"
        )


def _widened(pull: Pullback, width: int) -> Pullback:
    """The same with stencils of `width` entries, those that are new of weight 0: no operator has a trace of them."""
    more = width - pull.index.shape[-1]
    if more == 0:
        return pull
    index = pull.index[..., :1].expand(-1, -1, more)
    transport = pull.transport[..., :1, :, :].expand(-1, -1, more, -1, -1)
    return replace(
        pull,
        index=torch.cat([pull.index, index], dim=-1),
        weight=torch.nn.functional.pad(pull.weight, (0, more)),
        transport=torch.cat([pull.transport, transport], dim=-3),
    )


def _rows(pull: Pullback, rows: slice, first: int, count: int) -> Pullback:
    """The block of a block-diagonal pullback in these rows, whose columns begin at `first`."""
    return replace(
        pull,
        index=pull.index[rows] - first,
        weight=pull.weight[rows],
        transport=pull.transport[rows],
        n_sources=count,
        gauge=None if pull.gauge is None else pull.gauge[rows],
        density=None if pull.density is None else pull.density[rows],
    )


def _joined_gauge(pullbacks: Sequence[Pullback]) -> Tensor | None:
    """The gauges one after the other; the identity where a pullback has none."""
    if all(pullback.gauge is None for pullback in pullbacks):
        return None
    first = pullbacks[0].transport
    eye = torch.eye(first.shape[-1], dtype=torch.float64, device=first.device)
    return torch.cat([eye.expand(len(p), -1, -1) if p.gauge is None else p.gauge for p in pullbacks])


def _joined_density(pullbacks: Sequence[Pullback]) -> Tensor | None:
    """The densities one after the other; 1 where a pullback has none."""
    if all(pullback.density is None for pullback in pullbacks):
        return None
    return torch.cat([torch.ones_like(p.coverage) if p.density is None else p.density for p in pullbacks])


def _common_group(groups: Sequence[StructureGroup | None]) -> StructureGroup | None:
    """The smallest group that holds the holonomy of every part; None where all frames were declared."""
    result = None
    for group in groups:
        if group is None:
            continue
        if result is None:
            result = group
        elif not result.contains_group(group):
            result = (
                group
                if group.contains_group(result)
                else result.with_generators(torch.stack(group.generators))
            )
    return result
