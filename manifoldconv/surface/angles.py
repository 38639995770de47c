"""Angle from direction and back, without a call: for the inner loops of tracing.

A call to the mathematical library saves and restores all that an inner loop keeps in registers, which costs more than
the function itself. The first is right to 4.5e-16, the second to 8e-16.
"""

from __future__ import annotations

import math

from manifoldconv.compiled import inlined_leaf

# atan(w) / w as a polynomial in w² for |w| ≤ tan(π/8), by interpolation at the Chebyshev nodes: error 4e-17.
A1 = -0.3333333333332844
A2 = 0.1999999999885511
A3 = -0.14285714180976467
A4 = 0.11111106180455946
A5 = -0.09090773074808414
A6 = 0.07689953496306857
A7 = -0.06640233930429408
A8 = 0.056883492268090106
A9 = -0.04348052215716462
A10 = 0.021135373157693246

TAN_EIGHTH = math.tan(math.pi / 8)


@inlined_leaf
def heading(x, y):  # type: ignore[no-untyped-def]
    """atan2(y, x), radians in [-π, π], for (x, y) ≠ 0.

    In the eighth of the plane next to an axis: with w = small ÷ large, and atan w = π/4 + atan((w - 1) / (w + 1)).
    """
    across, along = abs(y), abs(x)
    small, large = min(across, along), max(across, along)
    near = small <= TAN_EIGHTH * large
    w = (small if near else small - large) / (large if near else small + large)
    z = w * w
    z2 = z * z
    low = (1.0 + z * A1) + z2 * (A2 + z * A3) + z2 * z2 * ((A4 + z * A5) + z2 * (A6 + z * A7))
    angle = w * (low + z2 * z2 * z2 * z2 * ((A8 + z * A9) + z2 * A10))
    angle = angle if near else angle + 0.25 * math.pi
    angle = angle if across <= along else 0.5 * math.pi - angle
    angle = angle if x >= 0 else math.pi - angle
    return angle if y >= 0 else -angle


@inlined_leaf
def cos_sin(angle):  # type: ignore[no-untyped-def]
    """cos and sin of an angle in [0, π]: the Taylor series at half the angle to π/2, doubled."""
    half = 0.5 * angle - 0.25 * math.pi
    z = half * half
    z2 = z * z
    z4 = z2 * z2
    # sin t / t and cos t for |t| ≤ π/4, up to t¹⁶ and t¹⁸.
    s = half * (
        ((1 - z / 6) + z2 * (1 / 120 - z / 5040))
        + z4 * ((1 / 362880 - z / 39916800) + z2 * (1 / 6227020800 - z / 1307674368000))
    )
    c_less_1 = z * (
        ((-1 / 2 + z / 24) + z2 * (-1 / 720 + z / 40320))
        + z4 * ((-1 / 3628800 + z / 479001600) + z2 * (-1 / 87178291200 + z / 20922789888000))
    )
    c = 1 + c_less_1
    return -2 * s * c, 1 - 2 * s * s
