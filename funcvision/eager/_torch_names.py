"""What files of torch name besides numbers: dtypes, devices and sizes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import devices, dtypes
from ._size import Size

__all__ = ["described", "location", "placed"]


def described(value: Any) -> tuple[str, tuple[Any, ...] | None] | None:
    """The name of a dtype, device or size, and its arguments; None for any other value."""
    if isinstance(value, dtypes.dtype):
        return f"torch.{value.name}", None
    if isinstance(value, Size):
        return "torch.Size", (tuple(value),)
    if isinstance(value, devices.device):
        return "torch.device", (value.type,) if value.index is None else (value.type, value.index)
    return None


def location(array: jax.Array) -> str:
    """How torch's files name the device of an array: `"cpu"` or `"cuda:0"`. torch knows no other device of jax."""
    found = devices.of_array(array)
    return str(found) if isinstance(found, devices.device) and found.type == "cuda" else "cpu"


def placed(array: np.ndarray, where: Any) -> jax.Array:
    """The array on a device.

    Raises:
        RuntimeError: there is no such device.
    """
    try:
        target = devices.resolved(where)
    except RuntimeError as error:
        raise RuntimeError(f"{error}. A tensor in this file is to be put there: pass map_location='cpu'") from error
    return jnp.asarray(array) if target == jax.local_devices()[0] else jax.device_put(array, target)
