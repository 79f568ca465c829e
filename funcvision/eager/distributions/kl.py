"""The Kullback-Leibler divergence, and a registry of its formulas."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._lift import lift
from .distribution import Distribution

__all__ = ["kl_divergence", "lifted_kl", "register_kl"]

_formulas: dict[tuple[type, type], Callable[..., Any]] = {}
_found: dict[tuple[type, type], Callable[..., Any] | None] = {}


def register_kl(type_p: type, type_q: type) -> Callable[..., Any]:
    """A decorator that registers a function of (p, q) as the divergence of two types of distributions.

    The function is also used for subclasses, unless there is a function for more specific types.
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected a subclass of Distribution but got {kind}")

    def registered(function: Callable[..., Any]) -> Callable[..., Any]:
        _formulas[type_p, type_q] = function
        _found.clear()
        return function

    return registered


def _in_one_dtype(tree: Any) -> Any:
    """A tree with its arrays in the widest of their dtypes."""
    arrays = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array | np.ndarray)]
    with jax.numpy_dtype_promotion("standard"):
        dtype = functools.reduce(jnp.promote_types, [array.dtype for array in arrays])
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if isinstance(leaf, jax.Array | np.ndarray) else leaf, tree)


def lifted_kl(*pairs: tuple[type, type], check: Callable[..., None] | None = None) -> Callable[..., Any]:
    """A decorator that registers a formula on arrays for pairs of types. It runs as one node of the graph.

    Args:
        pairs: the types of p and q.
        check: a function of (p, q) that raises an error if their values are not supported.
    """

    def registered(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def of_one_dtype(p: Any, q: Any) -> Any:
            return function(*_in_one_dtype((p, q)))

        operation = lift(of_one_dtype)

        @functools.wraps(function)
        def of_batch(p: Any, q: Any) -> Any:
            if p.batch_shape != q.batch_shape:
                shape = np.broadcast_shapes(p.batch_shape, q.batch_shape)
                p, q = p.expand(shape), q.expand(shape)
            if check is not None:
                check(p, q)
            return operation(p, q)

        for pair in pairs:
            register_kl(*pair)(of_batch)
        return function

    return registered


def _formula(type_p: type, type_q: type) -> Callable[..., Any] | None:
    """The registered function for the most specific types that these are, or None."""
    orders = {kind: {base: place for place, base in enumerate(kind.__mro__)} for kind in (type_p, type_q)}
    matches = [pair for pair in _formulas if pair[0] in orders[type_p] and pair[1] in orders[type_q]]
    if not matches:
        return None
    places = {pair: (orders[type_p][pair[0]], orders[type_q][pair[1]]) for pair in matches}
    by_p = min(matches, key=lambda pair: places[pair])
    by_q = min(matches, key=lambda pair: places[pair][::-1])
    if _formulas[by_p] is not _formulas[by_q]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({by_p[0].__name__}, {by_q[1].__name__})",
            RuntimeWarning, stacklevel=3,
        )
    return _formulas[by_p]


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """The Kullback-Leibler divergence KL(p || q) of each pair of the batches.

    Raises:
        NotImplementedError: no formula is registered for these types.

    >>> from funcvision.eager.distributions import Normal
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    pair = type(p), type(q)
    if pair not in _found:
        _found[pair] = _formula(*pair)
    formula = _found[pair]
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return formula(p, q)
