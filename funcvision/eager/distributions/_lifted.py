"""Objects of Tensors whose methods are pure functions of arrays.

The methods of a distribution or a transform are written for arrays. Called by a user, such a method runs as one
compiled node of the graph: the object is flattened to its Tensors, and inside the compiled function an object of the
same class holds their arrays. So methods that call each other, and objects that consist of other objects, are one node.

Objects with parts that the library did not write are not compiled as a whole: their formulas then run on Tensors.
"""

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

import jax

from .._base import TensorBase
from .._graph import enable_grad
from .._lift import lift

__all__ = ["Lifted", "either", "lazy", "lifted", "lifted_property"]


class Lifted:
    """An object whose methods run on arrays.

    Attributes:
        leaves: the names of the attributes that are Tensors, numbers, other such objects, or lists of them.
        options: the names of the other attributes, which are hashable.
        is_pure: whether the object holds arrays and is used in a compiled function.
    """

    leaves: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = ()
    library_class: ClassVar[type]  # the class, or the next of its bases that the library defines
    is_pure = False

    if TYPE_CHECKING:  # the attributes that `leaves` and `options` name

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith(f"{__package__}."):
            cls.library_class = cls
        jax.tree_util.register_pytree_node(cls, _flatten, functools.partial(_unflatten, cls.library_class))

    @property
    def is_opaque(self) -> bool:
        """Whether methods of this object, or of a part of it, are written for Tensors."""
        return type(self) is not self.library_class or self._has_opaque_parts()

    def _has_opaque_parts(self) -> bool:
        return any(part.is_opaque for part in self._parts())

    def _parts(self) -> "Iterator[Lifted]":
        for name in self.leaves:
            value = getattr(self, name)
            if isinstance(value, Lifted):
                yield value
            elif isinstance(value, list | tuple):
                yield from (part for part in value if isinstance(part, Lifted))

    def replaced(self, **attributes: Any) -> Self:
        """The same object with other values of some leaves and options. It is for pure objects."""
        children, options = _flatten(self)
        values = dict(zip((*self.leaves, *self.options), (*children, *options), strict=True))
        values |= attributes
        return _unflatten(type(self), [values[name] for name in self.options], [values[name] for name in self.leaves])


def _flatten(lifted: Lifted) -> tuple[Any, Any]:
    return [getattr(lifted, name) for name in lifted.leaves], tuple(getattr(lifted, name) for name in lifted.options)


def _unflatten(kind: type, options: Any, children: Any) -> Any:
    made = object.__new__(kind)
    made.__dict__.update(zip(kind.leaves, children, strict=True), is_pure=True)
    made.__dict__.update(zip(kind.options, options, strict=True))
    return made


def lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method written for arrays as a method for Tensors: one node of the graph."""
    operation = lift(function)

    @functools.wraps(function)
    def method(self: Lifted, *args: Any) -> Any:
        return function(self, *args) if self.is_pure or self._has_opaque_parts() else operation(self, *args)

    return method


def lifted_property(function: Callable[..., Any]) -> Any:
    """A property written for arrays as a property that gives a Tensor."""
    return property(lifted(function))


class lazy:
    """A lifted property that is computed once, and recorded even if it is first used under `no_grad`."""

    def __init__(self, function: Callable[..., Any]):
        self.function = lifted(function)
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = instance.__dict__[self.name] = self.function(instance)
        return value


def either(function: Callable[..., Any]) -> Callable[..., Any]:
    """A pure function that is lifted where an argument is a Tensor: for formulas that may have opaque parts."""
    operation = lift(function)

    @functools.wraps(function)
    def of_either(*args: Any) -> Any:
        return operation(*args) if any(isinstance(argument, TensorBase) for argument in args) else function(*args)

    return of_either
