"""`Module`: a description of a computation and of the arrays it needs. It holds none of them.

    model = resnet18()
    params, state = model.init(jax.random.key(0))
    logits, state = model.apply(params, state, images, train=True, key=key)

`params` (trained) and `state` (running statistics and the like) are flat dicts keyed as torch's `state_dict`.

How a call works. `apply` makes a shallow copy of every module of the tree, on which each declaration is replaced by
its array, and calls `forward` of the outermost copy. A layer that assigns a buffer assigns it on its copy, where
`apply` reads the new state afterwards. The copies live as long as the call, so `apply` is a pure function.
"""

import dataclasses
import difflib
import functools
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np

from ..functional._check import listed
from ..functional._mesh import replicated, sharded_like
from ..functional._precision import accumulation_dtype
from . import init as initializers
from .init import Initializer

__all__ = ["Arrays", "Buffer", "Module", "Param", "remat"]

Arrays = dict[str, jax.Array]
Self = TypeVar("Self", bound="Module")


@dataclasses.dataclass(frozen=True)
class _Declaration:
    """An array that a module needs.

    `shape` is in torch's axis order and `layout` says how the array is stored here, "OIHW->HWIO"; without one the
    two are the same. `init(key, shape, dtype)` makes the first value in torch's order.
    """

    shape: tuple[int, ...]
    init: Initializer = initializers.zeros
    layout: str | None = None
    dtype: Any = None

    @property
    def axes(self) -> tuple[int, ...]:
        """The permutation that stores a torch array: `stored = torch_array.transpose(axes)`."""
        if self.layout is None:
            return tuple(range(len(self.shape)))
        torch_order, stored_order = self.layout.split("->")
        return tuple(torch_order.index(axis) for axis in stored_order)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the array in `params` or `state`."""
        return tuple(self.shape[axis] for axis in self.axes)

    def dtype_for(self, dtype: Any) -> np.dtype:
        """The dtype of the array in a model that is initialised in `dtype`."""
        return np.dtype(self.dtype or dtype)


class Param(_Declaration):
    """Declares a trained array; inside `forward` the attribute is the array itself.

    >>> Param((64, 3, 7, 7), initializers.kaiming_normal(), "OIHW->HWIO").stored_shape
    (7, 7, 3, 64)
    """

    if TYPE_CHECKING:  # what `self.weight` is in forward

        def __new__(cls, *args: Any, **kwargs: Any) -> jax.Array: ...


class Buffer(_Declaration):
    """Declares an array that is not trained, such as a running statistic. `forward` updates it by assignment."""

    if TYPE_CHECKING:

        def __new__(cls, *args: Any, **kwargs: Any) -> jax.Array: ...

    def dtype_for(self, dtype: Any) -> np.dtype:
        """Float32 at least: a running mean in bfloat16 would not move."""
        return np.dtype(self.dtype or accumulation_dtype(dtype))


@dataclasses.dataclass(frozen=True)
class _Call:
    """What every bound module of one call of `apply` shares."""

    train: bool
    key: jax.Array | None
    captures: list["_Capture"]


class _Capture:
    """Takes down what the modules of these names return, and the names of all that have returned."""

    def __init__(self, names: Sequence[str], stops: bool = False):
        self.names, self.stops = tuple(names), stops
        self.outputs: dict[str, Any] = {}
        self.seen: list[str] = []

    def take(self, name: str, output: Any) -> None:
        self.seen.append(name)
        if name in self.names:
            self.outputs[name] = output
            if self.stops and len(self.outputs) == len(set(self.names)):
                raise _Complete(self)

    def check(self) -> None:
        if missing := [name for name in self.names if name not in self.outputs]:
            close = difflib.get_close_matches(missing[0], self.seen, n=3, cutoff=0.4)
            raise ValueError(
                f"capture names {', '.join(map(repr, missing))}, which no module of this call bears; "
                f"close to it: {', '.join(map(repr, close)) or 'nothing'}"
            )


class _Complete(BaseException):
    """Leaves a `forward` whose wanted outputs are all there. Not an error, so `except Exception` lets it through."""


class Module:
    """A description: options, child modules, and `Param`/`Buffer` declarations, set in `__init__` and fixed after it.

    Subclasses assign them in `__init__` (there is no base initialiser to call) and compute in `forward`, where
    declarations have become arrays and children can be called:

    >>> class Scale(Module):
    ...     def __init__(self, features: int):
    ...         self.gain = Param((features,), initializers.ones)
    ...     def forward(self, x):
    ...         return x * self.gain
    >>> model = Scale(3)
    >>> params, state = model.init(jax.random.key(0))
    >>> y, state = model.apply(params, state, jnp.arange(3.0))
    """

    _call: _Call | None = None  # set on the copies that `apply` makes
    _path: str = ""
    _uses: int = 0
    _draws: int = 0
    _buffers: tuple[str, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The computation. Call the module, not this: the call also captures and names the layer in errors."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    # What a description declares

    def children(self) -> dict[str, "Module"]:
        """The modules held by this one, by attribute name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module and all below it with dotted paths, parents first; one that is held twice comes once."""
        seen = set()

        def walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
            if id(module) in seen:
                return
            seen.add(id(module))
            yield path, module
            for name, child in module.children().items():
                yield from walk(child, f"{path}.{name}" if path else name)

        return walk(self, "")

    def declarations(self) -> dict[str, _Declaration]:
        """Every `Param` and `Buffer` of the tree under its name in torch's `state_dict`, in its order."""
        found = {}
        for path, module in self.named_modules():
            for kind in (Param, Buffer):
                for name, value in vars(module).items():
                    if isinstance(value, kind):
                        found[f"{path}.{name}" if path else name] = value
        return found

    def replace(self: Self, path: str, module: "Module") -> Self:
        """A description in which the module at `path` is another one: `model.replace("fc", nn.Linear(512, 10))`."""
        name, _, rest = path.partition(".")
        children = self.children()
        if name not in children:
            raise KeyError(f"{type(self).__name__} has no child {name!r}; it has {', '.join(children) or 'none'}")
        changed = object.__new__(type(self))
        vars(changed).update(vars(self) | {name: children[name].replace(rest, module) if rest else module})
        return changed

    def with_init(self: Self, rule: Callable[["Module"], Mapping[str, Initializer]]) -> Self:
        """A description whose parameters start otherwise: as `rule` says of each module, by attribute name.

        A name whose attribute is None, such as the bias of a layer without one, is passed over.

        >>> from funcvision import nn
        >>> rule = lambda layer: {"weight": nn.init.zeros} if isinstance(layer, nn.Linear) else {}
        >>> params, _ = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).with_init(rule).init(jax.random.key(0))
        >>> float(abs(params["0.weight"]).max())
        0.0
        """
        copies: dict[int, Module] = {}

        def copy(module: Module) -> Module:
            if id(module) not in copies:
                changed = copies[id(module)] = object.__new__(type(module))
                contents = {k: copy(v) if isinstance(v, Module) else v for k, v in vars(module).items()}
                for name, init in rule(module).items():
                    declared = contents[name]
                    if isinstance(declared, _Declaration):
                        contents[name] = dataclasses.replace(declared, init=init)
                vars(changed).update(contents)
            return copies[id(module)]

        return copy(self)  # pyright: ignore[reportReturnType]

    # The two pure functions that make it run

    def init(self, key: jax.Array, *, dtype: Any = jnp.float32) -> tuple[Arrays, Arrays]:
        """New `(params, state)` from a random key, floating-point parameters in `dtype`.

        Can be jitted and traced: `jax.jit(model.init, out_shardings=...)` makes each shard where it will live.
        """
        declared = self.declarations()
        made = _initial_arrays(key, tuple((d, d.dtype_for(dtype)) for d in declared.values()))
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
            state: the other arrays, by name. The new state has the same names; it differs only where `train` is set.
            train: batch statistics, dropout and the like are on.
            key: what random layers draw from; each layer and each use of it gets a key of its own.
            capture: names of modules, `("layer3", "layer4.0.relu")`, whose outputs come back as a third result, a dict.
                Further uses of one module have a count behind the name: `"layer4.0.relu_1"` is the second.

        Raises:
            ValueError: an array is missing, unexpected or of the wrong shape; a random layer got no key.
        """
        _check(self.declarations(), params, state)
        wanted = _Capture(capture or ())
        call = _Call(train, key, [wanted] if wanted.names else [])
        bound: dict[int, Module] = {}
        output = _bind(self, "", {**params, **state}, call, bound)(*args, **kwargs)
        new_state = {}
        for path, module in self.named_modules():
            copy = bound[id(module)]
            new_state |= {f"{path}.{name}" if path else name: vars(copy)[name] for name in copy._buffers}
        new_state = {name: sharded_like(array, state[name]) for name, array in new_state.items()}
        if capture is None:
            return output, new_state
        wanted.check()
        return output, new_state, {name: wanted.outputs[name] for name in capture}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = self._call
        if call is None:
            if self.declarations():
                raise RuntimeError(
                    f"{type(self).__name__} is a description and holds no arrays. Make them with "
                    "`params, state = model.init(key)` and run it with `model.apply(params, state, ...)`"
                )
            return self.forward(*args, **kwargs)
        try:
            output = self.forward(*args, **kwargs)
        except Exception as error:
            if not getattr(error, "__notes__", None):  # the innermost layer is the one to name
                error.add_note(f"in layer {self._path or '(outermost)'}: {self._headline()}")
            raise
        name = self._path if self._uses == 0 else f"{self._path}_{self._uses}"
        vars(self)["_uses"] = self._uses + 1
        for capture in call.captures:
            capture.take(name, output)
        return output

    # What `forward` may ask

    @property
    def training(self) -> bool:
        """Whether this call of `apply` trains."""
        if self._call is None:
            raise RuntimeError(f"{type(self).__name__} does not know whether it trains: run it in `model.apply(...)`")
        return self._call.train

    def captured(self, names: Sequence[str], forward: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """What modules below this one return during `forward(*args)`, which is left as soon as all of them have.

        It is `apply(capture=...)` for use within a model: names are counted from this module.
        """
        if self._call is None:
            raise RuntimeError(f"{type(self).__name__} holds no arrays: run it in `model.apply(...)`")
        prefix = f"{self._path}." if self._path else ""
        capture = _Capture([prefix + name for name in names], stops=True)
        self._call.captures.append(capture)
        try:
            forward(*args)
            capture.check()
        except _Complete as complete:
            if complete.args != (capture,):
                raise
        finally:
            self._call.captures.remove(capture)
        return {name: capture.outputs[prefix + name] for name in names}

    def random_key(self) -> jax.Array:
        """A new key for this use of this layer, made of the key of `apply`, the layer's path and a count."""
        if self._call is None or self._call.key is None:
            raise ValueError(
                f"layer {self._path!r} ({self._headline()}) draws random numbers and got no key: "
                "pass one, `model.apply(params, state, x, train=True, key=jax.random.key(0))`"
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
                    f"buffer {name!r} of {own} is {old.dtype}{old.shape} and cannot become {value.dtype}{value.shape}"
                )
        elif self._call is not None:
            raise AttributeError(f"forward of {own} sets {name!r}: only a declared Buffer can change during a call")
        elif vars(self).get("_sealed"):
            raise AttributeError(
                f"{own} is a description and does not change once built; "
                f"`model.replace({name!r}, module)` makes one with another child"
            )
        elif hasattr(Module, name):
            raise AttributeError(f"{own} cannot have an attribute {name!r}: it is part of every Module")
        elif isinstance(value, list | tuple | dict) and _holds_modules(value):
            raise TypeError(f"{own}.{name} is a plain {type(value).__name__} of modules: use ModuleList or ModuleDict")
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


