"""`GradientMethods`: the methods of `Tensor` that concern gradients: backward, hooks and leaves."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ._base import TensorBase, as_array
from ._graph import Cotangent, Edge, Node, backward
from ._modes import mode, recording
from ._rare import INFERENCE, Rare
from ._recorded_backward import pull_recorded
from ._tiered import full
from .utils.hooks import RemovableHandle

__all__ = ["GradientMethods", "gradients", "propagate"]

Self = TypeVar("Self", bound="GradientMethods")


class GradientMethods(TensorBase):
    """What a Tensor can do with its history."""

    __slots__ = ()

    @property
    def grad(self) -> Any:
        """The sum of the gradients of all calls of `backward` so far, as a Tensor; None before the first call."""
        if self._grad is None and self.node is not None and not self.retains_grad:
            warnings.warn(
                "grad of a Tensor that is not a leaf is None: backward does not store it. Call retain_grad() before "
                "backward to have it stored",
                UserWarning, stacklevel=2,
            )  # fmt: skip
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and not isinstance(value, TensorBase):
            raise TypeError(f"grad must be None or a Tensor; got {type(value).__name__}")
        if value is not None and value.shape != self.shape:
            raise RuntimeError(f"grad must have the shape of its Tensor, {tuple(self.shape)}; got {tuple(value.shape)}")
        self._grad = value

    @property
    def grad_fn(self) -> Node | None:
        """The node of the graph that made this Tensor; None for a leaf."""
        return self.node

    @property
    def retains_grad(self) -> bool:
        """Whether `backward` stores the gradient though this Tensor is not a leaf."""
        return self.node is not None and self._rare is not None and self._rare.retains

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Computes the gradient with respect to each leaf of the graph and adds it to the `grad` of the leaf.

        Args:
            gradient: the gradient, with respect to this Tensor, of the quantity to differentiate. It has the shape of
                this Tensor and defaults to 1 if the Tensor has one element.
            retain_graph: keep the graph, so that backward can run through it again. The default is `create_graph`.
            create_graph: record the backward pass, so that gradients can be differentiated.
            inputs: Tensors, or one, in whose `grad` the gradients are added; by default those of all leaves.

        Raises:
            RuntimeError: nothing requires a gradient; the Tensor has several elements and no `gradient` is given; an
                earlier call has freed the graph; or a value that is needed was changed in place.
        """
        if inputs is not None:
            inputs = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
            if not inputs:
                raise RuntimeError("backward got no inputs: give at least one Tensor, or None for all leaves")
        propagate([self], [gradient], retain_graph, create_graph, inputs)

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Adds a function that each backward pass calls with the gradient with respect to this Tensor.

        Args:
            hook: takes the gradient and returns None, or a Tensor that takes its place. It must not change it.

        Raises:
            RuntimeError: the Tensor does not require a gradient.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        on_cotangent = on_cotangents(hook)
        if self.node is not None:
            return self.node.add_hook("outputs", on_cotangent, self._index)
        hooks = self._with_rare().hooks
        handle = RemovableHandle(hooks)
        hooks[handle.id] = on_cotangent
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Adds a function that is called with this leaf whenever its gradient has been accumulated.

        Raises:
            RuntimeError: the Tensor is no leaf, or does not require a gradient.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.node is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        hooks = self._with_rare().after
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def retain_grad(self) -> None:
        """Makes `backward` store the gradient in `grad` though this Tensor is not a leaf.

        Raises:
            RuntimeError: the Tensor does not require a gradient.
        """
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.node is not None:
            self._with_rare().retain(self)

    def is_inference(self) -> bool:
        """Whether this Tensor was made in `inference_mode`."""
        return self._rare is not None and self._rare.inference

    def detach_(self: Self) -> Self:
        """Removes the history of this Tensor, which becomes a leaf, and returns it."""
        self._node, self._index, self._requires_grad = None, 0, False
        return self

    def _with_rare(self) -> Rare:
        if self._rare is None or self._rare is INFERENCE:
            self._rare = Rare(inference=self._rare is INFERENCE)
        return self._rare


