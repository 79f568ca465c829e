"""Softmax attention with its weights, which `nn.MultiheadAttention` hands out and the public function does not."""

import jax
import jax.numpy as jnp

from ._precision import accumulation_dtype
from .dropout import dropout

__all__ = ["attend", "check_mask"]


def attend(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None, scale: float, dropout_p: float = 0.0,
    dropout_key: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """(output [..., L, Ev], weights [..., L, S]) for query [..., L, E], key [..., S, E] and value [..., S, Ev].

    `mask`, of a shape that broadcasts to that of the weights, is boolean (True: attend) or added to the logits.
    Logits and softmax are float32 at least. A row without a key to attend to has weights of zero; the softmax in
    `jax.nn.dot_product_attention` would spread it over the masked keys.
    """
    logits = scale * jnp.einsum(
        "...ld,...sd->...ls", query, key, preferred_element_type=accumulation_dtype(query.dtype)
    )
    if mask is None:
        weights = jax.nn.softmax(logits, axis=-1)
    else:
        logits = _masked(logits, mask)
        nothing = (logits == -jnp.inf).all(-1, keepdims=True)
        weights = jax.nn.softmax(jnp.where(nothing, 0, logits), axis=-1)  # never of -inf alone: its gradient is NaN
        weights = jnp.where(nothing, 0, weights)
    weights = dropout(weights.astype(value.dtype), dropout_p, key=dropout_key)
    return jnp.einsum("...ls,...sd->...ld", weights, value), weights


def check_mask(name: str, mask: jax.Array) -> None:
    """Raises unless a mask is boolean or floating-point: integers could be meant as either."""
    if mask.dtype != jnp.bool_ and not jnp.issubdtype(mask.dtype, jnp.floating):
        raise TypeError(f"{name} is of {mask.dtype}; give booleans, or floating-point numbers to add to the logits")


def _masked(logits: jax.Array, mask: jax.Array) -> jax.Array:
    check_mask("attn_mask", mask)
    try:
        mask = jnp.broadcast_to(mask, logits.shape)
    except ValueError:
        raise ValueError(
            f"a mask of shape {mask.shape} does not broadcast to [..., queries, keys], here {logits.shape}"
        ) from None
    if mask.dtype == jnp.bool_:
        return jnp.where(mask, logits, -jnp.inf)
    return logits + mask.astype(logits.dtype)
