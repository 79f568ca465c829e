"""A module called with other parameters."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...tensor import Tensor
from ..module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module, parameters_and_buffers: Mapping[str, Tensor], args: Any = None,
    kwargs: Mapping[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False,
) -> Any:
    """Calls a module with other Tensors in the place of its parameters and buffers, through which gradients flow.

    Args:
        module: the module. It does not change.
        parameters_and_buffers: Tensors by their dotted names.
        args: the argument, or a tuple of arguments.
        kwargs: arguments by name.
        tie_weights: give a Tensor also to all other names of the same parameter.
        strict: whether all parameters and buffers must be given, and no others.

    Raises:
        RuntimeError: `strict` is set, and names are missing or unexpected.
    """
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module: Module, tensors: Mapping[str, Tensor], tie_weights: bool, strict: bool) -> Iterator[None]:
    own: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    own |= module.named_buffers(remove_duplicate=False)
    unexpected, missing = sorted(tensors.keys() - own.keys()), sorted(own.keys() - tensors.keys())
    tied = {own[name]: tensor for name, tensor in tensors.items() if name in own} if tie_weights else {}
    given = {**{name: tied[tensor] for name, tensor in own.items() if tensor in tied}, **tensors}
    missing = [name for name in missing if name not in given]
    if strict and (unexpected or missing):
        raise RuntimeError(f"functional_call got unexpected names {unexpected}; these names are missing: {missing}")
    before = []
    for name, tensor in given.items():
        if name in own:
            path, _, leaf = name.rpartition(".")
            parent = module.get_submodule(path)
            held = parent._parameters if leaf in parent._parameters else parent._buffers
            before.append((held, leaf, held[leaf]))
            held[leaf] = tensor
    try:
        yield
    finally:
        for held, leaf, tensor in reversed(before):
            held[leaf] = tensor
