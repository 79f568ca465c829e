"""The base of `Tensor`: an array, its history, and its gradient. `Tensor` adds the operations."""

import math
import weakref
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ._graph import Edge, Node, backward, is_grad_enabled
from ._limits import fitted, number
from ._operation import ARRAY, Form, Operation, differentiable
from ._printing import backward_name, text
from ._size import Size
from ._views import Sharing, contiguous_strides
from .devices import of_array
from .dtypes import default_dtype, dtype, kind, named

__all__ = ["TensorBase", "as_array", "record"]

Self = TypeVar("Self", bound="TensorBase")


def as_array(data: Any) -> jax.Array:
    """`data` as an array, copied if it is mutable. Python's floats become float32, as in torch.

    Raises:
        OverflowError: a number does not fit; see `_limits`.
    """
    if isinstance(data, TensorBase):
        return data.data
    if isinstance(data, jax.Array):
        return data
    array = np.asarray(data)
    if not hasattr(data, "dtype") and array.dtype == np.float64:
        with np.errstate(over="ignore"):
            return jnp.array(array.astype(default_dtype()))
    return fitted(array)


class TensorBase:
    """An array that records how it was computed, if anything that it was computed from requires a gradient."""

    __slots__ = ("__weakref__", "_changes", "_data", "_grad", "_index", "_node", "_requires_grad", "_sharing")
    result: "type[TensorBase]"  # the class of the results of operations: Tensor
    __array_ufunc__ = None  # so that `array + tensor` with a numpy array calls the Tensor's operator
    __hash__ = object.__hash__

    def __init__(self, data: Any, requires_grad: bool = False):
        self._start(as_array(data))
        self.requires_grad = requires_grad

    def _start(self, array: jax.Array, node: Node | None = None, index: int = 0) -> None:
        self._data, self._node, self._index = array, node, index
        self._changes = [0]  # a list, because views of this Tensor count along
        self._sharing: Sharing | None = None
        self._grad: Any = None
        self._requires_grad = False

    @classmethod
    def wrap(cls: type[Self], array: jax.Array, node: Node | None = None, index: int = 0) -> Self:
        """A Tensor of a jax array. If a node is given, the array is its output number `index`."""
        self = object.__new__(cls)
        self._start(array, node, index)
        return self

    def __reduce__(self) -> Any:
        if self._node is not None:
            raise RuntimeError(
                "only leaves are copied by deepcopy and pickle, and this Tensor is the result of a recorded operation: "
                "use .detach()"
            )
        return _restored, (type(self), self.data, self._requires_grad, self._grad)

    # Properties

    @property
    def data(self) -> jax.Array:
        """The array. It can be assigned; the graph does not record the assignment."""
        if self._sharing is not None:
            self._sharing.check_read()
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = as_array(value)
        self._changes[0] += 1
        self._sharing = None

    @property
    def version(self) -> int:
        """The number of changes of the value so far."""
        return self._changes[0]

    def _has_view(self: Self, result: Self, strides: tuple[int, ...]) -> Self:
        """Notes that `result` is a view of this Tensor in torch, with these strides."""
        own = (weakref.ref(self), self._changes, self._changes[0])
        result._sharing = Sharing((own, *(self._sharing.bases if self._sharing else ())), strides)
        return result

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides that torch would have, in elements."""
        known = self._sharing.strides if self._sharing else None
        return contiguous_strides(self.shape) if known is None else known

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
        return of_array(self._data)

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
            raise ValueError(f"item is for Tensors with one element; this one has shape {self._data.shape}: use tolist")
        return self.data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.data.tolist()

    def numpy(self) -> np.ndarray:
        """The elements as a read-only numpy array.

        Raises:
            RuntimeError: the Tensor requires a gradient. numpy would not record operations for it.
        """
        if self.requires_grad:
            raise RuntimeError("this Tensor requires a gradient, which numpy does not track: use .detach().numpy()")
        return np.asarray(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype, copy=copy)

    def __bool__(self) -> bool:
        if self.numel() != 1:
            shape = self._data.shape
            raise ValueError(f"the truth value of a Tensor of shape {shape} is ambiguous: use .any() or .all()")
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
        made_by = f"grad_fn=<{backward_name(self._node.name)}>" if self._node else ""
        if self._sharing is not None:
            self._sharing.check_read()
        return text(self._data, made_by or ("requires_grad=True" if self._requires_grad else ""))

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec) if self.shape else format(self.item(), spec)

    # The graph

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` reaches this Tensor. It can be set on leaves: Tensors that no operation has made."""
        return self._node is not None or self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None and not value:
            raise RuntimeError("only a leaf can stop requiring a gradient, and this Tensor is no leaf: use .detach()")
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
        return self._node is None

    @property
    def grad(self) -> Any:
        """The sum of the gradients of all calls of `backward` so far, as a Tensor; None before the first call."""
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and (not isinstance(value, TensorBase) or value.shape != self.shape):
            raise ValueError(f"grad must be None or a Tensor of shape {self._data.shape}; got {value!r}")
        self._grad = value

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Computes the gradient with respect to each leaf of the graph and adds it to the `grad` of the leaf.

        Args:
            gradient: the gradient, with respect to this Tensor, of the quantity to differentiate. It has the shape of
                this Tensor and defaults to 1 if the Tensor has one element.
            retain_graph: keep the graph, so that backward can run through it again.

        Raises:
            RuntimeError: nothing requires a gradient; the Tensor has several elements and no `gradient` is given; an
                earlier call has freed the graph; or a value that is needed was changed in place.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward has nothing to do: nothing that this Tensor was computed from requires a gradient, or it was "
                "computed under no_grad"
            )
        shape = self._data.shape
        if gradient is None:
            if self.numel() != 1:
                raise RuntimeError(
                    f"backward() needs a Tensor with one element; this one has shape {shape}: call it on sum() or "
                    "mean(), or call backward(gradient) with a gradient of that shape"
                )
            gradient = jnp.ones(self.shape, self.dtype)
        gradient = as_array(gradient)
        if gradient.shape != self.shape:
            raise RuntimeError(f"backward got a gradient of shape {gradient.shape} for a Tensor of shape {shape}")
        backward([(self._edge(), gradient.astype(self.dtype))], retain_graph)

    def retain_grad(self) -> None:
        """Makes `backward` store the gradient in `grad` though this Tensor is not a leaf."""
        if self._node is not None:
            self._node.watchers[self._index] = self

    def accumulate(self, gradient: jax.Array) -> None:
        """Adds to `grad`. `backward` calls this."""
        if self._grad is None:
            self._grad = self.wrap(gradient)
        else:
            self._grad.data = self._grad.data + gradient

    def _edge(self) -> Edge:
        return Edge(self if self._node is None else self._node, self._index)

    def detach(self: Self) -> Self:
        """A Tensor of the same array without history. A change of either in place does not change the other."""
        return self.wrap(self.data)


