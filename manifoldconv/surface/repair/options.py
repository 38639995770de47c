"""Which repairs a user asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Repairs:
    """The repairs to make, each an option of its own; by default none. They are made in the order given here.

    Attributes:
        polygons: polygons of more than three corners are split into triangles. Reading a mesh does so in any
            case; asking for it says that this is wanted, and no warning is given.
        duplicate_vertices: vertices at one position become one, the first: this closes seams.
        tolerance: in units of the mesh, how far apart duplicate vertices may be; 0: exactly equal positions.
        repeated_indices: faces that name a vertex twice are removed.
        duplicate_faces: of the faces on the same three vertices the first is kept.
        degenerate_faces: faces without area are removed ("remove"), or taken away so that the surface stays
            closed ("flip", or True: by flipping or contracting an edge; removed only where neither is
            possible).
        nonmanifold_edges: at an edge of more than two faces, the extra faces are split off.
        pinched_vertices: a vertex where several fans of faces meet is split, a copy for each fan.
        winding: faces wound against their component are turned, where the component is orientable.
        unreferenced_vertices: vertices of no face are dropped.

    Example:
        >>> Repairs.of(["winding", "pinched_vertices"]).asked()
        ('pinched_vertices', 'winding')
    """

    polygons: bool = False
    duplicate_vertices: bool = False
    repeated_indices: bool = False
    duplicate_faces: bool = False
    degenerate_faces: bool | Literal["flip", "remove"] = False
    nonmanifold_edges: bool = False
    pinched_vertices: bool = False
    winding: bool = False
    unreferenced_vertices: bool = False
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.degenerate_faces not in (False, True, "flip", "remove"):
            raise ValueError(
                f'degenerate_faces must be False, True, "flip" or "remove"; got {self.degenerate_faces!r}'
            )
        if not 0 <= self.tolerance < math.inf:
            raise ValueError(
                f"tolerance must be a distance in units of the mesh, 0 or larger; got {self.tolerance}"
            )

    @classmethod
    def all(cls, tolerance: float = 0.0) -> Repairs:
        """Every repair; degenerate faces are flipped away."""
        return cls(**dict.fromkeys(NAMES, True), tolerance=tolerance)

    @classmethod
    def of(cls, wanted: Any) -> Repairs:
        """From what `load_mesh(..., repair=...)` takes: None, "all", one name or several, or a `Repairs`.

        Raises `ValueError` for a name that is none of the repairs.
        """
        if wanted is None:
            return cls()
        if isinstance(wanted, Repairs):
            return wanted
        if wanted == "all":
            return cls.all()
        names = [wanted] if isinstance(wanted, str) else wanted
        if not isinstance(names, Iterable):
            raise ValueError(f'repair must be "all", names of repairs, or a Repairs; got {wanted!r}')
        chosen = [name.replace("-", "_") if isinstance(name, str) else name for name in names]
        for name in chosen:
            if name not in NAMES:
                raise ValueError(f'unknown repair {name!r}; the repairs are {", ".join(NAMES)}, or "all"')
        return cls(**dict.fromkeys(chosen, True))

    def asked(self) -> tuple[str, ...]:
        """The names of the repairs that are wanted, in the order in which they are made."""
        return tuple(name for name in NAMES if getattr(self, name))


# All repairs, in the order in which they are made: merging first, since it can uncover every other fault;
# splitting after the faces are settled; windings once it is clear which faces are neighbours.
NAMES: tuple[str, ...] = tuple(field.name for field in fields(Repairs) if field.name != "tolerance")
