"""`Module`: a model of `funcvision.nn` with its arrays in hand, used as torch's modules are."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from .. import nn
from ..nn import Arrays, Param
from ..nn._misfits import described, misfits
from ._base import as_array
from ._operation import Operation, differentiable
from .tensor import Tensor, is_place, run

__all__ = ["LoadResult", "Module"]

Self = TypeVar("Self", bound="Module")


class LoadResult(NamedTuple):
    """What `Module.load_state_dict(strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A model with parameters, running statistics and a mode, whose every call is one node of the graph.

    >>> net = Module(nn.Linear(3, 2), seed=0)
    >>> loss = net(Tensor(np.ones((4, 3)))).square().mean()
    >>> loss.backward()
    >>> {name: parameter.grad.shape for name, parameter in net.named_parameters()}
    {'weight': (3, 2), 'bias': (2,)}

    model: the description.
    seed: of the first values, and of what random layers draw; each call draws something else.
    params: the arrays to start from, as from `model.init`; `state` too, which a model without buffers does not need.
    jit: compile the forward and the backward pass, once for every set of shapes and for every set of parameters that
        require a gradient. Without it `forward` runs step by step: it may look at values (`float(lax.stop_gradient(v))`
        takes one out), branch and loop on them, print, and be debugged.

    Arrays have funcvision's layouts (channels last) and torch's names. Arguments of a call may be Tensors, arrays and
    trees of them, and options, which are static. `capture=("layer3",)` returns (output, dict of those layers' outputs),
    in place of torch's hooks.
    """

    def __init__(
        self, model: nn.Module, *, seed: int = 0, params: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None, jit: bool = True,
    ):
        if not isinstance(model, nn.Module):
            raise TypeError(f"eager.Module takes a model of funcvision.nn and got {type(model).__name__}")
        if params is None:
            params, state = model.init(jax.random.key(seed))
        arrays = {name: as_array(array) for name, array in {**params, **(state or {})}.items()}
        declared = model.declarations()
        _check(model, misfits(declared, arrays))
        self.model, self.training = model, True
        self._tensors = {name: Tensor(arrays[name]) for name in declared}
        self._parameters = {name: self._tensors[name] for name in declared if isinstance(declared[name], Param)}
        self._buffers = {name: self._tensors[name] for name in declared if name not in self._parameters}
        for parameter in self._parameters.values():
            parameter.requires_grad = differentiable(parameter)
        self._key, self._calls = jax.random.key(seed), 0
        forward = functools.partial(_forward, model)
        self._operation = Operation(forward, name=type(model).__name__, has_aux=True, jit=jit, recompute=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The output of `forward`. In training this moves running statistics, also under `no_grad`, as in torch."""
        self._calls += 1
        draw = self._key, np.uint32(self._calls)
        inputs = self.training, self._parameters, self.state, draw, args, kwargs
        output, state = run(self._operation, inputs, {})
        for name, array in state.items():
            self._buffers[name].data = array
        return output

    # Mode

    def train(self: Self, mode: bool = True) -> Self:
        """Batch statistics, dropout and the like are on from now on; or off, with `mode=False`."""
        self.training = mode
        return self

    def eval(self: Self) -> Self:
        """Batch statistics, dropout and the like are off from now on."""
        return self.train(False)

    # Arrays

    @property
    def params(self) -> Arrays:
        """The parameters as arrays, for `model.apply` and all else that is pure. Copy them before you donate them."""
        return {name: parameter.data for name, parameter in self._parameters.items()}

    @property
    def state(self) -> Arrays:
        """The buffers as arrays. Otherwise as `params`."""
        return {name: buffer.data for name, buffer in self._buffers.items()}

    def named_parameters(self, *, under: str = "") -> Iterator[tuple[str, Tensor]]:
        """Names and parameters: all, or those of the submodule at the path `under`, as in "layer4.0"."""
        return _under(self._parameters, under)

    def parameters(self, *, under: str = "") -> Iterator[Tensor]:
        """The parameters: all, or those of the submodule at the path `under`."""
        return (parameter for _, parameter in self.named_parameters(under=under))

    def get_parameter(self, name: str) -> Tensor:
        """The parameter of this name."""
        if name not in self._parameters:
            raise KeyError(f"{type(self.model).__name__} has no parameter {name!r}")
        return self._parameters[name]

    def named_buffers(self, *, under: str = "") -> Iterator[tuple[str, Tensor]]:
        """Names and buffers: all, or those of the submodule at the path `under`."""
        return _under(self._buffers, under)

    def buffers(self, *, under: str = "") -> Iterator[Tensor]:
        """The buffers: all, or those of the submodule at the path `under`."""
        return (buffer for _, buffer in self.named_buffers(under=under))

    def state_dict(self) -> Arrays:
        """All arrays under torch's names and in its order, in funcvision's layouts. Training does not change it."""
        return {name: tensor.data for name, tensor in self._tensors.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Puts arrays into the parameters and buffers, in their dtypes.

        Raises:
            ValueError: arrays of the wrong shape and, if `strict`, missing and unexpected ones. All are named, and
                nothing has changed.
        """
        arrays = {name: as_array(array) for name, array in state_dict.items()}
        faults = misfits(self.model.declarations(), arrays)
        _check(self.model, faults if strict else {what: faults[what] for what in faults if what == "of another shape"})
        for name in self._tensors.keys() & arrays.keys():
            self._tensors[name].data = arrays[name].astype(self._tensors[name].dtype)
        return LoadResult(faults.get("missing", []), faults.get("unexpected", []))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or sets them to 0."""
        for parameter in self._parameters.values():
            parameter.grad = None if set_to_none or parameter.grad is None else parameter.grad.detach().zero_()

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Says whether the parameters are trained. Those that are not cost no derivative."""
        for parameter in self._parameters.values():
            parameter.requires_grad = requires_grad
        return self

    def to(self: Self, target: Any) -> Self:
        """Moves parameters and buffers to another device, or casts them to another floating-point dtype.

        Running statistics stay float32 at least. The Tensors stay the same ones, so optimizers keep them.
        """
        declared = self.model.declarations()
        for name, tensor in self._tensors.items():
            wanted = target
            if not is_place(target):
                wanted = declared[name].dtype_for(target) if differentiable(tensor) else tensor.dtype
            tensor.data = tensor.detach().to(wanted)
        return self

    def __repr__(self) -> str:
        return f"eager.Module({self.model!r})"


def _forward(
    model: nn.Module, train: bool, params: Arrays, state: Arrays, draw: Any, args: Any, kwargs: Any
) -> Any:
    """(what the call returns, the new state if it may differ)."""
    key, calls = draw
    kwargs = {"key": jax.random.fold_in(key, calls)} | kwargs
    output, new_state, *captured = model.apply(params, state, *args, train=train, **kwargs)
    return (output, *captured) if captured else output, new_state if train else {}


def _check(model: nn.Module, faults: dict[str, list[str]]) -> None:
    """Raises one error for all faults that `misfits` has found."""
    if faults:
        raise ValueError(
            f"these arrays do not fit {type(model).__name__}; {described(faults)}. If they have torch's axis orders, "
            "funcvision.vision.convert.from_torch turns them into funcvision's"
        )


def _under(tensors: dict[str, Tensor], path: str) -> Iterator[tuple[str, Tensor]]:
    found = [(name, tensor) for name, tensor in tensors.items() if not path or name.startswith(f"{path}.")]
    if not found and path:
        first = dict.fromkeys(name.partition(".")[0] for name in tensors)
        raise KeyError(f"nothing is held under {path!r}; the first parts of the names are {', '.join(first)}")
    return iter(found)
