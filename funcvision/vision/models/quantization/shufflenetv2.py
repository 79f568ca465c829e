"""ShuffleNetV2 that can be quantised, and of integers; see `models.shufflenetv2` for the paper."""

from typing import Any

import jax

from ....functional import channel_shuffle
from ....quantize.integer_layers import Cat, Mean, on_values
from .._zoo.registry import register
from ..shufflenetv2 import CHANNELS, REPEATS, InvertedResidual, ShuffleNetV2
from ._conversion import Marked, finished, read_options

__all__ = [
    "QuantizableInvertedResidual", "QuantizableShuffleNetV2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
]


class QuantizableInvertedResidual(InvertedResidual):
    """`InvertedResidual` with the concatenation as a layer."""

    fused = (
        ("branch1.0", "branch1.1"), ("branch1.2", "branch1.3", "branch1.4"),
        ("branch2.0", "branch2.1", "branch2.2"), ("branch2.3", "branch2.4"), ("branch2.5", "branch2.6", "branch2.7"),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.cat = Cat()

    def forward(self, x: jax.Array) -> jax.Array:
        first = second = x
        if self.stride == 1:
            half = x.shape[-1] // 2
            first = on_values(lambda values: values[..., :half], x)
            second = on_values(lambda values: values[..., half:], x)
        joined = self.cat([self.branch1(first), self.branch2(second)])
        return on_values(lambda values: channel_shuffle(values, 2), joined)


class QuantizableShuffleNetV2(Marked, ShuffleNetV2):
    """`ShuffleNetV2` with marks where integers begin and end. The arguments are those of `ShuffleNetV2`."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **{"inverted_residual": QuantizableInvertedResidual, **options})
        self.mean = Mean()


def _shufflenet(
    factor: float, num_classes: int, quantize: bool, backend: str, options: dict[str, Any]
) -> QuantizableShuffleNetV2:
    return finished(QuantizableShuffleNetV2(REPEATS, CHANNELS[factor], num_classes, **options), quantize, backend)


@register(task="quantization", name="quantized_shufflenet_v2_x0_5", read_options=read_options)
def shufflenet_v2_x0_5(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableShuffleNetV2:
    """ShuffleNetV2 of half the width.

    Args:
        num_classes: number of logits.
        quantize: describe the model of integers. Its weights are int8, and it is for inference only.
        backend: "fbgemm" for a scale of each output channel, "qnnpack" for one scale of a weight.
        options: those of `ShuffleNetV2`.
    """
    return _shufflenet(0.5, num_classes, quantize, backend, options)


@register(task="quantization", name="quantized_shufflenet_v2_x1_0", read_options=read_options)
def shufflenet_v2_x1_0(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableShuffleNetV2:
    """ShuffleNetV2; the arguments are those of `shufflenet_v2_x0_5`."""
    return _shufflenet(1.0, num_classes, quantize, backend, options)


@register(task="quantization", name="quantized_shufflenet_v2_x1_5", read_options=read_options)
def shufflenet_v2_x1_5(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableShuffleNetV2:
    """ShuffleNetV2 of 1.5 times the width; the arguments are those of `shufflenet_v2_x0_5`."""
    return _shufflenet(1.5, num_classes, quantize, backend, options)


@register(task="quantization", name="quantized_shufflenet_v2_x2_0", read_options=read_options)
def shufflenet_v2_x2_0(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableShuffleNetV2:
    """ShuffleNetV2 of twice the width; the arguments are those of `shufflenet_v2_x0_5`."""
    return _shufflenet(2.0, num_classes, quantize, backend, options)
