"""`Optimizer`: groups of parameters, a state for each parameter, and one compiled step of an optax transformation."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from .._graph import enable_grad
from ..tensor import Tensor

__all__ = ["Optimizer", "Options"]

_RANGES = {  # for each option the least value, and the first value that is too large
    "lr": (0, float("inf")), "momentum": (0, float("inf")), "weight_decay": (0, float("inf")), "eps": (0, float("inf")),
    "alpha": (0, float("inf")), "lr_decay": (0, float("inf")), "initial_accumulator_value": (0, float("inf")),
    "betas": (0, 1),
}  # fmt: skip


class Options:
    """The options of a group, from which its transformation is made.

    Numbers are traced, so a change of a number does not compile again. `uses` says whether a number is not 0, such as a
    momentum. This is static: it determines what is compiled.
    """

    def __init__(self, numbers: Mapping[str, Any], flags: tuple[tuple[str, Any], ...]):
        self._values = {**numbers, **dict(flags)}

    def __getattr__(self, name: str) -> Any:
        return self._values[name]

    def uses(self, name: str) -> bool:
        """Whether a number is not 0."""
        return self._values[f"uses {name}"]


class Optimizer:
    """The base class of optimizers. Subclasses define `transformation`.

    `param_groups` is a list of dicts as in torch. Options can be changed in it between steps, as learning-rate
    schedulers do. A step leaves parameters without a gradient, and their states, unchanged.

    Args:
        params: Tensors that require a gradient, or a list of dicts `{"params": [...], "lr": ...}`, one for each group
            with options of its own.
        defaults: options for groups that do not set them.

    Raises:
        TypeError: `params` are not Tensors.
        ValueError: there are no parameters, or `add_param_group` refuses a group.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"an optimizer takes Tensors, such as net.parameters(); got {type(params).__name__}")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._states: dict[Tensor, tuple[Any, ...]] = {}
        self._set_aside: dict[Tensor, dict[int, Any]] = {}  # by step of the chain: states of steps that are turned off
        self._made_for: dict[Tensor, Any] = {}  # the static options that a state was made for
        # States are donated, because only this object refers to them. Parameters may have other references.
        self._update = self._compiled_update()
        groups = list(params)
        if not groups:
            raise ValueError("an optimizer needs parameters; got none. Was the iterator net.parameters() used before?")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _compiled_update(self) -> Callable[..., Any]:
        return jax.jit(functools.partial(_update, self.transformation), static_argnums=0, donate_argnums=4)

    def __getstate__(self) -> dict[str, Any]:
        # A step donates the states, so a copy must not share them.
        states = {param: jax.tree.map(jnp.copy, state) for param, state in self._states.items()}
        return {name: value for name, value in vars(self).items() if name != "_update"} | {"_states": states}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _update=self._compiled_update())

    @staticmethod
    def transformation(options: Options) -> optax.GradientTransformation:
        """The optax transformation from a gradient to the change of the parameter.

        It is a chain with a fixed number of steps. A step that the options turn off is `optax.identity()`.
        """
        raise NotImplementedError

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with options of their own.

        Raises:
            ValueError: an option is out of range, or a parameter is not a leaf or is in a group already.
            TypeError: a parameter is not a Tensor.
        """
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        added = {**self.defaults, **group, "params": params}
        known = {id(param) for group in self.param_groups for param in group["params"]}
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"an optimizer takes Tensors; got {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError("an optimizer takes leaves, but this Tensor is the result of an operation")
            if id(param) in known:
                raise ValueError("a parameter is given twice, in one group or in two groups")
            known.add(id(param))
        for name, (least, end) in _RANGES.items():
            for value in jax.tree.leaves(added.get(name, least)):
                if not least <= value < end:
                    limits = f"at least {least}" + (f" and below {end}" if end == 1 else "")
                    raise ValueError(f"{type(self).__name__} got {name}={added[name]}; it must be {limits}")
        self.param_groups.append(added)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Sets the gradients of all parameters to None, or to 0."""
        for group in self.param_groups:
            for param in group["params"]:
                param.grad = None if set_to_none or param.grad is None else param.grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient.

        Args:
            closure: a function that computes the loss, calls backward and returns the loss. It runs before the update.

        Returns:
            The result of `closure`, or None.
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
        arrays = [[param.array for param in params] for params in trained]
        gradients = [[param.grad.array for param in params] for params in trained]
        states = [[self._states[param] for param in params] for params in trained]
        arrays, states = self._update(flags, numbers, arrays, gradients, states)
        for params, new, new_states in zip(trained, arrays, states, strict=True):
            for param, array, state in zip(params, new, new_states, strict=True):
                param.array, self._states[param] = array, state
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Options and states as a tree of arrays and numbers. Parameters are numbered in the order of the groups.

        The arrays have the layouts of the parameters, and the tree is not torch's: torch's optimizers cannot load it.
        """
        params = [param for group in self.param_groups for param in group["params"]]
        numbers = {param: number for number, param in enumerate(params)}
        groups = [{**group, "params": [numbers[param] for param in group["params"]]} for group in self.param_groups]
        # Copies, because a step donates the states.
        states = {numbers[param]: jax.tree.map(jnp.copy, state) for param, state in self._states.items()}
        aside = {numbers[param]: jax.tree.map(jnp.copy, kept) for param, kept in self._set_aside.items() if kept}
        return {"state": states, "param_groups": groups} | ({"set_aside": aside} if aside else {})

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores options and states from the `state_dict` of an optimizer with the same groups.

        Raises:
            ValueError: the groups or the states are not those of this optimizer.
        """
        groups = state_dict["param_groups"]
        sizes, own = ([len(group["params"]) for group in g] for g in (groups, self.param_groups))
        if sizes != own:
            raise ValueError(f"the saved groups have {sizes} parameters; the groups of this optimizer have {own}")
        states = {}
        for group, mine in zip(groups, self.param_groups, strict=True):
            for number, param in zip(group["params"], mine["params"], strict=True):
                if number in state_dict["state"]:
                    state = states[param] = jax.tree.map(jnp.array, state_dict["state"][number])
                    wanted = jax.eval_shape(functools.partial(self._first_state, {**mine, **group}, param))
                    if _shapes(state) != _shapes(wanted):
                        raise ValueError(f"the saved state of parameter {number} is not one of {type(self).__name__}")
        for group, mine in zip(groups, self.param_groups, strict=True):
            mine.update({name: value for name, value in group.items() if name != "params"})
        numbers = {
            number: param
            for group, mine in zip(groups, self.param_groups, strict=True)
            for number, param in zip(group["params"], mine["params"], strict=True)
        }
        aside = state_dict.get("set_aside", {})
        self._set_aside = {numbers[number]: jax.tree.map(jnp.array, dict(kept)) for number, kept in aside.items()}
        self._states, self._made_for = states, {}

    def __repr__(self) -> str:
        groups = (", ".join(f"{k}={v}" for k, v in g.items() if k != "params") for g in self.param_groups)
        return f"{type(self).__name__}(" + "; ".join(groups) + ")"

    def _options(self, group: Mapping[str, Any]) -> tuple[tuple[tuple[str, Any], ...], dict[str, Any]]:
        """(static options, which determine what is compiled; numbers, which are traced)."""
        options = {name: group[name] for name in self.defaults}
        numbers = {name: value for name, value in options.items() if not isinstance(value, bool)}
        flags = {name: value for name, value in options.items() if isinstance(value, bool)}
        flags |= {f"uses {name}": value != 0 for name, value in numbers.items()}
        return tuple(flags.items()), numbers

    def _first_state(self, group: Mapping[str, Any], param: Tensor) -> Any:
        flags, numbers = self._options(group)
        return self.transformation(Options(numbers, flags)).init(param.array)

    def _fit_state(self, group: Mapping[str, Any], param: Tensor) -> None:
        """Makes the state of a parameter, or the parts of it for options that were turned on after the last step.

        The state of a step that is turned off, such as a momentum of 0, is set aside until it is turned on again.
        """
        first = self._first_state(group, param)
        states, aside = list(self._states.get(param) or first), self._set_aside.setdefault(param, {})
        for step, new in enumerate(first):
            old, structure = states[step], jax.tree.structure(new)
            if jax.tree.structure(old) == structure:
                continue
            kept = aside.pop(step, None)
            if jax.tree.leaves(old):
                aside[step] = old
            states[step] = new if kept is None or jax.tree.structure(kept) != structure else kept
        self._states[param] = tuple(states)


def _update(transformation: Any, flags: Any, numbers: Any, arrays: Any, gradients: Any, states: Any) -> Any:
    """The new parameters and states of all groups. Each parameter is updated by itself."""
    new_arrays, new_states = [], []
    with jax.numpy_dtype_promotion("standard"):  # optax computes a float to the power of an integer step
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
