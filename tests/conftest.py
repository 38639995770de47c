"""Workers of the test run share the cores: torch takes one thread in each.

With as many threads as cores in every worker the small matrices of these tests wait for one another most of the time.
"""

import os

import torch

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
