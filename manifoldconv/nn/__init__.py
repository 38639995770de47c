"""Layers and networks on fields: ordinary `torch.nn.Module`s, called as `module(field, pull)`."""

from manifoldconv.nn.conv import TangentConv
from manifoldconv.nn.fields import FieldModule, Sequential
from manifoldconv.nn.hierarchy import Hierarchy, mesh_pullback
from manifoldconv.nn.lift import GroupConv, LiftConv, Projection
from manifoldconv.nn.linear import Bias, Linear
from manifoldconv.nn.networks import TangentResNet, TangentUNet
from manifoldconv.nn.nonlinear import FourierActivation, Gate, NormGate, Pointwise
from manifoldconv.nn.normalise import FieldBatchNorm, FieldDropout, FieldNorm
from manifoldconv.nn.pool import GlobalPool, Pool, Unpool
from manifoldconv.nn.residual import Residual, ResidualBlock, calibrate
from manifoldconv.nn.subset import VertexSubset, farthest_vertices
from manifoldconv.nn.transfer import Transfer

__all__ = [
    "Bias",
    "FieldBatchNorm",
    "FieldDropout",
    "FieldModule",
    "FieldNorm",
    "FourierActivation",
    "Gate",
    "GlobalPool",
    "GroupConv",
    "Hierarchy",
    "LiftConv",
    "Linear",
    "NormGate",
    "Pointwise",
    "Pool",
    "Projection",
    "Residual",
    "ResidualBlock",
    "Sequential",
    "TangentConv",
    "TangentResNet",
    "TangentUNet",
    "Transfer",
    "Unpool",
    "VertexSubset",
    "calibrate",
    "farthest_vertices",
    "mesh_pullback",
]
