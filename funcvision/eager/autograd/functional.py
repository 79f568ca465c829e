"""Jacobians, Hessians and their products with vectors, for functions of Tensors.

Each function takes `func` and its inputs, a Tensor or a tuple of Tensors; the results have the same structure. With
`create_graph` they can be differentiated further. With `strict` an output that does not depend on an input is an error,
otherwise its derivative is zeros.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .._modes import enable_grad
from ..creation import stack
from ..tensor import Tensor
from .differentiation import grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Tensor | tuple[Tensor, ...]
Function = Callable[..., Any]


def vjp(
    func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of a vector with the Jacobian.

    Args:
        func: the function.
        inputs: its inputs.
        v: a vector of the shape of the outputs; it may be left out if the output has one element.
        create_graph: whether the results can be differentiated.
        strict: whether an output that does not depend on an input is an error.
    """
    with enable_grad():
        leaves, outputs, single = _called("vjp", func, inputs, create_graph)
        vectors = _vectors("vjp", v, outputs)
        products = grad(outputs, leaves, vectors, create_graph=create_graph, allow_unused=True)
        _check_strict("vjp", products, strict)
    return _packed(outputs, single, create_graph), _results(products, leaves, inputs, create_graph)


def jvp(
    func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of the Jacobian with a vector.

    Args:
        func: the function.
        inputs: its inputs.
        v: a vector of the shape of the inputs; it may be left out if the input has one element.
        create_graph: whether the results can be differentiated.
        strict: whether an output that does not depend on an input is an error.
    """
    with enable_grad():
        leaves, outputs, single = _called("jvp", func, inputs, create_graph)
        vectors = _vectors("jvp", v, leaves)
        # The product of a vector u with the Jacobian is linear in u, and its transpose is the product that is wanted.
        multipliers = [_zeros(output).requires_grad_() for output in outputs]
        rows = grad(outputs, leaves, multipliers, create_graph=True, allow_unused=True)
        _check_strict("jvp", rows, strict)
        used = [(row, vector) for row, vector in zip(rows, vectors, strict=True) if row is not None]
        if used:
            products = grad(
                [row for row, _ in used], multipliers, [vector for _, vector in used], create_graph=create_graph,
                allow_unused=True,
            )
        else:
            products = (None,) * len(outputs)
        _check_strict("jvp", products, strict)
    filled = [_zeros(o) if product is None else product for product, o in zip(products, outputs, strict=True)]
    return _packed(outputs, single, create_graph), _packed(filled, single, create_graph)


def jacobian(
    func: Function, inputs: Tensors, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for each output and each input a Tensor of the shape of the output followed by that of the input.

    Args:
        func: the function.
        inputs: its inputs.
        create_graph: whether the Jacobian can be differentiated.
        strict: whether an output that does not depend on an input is an error.
        vectorize: compute all rows at once by `jax.vmap`. By default they are computed one after the other.
        strategy: "reverse-mode". "forward-mode", which torch has with `vectorize`, gives the same values.

    Raises:
        ValueError: the strategy has another name.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: got {strategy!r}')
    with enable_grad():
        leaves, outputs, single = _called("jacobian", func, inputs, create_graph)
        rows = [_jacobian_of(output, leaves, create_graph, strict, vectorize) for output in outputs]
    by_output = tuple(blocks if isinstance(inputs, tuple) else blocks[0] for blocks in rows)
    return by_output[0] if single else by_output


def _jacobian_of(
    output: Tensor, leaves: list[Tensor], create_graph: bool, strict: bool, vectorize: bool
) -> tuple[Tensor, ...]:
    """The Jacobian of one output with respect to each input."""
    count = output.numel()
    shapes = [(*output.shape, *leaf.shape) for leaf in leaves]
    if not output.requires_grad:
        _check_strict("jacobian", (None,), strict)
        return tuple(
            Tensor.wrap(jnp.zeros(shape, leaf.array.dtype)) for shape, leaf in zip(shapes, leaves, strict=True)
        )
    flat, units = output.reshape(-1), Tensor.wrap(jnp.eye(count, dtype=output.array.dtype))
    options: dict[str, Any] = {"create_graph": create_graph, "allow_unused": True, "retain_graph": True}
    if vectorize:
        columns = grad([flat], leaves, [units], is_grads_batched=True, **options)
        found = [[column] for column in columns]
    else:
        rows = [grad([flat], leaves, [units[i]], **options) for i in range(count)]
        found = [list(column) for column in zip(*rows, strict=True)]
    blocks = []
    for column, leaf, shape in zip(found, leaves, shapes, strict=True):
        _check_strict("jacobian", column, strict)
        if not column:
            blocks.append(Tensor.wrap(jnp.zeros(shape, leaf.array.dtype)))
            continue
        filled = [_zeros(leaf) if row is None else row for row in column]
        if vectorize and column[0] is None:
            block = Tensor.wrap(jnp.zeros(shape, leaf.array.dtype))
        else:
            block = (filled[0] if vectorize else stack(filled)).reshape(shape)
        blocks.append(block if create_graph else block.detach())
    return tuple(blocks)


def hessian(
    func: Function, inputs: Tensors, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function whose output has one element: for each pair of inputs a Tensor of both their shapes.

    Args:
        func: the function.
        inputs: its inputs.
        create_graph: whether the Hessian can be differentiated.
        strict: whether an output that does not depend on an input is an error.
        vectorize: compute all rows at once by `jax.vmap`.
        outer_jacobian_strategy: as `strategy` of `jacobian`.

    Raises:
        RuntimeError: the output has several elements.
    """

    def gradient(*leaves: Tensor) -> Any:
        given = leaves if isinstance(inputs, tuple) else leaves[0]
        result = jacobian(_of_one_element("hessian", func), given, create_graph=True, strict=strict)
        return tuple(part.reshape(leaf.shape) for part, leaf in zip(_tuple(result), leaves, strict=True))

    found = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found if isinstance(inputs, tuple) else found[0]


def vhp(
    func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output, which has one element, and the product of a vector with the Hessian.

    Args:
        func: the function.
        inputs: its inputs.
        v: a vector of the shape of the inputs; it may be left out if the input has one element.
        create_graph: whether the results can be differentiated.
        strict: whether an output that does not depend on an input is an error.

    Raises:
        RuntimeError: the output has several elements.
    """
    with enable_grad():
        leaves, outputs, single = _called("vhp", _of_one_element("vhp", func), inputs, create_graph)
        vectors = _vectors("vhp", v, leaves)
        first = grad(outputs, leaves, create_graph=True, allow_unused=True)
        _check_strict("vhp", first, strict)
        used = [(g, vector) for g, vector in zip(first, vectors, strict=True) if g is not None and g.requires_grad]
        if used:
            products = grad(
                [g for g, _ in used], leaves, [vector for _, vector in used], create_graph=create_graph,
                allow_unused=True,
            )
        else:
            products = (None,) * len(leaves)
        _check_strict("vhp", products, strict)
    return _packed(outputs, single, create_graph), _results(products, leaves, inputs, create_graph)


def hvp(
    func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output, which has one element, and the product of the Hessian with a vector.

    The Hessian is symmetric, so this is `vhp`.
    """
    return vhp(func, inputs, v, create_graph, strict)


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _called(name: str, func: Function, inputs: Any, create_graph: bool) -> tuple[list[Tensor], list[Tensor], bool]:
    """The inputs as Tensors that require a gradient, the outputs, and whether there is one without a tuple."""
    for tensor in _tuple(inputs):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} takes a Tensor or a tuple of Tensors as inputs; got {type(tensor).__name__}")
    leaves = [_input(tensor, create_graph) for tensor in _tuple(inputs)]
    result = func(*leaves)
    for tensor in _tuple(result):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} takes a function that returns Tensors; it returned {type(tensor).__name__}")
    return leaves, list(_tuple(result)), not isinstance(result, tuple | list)


