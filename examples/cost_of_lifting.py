"""What orientations cost: weights, memory and time of a correlation on SE(2), for 1 to 8 of them.

Fields and weights grow with the number of orientations, the work with its square.
"""

import time
from itertools import pairwise

import torch

from manifoldconv import SE2, TangentRule
from manifoldconv.homogeneous import plane_sites, plane_under_se2
from manifoldconv.lifting import cost_of, group_pullback, group_rule, lift_pullback

SHAPE, CHANNELS = (16, 16), 4


def seconds(operator, field, weight) -> float:
    """The fastest of a few runs."""
    fastest = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        operator(field, weight)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


if __name__ == "__main__":
    space, patch = plane_under_se2(), TangentRule.grid((3, 3), 1.0)
    pixels = plane_sites(SHAPE, border="periodic")
    print(" n  weights  products (M)  stencils (MB)  fields (MB)   lifting (ms)  on the group (ms)")
    products = []
    for n in (1, 2, 4, 8):
        elements = SE2().sites((*SHAPE, n), border="periodic")
        lift = lift_pullback(space, pixels, elements, patch)
        group = group_pullback(SE2(), elements, group_rule(space, patch, n))
        times = []
        for pull in (lift, group):
            operator = pull.collapse(torch.eye(len(pull.rule)), dtype=torch.float32)
            field, weight = (
                torch.randn(pull.n_sources, CHANNELS),
                torch.randn(CHANNELS, CHANNELS, len(pull.rule)),
            )
            times.append(1000 * seconds(operator, field, weight))
        cost = cost_of(group, CHANNELS, CHANNELS)
        products.append(cost.products)
        print(
            f"{n:2}  {cost.weights:7}  {cost.products / 1e6:12.2f}  {cost.stencil_bytes / 1e6:13.2f}  "
            f"{cost.field_bytes / 1e6:11.3f}  {times[0]:13.2f}  {times[1]:17.2f}"
        )
    if not all(3.5 < many / few < 6 for few, many in pairwise(products)):
        raise SystemExit("twice the orientations should be about four times the work")
