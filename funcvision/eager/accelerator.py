"""The accelerator of this process, a GPU or a TPU, if there is one."""

from .devices import device, devices_of

__all__ = ["current_accelerator", "device_count", "is_available"]


def is_available() -> bool:
    """Whether there is an accelerator."""
    return device_count() > 0


def device_count() -> int:
    """The number of accelerators."""
    return max(len(devices_of("cuda")), len(devices_of("tpu")))


def current_accelerator(check_available: bool = False) -> device | None:
    """The type of accelerator, as a device without number; None if there is none."""
    found = next((type for type in ("cuda", "tpu") if devices_of(type)), None)
    return None if found is None else device(found)
