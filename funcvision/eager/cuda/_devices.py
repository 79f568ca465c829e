"""What can be asked of GPUs, and the settings of torch that have no meaning in jax."""

from typing import Any

import jax
import jax.numpy as jnp

from ..devices import devices_of, resolved, set_default_device

__all__ = [
    "current_device", "device_count", "empty_cache", "get_device_capability", "get_device_name", "is_available",
    "is_bf16_supported", "is_initialized", "max_memory_allocated", "memory_allocated", "reset_peak_memory_stats",
    "set_device", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether jax has a GPU."""
    return bool(devices_of("cuda"))


def is_initialized() -> bool:
    """Whether GPUs can be used."""
    return is_available()


def device_count() -> int:
    """The number of GPUs of this process."""
    return len(devices_of("cuda"))


def is_bf16_supported() -> bool:
    """Whether a GPU can compute in bfloat16. XLA supports it on every GPU."""
    return is_available()


def current_device() -> int:
    """The number of the GPU that is used first: 0."""
    _gpu(0)
    return 0


def set_device(device: Any) -> None:
    """Makes a GPU the default device."""
    _gpu(device)
    set_default_device(device)


def get_device_name(device: Any = None) -> str:
    """The name of a GPU's model."""
    return _gpu(device).device_kind


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability of a GPU: (major, minor)."""
    major, _, minor = str(getattr(_gpu(device), "compute_capability", "0.0")).partition(".")
    return int(major), int(minor or 0)


def synchronize(device: Any = None) -> None:
    """Waits until a GPU has finished the work that it was given."""
    jax.block_until_ready(jnp.add(jax.device_put(jnp.zeros(()), _gpu(device)), 1))


def empty_cache() -> None:
    """Does nothing: jax reuses the memory that it holds."""


def memory_allocated(device: Any = None) -> int:
    """The number of bytes of the arrays on a GPU."""
    return (_gpu(device).memory_stats() or {}).get("bytes_in_use", 0)


def max_memory_allocated(device: Any = None) -> int:
    """The largest number of bytes that arrays on a GPU have used so far."""
    return (_gpu(device).memory_stats() or {}).get("peak_bytes_in_use", 0)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Does nothing: jax's largest number of bytes is that of the whole process."""


def _gpu(device: Any) -> Any:
    """jax's GPU for a number or a device; the first one for None.

    Raises:
        RuntimeError: there is no such GPU.
    """
    return resolved("cuda" if device is None else device)
