"""What files of torch name besides numbers: dtypes, devices and sizes, as the eager face has them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import devices, dtypes
from ._size import Size

__all__ = ["described", "device", "dtype", "location", "placed", "size"]

_PLATFORMS = {"cpu": "cpu", "cuda": "gpu"}


def described(value: Any) -> tuple[str, tuple[Any, ...] | None] | None:
    """The name of a dtype, device or size, and its arguments; None for any other value."""
    if isinstance(value, np.dtype | dtypes.dtype):
        return f"torch.{value.name}", None
    if isinstance(value, devices.device):
        return "torch.device", (value.type,) if value.index is None else (value.type, value.index)
    if isinstance(value, Size):
        return "torch.Size", (tuple(value),)
    return None


def dtype(name: str) -> Any:
    """The dtype of a name such as `"float32"`."""
    return dtypes.named(name)


def size(shape: tuple[int, ...]) -> Any:
    """A `torch.Size`."""
    return Size(shape)


def device(name: str) -> Any:
    """A `torch.device` of a name such as `"cuda:0"`."""
    return devices.device(name)


def location(array: jax.Array) -> str:
    """How torch's files name the device of an array: `"cpu"` or `"cuda:0"`."""
    found = next(iter(array.devices()))
    return f"cuda:{found.id}" if found.platform == "gpu" else "cpu"


def placed(array: np.ndarray, where: Any) -> jax.Array:
    """The array on a device, which is given by its name.

    Raises:
        RuntimeError: there is no such device.
    """
    kind, _, index = str(where).partition(":")
    try:
        found = jax.local_devices(backend=_PLATFORMS[kind])[int(index or 0)]
    except (KeyError, ValueError, RuntimeError, IndexError) as error:
        raise RuntimeError(
            f"a storage is for the device {str(where)!r}, which is not here: pass map_location='cpu'"
        ) from error
    return jnp.asarray(array) if found == jax.local_devices()[0] else jax.device_put(array, found)
