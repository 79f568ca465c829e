"""Trading computation for memory in the backward pass."""

from typing import Any

import jax

from .module import Module

__all__ = ["remat"]


def remat(module: Module, *args: Any) -> Any:
    """`module(*args)` within a `forward`, with intermediates computed again in the backward pass, not kept in memory.

    `jax.checkpoint` alone would lose the module's new running statistics. While intermediates are captured, nothing is
    computed again. See https://docs.jax.dev/en/latest/gradient-checkpointing.html.
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
