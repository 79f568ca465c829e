"""Watching the inputs and outputs of layers in a forward pass."""

from collections.abc import Callable, Iterable
from typing import Any

from .. import nn
from . import variants

__all__ = ["watched"]

Watch = Callable[[str, Any, Any], Any]


class _Watched(nn.Module):
    """Calls `_watch(path, input, output)` and returns its result as the output."""

    _watch: Watch

    def forward(self, x: Any, *args: Any) -> Any:
        return self._watch(self._path, x, super().forward(x, *args))


def watched(model: nn.Module, paths: Iterable[str], watch: Watch) -> nn.Module:
    """A description that calls `watch` in every call of the modules at `paths`.

    Args:
        model: the description.
        paths: of modules that take one array.
        watch: `watch(path, input, output)` returns the output with which the forward pass goes on. What it keeps of the
            arrays, which are tracers under `jit`, must be returned by the traced function.
    """
    wanted = set(paths)

    def rule(path: str, module: nn.Module) -> Any:
        return (variants.mixed(_Watched, type(module), "Watched"), {"_watch": watch}) if path in wanted else None

    return variants.exchange(model, rule)
