"""Layers of `funcvision.nn` as modules of Tensors: the description computes, and the module holds the Tensors."""

import functools
import inspect
from collections.abc import Hashable, Iterable
from types import FunctionType
from typing import Any, ClassVar

import jax
import numpy as np

from ... import nn as pure
from ...nn._declarations import Declaration
from .._lift import run
from .._operation import Operation
from .._trace import pure as of_arrays
from ..dtypes import default_dtype
from ..random import next_key
from ..tensor import Tensor
from ._additions import MEMBERS
from ._initial_values import initial_values
from ._layouts import Layout, channels_first, in_torchs_layout, layout_of
from ._packed import called_packed
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

__all__ = ["Lifted", "lifted_layers"]


class Lifted(Module):
    """A layer of `funcvision.nn` with Tensors, in torch's layouts: channels first, weights in torch's axis order.

    Its options can be read and assigned as attributes, such as `layer.stride` and `dropout.p`. Arguments are those of
    the layer, and `device` and `dtype` of its Tensors.
    """

    described: ClassVar[type[pure.Module]]

    def __init__(self, *args: Any, device: Any = None, dtype: Any = None, **kwargs: Any):
        super().__init__()
        if type(self).described is pure.CosineSimilarity and not args:
            kwargs = {"dim": 1} | kwargs  # the pure face counts from the end
        args, kwargs = _descriptions(args), dict(zip(kwargs, _descriptions(kwargs.values()), strict=True))
        layer = type(self).described(*args, **kwargs)
        _fill(self, layer, initial_values(layer, next_key(), np.dtype(default_dtype() if dtype is None else dtype)))
        if device is not None:
            self.to(device)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The output of the layer. In training it updates the buffers."""
        layer: Any = vars(self)["_layer"]
        if any(isinstance(arg, jax.Array) for arg in args):
            raise TypeError(
                f"this {type(self).__name__} is of funcvision.eager.nn and takes Tensors, and it got a jax array: "
                f"within a model of jax arrays use funcvision.nn.{type(layer).__name__}, and elsewhere pass "
                "eager.tensor(array)"
            )
        if kwargs:
            args, kwargs = _positional(type(layer), args, kwargs)
        if args and isinstance(args[0], PackedSequence):
            return called_packed(self.forward, args[0], args[1] if len(args) > 1 else None, layer.batch_first)
        params, state = dict(self.named_parameters()), dict(self.named_buffers())
        if params.keys() | state.keys() != vars(self)["_declared"]:
            params, state = _read(self, layer)
        key = next_key() if self.training and vars(self)["_draws"] else None
        try:
            output, new_state = run(vars(self)["_operation"], (self.training, params, state, key, args, kwargs), {})
        except ValueError as error:
            raise in_torchs_layout(error, layout_of(type(layer).__name__)) from error
        for name, array in new_state.items():
            state[name].array = array
        return output

    def extra_repr(self) -> str:
        """The options of the layer."""
        return vars(self)["_layer"]._headline().partition("(")[2][:-1]

    def __getattr__(self, name: str) -> Any:
        layer = vars(self).get("_layer")
        if layer is not None and name in vars(layer) and not name.startswith("_"):
            value = vars(layer)[name]
            if not isinstance(value, Declaration | pure.Module):
                return value
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        layer = vars(self).get("_layer")
        if layer is None or name not in vars(layer):
            super().__setattr__(name, value)
            return
        if name not in self._parameters | self._buffers and not isinstance(value, Tensor | Module):
            _describe(self, layer._copy({name: value}))
            return
        super().__setattr__(name, value)
        if isinstance(value, Parameter) and vars(layer)[name] is None:  # such as a bias of a layer without one
            _describe(self, layer._copy({name: pure.Param(tuple(value.shape))}))
        elif value is None and isinstance(vars(layer)[name], Declaration):
            _describe(self, layer._copy({name: None}))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_operation"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        _describe(self, state["_layer"])


def _descriptions(args: Iterable[Any]) -> tuple[Any, ...]:
    """Options for a description: layers become descriptions, and functions of Tensors become functions of arrays."""
    return tuple(
        vars(arg)["_layer"] if isinstance(arg, Lifted) else
        of_arrays(arg) if isinstance(arg, Module | FunctionType) else arg for arg in args
    )  # fmt: skip


def _fill(module: Lifted, layer: pure.Module, arrays: dict[str, Any], prefix: str = "") -> None:
    """Gives a module its description and its Tensors, and does so below it."""
    _describe(module, layer)
    for name, value in vars(layer).items():
        if isinstance(value, Declaration):
            tensor = arrays[prefix + name]
            if isinstance(value, pure.Param):
                module.register_parameter(name, Parameter(tensor))
            else:
                module.register_buffer(name, Tensor.wrap(tensor))
        elif value is None and name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            module._register("_buffers" if name.startswith(("running", "num")) else "_parameters", name, None)
    for name, child in layer.children().items():
        below = _around(type(child))
        _fill(below, child, arrays, f"{prefix}{name}.")
        module._register("_modules", name, below)


def _around(kind: type[pure.Module]) -> Lifted:
    """An empty module for a description of this class."""
    lifted = lifted_layers().get(kind.__name__)
    if lifted is None or lifted.described is not kind:
        lifted = type(kind.__name__, (Lifted,), {"described": kind})
    module = object.__new__(lifted)
    Module.__init__(module)
    return module


def _describe(module: Lifted, layer: pure.Module) -> None:
    vars(module).update(
        _layer=layer, _operation=_operation(layer), _draws=_draws(layer), _declared=frozenset(layer.declarations())
    )


def _read(module: Lifted, layer: pure.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) that the description declares. `nn.utils` replaces some of them by computed Tensors."""
    found: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
    for name, declaration in layer.declarations().items():
        path, _, leaf = name.rpartition(".")
        found[not isinstance(declaration, pure.Param)][name] = getattr(module.get_submodule(path), leaf)
    return found


