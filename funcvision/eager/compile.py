"""`compile`: a module or function of Tensors as one node of the graph, with one compiled forward and one backward pass.

While jax traces the function, it runs on Tensors that hold traced arrays. A first trace finds the Tensors from outside
that the function reads, such as parameters, and the modules that it calls. These Tensors are arguments of the compiled
function, and those that it writes, such as running statistics, are results. A change of what it depends on besides, the
mode of a module for example, leads to another trace.
"""

import functools
import warnings
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import ConcretizationTypeError, NonConcreteBooleanIndexError, TracerArrayConversionError

from ._lift import run
from ._modes import mode
from ._operation import Operation
from ._trace import Trace, standing_in, tracing
from .nn.module import Module
from .random import next_key
from .tensor import Tensor

__all__ = ["OptimizedModule", "compile", "is_compiling"]

_NEEDS_VALUES = ConcretizationTypeError, TracerArrayConversionError, NonConcreteBooleanIndexError


def compile(
    model: Any = None, *, fullgraph: bool = True, dynamic: bool | None = None, backend: Any = None,
    mode: str | None = None, options: Any = None, disable: bool = False,
) -> Any:
    """Compiles a module or a function of Tensors. As a decorator it may be called with options first.

    It is compiled at the first call with each set of shapes, dtypes, other arguments and modes of its modules. Code
    that does not concern Tensors runs only then. Dropout draws anew in every call, and buffers are updated.

    Args:
        model: a module, or a function of Tensors and trees of them.
        fullgraph: raise an error if the function needs the values of Tensors, to branch on them for example. If it is
            not set, such a function runs uncompiled, and a warning says so once. torch's default is False.
        dynamic: accepted and ignored, as `backend`, `mode` and `options` are.
        backend: ignored.
        mode: ignored.
        options: ignored.
        disable: return the module or function itself.

    Raises:
        RuntimeError: in a call: the function needs the value of a Tensor.
    """
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, disable=disable)
    if disable:
        return model
    return OptimizedModule(model, fullgraph) if isinstance(model, Module) else _compiled_function(model, fullgraph)


def is_compiling() -> bool:
    """Whether the code runs within `compile`."""
    return mode.trace is not None


