"""Modules that hold other modules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from .module import Module

__all__ = ["Identity", "ModuleDict", "ModuleList", "Sequential"]


class Identity(Module):
    """Returns its input. Like torch's, it ignores all arguments of its constructor."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def forward(self, x: Any) -> Any:
        return x


class _Sequence(Module):
    """Children in an order, accessible by index."""

    def __len__(self) -> int:
        return len(self.children())

    def __iter__(self) -> Iterator[Module]:
        return iter(self.children().values())

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]

    def _hold(self, modules: Mapping[str, Module]) -> None:
        for name, module in modules.items():
            if not isinstance(module, Module):
                raise TypeError(f"{type(self).__name__} holds modules, but item {name!r} is {module!r}")
            setattr(self, name, module)


class Sequential(_Sequence):
    """Calls its modules in order, each on the output of the one before.

    Args:
        modules: modules, which are named "0", "1", ...; or one mapping from names to modules.

    >>> from funcvision import nn
    >>> list(nn.Sequential(nn.Linear(2, 3), nn.Identity()).declarations())
    ['0.weight', '0.bias']
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            self._hold(modules[0])
        else:
            self._hold({str(i): module for i, module in enumerate(modules)})  # pyright: ignore[reportArgumentType]

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...

    def __getitem__(self, index: int | slice) -> Module:
        """The module at an index, or a Sequential of the modules in a slice, which keep their names."""
        if isinstance(index, slice):
            return Sequential(dict(list(self.children().items())[index]))
        return super().__getitem__(index)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


class ModuleList(_Sequence):
    """A list of modules, named "0", "1", ... It has no `forward`."""

    def __init__(self, modules: Sequence[Module] = ()):
        self._hold({str(i): module for i, module in enumerate(modules)})

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> "ModuleList": ...

    def __getitem__(self, index: int | slice) -> Module:
        """The module at an index, or a ModuleList of the modules in a slice, numbered from 0."""
        return ModuleList(list(self)[index]) if isinstance(index, slice) else super().__getitem__(index)


class ModuleDict(Module):
    """Modules by name. It has no `forward`."""

    def __init__(self, modules: Mapping[str, Module] | None = None):
        for name, module in (modules or {}).items():
            if "." in name or not name or hasattr(type(self), name):
                raise ValueError(f"a module cannot be named {name!r}: no dots, not empty, and not the name of a method")
            setattr(self, name, module)

    def __getitem__(self, name: str) -> Module:
        return self.children()[name]

    def __len__(self) -> int:
        return len(self.children())

    def __iter__(self) -> Iterator[str]:
        return iter(self.children())

    def __contains__(self, name: object) -> bool:
        return name in self.children()

    def keys(self) -> list[str]:
        """The names."""
        return list(self.children())

    def values(self) -> list[Module]:
        """The modules."""
        return list(self.children().values())

    def items(self) -> list[tuple[str, Module]]:
        """Names and modules."""
        return list(self.children().items())