def _restored(kind: type[Self], array: jax.Array, requires_grad: bool, grad: Any) -> Self:
    """A Tensor out of a pickle."""
    tensor = kind.wrap(array)
    tensor._requires_grad, tensor._grad = requires_grad, grad
    return tensor


def record(
    operation: Operation, args: Sequence[Any], kwargs: dict[str, Any], *, numbers: bool = False
) -> tuple[Any, Any, Node | None]:
    """Runs an operation on Tensors anywhere in its arguments.

    Args:
        operation: the operation.
        args: its positional arguments. Tensors and arrays in them are arguments of the compiled function; everything
            else is static.
        kwargs: its keyword arguments.
        numbers: whether Python numbers, and numpy's integers, are arguments of the compiled function, too.

    Returns:
        (output, aux, node). Output and aux hold arrays. The node made the differentiable outputs; it is None if no
        Tensor requires a gradient or nothing is recorded.
    """
    leaves, structure = jax.tree.flatten((args, kwargs))
    tensors, arrays, form = [], [], []
    floats = numbers and any(isinstance(leaf, TensorBase) and differentiable(leaf) for leaf in leaves)
    for leaf in leaves:
        tensor = leaf if isinstance(leaf, TensorBase) else None
        if tensor is not None:
            array = tensor.data
        elif isinstance(leaf, np.ndarray):
            array = fitted(leaf)  # a copy, because a numpy array can change before backward
        elif isinstance(leaf, np.integer | np.bool_) and not numbers:  # a size, an axis or a flag
            form.append((type(leaf.item()), leaf.item()))
            continue
        elif isinstance(leaf, np.integer):
            array = fitted(np.asarray(leaf))
        elif isinstance(leaf, jax.Array | np.generic):
            array = leaf
        elif numbers and isinstance(leaf, complex | float | int):
            array = number(leaf, floats)
        else:
            form.append((type(leaf), leaf))
            continue
        form.append(ARRAY)
        tensors.append(tensor)
        arrays.append(array)
    called = Form(structure, tuple(form))
    chosen = tuple(is_grad_enabled() and tensor is not None and tensor.requires_grad for tensor in tensors)
    if not any(chosen):
        return *operation.run(called, arrays), None
    recorded = operation.record(called, arrays, chosen)
    outputs = [leaf for leaf in jax.tree.leaves(recorded.output) if differentiable(leaf)]
    node = Node(
        operation.name, recorded.pullback,
        edges=[tensor._edge() for tensor, pick in zip(tensors, chosen, strict=True) if pick],
        outputs=[jax.ShapeDtypeStruct(output.shape, output.dtype) for output in outputs],
        needed=[(tensor, tensor.version) for i in recorded.used if (tensor := tensors[i]) is not None],
        holds_arrays=recorded.holds_arrays,
    )
    return recorded.output, recorded.aux, node
