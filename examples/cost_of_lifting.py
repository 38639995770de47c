"""What orientations cost: weights, memory and time of a layer on SE(2), for 1 to 8 of them.

Fields and weights grow with the number of orientations n, the work with its square. An operator with a free weight at
each node holds a value for each pair of neighbours and each node: that grows with the third power. From n = 8 on, nodes
turned by 45° fall between the pixels, and each is read from four of them.
"""

import time
from itertools import pairwise

import torch

from manifoldconv import SE2, TangentRule
from manifoldconv.homogeneous import plane_sites, plane_under_se2
from manifoldconv.lifting import cost_of, group_pullback, group_rule, lift_pullback

SHAPE, CHANNELS = (16, 16), 4


def milliseconds(operator, field, weight) -> float:
    """The fastest of some runs."""
    fastest = float("inf")
    for _ in range(60):
        start = time.perf_counter()
        operator(field, weight)
        fastest = min(fastest, 1000 * (time.perf_counter() - start))
    return fastest


def measured(pull) -> tuple[float, float]:
    """A layer with a free weight at each node: megabytes of its operator, milliseconds of one application."""
    operator = pull.collapse(torch.eye(len(pull.rule)), dtype=torch.float32)
    field, weight = torch.randn(pull.n_sources, CHANNELS), torch.randn(CHANNELS, CHANNELS, len(pull.rule))
    held = sum(tensor.nbytes for tensor in operator.arrays.tensors())
    return held / 1e6, milliseconds(operator, field, weight)


if __name__ == "__main__":
    space, patch = plane_under_se2(), TangentRule.grid((3, 3), 1.0)
    pixels = plane_sites(SHAPE, border="periodic")
    print("               on the group                                                 lifting")
    print(" n   weights   products (M)   fields (MB)   operator (MB)   time (ms)   operator (MB)   time (ms)")
    costs = []
    for n in (1, 2, 4, 8):
        elements = SE2().sites((*SHAPE, n), border="periodic")
        lift = lift_pullback(space, pixels, elements, patch)
        group = group_pullback(SE2(), elements, group_rule(space, patch, n))
        cost = cost_of(group, CHANNELS, CHANNELS)
        (group_held, group_time), (lift_held, lift_time) = measured(group), measured(lift)
        costs.append((cost.products, group_held))
        known = f"{n:2}  {cost.weights:8}  {cost.products / 1e6:13.2f}  {cost.field_bytes / 1e6:12.3f}"
        on_group = f"{group_held:14.2f}  {group_time:10.2f}"
        print(f"{known}  {on_group}  {lift_held:14.2f}  {lift_time:10.2f}")
    for (few, less), (many, more) in pairwise(costs):
        if not (3.5 < many / few < 6 and 6 < more / less < 12):
            raise SystemExit("twice the orientations should be four times the work, eight times the operator")
