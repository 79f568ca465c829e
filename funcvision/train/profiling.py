"""A trace of some steps, for TensorBoard's profile page or Perfetto."""

import pathlib
from typing import Any

import jax

from .step import Step

__all__ = ["profile"]


def profile(step: Step, folder: str | pathlib.Path, *, first: int = 10, steps: int = 5) -> Step:
    """The same step, which writes a trace of some of its calls.

    The trace is written after the last of these calls; a run that ends before it leaves none.

    Args:
        step: a training step.
        folder: where the trace is written.
        first: the first call that is traced, counted from 0. The calls before compile and warm up.
        steps: how many calls are traced.

    Raises:
        ValueError: `first` is below 0, or `steps` below 1.
    """
    if first < 0 or steps < 1:
        raise ValueError(f"first={first} must be 0 or more, and steps={steps} 1 or more")
    calls = 0

    def traced(state: Any, batch: Any) -> Any:
        nonlocal calls
        if calls == first:
            jax.profiler.start_trace(str(folder))
        result = step(state, batch)
        calls += 1
        if calls == first + steps:
            jax.block_until_ready(result)  # the trace is of what runs, and steps are dispatched ahead
            jax.profiler.stop_trace()
        return result

    return traced
