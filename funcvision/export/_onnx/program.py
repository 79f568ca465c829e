"""What is left to compute of a function once its arrays are known.

A model in inference computes much from its arrays alone, such as the scale of a batch normalisation. `Program` lists
the operations of a traced function, splits off those that depend on arrays alone, and computes these once. Rewriting
rules replace operations while the list is made.
"""

import collections
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

__all__ = ["Operation", "Program", "Rule", "Specialised"]

_CALLS = {  # primitives that call a jaxpr, and the parameter that holds it
    "checkpoint": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr", "jit": "jaxpr", "pjit": "jaxpr", "remat2": "jaxpr",
}  # fmt: skip


_COMPILE_FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Operation(NamedTuple):
    """One operation. Its operands and results are slots, numbered places for values.

    Attributes:
        name: that of the primitive, or one that a rule gave.
        function: computes the list of results from the operands.
        inputs: the slots of the operands.
        outputs: the slots of the results.
        params: static options.
    """

    name: str
    function: Callable[..., Sequence[Any]]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: Mapping[str, Any]


Rule = Callable[["Program", Operation], bool]
"""Adds what replaces an operation to the program, with the same outputs, and returns True; or returns False."""


class Program:
    """The operations of a jaxpr, with all calls inlined.

    Args:
        closed: the jaxpr.
        arrays: values of its first arguments.
        rules: for names of operations, the rules that may replace them. The first one that returns True counts.
        names: of the arrays.

    Attributes:
        avals: the shape and dtype of each slot.
        known: the slots whose values depend on `arrays` alone and have a static shape.
        original: for each slot the operation of the jaxpr that computes it.
        producer: for each slot the operation that computes it, as far as the rules were applied.
        uses: how many operations of the jaxpr, or results, use a slot.
        names: of slots with arrays; rules name what they compute of these.
    """

    def __init__(
        self, closed: ClosedJaxpr, arrays: Sequence[Any], rules: Mapping[str, Sequence[Rule]], names: Sequence[str]
    ):
        self.avals: list[Any] = []
        self.known: set[int] = set()
        self.original: dict[int, Operation] = {}
        self.producer: dict[int, Operation] = {}
        self._values: dict[int, Any] = {}
        self._aliases: dict[int, int] = {}
        self._operations: list[Operation] = []
        inputs = [self.slot(var.aval) for var in closed.jaxpr.invars]
        self._values.update(zip(inputs, arrays, strict=False))
        self.known |= set(self._values)
        self.names: dict[int, str] = dict(zip(inputs, names, strict=False))
        self._inputs = inputs[len(arrays) :]
        originals: list[Operation] = []
        self._outputs = self._inline(originals, closed.jaxpr, closed.consts, inputs)
        originals = _needed(originals, self._outputs)
        self.uses = collections.Counter(
            itertools.chain(self._outputs, *(operation.inputs for operation in originals)))
        for operation in originals:
            self.original |= dict.fromkeys(operation.outputs, operation)
        for operation in originals:
            operation = operation._replace(inputs=tuple(map(self._resolved, operation.inputs)))
            replacing = () if self._depends_on_arrays_alone(operation) else rules.get(operation.name, ())
            if not any(rule(self, operation) for rule in replacing):
                self._append(operation)
        self._outputs = list(map(self._resolved, self._outputs))

    def _resolved(self, slot: int) -> int:
        return self._aliases.get(slot, slot)

    def constant(self, value: Any) -> int:
        """A new slot with a value."""
        value = np.asarray(value)
        slot = self.slot(jax.ShapeDtypeStruct(value.shape, value.dtype))
        self._values[slot] = value
        self.known.add(slot)
        return slot

    def value(self, slot: int) -> Any:
        """The value of a constant or an array, also cast or as an array with one element; None for what is computed."""
        operation, aval = self.original.get(slot), self.avals[slot]
        if operation is None or operation.name not in ("convert_element_type", "broadcast_in_dim"):
            return self._values.get(slot)
        value = self.value(operation.inputs[0])
        if value is None or operation.name == "convert_element_type":
            return None if value is None else np.asarray(value).astype(aval.dtype)
        return np.reshape(value, aval.shape) if np.size(value) == 1 and set(aval.shape) <= {1} else None

    def evaluated(self, slot: int) -> np.ndarray:
        """The value of a known slot, computed now. It is for small arrays, such as indices."""
        return np.asarray(_run(_needed(self._operations, [slot]), self._values, [slot])[0])

    def add(
        self, name: str, function: Callable[..., Any], inputs: Sequence[int], output: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> int:
        """Adds an operation with one result, and returns the slot of the result.

        Args:
            name: of the operation.
            function: computes the result from the operands.
            inputs: the slots of the operands.
            output: the slot of the result; a new one by default.
            params: static options, for rules that look at this operation.
        """
        if output is None:
            output = self.slot(jax.eval_shape(function, *(self.avals[slot] for slot in inputs)))
        self._append(Operation(name, lambda *xs: [function(*xs)], tuple(inputs), (output,), params or {}))
        return output

    def alias(self, output: int, slot: int) -> None:
        """Makes a slot of the jaxpr another name of a slot, instead of the result of an operation."""
        self._aliases[output] = slot
        self.uses[slot] += self.uses[output] - 1

    def specialised(self) -> "Specialised":
        """What is left to compute. What depends on arrays alone is computed here."""
        operations = _needed(self._operations, self._outputs)
        early = [operation for operation in operations if self.known.issuperset(operation.outputs)]
        late = [operation for operation in operations if not self.known.issuperset(operation.outputs)]
        wanted = self.known.intersection(itertools.chain(self._outputs, *(operation.inputs for operation in late)))
        computed = sorted(wanted - set(self._values))
        early = _needed(early, computed)
        operands = set(itertools.chain(*(operation.inputs for operation in early)))
        start = {slot: self._values[slot] for slot in sorted(operands & set(self._values))}
        # Each operation runs once, so that fast compilation counts and not fast code.
        run = jax.jit(lambda start: _run(early, start, computed), compiler_options=_COMPILE_FAST)
        values = {slot: np.asarray(self._values[slot]) for slot in wanted if slot in self._values}
        values |= zip(computed, map(np.asarray, run(start)), strict=True)
        names = {slot: self.names[slot] for slot in sorted(wanted) if slot in self.names}
        return Specialised(late, values, self._inputs, self._outputs, names)

    def slot(self, aval: Any) -> int:
        """A new slot for values of a shape and dtype."""
        self.avals.append(aval)
        return len(self.avals) - 1

    def _append(self, operation: Operation) -> None:
        self._operations.append(operation)
        self.producer |= dict.fromkeys(operation.outputs, operation)
        if self._depends_on_arrays_alone(operation):
            self.known.update(operation.outputs)

    def _depends_on_arrays_alone(self, operation: Operation) -> bool:
        sizes = itertools.chain(*(self.avals[slot].shape for slot in operation.outputs))
        return self.known.issuperset(operation.inputs) and all(isinstance(size, int) for size in sizes)

    def _inline(self, operations: list[Operation], jaxpr: Any, consts: Any, inputs: Sequence[int]) -> list[int]:
        """Appends the operations of a jaxpr to a list and returns the slots of its results."""
        slots = dict(zip(jaxpr.invars, inputs, strict=True))
        slots |= {var: self.constant(value) for var, value in zip(jaxpr.constvars, consts, strict=True)}

        def read(atom: Any) -> int:
            if isinstance(atom, Literal):
                return self.constant(np.asarray(atom.val, getattr(atom.aval, "dtype", None)))
            return slots[atom]

        for equation in jaxpr.eqns:
            operands, name = tuple(map(read, equation.invars)), equation.primitive.name
            if name in _CALLS:
                called = equation.params[_CALLS[name]]
                body, constants = (called.jaxpr, called.consts) if isinstance(called, ClosedJaxpr) else (called, [])
                results = self._inline(operations, body, constants, operands)
            elif name == "stop_gradient":
                results = operands
            else:
                results = tuple(self.slot(var.aval) for var in equation.outvars)
                operations.append(Operation(name, _function(equation), operands, results, equation.params))
            slots |= dict(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]


class Specialised(NamedTuple):
    """The function from the arguments that are no arrays of the program to the list of results.

    Attributes:
        operations: what it computes.
        values: of the slots with constants.
        inputs: the slots of the arguments.
        outputs: the slots of the results.
        names: of the slots with constants that have one.
    """

    operations: Sequence[Operation]
    values: Mapping[int, np.ndarray]
    inputs: Sequence[int]
    outputs: Sequence[int]
    names: Mapping[int, str]

    def __call__(self, *args: Any) -> list[Any]:
        """The results."""
        return _run(self.operations, {**self.values, **dict(zip(self.inputs, args, strict=True))}, self.outputs)


def _run(operations: Iterable[Operation], values: Mapping[int, Any], wanted: Sequence[int]) -> list[Any]:
    values = dict(values)
    for operation in operations:
        results = operation.function(*(values[slot] for slot in operation.inputs))
        values |= zip(operation.outputs, results, strict=True)
    return [values[slot] for slot in wanted]


def _function(equation: Any) -> Callable[..., Sequence[Any]]:
    """What an equation computes."""
    primitive, params = equation.primitive, equation.params

    def function(*operands: Any) -> Sequence[Any]:
        result = primitive.bind(*operands, **params)
        return result if primitive.multiple_results else [result]

    return function


def _needed(operations: Sequence[Operation], outputs: Iterable[int]) -> list[Operation]:
    """The operations that lead to `outputs`."""
    wanted, kept = set(outputs), []
    for operation in reversed(operations):
        if wanted.intersection(operation.outputs):
            wanted.update(operation.inputs)
            kept.append(operation)
    return kept[::-1]
