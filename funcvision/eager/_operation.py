"""Pure functions compiled for the eager face: alone, and together with their pullback."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from ._lengths import HostFunctions, Lengths
from ._tiered import INTERPRETED_CALLS, Tiered, is_committed, is_small, on_device

__all__ = ["ARRAY", "Form", "Operation", "Program", "any_traced", "conjugated", "differentiable"]

# XLA fuses these into the operations around them, so that computing them again costs less than storing their results.
# A ResNet then stores the inputs and outputs of its convolutions, as torch does, and not each step of a batch norm.
CHEAP = frozenset((
    "abs", "add", "and", "broadcast_in_dim", "ceil", "convert_element_type", "copy", "cos", "div", "eq", "erf", "exp",
    "expm1", "floor", "ge", "gt", "integer_pow", "iota", "is_finite", "le", "log", "log1p", "logistic", "lt", "max",
    "min", "mul", "ne", "neg", "not", "or", "pad", "pow", "reshape", "rev", "round", "rsqrt", "select_n", "sign",
    "sin", "slice", "split", "sqrt", "square", "squeeze", "stop_gradient", "sub", "tanh", "transpose", "xor",
))  # fmt: skip
MOST_PROGRAMS = 1000  # of one operation; if there are more, those that are interpreted are forgotten
ARRAY = object()  # marks the place of an array in a Form


class Form(NamedTuple):
    """A call without its arrays: the structure of its arguments and, for each leaf, ARRAY or (type, value).

    The type is included because 1, 1.0 and True are equal, but a function may treat them differently.

    Attributes:
        structure: the tree of (args, kwargs); or, if every argument is a leaf, the names of the keyword arguments.
        leaves: the leaves of the tree, or the arguments.
    """

    structure: Any
    leaves: tuple[Any, ...]

    def call(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """Calls the function with these arrays in the places of ARRAY."""
        remaining = iter(arrays)
        leaves = [next(remaining) if leaf is ARRAY else leaf[1] for leaf in self.leaves]
        if isinstance(self.structure, tuple):
            first = len(leaves) - len(self.structure)
            return function(*leaves[:first], **dict(zip(self.structure, leaves[first:], strict=True)))
        args, kwargs = jax.tree.unflatten(self.structure, leaves)
        return function(*args, **kwargs)


class Operation:
    """A pure function, compiled or interpreted for every form of call and every set of shapes.

    Args:
        function: the function.
        name: its name in errors.
        has_aux: the function returns `(output, aux)`, and `aux` is not differentiated.
        jit: whether to compile the function and its pullback. Without compilation the function may inspect values.
        recompute: store only those intermediates for the pullback that are costly to compute, and compute the others
            again. It is for long functions, which are not interpreted.
        on_host: makes the functions that compute a call in numpy; see `_joining`.
        any_length: whether one trace may serve arrays of any length; by default only of functions of this package.
    """

    def __init__(
        self, function: Callable[..., Any], *, name: str, has_aux: bool = False, jit: bool = True,
        recompute: bool = False, on_host: Callable[..., HostFunctions | None] | None = None,
        any_length: bool | None = None,
    ):
        self.function = function if has_aux else _without_aux(function)
        self.recompute = recompute and jit
        self.name = name
        self.jit = jit
        self._programs: dict[Any, Program] = {}
        self.compiled_only: set[Form] = set()  # forms that the interpreter cannot run
        # A function of the user may compare a size with a number, which a trace for all lengths would answer wrongly.
        if any_length is None:
            any_length = getattr(getattr(function, "func", function), "__module__", "").startswith("funcvision.")
        self.lengths, self.on_host = Lengths() if any_length else None, on_host
        self.pullbacks: dict[Any, Operation] = {}  # by the form of the call; see `_recorded_backward`

    def program(self, key: Sequence[Any], arrays: Sequence[Any], is_traced: bool) -> "Program":
        """What runs a call on arrays of these shapes and dtypes.

        Args:
            key: the structure of the arguments, the dtypes of numbers, and a tuple for each leaf; see
                `record`.
            arrays: the arrays and numbers of the call.
            is_traced: jax traces an array, so the function is called as it is.
        """
        if is_traced or not self.jit:
            return Program(self, *_call(key))
        key = tuple(key)
        try:
            found = self._programs.get(key)
        except TypeError as error:
            raise TypeError(
                f"{self.name} is compiled once for each set of options, so each argument must be a Tensor, an array or "
                f"hashable: {error}"
            ) from None
        if found is None or (type(found) is HostProgram and not found.is_for(arrays)):
            found = self._made(key, arrays, found is None)
            if len(self._programs) >= MOST_PROGRAMS:  # shapes that are seldom used would fill the memory
                self._programs = {key: program for key, program in self._programs.items() if program.is_final}
            self._programs[key] = found
        return found

    def _made(self, key: tuple[Any, ...], arrays: Sequence[Any], is_new: bool) -> "Program":
        """A program for a call. `is_new` says that there was none that runs on the host."""
        found = Program(self, *_call(key))
        interpret = not self.recompute and found.form not in self.compiled_only and is_small(arrays)
        if interpret and is_new and not is_committed(arrays):
            if self.on_host is not None:
                functions = self.on_host(found.form, found.mask, [part[:2] for part in key[2:] if len(part) == 4])
            elif self.lengths is None:
                functions = None
            else:
                functions = self.lengths.find(key, lambda: Program(self, found.form, found.mask))
            if functions is not None:
                return HostProgram(self, found.form, found.mask, functions)
        found.make(interpret and is_new)
        return found


def _call(key: Sequence[Any]) -> tuple[Form, tuple[bool, ...]]:
    """The form of a call and, for each of its arrays, whether it is differentiated."""
    structure, _, *parts = key
    form = Form(structure, tuple(part if isinstance(part[0], type) else ARRAY for part in parts))
    return form, tuple(len(part) == 4 and part[3] for part in parts if not isinstance(part[0], type))


class Program:
    """An operation for one form of call, one choice of arrays to differentiate, and one set of shapes and dtypes.

    Args:
        operation: the operation.
        form: the form of the call.
        mask: for each array of the call whether to differentiate it. If none is, there is no pullback.

    Attributes:
        operation: the operation.
        form: the form of the call.
        mask: as given.
        chosen: the numbers of the arrays that are differentiated.
        used: the numbers of those arrays of the call whose values the pullback needs. It is known after a call.
        outputs: shape and dtype of each differentiable leaf of the output. It is known after a call.
        held: for each array that the pullback holds, the number of the array of the call that it is, or minus one minus
            the number of the differentiable output that it is. None if it holds any other array. It is known after a
            call.
        bound_pull: the method `pull`.
        pullback: the pullback as an operation, if there was a recorded backward pass.
        sources: the numbers of what the pullback needs, among the arrays of the call and then the results.
        is_single: whether the output is one array and there is no second result.
        forward: computes, from the arrays of the call, the leaves of (output, aux) and what the pullback needs besides.
    """

    def __init__(self, operation: Operation, form: Form, mask: tuple[bool, ...]):
        self.operation, self.form, self.mask = operation, form, mask
        self.chosen = [place for place, pick in enumerate(mask) if pick]
        self.used: list[int] = []
        self.sources: list[int] = []
        self.outputs: list[jax.ShapeDtypeStruct] = []
        self.held: list[int] | None = None
        self.pullback: Operation | None = None
        self.is_single = False
        self.forward: Callable[..., Sequence[Any]] = self._flat
        self.bound_pull = self.pull  # made once, and not at each call
        self._backward: Tiered | None = None  # None before the first backward pass
        self._tiered: Tiered | None = None  # None if the function is neither compiled nor interpreted

    def make(self, interpret: bool) -> None:
        """Compiles the function, or interprets its first calls. Without this the function is called as it is."""
        self._tiered = tiered = Tiered(self._flat, self.operation.name, interpret)
        self.forward = functools.partial(self._first_calls, tiered) if interpret else tiered.call

    @property
    def is_final(self) -> bool:
        """Whether the function is compiled, and not interpreted any more."""
        return self._tiered is not None and self._tiered.is_final

    def _first_calls(self, tiered: Tiered, *arrays: Any) -> Sequence[Any]:
        results = tiered.call(*arrays)
        if tiered.refuses_all_shapes:
            self.operation.compiled_only.add(self.form)
        if tiered.is_final:
            self.forward = tiered.call
        return results

    def tree(self, results: Sequence[Any]) -> tuple[Any, Any]:
        """(output, aux) from the results."""
        leaves = [on_device(result) for result in results[: self._structure.num_leaves]]
        return jax.tree.unflatten(self._structure, leaves)

    def pull(self, residuals: Sequence[Any], cotangents: Sequence[jax.Array]) -> Sequence[jax.Array]:
        """The cotangents of the chosen arrays, from those of the differentiable leaves of the output."""
        if self._tiered is None or any_traced(cotangents):
            return self.flat_pullback(*residuals, *cotangents)
        if self._backward is None:
            interpret = self._tiered.interprets and not self._tiered.refused
            self._backward = Tiered(self.flat_pullback, f"{self.operation.name}_backward", interpret)
        found = self._backward.call(*residuals, *cotangents)
        return found if self._backward.is_final else [on_device(array) for array in found]

    def _flat(self, *arrays: Any) -> list[Any]:
        """The leaves of (output, aux), and what the pullback needs besides. It notes how the parts are to be used.

        What the pullback needs and is an array of the call, or a leaf of the output, is not returned a second time.
        """
        function, chosen = self.operation.function, self.mask
        if not self.chosen:
            leaves, self._structure = jax.tree.flatten(jax.tree.map(_array, self.form.call(function, arrays)))
            self.is_single = self._structure == _SINGLE
            return leaves
        fixed = [array for array, pick in zip(arrays, chosen, strict=True) if not pick]

        def of_chosen(*picked: Any) -> Any:
            output, aux = jax.tree.map(_array, self.form.call(function, _merge(chosen, picked, fixed)))
            is_real = [differentiable(leaf) for leaf in jax.tree.leaves(output)]
            leaves, self._structure = jax.tree.flatten((output, aux))
            self.is_single = self._structure == _SINGLE
            is_real += [False] * (len(leaves) - len(is_real))
            real = [leaf for leaf, pick in zip(leaves, is_real, strict=True) if pick]
            return real, (_Static(is_real), [leaf for leaf, pick in zip(leaves, is_real, strict=True) if not pick])

        if self.operation.recompute:  # prevent_cse is not needed: forward and backward are two programs
            of_chosen = jax.checkpoint(of_chosen, policy=_is_costly, prevent_cse=False)
        picked = [array for array, pick in zip(arrays, chosen, strict=True) if pick]
        real, pullback, (is_real, others) = jax.vjp(of_chosen, *picked, has_aux=True)
        results = _merge(is_real.value, real, others)
        residuals, self._pullback_structure = jax.tree.flatten(pullback)
        places = {id(array): place for place, array in enumerate([*arrays, *results])}
        for residual in residuals:
            if places.setdefault(id(residual), len(arrays) + len(results)) == len(arrays) + len(results):
                results.append(residual)
        self.sources = [places[id(residual)] for residual in residuals]
        real_places = [place for place, pick in enumerate(is_real.value, len(arrays)) if pick]
        held = {**{i: i for i in range(len(arrays))}, **{place: -1 - i for i, place in enumerate(real_places)}}
        is_known = all(source in held for source in self.sources)
        self.held = [held[source] for source in self.sources] if is_known else None
        self.used = sorted({source for source in self.sources if source < len(arrays)})
        self.outputs = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in real]
        return results

    def recomputed_pullback(self, arrays: Sequence[Any], cotangents: list[jax.Array]) -> list[jax.Array]:
        """The cotangents of the chosen arrays, from all arrays of the call and the cotangents of the outputs."""

        def outputs(*picked: jax.Array) -> list[jax.Array]:
            given = dict(zip(self.chosen, picked, strict=True))
            output, _ = self.form.call(self.operation.function, [given.get(place, x) for place, x in enumerate(arrays)])
            return [leaf for leaf in map(jnp.asarray, jax.tree.leaves(output)) if differentiable(leaf)]

        pullback = jax.vjp(outputs, *(arrays[place] for place in self.chosen))[1]
        return conjugated(pullback(conjugated(cotangents)))

    def flat_pullback(self, *arrays: Any) -> list[Any]:
        """The cotangents of the chosen arrays, from what the pullback holds and the cotangents of the outputs."""
        count = self._pullback_structure.num_leaves
        return conjugated(jax.tree.unflatten(self._pullback_structure, arrays[:count])(conjugated(arrays[count:])))


class HostProgram(Program):
    """A program that numpy runs without a trace of its own. After some calls a compiled program takes its place.

    Args:
        operation: the operation.
        form: the form of the call.
        mask: for each array of the call whether to differentiate it.
        functions: what computes the call and its pullback.
    """

    def __init__(self, operation: Operation, form: Form, mask: tuple[bool, ...], functions: HostFunctions):
        super().__init__(operation, form, mask)
        self.used, self.outputs, self._structure = functions.used, functions.outputs, functions.structure
        self.is_single, self._functions = functions.structure == _SINGLE, functions
        # A traced pullback is computed again from the arrays of the call, so these come first.
        self.sources = [*range(len(mask)), *functions.sources] if self.chosen else []
        self._calls = 0
        self.forward = self._on_host

    def is_for(self, arrays: Sequence[Any]) -> bool:
        """Whether this program is to run one more call, on these arrays."""
        self._calls += 1
        return self._calls <= INTERPRETED_CALLS and not is_committed(arrays)

    def _on_host(self, *arrays: Any) -> Sequence[Any]:
        return self._functions.forward(arrays)

    def pull(self, residuals: Sequence[Any], cotangents: Sequence[jax.Array]) -> Sequence[jax.Array]:
        """The cotangents of the chosen arrays, from those of the differentiable leaves of the output."""
        count = len(self.mask)
        if any_traced(cotangents):
            return self.recomputed_pullback(residuals[:count], list(cotangents))
        found = self._functions.pullback((*residuals[count:], *cotangents))  # pyright: ignore[reportOptionalCall]
        return [on_device(array) for array in found]


_concrete: set[type] = set()  # classes of arrays and numbers that are not traced


def any_traced(arrays: Sequence[Any]) -> bool:
    """Whether jax traces one of the arrays or numbers."""
    for array in arrays:
        if type(array) not in _concrete:
            if isinstance(array, Tracer):
                return True
            _concrete.add(type(array))
    return False


def differentiable(x: Any) -> bool:
    """Whether an array can be differentiated: whether its dtype is floating-point or complex."""
    return jnp.issubdtype(x.dtype, jnp.inexact)


def _without_aux(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def with_none(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs), None

    return with_none


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _Static:
    """A static part of the result of a function that jax transforms."""

    value: Any


_SINGLE = jax.tree.structure((0, None))  # one output and no second result


def _is_costly(primitive: Any, *args: Any, **params: Any) -> bool:
    return primitive.name not in CHEAP


def conjugated(arrays: Sequence[Any]) -> list[Any]:
    """The arrays, complex ones conjugated.

    torch's gradient with respect to a complex array is the conjugate of jax's.
    """
    return [jnp.conj(x) if jnp.issubdtype(x.dtype, jnp.complexfloating) else x for x in arrays]


def _merge(mask: Sequence[bool], picked: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Two lists interleaved: an item of `picked` where the mask is set, of `others` elsewhere."""
    first, second = iter(picked), iter(others)
    return [next(first) if pick else next(second) for pick in mask]


def _array(leaf: Any) -> jax.Array:
    """An array whose dtype is not weak. In jax Python numbers have weak dtypes."""
    leaf = jnp.asarray(leaf)
    return lax.convert_element_type(leaf, leaf.dtype) if jax.typeof(leaf).weak_type else leaf
