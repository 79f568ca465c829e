"""`Optimizer`: parameters in groups, a state for each parameter, and one compiled step of an optax transformation."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from .._graph import enable_grad
from ..tensor import Tensor

__all__ = ["Optimizer", "Options"]

LEAST = {  # what options may be: the least value, and the first one that is too large
    "lr": (0, float("inf")), "momentum": (0, float("inf")), "weight_decay": (0, float("inf")), "eps": (0, float("inf")),
    "alpha": (0, float("inf")), "lr_decay": (0, float("inf")), "initial_accumulator_value": (0, float("inf")),
    "betas": (0, 1),
}  # fmt: skip


class Options:
    """The options of a group while its transformation is made: numbers are traced, so changing them compiles nothing.

    What a number switches on, such as a momentum that is not 0, is asked by `uses`, and decides what is compiled.
    """

    def __init__(self, numbers: Mapping[str, Any], flags: tuple[tuple[str, Any], ...]):
        self._values = {**numbers, **dict(flags)}

    def __getattr__(self, name: str) -> Any:
        return self._values[name]

    def uses(self, name: str) -> bool:
        """Whether a number is not 0."""
        return self._values[f"uses {name}"]


class Optimizer:
    """What all optimizers share; subclasses say by `transformation` what optax transformation they are.

    params: Tensors that require a gradient, or a list of dicts `{"params": [...], "lr": ...}`, one for each group with
        options of its own.
    defaults: the options of groups that do not set them.

    `param_groups` is a list of dicts as in torch: options can be changed between steps, which is what learning-rate
    schedulers do. Parameters without a gradient are left out of a step, and their state stays as it is.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"an optimizer takes Tensors, such as net.parameters(), and got {type(params).__name__}")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._states: dict[Tensor, tuple[Any, ...]] = {}
        self._made_for: dict[Tensor, Any] = {}  # the options that are on, of which the form of a state depends
        # The states are nobody else's, so their memory is used again; parameters may be held by others.
        self._update = jax.jit(functools.partial(_update, self.transformation), static_argnums=0, donate_argnums=4)
        groups = list(params)
        if not groups:
            raise ValueError("an optimizer needs parameters and got none; was net.parameters() used up before?")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @staticmethod
    def transformation(options: Options) -> optax.GradientTransformation:
        """What is done to the gradient of a parameter before it is added to it: a chain of always as many steps.

        A step that the options leave out is `optax.identity()`.
        """
        raise NotImplementedError

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with options of their own.

        Raises:
            ValueError: an option that makes no sense, a parameter that is no leaf or already in a group.
            TypeError: something that is no Tensor.
        """
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        added = {**self.defaults, **group, "params": params}
        known = {id(param) for group in self.param_groups for param in group["params"]}
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"an optimizer takes Tensors and got {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError("an optimizer changes leaves, and this Tensor is the result of an operation")
            if id(param) in known:
                raise ValueError("a parameter is given twice, in one group or in two")
            known.add(id(param))
        for name, (least, end) in LEAST.items():
            for value in jax.tree.leaves(added.get(name, least)):
                if not least <= value < end:
                    limits = f"{least} or more" + (f" and below {end}" if end == 1 else "")
                    raise ValueError(f"{type(self).__name__} got {name}={added[name]}; it must be {limits}")
        self.param_groups.append(added)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or sets them to 0."""
        for group in self.param_groups:
            for param in group["params"]:
                param.grad = None if set_to_none or param.grad is None else param.grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient.

        `closure`, if given, computes the loss anew and calls backward; its result is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        trained = [[param for param in group["params"] if param.grad is not None] for group in self.param_groups]
        flags, numbers = zip(*map(self._options, self.param_groups), strict=True)
        for group, params, of_group in zip(self.param_groups, trained, flags, strict=True):
            for param in params:
                if self._made_for.get(param) != of_group:
                    self._fit_state(group, param)
                    self._made_for[param] = of_group
        arrays = [[param.data for param in params] for params in trained]
        gradients = [[param.grad.data for param in params] for params in trained]
        states = [[self._states[param] for param in params] for params in trained]
        arrays, states = self._update(flags, numbers, arrays, gradients, states)
        for params, new, new_states in zip(trained, arrays, states, strict=True):
            for param, array, state in zip(params, new, new_states, strict=True):
                param.data, self._states[param] = array, state
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Options and states, parameters being numbered in the order of the groups: a tree of arrays and numbers."""
        params = [param for group in self.param_groups for param in group["params"]]
        numbers = {param: number for number, param in enumerate(params)}
        groups = [{**group, "params": [numbers[param] for param in group["params"]]} for group in self.param_groups]
        states = {numbers[p]: jax.tree.map(jnp.copy, state) for p, state in self._states.items()}  # a step reuses ours
        return {"state": states, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up options and states from `state_dict` of an optimizer with the same groups.

        Raises:
            ValueError: the groups or the states are not those of this optimizer.
        """
        groups = state_dict["param_groups"]
        sizes, own = ([len(group["params"]) for group in g] for g in (groups, self.param_groups))
        if sizes != own:
            raise ValueError(f"the groups saved have {sizes} parameters and those of this optimizer {own}")
        states = {}
        for group, mine in zip(groups, self.param_groups, strict=True):
            for number, param in zip(group["params"], mine["params"], strict=True):
                if number in state_dict["state"]:
                    state = states[param] = jax.tree.map(jnp.array, state_dict["state"][number])
                    wanted = jax.eval_shape(functools.partial(self._first_state, {**mine, **group}, param))
                    if _shapes(state) != _shapes(wanted):
                        raise ValueError(f"what was saved of parameter {number} is no state of {type(self).__name__}")
        for group, mine in zip(groups, self.param_groups, strict=True):
            mine.update({name: value for name, value in group.items() if name != "params"})
        self._states, self._made_for = states, {}

    def __repr__(self) -> str:
        groups = (", ".join(f"{k}={v}" for k, v in g.items() if k != "params") for g in self.param_groups)
        return f"{type(self).__name__}(" + "; ".join(groups) + ")"

    def _options(self, group: Mapping[str, Any]) -> tuple[tuple[tuple[str, Any], ...], dict[str, Any]]:
        """What decides what is compiled, and the numbers that do not."""
        options = {name: group[name] for name in self.defaults}
        numbers = {name: value for name, value in options.items() if not isinstance(value, bool)}
        flags = {name: value for name, value in options.items() if isinstance(value, bool)}
        flags |= {f"uses {name}": value != 0 for name, value in numbers.items()}
        return tuple(flags.items()), numbers

    def _first_state(self, group: Mapping[str, Any], param: Tensor) -> Any:
        flags, numbers = self._options(group)
        return self.transformation(Options(numbers, flags)).init(param.data)

    def _fit_state(self, group: Mapping[str, Any], param: Tensor) -> None:
        """Makes the state of a parameter, or, where an option was turned on since the last step, its part of it."""
        first = self._first_state(group, param)
        pairs = zip(first, self._states.get(param) or first, strict=True)
        self._states[param] = tuple(
            old if jax.tree.structure(old) == jax.tree.structure(new) else new for new, old in pairs
        )


def _update(transformation: Any, flags: Any, numbers: Any, arrays: Any, gradients: Any, states: Any) -> Any:
    """New parameters and states of all groups, each parameter by itself."""
    new_arrays, new_states = [], []
    with jax.numpy_dtype_promotion("standard"):  # optax raises a float to an integer step
        for group_flags, group_numbers, *group in zip(flags, numbers, arrays, gradients, states, strict=True):
            update = transformation(Options(group_numbers, group_flags)).update
            pairs = []
            for array, gradient, state in zip(*group, strict=True):
                change, new_state = update(gradient, state, array)
                pairs.append((optax.apply_updates(array, change), new_state))
            new_arrays.append([array for array, _ in pairs])
            new_states.append([state for _, state in pairs])
    return new_arrays, new_states


def _shapes(state: Any) -> Any:
    leaves, structure = jax.tree.flatten(state)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]
