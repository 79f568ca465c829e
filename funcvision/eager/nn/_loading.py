"""Values of a `state_dict` on their way into a module."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._limits import check_integers
from .._state_dict import loaded, on_host

__all__ = ["load"]


def load(module: Any, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> tuple[list[str], list[str]]:
    """Writes the values and returns the names that are missing, and those that are unexpected.

    Raises:
        RuntimeError: see `Module.load_state_dict`.
    """
    own = module.state_dict(keep_vars=True)
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    arrays = {name: on_host(state_dict[name], own[name]) for name in own if name in state_dict}
    faults = []
    if strict and unexpected:
        faults.append("Unexpected key(s) in state_dict: " + ", ".join(f'"{name}"' for name in unexpected) + ".")
    if strict and missing:
        faults.append("Missing key(s) in state_dict: " + ", ".join(f'"{name}"' for name in missing) + ".")
    faults += [
        f"size mismatch for {name}: the given shape is {tuple(array.shape)}, that of the module is "
        f"{tuple(own[name].shape)}."
        for name, array in arrays.items() if tuple(array.shape) != tuple(own[name].shape)
    ]
    if faults:
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(faults))
    values = {}
    for name, array in arrays.items():
        dtype = own[name].array.dtype
        if assign and array.dtype.kind == dtype.kind:
            dtype = np.dtype(array.dtype)
        elif dtype.kind in "iu" and array.dtype.kind in "iu":
            check_integers(np.asarray(array), dtype, f"{name} is")
        values[name] = loaded(name, array, dtype)
    for name, value in values.items():
        own[name].array = value
    return missing, unexpected
