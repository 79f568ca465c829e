"""Arrays of a `state_dict` from any library, on their way into a Module."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._limits import check_integers

__all__ = ["loaded", "on_host"]


def on_host(given: Any, declaration: Any) -> Any:
    """A Tensor, a torch tensor or an array as an array of numpy or jax.

    `declaration` is that of the array in the model, or None.

    Torch itself is not needed, because only methods of its tensors are called. As in torch, an array of one element may
    stand for a scalar.
    """
    if isinstance(given, TensorBase):
        array = given.array
    elif isinstance(given, jax.Array | np.ndarray):
        array = given
    else:
        if hasattr(given, "detach"):  # a torch tensor
            given = given.detach().cpu()
            given = given.float() if str(given.dtype) == "torch.bfloat16" else given  # numpy lacks bfloat16
        array = np.asarray(given)
    return array.reshape(()) if declaration is not None and not declaration.shape and array.shape == (1,) else array


def loaded(name: str, array: Any, dtype: np.dtype) -> jax.Array:
    """The array in the dtype of a parameter or buffer.

    Raises:
        OverflowError: an integer does not fit.
    """
    if isinstance(array, jax.Array):
        return array.astype(dtype)
    if jnp.issubdtype(dtype, jnp.integer):
        check_integers(array, dtype, f"{name} is")
    with np.errstate(over="ignore"):
        return jnp.array(array.astype(dtype))
