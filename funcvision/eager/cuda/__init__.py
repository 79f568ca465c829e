"""GPUs, under torch's names. On other accelerators `is_available` is False; see `funcvision.eager.accelerator`."""

from ..random import manual_seed
from ..random import manual_seed as manual_seed_all
from . import amp
from ._devices import (
    current_device,
    device_count,
    empty_cache,
    get_device_capability,
    get_device_name,
    is_available,
    is_bf16_supported,
    is_initialized,
    max_memory_allocated,
    memory_allocated,
    reset_peak_memory_stats,
    set_device,
    synchronize,
)

__all__ = [
    "amp", "current_device", "device_count", "empty_cache", "get_device_capability", "get_device_name",
    "is_available", "is_bf16_supported", "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "memory_allocated", "reset_peak_memory_stats", "set_device", "synchronize",
]  # fmt: skip
