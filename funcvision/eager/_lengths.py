"""One trace of an operation for arrays of any length, so that a length that was never seen before is not traced.

When an operation is called with shapes that differ from those of an earlier call in one size, it is traced once more,
with a symbol in the place of that size. For a further size the symbol is replaced in the jaxpr, and numpy runs it.

A symbol stands for sizes of at least `SHORTEST`, and of none that is another size of the call. So comparisons of a
size with small numbers and with other sizes, such as tests for broadcasting, have the same result for all of them. If
the function asks for more, jax raises an error, and the operation is traced for each size.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax import export
from jax.extend.core import ClosedJaxpr

from ._interpreter import Plan, UnsupportedError

__all__ = ["NUMBER", "HostFunctions", "Lengths"]

SHORTEST = 9
MOST_FORMS = 1000  # of one operation; forms that hold a length among their options would fill the memory
NUMBER = object()  # marks a Python number that is an argument of a compiled function, in the key of a call
_SYMBOL = "n"

Sizes = tuple[int | None, ...]  # the sizes of all axes of all arrays of a call; None stands for the symbol


class Template(NamedTuple):
    """An operation traced with a symbol.

    Attributes:
        program: the program that was traced.
        forward: the function of the arrays of the call.
        pullback: the pullback, of what it holds and the cotangents; None if there is none.
    """

    program: Any
    forward: ClosedJaxpr
    pullback: ClosedJaxpr | None

    def for_size(self, size: int) -> "HostFunctions":
        """The functions for a size.

        Raises:
            UnsupportedError: numpy cannot compute them.
        """
        sizes = {_SYMBOL: size}
        forward = Plan(self.forward, sizes=sizes)
        pullback = None if self.pullback is None else Plan(self.pullback, sizes=sizes)
        outputs = [
            jax.ShapeDtypeStruct(forward.replaced(tuple(output.shape)), output.dtype) for output in self.program.outputs
        ]
        program = self.program
        return HostFunctions(program._structure, program.used, program.sources, outputs, forward, pullback)


class HostFunctions(NamedTuple):
    """An operation on the host for one set of shapes.

    Attributes:
        structure: the tree of (output, aux).
        used: the numbers of those arrays of the call whose values the pullback needs.
        sources: the numbers of what the pullback holds, among the arrays of the call and then the results.
        outputs: shape and dtype of each differentiable leaf of the output.
        forward: computes the results from the arrays of the call.
        pullback: computes the cotangents from what the pullback holds and the cotangents of the outputs, or None.
    """

    structure: Any
    used: list[int]
    sources: list[int]
    outputs: list[jax.ShapeDtypeStruct]
    forward: Callable[[Sequence[Any]], Sequence[Any]]
    pullback: Callable[[Sequence[Any]], Sequence[Any]] | None


class _Form:
    """The calls of one form, apart from the sizes of the arrays."""

    __slots__ = ("is_refused", "last", "templates")

    def __init__(self, sizes: tuple[int, ...]):
        self.last = sizes
        self.templates: list[tuple[Sizes, Template]] = []
        self.is_refused = False


class Lengths:
    """The templates of one operation."""

    def __init__(self) -> None:
        self._forms: dict[Any, _Form] = {}

    def find(self, key: Sequence[Any], make: Callable[[], Any]) -> HostFunctions | None:
        """The functions for a call, made from a trace for any length. None if there is no such trace yet.

        Args:
            key: what identifies the call; see `record`.
            make: makes a program that was not called yet.
        """
        sizes: list[int] = []
        parts = [key[0], key[1]]
        for part in key[2:]:
            if type(part[0]) is tuple:
                sizes += part[0]
                part = (len(part[0]), *part[1:])
            parts.append(part)
        form = self._forms.get(tuple(parts))
        if form is None:
            if len(self._forms) >= MOST_FORMS:
                self._forms.clear()
            self._forms[tuple(parts)] = _Form(tuple(sizes))
            return None
        for pattern, template in form.templates:
            if (size := _symbol_of(pattern, sizes)) is not None:
                try:
                    return template.for_size(size)
                except UnsupportedError:  # the arrays are too large
                    return None
        pattern = _pattern(form.last, sizes)
        form.last = tuple(sizes)
        if pattern is None or form.is_refused:
            return None
        try:
            template = _traced(make(), key, pattern)
            found = template.for_size(sizes[pattern.index(None)])
        except Exception:  # jax has errors of many classes for what depends on a size
            form.is_refused = True
            return None
        form.templates.append((pattern, template))
        return found


def _pattern(before: Sequence[int], sizes: Sequence[int]) -> Sizes | None:
    """The sizes with None where they differ from those before, if one size took the place of one other."""
    changes = {(old, new) for old, new in zip(before, sizes, strict=True) if old != new}
    if len(changes) != 1:
        return None
    pattern = tuple(None if old != new else new for old, new in zip(before, sizes, strict=True))
    ((old, new),) = changes
    return pattern if min(old, new) >= SHORTEST and old not in pattern and new not in pattern else None


def _symbol_of(pattern: Sizes, sizes: Sequence[int]) -> int | None:
    """The size in the places of None, if the sizes match a pattern."""
    found = None
    for known, size in zip(pattern, sizes, strict=True):
        if known is None:
            if found is None:
                found = size
            elif size != found:
                return None
        elif known != size:
            return None
    return None if found is None or found < SHORTEST or found in pattern else found


def _traced(program: Any, key: Sequence[Any], pattern: Sizes) -> Template:
    (symbol,) = export.symbolic_shape(_SYMBOL, constraints=[f"{_SYMBOL} >= {SHORTEST}"])
    sizes = iter(symbol if size is None else size for size in pattern)
    arrays = []
    for part in key[2:]:
        if type(part[0]) is tuple:
            shape, dtype, weak_type, _ = part
            arrays.append(jax.ShapeDtypeStruct([next(sizes) for _ in shape], dtype, weak_type=weak_type))
        elif len(part) == 2 and part[0] is NUMBER:
            arrays.append(part[1](1))
    forward = jax.make_jaxpr(program._flat)(*arrays)
    if not program.chosen:
        return Template(program, forward, None)
    known = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type)
             for a in (*forward.in_avals, *forward.out_avals)]  # fmt: skip
    held = [known[source] for source in program.sources]
    return Template(program, forward, jax.make_jaxpr(program.flat_pullback)(*held, *program.outputs))
