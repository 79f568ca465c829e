"""GoogLeNet that can be quantised, and of integers; see `models.googlenet` for the paper."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ....quantize.integer_layers import Cat, DeQuantStub, QuantStub
from .._inception import BasicConv2d
from .._zoo.registry import register
from ..googlenet import GoogLeNet, GoogLeNetOutputs, Inception, InceptionAux
from ._conversion import finished, read_options

__all__ = ["QuantizableBasicConv2d", "QuantizableGoogLeNet", "QuantizableInception", "googlenet"]


class QuantizableBasicConv2d(BasicConv2d):
    """`BasicConv2d` whose layers are fused."""

    fused = (("conv", "bn", "relu"),)


class QuantizableInception(Inception):
    """`Inception` with the concatenation as a layer."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options, conv_block=QuantizableBasicConv2d)
        self.cat = Cat()

    def _joined(self, branches: Sequence[jax.Array]) -> jax.Array:
        return self.cat(branches)


class QuantizableInceptionAux(InceptionAux):
    """`InceptionAux` whose layers are fused."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options, conv_block=QuantizableBasicConv2d)


class QuantizableGoogLeNet(GoogLeNet):
    """`GoogLeNet` with marks where integers begin and end. The arguments are those of `GoogLeNet`."""

    def __init__(self, *args: Any, **options: Any):
        blocks = (QuantizableBasicConv2d, QuantizableInception, QuantizableInceptionAux)
        super().__init__(*args, **{"blocks": blocks, **options})
        self.quant, self.dequant = QuantStub(), DeQuantStub()

    def forward(self, x: jax.Array) -> jax.Array | GoogLeNetOutputs:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes].

        In training, a floating-point model with auxiliary heads returns `GoogLeNetOutputs`.
        """
        return self.dequant(super().forward(x))

    def _input(self, x: jax.Array) -> jax.Array:
        return self.quant(super()._input(x))


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    return read_options(shapes) | {"aux_logits": any(name.startswith("aux1.") for name in shapes)}


def _without_heads(model: QuantizableGoogLeNet, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors without those of auxiliary heads that the model lacks. The published files have them."""
    if model.aux1 is not None:
        return tensors
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(("aux1.", "aux2."))}


@register(
    task="quantization", name="quantized_googlenet", read_options=_read_options, adapt_tensors=_without_heads
)
def googlenet(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableGoogLeNet:
    """GoogLeNet.

    Args:
        num_classes: number of logits.
        quantize: describe the model of integers. Its weights are int8, and it is for inference only.
        backend: "fbgemm" for a scale of each output channel, "qnnpack" for one scale of a weight.
        options: those of `GoogLeNet`.
    """
    return finished(QuantizableGoogLeNet(num_classes, **options), quantize, backend)
