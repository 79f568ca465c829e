"""Apple's Metal, which jax does not use here."""

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """False: Tensors cannot be placed on Metal."""
    return False


def is_built() -> bool:
    """False: Tensors cannot be placed on Metal."""
    return False
