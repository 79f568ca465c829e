"""`grad` and `backward`: gradients of some outputs with respect to inputs, or to all leaves."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .._gradients import gradients, propagate
from ..tensor import Tensor

__all__ = ["backward", "grad"]

Tensors = Tensor | Sequence[Tensor]


def grad(
    outputs: Tensors, inputs: Tensors, grad_outputs: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
    is_grads_batched: bool = False, materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The sum of the gradients of the outputs with respect to each input. No `grad` changes.

    >>> from funcvision import eager
    >>> x = eager.tensor([1.0, 2.0], requires_grad=True)
    >>> (slope,) = grad((x**3).sum(), x, create_graph=True)
    >>> grad(slope.sum(), x)[0].tolist()
    [6.0, 12.0]

    Args:
        outputs: what is differentiated.
        inputs: Tensors from which the outputs were computed.
        grad_outputs: for each output the gradient with respect to it, or None for an output with one element.
        retain_graph: keep the graph, so that it can be used again. The default is `create_graph`.
        create_graph: record the computation of the gradients, so that they can be differentiated.
        only_inputs: accepted, without effect: no `grad` changes in any case.
        allow_unused: return None for inputs on which no output depends. The default is `materialize_grads`.
        is_grads_batched: each of `grad_outputs` has a leading axis, over which the computation is vectorised by
            `jax.vmap`. The gradients get this axis. With `create_graph` the computation is repeated instead.
        materialize_grads: return zeros for inputs on which no output depends.

    Raises:
        RuntimeError: an input does not require a gradient, or is unused and `allow_unused` is not set; and what
            `Tensor.backward` raises.
        ValueError: `materialize_grads` is set and `allow_unused` is False.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got False")
    outputs, inputs = _listed(outputs), _listed(inputs)
    cotangents = _cotangents(grad_outputs, len(outputs))
    if not is_grads_batched:
        found = gradients(outputs, inputs, cotangents, retain_graph, create_graph)
    elif create_graph:
        found = _repeated(outputs, inputs, cotangents, retain_graph)
    else:
        found = _vectorised(outputs, inputs, cotangents, retain_graph)
    if not (materialize_grads or allow_unused) and any(gradient is None for gradient in found):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if "
            "this is the desired behavior."
        )
    results = [
        gradient if gradient is None or isinstance(gradient, Tensor) else Tensor.wrap(gradient) for gradient in found
    ]
    if materialize_grads:
        results = [
            Tensor.wrap(jnp.zeros_like(tensor.array)) if result is None else result
            for result, tensor in zip(results, inputs, strict=True)
        ]
    return tuple(results)


def backward(
    tensors: Tensors, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Adds the sum of the gradients of Tensors to the `grad` of all leaves, or of some inputs.

    Args:
        tensors: what is differentiated.
        grad_tensors: for each of them the gradient with respect to it, or None if it has one element.
        retain_graph: keep the graph, so that it can be used again. The default is `create_graph`.
        create_graph: record the computation of the gradients, so that they can be differentiated.
        inputs: the Tensors in whose `grad` the gradients are added; by default all leaves.

    Raises:
        RuntimeError: as `Tensor.backward` does.
    """
    tensors = _listed(tensors)
    if inputs is not None and not _listed(inputs):
        raise RuntimeError("backward got no inputs: give at least one Tensor, or None for all leaves")
    cotangents = _cotangents(grad_tensors, len(tensors))
    propagate(tensors, cotangents, retain_graph, create_graph, None if inputs is None else _listed(inputs))


def _listed(tensors: Any) -> list[Tensor]:
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for tensor in listed:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"autograd takes Tensors; got {type(tensor).__name__}")
    return listed


def _cotangents(given: Any, count: int) -> list[Any]:
    listed = [given] * count if given is None else [given] if isinstance(given, Tensor) else list(given)
    if len(listed) != count:
        raise RuntimeError(f"got {count} tensors and {len(listed)} gradients: give one gradient for each tensor")
    return listed


def _vectorised(outputs: list[Tensor], inputs: list[Tensor], cotangents: list[Any], retain_graph: bool | None) -> Any:
    def of_one(arrays: list[Any]) -> list[Any]:
        wrapped = [None if array is None else Tensor.wrap(array) for array in arrays]
        return gradients(outputs, inputs, wrapped, retain_graph, create_graph=False)

    return jax.vmap(of_one)([None if cotangent is None else cotangent.array for cotangent in cotangents])


def _repeated(outputs: list[Tensor], inputs: list[Tensor], cotangents: list[Any], retain_graph: bool | None) -> Any:
    """Gradients for each entry of the leading axis of the cotangents, computed one by one and stacked."""
    from ..creation import stack

    length = next(cotangent.shape[0] for cotangent in cotangents if cotangent is not None)
    rows = []
    for i in range(length):
        picked = [None if cotangent is None else cotangent[i] for cotangent in cotangents]
        retain = True if i < length - 1 else retain_graph
        rows.append(gradients(outputs, inputs, picked, retain, create_graph=True))
    return [None if column[0] is None else stack(column) for column in zip(*rows, strict=True)]
