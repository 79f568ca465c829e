"""`torch.func`: transformations of functions of Tensors, over those of jax."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ._lift import run
from ._operation import Operation
from ._trace import pure
from .nn.module import Module
from .tensor import Tensor

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "stack_module_state", "vjp",
    "vmap",
]  # fmt: skip

Dims = Any


def _lifted(transformed: Callable[..., Any], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Tensors from a transformed pure function. It is not compiled, because it may depend on others."""
    operation = Operation(transformed, name=name, jit=False)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return run(operation, args, kwargs)[0]

    return call


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of a function with one number as its output, with respect to the arguments `argnums`."""
    return _lifted(jax.grad(pure(func), argnums, has_aux), "grad", func)


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """(gradient, value), or (gradient, (value, aux))."""
    both = jax.value_and_grad(pure(func), argnums, has_aux)
    return _lifted(lambda *args, **kwargs: tuple(reversed(both(*args, **kwargs))), "grad_and_value", func)


def vmap(
    func: Callable[..., Any], in_dims: Dims = 0, out_dims: Dims = 0, randomness: str = "error", *,
    chunk_size: Any = None,
) -> Callable[..., Any]:
    """The function for a batch: `in_dims` and `out_dims` say which axes count the samples, None that there is none."""
    return _lifted(jax.vmap(pure(func), _axes(in_dims), _axes(out_dims)), "vmap", func)


def _axes(dims: Dims) -> Dims:
    return tuple(dims) if isinstance(dims, list) else dims


def jacrev(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The Jacobian in reverse mode: axes of the output, then axes of the argument."""
    return _lifted(jax.jacrev(pure(func), argnums, has_aux), "jacrev", func)


def jacfwd(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The Jacobian in forward mode: axes of the output, then axes of the argument."""
    return _lifted(jax.jacfwd(pure(func), argnums, has_aux), "jacfwd", func)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The matrix of second derivatives of a function with one number as its output."""
    return _lifted(jax.hessian(pure(func), argnums), "hessian", func)


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(output, a function from cotangents of the output to a tuple of those of `primals`), and aux."""
    output = func(*primals)
    value, *aux = output if has_aux else (output,)

    def back(cotangents: Any) -> Any:
        def pulled(primals: Sequence[Any], cotangents: Any) -> Any:
            function = pure(lambda *args: func(*args)[0]) if has_aux else pure(func)
            return jax.vjp(function, *primals)[1](cotangents)

        gradients = run(Operation(pulled, name="vjp", jit=False), (primals, cotangents), {})[0]
        return gradients if len(primals) > 1 else gradients[0]

    return (value, back, *aux)


def jvp(func: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False) -> Any:
    """(output, its directional derivative), and aux."""

    def pushed(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return jax.jvp(pure(func), primals, tangents, has_aux=has_aux)

    return run(Operation(pushed, name="jvp", jit=False), (tuple(primals), tuple(tangents)), {})[0]


def functional_call(
    module: Module, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: Mapping[str, Any] | None = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:
    """Calls a module with other Tensors in place of its parameters and buffers.

    Args:
        module: the module, which is not changed.
        parameter_and_buffer_dicts: Tensors by dotted name, or several such dicts.
        args: the positional arguments, a tuple or one argument.
        kwargs: the keyword arguments.
        tie_weights: put the Tensor at every place of a parameter that is held at several places.
        strict: whether all parameters and buffers must be given, and nothing else.
    """
    dicts = parameter_and_buffer_dicts
    given = {name: value for part in ([dicts] if isinstance(dicts, Mapping) else dicts) for name, value in part.items()}
    if strict:
        own = {name for name, _ in (*module.named_parameters(), *module.named_buffers())}
        if own != set(given):
            raise RuntimeError(
                f"missing: {sorted(own - set(given))}; unexpected: {sorted(set(given) - own)}; leave strict out to "
                "allow it"
            )
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights):
        return module(*args, **(kwargs or {}))


@contextlib.contextmanager
def _replaced(module: Module, given: Mapping[str, Any], tie_weights: bool) -> Iterator[None]:
    changed: list[tuple[dict[str, Any], str, Any]] = []
    places = [(kind, name) for kind in ("_parameters", "_buffers") for name, _ in module._named(kind, "", True, False)]
    found = {name: _holder(module, kind, name) for kind, name in places}
    try:
        for name, tensor in given.items():
            if name not in found:
                continue
            held, last = found[name]
            old = held[last]
            same = [(held, last)]
            if tie_weights:
                same = [(where, key) for where, key in found.values() if where[key] is old] or same
            for where, key in same:
                changed.append((where, key, where[key]))
                where[key] = tensor if isinstance(tensor, Tensor) else Tensor.wrap(jnp.asarray(tensor))
        yield
    finally:
        for where, key, tensor in reversed(changed):
            where[key] = tensor


def _holder(module: Module, kind: str, name: str) -> tuple[dict[str, Any], str]:
    path, _, last = name.rpartition(".")
    return vars(module.get_submodule(path))[kind], last


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of several modules of one structure, stacked in a first axis, for `vmap`."""
    stacks = []
    for kind in ("named_parameters", "named_buffers"):
        each = [dict(getattr(model, kind)()) for model in models]
        stacks.append({name: Tensor.wrap(jnp.stack([part[name].array for part in each])) for name in each[0]})
        for name, tensor in stacks[-1].items():
            tensor.requires_grad_(each[0][name].requires_grad)
    return stacks[0], stacks[1]
