"""`Module`: a description of a computation and of the arrays that it needs. It holds no arrays.

    model = resnet18()
    params, state = model.init(jax.random.key(0))
    logits, state = model.apply(params, state, images, train=True, key=key)

`params` (trained) and `state` (running statistics and the like) are flat dicts with the keys of torch's `state_dict`.

How a call works: `apply` makes a shallow copy of every module of the tree. On the copies each declaration is replaced
by its array. Then `apply` calls `forward` of the outermost copy. A layer that assigns a buffer assigns it on its copy,
where `apply` reads the new state afterwards. The copies live only during the call, so `apply` is a pure function.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np

from ..functional._mesh import replicated, sharded_like
from ._array_faults import array_faults, describe_faults
from ._capture import Capture, Complete
from ._declarations import Buffer, Declaration, Param
from ._initial_arrays import initial_arrays
from .init import Initializer

__all__ = ["Arrays", "Buffer", "Module", "Param"]

Arrays = dict[str, jax.Array]
Self = TypeVar("Self", bound="Module")


@dataclasses.dataclass(frozen=True)
class _Call:
    """What all bound modules of one call of `apply` share."""

    train: bool
    key: jax.Array | None
    captures: list[Capture]


class Module:
    """A description: options, child modules, and `Param` and `Buffer` declarations. It is fixed after `__init__`.

    Subclasses assign all of these in `__init__`; there is no base initialiser to call. They compute in `forward`, where
    declarations have become arrays and children can be called:

    >>> from funcvision import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self, features: int):
    ...         self.gain = nn.Param((features,), nn.init.ones)
    ...     def forward(self, x):
    ...         return x * self.gain
    >>> model = Scale(3)
    >>> params, state = model.init(jax.random.key(0))
    >>> y, state = model.apply(params, state, jnp.arange(3.0))
    """

    # These differ only on the copies that `apply` makes.
    _call: _Call | None = None
    _path: str = ""  # the path of the module in the outermost one
    _uses: int = 0  # how often the module has been called
    _draws: int = 0  # how often it has asked for a random key
    _buffers: tuple[str, ...] = ()  # its attributes that are declared as buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The computation. Call the module, not this method: a call also captures and names the layer in errors."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    # What a description declares

    def children(self) -> dict[str, "Module"]:
        """The modules that are attributes of this one, by attribute name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """Dotted paths and modules: this one and all below it, parents first. A shared module comes once."""
        seen = set()

        def walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
            if id(module) in seen:
                return
            seen.add(id(module))
            yield path, module
            for name, child in module.children().items():
                yield from walk(child, _join(path, name))

        return walk(self, "")

    def declarations(self) -> dict[str, Declaration]:
        """Every `Param` and `Buffer` of the tree, with the names and the order of torch's `state_dict`."""
        found = {}
        for path, module in self.named_modules():
            for kind in (Param, Buffer):
                for name, value in vars(module).items():
                    if isinstance(value, kind):
                        found[_join(path, name)] = value
        return found

    # Changed copies of a description

    def replace(self: Self, path: str, module: "Module") -> Self:
        """A description with another module at `path`, such as `model.replace("fc", nn.Linear(512, 10))`.

        A module that is held at several paths is one module. So it is replaced at all of them, whichever is named.

        Raises:
            KeyError: there is no module at `path`.

        >>> from funcvision import nn
        >>> tied = nn.Linear(2, 2)
        >>> model = nn.Sequential(tied, nn.ReLU(), tied).replace("2", nn.Linear(2, 2, bias=False))
        >>> model[0] is model[2], list(model.declarations())
        (True, ['0.weight'])
        """
        target: Module = self
        for name in path.split("."):
            children = target.children()
            if name not in children:
                held = ", ".join(children) or "none"
                raise KeyError(f"{path!r}: {type(target).__name__} has no child {name!r}; its children are {held}")
            target = children[name]
        return self._rebuild(lambda _, old: module if old is target else {})  # pyright: ignore[reportReturnType]

    def with_init(self: Self, rule: Callable[["Module"], Mapping[str, Initializer]]) -> Self:
        """A description with other initialisers.

        Args:
            rule: is called with every module and returns initialisers by attribute name. A name whose attribute is
                None, such as the bias of a layer without one, is ignored.

        Raises:
            KeyError: `rule` names an attribute that is not declared.

        >>> from funcvision import nn
        >>> rule = lambda layer: {"weight": nn.init.zeros} if isinstance(layer, nn.Linear) else {}
        >>> params, _ = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).with_init(rule).init(jax.random.key(0))
        >>> float(abs(params["0.weight"]).max())
        0.0
        """

        def redeclared(path: str, module: Module) -> dict[str, Declaration]:
            changes = {}
            for name, init in rule(module).items():
                declared = vars(module).get(name, "no attribute")
                if isinstance(declared, Declaration):
                    changes[name] = dataclasses.replace(declared, init=init)
                elif declared is not None:
                    names = [name for name, value in vars(module).items() if isinstance(value, Declaration)]
                    raise KeyError(
                        f"the rule names {name!r} of {type(module).__name__} ({path or 'outermost'}), which declares "
                        f"{', '.join(names) or 'nothing'}"
                    )
            return changes

        return self._rebuild(redeclared)  # pyright: ignore[reportReturnType]

    def _rebuild(self, rule: "Callable[[str, Module], Module | Mapping[str, Any]]") -> "Module":
        """The tree with some modules or attributes changed. Modules that are shared stay shared.

        Args:
            rule: is called once with every module and the first path to it, parents first. It returns a module to put
                in its place, or those attributes that change. A module is copied only if it or one below it changes.
        """
        rebuilt: dict[int, Module] = {}

        def rebuild(path: str, module: Module) -> Module:
            if id(module) not in rebuilt:
                changes = rule(path, module)
                if isinstance(changes, Module):
                    rebuilt[id(module)] = changes
                else:
                    changes = dict(changes)
                    for name, child in module.children().items():
                        if (new := rebuild(_join(path, name), child)) is not child:
                            changes[name] = new
                    rebuilt[id(module)] = module._copy(changes) if changes else module
            return rebuilt[id(module)]

        return rebuild("", self)

    def _copy(self, changes: Mapping[str, Any], kind: "type[Module] | None" = None) -> "Module":
        """A shallow copy with some attributes changed, of class `kind` if it is given. Does not call `__init__`."""
        copy = object.__new__(kind or type(self))
        vars(copy).update(vars(self))
        vars(copy).update(changes)
        return copy

    # The two pure functions that make it run

    def init(self, key: jax.Array, *, dtype: Any = jnp.float32) -> tuple[Arrays, Arrays]:
        """Initial `(params, state)` from a random key, with floating-point parameters in `dtype`.

        It can be jitted and traced: `jax.jit(model.init, out_shardings=...)` makes each shard on its own device.
        """
        declared = self.declarations()
        made = initial_arrays(key, tuple((d, d.dtype_for(dtype)) for d in declared.values()))
        arrays = dict(zip(declared, made, strict=True))
        params = {name: array for name, array in arrays.items() if isinstance(declared[name], Param)}
        return params, {name: array for name, array in arrays.items() if name not in params}

    @overload
    def apply(
        self, params: Arrays, state: Arrays, *args: Any, train: bool = False, key: jax.Array | None = None,
        capture: None = None, **kwargs: Any,
    ) -> tuple[Any, Arrays]: ...
    @overload
    def apply(
        self, params: Arrays, state: Arrays, *args: Any, train: bool = False, key: jax.Array | None = None,
        capture: Sequence[str], **kwargs: Any,
    ) -> tuple[Any, Arrays, dict[str, Any]]: ...

    def apply(
        self, params: Arrays, state: Arrays, *args: Any, train: bool = False, key: jax.Array | None = None,
        capture: Sequence[str] | None = None, **kwargs: Any,
    ) -> Any:
        """`forward(*args, **kwargs)` with these arrays: `(output, new state)`.

        Args:
            params: the trained arrays, by name.
            state: the other arrays, by name. The new state has the same names; it differs only if `train` is set.
            train: whether batch statistics, dropout and the like are on.
            key: a random key. Each use of each random layer derives a key of its own from it.
            capture: names of modules, such as `("layer3", "layer4.0.relu")`. Their outputs come back as a third result,
                a dict. If a module is called several times, its later outputs have a count behind the name:
                `"layer4.0.relu_1"` is the second.

        Raises:
            ValueError: an array is missing, unexpected or of another shape; a random layer got no key; `capture` names
                a module that did not run.
        """
        self._check_arrays(params, state)
        wanted = Capture(capture or ())
        bound = self._bind({**params, **state}, _Call(train, key, [wanted] if wanted.names else []))
        output = bound(*args, **kwargs)
        new_state = {
            _join(module._path, name): vars(module)[name]
            for _, module in bound.named_modules() for name in module._buffers
        }
        new_state = {name: sharded_like(array, state[name]) for name, array in new_state.items()}
        if capture is None:
            return output, new_state
        wanted.check()
        return output, new_state, {name: wanted.outputs[name] for name in capture}

    def _check_arrays(self, params: Arrays, state: Arrays) -> None:
        """Raises one error that lists every array that is missing, unexpected, misplaced or of another shape."""
        declared = self.declarations()
        faults = {
            "params": array_faults(declared, params, kind=Param),
            "state": array_faults(declared, state, kind=Buffer),
        }
        if any(faults.values()):
            found = " | ".join(f"{what}: {describe_faults(those)}" for what, those in faults.items() if those)
            raise ValueError(f"these arrays do not fit {type(self).__name__}; {found}")

    def _bind(self, arrays: Arrays, call: _Call) -> "Module":
        """The copy of the tree for one call, with arrays in place of the declarations."""

        def bindings(path: str, module: Module) -> dict[str, Any]:
            declared = {name: value for name, value in vars(module).items() if isinstance(value, Declaration)}
            buffers = tuple(name for name, value in declared.items() if isinstance(value, Buffer))
            own = {name: replicated(arrays[_join(path, name)]) for name in declared}
            return {**own, "_call": call, "_path": path, "_buffers": buffers}

        return self._rebuild(bindings)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = self._call
        if call is None:
            if self.declarations():
                raise RuntimeError(
                    f"{type(self).__name__} is a description and holds no arrays. Make arrays with "
                    "`params, state = model.init(key)` and run the model with `model.apply(params, state, ...)`. "
                    "Layers that hold their arrays and take Tensors are those of funcvision.eager.nn"
                )
            return self.forward(*args, **kwargs)
        try:
            output = self.forward(*args, **kwargs)
        except Exception as error:
            if not getattr(error, "__notes__", None):  # only the innermost layer is named
                error.add_note(f"in layer {self._path or '(outermost)'}: {self._headline()}")
            raise
        name = self._path if self._uses == 0 else f"{self._path}_{self._uses}"
        vars(self)["_uses"] = self._uses + 1
        for capture in call.captures:
            capture.record(name, output)
        return output

    # What `forward` may use

    @property
    def training(self) -> bool:
        """The `train` of this call of `apply`."""
        if self._call is None:
            raise RuntimeError(
                f"{type(self).__name__} asks whether it trains, but it does not run in `apply`: run it with "
                "`model.apply(params, state, ..., train=...)`"
            )
        return self._call.train

    def captured(self, names: Sequence[str], forward: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """The outputs of modules below this one during `forward(*args)`, as with `apply(capture=...)`.

        It is for use within a `forward`. `forward(*args)` is left as soon as all of these modules have returned.

        Args:
            names: paths of modules, from this module on.
            forward: a function that calls them.
            args: arguments of `forward`.

        Raises:
            ValueError: a module of `names` did not run.
        """
        if self._call is None:
            raise RuntimeError(f"{type(self).__name__} holds no arrays: run it with `model.apply(params, state, ...)`")
        prefix = f"{self._path}." if self._path else ""
        capture = Capture([prefix + name for name in names], stops=True)
        self._call.captures.append(capture)
        try:
            forward(*args)
            capture.check()
        except Complete as complete:
            if complete.args != (capture,):
                raise
        finally:
            self._call.captures.remove(capture)
        return {name: capture.outputs[prefix + name] for name in names}

    def random_key(self) -> jax.Array:
        """A new random key, derived from the key of `apply`, the path of this layer and the count of its draws."""
        if self._call is None or self._call.key is None:
            raise ValueError(
                f"layer {self._path!r} ({self._headline()}) draws random numbers, but `apply` got no key. "
                "Pass one: `model.apply(params, state, x, train=True, key=jax.random.key(0))`"
            )
        vars(self)["_draws"] = self._draws + 1
        path = np.uint32(zlib.crc32(self._path.encode()))
        return jax.random.fold_in(jax.random.fold_in(self._call.key, path), self._draws)

    # Python's own protocols

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _sealing(cls.__init__)

    def __setattr__(self, name: str, value: Any) -> None:
        own = type(self).__name__
        if name in self._buffers:
            old = vars(self)[name]
            if value.shape != old.shape or value.dtype != old.dtype:
                raise ValueError(
                    f"buffer {name!r} of {own} is {old.dtype}{old.shape}; it cannot become {value.dtype}{value.shape}"
                )
        elif self._call is not None:
            raise AttributeError(f"forward of {own} assigns {name!r}; only a declared Buffer can change in a call")
        elif vars(self).get("_sealed"):
            raise AttributeError(
                f"{own} is a description and does not change after __init__; "
                f"`model.replace({name!r}, module)` makes a description with another child"
            )
        elif hasattr(Module, name):
            raise AttributeError(f"{own} cannot have an attribute {name!r}: every Module has a member of that name")
        elif isinstance(value, _CONTAINERS):
            _check_container(own, name, value)
        vars(self)[name] = value

    def _headline(self) -> str:
        options = (
            f"{name}={value!r}" for name, value in vars(self).items()
            if not name.startswith("_") and isinstance(value, bool | int | float | str | tuple | None)
        )
        return f"{type(self).__name__}({', '.join(options)})"

    def __repr__(self) -> str:
        lines = [f"  ({name}): {child!r}".replace("\n", "\n  ") for name, child in self.children().items()]
        return "\n".join([self._headline()[:-1], *lines, ")"]) if lines else self._headline()


_CONTAINERS = (list, tuple, dict, set, frozenset)
_DECLARING = (Module, Declaration)


def _sealing(build: Any) -> Any:
    """Wraps an `__init__`. After the outermost one of an object its attributes cannot change."""

    @functools.wraps(build)
    def sealed(self: Module, *args: Any, **kwargs: Any) -> None:
        outermost = "_sealed" not in vars(self)
        if outermost:
            vars(self)["_sealed"] = False
        build(self, *args, **kwargs)
        if outermost:
            for name, value in vars(self).items():
                if isinstance(value, list | dict | set):  # modules may have been added to it after its assignment
                    _check_container(type(self).__name__, name, value)
            vars(self)["_sealed"] = True

    return sealed


def _check_container(owner: str, name: str, value: Any) -> None:
    """Raises TypeError if a plain container holds modules or declarations, which `declarations` would not find."""
    found = next(_declaring(value), None)
    if isinstance(found, Module):
        raise TypeError(
            f"{owner}.{name} is a plain {type(value).__name__} that holds modules ({type(found).__name__}). "
            "Their arrays would not be declared: use ModuleList or ModuleDict, nested if need be"
        )
    if found is not None:
        raise TypeError(
            f"{owner}.{name} is a plain {type(value).__name__} that holds a {type(found).__name__}. It would not be "
            "declared: assign it to an attribute of its own, or to one of a module in a ModuleList"
        )


def _declaring(value: Any) -> Iterator[Module | Declaration]:
    """The modules and declarations at any depth of plain containers."""
    if isinstance(value, _DECLARING):
        yield value
    elif isinstance(value, _CONTAINERS):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _declaring(item)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
