"""Recomputation in backward: a part of a model keeps its inputs only, and not what it computed from them."""

from collections.abc import Callable, Iterable
from typing import Any

from .._modes import enable_grad, is_grad_enabled
from ..autograd import Function, backward
from ..creation import zeros
from ..random import fork_rng, get_rng_state, set_rng_state
from ..tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Checkpoint(Function):
    """Calls a function without recording it, and records it when the backward pass needs it."""

    @staticmethod
    def forward(
        ctx: Any, function: Callable[..., Any], names: tuple[str, ...], keeps_draws: bool, leaf: Tensor, *inputs: Any
    ) -> Any:
        ctx.state = get_rng_state() if keeps_draws else None
        ctx.function, ctx.names, ctx.inputs = function, names, inputs
        ctx.leaf = leaf  # the graph does not keep it alive, and backward is run for leaves that live
        ctx.save_for_backward(*(one for one in inputs if isinstance(one, Tensor)))
        return _called(function, names, inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        saved = iter(ctx.saved_tensors)
        inputs = [_leaf(next(saved)) if isinstance(one, Tensor) else one for one in ctx.inputs]
        with enable_grad(), fork_rng(enabled=ctx.state is not None):
            if ctx.state is not None:
                set_rng_state(ctx.state)
            outputs = _called(ctx.function, ctx.names, inputs)
        outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        pairs = [
            (output, gradient) for output, gradient in zip(outputs, gradients, strict=True)
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if pairs:
            backward([output for output, _ in pairs], [gradient for _, gradient in pairs])
        return None, None, None, None, *(one.grad if isinstance(one, Tensor) else None for one in inputs)


def _called(function: Callable[..., Any], names: tuple[str, ...], inputs: Iterable[Any]) -> Any:
    """The function of inputs, the last of which have names."""
    inputs = list(inputs)
    first = len(inputs) - len(names)
    return function(*inputs[:first], **dict(zip(names, inputs[first:], strict=True)))


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_(tensor.requires_grad)


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, context_fn: Any = None,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True,
    preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:
    """What a function returns. The backward pass calls it again, so that its intermediate results are not kept.

    Parameters that the function uses get their gradients by `backward`; `autograd.grad` with respect to them does not
    reach into the function.

    Args:
        function: a function of Tensors that returns a Tensor or a tuple of them.
        *args: its arguments.
        use_reentrant: accepted as in torch; the method is always the reentrant one.
        context_fn: accepted as in torch, and not used.
        determinism_check: accepted as in torch, and not used.
        debug: accepted as in torch, and not used.
        early_stop: accepted as in torch, and not used.
        preserve_rng_state: whether the second call draws the same random numbers, those of dropout for instance.
        **kwargs: further arguments of the function.
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    recorded = zeros((), requires_grad=True)  # so that the call is recorded though no argument requires a gradient
    return _Checkpoint.apply(function, tuple(kwargs), preserve_rng_state, recorded, *args, *kwargs.values())


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A sequence of functions in segments, each of which is called again in the backward pass, but for the last.

    Args:
        functions: the functions, such as an `nn.Sequential`.
        segments: the number of segments.
        input: the argument of the first function.
        use_reentrant: accepted as in torch.
        **kwargs: options of `checkpoint`.
    """
    functions = list(functions)
    size = len(functions) // segments
    if not size:
        raise ValueError(f"{len(functions)} functions cannot be cut into segments={segments}")

    def run(part: list[Any]) -> Callable[[Any], Any]:
        def called(x: Any) -> Any:
            for function in part:
                x = function(x)
            return x

        return called

    for number in range(segments - 1):
        part = functions[number * size : (number + 1) * size]
        input = checkpoint(run(part), input, use_reentrant=use_reentrant, **kwargs)
    return run(functions[(segments - 1) * size :])(input)