def remat(module: Module, *args: Any) -> Any:
    """`module(*args)` within a `forward`, but the backward pass computes what is inside again instead of keeping it.

    `jax.checkpoint` by itself would leave the module's new running statistics behind. Where intermediates are captured
    nothing is computed again. See https://docs.jax.dev/en/latest/gradient-checkpointing.html.
    """
    if module._call is None or module._call.captures:
        return module(*args)
    updated = [below for _, below in module.named_modules() if below._buffers]

    def buffers() -> list[dict[str, Any]]:
        return [{name: vars(below)[name] for name in below._buffers} for below in updated]

    def set_buffers(values: list[dict[str, Any]]) -> None:
        for below, value in zip(updated, values, strict=True):
            vars(below).update(value)

    @jax.checkpoint
    def run(*args: Any) -> tuple[Any, list[dict[str, Any]]]:
        before = buffers()
        output, after = module(*args), buffers()
        set_buffers(before)
        return output, after

    output, after = run(*args)
    set_buffers(after)
    return output


def _sealing(build: Any) -> Any:
    """`__init__` that fixes the description when the outermost initialiser returns."""

    @functools.wraps(build)
    def sealed(self: Module, *args: Any, **kwargs: Any) -> None:
        outermost = "_sealed" not in vars(self)
        if outermost:
            vars(self)["_sealed"] = False
        build(self, *args, **kwargs)
        if outermost:
            vars(self)["_sealed"] = True

    return sealed


