"""Inception v3: large kernels are factorised into small and into asymmetric ones (Szegedy et al. 2015).

https://arxiv.org/abs/1512.00567, table 1 and figures 5 to 8, 10.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from ... import nn
from ._inception import BasicConv2d, Block, check_rescaled, rescale, starting
from ._zoo.registry import register

__all__ = [
    "BasicConv2d", "Inception3", "InceptionA", "InceptionAux", "InceptionB", "InceptionC", "InceptionD", "InceptionE",
    "InceptionOutputs", "inception_v3",
]


class InceptionOutputs(NamedTuple):
    """Logits in training, of the classifier and of the auxiliary head."""

    logits: jax.Array
    aux_logits: jax.Array


class _Block(nn.Module):
    def _joined(self, branches: Sequence[jax.Array]) -> jax.Array:
        return jnp.concatenate(branches, axis=-1)


class InceptionA(_Block):
    """Parallel branches with a 1x1, a 5x5, two 3x3, and average pooling; 224 + `pool_features` output channels."""

    def __init__(self, in_channels: int, pool_features: int, *, conv_block: Block = BasicConv2d):
        self.branch1x1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = conv_block(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = conv_block(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv_block(96, 96, kernel_size=3, padding=1)
        self.avg_pool2d = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool = conv_block(in_channels, pool_features, kernel_size=1)

    def forward(self, x: jax.Array) -> jax.Array:
        branches = (
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(self.avg_pool2d(x)),
        )
        return self._joined(branches)


class InceptionB(_Block):
    """Halves the resolution in parallel branches with a 3x3, two 3x3, and max pooling; adds 480 channels."""

    def __init__(self, in_channels: int, *, conv_block: Block = BasicConv2d):
        self.branch3x3 = conv_block(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv_block(96, 96, kernel_size=3, stride=2)
        self.max_pool2d = nn.MaxPool2d(3, stride=2)

    def forward(self, x: jax.Array) -> jax.Array:
        branches = (
            self.branch3x3(x),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.max_pool2d(x),
        )
        return self._joined(branches)


class InceptionC(_Block):
    """Parallel branches with a 1x1, a 7x7, two 7x7, and average pooling; 768 output channels.

    Each 7x7 convolution is factorised into a 1x7 and a 7x1.
    """

    def __init__(self, in_channels: int, channels_7x7: int, *, conv_block: Block = BasicConv2d):
        wide: dict[str, Any] = {"kernel_size": (1, 7), "padding": (0, 3)}
        tall: dict[str, Any] = {"kernel_size": (7, 1), "padding": (3, 0)}
        self.branch1x1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = conv_block(in_channels, channels_7x7, kernel_size=1)
        self.branch7x7_2 = conv_block(channels_7x7, channels_7x7, **wide)
        self.branch7x7_3 = conv_block(channels_7x7, 192, **tall)
        self.branch7x7dbl_1 = conv_block(in_channels, channels_7x7, kernel_size=1)
        self.branch7x7dbl_2 = conv_block(channels_7x7, channels_7x7, **tall)
        self.branch7x7dbl_3 = conv_block(channels_7x7, channels_7x7, **wide)
        self.branch7x7dbl_4 = conv_block(channels_7x7, channels_7x7, **tall)
        self.branch7x7dbl_5 = conv_block(channels_7x7, 192, **wide)
        self.avg_pool2d = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool = conv_block(in_channels, 192, kernel_size=1)

    def forward(self, x: jax.Array) -> jax.Array:
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        branches = (
            self.branch1x1(x),
            self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
            self.branch7x7dbl_5(self.branch7x7dbl_4(double)),
            self.branch_pool(self.avg_pool2d(x)),
        )
        return self._joined(branches)


class InceptionD(_Block):
    """Halves the resolution in parallel branches with a 3x3, a 7x7 and a 3x3, and max pooling; adds 512 channels."""

    def __init__(self, in_channels: int, *, conv_block: Block = BasicConv2d):
        self.branch3x3_1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = conv_block(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = conv_block(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = conv_block(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = conv_block(192, 192, kernel_size=3, stride=2)
        self.max_pool2d = nn.MaxPool2d(3, stride=2)

    def forward(self, x: jax.Array) -> jax.Array:
        branches = (
            self.branch3x3_2(self.branch3x3_1(x)),
            self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))),
            self.max_pool2d(x),
        )
        return self._joined(branches)


class InceptionE(_Block):
    """Parallel branches with a 1x1, a 3x3, two 3x3, and average pooling; 2048 output channels.

    The last 3x3 convolution of a branch is a 1x3 and a 3x1 in parallel.
    """

    def __init__(self, in_channels: int, *, conv_block: Block = BasicConv2d):
        self.branch1x1 = conv_block(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = conv_block(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = conv_block(384, 384, kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3_2b = conv_block(384, 384, kernel_size=(3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = conv_block(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = conv_block(384, 384, kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = conv_block(384, 384, kernel_size=(3, 1), padding=(1, 0))
        self.avg_pool2d = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool = conv_block(in_channels, 192, kernel_size=1)

    def forward(self, x: jax.Array) -> jax.Array:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = (
            self.branch1x1(x),
            self.branch3x3_2a(single), self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double),
            self.branch_pool(self.avg_pool2d(x)),
        )
        return self._joined(branches)


class _AuxLinear(nn.Linear):
    """A linear layer whose initial weights have a standard deviation of 0.001, a hundredth of the others'."""

    stddev: ClassVar[float] = 0.001


