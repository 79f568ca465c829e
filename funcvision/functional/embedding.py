"""Table look-ups by integers, and one-hot vectors."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jax.core import Tracer

from ._check import integer
from ._mesh import by_compiler, sharded_axes
from ._p_norm import p_norm
from ._pool_lowering import first_largest
from ._precision import at_least_float32

__all__ = ["embedding", "embedding_bag", "one_hot"]

Mode = Literal["sum", "mean", "max"]


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


def embedding_bag(
    input: jax.Array, weight: jax.Array, offsets: jax.Array | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: Mode = "mean", sparse: bool = False,
    per_sample_weights: jax.Array | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> jax.Array:
    """Looks up rows of a table and reduces those of each bag to one vector.

    For `max_norm` and for indices outside the table, see `embedding`.

    Args:
        input: indices, integers: [bags, length], or all bags one after another in one axis.
        weight: the table, [rows, features].
        offsets: where each bag starts if `input` has one axis: integers [bags] in increasing order, the first of them
            0. They cannot be checked, because they may be traced. A bag of no index gives zeros.
        max_norm: rows with a larger norm are scaled down to this norm; None for no limit.
        norm_type: the order p of that norm, above 0.
        scale_grad_by_freq: divide the gradient of each row by how often its index occurs in `input`; not for "max".
        mode: "sum", "mean" or "max", over the rows of a bag. The first of equal elements gets the gradient of "max".
        sparse: must be false, because gradients are dense arrays in JAX.
        per_sample_weights: factors of the rows, of the shape of `input`; for "sum" only.
        include_last_offset: `offsets` has one number more, where the last bag ends.
        padding_idx: an index that is left out of every bag; an integer from -rows to rows - 1.

    Returns:
        [bags, features] in the dtype of `weight`; sums are accumulated in float32 at least.

    Raises:
        TypeError: the indices or offsets are not integers.
        ValueError: shapes or options do not fit together.

    >>> table = jnp.arange(8.0).reshape(4, 2)
    >>> embedding_bag(jnp.array([0, 1, 3]), table, jnp.array([0, 2]), mode="sum")
    Array([[2., 4.],
           [6., 7.]], dtype=float32)
    """
    _check_bags(input, offsets, mode, scale_grad_by_freq, per_sample_weights, include_last_offset)
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    wide = at_least_float32(rows)
    kept = jnp.ones(input.shape, bool)
    if padding_idx is not None:
        kept = input != integer(padding_idx, "embedding_bag: padding_idx") % weight.shape[0]
    if per_sample_weights is not None:
        factors = per_sample_weights.astype(wide.dtype)[..., None]
        wide = wide * jnp.broadcast_to(factors, wide.shape)
    if offsets is None:
        reduced = _reduced_bags(wide, kept, mode)
    else:
        bags = len(offsets) - include_last_offset
        position = jnp.arange(len(input), dtype=offsets.dtype)
        bag = jnp.searchsorted(offsets, position, side="right").astype(jnp.int32) - 1
        reduced = _reduced_segments(wide, kept, bag, bags, mode)
    return reduced.astype(weight.dtype)


def _check_bags(
    input: jax.Array, offsets: jax.Array | None, mode: str, scale_grad_by_freq: bool,
    per_sample_weights: jax.Array | None, include_last_offset: bool,
) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f'embedding_bag: mode={mode!r}; give "sum", "mean" or "max"')
    if mode == "max" and scale_grad_by_freq:
        raise ValueError('embedding_bag: scale_grad_by_freq is for mode="sum" and "mean"')
    if input.ndim not in (1, 2) or (offsets is None) != (input.ndim == 2):
        given = "none" if offsets is None else f"offsets {offsets.shape}"
        raise ValueError(
            f"embedding_bag takes indices [bags, length], or [length] with offsets; got {input.shape} and {given}"
        )
    if offsets is not None and not jnp.issubdtype(offsets.dtype, jnp.integer):
        raise TypeError(f"embedding_bag takes integer offsets and got {offsets.dtype}")
    if offsets is not None and (offsets.ndim != 1 or len(offsets) < include_last_offset):
        raise ValueError(f"embedding_bag takes offsets [bags], and one more for the end; got shape {offsets.shape}")
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ValueError(
            f'embedding_bag takes per_sample_weights of the shape of the indices, {input.shape}, for mode="sum"; got '
            f'{per_sample_weights.shape} for mode="{mode}"'
        )


def _reduced_bags(rows: jax.Array, kept: jax.Array, mode: Mode) -> jax.Array:
    """Rows [bags, length, features] reduced over the length, without those that are not kept."""
    chosen = kept[..., None]
    if mode == "max":
        if not rows.shape[1]:
            return jnp.zeros((len(rows), rows.shape[2]), rows.dtype)
        (largest,) = first_largest((jnp.where(chosen, rows, -jnp.inf),), 1)
        return jnp.where(jnp.any(chosen, 1), largest, 0)
    total = jnp.sum(jnp.where(chosen, rows, 0), 1)
    if mode == "sum":
        return total
    return total / jnp.maximum(jnp.sum(chosen, 1), 1).astype(total.dtype)


def _reduced_segments(rows: jax.Array, kept: jax.Array, bag: jax.Array, bags: int, mode: Mode) -> jax.Array:
    """Rows [length, features] reduced to one for each bag, without those that are not kept or whose bag is no bag."""
    bag = jnp.where(kept & (bag >= 0), bag, bags)
    count = jnp.zeros(bags, rows.dtype).at[bag].add(1, mode="drop")[:, None]
    if mode != "max":
        total = jnp.zeros((bags, rows.shape[1]), rows.dtype).at[bag].add(rows, mode="drop")
        return total if mode == "sum" else total / jnp.maximum(count, 1)
    values = jax.lax.stop_gradient(rows)
    largest = jnp.full((bags, rows.shape[1]), -jnp.inf, rows.dtype).at[bag].max(values, mode="drop")
    # The first row of the bag that has the largest value: it alone gets the gradient.
    position = jnp.arange(len(rows), dtype=jnp.int32)[:, None]
    last = jnp.int32(len(rows))
    at = jnp.where(values == largest.at[bag].get(mode="fill"), position, last)
    first = jnp.full(largest.shape, last, jnp.int32).at[bag].min(at, mode="drop")
    return jnp.where(count > 0, jnp.take_along_axis(rows, first, axis=0, mode="fill"), 0)


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
