"""Functions that a caller registers to run before or after a method."""

import itertools
from collections.abc import Callable
from typing import Any

__all__ = ["Hooks", "RemovableHandle"]


class RemovableHandle:
    """The registration of one hook. `remove` ends it, and so does the end of a `with` block."""

    def __init__(self, hooks: dict[int, Any], number: int):
        self._hooks, self.id = hooks, number

    def remove(self) -> None:
        """Removes the hook. A second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


class Hooks(dict[int, Callable[..., Any]]):
    """Hooks by number, in the order in which they run."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()

    def add(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Registers a hook after the others, or before them."""
        number = next(self._numbers)
        others = dict(self) if prepend else {}
        if prepend:
            self.clear()
        self[number] = hook
        self.update(others)
        return RemovableHandle(self, number)

    def __reduce__(self) -> Any:  # as with torch's optimizers, a copy has no hooks
        return Hooks, ()