class InceptionAux(nn.Module):
    """An auxiliary head: a classifier of a feature map of 17x17 or more in the middle of the network."""

    def __init__(self, in_channels: int, num_classes: int, *, conv_block: Block = BasicConv2d):
        self.avg_pool2d = nn.AvgPool2d(5, stride=3)
        self.conv0 = conv_block(in_channels, 128, kernel_size=1)
        # The initial standard deviation is 0.1: torchvision sets `stddev` to 0.01 on the block, where the convolution
        # inside of it does not see it.
        self.conv1 = conv_block(128, 768, kernel_size=5)
        self.adaptive_avg_pool2d = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = _AuxLinear(768, num_classes)

    def forward(self, x: jax.Array) -> jax.Array:
        x = self.conv1(self.conv0(self.avg_pool2d(x)))
        return self.fc(self.flatten(self.adaptive_avg_pool2d(x)))


BLOCKS: tuple[Block, ...] = (BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux)


class Inception3(nn.Module):
    """Five convolutions, eleven Inception blocks and a linear classifier, with an auxiliary head in training.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        aux_logits: whether the model has an auxiliary head.
        transform_input: convert images that are normalised with ImageNet's statistics to a mean and a standard
            deviation of 0.5, which the published weights expect.
        inception_blocks: called with the arguments of those in `BLOCKS`.
        init_weights: initialise weights from a truncated normal distribution, with the standard deviation `stddev` of
            their layer or else 0.1, instead of torch's defaults.
        dropout: probability to drop an element before the classifier.

    Raises:
        ValueError: the number of `inception_blocks` is not seven, or `transform_input` is used with images that are not
            RGB.
    """

    def __init__(
        self, num_classes: int = 1000, *, in_channels: int = 3, aux_logits: bool = True, transform_input: bool = False,
        inception_blocks: Sequence[Block] = BLOCKS, init_weights: bool = True, dropout: float = 0.5,
    ):
        if len(inception_blocks) != 7:
            raise ValueError(
                "inception_blocks takes constructors of a convolution, the blocks A to E and a head; "
                f"got {len(inception_blocks)}"
            )
        check_rescaled(transform_input, in_channels)
        constructors: tuple[Block, ...] = (*inception_blocks, nn.Linear)
        if init_weights:
            constructors = tuple(starting(block, std=0.1) for block in constructors)
        conv, a, b, c, d, e, head, linear = constructors
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = conv(in_channels, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits = head(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.flatten = nn.Flatten()
        self.fc = linear(2048, num_classes)

    def forward(self, x: jax.Array) -> jax.Array | InceptionOutputs:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes].

        Height and width are 75 or more. In training, a model with an auxiliary head returns `InceptionOutputs`, and
        height and width are 299 or more.
        """
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(self._input(x)))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        block6e = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(block6e)))
        logits = self.fc(self.flatten(self.dropout(self.avgpool(x))))
        if self.training and self.AuxLogits is not None:
            return InceptionOutputs(logits, self.AuxLogits(block6e))
        return logits

    def _input(self, x: jax.Array) -> jax.Array:
        return rescale(x) if self.transform_input else x


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    return {"aux_logits": any(name.startswith("AuxLogits.") for name in shapes)}


@register(read_options=_read_options)
def inception_v3(num_classes: int = 1000, **options: Any) -> Inception3:
    """Inception v3; `options` are those of `Inception3`."""
    return Inception3(num_classes, **options)
