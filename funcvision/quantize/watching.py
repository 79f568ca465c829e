"""Watching the inputs and outputs of layers in a forward pass."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax

from .. import nn
from . import variants

__all__ = ["no_leaks", "watched"]

Watch = Callable[[str, Any, Any], Any]


class _Watched(nn.Module):
    """Calls `_watch(path, input, output)` and returns its result as the output."""

    _watch: Watch

    def forward(self, x: Any, *args: Any, **options: Any) -> Any:
        return self._watch(self._path, x, super().forward(x, *args, **options))


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


@contextlib.contextmanager
def no_leaks() -> Iterator[None]:
    """Says in one sentence why what a watch has kept cannot be returned.

    Raises:
        ValueError: a layer is called within another transformation than that of the whole forward pass.
    """
    try:
        yield
    except jax.errors.UnexpectedTracerError as error:
        raise ValueError(
            "the model calls layers within a transformation of its own, such as jax.checkpoint, jax.jit, jax.vmap or "
            "jax.lax.scan, where their inputs cannot be measured: switch it off for this, or use weights_only=True "
            "without batches"
        ) from error
