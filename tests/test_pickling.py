"""Values that describe layers survive pickling and deep copies: field types, radial bases, kernel spaces."""

import copy
import pickle

import pytest
import torch

import manifoldconv as mc
from manifoldconv.representations.blocks import Block

O2 = mc.StructureGroup.orthogonal(2)
D4, C2 = mc.StructureGroup.dihedral(4), mc.StructureGroup.cyclic(2)


@pytest.mark.parametrize(
    "rep",
    [
        mc.Representation("2x0 + sign + 3x1", O2),
        mc.Representation("2x0 + 1xregular + 1x2+", D4),
        mc.Representation("1xregular + 1x2-", D4).restrict(C2),
        mc.Representation("1x0e + 2x1o", mc.StructureGroup.orthogonal(3)),
    ],
    ids=str,
)
def test_field_types(rep):
    for again in (pickle.loads(pickle.dumps(rep)), copy.deepcopy(rep)):
        assert again == rep
        assert str(again) == str(rep)
        for h in rep.group.generators:
            assert torch.equal(again.matrix(h), rep.matrix(h))


@pytest.mark.parametrize(
    "radial", [mc.RadialBasis.gaussian_rings(0.3, 3), mc.RadialBasis.bumps(0.3, 4)], ids=repr
)
def test_kernel_spaces(radial):
    space = mc.KernelSpace("1x0 + 1x1", "1x1", O2, radial)
    nodes = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(pickle.loads(pickle.dumps(space)).sample(nodes), space.sample(nodes))


def test_a_block_without_a_name_of_its_group_says_so():
    with pytest.raises(TypeError, match="'odd' was not made by name"):
        pickle.dumps(Block("odd", 1, 0, torch.ones_like))
