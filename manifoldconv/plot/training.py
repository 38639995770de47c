"""Pictures of a run: its curves, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor


def curves_picture(history: Sequence[dict[str, float]], path: str | Path) -> None:
    """Loss and accuracy by epoch, training and validation."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for axis, what in zip(axes, ("loss", "accuracy"), strict=True):
        for kind, color, style in (("train", "#0072B2", "-"), ("validation", "#D55E00", "--")):
            name = f"{kind}_{what}"
            if all(name in row for row in history):
                mark = "o" if len(epochs) == 1 else None  # a line of one point would not be seen
                axis.plot(epochs, [row[name] for row in history], style, color=color, label=kind, marker=mark)
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_ylabel(what)
        axis.spines[["top", "right"]].set_visible(False)
        if axis.lines:
            axis.legend(frameon=False)
    axes[1].set_ylim(0, 1.02)
    figure.savefig(path, dpi=150)


def confusion_picture(confusion: Tensor, classes: Sequence[str], path: str | Path) -> None:
    """Rows are what things are, columns what they were said to be; each row in shares of its sum."""
    from matplotlib.figure import Figure

    shares = confusion.double() / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    size = max(3.6, 0.34 * len(classes) + 1.6)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(shares.numpy(), cmap="cividis", vmin=0, vmax=1)
    axis.set_xlabel("said to be")
    axis.set_ylabel("is")
    if len(classes) <= 40:
        axis.set_xticks(range(len(classes)), classes, rotation=90)
        axis.set_yticks(range(len(classes)), classes)
    if len(classes) <= 12:
        for i, row in enumerate(shares.tolist()):
            for j, share in enumerate(row):
                if share >= 0.005:
                    color = "black" if share > 0.5 else "white"
                    axis.text(j, i, f"{share:.2f}", ha="center", va="center", color=color, fontsize=7)
    figure.colorbar(image, ax=axis, label="share of the row")
    figure.savefig(path, dpi=150)
