"""Modules that hold modules or parameters, and modules that only change shapes."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..tensor import Tensor
from .module import Module
from .parameter import Parameter

__all__ = [
    "Flatten", "Identity", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential", "Unflatten",
]


class Identity(Module):
    """Returns its argument. It takes any options and ignores them."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Flatten(Module):
    """Merges the axes from `start_dim` to `end_dim` into one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The options."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits axis `dim` into axes of these sizes, one of which may be -1."""

    def __init__(self, dim: int, unflattened_size: Iterable[int]):
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The options."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class _Listing(Module):
    """What lists of modules and of parameters share: they hold their members under the names "0", "1" and so on."""

    _kind = "_modules"

    def _members(self) -> dict[str, Any]:
        return vars(self)[self._kind]

    def _refill(self, values: Iterable[Any]) -> None:
        self._members().clear()
        for place, value in enumerate(values):
            self._register(self._kind, str(place), value)

    def _place(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range: {type(self).__name__} has {len(self)} members")
        return index % len(self)

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._members().values()))

    def __contains__(self, item: Any) -> bool:
        return any(member is item for member in self)

    def __getitem__(self, index: Any) -> Any:
        members = list(self)
        if isinstance(index, slice):
            return type(self)(members[index])  # pyright: ignore[reportCallIssue]
        return members[self._place(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        self._members()[list(self._members())[self._place(index)]] = value

    def __delitem__(self, index: Any) -> None:
        members = list(self)
        del members[index]
        self._refill(members)

    def append(self, value: Any) -> Any:
        """Adds a member at the end."""
        self._register(self._kind, str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> Any:
        """Adds members at the end."""
        for value in values:
            self.append(value)
        return self

    def insert(self, index: int, value: Any) -> Any:
        """Adds a member before the one at `index`."""
        members = list(self)
        members.insert(index, value)
        self._refill(members)
        return self

    def pop(self, index: int = -1) -> Any:
        """Removes a member and returns it."""
        value = self[index]
        del self[index]
        return value

    def __iadd__(self, values: Iterable[Any]) -> Any:
        return self.extend(values)

    def __add__(self, other: Iterable[Any]) -> Any:
        return type(self)([*self, *other])  # pyright: ignore[reportCallIssue]


class ModuleList(_Listing):
    """A list of modules."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend(modules or ())


class Sequential(_Listing):
    """Calls its modules one after the other. It takes modules, or one ordered dict of them."""

    def __init__(self, *args: Any):
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], Mapping) else enumerate(args)
        for name, module in named:
            self.add_module(str(name), module)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return super().__getitem__(index)

    def __add__(self, other: Iterable[Any]) -> Any:
        return type(self)(*self, *other)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


class ParameterList(_Listing):
    """A list of parameters. Other Tensors that it is given become parameters."""

    _kind = "_parameters"

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self.extend(values or ())

    def append(self, value: Any) -> Any:
        """Adds a parameter at the end."""
        return super().append(value if isinstance(value, Parameter) else Parameter(value))

    def __setitem__(self, index: int, value: Any) -> None:
        super().__setitem__(index, value if isinstance(value, Parameter) else Parameter(value))


class _Table(Module):
    """What dicts of modules and of parameters share."""

    _kind = "_modules"

    def _members(self) -> dict[str, Any]:
        return vars(self)[self._kind]

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._members()))

    def __contains__(self, name: str) -> bool:
        return name in self._members()

    def __getitem__(self, name: str) -> Any:
        return self._members()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._register(self._kind, name, value)

    def __delitem__(self, name: str) -> None:
        del self._members()[name]

    def keys(self) -> Any:
        """The names."""
        return self._members().keys()

    def values(self) -> Any:
        """The members."""
        return self._members().values()

    def items(self) -> Any:
        """Pairs of name and member."""
        return self._members().items()

    def get(self, name: str, default: Any = None) -> Any:
        """The member of a name, or the default."""
        return self._members().get(name, default)

    def pop(self, name: str) -> Any:
        """Removes a member and returns it."""
        return self._members().pop(name)

    def clear(self) -> None:
        """Removes all members."""
        self._members().clear()

    def update(self, members: Any) -> None:
        """Adds members from a mapping or from pairs."""
        for name, value in members.items() if hasattr(members, "items") else members:
            self[name] = value


class ModuleDict(_Table):
    """A dict of modules."""

    def __init__(self, modules: Any = None):
        super().__init__()
        self.update(modules or {})


class ParameterDict(_Table):
    """A dict of parameters. Other Tensors that it is given become parameters."""

    _kind = "_parameters"

    def __init__(self, parameters: Any = None):
        super().__init__()
        self.update(parameters or {})

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value if isinstance(value, Parameter) else Parameter(value))
