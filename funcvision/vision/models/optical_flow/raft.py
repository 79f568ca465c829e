"""RAFT: optical flow by repeated updates, which look up the similarity of all pairs of pixels (Teed and Deng 2020).

https://arxiv.org/abs/2003.12039
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from .... import functional as F
from .... import nn
from ....nn import init
from ...ops import Conv2dNormActivation
from .._zoo.registry import register
from ._correlation import OnDemand, Volume

__all__ = ["RAFT", "BottleneckBlock", "FeatureEncoder", "ResidualBlock", "raft_large", "raft_small"]

Norm = Callable[[int], nn.Module]
FACTOR = 8  # pixels of the image for one of the feature maps, in each direction
UPDATES = 12


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, all of them with biases.

    Args:
        in_channels: of the feature map.
        out_channels: of the result.
        norm_layer: called with a number of channels; None for no norm.
        stride: of the first convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm_layer: Norm | None, stride: int = 1):
        options: dict[str, Any] = {"norm_layer": norm_layer, "bias": True}
        self.convnormrelu1 = Conv2dNormActivation(in_channels, out_channels, 3, stride, **options)
        self.convnormrelu2 = Conv2dNormActivation(out_channels, out_channels, 3, **options)
        self.downsample = _shortcut(in_channels, out_channels, stride, options)
        self.relu = nn.ReLU()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.relu(self.downsample(x) + self.convnormrelu2(self.convnormrelu1(x)))


class BottleneckBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut; the arguments are those of `ResidualBlock`."""

    def __init__(self, in_channels: int, out_channels: int, *, norm_layer: Norm | None, stride: int = 1):
        options: dict[str, Any] = {"norm_layer": norm_layer, "bias": True}
        width = out_channels // 4
        self.convnormrelu1 = Conv2dNormActivation(in_channels, width, 1, **options)
        self.convnormrelu2 = Conv2dNormActivation(width, width, 3, stride, **options)
        self.convnormrelu3 = Conv2dNormActivation(width, out_channels, 1, **options)
        self.downsample = _shortcut(in_channels, out_channels, stride, options)
        self.relu = nn.ReLU()

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.convnormrelu3(self.convnormrelu2(self.convnormrelu1(x)))
        return self.relu(self.downsample(x) + y)


def _shortcut(in_channels: int, out_channels: int, stride: int, options: dict[str, Any]) -> nn.Module:
    if stride == 1:
        return nn.Identity()
    return Conv2dNormActivation(in_channels, out_channels, 1, stride, activation_layer=None, **options)


