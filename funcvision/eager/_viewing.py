"""Functions whose results are views: a write to a result changes the elements of the argument that it shows."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ._lift import lift

__all__ = ["viewing"]

Strides = tuple[int, ...]


def viewing(
    function: Callable[..., Any], strides: Callable[..., Strides], put: Callable[..., jax.Array] | None = None,
    name: str = "",
) -> Callable[..., Any]:
    """Lifts a function that selects elements of its first argument. Its result, or each of several, is a view.

    Args:
        function: the pure function.
        strides: a function of the strides of the first argument, and of the other arguments, to those of the result.
        put: a pure function of the first argument, a new value of the view, and the other arguments, to the first
            argument with these elements. By default the places of the elements are found by `function` itself.
        name: the name of the result; by default that of the function.
    """
    function.__name__ = function.__qualname__ = name or function.__name__
    lifted, write = lift(function), lift(put or functools.partial(_replaced, function))

    @functools.wraps(function)
    def viewed(input: Any, *args: Any, **kwargs: Any) -> Any:
        result = lifted(input, *args, **kwargs)
        steps = strides(input.strides, *args, **kwargs)
        if not isinstance(result, tuple):
            return input._has_view(
                result, lambda base: lifted(base, *args, **kwargs),
                lambda base, value: write(base, value, *args, **kwargs), steps,
            )
        for place, part in enumerate(result):
            input._has_view(
                part, lambda base, place=place: lifted(base, *args, **kwargs)[place],
                lambda base, value, place=place: write(base, value, *args, part_of_result=place, **kwargs), steps,
            )
        return result

    return viewed


def _replaced(
    function: Callable[..., Any], base: jax.Array, value: jax.Array, *args: Any, part_of_result: int | None = None,
    **kwargs: Any,
) -> jax.Array:
    """The base with those elements replaced that `function` selects."""
    places = function(jnp.arange(base.size).reshape(base.shape), *args, **kwargs)
    places = places if part_of_result is None else places[part_of_result]
    return base.reshape(-1).at[places.reshape(-1)].set(value.reshape(-1)).reshape(base.shape)
