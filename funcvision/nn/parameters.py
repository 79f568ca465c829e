"""Modules that hold parameters by index or by name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

import jax

from .module import Module, Param

__all__ = ["ParameterDict", "ParameterList"]


class _Parameters(Module):
    """Parameters in an order, as attributes of their names."""

    _names: tuple[str, ...] = ()

    def _hold(self, parameters: Mapping[str, Param]) -> None:
        for name, parameter in parameters.items():
            if not isinstance(parameter, Param):
                raise TypeError(f"{type(self).__name__} holds nn.Param, but item {name!r} is {parameter!r}")
            if "." in name or not name or hasattr(type(self), name):
                raise ValueError(
                    f"a parameter cannot be named {name!r}: no dots, not empty, and not the name of a method"
                )
            setattr(self, name, parameter)
        self._names = tuple(parameters)

    def _arrays(self) -> list[jax.Array]:
        return [vars(self)[name] for name in self._names]

    def __len__(self) -> int:
        return len(self._names)


class ParameterList(_Parameters):
    """A list of parameters, named "0", "1", ... In `forward` its items are arrays. It has no `forward`.

    >>> from funcvision import nn
    >>> class Polynomial(nn.Module):
    ...     def __init__(self):
    ...         self.coefficients = ParameterList([nn.Param((1,), nn.init.ones) for _ in range(3)])
    ...     def forward(self, x):
    ...         return sum(c * x**i for i, c in enumerate(self.coefficients))
    >>> params, state = Polynomial().init(jax.random.key(0))
    >>> list(params)
    ['coefficients.0', 'coefficients.1', 'coefficients.2']
    """

    def __init__(self, values: Sequence[Param] = ()):
        self._hold({str(i): parameter for i, parameter in enumerate(values)})

    def __iter__(self) -> Iterator[jax.Array]:
        return iter(self._arrays())

    @overload
    def __getitem__(self, index: int) -> jax.Array: ...
    @overload
    def __getitem__(self, index: slice) -> list[jax.Array]: ...

    def __getitem__(self, index: int | slice) -> jax.Array | list[jax.Array]:
        return self._arrays()[index]


class ParameterDict(_Parameters):
    """Parameters by name. In `forward` its values are arrays. It has no `forward`."""

    def __init__(self, parameters: Mapping[str, Param] | None = None):
        self._hold(parameters or {})

    def __getitem__(self, name: str) -> jax.Array:
        if name not in self._names:
            raise KeyError(f"ParameterDict has no {name!r}; it has {', '.join(self._names) or 'nothing'}")
        return vars(self)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def keys(self) -> list[str]:
        """The names."""
        return list(self._names)

    def values(self) -> list[jax.Array]:
        """The arrays; outside `apply`, their declarations."""
        return self._arrays()

    def items(self) -> list[tuple[str, jax.Array]]:
        """Names and arrays."""
        return list(zip(self._names, self._arrays(), strict=True))
