"""`manifoldconv kernels`: the kernels that a structure group admits between two field types, counted and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import PICTURE_ENDINGS, check_outputs, write_together
from manifoldconv.cli.report import show_json, show_table

if TYPE_CHECKING:
    from manifoldconv.groups import StructureGroup
    from manifoldconv.kernels import KernelSpace

Group = Annotated[
    str,
    typer.Option(
        "--group", metavar="NAME", help='"trivial", "reflection", "C(4)", "D(4)", "SO(2)" or "O(2)".'
    ),
]
From = Annotated[
    str, typer.Option("--from", metavar="TYPE", help='Field type of the input: "1x0", "2x0 + 1x1".')
]
To = Annotated[
    str, typer.Option("--to", metavar="TYPE", help='Field type of the output, such as "1x1" (vectors).')
]
BandLimit = Annotated[
    int | None, typer.Option(min=0, max=64, help="Largest angular order; default: complete.")
]
Radial = Annotated[int, typer.Option(min=1, max=64, help="Number of radial functions.")]


def kernels(
    group: Group,
    source: From = "1x0",
    to: To = "1x0",
    band_limit: BandLimit = None,
    radial: Radial = 1,
    picture: options.Picture = None,
    json: options.Json = False,
) -> None:
    """Count and draw a basis of the kernels that a group admits between two field types."""
    from manifoldconv.kernels import KernelSpace, RadialBasis

    check_outputs([("--picture", picture, PICTURE_ENDINGS)], [])
    structure = read_group(group)
    space = KernelSpace(source, to, structure, RadialBasis.gaussian_rings(1.0, radial), band_limit)
    if picture is not None:
        from manifoldconv.plot.kernels import figure_kernels

        if not space.dimension:
            raise ValueError(
                f"--picture: {structure.name} admits no kernel from {space.rep_in} to {space.rep_out} of angular "
                f"order ≤ {space.band_limit}, so there is nothing to draw; raise --band-limit or choose other types"
            )
        write_together([(picture, lambda place: figure_kernels(place, space))])
    if json:
        show_json(figures(space))
        return
    _show(space)


def figures(space: KernelSpace) -> dict[str, Any]:
    """What `kernels --json` says."""
    return {
        "group": space.group.name,
        "from": str(space.rep_in),
        "to": str(space.rep_out),
        "channels_from": space.rep_in.size,
        "channels_to": space.rep_out.size,
        "band_limit": space.band_limit,
        "radial_functions": space.radial.count,
        "dimension_for_each_radial_function": space.angular_dimension,
        "dimension": space.dimension,
        "by_angular_order": {str(order): count for order, count in by_order(space).items()},
    }


def by_order(space: KernelSpace) -> dict[int, int]:
    """The number of basis kernels for each radial function, by angular order; orders without any left out."""
    counts: dict[int, int] = {}
    for part in space.parts:
        counts[part.order] = counts.get(part.order, 0) + part.angular_count
    return dict(sorted(counts.items()))


def _show(space: KernelSpace) -> None:
    from manifoldconv.cli.drawn import drawn

    counts = by_order(space)
    orders = ", ".join(f"{count} of order {order}" for order, count in counts.items()) or "none"
    free = (2 * space.band_limit + 1) * space.rep_in.size * space.rep_out.size
    rows = {
        "from": f"{space.rep_in} ({_channels(space.rep_in.size)})",
        "to": f"{space.rep_out} ({_channels(space.rep_out.size)})",
        "condition": f"k(h v) = rho_to(h) k(v) rho_from(h)^-1 for every h of {space.group.name}",
        "band limit": f"angular orders up to {space.band_limit}",
        "admissible kernels": f"{space.angular_dimension} for each radial function: {orders}",
        "without a condition": f"{free} for each radial function",
        "dimension": f"{space.angular_dimension} x {space.radial.count} radial functions = {space.dimension}",
    }
    show_table(f"Kernels under {space.group.name}", rows)
    lines = drawn(space)
    if lines:
        print()
    for line in lines:
        print(line)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def read_group(name: str) -> StructureGroup:
    """The group of the option `--group`; `ValueError` with the names that there are."""
    from manifoldconv.groups.named import named_group

    try:
        return named_group(name)
    except ValueError as error:
        raise ValueError(f"--group {name!r}: {error}") from None
