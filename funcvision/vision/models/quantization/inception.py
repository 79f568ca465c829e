"""Inception v3 that can be quantised, and of integers; see `models.inception` for the paper."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from .... import nn
from ....quantize.integer_layers import Cat, DeQuantStub, QuantStub
from .._zoo.registry import register
from ..inception import (
    Inception3,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
    InceptionOutputs,
)
from ._conversion import finished, read_options
from .googlenet import QuantizableBasicConv2d

__all__ = ["QuantizableInception3", "inception_v3"]


class _Joining(nn.Module):
    """A block with the concatenation as a layer."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **{"conv_block": QuantizableBasicConv2d, **options})
        self.myop = Cat()

    def _joined(self, branches: Sequence[jax.Array]) -> jax.Array:
        return self.myop(branches)


class QuantizableInceptionA(_Joining, InceptionA):
    """`InceptionA` with the concatenation as a layer."""


class QuantizableInceptionB(_Joining, InceptionB):
    """`InceptionB` with the concatenation as a layer."""


class QuantizableInceptionC(_Joining, InceptionC):
    """`InceptionC` with the concatenation as a layer."""


class QuantizableInceptionD(_Joining, InceptionD):
    """`InceptionD` with the concatenation as a layer."""


class QuantizableInceptionE(InceptionE):
    """`InceptionE` with the three concatenations as layers."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options, conv_block=QuantizableBasicConv2d)
        self.myop1, self.myop2, self.myop3 = Cat(), Cat(), Cat()

    def forward(self, x: jax.Array) -> jax.Array:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = (
            self.branch1x1(x),
            self.myop1([self.branch3x3_2a(single), self.branch3x3_2b(single)]),
            self.myop2([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]),
            self.branch_pool(self.avg_pool2d(x)),
        )
        return self.myop3(branches)


class QuantizableInceptionAux(InceptionAux):
    """`InceptionAux` whose layers are fused."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options, conv_block=QuantizableBasicConv2d)


_BLOCKS = (
    QuantizableBasicConv2d, QuantizableInceptionA, QuantizableInceptionB, QuantizableInceptionC, QuantizableInceptionD,
    QuantizableInceptionE, QuantizableInceptionAux,
)  # fmt: skip


class QuantizableInception3(Inception3):
    """`Inception3` with marks where integers begin and end. The arguments are those of `Inception3`."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **{"inception_blocks": _BLOCKS, **options})
        self.quant, self.dequant = QuantStub(), DeQuantStub()

    def forward(self, x: jax.Array) -> jax.Array | InceptionOutputs:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes].

        In training, a floating-point model with an auxiliary head returns `InceptionOutputs`.
        """
        return self.dequant(super().forward(x))

    def _input(self, x: jax.Array) -> jax.Array:
        return self.quant(super()._input(x))


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    return read_options(shapes) | {"aux_logits": any(name.startswith("AuxLogits.") for name in shapes)}


@register(task="quantization", name="quantized_inception_v3", read_options=_read_options)
def inception_v3(
    num_classes: int = 1000, *, quantize: bool = False, backend: str = "fbgemm", **options: Any
) -> QuantizableInception3:
    """Inception v3.

    Args:
        num_classes: number of logits.
        quantize: describe the model of integers. Its weights are int8, and it is for inference only.
        backend: "fbgemm" for a scale of each output channel, "qnnpack" for one scale of a weight.
        options: those of `Inception3`.
    """
    return finished(QuantizableInception3(num_classes, **options), quantize, backend)
