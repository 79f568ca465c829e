"""The compiled step of all optimizers."""

import dataclasses
import functools
import types
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["Options", "State", "update"]

State = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of a group that determine what is compiled: flags, and for each number whether it is not 0."""

    items: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, defaults: Mapping[str, Any], group: Mapping[str, Any], static: tuple[str, ...]) -> "Options":
        """The options of a group. `static` names options that are static though they are not flags."""
        values = ((name, group[name]) for name in defaults)
        return cls(tuple((n, v if n in static or isinstance(v, bool | None) else _is_not_zero(v)) for n, v in values))

    def uses(self, name: str) -> bool:
        """Whether a number is not 0, such as a momentum."""
        return self[name]

    def __getitem__(self, name: str) -> Any:
        return dict(self.items).get(name)


def _is_not_zero(value: Any) -> bool:
    return isinstance(value, tuple | list) or bool(value != 0)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=5)
def update(algorithm: Any, flags: Any, numbers: Any, arrays: Any, gradients: Any, states: Any) -> Any:
    """The new parameters and states of all groups. Each parameter is updated by itself.

    States are donated, because only the Tensors in `Optimizer.state` refer to them. Parameters are not donated, because
    views and recorded operations refer to them.

    Args:
        algorithm: the class of the optimizer.
        flags: for each group its `Options`, and for each parameter which of the numbers it uses.
        numbers: for each group a list of dicts of numbers, one for each count of steps that parameters have.
        arrays: for each group the parameters.
        gradients: for each group the gradients.
        states: for each group the states, dicts of arrays.
    """
    new_arrays, new_states = [], []
    for (options, places), values, *group in zip(flags, numbers, arrays, gradients, states, strict=True):
        given = functools.cache(functools.partial(_numbers, values))
        pairs = [
            _updated(algorithm, options, given(place, array.dtype), array, gradient, state)
            for place, array, gradient, state in zip(places, *group, strict=True)
        ]
        new_arrays.append([array for array, _ in pairs])
        new_states.append([state for _, state in pairs])
    return new_arrays, new_states


def _wide(dtype: Any) -> Any:
    """The real dtype in which a parameter is updated: parameters of less than 32 bits are updated in float32."""
    return jnp.float64 if dtype in (jnp.float64, jnp.complex128) else jnp.float32


def _numbers(values: Any, place: int, dtype: Any) -> types.SimpleNamespace:
    """The numbers for a parameter of this dtype. `dtype` is one of them."""
    wide = _wide(dtype)
    return types.SimpleNamespace(
        **{name: jnp.asarray(value).astype(wide) for name, value in values[place].items()}, dtype=dtype
    )


def _updated(algorithm: Any, options: Any, numbers: Any, array: Any, gradient: Any, state: Any) -> Any:
    """The new value and state of one parameter. Complex parameters are updated as pairs of real numbers."""
    wide = _wide(array.dtype)
    wider = {name: _real(value, wide) for name, value in state.items() if name != "step"}
    gradient = _real(gradient, wide)
    gradient = -gradient if options["maximize"] else gradient
    new, changed = algorithm.update(options, numbers, gradient, _real(array, wide), wider)
    new_state = {name: _like(changed.get(name, value), state[name]) for name, value in wider.items()}
    if "step" in state:
        new_state["step"] = state["step"] + 1
    return _like(new, array), new_state


def _real(array: Any, dtype: Any) -> Any:
    """The array in this real dtype; real and imaginary parts in a last axis if it is complex."""
    if jnp.iscomplexobj(array):
        return jnp.stack([array.real, array.imag], -1).astype(dtype)
    return array.astype(dtype)


def _like(array: Any, old: Any) -> Any:
    """The inverse of `_real`."""
    if jnp.iscomplexobj(old):
        return jax.lax.complex(array[..., 0], array[..., 1]).astype(old.dtype)
    return array.astype(old.dtype)
