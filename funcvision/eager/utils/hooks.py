"""`RemovableHandle`: what registering a hook returns."""

import itertools
import weakref
from collections import OrderedDict
from collections.abc import MutableMapping
from typing import Any

__all__ = ["RemovableHandle"]

_ids = itertools.count()


class RemovableHandle:
    """Removes a hook. As a context manager it removes the hook at the end of the block.

    The owner of the hooks keeps them in a dict, under the `id` of the handle:

    >>> from collections import OrderedDict
    >>> hooks = OrderedDict()
    >>> handle = RemovableHandle(hooks)
    >>> hooks[handle.id] = print
    >>> handle.remove()
    >>> len(hooks)
    0

    Args:
        hooks_dict: the dict that holds the hook. It must allow weak references, as `OrderedDict` does, because a handle
            does not keep the owner of the hooks alive.
        extra_dict: another dict, or several, with an entry under the same id that is removed with the hook.

    Attributes:
        id: the key of the hook. Handles made later have larger ids.
    """

    def __init__(self, hooks_dict: MutableMapping[int, Any], *, extra_dict: Any = None):
        given = [] if extra_dict is None else extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self._dicts = tuple(weakref.ref(hooks) for hooks in (hooks_dict, *given))
        self.id = next(_ids)

    def remove(self) -> None:
        """Removes the hook. A second call does nothing."""
        for reference in self._dicts:
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()

    def __getstate__(self) -> tuple[Any, ...]:
        return tuple(reference() for reference in self._dicts), self.id

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        dicts, self.id = state
        self._dicts = tuple(weakref.ref(OrderedDict() if hooks is None else hooks) for hooks in dicts)
