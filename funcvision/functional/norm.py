"""Normalisations over channels-last arrays. Statistics are computed in float32 at least."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._precision import at_least_float32

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]

Statistics = tuple[jax.Array, jax.Array]


def batch_norm(
    x: jax.Array, running_mean: jax.Array | None, running_var: jax.Array | None, weight: jax.Array | None = None,
    bias: jax.Array | None = None, train: bool = False, momentum: float | jax.Array = 0.1, eps: float = 1e-5,
) -> tuple[jax.Array, Statistics | None]:
    """Batch normalisation (Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167).

    Args:
        x: [..., channels]; every axis but the last is averaged over.
        running_mean: [channels], or None for none, in which case the batch's own statistics are always used.
        running_var: likewise.
        weight: [channels] factor after normalising.
        bias: [channels] added after it.
        train: normalise with the batch's mean and (biased) variance, else with the running ones.
        momentum: the share of the batch in the new running statistics; its variance enters unbiased, as in torch.
        eps: added to the variance.

    Returns:
        The normalised array in the dtype of `x`, and the new (mean, var); unchanged where `train` is not set.

    Raises:
        ValueError: training on one value per channel, whose variance says nothing.
    """
    if not train and running_mean is not None and running_var is not None:
        return _by_channel(x, running_mean, running_var, weight, bias, eps), (running_mean, running_var)
    count = math.prod(x.shape[:-1])
    if count == 1 and train:
        raise ValueError(f"batch_norm cannot train on one value per channel, which an input of shape {x.shape} has")
    mean, var = _moments(x, tuple(range(x.ndim - 1)))
    y = _by_channel(x, mean, var, weight, bias, eps)
    if running_mean is None or running_var is None:
        return y, None
    new_mean = _moved(running_mean, mean, momentum)
    new_var = _moved(running_var, var * (count / max(count - 1, 1)), momentum)
    return y, (new_mean, new_var)


def layer_norm(
    x: jax.Array, normalized_shape: int | Sequence[int], weight: jax.Array | None = None, bias: jax.Array | None = None,
    eps: float = 1e-5,
) -> jax.Array:
    """Normalises over the last axes, whose shape is `normalized_shape` (Ba et al. 2016, https://arxiv.org/abs/1607.06450)."""
    axes = _trailing_axes("layer_norm", x, normalized_shape)
    return _normalised(x, weight, bias, axes, eps)


def rms_norm(
    x: jax.Array, normalized_shape: int | Sequence[int], weight: jax.Array | None = None, eps: float | None = None
) -> jax.Array:
    """Divides by the root mean square over the last axes (Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467).

    `eps` defaults to the machine epsilon of the input's dtype, as in torch.
    """
    axes = _trailing_axes("rms_norm", x, normalized_shape)
    wide = at_least_float32(x)
    eps = float(jnp.finfo(x.dtype).eps) if eps is None else eps
    y = wide * lax.rsqrt(jnp.mean(jnp.square(wide), axes, keepdims=True) + eps)
    return _affine(y, weight, None).astype(x.dtype)


def group_norm(
    x: jax.Array, num_groups: int, weight: jax.Array | None = None, bias: jax.Array | None = None, eps: float = 1e-5
) -> jax.Array:
    """Normalises each sample's groups of channels (Wu and He 2018, https://arxiv.org/abs/1803.08494).

    Args:
        x: [batch, ..., channels].
        num_groups: a divisor of the number of channels.
        weight: [channels].
        bias: [channels].
        eps: added to the variance.
    """
    channels = x.shape[-1]
    if x.ndim < 2 or channels % num_groups:
        raise ValueError(f"group_norm takes [batch, ..., channels], channels a multiple of {num_groups}; got {x.shape}")
    grouped = x.reshape(*x.shape[:-1], num_groups, channels // num_groups)
    weight, bias = (None if v is None else v.reshape(grouped.shape[-2:]) for v in (weight, bias))
    return _normalised(grouped, weight, bias, (*range(1, x.ndim - 1), x.ndim), eps).reshape(x.shape)


def instance_norm(
    x: jax.Array, running_mean: jax.Array | None = None, running_var: jax.Array | None = None,
    weight: jax.Array | None = None, bias: jax.Array | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> tuple[jax.Array, Statistics | None]:
    """Normalises each channel of each sample by itself (Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022).

    `x` is [batch, *spatial, channels]. Running statistics, where given, follow the mean over the batch of the samples'
    own; they come back as the second result, and are used in place of the samples' unless `use_input_stats`.

    Raises:
        ValueError: one spatial element, or no running statistics where they should be used.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("instance_norm with use_input_stats=False needs running_mean and running_var")
        return _by_channel(x, running_mean, running_var, weight, bias, eps), (running_mean, running_var)
    spatial = tuple(range(1, x.ndim - 1))
    count = math.prod(x.shape[1:-1])
    if count <= 1:
        raise ValueError(f"instance_norm needs over one spatial element in [batch, *spatial, channels]; got {x.shape}")
    y = _normalised(x, weight, bias, spatial, eps)
    if running_mean is None or running_var is None:
        return y, None
    mean, var = _moments(x, spatial, keepdims=True)
    batch_mean = mean.mean((0, *spatial))
    batch_var = var.mean((0, *spatial)) * (count / (count - 1))
    return y, (_moved(running_mean, batch_mean, momentum), _moved(running_var, batch_var, momentum))


def local_response_norm(
    x: jax.Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> jax.Array:
    """Divides each channel by a power of the energy of its `size` neighbours (Krizhevsky et al. 2012, AlexNet).

    `x` is [..., channels]; `y = x / (k + alpha * mean of squares over the neighbours) ** beta`, zeros beyond the ends.
    """
    squares = jnp.square(at_least_float32(x))
    window = (1,) * (x.ndim - 1) + (size,)
    padding = ((0, 0),) * (x.ndim - 1) + ((size // 2, (size - 1) // 2),)
    energy = lax.reduce_window(squares, np.zeros((), squares.dtype), lax.add, window, (1,) * x.ndim, padding)
    return (at_least_float32(x) / (k + alpha / size * energy) ** beta).astype(x.dtype)


def _moments(x: jax.Array, axes: tuple[int, ...], keepdims: bool = False) -> Statistics:
    """Mean and biased variance in float32 at least."""
    mean, var = _mean_and_variance(at_least_float32(x), axes)
    return (mean, var) if keepdims else (mean.squeeze(axes), var.squeeze(axes))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _mean_and_variance(x: jax.Array, axes: tuple[int, ...]) -> Statistics:
    mean = x.mean(axes, keepdims=True)
    return mean, jnp.square(x - mean).mean(axes, keepdims=True)


@_mean_and_variance.defjvp
def _(axes: tuple[int, ...], primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[Statistics, Statistics]:
    """The variance does not move with the mean, for the deviations sum to zero: that saves a pass over the array."""
    (x,), (dx,) = primals, tangents
    mean, var = _mean_and_variance(x, axes)
    return (mean, var), (dx.mean(axes, keepdims=True), 2 * ((x - mean) * dx).mean(axes, keepdims=True))


def _by_channel(
    x: jax.Array, mean: jax.Array, var: jax.Array, weight: jax.Array | None, bias: jax.Array | None, eps: float
) -> jax.Array:
    """Normalises with statistics [channels]: one factor and one summand a channel, so that x enters but once.

    Written with `x - mean`, the gradient reads and writes the array several times more.
    """
    wide = at_least_float32(x)
    scale = lax.rsqrt(var.astype(wide.dtype) + eps)
    scale = scale if weight is None else scale * weight.astype(wide.dtype)
    shift = -mean.astype(wide.dtype) * scale
    shift = shift if bias is None else shift + bias.astype(wide.dtype)
    return (wide * jnp.broadcast_to(scale, x.shape) + jnp.broadcast_to(shift, x.shape)).astype(x.dtype)


@functools.partial(jax.jit, static_argnums=(3, 4))
@functools.partial(jax.checkpoint, static_argnums=(3, 4))
def _normalised(
    x: jax.Array, weight: jax.Array | None, bias: jax.Array | None, axes: tuple[int, ...], eps: float
) -> jax.Array:
    """With the statistics of x itself over `axes`. The gradient keeps x alone and makes the rest again.

    That is one array less to write and read than with the normalised x, for whose sake the weight's gradient keeps it.
    """
    return _affine(_standardised(at_least_float32(x), axes, eps), weight, bias).astype(x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _standardised(x: jax.Array, axes: tuple[int, ...], eps: float) -> jax.Array:
    mean, var = _moments(x, axes, keepdims=True)
    return (x - mean) * lax.rsqrt(var + eps)


@_standardised.defjvp
def _(
    axes: tuple[int, ...], eps: float, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """The tangent without its parts along the ones and along y: the operation is its own transpose."""
    (x,), (dx,) = primals, tangents
    mean, var = _moments(x, axes, keepdims=True)
    scale = lax.rsqrt(var + eps)
    y = (x - mean) * scale
    return y, (dx - dx.mean(axes, keepdims=True) - y * (y * dx).mean(axes, keepdims=True)) * scale


def _affine(y: jax.Array, weight: jax.Array | None, bias: jax.Array | None) -> jax.Array:
    if weight is not None:
        y = y * jnp.broadcast_to(weight.astype(y.dtype), (1,) * (y.ndim - weight.ndim) + weight.shape)
    if bias is not None:
        y = y + jnp.broadcast_to(bias.astype(y.dtype), (1,) * (y.ndim - bias.ndim) + bias.shape)
    return y


def _moved(old: jax.Array, new: jax.Array, momentum: float | jax.Array) -> jax.Array:
    return ((1 - momentum) * old.astype(new.dtype) + momentum * new).astype(old.dtype)


def _trailing_axes(function: str, x: jax.Array, shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if x.shape[x.ndim - len(shape) :] != shape:
        raise ValueError(f"{function} over {shape} needs an input whose shape ends so; it is {x.shape}")
    return tuple(range(x.ndim - len(shape), x.ndim))
