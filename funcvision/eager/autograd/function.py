"""`Function`: an operation whose backward is written by hand."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .._base import TensorBase, as_array
from .._graph import Cotangent, Edge, Node
from .._modes import is_grad_enabled, mode, no_grad
from .._operation import differentiable
from ..tensor import Tensor
from ._returned_gradients import returned_gradients
from ._traced_function import apply_traced
from .graph import Saved

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What `forward` leaves for `backward`. Other attributes can be set freely.

    Attributes:
        needs_input_grad: for each argument of `apply`, whether it is a Tensor that requires a gradient.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...] = ()):
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple[Any, ...] = ()
        self._saved: tuple[Saved | None, ...] | None = ()
        self._without_gradient: frozenset[int] = frozenset()
        self._dirty: tuple[Any, ...] = ()
        self._materializes = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps Tensors for `backward`, inputs and outputs among them. It is called once, and None is allowed.

        Raises:
            TypeError: an argument is neither a Tensor nor None. Other values are kept as attributes.
        """
        for i, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, TensorBase):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(tensor).__name__}: "
                    "keep other values as attributes of ctx"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Does nothing: there is no forward-mode differentiation of a Function."""

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Says that `forward` changed these inputs in place. It must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says that these outputs have no gradient."""
        self._without_gradient = frozenset(map(id, tensors))

    def set_materialize_grads(self, value: bool) -> None:
        """Says whether `backward` gets zeros, or None, for outputs on which the result does not depend."""
        self._materializes = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The Tensors that `save_for_backward` kept.

        Raises:
            RuntimeError: they were freed by a backward pass, or changed in place.
        """
        if self._saved is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time: the saved Tensors were freed after the first "
                "time. Call backward(retain_graph=True) the first time"
            )
        return tuple(None if saved is None else saved.tensor() for saved in self._saved)

    def _keep(self, made: dict[int, Any]) -> None:
        """Keeps what is to be saved. `made` gives the results of the node by the ids of the outputs of `forward`."""
        self._saved = tuple(
            None if tensor is None else Saved(made.get(id(tensor), tensor), is_own=id(tensor) in made)
            for tensor in self._to_save
        )
        self._to_save, self._dirty = (), ()


class Function:
    """The base class of operations whose backward is written by hand.

    A subclass defines `forward(ctx, *args)`, or `forward(*args)` and `setup_context(ctx, inputs, output)`; and
    `backward(ctx, *gradients)`, which takes one gradient for each output and returns one for each argument, None for
    those that need none. All are static methods, and `apply` calls the operation. Backward can be differentiated if
    it computes with Tensors.

    >>> from funcvision import eager
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, gradient):
    ...         (x,) = ctx.saved_tensors
    ...         return gradient * 3 * x**2
    >>> x = eager.tensor([2.0], requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad.tolist()
    [12.0]
    """

    def __init__(self, *args: Any, **kwargs: Any):
        name = type(self).__name__
        raise RuntimeError(f"{name} is not instantiated: its methods are static, and {name}.apply calls it")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs. Operations in it are not recorded."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keeps what `backward` needs, if `forward` does not take `ctx`."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Computes the gradients with respect to the arguments."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @classmethod
    def _forward(
        cls, args: Sequence[Any], kwargs: dict[str, Any], needs_grad: Callable[[Any], bool]
    ) -> tuple[Any, FunctionCtx]:
        """What `forward` returns, and the ctx that it filled."""
        ctx = FunctionCtx(tuple(isinstance(arg, TensorBase) and bool(needs_grad(arg)) for arg in args))
        separate = cls.setup_context is not Function.setup_context
        with no_grad() if mode.trace is None else contextlib.nullcontext():
            result = cls.forward(*args, **kwargs) if separate else cls.forward(ctx, *args, **kwargs)
            if separate:
                cls.setup_context(ctx, tuple(args), result)
        return result, ctx

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Calls the operation and records it."""
        if mode.trace is not None:  # jax differentiates the whole function
            return apply_traced(
                cls.__name__, lambda given: cls._forward(given, kwargs, differentiable), cls.backward, args
            )
        result, ctx = cls._forward(args, kwargs, lambda tensor: tensor.requires_grad)
        outputs = result if isinstance(result, tuple) else (result,)
        node = _node(cls, ctx, args, outputs) if any(ctx.needs_input_grad) and is_grad_enabled() else None
        linked = outputs if node is None else _linked(ctx, node, args, outputs)
        own = {id(arg) for arg in args} - {id(tensor) for tensor in ctx._dirty}
        ctx._keep({} if node is None else {
            id(output): result for output, result in zip(outputs, linked, strict=True) if id(output) not in own
        })
        return tuple(linked) if isinstance(result, tuple) else linked[0]


def _node(
    function: type[Function], ctx: FunctionCtx, args: Sequence[Any], outputs: Sequence[Any]
) -> "_FunctionNode":
    needs = ctx.needs_input_grad
    return _FunctionNode(
        function, ctx, [_shape(arg) if need else None for arg, need in zip(args, needs, strict=True)],
        edges=[arg._edge() for arg, need in zip(args, needs, strict=True) if need],
        outputs=[_shape(output) if isinstance(output, TensorBase) else None for output in outputs],
    )


def _shape(tensor: TensorBase) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tensor.array.shape, tensor.array.dtype)


