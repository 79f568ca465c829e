"""Apple's Metal, which jax does not use here."""

from .backends.mps import is_available
from .random import manual_seed

__all__ = ["device_count", "is_available", "manual_seed"]


def device_count() -> int:
    """0: Tensors cannot be placed on Metal."""
    return 0
