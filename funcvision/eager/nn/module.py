"""`Module`: a tree of parameters, buffers and submodules, and a `forward` of Tensors, as in torch."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from ... import nn as pure
from .._modes import mode
from ..tensor import Tensor
from ._calls import called
from ._loading import load
from .parameter import Buffer, Parameter

__all__ = ["IncompatibleKeys", "Module"]

Self = TypeVar("Self", bound="Module")
_KINDS = ("_parameters", "_buffers", "_modules")


def _is_description(name: str, layer: pure.Module) -> str:
    kind = type(layer).__name__
    return (
        f"{name!r} is a {kind} of funcvision.nn, which computes on jax arrays and holds none: use "
        f"funcvision.eager.nn.{kind} if there is one, or funcvision.eager.Module(layer)"
    )


class IncompatibleKeys(NamedTuple):
    """The result of `load_state_dict`."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """The base of all modules. A subclass calls `super().__init__()`, assigns its parts, and computes in `forward`.

    An attribute that is a `Parameter`, a `Buffer` or a `Module` is registered under its name.

    >>> from funcvision import eager
    >>> from funcvision.eager import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.linear = nn.Linear(3, 2)
    ...         self.gain = nn.Parameter(eager.ones(2))
    ...     def forward(self, x):
    ...         return self.linear(x) * self.gain
    >>> [name for name, _ in Scale().named_parameters()]
    ['gain', 'linear.weight', 'linear.bias']
    """

    training: bool

    def __init__(self) -> None:
        start: dict[str, Any] = {kind: {} for kind in _KINDS}
        vars(self).update(start, _temporary=set(), _hooks={}, training=True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The computation. Call the module, not this method, so that hooks run."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if mode.trace is not None:
            mode.trace.enter(self)
        return called(self, args, kwargs) if self._hooks else self.forward(*args, **kwargs)

    # Registration

    def __setattr__(self, name: str, value: Any) -> None:
        kind = "_parameters" if isinstance(value, Parameter) else "_modules" if isinstance(value, Module) else None
        if kind is not None:
            self._register(kind, name, value)
            return
        if isinstance(value, pure.Module):
            raise TypeError(_is_description(name, value))
        if isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
            return
        for kind in _KINDS:
            held = vars(self).get(kind, {})
            if name in held:
                if value is not None and (kind != "_buffers" or not isinstance(value, Tensor)):
                    wanted = {"_parameters": "nn.Parameter", "_buffers": "Tensor", "_modules": "nn.Module"}[kind]
                    raise TypeError(
                        f"cannot assign {type(value).__name__} to {name!r} of {type(self).__name__}, which holds a "
                        f"{wanted}: assign a {wanted} or None"
                    )
                held[name] = value
                return
        super().__setattr__(name, value)

    def _register(self, kind: str, name: str, value: Any) -> None:
        if kind not in vars(self):
            raise AttributeError(
                f"{type(self).__name__} assigns {name!r} before Module.__init__: call super().__init__() first"
            )
        vars(self).pop(name, None)
        for other in _KINDS:
            if other != kind:
                vars(self)[other].pop(name, None)
        vars(self)[kind][name] = value

    def __getattr__(self, name: str) -> Any:
        for kind in _KINDS:
            held = vars(self).get(kind, {})
            if name in held:
                return held[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for kind in _KINDS:
            if name in vars(self)[kind]:
                del vars(self)[kind][name]
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for kind in _KINDS for name in vars(self)[kind])})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Registers a parameter, or None, which says that the module has none of this name."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign {type(param).__name__} to parameter {name!r}: give an nn.Parameter or None")
        self._check_name(name)
        self._register("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Registers a Tensor that is not trained. `state_dict` holds it if it is persistent."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign {type(tensor).__name__} to buffer {name!r}: give a Tensor or None")
        self._check_name(name)
        self._register("_buffers", name, tensor)
        (self._temporary.discard if persistent else self._temporary.add)(name)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Registers a submodule."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                _is_description(name, module) if isinstance(module, pure.Module) else
                f"{name!r} must be an nn.Module of funcvision.eager or None; got {type(module).__name__}"
            )  # fmt: skip
        self._check_name(name)
        self._register("_modules", name, module)

    register_module = add_module

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise KeyError(f"{name!r} is no name of a parameter, buffer or module: give a string without a dot")
        registered = any(name in vars(self)[kind] for kind in _KINDS)
        if not registered and hasattr(self, name):
            raise KeyError(f"attribute {name!r} of {type(self).__name__} exists already")

    # Iteration

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Names and modules one level below. A module that is held twice comes once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator["Module"]:
        """The modules one level below."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set["Module"] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, "Module"]]:
        """Dotted names and modules: this one and all below it, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator["Module"]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def _named(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, tensor in vars(module)[kind].items():
                if tensor is not None and tensor not in seen:
                    if remove_duplicate:
                        seen.add(tensor)
                    yield f"{path}.{name}" if path else name, tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Dotted names and parameters. A parameter that is shared comes once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with `recurse`, of all below it."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Dotted names and buffers."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with `recurse`, of all below it."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> "Module":
        """The module at a dotted path."""
        module: Module = self
        for name in target.split(".") if target else ():
            found = module._modules.get(name)
            if found is None:
                raise AttributeError(f"{type(module).__name__} has no submodule {name!r}; the path was {target!r}")
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        return self._at("_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        return self._at("_buffers", target)

    def _at(self, kind: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in vars(module)[kind]:
            raise AttributeError(f"{type(module).__name__} has no {kind[1:-1]} {name!r}; the path was {target!r}")
        return vars(module)[kind][name]

    # Changes of the whole tree

    def apply(self: Self, fn: Callable[["Module"], Any]) -> Self:
        """Calls a function with every module, children first."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Turns batch statistics, dropout and the like on, or off with `mode=False`."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Turns batch statistics, dropout and the like off."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Sets whether the parameters are trained."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Sets the gradients of all parameters to None, or to 0."""
        for parameter in self.parameters():
            parameter.grad = None if set_to_none or parameter.grad is None else parameter.grad.detach().zero_()

    def _apply(self: Self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Replaces the value of every parameter, gradient and buffer. The Tensors stay the same objects."""
        for tensor in [*self.parameters(), *self.buffers()]:
            tensor.array = fn(tensor.detach()).array
            if tensor.grad is not None:
                tensor.grad.array = fn(tensor.grad).array
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Moves parameters and buffers to a device, and casts those that are floating-point to a dtype."""

        def moved(tensor: Tensor) -> Tensor:
            result = tensor.to(*args, **kwargs)
            keeps = not tensor.is_floating_point() and result.dtype != tensor.dtype
            return tensor.to(result.device) if keeps else result

        return self._apply(moved)

    def cpu(self: Self) -> Self:
        """Moves all to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self: Self, device: Any = None) -> Self:
        """Moves all to a GPU."""
        return self.to("cuda" if device is None else device)

    def _cast(self: Self, name: str) -> Self:
        return self._apply(lambda tensor: getattr(tensor, name)() if tensor.is_floating_point() else tensor)

    def float(self: Self) -> Self:
        """Casts all that is floating-point to float32."""
        return self._cast("float")

    def double(self: Self) -> Self:
        """Casts all that is floating-point to float64."""
        return self._cast("double")

    def half(self: Self) -> Self:
        """Casts all that is floating-point to float16."""
        return self._cast("half")

    def bfloat16(self: Self) -> Self:
        """Casts all that is floating-point to bfloat16."""
        return self._cast("bfloat16")

    def type(self: Self, dst_type: Any) -> Self:
        """Casts all to a dtype."""
        return self._apply(lambda tensor: tensor.to(dst_type))

    # State

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> "OrderedDict[str, Tensor]":
        """All parameters and persistent buffers by dotted name, in torch's axis orders. They share their elements.

        A parameter that is held at several paths comes under all of its names.
        """
        found = OrderedDict() if destination is None else destination
        for kind in ("_parameters", "_buffers"):
            for name, tensor in vars(self)[kind].items():
                if tensor is not None and not (kind == "_buffers" and name in self._temporary):
                    found[prefix + name] = tensor if keep_vars else tensor.detach()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._hooks.get("state_dict", {}).values():
            found = hook(self, found, prefix, {}) or found
        return found

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Writes Tensors, arrays or torch tensors of these names to the parameters and buffers.

        Args:
            state_dict: by dotted name, in torch's axis orders.
            strict: whether missing and unexpected names are an error.
            assign: take the given dtypes instead of converting to those of the parameters.

        Returns:
            The names that are missing, and those that are unexpected.

        Raises:
            RuntimeError: a Tensor has another shape or, if `strict`, is missing or unexpected. The error lists all of
                them, and nothing is written.
        """
        return IncompatibleKeys(*load(self, state_dict, strict, assign))

    # Hooks

    def _hook(self, kind: str, hook: Callable[..., Any], prepend: bool = False, **options: Any) -> Any:
        from ..utils.hooks import RemovableHandle

        hooks = self._hooks.setdefault(kind, OrderedDict())
        handle = RemovableHandle(hooks)
        hooks[handle.id] = (hook, options) if options else hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Any:
        """Calls `hook(module, args)` before `forward`. It may return other arguments."""
        return self._hook("forward_pre", hook, prepend, with_kwargs=with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> Any:
        """Calls `hook(module, args, output)` after `forward`. It may return another output."""
        return self._hook("forward", hook, prepend, with_kwargs=with_kwargs)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """Calls `hook(module, grad_output)` in backward. It may return other gradients of the outputs."""
        return self._hook("backward_pre", hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """Calls `hook(module, grad_input, grad_output)` in backward. It may return other gradients of the inputs."""
        return self._hook("backward", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> Any:
        """Calls `hook(module, state_dict, prefix, local_metadata)` after `state_dict`."""
        return self._hook("state_dict", hook)

    # Text and copies

    def extra_repr(self) -> str:
        """The options that `repr` shows."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {module!r}".replace("\n", "\n  ") for name, module in self._modules.items()]
        extra = self.extra_repr()
        body = ("\n  " + "\n  ".join([*([extra] if extra else []), *lines]) + "\n") if lines else extra
        return f"{type(self).__name__}({body})"

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