def _linked(ctx: FunctionCtx, node: Node, args: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """The outputs of `forward` as results of the node."""
    inputs, dirty = {id(arg) for arg in args}, {id(tensor) for tensor in ctx._dirty}
    linked = []
    for index, output in enumerate(outputs):
        has_gradient = isinstance(output, TensorBase) and differentiable(output.array)
        if not has_gradient or id(output) in ctx._without_gradient:
            linked.append(output)
        elif id(output) in dirty:
            if output.is_leaf and output.requires_grad:
                raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
            output._write(output.result.wrap(output.array, node, index), counted=False)
            linked.append(output)
        elif id(output) in inputs or output._view is not None:  # a Tensor of its own with the same values
            linked.append(output.result.wrap(output.array, node, index))
        else:
            output._node, output._index = node, index
            linked.append(output)
    return linked


class _FunctionNode(Node):
    """A call of a `Function`. Its backward works on Tensors, whether or not it is recorded."""

    __slots__ = ("_ctx", "_expected", "_function")

    def __init__(
        self, function: type[Function], ctx: FunctionCtx, expected: list[Any], *, edges: list[Edge], outputs: list[Any]
    ):
        super().__init__(function.__name__, list, edges, outputs, (), True)
        self._function, self._ctx, self._expected = function, ctx, expected

    def name(self) -> str:
        """The name in torch's form."""
        return f"{self.operation}Backward"

    def pull(self, cotangents: Sequence[Cotangent | None], retain: bool) -> Sequence[Cotangent | None]:
        """The cotangents of the inputs, from the `backward` of the Function."""
        if self._ctx._saved is None:
            self.pullback = None
        self.checked()  # raises if they were freed
        gradients = self._pulled(cotangents)
        if not retain and self._ctx._saved:
            self._ctx._saved = None
        return gradients

    def _pulled(self, cotangents: Sequence[Cotangent | None]) -> list[Cotangent | None]:
        recorded, ctx = mode.recording, self._ctx
        given = []
        for cotangent, output in zip(cotangents, self.outputs, strict=True):
            if cotangent is None and ctx._materializes and output is not None:
                cotangent = jnp.zeros(output.shape, output.dtype)
            given.append(cotangent if cotangent is None else self.to_tensor(cotangent))
        result = self._function.backward(ctx, *given)
        gradients = returned_gradients(self.name(), result, self._expected)
        return [gradient if gradient is None or recorded else as_array(gradient) for gradient in gradients]


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of `backward`: it is not recorded, and differentiating its results raises RuntimeError."""

    @functools.wraps(function)
    def once(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            results = function(ctx, *gradients)
        if not is_grad_enabled():
            return results
        sources = [g for g in (*gradients, *ctx.saved_tensors) if isinstance(g, TensorBase) and g.requires_grad]
        if not sources:
            return results
        listed = results if isinstance(results, tuple) else (results,)
        refusing = [_refusing(result, sources) if isinstance(result, TensorBase) else result for result in listed]
        return tuple(refusing) if isinstance(results, tuple) else refusing[0]

    return once


def _refusing(result: TensorBase, sources: Sequence[TensorBase]) -> TensorBase:
    """A Tensor like `result` that cannot be differentiated further."""

    def refuse(cotangents: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

    edges = [source._edge() for source in sources]
    return result.result.wrap(result.array, Node("once_differentiable", refuse, edges, [_shape(result)], (), False))
