"""How much memory is free, and an error that says what would have fitted."""

from __future__ import annotations

from pathlib import Path

import torch


def available_memory(device: torch.device) -> int | None:
    """Bytes that can still be taken on a device; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    information = Path("/proc/meminfo")
    if not information.exists():
        return None
    for line in information.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def require_memory(
    needed: int,
    device: torch.device,
    rows: int,
    what: str,
    instead: str = "apply the operators of pull.split({}) one after the other",
) -> None:
    """Raise `MemoryError` where `needed` bytes for `rows` sites are more than there are, saying how many sites fit.

    `instead` is what to do with that number.
    """
    free = available_memory(device)
    if free is None or needed <= free:
        return
    fits = max(0, int(rows * (free / needed) * 0.9))
    raise MemoryError(
        f"{what} needs {needed / 1e9:.3g} GB for {rows} sites, and {free / 1e9:.3g} GB are free on {device}; "
        f"{fits} sites at a time would fit: {instead.format(max(1, fits))}"
    )
