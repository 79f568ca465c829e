"""Parameters that are computed from other parameters each time they are read."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..._graph import no_grad
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip

M = TypeVar("M", bound=Module)


class _Cache(threading.local):
    """The values that were computed within `cached`."""

    depth = 0

    def __init__(self) -> None:
        self.values: dict[tuple[int, str], Tensor] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Within this context each parametrised Tensor is computed once, when it is read first."""
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.values.clear()


class ParametrizationList(ModuleList):
    """The parametrisations of one Tensor, and the Tensors that it is computed from.

    These are `original`, or `original0`, `original1`, ... if the `right_inverse` of the last parametrisation returns
    several.

    Args:
        modules: the parametrisations. The first one is computed first.
        original: the Tensor that is parametrised.
        unsafe: whether the shape and the dtype may change.

    Raises:
        ValueError: a parametrisation changes the shape or the dtype, or returns no Tensor.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False):
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            value: Any = self._inverted(original, strict=False)
        self.is_tensor = isinstance(value, Tensor)
        if not self.is_tensor and not isinstance(value, Sequence):
            raise ValueError(f"'right_inverse' must return Tensors; got {type(value).__name__}")
        self.ntensors = 1 if self.is_tensor else len(value)
        if isinstance(value, Tensor):
            _check_dtype("'right_inverse'", value, original)
            _set(original, value)  # the same Tensor, so that an optimizer that has it need not be told
            _register(self, "original", original)
        else:
            for number, part in enumerate(value):
                is_parameter = isinstance(original, Parameter)
                made = Parameter(part, original.requires_grad) if is_parameter else part.detach()
                _register(self, f"original{number}", made)
        if not unsafe:
            _check_alike(self(), original)

    def right_inverse(self, value: Tensor) -> None:
        """Makes the parametrised Tensor equal to `value`, as far as the parametrisations can."""
        with no_grad():
            inverted = self._inverted(value, strict=True)
            if self.is_tensor:
                _check_dtype("'right_inverse'", inverted, self.original)
                _set(self.original, inverted)
                return
            if not isinstance(inverted, Sequence) or len(inverted) != self.ntensors:
                raise ValueError(f"'right_inverse' must return a sequence of {self.ntensors} Tensors; got {inverted!r}")
            for number, part in enumerate(inverted):
                own = getattr(self, f"original{number}")
                _check_dtype("'right_inverse'", part, own)
                _set(own, part)

    def _inverted(self, value: Any, strict: bool) -> Any:
        """The value before all parametrisations. Without `strict`, one that has no inverse is left out."""
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse"):
                if strict:
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                continue
            try:
                value = module.right_inverse(value)
            except NotImplementedError:
                if strict:
                    raise
        return value

    def forward(self) -> Any:
        """The parametrised Tensor."""
        originals = ["original"] if self.is_tensor else [f"original{number}" for number in range(self.ntensors)]
        first, *others = self
        value = first(*(getattr(self, name) for name in originals))
        for module in others:
            value = module(value)
        return value


def register_parametrization(module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> M:
    """Computes a parameter or buffer by a module, each time it is read.

    `module.weight` becomes `parametrization(module.parametrizations.weight.original)`. Several parametrisations of one
    Tensor are computed one after the other. An assignment `module.weight = tensor` calls `right_inverse` of the
    parametrisation.

    Args:
        module: the module, which changes.
        tensor_name: the name of the parameter or buffer.
        parametrization: a module from a Tensor to a Tensor.
        unsafe: whether the shape and the dtype may change.

    Raises:
        ValueError: there is no such Tensor, or the parametrisation changes its shape or dtype.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        registered: Any = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            _check_alike(after, before)
            _check_inverse(parametrization, after, before)
        registered.append(parametrization)
        registered.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        registered = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            kind: Any = type(f"Parametrized{type(module).__name__}", (type(module),), {})
            module.__class__ = kind
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = registered
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has a parametrised Tensor, or this one."""
    registered = module._modules.get("parametrizations")
    if not isinstance(registered, ModuleDict):
        return False
    return len(registered) > 0 if tensor_name is None else tensor_name in registered


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Makes a parametrised Tensor a parameter or buffer again.

    Args:
        module: the module, which changes.
        tensor_name: the name of the Tensor.
        leave_parametrized: give it its parametrised value, and not that of `original`.

    Raises:
        ValueError: the Tensor is not parametrised, or there are several originals and `leave_parametrized` is not set.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    registered: Any = module.parametrizations[tensor_name]
    if not registered.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    value = getattr(module, tensor_name)
    if registered.is_tensor:
        tensor = registered.original
        if leave_parametrized:
            _set(tensor, value)
    else:
        tensor = Parameter(value.detach()) if value.requires_grad else value
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    _register(module, tensor_name, tensor)
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class of a module before it was parametrised."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Module, to_module: M, tensor_name: str | None = None) -> M:
    """Gives a module the parametrisations of another one, and the Tensors that they compute from.

    Args:
        from_module: the module that has them.
        to_module: the module that gets them. A parameter that it lacks is made.
        tensor_name: the name of one parametrised Tensor; None for all.
    """
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module.parametrizations
    for name in list(source) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for parametrization in source[name]:
            register_parametrization(to_module, name, parametrization)
        target: Any = to_module.parametrizations[name]
        for original in [n for n in (*source[name]._parameters, *source[name]._buffers) if n.startswith("original")]:
            setattr(target, original, getattr(source[name], original))
    return to_module


def _property(name: str) -> property:
    def read(self: Any) -> Any:
        registered = self._modules["parametrizations"][name]
        if not _cache.depth:
            return registered()
        key = (id(self), name)
        if key not in _cache.values:
            _cache.values[key] = registered()
        return _cache.values[key]

    def write(self: Any, value: Tensor) -> None:
        self._modules["parametrizations"][name].right_inverse(value)

    return property(read, write)


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _set(tensor: Tensor, value: Tensor) -> None:
    """Gives a Tensor the elements of another one, which may have another shape."""
    if value is not tensor:
        tensor.data = value.detach().clone()


def _check_dtype(what: str, value: Any, wanted: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"{what} must return a Tensor; got {type(value).__name__}")
    if value.dtype != wanted.dtype:
        raise ValueError(f"{what} may not change the dtype from {wanted.dtype} to {value.dtype}")


def _check_alike(value: Any, wanted: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
    if value.dtype != wanted.dtype or tuple(value.shape) != tuple(wanted.shape):
        raise ValueError(
            "Registering a parametrization may not change the shape and the dtype of the tensor, unless the `unsafe` "
            f"flag is enabled: it changes {wanted.dtype}{list(wanted.shape)} to {value.dtype}{list(value.shape)}"
        )


def _check_inverse(parametrization: Any, value: Tensor, wanted: Tensor) -> None:
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        inverted = parametrization.right_inverse(value)
    except NotImplementedError:
        return
    _check_alike(inverted, wanted)
