"""Normalisation layers for channels-last arrays."""

from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp

from .. import functional as F
from ..functional._check import integer, shape
from ..functional._precision import accumulation_dtype
from ..functional.norm import cross_map_lrn
from . import init
from .init import Initializer
from .module import Buffer, Module, Param

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "CrossMapLRN2d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "LocalResponseNorm", "RMSNorm", "SyncBatchNorm",
]


class _Tracked(Module):
    """An optional learned affine map and optional running statistics for each channel."""

    axes: ClassVar[tuple[int, ...]]

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool,
        weight_init: Initializer = init.ones, bias_init: Initializer = init.zeros,
    ):
        num_features = integer(num_features, f"{type(self).__name__}: num_features", 0)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Param((num_features,), weight_init) if affine else None
        self.bias = Param((num_features,), bias_init) if affine else None
        self.running_mean = Buffer((num_features,), init.zeros) if track_running_stats else None
        self.running_var = Buffer((num_features,), init.ones) if track_running_stats else None
        self.num_batches_tracked = Buffer((), init.zeros, dtype=jnp.int32) if track_running_stats else None

    def _check(self, x: jax.Array) -> None:
        if x.ndim not in self.axes or x.shape[-1] != self.num_features:
            axes = " or ".join(map(str, self.axes))
            raise ValueError(
                f"{type(self).__name__} takes channels-last arrays of {axes} axes with {self.num_features} channels; "
                f"got shape {x.shape}"
            )


class _BatchNorm(_Tracked):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, *, weight_init: Initializer = init.ones, bias_init: Initializer = init.zeros,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, weight_init, bias_init)

    def forward(self, x: jax.Array) -> jax.Array:
        """Normalises. In training it updates the running statistics, with weight 1/n at batch n if momentum is None."""
        self._check(x)
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked = self.num_batches_tracked + 1
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.astype(accumulation_dtype(x.dtype))
        y, statistics = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training,
            0.0 if momentum is None else momentum, self.eps,
        )
        if self.training and statistics is not None:
            self.running_mean, self.running_var = statistics
        return y


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of [batch, channels] or [batch, length, channels]."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images [batch, height, width, channels]; see `functional.batch_norm`.

    Under a sharded `jit` the statistics are those of the whole batch, on all devices.
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of [batch, depth, height, width, channels]."""

    axes = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over all devices, of any number of axes.

    It computes the same as the other batch norms: in a sharded `jit`, their means over the batch are over all devices.
    """

    axes = (2, 3, 4, 5)


class _InstanceNorm(_Tracked):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, x: jax.Array) -> jax.Array:
        """Normalises each channel of each sample. In evaluation it uses the running statistics if they are tracked."""
        self._check(x)
        tracked = self.running_mean is not None
        y, statistics = F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            use_input_stats=not tracked or self.training, momentum=self.momentum or 0.0, eps=self.eps,
        )
        if tracked and self.training and statistics is not None:
            self.running_mean, self.running_var = statistics  # like torch, it does not count batches
        return y


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of [batch, length, channels]."""

    axes = (3,)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images [batch, height, width, channels]."""

    axes = (4,)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of [batch, depth, height, width, channels]."""

    axes = (5,)


class LayerNorm(Module):
    """Normalises over the last axes, whose shape is `normalized_shape`."""

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
        bias: bool = True,
    ):
        self.normalized_shape = shape(normalized_shape, f"{type(self).__name__}: normalized_shape")
        self.eps = eps
        self.weight = Param(self.normalized_shape, init.ones) if elementwise_affine else None
        self.bias = Param(self.normalized_shape, init.zeros) if elementwise_affine and bias else None

    def forward(self, x: jax.Array) -> jax.Array:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """Divides by the root mean square over the last axes, whose shape is `normalized_shape`."""

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True
    ):
        self.normalized_shape = shape(normalized_shape, f"{type(self).__name__}: normalized_shape")
        self.eps = eps
        self.weight = Param(self.normalized_shape, init.ones) if elementwise_affine else None

    def forward(self, x: jax.Array) -> jax.Array:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)


class GroupNorm(Module):
    """Normalises each of `num_groups` groups of channels of each sample."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True):
        num_groups = integer(num_groups, "GroupNorm: num_groups", 1)
        num_channels = integer(num_channels, "GroupNorm: num_channels", 0)
        if num_channels % num_groups:
            raise ValueError(f"num_groups={num_groups} must divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Param((num_channels,), init.ones) if affine else None
        self.bias = Param((num_channels,), init.zeros) if affine else None

    def forward(self, x: jax.Array) -> jax.Array:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class LocalResponseNorm(Module):
    """The normalisation of AlexNet across neighbouring channels; see `functional.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: jax.Array) -> jax.Array:
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(Module):
    """`LocalResponseNorm` of images [batch, height, width, channels] as Lua Torch has it; see torch's layer.

    As there, the neighbours of an even `size` are those of the next smaller odd one, and the first channel counts as a
    neighbour of all later ones. The gradient is the derivative of this; torch's backward pass computes something else.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: jax.Array) -> jax.Array:
        if x.ndim != 4:
            raise ValueError(f"CrossMapLRN2d takes [batch, height, width, channels] and got shape {x.shape}")
        return cross_map_lrn(x, self.size, self.alpha, self.beta, self.k)