def on_cotangents(hook: Callable[[Any], Any]) -> Callable[[Cotangent], Cotangent]:
    """A function of a gradient as a function of a cotangent, which is an array or a Tensor."""

    def on_cotangent(cotangent: Cotangent) -> Cotangent:
        result = hook(_to_tensor(cotangent))
        if result is None:
            return cotangent
        if not isinstance(result, TensorBase):
            raise TypeError(f"a hook returns None or a Tensor; this one returned {type(result).__name__}")
        if result.shape != cotangent.shape:
            raise RuntimeError(
                f"a hook changed the size of a gradient from {tuple(cotangent.shape)} to {tuple(result.shape)}"
            )
        return _like(cotangent, result)

    return on_cotangent


def _to_tensor(cotangent: Cotangent) -> TensorBase:
    return cotangent if isinstance(cotangent, TensorBase) else TensorBase.result.wrap(cotangent)


def _like(cotangent: Cotangent, tensor: TensorBase) -> Cotangent:
    """A Tensor as a cotangent of the same kind."""
    return tensor if isinstance(cotangent, TensorBase) else as_array(tensor)


Node.to_tensor, Node.like = staticmethod(_to_tensor), staticmethod(_like)


def propagate(
    outputs: Sequence[TensorBase], cotangents: Sequence[Any], retain_graph: bool | None, create_graph: bool,
    inputs: Sequence[TensorBase] | None,
) -> None:
    """Adds the gradients to the `grad` of the inputs, or of all leaves. See `GradientMethods.backward`."""
    if inputs is None:
        _run(outputs, cotangents, retain_graph, create_graph, None)
        return
    found = gradients(outputs, inputs, cotangents, retain_graph, create_graph)
    with recording(create_graph):
        for tensor, gradient in zip(inputs, found, strict=True):
            if gradient is not None:
                tensor.accumulate(gradient)


def gradients(
    outputs: Sequence[TensorBase], inputs: Sequence[TensorBase], cotangents: Sequence[Any],
    retain_graph: bool | None, create_graph: bool,
) -> list[Cotangent | None]:
    """The gradients with respect to the inputs: arrays, Tensors if `create_graph` is set, None for unused inputs."""
    for tensor in inputs:
        if not tensor.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    return _run(outputs, cotangents, retain_graph, create_graph, [tensor._edge() for tensor in inputs])


def _run(
    outputs: Sequence[TensorBase], cotangents: Sequence[Any], retain_graph: bool | None, create_graph: bool,
    inputs: list[Edge] | None,
) -> list[Cotangent | None]:
    roots = [
        (tensor._edge(), _cotangent(tensor, cotangent, create_graph))
        for tensor, cotangent in zip(outputs, cotangents, strict=True)
    ]
    retain = create_graph if retain_graph is None else retain_graph
    with recording(create_graph):
        return backward(roots, retain, pull=pull_recorded if create_graph else None, inputs=inputs)


def _cotangent(tensor: TensorBase, given: Any, create_graph: bool) -> Cotangent:
    """The cotangent with which the backward pass starts at an output."""
    if mode.trace is not None:
        raise RuntimeError(
            "gradients cannot be computed within a function that is compiled or transformed: call backward or grad on "
            "its result, or use func.grad within it"
        )
    if not tensor.requires_grad:
        raise RuntimeError(
            "element 0 of tensors does not require grad and does not have a grad_fn: backward has nothing to do. "
            "Nothing that this Tensor was computed from requires a gradient, or it was computed under no_grad"
        )
    if given is None:
        if tensor.numel() != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs: backward() needs a Tensor with one element; "
                f"this one has shape {tuple(tensor.shape)}: call it on sum() or mean(), or call backward(gradient) "
                "with a gradient of that shape"
            )
        given = full(tensor.array.shape, 1, tensor.array.dtype)
    if create_graph and not isinstance(given, TensorBase):
        given = TensorBase.result.wrap(as_array(given))
    cotangent: Any = given if create_graph else as_array(given)
    if cotangent.shape != tensor.shape:
        raise RuntimeError(
            f"Mismatch in shape: backward got a gradient of shape {tuple(cotangent.shape)} for a Tensor of shape "
            f"{tuple(tensor.shape)}"
        )
    if create_graph:
        return cotangent.to(tensor.dtype)
    return cotangent if cotangent.dtype == tensor.array.dtype else cotangent.astype(tensor.array.dtype)
