"""MobileNetV2 that can be quantised, and of integers; see `models.mobilenetv2` for the paper.

It has ReLU in place of ReLU6, as in torchvision, because a convolution of integers is fused with a ReLU only.
"""

from typing import Any

import jax

from ....quantize.integer_layers import Add
from .._zoo.registry import register
from ..mobilenetv2 import InvertedResidual, MobileNetV2
from ._conversion import Marked, finished, read_options

__all__ = ["QuantizableInvertedResidual", "QuantizableMobileNetV2", "mobilenet_v2"]


class QuantizableInvertedResidual(InvertedResidual):
    """`InvertedResidual` with the sum as a layer."""

    fused = (("conv.1", "conv.2"), ("conv.2", "conv.3"))  # whichever is the last convolution and its norm

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.skip_add = Add()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.skip_add(x, self.conv(x)) if self.use_res_connect else self.conv(x)


class QuantizableMobileNetV2(Marked, MobileNetV2):
    """`MobileNetV2` with marks where integers begin and end. The arguments are those of `MobileNetV2`."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **{"block": QuantizableInvertedResidual, **options})


@register(task="quantization", name="quantized_mobilenet_v2", read_options=read_options)
def mobilenet_v2(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "qnnpack", **options: Any
) -> QuantizableMobileNetV2:
    """MobileNetV2.

    Args:
        num_classes: number of logits.
        quantize: describe the model of integers. Its weights are int8, and it is for inference only.
        backend: "fbgemm" for a scale of each output channel, "qnnpack" for one scale of a weight.
        options: those of `MobileNetV2`.
    """
    return finished(QuantizableMobileNetV2(num_classes, **options), quantize, backend)