def _holds_modules(value: Any) -> bool:
    return any(isinstance(item, Module) for item in (value.values() if isinstance(value, dict) else value))


def _bind(module: Module, path: str, arrays: Arrays, call: _Call, bound: dict[int, Module]) -> Module:
    """The copy of a module for one call. A module that is held twice has one copy, under its first path."""
    if id(module) in bound:
        return bound[id(module)]
    copy = bound[id(module)] = object.__new__(type(module))
    contents: dict[str, Any] = {}
    for name, value in vars(module).items():
        where = f"{path}.{name}" if path else name
        if isinstance(value, Module):
            value = _bind(value, where, arrays, call, bound)
        elif isinstance(value, _Declaration):
            value = replicated(arrays[where])
        contents[name] = value
    buffers = tuple(name for name, value in vars(module).items() if isinstance(value, Buffer))
    vars(copy).update(contents, _call=call, _path=path, _buffers=buffers)
    return copy


def _check(declared: dict[str, _Declaration], params: Arrays, state: Arrays) -> None:
    """Raises one error that lists every array that is missing, unexpected, misplaced or of the wrong shape."""
    faults = []
    for what, kind, arrays in (("params", Param, params), ("state", Buffer, state)):
        names = {name for name, declaration in declared.items() if isinstance(declaration, kind)}
        if missing := names - arrays.keys():
            faults.append(f"{what} lacks {listed(sorted(missing), 5)}")
        if unexpected := arrays.keys() - names:
            faults.append(f"{what} has {listed(sorted(unexpected), 5)}, which the model does not declare there")
        for name in sorted(names & arrays.keys()):
            if jnp.shape(arrays[name]) != declared[name].stored_shape:
                faults.append(f"{name} has shape {jnp.shape(arrays[name])} in place of {declared[name].stored_shape}")
    if faults:
        raise ValueError("these arrays are not this model's: " + "; ".join(faults))


