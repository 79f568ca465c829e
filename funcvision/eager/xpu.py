"""Intel's GPUs, which jax does not use here."""

from .random import manual_seed

__all__ = ["device_count", "is_available", "manual_seed"]


def is_available() -> bool:
    """False: Tensors cannot be placed on Intel's GPUs."""
    return False


def device_count() -> int:
    """0: Tensors cannot be placed on Intel's GPUs."""
    return 0
