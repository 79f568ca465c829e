"""Pure functions compiled for the eager face: alone, and together with their pullback."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["Form", "Operation", "Recorded", "differentiable"]

# XLA fuses these into the operations around them, so that computing them again costs less than storing their results.
# A ResNet then stores the inputs and outputs of its convolutions, as torch does, and not each step of a batch norm.
CHEAP = frozenset((
    "abs", "add", "and", "broadcast_in_dim", "ceil", "convert_element_type", "copy", "cos", "div", "eq", "erf", "exp",
    "expm1", "floor", "ge", "gt", "integer_pow", "iota", "is_finite", "le", "log", "log1p", "logistic", "lt", "max",
    "min", "mul", "ne", "neg", "not", "or", "pad", "pow", "reshape", "rev", "round", "rsqrt", "select_n", "sign",
    "sin", "slice", "split", "sqrt", "square", "squeeze", "stop_gradient", "sub", "tanh", "transpose", "xor",
))  # fmt: skip
ARRAY = object()  # marks the place of an array in a Form


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _Static:
    """A static part of the result of a compiled function."""

    value: Any


class Form(NamedTuple):
    """A call without its arrays: the tree of its arguments and, for each leaf, ARRAY or (type, value).

    The type is included because 1, 1.0 and True are equal, but a function may treat them differently.
    """

    structure: Any
    leaves: tuple[Any, ...]

    def call(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """Calls the function with these arrays in the places of ARRAY."""
        remaining = iter(arrays)
        leaves = [next(remaining) if leaf is ARRAY else leaf[1] for leaf in self.leaves]
        args, kwargs = jax.tree.unflatten(self.structure, leaves)
        return function(*args, **kwargs)


class Recorded(NamedTuple):
    """The result of `Operation.record`.

    Attributes:
        output: the output of the function.
        aux: its second result, which is not differentiated.
        pullback: a function from cotangents, one for each differentiable leaf of the output, to cotangents, one for
            each chosen array.
        holds_arrays: whether the pullback keeps arrays alive.
        used: the numbers of those arrays of the call whose values the pullback needs.
        holds_results: whether the pullback also keeps arrays that are not arrays of the call.
    """

    output: Any
    aux: Any
    pullback: Callable[[list[jax.Array]], Sequence[jax.Array]]
    holds_arrays: bool
    used: frozenset[int]
    holds_results: bool


class Operation:
    """A pure function, compiled once for every form of call (and by jax for every set of shapes).

    Args:
        function: the function.
        name: its name in errors.
        has_aux: the function returns `(output, aux)`, and `aux` is not differentiated.
        jit: whether to compile the function and its pullback. Without compilation the function may inspect values.
        recompute: store only those intermediates for the pullback that are costly to compute, and compute the others
            again. It is for long functions.
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
        self.pullbacks: dict[Any, Operation] = {}  # the pullbacks as operations, for a recorded backward pass

    def run(self, form: Form, arrays: Sequence[Any]) -> tuple[Any, Any]:
        """(output, aux), without a pullback."""
        return self._compiled(self._run, form, lambda: functools.partial(_run, self.function, form))(arrays)

    def record(self, form: Form, arrays: Sequence[Any], chosen: tuple[bool, ...]) -> Recorded:
        """The output, and the pullback to the chosen arrays."""
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
        return Recorded(jax.tree.unflatten(structure.value, merged), aux, pullback, bool(leaves), used, bool(residuals))

    def _compiled(self, cache: dict[Any, Any], key: Any, make: Callable[[], Any]) -> Any:
        if not self.jit:
            return make()
        try:
            found = cache.get(key)
        except TypeError as error:
            raise TypeError(
                f"{self.name} is compiled once for each set of options, so each argument must be a Tensor, an array or "
                f"hashable: {error}"
            ) from None
        if found is None:
            found = cache[key] = jax.jit(make())
        return found


def differentiable(x: Any) -> bool:
    """Whether an array can be differentiated: whether its dtype is floating-point or complex."""
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
    """The differentiable outputs, the other results, and the pullback in parts that a compiled function can return.

    A leaf of the pullback that is an array of the call is not returned. Its number is returned instead, so that the
    array is neither copied nor stored twice.
    """
    fixed = [array for array, pick in zip(arrays, chosen, strict=True) if not pick]

    def of_chosen(*picked: Any) -> Any:
        output, aux = jax.tree.map(_array, form.call(function, _merge(chosen, picked, fixed)))
        leaves, structure = jax.tree.flatten(output)
        real = [leaf for leaf in leaves if differentiable(leaf)]
        return real, (_Static(structure), [None if differentiable(leaf) else leaf for leaf in leaves], aux)

    if recompute:  # prevent_cse is not needed: forward and backward are two programs, so XLA cannot merge them
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
    """Two lists interleaved: an item of `picked` where the mask is set, of `others` elsewhere."""
    first, second = iter(picked), iter(others)
    return [next(first) if pick else next(second) for pick in mask]


def _array(leaf: Any) -> jax.Array:
    """An array whose dtype is not weak. In jax Python numbers have weak dtypes."""
    leaf = jnp.asarray(leaf)
    return lax.convert_element_type(leaf, leaf.dtype) if jax.typeof(leaf).weak_type else leaf
