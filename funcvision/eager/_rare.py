"""`Rare`: what only few Tensors have, so that the others need one attribute for all of it."""

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ._modes import mode

__all__ = ["INFERENCE", "Rare"]


class Rare:
    """What only few Tensors have.

    Attributes:
        inference: whether the Tensor was made in inference mode.
        retains: whether the Tensor retains its gradient though it is not a leaf.
        hooks: of a leaf: functions of its gradient that return it, or another one in its place.
        after: of a leaf: functions of the leaf, called after its gradient was accumulated.
    """

    __slots__ = ("after", "hooks", "inference", "retains")

    def __init__(self, inference: bool = False):
        self.inference, self.retains = inference, False
        self.hooks: OrderedDict[int, Callable[[Any], Any]] = OrderedDict()
        self.after: OrderedDict[int, Callable[[Any], None]] = OrderedDict()

    def retain(self, tensor: Any, former: Any = None, former_index: int = 0) -> None:
        """Makes the node of a Tensor store its gradient, and no longer the node that it had before a write."""
        self.retains = True
        if former is not None:
            former.hooked().retaining.pop(former_index, None)
        if tensor._node is not None:
            tensor._node.hooked().retaining[tensor._index] = weakref.ref(tensor)

    def check_inference(self, change: str) -> None:
        """Raises RuntimeError if this is an inference Tensor, which is not to be changed outside inference mode."""
        if self.inference and not mode.inference:
            raise RuntimeError(
                f"{change} of an inference tensor outside InferenceMode is not allowed: the Tensor was made in "
                "inference_mode. Take a copy by .clone() first, or make the Tensor under no_grad"
            )

    def hooked(self, gradient: Any) -> Any:
        """The gradient as the hooks return it."""
        for hook in list(self.hooks.values()):
            gradient = hook(gradient)
        return gradient

    def call_after_accumulation(self, leaf: Any) -> None:
        """Calls the functions of the leaf."""
        for hook in list(self.after.values()):
            hook(leaf)


INFERENCE = Rare(inference=True)  # of all Tensors made in inference mode that have nothing else
