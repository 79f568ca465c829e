"""The states of an optimizer: their arrays for a step, and the `state_dict` in torch's form."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._base import as_array
from ..tensor import Tensor

__all__ = ["donatable", "fitting", "packed", "unpacked"]


class _Held:
    """Holds an object as a Tensor holds its array."""

    __slots__ = ("_data",)

    def __init__(self, data: object):
        self._data = data

    @property
    def array(self) -> object:
        return self._data


def _references(tensor: Any) -> int:
    """The number of references to the array of a Tensor, including those of this function."""
    array = tensor.array
    return sys.getrefcount(array)


_ALONE = _references(_Held(object()))  # if nothing but the Tensor refers to the array; it depends on Python's version


def donatable(tensor: Tensor) -> jax.Array:
    """The array of a Tensor of the state, or a copy if other Tensors, such as a clone, have the same array.

    A step donates the array, so that it is gone afterwards.
    """
    return tensor.array if _references(tensor) <= _ALONE else jnp.copy(tensor.array)



def packed(state: Mapping[Tensor, Any], groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """States and groups with parameters replaced by their numbers."""
    numbers: dict[int, int] = {}
    for group in groups:
        for param in group["params"]:
            numbers.setdefault(id(param), len(numbers))
    saved = {numbers.get(id(key), key) if isinstance(key, Tensor) else key: value for key, value in state.items()}
    return {
        "state": {key: value for key, value in saved.items() if value != {}},
        "param_groups": [{**group, "params": [numbers[id(param)] for param in group["params"]]} for group in groups],
    }


def unpacked(
    state_dict: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]
) -> tuple[dict[Any, Any], list[dict[str, Any]]]:
    """States by parameter, and groups with their parameters.

    Raises:
        ValueError: the groups have other numbers of parameters.
    """
    saved = state_dict["param_groups"]
    sizes, own = ([len(group["params"]) for group in g] for g in (saved, groups))
    if sizes != own:
        raise ValueError(f"the saved groups have {sizes} parameters; the groups of this optimizer have {own}")
    pairs = (zip(new["params"], group["params"], strict=True) for new, group in zip(saved, groups, strict=True))
    params = {number: param for of_group in pairs for number, param in of_group}
    state = {}
    for key, value in state_dict["state"].items():
        param = params.get(key)
        state[key if param is None else param] = value if param is None else _restored(value, param)
    loaded = []
    for new, group in zip(saved, groups, strict=True):
        names = {"param_names": group["param_names"]} if "param_names" in group else {}
        loaded.append({**group, **new, "params": group["params"], **names})
    return state, loaded


def fitting(optimizer: str, state: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    """Raises ValueError if a state is not one of this optimizer; `first` has the shapes of its state."""
    missing = sorted(first.keys() - state.keys())
    other = sorted(n for n in first.keys() & state.keys() if tuple(state[n].shape) != tuple(first[n].shape))
    if missing or other:
        problem = f"it lacks {', '.join(missing)}" if missing else f"{', '.join(other)} have other shapes"
        raise ValueError(f"the saved state of a parameter is not one of {optimizer}: {problem}")


def _restored(value: Any, param: Tensor, name: str = "") -> Any:
    """A copy of a saved state. Floating-point arrays get the dtype of the parameter, except the count of steps.

    Torch's older files have None for a momentum that was not used, and a number for the count of steps.
    """
    if isinstance(value, Mapping):
        return {key: _restored(item, param, key) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return type(value)(_restored(item, param) for item in value)
    if name == "step":
        return Tensor.wrap(jnp.array(_on_host(value), jnp.float32))
    if isinstance(value, Tensor) or hasattr(value, "shape"):
        array = _on_host(value)
        floating = jnp.issubdtype(array.dtype, jnp.inexact) and array.ndim
        return Tensor.wrap(jnp.array(array, param.dtype if floating else None))
    return value


def _on_host(value: Any) -> Any:
    """An array of jax or numpy from a Tensor, from a tensor of torch or from an array. Torch itself is not needed."""
    if isinstance(value, Tensor):
        return as_array(value)
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value  # numpy lacks bfloat16
    return np.asarray(value)
