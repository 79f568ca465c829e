"""Convolutions of channels-last arrays, with torch's options."""

import math
from collections.abc import Sequence

import jax

from ._check import Padding, Size, channels_last, integer, integers, padding_pairs, shape
from ._conv import convolve, convolve_transposed
from ._mesh import broadcast_to
from ._precision import weight_for

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]


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
        stride: pixels from one window to the next, 1 or more; one integer, or one per axis.
        padding: zeros at both ends of an axis, 0 or more: one integer, one per axis, or a (before, after) pair per
            axis; "valid" for none; or "same" for an output of the input's size (stride 1 only; of an odd number of
            zeros, the extra one is added after, as in torch).
        dilation: pixels from one element of the kernel to the next, 1 or more; one integer, or one per axis.
        groups: the number of groups, 1 or more. Channels are split in this many parts, and each part of the output
            depends on the corresponding part of the input only.

    Returns:
        [..., height', width', out] in the dtype of `x`, where
        height' = (height + padding before + padding after - dilation * (kh - 1) - 1) // stride + 1.

    Raises:
        ValueError: shapes or options do not fit together, an option is out of its range, or the channels of `x` come
            first.
        TypeError: an option is not an integer. All integer types are taken, and no booleans.

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


def conv_tbc(x: jax.Array, weight: jax.Array, bias: jax.Array, pad: int = 0) -> jax.Array:
    """Convolution over time: `x` is [time, batch, in], `weight` [k, in, out]. `pad` zeros are added at both ends."""
    if x.ndim != 3:
        raise ValueError(f"conv_tbc takes [time, batch, channels] and got an array of shape {x.shape}")
    return conv1d(x.swapaxes(0, 1), weight, bias, padding=pad).swapaxes(0, 1)


def conv_transpose1d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Size = 0,
    output_padding: Size = 0, groups: int = 1, dilation: Size = 1, *, output_size: Size | None = None,
) -> jax.Array:
    """Transposed convolution over one axis: `weight` is [k, in, out/groups]. Otherwise like `conv_transpose2d`."""
    return _conv_transpose(1, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size)


def conv_transpose2d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Size = 0,
    output_padding: Size = 0, groups: int = 1, dilation: Size = 1, *, output_size: Size | None = None,
) -> jax.Array:
    """Transposed convolution: the gradient of `conv2d` with respect to its input, equal to torch's.

    Args:
        x: [..., height, width, in], with any number of leading axes.
        weight: [kh, kw, in, out/groups], cast to the dtype of `x`.
        bias: [out], cast to the dtype of `x`.
        stride: output pixels from one input pixel to the next, 1 or more; one integer, or one per axis, as for all
            options.
        padding: pixels to remove at both ends of each axis of the output, 0 or more.
        output_padding: pixels to add at the far end of each axis of the output, from 0 to below the larger of stride
            and dilation.
        groups: as in `conv2d`.
        dilation: as in `conv2d`.
        output_size: the size of the output, in place of `output_padding`: one integer per spatial axis, or the whole
            shape of the output. From what an `output_padding` of 0 gives, it can be larger by up to stride - 1.

    Returns:
        [..., height', width', out] in the dtype of `x`, where
        height' = (height - 1) * stride - 2 * padding + dilation * (kh - 1) + output_padding + 1.

    Raises:
        ValueError: as for `conv2d`, or an axis of the output would have no pixel.
        TypeError: as for `conv2d`.
    """
    return _conv_transpose(2, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size)


def conv_transpose3d(
    x: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Size = 1, padding: Size = 0,
    output_padding: Size = 0, groups: int = 1, dilation: Size = 1, *, output_size: Size | None = None,
) -> jax.Array:
    """Transposed convolution over three axes: `weight` is [kd, kh, kw, in, out/groups].

    Otherwise like `conv_transpose2d`.
    """
    return _conv_transpose(3, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size)


def _conv(
    axes: int, x: jax.Array, weight: jax.Array, bias: jax.Array | None, stride: Size, padding: Padding,
    dilation: Size, groups: int,
) -> jax.Array:
    name = f"conv{axes}d"
    groups = integer(groups, f"{name}: groups", 1)
    _check_weight(name, axes, weight, bias, weight.shape[-1])
    channels_last(x, axes, weight.shape[-2] * groups, name)
    if weight.shape[-1] % groups:
        raise ValueError(f"{name} cannot split {weight.shape[-1]} output channels in groups={groups}")
    strides, dilations = integers(stride, axes, f"{name}: stride", 1), integers(dilation, axes, f"{name}: dilation", 1)
    pads = padding_pairs(name, padding, weight.shape[:axes], strides, dilations)
    for size, k, d, (low, high) in zip(x.shape[-axes - 1 :], weight.shape, dilations, pads, strict=False):
        if size + low + high < d * (k - 1) + 1:
            raise ValueError(f"{name}: kernel {weight.shape[:axes]} is larger than the padded image of shape {x.shape}")
    y = convolve(_one_batch_axis(x, axes), weight_for(x, weight), strides, pads, dilations, groups)
    return _finish(y, x, axes, bias)


