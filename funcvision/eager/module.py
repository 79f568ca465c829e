"""`Module`: a model of `funcvision.nn` together with its arrays, used like torch's modules."""

import functools
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from .. import nn
from ..nn import Arrays, Param
from ..nn._array_faults import array_faults, describe_faults
from ._base import as_array
from ._conversion import is_place
from ._lift import run
from ._modes import mode, no_grad
from ._operation import Operation, differentiable
from ._state_dict import loaded, on_host
from .nn._layouts import Layout, channels_first
from .nn.module import Module as EagerModule
from .nn.parameter import Parameter
from .random import next_key
from .tensor import Tensor

__all__ = ["LoadResult", "Module"]

Self = TypeVar("Self", bound="Module")


class LoadResult(NamedTuple):
    """The names that `Module.load_state_dict(strict=False)` ignored."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(EagerModule):
    """A model of `funcvision.nn` as an `eager.nn.Module`. Each call is one node of the graph.

    >>> net = Module(nn.Linear(3, 2), seed=0)
    >>> loss = net(Tensor(np.ones((4, 3)))).square().mean()
    >>> loss.backward()
    >>> {name: parameter.grad.shape for name, parameter in net.named_parameters()}
    {'weight': torch.Size([3, 2]), 'bias': torch.Size([2])}

    `state_dict` and `load_state_dict` have torch's names and axis orders. The arrays of `params`, `state` and
    `parameters()` have torch's names and funcvision's layouts (channels last), in which the model computes.

    Arguments of a call are Tensors, arrays, trees of these, and options, which are static. With `capture=("layer3",)` a
    call returns (output, dict of the outputs of these layers), which replaces torch's hooks.

    Args:
        model: the description.
        seed: the seed of the initial values and of random layers, which draw other numbers in each call. By default it
            comes from the generator; see `manual_seed`.
        params: initial parameters, as `model.init` returns them.
        state: initial buffers, as `model.init` returns them. A model without buffers does not need it.
        channels_first: the first argument, and outputs with more than two axes, have their channels in axis 1, as in
            torch. Otherwise they have them in the last axis, as in the rest of funcvision.
        jit: whether to compile the forward and the backward pass. They are compiled once for every set of shapes and
            every set of parameters that require a gradient. Without compilation `forward` runs step by step: it may
            inspect values (with `float(lax.stop_gradient(value))`), branch and loop on them, and print.

    Raises:
        TypeError: `model` is not a description, or holds an `eager.Module`.
        ValueError: `params` and `state` do not fit the model.
    """

    def __init__(
        self, model: nn.Module, *, seed: int | None = None, params: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None, channels_first: bool = False, jit: bool = True,
    ):
        if not isinstance(model, nn.Module):
            raise TypeError(f"eager.Module takes a model of funcvision.nn; got {type(model).__name__}")
        _refuse_modules_within(model)
        key = next_key() if seed is None else jax.random.key(seed)
        if params is None:
            params, state = model.init(key)
        arrays = {name: as_array(array) for name, array in {**params, **(state or {})}.items()}
        declared = model.declarations()
        _check(model, array_faults(declared, arrays))
        super().__init__()
        parameters = {name for name in declared if isinstance(declared[name], Param)}
        self._tensors = {
            name: Parameter(array, differentiable(array)) if name in parameters else Tensor(array)
            for name, array in ((name, arrays[name]) for name in declared)
        }
        self._parameters = {name: self._tensors[name] for name in declared if name in parameters}
        self._buffers = {name: self._tensors[name] for name in declared if name not in parameters}
        self._key, self._calls, self._jit, self._channels_first = key, 0, jit, channels_first
        vars(self)["model"] = model
        self._operation = self._compiled()

    def _compiled(self) -> Operation:
        forward = functools.partial(_forward, self.model, "second" if self._channels_first else None)
        return Operation(forward, name=type(self.model).__name__, has_aux=True, jit=self._jit, recompute=True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The output of `forward`. In training this updates running statistics, also under `no_grad`, as in torch."""
        self._calls += 1
        draw = self._key if mode.trace is None else next_key(), np.array(self._calls, np.uint32)
        inputs = self.training, self._parameters, self.state, draw, args, kwargs
        output, state = run(self._operation, inputs, {})
        for name, array in state.items():
            self._buffers[name].array = array
        return output

    # Arrays

    @property
    def params(self) -> Arrays:
        """The parameters as arrays, for `model.apply` and other pure functions. Copy them before you donate them."""
        return {name: parameter.array for name, parameter in self._parameters.items()}

    @property
    def state(self) -> Arrays:
        """The buffers as arrays, for `model.apply` and other pure functions. Copy them before you donate them."""
        return {name: buffer.array for name, buffer in self._buffers.items()}

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True, *, under: str = ""
    ) -> Iterator[tuple[str, Parameter]]:
        """Names and parameters: all, or those of the submodule at the path `under`, such as "layer4.0"."""
        return _under(dict(super().named_parameters(prefix, recurse, remove_duplicate)), under)

    def parameters(self, recurse: bool = True, *, under: str = "") -> Iterator[Parameter]:
        """The parameters: all, or those of the submodule at the path `under`."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse, under=under))

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of this name."""
        name = target
        if name not in self._parameters:
            raise KeyError(f"{type(self.model).__name__} has no parameter {name!r}; see named_parameters()")
        return self._parameters[name]  # pyright: ignore[reportReturnType]

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True, *, under: str = ""
    ) -> Iterator[tuple[str, Tensor]]:
        """Names and buffers: all, or those of the submodule at the path `under`."""
        return _under(dict(super().named_buffers(prefix, recurse, remove_duplicate)), under)

    def buffers(self, recurse: bool = True, *, under: str = "") -> Iterator[Tensor]:
        """The buffers: all, or those of the submodule at the path `under`."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse, under=under))

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> "OrderedDict[str, Tensor]":
        """All Tensors with torch's names, order and axis orders. They are views: writes to them change the module.

        A module at several paths has its Tensors under all their names.
        """
        declared = self.model.declarations()
        found = OrderedDict() if destination is None else destination
        for alias, name in _aliases(self.model).items():
            axes = tuple(int(axis) for axis in np.argsort(declared[name].axes))
            tensor = self._tensors[name] if keep_vars else self._tensors[name].detach()
            with no_grad():
                found[prefix + alias] = tensor if axes == tuple(range(len(axes))) else tensor.permute(axes)
        return found

    def load_state_dict(  # its errors know the axis orders of the model
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> LoadResult:
        """Assigns arrays to the parameters and buffers, converted to their dtypes.

        Args:
            state_dict: torch tensors, numpy or jax arrays, or Tensors by name, in torch's axis orders: the `state_dict`
                of a Module, or of the same model in torch.
            strict: whether missing and unexpected arrays are an error.
            assign: accepted, as in torch. The dtypes of the parameters are kept.

        Returns:
            The names that are missing, and those that are unexpected.

        Raises:
            ValueError: an array has another shape or, if `strict`, is missing or unexpected. The error lists all of
                them, and nothing is assigned.
        """
        declared, aliases = self.model.declarations(), _aliases(self.model)
        expected = {alias: declared[name] for alias, name in aliases.items()}
        arrays = {name: on_host(array, expected.get(name)) for name, array in state_dict.items()}
        faults = array_faults(expected, arrays, torch_order=True)
        wrong = faults if strict else {what: faults[what] for what in faults if what == "of another shape"}
        if wrong:
            raise ValueError(
                f"this state_dict does not fit {type(self.model).__name__}; {describe_faults(wrong)}. Its arrays have "
                "torch's axis orders; those in funcvision's go to `eager.Module(model, params=params, state=state)`"
            )
        for alias in expected.keys() & arrays.keys():
            tensor = self._tensors[aliases[alias]]
            tensor.array = loaded(alias, arrays[alias].transpose(expected[alias].axes), tensor.array.dtype)
        return LoadResult(faults.get("missing", []), faults.get("unexpected", []))

    def to(self: Self, target: Any) -> Self:
        """Moves parameters and buffers to another device, or casts them to another floating-point dtype.

        Running statistics stay float32 at least. The Tensors stay the same objects, so optimizers keep them.
        """
        declared = self.model.declarations()
        for name, tensor in self._tensors.items():
            wanted = target
            if not is_place(target):
                wanted = declared[name].dtype_for(target) if differentiable(tensor) else tensor.dtype
            tensor.array = tensor.detach().to(wanted)
        return self

    # Python's own protocols

    def __setattr__(self, name: str, value: Any) -> None:
        model = vars(self).get("model")
        is_part = model is not None and (name in vars(model) or isinstance(value, EagerModule | nn.Module | Tensor))
        if is_part and not name.startswith("_") and name != "model":
            raise AttributeError(
                f"{name!r} cannot be assigned to an eager.Module, whose model is a fixed description. To exchange a "
                f"layer, make `eager.Module(model.replace({name!r}, layer))`; to assign the values of a parameter, "
                f"write `net.get_parameter({name!r}).array = array`, or use load_state_dict"
            )
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if "model" in vars(self) and isinstance(vars(self.model).get(name), nn.Module):
            hint = f": its description is net.model.{name}, and its parameters are net.named_parameters(under={name!r})"
        else:
            hint = ""
        raise AttributeError(f"an eager.Module has no attribute {name!r}{hint}")

    def __getstate__(self) -> dict[str, Any]:
        without = {name: value for name, value in vars(self).items() if name not in ("_operation", "_key")}
        return without | {"_key": np.asarray(jax.random.key_data(self._key))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _key=jax.random.wrap_key_data(state["_key"]))
        vars(self)["_operation"] = self._compiled()

    def __repr__(self) -> str:
        return f"eager.Module({self.model!r})"


def _forward(
    model: nn.Module, layout: Layout, train: bool, params: Arrays, state: Arrays, draw: Any, args: Any, kwargs: Any
) -> Any:
    """(the result of the call, the new state if it can differ from the old one)."""
    key, calls = draw
    kwargs = {"key": jax.random.fold_in(key, calls)} | kwargs
    changed = {}

    def computed(*args: Any) -> Any:
        output, new_state, *captured = model.apply(params, state, *args, train=train, **kwargs)
        changed.update(new_state if train else {})
        return (output, *captured) if captured else output

    return channels_first(computed, layout)(*args), changed


def _refuse_modules_within(model: nn.Module) -> None:
    """Raises TypeError if a description holds an `eager.Module`, also in a list or a dict."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if any(isinstance(leaf, Module) for leaf in jax.tree.leaves(value)):
                raise TypeError(
                    f"{_joined(path, name)} is an eager.Module, whose parameters a description does not declare: hold "
                    "the layer itself, and wrap the whole model"
                )


