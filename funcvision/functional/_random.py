"""The check of random keys."""

import jax

__all__ = ["require_key"]


def require_key(key: jax.Array | None, function: str) -> jax.Array:
    """Returns the key.

    Raises:
        ValueError: it is None. The error names the function and says how to pass one.
    """
    if key is None:
        raise ValueError(f"{function} draws random numbers while training and got no key: pass key=jax.random.key(0)")
    return key
