"""The call of a module that has hooks."""

from collections.abc import Callable
from typing import Any

import jax

from ..tensor import Tensor

__all__ = ["called"]


def called(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls the hooks of a module and its `forward`."""
    hooks = module._hooks
    for hook, options in list(hooks.get("forward_pre", {}).values()):
        if options["with_kwargs"]:
            result = hook(module, args, kwargs)
            args, kwargs = (args, kwargs) if result is None else result
        else:
            result = hook(module, args)
            args = args if result is None else result if isinstance(result, tuple) else (result,)
    backward = _Backward(module) if hooks.get("backward") or hooks.get("backward_pre") else None
    if backward is not None:
        args = backward.watch_inputs(args)
    output = module.forward(*args, **kwargs)
    for hook, options in list(hooks.get("forward", {}).values()):
        result = hook(module, args, kwargs, output) if options["with_kwargs"] else hook(module, args, output)
        output = output if result is None else result
    return output if backward is None else backward.watch_outputs(output)


class _Backward:
    """Collects the gradients of the outputs and inputs of one call for the backward hooks of its module."""

    def __init__(self, module: Any):
        self.module = module
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.waiting = 0

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments as Tensors of their own, whose gradients are seen."""
        watched = []
        for arg in args:
            if isinstance(arg, Tensor) and arg.requires_grad:
                arg = arg.clone()
                place = len(self.inputs)
                arg.register_hook(lambda grad, place=place: self.input_arrived(place, grad))
                self.inputs.append(None)
            watched.append(arg)
        self.waiting = len(self.inputs)
        return tuple(watched)

    def watch_outputs(self, output: Any) -> Any:
        """The outputs as Tensors of their own, whose gradients are seen."""
        leaves, structure = jax.tree.flatten(output)
        for place, leaf in enumerate(leaves):
            if isinstance(leaf, Tensor) and leaf.requires_grad:
                leaves[place] = leaf = leaf.clone()
                leaf.register_hook(self._output_hook(len(self.outputs)))
                self.outputs.append(None)
        return jax.tree.unflatten(structure, leaves)

    def _output_hook(self, place: int) -> Callable[[Tensor], Tensor | None]:
        def arrived(grad: Tensor) -> Tensor | None:
            self.outputs[place] = grad
            for hook in self.module._hooks.get("backward_pre", {}).values():
                result = hook(self.module, tuple(self.outputs))
                if result is not None:
                    self.outputs = list(result) if isinstance(result, tuple) else [result]
            if not self.inputs:
                self.finish((None,))
            return self.outputs[place]

        return arrived

    def input_arrived(self, place: int, grad: Tensor) -> Tensor | None:
        """Notes the gradient of an input. With the last one the hooks are called, and may replace it."""
        self.inputs[place] = grad
        self.waiting -= 1
        if self.waiting == 0:
            self.inputs = list(self.finish(tuple(self.inputs)))
            return self.inputs[place]
        return None

    def finish(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        """Calls the hooks with all gradients."""
        for hook in self.module._hooks.get("backward", {}).values():
            result = hook(self.module, grad_input, tuple(self.outputs))
            if result is not None:
                grad_input = result if isinstance(result, tuple) else (result,)
        return grad_input