class OptimizedModule(Module):
    """A compiled module. It shares everything with the module, which is its submodule `_orig_mod`."""

    def __init__(self, module: Module, fullgraph: bool = True):
        super().__init__()
        self._orig_mod = module
        vars(self)["_call"] = _compiled_function(module.__call__, fullgraph, type(module).__name__, module)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["_call"](*args, **kwargs)

    def train(self, mode: bool = True) -> Any:
        """Sets the mode of the module."""
        return super().train(mode)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return super().__getattr__(name)
        return getattr(vars(self)["_modules"]["_orig_mod"], name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_call"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        module = self._orig_mod
        vars(self)["_call"] = _compiled_function(module.__call__, True, type(module).__name__, module)


def _compiled_function(
    function: Callable[..., Any], fullgraph: bool, name: str | None = None, module: Module | None = None
) -> Callable[..., Any]:
    called: str = name or getattr(function, "__name__", "the function")
    variants: dict[Hashable, list[_Variant]] = {}
    uncompiled = False

    @functools.wraps(function)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        nonlocal uncompiled
        hooked = module is not None and any(
            kind in below._hooks for below in module.modules() for kind in ("backward", "backward_pre")
        )
        if uncompiled or hooked or mode.trace is not None:
            return function(*args, **kwargs)
        leaves, structure = jax.tree.flatten((args, kwargs))
        given = [leaf for leaf in leaves if isinstance(leaf, _ARRAYS)]
        form = tuple(_ARRAY if isinstance(leaf, _ARRAYS) else leaf for leaf in leaves)
        key = structure, tuple((type(part), part) for part in form), tuple(map(_abstract, given)), mode.recording
        try:
            found = variants.setdefault((*key, _autocast()), [])
            variant = next((variant for variant in found if variant.is_valid()), None)
            if variant is None:
                variant = _Variant(function, called, structure, form, given)
                found.append(variant)
            return variant(given)
        except _NEEDS_VALUES as error:
            if fullgraph:
                raise RuntimeError(
                    f"{called} needs the value of a Tensor, to branch on it or to convert it, and values are not known "
                    "when it is compiled: use eager.where in place of if, move that part out of the compiled function, "
                    f"or compile it with fullgraph=False, which runs it uncompiled. {_place(error)}"
                ) from error
            uncompiled = True
            warnings.warn(
                f"{called} runs uncompiled, because it needs the value of a Tensor. {_place(error)}", stacklevel=2
            )
            return function(*args, **kwargs)

    return compiled


_ARRAY = object()
_ARRAYS = Tensor | jax.Array | np.ndarray


def _abstract(x: Any) -> tuple[Any, ...]:
    data = x._data if isinstance(x, Tensor) else x
    return tuple(data.shape), np.dtype(data.dtype), isinstance(x, Tensor)


def _autocast() -> Hashable:
    """What autocast does at the moment."""
    return getattr(mode.autocast, "key", mode.autocast)


def _place(error: BaseException) -> str:
    """The line of the user's code that needed the value."""
    frames, traceback = [], error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        module = traceback.tb_frame.f_globals.get("__name__", "")
        if not module.startswith(("funcvision.", "jax.")) and module != "jax":
            frames.append(f"It did so in {code.co_name}, line {traceback.tb_lineno} of {code.co_filename}.")
        traceback = traceback.tb_next
    return frames[-1] if frames else ""


class _Variant:
    """A function, compiled for one form of its arguments and one state of the modules that it calls."""

    def __init__(
        self, function: Callable[..., Any], name: str, structure: Any, form: tuple[Any, ...], given: list[Any]
    ):
        self.function, self.structure, self.form = function, structure, form
        self.outputs: Any = None  # the tree of the outputs and its static leaves, known after a trace
        trace = Trace(jax.random.key(0))

        def first(arrays: list[Any]) -> Any:
            return self._outputs(arrays)

        with tracing(trace):
            jax.eval_shape(first, [leaf._data if isinstance(leaf, Tensor) else jnp.asarray(leaf) for leaf in given])
        self.tensors = list(trace.tensors.values())
        self.state = [(module, _state(module)) for module in trace.modules.values()]
        self.operation = Operation(self._pure, name=name, has_aux=True, recompute=True)

    def is_valid(self) -> bool:
        """Whether the modules are as they were when the function was traced."""
        return all(_state(module) == state for module, state in self.state)

    def __call__(self, given: list[Any]) -> Any:
        outputs, written = run(self.operation, (self.tensors, next_key(), given), {})
        for place, array in written.items():
            self.tensors[place].array = array
        structure, static = self.outputs
        made = iter(outputs)
        return jax.tree.unflatten(structure, [next(made) if leaf is _ARRAY else leaf for leaf in static])

    def _pure(self, arrays: list[Any], key: jax.Array, given: list[Any]) -> Any:
        """(the outputs that are arrays, the new arrays of the Tensors that were written), as a function of arrays."""
        with standing_in(self.tensors, arrays), tracing(Trace(key)):
            outputs = self._outputs(given)
            written = {
                place: tensor._data for place, (tensor, array) in enumerate(zip(self.tensors, arrays, strict=True))
                if tensor._data is not array
            }
        return outputs, written

    def _outputs(self, arrays: list[Any]) -> list[Any]:
        remaining = iter(arrays)
        leaves = [Tensor.wrap(next(remaining)) if leaf is _ARRAY else leaf for leaf in self.form]
        args, kwargs = jax.tree.unflatten(self.structure, leaves)
        leaves, structure = jax.tree.flatten(self.function(*args, **kwargs))
        self.outputs = structure, [_ARRAY if isinstance(leaf, _ARRAYS) else leaf for leaf in leaves]
        return [leaf.array if isinstance(leaf, Tensor) else leaf for leaf in leaves if isinstance(leaf, _ARRAYS)]


def _state(module: Any) -> Hashable:
    """What a compiled call of a module depends on besides the values of its Tensors."""
    parts = (vars(module)[kind].values() for kind in ("_parameters", "_buffers", "_modules"))
    options = vars(module).get("_operation")
    return module.training, tuple(tuple(map(id, part)) for part in parts), len(module._hooks), id(options)
