"""Capturing what modules return during a call."""

import difflib
from collections.abc import Sequence
from typing import Any

__all__ = ["Capture", "Complete"]


class Capture:
    """Records the outputs of some modules, and the names of all modules that have returned.

    Args:
        names: the modules whose outputs are wanted.
        stops: raise `Complete` as soon as all of them have returned.

    Attributes:
        outputs: the outputs recorded so far, by name.
    """

    def __init__(self, names: Sequence[str], *, stops: bool = False):
        self.names, self.stops = tuple(names), stops
        self.outputs: dict[str, Any] = {}
        self._returned: list[str] = []

    def record(self, name: str, output: Any) -> None:
        """Notes that the module `name` has returned `output`."""
        self._returned.append(name)
        if name in self.names:
            self.outputs[name] = output
            if self.stops and len(self.outputs) == len(set(self.names)):
                raise Complete(self)

    def check(self) -> None:
        """Raises ValueError if a wanted module did not run."""
        if missing := [name for name in self.names if name not in self.outputs]:
            close = difflib.get_close_matches(missing[0], self._returned, n=3, cutoff=0.4)
            raise ValueError(
                f"capture names {', '.join(map(repr, missing))}, but no module of that name ran in this call; "
                f"similar names: {', '.join(map(repr, close)) or 'none'}"
            )


class Complete(BaseException):
    """Leaves a `forward` once all wanted outputs are recorded.

    It is no error, so it does not derive from Exception: `except Exception` in a `forward` must not stop it.
    """
