"""What is done to gradients before the optimiser sees them."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from ..functional._precision import at_least_float32

__all__ = ["clip_grad_norm", "global_norm"]


def global_norm(tree: Any) -> jax.Array:
    """The Euclidean norm of all arrays of a tree together, summed in float32 at least."""
    squares = [jnp.sum(jnp.square(at_least_float32(leaf))) for leaf in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(squares[1:], squares[0])) if squares else jnp.zeros(())


def clip_grad_norm(max_norm: float) -> optax.GradientTransformation:
    """Scales gradients by `max_norm / (norm + 1e-6)` if that is below 1, as torch's `clip_grad_norm_` does.

    `optax.clip_by_global_norm` divides by the norm alone.

    Args:
        max_norm: the largest norm that passes, above 0.

    Raises:
        ValueError: `max_norm` is not above 0.

    >>> clip = clip_grad_norm(1.0)
    >>> print(clip.update({"x": jnp.full((4,), 5.0)}, clip.init({}))[0]["x"][0].round(4))
    0.5
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm={max_norm} must be above 0")

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        scale = jnp.minimum(1.0, max_norm / (global_norm(updates) + 1e-6))
        return jax.tree.map(lambda gradient: gradient * scale.astype(gradient.dtype), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
