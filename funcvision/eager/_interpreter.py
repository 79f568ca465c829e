"""Runs a jaxpr in numpy. That needs no compilation, so it is faster for small arrays of shapes that are seldom used."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import export
from jax.extend.core import ClosedJaxpr, Literal

from ._numpy_random import KEY, key_data
from ._numpy_rules import DTYPES, RULES, Equation, UnsupportedError

__all__ = ["Plan", "UnsupportedError"]

LARGEST = 1 << 14  # elements of an array; XLA is faster for larger ones
LONGEST = 1000  # equations, those in loops counted as often as they run
_CALLS = {  # primitives that call a jaxpr, and the parameter that holds it
    "checkpoint": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr", "jit": "jaxpr", "pjit": "jaxpr", "remat2": "jaxpr",
}  # fmt: skip


class Plan:
    """The numpy functions that compute a jaxpr, and where each takes its arguments from.

    Args:
        closed: the jaxpr.
        is_whole: whether the results leave the interpreter; the body of a loop may also give random keys.
        sizes: the sizes that replace the symbols in the shapes of the jaxpr.

    Attributes:
        cost: the number of equations that run.
        forwards: for each result the number of the argument that it is; None if anything is computed.

    Raises:
        UnsupportedError: an equation has no rule, or there is too much to compute.
    """

    def __init__(self, closed: ClosedJaxpr, is_whole: bool = True, sizes: dict[str, int] | None = None):
        self.cost = 0
        self._sizes = sizes
        self._known: dict[Any, int] = {}  # sizes that were computed from symbols
        self._values: list[Any] = []  # constants; None for what is computed
        self._steps: list[tuple[Callable[..., Any], tuple[int, ...], int | tuple[int, ...]]] = []
        self._dtypes = [None if _is_key(aval) else aval.dtype for aval in closed.in_avals]
        if is_whole and any(map(_is_key, closed.out_avals)):
            raise UnsupportedError("a key as a result")
        inputs = [self._slot(var.aval) for var in closed.jaxpr.invars]
        self._outputs = self._inline(closed, inputs, [True] * len(closed.jaxpr.outvars))
        computed = {slot for _, _, slots in self._steps for slot in (slots if isinstance(slots, tuple) else (slots,))}
        self._fresh = [slot in computed for slot in self._outputs]
        places = {slot: place for place, slot in enumerate(inputs)}
        is_forwarding = not self._steps and all(slot in places for slot in self._outputs)
        self.forwards = [places[slot] for slot in self._outputs] if is_forwarding else None

    def __call__(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """The results, which share no memory with the arguments.

        Raises:
            UnsupportedError: a loop takes too many turns, which is known only now.
        """
        values = list(self._values)
        for place, (array, dtype) in enumerate(zip(arrays, self._dtypes, strict=True)):
            if dtype is None and isinstance(array, jax.Array):
                values[place] = key_data(array)
            else:
                values[place] = np.asarray(array) if isinstance(array, jax.Array) else np.asarray(array, dtype)
        with np.errstate(all="ignore"):
            for function, inputs, output in self._steps:
                result = function(*[values[slot] for slot in inputs])
                if type(output) is int:
                    values[output] = result
                else:
                    for slot, array in zip(output, result, strict=True):  # pyright: ignore[reportArgumentType]
                        values[slot] = array
        results = []
        for slot, fresh in zip(self._outputs, self._fresh, strict=True):
            result = np.asarray(values[slot])
            results.append(result if fresh and result.base is None else result.copy())
        return results

    def _slot(self, aval: Any, value: Any = None) -> int:
        is_key = _is_key(aval)
        if not is_key and getattr(aval, "dtype", None) not in DTYPES:
            raise UnsupportedError(f"an array of {getattr(aval, 'dtype', aval)}")
        if math.prod(self.replaced(aval.shape)) > LARGEST:
            raise UnsupportedError("a large array")
        if value is not None:
            value = key_data(value) if is_key else np.asarray(value, aval.dtype)
        self._values.append(value)
        return len(self._values) - 1

    def replaced(self, value: Any) -> Any:
        """A parameter or a shape with sizes in the places of symbols."""
        if self._sizes is None:
            return value
        if type(value) in (tuple, list):
            return type(value)(map(self.replaced, value))
        if not export.is_symbolic_dim(value):
            return value
        if value not in self._known:
            self._known[value] = int(value._evaluate(self._sizes))  # pyright: ignore[reportArgumentType]
        return self._known[value]

    def _inline(self, closed: ClosedJaxpr, inputs: Sequence[int], wanted: Sequence[bool]) -> list[Any]:
        """Adds the equations of a jaxpr. Returns the slots of its outputs; those that are not wanted may be missing."""
        jaxpr = closed.jaxpr
        if closed.effects:
            raise UnsupportedError("an effect")
        slots = dict(zip(jaxpr.invars, inputs, strict=True))
        for var, value in zip(jaxpr.constvars, closed.consts, strict=True):
            slots[var] = self._slot(var.aval, value)

        def slot(atom: Any) -> int:
            if isinstance(atom, Literal):
                return self._slot(atom.aval, atom.val)
            return slots[atom]

        used = {var for var, want in zip(jaxpr.outvars, wanted, strict=True) if want and not isinstance(var, Literal)}
        needed = []
        for eqn in reversed(jaxpr.eqns):
            if any(var in used for var in eqn.outvars):
                needed.append(eqn)
                used.update(var for var in eqn.invars if not isinstance(var, Literal))
        for eqn in reversed(needed):
            arguments = [slot(atom) for atom in eqn.invars]
            name = eqn.primitive.name
            if name in _CALLS:
                called = eqn.params[_CALLS[name]]
                called = called if isinstance(called, ClosedJaxpr) else ClosedJaxpr(called, ())
                results = self._inline(called, arguments, [var in used for var in eqn.outvars])
                slots.update(zip(eqn.outvars, results, strict=True))
                continue
            for var in eqn.outvars:
                slots[var] = self._slot(var.aval)
            function = self._function(eqn)
            if eqn.primitive.multiple_results:
                results: Any = tuple(slots[var] for var in eqn.outvars)
            else:
                results = slots[eqn.outvars[0]]
            self._steps.append((function, tuple(arguments), results))
        return [slot(var) if want else None for var, want in zip(jaxpr.outvars, wanted, strict=True)]

    def _function(self, eqn: Any) -> Callable[..., Any]:
        """The numpy function of an equation."""
        name, params = eqn.primitive.name, eqn.params
        if name in _LOOPS:
            if self._sizes is not None:
                raise UnsupportedError("a loop over arrays of symbolic shapes")
            inner, function = _LOOPS[name](params)
            self.cost += inner
        elif name in RULES:
            inputs, outputs = (tuple(atom.aval for atom in atoms) for atoms in (eqn.invars, eqn.outvars))
            if self._sizes is not None:
                inputs, outputs = (
                    tuple(jax.ShapeDtypeStruct(self.replaced(aval.shape), aval.dtype) for aval in avals)
                    for avals in (inputs, outputs)
                )
                params = {option: self.replaced(value) for option, value in params.items()}
            if not name.startswith("random_") and any(map(_is_key, (*inputs, *outputs))):
                raise UnsupportedError("an array of keys")
            function = RULES[name](Equation(params, inputs, outputs))
            self.cost += 1
        else:
            raise UnsupportedError(name, for_all_shapes=True)
        if self.cost > LONGEST:
            raise UnsupportedError("many equations")
        return function


def _is_key(aval: Any) -> bool:
    """Whether an array is a random key, which is kept as an array of two numbers."""
    dtype = getattr(aval, "dtype", None)
    return dtype not in DTYPES and getattr(dtype, "name", None) == KEY  # numpy's `name` is slow


def _scan(params: dict[str, Any]) -> tuple[int, Callable[..., Any]]:
    """The number of equations that run, and the function."""
    body, length = Plan(params["jaxpr"], False), params["length"]
    consts, carries = _scan_counts(params)
    order = range(length - 1, -1, -1) if params["reverse"] else range(length)
    stacked = params["jaxpr"].out_avals[carries:]
    if any(map(_is_key, params["jaxpr"].in_avals[consts:])) or any(map(_is_key, stacked)):
        raise UnsupportedError("an array of keys")

    def scan(*arguments: np.ndarray) -> list[np.ndarray]:
        fixed, carry, xs = arguments[:consts], arguments[consts : consts + carries], arguments[consts + carries :]
        ys = [np.empty((length, *aval.shape), aval.dtype) for aval in stacked]
        for i in order:
            results = body([*fixed, *carry, *(x[i] for x in xs)])
            carry = results[:carries]
            for y, result in zip(ys, results[carries:], strict=True):
                y[i] = result
        return [*carry, *ys]

    return length * (body.cost + 1), scan


def _scan_counts(params: dict[str, Any]) -> tuple[int, int]:
    """How many arguments of a scan are the same in each turn, and how many are handed from turn to turn."""
    if "num_consts" in params:  # before jax 0.11
        return params["num_consts"], params["num_carry"]
    consts, carries, _ = params["ft_in"].unpack()
    return len(consts), len(carries)


def _while(params: dict[str, Any]) -> tuple[int, Callable[..., Any]]:
    condition, body = Plan(params["cond_jaxpr"], False), Plan(params["body_jaxpr"], False)
    of_condition, of_body = params["cond_nconsts"], params["body_nconsts"]

    def loop(*arguments: np.ndarray) -> Sequence[np.ndarray]:
        first, second = arguments[:of_condition], arguments[of_condition : of_condition + of_body]
        carry: Sequence[np.ndarray] = arguments[of_condition + of_body :]
        turns = 0
        while condition([*first, *carry])[0]:
            carry = body([*second, *carry])
            turns += 1
            if turns > LONGEST:
                raise UnsupportedError("a long loop")
        return carry

    return 10 * (condition.cost + body.cost), loop  # a guess: the number of turns is not known


def _cond(params: dict[str, Any]) -> tuple[int, Callable[..., Any]]:
    branches = [Plan(branch, False) for branch in params["branches"]]

    def choose(index: np.ndarray, *arguments: np.ndarray) -> list[np.ndarray]:
        return branches[min(max(int(index), 0), len(branches) - 1)](arguments)

    return max(branch.cost for branch in branches), choose


_LOOPS: dict[str, Callable[[dict[str, Any]], tuple[int, Callable[..., Any]]]] = {
    "cond": _cond, "scan": _scan, "while": _while,
}  # fmt: skip