def _input(tensor: Tensor, create_graph: bool) -> Tensor:
    if create_graph and tensor.requires_grad:
        return tensor.view_as(tensor)
    return tensor.detach().requires_grad_()


def _vectors(name: str, given: Any, like: list[Tensor]) -> list[Tensor]:
    """The vector, one part for each of the Tensors that it resembles."""
    if given is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {name} is of one Tensor with one element")
        return [Tensor.wrap(jnp.ones_like(like[0].array))]
    vectors = list(_tuple(given))
    if len(vectors) != len(like):
        raise RuntimeError(f"{name} got a v of {len(vectors)} Tensors: give {len(like)}")
    for vector, tensor in zip(vectors, like, strict=True):
        if vector.shape != tensor.shape:
            raise RuntimeError(f"{name} got a v of shape {tuple(vector.shape)}: give shape {tuple(tensor.shape)}")
    return vectors


def _of_one_element(name: str, func: Function) -> Function:
    def checked(*leaves: Tensor) -> Any:
        output = func(*leaves)
        if not isinstance(output, Tensor) or output.numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return output.reshape(())

    return checked


def _zeros(like: Tensor) -> Tensor:
    return Tensor.wrap(jnp.zeros_like(like.array))


def _check_strict(name: str, found: Any, strict: bool) -> None:
    if strict and any(gradient is None for gradient in found):
        raise RuntimeError(f"An output of the function given to {name} is independent of an input; strict=True forbids")


def _results(found: Any, leaves: list[Tensor], inputs: Any, create_graph: bool) -> Any:
    """One result for each input, zeros where it is unused."""
    filled = [_zeros(leaf) if value is None else value for value, leaf in zip(found, leaves, strict=True)]
    return _packed(filled, not isinstance(inputs, tuple | list), create_graph)


def _packed(tensors: list[Tensor], single: bool, create_graph: bool) -> Any:
    packed = [tensor if create_graph else tensor.detach() for tensor in tensors]
    return packed[0] if single else tuple(packed)
