"""Affine and bilinear maps, and table look-ups."""

import functools
import math

import jax
import jax.numpy as jnp
from jax.core import Tracer

from ._check import integer
from ._mesh import broadcast_to, by_compiler, sharded_axes
from ._p_norm import p_norm
from ._precision import at_least_float32

__all__ = ["bilinear", "embedding", "linear", "one_hot"]


def linear(x: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """The affine map `x @ weight + bias` over the last axis.

    Args:
        x: [..., in].
        weight: [in, out], the transpose of torch's; cast to the dtype of `x`.
        bias: [out], cast to the dtype of `x`.

    Returns:
        [..., out] in the dtype of `x`.

    Raises:
        ValueError: the last axis of `x` is not the first of `weight`.
    """
    if x.shape[-1:] != weight.shape[:1]:
        raise ValueError(f"linear takes [..., {weight.shape[0]}] for a weight {weight.shape} and got {x.shape}")
    y = by_compiler(
        _product, x, weight.astype(x.dtype), result=lambda: (*sharded_axes(x)[:-1], sharded_axes(weight)[-1])
    )
    return y if bias is None else y + broadcast_to(bias.astype(x.dtype), y.shape, y)


def _product(x: jax.Array, weight: jax.Array) -> jax.Array:
    """`x @ weight` with `x` reshaped to a matrix.

    With more axes, XLA would copy and transpose both operands of the gradient with respect to the weight.
    """
    if x.ndim <= 2:
        return x @ weight
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return (rows @ weight).reshape(*x.shape[:-1], weight.shape[-1])


def bilinear(x1: jax.Array, x2: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """The bilinear map `y[o] = x1 @ weight[o] @ x2 + bias[o]`.

    Args:
        x1: [..., in1].
        x2: [..., in2], with the leading axes and the dtype of `x1`.
        weight: [out, in1, in2], cast to the dtype of `x1`.
        bias: [out], cast to the dtype of `x1`.

    Returns:
        [..., out] in the dtype of `x1`.

    Raises:
        ValueError: the last axes are not in1 and in2, or the leading axes differ.
    """
    if x1.shape[:-1] != x2.shape[:-1] or (*x1.shape[-1:], *x2.shape[-1:]) != weight.shape[1:]:
        raise ValueError(
            f"bilinear takes [..., {weight.shape[1]}] and [..., {weight.shape[2]}] for a weight {weight.shape} and got "
            f"{x1.shape} and {x2.shape}"
        )
    y = jnp.einsum("...i,oij,...j->...o", x1, weight.astype(x1.dtype), x2)
    return y if bias is None else y + broadcast_to(bias.astype(x1.dtype), y.shape, y)


def embedding(
    input: jax.Array, weight: jax.Array, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> jax.Array:
    """Looks up rows of a table.

    Deviation from torch for `max_norm`: torch overwrites the rows of the table that are looked up, before the look-up.
    Here the table stays as it is, and only the returned rows are scaled down. Values and gradients of one call are
    torch's: the gradient is that of a look-up in the scaled table, so the scaling itself is not differentiated. A later
    step of training differs, because an optimizer then starts from the rows as they were. To do as torch does, scale
    those rows of the parameter after each step.

    Args:
        input: indices, integers [...] from 0 to rows - 1.
        weight: the table, [rows, features].
        padding_idx: a row that gets no gradient; an integer from -rows to rows - 1, a negative one counts from the end.
        max_norm: rows with a larger norm are scaled down to this norm; None for no limit.
        norm_type: the order p of that norm, above 0.
        scale_grad_by_freq: divide the gradient of each row by how often its index occurs in `input`.
        sparse: must be false, because gradients are dense arrays in JAX.

    Returns:
        [..., features]. An index outside the table gives a row of NaN, because traced values cannot be checked. That
        includes negative indices.

    Raises:
        TypeError: the indices are not integers.
        ValueError: `padding_idx` is not a row of the table, `norm_type` is not positive, or `sparse` is true.
    """
    if sparse:
        raise ValueError("embedding: sparse=True asks for a sparse gradient, which JAX does not have; leave it out")
    if not jnp.issubdtype(input.dtype, jnp.integer):
        raise TypeError(f"embedding takes integer indices and got {input.dtype}")
    rows = by_compiler(
        lambda index, table: table.at[index].get(mode="fill", wrap_negative_indices=False), input, weight,
        result=lambda: (*sharded_axes(input), sharded_axes(weight)[-1]),
    )
    if max_norm is not None:
        rows = _scaled_down(rows, max_norm, norm_type)
    if scale_grad_by_freq:
        counts = jnp.zeros(weight.shape[0]).at[input].add(1, mode="drop", wrap_negative_indices=False)
        share = 1 / counts.at[input].get(mode="clip")[..., None]
        rows = _with_scaled_gradient(rows, share.astype(rows.dtype))
    if padding_idx is None:
        return rows
    padding_idx = integer(padding_idx, "embedding: padding_idx")
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise ValueError(f"padding_idx={padding_idx} is no row of a table of {weight.shape[0]} rows")
    padding = (input == padding_idx % weight.shape[0])[..., None]
    return jnp.where(padding, jax.lax.stop_gradient(rows), rows)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _scaled_down(rows: jax.Array, max_norm: float, norm_type: float) -> jax.Array:
    """Rows [..., features] with a norm of at most `max_norm`, and the gradient of the identity, as in torch."""
    norm = p_norm(at_least_float32(rows), norm_type, (-1,))
    scale = jnp.where(norm > max_norm, max_norm / (norm + 1e-7), 1)
    return (rows * scale).astype(rows.dtype)


@_scaled_down.defjvp
def _(
    norm_type: float, primals: tuple[jax.Array, float], tangents: tuple[jax.Array, float]
) -> tuple[jax.Array, jax.Array]:
    return _scaled_down(*primals, norm_type), tangents[0]


@jax.custom_jvp
def _with_scaled_gradient(x: jax.Array, factor: jax.Array) -> jax.Array:
    """`x`, whose gradient is multiplied by `factor`, which broadcasts to its shape."""
    return x


_with_scaled_gradient.defjvps(lambda tangent, y, x, factor: tangent * factor, None)


def one_hot(input: jax.Array, num_classes: int = -1) -> jax.Array:
    """One-hot vectors of class indices.

    Args:
        input: class indices, integers [...].
        num_classes: the number of classes. By default (-1) it is the largest index plus one; that needs concrete
            values, so give it under `jit`.

    Returns:
        [..., num_classes] in the dtype of `input`: 1 at each index and 0 elsewhere. An index that is not a class gives
        a row of zeros, because traced values cannot be checked.

    Raises:
        TypeError: `input` is not of integers.
        ValueError: `num_classes` is neither -1 nor positive, or it is -1 under `jit` or for an empty input.

    >>> one_hot(jnp.array([0, 2]), 3)
    Array([[1, 0, 0],
           [0, 0, 1]], dtype=int32)
    """
    if not jnp.issubdtype(input.dtype, jnp.integer):
        raise TypeError(f"one_hot takes integers and got {input.dtype}")
    num_classes = integer(num_classes, "one_hot: num_classes")
    if num_classes < 1 and num_classes != -1:
        raise ValueError(f"one_hot takes num_classes of 1 or more, or -1 to find it; got {num_classes}")
    if num_classes == -1:
        if isinstance(input, Tracer) or not input.size:
            raise ValueError("one_hot cannot find the number of classes under jit or of no input: pass num_classes")
        num_classes = int(input.max()) + 1
    return jax.nn.one_hot(input, num_classes, dtype=input.dtype)
