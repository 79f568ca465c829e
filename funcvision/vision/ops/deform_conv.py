"""Deformable convolution: each tap of the kernel reads the image at a place of its own.

Dai et al. 2017, https://arxiv.org/abs/1703.06211, and with a mask Zhu et al. 2018, https://arxiv.org/abs/1811.11168.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ... import nn
from ...functional._check import per_axis
from ...functional._precision import accumulation_dtype
from ...nn import init
from ...nn.conv import TORCH_WEIGHT, torch_bias
from ._sampling import Places, Weights, slots, weighted_sums

__all__ = ["DeformConv2d", "deform_conv2d"]

Pair = int | Sequence[int]


def deform_conv2d(
    input: jax.Array, offset: jax.Array, weight: jax.Array, bias: jax.Array | None = None, stride: Pair = (1, 1),
    padding: Pair = (0, 0), dilation: Pair = (1, 1), mask: jax.Array | None = None,
) -> jax.Array:
    """Convolution whose taps are moved by offsets, with linear interpolation, and scaled by a mask.

    Args:
        input: [batch, height, width, in].
        offset: [batch, out_height, out_width, 2 * offset_groups * kh * kw], in pixels. The channels are torch's: by
            offset group, then by tap, row first, then y and x. Each offset group moves its share of the input
            channels, in order.
        weight: [kh, kw, in / groups, out].
        bias: [out].
        stride: of the convolution, (height, width) or one number for both.
        padding: zeros on each side.
        dilation: spacing of the taps.
        mask: [batch, out_height, out_width, offset_groups * kh * kw], in the order of the offsets.

    Returns:
        [batch, out_height, out_width, out]. Differentiable by all arrays.

    Raises:
        ValueError: shapes that do not fit.

    >>> image, kernel = jnp.ones((1, 5, 5, 2)), jnp.ones((3, 3, 2, 4))
    >>> deform_conv2d(image, jnp.zeros((1, 3, 3, 18)), kernel).shape
    (1, 3, 3, 4)
    """
    strides, paddings = per_axis(stride, 2, "stride"), per_axis(padding, 2, "padding")
    dilations = per_axis(dilation, 2, "dilation")
    groups, offset_groups, size = _checked(input, offset, weight, mask, strides, paddings, dilations)
    columns = _columns(input, offset, mask, weight.shape[:2], size, offset_groups, strides, paddings, dilations)
    batch, taps, channels = input.shape[0], weight.shape[0] * weight.shape[1], input.shape[3]
    # torch's order of channels: offset groups lie next to one another, and so do groups
    columns = columns.reshape(offset_groups, batch * size[0] * size[1], taps, channels // offset_groups)
    if offset_groups == 1:
        columns = columns[0]
    else:
        columns = columns.transpose(1, 2, 0, 3).reshape(-1, taps, channels)
    inner, out = channels // groups, weight.shape[3]
    if groups == 1:
        result = columns.reshape(-1, taps * channels) @ weight.reshape(taps * channels, out)
    else:
        kernel = weight.reshape(taps, inner, groups, out // groups)
        result = jnp.einsum("ptgi,tigo->pgo", columns.reshape(-1, taps, groups, inner), kernel)
    result = result.reshape(batch, *size, out)
    return result if bias is None else result + bias.astype(result.dtype)[None, None, None]


def _checked(
    input: jax.Array, offset: jax.Array, weight: jax.Array, mask: jax.Array | None, strides: Sequence[int],
    paddings: Sequence[int], dilations: Sequence[int],
) -> tuple[int, int, tuple[int, int]]:
    """(groups, offset groups, output size)."""
    if input.ndim != 4 or weight.ndim != 4:
        raise ValueError(
            "deform_conv2d takes an image [batch, height, width, in] and a kernel [kh, kw, in / groups, out]; got "
            f"{input.shape} and {weight.shape}"
        )
    kernel, (_, height, width, channels) = weight.shape[:2], input.shape
    height, width = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip((height, width), paddings, dilations, kernel, strides, strict=True)
    )
    if channels % weight.shape[2] or weight.shape[3] % (channels // weight.shape[2]):
        raise ValueError(
            f"deform_conv2d: a kernel of shape {weight.shape} ([kh, kw, in / groups, out]) does not fit an image of "
            f"{channels} channels in the last axis"
        )
    taps = kernel[0] * kernel[1]
    offset_groups = offset.shape[-1] // (2 * taps)
    wanted = (input.shape[0], height, width)
    if offset.ndim != 4 or offset.shape[:3] != wanted or not offset_groups or offset.shape[3] % (2 * taps):
        raise ValueError(
            f"deform_conv2d: offset must be [batch, out_height, out_width, 2 * offset_groups * kh * kw], here "
            f"{(*wanted, f'{2 * taps} * offset_groups')}; got {offset.shape}"
        )
    if channels % offset_groups:
        raise ValueError(f"deform_conv2d: {offset_groups} offset groups must divide {channels} input channels")
    if mask is not None and mask.shape != (*wanted, offset_groups * taps):
        raise ValueError(f"deform_conv2d: mask must be {(*wanted, offset_groups * taps)}; got {mask.shape}")
    return channels // weight.shape[2], offset_groups, (height, width)


def _columns(
    input: jax.Array, offset: jax.Array, mask: jax.Array | None, kernel: tuple[int, ...], size: tuple[int, int],
    offset_groups: int, strides: Sequence[int], paddings: Sequence[int], dilations: Sequence[int],
) -> jax.Array:
    """What each tap of each output pixel reads: [offset groups * batch * pixels * taps, channels / offset groups]."""
    batch, height, width, channels = input.shape
    taps = kernel[0] * kernel[1]
    dtype = accumulation_dtype(input.dtype)
    grid = [
        jnp.arange(n)[:, None] * s - p + jnp.arange(k)[None] * d
        for n, s, p, k, d in zip(size, strides, paddings, kernel, dilations, strict=True)
    ]
    moved = offset.astype(dtype).reshape(batch, *size, offset_groups, *kernel, 2)
    y = moved[..., 0] + grid[0][None, :, None, None, :, None].astype(dtype)
    x = moved[..., 1] + grid[1][None, None, :, None, None, :].astype(dtype)
    first_y, of_rows = slots(y, jnp.full((1,) * y.ndim, height, jnp.int32))
    first_x, of_columns = slots(x, jnp.full((1,) * x.ndim, width, jnp.int32))
    if mask is not None:
        of_rows *= mask.astype(dtype).reshape(*y.shape, 1)
    # places are numbered as [offset group, image, row, column]
    image = jnp.arange(batch, dtype=jnp.int32)[:, None, None, None, None, None]
    group = jnp.arange(offset_groups, dtype=jnp.int32)[None, None, None, :, None, None] * batch
    rows = jnp.stack([first_y, jnp.minimum(first_y + 1, height - 1)], -1)
    rows = (((group + image) * height)[..., None] + rows) * width

    def regions(a: jax.Array, *bins: int) -> jax.Array:
        """[batch, out_height, out_width, offset groups, kh, kw, ...] by offset group first, as regions of one bin."""
        return jnp.moveaxis(a, 3, 0).reshape(offset_groups * batch * size[0] * size[1] * taps, *bins)

    places = Places(regions(rows, 1, 1, 2), regions(first_x, 1, 1))
    weights = Weights(regions(of_rows, 1, 1, 2), regions(of_columns, 1, 1, 2))
    pixels = input.reshape(-1, offset_groups, channels // offset_groups).swapaxes(0, 1).reshape(
        -1, channels // offset_groups
    )
    if width == 1:  # the last pixel needs a right neighbour
        pixels = jnp.pad(pixels, ((0, 1), (0, 0)))
    return weighted_sums(pixels, places, weights)[:, 0, 0].astype(input.dtype)


class DeformConv2d(nn.Module):
    """`deform_conv2d` with a trained kernel; called with image, offsets and, if there is one, mask.

    Arguments as those of `nn.Conv2d`; `weight` is [kh, kw, in / groups, out].
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
        dilation: Pair = 1, groups: int = 1, bias: bool = True,
    ):
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_axis(kernel_size, 2, "kernel_size")
        self.stride, self.padding, self.dilation = stride, padding, dilation
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = nn.Param(shape, TORCH_WEIGHT, "OIHW->HWIO")
        self.bias = nn.Param((out_channels,), torch_bias(init.fans(shape)[0])) if bias else None

    def forward(self, input: jax.Array, offset: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        return deform_conv2d(
            input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask
        )
