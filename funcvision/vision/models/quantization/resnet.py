"""ResNet and ResNeXt whose blocks can be quantised, and of integers; see `models.resnet` for the papers."""

from typing import Any

import jax

from ....quantize.integer_layers import Add
from .._zoo.registry import register
from ..resnet import BasicBlock, Bottleneck, ResNet
from ._conversion import Marked, finished, read_options

__all__ = [
    "QuantizableBasicBlock", "QuantizableBottleneck", "QuantizableResNet", "resnet18", "resnet50", "resnext101_32x8d",
    "resnext101_64x4d",
]

_DOWNSAMPLE = ("downsample.0", "downsample.1")


class QuantizableBasicBlock(BasicBlock):
    """`BasicBlock` with the sum as a layer."""

    fused = (("conv1", "bn1", "relu"), ("conv2", "bn2"), _DOWNSAMPLE)

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.add_relu = Add(relu=True)

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.add_relu(y, self.downsample(x) if self.downsample else x)


class QuantizableBottleneck(Bottleneck):
    """`Bottleneck` with the sum as a layer."""

    fused = (("conv1", "bn1", "relu"), ("conv2", "bn2", "relu"), ("conv3", "bn3"), _DOWNSAMPLE)

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.skip_add_relu = Add(relu=True)

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.skip_add_relu(self.bn3(self.conv3(y)), self.downsample(x) if self.downsample else x)


class QuantizableResNet(Marked, ResNet):
    """`ResNet` with marks where integers begin and end. The arguments are those of `ResNet`."""

    fused = (("conv1", "bn1", "relu"),)


def _basic(num_classes: int, quantize: bool, backend: str, options: dict[str, Any]) -> QuantizableResNet:
    return finished(
        QuantizableResNet(QuantizableBasicBlock, (2, 2, 2, 2), num_classes, **options), quantize, backend
    )


def _bottleneck(
    third: int, num_classes: int, quantize: bool, backend: str, options: dict[str, Any]
) -> QuantizableResNet:
    """Bottlenecks, with so many in the third stage."""
    return finished(
        QuantizableResNet(QuantizableBottleneck, (3, 4, third, 3), num_classes, **options), quantize, backend
    )


@register(task="quantization", name="quantized_resnet18", read_options=read_options)
def resnet18(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableResNet:
    """ResNet-18.

    Args:
        num_classes: number of logits.
        quantize: describe the model of integers. Its weights are int8, and it is for inference only.
        backend: "fbgemm" for a scale of each output channel, "qnnpack" for one scale of a weight.
        options: those of `ResNet`.
    """
    return _basic(num_classes, quantize, backend, options)


@register(task="quantization", name="quantized_resnet50", read_options=read_options)
def resnet50(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableResNet:
    """ResNet-50; the arguments are those of `resnet18`."""
    return _bottleneck(6, num_classes, quantize, backend, options)


@register(task="quantization", name="quantized_resnext101_32x8d", read_options=read_options)
def resnext101_32x8d(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableResNet:
    """ResNeXt-101, 32 groups of 8 channels; the arguments are those of `resnet18`."""
    return _bottleneck(23, num_classes, quantize, backend, {"groups": 32, "width_per_group": 8} | options)


@register(task="quantization", name="quantized_resnext101_64x4d", read_options=read_options)
def resnext101_64x4d(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableResNet:
    """ResNeXt-101, 64 groups of 4 channels; the arguments are those of `resnet18`."""
    return _bottleneck(23, num_classes, quantize, backend, {"groups": 64, "width_per_group": 4} | options)