def _conv_transpose(
    axes: int, x: jax.Array, weight: jax.Array, bias: jax.Array | None, stride: Size, padding: Size,
    output_padding: Size, groups: int, dilation: Size, output_size: Size | None,
) -> jax.Array:
    name = f"conv_transpose{axes}d"
    groups = integer(groups, f"{name}: groups", 1)
    _check_weight(name, axes, weight, bias, weight.shape[-1] * groups)
    channels_last(x, axes, weight.shape[-2], name)
    if weight.shape[-2] % groups:
        raise ValueError(f"{name} cannot split {weight.shape[-2]} input channels in groups={groups}")
    strides, dilations = integers(stride, axes, f"{name}: stride", 1), integers(dilation, axes, f"{name}: dilation", 1)
    pads = integers(padding, axes, f"{name}: padding", 0)
    extra = integers(output_padding, axes, f"{name}: output_padding", 0)
    sizes = _transposed_sizes(x.shape[-axes - 1 : -1], weight.shape, strides, pads, dilations)
    if output_size is not None:
        extra = _rest_of(output_size, name, x, sizes, strides)
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise ValueError(f"{name}: output_padding={extra} must be below stride={strides} or dilation={dilations}")
    out = tuple(size + e for size, e in zip(sizes, extra, strict=True))
    if min(out) < 1:
        raise ValueError(f"{name}: the output of {x.shape} would have {out} pixels; give less padding or more pixels")
    y = convolve_transposed(_one_batch_axis(x, axes), weight_for(x, weight), strides, pads, extra, dilations, groups)
    return _finish(y, x, axes, bias)


def _transposed_sizes(
    size: Sequence[int], kernel: Sequence[int], strides: Sequence[int], padding: Sequence[int],
    dilations: Sequence[int],
) -> tuple[int, ...]:
    """The size of the output of a transposed convolution without `output_padding`. Only the first axes are used."""
    return tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, k, s, p, d in zip(size, kernel, strides, padding, dilations, strict=False)
    )


def _rest_of(
    output_size: Size, name: str, x: jax.Array, smallest: Sequence[int], strides: Sequence[int]
) -> tuple[int, ...]:
    """The `output_padding` that gives an output of this size: spatial sizes, or the shape of the whole output."""
    wanted = shape(output_size, f"{name}: output_size")
    if len(wanted) == x.ndim:
        wanted = wanted[-len(smallest) - 1 : -1]
    rest = tuple(n - low for n, low in zip(wanted, smallest, strict=False))
    if len(wanted) != len(smallest) or any(not 0 <= r < s for r, s in zip(rest, strides, strict=True)):
        largest = tuple(low + s - 1 for low, s in zip(smallest, strides, strict=True))
        raise ValueError(
            f"{name}: output_size={output_size} is not possible for an input of shape {x.shape}; give "
            f"{len(smallest)} sizes from {tuple(smallest)} to {largest}"
        )
    return rest


def _check_weight(name: str, axes: int, weight: jax.Array, bias: jax.Array | None, out: int) -> None:
    if weight.ndim != axes + 2 or 0 in weight.shape[:axes]:
        raise ValueError(
            f"{name} takes a kernel of {axes + 2} axes, [*kernel, in, out], with an element or more along each spatial "
            f"axis; got {weight.shape}"
        )
    if bias is not None and bias.shape != (out,):
        raise ValueError(f"{name} takes a bias of shape ({out},) for {out} output channels and got {bias.shape}")


def _one_batch_axis(x: jax.Array, axes: int) -> jax.Array:
    return x.reshape(math.prod(x.shape[: -axes - 1]), *x.shape[-axes - 1 :])


def _finish(y: jax.Array, x: jax.Array, axes: int, bias: jax.Array | None) -> jax.Array:
    """Adds the bias and restores the leading axes of the input."""
    if bias is not None:
        y = y + broadcast_to(bias.astype(y.dtype), y.shape, y)
    return y.reshape(*x.shape[: -axes - 1], *y.shape[1:])
