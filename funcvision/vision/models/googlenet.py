"""GoogLeNet, or Inception v1: parallel convolutions with kernels of several sizes (Szegedy et al. 2014).

https://arxiv.org/abs/1409.4842, table 1. As in torchvision, every convolution has a batch norm, and the 5x5
convolutions of the paper are 3x3 (https://github.com/pytorch/vision/issues/906).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ... import nn
from ._inception import BasicConv2d, Block, check_rescaled, rescale, starting
from ._zoo.registry import register

__all__ = ["BasicConv2d", "GoogLeNet", "GoogLeNetOutputs", "Inception", "InceptionAux", "googlenet"]


class GoogLeNetOutputs(NamedTuple):
    """Logits in training, of the classifier and of the auxiliary heads after blocks 4d and 4a.

    The loss of the paper is that of the classifier plus 0.3 times that of each head.
    """

    logits: jax.Array
    aux_logits2: jax.Array
    aux_logits1: jax.Array


class Inception(nn.Module):
    """Four parallel branches, concatenated: 1x1; 1x1 and 3x3; 1x1 and 3x3; max pooling and 1x1.

    Args:
        in_channels: channels of the input.
        ch1x1: output channels of the first branch.
        ch3x3red: channels between the convolutions of the second branch.
        ch3x3: output channels of the second branch.
        ch5x5red: channels between the convolutions of the third branch.
        ch5x5: output channels of the third branch.
        pool_proj: output channels of the fourth branch.
        conv_block: called as `BasicConv2d` is.
    """

    def __init__(
        self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int, pool_proj: int, *,
        conv_block: Block = BasicConv2d,
    ):
        self.branch1 = conv_block(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv_block(in_channels, ch3x3red, kernel_size=1), conv_block(ch3x3red, ch3x3, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            conv_block(in_channels, ch5x5red, kernel_size=1), conv_block(ch5x5red, ch5x5, kernel_size=3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), conv_block(in_channels, pool_proj, kernel_size=1)
        )

    def forward(self, x: jax.Array) -> jax.Array:
        return self._joined((self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)))

    def _joined(self, branches: Sequence[jax.Array]) -> jax.Array:
        return jnp.concatenate(branches, axis=-1)


class InceptionAux(nn.Module):
    """An auxiliary head: a classifier of a feature map in the middle of the network."""

    def __init__(
        self, in_channels: int, num_classes: int, *, conv_block: Block = BasicConv2d, dropout: float = 0.7
    ):
        self.adaptive_avg_pool2d = nn.AdaptiveAvgPool2d(4)
        self.conv = conv_block(in_channels, 128, kernel_size=1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: jax.Array) -> jax.Array:
        x = self.flatten(self.conv(self.adaptive_avg_pool2d(x)))
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Three convolutions, nine Inception blocks and a linear classifier, with two auxiliary heads in training.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        aux_logits: whether the model has auxiliary heads.
        transform_input: convert images that are normalised with ImageNet's statistics to a mean and a standard
            deviation of 0.5, which the published weights expect.
        init_weights: initialise weights from a truncated normal distribution with a standard deviation of 0.01,
            instead of torch's defaults.
        blocks: called as `BasicConv2d`, `Inception` and `InceptionAux` are.
        dropout: probability to drop an element before the classifier.
        dropout_aux: the same before the last layer of each auxiliary head.

    Raises:
        ValueError: the number of `blocks` is not three, or `transform_input` is used with images that are not RGB.
    """

    def __init__(
        self, num_classes: int = 1000, *, in_channels: int = 3, aux_logits: bool = True, transform_input: bool = False,
        init_weights: bool = True, blocks: Sequence[Block] = (BasicConv2d, Inception, InceptionAux),
        dropout: float = 0.2, dropout_aux: float = 0.7,
    ):
        if len(blocks) != 3:
            raise ValueError(f"blocks takes a convolution, an Inception block and a head; got {len(blocks)} of them")
        check_rescaled(transform_input, in_channels)
        constructors: tuple[Block, ...] = (*blocks, nn.Linear)
        if init_weights:
            constructors = tuple(starting(block, std=0.01) for block in constructors)
        conv, inception, head, linear = constructors
        self.transform_input = transform_input
        self.conv1 = conv(in_channels, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = head(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = head(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = linear(1024, num_classes)

    def forward(self, x: jax.Array) -> jax.Array | GoogLeNetOutputs:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes].

        Height and width are 15 or more. In training, a model with auxiliary heads returns `GoogLeNetOutputs`.
        """
        x = self.maxpool1(self.conv1(self._input(x)))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        block4a = self.inception4a(x)
        block4d = self.inception4d(self.inception4c(self.inception4b(block4a)))
        x = self.maxpool4(self.inception4e(block4d))
        x = self.inception5b(self.inception5a(x))
        logits = self.fc(self.dropout(self.flatten(self.avgpool(x))))
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return GoogLeNetOutputs(logits, self.aux2(block4d), self.aux1(block4a))
        return logits

    def _input(self, x: jax.Array) -> jax.Array:
        return rescale(x) if self.transform_input else x


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    return {"aux_logits": any(name.startswith("aux1.") for name in shapes)}


@register(read_options=_read_options)
def googlenet(num_classes: int = 1000, **options: Any) -> GoogLeNet:
    """GoogLeNet; `options` are those of `GoogLeNet`."""
    return GoogLeNet(num_classes, **options)
