"""What the eye gets: a mesh that a browser can turn smoothly, its colours, and both as a binary glTF file."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from manifoldconv.plot.color import ColorScale
from manifoldconv.plot.normals import smooth_normals
from manifoldconv.surface.remesh import RemeshResult, decimate
from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]

MOST_FACES = 150_000
"""More triangles than this are decimated for display."""

SIZE = 2.0  # of the longest side of the bounding box in the scene


@dataclass(frozen=True, eq=False)
class Display:
    """A surface as it is shown: perhaps coarser, and moved and scaled into a box of a fixed size, z upward.

    Attributes:
        vertices: `(V, 3)` in the scene. faces: `(F, 3)`.
        normals: `(V, 3)`, or at the corners `(3F, 3)` where the faces do not all turn the same way.
        coarse: how signals get to the coarser mesh; None where the mesh itself is shown.
        centre, scale: scene = scale · (axes(place) - centre).
        up: the axis of the file that points upward.
        note: what a person must be told; empty where the mesh is shown as it is.
    """

    vertices: Array
    faces: NDArray[np.int64]
    normals: Array
    coarse: RemeshResult | None
    centre: Array
    scale: float
    up: str
    note: str = ""
    split: bool = field(default=False)

    @classmethod
    def of(cls, surface: MeshSurface, up: str = "z", most_faces: int = MOST_FACES) -> Display:
        """The mesh, or a decimated one where it has more faces than `most_faces`."""
        coarse, note, shown = None, "", surface
        count = len(surface.faces)
        if count > most_faces:
            coarse = decimate(surface, most_faces)
            shown = coarse.surface
            note = (
                f"The mesh has {count} faces, too many to turn smoothly: {len(shown.faces)} are shown "
                "(decimated for display). Everything is computed on the mesh itself."
            )
        places = _upright(shown.embedding.vertices, up)
        used = places[shown.connectivity.referenced]
        low, high = used.min(axis=0), used.max(axis=0)
        centre = (low + high) / 2
        scale = SIZE / max(float((high - low).max()), 1e-300)
        vertices = scale * (places - centre)
        faces = shown.faces.numpy()
        corner_normals = smooth_normals(vertices, faces, 180.0)
        split = bool(shown.tables.flip.any())
        normals = (
            corner_normals.reshape(-1, 3) if split else _at_vertices(corner_normals, faces, len(vertices))
        )
        return cls(vertices, faces, normals, coarse, centre, scale, up, note, split)

    def to_scene(self, places: ArrayLike) -> Array:
        """From the file's space to the scene."""
        return self.scale * (_upright(np.asarray(places, dtype=np.float64), self.up) - self.centre)

    def to_file(self, places: ArrayLike) -> Array:
        """From the scene to the file's space."""
        return _from_upright(np.asarray(places, dtype=np.float64) / self.scale + self.centre, self.up)

    def direction_to_file(self, direction: ArrayLike) -> Array:
        """A direction of the scene in the file's space."""
        return _from_upright(np.asarray(direction, dtype=np.float64), self.up)

    def direction_to_scene(self, direction: ArrayLike) -> Array:
        """A direction of the file's space in the scene."""
        return _upright(np.asarray(direction, dtype=np.float64), self.up)

    def shown_values(self, values: torch.Tensor) -> Array:
        """Values `(N,)` at the vertices of the mesh, at those that are shown."""
        return (values if self.coarse is None else self.coarse.push(values)).numpy()

    def glb(self, values: torch.Tensor, scale: ColorScale) -> bytes:
        """The mesh coloured by values `(N,)`, as a file."""
        colours = scale.colors(self.shown_values(values))
        if not self.split:
            return glb(self.vertices, self.faces, self.normals, colours)
        flat = self.faces.reshape(-1)
        corners = np.arange(len(flat)).reshape(-1, 3)
        return glb(self.vertices[flat], corners, self.normals, colours[flat])


def glb(vertices: Array, faces: NDArray[np.int64], normals: Array, colours: Array) -> bytes:
    """A triangle mesh with a normal and a colour at each vertex as binary glTF 2.0, seen from both sides.

    Args:
        vertices, normals: `(V, 3)`. faces: `(F, 3)`.
        colours: `(V, 3)`, sRGB in [0, 1]; the format holds linear light.

    (Khronos Group, "glTF 2.0 Specification", sections 3.6, 3.7 and 4.)
    """
    arrays = (
        ("POSITION", vertices.astype("<f4"), 5126, "VEC3", 34962),
        ("NORMAL", normals.astype("<f4"), 5126, "VEC3", 34962),
        ("COLOR_0", _linear(colours).astype("<f4"), 5126, "VEC3", 34962),
        ("indices", faces.reshape(-1).astype("<u4"), 5125, "SCALAR", 34963),
    )
    views, accessors, offset = [], [], 0
    for k, (name, array, component, kind, target) in enumerate(arrays):
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes, "target": target})
        accessor = {"bufferView": k, "componentType": component, "count": len(array), "type": kind}
        if name == "POSITION":
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        accessors.append(accessor)
        offset += array.nbytes
    attributes = {name: k for k, (name, *_) in enumerate(arrays) if name != "indices"}
    description = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
        "materials": [
            {"doubleSided": True, "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.85}}
        ],
        "buffers": [{"byteLength": offset}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(description).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(array.tobytes() for _, array, *_ in arrays)
    whole = 12 + 8 + len(text) + 8 + len(body)
    return b"".join(
        (
            struct.pack("<4sII", b"glTF", 2, whole),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(body), b"BIN\0"),
            body,
        )
    )


def _linear(colours: Array) -> Array:
    """Linear light from sRGB (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _upright(places: Array, up: str) -> Array:
    """With z upward: a quarter turn about x where the file has y upward."""
    if up == "z":
        return places
    return np.stack([places[..., 0], -places[..., 2], places[..., 1]], axis=-1)


def _from_upright(places: Array, up: str) -> Array:
    if up == "z":
        return places
    return np.stack([places[..., 0], places[..., 2], -places[..., 1]], axis=-1)


def _at_vertices(corner_normals: Array, faces: NDArray[np.int64], count: int) -> Array:
    """Smooth normals agree at all corners of a vertex: one for each vertex; (0, 0, 1) where there is no face."""
    normals = np.tile([0.0, 0.0, 1.0], (count, 1))
    normals[faces.reshape(-1)] = corner_normals.reshape(-1, 3)
    return normals


def png(image: NDArray[np.uint8]) -> bytes:
    """An image `(height, width, 3 or 4)`, 8 bits a channel, as PNG (W3C, "Portable Network Graphics", 2nd edition)."""
    height, width, channels = image.shape
    # Every row begins with the number of its filter: 0, none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )
