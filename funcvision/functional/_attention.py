"""Softmax attention that also returns its weights, which `multi_head_attention_forward` needs."""

import jax
import jax.numpy as jnp

from ._mesh import broadcast_to
from ._precision import accumulation_dtype
from .dropout import dropout

__all__ = ["attend", "check_mask"]


def attend(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None, scale: float, dropout_p: float = 0.0,
    dropout_key: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Attention with its weights.

    Args:
        query: [..., L, E].
        key: [..., S, E].
        value: [..., S, Ev].
        mask: broadcasts to [..., L, S]; boolean (True: attend) or floating-point (added to the logits).
        scale: factor of the logits.
        dropout_p: the probability to drop a weight.
        dropout_key: random key for dropout.

    Returns:
        The output [..., L, Ev] and the weights [..., L, S]. Logits and softmax are float32 at least. A query that may
        attend to no key gets weights of zero; `jax.nn.dot_product_attention` would spread them over the masked keys.

    Raises:
        ValueError: the mask does not broadcast, or the dropout key is missing.
        TypeError: the mask is neither boolean nor floating-point.
    """
    logits = scale * jnp.einsum(
        "...ld,...sd->...ls", query, key, preferred_element_type=accumulation_dtype(query.dtype)
    )
    if mask is None:
        weights = jax.nn.softmax(logits, axis=-1)
    else:
        logits = _masked(logits, mask)
        no_key = (logits == -jnp.inf).all(-1, keepdims=True)
        # The softmax of a row of -inf would have NaN as its gradient.
        weights = jax.nn.softmax(jnp.where(no_key, 0, logits), axis=-1)
        weights = jnp.where(no_key, 0, weights)
    weights = dropout(weights.astype(value.dtype), dropout_p, key=dropout_key)
    return jnp.einsum("...ls,...sd->...ld", weights, value), weights


def check_mask(name: str, mask: jax.Array) -> None:
    """Raises TypeError unless a mask is boolean or floating-point; integers are ambiguous. `name` is the argument's."""
    if mask.dtype != jnp.bool_ and not jnp.issubdtype(mask.dtype, jnp.floating):
        raise TypeError(f"{name} is of {mask.dtype}; give booleans, or floating-point numbers to add to the logits")


def _masked(logits: jax.Array, mask: jax.Array) -> jax.Array:
    check_mask("attn_mask", mask)
    try:
        mask = broadcast_to(mask, logits.shape, logits)
    except ValueError:
        raise ValueError(
            f"a mask of shape {mask.shape} does not broadcast to [..., queries, keys], here {logits.shape}"
        ) from None
    if mask.dtype == jnp.bool_:
        return jnp.where(mask, logits, -jnp.inf)
    return logits + mask.astype(logits.dtype)