class FeatureEncoder(nn.Module):
    """A stem and three stages of two blocks, to an eighth of the resolution.

    Args:
        block: `ResidualBlock` or `BottleneckBlock`.
        layers: channels of the stem, of the stages and of the result.
        norm_layer: called with a number of channels; None for no norm.
        in_channels: channels of the image.
    """

    def __init__(
        self, block: Callable[..., nn.Module] = ResidualBlock, layers: Sequence[int] = (64, 64, 96, 128, 256),
        norm_layer: Norm | None = nn.BatchNorm2d, *, in_channels: int = 3,
    ):
        stem, *widths, last = layers

        def stage(in_channels: int, out_channels: int, stride: int) -> nn.Module:
            first = block(in_channels, out_channels, norm_layer=norm_layer, stride=stride)
            blocks = nn.Sequential(first, block(out_channels, out_channels, norm_layer=norm_layer))
            return blocks.with_init(_fan_out)

        convolution = Conv2dNormActivation(in_channels, stem, 7, 2, norm_layer=norm_layer, bias=True)
        self.convnormrelu = convolution.with_init(_fan_out)
        self.layer1 = stage(stem, widths[0], 1)
        self.layer2 = stage(widths[0], widths[1], 2)
        self.layer3 = stage(widths[1], widths[2], 2)
        self.conv = nn.Conv2d(widths[2], last, 1).with_init(_fan_out)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to [batch, height / 8, width / 8, channels]."""
        return self.conv(self.layer3(self.layer2(self.layer1(self.convnormrelu(x)))))


def _fan_out(module: nn.Module) -> dict[str, init.Initializer]:
    convolution = isinstance(module, nn.Conv2d)
    return {"weight": init.kaiming_normal(mode="fan_out", nonlinearity="relu")} if convolution else {}


class MotionEncoder(nn.Module):
    """Encodes the correlations that were looked up, and the flow, which it appends.

    Args:
        in_channels_corr: number of correlations.
        corr_layers: channels of one or two convolutions on the correlations.
        flow_layers: channels of two convolutions on the flow.
        out_channels: of the result.
    """

    def __init__(
        self, in_channels_corr: int, corr_layers: Sequence[int], flow_layers: Sequence[int], out_channels: int
    ):
        first, *second = corr_layers
        self.convcorr1 = Conv2dNormActivation(in_channels_corr, first, 1, norm_layer=None)
        self.convcorr2 = Conv2dNormActivation(first, second[0], 3, norm_layer=None) if second else nn.Identity()
        self.convflow1 = Conv2dNormActivation(2, flow_layers[0], 7, norm_layer=None)
        self.convflow2 = Conv2dNormActivation(flow_layers[0], flow_layers[1], 3, norm_layer=None)
        channels = corr_layers[-1] + flow_layers[1]
        self.conv = Conv2dNormActivation(channels, out_channels - 2, 3, norm_layer=None)

    def forward(self, flow: jax.Array, correlations: jax.Array) -> jax.Array:
        parts = self.convcorr2(self.convcorr1(correlations)), self.convflow2(self.convflow1(flow))
        return jnp.concatenate([self.conv(jnp.concatenate(parts, -1)), flow], -1)


class ConvGRU(nn.Module):
    """A gated recurrent unit with convolutions.

    Args:
        input_size: channels of the input.
        hidden_size: channels of the state.
        kernel_size: of the convolutions.
    """

    def __init__(self, input_size: int, hidden_size: int, kernel_size: tuple[int, int]):
        padding = kernel_size[0] // 2, kernel_size[1] // 2
        channels = hidden_size + input_size
        self.convz = nn.Conv2d(channels, hidden_size, kernel_size, padding=padding)
        self.convr = nn.Conv2d(channels, hidden_size, kernel_size, padding=padding)
        self.convq = nn.Conv2d(channels, hidden_size, kernel_size, padding=padding)

    def forward(self, hidden: jax.Array, x: jax.Array) -> jax.Array:
        both = jnp.concatenate([hidden, x], -1)
        z, r = jax.nn.sigmoid(self.convz(both)), jax.nn.sigmoid(self.convr(both))
        q = jnp.tanh(self.convq(jnp.concatenate([r * hidden, x], -1)))
        return (1 - z) * hidden + z * q


class RecurrentBlock(nn.Module):
    """One or two recurrent units, one after the other.

    Args:
        input_size: channels of the input.
        hidden_size: channels of the state.
        kernel_size: of each unit's convolutions.
    """

    def __init__(self, input_size: int, hidden_size: int, kernel_size: Sequence[tuple[int, int]]):
        self.convgru1 = ConvGRU(input_size, hidden_size, kernel_size[0])
        self.convgru2 = ConvGRU(input_size, hidden_size, kernel_size[1]) if len(kernel_size) == 2 else None

    def forward(self, hidden: jax.Array, x: jax.Array) -> jax.Array:
        hidden = self.convgru1(hidden, x)
        return hidden if self.convgru2 is None else self.convgru2(hidden, x)


class FlowHead(nn.Module):
    """Two convolutions to the change of the flow.

    Args:
        in_channels: of the state.
        hidden_size: channels between the convolutions.
    """

    def __init__(self, in_channels: int, hidden_size: int):
        self.conv1 = nn.Conv2d(in_channels, hidden_size, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden_size, 2, 3, padding=1)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.conv2(F.relu(self.conv1(x)))


class UpdateBlock(nn.Module):
    """One update: motion features, the recurrent block, and the change of the flow.

    Args:
        motion_encoder: see `MotionEncoder`.
        recurrent_block: see `RecurrentBlock`.
        flow_head: see `FlowHead`.
    """

    def __init__(self, motion_encoder: nn.Module, recurrent_block: nn.Module, flow_head: nn.Module):
        self.motion_encoder, self.recurrent_block, self.flow_head = motion_encoder, recurrent_block, flow_head

    def forward(
        self, hidden: jax.Array, context: jax.Array, correlations: jax.Array, flow: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        x = jnp.concatenate([context, self.motion_encoder(flow, correlations)], -1)
        hidden = self.recurrent_block(hidden, x)
        return hidden, self.flow_head(hidden)


class MaskPredictor(nn.Module):
    """For each pixel of a fine flow, the logits of its nine coarse neighbours (section 3.3).

    Args:
        in_channels: of the state.
        hidden_size: channels between the convolutions.
        multiplier: of the logits; it makes the gradients of this branch smaller.
    """

    def __init__(self, in_channels: int, hidden_size: int, multiplier: float = 0.25):
        self.convrelu = Conv2dNormActivation(in_channels, hidden_size, 3, norm_layer=None)
        self.conv = nn.Conv2d(hidden_size, FACTOR * FACTOR * 9, 1)
        self.multiplier = multiplier

    def forward(self, x: jax.Array) -> jax.Array:
        return self.multiplier * self.conv(self.convrelu(x))


class RAFT(nn.Module):
    """Optical flow from one image to another.

    Args:
        feature_encoder: maps both images to feature maps of an eighth of their resolution.
        context_encoder: maps the first image to the first state and the context, side by side.
        update_block: one update.
        hidden_size: channels of the state.
        mask_predictor: for the flow in full resolution; None to interpolate.
        num_levels: levels of the pyramid of correlations.
        radius: correlations are looked up at whole distances up to this, in both directions.
        correlation: "volume" computes the correlation of all pairs of pixels once; "on_demand" computes what is looked
            up at each update, which takes less memory and more time.
    """

    def __init__(
        self, feature_encoder: nn.Module, context_encoder: nn.Module, update_block: nn.Module, hidden_size: int,
        mask_predictor: nn.Module | None = None, *, num_levels: int = 4, radius: int = 4,
        correlation: Literal["volume", "on_demand"] = "volume",
    ):
        if correlation not in ("volume", "on_demand"):
            raise ValueError(f"correlation={correlation!r} must be 'volume' or 'on_demand'")
        self.feature_encoder, self.context_encoder = feature_encoder, context_encoder
        self.update_block, self.mask_predictor = update_block, mask_predictor
        self.hidden_size, self.num_levels, self.radius = hidden_size, num_levels, radius
        self.correlation = correlation

    def forward(
        self, image1: jax.Array, image2: jax.Array, num_flow_updates: int = UPDATES, *, last_only: bool = False
    ) -> jax.Array:
        """The flow after each update.

        Args:
            image1: [batch, height, width, 3], from -1 to 1; both sides are multiples of 8, and at least 128.
            image2: of the same shape.
            num_flow_updates: how many updates there are; an int, since a shape depends on it.
            last_only: whether only the flow after the last update is returned.

        Returns:
            [updates, batch, height, width, 2], or with `last_only` [batch, height, width, 2]: the way of each pixel of
            the first image, x before y, in pixels.

        Raises:
            ValueError: images of other sizes.
        """
        self._check(image1, image2)
        batch = len(image1)
        maps = self.feature_encoder(jnp.concatenate([image1, image2]))
        kind = Volume if self.correlation == "volume" else OnDemand
        pyramid = kind(maps[:batch], maps[batch:], self.num_levels, self.radius)
        encoded = self.context_encoder(image1)
        hidden, context = jnp.tanh(encoded[..., : self.hidden_size]), F.relu(encoded[..., self.hidden_size :])
        start = _coordinates(maps.shape[1:3], maps.dtype)[None]

        def update(carry: tuple[jax.Array, jax.Array], _: None) -> tuple[tuple[jax.Array, jax.Array], Any]:
            hidden, places = carry
            places = lax.stop_gradient(places)  # as in the paper: no gradient flows from one update to the one before
            hidden, change = self.update_block(hidden, context, pyramid.look_up(places), places - start)
            places = places + change
            return (hidden, places), None if last_only else self._enlarged(places - start, hidden)

        places = jnp.broadcast_to(start, (batch, *start.shape[1:]))
        (hidden, places), flows = lax.scan(update, (hidden, places), length=num_flow_updates)
        return self._enlarged(places - start, hidden) if last_only else flows

    def _check(self, image1: jax.Array, image2: jax.Array) -> None:
        if image1.shape != image2.shape or image1.ndim != 4:
            raise ValueError(
                f"RAFT takes two images [batch, height, width, channels]; got {image1.shape} and {image2.shape}"
            )
        smallest = 2**self.num_levels * FACTOR
        height, width = image1.shape[1:3]
        if height % FACTOR or width % FACTOR or min(height, width) < smallest:
            raise ValueError(
                f"RAFT takes images whose sides are multiples of {FACTOR} and at least {smallest} pixels; these are "
                f"{height} x {width}: resize or pad them"
            )

    def _enlarged(self, flow: jax.Array, hidden: jax.Array) -> jax.Array:
        """A coarse flow [batch, height, width, 2] in full resolution."""
        batch, height, width, _ = flow.shape
        size = height * FACTOR, width * FACTOR
        if self.mask_predictor is None:
            return FACTOR * F.interpolate(flow, size=size, mode="bilinear", align_corners=True)
        logits = self.mask_predictor(hidden).reshape(batch, height, width, 9, FACTOR, FACTOR)
        weights = F.softmax(logits, 3)
        padded = jnp.pad(FACTOR * flow, ((0, 0), (1, 1), (1, 1), (0, 0)))
        neighbours = jnp.stack(
            [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)], 3
        )
        return jnp.einsum("bhwkij,bhwkc->bhiwjc", weights, neighbours).reshape(batch, *size, 2)


def _coordinates(size: Sequence[int], dtype: Any) -> jax.Array:
    """The place (x, y) of each pixel, [height, width, 2]."""
    y, x = jnp.meshgrid(*(jnp.arange(length, dtype=dtype) for length in size), indexing="ij")
    return jnp.stack([x, y], -1)


def _raft(
    block: Callable[..., nn.Module], features: Sequence[int], context: Sequence[int], context_norm: Norm | None,
    corr_layers: Sequence[int], flow_layers: Sequence[int], motion_channels: int, hidden_size: int,
    kernels: Sequence[tuple[int, int]], head: int, masked: bool, radius: int, in_channels: int, options: dict[str, Any],
) -> RAFT:
    levels = options.setdefault("num_levels", 4)
    radius = options.setdefault("radius", radius)
    motion = MotionEncoder(levels * (2 * radius + 1) ** 2, corr_layers, flow_layers, motion_channels)
    recurrent = RecurrentBlock(motion_channels + context[-1] - hidden_size, hidden_size, kernels)
    parts: dict[str, Any] = {
        "feature_encoder": FeatureEncoder(block, features, nn.InstanceNorm2d, in_channels=in_channels),
        "context_encoder": FeatureEncoder(block, context, context_norm, in_channels=in_channels),
        "update_block": UpdateBlock(motion, recurrent, FlowHead(hidden_size, head)),
        "mask_predictor": MaskPredictor(hidden_size, 256) if masked else None,
    }
    return RAFT(hidden_size=hidden_size, **(parts | options))


@register(task="optical_flow", probed=("in_channels",))
def raft_large(*, in_channels: int = 3, **options: Any) -> RAFT:
    """RAFT.

    Args:
        in_channels: channels of an image.
        options: `num_levels`, `radius` and `correlation` of `RAFT`; and its `feature_encoder`, `context_encoder`,
            `update_block` and `mask_predictor`, in place of the usual ones.
    """
    layers = (64, 64, 96, 128, 256)
    return _raft(
        ResidualBlock, layers, layers, nn.BatchNorm2d, (256, 192), (128, 64), 128, 128, ((1, 5), (5, 1)), 256, True, 4,
        in_channels, options,
    )


@register(task="optical_flow", probed=("in_channels",))
def raft_small(*, in_channels: int = 3, **options: Any) -> RAFT:
    """The small RAFT, of bottlenecks; the arguments are those of `raft_large`."""
    return _raft(
        BottleneckBlock, (32, 32, 64, 96, 128), (32, 32, 64, 96, 160), None, (96,), (64, 32), 82, 96, ((3, 3),), 128,
        False, 3, in_channels, options,
    )
