"""Results as files: the mesh with its response, a table, an array, a picture."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from manifoldconv.plot import Camera
    from manifoldconv.presets import Preset, Settings
    from manifoldconv.respond import Response
    from manifoldconv.signals import Signal
    from manifoldconv.surface.surface import MeshSurface

Array = np.ndarray

RESPONSE, SIGNAL = "response", "signal"


def write_npy(path: Path, values: Array) -> None:
    """`(N,)` for one channel, else `(N, C)`, float64."""
    from manifoldconv.surface.io import write_atomically

    write_atomically(path, lambda stream: np.save(stream, values))


def write_csv(path: Path, field: Signal, values: Array) -> None:
    """One row a site: its number, the channels of the signal, those of the response; exact digits."""
    from manifoldconv.surface.io import write_atomically

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = _channel_names(SIGNAL, field.channels) + _channel_names(RESPONSE, values.shape[1])
    writer.writerow(["vertex" if field.sites == "vertices" else "face", *names])
    table = np.concatenate([field.values.numpy(), values], axis=1)
    writer.writerows([site, *map(repr, row)] for site, row in enumerate(table.tolist()))
    write_atomically(path, lambda stream: stream.write(text.getvalue().encode()))


def _channel_names(name: str, channels: int) -> list[str]:
    return [name] if channels == 1 else [f"{name}_{channel}" for channel in range(channels)]


def write_ply(
    path: Path, surface: MeshSurface, field: Signal, values: Array, notes: list[str], title: str
) -> None:
    """The mesh with the properties of its file, the signal (where the file has it not) and the response."""
    from manifoldconv import __version__
    from manifoldconv.surface.io import write_mesh

    held = _kept(surface, notes)
    added = {} if field.property_of_file is not None else {SIGNAL: field.values.numpy()}
    added[RESPONSE] = values
    for name, array in added.items():
        clash = [old for old in held[field.sites] if re.fullmatch(rf"{name}(_(\d+|[xyz]))?", old)]
        if clash:
            notes.append(f"the properties {', '.join(clash)} of the file were replaced by new ones")
        for old in clash:
            del held[field.sites][old]
        held[field.sites] |= _columns(name, array, field.kind)
    comments = [f"manifoldconv {__version__}: {title}"]
    write_mesh(path, surface.embedding.vertices, surface.faces, held["vertices"], held["faces"], comments)


def _columns(name: str, values: Array, kind: str) -> dict[str, Array]:
    """Properties name, or name_0, name_1, ... for channels; name_x, name_y, name_z for a vector."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 1 or kind == "vector":
        return {name: values}
    return {f"{name}_{channel}": values[:, channel] for channel in range(values.shape[1])}


def _kept(surface: MeshSurface, notes: list[str]) -> dict[str, dict[str, Array]]:
    """The properties of the mesh's file that PLY can hold, without groups whose components are there
    themselves."""
    kept: dict[str, dict[str, Array]] = {"vertices": {}, "faces": {}}
    if surface.file is None:
        return kept
    for kind, data in (("vertices", surface.file.vertex_data), ("faces", surface.file.face_data)):
        for name, values in data.items():
            if values.ndim == 2 and any(part in data for part in _components(name)):
                continue
            if values.dtype.kind not in "biuf" or not re.fullmatch(r"[!-~]+", name) or name in _RESERVED:
                notes.append(f"the property {name!r} of the {kind} is not in the result: PLY cannot hold it")
                continue
            wide = values.dtype.kind in "iu" and values.dtype.itemsize == 8
            kept[kind][name] = values.astype(np.float64) if wide else values
    return kept


_RESERVED = ("x", "y", "z", "vertex_indices", "vertex_index")


def _components(group: str) -> tuple[str, ...]:
    known = {"color": ("red", "diffuse_red"), "normal": ("nx",)}
    return known.get(group, (f"{group}_x", f"{group}_0"))


# -- pictures -------------------------------------------------------------------------------


def draw(
    path: Path,
    surface: MeshSurface,
    field: Signal,
    preset: Preset,
    settings: Settings,
    response: Response,
    camera: Camera,
) -> None:
    """Signal, kernel and response side by side: the first channel, or the lengths of vectors."""
    from manifoldconv.cli.disc import exponential_circle
    from manifoldconv.plot import figure_convolution

    vectors = field.kind == "vector"

    def shown(values: torch.Tensor) -> Array:
        return (values.norm(dim=1) if vectors else values[:, 0]).numpy()

    channel = " (lengths)" if vectors else f" (channel 0 of {field.channels})" if field.channels > 1 else ""
    kernel = response.kernels[0]
    others = len(response.kernels) - 1
    figure_convolution(
        path,
        surface.embedding.vertices,
        surface.faces,
        shown(field.values),
        shown(response.values),
        lambda nodes: kernel(torch.from_numpy(nodes)).numpy(),
        settings.radius,
        on=field.sites,
        titles=(
            f"signal  $f$:  {_plain(field.label)}{channel}",
            f"kernel  $k$:  {_kernel_title(kernel.name)}" + (f", first of {others + 1}" if others else ""),
            f"{preset.name}  of  $f$" if preset.kind == "preset" else r"response  $k \star f$",
        ),
        support=exponential_circle(surface, facing_vertex(surface, camera), settings.radius),
        camera=camera,
    )


def _plain(text: str) -> str:
    """Text that matplotlib shows as it is: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")


def _kernel_title(name: str) -> str:
    """The name without its numbers, which the disc and its scale show."""
    return name.split("(")[0].strip().replace("_", " ")


def facing_vertex(surface: MeshSurface, camera: Camera) -> int:
    """A vertex in front and near the middle of the picture, on the side of the surface that is seen."""
    right, upward, towards = camera.axes()
    vertices = surface.embedding.vertices
    used = surface.connectivity.referenced & ~surface.tables.open_fan
    if not used.any():
        used = surface.connectivity.referenced
    centre = (vertices[used].min(axis=0) + vertices[used].max(axis=0)) / 2
    local = vertices - centre
    aside = np.hypot(local @ right, local @ upward)
    facing = np.abs(surface.embedding.vertex_normals.numpy() @ towards)
    # In front first; then near the middle and flat to the viewer, so that the disc is seen whole.
    score = local @ towards - 0.5 * aside + 0.25 * np.linalg.norm(local, axis=1).max() * facing
    return int(np.flatnonzero(used)[np.argmax(score[used])])
