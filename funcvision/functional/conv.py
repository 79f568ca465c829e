"""Convolutions of channels-last arrays, with torch's options."""

import math

import jax

from ._check import Padding, Size, channels_last, padding_pairs, per_axis
from ._conv import convolve, convolve_transposed
from ._mesh import broadcast_to

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def conv1d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1,
) -> jax.Array:
    """Convolution over one axis: `x` is [..., length, in], `weight` [k, in/groups, out]. Otherwise like `conv2d`."""
    return _conv(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1,
) -> jax.Array:
    """Convolution over two axes, without flipping the kernel (a cross-correlation); equal to torch's.

    Args:
        x: images [..., height, width, in], with any number of leading axes.
        weight: [kh, kw, in/groups, out], cast to the dtype of `x`.
        bias: [out], cast to the dtype of `x`.
        stride: pixels from one window to the next; one number, or one per axis.
        padding: zeros at both ends of an axis: one number, one per axis, or a (before, after) pair per axis; "valid"
            for none; or "same" for an output of the input's size (stride 1 only; of an odd number of zeros, the extra
            one is added after, as in torch).
        dilation: pixels from one element of the kernel to the next; one number, or one per axis.
        groups: the number of groups. Channels are split in this many parts, and each part of the output depends on
            the corresponding part of the input only.

    Returns:
        [..., height', width', out] in the dtype of `x`, where
        height' = (height + padding before + padding after - dilation * (kh - 1) - 1) // stride + 1.

    Raises:
        ValueError: shapes or options do not fit together, or the channels of `x` come first.

    >>> import jax.numpy as jnp
    >>> conv2d(jnp.ones((8, 32, 32, 3)), jnp.ones((3, 3, 3, 16)), padding=1, stride=2).shape
    (8, 16, 16, 16)
    """
    return _conv(2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1,
) -> jax.Array:
    """Convolution over three axes: `x` is [..., depth, height, width, in], `weight` [kd, kh, kw, in/groups, out].

    Otherwise like `conv2d`.
    """
    return _conv(3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Size = 0,
    output_padding: Size = 0, groups: int = 1, dilation: Size = 1,
) -> jax.Array:
    """Transposed convolution over one axis: `weight` is [k, in, out/groups]. Otherwise like `conv_transpose2d`."""
    return _conv_transpose(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Size = 0,
    output_padding: Size = 0, groups: int = 1, dilation: Size = 1,
) -> jax.Array:
    """Transposed convolution: the gradient of `conv2d` with respect to its input, equal to torch's.

    Args:
        x: [..., height, width, in], with any number of leading axes.
        weight: [kh, kw, in, out/groups], cast to the dtype of `x`.
        bias: [out], cast to the dtype of `x`.
        stride: output pixels from one input pixel to the next; one number, or one per axis, as for all options.
        padding: pixels to remove at both ends of each axis of the output.
        output_padding: pixels to add at the far end of each axis of the output; less than stride or dilation.
        groups: as in `conv2d`.
        dilation: as in `conv2d`.

    Returns:
        [..., height', width', out] in the dtype of `x`, where
        height' = (height - 1) * stride - 2 * padding + dilation * (kh - 1) + output_padding + 1.

    Raises:
        ValueError: shapes or options do not fit together, or the channels of `x` come first.
    """
    return _conv_transpose(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Size = 0,
    output_padding: Size = 0, groups: int = 1, dilation: Size = 1,
) -> jax.Array:
    """Transposed convolution over three axes: `weight` is [kd, kh, kw, in, out/groups].

    Otherwise like `conv_transpose2d`.
    """
    return _conv_transpose(3, x, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv(
    axes: int, x: jax.Array, weight: jax.Array, bias: jax.Array | None, stride: Size, padding: Padding,
    dilation: Size, groups: int,
) -> jax.Array:
    name = f"conv{axes}d"
    _check_weight(name, axes, weight, bias, weight.shape[-1])
    channels_last(x, axes, weight.shape[-2] * groups, name)
    if weight.shape[-1] % groups:
        raise ValueError(f"{name} cannot split {weight.shape[-1]} output channels in groups={groups}")
    strides, dilations = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    pads = padding_pairs(name, padding, weight.shape[:axes], strides, dilations)
    for size, k, d, (low, high) in zip(x.shape[-axes - 1 :], weight.shape, dilations, pads, strict=False):
        if size + low + high < d * (k - 1) + 1:
            raise ValueError(f"{name}: kernel {weight.shape[:axes]} is larger than the padded image of shape {x.shape}")
    y = convolve(_one_batch_axis(x, axes), weight.astype(x.dtype), strides, pads, dilations, groups)
    return _finish(y, x, axes, bias)


def _conv_transpose(
    axes: int, x: jax.Array, weight: jax.Array, bias: jax.Array | None, stride: Size, padding: Size,
    output_padding: Size, groups: int, dilation: Size,
) -> jax.Array:
    name = f"conv_transpose{axes}d"
    _check_weight(name, axes, weight, bias, weight.shape[-1] * groups)
    channels_last(x, axes, weight.shape[-2], name)
    if weight.shape[-2] % groups:
        raise ValueError(f"{name} cannot split {weight.shape[-2]} input channels in groups={groups}")
    strides, dilations = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    pads, extra = per_axis(padding, axes, "padding"), per_axis(output_padding, axes, "output_padding")
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise ValueError(f"{name}: output_padding={extra} must be below stride={strides} or dilation={dilations}")
    y = convolve_transposed(_one_batch_axis(x, axes), weight.astype(x.dtype), strides, pads, extra, dilations, groups)
    return _finish(y, x, axes, bias)


def _check_weight(name: str, axes: int, weight: jax.Array, bias: jax.Array | None, out: int) -> None:
    if weight.ndim != axes + 2:
        raise ValueError(f"{name} takes a kernel of {axes + 2} axes, [*kernel, in, out], and got {weight.shape}")
    if bias is not None and bias.shape != (out,):
        raise ValueError(f"{name} takes a bias of shape ({out},) for {out} output channels and got {bias.shape}")


def _one_batch_axis(x: jax.Array, axes: int) -> jax.Array:
    return x.reshape(math.prod(x.shape[: -axes - 1]), *x.shape[-axes - 1 :])


def _finish(y: jax.Array, x: jax.Array, axes: int, bias: jax.Array | None) -> jax.Array:
    """Adds the bias and restores the leading axes of the input."""
    if bias is not None:
        y = y + broadcast_to(bias.astype(y.dtype), y.shape, y)
    return y.reshape(*x.shape[: -axes - 1], *y.shape[1:])
