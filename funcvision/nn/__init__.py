"""Descriptions of layers and models: `Module`, its declarations, and torch's layers over `functional`."""

from . import init
from .containers import Identity, ModuleDict, ModuleList, Sequential
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Bilinear, Embedding, Flatten, Linear, Unflatten
from .module import Arrays, Buffer, Module, Param
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
    SyncBatchNorm,
)

__all__ = [
    "init",
    # module
    "Arrays", "Buffer", "Module", "Param",
    # containers
    "Identity", "ModuleDict", "ModuleList", "Sequential",
    # conv
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    # linear
    "Bilinear", "Embedding", "Flatten", "Linear", "Unflatten",
    # norm
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d",
    "LayerNorm", "LocalResponseNorm", "RMSNorm", "SyncBatchNorm",
]
