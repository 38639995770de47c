"""A small task for the tests of training, and a script that trains on it in as many processes as torchrun starts.

python toy.py FOLDER EPOCHS [K]: the first process is killed when it takes its K-th sample, once.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import manifoldconv as mc
from manifoldconv.training import Sample, TrainingConfig, fit


@cache
def smooth(pull: mc.Pullback) -> mc.ops.SparseOperator | mc.ops.TypedOperator:
    """A Gaussian correlation, collapsed once for each pullback."""
    return pull.operator(mc.kernels.gaussian(0.3, normalise=True))


class Smoother(nn.Module):
    """Scalars in, classes out: two linear layers with a Gaussian correlation in between."""

    def __init__(self, channels: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first = nn.Linear(channels, 8, dtype=torch.float64)
        self.second = nn.Linear(8, classes, dtype=torch.float64)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))

    def forward(self, field: Tensor, pull: mc.Pullback) -> Tensor:
        return self.second(self.dropout(smooth(pull)(self.first(field).tanh())))


def samples(count: int, where: str = "vertices") -> list[Sample]:
    """Tori of different sizes; the class is the sign of the smoothed input."""
    found = []
    for number in range(count):
        torus = mc.FlatTorus(1.0, 1.0 + 0.1 * number)
        sites = torus.sites(shape=(6, 6 + number))
        pull = mc.Pullback.build(torus, sites, mc.TangentRule.polar(0.4, 3, 8))
        generator = torch.Generator().manual_seed(number)
        field = torch.randn(len(sites), 2, generator=generator, dtype=torch.float64)
        labels = (
            (smooth(pull)(field).sum(dim=1) > 0).long() if where == "vertices" else torch.tensor(number % 2)
        )
        found.append(Sample(field, pull, labels, where, name=f"torus {number}"))  # type: ignore[arg-type]
    return found


class Deadly(list[Sample]):
    """Samples of which the k-th that is taken kills the process, unless that has happened before."""

    def __init__(self, data: list[Sample], deadly: int, mark: Path) -> None:
        super().__init__(data)
        self.left, self.mark = deadly, mark

    def __getitem__(self, number: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(number)


def main(folder: Path, epochs: int, deadly: int | None) -> None:
    data, first = samples(5), os.environ.get("RANK", "0") == "0"
    network = Smoother(2, 2)
    config = TrainingConfig(epochs=epochs, meshes_a_step=4, learning_rate=0.05, seed=3)
    train = Deadly(data, deadly, folder / "killed") if deadly is not None and first else data
    fit(network, train, data[:2], config, folder)
    if first:
        torch.save(network.state_dict(), folder / "weights.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
