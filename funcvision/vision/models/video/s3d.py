"""S3D: an Inception network whose convolutions are separated in space and time (Xie et al. 2017).

https://arxiv.org/abs/1712.04851
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .... import nn
from ...ops import Conv3dNormActivation
from .._zoo.registry import register

__all__ = ["S3D", "SepInceptionBlock3D", "TemporalSeparableConv", "s3d"]

Norm = Callable[..., nn.Module]

# For each block: input channels; channels of the first branch; middle and output channels of the second and of the
# third; channels of the last.
BLOCKS = (
    (192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64), None,
    (480, 192, 96, 208, 16, 48, 64), (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64),
    (512, 112, 144, 288, 32, 64, 64), (528, 256, 160, 320, 32, 128, 128), None,
    (832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128),
)
SMALLEST_MAP = (2, 7, 7)  # time, height and width of the window that pools the last feature map


class TemporalSeparableConv(nn.Sequential):
    """A convolution in space and one in time, each with norm and ReLU.

    Args:
        in_channels: of the clip [batch, time, height, width, in_channels].
        out_channels: of the result.
        kernel_size: of both, in their axes.
        stride: of both, in their axes.
        padding: of both, in their axes.
        norm_layer: called with a number of channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int, norm_layer: Norm
    ):
        k, s, p = kernel_size, stride, padding
        layer = partial(Conv3dNormActivation, bias=False, norm_layer=norm_layer)
        super().__init__(
            layer(in_channels, out_channels, (1, k, k), (1, s, s), (0, p, p)),
            layer(out_channels, out_channels, (k, 1, 1), (s, 1, 1), (p, 0, 0)),
        )


class SepInceptionBlock3D(nn.Module):
    """Four branches side by side: 1x1x1, two with separated convolutions, and a pooled one.

    Args:
        in_channels: of the clip.
        b0_out: channels of the first branch.
        b1_mid: channels within the second.
        b1_out: of the second.
        b2_mid: within the third.
        b2_out: of the third.
        b3_out: of the last.
        norm_layer: called with a number of channels.
    """

    def __init__(
        self, in_channels: int, b0_out: int, b1_mid: int, b1_out: int, b2_mid: int, b2_out: int, b3_out: int,
        norm_layer: Norm,
    ):
        one = partial(Conv3dNormActivation, in_channels, kernel_size=1, norm_layer=norm_layer)
        self.branch0 = one(b0_out)
        self.branch1 = nn.Sequential(one(b1_mid), TemporalSeparableConv(b1_mid, b1_out, 3, 1, 1, norm_layer))
        self.branch2 = nn.Sequential(one(b2_mid), TemporalSeparableConv(b2_mid, b2_out, 3, 1, 1, norm_layer))
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, 1, 1), one(b3_out))

    def forward(self, x: jax.Array) -> jax.Array:
        branches = self.branch0, self.branch1, self.branch2, self.branch3
        return jnp.concatenate([branch(x) for branch in branches], -1)


class S3D(nn.Module):
    """Separated convolutions, inception blocks, and a classifier whose logits are averaged over the feature map.

    Args:
        num_classes: number of logits.
        dropout: probability to drop an element before the classifier.
        norm_layer: called with a number of channels; by default `BatchNorm3d` with the paper's eps and momentum.
        in_channels: channels of the clip.
    """

    def __init__(
        self, num_classes: int = 400, dropout: float = 0.2, norm_layer: Norm | None = None, *, in_channels: int = 3
    ):
        norm = norm_layer or partial(nn.BatchNorm3d, eps=0.001, momentum=0.001)
        layers: list[nn.Module] = [
            TemporalSeparableConv(in_channels, 64, 7, 2, 3, norm), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            Conv3dNormActivation(64, 64, 1, norm_layer=norm), TemporalSeparableConv(64, 192, 3, 1, 1, norm),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        ]
        pools = iter([nn.MaxPool3d(3, 2, 1), nn.MaxPool3d(2, 2)])
        layers += [next(pools) if row is None else SepInceptionBlock3D(*row, norm_layer=norm) for row in BLOCKS]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AvgPool3d(SMALLEST_MAP, 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Conv3d(1024, num_classes, 1))

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps clips [batch, time, height, width, in_channels], of 14 frames and 224 pixels at least, to logits."""
        maps = self.features(x)
        if any(side < least for side, least in zip(maps.shape[1:-1], SMALLEST_MAP, strict=True)):
            raise ValueError(f"S3D takes clips of at least 14 frames of 224 x 224 pixels; got {x.shape}")
        return self.classifier(self.avgpool(maps)).mean((1, 2, 3))


@register(task="video")
def s3d(num_classes: int = 400, **options: Any) -> S3D:
    """S3D; `options` are those of the class."""
    return S3D(num_classes, **options)
