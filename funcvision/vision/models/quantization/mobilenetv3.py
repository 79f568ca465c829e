"""MobileNetV3 that can be quantised, and of integers; see `models.mobilenetv3` for the paper."""

from functools import partial
from typing import Any

import jax

from .... import nn
from ....quantize.integer_layers import Add, Mul
from ...ops import SqueezeExcitation
from .._zoo.registry import register
from ..mobilenetv3 import InvertedResidual, MobileNetV3, large_setting
from ._conversion import Marked, finished, read_options
from ._fake_quantised import of_integers

__all__ = [
    "QuantizableInvertedResidual", "QuantizableMobileNetV3", "QuantizableSqueezeExcitation", "mobilenet_v3_large",
]


class QuantizableSqueezeExcitation(SqueezeExcitation):
    """`SqueezeExcitation` with the product as a layer."""

    fused = (("fc1", "activation"),)

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **{**options, "scale_activation": nn.Hardsigmoid})
        self.skip_mul = Mul()

    def forward(self, x: jax.Array) -> jax.Array:
        scale = self.activation(self.fc1(self.avgpool(x)))
        return self.skip_mul(self.scale_activation(self.fc2(scale)), x)


class QuantizableInvertedResidual(InvertedResidual):
    """`InvertedResidual` with the sum as a layer."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options, se_layer=QuantizableSqueezeExcitation)
        self.skip_add = Add()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.skip_add(x, self.block(x)) if self.use_res_connect else self.block(x)


class QuantizableMobileNetV3(Marked, MobileNetV3):
    """`MobileNetV3` with marks where integers begin and end. The arguments are those of `MobileNetV3`."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **{"block": QuantizableInvertedResidual, **options})


# The published weights are those of a model with fake quantisation, whose norms have this `eps`.
@register(
    task="quantization", name="quantized_mobilenet_v3_large", read_options=read_options,
    adapt_tensors=partial(of_integers, eps=1e-3),
)
def mobilenet_v3_large(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "qnnpack", width_mult: float = 1.0,
    reduced_tail: bool = False, dilated: bool = False, **options: Any,
) -> QuantizableMobileNetV3:
    """MobileNetV3-Large.

    Args:
        num_classes: number of logits.
        quantize: describe the model of integers. Its weights are int8, and it is for inference only.
        backend: "fbgemm" for a scale of each output channel, "qnnpack" for one scale of a weight.
        width_mult: as in `models.mobilenet_v3_large`.
        reduced_tail: as in `models.mobilenet_v3_large`.
        dilated: as in `models.mobilenet_v3_large`.
        options: those of `MobileNetV3`.
    """
    setting, last_channel = large_setting(width_mult, reduced_tail, dilated)
    return finished(QuantizableMobileNetV3(setting, last_channel, num_classes, **options), quantize, backend)
