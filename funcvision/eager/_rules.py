"""Functions with derivatives in torch's form, which are finite at some points where those of jax are not."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

__all__ = ["with_rules"]


def with_rules(function: Callable[..., jax.Array], *rules: Callable[..., Any]) -> Callable[..., jax.Array]:
    """An elementwise function of arrays of one shape and dtype, with these derivatives.

    Args:
        function: the function.
        rules: for each argument, `rule(tangent, result, *arguments)` is the change of the result for a change of the
            argument, and is linear in the tangent. Where nothing flows, mask the tangent by `jnp.where`, because 0
            times infinity is NaN.
    """

    @jax.custom_jvp
    @functools.wraps(function)
    def ruled(*args: jax.Array) -> jax.Array:
        return function(*args)

    def jvp(args: tuple[jax.Array, ...], tangents: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
        result = ruled(*args)
        pairs = zip(rules, tangents, strict=True)
        terms = [rule(tangent, result, *args) for rule, tangent in pairs if not isinstance(tangent, SymbolicZero)]
        return result, functools.reduce(operator.add, terms) if terms else jnp.zeros_like(result)

    ruled.defjvp(jvp, symbolic_zeros=True)
    return ruled
