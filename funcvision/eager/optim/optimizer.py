"""`Optimizer`: groups of parameters, a state for each parameter, and one compiled step for all of them."""

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import jax

from .._base import as_array
from .._graph import enable_grad, no_grad
from ..tensor import Tensor
from ..utils.hooks import RemovableHandle
from ._state import donatable, fitting, packed, unpacked
from ._update import Options, State, update

__all__ = ["Optimizer"]

_RANGES = {  # for each option the least value, and the first value that is too large
    "lr": (0, float("inf")), "momentum": (0, float("inf")), "weight_decay": (0, float("inf")), "eps": (0, float("inf")),
    "alpha": (0, float("inf")), "lr_decay": (0, float("inf")), "initial_accumulator_value": (0, float("inf")),
    "momentum_decay": (0, float("inf")), "betas": (0, 1), "rho": (0, 1 + 1e-12), "d": (1, float("inf")),
}  # fmt: skip


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A `step` that also runs the hooks of the optimizer."""

    @functools.wraps(step)
    def hooked(self: "Optimizer", *args: Any, **kwargs: Any) -> Any:
        for hook in self._hooks["step_pre"].values():
            replaced = hook(self, args, kwargs)
            if replaced is not None:
                args, kwargs = replaced
        result = step(self, *args, **kwargs)
        for hook in self._hooks["step_post"].values():
            hook(self, args, kwargs)
        return result

    return hooked


class Optimizer:
    """The base class of optimizers.

    A step leaves parameters without a gradient, and their states, unchanged. A subclass either overrides `step`, as in
    torch, or defines three static methods. `first_state(group, array)` gives the initial state of a parameter by
    torch's names, `numbers(group, step)` the numbers that a step uses, and `update(options, numbers, gradient,
    param, state)` the new parameter and its new state. All parameters are updated by one compiled function. It is not
    compiled again when a number changes. Numbers are computed on the host in double precision, as in torch: in float32,
    `1 - 0.999` has an error of 1e-5.

    Args:
        params: Tensors that require a gradient, or pairs of a name and a Tensor, or a list of dicts
            `{"params": [...], "lr": ...}`, one for each group with options of its own.
        defaults: options for groups that do not set them.

    Attributes:
        param_groups: a dict of options for each group. Options can be changed between steps.
        state: for each parameter a dict of Tensors under torch's names. A step changes these Tensors in place.

    Raises:
        TypeError: `params` are not Tensors.
        ValueError: there are no parameters, or `add_param_group` refuses a group.
        NotImplementedError: `differentiable=True` is asked for.
    """

    STATIC: ClassVar[tuple[str, ...]] = ()  # options, beside flags, for each value of which the step is compiled

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = _with_hooks(cls.step)

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"an optimizer takes Tensors, such as net.parameters(); got {type(params).__name__}")
        if defaults.get("differentiable"):
            raise NotImplementedError(
                "the steps of eager optimizers are not recorded. To differentiate through a step, use optax with the "
                "pure face of funcvision"
            )
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._start()
        groups = list(params)
        if not groups:
            raise ValueError("an optimizer needs parameters; got none. Was the iterator net.parameters() used before?")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _start(self) -> None:
        self._hooks: defaultdict[str, OrderedDict[int, Any]] = defaultdict(OrderedDict)
        # For each parameter the Tensor "step" in its state, the version of that Tensor, and its value on the host.
        self._counted: dict[Tensor, tuple[Any, int, float]] = {}
        self._made_for: dict[Tensor, Any] = {}  # the static options that a state was made for

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_counted", "_made_for", "_hooks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own.

        Raises:
            ValueError: an option is out of range, some parameters have no name while others do, or a parameter is not a
                leaf or is in a group already.
            TypeError: a parameter is not a Tensor, or the group is not a dict.
        """
        if not isinstance(param_group, Mapping):
            raise TypeError(f"a group of parameters is a dict; got {type(param_group).__name__}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError("the parameters of a group need an order, which a set lacks: give a list")
        params = [given] if isinstance(given, Tensor) else list(given)
        names = [param[0] for param in params if isinstance(param, tuple)]
        params = [param[1] if isinstance(param, tuple) else param for param in params]
        added = {**self.defaults, **param_group, "params": params}
        if names:
            added["param_names"] = names
        if len(names) not in (0, len(params)) or any(
            ("param_names" in group) != ("param_names" in added) for group in self.param_groups
        ):
            raise ValueError("either all parameters of an optimizer have names, or none")
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
                    limits = f"at least {least}" + (f" and below {end:g}" if end < 2 else "")
                    raise ValueError(f"{type(self).__name__} got {name}={added[name]}; it must be {limits}")
        self.param_groups.append(added)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Sets the gradients of all parameters to None, or to 0."""
        for group in self.param_groups:
            for param in group["params"]:
                param.grad = None if set_to_none or param.grad is None else param.grad.detach().zero_()

    # The step

    @staticmethod
    def first_state(group: Mapping[str, Any], array: jax.Array) -> dict[str, jax.Array]:
        """The state of a parameter before its first step, by torch's names."""
        raise NotImplementedError

    @staticmethod
    def numbers(group: Mapping[str, Any], step: float) -> dict[str, float]:
        """The numbers that the step with this number uses; the first step has number 1."""
        raise NotImplementedError

    @staticmethod
    def update(options: Options, n: Any, gradient: Any, param: Any, state: State) -> tuple[Any, State]:
        """The new parameter and its new state. The numbers are attributes of `n`."""
        raise NotImplementedError

    @_with_hooks
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
        if any(trained):
            with no_grad():
                self._update(trained)
        return loss

    def _update(self, trained: list[list[Tensor]]) -> None:
        flags, numbers = [], []
        for group, params in zip(self.param_groups, trained, strict=True):
            static = Options.of(self.defaults, group, self.STATIC)
            steps = [self._begin(group, param, static) for param in params]
            distinct = list(dict.fromkeys(steps))  # mostly one: parameters without a gradient fall behind
            flags.append((static, tuple(map(distinct.index, steps))))
            numbers.append([{n: float(v) for n, v in self.numbers(group, step).items()} for step in distinct])
        arrays = [[as_array(param) for param in params] for params in trained]
        gradients = [[as_array(param.grad) for param in params] for params in trained]
        states = [[{n: donatable(v) for n, v in self.state[param].items()} for param in params] for params in trained]
        arrays, states = update(type(self), tuple(flags), numbers, arrays, gradients, states)
        for params, new, new_states in zip(trained, arrays, states, strict=True):
            for param, array, state in zip(params, new, new_states, strict=True):
                param._write(Tensor.wrap(array))
                tensors = self.state[param]
                for name, value in state.items():
                    tensors[name]._write(Tensor.wrap(value))
                if "step" in state:
                    self._counted[param] = (tensors["step"], tensors["step"].version, self._counted[param][2])

    def _begin(self, group: Mapping[str, Any], param: Tensor, static: Options) -> float:
        """The number of the step that is about to be taken. Makes the parts of the state that are missing."""
        state = self.state[param]
        is_new = (not state or self._made_for.get(param) != static) and self._complete(group, param, static)
        if "step" not in state:
            return 1.0 if is_new else 2.0
        tensor = state["step"]
        known, version, steps = self._counted.get(param, (None, 0, 0.0))
        if known is not tensor or version != tensor.version:
            steps = float(tensor)
        self._counted[param] = (tensor, tensor.version, steps + 1)
        return steps + 1

    def _complete(self, group: Mapping[str, Any], param: Tensor, static: Options) -> bool:
        """Makes the parts of the state that are missing. Returns whether there were any."""
        state = self.state[param]
        missing = {name: array for name, array in self._first_state(group, param).items() if name not in state}
        state |= {name: Tensor.wrap(array) for name, array in missing.items()}
        self._made_for[param] = static
        return bool(missing)

    def _first_state(self, group: Mapping[str, Any], param: Tensor) -> dict[str, Any]:
        return self.first_state(group, as_array(param))

    # Saving

    def state_dict(self) -> dict[str, Any]:
        """Options and states in torch's form, which torch's optimizer of the same class loads.

        `{"state": {0: {"step": ..., "exp_avg": ...}}, "param_groups": [{"lr": ..., "params": [0]}]}`: parameters are
        numbered in the order of the groups. The Tensors are those of the optimizer, not copies, so later steps change
        them. Copy them by `copy.deepcopy` to keep them.
        """
        for hook in self._hooks["state_dict_pre"].values():
            hook(self)
        result = packed(self.state, self.param_groups)
        for hook in self._hooks["state_dict_post"].values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores options and states from the `state_dict` of an optimizer with the same groups, or of torch's.

        Raises:
            ValueError: the groups or the states are not those of this optimizer.
        """
        given = dict(state_dict)
        for hook in self._hooks["load_state_dict_pre"].values():
            changed = hook(self, given)
            given = given if changed is None else changed
        state, groups = unpacked(given, self.param_groups)
        for group in groups:
            for param in group["params"]:
                if state.get(param):
                    fitting(type(self).__name__, state[param], self._first_shapes(group, param))
        hooks = self._hooks
        self.__setstate__({"state": defaultdict(dict, state), "param_groups": groups})  # a subclass may override it
        self._hooks = hooks
        for hook in self._hooks["load_state_dict_post"].values():
            hook(self)

    def _first_shapes(self, group: Mapping[str, Any], param: Tensor) -> dict[str, jax.ShapeDtypeStruct]:
        if type(self).first_state is Optimizer.first_state:  # the subclass has a step of its own
            return {}
        return jax.eval_shape(functools.partial(self._first_state, group, param))

    # Hooks

    def _hook(self, kind: str, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        hooks = self._hooks[kind]
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Registers `hook(optimizer, args, kwargs)` to run before each step. It may return other (args, kwargs)."""
        return self._hook("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Registers `hook(optimizer, args, kwargs)` to run after each step."""
        return self._hook("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Registers `hook(optimizer)` to run before `state_dict`."""
        return self._hook("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Registers `hook(optimizer, state_dict)` to run after `state_dict`. It may return another dict."""
        return self._hook("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Registers `hook(optimizer, state_dict)` to run before `load_state_dict`. It may return another dict."""
        return self._hook("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Registers `hook(optimizer)` to run after `load_state_dict`."""
        return self._hook("load_state_dict_post", hook, prepend)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])
