"""Feature pyramid networks (Lin et al. 2016, https://arxiv.org/abs/1612.03144)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from ... import functional as F
from ... import nn
from ...nn import init
from .blocks import Conv2dNormActivation

__all__ = ["ExtraFPNBlock", "FeaturePyramidNetwork", "LastLevelMaxPool", "LastLevelP6P7"]

WEIGHT = init.kaiming_uniform(a=1)


class ExtraFPNBlock(nn.Module):
    """Adds coarser levels to a pyramid. Subclasses define `forward(results, x, names)`."""

    def forward(
        self, results: list[jax.Array], x: list[jax.Array], names: list[str]
    ) -> tuple[list[jax.Array], list[str]]:
        """Extends the levels of a pyramid.

        Args:
            results: levels of the pyramid, finest first.
            x: the feature maps it was computed from.
            names: of the levels.

        Returns:
            (levels, names), longer.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")


class FeaturePyramidNetwork(nn.Module):
    """Adds to each feature map what the coarser ones have found.

    Args:
        in_channels_list: channels of each feature map, finest first.
        out_channels: of every level of the pyramid.
        extra_blocks: makes coarser levels after the last.
        norm_layer: called with a number of channels; None for biases instead of norms.

    >>> model = FeaturePyramidNetwork([8, 16], 4)
    >>> params, state = model.init(jax.random.key(0))
    >>> maps = jax.numpy.ones((1, 6, 6, 8)), jax.numpy.ones((1, 3, 3, 16))
    >>> [level.shape for level in model.apply(params, state, maps)[0]]
    [(1, 6, 6, 4), (1, 3, 3, 4)]
    """

    def __init__(
        self, in_channels_list: Sequence[int], out_channels: int, extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        if 0 in in_channels_list:
            raise ValueError(f"FeaturePyramidNetwork: a feature map needs channels; got {list(in_channels_list)}")
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(f"extra_blocks is an ExtraFPNBlock; got {extra_blocks!r}")
        inner = [
            Conv2dNormActivation(channels, out_channels, 1, padding=0, norm_layer=norm_layer, activation_layer=None)
            for channels in in_channels_list
        ]
        layer = [
            Conv2dNormActivation(out_channels, out_channels, 3, norm_layer=norm_layer, activation_layer=None)
            for _ in in_channels_list
        ]
        self.inner_blocks = nn.ModuleList([block.with_init(_initialisers) for block in inner])
        self.layer_blocks = nn.ModuleList([block.with_init(_initialisers) for block in layer])
        self.extra_blocks = extra_blocks

    def forward(self, x: Mapping[str, jax.Array] | Sequence[jax.Array]) -> Any:
        """Feature maps [batch, height, width, channels] to levels of the same sizes.

        Args:
            x: finest first; a mapping by name, or a tuple. Under `jit` a dict that is an argument is sorted by name:
                pass a tuple.

        Returns:
            A dict by name where `x` is a mapping, else a tuple.
        """
        names = list(x) if isinstance(x, Mapping) else [str(i) for i in range(len(x))]
        maps = list(x.values()) if isinstance(x, Mapping) else list(x)
        if len(maps) != len(self.inner_blocks):
            raise ValueError(f"FeaturePyramidNetwork takes {len(self.inner_blocks)} feature maps and got {len(maps)}")
        inner = self.inner_blocks[-1](maps[-1])
        results = [self.layer_blocks[-1](inner)]
        for i in range(len(maps) - 2, -1, -1):
            lateral = self.inner_blocks[i](maps[i])
            inner = lateral + F.interpolate(inner, size=lateral.shape[1:3], mode="nearest")
            results.insert(0, self.layer_blocks[i](inner))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return dict(zip(names, results, strict=True)) if isinstance(x, Mapping) else tuple(results)


class LastLevelMaxPool(ExtraFPNBlock):
    """Adds every other pixel of the last level as a level, "pool"."""

    def forward(
        self, results: list[jax.Array], x: list[jax.Array], names: list[str]
    ) -> tuple[list[jax.Array], list[str]]:
        return [*results, results[-1][:, ::2, ::2]], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Adds two levels, "p6" and "p7", by convolutions of stride 2: RetinaNet's.

    Args:
        in_channels: of what "p6" is computed from: the last level where they equal `out_channels`, else the last
            feature map.
        out_channels: of both levels.
    """

    def __init__(self, in_channels: int, out_channels: int):
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1, weight_init=WEIGHT, bias_init=init.zeros)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1, weight_init=WEIGHT, bias_init=init.zeros)
        self.use_P5 = in_channels == out_channels

    def forward(
        self, results: list[jax.Array], x: list[jax.Array], names: list[str]
    ) -> tuple[list[jax.Array], list[str]]:
        p6 = self.p6(results[-1] if self.use_P5 else x[-1])
        return [*results, p6, self.p7(F.relu(p6))], [*names, "p6", "p7"]


def _initialisers(module: nn.Module) -> dict[str, init.Initializer]:
    return {"weight": WEIGHT, "bias": init.zeros} if isinstance(module, nn.Conv2d) else {}
