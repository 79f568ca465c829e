"""What the functions that draw random numbers ask of their caller."""

import jax

__all__ = ["require_key"]


def require_key(key: jax.Array | None, function: str) -> jax.Array:
    """The key, or an error that says how to pass one."""
    if key is None:
        raise ValueError(f"{function} draws random numbers while training and got no key: pass key=jax.random.key(0)")
    return key
