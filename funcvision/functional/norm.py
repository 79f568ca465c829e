"""Normalisations of channels-last arrays. Statistics are computed in float32 at least."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._check import integer
from ._check import shape as checked_shape
from ._mesh import broadcast_to
from ._precision import at_least_float32

__all__ = [
    "batch_norm", "cross_map_lrn", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm",
]

Statistics = tuple[jax.Array, jax.Array]


def batch_norm(
    x: jax.Array, running_mean: jax.Array | None, running_var: jax.Array | None, weight: jax.Array | None = None,
    bias: jax.Array | None = None, train: bool = False, momentum: float | jax.Array = 0.1, eps: float = 1e-5,
) -> tuple[jax.Array, Statistics | None]:
    """Batch normalisation (Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167).

    Args:
        x: [..., channels]; statistics are taken over all axes but the last.
        running_mean: [channels], or None; without running statistics those of the batch are always used.
        running_var: [channels], or None.
        weight: [channels], a factor after normalising.
        bias: [channels], added after the factor.
        train: normalise with the mean and the biased variance of the batch, and update the running statistics.
            Otherwise normalise with the running statistics.
        momentum: the weight of the batch in the new running statistics, from 0 to 1. As in torch, the running variance
            is updated with the unbiased variance. An empty batch leaves them unchanged.
        eps: added to the variance; above 0 if statistics of the batch are used.

    Returns:
        The normalised array in the dtype of `x`, and the new running (mean, var). They are unchanged if `train` is
        false, and None if there are none.

    Raises:
        ValueError: the statistics of the batch are to be used and it has one value per channel, whose variance is 0,
            or `eps` is not positive.
        TypeError: `x` is not floating-point.
    """
    if not train and running_mean is not None and running_var is not None:
        return _by_channel(x, running_mean, running_var, weight, bias, eps), (running_mean, running_var)
    count = math.prod(x.shape[:-1])
    if count == 0:  # the mean of nothing would be NaN
        return x, None if running_mean is None or running_var is None else (running_mean, running_var)
    if isinstance(eps, int | float) and eps <= 0:
        raise ValueError(f"batch_norm takes an eps above 0 where it uses the statistics of the batch; it is {eps}")
    if count == 1:
        raise ValueError(f"batch_norm has no statistics of one value per channel, as an input of shape {x.shape} has")
    mean, var = _moments(x, tuple(range(x.ndim - 1)))
    y = _by_channel(x, mean, var, weight, bias, eps)
    if running_mean is None or running_var is None:
        return y, None
    new_mean = _moving_average(running_mean, mean, momentum)
    new_var = _moving_average(running_var, var * (count / max(count - 1, 1)), momentum)
    return y, (new_mean, new_var)


def layer_norm(
    x: jax.Array, normalized_shape: int | Sequence[int], weight: jax.Array | None = None, bias: jax.Array | None = None,
    eps: float = 1e-5,
) -> jax.Array:
    """Normalises over the last axes (Ba et al. 2016, https://arxiv.org/abs/1607.06450).

    Args:
        x: [..., *normalized_shape].
        normalized_shape: the shape of the last axes, or the size of the last axis.
        weight: a factor after normalising, of shape `normalized_shape`.
        bias: added after the factor, of shape `normalized_shape`.
        eps: added to the variance.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        ValueError: the shape of `x` does not end with `normalized_shape`.
        TypeError: `x` is not floating-point.
    """
    axes = _trailing_axes("layer_norm", x, normalized_shape)
    return _normalised(x, weight, bias, axes, eps)


def rms_norm(
    x: jax.Array, normalized_shape: int | Sequence[int], weight: jax.Array | None = None, eps: float | None = None
) -> jax.Array:
    """Divides by the root mean square over the last axes (Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467).

    Args:
        x: [..., *normalized_shape].
        normalized_shape: the shape of the last axes, or the size of the last axis.
        weight: a factor after normalising, of shape `normalized_shape`.
        eps: added to the mean square; by default the machine epsilon of the dtype of `x`, as in torch.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        ValueError: the shape of `x` does not end with `normalized_shape`.
        TypeError: `x` is not floating-point.
    """
    axes = _trailing_axes("rms_norm", x, normalized_shape)
    wide = at_least_float32(x)
    eps = float(jnp.finfo(x.dtype).eps) if eps is None else eps
    y = wide * lax.rsqrt(jnp.mean(jnp.square(wide), axes, keepdims=True) + eps)
    return _affine(y, weight, None).astype(x.dtype)


def group_norm(
    x: jax.Array, num_groups: int, weight: jax.Array | None = None, bias: jax.Array | None = None, eps: float = 1e-5
) -> jax.Array:
    """Normalises each group of channels of each sample (Wu and He 2018, https://arxiv.org/abs/1803.08494).

    Args:
        x: [batch, ..., channels].
        num_groups: a divisor of the number of channels, 1 or more.
        weight: [channels], a factor after normalising.
        bias: [channels], added after the factor.
        eps: added to the variance.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        ValueError: `x` has no batch axis, `num_groups` does not divide its channels, or a group has only one value and
            is the only one of its kind in the batch, as in torch.
        TypeError: `x` is not floating-point.
    """
    channels, num_groups = x.shape[-1], integer(num_groups, "group_norm: num_groups", 1)
    if x.ndim < 2 or channels % num_groups:
        raise ValueError(f"group_norm takes [batch, ..., channels], channels a multiple of {num_groups}; got {x.shape}")
    if x.size == num_groups:
        raise ValueError(f"group_norm needs two values or more in each of {num_groups} groups; got shape {x.shape}")
    grouped = x.reshape(*x.shape[:-1], num_groups, channels // num_groups)
    weight, bias = (None if v is None else v.reshape(grouped.shape[-2:]) for v in (weight, bias))
    return _normalised(grouped, weight, bias, (*range(1, x.ndim - 1), x.ndim), eps).reshape(x.shape)


def instance_norm(
    x: jax.Array, running_mean: jax.Array | None = None, running_var: jax.Array | None = None,
    weight: jax.Array | None = None, bias: jax.Array | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> tuple[jax.Array, Statistics | None]:
    """Normalises each channel of each sample (Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022).

    Args:
        x: [batch, *spatial, channels].
        running_mean: [channels], or None.
        running_var: [channels], or None.
        weight: [channels], a factor after normalising.
        bias: [channels], added after the factor.
        use_input_stats: normalise with the statistics of each sample, and update the running ones with their mean over
            the batch; an empty batch leaves them unchanged. Otherwise normalise with the running statistics.
        momentum: the weight of the batch in the new running statistics, from 0 to 1.
        eps: added to the variance. If it is 0, values that are all equal become 0.

    Returns:
        The normalised array in the dtype of `x`, and the new running (mean, var), or None if there are none.

    Raises:
        ValueError: samples have one spatial element only, or running statistics are to be used and missing.
        TypeError: `x` is not floating-point.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("instance_norm with use_input_stats=False needs running_mean and running_var")
        return _by_channel(x, running_mean, running_var, weight, bias, eps), (running_mean, running_var)
    spatial = tuple(range(1, x.ndim - 1))
    count = math.prod(x.shape[1:-1])
    if count == 1:
        raise ValueError(
            f"instance_norm needs two spatial elements or more in [batch, *spatial, channels]; got shape {x.shape}"
        )
    if x.size == 0:  # the mean of nothing would be NaN
        return x, None if running_mean is None or running_var is None else (running_mean, running_var)
    y = _normalised(x, weight, bias, spatial, eps or None)
    if running_mean is None or running_var is None:
        return y, None
    mean, var = _moments(x, spatial, keepdims=True)
    batch_mean = mean.mean((0, *spatial))
    batch_var = var.mean((0, *spatial)) * (count / (count - 1))
    return y, (_moving_average(running_mean, batch_mean, momentum), _moving_average(running_var, batch_var, momentum))


def local_response_norm(
    x: jax.Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> jax.Array:
    """`x / (k + alpha * m) ** beta`, with m the mean of squares over neighbouring channels (Krizhevsky et al. 2012).

    Args:
        x: [..., channels].
        size: the number of neighbouring channels, the channel itself included; 1 or more. Beyond the ends they count as
            zero.
        alpha: factor of the mean.
        beta: exponent.
        k: added to the mean.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        ValueError: `size` is below 1.
        TypeError: `size` is not an integer, or `x` is not floating-point.
    """
    size = integer(size, "local_response_norm: size", 1)
    wide = at_least_float32(x)
    energy = _neighbours(jnp.square(wide), size // 2, (size - 1) // 2)
    return (wide / (k + alpha / size * energy) ** beta).astype(x.dtype)


def cross_map_lrn(
    x: jax.Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> jax.Array:
    """`local_response_norm` as in torch's `CrossMapLRN2d`, which differs in two ways from it.

    For an even size, the neighbours are those of the next smaller odd size. And the first channel counts as a neighbour
    of all later ones. The gradient is the derivative of this; torch's backward pass computes something else.

    Args:
        x: [..., channels].
        size: the number of neighbouring channels; 1 or more.
        alpha: factor of the sum of squares, divided by `size`.
        beta: exponent.
        k: added to the mean.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        ValueError: `size` is below 1.
        TypeError: `size` is not an integer, or `x` is not floating-point.
    """
    size = integer(size, "cross_map_lrn: size", 1)
    wide, side = at_least_float32(x), (size - 1) // 2
    squares = jnp.square(wide)
    first = jnp.broadcast_to(squares[..., :1], squares.shape)
    beyond = jnp.broadcast_to(np.arange(x.shape[-1]) > side, squares.shape)
    energy = _neighbours(squares, side, side) + jnp.where(beyond, first, 0)
    return (wide / (k + alpha / size * energy) ** beta).astype(x.dtype)


def _neighbours(x: jax.Array, before: int, after: int) -> jax.Array:
    """The sum of each channel of [..., channels] and of its neighbours."""
    window = (1,) * (x.ndim - 1) + (before + 1 + after,)
    padding = ((0, 0),) * (x.ndim - 1) + ((before, after),)
    return lax.reduce_window(x, np.zeros((), x.dtype), lax.add, window, (1,) * x.ndim, padding)


def _moments(x: jax.Array, axes: tuple[int, ...], keepdims: bool = False) -> Statistics:
    """The mean and the biased variance over `axes`, in float32 at least."""
    mean, var = _mean_and_variance(at_least_float32(x), axes)
    return (mean, var) if keepdims else (mean.squeeze(axes), var.squeeze(axes))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _mean_and_variance(x: jax.Array, axes: tuple[int, ...]) -> Statistics:
    mean = x.mean(axes, keepdims=True)
    return mean, jnp.square(x - mean).mean(axes, keepdims=True)


@_mean_and_variance.defjvp
def _(axes: tuple[int, ...], primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[Statistics, Statistics]:
    """The derivative of the variance with respect to the mean is 0, because the deviations sum to zero.

    Leaving that term out saves a pass over the array.
    """
    (x,), (dx,) = primals, tangents
    mean, var = _mean_and_variance(x, axes)
    return (mean, var), (dx.mean(axes, keepdims=True), 2 * ((x - mean) * dx).mean(axes, keepdims=True))


def _by_channel(
    x: jax.Array, mean: jax.Array, var: jax.Array, weight: jax.Array | None, bias: jax.Array | None, eps: float
) -> jax.Array:
    """Normalises with statistics [channels], as `x * scale + shift` with one scale and one shift per channel.

    With `(x - mean) * scale` the gradient would read and write arrays of the size of x several times more.
    """
    wide = at_least_float32(x)
    if eps == 0:  # where the variance is 0, the product and the shift are infinite, and their sum would be NaN
        centred = wide - jnp.broadcast_to(mean.astype(wide.dtype), x.shape)
        y = centred * jnp.broadcast_to(lax.rsqrt(var.astype(wide.dtype)), x.shape)
        return _affine(y, weight, bias).astype(x.dtype)
    scale = lax.rsqrt(var.astype(wide.dtype) + eps)
    scale = scale if weight is None else scale * weight.astype(wide.dtype)
    shift = -mean.astype(wide.dtype) * scale
    shift = shift if bias is None else shift + bias.astype(wide.dtype)
    return (wide * broadcast_to(scale, x.shape, x) + broadcast_to(shift, x.shape, x)).astype(x.dtype)


@functools.partial(jax.jit, static_argnums=(3, 4))
@functools.partial(jax.checkpoint, static_argnums=(3, 4))
def _normalised(
    x: jax.Array, weight: jax.Array | None, bias: jax.Array | None, axes: tuple[int, ...], eps: float | None
) -> jax.Array:
    """Normalises with the statistics of x over `axes`. For the gradient only x is stored, and the rest is recomputed.

    Otherwise the normalised x would be stored as well, for the gradient with respect to the weight.
    """
    return _affine(_standardised(at_least_float32(x), axes, eps), weight, bias).astype(x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _standardised(x: jax.Array, axes: tuple[int, ...], eps: float | None) -> jax.Array:
    mean, var = _moments(x, axes, keepdims=True)
    return (x - mean) * _inverse_deviation(var, eps)


@_standardised.defjvp
def _(
    axes: tuple[int, ...], eps: float | None, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Removes from the tangent its components along a constant vector and along y, then scales it.

    This linear map is symmetric, so that the gradient is computed by the same formula.
    """
    (x,), (dx,) = primals, tangents
    mean, var = _moments(x, axes, keepdims=True)
    scale = _inverse_deviation(var, eps)
    y = (x - mean) * scale
    return y, (dx - dx.mean(axes, keepdims=True) - y * (y * dx).mean(axes, keepdims=True)) * scale


def _inverse_deviation(var: jax.Array, eps: float | None) -> jax.Array:
    """`1 / sqrt(var + eps)`. If `eps` is None, nothing is added and a variance of 0 gives 0."""
    if eps is not None:
        return lax.rsqrt(var + eps)
    zero = var == 0
    return jnp.where(zero, 0, lax.rsqrt(jnp.where(zero, 1, var)))


def _affine(y: jax.Array, weight: jax.Array | None, bias: jax.Array | None) -> jax.Array:
    if weight is not None:
        y = y * jnp.broadcast_to(weight.astype(y.dtype), (1,) * (y.ndim - weight.ndim) + weight.shape)
    if bias is not None:
        y = y + jnp.broadcast_to(bias.astype(y.dtype), (1,) * (y.ndim - bias.ndim) + bias.shape)
    return y


def _moving_average(old: jax.Array, new: jax.Array, momentum: float | jax.Array) -> jax.Array:
    return ((1 - momentum) * old.astype(new.dtype) + momentum * new).astype(old.dtype)


def _trailing_axes(function: str, x: jax.Array, shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = checked_shape(shape, f"{function}: normalized_shape")
    if x.shape[x.ndim - len(shape) :] != shape:
        raise ValueError(f"{function} over {shape} needs an input whose shape ends with it; got {x.shape}")
    return tuple(range(x.ndim - len(shape), x.ndim))