def _draws(layer: pure.Module) -> bool:
    """Whether a layer may draw random numbers in training."""
    options = [value for _, module in layer.named_modules() for name, value in vars(module).items()
               if name in ("p", "dropout")]  # fmt: skip
    random = isinstance(layer, pure.RReLU) or type(layer).__name__.startswith("Fractional")
    return random or any(isinstance(value, float | int) and value > 0 for value in options)


@functools.cache
def _parameters_of_forward(kind: type[pure.Module]) -> inspect.Signature:
    return inspect.signature(kind.forward)


def _positional(kind: type[pure.Module], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The arguments by position, because `apply` has options of its own, such as `key`."""
    names = list(_parameters_of_forward(kind).parameters)
    if "input" in kwargs and "input" not in names and not args:
        args, kwargs = (kwargs["input"],), {name: value for name, value in kwargs.items() if name != "input"}
    if any(name not in names for name in kwargs):
        return args, kwargs
    bound = _parameters_of_forward(kind).bind(None, *args, **kwargs)
    bound.apply_defaults()
    return bound.args[1:], bound.kwargs


# Compiled operations, shared by all layers with the same options

_operations: dict[Hashable, Operation] = {}


def _operation(layer: pure.Module) -> Operation:
    """The operation that calls a layer. Layers of one class with equal options share it, and so are compiled once."""
    key = _identity(layer)
    try:
        found = _operations.get(key)
    except TypeError:  # an option is not hashable
        return _made(layer)
    if found is None:
        found = _operations[key] = _made(layer)
    return found


def _made(layer: pure.Module) -> Operation:
    name = type(layer).__name__
    function = functools.partial(_call, layer, layout_of(name), 2 if name.startswith("MaxUnpool") else 1)
    return Operation(function, name=name, has_aux=True, recompute=bool(layer.children()))


def _identity(value: Any) -> Hashable:
    """A hashable value that says what a description computes."""
    if isinstance(value, pure.Module):
        options = ((name, _identity(option)) for name, option in vars(value).items() if not name.startswith("_"))
        return (type(value), *options)
    if isinstance(value, Declaration):
        return type(value), value.shape, value.layout, str(value.dtype)
    if isinstance(value, list | tuple):
        return type(value), *map(_identity, value)
    return type(value), value


def _call(
    layer: pure.Module, layout: Layout, arrays: int, train: bool, params: dict[str, Any], state: dict[str, Any],
    key: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
) -> tuple[Any, dict[str, Any]]:
    """(the output, the new buffers if they can differ from the old ones), in torch's layouts."""
    declared = layer.declarations()
    params = {name: array.transpose(declared[name].axes) for name, array in params.items()}
    changed, alone = {}, []

    def computed(*args: Any) -> Any:
        is_instance_norm = type(layer).__name__.startswith("InstanceNorm") and isinstance(layout, int)
        if is_instance_norm and args[0].ndim == layout + 1:  # pyright: ignore  # one image
            args = (args[0][None],)
            alone.append(True)
        output, new_state = layer.apply(params, state, *args, train=train, key=key, **kwargs)
        changed.update(new_state if train else {})
        return output[0] if alone else output

    return channels_first(computed, layout, arrays)(*args), changed


_CONTAINERS = (
    "Flatten", "Identity", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential", "Unflatten",
)


def _text(layer: type[pure.Module]) -> str:
    """The text of a layer without its examples, whose arrays have the channels last."""
    return (layer.__doc__ or "").partition("\n\n    >>>")[0].rstrip()


@functools.cache
def lifted_layers() -> dict[str, type[Lifted]]:
    """A class of Tensors for each layer of `funcvision.nn`, by name."""
    made = {}
    for name in pure.__all__:
        layer = getattr(pure, name)
        is_layer = isinstance(layer, type) and issubclass(layer, pure.Module) and layer is not pure.Module
        if is_layer and name not in _CONTAINERS:
            members = {"described": layer, "__doc__": _text(layer), "__module__": "funcvision.eager.nn"}
            made[name] = type(name, (Lifted,), {**members, **MEMBERS.get(name, {})})
    return made


