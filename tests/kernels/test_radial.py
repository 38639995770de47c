"""Radial bases: values, support, smoothness at the origin, refusals."""

from __future__ import annotations

import pytest
import torch

from manifoldconv.kernels.radial import RadialBasis

BASES = [
    RadialBasis.gaussian_rings(0.7, 4),
    RadialBasis.gaussian_rings(0.7, 1, width=0.2),
    RadialBasis.bumps(0.7, 4),
    RadialBasis.from_functions([torch.cos, lambda r: torch.exp(-(r**2))], 0.7),
]


@pytest.mark.parametrize("basis", BASES, ids=repr)
def test_values_are_one_for_each_function(basis: RadialBasis) -> None:
    r = torch.linspace(0, 0.7, 12, dtype=torch.float64).reshape(3, 4)
    for order in range(4):
        assert basis(r, order).shape == (3, 4, basis.count)
        assert basis(r, order).dtype == torch.float64
    # Independent: the Gram matrix on a fine grid is far from singular.
    values = basis(torch.linspace(0, 0.7, 400, dtype=torch.float64))
    assert float(torch.linalg.svdvals(values)[-1]) > 1e-2


@pytest.mark.parametrize("basis", BASES, ids=repr)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_angular_orders_vanish_at_the_origin_as_powers(basis: RadialBasis, order: int) -> None:
    assert float(basis(torch.zeros((), dtype=torch.float64), order).abs().max()) == 0.0
    small = 1e-3 * basis.inner_radius
    r = torch.tensor([small, 2 * small], dtype=torch.float64)
    ratio = basis(r, order)[1] / basis(r, order)[0]
    assert torch.allclose(ratio, torch.full_like(ratio, 2.0**order), rtol=1e-4)
    far = torch.tensor([3 * basis.inner_radius], dtype=torch.float64)
    assert torch.allclose(basis(far, order), basis(far, 0), rtol=1e-3, atol=0)


def test_gaussian_rings_are_even_with_their_peaks_in_place() -> None:
    basis = RadialBasis.gaussian_rings(1.0, 4)
    r = torch.linspace(0, 1, 1001, dtype=torch.float64)
    peaks = r[basis(r).argmax(0)]
    assert torch.allclose(peaks, torch.tensor([0.0, 0.25, 0.5, 0.75]).double(), rtol=0, atol=2e-3)
    assert float(basis(torch.zeros(1, dtype=torch.float64))[0, 0]) == 1.0
    assert torch.allclose(basis(r), basis(-r), rtol=0, atol=1e-15)
    beyond = basis(torch.tensor([basis.extent], dtype=torch.float64))
    assert float(beyond.abs().max()) < 1e-6


def test_bumps_end_smoothly_at_the_rim() -> None:
    basis = RadialBasis.bumps(1.0, 3)
    h = 1e-3
    rim = basis(torch.tensor([1 - h, 1.0, 2.0], dtype=torch.float64))
    assert float(rim[1:].abs().max()) == 0.0
    assert float(rim[0].abs().max()) < 10 * h**3  # (1 - t²)³ is about 8 h³ there
    start = basis(torch.zeros(1, dtype=torch.float64))[0]
    assert torch.allclose(start, torch.tensor([1.0, -1.0, 1.0]).double())  # P_j(-1)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="radius must be positive"):
        RadialBasis.gaussian_rings(0.0, 3)
    with pytest.raises(ValueError, match="width must be positive"):
        RadialBasis.gaussian_rings(1.0, 3, width=-1.0)
    with pytest.raises(ValueError, match="whole number"):
        RadialBasis.bumps(1.0, 0)
    with pytest.raises(ValueError, match="functions of r"):
        RadialBasis.from_functions([], 1.0)
