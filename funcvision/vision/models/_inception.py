"""What GoogLeNet and Inception v3 share: their convolution, initial weights, and the scale of their images."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ... import nn
from ...nn import init
from ...nn.init import Initializer
from ..transforms.presets import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["BasicConv2d", "Block", "check_rescaled", "rescale", "starting"]

Block = Callable[..., nn.Module]


class BasicConv2d(nn.Module):
    """A convolution without bias, a batch norm and a ReLU; `options` are those of `Conv2d`."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any):
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **options)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.relu(self.bn(self.conv(x)))


def rescale(x: jax.Array) -> jax.Array:
    """Images [..., 3] with a mean and standard deviation of 0.5, from images normalised with ImageNet's statistics."""
    scale = jnp.array([std / 0.5 for std in IMAGENET_STD], x.dtype)
    shift = jnp.array([(mean - 0.5) / 0.5 for mean in IMAGENET_MEAN], x.dtype)
    axes = tuple(range(x.ndim - 1))
    return x * jnp.expand_dims(scale, axes) + jnp.expand_dims(shift, axes)


def check_rescaled(transform_input: bool, in_channels: int) -> None:
    """Raises ValueError if images that are not RGB would be rescaled."""
    if transform_input and in_channels != 3:
        raise ValueError(
            f"transform_input=True is for RGB images, and in_channels={in_channels}: leave transform_input out, and "
            "normalise the images yourself"
        )


def starting(block: Block, std: float) -> Block:
    """The constructor `block`, with weights drawn from a normal distribution truncated to [-2, 2].

    The standard deviation is the attribute `stddev` of a layer that has one, otherwise `std`. Biases keep torch's
    initial values.
    """

    def rule(layer: nn.Module) -> Mapping[str, Initializer]:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            return {"weight": init.trunc_normal(std=getattr(layer, "stddev", std))}
        return {}

    return lambda *args, **options: block(*args, **options).with_init(rule)