_Wanted = tuple[tuple[_Declaration, np.dtype], ...]
_DRAWN = 1 << 27  # numbers at a time: drawing them takes several times the memory that they end in


def _initial_arrays(key: jax.Array, wanted: _Wanted) -> list[jax.Array]:
    """First values, as stored, made for some hundred million numbers at a time."""
    groups: list[list[tuple[_Declaration, np.dtype]]] = [[]]
    size = 0
    for one in wanted:
        count = math.prod(one[0].shape)
        if groups[-1] and size + count > _DRAWN:
            groups.append([])
            size = 0
        groups[-1].append(one)
        size += count
    arrays = []
    for number, group in enumerate(groups):
        arrays += _arrays_at_once(jax.random.fold_in(key, number) if number else key, tuple(group))
    return arrays


def _arrays_at_once(key: jax.Array, wanted: _Wanted) -> list[jax.Array]:
    """First values of one group.

    What costs is compiling, a random generator above all. So the standard draws of all parameters come from one, and
    a second program cuts and scales them; as a single program XLA would repeat the generator in every cut.
    """
    shares: dict[tuple[initializers.Noise, np.dtype], int] = {}
    for declaration, dtype in wanted:
        if isinstance(declaration.init, initializers.Elementwise):
            share = declaration.init.noise, accumulation_dtype(dtype)
            shares[share] = shares.get(share, 0) + math.prod(declaration.shape)
    draws_key, own_key = jax.random.split(key)
    return _cut(_standard_draws(draws_key, tuple(shares.items())), own_key, wanted)


@functools.partial(jax.jit, static_argnums=1)
def _standard_draws(key: jax.Array, shares: tuple[tuple[tuple[initializers.Noise, np.dtype], int], ...]) -> Any:
    """For each (kind of noise, dtype) as many draws as asked; normal ones are made of uniform ones."""
    pools = {}
    for number, dtype in enumerate(dict.fromkeys(dtype for (_, dtype), _ in shares)):
        sizes: dict[initializers.Noise, int] = {noise: size for (noise, of), size in shares if of == dtype}
        drawn = initializers.draw(jax.random.fold_in(key, number), (sum(sizes.values()),), dtype)
        for noise, part in zip(sizes, jax.lax.split(drawn, list(sizes.values())), strict=True):
            pools[noise, dtype.name] = initializers.standard(noise, part)
    return pools


@functools.partial(jax.jit, static_argnums=2)
def _cut(pools: dict[tuple[str, str], jax.Array], key: jax.Array, wanted: _Wanted) -> list[jax.Array]:
    used = dict.fromkeys(pools, 0)
    arrays = []
    for number, (declaration, dtype) in enumerate(wanted):
        init, shape = declaration.init, declaration.shape
        if isinstance(init, initializers.Elementwise):
            pool = init.noise, accumulation_dtype(dtype).name
            start, used[pool] = used[pool], used[pool] + math.prod(shape)
            noise = jax.lax.slice(pools[pool], (start,), (used[pool],)).reshape(declaration.stored_shape)
            arrays.append(init.scale(noise, shape).astype(dtype))
        else:
            value = init(jax.random.fold_in(key, number), shape, dtype)
            arrays.append(value.transpose(declaration.axes))
    return arrays
