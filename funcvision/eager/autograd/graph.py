"""The graph of recorded operations: its nodes, and hooks on what is saved for the backward pass."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from .._base import TensorBase
from .._graph import AccumulateGrad, Node
from .._modes import mode
from ..tensor import Tensor
from ..utils.hooks import RemovableHandle

__all__ = [
    "GradientEdge", "Node", "Saved", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version",
    "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip


class GradientEdge(NamedTuple):
    """Where a gradient arrives: a node and the number of its output."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient with respect to a Tensor arrives.

    Raises:
        RuntimeError: the Tensor does not require a gradient.
    """
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    edge = tensor._edge()
    return GradientEdge(edge.target if isinstance(edge.target, Node) else AccumulateGrad(edge.target), edge.index)


class Saved:
    """A Tensor that is kept for the backward pass.

    Args:
        tensor: the Tensor.
        is_own: whether the node that keeps it has made it. Then only its array is kept, because the Tensor refers to
            the node.
    """

    def __init__(self, tensor: TensorBase, *, is_own: bool = False):
        self._version, self._hooks = tensor.version, mode.packing[-1] if mode.packing else None
        self._node, self._index, self._counted = tensor.node, tensor._index, tensor._version
        if self._hooks is not None:
            self._kept: Any = self._hooks[0](tensor.detach() if is_own else tensor)
        else:
            self._kept = tensor.array if is_own else tensor

    def tensor(self) -> Any:
        """The Tensor with its history.

        Raises:
            RuntimeError: it was changed in place.
        """
        if self._hooks is not None:
            unpacked = self._hooks[1](self._kept)
            return unpacked if self._node is None else Tensor.wrap(unpacked.array, self._node, self._index)
        if self._counted[0] != self._version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: it "
                f"was saved at version {self._version} and is at version {self._counted[0]}"
            )
        return self._kept if isinstance(self._kept, TensorBase) else Tensor.wrap(self._kept, self._node, self._index)


class saved_tensors_hooks:
    """A context in which `pack_hook` gets each Tensor that is saved for the backward pass, and its result is kept.

    Args:
        pack_hook: takes a Tensor, and returns anything.
        unpack_hook: takes what `pack_hook` returned, and returns a Tensor with the same values.
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]):
        self._hooks = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if mode.packing_error is not None:
            raise RuntimeError(mode.packing_error)
        mode.packing = (*mode.packing, self._hooks)

    def __exit__(self, *error: Any) -> None:
        mode.packing = mode.packing[:-1]


class save_on_cpu(saved_tensors_hooks):
    """A context in which what is saved for the backward pass lies in the memory of the host.

    Args:
        pin_memory: accepted, without effect.
        device_type: accepted, without effect.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        cpu = jax.devices("cpu")[0]

        def pack(tensor: Tensor) -> tuple[Any, jax.Array]:
            return tensor.array.sharding, jax.device_put(tensor.array, cpu)

        def unpack(packed: tuple[Any, jax.Array]) -> Tensor:
            return Tensor.wrap(jax.device_put(packed[1], packed[0]))

        super().__init__(pack, unpack)


class disable_saved_tensors_hooks:
    """A context in which `saved_tensors_hooks` raises RuntimeError.

    Args:
        error_message: the message of the error.
    """

    def __init__(self, error_message: str):
        self._message = error_message

    def __enter__(self) -> None:
        self._before, mode.packing_error = mode.packing_error, self._message

    def __exit__(self, *error: Any) -> None:
        mode.packing_error = self._before


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Tells the graph that Tensors were written, so that a backward pass that needs an old value raises."""
    for written in [tensor] if isinstance(tensor, Tensor) else tensor:
        written._version[0] += 1


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> RemovableHandle:
    """Adds a function that is called when the gradients with respect to several Tensors have been computed.

    Args:
        tensors: the Tensors.
        fn: with `mode="all"` it gets the list of gradients, None for those that were not computed; with "any", the
            first gradient.
        mode: "all" or "any".

    Raises:
        ValueError: `mode` is neither.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    received: dict[int, Any] = {}
    handles = []

    def hook_of(i: int) -> Callable[[Any], None]:
        def hook(gradient: Any) -> None:
            received[i] = gradient
            if mode == "any" and len(received) == 1:
                fn(gradient)
            if len(received) == len(tensors):
                gradients = [received.get(i) for i in range(len(tensors))]
                received.clear()
                if mode == "all":
                    fn(gradients)

        return hook

    for i, tensor in enumerate(tensors):
        handles.append(tensor.register_hook(hook_of(i)))
    return _Handles(handles)


class _Handles(RemovableHandle):
    """Removes several hooks."""

    def __init__(self, handles: Sequence[RemovableHandle]):
        super().__init__(OrderedDict())
        self._handles = handles

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