def _aliases(model: nn.Module) -> dict[str, str]:
    """Every name that torch's state_dict has, and the name under which the model declares that array.

    They differ only if a module is held at several paths.
    """
    first = {id(module): path for path, module in model.named_modules()}
    names: dict[str, str] = {}

    def walk(module: nn.Module, path: str) -> None:
        for kind in (Param, nn.Buffer):
            for name, value in vars(module).items():
                if isinstance(value, kind):
                    names[_joined(path, name)] = _joined(first[id(module)], name)
        for name, child in module.children().items():
            walk(child, _joined(path, name))

    walk(model, "")
    return names


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _check(model: nn.Module, faults: dict[str, list[str]]) -> None:
    """Raises one error for all faults that `array_faults` has found."""
    if faults:
        raise ValueError(
            f"these arrays do not fit {type(model).__name__}; {describe_faults(faults)}. If they have torch's axis "
            "orders, funcvision.vision.convert.from_torch turns them into funcvision's"
        )


def _under(tensors: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    found = [(name, tensor) for name, tensor in tensors.items() if not path or name.startswith(f"{path}.")]
    if not found and path:
        first = dict.fromkeys(name.partition(".")[0] for name in tensors)
        raise KeyError(f"no array has a name under {path!r}; the first parts of the names are {', '.join(first)}")
    return iter(found)
