"""Affine quantisation: `x` is about `(q - zero_point) * scale`, where `q` is an integer.

Weights are symmetric: their zero point is 0, and each output channel has a scale. Inputs of layers have one scale and
one zero point for the whole array (Jacob et al. 2018, https://arxiv.org/abs/1712.05877).
"""

import functools

import jax
import jax.numpy as jnp

__all__ = ["dequantize_weight", "fake_quantize", "fake_quantize_weight", "input_scale", "quantize", "quantize_weight"]

LOWEST, HIGHEST = -128, 127
"""The integers of an input."""


def _broadcast(values: jax.Array, x: jax.Array) -> jax.Array:
    """Values for each index of the last axis of `x`, or one value for all, with as many axes as `x`."""
    return values.reshape((1,) * (x.ndim - values.ndim) + values.shape)


def _rounded(x: jax.Array, scale: jax.Array, zero_point: jax.Array) -> jax.Array:
    """`x / scale + zero_point`, rounded half to even, as torch computes it: by the reciprocal, in float32."""
    inverse = _broadcast(1 / scale.astype(jnp.float32), x)
    return jnp.round(x.astype(jnp.float32) * inverse) + _broadcast(zero_point.astype(jnp.float32), x)


def quantize(
    x: jax.Array, scale: jax.Array, zero_point: jax.Array, lowest: int = LOWEST, highest: int = HIGHEST
) -> jax.Array:
    """The integers that stand for `x`, as float32: `round(x / scale) + zero_point`, clipped to [lowest, highest].

    Args:
        x: an array.
        scale: one number, or one for each index of the last axis.
        zero_point: an integer of the shape of `scale`, of any type of numbers.
        lowest: the smallest integer.
        highest: the largest integer.

    >>> quantize(jnp.array([-0.1, 0.26, 9.0]), jnp.array(0.1), jnp.array(0))
    Array([-1.,  3., 90.], dtype=float32)
    """
    return jnp.clip(_rounded(x, scale, zero_point), lowest, highest)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def fake_quantize(
    x: jax.Array, scale: jax.Array, zero_point: jax.Array, lowest: int = LOWEST, highest: int = HIGHEST
) -> jax.Array:
    """The numbers that the integers of `x` stand for, in the dtype of `x`.

    The gradient is the one of `torch.fake_quantize_per_tensor_affine`: that of the identity where `x` is within the
    range of the integers, and 0 where it is clipped (a straight-through estimator). `scale` and `zero_point` get none.

    See `quantize` for the arguments.

    >>> fake_quantize(jnp.array([-0.1, 0.26, 90.0]), jnp.array(0.1), jnp.array(0))
    Array([-0.1,  0.3, 12.7], dtype=float32)
    """
    integers = quantize(x, scale, zero_point, lowest, highest)
    shifted = integers - _broadcast(zero_point.astype(jnp.float32), x)
    return (shifted * _broadcast(scale.astype(jnp.float32), x)).astype(x.dtype)


@fake_quantize.defjvp
def _fake_quantize_jvp(lowest: int, highest: int, primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    x, scale, zero_point = primals
    rounded = _rounded(x, scale, zero_point)
    inside = (rounded >= lowest) & (rounded <= highest)
    tangent = jnp.where(inside, tangents[0], jnp.zeros_like(tangents[0]))
    return fake_quantize(x, scale, zero_point, lowest, highest), tangent


# Weights


def _highest(bits: int) -> int:
    return 2 ** (bits - 1) - 1


def _weight_scale(weight: jax.Array, bits: int) -> jax.Array:
    """The scale of each output channel, the last axis: its largest magnitude becomes the largest integer."""
    largest = jnp.abs(weight.astype(jnp.float32)).max(tuple(range(weight.ndim - 1)))
    return jnp.where(largest > 0, largest, 1.0) / _highest(bits)


def quantize_weight(weight: jax.Array, bits: int = 8) -> tuple[jax.Array, jax.Array]:
    """A weight as int8, and the scale of each output channel, the last axis.

    Args:
        weight: [..., out].
        bits: of the integers, from 2 to 8. They are from -(2^(bits - 1) - 1) to 2^(bits - 1) - 1.

    >>> integers, scale = quantize_weight(jnp.array([[0.5, 2.0], [-1.0, 1.0]]))
    >>> integers.tolist(), (scale * 127).tolist()
    ([[64, 127], [-127, 64]], [1.0, 2.0])
    """
    scale, highest = _weight_scale(weight, bits), _highest(bits)
    return quantize(weight, scale, jnp.zeros_like(scale), -highest, highest).astype(jnp.int8), scale


def dequantize_weight(integers: jax.Array, scale: jax.Array) -> jax.Array:
    """The weight that integers [..., out] with a scale for each output channel stand for."""
    return integers.astype(scale.dtype) * _broadcast(scale, integers)


def fake_quantize_weight(weight: jax.Array, bits: int = 8) -> jax.Array:
    """What `quantize_weight` and `dequantize_weight` make of a weight, with a straight-through gradient."""
    scale, highest = jax.lax.stop_gradient(_weight_scale(weight, bits)), _highest(bits)
    return fake_quantize(weight, scale, jnp.zeros_like(scale), -highest, highest)


# Inputs


def input_scale(low: jax.Array, high: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The scale and the int32 zero point with which the integers cover [low, high].

    Args:
        low: the smallest number, 0 or less, so that 0 is represented exactly.
        high: the largest number, 0 or more.
    """
    span = (high - low).astype(jnp.float32)
    scale = jnp.where(span > 0, span, 1.0) / (HIGHEST - LOWEST)
    zero_point = jnp.clip(LOWEST - jnp.round(low.astype(jnp.float32) / scale), LOWEST, HIGHEST)
    return scale, zero_point.astype(jnp.int32)
