"""Pure functions compiled for the eager face: alone, and together with their derivative."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["Form", "Operation", "Recorded", "differentiable"]

# What XLA merges into the operations around it, so that computing it again costs less than memory. A ResNet then holds
# the inputs and outputs of its convolutions, as torch does, in place of every step of a batch normalisation.
CHEAP = frozenset((
    "abs", "add", "and", "broadcast_in_dim", "ceil", "convert_element_type", "copy", "cos", "div", "eq", "erf", "exp",
    "expm1", "floor", "ge", "gt", "integer_pow", "iota", "is_finite", "le", "log", "log1p", "logistic", "lt", "max",
    "min", "mul", "ne", "neg", "not", "or", "pad", "pow", "reshape", "rev", "round", "rsqrt", "select_n", "sign",
    "sin", "slice", "split", "sqrt", "square", "squeeze", "stop_gradient", "sub", "tanh", "transpose", "xor",
))  # fmt: skip
ARRAY = object()  # stands in a Form where the call had an array


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _Static:
    """What a compiled function knows of its result beyond the arrays."""

    value: Any


class Form(NamedTuple):
    """A call less its arrays: the tree of its arguments and, for each leaf, ARRAY or (type, value).

    The type is there because 1, 1.0 and True are equal, and functions may tell them apart.
    """

    structure: Any
    leaves: tuple[Any, ...]

    def call(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """Calls the function with these arrays in their places."""
        remaining = iter(arrays)
        leaves = [next(remaining) if leaf is ARRAY else leaf[1] for leaf in self.leaves]
        args, kwargs = jax.tree.unflatten(self.structure, leaves)
        return function(*args, **kwargs)


class Recorded(NamedTuple):
    """Result of `Operation.record`.

    output: what the function returned, `aux` apart.
    aux: its second result, if it is not to be differentiated.
    pullback: a list of cotangents, one for each differentiable leaf of the output -> one for each chosen array.
    holds_arrays: whether the pullback keeps arrays alive.
    used: which of the arrays of the call the pullback needs the values of.
    """

    output: Any
    aux: Any
    pullback: Callable[[list[jax.Array]], Sequence[jax.Array]]
    holds_arrays: bool
    used: frozenset[int]


class Operation:
    """A pure function, compiled once for every form of call (and by jax for every set of shapes).

    name: what errors call it.
    has_aux: the function returns `(output, aux)`, and `aux` is not differentiated.
    jit: False runs it, and its derivative, uncompiled: then it may look at values.
    recompute: hold for the derivative what is costly to compute, and compute the rest again. For long functions.
    """

    def __init__(
        self, function: Callable[..., Any], *, name: str, has_aux: bool = False, jit: bool = True,
        recompute: bool = False,
    ):
        self.function = function if has_aux else _without_aux(function)
        self.recompute = recompute and jit
        self.name = name
        self.jit = jit
        self._run: dict[Form, Callable[..., Any]] = {}
        self._linearized: dict[tuple[Form, tuple[bool, ...]], Callable[..., Any]] = {}
        self._pull = jax.jit(_pull) if jit else _pull

    def run(self, form: Form, arrays: Sequence[Any]) -> tuple[Any, Any]:
        """(output, aux), with nothing kept for a derivative."""
        return self._compiled(self._run, form, lambda: functools.partial(_run, self.function, form))(arrays)

    def record(self, form: Form, arrays: Sequence[Any], chosen: tuple[bool, ...]) -> Recorded:
        """Output and pullback for the derivative with respect to the chosen arrays."""
        linearize = self._compiled(
            self._linearized, (form, chosen),
            lambda: functools.partial(_linearize, self.function, form, chosen, self.recompute),
        )
        real, (structure, others, aux), residuals, layout = linearize(arrays)
        pullback_structure, sources = layout.value
        remaining = iter(residuals)
        leaves = [next(remaining) if source is None else arrays[source] for source in sources]
        pullback = functools.partial(self._pull, jax.tree.unflatten(pullback_structure, leaves))
        merged = _merge([other is None for other in others], real, [other for other in others if other is not None])
        used = frozenset(source for source in sources if source is not None)
        return Recorded(jax.tree.unflatten(structure.value, merged), aux, pullback, bool(leaves), used)

    def _compiled(self, cache: dict[Any, Any], key: Any, make: Callable[[], Any]) -> Any:
        if not self.jit:
            return make()
        try:
            found = cache.get(key)
        except TypeError as error:
            raise TypeError(
                f"{self.name} takes Tensors, arrays, and options that can be hashed and so tell compiled versions "
                f"apart; among them is one that cannot: {error}"
            ) from None
        if found is None:
            found = cache[key] = jax.jit(make())
        return found


def differentiable(x: Any) -> bool:
    """Whether an array has a derivative: whether it is of a floating-point or complex type."""
    return jnp.issubdtype(x.dtype, jnp.inexact)


def _without_aux(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def with_none(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs), None

    return with_none


def _run(function: Callable[..., Any], form: Form, arrays: Sequence[Any]) -> Any:
    return jax.tree.map(_array, form.call(function, arrays))


def _linearize(
    function: Callable[..., Any], form: Form, chosen: tuple[bool, ...], recompute: bool, arrays: Sequence[Any]
) -> Any:
    """What `Operation.record` needs.

    Leaves of the pullback that are arrays of the call are not returned but named by their place, so that they are
    neither copied nor held twice.
    """
    fixed = [array for array, pick in zip(arrays, chosen, strict=True) if not pick]

    def of_chosen(*picked: Any) -> Any:
        output, aux = jax.tree.map(_array, form.call(function, _merge(chosen, picked, fixed)))
        leaves, structure = jax.tree.flatten(output)
        real = [leaf for leaf in leaves if differentiable(leaf)]
        return real, (_Static(structure), [None if differentiable(leaf) else leaf for leaf in leaves], aux)

    if recompute:  # forward and backward are two programs, so that nothing could undo it: prevent_cse is not needed
        of_chosen = jax.checkpoint(of_chosen, policy=_is_costly, prevent_cse=False)
    picked = [array for array, pick in zip(arrays, chosen, strict=True) if pick]
    real, pullback, rest = jax.vjp(of_chosen, *picked, has_aux=True)
    leaves, structure = jax.tree.flatten(pullback)
    places = {id(array): place for place, array in enumerate(arrays)}
    sources = tuple(places.get(id(leaf)) for leaf in leaves)
    residuals = [leaf for leaf, source in zip(leaves, sources, strict=True) if source is None]
    return real, rest, residuals, _Static((structure, sources))


def _is_costly(primitive: Any, *args: Any, **params: Any) -> bool:
    return primitive.name not in CHEAP


def _pull(pullback: Callable[..., Any], cotangents: list[jax.Array]) -> Any:
    return pullback(cotangents)


def _merge(mask: Sequence[bool], picked: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """One list of two: from the first where the mask is set."""
    first, second = iter(picked), iter(others)
    return [next(first) if pick else next(second) for pick in mask]


def _array(leaf: Any) -> jax.Array:
    """An array of a definite dtype: jax lets Python numbers keep an indefinite ("weak") one."""
    leaf = jnp.asarray(leaf)
    return lax.convert_element_type(leaf, leaf.dtype) if jax.typeof(leaf).weak_type else leaf
