"""`manifoldconv holonomy`: which transports the loops of a mesh give, and which kernels these leave."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import PICTURE_ENDINGS, check_outputs, write_together
from manifoldconv.cli.report import collected_notes, load, show_json, show_notes, show_table

if TYPE_CHECKING:
    from manifoldconv.surface.holonomy_report import Generator, HolonomyReport

TOLERANCES = (1e-9, 1e-6, 1e-3)
NO_TURN = 1e-9  # radians, below which an angle is shown as 0
SHOWN = 4  # loops of each kind, those of the largest angles

Generators = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="With --json: of each kind of loop only so many, those of the largest angles; default: all.",
    ),
]
Tolerance = Annotated[float, typer.Option(help="Angles nearer than this, in radians, count as equal.")]


def holonomy(
    mesh: options.Mesh,
    json: options.Json = False,
    picture: options.Picture = None,
    tolerance: Tolerance = TOLERANCES[0],
    generators: Generators = None,
    azimuth: options.Azimuth = 30.0,
    elevation: options.Elevation = 20.0,
    up: options.Upward = options.UpwardAxis.y,
) -> None:
    """Show the holonomy group of a mesh: the loops that generate it, why it is that, and the kernels it admits."""
    if not 0 < tolerance < math.pi:
        raise ValueError(f"--tolerance must be an angle between 0 and pi in radians; got {tolerance}")
    check_outputs([("--picture", picture, PICTURE_ENDINGS)], [mesh])
    with collected_notes() as notes:
        surface = load(mesh, notes)
        from manifoldconv.kernels.dimensions import BAND_LIMIT, admissible_dimensions
        from manifoldconv.surface.holonomy_report import holonomy_report

        report = holonomy_report(surface, (tolerance, *(t for t in TOLERANCES if t != tolerance)))
        table = admissible_dimensions(report.group)
        if picture is not None:
            from manifoldconv.plot.holonomy import figure_holonomy

            camera = options.camera(azimuth, elevation, up)
            title = f"{mesh.name}:  holonomy group {report.group.name}"
            write_together(
                [(picture, lambda place: figure_holonomy(place, surface, report, camera, title=title))]
            )
    if json:
        show_json(figures(str(mesh), report, table, BAND_LIMIT, generators) | {"notes": notes})
        return
    _show(str(mesh), report, table, BAND_LIMIT)
    show_notes(notes)


def figures(
    name: str,
    report: HolonomyReport,
    table: dict[tuple[str, str], int],
    band_limit: int,
    most: int | None = None,
) -> dict[str, Any]:
    """What `holonomy --json` says, in radians; `most`: of each kind of loop so many, the largest angles first."""
    by_kind = {kind: report.of_kind(kind) for kind in _KINDS}  # type: ignore[arg-type]
    told = report.generators if most is None else [g for own in by_kind.values() for g in own[:most]]
    return {
        "file": name,
        "group": report.group.name,
        "orientable": report.orientable,
        "certainty": report.generated.certainty,
        "tolerance": report.generated.tolerance,
        "residual": report.generated.residual,
        "other_tolerances": [
            {"tolerance": tolerance, "group": group.name}
            for tolerance, group in report.generated.alternatives
        ],
        "reasons": list(report.reasons),
        "gauss_bonnet_residual": report.gauss_bonnet_residual,
        "components": [
            {
                "group": part.group.name,
                "vertices": part.vertices,
                "edges": part.edges,
                "faces": part.faces,
                "euler_characteristic": part.euler_characteristic,
                "genus": part.genus,
                "boundary_loops": part.boundary_loops,
                "orientable": part.orientable,
            }
            for part in report.components
        ],
        "generator_counts": {kind: len(own) for kind, own in by_kind.items()},
        "generators": [_generator_figures(generator) for generator in told],
        "admissible": {f"{a}->{b}": count for (a, b), count in table.items()},
        "band_limit": band_limit,
    }


def _generator_figures(generator: Generator) -> dict[str, Any]:
    place: dict[str, Any] = {"vertex": generator.vertex}
    if generator.loop is not None:
        place = {"faces": generator.loop.faces}
    return {
        "kind": generator.kind,
        "angle": generator.angle,
        "reflects": generator.reflects,
        "component": generator.component,
        **place,
    }


# -- the report for a person ----------------------------------------------------------------


def _show(name: str, report: HolonomyReport, table: dict[tuple[str, str], int], band_limit: int) -> None:
    show_table(name, _topology(report))
    print()
    show_table("Loops, and the angle by which each turns what is carried round it", _loops(report))
    print()
    group = {"group": f"{report.group.name}{_in_words(report)}"}
    names = ("why", "how certain", *[""] * len(report.reasons))
    # Rich wants different keys; spaces are not seen.
    rows = {
        label or " " * k: text for k, (label, text) in enumerate(zip(names, report.reasons, strict=False))
    }
    show_table("The holonomy group: what all loops together do to a vector", group | rows)
    print()
    print(f"Admissible kernels for each radial function, angular orders up to {band_limit}")
    print(dimension_table(table))
    signs = "sign: scalars that a reflection negates; " if report.group.reverses_orientation else ""
    print(f"0: scalars; {signs}1: vectors; 2: what turns by twice the angle, such as crosses and stresses")


def _topology(report: HolonomyReport) -> dict[str, Any]:
    parts = report.components
    total = sum(part.euler_characteristic for part in parts)
    rows: dict[str, Any] = {}
    if len(parts) > 1:
        rows["components"] = len(parts)
    described = Counter(_shape(part) for part in parts)
    shapes = [text if count == 1 else f"{count} times {text}" for text, count in described.items()]
    rows["surface"] = "; ".join(shapes[:SHOWN]) + (
        f"; {len(shapes) - SHOWN} more" if len(shapes) > SHOWN else ""
    )
    sizes = [sum(getattr(part, what) for part in parts) for what in ("vertices", "edges", "faces")]
    rows["Euler characteristic"] = "{} - {} + {} = {} (vertices - edges + faces)".format(*sizes, total)
    rows["Gauss-Bonnet"] = (
        f"all curvature adds up to {total} x 360°, as it must, but for {abs(report.gauss_bonnet_residual):.0e} rad"
    )
    return rows


def _shape(part: Any) -> str:
    """A component in words: "genus 2, orientable, no boundary"."""
    sides = f"orientable, genus {part.genus}" if part.orientable else "not orientable (one-sided)"
    curves = {0: "no boundary", 1: "1 boundary curve"}.get(
        part.boundary_loops, f"{part.boundary_loops} boundary curves"
    )
    return f"{sides}, {curves}, group {part.group.name}"


_KINDS = {
    "vertex": "round vertices",
    "handle": "round handles",
    "orientation": "orientation-reversing",
    "boundary": "along the boundary",
}


def _loops(report: HolonomyReport) -> dict[str, str]:
    rows = {}
    for kind, label in _KINDS.items():
        chosen = report.of_kind(kind)  # type: ignore[arg-type]
        if not chosen:
            continue
        turns = Counter(_turn(generator) for generator in chosen[: 50 * SHOWN])
        parts = [text if count == 1 else f"{count} x {text}" for text, count in list(turns.items())[:SHOWN]]
        told = sum(count for _, count in list(turns.items())[:SHOWN])
        rest = f"; {len(chosen) - told} more" if len(chosen) > told else ""
        rows[label] = f"{len(chosen)}: " + ", ".join(parts) + rest
    return rows


def _turn(generator: Generator) -> str:
    if generator.reflects:
        return f"a reflection ({len(generator.loop or ())} faces)"
    angle = f"{math.degrees(generator.angle):.4g}°" if abs(generator.angle) > NO_TURN else "0°"
    return angle if generator.loop is None else f"{angle} ({len(generator.loop)} faces)"


def _in_words(report: HolonomyReport) -> str:
    group = report.group
    mirrors = " and reflections" if group.reverses_orientation else ""
    if not group.is_finite:
        return f": all rotations{mirrors}"
    if group.order == 1:
        return ": nothing happens to a vector"
    if group.rotation_order == 1:
        return ": the identity and one reflection"
    return f": rotations by multiples of {360 / (group.rotation_order or 1):g}°{mirrors}"


def dimension_table(table: dict[tuple[str, str], int]) -> str:
    """Dimensions by (from, to) as aligned text: a row for each "from", a column for each "to"."""
    names = list(dict.fromkeys(a for a, _ in table))
    first = max(len("from"), *(len(name) for name in names))
    width = max(4, *(len(name) for name in names)) + 2
    lines = [f"{'from':<{first}}  to" + "".join(f"{name:>{width}}" for name in names)]
    lines += [f"{a:<{first}}    " + "".join(f"{table[a, b]:>{width}}" for b in names) for a in names]
    return "\n".join(lines)
