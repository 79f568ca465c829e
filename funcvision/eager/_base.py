"""The base of `Tensor`: an array, its history, and its gradient. `Tensor` adds the operations."""

import functools
import math
import pathlib
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax import lax
from jax.core import Tracer

from ._graph import Edge, Node, is_grad_enabled
from ._limits import fitted
from ._modes import makes_inference_tensors, mode, recording
from ._operation import differentiable
from ._printing import text
from ._rare import INFERENCE, Rare
from ._size import Size
from ._tiered import on_device, plus
from ._views import View, contiguous_strides
from .devices import of_array
from .dtypes import default_dtype, dtype, kind, named

__all__ = ["TensorBase", "as_array"]

Self = TypeVar("Self", bound="TensorBase")


def as_array(data: Any) -> jax.Array:
    """`data` as an array, copied if it is mutable. Python's floats become float32, as in torch.

    Raises:
        OverflowError: a number does not fit; see `_limits`.
    """
    if isinstance(data, TensorBase):
        return data.array
    if isinstance(data, jax.Array):
        return data
    array = np.asarray(data)
    if not hasattr(data, "dtype") and array.dtype == np.float64:
        with np.errstate(over="ignore"):
            return on_device(array.astype(default_dtype()))
    return fitted(array)


class TensorBase:
    """An array that records how it was computed, if anything that it was computed from requires a gradient."""

    __slots__ = (
        "__weakref__", "_data", "_grad", "_index", "_node", "_rare", "_requires_grad", "_version", "_view", "_writes",
    )  # fmt: skip
    result: "type[TensorBase]"  # the class of the results of operations: Tensor
    __array_ufunc__ = None  # so that `array + tensor` with a numpy array calls the Tensor's operator
    __hash__ = object.__hash__

    def __init__(self, data: Any, requires_grad: bool = False):
        self._start(as_array(data))
        self.requires_grad = requires_grad

    def _start(self, array: jax.Array, node: Node | None = None, index: int = 0) -> None:
        self._data, self._node, self._index = array, node, index
        self._version = [0]  # a list, because a Tensor and its views count writes together
        # The same with writes through `.data`, of which the graph must not know. Behind the count are Tensors that took
        # other elements by an assignment to `.data`, each with the Tensor that now stands for it as a base of views.
        self._writes: list[Any] = [0]
        self._view: View | None = None
        self._grad: Any = None
        self._requires_grad = False
        self._rare: Rare | None = INFERENCE if makes_inference_tensors() else None

    @classmethod
    def wrap(cls: type[Self], array: jax.Array, node: Node | None = None, index: int = 0) -> Self:
        """A Tensor of a jax array. If a node is given, the array is its output number `index`."""
        self = object.__new__(cls)
        # As in `_start`, without a call, because every operation comes here.
        self._data, self._node, self._index = array, node, index
        # The counts are made when they are needed; see `__getattr__`.
        self._view, self._grad, self._requires_grad = None, None, False
        self._rare = INFERENCE if mode.inference else None
        return self

    def __getattr__(self, name: str) -> Any:
        if name in ("_version", "_writes"):
            count = [0]
            setattr(self, name, count)
            return count
        raise AttributeError(name)

    @classmethod
    def of(cls: type[Self], data: Any) -> Self:
        """A Tensor of any data, which keeps its dtype; see `as_array`."""
        return cls.wrap(as_array(data))

    def __reduce__(self) -> Any:
        if self.node is not None:
            raise RuntimeError(
                "only leaves are copied by deepcopy and pickle, and this Tensor is the result of a recorded operation: "
                "use .detach()"
            )
        return _restored, (type(self), self.array, self._requires_grad, self._grad)

    # Properties

    @property
    def array(self) -> jax.Array:
        """The elements as a jax array. An assignment changes them in place, and the graph does not record it."""
        view = self._view
        if view is not None and view.seen != self._writes[0]:
            self._make_again(view)
        if mode.trace is not None:
            mode.trace.meet(self)
        return self._data

    @array.setter
    def array(self, value: Any) -> None:
        with recording(False):
            self._write(self.result.wrap(as_array(value)))

    @property
    def data(self: Self) -> Self:
        """The Tensor without its history. It shares the elements, and the graph does not know of writes to it.

        An assignment takes the elements of another Tensor, which may have another shape, and leaves those of this one
        to its views.
        """
        return self._shared()

    @data.setter
    def data(self, value: Any) -> None:
        if isinstance(value, TensorBase) and value._writes is self._writes and value.shape == self.shape:
            return  # the second half of `x.data += 1`
        former = self.result.wrap(self.array, self._node, self._index)
        former._view, former._version, former._writes = self._view, self._version, self._writes
        self._writes.append((self, former))  # for the views of this Tensor
        self._data, self._view, self._writes = as_array(value), None, [0]

    @property
    def version(self) -> int:
        """The number of writes so far."""
        return self._version[0]

    # Views and writes

    def _has_view(
        self, result: "TensorBase", get: Callable[[Any], Any], put: Callable[[Any, Any], Any] | None,
        strides: tuple[int, ...] | Callable[[], tuple[int, ...]], key: Any = None,
    ) -> Any:
        """Makes `result` a view of this Tensor; see `View`."""
        result._view = View(self, get, put, strides, self._writes[0], is_grad_enabled(), key=key)
        result._version, result._writes = self._version, self._writes
        return result

    def _shared(self: Self) -> Self:
        """A view of all elements without history, which has a version of its own."""
        result = self.result.wrap(_without_gradient(self.array))
        self._has_view(result, lambda base: base.result.wrap(base.array), lambda base, value: value, self.strides)
        result._view.has_history, result._version = False, [0]  # pyright: ignore[reportOptionalMemberAccess]
        return result  # pyright: ignore[reportReturnType]

    def _make_again(self, view: View) -> None:
        """Makes this view again after a write to its base."""
        self._find_base(view)
        with recording(view.recorded):
            made = view.get(view.base)
        self._data = made._data
        if view.has_history:
            self._node, self._index = made._node, made._index
        view.seen = self._writes[0]

    def _find_base(self, view: View) -> None:
        """Replaces the base of a view if the base took other elements."""
        for owner, former in self._writes[1:]:
            if view.base is owner:
                view.base = former

    def _write(self, result: "TensorBase", counted: bool = True) -> None:
        """Takes the value of a result of the same shape and dtype and, if operations are recorded, its history.

        `counted` says whether the graph is told: a value that it holds for backward must not be written.
        """
        if mode.trace is not None:
            mode.trace.meet(self)
        view = self._view
        if view is not None:
            self._find_base(view)
            with recording(is_grad_enabled() and view.has_history):
                if view.put is None:
                    raise RuntimeError(
                        "several elements of this Tensor are one element in memory, because it was made by expand, so "
                        "it cannot be written in place: change a copy, x.clone()"
                    )
                shared = self._version is view.base._version
                view.base._write(view.put(view.base, result), counted and shared)
            self._version[0] += counted and not shared
            if not (view.has_history and view.base.requires_grad):
                self._data, view.seen = result.array, self._writes[0]
            return
        self._data = result.array
        self._version[0] += counted
        self._writes[0] += 1
        if is_grad_enabled():
            before = self._node, self._index
            self._node, self._index = result.node, result._index
            if self._rare is not None and self._rare.retains:
                self._rare.retain(self, *before)
            if isinstance(self._node, Node):  # it holds the array from before the write, which stays valid
                self._node.needed = [pair for pair in self._node.needed if pair[0]._version is not self._version]

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides that torch would have, in elements."""
        view = self._view
        if view is None:
            return contiguous_strides(self._data.shape)
        if not isinstance(view.strides, tuple):
            view.strides = view.strides()
        return view.strides

    def _lazy_strides(self) -> Any:
        """The strides that the Tensor has now, or a function that computes them."""
        if self._view is not None:
            return self._view.strides
        return functools.partial(contiguous_strides, self._data.shape)

    @property
    def shape(self) -> Size:
        """The sizes of the axes."""
        return Size(self._data.shape)

    @property
    def dtype(self) -> dtype:
        """The dtype of the elements."""
        return named(self._data.dtype)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def device(self) -> Any:
        """The device, or the sharding if the array lies on several devices."""
        return of_array(self.array)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def is_floating_point(self) -> Any:
        """Whether the elements are floating-point numbers."""
        return kind(self._data.dtype) == 2

    # Values on the host

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.numel() != 1:
            shape = self._data.shape
            raise RuntimeError(f"item is for Tensors with one element; this one has shape {shape}: use tolist")
        return self.array.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.array.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The elements as a numpy array: a copy, so that a write to it does not change the Tensor.

        Args:
            force: give the elements although the Tensor requires a gradient.

        Raises:
            RuntimeError: the Tensor requires a gradient. numpy would not record operations for it.
        """
        if self.requires_grad and not force:
            raise RuntimeError("this Tensor requires a gradient, which numpy does not track: use .detach().numpy()")
        return np.array(self.array)

    @property
    def __jax_array__(self) -> Callable[[], jax.Array]:
        """What jax asks every argument for. `jnp.asarray` gets the array, and other functions of jax an explanation.

        jax's operators ask, too, and must not find it, so that `array + tensor` calls the operator of the Tensor.
        """
        asks = pathlib.PurePath(sys._getframe(1).f_code.co_filename).name
        if asks == "array_methods.py":
            raise AttributeError("__jax_array__")
        if asks == "array_constructors.py":
            return lambda: self.array
        raise RuntimeError(  # a TypeError would be caught by jax, which explains less
            "a function of jax arrays got a Tensor: use its version for Tensors in funcvision.eager or "
            "funcvision.eager.nn.functional, make one with funcvision.eager.lift(function), or pass tensor.array, of "
            "which no gradient is recorded. For a layer of funcvision.nn use that of funcvision.eager.nn, or "
            "funcvision.eager.Module(layer)"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype)

    def __bool__(self) -> bool:
        if self.numel() != 1:
            shape = self._data.shape
            raise RuntimeError(f"the truth value of a Tensor of shape {shape} is ambiguous: use .any() or .all()")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self.item().__index__()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a Tensor without axes has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        array, node = self.array, self.node
        made_by = f"grad_fn=<{node.name()}>" if node else ""
        return text(array, made_by or ("requires_grad=True" if self.requires_grad else ""))

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec) if self.shape else format(self.item(), spec)

    # The graph

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` reaches this Tensor. It can be set on leaves: Tensors that no operation has made."""
        view = self._view
        if view is not None and view.seen != self._writes[0] and view.has_history:
            return self._requires_grad or (view.recorded and view.base.requires_grad)
        return self._node is not None or self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.node is not None and not value:
            raise RuntimeError("only a leaf can stop requiring a gradient, and this Tensor is no leaf: use .detach()")
        if value and self._rare is not None:
            self._rare.check_inference("setting requires_grad=True")
        if value and not differentiable(self._data):
            raise RuntimeError(f"only floating-point Tensors can require a gradient; this one is {self._data.dtype}")
        self._requires_grad = value

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Sets `requires_grad` and returns the Tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor is not the result of a recorded operation."""
        return self.node is None

    @property
    def node(self) -> Node | None:
        """The recorded operation that made this Tensor; None for a leaf."""
        view = self._view
        if view is not None and view.seen != self._writes[0]:
            self._make_again(view)
        return self._node

    def accumulate(self, gradient: Any) -> None:
        """Adds an array, or a Tensor if the backward pass is recorded, to `grad`. `backward` calls this."""
        new = gradient if isinstance(gradient, TensorBase) else self.wrap(gradient)
        if self._grad is None:
            self._grad = new
        elif self.node is not None or is_grad_enabled():  # torch has a new Tensor here, and a write for leaves
            self._grad = self._grad + new
        else:
            self._grad.array = plus(self._grad.array, new.array)
        if self._rare is not None:
            self._rare.call_after_accumulation(self)

    def hooked(self, gradient: Any) -> Any:
        """A gradient with respect to this leaf as the hooks return it. `backward` calls this."""
        return gradient if self._rare is None else self._rare.hooked(gradient)

    def _edge(self) -> Edge:
        node = self.node
        return Edge(self, 0) if node is None else Edge(node, self._index)

    def detach(self: Self) -> Self:
        """The Tensor without its history. It shares the elements: a write to either changes both."""
        result = self._shared()
        result._version = self._version
        return result


def _without_gradient(array: jax.Array) -> jax.Array:
    """The array. Through a traced one no gradient flows."""
    return lax.stop_gradient(array) if isinstance(array, Tracer) else array


def _restored(kind: type[Self], array: jax.Array, requires_grad: bool, grad: Any) -> Self:
    """A Tensor out of a pickle."""
    tensor = kind.wrap(array)
    tensor._requires_grad, tensor._grad = requires_grad, grad
    return tensor
