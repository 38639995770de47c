"""What a training run is, apart from its network and its data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of a run; two runs with the same settings, network and data give the same bits.

    Attributes:
        epochs: passes over the training meshes.
        meshes_a_step: meshes whose mean loss one step of the optimiser takes, over all processes together.
        learning_rate, weight_decay: of AdamW.
        decay_every, decay_rate: every so many epochs the learning rate is multiplied by the rate (0: never).
        patience: stop when the validation loss has not fallen for so many epochs (0: never).
        gradient_limit: the norm that gradients are clipped to (0: no limit).
        seed: of the order of the meshes, and of torch where a layer draws (dropout).

    Raises `ValueError` for a setting out of range, by name.
    """

    epochs: int = 50
    meshes_a_step: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    decay_every: int = 0
    decay_rate: float = 0.5
    patience: int = 0
    gradient_limit: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"epochs": 1, "meshes_a_step": 1, "decay_every": 0, "patience": 0, "seed": 0}
        for name, bound in least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < bound:
                raise ValueError(f"{name} must be a whole number ≥ {bound}; got {value!r}")
        for name in ("learning_rate", "decay_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be positive; got {getattr(self, name)!r}")
        for name in ("weight_decay", "gradient_limit"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must not be negative; got {getattr(self, name)!r}")

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> TrainingConfig:
        """From settings by name; `ValueError` for a name that there is not."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise ValueError(f"unknown settings {unknown}; known are {sorted(known)}")
        return cls(**settings)
