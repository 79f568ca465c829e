"""Matrix products and convolutions of int8 arrays with exact int32 sums, by what XLA runs fast."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from ..functional.conv import conv2d

__all__ = ["FEW_CHANNELS", "integer_conv2d", "integer_product"]

Pair = tuple[int, ...]

FEW_CHANNELS = 16
"""With fewer channels, XLA's int8 convolution on a CPU is slower than a float32 one."""

_CHANNELS_OF_A_PRODUCT = 64  # groups are merged up to this many channels: smaller products waste a CPU's units
_EXACT_PRODUCTS = 1 << 10  # float32 sums of so many products of int8 are exact: each is 2^14 at most


def integer_product(x: jax.Array, weight: jax.Array) -> jax.Array:
    """The product of int8 arrays [..., in] and [in, out]: int32 [..., out]."""
    return lax.dot_general(x, weight, (((x.ndim - 1,), (0,)), ((), ())), preferred_element_type=jnp.int32)


def integer_conv2d(x: jax.Array, weight: jax.Array, strides: Pair, dilation: Pair, groups: int) -> jax.Array:
    """A convolution without padding.

    Args:
        x: int8 [batch, height, width, in].
        weight: int8 [kernel height, kernel width, in/groups, out].
        strides: of the two axes.
        dilation: of the two axes.
        groups: of channels.

    Returns:
        int32 [batch, height', width', out].
    """
    options = {"strides": strides, "dilation": dilation, "groups": groups}
    return lax.platform_dependent(
        x, weight, cpu=functools.partial(_on_cpu, **options), default=functools.partial(_by_positions, **options)
    )


def _on_cpu(x: jax.Array, weight: jax.Array, *, strides: Pair, dilation: Pair, groups: int) -> jax.Array:
    *kernel, channels, _ = weight.shape
    products = kernel[0] * kernel[1] * channels
    few = channels < FEW_CHANNELS if groups == 1 else groups == x.shape[-1]
    # Where `conv2d` may use Winograd's method, its sums are not those of integers.
    may_use_winograd = groups == 1 and tuple(kernel) == (3, 3) and max(*strides, *dilation) == 1
    if few and products <= _EXACT_PRODUCTS and not may_use_winograd:
        return conv2d(
            x.astype(jnp.float32), weight.astype(jnp.float32), None, strides, 0, dilation, groups
        ).astype(jnp.int32)
    if groups == 1 and tuple(kernel) == (1, 1):
        return integer_product(x[:, :: strides[0], :: strides[1]], weight[0, 0])
    merged = _merged(channels, groups)
    dense = functools.partial(
        lax.conv_general_dilated, window_strides=strides, padding="VALID", rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), preferred_element_type=jnp.int32,
    )
    if groups == 1:
        return dense(x, weight)
    parts = groups // merged
    images = jnp.split(x, parts, axis=-1)
    weights = jnp.split(weight, parts, axis=-1)
    return jnp.concatenate([dense(i, _block_diagonal(w, merged)) for i, w in zip(images, weights, strict=True)], -1)


def _merged(channels: int, groups: int) -> int:
    """How many groups of so many channels become one dense convolution."""
    divisors = [n for n in range(1, groups + 1) if groups % n == 0]
    return max(n for n in divisors if n == 1 or n * channels <= _CHANNELS_OF_A_PRODUCT)


def _block_diagonal(weight: jax.Array, groups: int) -> jax.Array:
    """The dense weight [height, width, groups * in, out] of a grouped one, [height, width, in, out]."""
    *kernel, channels, out = weight.shape
    apart = weight.reshape(*kernel, 1, channels, groups, out // groups)
    own = jnp.eye(groups, dtype=weight.dtype).reshape(1, 1, groups, 1, groups, 1)
    return (apart * own).reshape(*kernel, groups * channels, out)


def _by_positions(x: jax.Array, weight: jax.Array, *, strides: Pair, dilation: Pair, groups: int) -> jax.Array:
    """A matrix product of int8 for each position of the kernel, which every platform has."""
    high, wide, channels, out = weight.shape
    batch, *size, _ = x.shape
    rows, columns = (
        (n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(size, (high, wide), dilation, strides, strict=True)
    )
    total = jnp.zeros((batch, rows, columns, groups, out // groups), jnp.int32)
    for i in range(high):
        for j in range(wide):
            top, left = i * dilation[0], j * dilation[1]
            end = (batch, top + (rows - 1) * strides[0] + 1, left + (columns - 1) * strides[1] + 1, x.shape[-1])
            seen = lax.slice(x, (0, top, left, 0), end, (1, *strides, 1))
            seen = seen.reshape(batch, rows, columns, groups, channels)
            at = weight[i, j].reshape(channels, groups, out // groups)
            product = lax.dot_general(seen, at, (((4,), (0,)), ((3,), (1,))), preferred_element_type=jnp.int32)
            total += jnp.moveaxis(product, 0, 3)
    return total.reshape(batch, rows, columns, out)
